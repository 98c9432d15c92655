/* Goal: assets that are defined and used come up when their time has come, once; what is found of
 * them is in their row, with the moment of its last change and an event; jobs say it too. What
 * ended jobs did is added up. Method: a real Postgres, the truth threads of planners, rows read
 * back. */
#include "truth_fixture.h"

/* All due assets as "name:roles", roles of s, d and c (source, destination, create). */
static void assert_due(struct planner_end *planner, const char *wanted)
{
    struct truth_request *request = make_request(TRUTH_LOOK, 0, 0), *answer;
    struct buf text = {0};

    request->limit = 10;
    answer = ask(planner, request);
    assert_int_equal(answer->err.code, ERR_Ok);
    for (u32 i = 0; i < answer->due_count; i++)
        buf_printf(&text, "%s%s:%s%s%s", i ? " " : "", answer->due[i].name,
                   answer->due[i].source ? "s" : "", answer->due[i].destination ? "d" : "",
                   answer->due[i].create ? "c" : "");
    if (strcmp(buf_text(&text), wanted) != 0)
        fail_msg("due are \"%s\" where \"%s\" is wanted", buf_text(&text), wanted);
    buf_release(&text);
    truth_request_destroy(&answer);
}

static u64 asset_number(struct world *world, const char *name)
{
    char statement[128];

    snprintf(statement, sizeof statement, "SELECT id FROM asset WHERE name = '%s'", name);
    return (u64)sql_number(world, statement);
}

/* What a probe found: `reason` NULL is fit. The notes as "name state reason changed". */
static void say(struct world *world, struct planner_end *planner, const char *name,
                const char *address, const char *reason, const char *identity, const char *wanted)
{
    struct truth_request *request = make_request(TRUTH_ASSET, 0, 0), *answer;
    struct buf text = {0};

    request->asset = asset_number(world, name);
    request->address = text_copy(address);
    request->bytes_free = 5;
    request->bytes_total = 10;
    buf_append_text(&request->source_identity, identity);
    if (reason) {
        request->reason = text_copy(reason);
        request->message = text_copy("it is not there");
    }
    answer = ask(planner, request);
    if (answer->err.code != ERR_Ok)
        fail_msg("%s", answer->err.text);
    for (u32 i = 0; i < answer->note_count; i++)
        buf_printf(&text, "%s %s %s%s", answer->notes[i].name, answer->notes[i].state,
                   answer->notes[i].reason ? answer->notes[i].reason : "-",
                   answer->notes[i].changed ? " changed" : "");
    if (strcmp(buf_text(&text), wanted) != 0)
        fail_msg("notes are \"%s\" where \"%s\" is wanted", buf_text(&text), wanted);
    buf_release(&text);
    truth_request_destroy(&answer);
}

/* Goal: each asset that something defined refers to is due once, to one planner, for what it is
 * used as. Method: two pairs that share an asset, an ad-hoc pair, an asset that nobody uses. */
static void test_due(void **state)
{
    struct world *world = *state;
    struct planner_end one = planner_up(world, "one"), two = planner_up(world, "two");

    add_job(world, "p");
    add_job(world, "sync-1");
    run_sql(world, "UPDATE synchronization SET labels = '{\"syncline.adhoc\": \"true\"}'"
                   " WHERE name = 'sync-1'");
    run_sql(world, "INSERT INTO asset (name, spec, address) VALUES ('idle', '{}', 'dir:/idle')");
    run_sql(world, "INSERT INTO synchronization (name, kind, source, destination)"
                   " SELECT 'back', 'Synchronization', destination, source FROM synchronization"
                   " WHERE name = 'p'");
    run_sql(world, "UPDATE asset SET spec = '{\"directory\": {\"create\": true}}',"
                   " probe_next = now() - interval '1 s' WHERE name = 'p-dst'");
    assert_due(&one, "p-dst:sdc p-src:sd");
    assert_due(&two, "");
    assert_due(&one, "");
    run_sql(world, "UPDATE asset SET probe_next = now() WHERE name IN ('p-src', 'idle')");
    assert_due(&two, "p-src:sd");
    /* the next one: sooner for one that is known to fail */
    assert_sql(world, "SELECT probe_next > now() + interval '50 s' FROM asset WHERE name = 'p-src'",
               "t");
    run_sql(world, "UPDATE asset SET probe_next = now(), state = 'Failed' WHERE name = 'p-src'");
    assert_due(&two, "p-src:sd");
    assert_sql(world, "SELECT probe_next < now() + interval '20 s' FROM asset WHERE name = 'p-src'",
               "t");
    planner_down(&one);
    planner_down(&two);
}

