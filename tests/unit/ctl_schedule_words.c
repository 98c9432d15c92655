/* ctl_schedule_words.c: schedules in words. Goal: somebody who reads no cron is told what it is.
 * Method: one of each form. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "ctl/schedule_words.h"

static const struct {
    const char *schedule, *words;
} cases[] = {
    {"* * * * *", "every minute"},
    {"*/15 * * * *", "every 15 minutes"},
    {"*/7 * * * *", "at minutes 0, 7, 14, 21, 28, 35, 42, 49 and 56 of every hour"},
    {"*/10 9-17 * * *", "every 10 minutes of hours 9 to 17"},
    {"30 * * * *", "at minute 30 of every hour"},
    {"@hourly", "at minute 0 of every hour"},
    {"0 */6 * * *", "at minute 0 of every 6 hours from midnight"},
    {"0 2 * * *", "at 02:00 every day"},
    {"59 23 * * 0,6", "at 23:59 on Sunday and Saturday"},
    {"5,35 8-17 * * Mon-Fri", "at minutes 5 and 35 of hours 8 to 17 on Monday to Friday"},
    {"0 0,1 * * *", "at minute 0 of hours 0 and 1"},
    {"0 0 1,15 * Fri", "at 00:00 on days 1 and 15 of the month, and on Friday"},
    {"0 0 */10 * Mon", "at 00:00 on days 1, 11, 21 and 31 of the month, if it is Monday"},
    {"0 12 1 1,7 *", "at 12:00 on day 1 of the month in January and July"},
    {"@yearly", "at 00:00 on day 1 of the month in January"},
    {"@every 90m", "every 1h30m, counted from when it was made"},
    {"@every 2s", "every 2s, counted from when it was made"},
    {"@every 26h", "every 1d2h, counted from when it was made"},
};

static void forms(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buf text = {0};
        struct cron cron;
        size_t position;
        struct err err;

        assert_int_equal(cron_parse(cases[i].schedule, &cron, &position, &err), 0);
        schedule_words(&cron, &text);
        assert_string_equal(buf_text(&text), cases[i].words);
        buf_release(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(forms)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
