/* closing.c: the end of a job at the destination: directory attributes, deepest first; the staging
 * area goes; the root's own attributes; settle. Directories come from Postgres, those of a depth,
 * or a batch of several depths that is worked at in its order. Each chunk is committed before the
 * next is asked for, so that memory does not grow with the tree. */
#include "planner/planner.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdlib.h>

#define CLOSE_CHUNK (16 * BATCH_ITEMS)

/* ---- directories ---- */

void closing_give_up(struct job *job)
{
    struct job_batch *batch, *next;

    job->close_given_up = job->close_drained = true;
    for (batch = TAILQ_FIRST(&job->batches); batch; batch = next) {
        next = TAILQ_NEXT(batch, link);
        if (batch->waiting && batch->step == STEP_CLOSE)
            batch_end(job, batch);
    }
}

void closing_next(struct job *job, struct truth_request *answer)
{
    struct rec_dir *dirs;
    struct err err;
    u32 count;

    job->close_posted = false;
    job->close_drained = answer->path_count == 0 || job->close_given_up;
    if (job->close_drained)
        return;
    if (paths_decode(buf_bytes(&answer->paths), &dirs, &count, &err) < 0) {
        job_fail(job, err.code, err.text);
        closing_give_up(job);
        return;
    }
    for (u32 start = 0; start < count; start += BATCH_ITEMS) {
        struct frame_writer writer;
        struct buf frame = {0};
        u32 items = count - start < BATCH_ITEMS ? count - start : BATCH_ITEMS;

        frame_begin(&writer, &frame);
        for (u32 i = 0; i < items; i++)
            frame_add_dir(&writer, &dirs[start + i]);
        frame_end(&writer);
        (void)batch_new(job, NULL, buf_bytes(&frame), bytes_of(NULL, 0), items, 0);
        job->closing_batches++;
        buf_release(&frame);
    }
    free(dirs);
}

void closing_done(struct job *job, struct truth_request *answer)
{
    job->committing--;
    if (answer->err.code != ERR_Ok) { /* the same directories would come again and again */
        closing_give_up(job);
        return;
    }
    job->counters = answer->counters;
}

static void assign_close(struct job *job, struct job_batch *batch)
{
    struct worker *worker = worker_pick_mover(job);
    struct envelope envelope = {.message = {.kind = MSG_close}, .bodies = 1};
    struct assignment *assignment;

    if (!worker || (batch->sequence == 0 && (batch->sequence = tokens_take(job)) == 0))
        return;
    envelope.message.close =
        (struct msg_close){.job = job->id,
                           .epoch = job->epoch,
                           .sequence = batch->sequence,
                           .source = bytes_text(job->source),
                           .destination = bytes_text(job->destination),
                           .finish = 0,
                           .preserve = job->spec.preserve,
                           .source_identity = buf_bytes(&job->source_identity)};
    envelope.body[0] = buf_bytes(&batch->dirs);
    assignment = assign(job, worker, &envelope, batch->sequence);
    if (!assignment)
        return;
    assignment->batch = batch;
    batch->waiting = false;
}

static void post_rows(struct job *job, struct bytes rows)
{
    struct truth_request *request = job_request(job, TRUTH_CLOSE_DONE);

    request->asset = job->asset;
    request->rows = memory_or_die(sizeof *request->rows);
    buf_append(&request->rows[0], rows.data, rows.size);
    request->row_count = 1;
    job->committing++;
    job_post(job, request);
}

/* ---- the staging area, the root, settle ---- */

static void send_finish(struct job *job)
{
    struct worker *worker = worker_pick_mover(job);
    struct envelope envelope = {.message = {.kind = MSG_close}, .bodies = 1};
    const struct buf *identity =
        job->finish == CLOSE_STAGING ? &job->opened_identity : &job->destination_identity;
    struct frame_writer writer;
    struct buf none = {0};
    u32 sequence;

    if (!worker)
        return;
    sequence = job_sequence(job);
    frame_begin(&writer, &none);
    frame_end(&writer);
    envelope.body[0] = buf_bytes(&none);
    envelope.message.close =
        (struct msg_close){.job = job->id,
                           .epoch = job->epoch,
                           .sequence = sequence,
                           .source = bytes_text(job->source),
                           .destination = bytes_text(job->destination),
                           .finish = job->finish,
                           .preserve = job->spec.preserve,
                           .destination_identity = buf_bytes(identity),
                           .source_identity = buf_bytes(&job->source_identity)};
    job->finish_sent = assign(job, worker, &envelope, sequence) != NULL;
    buf_release(&none);
}

