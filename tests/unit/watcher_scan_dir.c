/* Goal: a scan of real directories: depth, size and rights have no limit that a user could meet.
 * Method: scan_shard is driven without a worker, against dir: trees made for it; the fixture's sink
 * checks the counters of each message, and looks at memory and descriptors as the scan goes on. */
#include "watcher_fixture.h"

#include "watcher/walk.h"

#define REFUSED(code) ((u32)ERR_##code << ITEM_CODE_SHIFT)
#define NOBODY 65534

/* Goal: two equal trees give no item at all. Method: real directories, times and all. */
static void test_equal(void **state)
{
    struct fixture *f = fixture_dir();
    char command[256];

    (void)state;
    fixture_directory(f, "source", "a");
    fixture_directory(f, "source", "a/b");
    for (int i = 0; i < 100; i++) {
        char path[64];

        snprintf(path, sizeof path, "a/%s%d", i % 2 ? "b/" : "", i);
        fixture_file(f, "source", path, (u64)i);
    }
    snprintf(command, sizeof command, "ln -s 1 %s/source/link; cp -a %s/source/. %s/destination",
             f->base, f->base, f->base);
    assert_int_equal(system(command), 0);
    fixture_scan(f);
    assert_int_equal(f->scanned.code, 0);
    assert_int_equal(f->scanned.scanned, 103);
    assert_int_equal(f->scanned.unchanged, 103);
    assert_int_equal(f->scanned.extra, 0);
    assert_int_equal(f->number, 1);
    fixture_destroy(f);
}

/* Goal: the root is no entry of any shard, so that its own attributes are told apart: by the root's
 * scan, and by no other. Method: two empty roots, equal, and then of another mode. */
static void test_root_differs(void **state)
{
    struct fixture *f = fixture_dir();
    char command[256];

    (void)state;
    fixture_directory(f, "source", "below");
    snprintf(command, sizeof command, "cp -a %s/source/. %s/destination", f->base, f->base);
    assert_int_equal(system(command), 0);
    fixture_scan(f);
    assert_int_equal(f->scanned.root_differs, 0);
    snprintf(command, sizeof command, "chmod 0700 %s/destination", f->base);
    assert_int_equal(system(command), 0);
    fixture_clear(f);
    fixture_scan(f);
    assert_int_equal(f->scanned.root_differs, 1);
    assert_int_equal(f->scanned.scanned, 1);
    assert_int_equal(f->scanned.unchanged, 1);
    fixture_clear(f);
    f->path = bytes_text("below");
    fixture_scan(f);
    assert_int_equal(f->scanned.root_differs, 0);
    fixture_destroy(f);
}

/* Goal: a batch has at most BATCH_BYTES of content, but for one larger file alone.
 * Method: sparse files around the limit. */
static void test_batch_bytes(void **state)
{
    struct fixture *f = fixture_dir();
    char name[16];

    (void)state;
    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof name, "%d", i);
        fixture_file(f, "source", name, i % 8 == 7 ? BATCH_BYTES + 1 : BATCH_BYTES / 3);
    }
    fixture_scan(f);
    assert_int_equal(f->count, 40);
    assert_true(f->largest_bytes <= BATCH_BYTES);
    assert_true(f->largest_bytes > BATCH_BYTES / 2);
    fixture_destroy(f);
}

/* Goal: a shard whose root is gone is empty and clean, a source that is gone is an error.
 * Method: scans of paths that are not there. */
static void test_root(void **state)
{
    struct fixture *f = fixture_dir();
    char command[128];

    (void)state;
    f->path = bytes_text("gone/deeper");
    fixture_scan(f);
    assert_int_equal(f->scanned.code, 0);
    assert_int_equal(f->scanned.scanned, 0);
    assert_int_equal(f->number, 1);
    fixture_clear(f);
    fixture_file(f, "source", "file", 1);
    f->path = bytes_text("file");
    fixture_scan(f);
    assert_int_equal(f->scanned.code, 0);
    fixture_clear(f);
    f->path = bytes_text("");
    snprintf(command, sizeof command, "rm -r %s/source", f->base);
    assert_int_equal(system(command), 0);
    fixture_scan(f);
    assert_int_not_equal(f->scanned.code, 0);
    assert_int_equal(f->scanned.scanned, 0);
    assert_true(strlen(f->message) > 20);
    fixture_destroy(f);
}

/* Makes a chain of directories below `tree`, with names of `size` bytes, a file and a side
 * directory in each. Descriptor by descriptor: no path is as long. */
static void make_chain(const struct fixture *f, const char *tree, int levels, int size)
{
    char name[NAME_BYTES + 1], root[96];
    int at;

    memset(name, 'd', (size_t)size);
    name[size] = '\0';
    snprintf(root, sizeof root, "%s/%s", f->base, tree);
    at = open(root, O_RDONLY | O_DIRECTORY);
    for (int level = 0; level < levels; level++) {
        int next, file = openat(at, "file", O_WRONLY | O_CREAT, 0644);

        assert_true(file >= 0);
        close(file);
        assert_int_equal(mkdirat(at, "side", 0755), 0);
        assert_int_equal(mkdirat(at, name, 0755), 0);
        next = openat(at, name, O_RDONLY | O_DIRECTORY);
        assert_true(next >= 0);
        close(at);
        at = next;
    }
    close(at);
}

/* Goal: two thousand levels, a path of two hundred kilobytes, with a few descriptors.
 * Method: a chain with directories beside it on each level, in one tree and in both. */
