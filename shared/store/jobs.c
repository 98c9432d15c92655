/* jobs.c: see jobs.h. Inserting a job is one statement that also raises the number of its
 * synchronization and notifies planners, so that a name is never given twice and no planner wakes
 * for a row that it cannot see. The unique index job_active decides who is first. */
#include "store/jobs.h"

#include "base/hash.h"
#include "base/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

#define UNIQUE_VIOLATION "23505"
#define INSERT_TRIES 5
#define ACTIVE "('Queued', 'Probing', 'Running', 'Closing')"
#define ADHOC "coalesce(s.labels->>'syncline.adhoc', '') = 'true'"
#define TIME(column) "to_char(" column " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"

static const char select_job[] =
    "SELECT j.name, j.uid, s.kind, s.name, j.trigger, j.reason, j.message, j.waiting_for, "
    "p.name, " TIME("j.scheduled_for") ", " TIME("j.created_at") ", " TIME(
        "j.started_at") ", " TIME("j.finished_at") ", " TIME("j.last_progress_at") ", "
                                                                                   "j.source_"
                                                                                   "address, "
                                                                                   "j.destination_"
                                                                                   "address,"
                                                                                   " j.phase, "
                                                                                   "j.scan_"
                                                                                   "complete, "
                                                                                   "j.cancel_"
                                                                                   "requested, "
                                                                                   "j.id,"
                                                                                   " (extract("
                                                                                   "epoch FROM "
                                                                                   "coalesce(j."
                                                                                   "finished_at, "
                                                                                   "clock_"
                                                                                   "timestamp()) - "
                                                                                   "j.created_at) "
                                                                                   "* 1000)::bigint"
#define COUNTER(name, json, text) ", j." #name
#include "schema/states.def"
                                                                                   " FROM job j "
                                                                                   "JOIN "
                                                                                   "synchronization"
                                                                                   " s ON s.id = "
                                                                                   "j."
                                                                                   "synchronization"
                                                                                   " LEFT JOIN "
                                                                                   "planner p ON "
                                                                                   "p.id = "
                                                                                   "j.owner ";

#define FIRST_COUNTER 21

void jobs_adhoc_name(const char *source, const char *destination, char out[ADHOC_NAME_SIZE])
{
    struct buf both = {0};

    /* the NUL between them keeps ("a", "bc") and ("ab", "c") apart */
    buf_append(&both, source, strlen(source) + 1);
    buf_append(&both, destination, strlen(destination));
    snprintf(out, ADHOC_NAME_SIZE, "sync-%08x",
             (unsigned)(XXH3_64bits(both.data, both.size) >> 32));
    buf_release(&both);
}

void jobs_new_uid(char out[UUID_SIZE])
{
    u8 b[16];

    random_bytes(b, sizeof b);
    b[6] = (u8)((b[6] & 0x0f) | 0x40); /* RFC 4122: version 4 */
    b[8] = (u8)((b[8] & 0x3f) | 0x80);
    snprintf(out, UUID_SIZE, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
             b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13],
             b[14], b[15]);
}

/* ---- starting ---- */

/* 1 and the name if the job with this uid is there, 0 if not. */
static int find_by_uid(struct postgres *postgres, const char *uid, char **job, struct err *err)
{
    struct parameter parameters[] = {parameter_text(uid)};
    PGresult *result;
    int found;

    if (postgres_query(postgres, "SELECT name FROM job WHERE uid = $1::uuid", parameters, 1,
                       &result, err) < 0)
        return -1;
    found = PQntuples(result) > 0;
    if (found)
        *job = text_copy(result_text(result, 0, 0));
    PQclear(result);
    return found;
}

static int find_active(struct postgres *postgres, const char *synchronization, char **job,
                       struct err *err)
{
    struct parameter parameters[] = {parameter_text(synchronization)};
    PGresult *result;
    int found;

    if (postgres_query(postgres,
                       "SELECT j.name FROM job j JOIN synchronization s ON s.id = j.synchronization"
                       " WHERE s.name = $1 AND j.phase IN " ACTIVE,
                       parameters, 1, &result, err) < 0)
        return -1;
    found = PQntuples(result) > 0;
    if (found)
        *job = text_copy(result_text(result, 0, 0));
    PQclear(result);
    return found;
}

