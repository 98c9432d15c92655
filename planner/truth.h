/* truth.h: Postgres, in threads of its own. The loop posts requests and goes on; each comes back,
 * executed, in the order in which it was posted.
 *
 * TRUTH_RENEW alone goes past the others, by a second thread and connection: a transaction that
 * takes longer than a lease must not cost the leases of all jobs. Its answer says what was
 * committed at a moment after it was posted, but may overtake answers of requests posted before it,
 * and be overtaken by those of requests posted after it. So the loop judges by it only jobs that it
 * had when it posted the renewal, by id and epoch, and of which no TRUTH_END is under way; a token
 * that was granted before the renewal was posted is confirmed by it (docs/adr/0007).
 *
 * With Postgres away a request waits and is tried again until it is decided: it never fails for
 * that. A commit whose outcome is unknown is read back. Every transaction about a job first locks
 * its row with (owner, epoch); if that is not this planner any more the request ends with
 * OwnershipLost. The first thread also holds the planner's session advisory lock and listens for
 * NOTIFY; while it has no session nothing is renewed. */
#ifndef SYNCLINE_PLANNER_TRUTH_H
#define SYNCLINE_PLANNER_TRUTH_H

#include "asset/asset.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/states.h"
#include "io/queue.h"

enum truth_kind {
    TRUTH_WAKE,  /* from the thread, not posted: something may be to claim (NOTIFY), or a cancel */
    TRUTH_CLAIM, /* claim up to `limit` jobs; result: claims */
    TRUTH_RENEW, /* renew all leases of this planner; result: jobs (still owned, with cancel flags).
                  * Waits for no other request, nor for a row that is locked */
    TRUTH_BEGIN, /* probe passed: identities, destination claim, root shard; result: shards */
    TRUTH_OPENED,  /* staging is open: every shard without unsettled_since gets now_ns */
    TRUTH_SPLIT,   /* a shard is added */
    TRUTH_PLAN,    /* what a scan found is compared with what a dry run listed; result: codes. Reads
                    * only, and judges nobody's ownership */
    TRUTH_SEGMENT, /* a segment is committed */
    TRUTH_REDO,    /* a shard is to be scanned again: what its failed items counted is taken back */
    TRUTH_RESOLVE, /* every scan is done: groups of links, the removal guard, feeds; result: shards,
                    * held. Decided once, and read back after that */
    TRUTH_FEED,    /* the next batches of a feed; result: batches, cursor */
    TRUTH_CLOSE_NEXT, /* the deepest directories to be closed; result: paths */
    TRUTH_CLOSE_DONE, /* they were closed: rows */
    TRUTH_PHASE,      /* phase, scan_complete, waiting_for, last_progress */
    TRUTH_END,        /* the job ends in a phase with a reason; shards, directories and claim go */
    TRUTH_LOOK,       /* what is there to do besides jobs; result: due, drains */
    TRUTH_ASSET,      /* what a probe of one asset found; result: notes */
    TRUTH_RETENTION,  /* one step of deleting what was kept long enough; result: more, message */
    TRUTH_SCHEDULE, /* from the scheduler's thread, not posted: what it has committed; plan_notes */
};

/* What of the close a shard's items are; a shard that is scanned has none. In this order: one
 * begins when those before it are done. */
enum feed {
    FEED_NONE,
    FEED_LEADERS,      /* of each object with several names, one that is put or confirmed */
    FEED_LINKS,        /* its other names */
    FEED_REMOVALS,     /* deepest first: the next batches come when the last ones have ended */
    FEED_WAITING,      /* puts that waited for a removal */
    FEED_LATE_LEADERS, /* leaders that waited for one, as every name of their object did */
    FEED_LATE_LINKS,   /* names that waited for one, to be linked */
    FEED_CHECK,        /* verify: what is to be read and compared with the ledger */
    FEED_REPAIR,       /* verify: what is put again */
};
const char *feed_name(enum feed feed); /* as in shard.feed */

/* Items of one batch, as bodies of a message. */
struct truth_batch {
    struct buf dirs, items;
    struct buf staged; /* FEED_CHECK: what was proven; else empty */
    u32 count;
    u64 bytes;
    u32 hash; /* FEED_CHECK: enum hash_kind of the digests */
};

