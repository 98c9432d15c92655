/* Goal: what is at the destination is compared with what was proven: rot is told from changes, and
 * both from what is gone. Method: objects are put by the verbs, then a tree is changed under them,
 * and the verb is driven without a worker. */
#include "mover_fixture.h"

#include "asset/mem.h"

static struct fixture f;
static const char *const drivers[] = {"mem", "dir"};
static struct rec_staged recorded[BATCH_ITEMS + 1];
static struct buf digests; /* what the records borrow */

static const char *at(const char *path)
{
    static char full[2][256];
    static u32 turn;

    turn ^= 1;
    snprintf(full[turn], sizeof full[turn], "%s/%s", f.destination_path, path);
    return full[turn];
}

/* A file, a link and a large file of mostly holes, put and recorded. */
static void put(const char *driver, u32 hash)
{
    fixture_open(&f, driver, NULL, NULL);
    f.hash = hash;
    fixture_file(f.source, "d/file", "some content");
    fixture_seed(f.source, "d/link", KIND_symlink, "target", 6, 0777);
    fixture_file(f.source, "large", "content");
    if (f.root[0]) {
        char path[128];

        snprintf(path, sizeof path, "%s/large", f.source_path);
        assert_int_equal(truncate(path, 3 << 20), 0);
    }
    batch_begin(&f);
    batch_dir(&f, "d");
    batch_dir(&f, "");
    batch_item(&f, 0, "file", KIND_file, OPERATION_put, 0);
    batch_item(&f, 0, "link", KIND_symlink, OPERATION_put, 0);
    batch_item(&f, 1, "large", KIND_file, OPERATION_put, 0);
    step_all(&f, 1);
    buf_clear(&digests);
    buf_reserve(&digests, 3 * HASH_BYTES_MAX);
    for (u32 i = 0; i < 3; i++) {
        const struct rec_row *row = &f.row_records[i];

        assert_int_equal(row->outcome, OUTCOME_moved);
        recorded[i] =
            (struct rec_staged){.kind = row->kind,
                                .size = row->size,
                                .mtime_ns = row->mtime_ns,
                                .digest = bytes_of(digests.data + digests.size, row->digest.size)};
        buf_append(&digests, row->digest.data, row->digest.size);
    }
}

static int step_check(u32 count)
{
    struct prove_work work = {.lane = f.prover,
                              .destination = f.destination,
                              .progress = fixture_progress,
                              .stopped = fixture_stopped,
                              .context = &f};
    struct envelope task = {.message = {.kind = MSG_check}, .bodies = 3};
    struct frame_writer writer;
    int rc;

    buf_clear(&f.staged);
    frame_begin(&writer, &f.staged);
    for (u32 i = 0; i < count; i++)
        frame_add_staged(&writer, &recorded[i]);
    frame_end(&writer);
    task.message.check = (struct msg_check){.job = 7, .epoch = 3, .sequence = 12, .hash = f.hash};
    task.body[0] = buf_bytes(&f.dirs);
    task.body[1] = buf_bytes(&f.items);
    task.body[2] = buf_bytes(&f.staged);
    rc = prove_check(&work, &task, &f.answer, &f.err);
    assert_int_equal(f.answer.message.kind, MSG_checked);
    assert_int_equal(f.answer.message.checked.sequence, 12);
    fixture_take_rows(&f);
    return rc;
}

/* The first as said, the others as they were. */
static void expect(u32 outcome, u32 code)
{
    bool intact = outcome == OUTCOME_unchanged;

    assert_ok(step_check(3), &f.err);
    assert_int_equal(f.count, 3);
    assert_row(&f.row_records[0], "d/file", outcome, code);
    assert_true(intact || f.row_records[0].message.size > 0);
    assert_row(&f.row_records[1], "d/link", OUTCOME_unchanged, 0);
    assert_row(&f.row_records[2], "large", OUTCOME_unchanged, 0);
    assert_int_equal(f.answer.message.checked.matched, intact ? 3 : 2);
    assert_int_equal(f.answer.message.checked.mismatched, intact ? 0 : 1);
}

