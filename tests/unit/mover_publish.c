/* Goal: only what is proven is published, and each item has a row that says what became of it.
 * Method: the verb driven without a worker, with verdicts and right to write as they may be in
 * trouble. */
#include "mover_fixture.h"

#include "asset/mem.h"

static struct fixture f;
static const char *const drivers[] = {"mem", "dir"};

static void stage_and_prove(void)
{
    fixture_grant(&f);
    assert_ok(step_stage(&f), &f.err);
    assert_ok(step_prove(&f), &f.err);
}

static void expect_absent(const char *path)
{
    struct attributes there;

    assert_int_equal(fixture_lookup(f.destination, path, &there), 0);
}

/* Goal: a copy that is not what was read is never published. Method: the destination changes a byte
 * of one of two staged files behind the mover's back. */
static void test_mismatch(void **state)
{
    (void)state;
    for (size_t d = 0; d < COUNT_OF(drivers); d++) {
        fixture_open(&f, drivers[d], NULL, "fault:corrupt=1;");
        fixture_file(f.source, "bad", "some content");
        fixture_file(f.source, "good", "other content");
        batch_of_file(&f, "bad", 0);
        batch_item(&f, 0, "good", KIND_file, OPERATION_put, 0);
        stage_and_prove();
        assert_int_equal(f.proven_records[0].code, ERR_Mismatch);
        assert_int_equal(f.answer.message.proven.matched, 1);
        assert_int_equal(f.answer.message.proven.mismatched, 1);
        assert_ok(step_publish(&f, 1), &f.err);
        assert_row(&f.row_records[0], "bad", OUTCOME_again, ERR_Mismatch);
        assert_row(&f.row_records[1], "good", OUTCOME_moved, 0);
        expect_absent("bad");
        fixture_expect(f.destination, "good", "other content");
        fixture_close(&f);
    }
}

/* Goal: attempts are bounded. Method: the same mismatch at the last attempt. */
static void test_last_attempt(void **state)
{
    (void)state;
    fixture_open(&f, "mem", NULL, "fault:corrupt=1;");
    fixture_file(f.source, "bad", "some content");
    batch_of_file(&f, "bad", 0);
    stage_and_prove();
    assert_ok(step_publish(&f, ITEM_ATTEMPTS), &f.err);
    assert_row(&f.row_records[0], "bad", OUTCOME_failed, ERR_Mismatch);
    assert_int_equal(f.answer.message.published.again, 0);
    fixture_close(&f);
}

/* Goal: exactly the version that was proven is published. Method: the staged file is rewritten
 * after its proof, with the same size. */
static void test_changed_after_the_proof(void **state)
{
    char path[256], name[TOKEN_NAME_SIZE];
    int fd;

    (void)state;
    fixture_open(&f, "dir", NULL, NULL);
    fixture_file(f.source, "file", "good");
    fixture_file(f.destination, "file", "old");
    batch_of_file(&f, "file", ITEM_REPLACES);
    stage_and_prove();
    token_name(&f.token, name);
    snprintf(path, sizeof path, "%s/" STAGING_NAME "/%s/0", f.destination_path, name);
    fd = open(path, O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, "evil", 4, 0), 4);
    close(fd);
    assert_ok(step_publish(&f, 1), &f.err);
    assert_row(&f.row_records[0], "file", OUTCOME_again, ERR_StagedChanged);
    fixture_expect(f.destination, "file", "old");
    fixture_close(&f);
}

/* Goal: a verdict on another copy than was staged is no verdict. Method: inode or size of the
 * verdict do not fit the staged record. */
static void test_verdict_on_another_copy(void **state)
{
    (void)state;
    for (int part = 0; part < 2; part++) {
        fixture_open(&f, "mem", NULL, NULL);
        fixture_file(f.source, "file", "x");
        batch_of_file(&f, "file", 0);
        stage_and_prove();
        if (part == 0)
            f.proven_records[0].inode++;
        else
            f.proven_records[0].size++;
        encode_proven(&f, 1);
        assert_ok(step_publish(&f, 1), &f.err);
        assert_row(&f.row_records[0], "file", OUTCOME_again, ERR_StagedChanged);
        expect_absent("file");
        fixture_close(&f);
    }
}

