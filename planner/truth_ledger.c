/* truth_ledger.c: the session of the truth thread and what its transactions share (truth_ledger.h).
 *
 * The counters of a job are the columns of states.def. SQL about them is made from that list when
 * this file is compiled; the values travel as one JSON object. */
#include "planner/truth_ledger.h"

#include "base/clock.h"
#include "base/names.h"

#include <stdlib.h>
#include <unistd.h>

/* ---- the session ---- */

/* 1 if the row of an earlier connection is there and ours (a restored database may lack it, or have
 * given its number away). */
static int is_registered(struct ledger *ledger, const char *host, struct err *err)
{
    PGresult *result;
    int found;

    if (ledger->planner == 0)
        return 0;
    if (postgres_query(ledger->postgres,
                       "SELECT FROM planner WHERE id = $1 AND name = $2 AND host = $3 AND pid = $4",
                       (struct parameter[]){parameter_s64((s64)ledger->planner),
                                            parameter_text(ledger->name), parameter_text(host),
                                            parameter_s64(getpid())},
                       4, &result, err) < 0)
        return -1;
    found = PQntuples(result);
    PQclear(result);
    return found;
}

static int register_planner(struct ledger *ledger, const char *host, struct err *err)
{
    PGresult *result;

    /* who is long gone and owns nothing is forgotten; a day is far beyond the moment between a
     * planner's registration and its lock */
    if (postgres_run(ledger->postgres,
                     "DELETE FROM planner p WHERE started_at < now() - interval '1 day'"
                     " AND NOT EXISTS (SELECT FROM job WHERE owner = p.id)"
                     " AND NOT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory'"
                     "  AND classid = " ADVISORY_CLASS " AND objid = p.id::oid AND objsubid = 2)",
                     err) < 0)
        return -1;
    if (postgres_query(ledger->postgres,
                       "INSERT INTO planner (name, host, pid) VALUES ($1, $2, $3) RETURNING id",
                       (struct parameter[]){parameter_text(ledger->name), parameter_text(host),
                                            parameter_s64(getpid())},
                       3, &result, err) < 0)
        return -1;
    ledger->planner = (u64)result_s64(result, 0, 0);
    PQclear(result);
    return 0;
}

/* The rows and names of a segment on their way into the ledger. */
static const char incoming[] =
    "CREATE TEMPORARY TABLE IF NOT EXISTS incoming (what \"char\" NOT NULL, key uuid NOT NULL,"
    " path bytea NOT NULL, kind object_kind NOT NULL, operation text NOT NULL,"
    " outcome item_outcome, size bigint NOT NULL, mtime_ns bigint NOT NULL,"
    " checksum bytea NOT NULL, not_kept integer NOT NULL, code text, message text,"
    " depth integer NOT NULL, inode bigint NOT NULL) ON COMMIT DELETE ROWS;"
    "CREATE TEMPORARY TABLE IF NOT EXISTS incoming_name (key uuid NOT NULL, parent uuid NOT NULL,"
    " path bytea NOT NULL, depth integer NOT NULL, operation text NOT NULL,"
    " kind object_kind NOT NULL, size bigint NOT NULL, mtime_ns bigint NOT NULL,"
    " device bigint NOT NULL, inode bigint NOT NULL, there_inode bigint NOT NULL,"
    " there_links integer NOT NULL, there_ctime_ns bigint NOT NULL, differs boolean NOT NULL,"
    " over_directory boolean NOT NULL, waits boolean NOT NULL)"
    " ON COMMIT DELETE ROWS;"
    /* of tables that grow while they are joined Postgres knows no sizes: with indexes on both sides
     * whatever it chooses ends in time */
    "CREATE INDEX IF NOT EXISTS incoming_key ON incoming (key);"
    "CREATE INDEX IF NOT EXISTS incoming_name_key ON incoming_name (key)";

