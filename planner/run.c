/* run.c: the loop of the planner: what wakes it, and what moves then. */
#include "planner/run.h"

#include "base/clock.h"
#include "base/log.h"
#include "planner/http.h"
#include "planner/metrics.h"
#include "planner/planner.h"
#include "planner/schedule.h"

#include <jansson.h>
#include <stdlib.h>

#define TICK_MS 50
#define JOBS_MAX 64   /* that one planner drives at once */
#define JOBS_MOST 512 /* with those that wait for their assets to begin */
#define IDLE_VIEW_MS 1000
#define ASSETS_AT_ONCE 256 /* that are found due by one look, which comes each second */

static u32 count_jobs(const struct planner *planner)
{
    const struct job *job;
    u32 count = 0;

    TAILQ_FOREACH(job, &planner->jobs, link)
    count++;
    return count;
}

/* For how many more there is room. Assets that are away keep nobody else from his turn. */
static u32 count_room(const struct planner *planner)
{
    u32 jobs = count_jobs(planner), driven = 0;
    const struct job *job;

    TAILQ_FOREACH(job, &planner->jobs, link)
    driven += !places_hold(job);
    if (driven >= JOBS_MAX || jobs >= JOBS_MOST)
        return 0;
    return jobs + JOBS_MAX - driven <= JOBS_MOST ? JOBS_MAX - driven : JOBS_MOST - jobs;
}

static void claim(struct planner *planner)
{
    struct truth_request *request;
    u32 room;

    if (!planner->claim_again || planner->claiming || planner->stopping)
        return;
    room = count_room(planner);
    if (room == 0)
        return;
    request = memory_or_die(sizeof *request);
    request->kind = TRUTH_CLAIM;
    request->limit = room;
    planner->claiming = true;
    planner->claim_sent_ms = clock_monotonic_ms();
    planner->claim_again = false;
    truth_post(planner->truth, &request);
}

static void look(struct planner *planner)
{
    struct truth_request *request;

    if (!planner->look_again || planner->looking)
        return;
    request = memory_or_die(sizeof *request);
    request->kind = TRUTH_LOOK;
    request->limit = ASSETS_AT_ONCE;
    planner->looking = true;
    planner->look_again = false;
    truth_post(planner->truth, &request);
}

/* The ids of those that are there, once all have had the time to say hello. */
static char *list_workers(const struct planner *planner, s64 now_ms)
{
    json_t *ids = json_array();
    const struct worker *worker;
    char *text;

    TAILQ_FOREACH(worker, &planner->workers, link)
    json_array_append_new(ids, json_string(worker->id));
    text = now_ms - planner->started_ms > RETENTION_MS ? json_dumps(ids, JSON_COMPACT) : NULL;
    json_decref(ids);
    return text;
}

static void retain(struct planner *planner, s64 now_ms)
{
    struct truth_request *request;

    if (planner->retaining || now_ms < planner->retain_ms)
        return;
    request = memory_or_die(sizeof *request);
    request->kind = TRUTH_RETENTION;
    request->workers = list_workers(planner, now_ms);
    planner->retaining = true;
    truth_post(planner->truth, &request);
}

static void renew(struct planner *planner, s64 now_ms)
{
    struct truth_request *request;
    struct job *job;

    if (planner->renewing || now_ms < planner->renew_ms || TAILQ_EMPTY(&planner->jobs))
        return;
    request = memory_or_die(sizeof *request);
    request->kind = TRUTH_RENEW;
    planner->renewing = true;
    planner->renew_sent_ms = now_ms;
    planner->renew_ms = now_ms + PLANNER_RENEW_MS;
    TAILQ_FOREACH(job, &planner->jobs, link)
    {
        job->renewing = true;
        tokens_confirm(job);
    }
    truth_post(planner->truth, &request);
}

