/* breaker.h: whether a place that was full or away is asked anew. Pure: the time is passed in.
 *
 *     CLOSED ──failure──► OPEN ──the time has come──► TRYING ──it worked──► CLOSED
 *                          ▲                              │
 *                          └────── it failed: a longer wait, or nobody knows: at once ─┘
 *
 * A success says something only of what is no more demanding: that a directory can be made does
 * not say that there is room for content. So a breaker knows the most demanding use that failed,
 * and is closed by no lesser one. */
#ifndef SYNCLINE_PLANNER_BREAKER_H
#define SYNCLINE_PLANNER_BREAKER_H

#include "base/types.h"

#include <stdbool.h>

/* What a place is used for, from what asks least of it. */
enum place_use {
    USE_PROBE,
    USE_SCAN,
    USE_REVOKE,
    USE_OPEN,
    USE_GRANT,
    USE_CONTENT, /* stage, part, publish */
};

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_TRYING };

struct breaker {
    enum breaker_state state;
    enum place_use use; /* the most demanding one that failed */
    u32 failures;       /* in a row */
    s64 next_ms;        /* when it is tried again */
};

enum breaker_answer {
    BREAKER_WAIT,
    BREAKER_GO,    /* as if there were none */
    BREAKER_TRIAL, /* the one that decides, if it is sent */
};

/* May this be sent now? `part`: it is of the trial that is under way; `whose`: it is of the job
 * that tries, which prepares for it. */
enum breaker_answer breaker_ask(const struct breaker *breaker, enum place_use use, bool part,
                                bool whose, s64 now_ms);
/* What was allowed as a trial was sent. */
void breaker_try(struct breaker *breaker);
/* True if it counts: what was on its way when the breaker opened says nothing new. */
bool breaker_failed(struct breaker *breaker, enum place_use use, s64 backoff_ms, s64 now_ms);
/* The same question, before it failed. */
bool breaker_counts(const struct breaker *breaker, s64 now_ms);
/* The trial worked; false if it asked for less than what had failed. */
bool breaker_worked(struct breaker *breaker, enum place_use use);
/* The trial came to no end. */
void breaker_void(struct breaker *breaker);

#endif
