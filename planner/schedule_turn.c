/* schedule_turn.c: what becomes of times that did not start when they came (schedule_parts.h):
 * their turn comes, their starting deadline passes, or they are cancelled; and when plans are to be
 * told anew, or looked at next. */
#include "planner/schedule_parts.h"

#include <stdlib.h>

/* Runs `sql` on the rows that `lock` has locked, and tells what it returns. */
static int write_ids(struct schedule_step *step, const char *sql, const char *ids, bool turn,
                     struct err *err)
{
    PGresult *result;
    char *written;
    int rc = postgres_query(step->postgres, sql, (struct parameter[]){parameter_text(ids)}, 1,
                            &result, err);

    if (rc < 0)
        return -1;
    written = schedule_ids(result);
    rc = PQntuples(result) > 0 ? schedule_tell(step, written, turn, err) : 0;
    PQclear(result);
    free(written);
    return rc;
}

/* Locks up to `limit` rows after `after`, and as many statements as there are, in one transaction.
 * How many rows were locked. */
static int step_through(struct schedule_step *step, const char *lock, const char *const *sql,
                        size_t count, bool turn, struct err *err)
{
    PGresult *locked;
    char *ids;
    int rows, rc = 0;

    if (postgres_run(step->postgres, "BEGIN", err) < 0 ||
        postgres_query(step->postgres, lock,
                       (struct parameter[]){parameter_s64(step->after), parameter_s64(step->limit)},
                       2, &locked, err) < 0)
        return -1;
    rows = PQntuples(locked);
    step->last = rows > 0 ? result_s64(locked, rows - 1, 0) : step->after;
    ids = schedule_ids(locked);
    PQclear(locked);
    for (size_t i = 0; i < count && rows > 0 && rc == 0; i++)
        rc = write_ids(step, sql[i], ids, turn, err);
    free(ids);
    if (rc == 0)
        rc = postgres_run(step->postgres, rows > 0 ? "COMMIT" : "ROLLBACK", err);
    return rc < 0 ? -1 : rows;
}

#define OF_PLAN                                                                                    \
    " FROM job j JOIN synchronization s ON s.id = j.synchronization"                               \
    " JOIN schedule c ON c.synchronization = s.id"
#define LOCKED " AND j.id > $1 ORDER BY j.id LIMIT $2 FOR NO KEY UPDATE OF j, s, c SKIP LOCKED"

/* A job that began once, and is queued again (approve), has kept its deadline. What waits has not
 * begun: a planner of a version that knew of no waiting may have claimed it, in vain. */
static const char late_sql[] =
    "SELECT j.id" OF_PLAN " WHERE j.phase = 'Queued' AND j.start_by < statement_timestamp()"
    " AND (j.waits OR (j.owner IS NULL AND j.started_at IS NULL))"
    " AND NOT j.cancel_requested" LOCKED;

static const char *const expire_sql[] = {
    "WITH e AS (UPDATE job j SET phase = 'Skipped', waits = false, waiting_for = NULL,"
    "  reason = 'DeadlineExceeded', owner = NULL, finished_at = clock_timestamp(), message ="
    "   'it could not start before its starting deadline, '"
    "   || to_char(j.start_by, 'YYYY-MM-DD HH24:MI:SS\"Z\": ')"
    "   || CASE WHEN s.suspended AND j.waits THEN 'it waited, and the plan is suspended'"
    "    WHEN j.waits THEN 'it waited for ' || coalesce(j.waiting_for, 'its turn')"
    "    ELSE 'no planner had room for it' END"
    "  FROM synchronization s WHERE s.id = j.synchronization AND j.id = ANY ($1::bigint[])"
    "  RETURNING j.id, j.synchronization),"
    " m AS (UPDATE schedule c SET missed = missed + k.count FROM (SELECT synchronization, count(*)"
    "  FROM e GROUP BY synchronization) k WHERE c.synchronization = k.synchronization)"
    " SELECT id FROM e"};

int schedule_expire(struct schedule_step *step, struct err *err)
{
    return step_through(step, late_sql, expire_sql, COUNT_OF(expire_sql), false, err);
}

#define NOBODY_ACTIVE                                                                              \
    "NOT EXISTS (SELECT FROM job a WHERE a.synchronization = j.synchronization AND NOT a.waits"    \
    " AND a.phase IN ('Queued', 'Probing', 'Running', 'Closing'))"

static const char waiting_sql[] =
    "SELECT j.id" OF_PLAN " WHERE j.waits AND (j.cancel_requested OR"
    " (NOT s.suspended AND j.start_by >= statement_timestamp() AND " NOBODY_ACTIVE "))" LOCKED;

