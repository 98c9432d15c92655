/* Goal: a verdict of match is given of exactly the bytes that were read at the source, and of
 * nothing else. Method: the verb driven without a worker, on staged copies that were tampered with.
 */
#include "mover_fixture.h"

#include <sys/sysmacros.h>

static struct fixture f;
static const char *const drivers[] = {"mem", "dir"};

/* A file of this content and a link, staged. */
static void stage_two(const char *driver, const char *faults, const char *content)
{
    fixture_open(&f, driver, NULL, faults);
    fixture_file(f.source, "file", content);
    fixture_seed(f.source, "link", KIND_symlink, "target", 6, 0777);
    batch_of_file(&f, "file", 0);
    batch_item(&f, 0, "link", KIND_symlink, OPERATION_put, 0);
    fixture_grant(&f);
    assert_ok(step_stage(&f), &f.err);
    assert_int_equal(f.answer.message.staged.to_prove, 2);
}

/* Where the directory driver has a staged copy. */
static const char *staged_path(u32 index)
{
    static char path[256];
    char name[TOKEN_NAME_SIZE];

    token_name(&f.token, name);
    snprintf(path, sizeof path, "%s/" STAGING_NAME "/%s/%u", f.destination_path, name, index);
    return path;
}

/* Goal: what is there matches, by each hash and each durability. Method: two staged copies; the
 * verdict carries the version that publishing needs. */
static void test_match(void **state)
{
    (void)state;
    for (size_t d = 0; d < COUNT_OF(drivers); d++)
        for (u32 hash = HASH_XXH3_128; hash <= HASH_SHA256; hash++) {
            fixture_open(&f, drivers[d], NULL, NULL);
            f.hash = hash;
            f.durability = hash == HASH_SHA256 ? DURABILITY_STRICT : DURABILITY_STANDARD;
            fixture_file(f.source, "file", "content");
            batch_of_file(&f, "file", 0);
            batch_item(&f, 0, "gone", KIND_file, OPERATION_put, 0);
            fixture_grant(&f);
            assert_ok(step_stage(&f), &f.err);
            assert_ok(step_prove(&f), &f.err);
            assert_int_equal(f.count, 2);
            assert_int_equal(f.proven_records[0].code, 0);
            assert_int_equal(f.proven_records[0].inode, f.staged_records[0].inode);
            assert_int_equal(f.proven_records[0].size, 7);
            assert_true(f.proven_records[0].ctime_ns != 0);
            assert_int_equal(f.proven_records[1].code, 0); /* nothing to prove */
            assert_int_equal(f.proven_records[1].inode, 0);
            assert_int_equal(f.answer.message.proven.matched, 1);
            assert_int_equal(f.answer.message.proven.mismatched, 0);
            assert_int_equal(f.answer.message.proven.bytes, 7);
            fixture_close(&f);
        }
}

/* Goal: one wrong byte is found wherever it is, and only there. Method: the fault driver changes a
 * byte of one of two copies after it was written. */
static void test_one_wrong_byte(void **state)
{
    (void)state;
    for (size_t d = 0; d < COUNT_OF(drivers); d++)
        for (u32 seed = 1; seed <= 8; seed++) {
            char faults[64];

            snprintf(faults, sizeof faults, "fault:seed=%u,corrupt=1;", seed);
            stage_two(drivers[d], faults, "some content of a file");
            assert_ok(step_prove(&f), &f.err);
            assert_int_equal(f.proven_records[0].code, ERR_Mismatch);
            assert_true(f.proven_records[0].message.size > 0);
            assert_int_equal(f.proven_records[1].code, 0);
            assert_int_equal(f.answer.message.proven.matched, 1);
            assert_int_equal(f.answer.message.proven.mismatched, 1);
            assert_int_equal(f.answer.message.proven.bytes, 6);
            fixture_close(&f);
        }
}

/* Goal: a copy that is longer, shorter, gone, another file, someone's to write, or a link in its
 * place is no match. Method: each of these done to the staged file of a real directory. */
static void test_tampered_copies(void **state)
{
    static const struct {
        const char *what;
        u32 code;
    } cases[] = {{"printf x >> %s", ERR_Mismatch},
                 {"truncate -s 3 %s", ERR_Mismatch},
                 {"truncate -s 0 %s", ERR_Mismatch},
                 {"rm %s", ERR_StagedChanged},
                 {"cp -p %s %s.new && mv %s.new %s", ERR_StagedChanged},
                 {"chmod 0666 %s", ERR_StagedChanged},
                 {"rm %s && ln -s /etc/hostname %s", ERR_StagedChanged},
                 {"rm %s && mkfifo -m 600 %s", ERR_StagedChanged}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char command[2048];
        const char *path;

        stage_two("dir", NULL, "content");
        path = staged_path(0);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-extra-args"
        snprintf(command, sizeof command, cases[i].what, path, path, path, path);
#pragma GCC diagnostic pop
        assert_int_equal(system(command), 0);
        assert_ok(step_prove(&f), &f.err);
        if (f.proven_records[0].code != cases[i].code)
            print_error("%s: %s\n", command, err_name(f.proven_records[0].code));
        assert_int_equal(f.proven_records[0].code, cases[i].code);
        assert_int_equal(f.proven_records[1].code, 0);
        fixture_close(&f);
    }
}