/* Goal: what was put is intact, by each hash, and nothing is written to see it. */
static void test_intact(void **state)
{
    struct attributes before, after;

    (void)state;
    for (size_t d = 0; d < COUNT_OF(drivers); d++)
        for (u32 hash = HASH_XXH3_128; hash <= HASH_SHA256; hash++) {
            put(drivers[d], hash);
            assert_int_equal(fixture_lookup(f.destination, "d/file", &before), 1);
            expect(OUTCOME_unchanged, 0);
            assert_int_equal(f.row_records[0].inode, before.inode);
            assert_int_equal(f.row_records[0].size, 12);
            assert_int_equal(f.answer.message.checked.bytes, 12 + recorded[2].size);
            assert_int_equal(fixture_lookup(f.destination, "d/file", &after), 1);
            assert_int_equal(after.ctime_ns, before.ctime_ns);
            fixture_close(&f);
        }
}

static void rewrite(const char *path, const char *text, off_t offset)
{
    struct timespec times[2];
    struct stat was;
    int fd = open(path, O_WRONLY);

    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &was), 0);
    assert_int_equal(pwrite(fd, text, strlen(text), offset), strlen(text));
    times[0] = was.st_atim;
    times[1] = was.st_mtim;
    assert_int_equal(futimens(fd, times), 0);
    close(fd);
}

/* Goal: other bytes under the same size and time are rot, in data and in what was a hole. Method:
 * written, and the time set back. */
static void test_rot(void **state)
{
    (void)state;
    put("dir", HASH_XXH3_128);
    rewrite(at("d/file"), "S", 0);
    expect(OUTCOME_rotten, ERR_Mismatch);
    rewrite(at("d/file"), "s", 0);
    expect(OUTCOME_unchanged, 0);
    rewrite(at("large"), "x", 2 << 20);
    assert_ok(step_check(3), &f.err);
    assert_row(&f.row_records[2], "large", OUTCOME_rotten, ERR_Mismatch);
    fixture_close(&f);
}

/* Goal: what somebody else wrote, put there or made of it is drift. Method: each in a directory,
 * and content of the same size in memory. */
static void test_drift(void **state)
{
    static const char *const commands[] = {"printf x >> %s",
                                           "touch %s",
                                           "printf 'Some content' > %s",
                                           "rm %s && mkdir %s",
                                           "rm %s && ln -s target %s",
                                           "rm %s && mkfifo %s"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        char command[1024];

        put("dir", HASH_XXH3_128);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-extra-args"
        snprintf(command, sizeof command, commands[i], at("d/file"), at("d/file"));
#pragma GCC diagnostic pop
        assert_int_equal(system(command), 0);
        expect(OUTCOME_drifted, ERR_Mismatch);
        fixture_close(&f);
    }
}

/* Goal: links are compared by their target. Method: another one of the same length, with the time
 * set back, of another length, and a file instead. */
static void test_links(void **state)
{
    struct timespec times[2] = {
        {.tv_nsec = UTIME_OMIT},
        {.tv_sec = FIXTURE_MTIME_NS / NS_PER_S, .tv_nsec = FIXTURE_MTIME_NS % NS_PER_S}};

    (void)state;
    for (u32 i = 0; i < 3; i++) {
        put("dir", HASH_XXH3_128);
        assert_int_equal(unlink(at("d/link")), 0);
        if (i < 2)
            assert_int_equal(symlink(i == 0 ? "tarxet" : "longer target", at("d/link")), 0);
        else
            fixture_file(f.destination, "d/link", "target");
        assert_int_equal(utimensat(AT_FDCWD, at("d/link"), times, AT_SYMLINK_NOFOLLOW), 0);
        assert_ok(step_check(3), &f.err);
        assert_row(&f.row_records[1], "d/link", i == 0 ? OUTCOME_rotten : OUTCOME_drifted,
                   ERR_Mismatch);
        fixture_close(&f);
    }
}

/* Goal: a node is what its kind and number say. Method: a FIFO and a device in memory, one of them
 * with another number than was recorded. */
