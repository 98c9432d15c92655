/* truth_close.c: directories are closed, a job enters a phase, a job ends (truth_ledger.h).
 *
 * Directories were counted as found when they were committed; what became of each is counted here,
 * by deleting its row: a row that is gone already is not counted again. */
#include "planner/truth_ledger.h"

#include <stdlib.h>

/* ---- directories ---- */

static void fill_paths(const PGresult *result, struct truth_request *request)
{
    struct frame_writer writer;
    struct buf path = {0};

    buf_clear(&request->paths);
    frame_begin(&writer, &request->paths);
    for (int i = 0; i < PQntuples(result); i++) {
        buf_clear(&path);
        result_bytes(result, i, 0, &path);
        /* the frame that comes back has rows for the same paths, which take more */
        if (writer.count > 0 && request->paths.size + path.size > FRAME_MAX / 2)
            break;
        frame_add_dir(&writer, &(struct rec_dir){.path = buf_bytes(&path)});
    }
    frame_end(&writer);
    request->path_count = writer.count;
    buf_release(&path);
}

/* A batch of the deepest, in the order of an index. */
static const char deepest_sql[] = "SELECT path, depth FROM directory WHERE job = $1 AND depth > 0"
                                  " ORDER BY depth DESC LIMIT $2";

static const char level_sql[] =
    "SELECT path FROM directory WHERE job = $1 AND depth = (SELECT max(depth)"
    " FROM directory WHERE job = $1 AND depth > 0) ORDER BY path LIMIT $2";

/* No directory is closed before what is below it: batches that are worked at side by side are of
 * one depth. One alone, which is worked at in its order, takes as many depths as it has room for:
 * of a deep tree, each would cost a transaction otherwise. */
int ledger_close_next(struct ledger *ledger, struct truth_request *request, struct err *err)
{
    struct parameter parameters[] = {parameter_s64((s64)request->job), parameter_s64(BATCH_ITEMS)};
    PGresult *result;
    int rows;

    if (ledger_lock_job(ledger, request, err) < 0 ||
        postgres_query(ledger->postgres, deepest_sql, parameters, 2, &result, err) < 0)
        return -1;
    rows = PQntuples(result);
    if (rows == BATCH_ITEMS && result_s64(result, 0, 1) == result_s64(result, rows - 1, 1)) {
        PQclear(result);
        parameters[1] = parameter_s64(request->limit);
        if (postgres_query(ledger->postgres, level_sql, parameters, 2, &result, err) < 0)
            return -1;
    }
    fill_paths(result, request);
    PQclear(result);
    return ledger_commit(ledger, err);
}

/* Each directory that this job made or found to differ, or that failed, gets a line of its own; one
 * that a verification found to be wrong says what it was. The ledger remembers those that were
 * made, as of no job: the line is what counts. $2 is the asset. */
