/* Goal: what an object is besides its bytes arrives with it: extended attributes, holes, several
 * names, the number of a device, its kind. Method: the verbs driven without a worker, on trees with
 * such objects. */
#include "mover_fixture.h"

#include <errno.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "asset/mem.h"
#include "base/content.h"

static struct fixture f;
static const char *const drivers[] = {"mem", "dir"};

static const char *at(const char *root, const char *path)
{
    static char full[2][256];
    static u32 turn;

    turn ^= 1;
    snprintf(full[turn], sizeof full[turn], "%s/%s", root, path);
    return full[turn];
}

static const char *source_at(const char *path)
{
    return at(f.source_path, path);
}

static const char *destination_at(const char *path)
{
    return at(f.destination_path, path);
}

static u64 inode_at(const char *path)
{
    struct stat there;

    assert_int_equal(lstat(path, &there), 0);
    return there.st_ino;
}

/* ---- extras ---- */

static void add_extra(struct frame_writer *writer, const char *name, const void *value, size_t size)
{
    struct rec_attribute attribute = {.name = bytes_text(name), .value = bytes_of(value, size)};

    frame_add_attribute(writer, &attribute);
    frame_end(writer);
}

static void take_extras(struct asset *asset, const char *path, struct buf *out)
{
    struct bytes parent, name = fixture_split(path, &parent);
    struct asset_directory *directory = NULL;
    struct err err;
    u32 not_kept;

    buf_clear(out);
    assert_ok(asset_directory_open(asset, parent, &directory, &err), &err);
    assert_ok(asset_extras(directory, name, PRESERVE_xattrs | PRESERVE_acls, out, &not_kept, &err),
              &err);
    asset_directory_close(&directory);
}

/* A file with these at the source; false where the filesystem has none. */
static bool plant_extras(struct buf *wanted)
{
    struct frame_writer writer;
    struct err err;

    frame_begin(&writer, wanted);
    add_extra(&writer, "user.a", "1", 1);
    add_extra(&writer, "user.a/b", "\0\xff", 2);
    if (!f.root[0]) {
        assert_ok(mem_plant_extras(f.source_path, bytes_text("file"), buf_bytes(wanted), &err),
                  &err);
        return true;
    }
    return setxattr(source_at("file"), "user.a", "1", 1, 0) == 0 &&
           setxattr(source_at("file"), "user.a/b", "\0\xff", 2, 0) == 0;
}

/* Goal: extended attributes arrive with new content and are set on what is there; others go. They
 * stay away where they are not preserved. Method: a file put and one whose attributes are set. */
static void test_extras(void **state)
{
    (void)state;
    for (size_t d = 0; d < COUNT_OF(drivers); d++)
        for (u32 round = 0; round < 3; round++) {
            struct buf wanted = {0}, got = {0};

            fixture_open(&f, drivers[d], NULL, NULL);
            fixture_file(f.source, "file", "content");
            f.preserve = round == 2 ? PRESERVE_ALL & ~(u32)PRESERVE_xattrs : PRESERVE_ALL;
            if (!plant_extras(&wanted)) {
                buf_release(&wanted);
                fixture_close(&f);
                skip();
            }
            if (round == 1)
                fixture_file(f.destination, "file", "content");
            if (round == 1 && f.root[0])
                assert_int_equal(setxattr(destination_at("file"), "user.old", "x", 1, 0), 0);
            batch_begin(&f);
            batch_dir(&f, "");
            batch_item(&f, 0, "file", KIND_file, round == 1 ? OPERATION_attributes : OPERATION_put,
                       0);
            step_all(&f, 1);
            assert_row(&f.row_records[0], "file", round == 1 ? OUTCOME_attributes : OUTCOME_moved,
                       0);
            assert_int_equal(f.row_records[0].not_kept, 0);
            take_extras(f.destination, "file", &got);
            if (round == 2)
                buf_clear(&wanted);
            assert_true(bytes_equal(buf_bytes(&got), buf_bytes(&wanted)));
            buf_release(&wanted);
            buf_release(&got);
            fixture_close(&f);
        }
}

/* Goal: the answer of a stage is one frame, whatever its items have. Method: more extras than a
 * batch may have; those beyond are staged again, the others are published. */
