/* tzif.c: see tzif.h. A file has its data twice: for old readers with 32-bit times, which are
 * skipped, then with 64 bits; behind them stands the rule for all later times, as POSIX writes TZ:
 *
 *   "\n" name offset [name [offset] "," when ["/" time] "," when ["/" time]] "\n"
 *   when: M<month>.<week, 5 is the last>.<weekday>, J<day 1..365, never February 29>, <day 0..365>
 *
 * Offsets in there are counted west, and each is for one side of a change only: a change to summer
 * time is told by the clock before it, and so is the one back. */
#include "cron/tzif.h"

#include "base/buf.h"
#include "cron/calendar.h"

#include <ctype.h>
#include <stdlib.h>

#define HEADER_BYTES 44u
#define TYPE_BYTES 6u
#define COUNT_MOST 100000u /* of anything; the largest there is has some hundreds */
#define NUMBER_MOST 100000 /* in a rule */

void zone_changes_release(struct zone_changes *changes)
{
    free(changes->at);
    free(changes->offsets);
    *changes = (struct zone_changes){0};
}

/* Of two at the same moment, the later one holds; one that changes nothing is none. */
static void change_add(struct zone_changes *changes, s64 at, s32 offset)
{
    u32 count = changes->count;

    if (count > 0 && changes->at[count - 1] == at)
        count--;
    changes->count = count;
    if (offset == (count ? changes->offsets[count - 1] : changes->first))
        return;
    if ((count & (count - 1)) == 0) {
        size_t room = count ? 2 * (size_t)count : 1;

        changes->at = memory_resize_or_die(changes->at, room * sizeof *changes->at);
        changes->offsets = memory_resize_or_die(changes->offsets, room * sizeof *changes->offsets);
    }
    changes->at[count] = at;
    changes->offsets[count] = offset;
    changes->count = count + 1;
}

/* ---- the rule for later times ---- */

struct when {
    char form; /* 'M', 'J', or 0 */
    int month, week, day;
    s32 time_s; /* of the clock before the change; may be negative, and beyond a day */
};

struct rule {
    s32 standard, summer;
    bool changes;
    struct when begin, end; /* of summer time */
};

static bool read_number(const char **at, s32 *out)
{
    if (!isdigit((unsigned char)**at))
        return false;
    for (*out = 0; isdigit((unsigned char)**at) && *out < NUMBER_MOST; (*at)++)
        *out = *out * 10 + (**at - '0');
    return *out < NUMBER_MOST;
}

static bool read_char(const char **at, char wanted)
{
    if (**at != wanted)
        return false;
    (*at)++;
    return true;
}

/* [+-]h[:mm[:ss]] in seconds, up to `hours`. */
static bool read_time(const char **at, s32 hours, s32 *out)
{
    bool negative = **at == '-';
    s32 part, unit = 3600;

    *at += **at == '-' || **at == '+';
    for (*out = 0; unit > 0; unit /= 60) {
        if (!read_number(at, &part) || part > (unit == 3600 ? hours : 59))
            return false;
        *out += part * unit;
        if (!read_char(at, ':'))
            break;
    }
    *out = negative ? -*out : *out;
    return true;
}

/* "CET", "<+03>": passed over. */
static bool read_name(const char **at)
{
    const char *begin = *at;

    if (read_char(at, '<')) {
        *at += strcspn(*at, ">");
        return read_char(at, '>');
    }
    while (isalpha((unsigned char)**at))
        (*at)++;
    return *at > begin;
}

static bool read_when(const char **at, struct when *out)
{
    *out = (struct when){.time_s = 2 * 3600};
    if (!read_char(at, ','))
        return false;
    if (**at == 'M' || **at == 'J')
        out->form = *(*at)++;
    if (out->form == 'M' && (!read_number(at, &out->month) || !read_char(at, '.') ||
                             !read_number(at, &out->week) || !read_char(at, '.') ||
                             out->month < 1 || out->month > 12 || out->week < 1 || out->week > 5))
        return false;
    if (!read_number(at, &out->day) || out->day > (out->form == 'M' ? 6 : 365) ||
        (out->form == 'J' && out->day < 1))
        return false;
    return !read_char(at, '/') || read_time(at, 167, &out->time_s);
}

static bool read_rule(const char *at, struct rule *out)
{
    *out = (struct rule){0};
    if (!read_name(&at) || !read_time(&at, 24, &out->standard))
        return false;
    out->standard = -out->standard;
    if (!*at)
        return true;
    out->changes = true;
    out->summer = out->standard + 3600;
    if (!read_name(&at))
        return false;
    if (*at != ',') {
        if (!read_time(&at, 24, &out->summer))
            return false;
        out->summer = -out->summer;
    }
    return read_when(&at, &out->begin) && read_when(&at, &out->end) && !*at;
}

/* The day of that year, as the clock before the change shows it, in local seconds. */
static s64 when_in(const struct when *when, int year)
{
    s64 day = day_number(year, 1, 1) + when->day;
    int length;

    if (when->form == 'J') {
        day += (year_is_leap(year) && when->day >= 60) - 1;
    } else if (when->form == 'M') {
        day = day_number(year, when->month, 1);
        length = days_of_month(year, when->month);
        day += (when->day - weekday_of(day) + 7) % 7;
        for (int week = 1; week < when->week && day + 7 < day_number(year, when->month, 1) + length;
             week++)
            day += 7;
    }
    return day * DAY_S + when->time_s;
}

