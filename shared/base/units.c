/* units.c: see units.h. */
#include "base/units.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DAY_MS 86400000LL
#define LONGEST_MS (DAY_MS * 36500)

struct unit {
    const char *name;
    u64 size;
};

static const struct unit durations[] = {{"ms", 1},      {"s", 1000},   {"m", 60000},
                                        {"h", 3600000}, {"d", DAY_MS}, {"w", 7 * DAY_MS}};
static const struct unit sizes[] = {
    {"", 1},
    {"B", 1},
    {"kB", 1000},
    {"KB", 1000},
    {"MB", 1000000},
    {"GB", 1000000000},
    {"TB", 1000000000000},
    {"KiB", 1ull << 10},
    {"MiB", 1ull << 20},
    {"GiB", 1ull << 30},
    {"TiB", 1ull << 40},
};

/* Digits at *at, which moves behind them. */
static bool read_digits(const char **at, u64 *out)
{
    char *end;

    if (!isdigit((unsigned char)**at))
        return false;
    errno = 0;
    *out = strtoull(*at, &end, 10);
    *at = end;
    return errno == 0;
}

/* The letters at *at, which moves behind them, as a unit: 0 if there is none of that name. */
static u64 read_unit(const char **at, const struct unit *units, size_t count)
{
    size_t length = 0;
    u64 size = 0;

    while (isalpha((unsigned char)(*at)[length]))
        length++;
    for (size_t i = 0; i < count; i++)
        if (strlen(units[i].name) == length && strncmp(*at, units[i].name, length) == 0)
            size = units[i].size;
    *at += length;
    return size;
}

bool units_duration(const char *text, bool bare, s64 *out_ms)
{
    const char *at = text;
    u64 total = 0, value;

    while (*at || at == text) {
        bool first = at == text;
        u64 unit;

        if (!read_digits(&at, &value))
            return false;
        unit = *at == '\0' && first && bare ? 1000 : read_unit(&at, durations, COUNT_OF(durations));
        if (unit == 0 || value > LONGEST_MS / unit)
            return false;
        total += value * unit;
        if (total > LONGEST_MS)
            return false;
    }
    *out_ms = (s64)total;
    return true;
}

/* A size at the start of `text`; what follows it, or NULL. */
static const char *read_size(const char *text, u64 *out)
{
    const char *at = text;
    u64 value, unit;

    if (!read_digits(&at, &value))
        return NULL;
    unit = read_unit(&at, sizes, COUNT_OF(sizes));
    if (unit == 0 || value > (u64)INT64_MAX / unit)
        return NULL;
    *out = value * unit;
    return at;
}

bool units_size(const char *text, u64 *out_bytes)
{
    u64 value;
    const char *rest = read_size(text, &value);

    if (!rest || *rest)
        return false;
    *out_bytes = value;
    return true;
}

bool units_rate(const char *text, u64 *out_bytes_per_second)
{
    u64 value;
    const char *rest = read_size(text, &value);

    if (!rest || strcmp(rest, "/s") != 0 || value == 0)
        return false;
    *out_bytes_per_second = value;
    return true;
}

bool units_percent(const char *text, u32 *out_percent)
{
    const char *at = text;
    u64 value;

    if (!read_digits(&at, &value) || strcmp(at, "%") != 0 || value > 100)
        return false;
    *out_percent = (u32)value;
    return true;
}
