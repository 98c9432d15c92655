/* plan.c: what is done without doing anything at the destination. In a dry run what a scan found
 * becomes rows that say what would be done; in a job that follows such a list, rows of what is not
 * on it (planned.c); and in any job what cannot be carried fails by its row alone: no token, no
 * staging area. */
#include "planner/planner.h"

#include "base/log.h"
#include "base/names.h"
#include "wire/refusal.h"

static void add_row(const struct job *job, struct frame_writer *writer, const struct batch *batch,
                    u32 index, struct buf *path)
{
    const struct rec_item *item = &batch->items[index];
    struct rec_row row = {.index = index,
                          .kind = item->kind,
                          .operation = item->operation,
                          .outcome = OUTCOME_planned,
                          .size = item->size,
                          .mtime_ns = item->mtime_ns};
    struct err err = {0};

    buf_clear(path);
    path_join(path, batch->dirs[item->dir].path, item->name);
    row.path = buf_bytes(path);
    if (item->operation == OPERATION_directory && item->flags & ITEM_REPLACES)
        row.message = bytes_text("takes the place of what is no directory"); /* truth_plan.c asks */
    if (item->operation == OPERATION_refuse) {
        (void)item_refuse(item, &err); /* its error is what is told */
        row.outcome = OUTCOME_failed;
        row.code = err.code;
        row.message = bytes_text(err.text);
        log_write(LOG_WARN, job->name, EVENT_item_failed, "path=%s code=%s message=%s",
                  log_value(row.path), err_name(row.code), log_value(row.message));
    }
    frame_add_row(writer, &row);
}

void plan_batch(struct job *job, struct shard *shard, const struct batch *batch)
{
    struct buf rows = {0}, path = {0};
    struct frame_writer writer;

    frame_begin(&writer, &rows);
    for (u32 i = 0; i < batch->item_count; i++) {
        add_row(job, &writer, batch, i, &path);
        shard->pending.value[COUNTER_failed] += batch->items[i].operation == OPERATION_refuse;
    }
    frame_end(&writer);
    segment_add(job, shard, NULL, buf_bytes(&rows), batch->item_count, 0, NULL, 0);
    buf_release(&rows);
    buf_release(&path);
}

/* ---- what is left, as it is not as a plan lists it ---- */

void plan_leave(struct job *job, struct shard *shard, const struct batch *batch,
                const struct truth_planned *planned, const bool *keep)
{
    struct buf rows = {0}, path = {0};
    struct frame_writer writer;

    frame_begin(&writer, &rows);
    for (u32 i = 0; i < batch->item_count; i++) {
        const struct rec_item *item = &batch->items[i];

        if (keep[i])
            continue;
        buf_clear(&path);
        path_join(&path, batch->dirs[item->dir].path, item->name);
        frame_add_row(&writer, &(struct rec_row){.index = i,
                                                 .path = buf_bytes(&path),
                                                 .kind = item->kind,
                                                 .operation = item->operation,
                                                 .outcome = OUTCOME_changed,
                                                 .size = item->size,
                                                 .code = planned[i].code});
    }
    frame_end(&writer);
    shard->pending.value[COUNTER_changed] += writer.count;
    segment_add(job, shard, NULL, buf_bytes(&rows), writer.count, 0, NULL, 0);
    buf_release(&rows);
    buf_release(&path);
}
