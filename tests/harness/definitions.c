/* definitions.c: see definitions.h. */
#include "harness/definitions.h"

#include "base/filter.h"
#include "base/random.h"
#include "conf/table.h"

#include <stdio.h>

static u64 any(u64 *state, u64 below)
{
    return random_next(state) % below;
}

/* Up to `most` pieces; without slashes, and never "." or "..". */
static void any_text(u64 *state, u64 most, struct buf *out)
{
    static const char *const pieces[] = {
        "a",
        "b",
        "0",
        "1",
        " ",
        "  ",
        "-",
        "- ",
        ":",
        ": ",
        "#",
        " #",
        "'",
        "\"",
        "\\",
        "\n",
        "\r\n",
        "\t",
        "%",
        "@",
        "`",
        "!",
        "&",
        "*",
        "|",
        ">",
        "?",
        "[",
        "]",
        "{",
        "}",
        ",",
        "~",
        "null",
        "true",
        "no",
        "1e3",
        "0x1f",
        "1:30",
        "2024-01-31",
        "---",
        "...",
        "<<",
        "\x7f",
        "\x01",
        "\xc3\xa4",
        "\xc2\x85",
        "\xe2\x80\xa8",
        "=",
        ".",
        "y",
        "\x1b[m",
        "${HOME}",
        "\xef\xbb\xbf",
        "\xef\xbf\xbf",
        "\xf0\x9f\x98\x80",
    };

    for (u64 i = any(state, most) + 1; i > 0; i--)
        buf_append_text(out, pieces[any(state, COUNT_OF(pieces))]);
}

void any_name(u64 *state, char out[DEFINITION_NAME_MAX + 1])
{
    static const char *const names[] = {"a",  "photos-src", "on", "123", "1e3", "null", "0x10",
                                        "no", "true",       "y",  "x1",  "a-b", "z--9"};

    snprintf(out, DEFINITION_NAME_MAX + 1, "%s", names[any(state, COUNT_OF(names))]);
}

json_t *any_labels(u64 *state)
{
    static const char *const keys[] = {"team", "no",  "123", "example.org/team", "A_b.c",
                                       "1.5",  "0x1", "Off", "2024-01-31"};
    static const char *const values[] = {"media", "", "yes", "0", "1e3", "v1.2.3", "1.2", "NULL"};
    json_t *labels = json_object();

    for (u64 i = any(state, 4); i > 0; i--)
        json_object_set_new(labels, keys[any(state, COUNT_OF(keys))],
                            json_string(values[any(state, COUNT_OF(values))]));
    return labels;
}

static json_t *text_of(struct buf *text)
{
    json_t *value = json_string(buf_text(text));

    buf_release(text);
    return value;
}

static json_t *any_path(u64 *state)
{
    struct buf text = {0};

    for (u64 i = any(state, 3) + 1; i > 0; i--) {
        buf_append_text(&text, "/x");
        any_text(state, 6, &text);
    }
    return text_of(&text);
}

static json_t *any_word(const struct field *field, u64 *state)
{
    const char *at = field->wanted, *word = NULL, *found = NULL;
    size_t size = 0, found_size = 0;
    u64 seen = 0;

    while ((word = field_next_word(&at, &size)))
        if (any(state, ++seen) == 0) {
            found = word;
            found_size = size;
        }
    return json_stringn(found, found_size);
}

static json_t *any_words(const struct field *field, u64 *state)
{
    const char *at = field->wanted, *word;
    json_t *list = json_array();
    size_t size;

    while ((word = field_next_word(&at, &size)))
        if (any(state, 2))
            json_array_append_new(list, json_stringn(word, size));
    return list;
}

