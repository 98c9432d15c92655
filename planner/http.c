/* http.c: see http.h. libmicrohttpd does the protocol; the socket is made here, as it may be one of
 * a path. Who can connect can read: the address decides that, or a proxy in front of it.
 *
 * Its time-out is about silence: a client that sends a byte now and then holds its connection as
 * long as it likes. So there is always room for one more: the oldest connection goes for it. */
#include "planner/http.h"

#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define CONNECTIONS_MAX 16u
#define CONNECTIONS_ENDING                                                                         \
    16u /* beside them: those that went for others, until their thread ended */
#define TIMEOUT_S 5u
#define MEMORY_BYTES                                                                               \
    ((size_t)32 << 10) /* of a connection: a request that needs more is refused                    \
                        */
#define BACKLOG 16

struct http {
    struct MHD_Daemon *daemon;
    char *path; /* of the socket; NULL: none */
    http_page *page;
    void *context;
    pthread_mutex_t mutex;
    int open[CONNECTIONS_MAX]; /* sockets, the oldest first */
    u32 count;
};

/* ---- the socket ---- */

static int listen_unix(const char *path, int *out, struct err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat there;

    if (strlen(path) >= sizeof address.sun_path)
        return err_set(err, ERR_Configuration, "unix:%s: the path is longer than %zu bytes", path,
                       sizeof address.sun_path - 1);
    strcpy(address.sun_path, path);
    /* what a planner that was killed left behind */
    if (lstat(path, &there) == 0 && S_ISSOCK(there.st_mode))
        unlink(path);
    *out = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (*out < 0 || bind(*out, (struct sockaddr *)&address, sizeof address) < 0 ||
        listen(*out, BACKLOG) < 0)
        return err_errno(err, errno, "listen at unix:%s", path);
    return 0;
}

/* The parts of HOST:PORT or [HOST]:PORT. */
static void split_host(const char *text, char **host, char **port)
{
    const char *colon = strrchr(text, ':');
    size_t size = (size_t)(colon - text);

    if (size >= 2 && text[0] == '[' && text[size - 1] == ']') {
        text++;
        size -= 2;
    }
    *host = text_of_bytes(bytes_of(text, size));
    *port = text_copy(colon + 1);
}

static int listen_at(const struct addrinfo *at, int *out)
{
    int one = 1;

    *out = socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, at->ai_protocol);
    if (*out < 0)
        return -1;
    if (setsockopt(*out, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0 &&
        bind(*out, at->ai_addr, at->ai_addrlen) == 0 && listen(*out, BACKLOG) == 0)
        return 0;
    one = errno;
    close(*out);
    *out = -1;
    errno = one;
    return -1;
}

static int listen_tcp(const char *text, int *out, struct err *err)
{
    const struct addrinfo wanted = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found = NULL;
    char *host, *port;
    int rc;

    split_host(text, &host, &port);
    rc = getaddrinfo(strcmp(host, "*") == 0 ? NULL : host, port, &wanted, &found);
    free(host);
    free(port);
    if (rc != 0)
        return err_set(err, ERR_Configuration, "tcp://%s: %s", text, gai_strerror(rc));
    rc = -1;
    for (const struct addrinfo *at = found; at && rc < 0; at = at->ai_next)
        rc = listen_at(at, out);
    if (rc < 0)
        err_errno(err, errno, "listen at tcp://%s", text);
    freeaddrinfo(found);
    return rc;
}

/* ---- answers ---- */

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status, const char *type,
                              struct bytes body)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(
        body.size, (void *)(uintptr_t)body.data, MHD_RESPMEM_MUST_COPY);
    enum MHD_Result result;

    if (!response)
        return MHD_NO;
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
        MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

/* Called once when the header is there, and, for what may be answered, again when all is. */
static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **state)
{
    static char seen;
    const struct http *http = context;
    const char *type = "text/plain; charset=utf-8";
    struct buf body = {0};
    enum MHD_Result result;
    unsigned status;

    (void)version;
    (void)upload;
    (void)upload_size;
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
        return answer(connection, MHD_HTTP_METHOD_NOT_ALLOWED, type,
                      bytes_text("only GET and HEAD\n"));
    if (!*state) {
        *state = &seen;
        return MHD_YES;
    }
    status = http->page(http->context, url, &body, &type);
    if (status == 0) {
        status = MHD_HTTP_NOT_FOUND;
        buf_append_text(&body, "there are /metrics, /healthz and /readyz\n");
    }
    result = answer(connection, status, type, buf_bytes(&body));
    buf_release(&body);
    return result;
}

/* ---- room for one more ---- */

static void forget(struct http *http, u32 index)
{
    http->count--;
    memmove(http->open + index, http->open + index + 1, (http->count - index) * sizeof *http->open);
}

/* A connection is told to be closed before its socket is, so that a number here is never another's.
 */
static void on_connection(void *context, struct MHD_Connection *connection, void **ignored,
                          enum MHD_ConnectionNotificationCode code)
{
    struct http *http = context;
    int fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;

    (void)ignored;
    pthread_mutex_lock(&http->mutex);
    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        for (u32 i = 0; i < http->count; i++)
            if (http->open[i] == fd)
                forget(http, i);
    } else {
        if (http->count == CONNECTIONS_MAX) {
            shutdown(http->open[0], SHUT_RDWR);
            forget(http, 0);
        }
        http->open[http->count++] = fd;
    }
    pthread_mutex_unlock(&http->mutex);
}

/* ---- the server ---- */

static struct MHD_Daemon *start(struct http *http, int fd)
{
    return MHD_start_daemon(MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD |
                                MHD_USE_POLL | MHD_USE_ITC,
                            0, NULL, NULL, on_request, http, MHD_OPTION_LISTEN_SOCKET, fd,
                            MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX + CONNECTIONS_ENDING,
                            MHD_OPTION_NOTIFY_CONNECTION, on_connection, http,
                            MHD_OPTION_CONNECTION_TIMEOUT, TIMEOUT_S,
                            MHD_OPTION_CONNECTION_MEMORY_LIMIT, MEMORY_BYTES, MHD_OPTION_END);
}

static void destroy(struct http *http)
{
    if (http->path)
        unlink(http->path);
    free(http->path);
    pthread_mutex_destroy(&http->mutex);
    free(http);
}

int http_start(const char *address, http_page *page, void *context, struct http **out,
               struct err *err)
{
    bool is_path = strncmp(address, "unix:", 5) == 0;
    struct http *http;
    int fd = -1, rc;

    *out = NULL;
    rc = is_path ? listen_unix(address + 5, &fd, err) : listen_tcp(address + 6, &fd, err);
    if (rc < 0) {
        if (fd >= 0)
            close(fd);
        return -1;
    }
    http = memory_or_die(sizeof *http);
    http->path = is_path ? text_copy(address + 5) : NULL;
    http->page = page;
    http->context = context;
    pthread_mutex_init(&http->mutex, NULL);
    http->daemon = start(http, fd);
    if (http->daemon) {
        *out = http;
        return 0;
    }
    close(fd);
    destroy(http);
    return err_set(err, ERR_Internal, "the server at %s cannot be started", address);
}

void http_stop(struct http **http_address)
{
    struct http *http = *http_address;

    if (!http)
        return;
    MHD_stop_daemon(http->daemon);
    destroy(http);
    *http_address = NULL;
}
