/* bus.c: see bus.h. Raw libzmq sockets in one context per process, made by make_socket alone.
 *
 * A message is read whole, whatever it is, before it is judged: a part left behind would be taken
 * for the beginning of the next message. Frames stay in libzmq's own memory and are borrowed from
 * there. */
#include "io/bus.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <zmq.h>

#define IPC_PATH_MAX (sizeof(((struct sockaddr_un *)0)->sun_path) - 1)
#define DEALER_LINGER_MS 200 /* so that `bye` gets out */
#define HIGH_WATER_MARK 1000 /* messages; credit keeps queues far below */
#define RECONNECT_FIRST_MS 20
#define RECONNECT_MAX_MS 200
#define TCP_HEARTBEAT_MS 1000
#define TCP_SILENCE_MS 3000

struct bus {
    void *socket;
    bool router;
    char *path;    /* of the socket that was bound; NULL if it is none */
    void *monitor; /* DEALER: a socket that tells when the connection is made or lost */
    bool connected;
    u64 changes;
};

struct received {
    struct delivery delivery; /* first: what the caller sees */
    zmq_msg_t parts[FRAMES_MAX];
    u32 count;
};

static pthread_mutex_t context_mutex = PTHREAD_MUTEX_INITIALIZER;
static void *context;

static void *the_context(void)
{
    void *result;

    pthread_mutex_lock(&context_mutex);
    if (!context)
        context = zmq_ctx_new();
    result = context;
    pthread_mutex_unlock(&context_mutex);
    return result;
}

void bus_finish(void)
{
    pthread_mutex_lock(&context_mutex);
    if (context)
        zmq_ctx_term(context);
    context = NULL;
    pthread_mutex_unlock(&context_mutex);
}

/* ---- sockets ---- */

static int set_options(void *socket, bool router)
{
    const s64 frame_max = FRAME_MAX;
    const struct {
        int option;
        int value;
    } options[] = {
        {ZMQ_LINGER, router ? 0 : DEALER_LINGER_MS},
        {ZMQ_SNDHWM, HIGH_WATER_MARK},
        {ZMQ_RCVHWM, HIGH_WATER_MARK},
        {ZMQ_RECONNECT_IVL, RECONNECT_FIRST_MS},
        {ZMQ_RECONNECT_IVL_MAX, RECONNECT_MAX_MS},
        {ZMQ_IPV6, 1},
        {ZMQ_TCP_KEEPALIVE, 1},
        {ZMQ_HEARTBEAT_IVL, TCP_HEARTBEAT_MS},
        {ZMQ_HEARTBEAT_TIMEOUT, TCP_SILENCE_MS},
        {ZMQ_HEARTBEAT_TTL, TCP_SILENCE_MS},
        {router ? ZMQ_ROUTER_MANDATORY : ZMQ_IMMEDIATE, 1},
    };

    for (size_t i = 0; i < COUNT_OF(options); i++)
        if (zmq_setsockopt(socket, options[i].option, &options[i].value, sizeof(int)) < 0)
            return -1;
    return zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &frame_max, sizeof frame_max);
}

static struct bus *make_socket(bool router, struct err *err)
{
    struct bus *bus = memory_or_die(sizeof *bus);

    bus->router = router;
    bus->socket = zmq_socket(the_context(), router ? ZMQ_ROUTER : ZMQ_DEALER);
    if (bus->socket && set_options(bus->socket, router) == 0)
        return bus;
    err_set(err, ERR_Internal, "making a socket: %s", zmq_strerror(zmq_errno()));
    bus_destroy(&bus);
    return NULL;
}

void bus_destroy(struct bus **bus_ref)
{
    struct bus *bus = *bus_ref;

    if (!bus)
        return;
    /* libzmq leaves it behind; and it must go before somebody else can bind there */
    if (bus->path)
        unlink(bus->path);
    if (bus->monitor) {
        zmq_socket_monitor(bus->socket, NULL, 0);
        zmq_close(bus->monitor);
    }
    if (bus->socket)
        zmq_close(bus->socket);
    free(bus->path);
    free(bus);
    *bus_ref = NULL;
}

/* ---- is the planner there? ---- */

static int open_monitor(struct bus *bus, struct err *err)
{
    static _Atomic u64 number;
    const int linger = 0;
    char endpoint[64];

    snprintf(endpoint, sizeof endpoint, "inproc://monitor-%llu", (unsigned long long)++number);
    bus->monitor = zmq_socket(the_context(), ZMQ_PAIR);
    if (bus->monitor && zmq_setsockopt(bus->monitor, ZMQ_LINGER, &linger, sizeof linger) == 0 &&
        zmq_socket_monitor(bus->socket, endpoint,
                           ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED) == 0 &&
        zmq_connect(bus->monitor, endpoint) == 0)
        return 0;
    return err_set(err, ERR_Internal, "watching a socket: %s", zmq_strerror(zmq_errno()));
}

