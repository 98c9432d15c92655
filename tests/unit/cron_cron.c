/* cron_cron.c: the text of a schedule. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cron/calendar.h"
#include "cron/cron.h"

#include <stdio.h>

#define ALL(bits) ((1ull << (bits)) - 1)

static struct cron parsed(const char *text)
{
    struct cron cron;
    size_t position;
    struct err err;

    if (cron_parse(text, &cron, &position, &err) < 0)
        fail_msg("%s: at %zu: %s", text, position, err.text);
    return cron;
}

static bool is_same(const struct cron *a, const struct cron *b)
{
    return a->every_ms == b->every_ms && a->minutes == b->minutes && a->hours == b->hours &&
           a->days == b->days && a->months == b->months && a->weekdays == b->weekdays &&
           a->any_minute == b->any_minute && a->any_hour == b->any_hour &&
           a->any_day == b->any_day && a->any_weekday == b->any_weekday;
}

/* Goal: fields become what they mean.
 * Method: a schedule, and the bits of each of its fields. */
static void fields(void **state)
{
    static const struct {
        const char *text;
        struct cron wanted;
    } rows[] = {
        {"0 2 * * *", {0, 1, 1 << 2, ALL(31) << 1, ALL(12) << 1, ALL(7), false, false, true, true}},
        {"* * * * *",
         {0, ALL(60), ALL(24), ALL(31) << 1, ALL(12) << 1, ALL(7), true, true, true, true}},
        {"\t 05\t23  31 12 7 ", {0, 1 << 5, 1 << 23, 1u << 31, 1 << 12, 1, 0, 0, 0, 0}},
        {"*/15 0-23/6 1,15 jan,Mar-mAY mon-FRI",
         {0, 1 | 1 << 15 | 1 << 30 | 1ull << 45, 1 | 1 << 6 | 1 << 12 | 1 << 18, 1 << 1 | 1 << 15,
          1 << 1 | 1 << 3 | 1 << 4 | 1 << 5, 0x3e, true, false, false, false}},
        {"10-20/5,59,0-0 0 1 1 5-7",
         {0, 1 | 1 << 10 | 1 << 15 | 1 << 20 | 1ull << 59, 1, 2, 2, 0x61, 0, 0, 0, 0}},
        {"5,* 0 1 1 SUN", {0, ALL(60), 1, 2, 2, 1, false, false, false, false}},
        {"*,5 0 1 */5 */3", {0, ALL(60), 1, 2, 1 << 1 | 1 << 6 | 1 << 11, 0x49, 1, 0, 0, 1}},
        {"0-59/59 0 1 1 0-7", {0, 1 | 1ull << 59, 1, 2, 2, ALL(7), 0, 0, 0, 0}},
        {"@every 1s", {.every_ms = 1000}},
        {"@every \t 1h30m ", {.every_ms = 5400000}},
        {"@every 366d", {.every_ms = 366 * 86400000LL}},
        {"@every 1500ms", {.every_ms = 1500}},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct cron cron = parsed(rows[i].text);

        if (!is_same(&cron, &rows[i].wanted))
            fail_msg("%s: %llx %x %x %x %x", rows[i].text, (unsigned long long)cron.minutes,
                     cron.hours, cron.days, cron.months, cron.weekdays);
    }
}

/* Goal: names are the fields that crontab(5) says.
 * Method: each beside its fields. */
