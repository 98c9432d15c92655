/* svc_settings.c: which configuration files are read, which of them wins, which are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "svc/config.h"
#include "svc/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static struct fixture {
    char directory[64], user[128], system[128];
    const char *paths[2];
    struct settings settings;
    struct buf faults;
    struct err err;
} at;

static int setup(void **state)
{
    (void)state;
    at = (struct fixture){.directory = "/tmp/syncline-settings-XXXXXX"};
    for (u32 i = 1; i < SETTING_COUNT; i++)
        unsetenv(setting_table[i].variable);
    unsetenv(SETTINGS_VARIABLE);
    if (!mkdtemp(at.directory))
        return -1;
    snprintf(at.user, sizeof at.user, "%s/syncline/config.yaml", at.directory);
    snprintf(at.system, sizeof at.system, "%s/system.yaml", at.directory);
    at.paths[0] = at.user;
    at.paths[1] = at.system;
    setenv("XDG_CONFIG_HOME", at.directory, 1);
    *strrchr(at.user, '/') = '\0';
    mkdir(at.user, 0700);
    at.user[strlen(at.user)] = '/';
    return 0;
}

static int teardown(void **state)
{
    char path[128];

    (void)state;
    settings_release(&at.settings);
    buf_release(&at.faults);
    unlink(at.user);
    unlink(at.system);
    snprintf(path, sizeof path, "%s/syncline", at.directory);
    rmdir(path);
    return rmdir(at.directory);
}

static void put(const char *path, const char *text, mode_t mode)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static int load(void)
{
    settings_release(&at.settings);
    buf_clear(&at.faults);
    return settings_load_files(at.paths, 2, false, &at.settings, &at.faults, &at.err);
}

static void variable_is(const char *name, const char *value)
{
    const char *found = getenv(name);

    if (!value) {
        assert_null(found);
        return;
    }
    assert_non_null(found);
    assert_string_equal(found, value);
}

/* Goal: the environment wins over the user's file, that over the system's; what is empty is not
 * set. Method: four settings, each with one level more; where each came from is known. */
static void levels_in_order(void **state)
{
    (void)state;
    put(at.system, "name: system\nlanes: 1\nlogLevel: error\nroots: /s\n", 0644);
    put(at.user, "\nname: user\nlanes: 2\nroots: /u\n", 0600);
    setenv("SYNCLINE_NAME", "variable", 1);
    setenv("SYNCLINE_ROOTS", "", 1);
    assert_int_equal(load(), 0);
    variable_is("SYNCLINE_NAME", "variable");
    variable_is("SYNCLINE_LANES", "2");
    variable_is("SYNCLINE_LOG_LEVEL", "error");
    variable_is("SYNCLINE_ROOTS", "/u");
    variable_is("SYNCLINE_METRICS", NULL);
    assert_int_equal(at.settings.count, 2);
    assert_int_equal(at.settings.from[SETTING_name], 0);
    assert_int_equal(at.settings.from[SETTING_lanes], 1);
    assert_int_equal(at.settings.from[SETTING_logLevel], 2);
    assert_true(at.settings.files[0].has[SETTING_name]);
    assert_false(at.settings.files[0].has[SETTING_logLevel]);
    err_set(&at.err, ERR_Configuration, "wrong");
    assert_int_equal(settings_context(&at.settings, SETTING_lanes, &at.err), -1);
    assert_true(strncmp(at.err.text, at.user, strlen(at.user)) == 0);
    assert_string_equal(at.err.text + strlen(at.user), ":3: wrong");
}

/* Goal: of a setting and the file that has it, the highest level that has either decides.
 * Method: each combination of levels; the other variable must not be there. */
