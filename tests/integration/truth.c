/* truth.c: who owns which job, what may begin, and how it ends. Against a real Postgres; counting
 * is in truth_counts.c, a Postgres that goes away in truth_faults.c. */
#include "truth_fixture.h"

#define WORLD struct world *world = *state

/* ---- ownership ---- */

/* Goal: each job is claimed by one planner. Method: two planners claim two at a time from forty
 * jobs until nothing is left; both ask at once. */
static void claimed_once(void **state)
{
    struct planner_end planners[2];
    u32 owners[41] = {0}, claimed = 0, empty = 0;
    char name[16];
    WORLD;

    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof name, "j%02d", i);
        add_job(world, name);
    }
    planners[0] = planner_up(world, "one");
    planners[1] = planner_up(world, "two");
    while (empty < 2) {
        struct truth_request *answers[2];

        for (int i = 0; i < 2; i++) {
            struct truth_request *request = make_request(TRUTH_CLAIM, 0, 0);

            request->limit = 2;
            truth_post(planners[i].truth, &request);
        }
        empty = 0;
        for (int i = 0; i < 2; i++) {
            answers[i] = wait_for(&planners[i], TRUTH_CLAIM, 10000);
            assert_non_null(answers[i]);
            empty += answers[i]->claim_count == 0;
            for (u32 k = 0; k < answers[i]->claim_count; k++) {
                assert_in_range(answers[i]->claims[k].id, 1, 40);
                owners[answers[i]->claims[k].id]++;
                claimed++;
            }
            truth_request_destroy(&answers[i]);
        }
    }
    assert_int_equal(claimed, 40);
    for (int i = 1; i <= 40; i++)
        assert_int_equal(owners[i], 1);
    assert_sql(world,
               "SELECT count(*) FROM job WHERE started_at IS NULL OR owner IS NULL OR epoch <"
               " extract(epoch FROM now()) - 60",
               "0");
    planner_down(&planners[0]);
    planner_down(&planners[1]);
}

/* Goal: a claim tells all that a job needs. Method: a job with a spec, identities and counters. */
static void claim_is_complete(void **state)
{
    struct planner_end planner;
    struct truth_request *answer;
    struct claimed_job *claim;
    WORLD;

    add_job(world, "p");
    run_sql(world, "UPDATE job SET spec = '{\"verify\": 1}', phase = 'Closing', opened = true,"
                   " cancel_requested = true, found = 7");
    run_sql(world,
            "UPDATE synchronization SET source_identity = '\\x00ff',"
            " labels = '{\"syncline.adhoc\": \"true\"}', spec = '{\"limits\": {\"lanes\": 3}}'");
    planner = planner_up(world, "one");
    answer = claim_up_to(&planner, 1);
    assert_int_equal(answer->claim_count, 1);
    claim = &answer->claims[0];
    assert_string_equal(claim->name, "p-1");
    assert_string_equal(claim->synchronization, "p");
    assert_string_equal(claim->source_address, "dir:/src/p");
    assert_string_equal(claim->destination_address, "dir:/dst/p");
    assert_string_equal(claim->spec, "{\"verify\": 1}");
    assert_string_equal(claim->source_name, "p-src");
    assert_string_equal(claim->destination_name, "p-dst");
    assert_string_equal(claim->limits, "{\"lanes\": 3}");
    assert_true(claim->adhoc);
    assert_int_equal(claim->phase, PHASE_Closing);
    assert_true(claim->opened && claim->cancel_requested);
    assert_true(bytes_equal(buf_bytes(&claim->source_identity), bytes_of("\0\xff", 2)));
    assert_int_equal(claim->destination_identity.size, 0);
    assert_counters(&claim->counters, "found=7");
    truth_request_destroy(&answer);
    planner_down(&planner);
}

static u32 claims_of(struct planner_end *planner)
{
    struct truth_request *answer = claim_up_to(planner, 10);
    u32 count = answer->claim_count;

    truth_request_destroy(&answer);
    return count;
}

/* Goal: a job is taken over when its owner's lease has ended, or its session is gone and it is a
 * namesake or silent for two seconds; not before. Method: owners made by hand, leases set back. */
