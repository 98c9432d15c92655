/* metrics.h: what the planner's pages say: /metrics (Prometheus' text format), /healthz, /readyz.
 * Their threads never touch the loop: it leaves what it knows here, and the rest is asked of
 * Postgres by a connection of their own, at most once a second however often they are read.
 *
 * Labels carry no paths and no names of jobs; what `sync` started is together under sync="adhoc".
 */
#ifndef SYNCLINE_PLANNER_METRICS_H
#define SYNCLINE_PLANNER_METRICS_H

#include "base/buf.h"
#include "base/err.h"
#include "base/states.h"

/* What the loop knows. */
struct metrics_loop {
    bool postgres, redis; /* can be reached */
    bool has_redis;       /* there is to be one */
    u64 leases_expired;
    struct {
        u32 workers; /* that take new work */
        u32 lanes;
        u32 busy;
    } roles[ROLE_verifier + 1];
};

struct metrics;

struct metrics *metrics_new(const char *database_url, const char *planner);
/* Pages are answered at once from now on: before the server is stopped. */
void metrics_stop(struct metrics *metrics);
void metrics_destroy(struct metrics **metrics);
/* From the loop: it moves. */
void metrics_beat(struct metrics *metrics);
void metrics_post(struct metrics *metrics, const struct metrics_loop *loop);
/* An http_page; `context` is the metrics. */
unsigned metrics_page(void *context, const char *path, struct buf *body, const char **type);

/* ---- between metrics.c and metrics_truth.c ---- */

/* "# HELP" and "# TYPE" of a metric. */
void metric_head(struct buf *out, const char *name, const char *type, const char *help);
/* A label: name="value", escaped. */
void metric_label(struct buf *out, const char *name, const char *value);

/* What Postgres says, as text; kept for a second. */
struct metrics_truth;
struct metrics_truth *metrics_truth_new(const char *database_url, const char *planner);
/* Who reads gives up, now and from now on. */
void metrics_truth_cut(struct metrics_truth *truth);
void metrics_truth_destroy(struct metrics_truth **truth);
/* Appends it. -1: Postgres did not answer in time, and nothing was appended. Any thread. */
int metrics_truth_read(struct metrics_truth *truth, struct buf *out);

#endif
