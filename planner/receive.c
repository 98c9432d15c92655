/* receive.c: what comes in: messages of workers and answers of the truth, each to its handler by a
 * table. An answer is accepted once, from the worker that was asked, for the job and epoch that are
 * still ours; everything else is of the past and is dropped. */
#include "planner/planner.h"

#include "base/clock.h"
#include "base/log.h"
#include "planner/large.h"

#include <stdlib.h>

#define RECEIVE_AT_ONCE 1024

/* Every message about a job begins with the same three fields. */
struct token_fields {
    u64 job;
    u32 epoch;
    u32 sequence;
};

static struct token_fields token_of(const struct message *message)
{
    /* the fields have the same places in all of them; probed stands for all */
    return (struct token_fields){.job = message->probed.job,
                                 .epoch = message->probed.epoch,
                                 .sequence = message->probed.sequence};
}

static void on_opened(struct job *job, struct assignment *assignment,
                      const struct envelope *envelope)
{
    tokens_opened(job, assignment, &envelope->message.opened);
}

static void on_granted(struct job *job, struct assignment *assignment,
                       const struct envelope *envelope)
{
    tokens_granted(job, assignment, &envelope->message.granted);
}

static void on_revoked(struct job *job, struct assignment *assignment,
                       const struct envelope *envelope)
{
    tokens_revoked(job, assignment, &envelope->message.revoked);
}

static void on_probed(struct job *job, struct assignment *assignment,
                      const struct envelope *envelope)
{
    job_probed(job, assignment, &envelope->message.probed);
}

static void on_settled(struct job *job, struct assignment *assignment,
                       const struct envelope *envelope)
{
    if (assignment->batch)
        large_settled(job, assignment, &envelope->message.settled);
    else
        segment_settled(job, assignment, &envelope->message.settled);
}

static void on_found(struct job *job, struct assignment *assignment,
                     const struct envelope *envelope)
{
    shard_found(job, assignment->shard, envelope);
}

static void on_listed(struct job *job, struct assignment *assignment,
                      const struct envelope *envelope)
{
    shard_listed(job, assignment->shard, envelope);
}

static void on_split(struct job *job, struct assignment *assignment,
                     const struct envelope *envelope)
{
    shard_split(job, assignment->shard, &envelope->message.split);
}

static void on_scanned(struct job *job, struct assignment *assignment,
                       const struct envelope *envelope)
{
    shard_scanned(job, assignment->shard, &envelope->message.scanned);
}

/* answer, what it answers, who handles it */
static const struct {
    u32 kind;
    u32 asked;
    void (*handle)(struct job *job, struct assignment *assignment, const struct envelope *envelope);
} handlers[] = {
    {MSG_probed, MSG_probe, on_probed},    {MSG_found, MSG_scan, on_found},
    {MSG_split, MSG_scan, on_split},       {MSG_scanned, MSG_scan, on_scanned},
    {MSG_opened, MSG_open, on_opened},     {MSG_granted, MSG_grant, on_granted},
    {MSG_revoked, MSG_revoke, on_revoked}, {MSG_staged, MSG_stage, batch_staged},
    {MSG_proven, MSG_prove, batch_proven}, {MSG_published, MSG_publish, batch_published},
    {MSG_settled, MSG_settle, on_settled}, {MSG_closed, MSG_close, closing_closed},
    {MSG_listed, MSG_scan, on_listed},     {MSG_checked, MSG_check, batch_checked},
    {MSG_parted, MSG_part, large_parted},  {MSG_part_proven, MSG_prove_part, large_part_proven},
};

/* A worker with several planners had no room: nothing has begun, so that nothing is to be revoked.
 * What was sent is sent again, here or elsewhere, but not at once. */
#define PROBE_HUNG_MS 2000

