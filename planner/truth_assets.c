/* truth_assets.c: which assets are to be probed, and what is known of each (truth_ledger.h).
 *
 * An asset is due when something that is defined refers to it and its time has come. The planner
 * that finds it moves the time on, in one statement that passes locked rows by: no two ask at once,
 * and should it die meanwhile the next look is only that much later.
 *
 * A probe never replaces an identity: what the ledger says of the old object is void then, and that
 * is for a job to see, which also says what follows. A source that is another object than its
 * synchronization knows is no source at all: an empty mount point must not look fit. */
#include "planner/truth_ledger.h"

#include <stdlib.h>

#define S_NOT_ADHOC "s.labels ->> 'syncline.adhoc' IS DISTINCT FROM 'true'"
#define A_NOT_ADHOC "a.labels ->> 'syncline.adhoc' IS DISTINCT FROM 'true'"

void truth_due_free(struct truth_request *request)
{
    for (u32 i = 0; i < request->due_count; i++) {
        free(request->due[i].name);
        free(request->due[i].address);
    }
    for (u32 i = 0; i < request->drain_count; i++)
        free(request->drains[i]);
    free(request->due);
    free(request->drains);
    request->due = NULL;
    request->drains = NULL;
    request->due_count = request->drain_count = 0;
}

void truth_notes_free(struct truth_request *request)
{
    for (u32 i = 0; i < request->note_count; i++) {
        free(request->notes[i].name);
        free(request->notes[i].state);
        free(request->notes[i].reason);
        free(request->notes[i].message);
    }
    free(request->notes);
    request->notes = NULL;
    request->note_count = 0;
}

/* ---- looking ---- */

static const char due_sql[] =
    "WITH used AS (SELECT source, destination FROM synchronization s WHERE " S_NOT_ADHOC "),"
    " due AS (SELECT a.id FROM asset a WHERE a.probe_next <= now() AND a.id IN"
    "  (SELECT source FROM used UNION SELECT destination FROM used)"
    "  ORDER BY a.probe_next LIMIT $1 FOR UPDATE SKIP LOCKED),"
    " moved AS (UPDATE asset a SET probe_next = now() + interval '1 ms' *"
    "   CASE a.state WHEN 'Failed' THEN $3::bigint ELSE $2::bigint END"
    " FROM due WHERE a.id = due.id"
    "  RETURNING a.id, a.name, a.address, EXISTS (SELECT FROM used WHERE source = a.id),"
    "  EXISTS (SELECT FROM used WHERE destination = a.id),"
    "  coalesce(a.spec #>> '{directory,create}' = 'true', false))"
    " SELECT * FROM moved ORDER BY name";

static int read_due(struct ledger *ledger, struct truth_request *request, struct err *err)
{
    PGresult *result;

    if (postgres_query(ledger->postgres, due_sql,
                       (struct parameter[]){parameter_s64(request->limit),
                                            parameter_s64(ASSET_PROBE_MS),
                                            parameter_s64(ASSET_PROBE_FAILED_MS)},
                       3, &result, err) < 0)
        return -1;
    request->due_count = (u32)PQntuples(result);
    request->due = memory_or_die(((size_t)request->due_count + 1) * sizeof *request->due);
    for (u32 i = 0; i < request->due_count; i++)
        request->due[i] =
            (struct due_asset){.id = (u64)result_s64(result, (int)i, 0),
                               .name = text_copy(result_text(result, (int)i, 1)),
                               .address = text_copy(result_text(result, (int)i, 2)),
                               .source = result_text(result, (int)i, 3)[0] == 't',
                               .destination = result_text(result, (int)i, 4)[0] == 't',
                               .create = result_text(result, (int)i, 5)[0] == 't'};
    PQclear(result);
    return 0;
}

