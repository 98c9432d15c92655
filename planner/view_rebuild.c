/* view_rebuild.c: the view is written anew from Postgres, and how it is known that it must be
 * (view_writer.h). The sentinel names the run of Redis for which the view was written: another run
 * may have lost the last second of its append-only file, and a wiped one has no sentinel. */
#include "planner/view_writer.h"

#include "base/clock.h"
#include "schema/keys.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- connections ---- */

void writer_disconnect(struct view_writer *writer)
{
    redis_destroy(&writer->redis);
    postgres_destroy(&writer->postgres);
}

static void read_run(const char *info, char *out, size_t size)
{
    static const char label[] = "run_id:";
    const char *at = strstr(info, label);

    if (!at)
        return;
    at += sizeof label - 1;
    snprintf(out, size, "%.*s", (int)strcspn(at, "\r\n"), at);
}

int writer_connect(struct view_writer *writer, const char *redis_url, struct err *err)
{
    redisReply *info;

    writer->run[0] = '\0';
    if (redis_connect(redis_url, &writer->redis, err) < 0)
        return -1;
    redis_add(writer->redis, "INFO", "server", NULL);
    if (redis_ask(writer->redis, &info, err) < 0) {
        redis_destroy(&writer->redis);
        return -1;
    }
    if (info->type == REDIS_REPLY_STRING)
        read_run(info->str, writer->run, sizeof writer->run);
    freeReplyObject(info);
    return 0;
}

static int ensure_postgres(struct view_writer *writer, struct err *err)
{
    struct buf application = {0};
    int rc;

    if (writer->postgres && postgres_is_alive(writer->postgres))
        return 0;
    postgres_destroy(&writer->postgres);
    buf_printf(&application, "syncline-planner %s view", writer->planner);
    rc = postgres_connect(writer->database_url, buf_text(&application), &writer->postgres, err);
    buf_release(&application);
    return rc;
}

int writer_is_current(struct view_writer *writer, struct err *err)
{
    redisReply *run;
    int current;

    redis_add(writer->redis, "HGET", KEY_VIEW, "run", NULL);
    if (redis_ask(writer->redis, &run, err) < 0)
        return -1;
    current = run->type == REDIS_REPLY_STRING && strcmp(run->str, writer->run) == 0;
    freeReplyObject(run);
    return current;
}

/* ---- jobs ---- */

#define JOB_COLUMNS                                                                                \
    "SELECT name, phase, epoch, coalesce(planner, ''), scan_complete::integer,"                    \
    " coalesce(waiting_for, ''),"                                                                  \
    " (1000 * extract(epoch FROM coalesce(finished_at, started_at, created_at)))::bigint,"         \
    " (1000 * extract(epoch FROM coalesce(last_progress_at, created_at)))::bigint,"                \
    " coalesce(reason, ''), coalesce(message, ''), synchronization"

static const char all_jobs_sql[] = JOB_COLUMNS
#define COUNTER(name, json, text) ", " #name
#include "schema/states.def"
    " FROM v_jobs ORDER BY phase IN ('Queued', 'Probing', 'Running', 'Closing') DESC, id DESC "
    "LIMIT $1";

static const char one_job_sql[] = JOB_COLUMNS
#define COUNTER(name, json, text) ", " #name
#include "schema/states.def"
    " FROM v_jobs WHERE name = $1";

static void field(struct view_writer *writer, const char *name, const char *value)
{
    redis_word(writer->redis, name);
    redis_word(writer->redis, value);
}

static void write_row(struct view_writer *writer, const PGresult *result, int row)
{
    const char *name = result_text(result, row, 0);
    char updated_at[TIME_TEXT_SIZE];
    struct buf key = {0};

    time_text(result_s64(result, row, 7), updated_at);
    buf_printf(&key, "%s%s", KEY_JOB, name);
    redis_begin(writer->redis, "HSET");
    redis_word(writer->redis, buf_text(&key));
    field(writer, "phase", result_text(result, row, 1));
    field(writer, "epoch", result_text(result, row, 2));
    field(writer, "planner", result_text(result, row, 3));
    field(writer, "scan_complete", result_text(result, row, 4));
    field(writer, "waiting_for", result_text(result, row, 5));
    field(writer, "reason", result_text(result, row, 8));
    field(writer, "message", result_text(result, row, 9));
    for (u32 i = 0; i < COUNTER_COUNT; i++)
        field(writer, counter_name(i), result_text(result, row, 11 + (int)i));
    field(writer, "rate", "0");
    field(writer, "rate_items", "0");
    field(writer, "eta", "-1");
    field(writer, "updated_at", updated_at);
    redis_end(writer->redis);
    redis_begin(writer->redis, "EXPIRE");
    redis_word(writer->redis, buf_text(&key));
    redis_number(writer->redis, KEY_JOB_TTL_S);
    redis_end(writer->redis);
    buf_release(&key);
    writer_place_job(writer, name, phase_by_name(result_text(result, row, 1)),
                     result_s64(result, row, 6));
}

