/* schedule_write.c: what was decided about a batch of plans, in words and as rows: collected as
 * JSON, a handful of statements for all of them (schedule_parts.h). */
#include "planner/schedule_parts.h"

#include "planner/truth_ledger.h"

#include <stdlib.h>

void writes_begin(struct writes *writes)
{
    *writes = (struct writes){.again = json_array(),
                              .replaced = json_array(),
                              .times = json_array(),
                              .schedules = json_array()};
}

void writes_release(struct writes *writes)
{
    json_decref(writes->again);
    json_decref(writes->replaced);
    json_decref(writes->times);
    json_decref(writes->schedules);
}

static json_t *moment(s64 ms)
{
    return ms == FIRING_NEVER ? json_null() : json_integer(ms);
}

static const char *name_at(const struct decided *decided, enum plan_column column)
{
    return result_text(decided->rows, decided->row, (int)column);
}

static json_int_t id_at(const struct decided *decided, enum plan_column column)
{
    return result_s64(decided->rows, decided->row, (int)column);
}

static s64 start_by_ms(const struct decided *decided, s64 at_ms)
{
    return at_ms + decided->plan->jitter_ms + decided->plan->deadline_ms;
}

/* ---- what becomes of a time, in words ---- */

static void say_skipped(const struct decided *decided, const struct firing_time *time,
                        struct buf *out)
{
    char by[MOMENT_TEXT_SIZE];

    switch (time->reason) {
    case ERR_StillRunning:
        buf_printf(out, "job %s still ran when the time came", name_at(decided, AT_ACTIVE));
        break;
    case ERR_AlreadyWaiting:
        buf_printf(out, "job %s, an earlier time of the plan, still waited to start",
                   name_at(decided, AT_WAITING));
        break;
    case ERR_DeadlineExceeded:
        moment_text(start_by_ms(decided, time->at_ms), by);
        buf_printf(out, "no planner looked before its starting deadline, %s", by);
        break;
    default:
        buf_append_text(out, err_describe(time->reason));
    }
    if (time->more)
        buf_append_text(out, "; so did earlier ones, which have no row");
}

static void add_time(struct writes *writes, const struct decided *decided,
                     const struct firing_time *time)
{
    bool skipped = time->fate == FATE_SKIP, waits = time->fate == FATE_WAIT;
    struct buf words = {0};

    if (skipped)
        say_skipped(decided, time, &words);
    else if (waits && decided->state->active)
        buf_printf(&words, "job %s, which still runs", name_at(decided, AT_ACTIVE));
    else if (waits)
        buf_append_text(&words, "its turn");
    json_array_append_new(writes->times,
                          json_pack("{s:I, s:I, s:I, s:s, s:b, s:s?, s:s?, s:s?}", "plan",
                                    id_at(decided, AT_ID), "at", (json_int_t)time->at_ms,
                                    "start_by", (json_int_t)start_by_ms(decided, time->at_ms),
                                    "phase", phase_name(skipped ? PHASE_Skipped : PHASE_Queued),
                                    "waits", waits, "waiting_for", waits ? buf_text(&words) : NULL,
                                    "reason", skipped ? err_name(time->reason) : NULL, "message",
                                    skipped ? buf_text(&words) : NULL));
    buf_release(&words);
}

static void add_replaced(struct writes *writes, const struct decided *decided)
{
    char at[MOMENT_TEXT_SIZE];
    struct buf message = {0};

    moment_text(decided->firing->times[0].at_ms, at);
    buf_printf(&message, "the time %s came before this one could start", at);
    json_array_append_new(writes->replaced,
                          json_pack("{s:I, s:s}", "id", id_at(decided, AT_WAITING_ID), "message",
                                    buf_text(&message)));
    buf_release(&message);
}

static void add_again(struct writes *writes, const struct decided *decided)
{
    const struct firing_state *state = decided->state;
    const struct firing *firing = decided->firing;
    s64 back_ms = state->looked_ms - state->now_ms;

    json_array_append_new(writes->again,
                          json_pack("{s:I, s:I, s:o, s:o}", "plan", id_at(decided, AT_ID), "after",
                                    (json_int_t)(state->now_ms - decided->plan->jitter_ms), "from",
                                    moment(firing->fired_from_ms), "until",
                                    moment(firing->fired_until_ms)));
    writes->back++;
    if (back_ms > writes->back_ms)
        writes->back_ms = back_ms;
}

