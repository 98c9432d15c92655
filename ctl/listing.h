/* listing.h: objects of one kind as `get` and `status` list them: as a table, as JSON, as YAML, by
 * name. */
#ifndef SYNCLINE_CTL_LISTING_H
#define SYNCLINE_CTL_LISTING_H

#include "ctl/kinds.h"
#include "ctl/show.h"

#include <jansson.h>

struct list_item {
    json_t *json;    /* as in -o json; has a "name", a worker an "id" */
    s64 duration_ms; /* of a job: it grows while nothing else happens */
};

#define LIST_COLUMNS_MAX 20

/* Zero-initialise but for the kind, then listing_release. */
struct listing {
    enum kind kind;
    struct list_item *items;
    u32 count;
    u32 widths[LIST_COLUMNS_MAX]; /* of the widest cell that was printed: rows to come line up */
};

/* Takes the reference. */
void listing_add(struct listing *listing, json_t *json, s64 duration_ms);
void listing_release(struct listing *listing);
const char *list_item_name(const struct list_item *item);

/* Prints as `format`: JSON as {"items": […]}, with `one` as the object alone. */
void listing_print(struct listing *listing, enum output_format format, bool one);
/* Prints one of several that follow each other: JSON in a line, a row without heading. */
void listing_print_again(struct listing *listing, u32 index, enum output_format format);
/* Prints that one that was there is not any more: as `delete` says it, in JSON with "deleted". */
void listing_print_gone(const struct listing *listing, u32 index, enum output_format format);

#endif
