/* value.c: a reader for each type of field. What is not right is said with what is wanted; the
 * texts stay as they were written. */
#include "conf/value.h"

#include "base/filter.h"
#include "base/names.h"
#include "base/units.h"
#include "conf/labels.h"
#include "cron/cron.h"
#include "cron/zone.h"

#include <errno.h>
#include <stdlib.h>
#include <strings.h>

#define DIRECTORY_BYTES 4095u /* PATH_MAX of the kernel */

/* ---- what is wanted ---- */

static void append_words(const struct field *field, const char *last, struct buf *out)
{
    const char *at = field->wanted, *word;
    size_t size;

    for (bool first = true; (word = field_next_word(&at, &size)); first = false)
        buf_printf(out, "%s%.*s", first ? "" : *at ? ", " : last, (int)size, word);
}

void value_wanted(const struct field *field, struct buf *out)
{
    static const char *const texts[] = {
        [FIELD_OBJECT] = "an object with fields",
        [FIELD_PATH] = "the absolute path of a directory, such as /data/photos",
        [FIELD_FLAG] = "true or false",
        [FIELD_CHOICE] = "",
        [FIELD_CHOICES] = "a list of ",
        [FIELD_RULES] = "a list of filters, such as [\"- *.tmp\", \"- .cache/**\"]",
        [FIELD_AMOUNT] = "a number, or a percentage such as 10%",
        [FIELD_COUNT] = "a number",
        [FIELD_RATE] = "bytes per second, such as 200MiB/s",
        [FIELD_DURATION] = "a duration",
        [FIELD_NAME] = "the name of an asset, such as photos-src",
        [FIELD_TEXT] = "a text",
        [FIELD_SCHEDULE] = "a schedule, such as \"0 2 * * *\", \"@daily\" or \"@every 90s\"",
        [FIELD_ZONE] = "the name of a time zone, such as Europe/Berlin",
    };
    const char *dots = strstr(field->wanted, "..");

    buf_append_text(out, texts[field->type]);
    if (field->type == FIELD_CHOICE)
        append_words(field, " or ", out);
    if (field->type == FIELD_CHOICES)
        append_words(field, ", ", out);
    if (field->type == FIELD_COUNT || field->type == FIELD_DURATION)
        buf_printf(out, " from %.*s to %s", (int)(dots - field->wanted), field->wanted, dots + 2);
    if (field->type == FIELD_DURATION)
        buf_append_text(out, ", such as 90s or 1h30m");
}

void wrong_value(struct faults *faults, const struct node *node, const char *what,
                 const char *wanted)
{
    char name[SHOWN_SIZE];

    if (node->kind == NODE_BAD)
        return;
    if (node->kind != NODE_SCALAR)
        fault_add(faults, node->at, "%s: expected %s, not %s", what, wanted,
                  node->kind == NODE_LIST ? "a list" : "an object");
    else if (node_is_nothing(node))
        fault_add(faults, node->at, "%s has no value: write %s", what, wanted);
    else
        fault_add(faults, node->at, "%s: expected %s, not %s%s%s", what, wanted,
                  node->plain ? "" : "the text \"", shown(name, bytes_text(node->text)),
                  node->plain ? "" : "\"");
}

static json_t *wrong(const struct field *field, const struct node *node, struct faults *faults)
{
    struct buf wanted = {0};

    value_wanted(field, &wanted);
    if (node_is_nothing(node) && field->preset)
        buf_append_text(&wanted, ", or leave the field out");
    wrong_value(faults, node, field->path, buf_text(&wanted));
    buf_release(&wanted);
    return NULL;
}

/* ---- texts ---- */

const char *text_read(const struct node *node, const char *what, struct faults *faults)
{
    static const char *const taken_for[] = {
        [PLAIN_FLAG] = "true or false", [PLAIN_NUMBER] = "a number", [PLAIN_DATE] = "a date"};
    enum plain_kind kind;
    char name[SHOWN_SIZE];

    if (node->kind != NODE_SCALAR) {
        wrong_value(faults, node, what, "a text");
        return NULL;
    }
    kind = node->plain ? plain_kind_of(node->text) : PLAIN_TEXT;
    if (kind == PLAIN_TEXT)
        return node->text;
    if (kind == PLAIN_NULL)
        wrong_value(faults, node, what, "a text");
    else
        fault_add(faults, node->at,
                  "%s: expected a text, and %s is %s in YAML; put it in quotes: \"%s\"", what,
                  shown(name, bytes_text(node->text)), taken_for[kind], name);
    return NULL;
}

static json_t *read_text(const struct field *field, const struct node *node, struct faults *faults)
{
    const char *text = text_read(node, field->path, faults);

    if (!text)
        return NULL;
    if (*text && strlen(text) <= FIELD_TEXT_BYTES)
        return json_string(text);
    fault_add(faults, node->at, "%s: expected a text of 1 to %u bytes", field->path,
              FIELD_TEXT_BYTES);
    return NULL;
}

/* A text that is neither a number, a date, true or false in YAML: in quotes, too, those would be no
 * value of this field. */
