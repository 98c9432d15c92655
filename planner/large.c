/* large.c: the way of a large file: which part is done next, and what ends it.
 *
 * Handlers of answers change states only; what follows is done here, once per event. Parts under
 * way are bounded by the lanes of all movers, proofs by those of all verifiers, which is half of
 * the credit: large files and batches of small ones do not starve each other. Files are taken one
 * after the other: the next begins when no part of those before it waits.
 *
 * A failure that is the file's goes the way of every item: into a staged record, and to publish,
 * which decides whether it is staged again, and makes the row. */
#include "planner/large.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- parts ---- */

void large_set(struct large *large, u32 index, enum part_state state)
{
    struct part *part = &large->parts[index];

    large->in[part->state]--;
    part->state = (u8)state;
    large->in[state]++;
    if (index < large->from[state])
        large->from[state] = index;
}

u32 large_next(struct large *large, enum part_state state)
{
    u32 index = large->from[state];

    while (index + 1 < large->count && large->parts[index].state != state)
        index++;
    large->from[state] = index;
    return index;
}

u64 large_part_length(const struct large *large, u32 index)
{
    u64 left = large->size - (u64)index * PART_BYTES;

    return left < PART_BYTES ? left : PART_BYTES;
}

void large_resize(struct large *large, u32 count)
{
    large->parts = memory_resize_or_die(large->parts, count * sizeof *large->parts);
    if (count > large->count) {
        memset(large->parts + large->count, 0, (count - large->count) * sizeof *large->parts);
        large->in[PART_WAITING] += count - large->count;
    }
    large->count = count;
}

void large_fail(struct large *large, u32 code, const char *format, ...)
{
    va_list arguments;

    if (large->failure.code != ERR_Ok)
        return;
    large->failure.code = code;
    va_start(arguments, format);
    vsnprintf(large->failure.text, sizeof large->failure.text, format, arguments);
    va_end(arguments);
}

static u64 count_of(u64 size)
{
    return (size + PART_BYTES - 1) / PART_BYTES;
}

/* A name of an object that has several is put by its inode, and whole. */
enum step large_first_step(const struct job_batch *batch)
{
    struct batch decoded;
    bool fits;
    struct err err;

    if (batch->items != 1 || batch->bytes < PART_FROM || count_of(batch->bytes) > PARTS_MAX)
        return STEP_STAGE;
    if (batch_decode(buf_bytes(&batch->dirs), buf_bytes(&batch->records), &decoded, &err) < 0)
        return STEP_STAGE; /* who stages it says why */
    fits = decoded.item_count == 1 && decoded.items[0].kind == KIND_file &&
           decoded.items[0].operation == OPERATION_put && decoded.items[0].inode == 0;
    batch_release(&decoded);
    return fits ? STEP_PARTS : STEP_STAGE;
}

static void begin(struct job_batch *batch)
{
    struct large *large = memory_or_die(sizeof *large);
    struct batch decoded;
    struct err err;

    batch->large = large;
    large->size = batch->bytes;
    large_resize(large, 1);
    if (batch_decode(buf_bytes(&batch->dirs), buf_bytes(&batch->records), &decoded, &err) < 0) {
        large_fail(large, err.code, "%s", err.text);
        return;
    }
    large->replaces = decoded.items[0].flags & ITEM_REPLACES;
    batch_release(&decoded);
}

static void release_written(struct large *large)
{
    for (u32 i = 0; i < large->written_count; i++)
        free(large->written[i].host);
    free(large->written);
    large->written = NULL;
    large->written_count = 0;
}

void large_release(struct job_batch *batch)
{
    struct large *large = batch->large;

    if (!large)
        return;
    release_written(large);
    buf_release(&large->extras);
    free(large->parts);
    free(large->older);
    free(large);
    batch->large = NULL;
}

/* ---- abandoned copies ---- */

void large_forget_area(struct large *large, u32 area)
{
    for (u32 i = 0; i < large->count; i++)
        if (large->parts[i].area == area)
            large->parts[i].area = 0;
}

void large_void_proofs(struct large *large)
{
    for (u32 i = 0; i < large->count; i++)
        if (large->parts[i].state == PART_PROVEN)
            large_set(large, i, PART_COPIED);
    large->round++; /* what is under way is of an earlier one */
    large->seen = false;
}

