/* Goal: what was kept long enough goes, and nothing else: not the last job, not the last success,
 * not one that waits for approval, nothing of what is defined. Method: a real Postgres, rows made
 * old by UPDATE, the step of a planner's truth thread until it finds nothing more. */
#include "truth_fixture.h"

/* Steps until there is nothing more; how many found something. */
static u32 retain(struct planner_end *planner, const char *workers)
{
    u32 steps = 0;
    bool more = true;

    while (more) {
        struct truth_request *request = make_request(TRUTH_RETENTION, 0, 0), *answer;

        request->workers = workers ? text_copy(workers) : NULL;
        answer = ask(planner, request);
        if (answer->err.code != ERR_Ok)
            fail_msg("%s", answer->err.text);
        more = answer->more;
        assert_int_equal(more, answer->message != NULL);
        steps += more;
        truth_request_destroy(&answer);
        assert_true(steps < 100);
    }
    return steps;
}

/* Ended jobs p-2, p-3, … of the synchronization of add_job("p"), all Failed. */
static void add_ended(struct world *world, u32 last)
{
    run_sql(world,
            "INSERT INTO job (name, synchronization, number, source_address, destination_address,"
            " destination_asset, phase, finished_at) SELECT 'p-' || n, s.id, n, 'a', 'b',"
            " s.destination, 'Failed', now() FROM synchronization s, generate_series(2, %u) n"
            " WHERE s.name = 'p'",
            last);
    run_sql(world, "UPDATE job SET phase = 'Failed', finished_at = now() WHERE name = 'p-1'");
}

#define JOBS_LEFT "SELECT string_agg(name, ' ' ORDER BY number) FROM job"

static void test_events(void **state)
{
    struct world *world = *state;
    struct planner_end one = planner_up(world, "one");

    run_sql(world, "INSERT INTO event (at, kind, message) VALUES"
                   " (now() - interval '31 days', 'AssetReady', 'old'),"
                   " (now() - interval '29 days', 'AssetReady', 'young')");
    assert_int_equal(retain(&one, NULL), 1);
    assert_sql(world, "SELECT string_agg(message, ' ') FROM event", "young");
    assert_int_equal(retain(&one, NULL), 0);
    planner_down(&one);
}

/* Goal: historyLimit, by default HISTORY_LIMIT; items go with their job, object rows stay. */
static void test_jobs(void **state)
{
    struct world *world = *state;
    struct planner_end one = planner_up(world, "one");

    add_job(world, "p");
    add_ended(world, 40);
    run_sql(world,
            "INSERT INTO object (asset, key, path, kind, size, mtime_ns, hash, checksum, job,"
            " shard) SELECT destination_asset, gen_random_uuid(), 'x', 'file', 1, 1,"
            " 'xxh3-128', 'x', id, 0 FROM job");
    run_sql(world, "INSERT INTO item (job, key, shard, path, kind, operation, outcome)"
                   " SELECT id, gen_random_uuid(), 0, 'x', 'file', 'put', 'failed' FROM job");
    retain(&one, NULL);
    assert_sql(world, "SELECT count(*) || ' ' || min(number) FROM job", "30 11");
    run_sql(world, "UPDATE synchronization SET spec = '{\"historyLimit\": 3}'");
    retain(&one, NULL);
    assert_sql(world, JOBS_LEFT, "p-38 p-39 p-40");
    assert_sql(world, "SELECT count(*) FROM item", "3");
    assert_sql(world, "SELECT count(*) FROM object", "40");
    run_sql(world, "UPDATE synchronization SET spec = '{\"historyLimit\": 0}'");
    retain(&one, NULL);
    assert_sql(world, JOBS_LEFT, "p-40");
    planner_down(&one);
}

/* Goal: skipped times of a plan push out nothing that ran, nor the other way round; what is yet to
 * come by the clock, and what waits, stays. */
static void test_skipped_times(void **state)
{
    struct world *world = *state;
    struct planner_end one = planner_up(world, "one");

    add_job(world, "p");
    add_ended(world, 12);
    run_sql(world, "UPDATE synchronization SET spec = '{\"historyLimit\": 2}'");
    run_sql(world, "UPDATE job SET scheduled_for = now() - interval '1 day' + number * interval"
                   " '1 min', phase = CASE WHEN number > 2 AND number <> 9 THEN 'Skipped' ELSE"
                   " 'Failed' END::job_phase");
    run_sql(world, "UPDATE job SET scheduled_for = now() + interval '1 h' WHERE number = 5");
    run_sql(world, "UPDATE job SET phase = 'Queued', waits = true WHERE number = 6");
    retain(&one, NULL);
    assert_sql(world, JOBS_LEFT, "p-5 p-6 p-9 p-11 p-12");
    run_sql(world, "UPDATE job SET scheduled_for = now() - interval '1 h' WHERE number = 5");
    retain(&one, NULL);
    assert_sql(world, JOBS_LEFT, "p-6 p-9 p-11 p-12");
    planner_down(&one);
}

