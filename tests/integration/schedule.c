/* Goal: each time of a plan becomes one row, whatever runs, waits or was missed, and however many
 * schedulers look. Method: a real Postgres, threads of the scheduler alone, and plans whose times
 * come when the test says so: @every counts from a moment that SQL can move. */
#include "schedule_fixture.h"

#define ROWS                                                                                       \
    "SELECT string_agg(name || ' ' || CASE WHEN waits THEN 'waits' ELSE coalesce(reason,"          \
    " phase::text) END, ', ' ORDER BY name) FROM job"

/* ---- one time ---- */

/* Goal: a row that says all, soon after it is due; and the plan knows what comes next. */
static void test_starts(void **state)
{
    struct world *world = *state;
    struct scheduler one = scheduler_up(world, "one");
    struct plan_note note;

    add_plan(world, "p", "{\"schedule\": \"@every 1h\", \"historyLimit\": 5}");
    time_comes(world, "p", 200);
    next_note(&one, &note);
    assert_string_equal(note.plan, "p");
    assert_string_equal(note.job, "p-1");
    assert_true(note.phase == PHASE_Queued && !note.waits && !note.turn);
    assert_in_range(note.after_ms, 0, 2000);
    note_release(&note);
    assert_sql(world, ROWS, "p-1 Queued");
    assert_sql(world,
               "SELECT j.trigger || ' ' || (j.scheduled_for = s.created_at + interval '1h') || ' '"
               " || (j.start_by = j.scheduled_for + interval '1h') || ' ' || j.source_address"
               " || ' ' || (j.spec = s.spec) || ' ' || s.next_number"
               " FROM job j JOIN synchronization s ON s.id = j.synchronization",
               "schedule true true dir:/src/p true 2");
    assert_sql(world,
               "SELECT (next_at = fired_until + interval '1h') || ' ' || (next_due = next_at)"
               " || ' ' || (fired_from = fired_until) || ' ' || missed FROM schedule",
               "true true true 0");
    assert_sql(world, "SELECT string_agg(kind || ' ' || message, ', ') FROM event",
               "Queued its time has come");
    scheduler_down(&one);
}

/* Goal: whoever waits hears of a time that is skipped. */
static void test_skipped_is_told(void **state)
{
    struct world *world = *state;
    struct scheduler one = scheduler_up(world, "one");
    char *channel, *payload;
    struct plan_note note;
    struct err err;

    add_plan(world, "p", "{\"schedule\": \"@every 1h\", \"missed\": \"skip\"}");
    run_sql(world, "LISTEN syncline_job");
    times_passed(world, "p", 1);
    next_note(&one, &note);
    assert_true(note.phase == PHASE_Skipped);
    assert_string_equal(note.reason, "Missed");
    note_release(&note);
    assert_int_equal(postgres_wait_notify(world->sql, 10000, &channel, &payload, &err), 1);
    assert_string_equal(payload, "p-1");
    free(channel);
    free(payload);
    assert_sql(world,
               "SELECT phase || ' ' || reason || ' ' || (finished_at IS NOT NULL) || ' '"
               " || (started_at IS NULL) FROM job",
               "Skipped Missed true true");
    assert_sql(world, "SELECT kind || ' ' || message FROM event",
               "Skipped Missed: the time passed while no planner looked");
    assert_sql(world, "SELECT sync || ' ' || phase || ' ' || jobs || ' ' || within[1] FROM total",
               "p Skipped 1 1");
    assert_sql(world, "SELECT missed FROM schedule", "1");
    scheduler_down(&one);
}

/* ---- overlap ---- */

static void overlap_plan(struct world *world, const char *overlap)
{
    char spec[128];

    snprintf(spec, sizeof spec, "{\"schedule\": \"@every 1h\", \"overlap\": \"%s\"}", overlap);
    add_plan(world, "p", spec);
}

