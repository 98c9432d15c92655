/* cron_times.c: the moments of schedules around changes of the clock, written down by people. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "cron/times.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define MINUTE_MS 60000LL
#define HOUR_MS 3600000LL
#define DAY_MS 86400000LL

/* "2026-03-29T03:00:00+02:00" (or with seconds behind the offset) at *text, which moves behind it.
 */
static s64 read_moment(const char **text)
{
    struct tm tm = {0};
    int hours, minutes = 0, seconds = 0, used = 0, more = 0;
    char sign;

    if (sscanf(*text, " %d-%d-%dT%d:%d:%d%c%d:%d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
               &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &sign, &hours, &minutes, &used) != 9)
        fail_msg("no moment: %s", *text);
    if (sscanf(*text + used, ":%d%n", &seconds, &more) == 1)
        used += more;
    *text += used;
    tm.tm_year -= 1900;
    tm.tm_mon--;
    seconds += hours * 3600 + minutes * 60;
    return (timegm(&tm) - (sign == '-' ? -seconds : seconds)) * 1000;
}

static s64 moment(const char *text)
{
    return read_moment(&text);
}

static struct zone *open_zone(const char *name)
{
    struct zone *zone = NULL;
    struct err err;

    if (zone_open(name, &zone, &err) < 0)
        fail_msg("%s", err.text);
    return zone;
}

static struct cron parsed(const char *text)
{
    struct cron cron;
    size_t position;
    struct err err;

    if (cron_parse(text, &cron, &position, &err) < 0)
        fail_msg("%s: %s", text, err.text);
    return cron;
}

struct row {
    const char *zone, *schedule;
    const char *after;
    const char *wanted; /* the next ones, in order */
};

/* Each is found from the one before, and from just before itself; backward, too. */
static void check_row(const struct row *row)
{
    struct zone *zone = open_zone(row->zone);
    struct times times = {.cron = parsed(row->schedule), .zone = zone};
    s64 before = moment(row->after), found;
    const char *at = row->wanted;

    while (*at) {
        const char *text = at;
        s64 wanted = read_moment(&at);

        if (!times_next(&times, before, &found) || found != wanted)
            fail_msg("\"%s\" in %s: %lld, not%s", row->schedule, row->zone,
                     (long long)(found / 1000), text);
        assert_true(times_next(&times, wanted - 1, &found) && found == wanted);
        assert_true(times_last(&times, wanted, wanted - 1, &found) && found == wanted);
        assert_true(times_last(&times, wanted, before, &found) && found == wanted);
        assert_false(times_last(&times, wanted - 1, before, &found));
        before = wanted;
    }
    zone_destroy(&zone);
}

/* Goal: fixed times come once each day, whatever the clock does.
 * Method: a table; in a gap at its end, of two the first. */
