/* worker.c: the process that a watcher, mover or verifier is, but for its verb (see worker.h).
 *
 * The loop thread owns sockets and the list of tasks; it never touches a disk. Messages of planners
 * come in here and are routed: to a connection (who are you, I am here), to a running scan
 * (through, stop), or to the lanes (tasks). What lanes say comes back as notes and goes out. */
#include "svc/worker_internal.h"

#include "base/clock.h"
#include "svc/confine.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <unistd.h>

#define FLUSH_MS 10
#define STOP_MS 700 /* lanes that are still at work after this are left behind */
#define RECEIVE_AT_ONCE 256
#define EXIT_USAGE 2

/* ---- messages of planners ---- */

static void refuse_message(const struct connection *connection, const struct err *err)
{
    log_write(LOG_ERROR, NULL, EVENT_message_refused, "planner=%s code=%s message=%s",
              log_text(connection->endpoint), err_name(err->code), log_text(err->text));
}

static void route(struct connection *connection, struct delivery **delivery)
{
    struct worker *worker = connection->worker;
    const struct message *message = &(*delivery)->envelope.message;
    struct token token = {0};
    struct task *task = NULL;
    struct err err;

    if (message->kind == MSG_through || message->kind == MSG_stop) {
        message_token(message, &token);
        task = tasks_find(worker, connection->session, &token, MSG_scan);
    }
    switch (message->kind) {
    case MSG_welcome:
    case MSG_refused:
    case MSG_who:
    case MSG_ping:
        planners_hear(connection, message);
        break;
    case MSG_through:
        if (task)
            stream_through(task, &message->through);
        break;
    case MSG_stop:
        if (task)
            task_stop(task);
        break;
    default:
        if (tasks_take_kind(worker, message->kind)) {
            if (connection->welcome) /* or it was meant for the session before */
                tasks_admit(worker, connection->session, delivery);
            break;
        }
        if (worker->role->hear && worker->role->hear(message))
            break;
        err_set(&err, ERR_Protocol, "%s is not for a %s", message_kind_name(message->kind),
                role_name(worker->role->role));
        refuse_message(connection, &err);
    }
}

void worker_receive(void *context)
{
    struct connection *connection = context;

    if (connection->bus)
        planners_follow(connection);
    /* bounded, so that one planner cannot keep the others from being heard */
    for (int i = 0; i < RECEIVE_AT_ONCE && connection->bus; i++) {
        struct delivery *delivery;
        struct err err;
        int rc = bus_receive(connection->bus, &delivery, NULL, &err);

        if (rc == 0)
            return;
        connection->heard_ms = clock_monotonic_ms();
        if (rc < 0) {
            refuse_message(connection, &err);
            continue;
        }
        if (!connection->worker->stopping)
            route(connection, &delivery);
        delivery_destroy(&delivery);
    }
}

/* ---- what lanes say ---- */

static void handle_note(struct worker *worker, struct note *note)
{
    struct task *task = note->task;
    struct connection *connection = task ? planners_find(worker, task->session) : NULL;

    if (note->packet && connection && !worker->stopping && !task_is_stopped(task))
        planners_send(connection, note->packet);
    packet_release(&note->packet);
    switch (note->kind) {
    case NOTE_message:
        break;
    case NOTE_answer:
        task->answered = true;
        worker->held -= task_is_counted(task);
        break;
    case NOTE_ended:
        tasks_forget(worker, task);
        break;
    case NOTE_lane_over:
        if (--worker->lanes_left == 0)
            loop_stop(worker->loop);
        break;
    }
}

static void on_notes(void *context)
{
    struct worker *worker = context;
    struct note *note;

    while ((note = queue_take(worker->notes)) != NULL) {
        handle_note(worker, note);
        free(note);
    }
}

/* ---- timers ---- */

static void on_flush(void *context)
{
    struct worker *worker = context;

    worker->flush_timer = -1;
    if (planners_flush(worker))
        worker_arm_flush(worker);
}

void worker_arm_flush(struct worker *worker)
{
    if (worker->flush_timer < 0)
        worker->flush_timer = loop_add_timer(worker->loop, FLUSH_MS, 1, on_flush, worker);
}

static void on_heartbeat(void *context)
{
    struct worker *worker = context;
    s64 now_ms = clock_monotonic_ms();

    if (worker->stopping)
        return;
    planners_beat(worker, now_ms);
    for (struct task *task = worker->tasks; task; task = task->next)
        stream_resend(task, now_ms);
    lanes_add_probes(worker, tasks_stuck_probes(worker));
    if (assets_are_idle(now_ms) && !atomic_exchange(&worker->tidying, true))
        queue_put(worker->probes, &worker->tidying);
}

