/* retention.c: see retention.h. Object rows say what is proven, whichever job proved it: they go
 * with their asset, not with the job. Of a synchronization its last job stays, its last success,
 * one that can be approved, and one whose plan or failed items a job goes by, or would if it were
 * approved. Times of a plan that were skipped are counted for themselves: those of a plan that
 * comes each minute would otherwise push out what ran. One that is yet to come, by a clock that
 * went back, stays: its row is why it does not come twice. */
#include "store/retention.h"

#include "base/buf.h"
#include "schema/limits.h"

#include <stdlib.h>

#define ACTIVE_PHASES "('Queued', 'Probing', 'Running', 'Closing')"
#define STEP_ROWS "10000"
#define STEP_JOBS "100" /* with their items */
#define RETENTION_LOCK "SELECT pg_try_advisory_xact_lock(" ADVISORY_CLASS ", -3)"

#define STRING_(x) #x
#define STRING(x) STRING_(x)

/* Ended jobs beyond what their synchronization keeps. `same`: the place among those of its kind: a
 * success that brought the destination up to date (1), and a verify that found all well (2). */
#define RETIRED_JOBS                                                                               \
    "SELECT r.id FROM (SELECT j.id, j.name, j.synchronization, j.phase, j.superseded_by, k.kind, " \
    "row_number() OVER"                                                                            \
    "   (PARTITION BY j.synchronization, j.phase = 'Skipped' ORDER BY j.number DESC) AS place,"    \
    "   j.scheduled_for, row_number() OVER"                                                        \
    "   (PARTITION BY j.synchronization, k.kind ORDER BY j.number DESC) AS same,"                  \
    "   CASE WHEN s.spec ->> 'historyLimit' ~ '^[0-9]{1,9}$' THEN"                                 \
    "    greatest((s.spec ->> 'historyLimit')::bigint, 1) ELSE " STRING(                           \
        HISTORY_LIMIT) " END AS"                                                                   \
                       "    kept FROM job j JOIN synchronization s ON s.id = j.synchronization, "  \
                       "LATERAL"                                                                   \
                       "   (SELECT CASE WHEN j.phase <> 'Succeeded' THEN 0"                        \
                       "     WHEN j.spec #>> '{run,verify}' = 'true' THEN 2"                       \
                       "     WHEN j.spec #>> '{run,dryRun}' = 'true' OR j.spec -> 'run' ?| "       \
                       "ARRAY['only', 'plan']"                                                     \
                       "     THEN 0 ELSE 1 END AS kind) k) r"                                      \
                       " WHERE r.place > r.kept AND r.phase NOT IN " ACTIVE_PHASES                 \
                       " AND (r.scheduled_for > now()) IS NOT TRUE"                                \
                       " AND NOT (r.kind > 0 AND r.same = 1) AND NOT (r.phase = 'Held' AND "       \
                       "r.superseded_by IS NULL)"                                                  \
                       " AND NOT EXISTS (SELECT FROM job u WHERE u.synchronization ="              \
                       "  r.synchronization AND (u.phase IN " ACTIVE_PHASES                        \
                       "   OR (u.superseded_by IS NULL AND (u.phase = 'Held'"                      \
                       "    OR (u.phase = 'Failed' AND u.reason = 'SourceChanged'))))"             \
                       "  AND r.name IN (u.spec #>> '{run,plan}', u.spec #>> '{run,only}'))"       \
                       " LIMIT " STEP_JOBS

/* Pairs of `sync` that nobody has run for long. */
#define RETIRED_ADHOC                                                                              \
    "SELECT s.id FROM synchronization s WHERE s.labels ->> 'syncline.adhoc' = 'true'"              \
    " AND s.updated_at < now() - interval '" STRING(                                               \
        ADHOC_DAYS) " days'"                                                                       \
                    " AND NOT EXISTS (SELECT FROM job j WHERE j.synchronization = s.id AND "       \
                    "(j.phase IN " ACTIVE_PHASES                                                   \
                    " OR coalesce(j.finished_at, j.created_at) > now() - interval '" STRING(       \
                        ADHOC_DAYS) " days')) LIMIT " STEP_JOBS

/* A job may begin while we look: so their rows are locked first, and looked at again by a statement
 * that sees what was committed until then. LOCKED: those of us. */
static const char lock_sql[] =
    "SELECT set_config('syncline.retiring', coalesce(string_agg(id::text, ','), ''), true) FROM"
    " (SELECT id FROM synchronization WHERE id IN (" RETIRED_ADHOC ") FOR UPDATE SKIP LOCKED) l";
#define LOCKED "string_to_array(current_setting('syncline.retiring'), ',')::bigint[]"
#define RETIRED_LOCKED "(SELECT id FROM (" RETIRED_ADHOC ") r WHERE id = ANY (" LOCKED "))"

