/* metrics.c: see metrics.h. The loop's part and the pages; what is asked of Postgres is in
 * metrics_truth.c. */
#include "planner/metrics.h"

#include "base/clock.h"
#include "schema/limits.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define ALIVE_MS 2000

struct metrics {
    _Atomic s64 beat_ms;
    pthread_mutex_t mutex;
    struct metrics_loop loop;
    struct metrics_truth *truth;
};

struct metrics *metrics_new(const char *database_url, const char *planner)
{
    struct metrics *metrics = memory_or_die(sizeof *metrics);

    pthread_mutex_init(&metrics->mutex, NULL);
    metrics->truth = metrics_truth_new(database_url, planner);
    metrics_beat(metrics);
    return metrics;
}

void metrics_stop(struct metrics *metrics)
{
    metrics_truth_cut(metrics->truth);
}

void metrics_destroy(struct metrics **metrics)
{
    metrics_truth_destroy(&(*metrics)->truth);
    pthread_mutex_destroy(&(*metrics)->mutex);
    free(*metrics);
    *metrics = NULL;
}

void metrics_beat(struct metrics *metrics)
{
    atomic_store(&metrics->beat_ms, clock_monotonic_ms());
}

void metrics_post(struct metrics *metrics, const struct metrics_loop *loop)
{
    pthread_mutex_lock(&metrics->mutex);
    metrics->loop = *loop;
    pthread_mutex_unlock(&metrics->mutex);
}

static struct metrics_loop take_loop(struct metrics *metrics)
{
    struct metrics_loop loop;

    pthread_mutex_lock(&metrics->mutex);
    loop = metrics->loop;
    pthread_mutex_unlock(&metrics->mutex);
    return loop;
}

/* ---- the format ---- */

void metric_head(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void metric_label(struct buf *out, const char *name, const char *value)
{
    buf_printf(out, "%s=\"", name);
    for (; *value; value++) {
        if (*value == '\\' || *value == '"')
            buf_append(out, "\\", 1);
        buf_append(out, *value == '\n' ? "\\n" : value, *value == '\n' ? 2 : 1);
    }
    buf_append_text(out, "\"");
}

static void dependency(struct buf *out, const char *name, bool up)
{
    buf_append_text(out, "syncline_dependency_up{");
    metric_label(out, "dependency", name);
    buf_printf(out, "} %d\n", up);
}

static void lanes(struct buf *out, enum role role, const char *state, u32 count)
{
    buf_append_text(out, "syncline_lanes{");
    metric_label(out, "role", role_name(role));
    buf_append_text(out, ",");
    metric_label(out, "state", state);
    buf_printf(out, "} %u\n", count);
}

static void print_loop(const struct metrics_loop *loop, bool answered, struct buf *out)
{
    metric_head(out, "syncline_build_info", "gauge", "1, with the version of this planner.");
    buf_append_text(out, "syncline_build_info{");
    metric_label(out, "version", SYNCLINE_VERSION);
    buf_printf(out, ",schema=\"%u\"} 1\n", SCHEMA_VERSION);

    metric_head(out, "syncline_dependency_up", "gauge", "Whether this planner reaches it.");
    dependency(out, "postgres", loop->postgres && answered);
    if (loop->has_redis)
        dependency(out, "redis", loop->redis);

    metric_head(out, "syncline_leases_expired_total", "counter",
                "Assignments of this planner that were taken back: lost or without progress.");
    buf_printf(out, "syncline_leases_expired_total %llu\n",
               (unsigned long long)loop->leases_expired);

    metric_head(out, "syncline_lanes", "gauge", "Lanes of the workers that this planner knows.");
    for (enum role role = ROLE_watcher; role <= ROLE_verifier; role++) {
        u32 all = loop->roles[role].lanes;
        u32 busy = loop->roles[role].busy < all ? loop->roles[role].busy : all;

        lanes(out, role, "busy", busy);
        lanes(out, role, "idle", all - busy);
    }
}

/* ---- pages ---- */

static unsigned page_metrics(struct metrics *metrics, struct buf *body, const char **type)
{
    struct metrics_loop loop = take_loop(metrics);
    struct buf truth = {0};
    bool answered = metrics_truth_read(metrics->truth, &truth) == 0;

    *type = "text/plain; version=0.0.4; charset=utf-8";
    print_loop(&loop, answered, body);
    buf_append(body, truth.data, truth.size);
    buf_release(&truth);
    return 200;
}

static unsigned page_healthz(struct metrics *metrics, struct buf *body)
{
    s64 age_ms = clock_monotonic_ms() - atomic_load(&metrics->beat_ms);

    if (age_ms < ALIVE_MS) {
        buf_append_text(body, "ok\n");
        return 200;
    }
    buf_printf(body, "the loop has not moved for %lld ms\n", (long long)age_ms);
    return 503;
}

static unsigned page_readyz(struct metrics *metrics, struct buf *body)
{
    struct metrics_loop loop = take_loop(metrics);

    if (!loop.postgres)
        buf_append_text(body, "Postgres cannot be reached\n");
    for (enum role role = ROLE_watcher; role <= ROLE_verifier; role++)
        if (loop.roles[role].workers == 0)
            buf_printf(body, "no %s is there\n", role_name(role));
    if (body->size > 0)
        return 503;
    buf_append_text(body, "ok\n");
    return 200;
}

unsigned metrics_page(void *context, const char *path, struct buf *body, const char **type)
{
    if (strcmp(path, "/metrics") == 0)
        return page_metrics(context, body, type);
    if (strcmp(path, "/healthz") == 0)
        return page_healthz(context, body);
    if (strcmp(path, "/readyz") == 0)
        return page_readyz(context, body);
    return 0;
}