static void names(void **state)
{
    static const char *const pairs[][2] = {
        {"@yearly", "0 0 1 1 *"},   {"@annually", "0 0 1 1 *"}, {"@monthly", "0 0 1 * *"},
        {"@weekly", "0 0 * * 0"},   {"@daily", "0 0 * * *"},    {"@midnight", "0 0 * * *"},
        {" @hourly ", "0 * * * *"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(pairs); i++) {
        struct cron name = parsed(pairs[i][0]), line = parsed(pairs[i][1]);

        assert_true(is_same(&name, &line));
    }
}

/* Goal: what is wrong is refused, with its place, why, and what to write instead.
 * Method: the whole sentence for each. */
static void refused(void **state)
{
    static const struct {
        const char *text;
        size_t position;
        const char *wanted;
    } rows[] = {
#define EMPTY "an empty schedule; write five fields, such as \"0 2 * * *\", or @daily, or @every 1h"
        {"", 0, EMPTY},
        {" \t ", 0, EMPTY},
        {"  hourly", 2,
         "one word where five fields are wanted: minute, hour, day of the month, month, day of the "
         "week, such as \"0 2 * * *\"; or @daily, or @every 1h"},
        {"0 2 *", 5,
         "only 3 fields; after them the month is wanted: all are minute, hour, day of the month, "
         "month, day of the week; write * for any"},
        {"0 2 * * ", 8,
         "only 4 fields; after them the day of the week is wanted: all are minute, hour, day of "
         "the month, month, day of the week; write * for any"},
#define SIX                                                                                        \
    "more than the five fields minute, hour, day of the month, month, day of the week; seconds, "  \
    "years and commands are none: below a minute, write @every 10s"
        {"*/10 0 2 * * *", 13, SIX},
        {"0 2 * * * root /bin/true", 10, SIX},
        {"TZ=UTC 0 2 * * *", 0, "a variable, as in a crontab; the zone stands in timezone"},
        {"0 2 \n* * *", 4, "a line break; write all of it on one line, in quotes"},
        {"0 2 \r* * *", 4, "a control character (\\x0d); between fields only blanks stand"},
        {"0 2 * * *\x7f", 9, "a control character (\\x7f); between fields only blanks stand"},
        {"*/0 * * * *", 2, "minute: a step of 0 never gets on; write 1 or more"},
        {"*/ * * * *", 2, "minute: a step is a number, not ''; write */5 or 10-30/5"},
        {"0 */2x * * *", 4, "hour: a step is a number, not '2x'; write */5 or 10-30/5"},
        {"*/-5 * * * *", 2, "minute: a step is a number, not '-5'; write */5 or 10-30/5"},
        {"0 0-5/2/2 * * *", 6, "hour: a step is a number, not '2/2'; write */5 or 10-30/5"},
        {"*/90 * * * *", 2, "minute: a step of 90 is longer than 0-59; write 0 alone, or @every"},
        {"*/99999999999999999999 * * * *", 2,
         "minute: a step of 99999999999999999999 is longer than 0-59; write 0 alone, or @every"},
        {"5/15 * * * *", 0, "minute: a step needs a range; write 5-59/15"},
        {"0 0 * * 1/2", 8, "day of the week: a step needs a range; write 1-6/2"},
        {"0 0 * * 7/2", 8, "day of the week: a step needs a range; write 7 alone"},
        {"55/15 * * * *", 0, "minute: a step needs a range; write 55 alone"},
        {"60 * * * *", 0, "minute: 60 is out of range; write 0 to 59"},
        {"0 1,24 * * *", 4, "hour: 24 is out of range; write 0 to 23"},
        {"0 0 0 * *", 4, "day of the month: 0 is out of range; write 1 to 31"},
        {"0 0 * 13 *", 6, "month: 13 is out of range; write 1 to 12"},
        {"0 0 * * 5-8", 10, "day of the week: 8 is out of range; write 0 to 7"},
        {"99999999999999 * * * *", 0, "minute: 99999999999999 is out of range; write 0 to 59"},
        {"4294967296 * * * *", 0, "minute: 4294967296 is out of range; write 0 to 59"},
        {"111111111122222222223333333333444444 * * * *", 0,
         "minute: 11111111112222222222333333333344... is out of range; write 0 to 59"},
        {"-5 * * * *", 0, "minute: no value is negative; write * or 0 to 59"},
        {"1,,2 * * * *", 2, "minute: a value is missing here; write * or 0 to 59"},
        {"1, * * * *", 2, "minute: a value is missing here; write * or 0 to 59"},
        {"0 1- * * *", 4, "hour: a value is missing here; write * or 0 to 23"},
        {"0 22-2 * * *", 2, "hour: 22-2 runs backward; write 22-23,0-2"},
        {"0 23-0 * * *", 2, "hour: 23-0 runs backward; write 23,0"},
        {"0 22-2/2 * * *", 2, "hour: 22-2 runs backward; write 22,0,2"},
        {"0 22-2/0 * * *", 2, "hour: 22-2 runs backward; write 22-23,0-2"},
        {"0 0 * NOV-feb *", 6, "month: NOV-feb runs backward; write 11-12,1-2"},
        {"0 0 * * FRI-SUN", 8, "day of the week: FRI-SUN runs backward; write 5-7"},
        {"0 0 * * 7-1", 8, "day of the week: 7-1 runs backward; write 0-1"},
        {"0 0 * * 7-5/2", 8, "day of the week: 7-5 runs backward; write 0-5/2"},
        {"0 0 * * 7-1/3", 8, "day of the week: 7-1 runs backward; write 0"},
        {"0 0 * * 6-1", 8, "day of the week: 6-1 runs backward; write 6,0-1"},
        {"1-2-3 * * * *", 3, "minute: '1-2-3' is no range; write values as 5, 1-5, 1,5 or */5"},
        {"*5 * * * *", 1, "minute: '*5' is no range; write values as 5, 1-5, 1,5 or */5"},
        {"1.5 * * * *", 0, "minute: '1.5' is no value; write * or 0 to 59"},
        {"+5 * * * *", 0, "minute: '+5' is no value; write * or 0 to 59"},
        {"0 0 L * *", 4, "day of the month: 'L' is no value; write * or 1 to 31"},
        {"0 0 ? * *", 4, "day of the month: ? is not read here; write *"},
        {"\xc3\xa9 * * * *", 0, "minute: '\xc3\xa9' is no value; write * or 0 to 59"},
        {"0 0 * JANU *", 6, "month: there is no 'JANU'; did you mean JAN?"},
        {"0 0 * jnu *", 6, "month: there is no 'jnu'; did you mean JUN?"},
        {"0 0 * february *", 6, "month: there is no 'february'; did you mean FEB?"},
        {"0 0 * * Tues", 8, "day of the week: there is no 'Tues'; did you mean TUE?"},
        {"0 0 * XYZ *", 6, "month: 'XYZ' is no value; write * or 1 to 12, or a name such as JAN"},
        {"0 0 fri * *", 4, "day of the month: FRI is a day of the week, the fifth field"},
        {"0 0 * * apr", 8, "day of the week: APR is a month, the fourth field"},
        {"@hourl", 0, "there is no @hourl; did you mean @hourly?"},
        {"@Daily", 0, "there is no @Daily; did you mean @daily?"},
        {" @sometimes", 1,
         "there is no @sometimes; write @hourly, @daily, @weekly, @monthly, @yearly or @every 1h"},
        {"@reboot", 0,
         "@reboot is no time: planners may start at any moment; write when, such as @hourly or "
         "@every 1h"},
        {"@daily 5", 7, "nothing may stand behind @daily"},
        {"@every", 6, "@every needs a duration; write @every 90s or @every 1h30m"},
        {"@every  ", 8, "@every needs a duration; write @every 90s or @every 1h30m"},
        {"@every -5s", 7, "-5s is negative; write a duration from 1s to 366d"},
        {"@every 0s", 7, "0s is too short; write a duration from 1s to 366d"},
        {"@every 999ms", 7, "999ms is too short; write a duration from 1s to 366d"},
        {"@every 366d1ms", 7, "366d1ms is too long; write a duration from 1s to 366d"},
        {"@every 5", 7, "'5' is no duration from 1s to 366d; write such as 90s, 1h30m or 2d"},
        {"@every 1h 30m", 7,
         "'1h 30m' is no duration from 1s to 366d; write such as 90s, 1h30m or 2d"},
        {"@every 99999999999999999999s", 7,
         "'99999999999999999999s' is no duration from 1s to 366d; write such as 90s, 1h30m or 2d"},
        {"0 0 30 2 *", 4,
         "a date that never comes: the months meant have at most 29 days; write a day up to 29"},
        {"0 0 31 4,6,9,11 *", 4,
         "a date that never comes: the months meant have at most 30 days; write a day up to 30"},
        {"0 0 30,31 FEB */2", 4,
         "a date that never comes: the months meant have at most 29 days; write a day up to 29"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        size_t position = 12345;
        struct err err = {0};
        struct cron cron;

        if (cron_parse(rows[i].text, &cron, &position, &err) == 0)
            fail_msg("%s is taken", rows[i].text);
        assert_int_equal(err.code, ERR_Configuration);
        if (position != rows[i].position || strcmp(err.text, rows[i].wanted) != 0)
            fail_msg("%s: at %zu: %s", rows[i].text, position, err.text);
    }
}

static bool comes(const struct cron *cron)
{
    for (s64 number = 0; number < 146097; number++) {
        struct day day = day_of_number(number);

        if (cron_has_day(cron, day.month, day.day, weekday_of(number)))
            return true;
    }
    return false;
}

/* Goal: refused is what never comes, and nothing that comes some day.
 * Method: each day with each month, alone and with starred weekdays, over the 400 years after which
 * the calendar begins again; weekdays of February 29 one by one. */
static void never(void **state)
{
    static const char *const weekdays[] = {"*", "*/2", "*/3", "*/6", "1"};
    char text[64];
    u32 never_comes = 0;

    (void)state;
    for (int day = 1; day <= 31; day++)
        for (int month = 1; month <= 12; month++)
            for (size_t i = 0; i < COUNT_OF(weekdays); i++) {
                struct cron cron, any = parsed("0 0 1 1 *");
                bool all = *weekdays[i] == '*';
                size_t position;
                struct err err;

                snprintf(text, sizeof text, "0 0 1 1 %s", weekdays[i]);
                any = parsed(text);
                any.days = 1u << day;
                any.months = (u16)(1u << month);
                snprintf(text, sizeof text, "0 0 %d %d %s", day, month, weekdays[i]);
                if (cron_parse(text, &cron, &position, &err) == 0) {
                    assert_true(is_same(&cron, &any) && comes(&cron));
                    continue;
                }
                assert_true(all && !comes(&any));
                never_comes++;
            }
    assert_int_equal(never_comes, 4 * (2 + 4)); /* February 30 and 31, and the 31st of four */
    for (int weekday = 0; weekday < 7; weekday++) {
        struct cron cron = parsed("0 0 29 2 *");

        cron.weekdays = (u8)(1u << weekday);
        assert_true(comes(&cron));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields),
        cmocka_unit_test(names),
        cmocka_unit_test(refused),
        cmocka_unit_test(never),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
