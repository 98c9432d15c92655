/* Goal: a scan finds exactly what differs, counts it exactly, and stays within its bounds.
 * Method: scan_shard is driven without a worker, against mem: trees; the fixture's sink checks the
 * counters of each message. Where the kernel matters: watcher_scan_dir.c. */
#include "watcher_fixture.h"

#define REFUSED(code) ((u32)ERR_##code << ITEM_CODE_SHIFT)

/* Goal: each kind of difference is one item, equal entries are none, extras are counted.
 * Method: two small trees that differ in every way. */
static void test_differences(void **state)
{
    struct fixture *f = fixture_mem();

    (void)state;
    fixture_plant_both("same", KIND_file, "abc");
    fixture_plant_both("link", KIND_symlink, "target");
    fixture_plant("source", "new", KIND_file, "new");
    fixture_plant("source", "size", KIND_file, "longer");
    fixture_plant("destination", "size", KIND_file, "long");
    fixture_plant("source", "target", KIND_symlink, "here");
    fixture_plant("destination", "target", KIND_symlink, "gone");
    fixture_plant("source", "kind", KIND_symlink, "abc");
    fixture_plant("destination", "kind", KIND_file, "abc");
    fixture_plant("source", "pipe", KIND_fifo, "");
    fixture_plant("source", "socket", KIND_socket, "");
    fixture_plant("source", "disk", KIND_block_device, "");
    fixture_plant("destination", "extra", KIND_file, "");
    fixture_plant("destination", "both/extra", KIND_directory, "");
    /* of another mode: both sides' times may be of the same tick of the clock */
    fixture_plant_private("source", "both");
    fixture_plant("source", "both/file", KIND_file, "1");
    fixture_plant("source", "made/deep/file", KIND_file, "22");
    fixture_scan(f);
    assert_int_equal(f->scanned.code, 0);
    fixture_expect(f, "new", OPERATION_put, 0);
    fixture_expect(f, "size", OPERATION_put, ITEM_REPLACES);
    fixture_expect(f, "target", OPERATION_put, ITEM_REPLACES);
    fixture_expect(f, "kind", OPERATION_put, ITEM_REPLACES);
    fixture_expect(f, "pipe", OPERATION_put, 0);
    fixture_expect(f, "socket", OPERATION_refuse, REFUSED(UnsupportedKind));
    fixture_expect(f, "disk", OPERATION_put, 0);
    fixture_expect(f, "both", OPERATION_directory, ITEM_EXISTS); /* its time differs */
    fixture_expect(f, "both/file", OPERATION_put, 0);
    fixture_expect(f, "made", OPERATION_directory, 0);
    fixture_expect(f, "made/deep", OPERATION_directory, 0);
    fixture_expect(f, "made/deep/file", OPERATION_put, 0);
    assert_int_equal(f->count, 12);
    assert_int_equal(f->scanned.scanned, 14);
    assert_int_equal(f->scanned.unchanged, 2);
    assert_int_equal(f->scanned.extra, 2);
    fixture_destroy(f);
}

/* Goal: without removal, what is no directory makes way for one, an empty directory makes way for
 * anything, and one that is not empty is refused, and nothing below it is looked at.
 * Method: directories against files, both ways. */
static void test_occupied(void **state)
{
    struct fixture *f = fixture_mem();

    (void)state;
    fixture_plant("source", "a/below", KIND_file, "1");
    fixture_plant("destination", "a", KIND_file, "1");
    fixture_plant("source", "b", KIND_file, "1");
    fixture_plant("destination", "b/below", KIND_file, "1");
    fixture_plant("source", "c", KIND_symlink, "b");
    fixture_plant("destination", "c", KIND_directory, "");
    fixture_scan(f);
    assert_int_equal(f->scanned.code, 0);
    fixture_expect(f, "a", OPERATION_directory, ITEM_REPLACES);
    fixture_expect(f, "a/below", OPERATION_put, 0);
    assert_int_equal(fixture_find(f, "a")->replaces, 0);
    assert_int_equal(fixture_find(f, "a/below")->replaces, 1);
    fixture_expect(f, "b", OPERATION_refuse, REFUSED(Occupied));
    fixture_expect(f, "c", OPERATION_put, ITEM_REPLACES | ITEM_REPLACES_DIRECTORY);
    assert_int_equal(f->count, 4);
    assert_int_equal(f->listed_count, 0);
    assert_int_equal(f->scanned.scanned, 4);
    assert_int_equal(f->scanned.extra, 0);
    assert_int_equal(f->scanned.present, 3);
    fixture_destroy(f);
}

