/* definitions_plans.c: what the command writes of plans: their rows in table schedule, and what a
 * time that waits for its turn holds up and what not. Against a real Postgres, without planners. */
#include "cron/times.h"
#include "definitions_fixture.h"
#include "schedule_fixture.h"

#define PLAN(more)                                                                                 \
    "---\napiVersion: syncline/v1\nkind: SynchronizationPlan\nmetadata: {name: nightly}\n"         \
    "spec: {source: one, destination: two, " more "}\n"
#define BOTH ASSET("one", "/src") ASSET("two", "/dst")
#define AT_TWO "schedule: 0 2 * * *"

/* nightly-NUMBER, a time of the plan as planners insert it. */
static void add_time(struct world *world, int number, bool waits, const char *phase)
{
    run_sql(world,
            "WITH s AS (UPDATE synchronization SET next_number = next_number + 1 RETURNING *)"
            " INSERT INTO job (name, synchronization, number, trigger, scheduled_for, start_by,"
            "  phase, waits, waiting_for, source_address, destination_address, destination_asset)"
            " SELECT 'nightly-%d', id, %d, 'schedule', date_trunc('day', now()) + %d * interval"
            "  '1 h', now() + interval '1 h', '%s', %s, CASE WHEN %s THEN 'job nightly-1, which"
            " still runs' END, 'dir:/src', 'dir:/dst', destination FROM s",
            number, number, number, phase, waits ? "true" : "false", waits ? "true" : "false");
}

/* As planners leave it: decided up to an hour ago, and the next time is known. */
static void tell(struct world *world)
{
    run_sql(world, "UPDATE schedule SET looked_until = now() - interval '1 h', problem = 'x',"
                   " next_at = now() + interval '1 h', next_due = now() + interval '1 h'");
}

#define LOOKED_AGAIN "SELECT next_due = '-infinity' FROM schedule"
#define BEGUN_ANEW                                                                                 \
    "SELECT looked_until > now() - interval '1 min' AND next_at IS NULL AND problem IS NULL"       \
    " AND next_due = '-infinity' FROM schedule"

/* Goal: a plan has its row, and comes anew if and only if it comes at other moments. Method: each
 * kind of change to a row as planners leave it; the default of a field, written out, is none. */
static void row_of_a_plan(void **state)
{
    struct world *world = *state;

    apply(world, BOTH PLAN(AT_TWO), "created created created");
    assert_sql(world, BEGUN_ANEW, "t");
    tell(world);
    apply(world, PLAN(AT_TWO), "unchanged");
    assert_sql(world, LOOKED_AGAIN, "f");
    apply(world, PLAN(AT_TWO ", overlap: skip, timezone: UTC, jitter: 0s"), "configured");
    assert_sql(world, LOOKED_AGAIN, "t");
    assert_sql(world, BEGUN_ANEW, "f");
    assert_sql(world, "SELECT looked_until < now() - interval '1 min' FROM schedule", "t");
    apply(world, PLAN("schedule: 0 3 * * *, overlap: skip"), "configured");
    assert_sql(world, BEGUN_ANEW, "t");
    tell(world);
    apply(world, PLAN("schedule: 0 3 * * *, timezone: Europe/Berlin"), "configured");
    assert_sql(world, BEGUN_ANEW, "t");
    tell(world);
    apply(world, PLAN("schedule: 0 3 * * *, timezone: Europe/Berlin, jitter: 5m"), "configured");
    assert_sql(world, LOOKED_AGAIN, "t");
    assert_sql(world,
               "SELECT looked_until < now() - interval '1 min' AND next_at IS NULL"
               " AND problem IS NULL FROM schedule",
               "t");
    assert_sql(world,
               "SELECT string_agg(message, ', ' ORDER BY id) FROM v_events WHERE message"
               " LIKE 'plan/%' AND id < 5",
               "plan/nightly created, plan/nightly configured");
    delete_one(world, DEFINITION_PLAN, "nightly", ERR_Ok, "");
    assert_sql(world, "SELECT count(*) FROM schedule", "0");
}

#define EVERY(jitter) PLAN("schedule: '@every 1h', jitter: " jitter)

/* Its time came so long ago, not counting jitter. */
static void came(struct world *world, s64 ago_ms)
{
    run_sql(world,
            "UPDATE synchronization SET created_at = date_trunc('milliseconds', clock_timestamp())"
            " - interval '1 h' - interval '%lld ms'",
            (long long)ago_ms);
    run_sql(world, "UPDATE schedule SET looked_until = clock_timestamp(), fired_from = NULL,"
                   " fired_until = NULL");
}

/* Goal: with another jitter no time is lost, and none is decided again. Method: a time that is
 * decided when the jitter has passed, which is none all at once; and one that is decided, has no
 * row, and would be due with the new one. */
