/* Goal: at the end of a job directories are as at the source and nothing of ours is left; the right
 * to write is made and taken. Method: open, grant, revoke, settle and close without a worker. */
#include "mover_fixture.h"

#include <sys/xattr.h>

#include "asset/mem.h"

static struct fixture f;
static const char *const drivers[] = {"mem", "dir"};

static int step_close(const char *const *paths, u32 count, u32 finish)
{
    struct mover_work work = fixture_work(&f);
    struct envelope task = {.message = {.kind = MSG_close}, .bodies = 1};
    int rc;

    batch_begin(&f);
    for (u32 i = 0; i < count; i++)
        batch_dir(&f, paths[i]);
    task.message.close = (struct msg_close){.job = f.token.job,
                                            .epoch = f.token.epoch,
                                            .sequence = f.token.sequence,
                                            .finish = finish,
                                            .preserve = f.preserve};
    task.body[0] = buf_bytes(&f.dirs);
    rc = mover_close(&work, &task, &f.answer, &f.err);
    assert_int_equal(f.answer.message.kind, MSG_closed);
    fixture_take_rows(&f);
    return rc;
}

static void plant_directory(const char *tree, const char *path, u32 mode, s64 mtime_ns)
{
    struct attributes attributes = {.kind = KIND_directory,
                                    .mode = mode,
                                    .uid = geteuid(),
                                    .gid = getegid(),
                                    .mtime_ns = mtime_ns};
    struct err err;

    assert_ok(mem_plant(tree, bytes_text(path), &attributes, bytes_of(NULL, 0), 0, &err), &err);
}

/* Goal: a tree of directories ends as at the source, one that is gone there is left alone. Method:
 * deepest first, as the planner sends them; a mode without rights on the parent comes last. */
static void test_directories_are_closed(void **state)
{
    static const char *const paths[] = {"a/b/c", "a/b", "a", "gone"};
    struct attributes there;

    (void)state;
    for (size_t d = 0; d < COUNT_OF(drivers); d++) {
        fixture_open(&f, drivers[d], NULL, NULL);
        fixture_seed(f.source, "a/b/c", KIND_directory, NULL, 0, 0751);
        fixture_seed(f.destination, "a/b/c", KIND_directory, NULL, 0, 0700);
        fixture_seed(f.destination, "gone", KIND_directory, NULL, 0, 0711);
        fixture_grant(&f);
        assert_ok(step_close(paths, 4, 0), &f.err);
        assert_int_equal(f.answer.message.closed.code, 0);
        assert_int_equal(f.count, 4);
        assert_row(&f.row_records[0], "a/b/c", OUTCOME_attributes, 0);
        assert_row(&f.row_records[2], "a", OUTCOME_attributes, 0);
        assert_row(&f.row_records[3], "gone", OUTCOME_vanished, ERR_Vanished);
        assert_int_equal(f.row_records[3].index, 3);
        assert_int_equal(fixture_lookup(f.destination, "a/b/c", &there), 1);
        assert_int_equal(there.mode, 0751);
        assert_int_equal(there.mtime_ns, FIXTURE_MTIME_NS);
        assert_int_equal(fixture_lookup(f.destination, "gone", &there), 1);
        assert_int_equal(there.mode, 0711);
        fixture_close(&f);
    }
}

/* Goal: a batch that was lost when the upper directories had their modes already is done again.
 * Method: as somebody who is held to rights; modes that let everybody in but the owner; twice. */
static void test_done_again(void **state)
{
    static const char *const paths[] = {"a/b/c", "a/b", "a"};
    struct stat there;
    char path[128];

    (void)state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(seteuid(65534), 0);
    fixture_open(&f, "dir", NULL, NULL);
    fixture_seed(f.source, "a/b/c", KIND_directory, NULL, 0, 0755);
    fixture_seed(f.destination, "a/b/c", KIND_directory, NULL, 0, 0700);
    assert_int_equal(seteuid(0), 0);
    for (u32 i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", f.source_path, paths[i]);
        assert_int_equal(chown(path, 0, 0), 0);
        assert_int_equal(chmod(path, 0055), 0);
    }
    assert_int_equal(seteuid(65534), 0);
    for (u32 round = 0; round < 2; round++) {
        fixture_grant(&f);
        assert_ok(step_close(paths, 3, 0), &f.err);
        assert_int_equal(f.count, 3);
        for (u32 i = 0; i < 3; i++)
            assert_row(&f.row_records[i], paths[i], OUTCOME_attributes, 0);
    }
    assert_int_equal(seteuid(0), 0);
    for (u32 i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", f.destination_path, paths[i]);
        assert_int_equal(stat(path, &there), 0);
        assert_int_equal(there.st_mode & 07777, 0055);
    }
    fixture_close(&f);
}

