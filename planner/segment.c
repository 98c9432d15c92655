/* segment.c: what is durable together. Rows of published batches collect in the open segment of
 * their shard. When it is full, or the shard has come to its end, it is closed: every host that
 * wrote in it settles, then one transaction commits it. One segment of a shard is on this way at a
 * time; the next collects meanwhile.
 *
 * A settle counts only from a mover whose descriptor is older than the segment's first write on
 * that host (both by the host's boot clock): an error of write-back is reported once, and only to
 * such descriptors. If there is none, or the settle failed, the shard is scanned again and what is
 * not older than its unsettled_since is put again. */
#include "planner/planner.h"

#include "base/clock.h"
#include "base/log.h"
#include "planner/large.h"

#include <stdlib.h>

/* ---- collecting ---- */

static void note_written(struct segment *segment, const char *host, s64 began_ns)
{
    for (u32 i = 0; i < segment->written_count; i++) {
        struct written *written = &segment->written[i];

        if (strcmp(written->host, host) != 0)
            continue;
        if (began_ns < written->began_ns)
            written->began_ns = began_ns;
        return;
    }
    segment->written = memory_resize_or_die(segment->written, (segment->written_count + 1) *
                                                                  sizeof *segment->written);
    segment->written[segment->written_count++] =
        (struct written){.host = text_copy(host), .began_ns = began_ns};
}

static void add_frame(struct buf **frames, u32 *count, struct bytes frame)
{
    *frames = memory_resize_or_die(*frames, (*count + 1) * sizeof **frames);
    (*frames)[*count] = (struct buf){0};
    buf_append(&(*frames)[(*count)++], frame.data, frame.size);
}

void segment_add_names(struct job *job, struct shard *shard, struct bytes names, u32 count)
{
    struct segment *segment = &shard->open;

    add_frame(&segment->names, &segment->name_count, names);
    segment->items += count;
    segment->bytes += names.size;
    job->held_bytes += names.size;
}

bool segment_is_empty(const struct segment *segment)
{
    return segment->row_count == 0 && segment->name_count == 0;
}

void segment_add(struct job *job, struct shard *shard, const struct job_batch *batch,
                 struct bytes rows, u32 items, s64 floor_ns, const char *host, s64 began_ns)
{
    struct segment *segment = &shard->open;

    add_frame(&segment->rows, &segment->row_count, rows);
    segment->items += items;
    segment->bytes += rows.size;
    job->held_bytes += rows.size;
    if (batch && batch->host)
        note_written(segment, batch->host, batch->began_ns);
    if (batch && batch->large) /* every host that wrote a part */
        for (u32 i = 0; i < batch->large->written_count; i++)
            note_written(segment, batch->large->written[i].host, batch->large->written[i].began_ns);
    if (host)
        note_written(segment, host, began_ns);
    if (floor_ns && (!segment->floor_ns || floor_ns < segment->floor_ns))
        segment->floor_ns = floor_ns;
}

static void release_frames(struct buf **frames, u32 *count)
{
    for (u32 i = 0; i < *count; i++)
        buf_release(&(*frames)[i]);
    free(*frames);
    *frames = NULL;
    *count = 0;
}

void segment_discard(struct job *job, struct segment *segment)
{
    job->held_bytes -= segment->bytes;
    release_frames(&segment->rows, &segment->row_count);
    release_frames(&segment->names, &segment->name_count);
    for (u32 i = 0; i < segment->written_count; i++)
        free(segment->written[i].host);
    free(segment->written);
    *segment = (struct segment){0};
}

static bool counters_are_zero(const struct counters *counters)
{
    for (u32 i = 0; i < COUNTER_COUNT; i++)
        if (counters->value[i])
            return false;
    return true;
}

static bool is_due(const struct job *job, const struct shard *shard)
{
    const struct segment *open = &shard->open;

    if (shard->closing_active || shard->state == SHARD_DONE)
        return false;
    if (open->items >= SEGMENT_ITEMS ||
        (job->held_bytes >= SEGMENT_BYTES && !segment_is_empty(open)))
        return true;
    if (shard->batches > 0)
        return false;
    if (shard->state == SHARD_DRAINING)
        return true;
    if (job->state == JOB_WINDING_DOWN)
        return !segment_is_empty(open) || !counters_are_zero(&shard->pending);
    return shard->state == SHARD_BROKEN && !segment_is_empty(open);
}

/* ---- settling ---- */

void segment_opener(struct job *job, struct worker *worker, s64 opened_ns)
{
    for (u32 i = 0; i < job->opener_count; i++) {
        if (job->openers[i].worker == worker) {
            job->openers[i].opened_ns = opened_ns;
            return;
        }
    }
    job->openers =
        memory_resize_or_die(job->openers, (job->opener_count + 1) * sizeof *job->openers);
    job->openers[job->opener_count].worker = worker;
    job->openers[job->opener_count++].opened_ns = opened_ns;
}