/* Goal: ids of workers that are to be drained come with each look. */
static void test_drains(void **state)
{
    struct world *world = *state;
    struct planner_end one = planner_up(world, "one");
    struct truth_request *answer;

    run_sql(world, "INSERT INTO drain (worker) VALUES ('mover-2-0a'), ('mover-1-0b')");
    answer = ask(&one, make_request(TRUTH_LOOK, 0, 0));
    assert_int_equal(answer->drain_count, 2);
    assert_string_equal(answer->drains[0], "mover-1-0b");
    truth_request_destroy(&answer);
    planner_down(&one);
}

/* Goal: a state, its reason and the moment of its last change; an event when it changes, and only
 * then; nothing of an asset that was given another address meanwhile, no replaced identity. */
static void test_state(void **state)
{
    struct world *world = *state;
    struct planner_end one = planner_up(world, "one");

    add_job(world, "p");
    say(world, &one, "p-src", "dir:/src/p", NULL, "first", "p-src Ready - changed");
    assert_sql(world,
               "SELECT state || bytes_free || encode(identity, 'escape') FROM asset"
               " WHERE name = 'p-src'",
               "Ready5first");
    run_sql(world, "UPDATE asset SET since = '2020-01-01' WHERE name = 'p-src'");
    say(world, &one, "p-src", "dir:/src/p", NULL, "second", "p-src Ready -");
    assert_sql(world,
               "SELECT encode(identity, 'escape') || extract(year FROM since) FROM asset"
               " WHERE name = 'p-src'",
               "first2020");
    say(world, &one, "p-src", "dir:/src/p", "SourceMissing", "",
        "p-src Failed SourceMissing changed");
    say(world, &one, "p-src", "dir:/src/p", "SourceMissing", "", "p-src Failed SourceMissing");
    assert_sql(world,
               "SELECT since > now() - interval '1 min' AND probe_next < now() +"
               " interval '20 s' FROM asset WHERE name = 'p-src'",
               "t");
    say(world, &one, "p-src", "dir:/elsewhere", NULL, "", "");
    assert_sql(world, "SELECT string_agg(kind || '|' || message, ', ' ORDER BY id) FROM event",
               "AssetReady|p-src, AssetFailed|p-src: SourceMissing: it is not there");
    planner_down(&one);
}

/* Goal: a directory that is not the one that jobs have read (an empty mount point) is no source,
 * though it can be read; as a destination it is fit. */
static void test_other_source(void **state)
{
    struct world *world = *state;
    struct planner_end one = planner_up(world, "one");

    add_job(world, "p");
    run_sql(world, "UPDATE synchronization SET source_identity = 'known', destination_identity ="
                   " 'known'");
    say(world, &one, "p-src", "dir:/src/p", NULL, "other", "p-src Failed SourceChanged changed");
    say(world, &one, "p-dst", "dir:/dst/p", NULL, "other", "p-dst Ready - changed");
    say(world, &one, "p-src", "dir:/src/p", NULL, "known", "p-src Ready - changed");
    planner_down(&one);
}

static struct truth_request *end_request(u64 job, u32 epoch, enum phase phase, const char *reason)
{
    struct truth_request *request = make_request(TRUTH_END, job, epoch);

