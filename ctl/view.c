/* view.c: see view.h. hiredis, blocking, with a short time-out: a Redis that hangs must not hang a
 * wait. */
#include "ctl/view.h"

#include "base/buf.h"
#include "schema/keys.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>

#define TIMEOUT_MS 500

struct view {
    redisContext *redis;
};

/* redis://[[user]:password@]host[:port][/db], taken apart in a copy. */
struct address {
    char *text;
    const char *password, *host;
    int port, database;
};

static int parse(const char *url, struct address *out, struct err *err)
{
    static const char prefix[] = "redis://";
    char *at, *colon, *slash;

    *out = (struct address){.port = 6379};
    if (strncmp(url, prefix, sizeof prefix - 1) != 0)
        return err_set(err, ERR_Configuration,
                       "SYNCLINE_REDIS_URL should look like redis://host:port/db or "
                       "unix:///path");
    out->text = text_copy(url + sizeof prefix - 1);
    out->host = out->text;
    at = strrchr(out->text, '@');
    if (at) {
        *at = '\0';
        colon = strchr(out->text, ':');
        out->password = colon ? colon + 1 : out->text;
        out->host = at + 1;
    }
    slash = strchr(out->host, '/');
    if (slash) {
        *slash = '\0';
        out->database = atoi(slash + 1);
    }
    colon = strrchr(out->host, ':');
    if (colon) {
        *colon = '\0';
        out->port = atoi(colon + 1);
    }
    if (!out->host[0])
        out->host = "127.0.0.1";
    return 0;
}

static bool is_ok(redisReply *reply)
{
    bool ok = reply && reply->type != REDIS_REPLY_ERROR;

    freeReplyObject(reply);
    return ok;
}

static int open_tcp(const char *url, struct timeval timeout, redisContext **out, struct err *err)
{
    struct address address;
    bool ok;

    if (parse(url, &address, err) < 0)
        return -1;
    *out = redisConnectWithTimeout(address.host, address.port, timeout);
    ok = *out && !(*out)->err;
    if (ok && address.password && address.password[0])
        ok = is_ok(redisCommand(*out, "AUTH %s", address.password));
    if (ok && address.database)
        ok = is_ok(redisCommand(*out, "SELECT %d", address.database));
    free(address.text);
    return ok ? 0
              : err_set(err, ERR_RedisUnavailable, "Redis cannot be reached or refuses the login");
}

int view_open(const char *url, struct view **out, struct err *err)
{
    static const char prefix[] = "unix://";
    struct timeval timeout = {.tv_sec = 0, .tv_usec = TIMEOUT_MS * 1000};
    redisContext *redis = NULL;
    int result = 0;

    *out = NULL;
    if (strncmp(url, prefix, sizeof prefix - 1) == 0) {
        redis = redisConnectUnixWithTimeout(url + sizeof prefix - 1, timeout);
        if (!redis || redis->err)
            result = err_set(err, ERR_RedisUnavailable, "Redis cannot be reached at %s", url);
    } else {
        result = open_tcp(url, timeout, &redis, err);
    }
    if (result < 0) {
        if (redis)
            redisFree(redis);
        return -1;
    }
    redisSetTimeout(redis, timeout);
    *out = memory_or_die(sizeof **out);
    (*out)->redis = redis;
    return 0;
}

void view_close(struct view **view)
{
    if (!*view)
        return;
    redisFree((*view)->redis);
    free(*view);
    *view = NULL;
}

bool view_is_alive(const struct view *view)
{
    return view->redis->err == 0;
}

/* The value of a field of a hash; NULL if it is not there. */
static const char *field(const redisReply *hash, const char *name)
{
    for (size_t i = 0; i + 1 < hash->elements; i += 2)
        if (hash->element[i]->str && strcmp(hash->element[i]->str, name) == 0)
            return hash->element[i + 1]->str;
    return NULL;
}

