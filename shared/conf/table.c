/* table.c: see table.h. */
#include "conf/table.h"

#include "base/units.h"

#include <stdlib.h>

static const char *const kind_names[] = {
    [DEFINITION_ASSET] = "Asset",
    [DEFINITION_SYNCHRONIZATION] = "Synchronization",
    [DEFINITION_PLAN] = "SynchronizationPlan",
    [DEFINITION_LIVE] = "LiveSynchronization",
};

/* Kinds that are known and checked, and refused. To bring one in, take its line away. */
static const char *const not_in_this_version[COUNT_OF(kind_names)] = {
    [DEFINITION_LIVE] = "write a Synchronization, and start it with `syncline run NAME`",
};

#define KINDS_ASSET (1u << DEFINITION_ASSET)
#define KINDS_PLAN (1u << DEFINITION_PLAN)
#define KINDS_LIVE (1u << DEFINITION_LIVE)
#define KINDS_SYNCS (1u << DEFINITION_SYNCHRONIZATION | KINDS_PLAN | KINDS_LIVE)

const struct field field_table[] = {
#define REQUIRED NULL
#define FIELD(kinds, path, type, wanted, preset, text)                                             \
    {KINDS_##kinds, path, FIELD_##type, wanted, preset, text},
#include "schema/definitions.def"
#undef REQUIRED
};
const u32 field_count = COUNT_OF(field_table);

const char *definition_kind_name(enum definition_kind kind)
{
    return kind_names[kind];
}

bool definition_kind_by_name(const char *name, enum definition_kind *out)
{
    for (u32 i = 0; i < COUNT_OF(kind_names); i++) {
        if (strcmp(kind_names[i], name) != 0)
            continue;
        *out = (enum definition_kind)i;
        return true;
    }
    return false;
}

const char *kind_refusal(enum definition_kind kind)
{
    return not_in_this_version[kind];
}

const struct field *field_find(enum definition_kind kind, const char *path)
{
    for (u32 i = 0; i < field_count; i++)
        if (field_table[i].kinds & 1u << kind && strcmp(field_table[i].path, path) == 0)
            return &field_table[i];
    return NULL;
}

const char *field_name(const struct field *field)
{
    const char *dot = strrchr(field->path, '.');

    return dot ? dot + 1 : field->path;
}

bool field_is_below(const struct field *field, enum definition_kind kind, const char *parent)
{
    const char *name = field_name(field);
    size_t above = name == field->path ? 0 : (size_t)(name - field->path) - 1;

    return field->kinds & 1u << kind && strlen(parent) == above &&
           strncmp(field->path, parent, above) == 0;
}

bool field_kind_of(const char *path, enum definition_kind *out)
{
    for (u32 kind = 0; kind < COUNT_OF(kind_names); kind++) {
        if (!field_find((enum definition_kind)kind, path))
            continue;
        *out = (enum definition_kind)kind;
        return true;
    }
    return false;
}

const char *field_next_word(const char **at, size_t *size)
{
    const char *word = *at;

    if (!*word)
        return NULL;
    *size = strcspn(word, "|");
    *at = word + *size + (word[*size] == '|');
    return word;
}

bool field_has_word(const struct field *field, const char *text)
{
    const char *at = field->wanted, *word;
    size_t size;

    while ((word = field_next_word(&at, &size)))
        if (strlen(text) == size && strncmp(word, text, size) == 0)
            return true;
    return false;
}

void field_range(const struct field *field, u64 *least, u64 *most)
{
    const char *dots = strstr(field->wanted, "..");
    char first[32] = "";
    s64 from = 0, to = 0;

    strncat(first, field->wanted, (size_t)(dots - field->wanted));
    if (field->type == FIELD_COUNT) {
        *least = strtoull(first, NULL, 10);
        *most = strtoull(dots + 2, NULL, 10);
        return;
    }
    units_duration(first, false, &from);
    units_duration(dots + 2, false, &to);
    *least = (u64)from;
    *most = (u64)to;
}
