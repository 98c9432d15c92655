/* truth_links.c: names of one object: what is left to the close of them, in which order it is fed,
 * and that each name is counted once, whatever is done again. Against a real Postgres. */
#include "truth_fixture.h"

/* Goal: groups are judged by what is at the destination.
 * Method: one that is equal; one of which two names are right and one is missing; one that differs;
 * one whose names are of two objects there, of which neither says that it is the right one; one
 * whose object there has a name elsewhere. Twice. */
static void groups_are_judged(void **state)
{
    struct running r = start_job(state);
    struct truth_request *request = segment_of(&r, 0, 1);

    add_link(request, 1, 11, 2, false, "equal/a");
    add_link(request, 1, 11, 2, false, "equal/b");
    add_link(request, 2, 12, 2, false, "part/b");
    add_link(request, 2, 12, 2, false, "part/c");
    add_link(request, 2, 0, 0, true, "part/a");
    add_link(request, 3, 13, 2, true, "new/b");
    add_link(request, 3, 13, 2, false, "new/a");
    add_link(request, 4, 14, 1, false, "split/b");
    add_link(request, 4, 15, 1, false, "split/a");
    add_link(request, 5, 16, 3, false, "out/a");
    add_link(request, 5, 16, 3, false, "out/b");
    scan_ends(request, 20, 20);
    request->counters.value[COUNTER_unchanged] = 9;
    ask_counters(&r.planner, request, "scanned=20 unchanged=9 found=11");
    for (int i = 0; i < 2; i++) {
        resolve_to(&r, resolve_request(&r), "leaders:1 links:2");
        assert_sql(r.world, "SELECT scanned || ' ' || unchanged || ' ' || found FROM job",
                   "20 13 7");
    }
    assert_sql(r.world,
               "SELECT string_agg(concat_ws(' ', path_text(path), CASE WHEN leader = key THEN "
               "'leader' ELSE 'follower' END, outcome), ', ' ORDER BY"
               " path) FROM pending",
               "new/a leader, new/b follower, out/a leader, out/b follower, part/a follower, "
               "part/b leader unchanged, part/c follower unchanged, split/a leader, "
               "split/b follower");
    /* a page at a time is the same as all at once; order is by directory */
    assert_feed(&r, FEED_LEADERS, 1, "put out/a i5 f1\n");
    assert_sql(r.world, "SELECT string_agg(feed, ' ' ORDER BY number) FROM shard", "leaders links");
    planner_down(&r.planner);
}

static void commit_leaders(struct running *r)
{
    struct truth_request *request = segment_of(r, 1, 1);

    request->feed = FEED_LEADERS;
    request->shard_done = true;
    add_row(request, OPERATION_put, OUTCOME_moved, 5, "one/a");
    add_row(request, OPERATION_put, OUTCOME_failed, 6, "two/a");
    add_row(request, OPERATION_directory, OUTCOME_pending, UINT32_MAX, "one");
    ask_counters(&r->planner, request,
                 "scanned=6 found=6 moved=1 failed=1 bytes_found=20 bytes_moved=10");
}

/* Goal: followers are linked to their leader, and are puts where it failed; the ledger says of a
 * link what it says of its leader. Method: two groups; the leader of one fails; the links' shard is
 * done again after one of its rows failed, and a stale object row stands in the way. */