/* ---- synchronizations ---- */

#define MOMENT(column) "(1000 * extract(epoch FROM " column "))::bigint"
#define SYNC_COLUMNS                                                                               \
    "SELECT name, coalesce(last_job, ''), coalesce(last_phase::text, ''),"                         \
    " coalesce(last_reason, ''), " MOMENT("last_finished") ", " MOMENT(                            \
        "last_success") ", " MOMENT("restorable_to") " FROM v_synchronizations"

/* Empty where there is none. */
static void field_moment(struct view_writer *writer, const char *name, const PGresult *result,
                         int row, int column)
{
    char text[TIME_TEXT_SIZE] = "";

    if (!PQgetisnull(result, row, column))
        time_text(result_s64(result, row, column), text);
    field(writer, name, text);
}

static void write_sync(struct view_writer *writer, const PGresult *result, int row)
{
    struct buf key = {0};

    buf_printf(&key, "%s%s", KEY_SYNC, result_text(result, row, 0));
    redis_begin(writer->redis, "HSET");
    redis_word(writer->redis, buf_text(&key));
    field(writer, "last_job", result_text(result, row, 1));
    field(writer, "last_phase", result_text(result, row, 2));
    field(writer, "last_reason", result_text(result, row, 3));
    field_moment(writer, "last_finished", result, row, 4);
    field_moment(writer, "last_success", result, row, 5);
    field_moment(writer, "restorable_to", result, row, 6);
    redis_end(writer->redis);
    redis_begin(writer->redis, "EXPIRE");
    redis_word(writer->redis, buf_text(&key));
    redis_number(writer->redis, KEY_SYNC_TTL_S);
    redis_end(writer->redis);
    buf_release(&key);
}

/* With `name` that one, else those that have had a job while their hash would be there. */
static int write_syncs(struct view_writer *writer, const char *name, struct err *err)
{
    PGresult *result;

    if (postgres_query(writer->postgres,
                       SYNC_COLUMNS
                       " WHERE CASE WHEN $1::text IS NULL"
                       " THEN last_job IS NOT NULL AND coalesce(last_finished, now()) >"
                       "  now() - $2::bigint * interval '1 s' ELSE name = $1 END",
                       (struct parameter[]){parameter_text(name), parameter_s64(KEY_SYNC_TTL_S)}, 2,
                       &result, err) < 0)
        return -1;
    for (int i = 0; i < PQntuples(result); i++)
        write_sync(writer, result, i);
    PQclear(result);
    return 0;
}

/* ---- assets ---- */

#define ASSET_COLUMNS                                                                              \
    "SELECT name, state, coalesce(reason, ''), coalesce(message, ''),"                             \
    " (1000 * extract(epoch FROM since))::bigint,"                                                 \
    " (1000 * extract(epoch FROM probed_at))::bigint, coalesce(bytes_free::text, ''),"             \
    " (1000 * extract(epoch FROM last_proven))::bigint"                                            \
    " FROM v_assets WHERE probed_at IS NOT NULL AND"                                               \
    " labels ->> 'syncline.adhoc' IS DISTINCT FROM 'true'"

static void write_asset(struct view_writer *writer, const PGresult *result, int row)
{
    char since[TIME_TEXT_SIZE], probed_at[TIME_TEXT_SIZE];
    struct buf key = {0};

    time_text(result_s64(result, row, 4), since);
    time_text(result_s64(result, row, 5), probed_at);
    buf_printf(&key, "%s%s", KEY_ASSET, result_text(result, row, 0));
    redis_begin(writer->redis, "HSET");
    redis_word(writer->redis, buf_text(&key));
    field(writer, "state", result_text(result, row, 1));
    field(writer, "reason", result_text(result, row, 2));
    field(writer, "message", result_text(result, row, 3));
    field(writer, "since", since);
    field(writer, "probed_at", probed_at);
    field(writer, "bytes_free", result_text(result, row, 6));
    field_moment(writer, "last_proven", result, row, 7);
    redis_end(writer->redis);
    redis_begin(writer->redis, "EXPIRE");
    redis_word(writer->redis, buf_text(&key));
    redis_number(writer->redis, KEY_ASSET_TTL_S);
    redis_end(writer->redis);
    buf_release(&key);
}

static void write_asset_where(struct view_writer *writer, const char *condition, const char *name)
{
    struct buf sql = {0};
    PGresult *result;
    struct err err;

    buf_printf(&sql, "%s%s", ASSET_COLUMNS, condition);
    if (ensure_postgres(writer, &err) == 0 &&
        postgres_query(writer->postgres, buf_text(&sql), (struct parameter[]){parameter_text(name)},
                       1, &result, &err) == 0) {
        if (PQntuples(result) == 1)
            write_asset(writer, result, 0);
        PQclear(result);
    }
    buf_release(&sql);
}

