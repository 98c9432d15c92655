/* Goal: each time of a plan is decided once, whatever was missed and wherever the clock goes.
 * Method: tables of what is known and what follows from it, in minutes and seconds of one day. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/err.h"
#include "planner/firing.h"

#include <stdio.h>

#define DAY_MS 1767225600000LL /* 2026-01-01 00:00 UTC */
#define AT(h, m, s) (DAY_MS + ((h)*3600 + (m)*60 + (s)) * 1000LL)
#define HOUR_MS 3600000LL

static struct firing_plan plan_of(const char *schedule)
{
    static struct zone *utc;
    struct firing_plan plan = {
        .made_ms = DAY_MS - 24 * HOUR_MS, .deadline_ms = HOUR_MS, .missed_once = true, .rows = 30};
    size_t position;
    struct err err;

    if (!utc)
        assert_int_equal(zone_open("UTC", &utc, &err), 0);
    if (cron_parse(schedule, &plan.times.cron, &position, &err) < 0)
        fail_msg("%s: %s", schedule, err.text);
    plan.times.zone = utc;
    plan.times.anchor_ms = plan.made_ms;
    return plan;
}

static struct firing_state state_at(s64 looked_ms, s64 now_ms)
{
    return (struct firing_state){.now_ms = now_ms,
                                 .looked_ms = looked_ms,
                                 .fired_from_ms = FIRING_NEVER,
                                 .fired_until_ms = FIRING_NEVER,
                                 .resumed_ms = FIRING_NEVER};
}

static void add_moment(struct buf *text, s64 ms)
{
    s64 s = (ms - DAY_MS) / 1000;

    if (ms < DAY_MS)
        buf_printf(text, "(%lld)", (long long)s);
    else if (ms % 1000)
        buf_printf(text, "%02lld:%02lld:%02lld.%03lld", (long long)(s / 3600),
                   (long long)(s / 60 % 60), (long long)(s % 60), (long long)(ms % 1000));
    else if (s % 60)
        buf_printf(text, "%02lld:%02lld:%02lld", (long long)(s / 3600), (long long)(s / 60 % 60),
                   (long long)(s % 60));
    else
        buf_printf(text, "%02lld:%02lld", (long long)(s / 3600), (long long)(s / 60 % 60));
}

/* "start 02:00, Missed 01:00+; span 02:00..02:00; next 03:00"; what is as it was is left out. */
static void show(const struct firing *firing, const struct firing_state *before, struct buf *text)
{
    static const char *const fates[] = {"start", "wait"};

    buf_clear(text);
    for (u32 i = 0; i < firing->count; i++) {
        const struct firing_time *time = &firing->times[i];

        buf_printf(text, "%s%s ", i ? ", " : "",
                   time->fate == FATE_SKIP ? err_name(time->reason) : fates[time->fate]);
        add_moment(text, time->at_ms);
        buf_append_text(text, time->more ? "+; " : "");
    }
    if (firing->count > 0 && !firing->times[firing->count - 1].more)
        buf_append_text(text, "; ");
    if (firing->replaces)
        buf_append_text(text, "replaces; ");
    if (firing->clock_back)
        buf_append_text(text, "back; ");
    if (firing->fired_from_ms != before->fired_from_ms ||
        firing->fired_until_ms != before->fired_until_ms) {
        buf_append_text(text, "span ");
        add_moment(text, firing->fired_from_ms);
        buf_append_text(text, "..");
        add_moment(text, firing->fired_until_ms);
        buf_append_text(text, "; ");
    }
    buf_append_text(text, "next ");
    if (firing->comes)
        add_moment(text, firing->next_ms);
    else
        buf_append_text(text, "never");
}

static struct firing decide(const struct firing_plan *plan, const struct firing_state *state,
                            const char *wanted)
{
    struct buf text = {0};
    struct firing firing;

    firing_decide(plan, state, &firing);
    show(&firing, state, &text);
    if (strcmp(buf_text(&text), wanted) != 0)
        fail_msg("\n  \"%s\" where\n  \"%s\" is wanted", buf_text(&text), wanted);
    buf_release(&text);
    assert_true(firing.looked_ms == state->now_ms);
    return firing;
}

