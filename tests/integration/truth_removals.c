/* truth_removals.c: what only the destination has: the guard, Held jobs and their approval, the
 * order of removals, and what the ledger says after them. Against a real Postgres. */
#include "truth_fixture.h"

#include "store/jobs.h"

/* A job whose scan named `count` files, and saw `present` entries. */
static struct running with_removals(void **state, u32 count, u64 present, bool source_empty)
{
    struct running r = start_job(state);
    struct truth_request *request = segment_of(&r, 0, 1);
    char path[32];

    for (u32 i = 0; i < count; i++) {
        snprintf(path, sizeof path, "old/%02u", i);
        add_removal(request, KIND_file, path);
    }
    scan_ends(request, 0, present);
    request->source_empty = source_empty;
    ask_for(&r.planner, request, ERR_Ok);
    return r;
}

/* Asks twice, as after a lost answer; the message's beginning, NULL = not held. */
static void assert_guard(struct running *r, u64 most, u32 percent, const char *wanted)
{
    for (int i = 0; i < 2; i++) {
        struct truth_request *request = resolve_request(r);

        request->delete_max = most;
        request->delete_percent = percent;
        request = ask(&r->planner, request);
        assert_int_equal(request->err.code, ERR_Ok);
        assert_int_equal(request->held, wanted != NULL);
        if (wanted && strncmp(request->message, wanted, strlen(wanted)) != 0)
            fail_msg("\"%s\" where \"%s\" is wanted", request->message, wanted);
        if (wanted)
            assert_string_equal(request->reason, "RemovalHeld");
        assert_int_equal(request->shard_count, wanted ? 0 : 1);
        truth_request_destroy(&request);
    }
    planner_down(&r->planner);
}

/* Goal: the guard trips exactly when it should. Method: each test its numbers, asked twice. */
static void guard_default(void **state)
{
    struct running r = with_removals(state, 12, 20, false);

    assert_guard(&r, UINT64_MAX, UINT32_MAX,
                 "would remove 12 of 20 entries at the destination (limit 50%), such as \"old/");
}

static void guard_lets_half_go(void **state)
{
    struct running r = with_removals(state, 12, 24, false);

    assert_guard(&r, UINT64_MAX, UINT32_MAX, NULL);
}

static void guard_few_are_free(void **state)
{
    struct running r = with_removals(state, 10, 10, false);

    assert_guard(&r, UINT64_MAX, 0, NULL);
}

static void guard_absolute(void **state)
{
    struct running r = with_removals(state, 4, 12345, false);

    assert_guard(&r, 3, UINT32_MAX,
                 "would remove 4 of 12,345 entries at the destination (limit 3)");
}

static void guard_absolute_alone(void **state)
{
    struct running r = with_removals(state, 20, 20, false);

    assert_guard(&r, 20, UINT32_MAX, NULL);
}

static void guard_empty_source(void **state)
{
    struct running r = with_removals(state, 1, 1000, true);

    assert_guard(&r, 100, UINT32_MAX, "the source is empty; would remove 1 of 1,000");
}

/* Goal: a destination that is another directory trips it, also for who takes the job over.
 * Method: a second job with another identity; its planner dies; the next one begins it again. */
static void guard_changed_destination(void **state)
{
    struct running r = start_job(state);
    struct truth_request *request = make_request(TRUTH_END, r.job, r.epoch);

    request->phase = PHASE_Succeeded;
    ask_for(&r.planner, request, ERR_Ok);
    run_sql(r.world, "INSERT INTO job (name, synchronization, number, source_address,"
                     " destination_address, destination_asset) SELECT 'p-2', synchronization, 2,"
                     " source_address, destination_address, destination_asset FROM job");
    r.job = (u64)sql_number(r.world, "SELECT max(id) FROM job");
    for (int i = 0; i < 2; i++) {
        r.epoch = claim_one(&r.planner, r.job);
        request = begin_request(r.job, r.epoch, "src/1", "dst/other");
        request = ask(&r.planner, request);
        assert_int_equal(request->err.code, ERR_Ok);
        assert_true(request->destination_changed);
        truth_request_destroy(&request);
        run_sql(r.world, "UPDATE job SET lease_until = now() - interval '1s' WHERE name = 'p-2'");
    }
    r.epoch = claim_one(&r.planner, r.job);
    request = segment_of(&r, 0, 1);
    add_removal(request, KIND_file, "one");
    scan_ends(request, 0, 1000);
    ask_for(&r.planner, request, ERR_Ok);
    assert_guard(&r, UINT64_MAX, UINT32_MAX,
                 "the destination is not the directory that earlier jobs wrote; would remove 1");
}

