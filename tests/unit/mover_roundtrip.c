/* Goal: what is staged, proven and published is at the destination byte for byte, with its
 * attributes, and nothing else is. Method: whole batches through all three steps in one process, on
 * each driver. */
#include "mover_fixture.h"

static struct fixture f;
static const char *const drivers[] = {"mem", "dir"};

/* Goal: files, links and directories arrive whole. Method: one batch with each kind in two
 * directories; content, mode and mtime are read back at the destination. */
static void test_all_kinds_arrive(void **state)
{
    (void)state;
    for (size_t d = 0; d < COUNT_OF(drivers); d++) {
        struct attributes there;

        fixture_open(&f, drivers[d], NULL, NULL);
        fixture_file(f.source, "one", "first content");
        fixture_seed(f.source, "sub", KIND_directory, NULL, 0, 0755);
        fixture_file(f.source, "sub/two", "second content");
        fixture_seed(f.source, "sub/link", KIND_symlink, "../one", 6, 0777);
        batch_begin(&f);
        batch_dir(&f, "");
        batch_dir(&f, "sub");
        batch_item(&f, 0, "one", KIND_file, OPERATION_put, 0);
        batch_item(&f, 0, "sub", KIND_directory, OPERATION_directory, 0);
        batch_item(&f, 1, "two", KIND_file, OPERATION_put, 0);
        batch_item(&f, 1, "link", KIND_symlink, OPERATION_put, 0);
        step_all(&f, 1);

        assert_int_equal(f.answer.message.published.code, 0);
        assert_int_equal(f.answer.message.published.again, 0);
        assert_int_equal(f.count, 5);
        assert_row(&f.row_records[0], "one", OUTCOME_moved, 0);
        assert_row(&f.row_records[1], "sub", OUTCOME_moved, 0);
        assert_row(&f.row_records[2], "sub/two", OUTCOME_moved, 0);
        assert_row(&f.row_records[3], "sub/link", OUTCOME_moved, 0);
        assert_row(&f.row_records[4], "sub", OUTCOME_pending, 0); /* "sub" was published into */
        assert_int_equal(f.row_records[4].index, MOVER_NO_ITEM);
        assert_int_equal(f.row_records[4].kind, KIND_directory);
        fixture_expect(f.destination, "one", "first content");
        fixture_expect(f.destination, "sub/two", "second content");
        fixture_expect(f.destination, "sub/link", "../one");
        assert_int_equal(fixture_lookup(f.destination, "one", &there), 1);
        assert_int_equal(there.mode, 0640);
        assert_int_equal(there.mtime_ns, FIXTURE_MTIME_NS);
        fixture_close(&f);
    }
}

/* Goal: a row can go into the ledger as it is. Method: its size, time and digest are compared with
 * those of the source, computed here. */
static void test_rows_are_ready_for_the_ledger(void **state)
{
    struct digest digest;

    (void)state;
    for (u32 hash = HASH_XXH3_128; hash <= HASH_SHA256; hash++) {
        fixture_open(&f, "mem", NULL, NULL);
        f.hash = hash;
        fixture_file(f.source, "file", "some bytes");
        batch_of_file(&f, "file", 0);
        step_all(&f, 1);
        hash_bytes(hash, bytes_text("some bytes"), &digest);
        assert_int_equal(f.count, 1);
        assert_int_equal(f.row_records[0].size, 10);
        assert_int_equal(f.row_records[0].mtime_ns, FIXTURE_MTIME_NS);
        assert_int_equal(f.row_records[0].operation, OPERATION_put);
        assert_int_equal(f.row_records[0].kind, KIND_file);
        assert_true(bytes_equal(f.row_records[0].digest, bytes_of(digest.bytes, digest.size)));
        fixture_close(&f);
    }
}

/* Goal: sizes around the copy buffer are no special case. Method: files of these sizes with a
 * pattern that repeats nowhere near a buffer's length; content compared. */
