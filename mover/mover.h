/* mover.h: the mover's verbs, as functions from a message to its answer.
 *
 * A verb gets its assets open and a lane's buffers, and knows nothing of the worker around it:
 * tests drive it in one process. tasks.c is the boundary that opens assets, logs and replies. */
#ifndef SYNCLINE_MOVER_MOVER_H
#define SYNCLINE_MOVER_MOVER_H

#include "asset/asset.h"
#include "base/buf.h"
#include "base/content.h"
#include "base/err.h"
#include "base/hash.h"
#include "wire/message.h"

/* ---- what one lane keeps from task to task, so that an item costs no allocation ---- */

struct mover_lane {
    u8 *buffer;                                /* COPY_BUFFER bytes, page-aligned */
    struct hasher *hashers[HASH_SHA256 + 1];   /* by enum hash_kind, made when first needed */
    struct content *contents[HASH_SHA256 + 1]; /* the same, of whole files */
    struct buf body;                           /* the answer's body frame */
    struct buf path;                           /* the full path of the item at hand */
    struct buf target;                         /* of the symbolic link at hand */
    struct buf extras;                         /* of the object at hand */
    struct err answer;                         /* borrowed by the answer's message field */
    struct rec_staged staged[BATCH_ITEMS]; /* publish: decoded records, borrowing from the frame */
    struct rec_proven proven[BATCH_ITEMS];
};

struct mover_lane *mover_lane_new(void);
void mover_lane_destroy(struct mover_lane **lane);
/* The lane's hasher of a kind that hash_kind_is_known, reset. */
struct hasher *mover_lane_hasher(struct mover_lane *lane, enum hash_kind kind);
/* The lane's content hasher of such a kind; content_begin is the caller's. */
struct content *mover_lane_content(struct mover_lane *lane, enum hash_kind kind);

/* ---- one task ---- */

struct mover_work {
    struct mover_lane *lane;
    struct asset *source;      /* borrowed; NULL where the message names none */
    struct asset *destination; /* borrowed */
    struct err unreachable;    /* with a code: an asset cannot be used and is NULL; the verb only
                                * answers, a finish does what needs no source */
    void (*progress)(void *context, u64 bytes);
    bool (*stopped)(void *context);
    u64 (*pace)(void *context, u64 wanted); /* NULL = none; as mover_may_read */
    void *context;                          /* of the callbacks */
};

/* Each fills the answer, always. Its bodies and texts are borrowed from the lane until the next
 * verb. Returns 0, or -1 if the message itself was refused (`err` says why; nothing was done). */
int mover_open(struct mover_work *work, const struct envelope *task, struct envelope *answer,
               struct err *err);
int mover_grant(struct mover_work *work, const struct envelope *task, struct envelope *answer,
                struct err *err);
int mover_revoke(struct mover_work *work, const struct envelope *task, struct envelope *answer,
                 struct err *err);
int mover_stage(struct mover_work *work, const struct envelope *task, struct envelope *answer,
                struct err *err);
int mover_publish(struct mover_work *work, const struct envelope *task, struct envelope *answer,
                  struct err *err);
int mover_settle(struct mover_work *work, const struct envelope *task, struct envelope *answer,
                 struct err *err);
int mover_close(struct mover_work *work, const struct envelope *task, struct envelope *answer,
                struct err *err);

/* ---- copy.c: one file of the source into staging ---- */

/* What to copy, and how. */
struct mover_order {
    struct asset_directory *directory; /* of the source */
    const struct rec_item *item;
    struct asset_token *token;
    u32 index; /* of the staged copy */
    enum hash_kind hash;
    u32 preserve;
};

struct mover_copied {
    struct attributes attributes; /* of the version that was read; its extras are the lane's */
    struct digest digest;
    struct staged_version version;
    u32 not_kept; /* bits of NOT_KEPT_… */
};

/* Stages one whole version of a regular file, holes as holes. Vanished if it is gone, Changed if no
 * version held still for the time of a read, or it is not the object that the item names;
 * destination errors as the asset gives them. */
int mover_copy(struct mover_work *work, const struct mover_order *order, struct mover_copied *out,
               struct err *err);

/* Inode, size, mtime and ctime: is it the same version of a source file? */
bool mover_same_version(const struct attributes *a, const struct attributes *b);
/* Waits for the turn to read content at the source: so many bytes may be read now, at most
 * `wanted`; 0 and Stopped if nothing more is to be read. */
u64 mover_may_read(struct mover_work *work, u64 wanted, struct err *err);
/* Waits until the clock that stamped the file has moved on; Changed if it was written meanwhile. */
int mover_wait_for_grain(struct mover_work *work, struct asset_file *file,
                         const struct attributes *attributes, struct err *err);

/* ---- part.c: a part of a large file, under a token that others write under too ---- */

int mover_part(struct mover_work *work, const struct envelope *task, struct envelope *answer,
               struct err *err);

/* ---- batch.c: what stage and publish share ---- */

/* The index of a row that is of no item: a directory that has to be closed because of the others.
 */
#define MOVER_NO_ITEM UINT32_MAX

/* What of `preserve` the source can tell: an asset without attributes and lists says nothing of
 * those that the destination has. */
u32 mover_preserve(const struct mover_work *work, u32 preserve);

/* Of an item that names an object (device and inode) at the source: Changed unless this is it. */
int mover_require_object(const struct rec_item *item, const struct attributes *attributes,
                         struct err *err);

/* batch_decode, and refuses a batch whose rows could not be answered within one frame. */
int mover_batch_decode(const struct envelope *task, struct batch *out, struct err *err);

#define MOVER_DIRECTORIES 16

/* Open directories of a batch. Items come ordered by directory, so few are needed; a bound keeps
 * the descriptors of all lanes within the usual limit of 1,024. */
struct mover_directories {
    struct asset *source;      /* either: open for reading */
    struct asset_token *token; /* or: open for publishing, made where missing */
    const struct batch *batch;
    struct {
        u32 place; /* in the batch's dir body, plus one; 0 = free */
        struct asset_directory *directory;
        struct err err; /* why it could not be opened: the error of each of its items */
    } slots[MOVER_DIRECTORIES];
};

/* Borrowed until the next call. */
int mover_directory(struct mover_directories *directories, u32 place, struct asset_directory **out,
                    struct err *err);
void mover_directories_close(struct mover_directories *directories);

/* ---- remove.c: may it really go? ---- */

/* 0 if the source still is the directory that it was, and has no object of this path: the parent
 * could be opened and does not have the name, or is itself not there (*orphan). Else why not:
 * SourceChanged, Changed (it is there again), AccessDenied and the like. */
int mover_may_remove(struct mover_work *work, const struct batch *batch, u32 index, bool *orphan,
                     struct err *err);

/* ---- outcome.c: pure ---- */

struct mover_tries {
    u32 attempt, attempts; /* this one, of so many */
    bool waits;            /* for a place that is full or away: that costs no attempt */
};

/* What becomes of an item that ended with this code (not 0). */
enum outcome mover_outcome(u32 code, const struct mover_tries *tries);
/* The same of a removal: what is not as it was listed is kept. */
enum outcome mover_outcome_of_removal(u32 code, const struct mover_tries *tries);
/* The work was given back: it must not count, whatever was done of it. */
bool mover_gives_back(u32 code);
/* True if what follows in the batch would fail the same way, and need not be tried. */
bool mover_ends_batch(u32 code);

#endif
