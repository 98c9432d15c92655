/* report_lines.c: see report.h. Put and proven things are object rows of the job; where those do
 * not say it all there is an item row too, which does; what a Held job would remove waits in table
 * pending. A thing that was carried without all that it has (a hard link, an attribute) says so by
 * the names of errors.def. */
#include "ctl/report.h"
#include "ctl/rows.h"

#include "base/names.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

enum line_column {
    LINE_PATH,
    LINE_OPERATION,
    LINE_OUTCOME,
    LINE_SIZE,
    LINE_HASH,
    LINE_CHECKSUM,
    LINE_ERROR,
    LINE_NOT_KEPT,
    LINE_NOTE, /* a message that goes with no error; NULL = none */
};

#define ERROR_TEXT "CASE WHEN i.code IS NOT NULL THEN i.code || coalesce(': ' || i.message, '') END"
#define IS_VERIFY "(SELECT spec->'run'->>'verify' FROM job WHERE id = $1) = 'true'"

/* clang-format off */
/* $1 job, $2 only, $3 the destination's asset. What a job put that a later job put again is that
 * job's now: `moved` counts it, but it has one row. */
static const char lines_sql[] =
    "SELECT * FROM ("
    " SELECT i.path, i.operation, i.outcome::text AS outcome, i.size, o.hash,"
    "   encode(o.checksum, 'hex') AS checksum, " ERROR_TEXT " AS error, i.not_kept,"
    "   CASE WHEN i.code IS NULL THEN i.message END,"
    "   CASE WHEN i.outcome = 'failed' THEN 0 ELSE 1 END AS rank"
    "  FROM item i LEFT JOIN object o ON o.asset = $3 AND o.key = i.key AND o.job = i.job"
    "   AND i.outcome IN ('moved', 'linked')"
    "  WHERE i.job = $1 AND ($2 = ''"
    "   OR $2 = 'failed' AND i.outcome IN ('failed', 'changed', 'vanished')"
    "   OR $2 = 'moved' AND i.outcome IN ('moved', 'linked')"
    "   OR $2 = 'removed' AND i.operation = 'remove'"
    "   OR $2 = 'verify' AND " IS_VERIFY ")"
    " UNION ALL"
    " SELECT o.path, CASE WHEN o.kind = 'directory' THEN 'directory' ELSE 'put' END, 'moved',"
    "   o.size, o.hash, encode(o.checksum, 'hex'), NULL, o.not_kept, NULL, 2"
    "  FROM object o WHERE o.job = $1 AND o.asset = $3 AND $2 IN ('', 'moved')"
    "   AND NOT EXISTS (SELECT FROM item i WHERE i.job = $1 AND i.key = o.key)"
    " UNION ALL"
    /* what waits stands for the directory that has to make way, as in v_removals */
    " SELECT p.path, 'remove', 'planned', CASE WHEN p.waits THEN 0 ELSE p.size END,"
    "   NULL, NULL, NULL, 0, NULL, 3"
    "  FROM pending p WHERE p.job = $1 AND p.outcome IS NULL AND (p.operation = 'remove' OR p.waits)"
    "   AND $2 IN ('', 'removed')"
    ") line ORDER BY rank, path";

static const char plan_sql[] =
    "SELECT i.path, i.operation, i.outcome::text, " ERROR_TEXT " FROM item i"
    " WHERE i.job = $1 ORDER BY i.path";
/* clang-format on */

static const char *not_kept_name(u32 bit)
{
    return err_name(ERR_HardLinkNotKept + bit);
}

static void set_path(json_t *line, const struct buf *path)
{
    char *text;

    if (utf8_is_valid(buf_bytes(path))) {
        json_object_set_new(line, "path", json_stringn((const char *)path->data, path->size));
        return;
    }
    text = memory_or_die(path->size * 4 / 3 + 8);
    EVP_EncodeBlock((unsigned char *)text, path->data, (int)path->size);
    json_object_set_new(line, "pathBase64", json_string(text));
    free(text);
}

static void set_text(json_t *line, const char *name, const PGresult *rows, int row, int column)
{
    if (!PQgetisnull(rows, row, column))
        json_object_set_new(line, name, json_string(result_text(rows, row, column)));
    else
        json_object_set_new(line, name, json_null());
}

static void print_json(const PGresult *rows, int row, const struct buf *path)
{
    s64 bits = result_s64(rows, row, LINE_NOT_KEPT);
    json_t *line = json_object(), *names = json_array();

    set_path(line, path);
    set_text(line, "operation", rows, row, LINE_OPERATION);
    set_text(line, "outcome", rows, row, LINE_OUTCOME);
    json_object_set_new(line, "bytes", json_integer(result_s64(rows, row, LINE_SIZE)));
    if (PQgetisnull(rows, row, LINE_CHECKSUM))
        json_object_set_new(line, "hash", json_null());
    else
        json_object_set_new(line, "hash",
                            json_sprintf("%s:%s", result_text(rows, row, LINE_HASH),
                                         result_text(rows, row, LINE_CHECKSUM)));
    set_text(line, "error", rows, row, LINE_ERROR);
    if (!PQgetisnull(rows, row, LINE_NOTE))
        set_text(line, "note", rows, row, LINE_NOTE);
    for (u32 bit = 0; bit < NOT_KEPT_COUNT; bit++)
        if (bits & (1 << bit))
            json_array_append_new(names, json_string(not_kept_name(bit)));
    if (json_array_size(names) > 0)
        json_object_set(line, "notKept", names);
    json_decref(names);
    show_json(line, false);
}

