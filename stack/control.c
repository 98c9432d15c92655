/* control.c: see control.h. SOCK_SEQPACKET keeps requests apart without a grammar, and a connection
 * that closes tells that the other side is gone, however it went. */
#include "stack/control.h"

#include "base/buf.h"
#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWER_MS 10000

static void fill_address(const struct layout *layout, struct sockaddr_un *out)
{
    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    snprintf(out->sun_path, sizeof out->sun_path, "%s", layout->control);
}

int control_open(struct control *control, const struct layout *layout, struct err *err)
{
    struct sockaddr_un address;
    mode_t before;
    int result;

    fill_address(layout, &address);
    control->client_count = 0;
    control->was_held = false;
    control->listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    unlink(layout->control); /* under the lock: whoever left it is gone */
    before = umask(0177);
    result = control->listen_fd < 0
                 ? -1
                 : bind(control->listen_fd, (struct sockaddr *)&address, sizeof address);
    umask(before);
    if (result < 0 || listen(control->listen_fd, CONTROL_CLIENTS_MAX) < 0)
        return err_set(err, ERR_StateDirectory, "the socket %s cannot be made: %s", layout->control,
                       strerror(errno));
    return 0;
}

void control_unlink(const struct layout *layout)
{
    unlink(layout->control);
}

u32 control_poll(const struct control *control, struct pollfd *out)
{
    out[0] = (struct pollfd){.fd = control->listen_fd, .events = POLLIN};
    for (u32 i = 0; i < control->client_count; i++)
        out[i + 1] = (struct pollfd){.fd = control->clients[i].fd, .events = POLLIN};
    return control->client_count + 1;
}

u32 control_holders(const struct control *control)
{
    u32 holders = 0;

    for (u32 i = 0; i < control->client_count; i++)
        holders += control->clients[i].holds;
    return holders;
}

/* False if the client is gone. */
static bool serve(struct control *control, u32 index)
{
    char request[256], *text;
    int fd = control->clients[index].fd;
    ssize_t size = recv(fd, request, sizeof request - 1, MSG_DONTWAIT);
    json_t *answer;
    bool sent;

    if (size < 0)
        return errno == EAGAIN || errno == EINTR;
    if (size == 0)
        return false;
    request[size] = '\0';
    if (strcmp(request, "hold") == 0)
        control->clients[index].holds = control->was_held = true;
    if (strcmp(request, "release") == 0)
        control->clients[index].holds = false;
    answer = control->answer(control->context, request);
    json_object_set_new(answer, "holders", json_integer(control_holders(control)));
    text = json_dumps(answer, JSON_COMPACT);
    sent = text && send(fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL) > 0;
    free(text);
    json_decref(answer);
    return sent;
}

void control_handle(struct control *control, const struct pollfd *polled, u32 count)
{
    /* from the end, because one that is gone is replaced by the last */
    for (u32 i = count - 1; i >= 1; i--) {
        if (!polled[i].revents || serve(control, i - 1))
            continue;
        close(control->clients[i - 1].fd);
        control->clients[i - 1] = control->clients[--control->client_count];
    }
    if (polled[0].revents) {
        int fd = accept4(control->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd >= 0 && control->client_count == CONTROL_CLIENTS_MAX) {
            close(fd);
        } else if (fd >= 0) {
            control->clients[control->client_count].fd = fd;
            control->clients[control->client_count++].holds = false;
        }
    }
}

int control_connect(const struct layout *layout, int *out, struct err *err)
{
    struct timeval timeout = {.tv_sec = ANSWER_MS / 1000, .tv_usec = 0};
    struct sockaddr_un address;
    int fd;

    if (strlen(layout->control) > SOCKET_PATH_MAX)
        return err_set(err, ERR_StackDown, "no stack is up: %s is too long for a socket",
                       layout->control);
    fill_address(layout, &address);
    fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_errno(err, errno, "a socket cannot be made");
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        int why = errno;

        close(fd);
        if (why == EACCES || why == EPERM)
            return err_set(err, ERR_StateDirectory,
                           "the stack in %s is another user's: permission denied", layout->root);
        return err_set(err, ERR_StackDown, "no stack is up in %s", layout->root);
    }
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    *out = fd;
    return 0;
}

int control_ask(int fd, const char *request, json_t **out, struct err *err)
{
    char *text = memory_or_die(CONTROL_MESSAGE_MAX);
    const char *refusal;
    json_error_t why;
    json_t *answer = NULL;
    ssize_t size = send(fd, request, strlen(request), MSG_NOSIGNAL);

    while (size >= 0 && (size = recv(fd, text, CONTROL_MESSAGE_MAX - 1, 0)) < 0 && errno == EINTR)
        size = 0;
    if (size > 0)
        answer = json_loadb(text, (size_t)size, 0, &why);
    free(text);
    if (size < 0 && errno == EAGAIN)
        return err_set(err, ERR_TimedOut, "the supervisor of the stack does not answer");
    if (!answer)
        return err_set(err, ERR_StackDown, "the stack has just ended");
    refusal = json_string_value(json_object_get(answer, "error"));
    if (refusal) {
        err_set(err, ERR_Usage, "%s", refusal);
        json_decref(answer);
        return -1;
    }
    *out = answer;
    return 0;
}

bool control_wait_closed(int fd, s64 timeout_ms)
{
    s64 until = clock_monotonic_ms() + timeout_ms;
    char drop[4096];

    for (;;) {
        struct pollfd waiting = {.fd = fd, .events = POLLIN};
        s64 left = until - clock_monotonic_ms();
        int ready = left <= 0 ? 0 : poll(&waiting, 1, (int)left);
        ssize_t size;

        if (ready == 0)
            return false;
        size = ready < 0 ? -1 : recv(fd, drop, sizeof drop, MSG_DONTWAIT);
        if (size == 0 || (size < 0 && ready > 0 && errno != EAGAIN && errno != EINTR))
            return true;
        if (ready < 0)
            return false; /* a signal: the caller looks which */
    }
}
