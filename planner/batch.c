/* batch.c: the way of a batch: stage (mover) → prove (verifier) → publish (mover).
 *
 * Body frames are kept as they came and forwarded as they are. A batch waits until there is a
 * token, a worker with room, and (for publish) the committed opening; then an assignment has it. If
 * its mover is lost its token is revoked before it is staged again under another; if its verifier
 * is lost it is proven again under the same (tokens.c). */
#include "planner/planner.h"

#include "base/clock.h"
#include "base/log.h"
#include "planner/large.h"

#include <stdlib.h>

static const u32 step_kinds[] = {[STEP_STAGE] = MSG_stage,
                                 [STEP_PROVE] = MSG_prove,
                                 [STEP_PUBLISH] = MSG_publish,
                                 [STEP_CHECK] = MSG_check};

struct job_batch *batch_new(struct job *job, struct shard *shard, struct bytes dirs,
                            struct bytes records, u32 items, u64 bytes)
{
    struct job_batch *batch = memory_or_die(sizeof *batch);

    batch->shard = shard;
    batch->step = shard ? STEP_STAGE : STEP_CLOSE;
    batch->waiting = true;
    batch->items = items;
    batch->bytes = bytes;
    batch->attempt = 1;
    buf_append(&batch->dirs, dirs.data, dirs.size);
    buf_append(&batch->records, records.data, records.size);
    if (shard) {
        batch->step = large_first_step(batch);
        shard->batches++;
    }
    TAILQ_INSERT_TAIL(&job->batches, batch, link);
    return batch;
}

static void batch_free(struct job *job, struct job_batch *batch)
{
    TAILQ_REMOVE(&job->batches, batch, link);
    buf_release(&batch->dirs);
    buf_release(&batch->records);
    buf_release(&batch->staged);
    buf_release(&batch->proven);
    large_release(batch);
    free(batch->host);
    free(batch);
}

void batch_end(struct job *job, struct job_batch *batch)
{
    struct shard *shard = batch->shard;

    if (shard) {
        shard->batches--;
        if (batch->from_scan)
            shard->window_used--;
    } else {
        job->closing_batches--;
    }
    batch_free(job, batch);
}

void batch_give_up(struct job *job, struct job_batch *batch)
{
    if (batch->shard)
        shard_put_again(batch->shard, batch->floor_ns);
    else
        closing_give_up(job);
    batch_end(job, batch);
}

void batch_drop_waiting(struct job *job, struct shard *shard)
{
    struct job_batch *batch = TAILQ_FIRST(&job->batches);

    while (batch) {
        struct job_batch *next = TAILQ_NEXT(batch, link);

        if (batch->step == STEP_PARTS && (!shard || batch->shard == shard)) {
            large_give_up(job, batch);
        } else if (batch->waiting && batch->step != STEP_REVOKE && batch->shard &&
                   (!shard || batch->shard == shard)) {
            if (batch->sequence)
                tokens_revoke(job, batch->sequence, NULL);
            batch_give_up(job, batch);
        }
        batch = next;
    }
}

bool batch_is_unwanted(const struct job *job, const struct job_batch *batch)
{
    return job->state != JOB_RUNNING || batch->shard->state == SHARD_BROKEN;
}

void batch_take_place(struct job_batch *made, const struct job_batch *batch)
{
    made->from_scan = batch->from_scan;
    batch->shard->window_used += batch->from_scan;
    made->floor_ns = batch->floor_ns;
}

/* The staged records of those items: of a check, what was proven. */
static void select_staged(struct bytes frame, const bool *keep, struct buf *out)
{
    struct frame_reader reader;
    struct frame_writer writer;
    struct rec_staged record;
    struct err err;
    u32 i = 0;

    if (frame.size == 0 || frame_open(&reader, frame, &err) < 0)
        return;
    frame_begin(&writer, out);
    while (frame_next_staged(&reader, &record, &err) > 0)
        if (keep[i++])
            frame_add_staged(&writer, &record);
    frame_end(&writer);
}

