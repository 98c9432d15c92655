/* calendar.c: see calendar.h. H. Hinnant, "chrono-compatible low-level date algorithms": eras of
 * 400 years, which are all alike, and years that begin in March, so that the leap day is their
 * last. */
#include "cron/calendar.h"

#define ERA_DAYS 146097
#define EPOCH_DAYS 719468 /* from 0000-03-01 to 1970-01-01 */

bool year_is_leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

struct day day_of_number(s64 number)
{
    s64 shifted = number + EPOCH_DAYS, era = floor_div(shifted, ERA_DAYS);
    int of_era = (int)(shifted - era * ERA_DAYS);
    int year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int of_year = of_era - (365 * year + year / 4 - year / 100);
    int from_march = (5 * of_year + 2) / 153;
    int month = from_march < 10 ? from_march + 3 : from_march - 9;

    return (struct day){.number = number,
                        .year = year + (int)era * 400 + (month <= 2),
                        .month = month,
                        .day = of_year - (153 * from_march + 2) / 5 + 1};
}

s64 day_number(int year, int month, int day)
{
    s64 from_march = (s64)year - (month <= 2), era = floor_div(from_march, 400);
    int of_era = (int)(from_march - era * 400);
    int of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

    return era * ERA_DAYS + of_era * 365 + of_era / 4 - of_era / 100 + of_year - EPOCH_DAYS;
}

int days_of_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    return days[month - 1] + (month == 2 && year_is_leap(year));
}

int weekday_of(s64 number)
{
    return (int)(number + 4 - floor_div(number + 4, 7) * 7); /* 1970-01-01 was a Thursday */
}

void month_step(struct day *day, bool forward)
{
    day->number += forward ? days_of_month(day->year, day->month) - day->day + 1 : -day->day;
    day->month += forward ? 1 : -1;
    if (day->month == 13 || day->month == 0) {
        day->year += forward ? 1 : -1;
        day->month = forward ? 1 : 12;
    }
    day->day = forward ? 1 : days_of_month(day->year, day->month);
}

void day_step(struct day *day, bool forward)
{
    if (day->day == (forward ? days_of_month(day->year, day->month) : 1)) {
        month_step(day, forward);
        return;
    }
    day->day += forward ? 1 : -1;
    day->number += forward ? 1 : -1;
}
