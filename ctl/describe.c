/* describe.c: `describe KIND/NAME`: what somebody wants to know who was woken up by it. What is
 * printed is what SQL says: the names of columns are the labels. Jobs: describe_job.c;
 * plans: describe_plan.c. */
#include "ctl/describe.h"

#include "ctl/kinds.h"
#include "ctl/options.h"
#include "ctl/show.h"
#include "store/definitions.h"

#include <stdarg.h>
#include <stdio.h>

#define COLUMNS_MAX 12

/* ---- printing ---- */

/* Names and messages hold what users wrote: nothing of it steers a terminal. */
static void print_value(const char *text)
{
    for (; *text; text++)
        putchar((unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text);
    putchar('\n');
}

void describe_line(const char *label, const char *value)
{
    printf("%-16s ", label);
    print_value(value);
}

int describe_lines(struct postgres *postgres, const char *sql, const char *name, PGresult **rows,
                   struct err *err)
{
    struct parameter parameters[] = {parameter_text(name)};

    if (postgres_query(postgres, sql, parameters, 1, rows, err) < 0)
        return -1;
    for (int i = 0; PQntuples(*rows) > 0 && i < PQnfields(*rows); i++) {
        const char *label = PQfname(*rows, i), *value = result_text(*rows, 0, i);

        if (label[0] == '_' || !value[0])
            continue;
        describe_line(label, value);
    }
    return 0;
}

int describe_table(struct postgres *postgres, const char *title, const char *sql, const char *name,
                   struct err *err)
{
    struct parameter parameters[] = {parameter_text(name)};
    struct column columns[COLUMNS_MAX] = {{0}};
    const char *values[COLUMNS_MAX];
    struct table *table;
    PGresult *rows;
    int count;

    if (postgres_query(postgres, sql, parameters, 1, &rows, err) < 0)
        return -1;
    count = PQnfields(rows);
    for (int i = 0; i < count; i++)
        columns[i].name = PQfname(rows, i);
    if (PQntuples(rows) > 0) {
        printf("\n%s\n", title);
        fflush(stdout);
        table = table_new(columns, (u32)count);
        for (int row = 0; row < PQntuples(rows); row++) {
            for (int i = 0; i < count; i++)
                values[i] = result_text(rows, row, i);
            table_row(table, values);
        }
        table_finish(&table);
    }
    PQclear(rows);
    return 0;
}

void describe_next(const char *format, ...)
{
    va_list arguments;

    printf("\nnext: ");
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("\n");
}

/* ---- an asset ---- */

/* clang-format off */
static const char asset_sql[] =
    "SELECT 'asset/' || v.name AS name,"
    " (SELECT string_agg(key || '=' || value, ',' ORDER BY key) FROM jsonb_each_text(v.labels))"
    "  AS labels,"
    " v.address AS address,"
    " CASE WHEN a.spec #>> '{directory,create}' = 'true' THEN 'when a job needs it' END"
    "  AS \"is made\","
    " v.state || ' since ' || " AGO("v.since") " AS state,"
    " v.reason AS reason, v.message AS message,"
    " coalesce(" AGO("v.probed_at") ", 'never') AS \"last probe\","
    " " SQL_BYTES("v.bytes_free") " || ' of ' || " SQL_BYTES("v.bytes_total") " AS \"space free\","
    " array_to_string(ARRAY(SELECT s.name || CASE WHEN s.source = v.id THEN ' (source)' ELSE"
    "  ' (destination)' END FROM synchronization s WHERE v.id IN (s.source, s.destination)"
    "  ORDER BY s.name), ', ') AS \"used by\","
    " CASE WHEN EXISTS (SELECT FROM synchronization s WHERE s.destination = v.id) THEN"
    "  coalesce(" AGO("v.last_proven") ", 'never') END AS \"wholly proven\","
    " CASE WHEN a.identity IS NULL THEN 'not known: the next job takes what is there' END"
    "  AS identity,"
    " " TIME("v.created_at") " AS created, " TIME("v.updated_at") " AS changed,"
    " v.state AS _state, (SELECT " SQL_WORD("s.kind") " || s.name FROM synchronization s"
    "  WHERE v.id IN (s.source, s.destination) ORDER BY s.name LIMIT 1) AS _user"
    " FROM v_assets v JOIN asset a ON a.id = v.id WHERE v.name = $1";

static const char asset_jobs_sql[] =
    "SELECT j.name AS \"NAME\", CASE WHEN s.source = a.id THEN 'reads' ELSE 'writes' END AS \"IT\","
    " j.phase AS \"PHASE\", j.reason AS \"REASON\", " TIME("j.created_at") " AS \"CREATED\","
    " " TIME("j.finished_at") " AS \"FINISHED\" FROM asset a JOIN synchronization s"
    " ON a.id IN (s.source, s.destination) JOIN job j ON j.synchronization = s.id"
    " WHERE a.name = $1 ORDER BY j.id DESC LIMIT 5";

static const char asset_events_sql[] =
    "SELECT " TIME("at") " AS \"AT\", kind AS \"KIND\", message AS \"MESSAGE\" FROM event"
    " WHERE job IS NULL AND split_part(message, ' ', 1) = 'asset/' || $1 ORDER BY id DESC LIMIT 5";
/* clang-format on */

int describe_asset(struct session *session, const char *name, struct err *err)
{
    PGresult *rows;
    int result = describe_lines(session->postgres, asset_sql, name, &rows, err);

    if (result < 0)
        return -1;
    if (PQntuples(rows) == 0)
        result = definitions_none(session->postgres, DEFINITION_ASSET, name, err);
    if (result == 0)
        result = describe_table(session->postgres, "latest jobs", asset_jobs_sql, name, err);
    if (result == 0)
        result = describe_table(session->postgres, "latest events", asset_events_sql, name, err);
    if (result == 0) {
        const char *state = result_text(rows, 0, PQfnumber(rows, "_state"));
        const char *user = result_text(rows, 0, PQfnumber(rows, "_user"));

        if (!user[0])
            describe_next("nothing uses it, so it is not probed: syncline apply -f FILE with a "
                          "synchronization, or syncline delete asset/%s",
                          name);
        else if (strcmp(state, "Failed") == 0)
            describe_next("see to what the message says; it is probed each minute and before each "
                          "job. Is it somewhere else: syncline set asset/%s directory.path=PATH",
                          name);
        else
            describe_next("syncline describe %s", user);
    }
    PQclear(rows);
    return result;
}

/* ---- a synchronization ---- */

/* clang-format off */
static const char sync_sql[] =
    "SELECT 'sync/' || v.name AS name, v.kind AS kind,"
    " (SELECT string_agg(key || '=' || value, ',' ORDER BY key) FROM jsonb_each_text(v.labels))"
    "  AS labels,"
    " CASE WHEN v.suspended THEN 'yes: nothing starts' END AS suspended,"
    " v.source || ', ' || a.address || ', ' || a.state || coalesce(' (' || a.reason || ')', '')"
    "  AS source,"
    " v.destination || ', ' || b.address || ', ' || b.state ||"
    "  coalesce(' (' || b.reason || ')', '') AS destination,"
    " coalesce(v.spec ->> 'limits', 'none') AS limits,"
    " nullif((v.spec - 'limits')::text, '{}') AS options,"
    " v.last_job || ', ' || v.last_phase || coalesce(' (' || v.last_reason || ')', '') ||"
    "  coalesce(' at ' || " AGO("v.last_finished") ", '') AS \"last job\","
    " j.message AS \"why\","
    " coalesce(" AGO("v.last_success") ", 'never') AS \"last success\","
    " coalesce(" AGO("v.restorable_to") ", 'not yet') AS \"restorable to\","
    " " TIME("v.created_at") " AS created, " TIME("v.updated_at") " AS changed,"
    " v.last_job AS _job, v.suspended AS _suspended, j.phase AS _phase,"
    " CASE WHEN a.state = 'Failed' THEN a.name WHEN b.state = 'Failed' THEN b.name END AS _failed"
    " FROM v_synchronizations v JOIN asset a ON a.name = v.source JOIN asset b"
    " ON b.name = v.destination LEFT JOIN job j ON j.name = v.last_job WHERE v.name = $1"
    " AND v.kind = 'Synchronization'";

static const char sync_jobs_sql[] =
    "SELECT j.name AS \"NAME\", j.trigger AS \"TRIGGER\", j.phase AS \"PHASE\", j.reason AS "
    "\"REASON\", j.moved AS \"MOVED\", j.removed AS \"REMOVED\", j.failed AS \"FAILED\","
    " " TIME("j.created_at") " AS \"CREATED\", " TIME("j.finished_at") " AS \"FINISHED\""
    " FROM job j JOIN synchronization s ON s.id = j.synchronization WHERE s.name = $1"
    " ORDER BY j.number DESC LIMIT 5";

static const char sync_events_sql[] =
    "SELECT " TIME("at") " AS \"AT\", kind AS \"KIND\", message AS \"MESSAGE\" FROM event"
    " WHERE job IS NULL AND split_part(message, ' ', 1) = 'sync/' || $1 ORDER BY id DESC LIMIT 5";
/* clang-format on */

static void next_of_sync(const char *name, const PGresult *rows)
{
    const char *job = result_text(rows, 0, PQfnumber(rows, "_job"));
    const char *failed = result_text(rows, 0, PQfnumber(rows, "_failed"));
    enum phase phase = phase_by_name(result_text(rows, 0, PQfnumber(rows, "_phase")));

    if (job[0] && !phase_has_ended(phase))
        describe_next("syncline describe job/%s, or syncline wait %s", job, job);
    else if (result_text(rows, 0, PQfnumber(rows, "_suspended"))[0] == 't')
        describe_next("syncline resume %s", name);
    else if (failed[0])
        describe_next("syncline describe asset/%s", failed);
    else if (job[0] && phase != PHASE_Succeeded)
        describe_next("syncline describe job/%s", job);
    else
        describe_next("syncline run %s --wait, or syncline verify %s", name, name);
}

int describe_sync(struct session *session, const char *name, struct err *err)
{
    PGresult *rows;
    int result = describe_lines(session->postgres, sync_sql, name, &rows, err);

    if (result < 0)
        return -1;
    if (PQntuples(rows) == 0)
        result = definitions_none(session->postgres, DEFINITION_SYNCHRONIZATION, name, err);
    if (result == 0)
        result = describe_table(session->postgres, "latest jobs", sync_jobs_sql, name, err);
    if (result == 0)
        result = describe_table(session->postgres, "latest events", sync_events_sql, name, err);
    if (result == 0)
        next_of_sync(name, rows);
    PQclear(rows);
    return result;
}

/* ---- the command ---- */

static int describe(struct session *session, enum kind kind, const char *name, struct err *err)
{
    switch (kind) {
    case KIND_ASSETS:
        return describe_asset(session, name, err);
    case KIND_SYNCS:
        return describe_sync(session, name, err);
    case KIND_PLANS:
        return describe_plan(session, name, err);
    default:
        return describe_job(session, name, err);
    }
}

int command_describe(struct ctl *ctl, int argc, char **argv)
{
    struct session session = {.hold_fd = -1};
    const char *name;
    enum kind kind;
    struct err err;
    int code = EXIT_OK;

    argc = options_take(NULL, 0, &ctl->common, argc, argv, &err);
    if (argc < 0)
        return ctl_fail(&err, "syncline describe --help");
    if (ctl->common.help) {
        help_command(ctl->command);
        return EXIT_OK;
    }
    if (argc != 1)
        return ctl_usage(ctl, "describe wants one KIND/NAME");
    if (kind_and_name(argv[0], &kind, &name, &err) < 0)
        return ctl_fail(&err, "syncline describe --help");
    if (kind == KIND_WORKERS)
        return ctl_usage(ctl, "describe is for assets, syncs, plans and jobs; see syncline get "
                              "workers");
    if (session_open(ctl, SESSION_FIND, &session, &err) < 0)
        code = ctl_fail(&err, NULL);
    else if (describe(&session, kind, name, &err) < 0)
        code = ctl_fail(&err, err.code == ERR_NotFound ? kind_list(kind) : NULL);
    session_close(&session);
    return code;
}
