/* base_log.c: the line that operators and tests read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/log.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int saved_stderr;
static char path[] = "/tmp/syncline-log-XXXXXX";

/* stderr goes to a file until line() gives what was written, without its time stamp. */
static void capture(void)
{
    saved_stderr = dup(STDERR_FILENO);
    strcpy(path + strlen(path) - 6, "XXXXXX");
    dup2(mkstemp(path), STDERR_FILENO);
}

static const char *captured(void)
{
    static char text[8192];
    FILE *file = fopen(path, "r");
    size_t size = fread(text, 1, sizeof text - 1, file);

    text[size] = '\0';
    fclose(file);
    close(STDERR_FILENO);
    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
    unlink(path);
    return text;
}

/* Goal: a logfmt line is as documented, to the byte.
 * Method: golden text after the time stamp, whose shape is checked. */
static void golden_line(void **state)
{
    int year, month, day, hour, minute, second, ms, used = 0;
    const char *line;

    (void)state;
    log_setup("planner", LOG_INFO, false);
    capture();
    log_write(LOG_INFO, "photos-1", EVENT_job_phase, "phase=%s path=%s", "Running",
              log_value(bytes_of("a \"b\"\n\xff", 7)));
    line = captured();
    assert_int_equal(sscanf(line, "ts=%4d-%2d-%2dT%2d:%2d:%2d.%3dZ%n", &year, &month, &day, &hour,
                            &minute, &second, &ms, &used),
                     7);
    assert_int_equal(used, strlen("ts=2026-01-02T03:04:05.678Z"));
    assert_string_equal(line + used, " level=info svc=planner job=photos-1 event=job_phase "
                                     "phase=Running path=\"a \\\"b\\\"\\n\\xff\"\n");
}

/* Goal: an error is logged with its code and text; below the least level nothing is.
 * Method: one of each. */
static void errors_and_levels(void **state)
{
    const char *line;
    struct err err;

    (void)state;
    log_setup("mover", LOG_WARN, false);
    err_set(&err, ERR_NoSpace, "writing \"x\"");
    capture();
    log_write(LOG_INFO, NULL, EVENT_ready, "%s", "");
    log_error(NULL, EVENT_failure, &err);
    line = captured();
    assert_string_equal(strstr(line, " level"), " level=error svc=mover event=failure code=NoSpace "
                                                "message=\"writing \\\"x\\\"\"\n");
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
}

/* Goal: a JSON line is an object whatever a name holds.
 * Method: jansson parses it; the values come back. */
static void json_line(void **state)
{
    json_t *object;
    json_error_t error;
    const char *line;

    (void)state;
    log_setup("watcher", LOG_INFO, true);
    capture();
    log_write(LOG_ERROR, "j-1", EVENT_item_failed, "path=%s size=%d empty=%s last=%s",
              log_value(bytes_of("a=\"b\" \\ \n\t\x1b\xff", 12)), 7, log_text(""),
              log_text("ende é"));
    line = captured();
    object = json_loads(line, 0, &error);
    if (!object)
        fail_msg("%s: %s", error.text, line);
    assert_string_equal(json_string_value(json_object_get(object, "level")), "error");
    assert_string_equal(json_string_value(json_object_get(object, "job")), "j-1");
    assert_string_equal(json_string_value(json_object_get(object, "event")), "item_failed");
    assert_string_equal(json_string_value(json_object_get(object, "path")),
                        "a=\"b\" \\ \n\t\x1b\xc3\xbf"); /* a byte that is no UTF-8 becomes U+00FF */
    assert_string_equal(json_string_value(json_object_get(object, "size")), "7");
    assert_string_equal(json_string_value(json_object_get(object, "empty")), "");
    assert_string_equal(json_string_value(json_object_get(object, "last")), "ende é");
    json_decref(object);
    log_setup("test", LOG_INFO, false);
}

/* Goal: a value that is too long is cut where it does no harm to the rest of the line.
 * Method: long values of every kind of byte, of every length around the limit, as JSON. */
static void cuts_long_values(void **state)
{
    static const char *const units[] = {"x", "\x01", "\"", "é", "\xff\x01\"x"};
    json_error_t error;

    (void)state;
    log_setup("watcher", LOG_INFO, true);
    for (size_t i = 0; i < COUNT_OF(units); i++) {
        for (size_t length = 200; length < 1200; length += 7) {
            char value[1200 + 8] = "";
            json_t *object;
            const char *line;

            for (size_t at = 0; at < length; at += strlen(units[i]))
                memcpy(value + at, units[i], strlen(units[i]) + 1);
            capture();
            log_write(LOG_INFO, NULL, EVENT_failure, "long=%s again=%s last=7", log_text(value),
                      log_text(value));
            line = captured();
            object = json_loads(line, 0, &error);
            if (!object)
                fail_msg("%s: %s", error.text, line);
            assert_string_equal(json_string_value(json_object_get(object, "last")), "7");
            json_decref(object);
        }
    }
    log_setup("test", LOG_INFO, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_line),
        cmocka_unit_test(errors_and_levels),
        cmocka_unit_test(json_line),
        cmocka_unit_test(cuts_long_values),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
