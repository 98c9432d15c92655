/* snapshot.c: what this planner knows at one moment, for the view. */
#include "planner/planner.h"

#include "base/clock.h"
#include "planner/metrics.h"

#include <stdio.h>
#include <stdlib.h>

#define RATE_WEIGHT 0.2 /* of the newest tenth of a second in the moving average */

/* What is committed, and what is on its way there. */
static struct counters live_counters(const struct job *job)
{
    struct counters counters = job->counters;
    const struct shard *shard;

    TAILQ_FOREACH(shard, &job->shards, link)
    {
        for (u32 i = 0; i < COUNTER_COUNT; i++)
            counters.value[i] += shard->pending.value[i] + shard->posted.value[i];
        if (!shard->redo) {
            counters.value[COUNTER_scanned] += shard->scanned - shard->counted_scanned;
            counters.value[COUNTER_unchanged] += shard->unchanged - shard->counted_unchanged;
            counters.value[COUNTER_extra] += shard->extra - shard->counted_extra;
        }
    }
    return counters;
}

static void measure_rate(struct job *job, const struct counters *counters, s64 now_ms)
{
    s64 elapsed_ms = now_ms - job->rate_ms;
    s64 items = counters->value[COUNTER_moved] + counters->value[COUNTER_unchanged];
    s64 bytes = counters->value[COUNTER_bytes_moved];

    if (job->rate_ms && elapsed_ms >= VIEW_INTERVAL_MS / 2) {
        double seconds = (double)elapsed_ms / 1000.0;

        job->rate_bytes +=
            RATE_WEIGHT * ((double)(bytes - job->rate_bytes_last) / seconds - job->rate_bytes);
        job->rate_items +=
            RATE_WEIGHT * ((double)(items - job->rate_items_last) / seconds - job->rate_items);
    }
    job->rate_ms = now_ms;
    job->rate_bytes_last = bytes;
    job->rate_items_last = items;
}

static void show_job(struct job *job, struct view_job *out, s64 now_ms)
{
    struct counters counters = live_counters(job);
    s64 left = counters.value[COUNTER_bytes_found] - counters.value[COUNTER_bytes_moved];

    measure_rate(job, &counters, now_ms);
    snprintf(out->name, sizeof out->name, "%s", job->name);
    snprintf(out->waiting_for, sizeof out->waiting_for, "%s", job->waiting_for);
    out->phase = job->phase;
    out->epoch = job->epoch;
    out->scan_complete = job->scan_complete;
    out->counters = counters;
    out->rate_bytes = (s64)job->rate_bytes;
    out->rate_items = (s64)job->rate_items;
    out->eta_seconds = job->scan_complete && job->rate_bytes > 1.0 && left >= 0
                           ? (s64)((double)left / job->rate_bytes) + 1
                           : -1;
}

static void show_worker(const struct worker *worker, struct view_worker *out)
{
    snprintf(out->name, sizeof out->name, "%s", worker->name);
    snprintf(out->host, sizeof out->host, "%s", worker->host);
    snprintf(out->id, sizeof out->id, "%s", worker->id);
    out->state = !worker->draining ? "active" : worker_is_drained(worker) ? "drained" : "draining";
    out->role = worker->role;
    out->pid = worker->pid;
    out->lanes = worker->lanes;
    out->busy = worker->busy;
    out->done = worker->done;
    out->bytes = worker->bytes;
}

static void show_batch(const struct job *job, const struct assignment *assignment,
                       struct view_batch *out)
{
    s64 age_ms = clock_monotonic_ms() - assignment->listed_ms;

    snprintf(out->job, sizeof out->job, "%s", job->name);
    snprintf(out->step, sizeof out->step, "%s", message_kind_name(assignment->kind));
    snprintf(out->worker, sizeof out->worker, "%s", assignment->worker->name);
    out->number = assignment->sequence;
    out->lease_until_ms = clock_wall_ns() / NS_PER_MS - age_ms + LEASE_MS;
    if (assignment->batch) {
        out->attempt = assignment->batch->attempt;
        out->items = assignment->batch->items;
        out->bytes = assignment->batch->bytes;
    }
}

static u32 count_assignments(const struct planner *planner)
{
    const struct assignment *assignment;
    const struct job *job;
    u32 count = 0;

    TAILQ_FOREACH(job, &planner->jobs, link)
    TAILQ_FOREACH(assignment, &job->assignments, link)
    count++;
    return count;
}

void snapshot_post(struct planner *planner)
{
    struct view_snapshot *snapshot = memory_or_die(sizeof *snapshot);
    s64 now_ms = clock_monotonic_ms();
    struct assignment *assignment;
    struct worker *worker;
    struct job *job;
    u32 jobs = 0, workers = 0;

    TAILQ_FOREACH(job, &planner->jobs, link)
    jobs++;
    TAILQ_FOREACH(worker, &planner->workers, link)
    workers++;
    snapshot->jobs = memory_or_die(jobs * sizeof *snapshot->jobs);
    snapshot->workers = memory_or_die(workers * sizeof *snapshot->workers);
    snapshot->batches = memory_or_die(count_assignments(planner) * sizeof *snapshot->batches);
    TAILQ_FOREACH(job, &planner->jobs, link)
    {
        show_job(job, &snapshot->jobs[snapshot->job_count++], now_ms);
        TAILQ_FOREACH(assignment, &job->assignments, link)
        show_batch(job, assignment, &snapshot->batches[snapshot->batch_count++]);
    }
    TAILQ_FOREACH(worker, &planner->workers, link)
    show_worker(worker, &snapshot->workers[snapshot->worker_count++]);
    view_post(planner->view, &snapshot);
    planner->view_ms = now_ms;
}

void snapshot_metrics(struct planner *planner)
{
    struct metrics_loop loop = {.postgres = truth_is_up(planner->truth),
                                .redis = view_is_up(planner->view),
                                .has_redis = view_is_wanted(planner->view),
                                .leases_expired = planner->leases_expired};
    const struct worker *worker;

    if (!planner->metrics)
        return;
    TAILQ_FOREACH(worker, &planner->workers, link)
    {
        loop.roles[worker->role].workers += !worker->draining;
        loop.roles[worker->role].lanes += worker->lanes;
        loop.roles[worker->role].busy += worker->busy;
    }
    metrics_post(planner->metrics, &loop);
}
