/* schema-generate.c: what editors and people read about definitions, made from
 * schema/definitions.def so that it cannot be wrong.
 *
 *   schema-generate schema      schema/definitions.schema.json on stdout
 *   schema-generate docs        docs/definitions.md */
#include "base/filter.h"
#include "conf/labels.h"
#include "conf/table.h"
#include "conf/value.h"

#include <stdio.h>
#include <stdlib.h>

#define KINDS 4u

/* As the readers of shared/conf and units.c take them; tests/golden/definitions.bats compares. */
#define NAME_PATTERN "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
#define WORD_PATTERN "[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"
#define DNS_PATTERN "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
#define LABEL_KEY_PATTERN "^(" DNS_PATTERN "(\\." DNS_PATTERN ")*/)?" WORD_PATTERN "$"
#define LABEL_VALUE_PATTERN "^(" WORD_PATTERN ")?$"
#define AMOUNT_PATTERN "^(0|[1-9][0-9]*|0*(100|[0-9]?[0-9])%)$"
#define RATE_PATTERN "^0*[1-9][0-9]*(B|[kKMGT]B|[KMGT]iB)?/s$"
#define DURATION_PATTERN "^([0-9]+(ms|[smhdw]))+$"
#define PATH_PATTERN "^/+[^/]"
#define RULE_PATTERN "^[+-] "
#define BLANK "[ \\t]"
#define SCHEDULE_PATTERN                                                                           \
    "^" BLANK "*(@(yearly|annually|monthly|weekly|daily|midnight|hourly)" BLANK "*|@every" BLANK   \
    "+([0-9]+(ms|[smhdw]))+" BLANK "*|[0-9A-Za-z*,/-]+(" BLANK "+[0-9A-Za-z*,/-]+){4}" BLANK "*)$"
#define ZONE_PATTERN "^[A-Za-z][A-Za-z0-9+_-]*(/[A-Za-z0-9+_-]+)*$"

/* ---- the schema ---- */

static json_t *text_like(const char *pattern)
{
    return json_pack("{s:s, s:s}", "type", "string", "pattern", pattern);
}

static json_t *words_of(const struct field *field)
{
    const char *at = field->wanted, *word;
    json_t *words = json_array();
    size_t size;

    while ((word = field_next_word(&at, &size)))
        json_array_append_new(words, json_stringn(word, size));
    return words;
}

static json_t *count_schema(const struct field *field)
{
    u64 least, most;

    field_range(field, &least, &most);
    return json_pack("{s:s, s:I, s:I}", "type", "integer", "minimum", (json_int_t)least, "maximum",
                     (json_int_t)most);
}

static json_t *value_schema(const struct field *field)
{
    switch (field->type) {
    case FIELD_PATH:
        return text_like(PATH_PATTERN);
    case FIELD_FLAG:
        return json_pack("{s:s}", "type", "boolean");
    case FIELD_CHOICE:
        return json_pack("{s:o}", "enum", words_of(field));
    case FIELD_CHOICES:
        return json_pack("{s:s, s:b, s:{s:o}}", "type", "array", "uniqueItems", 1, "items", "enum",
                         words_of(field));
    case FIELD_RULES:
        return json_pack("{s:s, s:i, s:o}", "type", "array", "maxItems", (int)FILTER_RULES_MAX,
                         "items", text_like(RULE_PATTERN));
    case FIELD_AMOUNT:
        return json_pack("{s:[{s:s, s:i}, o]}", "anyOf", "type", "integer", "minimum", 0,
                         text_like(AMOUNT_PATTERN));
    case FIELD_COUNT:
        return count_schema(field);
    case FIELD_RATE:
        return text_like(RATE_PATTERN);
    case FIELD_DURATION:
        return text_like(DURATION_PATTERN);
    case FIELD_SCHEDULE:
        return json_pack("{s:s, s:s, s:i}", "type", "string", "pattern", SCHEDULE_PATTERN,
                         "maxLength", (int)FIELD_TEXT_BYTES);
    case FIELD_ZONE:
        return text_like(ZONE_PATTERN);
    default:
        return text_like(NAME_PATTERN);
    }
}