static void add_next_job(struct running *r, int number)
{
    run_sql(r->world,
            "INSERT INTO job (name, synchronization, number, source_address, destination_address,"
            " destination_asset) SELECT 'p-%d', synchronization, %d, source_address,"
            " destination_address, destination_asset FROM job WHERE number = 1",
            number, number);
    r->job = (u64)sql_number(r->world, "SELECT max(id) FROM job");
}

static void end_in(struct running *r, enum phase phase, bool dry_run)
{
    struct truth_request *request = make_request(TRUTH_END, r->job, r->epoch);

    request->phase = phase;
    request->dry_run = dry_run;
    ask_for(&r->planner, request, ERR_Ok);
}

static bool begins_changed(struct running *r, bool dry_run)
{
    struct truth_request *request;
    bool changed;

    r->epoch = claim_one(&r->planner, r->job);
    request = begin_request(r->job, r->epoch, "src/1", "dst/other");
    request->dry_run = dry_run;
    request = ask(&r->planner, request);
    assert_int_equal(request->err.code, ERR_Ok);
    changed = request->destination_changed;
    truth_request_destroy(&request);
    return changed;
}

/* Goal: that a destination is another one is not forgotten by a job that only looked, or did not
 * end well, and who only looks does not void what was proven. Method: jobs one after the other. */
static void changed_destination_is_remembered(void **state)
{
    static const struct {
        enum phase phase;
        bool dry_run, changed;
        const char *objects;
    } jobs[] = {{PHASE_Succeeded, true, true, "1"},  {PHASE_Failed, false, true, "0"},
                {PHASE_Succeeded, true, true, "0"},  {PHASE_Cancelled, false, true, "0"},
                {PHASE_Held, false, true, "0"},      {PHASE_CompletedWithErrors, false, true, "0"},
                {PHASE_Succeeded, false, false, "0"}};
    struct running r = start_job(state);
    struct truth_request *request = segment_of(&r, 0, 1);

    add_files(request, 0, 1);
    scan_ends(request, 1, 1);
    ask_for(&r.planner, request, ERR_Ok);
    end_in(&r, PHASE_Succeeded, false);
    for (size_t i = 0; i < COUNT_OF(jobs); i++) {
        add_next_job(&r, (int)i + 2);
        assert_int_equal(begins_changed(&r, jobs[i].dry_run), jobs[i].changed);
        assert_sql(r.world, "SELECT count(*) FROM object", jobs[i].objects);
        end_in(&r, jobs[i].phase, jobs[i].dry_run);
    }
    planner_down(&r.planner);
}

/* Goal: what may not be durable is known to the next job, until one ended well.
 * Method: a job that crashed ends before it is scanned again, by its rows and by what is given. */
static void unsettled_is_passed_on(void **state)
{
    struct running r = start_job(state);
    struct truth_request *request = make_request(TRUTH_OPENED, r.job, r.epoch);

    request->now_ns = 7000;
    ask_for(&r.planner, request, ERR_Ok);
    request = make_request(TRUTH_END, r.job, r.epoch);
    request->phase = PHASE_Failed;
    request->unsettled_since_ns = -1;
    ask_for(&r.planner, request, ERR_Ok);
    add_next_job(&r, 2);
    begins_changed(&r, false);
    assert_sql(r.world, "SELECT unsettled_since_ns FROM shard WHERE job = 2", "7000");
    request = make_request(TRUTH_END, r.job, r.epoch);
    request->phase = PHASE_Cancelled;
    request->unsettled_since_ns = 6000;
    ask_for(&r.planner, request, ERR_Ok);
    add_next_job(&r, 3);
    begins_changed(&r, false);
    assert_sql(r.world, "SELECT unsettled_since_ns FROM shard WHERE job = 3", "6000");
    end_in(&r, PHASE_Cancelled, false);
    assert_sql(r.world, "SELECT unsettled_since_ns FROM synchronization", "6000");
    add_next_job(&r, 4);
    begins_changed(&r, false);
    end_in(&r, PHASE_Succeeded, false);
    assert_sql(r.world, "SELECT coalesce(unsettled_since_ns, 0) FROM synchronization", "0");
    planner_down(&r.planner);
}

