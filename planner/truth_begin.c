/* truth_begin.c: a job that passed its probe begins, its staging area opens, its shards split
 * (truth_ledger.h).
 *
 * Claims on destinations are compared here, in C, over all that are held: places are paths of
 * bytes, and one rule (place_compare) serves the probe and the ledger. One advisory lock makes it
 * one at a time. */
#include "planner/truth_ledger.h"

#include <stdlib.h>

struct held_claim {
    char *job;
    struct buf source, destination;
    bool reached; /* what is written here flows on into it */
};

static bool overlap(struct bytes a, struct bytes b)
{
    return place_compare(a, b) != PLACE_APART;
}

static int refuse_overlap(const struct truth_request *request, const struct held_claim *claims,
                          u32 count, struct err *err)
{
    for (u32 i = 0; i < count; i++)
        if (overlap(buf_bytes(&request->destination_place), buf_bytes(&claims[i].destination)))
            return err_set(err, ERR_Overlap,
                           "job %s writes into the same destination, or into one that "
                           "contains it or is inside it; run this when that job has ended",
                           claims[i].job);
    return 0;
}

/* Follows the data: from this job's destination into every job that reads there, and on from
 * theirs. It must not come back to this job's source. */
static int refuse_cycle(const struct truth_request *request, struct held_claim *claims, u32 count,
                        struct err *err)
{
    struct bytes source = buf_bytes(&request->source_place);
    bool grew = true;

    while (grew) {
        grew = false;
        for (u32 i = 0; i < count; i++) {
            struct bytes reads = buf_bytes(&claims[i].source);
            bool reached = overlap(buf_bytes(&request->destination_place), reads);

            for (u32 k = 0; k < count && !reached; k++)
                reached = claims[k].reached && overlap(buf_bytes(&claims[k].destination), reads);
            if (claims[i].reached || !reached)
                continue;
            if (overlap(buf_bytes(&claims[i].destination), source))
                return err_set(err, ERR_Cycle,
                               "job %s carries what this job writes back into its "
                               "source, and data must not go round in a circle; choose another "
                               "destination, or run this when that job has ended",
                               claims[i].job);
            claims[i].reached = grew = true;
        }
    }
    return 0;
}

static int refuse_conflict(struct ledger *ledger, const struct truth_request *request,
                           struct err *err)
{
    struct held_claim *claims;
    PGresult *result;
    u32 count;
    int rc;

    if (postgres_query(ledger->postgres,
                       "SELECT j.name, c.source_place, c.destination_place FROM claim c JOIN job j"
                       " ON j.id = c.job WHERE c.job <> $1 AND j.phase IN " ACTIVE_PHASES
                       " ORDER BY j.id",
                       (struct parameter[]){parameter_s64((s64)request->job)}, 1, &result, err) < 0)
        return -1;
    count = (u32)PQntuples(result);
    claims = memory_or_die(((size_t)count + 1) * sizeof *claims);
    for (u32 i = 0; i < count; i++) {
        claims[i].job = text_copy(result_text(result, (int)i, 0));
        result_bytes(result, (int)i, 1, &claims[i].source);
        result_bytes(result, (int)i, 2, &claims[i].destination);
    }
    PQclear(result);
    rc = refuse_overlap(request, claims, count, err);
    if (rc == 0)
        rc = refuse_cycle(request, claims, count, err);
    for (u32 i = 0; i < count; i++) {
        free(claims[i].job);
        buf_release(&claims[i].source);
        buf_release(&claims[i].destination);
    }
    free(claims);
    return rc;
}

/* ---- identities ---- */

struct ends {
    u64 synchronization, source, destination; /* ids */
    char *source_address, *destination_address;
    char *job;                                        /* name */
    struct buf source_identity, destination_identity; /* as the synchronization knows them */
};

static void ends_release(struct ends *ends)
{
    free(ends->source_address);
    free(ends->destination_address);
    free(ends->job);
    buf_release(&ends->source_identity);
    buf_release(&ends->destination_identity);
}

static int read_ends(struct ledger *ledger, u64 job, struct ends *out, struct err *err)
{
    PGresult *result;

    if (postgres_query(
            ledger->postgres,
            "SELECT s.id, s.source, j.destination_asset, j.source_address,"
            " j.destination_address, s.source_identity, s.destination_identity, j.name"
            " FROM job j JOIN synchronization s ON s.id = j.synchronization WHERE j.id = $1",
            (struct parameter[]){parameter_s64((s64)job)}, 1, &result, err) < 0)
        return -1;
    out->synchronization = (u64)result_s64(result, 0, 0);
    out->source = (u64)result_s64(result, 0, 1);
    out->destination = (u64)result_s64(result, 0, 2);
    out->source_address = text_copy(result_text(result, 0, 3));
    out->destination_address = text_copy(result_text(result, 0, 4));
    result_bytes(result, 0, 5, &out->source_identity);
    result_bytes(result, 0, 6, &out->destination_identity);
    out->job = text_copy(result_text(result, 0, 7));
    PQclear(result);
    return 0;
}

