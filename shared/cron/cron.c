/* cron.c: see cron.h. A field is read from left to right, and the first fault ends it: its place is
 * the begin of the word that is wrong. */
#include "cron/cron.h"

#include "base/buf.h"
#include "base/names.h"
#include "base/units.h"
#include "base/words.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#define FIELDS 5u
#define WORD_SIZE 200      /* a word of the text, escaped, in a message */
#define WORD_BYTES 32      /* of it that are shown; each may become four characters */
#define NUMBER_MAX 100000u /* numbers above are this one: out of every range */
#define EVERY_LEAST_MS 1000
#define EVERY_MOST_MS (366LL * 86400000)

static const char *const month_names[] = {"JAN", "FEB", "MAR", "APR", "MAY", "JUN",
                                          "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"};
static const char *const weekday_names[] = {"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"};

/* What a field takes; the names count from `least` on. */
struct kind {
    const char *what;
    u32 least, most;
    u32 star_most; /* what "*" reaches: 7 is Sunday once more */
    const char *const *names;
    u32 name_count;
};

enum { MINUTE, HOUR, DAY, MONTH, WEEKDAY };

static const struct kind kinds[FIELDS] = {
    [MINUTE] = {"minute", 0, 59, 59, NULL, 0},
    [HOUR] = {"hour", 0, 23, 23, NULL, 0},
    [DAY] = {"day of the month", 1, 31, 31, NULL, 0},
    [MONTH] = {"month", 1, 12, 12, month_names, COUNT_OF(month_names)},
    [WEEKDAY] = {"day of the week", 0, 7, 6, weekday_names, COUNT_OF(weekday_names)},
};

struct reader {
    const char *text; /* all of it */
    size_t *position;
    struct err *err;
};

/* ---- what is wrong ---- */

#define refuse(reader, at, ...)                                                                    \
    (*(reader)->position = (size_t)((at) - (reader)->text),                                        \
     err_set((reader)->err, ERR_Configuration, __VA_ARGS__))

/* A word for a message: escaped, and cut where it is long. Returns `out`. */
static const char *word_shown(char out[WORD_SIZE], const char *word, size_t size)
{
    bool cut = size > WORD_BYTES;
    struct buf escaped = {0};

    name_escape(&escaped, bytes_of(word, cut ? WORD_BYTES : size));
    snprintf(out, WORD_SIZE, "%s%s", buf_text(&escaped), cut ? "..." : "");
    buf_release(&escaped);
    return out;
}

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

static const char *skip_blanks(const char *at)
{
    while (is_blank(*at))
        at++;
    return at;
}

/* The bytes of the word at `at`, up to a blank. */
static size_t word_size(const char *at)
{
    size_t size = 0;

    while (at[size] && !is_blank(at[size]))
        size++;
    return size;
}

/* ---- values ---- */

/* The word in upper case; false: it is longer than any that is meant. */
static bool word_upper(const char *word, size_t size, char out[WORD_BYTES])
{
    if (size >= WORD_BYTES)
        return false;
    for (size_t i = 0; i < size; i++)
        out[i] = (char)toupper((unsigned char)word[i]);
    out[size] = '\0';
    return true;
}

static int name_find(const struct kind *kind, const char *word, size_t size)
{
    for (u32 i = 0; i < kind->name_count; i++)
        if (strlen(kind->names[i]) == size && strncmp(kind->names[i], word, size) == 0)
            return (int)i;
    return -1;
}

/* The name that was meant: of one that is written out, its first three letters. */
static const char *name_meant(const struct kind *kind, const char *upper)
{
    int found = strlen(upper) > 3 ? name_find(kind, upper, 3) : -1;

    return found >= 0 ? kind->names[found] : nearest_word(upper, kind->names, kind->name_count);
}

static int refuse_word(const struct reader *reader, const struct kind *kind, const char *word,
                       size_t size)
{
    char shown[WORD_SIZE], upper[WORD_BYTES] = "";
    bool known = word_upper(word, size, upper);
    const char *meant = known && kind->names ? name_meant(kind, upper) : NULL;

    word_shown(shown, word, size);
    if (size == 0 && *word == '-')
        return refuse(reader, word, "%s: no value is negative; write * or %u to %u", kind->what,
                      kind->least, kind->most);
    if (size == 0)
        return refuse(reader, word, "%s: a value is missing here; write * or %u to %u", kind->what,
                      kind->least, kind->most);
    if (strcmp(shown, "?") == 0)
        return refuse(reader, word, "%s: ? is not read here; write *", kind->what);
    if (meant)
        return refuse(reader, word, "%s: there is no '%s'; did you mean %s?", kind->what, shown,
                      meant);
    for (u32 i = 0; known && i < FIELDS; i++)
        if (name_find(&kinds[i], upper, size) >= 0)
            return refuse(reader, word, "%s: %s is a %s, the %s field", kind->what, upper,
                          kinds[i].what, i == MONTH ? "fourth" : "fifth");
    return refuse(reader, word, "%s: '%s' is no value; write * or %u to %u%s%s", kind->what, shown,
                  kind->least, kind->most, kind->names ? ", or a name such as " : "",
                  kind->names ? kind->names[0] : "");
}

