/* entry.h: one entry of a source directory, looked up at the destination and decided upon. */
#ifndef SYNCLINE_WATCHER_ENTRY_H
#define SYNCLINE_WATCHER_ENTRY_H

#include "checksum.h"
#include "compare.h"
#include "walk.h"

/* What deciding needs; buffers are used again. */
struct entry_decider {
    struct compare_rules rules;
    struct emitter *emitter; /* told of progress while content is read */
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

/* Do extended attributes and access control lists of two objects differ, as far as `rules` say? An
 * empty name: the directories themselves. 1, 0, -1; *of_source tells whose error it is. */
int entry_extras_differ(struct entry_decider *decider, struct asset_directory *source,
                        struct asset_directory *destination, struct bytes name, bool *of_source,
                        struct err *err);

#endif
