/* beginning.c: a job comes into memory: claimed, its options read, both ends probed, its shards
 * read from Postgres; and, if it was another planner's, every token of earlier epochs revoked
 * before anything is scanned. */
#include "planner/planner.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdlib.h>

static void copy_into(struct buf *out, struct bytes bytes)
{
    buf_clear(out);
    buf_append(out, bytes.data, bytes.size);
}

/* Whoever takes it over has the same deadline, until it has begun once. */
static void set_start_by(struct job *job, const struct claimed_job *claim)
{
    if (!claim->scheduled || claim->approved || claim->destination_identity.size > 0)
        return;
    job->start_by_ms = clock_monotonic_ms() + claim->start_left_ms;
    /* to the second, as it was said when it was started */
    job->start_by_ns = clock_wall_ns() + claim->start_left_ms * NS_PER_MS + NS_PER_S / 2;
}

void job_claimed(struct planner *planner, const struct claimed_job *claim)
{
    struct job *job, *next;
    struct err err;

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
    job->source_name = text_copy(claim->source_name);
    job->destination_name = text_copy(claim->destination_name);
    job->asset = claim->destination_asset;
    job->adhoc = claim->adhoc;
    job->taken_over = claim->phase != PHASE_Queued;
    job->was_opened = claim->opened;
    job->counters = claim->counters;
    set_start_by(job, claim);
    copy_into(&job->opened_identity, buf_bytes(&claim->destination_identity));
    job->next_sequence = 1;
    job->owned_ms = planner->claim_sent_ms;
    job->started_ms = clock_monotonic_ms();
    TAILQ_INIT(&job->assignments);
    TAILQ_INIT(&job->shards);
    TAILQ_INIT(&job->batches);
    TAILQ_INSERT_TAIL(&planner->jobs, job, link);
    log_write(LOG_INFO, job->name, EVENT_job_claimed, "epoch=%u phase=%s", job->epoch,
              phase_name(claim->phase));
    job_enter_phase(job, PHASE_Probing);
    pace_limits(job, claim->limits);
    if (spec_parse(claim->spec, &job->spec, &err) < 0)
        job_fail(job, err.code, err.text);
    else if (claim->cancel_requested)
        job_cancel(job);
    /* nothing is made to be looked at, nor in the place of what a job has written into before */
    job->create = claim->create && !claim->opened && !job->spec.dry_run && !job->spec.verify;
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
                                                .destination = bytes_text(job->destination),
                                                .create = which == 1 && job->create};
    job->probe_sent[which] = assign(job, worker, &envelope, sequence) != NULL;
    if (job->probe_sent[which])
        places_sent(job, USE_PROBE, NULL);
}

/* What the other end said may not be true any more by then. */
static void ask_again(struct job *job, int which)
{
    job->probe_sent[which] = false;
    if (job->probed[!which])
        job->probed[!which] = job->probe_sent[!which] = false;
}

void job_probed(struct job *job, struct assignment *assignment, const struct msg_probed *probed)
{
    int which = assignment->worker->role == ROLE_mover;
    struct buf text = {0};

    assignment_end(job, assignment);
    job->probe_hangs = false;
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
        if (places_failed(job, USE_PROBE, probed->code, buf_text(&text)))
            ask_again(job, which);
        else
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
    /* what the mover may have to make is there when the watcher looks */
    for (int which = 0; which < 2; which++)
        if (!job->probe_sent[which] && (which == 1 || !job->create || job->probed[1]) &&
            places_allow(job, USE_PROBE, NULL))
            send_probe(job, which);
    if (!job->probed[0] || !job->probed[1])
        return;
    request = job_request(job, TRUTH_BEGIN);
    request->asset = job->asset;
    request->dry_run = job->spec.dry_run;
    request->verify = job->spec.verify;
    request->repair = job->spec.repair;
    request->only = job->spec.only ? text_copy(job->spec.only) : NULL;
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
        /* the directory may be an empty mount point */
        if (places_failed(job, USE_PROBE, answer->err.code, answer->err.text)) {
            job->probed[0] = job->probed[1] = job->probe_sent[0] = job->probe_sent[1] = false;
            return;
        }
        places_worked(job, USE_PROBE);
        job_fail(job, answer->err.code, answer->err.text);
        return;
    }
    places_worked(job, USE_PROBE);
    job->start_by_ms = 0;
    job->place_failures = 0;
    assets_tell(job->planner, answer);
    job->upsert = !answer->first || job->taken_over;
    copy_into(&job->only, buf_bytes(&answer->paths));
    for (u32 i = 0; i < answer->shard_count; i++)
        (void)shard_restore(job, &answer->shards[i]);
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
    struct worker *worker = worker_pick_any(job->planner, ROLE_mover, 0);
    struct envelope envelope = {.message = {.kind = MSG_revoke}};
    u32 request;

    if (job->revoke_sent || !worker || clock_monotonic_ms() < job->retry_ms ||
        !places_allow(job, USE_REVOKE, NULL))
        return;
    request = job_sequence(job);
    envelope.message.revoke = (struct msg_revoke){.job = job->id,
                                                  .epoch = job->epoch,
                                                  .destination = bytes_text(job->destination),
                                                  .request = request};
    job->revoke_sent = assign(job, worker, &envelope, request) != NULL;
    if (job->revoke_sent)
        places_sent(job, USE_REVOKE, NULL);
}

void beginning_tick(struct job *job, s64 now_ms)
{
    bool watcher = worker_exists(job->planner, ROLE_watcher);

    if (job->start_by_ms == 0 || now_ms < job->start_by_ms || job->state != JOB_PROBING ||
        job->begin_posted || job->fail_code != ERR_Ok)
        return;
    if (job->probe_hangs)
        job_fail(job, ERR_AssetUnreachable,
                 "a look at source or destination hung until the starting deadline: its server may "
                 "be away");
    else if (!watcher || !worker_exists(job->planner, ROLE_mover))
        job_fail(job, ERR_WorkerMissing,
                 watcher ? "there was no mover until the starting deadline"
                         : "there was no watcher until the starting deadline");
}

void beginning_pump(struct job *job)
{
    if (job->state == JOB_PROBING)
        pump_probing(job);
    else
        pump_revoking(job);
}
