/* times.c: see times.h. All is asked of the calendar of the zone: local seconds are those of a
 * clock on the wall, counted as if it were UTC. Days are skipped by months, so that February 29 is
 * some hundred steps away, not two million minutes.
 *
 * Fixed times: L comes at the first moment at which the clock shows L or more. In a gap that is its
 * end, of two it is the first, and it never falls as L grows; so the next time is that of the first
 * L beyond the highest that the clock has shown, and the last one that of the last L up to there.
 */
#include "cron/times.h"

#include "base/hash.h"
#include "cron/calendar.h"
#include "cron/tzif.h"

/* Clocks are at most this far from UTC, and from each other twice as far. */
#define OFFSET_MOST_S ZONE_OFFSET_MOST_S

/* ---- the calendar ---- */

/* The nearest day that is meant, from *day on, up to the day `end`; false: there is none. */
static bool day_find(const struct cron *cron, struct day *day, s64 end, bool forward)
{
    while (forward ? day->number <= end : day->number >= end) {
        if (!(cron->months >> day->month & 1))
            month_step(day, forward);
        else if (cron_has_day(cron, day->month, day->day, weekday_of(day->number)))
            return true;
        else
            day_step(day, forward);
    }
    return false;
}

/* ---- the clock of a day ---- */

/* The lowest bit of `bits` from `from` on, or the highest up to it; -1: there is none. */
static int bit_find(u64 bits, int from, bool forward)
{
    bits &= forward ? ~0ull << from : ~0ull >> (63 - from);
    if (!bits)
        return -1;
    return forward ? __builtin_ctzll(bits) : 63 - __builtin_clzll(bits);
}

/* The nearest minute of a day that is meant, from `minute` on (0..1439); -1: there is none. */
static int minute_find(const struct cron *cron, int minute, bool forward)
{
    int hour = bit_find(cron->hours, minute / 60, forward), found;

    if (hour == minute / 60) {
        found = bit_find(cron->minutes, minute % 60, forward);
        if (found >= 0)
            return hour * 60 + found;
        if (hour == (forward ? 23 : 0))
            return -1;
        hour = bit_find(cron->hours, hour + (forward ? 1 : -1), forward);
    }
    return hour < 0 ? -1 : hour * 60 + bit_find(cron->minutes, forward ? 0 : 59, forward);
}

/* The nearest local time that is meant, from `local_s` on, up to `end_s`. */
static bool local_find(const struct cron *cron, s64 local_s, s64 end_s, bool forward, s64 *out_s)
{
    s64 minute = forward ? -floor_div(-local_s, 60) : floor_div(local_s, 60);
    struct day day = day_of_number(floor_div(minute, DAY_S / 60));
    int from = (int)(minute - day.number * (DAY_S / 60));

    while (day_find(cron, &day, floor_div(end_s, DAY_S), forward)) {
        bool same = day.number == floor_div(minute, DAY_S / 60);
        int found = minute_find(cron, same ? from : forward ? 0 : DAY_S / 60 - 1, forward);

        if (found >= 0) {
            *out_s = day.number * DAY_S + found * 60;
            return forward ? *out_s <= end_s : *out_s >= end_s;
        }
        day_step(&day, forward);
    }
    return false;
}

/* ---- times that are fixed ---- */

/* The highest that the clock has shown until then. */
static s64 local_highest(const struct zone *zone, s64 utc_s)
{
    s64 highest = utc_s + zone_offset_s(zone, utc_s);
    s64 change = zone_next_change(zone, utc_s - 2 * OFFSET_MOST_S);

    for (; change <= utc_s; change = zone_next_change(zone, change)) {
        s64 before = change - 1 + zone_offset_s(zone, change - 1);

        highest = before > highest ? before : highest;
    }
    return highest;
}

/* The first moment at which the clock shows `local_s` or more. */
static s64 moment_of(const struct zone *zone, s64 local_s)
{
    s64 from = local_s - OFFSET_MOST_S;

    for (;;) {
        s64 moment = local_s - zone_offset_s(zone, from);
        s64 change = zone_next_change(zone, from);

        moment = moment < from ? from : moment;
        if (moment < change)
            return moment;
        from = change;
    }
}

static bool fixed_next(const struct times *times, s64 after_s, s64 *out_s)
{
    s64 local;

    if (!local_find(&times->cron, local_highest(times->zone, after_s) + 1,
                    CALENDAR_END_S + OFFSET_MOST_S, true, &local))
        return false;
    *out_s = moment_of(times->zone, local);
    return true;
}

