/* large_copy.c: parts of a large file on their way into its staged copy, and what movers answer.
 *
 * A part is read from the source, or, if a finished copy of it is in a staged file that was
 * abandoned, adopted from there. An answer about an abandoned copy still counts: the part is
 * finished there, and adopted. */
#include "planner/large.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdlib.h>

/* ---- asking ---- */

static struct msg_part message_of(struct job *job, const struct job_batch *batch, u32 index)
{
    const struct large *large = batch->large;
    const struct part *part = &large->parts[index];
    u32 preserve = job->spec.preserve;

    /* holes of the source are not written, so that a bad copy would show through */
    if (part->dense)
        preserve &= ~(u32)PRESERVE_sparse;
    return (struct msg_part){.job = job->id,
                             .epoch = job->epoch,
                             .sequence = job_sequence(job),
                             .area = batch->sequence,
                             .source = bytes_text(job->source),
                             .destination = bytes_text(job->destination),
                             .hash = job->spec.hash,
                             .durability = job->spec.durability,
                             .preserve = preserve,
                             .offset = (u64)index * PART_BYTES,
                             .length = large_part_length(large, index),
                             .first = !large->made,
                             .size = large->size,
                             .inode = large->inode,
                             .mtime_ns = large->mtime_ns,
                             .ctime_ns = large->ctime_ns,
                             .adopt = part->area,
                             .source_identity = buf_bytes(&job->source_identity)};
}

enum sending large_send_part(struct job *job, struct job_batch *batch)
{
    struct large *large = batch->large;
    struct worker *worker = worker_pick(job->planner, ROLE_mover, 1);
    struct envelope envelope = {.message = {.kind = MSG_part}, .bodies = 2};
    struct assignment *assignment;
    u32 index = large_next(large, PART_WAITING);

    if (!worker || !pace_has_lane(job) || !places_allow(job, USE_CONTENT, batch))
        return SENDING_NOT_NOW;
    if (batch->sequence == 0 && (batch->sequence = tokens_take(job)) == 0)
        return SENDING_NOT_NOW;
    batch->waiting = false;
    envelope.message.part = message_of(job, batch, index);
    envelope.body[0] = buf_bytes(&batch->dirs);
    envelope.body[1] = buf_bytes(&batch->records);
    if (!envelope.message.part.adopt)
        pace_before(job, worker);
    assignment = assign(job, worker, &envelope, envelope.message.part.sequence);
    if (!assignment)
        return SENDING_LOST;
    assignment->batch = batch;
    assignment->part = index;
    assignment->area = batch->sequence;
    assignment->first = envelope.message.part.first;
    assignment->target = envelope.message.part.adopt;
    large->making = envelope.message.part.first;
    large_set(large, index, PART_SENT);
    places_sent(job, USE_CONTENT, batch);
    return SENDING_DONE;
}

/* ---- it is staged ---- */

static void note_written(struct large *large, const char *host, s64 began_ns)
{
    for (u32 i = 0; i < large->written_count; i++) {
        if (strcmp(large->written[i].host, host) != 0)
            continue;
        if (began_ns < large->written[i].began_ns)
            large->written[i].began_ns = began_ns;
        return;
    }
    large->written =
        memory_resize_or_die(large->written, (large->written_count + 1) * sizeof *large->written);
    large->written[large->written_count++] =
        (struct written){.host = text_copy(host), .began_ns = began_ns};
}

/* The version that the first part was of is the one that all parts must be of. */
static bool pin_version(struct large *large, const struct msg_parted *parted)
{
    u64 count = (parted->size + PART_BYTES - 1) / PART_BYTES;

    if (parted->size < PART_FROM || count > PARTS_MAX) {
        large->whole = true;
        return false;
    }
    large->size = parted->size;
    large->inode = parted->inode;
    large->mtime_ns = parted->mtime_ns;
    large->ctime_ns = parted->ctime_ns;
    large_resize(large, (u32)count);
    return true;
}

/* What was answered about the staged copy by the part that made it. */
static bool take_first(struct large *large, const struct msg_parted *parted,
                       const struct rec_staged *record)
{
    if (large->inode == 0) {
        if (!pin_version(large, parted))
            return false;
        large->staged = *record;
        large->staged.digest = large->staged.extras = large->staged.message = bytes_of(NULL, 0);
        buf_append(&large->extras, record->extras.data, record->extras.size);
    }
    large->making = false;
    large->made = true;
    large->staged_inode = record->inode;
    return true;
}

static bool take_digest(struct large *large, u32 index, const struct rec_staged *record)
{
    if (record->digest.size != 16 && record->digest.size != 32)
        return false;
    if (large->digest_size == 0)
        large->digest_size = (u32)record->digest.size;
    if (record->digest.size != large->digest_size)
        return false;
    memcpy(large->parts[index].digest, record->digest.data, record->digest.size);
    return true;
}

