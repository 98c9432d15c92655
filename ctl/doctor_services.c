/* doctor_services.c: the services, and what they say of the line (doctor.h). */
#include "ctl/doctor.h"

#include "base/clock.h"
#include "io/redis.h"
#include "schema/limits.h"
#include "store/jobs.h"
#include "store/migrations.h"

#include <stdio.h>
#include <stdlib.h>

#define SKEW_MS 2000
#define CONNECTIONS_FREE 10

/* ---- Postgres ---- */

/* What must be so for "durable" to be true: a setting, its value. */
static const char *const settings[][2] = {
    {"fsync", "on"}, {"full_page_writes", "on"}, {"transaction_read_only", "off"}};

static void check_setting(struct findings *findings, struct postgres *postgres, const char *name,
                          const char *wanted)
{
    struct parameter parameters[] = {parameter_text(name)};
    PGresult *result;
    struct err err;
    char next[128];

    if (postgres_query(postgres, "SELECT current_setting($1)", parameters, 1, &result, &err) < 0)
        return; /* check_postgres has said what is wrong with the connection */
    snprintf(next, sizeof next, "set %s = %s in postgresql.conf", name, wanted);
    if (strcmp(result_text(result, 0, 0), wanted) != 0)
        finding_add(findings, HEALTH_FAILED, "postgres", next,
                    "%s is %s: what is reported done would not be durable", name,
                    result_text(result, 0, 0));
    PQclear(result);
}

static void check_database(struct findings *findings, struct postgres *postgres)
{
    static const char sql[] =
        "SELECT current_setting('server_version'),"
        " (extract(epoch FROM clock_timestamp()) * 1000)::bigint,"
        " current_setting('max_connections')::int - (SELECT count(*) FROM pg_stat_activity)::int,"
        " (SELECT count(*) FROM pg_roles WHERE rolname = 'syncline_ro'),"
        " pg_size_pretty(pg_database_size(current_database()))";
    s64 before_ms = clock_wall_ns() / NS_PER_MS, skew_ms;
    PGresult *result;
    struct err err;

    if (postgres_query(postgres, sql, NULL, 0, &result, &err) < 0) {
        finding_add(findings, HEALTH_FAILED, "postgres", "read the log of Postgres", "%s",
                    err.text);
        return;
    }
    finding_add(findings, HEALTH_OK, "postgres", NULL, "version %s, the database has %s",
                result_text(result, 0, 0), result_text(result, 0, 4));
    skew_ms = llabs(result_s64(result, 0, 1) - before_ms);
    if (skew_ms > SKEW_MS)
        finding_add(findings, HEALTH_WARNING, "clock", "synchronize the clocks of both hosts",
                    "Postgres' clock is %lld ms from this host's", (long long)skew_ms);
    if (result_s64(result, 0, 2) < CONNECTIONS_FREE)
        finding_add(findings, HEALTH_WARNING, "postgres", "raise max_connections",
                    "only %lld connections are free", (long long)result_s64(result, 0, 2));
    if (result_s64(result, 0, 3) == 0)
        finding_add(findings, HEALTH_WARNING, "postgres",
                    "CREATE ROLE syncline_ro, and grant it SELECT on all tables of the schema",
                    "there is no read-only role syncline_ro");
    PQclear(result);
}

static void check_planners(struct findings *findings, struct postgres *postgres)
{
    bool alive;
    struct err err;

    if (jobs_planner_alive(postgres, &alive, &err) < 0)
        return;
    if (!alive)
        findings->unreachable = true;
    finding_add(findings, alive ? HEALTH_OK : HEALTH_FAILED, "planner",
                alive ? NULL : "syncline up, or start syncline-planner",
                alive ? "up" : "none is running");
}

/* One row is one thing that waits for a person: what, and what to type. A time of a plan that waits
 * for the job before it waits for nobody; one that came and is not decided says that no planner
 * does its work, though one may hold its lock. */
static const char waiting_sql[] =
    "SELECT format('asset %s is Failed since %s: %s', name, to_char(since, 'YYYY-MM-DD HH24:MI'),"
    "  coalesce(message, reason)), 'syncline describe asset/' || name FROM v_assets WHERE state = "
    "'Failed'"
    "  AND coalesce(labels->>'syncline.adhoc', '') <> 'true'"
    " UNION ALL SELECT format('job %s is Held: %s', name, message), 'syncline report ' || name ||"
    "  ' --only=removed, then syncline approve ' || name FROM v_jobs WHERE phase = 'Held'"
    "  AND superseded_by IS NULL"
    " UNION ALL SELECT format('when plan %s comes cannot be told: %s', name, problem),"
    "  'syncline describe plan/' || name FROM v_plans WHERE problem IS NOT NULL"
    " UNION ALL SELECT format('plan %s was due at %s, and no planner has looked', name,"
    "   to_char(next_due AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS\"Z\"')),"
    "  'look into the log of each planner, and restart one that hangs' FROM v_plans WHERE"
    "  next_due > '-infinity' AND next_due < clock_timestamp() - $1::bigint * interval '1 ms'"
    " UNION ALL SELECT format('job %s waits for %s', a.name, a.waiting_for), 'syncline status'"
    "  FROM v_active a JOIN job j ON j.name = a.name WHERE a.waiting_for <> '' AND NOT j.waits"
    " LIMIT 20";