static void followers_follow(void **state)
{
    struct running r = start_job(state);
    struct truth_request *request = segment_of(&r, 0, 1);

    add_link(request, 1, 0, 0, true, "one/a");
    add_link(request, 1, 0, 0, true, "one/b");
    add_link(request, 1, 9, 1, true, "one/c");
    add_link(request, 2, 0, 0, true, "two/a");
    add_link(request, 2, 0, 0, true, "two/b");
    add_link(request, 2, 0, 0, true, "two/c");
    scan_ends(request, 6, 1);
    ask_counters(&r.planner, request, "scanned=6 found=6");
    resolve_to(&r, resolve_request(&r), "leaders:1 links:2");
    commit_leaders(&r);
    run_sql(r.world, "INSERT INTO object SELECT asset, key, path, kind, 99, mtime_ns, hash, 'old',"
                     " 0, now(), 0, 0 FROM (SELECT o.asset, p.key, p.path, o.kind, o.mtime_ns,"
                     " o.hash FROM object o, pending p WHERE p.path = 'one/c') x");
    request = ask(&r.planner, feed_request(&r, FEED_LINKS, 100));
    assert_int_equal(request->batch_count, 1);
    assert_int_equal(request->batches[0].bytes, 20);
    truth_request_destroy(&request);
    assert_sql(r.world, "SELECT there_inode FROM pending WHERE path = 'one/a'", "1005");
    request = segment_of(&r, 2, 1);
    request->feed = FEED_LINKS;
    add_row(request, OPERATION_link, OUTCOME_linked, 0, "one/b");
    add_row(request, OPERATION_link, OUTCOME_failed, 1, "one/c");
    add_row(request, OPERATION_put, OUTCOME_moved, 2, "two/b");
    ask_counters(&r.planner, request,
                 "scanned=6 found=6 moved=2 linked=1 failed=2 bytes_found=30 bytes_moved=20");
    request = make_request(TRUTH_REDO, r.job, r.epoch);
    request->shard = 2;
    request->feed = FEED_LINKS;
    ask_counters(&r.planner, request,
                 "scanned=6 found=6 moved=2 linked=1 failed=1 bytes_found=30 bytes_moved=20");
    request = ask(&r.planner, feed_request(&r, FEED_LINKS, 100));
    assert_int_equal(request->batches[0].count, 2); /* one/c as a link, two/c as a put */
    truth_request_destroy(&request);
    request = segment_of(&r, 2, 2);
    request->feed = FEED_LINKS;
    request->redo = request->shard_done = true;
    add_row(request, OPERATION_link, OUTCOME_linked, 0, "one/c");
    add_row(request, OPERATION_put, OUTCOME_vanished, 1, "two/c");
    ask_counters(&r.planner, request,
                 "scanned=6 found=6 moved=2 linked=2 vanished=1 failed=1 bytes_found=40 "
                 "bytes_moved=20");
    assert_sql(r.world,
               "SELECT count(*) || ' ' || count(DISTINCT checksum) || ' ' || sum(size) FROM object"
               " WHERE path_text(path) LIKE 'one/%'",
               "3 1 30");
    assert_sql(
        r.world, "SELECT string_agg(path || ' ' || outcome, ', ' ORDER BY path) FROM v_items",
        "one/a moved, one/b linked, one/c linked, two/a failed, two/b moved, two/c vanished");
    assert_feed(&r, FEED_LINKS, 10, "");
    planner_down(&r.planner);
}

/* A name of source object `inode` where a directory is. */
static void add_link_over(struct truth_request *request, u64 inode, u32 flags, const char *path)
{
    add_name(request,
             &(struct rec_name){.operation = OPERATION_link,
                                .flags = NAME_DIFFERS | NAME_OVER_DIRECTORY | flags,
                                .size = 10,
                                .device = 1,
                                .inode = inode,
                                .there_inode = 20 + inode,
                                .there_links = 2},
             path);
}

/* Groups of which names are over directories, and what is below those. */
static void scan_over_directories(struct running *r)
{
    struct truth_request *request = segment_of(r, 0, 1);

    add_link_over(request, 1, NAME_WAITS, "one/a");
    add_link_over(request, 1, 0, "one/b");
    add_link(request, 1, 0, 0, true, "one/c");
    add_link_over(request, 2, NAME_WAITS, "two/a");
    add_link_over(request, 2, NAME_WAITS, "two/b");
    add_link_over(request, 3, NAME_WAITS, "three/a");
    add_link_over(request, 3, 0, "three/b");
    add_link_over(request, 4, NAME_WAITS, "four/a");
    add_link(request, 4, 14, 1, false, "four/b");
    add_removal(request, KIND_file, "two/a/gone");
    scan_ends(request, 9, 50);
    ask_counters(&r->planner, request, "scanned=9 found=9");
}

static struct truth_request *resolve_up_to(const struct running *r, u64 most)
{
    struct truth_request *request = resolve_request(r);

    request->delete_max = most;
    return request;
}