void writer_asset_row(struct view_writer *writer, const char *asset)
{
    write_asset_where(writer, " AND name = $1", asset);
}

void writer_job_row(struct view_writer *writer, const char *job, bool ended)
{
    PGresult *result;
    struct err err;

    if (ensure_postgres(writer, &err) < 0 ||
        postgres_query(writer->postgres, one_job_sql, (struct parameter[]){parameter_text(job)}, 1,
                       &result, &err) < 0)
        return;
    if (PQntuples(result) == 1)
        write_row(writer, result, 0);
    if (PQntuples(result) == 1 && ended) {
        (void)write_syncs(writer, result_text(result, 0, 10), &err); /* the next end says it */
        write_asset_where(writer, " AND id = (SELECT destination_asset FROM job WHERE name = $1)",
                          job);
    }
    PQclear(result);
}

/* Those that were probed while their hash would be there. */
static int write_assets(struct view_writer *writer, struct err *err)
{
    PGresult *result;

    if (postgres_query(writer->postgres,
                       ASSET_COLUMNS " AND probed_at > now() - $1::bigint * interval '1 s'",
                       (struct parameter[]){parameter_s64(KEY_ASSET_TTL_S)}, 1, &result, err) < 0)
        return -1;
    for (int i = 0; i < PQntuples(result); i++)
        write_asset(writer, result, i);
    PQclear(result);
    return 0;
}

/* ---- all of it ---- */

static void clear_phases(struct view_writer *writer)
{
    redis_begin(writer->redis, "DEL");
#define PHASE(name, number, ended, exit_code) redis_word(writer->redis, KEY_JOBS #name);
#include "schema/states.def"
    redis_end(writer->redis);
}

/* ---- events ---- */

/* Only into an empty stream: one that is there has them. */
static int refill_events(struct view_writer *writer, struct err *err)
{
    PGresult *result;
    redisReply *length;
    bool empty;

    redis_add(writer->redis, "XLEN", KEY_EVENTS, NULL);
    if (redis_ask(writer->redis, &length, err) < 0)
        return -1;
    empty = length->integer == 0;
    freeReplyObject(length);
    if (!empty)
        return 0;
    if (postgres_query(
            writer->postgres,
            "SELECT * FROM (SELECT coalesce(j.name, ''), e.kind, e.message,"
            " (1000 * extract(epoch FROM e.at))::bigint, e.id FROM event e"
            " LEFT JOIN job j ON j.id = e.job ORDER BY e.id DESC LIMIT $1) latest ORDER BY id",
            (struct parameter[]){parameter_s64(JOBS_MOST)}, 1, &result, err) < 0)
        return -1;
    for (int i = 0; i < PQntuples(result); i++)
        writer_event(writer, &(struct view_entry){.job = PQgetvalue(result, i, 0),
                                                  .event = PQgetvalue(result, i, 1),
                                                  .message = PQgetvalue(result, i, 2),
                                                  .at_ms = result_s64(result, i, 3)});
    PQclear(result);
    writer->refilled = true;
    return 0;
}

int writer_rebuild(struct view_writer *writer, u32 *jobs, struct err *err)
{
    char built_at[TIME_TEXT_SIZE];
    PGresult *result;

    /* a Redis that takes nothing says so before Postgres is asked */
    redis_add(writer->redis, "HDEL", KEY_VIEW, "run", NULL);
    redis_add(writer->redis, "HSET", KEY_VIEW, "planner", writer->planner, NULL);
    if (redis_flush(writer->redis, err) < 0 || ensure_postgres(writer, err) < 0 ||
        postgres_query(writer->postgres, all_jobs_sql,
                       (struct parameter[]){parameter_s64(JOBS_MOST)}, 1, &result, err) < 0)
        return -1;
    *jobs = (u32)PQntuples(result);
    redis_add(writer->redis, "MULTI", NULL); /* readers see the old sets or the new ones */
    clear_phases(writer);
    for (int i = 0; i < PQntuples(result); i++)
        write_row(writer, result, i);
    redis_add(writer->redis, "EXEC", NULL);
    PQclear(result);
    if (write_assets(writer, err) < 0 || write_syncs(writer, NULL, err) < 0 ||
        redis_flush(writer->redis, err) < 0 || refill_events(writer, err) < 0)
        return -1;
    time_text(clock_wall_ns() / NS_PER_MS, built_at);
    redis_add(writer->redis, "HSET", KEY_VIEW, "run", writer->run, "built_at", built_at, NULL);
    return redis_flush(writer->redis, err);
}