static void expect_extra(const char *path, const char *name, const char *value)
{
    char got[16];
    ssize_t size = getxattr(path, name, got, sizeof got);

    assert_int_equal(size, value ? (ssize_t)strlen(value) : -1);
    if (value)
        assert_memory_equal(got, value, strlen(value));
}

/* Goal: directories and the root end with the extended attributes of the source, and with its times
 * for all that; without PRESERVE_xattrs those of the destination stay. Method: other ones on both
 * sides. */
static void test_extras(void **state)
{
    static const char *const paths[] = {"a"};
    char from[128], to[128];
    struct attributes there;

    (void)state;
    for (u32 keep = 0; keep < 2; keep++) {
        fixture_open(&f, "dir", NULL, NULL);
        fixture_seed(f.source, "a", KIND_directory, NULL, 0, 0755);
        fixture_seed(f.destination, "a", KIND_directory, NULL, 0, 0700);
        snprintf(from, sizeof from, "%s/a", f.source_path);
        snprintf(to, sizeof to, "%s/a", f.destination_path);
        if (setxattr(from, "user.new", "1", 1, 0) < 0) {
            fixture_close(&f);
            skip();
        }
        assert_int_equal(setxattr(to, "user.old", "2", 1, 0), 0);
        assert_int_equal(setxattr(f.source_path, "user.root", "3", 1, 0), 0);
        assert_int_equal(setxattr(f.destination_path, "user.old", "2", 1, 0), 0);
        if (!keep)
            f.preserve &= ~(u32)PRESERVE_xattrs;
        fixture_grant(&f);
        assert_ok(step_close(paths, 1, 0), &f.err);
        assert_row(&f.row_records[0], "a", OUTCOME_attributes, 0);
        assert_int_equal(f.row_records[0].not_kept, 0);
        expect_extra(to, "user.new", keep ? "1" : NULL);
        expect_extra(to, "user.old", keep ? NULL : "2");
        assert_int_equal(fixture_lookup(f.destination, "a", &there), 1);
        assert_int_equal(there.mtime_ns, FIXTURE_MTIME_NS);
        assert_ok(step_close(NULL, 0, 1), &f.err);
        assert_int_equal(f.answer.message.closed.code, 0);
        expect_extra(f.destination_path, "user.root", keep ? "3" : NULL);
        expect_extra(f.destination_path, "user.old", keep ? NULL : "2");
        fixture_close(&f);
    }
}

/* Goal: one directory that cannot be set fails alone. Method: a file is in its place at the
 * destination. */
static void test_one_fails_alone(void **state)
{
    static const char *const paths[] = {"a", "b"};
    struct attributes there;

    (void)state;
    fixture_open(&f, "mem", NULL, NULL);
    plant_directory(f.source_path, "a", 0750, 1000);
    plant_directory(f.source_path, "b", 0750, 1000);
    fixture_file(f.destination, "a", "a file");
    plant_directory(f.destination_path, "b", 0700, 2000);
    fixture_grant(&f);
    assert_ok(step_close(paths, 2, 0), &f.err);
    assert_int_equal(f.answer.message.closed.code, 0);
    assert_int_equal(f.row_records[0].outcome, OUTCOME_failed);
    assert_true(f.row_records[0].message.size > 0);
    assert_row(&f.row_records[1], "b", OUTCOME_attributes, 0);
    assert_int_equal(fixture_lookup(f.destination, "b", &there), 1);
    assert_int_equal(there.mtime_ns, 1000);
    fixture_close(&f);
}

/* Goal: without the right to write nothing is set and nothing counts. Method: a token not granted,
 * and one revoked after the first directory. */
static void revoke_now(struct fixture *fixture)
{
    fixture->on_progress = NULL;
    fixture_revoke(fixture);
}

static void test_revoked(void **state)
{
    static const char *const paths[] = {"a", "b"};
    struct attributes there;

    (void)state;
    for (size_t d = 0; d < COUNT_OF(drivers); d++)
        for (int later = 0; later < 2; later++) {
            fixture_open(&f, drivers[d], NULL, NULL);
            fixture_seed(f.source, "a", KIND_directory, NULL, 0, 0755);
            fixture_seed(f.source, "b", KIND_directory, NULL, 0, 0755);
            fixture_seed(f.destination, "a", KIND_directory, NULL, 0, 0700);
            fixture_seed(f.destination, "b", KIND_directory, NULL, 0, 0700);
            if (later) {
                fixture_grant(&f);
                f.on_progress = revoke_now;
            }
            assert_ok(step_close(paths, 2, 0), &f.err);
            assert_int_equal(f.answer.message.closed.code, ERR_Revoked);
            assert_int_equal(f.count, 0);
            assert_int_equal(fixture_lookup(f.destination, "b", &there), 1);
            assert_int_equal(there.mode, 0700);
            fixture_close(&f);
        }
}

