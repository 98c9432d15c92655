/* shard.c: subtrees of a job and their scans.
 *
 * found, listed (found.c), split and scanned come numbered, without gaps; what is not the next
 * number is dropped and will be sent again. A split is acknowledged after its shard row is
 * committed. `through` tells the watcher what it can forget, how far it may go on (so that memory
 * is bounded whatever the tree), and how many subtrees others could take now.
 *
 * A shard whose scan was lost, or whose settle failed, is broken: no batch of it goes further, what
 * is in the hands of movers ends or is revoked, what was published is settled and committed, and
 * only then it is scanned again. */
#include "planner/planner.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/names.h"

#include <stdlib.h>

#define HELD_BYTES_MAX SEGMENT_BYTES
/* settles that fail again and again are a broken disk, not bad luck */
#define SHARD_REDONE_MAX 20

struct shard *shard_add(struct job *job, u32 number, struct bytes path)
{
    struct shard *shard = memory_or_die(sizeof *shard);

    shard->number = number;
    buf_append(&shard->path, path.data, path.size);
    TAILQ_INSERT_TAIL(&job->shards, shard, link);
    if (number >= job->next_shard)
        job->next_shard = number + 1;
    return shard;
}

struct shard *shard_restore(struct job *job, const struct truth_shard *row)
{
    struct shard *shard = shard_add(job, row->number, buf_bytes(&row->path));

    shard->feed = row->feed;
    shard->segments = row->segments;
    shard->unsettled_since_ns = row->unsettled_since_ns;
    /* a scan that was not begun in this epoch: of an earlier one, or left over by an earlier job */
    if (job->taken_over || row->feed == FEED_NONE)
        shard->put_again_ns = row->unsettled_since_ns;
    if (row->done)
        shard->state = SHARD_DONE;
    else if (row->segments > 0)
        shard->state = SHARD_BROKEN; /* its counting is set right before it is scanned again */
    return shard;
}

void shard_put_again(struct shard *shard, s64 since_ns)
{
    if (since_ns && (shard->put_again_ns == 0 || since_ns < shard->put_again_ns))
        shard->put_again_ns = since_ns;
}

void shard_destroy(struct shard *shard)
{
    buf_release(&shard->path);
    buf_release(&shard->cursor);
    free(shard->splits);
    free(shard);
}

struct shard *shard_by_number(struct job *job, u32 number)
{
    struct shard *shard;

    TAILQ_FOREACH(shard, &job->shards, link)
    if (shard->number == number)
        return shard;
    return NULL;
}

struct shard *shard_by_scan(struct job *job, u32 sequence)
{
    struct shard *shard;

    TAILQ_FOREACH(shard, &job->shards, link)
    if (shard->scan == sequence)
        return shard;
    return NULL;
}

/* ---- starting a scan ---- */

static u32 pending_shards(const struct job *job)
{
    const struct shard *shard;
    u32 count = 0;

    TAILQ_FOREACH(shard, &job->shards, link)
    count += shard->feed == FEED_NONE &&
             (shard->state == SHARD_PENDING || shard->state == SHARD_PREPARING);
    return count;
}

static void start_scan(struct job *job, struct shard *shard)
{
    struct worker *worker = worker_for_scan(job->planner);
    struct envelope envelope = {.message = {.kind = MSG_scan}, .bodies = 2};
    struct assignment *assignment;
    struct frame_writer writer;
    struct buf inner = {0};
    struct shard *other;
    u32 sequence;

    if (!worker || clock_monotonic_ms() < shard->not_before_ms ||
        !places_allow(job, USE_SCAN, NULL))
        return;
    sequence = job_sequence(job);
    frame_begin(&writer, &inner);
    TAILQ_FOREACH(other, &job->shards, link)
    if (other != shard && other->feed == FEED_NONE &&
        path_is_within(buf_bytes(&other->path), buf_bytes(&shard->path))) {
        struct rec_dir dir = {.path = buf_bytes(&other->path)};

        frame_add_dir(&writer, &dir);
    }
    frame_end(&writer);
    envelope.message.scan =
        (struct msg_scan){.job = job->id,
                          .epoch = job->epoch,
                          .sequence = sequence,
                          .shard = shard->number,
                          .path = buf_bytes(&shard->path),
                          .source = bytes_text(job->source),
                          .destination = bytes_text(job->destination),
                          .put_again_since_ns = shard->put_again_ns,
                          .window = SCAN_WINDOW,
                          .preserve = job->spec.preserve,
                          .flags = spec_scan_flags(&job->spec),
                          .source_identity = buf_bytes(&job->source_identity),
                          .destination_identity = buf_bytes(&job->destination_identity)};
    envelope.body[0] = buf_bytes(&inner);
    envelope.body[1] = buf_bytes(&job->spec.rules);
    if (job->spec.only)
        envelope.body[envelope.bodies++] = buf_bytes(&job->only);
    assignment = assign(job, worker, &envelope, sequence);
    buf_release(&inner);
    if (!assignment)
        return;
    places_sent(job, USE_SCAN, NULL);
    assignment->shard = shard;
    shard->state = SHARD_SCANNING;
    shard->scan = sequence;
    shard->received = shard->accepted_sent = 0;
    shard->window_used = shard->split_count = shard->wanted_sent = 0;
    shard->scanned_whole = false;
    shard->window_sent = SCAN_WINDOW;
    shard->scanned = shard->unchanged = shard->extra = 0;
    shard->counted_scanned = shard->counted_unchanged = shard->counted_extra = 0;
    log_write(LOG_DEBUG, job->name, EVENT_scan_started, "shard=%u path=%s worker=%s", shard->number,
              log_value(buf_bytes(&shard->path)), log_text(worker->name));
}