static void on_busy(struct job *job, struct assignment *assignment)
{
    s64 later_ms = clock_monotonic_ms() + RETRY_FIRST_MS;
    struct job_batch *batch = assignment->batch;
    struct shard *shard = assignment->shard;

    if (batch && batch->step == STEP_PARTS) {
        struct assignment returned = *assignment;

        assignment_end(job, assignment);
        large_returned(job, &returned, false);
    } else if (batch) { /* in STEP_REVOKE too: the token is still to be revoked */
        assignment_end(job, assignment);
        batch->waiting = true;
        batch->not_before_ms = later_ms;
    } else if (shard) {
        shard->not_before_ms = later_ms;
        if (shard->received > 0) { /* what it found must end before the next one begins */
            assignment_lapse(job, assignment, "busy");
            return;
        }
        assignment_end(job, assignment);
        shard->state = SHARD_PENDING;
    } else if (assignment->kind == MSG_probe) { /* it hangs in the one before */
        job->probe_hangs = true;
        job->retry_ms = clock_monotonic_ms() + PROBE_HUNG_MS;
        job->probe_sent[assignment->worker->role == ROLE_mover] = false;
        assignment_end(job, assignment);
    } else {
        job->retry_ms = later_ms;
        if (assignment->kind == MSG_revoke && assignment->target != 0) {
            tokens_unused(job, assignment->target);
            assignment_end(job, assignment);
        } else { /* open, grant, settle, finish, the revoke of a takeover */
            assignment_lapse(job, assignment, "busy");
        }
    }
}

static void receive_answer(struct planner *planner, struct worker *worker,
                           const struct envelope *envelope)
{
    struct token_fields token = token_of(&envelope->message);
    u32 sequence = token.sequence, kind = envelope->message.kind;
    struct assignment *assignment;
    struct job *job;

    if (kind == MSG_busy && envelope->message.busy.kind == MSG_probe_asset) {
        assets_busy(planner, worker, sequence);
        return;
    }
    job = job_find(planner, token.job, token.epoch);
    if (!job)
        return;
    if (kind == MSG_revoked)
        sequence = envelope->message.revoked.request;
    if (kind == MSG_busy) {
        assignment = assignment_find(job, sequence, envelope->message.busy.kind);
        if (assignment && assignment->worker == worker)
            on_busy(job, assignment);
        return;
    }
    for (size_t i = 0; i < COUNT_OF(handlers); i++) {
        if (handlers[i].kind != kind)
            continue;
        assignment = assignment_find(job, sequence, handlers[i].asked);
        if (assignment && assignment->worker == worker)
            handlers[i].handle(job, assignment, envelope);
        return;
    }
    log_write(LOG_WARN, NULL, EVENT_message_refused, "worker=%s message=%s", log_text(worker->name),
              message_kind_name(kind));
}

static void receive_one(struct planner *planner, const struct delivery *delivery)
{
    const struct envelope *envelope = &delivery->envelope;
    struct worker *worker;

    switch (envelope->message.kind) {
    case MSG_hello:
        worker_hello(planner, &delivery->peer, &envelope->message.hello);
        return;
    case MSG_beat:
        worker_beat(planner, &delivery->peer, envelope);
        return;
    case MSG_bye:
        worker_bye(planner, &envelope->message.bye);
        return;
    default:
        worker = worker_by_peer(planner, &delivery->peer);
        if (worker && envelope->message.kind == MSG_asset_probed)
            assets_probed(planner, worker, &envelope->message.asset_probed);
        else if (worker)
            receive_answer(planner, worker, envelope);
    }
}

void receive_messages(void *context)
{
    struct planner *planner = context;
    struct delivery *delivery = NULL;
    struct peer peer = {0};
    struct err err;
    int more;

    /* bounded, so that what came is acted upon however fast more comes */
    for (int i = 0; i < RECEIVE_AT_ONCE; i++) {
        more = bus_receive(planner->bus, &delivery, &peer, &err);
        if (more == 0)
            break;
        if (more < 0) {
            log_error(NULL, EVENT_message_refused, &err);
            continue;
        }
        receive_one(planner, delivery);
        delivery_destroy(&delivery);
    }
    planner_pump(planner);
}

/* ---- answers of the truth ---- */

static void claimed(struct planner *planner, struct truth_request *answer)
{
    planner->claiming = false;
    for (u32 i = 0; i < answer->claim_count; i++)
        job_claimed(planner, &answer->claims[i]);
}

/* Renewals and other answers overtake each other: one that was sent before the job was claimed
 * knows nothing of it, and what a job that ends is, its end will say. */
static void renewed(struct planner *planner, const struct truth_request *answer)
{
    struct job *job, *next;

    planner->renewing = false;
    if (answer->err.code != ERR_Ok)
        return;
    for (job = TAILQ_FIRST(&planner->jobs); job; job = next) {
        const struct owned_job *owned = NULL;

        next = TAILQ_NEXT(job, link);
        if (!job->renewing || job->state == JOB_ENDING)
            continue;
        for (u32 i = 0; i < answer->job_count; i++)
            if (answer->jobs[i].id == job->id && answer->jobs[i].epoch == job->epoch)
                owned = &answer->jobs[i];
        if (!owned) {
            job_abandon(job);
            continue;
        }
        job->owned_ms = planner->renew_sent_ms;
        tokens_confirmed(job);
        pace_limits(job, owned->limits);
        if (owned->cancel_requested)
            job_cancel(job);
    }
}

