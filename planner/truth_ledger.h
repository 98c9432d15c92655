/* truth_ledger.h: what the truth thread is made of; for truth*.c only. One function per kind of
 * request, each a transaction (or the read-back of one whose outcome is unknown).
 *
 * All return 0, or -1 with PostgresUnavailable (nothing is decided: the request is executed again
 * from its start, so that each must be idempotent), OwnershipLost, or a refusal. A transaction that
 * is open when a function fails is rolled back by the caller. */
#ifndef SYNCLINE_PLANNER_TRUTH_LEDGER_H
#define SYNCLINE_PLANNER_TRUTH_LEDGER_H

#include "io/postgres.h"
#include "planner/truth.h"
#include "wire/message.h"

/* A session: the connection and who we are in it. */
struct ledger {
    struct postgres *postgres;
    const char *name; /* the planner's; borrowed */
    u64 planner;      /* its row; 0 = not registered yet. Survives connections */
    u64 locked;       /* the job whose row the transaction has locked; 0 = none */
    s64 locked_ms;    /* since then */
};

/* Phases of jobs that are active, for WHERE. */
#define ACTIVE_PHASES "('Queued', 'Probing', 'Running', 'Closing')"

/* Registers the planner (again, after a restored database), takes its advisory lock, listens. A
 * backend of ours that still lives is ended first: when the lock is taken every transaction of the
 * lost connection is decided. */
int ledger_open(struct ledger *ledger, struct err *err);
/* What holds on every session of the truth. */
int ledger_configure(struct postgres *postgres, struct err *err);
/* An orderly end: others need not wait for our leases. */
void ledger_close(struct ledger *ledger);

int ledger_claim(struct ledger *ledger, struct truth_request *request, struct err *err);
/* Waits for no row. On any session; `request` may be NULL. */
int ledger_renew(struct ledger *ledger, struct truth_request *request, struct err *err);
int ledger_begin_job(struct ledger *ledger, struct truth_request *request, struct err *err);
int ledger_opened(struct ledger *ledger, struct truth_request *request, struct err *err);
int ledger_split(struct ledger *ledger, struct truth_request *request, struct err *err);
int ledger_plan(struct ledger *ledger, struct truth_request *request, struct err *err);
int ledger_segment(struct ledger *ledger, struct truth_request *request, struct err *err);
int ledger_redo(struct ledger *ledger, struct truth_request *request, struct err *err);
int ledger_resolve(struct ledger *ledger, struct truth_request *request, struct err *err);
int ledger_feed(struct ledger *ledger, struct truth_request *request, struct err *err);
int ledger_close_next(struct ledger *ledger, struct truth_request *request, struct err *err);
int ledger_close_done(struct ledger *ledger, struct truth_request *request, struct err *err);
int ledger_phase(struct ledger *ledger, struct truth_request *request, struct err *err);
int ledger_end(struct ledger *ledger, struct truth_request *request, struct err *err);
int ledger_look(struct ledger *ledger, struct truth_request *request, struct err *err);
int ledger_asset(struct ledger *ledger, struct truth_request *request, struct err *err);
int ledger_retention(struct ledger *ledger, struct truth_request *request, struct err *err);

/* ---- shared by them ---- */

/* Begins a transaction, which may take its time, and locks the job's row; OwnershipLost if it is
 * not ours in this epoch. */
int ledger_lock_job(struct ledger *ledger, const struct truth_request *request, struct err *err);
/* The lease of a job whose row was locked for long is renewed along with it. */
int ledger_commit(struct ledger *ledger, struct err *err);
/* Adds `delta` (NULL = nothing) to the job's counters; *out (may be NULL) gets what they are now.
 */
int ledger_count(struct ledger *ledger, u64 job, const struct counters *delta, struct counters *out,
                 struct err *err);
/* The shard's row, locked. Internal if there is none. */
struct shard_state {
    u32 segments;
    enum feed feed;
    struct counters counters;
    bool recount; /* some rows were there before: `unchanged` follows from scanned and found */
};
int ledger_shard(struct ledger *ledger, const struct truth_request *request,
                 struct shard_state *out, struct err *err);
/* {"moved": 3, …}, without zeros, as jsonb_to_record reads it. */
void counters_json(const struct counters *counters, bool recount, struct buf *out);
/* Makes counters fit to be shown: while shards are redone `unchanged` may be below zero. */
void counters_show(struct counters *counters);
/* Adds to the objects of which something was not kept; value[n] is bit n. */
struct not_kept {
    s64 value[NOT_KEPT_COUNT];
};
void not_kept_add(struct not_kept *sum, u32 bits, s64 count);
int ledger_not_kept(struct ledger *ledger, u64 job, const struct not_kept *delta, struct err *err);
enum feed feed_by_name(const char *name); /* FEED_NONE for any other */
/* What a word of item_outcome or "found" counts as: enum counter, CLASS_FOUND (found, no more is
 * known yet), or CLASS_NONE. */
enum { CLASS_FOUND = COUNTER_COUNT, CLASS_NONE, CLASS_COUNT };
int class_by_name(const char *name);
/* Is it one of those that make up `found`? */
bool class_is_found(int class);
/* The shards of the job into request->shards: all, or the feeds only. */
int ledger_read_shards(struct ledger *ledger, struct truth_request *request, bool feeds,
                       struct err *err);
void truth_shards_free(struct truth_request *request);
void truth_batches_free(struct truth_request *request);
/* An event row, and NOTIFY syncline_job with the job's name. */
int ledger_announce(struct ledger *ledger, u64 job, const char *kind, const char *message,
                    struct err *err);
