/* postgres.c: see postgres.h. How: one PGconn per object, PQexecParams for everything that carries
 * a value, PQexec for fixed statements. An error is sorted here, once: what may pass by itself (the
 * server went away, is overloaded, cancelled us, or chose us as a deadlock's victim) is
 * PostgresUnavailable, all else is PostgresRefused. Texts are the server's primary message only:
 * its detail quotes values. */
#include "io/postgres.h"

#include "base/clock.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#define PARAMETERS_MAX 48
#define CONNECT_MS 3000

struct postgres {
    PGconn *connection;
    char sqlstate[6];
};

/* What holds on every session, whoever set up the server: no statement and no forgotten transaction
 * may block others for ever. */
static const char session_settings[] = "SET statement_timeout = '30s';"
                                       "SET idle_in_transaction_session_timeout = '60s';"
                                       "SET client_min_messages = warning;"
                                       "SET client_encoding = 'UTF8';"
                                       "SET bytea_output = 'hex';"
                                       "SET DateStyle = 'ISO';"
                                       "SET TimeZone = 'UTC'";

static void silence(void *context, const char *message)
{
    (void)context;
    (void)message;
}

/* SQLSTATE classes that say nothing about the statement: 08 connection, 40 rolled back, 53 out of
 * resources, 55P03 lock not available, 57 operator intervention and time-outs, 58 system error. */
static bool may_pass(const char *sqlstate)
{
    static const char *const classes[] = {"08", "40", "53", "55P03", "57", "58"};

    for (size_t i = 0; i < COUNT_OF(classes); i++)
        if (strncmp(sqlstate, classes[i], strlen(classes[i])) == 0)
            return true;
    return false;
}

static int connection_error(const struct postgres *postgres, struct err *err)
{
    const char *text = PQerrorMessage(postgres->connection);

    if (!text[0])
        text = "no answer";
    return err_set(err, ERR_PostgresUnavailable, "Postgres: %.*s", (int)strcspn(text, "\n"), text);
}

/* Turns a failed result (given) into an error. */
static int result_error(struct postgres *postgres, PGresult *result, struct err *err)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    bool alive = postgres_is_alive(postgres);

    snprintf(postgres->sqlstate, sizeof postgres->sqlstate, "%s", state ? state : "");
    if (!text)
        connection_error(postgres, err);
    else
        err_set(err, ERR_PostgresRefused, "Postgres: %s (SQLSTATE %s)", text, state ? state : "?");
    err->code = alive && state && !may_pass(state) ? ERR_PostgresRefused : ERR_PostgresUnavailable;
    PQclear(result);
    return -1;
}

/* Like PQconnectdb, but with a place for notices from the start, and a limit for all hosts
 * together. (Looking a host name up is not limited by it.) */
static bool finish_connecting(PGconn *connection)
{
    s64 end = clock_monotonic_ms() + CONNECT_MS;
    PostgresPollingStatusType state = PGRES_POLLING_WRITING;

    PQsetNoticeProcessor(connection, silence, NULL);
    while (PQstatus(connection) != CONNECTION_BAD && state != PGRES_POLLING_FAILED) {
        struct pollfd wait = {.fd = PQsocket(connection),
                              .events = state == PGRES_POLLING_READING ? POLLIN : POLLOUT};
        s64 left = end - clock_monotonic_ms();

        if (state == PGRES_POLLING_OK)
            return true;
        if (left <= 0)
            return false;
        if (poll(&wait, 1, (int)left) != 0)
            state = PQconnectPoll(connection);
    }
    return false;
}

int postgres_connect(const char *url, const char *application, struct postgres **out,
                     struct err *err)
{
    /* what stands before the URL is a default, what stands after it is fixed */
    const char *const keywords[] = {"keepalives_idle",
                                    "keepalives_interval",
                                    "keepalives_count",
                                    "tcp_user_timeout",
                                    "dbname",
                                    "application_name",
                                    NULL};
    const char *const values[] = {"5", "3", "3", "15000", url, application, NULL};
    PQconninfoOption *parsed = PQconninfoParse(url, NULL);
    struct postgres *postgres;

