/* redis.c: see redis.h. An error reply does not end the connection, and the replies behind it are
 * still read, so that the next command gets its own. */
#include "io/redis.h"

#include "base/buf.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define CONNECT_MS 1000
#define COMMAND_MS 2000
#define DEFAULT_PORT 6379

struct redis {
    redisContext *context;
    u32 pending;      /* commands whose reply was not read */
    struct buf words; /* of the command that is being made, each with a NUL */
    u32 word_count;
};

/* ---- the address ---- */

struct address {
    char *copy; /* what the others point into */
    bool socket;
    char *user, *password; /* NULL = none */
    char *host;            /* or the path of the socket */
    int port;
    int database;
};

static int hex_value(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    digit |= 0x20;
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

static void percent_decode(char *text)
{
    char *to = text;

    if (!text)
        return;
    for (; *text; text++) {
        int high = text[0] == '%' ? hex_value(text[1]) : -1;
        int low = high >= 0 ? hex_value(text[2]) : -1;

        if (low < 0) {
            *to++ = *text;
            continue;
        }
        *to++ = (char)(high << 4 | low);
        text += 2;
    }
    *to = '\0';
}

/* A whole number from 0 to `most`, or -1. */
static int parse_number(const char *text, long most)
{
    char *end;
    long number = strtol(text, &end, 10);

    return text[0] && !*end && number >= 0 && number <= most ? (int)number : -1;
}

static void parse_login(struct address *out)
{
    /* the path of a socket may hold an @ itself */
    char *at = out->socket && out->host[0] == '/' ? NULL : strrchr(out->host, '@');
    char *colon;

    if (!at)
        return;
    *at = '\0';
    colon = strchr(out->host, ':');
    out->password = colon ? colon + 1 : out->host;
    if (colon) {
        *colon = '\0';
        out->user = out->host[0] ? out->host : NULL;
    }
    out->host = at + 1;
}

static void parse_socket(struct address *out)
{
    char *query = strchr(out->host, '?');

    if (!query)
        return;
    *query++ = '\0';
    out->database = strncmp(query, "db=", 3) == 0 ? parse_number(query + 3, 1000000) : -1;
}

static void parse_host(struct address *out)
{
    char *slash = strchr(out->host, '/');
    char *colon;

    out->port = DEFAULT_PORT;
    if (slash) {
        *slash = '\0';
        out->database = slash[1] ? parse_number(slash + 1, 1000000) : 0;
    }
    /* [::1]:6379 */
    colon = strrchr(out->host, ':');
    if (colon && !strchr(colon, ']')) {
        *colon = '\0';
        out->port = parse_number(colon + 1, 65535);
    }
    if (out->host[0] == '[' && out->host[strlen(out->host) - 1] == ']') {
        out->host[strlen(out->host) - 1] = '\0';
        out->host++;
    }
    if (!out->host[0])
        out->host = "127.0.0.1";
}

static int address_parse(const char *url, struct address *out, struct err *err)
{
    static const char unix_scheme[] = "unix://", tcp_scheme[] = "redis://";

    memset(out, 0, sizeof *out);
    out->socket = strncmp(url, unix_scheme, sizeof unix_scheme - 1) == 0;
    if (out->socket || strncmp(url, tcp_scheme, sizeof tcp_scheme - 1) == 0) {
        out->copy = text_copy(url + (out->socket ? sizeof unix_scheme : sizeof tcp_scheme) - 1);
        out->host = out->copy;
        parse_login(out);
        if (out->socket)
            parse_socket(out);
        else
            parse_host(out);
        percent_decode(out->user);
        percent_decode(out->password);
        if (out->socket)
            percent_decode(out->host);
        if (out->port >= 0 && out->database >= 0 && (!out->socket || out->host[0] == '/'))
            return 0;
        free(out->copy);
        out->copy = NULL;
    }
    /* without the URL: it may hold a password */
    return err_set(err, ERR_Configuration,
                   "the Redis URL cannot be read; it should look like "
                   "redis://:PASSWORD@HOST:6379/0 or unix:///PATH");
}

/* ---- the connection ---- */

static int context_error(const struct redis *redis, struct err *err)
{
    const redisContext *context = redis->context;

    return err_set(err, ERR_RedisUnavailable, "Redis: %s",
                   context && context->errstr[0] ? context->errstr : "the connection was lost");
}

static struct timeval timeval_ms(int ms)
{
    return (struct timeval){.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
}

static int log_in(struct redis *redis, const struct address *address, struct err *err)
{
    char database[16];

    if (address->password && address->user)
        redis_add(redis, "AUTH", address->user, address->password, NULL);
    else if (address->password)
        redis_add(redis, "AUTH", address->password, NULL);
    snprintf(database, sizeof database, "%d", address->database);
    if (address->database)
        redis_add(redis, "SELECT", database, NULL);
    redis_add(redis, "PING", NULL); /* says NOAUTH where a password is missing */
    return redis_flush(redis, err);
}

int redis_connect(const char *url, struct redis **out, struct err *err)
{
    struct address address;
    struct redis *redis;
    sigset_t pipe_signal;

    *out = NULL;
    if (address_parse(url, &address, err) < 0)
        return -1;
    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_signal, NULL);
    redis = memory_or_die(sizeof *redis);
    redis->context =
        address.socket
            ? redisConnectUnixWithTimeout(address.host, timeval_ms(CONNECT_MS))
            : redisConnectWithTimeout(address.host, address.port, timeval_ms(CONNECT_MS));
    if (!redis->context || redis->context->err ||
        redisSetTimeout(redis->context, timeval_ms(COMMAND_MS)) != REDIS_OK) {
        context_error(redis, err);
        redis_destroy(&redis);
    } else if (log_in(redis, &address, err) < 0) {
        redis_destroy(&redis);
    }
    free(address.copy);
    *out = redis;
    return redis ? 0 : -1;
}

void redis_destroy(struct redis **redis)
{
    if (!*redis)
        return;
    if ((*redis)->context)
        redisFree((*redis)->context);
    buf_release(&(*redis)->words);
    free(*redis);
    *redis = NULL;
}

bool redis_is_alive(const struct redis *redis)
{
    return redis->context->err == 0;
}

/* ---- commands ---- */

void redis_begin(struct redis *redis, const char *command)
{
    buf_clear(&redis->words);
    redis->word_count = 0;
    redis_word(redis, command);
}

void redis_word(struct redis *redis, const char *word)
{
    buf_append(&redis->words, word, strlen(word) + 1);
    redis->word_count++;
}

void redis_number(struct redis *redis, s64 number)
{
    char text[24];

    snprintf(text, sizeof text, "%lld", (long long)number);
    redis_word(redis, text);
}

void redis_end(struct redis *redis)
{
    const char **words = memory_or_die(redis->word_count * sizeof *words);
    const char *at = (const char *)redis->words.data;

    for (u32 i = 0; i < redis->word_count; i++) {
        words[i] = at;
        at += strlen(at) + 1;
    }
    if (redisAppendCommandArgv(redis->context, (int)redis->word_count, words, NULL) == REDIS_OK)
        redis->pending++;
    free(words);
}

void redis_add(struct redis *redis, ...)
{
    va_list words;
    const char *word;

    va_start(words, redis);
    redis_begin(redis, va_arg(words, const char *));
    while ((word = va_arg(words, const char *)) != NULL)
        redis_word(redis, word);
    va_end(words);
    redis_end(redis);
}

/* Reads all replies; the last one goes to *last. The first refusal is the error. */
static int read_replies(struct redis *redis, redisReply **last, struct err *err)
{
    int rc = 0;

    *last = NULL;
    while (redis->pending > 0) {
        void *reply = NULL;

        freeReplyObject(*last);
        *last = NULL;
        if (redisGetReply(redis->context, &reply) != REDIS_OK) {
            redis->pending = 0;
            return context_error(redis, err);
        }
        redis->pending--;
        *last = reply;
        if (rc == 0 && (*last)->type == REDIS_REPLY_ERROR)
            rc = err_set(err, ERR_RedisUnavailable, "Redis: %s", (*last)->str);
    }
    return rc;
}

int redis_ask(struct redis *redis, redisReply **out, struct err *err)
{
    int rc = read_replies(redis, out, err);

    if (rc == 0 && !*out)
        rc = context_error(redis, err); /* the command could not even be added */
    if (rc < 0) {
        freeReplyObject(*out);
        *out = NULL;
    }
    return rc;
}

int redis_flush(struct redis *redis, struct err *err)
{
    redisReply *last;
    int rc = read_replies(redis, &last, err);

    freeReplyObject(last);
    return rc;
}
