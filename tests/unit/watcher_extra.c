/* Goal: what only the destination has is counted, and named for removal only where it is surely
 * absent at the source; what the filters leave out is not there; what changes its type makes way.
 * Method: scan_shard is driven without a worker, against mem: trees; the fixture's sink checks the
 * counters of each message. Where the kernel matters: watcher_extra_dir.c. */
#include "watcher_fixture.h"

#define REFUSED(code) ((u32)ERR_##code << ITEM_CODE_SHIFT)

static void reopen(struct asset **asset, const char *address)
{
    struct err err;

    asset_close(asset);
    if (asset_open(address, asset, &err) < 0)
        fail_msg("%s", err.text);
}

/* Goal: each object below a directory that both sides have, and that only the destination has, is
 * one name; without removal it is counted only. Method: both, on the same trees. */
static void test_named(void **state)
{
    struct fixture *f = fixture_mem();
    const struct rec_name *name;
    struct attributes there;
    struct asset_directory *root;
    struct err err;

    (void)state;
    fixture_plant_both("same", KIND_file, "1");
    fixture_plant_both("both/same", KIND_file, "1");
    fixture_plant("destination", "file", KIND_file, "123");
    fixture_plant("destination", "both/link", KIND_symlink, "to");
    fixture_plant("destination", "both/pipe", KIND_fifo, "");
    fixture_plant("destination", "tree/a/b/file", KIND_file, "1");
    fixture_plant("destination", "tree/empty", KIND_directory, "");
    fixture_scan(f);
    assert_int_equal(f->listed_count, 0);
    assert_int_equal(f->scanned.extra, 4);
    assert_int_equal(f->scanned.present, 3 + 4);
    fixture_clear(f);
    f->flags = SCAN_DELETE;
    fixture_scan(f);
    assert_int_equal(f->scanned.code, 0);
    assert_int_equal(f->scanned.extra, 0);
    assert_int_equal(f->scanned.present, 3 + 4 + 4);
    assert_int_equal(f->listed_count, 8);
    fixture_expect_listed(f, "both/link", OPERATION_remove, 0);
    fixture_expect_listed(f, "both/pipe", OPERATION_remove, 0);
    fixture_expect_listed(f, "tree", OPERATION_remove, 0);
    fixture_expect_listed(f, "tree/a", OPERATION_remove, 0);
    fixture_expect_listed(f, "tree/a/b", OPERATION_remove, 0);
    fixture_expect_listed(f, "tree/a/b/file", OPERATION_remove, 0);
    fixture_expect_listed(f, "tree/empty", OPERATION_remove, 0);
    fixture_expect_listed(f, "file", OPERATION_remove, 0);
    assert_int_equal(asset_directory_open(f->destination, bytes_text(""), &root, &err), 0);
    assert_int_equal(asset_directory_lookup(root, bytes_text("file"), &there, &err), 1);
    asset_directory_close(&root);
    name = fixture_listed(f, "file");
    assert_int_equal(name->kind, KIND_file);
    assert_int_equal(name->size, 3);
    assert_int_equal(name->mtime_ns, FIXTURE_MTIME_NS);
    assert_int_equal(name->there_inode, there.inode);
    assert_int_equal(name->there_ctime_ns, there.ctime_ns);
    assert_int_equal(fixture_listed(f, "tree")->kind, KIND_directory);
    assert_int_not_equal(fixture_listed(f, "tree")->there_inode, 0);
    fixture_destroy(f);
}

/* Goal: an excluded entry is on neither side: not compared, not counted, not named; and a directory
 * that only the destination has stays if something excluded is in it.
 * Method: rules of each form, objects on both sides and on one. */