int ledger_configure(struct postgres *postgres, struct err *err)
{
    struct err ignored;

    /* a long statement of a planner that was killed ends, and lets go of its rows, soon; a server
     * that cannot tell (before 14, or on some systems) goes on to its end */
    postgres_run(postgres, "SET client_connection_check_interval = '1s'", &ignored);
    /* what is reported done is durable, whatever the default of the server; and to compile
     * statements that look up a segment's keys takes longer than to run them */
    return postgres_run(postgres,
                        "SELECT set_config('synchronous_commit', 'on', false)"
                        " WHERE current_setting('synchronous_commit') = 'off'; SET jit = off",
                        err);
}

int ledger_open(struct ledger *ledger, struct err *err)
{
    char host[256] = "";
    struct parameter id[1];
    int registered;

    gethostname(host, sizeof host - 1);
    registered = is_registered(ledger, host, err);
    if (registered < 0 || (registered == 0 && register_planner(ledger, host, err) < 0))
        return -1;
    id[0] = parameter_s64((s64)ledger->planner);
    if (postgres_query(
            ledger->postgres,
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
            " AND classid = " ADVISORY_CLASS " AND objid = $1::bigint::oid AND objsubid = 2"
            " AND pid <> pg_backend_pid()"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
            id, 1, NULL, err) < 0 ||
        postgres_query(ledger->postgres,
                       "SELECT pg_advisory_lock(" ADVISORY_CLASS ", $1::bigint::integer)", id, 1,
                       NULL, err) < 0)
        return -1;
    if (ledger_configure(ledger->postgres, err) < 0 ||
        postgres_run(ledger->postgres, "LISTEN syncline_jobs", err) < 0 ||
        postgres_run(ledger->postgres, incoming, err) < 0)
        return -1;
    /* leases that ran out while the connection was lost, and that nobody has taken */
    return ledger_renew(ledger, NULL, err);
}

void ledger_close(struct ledger *ledger)
{
    struct err ignored;

    postgres_query(ledger->postgres,
                   "UPDATE job SET lease_until = clock_timestamp() WHERE owner = $1"
                   " AND phase IN " ACTIVE_PHASES,
                   (struct parameter[]){parameter_s64((s64)ledger->planner)}, 1, NULL, &ignored);
}

/* ---- transactions ---- */

int ledger_lock_job(struct ledger *ledger, const struct truth_request *request, struct err *err)
{
    PGresult *result;
    int found;

    if (postgres_run(ledger->postgres, "BEGIN", err) < 0 ||
        postgres_query(ledger->postgres,
                       "SELECT set_config('statement_timeout', '10min', true) FROM job"
                       " WHERE id = $1 AND owner = $2 AND epoch = $3 FOR UPDATE",
                       (struct parameter[]){parameter_s64((s64)request->job),
                                            parameter_s64((s64)ledger->planner),
                                            parameter_s64(request->epoch)},
                       3, &result, err) < 0)
        return -1;
    found = PQntuples(result);
    PQclear(result);
    if (found == 0)
        return err_set(err, ERR_OwnershipLost,
                       "job %llu is not of this planner in epoch %u any more",
                       (unsigned long long)request->job, request->epoch);
    ledger->locked = request->job;
    ledger->locked_ms = clock_monotonic_ms();
    return 0;
}

/* Renewals passed the row by while it was locked (truth_claim.c): after the commit it must not be
 * free with a lease that has run out. */
static int renew_locked(struct ledger *ledger, struct err *err)
{
    return postgres_query(
        ledger->postgres,
        "UPDATE job SET lease_until = clock_timestamp() + $3::bigint * interval '1 ms'"
        " WHERE id = $1 AND owner = $2",
        (struct parameter[]){parameter_s64((s64)ledger->locked),
                             parameter_s64((s64)ledger->planner), parameter_s64(PLANNER_LEASE_MS)},
        3, NULL, err);
}

