/* Goal: a part of a large staged file matches only if its bytes are what was read at the source,
 * and what is answered of the file is the same in every proof. Method: prove_part on a staged file
 * that the test makes on a directory tree, and changes by its path. */
#include "unit/mover_fixture.h"

#include "base/content.h"

#define MIB (1ull << 20)
#define SIZE (2 * PART_BYTES + 100)

static struct fixture f;
static struct rec_proven record; /* of the latest answer */
static struct msg_prove_part ask;
static struct digest digests[3];
static char staged[192];

static void poke(u64 offset, const char *text)
{
    int fd = open(staged, O_WRONLY);

    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, text, strlen(text), (off_t)offset), strlen(text));
    close(fd);
}

static void ask_for(u32 part)
{
    ask.offset = part * PART_BYTES;
    ask.length = SIZE - ask.offset < PART_BYTES ? SIZE - ask.offset : PART_BYTES;
    ask.digest = bytes_of(digests[part].bytes, digests[part].size);
}

/* Data at the beginning and in the last part, the part between them is a hole. */
static void open_all(u32 hash)
{
    struct asset_token *token = NULL;
    struct asset_file *file = NULL;
    struct hasher *hasher = hasher_new(hash);
    struct staged_version version;
    struct err err;

    fixture_open(&f, "dir", NULL, NULL);
    fixture_grant(&f);
    snprintf(staged, sizeof staged, "%s/.syncline/7-3-11/0", f.destination_path);
    assert_ok(asset_token_open(f.destination, &f.token, &token, &err), &err);
    assert_ok(asset_stage_file(token, 0, &file, &err), &err);
    assert_ok(asset_stage_reserve(file, SIZE, &err), &err);
    assert_ok(asset_stage_write(file, "begin", 5, 0, &err), &err);
    assert_ok(asset_stage_write(file, "end", 3, SIZE - 3, &err), &err);
    assert_ok(asset_stage_end(&file, &version, &err), &err);
    asset_token_close(&token);

    hasher_reset(hasher);
    hasher_update(hasher, "begin", 5);
    hasher_zeros(hasher, PART_BYTES - 5);
    hasher_finish(hasher, &digests[0]);
    hasher_reset(hasher);
    hasher_zeros(hasher, PART_BYTES);
    hasher_finish(hasher, &digests[1]);
    hasher_reset(hasher);
    hasher_zeros(hasher, 97);
    hasher_update(hasher, "end", 3);
    hasher_finish(hasher, &digests[2]);
    hasher_destroy(&hasher);
    ask = (struct msg_prove_part){.job = 7,
                                  .epoch = 3,
                                  .sequence = 200,
                                  .area = 11,
                                  .hash = hash,
                                  .durability = DURABILITY_STANDARD,
                                  .inode = version.inode,
                                  .size = SIZE};
}

static int step_proof(void)
{
    struct prove_work work = {.lane = f.prover,
                              .destination = f.destination,
                              .progress = fixture_progress,
                              .stopped = fixture_stopped,
                              .context = &f};
    struct envelope task = {.message = {.kind = MSG_prove_part, .prove_part = ask}};
    struct frame_reader reader;
    struct err err;
    int rc = prove_part(&work, &task, &f.answer, &f.err);

    assert_int_equal(f.answer.message.kind, MSG_part_proven);
    assert_int_equal(f.answer.message.part_proven.sequence, 200);
    fixture_keep(&f.proven_answer, f.answer.body[0]);
    assert_ok(frame_open(&reader, buf_bytes(&f.proven_answer), &err), &err);
    assert_int_equal(frame_next_proven(&reader, &record, &err), 1);
    assert_int_equal(reader.left, 0);
    return rc;
}

static void expect(u32 part, u32 code)
{
    ask_for(part);
    assert_int_equal(step_proof(), 0);
    assert_int_equal(record.code, code);
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

/* Goal: every part matches, by either hash, and all say the same of the file; a hole costs no
 * reads. Method: three parts; the bytes that the process read. */
static void test_match(void **state)
{
    static const u32 hashes[] = {HASH_XXH3_128, HASH_SHA256};
    u64 before;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(hashes); i++) {
        struct rec_proven first;

        open_all(hashes[i]);
        expect(0, ERR_Ok);
        first = record;
        assert_int_equal(first.inode, ask.inode);
        assert_int_equal(first.size, SIZE);
        before = bytes_read();
        expect(1, ERR_Ok);
        assert_true(bytes_read() - before < MIB);
        expect(2, ERR_Ok);
        assert_int_equal(record.ctime_ns, first.ctime_ns);
        assert_int_equal(record.inode, first.inode);
        ask.durability = DURABILITY_STRICT; /* of the medium */
        expect(0, ERR_Ok);
        fixture_close(&f);
    }
}

