/* truth_totals.c: what an ended job adds to table total (truth_ledger.h): retention deletes jobs,
 * and a sum that people watch must never go down. A job that is approved ends twice, and adds the
 * second time what it did since. */
#include "planner/truth_ledger.h"

/* In order of the table's columns. */
/* clang-format off */
#define SUMMED(SUM)                                                                                \
    SUM(moved) SUM(linked) SUM(attributes) SUM(removed) SUM(changed) SUM(vanished) SUM(failed)     \
    SUM(mismatched) SUM(bytes_moved)
/* clang-format on */

#define COLUMN(name) ", " #name
/* counted anew after it was approved, for a source that was another one: all of it is new */
#define SINCE(name)                                                                                \
    ", CASE WHEN " #name " >= coalesce((totalled ->> '" #name "')::bigint, 0) THEN " #name         \
    " - coalesce((totalled ->> '" #name "')::bigint, 0) ELSE " #name " END"
#define PAIR(name) ", '" #name "', " #name
#define ADD(name) ", " #name " = t." #name " + excluded." #name
#define COMMA_JOB_COLUMN(name) ", j." #name

/* clang-format off */
static const char add_sql[] =
    "INSERT INTO total AS t (sync, phase, jobs, seconds, within" SUMMED(COLUMN) ")"
    " SELECT sync, phase, 1, took, ARRAY[(took <= 1)::integer, (took <= 10)::integer,"
    "  (took <= 60)::integer, (took <= 300)::integer, (took <= 1800)::integer,"
    "  (took <= 3600)::integer, (took <= 21600)::integer, (took <= 86400)::integer]" SUMMED(SINCE)
    " FROM (SELECT CASE WHEN s.labels ->> 'syncline.adhoc' = 'true' THEN 'adhoc' ELSE s.name END"
    "   AS sync, j.phase, greatest(extract(epoch FROM j.finished_at -"
    "   coalesce(j.started_at, j.created_at)), 0) AS took, j.totalled" SUMMED(COMMA_JOB_COLUMN)
    "  FROM job j JOIN synchronization s ON s.id = j.synchronization WHERE j.id = $1) ended"
    " ON CONFLICT (sync, phase) DO UPDATE SET jobs = t.jobs + 1, seconds = t.seconds +"
    "  excluded.seconds, within = ARRAY(SELECT a + b FROM unnest(t.within, excluded.within)"
    "   WITH ORDINALITY AS both_(a, b, n) ORDER BY n)" SUMMED(ADD);
/* clang-format on */

static const char totalled_sql[] =
    "UPDATE job SET totalled = jsonb_build_object('jobs', 1" SUMMED(PAIR) ") WHERE id = $1";

int ledger_total(struct ledger *ledger, u64 job, struct err *err)
{
    struct parameter id = parameter_s64((s64)job);

    if (postgres_query(ledger->postgres, add_sql, &id, 1, NULL, err) < 0)
        return -1;
    return postgres_query(ledger->postgres, totalled_sql, &id, 1, NULL, err);
}
