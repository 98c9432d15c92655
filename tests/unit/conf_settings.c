/* conf_settings.c: configuration files as people write them: values, and exact faults. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conf/settings.h"

#include <stdlib.h>

static int read_text(const char *text, size_t size, struct setting_value *values,
                     struct buf *faults)
{
    struct err err = {0};
    int rc = settings_read("f", bytes_of(text, size), values, faults, &err);

    if (rc < 0) {
        assert_int_equal(err.code, ERR_Configuration);
        assert_non_null(strstr(err.text, "in the configuration file f"));
    }
    return rc;
}

/* Goal: every key is taken, and its value is what the variable would be.
 * Method: all keys that go together, with and without quotes, with comments. */
static void reads_values(void **state)
{
    static const char text[] = "# of this host\n"
                               "databaseUrl: postgres://u:p@h/d\n"
                               "redisUrlFile: \"/run/a b\"\n"
                               "stateDir: /s\n"
                               "planner: 'ipc:///p,tcp://h:1'\n"
                               "name: 12\n"
                               "lanes: 8 # at most\n"
                               "logLevel: warn\n"
                               "logJson: true\n"
                               "roots: /a:/b\n"
                               "metrics: off\n";
    static const struct {
        enum setting setting;
        const char *value;
    } wanted[] = {
        {SETTING_databaseUrl, "postgres://u:p@h/d"},
        {SETTING_redisUrlFile, "/run/a b"},
        {SETTING_stateDir, "/s"},
        {SETTING_planner, "ipc:///p,tcp://h:1"},
        {SETTING_name, "12"},
        {SETTING_lanes, "8"},
        {SETTING_logLevel, "warn"},
        {SETTING_logJson, "1"},
        {SETTING_roots, "/a:/b"},
        {SETTING_metrics, "off"},
    };
    struct setting_value values[SETTING_COUNT] = {0};
    struct buf faults = {0};

    (void)state;
    if (read_text(text, sizeof text - 1, values, &faults) < 0)
        fail_msg("%s", buf_text(&faults));
    for (size_t i = 0; i < COUNT_OF(wanted); i++) {
        assert_non_null(values[wanted[i].setting].text);
        assert_string_equal(values[wanted[i].setting].text, wanted[i].value);
    }
    assert_null(values[SETTING_redisUrl].text);
    assert_null(values[SETTING_databaseUrlFile].text);
    assert_int_equal(values[SETTING_lanes].at.line, 7);
    setting_values_release(values);
    assert_null(values[SETTING_lanes].text);
    assert_int_equal(read_text("logJson: false\n", 15, values, &faults), 0);
    assert_string_equal(values[SETTING_logJson].text, "0");
    setting_values_release(values);
    buf_release(&faults);
}

/* Goal: what says nothing is no fault.
 * Method: texts without a key. */
static void reads_nothing(void **state)
{
    static const char *const texts[] = {"",      "\n\n", "# nothing\n",
                                        "---\n", "{}\n", "--- {}\n...\n"};
    struct setting_value values[SETTING_COUNT] = {0};
    struct buf faults = {0};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        assert_int_equal(read_text(texts[i], strlen(texts[i]), values, &faults), 0);
        for (u32 setting = 0; setting < SETTING_COUNT; setting++)
            assert_null(values[setting].text);
    }
    buf_release(&faults);
}

/* Goal: each fault has its place, and says what to write; none shows a secret.
 * Method: texts and their whole faults. */
