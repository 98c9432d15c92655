/* view.c: the thread of view.h: what is to be written, when, and what if Redis does not take it.
 *
 * How: the loop leaves its latest snapshot and a few events under a mutex; the thread takes them
 * and writes, at most ten times a second and less often when there is much. A failure is logged
 * once, and tried again after a pause; what was not written by then is in the next snapshot or in
 * Postgres. */
#include "planner/view.h"

#include "base/clock.h"
#include "base/log.h"
#include "planner/view_writer.h"
#include "schema/limits.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#define CHECK_MS 1000 /* is the view still there? */
#define PRUNE_MS 10000
#define PAUSE_LEAST_MS 250 /* after a failure */
#define PAUSE_MOST_MS 2000
#define ENTRIES_MOST                                                                               \
    1000             /* kept while Redis is away, or slower than they come; older ones are in      \
                      * Postgres */
#define MS_PER_KEY 1 /* a snapshot of n keys is written at most once in n ms */

struct view {
    char *redis_url; /* NULL = no view, no thread */
    char *database_url;
    char *planner;
    pthread_t thread;
    atomic_bool up;

    pthread_mutex_t mutex;
    pthread_cond_t changed;       /* CLOCK_MONOTONIC */
    struct view_snapshot *latest; /* not taken yet */
    struct view_entry *entries;   /* ring of ENTRIES_MOST */
    u32 entry_first, entry_count;
    bool overflowed; /* some were dropped: what they said is read from Postgres */
    bool stopping;

    /* of the thread only */
    struct view_writer writer;
    struct view_snapshot *written;
    bool stale;    /* a write failed: what is there may be out of date */
    bool degraded; /* logged */
    s64 checked_ms, pruned_ms, pause_ms;
};

void view_snapshot_destroy(struct view_snapshot **snapshot)
{
    if (!*snapshot)
        return;
    free((*snapshot)->jobs);
    free((*snapshot)->workers);
    free((*snapshot)->batches);
    free(*snapshot);
    *snapshot = NULL;
}

static void entry_release(struct view_entry *entry)
{
    free(entry->asset);
    free(entry->job);
    free(entry->event);
    free(entry->message);
    *entry = (struct view_entry){0};
}

/* ---- writing ---- */

static int ensure_view(struct view *view, struct err *err)
{
    struct view_writer *writer = &view->writer;
    s64 now = clock_monotonic_ms();
    u32 jobs;
    int current;

    if (!writer->redis) {
        if (writer_connect(writer, view->redis_url, err) < 0)
            return -1;
        view->checked_ms = 0;
    }
    if (view->checked_ms && now - view->checked_ms < CHECK_MS)
        return 0;
    view->checked_ms = now;
    current = writer_is_current(writer, err);
    if (current < 0)
        return -1;
    if (current && !view->stale)
        return 0;
    if (writer_rebuild(writer, &jobs, err) < 0) {
        view->stale = true;
        /* without Postgres what goes on is shown all the same, and the rest when it is back */
        return err->code == ERR_RedisUnavailable ? -1 : 0;
    }
    view->stale = false;
    view_snapshot_destroy(&view->written); /* all of the next one is new */
    log_write(LOG_INFO, NULL, EVENT_view_rebuilt, "jobs=%u", jobs);
    return 0;
}

static void write_entry(struct view_writer *writer, const struct view_entry *entry)
{
    enum phase phase;

    if (entry->asset) {
        writer_asset_row(writer, entry->asset);
        return;
    }
    phase = phase_by_name(entry->event);
    if (!writer->refilled)
        writer_event(writer, entry);
    if (!phase)
        return;
    /* of a time of a plan no snapshot knows, and by now another planner may have claimed its job:
     * what its row says goes */
    if (phase != PHASE_Queued)
        writer_place_job(writer, entry->job, phase, entry->at_ms);
    /* the last snapshot that had the job did not know how it ended */
    if (phase_has_ended(phase) || phase == PHASE_Queued)
        writer_job_row(writer, entry->job, phase_has_ended(phase));
}

