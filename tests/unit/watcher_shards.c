/* Goal: subtrees are handed off when others wait, early in a small tree, seldom in a large one.
 * Method: a pace is driven entry by entry; sets are made of paths that look alike. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "watcher/shards.h"

/* Goal: no split while nobody waits. Method: a large shard. */
static void test_nobody_waits(void **state)
{
    struct shards_pace pace = {.since = 10000000};

    (void)state;
    assert_false(shards_due(&pace, 0));
    assert_true(shards_due(&pace, 1));
}

/* Goal: the distance between splits starts small, doubles, and stays at its limit.
 * Method: the entries at which splits come due are counted. */
static void test_pace(void **state)
{
    static const u64 expected[] = {1024, 2048, 4096, 4096, 4096};
    struct shards_pace pace = {0};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        pace.since = 0;
        while (!shards_due(&pace, 1))
            pace.since++;
        assert_int_equal(pace.since, expected[i]);
        shards_taken(&pace);
        assert_int_equal(pace.since, 0);
    }
    pace.splits = UINT32_MAX;
    assert_int_equal(shards_threshold(&pace), SHARD_SPLIT_ENTRIES);
}

/* Goal: a scan with nothing to hand off looks again soon, but not at each entry.
 * Method: misses at the threshold. */
static void test_missed(void **state)
{
    struct shards_pace pace = {.since = SHARDS_EAGER_ENTRIES};

    (void)state;
    shards_missed(&pace);
    assert_false(shards_due(&pace, 1));
    pace.since += SHARDS_RETRY_ENTRIES;
    assert_true(shards_due(&pace, 1));
    pace.since = 3;
    shards_missed(&pace);
    assert_int_equal(pace.since, 0);
}

/* Goal: a scan never hands off all that it has left. Method: the few cases there are. */
static void test_spare(void **state)
{
    (void)state;
    assert_false(shards_spare(0, false));
    assert_false(shards_spare(1, false));
    assert_true(shards_spare(2, false));
    assert_false(shards_spare(0, true));
    assert_true(shards_spare(1, true));
}

/* Goal: a set holds exactly its paths. Method: paths that are prefixes of one another, and a
 * thousand. */
static void test_set(void **state)
{
    static const char *const texts[] = {"a/b", "a", "a/bc", "b", "a\xff", "a/b/c"};
    struct bytes paths[COUNT_OF(texts)];
    struct shards_set set;

    (void)state;
    shards_set_init(&set, NULL, 0);
    assert_false(shards_set_has(&set, bytes_text("a")));
    shards_set_release(&set);
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        paths[i] = bytes_text(texts[i]);
    shards_set_init(&set, paths, COUNT_OF(texts));
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        assert_true(shards_set_has(&set, bytes_text(texts[i])));
    assert_false(shards_set_has(&set, bytes_text("a/")));
    assert_false(shards_set_has(&set, bytes_text("a/bcd")));
    assert_false(shards_set_has(&set, bytes_text("")));
    assert_false(shards_set_has(&set, bytes_text("ab")));
    shards_set_release(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nobody_waits), cmocka_unit_test(test_pace),
        cmocka_unit_test(test_missed),       cmocka_unit_test(test_spare),
        cmocka_unit_test(test_set),
    };

    return cmocka_run_group_tests_name("watcher_shards", tests, NULL, NULL);
}
