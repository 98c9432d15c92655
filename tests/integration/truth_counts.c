/* truth_counts.c: what segments, redone shards and closed directories leave in the ledger, and that
 * each item is counted once whatever is done again. Against a real Postgres. */
#include "truth_fixture.h"

static void split(struct running *running, u32 shard, const char *path)
{
    struct truth_request *request = make_request(TRUTH_SPLIT, running->job, running->epoch);

    request->shard = shard;
    buf_append_text(&request->path, path);
    ask_for(&running->planner, request, ERR_Ok);
}

/* Goal: each kind of row reaches its table, and the counters say so.
 * Method: one segment with every outcome, into an empty ledger. */
static void rows_reach_their_tables(void **state)
{
    struct running r = start_job(state);
    struct truth_request *request = segment_of(&r, 0, 1);

    add_files(request, 0, 3);
    add_row(request, OPERATION_attributes, OUTCOME_attributes, 3, "a");
    add_row(request, OPERATION_put, OUTCOME_changed, 4, "b");
    add_row(request, OPERATION_put, OUTCOME_vanished, 5, "c");
    add_row(request, OPERATION_refuse, OUTCOME_failed, 6, "d\xff");
    add_row(request, OPERATION_put, OUTCOME_again, 7, "e");
    add_row(request, OPERATION_directory, OUTCOME_moved, 8, "dir");
    add_row(request, OPERATION_directory, OUTCOME_pending, 9, "old");
    add_row(request, OPERATION_directory, OUTCOME_pending, UINT32_MAX, "dir");
    add_row(request, OPERATION_directory, OUTCOME_pending, UINT32_MAX, "other");
    add_row(request, OPERATION_directory, OUTCOME_pending, UINT32_MAX, "other");
    request->counters.value[COUNTER_scanned] = 20;
    request->counters.value[COUNTER_unchanged] = 11;
    request->counters.value[COUNTER_bytes_moved] = 30;
    request->shard_done = true;
    ask_counters(&r.planner, request,
                 "scanned=20 unchanged=11 found=9 moved=3 attributes=1 changed=1 vanished=1 "
                 "failed=1 bytes_found=50 bytes_moved=30");
    assert_sql(r.world,
               "SELECT count(*) FROM object WHERE kind = 'file' AND hash = 'xxh3-128' AND "
               "checksum = '0123456789abcdef' AND size = 10 AND mtime_ns = 1234567890123456789",
               "3");
    assert_sql(r.world,
               "SELECT string_agg(path_text(path) || ' ' || outcome, ', ' ORDER BY path)"
               " FROM item",
               "a attributes, b changed, c vanished, d\\377 failed");
    assert_sql(r.world, "SELECT code || ': ' || message FROM item WHERE outcome = 'failed'",
               "AccessDenied: may not");
    assert_sql(r.world,
               "SELECT string_agg(path_text(path) || ' ' || coalesce(outcome::text, 'NULL') ||"
               " ' ' || depth, ', ' ORDER BY path) FROM directory",
               "dir moved 1, old pending 1, other NULL 1");
    assert_sql(r.world, "SELECT done::text || segments FROM shard", "true1");
    planner_down(&r.planner);
}

/* Goal: a segment that was committed is not committed again.
 * Method: the same request twice, as after a commit whose outcome is unknown; then one out of
 * order. */
static void segment_once(void **state)
{
    struct running r = start_job(state);

    for (int i = 0; i < 2; i++) {
        struct truth_request *request = segment_of(&r, 0, 1);

        add_files(request, 0, 5);
        request->counters.value[COUNTER_scanned] = 5;
        request->unsettled_since_ns = 77;
        ask_counters(&r.planner, request,
                     "scanned=5 found=5 moved=5 bytes_found=50 bytes_moved=50");
    }
    assert_sql(r.world, "SELECT segments || ' ' || unsettled_since_ns FROM shard", "1 77");
    ask_for(&r.planner, segment_of(&r, 0, 3), ERR_Internal);
    planner_down(&r.planner);
}

/* Goal: objects that are there already are replaced, and a plain segment that meets some falls
 * back. Method: the same paths by an earlier job, then upsert, then plain; a name that came twice.
 */
