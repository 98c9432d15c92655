/* planner.h: what the planner keeps in memory, all of it disposable.
 *
 *     planner ─┬─ workers     who said hello, what each holds            workers.c
 *              └─ jobs        those that this planner owns               job.c
 *                   ├─ assignments  messages that wait for an answer     assign.c
 *                   ├─ tokens       granted, not yet assigned            tokens.c
 *                   ├─ shards       subtrees: scan, counters, segment    shard.c, segment.c
 *                   └─ batches      stage → prove → publish              batch.c
 *
 * One thread, event driven: a message, an answer of the truth, or a tick changes something, then
 * planner_pump moves what can move. Nothing here blocks. */
#ifndef SYNCLINE_PLANNER_PLANNER_H
#define SYNCLINE_PLANNER_PLANNER_H

#include "asset/asset.h"
#include "base/random.h"
#include "io/bus.h"
#include "io/loop.h"
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
};
TAILQ_HEAD(worker_list, worker);

/* ---- assignments ---- */

struct job_batch;
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
    s64 not_before_ms; /* a retry waits until then */
    bool from_scan;    /* it takes a place in the window of its scan */
    s64 floor_ns;      /* destination's clock, not after the start of its first publish, which may
                        * have been lost half way; 0 = nothing of it can be published yet */
    char *host;        /* of the mover that staged */
    s64 began_ns;      /* that host's boot clock before the first write */
    struct worker *mover; /* that staged it: preferred for publish; may be NULL */
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
    u32 items;
    size_t bytes;
    struct written *written;
    u32 written_count;
    s64 floor_ns; /* destination's clock before its first publish; 0 = nothing in it */
};

/* ---- shards ---- */

enum shard_state {
    SHARD_PENDING,   /* to be scanned */
    SHARD_PREPARING, /* TRUTH_REDO is under way */
    SHARD_SCANNING,
    SHARD_DRAINING, /* the scan ended well; batches are on their way */
    SHARD_BROKEN,   /* the scan was lost or a settle failed: what is on its way ends, then again */
    SHARD_DONE,
};

struct shard {
    TAILQ_ENTRY(shard) link;
    u32 number;
    struct buf path;
    enum shard_state state;
    u32 segments;           /* committed */
    s64 unsettled_since_ns; /* as committed */
    bool redo;              /* segments of an earlier scan are committed: count by rows */
    s64 put_again_ns; /* 0, or: an earlier scan left what is not older than this unsettled. Its
                       * scan puts it again, and unsettled_since stays here until it is done */
    u32 redone;       /* how often */
    u32 failures;     /* settles and listings that were reported as failed: losses are none */

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

enum opening { OPENING_NONE, OPENING_WANTED, OPENING_SENT, OPENING_COMMITTING, OPENING_DONE };

struct job {
    TAILQ_ENTRY(job) link;
    struct planner *planner;
    u64 id;
    u32 epoch;
    char *name;
    char *source;
    char *destination;
    u64 asset;
    u32 hash;
    u32 durability;
    enum job_state state;
    enum phase phase; /* as people see it */
    bool taken_over;
    bool was_opened; /* there may be a staging area, or directories to close, of an earlier epoch
                        too */
    bool upsert;     /* object rows may exist */
    u32 next_sequence;

    /* the probe */
    bool probe_sent[2], probed[2]; /* watcher, mover */
    struct buf source_identity, destination_identity, source_place, destination_place;
    s64 retry_ms; /* not before then */
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
    u32 granting; /* asked for, not answered */
    s64 owned_ms; /* it was certainly ours in Postgres at this moment or later */

    struct assignment_list assignments;
    struct shard_list shards;
    u32 next_shard;
    struct batch_list batches;
    size_t held_bytes;        /* of rows in open and closing segments */
    u32 committing;           /* truth requests about shards and segments under way */
    struct counters counters; /* committed */

    /* settles: one at a time per host is enough; the next covers what came meanwhile */
    struct {
        struct worker *worker;
        s64 opened_ns;
    } * openers; /* movers and the age of their descriptors */
    u32 opener_count;

    bool close_posted;
    bool finish_sent;
    bool close_drained;
    bool close_given_up; /* what directories are left stay as they are */
    u32 closing_batches;

    s64 end_again_ms; /* 0, or: TRUTH_END was refused, and is posted again then */

    u32 fail_code; /* it ends early with this: 0 = no */
    char *fail_message;
    bool cancelled;
    char waiting_for[128];
    bool scan_complete;

