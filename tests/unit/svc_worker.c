/* svc_worker.c: a worker process against a scripted planner. The role under test answers `settle`
 * at once, sleeps in `stage` for `attempt` ms unless it is stopped, and hangs in `close`, and in
 * questions about an asset at "hangs". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "harness/fake_planner.h"
#include "svc/worker.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- the role under test, in a process of its own ---- */

static void run_settle(struct task *task, const struct msg_settle *settle)
{
    struct envelope reply = {.message.kind = MSG_settled};
    struct asset *asset = NULL, *again = NULL;
    struct err err;

    reply.message.settled = (struct msg_settled){
        .job = settle->job, .epoch = settle->epoch, .sequence = settle->sequence};
    if (settle->destination.size) {
        if (task_asset(task, settle->destination, &asset, &err) < 0)
            reply.message.settled.code = err.code;
        else if (task_asset(task, settle->destination, &again, &err) < 0 || again != asset)
            reply.message.settled.code = ERR_Internal;
        else
            reply.message.settled.opened_ns = asset->opened_ns;
    }
    task_reply(task, &reply);
}

static void run_stage(struct task *task, const struct msg_stage *stage)
{
    struct envelope reply = {.message.kind = MSG_staged};

    for (u32 i = 0; i < stage->attempt && !task_is_stopped(task); i++) {
        usleep(1000);
        task_progress(task, 1);
    }
    reply.message.staged = (struct msg_staged){
        .job = stage->job, .epoch = stage->epoch, .sequence = stage->sequence, .bytes = 1};
    task_reply(task, &reply);
}

static void answer_question(struct task *task, const struct msg_probe_asset *asked)
{
    struct envelope reply = {.message.kind = MSG_asset_probed};

    reply.message.asset_probed =
        (struct msg_asset_probed){.asset = asked->asset, .sequence = asked->sequence};
    task_reply(task, &reply);
}

static void run(struct task *task, void *lane_state)
{
    const struct envelope *envelope = task_envelope(task);

    (void)lane_state;
    if (envelope->message.kind == MSG_settle)
        run_settle(task, &envelope->message.settle);
    else if (envelope->message.kind == MSG_stage)
        run_stage(task, &envelope->message.stage);
    else if (envelope->message.kind == MSG_probe_asset &&
             !bytes_equal(envelope->message.probe_asset.address, bytes_text("hangs")))
        answer_question(task, &envelope->message.probe_asset);
    else
        for (;;)
            pause();
}

static const u32 kinds[] = {MSG_settle, MSG_stage, MSG_close, MSG_probe_asset};
static const struct worker_role role = {
    .role = ROLE_mover, .kinds = kinds, .kind_count = COUNT_OF(kinds), .run = run};

/* ---- messages ---- */

static void send_settle(struct fake_planner *planner, u32 sequence, const char *destination)
{
    struct message message = {.kind = MSG_settle};

    message.settle = (struct msg_settle){
        .job = 7, .epoch = 1, .sequence = sequence, .destination = bytes_text(destination)};
    fake_planner_send(planner, &message);
}

static void send_stage(struct fake_planner *planner, u32 sequence, u32 ms)
{
    struct message message = {.kind = MSG_stage};

    message.stage = (struct msg_stage){.job = 7, .epoch = 1, .sequence = sequence, .attempt = ms};
    fake_planner_send(planner, &message);
}

static struct msg_settled expect_settled(struct fake_planner *planner, u32 sequence)
{
    struct delivery *delivery = fake_planner_expect(planner, MSG_settled, 0);
    struct msg_settled settled = delivery->envelope.message.settled;

    assert_int_equal(settled.job, 7);
    assert_int_equal(settled.epoch, 1);
    assert_int_equal(settled.sequence, sequence);
    delivery_destroy(&delivery);
    return settled;
}

static void expect_staged(struct fake_planner *planner, u32 sequence)
{
    struct delivery *delivery = fake_planner_expect(planner, MSG_staged, 0);

    assert_int_equal(delivery->envelope.message.staged.sequence, sequence);
    delivery_destroy(&delivery);
}

/* ---- tests ---- */

/* Goal: a worker says who it is, and a task is answered.
 * Method: the planner binds first, then reads hello, welcomes, sends one settle. */
