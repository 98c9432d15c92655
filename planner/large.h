/* large.h: a large file, carried in parts by several movers at once, and proven in parts.
 *
 *     first part ─► the other parts ─► all staged: proofs ─► all agree: one ordinary publish
 *
 * The first part makes the staged copy and pins the version of the source. The digest of the file
 * is the hash of its parts' digests (base/content.h). Whose part was lost may write on: that copy
 * is never published, what is finished of it is adopted into another one under a new token. */
#ifndef SYNCLINE_PLANNER_LARGE_H
#define SYNCLINE_PLANNER_LARGE_H

#include "planner/planner.h"

enum part_state {
    PART_WAITING, /* to be staged */
    PART_SENT,
    PART_COPIED, /* in the staged copy that will be published */
    PART_PROVING,
    PART_PROVEN,
};
#define PART_STATES (PART_PROVEN + 1)

struct part {
    u8 state;
    bool dense;   /* there was a bad copy of it: holes are written too */
    u8 losses;    /* of who had it */
    u16 failures; /* reported, that were not the whole file's */
    u32 area;     /* token of a finished copy, whose digest is known; 0 = there is none */
    u8 digest[HASH_BYTES_MAX];
};

struct large {
    struct part *parts;
    u32 count;
    u32 in[PART_STATES];   /* parts in each state */
    u32 from[PART_STATES]; /* none below is in that state */
    bool replaces;         /* the old content must not be lost before the new is durable */

    /* the version of the source; inode 0 = not pinned yet */
    u64 size, inode;
    s64 mtime_ns, ctime_ns;
    struct rec_staged staged; /* as the first part said; without digest and extras */
    struct buf extras;
    u32 digest_size;

    /* the staged copy, under the batch's token */
    bool making; /* its first part is under way */
    bool made;
    u64 staged_inode;
    struct written *written; /* every host that wrote into it */
    u32 written_count;

    /* tokens of abandoned copies, that finished parts are still adopted from */
    u32 *older;
    u32 older_count;

    /* the proofs: those of one round show one version of the copy */
    u32 round;
    u32 disagreed; /* rounds that did not */
    bool seen;
    struct staged_version version;

    struct err failure; /* with a code: it is staged no further, and answered with this */
    bool whole;         /* it is no large file any more: one mover stages it */
};

/* ---- large.c: the way of the file ---- */

/* What a new batch begins with: STEP_PARTS if it is one large file, else STEP_STAGE. */
enum step large_first_step(const struct job_batch *batch);
void large_pump(struct job *job);
/* Its batch ends early: what is under way is not waited for, all its tokens are revoked. */
void large_give_up(struct job *job, struct job_batch *batch);
/* A mover or verifier had no room, or did not end (`lost`) the assignment. */
void large_returned(struct job *job, const struct assignment *assignment, bool lost);
void large_release(struct job_batch *batch);

/* ---- large_copy.c, large_prove.c: answers ---- */

void large_parted(struct job *job, struct assignment *assignment, const struct envelope *envelope);
void large_part_proven(struct job *job, struct assignment *assignment,
                       const struct envelope *envelope);
void large_settled(struct job *job, struct assignment *assignment,
                   const struct msg_settled *settled);

/* ---- between these files ---- */

void large_set(struct large *large, u32 index, enum part_state state);
/* The first part in that state, which there must be. */
u32 large_next(struct large *large, enum part_state state);
u64 large_part_length(const struct large *large, u32 index);
void large_resize(struct large *large, u32 count);
/* The first failure counts; the pump acts on it. */
void large_fail(struct large *large, u32 code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
enum sending {
    SENDING_DONE,
    SENDING_NOT_NOW,
    SENDING_LOST, /* its worker was lost at that moment, and other batches may have ended with it */
};
/* Sends the next waiting part, or proof. */
enum sending large_send_part(struct job *job, struct job_batch *batch);
enum sending large_send_proof(struct job *job, struct job_batch *batch);
/* The staged copy is abandoned: who was lost may still write into it. */
void large_taint(struct job *job, struct job_batch *batch);
/* Finished copies under this token cannot be had any more. */
void large_forget_area(struct large *large, u32 area);
/* Revokes the abandoned copies that nothing is adopted from any more; `all`: each of them. */
void large_revoke_older(struct job *job, struct job_batch *batch, bool all);
/* All proofs so far are void. */
void large_void_proofs(struct large *large);
/* All parts are proven: true when the batch went on to publish. */
bool large_finish(struct job *job, struct job_batch *batch);
/* The batch goes on to publish, with these records. */
void large_to_publish(struct job_batch *batch, const struct rec_staged *staged,
                      const struct rec_proven *proven);

#endif
