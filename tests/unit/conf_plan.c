/* conf_plan.c: what a SynchronizationPlan has beside the fields of every synchronization. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conf/conf.h"

#define PLAN                                                                                       \
    "apiVersion: syncline/v1\nkind: SynchronizationPlan\nmetadata: {name: p}\nspec:\n"             \
    "  source: a\n  destination: b\n"

/* The one definition of `text`, or its faults. */
static void read_plan(const char *text, struct definitions *out, struct buf *faults)
{
    struct err err;

    definitions_read("f", text, strlen(text), out, faults, &err);
}

/* Goal: a plan is read with the texts that were written.
 * Method: all of its fields, and the JSON that they become; then the least that is one. */
static void good(void **state)
{
    static const char *const cases[][2] = {
        {PLAN "  schedule: \"0 2 * * *\"\n  timezone: Europe/Berlin\n  overlap: skip\n"
              "  missed: once\n  startingDeadline: 1h\n  jitter: 5m\n  historyLimit: 3\n",
         "{\"source\": \"a\", \"destination\": \"b\", \"schedule\": \"0 2 * * *\", \"timezone\": "
         "\"Europe/Berlin\", \"overlap\": \"skip\", \"missed\": \"once\", \"startingDeadline\": "
         "\"1h\", \"jitter\": \"5m\", \"historyLimit\": 3}"},
        {PLAN "  schedule: 0 2 * * MON\n",
         "{\"source\": \"a\", \"destination\": \"b\", \"schedule\": \"0 2 * * MON\"}"},
        {PLAN "  schedule: '@every 90s'\n  jitter: 89s\n",
         "{\"source\": \"a\", \"destination\": \"b\", \"schedule\": \"@every 90s\", \"jitter\": "
         "\"89s\"}"},
        /* a time may start after the next one is due, if both are of the clock */
        {PLAN "  schedule: '* * * * *'\n  jitter: 1h\n  timezone: UTC\n",
         "{\"source\": \"a\", \"destination\": \"b\", \"schedule\": \"* * * * *\", \"jitter\": "
         "\"1h\", \"timezone\": \"UTC\"}"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct definitions read = {0};
        struct buf faults = {0};
        json_t *wanted = json_loads(cases[i][1], 0, NULL);

        read_plan(cases[i][0], &read, &faults);
        if (read.count != 1 || !json_equal(read.items[0].spec, wanted))
            fail_msg("%s%s", cases[i][0], buf_text(&faults));
        assert_int_equal(read.items[0].kind, DEFINITION_PLAN);
        json_decref(wanted);
        definitions_release(&read);
        buf_release(&faults);
    }
}

/* Goal: what is wrong with a schedule is said at its own column, where the line is as the text is.
 * Method: plain, quoted, with characters of several bytes; then escaped, folded and as a block, of
 * which the begin is said. */
static void refused(void **state)
{
#define STEP "schedule: minute: a step of 0 never gets on; write 1 or more\n"
    static const char *const cases[][2] = {
        {PLAN "  jitter: 0s\n",
         "f:5:3: spec.schedule is missing: five fields of cron, @hourly and the like, or @every "
         "DURATION; write a schedule, such as \"0 2 * * *\", \"@daily\" or \"@every 90s\"\n"},
        {PLAN "  schedule: 0 2 * * 8\n",
         "f:7:21: schedule: day of the week: 8 is out of range; write 0 to 7\n"},
        {PLAN "  schedule: \"0 25 * * *\"\n",
         "f:7:16: schedule: hour: 25 is out of range; write 0 to 23\n"},
        {PLAN "  schedule: '*/0 * * * *'\n", "f:7:16: " STEP},
        {PLAN "  schedule: '0 0 30 2 *'\n", "f:7:18: schedule: a date that never comes: the months "
                                            "meant have at most 29 days; write a "
                                            "day up to 29\n"},
        {PLAN "  schedule: '@every -5s'\n",
         "f:7:21: schedule: -5s is negative; write a duration from 1s to 366d\n"},
        {PLAN "  schedule: 0 \xc3\xa9\xc3\xa9 99999999999999 * x\n",
         "f:7:15: schedule: hour: '\xc3\xa9\xc3\xa9' is no value; write * or 0 to 23\n"},
        {PLAN "  schedule: 0 0 1-\xc3\xa9 * x\n",
         "f:7:19: schedule: day of the month: '\xc3\xa9' is no value; write * or 1 to 31\n"},
        {PLAN "  schedule: \"\\x2a/0 * * * *\"\n", "f:7:13: " STEP},
        {PLAN "  schedule: |-\n    */0 * * * *\n", "f:7:13: " STEP},
        {PLAN "  schedule: '*/0 *\n    * * *'\n", "f:7:13: " STEP},
        {PLAN "  schedule: ''\n", "f:7:14: schedule: an empty schedule; write five fields, such as "
                                  "\"0 2 * * *\", or @daily, "
                                  "or @every 1h\n"},
        {PLAN "  schedule: 5\n",
         "f:7:13: schedule: expected a schedule, such as \"0 2 * * *\", \"@daily\" or \"@every "
         "90s\", not 5\n"},
        {PLAN "  schedule: null\n  timezone:\n",
         "f:7:13: schedule has no value: write a schedule, such as \"0 2 * * *\", \"@daily\" or "
         "\"@every 90s\"\n"
         "f:8:12: timezone has no value: write the name of a time zone, such as Europe/Berlin, or "
         "leave the field out\n"},
        {PLAN "  schedule: |\n    0 2 * * *\n  timezone: NO\n",
         "f:7:13: schedule: a line break; write all of it on one line, in quotes\n"
         "f:9:13: timezone: expected the name of a time zone, such as Europe/Berlin, not NO\n"},
        {PLAN "  schedule: @daily\n", "f:7:13: no YAML: found character that cannot start any "
                                      "token, while scanning for the next "
                                      "token that begins in line 7; put the text in quotes\n"},
        {PLAN "  schedule: '@daily'\n  timezone: Europe/Belrin\n",
         "f:8:13: timezone: 'Europe/Belrin' is no zone that this host knows; did you mean "
         "Europe/Berlin?\n"},
        {PLAN "  schedule: '@daily'\n  timezone: \"+01:00\"\n",
         "f:8:13: timezone: '+01:00' is an offset, which knows no change of the clock; write a "
         "name "
         "of the zone database, such as Europe/Berlin\n"},
        {PLAN "  schedule: '@daily'\n  timezone: [UTC]\n",
         "f:8:13: timezone: expected the name of a time zone, such as Europe/Berlin, not a list\n"},
        {PLAN "  schedule: '@daily'\n  overlap: queue\n",
         "f:8:12: overlap: expected queue-one, skip or replace, not queue\n"},
        {PLAN "  schedule: '@daily'\n  startingDeadline: 0s\n",
         "f:8:21: startingDeadline: expected a duration from 1s to 366d, such as 90s or 1h30m, not "
         "0s\n"},
        {PLAN "  schedule: '@every 90s'\n  timezone: UTC\n",
         "f:8:13: timezone (UTC) with a schedule of @every, which counts elapsed time and looks at "
         "no clock; leave timezone out, or write five fields\n"},
        {PLAN "  schedule: '@every 90s'\n  jitter: 1m30s\n",
         "f:8:11: jitter (1m30s) is not shorter than the interval (@every 90s): a time would come "
         "when the next one is due; write a shorter jitter\n"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct definitions read = {0};
        struct buf faults = {0};

        read_plan(cases[i][0], &read, &faults);
        if (read.count != 0 || strcmp(buf_text(&faults), cases[i][1]) != 0)
            fail_msg("%s\nhas the faults\n%snot\n%s", cases[i][0], buf_text(&faults), cases[i][1]);
        definitions_release(&read);
        buf_release(&faults);
    }
}

/* Goal: a schedule that is very long is refused before it is looked at.
 * Method: a list of one value, many times. */
static void too_long(void **state)
{
    struct definitions read = {0};
    struct buf text = {0}, faults = {0};

    (void)state;
    buf_append_text(&text, PLAN "  schedule: 0");
    for (u32 i = 0; i < 200; i++)
        buf_append_text(&text, ",0");
    buf_append_text(&text, " 2 * * *\n");
    read_plan(buf_text(&text), &read, &faults);
    assert_string_equal(buf_text(&faults), "f:7:13: schedule: more than 255 bytes\n");
    definitions_release(&read);
    buf_release(&text);
    buf_release(&faults);
}

/* Goal: `set` says the same.
 * Method: a field with a value that is good, wrong, and not with the others. */
static void set(void **state)
{
    json_t *spec = json_pack("{s:s}", "schedule", "@every 90s");
    struct err err;

    (void)state;
    assert_int_equal(definition_set(DEFINITION_PLAN, spec, "schedule", "@hourl", &err), -1);
    assert_string_equal(err.text, "schedule: there is no @hourl; did you mean @hourly?");
    assert_int_equal(definition_set(DEFINITION_PLAN, spec, "timezone", "Berlin", &err), -1);
    assert_string_equal(err.text,
                        "timezone: 'Berlin' is no zone that this host knows; did you mean "
                        "Europe/Berlin?");
    assert_int_equal(definition_set(DEFINITION_PLAN, spec, "timezone", "Europe/Berlin", &err), 0);
    assert_int_equal(definition_check(DEFINITION_PLAN, spec, &err), -1);
    assert_int_equal(definition_set(DEFINITION_PLAN, spec, "schedule", "0 2 * * *", &err), 0);
    assert_int_equal(definition_check(DEFINITION_PLAN, spec, &err), 0);
    json_decref(spec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good),
        cmocka_unit_test(refused),
        cmocka_unit_test(too_long),
        cmocka_unit_test(set),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
