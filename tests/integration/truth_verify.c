/* truth_verify.c: the destination against the ledger: what is missing, has drifted, is extra or
 * rotten, what is put again, and how it is counted. Against a real Postgres. */
#include "truth_fixture.h"

static void add_inventory(struct truth_request *request, u32 kind, u64 size, const char *path)
{
    add_name(request,
             &(struct rec_name){.kind = kind,
                                .size = size,
                                .mtime_ns = 1234567890123456789,
                                .there_inode = 7,
                                .there_links = 1},
             path);
}

/* The ledger knows dir/file-0 to dir/file-5; 0 is gone, 1 has another size, one more file and a
 * directory are there. */
static struct running with_inventory(void **state, bool repair)
{
    struct running r = start_job(state);
    struct truth_request *request = segment_of(&r, 0, 1);
    char path[32];

    add_files(request, 0, 6);
    ask_for(&r.planner, request, ERR_Ok);
    run_sql(r.world, "UPDATE object SET job = 0");
    run_sql(r.world, "UPDATE object SET hash = 'sha256' WHERE path = 'dir/file-5'");
    run_sql(r.world, "UPDATE job SET found = 0, moved = 0, bytes_found = 0, bytes_moved = 0");
    run_sql(r.world, "UPDATE shard SET counters = '{}', segments = 0");
    request = segment_of(&r, 0, 1);
    for (u32 i = 1; i < 6; i++) {
        snprintf(path, sizeof path, "dir/file-%u", i);
        add_inventory(request, KIND_file, i == 1 ? 11 : 10, path);
    }
    add_inventory(request, KIND_file, 1, "dir/more");
    add_inventory(request, KIND_directory, 0, "dir");
    scan_ends(request, 7, 7);
    request->counters.value[COUNTER_unchanged] = 7;
    ask_counters(&r.planner, request, "scanned=7 unchanged=7");
    for (int i = 0; i < 2; i++) {
        request = resolve_request(&r);
        request->verify = true;
        request->repair = repair;
        request->delete_enabled = false;
        resolve_to(&r, request, repair ? "check:1 repair:2" : "check:1");
    }
    assert_sql(r.world, "SELECT mismatched || ' ' || extra || ' ' || scanned FROM job", "2 1 7");
    return r;
}

static void check(struct running *r)
{
    struct truth_request *request = segment_of(r, 1, 1);

    request->feed = FEED_CHECK;
    request->shard_done = true;
    add_row(request, OPERATION_put, OUTCOME_unchanged, 0, "dir/file-2");
    add_row(request, OPERATION_put, OUTCOME_rotten, 1, "dir/file-3");
    add_row(request, OPERATION_put, OUTCOME_missing, 2, "dir/file-4");
    add_row(request, OPERATION_put, OUTCOME_failed, 3, "dir/file-5");
    ask_counters(&r->planner, request,
                 "scanned=7 unchanged=7 extra=1 failed=1 proven=1 mismatched=4 bytes_proven=10");
}

/* Goal: what differs without being read is named, the rest is fed with what was proven.
 * Method: an inventory with one of each; batches by hash. */
static void verified(void **state)
{
    struct running r = with_inventory(state, false);
    struct truth_request *page;
    struct frame_reader reader;
    struct rec_staged staged;
    struct err err;

    page = ask(&r.planner, feed_request(&r, FEED_CHECK, 100));
    assert_int_equal(page->err.code, ERR_Ok);
    assert_int_equal(page->batch_count, 2);
    assert_int_equal(page->batches[0].hash, HASH_XXH3_128);
    assert_int_equal(page->batches[0].count, 3);
    assert_int_equal(page->batches[0].bytes, 30);
    assert_int_equal(page->batches[1].hash, HASH_SHA256);
    assert_int_equal(frame_open(&reader, buf_bytes(&page->batches[0].staged), &err), 0);
    assert_int_equal(frame_next_staged(&reader, &staged, &err), 1);
    assert_true(bytes_equal(staged.digest, bytes_text("0123456789abcdef")));
    assert_int_equal(staged.size, 10);
    assert_int_equal(staged.kind, KIND_file);
    assert_true(staged.mtime_ns == 1234567890123456789);
    page = ask(&r.planner, page);
    assert_int_equal(page->batch_count, 0);
    truth_request_destroy(&page);
    check(&r);
    assert_sql(r.world,
               "SELECT string_agg(path || ' ' || operation || ' ' || outcome, ', ' ORDER BY path)"
               " FROM v_items",
               "dir/file-0 verify missing, dir/file-1 verify drifted, dir/file-3 verify rotten, "
               "dir/file-4 verify missing, dir/file-5 verify failed, dir/more verify extra");
    assert_sql(r.world, "SELECT count(*) FROM v_failures", "5");
    planner_down(&r.planner);
}

