/* cron_zone.c: zones of this host's database. */
#include "cron_fixture.h"

#include "base/buf.h"
#include "base/random.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Goal: only what is a name in the database is a zone, and a slip is told from it.
 * Method: the whole sentence for each. */
static void names(void **state)
{
    static const char *const good[] = {
        "UTC",     "Europe/Berlin",          "America/Argentina/Salta", "Etc/GMT+5",
        "EST5EDT", "America/Port-au-Prince", "America/St_Johns"};
    static const char *const bad[][2] = {
#define INSTEAD "; write a name of the zone database, such as Europe/Berlin"
        {"", "'' is no name of a zone" INSTEAD},
        {"Mars/Olympus", "'Mars/Olympus' is no zone that this host knows" INSTEAD},
        {"Europe/Belrin", "'Europe/Belrin' is no zone that this host knows; did you mean "
                          "Europe/Berlin?"},
        {"europe/berlin", "'europe/berlin' is no zone that this host knows; did you mean "
                          "Europe/Berlin?"},
        {"Berlin", "'Berlin' is no zone that this host knows; did you mean Europe/Berlin?"},
        {"new york", "'new york' is no name of a zone; did you mean America/New_York?"},
        {"utc", "'utc' is no zone that this host knows; did you mean UTC?"},
        {"Dubai", "'Dubai' is no zone that this host knows; did you mean Asia/Dubai?"},
        {"Rome", "'Rome' is no zone that this host knows; did you mean Europe/Rome?"},
        {"PST", "'PST' is no zone that this host knows" INSTEAD},
        {"GMT+2", "'GMT+2' is no zone that this host knows" INSTEAD},
        {"null", "'null' is no zone that this host knows" INSTEAD},
        {"Europe", "'Europe' is no zone that this host knows" INSTEAD},
        {"leapseconds", "'leapseconds' is no zone that this host knows" INSTEAD},
        {"zone1970.tab", "'zone1970.tab' is a path" INSTEAD},
        {"+01:00", "'+01:00' is an offset, which knows no change of the clock" INSTEAD},
        {"-5", "'-5' is an offset, which knows no change of the clock" INSTEAD},
        {"EST5EDT,M3.2.0,M11.1.0", "'EST5EDT,M3.2.0,M11.1.0' is a rule" INSTEAD},
        {":Europe/Berlin", "':Europe/Berlin' is no name of a zone; did you mean Europe/Berlin?"},
        {"/etc/localtime", "'/etc/localtime' is a path" INSTEAD},
        {"/Europe/Berlin", "'/Europe/Berlin' is a path; did you mean Europe/Berlin?"},
        {"Europe/../UTC", "'Europe/../UTC' is a path" INSTEAD},
        {"Europe//Berlin", "'Europe//Berlin' is a path; did you mean Europe/Berlin?"},
        {"Europe/Berlin/", "'Europe/Berlin/' is a path; did you mean Europe/Berlin?"},
        {"posix/Europe/Berlin", "'posix/Europe/Berlin' is no zone of its own" INSTEAD},
        {"right/Europe/Berlin", "'right/Europe/Berlin' is no zone of its own" INSTEAD},
        {"localtime", "'localtime' is no zone of its own" INSTEAD},
        {"posixrules", "'posixrules' is no zone of its own" INSTEAD},
        {"Europe/Berlin\n", "'Europe/Berlin\\n' is no name of a zone; did you mean Europe/Berlin?"},
        {"Europe/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
         "'Europe/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA' is no name of a zone" INSTEAD},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        struct zone *zone = opened(good[i]);

        assert_false(zone_is_stale(zone));
        zone_destroy(&zone);
        assert_null(zone);
        zone_destroy(&zone);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        refused(bad[i][0], bad[i][1]);
}

/* ---- another program's answers ---- */

#define MOMENTS 400u

/* The moments of a zone's changes, a second before each, and some at random; each with what our own
 * table says. */
static u32 write_moments(FILE *file, const struct zone *zone, u64 *seed, s64 *moments)
{
    s64 change = zone_next_change(zone, -3000000000);
    u32 count = 0;

    for (; count + 2 <= MOMENTS / 2 && change != INT64_MAX;
         change = zone_next_change(zone, change)) {
        moments[count++] = change - 1;
        moments[count++] = change;
    }
    while (count < MOMENTS)
        moments[count++] = (s64)(random_next(seed) % 16000000000) - 3000000000;
    for (u32 i = 0; i < count; i++)
        fprintf(file, "@%lld\n", (long long)moments[i]);
    return count;
}

static void compare_with_date(const char *name, u64 *seed)
{
    struct zone *zone = opened(name);
    char path[] = "/tmp/syncline-zone.XXXXXX", command[200];
    s64 moments[MOMENTS];
    FILE *file = fdopen(mkstemp(path), "w");
    u32 count = write_moments(file, zone, seed, moments);

    fclose(file);
    snprintf(command, sizeof command, "TZ=%s date -f %s +%%::z", name, path);
    file = popen(command, "r");
    for (u32 i = 0; i < count; i++) {
        int hours, minutes, seconds;
        char sign;
        s64 offset;

        assert_int_equal(fscanf(file, " %c%d:%d:%d", &sign, &hours, &minutes, &seconds), 4);
        offset = hours * 3600 + minutes * 60 + seconds;
        offset = sign == '-' ? -offset : offset;
        if (zone_offset_s(zone, moments[i]) != offset)
            fail_msg("%s at %lld: %lld, not %lld", name, (long long)moments[i],
                     (long long)zone_offset_s(zone, moments[i]), (long long)offset);
    }
    assert_int_equal(pclose(file), 0);
    unlink(path);
    zone_destroy(&zone);
}

/* Goal: the clock is as another program shows it, in the past, now, and beyond what files list.
 * Method: `date`, which has the C library read the same database, for zones with changes of all
 * kinds. */
static void as_date_says(void **state)
{
    static const char *const zones[] = {
        "UTC",
        "America/New_York",
        "Europe/Berlin",
        "Australia/Lord_Howe",
        "Asia/Kathmandu",
        "Europe/Dublin",
        "Pacific/Apia",
        "America/Sao_Paulo",
        "America/Nuuk",
        "Africa/Casablanca",
        "Asia/Gaza",
        "America/St_Johns",
        "Africa/Monrovia",
        "Antarctica/Troll",
        "Asia/Tehran",
        "Pacific/Chatham",
        "EST5EDT",
        "Etc/GMT-14",
        "America/Juneau",
        "Asia/Manila",
    };
    u64 seed = 5;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(zones); i++)
        compare_with_date(zones[i], &seed);
}

