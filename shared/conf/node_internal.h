/* node_internal.h: what node.c, documents.c and json.c share. */
#ifndef SYNCLINE_CONF_NODE_INTERNAL_H
#define SYNCLINE_CONF_NODE_INTERNAL_H

#include "conf/node.h"

#include <yaml.h>

struct reader {
    yaml_parser_t parser;
    struct faults *faults;
    struct bytes text; /* what the parser reads */
    u32 first_line;    /* of `text` in the file */
    u32 nodes;         /* of the document */
};

struct mark reader_mark(const struct reader *reader, yaml_mark_t mark);
/* Says why the parser stopped. */
void reader_syntax_fault(struct reader *reader);
/* The same text, in escapes that libyaml knows; it may be made in `scratch`. */
struct bytes json_as_yaml(struct bytes text, struct buf *scratch);
/* The next document that is not empty: 1, 0 at the end, -1 where the rest cannot be read. */
int reader_document(struct reader *reader, struct node **out);

#endif
