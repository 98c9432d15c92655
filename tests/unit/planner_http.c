/* Goal: who asks is answered, whoever else is connected, and a server that did not start leaves
 * nothing. Method: sockets of a path; clients that never finish; no descriptor left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "planner/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define SLOW 40 /* more than the server keeps, and more than it accepts at a time */

static char directory[64], address[96];
static const char *path;

static int make_directory(void **state)
{
    (void)state;
    strcpy(directory, "/tmp/syncline-http-XXXXXX");
    assert_non_null(mkdtemp(directory));
    snprintf(address, sizeof address, "unix:%s/http", directory);
    path = address + 5;
    return 0;
}

static int remove_directory(void **state)
{
    (void)state;
    return rmdir(directory);
}

static unsigned page(void *context, const char *name, struct buf *body, const char **type)
{
    (void)context;
    (void)type;
    buf_append_text(body, "fine\n");
    return strcmp(name, "/healthz") == 0 ? 200 : 0;
}

static int connect_or_fail(void)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    struct timeval patience = {.tv_sec = 3};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    strcpy(to.sun_path, path);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return fd;
}

static void send_text(int fd, const char *text)
{
    /* one that was closed to make room */
    (void)!send(fd, text, strlen(text), MSG_NOSIGNAL);
}

static bool is_answered(void)
{
    char answer[512] = "";
    size_t size = 0;
    ssize_t got;
    int fd = connect_or_fail();

    send_text(fd, "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    while ((got = recv(fd, answer + size, sizeof answer - 1 - size, 0)) > 0)
        size += (size_t)got;
    answer[size] = '\0';
    close(fd);
    return strncmp(answer, "HTTP/1.1 200", 12) == 0 && strstr(answer, "fine");
}

static void test_slow_clients(void **state)
{
    struct http *http;
    struct err err;
    int slow[SLOW];

    (void)state;
    assert_int_equal(http_start(address, page, NULL, &http, &err), 0);
    for (int i = 0; i < SLOW; i++) {
        slow[i] = connect_or_fail();
        send_text(slow[i], "GET /hea");
        if (i % 8 == 7)
            assert_true(is_answered());
    }
    for (int i = 0; i < SLOW; i++)
        send_text(slow[i], "l"); /* not silent, and not done either */
    assert_true(is_answered());
    for (int i = 0; i < SLOW; i++)
        close(slow[i]);
    assert_true(is_answered());
    http_stop(&http);
    assert_int_equal(access(path, F_OK), -1);
}

static void test_no_start(void **state)
{
    struct rlimit before, few;
    struct http *http;
    struct err err;
    int next = dup(0), rc;

    (void)state;
    close(next);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = before;
    few.rlim_cur = (rlim_t)next + 1; /* for the socket, and for nothing that the server needs */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    rc = http_start(address, page, NULL, &http, &err);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(rc, -1);
    assert_int_equal(err.code, ERR_Internal);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(http_start(address, page, NULL, &http, &err), 0);
    assert_true(is_answered());
    http_stop(&http);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slow_clients),
        cmocka_unit_test(test_no_start),
    };

    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
