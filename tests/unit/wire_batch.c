/* wire_batch.c: batches as a whole: what is refused, and how some of their items are taken out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/states.h"
#include "wire/message.h"

#include <stdlib.h>

static struct rec_item an_item(u32 dir, const char *name)
{
    return (struct rec_item){.dir = dir,
                             .name = bytes_text(name),
                             .kind = KIND_file,
                             .operation = OPERATION_put,
                             .size = 10};
}

static struct rec_item a_link(const char *target)
{
    struct rec_item item = an_item(0, "link");

    item.operation = OPERATION_link;
    item.device = 1ull << 40;
    item.inode = 77;
    item.target = bytes_text(target);
    item.target_inode = 78;
    return item;
}

static void make_dirs(struct buf *out, const char *const *paths, u32 count)
{
    struct frame_writer writer;

    buf_clear(out);
    frame_begin(&writer, out);
    for (u32 i = 0; i < count; i++) {
        struct rec_dir dir = {.path = bytes_text(paths[i])};

        frame_add_dir(&writer, &dir);
    }
    frame_end(&writer);
}

static void make_items(struct buf *out, const struct rec_item *items, u32 count)
{
    struct frame_writer writer;

    buf_clear(out);
    frame_begin(&writer, out);
    for (u32 i = 0; i < count; i++)
        frame_add_item(&writer, &items[i]);
    frame_end(&writer);
}

/* Goal: one item that is not right refuses its batch, with the code that says why.
 * Method: each mistake in an otherwise good batch. */
static void refuses_bad_items(void **state)
{
    static const char *const dirs[] = {"", "a/b"};
    struct buf dir_frame = {0}, item_frame = {0};
    struct batch batch;
    struct err err;
    struct {
        struct rec_item item;
        enum err_code code;
    } cases[] = {
        {an_item(2, "x"), ERR_Protocol},         {an_item(UINT32_MAX, "x"), ERR_Protocol},
        {an_item(0, ""), ERR_InvalidPath},       {an_item(0, ".."), ERR_InvalidPath},
        {an_item(0, "a/b"), ERR_InvalidPath},    {an_item(0, "kind"), ERR_Protocol},
        {an_item(0, "operation"), ERR_Protocol}, {an_item(0, "operation"), ERR_Protocol},
        {an_item(0, "flag"), ERR_Protocol},      {an_item(0, "code of a put"), ERR_Protocol},
        {a_link("../out"), ERR_InvalidPath},     {a_link(""), ERR_InvalidPath},
        {a_link("no inode"), ERR_Protocol},      {a_link("directory"), ERR_Protocol},
        {an_item(0, "remove"), ERR_Protocol},
    };

    (void)state;
    cases[5].item.kind = 99;
    cases[6].item.operation = 0;
    cases[7].item.operation = OPERATION_remove + 1;
    cases[8].item.flags = 8;
    cases[9].item.flags = ERR_Occupied << ITEM_CODE_SHIFT;
    cases[12].item.target_inode = 0;
    cases[13].item.kind = KIND_directory;
    cases[14].item.operation = OPERATION_remove;
    make_dirs(&dir_frame, dirs, 2);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct rec_item items[] = {an_item(0, "good"), cases[i].item};

        make_items(&item_frame, items, 2);
        assert_int_equal(batch_decode(buf_bytes(&dir_frame), buf_bytes(&item_frame), &batch, &err),
                         -1);
        assert_int_equal(err.code, cases[i].code);
        assert_null(batch.items);
        assert_null(batch.dirs);
    }
    buf_release(&dir_frame);
    buf_release(&item_frame);
}

/* Goal: no path that could lead out of a root gets in.
 * Method: each as a directory of a batch and in a frame of paths. */