    request->phase = phase;
    if (reason) {
        request->reason = text_copy(reason);
        request->message = text_copy("why");
    }
    return request;
}

/* Goal: a job that begins found both ends fit; one that fails says so of the end that is to blame,
 * and where it cannot tell has both looked at. */
static void test_jobs_say(void **state)
{
    static const struct {
        const char *reason, *source, *destination;
    } cases[] = {{"SourceMissing", "Failed", "Ready"},
                 {"DestinationUnwritable", "Ready", "Failed"},
                 {"ReadOnly", "Ready", "Failed"},
                 {"NoSpace", "Ready", "Ready"}};
    struct world *world = *state;
    struct planner_end one = planner_up(world, "one");
    u64 job = add_job(world, "p");

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        u32 epoch = begin_one(&one, job);

        assert_sql(world, "SELECT string_agg(DISTINCT state, ' ') FROM asset", "Ready");
        ask_for(&one, end_request(job, epoch, PHASE_Failed, cases[i].reason), ERR_Ok);
        assert_sql(world, "SELECT state FROM asset WHERE name = 'p-src'", cases[i].source);
        assert_sql(world, "SELECT state FROM asset WHERE name = 'p-dst'", cases[i].destination);
        run_sql(world, "UPDATE job SET phase = 'Queued'");
        run_sql(world, "UPDATE asset SET probe_next = now() + interval '1 h'");
    }
    ask_for(&one, end_request(job, begin_one(&one, job), PHASE_Failed, "AssetUnreachable"), ERR_Ok);
    assert_sql(world, "SELECT bool_and(probe_next <= now()) FROM asset", "t");
    planner_down(&one);
}

/* Goal: sums outlive jobs, and count each job's work once, though it was Held and approved. Method:
 * the row of a job is given counters, ended, approved and ended again. */
static void test_totals(void **state)
{
    struct world *world = *state;
    struct planner_end one = planner_up(world, "one");
    u64 job = add_job(world, "p");
    u32 epoch = begin_one(&one, job);

    run_sql(world, "UPDATE job SET moved = 3, bytes_moved = 30, started_at = now() -"
                   " interval '90 s'");
    ask_for(&one, end_request(job, epoch, PHASE_Held, "RemovalHeld"), ERR_Ok);
    assert_sql(world,
               "SELECT sync || ' ' || phase || jobs || ' ' || moved || ' ' || bytes_moved ||"
               " within::text FROM total",
               "p Held1 3 30{0,0,0,1,1,1,1,1}");
    run_sql(world, "UPDATE job SET phase = 'Queued'");
    epoch = begin_one(&one, job);
    run_sql(world, "UPDATE job SET moved = 3, bytes_moved = 30, removed = 2");
    ask_for(&one, end_request(job, epoch, PHASE_Succeeded, NULL), ERR_Ok);
    assert_sql(world,
               "SELECT sum(moved) || ' ' || sum(bytes_moved) || ' ' || sum(removed) || ' '"
               " || sum(jobs) FROM total",
               "3 30 2 2");
    run_sql(world, "UPDATE synchronization SET labels = '{\"syncline.adhoc\": \"true\"}'");
    run_sql(world, "UPDATE job SET phase = 'Queued', totalled = '{}'");
    epoch = begin_one(&one, job);
    run_sql(world, "UPDATE job SET moved = 4, bytes_moved = 30, removed = 2");
    ask_for(&one, end_request(job, epoch, PHASE_Succeeded, NULL), ERR_Ok);
    assert_sql(world, "SELECT moved FROM total WHERE sync = 'adhoc'", "4");
    planner_down(&one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_due),          WORLD_TEST(test_drains),   WORLD_TEST(test_state),
        WORLD_TEST(test_other_source), WORLD_TEST(test_jobs_say), WORLD_TEST(test_totals),
    };

    return cmocka_run_group_tests(tests, services_up, NULL);
}
