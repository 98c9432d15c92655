/* listing.c: see listing.h. A table is made from the JSON of its items: each column names a value
 * there and how it is shown. */
#include "ctl/listing.h"

#include "conf/conf.h"

#include <stdio.h>
#include <stdlib.h>

enum shown { SHOWN_TEXT, SHOWN_COUNT, SHOWN_BYTES, SHOWN_DURATION, SHOWN_LIST, SHOWN_LABELS };

struct value_column {
    const char *heading;
    const char *path; /* in the item's JSON, with dots */
    enum shown shown;
    bool wide; /* in a wide table only */
};

static const struct value_column job_columns[] = {
    {"NAME", "name", SHOWN_TEXT, false},
    {"PHASE", "phase", SHOWN_TEXT, false},
    {"REASON", "reason", SHOWN_TEXT, false},
    {"SCANNED", "counters.scanned", SHOWN_COUNT, false},
    {"MOVED", "counters.moved", SHOWN_COUNT, false},
    {"FAILED", "counters.failed", SHOWN_COUNT, false},
    {"BYTES", "counters.bytesMoved", SHOWN_BYTES, false},
    {"TIME", NULL, SHOWN_DURATION, false},
    {"CREATED", "createdAt", SHOWN_TEXT, false},
    {"TRIGGER", "trigger", SHOWN_TEXT, true},
    {"STARTED", "startedAt", SHOWN_TEXT, true},
    {"FINISHED", "finishedAt", SHOWN_TEXT, true},
    {"LAST-PROGRESS", "lastProgressAt", SHOWN_TEXT, true},
    {"WAITING-FOR", "waitingFor", SHOWN_TEXT, true},
    {"SCHEDULED-FOR", "scheduledFor", SHOWN_TEXT, true},
    {0},
};

static const struct value_column worker_columns[] = {
    {"ID", "id", SHOWN_TEXT, false},       {"ROLE", "role", SHOWN_TEXT, false},
    {"STATE", "state", SHOWN_TEXT, false}, {"HOST", "host", SHOWN_TEXT, false},
    {"PID", "pid", SHOWN_TEXT, false},     {"LANES", "lanes", SHOWN_TEXT, false},
    {"BUSY", "busy", SHOWN_TEXT, false},   {"DONE", "done", SHOWN_TEXT, false},
    {"BYTES", "bytes", SHOWN_TEXT, false}, {"PLANNER", "planner", SHOWN_TEXT, true},
    {"SEEN", "seen_at", SHOWN_TEXT, true}, {0},
};

static const struct value_column asset_columns[] = {
    {"NAME", "name", SHOWN_TEXT, false},
    {"STATE", "state", SHOWN_TEXT, false},
    {"REASON", "reason", SHOWN_TEXT, false},
    {"SINCE", "status.since", SHOWN_TEXT, false},
    {"FREE", "status.bytesFree", SHOWN_BYTES, false},
    {"ADDRESS", "address", SHOWN_TEXT, false},
    {"PROBED", "probedAt", SHOWN_TEXT, true},
    {"PROVEN", "status.lastProven", SHOWN_TEXT, true},
    {"USED-BY", "status.usedBy", SHOWN_LIST, true},
    {"LABELS", "labels", SHOWN_LABELS, true},
    {"MESSAGE", "status.message", SHOWN_TEXT, true},
    {0},
};

static const struct value_column sync_columns[] = {
    {"NAME", "name", SHOWN_TEXT, false},
    {"SOURCE", "source", SHOWN_TEXT, false},
    {"DESTINATION", "destination", SHOWN_TEXT, false},
    {"LAST-JOB", "lastJob", SHOWN_TEXT, false},
    {"PHASE", "phase", SHOWN_TEXT, false},
    {"LAST-SUCCESS", "lastSuccess", SHOWN_TEXT, false},
    {"SUSPENDED", "status.suspended", SHOWN_TEXT, false},
    {"KIND", "kind", SHOWN_TEXT, true},
    {"FROM", "spec.source", SHOWN_TEXT, true},
    {"TO", "spec.destination", SHOWN_TEXT, true},
    {"RESTORABLE-TO", "status.restorableTo", SHOWN_TEXT, true},
    {"LABELS", "labels", SHOWN_LABELS, true},
    {0},
};