static void fixed(void **state)
{
    static const struct row rows[] = {
        /* New York: 2026-03-08 02:00 is 03:00; 2026-11-01 02:00 is 01:00 */
        {"America/New_York", "30 2 * * *", "2026-03-07T00:00:00-05:00",
         " 2026-03-07T02:30:00-05:00 2026-03-08T03:00:00-04:00 2026-03-09T02:30:00-04:00"},
        {"America/New_York", "0 2 * * *", "2026-03-07T12:00:00-05:00",
         " 2026-03-08T03:00:00-04:00 2026-03-09T02:00:00-04:00"},
        {"America/New_York", "0,20,40 2 * * *", "2026-03-07T12:00:00-05:00",
         " 2026-03-08T03:00:00-04:00 2026-03-09T02:00:00-04:00"},
        {"America/New_York", "0,30 2,3 * * *", "2026-03-08T00:00:00-05:00",
         " 2026-03-08T03:00:00-04:00 2026-03-08T03:30:00-04:00 2026-03-09T02:00:00-04:00"},
        {"America/New_York", "59 1 * * *", "2026-03-08T00:00:00-05:00",
         " 2026-03-08T01:59:00-05:00 2026-03-09T01:59:00-04:00"},
        {"America/New_York", "30 1 * * *", "2026-10-31T12:00:00-04:00",
         " 2026-11-01T01:30:00-04:00 2026-11-02T01:30:00-05:00"},
        {"America/New_York", "0 2 * * *", "2026-10-31T12:00:00-04:00",
         " 2026-11-01T02:00:00-05:00 2026-11-02T02:00:00-05:00"},
        {"America/New_York", "0 1,2 * * 0", "2026-10-31T12:00:00-04:00",
         " 2026-11-01T01:00:00-04:00 2026-11-01T02:00:00-05:00 2026-11-08T01:00:00-05:00"},
        {"America/New_York", "30 2 8 3 *", "2026-01-01T00:00:00-05:00",
         " 2026-03-08T03:00:00-04:00 2027-03-08T02:30:00-05:00"},
        {"America/New_York", "0 9 4 7 *", "2038-01-01T00:00:00-05:00",
         " 2038-07-04T09:00:00-04:00 2039-07-04T09:00:00-04:00"},
        /* Berlin: 2026-03-29 02:00 is 03:00; 2026-10-25 03:00 is 02:00 */
        {"Europe/Berlin", "30 2 * * *", "2026-03-28T12:00:00+01:00",
         " 2026-03-29T03:00:00+02:00 2026-03-30T02:30:00+02:00"},
        {"Europe/Berlin", "30 2 * * *", "2026-10-24T12:00:00+02:00",
         " 2026-10-25T02:30:00+02:00 2026-10-26T02:30:00+01:00"},
        {"Europe/Berlin", "30 2 * * *", "2026-10-25T02:30:00+02:00", " 2026-10-26T02:30:00+01:00"},
        {"Europe/Berlin", "30 2 * * *", "2026-10-25T02:10:00+01:00", " 2026-10-26T02:30:00+01:00"},
        {"Europe/Berlin", "0 3 * * *", "2026-10-25T02:00:00+02:00",
         " 2026-10-25T03:00:00+01:00 2026-10-26T03:00:00+01:00"},
        {"Europe/Berlin", "0 0 31 * *", "2026-01-30T00:00:00+01:00",
         " 2026-01-31T00:00:00+01:00 2026-03-31T00:00:00+02:00 2026-05-31T00:00:00+02:00"},
        /* Lord Howe: 2026-04-05 02:00 is 01:30; 2026-10-04 02:00 is 02:30 */
        {"Australia/Lord_Howe", "45 1 * * *", "2026-04-04T12:00:00+11:00",
         " 2026-04-05T01:45:00+11:00 2026-04-06T01:45:00+10:30"},
        {"Australia/Lord_Howe", "0 2 * * *", "2026-04-04T12:00:00+11:00",
         " 2026-04-05T02:00:00+10:30 2026-04-06T02:00:00+10:30"},
        {"Australia/Lord_Howe", "15 2 * * *", "2026-10-03T12:00:00+10:30",
         " 2026-10-04T02:30:00+11:00 2026-10-05T02:15:00+11:00"},
        {"Australia/Lord_Howe", "15,45 2 * * *", "2026-10-03T12:00:00+10:30",
         " 2026-10-04T02:30:00+11:00 2026-10-04T02:45:00+11:00 2026-10-05T02:15:00+11:00"},
        /* Kathmandu: 5:45, and 1986-01-01 00:00 was 00:15 */
        {"Asia/Kathmandu", "0 2 * * *", "2026-01-01T00:00:00+05:45",
         " 2026-01-01T02:00:00+05:45 2026-01-02T02:00:00+05:45"},
        {"Asia/Kathmandu", "5 0 * * *", "1985-12-31T00:00:00+05:30",
         " 1985-12-31T00:05:00+05:30 1986-01-01T00:15:00+05:45 1986-01-02T00:05:00+05:45"},
        {"UTC", "0 2 * * *", "2026-03-29T00:00:00+00:00",
         " 2026-03-29T02:00:00+00:00 2026-03-30T02:00:00+00:00"},
        {"UTC", "59 23 31 12 *", "2026-12-31T23:58:59+00:00",
         " 2026-12-31T23:59:00+00:00 2027-12-31T23:59:00+00:00"},
        /* no midnight; midnight twice; the evening before once more */
        {"America/Sao_Paulo", "0 0 * * *", "2018-11-03T12:00:00-03:00",
         " 2018-11-04T01:00:00-02:00 2018-11-05T00:00:00-02:00"},
        {"America/Havana", "0 0 * * *", "2026-10-31T12:00:00-04:00",
         " 2026-11-01T00:00:00-04:00 2026-11-02T00:00:00-05:00"},
        {"America/St_Johns", "30 23 * * *", "2010-11-06T12:00:00-02:30",
         " 2010-11-06T23:30:00-02:30 2010-11-07T23:30:00-03:30"},
        /* Apia had no 2011-12-30; what was on it comes at its end */
        {"Pacific/Apia", "0 12 * * *", "2011-12-29T13:00:00-10:00",
         " 2011-12-31T00:00:00+14:00 2011-12-31T12:00:00+14:00 2012-01-01T12:00:00+14:00"},
        {"Pacific/Apia", "0 12 * * FRI", "2011-12-29T13:00:00-10:00",
         " 2011-12-31T00:00:00+14:00 2012-01-06T12:00:00+14:00"},
        /* the sun's own time, in seconds */
        {"America/New_York", "0 12 * * *", "1883-11-17T00:00:00-04:56:02",
         " 1883-11-17T12:00:00-04:56:02 1883-11-18T12:00:00-04:56:02 1883-11-19T12:00:00-05:00"},
        {"Africa/Monrovia", "30 0 * * *", "1972-01-06T00:00:00-00:44:30",
         " 1972-01-06T00:30:00-00:44:30 1972-01-07T00:44:30+00:00 1972-01-08T00:30:00+00:00"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        check_row(&rows[i]);
}

/* Goal: with * for the minute or the hour, a schedule follows elapsed time.
 * Method: a table; nothing in a gap, and both hours of two. */
static void elapsed(void **state)
{
    static const struct row rows[] = {
        {"America/New_York", "*/30 * * * *", "2026-03-08T01:00:00-05:00",
         " 2026-03-08T01:30:00-05:00 2026-03-08T03:00:00-04:00 2026-03-08T03:30:00-04:00"},
        {"America/New_York", "*/30 * * * *", "2026-11-01T00:30:00-04:00",
         " 2026-11-01T01:00:00-04:00 2026-11-01T01:30:00-04:00 2026-11-01T01:00:00-05:00"
         " 2026-11-01T01:30:00-05:00 2026-11-01T02:00:00-05:00"},
        {"America/New_York", "@hourly", "2026-03-08T00:30:00-05:00",
         " 2026-03-08T01:00:00-05:00 2026-03-08T03:00:00-04:00"},
        {"Europe/Berlin", "0 */2 * * *", "2026-03-29T00:00:00+01:00",
         " 2026-03-29T04:00:00+02:00 2026-03-29T06:00:00+02:00"},
        {"Europe/Berlin", "30 * * * *", "2026-10-25T01:30:00+02:00",
         " 2026-10-25T02:30:00+02:00 2026-10-25T02:30:00+01:00 2026-10-25T03:30:00+01:00"},
        {"Europe/Berlin", "* 2 29 3 *", "2026-01-01T00:00:00+01:00",
         " 2027-03-29T02:00:00+02:00 2027-03-29T02:01:00+02:00"},
        {"Australia/Lord_Howe", "0 * * * *", "2026-04-05T00:30:00+11:00",
         " 2026-04-05T01:00:00+11:00 2026-04-05T02:00:00+10:30"},
        {"Australia/Lord_Howe", "45 * * * *", "2026-04-05T01:00:00+11:00",
         " 2026-04-05T01:45:00+11:00 2026-04-05T01:45:00+10:30 2026-04-05T02:45:00+10:30"},
        {"Australia/Lord_Howe", "*/20 * * * *", "2026-10-04T01:30:00+10:30",
         " 2026-10-04T01:40:00+10:30 2026-10-04T02:40:00+11:00 2026-10-04T03:00:00+11:00"},
        {"Asia/Kathmandu", "@hourly", "1985-12-31T22:30:00+05:30",
         " 1985-12-31T23:00:00+05:30 1986-01-01T01:00:00+05:45"},
        {"America/Havana", "0 */12 * * *", "2026-10-31T12:00:00-04:00",
         " 2026-11-01T00:00:00-04:00 2026-11-01T00:00:00-05:00 2026-11-01T12:00:00-05:00"},
        {"America/St_Johns", "30 * 6 11 *", "2010-11-06T22:30:00-02:30",
         " 2010-11-06T23:30:00-02:30 2010-11-06T23:30:00-03:30 2011-11-06T00:30:00-02:30"},
        {"Pacific/Apia", "0 */12 * * *", "2011-12-29T13:00:00-10:00",
         " 2011-12-31T00:00:00+14:00 2011-12-31T12:00:00+14:00"},
        {"UTC", "* * * * *", "2026-12-31T23:58:30+00:00",
         " 2026-12-31T23:59:00+00:00 2027-01-01T00:00:00+00:00"},
        /* the clock went from 12:03:58 back to 12:00:00 */
        {"America/New_York", "*/2 12 * * *", "1883-11-18T12:01:00-04:56:02",
         " 1883-11-18T12:02:00-04:56:02 1883-11-18T12:00:00-05:00 1883-11-18T12:02:00-05:00"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        check_row(&rows[i]);
}

/* Goal: days that are rare come, and the calendar is that of Gregory.
 * Method: leap days, also those that centuries leave out, ends of months, days of the week. */
static void rare(void **state)
{
    static const struct row rows[] = {
        {"UTC", "0 0 29 2 *", "2026-01-01T00:00:00+00:00",
         " 2028-02-29T00:00:00+00:00 2032-02-29T00:00:00+00:00"},
        {"UTC", "0 0 29 2 *", "2096-03-01T00:00:00+00:00", " 2104-02-29T00:00:00+00:00"},
        {"UTC", "0 0 29 2 *", "1999-03-01T00:00:00+00:00", " 2000-02-29T00:00:00+00:00"},
        /* a starred field makes it both: leap days that are a Sunday or a Thursday */
        {"UTC", "0 0 29 2 */4", "2052-03-01T00:00:00+00:00",
         " 2060-02-29T00:00:00+00:00 2080-02-29T00:00:00+00:00 2088-02-29T00:00:00+00:00"
         " 2120-02-29T00:00:00+00:00"},
        {"Asia/Kathmandu", "15 6 31 * *", "2026-03-31T12:00:00+05:45",
         " 2026-05-31T06:15:00+05:45 2026-07-31T06:15:00+05:45 2026-08-31T06:15:00+05:45"},
        {"UTC", "0 0 28-31 2 *", "2027-02-27T00:00:00+00:00",
         " 2027-02-28T00:00:00+00:00 2028-02-28T00:00:00+00:00 2028-02-29T00:00:00+00:00"},
        /* neither begins with *: one of both is enough */
        {"UTC", "0 0 13 * FRI", "2026-11-01T00:00:00+00:00",
         " 2026-11-06T00:00:00+00:00 2026-11-13T00:00:00+00:00 2026-11-20T00:00:00+00:00"
         " 2026-11-27T00:00:00+00:00 2026-12-04T00:00:00+00:00 2026-12-11T00:00:00+00:00"
         " 2026-12-13T00:00:00+00:00"},
        {"UTC", "0 0 */2 * MON", "2026-11-01T00:00:00+00:00",
         " 2026-11-09T00:00:00+00:00 2026-11-23T00:00:00+00:00 2026-12-07T00:00:00+00:00"},
        {"UTC", "@yearly", "2026-11-01T00:00:00+00:00",
         " 2027-01-01T00:00:00+00:00 2028-01-01T00:00:00+00:00"},
        {"UTC", "@monthly", "2026-12-01T00:00:00+00:00",
         " 2027-01-01T00:00:00+00:00 2027-02-01T00:00:00+00:00"},
        {"UTC", "@weekly", "2026-11-23T00:00:00+00:00",
         " 2026-11-29T00:00:00+00:00 2026-12-06T00:00:00+00:00"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        check_row(&rows[i]);
}

/* Goal: @every counts from its anchor, by whole intervals, on both sides, whatever the clock shows.
 * Method: moments around the anchor and around a change of the clock. */
static void every(void **state)
{
    struct zone *zone = open_zone("Europe/Berlin");
    struct times times = {.cron = parsed("@every 1h30m"), .zone = zone};
    s64 anchor = moment("2026-03-28T23:17:42+01:00") + 123, found, step = 90 * MINUTE_MS;

    (void)state;
    times.anchor_ms = anchor;
    for (s64 n = -5; n <= 5; n++) {
        s64 wanted = anchor + n * step;

        assert_true(times_next(&times, wanted - 1, &found) && found == wanted);
        assert_true(times_next(&times, wanted, &found) && found == wanted + step);
        assert_true(times_last(&times, wanted, wanted - 1, &found) && found == wanted);
        assert_true(times_last(&times, wanted + step - 1, wanted - 1, &found) && found == wanted);
        assert_false(times_last(&times, wanted + step - 1, wanted, &found));
    }
    times.cron = parsed("@every 366d");
    assert_true(times_next(&times, anchor, &found) && found == anchor + 366 * DAY_MS);
    zone_destroy(&zone);
}

/* Goal: no moment is too far, and what comes no more is said so.
 * Method: the ends of what a number can say, of each kind of schedule, before the year 2400. */
static void ends(void **state)
{
    static const char *const texts[] = {"0 0 29 2 *", "*/5 * * * *", "@every 7s", "* * 29 2 *"};
    struct zone *zone = open_zone("Europe/Berlin");
    s64 end = moment("2400-01-01T00:00:00+00:00"), found;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct times times = {.cron = parsed(texts[i]), .zone = zone, .anchor_ms = 1};

        assert_false(times_next(&times, INT64_MAX, &found));
        assert_false(times_next(&times, end, &found));
        assert_false(times_next(&times, end - 1, &found));
        assert_true(times_next(&times, INT64_MIN, &found));
        assert_true(found < moment("0005-01-01T00:00:00+00:00"));
        assert_false(times_last(&times, INT64_MIN, INT64_MIN, &found));
        assert_false(times_last(&times, 0, INT64_MAX, &found));
        assert_true(times_last(&times, INT64_MAX, INT64_MIN, &found));
        assert_true(found < end && found > moment("2396-01-01T00:00:00+00:00"));
        times.anchor_ms = INT64_MIN;
        assert_true(times_next(&times, 0, &found));
        times.anchor_ms = INT64_MAX;
        assert_true(times_next(&times, 0, &found));
    }
    zone_destroy(&zone);
}

/* Goal: jitter is the same each time, within its bounds, and spreads names evenly.
 * Method: names by number; each tenth of an hour gets its part. */
static void jitter(void **state)
{
    u32 tenths[10] = {0};

    (void)state;
    assert_int_equal(times_jitter_ms("photos", 0), 0);
    for (u32 i = 0; i < 10000; i++) {
        char name[32];
        s64 ms;

        snprintf(name, sizeof name, "plan-%u", i);
        ms = times_jitter_ms(name, HOUR_MS - 1);
        assert_true(ms >= 0 && ms < HOUR_MS);
        assert_int_equal(ms, times_jitter_ms(name, HOUR_MS - 1));
        tenths[ms * 10 / HOUR_MS]++;
        assert_in_range(times_jitter_ms(name, 1), 0, 1);
    }
    for (u32 i = 0; i < COUNT_OF(tenths); i++)
        assert_in_range(tenths[i], 900, 1100);
    /* written down, as plans must not move with a new version */
    assert_int_equal(times_jitter_ms("photos-nightly", HOUR_MS), 3220564);
}

/* Goal: a scheduler can ask for thousands of plans: no schedule is found by stepping through
 * minutes. Method: the rarest and the densest ones, each within a time that only steps would need.
 */
static void fast(void **state)
{
    static const char *const texts[] = {"0 0 29 2 */6", "* * 29 2 */6", "30 2 * * *", "* * * * *"};
    struct zone *zone = open_zone("America/New_York");

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct times times = {.cron = parsed(texts[i]), .zone = zone};
        s64 begin = clock_monotonic_ns(), now = moment("2026-11-23T00:00:00+00:00"), took, found;

        for (u32 n = 0; n < 1000; n++) {
            assert_true(times_next(&times, now + n * DAY_MS, &found));
            assert_true(times_last(&times, now + n * DAY_MS, INT64_MIN, &found));
        }
        took = (clock_monotonic_ns() - begin) / 2000;
        print_message("# %s: %lld ns\n", texts[i], (long long)took);
        assert_true(took < NS_PER_MS);
    }
    zone_destroy(&zone);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fixed), cmocka_unit_test(elapsed), cmocka_unit_test(rare),
        cmocka_unit_test(every), cmocka_unit_test(ends),    cmocka_unit_test(jitter),
        cmocka_unit_test(fast),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