static void add_row(struct table *table, const PGresult *rows, int row, const struct buf *path)
{
    struct buf shown = {0}, bytes = {0}, note = {0};
    s64 bits = result_s64(rows, row, LINE_NOT_KEPT);

    name_escape(&shown, buf_bytes(path));
    show_bytes(&bytes, result_s64(rows, row, LINE_SIZE));
    buf_append_text(&note, result_text(rows, row, LINE_ERROR));
    buf_append_text(&note, result_text(rows, row, LINE_NOTE));
    for (u32 bit = 0; bit < NOT_KEPT_COUNT; bit++)
        if (bits & (1 << bit))
            buf_printf(&note, "%s%s", note.size ? ", " : "", not_kept_name(bit));
    table_row(table, (const char *[]){result_text(rows, row, LINE_OUTCOME),
                                      result_text(rows, row, LINE_OPERATION), buf_text(&bytes),
                                      path->size ? buf_text(&shown) : ".",
                                      result_text(rows, row, LINE_CHECKSUM), buf_text(&note)});
    buf_release(&shown);
    buf_release(&bytes);
    buf_release(&note);
}

/* `context` is the table, or NULL for JSON. */
static void print_line(void *context, const PGresult *rows, int row)
{
    struct buf path = {0};

    result_bytes(rows, row, LINE_PATH, &path);
    buf_text(&path);
    if (context)
        add_row(context, rows, row, &path);
    else
        print_json(rows, row, &path);
    buf_release(&path);
}

static int find_asset(struct session *session, s64 job, s64 *out, struct err *err)
{
    struct parameter parameters[] = {parameter_s64(job)};
    PGresult *rows;

    if (postgres_query(session->postgres, "SELECT destination_asset FROM job WHERE id = $1",
                       parameters, 1, &rows, err) < 0)
        return -1;
    *out = PQntuples(rows) > 0 ? result_s64(rows, 0, 0) : 0;
    PQclear(rows);
    return 0;
}

int report_print(struct session *session, const struct job *job, const char *only,
                 enum output_format format, u32 limit, struct err *err)
{
    static const struct column columns[] = {{"OUTCOME", false, false}, {"OPERATION", false, false},
                                            {"BYTES", true, false},    {"PATH", false, true},
                                            {"HASH", false, true},     {"ERROR", false, true}};
    struct table *table = NULL;
    s64 asset;
    int result;

    if (find_asset(session, job->id, &asset, err) < 0)
        return -1;
    if (format == OUTPUT_TABLE)
        table = table_new(columns, COUNT_OF(columns));
    result = rows_each(
        session->postgres, lines_sql,
        (struct parameter[]){parameter_s64(job->id), parameter_text(only), parameter_s64(asset)}, 3,
        limit, print_line, table, err);
    if (table)
        table_finish(&table);
    fflush(stdout);
    if (result > 0)
        fprintf(stderr,
                "there are more than %u lines\n  next: syncline report %s%s%s --limit N, or -o "
                "json\n",
                limit, job->name, only[0] ? " --only=" : "", only);
    return result < 0 ? -1 : 0;
}

/* ---- the plan of a dry run ---- */

struct plan {
    bool print;
    u64 lines;
};

static void plan_line(void *context, const PGresult *rows, int row)
{
    struct plan *plan = context;
    struct buf path = {0}, shown = {0};
    bool planned = strcmp(result_text(rows, row, 2), "planned") == 0;

    plan->lines++;
    if (!plan->print)
        return;
    result_bytes(rows, row, 0, &path);
    name_escape(&shown, buf_bytes(&path));
    if (path.size == 0)
        buf_append_text(&shown, ".");
    if (planned)
        printf("%s %s\n", result_text(rows, row, 1), buf_text(&shown));
    else
        printf("refuse %s: %s\n", buf_text(&shown), result_text(rows, row, 3));
    buf_release(&path);
    buf_release(&shown);
}

int report_plan(struct session *session, const struct job *job, bool print, u64 *lines,
                struct err *err)
{
    struct plan plan = {.print = print};
    struct parameter parameters[] = {parameter_s64(job->id)};
    int result =
        rows_each(session->postgres, plan_sql, parameters, 1, UINT32_MAX, plan_line, &plan, err);

    fflush(stdout);
    *lines = plan.lines;
    return result < 0 ? -1 : 0;
}