/* They come in the order of their directories' keys, which are none of this test's business. */
static void assert_late_links(struct running *r)
{
    static const char *const wanted[] = {"link four/a i4 f5 -> four/b i14\n",
                                         "link one/a i1 f5 -> one/c i1001\n",
                                         "link two/b i2 f5 -> two/a i1002\n", "put three/a f5\n"};
    struct truth_request *answer = ask(&r->planner, feed_request(r, FEED_LATE_LINKS, 10));
    struct buf text = {0};
    size_t size = 0;

    assert_int_equal(answer->err.code, ERR_Ok);
    print_feed(answer, &text);
    for (size_t i = 0; i < COUNT_OF(wanted); i++) {
        assert_non_null(strstr(buf_text(&text), wanted[i]));
        size += strlen(wanted[i]);
    }
    assert_int_equal(text.size, size);
    buf_release(&text);
    truth_request_destroy(&answer);
}

/* Goal: a name over a directory is put only if all of its object are, and waits for what is below;
 * the directory counts for the guard, and is fed only when that lets go.
 * Method: groups with and without other names; a limit of one less than there is, then of as much.
 */
static void over_directories(void **state)
{
    struct running r = start_job(state);
    struct truth_request *request;

    scan_over_directories(&r);
    resolve_to(&r, resolve_up_to(&r, 5), "held leaders:1 links:2");
    assert_sql(r.world,
               "SELECT string_agg(path || ' ' || kind, ', ' ORDER BY path) FROM v_removals",
               "four/a directory, one/a directory, three/a directory, two/a directory, "
               "two/a/gone file, two/b directory");
    assert_sql(r.world,
               "SELECT string_agg(path_text(path), ' ' ORDER BY path) FROM pending"
               " WHERE leader = key",
               "four/b one/c three/b two/a");
    request = segment_of(&r, 1, 1);
    request->feed = FEED_LEADERS;
    request->shard_done = true;
    add_row(request, OPERATION_put, OUTCOME_moved, 1, "one/c");
    add_row(request, OPERATION_put, OUTCOME_failed, 3, "three/b");
    assert_sql(r.world, "SELECT unchanged FROM job", "1");
    ask_counters(&r.planner, request,
                 "scanned=9 unchanged=1 found=8 moved=1 failed=1 bytes_found=20 bytes_moved=10");
    assert_feed(&r, FEED_LEADERS, 10, "");
    assert_feed(&r, FEED_LINKS, 10, "link one/b i1 f5 -> one/c i1001\n");
    resolve_to(&r, resolve_up_to(&r, 6),
               "leaders:1 links:2 removals:3 late_leaders:4 late_links:5");
    resolve_to(&r, resolve_up_to(&r, 0),
               "leaders:1 links:2 removals:3 late_leaders:4 late_links:5");
    assert_feed(&r, FEED_WAITING, 10, "");
    assert_feed(&r, FEED_LATE_LEADERS, 10, "put two/a i2 f5\n");
    request = segment_of(&r, 4, 1);
    request->feed = FEED_LATE_LEADERS;
    request->shard_done = true;
    add_row(request, OPERATION_put, OUTCOME_moved, 2, "two/a");
    ask_counters(&r.planner, request,
                 "scanned=9 unchanged=1 found=8 moved=2 failed=1 bytes_found=30 bytes_moved=20");
    assert_late_links(&r);
    request = segment_of(&r, 5, 1);
    request->feed = FEED_LATE_LINKS;
    add_row(request, OPERATION_link, OUTCOME_linked, 0, "four/a");
    add_row(request, OPERATION_link, OUTCOME_linked, 1, "one/a");
    add_row(request, OPERATION_link, OUTCOME_failed, 2, "two/b");
    add_row(request, OPERATION_put, OUTCOME_moved, 3, "three/a");
    ask_counters(&r.planner, request,
                 "scanned=9 unchanged=1 found=8 moved=3 linked=2 failed=2 bytes_found=40 "
                 "bytes_moved=30");
    request = make_request(TRUTH_REDO, r.job, r.epoch);
    request->shard = 5;
    request->feed = FEED_LATE_LINKS;
    ask_counters(&r.planner, request,
                 "scanned=9 unchanged=1 found=8 moved=3 linked=2 failed=1 bytes_found=40 "
                 "bytes_moved=30");
    assert_feed(&r, FEED_LATE_LINKS, 10, "link two/b i2 f5 -> two/a i1002\n");
    assert_sql(r.world, "SELECT count(*) FROM object WHERE path_text(path) IN ('one/a', 'two/a')",
               "2");
    planner_down(&r.planner);
}