    s64 started_ms;
    s64 rate_ms;
    s64 rate_bytes_last, rate_items_last;
    double rate_bytes, rate_items;
};
TAILQ_HEAD(job_list, job);

struct planner {
    const char *name;
    u8 incarnation[INCARNATION_BYTES];
    struct loop *loop;
    struct bus *bus;
    struct truth *truth;
    struct queue *answers;
    struct view *view;
    struct worker_list workers;
    struct job_list jobs;
    bool claiming; /* a TRUTH_CLAIM is under way */
    bool claim_again;
    bool renewing;
    s64 claim_sent_ms;
    s64 renew_sent_ms;
    bool stopping;
    s64 beat_ms;
    s64 renew_ms;
    s64 view_ms;
};

/* Moves everything that can move. Called after every event. */
void planner_pump(struct planner *planner);

/* ---- workers.c ---- */

/* Handlers of hello, beat and bye; `who` and `refused` are sent from here. */
void worker_hello(struct planner *planner, const struct peer *peer, const struct msg_hello *hello);
void worker_beat(struct planner *planner, const struct peer *peer, const struct envelope *beat);
void worker_bye(struct planner *planner, const struct msg_bye *bye);
struct worker *worker_by_peer(struct planner *planner, const struct peer *peer);
/* The least loaded one that has room, NULL if there is none. `spare`: how much of the credit is to
 * be left for control messages. */
struct worker *worker_pick(struct planner *planner, enum role role, u32 spare);
bool worker_has_room(const struct worker *worker, u32 spare);
bool worker_exists(struct planner *planner, enum role role);
u32 worker_free_scan_lanes(struct planner *planner);
struct worker *worker_for_scan(struct planner *planner);
/* Pings each; those that cannot be reached, or were silent for LEASE_MS, are lost. */
void worker_tick(struct planner *planner);
/* Sends; an unreachable worker is lost (-1), and what it held lapses. */
int worker_send(struct planner *planner, struct worker *worker, const struct envelope *envelope);
void worker_destroy_all(struct planner *planner);

/* ---- assign.c ---- */

/* Sends a message of the job to a worker and remembers it until it is answered. NULL: not sent. The
 * header's token fields are filled by the caller with `sequence`. */
struct assignment *assign(struct job *job, struct worker *worker, const struct envelope *envelope,
                          u32 sequence);
/* The open assignment of (sequence, kind) held by that worker; NULL: the answer is of the past. */
struct assignment *assignment_find(struct job *job, u32 sequence, u32 kind);
/* It was answered: forgets it. */
void assignment_end(struct job *job, struct assignment *assignment);
/* It will not be answered: what it was for is done again, by somebody else. */
void assignment_lapse(struct job *job, struct assignment *assignment, const char *why);
/* Lapses those that are not listed, or do not move. */
void assignment_tick(struct job *job, s64 now_ms);
void assignment_lapse_worker(struct planner *planner, struct worker *worker);
void assignment_drop_all(struct job *job);

/* ---- job.c ---- */

void job_claimed(struct planner *planner, const struct claimed_job *claim);
struct job *job_find(struct planner *planner, u64 id, u32 epoch);
void job_pump(struct job *job);
void job_tick(struct job *job, s64 now_ms);
/* It ends early with this reason; the first one counts. */
void job_fail(struct job *job, u32 code, const char *message);
void job_cancel(struct job *job);
/* Another planner has it: everything of it is forgotten. */
void job_abandon(struct job *job);
void job_destroy(struct job *job);
void job_probed(struct job *job, struct assignment *assignment, const struct msg_probed *probed);
void job_begun(struct job *job, struct truth_request *answer);
void job_ended(struct job *job);
u32 job_sequence(struct job *job);
/* A new request about this job for the truth. */
struct truth_request *job_request(struct job *job, enum truth_kind kind);
void job_post(struct job *job, struct truth_request *request);

/* ---- tokens.c ---- */

void tokens_pump(struct job *job);
/* Takes a free granted token; 0 if there is none now. */
u32 tokens_take(struct job *job);
/* A renewal of the job's lease is sent; it came back, and the job is ours. */
void tokens_confirm(struct job *job);
void tokens_confirmed(struct job *job);
/* What was granted can be assigned; nothing may be published before the opening is committed. */
bool tokens_may_publish(const struct job *job);
/* Sends a revoke of the batch's token; the batch goes on as STEP_STAGE (or CLOSE) when it is
 * revoked. With batch NULL: cleans a token up that nobody uses. */
void tokens_revoke(struct job *job, u32 sequence, struct job_batch *batch);
void tokens_opened(struct job *job, struct assignment *assignment, const struct msg_opened *opened);
void tokens_open_committed(struct job *job);
void tokens_granted(struct job *job, struct assignment *assignment,
                    const struct msg_granted *granted);
void tokens_revoked(struct job *job, struct assignment *assignment,
                    const struct msg_revoked *revoked);

/* Its worker was lost: counts, and does the step again or has its token revoked first. */
void batch_lost(struct job *job, struct job_batch *batch, enum step step, u32 sequence);
/* Its token is gone for certain: it waits to be staged again under a new one. */
void batch_restart(struct job *job, struct job_batch *batch);

/* ---- shard.c ---- */

struct shard *shard_add(struct job *job, u32 number, struct bytes path);
struct shard *shard_by_number(struct job *job, u32 number);
/* The one whose scan has, or had last, this token. */
struct shard *shard_by_scan(struct job *job, u32 sequence);
void shard_pump(struct job *job);
void shard_found(struct job *job, struct shard *shard, const struct envelope *envelope);
void shard_split(struct job *job, struct shard *shard, const struct msg_split *split);
void shard_scanned(struct job *job, struct shard *shard, const struct msg_scanned *scanned);
void shard_split_committed(struct job *job, struct truth_request *answer);
void shard_redo_ready(struct job *job, struct truth_request *answer);
/* The scan was lost, or a settle failed (`unsettled`): the shard is scanned again. */
void shard_break(struct job *job, struct shard *shard, bool unsettled, const char *why);
/* Says how far the scan's messages were taken; `force` also if little has changed. */
void shard_through(struct job *job, struct shard *shard, bool force);
/* What was published since then (0 = nothing) may be in no segment: the next scan puts it again. */
void shard_put_again(struct shard *shard, s64 since_ns);
void shard_destroy(struct shard *shard);

/* ---- batch.c ---- */

struct job_batch *batch_new(struct job *job, struct shard *shard, struct bytes dirs,
                            struct bytes records, u32 items, u64 bytes);
void batch_pump(struct job *job);
void batch_staged(struct job *job, struct assignment *assignment, const struct envelope *envelope);
void batch_proven(struct job *job, struct assignment *assignment, const struct envelope *envelope);
void batch_published(struct job *job, struct assignment *assignment,
                     const struct envelope *envelope);
/* A batch whose job winds down or whose shard is broken goes no further: what it would do is not
 * wanted, or will be found again. */
bool batch_is_unwanted(const struct job *job, const struct job_batch *batch);
/* What is made of a batch takes a place in its scan's window too (or it would not be bounded), and
 * may have been published in part. */
void batch_take_place(struct job_batch *made, const struct job_batch *batch);
/* It ends without an answer: what a lost publish of it may have published is in no segment, so that
 * the next scan of its shard puts it again. */
void batch_give_up(struct job *job, struct job_batch *batch);
/* It has ended, well or not; frees it. */
void batch_end(struct job *job, struct job_batch *batch);
/* Forgets batches that no assignment has, of this shard or (NULL) of all: they will be found again.
 */
void batch_drop_waiting(struct job *job, struct shard *shard);

/* ---- segment.c ---- */

/* Rows of a published batch, and where and when they were written. */
void segment_add(struct job *job, struct shard *shard, const struct job_batch *batch,
                 struct bytes rows, u32 items, s64 floor_ns, const char *host, s64 began_ns);
void segment_pump(struct job *job);
void segment_settled(struct job *job, struct assignment *assignment,
                     const struct msg_settled *settled);
void segment_committed(struct job *job, struct truth_request *answer);
void segment_discard(struct job *job, struct segment *segment);
/* Nothing of any shard is collected, settled or committed. */
bool segment_all_idle(const struct job *job);
/* This mover's descriptor of the destination is as old as this. */
void segment_opener(struct job *job, struct worker *worker, s64 opened_ns);
void segment_forget_worker(struct job *job, const struct worker *worker);

/* ---- closing.c ---- */

void closing_pump(struct job *job);
void closing_next(struct job *job, struct truth_request *answer);
void closing_done(struct job *job, struct truth_request *answer);
/* Directories cannot be closed any more: those that wait are left, the staging area goes. */
void closing_give_up(struct job *job);
void closing_closed(struct job *job, struct assignment *assignment,
                    const struct envelope *envelope);

/* ---- receive.c, snapshot.c ---- */

void receive_messages(void *planner);
void receive_answers(void *planner);
void snapshot_post(struct planner *planner);

#endif
