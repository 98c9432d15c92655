/* planned.c: a job that does what a dry run listed, and nothing else. What a scan found is asked of
 * the truth before it is carried; what is not as listed becomes rows that say so. A batch that is
 * asked about counts as one of its shard, and takes its place in the scan's window, until the
 * answer. */
#include "planner/planner.h"

#include "base/names.h"

#include <stdlib.h>

/* What the answer is about; freed with it. */
struct planned_note {
    u32 scan;
};

static void describe(const struct batch *batch, struct truth_request *request)
{
    struct buf path = {0};

    request->planned_count = batch->item_count;
    request->planned = memory_or_die(((size_t)batch->item_count + 1) * sizeof *request->planned);
    for (u32 i = 0; i < batch->item_count; i++) {
        const struct rec_item *item = &batch->items[i];

        request->planned[i] = (struct truth_planned){.kind = item->kind,
                                                     .operation = item->operation,
                                                     .size = item->size,
                                                     .mtime_ns = item->mtime_ns};
        buf_clear(&path);
        path_join(&path, batch->dirs[item->dir].path, item->name);
        path_key(buf_bytes(&path), request->planned[i].key);
    }
    buf_release(&path);
}

void planned_ask(struct job *job, struct shard *shard, const struct envelope *envelope,
                 const struct batch *decoded)
{
    struct truth_request *request = job_request(job, TRUTH_PLAN);
    struct planned_note *note = memory_or_die(sizeof *note);
    struct truth_batch *batch = memory_or_die(sizeof *batch);

    note->scan = shard->scan;
    request->context = note;
    request->shard = shard->number;
    request->plan = text_copy(job->spec.plan);
    request->batches = batch;
    request->batch_count = 1;
    buf_append(&batch->dirs, envelope->body[0].data, envelope->body[0].size);
    buf_append(&batch->items, envelope->body[1].data, envelope->body[1].size);
    describe(decoded, request);
    shard->batches++;
    shard->window_used++;
    job->committing++;
    job_post(job, request);
}

/* The items that are kept: where none can be carried, no token is needed to say so. */
static void go_on(struct job *job, struct shard *shard, const struct batch *batch, const bool *keep,
                  bool carried)
{
    struct buf dirs = {0}, records = {0};
    struct batch kept;
    struct err err;
    u64 bytes;
    u32 count = batch_select(batch, keep, &dirs, &records, &bytes);

    if (carried) {
        shard_carry(job, shard, buf_bytes(&dirs), buf_bytes(&records), count, bytes);
    } else if (batch_decode(buf_bytes(&dirs), buf_bytes(&records), &kept, &err) < 0) {
        job_fail(job, err.code, err.text); /* it was made here */
    } else {
        plan_batch(job, shard, &kept);
        batch_release(&kept);
    }
    buf_release(&dirs);
    buf_release(&records);
}

/* What is as listed goes on, as what cannot be carried does, which is not written and fails anyway.
 */
static void sort_out(struct job *job, struct shard *shard, const struct truth_request *answer,
                     const struct batch *batch)
{
    bool keep[BATCH_ITEMS] = {false}, carried = false;
    u32 left = 0;

    for (u32 i = 0; i < batch->item_count; i++) {
        bool refused = batch->items[i].operation == OPERATION_refuse;

        keep[i] = refused || answer->planned[i].code == ERR_Ok;
        carried = carried || (keep[i] && !refused);
        left += !keep[i];
    }
    if (left > 0)
        plan_leave(job, shard, batch, answer->planned, keep);
    if (left < batch->item_count)
        go_on(job, shard, batch, keep, carried);
}

void planned_answer(struct job *job, struct truth_request *answer)
{
    const struct planned_note *note = answer->context;
    struct shard *shard = shard_by_number(job, answer->shard);
    struct batch batch;
    struct err err;

    job->committing--;
    if (!shard)
        return;
    shard->batches--;
    shard->window_used--;
    /* a scan that is over is done again, and finds it again */
    if (answer->err.code != ERR_Ok || job->state != JOB_RUNNING || shard->scan != note->scan ||
        (shard->state != SHARD_SCANNING && shard->state != SHARD_DRAINING))
        return;
    if (batch_decode(buf_bytes(&answer->batches->dirs), buf_bytes(&answer->batches->items), &batch,
                     &err) < 0) {
        job_fail(job, err.code, err.text); /* it was decoded when it was found */
        return;
    }
    sort_out(job, shard, answer, &batch);
    batch_release(&batch);
}
