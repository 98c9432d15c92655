/* Goal: the options of a job are read as they are meant, and none that is wrong is passed over.
 * Method: JSON in, struct or error out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "planner/spec.h"
#include "schema/limits.h"
#include "wire/message.h"

static void reads(const char *json, struct spec *spec)
{
    struct err err = {0};

    if (spec_parse(json, spec, &err) < 0)
        fail_msg("%s: %s", json, err.text);
}

/* It is refused, and the text has this word. */
static void refused(const char *json, const char *word)
{
    struct spec spec;
    struct err err = {0};

    assert_int_equal(spec_parse(json, &spec, &err), -1);
    assert_int_equal(err.code, ERR_Configuration);
    if (!strstr(err.text, word))
        fail_msg("%s: \"%s\" does not name %s", json, err.text, word);
    assert_int_equal(spec.preserve, PRESERVE_ALL); /* defaults, not the half of it */
    spec_release(&spec);
}

static u32 rules_of(const struct spec *spec)
{
    struct frame_reader reader;
    struct err err;

    assert_int_equal(frame_open(&reader, buf_bytes(&spec->rules), &err), 0);
    return reader.left;
}

static void test_defaults(void **state)
{
    struct spec spec;

    (void)state;
    reads("{}", &spec);
    assert_int_equal(spec.hash, HASH_XXH3_128);
    assert_int_equal(spec.durability, DURABILITY_STANDARD);
    assert_int_equal(spec.preserve, PRESERVE_ALL);
    assert_false(spec.delete_enabled || spec.dry_run || spec.verify || spec.repair);
    assert_true(spec.delete_max == UINT64_MAX);
    assert_int_equal(spec.delete_percent, GUARD_PERCENT);
    assert_int_equal(spec_scan_flags(&spec), 0);
    assert_int_equal(rules_of(&spec), 0);
    spec_release(&spec);
}

static void test_all(void **state)
{
    struct spec spec;

    (void)state;
    reads("{\"filters\": [\"- *.tmp\", \"+ *\"], \"delete\": {\"enabled\": true, \"max\": \"10%\"},"
          " \"compare\": \"checksum\", \"verify\": {\"hash\": \"sha256\"},"
          " \"preserve\": [\"mode\", \"times\"], \"durability\": \"strict\","
          " \"run\": {\"dryRun\": true}}",
          &spec);
    assert_int_equal(rules_of(&spec), 2);
    assert_true(spec.delete_enabled);
    assert_int_equal(spec.delete_percent, 10);
    assert_true(spec.delete_max == UINT64_MAX);
    assert_int_equal(spec_scan_flags(&spec), SCAN_DELETE | SCAN_CHECKSUM);
    assert_int_equal(spec.hash, HASH_SHA256);
    assert_int_equal(spec.preserve, PRESERVE_mode | PRESERVE_times);
    assert_int_equal(spec.durability, DURABILITY_STRICT);
    assert_true(spec.dry_run);
    spec_release(&spec);
}

static void test_limits(void **state)
{
    static const char *const hundred[] = {"{\"delete\": {\"max\": 100}}",
                                          "{\"delete\": {\"max\": \"100\"}}"};
    struct spec spec;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(hundred); i++) {
        reads(hundred[i], &spec);
        assert_int_equal(spec.delete_max, 100);
        assert_true(spec.delete_percent == UINT32_MAX); /* an absolute one is the only one */
        spec_release(&spec);
    }
    reads("{\"delete\": {\"max\": \"0%\"}}", &spec);
    assert_int_equal(spec.delete_percent, 0);
    spec_release(&spec);
}

static void test_verify(void **state)
{
    struct spec spec;

    (void)state;
    reads("{\"delete\": {\"enabled\": true}, \"run\": {\"verify\": true, \"repair\": true}}",
          &spec);
    assert_true(spec.verify && spec.repair);
    assert_int_equal(spec_scan_flags(&spec), SCAN_INVENTORY); /* and removes nothing */
    spec_release(&spec);
}

static void test_bounds(void **state)
{
    struct spec spec;

    (void)state;
    reads("{\"limits\": {\"bandwidth\": \"200MiB/s\", \"lanes\": 8}, \"historyLimit\": 3,"
          " \"retry\": {\"attempts\": 7, \"backoff\": \"2s\", \"maxBackoff\": \"5s\"}}",
          &spec);
    assert_true(spec.limits.bandwidth == 200ull << 20);
    assert_int_equal(spec.limits.lanes, 8);
    assert_int_equal(spec.attempts, 7);
    assert_int_equal(spec_item_backoff_ms(&spec, 1), 2000);
    assert_int_equal(spec_item_backoff_ms(&spec, 2), 4000);
    assert_int_equal(spec_item_backoff_ms(&spec, 3), 5000);
    assert_int_equal(spec_item_backoff_ms(&spec, 1000), 5000);
    assert_int_equal(spec_place_backoff_ms(&spec, 1), 2000);
    spec_release(&spec);
    /* what is not given: an item is tried again soon, a place later */
    reads("{\"retry\": {}}", &spec);
    assert_true(spec.limits.bandwidth == 0 && spec.limits.lanes == 0);
    assert_int_equal(spec.attempts, ITEM_ATTEMPTS);
    assert_int_equal(spec_item_backoff_ms(&spec, 1), RETRY_FIRST_MS);
    assert_int_equal(spec_item_backoff_ms(&spec, 4), RETRY_FIRST_MS * 8);
    assert_int_equal(spec_place_backoff_ms(&spec, 1), BACKOFF_FIRST_MS);
    assert_int_equal(spec_place_backoff_ms(&spec, 100), BACKOFF_MOST_MS);
    spec_release(&spec);
}