static void looked(struct planner *planner, const struct truth_request *answer)
{
    planner->looking = false;
    if (answer->err.code != ERR_Ok) {
        log_error(NULL, EVENT_failure, &answer->err);
        return;
    }
    worker_drains(planner, answer->drains, answer->drain_count);
    assets_due(planner, answer);
}

static void retained(struct planner *planner, const struct truth_request *answer)
{
    planner->retaining = false;
    if (answer->err.code != ERR_Ok)
        log_error(NULL, EVENT_failure, &answer->err);
    else if (answer->message)
        log_write(LOG_INFO, NULL, EVENT_retention, "%s", answer->message);
    planner->retain_ms =
        answer->err.code == ERR_Ok && answer->more ? 0 : clock_monotonic_ms() + RETENTION_MS;
}

static void job_is_over(struct job *job, const struct truth_request *answer)
{
    assets_tell(job->planner, answer);
    log_write(LOG_INFO, job->name, EVENT_job_phase, "phase=%s reason=%s", phase_name(answer->phase),
              answer->reason ? answer->reason : "none");
    job->phase = answer->phase;
    view_event(job->planner->view, job->name, phase_name(answer->phase),
               answer->message ? answer->message : "");
    snapshot_post(job->planner);
    job_destroy(job);
}

static void answer_about_job(struct job *job, struct truth_request *answer)
{
    if (answer->err.code == ERR_OwnershipLost) {
        job_abandon(job);
        return;
    }
    if (answer->err.code != ERR_Ok && answer->kind != TRUTH_BEGIN) {
        if (answer->kind == TRUTH_END) {
            log_error(job->name, EVENT_failure, &answer->err);
            /* the row is ours, and its lease is renewed: nobody else would end it */
            job->end_again_ms = clock_monotonic_ms() + PLANNER_LEASE_MS;
            return;
        }
        job_fail(job, answer->err.code, answer->err.text);
    }
    switch (answer->kind) {
    case TRUTH_BEGIN:
        job_begun(job, answer);
        break;
    case TRUTH_OPENED:
        tokens_open_committed(job);
        break;
    case TRUTH_SPLIT:
        shard_split_committed(job, answer);
        break;
    case TRUTH_PLAN:
        planned_answer(job, answer);
        break;
    case TRUTH_SEGMENT:
        segment_committed(job, answer);
        break;
    case TRUTH_REDO:
        shard_redo_ready(job, answer);
        break;
    case TRUTH_RESOLVE:
        feed_resolved(job, answer);
        break;
    case TRUTH_FEED:
        feed_next(job, answer);
        break;
    case TRUTH_CLOSE_NEXT:
        closing_next(job, answer);
        break;
    case TRUTH_CLOSE_DONE:
        closing_done(job, answer);
        break;
    case TRUTH_END:
        job_is_over(job, answer);
        break;
    default:
        break;
    }
}

void receive_answers(void *context)
{
    struct planner *planner = context;
    struct truth_request *answer;

    while ((answer = queue_take(planner->answers))) {
        struct job *job;

        if (planner->stopping) /* there is no truth to go on with; the next owner finds it all */
            answer->kind = TRUTH_WAKE;
        switch (answer->kind) {
        case TRUTH_WAKE:
            planner->claim_again = planner->look_again = true;
            planner->renew_ms = 0; /* a cancel is seen by renewing */
            break;
        case TRUTH_CLAIM:
            claimed(planner, answer);
            break;
        case TRUTH_RENEW:
            renewed(planner, answer);
            break;
        case TRUTH_LOOK:
            looked(planner, answer);
            break;
        case TRUTH_ASSET:
            if (answer->err.code != ERR_Ok)
                log_error(NULL, EVENT_failure, &answer->err);
            else
                assets_tell(planner, answer);
            break;
        case TRUTH_RETENTION:
            retained(planner, answer);
            break;
        case TRUTH_SCHEDULE:
            plans_tell(planner, answer);
            break;
        default:
            job = job_find(planner, answer->job, answer->epoch);
            if (job)
                answer_about_job(job, answer);
        }
        free(answer->context);
        truth_request_destroy(&answer);
    }
    planner_pump(planner);
}
