/* workers.c: who is there, and how much each holds.
 *
 * A worker is known by its incarnation; the routing id of its connection is learnt anew with each
 * hello or beat, so that a connection that broke and came back is the same worker. Credit is
 * counted here, not asked for: at most CREDIT_PER_LANE assignments a lane. A worker is lost when it
 * says bye, cannot be routed to, or was silent for LEASE_MS; what it held lapses at once. */
#include "planner/planner.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>

static struct worker *by_incarnation(struct planner *planner, struct bytes incarnation)
{
    struct worker *worker;

    if (incarnation.size != INCARNATION_BYTES)
        return NULL;
    TAILQ_FOREACH(worker, &planner->workers, link)
    if (memcmp(worker->incarnation, incarnation.data, INCARNATION_BYTES) == 0)
        return worker;
    return NULL;
}

struct worker *worker_by_peer(struct planner *planner, const struct peer *peer)
{
    struct worker *worker;

    TAILQ_FOREACH(worker, &planner->workers, link)
    if (worker->peer.size == peer->size && memcmp(worker->peer.bytes, peer->bytes, peer->size) == 0)
        return worker;
    return NULL;
}

static void worker_lost(struct planner *planner, struct worker *worker, const char *why)
{
    struct job *job;

    log_write(LOG_INFO, NULL, EVENT_worker_lost, "worker=%s why=%s held=%u", log_text(worker->name),
              log_text(why), worker->held);
    TAILQ_REMOVE(&planner->workers, worker, link);
    assignment_lapse_worker(planner, worker);
    assets_forget_worker(planner, worker);
    TAILQ_FOREACH(job, &planner->jobs, link)
    {
        segment_forget_worker(job, worker);
        pace_forget_worker(job, worker);
    }
    free(worker->name);
    free(worker->host);
    free(worker);
}

static void send_incarnation(struct planner *planner, const struct peer *peer, u32 kind)
{
    struct envelope envelope = {.message = {.kind = kind}};
    struct err err;

    /* welcome, who and ping have the same one field */
    envelope.message.welcome.incarnation = bytes_of(planner->incarnation, INCARNATION_BYTES);
    if (bus_send(planner->bus, peer, &envelope, &err) < 0)
        log_write(LOG_DEBUG, NULL, EVENT_disconnected, "message=%s", log_text(err.text));
}

static u32 count_workers(const struct planner *planner)
{
    const struct worker *worker;
    u32 count = 0;

    TAILQ_FOREACH(worker, &planner->workers, link)
    count++;
    return count;
}

static bool refuse(struct planner *planner, const struct peer *peer, const struct msg_hello *hello,
                   bool known)
{
    struct envelope envelope = {.message = {.kind = MSG_refused}};
    char reason[256];
    u32 code = ERR_Ok;
    struct err err;

    if (hello->schema != SCHEMA_VERSION) {
        code = ERR_SchemaVersion;
        snprintf(reason, sizeof reason,
                 "this planner speaks schema %u, the worker %u: install the same "
                 "version everywhere",
                 SCHEMA_VERSION, hello->schema);
    } else if (!known && count_workers(planner) >= WORKERS_MAX) {
        code = ERR_Busy;
        snprintf(reason, sizeof reason, "%u workers are here already", WORKERS_MAX);
    } else if (hello->role < ROLE_watcher || hello->role > ROLE_verifier || hello->lanes == 0 ||
               hello->lanes > LANES_MAX || hello->incarnation.size != INCARNATION_BYTES ||
               hello->name.size > NAME_BYTES || hello->host.size > NAME_BYTES) {
        code = ERR_Protocol;
        snprintf(reason, sizeof reason,
                 "a hello with an unknown role, no lanes, no incarnation "
                 "or a name that is too long");
    }
    if (code == ERR_Ok)
        return false;
    envelope.message.refused.code = code;
    envelope.message.refused.reason = bytes_text(reason);
    (void)bus_send(planner->bus, peer, &envelope, &err); /* a peer that left needs no answer */
    log_write(LOG_WARN, NULL, EVENT_worker_refused, "worker=%s message=%s", log_value(hello->name),
              log_text(reason));
    return true;
}

void worker_hello(struct planner *planner, const struct peer *peer, const struct msg_hello *hello)
{
    struct worker *worker = by_incarnation(planner, hello->incarnation);

    if (refuse(planner, peer, hello, worker != NULL))
        return;
    if (!worker) {
        worker = memory_or_die(sizeof *worker);
        memcpy(worker->incarnation, hello->incarnation.data, INCARNATION_BYTES);
        worker->role = hello->role;
        worker->name = text_of_bytes(hello->name);
        worker->host = text_of_bytes(hello->host);
        worker->pid = hello->pid;
        worker->lanes = hello->lanes;
        snprintf(worker->id, sizeof worker->id, "%.40s-%02x%02x%02x%02x", worker->name,
                 worker->incarnation[0], worker->incarnation[1], worker->incarnation[2],
                 worker->incarnation[3]);
        TAILQ_INSERT_TAIL(&planner->workers, worker, link);
        log_write(LOG_INFO, NULL, EVENT_worker_joined, "worker=%s role=%s pid=%u lanes=%u",
                  log_text(worker->name), role_name(worker->role), worker->pid, worker->lanes);
    }
    worker->peer = *peer;
    worker->seen_ms = clock_monotonic_ms();
    send_incarnation(planner, peer, MSG_welcome);
}

static void note_held(struct planner *planner, struct worker *worker, const struct rec_held *held)
{
    struct job *job = job_find(planner, held->job, held->epoch);
    struct assignment *assignment;

    if (!job)
        return;
    assignment = assignment_find(job, held->sequence, held->kind);
    if (!assignment || assignment->worker != worker)
        return;
    assignment->listed_ms = clock_monotonic_ms();
    if (assignment->progress != held->progress) {
        assignment->progress = held->progress;
        assignment->progress_ms = assignment->listed_ms;
    }
}