static void pairs_are_one(void **state)
{
    static const struct {
        const char *variable, *user, *system; /* which of the two stands there */
        const char *value, *file;             /* what both variables are then */
    } cases[] = {
        {NULL, "redisUrl: u", "redisUrlFile: /s", "u", NULL},
        {NULL, "redisUrlFile: /u", "redisUrl: s", NULL, "/u"},
        {NULL, "", "redisUrlFile: /s", NULL, "/s"},
        {"SYNCLINE_REDIS_URL", "redisUrlFile: /u", "redisUrl: s", "x", NULL},
        {"SYNCLINE_REDIS_URL_FILE", "redisUrl: u", "redisUrl: s", NULL, "x"},
        {"SYNCLINE_REDIS_URL_FILE", "redisUrlFile: /u", "", NULL, "x"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        unsetenv("SYNCLINE_REDIS_URL");
        unsetenv("SYNCLINE_REDIS_URL_FILE");
        put(at.user, cases[i].user, 0600);
        put(at.system, cases[i].system, 0600);
        if (cases[i].variable)
            setenv(cases[i].variable, "x", 1);
        assert_int_equal(load(), 0);
        variable_is("SYNCLINE_REDIS_URL", cases[i].value);
        variable_is("SYNCLINE_REDIS_URL_FILE", cases[i].file);
    }
}

/* Goal: a file that is not there is none; with a fault in one, nothing of the other is taken.
 * Method: no file, no directory, one of two that is wrong. */
static void all_or_nothing(void **state)
{
    (void)state;
    assert_int_equal(load(), 0);
    assert_false(at.settings.files[0].there);
    at.paths[1] = "/dev/null/syncline.yaml"; /* below what is no directory */
    assert_int_equal(load(), 0);
    at.paths[1] = at.system;
    put(at.user, "lanes: 2\n", 0600);
    put(at.system, "lane: 2\n", 0600);
    assert_int_equal(load(), -1);
    assert_int_equal(at.err.code, ERR_Configuration);
    assert_non_null(strstr(buf_text(&at.faults), "system.yaml:1:1: unknown key 'lane'"));
    variable_is("SYNCLINE_LANES", NULL);
}

static void refused(const char *text)
{
    assert_int_equal(load(), -1);
    assert_int_equal(at.err.code, ERR_Configuration);
    if (!strstr(at.err.text, text))
        fail_msg("%s", at.err.text);
    variable_is("SYNCLINE_LANES", NULL);
}

/* Goal: what others could have written is not obeyed, what is no file is not waited for.
 * Method: modes, another owner (as root only), a directory, a FIFO. */
static void refuses_files(void **state)
{
    (void)state;
    put(at.user, "lanes: 2\n", 0620);
    refused("others may write into the configuration file");
    put(at.user, "lanes: 2\n", 0602);
    refused("chmod go-w");
    chmod(at.user, 0600);
    if (geteuid() == 0) {
        assert_int_equal(chown(at.user, 65534, (gid_t)-1), 0);
        refused("belongs to user id 65534, neither you nor root");
    }
    unlink(at.user);
    assert_int_equal(mkfifo(at.user, 0600), 0);
    refused("no regular file");
    unlink(at.user);
    at.paths[0] = at.directory;
    refused("no regular file");
    at.paths[0] = at.user;
}

/* Goal: a file that cannot be read is an error, not one that is not there.
 * Method: a name that is too long for the kernel, which is so for root, too. */
static void refuses_unreadable(void **state)
{
    char name[400];

    (void)state;
    memset(name, 'x', sizeof name);
    name[0] = '/';
    name[sizeof name - 1] = '\0';
    at.paths[0] = name;
    refused("cannot be read (SYNCLINE_CONFIG may name another, or be off): File name too long");
    at.paths[0] = at.user;
}

/* Goal: a secret that others may read is refused, and only that; root's group may be one's own.
 * Method: modes of a file with a secret, and of one that names a file with it. */
static void guards_secrets(void **state)
{
    (void)state;
    put(at.user, "\nredisUrl: secret\n", 0604);
    refused("config.yaml:2: others may read redisUrl: chmod 600");
    assert_null(strstr(at.err.text, "secret"));
    put(at.user, "redisUrl: secret\n", 0640);
    assert_int_equal(load(), geteuid() == 0 ? 0 : -1);
    unsetenv("SYNCLINE_REDIS_URL");
    if (geteuid() == 0) {
        /* one's own file: its group is others, too */
        assert_int_equal(chown(at.directory, 65534, (gid_t)-1), 0);
        unlink(at.system);
        at.paths[0] = at.paths[1] = at.system;
        put(at.system, "redisUrl: secret\n", 0640);
        assert_int_equal(chown(at.system, 65534, (gid_t)-1), 0);
        assert_int_equal(seteuid(65534), 0);
        refused("system.yaml:1: others may read redisUrl");
        assert_int_equal(seteuid(0), 0);
        unlink(at.system);
        at.paths[0] = at.user;
    }
    unlink(at.user);
    put(at.user, "redisUrlFile: /run/x\n", 0644);
    assert_int_equal(load(), 0);
    variable_is("SYNCLINE_REDIS_URL_FILE", "/run/x");
}

static int load_usual(void)
{
    unsetenv("SYNCLINE_LANES");
    settings_release(&at.settings);
    return settings_load(&at.settings, &at.faults, &at.err);
}

/* Goal: the usual places, the one file that is named instead, and none.
 * Method: XDG_CONFIG_HOME, HOME, SYNCLINE_CONFIG. */
static void finds_files(void **state)
{
    (void)state;
    put(at.user, "lanes: 2\n", 0600);
    put(at.system, "lanes: 3\n", 0600);
    assert_int_equal(load_usual(), 0);
    variable_is("SYNCLINE_LANES", "2");
    assert_string_equal(at.settings.files[1].path, "/etc/syncline/syncline.yaml");
    setenv("XDG_CONFIG_HOME", "relative", 1); /* the specification says: to be passed over */
    setenv("HOME", at.directory, 1);
    assert_int_equal(load_usual(), 0);
    assert_non_null(strstr(at.settings.files[0].path, "/.config/syncline/config.yaml"));
    setenv("SYNCLINE_CONFIG", at.system, 1);
    assert_int_equal(load_usual(), 0);
    variable_is("SYNCLINE_LANES", "3");
    assert_int_equal(at.settings.count, 1);
    setenv("SYNCLINE_CONFIG", "off", 1);
    assert_int_equal(load_usual(), 0);
    variable_is("SYNCLINE_LANES", NULL);
    assert_int_equal(at.settings.count, 0);
    setenv("SYNCLINE_CONFIG", "/no/such/file", 1);
    assert_int_equal(load_usual(), -1);
    assert_non_null(
        strstr(at.err.text, "/no/such/file, which SYNCLINE_CONFIG names, is not there"));
}

/* Goal: a program has its settings from a file, a flag wins, and a wrong value is told by its
 * place. Method: the reading of a program's command line, with one file. */
static void programs_read_them(void **state)
{
    char *argv[] = {(char *)"x", (char *)"--name=flag", NULL};
    struct config config;
    bool done;

    (void)state;
    setenv("SYNCLINE_CONFIG", at.system, 1);
    put(at.system, "planner: ipc:///p\nname: file\nlanes: 3\nlogJson: true\n", 0600);
    assert_int_equal(config_read("syncline-mover", 2, argv, &config, &done, &at.err), 0);
    assert_string_equal(config.planner, "ipc:///p");
    assert_string_equal(config.name, "flag");
    assert_int_equal(config.lanes, 3);
    assert_true(config.log_json);
    config_release(&config);
    unsetenv("SYNCLINE_PLANNER");
    put(at.system, "planner: ipc:///p\nroots: data\n", 0600);
    assert_int_equal(config_read("syncline-mover", 2, argv, &config, &done, &at.err), -1);
    assert_non_null(strstr(at.err.text, "system.yaml:2: SYNCLINE_ROOTS=data: must be absolute"));
    unsetenv("SYNCLINE_ROOTS");
    put(at.system, "databaseUrlFile: /no/such\nplanner: ipc:///p\n", 0600);
    assert_int_equal(config_read("syncline-mover", 2, argv, &config, &done, &at.err), -1);
    assert_non_null(strstr(at.err.text, "system.yaml:1: SYNCLINE_DATABASE_URL_FILE=/no/such"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(levels_in_order), TEST(pairs_are_one),      TEST(all_or_nothing),
        TEST(refuses_files),   TEST(refuses_unreadable), TEST(guards_secrets),
        TEST(finds_files),     TEST(programs_read_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
