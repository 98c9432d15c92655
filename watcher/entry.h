/* entry.h: one entry of a source directory, looked up at the destination and decided upon. */
#ifndef SYNCLINE_WATCHER_ENTRY_H
#define SYNCLINE_WATCHER_ENTRY_H

#include "compare.h"
#include "walk.h"

/* What deciding needs; buffers are used again. */
struct entry_decider {
    struct compare_rules rules;
    struct buf source_target;
    struct buf destination_target;
};
void entry_decider_release(struct entry_decider *decider);

/* 1 and the decision on `name` in the directory of `level`, 0 if it vanished from the source. What
 * keeps it from being compared is a refusal with that code. `name` must not be borrowed from a
 * listing. */
int entry_decide(struct entry_decider *decider, struct walk_level *level, struct bytes name,
                 const struct attributes *source, struct compare_decision *out);

#endif
