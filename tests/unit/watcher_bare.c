/* Goal: an object that is known to have no extended attributes and lists is not asked again, and
 * one that gained some always is. Method: the set by itself; scans of dir: trees with drivers that
 * count the questions and whose clock is far ahead, so that change times are well past. */
#include "watcher_fixture.h"

#include "base/clock.h"

#include <sys/xattr.h>

#define NOW_NS (1000 * NS_PER_S + 1)
#define BOTH (PRESERVE_xattrs | PRESERVE_acls)

static const struct attributes object = {
    .device = 1, .inode = 2, .ctime_ns = NOW_NS - BARE_SETTLED_NS, .mode = 0644};

/* Goal: what is known is known of one object, at one change time, of one question.
 * Method: everything that tells them apart is changed, one after the other. */
static void test_what_is_known(void **state)
{
    struct bare_set *set = bare_new();
    struct attributes other;

    (void)state;
    assert_false(bare_has(set, &object, BOTH));
    bare_add(set, &object, BOTH, NOW_NS);
    assert_true(bare_has(set, &object, BOTH));
    assert_false(bare_has(set, &object, PRESERVE_xattrs));
    other = object;
    other.mode = 0600;
    assert_true(bare_has(set, &other, BOTH));
    other = object;
    other.ctime_ns++;
    assert_false(bare_has(set, &other, BOTH));
    other = object;
    other.inode++;
    assert_false(bare_has(set, &other, BOTH));
    other = object;
    other.device++;
    assert_false(bare_has(set, &other, BOTH));
    bare_destroy(&set);
    assert_null(set);
    bare_destroy(&set);
}

/* Goal: nothing is known of an object that changed a moment ago, or in what is the future here, or
 * at a time that a clock which is set back gives again. Method: change times around the limit, and
 * one of whole seconds. */
static void test_a_moment_ago(void **state)
{
    struct bare_set *set = bare_new();
    struct attributes recent = object;

    (void)state;
    recent.ctime_ns++;
    bare_add(set, &recent, BOTH, NOW_NS);
    assert_false(bare_has(set, &recent, BOTH));
    recent.ctime_ns = INT64_MAX;
    bare_add(set, &recent, BOTH, NOW_NS);
    assert_false(bare_has(set, &recent, BOTH));
    recent.ctime_ns = 900 * NS_PER_S;
    bare_add(set, &recent, BOTH, NOW_NS);
    assert_false(bare_has(set, &recent, BOTH));
    recent.ctime_ns++;
    bare_add(set, &recent, BOTH, NOW_NS);
    assert_true(bare_has(set, &recent, BOTH));
    bare_destroy(&set);
}

static u32 add_all(struct bare_set *set, u64 first, u64 count)
{
    struct attributes one = object;
    u32 known = 0;

    for (one.inode = first; one.inode < first + count; one.inode++) {
        known += bare_has(set, &one, BOTH);
        bare_add(set, &one, BOTH, NOW_NS);
    }
    return known;
}

/* Goal: a tree larger than the set, gone through again and again, is known in part; what nobody
 * asks for any more makes room. Method: twice as many objects as slots, twice; then others. */
static void test_too_many(void **state)
{
    struct bare_set *set = bare_new();
    u64 count = 2ull * BARE_SLOTS;
    u32 known;

    (void)state;
    assert_int_equal(add_all(set, 0, count), 0);
    known = add_all(set, 0, count);
    assert_in_range(known, BARE_SLOTS / 2, BARE_SLOTS);
    assert_int_equal(add_all(set, count, count), 0);
    assert_in_range(add_all(set, count, count), BARE_SLOTS / 16, BARE_SLOTS);
    bare_destroy(&set);
}

/* ---- in a scan ---- */

static struct asset_ops watched;
static int (*really_ask)(struct asset_directory *directory, struct bytes name, u32 preserve,
                         struct buf *out, u32 *not_kept, struct err *err);
static u32 asked;

static int count_and_ask(struct asset_directory *directory, struct bytes name, u32 preserve,
                         struct buf *out, u32 *not_kept, struct err *err)
{
    asked += name.size > 0; /* not of the root */
    return really_ask(directory, name, preserve, out, not_kept, err);
}

static s64 far_ahead(struct asset *asset)
{
    (void)asset;
    return INT64_MAX;
}

static s64 far_ahead_from_the_first(struct asset *asset)
{
    (void)asset;
    return asked > 0 ? INT64_MAX : clock_filesystem_ns();
}

/* Three files on both sides; questions are counted. NULL on a filesystem without what this is
 * about. */
static struct fixture *watched_trees(void)
{
    struct fixture *f = fixture_dir();
    char path[128];

