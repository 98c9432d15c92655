/* schedule_due.c: plans of which a time is due, or of which nobody has told the next one yet, a
 * batch at a time: their rows are locked, what is known of them is read (by a statement that sees
 * what was committed until then), decided (firing.h), and written (schedule_write.c). */
#include "planner/schedule_parts.h"

#include "base/log.h"
#include "base/units.h"

#include <stdlib.h>

#define CLOCK_TOLD_MS 1000 /* a clock that is set back by less is not told */

/* clang-format off */
/* Whose zone this host does not have is for others, who may have it; if nobody did in time, it is
 * to be said. */
static const char lock_sql[] =
    "SELECT c.synchronization FROM schedule c JOIN synchronization s ON s.id = c.synchronization"
    " WHERE c.next_due <= statement_timestamp() AND NOT s.suspended AND (" ZONE_IS_KNOWN("$2")
    "  OR (c.problem IS NULL AND c.next_due < statement_timestamp() - interval '5 s'))"
    " ORDER BY c.next_due LIMIT $1 FOR NO KEY UPDATE OF c, s SKIP LOCKED";

static const char read_sql[] =
    "SELECT s.id, s.name, coalesce(s.spec ->> 'schedule', ''),"
    " coalesce(s.spec ->> 'timezone', 'UTC'), coalesce(s.spec ->> 'overlap', 'queue-one'),"
    " coalesce(s.spec ->> 'missed', 'once'), s.spec ->> 'startingDeadline', s.spec ->> 'jitter',"
    " CASE WHEN s.spec ->> 'historyLimit' ~ '^[0-9]{1,9}$'"
    "  THEN least(greatest((s.spec ->> 'historyLimit')::bigint, 1), $2)"
    "  ELSE least($3::bigint, $2) END, " MS_OF("s.created_at") ", " MS_OF("c.looked_until")
    ", " MS_OF("c.fired_from") ", " MS_OF("c.fired_until") ", " MS_OF("c.resumed_at")
    ", c.problem, a.name, w.name, w.id, " MS_OF("statement_timestamp()")
    " FROM schedule c JOIN synchronization s ON s.id = c.synchronization"
    " LEFT JOIN job a ON a.synchronization = s.id AND NOT a.waits"
    "  AND a.phase IN ('Queued', 'Probing', 'Running', 'Closing')"
    " LEFT JOIN job w ON w.synchronization = s.id AND w.waits"
    " WHERE c.synchronization = ANY ($1::bigint[]) ORDER BY s.id";
/* clang-format on */

/* ---- reading ---- */

static s64 read_moment(const PGresult *rows, int row, enum plan_column column)
{
    return PQgetisnull(rows, row, (int)column) ? FIRING_NEVER : result_s64(rows, row, (int)column);
}

static s64 read_duration(const PGresult *rows, int row, enum plan_column column, s64 otherwise_ms)
{
    s64 ms;

    return units_duration(result_text(rows, row, (int)column), false, &ms) ? ms : otherwise_ms;
}

static enum overlap overlap_by_name(const char *name)
{
    if (strcmp(name, "skip") == 0)
        return OVERLAP_SKIP;
    return strcmp(name, "replace") == 0 ? OVERLAP_REPLACE : OVERLAP_QUEUE_ONE;
}

/* *zone: it is the zone that is wrong. */
static int read_plan(struct schedule_step *step, const PGresult *rows, int row,
                     struct firing_plan *out, bool *zone, struct err *err)
{
    size_t position;

