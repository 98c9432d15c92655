/* process.h: processes by number, told from others that got the same number later. */
#ifndef SYNCLINE_STACK_PROCESS_H
#define SYNCLINE_STACK_PROCESS_H

#include "base/types.h"

#include <sys/types.h>

#define BOOT_ID_SIZE 40

/* When the process started, in ticks since boot; 0 if there is no such process (or it is a zombie).
 * With the boot's id, a number and this name one process for ever. */
u64 process_start_ticks(pid_t pid);

/* The id of this boot; "" where the kernel does not tell. */
void process_boot_id(char out[BOOT_ID_SIZE]);

/* The working directory of the process; false if it cannot be read. */
bool process_directory(pid_t pid, char *out, size_t size);

/* Sends `signal` to the process that started at `ticks`, and after grace_ms SIGKILL; waits until it
 * is gone. True when it is gone. For processes that are not children of this one. */
bool process_end(pid_t pid, u64 ticks, int signal, s64 grace_ms);

/* The directory of the program that is running. The caller frees; NULL if it cannot be read. */
char *process_program_directory(void);

#endif
