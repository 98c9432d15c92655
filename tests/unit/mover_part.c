/* Goal: a part of a large file is staged into a copy that others write too, of exactly the version
 * that the first part was of. Method: mover_part on a directory tree, with the staged file read by
 * its path. */
#include "unit/mover_fixture.h"

#include "base/content.h"

#define MIB (1ull << 20)
#define LARGE (PART_FROM + 3 * MIB + 5) /* three parts, the last one short */
#define PARTS 3

static struct fixture f;
static struct rec_staged record; /* of the latest answer */
static struct msg_parted parted;
static struct msg_part ask; /* the next question; the version is filled in after the first part */

static void source_path(char out[128])
{
    snprintf(out, 128, "%s/big", f.source_path);
}

static void staged_path(u32 sequence, char out[192])
{
    snprintf(out, 192, "%s/.syncline/7-3-%u/0", f.destination_path, sequence);
}

static void poke(const char *path, u64 offset, const char *text)
{
    int fd = open(path, O_WRONLY);

    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, text, strlen(text), (off_t)offset), strlen(text));
    close(fd);
}

/* A file of holes, with some data in the first and in the last part. */
static void make_source(void)
{
    char path[128];
    int fd;

    source_path(path);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0640);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)LARGE), 0);
    close(fd);
    poke(path, 0, "the beginning");
    poke(path, 63 * MIB, "before the end of the first part");
    poke(path, LARGE - 7, "the end");
}

static void open_all(void)
{
    fixture_open(&f, "dir", NULL, NULL);
    make_source();
    fixture_grant(&f);
    batch_of_file(&f, "big", 0);
    ask = (struct msg_part){.job = 7,
                            .epoch = 3,
                            .sequence = 100,
                            .area = 11,
                            .hash = HASH_XXH3_128,
                            .durability = DURABILITY_STANDARD,
                            .preserve = PRESERVE_ALL,
                            .length = PART_BYTES,
                            .first = 1,
                            .size = LARGE};
}

/* The answer's record; its digest is borrowed until the next. */
static int step_part(void)
{
    struct mover_work work = fixture_work(&f);
    struct envelope task = {.message = {.kind = MSG_part, .part = ask}, .bodies = 2};
    struct frame_reader reader;
    struct err err;
    int rc;

    task.body[0] = buf_bytes(&f.dirs);
    task.body[1] = buf_bytes(&f.items);
    rc = mover_part(&work, &task, &f.answer, &f.err);
    assert_int_equal(f.answer.message.kind, MSG_parted);
    parted = f.answer.message.parted;
    fixture_keep(&f.staged_answer, f.answer.body[0]);
    assert_ok(frame_open(&reader, buf_bytes(&f.staged_answer), &err), &err);
    assert_int_equal(frame_next_staged(&reader, &record, &err), 1);
    assert_int_equal(reader.left, 0);
    return rc;
}

static void ask_for(u32 part)
{
    ask.first = 0;
    ask.offset = part * PART_BYTES;
    ask.length = LARGE - ask.offset < PART_BYTES ? LARGE - ask.offset : PART_BYTES;
}

static void step_first(void)
{
    assert_int_equal(step_part(), 0);
    assert_int_equal(record.code, ERR_Ok);
    ask.size = parted.size;
    ask.inode = parted.inode;
    ask.mtime_ns = parted.mtime_ns;
    ask.ctime_ns = parted.ctime_ns;
}

static void expect_same_files(const char *a, const char *b)
{
    char command[512];

    snprintf(command, sizeof command, "cmp '%s' '%s'", a, b);
    assert_int_equal(system(command), 0);
}

static u64 allocated(const char *path)
{
    struct stat now;

    assert_int_equal(stat(path, &now), 0);
    return (u64)now.st_blocks * 512;
}

/* The digest that the whole file has, by its parts'. */
static struct digest whole_digest(const char *path)
{
    struct content *content = content_new(HASH_XXH3_128);
    u8 *buffer = memory_or_die(MIB);
    int fd = open(path, O_RDONLY);
    struct digest digest;
    ssize_t got;

    content_begin(content, LARGE);
    while ((got = read(fd, buffer, MIB)) > 0)
        content_update(content, buffer, (size_t)got);
    content_finish(content, &digest);
    content_destroy(&content);
    close(fd);
    free(buffer);
    return digest;
}

