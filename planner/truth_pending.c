/* truth_pending.c: what a segment changes in table pending, and the classes that its paths were of
 * before (truth_ledger.h, truth_segment.c). */
#include "planner/truth_ledger.h"

/* ---- classes before ---- */

/* What the paths were before, each looked up by its key (OFFSET 0 keeps Postgres from reading all
 * objects of the asset instead): the cost is that of the segment, not of the tree. Names of an
 * inventory are no class of their own: a verification counts what it finds. A name
 * takes the place of an item row, but an object row stays, and with it what was not kept of it. */
#define BEFORE(not_kept, from)                                                                     \
    "SELECT CASE WHEN p.operation <> 'inventory' THEN CASE"                                        \
    "   WHEN p.outcome IS NOT NULL THEN p.outcome::text"                                           \
    "   WHEN p.operation <> 'remove' THEN 'found' END"                                             \
    "  WHEN i.outcome = 'planned' AND i.operation = 'remove' THEN NULL"                            \
    "  WHEN i.key IS NOT NULL THEN i.outcome::text"                                                \
    "  WHEN d.outcome IS NOT NULL THEN 'found' WHEN o.key IS NOT NULL THEN 'moved' END, count(*)," \
    " sum(CASE WHEN p.operation <> 'inventory' AND p.outcome IS NULL"                              \
    "   THEN CASE p.operation WHEN 'put' THEN p.size END"                                          \
    "  WHEN p.outcome = 'unchanged' THEN NULL"                                                     \
    "  WHEN i.key IS NOT NULL THEN CASE WHEN i.operation IN ('put', 'repair') THEN i.size END"     \
    "  WHEN d.outcome IS NULL THEN o.size END)::bigint,"                                           \
    " " not_kept " FROM " from " LEFT JOIN LATERAL (SELECT operation, outcome, size FROM pending"  \
    "  WHERE job = $1 AND key = n.key OFFSET 0) p ON true"                                         \
    " LEFT JOIN LATERAL (SELECT key, outcome, operation, size, not_kept FROM item"                 \
    "  WHERE job = $1 AND key = n.key OFFSET 0) i ON true"                                         \
    " LEFT JOIN LATERAL (SELECT key, outcome FROM directory"                                       \
    "  WHERE job = $1 AND key = n.key OFFSET 0) d ON true"                                         \
    " LEFT JOIN LATERAL (SELECT key, size, not_kept FROM object"                                   \
    "  WHERE asset = $2 AND key = n.key AND job = $1 OFFSET 0) o ON true"

static const char *const before_sql[] = {
    [TALLY_ROWS] = BEFORE("coalesce(i.not_kept, o.not_kept, 0)",
                          "incoming n") " WHERE n.what <> 'p' GROUP BY 1, 4",
    [TALLY_NAMES] = BEFORE("coalesce(i.not_kept, 0)", "incoming_name n") " GROUP BY 1, 4",
};

int tally_before(struct ledger *ledger, enum tally_of from, const struct truth_request *request,
                 s64 sign, struct tally *tally, struct err *err)
{
    PGresult *result;

    if (postgres_query(ledger->postgres, before_sql[from],
                       (struct parameter[]){parameter_s64((s64)request->job),
                                            parameter_s64((s64)request->asset)},
                       2, &result, err) < 0)
        return -1;
    for (int i = 0; i < PQntuples(result); i++) {
        int class = class_by_name(result_text(result, i, 0));
        s64 count = sign * result_s64(result, i, 1), bytes = sign * result_s64(result, i, 2);

        tally->value[class] += count;
        tally->bytes_found += bytes;
        tally->bytes_moved += class == COUNTER_moved ? bytes : 0;
        not_kept_add(&tally->not_kept, (u32)result_s64(result, i, 3), count);
    }
    PQclear(result);
    return 0;
}

/* ---- rows ---- */

/* Of a scanned shard: what is an item now waits for the close no more. */
static const char replaced_sql[] =
    "DELETE FROM pending p USING incoming n WHERE p.job = $1 AND p.key = n.key AND n.what <> 'p'"
    " AND p.operation <> 'inventory'";