int ledger_commit(struct ledger *ledger, struct err *err)
{
    if (ledger->locked && clock_monotonic_ms() - ledger->locked_ms > PLANNER_RENEW_MS &&
        renew_locked(ledger, err) < 0)
        return -1;
    ledger->locked = 0;
    return postgres_run(ledger->postgres, "COMMIT", err);
}

/* ---- counters ---- */

static const char add_sql[] = "UPDATE job SET"
#define COUNTER(name, json, text) " " #name " = job." #name " + coalesce(d." #name ", 0),"
#include "schema/states.def"
                              " last_progress_at = now() FROM jsonb_to_record($2::jsonb) AS d("
#define COUNTER(name, json, text) #name " bigint, "
#include "schema/states.def"
                              "recount bigint) WHERE job.id = $1 RETURNING "
#define COUNTER(name, json, text) "job." #name ", "
#include "schema/states.def"
                              "job.id";

static const char read_sql[] = "SELECT "
#define COUNTER(name, json, text) #name ", "
#include "schema/states.def"
                               "id FROM job WHERE id = $1";

static const char shard_sql[] =
    "SELECT "
#define COUNTER(name, json, text) "d." #name ", "
#include "schema/states.def"
    "d.recount, s.segments, s.feed FROM shard s, jsonb_to_record(s.counters) AS d("
#define COUNTER(name, json, text) #name " bigint, "
#include "schema/states.def"
    "recount bigint) WHERE s.job = $1 AND s.number = $2 FOR UPDATE OF s";

static void read_counters(const PGresult *result, struct counters *out)
{
    for (u32 i = 0; i < COUNTER_COUNT; i++)
        out->value[i] = result_s64(result, 0, (int)i);
}

void counters_json(const struct counters *counters, bool recount, struct buf *out)
{
    const char *comma = "";

    buf_append_text(out, "{");
    for (u32 i = 0; i < COUNTER_COUNT; i++) {
        if (counters->value[i] == 0)
            continue;
        buf_printf(out, "%s\"%s\":%lld", comma, counter_name(i), (long long)counters->value[i]);
        comma = ",";
    }
    if (recount)
        buf_printf(out, "%s\"recount\":1", comma);
    buf_append_text(out, "}");
}

void counters_show(struct counters *counters)
{
    s64 unchanged = counters->value[COUNTER_unchanged];

    if (unchanged >= 0)
        return;
    counters->value[COUNTER_scanned] -= unchanged;
    counters->value[COUNTER_unchanged] = 0;
}

int ledger_count(struct ledger *ledger, u64 job, const struct counters *delta, struct counters *out,
                 struct err *err)
{
    struct parameter parameters[2] = {parameter_s64((s64)job)};
    struct buf json = {0};
    PGresult *result;
    int rc;

    if (delta) {
        counters_json(delta, false, &json);
        parameters[1] = parameter_text(buf_text(&json));
    }
    rc = postgres_query(ledger->postgres, delta ? add_sql : read_sql, parameters, delta ? 2 : 1,
                        &result, err);
    buf_release(&json);
    if (rc < 0)
        return -1;
    if (out && PQntuples(result) == 1) {
        read_counters(result, out);
        counters_show(out);
    }
    PQclear(result);
    return 0;
}

int ledger_shard(struct ledger *ledger, const struct truth_request *request,
                 struct shard_state *out, struct err *err)
{
    PGresult *result;

    if (postgres_query(
            ledger->postgres, shard_sql,
            (struct parameter[]){parameter_s64((s64)request->job), parameter_s64(request->shard)},
            2, &result, err) < 0)
        return -1;
    if (PQntuples(result) != 1) {
        PQclear(result);
        return err_set(err, ERR_Internal, "job %llu has no shard %u",
                       (unsigned long long)request->job, request->shard);
    }
    read_counters(result, &out->counters);
    out->recount = result_s64(result, 0, COUNTER_COUNT) != 0;
    out->segments = (u32)result_s64(result, 0, COUNTER_COUNT + 1);
    out->feed = feed_by_name(result_text(result, 0, COUNTER_COUNT + 2));
    PQclear(result);
    return 0;
}