static void refuses_bad_paths(void **state)
{
    static const char *const bad[] = {"/", "/etc", "..", "a/../..", "a//b", "a/"};
    struct rec_item item = an_item(0, "x");
    struct buf dir_frame = {0}, item_frame = {0};
    struct rec_dir *paths;
    struct batch batch;
    struct err err;
    u32 count;

    (void)state;
    make_items(&item_frame, &item, 1);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        make_dirs(&dir_frame, &bad[i], 1);
        assert_int_equal(batch_decode(buf_bytes(&dir_frame), buf_bytes(&item_frame), &batch, &err),
                         -1);
        assert_int_equal(err.code, ERR_InvalidPath);
        assert_int_equal(paths_decode(buf_bytes(&dir_frame), &paths, &count, &err), -1);
        assert_null(paths);
    }
    buf_release(&dir_frame);
    buf_release(&item_frame);
}

/* Goal: what may be replaced on the way is a component of the path. Method: none, the first and the
 * last of two, and one more; of the root, which has none, the first. */
static void checks_replaces(void **state)
{
    static const struct {
        const char *path;
        u32 replaces;
        bool good;
    } cases[] = {{"a/b", 0, true}, {"a/b", 1, true}, {"a/b", 2, true},        {"a/b", 3, false},
                 {"", 0, true},    {"", 1, false},   {"a", UINT32_MAX, false}};
    struct buf frame = {0};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct rec_dir dir = {.path = bytes_text(cases[i].path), .replaces = cases[i].replaces};
        struct frame_writer writer;
        struct rec_dir *paths;
        struct err err;
        u32 count;

        buf_clear(&frame);
        frame_begin(&writer, &frame);
        frame_add_dir(&writer, &dir);
        frame_end(&writer);
        assert_int_equal(paths_decode(buf_bytes(&frame), &paths, &count, &err),
                         cases[i].good ? 0 : -1);
        if (cases[i].good)
            assert_int_equal(paths[0].replaces, cases[i].replaces);
        free(paths);
    }
    buf_release(&frame);
}

/* Goal: an item keeps all that it says when its batch is taken apart. Method: an item of each
 * operation with everything set, in a directory that replaces, selected alone. */
static void keeps_fields(void **state)
{
    struct rec_dir dirs[] = {{.path = bytes_text("unused")},
                             {.path = bytes_text("a/b"), .replaces = 2}};
    struct buf dir_frame = {0}, item_frame = {0};
    struct frame_writer writer;
    struct err err;

    (void)state;
    frame_begin(&writer, &dir_frame);
    frame_add_dir(&writer, &dirs[0]);
    frame_add_dir(&writer, &dirs[1]);
    frame_end(&writer);
    for (u32 operation = OPERATION_put; operation <= OPERATION_remove; operation++) {
        struct rec_item item = a_link("a/leader");
        struct buf kept_dirs = {0}, kept_items = {0};
        struct batch whole, part;
        bool keep = true;
        u64 bytes;

        item.dir = 1;
        item.operation = operation;
        item.ctime_ns = -5;
        item.flags = ITEM_REPLACES | ITEM_EXISTS | ITEM_REPLACES_DIRECTORY;
        if (operation == OPERATION_refuse)
            item.flags |= ERR_Occupied << ITEM_CODE_SHIFT;
        make_items(&item_frame, &item, 1);
        assert_int_equal(batch_decode(buf_bytes(&dir_frame), buf_bytes(&item_frame), &whole, &err),
                         0);
        assert_int_equal(batch_select(&whole, &keep, &kept_dirs, &kept_items, &bytes), 1);
        assert_int_equal(batch_decode(buf_bytes(&kept_dirs), buf_bytes(&kept_items), &part, &err),
                         0);
        assert_int_equal(part.dir_count, 1);
        assert_int_equal(part.dirs[0].replaces, 2);
        assert_int_equal(part.items[0].flags, item.flags);
        assert_int_equal(part.items[0].device, item.device);
        assert_int_equal(part.items[0].inode, 77);
        assert_int_equal(part.items[0].ctime_ns, -5);
        assert_int_equal(part.items[0].target_inode, 78);
        assert_true(bytes_equal(part.items[0].target, bytes_text("a/leader")));
        batch_release(&whole);
        batch_release(&part);
        buf_release(&kept_dirs);
        buf_release(&kept_items);
    }
    buf_release(&dir_frame);
    buf_release(&item_frame);
}

/* Goal: a batch has at most BATCH_ITEMS items, and a lie about their number costs nothing.
 * Method: exactly as many, one more, and a count without items. */