/* Inserts; NotFound without such a synchronization. */
static int insert(struct postgres *postgres, const char *synchronization, const char *uid,
                  char **job, struct err *err)
{
    static const char sql[] =
        "WITH s AS (UPDATE synchronization SET next_number = next_number + 1 WHERE name = $1"
        "  RETURNING id, name, next_number - 1 AS number, spec, source, destination),"
        " j AS (INSERT INTO job (uid, name, synchronization, number, spec, source_address,"
        "   destination_address, destination_asset)"
        "  SELECT $2::uuid, s.name || '-' || s.number, s.id, s.number, s.spec, a.address, "
        "b.address, b.id"
        "  FROM s JOIN asset a ON a.id = s.source JOIN asset b ON b.id = s.destination RETURNING "
        "name)"
        " SELECT name, pg_notify('syncline_jobs', name) FROM j";
    struct parameter parameters[] = {parameter_text(synchronization), parameter_text(uid)};
    PGresult *result;
    bool none;

    if (postgres_query(postgres, sql, parameters, 2, &result, err) < 0)
        return -1;
    none = PQntuples(result) == 0;
    if (!none)
        *job = text_copy(result_text(result, 0, 0));
    PQclear(result);
    return none
               ? err_set(err, ERR_NotFound, "there is no synchronization named %s", synchronization)
               : 0;
}

static int define_asset(struct postgres *postgres, const char *name, const char *path,
                        struct err *err)
{
    struct parameter parameters[] = {parameter_text(name), parameter_text(path)};

    return postgres_query(
        postgres,
        "INSERT INTO asset (name, labels, spec, address)"
        " VALUES ($1, '{\"syncline.adhoc\": \"true\"}',"
        "  jsonb_build_object('directory', jsonb_build_object('path', $2::text)), 'dir:' || $2)"
        " ON CONFLICT (name) DO UPDATE SET spec = excluded.spec, address = excluded.address"
        " WHERE asset.address <> excluded.address",
        parameters, 2, NULL, err);
}

/* The paths were just typed by a person, who means the directory that is there now: the identity
 * that an earlier run saw at the source is forgotten. That of the destination is kept, for the
 * removal guard. */
static int define_adhoc(struct postgres *postgres, const char *name, const char *source,
                        const char *destination, struct err *err)
{
    char from[ADHOC_NAME_SIZE + 8], to[ADHOC_NAME_SIZE + 8];
    struct parameter parameters[] = {parameter_text(name), parameter_text(from),
                                     parameter_text(to)};

    snprintf(from, sizeof from, "%s-src", name);
    snprintf(to, sizeof to, "%s-dst", name);
    if (define_asset(postgres, from, source, err) < 0 ||
        define_asset(postgres, to, destination, err) < 0)
        return -1;
    return postgres_query(
        postgres,
        "INSERT INTO synchronization (name, kind, labels, source, destination)"
        " SELECT $1, 'Synchronization', '{\"syncline.adhoc\": \"true\"}', a.id, b.id"
        "  FROM asset a, asset b WHERE a.name = $2 AND b.name = $3"
        " ON CONFLICT (name) DO UPDATE SET spec = excluded.spec, source = excluded.source,"
        "  destination = excluded.destination, source_identity = NULL, updated_at = now()",
        parameters, 3, NULL, err);
}

/* One try. 0, 1 for a unique violation, -1. */
static int try_start(struct postgres *postgres, const char *name, const char *source,
                     const char *destination, const char *uid, char **job, struct err *err)
{
    struct err ignored;
    int result = postgres_run(postgres, "BEGIN", err);

    if (result < 0)
        return -1;
    if (source)
        result = define_adhoc(postgres, name, source, destination, err);
    if (result == 0)
        result = insert(postgres, name, uid, job, err);
    if (result == 0)
        result = postgres_run(postgres, "COMMIT", err);
    if (result == 0)
        return 0;
    result = err->code == ERR_PostgresRefused &&
             strcmp(postgres_sqlstate(postgres), UNIQUE_VIOLATION) == 0;
    free(*job);
    *job = NULL;
    if (postgres_is_alive(postgres))
        postgres_run(postgres, "ROLLBACK", &ignored);
    return result ? 1 : -1;
}

static int start(struct postgres *postgres, const char *name, const char *source,
                 const char *destination, const char *uid, char **job, struct err *err)
{
    int result;

    *job = NULL;
    for (int tries = 0; tries < INSERT_TRIES; tries++) {
        result = try_start(postgres, name, source, destination, uid, job, err);
        if (result <= 0)
            return result;
        /* by an earlier call whose answer was lost, or because another job is active */
        result = find_by_uid(postgres, uid, job, err);
        if (result != 0)
            return result < 0 ? -1 : 0;
        result = find_active(postgres, name, job, err);
        if (result < 0)
            return -1;
        if (result > 0)
            return err_set(err, ERR_ActiveJob, "job %s of this synchronization is active already",
                           *job);
        /* it ended between the two statements */
    }
    return err_set(err, ERR_Busy, "other jobs of %s come and go too fast", name);
}

