/* schedule_rows.c: times as rows of table job, and how they are told (schedule_parts.h). Many at a
 * time: what ten thousand plans do in one second are a few dozen transactions. */
#include "planner/schedule_parts.h"

#include <stdlib.h>
#include <time.h>

void moment_text(s64 ms, char out[MOMENT_TEXT_SIZE])
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm broken;

    gmtime_r(&seconds, &broken);
    strftime(out, MOMENT_TEXT_SIZE, "%Y-%m-%d %H:%M:%SZ", &broken);
}

int schedule_query(struct postgres *postgres, const char *sql, json_t *json, PGresult **result,
                   struct err *err)
{
    char *text = json_dumps(json, JSON_COMPACT);
    int rc =
        postgres_query(postgres, sql, (struct parameter[]){parameter_text(text)}, 1, result, err);

    free(text);
    return rc;
}

char *schedule_ids(const PGresult *result)
{
    struct buf ids = {0};
    char *text;

    buf_append_text(&ids, "{");
    for (int i = 0; i < PQntuples(result); i++)
        buf_printf(&ids, "%s%s", i ? "," : "", result_text(result, i, 0));
    buf_append_text(&ids, "}");
    text = text_of_bytes(buf_bytes(&ids));
    buf_release(&ids);
    return text;
}

/* The row of the synchronization is ours: nobody else gives numbers, or times. */
/* clang-format off */
static const char insert_sql[] =
    "WITH r AS (SELECT * FROM jsonb_to_recordset($1::jsonb) AS r(plan bigint, at bigint, start_by"
    "  bigint, phase text, waits boolean, waiting_for text, reason text, message text)),"
    " w AS (SELECT r.*, row_number() OVER (PARTITION BY plan ORDER BY at) - 1 AS nth FROM r"
    "  WHERE NOT EXISTS (SELECT FROM job j WHERE j.synchronization = r.plan"
    "   AND j.scheduled_for = " MOMENT_OF("r.at") ")),"
    " n AS (UPDATE synchronization s SET next_number = s.next_number + k.count"
    "  FROM (SELECT plan, count(*) FROM w GROUP BY plan) k WHERE s.id = k.plan"
    "  RETURNING s.id, s.name, s.next_number - k.count AS first, s.spec, s.source, s.destination)"
    " INSERT INTO job (name, synchronization, number, trigger, scheduled_for, start_by, spec,"
    "  source_address, destination_address, destination_asset, phase, waits, waiting_for, reason,"
    "  message, finished_at)"
    " SELECT n.name || '-' || (n.first + w.nth), n.id, n.first + w.nth, 'schedule',"
    "  " MOMENT_OF("w.at") ", " MOMENT_OF("w.start_by") ","
    "  CASE w.phase WHEN 'Skipped' THEN '{}' ELSE n.spec END, a.address, b.address, b.id,"
    "  w.phase::job_phase, w.waits, w.waiting_for, w.reason, w.message,"
    "  CASE w.phase WHEN 'Skipped' THEN clock_timestamp() END"
    " FROM w JOIN n ON n.id = w.plan JOIN asset a ON a.id = n.source"
    "  JOIN asset b ON b.id = n.destination ORDER BY w.plan, w.at RETURNING id";
/* clang-format on */

int schedule_insert(struct schedule_step *step, json_t *times, struct err *err)
{
    PGresult *result;
    char *ids;
    int rc;

    if (json_array_size(times) == 0)
        return 0;
    if (schedule_query(step->postgres, insert_sql, times, &result, err) < 0)
        return -1;
    ids = schedule_ids(result);
    PQclear(result);
    rc = schedule_tell(step, ids, false, err);
    free(ids);
    return rc;
}

/* ---- telling ---- */