/* A number or a name at *at, which moves behind it. */
static int read_value(const struct reader *reader, const struct kind *kind, const char **at,
                      u32 *out)
{
    const char *word = *at;
    size_t size = strcspn(word, " \t,-/"), digits = strspn(word, "0123456789");
    char upper[WORD_BYTES], shown[WORD_SIZE];
    u32 number = 0;
    int name;

    *at = word + size;
    if (size == 0 || digits < size) {
        name = size && word_upper(word, size, upper) ? name_find(kind, upper, size) : -1;
        *out = kind->least + (u32)name;
        return name < 0 ? refuse_word(reader, kind, word, size) : 0;
    }
    for (size_t i = 0; i < size && number < NUMBER_MAX; i++)
        number = 10 * number + (u32)(word[i] - '0');
    *out = number;
    if (number >= kind->least && number <= kind->most)
        return 0;
    return refuse(reader, word, "%s: %s is out of range; write %u to %u", kind->what,
                  word_shown(shown, word, size), kind->least, kind->most);
}

/* ---- ranges and steps ---- */

struct range {
    const char *at; /* where it begins */
    u32 first, last, step;
    bool star, pair; /* "*"; "first-last" */
};

static void append_span(struct buf *out, u32 first, u32 last)
{
    buf_printf(out, first == last ? "%s%u" : "%s%u-%u", out->size ? "," : "", first, last);
}

/* What goes around the end of the clock, as a list: 22-2 is 22-23,0-2, and 22-2/2 is 22,0,2. */
static void append_around(struct buf *out, const struct kind *kind, const struct range *range,
                          u32 step)
{
    u32 size = kind->star_most - kind->least + 1;

    if (range->first > kind->star_most) { /* Sunday as 7 */
        bool steps = range->last >= range->first - size + step;

        append_span(out, range->first - size, steps ? range->last : range->first - size);
        if (steps && step > 1)
            buf_printf(out, "/%u", step);
        return;
    }
    if (step == 1) {
        append_span(out, range->first, kind->star_most);
        append_span(out, kind->least, range->last);
        return;
    }
    for (u32 i = range->first; i <= range->last + size; i += step) {
        u32 value = i > kind->star_most ? i - size : i;

        append_span(out, value, value);
    }
}

static int refuse_backward(const struct reader *reader, const struct kind *kind,
                           const struct range *range, const char *rest)
{
    u32 step = *rest == '/' ? (u32)strtoul(rest + 1, NULL, 10) : 1;
    struct buf list = {0};

    if (kind->most == 7 && range->last == 0)
        append_span(&list, range->first, 7);
    else
        append_around(&list, kind, range, step > 0 && step < NUMBER_MAX ? step : 1);
    refuse(reader, range->at, "%s: %.*s runs backward; write %s", kind->what,
           (int)(rest - range->at), range->at, buf_text(&list));
    buf_release(&list);
    return -1;
}

/* The step behind a slash at `at`. */
static int read_step(const struct reader *reader, const struct kind *kind, const char *at,
                     struct range *range)
{
    size_t size = strcspn(at, " \t,"), digits = strspn(at, "0123456789");
    char shown[WORD_SIZE];
    u32 step = 0;

    word_shown(shown, at, size);
    if (size == 0 || digits < size)
        return refuse(reader, at, "%s: a step is a number, not '%s'; write */5 or 10-30/5",
                      kind->what, shown);
    for (size_t i = 0; i < size && step < NUMBER_MAX; i++)
        step = 10 * step + (u32)(at[i] - '0');
    if (step == 0)
        return refuse(reader, at, "%s: a step of 0 never gets on; write 1 or more", kind->what);
    if (range->first == range->last && range->first + step > kind->star_most)
        return refuse(reader, range->at, "%s: a step needs a range; write %u alone", kind->what,
                      range->first);
    if (!range->star && !range->pair)
        return refuse(reader, range->at, "%s: a step needs a range; write %u-%u/%u", kind->what,
                      range->first, kind->star_most, step);
    if (step > range->last - range->first)
        return refuse(reader, at,
                      "%s: a step of %s is longer than %u-%u; write %u alone, or @every",
                      kind->what, shown, range->first, range->last, range->first);
    range->step = step;
    return 0;
}

