/* stream.c: numbered messages of a task: window, copies until acknowledged, go-back-N.
 *
 * The lane waits for the window and adds copies; the loop thread takes acknowledgements and sends
 * what is still kept again after RESEND_MS without progress, all of it from the oldest on, as a
 * receiver accepts numbers in order. Waits double up to RESEND_MAX_MS while nothing is
 * acknowledged: a planner whose Postgres is away acknowledges nothing, and has what it needs.
 *
 * A lane that waits is alive and says so by its progress: it is the planner that makes it wait. */
#include "base/clock.h"
#include "svc/worker_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <time.h>

#define RESEND_MAX_MS (8 * RESEND_MS)

void stream_open(struct stream *stream, u32 window)
{
    pthread_condattr_t attributes;

    stream->window = window;
    stream->resend_wait_ms = RESEND_MS;
    pthread_mutex_init(&stream->mutex, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&stream->moved, &attributes);
    pthread_condattr_destroy(&attributes);
}

static void drop_through(struct stream *stream, u32 accepted)
{
    while (stream->first && stream->first->number <= accepted) {
        struct kept *kept = stream->first;

        stream->first = kept->next;
        packet_release(&kept->packet);
        free(kept);
    }
    if (!stream->first)
        stream->last = NULL;
}

void stream_close(struct stream *stream)
{
    drop_through(stream, UINT32_MAX);
    pthread_cond_destroy(&stream->moved);
    pthread_mutex_destroy(&stream->mutex);
}

/* ---- loop thread ---- */

void stream_wake(struct task *task)
{
    pthread_mutex_lock(&task->stream.mutex);
    pthread_cond_broadcast(&task->stream.moved);
    pthread_mutex_unlock(&task->stream.mutex);
}

void stream_through(struct task *task, const struct msg_through *through)
{
    struct stream *stream = &task->stream;

    pthread_mutex_lock(&stream->mutex);
    if (through->accepted > stream->accepted) {
        stream->accepted = through->accepted;
        stream->resend_wait_ms = RESEND_MS;
        stream->resend_at_ms = clock_monotonic_ms() + RESEND_MS;
        drop_through(stream, through->accepted);
    }
    if (through->window > stream->window)
        stream->window = through->window;
    stream->wanted = through->wanted;
    pthread_cond_broadcast(&stream->moved);
    pthread_mutex_unlock(&stream->mutex);
}

void stream_resend(struct task *task, s64 now_ms)
{
    struct connection *connection = planners_find(task->worker, task->session);
    struct stream *stream = &task->stream;

    /* what still waits in an outbox was not lost */
    if (!connection || connection->first || atomic_load(&task->stopped))
        return;
    pthread_mutex_lock(&stream->mutex);
    if (stream->first && now_ms >= stream->resend_at_ms) {
        for (struct kept *kept = stream->first; kept; kept = kept->next)
            planners_send(connection, kept->packet);
        stream->resend_wait_ms *= 2;
        if (stream->resend_wait_ms > RESEND_MAX_MS)
            stream->resend_wait_ms = RESEND_MAX_MS;
        stream->resend_at_ms = now_ms + stream->resend_wait_ms;
    }
    pthread_mutex_unlock(&stream->mutex);
}

/* ---- lane threads ---- */

/* Waits a heartbeat at most; the mutex is held. */
static void wait_a_while(struct task *task)
{
    struct timespec until;
    s64 at;

    task_progress(task, 0);
    clock_gettime(CLOCK_MONOTONIC, &until);
    at = until.tv_nsec + HEARTBEAT_MS * NS_PER_MS;
    until.tv_sec += at / NS_PER_S;
    until.tv_nsec = at % NS_PER_S;
    pthread_cond_timedwait(&task->stream.moved, &task->stream.mutex, &until);
}

static void keep(struct stream *stream, u32 number, struct packet *packet)
{
    struct kept *kept = memory_or_die(sizeof *kept);

    kept->number = number;
    kept->packet = packet;
    if (stream->last)
        stream->last->next = kept;
    else
        stream->first = kept;
    if (!stream->last)
        stream->resend_at_ms = clock_monotonic_ms() + stream->resend_wait_ms;
    stream->last = kept;
}

int task_stream(struct task *task, u32 number, const struct envelope *message)
{
    struct stream *stream = &task->stream;
    struct packet *packet;

    pthread_mutex_lock(&stream->mutex);
    while (number > stream->window && !atomic_load(&task->stopped))
        wait_a_while(task);
    if (atomic_load(&task->stopped)) {
        pthread_mutex_unlock(&stream->mutex);
        return -1;
    }
    assert(!stream->last || number == stream->last->number + 1);
    packet = packet_new(message);
    keep(stream, number, packet_share(packet));
    pthread_mutex_unlock(&stream->mutex);
    note_post(task->worker, NOTE_message, task, packet);
    task_progress(task, 0);
    return 0;
}

void task_stream_end(struct task *task, u32 last)
{
    struct stream *stream = &task->stream;

    pthread_mutex_lock(&stream->mutex);
    while (stream->accepted < last && !atomic_load(&task->stopped))
        wait_a_while(task);
    pthread_mutex_unlock(&stream->mutex);
    task->has_ended = true;
}

u32 task_splits_wanted(const struct task *task)
{
    struct stream *stream = (struct stream *)&task->stream; /* its mutex is no part of its value */
    u32 wanted;

    pthread_mutex_lock(&stream->mutex);
    wanted = stream->wanted;
    pthread_mutex_unlock(&stream->mutex);
    return wanted;
}

void task_split_taken(struct task *task)
{
    pthread_mutex_lock(&task->stream.mutex);
    if (task->stream.wanted > 0)
        task->stream.wanted--;
    pthread_mutex_unlock(&task->stream.mutex);
}
