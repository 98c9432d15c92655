/* large_prove.c: the proofs of a large file, and its end.
 *
 * Proofs begin when every part is staged, so that nobody writes any more. Each says what the whole
 * staged copy was (inode, size, ctime) while its part was read: only if all say the same are they
 * proofs of one file. A part that does not match is written again, which voids the others.
 *
 * Content that replaces is settled on every host that wrote a part, before publish: the mover that
 * publishes can only settle its own. */
#include "planner/large.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdlib.h>

/* ---- asking ---- */

enum sending large_send_proof(struct job *job, struct job_batch *batch)
{
    struct large *large = batch->large;
    struct worker *worker = worker_pick(job->planner, ROLE_verifier, 0);
    struct envelope envelope = {.message = {.kind = MSG_prove_part}};
    u32 sequence, index = large_next(large, PART_COPIED);
    struct assignment *assignment;

    if (!worker)
        return SENDING_NOT_NOW;
    sequence = job_sequence(job);
    envelope.message.prove_part =
        (struct msg_prove_part){.job = job->id,
                                .epoch = job->epoch,
                                .sequence = sequence,
                                .area = batch->sequence,
                                .destination = bytes_text(job->destination),
                                .hash = job->spec.hash,
                                .durability = job->spec.durability,
                                .offset = (u64)index * PART_BYTES,
                                .length = large_part_length(large, index),
                                .digest = bytes_of(large->parts[index].digest, large->digest_size),
                                .inode = large->staged_inode,
                                .size = large->size};
    assignment = assign(job, worker, &envelope, sequence);
    if (!assignment)
        return SENDING_LOST;
    assignment->batch = batch;
    assignment->part = index;
    assignment->area = batch->sequence;
    assignment->target = large->round;
    large_set(large, index, PART_PROVING);
    return SENDING_DONE;
}

/* ---- verdicts ---- */

static bool same_version(const struct staged_version *seen, const struct rec_proven *record)
{
    return seen->inode == record->inode && seen->size == record->size &&
           seen->ctime_ns == record->ctime_ns;
}

static void part_matched(struct job *job, struct job_batch *batch, const struct assignment *was,
                         const struct rec_proven *record)
{
    struct large *large = batch->large;

    if (!large->seen)
        large->version = (struct staged_version){record->inode, record->size, record->ctime_ns};
    large->seen = true;
    if (same_version(&large->version, record)) {
        large_set(large, was->part, PART_PROVEN);
        return;
    }
    batch->shard->pending.value[COUNTER_mismatched]++;
    log_write(LOG_WARN, job->name, EVENT_mismatch, "sequence=%u part=%u attempt=%u", was->area,
              was->part, batch->attempt);
    large_void_proofs(large);
    if (++large->disagreed >= ITEM_ATTEMPTS)
        large_fail(large, ERR_StagedChanged, "the staged copy kept changing while it was proven");
}

/* Written again from the source, holes too, into the same copy. */
static void part_mismatched(struct job *job, struct job_batch *batch, const struct assignment *was,
                            const struct rec_proven *record)
{
    struct large *large = batch->large;

    batch->shard->pending.value[COUNTER_mismatched]++;
    log_write(LOG_WARN, job->name, EVENT_mismatch, "sequence=%u part=%u attempt=%u", was->area,
              was->part, batch->attempt);
    large_void_proofs(large);
    large->parts[was->part].area = 0;
    large->parts[was->part].dense = true;
    large_set(large, was->part, PART_WAITING);
    if (batch->attempt >= job->spec.attempts) {
        large_fail(large, ERR_Mismatch, "%.*s", (int)record->message.size,
                   (const char *)record->message.data);
        return;
    }
    batch->not_before_ms = clock_monotonic_ms() + spec_item_backoff_ms(&job->spec, batch->attempt);
    batch->attempt++;
}

static void proof_failed(struct job *job, struct job_batch *batch, const struct assignment *was,
                         const struct rec_proven *record)
{
    struct part *part = &batch->large->parts[was->part];
    u32 code = record->code;

    if (code == ERR_Mismatch) {
        part_mismatched(job, batch, was, record);
    } else if (code == ERR_Revoked) {
        large_forget_area(batch->large, was->area);
        large_taint(job, batch);
    } else if (err_disposition_of(code) == DISPOSITION_GIVE_BACK) {
        if (++part->losses >= BATCH_LOSSES)
            large_fail(batch->large, ERR_WorkerLost, "%s", err_describe(ERR_WorkerLost));
    } else if ((code == ERR_TooManyOpenFiles || code == ERR_OutOfMemory) &&
               ++part->failures < ITEM_ATTEMPTS) {
        batch->not_before_ms = clock_monotonic_ms() + RETRY_FIRST_MS;
    } else { /* the medium fails, or somebody else was there: another copy, from the source */
        batch->shard->pending.value[COUNTER_mismatched] += code == ERR_StagedChanged;
        large_fail(batch->large, code, "%.*s", (int)record->message.size,
                   (const char *)record->message.data);
    }
}