static void test_filters(void **state)
{
    struct fixture *f = fixture_mem();

    (void)state;
    fixture_rule(f, "+ keep.tmp");
    fixture_rule(f, "- *.tmp");
    fixture_rule(f, "- /cache/");
    fixture_plant("source", "a.tmp", KIND_file, "1");
    fixture_plant("source", "sub/b.tmp", KIND_file, "1");
    fixture_plant("source", "sub/keep.tmp", KIND_file, "1");
    fixture_plant("source", "cache/inside", KIND_file, "1");
    fixture_plant("source", "sub/cache/inside", KIND_file, "1");
    fixture_plant("source", "d.tmp/inside", KIND_file, "1");
    fixture_plant("destination", "a.tmp", KIND_file, "other");
    fixture_plant("destination", "only.tmp", KIND_file, "1");
    fixture_plant("destination", "old", KIND_file, "1");
    fixture_plant("destination", "cache/theirs", KIND_file, "1");
    fixture_plant("destination", "gone/x.tmp", KIND_file, "1");
    fixture_plant("destination", "gone/y", KIND_file, "1");
    fixture_plant("destination", "gone/deep/z", KIND_file, "1");
    f->flags = SCAN_DELETE;
    fixture_scan(f);
    assert_int_equal(f->scanned.code, 0);
    fixture_expect(f, "sub", OPERATION_directory, 0);
    fixture_expect(f, "sub/keep.tmp", OPERATION_put, 0);
    fixture_expect(f, "sub/cache", OPERATION_directory, 0);
    fixture_expect(f, "sub/cache/inside", OPERATION_put, 0);
    assert_int_equal(f->count, 4);
    assert_int_equal(f->scanned.scanned, 4);
    fixture_expect_listed(f, "old", OPERATION_remove, 0);
    fixture_expect_listed(f, "gone/y", OPERATION_remove, 0);
    fixture_expect_listed(f, "gone/deep", OPERATION_remove, 0);
    fixture_expect_listed(f, "gone/deep/z", OPERATION_remove, 0);
    assert_int_equal(f->listed_count, 4);    /* "gone" itself stays */
    assert_int_equal(f->scanned.extra, 1);   /* it */
    assert_int_equal(f->scanned.present, 5); /* old, gone, y, deep, z */
    fixture_destroy(f);
}

/* Goal: what the filters leave out at the destination is not replaced by what the source has there
 * of another type. Method: rules that hold for directories only, both ways. */
static void test_filters_by_type(void **state)
{
    struct fixture *f = fixture_mem();

    (void)state;
    fixture_rule(f, "- a/");
    fixture_rule(f, "+ b/");
    fixture_rule(f, "- b");
    fixture_rule(f, "- c/");
    fixture_plant("source", "a", KIND_file, "1");
    fixture_plant("destination", "a/theirs", KIND_file, "1");
    fixture_plant("source", "b/x", KIND_file, "1");
    fixture_plant("destination", "b", KIND_file, "1");
    fixture_plant("source", "c/x", KIND_file, "1");
    fixture_plant("destination", "c", KIND_file, "1");
    f->flags = SCAN_DELETE;
    fixture_scan(f);
    fixture_expect(f, "a", OPERATION_refuse, REFUSED(Occupied));
    fixture_expect(f, "b", OPERATION_refuse, REFUSED(Occupied));
    assert_int_equal(f->count, 2);
    assert_int_equal(f->listed_count, 0); /* c is at the source, though it does not take part */
    assert_int_equal(f->scanned.extra, 1);
    fixture_destroy(f);
}

/* Goal: what movers publish while the scan goes on is not named, nor is what comes to the source.
 * Method: a hook puts objects into both trees, after the names were counted. */
static void publish_and_add(struct fixture *f)
{
    char name[16];

    (void)f;
    for (int i = 0; i < 500; i++) {
        snprintf(name, sizeof name, "%d", i);
        fixture_plant("destination", name, KIND_file, "1");
    }
    fixture_plant("source", "back again", KIND_file, "1");
}

static void test_meanwhile(void **state)
{
    struct fixture *f = fixture_mem();
    char name[16];

    (void)state;
    fixture_plant("destination", "extra", KIND_file, "1");
    fixture_plant("destination", "back again", KIND_file, "1");
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "%d", i);
        fixture_plant("source", name, KIND_file, "1");
    }
    f->flags = SCAN_DELETE;
    f->hook_at = 62; /* of 1,002 entries, 16 each: the listing is nearly over */
    f->hook = publish_and_add;
    fixture_scan(f);
    assert_true(f->progressed > f->hook_at);
    fixture_expect_listed(f, "extra", OPERATION_remove, 0);
    assert_int_equal(f->listed_count, 1);
    fixture_destroy(f);
}

/* Goal: no removal follows from a listing that failed, on either side.
 * Method: the fault driver fails each entry of the source's listings in turn, and each of the
 * destination's; nothing that the source has is ever named, and nothing in the directory that
 * failed. */
