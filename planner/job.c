/* job.c: the life of a job, as a small machine.
 *
 *     PROBING ─► (REVOKING, if taken over) ─► RUNNING ─► CLOSING ─► FINISHING ─► ENDING
 *        │                                      └► WINDING_DOWN ─┘ (failed, cancelled)
 *        └──────────────────────────────────────────────────────────────────────┘
 *
 * A job that ends early still ends in order: what is on its way ends, is settled and committed, the
 * directories are closed, the staging area goes. Only a job that never opened one skips that. */
#include "planner/planner.h"

#include "base/clock.h"
#include "base/log.h"

#include <jansson.h>
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

static void enter_phase(struct job *job, enum phase phase)
{
    log_write(LOG_INFO, job->name, EVENT_job_phase, "phase=%s", phase_name(phase));
    view_event(job->planner->view, job->name, phase_name(phase), "");
    post_phase(job, phase);
}

/* ---- beginning ---- */

static void read_spec(struct job *job, const char *text)
{
    json_t *spec = json_loads(text, 0, NULL);
    const char *hash = json_string_value(json_object_get(json_object_get(spec, "verify"), "hash"));
    const char *durability = json_string_value(json_object_get(spec, "durability"));

    job->hash = hash ? hash_kind_by_name(hash) : HASH_XXH3_128;
    if (job->hash == 0)
        job->hash = HASH_XXH3_128;
    job->durability =
        durability && strcmp(durability, "strict") == 0 ? DURABILITY_STRICT : DURABILITY_STANDARD;
    json_decref(spec);
}

void job_claimed(struct planner *planner, const struct claimed_job *claim)
{
    struct job *job, *next;

    /* a planner that was stopped for longer than its lease may claim what it has */
    for (job = TAILQ_FIRST(&planner->jobs); job; job = next) {
        next = TAILQ_NEXT(job, link);
        if (job->id == claim->id)
            job_abandon(job);
    }
    job = memory_or_die(sizeof *job);
    job->planner = planner;
    job->id = claim->id;
    job->epoch = claim->epoch;
    job->name = text_copy(claim->name);
    job->source = text_copy(claim->source_address);
    job->destination = text_copy(claim->destination_address);
    job->asset = claim->destination_asset;
    job->taken_over = claim->phase != PHASE_Queued;
    job->was_opened = claim->opened;
    job->counters = claim->counters;
    job->next_sequence = 1;
    job->owned_ms = planner->claim_sent_ms;
    job->started_ms = clock_monotonic_ms();
    read_spec(job, claim->spec);
    TAILQ_INIT(&job->assignments);
    TAILQ_INIT(&job->shards);
    TAILQ_INIT(&job->batches);
    TAILQ_INSERT_TAIL(&planner->jobs, job, link);
    log_write(LOG_INFO, job->name, EVENT_job_claimed, "epoch=%u phase=%s", job->epoch,
              phase_name(claim->phase));
    enter_phase(job, PHASE_Probing);
    if (claim->cancel_requested)
        job_cancel(job);
}

static void send_probe(struct job *job, int which)
{
    static const enum role roles[] = {ROLE_watcher, ROLE_mover};
    struct worker *worker = worker_pick(job->planner, roles[which], 0);
    struct envelope envelope = {.message = {.kind = MSG_probe}};
    u32 sequence;

    if (!worker)
        return;
    sequence = job_sequence(job);
    envelope.message.probe = (struct msg_probe){.job = job->id,
                                                .epoch = job->epoch,
                                                .sequence = sequence,
                                                .source = bytes_text(job->source),
                                                .destination = bytes_text(job->destination)};
    job->probe_sent[which] = assign(job, worker, &envelope, sequence) != NULL;
}

static void copy_into(struct buf *out, struct bytes bytes)
{
    buf_clear(out);
    buf_append(out, bytes.data, bytes.size);
}

void job_probed(struct job *job, struct assignment *assignment, const struct msg_probed *probed)
{
    int which = assignment->worker->role == ROLE_mover;
    struct buf text = {0};

    assignment_end(job, assignment);
    if (job->state != JOB_PROBING || job->begin_posted)
        return; /* asked twice, as one of the answers was late */
    if (probed->code != ERR_Ok) {
        enum err_disposition disposition = err_disposition_of(probed->code);

        if (disposition == DISPOSITION_GIVE_BACK || disposition == DISPOSITION_RETRY) {
            job->probe_sent[which] = false;
            job->retry_ms = clock_monotonic_ms() + PROBE_RETRY_MS;
            if (++job->probe_failures < ITEM_ATTEMPTS)
                return;
        }
        buf_append(&text, probed->message.data, probed->message.size);
        job_fail(job, probed->code, buf_text(&text));
        buf_release(&text);
        return;
    }
    if (job->probed[!which] &&
        (!bytes_equal(buf_bytes(&job->source_identity), probed->source_identity) ||
         !bytes_equal(buf_bytes(&job->destination_identity), probed->destination_identity))) {
        job_fail(job, ERR_AssetUnreachable,
                 "watcher and mover do not see the same directories: "
                 "mount source and destination at the same place for both");
        return;
    }
    copy_into(&job->source_identity, probed->source_identity);
    copy_into(&job->destination_identity, probed->destination_identity);
    copy_into(&job->source_place, probed->source_place);
    copy_into(&job->destination_place, probed->destination_place);
    job->probed[which] = true;
}