static const char closed_sql[] =
    "WITH gone AS (DELETE FROM directory d USING incoming n WHERE d.job = $1 AND d.key = n.key"
    "  RETURNING d.outcome AS was, d.shard, n.key, n.path, n.kind, n.operation, n.outcome, n.code,"
    "  n.message, n.not_kept, n.mtime_ns),"
    " made AS (INSERT INTO object (asset, key, path, kind, size, mtime_ns, hash, checksum, job,"
    "   shard) SELECT $2, key, path, kind, 0, mtime_ns, '', '', 0, 0 FROM gone"
    "  WHERE was = 'moved' AND outcome IN ('attributes', 'moved')"
    "  ON CONFLICT (asset, key) DO UPDATE SET kind = excluded.kind, size = excluded.size,"
    "   mtime_ns = excluded.mtime_ns, hash = excluded.hash, checksum = excluded.checksum,"
    "   not_kept = excluded.not_kept, proven_at = excluded.proven_at, job = excluded.job,"
    "   shard = excluded.shard),"
    " kept AS (INSERT INTO item (job, key, shard, path, kind, operation, outcome, code, message,"
    "   not_kept) SELECT $1, g.key, g.shard, g.path, g.kind,"
    "   CASE WHEN g.outcome IN ('attributes', 'moved') AND p.outcome IS NOT NULL THEN 'repair'"
    "    ELSE g.operation END, CASE"
    "    WHEN g.outcome NOT IN ('attributes', 'moved') THEN g.outcome"
    "    WHEN was = 'moved' THEN was ELSE 'attributes' END, code,"
    "   CASE WHEN g.outcome IN ('attributes', 'moved') AND p.outcome IS NOT NULL"
    "    THEN 'was ' || p.outcome::text ELSE message END, not_kept FROM gone g"
    "  LEFT JOIN LATERAL (SELECT outcome FROM pending WHERE job = $1 AND key = g.key"
    "   AND operation = 'inventory' AND outcome IN ('missing', 'drifted') OFFSET 0) p ON true"
    "  WHERE g.outcome NOT IN ('attributes', 'moved') OR was IS NOT NULL"
    "  ON CONFLICT (job, key) DO UPDATE SET outcome = excluded.outcome, code = excluded.code,"
    "   message = excluded.message, not_kept = excluded.not_kept, at = excluded.at)"
    " SELECT g.was::text, g.outcome::text, i.outcome::text, count(*), g.not_kept, i.not_kept"
    " FROM gone g LEFT JOIN item i ON i.job = $1 AND i.key = g.key GROUP BY 1, 2, 3, 5, 6";

/* Only those that leave a line count in what was not kept: they have a row that remembers. */
static void count_not_kept(const PGresult *result, int row, struct not_kept *delta)
{
    const char *was = result_text(result, row, 0), *outcome = result_text(result, row, 1);
    s64 count = result_s64(result, row, 3);

    if (!was[0] && (strcmp(outcome, "attributes") == 0 || strcmp(outcome, "moved") == 0))
        return;
    not_kept_add(delta, (u32)result_s64(result, row, 4), count);
    not_kept_add(delta, (u32)result_s64(result, row, 5), -count);
}

static enum counter class_of(const char *outcome)
{
    static const enum counter classes[] = {COUNTER_attributes, COUNTER_changed, COUNTER_vanished,
                                           COUNTER_failed};

    for (size_t i = 0; i < COUNT_OF(classes); i++)
        if (strcmp(counter_name(classes[i]), outcome) == 0)
            return classes[i];
    return COUNTER_moved;
}

/* `count` directories that were `was` ("" = only published into), became `outcome`, and had an item
 * row of outcome `item` ("" = none) before. */
static void count_closed(const char *was, const char *outcome, const char *item, s64 count,
                         struct counters *delta)
{
    bool done = strcmp(outcome, "attributes") == 0 || strcmp(outcome, "moved") == 0;

    if (done && !was[0])
        return;
    if (done)
        outcome = strcmp(was, "moved") == 0 ? "moved" : "attributes";
    delta->value[class_of(outcome)] += count;
    if (was[0])
        return; /* found already */
    if (item[0]) {
        delta->value[class_of(item)] -= count; /* it was found, as that */
        return;
    }
    delta->value[COUNTER_found] += count;
    delta->value[COUNTER_unchanged] -= count;
}

static int close_rows(struct ledger *ledger, struct truth_request *request,
                      const struct ledger_rows *rows, struct err *err)
{
    struct counters delta = {0}, now = {0};
    struct not_kept not_kept = {0};
    PGresult *result;

    if (ledger_lock_job(ledger, request, err) < 0 ||
        ledger_rows_load(ledger, rows, false, err) < 0 ||
        postgres_query(ledger->postgres, closed_sql,
                       (struct parameter[]){parameter_s64((s64)request->job),
                                            parameter_s64((s64)request->asset)},
                       2, &result, err) < 0)
        return -1;
    for (int i = 0; i < PQntuples(result); i++) {
        count_closed(result_text(result, i, 0), result_text(result, i, 1),
                     result_text(result, i, 2), result_s64(result, i, 3), &delta);
        count_not_kept(result, i, &not_kept);
    }
    PQclear(result);
    if (ledger_not_kept(ledger, request->job, &not_kept, err) < 0 ||
        ledger_count(ledger, request->job, &delta, &now, err) < 0 || ledger_commit(ledger, err) < 0)
        return -1;
    request->counters = now;
    return 0;
}

