/* entry.h: one entry of a source directory, looked up at the destination and decided upon. */
#ifndef SYNCLINE_WATCHER_ENTRY_H
#define SYNCLINE_WATCHER_ENTRY_H

#include "bare.h"
#include "checksum.h"
#include "compare.h"
#include "walk.h"

/* What deciding needs; buffers are used again. */
struct entry_decider {
    struct compare_rules rules;
    struct emitter *emitter; /* told of progress while content is read */
    struct bare_set *bare;   /* what is known to have no extras; or NULL */
    bool content;            /* compare it where size and time are equal */
    struct checksum checksum;
    struct buf of_source; /* target of a link, or extended attributes */
    struct buf of_destination;
};
void entry_decider_release(struct entry_decider *decider);

struct entry_verdict {
    struct compare_decision decision;
    bool is_there; /* the destination has an object of that name */
    struct attributes there;
};

/* 1 and the verdict on `name` in the directory of `level`, 0 if it vanished from the source. What
 * keeps it from being compared is a refusal with that code. `name` must not be borrowed from a
 * listing. */
int entry_decide(struct entry_decider *decider, struct walk_level *level, struct bytes name,
                 const struct attributes *source, struct entry_verdict *out);

/* One side of a comparison: the object `name` in a directory, or with an empty name the directory
 * itself, and its attributes as they were before. */
struct entry_side {
    struct asset_directory *directory;
    const struct attributes *attributes;
};

/* Do extended attributes and access control lists of two objects differ, as far as `rules` say? 1,
 * 0, -1; *of_source tells whose error it is. */
int entry_extras_differ(struct entry_decider *decider, const struct entry_side *source,
                        const struct entry_side *destination, struct bytes name, bool *of_source,
                        struct err *err);

#endif