static bool fixed_last(const struct times *times, s64 until_s, s64 after_s, s64 *out_s)
{
    s64 local;

    if (!local_find(&times->cron, local_highest(times->zone, until_s), after_s - OFFSET_MOST_S,
                    false, &local))
        return false;
    *out_s = moment_of(times->zone, local);
    return *out_s > after_s;
}

/* ---- times that follow elapsed time: each stretch without a change of the clock by itself ---- */

static bool elapsed_next(const struct times *times, s64 after_s, s64 *out_s)
{
    s64 from = after_s + 1, local;

    while (from < CALENDAR_END_S) {
        s64 offset = zone_offset_s(times->zone, from);
        s64 change = zone_next_change(times->zone, from);
        s64 end = change < CALENDAR_END_S ? change : CALENDAR_END_S;

        if (local_find(&times->cron, from + offset, end - 1 + offset, true, &local)) {
            *out_s = local - offset;
            return true;
        }
        from = end;
    }
    return false;
}

static bool elapsed_last(const struct times *times, s64 until_s, s64 after_s, s64 *out_s)
{
    s64 until = until_s, local;

    while (until > after_s) {
        s64 offset = zone_offset_s(times->zone, until);
        s64 change = zone_last_change(times->zone, until);
        s64 begin = change > after_s ? change : after_s + 1;

        if (local_find(&times->cron, until + offset, begin + offset, false, &local)) {
            *out_s = local - offset;
            return true;
        }
        until = begin - 1;
    }
    return false;
}

/* ---- all three ---- */

static s64 clamp(s64 value, s64 least, s64 most)
{
    return value < least ? least : value > most ? most : value;
}

static bool follows_elapsed(const struct cron *cron)
{
    return cron->any_minute || cron->any_hour;
}

static bool clock_next(const struct times *times, s64 after_s, s64 *out_s)
{
    return follows_elapsed(&times->cron) ? elapsed_next(times, after_s, out_s)
                                         : fixed_next(times, after_s, out_s);
}

static bool clock_last(const struct times *times, s64 until_s, s64 after_s, s64 *out_s)
{
    return follows_elapsed(&times->cron) ? elapsed_last(times, until_s, after_s, out_s)
                                         : fixed_last(times, until_s, after_s, out_s);
}

/* The last anchor + n × D up to `until_ms`. */
static s64 every_last(const struct times *times, s64 until_ms)
{
    s64 every = times->cron.every_ms;
    s64 anchor = clamp(times->anchor_ms, CALENDAR_FIRST_S * 1000, CALENDAR_END_S * 1000);

    return anchor + floor_div(until_ms - anchor, every) * every;
}

bool times_next(const struct times *times, s64 after_ms, s64 *out_ms)
{
    s64 after = clamp(after_ms, CALENDAR_FIRST_S * 1000, CALENDAR_END_S * 1000), found_s;

    if (times->cron.every_ms > 0) {
        *out_ms = every_last(times, after) + times->cron.every_ms;
        return *out_ms < CALENDAR_END_S * 1000;
    }
    if (!clock_next(times, floor_div(after, 1000), &found_s))
        return false;
    *out_ms = found_s * 1000;
    return found_s < CALENDAR_END_S;
}

bool times_last(const struct times *times, s64 until_ms, s64 after_ms, s64 *out_ms)
{
    s64 until = clamp(until_ms, CALENDAR_FIRST_S * 1000, CALENDAR_END_S * 1000 - 1), found_s;
    s64 after = clamp(after_ms, CALENDAR_FIRST_S * 1000, CALENDAR_END_S * 1000);

    if (until <= after)
        return false;
    if (times->cron.every_ms > 0) {
        *out_ms = every_last(times, until);
        return *out_ms > after;
    }
    if (!clock_last(times, floor_div(until, 1000), floor_div(after, 1000), &found_s))
        return false;
    *out_ms = found_s * 1000;
    return true;
}

s64 times_jitter_ms(const char *name, s64 jitter_ms)
{
    struct digest digest;
    u64 number = 0;

    if (jitter_ms <= 0)
        return 0;
    hash_bytes(HASH_XXH3_128, bytes_text(name), &digest);
    for (u32 i = 0; i < sizeof number; i++)
        number = number << 8 | digest.bytes[i];
    return (s64)(number % ((u64)jitter_ms + 1));
}
