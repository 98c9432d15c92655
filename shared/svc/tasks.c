/* tasks.c: the tasks that this worker holds. Loop thread only, so that no lock is needed for the
 * list: it is short (CREDIT_PER_LANE for each lane), a walk costs less than a lock.
 *
 * "Held" is what the planner may count on: from admission until the answer was handed over. A task
 * stays in the list until its lane is done with it, even if nobody waits for it any more. */
#include "svc/worker_internal.h"

#include <stdlib.h>

bool tasks_take_kind(const struct worker *worker, u32 kind)
{
    for (u32 i = 0; i < worker->role->kind_count; i++)
        if (worker->role->kinds[i] == kind)
            return true;
    return false;
}

bool message_token(const struct message *message, struct token *out)
{
    switch (message->kind) {
#define TOKEN_OF(name)                                                                             \
    case MSG_##name:                                                                               \
        *out = (struct token){message->name.job, message->name.epoch, message->name.sequence};     \
        return true;
        TOKEN_OF(probe)
        TOKEN_OF(scan)
        TOKEN_OF(through)
        TOKEN_OF(stop)
        TOKEN_OF(open)
        TOKEN_OF(grant)
        TOKEN_OF(stage)
        TOKEN_OF(prove)
        TOKEN_OF(publish)
        TOKEN_OF(settle)
        TOKEN_OF(close)
        TOKEN_OF(part)
        TOKEN_OF(prove_part)
        TOKEN_OF(check)
#undef TOKEN_OF
    case MSG_probe_asset: /* of no job: epochs begin with 1 */
        *out = (struct token){message->probe_asset.asset, 0, message->probe_asset.sequence};
        return true;
    case MSG_revoke:
        /* its `sequence` is the token to revoke; what it is held by is the request's own */
        *out = (struct token){message->revoke.job, message->revoke.epoch, message->revoke.request};
        return true;
    default:
        return false;
    }
}

static bool token_equal(const struct token *a, const struct token *b)
{
    return a->job == b->job && a->epoch == b->epoch && a->sequence == b->sequence;
}

struct task *tasks_find(struct worker *worker, u64 session, const struct token *token, u32 kind)
{
    for (struct task *task = worker->tasks; task; task = task->next)
        if (task->session == session && task->kind == kind && token_equal(&task->token, token))
            return task;
    return NULL;
}

static void say_busy(struct worker *worker, u64 session, const struct token *token, u32 kind)
{
    struct connection *connection = planners_find(worker, session);
    struct envelope envelope = {.message.kind = MSG_busy};
    struct packet *packet;

    envelope.message.busy = (struct msg_busy){
        .job = token->job, .epoch = token->epoch, .sequence = token->sequence, .kind = kind};
    packet = packet_new(&envelope);
    if (connection)
        planners_send(connection, packet);
    packet_release(&packet);
}

bool task_is_probe(const struct task *task)
{
    return task->kind == MSG_probe || task->kind == MSG_probe_asset;
}

/* Probes take no lane. */
bool task_is_counted(const struct task *task)
{
    return !task_is_probe(task);
}

static bool is_same_probe(const struct message *a, const struct message *b)
{
    if (a->kind == MSG_probe_asset)
        return bytes_equal(a->probe_asset.address, b->probe_asset.address);
    return bytes_equal(a->probe.source, b->probe.source) &&
           bytes_equal(a->probe.destination, b->probe.destination);
}

/* Probes come again and again, and one that hangs is never done: of the same addresses one is
 * taken, and of all together a bounded number. */
static bool has_room(const struct worker *worker, const struct message *message)
{
    u32 most = message->kind == MSG_probe ? JOB_PROBES : ASSET_QUESTIONS, count = 0;

    if (message->kind != MSG_probe_asset && message->kind != MSG_probe)
        return worker->held < CREDIT_PER_LANE * worker->config.lanes;
    for (const struct task *task = worker->tasks; task; task = task->next) {
        if (task->kind != message->kind || task->answered)
            continue;
        if (is_same_probe(&task->delivery->envelope.message, message))
            return false;
        count++;
    }
    return count < most;
}

u32 tasks_stuck_probes(struct worker *worker)
{
    bool none_ended = worker->probes_done == worker->probes_done_before;
    u32 waiting = 0;

    for (const struct task *task = worker->tasks; task; task = task->next)
        waiting += task_is_probe(task) && !atomic_load(&task->running);
    worker->probes_done_before = worker->probes_done;
    return none_ended ? waiting : 0;
}

void tasks_admit(struct worker *worker, u64 session, struct delivery **delivery)
{
    const struct message *message = &(*delivery)->envelope.message;
    struct token token = {0};
    struct task *task;

    message_token(message, &token);
    if (tasks_find(worker, session, &token, message->kind)) {
        delivery_destroy(delivery);
        return;
    }
    if (!has_room(worker, message)) {
        say_busy(worker, session, &token, message->kind);
        delivery_destroy(delivery);
        return;
    }
    task = memory_or_die(sizeof *task);
    task->worker = worker;
    task->delivery = *delivery;
    *delivery = NULL;
    task->session = session;
    task->token = token;
    task->kind = message->kind;
    stream_open(&task->stream, message->kind == MSG_scan ? message->scan.window : UINT32_MAX);
    task->next = worker->tasks;
    worker->tasks = task;
    worker->held += task_is_counted(task);
    queue_put(task_is_probe(task) ? worker->probes : worker->waiting, task);
}

void task_stop(struct task *task)
{
    atomic_store(&task->stopped, true);
    stream_wake(task);
}

void tasks_stop(struct worker *worker, u64 session)
{
    for (struct task *task = worker->tasks; task; task = task->next)
        if (session == 0 || task->session == session)
            task_stop(task);
}

void tasks_forget(struct worker *worker, struct task *task)
{
    struct task **at = &worker->tasks;

    while (*at != task)
        at = &(*at)->next;
    *at = task->next;
    if (!task->answered)
        worker->held -= task_is_counted(task);
    worker->done++;
    worker->probes_done += task_is_probe(task);
    stream_close(&task->stream);
    delivery_destroy(&task->delivery);
    free(task);
}

void tasks_list_held(const struct worker *worker, u64 session, struct buf *out)
{
    u64 together = atomic_load(&worker->progress);
    struct frame_writer writer;

    frame_begin(&writer, out);
    for (const struct task *task = worker->tasks; task; task = task->next) {
        struct rec_held held = {
            .job = task->token.job,
            .epoch = task->token.epoch,
            .sequence = task->token.sequence,
            .kind = task->kind,
            .progress = atomic_load(&task->running) ? atomic_load(&task->progress) : together,
        };

        if (task->session == session && !task->answered && task->kind != MSG_probe_asset)
            frame_add_held(&writer, &held);
    }
    frame_end(&writer);
}
