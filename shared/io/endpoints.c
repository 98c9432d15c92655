/* endpoints.c: which sockets a list of endpoints stands for now (bus_endpoints of bus.h).
 *
 * Patterns of ipc paths and names of hosts are what lets planners come and go without a registry.
 * It may block as long as the resolver does, so a loop leaves it to a thread. */
#include "io/bus.h"

#include <glob.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>

struct list {
    char **names;
    u32 count;
};

static void add(struct list *list, const char *name)
{
    list->names = memory_resize_or_die(list->names, (list->count + 1) * sizeof *list->names);
    list->names[list->count++] = text_copy(name);
}

static void release(struct list *list)
{
    for (u32 i = 0; i < list->count; i++)
        free(list->names[i]);
    free(list->names);
}

static int expand_ipc(const char *entry, struct list *list, struct err *err)
{
    glob_t matches = {0};
    int rc;

    if (entry[6] != '/')
        return err_set(err, ERR_Configuration, "endpoint %s: the path must be absolute", entry);
    if (!strpbrk(entry, "*?[")) {
        add(list, entry);
        return 0;
    }
    rc = glob(entry + 6, GLOB_NOSORT, NULL, &matches);
    for (size_t i = 0; rc == 0 && i < matches.gl_pathc; i++) {
        struct stat status;
        struct buf endpoint = {0};

        if (stat(matches.gl_pathv[i], &status) < 0 || !S_ISSOCK(status.st_mode))
            continue;
        buf_printf(&endpoint, "ipc://%s", matches.gl_pathv[i]);
        add(list, buf_text(&endpoint));
        buf_release(&endpoint);
    }
    globfree(&matches);
    return 0;
}

static void add_address(struct list *list, const struct addrinfo *address, const char *port)
{
    char host[NI_MAXHOST];
    struct buf endpoint = {0};

    if (getnameinfo(address->ai_addr, address->ai_addrlen, host, sizeof host, NULL, 0,
                    NI_NUMERICHOST) != 0)
        return;
    buf_printf(&endpoint, address->ai_family == AF_INET6 ? "tcp://[%s]:%s" : "tcp://%s:%s", host,
               port);
    add(list, buf_text(&endpoint));
    buf_release(&endpoint);
}

/* Splits "HOST:PORT" or "[HOST]:PORT"; the parts are freed by the caller. */
static int split_address(const char *entry, char **host, char **port, struct err *err)
{
    const char *at = entry + 6, *colon = strrchr(at, ':');
    size_t size;
    char *end;
    long number = colon ? strtol(colon + 1, &end, 10) : 0;

    if (!colon || colon == at || number < 1 || number > 65535 || *end)
        return err_set(err, ERR_Configuration, "endpoint %s is not tcp://HOST:PORT", entry);
    size = (size_t)(colon - at);
    if (at[0] == '[' && size > 2 && at[size - 1] == ']') {
        at++;
        size -= 2;
    }
    *host = text_of_bytes(bytes_of(at, size));
    *port = text_copy(colon + 1);
    return 0;
}

static int expand_tcp(const char *entry, struct list *list, struct err *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};
    struct addrinfo *addresses = NULL;
    char *host = NULL, *port = NULL;
    int rc;

    if (split_address(entry, &host, &port, err) < 0)
        return -1;
    rc = getaddrinfo(host, port, &hints, &addresses);
    hints.ai_flags = 0;
    /* one family at a time: a planner with an address of each would be taken for two */
    hints.ai_family = AF_INET;
    if (rc != 0)
        rc = getaddrinfo(host, port, &hints, &addresses);
    hints.ai_family = AF_INET6;
    if (rc != 0)
        rc = getaddrinfo(host, port, &hints, &addresses);
    /* a name that does not resolve stands for nothing now: its service may be scaled to none */
    for (struct addrinfo *address = rc == 0 ? addresses : NULL; address; address = address->ai_next)
        add_address(list, address, port);
    if (rc == 0)
        freeaddrinfo(addresses);
    free(host);
    free(port);
    return 0;
}

static int expand(const char *entry, struct list *list, struct err *err)
{
    if (strncmp(entry, "ipc://", 6) == 0)
        return expand_ipc(entry, list, err);
    if (strncmp(entry, "tcp://", 6) == 0)
        return expand_tcp(entry, list, err);
    return err_set(err, ERR_Configuration, "endpoint %s is neither ipc://PATH nor tcp://HOST:PORT",
                   entry);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* One allocation: the pointers, then the texts. */
static char **pack(struct list *list, u32 *count)
{
    size_t size = 0, at;
    char **packed;

    *count = 0;
    if (list->count > 1)
        qsort(list->names, list->count, sizeof *list->names, by_name);
    for (u32 i = 0; i < list->count; i++)
        size += sizeof(char *) + strlen(list->names[i]) + 1;
    packed = memory_or_die(size);
    at = list->count * sizeof(char *);
    for (u32 i = 0; i < list->count; i++) {
        size_t length = strlen(list->names[i]) + 1;

        if (*count > 0 && strcmp(packed[*count - 1], list->names[i]) == 0)
            continue;
        packed[*count] = (char *)packed + at;
        memcpy(packed[(*count)++], list->names[i], length);
        at += length;
    }
    return packed;
}

int bus_endpoints(const char *text, char ***out, u32 *count, struct err *err)
{
    struct list list = {0};
    char *copy = text_copy(text), *rest = copy, *entry;
    int rc = 0;

    *out = NULL;
    *count = 0;
    while (rc == 0 && (entry = strsep(&rest, ",")) != NULL) {
        entry += strspn(entry, " \t\n");
        entry[strcspn(entry, " \t\n")] = '\0';
        if (entry[0])
            rc = expand(entry, &list, err);
    }
    if (rc == 0)
        *out = pack(&list, count);
    release(&list);
    free(copy);
    return rc;
}