/* Goal: one wrong byte is a mismatch of its part, in a hole too, and the others still match, at
 * another ctime. Method: a byte changed in each part in turn. */
static void test_mismatch(void **state)
{
    static const u64 places[] = {2, PART_BYTES + 5 * MIB, SIZE - 1};
    s64 ctime_ns;

    (void)state;
    for (u32 wrong = 0; wrong < 3; wrong++) {
        open_all(HASH_XXH3_128);
        expect(wrong, ERR_Ok);
        ctime_ns = record.ctime_ns;
        usleep(2 * CLOCK_GRAIN_MS * 1000);
        poke(places[wrong], "?");
        for (u32 part = 0; part < 3; part++) {
            expect(part, part == wrong ? ERR_Mismatch : ERR_Ok);
            assert_true(part == wrong || record.ctime_ns > ctime_ns);
        }
        fixture_close(&f);
    }
}

/* Goal: another file, or another size, is no copy of what was staged. Method: replace it, cut it
 * off, remove it. */
static void test_another_file(void **state)
{
    (void)state;
    open_all(HASH_XXH3_128);
    ask.inode++;
    expect(0, ERR_StagedChanged);
    ask.inode--;
    assert_int_equal(truncate(staged, (off_t)SIZE - 1), 0);
    expect(0, ERR_StagedChanged);
    assert_int_equal(truncate(staged, (off_t)SIZE), 0);
    expect(0, ERR_Ok);
    assert_int_equal(chmod(staged, 0644), 0);
    expect(0, ERR_StagedChanged);
    assert_int_equal(unlink(staged), 0);
    expect(0, ERR_StagedChanged);
    fixture_close(&f);
}

static void write_elsewhere(struct fixture *fixture)
{
    (void)fixture;
    usleep(2 * CLOCK_GRAIN_MS * 1000);
    poke(PART_BYTES, "!");
}

/* Goal: a copy that somebody writes into while it is read is not proven, wherever he writes.
 * Method: the progress callback writes into another part. */
static void test_changed_while_read(void **state)
{
    (void)state;
    open_all(HASH_XXH3_128);
    f.on_progress = write_elsewhere;
    expect(0, ERR_StagedChanged);
    f.on_progress = NULL;
    fixture_close(&f);
}

/* Goal: a void token and an ending process give the proof back. Method: stop at the first progress;
 * revoke. */
static void test_given_back(void **state)
{
    (void)state;
    open_all(HASH_XXH3_128);
    f.stop_after = 1;
    expect(0, ERR_Stopped);
    f.stop_after = 0;
    fixture_revoke(&f);
    expect(0, ERR_Revoked);
    fixture_close(&f);
}

/* Goal: a message that does not fit is refused. Method: one wrong field at a time, a digest of no
 * known length. */
static void test_refused(void **state)
{
    struct msg_prove_part good;

    (void)state;
    open_all(HASH_XXH3_128);
    ask_for(0);
    good = ask;
    ask.hash = 77;
    assert_int_equal(step_proof(), -1);
    assert_int_equal(record.code, ERR_Protocol);
    ask = good;
    ask.length = 0;
    assert_int_equal(step_proof(), -1);
    ask.length = PART_BYTES + 1;
    assert_int_equal(step_proof(), -1);
    ask = good;
    ask.offset = UINT64_MAX - 5;
    assert_int_equal(step_proof(), -1);
    ask = good;
    ask.offset = SIZE;
    assert_int_equal(step_proof(), -1);
    ask = good;
    ask.digest = bytes_of(NULL, 0);
    assert_int_equal(step_proof(), 0);
    assert_int_equal(record.code, ERR_Mismatch);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_match),        cmocka_unit_test(test_mismatch),
        cmocka_unit_test(test_another_file), cmocka_unit_test(test_changed_while_read),
        cmocka_unit_test(test_given_back),   cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
