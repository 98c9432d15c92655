/* truth_claim.c: which jobs are this planner's (truth_ledger.h).
 *
 * A job without an owner is anybody's, but for a time of a plan that waits for its turn. One with
 * an owner is taken over when its lease has ended, or when the owner's session is gone (its
 * advisory lock is free): at once by a planner of the same name, which is its successor, by others
 * when the lease was not renewed for a while, since an owner that lost only its connection is about
 * to come back. Nobody claims a row that is locked: its owner is in the middle of a transaction
 * about it. */
#include "planner/truth_ledger.h"

#include <stdlib.h>

#define ABANDONED_MS 2000 /* not renewed for this long, and without a session */

static const char claim_sql[] =
    "WITH free AS (SELECT j.id FROM job j WHERE j.phase IN " ACTIVE_PHASES " AND NOT j.waits"
    /* one that is past its starting deadline is the scheduler's, to say so, if it is to start */
    " AND (j.phase <> 'Queued' OR j.started_at IS NOT NULL OR j.start_by IS NULL"
    "  OR j.start_by >= clock_timestamp() OR j.cancel_requested)"
    " AND (j.owner IS NULL OR j.lease_until IS NULL OR j.lease_until < clock_timestamp()"
    "  OR (j.owner <> $1 AND NOT EXISTS (SELECT FROM pg_locks l WHERE l.locktype = 'advisory'"
    "    AND l.classid = " ADVISORY_CLASS
    " AND l.objid = j.owner::oid AND l.objsubid = 2 AND l.granted"
    "    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()))"
    "   AND ((SELECT name FROM planner WHERE id = j.owner) = $2"
    "    OR j.lease_until < clock_timestamp() + $5::bigint * interval '1 ms')))"
    " ORDER BY j.created_at, j.id LIMIT $3 FOR UPDATE SKIP LOCKED)"
    " UPDATE job j SET owner = $1, lease_until = clock_timestamp() + $4::bigint * interval '1 ms',"
    "  epoch = greatest(j.epoch + 1, extract(epoch FROM clock_timestamp())::bigint),"
    "  started_at = coalesce(j.started_at, now())"
    " FROM free, synchronization s, asset d WHERE j.id = free.id AND s.id = j.synchronization"
    "  AND d.id = j.destination_asset"
    " RETURNING j.id, j.epoch, j.phase, j.opened, j.cancel_requested, j.name, s.name, "
    "j.source_address,"
    "  j.destination_address, j.destination_asset, j.spec, s.source_identity,"
    "  (SELECT destination_identity FROM claim WHERE job = j.id), j.resolved, j.approved,"
    "  s.labels ? 'syncline.adhoc', s.spec->'limits',"
    "  (SELECT name FROM asset WHERE id = s.source), d.name,"
    "  d.spec #>> '{directory,create}' = 'true', j.start_by IS NOT NULL,"
    "  floor(1000 * extract(epoch FROM j.start_by - clock_timestamp()))::bigint"
#define COUNTER(name, json, text) ", j." #name
#include "schema/states.def"
    ;

static void claim_free(struct claimed_job *claim)
{
    free(claim->name);
    free(claim->synchronization);
    free(claim->source_address);
    free(claim->destination_address);
    free(claim->source_name);
    free(claim->destination_name);
    free(claim->spec);
    free(claim->limits);
    buf_release(&claim->source_identity);
    buf_release(&claim->destination_identity);
}

void truth_claims_free(struct truth_request *request)
{
    for (u32 i = 0; i < request->claim_count; i++)
        claim_free(&request->claims[i]);
    free(request->claims);
    request->claims = NULL;
    request->claim_count = 0;
}

static void read_claim(const PGresult *result, int row, struct claimed_job *out)
{
    out->id = (u64)result_s64(result, row, 0);
    out->epoch = (u32)result_s64(result, row, 1);
    out->phase = phase_by_name(result_text(result, row, 2));
    out->opened = result_text(result, row, 3)[0] == 't';
    out->cancel_requested = result_text(result, row, 4)[0] == 't';
    out->name = text_copy(result_text(result, row, 5));
    out->synchronization = text_copy(result_text(result, row, 6));
    out->source_address = text_copy(result_text(result, row, 7));
    out->destination_address = text_copy(result_text(result, row, 8));
    out->destination_asset = (u64)result_s64(result, row, 9);
    out->spec = text_copy(result_text(result, row, 10));
    result_bytes(result, row, 11, &out->source_identity);
    result_bytes(result, row, 12, &out->destination_identity);
    out->resolved = result_text(result, row, 13)[0] == 't';
    out->approved = result_text(result, row, 14)[0] == 't';
    out->adhoc = result_text(result, row, 15)[0] == 't';
    out->limits = text_copy(result_text(result, row, 16));
    out->source_name = text_copy(result_text(result, row, 17));
    out->destination_name = text_copy(result_text(result, row, 18));
    out->create = result_text(result, row, 19)[0] == 't';
    out->scheduled = result_text(result, row, 20)[0] == 't';
    out->start_left_ms = result_s64(result, row, 21);
    for (u32 i = 0; i < COUNTER_COUNT; i++)
        out->counters.value[i] = result_s64(result, row, 22 + (int)i);
    counters_show(&out->counters);
}

