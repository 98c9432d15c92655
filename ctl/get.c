/* get.c: `syncline get`: jobs, workers, assets and synchronizations, as a table, as JSON, or by
 * name. */
#include "ctl/ctl.h"
#include "ctl/get.h"
#include "ctl/job_json.h"
#include "ctl/options.h"
#include "ctl/session.h"
#include "ctl/show.h"
#include "store/jobs.h"

#include <stdio.h>
#include <stdlib.h>

#define LIMIT_MAX 1000000

enum kind { KIND_JOBS, KIND_WORKERS, KIND_ASSETS, KIND_SYNCS, KIND_LATER };

static const struct {
    const char *name;
    enum kind kind;
} kinds[] = {
    {"jobs", KIND_JOBS},       {"job", KIND_JOBS},       {"jo", KIND_JOBS},
    {"workers", KIND_WORKERS}, {"worker", KIND_WORKERS}, {"wo", KIND_WORKERS},
    {"assets", KIND_ASSETS},   {"asset", KIND_ASSETS},   {"as", KIND_ASSETS},
    {"syncs", KIND_SYNCS},     {"sync", KIND_SYNCS},     {"sy", KIND_SYNCS},
    {"plans", KIND_LATER},     {"plan", KIND_LATER},     {"pl", KIND_LATER},
    {"lives", KIND_LATER},     {"live", KIND_LATER},     {"li", KIND_LATER},
};

struct get_options {
    const char *output, *limit_text;
    enum output_format format;
    enum kind kind;
    u32 limit;
    bool all;
    const char *name; /* NULL = all of the kind */
};

static int find_kind(const char *word, enum kind *out, struct err *err)
{
    const char *names[COUNT_OF(kinds)], *nearest;

    for (u32 i = 0; i < COUNT_OF(kinds); i++) {
        names[i] = kinds[i].name;
        if (strcmp(word, kinds[i].name) != 0)
            continue;
        *out = kinds[i].kind;
        return *out == KIND_LATER
                   ? err_set(err, ERR_NotInThisVersion, "%s: not in this version", word)
                   : 0;
    }
    nearest = nearest_word(word, names, COUNT_OF(names));
    return err_set(err, ERR_Usage, "there is no kind '%.40s'%s%s%s", word,
                   nearest ? "; did you mean " : "",
                   nearest ? nearest : ": jobs, workers, assets, syncs", nearest ? "?" : "");
}

static int read_arguments(struct ctl *ctl, int argc, char **argv, struct get_options *out,
                          struct err *err)
{
    const struct option options[] = {
        {"output", 'o', OPTION_VALUE, &out->output}, {"limit", 0, OPTION_VALUE, &out->limit_text},
        {"all", 0, OPTION_FLAG, &out->all},          {"watch", 'w', OPTION_LATER, NULL},
        {"selector", 'l', OPTION_LATER, NULL},
    };

    argc = options_take(options, COUNT_OF(options), &ctl->common, argc, argv, err);
    if (argc < 0 || ctl->common.help)
        return argc < 0 ? -1 : 0;
    if (argc < 1 || argc > 2)
        return err_set(err, ERR_Usage, "get wants a kind, and maybe a name");
    out->name = argc == 2 ? argv[1] : NULL;
    out->limit = 100;
    if (out->limit_text &&
        option_number("--limit", out->limit_text, 1, LIMIT_MAX, &out->limit, err) < 0)
        return -1;
    if (output_format(out->output, true, &out->format, err) < 0)
        return -1;
    return find_kind(argv[0], &out->kind, err);
}

/* ---- jobs ---- */

static void job_table(const struct job_list *list)
{
    static const struct column columns[] = {
        {"NAME", false, false},   {"PHASE", false, false}, {"REASON", false, false},
        {"SCANNED", true, false}, {"MOVED", true, false},  {"FAILED", true, false},
        {"BYTES", true, false},   {"TIME", true, false},   {"CREATED", false, false},
    };
    struct table *table = table_new(columns, COUNT_OF(columns));

    for (u32 i = 0; i < list->count; i++) {
        const struct job *job = &list->jobs[i];
        struct buf numbers[5] = {{0}};

        show_count(&numbers[0], job->counters.value[COUNTER_scanned]);
        show_count(&numbers[1], job->counters.value[COUNTER_moved]);
        show_count(&numbers[2], job->counters.value[COUNTER_failed]);
        show_bytes(&numbers[3], job->counters.value[COUNTER_bytes_moved]);
        show_duration(&numbers[4], job->duration_ms);
        table_row(table, (const char *[]){job->name, phase_name(job->phase), job->reason,
                                          buf_text(&numbers[0]), buf_text(&numbers[1]),
                                          buf_text(&numbers[2]), buf_text(&numbers[3]),
                                          buf_text(&numbers[4]), job->created_at});
        for (u32 k = 0; k < COUNT_OF(numbers); k++)
            buf_release(&numbers[k]);
    }
    table_finish(&table);
}

