/* io_spawn.c: programs that are started, watched and ended. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "io/loop.h"
#include "io/spawn.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* Runs a shell script; the output is text in `output`. */
static int run_script(const char *script, s64 deadline_ms, struct spawn_request request,
                      struct buf *output, int *status, struct err *err)
{
    char *argv[] = {(char *)"sh", (char *)"-c", (char *)script, NULL};

    request.path = "/bin/sh";
    request.argv = argv;
    return spawn_run(&request, deadline_ms, output, status, err);
}

/* Goal: output of both streams, the status, the environment and the directory are as asked.
 * Method: a script that prints them. */
static void runs_to_the_end(void **state)
{
    char *environment[] = {(char *)"SPAWN_TEST=new", NULL};
    struct spawn_request request = {.extra_environment = environment, .directory = "/usr"};
    struct buf output = {0};
    struct err err;
    int status;

    (void)state;
    setenv("SPAWN_TEST", "old", 1);
    assert_int_equal(run_script("echo $SPAWN_TEST; pwd; echo error >&2; read x; exit 3", 5000,
                                request, &output, &status, &err),
                     0);
    assert_string_equal(buf_text(&output), "new\n/usr\nerror\n");
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 3);
    buf_clear(&output);
    spawn_describe(status, &output);
    assert_string_equal(buf_text(&output), "exited with 3");
    buf_release(&output);
}

/* Goal: a child inherits no descriptor, no blocked signal, and leads its process group.
 * Method: it lists its own; the parent blocks SIGTERM and has a descriptor without close-on-exec.
 */
static void starts_clean(void **state)
{
    struct spawn_request request = {0};
    struct buf output = {0};
    int status, leaked = dup(0);
    struct err err;

    (void)state;
    assert_int_equal(run_script("ls /proc/self/fd | tr '\\n' ' '; grep SigBlk /proc/self/status;"
                                /* 32 and 33 are the C library's own: make leaves them ignored */
                                "ignored=$(grep SigIgn /proc/self/status | cut -f2);"
                                "printf 'SigIgn:\\t%016x\\n' $((0x$ignored & ~0x180000000));"
                                "test $(cut -d' ' -f5 /proc/$$/stat) = $$ && echo leader",
                                5000, request, &output, &status, &err),
                     0);
    /* the fourth is ls reading the directory */
    assert_string_equal(buf_text(&output), "0 1 2 3 SigBlk:\t0000000000000000\n"
                                           "SigIgn:\t0000000000000000\nleader\n");
    close(leaked);
    buf_release(&output);
}

/* Goal: what cannot be started is an error that says which step failed.
 * Method: no such program, no such directory, a file that is no program, a relative path. */
static void says_why_it_cannot_start(void **state)
{
    char *argv[] = {(char *)"x", NULL};
    struct spawn_request request = {
        .path = "/nowhere/program", .argv = argv, .stdout_fd = -1, .stderr_fd = -1};
    struct err err;
    pid_t pid;

    (void)state;
    assert_int_equal(spawn_start(&request, &pid, &err), -1);
    assert_int_equal(err.code, ERR_NotFound);
    assert_non_null(strstr(err.text, "/nowhere/program"));
    assert_non_null(strstr(err.text, "executing"));
    request.path = "/bin/true";
    request.directory = "/nowhere";
    assert_int_equal(spawn_start(&request, &pid, &err), -1);
    assert_non_null(strstr(err.text, "directory"));
    request.directory = NULL;
    request.path = "/etc/passwd";
    assert_int_equal(spawn_start(&request, &pid, &err), -1);
    assert_int_equal(err.code, ERR_AccessDenied);
    request.path = "true";
    assert_int_equal(spawn_start(&request, &pid, &err), -1);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* nothing is left to be reaped */
}

/* Goal: a deadline is kept, also when grandchildren hold the output open; much output is bounded.
 * Method: sleeping scripts; a background process; two MiB. */