static int write_all(struct view *view, struct view_snapshot *snapshot, struct view_entry *entries,
                     u32 count, struct err *err)
{
    struct view_writer *writer = &view->writer;
    s64 now = clock_monotonic_ms();

    writer->refilled = false;
    if (ensure_view(view, err) < 0)
        return -1;
    if (snapshot)
        writer_snapshot(writer, snapshot, view->written);
    for (u32 i = 0; i < count; i++)
        write_entry(writer, &entries[i]);
    if (redis_flush(writer->redis, err) < 0)
        return -1;
    if (now - view->pruned_ms < PRUNE_MS)
        return 0;
    view->pruned_ms = now;
    return writer_prune(writer, err);
}

static void note_success(struct view *view)
{
    if (!atomic_load(&view->up))
        log_write(LOG_INFO, NULL, EVENT_connected, "service=redis");
    atomic_store(&view->up, true);
    view->degraded = false;
    view->pause_ms = 0;
}

static void note_failure(struct view *view, const struct err *err)
{
    if (!view->degraded)
        log_write(LOG_WARN, NULL, EVENT_degraded, "service=redis code=%s message=%s",
                  err_name(err->code), log_text(err->text));
    view->degraded = true;
    view->stale = true;
    view->checked_ms = 0;
    atomic_store(&view->up, false);
    if (view->writer.redis && !redis_is_alive(view->writer.redis))
        writer_disconnect(&view->writer);
    view->pause_ms = view->pause_ms ? view->pause_ms * 2 : PAUSE_LEAST_MS;
    if (view->pause_ms > PAUSE_MOST_MS)
        view->pause_ms = PAUSE_MOST_MS;
}

/* ---- the thread ---- */

/* With the mutex held: waits until `deadline_ms`, or the end, or (if `any`) something to write. */
static void wait_locked(struct view *view, s64 deadline_ms, bool any)
{
    struct timespec deadline = {.tv_sec = deadline_ms / 1000,
                                .tv_nsec = deadline_ms % 1000 * NS_PER_MS};
    int rc = 0;

    while (rc == 0 && !view->stopping && !(any && (view->latest || view->entry_count > 0)))
        rc = pthread_cond_timedwait(&view->changed, &view->mutex, &deadline);
}

/* With the mutex held: the oldest entries, taken out of the ring. */
static u32 take_entries(struct view *view, struct view_entry *out)
{
    u32 count = view->entry_count;

    for (u32 i = 0; i < count; i++)
        out[i] = view->entries[(view->entry_first + i) % ENTRIES_MOST];
    view->entry_count = 0;
    return count;
}

/* With the mutex held: puts entries that could not be written back in front, as far as there is
 * room. */
static void return_entries(struct view *view, struct view_entry *entries, u32 count)
{
    while (count > 0 && view->entry_count < ENTRIES_MOST) {
        view->entry_first = (view->entry_first + ENTRIES_MOST - 1) % ENTRIES_MOST;
        view->entries[view->entry_first] = entries[--count];
        view->entry_count++;
    }
    while (count > 0)
        entry_release(&entries[--count]);
}

/* What was taken is written, or given back. Returns how long to pause. */
static s64 write_once(struct view *view, struct view_snapshot *snapshot, struct view_entry *entries,
                      u32 count)
{
    s64 keys = snapshot ? snapshot->job_count + snapshot->worker_count + snapshot->batch_count : 0;
    struct err err;

    if (write_all(view, snapshot, entries, count, &err) == 0) {
        note_success(view);
        for (u32 i = 0; i < count; i++)
            entry_release(&entries[i]);
        if (snapshot) {
            view_snapshot_destroy(&view->written);
            view->written = snapshot;
        }
        return keys * MS_PER_KEY > VIEW_INTERVAL_MS ? keys * MS_PER_KEY : VIEW_INTERVAL_MS;
    }
    note_failure(view, &err);
    view_snapshot_destroy(&snapshot);
    pthread_mutex_lock(&view->mutex);
    return_entries(view, entries, count);
    pthread_mutex_unlock(&view->mutex);
    return view->pause_ms;
}