static void objects_are_replaced(void **state)
{
    struct running r = start_job(state);
    struct truth_request *request = segment_of(&r, 0, 1);

    add_files(request, 0, 4);
    ask_for(&r.planner, request, ERR_Ok);
    run_sql(r.world, "UPDATE object SET job = 0, size = 1");
    request = segment_of(&r, 0, 2);
    request->upsert = true;
    add_files(request, 0, 2);
    ask_counters(&r.planner, request, "found=6 moved=6 bytes_found=60 bytes_moved=60");
    request = segment_of(&r, 0, 3);
    add_files(request, 2, 6);
    add_files(request, 5, 6);
    ask_counters(&r.planner, request, "found=10 moved=10 bytes_found=100 bytes_moved=100");
    assert_sql(r.world, "SELECT count(*) || ' ' || sum(size) || ' ' || min(job) FROM object",
               "6 60 1");
    planner_down(&r.planner);
}

/* Goal: a shard that is scanned again counts each item once.
 * Method: a segment is committed; the rest is lost. The redo gets its failed items back, commits
 * what it puts again, and ends with the numbers of its scan. */
static void redo_counts_once(void **state)
{
    struct running r = start_job(state);
    struct truth_request *request = segment_of(&r, 0, 1);

    add_files(request, 0, 10);
    add_row(request, OPERATION_put, OUTCOME_failed, 10, "bad");
    add_row(request, OPERATION_put, OUTCOME_vanished, 11, "gone");
    add_row(request, OPERATION_directory, OUTCOME_moved, 12, "dir");
    request->counters.value[COUNTER_scanned] = 20;
    request->counters.value[COUNTER_unchanged] = 2;
    request->counters.value[COUNTER_extra] = 4;
    ask_counters(&r.planner, request,
                 "scanned=20 unchanged=2 found=13 moved=10 extra=4 vanished=1 failed=1 "
                 "bytes_found=120 bytes_moved=100");
    request = make_request(TRUTH_REDO, r.job, r.epoch);
    ask_counters(
        &r.planner, request,
        "scanned=18 unchanged=2 found=11 moved=10 extra=4 bytes_found=100 bytes_moved=100");
    assert_sql(r.world, "SELECT count(*) FROM item", "0");

    /* of 30 entries: the first ten are compared equal but for three that are put again */
    request = segment_of(&r, 0, 2);
    request->redo = true;
    add_files(request, 7, 20);
    request->counters.value[COUNTER_scanned] = 9; /* not final, not counted */
    ask_counters(
        &r.planner, request,
        "scanned=18 unchanged=2 found=21 moved=20 extra=4 bytes_found=200 bytes_moved=200");
    request = segment_of(&r, 0, 3);
    request->redo = true;
    request->shard_done = true;
    add_row(request, OPERATION_put, OUTCOME_moved, 0, "bad");
    add_row(request, OPERATION_put, OUTCOME_failed, 1, "dir/file-0");
    add_row(request, OPERATION_directory, OUTCOME_pending, 2, "dir");
    request->counters.value[COUNTER_scanned] = 30;
    request->counters.value[COUNTER_unchanged] = 14;
    request->counters.value[COUNTER_extra] = 5;
    /* found: 20 files, bad, dir; one of the files failed */
    ask_counters(&r.planner, request,
                 "scanned=30 unchanged=8 found=22 moved=20 extra=5 failed=1 bytes_found=210 "
                 "bytes_moved=200");
    assert_sql(r.world, "SELECT outcome::text FROM directory", "moved");

    /* and if it failed only now, an earlier proof of this job counts again */
    request = make_request(TRUTH_REDO, r.job, r.epoch);
    ask_counters(
        &r.planner, request,
        "scanned=30 unchanged=8 found=22 moved=21 extra=5 bytes_found=210 bytes_moved=210");
    planner_down(&r.planner);
}

/* Goal: the sums are exact when a redone shard splits off what it had committed before.
 * Method: a flat shard of 40 commits 30 and dies; the redo splits 25 of them off as a new shard. */
