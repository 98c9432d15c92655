/* clock.h: the three clocks, and which one is for what. */
#ifndef SYNCLINE_BASE_CLOCK_H
#define SYNCLINE_BASE_CLOCK_H

#include "base/types.h"

/* CLOCK_MONOTONIC, ns: leases, time-outs, rates. Never compared between hosts. */
s64 clock_monotonic_ns(void);
/* CLOCK_BOOTTIME, ns: ordering of events on one host, across its processes. */
s64 clock_boot_ns(void);
/* CLOCK_REALTIME, ns since 1970: for people. No decision is taken from it. */
s64 clock_wall_ns(void);
/* CLOCK_REALTIME_COARSE, ns: the clock that local filesystems stamp with. */
s64 clock_filesystem_ns(void);

/* True if a time that was set to `wanted_ns` is what a filesystem may have made of it: the same, or
 * cut off at the grain that it keeps times in. That is believed only if the object's ctime, which
 * comes from the filesystem's own clock, has no finer digits either. */
bool time_is_kept(s64 wanted_ns, s64 is_ns, s64 ctime_ns);

static inline s64 clock_monotonic_ms(void)
{
    return clock_monotonic_ns() / NS_PER_MS;
}

#endif
