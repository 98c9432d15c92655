/* zone.h: IANA time zones, from the zone database of this host (package tzdata): below TZDIR, or
 * /usr/share/zoneinfo. UTC needs no database. */
#ifndef SYNCLINE_CRON_ZONE_H
#define SYNCLINE_CRON_ZONE_H

#include "base/err.h"
#include "base/types.h"

/* Never changes once it is open: threads may share it. */
struct zone;

/* Configuration: there is no such zone, with the nearest name; or there is no database. Names are
 * as in it, such as Europe/Berlin: no path, no POSIX rule, no offset. */
int zone_open(const char *name, struct zone **out, struct err *err);
void zone_destroy(struct zone **zone);

/* The file that it was read from is another one now. */
bool zone_is_stale(const struct zone *zone);

/* What is added to UTC at that moment, in seconds. */
s64 zone_offset_s(const struct zone *zone, s64 utc_s);
/* The first moment after `utc_s` at which the offset is another one; INT64_MAX: there is none. */
s64 zone_next_change(const struct zone *zone, s64 utc_s);
/* The last one not after `utc_s`; INT64_MIN: there is none. */
s64 zone_last_change(const struct zone *zone, s64 utc_s);

#endif