/* The commit of an earlier try may have gone through: those jobs are ours, nobody else would ever
 * be told of them. The old backend has ended (ledger_open), so that what is seen is decided. */
static int keep_committed(struct ledger *ledger, struct truth_request *request, struct err *err)
{
    u32 kept = 0;

    for (u32 i = 0; i < request->claim_count; i++) {
        struct claimed_job *claim = &request->claims[i];
        PGresult *result;

        if (postgres_query(ledger->postgres,
                           "SELECT FROM job WHERE id = $1 AND owner = $2 AND epoch = $3",
                           (struct parameter[]){parameter_s64((s64)claim->id),
                                                parameter_s64((s64)ledger->planner),
                                                parameter_s64(claim->epoch)},
                           3, &result, err) < 0)
            return -1;
        kept += PQntuples(result) == 1;
        PQclear(result);
    }
    /* one transaction: all or none, but for those that others have taken since */
    if (kept == 0)
        truth_claims_free(request);
    return 0;
}

int ledger_claim(struct ledger *ledger, struct truth_request *request, struct err *err)
{
    PGresult *result;

    if (request->claim_count > 0 && keep_committed(ledger, request, err) < 0)
        return -1;
    if (request->claim_count > 0)
        return 0;
    if (postgres_run(ledger->postgres, "BEGIN", err) < 0 ||
        postgres_query(
            ledger->postgres, claim_sql,
            (struct parameter[]){parameter_s64((s64)ledger->planner), parameter_text(ledger->name),
                                 parameter_s64(request->limit), parameter_s64(PLANNER_LEASE_MS),
                                 parameter_s64(PLANNER_LEASE_MS - ABANDONED_MS)},
            5, &result, err) < 0)
        return -1;
    request->claim_count = (u32)PQntuples(result);
    request->claims = memory_or_die(((size_t)request->claim_count + 1) * sizeof *request->claims);
    for (u32 i = 0; i < request->claim_count; i++)
        read_claim(result, (int)i, &request->claims[i]);
    PQclear(result);
    return ledger_commit(ledger, err);
}

/* What is ours is what was ours when the statement began, by what was committed then: no lock is
 * waited for to know it. Rows that are locked are not renewed, but are ours no less. If it is our
 * own other session that works on the row, nobody can claim it, as claims pass locked rows by, and
 * that session renews the lease before it lets go (ledger_commit). If it is a claim of another
 * planner, it has yet to commit: it comes after this, and its revocation of tokens later still
 * (docs/adr/0007); the next renewal sees whose the job is. */
static const char renew_sql[] =
    "WITH ours AS (SELECT j.id, j.epoch, j.cancel_requested, s.spec->'limits' AS limits FROM job j"
    "  JOIN synchronization s ON s.id = j.synchronization"
    "  WHERE j.owner = $1 AND j.phase IN " ACTIVE_PHASES "),"
    " free AS (SELECT id FROM job WHERE owner = $1 AND phase IN " ACTIVE_PHASES
    "  FOR NO KEY UPDATE SKIP LOCKED),"
    " renewed AS (UPDATE job j SET"
    "  lease_until = clock_timestamp() + $2::bigint * interval '1 ms'"
    "  FROM free WHERE j.id = free.id)"
    " SELECT id, epoch, cancel_requested, limits FROM ours";

void truth_owned_free(struct truth_request *request)
{
    for (u32 i = 0; i < request->job_count; i++)
        free(request->jobs[i].limits);
    free(request->jobs);
    request->jobs = NULL;
    request->job_count = 0;
}

int ledger_renew(struct ledger *ledger, struct truth_request *request, struct err *err)
{
    PGresult *result;

    if (postgres_query(ledger->postgres, renew_sql,
                       (struct parameter[]){parameter_s64((s64)ledger->planner),
                                            parameter_s64(PLANNER_LEASE_MS)},
                       2, &result, err) < 0)
        return -1;
    if (request) {
        truth_owned_free(request);
        request->job_count = (u32)PQntuples(result);
        request->jobs = memory_or_die(((size_t)request->job_count + 1) * sizeof *request->jobs);
        for (u32 i = 0; i < request->job_count; i++)
            request->jobs[i] =
                (struct owned_job){.id = (u64)result_s64(result, (int)i, 0),
                                   .epoch = (u32)result_s64(result, (int)i, 1),
                                   .cancel_requested = result_text(result, (int)i, 2)[0] == 't',
                                   .limits = text_copy(result_text(result, (int)i, 3))};
    }
    PQclear(result);
    return 0;
}
