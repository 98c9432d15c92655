/* watch.c: see watch.h. Each second the model of screen.h is filled anew: jobs from Postgres, how
 * far they are and who works from Redis. One of them away leaves what the other knows; jobs stay as
 * they were last seen. */
#include "ctl/watch.h"

#include "base/clock.h"
#include "ctl/screen.h"
#include "ctl/terminal.h"
#include "schema/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define LOOK_MS 1000
#define JOBS_SEEN 100

/* What is remembered of a job or worker, to know how fast it is. */
struct pace {
    char *name;
    struct progress_rate rate;
};

struct paces {
    struct pace *paces;
    u32 count;
};

struct watch {
    struct session *session;
    struct job_list jobs;               /* as last seen */
    char (*waiting)[WAITING_FOR_BYTES]; /* of each job */
    struct paces job_paces, worker_paces;
    json_t *workers; /* NULL: Redis is away */
    struct screen_job *screen_jobs;
    struct screen_worker *screen_workers;
    struct screen screen;
    char clock[16];
};

/* ---- rates ---- */

static struct progress_rate *pace_of(struct paces *paces, const char *name)
{
    for (u32 i = 0; i < paces->count; i++)
        if (strcmp(paces->paces[i].name, name) == 0)
            return &paces->paces[i].rate;
    paces->paces =
        memory_resize_or_die(paces->paces, (paces->count + (size_t)1) * sizeof *paces->paces);
    paces->paces[paces->count] = (struct pace){.name = text_copy(name)};
    return &paces->paces[paces->count++].rate;
}

/* Those that were not asked for since `before_ms` are of things that are gone. */
static void paces_forget(struct paces *paces, s64 before_ms)
{
    u32 kept = 0;

    for (u32 i = 0; i < paces->count; i++) {
        if (paces->paces[i].rate.at_ms >= before_ms)
            paces->paces[kept++] = paces->paces[i];
        else
            free(paces->paces[i].name);
    }
    paces->count = kept;
}

/* ---- looking ---- */

static void look_at_postgres(struct watch *watch)
{
    struct session *session = watch->session;
    struct job_list list;
    bool alive = false;
    struct err ignored;

    watch->screen.postgres = SERVICE_AWAY;
    watch->screen.planner = SERVICE_UNKNOWN;
    if ((!session->postgres || !postgres_is_alive(session->postgres)) &&
        session_connect(session, &ignored) < 0)
        return;
    if (jobs_planner_alive(session->postgres, &alive, &ignored) < 0 ||
        jobs_list(session->postgres, true, false, JOBS_SEEN, &list, &ignored) < 0) {
        postgres_destroy(&session->postgres);
        return;
    }
    job_list_release(&watch->jobs);
    watch->jobs = list;
    watch->screen.postgres = SERVICE_UP;
    watch->screen.planner = alive ? SERVICE_UP : SERVICE_AWAY;
}

static void look_at_redis(struct watch *watch)
{
    struct view *view = session_view(watch->session);
    struct err ignored;

    json_decref(watch->workers);
    watch->workers = view ? view_workers(view, &ignored) : NULL;
    watch->screen.redis = watch->workers              ? SERVICE_UP
                          : watch->session->redis_url ? SERVICE_AWAY
                                                      : SERVICE_NONE;
}

/* ---- the model ---- */

static void fill_job(struct watch *watch, const struct job *job, u32 index, s64 now_ms)
{
    struct screen_job *out = &watch->screen_jobs[index];
    struct view *view = watch->workers ? session_view(watch->session) : NULL;
    struct progress_state state = {.phase = job->phase,
                                   .scan_complete = job->scan_complete,
                                   .counters = job->counters,
                                   .now_ms = now_ms};
    struct progress_rate *rate = pace_of(&watch->job_paces, job->name);
    char *waiting = watch->waiting[index];

    snprintf(waiting, sizeof watch->waiting[index], "%s", job->waiting_for ? job->waiting_for : "");
    if (view && !phase_has_ended(job->phase)) {
        struct progress_state seen = state;
        char text[WAITING_FOR_BYTES];

        if (view_job(view, job->name, &seen.phase, &seen.scan_complete, &seen.counters, text,
                     sizeof text)) {
            state = seen;
            snprintf(waiting, sizeof watch->waiting[index], "%s", text);
        }
    }
    progress_rate_update(rate, &state);
    *out = (struct screen_job){.name = job->name,
                               .phase = state.phase,
                               .scan_complete = state.scan_complete,
                               .counters = state.counters,
                               .waiting_for = waiting,
                               .duration_ms = job->duration_ms,
                               .rate = *rate};
}

