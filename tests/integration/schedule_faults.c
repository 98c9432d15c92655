/* schedule_faults.c: what must not keep a plan, or another one, from its times: locks that are
 * held, rows that Postgres refuses, what others took or do not know. A real Postgres, threads of
 * the scheduler alone (schedule_fixture.h). */
#include "schedule_fixture.h"

#include <signal.h>
#include <sys/wait.h>

#define ROWS                                                                                       \
    "SELECT string_agg(name || ' ' || CASE WHEN waits THEN 'waits' ELSE coalesce(reason,"          \
    " phase::text) END, ', ' ORDER BY name) FROM job"

/* ---- jobs that nobody would have taken ---- */

/* Goal: who is asked to end before anybody had room for it ends, also after its starting deadline;
 * else it would be in the way of its plan for ever. */
static void test_cancelled_beyond_its_deadline(void **state)
{
    struct world *world = *state;
    struct scheduler one = scheduler_up(world, "one");
    struct planner_end planner;
    struct truth_request *claims;

    add_plan(world, "p", "{\"schedule\": \"@every 1h\", \"overlap\": \"replace\"}");
    time_comes(world, "p", 0);
    wait_notes(&one, 1);
    time_comes(world, "p", 0);
    wait_notes(&one, 1);
    wait_sql(world, "SELECT cancel_requested FROM job WHERE name = 'p-1'", "t");
    run_sql(world, "UPDATE job SET start_by = now() - interval '1 s' WHERE name = 'p-1'");
    planner = planner_up(world, "one");
    claims = claim_up_to(&planner, 10);
    assert_int_equal(claims->claim_count, 1);
    assert_true(claims->claims[0].cancel_requested);
    truth_request_destroy(&claims);
    planner_down(&planner);
    scheduler_down(&one);
}

#define BATCH_TEXT "256" /* PLAN_BATCH */

/* Goal: a planner that does not know of waiting takes what waits, and can do nothing with it: it
 * has its turn all the same, or its deadline passes, and the scheduler does not go in circles. */
static void test_taken_while_it_waits(void **state)
{
    struct world *world = *state;
    struct scheduler one;

    run_sql(world, "INSERT INTO asset (name, spec, address) VALUES ('a', '{}', 'dir:/a'),"
                   " ('b', '{}', 'dir:/b')");
    run_sql(world, "INSERT INTO planner (name, host, pid) VALUES ('old', 'h', 1)");
    run_sql(world,
            "INSERT INTO synchronization (name, kind, source, destination, spec, next_number)"
            " SELECT 'p' || n, 'SynchronizationPlan', a.id, b.id, '{\"schedule\": \"@every 1h\"}',"
            " 2 FROM generate_series(1, " BATCH_TEXT " + 1) n, asset a, asset b"
            " WHERE a.name = 'a' AND b.name = 'b'");
    run_sql(world, "INSERT INTO schedule (synchronization) SELECT id FROM synchronization");
    run_sql(world,
            "INSERT INTO job (name, synchronization, number, trigger, source_address, waits,"
            " destination_address, destination_asset, scheduled_for, start_by, owner, started_at,"
            " lease_until) SELECT s.name || '-1', s.id, 1, 'schedule', 'a', true, 'b',"
            " s.destination, now(), now() + CASE s.name WHEN 'p" BATCH_TEXT "'"
            "  THEN interval '1 h' ELSE interval '-1 s' END, p.id, now(), now() + interval '1 h'"
            " FROM synchronization s, planner p");
    one = scheduler_up(world, "one");
    wait_sql(world,
             "SELECT count(*) FILTER (WHERE reason = 'DeadlineExceeded') || ' ' || count(*) FILTER"
             " (WHERE NOT waits AND phase = 'Queued' AND owner IS NULL AND started_at IS NULL"
             "  AND lease_until IS NULL) FROM job",
             BATCH_TEXT " 1");
    scheduler_down(&one);
}

/* ---- what Postgres refuses, and what is locked ---- */

/* Goal: a plan that cannot have its row, as the number of it is taken, keeps no other plan from its
 * times, and comes when it can. */
