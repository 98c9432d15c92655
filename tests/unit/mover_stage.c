/* Goal: staging takes one whole version of each file or says honestly why not, one record for each
 * item, and never touches what is visible. Method: the verb driven without a worker; the source is
 * changed from the progress callback, which runs in the middle of a read. */
#include "mover_fixture.h"

#include "asset/mem.h"

static struct fixture f;

#define BIG (3u << 20)

/* What to do to the file of the source in the middle of a read, and how often. */
static u32 rewrites_left;
static char rewritten[160];

static void source_path(const char *name)
{
    snprintf(rewritten, sizeof rewritten, "%s/%s", f.source_path, name);
}

static void big_file(const char *name, char fill)
{
    char *content = memory_or_die(BIG);

    memset(content, fill, BIG);
    fixture_seed(f.source, name, KIND_file, content, BIG, 0600);
    free(content);
    source_path(name);
}

static void rewrite(struct fixture *fixture)
{
    int fd;

    (void)fixture;
    if (rewrites_left == 0)
        return;
    rewrites_left--;
    fd = open(rewritten, O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, "new", 3, BIG - 3), 3);
    close(fd);
}

static void shrink(struct fixture *fixture)
{
    (void)fixture;
    if (rewrites_left == 0)
        return;
    rewrites_left--;
    assert_int_equal(truncate(rewritten, 1000), 0);
}

static void replace(struct fixture *fixture)
{
    char other[180];
    FILE *file;

    (void)fixture;
    if (rewrites_left == 0)
        return;
    rewrites_left--;
    snprintf(other, sizeof other, "%s.new", rewritten);
    file = fopen(other, "w");
    assert_non_null(file);
    fputs("another file", file);
    fclose(file);
    assert_int_equal(rename(other, rewritten), 0);
}

/* Goal: a file that changes while it is read arrives as one whole later version. Method: it is
 * rewritten, shrunk or replaced once in the middle of the first read; the staged version is
 * published and compared. */
static void test_changed_once_is_read_again(void **state)
{
    static void (*const changes[])(struct fixture *) = {rewrite, shrink, replace};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(changes); i++) {
        struct buf source = {0}, destination = {0};

        fixture_open(&f, "dir", NULL, NULL);
        big_file("big", 'a');
        f.on_progress = changes[i];
        rewrites_left = 1;
        batch_of_file(&f, "big", 0);
        step_all(&f, 1);
        assert_int_equal(rewrites_left, 0);
        assert_row(&f.row_records[0], "big", OUTCOME_moved, 0);
        fixture_read(f.source, "big", &source);
        fixture_read(f.destination, "big", &destination);
        assert_true(bytes_equal(buf_bytes(&source), buf_bytes(&destination)));
        buf_release(&source);
        buf_release(&destination);
        fixture_close(&f);
    }
}

/* Goal: a file that never holds still is `Changed`, never torn. Method: a rewrite in every read;
 * nothing is published, the last attempt ends as `changed`. */
static void test_changing_for_ever(void **state)
{
    struct attributes there;

    (void)state;
    fixture_open(&f, "dir", NULL, NULL);
    big_file("big", 'a');
    fixture_file(f.source, "calm", "calm");
    f.on_progress = rewrite;
    rewrites_left = UINT32_MAX;
    batch_of_file(&f, "big", 0);
    batch_item(&f, 0, "calm", KIND_file, OPERATION_put, 0);
    fixture_grant(&f);
    assert_ok(step_stage(&f), &f.err);
    assert_int_equal(f.staged_records[0].code, ERR_Changed);
    assert_int_equal(f.staged_records[0].prove, 0);
    assert_int_equal(f.answer.message.staged.to_prove, 1);
    assert_ok(step_prove(&f), &f.err);
    assert_ok(step_publish(&f, ITEM_ATTEMPTS), &f.err);
    assert_row(&f.row_records[0], "big", OUTCOME_changed, ERR_Changed);
    assert_row(&f.row_records[1], "calm", OUTCOME_moved, 0);
    assert_int_equal(fixture_lookup(f.destination, "big", &there), 0);
    fixture_close(&f);
}

