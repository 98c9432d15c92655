/* conf.h: definitions as operators write them, in YAML (or JSON, which is YAML, too): read, checked
 * against schema/definitions.def, and given as JSON. Pure: whether the assets that are named exist
 * is for the truth to say; whether a time zone does, this host's zone database says. */
#ifndef SYNCLINE_CONF_CONF_H
#define SYNCLINE_CONF_CONF_H

#include "base/buf.h"
#include "base/err.h"
#include "base/types.h"

#include <jansson.h>

enum definition_kind {
    DEFINITION_ASSET,
    DEFINITION_SYNCHRONIZATION,
    DEFINITION_PLAN,
    DEFINITION_LIVE,
};
const char *definition_kind_name(enum definition_kind kind); /* as `kind:` in YAML */
bool definition_kind_by_name(const char *name, enum definition_kind *out);

#define DEFINITION_API "syncline/v1"
#define DEFINITION_NAME_MAX 63            /* bytes of a name and of a label */
#define DEFINITIONS_BYTES_MAX (16u << 20) /* of one file */

/* A DNS label: a-z, 0-9 and -, letters and digits at both ends. */
bool definition_name_is_valid(const char *name);

struct definition {
    enum definition_kind kind;
    char *name;
    json_t *labels; /* object of texts */
    json_t *spec;   /* the fields that were given, with the texts that were written */
    char *file;     /* as it was named to definitions_read */
    u32 line;       /* of the document's `kind` */
};

/* Zero-initialise it; several files can be read into one. */
struct definitions {
    struct definition *items;
    u32 count;
    json_t *names; /* where each name was met: none may be defined twice */
};

/* Reads all documents of `text` and appends them to *out. Each fault of any document goes to
 * `faults` as a line "FILE:LINE:COLUMN: what; what to write instead": unknown field (with the
 * nearest known one), wrong type, unit or range, missing field, duplicate key or name,
 * contradiction (see definition_check), a kind that is not in this version; what YAML can do and
 * definitions do not need (anchors, tags). 0 with none; else -1, Configuration, err->text saying
 * how many. Documents without a fault are appended in either case; empty ones are passed over. */
int definitions_read(const char *file, const char *text, size_t size, struct definitions *out,
                     struct buf *faults, struct err *err);
void definitions_release(struct definitions *definitions);

/* The definition as a YAML document: apiVersion, kind, metadata, spec; ends with a newline. What
 * definitions_read makes of it is the same definition. */
void definition_print(enum definition_kind kind, const char *name, const json_t *labels,
                      const json_t *spec, struct buf *out);

/* Any object as a YAML document, its fields as they stand; ends with a newline. */
void yaml_print(const json_t *object, struct buf *out);

/* A value of one field, as on a command line ("limits.bandwidth", "10MiB/s"), checked as in a
 * document and put into `spec`; `value` "" takes the field out, and objects that are empty then. A
 * list of words is written with commas ("mode,times"), one of filters as in YAML ("[- *.tmp]" with
 * each in quotes). Configuration, naming the field or the nearest known one; `spec` is then as it
 * was. Ask definition_check when all fields are set. */
int definition_set(enum definition_kind kind, json_t *spec, const char *path, const char *value,
                   struct err *err);

/* Do the fields of `spec` go together: the same asset at both ends, retry.backoff above
 * retry.maxBackoff, delete.max without delete.enabled, a zone or a long jitter for @every? A
 * synchronization of the truth, whose source and destination are columns, is asked with or without
 * them. Configuration, naming the fields. */
int definition_check(enum definition_kind kind, const json_t *spec, struct err *err);

/* A selector as of kubectl: "team=media,tier!=gold,env in (a,b),env notin (a),has,!has"; all of it
 * must hold; != and notin hold too where there is no such label. "" holds for everything. */
struct selector;
int selector_parse(const char *text, struct selector **out, struct err *err); /* Usage */
/* `selector` NULL holds for everything. */
bool selector_matches(const struct selector *selector, const json_t *labels);
void selector_destroy(struct selector **selector);

#endif