/* Goal: all parts together are the file, its holes too, and their digests hash to its digest.
 * Method: first the first part, then the others from the last on; cmp. */
static void test_whole_file(void **state)
{
    struct hasher *hasher = hasher_new(HASH_XXH3_128);
    u8 digests[PARTS][16];
    struct digest wanted, got;
    char source[128], staged[192];
    u64 inode;

    (void)state;
    open_all();
    source_path(source);
    staged_path(11, staged);
    step_first();
    assert_int_equal(parted.size, LARGE);
    assert_int_equal(record.size, LARGE);
    assert_int_equal(record.mode, 0640);
    assert_int_equal(record.mtime_ns, parted.mtime_ns);
    assert_int_equal(record.prove, 1);
    assert_true(parted.began_ns > 0 && parted.opened_ns > 0);
    assert_true(parted.opened_ns <= parted.began_ns);
    inode = record.inode;
    memcpy(digests[0], record.digest.data, 16);
    for (u32 part = PARTS - 1; part > 0; part--) {
        ask_for(part);
        assert_int_equal(step_part(), 0);
        assert_int_equal(record.code, ERR_Ok);
        assert_int_equal(record.inode, inode);
        assert_int_equal(record.digest.size, 16);
        memcpy(digests[part], record.digest.data, 16);
    }
    expect_same_files(source, staged);
    assert_true(allocated(staged) <= allocated(source));
    hasher_reset(hasher);
    hasher_update(hasher, digests, sizeof digests);
    hasher_finish(hasher, &got);
    hasher_destroy(&hasher);
    wanted = whole_digest(source);
    assert_true(digest_equal(&wanted, &got));
    fixture_close(&f);
}

static u64 bytes_read(void)
{
    unsigned long long count = 0;
    FILE *io = fopen("/proc/self/io", "r");

    assert_non_null(io);
    assert_int_equal(fscanf(io, "rchar: %llu", &count), 1);
    fclose(io);
    return count;
}

/* Goal: a part that is a hole costs no reads; not preserving holes writes them. Method: the bytes
 * that the process read; the blocks of the staged file. */
static void test_hole(void **state)
{
    char staged[192];
    u64 before;

    (void)state;
    open_all();
    staged_path(11, staged);
    step_first();
    ask_for(1);
    before = bytes_read();
    assert_int_equal(step_part(), 0);
    assert_true(bytes_read() - before < MIB);
    assert_int_equal(record.code, ERR_Ok);
    assert_true(allocated(staged) < 2 * MIB);

    /* a bad copy shows through a hole that is not written */
    poke(staged, PART_BYTES + 4711, "rot");
    ask.preserve &= ~(u32)PRESERVE_sparse;
    assert_int_equal(step_part(), 0);
    assert_int_equal(record.code, ERR_Ok);
    assert_true(allocated(staged) >= PART_BYTES);
    ask_for(2);
    assert_int_equal(step_part(), 0);
    {
        char source[128];

        source_path(source);
        expect_same_files(source, staged);
    }
    fixture_close(&f);
}

/* Goal: a part of another version is Changed, and the copy stays as good as it was. Method: write
 * to the source, replace it, cut it off, remove it, between two parts. */
static void test_version_is_pinned(void **state)
{
    char source[128], other[160];

    (void)state;
    open_all();
    source_path(source);
    step_first();
    ask_for(1);
    poke(source, 5, "x");
    assert_int_equal(step_part(), 0);
    assert_int_equal(record.code, ERR_Changed);
    assert_int_equal(record.prove, 1);

    assert_int_equal(truncate(source, 5), 0);
    assert_int_equal(step_part(), 0);
    assert_int_equal(record.code, ERR_Changed);

    snprintf(other, sizeof other, "%s.other", source);
    assert_int_equal(rename(source, other), 0);
    assert_int_equal(step_part(), 0);
    assert_int_equal(record.code, ERR_Vanished);
    assert_int_equal(mkdir(source, 0700), 0);
    assert_int_equal(step_part(), 0);
    assert_int_equal(record.code, ERR_Changed);
    fixture_close(&f);
}

static void cut_off(struct fixture *fixture)
{
    char source[128];

    (void)fixture;
    source_path(source);
    assert_int_equal(truncate(source, 100), 0);
}

