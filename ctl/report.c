/* report.c: `syncline report JOB`: what became of each item. Put and proven things are object rows
 * of the job, everything else has an item row; a thing that was carried without all that it has (a
 * hard link, an attribute) says so by the names of errors.def. Read by a cursor: a job may have
 * millions of lines. */
#include "ctl/ctl.h"
#include "ctl/options.h"
#include "ctl/session.h"
#include "ctl/show.h"
#include "store/jobs.h"

#include "base/names.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#define FETCH "FETCH 5000 FROM report"
#define TABLE_LIMIT 100
#define LIMIT_MAX 2000000000u
#define NOT_KEPT_BITS 5

struct report_options {
    const char *only, *output, *limit_text, *job;
    enum output_format format;
    u32 limit;
};

/* What a job put that a later job put again is that job's now: `moved` counts it, but it has one
 * row. */
static const char cursor_sql[] =
    "SELECT * FROM ("
    " SELECT path, operation, outcome::text AS outcome, size, NULL AS hash, NULL AS checksum,"
    "   CASE WHEN code IS NULL THEN NULL ELSE code || coalesce(': ' || message, '') END AS error,"
    "   0 AS not_kept, CASE WHEN outcome = 'failed' THEN 0 ELSE 1 END AS rank"
    "  FROM item WHERE job = $1 AND ($2 = '' OR ($2 = 'failed' AND outcome IN ('failed', "
    "'changed', 'vanished')))"
    " UNION ALL"
    " SELECT path, CASE WHEN kind = 'directory' THEN 'directory' ELSE 'put' END, 'moved', size, "
    "hash,"
    "   encode(checksum, 'hex'), NULL, not_kept, 2"
    "  FROM object WHERE job = $1 AND asset = $3 AND $2 <> 'failed') line ORDER BY rank, path";

static int read_arguments(struct ctl *ctl, int argc, char **argv, struct report_options *out,
                          struct err *err)
{
    const struct option options[] = {
        {"only", 0, OPTION_VALUE, &out->only},
        {"output", 'o', OPTION_VALUE, &out->output},
        {"limit", 0, OPTION_VALUE, &out->limit_text},
    };

    argc = options_take(options, COUNT_OF(options), &ctl->common, argc, argv, err);
    if (argc < 0 || ctl->common.help)
        return argc < 0 ? -1 : 0;
    if (argc != 1)
        return err_set(err, ERR_Usage, "report wants the name of a job");
    out->job = argv[0];
    if (out->only && strcmp(out->only, "removed") == 0)
        return err_set(err, ERR_NotInThisVersion, "--only=removed: not in this version");
    if (out->only && strcmp(out->only, "failed") != 0 && strcmp(out->only, "moved") != 0)
        return err_set(err, ERR_Usage, "--only is failed or moved, not '%.40s'", out->only);
    if (output_format(out->output, false, &out->format, err) < 0)
        return -1;
    out->limit = out->format == OUTPUT_TABLE ? TABLE_LIMIT : LIMIT_MAX;
    return out->limit_text
               ? option_number("--limit", out->limit_text, 1, LIMIT_MAX, &out->limit, err)
               : 0;
}

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
    s64 bits = result_s64(rows, row, 7);
    json_t *line = json_object(), *names = json_array();

    set_path(line, path);
    set_text(line, "operation", rows, row, 1);
    set_text(line, "outcome", rows, row, 2);
    json_object_set_new(line, "bytes", json_integer(result_s64(rows, row, 3)));
    if (PQgetisnull(rows, row, 5))
        json_object_set_new(line, "hash", json_null());
    else
        json_object_set_new(
            line, "hash",
            json_sprintf("%s:%s", result_text(rows, row, 4), result_text(rows, row, 5)));
    set_text(line, "error", rows, row, 6);
    for (u32 bit = 0; bit < NOT_KEPT_BITS; bit++)
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
    s64 bits = result_s64(rows, row, 7);

    name_escape(&shown, buf_bytes(path));
    show_bytes(&bytes, result_s64(rows, row, 3));
    buf_append_text(&note, result_text(rows, row, 6));
    for (u32 bit = 0; bit < NOT_KEPT_BITS; bit++)
        if (bits & (1 << bit))
            buf_printf(&note, "%s%s", note.size ? ", " : "", not_kept_name(bit));
    table_row(table, (const char *[]){result_text(rows, row, 2), result_text(rows, row, 1),
                                      buf_text(&bytes), path->size ? buf_text(&shown) : ".",
                                      result_text(rows, row, 5), buf_text(&note)});
    buf_release(&shown);
    buf_release(&bytes);
    buf_release(&note);
}

