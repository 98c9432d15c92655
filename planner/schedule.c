/* schedule.c: the thread of schedule.h: its session, what wakes it, and what it does then.
 *
 * How: each step is a transaction that decides by what is in Postgres at that moment, by Postgres'
 * clock. So it can be done again, by anybody, at any time: a planner that dies, a connection that
 * is lost, or a wake-up that comes for nothing changes no outcome. */
#include "planner/schedule.h"

#include "base/clock.h"
#include "base/log.h"
#include "planner/schedule_parts.h"
#include "planner/truth_ledger.h"
#include "planner/truth_thread.h"

#include <poll.h>
#include <stdlib.h>

#define LOOK_MS 1000 /* what nobody tells: deadlines, zones, a clock that was set */
#define LOCKED_MOST_MS 100
#define END_GRACE_MS 1000
#define RACED_MS 1000 /* until a plan that was put aside is looked at again */
#define PROBLEM_MS 60000
#define UNIQUE_VIOLATION "23505"

struct schedule {
    char *url;
    char *name;
    struct truth_thread thread;

    /* of the thread only */
    struct schedule_step step;
    u32 limit;     /* plans in one transaction: fewer after one that was refused */
    bool turns;    /* somebody may have his turn */
    s64 looked_ms; /* when it was last looked for what nobody tells */
    s64 next_ms;   /* when something is due; monotonic. 0: nothing is */
    char *untold;  /* plans that were locked when all were to be told anew */
    s64 locked_ms; /* what is due is locked by somebody: so long until it is looked again */
};

/* ---- the session ---- */

static int retell_all(struct schedule *schedule, struct err *err)
{
    free(schedule->untold);
    schedule->untold = NULL;
    return schedule_retell(schedule->step.postgres, &schedule->untold, err);
}

static void disconnect(struct schedule *schedule)
{
    truth_thread_disconnect(&schedule->thread, &schedule->step.postgres);
}

static int open_session(struct schedule *schedule, struct err *err)
{
    struct postgres *postgres = schedule->step.postgres;

    /* a planner that is stopped in the middle gives its plans to others before they are late */
    if (ledger_configure(postgres, err) < 0 ||
        postgres_run(postgres, "SET idle_in_transaction_session_timeout = '5s'", err) < 0 ||
        postgres_run(postgres, "LISTEN syncline_plans; LISTEN syncline_jobs; LISTEN syncline_job",
                     err) < 0)
        return -1;
    /* what was told with other zones, or by a clock that was another one */
    return retell_all(schedule, err);
}

static int connect_once(struct schedule *schedule, struct err *err)
{
    struct buf application = {0};
    int rc;

    buf_printf(&application, "syncline-planner %s schedule", schedule->name);
    rc = postgres_connect(schedule->url, buf_text(&application), &schedule->step.postgres, err);
    buf_release(&application);
    if (rc < 0)
        return -1;
    truth_thread_connected(&schedule->thread, schedule->step.postgres);
    if (open_session(schedule, err) < 0) {
        disconnect(schedule);
        return -1;
    }
    schedule->turns = true;
    schedule->looked_ms = 0;
    return 0;
}

static void note_success(struct schedule *schedule)
{
    if (atomic_exchange(&schedule->thread.degraded, false))
        log_write(LOG_INFO, NULL, EVENT_connected, "service=postgres for=schedule");
    schedule->thread.backoff_ms = 0;
}

/* ---- what is told ---- */

/* What was committed goes to the loop. */
static void tell(struct schedule *schedule)
{
    struct truth_request *answer;

    if (schedule->step.note_count == 0)
        return;
    answer = memory_or_die(sizeof *answer);
    answer->kind = TRUTH_SCHEDULE;
    answer->plan_notes = schedule->step.notes;
    answer->plan_note_count = schedule->step.note_count;
    schedule->step.notes = NULL;
    schedule->step.note_count = 0;
    queue_put(schedule->thread.answers, answer);
}

/* A step that failed is undone: what it would have told is not so. */
static void undo(struct schedule *schedule)
{
    struct postgres *postgres = schedule->step.postgres;
    struct err ignored;

    schedule_step_clear(&schedule->step);
    if (postgres_is_alive(postgres) && PQtransactionStatus(postgres_raw(postgres)) != PQTRANS_IDLE)
        postgres_run(postgres, "ROLLBACK", &ignored);
}

