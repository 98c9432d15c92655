/* jobs_run.c: jobs that refer to an earlier one (jobs.h): to what failed in it, or to the plan that
 * it made. Whether it is fit for that is asked in the transaction that inserts the new job, whose
 * spec is the definition as it is now. */
#include "store/jobs.h"

#include "schema/limits.h"
#include "store/jobs_run.h"

#include <stdlib.h>

/* What does not decide about what differs: a plan outlives a change of it. */
#define INDIFFERENT                                                                                \
    "ARRAY['run', 'limits', 'retry', 'historyLimit', 'schedule', 'timezone', 'overlap', 'missed'," \
    " 'startingDeadline', 'jitter', 'maxDelay', 'rescanInterval', 'durability']"

/* clang-format off */
static const char reference_sql[] =
    "SELECT n.reference, j.spec -> 'run' ? 'plan', r.id IS NOT NULL,"
    " r.synchronization = j.synchronization, r.phase,"
    " coalesce(r.spec #>> '{run,dryRun}' = 'true', false),"
    " coalesce(r.spec #>> '{run,verify}' = 'true', false),"
    " r.spec - " INDIFFERENT " = j.spec - " INDIFFERENT
    "  AND r.source_address = j.source_address AND r.destination_address = j.destination_address,"
    " f.items, f.bytes, f.links, s.name"
    " FROM job j JOIN synchronization s ON s.id = j.synchronization"
    " CROSS JOIN LATERAL (SELECT coalesce(j.spec #>> '{run,plan}', j.spec #>> '{run,only}')"
    "  AS reference) n LEFT JOIN job r ON r.name = n.reference"
    " LEFT JOIN LATERAL (SELECT count(*) AS items, coalesce(sum(octet_length(path)), 0)::bigint"
    "  AS bytes, count(*) FILTER (WHERE operation = 'link') AS links FROM (SELECT path, operation"
    "   FROM item i WHERE i.job = r.id AND i.operation <> 'remove'"
    "   AND i.outcome IN ('failed', 'changed', 'vanished')"
    "   AND coalesce(i.code, '') NOT IN ('NotPlanned', 'NotAsPlanned') LIMIT $2) i) f ON true"
    " WHERE j.uid = $1::uuid AND n.reference IS NOT NULL";
/* clang-format on */

enum reference_column {
    REFERENCE_NAME,
    REFERENCE_PLAN,
    REFERENCE_THERE,
    REFERENCE_SAME,
    REFERENCE_PHASE,
    REFERENCE_DRY_RUN,
    REFERENCE_VERIFY,
    REFERENCE_FITS,
    REFERENCE_ITEMS,
    REFERENCE_BYTES,
    REFERENCE_LINKS,
    REFERENCE_SYNCHRONIZATION,
};

static bool is_true(const PGresult *row, int column)
{
    return result_text(row, 0, column)[0] == 't';
}

static int check_plan(const PGresult *row, const char *name, bool well, struct err *err)
{
    if (!is_true(row, REFERENCE_DRY_RUN))
        return err_set(err, ERR_Usage, "job %s is no dry run, so that it has made no plan", name);
    if (!well)
        return err_set(err, ERR_Usage, "the dry run %s is %s: its plan is not whole", name,
                       result_text(row, 0, REFERENCE_PHASE));
    if (!is_true(row, REFERENCE_FITS))
        return err_set(err, ERR_Usage, "the options of %s have changed since %s made its plan",
                       result_text(row, 0, REFERENCE_SYNCHRONIZATION), name);
    return 0;
}

static int check_failed(const PGresult *row, const char *name, bool well, struct err *err)
{
    if (is_true(row, REFERENCE_DRY_RUN) || is_true(row, REFERENCE_VERIFY))
        return err_set(err, ERR_Usage, "job %s carried nothing: no item of it can be done again",
                       name);
    if (!well)
        return err_set(err, ERR_Usage,
                       "job %s is %s: what it did not come to is no failed item of it", name,
                       result_text(row, 0, REFERENCE_PHASE));
    if (result_s64(row, 0, REFERENCE_ITEMS) == 0)
        return err_set(err, ERR_Usage,
                       "no item of job %s failed, but for removals and what was not as planned",
                       name);
    if (result_s64(row, 0, REFERENCE_ITEMS) > ONLY_PATHS ||
        result_s64(row, 0, REFERENCE_BYTES) > ONLY_BYTES)
        return err_set(err, ERR_Usage,
                       "more items of job %s failed than can be done apart from the others (%u, "
                       "with paths of %u MiB in all)",
                       name, ONLY_PATHS, ONLY_BYTES >> 20);
    if (result_s64(row, 0, REFERENCE_LINKS) > 0)
        return err_set(err, ERR_Usage,
                       "hard links failed in job %s, which can only be done with all names of "
                       "their objects",
                       name);
    return 0;
}

static int check(const PGresult *row, struct err *err)
{
    const char *name = result_text(row, 0, REFERENCE_NAME);
    enum phase phase = phase_by_name(result_text(row, 0, REFERENCE_PHASE));
    bool well = phase == PHASE_Succeeded || phase == PHASE_CompletedWithErrors;

    if (!is_true(row, REFERENCE_THERE))
        return err_set(err, ERR_NotFound, "there is no job named %s", name);
    if (!is_true(row, REFERENCE_SAME))
        return err_set(err, ERR_Usage, "job %s is of another synchronization than %s", name,
                       result_text(row, 0, REFERENCE_SYNCHRONIZATION));
    return is_true(row, REFERENCE_PLAN) ? check_plan(row, name, well, err)
                                        : check_failed(row, name, well, err);
}

int jobs_check_reference(struct postgres *postgres, const char *uid, struct err *err)
{
    struct parameter parameters[] = {parameter_text(uid), parameter_s64(ONLY_PATHS + 1)};
    PGresult *row;
    int rc;

    if (postgres_query(postgres, reference_sql, parameters, 2, &row, err) < 0)
        return -1;
    rc = PQntuples(row) == 0 ? 0 : check(row, err);
    PQclear(row);
    return rc;
}

int jobs_run_of(struct postgres *postgres, const char *name, char **synchronization, char **run,
                struct err *err)
{
    struct parameter parameters[] = {parameter_text(name)};
    PGresult *row;
    bool there;

    *synchronization = *run = NULL;
    if (postgres_query(postgres,
                       "SELECT s.name, coalesce(j.spec -> 'run', '{}') FROM job j"
                       " JOIN synchronization s ON s.id = j.synchronization WHERE j.name = $1",
                       parameters, 1, &row, err) < 0)
        return -1;
    there = PQntuples(row) > 0;
    if (there) {
        *synchronization = text_copy(result_text(row, 0, 0));
        *run = text_copy(result_text(row, 0, 1));
    }
    PQclear(row);
    return there ? 0 : err_set(err, ERR_NotFound, "there is no job named %s", name);
}