int jobs_start_adhoc(struct postgres *postgres, const char *source, const char *destination,
                     const char *uid, char **job, struct err *err)
{
    char name[ADHOC_NAME_SIZE];

    jobs_adhoc_name(source, destination, name);
    return start(postgres, name, source, destination, uid, job, err);
}

int jobs_start(struct postgres *postgres, const char *synchronization, const char *uid, char **job,
               struct err *err)
{
    return start(postgres, synchronization, NULL, NULL, uid, job, err);
}

/* ---- reading ---- */

static char *take(const PGresult *result, int row, int column)
{
    return PQgetisnull(result, row, column) ? NULL : text_copy(result_text(result, row, column));
}

static void read_row(const PGresult *result, int row, struct job *out)
{
    char **texts[] = {&out->name,           &out->uid,
                      &out->kind,           &out->synchronization,
                      &out->trigger,        &out->reason,
                      &out->message,        &out->waiting_for,
                      &out->planner,        &out->scheduled_for,
                      &out->created_at,     &out->started_at,
                      &out->finished_at,    &out->last_progress_at,
                      &out->source_address, &out->destination_address};
    int column = 0;

    *out = (struct job){0};
    for (; column < (int)COUNT_OF(texts); column++)
        *texts[column] = take(result, row, column);
    out->phase = phase_by_name(result_text(result, row, column++));
    out->scan_complete = result_text(result, row, column++)[0] == 't';
    out->cancel_requested = result_text(result, row, column++)[0] == 't';
    out->id = result_s64(result, row, column++);
    out->duration_ms = result_s64(result, row, column++);
    for (u32 i = 0; i < COUNTER_COUNT; i++)
        out->counters.value[i] = result_s64(result, row, FIRST_COUNTER + (int)i);
}

int jobs_read(struct postgres *postgres, const char *name, struct job *out, struct err *err)
{
    struct parameter parameters[] = {parameter_text(name)};
    struct buf sql = {0};
    PGresult *result = NULL;
    int rc;

    *out = (struct job){0};
    buf_printf(&sql, "%sWHERE j.name = $1", select_job);
    rc = postgres_query(postgres, buf_text(&sql), parameters, 1, &result, err);
    buf_release(&sql);
    if (rc < 0)
        return -1;
    if (PQntuples(result) == 0)
        rc = err_set(err, ERR_NotFound, "there is no job named %s", name);
    else
        read_row(result, 0, out);
    PQclear(result);
    return rc;
}

void job_release(struct job *job)
{
    char *texts[] = {job->name,           job->uid,
                     job->kind,           job->synchronization,
                     job->trigger,        job->reason,
                     job->message,        job->waiting_for,
                     job->planner,        job->scheduled_for,
                     job->created_at,     job->started_at,
                     job->finished_at,    job->last_progress_at,
                     job->source_address, job->destination_address};

    for (size_t i = 0; i < COUNT_OF(texts); i++)
        free(texts[i]);
    *job = (struct job){0};
}

int jobs_resolve(struct postgres *postgres, const char *name, char **job, struct err *err)
{
    struct parameter parameters[] = {parameter_text(name)};
    PGresult *result;
    bool none;

    if (postgres_query(
            postgres,
            "SELECT name FROM (SELECT j.name, 0 AS rank, j.id FROM job j WHERE j.name = $1"
            " UNION ALL SELECT j.name, 1, j.id FROM job j JOIN synchronization s"
            "  ON s.id = j.synchronization WHERE s.name = $1) found ORDER BY rank, id DESC LIMIT 1",
            parameters, 1, &result, err) < 0)
        return -1;
    none = PQntuples(result) == 0;
    if (!none)
        *job = text_copy(result_text(result, 0, 0));
    PQclear(result);
    return none ? err_set(err, ERR_NotFound,
                          "there is no job named %s, and no synchronization of that name with "
                          "a job",
                          name)
                : 0;
}

int jobs_list(struct postgres *postgres, bool all, bool active, u32 limit, struct job_list *out,
              struct err *err)
{
    struct parameter parameters[] = {parameter_s64(limit), parameter_text(all ? "t" : "f"),
                                     parameter_text(active ? "t" : "f")};
    struct buf sql = {0};
    PGresult *result = NULL;
    int rc;

