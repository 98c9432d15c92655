/* svc_config.c: flags, environment, defaults and secrets of a process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "schema/limits.h"
#include "svc/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char *const variables[] = {
    "SYNCLINE_PLANNER",        "SYNCLINE_NAME",      "SYNCLINE_LANES",
    "SYNCLINE_LOG_LEVEL",      "SYNCLINE_LOG_JSON",  "SYNCLINE_DATABASE_URL",
    "SYNCLINE_REDIS_URL",      "SYNCLINE_STATE_DIR", "SYNCLINE_DATABASE_URL_FILE",
    "SYNCLINE_REDIS_URL_FILE", "SYNCLINE_ROOTS",     "SYNCLINE_METRICS",
};

static int clear_environment(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(variables); i++)
        unsetenv(variables[i]);
    setenv("SYNCLINE_CONFIG", "off", 1);
    return 0;
}

/* Reads with up to four arguments. */
static int read_config(const char *a, const char *b, const char *c, const char *d,
                       struct config *out, struct err *err)
{
    char *argv[] = {(char *)"x", (char *)a, (char *)b, (char *)c, (char *)d, NULL};
    int argc = 1;
    bool done;

    while (argv[argc])
        argc++;
    return config_read("syncline-mover", argc, argv, out, &done, err);
}

/* Goal: without anything but a planner there are defaults.
 * Method: one flag; the name is made of role and pid. */
static void has_defaults(void **state)
{
    struct config config;
    struct err err;
    char name[64];

    (void)state;
    assert_int_equal(read_config("--planner", "tcp://p:1", NULL, NULL, &config, &err), 0);
    snprintf(name, sizeof name, "mover-%d", (int)getpid());
    assert_string_equal(config.planner, "tcp://p:1");
    assert_string_equal(config.name, name);
    assert_in_range(config.lanes, 1, LANES_MAX);
    assert_int_equal(config.log_level, LOG_INFO);
    assert_false(config.log_json);
    assert_null(config.database_url);
    assert_null(config.redis_url);
    assert_null(config.state_dir);
    assert_null(config.roots);
    config_release(&config);
}

/* Goal: a flag wins over the environment, which wins over the default.
 * Method: everything in the environment, then two flags over it. */
static void flag_over_environment(void **state)
{
    struct config config;
    struct err err;

    (void)state;
    setenv("SYNCLINE_PLANNER", "ipc:///p", 1);
    setenv("SYNCLINE_NAME", "mover-é", 1);
    setenv("SYNCLINE_LANES", "5", 1);
    setenv("SYNCLINE_LOG_LEVEL", "error", 1);
    setenv("SYNCLINE_LOG_JSON", "1", 1);
    setenv("SYNCLINE_STATE_DIR", "/s", 1);
    setenv("SYNCLINE_DATABASE_URL", "postgres:///d", 1);
    assert_int_equal(read_config(NULL, NULL, NULL, NULL, &config, &err), 0);
    assert_string_equal(config.planner, "ipc:///p");
    assert_string_equal(config.name, "mover-é");
    assert_int_equal(config.lanes, 5);
    assert_int_equal(config.log_level, LOG_ERROR);
    assert_true(config.log_json);
    assert_string_equal(config.state_dir, "/s");
    assert_string_equal(config.database_url, "postgres:///d");
    config_release(&config);
    assert_int_equal(read_config("--lanes=7", "--log-level", "debug", NULL, &config, &err), 0);
    assert_int_equal(config.lanes, 7);
    assert_int_equal(config.log_level, LOG_DEBUG);
    config_release(&config);
    assert_null(config.planner);
}

/* Goal: what is wrong is refused, and the text names where it stood and what it must be.
 * Method: a table of mistakes. */
static void refuses_mistakes(void **state)
{
    static const struct {
        const char *flag, *value;
        enum err_code code;
        const char *text;
    } mistakes[] = {
        {"--lanes", "0", ERR_Configuration, "--lanes 0"},
        {"--lanes", "257", ERR_Configuration, "1 to 256"},
        {"--lanes", "2x", ERR_Configuration, "--lanes 2x"},
        {"--lanes", NULL, ERR_Usage, "--lanes"},
        {"--log-level", "loud", ERR_Configuration, "debug, info, warn or error"},
        {"--name", "", ERR_Configuration, "--name"},
        {"--name", "\xff", ERR_Configuration, "UTF-8"},
        {"--roots", "data", ERR_Configuration, "--roots data: must be absolute"},
        {"--unknown", NULL, ERR_Usage, "--unknown"},
        {"extra", NULL, ERR_Usage, "extra"},
    };
    struct config config;
    struct err err;

    (void)state;
    assert_int_equal(read_config(NULL, NULL, NULL, NULL, &config, &err), -1);
    assert_int_equal(err.code, ERR_Configuration);
    assert_non_null(strstr(err.text, "SYNCLINE_PLANNER"));
    for (size_t i = 0; i < COUNT_OF(mistakes); i++) {
        assert_int_equal(read_config("--planner=ipc:///p", mistakes[i].flag, mistakes[i].value,
                                     NULL, &config, &err),
                         -1);
        assert_int_equal(err.code, mistakes[i].code);
        if (!strstr(err.text, mistakes[i].text))
            fail_msg("%s: %s", mistakes[i].flag, err.text);
        assert_null(config.planner);
    }
    setenv("SYNCLINE_LOG_JSON", "yes", 1);
    assert_int_equal(read_config("--planner=ipc:///p", NULL, NULL, NULL, &config, &err), -1);
    assert_non_null(strstr(err.text, "SYNCLINE_LOG_JSON=yes"));
}