static void left_behind(struct job *job, const char *why)
{
    struct buf text = {0};

    buf_printf(&text,
               "%s; what it left in " STAGING_NAME
               " at the destination stays until the next job there: %s",
               job->fail_message, why);
    free(job->fail_message);
    job->fail_message = text_copy(buf_text(&text));
    buf_release(&text);
}

/* A job that never began in this epoch: what an earlier one staged goes, wherever the source is.
 * Only from the directory where that was: in another one there may be the area of another job. */
void closing_unbegun(struct job *job)
{
    job->state = JOB_FINISHING;
    job->finish = CLOSE_STAGING;
}

static void finished(struct job *job, const struct msg_closed *closed)
{
    struct buf text = {0};

    if (closed->code != ERR_Ok) {
        buf_append(&text, closed->message.data, closed->message.size);
        log_write(LOG_ERROR, job->name, EVENT_failure, "code=%s message=%s", err_name(closed->code),
                  log_text(buf_text(&text)));
        if (job->finish == CLOSE_STAGING)
            left_behind(job, buf_text(&text));
        job_fail(job, closed->code, buf_text(&text));
        buf_release(&text);
    }
    job->state = JOB_ENDING;
    job_ended(job);
}

void closing_closed(struct job *job, struct assignment *assignment, const struct envelope *envelope)
{
    const struct msg_closed *closed = &envelope->message.closed;
    struct job_batch *batch = assignment->batch;
    u32 sequence = assignment->sequence;
    struct frame_reader reader;
    struct err err;

    assignment_end(job, assignment);
    if (!batch) {
        finished(job, closed);
        return;
    }
    if (closed->code != ERR_Ok || envelope->bodies != 1 ||
        frame_open(&reader, envelope->body[0], &err) < 0 || reader.left != batch->items) {
        batch->losses++;
        if (batch->losses >= BATCH_LOSSES) {
            job_fail(job, closed->code ? closed->code : ERR_Protocol,
                     "directories cannot be closed");
            tokens_revoke(job, sequence, NULL);
            batch_end(job, batch);
            closing_give_up(job);
        } else {
            tokens_revoke(job, sequence, batch);
        }
        return;
    }
    post_rows(job, envelope->body[0]);
    batch_end(job, batch);
}

void closing_pump(struct job *job)
{
    s64 now_ms = clock_monotonic_ms();
    struct job_batch *batch, *next;

    if (job->state == JOB_CLOSING) {
        if (job->opening != OPENING_DONE)
            return; /* tokens.c opens the staging area, or the job failed for it */
        for (batch = TAILQ_FIRST(&job->batches); batch; batch = next) {
            next = TAILQ_NEXT(batch, link);
            if (!batch->waiting || batch->not_before_ms > now_ms)
                continue;
            if (batch->step == STEP_REVOKE)
                tokens_revoke(job, batch->sequence, batch);
            else if (batch->step == STEP_CLOSE)
                assign_close(job, batch);
        }
        if (job->closing_batches > 0 || job->close_posted)
            return;
        if (!job->close_drained) {
            struct truth_request *request = job_request(job, TRUTH_CLOSE_NEXT);

            request->limit = CLOSE_CHUNK;
            job->close_posted = true;
            job_post(job, request);
        } else if (job->committing == 0) {
            job->state = JOB_FINISHING;
            job->finish = CLOSE_ALL;
        }
    }
    if (job->state == JOB_FINISHING && !job->finish_sent && now_ms >= job->retry_ms)
        send_finish(job);
}