void worker_beat(struct planner *planner, const struct peer *peer, const struct envelope *beat)
{
    const struct msg_beat *header = &beat->message.beat;
    struct worker *worker = by_incarnation(planner, header->incarnation);
    struct frame_reader reader;
    struct rec_held held;
    struct err err;
    int more;

    if (!worker) {
        send_incarnation(planner, peer, MSG_who);
        return;
    }
    worker->peer = *peer;
    worker->seen_ms = clock_monotonic_ms();
    worker->busy = header->busy;
    worker->done = header->done;
    worker->bytes = header->bytes;
    if (beat->bodies != 1 || frame_open(&reader, beat->body[0], &err) < 0)
        return;
    while ((more = frame_next_held(&reader, &held, &err)) > 0)
        note_held(planner, worker, &held);
    if (more < 0)
        log_error(NULL, EVENT_message_refused, &err);
}

void worker_bye(struct planner *planner, const struct msg_bye *bye)
{
    struct worker *worker = by_incarnation(planner, bye->incarnation);

    if (worker)
        worker_lost(planner, worker, "said bye");
}

bool worker_has_room(const struct worker *worker, u32 spare)
{
    u32 credit = worker->lanes * CREDIT_PER_LANE;

    return worker->held + (credit > spare + 1 ? spare : 0) < credit;
}

bool worker_exists(struct planner *planner, enum role role)
{
    struct worker *worker;

    TAILQ_FOREACH(worker, &planner->workers, link)
    if (worker->role == role && !worker->draining)
        return true;
    return false;
}

static struct worker *pick(struct planner *planner, enum role role, u32 spare, bool draining)
{
    struct worker *worker, *best = NULL;

    TAILQ_FOREACH(worker, &planner->workers, link)
    {
        if (worker->role != role || worker->draining != draining || !worker_has_room(worker, spare))
            continue;
        /* held / lanes, compared without division */
        if (!best || (u64)worker->held * best->lanes < (u64)best->held * worker->lanes)
            best = worker;
    }
    return best;
}

struct worker *worker_pick(struct planner *planner, enum role role, u32 spare)
{
    return pick(planner, role, spare, false);
}

struct worker *worker_pick_any(struct planner *planner, enum role role, u32 spare)
{
    struct worker *worker = pick(planner, role, spare, false);

    return worker || worker_exists(planner, role) ? worker : pick(planner, role, spare, true);
}

struct worker *worker_pick_mover(struct job *job)
{
    return job->fail_code == ERR_Ok ? worker_pick(job->planner, ROLE_mover, 0)
                                    : worker_pick_any(job->planner, ROLE_mover, 0);
}

bool worker_is_drained(const struct worker *worker)
{
    return worker->draining && worker->held == 0 && worker->busy == 0;
}

void worker_drains(struct planner *planner, char *const *ids, u32 count)
{
    struct worker *worker;

    TAILQ_FOREACH(worker, &planner->workers, link)
    {
        worker->draining = false;
        for (u32 i = 0; i < count && !worker->draining; i++)
            worker->draining = strcmp(ids[i], worker->id) == 0;
        if (!worker_is_drained(worker)) {
            worker->drained = false;
        } else if (!worker->drained) {
            worker->drained = true;
            log_write(LOG_INFO, NULL, EVENT_worker_drained, "worker=%s id=%s",
                      log_text(worker->name), log_text(worker->id));
        }
    }
}

struct worker *worker_for_scan(struct planner *planner)
{
    struct worker *worker = worker_pick(planner, ROLE_watcher, 0);

    return worker && worker->held < worker->lanes ? worker : NULL;
}

u32 worker_free_scan_lanes(struct planner *planner)
{
    struct worker *worker;
    u32 lanes = 0;

    TAILQ_FOREACH(worker, &planner->workers, link)
    if (worker->role == ROLE_watcher && !worker->draining && worker->held < worker->lanes)
        lanes += worker->lanes - worker->held;
    return lanes;
}

int worker_send(struct planner *planner, struct worker *worker, const struct envelope *envelope)
{
    struct err err;

    if (bus_send(planner->bus, &worker->peer, envelope, &err) == 0)
        return 0;
    worker_lost(planner, worker, err.text);
    return -1;
}

/* The first one that was not pinged in this round: losing one may lose others with it, so that no
 * place in the list can be kept. */
static struct worker *next_to_ping(struct planner *planner, s64 now_ms)
{
    struct worker *worker;

    TAILQ_FOREACH(worker, &planner->workers, link)
    if (worker->pinged_ms != now_ms)
        return worker;
    return NULL;
}

void worker_tick(struct planner *planner)
{
    struct envelope ping = {.message = {.kind = MSG_ping}};
    s64 now_ms = clock_monotonic_ms();
    struct worker *worker;

    ping.message.ping.incarnation = bytes_of(planner->incarnation, INCARNATION_BYTES);
    while ((worker = next_to_ping(planner, now_ms))) {
        worker->pinged_ms = now_ms;
        if (now_ms - worker->seen_ms > LEASE_MS)
            worker_lost(planner, worker, "silent");
        else
            (void)worker_send(planner, worker, &ping); /* a failure has been acted upon */
    }
}

void worker_destroy_all(struct planner *planner)
{
    struct worker *worker;

    while ((worker = TAILQ_FIRST(&planner->workers))) {
        TAILQ_REMOVE(&planner->workers, worker, link);
        free(worker->name);
        free(worker->host);
        free(worker);
    }
}