/* The asset is there and is `identity`. If it was another object before, what the ledger says of
 * its contents is not true any more: *changed. Who only `looks` leaves that to a job that writes.
 * An asset that was given another address meanwhile is left alone. */
static int store_identity(struct ledger *ledger, struct truth_request *request, u64 asset,
                          const char *address, const struct buf *identity, bool *changed,
                          struct err *err)
{
    bool looks = request->dry_run || request->verify;
    struct asset_verdict fit = {.asset = asset, .address = address, .state = "Ready"};
    struct parameter parameters[] = {parameter_s64((s64)asset), parameter_text(address),
                                     parameter_bytes(buf_bytes(identity)),
                                     parameter_text(looks ? "true" : "false")};
    PGresult *result;

    if (postgres_query(
            ledger->postgres,
            "SELECT FROM asset WHERE id = $1 AND address = $2 AND identity <> $3 FOR UPDATE",
            parameters, 3, &result, err) < 0)
        return -1;
    *changed = PQntuples(result) > 0;
    PQclear(result);
    if (*changed && !looks &&
        postgres_query(ledger->postgres, "DELETE FROM object WHERE asset = $1", parameters, 1, NULL,
                       err) < 0)
        return -1;
    if (postgres_query(ledger->postgres,
                       "UPDATE asset SET identity ="
                       "  CASE WHEN $4::boolean THEN coalesce(identity, $3) ELSE $3 END"
                       " WHERE id = $1 AND address = $2",
                       parameters, 4, NULL, err) < 0)
        return -1;
    return ledger_asset_set(ledger, request, &fit, err);
}

static int settle_identities(struct ledger *ledger, struct truth_request *request,
                             const struct ends *ends, struct err *err)
{
    struct bytes known = buf_bytes(&ends->source_identity);
    bool changed;

    truth_notes_free(request);
    if (known.size > 0 && !bytes_equal(known, buf_bytes(&request->source_identity)))
        return err_set(err, ERR_SourceChanged,
                       "%s is not the directory that earlier jobs read (another "
                       "filesystem or a new directory is there); if this is intended: syncline "
                       "approve %s",
                       ends->source_address, ends->job);
    if (store_identity(ledger, request, ends->source, ends->source_address,
                       &request->source_identity, &changed, err) < 0 ||
        store_identity(ledger, request, ends->destination, ends->destination_address,
                       &request->destination_identity, &changed, err) < 0)
        return -1;
    /* once true it stays true: an earlier try of this request may have been committed */
    known = buf_bytes(&ends->destination_identity);
    if (changed ||
        (known.size > 0 && !bytes_equal(known, buf_bytes(&request->destination_identity))))
        request->destination_changed = true;
    /* another destination stays another one until a job that knew of it has ended (truth_close.c)
     */
    return postgres_query(
        ledger->postgres,
        "UPDATE synchronization SET source_identity = $2,"
        " destination_identity = coalesce(destination_identity, $3) WHERE id = $1",
        (struct parameter[]){parameter_s64((s64)ends->synchronization),
                             parameter_bytes(buf_bytes(&request->source_identity)),
                             parameter_bytes(buf_bytes(&request->destination_identity))},
        3, NULL, err);
}

/* ---- begin ---- */

/* A job without shards begins from nothing. One that had begun before, and failed for its source
 * until that was approved, keeps nothing of what it did for the other source: neither what was
 * decided, nor what was counted. */