static void pump_probing(struct job *job)
{
    struct truth_request *request;

    if (clock_monotonic_ms() < job->retry_ms || job->begin_posted)
        return;
    for (int which = 0; which < 2; which++)
        if (!job->probe_sent[which])
            send_probe(job, which);
    if (!job->probed[0] || !job->probed[1])
        return;
    request = job_request(job, TRUTH_BEGIN);
    request->asset = job->asset;
    copy_into(&request->source_identity, buf_bytes(&job->source_identity));
    copy_into(&request->destination_identity, buf_bytes(&job->destination_identity));
    copy_into(&request->source_place, buf_bytes(&job->source_place));
    copy_into(&request->destination_place, buf_bytes(&job->destination_place));
    job->begin_posted = true;
    job_post(job, request);
}

void job_begun(struct job *job, struct truth_request *answer)
{
    if (answer->err.code != ERR_Ok) {
        job->begin_posted = false;
        job_fail(job, answer->err.code, answer->err.text);
        return;
    }
    job->upsert = !answer->first || job->taken_over;
    for (u32 i = 0; i < answer->shard_count; i++) {
        const struct truth_shard *row = &answer->shards[i];
        struct shard *shard = shard_add(job, row->number, buf_bytes(&row->path));

        shard->segments = row->segments;
        shard->unsettled_since_ns = row->unsettled_since_ns;
        if (job->taken_over)
            shard->put_again_ns = row->unsettled_since_ns;
        if (row->done)
            shard->state = SHARD_DONE;
        else if (row->segments > 0)
            shard->state = SHARD_BROKEN; /* its counting is set right before it is scanned again */
    }
    job->phase = PHASE_Running;
    log_write(LOG_INFO, job->name, EVENT_job_phase, "phase=Running");
    view_event(job->planner->view, job->name, "Running", "");
    job->state = job->taken_over ? JOB_REVOKING : JOB_RUNNING;
    if (job->fail_code) { /* cancelled meanwhile */
        u32 code = job->fail_code;

        job->fail_code = ERR_Ok;
        job_fail(job, code, job->fail_message);
    }
}

static void pump_revoking(struct job *job)
{
    struct worker *worker = worker_pick(job->planner, ROLE_mover, 0);
    struct envelope envelope = {.message = {.kind = MSG_revoke}};
    u32 request;

    if (job->revoke_sent || !worker || clock_monotonic_ms() < job->retry_ms)
        return;
    request = job_sequence(job);
    envelope.message.revoke = (struct msg_revoke){.job = job->id,
                                                  .epoch = job->epoch,
                                                  .destination = bytes_text(job->destination),
                                                  .request = request};
    job->revoke_sent = assign(job, worker, &envelope, request) != NULL;
}

/* ---- running and ending ---- */

static bool all_done(const struct job *job)
{
    const struct shard *shard;

    TAILQ_FOREACH(shard, &job->shards, link)
    if (shard->state != SHARD_DONE)
        return false;
    return job->committing == 0;
}

static bool scans_are_over(const struct job *job)
{
    const struct shard *shard;

    TAILQ_FOREACH(shard, &job->shards, link)
    if (shard->state < SHARD_DRAINING || shard->state == SHARD_BROKEN)
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
    enter_phase(job, PHASE_Closing);
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
    if (all_done(job))
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
        pump_probing(job);
        break;
    case JOB_REVOKING:
        pump_revoking(job);
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
    if (job->state == JOB_PROBING && code == ERR_Cancelled && job->was_opened)
        return; /* what the last owner left there is taken away first (job_begun) */
    if (job->state == JOB_PROBING && !job->begin_posted) {
        job->state = JOB_ENDING;
        job_ended(job);
    } else if (job->state == JOB_REVOKING || job->state == JOB_RUNNING) {
        job->state = JOB_WINDING_DOWN;
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

static enum phase final_phase(const struct job *job)
{
    if (job->fail_code == ERR_Cancelled)
        return PHASE_Cancelled;
    if (job->fail_code != ERR_Ok)
        return PHASE_Failed;
    if (job->counters.value[COUNTER_failed] > 0 || job->counters.value[COUNTER_changed] > 0)
        return PHASE_CompletedWithErrors;
    return PHASE_Succeeded;
}

void job_ended(struct job *job)
{
    struct truth_request *request = job_request(job, TRUTH_END);

    request->phase = final_phase(job);
    request->scan_complete = job->scan_complete;
    if (job->fail_code) {
        request->reason = text_copy(err_name(job->fail_code));
        request->message = text_copy(job->fail_message);
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
    buf_release(&job->source_identity);
    buf_release(&job->destination_identity);
    buf_release(&job->source_place);
    buf_release(&job->destination_place);
    free(job->tokens);
    free(job->openers);
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

static const char *waiting_for(const struct job *job)
{
    struct planner *planner = job->planner;

    if (!truth_is_up(planner->truth))
        return "Postgres";
    if (job->state <= JOB_RUNNING && !worker_exists(planner, ROLE_watcher))
        return "a watcher";
    if (!worker_exists(planner, ROLE_mover))
        return "a mover";
    if (job->state == JOB_RUNNING && !worker_exists(planner, ROLE_verifier))
        return "a verifier";
    return "";
}

void job_tick(struct job *job, s64 now_ms)
{
    const char *waiting = waiting_for(job);

    assignment_tick(job, now_ms);
    if (job->state == JOB_PROBING && job->begin_posted)
        return; /* the phase is Postgres' to say: ours would come after its Running and undo it */
    if (strcmp(waiting, job->waiting_for) != 0 && job->state != JOB_ENDING) {
        snprintf(job->waiting_for, sizeof job->waiting_for, "%s", waiting);
        post_phase(job, job->phase);
    }
}
