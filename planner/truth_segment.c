/* truth_segment.c: a segment of settled items becomes durable in the ledger, exactly once, and a
 * shard that is scanned again takes back what its failed items counted (truth_ledger.h).
 *
 * How each item is counted once, whatever is redone: within a job a path is of at most one class:
 * that of its item row; else `directory` if its directory row has an outcome; else `moved` if the
 * object row is of this job. A segment adds, per class, the paths that are of it afterwards less
 * those that were before. `found` is their sum. After a redo a path may have moved to another shard
 * (a subtree was split off), so that only the sums over all shards are exact, and one shard's may
 * be below zero.
 *
 * A first synchronization needs none of that: its rows are new, and go by COPY straight into
 * `object`. */
#include "planner/truth_ledger.h"

#include <stdlib.h>

enum { CLASS_DIRECTORY = COUNTER_COUNT, CLASS_COUNT };

#define LEARN_ROWS 256 /* fewer are joined in no time, however it is done */

struct tally {
    s64 value[CLASS_COUNT]; /* paths, by the counter of their class */
    s64 bytes_moved;        /* content of those that are `moved` */
    s64 bytes_found;        /* of those and of puts that came to nothing */
};

static int class_by_name(const char *name)
{
    for (int i = 0; i < COUNTER_COUNT; i++)
        if (strcmp(counter_name((u32)i), name) == 0)
            return i;
    return strcmp(name, "directory") == 0 ? CLASS_DIRECTORY : -1;
}

static int add_classes(struct ledger *ledger, const char *sql, const struct truth_request *request,
                       s64 sign, struct tally *tally, struct err *err)
{
    PGresult *result;

    if (postgres_query(ledger->postgres, sql,
                       (struct parameter[]){parameter_s64((s64)request->job),
                                            parameter_s64((s64)request->asset)},
                       2, &result, err) < 0)
        return -1;
    for (int i = 0; i < PQntuples(result); i++) {
        int class = class_by_name(result_text(result, i, 0));

        if (class < 0)
            continue;
        tally->value[class] += sign * result_s64(result, i, 1);
        tally->bytes_found += sign * result_s64(result, i, 2);
        if (class == COUNTER_moved)
            tally->bytes_moved += sign * result_s64(result, i, 2);
    }
    PQclear(result);
    return 0;
}

/* What the paths in `incoming` were before. Each is looked up by its key (OFFSET 0 keeps Postgres
 * from reading all objects of the asset instead): the cost is that of the segment, not of the tree.
 */
static const char before_sql[] =
    "SELECT CASE WHEN i.key IS NOT NULL THEN i.outcome::text WHEN d.outcome IS NOT NULL THEN "
    "'directory'"
    " WHEN o.key IS NOT NULL THEN 'moved' END, count(*),"
    " sum(CASE WHEN i.key IS NOT NULL THEN CASE i.operation WHEN 'put' THEN i.size END"
    " WHEN d.outcome IS NULL THEN o.size END)::bigint FROM incoming n"
    " LEFT JOIN LATERAL (SELECT key, outcome, operation, size FROM item"
    "  WHERE job = $1 AND key = n.key OFFSET 0) i ON true"
    " LEFT JOIN LATERAL (SELECT key, outcome FROM directory"
    "  WHERE job = $1 AND key = n.key OFFSET 0) d ON true"
    " LEFT JOIN LATERAL (SELECT key, size FROM object"
    "  WHERE asset = $2 AND key = n.key AND job = $1 OFFSET 0) o ON true"
    " WHERE n.what <> 'p' GROUP BY 1";

static void add_rows(const struct ledger_rows *rows, struct tally *tally)
{
    static const struct {
        enum outcome outcome;
        enum counter counter;
    } items[] = {{OUTCOME_attributes, COUNTER_attributes},
                 {OUTCOME_changed, COUNTER_changed},
                 {OUTCOME_vanished, COUNTER_vanished},
                 {OUTCOME_failed, COUNTER_failed}};

    tally->value[COUNTER_moved] += rows->of_class[ROW_OBJECT];
    tally->value[CLASS_DIRECTORY] += rows->of_class[ROW_DIRECTORY];
    for (u32 i = 0; i < rows->count; i++) {
        const struct ledger_row *row = &rows->rows[i];

        tally->bytes_moved += row->class == ROW_OBJECT ? (s64)row->row.size : 0;
        tally->bytes_found += row->row.operation == OPERATION_put ? (s64)row->row.size : 0;
        for (size_t k = 0; k < COUNT_OF(items) && row->class == ROW_ITEM; k++)
            if (row->row.outcome == items[k].outcome)
                tally->value[items[k].counter]++;
    }
}