static void add_schedule(struct writes *writes, const struct decided *decided)
{
    const struct firing *firing = decided->firing;
    s64 due_ms = firing->next_ms + decided->plan->jitter_ms;

    json_array_append_new(
        writes->schedules,
        json_pack("{s:I, s:I, s:o, s:o, s:o, s:o, s:b, s:i}", "plan", id_at(decided, AT_ID),
                  "looked", (json_int_t)firing->looked_ms, "next",
                  firing->comes ? json_integer(firing->next_ms) : json_null(), "due",
                  firing->comes ? json_integer(due_ms) : json_null(), "from",
                  moment(firing->fired_from_ms), "until", moment(firing->fired_until_ms), "back",
                  firing->clock_back, "missed", (int)firing->missed));
}

void writes_problem(struct writes *writes, s64 plan, const char *problem, bool here)
{
    char *text = ledger_text(bytes_text(problem)); /* it may be cut off within a character */

    json_array_append_new(writes->schedules, json_pack("{s:I, s:s, s:b}", "plan", (json_int_t)plan,
                                                       "problem", text, "here", here));
    free(text);
}

void writes_add(struct writes *writes, const struct decided *decided)
{
    if (decided->firing->clock_back)
        add_again(writes, decided);
    if (decided->firing->replaces)
        add_replaced(writes, decided);
    for (u32 i = 0; i < decided->firing->count; i++)
        add_time(writes, decided, &decided->firing->times[i]);
    add_schedule(writes, decided);
}

/* ---- writing ---- */

/* clang-format off */
static const char again_sql[] =
    "DELETE FROM job j USING jsonb_to_recordset($1::jsonb) AS r(plan bigint, after bigint,"
    "  \"from\" bigint, until bigint)"
    " WHERE j.synchronization = r.plan AND j.phase = 'Skipped'"
    "  AND j.reason IN ('Missed', 'DeadlineExceeded', 'PlanSuspended')"
    "  AND j.scheduled_for > " MOMENT_OF("r.after")
    "  AND (r.\"from\" IS NULL OR j.scheduled_for NOT BETWEEN " MOMENT_OF("r.\"from\"") " AND "
    MOMENT_OF("r.until") ")";

static const char replace_sql[] =
    "UPDATE job j SET phase = 'Skipped', waits = false, waiting_for = NULL, reason = 'Replaced',"
    "  message = r.message, finished_at = clock_timestamp()"
    " FROM jsonb_to_recordset($1::jsonb) AS r(id bigint, message text)"
    " WHERE j.id = r.id AND j.id IN (SELECT id FROM job WHERE id IN"
    "  (SELECT (value ->> 'id')::bigint FROM jsonb_array_elements($1::jsonb)) AND waits"
    "  FOR NO KEY UPDATE SKIP LOCKED) RETURNING j.id";

static const char schedule_sql[] =
    "UPDATE schedule c SET problem = r.problem,"
    "  looked_until = coalesce(" MOMENT_OF("r.looked") ", c.looked_until),"
    "  next_at = " MOMENT_OF("r.next") ","
    "  next_due = CASE WHEN r.problem IS NULL THEN coalesce(" MOMENT_OF("r.due") ", 'infinity')"
    "   WHEN r.here THEN c.next_due ELSE statement_timestamp() + interval '1 min' END,"
    "  fired_from = CASE WHEN r.problem IS NULL THEN " MOMENT_OF("r.\"from\"")
    "   ELSE c.fired_from END,"
    "  fired_until = CASE WHEN r.problem IS NULL THEN " MOMENT_OF("r.until")
    "   ELSE c.fired_until END,"
    "  resumed_at = CASE WHEN r.back THEN least(c.resumed_at, " MOMENT_OF("r.looked") ")"
    "   ELSE c.resumed_at END,"
    "  missed = c.missed + coalesce(r.missed, 0)"
    " FROM jsonb_to_recordset($1::jsonb) AS r(plan bigint, looked bigint, next bigint, due bigint,"
    "  \"from\" bigint, until bigint, back boolean, missed bigint, problem text,"
    "  here boolean) WHERE c.synchronization = r.plan";
/* clang-format on */

static int write_replaced(struct schedule_step *step, const struct writes *writes, struct err *err)
{
    PGresult *result;
    char *ids;
    int rc;

    if (json_array_size(writes->replaced) == 0)
        return 0;
    if (schedule_query(step->postgres, replace_sql, writes->replaced, &result, err) < 0)
        return -1;
    ids = schedule_ids(result);
    PQclear(result);
    rc = schedule_tell(step, ids, false, err);
    free(ids);
    return rc;
}

int writes_do(struct schedule_step *step, const struct writes *writes, struct err *err)
{
    if (json_array_size(writes->again) > 0 &&
        schedule_query(step->postgres, again_sql, writes->again, NULL, err) < 0)
        return -1;
    /* one plan has one time that waits at most: the old one goes before the new one comes */
    if (write_replaced(step, writes, err) < 0 || schedule_insert(step, writes->times, err) < 0)
        return -1;
    return schedule_query(step->postgres, schedule_sql, writes->schedules, NULL, err);
}