void segment_forget_worker(struct job *job, const struct worker *worker)
{
    for (u32 i = 0; i < job->opener_count; i++)
        if (job->openers[i].worker == worker)
            job->openers[i--] = job->openers[--job->opener_count];
}

static struct worker *find_settler(const struct job *job, const struct written *written,
                                   bool draining)
{
    struct worker *best = NULL;
    s64 oldest = written->began_ns;

    for (u32 i = 0; i < job->opener_count; i++) {
        if (job->openers[i].opened_ns > oldest || job->openers[i].worker->draining != draining ||
            strcmp(job->openers[i].worker->host, written->host) != 0)
            continue;
        oldest = job->openers[i].opened_ns;
        best = job->openers[i].worker;
    }
    return best;
}

/* The mover on that host with the oldest descriptor, rather one that is not to be drained; NULL if
 * none is old enough. */
struct worker *segment_settler(const struct job *job, const struct written *written)
{
    struct worker *best = find_settler(job, written, false);

    return best ? best : find_settler(job, written, true);
}

static bool settle_is_open(struct job *job, const char *host)
{
    const struct assignment *assignment;

    TAILQ_FOREACH(assignment, &job->assignments, link)
    if (assignment->kind == MSG_settle && strcmp(assignment->worker->host, host) == 0)
        return true;
    return false;
}

/* One settle covers what every closing segment wrote on that host. */
static void cover(struct job *job, const char *host, s64 opened_ns, u32 sequence)
{
    struct shard *shard;

    TAILQ_FOREACH(shard, &job->shards, link)
    {
        if (!shard->closing_active || shard->closing_posted)
            continue;
        for (u32 i = 0; i < shard->closing.written_count; i++) {
            struct written *written = &shard->closing.written[i];

            if (!written->settled && strcmp(written->host, host) == 0 &&
                opened_ns <= written->began_ns)
                written->settle = sequence;
        }
    }
}

static s64 opened_of(const struct job *job, const struct worker *worker)
{
    for (u32 i = 0; i < job->opener_count; i++)
        if (job->openers[i].worker == worker)
            return job->openers[i].opened_ns;
    return INT64_MAX;
}

static void send_settle(struct job *job, struct worker *worker)
{
    struct envelope envelope = {.message = {.kind = MSG_settle}};
    u32 sequence = job_sequence(job);
    s64 opened_ns = opened_of(job, worker);

    envelope.message.settle = (struct msg_settle){.job = job->id,
                                                  .epoch = job->epoch,
                                                  .sequence = sequence,
                                                  .destination = bytes_text(job->destination)};
    if (assign(job, worker, &envelope, sequence))
        cover(job, worker->host, opened_ns, sequence);
}

static void fail_closing(struct job *job, struct shard *shard, const char *why)
{
    segment_discard(job, &shard->closing);
    segment_discard(job, &shard->open);
    shard->closing_active = shard->closing_last = false;
    shard_break(job, shard, true, why);
}

/* True when all hosts of the closing segment have settled. */
static bool settle(struct job *job, struct shard *shard)
{
    bool all = true;

    for (u32 i = 0; i < shard->closing.written_count; i++) {
        struct written *written = &shard->closing.written[i];
        struct worker *worker;

        if (written->settled)
            continue;
        all = false;
        if (settle_is_open(job, written->host))
            continue; /* this one is covered by it, or will be by the next */
        worker = segment_settler(job, written);
        if (!worker) {
            fail_closing(job, shard,
                         "no mover has a descriptor that is older than the first write");
            return false;
        }
        if (worker_has_room(worker, 0) && clock_monotonic_ms() >= job->retry_ms)
            send_settle(job, worker);
    }
    return all;
}

void segment_settled(struct job *job, struct assignment *assignment,
                     const struct msg_settled *settled)
{
    u32 sequence = assignment->sequence;
    struct worker *worker = assignment->worker;
    struct shard *shard;

    assignment_end(job, assignment);
    segment_opener(job, worker, settled->opened_ns);
    TAILQ_FOREACH(shard, &job->shards, link)
    {
        bool failed = false;

        if (!shard->closing_active || shard->closing_posted)
            continue;
        for (u32 i = 0; i < shard->closing.written_count; i++) {
            struct written *written = &shard->closing.written[i];

            if (written->settle != sequence || written->settled)
                continue;
            written->settled = settled->code == ERR_Ok && settled->opened_ns <= written->began_ns;
            failed = failed || settled->code != ERR_Ok;
        }
        if (failed) {
            shard->failures++;
            fail_closing(job, shard, "settle failed");
        }
    }
}

