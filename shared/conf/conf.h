/* conf.h: definitions as operators write them, in YAML: read, checked against
 * schema/definitions.def, and given as JSON. Pure: whether the assets that are named exist is for
 * the truth to say. */
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

#define DEFINITION_NAME_MAX 63 /* as a DNS label: a-z, 0-9 and -, letters and digits at both ends  \
                                */
#define DEFINITIONS_BYTES_MAX (16u << 20) /* of one file */

struct definition {
    enum definition_kind kind;
    char *name;
    json_t *labels; /* object of texts */
    json_t *spec;   /* the fields that were given, with the texts that were written */
    char *file;     /* as it was named to definitions_read */
    u32 line;       /* of the document's `kind` */
};

struct definitions {
    struct definition *items;
    u32 count;
};

/* Reads all documents of `text` and appends them to *out (zero-initialise it first). Each fault of
 * any document goes to `faults` as a line "FILE:LINE:COLUMN: what; what to write instead": unknown
 * field (with the nearest known one), wrong type, unit, zone or range, missing field, duplicate key
 * or name, contradiction (retry.backoff above retry.maxBackoff, the same asset at both ends), a
 * kind that is not in this version. 0 with none; else -1, Configuration, err->text saying how many.
 * Documents without a fault are appended in either case. */
int definitions_read(const char *file, const char *text, size_t size, struct definitions *out,
                     struct buf *faults, struct err *err);
void definitions_release(struct definitions *definitions);

/* The definition as a YAML document: apiVersion, kind, metadata, spec; ends with a newline. What
 * definitions_read makes of it is the same definition. */
void definition_print(enum definition_kind kind, const char *name, const json_t *labels,
                      const json_t *spec, struct buf *out);

/* A value of one field, as on a command line ("limits.bandwidth", "10MiB/s"), checked as in a
 * document and put into `spec`; `value` "" takes the field out. Configuration, naming the field or
 * the nearest known one. */
int definition_set(enum definition_kind kind, json_t *spec, const char *path, const char *value,
                   struct err *err);

/* A selector as of kubectl: "team=media,tier!=gold,env in (a,b),env notin (a),has,!has". */
struct selector;
int selector_parse(const char *text, struct selector **out, struct err *err); /* Usage */
bool selector_matches(const struct selector *selector, const json_t *labels);
void selector_destroy(struct selector **selector);

#endif