static void write_on(struct fixture *fixture)
{
    char source[128];

    (void)fixture;
    source_path(source);
    poke(source, 3, "!");
}

/* Goal: what changes while a part is read is Changed, not an error of the medium. Method: the
 * progress callback writes to the source, or cuts it off. */
static void test_changes_while_read(void **state)
{
    (void)state;
    open_all();
    step_first();
    ask_for(0); /* with data: read again */
    f.on_progress = write_on;
    assert_int_equal(step_part(), 0);
    assert_int_equal(record.code, ERR_Changed);
    f.on_progress = NULL;
    fixture_close(&f);

    open_all();
    step_first();
    ask_for(0);
    ask.preserve = 0; /* all of it is read */
    f.on_progress = cut_off;
    assert_int_equal(step_part(), 0);
    assert_int_equal(record.code, ERR_Changed);
    f.on_progress = NULL;
    fixture_close(&f);
}

/* Goal: a file that is not large any more is not carried in parts, and the answer says how large it
 * is. Method: cut off before the first part. */
static void test_not_large_any_more(void **state)
{
    char source[128];

    (void)state;
    open_all();
    source_path(source);
    assert_int_equal(truncate(source, 1000), 0);
    assert_int_equal(step_part(), 0);
    assert_int_equal(record.code, ERR_Changed);
    assert_int_equal(parted.size, 1000);
    assert_true(parted.inode != 0);
    fixture_close(&f);
}

/* Goal: a revoked token stages nothing. Method: revoke before the first part, and between parts. */
static void test_revoked(void **state)
{
    (void)state;
    open_all();
    fixture_revoke(&f);
    assert_int_equal(step_part(), 0);
    assert_int_equal(record.code, ERR_Revoked);
    fixture_close(&f);

    open_all();
    step_first();
    fixture_revoke(&f);
    ask_for(1);
    assert_int_equal(step_part(), 0);
    assert_int_equal(record.code, ERR_Revoked);
    fixture_close(&f);
}

/* Goal: a copy that is not there is staged again, not failed. Method: remove it between parts. */
static void test_copy_is_gone(void **state)
{
    char staged[192];

    (void)state;
    open_all();
    staged_path(11, staged);
    step_first();
    assert_int_equal(unlink(staged), 0);
    ask_for(1);
    assert_int_equal(step_part(), 0);
    assert_int_equal(record.code, ERR_StagedChanged);
    assert_int_equal(record.prove, 1); /* nothing was written; but there is no such copy */
    fixture_close(&f);
}

static void grant_second(void)
{
    struct token token = {7, 3, 12};
    struct err err;

    assert_ok(asset_grant(f.destination, &token, 1, &err), &err);
    ask.area = 12;
}

/* Goal: finished parts are adopted into a new copy without reading them at the source, holes too.
 * Method: two parts under one token, adopted under another; the third from the source; cmp. */
static void test_adopt(void **state)
{
    char source[128], staged[192];

    (void)state;
    open_all();
    source_path(source);
    step_first();
    ask_for(2);
    assert_int_equal(step_part(), 0);
    assert_int_equal(record.code, ERR_Ok);

    grant_second();
    staged_path(12, staged);
    ask_for(2);
    ask.first = 1; /* whichever part comes first makes the copy */
    ask.adopt = 11;
    assert_int_equal(step_part(), 0);
    assert_int_equal(record.code, ERR_Ok);
    assert_int_equal(record.size, LARGE);
    ask_for(0);
    assert_int_equal(step_part(), 0);
    assert_int_equal(record.code, ERR_Ok);
    ask_for(1);
    ask.adopt = 0;
    assert_int_equal(step_part(), 0);
    assert_int_equal(record.code, ERR_Ok);
    expect_same_files(source, staged);
    assert_true(allocated(staged) <= allocated(source) + MIB);
    fixture_close(&f);
}

/* Goal: what cannot be adopted is no fault of the new copy, and its token is not taken for a
 * revoked one. Method: the earlier token revoked; its copy removed; the source of another version.
 */