static void redo_then_split(void **state)
{
    struct running r = start_job(state);
    struct truth_request *request = segment_of(&r, 0, 1), *answer;

    add_files(request, 0, 30);
    request->counters.value[COUNTER_scanned] = 32;
    ask_for(&r.planner, request, ERR_Ok);
    ask_for(&r.planner, make_request(TRUTH_REDO, r.job, r.epoch), ERR_Ok);
    split(&r, 1, "dir");
    request = segment_of(&r, 0, 2);
    request->redo = request->shard_done = request->upsert = true;
    add_files(request, 35, 40);
    request->counters.value[COUNTER_scanned] = 15;
    request->counters.value[COUNTER_unchanged] = 10;
    answer = ask(&r.planner, request);
    /* never shown below zero on the way */
    assert_counters(&answer->counters,
                    "scanned=35 found=35 moved=35 bytes_found=350 bytes_moved=350");
    truth_request_destroy(&answer);
    assert_sql(r.world, "SELECT unchanged || ' ' || scanned FROM v_jobs", "0 35");
    request = segment_of(&r, 1, 1);
    request->shard_done = request->upsert = true;
    add_files(request, 20, 35); /* ten of them again */
    request->counters.value[COUNTER_scanned] = 25;
    request->counters.value[COUNTER_unchanged] = 10;
    ask_counters(&r.planner, request,
                 "scanned=40 found=40 moved=40 bytes_found=400 bytes_moved=400");
    assert_sql(r.world, "SELECT scanned || ' ' || unchanged FROM job", "40 0");
    planner_down(&r.planner);
}

static struct truth_request *close_next(struct running *r, u32 limit)
{
    struct truth_request *request = make_request(TRUTH_CLOSE_NEXT, r->job, r->epoch);

    request->limit = limit;
    request = ask(&r->planner, request);
    assert_int_equal(request->err.code, ERR_Ok);
    return request;
}

static struct truth_request *closed_request(const struct running *r)
{
    struct truth_request *request = segment_request(r->job, r->epoch, 0, 0);

    request->kind = TRUTH_CLOSE_DONE;
    return request;
}

/* Goal: directories come deepest first and are counted once, by what becomes of them.
 * Method: made, found, passed ones are closed with success and failure; every answer is given
 * twice. */
static void directories_are_closed(void **state)
{
    static const char counted[] =
        "scanned=10 unchanged=4 found=6 moved=1 attributes=1 vanished=1 failed=3 bytes_found=10";
    struct running r = start_job(state);
    struct truth_request *request = segment_of(&r, 0, 1), *answer;
    struct rec_dir *dirs;
    struct err err;
    u32 count;

    add_row(request, OPERATION_directory, OUTCOME_moved, 0, "made");
    add_row(request, OPERATION_directory, OUTCOME_pending, 1, "made/found");
    add_row(request, OPERATION_directory, OUTCOME_moved, 2, "made/bad");
    add_row(request, OPERATION_put, OUTCOME_failed, 3, "x");
    add_row(request, OPERATION_directory, OUTCOME_pending, UINT32_MAX, "passed");
    add_row(request, OPERATION_directory, OUTCOME_pending, UINT32_MAX, "passed/bad");
    add_row(request, OPERATION_directory, OUTCOME_pending, UINT32_MAX, "passed/gone");
    add_row(request, OPERATION_directory, OUTCOME_pending, UINT32_MAX, "");
    request->counters.value[COUNTER_scanned] = 10;
    request->counters.value[COUNTER_unchanged] = 6;
    request->shard_done = true;
    ask_counters(&r.planner, request, "scanned=10 unchanged=6 found=4 failed=1 bytes_found=10");
    answer = close_next(&r, 100);
    assert_int_equal(answer->path_count, 6);
    assert_int_equal(paths_decode(buf_bytes(&answer->paths), &dirs, &count, &err), 0);
    assert_int_equal(count, 6);
    for (u32 i = 0; i < count; i++)
        assert_int_equal(path_depth(dirs[i].path), i < 4 ? 2 : 1);
    free(dirs);
    truth_request_destroy(&answer);
    for (int i = 0; i < 2; i++) {
        request = closed_request(&r);
        add_row(request, OPERATION_directory, OUTCOME_attributes, 0, "made/found");
        add_row(request, OPERATION_directory, OUTCOME_failed, 1, "made/bad");
        add_row(request, OPERATION_directory, OUTCOME_failed, 2, "passed/bad");
        add_row(request, OPERATION_directory, OUTCOME_vanished, 3, "passed/gone");
        ask_counters(
            &r.planner, request,
            "scanned=10 unchanged=4 found=6 attributes=1 vanished=1 failed=3 bytes_found=10");
    }
    /* more than a batch of one depth: that depth alone */
    run_sql(r.world, "INSERT INTO directory (job, key, shard, path, depth) SELECT id,"
                     " md5(g::text)::uuid, 0, convert_to('wide/' || g, 'UTF8'), 2"
                     " FROM job, generate_series(1, 300) g");
    answer = close_next(&r, 280);
    assert_int_equal(answer->path_count, 280);
    truth_request_destroy(&answer);
    run_sql(r.world, "DELETE FROM directory WHERE depth = 2");
    request = closed_request(&r);
    add_row(request, OPERATION_directory, OUTCOME_attributes, 0, "made");
    add_row(request, OPERATION_directory, OUTCOME_attributes, 1, "passed");
    ask_counters(&r.planner, request, counted);
    answer = close_next(&r, 100); /* the root is nobody's to close */
    assert_int_equal(answer->path_count, 0);
    truth_request_destroy(&answer);
    assert_sql(r.world, "SELECT count(*) FROM v_failures", "4");
    /* each has its line, but for those that were only published into */
    assert_sql(r.world,
               "SELECT string_agg(path || ' ' || outcome, ', ' ORDER BY path) FROM v_items"
               " WHERE operation = 'directory'",
               "made moved, made/bad failed, made/found attributes, passed/bad failed, "
               "passed/gone vanished");
    planner_down(&r.planner);
}