static void test_limits_alone(void **state)
{
    struct limits limits = {.bandwidth = 5, .lanes = 6};
    struct err err;

    (void)state;
    assert_int_equal(spec_parse_limits("{\"bandwidth\": \"1kB/s\"}", &limits, &err), 0);
    assert_true(limits.bandwidth == 1000 && limits.lanes == 0);
    /* what does not fit changes nothing */
    assert_int_equal(spec_parse_limits("{\"bandwidth\": \"2kB/s\", \"lanes\": 0}", &limits, &err),
                     -1);
    assert_int_equal(spec_parse_limits("{", &limits, &err), -1);
    assert_true(limits.bandwidth == 1000 && limits.lanes == 0);
    assert_int_equal(spec_parse_limits(NULL, &limits, &err), 0);
    assert_true(limits.bandwidth == 0);
}

/* A job about an earlier one: which, and that what failed there is done again without removing. */
static void test_reference(void **state)
{
    struct spec spec;

    (void)state;
    reads("{\"delete\": {\"enabled\": true}, \"run\": {\"only\": \"s-1\"}}", &spec);
    assert_string_equal(spec.only, "s-1");
    assert_null(spec.plan);
    assert_int_equal(spec_scan_flags(&spec), 0);
    spec_release(&spec);
    reads("{\"delete\": {\"enabled\": true}, \"run\": {\"plan\": \"s-2\"}}", &spec);
    assert_string_equal(spec.plan, "s-2");
    assert_int_equal(spec_scan_flags(&spec), SCAN_DELETE);
    spec_release(&spec);
}

static void test_refused(void **state)
{
    (void)state;
    refused("{\"limits\": 5}", "limits");
    refused("{\"limits\": {\"bandwidth\": \"fast\"}}", "limits.bandwidth");
    refused("{\"limits\": {\"bandwidth\": 7}}", "limits.bandwidth");
    refused("{\"limits\": {\"lanes\": 0}}", "limits.lanes");
    refused("{\"limits\": {\"lanes\": 65537}}", "limits.lanes");
    refused("{\"limits\": {\"depth\": 1}}", "limits.depth");
    refused("{\"retry\": {\"attempts\": 0}}", "retry.attempts");
    refused("{\"retry\": {\"attempts\": 1001}}", "retry.attempts");
    refused("{\"retry\": {\"backoff\": 5}}", "retry.backoff");
    refused("{\"retry\": {\"backoff\": \"0s\"}}", "retry.backoff");
    refused("{\"retry\": {\"maxBackoff\": \"2d\"}}", "retry.maxBackoff");
    refused("{\"retry\": {\"after\": \"2d\"}}", "retry.after");
    refused("{\"historyLimit\": 0}", "historyLimit");
    refused("{\"historyLimit\": 10001}", "historyLimit");
    refused("", "JSON");
    refused("[]", "spec");
    refused("{\"filter\": []}", "spec.filter");
    refused("{\"filters\": \"- *\"}", "filters");
    refused("{\"filters\": [7]}", "filters");
    refused("{\"filters\": [\"nonsense\"]}", "filters");
    refused("{\"delete\": true}", "delete");
    refused("{\"delete\": {\"enabled\": \"yes\"}}", "delete.enabled");
    refused("{\"delete\": {\"max\": -1}}", "delete.max");
    refused("{\"delete\": {\"max\": \"101%\"}}", "delete.max");
    refused("{\"delete\": {\"max\": \"-5\"}}", "delete.max");
    refused("{\"delete\": {\"max\": \"many\"}}", "delete.max");
    refused("{\"delete\": {\"max\": 1.5}}", "delete.max");
    refused("{\"delete\": {\"maximum\": 1}}", "delete.maximum");
    refused("{\"compare\": \"size\"}", "compare");
    refused("{\"verify\": {\"hash\": \"md5\"}}", "verify.hash");
    refused("{\"preserve\": [\"mode\", \"colour\"]}", "preserve");
    refused("{\"preserve\": \"mode\"}", "preserve");
    refused("{\"durability\": \"some\"}", "durability");
    refused("{\"run\": {\"dryRun\": 1}}", "run.dryRun");
    refused("{\"run\": {\"repair\": true}}", "run.repair");
    refused("{\"run\": {\"dryRun\": true, \"verify\": true}}", "run");
    refused("{\"preserve\": [\"mode\"], \"compare\": 1}", "compare");
    refused("{\"run\": {\"only\": 1}}", "run.only");
    refused("{\"run\": {\"plan\": \"\"}}", "run.plan");
    refused("{\"run\": {\"only\": \"s-1\", \"plan\": \"s-2\"}}", "run");
    refused("{\"run\": {\"only\": \"s-1\", \"dryRun\": true}}", "run");
    refused("{\"run\": {\"plan\": \"s-1\", \"verify\": true}}", "run");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),     cmocka_unit_test(test_all),
        cmocka_unit_test(test_limits),       cmocka_unit_test(test_verify),
        cmocka_unit_test(test_refused),      cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_limits_alone), cmocka_unit_test(test_reference),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