/* Three times come while the job of the first runs. */
static void three_times(struct world *world, struct scheduler *one)
{
    for (int i = 0; i < 3; i++) {
        time_comes(world, "p", 0);
        wait_notes(one, 1);
        if (i == 0)
            run_sql(world, "UPDATE job SET phase = 'Running', started_at = now()");
    }
}

static void test_overlap_skip(void **state)
{
    struct world *world = *state;
    struct scheduler one = scheduler_up(world, "one");

    overlap_plan(world, "skip");
    three_times(world, &one);
    assert_sql(world, ROWS, "p-1 Running, p-2 StillRunning, p-3 StillRunning");
    assert_sql(world, "SELECT message FROM job WHERE name = 'p-2'",
               "job p-1 still ran when the time came");
    assert_sql(world, "SELECT missed FROM schedule", "0");
    end_active(world);
    time_comes(world, "p", 0);
    wait_notes(&one, 1);
    assert_sql(world, "SELECT phase FROM job WHERE name = 'p-4'", "Queued");
    scheduler_down(&one);
}

static void test_overlap_queue_one(void **state)
{
    struct world *world = *state;
    struct scheduler one = scheduler_up(world, "one");
    struct plan_note note;

    overlap_plan(world, "queue-one");
    three_times(world, &one);
    assert_sql(world, ROWS, "p-1 Running, p-2 waits, p-3 AlreadyWaiting");
    assert_sql(world, "SELECT waiting_for FROM job WHERE waits", "job p-1, which still runs");
    assert_sql(world, "SELECT message FROM job WHERE name = 'p-3'",
               "job p-2, an earlier time of the plan, still waited to start");
    assert_sql(world, "SELECT kind || ' ' || message FROM event ORDER BY id OFFSET 1 LIMIT 1",
               "Queued waits for job p-1, which still runs");
    /* what the synchronization is by then is what it starts with */
    run_sql(world, "UPDATE asset SET address = 'dir:/moved' WHERE name = 'p-dst'");
    run_sql(world, "UPDATE synchronization SET spec = spec || '{\"compare\": \"checksum\"}'");
    end_active(world);
    next_note(&one, &note);
    assert_true(note.turn && note.phase == PHASE_Queued && !note.waits);
    assert_string_equal(note.job, "p-2");
    note_release(&note);
    assert_sql(world,
               "SELECT phase || ' ' || waits || ' ' || destination_address || ' '"
               " || (spec ->> 'compare') || ' ' || (waiting_for IS NULL) FROM job"
               " WHERE name = 'p-2'",
               "Queued false dir:/moved checksum true");
    scheduler_down(&one);
}

static void test_overlap_replace(void **state)
{
    struct world *world = *state;
    struct scheduler one = scheduler_up(world, "one");

    overlap_plan(world, "replace");
    time_comes(world, "p", 0);
    wait_notes(&one, 1);
    run_sql(world, "UPDATE job SET phase = 'Running', started_at = now()");
    time_comes(world, "p", 0);
    wait_notes(&one, 1);
    wait_sql(world, "SELECT cancel_requested FROM job WHERE name = 'p-1'", "t");
    time_comes(world, "p", 0);
    wait_notes(&one, 2); /* one is replaced, one waits */
    assert_sql(world, ROWS, "p-1 Running, p-2 Replaced, p-3 waits");
    assert_sql(world,
               "SELECT message ~ '^the time .*Z came before this one could start$' FROM job"
               " WHERE name = 'p-2'",
               "t");
    assert_sql(world, "SELECT finished_at IS NOT NULL FROM job WHERE name = 'p-2'", "t");
    end_active(world);
    wait_sql(world, "SELECT waits FROM job WHERE name = 'p-3'", "f");
    assert_sql(world, "SELECT cancel_requested FROM job WHERE name = 'p-3'", "f");
    scheduler_down(&one);
}

/* Goal: who is in the way is asked to end also when his row is locked as the time comes, and nobody
 * waits for it meanwhile. */