    *out = NULL;
    /* libpq's own message would quote the URL, and with it the password */
    if (!parsed)
        return err_set(err, ERR_Configuration,
                       "the database URL cannot be read; it should look like "
                       "postgresql://USER:PASSWORD@HOST:5432/DATABASE");
    PQconninfoFree(parsed);
    postgres = memory_or_die(sizeof *postgres);
    postgres->connection = PQconnectStartParams(keywords, values, 1);
    if (!postgres->connection || !finish_connecting(postgres->connection)) {
        connection_error(postgres, err);
        postgres_destroy(&postgres);
        return -1;
    }
    if (postgres_run(postgres, session_settings, err) < 0) {
        err->code = ERR_PostgresUnavailable;
        postgres_destroy(&postgres);
        return -1;
    }
    *out = postgres;
    return 0;
}

void postgres_destroy(struct postgres **postgres)
{
    if (!*postgres)
        return;
    PQfinish((*postgres)->connection);
    free(*postgres);
    *postgres = NULL;
}

PGconn *postgres_raw(struct postgres *postgres)
{
    return postgres->connection;
}

bool postgres_is_alive(const struct postgres *postgres)
{
    return PQstatus(postgres->connection) == CONNECTION_OK;
}

int postgres_fd(const struct postgres *postgres)
{
    return PQsocket(postgres->connection);
}

const char *postgres_sqlstate(const struct postgres *postgres)
{
    return postgres->sqlstate;
}

/* ---- statements ---- */

struct parameter parameter_text(const char *text)
{
    return (struct parameter){.text = text};
}

struct parameter parameter_s64(s64 value)
{
    struct parameter parameter = {0};

    snprintf(parameter.number, sizeof parameter.number, "%lld", (long long)value);
    return parameter;
}

struct parameter parameter_bytes(struct bytes bytes)
{
    /* an empty run may have no address, but is not NULL */
    return (struct parameter){.binary = bytes.data ? bytes : bytes_of("", 0)};
}

struct parameter parameter_null(void)
{
    return (struct parameter){0};
}

static int check_result(struct postgres *postgres, PGresult *result, PGresult **out,
                        struct err *err)
{
    ExecStatusType status = PQresultStatus(result);

    postgres->sqlstate[0] = '\0';
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
        return result_error(postgres, result, err);
    if (out)
        *out = result;
    else
        PQclear(result);
    return 0;
}

int postgres_query(struct postgres *postgres, const char *sql, const struct parameter *parameters,
                   int count, PGresult **result, struct err *err)
{
    const char *values[PARAMETERS_MAX];
    int lengths[PARAMETERS_MAX], formats[PARAMETERS_MAX];

    if (result)
        *result = NULL;
    if (count > PARAMETERS_MAX)
        return err_set(err, ERR_Internal, "a statement with %d parameters", count);
    for (int i = 0; i < count; i++) {
        const struct parameter *p = &parameters[i];

        values[i] = p->binary.data ? (const char *)p->binary.data
                    : p->number[0] ? p->number
                                   : p->text;
        lengths[i] = (int)p->binary.size;
        formats[i] = p->binary.data != NULL;
    }
    return check_result(
        postgres, PQexecParams(postgres->connection, sql, count, NULL, values, lengths, formats, 0),
        result, err);
}

int postgres_run(struct postgres *postgres, const char *sql, struct err *err)
{
    return check_result(postgres, PQexec(postgres->connection, sql), NULL, err);
}

/* ---- COPY ---- */

/* https://www.postgresql.org/docs/15/sql-copy.html, "Binary Format" */
static const char copy_head[19] = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0";
static const char copy_tail[2] = "\377\377";

static int put_copy(struct postgres *postgres, const void *data, size_t size)
{
    return size == 0 || PQputCopyData(postgres->connection, data, (int)size) == 1 ? 0 : -1;
}