void large_taint(struct job *job, struct job_batch *batch)
{
    struct large *large = batch->large;
    u32 finished = 0;

    if (batch->sequence == 0)
        return;
    large_void_proofs(large);
    for (u32 i = 0; i < large->count; i++) {
        finished += large->parts[i].area != 0;
        if (large->parts[i].state == PART_COPIED || large->parts[i].state == PART_PROVING)
            large_set(large, i, PART_WAITING);
    }
    log_write(LOG_INFO, job->name, EVENT_copy_abandoned, "sequence=%u parts=%u finished=%u",
              batch->sequence, large->count, finished);
    large->older =
        memory_resize_or_die(large->older, (large->older_count + 1) * sizeof *large->older);
    large->older[large->older_count++] = batch->sequence;
    if (large->older_count > COPIES_MAX) /* each takes the room of the whole file */
        large_forget_area(large, large->older[0]);
    release_written(large);
    large->making = large->made = false;
    large->staged_inode = 0;
    batch->sequence = 0;
    batch->waiting = true;
    batch->mover = NULL;
}

static bool is_needed(struct job *job, const struct job_batch *batch, u32 area)
{
    const struct large *large = batch->large;
    const struct assignment *assignment;

    for (u32 i = 0; i < large->count; i++)
        if (large->parts[i].area == area)
            return true;
    TAILQ_FOREACH(assignment, &job->assignments, link)
    if (assignment->batch == batch && assignment->area == area)
        return true;
    return false;
}

void large_revoke_older(struct job *job, struct job_batch *batch, bool all)
{
    struct large *large = batch->large;
    u32 kept = 0;

    for (u32 i = 0; i < large->older_count; i++) {
        if (!all && is_needed(job, batch, large->older[i]))
            large->older[kept++] = large->older[i];
        else
            tokens_revoke(job, large->older[i], NULL);
    }
    large->older_count = kept;
}

/* ---- assignments that end without an answer ---- */

static bool is_of_parts(u32 kind)
{
    return kind == MSG_part || kind == MSG_prove_part || kind == MSG_settle;
}

static void drop_assignments(struct job *job, const struct job_batch *batch)
{
    struct assignment *assignment = TAILQ_FIRST(&job->assignments);

    while (assignment) {
        struct assignment *next = TAILQ_NEXT(assignment, link);

        if (assignment->batch == batch && is_of_parts(assignment->kind))
            assignment_end(job, assignment);
        assignment = next;
    }
}

static void count_loss(struct large *large, u32 index)
{
    if (++large->parts[index].losses >= BATCH_LOSSES)
        large_fail(large, ERR_WorkerLost, "%s", err_describe(ERR_WorkerLost));
}

static void settle_again(struct large *large, u32 sequence)
{
    for (u32 i = 0; i < large->written_count; i++)
        if (large->written[i].settle == sequence)
            large->written[i].settle = 0;
}

void large_returned(struct job *job, const struct assignment *assignment, bool lost)
{
    struct job_batch *batch = assignment->batch;
    struct large *large = batch->large;
    u32 index = assignment->part;

    if (!lost)
        batch->not_before_ms = clock_monotonic_ms() + RETRY_FIRST_MS;
    if (assignment->kind == MSG_settle) {
        settle_again(large, assignment->sequence);
        return;
    }
    if (lost)
        count_loss(large, index);
    if (assignment->kind == MSG_prove_part) {
        /* a verifier writes nothing: the copy stays good */
        if (assignment->area == batch->sequence && large->parts[index].state == PART_PROVING)
            large_set(large, index, PART_COPIED);
        return;
    }
    large_set(large, index, PART_WAITING);
    if (assignment->area != batch->sequence)
        return;
    if (assignment->first)
        large->making = false;
    if (lost)
        large_taint(job, batch);
}

void large_give_up(struct job *job, struct job_batch *batch)
{
    drop_assignments(job, batch);
    if (batch->large)
        large_revoke_older(job, batch, true);
    if (batch->sequence)
        tokens_revoke(job, batch->sequence, NULL);
    batch_give_up(job, batch);
}

/* ---- what ends it ---- */

void large_to_publish(struct job_batch *batch, const struct rec_staged *staged,
                      const struct rec_proven *proven)
{
    struct frame_writer writer;

    buf_clear(&batch->staged);
    frame_begin(&writer, &batch->staged);
    frame_add_staged(&writer, staged);
    frame_end(&writer);
    buf_clear(&batch->proven);
    frame_begin(&writer, &batch->proven);
    frame_add_proven(&writer, proven);
    frame_end(&writer);
    batch->step = STEP_PUBLISH;
    batch->waiting = true;
}

static void end_failed(struct job *job, struct job_batch *batch)
{
    struct err failure = batch->large->failure;
    struct rec_staged staged = {
        .code = failure.code, .kind = KIND_file, .message = bytes_text(failure.text)};
    struct rec_proven proven = {0};

    drop_assignments(job, batch);
    large_revoke_older(job, batch, true);
    large_release(batch);
    large_to_publish(batch, &staged, &proven);
    batch_note_staged(job, batch);
}