/* Text that Postgres takes: valid UTF-8 without NUL; other bytes are escaped. free() it. */
char *ledger_text(struct bytes text);
void truth_claims_free(struct truth_request *request);
void truth_owned_free(struct truth_request *request);
void truth_due_free(struct truth_request *request);
void truth_notes_free(struct truth_request *request);

/* Adds what the job has done to the sums that outlive it, in the transaction that ends it. */
int ledger_total(struct ledger *ledger, u64 job, struct err *err);

/* ---- states of assets ---- */

/* What is known of an asset now. */
struct asset_verdict {
    u64 asset;
    const char
        *address; /* that it is known of: an asset that was given another one is left alone */
    const char *state;
    const char *reason, *message; /* NULL: Ready */
    struct bytes identity;        /* kept if the asset has none yet; empty = not known */
    s64 bytes_free, bytes_total;  /* 0 and 0 = not known */
};
/* Writes it, with an event and NOTIFY syncline_asset (its name) if that is another state than
 * before, and adds a note to the request. */
int ledger_asset_set(struct ledger *ledger, struct truth_request *request,
                     const struct asset_verdict *verdict, struct err *err);
/* Of a job that ends: the asset that its reason is about is Failed with it; where the reason does
 * not say which, both are probed at once. */
int ledger_blame(struct ledger *ledger, struct truth_request *request, const char *message,
                 struct err *err);

/* ---- what resolving is made of ---- */

/* *held: the guard trips, and request->reason and message say why. False once it has let go. */
int ledger_guard(struct ledger *ledger, struct truth_request *request, bool *held, struct err *err);
/* Names that are not as request->plan lists them are left, and what it lists and nothing was found
 * of gets a row; the counters are what that changes. */
int ledger_plan_names(struct ledger *ledger, const struct truth_request *request,
                      struct counters *delta, struct err *err);
/* The inventory against the object rows of request->asset: what is missing, has drifted, is extra.
 */
int ledger_verify(struct ledger *ledger, const struct truth_request *request,
                  struct counters *delta, struct err *err);

/* ---- rows of a request, decoded ---- */

/* What a row becomes in the ledger; letters as in column `what` of table incoming. */
enum row_class {
    ROW_NONE = 0,        /* nothing: to be staged again, or superseded by a later row of its path */
    ROW_OBJECT = 'o',    /* put and proven: a row of `object` */
    ROW_ITEM = 'i',      /* any other outcome: a row of `item` */
    ROW_DIRECTORY = 'd', /* made, or found with other attributes: counted in the close */
    ROW_PASSED = 'p',    /* a directory that was only published into: not counted */
    ROW_UNCHANGED = 'u', /* turned out to be equal: counted, and no row */
};
struct ledger_row {
    struct rec_row row; /* borrows from the request's frames */
    u8 key[KEY_BYTES];
    enum row_class class;
};
struct ledger_rows {
    struct ledger_row *rows;
    u32 count;
    u32 of_class[128];
    bool duplicates; /* a path came more than once: the last row counts */
};
/* Protocol or InvalidPath: the whole request is refused. `closing`: every row is an item. */
int ledger_rows_decode(const struct truth_request *request, bool closing, struct ledger_rows *out,
                       struct err *err);
void ledger_rows_release(struct ledger_rows *rows);
/* Copies the objects among them (LEDGER_COPY_OBJECT). */
int ledger_rows_objects(struct ledger *ledger, const struct ledger_rows *rows,
                        const struct truth_request *request, struct err *err);
#define LEDGER_COPY_OBJECT                                                                         \
    "COPY object (asset, key, path, kind, size, mtime_ns, hash, checksum, not_kept, job, shard) "  \
    "FROM STDIN (FORMAT binary)"
/* Copies rows into the session's table `incoming`, emptied at each commit. */
int ledger_rows_load(struct ledger *ledger, const struct ledger_rows *rows, bool objects,
                     struct err *err);

/* ---- names of a request, decoded ---- */

struct ledger_name {
    struct rec_name name; /* borrows from the request's frames */
    u8 key[KEY_BYTES];
    bool superseded; /* by a later one of the same path */
};
struct ledger_names {
    struct ledger_name *names;
    u32 count; /* in order of their keys */
};
int ledger_names_decode(const struct truth_request *request, struct ledger_names *out,
                        struct err *err);
void ledger_names_release(struct ledger_names *names);
/* Copies them into the session's table `incoming_name`, emptied at each commit. */
int ledger_names_load(struct ledger *ledger, const struct ledger_names *names, struct err *err);
/* "link", "remove", "put" or "inventory". */
const char *ledger_name_operation(const struct rec_name *name);

/* ---- what a segment changes beside rows of object, item and directory (truth_pending.c) ---- */

struct tally {
    s64 value[CLASS_COUNT]; /* paths, by their class */
    s64 bytes_moved;        /* content of those that are `moved` */
    s64 bytes_found;        /* of those and of puts that came to nothing, or are to come */
    s64 bytes_proven;       /* of rows that say unchanged */
    struct not_kept not_kept;
};
/* Adds the classes of the paths in `from`, TALLY_ROWS or TALLY_NAMES, times `sign`. */
enum tally_of { TALLY_ROWS, TALLY_NAMES };
int tally_before(struct ledger *ledger, enum tally_of from, const struct truth_request *request,
                 s64 sign, struct tally *tally, struct err *err);
/* Rows of `incoming` reach table pending: what they finish, or take the place of. */
int pending_rows(struct ledger *ledger, const struct truth_request *request, enum feed feed,
                 struct err *err);
/* Names reach table pending; the tally is what they change. */
int pending_names(struct ledger *ledger, const struct truth_request *request,
                  const struct ledger_names *names, struct tally *tally, struct err *err);

#endif