static void test_extras_are_bounded(void **state)
{
    const u32 count = 14, size = 250000;
    u8 *value = memory_or_die(size);
    struct frame_writer writer;
    struct buf extras = {0};
    struct err err;
    u32 fit = 0;

    (void)state;
    fixture_open(&f, "mem", NULL, NULL);
    frame_begin(&writer, &extras);
    add_extra(&writer, "user.large", value, size);
    batch_begin(&f);
    batch_dir(&f, "");
    for (u32 i = 0; i < count; i++) {
        char *name = memory_or_die(8);

        snprintf(name, 8, "f%u", i);
        fixture_file(f.source, name, name);
        assert_ok(mem_plant_extras(f.source_path, bytes_text(name), buf_bytes(&extras), &err),
                  &err);
        batch_item(&f, 0, name, KIND_file, i == 3 ? OPERATION_attributes : OPERATION_put, 0);
        if (i == 3)
            fixture_file(f.destination, name, name);
        free(name);
    }
    step_all(&f, 1);
    assert_true(f.staged_answer.size < FRAME_MAX);
    for (u32 i = 0; i < count; i++) {
        if (f.row_records[i].outcome == OUTCOME_again)
            assert_int_equal(f.row_records[i].code, ERR_OutOfMemory);
        else
            fit++;
        assert_true((f.staged_records[i].code == 0) == (f.row_records[i].code == 0));
    }
    assert_int_equal(fit, EXTRAS_BATCH_BYTES / extras.size);
    assert_int_equal(f.answer.message.published.again, count - fit);
    buf_release(&extras);
    free(value);
    fixture_close(&f);
}

/* Goal: what a message says of extras is looked at before anything is published. Method: a frame
 * that is none, and one with a name that cannot be. */
static void test_hostile_extras(void **state)
{
    struct frame_writer writer;
    struct buf bad = {0};

    (void)state;
    fixture_open(&f, "mem", NULL, NULL);
    fixture_file(f.source, "file", "content");
    batch_of_file(&f, "file", 0);
    fixture_grant(&f);
    assert_ok(step_stage(&f), &f.err);
    assert_ok(step_prove(&f), &f.err);
    f.staged_records[0].extras = bytes_text("no frame");
    encode_staged(&f, 1);
    assert_int_equal(step_publish(&f, 1), -1);
    frame_begin(&writer, &bad);
    add_extra(&writer, "", "x", 1);
    f.staged_records[0].extras = buf_bytes(&bad);
    encode_staged(&f, 1);
    assert_int_equal(step_publish(&f, 1), -1);
    assert_int_equal(f.answer.message.published.code, ERR_Protocol);
    buf_release(&bad);
    fixture_close(&f);
}

/* ---- content ---- */

static void write_at(const char *path, const char *text, off_t offset, off_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT, 0644);

    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, size), 0);
    assert_int_equal(pwrite(fd, text, strlen(text), offset), strlen(text));
    close(fd);
}

/* Goal: holes stay holes, and are hashed as the zeros that they read as. Method: files with a hole
 * in front, behind and all over, with holes preserved and not: the same digest in each way. */
static void test_holes(void **state)
{
    static const struct {
        const char *text;
        off_t offset;
    } cases[] = {{"data", 2 << 20}, {"data", 0}, {"", 0}, {"end", (3 << 20) - 3}};
    const off_t size = 3 << 20;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct digest digests[2];

        for (u32 sparse = 0; sparse < 2; sparse++) {
            struct stat there;

            fixture_open(&f, "dir", NULL, NULL);
            if (!sparse)
                f.preserve &= ~(u32)PRESERVE_sparse;
            write_at(source_at("file"), cases[i].text, cases[i].offset, size);
            batch_of_file(&f, "file", 0);
            step_all(&f, 1);
            assert_row(&f.row_records[0], "file", OUTCOME_moved, 0);
            assert_int_equal(f.row_records[0].size, size);
            assert_int_equal(stat(destination_at("file"), &there), 0);
            assert_int_equal(there.st_size, size);
            if (sparse)
                assert_true(there.st_blocks * 512 < size / 2);
            digests[sparse].size = (u32)f.row_records[0].digest.size;
            memcpy(digests[sparse].bytes, f.row_records[0].digest.data, digests[sparse].size);
            fixture_close(&f);
        }
        assert_true(digest_equal(&digests[0], &digests[1]));
    }
}

/* Goal: a large file that goes whole has the digest that it would have in parts. Method: one with
 * little in it, against the hash of the same content. */