/* Each deletes at most STEP_ROWS, or STEP_JOBS. */
static const struct step {
    const char *what;
    const char *sql;
} steps[] = {
    {"events", "DELETE FROM event WHERE id IN (SELECT id FROM event WHERE at < now() -"
               " interval '" STRING(EVENT_DAYS) " days' LIMIT " STEP_ROWS ")"},

    /* items, which may be many, before the row that would take them with it */
    {"items", "DELETE FROM item WHERE (job, key) IN (SELECT job, key FROM item WHERE job IN"
              " (" RETIRED_JOBS ") LIMIT " STEP_ROWS ")"},
    {"jobs", "DELETE FROM job WHERE id IN (" RETIRED_JOBS ") AND NOT EXISTS"
             " (SELECT FROM item WHERE item.job = job.id)"},

    {"items", "DELETE FROM item WHERE (job, key) IN (SELECT i.job, i.key FROM item i"
              " JOIN job j ON j.id = i.job WHERE j.synchronization IN " RETIRED_LOCKED
              " LIMIT " STEP_ROWS ")"},
    {"synchronizations", "DELETE FROM synchronization WHERE id IN " RETIRED_LOCKED},
    {"assets",
     "DELETE FROM asset a WHERE a.labels ->> 'syncline.adhoc' = 'true'"
     " AND a.created_at < now() - interval '" STRING(
         ADHOC_DAYS) " days'"
                     " AND NOT EXISTS (SELECT FROM synchronization s WHERE a.id IN (s.source,"
                     "  s.destination))"
                     " AND NOT EXISTS (SELECT FROM job j WHERE j.destination_asset = a.id)"},

    /* of assets that are gone, whoever deleted them: one asset's at a time */
    {"objects",
     "DELETE FROM object WHERE (asset, key) IN (SELECT o.asset, o.key FROM object o WHERE o.asset ="
     "  (WITH RECURSIVE known (asset) AS ((SELECT min(asset) FROM object) UNION ALL"
     "    SELECT (SELECT min(o.asset) FROM object o WHERE o.asset > known.asset) FROM known"
     "     WHERE known.asset IS NOT NULL)"
     "   SELECT known.asset FROM known WHERE known.asset IS NOT NULL AND NOT EXISTS (SELECT FROM"
     "    asset a WHERE a.id = known.asset) LIMIT 1) LIMIT " STEP_ROWS ")"},
    {"totals", "DELETE FROM total t WHERE t.sync <> 'adhoc' AND NOT EXISTS"
               " (SELECT FROM synchronization s WHERE s.name = t.sync)"},
    {"planners", "DELETE FROM planner p WHERE started_at < now() - interval '1 day'"
                 " AND NOT EXISTS (SELECT FROM job WHERE owner = p.id) AND NOT EXISTS"
                 " (SELECT FROM pg_locks WHERE locktype = 'advisory' AND classid = " ADVISORY_CLASS
                 "  AND objid = p.id::oid AND objsubid = 2 AND database ="
                 "  (SELECT oid FROM pg_database WHERE datname = current_database()))"},
};

static int delete_drains(struct postgres *postgres, const char *workers, struct err *err)
{
    if (!workers)
        return 0;
    return postgres_query(postgres,
                          "DELETE FROM drain WHERE requested_at < now() - interval '1 day'"
                          " AND worker NOT IN (SELECT jsonb_array_elements_text($1::jsonb))",
                          (struct parameter[]){parameter_text(workers)}, 1, NULL, err);
}

static int take_lock(struct postgres *postgres, bool *taken, struct err *err)
{
    PGresult *result;

    if (postgres_query(postgres, RETENTION_LOCK, NULL, 0, &result, err) < 0)
        return -1;
    *taken = result_text(result, 0, 0)[0] == 't';
    PQclear(result);
    return 0;
}

/* The first that finds something ends it: the next step begins anew. */
static int delete_some(struct postgres *postgres, struct retained *out, struct err *err)
{
    for (size_t i = 0; i < COUNT_OF(steps) && out->rows == 0; i++) {
        PGresult *result;

        if (postgres_query(postgres, steps[i].sql, NULL, 0, &result, err) < 0)
            return -1;
        out->rows = strtoull(PQcmdTuples(result), NULL, 10);
        out->what = steps[i].what;
        PQclear(result);
    }
    return 0;
}

int retention_step(struct postgres *postgres, const char *workers, struct retained *out,
                   struct err *err)
{
    *out = (struct retained){0};
    if (take_lock(postgres, &out->mine, err) < 0)
        return -1;
    if (!out->mine)
        return 0;
    if (postgres_query(postgres, lock_sql, NULL, 0, NULL, err) < 0 ||
        delete_some(postgres, out, err) < 0)
        return -1;
    return delete_drains(postgres, workers, err);
}
