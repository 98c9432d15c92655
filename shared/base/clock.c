/* clock.c: see clock.h. */
#include "base/clock.h"

#include <time.h>

static s64 read_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (s64)now.tv_sec * NS_PER_S + now.tv_nsec;
}

s64 clock_monotonic_ns(void)
{
    return read_ns(CLOCK_MONOTONIC);
}

s64 clock_boot_ns(void)
{
    return read_ns(CLOCK_BOOTTIME);
}

s64 clock_wall_ns(void)
{
    return read_ns(CLOCK_REALTIME);
}

s64 clock_filesystem_ns(void)
{
    return read_ns(CLOCK_REALTIME_COARSE);
}