static void check_waiting(struct findings *findings, struct postgres *postgres)
{
    struct parameter late = parameter_s64(PLAN_LATE_MS);
    PGresult *result;
    struct err err;

    if (postgres_query(postgres, waiting_sql, &late, 1, &result, &err) < 0)
        return;
    for (int row = 0; row < PQntuples(result); row++)
        finding_add(findings, HEALTH_WARNING, "waiting", result_text(result, row, 1), "%s",
                    result_text(result, row, 0));
    if (PQntuples(result) == 0)
        finding_add(findings, HEALTH_OK, "waiting", NULL, "nothing waits for a person");
    PQclear(result);
}

static void check_postgres(struct findings *findings, struct session *session)
{
    struct err err;

    if (postgres_connect(session->database_url, "syncline", &session->postgres, &err) < 0) {
        findings->unreachable = true;
        finding_add(findings, HEALTH_FAILED, "postgres",
                    session->embedded ? "syncline up"
                                      : "check SYNCLINE_DATABASE_URL, and that Postgres runs",
                    "%s", err.text);
        return;
    }
    check_database(findings, session->postgres);
    for (size_t i = 0; i < COUNT_OF(settings); i++)
        check_setting(findings, session->postgres, settings[i][0], settings[i][1]);
    if (migrations_check(session->postgres, &err) < 0) {
        finding_add(findings, HEALTH_FAILED, "schema", "syncline admin migrate", "%s", err.text);
        return;
    }
    finding_add(findings, HEALTH_OK, "schema", NULL, "that of this version");
    check_planners(findings, session->postgres);
    check_waiting(findings, session->postgres);
}

/* ---- Redis ---- */

/* The value of "name:value" in what INFO says; *size is its length. */
static const char *info_value(const char *info, const char *name, int *size)
{
    const char *at = strstr(info, name);

    *size = 0;
    if (!at)
        return "";
    at += strlen(name);
    *size = (int)strcspn(at, "\r\n");
    return at;
}

static void check_redis_info(struct findings *findings, const char *info)
{
    int size, policy_size;
    const char *version = info_value(info, "redis_version:", &size);
    const char *policy = info_value(info, "maxmemory_policy:", &policy_size);

    finding_add(findings, HEALTH_OK, "redis", NULL, "version %.*s", size, version);
    if (policy_size != (int)strlen("noeviction") ||
        strncmp(policy, "noeviction", (size_t)policy_size) != 0)
        finding_add(findings, HEALTH_WARNING, "redis",
                    "redis-cli CONFIG SET maxmemory-policy noeviction",
                    "maxmemory-policy is %.*s: keys of the view may go before their time",
                    policy_size, policy);
    if (!strstr(info, "aof_enabled:1"))
        finding_add(findings, HEALTH_WARNING, "redis", "redis-cli CONFIG SET appendonly yes",
                    "not append-only: after a restart the view is empty until it is written anew");
}

static void check_redis(struct findings *findings, struct session *session)
{
    struct redis *redis = NULL;
    redisReply *info = NULL;
    struct err err;
    int rc;

    if (!session->redis_url) {
        finding_add(findings, HEALTH_WARNING, "redis", "set SYNCLINE_REDIS_URL",
                    "not configured: there is no view of jobs and workers");
        return;
    }
    rc = redis_connect(session->redis_url, &redis, &err);
    if (rc == 0) {
        redis_add(redis, "INFO", NULL);
        rc = redis_ask(redis, &info, &err);
    }
    if (rc < 0) {
        findings->unreachable = true;
        finding_add(findings, HEALTH_FAILED, "redis",
                    "check SYNCLINE_REDIS_URL, and that Redis runs", "%s; jobs go on without it",
                    err.text);
    } else {
        check_redis_info(findings, info->str ? info->str : "");
    }
    freeReplyObject(info);
    redis_destroy(&redis);
}

/* ---- workers, as planners see them ---- */

static void check_workers(struct findings *findings, struct session *session)
{
    static const enum role roles[] = {ROLE_watcher, ROLE_mover, ROLE_verifier};
    struct view *view = session_view(session);
    struct err err;
    json_t *workers = view ? view_workers(view, &err) : NULL, *worker;
    size_t index;

    if (!workers)
        return; /* Redis is away, which has been said */
    for (size_t i = 0; i < COUNT_OF(roles); i++) {
        const char *role = role_name(roles[i]);
        char next[96];
        u32 count = 0;

        json_array_foreach(workers, index, worker)
        {
            const char *is = json_string_value(json_object_get(worker, "role"));

            count += is && strcmp(is, role) == 0;
        }
        snprintf(next, sizeof next, "syncline scale %s=1, or start syncline-%s", role, role);
        finding_add(findings, count ? HEALTH_OK : HEALTH_FAILED, role, count ? NULL : next,
                    count ? "%u" : "%u: jobs wait for one", count);
    }
    json_decref(workers);
}

void doctor_services(struct findings *findings, struct session *session)
{
    check_postgres(findings, session);
    check_redis(findings, session);
    check_workers(findings, session);
}
