/* child.h: one program that the supervisor keeps alive. */
#ifndef SYNCLINE_STACK_CHILD_H
#define SYNCLINE_STACK_CHILD_H

#include "base/err.h"
#include "stack/layout.h"
#include "stack/services.h"
#include "stack/state.h"

enum child_kind { CHILD_POSTGRES, CHILD_REDIS, CHILD_ROLE };

struct child {
    struct stack_process shown; /* name, kind, pid …: what stack.json says of it */
    enum child_kind kind;
    u32 role;  /* of CHILD_ROLE */
    u32 index; /* from 1 */
    char *path;
    char **argv;
    char **environment;
    char *log_path;
    pid_t pid;      /* 0 = does not run */
    s64 started_ms; /* monotonic */
    s64 due_ms;     /* when it is started (again), if it does not run */
    s64 kill_ms;    /* when it is killed; 0 = it was not asked to end */
    s64 log_from;   /* where in the log its own lines begin */
    u32 failures;   /* deaths in a row, without ten seconds alive between */
    bool wanted;
    bool ready;
};

struct child *child_new_service(enum child_kind kind, const struct layout *layout,
                                const struct programs *programs);
/* `urls`: NULL-terminated "NAME=value" of SYNCLINE_DATABASE_URL and SYNCLINE_REDIS_URL; copied. */
struct child *child_new_role(u32 role, u32 index, const struct layout *layout, char *const *urls);
void child_destroy(struct child **child);

/* Runs it now. A failure counts like a death: it is tried again. */
int child_start(struct child *child, const struct layout *layout, struct err *err);
/* It has ended with this status (waitpid); sets when it is due again. */
void child_ended(struct child *child, s64 now_ms);
/* Asks it to end, in the way that it understands as orderly; SIGKILL after its grace. */
void child_ask_to_end(struct child *child, s64 now_ms);
/* Has a role logged event=ready since it was started? Sets `ready`. */
void child_look_for_ready(struct child *child);
/* Keeps the log below its limit: <log>.1 is the part before. */
void child_rotate_log(const struct child *child);

/* Milliseconds to wait after death number `failures` in a row: at once, then 100 ms doubling to 5
 * s. */
s64 child_delay_ms(u32 failures);

#endif