/* What is decided becomes what is known. */
static void go_on(struct firing_state *state, const struct firing *firing, s64 now_ms)
{
    state->looked_ms = firing->looked_ms;
    state->fired_from_ms = firing->fired_from_ms;
    state->fired_until_ms = firing->fired_until_ms;
    state->resumed_ms = firing->resumed_ms;
    state->now_ms = now_ms;
}

/* ---- one time ---- */

static void test_on_time(void **state)
{
    static const struct {
        s64 looked_ms, now_ms;
        const char *wanted;
    } cases[] = {
        {AT(1, 0, 0), AT(1, 59, 59), "next 02:00"},
        {AT(1, 0, 0), AT(2, 0, 0), "start 02:00; span 02:00..02:00; next 03:00"},
        {AT(1, 0, 0), AT(2, 0, 10), "start 02:00; span 02:00..02:00; next 03:00"},
        {AT(2, 0, 0), AT(2, 0, 5), "next 03:00"}, /* decided before */
        {AT(1, 59, 59) + 999, AT(2, 0, 0), "start 02:00; span 02:00..02:00; next 03:00"},
    };
    struct firing_plan plan = plan_of("@hourly");

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct firing_state known = state_at(cases[i].looked_ms, cases[i].now_ms);

        decide(&plan, &known, cases[i].wanted);
    }
}

static void test_late(void **state)
{
    static const struct {
        bool once;
        s64 deadline_ms, now_ms;
        const char *wanted;
        u32 missed;
    } cases[] = {
        {true, HOUR_MS, AT(2, 30, 0), "start 02:00; span 02:00..02:00; next 03:00", 0},
        {true, 600000, AT(2, 10, 0), "start 02:00; span 02:00..02:00; next 03:00", 0},
        {true, 600000, AT(2, 10, 1), "DeadlineExceeded 02:00; next 03:00", 1},
        {true, 1000, AT(2, 0, 2), "DeadlineExceeded 02:00; next 03:00", 1},
        {false, HOUR_MS, AT(2, 0, 10), "start 02:00; span 02:00..02:00; next 03:00", 0},
        {false, HOUR_MS, AT(2, 0, 11), "Missed 02:00; next 03:00", 1},
        {false, 1000, AT(2, 30, 0), "Missed 02:00; next 03:00", 1},
    };
    struct firing_plan plan = plan_of("@hourly");

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct firing_state known = state_at(AT(1, 30, 0), cases[i].now_ms);
        struct firing firing;

        plan.missed_once = cases[i].once;
        plan.deadline_ms = cases[i].deadline_ms;
        firing = decide(&plan, &known, cases[i].wanted);
        assert_int_equal(firing.missed, cases[i].missed);
    }
}

static void test_overlap(void **state)
{
    static const struct {
        enum overlap overlap;
        bool active, waits;
        const char *wanted;
    } cases[] = {
        {OVERLAP_QUEUE_ONE, false, false, "start 02:00; span 02:00..02:00; next 03:00"},
        {OVERLAP_QUEUE_ONE, true, false, "wait 02:00; span 02:00..02:00; next 03:00"},
        {OVERLAP_QUEUE_ONE, true, true, "AlreadyWaiting 02:00; span 02:00..02:00; next 03:00"},
        {OVERLAP_QUEUE_ONE, false, true, "AlreadyWaiting 02:00; span 02:00..02:00; next 03:00"},
        {OVERLAP_SKIP, true, false, "StillRunning 02:00; span 02:00..02:00; next 03:00"},
        {OVERLAP_SKIP, true, true, "StillRunning 02:00; span 02:00..02:00; next 03:00"},
        {OVERLAP_SKIP, false, true, "AlreadyWaiting 02:00; span 02:00..02:00; next 03:00"},
        {OVERLAP_REPLACE, true, false, "wait 02:00; span 02:00..02:00; next 03:00"},
        {OVERLAP_REPLACE, true, true, "wait 02:00; replaces; span 02:00..02:00; next 03:00"},
        {OVERLAP_REPLACE, false, true, "wait 02:00; replaces; span 02:00..02:00; next 03:00"},
    };
    struct firing_plan plan = plan_of("@hourly");

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct firing_state known = state_at(AT(1, 0, 0), AT(2, 0, 0));
        struct firing firing;

        plan.overlap = cases[i].overlap;
        known.active = cases[i].active;
        known.waits = cases[i].waits;
        firing = decide(&plan, &known, cases[i].wanted);
        assert_int_equal(firing.missed, 0);
    }
}

