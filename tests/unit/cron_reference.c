/* cron_reference.c: the moments of a schedule, against a reference that is slow and obvious: it
 * goes minute by minute, looks at the clock, and reads the fields in a way of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/random.h"
#include "cron/times.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define SCHEDULES 8u
#define YEARS 4
#define BEFORE_MINUTES (3 * 1440) /* what the clock has shown before counts, too */

/* What the clock shows in each minute of some years. */
struct walk {
    s64 begin_s; /* of the first minute, in UTC */
    u32 count;
    s64 *local_s;
    struct shown {
        u8 minute, hour, day, month, weekday;
    } * shown;
};

static struct shown shown_at(s64 local_s)
{
    time_t moment = local_s;
    struct tm tm;

    gmtime_r(&moment, &tm);
    return (struct shown){(u8)tm.tm_min, (u8)tm.tm_hour, (u8)tm.tm_mday, (u8)(tm.tm_mon + 1),
                          (u8)tm.tm_wday};
}

static void walk_make(struct walk *walk, const struct zone *zone, int year)
{
    struct tm begin = {.tm_year = year - 1900, .tm_mday = 1};

    walk->begin_s = timegm(&begin) - BEFORE_MINUTES * 60;
    walk->count = BEFORE_MINUTES + YEARS * 365 * 1440;
    walk->local_s = memory_or_die(walk->count * sizeof *walk->local_s);
    walk->shown = memory_or_die(walk->count * sizeof *walk->shown);
    for (u32 i = 0; i < walk->count; i++) {
        s64 utc = walk->begin_s + (s64)i * 60;

        walk->local_s[i] = utc + zone_offset_s(zone, utc);
        walk->shown[i] = shown_at(walk->local_s[i]);
    }
}

/* ---- fields, read the obvious way ---- */

static bool item_fits(const char *item, int least, int most, int value)
{
    int first = least, last = most, step = 1;

    if (*item == '*')
        sscanf(item, "*/%d", &step);
    else if (sscanf(item, "%d-%d/%d", &first, &last, &step) == 1)
        last = first;
    return value >= first && value <= last && (value - first) % step == 0;
}

static bool field_fits(const char *field, int least, int most, int value)
{
    char copy[64], *rest = copy, *item;

    snprintf(copy, sizeof copy, "%s", field);
    while ((item = strtok_r(rest, ",", &rest)))
        if (item_fits(item, least, most, value))
            return true;
    return false;
}

struct reference {
    char fields[5][64];
    bool minutes[60], hours[24], days[32], months[13], weekdays[7];
};

static void reference_make(struct reference *reference)
{
    for (int i = 0; i < 60; i++)
        reference->minutes[i] = field_fits(reference->fields[0], 0, 59, i);
    for (int i = 0; i < 24; i++)
        reference->hours[i] = field_fits(reference->fields[1], 0, 23, i);
    for (int i = 1; i <= 31; i++)
        reference->days[i] = field_fits(reference->fields[2], 1, 31, i);
    for (int i = 1; i <= 12; i++)
        reference->months[i] = field_fits(reference->fields[3], 1, 12, i);
    for (int i = 0; i < 7; i++)
        reference->weekdays[i] = field_fits(reference->fields[4], 0, 6, i);
    reference->weekdays[0] |= field_fits(reference->fields[4], 0, 7, 7);
}

static bool fits(const struct reference *reference, struct shown shown)
{
    bool day = reference->days[shown.day], weekday = reference->weekdays[shown.weekday];
    bool both = *reference->fields[2] == '*' || *reference->fields[4] == '*';

    return reference->minutes[shown.minute] && reference->hours[shown.hour] &&
           reference->months[shown.month] && (both ? day && weekday : day || weekday);
}

/* ---- schedules at random ---- */

static int below(u64 *seed, int count)
{
    return (int)(random_next(seed) % (u64)count);
}

/* Hours near midnight and the usual hours of changes come more often. */
static int any_value(u64 *seed, int least, int most)
{
    if (most == 23 && below(seed, 3))
        return (int[]){0, 1, 2, 3, 23}[below(seed, 5)];
    return least + below(seed, most - least + 1);
}

