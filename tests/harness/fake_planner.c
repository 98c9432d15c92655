/* fake_planner.c: see fake_planner.h. Receives by asking again and again: a test has nothing else
 * to do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "harness/fake_planner.h"

#include "base/clock.h"

#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_MS 5000

extern char **environ;

void fake_planner_new(struct fake_planner *planner)
{
    memset(planner, 0, sizeof *planner);
    strcpy(planner->directory, "/tmp/syncline-test-XXXXXX");
    assert_non_null(mkdtemp(planner->directory));
    snprintf(planner->endpoint, sizeof planner->endpoint, "ipc://%s/planner-1.ipc",
             planner->directory);
    random_bytes(planner->incarnation, sizeof planner->incarnation);
}

void fake_planner_bind(struct fake_planner *planner)
{
    struct err err;

    if (bus_bind(planner->endpoint, &planner->bus, &err) < 0)
        fail_msg("%s", err.text);
}

void fake_planner_unbind(struct fake_planner *planner)
{
    bus_destroy(&planner->bus);
}

void fake_planner_destroy(struct fake_planner *planner)
{
    if (planner->pid > 0) {
        kill(planner->pid, SIGKILL);
        waitpid(planner->pid, NULL, 0);
    }
    bus_destroy(&planner->bus);
    unlink(planner->endpoint + 6);
    rmdir(planner->directory);
}

void fake_planner_start_worker(struct fake_planner *planner, const char *lanes)
{
    char pattern[96];
    char *argv[] = {(char *)"test",
                    (char *)"worker",
                    (char *)"--planner",
                    pattern,
                    (char *)"--lanes",
                    (char *)lanes,
                    NULL};

    snprintf(pattern, sizeof pattern, "ipc://%s/planner-*.ipc", planner->directory);
    assert_int_equal(posix_spawn(&planner->pid, "/proc/self/exe", NULL, NULL, argv, environ), 0);
}

void fake_planner_be_worker(void)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}

int fake_planner_await_exit(struct fake_planner *planner, s64 timeout_ms)
{
    s64 until = clock_monotonic_ms() + timeout_ms;
    int status = 0;

    while (waitpid(planner->pid, &status, WNOHANG) == 0) {
        if (clock_monotonic_ms() > until)
            fail_msg("the worker did not end within %lld ms", (long long)timeout_ms);
        usleep(1000);
    }
    planner->pid = 0;
    if (!WIFEXITED(status))
        fail_msg("the worker ended with status 0x%x", (unsigned)status);
    return WEXITSTATUS(status);
}

void fake_planner_send(struct fake_planner *planner, const struct message *message)
{
    struct envelope envelope = {.message = *message};
    struct err err;

    if (bus_send(planner->bus, &planner->worker, &envelope, &err) < 0)
        fail_msg("%s", err.text);
}

void fake_planner_send_frames(struct fake_planner *planner, const struct bytes *frames, u32 count)
{
    struct err err;

    if (bus_send_frames(planner->bus, &planner->worker, frames, count, &err) < 0)
        fail_msg("%s", err.text);
}

static struct delivery *receive(struct fake_planner *planner, s64 until)
{
    struct delivery *delivery;
    struct err err;

    for (;;) {
        int rc = bus_receive(planner->bus, &delivery, NULL, &err);

        if (rc < 0)
            fail_msg("%s", err.text);
        if (rc > 0)
            return delivery;
        if (clock_monotonic_ms() >= until)
            return NULL;
        usleep(50);
    }
}

struct delivery *fake_planner_expect(struct fake_planner *planner, u32 kind, u32 or_kind)
{
    s64 until = clock_monotonic_ms() + PATIENCE_MS;
    struct delivery *delivery;

    while ((delivery = receive(planner, until)) != NULL) {
        u32 got = delivery->envelope.message.kind;

        planner->worker = delivery->peer;
        if (got == kind)
            return delivery;
        delivery_destroy(&delivery);
        if (got != MSG_beat && got != or_kind)
            fail_msg("%s came where %s was expected", message_kind_name(got),
                     message_kind_name(kind));
    }
    fail_msg("no %s came", message_kind_name(kind));
    return NULL;
}

void fake_planner_expect_none(struct fake_planner *planner, u32 kind, s64 time_ms)
{
    s64 until = clock_monotonic_ms() + time_ms;
    struct delivery *delivery;

    while ((delivery = receive(planner, until)) != NULL) {
        u32 got = delivery->envelope.message.kind;

        delivery_destroy(&delivery);
        if (got == kind)
            fail_msg("%s came unexpectedly", message_kind_name(kind));
    }
}

void fake_planner_welcome(struct fake_planner *planner)
{
    struct message welcome = {.kind = MSG_welcome};

    welcome.welcome.incarnation = bytes_of(planner->incarnation, INCARNATION_BYTES);
    fake_planner_send(planner, &welcome);
}

void fake_planner_ready(struct fake_planner *planner, const char *lanes)
{
    struct delivery *hello;

    fake_planner_new(planner);
    fake_planner_bind(planner);
    fake_planner_start_worker(planner, lanes);
    hello = fake_planner_expect(planner, MSG_hello, 0);
    delivery_destroy(&hello);
    fake_planner_welcome(planner);
}