static void end_held(struct running *r)
{
    struct truth_request *request = make_request(TRUTH_END, r->job, r->epoch);

    request->phase = PHASE_Held;
    request->reason = text_copy("RemovalHeld");
    request->message = text_copy("would remove");
    ask_for(&r->planner, request, ERR_Ok);
}

static void assert_approve(struct world *world, const char *job, enum err_code wanted)
{
    struct err err = {0};
    int rc = jobs_approve(world->sql, job, &err);

    if ((rc < 0 ? err.code : ERR_Ok) != wanted)
        fail_msg("%s (%s) where %s is wanted", err_name(err.code), err.text, err_name(wanted));
}

/* Goal: a Held job keeps its list, is approved, and then removes exactly that.
 * Method: links and removals; held after the links; approved; claimed and resolved again. */
static void held_is_approved(void **state)
{
    struct running r = start_job(state);
    struct truth_request *request = segment_of(&r, 0, 1), *claim;
    char path[16];

    add_link(request, 1, 0, 0, true, "l");
    for (u32 i = 0; i < 11; i++) {
        snprintf(path, sizeof path, "old/%02u", i);
        add_removal(request, KIND_file, path);
    }
    add_removal(request, KIND_directory, "old");
    add_name(request, &(struct rec_name){.operation = OPERATION_put, .size = 7, .there_inode = 5},
             "was-dir");
    scan_ends(request, 2, 14);
    ask_counters(&r.planner, request, "scanned=2 found=2 bytes_found=7");
    resolve_to(&r, resolve_request(&r), "held leaders:1");
    request = segment_of(&r, 1, 1);
    request->shard_done = true;
    add_row(request, OPERATION_put, OUTCOME_moved, 0, "l");
    ask_for(&r.planner, request, ERR_Ok);
    run_sql(r.world, "UPDATE job SET opened = true");
    assert_approve(r.world, "p-1", ERR_Usage);
    assert_approve(r.world, "p-9", ERR_NotFound);
    end_held(&r);
    assert_sql(r.world, "SELECT count(*) FROM shard", "2");
    assert_sql(r.world, "SELECT count(*) FROM v_removals WHERE outcome = 'pending'", "13");
    assert_sql(r.world, "SELECT count(*) FROM claim", "0");
    assert_approve(r.world, "p-1", ERR_Ok);
    assert_approve(r.world, "p-1", ERR_Ok);
    claim = claim_up_to(&r.planner, 1);
    assert_int_equal(claim->claim_count, 1);
    assert_true(claim->claims[0].approved && claim->claims[0].resolved);
    assert_false(claim->claims[0].opened); /* by its end its staging area was gone */
    assert_int_equal(claim->claims[0].destination_identity.size, 0);
    r.epoch = claim->claims[0].epoch;
    truth_request_destroy(&claim);
    request = ask(&r.planner, begin_request(r.job, r.epoch, "src/1", "dst/1"));
    assert_int_equal(request->err.code, ERR_Ok);
    assert_int_equal(request->shard_count, 2);
    assert_true(request->shards[0].done && request->shards[1].done);
    assert_int_equal(request->shards[1].feed, FEED_LEADERS);
    truth_request_destroy(&request);
    resolve_to(&r, resolve_request(&r), "leaders:1 removals:2 waiting:3");
    resolve_to(&r, resolve_request(&r), "leaders:1 removals:2 waiting:3");
    assert_feed(&r, FEED_WAITING, 10, "put was-dir f5\n");
    planner_down(&r.planner);
}

