/* describe_job.c: a job in full: how far it is, what it waits for, who has its work (as Redis shows
 * it), what failed, and what to type. */
#include "ctl/describe.h"
#include "ctl/show.h"
#include "store/jobs.h"

#include <stdio.h>

#define BATCHES_SHOWN 10

/* clang-format off */
static const char job_sql[] =
    "SELECT 'job/' || v.name AS name, " SQL_WORD("v.kind") " || v.synchronization AS \"of\","
    " v.trigger AS trigger, " TIME("v.scheduled_for") " AS \"scheduled for\","
    " CASE WHEN v.started_at IS NULL THEN " TIME("v.start_by") " END AS \"start by\","
    " v.phase || CASE WHEN j.cancel_requested AND v.finished_at IS NULL THEN ', was asked to end'"
    "  ELSE '' END AS phase,"
    " v.reason AS reason, v.message AS message, v.superseded_by AS \"superseded by\","
    " v.waiting_for AS \"waiting for\","
    " " TIME("v.created_at") " AS created, " AGO("v.started_at") " AS started,"
    " " AGO("v.last_progress_at") " AS \"last progress\", " AGO("v.finished_at") " AS finished,"
    " v.planner AS planner, v.source_address AS source, v.destination_address AS destination,"
    " CASE WHEN v.finished_at IS NULL THEN coalesce(s.spec ->> 'limits', 'none') END AS limits,"
    " nullif((j.spec - 'limits')::text, '{}') AS options,"
    " v.scanned || CASE WHEN v.scan_complete THEN '' ELSE ' or more' END || ' scanned, '"
    "  || v.unchanged || ' unchanged, ' || v.found || ' found' AS scan,"
    " v.moved || ' moved, ' || v.linked || ' linked, ' || v.attributes || ' attributes, '"
    "  || v.removed || ' removed' AS done,"
    " v.failed || ' failed, ' || v.changed || ' changed, ' || v.vanished || ' vanished, '"
    "  || v.extra || ' extra' AS \"not done\","
    " v.proven || ' proven, ' || v.mismatched || ' mismatched' AS proof,"
    " " SQL_BYTES("v.bytes_moved") " || ' of ' || " SQL_BYTES("v.bytes_found") " AS bytes,"
    " nullif(v.not_kept::text, '{}') AS \"not kept\""
    " FROM v_jobs v JOIN job j ON j.id = v.id JOIN synchronization s ON s.id = j.synchronization"
    " WHERE v.name = $1";

static const char failures_sql[] =
    "SELECT path AS \"PATH\", operation AS \"OPERATION\", outcome AS \"OUTCOME\", code AS \"CODE\","
    " message AS \"MESSAGE\" FROM v_failures WHERE job = $1 ORDER BY at DESC LIMIT 5";

static const char events_sql[] =
    "SELECT " TIME("at") " AS \"AT\", kind AS \"KIND\", message AS \"MESSAGE\" FROM v_events"
    " WHERE job = $1 ORDER BY id DESC LIMIT 10";
/* clang-format on */

/* What workers hold of it, first what has to be heard of first. */
static void print_batches(struct session *session, const char *name)
{
    static const struct column columns[] = {
        {"BATCH", false, false},  {"STEP", false, false}, {"WORKER", false, false},
        {"ATTEMPT", true, false}, {"ITEMS", true, false}, {"LEASE-UNTIL", false, false}};
    static const char *const fields[] = {"batch",   "step",  "worker",
                                         "attempt", "items", "lease_until"};
    struct view *view = session_view(session);
    json_t *batches = view ? view_batches(view, name, BATCHES_SHOWN) : NULL, *batch;
    const char *values[COUNT_OF(fields)];
    struct table *table;
    size_t index;

    if (!view)
        printf("\nwho has its work is not known: Redis cannot be reached\n");
    if (json_array_size(batches) > 0) {
        printf("\nin the hands of workers (any of them may be killed at any time: its work goes to "
               "another)\n");
        fflush(stdout);
        table = table_new(columns, COUNT_OF(columns));
        json_array_foreach(batches, index, batch)
        {
            for (size_t i = 0; i < COUNT_OF(fields); i++)
                values[i] = json_string_value(json_object_get(batch, fields[i]));
            table_row(table, values);
        }
        table_finish(&table);
    }
    json_decref(batches);
}

static void next_of_job(struct session *session, const struct job *job)
{
    bool source = job->reason && strcmp(job->reason, err_name(ERR_SourceChanged)) == 0;
    bool alive = true;
    struct err ignored;

    if (job->waits) {
        describe_next("it starts when its turn comes: syncline wait %s, or syncline cancel %s",
                      job->name, job->name);
    } else if (!phase_has_ended(job->phase)) {
        jobs_planner_alive(session->postgres, &alive, &ignored);
        if (alive)
            describe_next("syncline wait %s, or syncline cancel %s", job->name, job->name);
        else
            describe_next("no planner is running: start syncline-planner, or syncline up");
    } else if (job->phase == PHASE_Held && !job->superseded_by) {
        describe_next("syncline report %s --only=removed, then syncline approve %s", job->name,
                      job->name);
    } else if (job->phase == PHASE_Failed && source) {
        describe_next("is the new source meant: syncline approve %s", job->name);
    } else if (job->phase == PHASE_CompletedWithErrors) {
        describe_next("syncline report %s --only=failed", job->name);
    } else if (job->phase == PHASE_Succeeded) {
        describe_next("syncline report %s", job->name);
    } else if (job->phase == PHASE_Skipped) {
        describe_next("syncline describe plan/%s, or to run it now: syncline run %s --wait",
                      job->synchronization, job->synchronization);
    } else {
        describe_next("syncline run %s --wait", job->synchronization);
    }
}

int describe_job(struct session *session, const char *name, struct err *err)
{
    struct postgres *postgres = session->postgres;
    struct job job = {0};
    PGresult *rows = NULL;
    int result = jobs_read(postgres, name, &job, err);

    if (result == 0)
        result = describe_lines(postgres, job_sql, name, &rows, err);
    PQclear(rows);
    if (result == 0 && !phase_has_ended(job.phase))
        print_batches(session, name);
    if (result == 0)
        result = describe_table(postgres, "latest failures", failures_sql, name, err);
    if (result == 0)
        result = describe_table(postgres, "latest events", events_sql, name, err);
    if (result == 0)
        next_of_job(session, &job);
    job_release(&job);
    return result;
}