/* ---- committing ---- */

/* Not after the start of the oldest work of the shard that this commit does not contain: also of a
 * publish that was lost, whatever step its batch is in now. */
static s64 unsettled_since(const struct job *job, const struct shard *shard)
{
    const struct job_batch *batch;
    s64 since = shard->put_again_ns ? shard->put_again_ns : job->clock_ns;

    if (shard->open.floor_ns && shard->open.floor_ns < since)
        since = shard->open.floor_ns;
    TAILQ_FOREACH(batch, &job->batches, link)
    if (batch->shard == shard && batch->floor_ns && batch->floor_ns < since)
        since = batch->floor_ns;
    return since;
}

static void fill_counters(struct shard *shard, struct truth_request *request)
{
    struct counters *counters = &request->counters;

    *counters = shard->pending;
    if (shard->redo) { /* counted by rows; the totals are known when the scan has ended */
        counters->value[COUNTER_found] = 0;
        if (shard->closing_last) {
            counters->value[COUNTER_scanned] = shard->scanned;
            counters->value[COUNTER_unchanged] = shard->unchanged;
            counters->value[COUNTER_extra] = shard->extra;
        }
    } else {
        counters->value[COUNTER_scanned] = shard->scanned - shard->counted_scanned;
        counters->value[COUNTER_unchanged] = shard->unchanged - shard->counted_unchanged;
        counters->value[COUNTER_extra] = shard->extra - shard->counted_extra;
        shard->counted_scanned = shard->scanned;
        shard->counted_unchanged = shard->unchanged;
        shard->counted_extra = shard->extra;
    }
    shard->posted = shard->pending;
    memset(&shard->pending, 0, sizeof shard->pending);
    /* these are counted from the rows, where they are committed */
    counters->value[COUNTER_moved] = counters->value[COUNTER_attributes] = 0;
    counters->value[COUNTER_linked] = counters->value[COUNTER_removed] = 0;
    counters->value[COUNTER_changed] = counters->value[COUNTER_vanished] = 0;
    counters->value[COUNTER_failed] = 0;
}

static void post_commit(struct job *job, struct shard *shard)
{
    struct truth_request *request = job_request(job, TRUTH_SEGMENT);
    struct segment *closing = &shard->closing;

    request->shard = shard->number;
    request->segment = shard->segments + 1;
    request->shard_done = shard->closing_last;
    request->redo = shard->redo;
    request->upsert = job->upsert;
    request->asset = job->asset;
    request->hash = job->spec.hash;
    request->feed = shard->feed;
    request->present = shard->present;
    request->source_empty = shard->source_empty;
    request->dry_run = job->spec.dry_run;
    request->unsettled_since_ns = unsettled_since(job, shard);
    request->rows = closing->rows;
    request->row_count = closing->row_count;
    closing->rows = NULL;
    closing->row_count = 0;
    request->names = closing->names;
    request->name_count = closing->name_count;
    closing->names = NULL;
    closing->name_count = 0;
    fill_counters(shard, request);
    shard->closing_posted = true;
    job->committing++;
    job_post(job, request);
}

void segment_committed(struct job *job, struct truth_request *answer)
{
    struct shard *shard = shard_by_number(job, answer->shard);

    job->committing--;
    if (answer->err.code == ERR_Ok)
        job->counters = answer->counters;
    if (!shard)
        return;
    log_write(LOG_DEBUG, job->name, EVENT_segment_committed, "shard=%u segment=%u items=%u",
              shard->number, answer->segment, shard->closing.items);
    shard->segments = answer->segment;
    shard->unsettled_since_ns = answer->unsettled_since_ns;
    memset(&shard->posted, 0, sizeof shard->posted);
    if (shard->closing_last)
        shard->state = SHARD_DONE;
    segment_discard(job, &shard->closing);
    shard->closing_active = shard->closing_posted = shard->closing_last = false;
}

void segment_pump(struct job *job)
{
    struct shard *shard;

    TAILQ_FOREACH(shard, &job->shards, link)
    {
        if (is_due(job, shard)) {
            shard->closing = shard->open;
            shard->open = (struct segment){0};
            shard->closing_active = true;
            shard->closing_last = shard->state == SHARD_DRAINING && shard->batches == 0;
        }
        if (shard->closing_active && !shard->closing_posted && settle(job, shard))
            post_commit(job, shard);
    }
}

bool segment_all_idle(const struct job *job)
{
    const struct shard *shard;

    TAILQ_FOREACH(shard, &job->shards, link)
    if (shard->closing_active || !segment_is_empty(&shard->open))
        return false;
    return job->committing == 0;
}