static void test_cannot_adopt(void **state)
{
    char source[128], staged[192];

    (void)state;
    open_all();
    source_path(source);
    staged_path(11, staged);
    step_first();
    grant_second();
    ask.first = 1;
    ask.adopt = 11;
    assert_int_equal(step_part(), 0);
    assert_int_equal(record.code, ERR_Ok);
    ask_for(1);
    assert_int_equal(unlink(staged), 0);
    assert_int_equal(step_part(), 0);
    assert_int_equal(record.code, ERR_StagedChanged);
    assert_int_equal(record.prove, 1);
    fixture_revoke(&f);
    assert_int_equal(step_part(), 0);
    assert_int_equal(record.code, ERR_StagedChanged);
    assert_int_equal(record.prove, 1);
    ask.adopt = 0;
    poke(source, 9, "y");
    assert_int_equal(step_part(), 0);
    assert_int_equal(record.code, ERR_Changed);
    fixture_close(&f);
}

/* Goal: a failed read leaves the copy good, a failed write does not. Method: the fault driver at
 * either end. */
static void test_faults(void **state)
{
    char address[256];
    struct err err;

    (void)state;
    open_all();
    step_first();
    ask_for(2);
    asset_close(&f.source);
    snprintf(address, sizeof address, "fault:read_error=1;dir:%s", f.source_path);
    assert_ok(asset_open(address, &f.source, &err), &err);
    assert_int_equal(step_part(), 0);
    assert_int_equal(record.code, ERR_IoError);
    assert_int_equal(record.prove, 1);
    asset_close(&f.source);
    snprintf(address, sizeof address, "dir:%s", f.source_path);
    assert_ok(asset_open(address, &f.source, &err), &err);
    asset_close(&f.destination);
    snprintf(address, sizeof address, "fault:write_error=1;dir:%s", f.destination_path);
    assert_ok(asset_open(address, &f.destination, &err), &err);
    assert_int_equal(step_part(), 0);
    assert_int_equal(record.code, ERR_IoError);
    assert_int_equal(record.prove, 0);
    fixture_close(&f);
}

/* Goal: a mover that ends gives the part back, and leaves a copy that others can go on with.
 * Method: stopped at the first progress; the same part again. */
static void test_stopped(void **state)
{
    (void)state;
    open_all();
    step_first();
    ask_for(2);
    f.stop_after = 1;
    f.progressed = 0;
    assert_int_equal(step_part(), 0);
    assert_int_equal(record.code, ERR_Stopped);
    assert_int_equal(record.prove, 1);
    f.stop_after = 0;
    assert_int_equal(step_part(), 0);
    assert_int_equal(record.code, ERR_Ok);
    fixture_close(&f);
}

static void expect_refused(void)
{
    assert_int_equal(step_part(), -1);
    assert_int_equal(f.err.code, ERR_Protocol);
    assert_int_equal(record.code, ERR_Protocol);
}

/* Goal: a message that does not fit is refused before anything is done. Method: one wrong field at
 * a time. */
static void test_refused(void **state)
{
    struct msg_part good;
    char staged[192];

    (void)state;
    open_all();
    staged_path(11, staged);
    good = ask;
    ask.hash = 9;
    expect_refused();
    ask = good;
    ask.length = 0;
    expect_refused();
    ask.length = PART_BYTES + 1;
    expect_refused();
    ask = good;
    ask.offset = 4096;
    expect_refused();
    ask.offset = PART_BYTES; /* of no version, and not the first */
    expect_refused();
    ask = good;
    ask.adopt = 12;
    expect_refused();
    ask = good;
    ask.inode = 1;
    ask.offset = UINT64_MAX - PART_BYTES + 1;
    expect_refused();
    ask = good;
    batch_begin(&f);
    batch_dir(&f, "");
    batch_item(&f, 0, "big", KIND_symlink, OPERATION_put, 0);
    expect_refused();
    batch_of_file(&f, "big", 0);
    batch_item(&f, 0, "other", KIND_file, OPERATION_put, 0);
    expect_refused();
    assert_int_equal(access(staged, F_OK), -1);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_file),
        cmocka_unit_test(test_hole),
        cmocka_unit_test(test_version_is_pinned),
        cmocka_unit_test(test_changes_while_read),
        cmocka_unit_test(test_not_large_any_more),
        cmocka_unit_test(test_revoked),
        cmocka_unit_test(test_copy_is_gone),
        cmocka_unit_test(test_adopt),
        cmocka_unit_test(test_cannot_adopt),
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_stopped),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