/* The assignment as it was, as it has ended. */
static void part_staged(struct job *job, struct job_batch *batch, const struct assignment *was,
                        const struct msg_parted *parted, const struct rec_staged *record)
{
    struct large *large = batch->large;
    bool current = was->area == batch->sequence;
    u32 index = was->part;

    if (current && was->first && !take_first(large, parted, record))
        return;
    if (!was->target && !take_digest(large, index, record)) {
        large_fail(large, ERR_Protocol, "part %u came with a digest of %zu bytes", index,
                   record->digest.size);
        return;
    }
    log_write(LOG_DEBUG, job->name, EVENT_part_staged,
              "sequence=%u part=%u of=%u from=%s worker=%s", was->area, index, large->count,
              was->target ? "copy" : "source", log_text(was->worker->name));
    large->parts[index].area = was->area;
    if (!current) {
        large_set(large, index, PART_WAITING);
        return;
    }
    large_set(large, index, PART_COPIED);
    note_written(large, was->worker->host, parted->began_ns);
    batch->mover = was->worker;
    if (record->inode != large->staged_inode)
        large_fail(large, ERR_StagedChanged, "part %u went into another staged file", index);
    if (parted->size != large->size || parted->inode != large->inode ||
        parted->mtime_ns != large->mtime_ns || parted->ctime_ns != large->ctime_ns)
        large_fail(large, ERR_Changed, "changed while its parts were read");
}

/* ---- it is not ---- */

/* Not the whole file's: this part alone is tried again, a bounded number of times. */
static bool may_try_again(const struct job *job, struct job_batch *batch, u32 index, u32 code)
{
    struct part *part = &batch->large->parts[index];

    if (err_disposition_of(code) != DISPOSITION_RETRY || code == ERR_Changed ||
        code == ERR_StagedChanged || ++part->failures >= job->spec.attempts)
        return false;
    batch->not_before_ms = clock_monotonic_ms() + spec_item_backoff_ms(&job->spec, part->failures);
    return true;
}

/* The token is void, or its holder ended in order: nobody writes on. */
static void given_back(struct job *job, struct job_batch *batch, const struct assignment *was,
                       u32 code)
{
    struct large *large = batch->large;

    if (++large->parts[was->part].losses >= BATCH_LOSSES)
        large_fail(large, ERR_WorkerLost, "%s", err_describe(ERR_WorkerLost));
    if (code == ERR_Stopped || code == ERR_Busy)
        return;
    large_forget_area(large, was->area);
    if (was->area == batch->sequence)
        large_taint(job, batch);
}

static bool is_full(u32 code)
{
    return code == ERR_NoSpace || code == ERR_QuotaExceeded;
}

static void part_failed(struct job *job, struct job_batch *batch, const struct assignment *was,
                        const struct msg_parted *parted, const struct rec_staged *record)
{
    struct large *large = batch->large;
    bool current = was->area == batch->sequence;
    u32 code = record->code;

    large_set(large, was->part, PART_WAITING);
    if (current && was->first)
        large->making = false;
    if (err_disposition_of(code) == DISPOSITION_GIVE_BACK) {
        given_back(job, batch, was, code);
    } else if (was->target && code == ERR_StagedChanged && (record->prove || was->first)) {
        /* the finished copy is not there any more, or not as it was; with `first`, the new one was
         * thrown away with it */
        large->parts[was->part].area = 0;
    } else if (is_full(code) && large->older_count > 0) {
        large_fail(large, ERR_StagedChanged, "there is no room to copy what was staged: %.*s",
                   (int)record->message.size, (const char *)record->message.data);
    } else if (current && was->first && large->inode == 0 && code == ERR_Changed &&
               parted->inode != 0 && parted->size < PART_FROM) {
        large->whole = true;
    } else if (!current && err_disposition_of(code) == DISPOSITION_RETRY && code != ERR_Changed) {
        return; /* that copy is abandoned anyway */
    } else if (!record->prove || !may_try_again(job, batch, was->part, code)) {
        large_fail(large, code, "%.*s", (int)record->message.size,
                   (const char *)record->message.data);
    }
}

/* ---- the answer ---- */

static bool read_answer(const struct envelope *envelope, struct rec_staged *out)
{
    struct frame_reader reader;
    struct err err;

    return envelope->bodies == 1 && frame_open(&reader, envelope->body[0], &err) == 0 &&
           reader.left == 1 && frame_next_staged(&reader, out, &err) == 1;
}

void large_parted(struct job *job, struct assignment *assignment, const struct envelope *envelope)
{
    const struct msg_parted *parted = &envelope->message.parted;
    struct assignment was = *assignment;
    struct job_batch *batch = was.batch;
    struct rec_staged record;

    assignment_end(job, assignment);
    if (!read_answer(envelope, &record)) {
        log_write(LOG_ERROR, job->name, EVENT_message_refused, "worker=%s message=%s",
                  log_text(was.worker->name), log_text("parted does not fit its part"));
        large_returned(job, &was, true);
        return;
    }
    segment_opener(job, was.worker, parted->opened_ns);
    if (record.code == ERR_Ok)
        part_staged(job, batch, &was, parted, &record);
    else
        part_failed(job, batch, &was, parted, &record);
}
