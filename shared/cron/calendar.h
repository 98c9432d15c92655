/* calendar.h: the days of the Gregorian calendar, by number. Pure. */
#ifndef SYNCLINE_CRON_CALENDAR_H
#define SYNCLINE_CRON_CALENDAR_H

#include "base/types.h"

#define DAY_S 86400
/* The years 1 to 2399, of which schedules and zones know. */
#define CALENDAR_FIRST_S (-62135596800LL)
#define CALENDAR_END_S 13569465600LL
#define CALENDAR_END_YEAR 2400

struct day {
    s64 number;           /* since 1970-01-01 */
    int year, month, day; /* month and day from 1 */
};

struct day day_of_number(s64 number);
s64 day_number(int year, int month, int day);
int days_of_month(int year, int month);
bool year_is_leap(int year);
/* 0..6, Sunday = 0. */
int weekday_of(s64 number);

/* The first day of the next month, or the last day of the one before. */
void month_step(struct day *day, bool forward);
void day_step(struct day *day, bool forward);

/* Rounds down where C rounds toward 0. */
static inline s64 floor_div(s64 a, s64 b)
{
    return a / b - (a % b < 0);
}

#endif