/* ---- steps ---- */

typedef int step_function(struct schedule_step *step, struct err *err);

/* What Postgres refuses of one row is refused of all that are in its transaction: one at a time
 * they go on, past that one. False: no row is to blame. */
static bool go_around(struct schedule *schedule, struct err *err)
{
    struct schedule_step *step = &schedule->step;
    bool raced = strcmp(postgres_sqlstate(step->postgres), UNIQUE_VIOLATION) == 0;

    if (err->code != ERR_PostgresRefused || step->last == step->after)
        return false;
    undo(schedule);
    if (step->limit == 1) {
        if (!raced)
            log_error(NULL, EVENT_failure, err);
        step->after = step->last;
    }
    step->limit = 1;
    return true;
}

/* Each row once, at most a batch of them at a time. */
static int walk(struct schedule *schedule, step_function *function, struct err *err)
{
    struct schedule_step *step = &schedule->step;
    u32 limit;
    int count;

    step->after = 0;
    step->limit = PLAN_BATCH;
    do {
        limit = step->limit;
        step->last = step->after;
        count = function(step, err);
        if (count < 0 && !go_around(schedule, err))
            return -1;
        if (count < 0)
            continue;
        tell(schedule);
        step->after = step->last;
        step->limit = limit * 2 < PLAN_BATCH ? limit * 2 : PLAN_BATCH;
    } while ((count < 0 || (u32)count == limit) && !truth_thread_stops(&schedule->thread));
    return 0;
}

/* A statement that Postgres refuses would be refused for ever: one plan at a time shows which it
 * is, and the others go on. But for a job that was begun between two statements, which is seen the
 * next time: soon, but not before others had theirs. */
static int isolate(struct schedule *schedule, u32 limit, struct err *err)
{
    bool raced = strcmp(postgres_sqlstate(schedule->step.postgres), UNIQUE_VIOLATION) == 0;

    undo(schedule);
    schedule->limit = 1;
    if (limit > 1 || schedule->step.plan == 0)
        return 0;
    if (!raced)
        log_write(LOG_ERROR, NULL, EVENT_plan_problem, "id=%llu message=%s",
                  (unsigned long long)schedule->step.plan, log_text(err->text));
    return schedule_put_aside(schedule->step.postgres, schedule->step.plan, err->text,
                              raced ? RACED_MS : PROBLEM_MS, err);
}

/* For a while: what waits is to have its turn also where more comes than can be decided. */
static int decide_due(struct schedule *schedule, u32 *done, struct err *err)
{
    s64 until_ms = clock_monotonic_ms() + LOOK_MS;
    u32 limit;
    int count;

    *done = 0;
    do {
        limit = schedule->limit;
        count = schedule_due(&schedule->step, limit, err);
        if (count < 0)
            return err->code == ERR_PostgresRefused ? isolate(schedule, limit, err) : -1;
        tell(schedule);
        *done += (u32)count;
        schedule->limit = limit * 2 < PLAN_BATCH ? limit * 2 : PLAN_BATCH;
    } while ((u32)count == limit && clock_monotonic_ms() < until_ms &&
             !truth_thread_stops(&schedule->thread));
    return 0;
}

static int look_after(struct schedule *schedule, struct err *err)
{
    if (walk(schedule, schedule_expire, err) < 0 || walk(schedule, schedule_turn, err) < 0 ||
        schedule_replace(&schedule->step, err) < 0)
        return -1;
    schedule->turns = false;
    return 0;
}

static int refresh_zones(struct schedule *schedule, struct err *err)
{
    u32 count = zones_refresh(schedule->step.zones);

    if (count == 0)
        return schedule->untold ? schedule_retell(schedule->step.postgres, &schedule->untold, err)
                                : 0;
    log_write(LOG_INFO, NULL, EVENT_zone_changed, "zones=%u", count);
    return retell_all(schedule, err);
}

/* What is due and was not to be had is locked by another planner, or by who changes it: soon. */
static void set_next(struct schedule *schedule, s64 left_ms, u32 done)
{
    if (left_ms > 0 || done > 0)
        schedule->locked_ms = 0;
    else if (left_ms == 0)
        schedule->locked_ms = schedule->locked_ms == 0                   ? 1
                              : schedule->locked_ms * 2 < LOCKED_MOST_MS ? schedule->locked_ms * 2
                                                                         : LOCKED_MOST_MS;
    if (left_ms == 0)
        left_ms = schedule->locked_ms;
    schedule->next_ms = left_ms < 0 ? 0 : clock_monotonic_ms() + left_ms;
}