static u32 publishes_left;

static void revoke_later(void *context)
{
    struct fixture *fixture = context;

    if (publishes_left-- == 0)
        fixture_revoke(fixture);
}

/* Goal: a revoked token publishes nothing more, and nothing of its answer counts. Method: revoked
 * before the publish, and right before the rename of the second of three files. */
static void test_revoked(void **state)
{
    (void)state;
    for (size_t d = 0; d < COUNT_OF(drivers); d++)
        for (u32 before = 0; before < 3; before++) {
            fixture_open(&f, drivers[d], NULL, NULL);
            fixture_file(f.source, "one", "1");
            fixture_file(f.source, "two", "2");
            fixture_file(f.source, "three", "3");
            batch_of_file(&f, "one", 0);
            batch_item(&f, 0, "two", KIND_file, OPERATION_put, 0);
            batch_item(&f, 0, "three", KIND_file, OPERATION_put, 0);
            stage_and_prove();
            publishes_left = before;
            f.destination->before_publish = revoke_later;
            f.destination->before_publish_context = &f;
            if (before == 2)
                fixture_revoke(&f);
            assert_ok(step_publish(&f, 1), &f.err);
            assert_int_equal(f.answer.message.published.code, ERR_Revoked);
            assert_int_equal(f.answer.message.published.again, 0);
            assert_int_equal(f.count, 0);
            if (before == 1)
                fixture_expect(f.destination, "one", "1");
            else
                expect_absent("one");
            expect_absent("two");
            expect_absent("three");
            fixture_close(&f);
        }
}

/* Goal: a batch with an item that was given back is not begun. Method: a verdict `Stopped` on the
 * last of two items; the first is not published either. */
static void test_given_back_on_the_way(void **state)
{
    (void)state;
    fixture_open(&f, "mem", NULL, NULL);
    fixture_file(f.source, "one", "1");
    fixture_file(f.source, "two", "2");
    batch_of_file(&f, "one", 0);
    batch_item(&f, 0, "two", KIND_file, OPERATION_put, 0);
    stage_and_prove();
    f.proven_records[1].code = ERR_Stopped;
    encode_proven(&f, 2);
    assert_ok(step_publish(&f, 1), &f.err);
    assert_int_equal(f.answer.message.published.code, ERR_Revoked);
    expect_absent("one");
    fixture_close(&f);
}

/* Goal: bodies that do not fit one another are refused before anything is published. Method: a
 * record too few or too many, a split at every wrong byte, a put without proof, a digest of no
 * known length. */
static void test_hostile(void **state)
{
    size_t split;

    (void)state;
    fixture_open(&f, "mem", NULL, NULL);
    fixture_file(f.source, "one", "1");
    fixture_file(f.source, "two", "2");
    batch_of_file(&f, "one", 0);
    batch_item(&f, 0, "two", KIND_file, OPERATION_put, 0);
    stage_and_prove();
    split = f.staged.size;
    for (f.staged.size = 0; f.staged.size < split; f.staged.size++) {
        assert_int_equal(step_publish(&f, 1), -1);
        assert_int_equal(f.answer.message.published.code, ERR_Protocol);
        assert_int_equal(f.count, 0);
    }
    encode_staged(&f, 1);
    assert_int_equal(step_publish(&f, 1), -1);
    encode_staged(&f, 2);
    encode_proven(&f, 1);
    assert_int_equal(step_publish(&f, 1), -1);
    encode_proven(&f, 3);
    assert_int_equal(step_publish(&f, 1), -1);
    encode_proven(&f, 2);
    f.staged_records[1].prove = 0;
    encode_staged(&f, 2);
    assert_int_equal(step_publish(&f, 1), -1);
    f.staged_records[1].prove = 1;
    f.staged_records[1].kind = KIND_symlink;
    encode_staged(&f, 2);
    assert_int_equal(step_publish(&f, 1), -1);
    f.staged_records[1].kind = KIND_file;
    f.staged_records[1].digest = bytes_text("short");
    encode_staged(&f, 2);
    assert_int_equal(step_publish(&f, 1), -1);
    expect_absent("one");
    expect_absent("two");
    fixture_close(&f);
}