static void test_broken_listings(void **state)
{
    (void)state;
    for (int at = 1; at <= 14; at++) {
        struct fixture *f = fixture_mem();
        char address[64];

        for (int i = 0; i < 4; i++) {
            char path[16];

            snprintf(path, sizeof path, "d/%d", i);
            fixture_plant_both(path, KIND_file, "1");
        }
        fixture_plant("destination", "d/extra", KIND_file, "1");
        fixture_plant("destination", "extra/1", KIND_file, "1");
        f->flags = SCAN_DELETE;
        snprintf(address, sizeof address, "fault:list_error=%d;mem:source", at);
        reopen(&f->source, address);
        fixture_scan(f);
        for (u32 i = 0; i < f->count; i++)
            if (f->seen[i].operation == OPERATION_refuse && strcmp(f->seen[i].path, "d") == 0)
                assert_null(fixture_listed(f, "d/extra"));
        if (f->scanned.code)
            assert_null(fixture_listed(f, "extra"));
        assert_null(fixture_listed(f, "d"));
        assert_null(fixture_listed(f, "d/0"));
        assert_null(fixture_listed(f, "d/3"));
        fixture_clear(f);
        reopen(&f->source, "mem:source");
        snprintf(address, sizeof address, "fault:list_error=%d;mem:destination", at);
        reopen(&f->destination, address);
        fixture_scan(f);
        assert_int_equal(f->scanned.code, 0);
        assert_null(fixture_listed(f, "d"));
        assert_null(fixture_listed(f, "d/0"));
        if (fixture_listed(f, "extra"))
            assert_non_null(fixture_listed(f, "extra/1"));
        fixture_destroy(f);
    }
}

/* Goal: what is no directory makes way for one, also at the root of a shard, and batches say which
 * component that is. Method: a file where the source has a tree; the tree in one shard and in two.
 */
static void test_replaced_by_directory(void **state)
{
    struct fixture *f = fixture_mem();

    (void)state;
    fixture_plant("source", "a/b/c/d/file", KIND_file, "1");
    fixture_plant("source", "a/b/file", KIND_file, "1");
    fixture_plant("source", "a/side/file", KIND_file, "1");
    fixture_plant("destination", "a/b", KIND_symlink, "elsewhere");
    f->flags = SCAN_DELETE;
    fixture_scan(f);
    fixture_expect(f, "a/b", OPERATION_directory, ITEM_REPLACES);
    assert_int_equal(fixture_find(f, "a/b")->replaces, 0);
    fixture_expect(f, "a/b/c", OPERATION_directory, 0);
    assert_int_equal(fixture_find(f, "a/b/c")->replaces, 2);
    assert_int_equal(fixture_find(f, "a/b/file")->replaces, 2);
    assert_int_equal(fixture_find(f, "a/b/c/d/file")->replaces, 2);
    assert_int_equal(fixture_find(f, "a/side/file")->replaces, 0);
    assert_int_equal(f->listed_count, 0);
    fixture_clear(f);
    f->path = bytes_text("a/b/c");
    fixture_scan(f);
    fixture_expect(f, "a/b/c/d", OPERATION_directory, 0);
    assert_int_equal(fixture_find(f, "a/b/c/d")->replaces, 2);
    assert_int_equal(fixture_find(f, "a/b/c/d/file")->replaces, 2);
    fixture_destroy(f);
}

/* Goal: a directory that is not empty makes way by being removed, all of it or not at all.
 * Method: with removal: everything below is named and the put waits; with something excluded in it,
 * and without removal: refused. */
