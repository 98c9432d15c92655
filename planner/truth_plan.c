/* truth_plan.c: whether what a scan found is what a dry run listed (truth_ledger.h, truth.h). Items
 * of a batch are looked up before they are carried; names for the close, and what the plan lists
 * and no scan has found, when all scans are done. The plan is the rows of the other job, which
 * nobody writes any more. */
#include "planner/truth_ledger.h"

#include <stdio.h>
#include <stdlib.h>

/* The id of the job whose list it is. */
static int find_plan(struct ledger *ledger, const char *name, s64 *out, struct err *err)
{
    PGresult *result;
    bool there;

    if (postgres_query(ledger->postgres, "SELECT id FROM job WHERE name = $1",
                       (struct parameter[]){parameter_text(name)}, 1, &result, err) < 0)
        return -1;
    there = PQntuples(result) > 0;
    *out = there ? result_s64(result, 0, 0) : 0;
    PQclear(result);
    return there ? 0 : err_set(err, ERR_NotFound, "job %s, whose plan this is, is gone", name);
}

/* ---- items of a batch ---- */

static void put_keys(const struct truth_request *request, struct buf *out)
{
    for (u32 i = 0; i < request->planned_count; i++) {
        buf_append_text(out, i ? "," : "{");
        for (u32 k = 0; k < KEY_BYTES; k++)
            buf_printf(out, "%02x", request->planned[i].key[k]);
    }
    buf_append_text(out, "}");
}

static bool has_key(const struct truth_planned *item, const char *uuid)
{
    for (u32 i = 0; i < KEY_BYTES; i++) {
        char hex[3];

        uuid += *uuid == '-';
        snprintf(hex, sizeof hex, "%02x", item->key[i]);
        if (strncmp(uuid, hex, 2) != 0)
            return false;
        uuid += 2;
    }
    return true;
}

enum planned_column {
    PLANNED_KEY,
    PLANNED_OPERATION,
    PLANNED_KIND,
    PLANNED_SIZE,
    PLANNED_MTIME,
    PLANNED_REPLACES
};

/* Directories are of no size, and their time is not theirs alone. One takes the place of something
 * else only where the plan says so (plan.c). */
static bool holds(const PGresult *rows, int row, const struct truth_planned *item)
{
    if (strcmp(result_text(rows, row, PLANNED_OPERATION), operation_name(item->operation)) != 0 ||
        strcmp(result_text(rows, row, PLANNED_KIND), kind_name(item->kind)) != 0)
        return false;
    if (item->replaces && result_text(rows, row, PLANNED_REPLACES)[0] != 't')
        return false;
    return item->kind == KIND_directory ||
           ((u64)result_s64(rows, row, PLANNED_SIZE) == item->size &&
            result_s64(rows, row, PLANNED_MTIME) == item->mtime_ns);
}

static void judge(const PGresult *rows, struct truth_request *request)
{
    for (u32 i = 0; i < request->planned_count; i++) {
        struct truth_planned *item = &request->planned[i];

        item->code = ERR_NotPlanned;
        for (int row = 0; row < PQntuples(rows) && item->code == ERR_NotPlanned; row++)
            if (has_key(item, result_text(rows, row, PLANNED_KEY)))
                item->code = holds(rows, row, item) ? ERR_Ok : ERR_NotAsPlanned;
    }
}

int ledger_plan(struct ledger *ledger, struct truth_request *request, struct err *err)
{
    struct buf keys = {0};
    PGresult *rows;
    s64 plan;
    int rc;

    if (find_plan(ledger, request->plan, &plan, err) < 0)
        return -1;
    put_keys(request, &keys);
    rc = postgres_query(ledger->postgres,
                        "SELECT key, operation, kind, size, mtime_ns, message IS NOT NULL FROM item"
                        " WHERE job = $1 AND outcome = 'planned' AND key = ANY ($2::uuid[])",
                        (struct parameter[]){parameter_s64(plan), parameter_text(buf_text(&keys))},
                        2, &rows, err);
    buf_release(&keys);
    if (rc < 0)
        return -1;
    judge(rows, request);
    PQclear(rows);
    return 0;
}

/* ---- names for the close ---- */

/* Names of one object go together: if one of them is not as planned, none is touched. So do what
 * takes the place of a directory and what is in that directory: else what is there would go for
 * nothing. What is left of links and puts counts as changed, of removals as extra. */