static void says_hello_and_answers(void **state)
{
    struct fake_planner planner;
    struct delivery *delivery;
    const struct msg_hello *hello;

    (void)state;
    fake_planner_new(&planner);
    fake_planner_bind(&planner);
    fake_planner_start_worker(&planner, "3");
    delivery = fake_planner_expect(&planner, MSG_hello, 0);
    hello = &delivery->envelope.message.hello;
    assert_int_equal(hello->role, ROLE_mover);
    assert_int_equal(hello->schema, SCHEMA_VERSION);
    assert_int_equal(hello->incarnation.size, INCARNATION_BYTES);
    assert_int_equal(hello->pid, planner.pid);
    assert_int_equal(hello->lanes, 3);
    assert_int_equal(hello->host.size, 36); /* a boot id */
    assert_memory_equal(hello->name.data, "mover-", 6);
    delivery_destroy(&delivery);
    fake_planner_welcome(&planner);
    send_settle(&planner, 1, "");
    assert_int_equal(expect_settled(&planner, 1).code, 0);
    fake_planner_destroy(&planner);
}

/* Goal: a worker that is started before its planner finds it when it comes.
 * Method: the pattern of endpoints matches nothing at the start. */
static void waits_for_a_planner(void **state)
{
    struct fake_planner planner;
    struct delivery *delivery;

    (void)state;
    fake_planner_new(&planner);
    fake_planner_start_worker(&planner, "1");
    usleep(200000);
    fake_planner_bind(&planner);
    delivery = fake_planner_expect(&planner, MSG_hello, 0);
    delivery_destroy(&delivery);
    fake_planner_destroy(&planner);
}

static u32 held_in_beat(struct fake_planner *planner, struct rec_held *held, u32 capacity)
{
    struct delivery *beat = fake_planner_expect(planner, MSG_beat, 0);
    struct frame_reader reader;
    struct rec_held record;
    struct err err;
    u32 count = 0;

    assert_int_equal(beat->envelope.bodies, 1);
    assert_int_equal(frame_open(&reader, beat->envelope.body[0], &err), 0);
    while (frame_next_held(&reader, &record, &err) > 0 && count < capacity)
        held[count++] = record;
    delivery_destroy(&beat);
    return count;
}

/* Goal: beats list what is held, with progress that moves for running and waiting tasks.
 * Method: one lane, two slow tasks; two beats are compared. */
static void beats_list_tokens(void **state)
{
    struct rec_held first[4], second[4];
    struct fake_planner planner;

    (void)state;
    fake_planner_ready(&planner, "1");
    send_stage(&planner, 1, 1500);
    send_stage(&planner, 2, 1);
    do
        assert_true(held_in_beat(&planner, first, 4) <= 2);
    while (first[0].job != 7);
    assert_int_equal(held_in_beat(&planner, first, 4), 2);
    assert_int_equal(held_in_beat(&planner, second, 4), 2);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(first[i].kind, MSG_stage);
        assert_true(second[i].progress > first[i].progress);
    }
    expect_staged(&planner, 1);
    expect_staged(&planner, 2);
    assert_int_equal(held_in_beat(&planner, first, 4), 0);
    fake_planner_destroy(&planner);
}

/* Goal: a message that comes twice is done once.
 * Method: the same stage twice; then a settle, which must be the next but one message. */
static void ignores_what_it_holds_already(void **state)
{
    struct fake_planner planner;

    (void)state;
    fake_planner_ready(&planner, "1");
    send_stage(&planner, 1, 50);
    send_stage(&planner, 1, 50);
    send_settle(&planner, 2, "");
    expect_staged(&planner, 1);
    expect_settled(&planner, 2);
    fake_planner_destroy(&planner);
}

/* Goal: what does not fit comes back as busy, at once; afterwards there is room again.
 * Method: one lane has credit for two; three are sent. */
static void says_busy_beyond_its_credit(void **state)
{
    struct fake_planner planner;
    struct delivery *busy;

    (void)state;
    fake_planner_ready(&planner, "1");
    send_stage(&planner, 1, 100);
    send_stage(&planner, 2, 1);
    send_stage(&planner, 3, 1);
    busy = fake_planner_expect(&planner, MSG_busy, 0);
    assert_int_equal(busy->envelope.message.busy.sequence, 3);
    assert_int_equal(busy->envelope.message.busy.kind, MSG_stage);
    delivery_destroy(&busy);
    expect_staged(&planner, 1);
    expect_staged(&planner, 2);
    send_stage(&planner, 3, 1);
    expect_staged(&planner, 3);
    fake_planner_destroy(&planner);
}

static void send_question(struct fake_planner *planner, u32 sequence, const char *address)
{
    struct message message = {.kind = MSG_probe_asset};

    message.probe_asset =
        (struct msg_probe_asset){.asset = 9, .sequence = sequence, .address = bytes_text(address)};
    fake_planner_send(planner, &message);
}

/* Goal: a question about an asset that hangs takes no lane, no credit and no other question; asked
 * again it is refused, so that no more hang than there are addresses. Method: two about one that
 * hangs, one about another; the credit of one lane is used meanwhile. */