static const struct value_column plan_columns[] = {
    {"NAME", "name", SHOWN_TEXT, false},
    {"SCHEDULE", "schedule", SHOWN_TEXT, false},
    {"ZONE", "timezone", SHOWN_TEXT, false},
    {"LAST", "lastAt", SHOWN_TEXT, false},
    {"PHASE", "phase", SHOWN_TEXT, false},
    {"REASON", "reason", SHOWN_TEXT, false},
    {"NEXT", "nextAt", SHOWN_TEXT, false},
    {"LAST-SUCCESS", "lastSuccess", SHOWN_TEXT, false},
    {"NOW", "now", SHOWN_TEXT, false},
    {"LAST-JOB", "lastJob", SHOWN_TEXT, true},
    {"RESTORABLE-TO", "status.restorableTo", SHOWN_TEXT, true},
    {"MISSED", "status.missed", SHOWN_COUNT, true},
    {"FROM", "spec.source", SHOWN_TEXT, true},
    {"TO", "spec.destination", SHOWN_TEXT, true},
    {"WAITING-FOR", "status.waitingFor", SHOWN_TEXT, true},
    {"PROBLEM", "status.problem", SHOWN_TEXT, true},
    {"LABELS", "labels", SHOWN_LABELS, true},
    {0},
};

static const struct value_column *const columns_of[] = {job_columns, worker_columns, asset_columns,
                                                        sync_columns, plan_columns};

void listing_add(struct listing *listing, json_t *json, s64 duration_ms)
{
    listing->items =
        memory_resize_or_die(listing->items, (listing->count + 1) * sizeof *listing->items);
    listing->items[listing->count++] = (struct list_item){json, duration_ms};
}

void listing_release(struct listing *listing)
{
    for (u32 i = 0; i < listing->count; i++)
        json_decref(listing->items[i].json);
    free(listing->items);
    listing->items = NULL;
    listing->count = 0;
}

const char *list_item_name(const struct list_item *item)
{
    const char *id = json_string_value(json_object_get(item->json, "id"));
    const char *name = json_string_value(json_object_get(item->json, "name"));

    return id ? id : name ? name : "";
}

/* ---- cells ---- */

static const json_t *value_at(const json_t *json, const char *path)
{
    while (json && path) {
        size_t length = strcspn(path, ".");
        char name[32];

        snprintf(name, sizeof name, "%.*s", (int)length, path);
        json = json_object_get(json, name);
        path = path[length] ? path + length + 1 : NULL;
    }
    return json;
}

static void show_list(struct buf *out, const json_t *list)
{
    json_t *value;
    size_t index;

    json_array_foreach(list, index, value)
    {
        buf_printf(out, "%s%s", index ? "," : "", json_string_value(value));
    }
}

static void show_labels(struct buf *out, const json_t *labels)
{
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)labels, name, value)
    {
        buf_printf(out, "%s%s=%s", out->size ? "," : "", name, json_string_value(value));
    }
}

static void show_text(struct buf *out, const json_t *value)
{
    if (json_is_string(value))
        buf_append_text(out, json_string_value(value));
    else if (json_is_integer(value))
        buf_printf(out, "%lld", (long long)json_integer_value(value));
    else if (json_is_boolean(value))
        buf_append_text(out, json_is_true(value) ? "yes" : "");
}

static void show_cell(struct buf *out, const struct list_item *item,
                      const struct value_column *column)
{
    const json_t *value = column->path ? value_at(item->json, column->path) : NULL;

    if (column->shown == SHOWN_DURATION)
        show_duration(out, item->duration_ms);
    else if (column->shown == SHOWN_LIST)
        show_list(out, value);
    else if (column->shown == SHOWN_LABELS)
        show_labels(out, value);
    else if (column->shown == SHOWN_COUNT && json_is_integer(value))
        show_count(out, json_integer_value(value));
    else if (column->shown == SHOWN_BYTES && json_is_integer(value))
        show_bytes(out, json_integer_value(value));
    else
        show_text(out, value);
}

static struct table *new_table(const struct listing *listing, bool wide)
{
    struct column columns[LIST_COLUMNS_MAX] = {{0}};
    struct table *table;
    u32 count = 0;

