/* truth_segment.c: a segment of settled items becomes durable in the ledger, exactly once
 * (truth_ledger.h).
 *
 * How each item is counted once, whatever is redone: within a job a path is of at most one class:
 * that of its pending row (its outcome; without one, found if it is a link or a put, else none);
 * else that of its item row; else found if its directory row has an outcome; else `moved` if the
 * object row is of this job. A segment adds, per class, the paths that are of it afterwards less
 * those that were before. `found` is the sum of the classes that are found. After a redo a path may
 * have moved to another shard (a subtree was split off), so that only the sums over all shards are
 * exact, and one shard's may be below zero. What was not kept is counted in the same way, by the
 * item row, else the object row.
 *
 * A first synchronization needs none of that: its rows are new, and go by COPY straight into
 * `object`. A shard with names for the close does, since a listing may show a path twice. */
#include "planner/truth_ledger.h"

#include <stdlib.h>

#define LEARN_ROWS 256 /* fewer are joined in no time, however it is done */

static int class_of(const struct ledger_row *row)
{
    switch (row->class) {
    case ROW_OBJECT:
        return COUNTER_moved;
    case ROW_DIRECTORY:
        return CLASS_FOUND;
    case ROW_UNCHANGED:
        return COUNTER_unchanged;
    case ROW_ITEM:
        if (row->row.outcome == OUTCOME_planned && row->row.operation == OPERATION_remove)
            return CLASS_NONE;
        return class_by_name(outcome_name(row->row.outcome));
    default:
        return CLASS_NONE;
    }
}

static void add_rows(const struct ledger_rows *rows, struct tally *tally)
{
    for (u32 i = 0; i < rows->count; i++) {
        const struct rec_row *row = &rows->rows[i].row;
        enum row_class class = rows->rows[i].class;

        tally->value[class_of(&rows->rows[i])]++;
        if (class == ROW_OBJECT)
            tally->bytes_moved += (s64)row->size;
        if (row->operation == OPERATION_put && (class == ROW_OBJECT || class == ROW_ITEM))
            tally->bytes_found += (s64)row->size;
        if (class == ROW_OBJECT || class == ROW_ITEM)
            not_kept_add(&tally->not_kept, row->not_kept, 1);
        if (class == ROW_UNCHANGED && row->kind == KIND_file) /* of a verification */
            tally->bytes_proven += (s64)row->size;
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

/* A path has an item row, or a directory row with an outcome, or neither, but not both. One that
 * waits for the close itself (to be removed, or replaced by something else) is not closed. */
static const char *const others_sql[] = {
    "INSERT INTO item (job, key, shard, path, kind, operation, outcome, size, mtime_ns, not_kept,"
    " code, message) SELECT $1, key, $2, path, kind, CASE WHEN $3 = 'check' THEN 'verify' ELSE"
    " operation END, outcome, size, mtime_ns, not_kept, code, message FROM incoming"
    " WHERE what = 'i' ON CONFLICT (job, key) DO UPDATE SET shard = excluded.shard,"
    " path = excluded.path, kind = excluded.kind, operation = excluded.operation,"
    " outcome = excluded.outcome, size = excluded.size, mtime_ns = excluded.mtime_ns,"
    " not_kept = excluded.not_kept, code = excluded.code, message = excluded.message, at = "
    "excluded.at",
    "INSERT INTO directory AS d (job, key, shard, path, depth, outcome)"
    " SELECT $1, key, $2, path, depth, outcome FROM incoming n WHERE (what = 'd' OR what = 'p' AND"
    "  NOT EXISTS (SELECT FROM pending WHERE job = $1 AND key = n.key)) AND $3::text IS NOT NULL"
    " ON CONFLICT (job, key) DO UPDATE SET outcome = excluded.outcome"
    " WHERE excluded.outcome IS NOT NULL AND (d.outcome IS NULL OR excluded.outcome = 'moved')",
};

/* The same where paths may have been of another class before. */
static const char *const moved_sql[] = {
    "DELETE FROM item i USING incoming n WHERE i.job = $1 AND i.key = n.key"
    " AND n.what IN ('o', 'd', 'u')",
    "UPDATE directory d SET outcome = NULL FROM incoming n WHERE d.job = $1 AND d.key = n.key"
    " AND d.outcome IS NOT NULL AND n.what IN ('o', 'i', 'u')",
};

static int store_others(struct ledger *ledger, const struct truth_request *request, enum feed feed,
                        bool exact, struct err *err)
{
    struct parameter parameters[] = {parameter_s64((s64)request->job),
                                     parameter_s64(request->shard),
                                     parameter_text(feed_name(feed))};

    for (size_t i = 0; i < COUNT_OF(others_sql); i++)
        if (postgres_query(ledger->postgres, others_sql[i], parameters, 3, NULL, err) < 0)
            return -1;
    for (size_t i = 0; exact && i < COUNT_OF(moved_sql); i++)
        if (postgres_query(ledger->postgres, moved_sql[i], parameters, 1, NULL, err) < 0)
            return -1;
    return exact ? pending_rows(ledger, request, feed, err) : 0;
}

/* 1 if the objects are in, 0 if one of them was there already (nothing is in), -1. */
static int copy_objects(struct ledger *ledger, const struct truth_request *request,
                        const struct ledger_rows *rows, struct err *err)
{
    if (postgres_run(ledger->postgres, "SAVEPOINT plain", err) < 0)
        return -1;
    if (ledger_rows_objects(ledger, rows, request, err) == 0)
        return 1;
    if (strcmp(postgres_sqlstate(ledger->postgres), "23505") != 0) /* unique_violation */
        return -1;
    err_clear(err);
    return postgres_run(ledger->postgres, "ROLLBACK TO SAVEPOINT plain", err);
}

/* Postgres knows nothing of tables that were just filled, and would join them row by row, reading
 * the whole of one for each of the other: keys are to be looked up, and no list read twice. */
static int learn_incoming(struct ledger *ledger, const struct ledger_rows *rows, struct err *err)
{
    return rows->count < LEARN_ROWS
               ? 0
               : postgres_run(ledger->postgres,
                              "ANALYZE incoming; SET LOCAL enable_seqscan = off;"
                              "SET LOCAL enable_material = off",
                              err);
}

/* Stores the rows; *exact says that rows may have been there before. */
static int store_rows(struct ledger *ledger, const struct truth_request *request,
                      const struct ledger_rows *rows, enum feed feed, struct tally *tally,
                      bool *exact, struct err *err)
{
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
                   tally_before(ledger, TALLY_ROWS, request, -1, tally, err) < 0 ||
                   store_objects(ledger, request, err) < 0))
        return -1;
    return store_others(ledger, request, feed, *exact, err);
}