static void test_large_content(void **state)
{
    struct content *content = content_new(HASH_XXH3_128);
    const u64 size = PART_FROM + 5;
    struct digest wanted;

    (void)state;
    fixture_open(&f, "dir", NULL, NULL);
    write_at(source_at("file"), "data", PART_BYTES - 2, (off_t)size);
    batch_of_file(&f, "file", 0);
    step_all(&f, 1);
    assert_row(&f.row_records[0], "file", OUTCOME_moved, 0);
    content_begin(content, size);
    content_zeros(content, PART_BYTES - 2);
    content_update(content, "data", 4);
    content_zeros(content, size - PART_BYTES - 2);
    content_finish(content, &wanted);
    assert_true(bytes_equal(f.row_records[0].digest, bytes_of(wanted.bytes, wanted.size)));
    content_destroy(&content);
    fixture_close(&f);
}

/* ---- kinds ---- */

/* Goal: a FIFO and devices are made as they are at the source, and are never opened. Method: each
 * in memory; on a disk where the privilege is there. */
static void test_nodes(void **state)
{
    struct attributes attributes = {.kind = KIND_fifo, .mode = 0640, .mtime_ns = FIXTURE_MTIME_NS};
    const u32 kinds[] = {KIND_fifo, KIND_character_device, KIND_block_device};
    static const char *const names[] = {"fifo", "null", "disk"};
    struct attributes there;
    struct err err;

    (void)state;
    for (size_t d = 0; d < COUNT_OF(drivers); d++) {
        fixture_open(&f, drivers[d], NULL, NULL);
        batch_begin(&f);
        batch_dir(&f, "");
        for (u32 i = 0; i < 3; i++) {
            attributes.kind = kinds[i];
            attributes.rdev = i == 0 ? 0 : makedev(1, 3 + i);
            if (!f.root[0]) {
                assert_ok(mem_plant(f.source_path, bytes_text(names[i]), &attributes,
                                    bytes_of(NULL, 0), 0, &err),
                          &err);
            } else if (mknod(source_at(names[i]),
                             0640 | (i == 0   ? S_IFIFO
                                     : i == 1 ? S_IFCHR
                                              : S_IFBLK),
                             attributes.rdev) < 0) {
                fixture_close(&f);
                skip();
            }
            batch_item(&f, 0, names[i], kinds[i], OPERATION_put, 0);
        }
        step_all(&f, 1);
        for (u32 i = 0; i < 3; i++) {
            assert_row(&f.row_records[i], names[i], OUTCOME_moved, 0);
            assert_int_equal(f.row_records[i].size, 0);
            assert_int_equal(fixture_lookup(f.destination, names[i], &there), 1);
            assert_int_equal(there.kind, kinds[i]);
            assert_int_equal(there.mode, 0640);
            assert_int_equal(f.row_records[i].inode, there.inode);
            if (i > 0)
                assert_int_equal(there.rdev, makedev(1, 3 + i));
        }
        fixture_close(&f);
    }
}

/* Goal: what is no node any more is put when it was looked at again. Method: a file where a FIFO
 * was found, and nothing. */
static void test_node_changed(void **state)
{
    (void)state;
    fixture_open(&f, "mem", NULL, NULL);
    fixture_file(f.source, "file", "content");
    batch_begin(&f);
    batch_dir(&f, "");
    batch_item(&f, 0, "file", KIND_fifo, OPERATION_put, 0);
    batch_item(&f, 0, "gone", KIND_fifo, OPERATION_put, 0);
    step_all(&f, 1);
    assert_row(&f.row_records[0], "file", OUTCOME_again, ERR_Changed);
    assert_row(&f.row_records[1], "gone", OUTCOME_vanished, ERR_Vanished);
    fixture_close(&f);
}

/* ---- several names ---- */

static struct rec_item item_of_group(const char *name, u32 operation, u64 leader)
{
    struct attributes there;
    struct rec_item item = {.name = bytes_text(name), .kind = KIND_file, .operation = operation};

    assert_int_equal(fixture_lookup(f.source, name, &there), 1);
    item.device = there.device;
    item.inode = there.inode;
    item.target = bytes_text("d/one");
    item.target_inode = leader;
    return item;
}