static void bounds_items(void **state)
{
    static const u8 lie[] = {0xdd, 0x0f, 0xff, 0xff, 0xff};
    static const char *const root[] = {""};
    struct rec_item *items = malloc((BATCH_ITEMS + 1) * sizeof *items);
    struct buf dir_frame = {0}, item_frame = {0};
    struct batch batch;
    struct err err;

    (void)state;
    for (u32 i = 0; i <= BATCH_ITEMS; i++)
        items[i] = an_item(0, "x");
    make_dirs(&dir_frame, root, 1);
    make_items(&item_frame, items, BATCH_ITEMS);
    assert_int_equal(batch_decode(buf_bytes(&dir_frame), buf_bytes(&item_frame), &batch, &err), 0);
    assert_int_equal(batch.item_count, BATCH_ITEMS);
    batch_release(&batch);
    make_items(&item_frame, items, BATCH_ITEMS + 1);
    assert_int_equal(batch_decode(buf_bytes(&dir_frame), buf_bytes(&item_frame), &batch, &err), -1);
    assert_int_equal(batch_decode(buf_bytes(&dir_frame), bytes_of(lie, sizeof lie), &batch, &err),
                     -1);
    assert_int_equal(batch_decode(bytes_of(lie, sizeof lie), buf_bytes(&item_frame), &batch, &err),
                     -1);
    assert_int_equal(err.code, ERR_Protocol);
    free(items);
    buf_release(&dir_frame);
    buf_release(&item_frame);
}

/* Goal: the items that are kept come out as they were, with only the directories that they need.
 * Method: every subset of six items in four directories. */
static void selects(void **state)
{
    static const char *const dirs[] = {"a", "b", "unused", "c/d"};
    const u32 dir_of[] = {0, 1, 0, 3, 3, 1};
    static const char *const names[] = {"0", "1", "2", "3", "4", "5"};
    struct buf dir_frame = {0}, item_frame = {0};
    struct rec_item items[6];
    struct batch whole;
    struct err err;

    (void)state;
    for (u32 i = 0; i < 6; i++) {
        items[i] = an_item(dir_of[i], names[i]);
        items[i].size = 1ull << i;
        items[i].operation = i == 5 ? OPERATION_attributes : OPERATION_put;
    }
    make_dirs(&dir_frame, dirs, 4);
    make_items(&item_frame, items, 6);
    assert_int_equal(batch_decode(buf_bytes(&dir_frame), buf_bytes(&item_frame), &whole, &err), 0);
    for (u32 subset = 0; subset < 64; subset++) {
        struct buf kept_dirs = {0}, kept_items = {0};
        struct batch part;
        bool keep[6];
        u64 bytes;
        u32 at = 0;

        for (u32 i = 0; i < 6; i++)
            keep[i] = subset >> i & 1;
        assert_int_equal(batch_select(&whole, keep, &kept_dirs, &kept_items, &bytes),
                         __builtin_popcount(subset));
        assert_int_equal(bytes, subset & 31); /* attributes move no content */
        assert_int_equal(batch_decode(buf_bytes(&kept_dirs), buf_bytes(&kept_items), &part, &err),
                         0);
        assert_int_equal(part.dir_count,
                         ((subset & 5) != 0) + ((subset & 34) != 0) + ((subset & 24) != 0));
        for (u32 i = 0; i < 6; i++) {
            if (!keep[i])
                continue;
            assert_true(bytes_equal(part.items[at].name, bytes_text(names[i])));
            assert_true(
                bytes_equal(part.dirs[part.items[at].dir].path, bytes_text(dirs[dir_of[i]])));
            assert_int_equal(part.items[at].operation, items[i].operation);
            at++;
        }
        assert_int_equal(part.item_count, at);
        batch_release(&part);
        buf_release(&kept_dirs);
        buf_release(&kept_items);
    }
    batch_release(&whole);
    buf_release(&dir_frame);
    buf_release(&item_frame);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_bad_items), cmocka_unit_test(refuses_bad_paths),
        cmocka_unit_test(checks_replaces),   cmocka_unit_test(keeps_fields),
        cmocka_unit_test(bounds_items),      cmocka_unit_test(selects),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
