/* jobs_start.c: jobs are started and approved (jobs.h). Inserting a job is one statement that also
 * raises the number of its synchronization and notifies planners, so that a name is never given
 * twice and no planner wakes for a row that it cannot see. The unique index job_active decides who
 * is first. */
#include "store/jobs.h"

#include "base/hash.h"
#include "base/random.h"
#include "store/jobs_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

#define UNIQUE_VIOLATION "23505"
#define INSERT_TRIES 5
#define ACTIVE "('Queued', 'Probing', 'Running', 'Closing')"

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
                       " WHERE s.name = $1 AND j.phase IN " ACTIVE " AND NOT j.waits",
                       parameters, 1, &result, err) < 0)
        return -1;
    found = PQntuples(result) > 0;
    if (found)
        *job = text_copy(result_text(result, 0, 0));
    PQclear(result);
    return found;
}

/* What is asked for. */
struct wanted {
    const char *name;                 /* of the synchronization */
    const char *source, *destination; /* of one that is defined along with it; else NULL */
    const char *spec;                 /* the same; NULL = {} */
    const char *run;                  /* of this job only; NULL = that of the spec */
    const char *uid;
};

static int refuse_suspended(const char *name, struct err *err)
{
    return err_set(err, ERR_Suspended, "synchronization %s is suspended", name);
}

/* No row was inserted: why. */
static int refuse_insert(struct postgres *postgres, const char *name, struct err *err)
{
    struct parameter parameters[] = {parameter_text(name)};
    PGresult *result;
    bool there;

    if (postgres_query(postgres, "SELECT FROM synchronization WHERE name = $1", parameters, 1,
                       &result, err) < 0)
        return -1;
    there = PQntuples(result) > 0;
    PQclear(result);
    return there ? refuse_suspended(name, err)
                 : err_set(err, ERR_NotFound, "there is no synchronization named %s", name);
}

/* Inserts; NotFound without such a synchronization, Suspended. */
static int insert(struct postgres *postgres, const struct wanted *wanted, char **job,
                  struct err *err)
{
    static const char sql[] =
        "WITH s AS (UPDATE synchronization SET next_number = next_number + 1 WHERE name = $1"
        "  AND NOT suspended RETURNING id, name, next_number - 1 AS number, spec, source, "
        "destination),"
        " j AS (INSERT INTO job (uid, name, synchronization, number, spec, source_address,"
        "   destination_address, destination_asset)"
        "  SELECT $2::uuid, s.name || '-' || s.number, s.id, s.number, s.spec ||"
        "   jsonb_strip_nulls(jsonb_build_object('run', coalesce($3::jsonb, $4::jsonb->'run'))),"
        "   a.address, b.address, b.id"
        "  FROM s JOIN asset a ON a.id = s.source JOIN asset b ON b.id = s.destination RETURNING "
        "name)"
        " SELECT name, pg_notify('syncline_jobs', name) FROM j";
    struct parameter parameters[] = {parameter_text(wanted->name), parameter_text(wanted->uid),
                                     parameter_text(wanted->run), parameter_text(wanted->spec)};
    PGresult *result;
    bool none;

