/* state.h: what the planner keeps in memory, all of it disposable.
 *
 *     planner ─┬─ workers     who said hello, what each holds            workers.c
 *              └─ jobs        those that this planner owns               job.c
 *                   ├─ assignments  messages that wait for an answer     assign.c
 *                   ├─ tokens       granted, not yet assigned            tokens.c
 *                   ├─ shards       subtrees: scan, counters, segment    shard.c, found.c,
 * segment.c │                and feeds of the close              feed.c └─ batches      stage →
 * prove → publish              batch.c */
#ifndef SYNCLINE_PLANNER_STATE_H
#define SYNCLINE_PLANNER_STATE_H

#include "asset/asset.h"
#include "base/random.h"
#include "io/bus.h"
#include "io/loop.h"
#include "planner/breaker.h"
#include "planner/spec.h"
#include "planner/truth.h"
#include "planner/view.h"
#include "schema/limits.h"
#include "wire/message.h"

#include <sys/queue.h>

/* ---- workers ---- */

struct worker {
    TAILQ_ENTRY(worker) link;
    u8 incarnation[INCARNATION_BYTES];
    struct peer peer; /* the connection that its last message came by */
    enum role role;
    char *name;
    char *host;
    u32 pid;
    u32 lanes;
    u32 held; /* assignments of all jobs */
    u32 busy; /* as it says in its beats */
    u64 done;
    u64 bytes;
    s64 seen_ms;
    s64 pinged_ms;
    char id[64];   /* as operators name it: name and the first hex digits of its incarnation */
    bool draining; /* it gets nothing new, but for what nobody else can do */
    bool drained;  /* and holds nothing any more: that was logged */
};
TAILQ_HEAD(worker_list, worker);

/* ---- assignments ---- */

struct job_batch;
struct large;
struct shard;

/* One message that waits for its answer. The answer is accepted once: it ends the assignment. */
struct assignment {
    TAILQ_ENTRY(assignment) link;
    u32 kind;     /* enum message_kind of what was sent */
    u32 sequence; /* with job and epoch, the token */
    struct worker *worker;
    struct job_batch *batch; /* stage, prove, publish, close; revoke: to be staged again after it */
    struct shard *shard;     /* scan */
    u32 first, count;        /* grant */
    u32 target;              /* revoke: the token */
    u32 part, area;          /* of a large file: which, and the token of its copy (large.h) */
    u64 progress;            /* as last listed */
    s64 listed_ms;           /* when it was last listed (or sent) */
    s64 progress_ms;         /* when its progress last moved */
};
TAILQ_HEAD(assignment_list, assignment);

/* ---- batches ---- */

enum step { STEP_STAGE, STEP_PROVE, STEP_PUBLISH, STEP_CLOSE, STEP_REVOKE, STEP_CHECK, STEP_PARTS };

/* waiting: to be assigned its step; otherwise an assignment has it. */
struct job_batch {
    TAILQ_ENTRY(job_batch) link;
    struct shard *shard; /* NULL: directories in the close */
    enum step step;
    bool waiting;
    u32 sequence; /* of its token; 0 = none yet */
    u32 items;
    u64 bytes;
    u32 attempt; /* 1, 2, … */
    u32 losses;
    bool blocked;      /* it is to be staged again as its place was full or away (places.c) */
    bool trial;        /* by it a place is tried */
    bool reported;     /* its place failed under it, which was counted when it was staged */
    s64 not_before_ms; /* a retry waits until then */
    bool in_order;  /* removals of several depths: its turn is when what is before it has ended */
    bool from_scan; /* it takes a place in the window of its scan */
    s64 floor_ns;   /* destination's clock, not after the start of its first publish, which may
                     * have been lost half way; 0 = nothing of it can be published yet */
    char *host;     /* of the mover that staged */
    s64 began_ns;   /* that host's boot clock before the first write */
    struct worker *mover; /* that staged it: preferred for publish; may be NULL */
    u32 hash;             /* STEP_CHECK: enum hash_kind of what was proven */
    struct large *large;  /* STEP_PARTS, and from there on; else NULL */
    struct buf dirs, records, staged, proven; /* body frames, as they came */
};
TAILQ_HEAD(batch_list, job_batch);

/* ---- segments ---- */

/* Where something of a segment was written, and since when. */
struct written {
    char *host;
    s64 began_ns;
    bool settled;
    u32 settle; /* sequence of the settle that covers it; 0 = none yet */
};