static void taken_over(void **state)
{
    struct planner_end one, two;
    u64 job;
    u32 epoch;
    WORLD;

    job = add_job(world, "p");
    run_sql(world, "INSERT INTO planner (name, host, pid) VALUES ('one', 'gone', 1)");
    run_sql(world,
            "UPDATE job SET owner = 1, epoch = 4000000000, lease_until = now() + interval '4.5s'");
    two = planner_up(world, "two");
    assert_int_equal(claims_of(&two), 0); /* its owner may come back */
    run_sql(world, "UPDATE job SET lease_until = now() + interval '2.9s'");
    assert_int_equal(claims_of(&two), 1);
    run_sql(world, "UPDATE job SET owner = 1, lease_until = now() + interval '5s'");
    one = planner_up(world, "one");
    epoch = claim_one(&one, job); /* a namesake is its successor */
    assert_int_equal(epoch, 4000000002u);
    assert_int_equal(claims_of(&one), 0);
    assert_int_equal(claims_of(&two), 0); /* a live session and lease */
    run_sql(world, "UPDATE job SET lease_until = now() - interval '1s'");
    assert_int_equal(claims_of(&two), 1);
    ask_for(&one, begin_request(job, epoch, "a", "b"), ERR_OwnershipLost);
    ask_for(&one, make_request(TRUTH_END, job, epoch), ERR_Internal); /* in no phase */
    planner_down(&one);
    planner_down(&two);
}

/* Goal: who takes a job over knows at which directory it had begun, whatever is at that address for
 * others by now. Method: the asset is another one when the lease has ended. */
static void taken_over_where_it_was(void **state)
{
    static const char was[] = "identity of dst/1";
    struct planner_end one, two;
    struct truth_request *answer;
    u64 job;
    WORLD;

    job = add_job(world, "p");
    one = planner_up(world, "one");
    begin_one(&one, job);
    run_sql(world, "UPDATE asset SET identity = 'another'");
    run_sql(world, "UPDATE job SET lease_until = now() - interval '1s'");
    two = planner_up(world, "two");
    answer = claim_up_to(&two, 1);
    assert_int_equal(answer->claim_count, 1);
    assert_true(bytes_equal(buf_bytes(&answer->claims[0].destination_identity), bytes_text(was)));
    truth_request_destroy(&answer);
    planner_down(&one);
    planner_down(&two);
}

/* Goal: every request about a lost job says so and changes nothing. Method: the epoch is raised. */
static void lost_jobs_are_left_alone(void **state)
{
    static const enum truth_kind kinds[] = {TRUTH_BEGIN,      TRUTH_OPENED, TRUTH_SPLIT,
                                            TRUTH_SEGMENT,    TRUTH_REDO,   TRUTH_CLOSE_NEXT,
                                            TRUTH_CLOSE_DONE, TRUTH_PHASE};
    struct planner_end planner;
    struct truth_request *request;
    u32 epoch;
    u64 job;
    WORLD;

    job = add_job(world, "p");
    planner = planner_up(world, "one");
    epoch = begin_one(&planner, job);
    run_sql(world, "UPDATE job SET epoch = epoch + 1");
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        ask_for(&planner, make_request(kinds[i], job, epoch), ERR_OwnershipLost);
    request = make_request(TRUTH_END, job, epoch);
    request->phase = PHASE_Succeeded;
    ask_for(&planner, request, ERR_OwnershipLost);
    assert_sql(world, "SELECT phase FROM job", "Running");
    planner_down(&planner);
}

/* Goal: leases are renewed and a wish to cancel is told; an orderly end gives them up.
 * Method: RENEW, read back; then destroy, and another planner claims at once. */
static void leases(void **state)
{
    struct planner_end one, two;
    struct truth_request *answer;
    WORLD;

    add_job(world, "p");
    one = planner_up(world, "one");
    assert_int_equal(claims_of(&one), 1);
    run_sql(world, "UPDATE job SET cancel_requested = true, lease_until = now()");
    answer = ask(&one, make_request(TRUTH_RENEW, 0, 0));
    assert_int_equal(answer->job_count, 1);
    assert_true(answer->jobs[0].cancel_requested);
    assert_string_equal(answer->jobs[0].limits, "");
    truth_request_destroy(&answer);
    /* the limits are those of the synchronization, at this moment */
    run_sql(world, "UPDATE synchronization SET spec = '{\"limits\": {\"lanes\": 3}}'");
    answer = ask(&one, make_request(TRUTH_RENEW, 0, 0));
    assert_string_equal(answer->jobs[0].limits, "{\"lanes\": 3}");
    truth_request_destroy(&answer);
    assert_sql(world, "SELECT lease_until > now() + interval '3s' FROM job", "t");
    two = planner_up(world, "two");
    assert_int_equal(claims_of(&two), 0);
    planner_down(&one);
    assert_int_equal(claims_of(&two), 1);
    planner_down(&two);
}

