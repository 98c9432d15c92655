/* tzif.h: what a file of the zone database says: RFC 8536, version 2 or later. Pure. */
#ifndef SYNCLINE_CRON_TZIF_H
#define SYNCLINE_CRON_TZIF_H

#include "base/types.h"

/* No clock is farther from UTC than this (RFC 8536 allows a second less than 26 hours). */
#define ZONE_OFFSET_MOST_S 93600

/* The changes of a zone's clock up to the year 2400. Zero-initialise it. */
struct zone_changes {
    s64 *at;      /* moments, each later than the one before */
    s32 *offsets; /* from at[i] on: what is added to UTC, another one than before */
    s32 first;    /* before all of them */
    u32 count;
};

/* NULL; what is wrong with the bytes, and *out is then empty. */
const char *tzif_read(struct bytes file, struct zone_changes *out);
void zone_changes_release(struct zone_changes *changes);

#endif
