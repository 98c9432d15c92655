/* Goal: the retry policy of an item is the table of errors.def with two exceptions. Method: each
 * code of the table, at the first and at the last attempt, against what its disposition says. */
#include "mover_fixture.h"

static const u32 codes[] = {
#define ERROR(name, number, disposition, text) number,
#include "schema/errors.def"
#undef ERROR
};

static enum outcome outcome_in(u32 code, u32 attempt)
{
    return mover_outcome(code, &(struct mover_tries){attempt, ITEM_ATTEMPTS, false});
}

static enum outcome outcome_of_removal_in(u32 code, u32 attempt)
{
    return mover_outcome_of_removal(code, &(struct mover_tries){attempt, ITEM_ATTEMPTS, false});
}

static void test_every_code(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(codes); i++) {
        u32 code = codes[i];
        bool retry = err_disposition_of(code) == DISPOSITION_RETRY || code == ERR_SettleFailed;
        u32 last = code == ERR_Vanished  ? OUTCOME_vanished
                   : code == ERR_Changed ? OUTCOME_changed
                                         : OUTCOME_failed;

        assert_int_equal(outcome_in(code, 1), retry ? OUTCOME_again : last);
        assert_int_equal(outcome_in(code, ITEM_ATTEMPTS - 1), retry ? OUTCOME_again : last);
        assert_int_equal(outcome_in(code, ITEM_ATTEMPTS), last);
        assert_int_equal(outcome_in(code, UINT32_MAX), last);
    }
}

/* Goal: a removal that does not hold is kept, and only what passes by itself is tried again.
 * Method: each code of the table. */
static void test_removals(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(codes); i++) {
        u32 code = codes[i];
        bool again = outcome_in(code, 1) == OUTCOME_again && code != ERR_Changed;

        assert_int_equal(outcome_of_removal_in(code, 1), again ? OUTCOME_again : OUTCOME_kept);
        assert_int_equal(outcome_of_removal_in(code, ITEM_ATTEMPTS), OUTCOME_kept);
    }
}

/* Goal: a definition's number of attempts is the one that counts. Method: one and a thousand. */
static void test_attempts(void **state)
{
    (void)state;
    assert_int_equal(mover_outcome(ERR_IoError, &(struct mover_tries){1, 1, false}),
                     OUTCOME_failed);
    assert_int_equal(mover_outcome(ERR_Changed, &(struct mover_tries){1, 1, false}),
                     OUTCOME_changed);
    assert_int_equal(mover_outcome(ERR_IoError, &(struct mover_tries){999, 1000, false}),
                     OUTCOME_again);
}

/* Goal: what waits for its place is tried again whatever the attempt, and nothing else is.
 * Method: each code of the table, in the last attempt. */
static void test_waits(void **state)
{
    const struct mover_tries last = {5, 5, true};
    u32 waits = 0;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(codes); i++) {
        bool again = err_is_of_place(codes[i]);

        waits += again;
        assert_int_equal(mover_outcome(codes[i], &last) == OUTCOME_again, again);
        assert_int_equal(mover_outcome_of_removal(codes[i], &last),
                         again ? OUTCOME_again : OUTCOME_kept);
    }
    assert_int_equal(waits, 7);
    assert_true(err_is_of_place(ERR_NoSpace) && err_is_of_place(ERR_AssetUnreachable));
    assert_false(err_is_of_place(ERR_SourceMissing) || err_is_of_place(ERR_IoError));
}

/* Goal: a number that no version knows is not tried for ever. Method: such a number. */
static void test_unknown_code(void **state)
{
    (void)state;
    assert_int_equal(outcome_in(4711, 1), OUTCOME_failed);
    assert_false(mover_gives_back(4711));
}

static void test_what_is_given_back(void **state)
{
    (void)state;
    assert_true(mover_gives_back(ERR_Revoked));
    assert_true(mover_gives_back(ERR_Stopped));
    assert_false(mover_gives_back(ERR_Ok));
    assert_false(mover_gives_back(ERR_NoSpace));
    assert_true(mover_ends_batch(ERR_NoSpace));
    assert_true(mover_ends_batch(ERR_Revoked));
    assert_false(mover_ends_batch(ERR_AccessDenied));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_code),   cmocka_unit_test(test_removals),
        cmocka_unit_test(test_attempts),     cmocka_unit_test(test_waits),
        cmocka_unit_test(test_unknown_code), cmocka_unit_test(test_what_is_given_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