static int read_drains(struct ledger *ledger, struct truth_request *request, struct err *err)
{
    PGresult *result;

    if (postgres_query(ledger->postgres, "SELECT worker FROM drain ORDER BY worker", NULL, 0,
                       &result, err) < 0)
        return -1;
    request->drain_count = (u32)PQntuples(result);
    request->drains = memory_or_die(((size_t)request->drain_count + 1) * sizeof *request->drains);
    for (u32 i = 0; i < request->drain_count; i++)
        request->drains[i] = text_copy(result_text(result, (int)i, 0));
    PQclear(result);
    return 0;
}

int ledger_look(struct ledger *ledger, struct truth_request *request, struct err *err)
{
    truth_due_free(request);
    return read_due(ledger, request, err) < 0 ? -1 : read_drains(ledger, request, err);
}

/* ---- writing ---- */

static const char set_sql[] =
    "WITH was AS (SELECT id, state, reason FROM asset WHERE id = $1 AND address = $2 FOR UPDATE),"
    " written AS (UPDATE asset a SET state = $3, reason = $4, message = $5, probed_at = now(),"
    "   since = CASE WHEN (was.state, was.reason) IS DISTINCT FROM ($3, $4) THEN now()"
    "    ELSE a.since END,"
    "   probe_next = CASE $3 WHEN 'Failed' THEN"
    "    least(a.probe_next, now() + $9::bigint * interval '1 ms') ELSE a.probe_next END,"
    "   identity = coalesce(a.identity, $6),"
    "   bytes_free = CASE WHEN $8::bigint > 0 THEN $7 ELSE a.bytes_free END,"
    "   bytes_total = CASE WHEN $8::bigint > 0 THEN $8 ELSE a.bytes_total END"
    "  FROM was WHERE a.id = was.id"
    "  RETURNING a.name, (was.state, was.reason) IS DISTINCT FROM ($3, $4) AS changed,"
    "   " A_NOT_ADHOC " AS defined),"
    " told AS (INSERT INTO event (kind, message)"
    "  SELECT 'Asset' || $3, name || CASE WHEN $4::text IS NULL THEN '' ELSE ': ' || $4 "
    "|| ': ' ||"
    "   coalesce($5, '') END FROM written WHERE changed AND defined RETURNING id)"
    " SELECT name, changed, (SELECT count(n) FROM (SELECT pg_notify('syncline_asset', w.name)"
    "  AS n FROM told, written w) t)"
    "  FROM written WHERE defined";

static void add_note(struct truth_request *request, const struct asset_verdict *verdict,
                     const char *message, const PGresult *result)
{
    request->notes =
        memory_resize_or_die(request->notes, (request->note_count + 1) * sizeof *request->notes);
    request->notes[request->note_count++] =
        (struct asset_note){.name = text_copy(result_text(result, 0, 0)),
                            .state = text_copy(verdict->state),
                            .reason = verdict->reason ? text_copy(verdict->reason) : NULL,
                            .message = message ? text_copy(message) : NULL,
                            .changed = result_text(result, 0, 1)[0] == 't'};
}

int ledger_asset_set(struct ledger *ledger, struct truth_request *request,
                     const struct asset_verdict *verdict, struct err *err)
{
    char *message = verdict->message ? ledger_text(bytes_text(verdict->message)) : NULL;
    PGresult *result;
    int rc = postgres_query(
        ledger->postgres, set_sql,
        (struct parameter[]){
            parameter_s64((s64)verdict->asset), parameter_text(verdict->address),
            parameter_text(verdict->state), parameter_text(verdict->reason),
            parameter_text(message),
            verdict->identity.size ? parameter_bytes(verdict->identity) : parameter_null(),
            parameter_s64(verdict->bytes_free), parameter_s64(verdict->bytes_total),
            parameter_s64(ASSET_PROBE_FAILED_MS)},
        9, &result, err);

    if (rc == 0) {
        if (PQntuples(result) == 1)
            add_note(request, verdict, message, result);
        PQclear(result);
    }
    free(message);
    return rc;
}

/* Says so if it is not the source that a synchronization knows; else *message stays empty. */
static int find_other_source(struct ledger *ledger, const struct truth_request *request,
                             struct buf *message, struct err *err)
{
    PGresult *result;