int ledger_close_done(struct ledger *ledger, struct truth_request *request, struct err *err)
{
    struct ledger_rows rows;
    int rc;

    if (ledger_rows_decode(request, true, &rows, err) < 0)
        return -1;
    rc = close_rows(ledger, request, &rows, err);
    ledger_rows_release(&rows);
    return rc;
}

/* ---- phases ---- */

int ledger_phase(struct ledger *ledger, struct truth_request *request, struct err *err)
{
    char *waiting_for = request->waiting_for ? ledger_text(bytes_text(request->waiting_for)) : NULL;
    PGresult *result = NULL;
    bool moved;
    int rc = -1;

    if (request->phase && phase_has_ended(request->phase)) {
        err_set(err, ERR_Internal, "a job ends by TRUTH_END, not by a phase");
        goto done;
    }
    if (ledger_lock_job(ledger, request, err) < 0 ||
        postgres_query(
            ledger->postgres,
            "UPDATE job j SET phase = coalesce($2::job_phase, j.phase),"
            " scan_complete = $3::boolean, waiting_for = $4,"
            " last_progress_at = CASE WHEN $4::text IS NULL OR $5::boolean THEN now()"
            "  ELSE j.last_progress_at END"
            " FROM job before WHERE j.id = $1 AND before.id = j.id"
            " RETURNING before.phase <> j.phase",
            (struct parameter[]){parameter_s64((s64)request->job),
                                 parameter_text(request->phase ? phase_name(request->phase) : NULL),
                                 parameter_text(request->scan_complete ? "true" : "false"),
                                 parameter_text(waiting_for),
                                 parameter_text(request->progressed ? "true" : "false")},
            5, &result, err) < 0)
        goto done;
    moved = result_text(result, 0, 0)[0] == 't';
    PQclear(result);
    if (moved && ledger_announce(ledger, request->job, phase_name(request->phase), "", err) < 0)
        goto done;
    rc = ledger_commit(ledger, err);
done:
    free(waiting_for);
    return rc;
}

/* ---- the end ---- */

/* An earlier try may have gone through: then the job has no owner any more, and ended in our epoch,
 * in which nobody else could have ended it. */
static int has_ended_so(struct ledger *ledger, const struct truth_request *request, struct err *err)
{
    struct err ignored;
    PGresult *result;
    int ended;

    postgres_run(ledger->postgres, "ROLLBACK", &ignored);
    if (postgres_query(ledger->postgres,
                       "SELECT FROM job WHERE id = $1 AND epoch = $2 AND owner IS NULL"
                       " AND phase = $3::job_phase",
                       (struct parameter[]){parameter_s64((s64)request->job),
                                            parameter_s64(request->epoch),
                                            parameter_text(phase_name(request->phase))},
                       3, &result, err) < 0)
        return -1;
    ended = PQntuples(result);
    PQclear(result);
    return ended;
}

/* The counts get their final form here: below zero `unchanged` would be what was scanned before and
 * is gone from the source since. */
static const char end_sql[] =
    "UPDATE job SET phase = $2::job_phase, reason = $3, message = $4,"
    " scan_complete = scan_complete OR $5::boolean, finished_at = now(), last_progress_at = now(),"
    " waiting_for = NULL, owner = NULL, lease_until = NULL,"
    " scanned = scanned + greatest(-unchanged, 0), unchanged = greatest(unchanged, 0) WHERE id = "
    "$1";

/* What a Held job keeps comes last: its list, and the shards that are done. */
static const char *const clear_sql[] = {
    "DELETE FROM directory WHERE job = $1", "DELETE FROM claim WHERE job = $1",
    "DELETE FROM shard WHERE job = $1", "DELETE FROM pending WHERE job = $1"};
#define CLEARED_OF_HELD 2

/* What the next job of the synchronization has to know. After scans that were done to their end
 * nothing is left that would have to be put again; and what was to be removed at a destination that
 * was another one was weighed with that in mind, and done. A job that only looked says nothing, nor
 * does one that was about some items. */