/* Under the same token, which makes the staged copy anew. */
static void end_whole(struct job *job, struct job_batch *batch)
{
    drop_assignments(job, batch);
    large_revoke_older(job, batch, true);
    large_release(batch);
    batch->step = STEP_STAGE;
    batch->waiting = true;
}

/* ---- what goes on ---- */

static bool has_large(const struct job *job)
{
    const struct job_batch *batch;

    TAILQ_FOREACH(batch, &job->batches, link)
    if (batch->step == STEP_PARTS)
        return true;
    return false;
}

static u32 count_assignments(const struct job *job, u32 kind)
{
    const struct assignment *assignment;
    u32 count = 0;

    TAILQ_FOREACH(assignment, &job->assignments, link)
    count += assignment->kind == kind;
    return count;
}

/* What the job may send now: all lanes together are shared by the jobs that have large files, so
 * that one of many hours does not keep the others out. */
static u32 free_lanes(const struct job *job, enum role role, u32 kind)
{
    u32 lanes = 0, used = 0, jobs = 0, share, mine = count_assignments(job, kind);
    const struct worker *worker;
    const struct job *other;

    TAILQ_FOREACH(worker, &job->planner->workers, link)
    lanes += worker->role == role ? worker->lanes : 0;
    TAILQ_FOREACH(other, &job->planner->jobs, link)
    {
        used += count_assignments(other, kind);
        jobs += has_large(other);
    }
    share = jobs > 1 ? (lanes + jobs - 1) / jobs : lanes;
    if (used >= lanes || mine >= share)
        return 0;
    return lanes - used < share - mine ? lanes - used : share - mine;
}

struct room {
    u32 copies, proofs; /* lanes */
    s64 parts;          /* that may be kept in memory */
    s64 now_ms;
    bool lost; /* a worker was lost on the way: no place in a list can be kept */
};

static void pump_copies(struct job *job, struct job_batch *batch, struct room *room)
{
    struct large *large = batch->large;
    enum sending sending = SENDING_DONE;

    while (sending == SENDING_DONE && room->copies > 0 && large->in[PART_WAITING] > 0 &&
           !large->making) {
        sending = large_send_part(job, batch);
        room->copies -= sending == SENDING_DONE;
        room->lost = sending == SENDING_LOST;
    }
}

static void pump_proofs(struct job *job, struct job_batch *batch, struct room *room)
{
    struct large *large = batch->large;
    enum sending sending = SENDING_DONE;

    if (large->in[PART_WAITING] > 0 || large->in[PART_SENT] > 0)
        return;
    while (sending == SENDING_DONE && room->proofs > 0 && large->in[PART_COPIED] > 0) {
        sending = large_send_proof(job, batch);
        room->proofs -= sending == SENDING_DONE;
        room->lost = sending == SENDING_LOST;
    }
}

static void pump_file(struct job *job, struct job_batch *batch, struct room *room)
{
    struct large *large;

    if (!batch->large) {
        s64 count = (s64)count_of(batch->bytes);

        if (room->copies == 0 || count > room->parts || batch->not_before_ms > room->now_ms)
            return;
        begin(batch);
        room->parts -= count;
    }
    large = batch->large;
    if (large->older_count > 0)
        large_revoke_older(job, batch, false);
    if (large->failure.code == ERR_Ok && !large->whole && batch->not_before_ms <= room->now_ms) {
        pump_copies(job, batch, room);
        if (!room->lost)
            pump_proofs(job, batch, room);
    }
    if (room->lost)
        return;
    if (large->failure.code != ERR_Ok)
        end_failed(job, batch);
    else if (large->whole)
        end_whole(job, batch);
    else if (large->in[PART_PROVEN] == large->count)
        large_finish(job, batch);
}

void large_pump(struct job *job)
{
    struct room room = {.parts = PARTS_MAX, .now_ms = clock_monotonic_ms()};
    struct job_batch *batch, *next;

    if (!has_large(job))
        return;
    TAILQ_FOREACH(batch, &job->batches, link)
    if (batch->large) /* as many as it has, or will have */
        room.parts -= (s64)count_of(batch->large->size);
    room.copies = free_lanes(job, ROLE_mover, MSG_part);
    room.proofs = free_lanes(job, ROLE_verifier, MSG_prove_part);
    for (batch = TAILQ_FIRST(&job->batches); batch && !room.lost; batch = next) {
        next = TAILQ_NEXT(batch, link);
        if (batch->step != STEP_PARTS)
            continue;
        if (batch_is_unwanted(job, batch))
            large_give_up(job, batch);
        else
            pump_file(job, batch, &room);
    }
}
