/* recover.c: ends what outlived its supervisor, before the next one starts.
 *
 * Children get a signal when their supervisor dies, but Postgres takes its time to end, and a
 * system that is under load takes longer. Three witnesses, since each can be missing: the processes
 * of stack.json (by number and start time), postmaster.pid, and who listens on Redis' socket. No
 * signal goes to a process that was not recognised as ours. */
#include "stack/services.h"

#include "base/buf.h"
#include "stack/paths.h"
#include "stack/process.h"
#include "stack/state.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define GRACE_MS 15000

static int end_or_refuse(const char *what, pid_t pid, u64 ticks, int signal, struct err *err)
{
    if (process_end(pid, ticks, signal, GRACE_MS))
        return 0;
    return err_set(err, ERR_StateDirectory,
                   "%s (process %d) of an earlier stack does not end: end it by hand, then "
                   "run `syncline up` again",
                   what, (int)pid);
}

static int recover_listed(const struct layout *layout, struct err *err)
{
    struct stack_state state;
    char boot_id[BOOT_ID_SIZE];
    struct err ignored;
    int result = 0;

    if (stack_state_read(layout->json, &state, &ignored) < 0)
        return 0; /* none, or torn by a full disk: the other witnesses remain */
    process_boot_id(boot_id);
    /* postgres and redis come first in the list; those who use them go before */
    for (u32 i = state.process_count;
         i-- > 0 && result == 0 && strcmp(boot_id, state.boot_id) == 0;) {
        const struct stack_process *process = &state.processes[i];

        if (process->pid > 1 && process->ticks > 0)
            result = end_or_refuse(process->name, (pid_t)process->pid, process->ticks,
                                   strcmp(process->kind, "postgres") == 0 ? SIGINT : SIGTERM, err);
    }
    stack_state_release(&state);
    return result;
}

/* The postmaster's working directory is its data directory: that is what makes it ours. */
static int recover_postmaster(const struct layout *layout, struct err *err)
{
    char *path = path_below(layout->pg, "postmaster.pid");
    FILE *file = fopen(path, "re");
    char directory[4096];
    int pid = 0, result = 0;

    if (file && fscanf(file, "%d", &pid) == 1 && pid > 1) {
        u64 ticks = process_start_ticks(pid);

        if (ticks && process_directory(pid, directory, sizeof directory) &&
            strcmp(directory, layout->pg) == 0)
            result = end_or_refuse("Postgres", pid, ticks, SIGINT, err);
    }
    if (file)
        fclose(file);
    free(path);
    return result;
}

static int recover_redis(const struct layout *layout, struct err *err)
{
    char *path = path_below(layout->run, "redis.sock");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct ucred peer = {0};
    socklen_t size = sizeof peer;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), result = 0;

    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.pid > 1)
        result = end_or_refuse("Redis", peer.pid, process_start_ticks(peer.pid), SIGTERM, err);
    if (fd >= 0)
        close(fd);
    free(path);
    return result;
}

int services_recover(const struct layout *layout, struct err *err)
{
    if (recover_listed(layout, err) < 0 || recover_postmaster(layout, err) < 0)
        return -1;
    return recover_redis(layout, err);
}
