/* job.c: the life of a job, as a small machine.
 *
 *     PROBING ─► (REVOKING, if taken over) ─► RUNNING ─► CLOSING ─► FINISHING ─► ENDING
 *        │                                      └► WINDING_DOWN ─┘ (failed, cancelled)
 *        └──────────────────────────────────────────────────────────────────────┘
 *
 * A job that ends early still ends in order: what is on its way ends, is settled and committed, the
 * directories are closed, the staging area goes. Only a job that never opened one skips that. One
 * that was opened in an earlier epoch and is not fit to begin again goes from PROBING to FINISHING,
 * which takes the staging area away and touches nothing else. */
#include "planner/planner.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>

struct job *job_find(struct planner *planner, u64 id, u32 epoch)
{
    struct job *job;

    TAILQ_FOREACH(job, &planner->jobs, link)
    if (job->id == id && job->epoch == epoch)
        return job;
    return NULL;
}

u32 job_sequence(struct job *job)
{
    return job->next_sequence++;
}

struct truth_request *job_request(struct job *job, enum truth_kind kind)
{
    struct truth_request *request = memory_or_die(sizeof *request);

    request->kind = kind;
    request->job = job->id;
    request->epoch = job->epoch;
    return request;
}

void job_post(struct job *job, struct truth_request *request)
{
    truth_post(job->planner->truth, &request);
}

static void post_phase(struct job *job, enum phase phase)
{
    struct truth_request *request = job_request(job, TRUTH_PHASE);

    request->phase = phase;
    request->scan_complete = job->scan_complete;
    if (job->waiting_for[0])
        request->waiting_for = text_copy(job->waiting_for);
    job->phase = phase;
    job_post(job, request);
}

void job_enter_phase(struct job *job, enum phase phase)
{
    log_write(LOG_INFO, job->name, EVENT_job_phase, "phase=%s", phase_name(phase));
    view_event(job->planner->view, job->name, phase_name(phase), "");
    post_phase(job, phase);
}

/* ---- running and ending ---- */

static bool scans_are_over(const struct job *job)
{
    const struct shard *shard;

    TAILQ_FOREACH(shard, &job->shards, link)
    if (shard->feed == FEED_NONE && (shard->state < SHARD_DRAINING || shard->state == SHARD_BROKEN))
        return false;
    return job->committing == 0;
}

/* Whether there is a staging area, or one is needed: to take the old one away, or to set the root's
 * attributes, which may be all that a job has to do. */
static bool has_to_close(const struct job *job)
{
    if (job->open_failed)
        return false;
    return job->opening == OPENING_DONE || job->was_opened ||
           (job->opening == OPENING_WANTED && job->state == JOB_RUNNING);
}

static void begin_closing(struct job *job)
{
    if (job->opening == OPENING_SENT || job->opening == OPENING_COMMITTING)
        return;
    if (!has_to_close(job)) {
        job->state = JOB_ENDING;
        job_ended(job);
        return;
    }
    if (job->opening == OPENING_NONE)
        job->opening = OPENING_WANTED;
    job->state = JOB_CLOSING;
    if (job->phase != PHASE_Closing)
        job_enter_phase(job, PHASE_Closing);
}

static void pump_running(struct job *job)
{
    tokens_pump(job);
    shard_pump(job);
    batch_pump(job);
    segment_pump(job);
    if (job->state != JOB_RUNNING)
        return;
    if (!job->scan_complete && scans_are_over(job))
        job->scan_complete = true;
    if (feed_pump(job))
        begin_closing(job);
}

static void pump_winding_down(struct job *job)
{
    batch_drop_waiting(job, NULL);
    batch_pump(job);
    segment_pump(job);
    if (TAILQ_EMPTY(&job->batches) && segment_all_idle(job))
        begin_closing(job);
}

void job_pump(struct job *job)
{
    switch (job->state) {
    case JOB_PROBING:
    case JOB_REVOKING:
        beginning_pump(job);
        break;
    case JOB_RUNNING:
        pump_running(job);
        break;
    case JOB_WINDING_DOWN:
        pump_winding_down(job);
        break;
    case JOB_CLOSING:
        if (job->open_failed) { /* nothing can be closed where staging cannot be opened */
            job->state = JOB_ENDING;
            job_ended(job);
            break;
        }
        tokens_pump(job);
        closing_pump(job);
        break;
    case JOB_FINISHING:
        closing_pump(job);
        break;
    case JOB_ENDING:
        if (job->end_again_ms && clock_monotonic_ms() >= job->end_again_ms) {
            job->end_again_ms = 0;
            job_ended(job);
        }
        break;
    }
}

void job_fail(struct job *job, u32 code, const char *message)
{
    struct shard *shard;

    if (job->fail_code == ERR_Ok) {
        char *copy = text_copy(message);

        free(job->fail_message);
        job->fail_message = copy;
        job->fail_code = code;
        log_write(code == ERR_Cancelled ? LOG_INFO : LOG_ERROR, job->name, EVENT_failure,
                  "code=%s message=%s", err_name(code), log_text(message));
    }
    if (job->state == JOB_PROBING && job->was_opened &&
        (code == ERR_Cancelled || code == ERR_Configuration))
        return; /* what the last owner left there is taken away first (job_begun) */
    if (job->state == JOB_PROBING && !job->begin_posted && job->was_opened &&
        job->opened_identity.size > 0) {
        closing_unbegun(job);
    } else if (job->state == JOB_PROBING && !job->begin_posted) {
        job->state = JOB_ENDING;
        job_ended(job);
    } else if (job->state == JOB_REVOKING || job->state == JOB_RUNNING) {
        job->state = JOB_WINDING_DOWN;
        pace_over(job);
        TAILQ_FOREACH(shard, &job->shards, link)
        if (shard->state == SHARD_SCANNING)
            shard_break(job, shard, false, "the job ends early");
    }
}