/* ---- counting ---- */

/* Of a scan that was done before: its numbers replace the earlier ones when it has ended. */
static void count_scan(const struct truth_request *request, const struct shard_state *shard,
                       struct counters *added)
{
    static const enum counter scan[] = {COUNTER_scanned, COUNTER_unchanged, COUNTER_extra};

    for (size_t i = 0; i < COUNT_OF(scan) && request->redo; i++)
        added->value[scan[i]] =
            request->shard_done ? request->counters.value[scan[i]] - shard->counters.value[scan[i]]
                                : 0;
}

/* A verification counts copies, not items: intact ones as proven, others as mismatched. What it
 * could not read has failed. */
static void count_checked(const struct tally *tally, struct counters *added)
{
    added->value[COUNTER_proven] = tally->value[COUNTER_unchanged];
    added->value[COUNTER_bytes_proven] = tally->bytes_proven;
    added->value[COUNTER_mismatched] = tally->value[COUNTER_mismatched];
    added->value[COUNTER_failed] = tally->value[COUNTER_failed];
    added->value[COUNTER_extra] += tally->value[COUNTER_extra];
}

static void count_items(const struct truth_request *request, enum feed feed,
                        const struct tally *tally, struct counters *added)
{
    static const enum counter counted[] = {COUNTER_moved,   COUNTER_linked,   COUNTER_attributes,
                                           COUNTER_changed, COUNTER_vanished, COUNTER_failed,
                                           COUNTER_removed};
    s64 found = 0;

    for (int class = 0; class < CLASS_COUNT; class ++)
        found += class_is_found(class) ? tally->value[class] : 0;
    for (size_t i = 0; i < COUNT_OF(counted); i++)
        added->value[counted[i]] = tally->value[counted[i]];
    added->value[COUNTER_found] = found;
    added->value[COUNTER_bytes_moved] = tally->bytes_moved;
    added->value[COUNTER_bytes_found] = tally->bytes_found;
    added->value[COUNTER_extra] += tally->value[COUNTER_extra];
    if (!request->redo || feed != FEED_NONE)
        added->value[COUNTER_unchanged] += tally->value[COUNTER_unchanged];
    if (feed == FEED_REPAIR) /* of copies, only those that were checked count */
        added->value[COUNTER_proven] = added->value[COUNTER_mismatched] =
            added->value[COUNTER_bytes_proven] = 0;
    if (feed == FEED_REMOVALS) /* no scan has counted those that could not be removed */
        added->value[COUNTER_scanned] += found;
}