static int begin_anew(struct ledger *ledger, u64 job, struct err *err)
{
    static const char *const statements[] = {
        "DELETE FROM item WHERE job = $1",
        "DELETE FROM pending WHERE job = $1",
        "UPDATE object o SET job = 0 FROM job j WHERE j.id = $1 AND o.asset = j.destination_asset"
        " AND o.job = j.id",
    };
    struct parameter id = parameter_s64((s64)job);
    PGresult *result;
    bool again;

    if (postgres_query(ledger->postgres,
                       "INSERT INTO shard (job, number, path, unsettled_since_ns)"
                       " SELECT j.id, 0, ''::bytea, s.unsettled_since_ns FROM job j"
                       " JOIN synchronization s ON s.id = j.synchronization WHERE j.id = $1"
                       " AND NOT EXISTS (SELECT FROM shard WHERE job = $1) RETURNING job",
                       &id, 1, &result, err) < 0)
        return -1;
    again = PQntuples(result) > 0;
    PQclear(result);
    if (!again)
        return 0;
    if (postgres_query(ledger->postgres,
                       "UPDATE job SET resolved = false, scan_complete = false, not_kept = '{}'"
#define COUNTER(name, json, text) ", " #name " = 0"
#include "schema/states.def"
                       " WHERE id = $1 AND (resolved OR scan_complete"
#define COUNTER(name, json, text) " OR " #name " <> 0"
#include "schema/states.def"
                       ") RETURNING id",
                       &id, 1, &result, err) < 0)
        return -1;
    again = PQntuples(result) > 0;
    PQclear(result);
    for (size_t i = 0; again && i < COUNT_OF(statements); i++)
        if (postgres_query(ledger->postgres, statements[i], &id, 1, NULL, err) < 0)
            return -1;
    return 0;
}

static int enter_running(struct ledger *ledger, const struct truth_request *request,
                         struct err *err)
{
    struct parameter parameters[] = {parameter_s64((s64)request->job),
                                     parameter_bytes(buf_bytes(&request->source_place)),
                                     parameter_bytes(buf_bytes(&request->destination_place)),
                                     parameter_bytes(buf_bytes(&request->destination_identity))};
    PGresult *result;
    bool moved;

    if (postgres_query(
            ledger->postgres,
            "INSERT INTO claim (job, source_place, destination_place, destination_identity)"
            " VALUES ($1, $2, $3, $4)"
            " ON CONFLICT (job) DO UPDATE SET source_place = excluded.source_place,"
            " destination_place = excluded.destination_place,"
            " destination_identity = excluded.destination_identity",
            parameters, 4, NULL, err) < 0 ||
        begin_anew(ledger, request->job, err) < 0 ||
        postgres_query(
            ledger->postgres,
            "UPDATE job SET phase = 'Running', waiting_for = NULL, last_progress_at = now()"
            " WHERE id = $1 AND phase <> 'Running' RETURNING id",
            parameters, 1, &result, err) < 0)
        return -1;
    moved = PQntuples(result) > 0;
    PQclear(result);
    return moved ? ledger_announce(ledger, request->job, phase_name(PHASE_Running), "", err) : 0;
}

/* Jobs that the guard held have had their time: their lists are of an earlier state. Not so when
 * this one only looks. */
static int supersede(struct ledger *ledger, const struct truth_request *request, struct err *err)
{
    static const char *const statements[] = {
        "DELETE FROM pending USING job h, job j WHERE j.id = $1 AND pending.job = h.id"
        " AND h.synchronization = j.synchronization AND h.phase = 'Held' AND h.id <> j.id",
        "DELETE FROM shard USING job h, job j WHERE j.id = $1 AND shard.job = h.id"
        " AND h.synchronization = j.synchronization AND h.phase = 'Held' AND h.id <> j.id",
        "UPDATE job h SET superseded_by = j.name FROM job j WHERE j.id = $1 AND h.id <> j.id"
        " AND h.synchronization = j.synchronization AND h.phase = 'Held'"
        " AND h.superseded_by IS NULL",
    };
    struct parameter job = parameter_s64((s64)request->job);

    if (request->dry_run || (request->verify && !request->repair))
        return 0;
    for (size_t i = 0; i < COUNT_OF(statements); i++)
        if (postgres_query(ledger->postgres, statements[i], &job, 1, NULL, err) < 0)
            return -1;
    return 0;
}

/* Does the ledger know nothing of what is at the destination? */
static int read_first(struct ledger *ledger, struct truth_request *request, u64 asset,
                      struct err *err)
{
    PGresult *result;

    if (postgres_query(ledger->postgres, "SELECT FROM object WHERE asset = $1 LIMIT 1",
                       (struct parameter[]){parameter_s64((s64)asset)}, 1, &result, err) < 0)
        return -1;
    request->first = PQntuples(result) == 0;
    PQclear(result);
    return 0;
}

/* Once true it stays true, for every planner that takes the job over: the guard wants to know. */
static int keep_changed(struct ledger *ledger, struct truth_request *request, struct err *err)
{
    PGresult *result;

    if (postgres_query(
            ledger->postgres,
            "UPDATE job SET destination_changed = destination_changed OR $2::boolean"
            " WHERE id = $1 RETURNING destination_changed",
            (struct parameter[]){parameter_s64((s64)request->job),
                                 parameter_text(request->destination_changed ? "true" : "false")},
            2, &result, err) < 0)
        return -1;
    request->destination_changed = result_text(result, 0, 0)[0] == 't';
    PQclear(result);
    return 0;
}