static void test_replace_of_a_locked_job(void **state)
{
    struct world *world = *state;
    struct scheduler one = scheduler_up(world, "one");

    overlap_plan(world, "replace");
    add_plan(world, "q", "{\"schedule\": \"@every 1h\"}");
    time_comes(world, "p", 0);
    wait_notes(&one, 1);
    run_sql(world, "UPDATE job SET phase = 'Running', started_at = now()");
    hold(world, "SELECT FROM job FOR UPDATE");
    time_comes(world, "p", 0);
    wait_notes(&one, 1);
    time_comes(world, "q", 0);
    wait_notes(&one, 1);
    assert_sql(world, "SELECT cancel_requested FROM job WHERE name = 'p-1'", "f");
    release(world);
    wait_sql(world, "SELECT cancel_requested FROM job WHERE name = 'p-1'", "t");
    scheduler_down(&one);
}

/* ---- what waits ---- */

static void test_deadline_of_waiting(void **state)
{
    struct world *world = *state;
    struct scheduler one = scheduler_up(world, "one");

    overlap_plan(world, "queue-one");
    time_comes(world, "p", 0);
    wait_notes(&one, 1);
    run_sql(world, "UPDATE job SET phase = 'Running', started_at = now(), start_by = now()");
    time_comes(world, "p", 0);
    wait_notes(&one, 1);
    run_sql(world, "UPDATE job SET start_by = '2026-01-02 03:04:05Z' WHERE waits");
    wait_notes(&one, 1);
    assert_sql(world, ROWS, "p-1 Running, p-2 DeadlineExceeded");
    assert_sql(world, "SELECT message FROM job WHERE name = 'p-2'",
               "it could not start before its starting deadline, 2026-01-02 03:04:05Z: it waited"
               " for job p-1, which still runs");
    assert_sql(world, "SELECT missed FROM schedule", "1");
    scheduler_down(&one);
}

/* Goal: a job of a schedule that nobody had room for is skipped, and is not claimed any more; one
 * that began, or was approved, has kept its deadline. */
static void test_deadline_of_queued(void **state)
{
    struct world *world = *state;
    struct scheduler one = scheduler_up(world, "one");
    struct planner_end planner;

    add_plan(world, "p", "{\"schedule\": \"@every 1h\"}");
    add_plan(world, "q", "{\"schedule\": \"@every 1h\"}");
    time_comes(world, "p", 0);
    wait_notes(&one, 1);
    time_comes(world, "q", 0);
    wait_notes(&one, 1);
    scheduler_down(&one);
    run_sql(world, "UPDATE job SET start_by = now() - interval '1s'");
    run_sql(world, "UPDATE job SET started_at = now(), approved = true WHERE name = 'q-1'");
    planner = planner_up(world, "one");
    claim_one(&planner, (u64)sql_number(world, "SELECT id FROM job WHERE name = 'q-1'"));
    planner_down(&planner);
    one = scheduler_up(world, "one");
    wait_notes(&one, 1);
    assert_sql(world, ROWS, "p-1 DeadlineExceeded, q-1 Queued");
    assert_sql(world,
               "SELECT message ~ 'Z: no planner had room for it$' FROM job"
               " WHERE name = 'p-1'",
               "t");
    scheduler_down(&one);
}

/* Goal: what waits is not claimed, nor in the way of a claim, and can be cancelled; it does not
 * start while its plan is suspended. */