/* What the segment adds to the job's counters; shard->counters becomes what the shard has added. */
static void count_segment(const struct truth_request *request, const struct tally *tally,
                          struct shard_state *shard, struct counters *added)
{
    struct counters *whole = &shard->counters;

    *added = request->counters;
    if (shard->feed == FEED_NONE)
        count_scan(request, shard, added);
    if (shard->feed == FEED_CHECK)
        count_checked(tally, added);
    else
        count_items(request, shard->feed, tally, added);
    for (u32 i = 0; i < COUNTER_COUNT; i++)
        whole->value[i] += added->value[i];
    if (request->shard_done && shard->recount && shard->feed == FEED_NONE) {
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
        " ELSE nullif($6::bigint, 0) END,"
        " present = CASE WHEN $4::boolean THEN $7::bigint ELSE present END,"
        " source_empty = $4::boolean AND $8::boolean WHERE job = $1 AND number = $2",
        (struct parameter[]){
            parameter_s64((s64)request->job), parameter_s64(request->shard),
            parameter_s64(request->segment), parameter_text(request->shard_done ? "true" : "false"),
            parameter_text(buf_text(&json)), parameter_s64(request->unsettled_since_ns),
            parameter_s64((s64)request->present),
            parameter_text(request->source_empty ? "true" : "false")},
        8, NULL, err);
    buf_release(&json);
    return rc;
}

static int store_segment(struct ledger *ledger, const struct truth_request *request,
                         const struct ledger_rows *rows, const struct ledger_names *names,
                         struct shard_state *shard, struct counters *now, struct err *err)
{
    bool exact = request->upsert || request->redo || rows->duplicates || shard->recount ||
                 shard->feed != FEED_NONE || names->count > 0;
    struct counters added = {0};
    struct tally tally = {0};

    if (store_rows(ledger, request, rows, shard->feed, &tally, &exact, err) < 0 ||
        pending_names(ledger, request, names, &tally, err) < 0)
        return -1;
    shard->recount = shard->recount || exact;
    count_segment(request, &tally, shard, &added);
    if (store_shard(ledger, request, shard, err) < 0 ||
        ledger_not_kept(ledger, request->job, &tally.not_kept, err) < 0)
        return -1;
    return ledger_count(ledger, request->job, &added, now, err);
}

static int commit_segment(struct ledger *ledger, const struct truth_request *request,
                          const struct ledger_rows *rows, const struct ledger_names *names,
                          struct counters *now, struct err *err)
{
    struct shard_state shard;
    int rc;

    if (ledger_lock_job(ledger, request, err) < 0 || ledger_shard(ledger, request, &shard, err) < 0)
        return -1;
    if (shard.segments == request->segment) /* an earlier try went through: only read back */
        rc = ledger_count(ledger, request->job, NULL, now, err);
    else if (shard.segments + 1 != request->segment)
        rc = err_set(err, ERR_Internal, "segment %u of shard %u after segment %u", request->segment,
                     request->shard, shard.segments);
    else
        rc = store_segment(ledger, request, rows, names, &shard, now, err);
    return rc < 0 ? -1 : ledger_commit(ledger, err);
}

int ledger_segment(struct ledger *ledger, struct truth_request *request, struct err *err)
{
    struct counters now = {0};
    struct ledger_names names = {0};
    struct ledger_rows rows;
    int rc;

    if (ledger_rows_decode(request, false, &rows, err) < 0)
        return -1;
    rc = ledger_names_decode(request, &names, err);
    if (rc == 0)
        rc = commit_segment(ledger, request, &rows, &names, &now, err);
    ledger_names_release(&names);
    ledger_rows_release(&rows);
    if (rc == 0)
        request->counters =
            now; /* not before: a request that is executed again needs what it adds */
    return rc;
}