/* Goal: a scanned shard that is done again counts its names once.
 * Method: names and files; a redo; some of the names are files now, one file is a name, one name is
 * to be removed, and one comes twice. */
static void names_are_counted_once(void **state)
{
    struct running r = start_job(state);
    struct truth_request *request = segment_of(&r, 0, 1);

    add_files(request, 0, 4);
    add_link(request, 1, 0, 0, true, "a");
    add_link(request, 1, 0, 0, true, "b");
    add_removal(request, KIND_file, "c");
    add_name(request, &(struct rec_name){.operation = OPERATION_put, .size = 7}, "w");
    request->counters.value[COUNTER_scanned] = 7;
    ask_counters(&r.planner, request, "scanned=7 found=7 moved=4 bytes_found=47 bytes_moved=40");
    request = make_request(TRUTH_REDO, r.job, r.epoch);
    ask_counters(&r.planner, request, "scanned=4 found=4 moved=4 bytes_found=40 bytes_moved=40");
    assert_sql(r.world, "SELECT count(*) FROM pending", "0");
    request = segment_of(&r, 0, 2);
    request->redo = true;
    add_row(request, OPERATION_put, OUTCOME_moved, 0, "a");
    add_link(request, 1, 0, 0, true, "b");
    add_link(request, 1, 0, 0, true, "dir/file-1");
    add_link(request, 1, 3, 1, true, "dir/file-1");
    add_removal(request, KIND_file, "w");
    ask_counters(&r.planner, request, "scanned=4 found=6 moved=4 bytes_found=40 bytes_moved=40");
    request = segment_of(&r, 0, 3);
    request->redo = true;
    add_link(request, 2, 0, 0, true, "w"); /* was a removal */
    add_row(request, OPERATION_put, OUTCOME_moved, 1, "b");
    scan_ends(request, 8, 3);
    request->counters.value[COUNTER_unchanged] = 1;
    ask_counters(&r.planner, request,
                 "scanned=8 unchanged=1 found=7 moved=5 bytes_found=50 bytes_moved=50");
    assert_sql(
        r.world,
        "SELECT string_agg(path || ' ' || operation || ' ' || there_inode, ', ' ORDER BY"
        " path) FROM (SELECT path_text(path) AS path, operation, there_inode FROM pending) x",
        "dir/file-1 link 3, w link 0");
    assert_sql(r.world, "SELECT present FROM shard", "3");
    planner_down(&r.planner);
}

/* Goal: what is not kept is counted once for each object and kind.
 * Method: rows with bits, the same rows again as after a redo, one of them kept now. */
static void not_kept_is_counted(void **state)
{
    struct running r = start_job(state);

    for (u32 i = 1; i <= 2; i++) {
        struct truth_request *request = segment_of(&r, 0, i);
        struct frame_writer writer = {.out = &request->rows[0]};

        request->redo = i == 2;
        for (u32 k = 0; k < 4; k++) {
            char path[8];

            snprintf(path, sizeof path, "f%u", k);
            frame_add_row(
                &writer,
                &(struct rec_row){
                    .path = bytes_text(path),
                    .kind = KIND_file,
                    .operation = k == 3 ? OPERATION_attributes : OPERATION_put,
                    .outcome = k == 3 ? OUTCOME_attributes : OUTCOME_moved,
                    .digest = bytes_text("0123456789abcdef"),
                    .not_kept = i == 2 && k == 0 ? 0 : NOT_KEPT_OWNER | (k ? NOT_KEPT_ACL : 0)});
        }
        frame_end(&writer);
        ask_for(&r.planner, request, ERR_Ok);
        assert_sql(r.world, "SELECT not_kept FROM v_jobs",
                   i == 1 ? "{\"AclNotKept\": 3, \"OwnerNotKept\": 4}"
                          : "{\"AclNotKept\": 3, \"OwnerNotKept\": 3}");
    }
    planner_down(&r.planner);
}

