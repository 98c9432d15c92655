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
};

/* Phases of jobs that are active, for WHERE. */
#define ACTIVE_PHASES "('Queued', 'Probing', 'Running', 'Closing')"

/* Registers the planner (again, after a restored database), takes its advisory lock, listens. A
 * backend of ours that still lives is ended first: when the lock is taken every transaction of the
 * lost connection is decided. */
int ledger_open(struct ledger *ledger, struct err *err);
/* An orderly end: others need not wait for our leases. */
void ledger_close(struct ledger *ledger);

int ledger_claim(struct ledger *ledger, struct truth_request *request, struct err *err);
int ledger_renew(struct ledger *ledger, struct truth_request *request, struct err *err);
int ledger_begin_job(struct ledger *ledger, struct truth_request *request, struct err *err);
int ledger_opened(struct ledger *ledger, struct truth_request *request, struct err *err);
int ledger_split(struct ledger *ledger, struct truth_request *request, struct err *err);
int ledger_segment(struct ledger *ledger, struct truth_request *request, struct err *err);
int ledger_redo(struct ledger *ledger, struct truth_request *request, struct err *err);
int ledger_close_next(struct ledger *ledger, struct truth_request *request, struct err *err);
int ledger_close_done(struct ledger *ledger, struct truth_request *request, struct err *err);
int ledger_phase(struct ledger *ledger, struct truth_request *request, struct err *err);
int ledger_end(struct ledger *ledger, struct truth_request *request, struct err *err);

/* ---- shared by them ---- */

/* Begins a transaction and locks the job's row; OwnershipLost if it is not ours in this epoch. */
int ledger_lock_job(struct ledger *ledger, const struct truth_request *request, struct err *err);
int ledger_commit(struct ledger *ledger, struct err *err);
/* Adds `delta` (NULL = nothing) to the job's counters; *out (may be NULL) gets what they are now.
 */
int ledger_count(struct ledger *ledger, u64 job, const struct counters *delta, struct counters *out,
                 struct err *err);
/* The shard's row, locked. Internal if there is none. */
struct shard_state {
    u32 segments;
    struct counters counters;
    bool recount; /* some rows were there before: `unchanged` follows from scanned and found */
};
int ledger_shard(struct ledger *ledger, const struct truth_request *request,
                 struct shard_state *out, struct err *err);
/* {"moved": 3, …}, without zeros, as jsonb_to_record reads it. */
void counters_json(const struct counters *counters, bool recount, struct buf *out);
/* Makes counters fit to be shown: while shards are redone `unchanged` may be below zero. */
void counters_show(struct counters *counters);
/* An event row, and NOTIFY syncline_job with the job's name. */
int ledger_announce(struct ledger *ledger, u64 job, const char *kind, const char *message,
                    struct err *err);
/* Text that Postgres takes: valid UTF-8 without NUL; other bytes are escaped. free() it. */
char *ledger_text(struct bytes text);
void truth_claims_free(struct truth_request *request);

/* ---- rows of a request, decoded ---- */

/* What a row becomes in the ledger; letters as in column `what` of table incoming. */
enum row_class {
    ROW_NONE = 0,        /* nothing: to be staged again, or superseded by a later row of its path */
    ROW_OBJECT = 'o',    /* put and proven: a row of `object` */
    ROW_ITEM = 'i',      /* any other outcome: a row of `item` */
    ROW_DIRECTORY = 'd', /* made, or found with other attributes: counted in the close */
    ROW_PASSED = 'p',    /* a directory that was only published into: not counted */
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
/* Tuples for COPY object (LEDGER_COPY_OBJECT). */
void ledger_rows_objects(const struct ledger_rows *rows, const struct truth_request *request,
                         struct buf *out);
#define LEDGER_COPY_OBJECT                                                                         \
    "COPY object (asset, key, path, kind, size, mtime_ns, hash, checksum, not_kept, job, shard) "  \
    "FROM STDIN (FORMAT binary)"
/* Copies rows into the session's table `incoming`, emptied at each commit. */
int ledger_rows_load(struct ledger *ledger, const struct ledger_rows *rows, bool objects,
                     struct err *err);

#endif