static void test_replaces_directory(void **state)
{
    struct fixture *f = fixture_mem();
    const struct rec_name *name;

    (void)state;
    fixture_plant("source", "a", KIND_file, "12345");
    fixture_plant("destination", "a/b/c", KIND_file, "1");
    fixture_plant("destination", "a/d", KIND_file, "1");
    fixture_plant("source", "empty", KIND_symlink, "to");
    fixture_plant("destination", "empty", KIND_directory, "");
    f->flags = SCAN_DELETE;
    fixture_scan(f);
    fixture_expect(f, "empty", OPERATION_put, ITEM_REPLACES | ITEM_REPLACES_DIRECTORY);
    assert_int_equal(f->count, 1);
    fixture_expect_listed(f, "a/b", OPERATION_remove, 0);
    fixture_expect_listed(f, "a/b/c", OPERATION_remove, 0);
    fixture_expect_listed(f, "a/d", OPERATION_remove, 0);
    fixture_expect_listed(f, "a", OPERATION_put, 0);
    assert_int_equal(f->listed_count, 4);
    name = fixture_listed(f, "a");
    assert_int_equal(name->kind, KIND_file);
    assert_int_equal(name->size, 5);
    assert_int_equal(name->mtime_ns, FIXTURE_MTIME_NS);
    assert_int_not_equal(name->there_inode, 0);
    assert_int_equal(f->scanned.scanned, 2);
    assert_int_equal(f->scanned.extra, 0);
    assert_int_equal(f->scanned.present, 5);
    fixture_clear(f);
    fixture_rule(f, "- d");
    fixture_scan(f);
    fixture_expect(f, "a", OPERATION_refuse, REFUSED(Occupied));
    assert_null(fixture_listed(f, "a"));
    assert_null(fixture_listed(f, "a/d"));
    fixture_clear(f);
    f->flags = 0;
    fixture_scan(f);
    fixture_expect(f, "a", OPERATION_refuse, REFUSED(Occupied));
    assert_int_equal(f->listed_count, 0);
    fixture_destroy(f);
}

/* Goal: a source without any entry that takes part is told, of the root only.
 * Method: empty, all excluded, with an entry, and a shard that is empty. */
static void test_source_empty(void **state)
{
    struct fixture *f = fixture_mem();

    (void)state;
    fixture_plant("destination", "a", KIND_file, "1");
    fixture_plant("destination", "b/c", KIND_file, "1");
    f->flags = SCAN_DELETE;
    fixture_scan(f);
    assert_int_equal(f->scanned.source_empty, 1);
    assert_int_equal(f->listed_count, 3);
    assert_int_equal(f->scanned.present, 3);
    fixture_clear(f);
    fixture_plant("source", "x.tmp", KIND_file, "1");
    fixture_rule(f, "- *.tmp");
    fixture_scan(f);
    assert_int_equal(f->scanned.source_empty, 1);
    fixture_clear(f);
    fixture_plant("source", "b", KIND_directory, "");
    fixture_scan(f);
    assert_int_equal(f->scanned.source_empty, 0);
    fixture_clear(f);
    f->path = bytes_text("b");
    fixture_scan(f);
    assert_int_equal(f->scanned.source_empty, 0);
    fixture_expect_listed(f, "b/c", OPERATION_remove, 0);
    fixture_destroy(f);
}

/* Goal: .syncline at the root is never named, nor our staging area; one deeper that is a user's own
 * is data. Method: all three. */
static void test_reserved(void **state)
{
    struct fixture *f = fixture_mem();
    struct err err;
    s64 now_ns;

    (void)state;
    fixture_plant("destination", ".syncline/theirs", KIND_file, "1");
    fixture_plant("destination", "old/.syncline", KIND_file, "1");
    f->flags = SCAN_DELETE;
    fixture_scan(f);
    fixture_expect_listed(f, "old/.syncline", OPERATION_remove, 0);
    fixture_expect_listed(f, "old", OPERATION_remove, 0);
    assert_int_equal(f->listed_count, 2);
    assert_int_equal(f->scanned.present, 2);
    assert_int_equal(f->scanned.extra, 0);
    fixture_clear(f);
    assert_int_equal(mem_unplant("destination", bytes_text(".syncline"), &err), 0);
    assert_int_equal(asset_staging_open(f->destination, 1, 1, &now_ns, &err), 0);
    fixture_scan(f);
    assert_int_equal(f->listed_count, 2);
    fixture_destroy(f);
}

/* Goal: lists keep to their bounds, by number and by size, and go out while the scan goes on.
 * Method: more names than one list takes, and few with long paths. */
static void test_lists(void **state)
{
    struct fixture *f = fixture_mem();
    struct buf path = {0};
    char name[251];

    (void)state;
    for (u32 i = 0; i < 2 * EMIT_NAMES + 10; i++) {
        snprintf(name, sizeof name, "%u", i);
        fixture_plant("destination", name, KIND_file, "1");
    }
    f->flags = SCAN_DELETE;
    fixture_scan(f);
    assert_int_equal(f->listed_count, 2 * EMIT_NAMES + 10);
    assert_int_equal(f->lists, 3);
    fixture_clear(f);
    memset(name, 'x', 250);
    name[250] = '\0';
    for (int i = 0; i < 240; i++)
        buf_printf(&path, "%s%s", i ? "/" : "", name);
    buf_printf(&path, "/file");
    fixture_plant("destination", buf_text(&path), KIND_file, "1");
    fixture_scan(f);
    assert_int_equal(f->listed_count, 2 * EMIT_NAMES + 10 + 241);
    assert_true(f->largest_frame <= EMIT_FRAME_BYTES);
    buf_release(&path);
    fixture_destroy(f);
}

