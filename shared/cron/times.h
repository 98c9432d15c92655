/* times.h: the moments at which a schedule comes, in UTC. Pure but for the zone, which was read
 * before. Moments are milliseconds since the epoch.
 *
 * Around changes of the clock, as in ISC cron: if neither the minute nor the hour begins with "*",
 * a time that does not exist comes once, at the first moment after the gap, and one that comes
 * twice counts the first time only; else the fields follow elapsed time: each moment whose clock
 * fits, and no other. @every comes at anchor + n × D for every whole n, whatever the clock of the
 * zone shows.
 */
#ifndef SYNCLINE_CRON_TIMES_H
#define SYNCLINE_CRON_TIMES_H

#include "cron/cron.h"
#include "cron/zone.h"

/* Plain data; the zone is borrowed. */
struct times {
    struct cron cron;
    const struct zone *zone;
    s64 anchor_ms; /* of @every: when the plan was made */
};

/* The first one after `after_ms`; false: none before the year 2400. */
bool times_next(const struct times *times, s64 after_ms, s64 *out_ms);
/* The last one not after `until_ms` that is after `after_ms`; false: there is none. */
bool times_last(const struct times *times, s64 until_ms, s64 after_ms, s64 *out_ms);

/* How much later than its time a plan of this name starts: a hash of the name, from 0 to jitter_ms.
 * Always the same, so that a plan keeps its distance from others. */
s64 times_jitter_ms(const char *name, s64 jitter_ms);

#endif