/* Goal: links are proven by their target. Method: the staged link is replaced by one with another
 * target, and by a file. */
static void test_links(void **state)
{
    int fd;

    (void)state;
    stage_two("dir", NULL, "content");
    assert_int_equal(unlink(staged_path(1)), 0);
    assert_int_equal(symlink("tarxet", staged_path(1)), 0);
    assert_ok(step_prove(&f), &f.err);
    /* the inode may be another or the same by chance: no match in either case */
    assert_true(f.proven_records[1].code == ERR_Mismatch ||
                f.proven_records[1].code == ERR_StagedChanged);
    assert_int_equal(unlink(staged_path(1)), 0);
    fd = open(staged_path(1), O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    close(fd);
    assert_ok(step_prove(&f), &f.err);
    assert_int_equal(f.proven_records[1].code, ERR_StagedChanged);
    fixture_close(&f);
}

/* Goal: nodes are proven by their kind and number. Method: a staged FIFO and device; then a file in
 * the place of the one and another device in the place of the other. */
static void test_nodes(void **state)
{
    char path[256];

    (void)state;
    fixture_open(&f, "dir", NULL, NULL);
    snprintf(path, sizeof path, "%s/fifo", f.source_path);
    assert_int_equal(mkfifo(path, 0644), 0);
    snprintf(path, sizeof path, "%s/null", f.source_path);
    if (mknod(path, S_IFCHR | 0644, makedev(1, 3)) < 0) {
        fixture_close(&f);
        skip();
    }
    batch_begin(&f);
    batch_dir(&f, "");
    batch_item(&f, 0, "fifo", KIND_fifo, OPERATION_put, 0);
    batch_item(&f, 0, "null", KIND_character_device, OPERATION_put, 0);
    fixture_grant(&f);
    assert_ok(step_stage(&f), &f.err);
    assert_ok(step_prove(&f), &f.err);
    assert_int_equal(f.answer.message.proven.matched, 2);
    assert_int_equal(f.proven_records[0].inode, f.staged_records[0].inode);
    assert_int_equal(unlink(staged_path(0)), 0);
    assert_int_equal(mknod(staged_path(0), S_IFREG | 0600, 0), 0);
    assert_int_equal(unlink(staged_path(1)), 0);
    assert_int_equal(mknod(staged_path(1), S_IFCHR | 0600, makedev(1, 5)), 0);
    assert_ok(step_prove(&f), &f.err);
    for (u32 i = 0; i < 2; i++)
        assert_true(f.proven_records[i].code == ERR_Mismatch ||
                    f.proven_records[i].code == ERR_StagedChanged);
    fixture_close(&f);
}

/* Goal: a wrong byte in a hole is found. Method: a large staged copy, written where it has nothing,
 * in front, in the middle and at the end. */
static void test_holes(void **state)
{
    const off_t size = 3 << 20;
    const off_t wrong[] = {-1, 0, size / 2, size - 1};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        char path[256];
        int fd;

        fixture_open(&f, "dir", NULL, NULL);
        fixture_file(f.source, "file", "");
        snprintf(path, sizeof path, "%s/file", f.source_path);
        assert_int_equal(truncate(path, size), 0);
        batch_of_file(&f, "file", 0);
        fixture_grant(&f);
        assert_ok(step_stage(&f), &f.err);
        fd = open(staged_path(0), O_WRONLY);
        assert_true(fd >= 0);
        if (wrong[i] >= 0)
            assert_int_equal(pwrite(fd, "x", 1, wrong[i]), 1);
        close(fd);
        assert_ok(step_prove(&f), &f.err);
        assert_int_equal(f.proven_records[0].code, wrong[i] >= 0 ? ERR_Mismatch : 0);
        fixture_close(&f);
    }
}

/* Goal: a copy that changes while it is read is no match, even if what was read fits. Method: the
 * first MiB is rewritten with the same bytes after it was read; only the time tells. */
static void rewrite_the_same(struct fixture *fixture)
{
    int fd = open(staged_path(0), O_WRONLY);

    fixture->on_progress = NULL;
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, "\0\0\0", 3, 0), 3);
    close(fd);
}

