/* view_writer.c: snapshots and events as Redis commands (view_writer.h; keys: schema/redis.md). All
 * of a snapshot is written each time, with its expiry, in one pipeline: what was wiped in between
 * is there again at once, and what a planner that died wrote goes by itself. */
#include "planner/view_writer.h"

#include "base/clock.h"
#include "schema/keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define LEASE_KEPT_MS 60000 /* of a planner that is gone */

void time_text(s64 wall_ms, char out[TIME_TEXT_SIZE])
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm parts;
    size_t size;

    gmtime_r(&seconds, &parts);
    size = strftime(out, TIME_TEXT_SIZE, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(out + size, TIME_TEXT_SIZE - size, ".%03dZ", (int)(wall_ms % 1000));
}

static s64 now_ms(void)
{
    return clock_wall_ns() / NS_PER_MS;
}

/* ---- pieces of commands ---- */

static void begin_key(struct view_writer *writer, const char *command, const char *prefix,
                      const char *name)
{
    struct buf key = {0};

    buf_printf(&key, "%s%s", prefix, name);
    redis_begin(writer->redis, command);
    redis_word(writer->redis, buf_text(&key));
    buf_release(&key);
}

static void expire(struct view_writer *writer, const char *prefix, const char *name, s64 seconds)
{
    begin_key(writer, "EXPIRE", prefix, name);
    redis_number(writer->redis, seconds);
    redis_end(writer->redis);
}

static void field(struct view_writer *writer, const char *name, const char *value)
{
    redis_word(writer->redis, name);
    redis_word(writer->redis, value);
}

static void field_number(struct view_writer *writer, const char *name, s64 value)
{
    redis_word(writer->redis, name);
    redis_number(writer->redis, value);
}

static void field_time(struct view_writer *writer, const char *name, s64 wall_ms)
{
    char text[TIME_TEXT_SIZE];

    time_text(wall_ms, text);
    field(writer, name, text);
}

/* ---- the parts of a snapshot ---- */

static void write_job(struct view_writer *writer, const struct view_job *job)
{
    begin_key(writer, "HSET", KEY_JOB, job->name);
    field(writer, "phase", phase_name(job->phase));
    field_number(writer, "epoch", job->epoch);
    field(writer, "planner", writer->planner);
    field_number(writer, "scan_complete", job->scan_complete);
    field(writer, "waiting_for", job->waiting_for);
    for (u32 i = 0; i < COUNTER_COUNT; i++)
        field_number(writer, counter_name(i), job->counters.value[i]);
    field_number(writer, "rate", job->rate_bytes);
    field_number(writer, "rate_items", job->rate_items);
    field_number(writer, "eta", job->eta_seconds);
    field_time(writer, "updated_at", now_ms());
    redis_end(writer->redis);
    expire(writer, KEY_JOB, job->name, KEY_JOB_TTL_S);
}

static void write_worker(struct view_writer *writer, const struct view_worker *worker)
{
    begin_key(writer, "HSET", KEY_WORKER, worker->id);
    field(writer, "name", worker->name);
    field(writer, "role", role_name(worker->role));
    field(writer, "host", worker->host);
    field_number(writer, "pid", worker->pid);
    field_number(writer, "lanes", worker->lanes);
    field_number(writer, "busy", worker->busy);
    field_number(writer, "done", (s64)worker->done);
    field_number(writer, "bytes", (s64)worker->bytes);
    field(writer, "planner", writer->planner);
    field(writer, "state", worker->state);
    field_time(writer, "seen_at", now_ms());
    redis_end(writer->redis);
    expire(writer, KEY_WORKER, worker->id, KEY_WORKER_TTL_S);
    redis_add(writer->redis, "SADD", KEY_WORKERS, worker->id, NULL);
}

#define BATCH_NAME_SIZE (sizeof((struct view_batch *)0)->job + 12)

static void batch_name(const struct view_batch *batch, char out[BATCH_NAME_SIZE])
{
    snprintf(out, BATCH_NAME_SIZE, "%s:%u", batch->job, batch->number);
}

static void write_batch(struct view_writer *writer, const struct view_batch *batch)
{
    char name[BATCH_NAME_SIZE];

    batch_name(batch, name);
    begin_key(writer, "HSET", KEY_BATCH, name);
    field(writer, "step", batch->step);
    field(writer, "worker", batch->worker);
    field_number(writer, "attempt", batch->attempt);
    field_number(writer, "items", batch->items);
    field_number(writer, "bytes", (s64)batch->bytes);
    field_time(writer, "lease_until", batch->lease_until_ms);
    redis_end(writer->redis);
    expire(writer, KEY_BATCH, name, KEY_BATCH_TTL_S);
    redis_begin(writer->redis, "ZADD");
    redis_word(writer->redis, KEY_LEASES);
    redis_number(writer->redis, batch->lease_until_ms);
    redis_word(writer->redis, name);
    redis_end(writer->redis);
}

/* ---- what ended between two snapshots ---- */

static int by_batch(const void *a, const void *b)
{
    const struct view_batch *left = a, *right = b;
    int order = strcmp(left->job, right->job);

    return order ? order : left->number < right->number ? -1 : left->number > right->number;
}

static int by_worker(const void *a, const void *b)
{
    return strcmp(((const struct view_worker *)a)->id, ((const struct view_worker *)b)->id);
}