/* Goal: a name does not wait for the end of a long scan. Method: one removal in a small directory,
 * then very many equal entries; a hook looks whether it was sent before the scan ended. */
static void expect_listed(struct fixture *f)
{
    assert_int_equal(f->listed_count, 1);
}

static void test_name_is_sent_early(void **state)
{
    struct fixture *f = fixture_mem();
    char path[16];

    (void)state;
    fixture_plant("source", "a", KIND_directory, "");
    fixture_plant("destination", "a/extra", KIND_file, "1");
    for (u32 i = 0; i < EMIT_LINGER_ENTRIES + 1000; i++) {
        snprintf(path, sizeof path, "b/%u", i);
        fixture_plant_both(path, KIND_file, "1");
    }
    f->flags = SCAN_DELETE;
    f->hook_at = 2 * (EMIT_LINGER_ENTRIES + 1000) / EMIT_TICK_ENTRIES - 4;
    f->hook = expect_listed;
    fixture_scan(f);
    assert_true(f->progressed >= f->hook_at);
    fixture_expect_listed(f, "a/extra", OPERATION_remove, 0);
    fixture_destroy(f);
}

/* Goal: an inventory names every object of the destination, directories too, and compares
 * nothing. Method: trees that differ; a filter; a listing that breaks off. */
static void test_inventory(void **state)
{
    struct fixture *f = fixture_mem();
    struct err err;

    (void)state;
    fixture_plant("source", "only here", KIND_file, "1");
    fixture_plant("destination", "a", KIND_file, "12");
    fixture_plant("destination", "d/e/link", KIND_symlink, "to");
    fixture_plant("destination", "d/x.tmp", KIND_file, "1");
    fixture_plant("destination", "empty", KIND_directory, "");
    fixture_rule(f, "- *.tmp");
    f->flags = SCAN_INVENTORY;
    fixture_scan(f);
    assert_int_equal(f->scanned.code, 0);
    assert_int_equal(f->count, 0);
    assert_int_equal(f->listed_count, 5);
    fixture_expect_listed(f, "d", 0, 0);
    fixture_expect_listed(f, "d/e", 0, 0);
    fixture_expect_listed(f, "empty", 0, 0);
    assert_int_equal(fixture_listed(f, "empty")->kind, KIND_directory);
    fixture_expect_listed(f, "a", 0, 0);
    assert_int_equal(fixture_listed(f, "a")->size, 2);
    assert_int_equal(fixture_listed(f, "a")->mtime_ns, FIXTURE_MTIME_NS);
    assert_int_not_equal(fixture_listed(f, "a")->there_inode, 0);
    assert_int_not_equal(fixture_listed(f, "a")->there_ctime_ns, 0);
    fixture_expect_listed(f, "d/e/link", 0, 0);
    assert_int_equal(fixture_listed(f, "d/e/link")->kind, KIND_symlink);
    assert_int_equal(f->scanned.scanned, 5);
    fixture_clear(f);
    assert_int_equal(mem_unplant("destination", bytes_text("empty"), &err), 0);
    /* a, d, and the first entry of d */
    reopen(&f->destination, "fault:seed=9,list_error=3;mem:destination");
    fixture_scan(f);
    assert_int_equal(f->scanned.code, 0);
    fixture_expect(f, "d", OPERATION_refuse, REFUSED(IoError));
    fixture_expect_listed(f, "a", 0, 0);
    fixture_destroy(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_named),
        cmocka_unit_test(test_filters),
        cmocka_unit_test(test_filters_by_type),
        cmocka_unit_test(test_meanwhile),
        cmocka_unit_test(test_broken_listings),
        cmocka_unit_test(test_replaced_by_directory),
        cmocka_unit_test(test_replaces_directory),
        cmocka_unit_test(test_source_empty),
        cmocka_unit_test(test_reserved),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_name_is_sent_early),
        cmocka_unit_test(test_inventory),
    };

    return cmocka_run_group_tests_name("watcher_extra", tests, NULL, NULL);
}
