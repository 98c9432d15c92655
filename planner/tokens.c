/* tokens.c: the right to write. The staging area is opened once something is found, tokens are
 * granted ahead of need, many at a time, and a token whose holder was lost is revoked before its
 * batch goes on under another. A grant that was not acknowledged is never assigned. Lost five
 * times, a batch is halved; a single item fails as WorkerLost. */
#include "planner/planner.h"

#include "base/clock.h"
#include "base/log.h"
#include "planner/large.h"
#include "base/names.h"

#include <stdlib.h>

bool tokens_may_publish(const struct job *job)
{
    return job->opening == OPENING_DONE;
}

u32 tokens_take(struct job *job)
{
    u32 sequence;

    if (job->tokens_usable == 0)
        return 0;
    sequence = job->tokens[0];
    job->tokens_usable--;
    job->tokens_confirming--; /* never fewer than the usable ones */
    memmove(job->tokens, job->tokens + 1, --job->token_count * sizeof *job->tokens);
    return sequence;
}

static bool opening_is_due(const struct job *job)
{
    return job->opening == OPENING_WANTED && job->state >= JOB_RUNNING && job->state <= JOB_CLOSING;
}

static void send_open(struct job *job)
{
    struct worker *worker = worker_pick_mover(job);
    struct envelope envelope = {.message = {.kind = MSG_open}};
    u32 sequence = job_sequence(job);

    if (!worker || !places_allow(job, USE_OPEN, NULL))
        return;
    envelope.message.open =
        (struct msg_open){.job = job->id,
                          .epoch = job->epoch,
                          .sequence = sequence,
                          .destination = bytes_text(job->destination),
                          .destination_identity = buf_bytes(&job->destination_identity)};
    if (!assign(job, worker, &envelope, sequence))
        return;
    job->opening = OPENING_SENT;
    places_sent(job, USE_OPEN, NULL);
}

void tokens_opened(struct job *job, struct assignment *assignment, const struct msg_opened *opened)
{
    struct truth_request *request;

    assignment_end(job, assignment);
    if (opened->code != ERR_Ok) {
        struct buf text = {0};

        buf_append(&text, opened->message.data, opened->message.size);
        if (places_failed(job, USE_OPEN, opened->code, buf_text(&text))) {
            job->opening = OPENING_WANTED;
        } else {
            job->opening = OPENING_NONE;
            job->open_failed = true;
            job_fail(job, opened->code, buf_text(&text));
        }
        buf_release(&text);
        return;
    }
    places_worked(job, USE_OPEN);
    job->opening = OPENING_COMMITTING;
    job->was_opened = true; /* and is closed, should it have to be opened once more */
    job->opened_ns = opened->now_ns;
    if (opened->now_ns > job->clock_ns)
        job->clock_ns = opened->now_ns;
    request = job_request(job, TRUTH_OPENED);
    request->now_ns = opened->now_ns;
    job_post(job, request);
}

void tokens_open_committed(struct job *job)
{
    struct shard *shard;

    job->opening = OPENING_DONE;
    TAILQ_FOREACH(shard, &job->shards, link)
    if (shard->unsettled_since_ns == 0)
        shard->unsettled_since_ns = job->opened_ns;
}

static u32 batches_without_token(const struct job *job)
{
    const struct job_batch *batch;
    u32 count = 0;

    TAILQ_FOREACH(batch, &job->batches, link)
    count += batch->waiting && batch->sequence == 0 && batch->step != STEP_CHECK;
    return count;
}

static void send_grant(struct job *job, u32 count)
{
    struct worker *worker = worker_pick_mover(job);
    struct envelope envelope = {.message = {.kind = MSG_grant}};
    struct assignment *assignment;
    u32 sequence, first;

    if (!worker || !places_allow(job, USE_GRANT, NULL))
        return;
    sequence = job_sequence(job);
    first = job->next_sequence;
    job->next_sequence += count;
    envelope.message.grant = (struct msg_grant){.job = job->id,
                                                .epoch = job->epoch,
                                                .sequence = sequence,
                                                .destination = bytes_text(job->destination),
                                                .first = first,
                                                .count = count};
    assignment = assign(job, worker, &envelope, sequence);
    if (!assignment)
        return;
    assignment->first = first;
    assignment->count = count;
    job->granting += count;
    places_sent(job, USE_GRANT, NULL);
}

static void revoke_unused(struct job *job)
{
    while (job->unused_count > 0 && worker_pick_any(job->planner, ROLE_mover, 0))
        tokens_revoke(job, job->unused_tokens[--job->unused_count], NULL);
}