/* One item of a list at *at, which moves behind it. */
static int read_range(const struct reader *reader, const struct kind *kind, const char **at,
                      u64 *bits)
{
    struct range range = {.at = *at, .step = 1, .star = **at == '*'};

    if (range.star) {
        (*at)++;
        range.first = kind->least;
        range.last = kind->star_most;
    } else if (read_value(reader, kind, at, &range.first) < 0) {
        return -1;
    } else {
        range.last = range.first;
        range.pair = **at == '-';
        if (range.pair) {
            (*at)++;
            if (read_value(reader, kind, at, &range.last) < 0)
                return -1;
        }
    }
    if (range.last < range.first)
        return refuse_backward(reader, kind, &range, *at);
    if (**at == '/') {
        if (read_step(reader, kind, *at + 1, &range) < 0)
            return -1;
        *at += 1 + strcspn(*at + 1, " \t,");
    }
    for (u32 i = range.first; i <= range.last; i += range.step)
        *bits |= 1ull << i;
    return 0;
}

/* The field at `at`. */
static int read_field(const struct reader *reader, const struct kind *kind, const char *at,
                      u64 *bits)
{
    *bits = 0;
    for (;; at++) {
        const char *item = at;
        char shown[WORD_SIZE];

        if (read_range(reader, kind, &at, bits) < 0)
            return -1;
        if (!*at || is_blank(*at))
            return 0;
        if (*at != ',')
            return refuse(reader, at, "%s: '%s' is no range; write values as 5, 1-5, 1,5 or */5",
                          kind->what, word_shown(shown, item, strcspn(item, " \t,")));
    }
}

/* ---- dates ---- */

static u32 longest_month(u16 months)
{
    static const u32 days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    u32 longest = 0;

    for (u32 i = 0; i < COUNT_OF(days); i++)
        if (months & 1u << (i + 1) && days[i] > longest)
            longest = days[i];
    return longest;
}

/* Each day of a month, February 29 too, is each day of the week in some year. So a date never comes
 * only if no month that is meant has such a day, and weekdays do not come instead. */
static int check_comes(const struct reader *reader, const struct cron *cron, const char *days)
{
    u32 longest = longest_month(cron->months);

    if (cron->days & ((1ull << (longest + 1)) - 1) || (!cron->any_day && !cron->any_weekday))
        return 0;
    return refuse(reader, days,
                  "a date that never comes: the months meant have at most %u days; write a day up "
                  "to %u",
                  longest, longest);
}

bool cron_has_day(const struct cron *cron, int month, int day, int weekday)
{
    bool days = cron->days >> day & 1, weekdays = cron->weekdays >> weekday & 1;

    if (!(cron->months >> month & 1))
        return false;
    return cron->any_day || cron->any_weekday ? days && weekdays : days || weekdays;
}

/* ---- the three ways to write a schedule ---- */

static int read_fields(const struct reader *reader, const char *const at[FIELDS], struct cron *out)
{
    u64 bits[FIELDS];

    for (u32 i = 0; i < FIELDS; i++)
        if (read_field(reader, &kinds[i], at[i], &bits[i]) < 0)
            return -1;
    *out = (struct cron){
        .minutes = bits[MINUTE],
        .hours = (u32)bits[HOUR],
        .days = (u32)bits[DAY],
        .months = (u16)bits[MONTH],
        .weekdays = (u8)((bits[WEEKDAY] | bits[WEEKDAY] >> 7) & 0x7f),
        .any_minute = *at[MINUTE] == '*',
        .any_hour = *at[HOUR] == '*',
        .any_day = *at[DAY] == '*',
        .any_weekday = *at[WEEKDAY] == '*',
    };
    return check_comes(reader, out, at[DAY]);
}

