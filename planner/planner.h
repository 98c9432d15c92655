/* planner.h: what the parts of the planner do for each other; state.h has what they work on.
 *
 * One thread, event driven: a message, an answer of the truth, or a tick changes something, then
 * planner_pump moves what can move. Nothing here blocks. */
#ifndef SYNCLINE_PLANNER_PLANNER_H
#define SYNCLINE_PLANNER_PLANNER_H

#include "planner/state.h"

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
/* The same for what must be done though all that are left are to be drained. */
struct worker *worker_pick_any(struct planner *planner, enum role role, u32 spare);
/* For what a job needs to come to its end: of one that ends early, who is to be drained, too, if
 * there is nobody else. */
struct worker *worker_pick_mover(struct job *job);
bool worker_has_room(const struct worker *worker, u32 spare);
/* One that takes new work. */
bool worker_exists(struct planner *planner, enum role role);
/* It is to be drained, and neither this planner nor another one has anything there. */
bool worker_is_drained(const struct worker *worker);
/* Those that are to be drained, from now on: ids. */
void worker_drains(struct planner *planner, char *const *ids, u32 count);
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

/* ---- beginning.c: claim, probe, takeover ---- */

void job_claimed(struct planner *planner, const struct claimed_job *claim);
void job_probed(struct job *job, struct assignment *assignment, const struct msg_probed *probed);
void job_begun(struct job *job, struct truth_request *answer);
void beginning_pump(struct job *job);
/* With each heartbeat: a time of a plan that nobody could look for until its starting deadline. */
void beginning_tick(struct job *job, s64 now_ms);

/* ---- job.c ---- */

struct job *job_find(struct planner *planner, u64 id, u32 epoch);
void job_pump(struct job *job);
void job_tick(struct job *job, s64 now_ms);
/* It ends early with this reason; the first one counts. */
void job_fail(struct job *job, u32 code, const char *message);
void job_cancel(struct job *job);
/* Another planner has it: everything of it is forgotten. */
void job_abandon(struct job *job);
void job_destroy(struct job *job);
void job_ended(struct job *job);
void job_enter_phase(struct job *job, enum phase phase);
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
/* Nobody uses this token any more; it is revoked when there is room. */
void tokens_unused(struct job *job, u32 sequence);
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

/* ---- places.c: jobs that wait for a place that is full or away ---- */

/* Whether the job is one that waits at all. */
bool places_waits(const struct job *job);
/* It has not begun, and waits for a place: there is nothing of it to drive. */
bool places_hold(const struct job *job);
/* May this be sent? `batch`: what USE_CONTENT is about, else NULL. */
bool places_allow(struct job *job, enum place_use use, const struct job_batch *batch);
/* It was sent. */
void places_sent(struct job *job, enum place_use use, struct job_batch *batch);
/* A use failed with this code. True: the job waits, and does it again when places_allow says so.
 * False: the code is of no place, or the job does not wait (any more). */
bool places_failed(struct job *job, enum place_use use, u32 code, const char *message);
/* A failure now would not end the job. */
bool places_may_fail(struct job *job);
/* A use worked that may have been the trial; USE_CONTENT: of a batch that was it. */
void places_worked(struct job *job, enum place_use use);
/* With each heartbeat. */
void places_tick(struct planner *planner);
/* What it waits for; false if for no place. */
bool places_describe(const struct job *job, char *out, size_t size);
void places_destroy_all(struct planner *planner);

/* ---- pace.c: bandwidth and lanes of a job ---- */

/* Of `limit`, for `weight` of `total`. Pure. */
u64 pace_share(u64 limit, u32 weight, u32 total);
/* Before a stage or part is sent to this mover: it knows its pace. */
void pace_before(struct job *job, struct worker *worker);
/* With each heartbeat. */
void pace_tick(struct job *job);
/* The limits of the synchronization, as they are now ("" = none). */
void pace_limits(struct job *job, const char *json);
/* The job ends early: what waits for its pace is given back. */
void pace_over(struct job *job);
void pace_forget_worker(struct job *job, const struct worker *worker);
/* One more task of a mover fits its limit. */
bool pace_has_lane(const struct job *job);

/* ---- shard.c ---- */

struct shard *shard_add(struct job *job, u32 number, struct bytes path);
struct shard *shard_by_number(struct job *job, u32 number);
/* The one whose scan has, or had last, this token. */
struct shard *shard_by_scan(struct job *job, u32 sequence);
void shard_pump(struct job *job);
/* The row of a shard, as Postgres has it. */
struct shard *shard_restore(struct job *job, const struct truth_shard *row);
void shard_split(struct job *job, struct shard *shard, const struct msg_split *split);
void shard_scanned(struct job *job, struct shard *shard, const struct msg_scanned *scanned);
void shard_split_committed(struct job *job, struct truth_request *answer);
void shard_redo_ready(struct job *job, struct truth_request *answer);
/* The scan was lost, or a settle failed (`unsettled`): the shard is scanned again. */
void shard_break(struct job *job, struct shard *shard, bool unsettled, const char *why);
/* The next number of the scan is taken; see shard.c. */
bool shard_take_number(struct job *job, struct shard *shard, u32 number);
/* A broken shard of which nothing is on its way any more goes back to the beginning. */
void shard_mend(struct job *job, struct shard *shard);
/* Says how far the scan's messages were taken; `force` also if little has changed. */
void shard_through(struct job *job, struct shard *shard, bool force);
/* What was published since then (0 = nothing) may be in no segment: the next scan puts it again. */
void shard_put_again(struct shard *shard, s64 since_ns);
void shard_destroy(struct shard *shard);

