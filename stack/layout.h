/* layout.h: the state directory of the embedded stack: where it is, what is in it, who owns it.
 *
 *   stack.json   what runs (state.h)            lock   held by the supervisor while it lives
 *   pg/ redis/   data of Postgres and Redis     conf/  their settings, written anew at each start
 *   run/         sockets                        log/   <role>-<n>.log
 *
 * Everything belongs to who ran `up`, who alone gets in. Run by root, Postgres and Redis are
 * another user's (postgres if there is one, else nobody): pg/ and redis/ are that user's, run/ and
 * conf/ are shared with its group, the directory itself can be passed by its group. */
#ifndef SYNCLINE_STACK_LAYOUT_H
#define SYNCLINE_STACK_LAYOUT_H

#include "base/err.h"
#include "base/types.h"

#include <sys/types.h>

/* Most processes of one role; also bounds the length of planner-<n>.ipc. */
#define STACK_PROCESSES_MAX 64
/* sizeof sun_path - 1 */
#define SOCKET_PATH_MAX 107

/* Owned texts; zero-initialise, release with layout_release. */
struct layout {
    char *root;
    char *lock, *json, *pg, *redis, *run, *log, *conf, *control;
    char *programs;     /* the directory of the running binary */
    char *service_user; /* who runs Postgres and Redis */
    uid_t service_uid;
    gid_t service_gid;
    bool separate; /* the service user is another than this one */
};

/* `state_dir` (of the flag, may be NULL) > SYNCLINE_STATE_DIR > /var/lib/syncline for root >
 * XDG_STATE_HOME /syncline > ~/.local/state/syncline. Only looks. Configuration or StateDirectory.
 */
int layout_find(const char *state_dir, struct layout *out, struct err *err);
void layout_release(struct layout *layout);

/* Refuses, before anything is made: socket paths that are too long, a place where the service user
 * cannot get, a directory of someone else or with other things in it. StateDirectory. */
int layout_check(const struct layout *layout, struct err *err);

/* Makes what is missing, with owners and modes as above. After layout_check. StateDirectory. */
int layout_prepare(const struct layout *layout, struct err *err);

/* log/<name>.log; the caller frees. */
char *layout_log(const struct layout *layout, const char *name);

/* Writes a file as a whole: temporary name, rename. `mode` and, with `shared`, the service user's
 * group. */
int layout_write(const struct layout *layout, const char *path, const char *text, mode_t mode,
                 bool shared, struct err *err);

#endif
