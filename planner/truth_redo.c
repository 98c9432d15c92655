/* truth_redo.c: a shard is done again, and what its unfinished items counted is taken back
 * (truth_ledger.h, truth_segment.c). */
#include "planner/truth_ledger.h"

/* Rows are (class, change in paths, change in content bytes, bits that were not kept). What is not
 * there any more is counted as what its path was before: moved, if this job put it in an earlier
 * segment. */
#define GONE                                                                                       \
    " SELECT CASE WHEN outcome <> 'planned' OR operation <> 'remove' THEN outcome::text END,"      \
    "  -count(*), -sum(CASE operation WHEN 'put' THEN size END)::bigint, not_kept"                 \
    "  FROM gone GROUP BY 1, 4"
static const char scan_sql[] =
    "WITH gone AS (DELETE FROM item WHERE job = $1 AND shard = $2"
    "  AND outcome IN ('failed', 'changed', 'vanished', 'planned')"
    "  RETURNING key, outcome, operation, size, not_kept),"
    " waiting AS (DELETE FROM pending WHERE job = $1 AND shard = $2 AND outcome IS NULL"
    "  RETURNING key, operation, size)" GONE
    " UNION ALL SELECT 'found', -count(*), -sum(CASE operation WHEN 'put' THEN size END)::bigint, 0"
    "  FROM waiting WHERE operation IN ('link', 'put')"
    " UNION ALL SELECT 'moved', count(*), sum(o.size)::bigint, g.not_kept & o.not_kept FROM"
    "  (SELECT key, -1 AS not_kept FROM gone UNION ALL SELECT key, 0 FROM waiting) g"
    "  JOIN job j ON j.id = $1"
    "  JOIN object o ON o.asset = j.destination_asset AND o.key = g.key AND o.job = j.id GROUP BY "
    "4";

/* Of a feed: they are fed again. */
static const char feed_sql[] =
    "WITH gone AS (DELETE FROM item WHERE job = $1 AND shard = $2"
    "  AND outcome IN ('failed', 'changed', 'vanished')"
    "  RETURNING key, outcome, operation, size, not_kept),"
    " waiting AS (UPDATE pending p SET outcome = NULL FROM gone WHERE p.job = $1"
    "  AND p.key = gone.key RETURNING p.operation, p.size)" GONE
    " UNION ALL SELECT 'found', count(*), sum(CASE operation WHEN 'put' THEN size END)::bigint, 0"
    "  FROM waiting WHERE operation IN ('link', 'put')";

/* Of a repair: they are again what the verification found. */
static const char repair_sql[] =
    "WITH gone AS (SELECT key, outcome, operation, size, not_kept FROM item WHERE job = $1"
    "  AND shard = $2 AND outcome IN ('failed', 'changed', 'vanished')),"
    " waiting AS (UPDATE pending p SET differs = true FROM gone WHERE p.job = $1"
    "  AND p.key = gone.key RETURNING p.key, p.outcome),"
    " again AS (UPDATE item i SET operation = 'verify', outcome = w.outcome, code = NULL,"
    "  message = NULL, not_kept = 0 FROM waiting w WHERE i.job = $1 AND i.key = w.key)" GONE;

static int take_back(struct ledger *ledger, const struct truth_request *request, enum feed feed,
                     struct counters *delta, struct not_kept *not_kept, struct err *err)
{
    const char *sql = feed == FEED_NONE ? scan_sql : feed == FEED_REPAIR ? repair_sql : feed_sql;
    PGresult *result;

    if (postgres_query(
            ledger->postgres, sql,
            (struct parameter[]){parameter_s64((s64)request->job), parameter_s64(request->shard)},
            2, &result, err) < 0)
        return -1;
    for (int i = 0; i < PQntuples(result); i++) {
        int class = class_by_name(result_text(result, i, 0));
        s64 change = result_s64(result, i, 1), bytes = result_s64(result, i, 2);

        not_kept_add(not_kept, (u32)result_s64(result, i, 3), change);
        if (class < COUNTER_COUNT)
            delta->value[class] += change;
        if (feed == FEED_CHECK || !class_is_found(class))
            continue;
        delta->value[COUNTER_found] += change;
        if (feed != FEED_REPAIR)
            delta->value[COUNTER_scanned] += change;
        delta->value[COUNTER_bytes_found] += bytes;
        if (class == COUNTER_moved)
            delta->value[COUNTER_bytes_moved] += bytes;
    }
    PQclear(result);
    return 0;
}

int ledger_redo(struct ledger *ledger, struct truth_request *request, struct err *err)
{
    struct counters delta = {0}, now = {0};
    struct not_kept not_kept = {0};
    struct buf json = {0};
    struct shard_state shard;
    int rc;

    if (ledger_lock_job(ledger, request, err) < 0 ||
        ledger_shard(ledger, request, &shard, err) < 0 ||
        take_back(ledger, request, shard.feed, &delta, &not_kept, err) < 0)
        return -1;
    for (u32 i = 0; i < COUNTER_COUNT; i++)
        shard.counters.value[i] += delta.value[i];
    counters_json(&shard.counters, true, &json);
    rc = postgres_query(
        ledger->postgres, "UPDATE shard SET counters = $3::jsonb WHERE job = $1 AND number = $2",
        (struct parameter[]){parameter_s64((s64)request->job), parameter_s64(request->shard),
                             parameter_text(buf_text(&json))},
        3, NULL, err);
    buf_release(&json);
    if (rc < 0 || ledger_not_kept(ledger, request->job, &not_kept, err) < 0 ||
        ledger_count(ledger, request->job, &delta, &now, err) < 0 || ledger_commit(ledger, err) < 0)
        return -1;
    request->counters = now;
    return 0;
}
