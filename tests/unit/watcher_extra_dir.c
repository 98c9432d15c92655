/* Goal: what a scan of real directories knows of links, devices, extended attributes and contents,
 * and of trees that only the destination has, however deep or wide.
 * Method: scan_shard is driven without a worker, against dir: trees made for it; the fixture's sink
 * checks the counters of each message, and looks at memory and descriptors as the scan goes on. */
#include "watcher_fixture.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "watcher/walk.h"

#define REFUSED(code) ((u32)ERR_##code << ITEM_CODE_SHIFT)
#define NOBODY 65534

__attribute__((format(printf, 2, 3))) static void shell(const struct fixture *f, const char *format,
                                                        ...)
{
    char command[2048];
    va_list list;
    int size = snprintf(command, sizeof command, "cd %s && ", f->base);

    va_start(list, format);
    vsnprintf(command + size, sizeof command - (size_t)size, format, list);
    va_end(list);
    assert_int_equal(system(command), 0);
}

/* Writes over a file in place, at the same size, and sets its time as it was. */
static void rewrite(const struct fixture *f, const char *tree, const char *path, const char *text)
{
    struct timespec times[2] = {{1234567890, 123456789}, {1234567890, 123456789}};
    char whole[4096];
    int fd;

    snprintf(whole, sizeof whole, "%s/%s/%s", f->base, tree, path);
    fd = open(whole, O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(futimens(fd, times), 0);
    close(fd);
}

/* Goal: each name of an object that has several is listed, with what was seen at both sides, and
 * says whether it differs; an object with one name that has several at the destination is put.
 * Method: names in two directories: all new, equal, broken up, and joined at the destination. */
static void test_links(void **state)
{
    struct fixture *f = fixture_dir();
    const struct rec_name *a, *b;

    (void)state;
    f->rules.links = true;
    fixture_directory(f, "source", "d");
    fixture_directory(f, "destination", "d");
    fixture_file(f, "source", "new", 5);
    fixture_file(f, "source", "same", 5);
    fixture_file(f, "source", "one", 7);
    fixture_file(f, "source", "two", 7);
    fixture_file(f, "source", "longer", 9);
    shell(f, "cd source && ln new d/new && ln same d/same && ln longer d/longer && "
             "ln -s to link && ln link d/link && mkfifo pipe && ln pipe d/pipe");
    fixture_file(f, "destination", "same", 5);
    shell(f, "ln destination/same destination/d/same");
    fixture_file(f, "destination", "one", 7);
    shell(f, "ln destination/one destination/two");
    fixture_file(f, "destination", "longer", 1);
    shell(f, "touch -hr source/d destination/d; chmod --reference=source/d destination/d");
    fixture_scan(f);
    assert_int_equal(f->scanned.code, 0);
    fixture_expect_listed(f, "new", OPERATION_link, NAME_DIFFERS);
    fixture_expect_listed(f, "d/new", OPERATION_link, NAME_DIFFERS);
    fixture_expect_listed(f, "same", OPERATION_link, 0);
    fixture_expect_listed(f, "d/same", OPERATION_link, 0);
    fixture_expect_listed(f, "longer", OPERATION_link, NAME_DIFFERS);
    fixture_expect_listed(f, "d/longer", OPERATION_link, NAME_DIFFERS);
    fixture_expect_listed(f, "link", OPERATION_link, NAME_DIFFERS);
    fixture_expect_listed(f, "d/link", OPERATION_link, NAME_DIFFERS);
    fixture_expect_listed(f, "pipe", OPERATION_link, NAME_DIFFERS);
    assert_int_equal(f->listed_count, 10);
    a = fixture_listed(f, "same"), b = fixture_listed(f, "d/same");
    assert_int_equal(a->inode, b->inode);
    assert_int_equal(a->device, b->device);
    assert_int_not_equal(a->there_inode, 0);
    assert_int_equal(a->there_inode, b->there_inode);
    assert_int_equal(a->there_links, 2);
    assert_int_equal(fixture_listed(f, "new")->there_inode, 0);
    assert_int_equal(fixture_listed(f, "new")->size, 5);
    assert_int_not_equal(fixture_listed(f, "longer")->there_inode, 0);
    assert_int_equal(fixture_listed(f, "d/longer")->there_inode, 0);
    fixture_expect(f, "one", OPERATION_put, ITEM_REPLACES);
    fixture_expect(f, "two", OPERATION_put, ITEM_REPLACES);
    assert_int_equal(f->count, 2);
    assert_int_equal(f->scanned.scanned, 13);
    assert_int_equal(f->scanned.unchanged, 1);
    fixture_clear(f);
    f->rules.links = false;
    fixture_scan(f);
    assert_int_equal(f->listed_count, 0);
    fixture_expect(f, "new", OPERATION_put, 0);
    fixture_destroy(f);
}

/* Goal: names of one object stay so also where directories are in their place: an empty one makes
 * way, what is below another is named; without removal, or where something below stays, a refusal.
 * Method: a directory at the destination for each name. */
static void test_link_over_directory(void **state)
{
    struct fixture *f = fixture_dir();

    (void)state;
    f->rules.links = true;
    f->flags = SCAN_DELETE;
    fixture_file(f, "source", "a", 1);
    shell(f, "ln source/a source/b; mkdir -p destination/a destination/b/c");
    fixture_scan(f);
    fixture_expect_listed(f, "a", OPERATION_link, NAME_DIFFERS | NAME_OVER_DIRECTORY);
    fixture_expect_listed(f, "b", OPERATION_link, NAME_DIFFERS | NAME_OVER_DIRECTORY | NAME_WAITS);
    fixture_expect_listed(f, "b/c", OPERATION_remove, 0);
    assert_true(fixture_listed(f, "a")->inode == fixture_listed(f, "b")->inode);
    assert_int_equal(f->listed_count, 3);
    assert_int_equal(f->count, 0);
    assert_int_equal(f->scanned.scanned, 2);
    fixture_clear(f);
    f->flags = 0;
    fixture_scan(f);
    fixture_expect_listed(f, "a", OPERATION_link, NAME_DIFFERS | NAME_OVER_DIRECTORY);
    fixture_expect(f, "b", OPERATION_refuse, REFUSED(Occupied));
    assert_int_equal(f->listed_count, 1);
    fixture_clear(f);
    f->flags = SCAN_DELETE;
    f->rules.links = false;
    fixture_scan(f);
    fixture_expect(f, "a", OPERATION_put, ITEM_REPLACES | ITEM_REPLACES_DIRECTORY);
    fixture_expect_listed(f, "b", OPERATION_put, 0);
    fixture_destroy(f);
}

/* Goal: extended attributes alone are a difference: of a file, of a directory, of the root, and of
 * a file whose inode has another name at the destination. Method: user.* on one side, with and
 * without being asked for. */
static void test_extras(void **state)
{
    struct fixture *f = fixture_dir();
    char path[128];

    (void)state;
    fixture_directory(f, "source", "d");
    fixture_file(f, "source", "file", 5);
    fixture_file(f, "source", "same", 5);
    fixture_file(f, "source", "stale", 5);
    fixture_file(f, "source", "named", 5);
    shell(f, "cp -a source/. destination/ && ln destination/named other && touch -r source "
             "destination");
    snprintf(path, sizeof path, "%s/source/file", f->base);
    if (setxattr(path, "user.a", "1", 1, 0) < 0)
        skip(); /* a filesystem without */
    snprintf(path, sizeof path, "%s/source/named", f->base);
    assert_int_equal(setxattr(path, "user.a", "1", 1, 0), 0);
    snprintf(path, sizeof path, "%s/source/d", f->base);
    assert_int_equal(setxattr(path, "user.a", "1", 1, 0), 0);
    snprintf(path, sizeof path, "%s/destination/stale", f->base);
    assert_int_equal(setxattr(path, "user.b", "1", 1, 0), 0);
    snprintf(path, sizeof path, "%s/source/same", f->base);
    assert_int_equal(setxattr(path, "user.c", "1", 1, 0), 0);
    snprintf(path, sizeof path, "%s/destination/same", f->base);
    assert_int_equal(setxattr(path, "user.c", "1", 1, 0), 0);
    fixture_scan(f);
    assert_int_equal(f->count, 0);
    assert_int_equal(f->scanned.root_differs, 0);
    fixture_clear(f);
    f->rules.extras = PRESERVE_xattrs | PRESERVE_acls;
    fixture_scan(f);
    fixture_expect(f, "file", OPERATION_attributes, 0);
    fixture_expect(f, "stale", OPERATION_attributes, 0);
    fixture_expect(f, "d", OPERATION_directory, ITEM_EXISTS);
    fixture_expect(f, "named", OPERATION_put, ITEM_REPLACES);
    assert_int_equal(f->count, 4);
    assert_int_equal(f->scanned.unchanged, 1);
    assert_int_equal(f->scanned.root_differs, 0);
    fixture_clear(f);
    snprintf(path, sizeof path, "%s/source", f->base);
    assert_int_equal(setxattr(path, "user.a", "1", 1, 0), 0);
    fixture_scan(f);
    assert_int_equal(f->scanned.root_differs, 1);
    fixture_destroy(f);
}

/* Goal: files of the same size and time with other bytes are found where that is asked for, and
 * nothing else is; what cannot be read is refused. Method: one byte differs, at the start, in the
 * middle of a large file, in one that is equal but for its mode; reads that fail. */
static void test_checksum(void **state)
{
    struct fixture *f = fixture_dir();
    char address[160];
    struct err err;

    (void)state;
    fixture_file(f, "source", "same", 5);
    fixture_file(f, "source", "first", 5);
    fixture_file(f, "source", "mode", 5);
    fixture_file(f, "source", "empty", 0);
    fixture_file(f, "source", "large", 3u << 20);
    shell(f, "cp -a source/. destination/ && chmod 0600 destination/mode");
    rewrite(f, "destination", "first", "x");
    rewrite(f, "source", "mode", "x");
    rewrite(f, "destination", "mode", "y");
    shell(f, "printf x | dd of=source/large bs=1 seek=2000000 conv=notrunc 2>/dev/null && touch -d "
             "@1234567890.123456789 source/large");
    fixture_scan(f);
    fixture_expect(f, "mode", OPERATION_attributes, 0);
    assert_int_equal(f->count, 1);
    fixture_clear(f);
    f->flags = SCAN_CHECKSUM;
    fixture_scan(f);
    fixture_expect(f, "first", OPERATION_put, ITEM_REPLACES);
    fixture_expect(f, "large", OPERATION_put, ITEM_REPLACES);
    fixture_expect(f, "mode", OPERATION_put, ITEM_REPLACES);
    assert_int_equal(f->count, 3);
    assert_int_equal(f->scanned.unchanged, 2);
    assert_true(f->progressed >= 8);
    fixture_clear(f);
    asset_close(&f->source);
    snprintf(address, sizeof address, "fault:read_error=1;dir:%s/source", f->base);
    assert_int_equal(asset_open(address, &f->source, &err), 0);
    fixture_scan(f);
    fixture_expect(f, "same", OPERATION_refuse, REFUSED(IoError));
    fixture_expect(f, "large", OPERATION_refuse, REFUSED(IoError));
    assert_int_equal(f->count, 4);
    assert_int_equal(f->scanned.unchanged, 1);
    fixture_destroy(f);
}

/* Goal: what changes while it is compared is put. Method: a hook rewrites what was read already. */
static void rewrite_start(struct fixture *f)
{
    shell(f, "printf x | dd of=source/large bs=1 conv=notrunc 2>/dev/null && touch -d "
             "@1234567890.123456789 source/large");
}

static void test_checksum_changed(void **state)
{
    struct fixture *f = fixture_dir();

    (void)state;
    fixture_file(f, "source", "large", 3u << 20);
    shell(f, "cp -a source/. destination/");
    f->flags = SCAN_CHECKSUM;
    f->hook_at = 4;
    f->hook = rewrite_start;
    fixture_scan(f);
    fixture_expect(f, "large", OPERATION_put, ITEM_REPLACES);
    fixture_destroy(f);
}

/* Goal: a file that is carried in parts is alone in its batch. Method: large ones among others. */
static void test_large_alone(void **state)
{
    struct fixture *f = fixture_dir();
    char name[16];

    (void)state;
    for (int i = 0; i < 30; i++) {
        snprintf(name, sizeof name, "%d", i);
        fixture_file(f, "source", name, i % 10 == 5 ? PART_FROM : i % 10 == 6 ? PART_FROM - 1 : 0);
    }
    fixture_scan(f);
    assert_int_equal(f->count, 30);
    for (u32 i = 0; i < f->count; i++)
        if (f->seen[i].size >= PART_FROM)
            assert_int_equal(f->seen[i].batch, 1);
    assert_true(f->largest_batch > 1);
    fixture_destroy(f);
}

/* Goal: FIFOs and devices are compared, and a socket is refused. Method: equal ones, another
 * number, another type. */
static void test_nodes(void **state)
{
    struct fixture *f = fixture_dir();

    (void)state;
    if (geteuid() != 0)
        skip();
    shell(f, "mkfifo source/pipe source/file && mknod source/disk b 7 9 && mknod source/tty c 4 9 "
             "&& touch -d @1234567890 source/* && cp -a source/. destination/ && "
             "rm destination/disk destination/file && mknod destination/disk b 7 8 && "
             "touch destination/file && touch -r source/disk destination/*");
    fixture_scan(f);
    fixture_expect(f, "disk", OPERATION_put, ITEM_REPLACES);
    fixture_expect(f, "file", OPERATION_put, ITEM_REPLACES);
    assert_int_equal(f->count, 2);
    assert_int_equal(f->scanned.unchanged, 2);
    fixture_destroy(f);
}

/* Goal: an unreadable directory at the source protects its counterpart, with all that is in it, and
 * one at the destination protects itself and those above. Method: modes without rights, as a user
 * who is not root; the rest is named. */
static void test_unreadable(void **state)
{
    struct fixture *f = fixture_dir();
    bool root = geteuid() == 0;

    (void)state;
    shell(f, "mkdir -p source/closed source/listed source/open destination/closed/a "
             "destination/listed/a destination/open/a destination/gone/secret/a "
             "destination/gone/rest && touch destination/gone/rest/file && chmod 0311 "
             "source/closed && chmod 0644 source/listed && chmod 0000 destination/gone/secret");
    f->flags = SCAN_DELETE;
    if (root)
        assert_int_equal(seteuid(NOBODY), 0);
    fixture_scan(f);
    if (root)
        assert_int_equal(seteuid(0), 0);
    assert_int_equal(f->scanned.code, 0);
    fixture_expect(f, "closed", OPERATION_refuse, REFUSED(AccessDenied));
    fixture_expect_listed(f, "open/a", OPERATION_remove, 0);
    fixture_expect_listed(f, "gone/rest/file", OPERATION_remove, 0);
    fixture_expect_listed(f, "gone/rest", OPERATION_remove, 0);
    /* "listed" has no name, but whether one is absent cannot be asked: nothing of it */
    assert_int_equal(f->listed_count, 3);
    assert_int_equal(f->scanned.extra, 3); /* gone, gone/secret, listed/a */
    fixture_destroy(f);
}

/* Goal: a mount point protects itself and the directories above it, and is not counted.
 * Method: a filesystem mounted in a tree that only the destination has, and one beside it. */
static void test_mounts(void **state)
{
    struct fixture *f;
    char inner[128], outer[128];

    (void)state;
    if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0 ||
        mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        skip();
    f = fixture_dir();
    shell(f, "mkdir -p destination/gone/mount destination/mount destination/gone/rest source/a "
             "destination/a/mount");
    snprintf(inner, sizeof inner, "%s/destination/gone/mount", f->base);
    snprintf(outer, sizeof outer, "%s/destination/mount", f->base);
    assert_int_equal(mount("tmpfs", inner, "tmpfs", 0, "size=1m"), 0);
    assert_int_equal(mount("tmpfs", outer, "tmpfs", 0, "size=1m"), 0);
    shell(f, "touch destination/gone/mount/x destination/mount/y");
    f->flags = SCAN_DELETE;
    fixture_scan(f);
    fixture_expect_listed(f, "gone/rest", OPERATION_remove, 0);
    fixture_expect_listed(f, "a/mount", OPERATION_remove, 0);
    assert_int_equal(f->listed_count, 2);
    assert_int_equal(f->scanned.extra, 1);   /* gone */
    assert_int_equal(f->scanned.present, 4); /* a, a/mount, gone, gone/rest */
    assert_int_equal(umount(inner), 0);
    assert_int_equal(umount(outer), 0);
    fixture_destroy(f);
}

/* Goal: a directory that was removed at the source while it was compared proves nothing absent.
 * Method: a hook removes the source's directory after its listing began; its counterpart's extra
 * object was counted, and is left alone. */
static void remove_source(struct fixture *f)
{
    shell(f, "rm -r source/d");
}

static void test_source_removed(void **state)
{
    struct fixture *f = fixture_dir();

    (void)state;
    shell(f, "mkdir source/d destination/d && cd source/d && seq 200 | xargs touch && cd "
             "../../destination/d && seq 300 | xargs touch");
    f->flags = SCAN_DELETE;
    f->hook_at = (300 + 100) / 16;
    f->hook = remove_source;
    fixture_scan(f);
    assert_true(f->progressed >= f->hook_at);
    assert_int_equal(f->listed_count, 0);
    fixture_destroy(f);
}

/* A chain of directories with names of a hundred bytes and a file in each; descriptor by
 * descriptor, as no path is as long. */
static void make_chain(const struct fixture *f, int levels)
{
    char name[101], root[96];
    int at;

    memset(name, 'd', 100);
    name[100] = '\0';
    snprintf(root, sizeof root, "%s/destination", f->base);
    at = open(root, O_RDONLY | O_DIRECTORY);
    for (int level = 0; level < levels; level++) {
        int next, file = openat(at, "file", O_WRONLY | O_CREAT, 0644);

        assert_true(file >= 0);
        close(file);
        assert_int_equal(mkdirat(at, name, 0755), 0);
        next = openat(at, name, O_RDONLY | O_DIRECTORY);
        assert_true(next >= 0);
        close(at);
        at = next;
    }
    close(at);
}

/* Goal: a tree of two thousand levels that only the destination has is named whole, with a few
 * descriptors, also where a file takes its place; and an inventory of it is too.
 * Method: a chain with a file on each level. */
static void test_deep(void **state)
{
    struct fixture *f = fixture_dir();
    u32 before = fixture_descriptors();
    char name[101];

    (void)state;
    f->count_only = true;
    f->flags = SCAN_DELETE;
    make_chain(f, 2000);
    fixture_scan(f);
    assert_int_equal(f->scanned.code, 0);
    assert_int_equal(f->listed_count, 4000);
    assert_int_equal(f->listed_items, 0);
    assert_int_equal(f->scanned.present, 4000);
    assert_int_equal(f->scanned.extra, 0);
    assert_true(f->descriptors_max <= before + WALK_OPEN_LEVELS + 6);
    fixture_clear(f);
    memset(name, 'd', 100);
    name[100] = '\0';
    fixture_file(f, "source", name, 1);
    fixture_scan(f);
    assert_int_equal(f->listed_count, 4000);
    assert_int_equal(f->listed_items, 1); /* the put that waits */
    assert_int_equal(f->scanned.scanned, 1);
    fixture_clear(f);
    f->flags = SCAN_INVENTORY;
    fixture_scan(f);
    assert_int_equal(f->scanned.code, 0);
    assert_int_equal(f->listed_count, 4000);
    assert_int_equal(f->scanned.scanned, 4000);
    fixture_destroy(f);
}

/* Goal: 100,000 names that only the destination has cost no more memory than a thousand, both in a
 * directory that the source has and in one that it has not.
 * Method: the heap is measured as the scan goes on. (Under a sanitizer it says nothing, and the
 * test is one of the counts only.) */
static size_t heap_of(struct fixture *f, u32 names)
{
    size_t before;

    fixture_clear(f);
    shell(f,
          "mkdir -p source/both destination/both destination/only && cd destination/both && seq "
          "%u | xargs touch && cd ../only && seq %u | xargs touch",
          names, names);
    before = mallinfo2().uordblks;
    fixture_scan(f);
    assert_int_equal(f->scanned.code, 0);
    assert_int_equal(f->listed_count, 2 * names + 1);
    assert_int_equal(f->scanned.extra, 0);
    assert_int_equal(f->scanned.present, 2 * names + 2);
    return f->heap_max > before ? f->heap_max - before : 0;
}

static void test_wide(void **state)
{
    struct fixture *f = fixture_dir();
    size_t few, many;

    (void)state;
    f->count_only = true;
    f->flags = SCAN_DELETE;
    few = heap_of(f, 5000); /* a list is full by then */
    many = heap_of(f, 100000);
    assert_true(many <= few + (64u << 10));
    assert_true(many < 4u << 20);
    fixture_destroy(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_links),
        cmocka_unit_test(test_link_over_directory),
        cmocka_unit_test(test_extras),
        cmocka_unit_test(test_checksum),
        cmocka_unit_test(test_checksum_changed),
        cmocka_unit_test(test_large_alone),
        cmocka_unit_test(test_nodes),
        cmocka_unit_test(test_unreadable),
        cmocka_unit_test(test_source_removed),
        cmocka_unit_test(test_deep),
        cmocka_unit_test(test_wide),
        cmocka_unit_test(test_mounts), /* the last: it leaves the mount namespace */
    };

    return cmocka_run_group_tests_name("watcher_extra_dir", tests, NULL, NULL);
}