static json_t *any_rules(u64 *state)
{
    struct filter *filter = filter_new();
    json_t *list = json_array();
    struct err err;

    for (u64 i = any(state, 5); i > 0; i--) {
        struct buf text = {0};

        buf_append_text(&text, any(state, 2) ? "- " : "+ ");
        any_text(state, 6, &text);
        if (filter_add(filter, bytes_text(buf_text(&text)), &err) == 0)
            json_array_append_new(list, json_string(buf_text(&text)));
        buf_release(&text);
    }
    filter_destroy(&filter);
    return list;
}

static json_t *any_number(const struct field *field, u64 *state)
{
    u64 least, most, value;

    field_range(field, &least, &most);
    value = least + any(state, most - least + 1);
    if (field->type == FIELD_COUNT)
        return json_integer((json_int_t)value);
    if (value < 60000 || any(state, 2))
        return json_sprintf("%llums", (unsigned long long)value);
    return json_sprintf("%llum%llus", (unsigned long long)value / 60000,
                        (unsigned long long)(value / 1000 % 60));
}

static json_t *any_rate(u64 *state)
{
    static const char *const units[] = {"",   "B",   "kB",  "KB",  "MB", "GB",
                                        "TB", "KiB", "MiB", "GiB", "TiB"};

    return json_sprintf("%llu%s/s", (unsigned long long)any(state, 1000) + 1,
                        units[any(state, COUNT_OF(units))]);
}

static json_t *any_amount(u64 *state)
{
    u64 number = any(state, 101);

    if (any(state, 3) == 0)
        return json_sprintf("%llu%%", (unsigned long long)number);
    return any(state, 2) ? json_integer((json_int_t)number)
                         : json_sprintf("%llu", (unsigned long long)number);
}

static json_t *any_schedule(u64 *state)
{
    static const char *const texts[] = {
        "0 2 * * *",  "*/15 8-18 * * MON-FRI", "@daily",    "@every 90s",
        "0 0 29 2 *", "5,35 0-6/2 1 jan,7 7",  "@every 1d", " 0\t2 * * * "};

    return json_string(texts[any(state, COUNT_OF(texts))]);
}

static json_t *any_zone(u64 *state)
{
    static const char *const names[] = {"UTC", "Europe/Berlin", "America/Port-au-Prince",
                                        "Etc/GMT+5", "America/Argentina/Salta"};

    return json_string(names[any(state, COUNT_OF(names))]);
}

static json_t *any_object(enum definition_kind kind, const char *parent, u64 *state);

static json_t *any_value(enum definition_kind kind, const struct field *field, u64 *state)
{
    char name[DEFINITION_NAME_MAX + 1];

    switch (field->type) {
    case FIELD_OBJECT:
        return any_object(kind, field->path, state);
    case FIELD_PATH:
        return any_path(state);
    case FIELD_FLAG:
        return json_boolean(any(state, 2));
    case FIELD_CHOICE:
        return any_word(field, state);
    case FIELD_CHOICES:
        return any_words(field, state);
    case FIELD_RULES:
        return any_rules(state);
    case FIELD_AMOUNT:
        return any_amount(state);
    case FIELD_RATE:
        return any_rate(state);
    case FIELD_NAME:
        any_name(state, name);
        return json_string(name);
    case FIELD_SCHEDULE:
        return any_schedule(state);
    case FIELD_ZONE:
        return any_zone(state);
    default:
        return any_number(field, state);
    }
}

static json_t *any_object(enum definition_kind kind, const char *parent, u64 *state)
{
    json_t *object = json_object();

    for (u32 i = 0; i < field_count; i++) {
        const struct field *field = &field_table[i];

        if (field_is_below(field, kind, parent) && (!field->preset || any(state, 2)))
            json_object_set_new(object, field_name(field), any_value(kind, field, state));
    }
    return object;
}

json_t *any_spec(enum definition_kind kind, u64 *state)
{
    for (;;) {
        json_t *spec = any_object(kind, "", state);
        struct err err;

        if (definition_check(kind, spec, &err) == 0)
            return spec;
        json_decref(spec);
    }
}
