/* redis.h: a small, blocking layer over hiredis, for actors and the command. Commands are collected
 * and sent together (a pipeline); their replies are read by redis_flush or redis_ask. Time-outs are
 * set on every connection.
 *
 * hiredis writes without MSG_NOSIGNAL: redis_connect blocks SIGPIPE in the calling thread, and the
 * connection is to be used in that thread. */
#ifndef SYNCLINE_IO_REDIS_H
#define SYNCLINE_IO_REDIS_H

#include "base/err.h"
#include "base/types.h"

#include <hiredis/hiredis.h>

struct redis;

/* redis://[[user]:password@]host[:port][/database] or unix://[[user]:password@]/path[?db=n]; parts
 * are percent-decoded. RedisUnavailable, Configuration. */
int redis_connect(const char *url, struct redis **out, struct err *err);
void redis_destroy(struct redis **redis);
/* False after an error that ended the connection: destroy it and connect again. */
bool redis_is_alive(const struct redis *redis);

/* Adds a command of text words; ends with NULL. */
void redis_add(struct redis *redis, ...) __attribute__((sentinel));
/* The same for commands of any length: begin, word …, end. */
void redis_begin(struct redis *redis, const char *command);
void redis_word(struct redis *redis, const char *word);
void redis_number(struct redis *redis, s64 number);
void redis_end(struct redis *redis);

/* Sends what was added and reads all replies. -1 with RedisUnavailable if the connection ended, or
 * (with its text) if Redis refused a command: out of memory, loading, read-only … */
int redis_flush(struct redis *redis, struct err *err);
/* The same, and gives the reply of the last command: freeReplyObject. */
int redis_ask(struct redis *redis, redisReply **out, struct err *err);

#endif
