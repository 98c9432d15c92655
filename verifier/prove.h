/* prove.h: the verifier's verb, as a function from a message to its answer.
 *
 * It gets the destination open and a lane's buffers and knows nothing of the worker around it:
 * tests drive it in one process. tasks.c is the boundary that opens the asset, logs and replies. */
#ifndef SYNCLINE_VERIFIER_PROVE_H
#define SYNCLINE_VERIFIER_PROVE_H

#include "asset/asset.h"
#include "base/buf.h"
#include "base/content.h"
#include "base/err.h"
#include "base/hash.h"
#include "wire/message.h"

/* What one lane keeps from task to task, so that an item costs no allocation. */
struct prove_lane {
    u8 *buffer;                                /* COPY_BUFFER bytes, page-aligned */
    struct hasher *hashers[HASH_SHA256 + 1];   /* by enum hash_kind, made when first needed */
    struct content *contents[HASH_SHA256 + 1]; /* the same, of whole files */
    struct buf body;                           /* the answer's body frame */
    struct buf target;                         /* of the symbolic link at hand */
};

struct prove_lane *prove_lane_new(void);
void prove_lane_destroy(struct prove_lane **lane);
/* The lane's plain hasher of a kind that is known, reset. */
struct hasher *prove_lane_hasher(struct prove_lane *lane, enum hash_kind kind);
/* The lane's content hasher of such a kind; content_begin is the caller's. */
struct content *prove_lane_content(struct prove_lane *lane, enum hash_kind kind);

struct prove_work {
    struct prove_lane *lane;
    struct asset *destination; /* borrowed */
    struct err unreachable; /* with a code: it cannot be opened, each item is answered with this */
    void (*progress)(void *context, u64 bytes);
    bool (*stopped)(void *context);
    void *context; /* of the two callbacks */
};

/* Fills the answer, always; its body is borrowed from the lane until the next call. Returns 0, or
 * -1 if the message itself was refused (`err` says why): then the body has no record. */
int prove_batch(struct prove_work *work, const struct envelope *task, struct envelope *answer,
                struct err *err);
/* The same for one part of a large file (part.c): its answer always has one record. */
int prove_part(struct prove_work *work, const struct envelope *task, struct envelope *answer,
               struct err *err);
/* The same for what is at the destination (check.c): one row for each item. */
int prove_check(struct prove_work *work, const struct envelope *task, struct envelope *answer,
                struct err *err);

/* read.c: hashes the content of a file that should have `size` bytes. Mismatch if it has fewer or
 * more. */
int prove_read(struct prove_work *work, enum hash_kind hash, struct asset_file *file, u64 size,
               struct digest *out, struct err *err);

#endif