/* Goal: a rewrite in the tick of the last one is not missed. Method: a file that was written just
 * now is staged; the answer comes only when its timestamp is older than the grain of the clock. */
static void test_young_file_waits_for_the_clock(void **state)
{
    struct attributes there;

    (void)state;
    fixture_open(&f, "dir", NULL, NULL);
    batch_of_file(&f, "young", 0);
    fixture_grant(&f);
    fixture_file(f.source, "young", "x");
    assert_ok(step_stage(&f), &f.err);
    assert_int_equal(f.staged_records[0].code, 0);
    assert_int_equal(fixture_lookup(f.source, "young", &there), 1);
    assert_true(asset_now_ns(f.source) - there.ctime_ns >= CLOCK_GRAIN_MS * NS_PER_MS);
    fixture_close(&f);
}

/* Goal: what is gone is `vanished`, what became something else is `changed`. Method: items that
 * name a missing file, a file in a missing directory, below a file, below a link, and a directory.
 */
static void test_vanished(void **state)
{
    (void)state;
    fixture_open(&f, "dir", NULL, NULL);
    fixture_file(f.source, "file", "x");
    fixture_seed(f.source, "link", KIND_symlink, ".", 1, 0777);
    fixture_seed(f.source, "directory", KIND_directory, NULL, 0, 0755);
    batch_begin(&f);
    batch_dir(&f, "");
    batch_dir(&f, "gone");
    batch_dir(&f, "file");
    batch_dir(&f, "link");
    batch_item(&f, 0, "missing", KIND_file, OPERATION_put, 0);
    batch_item(&f, 1, "x", KIND_file, OPERATION_put, 0);
    batch_item(&f, 2, "x", KIND_symlink, OPERATION_put, 0);
    batch_item(&f, 3, "file", KIND_file, OPERATION_put, 0);
    batch_item(&f, 0, "gone", KIND_file, OPERATION_attributes, 0);
    batch_item(&f, 0, "directory", KIND_file, OPERATION_put, 0);
    batch_item(&f, 0, "link", KIND_file, OPERATION_put, 0);
    batch_item(&f, 0, "file", KIND_symlink, OPERATION_put, 0);
    batch_item(&f, 0, "link", KIND_file, OPERATION_attributes, 0);
    fixture_grant(&f);
    assert_ok(step_stage(&f), &f.err);
    assert_int_equal(f.count, 9);
    for (u32 i = 0; i < 5; i++)
        assert_int_equal(f.staged_records[i].code, ERR_Vanished);
    for (u32 i = 5; i < 9; i++)
        assert_int_equal(f.staged_records[i].code, ERR_Changed);
    assert_ok(step_prove(&f), &f.err);
    assert_ok(step_publish(&f, 1), &f.err);
    assert_row(&f.row_records[0], "missing", OUTCOME_vanished, ERR_Vanished);
    assert_row(&f.row_records[5], "directory", OUTCOME_again, ERR_Changed);
    assert_int_equal(f.answer.message.published.again, 4);
    fixture_close(&f);
}

/* Goal: what this version does not carry is named, never opened. Method: each such kind, with and
 * without a code in its flags; the source has no such objects, so that an open would show as
 * vanished. */