static void assert_levels(const struct truth_request *page, u32 batches, u32 items, bool in_order)
{
    u32 count = 0;

    assert_int_equal(page->err.code, ERR_Ok);
    for (u32 i = 0; i < page->batch_count; i++)
        count += page->batches[i].count;
    assert_int_equal(page->batch_count, batches);
    assert_int_equal(count, items);
    assert_int_equal(page->in_order, in_order);
}

/* Goal: what is removed at the same time is of one depth. Method: 300 files of one depth, more than
 * a batch, and two directories above: the files come alone, to be worked at side by side. */
static void removals_of_a_wide_depth(void **state)
{
    struct running r = start_job(state);
    struct truth_request *request = segment_of(&r, 0, 1), *page;
    char path[32];

    add_removal(request, KIND_directory, "a");
    add_removal(request, KIND_directory, "a/b");
    for (u32 i = 0; i < 300; i++) {
        snprintf(path, sizeof path, "a/b/%u", i);
        add_removal(request, KIND_file, path);
    }
    add_row(request, OPERATION_put, OUTCOME_moved, 0, "keep");
    scan_ends(request, 1, 1000);
    ask_for(&r.planner, request, ERR_Ok);
    resolve_to(&r, resolve_request(&r), "removals:1");
    page = ask(&r.planner, feed_request(&r, FEED_REMOVALS, 1000));
    assert_levels(page, 2, 300, false);
    page = ask(&r.planner, page);
    assert_levels(page, 1, 2, true);
    page = ask(&r.planner, page);
    assert_levels(page, 0, 0, true);
    truth_request_destroy(&page);
    planner_down(&r.planner);
}

/* Goal: removals come deepest first, in one batch as long as there is room, and are counted once.
 * Method: three depths; one is kept, one fails, and is done again; directories that go are not
 * closed; object rows of what is gone are gone. */
static void removals_by_depth(void **state)
{
    struct running r = start_job(state);
    struct truth_request *request = segment_of(&r, 0, 1), *page;
    struct buf text = {0};
    const char *at;

    add_row(request, OPERATION_put, OUTCOME_moved, 0, "keep");
    add_removal(request, KIND_directory, "a");
    add_removal(request, KIND_directory, "a/b");
    add_removal(request, KIND_file, "a/b/1");
    add_removal(request, KIND_file, "a/b/2");
    add_removal(request, KIND_file, "c");
    scan_ends(request, 1, 6);
    ask_for(&r.planner, request, ERR_Ok);
    run_sql(r.world,
            "INSERT INTO object SELECT 2, key, path, kind, 1, 1, 'xxh3-128', 'x', 0, now(),"
            " 0, 0 FROM pending WHERE kind = 'file'");
    resolve_to(&r, resolve_request(&r), "removals:1");
    page = ask(&r.planner, feed_request(&r, FEED_REMOVALS, 100));
    assert_levels(page, 1, 5, true);
    print_feed(page, &text);
    assert_memory_equal(buf_text(&text), "remove a/b/", 11);
    at = strstr(buf_text(&text), "remove a/b i77\n");
    assert_true(at && at < strstr(buf_text(&text), "remove a i77\n"));
    assert_true(at > strstr(buf_text(&text), "remove a/b/1"));
    assert_true(at > strstr(buf_text(&text), "remove a/b/2"));
    page = ask(&r.planner, page);
    assert_int_equal(page->batch_count, 0);
    truth_request_destroy(&page);
    buf_release(&text);

    request = segment_of(&r, 1, 1);
    request->feed = FEED_REMOVALS;
    add_row(request, OPERATION_remove, OUTCOME_removed, 0, "a/b/1");
    add_row(request, OPERATION_remove, OUTCOME_kept, 1, "a/b/2");
    add_row(request, OPERATION_remove, OUTCOME_failed, 2, "c");
    add_row(request, OPERATION_directory, OUTCOME_pending, UINT32_MAX, "a/b");
    add_row(request, OPERATION_directory, OUTCOME_pending, UINT32_MAX, "");
    ask_counters(&r.planner, request,
                 "scanned=2 found=2 moved=1 removed=1 extra=1 failed=1 bytes_found=10 "
                 "bytes_moved=10");
    request = make_request(TRUTH_REDO, r.job, r.epoch);
    request->shard = 1;
    ask_counters(&r.planner, request,
                 "scanned=1 found=1 moved=1 removed=1 extra=1 bytes_found=10 bytes_moved=10");
    assert_sql(r.world,
               "SELECT string_agg(path_text(path), ' ' ORDER BY path) FROM pending"
               " WHERE outcome IS NULL",
               "a a/b c");
    for (int i = 0; i < 2; i++) { /* the second is read back */
        request = segment_of(&r, 1, 2);
        request->feed = FEED_REMOVALS;
        request->redo = request->shard_done = true;
        add_row(request, OPERATION_remove, OUTCOME_removed, 0, "c");
        add_row(request, OPERATION_remove, OUTCOME_kept, 1, "a/b");
        add_row(request, OPERATION_remove, OUTCOME_kept, 2, "a");
        ask_counters(&r.planner, request,
                     "scanned=1 found=1 moved=1 removed=2 extra=3 bytes_found=10 bytes_moved=10");
    }
    assert_sql(r.world, "SELECT (SELECT count(*) FROM directory) + (SELECT count(*) FROM pending)",
               "0");
    assert_sql(r.world, "SELECT string_agg(path_text(path), ' ' ORDER BY path) FROM object",
               "a/b/2 keep");
    assert_sql(r.world,
               "SELECT string_agg(path || ' ' || outcome, ', ' ORDER BY path) FROM v_removals",
               "a kept, a/b kept, a/b/1 removed, a/b/2 kept, c removed");
    planner_down(&r.planner);
}

