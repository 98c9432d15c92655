/* Goal: what a worker says became of a batch is only taken if it is about that batch.
 * Method: rows as a mover or verifier would send them, right and wrong, read against one batch. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "planner/planner.h"

struct fixture {
    struct job job;
    struct job_batch batch;
    struct buf rows;
    struct frame_writer writer;
    struct verdict verdict;
};

static void add_item(struct frame_writer *writer, const char *name, u32 operation)
{
    struct rec_item item = {.name = bytes_text(name),
                            .kind = operation == OPERATION_directory ? KIND_directory : KIND_file,
                            .operation = operation,
                            .size = 10,
                            .inode = 5};

    if (operation == OPERATION_link) {
        item.target = bytes_text("d/leader");
        item.target_inode = 7;
    }
    frame_add_item(writer, &item);
}

/* d/a is put, d/b linked, d/c removed, d/e a directory. */
static void set_up(struct fixture *fixture)
{
    struct frame_writer writer;
    struct rec_dir dir = {.path = bytes_text("d")};

    memset(fixture, 0, sizeof *fixture);
    fixture->job.spec.attempts = ITEM_ATTEMPTS;
    fixture->batch.step = STEP_PUBLISH;
    fixture->batch.attempt = 1;
    fixture->batch.items = 4;
    frame_begin(&writer, &fixture->batch.dirs);
    frame_add_dir(&writer, &dir);
    frame_end(&writer);
    frame_begin(&writer, &fixture->batch.records);
    add_item(&writer, "a", OPERATION_put);
    add_item(&writer, "b", OPERATION_link);
    add_item(&writer, "c", OPERATION_remove);
    add_item(&writer, "e", OPERATION_directory);
    frame_end(&writer);
    frame_begin(&fixture->writer, &fixture->rows);
}

static void add(struct fixture *fixture, u32 index, const char *path, u32 operation, u32 outcome)
{
    struct rec_row row = {.index = index,
                          .path = bytes_text(path),
                          .kind = operation == OPERATION_directory ? KIND_directory : KIND_file,
                          .operation = operation,
                          .outcome = outcome,
                          .size = 10,
                          .message = bytes_text("")};

    frame_add_row(&fixture->writer, &row);
}

static int read_all(struct fixture *fixture)
{
    int rc;

    frame_end(&fixture->writer);
    rc = verdict_read(&fixture->job, &fixture->batch, buf_bytes(&fixture->rows), &fixture->verdict);
    buf_release(&fixture->rows);
    buf_release(&fixture->batch.dirs);
    buf_release(&fixture->batch.records);
    return rc;
}

static void test_counts(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    add(&f, 3, "d/e", OPERATION_directory, OUTCOME_pending);
    add(&f, 0, "d/a", OPERATION_put, OUTCOME_moved);
    add(&f, 1, "d/b", OPERATION_link, OUTCOME_linked);
    add(&f, 2, "d/c", OPERATION_remove, OUTCOME_kept);
    add(&f, UINT32_MAX, "d", OPERATION_directory, OUTCOME_pending);
    assert_int_equal(read_all(&f), 0);
    assert_int_equal(f.verdict.answered, 4);
    assert_int_equal(f.verdict.counters.value[COUNTER_moved], 1);
    assert_int_equal(f.verdict.counters.value[COUNTER_bytes_moved], 10);
    assert_int_equal(f.verdict.counters.value[COUNTER_linked], 1);
    assert_int_equal(f.verdict.counters.value[COUNTER_removed], 0);
    assert_int_equal(f.verdict.counters.value[COUNTER_extra], 1);
}

/* One row that is wrong, among right ones. */
static void refused(u32 index, const char *path, u32 operation, u32 outcome)
{
    struct fixture f;

    set_up(&f);
    add(&f, index, path, operation, outcome);
    if (index != 0)
        add(&f, 0, "d/a", OPERATION_put, OUTCOME_moved);
    if (index != 1)
        add(&f, 1, "d/b", OPERATION_link, OUTCOME_linked);
    if (index != 2)
        add(&f, 2, "d/c", OPERATION_remove, OUTCOME_removed);
    if (index != 3)
        add(&f, 3, "d/e", OPERATION_directory, OUTCOME_moved);
    assert_int_equal(read_all(&f), -1);
}