static void test_waiting(void **state)
{
    struct world *world = *state;
    struct scheduler one = scheduler_up(world, "one");
    struct planner_end planner = planner_up(world, "one");
    struct truth_request *claims;

    overlap_plan(world, "queue-one");
    time_comes(world, "p", 0);
    wait_notes(&one, 1);
    claims = claim_up_to(&planner, 10);
    assert_int_equal(claims->claim_count, 1);
    assert_true(claims->claims[0].scheduled);
    assert_in_range(claims->claims[0].start_left_ms, 3500000, 3600000);
    truth_request_destroy(&claims);
    time_comes(world, "p", 0);
    wait_notes(&one, 1);
    claims = claim_up_to(&planner, 10);
    assert_int_equal(claims->claim_count, 0);
    truth_request_destroy(&claims);
    run_sql(world, "UPDATE synchronization SET suspended = true");
    end_active(world);
    run_sql(world, "UPDATE job SET cancel_requested = true WHERE waits;");
    run_sql(world, "NOTIFY syncline_jobs, 'p-2'");
    wait_notes(&one, 1);
    assert_sql(world, ROWS, "p-1 Succeeded, p-2 Cancelled");
    assert_sql(world, "SELECT phase FROM job WHERE name = 'p-2'", "Cancelled");
    /* the next one waits for the plan to be resumed */
    run_sql(world, "UPDATE synchronization SET suspended = false");
    time_comes(world, "p", 0);
    wait_notes(&one, 1);
    run_sql(world, "UPDATE job SET phase = 'Running', started_at = now() WHERE name = 'p-3'");
    time_comes(world, "p", 0);
    wait_notes(&one, 1);
    run_sql(world, "UPDATE synchronization SET suspended = true");
    end_active(world);
    add_plan(world, "q", "{\"schedule\": \"@every 1h\"}");
    time_comes(world, "q", 0);
    wait_notes(&one, 1);
    assert_sql(world, "SELECT waits FROM job WHERE name = 'p-4'", "t");
    run_sql(world, "UPDATE synchronization SET suspended = false");
    run_sql(world, "NOTIFY syncline_jobs");
    wait_notes(&one, 1);
    assert_sql(world, "SELECT waits FROM job WHERE name = 'p-4'", "f");
    planner_down(&planner);
    scheduler_down(&one);
}

/* ---- what passed ---- */

static void test_missed(void **state)
{
    struct world *world = *state;
    struct scheduler one = scheduler_up(world, "one");

    add_plan(world, "once", "{\"schedule\": \"@every 1h\"}");
    times_passed(world, "once", 4);
    wait_notes(&one, 4);
    assert_sql(world, ROWS, "once-1 Missed, once-2 Missed, once-3 Missed, once-4 Queued");
    assert_sql(world, "SELECT missed FROM schedule", "3");
    run_sql(world, "DELETE FROM synchronization");
    add_plan(world, "skip", "{\"schedule\": \"@every 1h\", \"missed\": \"skip\"}");
    times_passed(world, "skip", 3);
    wait_notes(&one, 3);
    assert_sql(world, ROWS, "skip-1 Missed, skip-2 Missed, skip-3 Missed");
    run_sql(world, "DELETE FROM synchronization");
    add_plan(world, "late", "{\"schedule\": \"@every 1h\", \"startingDeadline\": \"10m\"}");
    times_passed(world, "late", 2);
    wait_notes(&one, 2);
    assert_sql(world, ROWS, "late-1 Missed, late-2 DeadlineExceeded");
    assert_sql(world, "SELECT missed FROM schedule", "2");
    run_sql(world, "DELETE FROM synchronization");
    add_plan(world, "many", "{\"schedule\": \"@every 1h\", \"historyLimit\": 2}");
    times_passed(world, "many", 2000);
    wait_notes(&one, 3);
    assert_sql(world, ROWS, "many-1 Missed, many-2 Missed, many-3 Queued");
    assert_sql(world, "SELECT message FROM job ORDER BY number LIMIT 1",
               "the time passed while no planner looked; so did earlier ones, which have no row");
    scheduler_down(&one);
}

