/* redis.c: the private Redis: a Unix socket only, append-only, and never an eviction: a view that
 * forgets parts of itself would be worse than one that is full and says so. */
#include "stack/services.h"

#include "base/buf.h"
#include "stack/paths.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>

#define PING_MS 1000

static const char settings[] =
    "# Written by Syncline at each start of the embedded stack: changes here are lost.\n"
    "port 0\n"
    "unixsocketperm 777\n" /* the directory decides */
    "daemonize no\n"
    "supervised no\n"
    "save \"\"\n"
    "appendonly yes\n"
    "appendfsync everysec\n"
    "aof-load-truncated yes\n"
    "maxmemory-policy noeviction\n"
    "logfile \"\"\n";

static void append_setting(struct buf *out, const char *name, const char *value)
{
    buf_printf(out, "%s \"", name);
    for (const char *at = value; *at; at++)
        buf_printf(out, "%s%c", *at == '"' || *at == '\\' ? "\\" : "", *at);
    buf_append_text(out, "\"\n");
}

static char *socket_path(const struct layout *layout)
{
    return path_below(layout->run, "redis.sock");
}

int redis_prepare(const struct layout *layout, struct err *err)
{
    char *conf = path_below(layout->conf, "redis.conf");
    char *path = socket_path(layout);
    struct buf text = {0};
    int result;

    buf_append_text(&text, settings);
    append_setting(&text, "unixsocket", path);
    append_setting(&text, "dir", layout->redis);
    result = layout_write(layout, conf, buf_text(&text), 0640, true, err);
    buf_release(&text);
    free(path);
    free(conf);
    return result;
}

char **redis_argv(const struct layout *layout)
{
    char **argv = memory_or_die(3 * sizeof *argv);

    argv[0] = text_copy("redis-server");
    argv[1] = path_below(layout->conf, "redis.conf");
    return argv;
}

char *redis_url(const struct layout *layout)
{
    char *path = socket_path(layout);
    struct buf out = {0};

    buf_printf(&out, "unix://%s", path);
    free(path);
    buf_text(&out);
    return (char *)out.data;
}

int redis_ping(const struct layout *layout, struct err *err)
{
    struct timeval timeout = {.tv_usec = 0, .tv_sec = PING_MS / 1000};
    char *path = socket_path(layout);
    redisContext *redis = redisConnectUnixWithTimeout(path, timeout);
    redisReply *reply = NULL;
    int result = 0;

    if (redis && !redis->err) {
        redisSetTimeout(redis, timeout);
        reply = redisCommand(redis, "PING");
    }
    /* while it loads its file it answers with an error */
    if (!reply || reply->type == REDIS_REPLY_ERROR)
        result = err_set(err, ERR_RedisUnavailable, "Redis at %s does not answer: %s", path,
                         reply   ? reply->str
                         : redis ? redis->errstr
                                 : "out of memory");
    freeReplyObject(reply);
    if (redis)
        redisFree(redis);
    free(path);
    return result;
}