    if (postgres_query(ledger->postgres,
                       "SELECT s.name FROM synchronization s WHERE s.source = $1 AND "
                       "s.source_identity <> $2 AND " S_NOT_ADHOC " ORDER BY s.name LIMIT 1",
                       (struct parameter[]){parameter_s64((s64)request->asset),
                                            parameter_bytes(buf_bytes(&request->source_identity))},
                       2, &result, err) < 0)
        return -1;
    if (PQntuples(result) == 1)
        buf_printf(message,
                   "%s is not the directory that jobs of %s have read (another filesystem or a new "
                   "directory is there); mount it again, or, if this is intended, run %s and "
                   "approve the job",
                   request->address, result_text(result, 0, 0), result_text(result, 0, 0));
    PQclear(result);
    return 0;
}

int ledger_asset(struct ledger *ledger, struct truth_request *request, struct err *err)
{
    struct asset_verdict verdict = {.asset = request->asset,
                                    .address = request->address,
                                    .state = request->unknown  ? "Unknown"
                                             : request->reason ? "Failed"
                                                               : "Ready",
                                    .reason = request->reason,
                                    .message = request->message,
                                    .identity = buf_bytes(&request->source_identity),
                                    .bytes_free = (s64)request->bytes_free,
                                    .bytes_total = (s64)request->bytes_total};
    struct buf other = {0};
    int rc;

    truth_notes_free(request);
    if (!request->reason && request->source_identity.size > 0 &&
        find_other_source(ledger, request, &other, err) < 0)
        return -1;
    if (other.size > 0) {
        verdict.state = "Failed";
        verdict.reason = err_name(ERR_SourceChanged);
        verdict.message = buf_text(&other);
    }
    rc = ledger_asset_set(ledger, request, &verdict, err);
    buf_release(&other);
    return rc;
}

/* ---- what a job's end says of its assets ---- */

static const char *const places[] = {"AssetUnreachable", "IoError", "NoSpace", "QuotaExceeded",
                                     "SettleFailed"};

static bool is_of_a_place(const char *reason)
{
    for (size_t i = 0; i < COUNT_OF(places); i++)
        if (strcmp(reason, places[i]) == 0)
            return true;
    return false;
}

static int blame(struct ledger *ledger, struct truth_request *request, bool source,
                 const char *message, struct err *err)
{
    struct asset_verdict verdict = {
        .state = "Failed", .reason = request->reason, .message = message};
    PGresult *result;
    char *address;
    int rc = 0;

    if (postgres_query(ledger->postgres,
                       source ? "SELECT s.source, j.source_address FROM job j JOIN synchronization"
                                " s ON s.id = j.synchronization WHERE j.id = $1"
                              : "SELECT destination_asset, destination_address FROM job"
                                " WHERE id = $1",
                       (struct parameter[]){parameter_s64((s64)request->job)}, 1, &result, err) < 0)
        return -1;
    if (PQntuples(result) == 1) {
        address = text_copy(result_text(result, 0, 1));
        verdict.asset = (u64)result_s64(result, 0, 0);
        verdict.address = address;
        rc = ledger_asset_set(ledger, request, &verdict, err);
        free(address);
    }
    PQclear(result);
    return rc;
}

int ledger_blame(struct ledger *ledger, struct truth_request *request, const char *message,
                 struct err *err)
{
    const char *reason = request->reason ? request->reason : "";
    bool source = strncmp(reason, "Source", 6) == 0;

    truth_notes_free(request);
    if (request->phase != PHASE_Failed)
        return 0;
    if (source || strncmp(reason, "Destination", 11) == 0 || strcmp(reason, "ReadOnly") == 0)
        return blame(ledger, request, source, message, err);
    if (!is_of_a_place(reason))
        return 0;
    return postgres_query(ledger->postgres,
                          "UPDATE asset a SET probe_next = now() FROM job j JOIN synchronization s"
                          " ON s.id = j.synchronization WHERE j.id = $1"
                          " AND a.id IN (s.source, j.destination_asset)",
                          (struct parameter[]){parameter_s64((s64)request->job)}, 1, NULL, err);
}