/* What was to be removed, and of which an item says what became of it, is done for good
 * (removed_sql): nothing else of the close refers to it. */
static const char done_sql[] =
    "UPDATE pending p SET outcome = n.outcome, there_inode = CASE WHEN n.outcome IN"
    "  ('moved', 'linked', 'unchanged') AND n.inode <> 0 THEN n.inode ELSE p.there_inode END"
    " FROM incoming n WHERE p.job = $1 AND p.key = n.key AND n.what IN ('o', 'i', 'u')"
    " AND n.outcome NOT IN ('removed', 'kept')";

static const char checked_sql[] =
    "UPDATE pending p SET outcome = n.outcome,"
    " differs = n.outcome IN ('rotten', 'drifted', 'missing')"
    " FROM incoming n WHERE p.job = $1 AND p.key = n.key AND n.what IN ('i', 'u')";

/* What was put again keeps a line that says why; a directory gets it when it is closed. */
static const char *const repaired_sql[] = {
    "UPDATE pending p SET differs = false FROM incoming n WHERE p.job = $1 AND p.key = n.key"
    " AND n.what IN ('o', 'd', 'i', 'u')",
    "INSERT INTO item (job, key, shard, path, kind, operation, outcome, size, not_kept, message)"
    " SELECT $1, n.key, p.shard, n.path, n.kind, 'repair', 'moved', n.size, n.not_kept,"
    "  'was ' || p.outcome::text FROM incoming n"
    " JOIN LATERAL (SELECT shard, outcome FROM pending WHERE job = $1 AND key = n.key OFFSET 0) p"
    "  ON true WHERE n.what = 'o' ON CONFLICT (job, key) DO UPDATE SET"
    " operation = excluded.operation, outcome = excluded.outcome, size = excluded.size,"
    " not_kept = excluded.not_kept, code = NULL, message = excluded.message, at = excluded.at",
};

/* A name more of what its leader was proven to be; what was known of that name before is not true
 * of it any more. $2 is the asset, $3 the shard. */
static const char *const linked_sql[] = {
    "DELETE FROM object o USING incoming n WHERE o.asset = $2 AND o.key = n.key"
    " AND n.outcome = 'linked' AND $1::bigint IS NOT NULL AND $3::bigint IS NOT NULL",
    "INSERT INTO object (asset, key, path, kind, size, mtime_ns, hash, checksum, not_kept,"
    " proven_at, job, shard) SELECT $2, n.key, n.path, o.kind, o.size, o.mtime_ns, o.hash,"
    " o.checksum, o.not_kept, o.proven_at, $1, $3 FROM incoming n"
    " JOIN LATERAL (SELECT leader FROM pending WHERE job = $1 AND key = n.key OFFSET 0) p ON true"
    " JOIN LATERAL (SELECT kind, size, mtime_ns, hash, checksum, not_kept, proven_at FROM object"
    "  WHERE asset = $2 AND key = p.leader OFFSET 0) o ON true WHERE n.outcome = 'linked'",
};

static const char *const removed_sql[] = {
    "DELETE FROM pending p USING incoming n WHERE p.job = $1 AND p.key = n.key"
    " AND n.outcome IN ('removed', 'kept') AND $2::bigint IS NOT NULL AND $3::bigint IS NOT NULL",
    "DELETE FROM object o USING incoming n WHERE o.asset = $2 AND o.key = n.key"
    " AND n.outcome = 'removed' AND $1::bigint IS NOT NULL AND $3::bigint IS NOT NULL",
    "DELETE FROM directory d USING incoming n WHERE d.job = $1 AND d.key = n.key"
    " AND n.outcome = 'removed' AND $2::bigint IS NOT NULL AND $3::bigint IS NOT NULL",
};

static int run_all(struct ledger *ledger, const char *const *statements, size_t count,
                   const struct parameter *parameters, int parameter_count, struct err *err)
{
    for (size_t i = 0; i < count; i++)
        if (postgres_query(ledger->postgres, statements[i], parameters, parameter_count, NULL,
                           err) < 0)
            return -1;
    return 0;
}