struct segment {
    struct buf *rows; /* row frames */
    u32 row_count;
    struct buf *names; /* name frames: what the close has to do */
    u32 name_count;
    u32 items;
    size_t bytes;
    struct written *written;
    u32 written_count;
    s64 floor_ns; /* destination's clock before its first publish; 0 = nothing in it */
};

/* ---- shards ---- */

enum shard_state {
    SHARD_PENDING,   /* to be scanned, or fed */
    SHARD_PREPARING, /* TRUTH_REDO is under way */
    SHARD_SCANNING,
    SHARD_FEEDING,  /* of the close: its batches come from the truth (feed.c) */
    SHARD_DRAINING, /* the scan ended well, the feed has no more; batches are on their way */
    SHARD_BROKEN,   /* the scan was lost or a settle failed: what is on its way ends, then again */
    SHARD_DONE,
};

struct shard {
    TAILQ_ENTRY(shard) link;
    u32 number;
    struct buf path;
    enum feed feed; /* FEED_NONE: a subtree that is scanned */
    enum shard_state state;
    u32 segments;           /* committed */
    s64 unsettled_since_ns; /* as committed */
    bool redo;              /* segments of an earlier scan are committed: count by rows */
    s64 put_again_ns;  /* 0, or: an earlier scan left what is not older than this unsettled. Its
                        * scan puts it again, and unsettled_since stays here until it is done */
    u32 redone;        /* how often */
    u32 failures;      /* settles and listings that were reported as failed: losses are none */
    s64 not_before_ms; /* its scan waits until then: a watcher had no room */

    /* the feed */
    struct buf cursor;
    bool feed_posted; /* TRUTH_FEED is under way */

    /* the scan */
    u32 scan;     /* sequence of its token */
    u32 received; /* all numbers up to this one came */
    u32 window_sent;
    u32 accepted_sent;
    u32 wanted_sent;
    bool scanned_whole; /* its last message came */
    u32 window_used;    /* batches of this scan that have not ended */
    u32 *splits;        /* numbers of splits whose shard row is not committed yet, ascending */
    u32 split_count;
    s64 scanned, unchanged, extra;                         /* of this scan, as reported */
    s64 counted_scanned, counted_unchanged, counted_extra; /* of them, in posted segments */
    u64 present;       /* entries at the destination, as `scanned` said */
    bool source_empty; /* of the root shard, as `scanned` said */

    u32 batches;             /* that have not ended */
    struct counters pending; /* what the next segment adds */
    struct counters posted;  /* what the one that is being committed adds */
    struct segment open;     /* collects rows */
    struct segment closing;  /* is settled, then committed */
    bool closing_active;
    bool closing_posted; /* the commit is with the truth */
    bool closing_last;   /* it ends the shard */
};
TAILQ_HEAD(shard_list, shard);

/* ---- jobs ---- */

enum job_state {
    JOB_PROBING,  /* both ends are asked; then TRUTH_BEGIN */
    JOB_REVOKING, /* taken over: tokens of earlier epochs are revoked before anything is scanned */
    JOB_RUNNING,
    JOB_WINDING_DOWN, /* it is to end early: what is on its way ends and is committed */
    JOB_CLOSING,      /* directories, deepest first */
    JOB_FINISHING,    /* the staging area goes, root attributes, settle */
    JOB_ENDING,       /* TRUTH_END is under way */
};

/* What the close has to do besides directories is decided once, by TRUTH_RESOLVE. */
enum resolving { RESOLVE_NONE, RESOLVE_POSTED, RESOLVE_DONE };

enum opening { OPENING_NONE, OPENING_WANTED, OPENING_SENT, OPENING_COMMITTING, OPENING_DONE };

/* What a mover of the job was told (pace.c). */
struct job_pace {
    struct worker *worker;
    u64 rate; /* bytes a second, as it was told; 0 = nothing yet */
    u32 weight;
    u32 idle;    /* heartbeats without anything to read */
    bool untold; /* what it should be told last could not be sent */
};

struct job {
    TAILQ_ENTRY(job) link;
    struct planner *planner;
    u64 id;
    u32 epoch;
    char *name;
    char *source;
    char *destination;
    char *source_name; /* of the asset */
    char *destination_name;
    u64 asset;
    bool adhoc;
    struct spec spec;
    struct limits limits; /* as they are now; those of the spec are of when it began */
    char *limits_text;
    struct job_pace *paces;
    u32 pace_count;
    u32 place_failures; /* in a row, that count, of a place that it uses */
    struct buf only;    /* dir frame: spec.only, the paths that are compared */
    enum job_state state;
    enum phase phase; /* as people see it */
    bool taken_over;
    bool was_opened; /* there may be a staging area, or directories to close, of an earlier epoch
                        too */
    bool create;     /* the mover that probes makes the destination if it is not there */
    bool upsert;     /* object rows may exist */
    u32 next_sequence;