static void other_jitter(void **state)
{
    struct world *world = *state;
    s64 jitter_ms = times_jitter_ms("nightly", 3540000);
    struct scheduler scheduler;

    assert_in_range(jitter_ms, 20000, 3540000);
    apply(world, BOTH EVERY("59m"), "created created created");
    came(world, 5000);
    apply(world, EVERY("0s"), "configured");
    scheduler = scheduler_up(world, "one");
    wait_sql(world,
             "SELECT count(*) FROM job j JOIN synchronization s ON s.id = j.synchronization"
             " WHERE j.scheduled_for = s.created_at + interval '1 h' AND j.phase = 'Queued'",
             "1");
    scheduler_down(&scheduler);
    run_sql(world, "DELETE FROM job");
    came(world, jitter_ms - 10000);
    apply(world, EVERY("59m"), "configured");
    scheduler = scheduler_up(world, "one");
    wait_sql(
        world,
        "SELECT c.next_at = s.created_at + interval '2 h' FROM schedule c JOIN synchronization s"
        " ON s.id = c.synchronization",
        "t");
    scheduler_down(&scheduler);
}

/* Goal: a plan that is made with a jitter and loses it at once has no time of before it was made.
 */
static void jitter_of_a_new_plan(void **state)
{
    struct world *world = *state;

    apply(world, BOTH EVERY("59m"), "created created created");
    apply(world, EVERY("0s"), "configured");
    assert_sql(world,
               "SELECT looked_until >= created_at FROM schedule JOIN synchronization ON id ="
               " synchronization",
               "t");
}

/* Goal: planners hear of it when it is committed, and not of what only looked. Method: LISTEN. */
static void planners_are_told(void **state)
{
    struct world *world = *state;
    char *channel = NULL, *payload = NULL;
    struct applied applied;
    struct err err;

    apply(world, BOTH, "created created");
    run_sql(world, "LISTEN syncline_plans");
    applied = apply_on(world->sql, PLAN(AT_TWO), true);
    assert_int_equal(applied.rc, 0);
    applied_release(&applied);
    assert_int_equal(postgres_wait_notify(world->sql, 0, &channel, &payload, &err), 0);
    assert_sql(world, "SELECT count(*) FROM schedule", "0");
    apply(world, PLAN(AT_TWO), "created");
    assert_int_equal(postgres_wait_notify(world->sql, 5000, &channel, &payload, &err), 1);
    assert_string_equal(channel, "syncline_plans");
    free(channel);
    free(payload);
}

/* Goal: a word of another kind finds nothing, and says what it is. Method: a plan's name as that of
 * a synchronization, and the other way round; a name that is only near. */
static void kinds_are_kept_apart(void **state)
{
    struct world *world = *state;
    enum definition_kind kind;
    struct err err;

    apply(world, BOTH ASSET("three", "/three") PLAN(AT_TWO) SYNC("copy", "one", "three", ""),
          "created created created created created");
    delete_one(world, DEFINITION_SYNCHRONIZATION, "nightly", ERR_NotFound,
               "there is no sync/nightly: it is a SynchronizationPlan, plan/nightly");
    delete_one(world, DEFINITION_PLAN, "copy", ERR_NotFound,
               "there is no plan/copy: it is a Synchronization, sync/copy");
    delete_one(world, DEFINITION_PLAN, "nightli", ERR_NotFound,
               "there is no plan named nightli; did you mean nightly?");
    refuse(world, SYNC("nightly", "one", "two", ""), ERR_Configuration,
           "sync/nightly is a SynchronizationPlan, and kinds do not change; choose another name, "
           "or first: syncline delete plan/nightly");
    assert_int_equal(definitions_kind(world->sql, "nightly", &kind, &err), 0);
    assert_int_equal(kind, DEFINITION_PLAN);
    assert_int_equal(definitions_kind(world->sql, "copi", &kind, &err), -1);
    assert_non_null(strstr(err.text, "no synchronization named copi; did you mean copy?"));
    delete_one(world, DEFINITION_ASSET, "two", ERR_InUse, "is used by a synchronization: nightly");
}

/* Goal: a time that waits relies on nothing: definitions change and a job starts beside it. Method:
 * one that waits, alone and beside an active job; it goes with its plan. */