bool bus_is_connected(struct bus *bus, u64 *changes)
{
    struct {
        u16 event;
        u32 value;
    } __attribute__((packed)) event;

    /* two frames for each event, the second is the address */
    while (zmq_recv(bus->monitor, &event, sizeof event, ZMQ_DONTWAIT) == (int)sizeof event) {
        bus->connected = event.event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED;
        bus->changes++;
        (void)zmq_recv(bus->monitor, NULL, 0, ZMQ_DONTWAIT);
    }
    *changes = bus->changes;
    return bus->connected;
}

/* ---- endpoints ---- */

static int check_endpoint(const char *endpoint, struct err *err)
{
    if (strncmp(endpoint, "tcp://", 6) == 0)
        return 0;
    if (strncmp(endpoint, "ipc://", 6) != 0)
        return err_set(err, ERR_Configuration,
                       "endpoint %s is neither ipc://PATH nor tcp://HOST:PORT", endpoint);
    if (endpoint[6] != '/')
        return err_set(err, ERR_Configuration, "endpoint %s: the path must be absolute", endpoint);
    if (strlen(endpoint + 6) > IPC_PATH_MAX)
        return err_set(
            err, ERR_Configuration,
            "endpoint %s: the path has %zu bytes, a socket may have %zu; choose a shorter "
            "state directory",
            endpoint, strlen(endpoint + 6), (size_t)IPC_PATH_MAX);
    return 0;
}

/* libzmq removes what is at the path before it binds: right for a socket that a dead process left
 * behind, but it would take the place of a living one without a word. */
static int check_free(const char *path, struct err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int rc;

    if (fd < 0)
        return err_errno(err, errno, "making a socket");
    memcpy(address.sun_path, path, strlen(path));
    rc = connect(fd, (struct sockaddr *)&address, sizeof address);
    if (rc < 0 && errno == EAGAIN)
        rc = 0; /* somebody listens, and has not accepted the last ones yet */
    close(fd);
    if (rc == 0)
        return err_set(err, ERR_Configuration, "endpoint ipc://%s: another process listens there",
                       path);
    return 0;
}

int bus_bind(const char *endpoint, struct bus **out, struct err *err)
{
    struct bus *bus;

    *out = NULL;
    if (check_endpoint(endpoint, err) < 0)
        return -1;
    if (strncmp(endpoint, "ipc://", 6) == 0) {
        if (strpbrk(endpoint, "*?["))
            return err_set(err, ERR_Configuration, "endpoint %s: a pattern cannot be bound",
                           endpoint);
        if (check_free(endpoint + 6, err) < 0)
            return -1;
    }
    bus = make_socket(true, err);
    if (!bus)
        return -1;
    if (zmq_bind(bus->socket, endpoint) < 0) {
        err_set(err, ERR_Configuration, "binding %s: %s", endpoint, zmq_strerror(zmq_errno()));
        bus_destroy(&bus);
        return -1;
    }
    if (strncmp(endpoint, "ipc://", 6) == 0)
        bus->path = text_copy(endpoint + 6);
    *out = bus;
    return 0;
}

int bus_connect(const char *endpoint, struct bus **out, struct err *err)
{
    struct bus *bus;

    *out = NULL;
    if (check_endpoint(endpoint, err) < 0)
        return -1;
    bus = make_socket(false, err);
    if (!bus)
        return -1;
    /* before it connects, so that no event is missed */
    if (open_monitor(bus, err) < 0) {
        bus_destroy(&bus);
        return -1;
    }
    if (zmq_connect(bus->socket, endpoint) < 0) {
        err_set(err, ERR_Configuration, "connecting to %s: %s", endpoint,
                zmq_strerror(zmq_errno()));
        bus_destroy(&bus);
        return -1;
    }
    *out = bus;
    return 0;
}

void bus_attach(struct bus *bus, struct loop *loop, loop_handler handler, void *handler_context)
{
    loop_add_socket(loop, bus->socket, handler, handler_context);
    if (bus->monitor)
        loop_add_socket(loop, bus->monitor, handler, handler_context);
}

void bus_detach(struct bus *bus, struct loop *loop)
{
    loop_remove_socket(loop, bus->socket);
    if (bus->monitor)
        loop_remove_socket(loop, bus->monitor);
}

/* ---- sending ---- */

static int send_failed(const struct bus *bus, struct err *err)
{
    const char *why = zmq_strerror(zmq_errno());

    if (bus->router)
        return err_set(err, ERR_WorkerLost, "sending to a worker: %s", why);
    return err_set(err, ERR_PlannerUnavailable, "sending to a planner: %s", why);
}

static int send_part(const struct bus *bus, struct bytes part, bool more)
{
    int flags = ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0);
    int rc;

    do
        rc = zmq_send(bus->socket, part.data, part.size, flags);
    while (rc < 0 && zmq_errno() == EINTR);
    return rc;
}

