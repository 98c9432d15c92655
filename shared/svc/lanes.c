/* lanes.c: the threads that run tasks, and what a running task calls.
 *
 * A lane takes from one queue that all share, and answers by notes to the loop thread, which alone
 * touches sockets. Both hand-overs are a wake-up, never a poll. Probes have threads of their own: a
 * job must not wait for its probe until another job's long scans have ended, and there are several,
 * as one may hang in a filesystem whose server is away; while all of them do, there is one more
 * with each heartbeat. They have little to do, and close what is idle, too. */
#include "svc/worker_internal.h"

#include "base/clock.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define PROBE_THREADS_MORE (JOB_PROBES + ASSET_QUESTIONS) /* one for each that may hang */

/* ---- packets ---- */

struct packet *packet_new(const struct envelope *envelope)
{
    struct buf header = {0};
    struct packet *packet;
    size_t size;
    u8 *at;

    message_encode(&envelope->message, &header);
    size = header.size;
    for (u32 i = 0; i < envelope->bodies; i++)
        size += envelope->body[i].size;
    packet = memory_or_die(sizeof *packet + size);
    packet->users = 1;
    packet->count = envelope->bodies + 1;
    at = (u8 *)(packet + 1);
    for (u32 i = 0; i < packet->count; i++) {
        struct bytes frame = i == 0 ? buf_bytes(&header) : envelope->body[i - 1];

        if (frame.size)
            memcpy(at, frame.data, frame.size);
        packet->frames[i] = bytes_of(at, frame.size);
        at += frame.size;
    }
    buf_release(&header);
    return packet;
}

struct packet *packet_share(struct packet *packet)
{
    atomic_fetch_add(&packet->users, 1);
    return packet;
}

void packet_release(struct packet **packet)
{
    if (*packet && atomic_fetch_sub(&(*packet)->users, 1) == 1)
        free(*packet);
    *packet = NULL;
}

void note_post(struct worker *worker, enum note_kind kind, struct task *task, struct packet *packet)
{
    struct note *note = memory_or_die(sizeof *note);

    note->kind = kind;
    note->task = task;
    note->packet = packet;
    queue_put(worker->notes, note);
}

/* ---- what a task calls ---- */

const struct envelope *task_envelope(const struct task *task)
{
    return &task->delivery->envelope;
}

void task_reply(struct task *task, const struct envelope *reply)
{
    assert(!task->has_ended);
    task->has_ended = true;
    note_post(task->worker, NOTE_answer, task, packet_new(reply));
}

void task_progress(struct task *task, u64 bytes)
{
    atomic_fetch_add(&task->progress, 1);
    atomic_fetch_add(&task->worker->progress, 1);
    if (bytes)
        atomic_fetch_add(&task->worker->bytes, bytes);
}

bool task_is_stopped(const struct task *task)
{
    return atomic_load(&task->stopped);
}

/* ---- threads ---- */

static void run_task(struct worker *worker, struct task *task, void *state)
{
    /* goes on from what the beats said of it while it waited, so that it only grows */
    atomic_store(&task->progress, atomic_load(&worker->progress) + 1);
    atomic_store(&task->running, true);
    atomic_fetch_add(&worker->busy, 1);
    if (!task_is_stopped(task)) {
        worker->role->run(task, state);
        assert(task->has_ended || task_is_stopped(task));
    }
    assets_release(task);
    atomic_fetch_sub(&worker->busy, 1);
    task_progress(task, 0);
    note_post(worker, NOTE_ended, task, NULL);
}

static void *lane_main(void *argument)
{
    struct lane *lane = argument;
    struct worker *worker = lane->worker;
    bool works = lane->queue == worker->waiting && worker->role->lane_new;
    void *state = works ? worker->role->lane_new() : NULL;
    char name[16];
    void *item;

    snprintf(name, sizeof name, "%s-%u", lane->queue == worker->waiting ? "lane" : "probe",
             (u32)(lane - worker->lanes));
    pthread_setname_np(pthread_self(), name); /* by another thread it would write a file */
    while ((item = queue_wait(lane->queue, -1)) != NULL) {
        if (item != &worker->tidying) {
            run_task(worker, item, state);
            continue;
        }
        assets_close_idle(clock_monotonic_ms());
        atomic_store(&worker->tidying, false);
    }
    if (works && worker->role->lane_destroy)
        worker->role->lane_destroy(state);
    note_post(worker, NOTE_lane_over, NULL, NULL);
    return NULL;
}

static bool start_thread(struct worker *worker, struct queue *queue)
{
    struct lane *lane = &worker->lanes[worker->threads];

    lane->worker = worker;
    lane->queue = queue;
    if (pthread_create(&lane->thread, NULL, lane_main, lane) != 0)
        return false;
    worker->threads++;
    worker->lanes_left++;
    worker->probe_threads += queue == worker->probes;
    return true;
}

/* The first threads are those for probes; they are not among the lanes that planners count on. */
void lanes_start(struct worker *worker)
{
    u32 wanted = worker->config.lanes + PROBE_THREADS;

    worker->lanes = memory_or_die((wanted + PROBE_THREADS_MORE) * sizeof *worker->lanes);
    for (u32 i = 0; i < wanted; i++)
        if (!start_thread(worker, i < PROBE_THREADS ? worker->probes : worker->waiting))
            break; /* fewer lanes than asked for, as the machine has it */
    worker->config.lanes = worker->threads - worker->probe_threads;
}

void lanes_add_probes(struct worker *worker, u32 count)
{
    while (count-- > 0 && worker->probe_threads < PROBE_THREADS + PROBE_THREADS_MORE)
        if (!start_thread(worker, worker->probes))
            return; /* with the next heartbeat */
}

void lanes_join(struct worker *worker)
{
    for (u32 i = 0; i < worker->threads; i++)
        pthread_join(worker->lanes[i].thread, NULL);
    free(worker->lanes);
    worker->lanes = NULL;
}
