/* pace.c: the bandwidth of a job, shared by the movers that read content for it.
 *
 * A mover belongs to the job's set from its first stage or part until it had none for a while. The
 * shares of the set are in proportion to what each has to read, and never more than the limit
 * together: when they change, those that lose are told first. They are divided anew when a mover
 * comes or goes, when the limit changes, and when the proportions have moved far: not for every
 * batch. A pace that cannot be sent is sent again with the next heartbeat. */
#include "planner/planner.h"

#include "base/log.h"

#include <stdlib.h>

#define IDLE_TICKS 2 /* heartbeats without anything to read */

u64 pace_share(u64 limit, u32 weight, u32 total)
{
    u64 share = limit / total * weight + limit % total * weight / total;

    return share > 0 ? share : 1; /* 0 would be none */
}

static bool send(struct job *job, struct job_pace *pace, u64 rate, bool over)
{
    struct envelope envelope = {.message = {.kind = MSG_pace}};
    struct err err;

    envelope.message.pace = (struct msg_pace){
        .job = job->id, .epoch = job->epoch, .bytes_per_second = rate, .over = over};
    pace->untold = bus_send(job->planner->bus, &pace->worker->peer, &envelope, &err) < 0;
    if (pace->untold)
        log_write(LOG_DEBUG, job->name, EVENT_disconnected, "worker=%s message=%s",
                  log_text(pace->worker->name), log_text(err.text));
    else
        pace->rate = rate;
    return !pace->untold;
}

static u32 total_weight(const struct job *job)
{
    u32 total = 0;

    for (u32 i = 0; i < job->pace_count; i++)
        total += job->paces[i].weight;
    return total;
}

static void divide(struct job *job)
{
    u32 total = total_weight(job);

    for (int more = 0; more < 2; more++) {
        for (u32 i = 0; i < job->pace_count; i++) {
            struct job_pace *pace = &job->paces[i];
            u64 share = pace_share(job->limits.bandwidth, pace->weight, total);

            if (more ? pace->rate == 0 || share > pace->rate
                     : pace->rate != 0 && share < pace->rate)
                send(job, pace, share, false);
        }
    }
}

static u32 reads_of(const struct job *job, const struct worker *worker)
{
    const struct assignment *assignment;
    u32 count = 0;

    TAILQ_FOREACH(assignment, &job->assignments, link)
    count += assignment->worker == worker &&
             (assignment->kind == MSG_stage ||
              (assignment->kind == MSG_part && assignment->target == 0)); /* or it is adopted */
    return count;
}

static bool is_in(const struct job *job, const struct worker *worker)
{
    for (u32 i = 0; i < job->pace_count; i++)
        if (job->paces[i].worker == worker)
            return true;
    return false;
}

static void add(struct job *job, struct worker *worker, u32 weight)
{
    job->paces = memory_resize_or_die(job->paces, (job->pace_count + 1) * sizeof *job->paces);
    job->paces[job->pace_count++] = (struct job_pace){.worker = worker, .weight = weight};
}

/* Those that stay keep the weight that they have now, and at least that of one task. */
static void weigh(struct job *job)
{
    for (u32 i = 0; i < job->pace_count; i++) {
        u32 reads = reads_of(job, job->paces[i].worker);

        job->paces[i].weight = reads > 0 ? reads : 1;
    }
}

void pace_before(struct job *job, struct worker *worker)
{
    if (job->limits.bandwidth == 0 || is_in(job, worker))
        return;
    weigh(job);
    add(job, worker, 1);
    divide(job);
}

void pace_forget_worker(struct job *job, const struct worker *worker)
{
    for (u32 i = 0; i < job->pace_count; i++)
        if (job->paces[i].worker == worker)
            job->paces[i--] = job->paces[--job->pace_count];
}

/* True if somebody left, or one's share is not what it should be by more than a quarter. */
static bool has_moved(struct job *job)
{
    bool moved = false;
    u32 total;

    for (u32 i = 0; i < job->pace_count; i++) {
        struct job_pace *pace = &job->paces[i];

        pace->idle = reads_of(job, pace->worker) == 0 ? pace->idle + 1 : 0;
        if (pace->idle < IDLE_TICKS)
            continue;
        pace_forget_worker(job, pace->worker);
        moved = true;
        i--;
    }
    weigh(job);
    total = total_weight(job);
    for (u32 i = 0; i < job->pace_count; i++) {
        u64 rate = job->paces[i].rate;
        u64 share = pace_share(job->limits.bandwidth, job->paces[i].weight, total);

        moved = moved || job->paces[i].untold || share > rate + rate / 4 || share < rate - rate / 4;
    }
    return moved;
}

/* Those that could not be told stay: they would keep to a limit that is none any more. */
static void tell_unlimited(struct job *job)
{
    u32 left = 0;

    for (u32 i = 0; i < job->pace_count; i++)
        if (!send(job, &job->paces[i], 0, false))
            job->paces[left++] = job->paces[i];
    job->pace_count = left;
}

void pace_tick(struct job *job)
{
    if (job->limits.bandwidth == 0)
        tell_unlimited(job);
    else if (has_moved(job))
        divide(job);
}

void pace_over(struct job *job)
{
    for (u32 i = 0; i < job->pace_count; i++)
        send(job, &job->paces[i], 0, true);
    job->pace_count = 0;
}

/* Who reads by now, and was not told anything as there was no limit. */
static void add_readers(struct job *job)
{
    const struct assignment *assignment;

    TAILQ_FOREACH(assignment, &job->assignments, link)
    if (!is_in(job, assignment->worker) && reads_of(job, assignment->worker) > 0)
        add(job, assignment->worker, 1);
}

void pace_limits(struct job *job, const char *json)
{
    bool first = job->limits_text == NULL;
    struct limits limits;
    struct err err;

    if (!first && strcmp(job->limits_text, json) == 0)
        return;
    free(job->limits_text);
    job->limits_text = text_copy(json);
    if (spec_parse_limits(json, &limits, &err) < 0) {
        log_error(job->name, EVENT_failure, &err);
        return;
    }
    if (limits.bandwidth == job->limits.bandwidth && limits.lanes == job->limits.lanes)
        return;
    job->limits = limits;
    if (!first)
        log_write(LOG_INFO, job->name, EVENT_limits_changed, "bandwidth=%llu lanes=%u",
                  (unsigned long long)limits.bandwidth, limits.lanes);
    if (limits.bandwidth == 0) {
        tell_unlimited(job);
        return;
    }
    add_readers(job);
    weigh(job);
    divide(job);
}

bool pace_has_lane(const struct job *job)
{
    const struct assignment *assignment;
    u32 count = 0;

    if (job->limits.lanes == 0)
        return true;
    TAILQ_FOREACH(assignment, &job->assignments, link)
    count += assignment->kind == MSG_stage || assignment->kind == MSG_publish ||
             assignment->kind == MSG_part;
    return count < job->limits.lanes;
}
