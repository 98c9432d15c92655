/* screen.h: `status -w`: what runs, on one screen. A model is filled by watch.c and drawn here,
 * pure. */
#ifndef SYNCLINE_CTL_SCREEN_H
#define SYNCLINE_CTL_SCREEN_H

#include "ctl/progress.h"

#define SCREEN_COLUMNS_MIN 40
#define SCREEN_ROWS_MIN 10

/* Of a service, as far as is known. */
enum screen_service { SERVICE_UP, SERVICE_AWAY, SERVICE_NONE, SERVICE_UNKNOWN };

/* Texts are borrowed. */
struct screen_job {
    const char *name;
    enum phase phase;
    bool scan_complete;
    struct counters counters;
    const char *waiting_for; /* "" = nothing */
    s64 duration_ms;
    struct progress_rate rate;
};

struct screen_worker {
    const char *id, *role, *host, *state; /* state "" = not known */
    s64 lanes, busy, done, bytes;
    s64 bytes_per_s; /* below zero = not known */
};

struct screen {
    const char *stack; /* where it is */
    const char *clock; /* "02:41:07" */
    enum screen_service postgres, redis, planner;
    const struct screen_job *jobs; /* in the order in which they are to be seen */
    u32 job_count;
    const struct screen_worker *workers;
    u32 worker_count;
};

/* Exactly `rows` lines, the last without a newline, none wider than `columns`; too little room is
 * said. With `color` lines may hold SGR sequences, which take no room. */
void screen_draw(const struct screen *screen, u32 columns, u32 rows, bool color, struct buf *out);

#endif
