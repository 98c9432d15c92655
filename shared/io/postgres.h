/* postgres.h: a thin, blocking layer over libpq, for actors and the command. Parameters only, never
 * SQL put together from values. Statement and idle time-outs are set on every connection. */
#ifndef SYNCLINE_IO_POSTGRES_H
#define SYNCLINE_IO_POSTGRES_H

#include "base/buf.h"
#include "base/err.h"
#include "base/types.h"

#include <libpq-fe.h>

struct postgres;

/* Advisory locks of Syncline are (this class, key): key = id of a planner, held by its session
 * while it lives; 0 while destinations are claimed; -1 while migrations are applied; -2 while
 * definitions are written. */
#define ADVISORY_CLASS "1398362188"

/* PostgresUnavailable if it cannot be reached, Configuration if the URL is none. `application`
 * names the session in pg_stat_activity. */
int postgres_connect(const char *url, const char *application, struct postgres **out,
                     struct err *err);
void postgres_destroy(struct postgres **postgres);
PGconn *postgres_raw(struct postgres *postgres);
/* False after an error that ended the connection: destroy it and connect again. */
bool postgres_is_alive(const struct postgres *postgres);
int postgres_fd(const struct postgres *postgres);

/* One parameter, in text or (binary) in network byte order. */
struct parameter {
    const char *text;    /* NUL-terminated; NULL and no binary = SQL NULL */
    struct bytes binary; /* used if data is not NULL: a bytea */
    char number[24];
};
struct parameter parameter_text(const char *text);
struct parameter parameter_s64(s64 value);
struct parameter parameter_bytes(struct bytes bytes);
struct parameter parameter_null(void);

/* Runs one statement. *result is given (PQclear) on success if not NULL, and checked to be what was
 * expected. Failure: PostgresUnavailable (the connection is gone, or the server could not do it
 * now: roll back and try again), or PostgresRefused with the SQLSTATE in postgres_sqlstate(). */
int postgres_query(struct postgres *postgres, const char *sql, const struct parameter *parameters,
                   int count, PGresult **result, struct err *err);
/* No parameters, may hold several statements; for BEGIN, COMMIT, migrations. */
int postgres_run(struct postgres *postgres, const char *sql, struct err *err);
const char *postgres_sqlstate(const struct postgres *postgres);

/* COPY … FROM STDIN (FORMAT binary). `fill` appends the next tuples, made by copy_*, without header
 * and trailer: about COPY_CHUNK of them, so that what is copied is never in memory as a whole;
 * false: those were the last. */
#define COPY_CHUNK (256u << 10)
typedef bool copy_fill_fn(void *context, struct buf *tuples);
int postgres_copy(struct postgres *postgres, const char *sql, copy_fill_fn *fill, void *context,
                  struct err *err);
void copy_row(struct buf *rows, u16 columns);
void copy_null(struct buf *rows);
void copy_s64(struct buf *rows, s64 value);
void copy_s32(struct buf *rows, s32 value);
void copy_bytes(struct buf *rows, struct bytes bytes); /* bytea, text, uuid, enum names */

/* Waits for a NOTIFY up to timeout_ms: 1 and its channel and payload (owned by the caller, one
 * allocation each), 0 on time-out, -1. */
int postgres_wait_notify(struct postgres *postgres, s64 timeout_ms, char **channel, char **payload,
                         struct err *err);

/* Reading results. */
s64 result_s64(const PGresult *result, int row, int column);          /* 0 for NULL */
const char *result_text(const PGresult *result, int row, int column); /* "" for NULL; borrowed */
/* A bytea in text format, decoded and appended to `out`. */
void result_bytes(const PGresult *result, int row, int column, struct buf *out);

#endif