static json_t *object_schema(enum definition_kind kind, const char *parent);

/* "what it says. Default: 5" */
static void describe(const struct field *field, json_t *schema)
{
    json_t *text = field->preset && *field->preset
                       ? json_sprintf("%s. Default: %s", field->text, field->preset)
                       : json_string(field->text);

    json_object_set_new(schema, "description", text);
}

static json_t *object_schema(enum definition_kind kind, const char *parent)
{
    json_t *properties = json_object(), *required = json_array();
    json_t *schema = json_pack("{s:s, s:b, s:o}", "type", "object", "additionalProperties", 0,
                               "properties", properties);

    for (u32 i = 0; i < field_count; i++) {
        const struct field *field = &field_table[i];
        json_t *value;

        if (!field_is_below(field, kind, parent))
            continue;
        value =
            field->type == FIELD_OBJECT ? object_schema(kind, field->path) : value_schema(field);
        describe(field, value);
        json_object_set_new(properties, field_name(field), value);
        if (!field->preset)
            json_array_append_new(required, json_string(field_name(field)));
    }
    if (json_array_size(required) > 0)
        json_object_set(schema, "required", required);
    json_decref(required);
    return schema;
}

static json_t *metadata_schema(void)
{
    json_t *labels = json_pack("{s:s, s:i, s:o, s:o, s:s}", "type", "object", "maxProperties",
                               (int)LABELS_MAX, "propertyNames", text_like(LABEL_KEY_PATTERN),
                               "additionalProperties", text_like(LABEL_VALUE_PATTERN),
                               "description", "what selectors select by: get -l team=media");

    return json_pack("{s:s, s:b, s:[s], s:{s:o, s:o}}", "type", "object", "additionalProperties", 0,
                     "required", "name", "properties", "name", text_like(NAME_PATTERN), "labels",
                     labels);
}

/* {if: kind is this, then: its spec} for each kind of this version, and their names. */
static void add_kinds(json_t *names, json_t *conditions)
{
    for (u32 i = 0; i < KINDS; i++) {
        const char *name = definition_kind_name((enum definition_kind)i);

        if (kind_refusal((enum definition_kind)i))
            continue;
        json_array_append_new(names, json_string(name));
        json_array_append_new(conditions, json_pack("{s:{s:{s:{s:s}}, s:[s]}, s:{s:{s:o}}}", "if",
                                                    "properties", "kind", "const", name, "required",
                                                    "kind", "then", "properties", "spec",
                                                    object_schema((enum definition_kind)i, "")));
    }
}