void tokens_pump(struct job *job)
{
    s64 now_ms = clock_monotonic_ms();
    u32 wanted, waiting, have;

    if (now_ms < job->retry_ms)
        return;
    /* Another planner may have revoked every token of ours by now, and would not know of new ones.
     */
    if (now_ms - job->owned_ms > PLANNER_LEASE_MS)
        return;
    revoke_unused(job);
    if (opening_is_due(job))
        send_open(job);
    if (job->opening < OPENING_COMMITTING)
        return;
    /* what waits now, and while the scan goes on as much again, so that a batch never waits for
     * one; not one by one, as each grant costs a renewal */
    wanted = waiting = batches_without_token(job);
    if (job->state == JOB_RUNNING && !job->scan_complete)
        wanted += GRANT_AHEAD / 2;
    if (wanted > GRANT_AHEAD)
        wanted = GRANT_AHEAD;
    have = job->token_count + job->granting;
    if (have < wanted && (have < waiting || wanted - have >= GRANT_AHEAD / 4))
        send_grant(job, wanted - have);
}

/* What a failed grant means. A closing that cannot have tokens goes on to its finish, which needs
 * none: the job ends with the reason, it does not wait for a place that may stay full or read-only.
 */
static void grant_failed(struct job *job, const struct msg_granted *granted)
{
    enum err_disposition disposition = err_disposition_of(granted->code);
    /* an error that may pass, of a place that was tried often enough */
    bool gave_up = granted->code == ERR_IoError && places_waits(job);
    struct buf text = {0};

    buf_append(&text, granted->message.data, granted->message.size);
    if (places_failed(job, USE_GRANT, granted->code, buf_text(&text))) {
        buf_release(&text); /* what was said there is enough */
        return;
    }
    if (disposition == DISPOSITION_JOB || disposition == DISPOSITION_ITEM || gave_up) {
        job_fail(job, granted->code, buf_text(&text));
        if (job->state == JOB_CLOSING)
            closing_give_up(job);
    } else if (granted->code ==
               ERR_Revoked) { /* somebody removed the staging area: open it again */
        job->opening = OPENING_WANTED;
        job->token_count = job->tokens_confirming = job->tokens_usable = 0; /* they went with it */
    } else {
        log_write(LOG_WARN, job->name, EVENT_failure, "code=%s message=%s", err_name(granted->code),
                  log_text(buf_text(&text)));
    }
    job->retry_ms = clock_monotonic_ms() + PROBE_RETRY_MS;
    buf_release(&text);
}

void tokens_granted(struct job *job, struct assignment *assignment,
                    const struct msg_granted *granted)
{
    u32 first = assignment->first, count = assignment->count;

    assignment_end(job, assignment);
    job->granting -= count;
    if (granted->now_ns > job->clock_ns)
        job->clock_ns = granted->now_ns;
    if (granted->code != ERR_Ok) {
        grant_failed(job, granted);
        return;
    }
    places_worked(job, USE_GRANT);
    if (job->token_count + count > job->token_capacity) {
        job->token_capacity = job->token_count + count;
        job->tokens = memory_resize_or_die(job->tokens, job->token_capacity * sizeof *job->tokens);
    }
    for (u32 i = 0; i < count; i++)
        job->tokens[job->token_count++] = first + i;
    job->planner->renew_ms = 0; /* they wait for it */
}

void tokens_confirm(struct job *job)
{
    job->tokens_confirming = job->token_count;
}

void tokens_confirmed(struct job *job)
{
    job->tokens_usable = job->tokens_confirming;
}

void tokens_unused(struct job *job, u32 sequence)
{
    if (job->unused_count >= GRANT_AHEAD)
        return; /* it goes with the staging area */
    job->unused_tokens = memory_resize_or_die(job->unused_tokens,
                                              (job->unused_count + 1) * sizeof *job->unused_tokens);
    job->unused_tokens[job->unused_count++] = sequence;
}

void tokens_revoke(struct job *job, u32 sequence, struct job_batch *batch)
{
    struct worker *worker = worker_pick_any(job->planner, ROLE_mover, 0);
    struct envelope envelope = {.message = {.kind = MSG_revoke}};
    struct assignment *assignment;
    u32 request;

    if (batch) {
        batch->step = STEP_REVOKE;
        batch->sequence = sequence;
        batch->waiting = true;
    }
    if (!worker || (batch && !places_allow(job, USE_REVOKE, NULL))) {
        if (!batch)
            tokens_unused(job, sequence);
        return; /* a batch waits for it (batch_pump) */
    }
    request = job_sequence(job);
    envelope.message.revoke = (struct msg_revoke){.job = job->id,
                                                  .epoch = job->epoch,
                                                  .sequence = sequence,
                                                  .destination = bytes_text(job->destination),
                                                  .request = request};
    assignment = assign(job, worker, &envelope, request);
    if (!assignment)
        return;
    assignment->target = sequence;
    assignment->batch = batch;
    if (!batch)
        return;
    batch->waiting = false;
    places_sent(job, USE_REVOKE, NULL);
}

/* The revoke of a takeover, and that of a batch, are asked again, but not at once. */
static void revoke_failed(struct job *job, const struct msg_revoked *revoked, u32 target,
                          struct job_batch *batch)
{
    bool ends = err_disposition_of(revoked->code) == DISPOSITION_JOB && (target == 0 || batch);
    struct buf text = {0};

