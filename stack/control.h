/* control.h: the supervisor's ear: run/control.sock, one text request and one JSON answer a packet.
 *
 *   status               -> the state, as in stack.json
 *   scale ROLE N         -> {"ok": true}: the wanted count is changed; `status` shows when it is so
 *   hold                 -> the state; a stack that was started on demand ends when its last holder
 * is gone release              -> the state; ends `hold` stop                 -> {"ok": true}; the
 * connection closes when everything has ended anything else        -> {"error": "…"}
 *
 * Each answer also has "holders". */
#ifndef SYNCLINE_STACK_CONTROL_H
#define SYNCLINE_STACK_CONTROL_H

#include "base/err.h"
#include "stack/layout.h"

#include <jansson.h>
#include <poll.h>

#define CONTROL_CLIENTS_MAX 64
#define CONTROL_MESSAGE_MAX (128 << 10)

/* ---- server side: no blocking call in it ---- */
struct control {
    int listen_fd;
    struct {
        int fd;
        bool holds;
    } clients[CONTROL_CLIENTS_MAX];
    u32 client_count;
    bool was_held;
    /* Answers a request; the result is the control's. */
    json_t *(*answer)(void *context, const char *request);
    void *context;
};

int control_open(struct control *control, const struct layout *layout, struct err *err);
/* Takes its name away, so that the next supervisor can have it; what is connected stays connected.
 */
void control_unlink(const struct layout *layout);
/* Fills at most CONTROL_CLIENTS_MAX + 1 entries, returns how many. */
u32 control_poll(const struct control *control, struct pollfd *out);
/* What poll said about them. */
void control_handle(struct control *control, const struct pollfd *polled, u32 count);
u32 control_holders(const struct control *control);

/* ---- client side: blocking ---- */
/* StackDown if nobody listens there. */
int control_connect(const struct layout *layout, int *out, struct err *err);
/* One request, one answer (json_decref). -1 also for an answer that is an error. */
int control_ask(int fd, const char *request, json_t **out, struct err *err);
/* True when the supervisor has closed the connection, which it does at its very end. */
bool control_wait_closed(int fd, s64 timeout_ms);

#endif
