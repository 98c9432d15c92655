/* Goal: a place that fails is tried by one at a time, ever later, and is closed only by what asks
 * for as much as had failed. Method: the breaker with times of our own; shares of a limit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "planner/planner.h"

/* Of somebody who has nothing to do with the trial. */
static enum breaker_answer other(const struct breaker *breaker, enum place_use use, s64 now_ms)
{
    return breaker_ask(breaker, use, false, false, now_ms);
}

static void test_closed(void **state)
{
    struct breaker breaker = {0};

    (void)state;
    for (int use = USE_PROBE; use <= USE_CONTENT; use++)
        assert_int_equal(other(&breaker, (enum place_use)use, 0), BREAKER_GO);
    assert_true(breaker_counts(&breaker, 0));
}

static void test_open_until_its_time(void **state)
{
    struct breaker breaker = {0};

    (void)state;
    assert_true(breaker_failed(&breaker, USE_CONTENT, 100, 1000));
    assert_int_equal(breaker.failures, 1);
    for (int use = USE_PROBE; use <= USE_CONTENT; use++)
        assert_int_equal(other(&breaker, (enum place_use)use, 1099), BREAKER_WAIT);
    /* what prepares goes, what had failed is the trial */
    assert_int_equal(other(&breaker, USE_GRANT, 1100), BREAKER_GO);
    assert_int_equal(other(&breaker, USE_CONTENT, 1100), BREAKER_TRIAL);
}

/* What was on its way when it opened fails, too, and neither counts nor moves the time. */
static void test_those_on_their_way(void **state)
{
    struct breaker breaker = {0};

    (void)state;
    assert_true(breaker_failed(&breaker, USE_CONTENT, 100, 1000));
    for (s64 now_ms = 1000; now_ms < 1100; now_ms += 10) {
        assert_false(breaker_counts(&breaker, now_ms));
        assert_false(breaker_failed(&breaker, USE_CONTENT, 900, now_ms));
    }
    assert_int_equal(breaker.failures, 1);
    assert_int_equal(breaker.next_ms, 1100);
}

static void test_one_trial(void **state)
{
    struct breaker breaker = {0};

    (void)state;
    breaker_failed(&breaker, USE_CONTENT, 100, 1000);
    breaker_try(&breaker);
    assert_int_equal(other(&breaker, USE_CONTENT, 5000), BREAKER_WAIT);
    assert_int_equal(other(&breaker, USE_OPEN, 5000), BREAKER_WAIT);
    assert_int_equal(breaker_ask(&breaker, USE_CONTENT, true, true, 5000), BREAKER_GO);
    assert_int_equal(breaker_ask(&breaker, USE_GRANT, false, true, 5000), BREAKER_GO);
    assert_int_equal(breaker_ask(&breaker, USE_CONTENT, false, true, 5000), BREAKER_WAIT);
    /* it fails: later, and open again */
    assert_true(breaker_failed(&breaker, USE_CONTENT, 200, 5000));
    assert_int_equal(breaker.failures, 2);
    assert_int_equal(other(&breaker, USE_CONTENT, 5199), BREAKER_WAIT);
    assert_int_equal(other(&breaker, USE_CONTENT, 5200), BREAKER_TRIAL);
    /* it works */
    breaker_try(&breaker);
    assert_true(breaker_worked(&breaker, USE_CONTENT));
    assert_int_equal(breaker.state, BREAKER_CLOSED);
    assert_int_equal(breaker.failures, 0);
}

/* A grant that works between two contents that do not would begin the count anew for ever. */
static void test_lesser_uses_do_not_close(void **state)
{
    struct breaker breaker = {0};

    (void)state;
    breaker_failed(&breaker, USE_GRANT, 100, 0);
    assert_int_equal(breaker.use, USE_GRANT);
    breaker_failed(&breaker, USE_CONTENT, 100, 100);
    assert_int_equal(breaker.use, USE_CONTENT);
    breaker_failed(&breaker, USE_GRANT, 100, 200);
    assert_int_equal(breaker.use, USE_CONTENT);
    assert_int_equal(breaker.failures, 3);
    breaker_try(&breaker);
    assert_false(breaker_worked(&breaker, USE_GRANT));
    assert_int_equal(breaker.state, BREAKER_TRYING);
    assert_true(breaker_worked(&breaker, USE_CONTENT));
}

/* Its worker is lost: nothing is known, and the next one may try at once. */
static void test_a_trial_without_an_end(void **state)
{
    struct breaker breaker = {0};

    (void)state;
    breaker_failed(&breaker, USE_OPEN, 100, 0);
    breaker_try(&breaker);
    breaker_void(&breaker);
    assert_int_equal(breaker.failures, 1);
    assert_int_equal(other(&breaker, USE_OPEN, 100), BREAKER_TRIAL);
    breaker = (struct breaker){0};
    breaker_void(&breaker);
    assert_int_equal(breaker.state, BREAKER_CLOSED);
}

/* Shares are in proportion, never more than the limit together, and nobody's is none. */
static void test_shares(void **state)
{
    static const u32 weights[] = {1, 3, 7, 500};
    static const u64 limits[] = {1000, 10485760, UINT64_MAX / 2};
    u32 total = 0;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(weights); i++)
        total += weights[i];
    for (size_t l = 0; l < COUNT_OF(limits); l++) {
        u64 sum = 0, before = 0;

        for (size_t i = 0; i < COUNT_OF(weights); i++) {
            u64 share = pace_share(limits[l], weights[i], total);

            assert_true(share > 0 && share >= before);
            before = share;
            sum += share;
        }
        assert_true(sum <= limits[l] && sum + COUNT_OF(weights) > limits[l]);
    }
    assert_int_equal(pace_share(10 << 20, 4, 4), 10 << 20);
    assert_int_equal(pace_share(1, 1, 3), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_closed),
        cmocka_unit_test(test_open_until_its_time),
        cmocka_unit_test(test_those_on_their_way),
        cmocka_unit_test(test_one_trial),
        cmocka_unit_test(test_lesser_uses_do_not_close),
        cmocka_unit_test(test_a_trial_without_an_end),
        cmocka_unit_test(test_shares),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