    *out = (struct job_list){0};
    buf_printf(&sql,
               "%sWHERE ($2::boolean OR NOT " ADHOC ") AND (NOT $3::boolean OR j.phase IN " ACTIVE
               ")"
               " ORDER BY j.created_at DESC, j.id DESC LIMIT $1",
               select_job);
    rc = postgres_query(postgres, buf_text(&sql), parameters, 3, &result, err);
    buf_release(&sql);
    if (rc < 0)
        return -1;
    out->count = (u32)PQntuples(result);
    out->jobs = memory_or_die((out->count + 1) * sizeof *out->jobs);
    for (u32 i = 0; i < out->count; i++)
        read_row(result, (int)i, &out->jobs[i]);
    PQclear(result);
    return 0;
}

void job_list_release(struct job_list *list)
{
    for (u32 i = 0; i < list->count; i++)
        job_release(&list->jobs[i]);
    free(list->jobs);
    *list = (struct job_list){0};
}

int jobs_cancel(struct postgres *postgres, const char *name, bool *ended, struct err *err)
{
    static const char sql[] =
        "WITH c AS (UPDATE job SET cancel_requested = true WHERE name = $1 AND phase IN " ACTIVE
        " RETURNING name) SELECT (SELECT count(*) FROM job WHERE name = $1),"
        " (SELECT count(pg_notify('syncline_jobs', name)::text) FROM c)";
    struct parameter parameters[] = {parameter_text(name)};
    PGresult *result;
    int rc = 0;

    if (postgres_query(postgres, sql, parameters, 1, &result, err) < 0)
        return -1;
    if (result_s64(result, 0, 0) == 0)
        rc = err_set(err, ERR_NotFound, "there is no job named %s", name);
    *ended = result_s64(result, 0, 1) == 0;
    PQclear(result);
    return rc;
}

int jobs_planner_alive(struct postgres *postgres, bool *alive, struct err *err)
{
    /* 1398362188 = "SYPL": the class of Syncline's advisory locks */
    static const char sql[] =
        "SELECT count(*) FROM planner p JOIN pg_locks l ON l.locktype = 'advisory' AND l.objsubid "
        "= 2"
        " AND l.classid::bigint = 1398362188 AND l.objid::bigint = p.id AND l.granted"
        " AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    PGresult *result;

    if (postgres_query(postgres, sql, NULL, 0, &result, err) < 0)
        return -1;
    *alive = result_s64(result, 0, 0) > 0;
    PQclear(result);
    return 0;
}

int jobs_list_assets(struct postgres *postgres, bool all, u32 limit, PGresult **out,
                     struct err *err)
{
    struct parameter parameters[] = {parameter_s64(limit), parameter_text(all ? "t" : "f")};

    return postgres_query(postgres,
                          "SELECT s.name AS name, s.state AS state, s.reason AS reason, s.address "
                          "AS address, " TIME("s.probed_at") " AS \"probedAt\", " TIME(
                              "s.created_at") " AS \"createdAt\""
                                              " FROM asset s WHERE $2::boolean OR NOT " ADHOC
                                              " ORDER BY s.created_at DESC, s.id DESC LIMIT $1",
                          parameters, 2, out, err);
}

int jobs_list_synchronizations(struct postgres *postgres, bool all, u32 limit, PGresult **out,
                               struct err *err)
{
    struct parameter parameters[] = {parameter_s64(limit), parameter_text(all ? "t" : "f")};

    return postgres_query(
        postgres,
        "SELECT s.name AS name, s.kind AS kind, a.address AS source, b.address AS destination,"
        " (SELECT j.name FROM job j WHERE j.synchronization = s.id ORDER BY j.id DESC LIMIT 1)"
        "  AS \"lastJob\","
        " (SELECT j.phase FROM job j WHERE j.synchronization = s.id ORDER BY j.id DESC LIMIT 1)"
        "  AS phase, " TIME(
            "(SELECT max(j.finished_at) FROM job j WHERE j.synchronization = s.id"
            " AND j.phase = 'Succeeded')") " AS \"lastSuccess\""
                                           " FROM synchronization s JOIN asset a ON a.id = "
                                           "s.source JOIN asset b"
                                           " ON b.id = s.destination WHERE $2::boolean OR "
                                           "NOT " ADHOC
                                           " ORDER BY s.created_at DESC, s.id DESC LIMIT $1",
        parameters, 2, out, err);
}