static void any_item(u64 *seed, int least, int most, char *out, size_t size)
{
    int first = any_value(seed, least, most), last = any_value(seed, least, most);

    if (last < first) {
        int other = first;

        first = last;
        last = other;
    }
    if (below(seed, 2) || first == last)
        snprintf(out, size, "%d", first);
    else if (below(seed, 2))
        snprintf(out, size, "%d-%d", first, last);
    else
        snprintf(out, size, "%d-%d/%d", first, last, 1 + below(seed, last - first));
}

static void any_field(u64 *seed, int least, int most, char out[64])
{
    size_t used;

    if (below(seed, 3) == 0) {
        snprintf(out, 64, below(seed, 3) ? "*" : "*/%d", 1 + below(seed, most < 7 ? 3 : 6));
        return;
    }
    any_item(seed, least, most, out, 64);
    while (below(seed, 3) == 0 && (used = strlen(out)) < 40) {
        out[used++] = ',';
        any_item(seed, least, most, out + used, 64 - used);
    }
}

static void any_reference(u64 *seed, struct reference *out)
{
    *out = (struct reference){0};
    any_field(seed, 0, 59, out->fields[0]);
    any_field(seed, 0, 23, out->fields[1]);
    any_field(seed, 1, 31, out->fields[2]);
    any_field(seed, 1, 12, out->fields[3]);
    any_field(seed, 0, 7, out->fields[4]);
    if (below(seed, 2)) /* else few days of the month stand alone */
        strcpy(out->fields[below(seed, 2) ? 3 : 4], "*");
    if (below(seed, 4) == 0) { /* ends of months, some of which never come */
        snprintf(out->fields[2], 64, "%d", 28 + below(seed, 4));
        snprintf(out->fields[3], 64, "%d", 2 + 2 * below(seed, 2));
        strcpy(out->fields[4], "*");
    }
    reference_make(out);
}

/* ---- comparing ---- */

struct moments {
    s64 *ms;
    u32 count;
};

/* Elapsed time: the clock fits. Fixed times: it fits, or what it jumped over does, and it shows
 * that for the first time. */
static void moments_find(const struct walk *walk, const struct reference *reference,
                         struct moments *out)
{
    bool elapsed = *reference->fields[0] == '*' || *reference->fields[1] == '*';
    s64 highest = walk->local_s[0];

    out->count = 0;
    for (u32 i = 1; i < walk->count; i++) {
        s64 local = walk->local_s[i];
        bool comes = elapsed && fits(reference, walk->shown[i]);

        for (s64 at = highest + 60; !elapsed && !comes && at <= local; at += 60)
            comes = fits(reference, at == local ? walk->shown[i] : shown_at(at));
        highest = local > highest ? local : highest;
        if (comes && i >= BEFORE_MINUTES)
            out->ms[out->count++] = (walk->begin_s + (s64)i * 60) * 1000;
    }
}

static void require(bool holds, const char *what, const char *zone, const char *schedule, s64 ms)
{
    if (!holds)
        fail_msg("%s: \"%s\" in %s near %lld", what, schedule, zone, (long long)(ms / 1000));
}

static void compare(const struct times *times, const struct walk *walk,
                    const struct moments *moments, const char *zone, const char *schedule)
{
    s64 end = (walk->begin_s + (s64)walk->count * 60) * 1000;
    s64 before = (walk->begin_s + BEFORE_MINUTES * 60) * 1000 - 1, found;

    for (u32 i = 0; i < moments->count; i++) {
        s64 wanted = moments->ms[i];

        require(times_next(times, before, &found) && found == wanted, "next", zone, schedule,
                wanted);
        require(times_next(times, wanted - 1, &found) && found == wanted, "next, just before", zone,
                schedule, wanted);
        require(times_last(times, wanted, before, &found) && found == wanted, "last", zone,
                schedule, wanted);
        require(!times_last(times, wanted - 1, before, &found), "last of none", zone, schedule,
                wanted);
        before = wanted;
    }
    require(!times_next(times, before, &found) || found >= end, "one too many", zone, schedule,
            before);
    require(!times_last(times, end - 1, before, &found), "last, one too many", zone, schedule,
            before);
}