static void test_nodes(void **state)
{
    struct attributes attributes = {.kind = KIND_fifo, .mode = 0600, .mtime_ns = 1000};
    struct digest digest[2];
    struct err err;

    (void)state;
    fixture_open(&f, "mem", NULL, NULL);
    batch_begin(&f);
    batch_dir(&f, "");
    for (u32 i = 0; i < 2; i++) {
        const char *name = i == 0 ? "fifo" : "device";

        assert_ok(mem_plant(f.destination_path, bytes_text(name), &attributes, bytes_of(NULL, 0), 0,
                            &err),
                  &err);
        batch_item(&f, 0, name, attributes.kind, OPERATION_put, 0);
        content_of_node(HASH_XXH3_128, attributes.kind, 5, &digest[i]);
        recorded[i] = (struct rec_staged){.kind = attributes.kind,
                                          .mtime_ns = 1000,
                                          .digest = bytes_of(digest[i].bytes, digest[i].size)};
        attributes.kind = KIND_character_device;
        attributes.rdev = 5;
    }
    assert_ok(step_check(2), &f.err);
    assert_row(&f.row_records[0], "fifo", OUTCOME_unchanged, 0);
    assert_row(&f.row_records[1], "device", OUTCOME_unchanged, 0);
    content_of_node(HASH_XXH3_128, KIND_character_device, 6, &digest[1]);
    assert_ok(step_check(2), &f.err);
    assert_row(&f.row_records[1], "device", OUTCOME_drifted, ERR_Mismatch);
    fixture_close(&f);
}

/* Goal: what is gone is missing. Method: a file, and the directory of another. */
static void test_missing(void **state)
{
    struct err err;

    (void)state;
    for (size_t d = 0; d < COUNT_OF(drivers); d++) {
        put(drivers[d], HASH_XXH3_128);
        if (!f.root[0]) {
            assert_ok(mem_unplant(f.destination_path, bytes_text("large"), &err), &err);
            assert_ok(mem_unplant(f.destination_path, bytes_text("d"), &err), &err);
        } else {
            assert_int_equal(unlink(at("large")), 0);
            assert_int_equal(rename(at("d"), at("elsewhere")), 0);
            assert_int_equal(symlink("elsewhere", at("d")), 0);
        }
        assert_ok(step_check(3), &f.err);
        assert_row(&f.row_records[0], "d/file", OUTCOME_missing, ERR_NotFound);
        assert_row(&f.row_records[1], "d/link", OUTCOME_missing, ERR_NotFound);
        assert_row(&f.row_records[2], "large", OUTCOME_missing, ERR_NotFound);
        assert_int_equal(f.answer.message.checked.mismatched, 3);
        fixture_close(&f);
    }
}

/* Goal: an error says nothing of the object: a medium that cannot be read is told, and a verifier
 * that ends has the rest asked again. */
static void test_errors(void **state)
{
    (void)state;
    put("mem", HASH_XXH3_128);
    asset_close(&f.destination);
    {
        char address[256];
        struct err err;

        snprintf(address, sizeof address, "fault:read_error=1;mem:%s", f.destination_path);
        assert_ok(asset_open(address, &f.destination, &err), &err);
    }
    assert_ok(step_check(3), &f.err);
    assert_row(&f.row_records[0], "d/file", OUTCOME_failed, ERR_IoError);
    assert_row(&f.row_records[1], "d/link", OUTCOME_unchanged, 0);
    f.progressed = 0;
    f.stop_after = 1;
    assert_ok(step_check(3), &f.err);
    assert_row(&f.row_records[1], "d/link", OUTCOME_again, ERR_Stopped);
    assert_row(&f.row_records[2], "large", OUTCOME_again, ERR_Stopped);
    assert_int_equal(f.answer.message.checked.mismatched, 0);
    fixture_close(&f);
}

/* Goal: records that do not fit their items are refused before anything is read. Method: too few,
 * too many, of another kind, without a digest, an unknown hash. */
static void test_hostile(void **state)
{
    (void)state;
    put("mem", HASH_XXH3_128);
    assert_int_equal(step_check(2), -1);
    assert_int_equal(f.count, 0);
    recorded[3] = recorded[0];
    assert_int_equal(step_check(4), -1);
    recorded[0].kind = KIND_symlink;
    assert_int_equal(step_check(3), -1);
    recorded[0].kind = KIND_file;
    f.hash = HASH_SHA256;
    assert_int_equal(step_check(3), -1);
    f.hash = 9;
    assert_int_equal(step_check(3), -1);
    f.hash = HASH_XXH3_128;
    recorded[0].digest = bytes_of(NULL, 0);
    assert_int_equal(step_check(3), -1);
    assert_int_equal(f.err.code, ERR_Protocol);
    fixture_close(&f);
    buf_release(&digests);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_intact), cmocka_unit_test(test_rot),
        cmocka_unit_test(test_drift),  cmocka_unit_test(test_links),
        cmocka_unit_test(test_nodes),  cmocka_unit_test(test_missing),
        cmocka_unit_test(test_errors), cmocka_unit_test(test_hostile),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