/* took: as ledger_total counts it. Who waits for jobs to claim is told once. */
/* clang-format off */
static const char tell_sql[] =
    "WITH j AS (SELECT j.*, s.name AS plan, extract(epoch FROM coalesce(j.finished_at, now()) -"
    "   coalesce(j.started_at, j.created_at)) AS took FROM job j JOIN synchronization s"
    "  ON s.id = j.synchronization WHERE j.id = ANY ($1::bigint[])),"
    " told AS (INSERT INTO event (job, kind, message) SELECT id, phase,"
    "  CASE WHEN reason IS NOT NULL THEN reason || ': ' || message"
    "   WHEN waits THEN 'waits for ' || waiting_for"
    "   WHEN $2::boolean THEN 'its turn has come' ELSE 'its time has come' END FROM j ORDER BY id"
    "  RETURNING job, message),"
    " summed AS (INSERT INTO total AS t (sync, phase, jobs, seconds, within)"
    "  SELECT plan, phase, count(*), sum(greatest(took, 0)), ARRAY["
    "   count(*) FILTER (WHERE took <= 1), count(*) FILTER (WHERE took <= 10),"
    "   count(*) FILTER (WHERE took <= 60), count(*) FILTER (WHERE took <= 300),"
    "   count(*) FILTER (WHERE took <= 1800), count(*) FILTER (WHERE took <= 3600),"
    "   count(*) FILTER (WHERE took <= 21600), count(*) FILTER (WHERE took <= 86400)]"
    "  FROM j WHERE phase <> 'Queued' GROUP BY plan, phase"
    "  ON CONFLICT (sync, phase) DO UPDATE SET jobs = t.jobs + excluded.jobs,"
    "   seconds = t.seconds + excluded.seconds, within = ARRAY(SELECT a + b FROM"
    "    unnest(t.within, excluded.within) WITH ORDINALITY AS both_(a, b, n) ORDER BY n)"
    "  RETURNING 1),"
    " woken AS (SELECT pg_notify('syncline_jobs', '') WHERE EXISTS"
    "  (SELECT FROM j WHERE phase = 'Queued' AND NOT waits))"
    " SELECT j.name, j.plan, j.phase, j.waits, coalesce(j.reason, ''), told.message,"
    "  " MS_OF("j.scheduled_for") ", " MS_OF("clock_timestamp() - j.scheduled_for") ","
    "  CASE WHEN j.phase <> 'Queued' THEN pg_notify('syncline_job', j.name) END,"
    "  (SELECT count(*) FROM woken)"
    " FROM j JOIN told ON told.job = j.id ORDER BY j.id";
/* clang-format on */

static void note(struct schedule_step *step, const PGresult *result, int row, bool turn)
{
    step->notes[step->note_count++] =
        (struct plan_note){.job = text_copy(result_text(result, row, 0)),
                           .plan = text_copy(result_text(result, row, 1)),
                           .phase = phase_by_name(result_text(result, row, 2)),
                           .waits = result_text(result, row, 3)[0] == 't',
                           .turn = turn,
                           .reason = text_copy(result_text(result, row, 4)),
                           .message = text_copy(result_text(result, row, 5)),
                           .at_ms = result_s64(result, row, 6),
                           .after_ms = result_s64(result, row, 7)};
}

int schedule_tell(struct schedule_step *step, const char *ids, bool turn, struct err *err)
{
    PGresult *result;
    int count;

    if (postgres_query(
            step->postgres, tell_sql,
            (struct parameter[]){parameter_text(ids), parameter_text(turn ? "true" : "false")}, 2,
            &result, err) < 0)
        return -1;
    count = PQntuples(result);
    step->notes = memory_resize_or_die(step->notes, (step->note_count + (size_t)count + 1) *
                                                        sizeof *step->notes);
    for (int i = 0; i < count; i++)
        note(step, result, i, turn);
    PQclear(result);
    return 0;
}

void schedule_step_clear(struct schedule_step *step)
{
    plan_notes_free(step->notes, step->note_count);
    step->notes = NULL;
    step->note_count = 0;
}