/* What is next after, and last until, a moment that is none of the schedule's. */
static void probe(const struct times *times, const struct walk *walk, const struct moments *moments,
                  u32 minute, const char *zone, const char *schedule)
{
    s64 begin = (walk->begin_s + BEFORE_MINUTES * 60) * 1000;
    s64 at = (walk->begin_s + (s64)minute * 60) * 1000 + 30500, found;
    u32 low = 0, high = moments->count;

    if (at < begin)
        return;
    while (low < high) { /* how many came until then */
        u32 middle = (low + high) / 2;

        if (moments->ms[middle] <= at)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < moments->count)
        require(times_next(times, at, &found) && found == moments->ms[low], "next of any", zone,
                schedule, at);
    require(times_last(times, at, begin - 1, &found) == (low > 0), "last of any", zone, schedule,
            at);
    require(low == 0 || found == moments->ms[low - 1], "last of any", zone, schedule, at);
}

/* For hours after each change of the clock, and anywhere. */
static void probe_all(const struct times *times, const struct walk *walk,
                      const struct moments *moments, u64 *seed, const char *zone,
                      const char *schedule)
{
    for (u32 i = 1; i < walk->count; i++)
        if (walk->local_s[i] - walk->local_s[i - 1] != 60)
            for (u32 after = 0; after < 240 && i + after < walk->count; after += 5)
                probe(times, walk, moments, i + after, zone, schedule);
    for (u32 i = 0; i < 200; i++)
        probe(times, walk, moments, (u32)below(seed, (int)walk->count), zone, schedule);
}

static u64 minutes_compared, moments_compared, refused;

static void compare_zone(const char *name, int year, u64 *seed)
{
    struct moments moments;
    struct walk walk;
    struct times times = {0};
    struct zone *zone = NULL;
    struct err err;

    assert_int_equal(zone_open(name, &zone, &err), 0);
    times.zone = zone;
    walk_make(&walk, zone, year);
    moments.ms = memory_or_die(walk.count * sizeof *moments.ms);
    for (u32 i = 0; i < SCHEDULES; i++) {
        struct reference any;
        char text[400];
        size_t position;

        any_reference(seed, &any);
        snprintf(text, sizeof text, "%s %s %s %s %s", any.fields[0], any.fields[1], any.fields[2],
                 any.fields[3], any.fields[4]);
        moments_find(&walk, &any, &moments);
        minutes_compared += walk.count;
        moments_compared += moments.count;
        if (cron_parse(text, &times.cron, &position, &err) == 0) {
            compare(&times, &walk, &moments, name, text);
            probe_all(&times, &walk, &moments, seed, name, text);
            continue;
        }
        /* four years have a February 29, but for those around 2100 */
        require(strstr(err.text, "never comes") && moments.count == 0, err.text, name, text, 0);
        refused++;
    }
    free(moments.ms);
    free(walk.local_s);
    free(walk.shown);
    zone_destroy(&zone);
}

/* Goal: next and last are what a person finds who looks at the clock each minute.
 * Method: seeded schedules in years with changes of all kinds: an hour, half an hour, at midnight,
 * over midnight, a day that never was, standard time that moves, none at all, and beyond what the
 * files of the database list. */
static void minute_by_minute(void **state)
{
    static const struct {
        const char *zone;
        int year;
    } cases[] = {
        {"UTC", 2023},
        {"America/New_York", 2025},
        {"Europe/Berlin", 2026},
        {"Europe/Dublin", 2046},       /* its winter is the exception */
        {"Australia/Lord_Howe", 2025}, /* half an hour */
        {"Asia/Kathmandu", 1984},      /* 1986: a quarter of an hour */
        {"America/St_Johns", 2006},    /* at 00:01, so the day before comes back */
        {"America/Sao_Paulo", 2015},   /* no midnight */
        {"America/Havana", 2025},      /* midnight twice */
        {"Africa/Casablanca", 2024},   /* four changes a year for a while */
        {"Pacific/Apia", 2009},        /* no 2011-12-30 */
        {"Pacific/Kwajalein", 1991},   /* no 1993-08-21 */
        {"Asia/Pyongyang", 2015},      /* half an hour, there and back */
        {"Antarctica/Troll", 2025},    /* two hours */
        {"America/Juneau", 1980},      /* 1983: two hours at once */
    };
    u64 seed = 20260329;

    (void)state;
    for (u32 i = 0; i < COUNT_OF(cases); i++)
        compare_zone(cases[i].zone, cases[i].year, &seed);
    print_message("# %llu minutes, %llu moments, %llu schedules that never come\n",
                  (unsigned long long)minutes_compared, (unsigned long long)moments_compared,
                  (unsigned long long)refused);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(minute_by_minute),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