/* Goal: the next job takes the place of one that is held; a changed source is approved.
 * Method: held; a second job begins; the first cannot be approved. The second's successor fails for
 * its source, and is approved. */
static void held_is_superseded(void **state)
{
    struct running r = with_removals(state, 12, 20, false);
    struct truth_request *request;
    struct err err;
    char uid[UUID_SIZE], *job;
    u32 epoch;

    resolve_to(&r, resolve_request(&r), "held");
    end_held(&r);
    run_sql(r.world, "UPDATE synchronization SET next_number = 2");
    jobs_new_uid(uid);
    assert_int_equal(jobs_start(r.world->sql, "p", "{\"dryRun\": true}", uid, &job, &err), 0);
    assert_string_equal(job, "p-2");
    free(job);
    assert_sql(r.world, "SELECT spec FROM job WHERE name = 'p-2'", "{\"run\": {\"dryRun\": true}}");
    assert_approve(r.world, "p-1", ERR_ActiveJob);
    epoch = claim_one(&r.planner, 2);
    ask_for(&r.planner, begin_request(2, epoch, "src/1", "dst/1"), ERR_Ok);
    assert_sql(r.world, "SELECT superseded_by FROM v_jobs WHERE name = 'p-1'", "p-2");
    assert_sql(r.world, "SELECT count(*) FROM pending", "0");
    assert_sql(r.world, "SELECT count(*) FROM shard WHERE job = 1", "0");
    request = make_request(TRUTH_END, 2, epoch);
    request->phase = PHASE_Succeeded;
    ask_for(&r.planner, request, ERR_Ok);
    assert_approve(r.world, "p-1", ERR_Superseded);

    jobs_new_uid(uid);
    assert_int_equal(jobs_start(r.world->sql, "p", NULL, uid, &job, &err), 0);
    free(job);
    epoch = claim_one(&r.planner, 3);
    ask_for(&r.planner, begin_request(3, epoch, "src/other", "dst/1"), ERR_SourceChanged);
    request = make_request(TRUTH_END, 3, epoch);
    request->phase = PHASE_Failed;
    request->reason = text_copy("SourceChanged");
    ask_for(&r.planner, request, ERR_Ok);
    assert_approve(r.world, "p-3", ERR_Ok);
    epoch = claim_one(&r.planner, 3);
    ask_for(&r.planner, begin_request(3, epoch, "src/other", "dst/1"), ERR_Ok);
    assert_sql(r.world, "SELECT approved::text || phase FROM job WHERE id = 3", "falseRunning");
    planner_down(&r.planner);
}