/* Goal: what stands in the way fails its own item. Method: a directory where a file is to go, a
 * file where a directory is to be made or published into. */
static void test_occupied(void **state)
{
    (void)state;
    for (size_t d = 0; d < COUNT_OF(drivers); d++) {
        fixture_open(&f, drivers[d], NULL, NULL);
        fixture_file(f.source, "a", "a");
        fixture_seed(f.source, "b", KIND_directory, NULL, 0, 0755);
        fixture_file(f.source, "b/file", "x");
        fixture_file(f.source, "c", "c");
        fixture_file(f.destination, "a/inside", "kept");
        fixture_file(f.destination, "b", "kept too");
        batch_begin(&f);
        batch_dir(&f, "");
        batch_dir(&f, "b");
        batch_item(&f, 0, "a", KIND_file, OPERATION_put, 0);
        batch_item(&f, 0, "b", KIND_directory, OPERATION_directory, 0);
        batch_item(&f, 1, "file", KIND_file, OPERATION_put, 0);
        batch_item(&f, 0, "c", KIND_file, OPERATION_put, 0);
        step_all(&f, 1);
        assert_int_equal(f.count, 4); /* nothing was published into "b" */
        assert_row(&f.row_records[0], "a", OUTCOME_failed, ERR_Occupied);
        assert_row(&f.row_records[1], "b", OUTCOME_failed, ERR_Occupied);
        assert_row(&f.row_records[2], "b/file", OUTCOME_failed, ERR_Occupied);
        assert_row(&f.row_records[3], "c", OUTCOME_moved, 0);
        fixture_expect(f.destination, "a/inside", "kept");
        fixture_expect(f.destination, "b", "kept too");
        fixture_close(&f);
    }
}

/* Goal: a directory that is there already is closed later like one that was made. Method: published
 * twice, with something new in it the second time; its parent is named for the close both times. */
static void test_directories(void **state)
{
    (void)state;
    fixture_open(&f, "dir", NULL, NULL);
    fixture_seed(f.source, "a/b", KIND_directory, NULL, 0, 0755);
    for (int round = 0; round < 2; round++) {
        batch_begin(&f);
        batch_dir(&f, "a");
        batch_item(&f, 0, "b", KIND_directory, OPERATION_directory, round == 0 ? 0 : ITEM_EXISTS);
        step_all(&f, 1);
        assert_int_equal(f.count, 2);
        assert_row(&f.row_records[0], "a/b", round == 0 ? OUTCOME_moved : OUTCOME_pending, 0);
        assert_int_equal(f.row_records[0].kind, KIND_directory);
        assert_row(&f.row_records[1], "a", OUTCOME_pending, 0);
        assert_int_equal(f.row_records[1].index, MOVER_NO_ITEM);
    }
    fixture_close(&f);
}

/* Goal: attributes change mode and owner, never content or time; and what the source gave to new
 * content is not set on the old. Method: source and destination differ in mode; then in content and
 * time too, as if it was rewritten since it was compared. */