static void test_refused_kinds(void **state)
{
    static const u32 kinds[] = {KIND_fifo, KIND_socket, KIND_character_device, KIND_block_device};

    (void)state;
    fixture_open(&f, "mem", NULL, NULL);
    batch_begin(&f);
    batch_dir(&f, "");
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        batch_item(&f, 0, "special", kinds[i], OPERATION_refuse, 0);
    batch_item(&f, 0, "tree", KIND_directory, OPERATION_refuse, 0);
    batch_item(&f, 0, ".syncline", KIND_file, OPERATION_refuse,
               (u32)ERR_ReservedName << ITEM_CODE_SHIFT);
    batch_item(&f, 0, "socket", KIND_socket, OPERATION_put, 0);
    fixture_grant(&f);
    assert_ok(step_stage(&f), &f.err);
    assert_int_equal(f.count, 7);
    for (u32 i = 0; i < 4; i++)
        assert_int_equal(f.staged_records[i].code, ERR_UnsupportedKind);
    assert_true(bytes_equal(f.staged_records[0].message,
                            bytes_text("a FIFO is not carried in this version")));
    assert_int_equal(f.staged_records[4].code, ERR_Occupied);
    assert_int_equal(f.staged_records[5].code, ERR_ReservedName);
    assert_int_equal(f.staged_records[6].code, ERR_UnsupportedKind);
    assert_int_equal(f.answer.message.staged.to_prove, 0);
    assert_ok(step_prove(&f), &f.err);
    assert_ok(step_publish(&f, 1), &f.err);
    assert_row(&f.row_records[0], "special", OUTCOME_failed, ERR_UnsupportedKind);
    assert_row(&f.row_records[5], ".syncline", OUTCOME_failed, ERR_ReservedName);
    fixture_close(&f);
}

/* Goal: without the right to write, every item is given back. Method: a token that was never
 * granted, and one that is revoked in the middle of the batch. */
static void revoke_now(struct fixture *fixture)
{
    fixture->on_progress = NULL;
    fixture_revoke(fixture);
}

static void test_revoked(void **state)
{
    static const char *const drivers[] = {"mem", "dir"};

    (void)state;
    for (size_t d = 0; d < COUNT_OF(drivers); d++) {
        fixture_open(&f, drivers[d], NULL, NULL);
        fixture_file(f.source, "one", "1");
        fixture_file(f.source, "two", "2");
        batch_of_file(&f, "one", 0);
        batch_item(&f, 0, "two", KIND_file, OPERATION_put, 0);
        assert_ok(step_stage(&f), &f.err);
        assert_int_equal(f.staged_records[0].code, ERR_Revoked);
        assert_int_equal(f.staged_records[1].code, ERR_Revoked);
        fixture_grant(&f);
        f.on_progress = revoke_now;
        assert_ok(step_stage(&f), &f.err);
        assert_int_equal(f.count, 2);
        assert_int_equal(f.staged_records[1].code, ERR_Revoked);
        assert_ok(step_prove(&f), &f.err);
        assert_ok(step_publish(&f, 1), &f.err);
        assert_int_equal(f.answer.message.published.code, ERR_Revoked);
        assert_int_equal(f.count, 0);
        fixture_close(&f);
    }
}

/* Goal: a full destination costs one failed write, not one for each item. Method: room for one of
 * three files; the rest gets the same code although it would have fitted. */
static void test_no_space(void **state)
{
    (void)state;
    fixture_open(&f, "mem", NULL, "fault:enospc_after=4;");
    fixture_file(f.source, "one", "1234");
    fixture_file(f.source, "two", "1234");
    fixture_seed(f.source, "three", KIND_file, "", 0, 0600);
    batch_of_file(&f, "one", 0);
    batch_item(&f, 0, "two", KIND_file, OPERATION_put, 0);
    batch_item(&f, 0, "three", KIND_file, OPERATION_put, 0);
    fixture_grant(&f);
    assert_ok(step_stage(&f), &f.err);
    assert_int_equal(f.staged_records[0].code, 0);
    assert_int_equal(f.staged_records[1].code, ERR_NoSpace);
    assert_int_equal(f.staged_records[2].code, ERR_NoSpace);
    assert_ok(step_prove(&f), &f.err);
    assert_ok(step_publish(&f, 1), &f.err);
    assert_row(&f.row_records[0], "one", OUTCOME_moved, 0);
    assert_row(&f.row_records[1], "two", OUTCOME_failed, ERR_NoSpace);
    fixture_close(&f);
}

/* Goal: errors of the medium are retried from the source by the planner. Method: reads and writes
 * that fail; the outcome is `again`, at the last attempt `failed`. */