/* What the synchronization is has been changed since, perhaps. */
static const char *const turn_sql[] = {
    "UPDATE job j SET phase = 'Cancelled', waits = false, waiting_for = NULL,"
    "  reason = 'Cancelled', message = 'cancelled on request', owner = NULL,"
    "  finished_at = clock_timestamp() WHERE j.id = ANY ($1::bigint[]) AND j.cancel_requested "
    "RETURNING j.id",
    "UPDATE job j SET waits = false, waiting_for = NULL, owner = NULL, lease_until = NULL,"
    "  started_at = NULL, spec = s.spec,"
    "  source_address = a.address, destination_address = b.address, destination_asset = b.id"
    " FROM synchronization s, asset a, asset b WHERE s.id = j.synchronization AND a.id = s.source"
    "  AND b.id = s.destination AND j.id = ANY ($1::bigint[]) AND j.waits AND NOT s.suspended"
    "  AND j.start_by >= statement_timestamp() AND " NOBODY_ACTIVE " RETURNING j.id"};

int schedule_turn(struct schedule_step *step, struct err *err)
{
    return step_through(step, waiting_sql, turn_sql, COUNT_OF(turn_sql), true, err);
}

/* Whoever waits for a plan that replaces has what runs cancelled: also where its row was locked
 * when the time came, or the policy is another one since. */
int schedule_replace(struct schedule_step *step, struct err *err)
{
    static const char sql[] =
        "WITH c AS (UPDATE job SET cancel_requested = true WHERE id IN (SELECT a.id FROM job w"
        "   JOIN synchronization s ON s.id = w.synchronization"
        "   JOIN job a ON a.synchronization = w.synchronization AND NOT a.waits"
        "    AND a.phase IN ('Queued', 'Probing', 'Running', 'Closing')"
        "   WHERE w.waits AND NOT w.cancel_requested AND NOT s.suspended"
        "    AND s.spec ->> 'overlap' = 'replace' AND NOT a.cancel_requested"
        "   FOR NO KEY UPDATE OF a SKIP LOCKED) RETURNING name)"
        " SELECT pg_notify('syncline_jobs', name) FROM c";
    PGresult *result;
    int count;

    if (postgres_query(step->postgres, sql, NULL, 0, &result, err) < 0)
        return -1;
    count = PQntuples(result);
    PQclear(result);
    return count;
}

/* ---- when ---- */

int schedule_retell(struct postgres *postgres, char **left, struct err *err)
{
    static const char sql[] =
        "WITH these AS (SELECT synchronization FROM schedule"
        "  WHERE $1::bigint[] IS NULL OR synchronization = ANY ($1)),"
        " told AS (UPDATE schedule SET next_due = '-infinity' WHERE synchronization IN"
        "  (SELECT synchronization FROM schedule WHERE synchronization IN (TABLE these)"
        "   FOR NO KEY UPDATE SKIP LOCKED) RETURNING synchronization)"
        " SELECT synchronization FROM these WHERE synchronization NOT IN (TABLE told)";
    PGresult *locked;

    if (postgres_query(postgres, sql, (struct parameter[]){parameter_text(*left)}, 1, &locked,
                       err) < 0)
        return -1;
    free(*left);
    *left = PQntuples(locked) > 0 ? schedule_ids(locked) : NULL;
    PQclear(locked);
    return 0;
}

int schedule_set_back(struct postgres *postgres, struct err *err)
{
    return postgres_run(postgres,
                        "UPDATE schedule SET next_due = '-infinity' WHERE synchronization IN"
                        " (SELECT synchronization FROM schedule WHERE looked_until >"
                        "   statement_timestamp() AND next_due > '-infinity'"
                        "  FOR NO KEY UPDATE SKIP LOCKED)",
                        err);
}

int schedule_put_aside(struct postgres *postgres, u64 plan, const char *problem, s64 for_ms,
                       struct err *err)
{
    return postgres_query(
        postgres,
        "UPDATE schedule SET problem = $2, next_at = NULL, next_due = clock_timestamp() +"
        " $3::bigint * interval '1 ms', looked_until = least(looked_until, clock_timestamp())"
        " WHERE synchronization = $1",
        (struct parameter[]){parameter_s64((s64)plan), parameter_text(problem),
                             parameter_s64(for_ms)},
        3, NULL, err);
}

int schedule_next(struct schedule_step *step, s64 *out_ms, struct err *err)
{
    char *unknown = zones_unknown(step->zones);
    PGresult *result;
    int rc;

    rc = postgres_query(step->postgres,
                        "SELECT CASE WHEN c.next_due = '-infinity' THEN 0 ELSE ceil(1000 *"
                        "  extract(epoch FROM c.next_due - clock_timestamp()))::bigint END"
                        " FROM schedule c JOIN synchronization s ON s.id = c.synchronization"
                        " WHERE NOT s.suspended AND c.next_due < 'infinity' AND " ZONE_IS_KNOWN(
                            "$1") " ORDER BY c.next_due LIMIT 1",
                        (struct parameter[]){parameter_text(unknown)}, 1, &result, err);
    free(unknown);
    if (rc < 0)
        return -1;
    *out_ms = PQntuples(result) > 0 ? result_s64(result, 0, 0) : -1;
    if (PQntuples(result) > 0 && *out_ms < 0)
        *out_ms = 0;
    PQclear(result);
    return 0;
}