    /* the probe */
    bool probe_sent[2], probed[2]; /* watcher, mover */
    bool probe_hangs;              /* one gave no answer, and none has come since */
    struct buf source_identity, destination_identity, source_place, destination_place;
    s64 retry_ms;    /* not before then */
    s64 start_by_ms; /* of a time of a plan that has not begun: until then it waits for its places,
                      * however often they fail (monotonic); 0 = none, or it has begun */
    s64 start_by_ns; /* the same, for people */
    bool begin_posted;
    u32 probe_failures;
    bool revoke_sent;

    enum opening opening;
    bool open_failed;
    s64 opened_ns;
    s64 clock_ns; /* the latest that the destination said of its clock */
    /* Granted and free, oldest first. Only the first `tokens_usable` may be assigned: after their
     * grant was acknowledged Postgres has said that the job is still ours. Whoever takes it over
     * later finds their directories, and revokes them. */
    u32 *tokens;
    u32 tokens_confirming; /* of them, those that the renewal under way will make usable */
    u32 tokens_usable;
    u32 token_count;
    u32 token_capacity;
    u32 granting;  /* asked for, not answered */
    bool renewing; /* the renewal under way was sent when we had it: that one may judge it */
    s64 owned_ms;  /* it was certainly ours in Postgres at this moment or later */

    struct assignment_list assignments;
    struct shard_list shards;
    u32 next_shard;
    struct batch_list batches;
    size_t held_bytes;        /* of rows in open and closing segments */
    u32 committing;           /* truth requests about shards and segments under way */
    struct counters counters; /* committed */

    enum resolving resolving;
    bool held;             /* the guard tripped: no removal is fed, and the job ends as Held */
    char *verdict_message; /* by what, or (dry run) by what it would; NULL = it did not */
    /* tokens that nobody uses any more, to be revoked when there is room; what is left of them goes
     * with the staging area */
    u32 *unused_tokens;
    u32 unused_count;

    /* settles: one at a time per host is enough; the next covers what came meanwhile */
    struct {
        struct worker *worker;
        s64 opened_ns;
    } * openers; /* movers and the age of their descriptors */
    u32 opener_count;

    bool close_posted;
    bool finish_sent;
    u32 finish;                 /* CLOSE_… */
    struct buf opened_identity; /* of the destination, when an earlier epoch began; empty = none
                                 * did */
    bool close_drained;
    bool close_given_up; /* what directories are left stay as they are */
    u32 closing_batches;

    s64 end_again_ms; /* 0, or: TRUTH_END was refused, and is posted again then */

    u32 fail_code; /* it ends early with this: 0 = no */
    char *fail_message;
    bool cancelled;
    char waiting_for[WAITING_FOR_BYTES];
    struct {
        s64 looked_ms, counted;
    } progress; /* when it was last looked for, and what was counted then */
    bool scan_complete;

    s64 started_ms;
    s64 rate_ms;
    s64 rate_bytes_last, rate_items_last;
    double rate_bytes, rate_items;
};
TAILQ_HEAD(job_list, job);

struct schedule;
struct place; /* places.c */
TAILQ_HEAD(place_list, place);

struct planner {
    const char *name;
    u8 incarnation[INCARNATION_BYTES];
    struct loop *loop;
    struct bus *bus;
    struct truth *truth;
    struct schedule *schedule;
    struct queue *answers;
    struct view *view;
    struct worker_list workers;
    struct job_list jobs;
    struct place_list places; /* that failed, and jobs wait for */
    struct assets *assets;
    struct metrics *metrics; /* NULL: nobody watches */
    u64 leases_expired;
    bool claiming; /* a TRUTH_CLAIM is under way */
    bool claim_again;
    bool looking; /* a TRUTH_LOOK is */
    bool look_again;
    bool retaining; /* a TRUTH_RETENTION is */
    s64 retain_ms;  /* the next one is due */
    s64 started_ms;
    bool renewing;
    s64 claim_sent_ms;
    s64 renew_sent_ms;
    bool stopping;
    s64 beat_ms;
    s64 renew_ms;
    s64 view_ms;
};

#endif