static void test_io_errors(void **state)
{
    static const char *const faults[][2] = {{"fault:read_error=1;", NULL},
                                            {NULL, "fault:write_error=1;"}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(faults); i++)
        for (u32 attempt = 1; attempt <= ITEM_ATTEMPTS; attempt += ITEM_ATTEMPTS - 1) {
            struct attributes attributes = {.kind = KIND_file, .mode = 0600};
            struct err err;

            fixture_open(&f, "mem", faults[i][0], faults[i][1]);
            assert_ok(mem_plant(f.source_path, bytes_text("file"), &attributes,
                                bytes_text("content"), 0, &err),
                      &err);
            batch_of_file(&f, "file", 0);
            step_all(&f, attempt);
            assert_row(&f.row_records[0], "file",
                       attempt < ITEM_ATTEMPTS ? OUTCOME_again : OUTCOME_failed, ERR_IoError);
            fixture_close(&f);
        }
}

/* Goal: a name that cannot be kept together with its others is told, and one that is not to be is
 * not. Method: a file of two names put by itself, with hard links preserved and not. */
static void test_not_kept_is_told(void **state)
{
    char path[128], other[128];

    (void)state;
    for (u32 preserve = 0; preserve <= PRESERVE_ALL; preserve += PRESERVE_ALL) {
        fixture_open(&f, "dir", NULL, NULL);
        f.preserve = preserve;
        fixture_file(f.source, "file", "content");
        snprintf(path, sizeof path, "%s/file", f.source_path);
        snprintf(other, sizeof other, "%s/other", f.source_path);
        assert_int_equal(link(path, other), 0);
        batch_of_file(&f, "file", 0);
        step_all(&f, 1);
        assert_row(&f.row_records[0], "file", OUTCOME_moved, 0);
        assert_int_equal(f.row_records[0].not_kept, preserve ? NOT_KEPT_HARD_LINK : 0);
        fixture_close(&f);
    }
}

/* Goal: strict durability answers only what is on the disk. Method: a settle that fails: no item
 * counts as staged, each carries the failure, and the planner may stage it again. */
static void test_strict(void **state)
{
    (void)state;
    fixture_open(&f, "mem", NULL, "fault:settle_error=1;");
    f.durability = DURABILITY_STRICT;
    fixture_file(f.source, "file", "x");
    batch_of_file(&f, "file", 0);
    fixture_grant(&f);
    assert_ok(step_stage(&f), &f.err);
    assert_int_equal(f.count, 1);
    assert_int_equal(f.staged_records[0].code, ERR_SettleFailed);
    assert_int_equal(f.answer.message.staged.to_prove, 0);
    assert_ok(step_prove(&f), &f.err);
    assert_ok(step_publish(&f, 1), &f.err);
    assert_row(&f.row_records[0], "file", OUTCOME_again, ERR_SettleFailed);
    fixture_grant(&f);
    assert_ok(step_stage(&f), &f.err); /* the second settle holds */
    assert_int_equal(f.staged_records[0].code, 0);
    fixture_close(&f);
}

/* Goal: a mover that is asked to end gives back what it has not done. Method: stopped after the
 * first item, and in the middle of a large file. */
static void test_stopped(void **state)
{
    (void)state;
    fixture_open(&f, "dir", NULL, NULL);
    fixture_file(f.source, "one", "1");
    big_file("two", 'b');
    batch_of_file(&f, "one", 0);
    batch_item(&f, 0, "two", KIND_file, OPERATION_put, 0);
    fixture_grant(&f);
    f.stop_after = 3; /* one: content and end; two: its first MiB */
    assert_ok(step_stage(&f), &f.err);
    assert_int_equal(f.staged_records[0].code, 0);
    assert_int_equal(f.staged_records[1].code, ERR_Stopped);
    f.progressed = 0;
    f.stop_after = 1;
    assert_ok(step_stage(&f), &f.err);
    assert_int_equal(f.staged_records[1].code, ERR_Stopped);
    fixture_close(&f);
}

/* Goal: an asset that cannot be reached is said of each item, and nothing is tried. Method: the
 * error that the boundary found goes in, no assets at all. */
