/* answers.c: what movers and verifiers answer about a batch, and what follows: the next step, rows
 * for the segment, or items that are done again. */
#include "planner/planner.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>

static void drop(struct job *job, struct job_batch *batch)
{
    tokens_revoke(job, batch->sequence, NULL);
    batch_give_up(job, batch);
}

static bool frame_count_is(struct bytes frame, u32 items)
{
    struct frame_reader reader;
    struct err err;

    return frame_open(&reader, frame, &err) == 0 && reader.left == items;
}

static void refuse_answer(struct job *job, struct assignment *assignment, const char *what)
{
    struct job_batch *batch = assignment->batch;
    u32 sequence = assignment->sequence;

    log_write(LOG_ERROR, job->name, EVENT_message_refused, "worker=%s message=%s",
              log_text(assignment->worker->name), log_text(what));
    assignment_end(job, assignment);
    batch_lost(job, batch, batch->step, sequence);
}

/* The first record of which the place is to blame. */
static bool find_blocked(struct bytes frame, u32 *code, char message[ERR_TEXT_SIZE])
{
    struct frame_reader reader;
    struct rec_staged record;
    struct err err;

    if (frame_open(&reader, frame, &err) < 0)
        return false;
    while (frame_next_staged(&reader, &record, &err) > 0) {
        if (!err_is_of_place(record.code))
            continue;
        *code = record.code;
        snprintf(message, ERR_TEXT_SIZE, "%.*s", (int)record.message.size,
                 (const char *)record.message.data);
        return true;
    }
    return false;
}

/* At once, and not when it is published: meanwhile others would go the same way. A job that has
 * tried often enough by it ends with the next heartbeat, and not under the hands of who reads this.
 */
void batch_note_staged(struct job *job, struct job_batch *batch)
{
    char message[ERR_TEXT_SIZE];
    u32 code;

    if (!places_may_fail(job) || !find_blocked(buf_bytes(&batch->staged), &code, message))
        return;
    batch->reported = true;
    (void)places_failed(job, USE_CONTENT, code, message);
}

void batch_staged(struct job *job, struct assignment *assignment, const struct envelope *envelope)
{
    const struct msg_staged *staged = &envelope->message.staged;
    struct job_batch *batch = assignment->batch;

    if (envelope->bodies != 1 || !frame_count_is(envelope->body[0], batch->items)) {
        refuse_answer(job, assignment, "staged does not fit its batch");
        return;
    }
    segment_opener(job, assignment->worker, staged->opened_ns);
    free(batch->host);
    batch->host = text_copy(assignment->worker->host);
    batch->began_ns = staged->began_ns;
    assignment_end(job, assignment);
    if (batch_is_unwanted(job, batch)) {
        drop(job, batch);
        return;
    }
    buf_clear(&batch->staged);
    buf_append(&batch->staged, envelope->body[0].data, envelope->body[0].size);
    batch->step = STEP_PROVE;
    batch->waiting = true;
    batch_note_staged(job, batch);
    if (staged->to_prove == 0) { /* directories, attributes, refusals: nothing was staged */
        struct frame_writer writer;
        struct rec_proven nothing = {.message = bytes_text("")};

        buf_clear(&batch->proven);
        frame_begin(&writer, &batch->proven);
        for (u32 i = 0; i < batch->items; i++)
            frame_add_proven(&writer, &nothing);
        frame_end(&writer);
        batch->step = STEP_PUBLISH;
    }
}

void batch_proven(struct job *job, struct assignment *assignment, const struct envelope *envelope)
{
    const struct msg_proven *proven = &envelope->message.proven;
    struct job_batch *batch = assignment->batch;

    if (envelope->bodies != 1 || !frame_count_is(envelope->body[0], batch->items) ||
        envelope->body[0].size + batch->staged.size >
            FRAME_MAX) { /* publish has both in one frame */
        refuse_answer(job, assignment, "proven does not fit its batch");
        return;
    }
    assignment_end(job, assignment);
    if (proven->mismatched > 0)
        log_write(LOG_WARN, job->name, EVENT_mismatch, "items=%u attempt=%u", proven->mismatched,
                  batch->attempt);
    batch->shard->pending.value[COUNTER_proven] += proven->matched;
    batch->shard->pending.value[COUNTER_mismatched] += proven->mismatched;
    batch->shard->pending.value[COUNTER_bytes_proven] += (s64)proven->bytes;
    if (batch_is_unwanted(job, batch)) {
        drop(job, batch);
        return;
    }
    buf_clear(&batch->proven);
    buf_append(&batch->proven, envelope->body[0].data, envelope->body[0].size);
    batch->step = STEP_PUBLISH;
    batch->waiting = true;
}