static void test_deep(void **state)
{
    struct fixture *f = fixture_dir();
    u32 before = fixture_descriptors();
    u32 levels = 2000;

    (void)state;
    f->count_only = true;
    make_chain(f, "source", (int)levels, 100);
    fixture_scan(f);
    assert_int_equal(f->scanned.code, 0);
    assert_int_equal(f->count, 3 * levels);
    assert_true(f->descriptors_max <= before + WALK_OPEN_LEVELS + 4);
    fixture_clear(f);
    make_chain(f, "destination", (int)levels, 100);
    fixture_scan(f);
    assert_int_equal(f->scanned.code, 0);
    assert_int_equal(f->scanned.scanned, 3 * levels);
    assert_int_equal(f->scanned.extra, 0);
    assert_true(f->descriptors_max <= before + 2 * WALK_OPEN_LEVELS + 4);
    fixture_destroy(f);
}

/* Goal: a directory of 50,000 names costs no more memory than one of a few.
 * Method: the heap is measured while both sides have it, and the same with 500. (Under a sanitizer
 * the heap says nothing, and the test is one of the count only.) */
static size_t heap_of(struct fixture *f, int from, int to)
{
    size_t before;
    char name[16];

    for (int i = from; i < to; i++) {
        snprintf(name, sizeof name, "%d", i);
        fixture_file(f, "source", name, 1);
        fixture_file(f, "destination", name, 1);
    }
    fixture_clear(f);
    before = mallinfo2().uordblks;
    fixture_scan(f);
    assert_int_equal(f->scanned.scanned, to);
    assert_int_equal(f->scanned.unchanged, to);
    assert_int_equal(f->number, 1);
    return f->heap_max > before ? f->heap_max - before : 0;
}

static void test_wide(void **state)
{
    struct fixture *f = fixture_dir();
    size_t few = heap_of(f, 0, 500), many = heap_of(f, 500, 50000);

    (void)state;
    assert_true(many <= few + (64u << 10));
    assert_true(many < 1u << 20);
    fixture_destroy(f);
}

/* Goal: a directory that may not be read, or not be entered, is one item, refused, and the rest
 * goes on; if it is the shard's root, the scan says so. Method: modes without r and without x, as a
 * user who is not root. */
static void test_unreadable(void **state)
{
    struct fixture *f = fixture_dir();
    char command[512];
    bool root = geteuid() == 0;

    (void)state;
    fixture_directory(f, "source", "closed");
    fixture_file(f, "source", "closed/a", 1);
    fixture_directory(f, "source", "listed");
    fixture_file(f, "source", "listed/a", 1);
    fixture_directory(f, "source", "open");
    fixture_file(f, "source", "open/a", 1);
    fixture_directory(f, "source", "both");
    fixture_file(f, "source", "both/a", 1);
    fixture_directory(f, "destination", "both");
    snprintf(command, sizeof command,
             "cd %s && chmod 0311 source/closed && chmod 0644 source/listed && chmod 0000 "
             "destination/both",
             f->base);
    assert_int_equal(system(command), 0);
    if (root)
        assert_int_equal(seteuid(NOBODY), 0);
    fixture_scan(f);
    assert_int_equal(f->scanned.code, 0);
    fixture_expect(f, "closed", OPERATION_refuse, REFUSED(AccessDenied));
    fixture_expect(f, "listed", OPERATION_refuse, REFUSED(AccessDenied));
    fixture_expect(f, "both", OPERATION_refuse, REFUSED(AccessDenied));
    fixture_expect(f, "open", OPERATION_directory, 0);
    fixture_expect(f, "open/a", OPERATION_put, 0);
    assert_int_equal(f->count, 5);
    fixture_clear(f);
    f->path = bytes_text("closed");
    fixture_scan(f);
    assert_int_equal(f->scanned.code, ERR_AccessDenied);
    assert_int_equal(f->count, 0);
    if (root)
        assert_int_equal(seteuid(0), 0);
    fixture_destroy(f);
}

/* Goal: a tree is scanned twice as deep as descriptors are kept, with splits on the way, and the
 * shards are the whole. Method: others wait all the time; closed levels are opened for a hand-off
 * and rest. */
static void test_deep_split(void **state)
{
    struct fixture *f = fixture_dir();
    u32 before = fixture_descriptors(), items;
    char command[512];

    (void)state;
    make_chain(f, "source", 40, 8);
    snprintf(command, sizeof command,
             "cd %s/source && for i in $(seq 39); do cd dddddddd; done && mkdir many && cd many && "
             "seq 4000 | xargs touch",
             f->base);
    assert_int_equal(system(command), 0);
    f->wanted = 3;
    fixture_scan(f);
    items = f->count;
    assert_int_equal(f->scanned.code, 0);
    assert_true(f->split_count > 0);
    assert_true(f->descriptors_max <= before + WALK_OPEN_LEVELS + 4);
    assert_int_equal(items, f->scanned.scanned);
    assert_int_equal(items, 40 * 3 + 1 + 4000); /* what was split off was empty */
    fixture_destroy(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal),       cmocka_unit_test(test_root_differs),
        cmocka_unit_test(test_batch_bytes), cmocka_unit_test(test_root),
        cmocka_unit_test(test_deep),        cmocka_unit_test(test_wide),
        cmocka_unit_test(test_unreadable),  cmocka_unit_test(test_deep_split),
    };

    return cmocka_run_group_tests_name("watcher_scan_dir", tests, NULL, NULL);
}