/* What the rule says of the moments after `after`. */
static void add_later(struct zone_changes *changes, const struct rule *rule, s64 after)
{
    int year = 1;

    if (after >= CALENDAR_END_S)
        return;
    if (after > CALENDAR_FIRST_S)
        year = day_of_number(floor_div(after, DAY_S)).year - 1;
    for (; year < CALENDAR_END_YEAR; year++) {
        s64 begin = when_in(&rule->begin, year) - rule->standard;
        s64 end = when_in(&rule->end, year) - rule->summer;
        bool north = begin < end;

        for (int second = 0; second < 2; second++) {
            bool summer = north == (second == 0);
            s64 at = summer ? begin : end;

            if (at > after && at < CALENDAR_END_S)
                change_add(changes, at, summer ? rule->summer : rule->standard);
        }
    }
}

static const char *read_footer(struct bytes rest, s64 last, struct zone_changes *out)
{
    const u8 *end = rest.size > 1 ? memchr(rest.data + 1, '\n', rest.size - 1) : NULL;
    struct rule rule = {0};
    bool good = true;
    char *text;

    if (!end || *rest.data != '\n')
        return "it has no rule at its end";
    if (end == rest.data + 1)
        return NULL; /* nothing is known of later times: they are as the last one */
    text = text_of_bytes(bytes_of(rest.data + 1, (size_t)(end - rest.data) - 1));
    good = read_rule(text, &rule);
    free(text);
    if (!good)
        return "the rule at its end is not as in POSIX";
    if (rule.changes)
        add_later(out, &rule, last);
    return NULL;
}

/* ---- the data ---- */

static u64 read_bytes(const u8 *at, u32 size)
{
    u64 value = 0;

    while (size-- > 0)
        value = value << 8 | *at++;
    return value;
}

struct counts {
    u32 utc, standard, leaps, times, types, chars; /* in the order of the file */
};

/* The header at the begin of `rest`. */
static bool read_header(struct bytes rest, struct counts *out)
{
    u32 *const counts[] = {&out->utc,   &out->standard, &out->leaps,
                           &out->times, &out->types,    &out->chars};

    if (rest.size < HEADER_BYTES || memcmp(rest.data, "TZif", 4) != 0 || rest.data[4] < '2')
        return false;
    for (u32 i = 0; i < COUNT_OF(counts); i++) {
        *counts[i] = (u32)read_bytes(rest.data + 20 + 4 * (size_t)i, 4);
        if (*counts[i] > COUNT_MOST)
            return false;
    }
    return true;
}

/* Of the header and what follows it, with times of `width` bytes. */
static size_t block_size(const struct counts *counts, u32 width)
{
    return HEADER_BYTES + (size_t)counts->times * (width + 1) + (size_t)counts->types * TYPE_BYTES +
           counts->chars + (size_t)counts->leaps * (width + 4) + counts->standard + counts->utc;
}

static const char *read_times(const u8 *at, const struct counts *counts, struct zone_changes *out,
                              s64 *last)
{
    const u8 *types = at + (size_t)counts->times * 8;
    const u8 *offsets = types + counts->times;

    for (u32 i = 0; i < counts->types; i++) {
        s32 offset = (s32)read_bytes(offsets + (size_t)i * TYPE_BYTES, 4);

        if (offset >= ZONE_OFFSET_MOST_S || offset <= -ZONE_OFFSET_MOST_S)
            return "a clock in it is more than a day from UTC";
    }
    out->first = (s32)read_bytes(offsets, 4);
    *last = INT64_MIN;
    for (u32 i = 0; i < counts->times; i++) {
        s64 moment = (s64)read_bytes(at + (size_t)i * 8, 8);

        if ((i > 0 && moment <= *last) || types[i] >= counts->types)
            return "its times are in no order";
        *last = moment;
        change_add(out, moment, (s32)read_bytes(offsets + (size_t)types[i] * TYPE_BYTES, 4));
    }
    return NULL;
}

const char *tzif_read(struct bytes file, struct zone_changes *out)
{
    struct counts counts;
    const char *wrong;
    size_t size;
    s64 last;

    *out = (struct zone_changes){0};
    if (!read_header(file, &counts) || file.size < block_size(&counts, 4))
        return "it is no TZif of version 2 or later";
    size = block_size(&counts, 4);
    file = bytes_of(file.data + size, file.size - size);
    if (!read_header(file, &counts) || counts.types == 0 || file.size < block_size(&counts, 8))
        return "it ends too early";
    if (counts.leaps > 0)
        return "it counts leap seconds";
    wrong = read_times(file.data + HEADER_BYTES, &counts, out, &last);
    size = block_size(&counts, 8);
    if (!wrong)
        wrong = read_footer(bytes_of(file.data + size, file.size - size), last, out);
    if (wrong)
        zone_changes_release(out);
    return wrong;
}
