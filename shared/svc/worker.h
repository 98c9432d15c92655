/* worker.h: what watcher, mover and verifier have in common: hello, heartbeats, lanes, credit,
 * streams.
 *
 * worker_main is the whole process but for its verb. The loop thread owns the sockets: one DEALER
 * per planner (endpoints are looked up again every second, so that planners may come and go).
 * Messages that are tasks go to lanes (threads); a lane runs role->run and answers through
 * task_reply or task_stream. A worker that already holds CREDIT_PER_LANE × lanes tasks answers
 * `busy`. `beat` lists every token held with a progress count: a running task's moves by
 * task_progress, a waiting one's with the progress of the lanes together. SIGTERM: `bye`, running
 * tasks are given up, exit 0. */
#ifndef SYNCLINE_SVC_WORKER_H
#define SYNCLINE_SVC_WORKER_H

#include "asset/asset.h"
#include "base/err.h"
#include "base/states.h"
#include "wire/message.h"

struct task; /* opaque: one message of a planner in the hands of a lane */

struct worker_role {
    enum role role;
    const u32 *kinds; /* messages that are tasks for this role */
    u32 kind_count;
    /* Runs in a lane thread; must end with exactly one task_reply, or with task_stream_end. An
     * error inside the task is part of the answer, not of this call. */
    void (*run)(struct task *task, void *lane_state);
    /* A message that is no task, in the loop thread: must not block. False: not one for this role.
     * May be NULL. */
    bool (*hear)(const struct message *message);
    void *(*lane_new)(void); /* buffers, hashers; may be NULL */
    void (*lane_destroy)(void *lane_state);
};

/* Parses flags and environment (svc/config.h), runs until SIGTERM, returns the exit code. */
int worker_main(const struct worker_role *role, int argc, char **argv);

/* The message that this task is. Valid until the task has ended; text and bin are borrowed. */
const struct envelope *task_envelope(const struct task *task);

/* The end of a task with a single answer. Copies. */
void task_reply(struct task *task, const struct envelope *reply);

/* Work went on: call at least every second of work (each file, each MiB). */
void task_progress(struct task *task, u64 bytes);

/* The planner does not want the result any more (stop, or the process ends): return soon. */
bool task_is_stopped(const struct task *task);

/* ---- streams (scan): numbered messages that are kept and sent again until acknowledged ---- */

/* Waits until `number` ≤ window (or the task is stopped: -1), then sends and keeps a copy. The
 * caller gave the message this number: 1, 2, … */
int task_stream(struct task *task, u32 number, const struct envelope *message);
/* Waits until everything up to `last` is acknowledged, or the task is stopped; then the task is
 * over. */
void task_stream_end(struct task *task, u32 last);
/* Subtrees that others could take now, by the latest `through`; each call of task_split_taken
 * lowers it. */
u32 task_splits_wanted(const struct task *task);
void task_split_taken(struct task *task);

/* ---- assets: opened once per process and address, checked to be current at each use ---- */

/* Borrowed until task end. A destination stays open (its descriptor must be older than what it
 * settles) while its job runs, unless its address leads elsewhere by now; else until it was idle
 * for a minute. */
int task_asset(struct task *task, struct bytes address, struct asset **out, struct err *err);

#endif
