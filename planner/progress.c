/* progress.c: that a job goes on is said in Postgres every few seconds, also where nothing is
 * committed for long: a slow job, or a segment of many items. What counts is that something was
 * done since: a counter moved, or a worker said that its work did. Handing work out again is no
 * progress. */
#include "planner/planner.h"

static s64 counted(const struct counters *counters)
{
    s64 sum = 0;

    for (u32 i = 0; i < COUNTER_COUNT; i++)
        sum += counters->value[i];
    return sum;
}

/* All that is counted, committed or not. It need not add up: that it changes is all. */
static s64 counted_in_all(const struct job *job)
{
    s64 sum = counted(&job->counters);
    const struct shard *shard;

    TAILQ_FOREACH(shard, &job->shards, link)
    sum += counted(&shard->pending) + counted(&shard->posted) + shard->scanned;
    return sum;
}

static bool workers_moved(const struct job *job)
{
    const struct assignment *assignment;

    TAILQ_FOREACH(assignment, &job->assignments, link)
    if (assignment->progress > 0 && assignment->progress_ms > job->progress.looked_ms)
        return true;
    return false;
}

void progress_tick(struct job *job, s64 now_ms)
{
    struct truth_request *request;
    bool moved;
    s64 sum;

    if (job->state == JOB_PROBING || job->state == JOB_ENDING ||
        now_ms - job->progress.looked_ms < PROGRESS_MS)
        return;
    sum = counted_in_all(job);
    moved = sum != job->progress.counted || workers_moved(job);
    job->progress.counted = sum;
    job->progress.looked_ms = now_ms;
    if (!moved)
        return;
    request = job_request(job, TRUTH_PHASE);
    request->scan_complete = job->scan_complete;
    request->progressed = true;
    if (job->waiting_for[0])
        request->waiting_for = text_copy(job->waiting_for);
    job_post(job, request);
}
