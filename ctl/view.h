/* view.h: Redis, as the command reads it: progress of a job, and the workers. Only for the eye: no
 * exit code depends on it. Keys: schema/redis.md. */
#ifndef SYNCLINE_CTL_VIEW_H
#define SYNCLINE_CTL_VIEW_H

#include "base/err.h"
#include "base/states.h"

#include <jansson.h>

struct view;

/* redis://[:password@]host[:port][/db] or unix:///path. RedisUnavailable, Configuration. */
int view_open(const char *url, struct view **out, struct err *err);
void view_close(struct view **view);
bool view_is_alive(const struct view *view);

/* A job as of the last tenth of a second. False if Redis has nothing of it. */
bool view_job(struct view *view, const char *name, enum phase *phase, bool *scan_complete,
              struct counters *counters, char *waiting_for, size_t size);

/* All live workers: an array of objects with what their hashes hold, sorted by name. NULL on
 * failure. */
json_t *view_workers(struct view *view, struct err *err);

/* What workers hold of a job, at most `limit`, the earliest deadline first: an array of objects
 * with what the hashes of its batches hold, and "batch", its number. Empty if Redis does not
 * answer. */
json_t *view_batches(struct view *view, const char *job, u32 limit);

#endif
