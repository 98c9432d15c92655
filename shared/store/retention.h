/* retention.h: what was kept long enough is deleted, a bounded step at a time, so that nobody waits
 * long for it: events, ended jobs beyond historyLimit, ad-hoc synchronizations, object rows of
 * assets that are gone. Planners do it each minute, `admin gc` at once. */
#ifndef SYNCLINE_STORE_RETENTION_H
#define SYNCLINE_STORE_RETENTION_H

#include "io/postgres.h"

struct retained {
    bool mine;        /* false: somebody else is at it */
    const char *what; /* static: of which kind the rows were */
    u64 rows;         /* that were deleted; 0 = there is nothing more */
};

/* One step, inside a transaction that the caller has begun and ends. `workers`: JSON array of the
 * ids of those that are there, whose drains stay; NULL = not known. */
int retention_step(struct postgres *postgres, const char *workers, struct retained *out,
                   struct err *err);

#endif
