/* get.c: `syncline get`: jobs, workers, assets, synchronizations and plans, once, or again whenever
 * something of them changes. */
#include "ctl/get.h"

#include "base/clock.h"
#include "ctl/ctl.h"
#include "ctl/job_json.h"
#include "ctl/listing.h"
#include "ctl/options.h"
#include "ctl/output.h"
#include "ctl/session.h"
#include "store/definitions.h"

#include <stdio.h>
#include <stdlib.h>

#define LIMIT_MAX 1000000
#define LOOK_MS 1000
#define AWAY_MS 60000

struct get_options {
    const char *output, *limit_text, *selector_text;
    enum output_format format;
    enum kind kind;
    u32 limit;
    bool all, watch;
    const char *name; /* NULL = all of the kind */
    struct selector *selector;
};

static int read_arguments(struct ctl *ctl, int argc, char **argv, struct get_options *out,
                          struct err *err)
{
    const struct option options[] = {
        {"output", 'o', OPTION_VALUE, &out->output},
        {"limit", 0, OPTION_VALUE, &out->limit_text},
        {"all", 0, OPTION_FLAG, &out->all},
        {"watch", 'w', OPTION_FLAG, &out->watch},
        {"selector", 'l', OPTION_VALUE, &out->selector_text},
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
    if (kind_find(argv[0], &out->kind, err) < 0)
        return -1;
    if (output_format(out->output, &out->format, err) < 0)
        return -1;
    return out->selector_text ? selector_parse(out->selector_text, &out->selector, err) : 0;
}

/* ---- what there is ---- */

/* A job has the labels of its synchronization; what a worker says of itself is as good as labels.
 */
static bool is_selected(const struct get_options *options, const json_t *item)
{
    return selector_matches(options->selector,
                            options->kind == KIND_WORKERS ? item : json_object_get(item, "labels"));
}

/* Takes the reference. */
static void add(struct listing *listing, const struct get_options *options, json_t *item,
                s64 duration_ms)
{
    if (listing->count < options->limit && is_selected(options, item))
        listing_add(listing, item, duration_ms);
    else
        json_decref(item);
}

/* How many to ask Postgres for: it knows nothing of selectors. */
static u32 limit_of(const struct get_options *options)
{
    return options->selector ? LIMIT_MAX : options->limit;
}

static int get_jobs(struct session *session, const struct get_options *options, struct listing *out,
                    struct err *err)
{
    struct job_list list = {0};
    struct job job = {0};

    if (options->name) {
        if (jobs_read(session->postgres, options->name, &job, err) < 0)
            return -1;
        add(out, options, job_to_json(&job), job.duration_ms);
        job_release(&job);
        return 0;
    }
    if (jobs_list(session->postgres, options->all, false, limit_of(options), &list, err) < 0)
        return -1;
    for (u32 i = 0; i < list.count; i++)
        add(out, options, job_to_json(&list.jobs[i]), list.jobs[i].duration_ms);
    job_list_release(&list);
    return 0;
}

static int get_defined(struct session *session, const struct get_options *options,
                       struct listing *out, struct err *err)
{
    enum definition_kind kind = kind_definition(options->kind);
    PGresult *rows;

    if (definitions_list(session->postgres, kind, options->name, options->all, limit_of(options),
                         &rows, err) < 0)
        return -1;
    for (int row = 0; row < PQntuples(rows); row++)
        add(out, options, json_loads(result_text(rows, row, 1), 0, NULL), 0);
    PQclear(rows);
    if (options->name && out->count == 0 && !options->selector)
        return definitions_none(session->postgres, kind, options->name, err);
    return 0;
}

static int get_workers(struct session *session, const struct get_options *options,
                       struct listing *out, struct err *err)
{
    struct view *view = session_view(session);
    json_t *workers = view ? view_workers(view, err) : NULL, *worker;
    size_t index;