void get_print_jobs(const struct job_list *list, enum output_format format)
{
    json_t *items;

    if (format == OUTPUT_TABLE) {
        job_table(list);
        return;
    }
    if (format == OUTPUT_NAME) {
        for (u32 i = 0; i < list->count; i++)
            printf("job/%s\n", list->jobs[i].name);
        return;
    }
    items = json_array();
    for (u32 i = 0; i < list->count; i++)
        json_array_append_new(items, job_to_json(&list->jobs[i]));
    show_json(json_pack("{s:o}", "items", items), true);
}

static int get_jobs(struct session *session, const struct get_options *options, struct err *err)
{
    struct job_list list = {0};
    struct job job = {0};

    if (!options->name) {
        if (jobs_list(session->postgres, options->all, false, options->limit, &list, err) < 0)
            return -1;
        get_print_jobs(&list, options->format);
        job_list_release(&list);
        return 0;
    }
    if (jobs_read(session->postgres, options->name, &job, err) < 0)
        return -1;
    if (options->format == OUTPUT_JSON)
        show_json(job_to_json(&job), true);
    else
        get_print_jobs(&(struct job_list){.jobs = &job, .count = 1}, options->format);
    job_release(&job);
    return 0;
}

/* ---- rows of Postgres: assets, synchronizations ---- */

static json_t *row_json(const PGresult *result, int row)
{
    json_t *json = json_object();

    for (int column = 0; column < PQnfields(result); column++)
        json_object_set_new(json, PQfname(result, column),
                            PQgetisnull(result, row, column)
                                ? json_null()
                                : json_string(result_text(result, row, column)));
    return json;
}

/* Column names are for JSON; a table has them in capitals. */
static void rows_table(const PGresult *result)
{
    struct column columns[16];
    char names[16][32];
    const char *values[16];
    int count = PQnfields(result) < 16 ? PQnfields(result) : 16;
    struct table *table;

    for (int i = 0; i < count; i++) {
        snprintf(names[i], sizeof names[i], "%s", PQfname(result, i));
        for (char *at = names[i]; *at; at++)
            *at = (char)(*at >= 'a' && *at <= 'z' ? *at - 32 : *at);
        columns[i] = (struct column){.name = names[i]};
    }
    table = table_new(columns, (u32)count);
    for (int row = 0; row < PQntuples(result); row++) {
        for (int i = 0; i < count; i++)
            values[i] = result_text(result, row, i);
        table_row(table, values);
    }
    table_finish(&table);
}

static int get_rows(struct session *session, const struct get_options *options, struct err *err)
{
    bool assets = options->kind == KIND_ASSETS;
    /* one that is named may be any */
    bool all = options->all || options->name;
    u32 limit = options->name ? LIMIT_MAX : options->limit;
    PGresult *result = NULL;
    json_t *items = json_array();
    int rc = assets ? jobs_list_assets(session->postgres, all, limit, &result, err)
                    : jobs_list_synchronizations(session->postgres, all, limit, &result, err);

    for (int row = 0; rc == 0 && row < PQntuples(result); row++) {
        if (options->name && strcmp(result_text(result, row, 0), options->name) != 0)
            continue;
        if (options->format == OUTPUT_NAME)
            printf("%s/%s\n", assets ? "asset" : "sync", result_text(result, row, 0));
        json_array_append_new(items, row_json(result, row));
    }
    if (rc == 0 && options->name && json_array_size(items) == 0)
        rc = err_set(err, ERR_NotFound, "there is no %s named %s",
                     assets ? "asset" : "synchronization", options->name);
    else if (rc == 0 && options->format == OUTPUT_JSON)
        show_json(options->name ? json_incref(json_array_get(items, 0))
                                : json_pack("{s:O}", "items", items),
                  true);
    else if (rc == 0 && options->format == OUTPUT_TABLE)
        rows_table(result);
    json_decref(items);
    PQclear(result);
    return rc;
}