/* Goal: @every counts from when the plan was made, first after one interval. */
static void test_every(void **state)
{
    struct firing_plan plan = plan_of("@every 2s");
    struct firing_state known = state_at(AT(1, 0, 0) + 250, AT(1, 0, 0) + 250);
    struct firing firing;

    (void)state;
    plan.made_ms = plan.times.anchor_ms = known.now_ms;
    firing = decide(&plan, &known, "next 01:00:02.250");
    go_on(&known, &firing, AT(1, 0, 2) + 249);
    firing = decide(&plan, &known, "next 01:00:02.250");
    go_on(&known, &firing, AT(1, 0, 2) + 250);
    firing = decide(&plan, &known,
                    "start 01:00:02.250; span 01:00:02.250..01:00:02.250; next 01:00:04.250");
    go_on(&known, &firing, AT(1, 0, 4) + 300);
    known.active = true;
    decide(&plan, &known, "wait 01:00:04.250; span 01:00:02.250..01:00:04.250; next 01:00:06.250");
    /* with jitter the moment when it was made is not one of its times */
    known = state_at(plan.made_ms, plan.made_ms + 1500);
    plan.jitter_ms = 1000;
    decide(&plan, &known, "next 01:00:02.250");
}

static void test_jitter(void **state)
{
    struct firing_plan plan = plan_of("@hourly");
    struct firing_state known = state_at(AT(1, 30, 0), AT(2, 7, 29));
    struct firing firing;

    (void)state;
    plan.jitter_ms = 450000; /* 7.5 min */
    firing = decide(&plan, &known, "next 02:00");
    go_on(&known, &firing, AT(2, 7, 30));
    firing = decide(&plan, &known, "start 02:00; span 02:00..02:00; next 03:00");
    go_on(&known, &firing, AT(2, 7, 31));
    decide(&plan, &known, "next 03:00");
    /* the deadline counts from when it is due */
    known = state_at(AT(1, 30, 0), AT(3, 7, 29));
    decide(&plan, &known, "start 02:00; span 02:00..02:00; next 03:00");
    /* longer than the interval: the one before is still to come */
    plan = plan_of("*/5 * * * *");
    plan.jitter_ms = 450000;
    known = state_at(AT(1, 0, 0), AT(2, 0, 0));
    known.looked_ms = AT(1, 59, 59);
    decide(&plan, &known, "next 01:55");
}

/* ---- several ---- */

static void test_several_missed(void **state)
{
    struct firing_plan plan = plan_of("@hourly");
    struct firing_state known = state_at(AT(1, 0, 0), AT(4, 20, 0));
    struct firing firing;

    (void)state;
    known.fired_from_ms = known.fired_until_ms = AT(1, 0, 0);
    firing = decide(&plan, &known,
                    "start 04:00, Missed 03:00, Missed 02:00; span 04:00..04:00; next 05:00");
    assert_int_equal(firing.missed, 2);
    plan.missed_once = false;
    firing = decide(&plan, &known, "Missed 04:00, Missed 03:00, Missed 02:00; next 05:00");
    assert_int_equal(firing.missed, 3);
    /* one that comes after those: the span begins with it */
    go_on(&known, &firing, AT(5, 0, 0));
    decide(&plan, &known, "start 05:00; span 05:00..05:00; next 06:00");
    /* on time, and earlier ones passed */
    plan.missed_once = true;
    known = state_at(AT(2, 30, 0), AT(4, 0, 3));
    known.active = true;
    plan.overlap = OVERLAP_SKIP;
    decide(&plan, &known, "StillRunning 04:00, Missed 03:00; span 04:00..04:00; next 05:00");
}

