/* Goal: what a mover was not told about its pace it is told later, with the next heartbeat.
 * Method: a planner's socket; the peer of the mover is nobody at first, then one that listens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "planner/planner.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct fixture {
    char directory[64], endpoint[96];
    struct planner planner;
    struct job job;
    struct worker mover;
    struct bus *listener;
    struct peer peer; /* of the listener */
};

static struct delivery *receive(struct bus *bus, s64 time_ms)
{
    s64 until = clock_monotonic_ms() + time_ms;
    struct delivery *delivery = NULL;
    struct err err;

    while (bus_receive(bus, &delivery, NULL, &err) == 0 && clock_monotonic_ms() < until)
        usleep(1000);
    return delivery;
}

static struct peer learn_peer(struct fixture *f)
{
    struct envelope ping = {.message.kind = MSG_ping};
    struct delivery *delivery;
    struct peer peer;
    struct err err;

    ping.message.ping.incarnation = bytes_text("0123456789abcdef");
    while (bus_send(f->listener, NULL, &ping, &err) < 0)
        usleep(1000); /* not connected yet */
    delivery = receive(f->planner.bus, 5000);
    assert_non_null(delivery);
    peer = delivery->peer;
    delivery_destroy(&delivery);
    return peer;
}

static int set_up(void **state)
{
    struct fixture *f = memory_or_die(sizeof *f);
    struct err err;

    strcpy(f->directory, "/tmp/syncline-pace-XXXXXX");
    assert_non_null(mkdtemp(f->directory));
    snprintf(f->endpoint, sizeof f->endpoint, "ipc://%s/planner-1.ipc", f->directory);
    assert_int_equal(bus_bind(f->endpoint, &f->planner.bus, &err), 0);
    assert_int_equal(bus_connect(f->endpoint, &f->listener, &err), 0);
    f->job = (struct job){.planner = &f->planner, .id = 7, .epoch = 1, .name = "paced-1"};
    f->job.limits.bandwidth = 1000;
    f->job.limits_text = text_copy("{}");
    TAILQ_INIT(&f->job.assignments);
    f->mover = (struct worker){.name = "mover-1"};
    f->mover.peer = (struct peer){.bytes = "nobody", .size = 6};
    f->peer = learn_peer(f);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    bus_destroy(&f->listener);
    bus_destroy(&f->planner.bus);
    unlink(f->endpoint + 6);
    rmdir(f->directory);
    free(f->job.paces);
    free(f->job.limits_text);
    free(f);
    return 0;
}

static void is_told(struct fixture *f, u64 rate, bool over)
{
    struct delivery *delivery = receive(f->listener, 5000);

    assert_non_null(delivery);
    assert_int_equal(delivery->envelope.message.kind, MSG_pace);
    assert_int_equal(delivery->envelope.message.pace.job, 7);
    assert_int_equal(delivery->envelope.message.pace.bytes_per_second, rate);
    assert_int_equal(delivery->envelope.message.pace.over, over);
    delivery_destroy(&delivery);
}

static void is_told_nothing(struct fixture *f)
{
    assert_null(receive(f->listener, 50));
}

/* The first pace, and one that differs by less than what is divided anew for. */
static void test_a_share_that_was_lost(void **state)
{
    struct fixture *f = *state;

    pace_before(&f->job, &f->mover);
    assert_int_equal(f->job.pace_count, 1);
    assert_int_equal(f->job.paces[0].rate, 0);
    f->mover.peer = f->peer;
    pace_tick(&f->job);
    is_told(f, 1000, false);
    f->mover.peer.bytes[0] ^= 1;
    pace_limits(&f->job, "{\"bandwidth\": \"900B/s\"}");
    f->mover.peer = f->peer;
    f->job.paces[0].idle = 0;
    pace_tick(&f->job);
    is_told(f, 900, false);
    f->job.paces[0].idle = 0;
    pace_tick(&f->job);
    is_told_nothing(f);
}

/* A limit that goes while the mover cannot be told is gone for it, too. */
static void test_the_end_of_a_limit_that_was_lost(void **state)
{
    struct fixture *f = *state;

    f->mover.peer = f->peer;
    pace_before(&f->job, &f->mover);
    is_told(f, 1000, false);
    f->mover.peer.bytes[0] ^= 1;
    pace_limits(&f->job, "{ }");
    f->mover.peer = f->peer;
    pace_tick(&f->job);
    is_told(f, 0, false);
    pace_tick(&f->job);
    is_told_nothing(f);
    assert_int_equal(f->job.pace_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_share_that_was_lost, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_end_of_a_limit_that_was_lost, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