/* Prints lines up to the limit. 1 if there are more, 0, -1. */
static int print_lines(struct session *session, const struct report_options *options,
                       struct table *table, struct err *err)
{
    u32 printed = 0;

    for (;;) {
        PGresult *rows;
        int count;

        if (postgres_query(session->postgres, FETCH, NULL, 0, &rows, err) < 0)
            return -1;
        count = PQntuples(rows);
        for (int row = 0; row < count && printed < options->limit; row++, printed++) {
            struct buf path = {0};

            result_bytes(rows, row, 0, &path);
            buf_text(&path);
            if (table)
                add_row(table, rows, row, &path);
            else
                print_json(rows, row, &path);
            buf_release(&path);
        }
        PQclear(rows);
        if (count == 0)
            return 0;
        if (printed == options->limit)
            return 1;
    }
}

/* What was carried without all that it has, counted by kind: on stderr, for it is not a line of the
 * report. */
static int print_not_kept(struct session *session, s64 job, s64 asset, struct err *err)
{
    struct parameter parameters[] = {parameter_s64(job), parameter_s64(asset)};
    PGresult *rows;
    bool any = false;

    if (postgres_query(session->postgres,
                       "SELECT bit, count(*) FROM object, generate_series(0, 4) bit WHERE job = $1 "
                       "AND asset = $2"
                       " AND not_kept & (1 << bit) <> 0 GROUP BY bit ORDER BY bit",
                       parameters, 2, &rows, err) < 0)
        return -1;
    for (int row = 0; row < PQntuples(rows); row++) {
        u32 bit = (u32)result_s64(rows, row, 0);
        struct buf count = {0};

        show_count(&count, result_s64(rows, row, 1));
        fprintf(stderr, "%s%s %s (%s)\n", any ? "" : "not kept:\n", not_kept_name(bit),
                buf_text(&count), err_describe(ERR_HardLinkNotKept + bit));
        buf_release(&count);
        any = true;
    }
    PQclear(rows);
    return 0;
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

static int report(struct session *session, const struct report_options *options, struct err *err)
{
    static const struct column columns[] = {{"OUTCOME", false, false}, {"OPERATION", false, false},
                                            {"BYTES", true, false},    {"PATH", false, true},
                                            {"HASH", false, true},     {"ERROR", false, true}};
    struct table *table = NULL;
    struct buf sql = {0};
    struct job job = {0};
    s64 asset;
    int result = -1;

    if (jobs_read(session->postgres, options->job, &job, err) < 0 ||
        find_asset(session, job.id, &asset, err) < 0)
        goto done;
    buf_printf(&sql, "DECLARE report NO SCROLL CURSOR FOR %s", cursor_sql);
    /* sorting the rows of a huge job may take a while */
    if (postgres_run(session->postgres, "BEGIN; SET LOCAL statement_timeout = '10min'", err) < 0 ||
        postgres_query(session->postgres, buf_text(&sql),
                       (struct parameter[]){parameter_s64(job.id),
                                            parameter_text(options->only ? options->only : ""),
                                            parameter_s64(asset)},
                       3, NULL, err) < 0)
        goto done;
    if (options->format == OUTPUT_TABLE)
        table = table_new(columns, COUNT_OF(columns));
    result = print_lines(session, options, table, err);
    if (table)
        table_finish(&table);
    fflush(stdout);
    if (result > 0)
        fprintf(stderr,
                "there are more than %u lines\n  next: syncline report %s --limit N, or -o json\n",
                options->limit, job.name);
    if (result >= 0)
        result = print_not_kept(session, job.id, asset, err);
    if (result == 0)
        result = postgres_run(session->postgres, "COMMIT", err);
done:
    buf_release(&sql);
    job_release(&job);
    return result;
}

int command_report(struct ctl *ctl, int argc, char **argv)
{
    struct report_options options = {0};
    struct session session = {.hold_fd = -1};
    struct err err;
    int result;

    if (read_arguments(ctl, argc, argv, &options, &err) < 0)
        return ctl_fail(&err, "syncline report --help");
    if (ctl->common.help) {
        help_command(ctl->command);
        return EXIT_OK;
    }
    result = session_open(ctl, SESSION_FIND, &session, &err);
    if (result == 0)
        result = report(&session, &options, &err);
    session_close(&session);
    return result < 0 ? ctl_fail(&err, err.code == ERR_NotFound ? "syncline get jobs --all" : NULL)
                      : EXIT_OK;
}