static void says_faults(void **state)
{
    static const struct {
        const char *text, *faults;
    } cases[] = {
        {"planer: x\n", "f:1:1: unknown key 'planer'; did you mean 'planner'?\n"},
        {"\n  log-level: info\n", "f:2:3: unknown key 'log-level'; did you mean 'logLevel'?\n"},
        {"colour: red\n", "f:1:1: unknown key 'colour'; syncline-config(5) has them all\n"},
        {"SYNCLINE_LANES: 4\n",
         "f:1:1: unknown key 'SYNCLINE_LANES'; write lanes, which is its key in a file\n"},
        {"lanes: 0\n", "f:1:8: lanes: expected a number from 1 to 256, not 0\n"},
        {"lanes: many\n", "f:1:8: lanes: expected a number from 1 to 256, not many\n"},
        {"lanes: [1]\n", "f:1:8: lanes: expected a number from 1 to 256, not a list\n"},
        {"logLevel: loud\n", "f:1:11: logLevel: expected debug, info, warn or error, not loud\n"},
        {"lanes: 1\nlanes: 2\n", "f:2:1: 'lanes' is given twice; the first is in line 1\n"},
        {"stateDir: ~/x\n",
         "f:1:11: stateDir: expected an absolute path; ~ and variables mean nothing\n"},
        {"databaseUrlFile: postgres://u:secret@h/d\n",
         "f:1:18: databaseUrlFile: expected an absolute path; ~ and variables mean nothing\n"},
        {"planner:\n", "f:1:9: planner has no value: write a text, or leave the key out\n"},
        {"name: ''\n", "f:1:7: name has no value: write a text, or leave the key out\n"},
        {"databaseUrl: {password: secret}\n",
         "f:1:14: databaseUrl: expected a text, not an object\n"},
        {"redisUrl: a\nlanes: 1\nredisUrlFile: /b\n",
         "f:3:1: redisUrlFile and redisUrl say the same thing; leave one of them out (the other is "
         "in line 1)\n"},
        {"- lanes\n", "f:1:1: expected keys with values, such as `lanes: 4`, one a line\n"},
        {"lanes: 1\n---\nname: x\n", "f:3:1: a second document; a file has only one\n"},
        {"name: \xff\n", "f:1:7: not UTF-8; save the file as UTF-8\n"},
        {"name: *x\n",
         "f:1:7: an alias (*x): anchors and aliases are not read here; write the value "
         "out, or put a text that begins with * in quotes\n"},
        {"lanes: 0\nnam: x\n", "f:1:8: lanes: expected a number from 1 to 256, not 0\n"
                               "f:2:1: unknown key 'nam'; did you mean 'name'?\n"},
        {"\tname: x\n", "f:1:1: a tab where only spaces may stand; indent with spaces\n"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct setting_value values[SETTING_COUNT] = {0};
        struct buf faults = {0};

        if (read_text(cases[i].text, strlen(cases[i].text), values, &faults) == 0)
            fail_msg("%s was read", cases[i].text);
        assert_string_equal(buf_text(&faults), cases[i].faults);
        setting_values_release(values);
        buf_release(&faults);
    }
}

/* Goal: a file has a limit.
 * Method: comments up to it, and one byte more. */
static void has_a_limit(void **state)
{
    struct setting_value values[SETTING_COUNT] = {0};
    char *text = memory_or_die(SETTINGS_BYTES_MAX + 1);
    struct buf faults = {0};

    (void)state;
    memset(text, '#', SETTINGS_BYTES_MAX + 1);
    assert_int_equal(read_text(text, SETTINGS_BYTES_MAX, values, &faults), 0);
    assert_int_equal(read_text(text, SETTINGS_BYTES_MAX + 1, values, &faults), -1);
    assert_string_equal(buf_text(&faults), "f:1:1: more than 64 KiB in one file\n");
    buf_release(&faults);
    free(text);
}

/* Goal: a setting knows the one that names its file, and nothing else is taken for that.
 * Method: both pairs, and some that stand alone. */
static void knows_partners(void **state)
{
    (void)state;
    assert_int_equal(setting_partner(SETTING_databaseUrl), SETTING_databaseUrlFile);
    assert_int_equal(setting_partner(SETTING_databaseUrlFile), SETTING_databaseUrl);
    assert_int_equal(setting_partner(SETTING_redisUrlFile), SETTING_redisUrl);
    assert_int_equal(setting_partner(SETTING_planner), SETTING_NONE);
    assert_int_equal(setting_partner(SETTING_metrics), SETTING_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_values),   cmocka_unit_test(reads_nothing),
        cmocka_unit_test(says_faults),    cmocka_unit_test(has_a_limit),
        cmocka_unit_test(knows_partners),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
