/* planners.c: one connection per planner, as seen by a worker.
 *
 * A connection has a *session*: one incarnation of the planner that knows this worker. When the
 * connection is lost, when the planner was started again, has forgotten us (`who`) or has been
 * silent for as long as its own lease, the session ends: its tasks are stopped, what was to be sent
 * is dropped, and nothing of it can reach the next one. The planner gives its tokens to others when
 * the beats do not list them any more. What cannot be sent at the moment waits in the outbox, in
 * order. */
#include "base/clock.h"
#include "svc/worker_internal.h"

#include <stdlib.h>
#include <unistd.h>

#define GONE_MS 3000 /* an endpoint that is not there any more, and silent */
#define REFUSED_RETRY_MS 10000

static void clear_outbox(struct connection *connection)
{
    while (connection->first) {
        struct outgoing *outgoing = connection->first;

        connection->first = outgoing->next;
        packet_release(&outgoing->packet);
        free(outgoing);
    }
    connection->last = NULL;
}

static void end_session(struct connection *connection)
{
    if (connection->reachable && !connection->worker->stopping)
        log_write(LOG_WARN, NULL, EVENT_disconnected, "planner=%s", log_text(connection->endpoint));
    tasks_stop(connection->worker, connection->session);
    clear_outbox(connection);
    connection->session = connection->worker->next_session++;
    connection->known = false;
    connection->welcome = false;
    connection->reachable = false;
    connection->hello_sent = false;
}

/* Notices that the connection was made or lost. */
void planners_follow(struct connection *connection)
{
    u64 changes;

    connection->connected = bus_is_connected(connection->bus, &changes);
    if (changes == connection->changes)
        return;
    connection->changes = changes;
    end_session(connection);
    if (connection->connected)
        planners_say_hello(connection);
}

static void open_bus(struct connection *connection)
{
    struct worker *worker = connection->worker;
    struct err err;

    connection->began_ms = connection->heard_ms = clock_monotonic_ms();
    connection->refused = 0;
    connection->connected = false;
    connection->changes = 0;
    if (bus_connect(connection->endpoint, &connection->bus, &err) < 0) {
        connection->refused = err.code;
        log_error(NULL, EVENT_failure, &err);
        return;
    }
    bus_attach(connection->bus, worker->loop, worker_receive, connection);
}

static void close_bus(struct connection *connection)
{
    if (connection->bus)
        bus_detach(connection->bus, connection->worker->loop);
    bus_destroy(&connection->bus);
    end_session(connection);
}

static void add_connection(struct worker *worker, const char *endpoint)
{
    struct connection *connection = memory_or_die(sizeof *connection);

    connection->worker = worker;
    connection->endpoint = text_copy(endpoint);
    connection->session = worker->next_session++;
    connection->listed = true;
    connection->next = worker->connections;
    worker->connections = connection;
    open_bus(connection);
}

static void remove_connection(struct connection **at)
{
    struct connection *connection = *at;

    close_bus(connection);
    *at = connection->next;
    free(connection->endpoint);
    free(connection);
}

void planners_update(struct worker *worker, char *const *endpoints, u32 count)
{
    s64 now_ms = clock_monotonic_ms();

    for (struct connection *at = worker->connections; at; at = at->next)
        at->listed = false;
    for (u32 i = 0; i < count; i++) {
        struct connection *connection = worker->connections;

        while (connection && strcmp(connection->endpoint, endpoints[i]) != 0)
            connection = connection->next;
        if (connection)
            connection->listed = true;
        else
            add_connection(worker, endpoints[i]);
    }
    for (struct connection **at = &worker->connections; *at;) {
        if (!(*at)->listed && now_ms - (*at)->heard_ms > GONE_MS)
            remove_connection(at);
        else
            at = &(*at)->next;
    }
}

void planners_close(struct worker *worker)
{
    while (worker->connections)
        remove_connection(&worker->connections);
}

struct connection *planners_find(struct worker *worker, u64 session)
{
    struct connection *connection = worker->connections;

    while (connection && connection->session != session)
        connection = connection->next;
    return connection;
}

/* ---- sending ---- */

void planners_send(struct connection *connection, struct packet *packet)
{
    struct outgoing *outgoing;
    u64 session = connection->session;
    struct err err;

    if (!connection->bus)
        return;
    planners_follow(connection);
    if (connection->session != session)
        return; /* nobody waits for it any more */
    if (!connection->first) {
        if (bus_send_frames(connection->bus, NULL, packet->frames, packet->count, &err) == 0)
            return;
        if (err.code != ERR_PlannerUnavailable) {
            log_error(NULL, EVENT_failure, &err);
            return;
        }
    }
    outgoing = memory_or_die(sizeof *outgoing);
    outgoing->packet = packet_share(packet);
    if (connection->last)
        connection->last->next = outgoing;
    else
        connection->first = outgoing;
    connection->last = outgoing;
    worker_arm_flush(connection->worker);
}