static int by_job(const void *a, const void *b)
{
    return strcmp(((const struct view_job *)a)->name, ((const struct view_job *)b)->name);
}

static void sort(struct view_snapshot *snapshot)
{
    if (snapshot->job_count)
        qsort(snapshot->jobs, snapshot->job_count, sizeof *snapshot->jobs, by_job);
    if (snapshot->worker_count)
        qsort(snapshot->workers, snapshot->worker_count, sizeof *snapshot->workers, by_worker);
    if (snapshot->batch_count)
        qsort(snapshot->batches, snapshot->batch_count, sizeof *snapshot->batches, by_batch);
}

static void *find(const void *key, const void *array, u32 count, size_t size,
                  int (*compare)(const void *, const void *))
{
    return count ? bsearch(key, array, count, size, compare) : NULL;
}

static void end_missing(struct view_writer *writer, const struct view_snapshot *now,
                        const struct view_snapshot *before)
{
    char name[BATCH_NAME_SIZE];

    for (u32 i = 0; i < before->batch_count; i++) {
        if (find(&before->batches[i], now->batches, now->batch_count, sizeof *now->batches,
                 by_batch))
            continue;
        batch_name(&before->batches[i], name);
        redis_add(writer->redis, "ZREM", KEY_LEASES, name, NULL);
    }
    for (u32 i = 0; i < before->worker_count; i++) {
        const char *id = before->workers[i].id;

        if (find(&before->workers[i], now->workers, now->worker_count, sizeof *now->workers,
                 by_worker))
            continue;
        redis_add(writer->redis, "SREM", KEY_WORKERS, id, NULL);
        begin_key(writer, "DEL", KEY_WORKER, id);
        redis_end(writer->redis);
    }
}

void writer_snapshot(struct view_writer *writer, struct view_snapshot *snapshot,
                     const struct view_snapshot *before)
{
    static const struct view_snapshot nothing;

    sort(snapshot);
    if (!before)
        before = &nothing;
    for (u32 i = 0; i < snapshot->job_count; i++) {
        const struct view_job *job = &snapshot->jobs[i];
        const struct view_job *was =
            find(job, before->jobs, before->job_count, sizeof *before->jobs, by_job);

        write_job(writer, job);
        if (!was || was->phase != job->phase)
            writer_place_job(writer, job->name, job->phase, now_ms());
    }
    for (u32 i = 0; i < snapshot->worker_count; i++)
        write_worker(writer, &snapshot->workers[i]);
    for (u32 i = 0; i < snapshot->batch_count; i++)
        write_batch(writer, &snapshot->batches[i]);
    end_missing(writer, snapshot, before);
}

/* ---- phases and events ---- */

static const enum phase phases[] = {
#define PHASE(name, number, ended, exit_code) PHASE_##name,
#include "schema/states.def"
};

void writer_place_job(struct view_writer *writer, const char *job, enum phase phase, s64 at_ms)
{
    for (size_t i = 0; i < COUNT_OF(phases); i++) {
        bool here = phases[i] == phase;

        begin_key(writer, here ? "ZADD" : "ZREM", KEY_JOBS, phase_name(phases[i]));
        if (here)
            redis_number(writer->redis, at_ms);
        redis_word(writer->redis, job);
        redis_end(writer->redis);
    }
    if (!phase_has_ended(phase))
        return;
    begin_key(writer, "ZREMRANGEBYRANK", KEY_JOBS, phase_name(phase));
    redis_number(writer->redis, 0);
    redis_number(writer->redis, -(JOBS_MOST + 1));
    redis_end(writer->redis);
}

void writer_event(struct view_writer *writer, const struct view_entry *entry)
{
    redis_begin(writer->redis, "XADD");
    redis_word(writer->redis, KEY_EVENTS);
    redis_word(writer->redis, "MAXLEN");
    redis_word(writer->redis, "~");
    redis_number(writer->redis, EVENTS_MOST);
    redis_word(writer->redis, "*");
    field_time(writer, "at", entry->at_ms);
    field(writer, "job", entry->job);
    field(writer, "event", entry->event);
    field(writer, "message", entry->message);
    redis_end(writer->redis);
}

/* ---- what planners that are gone left behind ---- */

static int prune_workers(struct view_writer *writer, struct err *err)
{
    redisReply *ids, *there;
    int rc = 0;

    redis_add(writer->redis, "SMEMBERS", KEY_WORKERS, NULL);
    if (redis_ask(writer->redis, &ids, err) < 0)
        return -1;
    for (size_t i = 0; i < ids->elements && rc == 0; i++) {
        const char *id = ids->element[i]->str;

        begin_key(writer, "EXISTS", KEY_WORKER, id);
        redis_end(writer->redis);
        rc = redis_ask(writer->redis, &there, err);
        if (rc == 0 && there->integer == 0)
            redis_add(writer->redis, "SREM", KEY_WORKERS, id, NULL);
        if (rc == 0)
            freeReplyObject(there);
    }
    freeReplyObject(ids);
    return rc;
}

int writer_prune(struct view_writer *writer, struct err *err)
{
    redis_begin(writer->redis, "ZREMRANGEBYSCORE");
    redis_word(writer->redis, KEY_LEASES);
    redis_word(writer->redis, "-inf");
    redis_number(writer->redis, now_ms() - LEASE_KEPT_MS);
    redis_end(writer->redis);
    if (prune_workers(writer, err) < 0)
        return -1;
    return redis_flush(writer->redis, err);
}
