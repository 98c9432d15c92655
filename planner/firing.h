/* firing.h: which times of a plan are to be decided at a moment, and what becomes of each. Pure:
 * values in, values out; moments are milliseconds since the epoch, of the database's clock.
 *
 * A time is nominal; it is due when the jitter of its plan has passed, too. What is due since it
 * was last looked is decided, each time once: the latest of them starts, or waits, or is skipped;
 * earlier ones passed while nobody looked. `fired_from..fired_until` is a span of times that were
 * decided when they came: should the clock go back, they do not come again (docs/adr/0013). */
#ifndef SYNCLINE_PLANNER_FIRING_H
#define SYNCLINE_PLANNER_FIRING_H

#include "cron/times.h"
#include "schema/limits.h"

enum overlap { OVERLAP_QUEUE_ONE, OVERLAP_SKIP, OVERLAP_REPLACE };

/* Plain data. */
struct firing_plan {
    struct times times;
    s64 made_ms; /* what came before is not one of its times */
    s64 jitter_ms;
    s64 deadline_ms; /* after it is due, a time that did not start is not started any more */
    bool missed_once;
    enum overlap overlap;
    u32 rows; /* earlier times that passed get so many rows, the latest ones; PLAN_MISSED_ROWS at
               * most */
};

#define FIRING_NEVER INT64_MIN

struct firing_state {
    s64 now_ms;
    s64 looked_ms; /* up to there it is decided; above now: the clock went back */
    s64 fired_from_ms, fired_until_ms; /* nominal times; FIRING_NEVER: none */
    s64 resumed_ms;                    /* what was due until then came while it was suspended */
    bool active;                       /* a job of the plan runs, or is about to */
    bool waits;                        /* a time of it waits for its turn */
};

enum fate { FATE_START, FATE_WAIT, FATE_SKIP };

struct firing_time {
    s64 at_ms;
    enum fate fate;
    u32 reason; /* of FATE_SKIP: enum err_code */
    bool more;  /* earlier ones passed, too, and have no row */
};

struct firing {
    struct firing_time times[PLAN_MISSED_ROWS + 1]; /* latest first */
    u32 count;
    bool replaces;   /* the one that waits is skipped in favour of the latest */
    bool clock_back; /* times that are to come again lose their rows */
    s64 looked_ms, fired_from_ms, fired_until_ms, resumed_ms; /* as they are from now on */
    u32 missed;  /* of `times`: those that passed and did not start */
    bool comes;  /* else it never does again */
    s64 next_ms; /* nominal */
};

void firing_decide(const struct firing_plan *plan, const struct firing_state *state,
                   struct firing *out);

/* Is it one that must not come again? */
bool firing_is_fired(const struct firing *firing, s64 at_ms);

#endif