int pending_rows(struct ledger *ledger, const struct truth_request *request, enum feed feed,
                 struct err *err)
{
    struct parameter parameters[] = {parameter_s64((s64)request->job),
                                     parameter_s64((s64)request->asset),
                                     parameter_s64(request->shard)};
    const char *first = feed == FEED_NONE ? replaced_sql : done_sql;

    /* keys are looked up: tables are as large as the tree, and a segment is not */
    if (postgres_run(ledger->postgres,
                     "SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off", err) < 0)
        return -1;
    if (feed == FEED_REPAIR)
        return run_all(ledger, repaired_sql, COUNT_OF(repaired_sql), parameters, 1, err);
    if (feed == FEED_CHECK)
        first = checked_sql;
    if (run_all(ledger, &first, 1, parameters, 1, err) < 0)
        return -1;
    if (feed == FEED_LINKS || feed == FEED_LATE_LINKS)
        return run_all(ledger, linked_sql, COUNT_OF(linked_sql), parameters, 3, err);
    if (feed == FEED_REMOVALS)
        return run_all(ledger, removed_sql, COUNT_OF(removed_sql), parameters, 3, err);
    return 0;
}

/* ---- names ---- */

static const char names_sql[] =
    "INSERT INTO pending AS p (job, shard, key, parent, path, depth, operation, kind, size,"
    " mtime_ns, device, inode, there_inode, there_links, there_ctime_ns, differs, over_directory,"
    " waits)"
    " SELECT $1, $2, key, parent, path, depth, operation, kind, size, mtime_ns, device, inode,"
    "  there_inode, there_links, there_ctime_ns, differs, over_directory, waits FROM incoming_name"
    " ON CONFLICT (job, key) DO UPDATE SET shard = excluded.shard, operation = excluded.operation,"
    " kind = excluded.kind, size = excluded.size, mtime_ns = excluded.mtime_ns,"
    " device = excluded.device, inode = excluded.inode, there_inode = excluded.there_inode,"
    " there_links = excluded.there_links, there_ctime_ns = excluded.there_ctime_ns,"
    " differs = excluded.differs, over_directory = excluded.over_directory,"
    " waits = excluded.waits, leader = NULL, outcome = NULL";

static const char *const superseded_sql[] = {
    "DELETE FROM item i USING incoming_name n WHERE i.job = $1 AND i.key = n.key",
    "DELETE FROM directory d USING incoming_name n WHERE d.job = $1 AND d.key = n.key",
};

/* What the names are from now on: found, if they are of the source. */
static void add_names(const struct ledger_names *names, struct tally *tally)
{
    for (u32 i = 0; i < names->count; i++) {
        const struct rec_name *name = &names->names[i].name;

        if (names->names[i].superseded)
            continue;
        tally->value[CLASS_FOUND] +=
            name->operation == OPERATION_link || name->operation == OPERATION_put;
        if (name->operation == OPERATION_put)
            tally->bytes_found += (s64)name->size;
    }
}

/* Of an inventory, which is all of one request or nothing of it, there are no items yet. */
int pending_names(struct ledger *ledger, const struct truth_request *request,
                  const struct ledger_names *names, struct tally *tally, struct err *err)
{
    struct parameter parameters[] = {parameter_s64((s64)request->job),
                                     parameter_s64(request->shard)};
    const char *insert = names_sql;

    if (names->count == 0)
        return 0;
    if (ledger_names_load(ledger, names, err) < 0)
        return -1;
    if (names->names[0].name.operation == 0)
        return run_all(ledger, &insert, 1, parameters, 2, err);
    if (postgres_run(ledger->postgres, "ANALYZE incoming_name", err) < 0 ||
        tally_before(ledger, TALLY_NAMES, request, -1, tally, err) < 0 ||
        run_all(ledger, &insert, 1, parameters, 2, err) < 0 ||
        run_all(ledger, superseded_sql, COUNT_OF(superseded_sql), parameters, 1, err) < 0)
        return -1;
    add_names(names, tally);
    return 0;
}