static void waiting_holds_up_nothing(void **state)
{
    struct world *world = *state;
    char uid[UUID_SIZE], *job = NULL;
    struct err err;

    apply(world, BOTH ASSET("three", "/three") PLAN(AT_TWO), "created created created created");
    add_time(world, 1, true, "Queued");
    apply(world, ASSET("one", "/elsewhere"), "configured!");
    run_sql(world, "UPDATE synchronization SET next_number = 7");
    job = start_one(world, "nightly");
    assert_string_equal(job, "nightly-7");
    free(job);
    job = NULL;
    jobs_new_uid(uid);
    assert_int_equal(jobs_start(world->sql, "nightly", NULL, uid, &job, &err), -1);
    assert_int_equal(err.code, ERR_ActiveJob);
    assert_string_equal(job, "nightly-7"); /* and not the one that waits */
    free(job);
    job = NULL;
    assert_int_equal(jobs_resolve(world->sql, "nightly", &job, &err), 0);
    assert_string_equal(job, "nightly-7");
    free(job);
    refuse(world, ASSET("two", "/two"), ERR_ActiveJob, "while job nightly-7 is active");
    run_sql(world, "UPDATE job SET phase = 'Succeeded', finished_at = now() WHERE number = 7");
    delete_one(world, DEFINITION_PLAN, "nightly", ERR_Ok, "");
    assert_sql(world, "SELECT count(*) FROM job", "0");
}

/* Goal: what waits is asked to end, and nothing beside it. Method: both of two, one after the
 * other. */
static void cancelled_while_it_waits(void **state)
{
    struct world *world = *state;
    struct job job;
    struct err err;
    bool ended;

    apply(world, BOTH PLAN(AT_TWO), "created created created");
    add_time(world, 1, false, "Running");
    add_time(world, 2, true, "Queued");
    assert_int_equal(jobs_read(world->sql, "nightly-2", &job, &err), 0);
    assert_true(job.waits);
    assert_non_null(job.start_by);
    job_release(&job);
    assert_int_equal(jobs_cancel(world->sql, "nightly-2", &ended, &err), 0);
    assert_false(ended);
    assert_sql(world, "SELECT string_agg(cancel_requested::text, ' ' ORDER BY number) FROM job",
               "false true");
    assert_int_equal(jobs_cancel(world->sql, "nightly-1", &ended, &err), 0);
    assert_false(ended);
    assert_sql(world, "SELECT bool_and(cancel_requested)::text FROM job", "true");
    assert_int_equal(jobs_cancel(world->sql, "nightly-4", &ended, &err), -1);
    assert_int_equal(err.code, ERR_NotFound);
}

/* Goal: a job that is approved, long after its starting deadline, is one as any other: it does not
 * end for a worker or an asset that is away for a moment. */
static void approved_has_no_deadline(void **state)
{
    struct world *world = *state;
    struct err err;

    apply(world, BOTH PLAN(AT_TWO), "created created created");
    add_time(world, 1, false, "Failed");
    run_sql(world, "UPDATE job SET reason = 'SourceChanged', start_by = now() - interval '1 day',"
                   " started_at = now() - interval '1 day', finished_at = now()");
    assert_int_equal(jobs_approve(world->sql, "nightly-1", &err), 0);
    assert_sql(world, "SELECT phase || ' ' || (start_by IS NULL) FROM job", "Queued true");
}

/* Goal: up to when it was suspended is known, and only of one that was. Method: suspend and resume,
 * each twice; which job is said to go on. */
static void resumed_from_then_on(void **state)
{
    struct world *world = *state;
    char *active = NULL;
    struct err err;
    bool was;

    apply(world, BOTH PLAN(AT_TWO), "created created created");
    tell(world);
    assert_int_equal(jobs_suspend(world->sql, "nightly", false, &was, &active, &err), 0);
    assert_sql(world, "SELECT resumed_at IS NULL AND next_due > now() FROM schedule", "t");
    add_time(world, 1, true, "Queued");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(jobs_suspend(world->sql, "nightly", true, &was, &active, &err), 0);
        assert_int_equal(was, i == 1);
        assert_null(active); /* what waits does not go on */
    }
    assert_sql(world, "SELECT next_at IS NULL FROM v_plans", "t");
    assert_int_equal(jobs_suspend(world->sql, "nightly", false, &was, &active, &err), 0);
    assert_sql(world,
               "SELECT resumed_at > now() - interval '1 min' AND next_due = '-infinity'"
               " FROM schedule",
               "t");
    run_sql(world, "UPDATE schedule SET resumed_at = NULL");
    assert_int_equal(jobs_suspend(world->sql, "nightly", false, &was, &active, &err), 0);
    assert_true(was);
    assert_sql(world, "SELECT resumed_at IS NULL FROM schedule", "t");
}

int main(void)
{
#define SCHEDULE_TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        SCHEDULE_TEST(row_of_a_plan),
        SCHEDULE_TEST(other_jitter),
        SCHEDULE_TEST(jitter_of_a_new_plan),
        SCHEDULE_TEST(planners_are_told),
        SCHEDULE_TEST(kinds_are_kept_apart),
        SCHEDULE_TEST(waiting_holds_up_nothing),
        SCHEDULE_TEST(cancelled_while_it_waits),
        SCHEDULE_TEST(approved_has_no_deadline),
        SCHEDULE_TEST(resumed_from_then_on),
    };

    return cmocka_run_group_tests(tests, services_up, NULL);
}
