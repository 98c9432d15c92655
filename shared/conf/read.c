/* read.c: documents become definitions. Everything is looked at, so that all faults are said at
 * once; a document with any is not taken. */
#include "base/words.h"
#include "conf/check.h"
#include "conf/labels.h"
#include "conf/value.h"

#include <stdio.h>
#include <stdlib.h>

struct reading {
    struct definitions *out;
    struct faults faults;
};

/* Faults for the keys of `object` that are not among `words`. */
static void check_keys(const struct node *object, const char *where, const char *const *words,
                       u32 count, struct faults *faults)
{
    char name[SHOWN_SIZE];

    for (u32 i = 0; i < object->count; i++) {
        const char *key = object->keys[i]->text, *near;
        u32 found = 0;

        while (found < count && strcmp(words[found], key) != 0)
            found++;
        if (found < count)
            continue;
        near = nearest_word(key, words, count);
        if (strcmp(key, "status") == 0)
            fault_add(faults, object->keys[i]->at, "status is the system's; leave it out");
        else
            fault_add(faults, object->keys[i]->at, "unknown field '%s' in %s%s%s%s",
                      shown(name, bytes_text(key)), where, near ? "; did you mean '" : "",
                      near ? near : "", near ? "'?" : "");
    }
}

/* The value of a key that must be there. */
static const struct node *required(const struct node *object, const char *key, const char *write,
                                   struct faults *faults)
{
    const struct node *node = node_get(object, key);

    if (!node)
        fault_add(faults, object->at, "%s is missing; write %s", key, write);
    return node;
}

/* ---- metadata ---- */

static void read_name(const struct node *metadata, char **out, struct faults *faults)
{
    const struct node *node = required(metadata, "name", "name: ...", faults);
    const char *text = node ? text_read(node, "name", faults) : NULL;
    char name[SHOWN_SIZE];

    if (!text)
        return;
    if (definition_name_is_valid(text))
        *out = text_copy(text);
    else
        fault_add(faults, node->at, "'%s' is no name: a name has " NAME_RULE,
                  shown(name, bytes_text(text)));
}

static void read_label(const struct node *key, const struct node *value, json_t *labels,
                       struct faults *faults)
{
    const char *name = text_read(key, "a label's key", faults);
    const char *text = text_read(value, "a label's value", faults);
    char word[SHOWN_SIZE];

    if (name && !label_key_is_valid(name)) {
        fault_add(faults, key->at, "'%s' is no key of a label: it has " LABEL_KEY_RULE,
                  shown(word, bytes_text(name)));
        name = NULL;
    }
    if (text && !label_value_is_valid(text)) {
        fault_add(faults, value->at, "'%s' is no value of a label: it has " LABEL_VALUE_RULE,
                  shown(word, bytes_text(text)));
        text = NULL;
    }
    if (name && text)
        json_object_set_new(labels, name, json_string(text));
}

static void read_labels(const struct node *node, json_t *labels, struct faults *faults)
{
    if (node->kind != NODE_OBJECT) {
        wrong_value(faults, node, "labels", "an object such as {team: media}");
        return;
    }
    if (node->count > LABELS_MAX)
        fault_add(faults, node->at, "more than %u labels", LABELS_MAX);
    for (u32 i = 0; i < node->count && i < LABELS_MAX; i++)
        read_label(node->keys[i], node->items[i], labels, faults);
}

static void read_metadata(const struct node *node, struct definition *definition,
                          struct faults *faults)
{
    static const char *const words[] = {"name", "labels"};
    const struct node *labels = node_get(node, "labels");

    definition->labels = json_object();
    if (node->kind != NODE_OBJECT) {
        wrong_value(faults, node, "metadata", "an object with a name");
        return;
    }
    check_keys(node, "metadata", words, COUNT_OF(words), faults);
    read_name(node, &definition->name, faults);
    if (labels)
        read_labels(labels, definition->labels, faults);
}

/* ---- a document ---- */

static void read_version(const struct node *node, struct faults *faults)
{
    const char *text = text_read(node, "apiVersion", faults);
    char name[SHOWN_SIZE];

    if (text && strcmp(text, DEFINITION_API) != 0)
        fault_add(faults, node->at, "apiVersion '%s' is not known; write " DEFINITION_API,
                  shown(name, bytes_text(text)));
}

static bool read_kind(const struct node *node, enum definition_kind *out, struct faults *faults)
{
    const char *text = text_read(node, "kind", faults), *near;
    const char *words[] = {
        definition_kind_name(DEFINITION_ASSET), definition_kind_name(DEFINITION_SYNCHRONIZATION),
        definition_kind_name(DEFINITION_PLAN), definition_kind_name(DEFINITION_LIVE)};
    char name[SHOWN_SIZE];

    if (!text)
        return false;
    if (definition_kind_by_name(text, out)) {
        if (kind_refusal(*out))
            fault_add(faults, node->at, "%s is not in this version; %s", text, kind_refusal(*out));
        return true;
    }
    near = nearest_word(text, words, COUNT_OF(words));
    if (near)
        fault_add(faults, node->at, "unknown kind '%s'; did you mean %s?",
                  shown(name, bytes_text(text)), near);
    else
        fault_add(faults, node->at, "unknown kind '%s'; known: %s, %s, %s, %s",
                  shown(name, bytes_text(text)), words[0], words[1], words[2], words[3]);
    return false;
}