    if (!view)
        return err_set(err, ERR_RedisUnavailable,
                       "workers are listed in Redis, which cannot be reached%s",
                       session->redis_url ? "" : ": SYNCLINE_REDIS_URL is not set");
    if (!workers)
        return -1;
    json_array_foreach(workers, index, worker)
    {
        const char *id = json_string_value(json_object_get(worker, "id"));

        if (!options->name || strcmp(id, options->name) == 0)
            add(out, options, json_incref(worker), 0);
    }
    json_decref(workers);
    return options->name && out->count == 0 && !options->selector
               ? err_set(err, ERR_NotFound, "there is no worker %s", options->name)
               : 0;
}

static int get_all(struct session *session, const struct get_options *options, struct listing *out,
                   struct err *err)
{
    switch (options->kind) {
    case KIND_JOBS:
        return get_jobs(session, options, out, err);
    case KIND_WORKERS:
        return get_workers(session, options, out, err);
    default:
        return get_defined(session, options, out, err);
    }
}

void get_print_jobs(const struct job_list *list, enum output_format format)
{
    struct listing listing = {.kind = KIND_JOBS};

    for (u32 i = 0; i < list->count; i++)
        listing_add(&listing, job_to_json(&list->jobs[i]), list->jobs[i].duration_ms);
    listing_print(&listing, format, false);
    listing_release(&listing);
}

void get_print_workers(json_t *workers, enum output_format format)
{
    struct listing listing = {.kind = KIND_WORKERS};
    json_t *worker;
    size_t index;

    json_array_foreach(workers, index, worker)
    {
        listing_add(&listing, json_incref(worker), 0);
    }
    listing_print(&listing, format, false);
    listing_release(&listing);
}

/* ---- again and again ---- */

/* By name: lists may be long, and are compared each second. */
static json_t *index_items(const struct listing *listing)
{
    json_t *index = json_object();

    for (u32 i = 0; i < listing->count; i++)
        json_object_set(index, list_item_name(&listing->items[i]), listing->items[i].json);
    return index;
}

/* What is new or has changed, the newest last. */
static void print_changes(const struct listing *seen, struct listing *now,
                          enum output_format format)
{
    json_t *index = index_items(seen);

    memcpy(now->widths, seen->widths, sizeof now->widths);
    for (u32 i = now->count; i-- > 0;) {
        const struct list_item *item = &now->items[i];

        if (!json_equal(json_object_get(index, list_item_name(item)), item->json))
            listing_print_again(now, i, format);
    }
    json_decref(index);
}

/* Is it not there any more? What is not in a list that is full may only be behind newer ones. */
static bool is_gone(struct session *session, const struct get_options *options,
                    const struct listing *now, const char *name)
{
    struct listing found = {.kind = options->kind};
    struct get_options one = *options;
    struct err err;
    bool gone;

    if (now->count < options->limit)
        return true;
    one.name = name;
    gone = get_all(session, &one, &found, &err) < 0 ? err.code == ERR_NotFound : found.count == 0;
    listing_release(&found);
    return gone;
}

static void print_gone(struct session *session, const struct get_options *options,
                       const struct listing *seen, const struct listing *now)
{
    json_t *index = index_items(now);

    for (u32 i = seen->count; i-- > 0;) {
        const char *name = list_item_name(&seen->items[i]);

        if (!json_object_get(index, name) && is_gone(session, options, now, name))
            listing_print_gone(seen, i, options->format);
    }
    json_decref(index);
}

/* Workers are in Redis, and in nothing else. */
static bool wants_postgres(const struct get_options *options)
{
    return options->kind != KIND_WORKERS;
}

static int look(struct session *session, const struct get_options *options, struct listing *out,
                struct err *err)
{
    if (wants_postgres(options) && !(session->postgres && postgres_is_alive(session->postgres)) &&
        (session_connect(session, err) < 0 ||
         postgres_run(session->postgres, "LISTEN syncline_job", err) < 0))
        return -1;
    if (get_all(session, options, out, err) == 0)
        return 0;
    listing_release(out);
    return options->name && err->code == ERR_NotFound ? 0
                                                      : -1; /* it was there, and may come back */
}

/* What is away for a while is waited for. */
static int look_again(struct session *session, const struct get_options *options,
                      struct listing *out, s64 *lost_ms, struct err *err)
{
    s64 now = clock_monotonic_ms();