static const char *word_read(const struct field *field, const struct node *node,
                             struct faults *faults)
{
    if (node->kind == NODE_SCALAR && (!node->plain || plain_kind_of(node->text) == PLAIN_TEXT))
        return node->text;
    wrong(field, node, faults);
    return NULL;
}

/* Where the byte `position` of the text stands, if its line is as the text is; else where it
 * begins. */
static struct mark mark_inside(const struct node *node, size_t position)
{
    struct mark at = node->at;

    if (!node->verbatim)
        return at;
    at.column += !node->plain;
    for (size_t i = 0; i < position && node->text[i]; i++)
        at.column += (node->text[i] & 0xc0) != 0x80;
    return at;
}

static json_t *read_schedule(const struct field *field, const struct node *node,
                             struct faults *faults)
{
    const char *text = word_read(field, node, faults);
    size_t position = 0;
    struct cron cron;
    struct err err = {0};

    if (!text)
        return NULL;
    if (strlen(text) > FIELD_TEXT_BYTES)
        fault_add(faults, node->at, "%s: more than %u bytes", field->path, FIELD_TEXT_BYTES);
    else if (cron_parse(text, &cron, &position, &err) < 0)
        fault_add(faults, mark_inside(node, position), "%s: %s", field->path, err.text);
    else
        return json_string(text);
    return NULL;
}

static json_t *read_zone(const struct field *field, const struct node *node, struct faults *faults)
{
    const char *text = word_read(field, node, faults);
    struct zone *zone = NULL;
    struct err err = {0};

    if (!text)
        return NULL;
    if (zone_open(text, &zone, &err) < 0) {
        fault_add(faults, node->at, "%s: %s", field->path, err.text);
        return NULL;
    }
    zone_destroy(&zone);
    return json_string(text);
}

static json_t *read_name(const struct field *field, const struct node *node, struct faults *faults)
{
    const char *text = text_read(node, field->path, faults);
    char name[SHOWN_SIZE];

    if (!text)
        return NULL;
    if (definition_name_is_valid(text))
        return json_string(text);
    fault_add(faults, node->at, "%s: '%s' is no name of an asset: a name has " NAME_RULE,
              field->path, shown(name, bytes_text(text)));
    return NULL;
}

/* The path without ".", "..", doubled slashes and one at its end. */
static void normalise(const char *path, struct buf *out)
{
    while (*path) {
        size_t size = strcspn(path, "/");

        if (size == 2 && strncmp(path, "..", 2) == 0) {
            while (out->size > 0 && out->data[--out->size] != '/')
                ;
        } else if (size > 0 && !(size == 1 && *path == '.')) {
            buf_append(out, "/", 1);
            buf_append(out, path, size);
        }
        path += size + (path[size] == '/');
    }
    if (out->size == 0)
        buf_append(out, "/", 1);
}

static void refuse_detour(const struct field *field, const struct node *node, struct bytes clean,
                          struct faults *faults)
{
    bool fits = clean.size <= 200;
    struct buf instead = {0};

    name_escape(&instead, clean);
    fault_add(faults, node->at,
              "%s: a path without \".\", \"..\" and doubled slashes is wanted%s%s", field->path,
              fits ? "; write " : "", fits ? buf_text(&instead) : "");
    buf_release(&instead);
}

static json_t *read_path(const struct field *field, const struct node *node, struct faults *faults)
{
    const char *text = text_read(node, field->path, faults);
    size_t size = text ? strlen(text) : 0;
    struct buf clean = {0};
    json_t *value = NULL;

    if (!text)
        return NULL;
    if (*text != '/')
        return wrong(field, node, faults);
    normalise(text, &clean);
    while (size > 1 && text[size - 1] == '/')
        size--;
    if (size > DIRECTORY_BYTES)
        fault_add(faults, node->at, "%s: more than %u bytes", field->path, DIRECTORY_BYTES);
    else if (clean.size == 1)
        fault_add(faults, node->at, "%s: %s is the whole system; name a directory in it",
                  field->path, size == 1 ? "/" : "this");
    else if (!bytes_equal(buf_bytes(&clean), bytes_of(text, size)))
        refuse_detour(field, node, buf_bytes(&clean), faults);
    else
        value = json_stringn(text, size);
    buf_release(&clean);
    return value;
}

/* ---- numbers and words ---- */

/* Decimal, without what other readers would take for octal or for something else. */
static bool read_number(const char *text, u64 *out)
{
    char *end;

    if (text[strspn(text, "0123456789")] || !*text || (text[0] == '0' && text[1]))
        return false;
    errno = 0;
    *out = strtoull(text, &end, 10);
    return errno == 0 && *out <= INT64_MAX;
}

static json_t *read_flag(const struct field *field, const struct node *node, struct faults *faults)
{
    char name[SHOWN_SIZE];
    bool yes;

    if (node->kind != NODE_SCALAR || plain_kind_of(node->text) != PLAIN_FLAG)
        return wrong(field, node, faults);
    yes = strchr("tTyY", *node->text) || strcasecmp(node->text, "on") == 0;
    if (node->plain && strcmp(node->text, yes ? "true" : "false") == 0)
        return json_boolean(yes);
    shown(name, bytes_text(node->text));
    if (node->plain)
        fault_add(faults, node->at, "%s: %s is read differently by different programs; write %s",
                  field->path, name, yes ? "true" : "false");
    else
        fault_add(faults, node->at, "%s: \"%s\" is a text; write %s, without quotes", field->path,
                  name, yes ? "true" : "false");
    return NULL;
}