static void keeps_deadlines_and_bounds(void **state)
{
    struct spawn_request request = {0};
    struct buf output = {0};
    s64 began = clock_monotonic_ms();
    struct err err;
    int status;

    (void)state;
    assert_int_equal(run_script("sleep 10 & sleep 10", 100, request, &output, &status, &err), -1);
    assert_int_equal(err.code, ERR_TimedOut);
    assert_int_equal(run_script("sleep 3 & echo started", 2000, request, &output, &status, &err),
                     0);
    assert_true(clock_monotonic_ms() - began < 1500);
    assert_string_equal(buf_text(&output), "started\n");
    assert_int_equal(run_script("head -c 2097152 /dev/zero", 5000, request, &output, &status, &err),
                     0);
    assert_in_range(output.size, 1u << 20, (1u << 20) + 8192);
    assert_int_equal(WEXITSTATUS(status), 0);
    buf_release(&output);
}

static pid_t start_script(const char *script, struct spawn_request request)
{
    char *argv[] = {(char *)"sh", (char *)"-c", (char *)script, NULL};
    struct err err;
    pid_t pid;

    request.path = "/bin/sh";
    request.argv = argv;
    request.stdout_fd = request.stderr_fd = -1;
    if (spawn_start(&request, &pid, &err) < 0)
        fail_msg("%s", err.text);
    return pid;
}

/* Goal: stopping asks first, then forces, and always reaps.
 * Method: a script that obeys, one that ignores the signal, none at all. */
static void stops(void **state)
{
    struct spawn_request request = {0};
    int status;
    pid_t pid;
    s64 began;

    (void)state;
    pid = start_script("trap 'exit 5' TERM; while :; do sleep 0.01; done", request);
    usleep(100000);
    assert_int_equal(spawn_stop(pid, SIGTERM, 2000, &status), 0);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 5);
    pid = start_script("trap '' TERM; while :; do sleep 0.01; done", request);
    usleep(100000);
    began = clock_monotonic_ms();
    assert_int_equal(spawn_stop(pid, SIGTERM, 100, &status), 0);
    assert_in_range(clock_monotonic_ms() - began, 99, 1000);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_int_equal(spawn_stop(pid, SIGTERM, 100, &status), -1);
}

/* Goal: a child that is to die with its parent does.
 * Method: a process between, which starts it, tells its pid and is killed. */
static void dies_with_its_parent(void **state)
{
    struct spawn_request request = {.die_with_parent = true, .new_session = true};
    int ends[2];
    pid_t between, pid = 0;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    between = fork();
    if (between == 0) {
        pid = start_script("exec sleep 30", request);
        _exit(write(ends[1], &pid, sizeof pid) != sizeof pid);
    }
    assert_int_equal(read(ends[0], &pid, sizeof pid), sizeof pid);
    waitpid(between, NULL, 0);
    for (int i = 0; i < 200 && kill(pid, 0) == 0; i++) {
        char path[64], line[256] = "";
        FILE *file;

        usleep(5000);
        snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
        file = fopen(path, "r");
        if (!file)
            break;
        if (fgets(line, sizeof line, file) && strstr(line, ") Z"))
            i = 1000; /* ended; whoever adopted it has not looked yet */
        fclose(file);
        if (i == 199)
            fail_msg("it lives on");
    }
    close(ends[0]);
    close(ends[1]);
}

/* Goal: with the privilege, a program runs as another user without any other group.
 * Method: id as user 65534; skipped without the privilege. */
static void switches_user(void **state)
{
    struct spawn_request request = {
        .switch_user = true, .uid = 65534, .gid = 65534, .directory = "/"};
    struct buf output = {0};
    struct err err;
    int status;

    (void)state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(run_script("id -u; id -G", 5000, request, &output, &status, &err), 0);
    assert_string_equal(buf_text(&output), "65534\n65534\n");
    buf_release(&output);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_to_the_end),
        cmocka_unit_test(starts_clean),
        cmocka_unit_test(says_why_it_cannot_start),
        cmocka_unit_test(keeps_deadlines_and_bounds),
        cmocka_unit_test(stops),
        cmocka_unit_test(dies_with_its_parent),
        cmocka_unit_test(switches_user),
    };

    loop_block_signals();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