static void prepare_redo(struct job *job, struct shard *shard)
{
    struct truth_request *request = job_request(job, TRUTH_REDO);

    request->shard = shard->number;
    shard->state = SHARD_PREPARING;
    memset(&shard->pending, 0, sizeof shard->pending);
    job->committing++;
    job_post(job, request);
}

void shard_redo_ready(struct job *job, struct truth_request *answer)
{
    struct shard *shard = shard_by_number(job, answer->shard);

    job->committing--;
    job->counters = answer->counters;
    if (shard && shard->state == SHARD_PREPARING)
        shard->state = SHARD_PENDING;
}

/* A split that is on its way to Postgres counts: the new scan must not enter that subtree too. What
 * a feed has done does not come again, so that nothing of it is taken back. */
void shard_mend(struct job *job, struct shard *shard)
{
    if (shard->batches > 0 || shard->closing_active || !segment_is_empty(&shard->open) ||
        shard->split_count > 0 || shard->feed_posted)
        return;
    shard->redone++;
    if (shard->failures > SHARD_REDONE_MAX) { /* workers may be lost any number of times */
        job_fail(job, ERR_SettleFailed,
                 "a shard was scanned again and again without being settled");
        return;
    }
    log_write(LOG_INFO, job->name, EVENT_shard_redone, "shard=%u times=%u", shard->number,
              shard->redone);
    shard->redo = shard->segments > 0 && shard->feed == FEED_NONE;
    job->upsert = true; /* what this shard committed may be found again, also by one split off it */
    if (shard->redo) {
        prepare_redo(job, shard);
    } else {
        memset(&shard->pending, 0, sizeof shard->pending);
        shard->state = SHARD_PENDING;
    }
}

static void end_scan(struct job *job, struct shard *shard);

void shard_pump(struct job *job)
{
    struct shard *shard, *next;

    for (shard = TAILQ_FIRST(&job->shards); shard; shard = next) {
        next = TAILQ_NEXT(shard, link);
        if (shard->feed != FEED_NONE)
            continue;
        if (shard->state == SHARD_BROKEN && job->state == JOB_RUNNING)
            shard_mend(job, shard);
        if (shard->state == SHARD_PENDING && job->state == JOB_RUNNING)
            start_scan(job, shard);
        if (shard->state == SHARD_SCANNING && shard->scanned_whole)
            end_scan(job, shard);
        if (shard->state == SHARD_SCANNING)
            shard_through(job, shard, false);
    }
}

/* ---- its messages ---- */

static u32 safe_number(const struct shard *shard)
{
    return shard->split_count > 0 ? shard->splits[0] - 1 : shard->received;
}