/* ---- what failed in another job ---- */

/* Removals that failed are none of it: this job removes nothing; nor what a plan left alone. */
static const char failed_sql[] =
    "SELECT i.path FROM job f JOIN job j ON j.synchronization = f.synchronization"
    " JOIN item i ON i.job = f.id WHERE j.id = $1 AND f.name = $2 AND i.operation <> 'remove'"
    " AND i.outcome IN ('failed', 'changed', 'vanished')"
    " AND coalesce(i.code, '') NOT IN ('NotPlanned', 'NotAsPlanned') ORDER BY i.path LIMIT $3";

static int read_only(struct ledger *ledger, struct truth_request *request, struct err *err)
{
    struct frame_writer writer;
    struct buf path = {0};
    PGresult *result;
    int count;

    if (postgres_query(ledger->postgres, failed_sql,
                       (struct parameter[]){parameter_s64((s64)request->job),
                                            parameter_text(request->only),
                                            parameter_s64(ONLY_PATHS + 1)},
                       3, &result, err) < 0)
        return -1;
    count = PQntuples(result);
    buf_clear(&request->paths);
    frame_begin(&writer, &request->paths);
    for (int i = 0; i < count; i++) {
        buf_clear(&path);
        result_bytes(result, i, 0, &path);
        frame_add_dir(&writer, &(struct rec_dir){.path = buf_bytes(&path)});
    }
    frame_end(&writer);
    buf_release(&path);
    PQclear(result);
    if (count == 0)
        return err_set(err, ERR_NotFound,
                       "no item that failed in job %s is in the ledger (any more)", request->only);
    return count > (int)ONLY_PATHS || request->paths.size > FRAME_MAX
               ? err_set(err, ERR_Configuration, "job %s has too many items that failed",
                         request->only)
               : 0;
}

int ledger_begin_job(struct ledger *ledger, struct truth_request *request, struct err *err)
{
    struct ends ends = {0};
    int rc = -1;

    if (ledger_lock_job(ledger, request, err) < 0 ||
        postgres_run(ledger->postgres, "SELECT pg_advisory_xact_lock(" ADVISORY_CLASS ", 0)", err) <
            0 ||
        read_ends(ledger, request->job, &ends, err) < 0)
        goto done;
    if (refuse_conflict(ledger, request, err) < 0 ||
        settle_identities(ledger, request, &ends, err) < 0 ||
        keep_changed(ledger, request, err) < 0 || supersede(ledger, request, err) < 0 ||
        enter_running(ledger, request, err) < 0 ||
        read_first(ledger, request, ends.destination, err) < 0 ||
        ledger_read_shards(ledger, request, false, err) < 0 ||
        (request->only && read_only(ledger, request, err) < 0))
        goto done;
    rc = ledger_commit(ledger, err);
done:
    ends_release(&ends);
    return rc;
}

int ledger_opened(struct ledger *ledger, struct truth_request *request, struct err *err)
{
    struct parameter parameters[] = {parameter_s64((s64)request->job),
                                     parameter_s64(request->now_ns)};

    if (ledger_lock_job(ledger, request, err) < 0 ||
        postgres_query(ledger->postgres,
                       "UPDATE job SET opened = true WHERE id = $1 AND NOT opened", parameters, 1,
                       NULL, err) < 0 ||
        postgres_query(ledger->postgres,
                       "UPDATE shard SET unsettled_since_ns = $2"
                       " WHERE job = $1 AND unsettled_since_ns IS NULL AND NOT done",
                       parameters, 2, NULL, err) < 0)
        return -1;
    return ledger_commit(ledger, err);
}

int ledger_split(struct ledger *ledger, struct truth_request *request, struct err *err)
{
    if (ledger_lock_job(ledger, request, err) < 0 ||
        postgres_query(
            ledger->postgres,
            "INSERT INTO shard (job, number, path, unsettled_since_ns)"
            " VALUES ($1, $2, $3, nullif($4::bigint, 0)) ON CONFLICT (job, number) DO NOTHING",
            (struct parameter[]){parameter_s64((s64)request->job), parameter_s64(request->shard),
                                 parameter_bytes(buf_bytes(&request->path)),
                                 parameter_s64(request->unsettled_since_ns)},
            4, NULL, err) < 0)
        return -1;
    return ledger_commit(ledger, err);
}
