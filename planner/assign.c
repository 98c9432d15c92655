/* assign.c: messages that wait for their answer, and what happens when it does not come.
 *
 * The lease is per token: a worker lists what it holds four times a second. An assignment that is
 * not listed for LEASE_MS, or listed without progress for STALL_MS, lapses: its answer, should it
 * come, is of the past, and the work is done again. What may wait for a whole filesystem to sync
 * has longer. */
#include "planner/planner.h"

#include "base/clock.h"
#include "base/log.h"
#include "planner/large.h"

#include <stdlib.h>

struct assignment *assign(struct job *job, struct worker *worker, const struct envelope *envelope,
                          u32 sequence)
{
    struct assignment *assignment;

    if (worker_send(job->planner, worker, envelope) < 0)
        return NULL;
    assignment = memory_or_die(sizeof *assignment);
    assignment->kind = envelope->message.kind;
    assignment->sequence = sequence;
    assignment->worker = worker;
    assignment->listed_ms = assignment->progress_ms = clock_monotonic_ms();
    worker->held++;
    TAILQ_INSERT_TAIL(&job->assignments, assignment, link);
    return assignment;
}

struct assignment *assignment_find(struct job *job, u32 sequence, u32 kind)
{
    struct assignment *assignment;

    TAILQ_FOREACH(assignment, &job->assignments, link)
    if (assignment->sequence == sequence && assignment->kind == kind)
        return assignment;
    return NULL;
}

void assignment_end(struct job *job, struct assignment *assignment)
{
    TAILQ_REMOVE(&job->assignments, assignment, link);
    if (assignment->worker)
        assignment->worker->held--;
    free(assignment);
}

/* The work of a lapsed assignment goes back to where it can be assigned again. */
static void give_back(struct job *job, struct assignment lapsed)
{
    switch (lapsed.kind) {
    case MSG_probe:
        job->probe_sent[lapsed.worker->role == ROLE_mover] = false;
        break;
    case MSG_scan:
        shard_break(job, lapsed.shard, false, "its watcher was lost");
        break;
    case MSG_open:
        job->opening = OPENING_WANTED;
        job->was_opened = true; /* it may have been carried out */
        break;
    case MSG_grant:
        job->granting -= lapsed.count;
        break;
    case MSG_revoke:
        if (lapsed.target == 0)
            job->revoke_sent = false;
        else
            tokens_revoke(job, lapsed.target, lapsed.batch);
        break;
    case MSG_stage:
    case MSG_prove:
    case MSG_publish:
    case MSG_check:
    case MSG_close:
        if (lapsed.batch)
            batch_lost(job, lapsed.batch, lapsed.batch->step, lapsed.sequence);
        else
            job->finish_sent = false;
        break;
    case MSG_part:
    case MSG_prove_part:
        large_returned(job, &lapsed, true);
        break;
    default: /* settle: segments whose settle is not open any more ask again (segment.c) */
        if (lapsed.batch)
            large_returned(job, &lapsed, true);
        break;
    }
}

void assignment_lapse(struct job *job, struct assignment *assignment, const char *why)
{
    struct assignment lapsed = *assignment;

    log_write(LOG_WARN, job->name, EVENT_batch_lapsed, "step=%s sequence=%u worker=%s why=%s",
              message_kind_name(lapsed.kind), lapsed.sequence,
              log_text(lapsed.worker ? lapsed.worker->name : ""), log_text(why));
    job->planner->leases_expired += strcmp(why, "busy") != 0;
    if (lapsed.kind == MSG_probe)
        job->probe_hangs = strcmp(why, "no progress") == 0;
    assignment_end(job, assignment);
    give_back(job, lapsed);
}

static s64 stall_ms(const struct job *job, const struct assignment *assignment)
{
    switch (assignment->kind) {
    case MSG_publish: /* it syncs before it replaces content */
    case MSG_settle:
    case MSG_close:
    case MSG_open:
    case MSG_revoke:
        return STALL_SYNC_MS;
    case MSG_stage:
    case MSG_part: /* a strict one syncs before it answers */
        return job->spec.durability == DURABILITY_STRICT ? STALL_SYNC_MS : STALL_MS;
    default:
        return STALL_MS;
    }
}

void assignment_tick(struct job *job, s64 now_ms)
{
    struct assignment *assignment;
    const char *why;

    do {
        why = NULL;
        /* a lapse may end or add others: begin again after each */
        TAILQ_FOREACH(assignment, &job->assignments, link)
        {
            /* a scan waits for its window as long as the line is busy: listed is enough */
            if (now_ms - assignment->listed_ms > LEASE_MS)
                why = "not listed";
            else if (assignment->kind != MSG_scan &&
                     now_ms - assignment->progress_ms > stall_ms(job, assignment))
                why = "no progress";
            if (why) {
                assignment_lapse(job, assignment, why);
                break;
            }
        }
    } while (why);
}

static struct assignment *first_of(struct planner *planner, struct worker *worker, struct job **job)
{
    struct assignment *assignment;

    TAILQ_FOREACH(*job, &planner->jobs, link)
    TAILQ_FOREACH(assignment, &(*job)->assignments, link)
    if (assignment->worker == worker)
        return assignment;
    return NULL;
}

void assignment_lapse_worker(struct planner *planner, struct worker *worker)
{
    struct assignment *assignment;
    struct job_batch *batch;
    struct job *job;

    while ((assignment = first_of(planner, worker, &job)))
        assignment_lapse(job, assignment, "worker lost");
    TAILQ_FOREACH(job, &planner->jobs, link)
    TAILQ_FOREACH(batch, &job->batches, link)
    if (batch->mover == worker)
        batch->mover = NULL;
}

void assignment_drop_all(struct job *job)
{
    struct assignment *assignment;

    while ((assignment = TAILQ_FIRST(&job->assignments)))
        assignment_end(job, assignment);
}