static void test_suspended(void **state)
{
    struct world *world = *state;
    struct scheduler one = scheduler_up(world, "one");

    add_plan(world, "p", "{\"schedule\": \"@every 1h\"}");
    run_sql(world, "UPDATE synchronization SET suspended = true");
    times_passed(world, "p", 2);
    add_plan(world, "q", "{\"schedule\": \"@every 1h\"}");
    time_comes(world, "q", 0);
    wait_notes(&one, 1);
    assert_sql(world, ROWS, "q-1 Queued");
    run_sql(world, "UPDATE synchronization SET suspended = false");
    run_sql(world, "UPDATE schedule SET resumed_at = now(), next_due = '-infinity'");
    run_sql(world, "NOTIFY syncline_plans");
    wait_notes(&one, 2);
    assert_sql(world,
               "SELECT string_agg(reason, ' ') FROM job WHERE phase = 'Skipped'"
               " AND name LIKE 'p-%'",
               "PlanSuspended PlanSuspended");
    assert_sql(world, "SELECT sum(missed) FROM schedule", "0");
    scheduler_down(&one);
}

/* ---- the clock ---- */

/* Goal: after the clock went back times that did not start come again, those that did do not.
 * Method: looked_until above the clock is what a clock that went back looks like. */
static void test_clock_back(void **state)
{
    struct world *world = *state;
    struct scheduler one;

    add_plan(world, "p", "{\"schedule\": \"@every 1h\"}");
    run_sql(world, "UPDATE synchronization SET created_at = date_trunc('milliseconds', now())"
                   " - interval '90 min', next_number = 6");
    run_sql(world, "UPDATE schedule SET looked_until = now() + interval '1 day', missed = 2,"
                   " next_due = now() + interval '1 day', resumed_at = now() + interval '1 hour',"
                   " fired_from = created_at + interval '3 h', fired_until = created_at +"
                   " interval '4 h' FROM synchronization");
    run_sql(world,
            "INSERT INTO job (name, synchronization, number, trigger, source_address,"
            " destination_address, destination_asset, phase, reason, finished_at, scheduled_for)"
            " SELECT 'p-' || n, s.id, n, 'schedule', 'a', 'b', s.destination,"
            "  CASE WHEN r = '' THEN 'Succeeded' ELSE 'Skipped' END::job_phase, nullif(r, ''),"
            "  now(), s.created_at + n * interval '1 h' FROM synchronization s, (VALUES"
            "  (1, 'Missed'), (2, 'Missed'), (3, ''), (4, 'DeadlineExceeded'),"
            "  (5, 'DeadlineExceeded')) v(n, r)");
    one = scheduler_up(world, "one");
    wait_sql(world, "SELECT looked_until <= now() FROM schedule", "t");
    /* the first is in the past, the fourth was decided when it came */
    assert_sql(world, "SELECT string_agg(name, ' ' ORDER BY name) FROM job", "p-1 p-3 p-4");
    assert_sql(world,
               "SELECT (next_at = created_at + interval '2 h') || ' ' || (resumed_at <= now())"
               " || ' ' || missed FROM schedule, synchronization",
               "true true 2");
    /* the time after the span */
    run_sql(world, "UPDATE schedule SET looked_until = created_at + interval '150 min',"
                   " next_due = '-infinity' FROM synchronization");
    run_sql(world, "UPDATE synchronization SET created_at = created_at");
    scheduler_down(&one);
}

/* Goal: a time whose row is there keeps it, and what else is due goes on. */
static void test_row_is_there(void **state)
{
    struct world *world = *state;
    struct scheduler one;

    add_plan(world, "p", "{\"schedule\": \"@every 1h\"}");
    times_passed(world, "p", 2);
    run_sql(world,
            "INSERT INTO job (name, synchronization, number, trigger, source_address,"
            " destination_address, destination_asset, phase, finished_at, scheduled_for)"
            " SELECT 'p-x', s.id, 77, 'schedule', 'a', 'b', s.destination, 'Succeeded', now(),"
            " s.created_at + interval '2 h' FROM synchronization s");
    one = scheduler_up(world, "one");
    wait_notes(&one, 1);
    assert_sql(world, ROWS, "p-1 Missed, p-x Succeeded");
    assert_sql(world, "SELECT next_number FROM synchronization", "2");
    scheduler_down(&one);
}

/* ---- several ---- */

#define MANY "300"

