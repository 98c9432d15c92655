/* jobs.c: see jobs.h; how jobs are started is in jobs_start.c. */
#include "store/jobs.h"

#include <stdlib.h>

#define ACTIVE "('Queued', 'Probing', 'Running', 'Closing')"
#define ADHOC "coalesce(s.labels->>'syncline.adhoc', '') = 'true'"
#define TIME(column) "to_char(" column " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"

/* clang-format off */
static const char select_job[] =
    "SELECT j.name, j.uid, s.kind, s.name, j.trigger, j.reason, j.message, j.waiting_for, p.name,"
    " " TIME("j.scheduled_for") ", " TIME("j.created_at") ", " TIME("j.started_at") ","
    " " TIME("j.finished_at") ", " TIME("j.last_progress_at") ", j.source_address,"
    " j.destination_address, j.not_kept, j.superseded_by, s.labels,"
    " " TIME("j.start_by") ", j.phase, j.scan_complete, j.cancel_requested, j.approved, j.waits,"
    " j.id,"
    " (extract(epoch FROM coalesce(j.finished_at, clock_timestamp()) - j.created_at)"
    "  * 1000)::bigint"
#define COUNTER(name, json, text) ", j." #name
#include "schema/states.def"
    " FROM job j JOIN synchronization s ON s.id = j.synchronization"
    " LEFT JOIN planner p ON p.id = j.owner ";
/* clang-format on */

#define FIRST_COUNTER 27

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
                      &out->source_address, &out->destination_address,
                      &out->not_kept,       &out->superseded_by,
                      &out->labels,         &out->start_by};
    int column = 0;

    *out = (struct job){0};
    for (; column < (int)COUNT_OF(texts); column++)
        *texts[column] = take(result, row, column);
    out->phase = phase_by_name(result_text(result, row, column++));
    out->scan_complete = result_text(result, row, column++)[0] == 't';
    out->cancel_requested = result_text(result, row, column++)[0] == 't';
    out->approved = result_text(result, row, column++)[0] == 't';
    out->waits = result_text(result, row, column++)[0] == 't';
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
                     job->source_address, job->destination_address,
                     job->not_kept,       job->superseded_by,
                     job->labels,         job->start_by};

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
            " UNION ALL SELECT j.name, CASE WHEN j.phase IN " ACTIVE " AND NOT j.waits THEN 1"
            "  ELSE 2 END, j.id FROM job j JOIN synchronization s ON s.id = j.synchronization"
            "  WHERE s.name = $1) found ORDER BY rank, id DESC LIMIT 1",
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

int jobs_suspend(struct postgres *postgres, const char *synchronization, bool suspended, bool *was,
                 char **active, struct err *err)
{
    /* the row as it was before is what the subquery reads */
    static const char sql[] =
        "WITH u AS (UPDATE synchronization s SET suspended = $2::boolean FROM (SELECT id, suspended"
        "  FROM synchronization WHERE name = $1 FOR UPDATE) o WHERE s.id = o.id RETURNING s.id,"
        "  s.name, s.kind, o.suspended),"
        " r AS (UPDATE schedule c SET resumed_at = clock_timestamp(), next_due = '-infinity'"
        "  FROM u WHERE c.synchronization = u.id AND u.suspended AND NOT $2::boolean),"
        " told AS (INSERT INTO event (kind, message) SELECT CASE WHEN $2::boolean THEN 'Suspended'"
        "   ELSE 'Resumed' END, CASE u.kind WHEN 'Synchronization' THEN 'sync' WHEN"
        "   'SynchronizationPlan' THEN 'plan' ELSE 'live' END || '/' || u.name || CASE WHEN"
        "   $2::boolean THEN ' suspended' ELSE ' resumed' END FROM u WHERE u.suspended <>"
        "   $2::boolean)"
        " SELECT u.suspended, (SELECT j.name FROM job j WHERE j.synchronization = u.id"
        "  AND j.phase IN " ACTIVE " AND NOT j.waits), pg_notify('syncline_jobs', ''),"
        " pg_notify('syncline_plans', '') FROM u";
    struct parameter parameters[] = {parameter_text(synchronization),
                                     parameter_text(suspended ? "t" : "f")};
    PGresult *result;
    int rc = 0;

    *active = NULL;
    if (postgres_query(postgres, sql, parameters, 2, &result, err) < 0)
        return -1;
    if (PQntuples(result) == 0) {
        rc = err_set(err, ERR_NotFound, "there is no synchronization named %s", synchronization);
    } else {
        *was = (result_text(result, 0, 0)[0] == 't') == suspended;
        *active = take(result, 0, 1);
    }
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