    if (look(session, options, out, err) == 0) {
        *lost_ms = 0;
        return 0;
    }
    *lost_ms = *lost_ms ? *lost_ms : now;
    if ((err->code != ERR_PostgresUnavailable && err->code != ERR_RedisUnavailable) ||
        now - *lost_ms > AWAY_MS)
        return -1;
    return 1;
}

/* Ends with SIGINT, or when nobody reads any more. */
static int watch(struct session *session, const struct get_options *options, struct listing *seen,
                 struct err *err)
{
    s64 lost_ms = 0;
    int result =
        wants_postgres(options) ? postgres_run(session->postgres, "LISTEN syncline_job", err) : 0;

    while (result >= 0 && fflush(stdout) == 0) {
        struct listing now = {.kind = options->kind};

        session_pause(session, LOOK_MS);
        if (!output_is_wanted())
            break;
        result = look_again(session, options, &now, &lost_ms, err);
        if (result != 0)
            continue;
        print_gone(session, options, seen, &now);
        print_changes(seen, &now, options->format);
        listing_release(seen);
        *seen = now;
    }
    return result < 0 ? -1 : 0;
}

/* Nothing on stdout is an answer for a script; a person is told that it is one. */
static void tell_none(const struct ctl *ctl, const struct get_options *options)
{
    bool hides = options->kind != KIND_WORKERS && !options->all && !options->name;

    if (ctl->common.quiet || (options->format != OUTPUT_TABLE && options->format != OUTPUT_WIDE))
        return;
    fprintf(stderr, "there are no %s%s\n", kind_words(options->kind),
            options->selector ? " with such labels"
            : hides           ? ", but for what sync may have made: see --all"
                              : "");
}

static int get(struct ctl *ctl, const struct get_options *options)
{
    struct session session = {.hold_fd = -1};
    struct listing listing = {.kind = options->kind};
    struct err err;
    int result = wants_postgres(options) ? session_open(ctl, SESSION_FIND, &session, &err)
                                         : session_locate(ctl, SESSION_FIND, &session, &err);

    if (result == 0)
        result = get_all(&session, options, &listing, &err);
    if (result == 0 && options->watch && options->format == OUTPUT_JSON)
        print_changes(&(struct listing){.kind = options->kind}, &listing, options->format);
    else if (result == 0)
        listing_print(&listing, options->format, options->name != NULL);
    if (result == 0 && listing.count == 0)
        tell_none(ctl, options);
    if (result == 0 && options->watch)
        result = watch(&session, options, &listing, &err);
    listing_release(&listing);
    session_close(&session);
    if (result < 0)
        return ctl_fail(&err, err.code == ERR_NotFound ? kind_list(options->kind) : NULL);
    return interrupted ? EXIT_INTERRUPTED : EXIT_OK;
}

int command_get(struct ctl *ctl, int argc, char **argv)
{
    struct get_options options = {0};
    struct err err;
    int code = EXIT_OK;

    if (read_arguments(ctl, argc, argv, &options, &err) < 0) {
        code = ctl_fail(&err, "syncline get --help");
    } else if (ctl->common.help) {
        help_command(ctl->command);
    } else {
        if (options.watch)
            interrupt_catch();
        code = get(ctl, &options);
    }
    selector_destroy(&options.selector);
    return code;
}

int command_worker_list(struct ctl *ctl, int argc, char **argv)
{
    struct get_options options = {.kind = KIND_WORKERS, .limit = LIMIT_MAX};
    const struct option table[] = {{"output", 'o', OPTION_VALUE, &options.output}};
    struct err err;

    argc = options_take(table, COUNT_OF(table), &ctl->common, argc, argv, &err);
    if (argc < 0 || output_format(options.output, &options.format, &err) < 0)
        return ctl_fail(&err, "syncline worker list --help");
    if (ctl->common.help) {
        help_command(ctl->command);
        return EXIT_OK;
    }
    return argc > 0 ? ctl_usage(ctl, "worker list takes no arguments") : get(ctl, &options);
}
