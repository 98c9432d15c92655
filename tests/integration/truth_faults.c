/* truth_faults.c: no request is lost or done twice when Postgres goes away. Against a real Postgres
 * that is killed, frozen, and cut off in its commits. */
#include "truth_fixture.h"

#define WORLD struct world *world = *state

static bool is_up(void *context)
{
    return truth_is_up(((struct planner_end *)context)->truth);
}

/* Goal: a lost connection costs nothing: same planner, same lock, same jobs.
 * Method: the backend is terminated while idle; a session without the lock would lose the job. */
static void reconnects(void **state)
{
    struct planner_end planner;
    struct truth_request *answer;
    u32 epoch;
    u64 job;
    WORLD;

    job = add_job(world, "p");
    planner = planner_up(world, "one");
    epoch = begin_one(&planner, job);
    run_sql(world, "UPDATE job SET lease_until = now() - interval '1s'");
    run_sql(world, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                   " WHERE application_name = 'syncline-planner one'");
    ask_for(&planner, make_request(TRUTH_PHASE, job, epoch), ERR_Ok);
    assert_sql(world, "SELECT count(*) FROM planner", "1");
    assert_sql(world, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 1",
               "1");
    assert_sql(world, "SELECT lease_until > now() + interval '3s' FROM job",
               "t"); /* renewed at once */
    answer = wait_for(&planner, TRUTH_WAKE, 5000);
    assert_non_null(answer);
    truth_request_destroy(&answer);
    planner_down(&planner);
}

/* ---- commits whose outcome is unknown ---- */

static bool waits_in_commit(void *context)
{
    return sql_number(context,
                      "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'") > 0;
}

static void set_standby(struct world *world, const char *name)
{
    run_sql(world, "ALTER SYSTEM SET synchronous_standby_names = '%s'", name);
    run_sql(world, "SELECT pg_reload_conf()");
}

/* Asks in such a way that the commit is done, but the connection ends before Postgres says so: a
 * commit that waits for a standby that there is not is durable already, and its backend is
 * terminated then. */
static struct truth_request *ask_unknown(struct world *world, struct planner_end *planner,
                                         struct truth_request *request)
{
    enum truth_kind kind = request->kind;
    struct truth_request *answer;