/* ---- rows into tables ---- */

static const char objects_sql[] =
    "INSERT INTO object AS o (asset, key, path, kind, size, mtime_ns, hash, checksum, not_kept, "
    "job, shard)"
    " SELECT $2, key, path, kind, size, mtime_ns, $4, checksum, not_kept, $1, $3 FROM incoming"
    " WHERE what = 'o' ON CONFLICT (asset, key) DO UPDATE SET path = excluded.path,"
    " kind = excluded.kind, size = excluded.size, mtime_ns = excluded.mtime_ns, hash = "
    "excluded.hash,"
    " checksum = excluded.checksum, not_kept = excluded.not_kept, proven_at = excluded.proven_at,"
    " job = excluded.job, shard = excluded.shard";

static int store_objects(struct ledger *ledger, const struct truth_request *request,
                         struct err *err)
{
    return postgres_query(ledger->postgres, objects_sql,
                          (struct parameter[]){parameter_s64((s64)request->job),
                                               parameter_s64((s64)request->asset),
                                               parameter_s64(request->shard),
                                               parameter_text(hash_kind_name(request->hash))},
                          4, NULL, err);
}

/* A path has an item row, or a directory row with an outcome, or neither, but not both. */
static const char *const others_sql[] = {
    "INSERT INTO item (job, key, shard, path, kind, operation, outcome, size, code, message)"
    " SELECT $1, key, $2, path, kind, operation, outcome, size, code, message FROM incoming"
    " WHERE what = 'i' ON CONFLICT (job, key) DO UPDATE SET shard = excluded.shard,"
    " path = excluded.path, kind = excluded.kind, operation = excluded.operation,"
    " outcome = excluded.outcome, size = excluded.size, code = excluded.code,"
    " message = excluded.message, at = excluded.at",
    "INSERT INTO directory AS d (job, key, shard, path, depth, outcome)"
    " SELECT $1, key, $2, path, depth, outcome FROM incoming WHERE what IN ('d', 'p')"
    " ON CONFLICT (job, key) DO UPDATE SET outcome = excluded.outcome"
    " WHERE excluded.outcome IS NOT NULL AND (d.outcome IS NULL OR excluded.outcome = 'moved')",
};

/* The same where paths may have been of another class before: in a redo only. */
static const char *const moved_sql[] = {
    "DELETE FROM item i USING incoming n WHERE i.job = $1 AND i.key = n.key AND n.what IN ('o', "
    "'d')"
    " AND $2::integer IS NOT NULL",
    "UPDATE directory d SET outcome = NULL FROM incoming n WHERE d.job = $1 AND d.key = n.key"
    " AND d.outcome IS NOT NULL AND n.what IN ('o', 'i') AND $2::integer IS NOT NULL",
};

static int store_others(struct ledger *ledger, const struct truth_request *request, bool exact,
                        struct err *err)
{
    struct parameter parameters[] = {parameter_s64((s64)request->job),
                                     parameter_s64(request->shard)};

    for (size_t i = 0; i < COUNT_OF(others_sql); i++)
        if (postgres_query(ledger->postgres, others_sql[i], parameters, 2, NULL, err) < 0)
            return -1;
    for (size_t i = 0; exact && i < COUNT_OF(moved_sql); i++)
        if (postgres_query(ledger->postgres, moved_sql[i], parameters, 2, NULL, err) < 0)
            return -1;
    return 0;
}

