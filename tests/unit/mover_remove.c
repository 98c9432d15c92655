/* Goal: what only the destination has goes, and only if everything is as it was when that was
 * found. Method: the verbs driven without a worker; the trees change between the listing and the
 * removal. */
#include "mover_fixture.h"

#include "asset/mem.h"

#include <fcntl.h>
#include <unistd.h>

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

/* The item that a scan makes of an object that only the destination has. */
static void batch_remove(u32 dir, const char *path)
{
    struct rec_item item = {.dir = dir, .operation = OPERATION_remove};
    struct attributes there;
    struct bytes parent;

    assert_int_equal(fixture_lookup(f.destination, path, &there), 1);
    item.name = fixture_split(path, &parent);
    item.kind = there.kind;
    item.size = there.size;
    item.inode = there.inode;
    item.ctime_ns = there.ctime_ns;
    if (there.kind != KIND_directory && there.links > 1) {
        item.flags = ITEM_SEVERAL;
        item.ctime_ns = there.mtime_ns;
    }
    batch_add(&f, &item);
}

static void overwrite(const char *path, const char *content)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, content, strlen(content), 0), (ssize_t)strlen(content));
    assert_int_equal(close(fd), 0);
}

static bool is_there(const char *path)
{
    struct attributes there;

    return fixture_lookup(f.destination, path, &there) == 1;
}

/* A file and a directory in "d", which the source has, and a file in "gone", which it has not. */
static void open_trees(const char *driver)
{
    fixture_open(&f, driver, NULL, NULL);
    fixture_seed(f.source, "d", KIND_directory, NULL, 0, 0755);
    fixture_file(f.destination, "d/file", "content");
    fixture_seed(f.destination, "d/link", KIND_symlink, "target", 6, 0777);
    fixture_seed(f.destination, "d/empty", KIND_directory, NULL, 0, 0755);
    fixture_file(f.destination, "gone/file", "content");
    batch_begin(&f);
    batch_dir(&f, "d");
    batch_dir(&f, "gone");
}

/* Goal: files, links and empty directories go; the directory that lost them is closed again, but
 * not one that the source does not have. An order that comes twice finds nothing more to do. */
static void test_removed(void **state)
{
    (void)state;
    for (size_t d = 0; d < COUNT_OF(drivers); d++) {
        open_trees(drivers[d]);
        batch_remove(0, "d/file");
        batch_remove(0, "d/link");
        batch_remove(0, "d/empty");
        batch_remove(1, "gone/file");
        for (u32 round = 0; round < 2; round++) {
            step_all(&f, 1);
            assert_int_equal(f.count, 5);
            assert_row(&f.row_records[0], "d/file", OUTCOME_removed, 0);
            assert_row(&f.row_records[1], "d/link", OUTCOME_removed, 0);
            assert_row(&f.row_records[2], "d/empty", OUTCOME_removed, 0);
            assert_row(&f.row_records[3], "gone/file", OUTCOME_removed, 0);
            assert_row(&f.row_records[4], "d", OUTCOME_pending, 0);
            assert_int_equal(f.row_records[4].index, MOVER_NO_ITEM);
            assert_false(is_there("d/file") || is_there("d/link") || is_there("d/empty"));
            assert_false(is_there("gone/file"));
            assert_true(is_there("gone"));
            f.token.sequence++;
        }
        fixture_close(&f);
    }
}

/* Goal: a directory that is gone already is not made again by the order to empty it. */
static void test_parent_is_gone(void **state)
{
    (void)state;
    for (size_t d = 0; d < COUNT_OF(drivers); d++) {
        open_trees(drivers[d]);
        batch_remove(1, "gone/file");
        for (u32 round = 0; round < 2; round++) {
            step_all(&f, 1);
            assert_int_equal(f.count, 1);
            assert_row(&f.row_records[0], "gone/file", OUTCOME_removed, 0);
            f.token.sequence++;
            if (round == 1)
                break;
            if (f.root[0]) {
                assert_int_equal(rmdir(at(f.destination_path, "gone")), 0);
            } else {
                struct err err;

                assert_ok(mem_unplant(f.destination_path, bytes_text("gone"), &err), &err);
            }
        }
        assert_false(is_there("gone"));
        fixture_close(&f);
    }
}