void shard_through(struct job *job, struct shard *shard, bool force)
{
    struct assignment *assignment = assignment_find(job, shard->scan, MSG_scan);
    u32 accepted = safe_number(shard), window, wanted, lanes, waiting;
    struct envelope envelope = {.message = {.kind = MSG_through}};

    if (!assignment || shard->state != SHARD_SCANNING)
        return;
    window = shard->received + SCAN_WINDOW -
             (shard->window_used < SCAN_WINDOW ? shard->window_used : SCAN_WINDOW);
    /* rows that cannot be committed (Postgres is away) must not become ever more */
    if (window < shard->window_sent || job->held_bytes >= HELD_BYTES_MAX)
        window = shard->window_sent; /* what was given is not taken back */
    lanes = worker_free_scan_lanes(job->planner);
    waiting = pending_shards(job) + shard->split_count;
    wanted = lanes > waiting ? lanes - waiting : 0;
    if (!force && window - shard->window_sent < SCAN_WINDOW / 4 && wanted == shard->wanted_sent)
        return;
    if (accepted == shard->accepted_sent && window == shard->window_sent &&
        wanted == shard->wanted_sent)
        return;
    envelope.message.through = (struct msg_through){.job = job->id,
                                                    .epoch = job->epoch,
                                                    .sequence = shard->scan,
                                                    .accepted = accepted,
                                                    .window = window,
                                                    .wanted = wanted};
    shard->accepted_sent = accepted;
    shard->window_sent = window;
    shard->wanted_sent = wanted;
    (void)worker_send(job->planner, assignment->worker,
                      &envelope); /* a lost worker has been seen to */
}

/* The next number is taken; an old one is acknowledged again, one out of order waits to be sent
 * again. One beyond the window is not taken: what is kept here is bounded whatever a watcher sends.
 */
bool shard_take_number(struct job *job, struct shard *shard, u32 number)
{
    if (number > shard->window_sent)
        return false;
    if (number == shard->received + 1) {
        shard->received = number;
        return true;
    }
    if (number <= shard->received) {
        shard->accepted_sent = 0;
        shard_through(job, shard, true);
    }
    return false;
}

/* What the answer of TRUTH_SPLIT is about; freed with the answer. */
struct split_note {
    u32 scan;
    u32 number;
    s64 put_again_ns; /* what the parent's earlier scans left unsettled may be below the new shard
                       */
};

void shard_split(struct job *job, struct shard *shard, const struct msg_split *split)
{
    struct split_note *note;
    struct truth_request *request;

    if (!path_is_valid(split->path) || split->path.size == 0 ||
        !path_is_within(split->path, buf_bytes(&shard->path)) ||
        bytes_equal(split->path, buf_bytes(&shard->path))) {
        log_write(LOG_ERROR, job->name, EVENT_message_refused, "message=split path=%s",
                  log_value(split->path));
        return;
    }
    if (!shard_take_number(job, shard, split->number))
        return;
    shard->splits =
        memory_resize_or_die(shard->splits, (shard->split_count + 1) * sizeof *shard->splits);
    shard->splits[shard->split_count++] = split->number;
    request = job_request(job, TRUTH_SPLIT);
    request->shard = job->next_shard++;
    request->unsettled_since_ns = shard->put_again_ns ? shard->put_again_ns : job->opened_ns;
    note = memory_or_die(sizeof *note);
    *note = (struct split_note){
        .scan = shard->scan, .number = split->number, .put_again_ns = shard->put_again_ns};
    request->context = note;
    buf_append(&request->path, split->path.data, split->path.size);
    job->committing++;
    job_post(job, request);
    log_write(LOG_INFO, job->name, EVENT_shard_split, "shard=%u path=%s", request->shard,
              log_value(split->path));
}

void shard_split_committed(struct job *job, struct truth_request *answer)
{
    const struct split_note *note = answer->context;
    struct shard *parent = shard_by_scan(job, note->scan);
    struct shard *shard = shard_add(job, answer->shard, buf_bytes(&answer->path));

    job->committing--;
    shard->unsettled_since_ns = answer->unsettled_since_ns;
    shard->put_again_ns = note->put_again_ns;
    if (shard->unsettled_since_ns == 0 && job->opening == OPENING_DONE)
        shard->unsettled_since_ns = job->opened_ns;
    if (!parent)
        return;
    for (u32 i = 0; i < parent->split_count; i++)
        if (parent->splits[i] == note->number) {
            memmove(parent->splits + i, parent->splits + i + 1,
                    (parent->split_count - i - 1) * sizeof *parent->splits);
            parent->split_count--;
            break;
        }
    shard_through(job, parent, true);
}

/* The watcher of a scan that ended badly waits for its last message to be acknowledged, which
 * nobody will do: it is told to stop, or its lane is lost to everybody. */
static void release_watcher(struct job *job, struct shard *shard, struct assignment *assignment)
{
    struct envelope envelope = {.message = {.kind = MSG_stop}};
    struct worker *worker = assignment->worker;

    envelope.message.stop =
        (struct msg_stop){.job = job->id, .epoch = job->epoch, .sequence = shard->scan};
    assignment_end(job, assignment);
    (void)worker_send(job->planner, worker, &envelope); /* a lost worker has been seen to */
}