/* Goal: a user's own .syncline at the root is refused whole, one deeper is data like any other, and
 * our staging area is not seen. Method: all three. */
static void test_reserved(void **state)
{
    struct fixture *f = fixture_mem();
    struct err err;
    s64 now_ns;

    (void)state;
    fixture_plant("source", ".syncline/mine", KIND_file, "1");
    fixture_plant("source", "deep/.syncline", KIND_file, "1");
    fixture_plant("source", ".synclinf", KIND_file, "1");
    assert_int_equal(asset_staging_open(f->destination, 1, 1, &now_ns, &err), 0);
    fixture_scan(f);
    fixture_expect(f, ".syncline", OPERATION_refuse, REFUSED(ReservedName));
    fixture_expect(f, "deep/.syncline", OPERATION_put, 0);
    fixture_expect(f, ".synclinf", OPERATION_put, 0);
    assert_int_equal(f->count, 4);
    assert_int_equal(f->scanned.extra, 0);
    fixture_destroy(f);
}

/* Goal: names are bytes. Method: names that no terminal likes, in both trees and in one. */
static void test_odd_names(void **state)
{
    static const char *const names[] = {"new\nline", "\xff\xfe", " ",        "-rf",      "*",
                                        "...",       "\"q\"\\",  "\x01\x7f", "\xc3\xa9", ".hidden"};
    struct fixture *f = fixture_mem();
    char longest[NAME_BYTES + 1];

    (void)state;
    memset(longest, 'n', NAME_BYTES);
    longest[NAME_BYTES] = '\0';
    fixture_plant("source", longest, KIND_file, "1");
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        char below[300];

        fixture_plant_both(names[i], KIND_file, "1");
        snprintf(below, sizeof below, "dir\n\xff/%s", names[i]);
        fixture_plant("source", below, KIND_file, "1");
    }
    fixture_scan(f);
    assert_int_equal(f->scanned.unchanged, COUNT_OF(names));
    fixture_expect(f, longest, OPERATION_put, 0);
    fixture_expect(f, "dir\n\xff/\xff\xfe", OPERATION_put, 0);
    fixture_expect(f, "dir\n\xff/new\nline", OPERATION_put, 0);
    assert_int_equal(f->count, COUNT_OF(names) + 2);
    fixture_destroy(f);
}

/* Goal: after a power cut, what may be torn is put again, and only that.
 * Method: equal trees; the moment lies between the planting of two files. */
static void test_put_again(void **state)
{
    struct fixture *f = fixture_mem();

    (void)state;
    fixture_plant_both("settled", KIND_file, "1");
    f->rules.put_again_since_ns = asset_now_ns(f->destination);
    fixture_plant_both("torn", KIND_file, "1");
    fixture_scan(f);
    fixture_expect(f, "torn", OPERATION_put, ITEM_REPLACES);
    assert_int_equal(f->count, 1);
    assert_int_equal(f->scanned.unchanged, 1);
    fixture_destroy(f);
}

/* Goal: a batch has at most BATCH_ITEMS items; the first ones are smaller, so that movers begin
 * early. Method: more items than several batches hold. */
static void test_batch_items(void **state)
{
    struct fixture *f = fixture_mem();
    char name[16];

    (void)state;
    for (int i = 0; i < 2000; i++) {
        snprintf(name, sizeof name, "d%d/%d", i % 7, i);
        fixture_plant("source", name, KIND_file, "1");
    }
    fixture_scan(f);
    assert_int_equal(f->count, 2007);
    assert_int_equal(f->scanned.scanned, 2007);
    assert_int_equal(f->first_batch, EMIT_FIRST_ITEMS);
    assert_int_equal(f->largest_batch, BATCH_ITEMS);
    fixture_destroy(f);
}

/* Goal: long paths do not make a frame that is too large. Method: every item has a directory of its
 * own with a path of 60 KB. */
static void test_batch_frames(void **state)
{
    struct fixture *f = fixture_mem();
    struct buf path = {0};
    char name[251];
    size_t base;

    (void)state;
    memset(name, 'x', 250);
    name[250] = '\0';
    for (int i = 0; i < 240; i++)
        buf_printf(&path, "%s%s", i ? "/" : "", name);
    base = path.size;
    for (int i = 0; i < 100; i++) {
        path.size = base;
        buf_printf(&path, "/%d/file", i);
        fixture_plant("source", buf_text(&path), KIND_file, "1");
    }
    fixture_scan(f);
    assert_int_equal(f->count, 240 + 200);
    assert_true(f->largest_frame <= EMIT_FRAME_BYTES);
    assert_true(f->largest_frame > EMIT_FRAME_BYTES / 2);
    buf_release(&path);
    fixture_destroy(f);
}