struct placing {
    const struct node *spec;
    struct faults *faults;
};

/* A contradiction, at the field to blame. */
static void place_fault(void *context, const char *path, const char *text)
{
    const struct placing *placing = context;
    const struct node *node = placing->spec;
    char component[64];

    while (*path) {
        size_t size = strcspn(path, ".");
        const struct node *below;

        snprintf(component, sizeof component, "%.*s", (int)size, path);
        below = node_get(node, component);
        if (!below)
            break;
        node = below;
        path += size + (path[size] == '.');
    }
    fault_add(placing->faults, node->at, "%s", text);
}

static void read_spec(const struct node *node, struct definition *definition, struct faults *faults)
{
    struct placing placing = {.spec = node, .faults = faults};

    definition->spec = spec_read(definition->kind, node, faults);
    contradictions_find(definition->kind, definition->spec, place_fault, &placing);
}

/* Notes where the name was met; a fault if it was met before. */
static void note_name(struct reading *reading, const struct definition *definition, struct mark at)
{
    bool asset = definition->kind == DEFINITION_ASSET;
    const char *first;
    char key[DEFINITION_NAME_MAX + 16];
    struct buf place = {0};

    if (!reading->out->names)
        reading->out->names = json_object();
    snprintf(key, sizeof key, "%s/%s", asset ? "asset" : "sync", definition->name);
    first = json_string_value(json_object_get(reading->out->names, key));
    buf_printf(&place, "%s:%u", reading->faults.file, at.line);
    if (first)
        fault_add(&reading->faults, at, "%s '%s' is defined twice; the first is in %s",
                  asset ? "asset" : "synchronization", definition->name, first);
    else
        json_object_set_new(reading->out->names, key, json_stringn(buf_text(&place), place.size));
    buf_release(&place);
}

static void definition_release(struct definition *definition)
{
    free(definition->name);
    free(definition->file);
    json_decref(definition->labels);
    json_decref(definition->spec);
}

static void append(struct definitions *out, struct definition *definition)
{
    if ((out->count & (out->count - 1)) == 0)
        out->items = memory_resize_or_die(out->items, (out->count ? 2 * (size_t)out->count : 1) *
                                                          sizeof *out->items);
    out->items[out->count++] = *definition;
    *definition = (struct definition){0};
}

static void read_object(struct reading *reading, const struct node *root,
                        struct definition *definition)
{
    static const char *const words[] = {"apiVersion", "kind", "metadata", "spec"};
    struct faults *faults = &reading->faults;
    const struct node *version, *kind, *metadata, *spec;
    bool known;

    check_keys(root, "the document", words, COUNT_OF(words), faults);
    version = required(root, "apiVersion", "apiVersion: " DEFINITION_API, faults);
    kind = required(root, "kind", "kind: Asset, or Synchronization", faults);
    metadata = required(root, "metadata", "metadata: {name: ...}", faults);
    spec = required(root, "spec", "spec: with the fields of the kind", faults);
    if (version)
        read_version(version, faults);
    known = kind && read_kind(kind, &definition->kind, faults);
    if (metadata)
        read_metadata(metadata, definition, faults);
    if (known && definition->name)
        note_name(reading, definition, node_get(metadata, "name")->at);
    if (known && spec)
        read_spec(spec, definition, faults);
    definition->line = kind ? kind->at.line : root->at.line;
}

static void read_document(void *context, const struct node *root, bool sound)
{
    struct reading *reading = context;
    struct definition definition = {0};
    u32 before = reading->faults.count;

    if (root->kind != NODE_OBJECT)
        wrong_value(&reading->faults, root, "the document",
                    "an object with apiVersion, kind, metadata and spec");
    else
        read_object(reading, root, &definition);
    if (sound && reading->faults.count == before) {
        definition.file = text_copy(reading->faults.file);
        append(reading->out, &definition);
    }
    definition_release(&definition);
}

int definitions_read(const char *file, const char *text, size_t size, struct definitions *out,
                     struct buf *faults, struct err *err)
{
    struct reading reading = {.out = out, .faults = {.file = file, .out = faults}};

    if (size > DEFINITIONS_BYTES_MAX)
        fault_add(&reading.faults, (struct mark){1, 1}, "more than %u MiB in one file",
                  DEFINITIONS_BYTES_MAX >> 20);
    else
        nodes_read(bytes_of(text, size), &reading.faults, read_document, &reading);
    faults_end(&reading.faults);
    if (reading.faults.count == 0)
        return 0;
    return err_set(err, ERR_Configuration, "%u %s in the definitions of %s", reading.faults.count,
                   reading.faults.count == 1 ? "fault" : "faults", file);
}

void definitions_release(struct definitions *definitions)
{
    for (u32 i = 0; i < definitions->count; i++)
        definition_release(&definitions->items[i]);
    free(definitions->items);
    json_decref(definitions->names);
    *definitions = (struct definitions){0};
}