/* Goal: with three schedulers at once each time has one row, each row is told by one of them. */
static void test_three_at_once(void **state)
{
    struct world *world = *state;
    struct scheduler three[3];
    u32 told = 0;

    for (u32 i = 0; i < 3; i++)
        three[i] = scheduler_up(world, "one");
    run_sql(world, "INSERT INTO asset (name, spec, address) VALUES ('a', '{}', 'dir:/a'),"
                   " ('b', '{}', 'dir:/b')");
    run_sql(world,
            "INSERT INTO synchronization (name, kind, source, destination, spec, created_at)"
            " SELECT 'p' || n, 'SynchronizationPlan', a.id, b.id, '{\"schedule\": \"@every 2s\"}',"
            " date_trunc('milliseconds', now()) + interval '500 ms'"
            " FROM generate_series(1, " MANY ") n, asset a, asset b WHERE a.name = 'a'"
            " AND b.name = 'b'");
    run_sql(world, "INSERT INTO schedule (synchronization) SELECT id FROM synchronization");
    run_sql(world, "NOTIFY syncline_plans");
    /* the first and the second time of each, and what becomes of a second one is that it waits */
    wait_sql(world, "SELECT count(*) >= 2 * " MANY " FROM job", "t");
    for (u32 i = 0; i < 3; i++)
        schedule_destroy(&three[i].schedule);
    for (u32 i = 0; i < 3; i++) {
        told += count_notes(&three[i], 0);
        scheduler_down(&three[i]);
    }
    assert_int_equal(told, sql_number(world, "SELECT count(*) FROM job"));
    assert_sql(world,
               "SELECT count(*) || ' ' || count(DISTINCT (synchronization, scheduled_for)) || ' '"
               " || count(*) FILTER (WHERE phase = 'Queued' AND NOT waits) || ' '"
               " || count(*) FILTER (WHERE waits) FROM (SELECT * FROM job WHERE scheduled_for <="
               "  (SELECT min(created_at) + interval '4 s' FROM synchronization)) j",
               "600 600 300 300");
    assert_sql(world, "SELECT count(*) FROM job WHERE number > 2 AND reason <> 'AlreadyWaiting'",
               "0");
}

/* Goal: what somebody has locked is passed by, and comes when it is free. */
static void test_locked(void **state)
{
    struct world *world = *state;
    struct scheduler one = scheduler_up(world, "one");

    add_plan(world, "p", "{\"schedule\": \"@every 1h\"}");
    add_plan(world, "q", "{\"schedule\": \"@every 1h\"}");
    time_comes(world, "p", 300);
    hold(world, "SELECT FROM synchronization WHERE name = 'p' FOR UPDATE");
    time_comes(world, "q", 300);
    wait_notes(&one, 1);
    assert_sql(world, ROWS, "q-1 Queued");
    release(world);
    wait_notes(&one, 1);
    assert_sql(world, "SELECT count(*) FROM job WHERE name = 'p-1'", "1");
    scheduler_down(&one);
}

/* ---- what goes wrong ---- */

/* Goal: a zone that this host does not have is said, and the plan is left to planners that have it;
 * another one is taken at once. */
static void test_problem(void **state)
{
    struct world *world = *state;
    struct scheduler one = scheduler_up(world, "one");

    add_plan(world, "p", "{\"schedule\": \"@hourly\", \"timezone\": \"Europe/Atlantis\"}");
    wait_sql(world, "SELECT problem LIKE '%Europe/Atlantis%' FROM schedule", "t");
    assert_sql(world, "SELECT (next_at IS NULL) || ' ' || (next_due <= now()) FROM schedule",
               "true true");
    run_sql(world, "UPDATE synchronization SET spec = spec || '{\"timezone\": \"UTC\"}'");
    run_sql(world, "UPDATE schedule SET next_due = '-infinity'");
    run_sql(world, "NOTIFY syncline_plans");
    wait_sql(world, "SELECT problem IS NULL AND next_at > now() FROM schedule", "t");
    scheduler_down(&one);
}