static void test_wrong_rows(void **state)
{
    (void)state;
    refused(0, "d/b", OPERATION_put, OUTCOME_moved);  /* another's path */
    refused(0, "d/xa", OPERATION_put, OUTCOME_moved); /* nobody's */
    refused(0, "a", OPERATION_put, OUTCOME_moved);
    refused(0, "d/a", OPERATION_remove, OUTCOME_removed); /* not what was asked for */
    refused(0, "d/a", OPERATION_put, OUTCOME_removed);
    refused(0, "d/a", OPERATION_put, OUTCOME_linked);
    refused(0, "d/a", OPERATION_put, OUTCOME_planned);
    refused(0, "d/a", OPERATION_put, OUTCOME_unchanged); /* only a check says that */
    refused(0, "d/a", OPERATION_put, 99);
    refused(1, "d/b", OPERATION_link, OUTCOME_moved);
    refused(2, "d/c", OPERATION_remove, OUTCOME_pending);
    refused(4, "d/a", OPERATION_put, OUTCOME_moved); /* no such item */
    refused(UINT32_MAX, "x", OPERATION_directory, OUTCOME_pending);
    refused(UINT32_MAX, "d", OPERATION_directory, OUTCOME_moved);
    refused(UINT32_MAX, "d", OPERATION_put, OUTCOME_pending);
}

static void test_each_once(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    add(&f, 0, "d/a", OPERATION_put, OUTCOME_moved);
    add(&f, 0, "d/a", OPERATION_put, OUTCOME_moved);
    assert_int_equal(read_all(&f), -1);
    set_up(&f); /* and none left out */
    add(&f, 0, "d/a", OPERATION_put, OUTCOME_moved);
    assert_int_equal(read_all(&f), -1);
}

static void test_checks(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    f.batch.step = STEP_CHECK;
    f.batch.items = 1;
    buf_release(&f.batch.records);
    struct frame_writer writer;
    frame_begin(&writer, &f.batch.records);
    add_item(&writer, "a", OPERATION_put);
    frame_end(&writer);
    add(&f, 0, "d/a", OPERATION_put, OUTCOME_rotten);
    assert_int_equal(read_all(&f), 0);
}

/* In its last attempt: d/a failed for its place, d/b is not to be tried again. */
static int read_again(struct fixture *f, u32 code)
{
    struct rec_row row = {.path = bytes_text("d/a"),
                          .kind = KIND_file,
                          .operation = OPERATION_put,
                          .outcome = OUTCOME_again,
                          .code = code,
                          .message = bytes_text("why")};

    f->batch.attempt = f->job.spec.attempts;
    frame_add_row(&f->writer, &row);
    add(f, 1, "d/b", OPERATION_link, OUTCOME_linked);
    add(f, 2, "d/c", OPERATION_remove, OUTCOME_removed);
    add(f, 3, "d/e", OPERATION_directory, OUTCOME_moved);
    return read_all(f);
}

static void test_blocked(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    assert_int_equal(read_again(&f, ERR_NoSpace), 0);
    assert_true(f.verdict.blocked[0] && f.verdict.blocked_count == 1);
    assert_int_equal(f.verdict.again_count, 1);
    assert_int_equal(f.verdict.place_code, ERR_NoSpace);
    assert_string_equal(f.verdict.place_message, "\"d/a\": why");
    assert_int_equal(f.verdict.counters.value[COUNTER_failed], 0);
    /* what is the item's own has no more attempts; a job that waits for nothing has none either */
    set_up(&f);
    assert_int_equal(read_again(&f, ERR_IoError), -1);
    set_up(&f);
    f.job.adhoc = true;
    assert_int_equal(read_again(&f, ERR_NoSpace), -1);
    set_up(&f);
    f.job.fail_code = ERR_Cancelled;
    assert_int_equal(read_again(&f, ERR_NoSpace), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocked),    cmocka_unit_test(test_counts),
        cmocka_unit_test(test_wrong_rows), cmocka_unit_test(test_each_once),
        cmocka_unit_test(test_checks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
