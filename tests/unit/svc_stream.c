/* svc_stream.c: numbered streams of a worker process against a scripted planner. The role under
 * test streams `shard` messages found and then scanned; what it is told of splits goes into
 * `items`. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "harness/fake_planner.h"
#include "svc/worker.h"

#include <signal.h>
#include <unistd.h>

/* ---- the role under test ---- */

static void run(struct task *task, void *lane_state)
{
    const struct msg_scan *scan = &task_envelope(task)->message.scan;
    struct envelope envelope = {.message.kind = MSG_found};
    static const u8 empty[] = {0x90};
    u32 number = 0;

    (void)lane_state;
    while (number < scan->shard) {
        envelope.message.found = (struct msg_found){.job = scan->job,
                                                    .epoch = scan->epoch,
                                                    .sequence = scan->sequence,
                                                    .number = ++number,
                                                    .items = task_splits_wanted(task)};
        envelope.body[0] = envelope.body[1] = bytes_of(empty, sizeof empty);
        envelope.bodies = 2;
        task_split_taken(task);
        if (task_stream(task, number, &envelope) < 0)
            break;
    }
    envelope = (struct envelope){.message.kind = MSG_scanned};
    envelope.message.scanned = (struct msg_scanned){
        .job = scan->job, .epoch = scan->epoch, .sequence = scan->sequence, .number = ++number};
    (void)task_stream(task, number, &envelope);
    task_stream_end(task, number);
}

static const u32 kinds[] = {MSG_scan};
static const struct worker_role role = {
    .role = ROLE_watcher, .kinds = kinds, .kind_count = COUNT_OF(kinds), .run = run};

/* ---- messages ---- */

static void send_scan(struct fake_planner *planner, u32 sequence, u32 messages, u32 window)
{
    struct message message = {.kind = MSG_scan};

    message.scan = (struct msg_scan){
        .job = 1, .epoch = 1, .sequence = sequence, .shard = messages, .window = window};
    fake_planner_send(planner, &message);
}

static void send_through(struct fake_planner *planner, u32 accepted, u32 window, u32 wanted)
{
    struct message message = {.kind = MSG_through};

    message.through = (struct msg_through){.job = 1,
                                           .epoch = 1,
                                           .sequence = 1,
                                           .accepted = accepted,
                                           .window = window,
                                           .wanted = wanted};
    fake_planner_send(planner, &message);
}

static u32 expect_found(struct fake_planner *planner, u32 number)
{
    struct delivery *delivery = fake_planner_expect(planner, MSG_found, 0);
    u32 items = delivery->envelope.message.found.items;

    assert_int_equal(delivery->envelope.message.found.number, number);
    assert_int_equal(delivery->envelope.bodies, 2);
    delivery_destroy(&delivery);
    return items;
}

static void expect_scanned(struct fake_planner *planner, u32 number)
{
    struct delivery *delivery = fake_planner_expect(planner, MSG_scanned, 0);

    assert_int_equal(delivery->envelope.message.scanned.number, number);
    delivery_destroy(&delivery);
}

/* The next beat and how many tokens it lists; `progress` of the first. */
static u32 held(struct fake_planner *planner, u64 *progress)
{
    struct delivery *beat = fake_planner_expect(planner, MSG_beat, 0);
    struct frame_reader reader;
    struct rec_held record;
    struct err err;
    u32 count;

    assert_int_equal(frame_open(&reader, beat->envelope.body[0], &err), 0);
    count = reader.left;
    if (frame_next_held(&reader, &record, &err) > 0)
        *progress = record.progress;
    delivery_destroy(&beat);
    return count;
}

/* ---- tests ---- */

/* Goal: no more than the window is sent, and a scan that waits for it does not look stalled.
 * Method: window 2 of 5; beats while it waits; then the window opens in two steps. */
static void keeps_to_the_window(void **state)
{
    struct fake_planner planner;
    u64 first = 0, second = 0;

    (void)state;
    fake_planner_ready(&planner, "1");
    send_scan(&planner, 1, 5, 2);
    expect_found(&planner, 1);
    expect_found(&planner, 2);
    assert_int_equal(held(&planner, &first), 1);
    assert_int_equal(held(&planner, &second), 1);
    assert_true(second > first);
    send_through(&planner, 2, 3, 0);
    expect_found(&planner, 3);
    fake_planner_expect_none(&planner, MSG_found, 100);
    send_through(&planner, 3, 100, 0);
    expect_found(&planner, 4);
    expect_found(&planner, 5);
    expect_scanned(&planner, 6);
    fake_planner_destroy(&planner);
}