static void questions_hang_alone(void **state)
{
    struct fake_planner planner;
    struct delivery *delivery;

    (void)state;
    fake_planner_ready(&planner, "1");
    send_question(&planner, 1, "hangs");
    send_question(&planner, 2, "hangs");
    delivery = fake_planner_expect(&planner, MSG_busy, 0);
    assert_int_equal(delivery->envelope.message.busy.sequence, 2);
    assert_int_equal(delivery->envelope.message.busy.kind, MSG_probe_asset);
    delivery_destroy(&delivery);
    send_question(&planner, 3, "answers");
    delivery = fake_planner_expect(&planner, MSG_asset_probed, 0);
    assert_int_equal(delivery->envelope.message.asset_probed.asset, 9);
    assert_int_equal(delivery->envelope.message.asset_probed.sequence, 3);
    delivery_destroy(&delivery);
    send_stage(&planner, 4, 20);
    send_stage(&planner, 5, 1);
    expect_staged(&planner, 4);
    expect_staged(&planner, 5);
    fake_planner_destroy(&planner);
}

/* Goal: a planner that has forgotten the worker gets hello again, and nothing of before.
 * Method: who during a running task; only what comes after is answered. */
static void who_starts_anew(void **state)
{
    struct message who = {.kind = MSG_who};
    struct fake_planner planner;
    struct delivery *hello;

    (void)state;
    fake_planner_ready(&planner, "1");
    send_stage(&planner, 1, 3000);
    who.who.incarnation = bytes_of(planner.incarnation, INCARNATION_BYTES);
    fake_planner_send(&planner, &who);
    hello = fake_planner_expect(&planner, MSG_hello, 0);
    delivery_destroy(&hello);
    fake_planner_welcome(&planner);
    send_settle(&planner, 2, "");
    expect_settled(&planner, 2);
    fake_planner_expect_none(&planner, MSG_staged, 100);
    fake_planner_destroy(&planner);
}

/* Goal: a planner that was started again hears hello by itself, and nothing of before.
 * Method: unbind with a task running, bind again after its end with another incarnation. */
static void serves_a_restarted_planner(void **state)
{
    struct fake_planner planner;
    struct delivery *delivery;

    (void)state;
    fake_planner_ready(&planner, "1");
    send_stage(&planner, 1, 200);
    send_stage(&planner, 2, 1000);
    usleep(20000);
    fake_planner_unbind(&planner);
    usleep(300000);
    random_bytes(planner.incarnation, sizeof planner.incarnation);
    fake_planner_bind(&planner);
    delivery = fake_planner_expect(&planner, MSG_hello, 0);
    delivery_destroy(&delivery);
    fake_planner_welcome(&planner);
    send_settle(&planner, 1, "");
    expect_settled(&planner, 1);
    fake_planner_expect_none(&planner, MSG_staged, 1000);
    fake_planner_destroy(&planner);
}

/* Goal: a welcome of another incarnation alone stops the old tasks.
 * Method: the running task would take far longer than the test waits for the lane to be free. */
static void stops_tasks_of_the_former_incarnation(void **state)
{
    struct fake_planner planner;

    (void)state;
    fake_planner_ready(&planner, "1");
    send_stage(&planner, 1, 60000);
    usleep(50000);
    random_bytes(planner.incarnation, sizeof planner.incarnation);
    fake_planner_welcome(&planner);
    send_settle(&planner, 1, "");
    expect_settled(&planner, 1);
    fake_planner_destroy(&planner);
}

/* Goal: nothing that a peer sends ends the worker or makes it deaf.
 * Method: garbage, too many frames, an empty frame, a message for others; then a task. */
static void survives_garbage(void **state)
{
    static const u8 bomb[] = {0xdd, 0x0f, 0xff, 0xff, 0xff};
    struct bytes frames[6];
    struct message message = {.kind = MSG_granted};
    struct fake_planner planner;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(frames); i++)
        frames[i] = bytes_of(bomb, sizeof bomb);
    fake_planner_ready(&planner, "1");
    fake_planner_send_frames(&planner, frames, 1);
    fake_planner_send_frames(&planner, frames, 6);
    frames[0].size = 0;
    fake_planner_send_frames(&planner, frames, 1);
    fake_planner_send(&planner, &message);
    message.kind = MSG_through;
    fake_planner_send(&planner, &message);
    message.kind = MSG_stop;
    fake_planner_send(&planner, &message);
    message.kind = MSG_welcome;
    message.welcome.incarnation = bytes_text("short");
    fake_planner_send(&planner, &message);
    send_settle(&planner, 1, "");
    expect_settled(&planner, 1);
    fake_planner_destroy(&planner);
}

/* Goal: an asset stays open from task to task, and errors of opening reach the task.
 * Method: opened_ns of the asset is the same in two tasks; a bad address is refused. */
