/* print.c: JSON to YAML, with libyaml's emitter. Fields stand in the order of the table; a text
 * that would be read as something else has quotes. */
#include "conf/node.h"
#include "conf/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <yaml.h>

struct printer {
    yaml_emitter_t emitter;
    enum definition_kind kind;
};

static int write_bytes(void *context, unsigned char *data, size_t size)
{
    buf_append(context, data, size);
    return 1;
}

/* libyaml refuses events that make no document, and memory: neither can happen (memory_or_die). */
static void emit(struct printer *printer, yaml_event_t *event, int initialized)
{
    if (!initialized || !yaml_emitter_emit(&printer->emitter, event)) {
        fprintf(stderr, "libyaml: %s\n",
                printer->emitter.problem ? printer->emitter.problem : "out of memory");
        abort();
    }
}

static void print_scalar(struct printer *printer, const char *text, size_t size,
                         yaml_scalar_style_t style)
{
    yaml_event_t event;

    emit(printer, &event,
         yaml_scalar_event_initialize(&event, NULL, NULL, (const yaml_char_t *)text, (int)size,
                                      style == YAML_PLAIN_SCALAR_STYLE,
                                      style != YAML_PLAIN_SCALAR_STYLE, style));
}

/* Is there a byte that needs an escape, or that a style without them may lose? */
static bool is_odd(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if ((u8)text[i] < 0x20 || (u8)text[i] >= 0x7f)
            return true;
    return false;
}

static void print_text(struct printer *printer, const char *text, size_t size)
{
    yaml_event_t event;

    if (is_odd(text, size) || plain_kind_of(text) != PLAIN_TEXT) {
        print_scalar(printer, text, size, YAML_DOUBLE_QUOTED_SCALAR_STYLE);
        return;
    }
    /* without quotes where the emitter finds that it can be */
    emit(printer, &event,
         yaml_scalar_event_initialize(&event, NULL, NULL, (const yaml_char_t *)text, (int)size, 1,
                                      1, YAML_PLAIN_SCALAR_STYLE));
}

static void print_plain(struct printer *printer, const char *text)
{
    print_scalar(printer, text, strlen(text), YAML_PLAIN_SCALAR_STYLE);
}

static void begin_object(struct printer *printer)
{
    yaml_event_t event;

    emit(printer, &event,
         yaml_mapping_start_event_initialize(&event, NULL, NULL, 1, YAML_BLOCK_MAPPING_STYLE));
}

static void end_object(struct printer *printer)
{
    yaml_event_t event;

    emit(printer, &event, yaml_mapping_end_event_initialize(&event));
}

static void print_value(struct printer *printer, const char *path, const json_t *value);

static void print_list(struct printer *printer, const char *path, const json_t *list)
{
    const struct field *field = field_find(printer->kind, path);
    yaml_event_t event;

    emit(printer, &event,
         yaml_sequence_start_event_initialize(&event, NULL, NULL, 1,
                                              field && field->type == FIELD_CHOICES
                                                  ? YAML_FLOW_SEQUENCE_STYLE
                                                  : YAML_BLOCK_SEQUENCE_STYLE));
    for (size_t i = 0; i < json_array_size(list); i++)
        print_value(printer, "-", json_array_get(list, i));
    emit(printer, &event, yaml_sequence_end_event_initialize(&event));
}

/* Is `key` a field right below `parent`? Those come first, in the order of the table. */
static const struct field *known_field(struct printer *printer, const char *parent, const char *key)
{
    for (u32 i = 0; i < field_count; i++)
        if (field_is_below(&field_table[i], printer->kind, parent) &&
            strcmp(field_name(&field_table[i]), key) == 0)
            return &field_table[i];
    return NULL;
}

static void print_object(struct printer *printer, const char *path, const json_t *object)
{
    const char *key;
    json_t *value;

    begin_object(printer);
    for (u32 i = 0; i < field_count; i++) {
        const struct field *field = &field_table[i];

        value = json_object_get(object, field_name(field));
        if (!value || !field_is_below(field, printer->kind, path))
            continue;
        print_text(printer, field_name(field), strlen(field_name(field)));
        print_value(printer, field->path, value);
    }
    json_object_foreach((json_t *)object, key, value)
    {
        if (known_field(printer, path, key))
            continue;
        print_text(printer, key, strlen(key));
        print_value(printer, "-", value);
    }
    end_object(printer);
}

static void print_value(struct printer *printer, const char *path, const json_t *value)
{
    char number[64];

    switch (json_typeof(value)) {
    case JSON_OBJECT:
        print_object(printer, path, value);
        return;
    case JSON_ARRAY:
        print_list(printer, path, value);
        return;
    case JSON_STRING:
        print_text(printer, json_string_value(value), json_string_length(value));
        return;
    case JSON_INTEGER:
        snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        print_plain(printer, number);
        return;
    case JSON_REAL:
        snprintf(number, sizeof number, "%.17g", json_real_value(value));
        print_plain(printer, number);
        return;
    default:
        print_plain(printer, json_is_null(value) ? "null" : json_is_true(value) ? "true" : "false");
    }
}

static void print_pair(struct printer *printer, const char *key, const char *text)
{
    print_plain(printer, key);
    print_text(printer, text, strlen(text));
}

static void print_document(struct printer *printer, const char *name, const json_t *labels,
                           const json_t *spec)
{
    begin_object(printer);
    print_pair(printer, "apiVersion", DEFINITION_API);
    print_pair(printer, "kind", definition_kind_name(printer->kind));
    print_plain(printer, "metadata");
    begin_object(printer);
    print_pair(printer, "name", name);
    if (json_object_size(labels) > 0) {
        print_plain(printer, "labels");
        print_object(printer, "-", labels);
    }
    end_object(printer);
    print_plain(printer, "spec");
    print_object(printer, "", spec);
    end_object(printer);
}

static void begin_stream(struct printer *printer, struct buf *out)
{
    yaml_event_t event;

    if (!yaml_emitter_initialize(&printer->emitter))
        abort();
    yaml_emitter_set_output(&printer->emitter, write_bytes, out);
    yaml_emitter_set_unicode(&printer->emitter, 1);
    yaml_emitter_set_width(&printer->emitter, -1);
    emit(printer, &event, yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING));
    emit(printer, &event, yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1));
}

static void end_stream(struct printer *printer)
{
    yaml_event_t event;

    emit(printer, &event, yaml_document_end_event_initialize(&event, 1));
    emit(printer, &event, yaml_stream_end_event_initialize(&event));
    yaml_emitter_delete(&printer->emitter);
}

void definition_print(enum definition_kind kind, const char *name, const json_t *labels,
                      const json_t *spec, struct buf *out)
{
    struct printer printer = {.kind = kind};

    begin_stream(&printer, out);
    print_document(&printer, name, labels, spec);
    end_stream(&printer);
}

void yaml_print(const json_t *object, struct buf *out)
{
    struct printer printer = {0};

    begin_stream(&printer, out);
    print_object(&printer, "-", object);
    end_stream(&printer);
}
