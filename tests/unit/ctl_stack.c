/* ctl_stack.c: the parts of the embedded stack that need no process: delays, paths, stack.json. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "stack/child.h"
#include "stack/paths.h"
#include "stack/state.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Goal: a program that dies is started at once, then after 100 ms doubling to 5 s.
 * Method: the whole row. */
static void delays(void **state)
{
    static const s64 expected[] = {0, 0, 100, 200, 400, 800, 1600, 3200, 5000, 5000};

    (void)state;
    for (u32 i = 0; i < COUNT_OF(expected); i++)
        assert_int_equal(child_delay_ms(i), expected[i]);
    assert_int_equal(child_delay_ms(1000), 5000);
}

static void check_resolved(const char *path, const char *expected)
{
    struct err err;
    char *real = NULL;

    assert_int_equal(path_resolve(path, &real, &err), 0);
    assert_string_equal(real, expected);
    free(real);
}

/* Goal: paths are made real as far as they exist, and kept as they are beyond.
 * Method: links, dots and missing parts in a directory of our own. */
static void resolve(void **state)
{
    char root[] = "/tmp/syncline-test-XXXXXX", *real, text[200], expected[200];
    struct err err;

    (void)state;
    assert_non_null(mkdtemp(root));
    assert_int_equal(path_resolve(root, &real, &err), 0);
    snprintf(text, sizeof text, "%s/a", root);
    assert_int_equal(mkdir(text, 0700), 0);
    snprintf(text, sizeof text, "%s/link", root);
    assert_int_equal(symlink("a", text), 0);
    snprintf(text, sizeof text, "%s/link/./b//c/../d/", root);
    snprintf(expected, sizeof expected, "%s/a/b/d", real);
    check_resolved(text, expected);
    snprintf(text, sizeof text, "%s/link/", root);
    snprintf(expected, sizeof expected, "%s/a", real);
    check_resolved(text, expected);
    check_resolved("/", "/");
    check_resolved("/..", "/");
    check_resolved("/nowhere-at-all/x", "/nowhere-at-all/x");
    snprintf(text, sizeof text, "%s/link", root);
    unlink(text);
    snprintf(text, sizeof text, "%s/a", root);
    rmdir(text);
    rmdir(root);
    free(real);
}

/* Goal: parents and quotes.
 * Method: the edges. */
static void texts(void **state)
{
    static const char *const pairs[][2] = {{"/a/b", "/a"}, {"/a", "/"}, {"/", "/"}};
    char *text;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(pairs); i++) {
        text = path_parent(pairs[i][0]);
        assert_string_equal(text, pairs[i][1]);
        free(text);
    }
    text = path_quote("it's");
    assert_string_equal(text, "'it''s'");
    free(text);
    text = path_below("/", "x");
    assert_string_equal(text, "/x");
    free(text);
}

/* Goal: stack.json says all that the next supervisor needs, and garbage is refused.
 * Method: there and back; then an object of something else. */
static void json_both_ways(void **state)
{
    struct stack_process process = {.name = "mover-2",
                                    .kind = "mover",
                                    .state = "ready",
                                    .pid = 77,
                                    .ticks = 1ull << 40,
                                    .restarts = 3};
    struct stack_state before = {.phase = "ready",
                                 .boot_id = "b",
                                 .supervisor = 5,
                                 .on_demand = true,
                                 .state_directory = "/s",
                                 .database_url = "host=/s/run",
                                 .redis_url = "unix:///s/run/redis.sock",
                                 .planner = "ipc:///s/run/*",
                                 .wanted = {{0, 1, 2, 3, 4}},
                                 .processes = &process,
                                 .process_count = 1};
    struct stack_state after;
    struct err err;
    json_t *json = stack_state_to_json(&before), *other = json_pack("{s:i}", "x", 1);

    (void)state;
    assert_int_equal(stack_state_from_json(json, &after, &err), 0);
    assert_string_equal(after.database_url, before.database_url);
    assert_true(after.on_demand);
    assert_int_equal(after.wanted.of[ROLE_mover], 3);
    assert_int_equal(after.process_count, 1);
    assert_string_equal(after.processes[0].name, "mover-2");
    assert_int_equal(after.processes[0].ticks, 1ull << 40);
    stack_state_release(&after);
    assert_int_equal(stack_state_from_json(other, &after, &err), -1);
    assert_int_equal(err.code, ERR_StateDirectory);
    json_decref(json);
    json_decref(other);
}

/* Goal: a process is only ended if it is the one that was meant.
 * Method: a child of our own, first with another start time, then with its own. */
static void identity(void **state)
{
    pid_t pid = fork();
    u64 ticks;

    (void)state;
    if (pid == 0) {
        pause();
        _exit(0);
    }
    ticks = process_start_ticks(pid);
    assert_true(ticks > 0);
    assert_true(process_end(pid, ticks + 1, SIGTERM, 1000));
    assert_int_equal(process_start_ticks(pid), ticks);
    assert_true(process_end(pid, ticks, SIGTERM, 5000));
    assert_int_equal(process_start_ticks(pid), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(delays),         cmocka_unit_test(resolve),  cmocka_unit_test(texts),
        cmocka_unit_test(json_both_ways), cmocka_unit_test(identity),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