/* Goal: a job that is inserted wakes planners at once. Method: NOTIFY, and the time until WAKE. */
static void notified(void **state)
{
    struct planner_end planner;
    struct truth_request *answer;
    s64 least = 1000;
    WORLD;

    planner = planner_up(world, "one");
    answer = wait_for(&planner, TRUTH_WAKE, 5000); /* connected */
    assert_non_null(answer);
    truth_request_destroy(&answer);
    for (int i = 0; i < 5; i++) {
        s64 start = clock_monotonic_ms();

        run_sql(world, "NOTIFY syncline_jobs");
        answer = wait_for(&planner, TRUTH_WAKE, 5000);
        assert_non_null(answer);
        truth_request_destroy(&answer);
        if (clock_monotonic_ms() - start < least)
            least = clock_monotonic_ms() - start;
    }
    assert_true(least < 200);
    planner_down(&planner);
}

/* ---- beginnings ---- */

/* Goal: a job begins once, with its root shard. Method: BEGIN twice, as after an unknown commit. */
static void begins(void **state)
{
    struct planner_end planner;
    struct truth_request *answer, *request;
    u32 epoch;
    u64 job;
    WORLD;

    job = add_job(world, "p");
    planner = planner_up(world, "one");
    epoch = claim_one(&planner, job);
    for (int i = 0; i < 2; i++) {
        answer = ask(&planner, begin_request(job, epoch, "a", "b"));
        assert_int_equal(answer->err.code, ERR_Ok);
        assert_true(answer->first && !answer->destination_changed);
        assert_int_equal(answer->shard_count, 1);
        assert_int_equal(answer->shards[0].path.size, 0);
        truth_request_destroy(&answer);
    }
    assert_sql(world, "SELECT string_agg(kind, ',') FROM event WHERE job IS NOT NULL", "Running");
    assert_sql(world, "SELECT count(*) FROM asset WHERE state = 'Ready' AND identity IS NOT NULL",
               "2");
    request = make_request(TRUTH_SPLIT, job, epoch);
    request->shard = 1;
    request->unsettled_since_ns = 5;
    buf_append(&request->path, "sub\0\xff", 5);
    ask_for(&planner, request, ERR_Ok);
    request = make_request(TRUTH_OPENED, job, epoch);
    request->now_ns = 42;
    ask_for(&planner, request, ERR_Ok);
    answer = ask(&planner, begin_request(job, epoch, "a", "b"));
    assert_int_equal(answer->shard_count, 2);
    assert_int_equal(answer->shards[0].unsettled_since_ns, 42);
    assert_int_equal(answer->shards[1].unsettled_since_ns, 5);
    assert_true(bytes_equal(buf_bytes(&answer->shards[1].path), bytes_of("sub\0\xff", 5)));
    truth_request_destroy(&answer);
    assert_sql(world, "SELECT opened FROM job", "t");
    planner_down(&planner);
}

/* Goal: another source is refused; another destination voids what the ledger knows of it.
 * Method: identities of earlier jobs that differ, object rows of the destination. */
static void identities(void **state)
{
    struct planner_end planner;
    struct truth_request *answer;
    u32 epoch;
    u64 job;
    WORLD;

    job = add_job(world, "p");
    run_sql(world, "UPDATE synchronization SET source_identity = 'other'");
    run_sql(world, "UPDATE asset SET identity = 'other' WHERE name = 'p-dst'");
    run_sql(world,
            "INSERT INTO object (asset, key, path, kind, size, mtime_ns, hash, checksum, job,"
            " shard) SELECT id, gen_random_uuid(), 'x', 'file', 1, 1, 'x', '', 0, 0 FROM asset");
    planner = planner_up(world, "one");
    epoch = claim_one(&planner, job);
    answer = ask(&planner, begin_request(job, epoch, "a", "b"));
    assert_int_equal(answer->err.code, ERR_SourceChanged);
    assert_non_null(strstr(answer->err.text, "dir:/src/p"));
    truth_request_destroy(&answer);
    assert_sql(world, "SELECT count(*) FROM object", "2"); /* a refusal changes nothing */
    run_sql(world, "UPDATE synchronization SET source_identity = NULL");
    answer = ask(&planner, begin_request(job, epoch, "a", "b"));
    assert_int_equal(answer->err.code, ERR_Ok);
    assert_true(answer->destination_changed && answer->first);
    truth_request_destroy(&answer);
    assert_sql(world, "SELECT string_agg(name, ',') FROM asset a JOIN object o ON o.asset = a.id",
               "p-src");
    planner_down(&planner);
}

/* Goal: no two active jobs write into one place, and data does not go round; chains are fine.
 * Method: one job holds a to b; others ask for places around it. */
