/* describe_plan.c: a plan in full: when it comes, what became of its latest times, what waits for
 * what, and what to type. Its next times are told here, from the clock of the database, as planners
 * tell them. */
#include "ctl/describe.h"

#include "base/units.h"
#include "cron/times.h"
#include "ctl/schedule_words.h"
#include "ctl/show.h"
#include "store/definitions.h"

#include <stdio.h>
#include <time.h>

#define NEXT_TIMES 5
#define MOMENT_SIZE 64

/* clang-format off */
static const char head_sql[] =
    "SELECT 'plan/' || v.name AS name,"
    " (SELECT string_agg(key || '=' || value, ',' ORDER BY key) FROM jsonb_each_text(v.labels))"
    "  AS labels,"
    " CASE WHEN v.suspended THEN 'yes: nothing starts, and its times are skipped' END AS suspended,"
    " v.problem AS problem, v.schedule AS schedule,"
    " v.timezone AS _zone, v.jitter AS _jitter,"
    " (1000 * extract(epoch FROM v.created_at))::bigint AS _made,"
    " (1000 * extract(epoch FROM clock_timestamp()))::bigint AS _now FROM v_plans v"
    " WHERE v.name = $1";

static const char plan_sql[] =
    "SELECT v.timezone AS timezone, v.overlap || CASE v.overlap"
    "  WHEN 'queue-one' THEN ': when a job still runs, one time waits for its end'"
    "  WHEN 'skip' THEN ': when a job still runs, the time is skipped'"
    "  ELSE ': when a job still runs, it is cancelled' END AS overlap,"
    " v.on_missed || CASE v.on_missed WHEN 'once' THEN"
    "  ': of times that passed while no planner ran, the last one starts'"
    "  ELSE ': times that passed while no planner ran are skipped' END AS missed,"
    " v.starting_deadline || ': what has not started by then is skipped'"
    "  AS \"start deadline\","
    " v.source || ', ' || a.address || ', ' || a.state || coalesce(' (' || a.reason || ')', '')"
    "  AS source,"
    " v.destination || ', ' || b.address || ', ' || b.state ||"
    "  coalesce(' (' || b.reason || ')', '') AS destination,"
    " coalesce(s.spec ->> 'limits', 'none') AS limits,"
    " nullif((s.spec - '{limits,schedule,timezone,overlap,missed,startingDeadline,jitter}'::text[])"
    "  ::text, '{}') AS options,"
    " coalesce(" TIME("v.last_at") " || ', ' || v.last_job || ', ' || v.last_phase ||"
    "  coalesce(' (' || v.last_reason || ')', ''), 'none yet') AS \"last time\","
    " CASE WHEN v.last_job IS DISTINCT FROM r.name OR v.last_phase = 'Skipped'"
    "  THEN v.last_message END AS \"why\","
    " CASE WHEN r.name IS NULL THEN 'none yet' WHEN r.finished_at IS NULL THEN r.name || ', ' ||"
    "  r.phase || coalesce(', started at ' || " AGO("r.started_at") ", '')"
    "  ELSE r.name || ', ' || r.phase || coalesce(' (' || r.reason || ')', '') || ' at ' || "
    AGO("r.finished_at") " END AS \"last run\","
    " r.message AS \"its message\", r.waiting_for AS \"it waits for\","
    " v.waiting_job || ', of ' || " TIME("w.scheduled_for") " || coalesce(', waits for ' ||"
    "  v.waiting_for, '') || coalesce(', until ' || " TIME("w.start_by") ", '') AS waiting,"
    " coalesce(" AGO("v.last_success") ", 'never') AS \"last success\","
    " coalesce(" AGO("v.restorable_to") ", 'not yet') AS \"restorable to\","
    " v.missed || ' since it was made' AS \"times missed\","
    " " TIME("v.created_at") " AS created, " TIME("v.updated_at") " AS changed,"
    " v.suspended AS _suspended, v.problem AS _problem, v.waiting_job AS _waiting,"
    " r.name AS _job, r.phase AS _phase,"
    " CASE WHEN a.state = 'Failed' THEN a.name WHEN b.state = 'Failed' THEN b.name END AS _failed"
    " FROM v_plans v JOIN synchronization s ON s.id = v.id JOIN asset a ON a.name = v.source"
    " JOIN asset b ON b.name = v.destination LEFT JOIN job w ON w.name = v.waiting_job"
    " LEFT JOIN LATERAL " PLAN_LAST_RUN " r ON true WHERE v.name = $1";