/* Goal: many names are fed in bounded pages, each once, directories once per batch.
 * Method: 3,000 names in 30 directories, fed 700 at a time. */
static void feeds_are_paged(void **state)
{
    struct running r = start_job(state);
    struct truth_request *request = segment_of(&r, 0, 1);
    u32 items = 0, dirs = 0, pages = 0, batches = 0;
    char path[64];

    for (u32 i = 0; i < 3000; i++) {
        snprintf(path, sizeof path, "d%u/%u", i % 30, i);
        add_link(request, 1000 + i, 0, 0, true, path);
    }
    scan_ends(request, 3000, 0);
    ask_for(&r.planner, request, ERR_Ok);
    resolve_to(&r, resolve_request(&r), "leaders:1");
    request = feed_request(&r, FEED_LEADERS, 700);
    for (;;) {
        request = ask(&r.planner, request);
        assert_int_equal(request->err.code, ERR_Ok);
        if (request->batch_count == 0)
            break;
        pages++;
        for (u32 i = 0; i < request->batch_count; i++) {
            struct batch batch;
            struct err err;

            assert_int_equal(batch_decode(buf_bytes(&request->batches[i].dirs),
                                          buf_bytes(&request->batches[i].items), &batch, &err),
                             0);
            items += batch.item_count;
            dirs += batch.dir_count;
            batches++;
            batch_release(&batch);
        }
    }
    truth_request_destroy(&request);
    assert_int_equal(items, 3000);
    assert_int_equal(pages, 5);
    assert_in_range(dirs, 30, 30 + batches);
    planner_down(&r.planner);
}

/* Goal: a dry run says what would be done, and leaves nothing else.
 * Method: items, groups and removals; the guard would trip. */
static void dry_run(void **state)
{
    struct running r = start_job(state);
    struct truth_request *request = segment_of(&r, 0, 1);
    char path[16];

    request->dry_run = true;
    add_row(request, OPERATION_put, OUTCOME_planned, 0, "f");
    add_row(request, OPERATION_directory, OUTCOME_planned, 0, "d");
    add_row(request, OPERATION_refuse, OUTCOME_failed, 0, "s");
    add_link(request, 1, 11, 2, false, "equal/a");
    add_link(request, 1, 11, 2, false, "equal/b");
    add_link(request, 2, 0, 0, true, "l/a");
    add_link(request, 2, 0, 0, true, "l/b");
    for (int i = 0; i < 20; i++) {
        snprintf(path, sizeof path, "r%d", i);
        add_removal(request, KIND_file, path);
    }
    scan_ends(request, 7, 22);
    ask_counters(&r.planner, request, "scanned=7 found=7 failed=1 bytes_found=10");
    request = resolve_request(&r);
    request->dry_run = true;
    request = ask(&r.planner, request);
    assert_int_equal(request->err.code, ERR_Ok);
    assert_false(request->held);
    assert_int_equal(request->shard_count, 0);
    assert_non_null(strstr(request->message, "would remove 20 of 22 entries"));
    assert_counters(&request->counters, "scanned=7 unchanged=2 found=5 failed=1 bytes_found=20");
    truth_request_destroy(&request);
    assert_sql(r.world, "SELECT count(*) FROM pending", "0");
    assert_sql(r.world, "SELECT count(*) FROM object", "0");
    assert_sql(r.world,
               "SELECT string_agg(path || ' ' || operation || ' ' || outcome, ', ' ORDER BY path)"
               " FROM v_items WHERE path !~ '^r[1-9]'",
               "d directory planned, f put planned, l/a put planned, l/b link planned, "
               "r0 remove planned, s refuse failed");
    planner_down(&r.planner);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(groups_are_judged),
        WORLD_TEST(followers_follow),
        WORLD_TEST(over_directories),
        WORLD_TEST(names_are_counted_once),
        WORLD_TEST(not_kept_is_counted),
        WORLD_TEST(feeds_are_paged),
        WORLD_TEST(dry_run),
    };

    return cmocka_run_group_tests(tests, services_up, NULL);
}
