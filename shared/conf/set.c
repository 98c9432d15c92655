/* set.c: one field, as on a command line. There every value is a text, so that a number or true
 * stands for itself without the rules of YAML. */
#include "base/words.h"
#include "conf/value.h"

#include <stdlib.h>

static bool is_list(const struct field *field)
{
    return field->type == FIELD_CHOICES || field->type == FIELD_RULES;
}

static int refuse_path(enum definition_kind kind, const char *path, struct err *err)
{
    const char *words[64], *near;
    char name[SHOWN_SIZE];
    u32 count = 0;

    shown(name, bytes_text(path));
    for (u32 i = 0; i < field_count && count < COUNT_OF(words); i++)
        if (field_table[i].kinds & 1u << kind && field_table[i].type != FIELD_OBJECT)
            words[count++] = field_table[i].path;
    near = nearest_word(path, words, count);
    for (u32 i = 0; !near && i < count; i++) {
        const char *dot = strrchr(words[i], '.');

        if (dot && strcmp(dot + 1, path) == 0)
            near = words[i];
    }
    if (near)
        return err_set(err, ERR_Configuration, "unknown field '%s'; did you mean '%s'?", name,
                       near);
    return err_set(err, ERR_Configuration, "%s has no field '%s'; docs/definitions.md lists all",
                   definition_kind_name(kind), name);
}

/* ---- what the text stands for ---- */

static struct node *scalar_of(struct bytes text, bool plain)
{
    struct node *node = memory_or_die(sizeof *node);

    node->kind = NODE_SCALAR;
    node->plain = plain;
    node->text = text_of_bytes(text);
    return node;
}

/* "mode,times" */
static struct node *list_of_words(const char *text)
{
    struct node *list = memory_or_die(sizeof *list);
    u32 room = 1;

    for (const char *at = text; (at = strchr(at, ',')); at++)
        room++;
    list->kind = NODE_LIST;
    list->items = memory_or_die(room * sizeof *list->items);
    for (u32 i = 0; i < room; i++) {
        size_t size = strcspn(text, ",");

        list->items[list->count++] = scalar_of(bytes_of(text, size), false);
        text += size + 1;
    }
    return list;
}

struct list_reading {
    const struct field *field;
    struct faults *faults;
    json_t *value;
};

static void read_list(void *context, const struct node *root, bool sound)
{
    struct list_reading *reading = context;

    if (sound && !reading->value)
        reading->value = value_read(reading->field, root, reading->faults);
}

static json_t *value_of(const struct field *field, const char *text, struct faults *faults)
{
    bool plain =
        field->type == FIELD_FLAG || field->type == FIELD_COUNT || field->type == FIELD_AMOUNT;
    struct list_reading reading = {.field = field, .faults = faults};
    struct node *node;

    if (is_list(field) && *text == '[') {
        nodes_read(bytes_text(text), faults, read_list, &reading);
        return reading.value;
    }
    node = field->type == FIELD_CHOICES ? list_of_words(text) : scalar_of(bytes_text(text), plain);
    reading.value = value_read(field, node, faults);
    node_destroy(&node);
    return reading.value;
}

/* ---- where it goes ---- */

/* Puts `value` (taken; NULL: takes the field out) below `object`. */
static void put(json_t *object, const char *path, json_t *value)
{
    const char *dot = strchr(path, '.');
    char *name = text_of_bytes(bytes_of(path, dot ? (size_t)(dot - path) : strlen(path)));
    json_t *below = json_object_get(object, name);

    if (dot && !json_is_object(below) && value) {
        json_object_set_new(object, name, json_object());
        below = json_object_get(object, name);
    }
    if (!dot && value)
        json_object_set_new(object, name, value);
    else if (!dot)
        json_object_del(object, name);
    else if (below)
        put(below, dot + 1, value);
    if (dot && json_is_object(below) && json_object_size(below) == 0)
        json_object_del(object, name);
    free(name);
}

int definition_set(enum definition_kind kind, json_t *spec, const char *path, const char *value,
                   struct err *err)
{
    const struct field *field = field_find(kind, path);
    struct buf text = {0};
    struct faults faults = {.out = &text};
    json_t *json;

    if (!field)
        return refuse_path(kind, path, err);
    if (!*value && !field->preset)
        return err_set(err, ERR_Configuration, "%s cannot be taken out: it is %s", path,
                       field->text);
    if (!*value) {
        put(spec, path, NULL);
        return 0;
    }
    json = value_of(field, value, &faults);
    if (json) {
        put(spec, path, json);
    } else {
        buf_text(&text);
        text.size = strcspn((const char *)text.data, "\n"); /* the first is enough */
        err_set(err, ERR_Configuration, "%s", faults.count ? buf_text(&text) : path);
    }
    buf_release(&text);
    return json ? 0 : -1;
}
