/* bus.h: ROUTER and DEALER sockets that carry envelopes. The one place that makes sockets: linger,
 * high-water marks, ZMQ_MAXMSGSIZE, heartbeats and (later) CURVE are set here and nowhere else.
 *
 * A planner binds a ROUTER (mandatory); a worker has one DEALER per planner. Nothing here blocks. A
 * DEALER queues nothing before it is connected, and forgets what it queued when the connection is
 * lost: a planner that was started again must not get what was meant for the one before. */
#ifndef SYNCLINE_IO_BUS_H
#define SYNCLINE_IO_BUS_H

#include "base/err.h"
#include "base/types.h"
#include "io/loop.h"
#include "wire/message.h"

#define PEER_BYTES_MAX 32

/* Routing id of a peer at a ROUTER; empty at a DEALER. */
struct peer {
    u8 bytes[PEER_BYTES_MAX];
    u32 size;
};

/* A received message that owns its frames: envelope borrows from them. */
struct delivery {
    struct peer peer;
    struct envelope envelope;
    void *frames; /* private */
};
void delivery_destroy(struct delivery **delivery);

struct bus;

/* Endpoint: ipc://PATH (at most 107 bytes of path; ERR_Configuration says so) or tcp://HOST:PORT.
 */
int bus_bind(const char *endpoint, struct bus **out, struct err *err);
int bus_connect(const char *endpoint, struct bus **out, struct err *err);
void bus_destroy(struct bus **bus);
/* At the end of a process, after the last bus is destroyed: waits until what was sent is out, at
 * most as long as the sockets linger (200 ms). */
void bus_finish(void);

/* Sends header and bodies (copied). 0, or -1: PlannerUnavailable (DEALER: would block),
 * WorkerLost (ROUTER: no such peer, or its queue is full). `peer` is NULL at a DEALER. */
int bus_send(struct bus *bus, const struct peer *peer, const struct envelope *envelope,
             struct err *err);
/* The same with frames that are encoded already; a sender that keeps messages keeps them so. */
int bus_send_frames(struct bus *bus, const struct peer *peer, const struct bytes *frames, u32 count,
                    struct err *err);
/* 1 and a delivery, 0 if there is none now, -1 with ERR_Protocol: that message was bad and is
 * dropped, *peer_out (may be NULL) says whose it was. */
int bus_receive(struct bus *bus, struct delivery **out, struct peer *peer_out, struct err *err);

/* At a DEALER: is the connection made? *changes counts how often it was made or lost: whoever finds
 * another number than before talks, from now on, to somebody who may not know what was said. */
bool bus_is_connected(struct bus *bus, u64 *changes);

/* Calls the handler whenever something can be received or, at a DEALER, the connection was made or
 * lost: the handler must ask bus_is_connected, and receive until there is nothing. */
void bus_attach(struct bus *bus, struct loop *loop, loop_handler handler, void *context);
void bus_detach(struct bus *bus, struct loop *loop);

/* The endpoints that a list stands for now: comma-separated; `ipc://DIR/planner-*.ipc` stands for
 * the sockets that match (glob); `tcp://NAME:PORT` for each address of NAME. Sorted, without
 * doubles. Returns how many; *out is an array of strings in one allocation, to be freed by free().
 * A list that stands for nothing now is not an error (0). */
int bus_endpoints(const char *list, char ***out, u32 *count, struct err *err);

#endif
