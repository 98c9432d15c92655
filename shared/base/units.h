/* units.h: numbers with units, as people write them in definitions and on the command line. Each is
 * read as a whole: false, and *out untouched, for anything before, between or after it that does
 * not belong there. Pure. */
#ifndef SYNCLINE_BASE_UNITS_H
#define SYNCLINE_BASE_UNITS_H

#include "base/types.h"

/* "500ms", "10s", "1h30m", "2d", "1w", in milliseconds; units may follow one another. At least 0,
 * at most a hundred years. `bare`: a number without a unit is taken as seconds. */
bool units_duration(const char *text, bool bare, s64 *out_ms);

/* "512", "512B", "64KiB", "1MB", "200GiB" (KiB is 1024, kB and KB are 1000), in bytes. */
bool units_size(const char *text, u64 *out_bytes);

/* A size and "/s": "200MiB/s". At least 1. */
bool units_rate(const char *text, u64 *out_bytes_per_second);

/* "10%": 0 to 100. */
bool units_percent(const char *text, u32 *out_percent);

#endif