static bool read_answer(const struct envelope *envelope, struct rec_proven *out)
{
    struct frame_reader reader;
    struct err err;

    return envelope->bodies == 1 && frame_open(&reader, envelope->body[0], &err) == 0 &&
           reader.left == 1 && frame_next_proven(&reader, out, &err) == 1;
}

void large_part_proven(struct job *job, struct assignment *assignment,
                       const struct envelope *envelope)
{
    struct assignment was = *assignment;
    struct job_batch *batch = was.batch;
    struct large *large = batch->large;
    struct rec_proven record;

    assignment_end(job, assignment);
    if (!read_answer(envelope, &record)) {
        log_write(LOG_ERROR, job->name, EVENT_message_refused, "worker=%s message=%s",
                  log_text(was.worker->name), log_text("part_proven does not fit its part"));
        large_returned(job, &was, true);
        return;
    }
    if (was.area != batch->sequence || large->parts[was.part].state != PART_PROVING)
        return; /* of a copy that was abandoned meanwhile */
    large_set(large, was.part, PART_COPIED);
    if (was.target != large->round && record.code != ERR_Mismatch)
        return; /* another part was written since, or while it was read: proven again */
    if (record.code == ERR_Ok)
        part_matched(job, batch, &was, &record);
    else
        proof_failed(job, batch, &was, &record);
}

/* ---- all are proven ---- */

static void send_settle(struct job *job, struct job_batch *batch, struct written *written)
{
    struct worker *worker = segment_settler(job, written);
    struct envelope envelope = {.message = {.kind = MSG_settle}};
    struct assignment *assignment;
    u32 sequence;

    if (!worker) {
        large_fail(batch->large, ERR_SettleFailed,
                   "no mover on %s has a descriptor that is older than the first part",
                   written->host);
        return;
    }
    if (!worker_has_room(worker, 0))
        return;
    sequence = job_sequence(job);
    envelope.message.settle = (struct msg_settle){.job = job->id,
                                                  .epoch = job->epoch,
                                                  .sequence = sequence,
                                                  .destination = bytes_text(job->destination)};
    assignment = assign(job, worker, &envelope, sequence);
    if (!assignment)
        return;
    assignment->batch = batch;
    written->settle = sequence;
}

static bool settle_hosts(struct job *job, struct job_batch *batch)
{
    struct large *large = batch->large;
    bool all = true;

    for (u32 i = 0; i < large->written_count; i++) {
        all = all && large->written[i].settled;
        if (!large->written[i].settled && !large->written[i].settle)
            send_settle(job, batch, &large->written[i]);
    }
    return all;
}

void large_settled(struct job *job, struct assignment *assignment,
                   const struct msg_settled *settled)
{
    struct assignment was = *assignment;
    struct large *large = was.batch->large;

    assignment_end(job, assignment);
    segment_opener(job, was.worker, settled->opened_ns);
    for (u32 i = 0; i < large->written_count; i++) {
        struct written *written = &large->written[i];

        if (written->settle != was.sequence)
            continue;
        written->settle = 0;
        written->settled = settled->code == ERR_Ok && settled->opened_ns <= written->began_ns;
        if (!written->settled)
            large_fail(large, ERR_SettleFailed, "what was staged on %s could not be made durable",
                       written->host);
    }
}

static struct digest digest_of(const struct large *large, enum hash_kind kind)
{
    struct hasher *hasher = hasher_new(kind);
    struct digest digest;

    hasher_reset(hasher);
    for (u32 i = 0; i < large->count; i++)
        hasher_update(hasher, large->parts[i].digest, large->digest_size);
    hasher_finish(hasher, &digest);
    hasher_destroy(&hasher);
    return digest;
}

bool large_finish(struct job *job, struct job_batch *batch)
{
    struct large *large = batch->large;
    struct counters *pending = &batch->shard->pending;
    struct rec_staged staged = large->staged;
    struct rec_proven proven = {.inode = large->version.inode,
                                .size = large->version.size,
                                .ctime_ns = large->version.ctime_ns};
    struct digest digest;

    if (large->replaces && !settle_hosts(job, batch))
        return false;
    digest = digest_of(large, job->spec.hash);
    staged.prove = 1;
    staged.size = large->size;
    staged.inode = large->staged_inode;
    staged.digest = bytes_of(digest.bytes, digest.size);
    staged.extras = buf_bytes(&large->extras);
    large_revoke_older(job, batch, true);
    large_to_publish(batch, &staged, &proven);
    pending->value[COUNTER_proven]++;
    pending->value[COUNTER_bytes_proven] += (s64)large->size;
    free(large->parts); /* the hosts that wrote are needed until the row is there */
    large->parts = NULL;
    large->count = 0;
    return true;
}