/* Goal: next and last change are those of the offset.
 * Method: from one to the next, forward and backward; before the first, after the last, and UTC. */
static void changes(void **state)
{
    struct zone *zone = opened("Europe/Dublin"), *utc = opened("UTC");
    s64 at = INT64_MIN, next, last = INT64_MIN;
    u32 count = 0;

    (void)state;
    while ((next = zone_next_change(zone, at)) != INT64_MAX) {
        assert_true(next > at);
        assert_int_equal(zone_last_change(zone, next - 1), last);
        assert_int_equal(zone_last_change(zone, next), next);
        assert_int_not_equal(zone_offset_s(zone, next - 1), zone_offset_s(zone, next));
        at = last = next;
        count++;
    }
    assert_true(count > 2 * (2399 - 1972));
    assert_int_equal(zone_last_change(zone, INT64_MAX), last);
    assert_int_equal(zone_next_change(utc, INT64_MIN), INT64_MAX);
    assert_int_equal(zone_last_change(utc, INT64_MAX), INT64_MIN);
    assert_int_equal(zone_offset_s(utc, 0), 0);
    zone_destroy(&zone);
    zone_destroy(&utc);
}

/* ---- threads ---- */

static void *ask(void *context)
{
    const struct zone *shared = context;
    s64 sum = 0;

    for (u32 i = 0; i < 200; i++) {
        struct zone *zone = NULL;
        struct err err;

        if (zone_open(i % 2 ? "Europe/Berlin" : "Pacific/Apia", &zone, &err) < 0)
            return context;
        sum += zone_offset_s(zone, 0) + zone_offset_s(shared, i * 86400LL) + zone_is_stale(shared);
        zone_destroy(&zone);
    }
    return sum ? NULL : context;
}

/* Goal: threads open zones and share them.
 * Method: four at once; the sanitizer of threads runs this, too. */
static void threads(void **state)
{
    struct zone *zone = opened("America/New_York");
    pthread_t ids[4];
    void *failed;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(ids); i++)
        assert_int_equal(pthread_create(&ids[i], NULL, ask, zone), 0);
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        assert_int_equal(pthread_join(ids[i], &failed), 0);
        assert_null(failed);
    }
    zone_destroy(&zone);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(as_date_says),
        cmocka_unit_test(changes),
        cmocka_unit_test(threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
