/* table.h: schema/definitions.def as a table, for who walks it. Pure. */
#ifndef SYNCLINE_CONF_TABLE_H
#define SYNCLINE_CONF_TABLE_H

#include "base/types.h"
#include "conf/conf.h"

#define FIELD_TEXT_BYTES 255u /* of a TEXT */

enum field_type {
    FIELD_OBJECT,
    FIELD_PATH,
    FIELD_FLAG,
    FIELD_CHOICE,
    FIELD_CHOICES,
    FIELD_RULES,
    FIELD_AMOUNT,
    FIELD_COUNT,
    FIELD_RATE,
    FIELD_DURATION,
    FIELD_NAME,
    FIELD_TEXT,
    FIELD_SCHEDULE,
    FIELD_ZONE,
};

struct field {
    u32 kinds; /* bits: 1 << enum definition_kind */
    const char *path;
    enum field_type type;
    const char *wanted;
    const char *preset; /* the default, as people read it; "" = none, NULL = it must be given */
    const char *text;
};

extern const struct field field_table[];
extern const u32 field_count;

/* NULL; what to write instead of a kind that is known and checked, and not in this version. */
const char *kind_refusal(enum definition_kind kind);

/* The field at `path` ("limits.lanes") of this kind, or NULL. */
const struct field *field_find(enum definition_kind kind, const char *path);
/* Is `field` one of this kind, and does it stand right below `parent` ("" = spec itself)? */
bool field_is_below(const struct field *field, enum definition_kind kind, const char *parent);
/* The last component of its path. */
const char *field_name(const struct field *field);
/* The first kind that has a field at `path`; false if none has. */
bool field_kind_of(const char *path, enum definition_kind *out);

/* Walks the words of `wanted` ("quick|checksum"): *at begins as `wanted`; the next word and its
 * size, or NULL. */
const char *field_next_word(const char **at, size_t *size);
/* Is `text` one of them? */
bool field_has_word(const struct field *field, const char *text);
/* "1..256" of a count, "1ms..1d" of a duration (in milliseconds). */
void field_range(const struct field *field, u64 *least, u64 *most);

#endif