static void *run(void *context)
{
    struct view_entry *entries = memory_or_die(ENTRIES_MOST * sizeof *entries);
    struct view *view = context;
    bool stopping = false;

    while (!stopping) {
        struct view_snapshot *snapshot;
        s64 pause_ms;
        u32 count;

        pthread_mutex_lock(&view->mutex);
        wait_locked(view, clock_monotonic_ms() + CHECK_MS, true);
        snapshot = view->latest;
        view->latest = NULL;
        count = take_entries(view, entries);
        if (view->overflowed) {
            view->stale = true;
            view->checked_ms = 0;
        }
        view->overflowed = false;
        stopping = view->stopping;
        pthread_mutex_unlock(&view->mutex);

        pause_ms = write_once(view, snapshot, entries, count);

        pthread_mutex_lock(&view->mutex);
        wait_locked(view, clock_monotonic_ms() + pause_ms, false);
        pthread_mutex_unlock(&view->mutex);
    }
    writer_disconnect(&view->writer);
    free(entries);
    return NULL;
}

/* ---- for the loop ---- */

struct view *view_new(const char *redis_url, const char *database_url, const char *planner)
{
    struct view *view = memory_or_die(sizeof *view);
    pthread_condattr_t attributes;
    sigset_t all, before;

    if (!redis_url)
        return view;
    view->redis_url = text_copy(redis_url);
    view->database_url = text_copy(database_url);
    view->planner = text_copy(planner);
    view->writer.database_url = view->database_url;
    view->writer.planner = view->planner;
    view->entries = memory_or_die(ENTRIES_MOST * sizeof *view->entries);
    pthread_mutex_init(&view->mutex, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&view->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    /* signals are the loop's */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(&view->thread, NULL, run, view) != 0)
        abort(); /* no thread at the start of a process */
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return view;
}

void view_destroy(struct view **view_address)
{
    struct view *view = *view_address;

    if (!view)
        return;
    if (view->redis_url) {
        pthread_mutex_lock(&view->mutex);
        view->stopping = true;
        pthread_cond_signal(&view->changed);
        pthread_mutex_unlock(&view->mutex);
        pthread_join(view->thread, NULL);
        pthread_cond_destroy(&view->changed);
        pthread_mutex_destroy(&view->mutex);
        for (u32 i = 0; i < view->entry_count; i++)
            entry_release(&view->entries[(view->entry_first + i) % ENTRIES_MOST]);
    }
    view_snapshot_destroy(&view->latest);
    view_snapshot_destroy(&view->written);
    free(view->entries);
    free(view->redis_url);
    free(view->database_url);
    free(view->planner);
    free(view);
    *view_address = NULL;
}

void view_post(struct view *view, struct view_snapshot **snapshot)
{
    if (!view->redis_url) {
        view_snapshot_destroy(snapshot);
        return;
    }
    pthread_mutex_lock(&view->mutex);
    view_snapshot_destroy(&view->latest);
    view->latest = *snapshot;
    *snapshot = NULL;
    pthread_cond_signal(&view->changed);
    pthread_mutex_unlock(&view->mutex);
}

static void add_entry(struct view *view, struct view_entry entry)
{
    pthread_mutex_lock(&view->mutex);
    if (view->entry_count == ENTRIES_MOST) {
        entry_release(&view->entries[view->entry_first]);
        view->entry_first = (view->entry_first + 1) % ENTRIES_MOST;
        view->entry_count--;
        view->overflowed = true;
    }
    view->entries[(view->entry_first + view->entry_count++) % ENTRIES_MOST] = entry;
    pthread_cond_signal(&view->changed);
    pthread_mutex_unlock(&view->mutex);
}

void view_event(struct view *view, const char *job, const char *event, const char *message)
{
    if (view->redis_url)
        add_entry(view, (struct view_entry){.job = text_copy(job),
                                            .event = text_copy(event),
                                            .message = text_copy(message),
                                            .at_ms = clock_wall_ns() / NS_PER_MS});
}

void view_asset(struct view *view, const char *asset)
{
    if (view->redis_url)
        add_entry(view, (struct view_entry){.asset = text_copy(asset)});
}

bool view_is_wanted(const struct view *view)
{
    return view->redis_url != NULL;
}

bool view_is_up(const struct view *view)
{
    return atomic_load(&view->up);
}