/* ---- workers ---- */

void get_print_workers(json_t *workers, enum output_format format)
{
    static const struct column columns[] = {
        {"ID", false, false},   {"ROLE", false, false}, {"STATE", false, false},
        {"HOST", false, false}, {"PID", true, false},   {"LANES", true, false},
        {"BUSY", true, false},  {"DONE", true, false},  {"BYTES", true, false}};
    static const char *const fields[] = {"id",    "role", "state", "host", "pid",
                                         "lanes", "busy", "done",  "bytes"};
    struct table *table = format == OUTPUT_TABLE ? table_new(columns, COUNT_OF(columns)) : NULL;
    const char *values[COUNT_OF(fields)];
    char numbers[COUNT_OF(fields)][24];
    json_t *worker;
    size_t index;

    if (format == OUTPUT_JSON) {
        show_json(json_pack("{s:O}", "items", workers), true);
        return;
    }
    json_array_foreach(workers, index, worker)
    {
        for (u32 i = 0; i < COUNT_OF(fields); i++) {
            const json_t *value = json_object_get(worker, fields[i]);

            snprintf(numbers[i], sizeof numbers[i], "%lld", (long long)json_integer_value(value));
            values[i] = json_is_string(value) ? json_string_value(value) : value ? numbers[i] : "";
        }
        if (table)
            table_row(table, values);
        else
            printf("worker/%s\n", values[0]);
    }
    if (table)
        table_finish(&table);
}

static int get_workers(struct session *session, const struct get_options *options, struct err *err)
{
    struct view *view = session_view(session);
    json_t *workers = view ? view_workers(view, err) : NULL, *one = NULL, *worker;
    size_t index;

    if (!view)
        return err_set(err, ERR_RedisUnavailable,
                       "workers are listed in Redis, which cannot be reached%s",
                       session->redis_url ? "" : ": SYNCLINE_REDIS_URL is not set");
    if (!workers)
        return -1;
    if (options->name) {
        one = json_array();
        json_array_foreach(workers, index,
                           worker) if (strcmp(json_string_value(json_object_get(worker, "id")),
                                              options->name) == 0) json_array_append(one, worker);
        json_decref(workers);
        workers = one;
        if (json_array_size(one) == 0) {
            json_decref(one);
            return err_set(err, ERR_NotFound, "there is no worker %s", options->name);
        }
    }
    if (options->name && options->format == OUTPUT_JSON)
        show_json(json_incref(json_array_get(workers, 0)), true);
    else
        get_print_workers(workers, options->format);
    json_decref(workers);
    return 0;
}

static int get(struct ctl *ctl, const struct get_options *options)
{
    static const char *const next[] = {"syncline get jobs --all", "syncline get workers",
                                       "syncline get assets --all", "syncline get syncs --all"};
    struct session session = {.hold_fd = -1};
    struct err err;
    int result = session_open(ctl, SESSION_FIND, &session, &err);

    if (result == 0)
        result = options->kind == KIND_JOBS      ? get_jobs(&session, options, &err)
                 : options->kind == KIND_WORKERS ? get_workers(&session, options, &err)
                                                 : get_rows(&session, options, &err);
    session_close(&session);
    return result < 0 ? ctl_fail(&err, err.code == ERR_NotFound ? next[options->kind] : NULL)
                      : EXIT_OK;
}

int command_get(struct ctl *ctl, int argc, char **argv)
{
    struct get_options options = {0};
    struct err err;

    if (read_arguments(ctl, argc, argv, &options, &err) < 0)
        return ctl_fail(&err, "syncline get --help");
    if (ctl->common.help) {
        help_command(ctl->command);
        return EXIT_OK;
    }
    return get(ctl, &options);
}

int command_worker_list(struct ctl *ctl, int argc, char **argv)
{
    struct get_options options = {.kind = KIND_WORKERS};
    const struct option table[] = {{"output", 'o', OPTION_VALUE, &options.output}};
    struct err err;

    argc = options_take(table, COUNT_OF(table), &ctl->common, argc, argv, &err);
    if (argc < 0 || output_format(options.output, true, &options.format, &err) < 0)
        return ctl_fail(&err, "syncline worker list --help");
    if (ctl->common.help) {
        help_command(ctl->command);
        return EXIT_OK;
    }
    return argc > 0 ? ctl_usage(ctl, "worker list takes no arguments") : get(ctl, &options);
}
