/* wait.c: see wait.h. NOTIFY says that the job is in another phase, a look each second makes sure,
 * and Redis only feeds the eye. A lost connection to Postgres is made again; a planner that is gone
 * is another's task. */
#include "ctl/wait.h"

#include "base/clock.h"
#include "schema/limits.h"
#include "ctl/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define LOOK_MS 1000
#define STEP_MS 50
#define RECONNECT_MS 200
#define AWAY_MS 60000
#define QUEUED_MS 10000

struct waiting {
    struct session *session;
    const char *name;
    const struct wait_options *options;
    struct progress *progress;
    s64 started_ms, lost_ms, queued_ms;
};

/* 0: connected; 1: not now, try again; -1: away for too long. */
static int reconnect(struct waiting *waiting, struct err *err)
{
    struct session *session = waiting->session;
    s64 now = clock_monotonic_ms();

    if (session->postgres && postgres_is_alive(session->postgres)) {
        waiting->lost_ms = 0;
        return 0;
    }
    if (session_connect(session, err) == 0 &&
        postgres_run(session->postgres, "LISTEN syncline_job", err) == 0) {
        if (waiting->lost_ms && waiting->options->verbose)
            fprintf(stderr, "Postgres is there again\n");
        waiting->lost_ms = 0;
        return 0;
    }
    postgres_destroy(&session->postgres);
    if (err->code == ERR_SchemaVersion || err->code == ERR_Configuration)
        return -1;
    if (!waiting->lost_ms) {
        waiting->lost_ms = now;
        if (waiting->options->verbose)
            fprintf(stderr, "Postgres is away: %s\n", err->text);
    }
    if (now - waiting->lost_ms > AWAY_MS)
        return -1;
    usleep(RECONNECT_MS * 1000);
    return 1;
}

static int check_queued(struct waiting *waiting, const struct job *job, struct err *err)
{
    s64 now = clock_monotonic_ms();
    bool alive = true;

    if (job->phase != PHASE_Queued) {
        waiting->queued_ms = 0;
        return 0;
    }
    if (!waiting->queued_ms)
        waiting->queued_ms = now;
    if (now - waiting->queued_ms < QUEUED_MS)
        return 0;
    if (jobs_planner_alive(waiting->session->postgres, &alive, err) < 0)
        return 0; /* that is for reconnect */
    waiting->queued_ms = now;
    return alive ? 0
                 : err_set(err, ERR_PlannerUnavailable,
                           "no planner is running, so %s stays Queued; it runs "
                           "when one is started",
                           job->name);
}

static void show(struct waiting *waiting, const struct job *job)
{
    struct view *view = waiting->options->progress ? session_view(waiting->session) : NULL;
    char waiting_for[WAITING_FOR_BYTES] = "";
    struct progress_state state = {.job = job->name,
                                   .phase = job->phase,
                                   .scan_complete = job->scan_complete,
                                   .counters = job->counters,
                                   .waiting_for = job->waiting_for,
                                   .now_ms = clock_monotonic_ms()};
    struct progress_state seen = state;

    if (view && view_job(view, job->name, &seen.phase, &seen.scan_complete, &seen.counters,
                         waiting_for, sizeof waiting_for)) {
        seen.waiting_for = waiting_for;
        state = seen;
    }
    progress_show(waiting->progress, &state);
}

/* Until something may have changed: a NOTIFY about this job, a second, a signal. */
static void pause_for_news(struct waiting *waiting, const struct job *job)
{
    s64 until = clock_monotonic_ms() + LOOK_MS;
    struct err ignored;

    while (!interrupted && clock_monotonic_ms() < until) {
        char *channel = NULL, *payload = NULL;
        int got;
        bool ours;

        show(waiting, job);
        got =
            postgres_wait_notify(waiting->session->postgres, STEP_MS, &channel, &payload, &ignored);
        ours = got > 0 && payload && strcmp(payload, waiting->name) == 0;
        free(channel);
        free(payload);
        if (got < 0 || ours)
            return;
    }
}

static int wait_loop(struct waiting *waiting, struct job *out, struct err *err)
{
    for (;;) {
        int result = reconnect(waiting, err);

        if (result < 0)
            return -1;
        if (interrupted)
            return err_set(err, ERR_Cancelled, "interrupted");
        if (result > 0)
            continue;
        if (jobs_read(waiting->session->postgres, waiting->name, out, err) < 0) {
            if (err->code != ERR_PostgresUnavailable)
                return -1;
            postgres_destroy(&waiting->session->postgres);
            continue;
        }
        if (phase_has_ended(out->phase))
            return 0;
        if (check_queued(waiting, out, err) < 0)
            return -1;
        if (waiting->options->timeout_ms >= 0 &&
            clock_monotonic_ms() - waiting->started_ms >= waiting->options->timeout_ms)
            return err_set(err, ERR_TimedOut, "%s has not ended in time; it is %s and goes on",
                           waiting->name, phase_name(out->phase));
        pause_for_news(waiting, out);
        job_release(out);
    }
}

int wait_for_job(struct session *session, const char *name, const struct wait_options *options,
                 struct job *out, struct err *err)
{
    struct waiting waiting = {
        .session = session, .name = name, .options = options, .started_ms = clock_monotonic_ms()};
    struct err ignored;
    int result;

    *out = (struct job){0};
    waiting.progress = progress_new(options->progress);
    if (session->postgres)
        postgres_run(session->postgres, "LISTEN syncline_job",
                     &ignored); /* a failure shows in the loop */
    result = wait_loop(&waiting, out, err);
    progress_destroy(&waiting.progress);
    if (result < 0)
        job_release(out);
    return result;
}

int wait_failed(const struct err *err, const char *name)
{
    char next[200];

    if (err->code == ERR_Cancelled)
        fprintf(
            stderr,
            "syncline: interrupted; %s goes on\n  next: syncline wait %s, or syncline cancel %s\n",
            name, name, name);
    if (err->code == ERR_Cancelled)
        return EXIT_INTERRUPTED;
    snprintf(next, sizeof next, "syncline wait %s, or syncline cancel %s", name, name);
    if (err->code == ERR_PlannerUnavailable)
        snprintf(next, sizeof next,
                 "start syncline-planner (or `syncline up`), then syncline wait %s", name);
    return ctl_fail(err, err->code == ERR_NotFound ? "syncline get jobs --all" : next);
}

int wait_read_options(const struct ctl *ctl, const char *progress, const char *timeout,
                      struct wait_options *out, struct err *err)
{
    *out = (struct wait_options){.timeout_ms = -1, .verbose = ctl->common.verbose};
    if (timeout && option_duration("--timeout", timeout, &out->timeout_ms, err) < 0)
        return -1;
    return progress_mode(progress, ctl->common.quiet, &out->progress, err);
}