/* 1 if the objects are in, 0 if one of them was there already (nothing is in), -1. */
static int copy_objects(struct ledger *ledger, const struct truth_request *request,
                        const struct ledger_rows *rows, struct err *err)
{
    struct buf tuples = {0};
    int rc;

    if (postgres_run(ledger->postgres, "SAVEPOINT plain", err) < 0)
        return -1;
    ledger_rows_objects(rows, request, &tuples);
    rc = postgres_copy(ledger->postgres, LEDGER_COPY_OBJECT, buf_bytes(&tuples), err);
    buf_release(&tuples);
    if (rc == 0)
        return 1;
    if (strcmp(postgres_sqlstate(ledger->postgres), "23505") != 0) /* unique_violation */
        return -1;
    err_clear(err);
    return postgres_run(ledger->postgres, "ROLLBACK TO SAVEPOINT plain", err);
}

/* Postgres knows nothing of a table that was just filled, and would join it row by row with itself.
 */
static int learn_incoming(struct ledger *ledger, const struct ledger_rows *rows, struct err *err)
{
    return rows->count < LEARN_ROWS ? 0 : postgres_run(ledger->postgres, "ANALYZE incoming", err);
}

/* Stores the rows; *exact says that rows may have been there before. */
static int store_rows(struct ledger *ledger, const struct truth_request *request,
                      const struct ledger_rows *rows, struct tally *tally, bool *exact,
                      struct err *err)
{
    *exact = request->upsert || request->redo || rows->duplicates;
    if (rows->count == 0)
        return 0;
    if (!*exact && rows->of_class[ROW_OBJECT] > 0) {
        int copied = copy_objects(ledger, request, rows, err);

        if (copied < 0)
            return -1;
        *exact = copied == 0;
    }
    add_rows(rows, tally);
    if (!*exact && rows->of_class[ROW_OBJECT] == rows->count)
        return 0;
    if (ledger_rows_load(ledger, rows, *exact, err) < 0)
        return -1;
    if (*exact && (learn_incoming(ledger, rows, err) < 0 ||
                   add_classes(ledger, before_sql, request, -1, tally, err) < 0 ||
                   store_objects(ledger, request, err) < 0))
        return -1;
    return store_others(ledger, request, *exact, err);
}

/* ---- counting ---- */

static const enum counter classes[] = {COUNTER_moved, COUNTER_attributes, COUNTER_changed,
                                       COUNTER_vanished, COUNTER_failed};

/* What the segment adds to the job's counters; shard->counters becomes what the shard has added. */
static void count_segment(const struct truth_request *request, const struct tally *tally,
                          struct shard_state *shard, struct counters *added)
{
    struct counters *whole = &shard->counters;

    *added = request->counters;
    added->value[COUNTER_bytes_moved] = tally->bytes_moved;
    added->value[COUNTER_bytes_found] = tally->bytes_found;
    added->value[COUNTER_found] = tally->value[CLASS_DIRECTORY];
    for (size_t i = 0; i < COUNT_OF(classes); i++) {
        added->value[classes[i]] = tally->value[classes[i]];
        added->value[COUNTER_found] += tally->value[classes[i]];
    }
    if (request->redo) {
        /* of a scan that was done before: its numbers replace the earlier ones when it has ended */
        static const enum counter scan[] = {COUNTER_scanned, COUNTER_unchanged, COUNTER_extra};

        for (size_t i = 0; i < COUNT_OF(scan); i++)
            added->value[scan[i]] =
                request->shard_done ? request->counters.value[scan[i]] - whole->value[scan[i]] : 0;
    }
    for (u32 i = 0; i < COUNTER_COUNT; i++)
        whole->value[i] += added->value[i];
    if (request->shard_done && shard->recount) {
        s64 unchanged = whole->value[COUNTER_scanned] - whole->value[COUNTER_found];

        added->value[COUNTER_unchanged] += unchanged - whole->value[COUNTER_unchanged];
        whole->value[COUNTER_unchanged] = unchanged;
    }
}

static int store_shard(struct ledger *ledger, const struct truth_request *request,
                       const struct shard_state *shard, struct err *err)
{
    struct buf json = {0};
    int rc;

    counters_json(&shard->counters, shard->recount, &json);
    rc = postgres_query(
        ledger->postgres,
        "UPDATE shard SET segments = $3, done = $4::boolean, counters = $5::jsonb,"
        " unsettled_since_ns = CASE WHEN $4::boolean THEN NULL"
        " ELSE nullif($6::bigint, 0) END WHERE job = $1 AND number = $2",
        (struct parameter[]){
            parameter_s64((s64)request->job), parameter_s64(request->shard),
            parameter_s64(request->segment), parameter_text(request->shard_done ? "true" : "false"),
            parameter_text(buf_text(&json)), parameter_s64(request->unsettled_since_ns)},
        6, NULL, err);
    buf_release(&json);
    return rc;
}