/* Goal: a held job that is approved, and then finds another source, can be approved for that too,
 * and then begins from nothing. Method: as said; what it counted and decided is gone. */
static void approved_for_another_source(void **state)
{
    struct running r = with_removals(state, 12, 20, false);
    struct truth_request *request;

    run_sql(r.world, "INSERT INTO item (job, key, shard, path, kind, operation, outcome) SELECT"
                     " 1, gen_random_uuid(), 0, 'x', 'file', 'put', 'failed'");
    run_sql(r.world, "UPDATE job SET found = 3, scanned = 3, failed = 3");
    resolve_to(&r, resolve_request(&r), "held");
    end_held(&r);
    assert_approve(r.world, "p-1", ERR_Ok);
    r.epoch = claim_one(&r.planner, 1);
    ask_for(&r.planner, begin_request(1, r.epoch, "src/other", "dst/1"), ERR_SourceChanged);
    request = make_request(TRUTH_END, 1, r.epoch);
    request->phase = PHASE_Failed;
    request->reason = text_copy("SourceChanged");
    ask_for(&r.planner, request, ERR_Ok);
    assert_approve(r.world, "p-1", ERR_Ok);
    r.epoch = claim_one(&r.planner, 1);
    ask_for(&r.planner, begin_request(1, r.epoch, "src/other", "dst/1"), ERR_Ok);
    assert_sql(r.world,
               "SELECT resolved::text || approved || found || scanned || failed"
               " FROM job WHERE id = 1",
               "falsefalse000");
    assert_sql(r.world, "SELECT (SELECT count(*) FROM item) + (SELECT count(*) FROM pending)", "0");
    planner_down(&r.planner);
}

/* Goal: options of one run are of that run only.
 * Method: an ad-hoc pair with a spec and a run; then with another spec; then by its name. */
static void specs_of_runs(void **state)
{
    struct world *world = *state;
    char uid[UUID_SIZE], *job, name[ADHOC_NAME_SIZE];
    struct err err;

    jobs_adhoc_name("/a", "/b", name);
    for (int i = 0; i < 3; i++) {
        static const char *const specs[] = {
            "{\"delete\": {\"enabled\": true}, \"run\": {\"dryRun\": true}}", NULL, NULL};
        static const char *const wanted[] = {
            "{\"run\": {\"dryRun\": true}, \"delete\": {\"enabled\": true}}", "{}",
            "{\"run\": {\"verify\": true}}"};

        jobs_new_uid(uid);
        assert_int_equal(i < 2
                             ? jobs_start_adhoc(world->sql, "/a", "/b", specs[i], uid, &job, &err)
                             : jobs_start(world->sql, name, "{\"verify\": true}", uid, &job, &err),
                         0);
        free(job);
        assert_sql(world, "SELECT spec FROM job ORDER BY id DESC LIMIT 1", wanted[i]);
        assert_sql(world, "SELECT spec FROM synchronization",
                   i == 0 ? "{\"delete\": {\"enabled\": true}}" : "{}");
        run_sql(world, "UPDATE job SET phase = 'Succeeded'");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(guard_default),
        WORLD_TEST(guard_lets_half_go),
        WORLD_TEST(guard_few_are_free),
        WORLD_TEST(guard_absolute),
        WORLD_TEST(guard_absolute_alone),
        WORLD_TEST(guard_empty_source),
        WORLD_TEST(guard_changed_destination),
        WORLD_TEST(changed_destination_is_remembered),
        WORLD_TEST(unsettled_is_passed_on),
        WORLD_TEST(approved_for_another_source),
        WORLD_TEST(held_is_approved),
        WORLD_TEST(removals_by_depth),
        WORLD_TEST(removals_of_a_wide_depth),
        WORLD_TEST(held_is_superseded),
        WORLD_TEST(specs_of_runs),
    };

    return cmocka_run_group_tests(tests, services_up, NULL);
}