static void test_number_is_taken(void **state)
{
    struct world *world = *state;
    struct scheduler one;

    add_plan(world, "bad", "{\"schedule\": \"@every 1h\"}");
    add_plan(world, "q", "{\"schedule\": \"@every 1h\"}");
    run_sql(world, "INSERT INTO job (name, synchronization, number, source_address,"
                   " destination_address, destination_asset, phase, finished_at) SELECT 'taken',"
                   " id, 1, 'a', 'b', destination, 'Succeeded', now() FROM synchronization"
                   " WHERE name = 'bad'");
    times_passed(world, "bad", 1);
    times_passed(world, "q", 1);
    one = scheduler_up(world, "one");
    wait_notes(&one, 1);
    assert_sql(world, ROWS, "q-1 Queued, taken Succeeded");
    run_sql(world, "DELETE FROM job WHERE name = 'taken'");
    wait_notes(&one, 1);
    assert_sql(world, ROWS, "bad-1 Queued, q-1 Queued");
    wait_sql(world, "SELECT count(problem) FROM schedule", "0");
    scheduler_down(&one);
}

/* Goal: who begins while the schedule of a plan is locked does not wait for it; that plan is told
 * anew when it is free. Method: it was told with another zone, so that it is never due. */
static void test_begins_while_locked(void **state)
{
    struct world *world = *state;
    struct scheduler one;

    add_plan(world, "p", "{\"schedule\": \"@every 1h\"}");
    add_plan(world, "q", "{\"schedule\": \"@every 1h\"}");
    run_sql(world, "UPDATE schedule SET next_due = 'infinity'");
    hold(world, "SELECT FROM schedule c JOIN synchronization s ON s.id = c.synchronization"
                " WHERE s.name = 'p' FOR UPDATE OF c");
    one = scheduler_up(world, "one");
    wait_sql(world,
             "SELECT next_at IS NOT NULL FROM schedule JOIN synchronization ON id ="
             " synchronization WHERE name = 'q'",
             "t");
    time_comes(world, "q", 0);
    wait_notes(&one, 1);
    release(world);
    wait_sql(world, "SELECT count(next_at) FROM schedule WHERE next_due < 'infinity'", "2");
    scheduler_down(&one);
}

/* Goal: a planner that is stopped in the middle of a transaction keeps plans from others for a few
 * seconds only, less than what makes a time a missed one. Method: a process of its own, stopped
 * where it waits for a lock that is then released. */
static void test_stopped_in_the_middle(void **state)
{
    struct world *world = *state;
    struct scheduler two;
    s64 began_ms;
    pid_t child;

    add_plan(world, "p", "{\"schedule\": \"@every 1h\"}");
    hold(world, "LOCK TABLE event IN EXCLUSIVE MODE");
    child = fork();
    if (child == 0) {
        (void)scheduler_up(world, "one");
        for (;;)
            pause();
    }
    assert_true(child > 0);
    time_comes(world, "p", 0);
    wait_sql(world,
             "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE '% schedule'"
             " AND datname = current_database() AND wait_event_type = 'Lock'",
             "1");
    kill(child, SIGSTOP);
    began_ms = clock_monotonic_ms();
    release(world);
    two = scheduler_up(world, "two");
    wait_notes(&two, 1);
    assert_true(clock_monotonic_ms() - began_ms < PLAN_LATE_MS);
    assert_sql(world, "SELECT string_agg(name || ' ' || phase, ', ') FROM job", "p-1 Queued");
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
    scheduler_down(&two);
}

/* Goal: what waits has its turn also where more times come than can be decided. Method: plans of
 * each second, and a Postgres that takes half a second for a batch of them. */
