/* schedule_fixture.h: plans in a database of a test, times of them that come when it says so, and
 * schedulers whose answers it reads. */
#ifndef SYNCLINE_TESTS_SCHEDULE_FIXTURE_H
#define SYNCLINE_TESTS_SCHEDULE_FIXTURE_H

#include "planner/schedule.h"
#include "truth_fixture.h"

#define WAIT_MS 20000

struct scheduler {
    struct schedule *schedule;
    struct queue *answers;
    struct truth_request *answer; /* that is being read */
    u32 read;
};

static inline struct scheduler scheduler_up(struct world *world, const char *name)
{
    struct scheduler scheduler = {.answers = queue_new()};

    scheduler.schedule = schedule_new(world->url, name, scheduler.answers);
    return scheduler;
}

static inline void scheduler_down(struct scheduler *scheduler)
{
    struct truth_request *left;

    schedule_destroy(&scheduler->schedule);
    truth_request_destroy(&scheduler->answer);
    while ((left = queue_take(scheduler->answers)) != NULL)
        truth_request_destroy(&left);
    queue_destroy(&scheduler->answers);
}

static inline void note_release(struct plan_note *note)
{
    struct plan_note *copy = memory_or_die(sizeof *copy);

    *copy = *note;
    plan_notes_free(copy, 1);
}

/* The next thing that was told, at most wait_ms from now; false if nothing was. */
static inline bool read_note(struct scheduler *scheduler, s64 wait_ms, struct plan_note *out)
{
    if (!scheduler->answer) {
        scheduler->answer = queue_wait(scheduler->answers, wait_ms);
        scheduler->read = 0;
        if (!scheduler->answer)
            return false;
        assert_int_equal(scheduler->answer->kind, TRUTH_SCHEDULE);
    }
    *out = scheduler->answer->plan_notes[scheduler->read];
    scheduler->answer->plan_notes[scheduler->read++] = (struct plan_note){0};
    if (scheduler->read == scheduler->answer->plan_note_count)
        truth_request_destroy(&scheduler->answer);
    return true;
}

static inline void next_note(struct scheduler *scheduler, struct plan_note *out)
{
    if (!read_note(scheduler, WAIT_MS, out))
        fail_msg("the scheduler tells nothing");
}

static inline u32 count_notes(struct scheduler *scheduler, s64 wait_ms)
{
    struct plan_note note;
    u32 count = 0;

    while (read_note(scheduler, wait_ms, &note)) {
        note_release(&note);
        count++;
    }
    return count;
}

static inline void wait_notes(struct scheduler *scheduler, u32 count)
{
    while (count-- > 0) {
        struct plan_note note;

        next_note(scheduler, &note);
        note_release(&note);
    }
}

/* ---- the database ---- */

struct question {
    struct world *world;
    const char *sql, *wanted;
};

static inline bool is_so(void *context)
{
    struct question *question = context;
    char *text = sql(question->world, "%s", question->sql);
    bool so = text && strcmp(text, question->wanted) == 0;

    free(text);
    return so;
}

static inline void wait_sql(struct world *world, const char *statement, const char *wanted)
{
    struct question question = {.world = world, .sql = statement, .wanted = wanted};

    if (!service_wait(is_so, &question, WAIT_MS))
        assert_sql(world, statement, wanted);
}

/* A plan with assets of its own, made an hour ago, of which nothing is due. */
static inline void add_plan(struct world *world, const char *name, const char *spec)
{
    run_sql(world,
            "INSERT INTO asset (name, spec, address) VALUES ('%s-src', '{}', 'dir:/src/%s'),"
            " ('%s-dst', '{}', 'dir:/dst/%s') ON CONFLICT DO NOTHING",
            name, name, name, name);
    run_sql(world,
            "INSERT INTO synchronization (name, kind, source, destination, spec) SELECT '%s',"
            " 'SynchronizationPlan', s.id, d.id, '%s' FROM asset s, asset d"
            " WHERE s.name = '%s-src' AND d.name = '%s-dst'",
            name, spec, name, name);
    run_sql(world,
            "INSERT INTO schedule (synchronization) SELECT id FROM synchronization"
            " WHERE name = '%s'",
            name);
    run_sql(world, "NOTIFY syncline_plans");
}

/* The moment is taken once nobody else is at the row. */
static inline void move_plan(struct world *world, const char *name, const char *made,
                             const char *looked)
{
    run_sql(world, "BEGIN");
    run_sql(world, "SELECT FROM synchronization WHERE name = '%s' FOR UPDATE", name);
    run_sql(world,
            "UPDATE synchronization SET created_at = date_trunc('milliseconds',"
            " clock_timestamp()) + interval '%s' WHERE name = '%s'",
            made, name);
    run_sql(world,
            "UPDATE schedule c SET next_due = '-infinity', looked_until = %s"
            " FROM synchronization s WHERE s.id = c.synchronization AND s.name = '%s'",
            looked, name);
    run_sql(world, "NOTIFY syncline_plans");
    run_sql(world, "COMMIT");
}

/* Of a plan of @every 1h: its next time is in so many milliseconds. */
static inline void time_comes(struct world *world, const char *name, s64 in_ms)
{
    char made[64];

    /* what is cut off of the moment must not make it one that was decided */
    snprintf(made, sizeof made, "-1 h %lld ms", (long long)in_ms + 1);
    move_plan(world, name, made, "c.looked_until");
}

/* The same: so many of its times passed, the last of them half an hour ago. */
static inline void times_passed(struct world *world, const char *name, u32 count)
{
    char made[64];

    snprintf(made, sizeof made, "-%u h -30 min", count);
    move_plan(world, name, made, "s.created_at");
}

/* The active job ends, as its planner would say it. */
static inline void end_active(struct world *world)
{
    run_sql(world, "WITH e AS (UPDATE job SET phase = 'Succeeded', finished_at = now(),"
                   " started_at = coalesce(started_at, now()), owner = NULL"
                   " WHERE phase IN ('Queued', 'Probing', 'Running', 'Closing') AND NOT waits"
                   " RETURNING name) SELECT pg_notify('syncline_job', name) FROM e");
}

/* Locks what the statement names until it is released. */
static struct postgres *holder;

static inline void hold(struct world *world, const char *statement)
{
    struct err err;

    assert_int_equal(postgres_connect(world->url, "holder", &holder, &err), 0);
    assert_int_equal(postgres_run(holder, "BEGIN", &err), 0);
    assert_int_equal(postgres_query(holder, statement, NULL, 0, NULL, &err), 0);
}

static inline void release(struct world *world)
{
    struct err err;

    (void)world;
    assert_int_equal(postgres_run(holder, "COMMIT", &err), 0);
    postgres_destroy(&holder);
}

#endif