static void test_sizes_around_the_buffer(void **state)
{
    static const size_t sizes[] = {0,
                                   1,
                                   COPY_BUFFER - 1,
                                   COPY_BUFFER,
                                   COPY_BUFFER + 1,
                                   2 * COPY_BUFFER,
                                   3 * COPY_BUFFER + 12345};
    struct buf content = {0}, got = {0};
    u64 seed = 42, bytes = 0;

    (void)state;
    for (size_t d = 0; d < COUNT_OF(drivers); d++) {
        char name[16];

        fixture_open(&f, drivers[d], NULL, NULL);
        batch_begin(&f);
        batch_dir(&f, "");
        buf_clear(&content);
        while (content.size < sizes[COUNT_OF(sizes) - 1]) {
            u64 value = seed = seed * 6364136223846793005ull + 1442695040888963407ull;

            buf_append(&content, &value, sizeof value);
        }
        bytes = 0;
        for (size_t i = 0; i < COUNT_OF(sizes); i++) {
            snprintf(name, sizeof name, "f%zu", i);
            fixture_seed(f.source, name, KIND_file, content.data, sizes[i], 0600);
            batch_item(&f, 0, name, KIND_file, OPERATION_put, 0);
            bytes += sizes[i];
        }
        fixture_grant(&f);
        assert_ok(step_stage(&f), &f.err);
        assert_int_equal(f.answer.message.staged.bytes, bytes);
        assert_int_equal(f.answer.message.staged.to_prove, COUNT_OF(sizes));
        assert_ok(step_prove(&f), &f.err);
        assert_int_equal(f.answer.message.proven.bytes, bytes);
        assert_int_equal(f.answer.message.proven.matched, COUNT_OF(sizes));
        assert_ok(step_publish(&f, 1), &f.err);
        for (size_t i = 0; i < COUNT_OF(sizes); i++) {
            snprintf(name, sizeof name, "f%zu", i);
            assert_int_equal(f.row_records[i].outcome, OUTCOME_moved);
            fixture_read(f.destination, name, &got);
            assert_int_equal(got.size, sizes[i]);
            assert_true(sizes[i] == 0 || memcmp(got.data, content.data, sizes[i]) == 0);
        }
        fixture_close(&f);
    }
    buf_release(&content);
    buf_release(&got);
}

/* Goal: attributes are those of the source, exactly. Method: on a real directory, with setuid, a
 * time before 1970 with nanoseconds, and (as root) a foreign owner; lstat of the result. */
static void test_attributes_are_exact(void **state)
{
    char path[128];
    struct stat there;
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = -100, .tv_nsec = 987654321}};

    (void)state;
    fixture_open(&f, "dir", NULL, NULL);
    fixture_file(f.source, "file", "x");
    snprintf(path, sizeof path, "%s/file", f.source_path);
    if (geteuid() == 0)
        assert_int_equal(chown(path, 12345, 54321), 0);
    assert_int_equal(chmod(path, 04751), 0);
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    batch_of_file(&f, "file", 0);
    step_all(&f, 1);
    assert_row(&f.row_records[0], "file", OUTCOME_moved, 0);
    snprintf(path, sizeof path, "%s/file", f.destination_path);
    assert_int_equal(lstat(path, &there), 0);
    assert_int_equal(there.st_mode & 07777, 04751);
    assert_int_equal(there.st_mtim.tv_sec, -100);
    assert_int_equal(there.st_mtim.tv_nsec, 987654321);
    if (geteuid() == 0) {
        assert_int_equal(there.st_uid, 12345);
        assert_int_equal(there.st_gid, 54321);
    }
    assert_int_equal(f.row_records[0].not_kept, 0);
    fixture_close(&f);
}

/* Goal: a batch that ended leaves nothing of its grant. Method: the token cannot be opened
 * afterwards, and a second publish with it is void. */
static void test_the_grant_ends_with_the_batch(void **state)
{
    struct asset_token *token = NULL;
    struct err err;

    (void)state;
    for (size_t d = 0; d < COUNT_OF(drivers); d++) {
        fixture_open(&f, drivers[d], NULL, NULL);
        fixture_file(f.source, "file", "x");
        batch_of_file(&f, "file", 0);
        step_all(&f, 1);
        assert_int_equal(asset_token_open(f.destination, &f.token, &token, &err), -1);
        assert_int_equal(err.code, ERR_Revoked);
        assert_ok(step_publish(&f, 1), &f.err);
        assert_int_equal(f.answer.message.published.code, ERR_Revoked);
        assert_int_equal(f.count, 0);
        fixture_close(&f);
    }
}

/* Goal: what is replaced is replaced whole, and what cannot be made durable replaces nothing.
 * Method: a destination with an older file of the name, once settled, once with a settle that
 * fails. */
static void test_replacing(void **state)
{
    static const char *const faults[] = {NULL, "fault:settle_error=1;"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(faults); i++) {
        fixture_open(&f, "mem", NULL, faults[i]);
        fixture_file(f.source, "file", "new content");
        fixture_file(f.source, "other", "beside it");
        fixture_file(f.destination, "file", "old");
        batch_of_file(&f, "file", ITEM_REPLACES);
        batch_item(&f, 0, "other", KIND_file, OPERATION_put, 0);
        step_all(&f, 1);
        assert_row(&f.row_records[1], "other", OUTCOME_moved, 0);
        if (faults[i]) {
            assert_row(&f.row_records[0], "file", OUTCOME_again, ERR_SettleFailed);
            assert_int_equal(f.answer.message.published.again, 1);
            fixture_expect(f.destination, "file", "old");
        } else {
            assert_row(&f.row_records[0], "file", OUTCOME_moved, 0);
            fixture_expect(f.destination, "file", "new content");
        }
        fixture_close(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_kinds_arrive),
        cmocka_unit_test(test_rows_are_ready_for_the_ledger),
        cmocka_unit_test(test_sizes_around_the_buffer),
        cmocka_unit_test(test_attributes_are_exact),
        cmocka_unit_test(test_the_grant_ends_with_the_batch),
        cmocka_unit_test(test_replacing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
