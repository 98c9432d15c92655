/* value.h: one value of a field, and all fields of a spec: from nodes to JSON. */
#ifndef SYNCLINE_CONF_VALUE_H
#define SYNCLINE_CONF_VALUE_H

#include "conf/node.h"
#include "conf/table.h"

/* The value of a field that is no object; NULL where there is a fault, which was then said. */
json_t *value_read(const struct field *field, const struct node *node, struct faults *faults);
/* What is wanted of a field, for people: "a number from 1 to 256". */
void value_wanted(const struct field *field, struct buf *out);

/* A text of metadata, such as the name; NULL where there is a fault. `what` names it. */
const char *text_read(const struct node *node, const char *what, struct faults *faults);
/* Says that `node` is not what it should be ("expected a text, not a list"). */
void wrong_value(struct faults *faults, const struct node *node, const char *what,
                 const char *wanted);

/* The fields of `spec`; null for one that has a fault. */
json_t *spec_read(enum definition_kind kind, const struct node *spec, struct faults *faults);
#endif
