/* view_writer.h: what the view thread is made of; for view*.c only. Each function adds commands to
 * the connection's pipeline; those that also flush say so. */
#ifndef SYNCLINE_PLANNER_VIEW_WRITER_H
#define SYNCLINE_PLANNER_VIEW_WRITER_H

#include "base/buf.h"
#include "io/postgres.h"
#include "io/redis.h"
#include "planner/view.h"

struct view_writer {
    struct redis *redis;       /* NULL = not connected */
    struct postgres *postgres; /* NULL = not connected; for rows of jobs */
    const char *database_url;  /* borrowed */
    const char *planner;       /* borrowed */
    char run[64];              /* of the Redis that we are connected to */
    bool refilled;             /* the stream was just filled from Postgres, which has all events */
};

/* An event; or, with `asset` only, an asset whose row is to be written. */
struct view_entry {
    char *asset;
    char *job;
    char *event;
    char *message;
    s64 at_ms;
};

/* Connects, and asks for the run. */
int writer_connect(struct view_writer *writer, const char *redis_url, struct err *err);
void writer_disconnect(struct view_writer *writer);

/* Sorts the snapshot, and writes all of it. What `before` (may be NULL) has and it has not is
 * ended. */
void writer_snapshot(struct view_writer *writer, struct view_snapshot *snapshot,
                     const struct view_snapshot *before);
void writer_event(struct view_writer *writer, const struct view_entry *entry);
/* The job is in this phase only, since at_ms. */
void writer_place_job(struct view_writer *writer, const char *job, enum phase phase, s64 at_ms);
/* Takes out what planners that are gone left behind. Flushes. */
int writer_prune(struct view_writer *writer, struct err *err);

/* 1 if the view was written for this run of Redis and is still there, 0 if not, -1. */
int writer_is_current(struct view_writer *writer, struct err *err);
/* Writes jobs and events anew from Postgres, and flushes; the number of jobs in *jobs. */
int writer_rebuild(struct view_writer *writer, u32 *jobs, struct err *err);
/* Writes the job's row of Postgres, and if it has ended what that changes about its synchronization
 * and its destination; without Postgres their hashes stay as they are. */
void writer_job_row(struct view_writer *writer, const char *job, bool ended);
/* The same of an asset. */
void writer_asset_row(struct view_writer *writer, const char *asset);

/* 2026-01-02T03:04:05.678Z */
#define TIME_TEXT_SIZE 32
void time_text(s64 wall_ms, char out[TIME_TEXT_SIZE]);

#endif