/* Goal: a close that does not fit is refused. Method: a path out of the tree, no body. */
static void test_hostile(void **state)
{
    static const char *const paths[] = {"a", "b/../../etc"};
    struct mover_work work;
    struct envelope task = {.message = {.kind = MSG_close}};

    (void)state;
    fixture_open(&f, "mem", NULL, NULL);
    fixture_grant(&f);
    assert_int_equal(step_close(paths, 2, 0), -1);
    assert_int_equal(f.answer.message.closed.code, ERR_Protocol);
    assert_int_equal(f.count, 0);
    work = fixture_work(&f);
    assert_int_equal(mover_close(&work, &task, &f.answer, &f.err), -1);
    fixture_close(&f);
}

/* Goal: a finished job leaves nothing of ours, and the root is as at the source. Method: a real
 * directory with a token and a staged copy left in it; the finish is done twice, as after a lost
 * answer. */
static void test_finish(void **state)
{
    struct timespec times[2] = {{.tv_sec = 11, .tv_nsec = 12}, {.tv_sec = 21, .tv_nsec = 22}};
    char staging[160];
    struct stat there;

    (void)state;
    fixture_open(&f, "dir", NULL, NULL);
    fixture_file(f.source, "file", "x");
    batch_of_file(&f, "file", 0);
    fixture_grant(&f);
    assert_ok(step_stage(&f), &f.err);
    assert_int_equal(chmod(f.source_path, 0711), 0);
    assert_int_equal(utimensat(AT_FDCWD, f.source_path, times, 0), 0);
    snprintf(staging, sizeof staging, "%s/" STAGING_NAME, f.destination_path);
    assert_int_equal(access(staging, F_OK), 0);
    for (int round = 0; round < 2; round++) {
        assert_ok(step_close(NULL, 0, 1), &f.err);
        assert_int_equal(f.answer.message.closed.code, 0);
        assert_int_equal(f.answer.message.closed.opened_ns, f.destination->opened_ns);
        assert_int_equal(access(staging, F_OK), -1);
        assert_int_equal(stat(f.destination_path, &there), 0);
        assert_int_equal(there.st_mode & 07777, 0711);
        assert_int_equal(there.st_mtim.tv_sec, 21);
        assert_int_equal(there.st_mtim.tv_nsec, 22);
    }
    fixture_close(&f);
}

static int step_finish_of(u32 finish, struct asset *source, struct asset *destination)
{
    struct mover_work work = fixture_work(&f);
    struct envelope task = {.message = {.kind = MSG_close}, .bodies = 1};

    work.source = source;
    work.destination = destination;
    err_set(&work.unreachable, ERR_AssetUnreachable, "it is not there");
    batch_begin(&f);
    task.message.close = (struct msg_close){.finish = finish};
    task.body[0] = buf_bytes(&f.dirs);
    return mover_close(&work, &task, &f.answer, &f.err);
}

/* Goal: the staging area goes wherever the source is; the root's attributes are those of a source
 * that is there, and of none where nothing is known of it. Method: a finish without a source, and
 * one of the staging area alone; at last one whose destination cannot be used either. */
static void test_finish_without_source(void **state)
{
    (void)state;
    for (u32 finish = CLOSE_ALL; finish <= CLOSE_STAGING; finish++) {
        char staging[160];
        struct stat there;

        fixture_open(&f, "dir", NULL, NULL);
        fixture_grant(&f);
        snprintf(staging, sizeof staging, "%s/" STAGING_NAME, f.destination_path);
        assert_int_equal(access(staging, F_OK), 0);
        assert_int_equal(chmod(f.destination_path, 0705), 0);
        assert_ok(step_finish_of(finish, NULL, f.destination), &f.err);
        assert_int_equal(f.answer.message.closed.code,
                         finish == CLOSE_STAGING ? 0 : ERR_AssetUnreachable);
        assert_int_equal(access(staging, F_OK), -1);
        assert_int_equal(stat(f.destination_path, &there), 0);
        assert_int_equal(there.st_mode & 07777, 0705);
        assert_ok(step_finish_of(finish, NULL, NULL), &f.err);
        assert_int_equal(f.answer.message.closed.code, ERR_AssetUnreachable);
        fixture_close(&f);
    }
}