/* The root of a shard cannot be listed (any more): one item fails, or vanished; the rest goes on.
 */
static void end_unreadable(struct job *job, struct shard *shard, const struct msg_scanned *scanned)
{
    bool vanished = scanned->code == ERR_NotFound || scanned->code == ERR_Vanished;
    struct buf rows = {0};
    struct frame_writer writer;
    struct rec_row row = {.path = buf_bytes(&shard->path),
                          .kind = KIND_directory,
                          .operation = OPERATION_refuse,
                          .code = scanned->code,
                          .message = scanned->message,
                          .outcome = vanished ? OUTCOME_vanished : OUTCOME_failed};

    frame_begin(&writer, &rows);
    frame_add_row(&writer, &row);
    frame_end(&writer);
    shard->scanned = (s64)scanned->scanned + 1;
    shard->unchanged = (s64)scanned->unchanged;
    shard->pending.value[COUNTER_found]++;
    shard->pending.value[vanished ? COUNTER_vanished : COUNTER_failed]++;
    segment_add(job, shard, NULL, buf_bytes(&rows), 1, 0, NULL, 0);
    buf_release(&rows);
    shard->state = SHARD_DRAINING;
}

void shard_scanned(struct job *job, struct shard *shard, const struct msg_scanned *scanned)
{
    struct assignment *assignment = assignment_find(job, shard->scan, MSG_scan);
    struct buf text = {0};

    if (!assignment || !shard_take_number(job, shard, scanned->number))
        return;
    if (scanned->code != ERR_Ok) {
        buf_append(&text, scanned->message.data, scanned->message.size);
        release_watcher(job, shard, assignment);
        if (err_disposition_of(scanned->code) == DISPOSITION_GIVE_BACK ||
            (err_disposition_of(scanned->code) == DISPOSITION_RETRY &&
             ++shard->failures < ITEM_ATTEMPTS))
            shard_break(job, shard, false, buf_text(&text));
        else if (places_failed(job, USE_SCAN, scanned->code, buf_text(&text)))
            shard_break(job, shard, false, buf_text(&text));
        else if (shard->path.size == 0 || err_disposition_of(scanned->code) == DISPOSITION_JOB)
            job_fail(job, scanned->code == ERR_NotFound ? ERR_SourceMissing : scanned->code,
                     buf_text(&text));
        else
            end_unreadable(job, shard, scanned);
        buf_release(&text);
        return;
    }
    shard->scanned = (s64)scanned->scanned;
    shard->unchanged = (s64)scanned->unchanged;
    shard->extra = (s64)scanned->extra;
    shard->present = scanned->present;
    shard->source_empty = scanned->source_empty != 0;
    shard->scanned_whole = true;
    places_worked(job, USE_SCAN);
    /* the root's attributes are set when the staging area goes */
    if (scanned->root_differs && shard->path.size == 0 && job->opening == OPENING_NONE &&
        !job->spec.dry_run && !job->spec.verify)
        job->opening = OPENING_WANTED;
}

/* The last message came and every split before it is committed: the watcher is released. */
static void end_scan(struct job *job, struct shard *shard)
{
    struct assignment *assignment = assignment_find(job, shard->scan, MSG_scan);

    if (!shard->scanned_whole || shard->split_count > 0 || shard->state != SHARD_SCANNING)
        return;
    shard_through(job, shard, true);
    if (shard->state != SHARD_SCANNING)
        return; /* the watcher was lost at that moment, and the shard with it */
    if (assignment)
        assignment_end(job, assignment);
    shard->state = SHARD_DRAINING;
    log_write(LOG_DEBUG, job->name, EVENT_scan_ended, "shard=%u scanned=%lld unchanged=%lld",
              shard->number, (long long)shard->scanned, (long long)shard->unchanged);
}

void shard_break(struct job *job, struct shard *shard, bool unsettled, const char *why)
{
    struct assignment *assignment = assignment_find(job, shard->scan, MSG_scan);

    if (shard->state == SHARD_DONE || shard->state == SHARD_PENDING)
        return;
    log_write(LOG_WARN, job->name, EVENT_shard_redone, "shard=%u why=%s", shard->number,
              log_text(why));
    shard->state = SHARD_BROKEN;
    if (assignment)
        release_watcher(job, shard, assignment);
    shard->scanned_whole = false;
    if (unsettled)
        shard_put_again(shard, shard->unsettled_since_ns);
    batch_drop_waiting(job, shard);
}
