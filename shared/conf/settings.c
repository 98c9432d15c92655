/* settings.c: see settings.h. Values become the texts that a variable would have, so that whoever
 * judges them has one way of doing so, wherever they stood. */
#include "conf/settings.h"

#include "base/words.h"
#include "conf/value.h"

#include <stdio.h>
#include <stdlib.h>

#define OPEN false
#define SECRET true
const struct setting_row setting_table[SETTING_COUNT] = {
#define SETTING(key, variable, type, wanted, preset, secrecy, text)                                \
    [SETTING_##key] = {variable, secrecy, {0, #key, FIELD_##type, wanted, preset, text}},
#include "schema/settings.def"
};
#undef OPEN
#undef SECRET

struct reading {
    struct faults faults;
    struct setting_value *out;
    bool begun; /* there was a document */
};

enum setting setting_partner(enum setting setting)
{
    const char *key = setting_table[setting].field.path;

    for (enum setting other = 1; other < SETTING_COUNT; other++) {
        const char *name = setting_table[other].field.path;
        size_t shorter = strlen(name) < strlen(key) ? strlen(name) : strlen(key);

        if (strncmp(name, key, shorter) == 0 &&
            (strcmp(name + shorter, "File") == 0 || strcmp(key + shorter, "File") == 0))
            return other;
    }
    return SETTING_NONE;
}

static enum setting find(const char *key)
{
    for (enum setting setting = 1; setting < SETTING_COUNT; setting++)
        if (strcmp(setting_table[setting].field.path, key) == 0)
            return setting;
    return SETTING_NONE;
}

static void refuse_key(const struct node *key, struct faults *faults)
{
    const char *keys[SETTING_COUNT - 1], *near;
    char name[SHOWN_SIZE];

    for (enum setting setting = 1; setting < SETTING_COUNT; setting++) {
        keys[setting - 1] = setting_table[setting].field.path;
        if (strcmp(setting_table[setting].variable, key->text) == 0) {
            fault_add(faults, key->at, "unknown key '%s'; write %s, which is its key in a file",
                      key->text, keys[setting - 1]);
            return;
        }
    }
    near = nearest_word(key->text, keys, COUNT_OF(keys));
    fault_add(faults, key->at, "unknown key '%s'%s%s%s", shown(name, bytes_text(key->text)),
              near ? "; did you mean '" : "; syncline-config(5) has them all", near ? near : "",
              near ? "'?" : "");
}

/* A text, quoted or not: what has a meaning of its own in YAML (off, 12) is what was written. The
 * value may be a secret, and is never shown. */
static char *read_text(const struct field *field, const struct node *node, struct faults *faults)
{
    const char *wanted = field->type == FIELD_PATH ? "an absolute path" : "a text";

    if (node->kind == NODE_BAD)
        return NULL;
    if (node->kind != NODE_SCALAR)
        wrong_value(faults, node, field->path, wanted);
    else if (node_is_nothing(node) || !node->text[0])
        fault_add(faults, node->at, "%s has no value: write %s, or leave the key out", field->path,
                  wanted);
    else if (field->type == FIELD_PATH && node->text[0] != '/')
        fault_add(faults, node->at, "%s: expected an absolute path; ~ and variables mean nothing",
                  field->path);
    else
        return text_copy(node->text);
    return NULL;
}

static char *read_typed(const struct field *field, const struct node *node, struct faults *faults)
{
    json_t *value = value_read(field, node, faults);
    char number[24] = "";
    char *text = NULL;

    if (json_is_integer(value)) {
        snprintf(number, sizeof number, "%lld", (long long)json_integer_value(value));
        text = text_copy(number);
    } else if (json_is_boolean(value)) {
        text = text_copy(json_is_true(value) ? "1" : "0");
    } else if (value) {
        text = text_copy(json_string_value(value));
    }
    json_decref(value);
    return text;
}

static void read_pair(struct reading *reading, const struct node *key, const struct node *value)
{
    enum setting setting = find(key->text), partner = setting_partner(setting);
    const struct field *field = &setting_table[setting].field;
    bool plain = field->type == FIELD_TEXT || field->type == FIELD_PATH;

    if (partner && reading->out[partner].text) {
        fault_add(&reading->faults, key->at,
                  "%s and %s say the same thing; leave one of them out (the other is in line %u)",
                  field->path, setting_table[partner].field.path, reading->out[partner].at.line);
        return;
    }
    reading->out[setting] = (struct setting_value){
        .text = plain ? read_text(field, value, &reading->faults)
                      : read_typed(field, value, &reading->faults),
        .at = key->at,
    };
}

static void read_document(void *context, const struct node *root, bool sound)
{
    struct reading *reading = context;

    (void)sound;
    if (reading->begun) {
        fault_add(&reading->faults, root->at, "a second document; a file has only one");
        return;
    }
    reading->begun = true;
    if (root->kind != NODE_OBJECT) {
        if (root->kind != NODE_BAD)
            fault_add(&reading->faults, root->at,
                      "expected keys with values, such as `lanes: 4`, one a line");
        return;
    }
    for (u32 i = 0; i < root->count; i++) {
        if (find(root->keys[i]->text))
            read_pair(reading, root->keys[i], root->items[i]);
        else
            refuse_key(root->keys[i], &reading->faults);
    }
}

int settings_read(const char *file, struct bytes text, struct setting_value out[SETTING_COUNT],
                  struct buf *faults, struct err *err)
{
    struct reading reading = {.faults = {.file = file, .out = faults}, .out = out};

    if (text.size > SETTINGS_BYTES_MAX)
        fault_add(&reading.faults, (struct mark){1, 1}, "more than %u KiB in one file",
                  SETTINGS_BYTES_MAX >> 10);
    else
        nodes_read(text, &reading.faults, read_document, &reading);
    faults_end(&reading.faults);
    if (reading.faults.count == 0)
        return 0;
    return err_set(err, ERR_Configuration, "%u fault%s in the configuration file %.300s",
                   reading.faults.count, reading.faults.count == 1 ? "" : "s", file);
}

void setting_values_release(struct setting_value values[SETTING_COUNT])
{
    for (enum setting setting = 0; setting < SETTING_COUNT; setting++) {
        if (values[setting].text)
            explicit_bzero(values[setting].text, strlen(values[setting].text));
        free(values[setting].text);
        values[setting] = (struct setting_value){0};
    }
}