/* Goal: a secret comes from its variable or from the file that is named; the variable wins.
 * Method: a file with a newline at its end; a file that is not there. */
static void reads_secrets(void **state)
{
    char path[] = "/tmp/syncline-secret-XXXXXX";
    int fd = mkstemp(path);
    char *secret;
    struct err err;

    (void)state;
    assert_int_equal(write(fd, "word\nand more\n", 14), 14);
    close(fd);
    assert_int_equal(config_secret("SYNCLINE_REDIS_URL", &secret, &err), 0);
    assert_null(secret);
    setenv("SYNCLINE_REDIS_URL_FILE", path, 1);
    assert_int_equal(config_secret("SYNCLINE_REDIS_URL", &secret, &err), 0);
    assert_string_equal(secret, "word\nand more");
    free(secret);
    setenv("SYNCLINE_REDIS_URL", "direct", 1);
    assert_int_equal(config_secret("SYNCLINE_REDIS_URL", &secret, &err), 0);
    assert_string_equal(secret, "direct");
    free(secret);
    unlink(path);
    unsetenv("SYNCLINE_REDIS_URL");
    assert_int_equal(config_secret("SYNCLINE_REDIS_URL", &secret, &err), -1);
    assert_int_equal(err.code, ERR_Configuration);
    assert_non_null(strstr(err.text, "SYNCLINE_REDIS_URL_FILE"));
}

/* The code of reading --metrics of `program`, or of the environment with NULL; *out gets it. */
static int read_metrics(const char *program, const char *metrics, char **out, struct err *err)
{
    char *argv[] = {(char *)"x", (char *)"--planner=ipc:///p", (char *)"--metrics", (char *)metrics,
                    NULL};
    struct config config = {0};
    bool done;

    *out = NULL;
    if (config_read(program, metrics ? 4 : 2, argv, &config, &done, err) < 0)
        return (int)err->code;
    *out = config.metrics;
    config.metrics = NULL;
    config_release(&config);
    return 0;
}

/* Goal: where a planner's pages are, by flag or environment; nowhere by default; no worker has any.
 * Method: good and bad addresses. */
static void reads_metrics(void **state)
{
    static const char *const good[] = {"tcp://127.0.0.1:9464", "tcp://[::1]:80", "tcp://*:1",
                                       "unix:/run/x"};
    static const char *const bad[] = {"9464",         "tcp://host",  "tcp://:80",
                                      "tcp://host:0", "tcp://h:80x", "tcp://h:65536",
                                      "unix:relative"};
    struct err err;
    char *metrics;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        assert_int_equal(read_metrics("syncline-planner", good[i], &metrics, &err), 0);
        assert_string_equal(metrics, good[i]);
        free(metrics);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_int_equal(read_metrics("syncline-planner", bad[i], &metrics, &err),
                         ERR_Configuration);
        assert_non_null(strstr(err.text, "must be tcp://HOST:PORT, unix:/PATH or off"));
    }
    assert_int_equal(read_metrics("syncline-planner", "off", &metrics, &err), 0);
    assert_null(metrics);
    assert_int_equal(read_metrics("syncline-mover", "off", &metrics, &err), ERR_Usage);
    setenv("SYNCLINE_METRICS", "unix:/m", 1);
    assert_int_equal(read_metrics("syncline-planner", NULL, &metrics, &err), 0);
    assert_string_equal(metrics, "unix:/m");
    free(metrics);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(has_defaults, clear_environment),
        cmocka_unit_test_setup(flag_over_environment, clear_environment),
        cmocka_unit_test_setup(refuses_mistakes, clear_environment),
        cmocka_unit_test_setup(reads_secrets, clear_environment),
        cmocka_unit_test_setup(reads_metrics, clear_environment),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