void job_cancel(struct job *job)
{
    if (job->cancelled)
        return;
    job->cancelled = true;
    job_fail(job, ERR_Cancelled, "cancelled on request");
}

/* What was to be made equal and is not, for whatever reason. Of a verify: what is not as it was
 * proven, less what was put again. */
static bool has_errors(const struct job *job)
{
    const s64 *value = job->counters.value;
    s64 wrong = job->spec.verify ? value[COUNTER_mismatched] : 0;

    if (job->spec.repair)
        wrong -= value[COUNTER_moved];
    return wrong > 0 || value[COUNTER_failed] > 0 || value[COUNTER_changed] > 0 ||
           (job->spec.verify && value[COUNTER_vanished] > 0);
}

static enum phase final_phase(const struct job *job)
{
    if (job->fail_code == ERR_Cancelled)
        return PHASE_Cancelled;
    if (job->fail_code != ERR_Ok)
        return PHASE_Failed;
    if (job->held)
        return PHASE_Held;
    return has_errors(job) ? PHASE_CompletedWithErrors : PHASE_Succeeded;
}

/* Since when something may have been published that is not durable, and was not put again: after a
 * crash it may look right and be wrong, which only the next job can still set right. -1: a job that
 * ends before its shards were read. */
static s64 left_unsettled(const struct job *job)
{
    const struct shard *shard;
    s64 since = TAILQ_EMPTY(&job->shards) ? -1 : 0;

    TAILQ_FOREACH(shard, &job->shards, link)
    if (shard->state != SHARD_DONE && shard->put_again_ns &&
        (since == 0 || shard->put_again_ns < since))
        since = shard->put_again_ns;
    return since;
}

void job_ended(struct job *job)
{
    struct truth_request *request = job_request(job, TRUTH_END);

    request->phase = final_phase(job);
    request->scan_complete = job->scan_complete;
    request->dry_run = job->spec.dry_run;
    request->verify = job->spec.verify;
    request->unsettled_since_ns = left_unsettled(job);
    if (job->fail_code) {
        request->reason = text_copy(err_name(job->fail_code));
        request->message = text_copy(job->fail_message);
    } else if (job->held || job->verdict_message) {
        if (job->held)
            request->reason = text_copy(err_name(ERR_RemovalHeld));
        if (job->verdict_message)
            request->message = text_copy(job->verdict_message);
    }
    job_post(job, request);
}

/* ---- leaving memory ---- */

void job_destroy(struct job *job)
{
    struct shard *shard;

    assignment_drop_all(job);
    while (!TAILQ_EMPTY(&job->batches)) {
        struct job_batch *batch = TAILQ_FIRST(&job->batches);

        batch_end(job, batch);
    }
    while ((shard = TAILQ_FIRST(&job->shards))) {
        TAILQ_REMOVE(&job->shards, shard, link);
        segment_discard(job, &shard->open);
        segment_discard(job, &shard->closing);
        shard_destroy(shard);
    }
    TAILQ_REMOVE(&job->planner->jobs, job, link);
    buf_release(&job->only);
    buf_release(&job->source_identity);
    buf_release(&job->destination_identity);
    buf_release(&job->opened_identity);
    buf_release(&job->source_place);
    buf_release(&job->destination_place);
    free(job->tokens);
    free(job->openers);
    free(job->paces);
    free(job->limits_text);
    free(job->source_name);
    free(job->destination_name);
    spec_release(&job->spec);
    free(job->unused_tokens);
    free(job->verdict_message);
    free(job->fail_message);
    free(job->name);
    free(job->source);
    free(job->destination);
    free(job);
}

void job_abandon(struct job *job)
{
    struct shard *shard;

    log_write(LOG_WARN, job->name, EVENT_job_lost, "epoch=%u", job->epoch);
    /* watchers need not go on; what movers hold is revoked by the new owner */
    job->state = JOB_ENDING;
    TAILQ_FOREACH(shard, &job->shards, link)
    if (shard->state == SHARD_SCANNING)
        shard_break(job, shard, false, "another planner has the job");
    job_destroy(job);
}

/* ---- what people see ---- */

static const char *waiting_for(const struct job *job, char *place, size_t size)
{
    struct planner *planner = job->planner;

    if (!truth_is_up(planner->truth))
        return "Postgres";
    if (places_describe(job, place, size))
        return place;
    if (job->state <= JOB_RUNNING && !job->scan_complete && !worker_exists(planner, ROLE_watcher))
        return "a watcher";
    if (!worker_exists(planner, ROLE_mover))
        return "a mover";
    if (job->state == JOB_RUNNING && !worker_exists(planner, ROLE_verifier))
        return "a verifier";
    if (job->state == JOB_PROBING && job->probe_hangs)
        return "source or destination, where a look at it hangs: its server may be away";
    return "";
}

void job_tick(struct job *job, s64 now_ms)
{
    char place[WAITING_FOR_BYTES];
    const char *waiting = waiting_for(job, place, sizeof place);

    assignment_tick(job, now_ms);
    beginning_tick(job, now_ms);
    pace_tick(job);
    if (job->state == JOB_PROBING && job->begin_posted)
        return; /* the phase is Postgres' to say: ours would come after its Running and undo it */
    if (strcmp(waiting, job->waiting_for) != 0 && job->state != JOB_ENDING) {
        snprintf(job->waiting_for, sizeof job->waiting_for, "%s", waiting);
        post_phase(job, job->phase);
    }
    progress_tick(job, now_ms);
}
