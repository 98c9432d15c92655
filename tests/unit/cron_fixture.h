/* cron_fixture.h: zones that are opened, or refused with a whole sentence.
 *
 * Checks are cmocka's: a helper that fails ends its test. */
#ifndef SYNCLINE_TESTS_CRON_FIXTURE_H
#define SYNCLINE_TESTS_CRON_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cron/zone.h"

static struct zone *opened(const char *name)
{
    struct zone *zone = NULL;
    struct err err;

    if (zone_open(name, &zone, &err) < 0)
        fail_msg("%s", err.text);
    return zone;
}

static void refused(const char *name, const char *wanted)
{
    struct zone *zone = (struct zone *)&name;
    struct err err = {0};

    if (zone_open(name, &zone, &err) == 0)
        fail_msg("%s is taken", name);
    assert_null(zone);
    assert_int_equal(err.code, ERR_Configuration);
    assert_string_equal(err.text, wanted);
}

#endif