/* Goal: a job whose end is not durable has not ended. Method: the settle of the finish fails. */
static void test_finish_must_settle(void **state)
{
    (void)state;
    fixture_open(&f, "mem", NULL, "fault:settle_error=1;");
    assert_ok(step_close(NULL, 0, 1), &f.err);
    assert_int_equal(f.answer.message.closed.code, ERR_SettleFailed);
    assert_true(f.answer.message.closed.message.size > 0);
    fixture_close(&f);
}

/* Goal: the right to write goes its whole way through messages. Method: open, grant, revoke; what
 * each leaves is asked of the asset; a grant of absurd size is refused. */
static void test_rights(void **state)
{
    (void)state;
    for (size_t d = 0; d < COUNT_OF(drivers); d++) {
        struct envelope task = {0};
        struct token second = {.job = 7, .epoch = 3, .sequence = 6};
        struct asset_token *token = NULL;
        struct mover_work work;

        fixture_open(&f, drivers[d], NULL, NULL);
        work = fixture_work(&f);
        task.message = (struct message){.kind = MSG_grant};
        task.message.grant =
            (struct msg_grant){.job = 7, .epoch = 3, .sequence = 2, .first = 5, .count = 4};
        assert_ok(mover_grant(&work, &task, &f.answer, &f.err), &f.err);
        assert_int_equal(f.answer.message.granted.code, ERR_Revoked); /* not open yet */

        task.message = (struct message){.kind = MSG_open};
        task.message.open = (struct msg_open){.job = 7, .epoch = 3, .sequence = 1};
        assert_ok(mover_open(&work, &task, &f.answer, &f.err), &f.err);
        assert_int_equal(f.answer.message.kind, MSG_opened);
        assert_int_equal(f.answer.message.opened.code, 0);
        assert_true(f.answer.message.opened.now_ns != 0);

        task.message = (struct message){.kind = MSG_grant};
        task.message.grant =
            (struct msg_grant){.job = 7, .epoch = 3, .sequence = 2, .first = 5, .count = 4};
        assert_ok(mover_grant(&work, &task, &f.answer, &f.err), &f.err);
        assert_int_equal(f.answer.message.kind, MSG_granted);
        assert_int_equal(f.answer.message.granted.code, 0);
        assert_int_equal(f.answer.message.granted.first, 5);
        assert_int_equal(f.answer.message.granted.count, 4);
        assert_ok(asset_token_open(f.destination, &second, &token, &f.err), &f.err);
        asset_token_close(&token);

        task.message = (struct message){.kind = MSG_revoke};
        task.message.revoke =
            (struct msg_revoke){.job = 7, .epoch = 3, .sequence = 6, .request = 9};
        assert_ok(mover_revoke(&work, &task, &f.answer, &f.err), &f.err);
        assert_int_equal(f.answer.message.kind, MSG_revoked);
        assert_int_equal(f.answer.message.revoked.code, 0);
        assert_int_equal(f.answer.message.revoked.clean, 1);
        assert_int_equal(f.answer.message.revoked.request, 9);
        assert_int_equal(asset_token_open(f.destination, &second, &token, &f.err), -1);
        assert_int_equal(f.err.code, ERR_Revoked);

        task.message = (struct message){.kind = MSG_grant};
        task.message.grant =
            (struct msg_grant){.job = 7, .epoch = 3, .first = 1, .count = UINT32_MAX};
        assert_int_equal(mover_grant(&work, &task, &f.answer, &f.err), -1);
        assert_int_equal(f.answer.message.granted.code, ERR_Protocol);
        fixture_close(&f);
    }
}

/* Goal: a settle says whether it is durable and how old its descriptor is. Method: one that fails,
 * then one that holds. */
static void test_settle(void **state)
{
    struct envelope task = {.message = {.kind = MSG_settle}};
    struct mover_work work;

    (void)state;
    fixture_open(&f, "mem", NULL, "fault:settle_error=1;");
    work = fixture_work(&f);
    assert_ok(mover_settle(&work, &task, &f.answer, &f.err), &f.err);
    assert_int_equal(f.answer.message.settled.code, ERR_SettleFailed);
    assert_true(f.answer.message.settled.message.size > 0);
    assert_ok(mover_settle(&work, &task, &f.answer, &f.err), &f.err);
    assert_int_equal(f.answer.message.settled.code, 0);
    assert_int_equal(f.answer.message.settled.message.size, 0);
    assert_int_equal(f.answer.message.settled.opened_ns, f.destination->opened_ns);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_directories_are_closed),
        cmocka_unit_test(test_done_again),
        cmocka_unit_test(test_extras),
        cmocka_unit_test(test_one_fails_alone),
        cmocka_unit_test(test_revoked),
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_finish),
        cmocka_unit_test(test_finish_without_source),
        cmocka_unit_test(test_finish_must_settle),
        cmocka_unit_test(test_rights),
        cmocka_unit_test(test_settle),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
