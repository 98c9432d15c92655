/* state.h: what stack.json says: the processes of the embedded stack and how to reach it. Written
 * by the supervisor at each change, as a whole; read by the command, by people, and by the next
 * supervisor. */
#ifndef SYNCLINE_STACK_STATE_H
#define SYNCLINE_STACK_STATE_H

#include "base/err.h"
#include "base/states.h"
#include "base/types.h"
#include "stack/process.h"

#include <jansson.h>
#include <sys/types.h>

/* Of each role; index is enum role. */
struct stack_counts {
    u32 of[ROLE_verifier + 1];
};

struct stack_process {
    char name[32];  /* "mover-1" */
    char kind[16];  /* "mover", "postgres" */
    char state[16]; /* "ready", "starting", "waiting" (died, is started again soon), "stopping" */
    s64 pid;        /* 0 while there is none */
    u64 ticks;      /* its start, see process.h */
    u32 restarts;
};

/* Zero-initialise, release with stack_state_release. */
struct stack_state {
    char boot_id[BOOT_ID_SIZE];
    char phase[16]; /* "starting", "ready", "stopping" */
    s64 supervisor;
    u64 supervisor_ticks;
    bool on_demand; /* ends when the last command that uses it ends */
    char *state_directory, *database_url, *redis_url, *planner;
    struct stack_counts wanted;
    struct stack_process *processes;
    u32 process_count;
};

json_t *stack_state_to_json(const struct stack_state *state);
/* -1 with StateDirectory if it is not what stack_state_to_json makes. */
int stack_state_from_json(const json_t *json, struct stack_state *out, struct err *err);
/* NotFound if there is no such file. */
int stack_state_read(const char *path, struct stack_state *out, struct err *err);
void stack_state_release(struct stack_state *state);

#endif