/* Goal: a plan that was not looked at for a year costs no more than its rows. */
static void test_limit_of_rows(void **state)
{
    struct firing_plan plan = plan_of("* * * * *");
    struct firing_state known = state_at(AT(1, 0, 30), AT(1, 4, 30));
    struct firing firing;

    (void)state;
    plan.rows = 2;
    firing = decide(&plan, &known,
                    "start 01:04, Missed 01:03, Missed 01:02+; span 01:04..01:04; next 01:05");
    assert_int_equal(firing.missed, 2);
    plan.rows = 3;
    decide(&plan, &known,
           "start 01:04, Missed 01:03, Missed 01:02, Missed 01:01; span 01:04..01:04; next 01:05");
    plan.rows = PLAN_MISSED_ROWS;
    plan.made_ms = known.looked_ms = DAY_MS - 365 * 24 * HOUR_MS;
    firing_decide(&plan, &known, &firing);
    assert_int_equal(firing.count, PLAN_MISSED_ROWS + 1);
    assert_true(firing.times[PLAN_MISSED_ROWS].more && !firing.times[PLAN_MISSED_ROWS - 1].more);
}

static void test_suspended(void **state)
{
    struct firing_plan plan = plan_of("@hourly");
    struct firing_state known = state_at(AT(1, 0, 0), AT(4, 0, 0) - 1);
    struct firing firing;

    (void)state;
    known.resumed_ms = AT(3, 59, 0);
    firing = decide(&plan, &known, "PlanSuspended 03:00, PlanSuspended 02:00; next 04:00");
    assert_int_equal(firing.missed, 0);
    go_on(&known, &firing, AT(4, 0, 0));
    decide(&plan, &known, "start 04:00; span 04:00..04:00; next 05:00");
    /* no planner looked between that and the next one */
    known = state_at(AT(1, 0, 0), AT(4, 0, 0));
    known.resumed_ms = AT(2, 30, 0);
    decide(&plan, &known,
           "start 04:00, Missed 03:00, PlanSuspended 02:00; span 04:00..04:00; next 05:00");
    /* what is due after it was resumed did not come while it was suspended */
    plan.jitter_ms = 600000;
    known = state_at(AT(1, 30, 0), AT(2, 10, 0));
    known.resumed_ms = AT(2, 5, 0);
    decide(&plan, &known, "start 02:00; span 02:00..02:00; next 03:00");
}

/* ---- the clock ---- */

static void test_clock_back(void **state)
{
    struct firing_plan plan = plan_of("@hourly");
    struct firing_state known = state_at(AT(12, 0, 5), AT(9, 30, 0));
    struct firing firing;

    (void)state;
    known.fired_from_ms = AT(8, 0, 0);
    known.fired_until_ms = AT(12, 0, 0);
    known.resumed_ms = AT(10, 15, 0);
    firing = decide(&plan, &known, "back; next 13:00");
    assert_true(firing.resumed_ms == AT(9, 30, 0));
    /* none of the span comes again, what is beyond does */
    go_on(&known, &firing, AT(12, 30, 0));
    firing = decide(&plan, &known, "next 13:00");
    go_on(&known, &firing, AT(13, 0, 0));
    firing = decide(&plan, &known, "start 13:00; span 08:00..13:00; next 14:00");
    /* further back than the span: what was missed then comes now, each time once */
    go_on(&known, &firing, AT(5, 30, 0));
    firing = decide(&plan, &known, "back; next 06:00");
    go_on(&known, &firing, AT(6, 0, 0));
    firing = decide(&plan, &known, "start 06:00; next 07:00");
    go_on(&known, &firing, AT(7, 0, 0));
    firing = decide(&plan, &known, "start 07:00; span 07:00..13:00; next 14:00");
    go_on(&known, &firing, AT(14, 0, 1));
    decide(&plan, &known, "start 14:00; span 07:00..14:00; next 15:00");
}