/* A failure on the way is told, with its reason, by the result at the end. */
static void put_tuples(struct postgres *postgres, copy_fill_fn *fill, void *context)
{
    struct buf tuples = {0};
    bool more;
    int rc = put_copy(postgres, copy_head, sizeof copy_head);

    do {
        buf_clear(&tuples);
        more = fill(context, &tuples);
        if (rc == 0)
            rc = put_copy(postgres, tuples.data, tuples.size);
    } while (rc == 0 && more);
    if (rc == 0)
        put_copy(postgres, copy_tail, sizeof copy_tail);
    buf_release(&tuples);
}

int postgres_copy(struct postgres *postgres, const char *sql, copy_fill_fn *fill, void *context,
                  struct err *err)
{
    PGresult *result = PQexec(postgres->connection, sql), *next;

    postgres->sqlstate[0] = '\0';
    if (PQresultStatus(result) != PGRES_COPY_IN)
        return result_error(postgres, result, err);
    PQclear(result);
    put_tuples(postgres, fill, context);
    PQputCopyEnd(postgres->connection, NULL);
    result = PQgetResult(postgres->connection);
    if (!result)
        return connection_error(postgres, err);
    /* ends with NULL, or with a connection that is gone and would give results for ever */
    while (postgres_is_alive(postgres) && (next = PQgetResult(postgres->connection)) != NULL)
        PQclear(next);
    return check_result(postgres, result, NULL, err);
}

void copy_row(struct buf *rows, u16 columns)
{
    u16 value = htons(columns);

    buf_append(rows, &value, sizeof value);
}

static void copy_size(struct buf *rows, u32 size)
{
    u32 value = htonl(size);

    buf_append(rows, &value, sizeof value);
}

void copy_null(struct buf *rows)
{
    copy_size(rows, UINT32_MAX);
}

void copy_s64(struct buf *rows, s64 value)
{
    u64 big = htobe64((u64)value);

    copy_size(rows, sizeof big);
    buf_append(rows, &big, sizeof big);
}

void copy_s32(struct buf *rows, s32 value)
{
    copy_size(rows, sizeof value);
    copy_size(rows, (u32)value);
}

void copy_bytes(struct buf *rows, struct bytes bytes)
{
    copy_size(rows, (u32)bytes.size);
    buf_append(rows, bytes.data, bytes.size);
}

/* ---- NOTIFY ---- */

int postgres_wait_notify(struct postgres *postgres, s64 timeout_ms, char **channel, char **payload,
                         struct err *err)
{
    s64 end = clock_monotonic_ms() + timeout_ms;

    *channel = *payload = NULL;
    for (;;) {
        PGnotify *notify = PQnotifies(postgres->connection);
        struct pollfd wait = {.fd = postgres_fd(postgres), .events = POLLIN};
        s64 left = end - clock_monotonic_ms();
        int ready;

        if (notify) {
            *channel = text_copy(notify->relname);
            *payload = text_copy(notify->extra);
            PQfreemem(notify);
            return 1;
        }
        ready = poll(&wait, 1, left > 0 ? (int)(left < 60000 ? left : 60000) : 0);
        if (ready < 0 && errno != EINTR)
            return err_errno(err, errno, "waiting for Postgres");
        if (ready > 0 && !PQconsumeInput(postgres->connection))
            return connection_error(postgres, err);
        if (ready <= 0 && left <= 0)
            return 0;
    }
}

/* ---- results ---- */

s64 result_s64(const PGresult *result, int row, int column)
{
    return strtoll(result_text(result, row, column), NULL, 10);
}

const char *result_text(const PGresult *result, int row, int column)
{
    return PQgetisnull(result, row, column) ? "" : PQgetvalue(result, row, column);
}

static u8 hex_digit(char digit)
{
    return (u8)(digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10);
}

void result_bytes(const PGresult *result, int row, int column, struct buf *out)
{
    const char *text = result_text(result, row, column);
    size_t size;
    u8 *at;

    if (text[0] != '\\' || text[1] != 'x')
        return;
    text += 2;
    size = strlen(text) / 2;
    at = buf_reserve(out, size);
    for (size_t i = 0; i < size; i++)
        at[i] = (u8)(hex_digit(text[2 * i]) << 4 | hex_digit(text[2 * i + 1]));
    out->size += size;
}
