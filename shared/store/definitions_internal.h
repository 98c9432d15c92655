/* definitions_internal.h: what the files of definitions_*.c share. */
#ifndef SYNCLINE_STORE_DEFINITIONS_INTERNAL_H
#define SYNCLINE_STORE_DEFINITIONS_INTERNAL_H

#include "store/definitions.h"

#define ADHOC_LABEL "syncline.adhoc"
/* A job that waits for its turn relies on nothing yet: it takes what is defined when that comes. */
#define DEFINED_ACTIVE(row)                                                                        \
    row ".phase IN ('Queued', 'Probing', 'Running', 'Closing') AND NOT " row ".waits"

/* An asset or a synchronization as it is in the truth. */
struct object {
    s64 id;
    char *name;
    enum definition_kind kind;
    json_t *labels, *spec; /* spec as in YAML: with source and destination */
    char *address;         /* of an asset */
    bool adhoc;            /* made by `sync` */
};

/* Sorted by name. */
struct objects {
    struct object *items;
    u32 count;
};

/* `name` NULL: all. Zero-initialise *out, then objects_release. */
int objects_read(struct postgres *postgres, bool assets, const char *name, struct objects *out,
                 struct err *err);
void objects_release(struct objects *objects);
struct object *objects_find(const struct objects *objects, const char *name);

/* Where an asset is, if it is a directory tree: the path in its address. */
const char *address_path(const char *address);

/* The name of an active job that relies on the asset, or is of the synchronization; NULL if there
 * is none. Whatever could start one waits until the transaction ends. */
int lock_against_jobs(struct postgres *postgres, bool asset, s64 id, char **job, struct err *err);

/* Notes in the events what became of asset/NAME, sync/NAME or plan/NAME. */
int note_event(struct postgres *postgres, const char *kind, enum definition_kind defined,
               const char *name, const char *what, struct err *err);

#endif