    for (const struct value_column *at = columns_of[listing->kind]; at->heading; at++) {
        if (at->wide && !wide)
            continue;
        columns[count] =
            (struct column){.name = at->heading,
                            .right = at->shown == SHOWN_COUNT || at->shown == SHOWN_BYTES ||
                                     at->shown == SHOWN_DURATION};
        count++;
    }
    table = table_new(columns, count);
    for (u32 i = 0; i < count; i++)
        table_at_least(table, i, listing->widths[i]);
    return table;
}

static void add_row(struct table *table, struct listing *listing, bool wide, u32 index)
{
    const char *values[LIST_COLUMNS_MAX] = {0};
    struct buf cells[LIST_COLUMNS_MAX] = {{0}};
    u32 count = 0;

    for (const struct value_column *at = columns_of[listing->kind]; at->heading; at++) {
        u32 width;

        if (at->wide && !wide)
            continue;
        show_cell(&cells[count], &listing->items[index], at);
        values[count] = buf_text(&cells[count]);
        width = (u32)cells[count].size;
        width = width > strlen(at->heading) ? width : (u32)strlen(at->heading);
        if (width > listing->widths[count])
            listing->widths[count] = width;
        count++;
    }
    table_row(table, values);
    for (u32 i = 0; i < count; i++)
        buf_release(&cells[i]);
}

/* ---- as what is wanted ---- */

/* What is defined is the document that `apply` takes back. */
static void print_document(const struct listing *listing, const struct list_item *item, bool first)
{
    const char *word = json_string_value(json_object_get(item->json, "kind"));
    enum definition_kind kind = DEFINITION_ASSET;
    struct buf text = {0};

    if (listing->kind == KIND_JOBS || listing->kind == KIND_WORKERS) {
        yaml_print(item->json, &text);
    } else {
        definition_kind_by_name(word, &kind);
        definition_print(kind, list_item_name(item), json_object_get(item->json, "labels"),
                         json_object_get(item->json, "spec"), &text);
    }
    printf("%s%s", first ? "" : "---\n", buf_text(&text));
    buf_release(&text);
}

static void print_name(const struct listing *listing, const struct list_item *item)
{
    printf("%s/%s\n", kind_word(listing->kind), list_item_name(item));
}

static void print_json(const struct listing *listing, bool one)
{
    json_t *items = json_array();

    for (u32 i = 0; i < listing->count; i++)
        json_array_append(items, listing->items[i].json);
    if (one && listing->count > 0)
        show_json(json_incref(listing->items[0].json), true);
    else
        show_json(json_pack("{s:O}", "items", items), true);
    json_decref(items);
}

void listing_print(struct listing *listing, enum output_format format, bool one)
{
    bool wide = format == OUTPUT_WIDE;
    struct table *table;

    if (format == OUTPUT_JSON) {
        print_json(listing, one);
        return;
    }
    for (u32 i = 0; i < listing->count && format == OUTPUT_NAME; i++)
        print_name(listing, &listing->items[i]);
    for (u32 i = 0; i < listing->count && format == OUTPUT_YAML; i++)
        print_document(listing, &listing->items[i], i == 0);
    if (format != OUTPUT_TABLE && !wide)
        return;
    table = new_table(listing, wide);
    for (u32 i = 0; i < listing->count; i++)
        add_row(table, listing, wide, i);
    table_finish(&table);
}

void listing_print_again(struct listing *listing, u32 index, enum output_format format)
{
    const struct list_item *item = &listing->items[index];
    bool wide = format == OUTPUT_WIDE;
    struct table *table;

    if (format == OUTPUT_JSON) {
        show_json(json_incref(item->json), false);
    } else if (format == OUTPUT_NAME) {
        print_name(listing, item);
    } else if (format == OUTPUT_YAML) {
        print_document(listing, item, false);
    } else {
        table = new_table(listing, wide);
        table_without_heading(table);
        add_row(table, listing, wide, index);
        table_finish(&table);
    }
}

void listing_print_gone(const struct listing *listing, u32 index, enum output_format format)
{
    const struct list_item *item = &listing->items[index];
    json_t *json;

    if (format == OUTPUT_JSON) {
        json = json_copy(item->json);
        json_object_set_new(json, "deleted", json_true());
        show_json(json, false);
    } else {
        /* a stream of documents has it as a comment */
        printf("%s%s/%s deleted\n", format == OUTPUT_YAML ? "---\n# " : "",
               kind_word(listing->kind), list_item_name(item));
    }
}
