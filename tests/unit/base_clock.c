/* Goal: a time that a filesystem cut off is the time that was set, and one that somebody else set
 * is not. Method: times around each grain, with ctimes that have finer digits and that have not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"

static void test_times(void **state)
{
    static const struct {
        s64 wanted, is, ctime;
        bool kept;
    } cases[] = {
        {5, 5, 123456789, true},                            /* the same */
        {1500000000, 1000000000, 9 * NS_PER_S, true},       /* whole seconds */
        {1500000000, 1000000000, 9 * NS_PER_S + 1, false},  /* kept finer ones */
        {3500000000, 2 * NS_PER_S, 8 * NS_PER_S, true},     /* two seconds */
        {3500000000, 2 * NS_PER_S, 9 * NS_PER_S, false},    /* whole ones are kept */
        {1234567891, 1234567000, 5000, true},               /* microseconds */
        {-1500000000, -2 * NS_PER_S, 8 * NS_PER_S, true},   /* before 1970 */
        {-1500000000, -1 * NS_PER_S, 8 * NS_PER_S, false},  /* towards the past */
        {1000000000, 1500000000, 9 * NS_PER_S, false},      /* younger */
        {10 * NS_PER_S, 1 * NS_PER_S, 9 * NS_PER_S, false}, /* much older */
        {INT64_MAX, INT64_MIN, 0, false},
        {INT64_MIN, INT64_MAX, 0, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        if (time_is_kept(cases[i].wanted, cases[i].is, cases[i].ctime) != cases[i].kept)
            fail_msg("case %zu", i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_times)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