/* Goal: one difference among very many entries does not wait for the end.
 * Method: the difference is listed first; a hook looks whether it was sent before the scan ended.
 */
static void expect_sent(struct fixture *f)
{
    assert_int_equal(f->count, 1);
}

static void test_difference_is_sent_early(void **state)
{
    struct fixture *f = fixture_mem();
    char name[16];

    (void)state;
    fixture_plant("source", "changed", KIND_file, "1");
    for (u32 i = 0; i < EMIT_LINGER_ENTRIES + 1000; i++) {
        snprintf(name, sizeof name, "%u", i);
        fixture_plant_both(name, KIND_file, "1");
    }
    f->hook_at = 2 * (EMIT_LINGER_ENTRIES + 1000) / 16 - 4;
    f->hook = expect_sent;
    fixture_scan(f);
    assert_true(f->progressed >= f->hook_at);
    assert_int_equal(f->count, 1);
    fixture_destroy(f);
}

/* Goal: who says stop hears nothing more. Method: the sink refuses the second message. */
static void test_stop(void **state)
{
    struct fixture *f = fixture_mem();
    char name[16];

    (void)state;
    for (int i = 0; i < 5000; i++) {
        snprintf(name, sizeof name, "%d", i);
        fixture_plant("source", name, KIND_file, "1");
    }
    f->stop_at = 2;
    fixture_scan(f);
    assert_int_equal(f->number, 1);
    assert_false(f->ended);
    fixture_destroy(f);
}

/* Goal: what vanishes while it is compared is skipped and not counted. Method: a hook removes the
 * rest of the tree: files that are still to be listed, and subdirectories between the two passes.
 */
static void remove_most(struct fixture *f)
{
    struct err err;
    char name[16];

    (void)f;
    for (int i = 100; i < 1000; i++) {
        snprintf(name, sizeof name, "%d", i);
        mem_unplant("source", bytes_text(name), &err);
    }
    mem_unplant("source", bytes_text("d1"), &err);
}

static void test_vanishing(void **state)
{
    struct fixture *f = fixture_mem();
    char name[16];

    (void)state;
    fixture_plant("source", "d1/x", KIND_file, "1");
    fixture_plant("source", "d2/x", KIND_file, "1");
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "%d", i);
        fixture_plant("source", name, KIND_file, "1");
    }
    f->hook_at = 3; /* 16 entries each */
    f->hook = remove_most;
    fixture_scan(f);
    assert_int_equal(f->scanned.code, 0);
    assert_null(fixture_find(f, "d1"));
    fixture_expect(f, "d2/x", OPERATION_put, 0);
    assert_int_equal(f->count, 102);
    assert_int_equal(f->scanned.scanned, 102);
    fixture_destroy(f);
}

/* Goal: a directory that another one took the place of while it was being compared fails alone.
 * Method: a chain so deep that upper levels are closed; one of them is replaced by another. */
#define CHAIN 24

static void chain_path(char *path, int levels)
{
    path[0] = '\0';
    for (int i = 0; i < levels; i++)
        sprintf(path + strlen(path), "%sl%d", i ? "/" : "", i);
}

static void replace_third_level(struct fixture *f)
{
    char path[256];
    struct err err;

    (void)f;
    chain_path(path, 3);
    mem_unplant("source", bytes_text(path), &err);
    strcat(path, "/other");
    fixture_plant("source", path, KIND_file, "1");
}

static void test_replaced(void **state)
{
    struct fixture *f = fixture_mem();
    char path[256];
    u32 again = 0;

    (void)state;
    for (int levels = 1; levels <= CHAIN; levels++) {
        chain_path(path, levels);
        strcat(path, "/side");
        fixture_plant("source", path, KIND_directory, "");
    }
    fixture_plant("source", "last/x", KIND_file, "1");
    f->hook_at = 5; /* 16 steps each, four to a level: beyond the levels that stay open */
    f->hook = replace_third_level;
    fixture_scan(f);
    assert_int_equal(f->scanned.code, 0);
    assert_int_equal(f->scanned.scanned, f->count);
    fixture_expect(f, "last/x", OPERATION_put, 0); /* the rest goes on */
    chain_path(path, 3);
    for (u32 i = 0; i < f->count; i++)
        again += strcmp(f->seen[i].path, path) == 0 && f->seen[i].flags == REFUSED(Changed);
    assert_int_equal(again, 1);
    fixture_destroy(f);
}