static const char names_sql[] =
    "WITH RECURSIVE each AS (SELECT p.key, p.operation, p.device, p.inode,"
    "  i.key IS NOT NULL AS listed,"
    "  (i.operation = CASE WHEN p.leader = p.key THEN 'put' ELSE p.operation END"
    "   AND i.kind = p.kind AND (p.kind = 'directory'"
    "    OR (i.size = p.size AND i.mtime_ns = p.mtime_ns))) IS TRUE AS holds"
    "  FROM pending p LEFT JOIN item i ON i.job = $2 AND i.key = p.key AND i.outcome = 'planned'"
    "  WHERE p.job = $1 AND p.outcome IS NULL),"
    " below AS (SELECT w.key AS top, p.key, -p.depth AS level FROM pending w JOIN pending p"
    "   ON p.job = $1 AND p.operation = 'remove' AND -p.depth = -w.depth - 1 AND p.parent = w.key"
    "   WHERE w.job = $1 AND w.waits AND w.outcome IS NULL"
    "  UNION ALL SELECT b.top, p.key, -p.depth FROM below b JOIN pending p"
    "   ON p.job = $1 AND p.operation = 'remove' AND -p.depth = b.level - 1 AND p.parent = b.key),"
    " tops AS (SELECT b.top, bool_and(e.holds) AS holds FROM below b JOIN each e ON e.key = b.key"
    "  GROUP BY b.top),"
    " judged AS (SELECT e.key, e.listed, bool_and(e.holds AND coalesce(t.holds, true)) OVER"
    "   (PARTITION BY CASE WHEN e.operation = 'link' THEN NULL ELSE e.key END, e.device, e.inode)"
    "   AS holds FROM each e LEFT JOIN tops t ON t.top = e.key),"
    " gone AS (DELETE FROM pending p USING judged j WHERE p.job = $1 AND p.key = j.key"
    "  AND NOT (j.holds AND j.key NOT IN (SELECT b.key FROM below b JOIN judged t ON t.key = b.top"
    "   AND NOT t.holds)) RETURNING p.key, p.shard, p.path, p.kind, p.operation, p.size, j.listed),"
    " kept AS (INSERT INTO item (job, key, shard, path, kind, operation, outcome, size, code)"
    "  SELECT $1, key, shard, path, kind, operation, CASE WHEN operation = 'remove'"
    "   THEN 'kept'::item_outcome ELSE 'changed' END, size,"
    "   CASE WHEN listed THEN 'NotAsPlanned' ELSE 'NotPlanned' END FROM gone"
    "  ON CONFLICT (job, key) DO UPDATE SET outcome = excluded.outcome, code = excluded.code)"
    " SELECT count(*) FILTER (WHERE operation <> 'remove'),"
    "  count(*) FILTER (WHERE operation = 'remove') FROM gone";

/* What the plan lists and nothing was found of. */
static const char missing_sql[] =
    "INSERT INTO item (job, key, shard, path, kind, operation, outcome, size, code, message)"
    " SELECT j.id, i.key, 0, i.path, i.kind, i.operation, 'kept', i.size, 'NotAsPlanned',"
    "  'nothing differs there any more' FROM item i JOIN job j ON j.id = $1"
    " WHERE i.job = $2 AND i.outcome = 'planned'"
    "  AND NOT EXISTS (SELECT FROM pending p WHERE p.job = j.id AND p.key = i.key)"
    "  AND NOT EXISTS (SELECT FROM directory d WHERE d.job = j.id AND d.key = i.key"
    "   AND d.outcome IS NOT NULL)"
    "  AND NOT EXISTS (SELECT FROM object o WHERE o.asset = j.destination_asset AND o.key = i.key"
    "   AND o.job = j.id)"
    " ON CONFLICT (job, key) DO NOTHING";

int ledger_plan_names(struct ledger *ledger, const struct truth_request *request,
                      struct counters *delta, struct err *err)
{
    struct parameter parameters[] = {parameter_s64((s64)request->job), parameter_s64(0)};
    PGresult *result;
    s64 plan;

    if (find_plan(ledger, request->plan, &plan, err) < 0)
        return -1;
    parameters[1] = parameter_s64(plan);
    if (postgres_query(ledger->postgres, names_sql, parameters, 2, &result, err) < 0)
        return -1;
    delta->value[COUNTER_changed] += result_s64(result, 0, 0);
    delta->value[COUNTER_extra] += result_s64(result, 0, 1);
    PQclear(result);
    return postgres_query(ledger->postgres, missing_sql, parameters, 2, NULL, err);
}