    *out =
        (struct firing_plan){.made_ms = result_s64(rows, row, AT_MADE),
                             .deadline_ms = read_duration(rows, row, AT_DEADLINE, PLAN_STARTING_MS),
                             .missed_once = strcmp(result_text(rows, row, AT_MISSED), "skip") != 0,
                             .overlap = overlap_by_name(result_text(rows, row, AT_OVERLAP)),
                             .rows = (u32)result_s64(rows, row, AT_ROWS)};
    out->jitter_ms =
        times_jitter_ms(result_text(rows, row, AT_NAME), read_duration(rows, row, AT_JITTER, 0));
    out->times.anchor_ms = out->made_ms;
    *zone = false;
    if (cron_parse(result_text(rows, row, AT_SCHEDULE), &out->times.cron, &position, err) < 0)
        return -1;
    *zone = true;
    return zones_open(step->zones, result_text(rows, row, AT_ZONE), &out->times.zone, err);
}

static struct firing_state read_state(const PGresult *rows, int row)
{
    return (struct firing_state){.now_ms = result_s64(rows, row, AT_NOW),
                                 .looked_ms = result_s64(rows, row, AT_LOOKED),
                                 .fired_from_ms = read_moment(rows, row, AT_FIRED_FROM),
                                 .fired_until_ms = read_moment(rows, row, AT_FIRED_UNTIL),
                                 .resumed_ms = read_moment(rows, row, AT_RESUMED),
                                 .active = !PQgetisnull(rows, row, AT_ACTIVE),
                                 .waits = !PQgetisnull(rows, row, AT_WAITING)};
}

static void decide(struct schedule_step *step, const PGresult *rows, int row, struct writes *writes)
{
    struct firing_state state = read_state(rows, row);
    struct firing_plan plan;
    struct firing firing;
    struct err err;
    bool zone;

    if (read_plan(step, rows, row, &plan, &zone, &err) < 0) {
        if (strcmp(result_text(rows, row, AT_PROBLEM), err.text) != 0)
            log_write(LOG_ERROR, NULL, EVENT_plan_problem, "plan=%s message=%s",
                      log_text(result_text(rows, row, AT_NAME)), log_text(err.text));
        writes_problem(writes, result_s64(rows, row, AT_ID), err.text, zone);
        return;
    }
    firing_decide(&plan, &state, &firing);
    writes_add(writes, &(struct decided){rows, row, &plan, &state, &firing});
}

static int decide_all(struct schedule_step *step, const PGresult *locked, struct err *err)
{
    struct writes writes;
    char *ids = schedule_ids(locked);
    PGresult *rows;
    int rc =
        postgres_query(step->postgres, read_sql,
                       (struct parameter[]){parameter_text(ids), parameter_s64(PLAN_MISSED_ROWS),
                                            parameter_s64(HISTORY_LIMIT)},
                       3, &rows, err);

    free(ids);
    writes_begin(&writes);
    if (rc == 0) {
        for (int row = 0; row < PQntuples(rows); row++)
            decide(step, rows, row, &writes);
        PQclear(rows);
        rc = writes_do(step, &writes, err);
    }
    if (rc == 0)
        rc = postgres_run(step->postgres, "COMMIT", err);
    if (rc == 0 && writes.back_ms >= CLOCK_TOLD_MS)
        log_write(LOG_WARN, NULL, EVENT_clock_back, "plans=%u ms=%lld", writes.back,
                  (long long)writes.back_ms);
    writes_release(&writes);
    return rc;
}

int schedule_due(struct schedule_step *step, u32 limit, struct err *err)
{
    char *unknown = zones_unknown(step->zones);
    struct parameter parameters[] = {parameter_s64(limit), parameter_text(unknown)};
    PGresult *locked = NULL;
    int count, rc = postgres_run(step->postgres, "BEGIN", err);

    if (rc == 0)
        rc = postgres_query(step->postgres, lock_sql, parameters, 2, &locked, err);
    free(unknown);
    if (rc < 0)
        return -1;
    count = PQntuples(locked);
    step->plan = count > 0 ? (u64)result_s64(locked, count - 1, 0) : 0;
    rc = count > 0 ? decide_all(step, locked, err) : postgres_run(step->postgres, "ROLLBACK", err);
    PQclear(locked);
    return rc < 0 ? -1 : count;
}
