/* spec.c: all fields of a spec, by the table. */
#include "conf/value.h"

#include "base/words.h"

#include <stdio.h>

#define PATH_SIZE 256 /* of a field; longer ones are not in the table */

static void join(char out[PATH_SIZE], const char *parent, const char *name)
{
    snprintf(out, PATH_SIZE, "%s%s%s", parent, *parent ? "." : "", name);
}

/* The path of a field of this kind, anywhere, whose last component is `name`. */
static const char *elsewhere(enum definition_kind kind, const char *name)
{
    for (u32 i = 0; i < field_count; i++)
        if (field_table[i].kinds & 1u << kind && strcmp(field_name(&field_table[i]), name) == 0)
            return field_table[i].path;
    return NULL;
}

static void append_known(struct buf *out, const char *const *words, u32 count)
{
    for (u32 i = 0; i < count; i++)
        buf_printf(out, "%s%s", i ? ", " : "; known here: ", words[i]);
}

/* "unknown field 'fliters' in spec", and what may have been meant. */
static void unknown_field(enum definition_kind kind, const char *parent, const char *name,
                          struct buf *out)
{
    const char *words[64], *near, *place = elsewhere(kind, name);
    enum definition_kind other;
    char path[PATH_SIZE], text[SHOWN_SIZE];
    u32 count = 0;

    for (u32 i = 0; i < field_count && count < COUNT_OF(words); i++)
        if (field_is_below(&field_table[i], kind, parent))
            words[count++] = field_name(&field_table[i]);
    near = nearest_word(name, words, count);
    join(path, parent, name);
    buf_printf(out, "unknown field '%s' in spec%s%s", shown(text, bytes_text(name)),
               *parent ? "." : "", parent);
    if (near)
        buf_printf(out, "; did you mean '%s'?", near);
    else if (place)
        buf_printf(out, "; it stands in spec.%s", place);
    else if (field_find(kind, path))
        buf_append_text(out, "; fields of a field stand below it, without a dot");
    else if (field_kind_of(path, &other))
        buf_printf(out, "; %s has it, %s has not", definition_kind_name(other),
                   definition_kind_name(kind));
    else
        append_known(out, words, count);
}

static void read_fields(enum definition_kind kind, const char *parent, const struct node *object,
                        json_t *out, struct faults *faults);

static json_t *read_field(enum definition_kind kind, const char *parent, const struct node *key,
                          const struct node *value, struct faults *faults)
{
    const struct field *field;
    struct buf text = {0};
    char path[PATH_SIZE];
    json_t *object;

    join(path, parent, key->text);
    field = strchr(key->text, '.') ? NULL : field_find(kind, path);
    if (!field) {
        unknown_field(kind, parent, key->text, &text);
        fault_add(faults, key->at, "%s", buf_text(&text));
        buf_release(&text);
        return NULL;
    }
    if (field->type != FIELD_OBJECT || value->kind != NODE_OBJECT)
        return value_read(field, value, faults);
    object = json_object();
    read_fields(kind, field->path, value, object, faults);
    return object;
}

static void read_fields(enum definition_kind kind, const char *parent, const struct node *object,
                        json_t *out, struct faults *faults)
{
    for (u32 i = 0; i < object->count; i++) {
        json_t *value = read_field(kind, parent, object->keys[i], object->items[i], faults);

        json_object_set_new(out, object->keys[i]->text, value ? value : json_null());
    }
    for (u32 i = 0; i < field_count; i++) {
        const struct field *field = &field_table[i];
        struct buf wanted = {0};

        if (field->preset || !field_is_below(field, kind, parent) ||
            node_get(object, field_name(field)))
            continue;
        value_wanted(field, &wanted);
        fault_add(faults, object->at, "spec.%s is missing: %s; write %s", field->path, field->text,
                  buf_text(&wanted));
        buf_release(&wanted);
    }
}

json_t *spec_read(enum definition_kind kind, const struct node *spec, struct faults *faults)
{
    json_t *out = json_object();

    if (spec->kind == NODE_OBJECT)
        read_fields(kind, "", spec, out, faults);
    else
        wrong_value(faults, spec, "spec", "an object with fields");
    return out;
}