static void test_attributes(void **state)
{
    struct attributes source = {
        .kind = KIND_file, .mode = 0600, .uid = geteuid(), .gid = getegid(), .mtime_ns = 7000};
    struct attributes destination = {
        .kind = KIND_file, .mode = 0644, .uid = geteuid(), .gid = getegid(), .mtime_ns = 7000};
    struct attributes there;
    struct err err;

    (void)state;
    fixture_open(&f, "mem", NULL, NULL);
    assert_ok(mem_plant(f.source_path, bytes_text("file"), &source, bytes_text("new"), 0, &err),
              &err);
    assert_ok(
        mem_plant(f.destination_path, bytes_text("file"), &destination, bytes_text("old"), 0, &err),
        &err);
    batch_begin(&f);
    batch_dir(&f, "");
    batch_item(&f, 0, "file", KIND_file, OPERATION_attributes, 0);
    step_all(&f, 1);
    assert_int_equal(f.count, 1);
    assert_row(&f.row_records[0], "file", OUTCOME_attributes, 0);
    assert_int_equal(f.row_records[0].mtime_ns, 7000);
    assert_int_equal(f.row_records[0].size, 3);
    assert_int_equal(fixture_lookup(f.destination, "file", &there), 1);
    assert_int_equal(there.mode, 0600);
    assert_int_equal(there.mtime_ns, 7000);
    fixture_expect(f.destination, "file", "old");
    source.mode = 04755;
    source.mtime_ns = 8000;
    assert_ok(mem_plant(f.source_path, bytes_text("file"), &source, bytes_text("new"), 0, &err),
              &err);
    step_all(&f, ITEM_ATTEMPTS);
    assert_row(&f.row_records[0], "file", OUTCOME_changed, ERR_Changed);
    assert_int_equal(fixture_lookup(f.destination, "file", &there), 1);
    assert_int_equal(there.mode, 0600);
    fixture_close(&f);
}

/* Goal: one inode with two names is not changed through one of them. Method: a destination file
 * with a second link; the item fails, both names keep their mode. */
static void test_attributes_of_a_hard_link(void **state)
{
    char path[128], other[128];
    struct attributes there;

    (void)state;
    fixture_open(&f, "dir", NULL, NULL);
    fixture_file(f.source, "file", "x");
    fixture_seed(f.destination, "file", KIND_file, "x", 1, 0600);
    snprintf(path, sizeof path, "%s/file", f.destination_path);
    snprintf(other, sizeof other, "%s/other", f.destination_path);
    assert_int_equal(link(path, other), 0);
    batch_begin(&f);
    batch_dir(&f, "");
    batch_item(&f, 0, "file", KIND_file, OPERATION_attributes, 0);
    step_all(&f, 1);
    assert_row(&f.row_records[0], "file", OUTCOME_failed, ERR_Occupied);
    assert_int_equal(fixture_lookup(f.destination, "other", &there), 1);
    assert_int_equal(there.mode, 0600);
    fixture_close(&f);
}

/* Goal: more directories than a lane keeps open are no special case. Method: a batch that goes
 * round forty of them twice, each with two files. */
static void test_many_directories(void **state)
{
    char path[32];

    (void)state;
    fixture_open(&f, "dir", NULL, NULL);
    batch_begin(&f);
    for (u32 i = 0; i < 40; i++) {
        snprintf(path, sizeof path, "d%u/one", i);
        fixture_file(f.source, path, path);
        snprintf(path, sizeof path, "d%u/two", i);
        fixture_file(f.source, path, path);
        snprintf(path, sizeof path, "d%u", i);
        batch_dir(&f, path);
    }
    for (u32 i = 0; i < 80; i++)
        batch_item(&f, i % 40, i < 40 ? "one" : "two", KIND_file, OPERATION_put, 0);
    step_all(&f, 1);
    assert_int_equal(f.count, 120);
    for (u32 i = 0; i < 40; i++) {
        snprintf(path, sizeof path, "d%u/two", i);
        assert_row(&f.row_records[40 + i], path, OUTCOME_moved, 0);
        fixture_expect(f.destination, path, path);
    }
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mismatch),
        cmocka_unit_test(test_last_attempt),
        cmocka_unit_test(test_changed_after_the_proof),
        cmocka_unit_test(test_verdict_on_another_copy),
        cmocka_unit_test(test_revoked),
        cmocka_unit_test(test_given_back_on_the_way),
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_occupied),
        cmocka_unit_test(test_directories),
        cmocka_unit_test(test_attributes),
        cmocka_unit_test(test_attributes_of_a_hard_link),
        cmocka_unit_test(test_many_directories),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