/* Three names of one object at the source; the first is put, and its inode there is returned. */
static u64 put_leader(void)
{
    struct rec_item item;

    fixture_open(&f, "dir", NULL, NULL);
    fixture_file(f.source, "d/one", "content");
    assert_int_equal(link(source_at("d/one"), source_at("two")), 0);
    assert_int_equal(link(source_at("d/one"), source_at("three")), 0);
    item = item_of_group("d/one", OPERATION_put, 0);
    item.name = bytes_text("one");
    batch_begin(&f);
    batch_dir(&f, "d");
    batch_add(&f, &item);
    step_all(&f, 1);
    assert_row(&f.row_records[0], "d/one", OUTCOME_moved, 0);
    assert_int_equal(f.row_records[0].not_kept, 0);
    assert_int_equal(f.row_records[0].inode, inode_at(destination_at("d/one")));
    f.token.sequence++;
    return f.row_records[0].inode;
}

/* Goal: names of one object stay so. Method: two names linked to one that was put, one of them over
 * a file that was there; and once more, as after a lost answer. */
static void test_links(void **state)
{
    u64 leader = put_leader();

    (void)state;
    fixture_file(f.destination, "three", "old");
    for (u32 round = 0; round < 2; round++) {
        struct rec_item two = item_of_group("two", OPERATION_link, leader);
        struct rec_item three = item_of_group("three", OPERATION_link, leader);

        batch_begin(&f);
        batch_dir(&f, "");
        batch_add(&f, &two);
        batch_add(&f, &three);
        step_all(&f, 1);
        assert_int_equal(f.answer.message.published.again, 0);
        assert_row(&f.row_records[0], "two", OUTCOME_linked, 0);
        assert_row(&f.row_records[1], "three", OUTCOME_linked, 0);
        assert_int_equal(f.row_records[0].inode, leader);
        assert_int_equal(f.row_records[0].size, 7);
        assert_int_equal(inode_at(destination_at("two")), leader);
        assert_int_equal(inode_at(destination_at("three")), leader);
        fixture_expect(f.destination, "three", "content");
        f.token.sequence++;
    }
    fixture_close(&f);
}

/* Goal: a name is linked only if both ends are what they were. Method: the name at the source is
 * another object, and gone; the name to link to is another object, and gone. */
static void test_links_that_do_not_hold(void **state)
{
    static const struct {
        enum outcome outcome;
        enum err_code code;
    } cases[] = {{OUTCOME_again, ERR_Changed},
                 {OUTCOME_vanished, ERR_Vanished},
                 {OUTCOME_again, ERR_Changed},
                 {OUTCOME_failed, ERR_NotFound}};

    (void)state;
    for (u32 i = 0; i < COUNT_OF(cases); i++) {
        u64 leader = put_leader();
        struct rec_item item = item_of_group("two", OPERATION_link, leader);
        struct attributes there;

        if (i == 0)
            fixture_file(f.source, "two", "another object");
        else if (i == 1)
            assert_int_equal(unlink(source_at("two")), 0);
        else if (i == 2)
            fixture_file(f.destination, "d/one", "another object");
        else
            assert_int_equal(unlink(destination_at("d/one")), 0);
        batch_begin(&f);
        batch_dir(&f, "");
        batch_add(&f, &item);
        step_all(&f, 1);
        assert_row(&f.row_records[0], "two", cases[i].outcome, cases[i].code);
        assert_int_equal(fixture_lookup(f.destination, "two", &there), 0);
        fixture_close(&f);
    }
}

/* Goal: the leader of a group is the object that its group was found by. Method: put under the name
 * of an object that has another inode. */
static void test_leader_is_another_object(void **state)
{
    struct rec_item item;

    (void)state;
    for (size_t d = 0; d < COUNT_OF(drivers); d++) {
        fixture_open(&f, drivers[d], NULL, NULL);
        fixture_file(f.source, "file", "content");
        item = item_of_group("file", OPERATION_put, 0);
        item.inode++;
        batch_begin(&f);
        batch_dir(&f, "");
        batch_add(&f, &item);
        step_all(&f, 1);
        assert_row(&f.row_records[0], "file", OUTCOME_again, ERR_Changed);
        fixture_close(&f);
    }
}

/* ---- one kind in the place of another ---- */

/* Goal: a file takes the place of a directory only if that is empty. Method: an empty and a full
 * one, asked for and not. */
