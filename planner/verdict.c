/* verdict.c: what movers and verifiers say became of the items of a batch, checked against the
 * batch before it goes to the ledger: each item is answered once, under its own path, with an
 * outcome that the step can have. A worker is not trusted with what a row is about. */
#include "planner/planner.h"

#include "base/log.h"
#include "base/names.h"

#include <stdio.h>

#define NO_ITEM UINT32_MAX /* a directory of the batch that something was done in */

struct reading {
    const struct job *job;
    const struct job_batch *batch;
    struct batch items;
    struct buf path; /* of the item at hand */
    u32 dir;         /* they are named in the order of the frame: where the search goes on */
    struct verdict *out;
};

static const struct {
    enum outcome outcome;
    enum counter counter;
} counted[] = {
    {OUTCOME_attributes, COUNTER_attributes},
    {OUTCOME_changed, COUNTER_changed},
    {OUTCOME_vanished, COUNTER_vanished},
    {OUTCOME_failed, COUNTER_failed},
    {OUTCOME_linked, COUNTER_linked},
    {OUTCOME_removed, COUNTER_removed},
    {OUTCOME_kept, COUNTER_extra},
};

/* A verifier that only looks is asked again as often as ever. */
static u32 attempts_of(const struct job *job, const struct job_batch *batch)
{
    return batch->step == STEP_CHECK ? ITEM_ATTEMPTS : job->spec.attempts;
}

static bool is_blocked(const struct job *job, const struct rec_row *row)
{
    return row->outcome == OUTCOME_again && err_is_of_place(row->code) && places_waits(job);
}

static bool outcome_fits(const struct job *job, const struct job_batch *batch,
                         const struct rec_row *row)
{
    switch (row->outcome) {
    case OUTCOME_changed:
    case OUTCOME_vanished:
    case OUTCOME_failed:
        return true;
    case OUTCOME_again:
        return batch->attempt < attempts_of(job, batch) || is_blocked(job, row);
    case OUTCOME_unchanged:
    case OUTCOME_rotten:
    case OUTCOME_drifted:
    case OUTCOME_missing:
        return batch->step == STEP_CHECK;
    case OUTCOME_moved:
        return batch->step != STEP_CHECK &&
               (row->operation == OPERATION_put || row->operation == OPERATION_directory);
    case OUTCOME_attributes:
        return row->operation == OPERATION_attributes;
    case OUTCOME_pending:
        return row->operation == OPERATION_directory;
    case OUTCOME_linked:
        return row->operation == OPERATION_link;
    case OUTCOME_removed:
    case OUTCOME_kept:
        return row->operation == OPERATION_remove;
    default:
        return false;
    }
}

/* A directory that something was published into. */
static bool is_of_the_batch(struct reading *reading, struct bytes path)
{
    for (u32 i = 0; i < reading->items.dir_count; i++) {
        u32 at = (reading->dir + i) % reading->items.dir_count;

        if (bytes_equal(reading->items.dirs[at].path, path)) {
            reading->dir = at + 1;
            return true;
        }
    }
    return false;
}

static bool row_fits(struct reading *reading, const struct rec_row *row)
{
    const struct rec_item *item;

    if (row->index == NO_ITEM)
        return row->operation == OPERATION_directory && row->outcome == OUTCOME_pending &&
               is_of_the_batch(reading, row->path);
    if (row->index >= reading->items.item_count || reading->out->seen[row->index])
        return false;
    item = &reading->items.items[row->index];
    buf_clear(&reading->path);
    path_join(&reading->path, reading->items.dirs[item->dir].path, item->name);
    return bytes_equal(row->path, buf_bytes(&reading->path)) && row->kind == item->kind &&
           row->operation == item->operation && outcome_fits(reading->job, reading->batch, row);
}

static void note_failure(struct reading *reading, const struct rec_row *row)
{
    struct verdict *out = reading->out;
    const char *path = log_value(row->path);

    log_write(LOG_WARN, reading->job->name, EVENT_item_failed, "path=%s code=%s message=%s", path,
              err_name(row->code), log_value(row->message));
    if (err_disposition_of(row->code) != DISPOSITION_JOB || out->job_code)
        return;
    out->job_code = row->code;
    snprintf(out->job_message, sizeof out->job_message, "%s: %.*s", path, (int)row->message.size,
             (const char *)row->message.data);
}

static void note_blocked(struct reading *reading, const struct rec_row *row)
{
    struct verdict *out = reading->out;

    out->blocked[row->index] = true;
    if (out->blocked_count++ > 0)
        return;
    out->place_code = row->code;
    snprintf(out->place_message, sizeof out->place_message, "%s: %.*s", log_value(row->path),
             (int)row->message.size, (const char *)row->message.data);
}

static void take_row(struct reading *reading, const struct rec_row *row)
{
    struct verdict *out = reading->out;

    if (row->index == NO_ITEM)
        return;
    out->seen[row->index] = true;
    out->answered++;
    out->again[row->index] = row->outcome == OUTCOME_again;
    out->again_count += row->outcome == OUTCOME_again;
    if (is_blocked(reading->job, row))
        note_blocked(reading, row);
    if (row->outcome == OUTCOME_moved && row->operation != OPERATION_directory) {
        out->counters.value[COUNTER_moved]++;
        out->counters.value[COUNTER_bytes_moved] += (s64)row->size;
    }
    for (size_t i = 0; i < COUNT_OF(counted); i++)
        out->counters.value[counted[i].counter] += row->outcome == counted[i].outcome;
    if (row->outcome == OUTCOME_failed)
        note_failure(reading, row);
}

int verdict_read(const struct job *job, const struct job_batch *batch, struct bytes rows,
                 struct verdict *out)
{
    struct reading reading = {.job = job, .batch = batch, .out = out};
    struct frame_reader frame;
    struct rec_row row;
    struct err err;
    int more = -1;

    if (batch_decode(buf_bytes(&batch->dirs), buf_bytes(&batch->records), &reading.items, &err) < 0)
        return -1;
    if (frame_open(&frame, rows, &err) == 0) {
        while ((more = frame_next_row(&frame, &row, &err)) > 0) {
            if (!row_fits(&reading, &row)) {
                more = -1;
                break;
            }
            take_row(&reading, &row);
        }
    }
    batch_release(&reading.items);
    buf_release(&reading.path);
    return more == 0 && out->answered == batch->items ? 0 : -1;
}
