/* firing.c: see firing.h. How: backward from now, never by counting from the last look: a plan that
 * comes each minute and was looked at a year ago costs as much as one that was looked at an hour
 * ago. */
#include "planner/firing.h"

#include "base/err.h"

bool firing_is_fired(const struct firing *firing, s64 at_ms)
{
    return firing->fired_from_ms != FIRING_NEVER && at_ms >= firing->fired_from_ms &&
           at_ms <= firing->fired_until_ms;
}

/* The latest time that is not decided, not after `until_ms`, after `after_ms`. */
static bool find_last(const struct firing_plan *plan, const struct firing *firing, s64 until_ms,
                      s64 after_ms, s64 *out_ms)
{
    if (until_ms <= after_ms || !times_last(&plan->times, until_ms, after_ms, out_ms))
        return false;
    if (!firing_is_fired(firing, *out_ms))
        return true;
    until_ms = firing->fired_from_ms - 1;
    return until_ms > after_ms && times_last(&plan->times, until_ms, after_ms, out_ms);
}

/* ---- what becomes of a time ---- */

static bool came_suspended(const struct firing_plan *plan, const struct firing *firing, s64 at_ms)
{
    return at_ms + plan->jitter_ms <= firing->resumed_ms;
}

static void skip(struct firing_time *time, enum err_code reason)
{
    time->fate = FATE_SKIP;
    time->reason = reason;
}

static void overlap(const struct firing_plan *plan, const struct firing_state *state,
                    struct firing *out, struct firing_time *time)
{
    if (!state->active && !state->waits)
        time->fate = FATE_START;
    else if (plan->overlap == OVERLAP_SKIP)
        skip(time, state->active ? ERR_StillRunning : ERR_AlreadyWaiting);
    else if (plan->overlap == OVERLAP_QUEUE_ONE && state->waits)
        skip(time, ERR_AlreadyWaiting);
    else {
        time->fate = FATE_WAIT;
        out->replaces = state->waits;
    }
}

/* True if it was decided as one that came: the span is to have it. */
static bool decide_latest(const struct firing_plan *plan, const struct firing_state *state,
                          struct firing *out, struct firing_time *time)
{
    s64 late_ms = state->now_ms - (time->at_ms + plan->jitter_ms);

    if (came_suspended(plan, out, time->at_ms))
        skip(time, ERR_PlanSuspended);
    else if (late_ms > PLAN_LATE_MS && !plan->missed_once)
        skip(time, ERR_Missed);
    else if (late_ms > plan->deadline_ms)
        skip(time, ERR_DeadlineExceeded);
    else {
        overlap(plan, state, out, time);
        return true;
    }
    return false;
}

/* Those before the latest one. */
static void pass_earlier(const struct firing_plan *plan, struct firing *out, s64 after_ms)
{
    s64 at_ms;

    while (out->count > 0 &&
           find_last(plan, out, out->times[out->count - 1].at_ms - 1, after_ms, &at_ms)) {
        if (out->count > plan->rows || out->count == COUNT_OF(out->times)) {
            out->times[out->count - 1].more = true;
            return;
        }
        out->times[out->count] = (struct firing_time){.at_ms = at_ms};
        skip(&out->times[out->count++],
             came_suspended(plan, out, at_ms) ? ERR_PlanSuspended : ERR_Missed);
    }
}

/* A time that directly follows the span, or comes right before it, belongs to it. One that comes
 * later, after others that passed, begins it anew: those would otherwise be in it. One that comes
 * earlier leaves it as it is: what is in it is yet to come by the clock, and may have no row. */
static void extend_span(const struct firing_plan *plan, struct firing *out, s64 at_ms)
{
    s64 other_ms;

    if (out->fired_from_ms == FIRING_NEVER ||
        (at_ms > out->fired_until_ms &&
         times_last(&plan->times, at_ms - 1, out->fired_until_ms, &other_ms)))
        out->fired_from_ms = out->fired_until_ms = at_ms;
    else if (at_ms > out->fired_until_ms)
        out->fired_until_ms = at_ms;
    else if (times_next(&plan->times, at_ms, &other_ms) && other_ms >= out->fired_from_ms)
        out->fired_from_ms = at_ms;
}

/* ---- what comes ---- */

static void find_next(const struct firing_plan *plan, struct firing *out, s64 after_ms)
{
    out->comes = times_next(&plan->times, after_ms, &out->next_ms);
    if (out->comes && firing_is_fired(out, out->next_ms))
        out->comes = times_next(&plan->times, out->fired_until_ms, &out->next_ms);
}

/* No time is of a plan that was made after it, however long its jitter is; but where the clock
 * shows a moment before the plan was made, it went back, and the plan comes as it says now. */
static s64 not_before(const struct firing_plan *plan, s64 looked_ms, s64 at_ms)
{
    return looked_ms >= plan->made_ms && at_ms < plan->made_ms ? plan->made_ms : at_ms;
}

void firing_decide(const struct firing_plan *plan, const struct firing_state *state,
                   struct firing *out)
{
    s64 now_ms = state->now_ms;
    s64 looked_ms = state->looked_ms < now_ms ? state->looked_ms : now_ms;
    s64 after_ms = not_before(plan, looked_ms, looked_ms - plan->jitter_ms);

    out->count = out->missed = 0;
    out->replaces = false;
    out->clock_back = state->looked_ms > now_ms;
    out->looked_ms = now_ms;
    out->fired_from_ms = state->fired_from_ms;
    out->fired_until_ms = state->fired_until_ms;
    out->resumed_ms = out->clock_back && state->resumed_ms > now_ms ? now_ms : state->resumed_ms;
    out->times[0] = (struct firing_time){0};
    if (find_last(plan, out, now_ms - plan->jitter_ms, after_ms, &out->times[0].at_ms)) {
        bool came = decide_latest(plan, state, out, &out->times[0]);

        out->count = 1;
        pass_earlier(plan, out, after_ms);
        if (came)
            extend_span(plan, out, out->times[0].at_ms);
    }
    for (u32 i = 0; i < out->count; i++)
        out->missed +=
            out->times[i].fate == FATE_SKIP &&
            (out->times[i].reason == ERR_Missed || out->times[i].reason == ERR_DeadlineExceeded);
    find_next(plan, out, not_before(plan, now_ms, now_ms - plan->jitter_ms));
}