struct claimed_job {
    u64 id;
    u32 epoch;        /* already raised */
    enum phase phase; /* as it was: Queued, or further if it was taken over */
    bool opened;
    bool cancel_requested;
    bool resolved; /* as the column */
    bool approved;
    bool create; /* a destination that is not there is made */
    char *name;
    char *synchronization;
    char *source_address;
    char *destination_address;
    char *source_name; /* of the asset */
    char *destination_name;
    u64 destination_asset;
    bool adhoc;                      /* of `sync`, defined by nobody */
    char *spec;                      /* JSON */
    bool scheduled;                  /* a time of a plan */
    s64 start_left_ms;               /* until its starting deadline; below 0: that is past */
    char *limits;                    /* JSON, as the synchronization has them */
    struct buf source_identity;      /* as of earlier jobs; empty = none yet */
    struct buf destination_identity; /* as this job last began; empty = it did not, or has ended
                                        since */
    struct counters counters;
};

/* An asset that is to be probed: nobody else does it now. */
struct due_asset {
    u64 id;
    char *name;
    char *address;
    bool source, destination; /* what those that refer to it take it for; one or both */
    bool create;              /* one that is not there will be made by the first job */
};

/* An asset whose state was written, for the log and the view. Ad-hoc ones are not among them. */
struct asset_note {
    char *name;
    char *state;
    char *reason;  /* NULL: Ready */
    char *message; /* the same */
    bool changed;  /* it was another state before, or another reason */
};

/* A time of a plan that became a row of table job, or moved on, for the log and the view. */
struct plan_note {
    char *plan, *job;
    enum phase phase; /* Queued: it starts, or waits for its turn; Skipped; Cancelled */
    bool waits;
    bool turn; /* it waited before */
    char *reason, *message;
    s64 at_ms;    /* the time */
    s64 after_ms; /* so long after it the row was written */
};
void plan_notes_free(struct plan_note *notes, u32 count);

struct truth_shard {
    u32 number;
    struct buf path;
    bool done;
    enum feed feed;
    u32 segments;
    s64 unsettled_since_ns; /* 0 = nothing was published yet */
};

struct owned_job {
    u64 id;
    u32 epoch;
    bool cancel_requested;
    char *limits; /* JSON, as the synchronization has them now; "" = none */
};

/* An item that was found, by the key of its path. */
struct truth_planned {
    u8 key[KEY_BYTES];
    u32 kind, operation;
    bool replaces; /* a directory, something that is none */
    u64 size;
    s64 mtime_ns;
    u32 code; /* result: Ok: as listed; NotAsPlanned, NotPlanned */
};

/* One request and its result. Zero-initialise, fill what its kind needs, post; the answer is the
 * same object. Buffers are released by truth_request_destroy. */
struct truth_request {
    enum truth_kind kind;
    u64 job;
    u32 epoch;
    void *context;  /* the poster's */
    struct err err; /* code Ok, OwnershipLost, or a refusal (Overlap, Cycle, SourceChanged, …) */

