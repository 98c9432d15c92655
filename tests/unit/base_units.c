/* base_units.c: numbers with units. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/units.h"

/* Goal: durations are read whole, or not at all.
 * Method: a table of good and bad ones; what is refused leaves the result alone. */
static void durations(void **state)
{
    static const struct {
        const char *text;
        s64 ms;
    } good[] = {{"500ms", 500},
                {"10s", 10000},
                {"1h30m", 5400000},
                {"0s", 0},
                {"2d", 172800000},
                {"1w", 604800000},
                {"36500d", 36500 * 86400000LL}};
    static const char *const bad[] = {
        "",         "s", "-1s",  "+1s",  " 1s", "1s ",    "1 s",
        "1x",       "1", "1h30", "1.5h", "1S",  "36501d", "99999999999999999999s",
        "36500d1ms"};
    s64 ms;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        assert_true(units_duration(good[i].text, false, &ms));
        assert_int_equal(ms, good[i].ms);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        ms = 77;
        assert_false(units_duration(bad[i], false, &ms));
        assert_int_equal(ms, 77);
    }
    assert_true(units_duration("90", true, &ms));
    assert_int_equal(ms, 90000);
    assert_false(units_duration("1h30", true, &ms));
}

/* Goal: sizes, rates and percentages are read whole, or not at all.
 * Method: as above. */
static void sizes(void **state)
{
    static const struct {
        const char *text;
        u64 bytes;
    } good[] = {{"0", 0},         {"512", 512},  {"512B", 512},        {"64KiB", 65536},
                {"1MB", 1000000}, {"3kB", 3000}, {"2GiB", 2ull << 30}, {"1TiB", 1ull << 40}};
    static const char *const bad[] = {
        "", "B", "-1", "1 KiB", "1K", "1kib", "1MiB/s", "18446744073709551616", "99999999TiB"};
    u64 bytes;
    u32 percent;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        assert_true(units_size(good[i].text, &bytes));
        assert_int_equal(bytes, good[i].bytes);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(units_size(bad[i], &bytes));
    assert_true(units_rate("200MiB/s", &bytes));
    assert_int_equal(bytes, 200ull << 20);
    assert_false(units_rate("200MiB", &bytes));
    assert_false(units_rate("0MiB/s", &bytes));
    assert_false(units_rate("1MiB/m", &bytes));
    assert_true(units_percent("100%", &percent));
    assert_int_equal(percent, 100);
    assert_false(units_percent("101%", &percent));
    assert_false(units_percent("10", &percent));
    assert_false(units_percent("%", &percent));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(durations), cmocka_unit_test(sizes)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