static void on_stop_deadline(void *context)
{
    struct worker *worker = context;

    loop_stop(worker->loop);
}

void worker_finish(struct worker *worker)
{
    if (worker->stopping)
        return;
    on_notes(worker); /* answers that are there already are not given back */
    worker->stopping = true;
    log_write(LOG_INFO, NULL, EVENT_stopping, "tasks=%u", worker->held);
    planners_say_bye(worker);
    tasks_stop(worker, 0);
    queue_close(worker->waiting);
    queue_close(worker->probes);
    loop_add_timer(worker->loop, STOP_MS, 1, on_stop_deadline, worker);
}

static void on_terminate(void *context)
{
    worker_finish(context);
}

/* ---- the process ---- */

/* Processes with the same boot id run on one kernel, in whatever container. */
static char *kernel_id(void)
{
    char text[64] = "";
    struct utsname names;
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof text - 1);

    if (fd >= 0)
        close(fd);
    if (got > 0) {
        text[strcspn(text, "\n")] = '\0';
        return text_copy(text);
    }
    return text_copy(uname(&names) == 0 ? names.nodename : "unknown");
}

/* A list that is wrong is a reason not to start. */
static int check_planners(const struct config *config, struct err *err)
{
    char **endpoints;
    u32 count;

    if (bus_endpoints(config->planner, &endpoints, &count, err) < 0)
        return -1;
    free(endpoints);
    return 0;
}

static int start(struct worker *worker, struct err *err)
{
    random_bytes(worker->incarnation, sizeof worker->incarnation);
    worker->host = kernel_id();
    worker->flush_timer = -1;
    worker->next_session = 1;
    worker->loop = loop_new();
    worker->waiting = queue_new();
    worker->probes = queue_new();
    worker->notes = queue_new();
    loop_on_terminate(worker->loop, on_terminate, worker);
    loop_add_fd(worker->loop, queue_fd(worker->notes), on_notes, worker);
    loop_add_timer(worker->loop, HEARTBEAT_MS, 0, on_heartbeat, worker);
    lanes_start(worker);
    if (worker->config.lanes == 0)
        return err_set(err, ERR_Internal, "no thread can be started");
    return lookup_start(worker, err);
}

/* What is left when the loop has ended. Lanes that hang in input or output, and a resolver that
 * does, are not waited for: the process ends without them. */
static void end(struct worker *worker)
{
    bool lanes_over;

    planners_close(worker);
    bus_finish();
    lanes_over = worker->lanes_left == 0;
    log_write(LOG_INFO, NULL, EVENT_stopped, "lanes_left=%u", worker->lanes_left);
    if (!lookup_end(worker) || !lanes_over)
        _exit(worker->exit_code);
    lanes_join(worker);
    assets_close();
    on_notes(worker);
    loop_destroy(&worker->loop);
    queue_destroy(&worker->waiting);
    queue_destroy(&worker->probes);
    queue_destroy(&worker->notes);
    free(worker->host);
}

static int fail(const char *program, const struct err *err)
{
    fprintf(stderr, "%s: %s: %s\n", program, err_name(err->code), err->text);
    return err->code == ERR_Internal ? 1 : EXIT_USAGE;
}

int worker_main(const struct worker_role *role, int argc, char **argv)
{
    struct worker worker = {.role = role};
    struct buf program = {0};
    bool done = false;
    struct err err;
    int exit_code;

    loop_block_signals();
    buf_printf(&program, "syncline-%s", role_name(role->role));
    if (config_read(buf_text(&program), argc, argv, &worker.config, &done, &err) < 0) {
        exit_code = fail(buf_text(&program), &err);
    } else if (done) {
        exit_code = 0;
    } else if (check_planners(&worker.config, &err) < 0) {
        exit_code = fail(buf_text(&program), &err);
    } else {
        log_setup(role_name(role->role), worker.config.log_level, worker.config.log_json);
        /* before there is a second thread, which would go free */
        if (confine_start(role->role, worker.config.roots, worker.config.planner, &err) < 0) {
            log_error(NULL, EVENT_failure, &err);
            _exit(err.code == ERR_Configuration ? EXIT_USAGE : 1);
        }
        if (start(&worker, &err) < 0) {
            log_error(NULL, EVENT_failure, &err);
            _exit(1);
        }
        log_write(LOG_INFO, NULL, EVENT_ready, "name=%s lanes=%u planner=%s",
                  log_text(worker.config.name), worker.config.lanes,
                  log_text(worker.config.planner));
        loop_run(worker.loop);
        end(&worker);
        exit_code = worker.exit_code;
    }
    config_release(&worker.config);
    buf_release(&program);
    return exit_code;
}