/* Goal: the last success, the last good verify, an active job and a Held one stay however old. */
static void test_kept_jobs(void **state)
{
    struct world *world = *state;
    struct planner_end one = planner_up(world, "one");

    add_job(world, "p");
    add_ended(world, 12);
    run_sql(world, "UPDATE synchronization SET spec = '{\"historyLimit\": 2}'");
    run_sql(world, "UPDATE job SET phase = 'Succeeded' WHERE number IN (1, 2, 4, 5, 6)");
    run_sql(world, "UPDATE job SET spec = '{\"run\": {\"verify\": true}}' WHERE number IN (4, 5)");
    run_sql(world, "UPDATE job SET spec = '{\"run\": {\"dryRun\": true}}' WHERE number = 6");
    run_sql(world, "UPDATE job SET phase = 'Held' WHERE number IN (7, 8)");
    run_sql(world, "UPDATE job SET superseded_by = 'p-8' WHERE number = 7");
    run_sql(world, "UPDATE job SET phase = 'Running' WHERE number = 9");
    retain(&one, NULL);
    assert_sql(world, JOBS_LEFT, "p-2 p-5 p-8 p-9 p-11 p-12");
    planner_down(&one);
}

/* Goal: a job whose plan, or whose failed items, another one goes by stays as long as that one is
 * active or may be approved. */
static void test_referred_jobs(void **state)
{
    struct world *world = *state;
    struct planner_end one = planner_up(world, "one");

    add_job(world, "p");
    add_ended(world, 12);
    run_sql(world, "UPDATE synchronization SET spec = '{\"historyLimit\": 1}'");
    run_sql(world, "INSERT INTO item (job, key, shard, path, kind, operation, outcome)"
                   " SELECT id, gen_random_uuid(), 0, 'x', 'file', 'put', 'planned' FROM job"
                   " WHERE number < 6");
    for (u32 referred = 1; referred <= 6; referred++)
        run_sql(world,
                "UPDATE job SET spec = jsonb_build_object('run', jsonb_build_object("
                " CASE number %% 2 WHEN 0 THEN 'plan' ELSE 'only' END, 'p-%u')) WHERE number = %u",
                referred, referred + 6);
    run_sql(world, "UPDATE job SET phase = 'Running' WHERE number = 7");
    run_sql(world, "UPDATE job SET phase = 'Held' WHERE number IN (8, 9)");
    run_sql(world, "UPDATE job SET superseded_by = 'p-12' WHERE number = 9");
    run_sql(world, "UPDATE job SET reason = 'SourceChanged' WHERE number IN (10, 12)");
    retain(&one, NULL);
    assert_sql(world, JOBS_LEFT, "p-1 p-2 p-6 p-7 p-8 p-12");
    assert_sql(world, "SELECT count(*) FROM item", "2");
    run_sql(world, "UPDATE job SET phase = 'Failed', reason = NULL WHERE number IN (7, 8, 12)");
    retain(&one, NULL);
    assert_sql(world, JOBS_LEFT, "p-12");
    planner_down(&one);
}

/* Goal: an ad-hoc pair goes with its assets and object rows, a month after its last job; one that
 * ran since, and one that is defined, stay. */
static void test_adhoc(void **state)
{
    struct world *world = *state;
    struct planner_end one = planner_up(world, "one");

    add_job(world, "p");
    add_job(world, "young");
    add_job(world, "defined");
    run_sql(world, "UPDATE synchronization SET updated_at = '2020-01-01'");
    run_sql(world, "UPDATE asset SET created_at = '2020-01-01'");
    run_sql(world, "UPDATE synchronization SET labels = '{\"syncline.adhoc\": \"true\"}'"
                   " WHERE name <> 'defined'");
    run_sql(world, "UPDATE asset SET labels = '{\"syncline.adhoc\": \"true\"}'"
                   " WHERE name NOT LIKE 'defined%%'");
    run_sql(world, "UPDATE job SET phase = 'Succeeded', created_at = '2020-01-01', finished_at ="
                   " '2020-01-01'");
    run_sql(world,
            "UPDATE job SET finished_at = now() - interval '29 days' WHERE name = 'young-1'");
    run_sql(world,
            "INSERT INTO object (asset, key, path, kind, size, mtime_ns, hash, checksum, job,"
            " shard) SELECT destination_asset, gen_random_uuid(), 'x', 'file', 1, 1,"
            " 'xxh3-128', 'x', id, 0 FROM job, generate_series(1, 3)");
    run_sql(world, "INSERT INTO item (job, key, shard, path, kind, operation, outcome)"
                   " SELECT id, gen_random_uuid(), 0, 'x', 'file', 'put', 'failed' FROM job");
    retain(&one, NULL);
    assert_sql(world, "SELECT string_agg(name, ' ' ORDER BY name) FROM synchronization",
               "defined young");
    assert_sql(world, "SELECT string_agg(name, ' ' ORDER BY name) FROM asset",
               "defined-dst defined-src young-dst young-src");
    assert_sql(world, "SELECT count(*) FROM object", "6");
    assert_sql(world, "SELECT count(*) FROM item", "2");
    planner_down(&one);
}

