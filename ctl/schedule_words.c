/* schedule_words.c: see schedule_words.h. What repeats evenly is said as a step, what is one moment
 * of the day as that, and all else as lists. */
#include "ctl/schedule_words.h"

#define HOURS_ALL ((1ull << 24) - 1)
#define MINUTES_ALL ((1ull << 60) - 1)
#define DAYS_ALL (((1ull << 31) - 1) << 1)
#define MONTHS_ALL (((1ull << 12) - 1) << 1)
#define WEEKDAYS_ALL ((1ull << 7) - 1)

static const char *const month_names[] = {"",        "January",  "February", "March",  "April",
                                          "May",     "June",     "July",     "August", "September",
                                          "October", "November", "December"};
static const char *const weekday_names[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                            "Thursday", "Friday", "Saturday"};

static bool has(u64 bits, u32 n)
{
    return bits >> n & 1;
}

static bool is_one(u64 bits)
{
    return bits != 0 && (bits & (bits - 1)) == 0;
}

/* The distance of bits that begin at 0 and are evenly apart in 0..`end`-1 and across its end; 0:
 * they are not. */
static u32 step_of(u64 bits, u32 end)
{
    for (u32 step = 1; step <= end / 2; step++) {
        u64 even = 0;

        for (u32 n = 0; n < end && end % step == 0; n += step)
            even |= 1ull << n;
        if (even == bits)
            return step;
    }
    return 0;
}

static void add_one(struct buf *out, u32 n, const char *const *names)
{
    if (names)
        buf_append_text(out, names[n]);
    else
        buf_printf(out, "%u", n);
}

/* "1, 3 to 5 and 7" */
static void add_list(struct buf *out, u64 bits, const char *const *names)
{
    bool first = true;

    for (u32 from = 0; from < 64; from++) {
        u32 to = from;

        if (!has(bits, from))
            continue;
        while (to < 63 && has(bits, to + 1))
            to++;
        to = to == from + 1 ? from : to; /* two are no range */
        if (!first)
            buf_append_text(out, to == 63 || bits >> (to + 1) == 0 ? " and " : ", ");
        add_one(out, from, names);
        if (to > from) {
            buf_append_text(out, " to ");
            add_one(out, to, names);
        }
        from = to;
        first = false;
    }
}

static void add_hours(struct buf *out, u64 hours)
{
    u32 step = step_of(hours, 24);

    if (step == 1) {
        buf_append_text(out, "every hour");
    } else if (step > 1) {
        buf_printf(out, "every %u hours from midnight", step);
    } else {
        buf_printf(out, "hour%s ", is_one(hours) ? "" : "s");
        add_list(out, hours, NULL);
    }
}

static void add_time(struct buf *out, u64 minutes, u64 hours)
{
    u32 step = step_of(minutes, 60);

    if (is_one(minutes) && is_one(hours)) {
        buf_printf(out, "at %02d:%02d", __builtin_ctzll(hours), __builtin_ctzll(minutes));
        return;
    }
    if (step == 1)
        buf_append_text(out, "every minute");
    else if (step > 1)
        buf_printf(out, "every %u minutes", step);
    else {
        buf_printf(out, "at minute%s ", is_one(minutes) ? "" : "s");
        add_list(out, minutes, NULL);
    }
    if (step > 0 && hours == HOURS_ALL)
        return;
    buf_append_text(out, " of ");
    add_hours(out, hours);
}

static void add_days(struct buf *out, const struct cron *cron)
{
    bool days = cron->days != DAYS_ALL, weekdays = cron->weekdays != WEEKDAYS_ALL;

    if (days) {
        buf_printf(out, " on day%s ", is_one(cron->days) ? "" : "s");
        add_list(out, cron->days, NULL);
        buf_append_text(out, " of the month");
    }
    if (days && weekdays)
        buf_append_text(out, cron->any_day || cron->any_weekday ? ", if it is" : ", and");
    if (weekdays) {
        buf_append_text(out, days && (cron->any_day || cron->any_weekday) ? " " : " on ");
        add_list(out, cron->weekdays, weekday_names);
    }
    if (cron->months != MONTHS_ALL) {
        buf_append_text(out, " in ");
        add_list(out, cron->months, month_names);
    }
}

static void add_duration(struct buf *out, s64 ms)
{
    static const struct {
        s64 ms;
        const char *name;
    } units[] = {{86400000, "d"}, {3600000, "h"}, {60000, "m"}, {1000, "s"}, {1, "ms"}};

    for (size_t i = 0; i < COUNT_OF(units); i++) {
        if (ms >= units[i].ms)
            buf_printf(out, "%lld%s", (long long)(ms / units[i].ms), units[i].name);
        ms %= units[i].ms;
    }
}

void schedule_words(const struct cron *cron, struct buf *out)
{
    if (cron->every_ms > 0) {
        buf_append_text(out, "every ");
        add_duration(out, cron->every_ms);
        buf_append_text(out, ", counted from when it was made");
        return;
    }
    add_time(out, cron->minutes, cron->hours);
    if (cron->days == DAYS_ALL && cron->weekdays == WEEKDAYS_ALL && cron->months == MONTHS_ALL &&
        is_one(cron->hours))
        buf_append_text(out, " every day");
    add_days(out, cron);
}