/* Goal: what is at the source again is kept, whether it came before the stage or after it. */
static void test_source_has_it(void **state)
{
    (void)state;
    for (size_t d = 0; d < COUNT_OF(drivers); d++)
        for (u32 late = 0; late < 2; late++) {
            open_trees(drivers[d]);
            batch_remove(0, "d/file");
            batch_remove(0, "d/link");
            fixture_grant(&f);
            if (!late)
                fixture_file(f.source, "d/file", "again");
            assert_ok(step_stage(&f), &f.err);
            assert_int_equal(f.answer.message.staged.to_prove, 0);
            assert_ok(step_prove(&f), &f.err);
            if (late)
                fixture_file(f.source, "d/file", "again");
            assert_ok(step_publish(&f, 1), &f.err);
            assert_int_equal(f.answer.message.published.again, 0);
            assert_row(&f.row_records[0], "d/file", OUTCOME_kept, ERR_Changed);
            assert_true(f.row_records[0].message.size > 0);
            assert_row(&f.row_records[1], "d/link", OUTCOME_removed, 0);
            fixture_expect(f.destination, "d/file", "content");
            fixture_close(&f);
        }
}

/* Goal: another object under the name, one that was written, and a directory that is not empty are
 * kept. */
static void test_destination_is_another(void **state)
{
    (void)state;
    for (size_t d = 0; d < COUNT_OF(drivers); d++) {
        open_trees(drivers[d]);
        batch_remove(0, "d/file");
        batch_remove(0, "d/link");
        batch_remove(0, "d/empty");
        usleep(2000 * CLOCK_GRAIN_MS);
        if (f.root[0])
            assert_int_equal(chmod(at(f.destination_path, "d/file"), 0600), 0);
        else
            fixture_file(f.destination, "d/file", "content");
        fixture_seed(f.destination, "d/link", KIND_symlink, "other", 5, 0777);
        fixture_file(f.destination, "d/empty/new", "x");
        step_all(&f, 1);
        assert_int_equal(f.answer.message.published.again, 0);
        assert_row(&f.row_records[0], "d/file", OUTCOME_kept, ERR_Changed);
        assert_row(&f.row_records[1], "d/link", OUTCOME_kept, ERR_Changed);
        assert_row(&f.row_records[2], "d/empty", OUTCOME_kept, ERR_NotEmpty);
        assert_int_equal(f.count, 4); /* "d" may have been made writable, so that it is closed */
        assert_true(is_there("d/file") && is_there("d/link") && is_there("d/empty/new"));
        fixture_close(&f);
    }
}

/* Goal: nothing is removed on the word of a source that is not the one that was compared. Method:
 * another, empty directory takes its place, before the stage and after it. */
static void test_source_is_another(void **state)
{
    (void)state;
    for (u32 late = 0; late < 2; late++) {
        char moved[128];

        open_trees("dir");
        snprintf(moved, sizeof moved, "%s/moved", f.root);
        batch_remove(0, "d/file");
        fixture_grant(&f);
        if (late)
            assert_ok(step_stage(&f), &f.err);
        assert_int_equal(rename(f.source_path, moved), 0);
        assert_int_equal(mkdir(f.source_path, 0755), 0);
        if (!late)
            assert_ok(step_stage(&f), &f.err);
        assert_ok(step_prove(&f), &f.err);
        assert_ok(step_publish(&f, 1), &f.err);
        assert_row(&f.row_records[0], "d/file", OUTCOME_kept, ERR_SourceChanged);
        assert_true(is_there("d/file"));
        fixture_close(&f);
    }
}

/* Goal: a parent that cannot be read protects what is in it. Method: without rights on the
 * directory at the source, as somebody who is held to them. */
static void test_source_is_unreadable(void **state)
{
    bool root = geteuid() == 0;

    (void)state;
    if (root) /* as nobody in particular, from the beginning */
        assert_int_equal(seteuid(65534), 0);
    open_trees("dir");
    assert_int_equal(chmod(at(f.source_path, "d"), 0), 0);
    batch_remove(0, "d/file");
    batch_remove(1, "gone/file");
    step_all(&f, 1);
    assert_int_equal(f.staged_records[0].code, ERR_AccessDenied);
    assert_row(&f.row_records[0], "d/file", OUTCOME_kept, ERR_AccessDenied);
    assert_row(&f.row_records[1], "gone/file", OUTCOME_removed, 0);
    assert_true(is_there("d/file"));
    if (root)
        assert_int_equal(seteuid(0), 0);
    fixture_close(&f);
}

/* Goal: names of one object go together, though each that goes moves the ctime of the others; one
 * that somebody else wrote to is still seen. Method: two names, in two directories; other content
 * of the same size. */
