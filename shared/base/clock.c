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

/* Grains of filesystems: 2 s (FAT), 1 s, 10 ms (exFAT), 1 ms, 1 µs, 100 ns (NTFS). */
static const s64 grains_ns[] = {2 * NS_PER_S, NS_PER_S, 10 * NS_PER_MS, NS_PER_MS, 1000, 100};

/* The remainder of a time that may be negative: always towards the past, as filesystems cut off. */
static s64 remainder_at(s64 time_ns, s64 grain_ns)
{
    s64 rest = time_ns % grain_ns;

    return rest < 0 ? rest + grain_ns : rest;
}

bool time_is_kept(s64 wanted_ns, s64 is_ns, s64 ctime_ns)
{
    u64 cut = (u64)wanted_ns - (u64)is_ns;

    if (wanted_ns == is_ns)
        return true;
    if (wanted_ns < is_ns || cut >= (u64)grains_ns[0])
        return false;
    for (size_t i = 0; i < COUNT_OF(grains_ns); i++)
        if (remainder_at(is_ns, grains_ns[i]) == 0 && remainder_at(ctime_ns, grains_ns[i]) == 0 &&
            cut == (u64)remainder_at(wanted_ns, grains_ns[i]))
            return true;
    return false;
}