/* Goal: what was found wrong is put again, and each repair counts once.
 * Method: after the check; one repair fails, and is done again. */
static void repaired(void **state)
{
    struct running r = with_inventory(state, true);
    struct truth_request *request;

    check(&r);
    request = ask(&r.planner, feed_request(&r, FEED_REPAIR, 100));
    assert_int_equal(request->batch_count, 1);
    assert_int_equal(request->batches[0].count, 3);
    request = ask(&r.planner, request); /* what is missing comes when the rest is in place */
    assert_int_equal(request->batch_count, 1);
    assert_int_equal(request->batches[0].count, 1);
    truth_request_destroy(&request);
    request = segment_of(&r, 2, 1);
    request->feed = FEED_REPAIR;
    add_row(request, OPERATION_put, OUTCOME_moved, 0, "dir/file-0");
    add_row(request, OPERATION_put, OUTCOME_failed, 1, "dir/file-1");
    request->counters.value[COUNTER_proven] = 2; /* staged copies: not what is verified */
    request->counters.value[COUNTER_mismatched] = 1;
    ask_counters(&r.planner, request,
                 "scanned=7 unchanged=7 found=2 moved=1 extra=1 failed=2 proven=1 mismatched=4 "
                 "bytes_found=20 bytes_moved=10 bytes_proven=10");
    request = make_request(TRUTH_REDO, r.job, r.epoch);
    request->shard = 2;
    ask_counters(&r.planner, request,
                 "scanned=7 unchanged=7 found=1 moved=1 extra=1 failed=1 proven=1 mismatched=4 "
                 "bytes_found=10 bytes_moved=10 bytes_proven=10");
    request = ask(&r.planner, feed_request(&r, FEED_REPAIR, 100));
    assert_int_equal(request->batches[0].count, 3);
    truth_request_destroy(&request);
    request = segment_of(&r, 2, 2);
    request->feed = FEED_REPAIR;
    request->redo = request->shard_done = true;
    add_row(request, OPERATION_put, OUTCOME_moved, 0, "dir/file-1");
    add_row(request, OPERATION_put, OUTCOME_moved, 1, "dir/file-3");
    add_row(request, OPERATION_put, OUTCOME_vanished, 2, "dir/file-4");
    ask_counters(&r.planner, request,
                 "scanned=7 unchanged=7 found=4 moved=3 extra=1 vanished=1 failed=1 proven=1 "
                 "mismatched=4 bytes_found=40 bytes_moved=30 bytes_proven=10");
    assert_feed(&r, FEED_REPAIR, 10, "");
    assert_sql(r.world,
               "SELECT string_agg(concat_ws(' ', path, operation, outcome, message), ', ' ORDER BY"
               " path) FROM v_items WHERE outcome = 'moved'",
               "dir/file-0 repair moved was missing, dir/file-1 repair moved was drifted, "
               "dir/file-3 repair moved was rotten");
    planner_down(&r.planner);
}

int main(void)
{
    const struct CMUnitTest tests[] = {WORLD_TEST(verified), WORLD_TEST(repaired)};

    return cmocka_run_group_tests(tests, services_up, NULL);
}