static const char jobs_sql[] =
    "SELECT j.name AS \"NAME\", " TIME("j.scheduled_for") " AS \"SCHEDULED-FOR\","
    " j.trigger AS \"TRIGGER\", j.phase AS \"PHASE\", j.reason AS \"REASON\","
    " j.moved AS \"MOVED\", j.removed AS \"REMOVED\", j.failed AS \"FAILED\","
    " " TIME("j.started_at") " AS \"STARTED\", " TIME("j.finished_at") " AS \"FINISHED\""
    " FROM job j JOIN synchronization s ON s.id = j.synchronization WHERE s.name = $1"
    " ORDER BY j.number DESC LIMIT 10";

/* What happened to it, and to its jobs: job by job, so that they are found by their index among
 * millions of others. */
static const char events_sql[] =
    "SELECT " TIME("e.at") " AS \"AT\", e.job AS \"JOB\", e.kind AS \"KIND\","
    " e.message AS \"MESSAGE\" FROM ("
    " (SELECT id, at, NULL AS job, kind, message FROM event WHERE job IS NULL"
    "   AND split_part(message, ' ', 1) = 'plan/' || $1 ORDER BY id DESC LIMIT 10)"
    " UNION ALL (SELECT o.id, o.at, j.name, o.kind, o.message FROM synchronization s"
    "   JOIN job j ON j.synchronization = s.id JOIN LATERAL (SELECT * FROM event"
    "    WHERE job = j.id ORDER BY id DESC LIMIT 10) o ON true WHERE s.name = $1)) e"
    " ORDER BY e.id DESC LIMIT 10";
/* clang-format on */

/* ---- its next times ---- */

/* A moment as clocks of the zone show it: "Sun 2026-03-29 03:00:00 +02:00". */
static void zone_moment(const struct zone *zone, s64 ms, char out[MOMENT_SIZE])
{
    s64 seconds = ms / 1000, offset = zone_offset_s(zone, seconds);
    s64 minutes = (offset < 0 ? -offset : offset) / 60;
    time_t local = (time_t)(seconds + offset);
    char text[40];
    struct tm tm;

    gmtime_r(&local, &tm);
    strftime(text, sizeof text, "%a %Y-%m-%d %H:%M:%S", &tm);
    snprintf(out, MOMENT_SIZE, "%s %c%02lld:%02lld", text, offset < 0 ? '-' : '+',
             (long long)(minutes / 60), (long long)(minutes % 60));
}