static void test_changed_while_read(void **state)
{
    char *content = memory_or_die(2u << 20);

    (void)state;
    fixture_open(&f, "dir", NULL, NULL);
    fixture_seed(f.source, "file", KIND_file, content, 2u << 20, 0600);
    batch_of_file(&f, "file", 0);
    fixture_grant(&f);
    assert_ok(step_stage(&f), &f.err);
    usleep(2000 * CLOCK_GRAIN_MS);
    f.on_progress = rewrite_the_same;
    assert_ok(step_prove(&f), &f.err);
    assert_int_equal(f.proven_records[0].code, ERR_StagedChanged);
    free(content);
    fixture_close(&f);
}

/* Goal: errors of reading are the item's. Method: every read of the destination fails. */
static void test_read_error(void **state)
{
    (void)state;
    stage_two("mem", "fault:read_error=1;", "content");
    assert_ok(step_prove(&f), &f.err);
    assert_int_equal(f.proven_records[0].code, ERR_IoError);
    assert_int_equal(f.proven_records[1].code, 0);
    assert_int_equal(f.answer.message.proven.mismatched, 0);
    fixture_close(&f);
}

/* Goal: short reads are no mismatch. Method: the fault driver makes each read of several. */
static void test_short_reads(void **state)
{
    (void)state;
    stage_two("mem", "fault:short_reads=1;", "content that takes more than one short read");
    assert_ok(step_prove(&f), &f.err);
    assert_int_equal(f.answer.message.proven.matched, 2);
    fixture_close(&f);
}

/* Goal: of a revoked token everything is given back. Method: revoked before, and after the first
 * item; and a verifier that is asked to end. */
static void revoke_now(struct fixture *fixture)
{
    fixture->on_progress = NULL;
    fixture_revoke(fixture);
}

static void test_given_back(void **state)
{
    (void)state;
    for (size_t d = 0; d < COUNT_OF(drivers); d++) {
        stage_two(drivers[d], NULL, "");
        f.on_progress = revoke_now;
        assert_ok(step_prove(&f), &f.err);
        assert_int_equal(f.proven_records[0].code, 0);
        assert_int_equal(f.proven_records[1].code, ERR_Revoked);
        assert_ok(step_prove(&f), &f.err);
        assert_int_equal(f.count, 2);
        assert_int_equal(f.proven_records[0].code, ERR_Revoked);
        assert_int_equal(f.proven_records[1].code, ERR_Revoked);
        assert_int_equal(f.answer.message.proven.matched, 0);
        fixture_close(&f);
        stage_two(drivers[d], NULL, "content");
        f.stop_after = 1;
        assert_ok(step_prove(&f), &f.err);
        assert_int_equal(f.proven_records[1].code, ERR_Stopped);
        fixture_close(&f);
    }
}

/* Goal: records that cannot be are refused or matched with nothing. Method: frames cut at every
 * length, too many records, a digest of no known length, a directory with content, an unknown hash.
 */
static void test_hostile(void **state)
{
    size_t size;

    (void)state;
    stage_two("mem", NULL, "content");
    size = f.staged.size;
    for (f.staged.size = 0; f.staged.size < size; f.staged.size++) {
        assert_int_equal(step_prove(&f), -1);
        assert_int_equal(f.count, 0);
    }
    f.hash = 9;
    assert_int_equal(step_prove(&f), -1);
    f.hash = HASH_XXH3_128;
    for (u32 i = 2; i <= BATCH_ITEMS; i++)
        f.staged_records[i] = f.staged_records[0];
    encode_staged(&f, BATCH_ITEMS + 1);
    assert_int_equal(step_prove(&f), -1);
    assert_int_equal(f.err.code, ERR_Protocol);

    f.staged_records[0].digest = bytes_text("a digest that is longer than any known hash gives");
    f.staged_records[1].kind = KIND_directory;
    encode_staged(&f, 2);
    assert_ok(step_prove(&f), &f.err);
    assert_int_equal(f.proven_records[0].code, ERR_Mismatch);
    assert_int_equal(f.proven_records[1].code, ERR_Protocol);
    f.staged_records[0].digest = bytes_of(NULL, 0);
    encode_staged(&f, 2);
    assert_ok(step_prove(&f), &f.err);
    assert_int_equal(f.proven_records[0].code, ERR_Mismatch);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_match),
        cmocka_unit_test(test_one_wrong_byte),
        cmocka_unit_test(test_tampered_copies),
        cmocka_unit_test(test_links),
        cmocka_unit_test(test_nodes),
        cmocka_unit_test(test_holes),
        cmocka_unit_test(test_changed_while_read),
        cmocka_unit_test(test_read_error),
        cmocka_unit_test(test_short_reads),
        cmocka_unit_test(test_given_back),
        cmocka_unit_test(test_hostile),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