    /* CLAIM */
    u32 limit;
    struct claimed_job *claims;
    u32 claim_count;
    /* RENEW */
    struct owned_job *jobs;
    u32 job_count;
    /* BEGIN */
    struct buf source_identity, destination_identity, source_place, destination_place;
    bool destination_changed; /* result: its identity is another; its object rows were voided */
    char *only; /* BEGIN: owned; NULL, or result: `paths`, the failed ones of that job */
    bool first; /* result: the destination asset has no object rows */
    struct truth_shard *shards; /* result of BEGIN: all, in order of number */
    u32 shard_count;
    /* OPENED */
    s64 now_ns;
    /* PLAN, RESOLVE: the job whose list it is; owned, NULL = none. PLAN: `batches` comes back as it
     * is */
    char *plan;
    struct truth_planned *planned; /* PLAN: owned */
    u32 planned_count;
    /* SPLIT, SEGMENT, REDO, PLAN */
    u32 shard;
    struct buf path;        /* SPLIT */
    s64 unsettled_since_ns; /* SPLIT: of the new shard, 0 = none; SEGMENT: the shard's new value */
    u32 segment;            /* SEGMENT: number, from 1; committed once */
    bool shard_done;        /* SEGMENT: the last of its shard */
    bool redo;              /* SEGMENT: of a shard that was scanned before: count by rows */
    bool upsert;            /* SEGMENT: object rows may exist already */
    u64 asset;              /* SEGMENT: destination asset */
    u32 hash;               /* SEGMENT: enum hash_kind of the digests */
    struct buf *rows;       /* SEGMENT, CLOSE_DONE: `row` body frames; each a buf, owned */
    u32 row_count;
    struct buf *names; /* SEGMENT: `name` body frames; each a buf, owned */
    u32 name_count;
    enum feed feed;    /* SEGMENT, REDO, FEED: of the shard */
    u64 present;       /* SEGMENT with shard_done: as scanned said */
    bool source_empty; /* SEGMENT with shard_done, of the root shard */
    bool dry_run;      /* SEGMENT, RESOLVE: rows say what would be done; BEGIN, END: as it is */
    /* END: also unsettled_since_ns, what the next job has to put again; 0 = nothing, -1 = as the
     * rows of its shards say; BEGIN, END: also `verify` */
    /* RESOLVE */
    bool delete_enabled;
    bool verify, repair;
    u64 delete_max;     /* names; UINT64_MAX = not given */
    u32 delete_percent; /* of the entries seen at the destination; UINT32_MAX = not given */
    /* result: the guard tripped; reason and message say by what (a dry run is not held: message
     * only). `shards`: every feed of the job, also those that BEGIN gave, in order of number.
     * unsettled_since_ns: of new feeds */
    bool held;
    /* FEED: at most `limit` items of `feed` that are not done; `cursor` is empty at first, and then
     * as it came back. Of removals those of one depth, or `in_order`. CHECK and REPAIR need `asset`
     */
    struct buf cursor;
    struct truth_batch *batches;
    u32 batch_count; /* result: 0 = none is left */
    bool in_order;   /* result: of removals, one batch, whose items go in their order */
    struct counters
        counters; /* SEGMENT: what this segment adds: scanned, unchanged, extra, proven,
                   * mismatched, bytes. With `redo` the first three count only with
                   * shard_done, and are those of the whole scan. found, moved, attributes,
                   * changed, vanished, failed are counted from the rows by the thread.
                   * Result of SEGMENT, REDO, CLOSE_DONE, END: the job's counters now */
    /* CLOSE_NEXT */
    struct buf paths; /* result (of BEGIN with `only`, too): dir body frame, deepest first; at most
                       * BATCH_ITEMS, or at most `limit` of one depth */
    u32 path_count;   /* result: 0 = none is left */
    /* PHASE, END */
    enum phase phase;
    bool scan_complete;
    bool progressed; /* PHASE: something was done since; also said where it waits for nothing */
    /* LOOK: at most `limit` assets */
    struct due_asset *due;
    u32 due_count;
    char **drains; /* ids of workers that are to take no more work */
    u32 drain_count;
    /* ASSET: `asset`, `address` as probed, `reason` and `message` (NULL: it is fit), unknown (it
     * could not be asked for), source_identity (empty: not known), bytes_free, bytes_total */
    char *address; /* owned */
    bool unknown;
    u64 bytes_free, bytes_total;
    /* ASSET, BEGIN, END: result */
    struct asset_note *notes;
    u32 note_count;
    /* SCHEDULE */
    struct plan_note *plan_notes;
    u32 plan_note_count;
    /* RETENTION */
    char *workers;     /* JSON array of the ids of those that are there; NULL = not known. Owned */
    bool more;         /* result: another step may find more */
    char *waiting_for; /* owned; NULL = nothing */
    char *reason;      /* owned */
    char *message;     /* owned */
};

struct truth;

/* Starts the threads; answers go to `answers` (whose fd the loop watches). `name` is the planner's:
 * a planner with the same name takes its predecessor's jobs over at once. */
struct truth *truth_new(const char *database_url, const char *name, struct queue *answers);
/* Ends the threads, releases the advisory lock; posted requests come back with Stopped. */
void truth_destroy(struct truth **truth);
/* Takes the request. */
void truth_post(struct truth *truth, struct truth_request **request);
void truth_request_destroy(struct truth_request **request);
/* False while Postgres cannot be reached, by one thread or the other. */
bool truth_is_up(const struct truth *truth);

#endif