    for (int i = 0; i < 3; i++) {
        char name[] = {(char)('a' + i), '\0'};

        fixture_file(f, "source", name, 5);
        fixture_file(f, "destination", name, 5);
    }
    snprintf(path, sizeof path, "%s/source", f->base);
    if (f->source->dated_device == 0 || setxattr(path, "user.root", "1", 1, 0) < 0) {
        fixture_destroy(f);
        return NULL;
    }
    watched = *f->source->ops;
    really_ask = watched.extras;
    watched.extras = count_and_ask;
    watched.now_ns = far_ahead;
    f->source->ops = f->destination->ops = &watched;
    f->rules.extras = BOTH;
    f->bare = bare_new();
    return f;
}

static u32 scan_and_count(struct fixture *f)
{
    fixture_clear(f);
    asked = 0;
    fixture_scan(f);
    assert_int_equal(f->scanned.code, 0);
    return asked;
}

/* Sets it until the object has another change time: as the clock of this test is ahead, the first
 * time may share the tick with what the set knows. */
static void set_attribute(struct fixture *f, const char *path, const char *name, const void *value,
                          size_t size)
{
    struct stat before, after;
    char whole[160];

    snprintf(whole, sizeof whole, "%s/%s", f->base, path);
    assert_int_equal(stat(whole, &before), 0);
    do {
        assert_int_equal(setxattr(whole, name, value, size, 0), 0);
        assert_int_equal(stat(whole, &after), 0);
    } while (after.st_ctim.tv_sec == before.st_ctim.tv_sec &&
             after.st_ctim.tv_nsec == before.st_ctim.tv_nsec);
}

/* Goal: who is known to have nothing is not asked again, and an attribute or a list that comes at
 * either end is seen at once; who has something is asked each time. Method: scans between changes.
 */
static void test_scans(void **state)
{
    /* user::rw-, user:1234:r--, group::r--, mask::r--, other::r--: the mode stays 0644 */
    static const u8 list[] = {2,    0,    0,    0,    1,    0,    6,    0,    0xff, 0xff, 0xff,
                              0xff, 2,    0,    4,    0,    0xd2, 4,    0,    0,    4,    0,
                              4,    0,    0xff, 0xff, 0xff, 0xff, 0x10, 0,    4,    0,    0xff,
                              0xff, 0xff, 0xff, 0x20, 0,    4,    0,    0xff, 0xff, 0xff, 0xff};
    struct fixture *f = watched_trees();

    (void)state;
    if (!f)
        skip();
    assert_int_equal(scan_and_count(f), 6);
    assert_int_equal(scan_and_count(f), 0);
    assert_int_equal(f->scanned.unchanged, 3);

    set_attribute(f, "source/a", "user.new", "1", 1);
    set_attribute(f, "destination/b", "system.posix_acl_access", list, sizeof list);
    assert_int_equal(scan_and_count(f), 2); /* each the one that changed */
    fixture_expect(f, "a", OPERATION_attributes, 0);
    fixture_expect(f, "b", OPERATION_attributes, 0);
    assert_int_equal(f->scanned.unchanged, 1);
    assert_int_equal(scan_and_count(f), 2);

    f->rules.extras = PRESERVE_xattrs; /* another question */
    assert_int_equal(scan_and_count(f), 6);
    fixture_expect(f, "a", OPERATION_attributes, 0);
    assert_int_equal(f->count, 1);
    fixture_destroy(f);
}

/* Goal: where change times say nothing, or are not past yet, everybody is asked each time.
 * Method: the same trees without the driver's word, and with its word on another device, and with
 * the clock as it is. */
static void test_scans_that_ask(void **state)
{
    struct fixture *f = watched_trees();
    u64 device;

    (void)state;
    if (!f)
        skip();
    device = f->source->dated_device;
    f->source->dated_device = 0;
    assert_int_equal(scan_and_count(f), 6);
    assert_int_equal(scan_and_count(f), 3);
    f->source->dated_device = device + 1; /* as if others were mounted there */
    assert_int_equal(scan_and_count(f), 3);
    f->source->dated_device = device;
    bare_destroy(&f->bare);
    f->bare = bare_new();
    watched.now_ns = NULL;
    scan_and_count(f);
    set_attribute(f, "source/a", "user.new", "1", 1);
    set_attribute(f, "source/a", "user.newer", "1", 1);
    assert_true(scan_and_count(f) > 0);
    fixture_expect(f, "a", OPERATION_attributes, 0);
    fixture_destroy(f);
}

/* Goal: nothing is learned of an object that was asked while its change time was not past yet,
 * however long the process was stopped after that. Method: the clock leaps ahead with the first
 * question; the others are learned from. */
static void test_stopped_after_asking(void **state)
{
    struct fixture *f = watched_trees();

    (void)state;
    if (!f)
        skip();
    watched.now_ns = far_ahead_from_the_first;
    assert_int_equal(scan_and_count(f), 6);
    assert_int_equal(scan_and_count(f), 1);
    fixture_destroy(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_known),  cmocka_unit_test(test_a_moment_ago),
        cmocka_unit_test(test_too_many),       cmocka_unit_test(test_scans),
        cmocka_unit_test(test_scans_that_ask), cmocka_unit_test(test_stopped_after_asking),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