static void shares_open_assets(void **state)
{
    struct fake_planner planner;
    struct msg_settled first, second;
    char address[96];

    (void)state;
    fake_planner_ready(&planner, "2");
    snprintf(address, sizeof address, "dir:%s", planner.directory);
    send_settle(&planner, 1, address);
    first = expect_settled(&planner, 1);
    send_settle(&planner, 2, address);
    second = expect_settled(&planner, 2);
    assert_int_equal(first.code, 0);
    assert_true(first.opened_ns > 0);
    assert_int_equal(first.opened_ns, second.opened_ns);
    send_settle(&planner, 3, "dir:/nowhere/at/all");
    assert_int_equal(expect_settled(&planner, 3).code, ERR_NotFound);
    fake_planner_destroy(&planner);
}

/* Goal: SIGTERM: bye, running tasks are given up, exit 0, within about a second.
 * Method: once with a task that looks at task_is_stopped, once with a lane that hangs. */
static void ends_in_order(void **state)
{
    struct message hang = {.kind = MSG_close};

    (void)state;
    for (int hanging = 0; hanging < 2; hanging++) {
        struct fake_planner planner;
        struct delivery *bye;

        fake_planner_ready(&planner, "2");
        send_stage(&planner, 1, 60000);
        if (hanging)
            fake_planner_send(&planner, &hang);
        send_settle(&planner, 2, "");
        if (!hanging)
            expect_settled(&planner, 2);
        usleep(100000);
        kill(planner.pid, SIGTERM);
        bye = fake_planner_expect(&planner, MSG_bye, 0);
        delivery_destroy(&bye);
        assert_int_equal(fake_planner_await_exit(&planner, hanging ? 1500 : 500), 0);
        fake_planner_expect_none(&planner, MSG_staged, 10);
        fake_planner_destroy(&planner);
    }
}

/* Goal: a worker of another version ends with 7.
 * Method: the only planner refuses it. */
static void ends_when_all_refuse(void **state)
{
    struct message refused = {.kind = MSG_refused};
    struct fake_planner planner;
    struct delivery *hello;

    (void)state;
    fake_planner_new(&planner);
    fake_planner_bind(&planner);
    fake_planner_start_worker(&planner, "1");
    hello = fake_planner_expect(&planner, MSG_hello, 0);
    delivery_destroy(&hello);
    refused.refused =
        (struct msg_refused){.code = ERR_SchemaVersion, .reason = bytes_text("too old")};
    fake_planner_send(&planner, &refused);
    assert_int_equal(fake_planner_await_exit(&planner, 1500), 7);
    fake_planner_destroy(&planner);
}

static int by_value(const void *a, const void *b)
{
    s64 difference = *(const s64 *)a - *(const s64 *)b;
    return difference < 0 ? -1 : difference > 0;
}

/* Goal: no timer stands in the way of a task and its answer.
 * Method: the median of many round trips, one at a time, is far below any timer; it is printed. */
static void answers_at_once(void **state)
{
    enum { ROUNDS = 1000 };
    static s64 ns[ROUNDS];
    struct fake_planner planner;

    (void)state;
    fake_planner_ready(&planner, "2");
    for (u32 i = 0; i < ROUNDS; i++) {
        s64 began = clock_monotonic_ns();

        send_settle(&planner, i + 1, "");
        expect_settled(&planner, i + 1);
        ns[i] = clock_monotonic_ns() - began;
    }
    qsort(ns, ROUNDS, sizeof ns[0], by_value);
    print_message("round trip: median %lld us, p99 %lld us\n", (long long)ns[ROUNDS / 2] / 1000,
                  (long long)ns[ROUNDS * 99 / 100] / 1000);
    assert_true(ns[ROUNDS / 2] < 5 * NS_PER_MS);
    fake_planner_destroy(&planner);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_hello_and_answers),
        cmocka_unit_test(waits_for_a_planner),
        cmocka_unit_test(beats_list_tokens),
        cmocka_unit_test(ignores_what_it_holds_already),
        cmocka_unit_test(says_busy_beyond_its_credit),
        cmocka_unit_test(questions_hang_alone),
        cmocka_unit_test(who_starts_anew),
        cmocka_unit_test(serves_a_restarted_planner),
        cmocka_unit_test(stops_tasks_of_the_former_incarnation),
        cmocka_unit_test(survives_garbage),
        cmocka_unit_test(shares_open_assets),
        cmocka_unit_test(ends_in_order),
        cmocka_unit_test(ends_when_all_refuse),
        cmocka_unit_test(answers_at_once),
    };

    if (argc > 1 && strcmp(argv[1], "worker") == 0) {
        fake_planner_be_worker();
        return worker_main(&role, argc - 1, argv + 1);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
