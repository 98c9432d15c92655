/* tasks.c: the boundary between the worker and the verb: opens the destination, proves, logs what a
 * person may want to know, and replies. */
#include "verifier/tasks.h"

#include "base/log.h"
#include "verifier/prove.h"

static void progress(void *context, u64 bytes)
{
    task_progress(context, bytes);
}

static bool stopped(void *context)
{
    return task_is_stopped(context);
}

/* An asset that cannot be opened is a matter of the place, not of an item. What may pass (too many
 * open files) stays what it is. */
static void open_destination(struct task *task, struct prove_work *work)
{
    struct err *err = &work->unreachable;

    if (task_asset(task, task_envelope(task)->message.prove.destination, &work->destination, err) ==
        0) {
        err_clear(err);
        return;
    }
    if (err_disposition_of(err->code) != DISPOSITION_RETRY)
        err->code = ERR_AssetUnreachable;
    log_error(NULL, EVENT_failure, err);
}

static void run(struct task *task, void *lane_state)
{
    const struct envelope *envelope = task_envelope(task);
    const struct msg_prove *prove = &envelope->message.prove;
    struct prove_work work = {
        .lane = lane_state, .progress = progress, .stopped = stopped, .context = task};
    struct envelope answer;
    struct err err = {0};

    open_destination(task, &work);
    if (prove_batch(&work, envelope, &answer, &err) < 0)
        log_write(LOG_WARN, NULL, EVENT_message_refused, "kind=prove code=%s message=%s",
                  err_name(err.code), log_text(err.text));
    if (answer.message.proven.mismatched > 0)
        log_write(LOG_WARN, NULL, EVENT_mismatch, "token=%llu-%u-%u copies=%u",
                  (unsigned long long)prove->job, prove->epoch, prove->sequence,
                  answer.message.proven.mismatched);
    task_reply(task, &answer);
}

static void *lane_new(void)
{
    return prove_lane_new();
}

static void lane_destroy(void *lane_state)
{
    struct prove_lane *lane = lane_state;

    prove_lane_destroy(&lane);
}

static const u32 kinds[] = {MSG_prove};

const struct worker_role verifier_role = {
    .role = ROLE_verifier,
    .kinds = kinds,
    .kind_count = COUNT_OF(kinds),
    .run = run,
    .lane_new = lane_new,
    .lane_destroy = lane_destroy,
};
