/* process.c: see process.h. A pidfd is opened first and the start time compared after: from then on
 * signals cannot reach another process, whatever happens to the number. */
#include "stack/process.h"

#include "base/buf.h"
#include "base/clock.h"
#include "stack/paths.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static ssize_t read_file(const char *path, char *out, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length;

    if (fd < 0)
        return -1;
    length = read(fd, out, size - 1);
    close(fd);
    out[length < 0 ? 0 : length] = '\0';
    return length;
}

u64 process_start_ticks(pid_t pid)
{
    char path[64], text[1024], *at;
    unsigned long long ticks = 0;
    char state = 'Z';

    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    if (read_file(path, text, sizeof text) <= 0)
        return 0;
    at = strrchr(text, ')'); /* the name before it may hold anything */
    if (!at ||
        sscanf(at + 1,
               " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
               &state, &ticks) != 2)
        return 0;
    return state == 'Z' || state == 'X' ? 0 : ticks;
}

void process_boot_id(char out[BOOT_ID_SIZE])
{
    if (read_file("/proc/sys/kernel/random/boot_id", out, BOOT_ID_SIZE) <= 0)
        out[0] = '\0';
    out[strcspn(out, "\n")] = '\0';
}

bool process_directory(pid_t pid, char *out, size_t size)
{
    char path[64];
    ssize_t length;

    snprintf(path, sizeof path, "/proc/%d/cwd", (int)pid);
    length = readlink(path, out, size - 1);
    out[length < 0 ? 0 : length] = '\0';
    return length > 0;
}

static bool wait_gone(int pidfd, s64 timeout_ms)
{
    struct pollfd waiting = {.fd = pidfd, .events = POLLIN};
    s64 until = clock_monotonic_ms() + timeout_ms;

    for (;;) {
        s64 left = until - clock_monotonic_ms();

        if (poll(&waiting, 1, left < 0 ? 0 : (int)left) > 0)
            return true;
        if (left <= 0)
            return false;
    }
}

bool process_end(pid_t pid, u64 ticks, int signal, s64 grace_ms)
{
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    bool gone;

    if (pidfd < 0)
        return process_start_ticks(pid) != ticks;
    if (process_start_ticks(pid) != ticks) {
        close(pidfd);
        return true;
    }
    syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0);
    gone = wait_gone(pidfd, grace_ms);
    if (!gone) {
        syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
        gone = wait_gone(pidfd, 5000);
    }
    close(pidfd);
    return gone;
}

char *process_program_directory(void)
{
    char *program = realpath("/proc/self/exe", NULL);
    char *directory = program ? path_parent(program) : NULL;

    free(program);
    return directory;
}
