/* cron.h: the text of a schedule: five fields of cron, a name such as @hourly, or @every DURATION.
 * Pure. Fields and their meaning are those of crontab(5), so that what people have there means the
 * same here; what crontab(5) leaves to each implementation is refused with what to write instead.
 */
#ifndef SYNCLINE_CRON_CRON_H
#define SYNCLINE_CRON_CRON_H

#include "base/err.h"
#include "base/types.h"

/* Plain data. Bit n of a field: the value n is meant. */
struct cron {
    s64 every_ms;              /* of @every; 0: the fields below */
    u64 minutes;               /* 0..59 */
    u32 hours;                 /* 0..23 */
    u32 days;                  /* 1..31 */
    u16 months;                /* 1..12 */
    u8 weekdays;               /* 0..6, Sunday = 0 */
    bool any_minute, any_hour; /* the field begins with "*": it follows elapsed time (times.h) */
    bool any_day, any_weekday; /* if neither does, one of both is enough; else both must fit */
};

/* Reads `text`. Configuration: what is wrong, in words, and *position: the byte of `text` at which
 * it is wrong. Refused too is what can never come, such as February 30. */
int cron_parse(const char *text, struct cron *out, size_t *position, struct err *err);

/* Is the day one that is meant? `weekday`: 0..6, Sunday = 0. Of @every: never. */
bool cron_has_day(const struct cron *cron, int month, int day, int weekday);

#endif
