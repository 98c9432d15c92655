/* truth_verify.c: what is at the destination, held against what the ledger says of it
 * (truth_ledger.h). What differs without being read is named here; the rest is left to a feed. Rows
 * of an inventory stay until the job ends: their outcome is what was found, `differs` says that
 * they are to be put again. Of a directory the ledger knows only that a job made it; one that it
 * does not know is no extra either. */
#include "planner/truth_ledger.h"

/* $1 job, $2 asset */
static const char missing_sql[] =
    "INSERT INTO pending (job, key, parent, shard, path, depth, operation, kind, size, mtime_ns,"
    " device, inode, there_inode, there_links, there_ctime_ns, differs, outcome)"
    " SELECT $1, o.key, o.key, o.shard, o.path, 0, 'inventory', o.kind, o.size, o.mtime_ns,"
    "  0, 0, 0, 0, 0, true, 'missing' FROM object o WHERE o.asset = $2"
    " AND NOT EXISTS (SELECT FROM pending p WHERE p.job = $1 AND p.key = o.key)";

static const char drifted_sql[] =
    "UPDATE pending p SET outcome = 'drifted', differs = true FROM object o"
    " WHERE p.job = $1 AND p.operation = 'inventory' AND p.outcome IS NULL"
    " AND o.asset = $2 AND o.key = p.key"
    " AND (o.kind <> p.kind OR (p.kind <> 'directory'"
    "  AND (o.size <> p.size OR o.mtime_ns <> p.mtime_ns)))";

static const char extra_sql[] =
    "UPDATE pending p SET outcome = 'extra' WHERE p.job = $1 AND p.operation = 'inventory'"
    " AND p.outcome IS NULL AND p.kind <> 'directory'"
    " AND NOT EXISTS (SELECT FROM object o WHERE o.asset = $2 AND o.key = p.key)";

static const char items_sql[] =
    "INSERT INTO item (job, key, shard, path, kind, operation, outcome, size)"
    " SELECT job, key, shard, path, kind, 'verify', outcome, size FROM pending WHERE job = $1"
    " AND outcome IN ('missing', 'drifted', 'extra') AND $2::bigint IS NOT NULL"
    " ON CONFLICT (job, key) DO UPDATE SET outcome = excluded.outcome";

static const char tidy_sql[] =
    "DELETE FROM pending WHERE job = $1 AND (outcome = 'extra'"
    " OR (outcome IS NULL AND kind = 'directory')) AND $2::bigint IS NOT NULL";

static const char count_sql[] = "SELECT count(*) FILTER (WHERE outcome IN ('missing', 'drifted')),"
                                " count(*) FILTER (WHERE outcome = 'extra') FROM pending"
                                " WHERE job = $1";

int ledger_verify(struct ledger *ledger, const struct truth_request *request,
                  struct counters *delta, struct err *err)
{
    static const char *const before[] = {missing_sql, drifted_sql, extra_sql, items_sql};
    struct parameter parameters[] = {parameter_s64((s64)request->job),
                                     parameter_s64((s64)request->asset)};
    PGresult *result;

    for (size_t i = 0; i < COUNT_OF(before); i++)
        if (postgres_query(ledger->postgres, before[i], parameters, 2, NULL, err) < 0)
            return -1;
    if (postgres_query(ledger->postgres, count_sql, parameters, 1, &result, err) < 0)
        return -1;
    delta->value[COUNTER_mismatched] += result_s64(result, 0, 0);
    delta->value[COUNTER_extra] += result_s64(result, 0, 1);
    PQclear(result);
    return postgres_query(ledger->postgres, tidy_sql, parameters, 2, NULL, err);
}
