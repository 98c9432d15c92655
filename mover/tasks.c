/* tasks.c: the boundary between the worker and the verbs: opens the assets that a message names,
 * runs its verb, logs what a person may want to know, and replies. */
#include "mover/tasks.h"

#include "base/log.h"
#include "mover/mover.h"
#include "mover/pace.h"
#include "svc/probe.h"

typedef int verb_fn(struct mover_work *work, const struct envelope *task, struct envelope *answer,
                    struct err *err);

static verb_fn *verb_of(u32 kind)
{
    switch (kind) {
    case MSG_open:
        return mover_open;
    case MSG_grant:
        return mover_grant;
    case MSG_revoke:
        return mover_revoke;
    case MSG_stage:
        return mover_stage;
    case MSG_publish:
        return mover_publish;
    case MSG_settle:
        return mover_settle;
    case MSG_close:
        return mover_close;
    case MSG_part:
        return mover_part;
    default:
        return NULL;
    }
}

/* The addresses that a message names; NULL for a source where its kind has none. */
static void addresses_of(const struct message *message, const struct bytes **source,
                         const struct bytes **destination)
{
    *source = NULL;
    *destination = NULL;
    switch (message->kind) {
#define DESTINATION(name)                                                                          \
    case MSG_##name:                                                                               \
        *destination = &message->name.destination;                                                 \
        break;
        DESTINATION(open)
        DESTINATION(grant)
        DESTINATION(revoke)
        DESTINATION(settle)
#undef DESTINATION
#define BOTH(name)                                                                                 \
    case MSG_##name:                                                                               \
        *source = &message->name.source;                                                           \
        *destination = &message->name.destination;                                                 \
        break;
        BOTH(stage)
        BOTH(publish)
        BOTH(close)
        BOTH(part)
#undef BOTH
    default:
        break;
    }
}

/* What an end has to be: the directory that it was when the job began. Whoever reads the source, or
 * takes something for absent there, asks; and whoever makes a staging area, or takes it away.
 * Empty: any. */
static struct bytes identity_of(const struct message *message, enum probe_end end)
{
    bool source = end == PROBE_SOURCE;

    switch (message->kind) {
    case MSG_open:
        return message->open.destination_identity;
    case MSG_stage:
        return source ? message->stage.source_identity : bytes_text("");
    case MSG_publish:
        return source ? message->publish.source_identity : bytes_text("");
    case MSG_part:
        return source ? message->part.source_identity : bytes_text("");
    case MSG_close:
        return source ? message->close.source_identity : message->close.destination_identity;
    default:
        return bytes_text("");
    }
}

/* An asset that cannot be opened is a matter of the place, not of the item that was to be moved.
 * What may pass (too many open files) stays what it is. What is another directory by now is not
 * used either: *out is NULL then. */
static int open_end(struct task *task, enum probe_end end, struct bytes address, struct asset **out,
                    struct err *err)
{
    const struct message *message = &task_envelope(task)->message;

    if (task_asset(task, address, out, err) < 0) {
        if (err_disposition_of(err->code) != DISPOSITION_RETRY)
            err->code = probe_unreachable(end);
        *out = NULL;
        return -1;
    }
    if (probe_require(end, *out, identity_of(message, end), err) == 0)
        return 0;
    *out = NULL;
    return -1;
}

static void open_assets(struct task *task, struct mover_work *work)
{
    const struct bytes *source, *destination;
    struct err *err = &work->unreachable;

    addresses_of(&task_envelope(task)->message, &source, &destination);
    if (open_end(task, PROBE_DESTINATION, *destination, &work->destination, err) == 0 &&
        (!source || open_end(task, PROBE_SOURCE, *source, &work->source, err) == 0))
        err_clear(err);
}

static void progress(void *context, u64 bytes)
{
    task_progress(context, bytes);
}

static bool stopped(void *context)
{
    return task_is_stopped(context);
}

static void waits(void *context)
{
    task_progress(context, 0);
}

/* Only what reads content asks. */
static u64 pace(void *context, u64 wanted)
{
    const struct message *message = &task_envelope(context)->message;

    if (message->kind == MSG_part)
        return pace_take(message->part.job, message->part.epoch, wanted, stopped, waits, context);
    return pace_take(message->stage.job, message->stage.epoch, wanted, stopped, waits, context);
}

static void run(struct task *task, void *lane_state)
{
    const struct envelope *envelope = task_envelope(task);
    struct mover_work work = {.lane = lane_state,
                              .progress = progress,
                              .stopped = stopped,
                              .pace = pace,
                              .context = task};
    verb_fn *verb = verb_of(envelope->message.kind);
    struct envelope answer;
    struct err err = {0};

    if (!verb) { /* of the kinds below, only the probes have no verb */
        if (envelope->message.kind == MSG_probe_asset)
            probe_asset_answer(task);
        else
            probe_answer(task, true);
        return;
    }
    open_assets(task, &work);
    if (work.unreachable.code != ERR_Ok)
        log_error(NULL, EVENT_failure, &work.unreachable);
    if (verb(&work, envelope, &answer, &err) < 0)
        log_write(LOG_WARN, NULL, EVENT_message_refused, "kind=%s code=%s message=%s",
                  message_kind_name(envelope->message.kind), err_name(err.code),
                  log_text(err.text));
    task_reply(task, &answer);
}

static bool hear(const struct message *message)
{
    if (message->kind != MSG_pace)
        return false;
    pace_set(message->pace.job, message->pace.epoch, message->pace.bytes_per_second,
             message->pace.over != 0);
    return true;
}

static void *lane_new(void)
{
    return mover_lane_new();
}

static void lane_destroy(void *lane_state)
{
    struct mover_lane *lane = lane_state;

    mover_lane_destroy(&lane);
}

static const u32 kinds[] = {MSG_probe, MSG_probe_asset, MSG_open,   MSG_grant, MSG_revoke,
                            MSG_stage, MSG_publish,     MSG_settle, MSG_close, MSG_part};

const struct worker_role mover_role = {
    .role = ROLE_mover,
    .kinds = kinds,
    .kind_count = COUNT_OF(kinds),
    .run = run,
    .hear = hear,
    .lane_new = lane_new,
    .lane_destroy = lane_destroy,
};