/* How many fields there are is asked first: a sixth one shifts the meaning of all others. */
static int read_line(const struct reader *reader, const char *at, struct cron *out)
{
    const char *fields[FIELDS];
    u32 count = 0;

    if (memchr(at, '=', word_size(at)))
        return refuse(reader, at, "a variable, as in a crontab; the zone stands in timezone");

    for (; *at; at = skip_blanks(at + word_size(at))) {
        if (count == FIELDS)
            return refuse(reader, at,
                          "more than the five fields minute, hour, day of the month, month, day of "
                          "the week; seconds, years and commands are none: below a minute, write "
                          "@every 10s");
        fields[count++] = at;
    }
    if (count == 1)
        return refuse(
            reader, fields[0],
            "one word where five fields are wanted: minute, hour, day of the month, month, "
            "day of the week, such as \"0 2 * * *\"; or @daily, or @every 1h");
    if (count < FIELDS)
        return refuse(
            reader, at,
            "only %u fields; after them the %s is wanted: all are minute, hour, day of the "
            "month, month, day of the week; write * for any",
            count, kinds[count].what);
    return read_fields(reader, fields, out);
}

static int read_every(const struct reader *reader, const char *at, struct cron *out)
{
    size_t size = strlen(at);
    char shown[WORD_SIZE], *text;
    bool known;
    s64 ms;

    *out = (struct cron){0};
    while (size > 0 && is_blank(at[size - 1]))
        size--;
    if (size == 0)
        return refuse(reader, at, "@every needs a duration; write @every 90s or @every 1h30m");
    word_shown(shown, at, size);
    if (*at == '-')
        return refuse(reader, at, "%s is negative; write a duration from 1s to 366d", shown);
    text = text_of_bytes(bytes_of(at, size));
    known = units_duration(text, false, &ms);
    free(text);
    if (!known)
        return refuse(reader, at,
                      "'%s' is no duration from 1s to 366d; write such as 90s, 1h30m or 2d", shown);
    if (ms < EVERY_LEAST_MS || ms > EVERY_MOST_MS)
        return refuse(reader, at, "%s is too %s; write a duration from 1s to 366d", shown,
                      ms < EVERY_LEAST_MS ? "short" : "long");
    out->every_ms = ms;
    return 0;
}

/* A text that begins with "@", at `at`. */
static int read_name(const struct reader *reader, const char *at, struct cron *out)
{
    static const struct {
        const char *name, *fields;
    } names[] = {
        {"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"}, {"@monthly", "0 0 1 * *"},
        {"@weekly", "0 0 * * 0"}, {"@daily", "0 0 * * *"},    {"@midnight", "0 0 * * *"},
        {"@hourly", "0 * * * *"}, {"@every", NULL},
    };
    const char *words[COUNT_OF(names)], *rest, *meant;
    char shown[WORD_SIZE];
    size_t size = word_size(at);

    word_shown(shown, at, size);
    rest = skip_blanks(at + size);
    for (u32 i = 0; i < COUNT_OF(names); i++) {
        words[i] = names[i].name;
        if (strcmp(names[i].name, shown) != 0)
            continue;
        if (!names[i].fields)
            return read_every(reader, rest, out);
        if (*rest)
            return refuse(reader, rest, "nothing may stand behind %s", shown);
        return read_line(reader, names[i].fields, out);
    }
    if (strcmp(shown, "@reboot") == 0)
        return refuse(reader, at,
                      "@reboot is no time: planners may start at any moment; write when, such as "
                      "@hourly or @every 1h");
    meant = nearest_word(shown, words, COUNT_OF(words));
    return refuse(reader, at, "there is no %s; %s%s%s", shown, meant ? "did you mean " : "write ",
                  meant ? meant : "@hourly, @daily, @weekly, @monthly, @yearly or @every 1h",
                  meant ? "?" : "");
}

static int check_bytes(const struct reader *reader)
{
    for (const char *at = reader->text; *at; at++) {
        if (*at == '\n')
            return refuse(reader, at, "a line break; write all of it on one line, in quotes");
        if (((unsigned char)*at < ' ' && *at != '\t') || *at == 0x7f)
            return refuse(reader, at,
                          "a control character (\\x%02x); between fields only blanks stand",
                          (unsigned char)*at);
    }
    return 0;
}

int cron_parse(const char *text, struct cron *out, size_t *position, struct err *err)
{
    const struct reader reader = {text, position, err};
    const char *at = skip_blanks(text);

    if (check_bytes(&reader) < 0)
        return -1;
    if (!*at)
        return refuse(&reader, text,
                      "an empty schedule; write five fields, such as \"0 2 * * *\", or @daily, or "
                      "@every 1h");
    return *at == '@' ? read_name(&reader, at, out) : read_line(&reader, at, out);
}