static void test_more_than_can_be_decided(void **state)
{
    struct world *world = *state;
    struct scheduler one;

    add_plan(world, "w", "{\"schedule\": \"@every 1h\"}");
    run_sql(world, "INSERT INTO job (name, synchronization, number, trigger, source_address, waits,"
                   " destination_address, destination_asset, scheduled_for, start_by) SELECT 'w-1',"
                   " id, 1, 'schedule', 'a', true, 'b', destination, now(), now() + interval '1 h'"
                   " FROM synchronization");
    run_sql(world, "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS"
                   " 'BEGIN PERFORM pg_sleep(0.5); RETURN NULL; END'");
    run_sql(world, "CREATE TRIGGER slow AFTER INSERT ON job EXECUTE FUNCTION slow()");
    run_sql(world, "INSERT INTO synchronization (name, kind, source, destination, spec, created_at)"
                   " SELECT 'p' || n, 'SynchronizationPlan', source, destination,"
                   " '{\"schedule\": \"@every 1s\", \"historyLimit\": 1}', now() - interval '1 min'"
                   " FROM generate_series(1, 700) n, synchronization WHERE name = 'w'");
    run_sql(world, "INSERT INTO schedule (synchronization, looked_until) SELECT id, now() -"
                   " interval '10 s' FROM synchronization WHERE name <> 'w'");
    one = scheduler_up(world, "one");
    wait_sql(world, "SELECT waits FROM job WHERE name = 'w-1'", "f");
    scheduler_down(&one);
}

/* Goal: each time has one row, whatever becomes of the sessions of those who write it. Method:
 * three schedulers whose backends are ended again and again, wherever they are, while plans come
 * each second. */
static void test_sessions_end(void **state)
{
    struct world *world = *state;
    struct scheduler three[3];

    run_sql(world, "INSERT INTO asset (name, spec, address) VALUES ('a', '{}', 'dir:/a'),"
                   " ('b', '{}', 'dir:/b')");
    run_sql(world,
            "INSERT INTO synchronization (name, kind, source, destination, spec)"
            " SELECT 'p' || n, 'SynchronizationPlan', a.id, b.id, '{\"schedule\": \"@every 1s\","
            " \"historyLimit\": 1000}' FROM generate_series(1, 50) n, asset a, asset b"
            " WHERE a.name = 'a' AND b.name = 'b'");
    run_sql(world, "INSERT INTO schedule (synchronization) SELECT id FROM synchronization");
    for (u32 i = 0; i < 3; i++)
        three[i] = scheduler_up(world, "one");
    while (sql_number(world, "SELECT count(*) FROM job") < 400) {
        run_sql(world, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname ="
                       " current_database() AND application_name LIKE '% schedule'"
                       " AND random() < 0.3");
        usleep(20000);
    }
    for (u32 i = 0; i < 3; i++)
        scheduler_down(&three[i]);
    assert_sql(
        world,
        "SELECT count(*) FROM (SELECT synchronization, count(*) AS rows, min(scheduled_for)"
        "  AS first, max(scheduled_for) AS last FROM job GROUP BY 1) j JOIN synchronization s"
        " ON s.id = j.synchronization WHERE first <> date_trunc('milliseconds', created_at)"
        " + interval '1 s' OR last <> first + (rows - 1) * interval '1 s'",
        "0");
    assert_sql(world, "SELECT count(*) = count(DISTINCT job) FROM event", "t");
}

/* Goal: what waits and cannot have its turn, or be skipped, as Postgres refuses it, keeps nobody
 * else from it. */
static void test_turn_refused(void **state)
{
    struct world *world = *state;
    struct scheduler one = scheduler_up(world, "one");
    static const char *const names[] = {"a", "bad", "c", "late-bad", "late"};

    for (u32 i = 0; i < COUNT_OF(names); i++) {
        add_plan(world, names[i], "{\"schedule\": \"@every 1h\"}");
        time_comes(world, names[i], 0);
        wait_notes(&one, 1);
    }
    for (u32 i = 0; i < COUNT_OF(names); i++) {
        time_comes(world, names[i], 0);
        wait_notes(&one, 1);
    }
    run_sql(world, "ALTER TABLE job ADD CHECK (name NOT LIKE '%%bad-2' OR waits)");
    run_sql(world, "UPDATE job SET start_by = now() - interval '1 s'"
                   " WHERE name IN ('late-bad-2', 'late-2')");
    end_active(world);
    wait_sql(world, "SELECT string_agg(name, ' ' ORDER BY name) FROM job WHERE waits",
             "bad-2 late-bad-2");
    scheduler_down(&one);
}