static int pass(struct schedule *schedule, struct err *err)
{
    s64 now_ms = clock_monotonic_ms(), left_ms;
    bool look = schedule->looked_ms == 0 || now_ms - schedule->looked_ms >= LOOK_MS;
    u32 done;

    if (look &&
        (refresh_zones(schedule, err) < 0 || schedule_set_back(schedule->step.postgres, err) < 0))
        return -1;
    if (decide_due(schedule, &done, err) < 0)
        return -1;
    if ((look || schedule->turns || done > 0) && look_after(schedule, err) < 0)
        return -1;
    if (look)
        schedule->looked_ms = now_ms;
    if (schedule_next(&schedule->step, &left_ms, err) < 0)
        return -1;
    set_next(schedule, left_ms, done);
    return 0;
}

/* ---- the thread ---- */

static void take_notifications(struct schedule *schedule)
{
    char *channel, *payload;
    struct err err;

    while (postgres_wait_notify(schedule->step.postgres, 0, &channel, &payload, &err) > 0) {
        if (strcmp(channel, "syncline_plans") == 0)
            schedule->next_ms = 1; /* now */
        else
            schedule->turns = true;
        free(channel);
        free(payload);
    }
}

static void sleep_until_something(struct schedule *schedule)
{
    struct pollfd wait[] = {{.fd = schedule->thread.stop_fd, .events = POLLIN},
                            {.fd = postgres_fd(schedule->step.postgres), .events = POLLIN}};
    s64 now_ms = clock_monotonic_ms();
    s64 left = schedule->looked_ms + LOOK_MS - now_ms;

    if (schedule->next_ms && schedule->next_ms - now_ms < left)
        left = schedule->next_ms - now_ms;
    if (!schedule->turns)
        poll(wait, COUNT_OF(wait), left > 0 ? (int)left : 0);
    take_notifications(schedule);
}

/* One that may pass by itself is no news, nor is that a job was begun between two statements. */
static void note_failure(struct schedule *schedule, const struct err *err)
{
    bool raced = err->code == ERR_PostgresRefused && schedule->step.postgres &&
                 strcmp(postgres_sqlstate(schedule->step.postgres), UNIQUE_VIOLATION) == 0;

    if (err->code == ERR_PostgresUnavailable)
        truth_thread_degraded(&schedule->thread, err);
    else if (!raced)
        log_error(NULL, EVENT_failure, err);
}

static void *run(void *context)
{
    struct schedule *schedule = context;
    struct err err;

    while (!truth_thread_stops(&schedule->thread)) {
        bool alive = schedule->step.postgres && postgres_is_alive(schedule->step.postgres);

        if (!alive)
            disconnect(schedule);
        if ((alive || connect_once(schedule, &err) == 0) && pass(schedule, &err) == 0) {
            note_success(schedule);
            take_notifications(schedule);
            sleep_until_something(schedule);
            continue;
        }
        note_failure(schedule, &err);
        if (schedule->step.postgres)
            undo(schedule);
        if (!truth_thread_stops(&schedule->thread))
            truth_thread_back_off(&schedule->thread);
    }
    disconnect(schedule);
    schedule_step_clear(&schedule->step);
    return NULL;
}

struct schedule *schedule_new(const char *database_url, const char *name, struct queue *answers)
{
    struct schedule *schedule = memory_or_die(sizeof *schedule);

    schedule->url = text_copy(database_url);
    schedule->name = text_copy(name);
    schedule->limit = PLAN_BATCH;
    schedule->step.zones = zones_new();
    truth_thread_begin(&schedule->thread, answers, run, schedule);
    return schedule;
}

void schedule_destroy(struct schedule **schedule_address)
{
    struct schedule *schedule = *schedule_address;

    if (!schedule)
        return;
    truth_thread_stop(&schedule->thread, END_GRACE_MS);
    truth_thread_release(&schedule->thread);
    zones_destroy(&schedule->step.zones);
    free(schedule->untold);
    free(schedule->url);
    free(schedule->name);
    free(schedule);
    *schedule_address = NULL;
}