/* Goal: a plan is not silent because the clock shows a moment before it was made. */
static void test_clock_before_it_was_made(void **state)
{
    struct firing_plan plan = plan_of("@hourly");
    struct firing_state known = state_at(AT(12, 0, 5), AT(2, 30, 0));
    struct firing firing;

    (void)state;
    plan.made_ms = AT(12, 0, 5);
    firing = decide(&plan, &known, "back; next 03:00");
    go_on(&known, &firing, AT(3, 0, 0));
    firing = decide(&plan, &known, "start 03:00; span 03:00..03:00; next 04:00");
    go_on(&known, &firing, AT(4, 0, 1));
    firing = decide(&plan, &known, "start 04:00; span 03:00..04:00; next 05:00");
    /* with jitter, too */
    plan.jitter_ms = 450000;
    go_on(&known, &firing, AT(5, 7, 30));
    decide(&plan, &known, "start 05:00; span 03:00..05:00; next 06:00");
}

/* Goal: a clock that was a day ahead for a while costs the times that started then, and no other.
 */
static void test_clock_forward_and_back(void **state)
{
    struct firing_plan plan = plan_of("@hourly");
    struct firing_state known = state_at(AT(9, 0, 0), AT(33, 30, 0));
    struct firing firing;

    (void)state;
    known.fired_from_ms = known.fired_until_ms = AT(9, 0, 0);
    firing_decide(&plan, &known, &firing);
    assert_int_equal(firing.count, 24);
    assert_int_equal(firing.missed, 23);
    assert_true(firing.times[0].fate == FATE_START && firing.times[0].at_ms == AT(33, 0, 0));
    assert_true(firing.times[23].at_ms == AT(10, 0, 0));
    go_on(&known, &firing, AT(9, 31, 0));
    firing = decide(&plan, &known, "back; next 10:00");
    go_on(&known, &firing, AT(10, 0, 0));
    firing = decide(&plan, &known, "start 10:00; next 11:00");
    go_on(&known, &firing, AT(34, 0, 0));
    firing_decide(&plan, &known, &firing);
    for (u32 i = 0; i < firing.count; i++)
        assert_true(firing.times[i].at_ms != AT(33, 0, 0));
}

/* Goal: over a day of looks at odd moments, with a clock that goes forward and back, no time starts
 * twice, and each that came while it was looked starts once. Method: an obvious count. */
static void test_each_once(void **state)
{
    struct firing_plan plan = plan_of("*/10 * * * *");
    struct firing_state known = state_at(DAY_MS, DAY_MS);
    u8 started[24 * 6] = {0};
    u32 seed = 1;

    (void)state;
    plan.deadline_ms = 24 * HOUR_MS;
    for (s64 now_ms = DAY_MS + 1000; now_ms < AT(23, 0, 0);) {
        struct firing firing;

        known.now_ms = now_ms;
        firing_decide(&plan, &known, &firing);
        for (u32 i = 0; i < firing.count; i++) {
            size_t nth = (size_t)((firing.times[i].at_ms - DAY_MS) / 600000);

            if (firing.times[i].fate == FATE_START)
                assert_int_equal(++started[nth], 1);
        }
        go_on(&known, &firing, now_ms);
        seed = seed * 1103515245u + 12345u;
        /* mostly 5 s to 9 min on; once in a while up to half an hour back */
        now_ms += (seed >> 16) % 50 == 0 ? -(s64)((seed >> 8) % 1800000)
                                         : 5000 + (s64)((seed >> 8) % 540000);
    }
    for (size_t i = 1; i < 22 * 6; i++)
        assert_int_equal(started[i], 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_on_time),
        cmocka_unit_test(test_late),
        cmocka_unit_test(test_overlap),
        cmocka_unit_test(test_every),
        cmocka_unit_test(test_jitter),
        cmocka_unit_test(test_several_missed),
        cmocka_unit_test(test_limit_of_rows),
        cmocka_unit_test(test_suspended),
        cmocka_unit_test(test_clock_back),
        cmocka_unit_test(test_clock_before_it_was_made),
        cmocka_unit_test(test_clock_forward_and_back),
        cmocka_unit_test(test_each_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
