/* io_bus.c: sockets that carry envelopes, and what they do with what they should not carry. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "io/bus.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <zmq.h>

static char directory[64];
static char endpoint[96];

static int make_directory(void **state)
{
    (void)state;
    strcpy(directory, "/tmp/syncline-bus-XXXXXX");
    snprintf(endpoint, sizeof endpoint, "ipc://%s/planner-1.ipc",
             mkdtemp(directory) ? directory : "/nowhere");
    return 0;
}

static int remove_directory(void **state)
{
    (void)state;
    unlink(endpoint + 6);
    bus_finish();
    return rmdir(directory);
}

static struct bus *bind_or_fail(void)
{
    struct bus *bus;
    struct err err;

    if (bus_bind(endpoint, &bus, &err) < 0)
        fail_msg("%s", err.text);
    return bus;
}

static struct bus *connect_or_fail(void)
{
    struct bus *bus;
    struct err err;

    if (bus_connect(endpoint, &bus, &err) < 0)
        fail_msg("%s", err.text);
    return bus;
}

/* Asks until something comes: 1 or -1; 0 after the time. */
static int receive(struct bus *bus, struct delivery **out, struct err *err, s64 time_ms)
{
    s64 until = clock_monotonic_ms() + time_ms;
    int rc;

    while ((rc = bus_receive(bus, out, NULL, err)) == 0 && clock_monotonic_ms() < until)
        usleep(100);
    return rc;
}

static void send_frames(struct bus *bus, const struct peer *peer, const struct bytes *frames,
                        u32 count)
{
    s64 until = clock_monotonic_ms() + 2000;
    struct err err;

    while (bus_send_frames(bus, peer, frames, count, &err) < 0) {
        if (clock_monotonic_ms() > until)
            fail_msg("%s", err.text);
        usleep(1000); /* not connected yet */
    }
}

static struct envelope ping(struct bytes body)
{
    struct envelope envelope = {.message.kind = MSG_ping, .bodies = body.data ? 1 : 0};

    envelope.message.ping.incarnation = bytes_text("0123456789abcdef");
    envelope.body[0] = body;
    return envelope;
}

static void send_ping(struct bus *bus, struct bytes body)
{
    struct envelope envelope = ping(body);
    struct buf header = {0};
    struct bytes frames[2];

    message_encode(&envelope.message, &header);
    frames[0] = buf_bytes(&header);
    frames[1] = body;
    send_frames(bus, NULL, frames, envelope.bodies + 1);
    buf_release(&header);
}

/* Goal: a message with bodies goes there and an answer comes back.
 * Method: a small body, one of the largest size, an empty one; the answer goes to the peer. */
static void round_trip(void **state)
{
    struct bus *router = bind_or_fail(), *dealer = connect_or_fail();
    size_t sizes[] = {3, FRAME_MAX, 0};
    u8 *body = memory_or_die(FRAME_MAX);
    struct delivery *delivery;
    struct err err;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct envelope answer = ping(bytes_of(NULL, 0));
        struct peer peer;

        body[0] = (u8)i;
        send_ping(dealer, bytes_of(body, sizes[i]));
        assert_int_equal(receive(router, &delivery, &err, 5000), 1);
        assert_int_equal(delivery->envelope.message.kind, MSG_ping);
        assert_int_equal(delivery->envelope.bodies, 1);
        assert_true(bytes_equal(delivery->envelope.body[0], bytes_of(body, sizes[i])));
        peer = delivery->peer;
        delivery_destroy(&delivery);
        assert_null(delivery);
        assert_int_equal(bus_send(router, &peer, &answer, &err), 0);
        assert_int_equal(receive(dealer, &delivery, &err, 5000), 1);
        assert_int_equal(delivery->envelope.bodies, 0);
        assert_int_equal(delivery->peer.size, 0);
        delivery_destroy(&delivery);
    }
    free(body);
    bus_destroy(&dealer);
    bus_destroy(&router);
}

/* Goal: what is no message is refused and dropped whole; the next message is taken for what it is.
 * Method: garbage, a count that lies, no header, five frames, nine frames; a ping after each. */
static void refuses_garbage(void **state)
{
    static const u8 lie[] = {0xdd, 0x0f, 0xff, 0xff, 0xff};
    struct bus *router = bind_or_fail(), *dealer = connect_or_fail();
    const u32 counts[] = {1, 2, 4, 5, 9};
    struct bytes frames[9];
    struct delivery *delivery;
    struct err err;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(counts); i++) {
        for (size_t j = 0; j < COUNT_OF(frames); j++)
            frames[j] = bytes_of(lie, i == 0 ? 0 : sizeof lie);
        send_frames(dealer, NULL, frames, counts[i]);
        assert_int_equal(receive(router, &delivery, &err, 2000), -1);
        assert_int_equal(err.code, ERR_Protocol);
        assert_null(delivery);
        send_ping(dealer, bytes_of(NULL, 0));
        assert_int_equal(receive(router, &delivery, &err, 2000), 1);
        delivery_destroy(&delivery);
    }
    bus_destroy(&dealer);
    bus_destroy(&router);
}