static int commit_segment(struct ledger *ledger, struct truth_request *request,
                          const struct ledger_rows *rows, struct counters *now, struct err *err)
{
    struct counters added = {0};
    struct shard_state shard;
    struct tally tally = {0};
    bool exact;

    if (ledger_lock_job(ledger, request, err) < 0 || ledger_shard(ledger, request, &shard, err) < 0)
        return -1;
    if (shard.segments == request->segment) { /* an earlier try went through: only read back */
        if (ledger_count(ledger, request->job, NULL, now, err) < 0)
            return -1;
        return ledger_commit(ledger, err);
    }
    if (shard.segments + 1 != request->segment)
        return err_set(err, ERR_Internal, "segment %u of shard %u after segment %u",
                       request->segment, request->shard, shard.segments);
    if (store_rows(ledger, request, rows, &tally, &exact, err) < 0)
        return -1;
    shard.recount = shard.recount || exact;
    count_segment(request, &tally, &shard, &added);
    if (store_shard(ledger, request, &shard, err) < 0 ||
        ledger_count(ledger, request->job, &added, now, err) < 0)
        return -1;
    return ledger_commit(ledger, err);
}

int ledger_segment(struct ledger *ledger, struct truth_request *request, struct err *err)
{
    struct counters now = {0};
    struct ledger_rows rows;
    int rc;

    if (ledger_rows_decode(request, false, &rows, err) < 0)
        return -1;
    rc = commit_segment(ledger, request, &rows, &now, err);
    ledger_rows_release(&rows);
    if (rc == 0)
        request->counters =
            now; /* not before: a request that is executed again needs what it adds */
    return rc;
}

/* ---- redo ---- */

/* What is not there any more is counted as what its path was before: moved, if this job put it in
 * an earlier segment. */
static const char redo_sql[] =
    "WITH gone AS (DELETE FROM item WHERE job = $1 AND shard = $2"
    "  AND outcome IN ('failed', 'changed', 'vanished') RETURNING key, outcome, operation, size)"
    " SELECT outcome::text, -count(*), -sum(CASE operation WHEN 'put' THEN size END)::bigint"
    "  FROM gone GROUP BY 1 UNION ALL"
    " SELECT 'moved', count(*), sum(o.size)::bigint FROM gone g JOIN job j ON j.id = $1 JOIN "
    "object o"
    "  ON o.asset = j.destination_asset AND o.key = g.key AND o.job = j.id";

static int take_back(struct ledger *ledger, const struct truth_request *request,
                     struct counters *delta, struct err *err)
{
    PGresult *result;

    if (postgres_query(
            ledger->postgres, redo_sql,
            (struct parameter[]){parameter_s64((s64)request->job), parameter_s64(request->shard)},
            2, &result, err) < 0)
        return -1;
    for (int i = 0; i < PQntuples(result); i++) {
        int counter = class_by_name(result_text(result, i, 0));
        s64 change = result_s64(result, i, 1);

        if (counter < 0 || counter >= COUNTER_COUNT)
            continue;
        delta->value[counter] += change;
        delta->value[COUNTER_found] += change;
        delta->value[COUNTER_scanned] += change;
        delta->value[COUNTER_bytes_found] += result_s64(result, i, 2);
        if (counter == COUNTER_moved)
            delta->value[COUNTER_bytes_moved] += result_s64(result, i, 2);
    }
    PQclear(result);
    return 0;
}

int ledger_redo(struct ledger *ledger, struct truth_request *request, struct err *err)
{
    struct counters delta = {0}, now = {0};
    struct buf json = {0};
    struct shard_state shard;
    int rc;

    if (ledger_lock_job(ledger, request, err) < 0 ||
        ledger_shard(ledger, request, &shard, err) < 0 ||
        take_back(ledger, request, &delta, err) < 0)
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
    if (rc < 0 || ledger_count(ledger, request->job, &delta, &now, err) < 0 ||
        ledger_commit(ledger, err) < 0)
        return -1;
    request->counters = now;
    return 0;
}