/* ---- what was not kept ---- */

void not_kept_add(struct not_kept *sum, u32 bits, s64 count)
{
    for (u32 bit = 0; bit < NOT_KEPT_COUNT; bit++)
        if (bits & (1u << bit))
            sum->value[bit] += count;
}

int ledger_not_kept(struct ledger *ledger, u64 job, const struct not_kept *delta, struct err *err)
{
    struct buf json = {0};
    int rc;

    for (u32 bit = 0; bit < NOT_KEPT_COUNT; bit++)
        if (delta->value[bit] != 0)
            buf_printf(&json, "%s\"%s\":%lld", json.size ? "," : "{",
                       err_name(ERR_HardLinkNotKept + bit), (long long)delta->value[bit]);
    if (json.size == 0)
        return 0;
    buf_append_text(&json, "}");
    rc = postgres_query(
        ledger->postgres,
        "UPDATE job SET not_kept = (SELECT coalesce(jsonb_object_agg(code, objects), '{}') FROM"
        " (SELECT code, sum(count::bigint) AS objects FROM"
        "   (SELECT * FROM jsonb_each_text(job.not_kept)"
        "     UNION ALL SELECT * FROM jsonb_each_text($2::jsonb)) AS each(code, count)"
        "   GROUP BY code HAVING sum(count::bigint) <> 0) sums) WHERE id = $1",
        (struct parameter[]){parameter_s64((s64)job), parameter_text(buf_text(&json))}, 2, NULL,
        err);
    buf_release(&json);
    return rc;
}

/* ---- words ---- */

static const char *const feeds[] = {
    "", "leaders", "links", "removals", "waiting", "late_leaders", "late_links", "check", "repair"};

const char *feed_name(enum feed feed)
{
    return (size_t)feed < COUNT_OF(feeds) ? feeds[feed] : "";
}

enum feed feed_by_name(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(feeds); i++)
        if (strcmp(feeds[i], name) == 0)
            return (enum feed)i;
    return FEED_NONE;
}

int class_by_name(const char *name)
{
    static const struct {
        const char *name;
        int class;
    } classes[] = {{"found", CLASS_FOUND},         {"directory", CLASS_FOUND},
                   {"planned", CLASS_FOUND},       {"kept", COUNTER_extra},
                   {"rotten", COUNTER_mismatched}, {"drifted", COUNTER_mismatched},
                   {"missing", COUNTER_mismatched}};

    for (size_t i = 0; i < COUNT_OF(classes); i++)
        if (strcmp(classes[i].name, name) == 0)
            return classes[i].class;
    for (int i = 0; i < COUNTER_COUNT; i++)
        if (strcmp(counter_name((u32)i), name) == 0)
            return i;
    return CLASS_NONE;
}

bool class_is_found(int class)
{
    switch (class) {
    case CLASS_FOUND:
    case COUNTER_moved:
    case COUNTER_linked:
    case COUNTER_attributes:
    case COUNTER_changed:
    case COUNTER_vanished:
    case COUNTER_failed:
        return true;
    default:
        return false;
    }
}

int ledger_announce(struct ledger *ledger, u64 job, const char *kind, const char *message,
                    struct err *err)
{
    return postgres_query(
        ledger->postgres,
        "WITH told AS (INSERT INTO event (job, kind, message) VALUES ($1, $2, $3))"
        " SELECT pg_notify('syncline_job', name) FROM job WHERE id = $1",
        (struct parameter[]){parameter_s64((s64)job), parameter_text(kind),
                             parameter_text(message)},
        3, NULL, err);
}

char *ledger_text(struct bytes text)
{
    struct buf escaped = {0};
    char *copy;

    if (utf8_is_valid(text) && (text.size == 0 || !memchr(text.data, '\0', text.size)))
        return text_of_bytes(text);
    name_escape(&escaped, text);
    copy = text_of_bytes(buf_bytes(&escaped));
    buf_release(&escaped);
    return copy;
}