/* Goal: a frame over the limit is neither sent nor, from somebody who does, received.
 * Method: bus_send refuses it; a raw socket sends it, and its connection alone suffers. */
static void refuses_oversize(void **state)
{
    struct bus *router = bind_or_fail(), *dealer = connect_or_fail();
    void *context = zmq_ctx_new(), *raw = zmq_socket(context, ZMQ_DEALER);
    size_t size = (size_t)FRAME_MAX + 1;
    struct envelope envelope = ping(bytes_of(memory_or_die(size), size));
    struct delivery *delivery;
    struct err err;
    int linger = 0;

    (void)state;
    assert_int_equal(bus_send(dealer, NULL, &envelope, &err), -1);
    assert_int_equal(err.code, ERR_Internal);
    zmq_setsockopt(raw, ZMQ_LINGER, &linger, sizeof linger);
    assert_int_equal(zmq_connect(raw, endpoint), 0);
    assert_int_equal(zmq_send(raw, envelope.body[0].data, size, 0), (int)size);
    assert_int_equal(receive(router, &delivery, &err, 200), 0);
    send_ping(dealer, bytes_of(NULL, 0));
    assert_int_equal(receive(router, &delivery, &err, 2000), 1);
    delivery_destroy(&delivery);
    free((void *)envelope.body[0].data);
    zmq_close(raw);
    zmq_ctx_term(context);
    bus_destroy(&dealer);
    bus_destroy(&router);
}

/* Goal: a peer may choose its routing id; a long one is refused without harm.
 * Method: raw sockets with ids of 32 and of 200 bytes. */
static void refuses_long_routing_ids(void **state)
{
    struct bus *router = bind_or_fail();
    void *context = zmq_ctx_new();
    struct delivery *delivery;
    struct buf header = {0};
    struct envelope envelope = ping(bytes_of(NULL, 0));
    struct err err;
    char id[200];

    (void)state;
    memset(id, 'x', sizeof id);
    message_encode(&envelope.message, &header);
    for (int i = 0; i < 2; i++) {
        void *raw = zmq_socket(context, ZMQ_DEALER);

        zmq_setsockopt(raw, ZMQ_ROUTING_ID, id, i == 0 ? PEER_BYTES_MAX : sizeof id);
        zmq_connect(raw, endpoint);
        zmq_send(raw, header.data, header.size, 0);
        assert_int_equal(receive(router, &delivery, &err, 2000), i == 0 ? 1 : -1);
        assert_int_equal(i == 0 ? PEER_BYTES_MAX : ERR_Protocol,
                         i == 0 ? delivery->peer.size : err.code);
        delivery_destroy(&delivery);
        zmq_close(raw);
    }
    buf_release(&header);
    zmq_ctx_term(context);
    bus_destroy(&router);
}

/* Goal: sending to nobody says so, and does not block.
 * Method: an unknown peer at the ROUTER; a DEALER whose planner is not there. */
static void says_that_nobody_is_there(void **state)
{
    struct bus *dealer = connect_or_fail(), *router;
    struct peer nobody = {.bytes = {0, 1, 2, 3, 4}, .size = 5};
    struct envelope envelope = ping(bytes_of(NULL, 0));
    struct err err;

    (void)state;
    assert_int_equal(bus_send(dealer, NULL, &envelope, &err), -1);
    assert_int_equal(err.code, ERR_PlannerUnavailable);
    bus_destroy(&dealer);
    router = bind_or_fail();
    assert_int_equal(bus_send(router, &nobody, &envelope, &err), -1);
    assert_int_equal(err.code, ERR_WorkerLost);
    bus_destroy(&router);
}

/* Goal: a DEALER knows whether it is connected, and that it was not in between.
 * Method: the ROUTER comes, goes and comes again. */
static void counts_connections(void **state)
{
    struct bus *dealer = connect_or_fail(), *router;
    u64 changes, before = 0;

    (void)state;
    assert_false(bus_is_connected(dealer, &changes));
    for (int round = 0; round < 3; round++) {
        router = bind_or_fail();
        for (int i = 0; i < 2000 && !bus_is_connected(dealer, &changes); i++)
            usleep(1000);
        assert_true(bus_is_connected(dealer, &changes));
        assert_true(changes > before);
        before = changes;
        send_ping(dealer, bytes_of(NULL, 0));
        bus_destroy(&router);
        for (int i = 0; i < 2000 && bus_is_connected(dealer, &changes); i++)
            usleep(1000);
        assert_false(bus_is_connected(dealer, &changes));
    }
    bus_destroy(&dealer);
}