static redisReply *read_hash(struct view *view, const char *prefix, const char *name)
{
    redisReply *reply = redisCommand(view->redis, "HGETALL %s%s", prefix, name);

    if (reply && (reply->type != REDIS_REPLY_ARRAY || reply->elements == 0)) {
        freeReplyObject(reply);
        return NULL;
    }
    return reply;
}

bool view_job(struct view *view, const char *name, enum phase *phase, bool *scan_complete,
              struct counters *counters, char *waiting_for, size_t size)
{
    redisReply *hash = read_hash(view, KEY_JOB, name);
    const char *text;

    if (!hash)
        return false;
    text = field(hash, "phase");
    *phase = text ? phase_by_name(text) : 0;
    text = field(hash, "scan_complete");
    *scan_complete = text && (text[0] == '1' || text[0] == 't');
    text = field(hash, "waiting_for");
    snprintf(waiting_for, size, "%s", text ? text : "");
    for (u32 i = 0; i < COUNTER_COUNT; i++) {
        text = field(hash, counter_name(i));
        counters->value[i] = text ? strtoll(text, NULL, 10) : 0;
    }
    freeReplyObject(hash);
    return *phase != 0;
}

static json_t *worker_json(const redisReply *hash, const char *id)
{
    static const char *const numbers[] = {"pid", "lanes", "busy", "done", "bytes"};
    json_t *worker = json_object();

    json_object_set_new(worker, "id", json_string(id));
    for (size_t i = 0; i + 1 < hash->elements; i += 2) {
        const char *name = hash->element[i]->str, *value = hash->element[i + 1]->str;
        bool number = false;

        for (size_t k = 0; k < COUNT_OF(numbers); k++)
            number = number || strcmp(name, numbers[k]) == 0;
        json_object_set_new(worker, name,
                            number ? json_integer(strtoll(value, NULL, 10)) : json_string(value));
    }
    return worker;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

json_t *view_workers(struct view *view, struct err *err)
{
    redisReply *set = redisCommand(view->redis, "SMEMBERS " KEY_WORKERS);
    json_t *workers = json_array();
    char **ids;

    if (!set || set->type != REDIS_REPLY_ARRAY) {
        freeReplyObject(set);
        json_decref(workers);
        err_set(err, ERR_RedisUnavailable, "Redis does not answer");
        return NULL;
    }
    ids = memory_or_die((set->elements + 1) * sizeof *ids);
    for (size_t i = 0; i < set->elements; i++)
        ids[i] = set->element[i]->str;
    qsort(ids, set->elements, sizeof *ids, by_text);
    for (size_t i = 0; i < set->elements; i++) {
        /* a worker that is gone has no hash any more, but is in the set until the planner takes it
         * out */
        redisReply *hash = read_hash(view, KEY_WORKER, ids[i]);

        if (hash)
            json_array_append_new(workers, worker_json(hash, ids[i]));
        freeReplyObject(hash);
    }
    free(ids);
    freeReplyObject(set);
    return workers;
}

static json_t *batch_json(struct view *view, const char *member, const char *number)
{
    redisReply *hash = read_hash(view, KEY_BATCH, member);
    json_t *batch;

    if (!hash)
        return NULL;
    batch = json_pack("{s:s}", "batch", number);
    for (size_t i = 0; i + 1 < hash->elements; i += 2)
        json_object_set_new(batch, hash->element[i]->str, json_string(hash->element[i + 1]->str));
    freeReplyObject(hash);
    return batch;
}

json_t *view_batches(struct view *view, const char *job, u32 limit)
{
    redisReply *leases = redisCommand(view->redis, "ZRANGE " KEY_LEASES " 0 -1");
    json_t *batches = json_array();
    size_t length = strlen(job);

    for (size_t i = 0; leases && leases->type == REDIS_REPLY_ARRAY && i < leases->elements; i++) {
        const char *member = leases->element[i]->str;
        json_t *batch;

        if (strncmp(member, job, length) != 0 || member[length] != ':' ||
            json_array_size(batches) >= limit)
            continue;
        batch = batch_json(view, member, member + length + 1);
        if (batch)
            json_array_append_new(batches, batch);
    }
    freeReplyObject(leases);
    return batches;
}