    if (postgres_query(postgres, sql, parameters, 4, &result, err) < 0)
        return -1;
    none = PQntuples(result) == 0;
    if (!none)
        *job = text_copy(result_text(result, 0, 0));
    PQclear(result);
    return none ? refuse_insert(postgres, wanted->name, err) : 0;
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
static int define_adhoc(struct postgres *postgres, const struct wanted *wanted, struct err *err)
{
    char from[ADHOC_NAME_SIZE + 8], to[ADHOC_NAME_SIZE + 8];
    struct parameter parameters[] = {parameter_text(wanted->name), parameter_text(from),
                                     parameter_text(to), parameter_text(wanted->spec)};

    snprintf(from, sizeof from, "%s-src", wanted->name);
    snprintf(to, sizeof to, "%s-dst", wanted->name);
    if (define_asset(postgres, from, wanted->source, err) < 0 ||
        define_asset(postgres, to, wanted->destination, err) < 0)
        return -1;
    return postgres_query(
        postgres,
        "INSERT INTO synchronization (name, kind, labels, source, destination, spec)"
        " SELECT $1, 'Synchronization', '{\"syncline.adhoc\": \"true\"}', a.id, b.id,"
        "  coalesce($4::jsonb - 'run', '{}') FROM asset a, asset b WHERE a.name = $2 AND b.name = "
        "$3"
        " ON CONFLICT (name) DO UPDATE SET spec = excluded.spec, source = excluded.source,"
        "  destination = excluded.destination, source_identity = NULL, updated_at = now()",
        parameters, 4, NULL, err);
}

/* Where its assets are is read once this row is locked: who changes that holds it, too, and has
 * committed by then. */
static int lock_synchronization(struct postgres *postgres, const char *name, struct err *err)
{
    return postgres_query(postgres, "SELECT FROM synchronization WHERE name = $1 FOR UPDATE",
                          (struct parameter[]){parameter_text(name)}, 1, NULL, err);
}

/* One try. 0, 1 for a unique violation, -1. */
static int try_start(struct postgres *postgres, const struct wanted *wanted, char **job,
                     struct err *err)
{
    struct err ignored;
    int result = postgres_run(postgres, "BEGIN", err);

    if (result < 0)
        return -1;
    if (wanted->source)
        result = define_adhoc(postgres, wanted, err);
    if (result == 0)
        result = lock_synchronization(postgres, wanted->name, err);
    if (result == 0)
        result = insert(postgres, wanted, job, err);
    if (result == 0)
        result = jobs_check_reference(postgres, wanted->uid, err);
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

static int start(struct postgres *postgres, const struct wanted *wanted, char **job,
                 struct err *err)
{
    int result;

    *job = NULL;
    for (int tries = 0; tries < INSERT_TRIES; tries++) {
        result = try_start(postgres, wanted, job, err);
        if (result <= 0)
            return result;
        /* by an earlier call whose answer was lost, or because another job is active */
        result = find_by_uid(postgres, wanted->uid, job, err);
        if (result != 0)
            return result < 0 ? -1 : 0;
        result = find_active(postgres, wanted->name, job, err);
        if (result < 0)
            return -1;
        if (result > 0)
            return err_set(err, ERR_ActiveJob, "job %s of this synchronization is active already",
                           *job);
        /* it ended between the two statements */
    }
    return err_set(err, ERR_Busy, "other jobs of %s come and go too fast", wanted->name);
}

int jobs_start_adhoc(struct postgres *postgres, const char *source, const char *destination,
                     const char *spec, const char *uid, char **job, struct err *err)
{
    char name[ADHOC_NAME_SIZE];

    jobs_adhoc_name(source, destination, name);
    return start(
        postgres,
        &(struct wanted){
            .name = name, .source = source, .destination = destination, .spec = spec, .uid = uid},
        job, err);
}

int jobs_start(struct postgres *postgres, const char *synchronization, const char *run,
               const char *uid, char **job, struct err *err)
{
    return start(postgres, &(struct wanted){.name = synchronization, .run = run, .uid = uid}, job,
                 err);
}

/* ---- approving ---- */

/* What of the row decides, locked. `by`: the job that took its place, or has begun since. */
static const char approvable_sql[] =
    "SELECT j.id, j.phase, j.approved, coalesce(j.reason, '') = 'SourceChanged', s.name,"
    " coalesce(j.superseded_by, (SELECT l.name FROM job l WHERE l.synchronization ="
    "  j.synchronization AND l.number > j.number AND j.phase = 'Failed'"
    "  AND l.phase IN ('Held', 'Succeeded', 'CompletedWithErrors') ORDER BY l.number LIMIT 1)),"
    " s.suspended"
    " FROM job j JOIN synchronization s ON s.id = j.synchronization WHERE j.name = $1"
    " FOR UPDATE OF j";

/* 1 if the row may be queued again, 0 if it was approved before, -1. */
static int check_approvable(struct postgres *postgres, const char *name, PGresult *row,
                            struct err *err)
{
    enum phase phase;
    char *active = NULL;
    bool source;

