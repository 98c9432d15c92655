/* view.h: Redis, in a thread of its own: what people and tools look at often. Everything in it can
 * be rebuilt; no decision is taken from it. Keys: schema/redis.md. With Redis away snapshots are
 * dropped and the line goes on; when Redis comes back as another run, or empty, the view is written
 * anew. */
#ifndef SYNCLINE_PLANNER_VIEW_H
#define SYNCLINE_PLANNER_VIEW_H

#include "base/states.h"
#include "base/types.h"
#include "schema/limits.h"

struct view_job {
    char name[128];
    enum phase phase;
    u32 epoch;
    bool scan_complete;
    struct counters counters;
    s64 rate_bytes; /* per second, moving average */
    s64 rate_items;
    s64 eta_seconds; /* -1 = not known */
    char waiting_for[WAITING_FOR_BYTES];
};

struct view_worker {
    char id[64]; /* name and the first hex digits of its incarnation */
    char name[64];
    u32 role;
    u32 pid;
    u32 lanes;
    u32 busy;
    u64 done;
    u64 bytes;
    char host[64];
    const char *state; /* active, draining, drained */
};

struct view_batch {
    char job[128];
    u32 number;    /* sequence of the token */
    char step[16]; /* scan, stage, prove, publish, close */
    char worker[64];
    u32 attempt;
    u32 items;
    u64 bytes;
    s64 lease_until_ms; /* wall clock */
};

/* The whole state of one planner at one moment; lists in one allocation each. */
struct view_snapshot {
    struct view_job *jobs;
    u32 job_count;
    struct view_worker *workers;
    u32 worker_count;
    struct view_batch *batches;
    u32 batch_count;
};

struct view;

/* `redis_url` NULL: no view. `database_url`: to rebuild the list of ended jobs. */
struct view *view_new(const char *redis_url, const char *database_url, const char *planner);
void view_destroy(struct view **view);
/* Takes the snapshot; only the latest one that was not written yet is kept. */
void view_post(struct view *view, struct view_snapshot **snapshot);
void view_snapshot_destroy(struct view_snapshot **snapshot);
/* A job ended or changed its phase (`event` is the name of the phase): an entry in the stream of
 * events, the sorted sets of phases, and at the end, or as a time of a plan that is Queued, the
 * job's row from Postgres. */
void view_event(struct view *view, const char *job, const char *event, const char *message);
/* An asset was probed: its hash is written from its row in Postgres. */
void view_asset(struct view *view, const char *asset);
/* Is there to be one? */
bool view_is_wanted(const struct view *view);
bool view_is_up(const struct view *view);

#endif
