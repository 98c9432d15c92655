/* truth_faults.c: no request is lost or done twice when Postgres goes away. Against a real Postgres
 * that is killed, frozen, and cut off in its commits. */
#include "truth_fixture.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

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
    assert_sql(world, "SELECT string_agg(kind, ',' ORDER BY id) FROM event WHERE job IS NOT NULL",
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

/* ---- transactions that take longer than a lease ---- */

/* A session of somebody else, in a transaction that began with `statement`. */
static struct postgres *session_in(struct world *world, const char *statement)
{
    struct postgres *session;
    struct err err;

    assert_int_equal(postgres_connect(world->url, "somebody", &session, &err), 0);
    assert_int_equal(postgres_run(session, "BEGIN", &err), 0);
    if (postgres_run(session, statement, &err) < 0)
        fail_msg("%s: %s", statement, err.text);
    return session;
}

static void session_ends(struct postgres **session, const char *statement)
{
    struct err err;

    assert_int_equal(postgres_run(*session, statement, &err), 0);
    postgres_destroy(session);
}

/* A segment that waits, with the job's row locked, as long as somebody holds its shard. */
static void post_held_up(struct planner_end *planner, u64 job, u32 epoch)
{
    struct truth_request *request = segment_request(job, epoch, 0, 1);

    add_row(request, OPERATION_put, OUTCOME_failed, 0, "bad");
    request->counters.value[COUNTER_scanned] = 1;
    truth_post(planner->truth, &request);
}

static bool is_held_up(void *context)
{
    return sql_number(context, "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type ="
                               " 'Lock' AND application_name LIKE 'syncline-planner one%'") == 1;
}

static bool has_ended(void *context)
{
    return sql_number(context, "SELECT count(*) FROM pg_stat_activity"
                               " WHERE application_name LIKE 'syncline-planner one%'") == 0;
}

static u32 claims_of(struct planner_end *planner)
{
    struct truth_request *answer = claim_up_to(planner, 10);
    u32 count = answer->claim_count;

    truth_request_destroy(&answer);
    return count;
}

/* Renews at once, whatever else is under way; how many jobs are ours. */
static u32 renewed(struct planner_end *planner)
{
    struct truth_request *answer, *request = make_request(TRUTH_RENEW, 0, 0);
    s64 start = clock_monotonic_ms();
    u32 count;

    truth_post(planner->truth, &request);
    answer = wait_for(planner, TRUTH_RENEW, 5000);
    assert_non_null(answer);
    assert_int_equal(answer->err.code, ERR_Ok);
    assert_true(clock_monotonic_ms() - start < 2000);
    count = answer->job_count;
    truth_request_destroy(&answer);
    return count;
}

/* Goal: a transaction that takes longer than a lease costs no job, neither its own nor another; a
 * loop that asks for no renewals keeps none. Method: a segment is held up by a lock on its shard,
 * while its planner renews and another one claims. */
static void renews_meanwhile(void **state)
{
    struct planner_end one, two;
    struct truth_request *answer;
    struct postgres *somebody;
    u64 held_up, other;
    u32 epoch;
    s64 start;
    WORLD;

    held_up = add_job(world, "p");
    one = planner_up(world, "one");
    epoch = begin_one(&one, held_up);
    other = add_job(world, "q");
    begin_one(&one, other);
    two = planner_up(world, "two");
    somebody = session_in(world, "SELECT FROM shard FOR UPDATE");
    post_held_up(&one, held_up, epoch);
    assert_true(service_wait(is_held_up, world, 5000));
    for (start = clock_monotonic_ms(); clock_monotonic_ms() - start < PLANNER_LEASE_MS + 1500;) {
        assert_int_equal(renewed(&one), 2);
        assert_int_equal(claims_of(&two), 0);
        usleep(300000);
    }
    assert_sql(world, "SELECT count(*) FROM job WHERE lease_until > now()", "1");
    session_ends(&somebody, "COMMIT");
    answer = wait_for(&one, TRUTH_SEGMENT, 5000);
    assert_non_null(answer);
    assert_int_equal(answer->err.code, ERR_Ok);
    truth_request_destroy(&answer);
    assert_sql(world, "SELECT count(*) FROM job WHERE lease_until > now() + interval '2s'", "2");
    assert_int_equal(claims_of(&two), 0);
    usleep((PLANNER_LEASE_MS + 500) * 1000);
    assert_int_equal(claims_of(&two), 2);
    assert_int_equal(renewed(&one), 0);
    planner_down(&one);
    planner_down(&two);
}

/* Goal: whose a job is, is what was committed, also while a claim is under way. Method: a claim by
 * hand that commits late; renewals before and after, with the epoch. */
static void renews_beside_a_claim(void **state)
{
    struct planner_end one;
    struct truth_request *answer;
    struct postgres *somebody;
    u64 job;
    u32 epoch;
    WORLD;

    job = add_job(world, "p");
    one = planner_up(world, "one");
    epoch = begin_one(&one, job);
    run_sql(world, "INSERT INTO planner (name, host, pid) VALUES ('two', 'h', 1)");
    somebody = session_in(world, "UPDATE job SET epoch = epoch + 1, owner ="
                                 " (SELECT id FROM planner WHERE name = 'two')");
    answer = ask(&one, make_request(TRUTH_RENEW, 0, 0));
    assert_int_equal(answer->job_count, 1);
    assert_int_equal(answer->jobs[0].id, job);
    assert_int_equal(answer->jobs[0].epoch, epoch);
    truth_request_destroy(&answer);
    session_ends(&somebody, "COMMIT");
    assert_int_equal(renewed(&one), 0);
    ask_for(&one, make_request(TRUTH_PHASE, job, epoch), ERR_OwnershipLost);
    planner_down(&one);
}

/* A planner in a process of its own, in the middle of a long transaction, which renews all the
 * time; it is there to be killed. */
static pid_t planner_to_kill(struct world *world, u64 job)
{
    struct planner_end one;
    pid_t pid = fork();
    u32 epoch;

    if (pid != 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    one = planner_up(world, "one");
    epoch = claim_one(&one, job);
    post_held_up(&one, job, epoch);
    for (;;) {
        renewed(&one);
        usleep(200000);
    }
}

/* Goal: a planner that is killed in a long transaction loses its jobs as any other. Method: the
 * planner is a process of its own; another one claims before and after it is killed. */
static void killed_in_a_transaction(void **state)
{
    struct postgres *somebody;
    struct planner_end two;
    u64 held_up;
    pid_t pid;
    s64 start;
    u32 claimed = 0;
    WORLD;

    held_up = add_job(world, "p");
    run_sql(world, "INSERT INTO shard (job, number, path) VALUES (%llu, 0, '')",
            (unsigned long long)held_up);
    somebody = session_in(world, "SELECT FROM shard FOR UPDATE");
    pid = planner_to_kill(world, held_up);
    world_reconnect(world);
    assert_true(service_wait(is_held_up, world, 10000));
    two = planner_up(world, "two");
    for (start = clock_monotonic_ms(); clock_monotonic_ms() - start < PLANNER_LEASE_MS + 1500;) {
        assert_int_equal(claims_of(&two), 0);
        usleep(300000);
    }
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_true(service_wait(has_ended, world, 5000)); /* though its lock is still held */
    for (start = clock_monotonic_ms(); clock_monotonic_ms() - start < PLANNER_LEASE_MS + 3000;) {
        claimed += claims_of(&two);
        if (claimed > 0)
            break;
        usleep(100000);
    }
    assert_int_equal(claimed, 1);
    session_ends(&somebody, "ROLLBACK");
    planner_down(&two);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(reconnects),
        WORLD_TEST(unknown_commits),
        WORLD_TEST(dies_between_commits),
        WORLD_TEST(dies_while_claiming),
        WORLD_TEST(ends_promptly),
        WORLD_TEST(renews_meanwhile),
        WORLD_TEST(renews_beside_a_claim),
        WORLD_TEST(killed_in_a_transaction),
    };

    return cmocka_run_group_tests(tests, services_up, NULL);
}