    buf_append(&text, revoked->message.data, revoked->message.size);
    log_write(LOG_WARN, job->name, EVENT_failure, "code=%s message=%s", err_name(revoked->code),
              log_text(buf_text(&text)));
    if (target == 0) {
        job->revoke_sent = false;
        job->retry_ms = clock_monotonic_ms() + PROBE_RETRY_MS;
    } else if (batch) { /* in STEP_REVOKE */
        batch->waiting = true;
        batch->not_before_ms = clock_monotonic_ms() + PROBE_RETRY_MS;
    }
    if (ends && !places_failed(job, USE_REVOKE, revoked->code, buf_text(&text))) {
        job_fail(job, revoked->code, buf_text(&text));
        if (batch)
            batch_give_up(job, batch);
    }
    buf_release(&text);
}

void tokens_revoked(struct job *job, struct assignment *assignment,
                    const struct msg_revoked *revoked)
{
    struct job_batch *batch = assignment->batch;
    u32 target = assignment->target;

    assignment_end(job, assignment);
    if (revoked->code != ERR_Ok) {
        revoke_failed(job, revoked, target, batch);
        return;
    }
    if (target == 0 || batch)
        places_worked(job, USE_REVOKE);
    log_write(LOG_INFO, job->name, EVENT_token_revoked, "sequence=%u clean=%u", target,
              revoked->clean);
    if (target == 0 && job->state == JOB_REVOKING)
        job->state = JOB_RUNNING;
    if (batch)
        batch_restart(job, batch);
}

/* ---- losses ---- */

/* Both halves go on as batches of their own, with their losses forgotten. */
static void halve(struct job *job, struct job_batch *batch)
{
    bool keep[BATCH_ITEMS];

    for (u32 half = 0; half < 2; half++) {
        for (u32 i = 0; i < batch->items; i++)
            keep[i] = (i < batch->items / 2) == (half == 0);
        if (!batch_part(job, batch, keep))
            return;
    }
}

/* A single item that cost its worker each time. */
static void fail_single(struct job *job, struct job_batch *batch)
{
    struct buf rows = {0}, path = {0};
    struct frame_writer writer;
    struct batch decoded;
    struct rec_row row;
    struct err err;

    if (batch_decode(buf_bytes(&batch->dirs), buf_bytes(&batch->records), &decoded, &err) < 0) {
        job_fail(job, err.code, err.text);
        return;
    }
    path_join(&path, decoded.dirs[decoded.items[0].dir].path, decoded.items[0].name);
    row = (struct rec_row){.path = buf_bytes(&path),
                           .kind = decoded.items[0].kind,
                           .operation = decoded.items[0].operation,
                           .outcome = OUTCOME_failed,
                           .code = ERR_WorkerLost,
                           .message = bytes_text(err_describe(ERR_WorkerLost))};
    frame_begin(&writer, &rows);
    frame_add_row(&writer, &row);
    frame_end(&writer);
    batch->shard->pending.value[COUNTER_failed]++;
    segment_add(job, batch->shard, batch, buf_bytes(&rows), 1, batch->floor_ns, NULL, 0);
    log_write(LOG_WARN, job->name, EVENT_item_failed, "path=%s code=WorkerLost",
              log_value(buf_bytes(&path)));
    batch_release(&decoded);
    buf_release(&rows);
    buf_release(&path);
}

/* Lost too often: smaller, or given up. */
static void split_or_fail(struct job *job, struct job_batch *batch)
{
    if (batch->items > 1)
        halve(job, batch);
    else
        fail_single(job, batch);
    batch_end(job, batch);
}

/* Only now that the old token can publish nothing may anything of the batch be staged again. */
void batch_restart(struct job *job, struct job_batch *batch)
{
    batch->sequence = 0;
    batch->waiting = true;
    batch->mover = NULL;
    large_release(batch);
    batch->step = batch->shard ? large_first_step(batch) : STEP_CLOSE;
    if (!batch->shard)
        return;
    if (batch_is_unwanted(job, batch))
        batch_give_up(job, batch);
    else if (batch->losses >= BATCH_LOSSES)
        split_or_fail(job, batch);
}

/* It has no token, and nothing to be taken back. */
static void check_lost(struct job *job, struct job_batch *batch)
{
    batch->waiting = true;
    if (batch_is_unwanted(job, batch))
        batch_give_up(job, batch);
    else if (batch->losses >= BATCH_LOSSES)
        split_or_fail(job, batch);
}

void batch_lost(struct job *job, struct job_batch *batch, enum step step, u32 sequence)
{
    batch->losses++;
    if (step == STEP_CHECK)
        check_lost(job, batch);
    /* a verifier writes nothing: the token stays good */
    else if (step == STEP_PROVE && batch->losses < BATCH_LOSSES && !batch_is_unwanted(job, batch))
        batch->waiting = true;
    else
        tokens_revoke(job, sequence, batch);
}