struct job_batch *batch_part(struct job *job, struct job_batch *batch, const bool *keep)
{
    struct buf dirs = {0}, records = {0};
    struct job_batch *made;
    struct batch decoded;
    struct err err;
    u64 bytes;
    u32 count;

    if (batch_decode(buf_bytes(&batch->dirs), buf_bytes(&batch->records), &decoded, &err) < 0) {
        job_fail(job, err.code, err.text); /* it was decoded when it was found */
        return NULL;
    }
    count = batch_select(&decoded, keep, &dirs, &records, &bytes);
    made = batch_new(job, batch->shard, buf_bytes(&dirs), buf_bytes(&records), count, bytes);
    batch_take_place(made, batch);
    made->attempt = batch->attempt;
    made->blocked = batch->blocked;
    if (batch->in_order) { /* in its place, and not behind what comes after it */
        made->in_order = true;
        TAILQ_REMOVE(&job->batches, made, link);
        TAILQ_INSERT_BEFORE(batch, made, link);
    }
    if (batch->step == STEP_CHECK) {
        made->step = STEP_CHECK;
        made->hash = batch->hash;
        select_staged(buf_bytes(&batch->staged), keep, &made->staged);
    }
    batch_release(&decoded);
    buf_release(&dirs);
    buf_release(&records);
    return made;
}

/* ---- assigning ---- */

static void fill_stage(const struct job *job, struct job_batch *batch, struct envelope *envelope)
{
    envelope->message.stage =
        (struct msg_stage){.job = job->id,
                           .epoch = job->epoch,
                           .sequence = batch->sequence,
                           .source = bytes_text(job->source),
                           .destination = bytes_text(job->destination),
                           .hash = job->spec.hash,
                           .durability = job->spec.durability,
                           .attempt = batch->attempt,
                           .preserve = job->spec.preserve,
                           .source_identity = buf_bytes(&job->source_identity)};
    envelope->body[0] = buf_bytes(&batch->dirs);
    envelope->body[1] = buf_bytes(&batch->records);
    envelope->bodies = 2;
}

static void fill_prove(const struct job *job, struct job_batch *batch, struct envelope *envelope)
{
    envelope->message.prove = (struct msg_prove){.job = job->id,
                                                 .epoch = job->epoch,
                                                 .sequence = batch->sequence,
                                                 .destination = bytes_text(job->destination),
                                                 .hash = job->spec.hash,
                                                 .durability = job->spec.durability};
    envelope->body[0] = buf_bytes(&batch->staged);
    envelope->bodies = 1;
}

/* The third body is both frames, one after the other. */
static void fill_publish(struct job *job, struct job_batch *batch, struct envelope *envelope,
                         struct buf *both)
{
    buf_append(both, batch->staged.data, batch->staged.size);
    buf_append(both, batch->proven.data, batch->proven.size);
    envelope->message.publish =
        (struct msg_publish){.job = job->id,
                             .epoch = job->epoch,
                             .sequence = batch->sequence,
                             .source = bytes_text(job->source),
                             .destination = bytes_text(job->destination),
                             .attempt = batch->attempt,
                             .proven = (u32)batch->staged.size,
                             .preserve = job->spec.preserve,
                             .source_identity = buf_bytes(&job->source_identity),
                             .attempts = job->spec.attempts,
                             .waits = batch->reported || places_may_fail(job)};
    envelope->body[0] = buf_bytes(&batch->dirs);
    envelope->body[1] = buf_bytes(&batch->records);
    envelope->body[2] = buf_bytes(both);
    envelope->bodies = 3;
}

/* A check has no token, so that each assignment of it takes a number of its own. */
static void fill_check(struct job *job, struct job_batch *batch, u32 sequence,
                       struct envelope *envelope)
{
    envelope->message.check = (struct msg_check){.job = job->id,
                                                 .epoch = job->epoch,
                                                 .sequence = sequence,
                                                 .destination = bytes_text(job->destination),
                                                 .hash = batch->hash};
    envelope->body[0] = buf_bytes(&batch->dirs);
    envelope->body[1] = buf_bytes(&batch->records);
    envelope->body[2] = buf_bytes(&batch->staged);
    envelope->bodies = 3;
}

