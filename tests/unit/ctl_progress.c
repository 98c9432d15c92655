/* ctl_progress.c: what people read while a job goes, and what programs read when it has ended. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ctl/job_json.h"
#include "ctl/progress.h"
#include "ctl/show.h"

/* Goal: a scan that is still going promises no end, one that is complete shows how far it is.
 * Method: the same counters, before and after. */
static void line(void **state)
{
    struct progress_state now = {.job = "a-1", .phase = PHASE_Running, .waiting_for = ""};
    struct progress_rate rate = {0};
    struct buf text = {0};

    (void)state;
    now.counters.value[COUNTER_scanned] = 4000;
    now.counters.value[COUNTER_moved] = 1000;
    now.counters.value[COUNTER_bytes_found] = 200000000;
    now.counters.value[COUNTER_bytes_moved] = 50000000;
    progress_line(&now, &rate, 0, &text);
    assert_string_equal(buf_text(&text), "Running  1,000 of at least 4,000 items  50.0 MB");
    buf_clear(&text);
    now.scan_complete = true;
    now.waiting_for = "a mover";
    now.counters.value[COUNTER_failed] = 2;
    progress_line(&now, &rate, 0, &text);
    assert_string_equal(buf_text(&text),
                        "Running (waiting for a mover)  [=====>              ]  25%  "
                        "1,002 of 4,000 items  50.0 MB  failed 2");
    buf_clear(&text);
    progress_line(&now, &rate, 20, &text);
    assert_int_equal(text.size, 20);
    buf_release(&text);
}

/* Goal: the rate follows the last seconds, smoothly, and does not depend on how often it is asked.
 * Method: a steady flow is its own average; after a stop it falls; steps that are too short do not
 * count. */
static void rate(void **state)
{
    struct progress_state now = {.phase = PHASE_Running, .now_ms = 1000};
    struct progress_rate measured = {0};
    double before;

    (void)state;
    progress_rate_update(&measured, &now);
    assert_false(measured.known);
    for (int i = 0; i < 100; i++) {
        now.now_ms += 100;
        now.counters.value[COUNTER_bytes_moved] += 1000;
        progress_rate_update(&measured, &now);
    }
    assert_true(measured.bytes_per_s > 9999 && measured.bytes_per_s < 10001);
    before = measured.bytes_per_s;
    now.now_ms += 50;
    progress_rate_update(&measured, &now);
    assert_true(measured.bytes_per_s == before);
    now.now_ms += 3000;
    progress_rate_update(&measured, &now);
    assert_true(measured.bytes_per_s < 0.7 * before && measured.bytes_per_s > 0);
}

/* Goal: the end of a job is told in three lines, the last one bytes over wall time.
 * Method: one job with and one without anything to do. */
static void summary(void **state)
{
    struct job job = {.name = "a-1", .phase = PHASE_Succeeded, .duration_ms = 2000};
    struct buf text = {0};

    (void)state;
    job.counters.value[COUNTER_scanned] = 10;
    job.counters.value[COUNTER_unchanged] = 10;
    progress_summary(&job, &text);
    assert_string_equal(buf_text(&text),
                        "a-1: Succeeded\n"
                        "  10 scanned, 10 unchanged, 0 moved and proven, 0 failed\n"
                        "  0 B in 2.00 s\n");
    buf_clear(&text);
    job.phase = PHASE_CompletedWithErrors;
    job.counters.value[COUNTER_moved] = 1234;
    job.counters.value[COUNTER_vanished] = 1;
    job.counters.value[COUNTER_failed] = 2;
    job.counters.value[COUNTER_bytes_moved] = 3000000;
    progress_summary(&job, &text);
    assert_string_equal(buf_text(&text),
                        "a-1: CompletedWithErrors\n"
                        "  10 scanned, 10 unchanged, 1,234 moved and proven, 1 vanished, 2 failed\n"
                        "  3.0 MB in 2.00 s (1.5 MB/s)\n");
    buf_release(&text);
}

/* Goal: a job as JSON has every promised field, null where there is no value, and no other.
 * Method: an empty job against the list of fields. */
static void json(void **state)
{
    static const char *const fields[] = {
        "name",         "uid",          "kind",       "synchronization", "trigger",
        "scheduledFor", "startBy",      "phase",      "reason",          "message",
        "createdAt",    "startedAt",    "finishedAt", "lastProgressAt",  "waitingFor",
        "counters",     "scanComplete", "notKept",    "supersededBy",    "labels"};
    struct job job = {.name = "a-1",
                      .phase = PHASE_Failed,
                      .reason = "SourceMissing",
                      .not_kept = "{\"OwnerNotKept\": 3}"};
    json_t *made, *counters;

    (void)state;
    job.counters.value[COUNTER_bytes_found] = 1LL << 60;
    made = job_to_json(&job);
    assert_int_equal(json_object_size(made), COUNT_OF(fields));
    for (size_t i = 0; i < COUNT_OF(fields); i++)
        assert_non_null(json_object_get(made, fields[i]));
    assert_true(json_is_null(json_object_get(made, "startedAt")));
    assert_string_equal(json_string_value(json_object_get(made, "phase")), "Failed");
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(made, "notKept"), "OwnerNotKept")), 3);
    assert_true(json_is_null(json_object_get(made, "supersededBy")));
    counters = json_object_get(made, "counters");
    assert_int_equal(json_object_size(counters), COUNTER_COUNT);
    assert_int_equal(json_integer_value(json_object_get(counters, "bytesFound")), 1LL << 60);
    json_decref(made);
}

static void check_shown(void (*show)(struct buf *, s64), s64 value, const char *expected)
{
    struct buf text = {0};

    show(&text, value);
    assert_string_equal(buf_text(&text), expected);
    buf_release(&text);
}

/* Goal: numbers read well at every size.
 * Method: the edges between units. */
static void numbers(void **state)
{
    (void)state;
    check_shown(show_count, 0, "0");
    check_shown(show_count, 999, "999");
    check_shown(show_count, 1000, "1,000");
    check_shown(show_count, -1234567, "-1,234,567");
    check_shown(show_bytes, 0, "0 B");
    check_shown(show_bytes, 999, "999 B");
    check_shown(show_bytes, 1000, "1.0 kB");
    check_shown(show_bytes, 999949, "999.9 kB");
    check_shown(show_bytes, 999951, "1.0 MB");
    check_shown(show_bytes, 3LL << 40, "3.3 TB");
    check_shown(show_duration, 0, "0.00 s");
    check_shown(show_duration, 9990, "9.99 s");
    check_shown(show_duration, 10000, "10.0 s");
    check_shown(show_duration, 60000, "1m00s");
    check_shown(show_duration, 3600000, "1h00m");
    check_shown(show_duration, 400000000, "4d15h");
    check_shown(show_duration, -1, "-");
}

/* Goal: the same two paths always have the same name, others another one.
 * Method: pairs whose texts run together alike. */
static void adhoc_name(void **state)
{
    char first[ADHOC_NAME_SIZE], second[ADHOC_NAME_SIZE];

    (void)state;
    jobs_adhoc_name("/a", "/bc", first);
    jobs_adhoc_name("/a", "/bc", second);
    assert_string_equal(first, second);
    assert_int_equal(strlen(first), strlen("sync-01234567"));
    jobs_adhoc_name("/a/b", "c", second);
    assert_string_not_equal(first, second);
    jobs_adhoc_name("/bc", "/a", second);
    assert_string_not_equal(first, second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(line), cmocka_unit_test(rate),    cmocka_unit_test(summary),
        cmocka_unit_test(json), cmocka_unit_test(numbers), cmocka_unit_test(adhoc_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
