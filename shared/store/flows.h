/* flows.h: where the data of all synchronizations goes, by the paths of their definitions: which
 * destinations overlap, and whether anything goes round in a circle. Pure. What paths really are
 * (mounts, links) the probe of a job says. */
#ifndef SYNCLINE_STORE_FLOWS_H
#define SYNCLINE_STORE_FLOWS_H

#include "base/buf.h"
#include "base/types.h"

struct flow {
    const char *name, *source, *destination; /* normal paths; NULL: not comparable */
    const char *file;                        /* of what is being defined; NULL: it is not */
    u32 line;
    const char *word; /* of its kind, as for `delete`: "plan" */
};

/* Adds a line for each overlap and each circle that something with a `file` takes part in, and
 * returns how many. */
u32 flows_check(const struct flow *flows, u32 count, struct buf *faults);

#endif