static void test_over_a_directory(void **state)
{
    const u32 flags = ITEM_REPLACES | ITEM_REPLACES_DIRECTORY;

    (void)state;
    for (size_t d = 0; d < COUNT_OF(drivers); d++) {
        fixture_open(&f, drivers[d], NULL, NULL);
        fixture_file(f.source, "empty", "new");
        fixture_file(f.source, "full", "new");
        fixture_file(f.source, "not-asked", "new");
        fixture_seed(f.destination, "empty", KIND_directory, NULL, 0, 0755);
        fixture_seed(f.destination, "not-asked", KIND_directory, NULL, 0, 0755);
        fixture_file(f.destination, "full/inside", "kept");
        batch_of_file(&f, "empty", flags);
        batch_item(&f, 0, "full", KIND_file, OPERATION_put, flags);
        batch_item(&f, 0, "not-asked", KIND_file, OPERATION_put, 0);
        step_all(&f, 1);
        assert_row(&f.row_records[0], "empty", OUTCOME_moved, 0);
        assert_row(&f.row_records[1], "full", OUTCOME_failed, ERR_NotEmpty);
        assert_row(&f.row_records[2], "not-asked", OUTCOME_failed, ERR_Occupied);
        fixture_expect(f.destination, "empty", "new");
        fixture_expect(f.destination, "full/inside", "kept");
        fixture_close(&f);
    }
}

/* Goal: a directory takes the place of a file, by its own item or on the way to what goes into it,
 * if that was asked for. Method: both, and one on the way that may not be replaced. */
static void test_directory_over_a_file(void **state)
{
    struct rec_dir way = {.path = bytes_text("way/down"), .replaces = 1};
    struct rec_dir closed = {.path = bytes_text("closed/down"), .replaces = 2};

    (void)state;
    for (size_t d = 0; d < COUNT_OF(drivers); d++) {
        fixture_open(&f, drivers[d], NULL, NULL);
        fixture_seed(f.source, "made", KIND_directory, NULL, 0, 0755);
        fixture_file(f.source, "way/down/file", "new");
        fixture_file(f.source, "closed/down/file", "new");
        fixture_file(f.destination, "made", "old");
        fixture_file(f.destination, "way", "old");
        fixture_file(f.destination, "closed", "kept");
        batch_begin(&f);
        batch_dir(&f, "");
        frame_add_dir(&f.dir_writer, &way);
        frame_add_dir(&f.dir_writer, &closed);
        frame_end(&f.dir_writer);
        batch_item(&f, 0, "made", KIND_directory, OPERATION_directory, ITEM_REPLACES);
        batch_item(&f, 1, "file", KIND_file, OPERATION_put, 0);
        batch_item(&f, 2, "file", KIND_file, OPERATION_put, 0);
        step_all(&f, 1);
        assert_row(&f.row_records[0], "made", OUTCOME_moved, 0);
        assert_row(&f.row_records[1], "way/down/file", OUTCOME_moved, 0);
        assert_row(&f.row_records[2], "closed/down/file", OUTCOME_failed, ERR_Occupied);
        fixture_expect(f.destination, "way/down/file", "new");
        fixture_expect(f.destination, "closed", "kept");
        fixture_close(&f);
    }
}

/* Goal: where times are not preserved, the row says which one the destination has: it is what a
 * later look compares with. Method: nothing preserved. */
static void test_nothing_preserved(void **state)
{
    struct attributes there;

    (void)state;
    for (size_t d = 0; d < COUNT_OF(drivers); d++) {
        fixture_open(&f, drivers[d], NULL, NULL);
        f.preserve = 0;
        fixture_seed(f.source, "file", KIND_file, "content", 7, 0700);
        batch_of_file(&f, "file", 0);
        step_all(&f, 1);
        assert_row(&f.row_records[0], "file", OUTCOME_moved, 0);
        assert_int_equal(fixture_lookup(f.destination, "file", &there), 1);
        assert_int_equal(there.mode, 0755);
        assert_true(there.mtime_ns != FIXTURE_MTIME_NS);
        assert_int_equal(f.row_records[0].mtime_ns, there.mtime_ns);
        fixture_close(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_extras),
        cmocka_unit_test(test_extras_are_bounded),
        cmocka_unit_test(test_hostile_extras),
        cmocka_unit_test(test_holes),
        cmocka_unit_test(test_large_content),
        cmocka_unit_test(test_nodes),
        cmocka_unit_test(test_node_changed),
        cmocka_unit_test(test_links),
        cmocka_unit_test(test_links_that_do_not_hold),
        cmocka_unit_test(test_leader_is_another_object),
        cmocka_unit_test(test_over_a_directory),
        cmocka_unit_test(test_directory_over_a_file),
        cmocka_unit_test(test_nothing_preserved),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