/* Goal: the token is held until the last number is acknowledged, and not longer.
 * Method: beats before and after the last through. */
static void ends_with_the_last_acknowledgement(void **state)
{
    struct fake_planner planner;
    u64 progress;

    (void)state;
    fake_planner_ready(&planner, "1");
    send_scan(&planner, 1, 1, 10);
    expect_found(&planner, 1);
    expect_scanned(&planner, 2);
    assert_int_equal(held(&planner, &progress), 1);
    send_through(&planner, 2, 10, 0);
    usleep(50000);
    while (held(&planner, &progress) != 0)
        continue; /* beats that were under way; no end fails by the planner's patience */
    fake_planner_destroy(&planner);
}

/* Goal: what is not acknowledged comes again, from the oldest on, and only that.
 * Method: four of five are acknowledged, nothing more happens for longer than RESEND_MS. */
static void sends_again_what_is_not_acknowledged(void **state)
{
    struct fake_planner planner;
    s64 began;

    (void)state;
    fake_planner_ready(&planner, "1");
    send_scan(&planner, 1, 4, 10);
    for (u32 i = 1; i <= 4; i++)
        expect_found(&planner, i);
    expect_scanned(&planner, 5);
    send_through(&planner, 2, 10, 0);
    began = clock_monotonic_ms();
    expect_found(&planner, 3);
    assert_true(clock_monotonic_ms() - began >= RESEND_MS - 300);
    expect_found(&planner, 4);
    expect_scanned(&planner, 5);
    send_through(&planner, 5, 10, 0);
    fake_planner_expect_none(&planner, MSG_found, 2 * RESEND_MS + 300);
    fake_planner_destroy(&planner);
}

/* Goal: a stopped scan says nothing more and frees its lane.
 * Method: stop while it waits for the window; the next scan runs on the only lane. */
static void stops_on_request(void **state)
{
    struct message stop = {.kind = MSG_stop};
    struct fake_planner planner;
    struct delivery *delivery;

    (void)state;
    fake_planner_ready(&planner, "1");
    send_scan(&planner, 1, 5, 1);
    expect_found(&planner, 1);
    stop.stop = (struct msg_stop){.job = 1, .epoch = 1, .sequence = 1};
    fake_planner_send(&planner, &stop);
    send_scan(&planner, 2, 1, 10);
    delivery = fake_planner_expect(&planner, MSG_found, 0);
    assert_int_equal(delivery->envelope.message.found.sequence, 2);
    delivery_destroy(&delivery);
    expect_scanned(&planner, 2);
    fake_planner_destroy(&planner);
}

/* Goal: how many subtrees others could take reaches the scan, and is lowered as it takes them.
 * Method: the role reports what it is told in each found. */
static void tells_of_wanted_splits(void **state)
{
    struct fake_planner planner;

    (void)state;
    fake_planner_ready(&planner, "1");
    send_scan(&planner, 1, 5, 1);
    assert_int_equal(expect_found(&planner, 1), 0);
    /* the second was made before the window was waited for */
    usleep(20000);
    send_through(&planner, 1, 100, 2);
    assert_int_equal(expect_found(&planner, 2), 0);
    assert_int_equal(expect_found(&planner, 3), 2);
    assert_int_equal(expect_found(&planner, 4), 1);
    assert_int_equal(expect_found(&planner, 5), 0);
    fake_planner_destroy(&planner);
}

/* Goal: SIGTERM ends a worker whose lanes wait for a window.
 * Method: a scan that waits; bye and exit 0. */
static void ends_while_it_waits(void **state)
{
    struct fake_planner planner;
    struct delivery *bye;

    (void)state;
    fake_planner_ready(&planner, "1");
    send_scan(&planner, 1, 5, 1);
    expect_found(&planner, 1);
    kill(planner.pid, SIGTERM);
    bye = fake_planner_expect(&planner, MSG_bye, MSG_found);
    delivery_destroy(&bye);
    assert_int_equal(fake_planner_await_exit(&planner, 600), 0);
    fake_planner_destroy(&planner);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_to_the_window),
        cmocka_unit_test(ends_with_the_last_acknowledgement),
        cmocka_unit_test(sends_again_what_is_not_acknowledged),
        cmocka_unit_test(stops_on_request),
        cmocka_unit_test(tells_of_wanted_splits),
        cmocka_unit_test(ends_while_it_waits),
    };

    if (argc > 1 && strcmp(argv[1], "worker") == 0) {
        fake_planner_be_worker();
        return worker_main(&role, argc - 1, argv + 1);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