/* ---- zones ---- */

static char folder[64];

/* Zone Test/Here of this test's database is what the host has as `like`; NULL: there is none. */
static void set_zone(const char *like)
{
    char command[512];

    if (!folder[0]) {
        snprintf(folder, sizeof folder, "/tmp/syncline-zones-XXXXXX");
        assert_non_null(mkdtemp(folder));
        setenv("TZDIR", folder, 1);
    }
    if (like)
        snprintf(command, sizeof command,
                 "mkdir -p %s/Test && cp /usr/share/zoneinfo/%s %s/new && mv %s/new %s/Test/Here",
                 folder, like, folder, folder, folder);
    else
        snprintf(command, sizeof command, "rm -rf %s/Test", folder);
    assert_int_equal(system(command), 0);
}

static void end_zones(void)
{
    char command[128];

    snprintf(command, sizeof command, "rm -rf %s", folder);
    assert_int_equal(system(command), 0);
    folder[0] = '\0';
    unsetenv("TZDIR");
}

#define NEXT_UTC "SELECT to_char(next_at AT TIME ZONE 'UTC', 'HH24:MI') FROM schedule"

/* Goal: another version of the zone data is seen by who runs, at once. Method: a file of a zone is
 * replaced by that of another one. */
static void test_zone_changes(void **state)
{
    struct world *world = *state;
    struct scheduler one;

    set_zone("Asia/Kathmandu");
    one = scheduler_up(world, "one");
    add_plan(world, "p", "{\"schedule\": \"0 12 * * *\", \"timezone\": \"Test/Here\"}");
    wait_sql(world, NEXT_UTC, "06:15");
    set_zone("Asia/Tokyo");
    wait_sql(world, NEXT_UTC, "03:00");
    set_zone(NULL);
    wait_sql(world, "SELECT problem LIKE '%Test/Here%' AND next_at IS NULL FROM schedule", "t");
    scheduler_down(&one);
    end_zones();
}

/* Goal: a planner whose host does not have the zone leaves the plan to those that have it. Method:
 * the only planner there is does not have it; then another one begins that has. */
static void test_zone_of_others(void **state)
{
    struct world *world = *state;
    struct scheduler without, with;

    set_zone(NULL);
    without = scheduler_up(world, "without");
    add_plan(world, "p", "{\"schedule\": \"* * * * *\", \"timezone\": \"Test/Here\"}");
    add_plan(world, "q", "{\"schedule\": \"@every 1h\"}");
    wait_sql(world,
             "SELECT count(*) FROM schedule WHERE problem LIKE '%Test/Here%'"
             " AND next_due <= now()",
             "1");
    time_comes(world, "q", 0);
    wait_notes(&without, 1);
    set_zone("Asia/Tokyo");
    with = scheduler_up(world, "with");
    wait_sql(world, "SELECT count(next_at) FROM schedule WHERE problem IS NULL", "2");
    run_sql(world, "UPDATE schedule SET looked_until = looked_until - interval '90 s', next_due ="
                   " '-infinity'");
    wait_sql(world, "SELECT count(*) FROM job WHERE name LIKE 'p-%' AND phase = 'Queued'", "1");
    scheduler_down(&with);
    scheduler_down(&without);
    end_zones();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_cancelled_beyond_its_deadline),
        WORLD_TEST(test_taken_while_it_waits),
        WORLD_TEST(test_number_is_taken),
        WORLD_TEST(test_begins_while_locked),
        WORLD_TEST(test_stopped_in_the_middle),
        WORLD_TEST(test_more_than_can_be_decided),
        WORLD_TEST(test_sessions_end),
        WORLD_TEST(test_turn_refused),
        WORLD_TEST(test_zone_changes),
        WORLD_TEST(test_zone_of_others),
    };

    cmocka_set_test_filter(getenv("ONLY"));
    return cmocka_run_group_tests(tests, services_up, NULL);
}