#define WHOLE " AND (j.spec -> 'run' ?| ARRAY['only', 'plan']) IS NOT TRUE"

static int pass_on(struct ledger *ledger, const struct truth_request *request, struct err *err)
{
    bool well = request->phase == PHASE_Succeeded || request->phase == PHASE_CompletedWithErrors;
    struct parameter parameters[] = {parameter_s64((s64)request->job),
                                     parameter_s64(request->unsettled_since_ns)};

    if ((well || request->phase == PHASE_Held) && (request->dry_run || request->verify))
        return 0;
    if (well || request->phase == PHASE_Held)
        return postgres_query(
            ledger->postgres,
            well ? "UPDATE synchronization s SET unsettled_since_ns = NULL, destination_identity ="
                   "  coalesce(a.identity, s.destination_identity)"
                   " FROM job j JOIN asset a ON a.id = j.destination_asset"
                   "  AND a.address = j.destination_address"
                   " WHERE j.id = $1 AND s.id = j.synchronization" WHOLE
                 : "UPDATE synchronization s SET unsettled_since_ns = NULL FROM job j"
                   " WHERE j.id = $1 AND s.id = j.synchronization" WHOLE,
            parameters, 1, NULL, err);
    if (request->unsettled_since_ns == 0)
        return 0;
    return postgres_query(ledger->postgres,
                          "UPDATE synchronization s SET unsettled_since_ns ="
                          "  least(s.unsettled_since_ns, CASE WHEN $2::bigint > 0 THEN $2 ELSE"
                          "   (SELECT min(unsettled_since_ns) FROM shard"
                          "    WHERE job = $1 AND NOT done) END)"
                          " FROM job j WHERE j.id = $1 AND s.id = j.synchronization",
                          parameters, 2, NULL, err);
}

static int end_job(struct ledger *ledger, struct truth_request *request, const char *message,
                   struct err *err)
{
    size_t cleared = request->phase == PHASE_Held ? CLEARED_OF_HELD : COUNT_OF(clear_sql);
    struct parameter job = parameter_s64((s64)request->job);
    struct buf told = {0};
    int rc;

    if (postgres_query(
            ledger->postgres, end_sql,
            (struct parameter[]){job, parameter_text(phase_name(request->phase)),
                                 parameter_text(request->reason), parameter_text(message),
                                 parameter_text(request->scan_complete ? "true" : "false")},
            5, NULL, err) < 0 ||
        ledger_blame(ledger, request, message, err) < 0 || pass_on(ledger, request, err) < 0 ||
        ledger_total(ledger, request->job, err) < 0)
        return -1;
    for (size_t i = 0; i < cleared; i++)
        if (postgres_query(ledger->postgres, clear_sql[i], &job, 1, NULL, err) < 0)
            return -1;
    buf_printf(&told, "%s%s%s", request->reason ? request->reason : "",
               request->reason && message ? ": " : "", message ? message : "");
    rc = ledger_announce(ledger, request->job, phase_name(request->phase), buf_text(&told), err);
    buf_release(&told);
    return rc;
}

int ledger_end(struct ledger *ledger, struct truth_request *request, struct err *err)
{
    struct err other;
    char *message;
    int rc;

    if (!phase_has_ended(request->phase))
        return err_set(err, ERR_Internal, "a job cannot end in phase %s",
                       phase_name(request->phase));
    if (ledger_lock_job(ledger, request, err) < 0) {
        if (err->code != ERR_OwnershipLost)
            return -1;
        rc = has_ended_so(ledger, request, &other);
        if (rc < 0)
            *err = other;
        if (rc <= 0)
            return -1;
        return ledger_count(ledger, request->job, NULL, &request->counters, err);
    }
    message = request->message ? ledger_text(bytes_text(request->message)) : NULL;
    rc = end_job(ledger, request, message, err);
    free(message);
    if (rc < 0 || ledger_count(ledger, request->job, NULL, &request->counters, err) < 0)
        return -1;
    return ledger_commit(ledger, err);
}