/* Goal: what movers publish while the scan goes on is not taken for extra.
 * Method: a hook puts into the destination what the scan has found so far, and more. */
static void publish_all(struct fixture *f)
{
    char name[16];

    (void)f;
    for (int i = 0; i < 500; i++) {
        snprintf(name, sizeof name, "%d", i);
        fixture_plant("destination", name, KIND_file, "1");
    }
}

static void test_extras_meanwhile(void **state)
{
    struct fixture *f = fixture_mem();
    char name[16];

    (void)state;
    fixture_plant("destination", "extra 1", KIND_file, "1");
    fixture_plant("destination", "extra 2", KIND_file, "1");
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "%d", i);
        fixture_plant("source", name, KIND_file, "1");
    }
    for (int i = 900; i < 1000; i++) {
        snprintf(name, sizeof name, "%d", i);
        fixture_plant("destination", name, KIND_file, "1");
    }
    f->hook_at = 7 + 32; /* the names at the destination first, then 512 entries */
    f->hook = publish_all;
    fixture_scan(f);
    assert_int_equal(f->scanned.extra, 2);
    assert_int_equal(f->scanned.unchanged, 100);
    fixture_destroy(f);
}

/* Goal: a directory whose listing breaks off fails, and the rest goes on; the shard's root fails
 * the scan. Method: the fault driver fails the entry that the test wants; entries are counted from
 * the first. */
static void reopen_source(struct fixture *f, const char *address)
{
    struct err err;

    asset_close(&f->source);
    if (asset_open(address, &f->source, &err) < 0)
        fail_msg("%s", err.text);
}

static void test_broken_listing(void **state)
{
    struct fixture *f = fixture_mem();
    u32 failed = 0;

    (void)state;
    fixture_plant("source", "d/1", KIND_file, "1");
    fixture_plant("source", "d/2", KIND_file, "1");
    fixture_plant("source", "d/3", KIND_file, "1");
    fixture_plant("source", "r", KIND_file, "1");
    reopen_source(f, "fault:list_error=7;mem:source"); /* d, r, end; d; 1, 2 and not 3 */
    fixture_scan(f);
    assert_int_equal(f->scanned.code, 0);
    fixture_expect(f, "d/2", OPERATION_put, 0);
    assert_null(fixture_find(f, "d/3"));
    fixture_expect(f, "r", OPERATION_put, 0);
    for (u32 i = 0; i < f->count; i++)
        failed += strcmp(f->seen[i].path, "d") == 0 && f->seen[i].flags == REFUSED(IoError);
    assert_int_equal(failed, 1);
    assert_int_equal(f->count, 5);
    fixture_clear(f);
    reopen_source(f, "fault:list_error=2;mem:source");
    fixture_scan(f);
    assert_int_equal(f->scanned.code, ERR_IoError);
    fixture_destroy(f);
}

/* Goal: without the number of names at the destination nothing is counted as extra, and nothing
 * else is lost. Method: the destination's listing fails at its first entry. */
static void test_broken_count(void **state)
{
    struct fixture *f = fixture_mem();
    struct err err;

    (void)state;
    fixture_plant_both("same", KIND_file, "1");
    fixture_plant("source", "new", KIND_file, "1");
    fixture_plant("destination", "extra", KIND_file, "1");
    asset_close(&f->destination);
    assert_int_equal(asset_open("fault:list_error=1;mem:destination", &f->destination, &err), 0);
    fixture_scan(f);
    assert_int_equal(f->scanned.code, 0);
    assert_int_equal(f->scanned.unchanged, 1);
    assert_int_equal(f->scanned.extra, 0);
    fixture_expect(f, "new", OPERATION_put, 0);
    fixture_destroy(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_differences),  cmocka_unit_test(test_broken_listing),
        cmocka_unit_test(test_broken_count), cmocka_unit_test(test_occupied),
        cmocka_unit_test(test_reserved),     cmocka_unit_test(test_odd_names),
        cmocka_unit_test(test_put_again),    cmocka_unit_test(test_batch_items),
        cmocka_unit_test(test_batch_frames), cmocka_unit_test(test_difference_is_sent_early),
        cmocka_unit_test(test_stop),         cmocka_unit_test(test_vanishing),
        cmocka_unit_test(test_replaced),     cmocka_unit_test(test_extras_meanwhile),
    };

    return cmocka_run_group_tests_name("watcher_scan", tests, NULL, NULL);
}