static void test_unreachable(void **state)
{
    struct mover_work work;
    struct envelope task = {.message = {.kind = MSG_stage}, .bodies = 2};
    struct frame_reader reader;
    struct rec_staged record;

    (void)state;
    fixture_open(&f, "mem", NULL, NULL);
    batch_of_file(&f, "file", 0);
    work = fixture_work(&f);
    work.source = work.destination = NULL;
    (void)err_set(&work.unreachable, ERR_AssetUnreachable, "cut in a character: \xc3");
    task.message.stage.hash = HASH_XXH3_128;
    task.body[0] = buf_bytes(&f.dirs);
    task.body[1] = buf_bytes(&f.items);
    assert_ok(mover_stage(&work, &task, &f.answer, &f.err), &f.err);
    assert_ok(frame_open(&reader, f.answer.body[0], &f.err), &f.err);
    assert_int_equal(frame_next_staged(&reader, &record, &f.err), 1);
    assert_int_equal(record.code, ERR_AssetUnreachable);
    assert_true(bytes_equal(record.message, bytes_text("cut in a character: \\xc3")));
    fixture_close(&f);
}

/* Goal: a batch that does not fit is refused as a whole. Method: bad paths, frames cut at every
 * length, a hash that is unknown; the answer has no record and the error says why. */
static void test_hostile(void **state)
{
    struct buf dirs, items;

    (void)state;
    fixture_open(&f, "mem", NULL, NULL);
    fixture_file(f.source, "file", "x");
    fixture_grant(&f);
    batch_begin(&f);
    batch_dir(&f, "../up");
    batch_item(&f, 0, "file", KIND_file, OPERATION_put, 0);
    assert_int_equal(step_stage(&f), -1);
    assert_int_equal(f.err.code, ERR_InvalidPath);
    assert_int_equal(f.count, 0);
    batch_of_file(&f, "..", 0);
    assert_int_equal(step_stage(&f), -1);
    batch_of_file(&f, "file", 0);
    dirs = f.dirs;
    items = f.items;
    for (f.dirs.size = 0; f.dirs.size < dirs.size; f.dirs.size++)
        assert_int_equal(step_stage(&f), -1);
    for (f.items.size = 0; f.items.size < items.size; f.items.size++)
        assert_int_equal(step_stage(&f), -1);
    f.items.size = items.size;
    f.hash = 3;
    assert_int_equal(step_stage(&f), -1);
    f.hash = 0;
    assert_int_equal(step_stage(&f), -1);
    f.hash = HASH_XXH3_128;
    assert_ok(step_stage(&f), &f.err);
    assert_int_equal(f.count, 1);
    fixture_close(&f);
}

/* Goal: a batch whose answer would not fit into a frame is refused before anything is read. Method:
 * items in a directory with a path of half a megabyte. */
static void test_answer_must_fit(void **state)
{
    char *path = memory_or_die(512 << 10);

    (void)state;
    for (size_t i = 0; i < (512 << 10) - 1; i++)
        path[i] = i % 200 == 199 ? '/' : 'd';
    fixture_open(&f, "mem", NULL, NULL);
    batch_begin(&f);
    batch_dir(&f, path);
    for (u32 i = 0; i < 32; i++)
        batch_item(&f, 0, "file", KIND_file, OPERATION_put, 0);
    fixture_grant(&f);
    assert_int_equal(step_stage(&f), -1);
    assert_int_equal(f.err.code, ERR_Protocol);
    free(path);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_changed_once_is_read_again),
        cmocka_unit_test(test_changing_for_ever),
        cmocka_unit_test(test_young_file_waits_for_the_clock),
        cmocka_unit_test(test_vanished),
        cmocka_unit_test(test_refused_kinds),
        cmocka_unit_test(test_revoked),
        cmocka_unit_test(test_no_space),
        cmocka_unit_test(test_io_errors),
        cmocka_unit_test(test_not_kept_is_told),
        cmocka_unit_test(test_strict),
        cmocka_unit_test(test_stopped),
        cmocka_unit_test(test_unreachable),
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_answer_must_fit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