/* Those that go on come first; of both the newest. */
static void fill_jobs(struct watch *watch, s64 now_ms)
{
    u32 count = watch->jobs.count, used = 0;

    watch->screen_jobs =
        memory_resize_or_die(watch->screen_jobs, (count + (size_t)1) * sizeof *watch->screen_jobs);
    watch->waiting =
        memory_resize_or_die(watch->waiting, (count + (size_t)1) * sizeof *watch->waiting);
    for (int ended = 0; ended <= 1; ended++)
        for (u32 i = 0; i < count; i++)
            if (phase_has_ended(watch->jobs.jobs[i].phase) == (ended == 1))
                fill_job(watch, &watch->jobs.jobs[i], used++, now_ms);
    paces_forget(&watch->job_paces, now_ms - LOOK_MS);
    watch->screen.jobs = watch->screen_jobs;
    watch->screen.job_count = used;
}

static const char *text_of(const json_t *worker, const char *name)
{
    const char *text = json_string_value(json_object_get(worker, name));

    return text ? text : "";
}

static s64 number_of(const json_t *worker, const char *name)
{
    return json_integer_value(json_object_get(worker, name));
}

static void fill_worker(struct watch *watch, const json_t *worker, s64 now_ms)
{
    struct progress_state state = {.now_ms = now_ms};
    struct progress_rate *rate = pace_of(&watch->worker_paces, text_of(worker, "id"));

    state.counters.value[COUNTER_bytes_moved] = number_of(worker, "bytes");
    progress_rate_update(rate, &state);
    watch->screen_workers[watch->screen.worker_count++] = (struct screen_worker){
        .id = text_of(worker, "id"),
        .role = text_of(worker, "role"),
        .host = text_of(worker, "host"),
        .state = text_of(worker, "state"),
        .lanes = number_of(worker, "lanes"),
        .busy = number_of(worker, "busy"),
        .done = number_of(worker, "done"),
        .bytes = number_of(worker, "bytes"),
        .bytes_per_s = rate->known ? (s64)rate->bytes_per_s : -1,
    };
}

static void fill_workers(struct watch *watch, s64 now_ms)
{
    watch->screen_workers =
        memory_resize_or_die(watch->screen_workers,
                             (json_array_size(watch->workers) + 1) * sizeof *watch->screen_workers);
    watch->screen.worker_count = 0;
    for (size_t i = 0; i < json_array_size(watch->workers); i++)
        fill_worker(watch, json_array_get(watch->workers, i), now_ms);
    paces_forget(&watch->worker_paces, now_ms - LOOK_MS);
    watch->screen.workers = watch->screen_workers;
}

static void look(struct watch *watch)
{
    s64 now_ms = clock_monotonic_ms();
    time_t now = time(NULL);
    struct tm local;

    look_at_postgres(watch);
    look_at_redis(watch);
    fill_jobs(watch, now_ms);
    fill_workers(watch, now_ms);
    localtime_r(&now, &local);
    strftime(watch->clock, sizeof watch->clock, "%H:%M:%S", &local);
}

/* ---- the loop ---- */

static int draw(const struct watch *watch, struct terminal *terminal, bool color)
{
    struct buf lines = {0};
    u32 columns, rows;
    int rc;

    terminal_size(terminal, &columns, &rows);
    screen_draw(&watch->screen, columns, rows, color, &lines);
    rc = terminal_show(terminal, &lines);
    buf_release(&lines);
    return rc;
}

/* Until q, a signal, or nobody is there. */
static void run(struct watch *watch, struct terminal *terminal, bool color)
{
    s64 looked_ms = 0;

    while (!interrupted) {
        s64 left = looked_ms + LOOK_MS - clock_monotonic_ms();
        int key;

        if (left <= 0) {
            looked_ms = clock_monotonic_ms();
            look(watch);
            left = LOOK_MS;
        }
        if (draw(watch, terminal, color) < 0)
            return;
        key = terminal_key(terminal, left);
        if (key < 0 || key == 'q' || key == 'Q')
            return;
    }
}

int status_watch(const struct ctl *ctl, struct session *session)
{
    const char *no_color = getenv("NO_COLOR");
    struct watch watch = {.session = session};
    struct terminal *terminal = NULL;
    struct err err;

    if (terminal_open(&terminal, &err) < 0)
        return ctl_fail(&err, "syncline status");
    watch.screen.stack =
        session->embedded ? session->layout.root : "named by SYNCLINE_DATABASE_URL";
    watch.screen.clock = watch.clock;
    interrupt_catch();
    run(&watch, terminal, !ctl->common.no_color && (!no_color || !no_color[0]));
    terminal_close(&terminal);
    job_list_release(&watch.jobs);
    json_decref(watch.workers);
    paces_forget(&watch.job_paces, INT64_MAX);
    paces_forget(&watch.worker_paces, INT64_MAX);
    free(watch.job_paces.paces);
    free(watch.worker_paces.paces);
    free(watch.waiting);
    free(watch.screen_jobs);
    free(watch.screen_workers);
    return interrupted ? EXIT_INTERRUPTED : EXIT_OK;
}
