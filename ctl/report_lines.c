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

void report_not_kept(u32 bits, const char *between, struct buf *out)
{
    bool any = false;

    for (u32 bit = 0; bit < NOT_KEPT_COUNT; bit++) {
        if (!(bits & (1u << bit)))
            continue;
        buf_printf(out, "%s%s", any ? between : "", err_name(ERR_HardLinkNotKept + bit));
        any = true;
    }
}

void report_base64(struct bytes path, struct buf *out)
{
    unsigned char *text = memory_or_die(path.size * 4 / 3 + 8);
    int size = EVP_EncodeBlock(text, path.data, (int)path.size);

    buf_append(out, text, (size_t)size);
    free(text);
}

/* ---- JSON ---- */

static void set_path(json_t *json, struct bytes path)
{
    struct buf text = {0};

    if (utf8_is_valid(path)) {
        json_object_set_new(json, "path", json_stringn((const char *)path.data, path.size));
        return;
    }
    report_base64(path, &text);
    json_object_set_new(json, "pathBase64", json_string(buf_text(&text)));
    buf_release(&text);
}

static void set_text(json_t *json, const char *name, const char *text)
{
    json_object_set_new(json, name, text ? json_string(text) : json_null());
}

static void print_json(const struct report_line *line)
{
    json_t *json = json_object(), *names = json_array();

    set_path(json, line->path);
    set_text(json, "operation", line->operation);
    set_text(json, "outcome", line->outcome);
    json_object_set_new(json, "bytes", json_integer(line->bytes));
    json_object_set_new(json, "hash",
                        line->checksum ? json_sprintf("%s:%s", line->hash, line->checksum)
                                       : json_null());
    set_text(json, "error", line->error);
    if (line->note)
        set_text(json, "note", line->note);
    for (u32 bit = 0; bit < NOT_KEPT_COUNT; bit++)
        if (line->not_kept & (1u << bit))
            json_array_append_new(names, json_string(err_name(ERR_HardLinkNotKept + bit)));
    if (json_array_size(names) > 0)
        json_object_set(json, "notKept", names);
    json_decref(names);
    show_json(json, false);
}

/* ---- CSV, tables ---- */

static void print_csv(const struct report_line *line)
{
    struct buf text = {0};

    report_csv_line(line, &text);
    fwrite(text.data, 1, text.size, stdout);
    buf_release(&text);
}

static void add_row(struct table *table, const struct report_line *line)
{
    struct buf path = {0}, bytes = {0}, note = {0};

    buf_append(&path, line->path.data, line->path.size); /* the table escapes it */
    show_bytes(&bytes, line->bytes);
    buf_append_text(&note, line->error ? line->error : "");
    buf_append_text(&note, line->note ? line->note : "");
    if (line->not_kept && note.size)
        buf_append_text(&note, ", ");
    report_not_kept(line->not_kept, ", ", &note);
    table_row(table, (const char *[]){line->outcome, line->operation, buf_text(&bytes),
                                      line->path.size ? buf_text(&path) : ".", line->checksum,
                                      buf_text(&note)});
    buf_release(&path);
    buf_release(&bytes);
    buf_release(&note);
}

/* ---- lines ---- */

struct printer {
    enum report_format format;
    struct table *table;
};

static const char *text_or_null(const PGresult *rows, int row, int column)
{
    return PQgetisnull(rows, row, column) ? NULL : result_text(rows, row, column);
}

static void print_line(void *context, const PGresult *rows, int row)
{
    const struct printer *printer = context;
    struct buf path = {0};
    struct report_line line = {
        .operation = text_or_null(rows, row, LINE_OPERATION),
        .outcome = text_or_null(rows, row, LINE_OUTCOME),
        .bytes = result_s64(rows, row, LINE_SIZE),
        .hash = text_or_null(rows, row, LINE_HASH),
        .checksum = text_or_null(rows, row, LINE_CHECKSUM),
        .error = text_or_null(rows, row, LINE_ERROR),
        .note = text_or_null(rows, row, LINE_NOTE),
        .not_kept = (u32)result_s64(rows, row, LINE_NOT_KEPT),
    };

    result_bytes(rows, row, LINE_PATH, &path);
    line.path = buf_bytes(&path);
    if (printer->format == REPORT_TABLE)
        add_row(printer->table, &line);
    else if (printer->format == REPORT_CSV)
        print_csv(&line);
    else
        print_json(&line);
    buf_release(&path);
}

static void print_header(struct printer *printer)
{
    static const struct column columns[] = {{"OUTCOME", false, false}, {"OPERATION", false, false},
                                            {"BYTES", true, false},    {"PATH", false, true},
                                            {"HASH", false, true},     {"ERROR", false, true}};
    struct buf header = {0};

    if (printer->format == REPORT_TABLE)
        printer->table = table_new(columns, COUNT_OF(columns));
    if (printer->format != REPORT_CSV)
        return;
    report_csv_header(&header);
    fwrite(header.data, 1, header.size, stdout);
    buf_release(&header);
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
                 enum report_format format, u32 limit, struct err *err)
{
    struct printer printer = {.format = format};
    s64 asset;
    int result;

    if (find_asset(session, job->id, &asset, err) < 0)
        return -1;
    print_header(&printer);
    result = rows_each(
        session->postgres, lines_sql,
        (struct parameter[]){parameter_s64(job->id), parameter_text(only), parameter_s64(asset)}, 3,
        limit, print_line, &printer, err);
    if (printer.table)
        table_finish(&printer.table);
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