/* ---- found.c: what scans name ---- */

void shard_found(struct job *job, struct shard *shard, const struct envelope *envelope);
/* Items of its scan are carried. */
void shard_carry(struct job *job, struct shard *shard, struct bytes dirs, struct bytes records,
                 u32 items, u64 bytes);
void shard_listed(struct job *job, struct shard *shard, const struct envelope *envelope);

/* ---- plan.c: dry runs, and what cannot be carried ---- */

/* Rows that say what would be done, or why it cannot be, instead of a batch. */
void plan_batch(struct job *job, struct shard *shard, const struct batch *batch);
/* Rows of the items that are not kept, with the codes of `planned`: they are left as they are. */
void plan_leave(struct job *job, struct shard *shard, const struct batch *batch,
                const struct truth_planned *planned, const bool *keep);

/* ---- planned.c: what a dry run listed, and nothing else ---- */

/* Has a batch that was found compared with the list; what is as listed goes on with the answer. */
void planned_ask(struct job *job, struct shard *shard, const struct envelope *envelope,
                 const struct batch *decoded);
void planned_answer(struct job *job, struct truth_request *answer);

/* ---- feed.c: what the close has to do with names ---- */

/* Scans are done: resolves, then feeds one shard after the other. True when nothing is left. */
bool feed_pump(struct job *job);
void feed_resolved(struct job *job, struct truth_request *answer);
void feed_next(struct job *job, struct truth_request *answer);

/* ---- batch.c ---- */

struct job_batch *batch_new(struct job *job, struct shard *shard, struct bytes dirs,
                            struct bytes records, u32 items, u64 bytes);
void batch_pump(struct job *job);
/* It goes on to publish; if its place failed under it, that is counted now. */
void batch_note_staged(struct job *job, struct job_batch *batch);
void batch_staged(struct job *job, struct assignment *assignment, const struct envelope *envelope);
void batch_proven(struct job *job, struct assignment *assignment, const struct envelope *envelope);
void batch_published(struct job *job, struct assignment *assignment,
                     const struct envelope *envelope);
void batch_checked(struct job *job, struct assignment *assignment, const struct envelope *envelope);
/* A new batch of only those items; it takes a place as batch_take_place says. NULL: the job failed.
 */
struct job_batch *batch_part(struct job *job, struct job_batch *batch, const bool *keep);
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

/* ---- verdict.c: what a frame of rows says, checked against its batch ---- */

struct verdict {
    bool again[BATCH_ITEMS];
    bool seen[BATCH_ITEMS];
    u32 again_count;
    u32 answered;
    struct counters counters; /* moved, linked, … and bytes_moved */
    u32 job_code;             /* of a row that ends the job */
    char job_message[ERR_TEXT_SIZE];
    /* of those again: what failed for its place, and costs no attempt */
    bool blocked[BATCH_ITEMS];
    u32 blocked_count;
    u32 place_code;
    char place_message[ERR_TEXT_SIZE];
};
/* -1: it does not fit. */
int verdict_read(const struct job *job, const struct job_batch *batch, struct bytes rows,
                 struct verdict *out);

/* ---- segment.c ---- */

/* Names of a scan, for the close; `items` of them count as found. */
void segment_add_names(struct job *job, struct shard *shard, struct bytes names, u32 count);
bool segment_is_empty(const struct segment *segment);
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
/* The mover on that host with the oldest descriptor; NULL if none is older than the first write. */
struct worker *segment_settler(const struct job *job, const struct written *written);
void segment_forget_worker(struct job *job, const struct worker *worker);

/* ---- closing.c ---- */

void closing_pump(struct job *job);
void closing_next(struct job *job, struct truth_request *answer);
void closing_done(struct job *job, struct truth_request *answer);
/* The end of a job that is not fit to begin, and was opened in an earlier epoch. */
void closing_unbegun(struct job *job);
/* Directories cannot be closed any more: those that wait are left, the staging area goes. */
void closing_give_up(struct job *job);
void closing_closed(struct job *job, struct assignment *assignment,
                    const struct envelope *envelope);

/* ---- progress.c ---- */

/* Says in Postgres that the job goes on, if it does, every PROGRESS_MS at most. */
void progress_tick(struct job *job, s64 now_ms);

/* ---- assets.c: is what is defined there? ---- */

struct assets *assets_new(void);
void assets_destroy(struct assets **assets);
/* Asks about those that are due, as the truth said. */
void assets_due(struct planner *planner, const struct truth_request *answer);
/* Asks again, elsewhere, or gives up. */
void assets_tick(struct planner *planner, s64 now_ms);
void assets_probed(struct planner *planner, const struct worker *worker,
                   const struct msg_asset_probed *probed);
/* The worker had no room for the question. */
void assets_busy(struct planner *planner, const struct worker *worker, u32 sequence);
void assets_forget_worker(struct planner *planner, const struct worker *worker);
/* States that were written: told to people. */
void assets_tell(struct planner *planner, const struct truth_request *answer);

/* ---- plans.c: times of plans, as the scheduler's thread has decided them ---- */

/* What was started, skipped, or waits: told to people. */
void plans_tell(struct planner *planner, const struct truth_request *answer);

/* ---- receive.c, snapshot.c ---- */

void receive_messages(void *planner);
void receive_answers(void *planner);
void snapshot_post(struct planner *planner);
void snapshot_metrics(struct planner *planner);

#endif