/* Goal: a peer that lies harms nothing. Method: invalid paths, kinds and bytes; the ledger stays
 * empty. */
static void bad_rows_are_refused(void **state)
{
    struct running r = start_job(state);
    struct truth_request *request = segment_of(&r, 0, 1);

    add_files(request, 0, 3);
    add_row(request, OPERATION_put, OUTCOME_moved, 3, "../etc/passwd");
    ask_for(&r.planner, request, ERR_InvalidPath);
    request = segment_of(&r, 0, 1);
    add_row(request, OPERATION_put, 99, 0, "a");
    ask_for(&r.planner, request, ERR_Protocol);
    request = segment_of(&r, 0, 1);
    add_row(request, OPERATION_put, OUTCOME_pending, 0, "a");
    ask_for(&r.planner, request, ERR_Protocol);
    request = segment_of(&r, 0, 1);
    buf_append_text(&request->rows[0], "surplus");
    ask_for(&r.planner, request, ERR_Protocol);
    assert_sql(r.world, "SELECT count(*) FROM object", "0");
    assert_sql(r.world, "SELECT segments FROM shard", "0");
    planner_down(&r.planner);
}

static u64 commit_many(struct running *r, u32 segment, bool upsert)
{
    struct truth_request *request = segment_of(r, 0, segment);
    s64 start;

    request->upsert = upsert;
    add_files(request, 0, SEGMENT_ITEMS);
    start = clock_monotonic_ms();
    ask_for(&r->planner, request, ERR_Ok);
    return (u64)(clock_monotonic_ms() - start);
}

/* Goal: a full segment fits well into a planner's lease.
 * Method: 65,536 new objects by COPY, then the same ones replaced; the times are printed. */
static void full_segment(void **state)
{
    struct running r = start_job(state);
    u64 plain = commit_many(&r, 1, false), upsert = commit_many(&r, 2, true);

    print_message("full segment: %llu ms plain, %llu ms upsert\n", (unsigned long long)plain,
                  (unsigned long long)upsert);
    assert_sql(r.world, "SELECT moved FROM job", "65536");
    assert_true(upsert < 30000);
    planner_down(&r.planner);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(rows_reach_their_tables), WORLD_TEST(segment_once),
        WORLD_TEST(objects_are_replaced),    WORLD_TEST(redo_counts_once),
        WORLD_TEST(redo_then_split),         WORLD_TEST(directories_are_closed),
        WORLD_TEST(bad_rows_are_refused),    WORLD_TEST(full_segment),
    };

    return cmocka_run_group_tests(tests, services_up, NULL);
}
