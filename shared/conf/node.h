/* node.h: YAML documents as trees of nodes that know where they stand. What YAML can do and
 * definitions do not need (aliases, tags, keys that are no texts) is refused here, in words, and so
 * is what is too deep or too much: the memory for a document is bounded. */
#ifndef SYNCLINE_CONF_NODE_H
#define SYNCLINE_CONF_NODE_H

#include "conf/faults.h"

#define NODE_DEPTH 16u
#define NODES_MAX 20000u /* of one document */
#define NODE_KEYS 256u   /* of one object */

enum node_kind {
    NODE_SCALAR,
    NODE_LIST,
    NODE_OBJECT,
    NODE_BAD, /* a fault was said already */
};

struct node {
    enum node_kind kind;
    struct mark at;
    bool plain;    /* a scalar without quotes: it may be a number, true, false or null */
    bool verbatim; /* a scalar on one line that, but for its quotes, is written as it is read */
    char *text;    /* of a scalar; NUL-terminated, without NUL inside */
    u32 count;
    struct node **items; /* of a list; values of an object */
    struct node **keys;  /* of an object: scalars, none twice */
};

/* Calls `document` with the root of each document of `text` that was read to its end; `sound`:
 * there was no fault in it. One with nothing in it is passed over. What is wrong with one document
 * does not hide the next. */
void nodes_read(struct bytes text, struct faults *faults,
                void (*document)(void *context, const struct node *root, bool sound),
                void *context);
void node_destroy(struct node **node);

/* The value of `key`, or NULL. */
struct node *node_get(const struct node *object, const char *key);
/* No value at all, or `null`. */
bool node_is_nothing(const struct node *node);

/* What a scalar without quotes is to readers of YAML 1.1 and 1.2: more than one of them knows. */
enum plain_kind {
    PLAIN_TEXT,
    PLAIN_NULL,
    PLAIN_FLAG,   /* true, no, Off, ... */
    PLAIN_NUMBER, /* 12, 0x1f, 1e3, .inf, 12:30 */
    PLAIN_DATE,   /* 2024-01-31 */
};
enum plain_kind plain_kind_of(const char *text);

#endif
