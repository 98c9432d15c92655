/* definitions_list.c: what is defined, each with how it stands, as the JSON that `get` prints
 * (definitions.h). What has no value is null, never missing. */
#include "store/definitions.h"

#define ADHOC_LABEL "syncline.adhoc"
#define TIME(column) "to_char(" column " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"

/* clang-format off */
static const char asset_sql[] =
    "SELECT v.name, json_build_object('name', v.name, 'kind', 'Asset', 'state', v.state,"
    " 'reason', v.reason, 'address', v.address, 'probedAt', " TIME("v.probed_at") ","
    " 'createdAt', " TIME("v.created_at") ", 'labels', v.labels, 'spec', a.spec,"
    " 'status', json_build_object('state', v.state, 'reason', v.reason, 'message', v.message,"
    "  'since', " TIME("v.since") ", 'probedAt', " TIME("v.probed_at") ","
    "  'bytesFree', v.bytes_free, 'bytesTotal', v.bytes_total,"
    "  'usedBy', coalesce(v.used_by, '{}'), 'lastProven', " TIME("v.last_proven") "))"
    " FROM v_assets v JOIN asset a ON a.id = v.id WHERE true";

#define ENDS "JOIN asset a ON a.name = v.source JOIN asset b ON b.name = v.destination"
#define SPEC(row)                                                                                  \
    row ".spec || jsonb_build_object('source', v.source, 'destination', v.destination)"

static const char sync_sql[] =
    "SELECT v.name, json_build_object('name', v.name, 'kind', v.kind, 'source', a.address,"
    " 'destination', b.address, 'lastJob', v.last_job, 'phase', v.last_phase,"
    " 'lastSuccess', " TIME("v.last_success") ", 'suspended', v.suspended,"
    " 'createdAt', " TIME("v.created_at") ", 'labels', v.labels, 'spec', " SPEC("v") ","
    " 'status', json_build_object('lastJob', v.last_job, 'phase', v.last_phase,"
    "  'reason', v.last_reason, 'lastFinished', " TIME("v.last_finished") ","
    "  'lastSuccess', " TIME("v.last_success") ", 'restorableTo', " TIME("v.restorable_to") ","
    "  'suspended', v.suspended))"
    " FROM v_synchronizations v " ENDS " WHERE v.kind = 'Synchronization'";

/* last*: its latest time that came, whatever became of it. lastRun: the latest job that was not
 * skipped, also one that somebody started. waitingFor: of the active job, such as an asset that is
 * away; else of the one that waits for its turn. now: what a person has to know first. */
static const char plan_sql[] =
    "SELECT v.name, json_build_object('name', v.name, 'kind', 'SynchronizationPlan',"
    " 'schedule', v.schedule, 'timezone', v.timezone, 'source', a.address,"
    " 'destination', b.address, 'lastAt', " TIME("v.last_at") ", 'lastJob', v.last_job,"
    " 'phase', v.last_phase, 'reason', v.last_reason, 'nextAt', " TIME("v.next_at") ","
    " 'lastSuccess', " TIME("v.last_success") ", 'suspended', v.suspended,"
    " 'now', nullif(concat_ws(', ', CASE WHEN v.suspended THEN 'suspended' END,"
    "  CASE WHEN v.problem IS NOT NULL THEN 'see problem' END, r.active || ' is ' || r.phase,"
    "  v.waiting_job || ' waits'), ''),"
    " 'createdAt', " TIME("v.created_at") ", 'labels', v.labels, 'spec', " SPEC("s") ","
    " 'status', json_build_object('lastAt', " TIME("v.last_at") ", 'lastJob', v.last_job,"
    "  'lastPhase', v.last_phase, 'lastReason', v.last_reason, 'lastMessage', v.last_message,"
    "  'nextAt', " TIME("v.next_at") ", 'nextDue', " TIME("nullif(v.next_due, '-infinity')") ","
    "  'activeJob', r.active, 'waitingJob', v.waiting_job,"
    "  'waitingFor', coalesce(r.waits_for, v.waiting_for),"
    "  'lastRun', CASE WHEN r.name IS NOT NULL THEN json_build_object('job', r.name,"
    "   'trigger', r.trigger, 'phase', r.phase, 'reason', r.reason,"
    "   'startedAt', " TIME("r.started_at") ", 'finishedAt', " TIME("r.finished_at") ") END,"
    "  'lastSuccess', " TIME("v.last_success") ", 'restorableTo', " TIME("v.restorable_to") ","
    "  'missed', v.missed, 'problem', v.problem, 'suspended', v.suspended))"
    " FROM v_plans v JOIN synchronization s ON s.id = v.id " ENDS
    " LEFT JOIN LATERAL (SELECT l.*, CASE WHEN l.finished_at IS NULL THEN l.name END AS active,"
    "   CASE WHEN l.finished_at IS NULL THEN nullif(l.waiting_for, '') END AS waits_for"
    "   FROM " PLAN_LAST_RUN " l) r ON true WHERE true";
/* clang-format on */

int definitions_list(struct postgres *postgres, enum definition_kind kind, const char *name,
                     bool adhoc, u32 limit, PGresult **out, struct err *err)
{
    static const char *const select[] = {[DEFINITION_ASSET] = asset_sql,
                                         [DEFINITION_SYNCHRONIZATION] = sync_sql,
                                         [DEFINITION_PLAN] = plan_sql};
    struct parameter parameters[] = {parameter_text(name), parameter_text(adhoc ? "t" : "f"),
                                     parameter_s64(limit)};
    struct buf sql = {0};
    int result;

    buf_printf(&sql,
               "%s AND ($1::text IS NULL OR v.name = $1) AND ($2::boolean OR $1 IS NOT NULL"
               " OR coalesce(v.labels->>'" ADHOC_LABEL "', '') <> 'true')"
               " ORDER BY v.created_at DESC, v.id DESC LIMIT $3",
               select[kind]);
    result = postgres_query(postgres, buf_text(&sql), parameters, 3, out, err);
    buf_release(&sql);
    return result;
}