void planners_say_hello(struct connection *connection)
{
    struct worker *worker = connection->worker;
    struct envelope envelope = {.message.kind = MSG_hello};
    struct err err;

    envelope.message.hello = (struct msg_hello){
        .role = worker->role->role,
        .incarnation = bytes_of(worker->incarnation, INCARNATION_BYTES),
        .schema = SCHEMA_VERSION,
        .build = bytes_text(SYNCLINE_VERSION),
        .host = bytes_text(worker->host),
        .name = bytes_text(worker->config.name),
        .pid = (u32)getpid(),
        .lanes = worker->config.lanes,
    };
    connection->hello_sent = bus_send(connection->bus, NULL, &envelope, &err) == 0;
    if (!connection->hello_sent)
        worker_arm_flush(worker);
}

static void flush_outbox(struct connection *connection)
{
    struct err err;

    while (connection->first) {
        struct outgoing *outgoing = connection->first;
        const struct packet *packet = outgoing->packet;

        if (bus_send_frames(connection->bus, NULL, packet->frames, packet->count, &err) < 0)
            return;
        connection->first = outgoing->next;
        if (!connection->first)
            connection->last = NULL;
        packet_release(&outgoing->packet);
        free(outgoing);
    }
}

bool planners_flush(struct worker *worker)
{
    bool left = false;

    for (struct connection *at = worker->connections; at; at = at->next) {
        if (!at->bus)
            continue;
        planners_follow(at);
        if (!at->connected)
            continue;
        if (!at->hello_sent)
            planners_say_hello(at);
        if (at->hello_sent)
            flush_outbox(at);
        left = left || at->first || !at->hello_sent;
    }
    return left;
}

static void send_beat(struct connection *connection)
{
    struct worker *worker = connection->worker;
    struct envelope envelope = {.message.kind = MSG_beat, .bodies = 1};
    struct buf held = {0};
    struct err err;

    tasks_list_held(worker, connection->session, &held);
    envelope.message.beat = (struct msg_beat){
        .incarnation = bytes_of(worker->incarnation, INCARNATION_BYTES),
        .busy = atomic_load(&worker->busy),
        .done = worker->done,
        .bytes = atomic_load(&worker->bytes),
    };
    envelope.body[0] = buf_bytes(&held);
    /* one that cannot be sent now is not kept: the next one says more */
    (void)bus_send(connection->bus, NULL, &envelope, &err);
    buf_release(&held);
}

void planners_beat(struct worker *worker, s64 now_ms)
{
    for (struct connection *at = worker->connections; at; at = at->next) {
        if (!at->bus) {
            if (at->listed && now_ms - at->began_ms > REFUSED_RETRY_MS)
                open_bus(at);
            continue;
        }
        planners_follow(at);
        if (at->known && now_ms - at->heard_ms > PLANNER_LEASE_MS)
            end_session(at);
        if (!at->connected)
            continue;
        if (!at->hello_sent)
            planners_say_hello(at);
        else if (!at->first)
            send_beat(at);
    }
}

void planners_say_bye(struct worker *worker)
{
    struct envelope envelope = {.message.kind = MSG_bye};
    struct err err;

    envelope.message.bye.incarnation = bytes_of(worker->incarnation, INCARNATION_BYTES);
    for (struct connection *at = worker->connections; at; at = at->next)
        if (at->bus && at->hello_sent)
            (void)bus_send(at->bus, NULL, &envelope,
                           &err); /* a planner that is away misses us anyway */
}

/* ---- hearing ---- */

static void hear_refused(struct connection *connection, const struct msg_refused *refused)
{
    struct worker *worker = connection->worker;
    bool all = true;

    log_write(LOG_ERROR, NULL, EVENT_worker_refused, "planner=%s code=%s message=%s",
              log_text(connection->endpoint), err_name(refused->code), log_value(refused->reason));
    close_bus(connection);
    connection->refused = refused->code ? refused->code : ERR_Internal;
    for (struct connection *at = worker->connections; at; at = at->next)
        all = all && at->refused == ERR_SchemaVersion;
    if (all) {
        worker->exit_code = phase_exit_code(PHASE_Failed);
        worker_finish(worker);
    }
}

static void hear_incarnation(struct connection *connection, struct bytes incarnation)
{
    if (incarnation.size != INCARNATION_BYTES) {
        log_write(LOG_ERROR, NULL, EVENT_message_refused, "planner=%s message=%s",
                  log_text(connection->endpoint), "\"an incarnation of the wrong size\"");
        return;
    }
    if (connection->known && memcmp(connection->planner, incarnation.data, INCARNATION_BYTES) != 0)
        end_session(connection);
    memcpy(connection->planner, incarnation.data, INCARNATION_BYTES);
    connection->known = true;
}

void planners_hear(struct connection *connection, const struct message *message)
{
    switch (message->kind) {
    case MSG_refused:
        hear_refused(connection, &message->refused);
        break;
    case MSG_ping:
        hear_incarnation(connection, message->ping.incarnation);
        break;
    case MSG_who:
        /* it did know us and does not any more: what it gave was given to others since */
        if (connection->welcome)
            end_session(connection);
        hear_incarnation(connection, message->who.incarnation);
        planners_say_hello(connection);
        break;
    case MSG_welcome:
        hear_incarnation(connection, message->welcome.incarnation);
        connection->welcome = true;
        if (!connection->reachable)
            log_write(LOG_INFO, NULL, EVENT_connected, "planner=%s",
                      log_text(connection->endpoint));
        connection->reachable = true;
        break;
    default:
        break;
    }
}
