/* truth_resolve.c: every scan is done, and what the close has to do is decided, once
 * (truth_ledger.h, truth.h). job.resolved says that it was; the removal guard is asked again each
 * time (truth_guard.c), as nothing that it looks at changes until it lets go or is overruled. */
#include "planner/truth_ledger.h"

/* ---- names of one object ---- */

/* An object of the destination whose names are all of this group, and which is as at the source,
 * confirms what it is, and what is left of the group is linked to it. Without one the first by path
 * is put; also with two: they are equal in size and time only, and at most one of them need be what
 * the source has. A name that waits is put only if all of its object do, and one over a directory
 * only if all are. Groups of which nothing is left are dropped. Rows are found again by their
 * place: nobody else writes rows of a job whose own row is locked. */
static const char groups_sql[] =
    "WITH each AS (SELECT ctid AS place, key, device, inode, path, there_inode, over_directory, "
    "waits,"
    "  count(*) OVER there AS same, bool_or(differs) OVER there AS differs,"
    "  min(there_links) OVER there AS least, max(there_links) OVER there AS most,"
    "  min(there_inode) FILTER (WHERE there_inode <> 0 AND NOT differs) OVER object AS first,"
    "  max(there_inode) FILTER (WHERE there_inode <> 0 AND NOT differs) OVER object AS last"
    "  FROM pending WHERE job = $1 AND operation = 'link'"
    "  WINDOW there AS (PARTITION BY device, inode, there_inode),"
    "  object AS (PARTITION BY device, inode)),"
    " judged AS (SELECT *, CASE WHEN there_inode <> 0 AND NOT differs AND least = same"
    "  AND most = same AND first = last THEN same ELSE 0 END AS confirmed FROM each),"
    " ranked AS (SELECT place, there_inode,"
    "  first_value(confirmed) OVER best AS confirmed,"
    "  first_value(there_inode) OVER best AS leader_inode,"
    "  first_value(key) OVER best AS leader,"
    "  count(*) OVER (PARTITION BY device, inode) AS names FROM judged"
    "  WINDOW best AS (PARTITION BY device, inode "
    "   ORDER BY confirmed DESC, waits, over_directory, path)),"
    " dropped AS (DELETE FROM pending p USING ranked r WHERE p.ctid = r.place"
    "  AND r.confirmed = r.names RETURNING p.key),"
    " decided AS (UPDATE pending p SET leader = r.leader,"
    "  outcome = CASE WHEN r.confirmed > 0 AND r.there_inode = r.leader_inode"
    "   THEN 'unchanged'::item_outcome END FROM ranked r"
    "  WHERE p.ctid = r.place AND r.confirmed < r.names RETURNING p.outcome)"
    " SELECT (SELECT count(*) FROM dropped) + (SELECT count(*) FROM decided"
    "  WHERE outcome IS NOT NULL)";

static int resolve_groups(struct ledger *ledger, const struct truth_request *request,
                          struct counters *delta, struct err *err)
{
    struct parameter job = parameter_s64((s64)request->job);
    PGresult *result;

    if (postgres_query(ledger->postgres, groups_sql, &job, 1, &result, err) < 0)
        return -1;
    delta->value[COUNTER_unchanged] += result_s64(result, 0, 0);
    delta->value[COUNTER_found] -= result_s64(result, 0, 0);
    PQclear(result);
    return 0;
}

/* ---- a dry run ---- */

static const char *const planned_sql[] = {
    "INSERT INTO item (job, key, shard, path, kind, operation, outcome, size, mtime_ns)"
    " SELECT job, key, shard, path, kind, CASE WHEN leader = key THEN 'put' ELSE operation END,"
    "  'planned', size, mtime_ns FROM pending WHERE job = $1 AND outcome IS NULL"
    " ON CONFLICT (job, key) DO UPDATE SET operation = excluded.operation,"
    "  outcome = excluded.outcome, kind = excluded.kind, size = excluded.size,"
    "  mtime_ns = excluded.mtime_ns",
    "DELETE FROM pending WHERE job = $1",
};

static int plan(struct ledger *ledger, const struct truth_request *request, struct counters *delta,
                struct err *err)
{
    struct parameter job = parameter_s64((s64)request->job);
    PGresult *result;

    /* what the leaders of groups would carry is known only now */
    if (postgres_query(ledger->postgres,
                       "SELECT sum(size)::bigint FROM pending WHERE job = $1 AND leader = key"
                       " AND outcome IS NULL",
                       &job, 1, &result, err) < 0)
        return -1;
    delta->value[COUNTER_bytes_found] += result_s64(result, 0, 0);
    PQclear(result);
    for (size_t i = 0; i < COUNT_OF(planned_sql); i++)
        if (postgres_query(ledger->postgres, planned_sql[i], &job, 1, NULL, err) < 0)
            return -1;
    return 0;
}

/* ---- feeds ---- */

/* Only those that have something to do, and are not there yet; $2 names one, $3 is where it
 * begins. */