int bus_send_frames(struct bus *bus, const struct peer *peer, const struct bytes *frames, u32 count,
                    struct err *err)
{
    for (u32 i = 0; i < count; i++)
        if (frames[i].size > FRAME_MAX)
            return err_set(err, ERR_Internal,
                           "a frame of %zu bytes is not sent: %u may be received", frames[i].size,
                           FRAME_MAX);
    /* whether there is room is decided by the first part: libzmq counts whole messages */
    if (bus->router && send_part(bus, bytes_of(peer->bytes, peer->size), true) < 0)
        return send_failed(bus, err);
    for (u32 i = 0; i < count; i++)
        if (send_part(bus, frames[i], i + 1 < count) < 0)
            return send_failed(bus, err);
    return 0;
}

int bus_send(struct bus *bus, const struct peer *peer, const struct envelope *envelope,
             struct err *err)
{
    struct bytes frames[FRAMES_MAX];
    struct buf header = {0};
    int rc;

    message_encode(&envelope->message, &header);
    frames[0] = buf_bytes(&header);
    for (u32 i = 0; i < envelope->bodies; i++)
        frames[i + 1] = envelope->body[i];
    rc = bus_send_frames(bus, peer, frames, envelope->bodies + 1, err);
    buf_release(&header);
    return rc;
}

/* ---- receiving ---- */

void delivery_destroy(struct delivery **delivery)
{
    struct received *received;

    if (!*delivery)
        return;
    received = (*delivery)->frames;
    for (u32 i = 0; i < received->count; i++)
        zmq_msg_close(&received->parts[i]);
    free(received);
    *delivery = NULL;
}

static int receive_part(struct bus *bus, zmq_msg_t *part)
{
    int rc;

    zmq_msg_init(part);
    do
        rc = zmq_msg_recv(part, bus->socket, ZMQ_DONTWAIT);
    while (rc < 0 && zmq_errno() == EINTR);
    if (rc < 0)
        zmq_msg_close(part);
    return rc;
}

static void drain(struct bus *bus, bool more)
{
    zmq_msg_t part;

    while (more && receive_part(bus, &part) >= 0) {
        more = zmq_msg_more(&part);
        zmq_msg_close(&part);
    }
}

/* Reads the routing id that a ROUTER puts in front. 1, 0 if there is no message, -1 for a refusal.
 */
static int receive_peer(struct bus *bus, struct peer *peer, struct err *err)
{
    zmq_msg_t part;
    size_t size;
    bool more;

    if (receive_part(bus, &part) < 0)
        return 0;
    more = zmq_msg_more(&part);
    size = zmq_msg_size(&part);
    if (size <= PEER_BYTES_MAX) {
        memcpy(peer->bytes, zmq_msg_data(&part), size);
        peer->size = (u32)size;
    }
    zmq_msg_close(&part);
    if (size > PEER_BYTES_MAX) {
        drain(bus, more);
        return err_set(err, ERR_Protocol, "a peer with a routing id of %zu bytes", size);
    }
    if (!more)
        return err_set(err, ERR_Protocol, "a message without frames");
    return 1;
}

/* Reads the frames of one message, all of them. 1, 0 if there is none, -1 if they are too many. */
static int receive_parts(struct bus *bus, struct received *received, struct err *err)
{
    bool more = true;

    while (more) {
        zmq_msg_t *part = &received->parts[received->count];

        if (received->count == FRAMES_MAX) {
            drain(bus, more);
            return err_set(err, ERR_Protocol, "a message of more than %d frames", FRAMES_MAX);
        }
        if (receive_part(bus, part) < 0)
            return received->count == 0 ? 0 : err_set(err, ERR_Protocol, "a message broke off");
        received->count++;
        more = zmq_msg_more(part);
    }
    return 1;
}

static int open_envelope(struct received *received, struct err *err)
{
    struct envelope *envelope = &received->delivery.envelope;

    for (u32 i = 0; i + 1 < received->count; i++)
        envelope->body[i] =
            bytes_of(zmq_msg_data(&received->parts[i + 1]), zmq_msg_size(&received->parts[i + 1]));
    envelope->bodies = received->count - 1;
    return message_decode(
        bytes_of(zmq_msg_data(&received->parts[0]), zmq_msg_size(&received->parts[0])),
        &envelope->message, err);
}

int bus_receive(struct bus *bus, struct delivery **out, struct peer *peer_out, struct err *err)
{
    struct peer peer = {.size = 0};
    struct received *received;
    struct delivery *delivery;
    int rc = 1;

    *out = NULL;
    if (bus->router)
        rc = receive_peer(bus, &peer, err);
    if (peer_out)
        *peer_out = peer;
    if (rc <= 0)
        return rc;
    received = memory_or_die(sizeof *received);
    delivery = &received->delivery;
    delivery->frames = received;
    delivery->peer = peer;
    rc = receive_parts(bus, received, err);
    if (rc > 0 && open_envelope(received, err) < 0)
        rc = -1;
    if (rc > 0)
        *out = delivery;
    else
        delivery_destroy(&delivery);
    return rc;
}