/* The items that failed in a way that may pass, as a batch of their own; those that failed for
 * their place as another one, which that costs no attempt. */
static void stage_again(struct job *job, struct job_batch *batch, struct verdict *verdict)
{
    struct job_batch *retry;

    for (u32 i = 0; i < batch->items; i++)
        verdict->again[i] = verdict->again[i] && !verdict->blocked[i];
    if (verdict->again_count > verdict->blocked_count) {
        retry = batch_part(job, batch, verdict->again);
        if (!retry)
            return;
        retry->blocked = false;
        retry->attempt = batch->attempt + 1;
        retry->not_before_ms =
            clock_monotonic_ms() + spec_item_backoff_ms(&job->spec, batch->attempt);
    }
    if (verdict->blocked_count > 0 && (retry = batch_part(job, batch, verdict->blocked)))
        retry->blocked = true;
}

static void count(struct counters *pending, const struct verdict *verdict)
{
    for (u32 i = 0; i < COUNTER_COUNT; i++)
        pending->value[i] += verdict->counters.value[i];
}

/* What the published rows say of the place. */
static void note_place(struct job *job, const struct job_batch *batch,
                       const struct verdict *verdict)
{
    u32 code = verdict->place_code ? verdict->place_code : verdict->job_code;
    const char *message = verdict->place_code ? verdict->place_message : verdict->job_message;

    if (code == ERR_Ok && batch->trial)
        places_worked(job, USE_CONTENT);
    if (code == ERR_Ok || batch->reported || !err_is_of_place(code) || !places_waits(job))
        return;
    if (!places_failed(job, USE_CONTENT, code, message))
        job_fail(job, code, message);
}

void batch_published(struct job *job, struct assignment *assignment,
                     const struct envelope *envelope)
{
    const struct msg_published *published = &envelope->message.published;
    struct job_batch *batch = assignment->batch;
    struct verdict verdict = {0};
    char *host;

    if (published->code == ERR_Revoked) {
        u32 sequence = assignment->sequence;

        assignment_end(job, assignment);
        batch_lost(job, batch, STEP_PUBLISH, sequence);
        return;
    }
    if (envelope->bodies != 1 || published->code != ERR_Ok ||
        verdict_read(job, batch, envelope->body[0], &verdict) < 0) {
        refuse_answer(job, assignment, "published does not fit its batch");
        return;
    }
    host = text_copy(assignment->worker->host);
    assignment_end(job, assignment);
    count(&batch->shard->pending, &verdict);
    segment_add(job, batch->shard, batch, envelope->body[0], batch->items - verdict.again_count,
                batch->floor_ns, host, published->began_ns);
    free(host);
    if (published->now_ns > job->clock_ns)
        job->clock_ns = published->now_ns;
    if (verdict.again_count > 0 && !batch_is_unwanted(job, batch))
        stage_again(job, batch, &verdict);
    note_place(job, batch, &verdict);
    if (verdict.job_code)
        job_fail(job, verdict.job_code, verdict.job_message);
    batch_end(job, batch);
}

/* A check writes nothing: no token, no host that has to settle. */
void batch_checked(struct job *job, struct assignment *assignment, const struct envelope *envelope)
{
    const struct msg_checked *checked = &envelope->message.checked;
    struct job_batch *batch = assignment->batch;
    struct counters *pending = &batch->shard->pending;
    struct verdict verdict = {0};

    if (envelope->bodies != 1 || checked->matched > batch->items ||
        checked->mismatched > batch->items - checked->matched ||
        verdict_read(job, batch, envelope->body[0], &verdict) < 0) {
        refuse_answer(job, assignment, "checked does not fit its batch");
        return;
    }
    assignment_end(job, assignment);
    count(pending, &verdict);
    pending->value[COUNTER_proven] += checked->matched;
    pending->value[COUNTER_mismatched] += checked->mismatched;
    pending->value[COUNTER_bytes_proven] += (s64)checked->bytes;
    segment_add(job, batch->shard, NULL, envelope->body[0], batch->items - verdict.again_count, 0,
                NULL, 0);
    if (verdict.again_count > 0 && !batch_is_unwanted(job, batch))
        stage_again(job, batch, &verdict);
    batch_end(job, batch);
}