static void test_names_of_one_object(void **state)
{
    (void)state;
    for (u32 touched = 0; touched < 2; touched++) {
        open_trees("dir");
        assert_int_equal(
            link(at(f.destination_path, "d/file"), at(f.destination_path, "gone/other")), 0);
        batch_remove(0, "d/file");
        batch_remove(1, "gone/file");
        batch_remove(1, "gone/other");
        usleep(2000 * CLOCK_GRAIN_MS);
        if (touched)
            overwrite(at(f.destination_path, "d/file"), "CONTENT");
        step_all(&f, 1);
        assert_row(&f.row_records[0], "d/file", touched ? OUTCOME_kept : OUTCOME_removed,
                   touched ? ERR_Changed : 0);
        assert_row(&f.row_records[1], "gone/file", OUTCOME_removed, 0);
        assert_row(&f.row_records[2], "gone/other", touched ? OUTCOME_kept : OUTCOME_removed,
                   touched ? ERR_Changed : 0);
        assert_int_equal(is_there("gone/other"), touched);
        fixture_close(&f);
    }
}

/* Goal: a revoked token removes nothing, and nothing of its answer counts. */
static void test_revoked(void **state)
{
    (void)state;
    for (size_t d = 0; d < COUNT_OF(drivers); d++) {
        open_trees(drivers[d]);
        batch_remove(0, "d/file");
        batch_remove(0, "d/empty");
        fixture_grant(&f);
        assert_ok(step_stage(&f), &f.err);
        assert_ok(step_prove(&f), &f.err);
        fixture_revoke(&f);
        assert_ok(step_publish(&f, 1), &f.err);
        assert_int_equal(f.answer.message.published.code, ERR_Revoked);
        assert_int_equal(f.count, 0);
        assert_true(is_there("d/file") && is_there("d/empty"));
        fixture_close(&f);
    }
}

/* ---- what is tried again ---- */

static struct asset_ops failing;
static int (*really_remove)(struct asset_token *token, u32 index, struct asset_directory *directory,
                            struct bytes name, const struct attributes *expected, struct err *err);

static int remove_or_fail(struct asset_token *token, u32 index, struct asset_directory *directory,
                          struct bytes name, const struct attributes *expected, struct err *err)
{
    if (bytes_equal(name, bytes_text("stuck")))
        return err_set(err, ERR_IoError, "as the test wants");
    return really_remove(token, index, directory, name, expected, err);
}

/* Goal: a directory that is not empty because what is in it is tried again is tried again with it,
 * and so is the one above; not for the last time, nor if nothing in it is. Method: three depths in
 * one batch, a file at the bottom that cannot be removed. */
static void test_goes_with_what_is_in_it(void **state)
{
    (void)state;
    for (size_t d = 0; d < COUNT_OF(drivers); d++)
        for (u32 last = 0; last < 2; last++) {
            u32 outcome = last ? OUTCOME_kept : OUTCOME_again;

            open_trees(drivers[d]);
            fixture_seed(f.destination, "gone/deep", KIND_directory, NULL, 0, 0755);
            fixture_file(f.destination, "gone/deep/stuck", "content");
            fixture_file(f.destination, "d/empty/other", "content");
            failing = *f.destination->ops;
            really_remove = failing.remove;
            failing.remove = remove_or_fail;
            f.destination->ops = &failing;
            batch_dir(&f, "gone/deep");
            batch_dir(&f, "");
            batch_remove(2, "gone/deep/stuck");
            batch_remove(1, "gone/file");
            batch_remove(1, "gone/deep");
            batch_remove(0, "d/empty");
            batch_remove(3, "gone");
            step_all(&f, last ? ITEM_ATTEMPTS : 1);
            assert_row(&f.row_records[0], "gone/deep/stuck", outcome, ERR_IoError);
            assert_row(&f.row_records[1], "gone/file", OUTCOME_removed, 0);
            assert_row(&f.row_records[2], "gone/deep", outcome, ERR_NotEmpty);
            assert_row(&f.row_records[3], "d/empty", OUTCOME_kept, ERR_NotEmpty);
            assert_row(&f.row_records[4], "gone", outcome, ERR_NotEmpty);
            assert_int_equal(f.answer.message.published.again, last ? 0 : 3);
            fixture_close(&f);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_removed),
        cmocka_unit_test(test_parent_is_gone),
        cmocka_unit_test(test_source_has_it),
        cmocka_unit_test(test_destination_is_another),
        cmocka_unit_test(test_source_is_another),
        cmocka_unit_test(test_source_is_unreadable),
        cmocka_unit_test(test_names_of_one_object),
        cmocka_unit_test(test_revoked),
        cmocka_unit_test(test_goes_with_what_is_in_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