static int print_schema(void)
{
    json_t *names = json_array(), *conditions = json_array(), *schema;
    int rc;

    add_kinds(names, conditions);
    schema = json_pack(
        "{s:s, s:s, s:s, s:s, s:b, s:[s, s, s, s], s:{s:{s:s}, s:{s:o}, s:o, s:{s:s}}, s:o}",
        "$schema", "http://json-schema.org/draft-07/schema#", "title", "Syncline definition",
        "description", "Made from schema/definitions.def by `make docs`.", "type", "object",
        "additionalProperties", 0, "required", "apiVersion", "kind", "metadata", "spec",
        "properties", "apiVersion", "const", DEFINITION_API, "kind", "enum", names, "metadata",
        metadata_schema(), "spec", "type", "object", "allOf", conditions);
    if (!schema)
        return -1;
    rc = json_dumpf(schema, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
    json_decref(schema);
    printf("\n");
    return rc;
}

/* ---- the document ---- */

/* A bar ends a cell. */
static void print_cell(const char *text)
{
    for (; *text; text++)
        printf("%s%c", *text == '|' ? "\\" : "", *text);
}

static void print_field(const struct field *field)
{
    struct buf wanted = {0};

    value_wanted(field, &wanted);
    printf("| `%s` | ", field->path);
    print_cell(buf_text(&wanted));
    if (field->preset && *field->preset)
        printf(" | `%s` | ", field->preset);
    else
        printf(" | %s | ", field->preset ? "" : "**must be given**");
    print_cell(field->text);
    printf(" |\n");
    buf_release(&wanted);
}

/* The fields that exactly these kinds have. */
static void print_fields(const char *title, const char *text, u32 kinds)
{
    printf("## %s\n\n%s\n\n| field of `spec` | value | default | meaning |\n|---|---|---|---|\n",
           title, text);
    for (u32 i = 0; i < field_count; i++)
        if (field_table[i].kinds == kinds)
            print_field(&field_table[i]);
    printf("\n");
}

static void print_synchronization(enum definition_kind kind)
{
    char text[256];

    snprintf(text, sizeof text, "Has these, beside those of every synchronization.%s",
             kind_refusal(kind) ? " Not in this version: it is checked, and refused." : "");
    print_fields(definition_kind_name(kind), text, 1u << kind);
}

static void print_docs(void)
{
    printf(
        "# Definitions\n\n"
        "<!-- Made from schema/definitions.def by `make docs`; `make check` compares. Change "
        "that, not this. -->\n\n"
        "What `syncline apply -f FILE` reads: YAML (or JSON), one definition a document, `---` "
        "between them.\n\n"
        "```yaml\n"
        "# yaml-language-server: $schema=schema/definitions.schema.json\n"
        "apiVersion: " DEFINITION_API "\n"
        "kind: Asset\n"
        "metadata:\n"
        "  name: photos-src\n"
        "  labels: {team: media}\n"
        "spec:\n"
        "  directory: {path: /data/photos}\n"
        "```\n\n"
        "An editor that knows JSON Schema completes and checks them with\n"
        "[schema/definitions.schema.json](../schema/definitions.schema.json). `apply` checks more "
        "(filters, schedules, zones, ranges of\ndurations, paths, what does not go together) and "
        "says each fault "
        "with its line and column.\n\n"
        "- `metadata.name`: " NAME_RULE ".\n"
        "- `metadata.labels`: up to %u.\n"
        "  A key: " LABEL_KEY_RULE ".\n"
        "  A value: nothing, or " LABEL_VALUE_RULE ".\n"
        "- A text that YAML would take for a number, a date, or true or false needs quotes: "
        "`\"123\"`, `\"on\"`.\n"
        "- Not read: anchors and aliases (`&a`, `*a`), tags (`!!str`), `status` (it is the "
        "system's).\n"
        "- At most %u MiB a file, %u levels.\n\n",
        LABELS_MAX, DEFINITIONS_BYTES_MAX >> 20, NODE_DEPTH);
    print_fields("Asset", "A place that holds data.", 1u << DEFINITION_ASSET);
    print_fields("Every synchronization",
                 "A source, and a destination that is made equal to it. `Synchronization` has only "
                 "these.",
                 1u << DEFINITION_SYNCHRONIZATION | 1u << DEFINITION_PLAN | 1u << DEFINITION_LIVE);
    print_synchronization(DEFINITION_PLAN);
    print_synchronization(DEFINITION_LIVE);
    printf("## What does not go together\n\n"
           "- the same asset as source and destination\n"
           "- `delete.max` without `delete.enabled`, be it true or false\n"
           "- `retry.backoff` above `retry.maxBackoff`, defaults included\n"
           "- `timezone` with `@every`, which counts elapsed time; `jitter` as long as its "
           "interval\n");
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "schema") == 0)
        return print_schema() < 0;
    if (argc == 2 && strcmp(argv[1], "docs") == 0) {
        print_docs();
        return 0;
    }
    fprintf(stderr, "usage: schema-generate schema|docs\n");
    return 2;
}
