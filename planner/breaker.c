/* breaker.c: see breaker.h. */
#include "planner/breaker.h"

enum breaker_answer breaker_ask(const struct breaker *breaker, enum place_use use, bool part,
                                bool whose, s64 now_ms)
{
    bool prepares = use < breaker->use;

    switch (breaker->state) {
    case BREAKER_OPEN:
        if (now_ms < breaker->next_ms)
            return BREAKER_WAIT;
        return prepares ? BREAKER_GO : BREAKER_TRIAL;
    case BREAKER_TRYING:
        return part || (whose && prepares) ? BREAKER_GO : BREAKER_WAIT;
    default:
        return BREAKER_GO;
    }
}

void breaker_try(struct breaker *breaker)
{
    breaker->state = BREAKER_TRYING;
}

bool breaker_counts(const struct breaker *breaker, s64 now_ms)
{
    return breaker->state != BREAKER_OPEN || now_ms >= breaker->next_ms;
}

bool breaker_failed(struct breaker *breaker, enum place_use use, s64 backoff_ms, s64 now_ms)
{
    if (!breaker_counts(breaker, now_ms))
        return false;
    if (breaker->failures == 0 || use > breaker->use)
        breaker->use = use;
    breaker->state = BREAKER_OPEN;
    breaker->failures++;
    breaker->next_ms = now_ms + backoff_ms;
    return true;
}

bool breaker_worked(struct breaker *breaker, enum place_use use)
{
    if (use < breaker->use)
        return false;
    *breaker = (struct breaker){.state = BREAKER_CLOSED};
    return true;
}

void breaker_void(struct breaker *breaker)
{
    if (breaker->state == BREAKER_TRYING)
        breaker->state = BREAKER_OPEN;
}