static bool is_for_movers(const struct job_batch *batch)
{
    return batch->step == STEP_STAGE || batch->step == STEP_PUBLISH;
}

static struct worker *worker_for(struct job *job, const struct job_batch *batch)
{
    if (batch->step == STEP_PROVE || batch->step == STEP_CHECK)
        return worker_pick(job->planner, ROLE_verifier, 0);
    if (batch->step == STEP_PUBLISH && batch->mover && !batch->mover->draining &&
        worker_has_room(batch->mover, 1))
        return batch->mover;
    return worker_pick(job->planner, ROLE_mover, 1);
}

static void try_assign(struct job *job, struct job_batch *batch)
{
    struct worker *worker = worker_for(job, batch);
    struct assignment *assignment;
    struct envelope envelope = {0};
    struct buf both = {0};
    u32 sequence;

    if (!worker)
        return;
    if (batch->step == STEP_CHECK)
        sequence = job_sequence(job);
    else if (batch->sequence == 0 && (batch->sequence = tokens_take(job)) == 0)
        return;
    else
        sequence = batch->sequence;
    envelope.message.kind = step_kinds[batch->step];
    if (batch->step == STEP_CHECK)
        fill_check(job, batch, sequence, &envelope);
    else if (batch->step == STEP_STAGE)
        fill_stage(job, batch, &envelope);
    else if (batch->step == STEP_PROVE)
        fill_prove(job, batch, &envelope);
    else
        fill_publish(job, batch, &envelope, &both);
    if (batch->step == STEP_PUBLISH && batch->floor_ns == 0)
        batch->floor_ns = job->clock_ns;
    if (batch->step == STEP_STAGE)
        pace_before(job, worker);
    assignment = assign(job, worker, &envelope, sequence);
    buf_release(&both);
    if (!assignment)
        return;
    assignment->batch = batch;
    batch->waiting = false;
    if (batch->step == STEP_STAGE)
        batch->mover = worker;
    if (is_for_movers(batch) && !batch->reported)
        places_sent(job, USE_CONTENT, batch);
}

/* A batch in order that was halved, or of which something is tried again, is several: one waits for
 * the one before it. */
static bool has_its_turn(const struct job *job, const struct job_batch *batch)
{
    const struct job_batch *first;

    if (!batch->in_order)
        return true;
    TAILQ_FOREACH(first, &job->batches, link)
    if (first->shard == batch->shard)
        break;
    return first == batch;
}

static bool may_go(struct job *job, const struct job_batch *batch, enum step step, s64 now_ms)
{
    if (!batch->waiting || batch->step != step || batch->not_before_ms > now_ms)
        return false;
    if (job->state != JOB_RUNNING || !has_its_turn(job, batch))
        return false;
    if (is_for_movers(batch) &&
        !(pace_has_lane(job) && (batch->reported || places_allow(job, USE_CONTENT, batch))))
        return false;
    return step != STEP_PUBLISH || tokens_may_publish(job);
}

/* What is furthest goes first, so that the line drains and staging stays small. */
void batch_pump(struct job *job)
{
    static const enum step order[] = {STEP_PUBLISH, STEP_PROVE, STEP_STAGE, STEP_CHECK};
    s64 now_ms = clock_monotonic_ms();
    struct job_batch *batch, *next;

    for (batch = TAILQ_FIRST(&job->batches); batch; batch = next) {
        next = TAILQ_NEXT(batch, link);
        if (batch->waiting && batch->step == STEP_REVOKE && batch->not_before_ms <= now_ms)
            tokens_revoke(job, batch->sequence, batch);
    }
    large_pump(job);
    for (size_t i = 0; i < COUNT_OF(order); i++) {
        for (batch = TAILQ_FIRST(&job->batches); batch; batch = next) {
            next = TAILQ_NEXT(batch, link);
            if (may_go(job, batch, order[i], now_ms))
                try_assign(job, batch);
        }
    }
}