static json_t *read_choice(const struct field *field, const struct node *node,
                           struct faults *faults)
{
    if (node->kind == NODE_SCALAR && field_has_word(field, node->text))
        return json_string(node->text);
    return wrong(field, node, faults);
}

static json_t *read_amount(const struct field *field, const struct node *node,
                           struct faults *faults)
{
    u64 number;
    u32 percent;

    if (node->kind != NODE_SCALAR)
        return wrong(field, node, faults);
    if (read_number(node->text, &number))
        return node->plain ? json_integer((json_int_t)number) : json_string(node->text);
    if (units_percent(node->text, &percent))
        return json_string(node->text);
    return wrong(field, node, faults);
}

static json_t *read_count(const struct field *field, const struct node *node, struct faults *faults)
{
    u64 number, least, most;

    field_range(field, &least, &most);
    if (node->kind == NODE_SCALAR && node->plain && read_number(node->text, &number) &&
        number >= least && number <= most)
        return json_integer((json_int_t)number);
    return wrong(field, node, faults);
}

static json_t *read_rate(const struct field *field, const struct node *node, struct faults *faults)
{
    u64 rate;

    if (node->kind == NODE_SCALAR && units_rate(node->text, &rate))
        return json_string(node->text);
    return wrong(field, node, faults);
}

static json_t *read_duration(const struct field *field, const struct node *node,
                             struct faults *faults)
{
    u64 least, most;
    s64 ms;

    field_range(field, &least, &most);
    if (node->kind == NODE_SCALAR && units_duration(node->text, false, &ms) && (u64)ms >= least &&
        (u64)ms <= most)
        return json_string(node->text);
    return wrong(field, node, faults);
}

/* ---- lists ---- */

/* Appends what `text` is to the list; false where there is a fault. */
static bool add_choice(const struct field *field, const struct node *item, json_t *list,
                       struct faults *faults)
{
    struct buf wanted = {0};
    json_t *other;
    size_t i;

    if (item->kind != NODE_SCALAR || !field_has_word(field, item->text)) {
        append_words(field, " or ", &wanted);
        wrong_value(faults, item, field->path, buf_text(&wanted));
        buf_release(&wanted);
        return false;
    }
    json_array_foreach(list, i, other)
    {
        if (strcmp(json_string_value(other), item->text) != 0)
            continue;
        fault_add(faults, item->at, "%s: %s is there twice", field->path, item->text);
        return false;
    }
    json_array_append_new(list, json_string(item->text));
    return true;
}

static bool add_rule(const struct field *field, const struct node *item, struct filter *filter,
                     json_t *list, struct faults *faults)
{
    const char *text;
    struct err err = {0};

    if (item->kind == NODE_LIST) {
        fault_add(faults, item->at,
                  "%s: a list where a filter is expected; put the filter in quotes: \"- *.tmp\"",
                  field->path);
        return false;
    }
    text = text_read(item, field->path, faults);
    if (!text)
        return false;
    if (filter_add(filter, bytes_text(text), &err) < 0) {
        fault_add(faults, item->at, "%s: %s", field->path, err.text);
        return false;
    }
    json_array_append_new(list, json_string(text));
    return true;
}

static json_t *read_list(const struct field *field, const struct node *node, struct faults *faults)
{
    struct filter *filter = filter_new();
    json_t *list = json_array();
    bool good = node->kind == NODE_LIST;

    if (!good)
        wrong(field, node, faults);
    for (u32 i = 0; node->kind == NODE_LIST && i < node->count; i++) {
        const struct node *item = node->items[i];
        bool added = field->type == FIELD_RULES ? add_rule(field, item, filter, list, faults)
                                                : add_choice(field, item, list, faults);

        good = good && added;
    }
    filter_destroy(&filter);
    if (good)
        return list;
    json_decref(list);
    return NULL;
}

json_t *value_read(const struct field *field, const struct node *node, struct faults *faults)
{
    static json_t *(*const readers[])(const struct field *, const struct node *,
                                      struct faults *) = {
        [FIELD_OBJECT] = wrong,           [FIELD_PATH] = read_path,    [FIELD_FLAG] = read_flag,
        [FIELD_CHOICE] = read_choice,     [FIELD_CHOICES] = read_list, [FIELD_RULES] = read_list,
        [FIELD_AMOUNT] = read_amount,     [FIELD_COUNT] = read_count,  [FIELD_RATE] = read_rate,
        [FIELD_DURATION] = read_duration, [FIELD_NAME] = read_name,    [FIELD_TEXT] = read_text,
        [FIELD_SCHEDULE] = read_schedule, [FIELD_ZONE] = read_zone,
    };

    return readers[field->type](field, node, faults);
}
