/* pace.h: how fast this mover reads content at sources, by job. The planner says it (message pace);
 * all lanes that read for the job share it.
 *
 * The table is of the process, and every function may be called by any thread. */
#ifndef SYNCLINE_MOVER_PACE_H
#define SYNCLINE_MOVER_PACE_H

#include "base/types.h"

#include <stdbool.h>

/* ---- pure: one bucket ---- */

struct bucket {
    u64 rate;    /* bytes a second; not 0 */
    s64 free_ns; /* when all that was taken is paid for */
};

/* How much is taken at once: an eighth of a second's worth, so that a slow rate is no burst and a
 * long silence, and a fast one costs few turns. */
u64 bucket_chunk(u64 rate);
/* Takes `bytes` if the time has come: true. Else false, and *due_ns is when to ask again. */
bool bucket_take(struct bucket *bucket, u64 bytes, s64 now_ns, s64 *due_ns);
/* What is owed is owed at the new rate. */
void bucket_change(struct bucket *bucket, u64 rate, s64 now_ns);

/* ---- the jobs ---- */

/* As the planner said; rate 0: as fast as it can. `over`: what of the job waits is to give up, and
 * nothing more is read. An epoch that is older than what was heard is of the past. */
void pace_set(u64 job, u32 epoch, u64 rate, bool over);

/* Waits for the turn to read. Bytes that may be read now, at most `wanted`; 0 if the job is over,
 * or `stopped` said so. While it waits it calls `waits` several times a second. */
u64 pace_take(u64 job, u32 epoch, u64 wanted, bool (*stopped)(void *context),
              void (*waits)(void *context), void *context);

#endif