static const char feed_sql[] =
    "INSERT INTO shard (job, number, path, feed, unsettled_since_ns)"
    " SELECT $1, (SELECT coalesce(max(number), -1) + 1 FROM shard WHERE job = $1), '', $2,"
    "  nullif($3::bigint, 0)"
    " WHERE NOT EXISTS (SELECT FROM shard WHERE job = $1 AND feed = $2)"
    " AND EXISTS (SELECT FROM pending WHERE job = $1 AND CASE $2"
    "  WHEN 'leaders' THEN operation = 'link' AND leader = key AND NOT waits AND outcome IS NULL"
    "  WHEN 'links' THEN operation = 'link' AND leader <> key AND NOT waits AND outcome IS NULL"
    "  WHEN 'removals' THEN operation = 'remove' AND outcome IS NULL"
    "  WHEN 'waiting' THEN operation = 'put' AND outcome IS NULL"
    "  WHEN 'late_leaders' THEN operation = 'link' AND leader = key AND waits AND outcome IS NULL"
    "  WHEN 'late_links' THEN operation = 'link' AND leader <> key AND waits AND outcome IS NULL"
    "  WHEN 'check' THEN operation = 'inventory' AND outcome IS NULL"
    "  WHEN 'repair' THEN operation = 'inventory' AND (differs OR outcome IS NULL) END)";

static int add_feeds(struct ledger *ledger, const struct truth_request *request, enum feed from,
                     enum feed to, struct err *err)
{
    for (enum feed feed = from; feed <= to; feed++)
        if (postgres_query(ledger->postgres, feed_sql,
                           (struct parameter[]){parameter_s64((s64)request->job),
                                                parameter_text(feed_name(feed)),
                                                parameter_s64(request->unsettled_since_ns)},
                           3, NULL, err) < 0)
            return -1;
    return 0;
}

/* ---- all of it ---- */

struct decided {
    bool resolved, approved;
    bool listed; /* something waits for the close; if nothing does, no feed has anything to do */
};

static int read_decided(struct ledger *ledger, u64 job, struct decided *out, struct err *err)
{
    PGresult *result;

    if (postgres_query(ledger->postgres,
                       "SELECT resolved, approved, EXISTS (SELECT FROM pending WHERE job = $1)"
                       " FROM job WHERE id = $1",
                       (struct parameter[]){parameter_s64((s64)job)}, 1, &result, err) < 0)
        return -1;
    out->resolved = result_text(result, 0, 0)[0] == 't';
    out->approved = result_text(result, 0, 1)[0] == 't';
    out->listed = result_text(result, 0, 2)[0] == 't';
    PQclear(result);
    return 0;
}

/* The guard's word is told, and in a dry run that is all. */
static int guard(struct ledger *ledger, struct truth_request *request,
                 const struct decided *decided, bool *held, struct err *err)
{
    *held = false;
    if (decided->approved || request->verify)
        return 0;
    if (ledger_guard(ledger, request, held, err) < 0)
        return -1;
    if (!*held || !request->dry_run || decided->resolved)
        return 0;
    return ledger_announce(ledger, request->job, err_name(ERR_RemovalHeld), request->message, err);
}

static int resolve(struct ledger *ledger, struct truth_request *request, struct counters *delta,
                   bool *held, struct err *err)
{
    struct decided decided;

    if (read_decided(ledger, request->job, &decided, err) < 0)
        return -1;
    if (!decided.resolved && (decided.listed || request->verify)) {
        /* a table that was just filled has no statistics */
        if (postgres_run(ledger->postgres, "ANALYZE pending", err) < 0 ||
            (request->verify ? ledger_verify(ledger, request, delta, err)
                             : resolve_groups(ledger, request, delta, err)) < 0)
            return -1;
    }
    if (!decided.resolved && request->plan && ledger_plan_names(ledger, request, delta, err) < 0)
        return -1;
    if (guard(ledger, request, &decided, held, err) < 0)
        return -1;
    if (request->dry_run)
        return decided.resolved ? 0 : plan(ledger, request, delta, err);
    if (request->verify) {
        if (!decided.resolved && add_feeds(ledger, request, FEED_CHECK, FEED_CHECK, err) < 0)
            return -1;
        return request->repair && !decided.resolved
                   ? add_feeds(ledger, request, FEED_REPAIR, FEED_REPAIR, err)
                   : 0;
    }
    if (!decided.listed)
        return 0;
    if (!decided.resolved && add_feeds(ledger, request, FEED_LEADERS, FEED_LINKS, err) < 0)
        return -1;
    return *held ? 0 : add_feeds(ledger, request, FEED_REMOVALS, FEED_LATE_LINKS, err);
}

int ledger_resolve(struct ledger *ledger, struct truth_request *request, struct err *err)
{
    struct counters delta = {0}, now = {0};
    struct parameter job = parameter_s64((s64)request->job);
    bool held = false;

    /* lists may be long */
    if (ledger_lock_job(ledger, request, err) < 0 ||
        postgres_run(ledger->postgres, "SET LOCAL work_mem = '64MB'", err) < 0 ||
        resolve(ledger, request, &delta, &held, err) < 0 ||
        postgres_query(ledger->postgres, "UPDATE job SET resolved = true WHERE id = $1", &job, 1,
                       NULL, err) < 0 ||
        ledger_count(ledger, request->job, &delta, &now, err) < 0 ||
        ledger_read_shards(ledger, request, true, err) < 0 || ledger_commit(ledger, err) < 0)
        return -1;
    request->held = held && !request->dry_run;
    request->counters = now;
    return 0;
}