static void utc_moment(s64 ms, char out[MOMENT_SIZE])
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;

    gmtime_r(&seconds, &tm);
    strftime(out, MOMENT_SIZE, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

static void print_times(const struct times *times, s64 now_ms, s64 jitter_ms, const char *zone)
{
    struct column columns[] = {
        {"UTC", false, false}, {zone, false, false}, {"STARTS", false, false}};
    u32 count = jitter_ms > 0 ? 3 : 2;
    struct table *table;
    s64 at = now_ms - jitter_ms;

    printf("\nnext times\n");
    fflush(stdout);
    table = table_new(columns, count);
    for (int i = 0; i < NEXT_TIMES && times_next(times, at, &at); i++) {
        char utc[MOMENT_SIZE], local[MOMENT_SIZE], starts[MOMENT_SIZE];

        utc_moment(at, utc);
        zone_moment(times->zone, at, local);
        utc_moment(at + jitter_ms, starts);
        table_row(table, (const char *[]){utc, local, starts});
    }
    table_finish(&table);
}

/* What is known of a schedule whose times are asked for. */
struct telling {
    const char *name, *schedule, *zone, *jitter; /* borrowed */
    s64 made_ms, now_ms;
};

static void print_words(const struct telling *telling, const struct cron *cron, s64 jitter_ms)
{
    struct buf text = {0};

    schedule_words(cron, &text);
    describe_line("that is", buf_text(&text));
    if (jitter_ms > 0) {
        buf_release(&text);
        buf_printf(&text, "%s: each of its times starts ", telling->jitter);
        show_duration(&text, times_jitter_ms(telling->name, jitter_ms));
        buf_append_text(&text, " later");
        describe_line("jitter", buf_text(&text));
    }
    buf_release(&text);
}

/* This host may lack what planners have: that is no reason to say nothing else. */
static void tell(const struct telling *telling, bool next)
{
    struct times times = {.anchor_ms = telling->made_ms};
    struct zone *zone = NULL;
    size_t position;
    s64 jitter_ms = 0;
    struct err err;

    units_duration(telling->jitter, false, &jitter_ms);
    if (cron_parse(telling->schedule, &times.cron, &position, &err) < 0 ||
        zone_open(telling->zone, &zone, &err) < 0) {
        if (next)
            printf("\nits next times cannot be told here: %s\n", err.text);
    } else if (next) {
        times.zone = zone;
        print_times(&times, telling->now_ms, times_jitter_ms(telling->name, jitter_ms),
                    telling->zone);
    } else {
        print_words(telling, &times.cron, jitter_ms);
    }
    zone_destroy(&zone);
}

static const char *value(const PGresult *rows, const char *column)
{
    return result_text(rows, 0, PQfnumber(rows, column));
}

/* ---- all of it ---- */

static void next_of_plan(const char *name, const PGresult *rows)
{
    const char *job = value(rows, "_job"), *waiting = value(rows, "_waiting");
    const char *failed = value(rows, "_failed");
    enum phase phase = phase_by_name(value(rows, "_phase"));

    if (value(rows, "_problem")[0])
        describe_next(
            "see to what the problem says; another zone or schedule: syncline set plan/%s "
            "FIELD=VALUE",
            name);
    else if (job[0] && !phase_has_ended(phase) && waiting[0])
        describe_next("syncline describe job/%s; %s is next, or syncline cancel %s", job, waiting,
                      waiting);
    else if (job[0] && !phase_has_ended(phase))
        describe_next("syncline describe job/%s, or syncline wait %s", job, job);
    else if (value(rows, "_suspended")[0] == 't')
        describe_next("syncline resume %s", name);
    else if (failed[0])
        describe_next("syncline describe asset/%s", failed);
    else if (job[0] && phase != PHASE_Succeeded)
        describe_next("syncline describe job/%s", job);
    else
        describe_next("nothing: it comes by itself. To run it now: syncline run %s --wait", name);
}

static int print_rest(struct postgres *postgres, const char *name, const struct telling *telling,
                      struct err *err)
{
    PGresult *rows = NULL;
    int result = describe_lines(postgres, plan_sql, name, &rows, err);

    if (result < 0)
        return -1;
    tell(telling, true);
    result = describe_table(postgres, "latest jobs", jobs_sql, name, err);
    if (result == 0)
        result = describe_table(postgres, "latest events", events_sql, name, err);
    if (result == 0 && PQntuples(rows) > 0)
        next_of_plan(name, rows);
    PQclear(rows);
    return result;
}

int describe_plan(struct session *session, const char *name, struct err *err)
{
    struct telling telling = {.name = name};
    PGresult *rows;
    int result = describe_lines(session->postgres, head_sql, name, &rows, err);

    if (result < 0)
        return -1;
    if (PQntuples(rows) == 0) {
        result = definitions_none(session->postgres, DEFINITION_PLAN, name, err);
    } else {
        telling.schedule = value(rows, "schedule");
        telling.zone = value(rows, "_zone");
        telling.jitter = value(rows, "_jitter");
        telling.made_ms = result_s64(rows, 0, PQfnumber(rows, "_made"));
        telling.now_ms = result_s64(rows, 0, PQfnumber(rows, "_now"));
        tell(&telling, false);
        result = print_rest(session->postgres, name, &telling, err);
    }
    PQclear(rows);
    return result;
}