/* Goal: a plan whose rows Postgres refuses keeps no other plan from its times. */
static void test_refused(void **state)
{
    struct world *world = *state;
    struct scheduler one;

    run_sql(world, "ALTER TABLE job ADD CHECK (name NOT LIKE 'bad-%%')");
    add_plan(world, "a", "{\"schedule\": \"@every 1h\"}");
    add_plan(world, "bad", "{\"schedule\": \"@every 1h\"}");
    add_plan(world, "c", "{\"schedule\": \"@every 1h\"}");
    times_passed(world, "a", 1);
    times_passed(world, "bad", 1);
    times_passed(world, "c", 1);
    one = scheduler_up(world, "one");
    wait_notes(&one, 2);
    assert_sql(world, ROWS, "a-1 Queued, c-1 Queued");
    wait_sql(world,
             "SELECT problem LIKE '%check constraint%' FROM schedule JOIN synchronization"
             " ON id = synchronization WHERE name = 'bad'",
             "t");
    scheduler_down(&one);
}

/* Goal: the scheduler goes on when Postgres is back, and decides what came meanwhile. */
static void test_postgres_restarts(void **state)
{
    struct world *world = *state;
    struct scheduler one = scheduler_up(world, "one");

    add_plan(world, "p", "{\"schedule\": \"@every 1h\"}");
    time_comes(world, "p", 0);
    wait_notes(&one, 1);
    end_active(world);
    time_comes(world, "p", 1000);
    postgres_service_end(SERVICE_IMMEDIATE);
    postgres_service_start();
    world_reconnect(world);
    wait_notes(&one, 1);
    assert_sql(world, ROWS, "p-1 Succeeded, p-2 Queued");
    scheduler_down(&one);
}

/* Goal: times in one second, of many plans, are decided soon. Method: more than a batch. */
static void test_many_due(void **state)
{
    struct world *world = *state;
    struct scheduler one;
    s64 began_ms;

    run_sql(world, "INSERT INTO asset (name, spec, address) VALUES ('a', '{}', 'dir:/a'),"
                   " ('b', '{}', 'dir:/b')");
    run_sql(world,
            "INSERT INTO synchronization (name, kind, source, destination, spec, created_at)"
            " SELECT 'p' || n, 'SynchronizationPlan', a.id, b.id, '{\"schedule\": \"@every 1h\"}',"
            " now() - interval '61 min' FROM generate_series(1, 2000) n, asset a, asset b"
            " WHERE a.name = 'a' AND b.name = 'b'");
    run_sql(world, "INSERT INTO schedule (synchronization, looked_until) SELECT id, created_at"
                   " FROM synchronization");
    began_ms = clock_monotonic_ms();
    one = scheduler_up(world, "one");
    wait_sql(world, "SELECT count(*) FROM job", "2000");
    assert_true(clock_monotonic_ms() - began_ms < 20000);
    assert_sql(world, "SELECT count(*) FROM job WHERE phase = 'Queued' AND NOT waits", "2000");
    scheduler_down(&one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_starts),
        WORLD_TEST(test_skipped_is_told),
        WORLD_TEST(test_overlap_skip),
        WORLD_TEST(test_overlap_queue_one),
        WORLD_TEST(test_overlap_replace),
        WORLD_TEST(test_replace_of_a_locked_job),
        WORLD_TEST(test_deadline_of_waiting),
        WORLD_TEST(test_deadline_of_queued),
        WORLD_TEST(test_waiting),
        WORLD_TEST(test_missed),
        WORLD_TEST(test_suspended),
        WORLD_TEST(test_clock_back),
        WORLD_TEST(test_row_is_there),
        WORLD_TEST(test_three_at_once),
        WORLD_TEST(test_locked),
        WORLD_TEST(test_problem),
        WORLD_TEST(test_refused),
        WORLD_TEST(test_postgres_restarts),
        WORLD_TEST(test_many_due),
    };

    cmocka_set_test_filter(getenv("ONLY"));
    return cmocka_run_group_tests(tests, services_up, NULL);
}
