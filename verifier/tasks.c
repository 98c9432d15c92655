/* tasks.c: the boundary between the worker and the verbs: opens the destination, runs the verb that
 * a message asks for, logs what a person may want to know, and replies. */
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

typedef int verb_fn(struct prove_work *work, const struct envelope *task, struct envelope *answer,
                    struct err *err);

static verb_fn *verb_of(const struct message *message, struct bytes *destination)
{
    switch (message->kind) {
    case MSG_prove:
        *destination = message->prove.destination;
        return prove_batch;
    case MSG_prove_part:
        *destination = message->prove_part.destination;
        return prove_part;
    case MSG_check:
        *destination = message->check.destination;
        return prove_check;
    default:
        return NULL;
    }
}

/* An asset that cannot be opened is a matter of the place, not of an item. What may pass (too many
 * open files) stays what it is. */
static void open_destination(struct task *task, struct bytes destination, struct prove_work *work)
{
    struct err *err = &work->unreachable;

    if (task_asset(task, destination, &work->destination, err) == 0) {
        err_clear(err);
        return;
    }
    if (err_disposition_of(err->code) != DISPOSITION_RETRY)
        err->code = ERR_AssetUnreachable;
    log_error(NULL, EVENT_failure, err);
}

/* What people should see at once: bytes that are not what they were. */
static void log_mismatches(const struct envelope *answer)
{
    const struct message *message = &answer->message;

    if (message->kind == MSG_proven && message->proven.mismatched > 0)
        log_write(LOG_WARN, NULL, EVENT_mismatch, "token=%llu-%u-%u copies=%u",
                  (unsigned long long)message->proven.job, message->proven.epoch,
                  message->proven.sequence, message->proven.mismatched);
    if (message->kind == MSG_checked && message->checked.mismatched > 0)
        log_write(LOG_WARN, NULL, EVENT_mismatch, "token=%llu-%u-%u objects=%u",
                  (unsigned long long)message->checked.job, message->checked.epoch,
                  message->checked.sequence, message->checked.mismatched);
}

static void run(struct task *task, void *lane_state)
{
    const struct envelope *envelope = task_envelope(task);
    struct prove_work work = {
        .lane = lane_state, .progress = progress, .stopped = stopped, .context = task};
    struct bytes destination = {0};
    verb_fn *verb = verb_of(&envelope->message, &destination);
    struct envelope answer;
    struct err err = {0};

    open_destination(task, destination, &work);
    if (verb(&work, envelope, &answer, &err) < 0)
        log_write(LOG_WARN, NULL, EVENT_message_refused, "kind=%s code=%s message=%s",
                  message_kind_name(envelope->message.kind), err_name(err.code),
                  log_text(err.text));
    log_mismatches(&answer);
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

static const u32 kinds[] = {MSG_prove, MSG_prove_part, MSG_check};

const struct worker_role verifier_role = {
    .role = ROLE_verifier,
    .kinds = kinds,
    .kind_count = COUNT_OF(kinds),
    .run = run,
    .lane_new = lane_new,
    .lane_destroy = lane_destroy,
};
