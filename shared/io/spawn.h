/* spawn.h: starts programs and ends them. For the supervisor and the command, never for a process
 * that has a zmq context: it forks, and the threads and sockets of a context do not survive that.
 *
 * The child gets: stdin from /dev/null, the descriptors asked for as stdout and stderr, no other
 * descriptor, no blocked signal, default dispositions, its own process group (or session). */
#ifndef SYNCLINE_IO_SPAWN_H
#define SYNCLINE_IO_SPAWN_H

#include "base/buf.h"
#include "base/err.h"
#include "base/types.h"

#include <sys/types.h>

/* Plain data, borrowed for the call. */
struct spawn_request {
    const char *path;  /* absolute */
    char *const *argv; /* argv[0] too; NULL-terminated */
    char *const
        *extra_environment; /* "NAME=value", replaces what is inherited; NULL-terminated or NULL */
    int stdout_fd;          /* -1 = inherited */
    int stderr_fd;          /* -1 = inherited */
    const char *directory;  /* working directory; NULL = inherited */
    uid_t uid;              /* with switch_user: this user, this group and no other groups */
    gid_t gid;
    bool switch_user;
    bool die_with_parent; /* gets death_signal when the *thread* that started it ends */
    int death_signal;     /* 0 = SIGTERM */
    bool new_session;     /* its own session (daemons); otherwise its own process group only */
};

/* 0 and the pid when the program runs. -1: NotFound, AccessDenied, IoError …, also when it was exec
 * that failed: the error names the step. The caller reaps (waitpid). */
int spawn_start(const struct spawn_request *request, pid_t *out, struct err *err);

/* Runs a program to its end and appends what it writes to stdout and stderr (at most 1 MiB; the
 * rest is read and dropped). stdout_fd and stderr_fd of the request are ignored. *status is as from
 * waitpid. What it left running in the background is not waited for. -1 with TimedOut after
 * deadline_ms (its process group was killed), or as spawn_start. */
int spawn_run(const struct spawn_request *request, s64 deadline_ms, struct buf *output, int *status,
              struct err *err);

/* Sends `signal` (SIGTERM, or SIGINT for Postgres) to a child, waits up to grace_ms for its end,
 * sends SIGKILL to what is left of its process group, and reaps it. 0 and its status (`status` may
 * be NULL), or -1 if there is no such child. */
int spawn_stop(pid_t pid, int signal, s64 grace_ms, int *status);

/* For messages: "exited with 1", "was ended by signal 9 (Killed)". */
void spawn_describe(int status, struct buf *out);

#endif