/* Goal: one whose run has just begun is not taken away under it. Method: it begins in a transaction
 * that is not committed yet when retention looks. */
static void test_adhoc_begins(void **state)
{
    struct world *world = *state;
    struct planner_end one = planner_up(world, "one");

    add_job(world, "p");
    run_sql(world, "UPDATE synchronization SET labels = '{\"syncline.adhoc\": \"true\"}',"
                   " updated_at = '2020-01-01'");
    run_sql(world, "DELETE FROM job");
    run_sql(world, "BEGIN");
    run_sql(world, "UPDATE synchronization SET next_number = next_number + 1");
    assert_int_equal(retain(&one, NULL), 0);
    run_sql(world, "COMMIT");
    assert_sql(world, "SELECT count(*) FROM synchronization", "1");
    assert_int_equal(retain(&one, NULL), 1);
    assert_sql(world, "SELECT count(*) FROM synchronization", "0");
    planner_down(&one);
}

/* Goal: who is gone and owns nothing: planners, drained workers; sums of what is not defined. */
static void test_gone(void **state)
{
    struct world *world = *state;
    struct planner_end one;

    run_sql(world, "INSERT INTO drain VALUES ('a', now() - interval '2 days'),"
                   " ('b', now() - interval '2 days'), ('c', now())");
    run_sql(world, "INSERT INTO total (sync, phase) VALUES ('adhoc', 'Failed'), ('p', 'Failed'),"
                   " ('gone', 'Failed')");
    add_job(world, "p");
    one = planner_up(world, "one");
    retain(&one, NULL);
    assert_sql(world, "SELECT count(*) FROM drain", "3");
    retain(&one, "[\"b\"]");
    assert_sql(world, "SELECT string_agg(worker, ' ' ORDER BY worker) FROM drain", "b c");
    assert_sql(world, "SELECT string_agg(sync, ' ' ORDER BY sync) FROM total", "adhoc p");
    run_sql(world, "INSERT INTO planner (name, host, pid, started_at) VALUES"
                   " ('dead', 'h', 1, now() - interval '2 days'), ('young', 'h', 1, now()),"
                   " ('owner', 'h', 1, now() - interval '2 days')");
    run_sql(world, "UPDATE planner SET started_at = '2020-01-01' WHERE name = 'one'");
    run_sql(world, "UPDATE job SET owner = (SELECT id FROM planner WHERE name = 'owner')");
    retain(&one, NULL);
    assert_sql(world, "SELECT string_agg(name, ' ' ORDER BY name) FROM planner", "one owner young");
    planner_down(&one);
}

/* Goal: one planner at a time. Method: the lock is held by another session. */
static void test_one_at_a_time(void **state)
{
    struct world *world = *state;
    struct planner_end one = planner_up(world, "one");

    run_sql(world, "INSERT INTO event (at, kind, message) VALUES ('2020-01-01', 'x', 'x')");
    run_sql(world, "SELECT pg_advisory_lock(" ADVISORY_CLASS ", -3)");
    assert_int_equal(retain(&one, NULL), 0);
    run_sql(world, "SELECT pg_advisory_unlock(" ADVISORY_CLASS ", -3)");
    assert_int_equal(retain(&one, NULL), 1);
    planner_down(&one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_events),        WORLD_TEST(test_jobs),
        WORLD_TEST(test_kept_jobs),     WORLD_TEST(test_referred_jobs),
        WORLD_TEST(test_skipped_times), WORLD_TEST(test_adhoc),
        WORLD_TEST(test_adhoc_begins),  WORLD_TEST(test_gone),
        WORLD_TEST(test_one_at_a_time),
    };

    return cmocka_run_group_tests(tests, services_up, NULL);
}
