/* feed.c: what the close has to do with names: links, removals, puts that waited for one; and what
 * a verify checks and repairs.
 *
 * When every scan is committed the truth resolves, once: it groups, weighs removals against the
 * guard, and makes a shard of each kind of work (enum feed). They are fed one after the other, each
 * with batches from Postgres instead of a watcher's; from there on they are shards as others:
 * staged, proven, published, settled, committed. What a feed has done is marked in the transaction
 * that commits it and does not come again, so that a broken or taken over feed begins anew. */
#include "planner/planner.h"

#include "base/log.h"

#include <stdlib.h>

#define FEED_CHUNK (16 * BATCH_ITEMS)
#define FEED_AHEAD 8 /* so few batches left: the next ones are asked for */

/* ---- resolve ---- */

static bool scans_are_done(const struct job *job)
{
    const struct shard *shard;

    TAILQ_FOREACH(shard, &job->shards, link)
    if (shard->feed == FEED_NONE && shard->state != SHARD_DONE)
        return false;
    return job->committing == 0;
}

static void resolve(struct job *job)
{
    struct truth_request *request = job_request(job, TRUTH_RESOLVE);

    request->asset = job->asset;
    request->hash = job->spec.hash;
    request->delete_enabled = job->spec.delete_enabled;
    request->delete_max = job->spec.delete_max;
    request->delete_percent = job->spec.delete_percent;
    request->dry_run = job->spec.dry_run;
    request->verify = job->spec.verify;
    request->repair = job->spec.repair;
    request->plan = job->spec.plan ? text_copy(job->spec.plan) : NULL;
    request->unsettled_since_ns = job->opened_ns;
    job->resolving = RESOLVE_POSTED;
    job->committing++;
    job_post(job, request);
}

void feed_resolved(struct job *job, struct truth_request *answer)
{
    job->committing--;
    if (answer->err.code != ERR_Ok)
        return; /* the job ends with it */
    job->counters = answer->counters;
    job->resolving = RESOLVE_DONE;
    job->held = answer->held && !job->spec.dry_run;
    if (answer->message)
        job->verdict_message = text_copy(answer->message);
    job->upsert = true;
    for (u32 i = 0; i < answer->shard_count; i++)
        if (!shard_by_number(job, answer->shards[i].number))
            (void)shard_restore(job, &answer->shards[i]);
    if (job->state == JOB_RUNNING)
        job_enter_phase(job, PHASE_Closing);
}

/* ---- one feed ---- */

/* A removal must find empty what it removes: what is less deep comes when this has ended, also what
 * of it is tried again. A repair must find the directories that it puts into. */
static bool wants_more(const struct job *job, const struct shard *shard)
{
    if (shard->feed_posted || job->held_bytes >= SEGMENT_BYTES)
        return false;
    if (shard->feed == FEED_REMOVALS || shard->feed == FEED_REPAIR)
        return shard->batches == 0;
    return shard->batches <= FEED_AHEAD;
}

static void ask(struct job *job, struct shard *shard)
{
    struct truth_request *request = job_request(job, TRUTH_FEED);

    request->shard = shard->number;
    request->feed = shard->feed;
    request->asset = job->asset;
    request->hash = job->spec.hash;
    request->limit = FEED_CHUNK;
    buf_append(&request->cursor, shard->cursor.data, shard->cursor.size);
    shard->feed_posted = true;
    job_post(job, request);
}

static void take_batch(struct job *job, struct shard *shard, const struct truth_batch *row,
                       bool in_order)
{
    struct job_batch *batch = batch_new(job, shard, buf_bytes(&row->dirs), buf_bytes(&row->items),
                                        row->count, row->bytes);

    batch->in_order = in_order;
    if (shard->feed != FEED_CHECK) {
        if (job->opening == OPENING_NONE)
            job->opening = OPENING_WANTED;
        return;
    }
    batch->step = STEP_CHECK;
    batch->hash = row->hash;
    buf_append(&batch->staged, row->staged.data, row->staged.size);
}

void feed_next(struct job *job, struct truth_request *answer)
{
    struct shard *shard = shard_by_number(job, answer->shard);

    if (!shard)
        return;
    shard->feed_posted = false;
    if (answer->err.code != ERR_Ok || shard->state != SHARD_FEEDING || job->state != JOB_RUNNING)
        return;
    if (answer->batch_count == 0) {
        shard->state = SHARD_DRAINING;
        return;
    }
    buf_clear(&shard->cursor);
    buf_append(&shard->cursor, answer->cursor.data, answer->cursor.size);
    for (u32 i = 0; i < answer->batch_count; i++)
        take_batch(job, shard, &answer->batches[i], answer->in_order);
}

static void pump_shard(struct job *job, struct shard *shard)
{
    switch (shard->state) {
    case SHARD_BROKEN:
        shard_mend(job, shard);
        break;
    case SHARD_PENDING:
        buf_clear(&shard->cursor);
        shard->state = SHARD_FEEDING;
        log_write(LOG_DEBUG, job->name, EVENT_feed_started, "shard=%u feed=%s", shard->number,
                  feed_name(shard->feed));
        break;
    case SHARD_FEEDING:
        if (wants_more(job, shard))
            ask(job, shard);
        break;
    default: /* it drains: segment.c commits its end */
        break;
    }
}

bool feed_pump(struct job *job)
{
    struct shard *shard;

    if (job->resolving == RESOLVE_NONE && scans_are_done(job))
        resolve(job);
    if (job->resolving != RESOLVE_DONE || job->state != JOB_RUNNING)
        return false;
    TAILQ_FOREACH(shard, &job->shards, link)
    {
        if (shard->feed == FEED_NONE || shard->state == SHARD_DONE)
            continue;
        pump_shard(job, shard);
        return false;
    }
    return job->committing == 0;
}