    if (PQntuples(row) == 0)
        return err_set(err, ERR_NotFound, "there is no job named %s", name);
    phase = phase_by_name(result_text(row, 0, 1));
    source = result_text(row, 0, 3)[0] == 't';
    if (result_text(row, 0, 2)[0] == 't' && phase != PHASE_Held &&
        (phase != PHASE_Failed || !source))
        return 0; /* it runs, or ran since */
    if (phase != PHASE_Held && (phase != PHASE_Failed || !source))
        return err_set(err, ERR_Usage,
                       "job %s is %s: only a Held job, or one that Failed with SourceChanged, can "
                       "be approved",
                       name, phase_name(phase));
    if (!PQgetisnull(row, 0, 5))
        return err_set(err, ERR_Superseded, "job %s has taken the place of %s",
                       result_text(row, 0, 5), name);
    if (result_text(row, 0, 6)[0] == 't')
        return refuse_suspended(result_text(row, 0, 4), err);
    switch (find_active(postgres, result_text(row, 0, 4), &active, err)) {
    case 0:
        return 1;
    case 1:
        err_set(err, ERR_ActiveJob, "job %s of this synchronization is active", active);
        free(active);
        return -1;
    default:
        return -1;
    }
}

/* What it listed is of the directories that it was started with. */
static int refuse_moved(struct postgres *postgres, const char *name, struct err *err)
{
    static const char sql[] =
        "SELECT s.name FROM job j JOIN synchronization s ON s.id = j.synchronization"
        " JOIN asset a ON a.id = s.source JOIN asset b ON b.id = s.destination WHERE j.name = $1"
        " AND (j.source_address <> a.address OR j.destination_address <> b.address"
        "  OR j.destination_asset <> b.id)";
    PGresult *rows;
    int result = 0;

    if (postgres_query(postgres, sql, (struct parameter[]){parameter_text(name)}, 1, &rows, err) <
        0)
        return -1;
    if (PQntuples(rows) > 0)
        result = err_set(err, ERR_Superseded,
                         "%s was defined anew since: its source or destination is not what job %s "
                         "looked at; syncline run %s",
                         result_text(rows, 0, 0), name, result_text(rows, 0, 0));
    PQclear(rows);
    return result;
}

static const char *const approve_sql[] = {
    "UPDATE synchronization s SET source_identity = NULL FROM job j WHERE j.id = $1"
    " AND s.id = j.synchronization AND j.phase = 'Failed'",
    "UPDATE job SET approved = phase = 'Held', phase = 'Queued', reason = NULL, message = NULL,"
    " finished_at = NULL, owner = NULL, lease_until = NULL, cancel_requested = false,"
    " opened = false, start_by = NULL WHERE id = $1", /* its end took the staging area away; and it
                                                         kept its starting deadline */
    "INSERT INTO event (job, kind, message) VALUES ($1, 'Queued', 'approved')",
    "SELECT pg_notify('syncline_jobs', name), pg_notify('syncline_job', name) FROM job"
    " WHERE id = $1",
};

int jobs_approve(struct postgres *postgres, const char *name, struct err *err)
{
    struct parameter named = parameter_text(name), id;
    PGresult *row = NULL;
    struct err ignored;
    int rc;

    rc = postgres_run(postgres, "BEGIN", err);
    if (rc == 0)
        rc = postgres_query(postgres, approvable_sql, &named, 1, &row, err);
    if (rc == 0)
        rc = check_approvable(postgres, name, row, err);
    if (rc > 0 && refuse_moved(postgres, name, err) < 0)
        rc = -1;
    if (rc > 0) {
        id = parameter_s64(result_s64(row, 0, 0));
        rc = 0;
        for (size_t i = 0; i < COUNT_OF(approve_sql) && rc == 0; i++)
            rc = postgres_query(postgres, approve_sql[i], &id, 1, NULL, err);
        if (rc < 0 && strcmp(postgres_sqlstate(postgres), UNIQUE_VIOLATION) == 0)
            err_set(err, ERR_ActiveJob, "a job of this synchronization has just begun");
    }
    PQclear(row);
    if (rc == 0)
        return postgres_run(postgres, "COMMIT", err);
    if (postgres_is_alive(postgres))
        postgres_run(postgres, "ROLLBACK", &ignored);
    return -1;
}