static void conflicts(void **state)
{
    static const struct {
        const char *source, *destination;
        enum err_code code;
    } tries[] = {{"x", "top/b", ERR_Overlap}, {"x", "top/b/in", ERR_Overlap},
                 {"x", "top", ERR_Overlap},   {"top/b", "a/in", ERR_Cycle},
                 {"c", "a", ERR_Cycle},       {"x", "top/bb", ERR_Ok}};
    struct planner_end planner;
    u32 epochs[3];
    u64 jobs[3];
    WORLD;

    jobs[0] = add_job(world, "p");
    planner = planner_up(world, "one");
    epochs[0] = claim_one(&planner, jobs[0]);
    ask_for(&planner, begin_request(jobs[0], epochs[0], "a", "top/b"), ERR_Ok);
    jobs[1] = add_job(world, "chain");
    epochs[1] = claim_one(&planner, jobs[1]);
    ask_for(&planner, begin_request(jobs[1], epochs[1], "top/b", "c"), ERR_Ok);
    jobs[2] = add_job(world, "q");
    epochs[2] = claim_one(&planner, jobs[2]);
    for (size_t i = 0; i < COUNT_OF(tries); i++) {
        struct truth_request *answer =
            ask(&planner, begin_request(jobs[2], epochs[2], tries[i].source, tries[i].destination));

        if (answer->err.code != tries[i].code)
            fail_msg("%s to %s: %s", tries[i].source, tries[i].destination,
                     err_name(answer->err.code));
        if (tries[i].code == ERR_Overlap)
            assert_non_null(strstr(answer->err.text, "job p-1 "));
        truth_request_destroy(&answer);
        run_sql(world, "UPDATE synchronization SET source_identity = NULL");
    }
    planner_down(&planner);
}

/* ---- phases and ends ---- */

/* Goal: phases and ends are told to who waits, once, and an end leaves nothing behind.
 * Method: LISTEN; PHASE and END twice each, as after unknown commits. */
static void ends(void **state)
{
    struct planner_end planner;
    struct truth_request *request;
    char *channel, *payload;
    struct err err;
    u32 epoch;
    u64 job;
    WORLD;

    job = add_job(world, "p");
    planner = planner_up(world, "one");
    epoch = begin_one(&planner, job);
    run_sql(world, "LISTEN syncline_job");
    for (int i = 0; i < 2; i++) {
        request = make_request(TRUTH_PHASE, job, epoch);
        request->phase = PHASE_Closing;
        request->scan_complete = true;
        request->waiting_for = text_copy("a mover\xff");
        ask_for(&planner, request, ERR_Ok);
    }
    assert_sql(world, "SELECT phase || ' ' || scan_complete || ' ' || waiting_for FROM job",
               "Closing true a mover\\xff");
    for (int i = 0; i < 2; i++) {
        request = make_request(TRUTH_END, job, epoch);
        request->phase = PHASE_Failed;
        request->reason = text_copy("SourceMissing");
        request->message = text_copy("/src is gone");
        ask_for(&planner, request, ERR_Ok);
    }
    assert_sql(world,
               "SELECT phase || reason || message || (finished_at IS NOT NULL) || (owner IS NULL)"
               " || (waiting_for IS NULL) FROM job",
               "FailedSourceMissing/src is gonetruetruetrue");
    assert_sql(world, "SELECT (SELECT count(*) FROM shard) + (SELECT count(*) FROM claim)", "0");
    assert_sql(world,
               "SELECT string_agg(kind || ' ' || message, ',' ORDER BY id) FROM event WHERE job IS "
               "NOT NULL",
               "Running ,Closing ,Failed SourceMissing: /src is gone");
    assert_sql(world, "SELECT state || ' ' || reason FROM asset WHERE name = 'p-src'",
               "Failed SourceMissing");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(postgres_wait_notify(world->sql, 1000, &channel, &payload, &err), 1);
        assert_string_equal(payload, "p-1");
        free(channel);
        free(payload);
    }
    assert_int_equal(postgres_wait_notify(world->sql, 50, &channel, &payload, &err), 0);
    planner_down(&planner);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(claimed_once),
        WORLD_TEST(claim_is_complete),
        WORLD_TEST(taken_over),
        WORLD_TEST(lost_jobs_are_left_alone),
        WORLD_TEST(leases),
        WORLD_TEST(notified),
        WORLD_TEST(begins),
        WORLD_TEST(identities),
        WORLD_TEST(conflicts),
        WORLD_TEST(ends),
        WORLD_TEST(taken_over_where_it_was),
    };

    return cmocka_run_group_tests(tests, services_up, NULL);
}