void planner_pump(struct planner *planner)
{
    struct job *job, *next;

    if (planner->stopping) /* what would be posted now has no thread to go to */
        return;
    claim(planner);
    look(planner);
    renew(planner, clock_monotonic_ms());
    for (job = TAILQ_FIRST(&planner->jobs); job; job = next) {
        next = TAILQ_NEXT(job, link);
        job_pump(job);
    }
    /* the credit that comes back is offered to another one first the next time, so that one job
     * with much to do does not keep the others waiting to its end */
    if ((job = TAILQ_FIRST(&planner->jobs))) {
        TAILQ_REMOVE(&planner->jobs, job, link);
        TAILQ_INSERT_TAIL(&planner->jobs, job, link);
    }
}

static void on_tick(void *context)
{
    struct planner *planner = context;
    s64 now_ms = clock_monotonic_ms();
    s64 interval_ms = TAILQ_EMPTY(&planner->jobs) ? IDLE_VIEW_MS : VIEW_INTERVAL_MS;
    struct job *job, *next;

    if (planner->metrics)
        metrics_beat(planner->metrics);
    if (now_ms - planner->beat_ms >= HEARTBEAT_MS) {
        planner->beat_ms = now_ms;
        worker_tick(planner);
        places_tick(planner);
        for (job = TAILQ_FIRST(&planner->jobs); job; job = next) {
            next = TAILQ_NEXT(job, link);
            job_tick(job, now_ms);
        }
        assets_tick(planner, now_ms);
        snapshot_metrics(planner);
        if (!planner->stopping)
            retain(planner, now_ms);
    }
    if (now_ms - planner->view_ms >= interval_ms)
        snapshot_post(planner);
    planner_pump(planner);
}

static void on_terminate(void *context)
{
    struct planner *planner = context;

    log_write(LOG_INFO, NULL, EVENT_stopping, "jobs=%u", count_jobs(planner));
    planner->stopping = true;
    loop_stop(planner->loop);
}

int planner_run(const struct config *config, struct err *err)
{
    struct planner planner = {.name = config->name, .claim_again = true};
    struct http *http = NULL;

    TAILQ_INIT(&planner.workers);
    TAILQ_INIT(&planner.jobs);
    TAILQ_INIT(&planner.places);
    random_bytes(planner.incarnation, sizeof planner.incarnation);
    if (bus_bind(config->planner, &planner.bus, err) < 0)
        return -1;
    if (config->metrics) {
        planner.metrics = metrics_new(config->database_url, config->name);
        if (http_start(config->metrics, metrics_page, planner.metrics, &http, err) < 0) {
            metrics_destroy(&planner.metrics);
            bus_destroy(&planner.bus);
            return -1;
        }
    }
    planner.loop = loop_new();
    planner.assets = assets_new();
    planner.started_ms = clock_monotonic_ms();
    planner.answers = queue_new();
    planner.truth = truth_new(config->database_url, config->name, planner.answers);
    planner.schedule = schedule_new(config->database_url, config->name, planner.answers);
    planner.view = view_new(config->redis_url, config->database_url, config->name);
    bus_attach(planner.bus, planner.loop, receive_messages, &planner);
    loop_add_fd(planner.loop, queue_fd(planner.answers), receive_answers, &planner);
    loop_add_timer(planner.loop, TICK_MS, 0, on_tick, &planner);
    loop_on_terminate(planner.loop, on_terminate, &planner);
    log_write(LOG_INFO, NULL, EVENT_ready, "endpoint=%s metrics=%s", log_text(config->planner),
              log_text(config->metrics ? config->metrics : "off"));
    loop_run(planner.loop);
    if (planner.metrics) {
        metrics_stop(planner.metrics);
        http_stop(&http);
        metrics_destroy(&planner.metrics);
    }
    schedule_destroy(&planner.schedule);
    /* jobs stay ours in Postgres until another planner, or our next start, takes them over */
    truth_destroy(&planner.truth);
    receive_answers(&planner);
    while (!TAILQ_EMPTY(&planner.jobs))
        job_destroy(TAILQ_FIRST(&planner.jobs));
    places_destroy_all(&planner);
    worker_destroy_all(&planner);
    assets_destroy(&planner.assets);
    view_destroy(&planner.view);
    bus_detach(planner.bus, planner.loop);
    bus_destroy(&planner.bus);
    queue_destroy(&planner.answers);
    loop_destroy(&planner.loop);
    log_write(LOG_INFO, NULL, EVENT_stopped, "%s", "");
    return 0;
}
