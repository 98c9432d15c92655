/* Goal: the shards of a tree are together the whole, each path once, and a scan hands off what is
 * worth it. Method: scan_shard is driven without a worker, against mem: trees, while others wait;
 * the fixture's sink checks the counters of each message. */
#include "watcher_fixture.h"

/* Goal: a subtree that was handed off is compared as an entry and not entered; its shard has the
 * rest. Method: the tree is scanned in two shards, and the sums are those of the whole. */
static void test_handed_off(void **state)
{
    struct fixture *f = fixture_mem();

    (void)state;
    fixture_plant("source", "a/1", KIND_file, "1");
    fixture_plant("source", "b/1", KIND_file, "1");
    /* of another mode: both sides' times may be of the same tick of the clock */
    fixture_plant_private("source", "b/c");
    fixture_plant("source", "b/c/1", KIND_file, "1");
    fixture_plant("destination", "b/c/extra", KIND_file, "1");
    f->handed_off[0] = bytes_text("zzz");
    f->handed_off[1] = bytes_text("b/c");
    f->handed_off_count = 2;
    fixture_scan(f);
    fixture_expect(f, "b/c", OPERATION_directory, ITEM_EXISTS);
    assert_null(fixture_find(f, "b/c/1"));
    assert_int_equal(f->scanned.scanned, 5);
    assert_int_equal(f->scanned.extra, 0);
    fixture_clear(f);
    f->path = bytes_text("b/c");
    fixture_scan(f);
    fixture_expect(f, "b/c/1", OPERATION_put, 0);
    assert_int_equal(f->scanned.scanned, 1);
    assert_int_equal(f->scanned.extra, 1);
    fixture_destroy(f);
}

/* Scans the shard at `path` and, after it, each shard split from it, whose paths go to `all` too.
 */
static u32 scan_shards(struct fixture *f, char *all[64], u32 wanted)
{
    struct fixture whole = *f;
    u32 shards = 1, items = 0;

    all[0] = text_copy("");
    for (u32 i = 0; i < shards; i++) {
        f->path = bytes_text(all[i]);
        f->wanted = wanted;
        fixture_scan(f);
        assert_int_equal(f->scanned.code, 0);
        items += f->count;
        for (u32 s = 0; s < f->split_count; s++) {
            assert_true(shards < 64);
            assert_true(path_is_within(bytes_text(f->splits[s]), bytes_text(all[i])));
            for (u32 other = 0; other < f->count; other++) /* its contents are none of ours */
                assert_false(
                    path_is_within(bytes_text(f->seen[other].path), bytes_text(f->splits[s])) &&
                    strcmp(f->seen[other].path, f->splits[s]) != 0);
            all[shards++] = text_copy(f->splits[s]);
        }
        fixture_clear(f);
    }
    f->path = whole.path;
    for (u32 i = 0; i < shards; i++)
        free(all[i]);
    return shards << 24 | items;
}

/* Goal: while others wait, subtrees are split off, and the shards together are the whole, each path
 * once. Method: a wide tree is scanned with and without others waiting. */
static void test_split(void **state)
{
    struct fixture *f = fixture_mem();
    char *all[64], path[64];
    u32 items = 0, alone, shared;

    (void)state;
    for (int a = 0; a < 10; a++)
        for (int b = 0; b < 10; b++)
            for (int i = 0; i < 60; i++, items++) {
                snprintf(path, sizeof path, "a%d/b%d/%d", a, b, i);
                fixture_plant("source", path, KIND_file, "1");
            }
    items += 10 + 100;
    alone = scan_shards(f, all, 0);
    assert_int_equal(alone & 0xffffff, items);
    assert_int_equal(alone >> 24, 1);
    shared = scan_shards(f, all, 2);
    assert_int_equal(shared & 0xffffff, items);
    assert_true(shared >> 24 >= 3);
    fixture_destroy(f);
}

/* Goal: the subtree that is handed off is one of the shallowest level, also while a directory far
 * below is being listed. Method: one deep, large directory, and its neighbours at the top. */
static void test_split_shallowest(void **state)
{
    struct fixture *f = fixture_mem();
    char path[64];

    (void)state;
    for (int i = 0; i < 3000; i++) {
        snprintf(path, sizeof path, "a/b/c/d/%d", i);
        fixture_plant("source", path, KIND_file, "1");
    }
    fixture_plant("source", "a/b/later/1", KIND_file, "1");
    fixture_plant("source", "top/1", KIND_file, "1");
    fixture_plant("source", "top/2", KIND_file, "1");
    f->wanted = 1;
    fixture_scan(f);
    assert_int_equal(f->split_count, 1);
    assert_string_equal(f->splits[0], "top");
    fixture_expect(f, "top", OPERATION_directory, 0);
    assert_null(fixture_find(f, "top/1"));
    assert_int_equal(f->count, 3000 + 7);
    fixture_destroy(f);
}

/* Goal: the rest of a tree does not change hands for nothing. Method: a chain, where each hand-off
 * would leave nothing to do. */
static void test_split_chain(void **state)
{
    struct fixture *f = fixture_mem();
    char path[64] = "";

    (void)state;
    for (int level = 0; level < 10; level++) {
        size_t length = strlen(path);

        for (int i = 0; i < 300; i++) {
            snprintf(path + length, sizeof path - length, "%d", i);
            fixture_plant("source", path, KIND_file, "1");
        }
        snprintf(path + length, sizeof path - length, "d/");
    }
    f->wanted = 8;
    fixture_scan(f);
    assert_int_equal(f->split_count, 0);
    assert_int_equal(f->count, 3009);
    fixture_destroy(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_handed_off),
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_split_shallowest),
        cmocka_unit_test(test_split_chain),
    };

    return cmocka_run_group_tests_name("watcher_scan_split", tests, NULL, NULL);
}