    set_standby(world, "nobody");
    usleep(50000); /* until backends have read it */
    truth_post(planner->truth, &request);
    assert_true(service_wait(waits_in_commit, world, 5000));
    run_sql(world,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'");
    set_standby(world, "");
    answer = wait_for(planner, kind, 10000);
    assert_non_null(answer);
    if (answer->err.code != ERR_Ok)
        fail_msg("kind %d: %s", kind, answer->err.text);
    return answer;
}

static void answered(struct truth_request *answer, const char *counters)
{
    if (counters)
        assert_counters(&answer->counters, counters);
    truth_request_destroy(&answer);
}

/* Goal: a commit whose outcome is unknown is read back: each request has its effect once, and its
 * answer is that of the effect. Method: a whole job, each of whose commits is cut off after it was
 * done. */
static void unknown_commits(void **state)
{
    struct planner_end planner;
    struct truth_request *request, *answer;
    u64 job, asset;
    u32 epoch;
    WORLD;

    job = add_job(world, "p");
    asset = asset_of(world, job);
    run_sql(world, "UPDATE asset SET identity = 'other' WHERE name = 'p-dst'");
    planner = planner_up(world, "one");
    assert_true(service_wait(is_up, &planner, 10000));
    request = make_request(TRUTH_CLAIM, 0, 0);
    request->limit = 10;
    answer = ask_unknown(world, &planner, request);
    assert_int_equal(answer->claim_count, 1);
    epoch = answer->claims[0].epoch;
    truth_request_destroy(&answer);

    answer = ask_unknown(world, &planner, begin_request(job, epoch, "a", "b"));
    assert_true(answer->destination_changed && answer->first);
    assert_int_equal(answer->shard_count, 1);
    truth_request_destroy(&answer);
    request = make_request(TRUTH_SPLIT, job, epoch);
    request->shard = 1;
    buf_append_text(&request->path, "sub");
    answered(ask_unknown(world, &planner, request), NULL);

    request = segment_request(job, epoch, 0, 1);
    request->asset = asset;
    add_files(request, 0, 5);
    add_row(request, OPERATION_put, OUTCOME_failed, 5, "bad");
    add_row(request, OPERATION_directory, OUTCOME_moved, 6, "dir");
    request->counters.value[COUNTER_scanned] = 7;
    request->counters.value[COUNTER_bytes_moved] = 50;
    answered(ask_unknown(world, &planner, request),
             "scanned=7 found=7 moved=5 failed=1 bytes_found=60 bytes_moved=50");
    request = make_request(TRUTH_REDO, job, epoch);
    answered(ask_unknown(world, &planner, request),
             "scanned=6 found=6 moved=5 bytes_found=50 bytes_moved=50");
    request = segment_request(job, epoch, 0, 0);
    request->kind = TRUTH_CLOSE_DONE;
    add_row(request, OPERATION_directory, OUTCOME_attributes, 0, "dir");
    answered(ask_unknown(world, &planner, request),
             "scanned=6 found=6 moved=6 bytes_found=50 bytes_moved=50");

    request = make_request(TRUTH_PHASE, job, epoch);
    request->phase = PHASE_Closing;
    answered(ask_unknown(world, &planner, request), NULL);
    request = make_request(TRUTH_END, job, epoch);
    request->phase = PHASE_Succeeded;
    answered(ask_unknown(world, &planner, request),
             "scanned=6 found=6 moved=6 bytes_found=50 bytes_moved=50");
    assert_sql(world, "SELECT string_agg(kind, ',' ORDER BY id) FROM event",
               "Running,Closing,Succeeded");
    assert_sql(world, "SELECT count(*) FROM planner", "1");
    planner_down(&planner);
}

static bool is_down(void *context)
{
    return !is_up(context);
}

/* Goal: what was committed is there once, whenever Postgres dies. Method: many segments are posted,
 * and Postgres is stopped at once six times while they are executed; then a job is claimed and
 * ends. */
static void dies_between_commits(void **state)
{
    enum { SEGMENTS = 60, ITEMS = 2000 };
    struct planner_end planner;
    struct truth_request *request;
    u64 job, asset;
    u32 epoch;
    WORLD;

    job = add_job(world, "p");
    asset = asset_of(world, job);
    planner = planner_up(world, "one");
    epoch = begin_one(&planner, job);
    for (u32 i = 0; i < SEGMENTS; i++) {
        request = segment_request(job, epoch, 0, i + 1);
        request->asset = asset;
        request->shard_done = i + 1 == SEGMENTS;
        add_files(request, i * ITEMS, (i + 1) * ITEMS);
        add_row(request, OPERATION_put, OUTCOME_failed, 0, "bad/%u", i);
        request->counters.value[COUNTER_scanned] = ITEMS + 1;
        truth_post(planner.truth, &request);
    }
    for (int i = 0; i < 6; i++) {
        usleep(40000 + 35000 * (u32)i);
        postgres_service_end(SERVICE_IMMEDIATE);
        assert_true(service_wait(is_down, &planner, 5000));
        postgres_service_start();
        assert_true(service_wait(is_up, &planner, 10000));
    }
    for (u32 i = 0; i < SEGMENTS; i++) {
        request = wait_for(&planner, TRUTH_SEGMENT, 30000);
        assert_non_null(request);
        assert_int_equal(request->err.code, ERR_Ok);
        assert_int_equal(request->segment, i + 1);
        if (i + 1 == SEGMENTS)
            assert_counters(&request->counters,
                            "scanned=120060 found=120060 moved=120000 failed=60 "
                            "bytes_found=1200600 bytes_moved=1200000");
        truth_request_destroy(&request);
    }
    world_reconnect(world);
    assert_sql(world, "SELECT count(*) FROM object", "120000");
    assert_sql(world, "SELECT segments || ' ' || done FROM shard", "60 true");
    planner_down(&planner);
}

/* Goal: a claim whose commit is unknown is told. Method: Postgres dies again and again while
 * planners claim one job at a time; at the end every job was handed out. */
static void dies_while_claiming(void **state)
{
    enum { JOBS = 60 };
    struct planner_end planner;
    bool told[JOBS + 1] = {false};
    u32 count = 0;
    char name[16];
    WORLD;

    for (int i = 0; i < JOBS; i++) {
        snprintf(name, sizeof name, "j%02d", i);
        add_job(world, name);
    }
    planner = planner_up(world, "one");
    for (u32 i = 0; i < JOBS; i++) {
        struct truth_request *request = make_request(TRUTH_CLAIM, 0, 0);

        request->limit = 1;
        truth_post(planner.truth, &request);
    }
    for (int i = 0; i < 3; i++) {
        postgres_service_end(SERVICE_IMMEDIATE);
        postgres_service_start();
        usleep(20000 * (u32)i);
    }
    for (u32 i = 0; i < JOBS; i++) {
        struct truth_request *answer = wait_for(&planner, TRUTH_CLAIM, 20000);

        assert_non_null(answer);
        for (u32 k = 0; k < answer->claim_count; k++) {
            assert_false(told[answer->claims[k].id]);
            told[answer->claims[k].id] = true;
            count++;
        }
        truth_request_destroy(&answer);
    }
    assert_int_equal(count, JOBS);
    world_reconnect(world);
    planner_down(&planner);
}

/* Goal: a planner ends promptly whatever Postgres does. Method: Postgres is frozen while a request
 * is under way, then stopped; both times the end is timed, and the request comes back as Stopped.
 */
static void ends_promptly(void **state)
{
    WORLD;

    add_job(world, "p");
    for (int frozen = 1; frozen >= 0; frozen--) {
        struct planner_end planner = planner_up(world, "one");
        struct truth_request *request = make_request(TRUTH_RENEW, 0, 0);
        s64 start;

        assert_true(service_wait(is_up, &planner, 10000));
        if (frozen)
            postgres_service_freeze(true);
        else
            postgres_service_end(SERVICE_IMMEDIATE);
        truth_post(planner.truth, &request);
        usleep(100000);
        start = clock_monotonic_ms();
        truth_destroy(&planner.truth);
        assert_true(clock_monotonic_ms() - start < 2500);
        request = wait_for(&planner, TRUTH_RENEW, 100);
        assert_non_null(request);
        assert_int_equal(request->err.code, ERR_Stopped);
        truth_request_destroy(&request);
        planner_down(&planner);
        if (frozen)
            postgres_service_freeze(false);
        else
            postgres_service_start();
    }
    world_reconnect(world);
}

static int services_up(void **state)
{
    (void)state;
    log_setup("test", LOG_ERROR, false);
    postgres_service_start();
    return 0;
}

int main(void)
{
#define WORLD_TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        WORLD_TEST(reconnects),           WORLD_TEST(unknown_commits),
        WORLD_TEST(dies_between_commits), WORLD_TEST(dies_while_claiming),
        WORLD_TEST(ends_promptly),
    };

    return cmocka_run_group_tests(tests, services_up, NULL);
}
