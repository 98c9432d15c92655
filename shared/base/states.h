/* states.h: the enums and names of schema/states.def. */
#ifndef SYNCLINE_BASE_STATES_H
#define SYNCLINE_BASE_STATES_H

#include "base/types.h"

enum role {
#define ROLE(name, number) ROLE_##name = (number),
#include "schema/states.def"
};

enum object_kind {
#define KIND(name, number, letter) KIND_##name = (number),
#include "schema/states.def"
};

enum operation {
#define OPERATION(name, number, text) OPERATION_##name = (number),
#include "schema/states.def"
};

enum outcome {
#define OUTCOME(name, number, text) OUTCOME_##name = (number),
#include "schema/states.def"
};

enum preserve {
#define PRESERVE(name, bit, text) PRESERVE_##name = (bit),
#include "schema/states.def"
};
#define PRESERVE_ALL 127u

enum phase {
#define PHASE(name, number, ended, exit_code) PHASE_##name = (number),
#include "schema/states.def"
};

/* Indexes of struct counters, in the order of the list. */
enum counter {
#define COUNTER(name, json, text) COUNTER_##name,
#include "schema/states.def"
    COUNTER_COUNT
};

struct counters {
    s64 value[COUNTER_COUNT];
};

enum durability { DURABILITY_STANDARD = 1, DURABILITY_STRICT = 2 };

/* item flags */
#define ITEM_REPLACES 1u /* the destination has an object of that name: sync before publish */
#define ITEM_EXISTS 2u   /* a directory that was at the destination when it was compared */
/* put, link: over a directory that was empty, or has been emptied: it makes way in the same step */
#define ITEM_REPLACES_DIRECTORY 4u
/* remove: the object has several names, each that goes moves its ctime: size and mtime decide */
#define ITEM_SEVERAL 8u
/* The upper bits of a refusal say why: flags >> ITEM_CODE_SHIFT is its enum err_code. 0 = derive it
 * from the kind (UnsupportedKind, else Occupied). */
#define ITEM_CODE_SHIFT 16

/* scan flags */
/* field finish of `close`; 0: directories */
#define CLOSE_ALL 1u     /* the staging area goes, the root gets its attributes, settle */
#define CLOSE_STAGING 2u /* the same without the root: nothing is known of the source */

#define SCAN_DELETE 1u    /* name what only the destination has, so that it can be removed */
#define SCAN_CHECKSUM 2u  /* compare content where size and time are equal */
#define SCAN_INVENTORY 4u /* do not compare: name every object at the destination */

/* flags of a name */
#define NAME_DIFFERS 1u        /* content or attributes are not those of the source */
#define NAME_OVER_DIRECTORY 2u /* link that differs: a directory is in its place */
#define NAME_WAITS 4u          /* link over a directory of which everything below is named too */

/* What an object has that could not be kept; bit n is code HardLinkNotKept + n. */
#define NOT_KEPT_HARD_LINK 1u
#define NOT_KEPT_XATTR 2u
#define NOT_KEPT_ACL 4u
#define NOT_KEPT_HOLES 8u
#define NOT_KEPT_OWNER 16u
#define NOT_KEPT_CAPABILITY 32u
#define NOT_KEPT_COUNT 6u

/* Names as in states.def; "unknown" for a number that is not there. */
const char *role_name(u32 role);
const char *kind_name(u32 kind);
const char *operation_name(u32 operation);
const char *outcome_name(u32 outcome);
const char *phase_name(u32 phase);
const char *preserve_name(u32 bit);
const char *counter_name(u32 counter); /* SQL column */
const char *counter_json(u32 counter); /* JSON field */

/* 0 for an unknown name. */
enum role role_by_name(const char *name);
enum phase phase_by_name(const char *name);
u32 preserve_by_name(const char *name);

bool phase_has_ended(enum phase phase);
int phase_exit_code(enum phase phase);

#endif
