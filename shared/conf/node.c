/* node.c: libyaml's events become nodes. How a text is cut into documents is in documents.c. */
#include "conf/node_internal.h"

#include <stdlib.h>

struct mark reader_mark(const struct reader *reader, yaml_mark_t mark)
{
    return (struct mark){reader->first_line + (u32)mark.line, (u32)mark.column + 1};
}

void node_destroy(struct node **node)
{
    struct node *old = *node;

    if (!old)
        return;
    for (u32 i = 0; i < old->count; i++) {
        node_destroy(&old->items[i]);
        if (old->keys)
            node_destroy(&old->keys[i]);
    }
    free(old->items);
    free(old->keys);
    free(old->text);
    free(old);
    *node = NULL;
}

struct node *node_get(const struct node *object, const char *key)
{
    for (u32 i = 0; object->kind == NODE_OBJECT && i < object->count; i++)
        if (strcmp(object->keys[i]->text, key) == 0)
            return object->items[i];
    return NULL;
}

bool node_is_nothing(const struct node *node)
{
    return node->kind == NODE_SCALAR && node->plain && plain_kind_of(node->text) == PLAIN_NULL;
}

static int next_event(struct reader *reader, yaml_event_t *event)
{
    if (yaml_parser_parse(&reader->parser, event))
        return 0;
    reader_syntax_fault(reader);
    return -1;
}

/* Doubles the array where `count` says that it is full. */
static void push(struct node ***array, u32 count, struct node *item)
{
    if ((count & (count - 1)) == 0)
        *array = memory_resize_or_die(*array, (count ? 2 * (size_t)count : 1) * sizeof **array);
    (*array)[count] = item;
}

/* What comes with a value and is not understood: one fault for each. */
static void refuse_properties(struct reader *reader, struct mark at, const yaml_char_t *anchor,
                              const yaml_char_t *tag)
{
    char name[SHOWN_SIZE];

    if (anchor)
        fault_add(reader->faults, at,
                  "an anchor (&%s): anchors and aliases are not read here; write each value out",
                  shown(name, bytes_text((const char *)anchor)));
    if (tag)
        fault_add(reader->faults, at,
                  "a tag (%s): tags are not read here; leave it out, and put a text in quotes",
                  shown(name, bytes_text((const char *)tag)));
}

/* Escapes, and lines that are folded, make it longer than what is read; blocks have a line more. */
static bool is_verbatim(const yaml_event_t *event, const struct node *node)
{
    size_t width = node->plain ? 0 : 2;

    for (const char *at = node->text; *at; at++)
        width += (*at & 0xc0) != 0x80;
    return event->start_mark.line == event->end_mark.line &&
           event->end_mark.column - event->start_mark.column == width;
}

static int read_scalar(struct reader *reader, const yaml_event_t *event, struct node *node)
{
    const char *text = (const char *)event->data.scalar.value;

    refuse_properties(reader, node->at, event->data.scalar.anchor, event->data.scalar.tag);
    node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    node->text = text_of_bytes(bytes_of(text, event->data.scalar.length));
    node->verbatim = is_verbatim(event, node);
    if (strlen(node->text) == event->data.scalar.length)
        return 0;
    fault_add(reader->faults, node->at, "a text with a zero byte in it; leave that out");
    node->kind = NODE_BAD;
    return 0;
}

static int read_node(struct reader *reader, const yaml_event_t *event, u32 depth,
                     struct node **out);

static int read_next(struct reader *reader, u32 depth, struct node **out)
{
    yaml_event_t event;
    int rc;

    if (next_event(reader, &event) < 0)
        return -1;
    rc = read_node(reader, &event, depth, out);
    yaml_event_delete(&event);
    return rc;
}

static int read_list(struct reader *reader, struct node *list, u32 depth)
{
    list->kind = NODE_LIST;
    for (;;) {
        struct node *item = NULL;
        yaml_event_t event;
        int rc = 0;

        if (next_event(reader, &event) < 0)
            return -1;
        if (event.type == YAML_SEQUENCE_END_EVENT) {
            yaml_event_delete(&event);
            return 0;
        }
        rc = read_node(reader, &event, depth + 1, &item);
        yaml_event_delete(&event);
        if (rc < 0)
            return -1;
        push(&list->items, list->count, item);
        list->count++;
    }
}