/* Goal: a socket that a dead process left is taken over; a living one is not.
 * Method: a file of a socket that nobody listens to; then a second bind. */
static void binds_over_the_dead_only(void **state)
{
    struct bus *router, *second;
    struct delivery *delivery;
    struct err err;
    char aside[96];

    (void)state;
    snprintf(aside, sizeof aside, "%s/aside", directory);
    router = bind_or_fail();
    assert_int_equal(rename(endpoint + 6, aside), 0);
    bus_destroy(&router);
    usleep(50000); /* libzmq closes in the background */
    assert_int_equal(rename(aside, endpoint + 6), 0);
    router = bind_or_fail();
    assert_int_equal(bus_bind(endpoint, &second, &err), -1);
    assert_int_equal(err.code, ERR_Configuration);
    assert_non_null(strstr(err.text, "another process listens there"));
    assert_int_equal(bus_receive(router, &delivery, NULL, &err), 0);
    bus_destroy(&router);
    assert_int_equal(access(endpoint + 6, F_OK), -1);
}

/* Goal: wrong endpoints are refused in words.
 * Method: each kind of mistake. */
static void refuses_wrong_endpoints(void **state)
{
    static const char *const wrong[] = {"", "planner", "ipc://relative.ipc", "inproc://x",
                                        "tcp://x"};
    struct bus *bus;
    struct err err;
    char path[200] = "ipc://";

    (void)state;
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        assert_int_equal(bus_connect(wrong[i], &bus, &err), -1);
        assert_int_equal(err.code, ERR_Configuration);
        assert_null(bus);
    }
    memset(path + 6, 'a', 108);
    path[6] = '/';
    assert_int_equal(bus_bind(path, &bus, &err), -1);
    assert_int_equal(err.code, ERR_Configuration);
    assert_non_null(strstr(err.text, "108 bytes"));
    assert_non_null(strstr(err.text, "shorter state directory"));
    assert_int_equal(bus_bind("ipc:///tmp/planner-*.ipc", &bus, &err), -1);
    assert_int_equal(err.code, ERR_Configuration);
}

static void expect_endpoints(const char *list, const char *const *wanted, u32 wanted_count)
{
    char **endpoints;
    struct err err;
    u32 count;

    if (bus_endpoints(list, &endpoints, &count, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(count, wanted_count);
    for (u32 i = 0; i < count; i++)
        assert_string_equal(endpoints[i], wanted[i]);
    free(endpoints);
}

/* Goal: a list stands for what is there now: sorted, without doubles.
 * Method: a pattern over a socket, a file and nothing; addresses; a name that does not resolve. */
static void expands_lists(void **state)
{
    struct bus *router = bind_or_fail();
    const char *found[] = {endpoint};
    const char *addresses[] = {"ipc:///b", "tcp://10.0.0.1:5", "tcp://[::1]:7"};
    static const char *const wrong[] = {"x",        "ipc://a",   "tcp://a",
                                        "tcp://:5", "tcp://a:0", "tcp://a:b"};
    char pattern[128], file[128];
    char **endpoints;
    struct err err;
    u32 count;

    (void)state;
    snprintf(file, sizeof file, "%s/planner-2.ipc", directory);
    fclose(fopen(file, "w"));
    snprintf(pattern, sizeof pattern, "ipc://%s/planner-*.ipc", directory);
    expect_endpoints(pattern, found, 1);
    expect_endpoints("", NULL, 0);
    expect_endpoints("ipc:///nowhere/*.ipc,", NULL, 0);
    expect_endpoints("tcp://[::1]:7, ipc:///b,tcp://10.0.0.1:5,ipc:///b", addresses, 3);
    expect_endpoints("tcp://does-not-exist.invalid:5", NULL, 0);
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        assert_int_equal(bus_endpoints(wrong[i], &endpoints, &count, &err), -1);
        assert_int_equal(err.code, ERR_Configuration);
    }
    unlink(file);
    bus_destroy(&router);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),
        cmocka_unit_test(refuses_garbage),
        cmocka_unit_test(refuses_oversize),
        cmocka_unit_test(refuses_long_routing_ids),
        cmocka_unit_test(says_that_nobody_is_there),
        cmocka_unit_test(counts_connections),
        cmocka_unit_test(binds_over_the_dead_only),
        cmocka_unit_test(refuses_wrong_endpoints),
        cmocka_unit_test(expands_lists),
    };

    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
