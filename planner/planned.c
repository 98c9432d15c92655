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

/* A path up to its component `count`, counted from 1. */
static struct bytes components(struct bytes path, u32 count)
{
    for (size_t end = 0; end < path.size; end++)
        if (path.data[end] == '/' && --count == 0)
            return bytes_of(path.data, end);
    return path;
}

static bool is_over_another(const struct rec_item *item)
{
    return item->operation == OPERATION_directory && item->flags & ITEM_REPLACES;
}

/* The items, and behind them, of each of their directories that is to take the place of something
 * else, the one that does: what is in it is done only if that is as planned. */
static void describe(const struct batch *batch, struct truth_request *request)
{
    struct buf path = {0};

    request->planned = memory_or_die(((size_t)batch->item_count + batch->dir_count + 1) *
                                     sizeof *request->planned);
    request->planned_count = batch->item_count;
    for (u32 i = 0; i < batch->item_count; i++) {
        const struct rec_item *item = &batch->items[i];

        request->planned[i] = (struct truth_planned){.kind = item->kind,
                                                     .operation = item->operation,
                                                     .replaces = is_over_another(item),
                                                     .size = item->size,
                                                     .mtime_ns = item->mtime_ns};
        buf_clear(&path);
        path_join(&path, batch->dirs[item->dir].path, item->name);
        path_key(buf_bytes(&path), request->planned[i].key);
    }
    for (u32 i = 0; i < batch->dir_count; i++) {
        const struct rec_dir *dir = &batch->dirs[i];
        struct truth_planned *above = &request->planned[request->planned_count];

        if (dir->replaces == 0)
            continue;
        *above = (struct truth_planned){
            .kind = KIND_directory, .operation = OPERATION_directory, .replaces = true};
        path_key(components(dir->path, dir->replaces), above->key);
        request->planned_count++;
    }
    buf_release(&path);
}

/* What is in a directory that may not take its place is not as planned. */
static void judge_places(const struct batch *batch, struct truth_request *answer)
{
    const struct truth_planned *above = answer->planned + batch->item_count;

    for (u32 dir = 0; dir < batch->dir_count; dir++) {
        if (batch->dirs[dir].replaces == 0 || above++->code == ERR_Ok)
            continue;
        for (u32 i = 0; i < batch->item_count; i++)
            if (batch->items[i].dir == dir && answer->planned[i].code == ERR_Ok)
                answer->planned[i].code = ERR_NotAsPlanned;
    }
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
static void sort_out(struct job *job, struct shard *shard, struct truth_request *answer,
                     const struct batch *batch)
{
    bool keep[BATCH_ITEMS] = {false}, carried = false;
    u32 left = 0;

    judge_places(batch, answer);
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