static bool is_given_twice(struct reader *reader, const struct node *object, const struct node *key)
{
    char name[SHOWN_SIZE];

    for (u32 i = 0; i < object->count; i++) {
        if (strcmp(object->keys[i]->text, key->text) != 0)
            continue;
        fault_add(reader->faults, key->at, "'%s' is given twice; the first is in line %u",
                  shown(name, bytes_text(key->text)), object->keys[i]->at.line);
        return true;
    }
    return false;
}

/* Takes both, and puts them into the object unless there is something wrong with the key. */
static int add_pair(struct reader *reader, struct node *object, struct node *key,
                    struct node *value)
{
    bool full = object->count == NODE_KEYS;

    if (key->kind == NODE_LIST || key->kind == NODE_OBJECT)
        fault_add(reader->faults, key->at, "a key that is no text; write `name: value`");
    if (key->kind == NODE_SCALAR && !full && !is_given_twice(reader, object, key)) {
        push(&object->keys, object->count, key);
        push(&object->items, object->count, value);
        object->count++;
        return 0;
    }
    if (full)
        fault_add(reader->faults, key->at, "more than %u fields in one object", NODE_KEYS);
    node_destroy(&key);
    node_destroy(&value);
    return full ? -1 : 0;
}

static int read_object(struct reader *reader, struct node *object, u32 depth)
{
    object->kind = NODE_OBJECT;
    for (;;) {
        struct node *key = NULL, *value = NULL;
        yaml_event_t event;
        int rc = 0;

        if (next_event(reader, &event) < 0)
            return -1;
        if (event.type == YAML_MAPPING_END_EVENT) {
            yaml_event_delete(&event);
            return 0;
        }
        rc = read_node(reader, &event, depth + 1, &key);
        yaml_event_delete(&event);
        if (rc == 0)
            rc = read_next(reader, depth + 1, &value);
        if (rc < 0) {
            node_destroy(&key);
            return -1;
        }
        if (add_pair(reader, object, key, value) < 0)
            return -1;
    }
}

static void refuse_alias(struct reader *reader, struct mark at, const char *anchor)
{
    char name[SHOWN_SIZE];

    fault_add(
        reader->faults, at,
        "an alias (*%s): anchors and aliases are not read here; write the value out, or put a "
        "text that begins with * in quotes",
        shown(name, bytes_text(anchor)));
}

static int read_content(struct reader *reader, const yaml_event_t *event, u32 depth,
                        struct node *node)
{
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return read_scalar(reader, event, node);
    case YAML_SEQUENCE_START_EVENT:
        refuse_properties(reader, node->at, event->data.sequence_start.anchor,
                          event->data.sequence_start.tag);
        return read_list(reader, node, depth);
    case YAML_MAPPING_START_EVENT:
        refuse_properties(reader, node->at, event->data.mapping_start.anchor,
                          event->data.mapping_start.tag);
        return read_object(reader, node, depth);
    default: /* an alias: nothing else stands where a value stands */
        refuse_alias(reader, node->at, (const char *)event->data.alias.anchor);
        node->kind = NODE_BAD;
        return 0;
    }
}

/* One value; -1 where the rest of the document cannot be read, and then *out is NULL. */
static int read_node(struct reader *reader, const yaml_event_t *event, u32 depth, struct node **out)
{
    struct mark at = reader_mark(reader, event->start_mark);

    *out = NULL;
    if (depth > NODE_DEPTH) {
        fault_add(reader->faults, at, "more than %u levels below each other", NODE_DEPTH);
        return -1;
    }
    if (++reader->nodes > NODES_MAX) {
        fault_add(reader->faults, at, "more than %u values in one document", NODES_MAX);
        return -1;
    }
    *out = memory_or_die(sizeof **out);
    (*out)->at = at;
    if (read_content(reader, event, depth, *out) == 0)
        return 0;
    node_destroy(out);
    return -1;
}

int reader_document(struct reader *reader, struct node **out)
{
    yaml_event_t event;

    for (;;) {
        yaml_event_type_t type;

        *out = NULL;
        if (next_event(reader, &event) < 0)
            return -1;
        type = event.type;
        yaml_event_delete(&event);
        if (type == YAML_STREAM_END_EVENT)
            return 0;
        if (type != YAML_DOCUMENT_START_EVENT)
            continue; /* the begin of the stream, the end of a document */
        reader->nodes = 0;
        if (read_next(reader, 1, out) < 0)
            return -1;
        if (!node_is_nothing(*out))
            return 1;
        node_destroy(out);
    }
}
