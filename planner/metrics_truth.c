/* metrics_truth.c: the numbers that Postgres has (metrics.h). A sum is what ended jobs left in
 * table total and what active ones have done since, of one statement. It must never be seen to
 * fall: a shard that is done again takes back what its failed items had counted, so what was said
 * once is the least that is said as long as this planner lives. */
#include "planner/metrics.h"

#include "base/clock.h"
#include "io/postgres.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#define KEPT_MS 1000
#define WAIT_MS 3000 /* for who reads; a server that hangs must not keep all pages waiting */

struct said {
    char *series;
    s64 value;
};

struct metrics_truth {
    char *url;
    char *name; /* in pg_stat_activity */
    pthread_mutex_t cut_mutex;
    int cut_fd; /* of the connection; -1 = none */
    bool stopping;
    pthread_mutex_t mutex; /* held by who reads, for all that follows */
    struct postgres *postgres;
    s64 read_ms; /* 0 = never */
    bool answered;
    struct buf text;
    struct said *said; /* sorted by series */
    u32 said_count;
    struct said *saying; /* of the read that is under way */
    u32 saying_count, saying_capacity;
};

#define SYNC "CASE WHEN s.labels ->> 'syncline.adhoc' = 'true' THEN 'adhoc' ELSE s.name END"
#define ACTIVE "('Queued', 'Probing', 'Running', 'Closing')"

/* column of total and job, operation, outcome. Of what came to nothing only the outcome is counted;
 * `any` says so. */
#define ITEMS(ITEM)                                                                                \
    ITEM(moved, "put", "moved")                                                                    \
    ITEM(linked, "link", "linked")                                                                 \
    ITEM(attributes, "attributes", "attributes")                                                   \
    ITEM(removed, "remove", "removed")                                                             \
    ITEM(changed, "any", "changed")                                                                \
    ITEM(vanished, "any", "vanished")                                                              \
    ITEM(failed, "any", "failed")

#define COLUMN(name, operation, outcome) ", " #name
#define SUM_COLUMN(name, operation, outcome) ", sum(" #name ")::bigint"
#define SINCE_COLUMN(name, operation, outcome)                                                     \
    ", greatest(j." #name " - coalesce((j.totalled ->> '" #name "')::bigint, 0), 0)"
#define ZERO_COLUMN(name, operation, outcome) ", 0"

#define ALL(C) C(bytes_moved, , ) C(mismatched, , ) ITEMS(C)

static const char sums_sql[] = "SELECT sync" ALL(SUM_COLUMN) " FROM (SELECT sync" ALL(
    COLUMN) " FROM total"
            " UNION ALL SELECT " SYNC ALL(
                SINCE_COLUMN) " FROM job j JOIN synchronization s ON s.id ="
                              "  j.synchronization WHERE j.phase IN " ACTIVE
                              /* all of them, so that the first step of each is seen as one */
                              " UNION ALL SELECT DISTINCT " SYNC ALL(
                                  ZERO_COLUMN) " FROM synchronization s) every"
                                               " GROUP BY sync ORDER BY sync";

static const char durations_sql[] =
    "SELECT sync, phase, jobs, seconds, within[1], within[2], within[3], within[4], within[5],"
    " within[6], within[7], within[8] FROM total ORDER BY sync, phase";

static const char jobs_sql[] =
    "SELECT " SYNC ", j.phase, count(*) FROM job j JOIN synchronization s"
    " ON s.id = j.synchronization GROUP BY 1, 2 ORDER BY 1, 2";

static const char successes_sql[] =
    "SELECT " SYNC ", extract(epoch FROM max(s.last_success)) FROM v_synchronizations s"
    " WHERE s.last_success IS NOT NULL GROUP BY 1 ORDER BY 1";

static const char queue_sql[] =
    "SELECT coalesce(max(extract(epoch FROM now() - greatest(j.created_at,"
    "  (SELECT max(e.at) FROM event e WHERE e.job = j.id)))), 0) FROM job j"
    " WHERE j.phase = 'Queued' AND NOT j.waits";

static const char plans_sql[] =
    "SELECT s.name, c.missed FROM schedule c JOIN synchronization s ON s.id = c.synchronization"
    " ORDER BY s.name";

static const char assets_sql[] =
    "SELECT a.name, (a.state = 'Ready')::integer FROM asset a WHERE EXISTS"
    " (SELECT FROM synchronization s WHERE a.id IN (s.source, s.destination)"
    "  AND s.labels ->> 'syncline.adhoc' IS DISTINCT FROM 'true') ORDER BY a.name";

/* ---- what was said ---- */

static int by_series(const void *a, const void *b)
{
    return strcmp(((const struct said *)a)->series, ((const struct said *)b)->series);
}

static void said_free(struct said *said, u32 count)
{
    for (u32 i = 0; i < count; i++)
        free(said[i].series);
    free(said);
}

/* "name{labels} value", not less than the last time. */
static void sum(struct metrics_truth *truth, const struct buf *series, s64 value)
{
    struct said key = {.series = text_of_bytes(buf_bytes(series))};
    const struct said *before = truth->said_count ? bsearch(&key, truth->said, truth->said_count,
                                                            sizeof *truth->said, by_series)
                                                  : NULL;

    key.value = before && before->value > value ? before->value : value;
    buf_printf(&truth->text, "%s %lld\n", key.series, (long long)key.value);
    if (truth->saying_count == truth->saying_capacity) {
        truth->saying_capacity = truth->saying_capacity ? 2 * truth->saying_capacity : 64;
        truth->saying =
            memory_resize_or_die(truth->saying, truth->saying_capacity * sizeof *truth->saying);
    }
    truth->saying[truth->saying_count++] = key;
}

static void end_saying(struct metrics_truth *truth, bool answered)
{
    if (answered) {
        said_free(truth->said, truth->said_count);
        truth->said = truth->saying;
        truth->said_count = truth->saying_count;
        if (truth->said_count)
            qsort(truth->said, truth->said_count, sizeof *truth->said, by_series);
    } else {
        said_free(truth->saying, truth->saying_count);
    }
    truth->saying = NULL;
    truth->saying_count = truth->saying_capacity = 0;
}

/* ---- printing ---- */

/* A metric of the first column's label: name{label="…"}. */
static void begin_series(struct buf *out, const char *name, const char *label, const char *value)
{
    buf_append_text(out, name);
    buf_append_text(out, "{");
    metric_label(out, label, value);
}

static void print_sum(struct metrics_truth *truth, const PGresult *rows, const char *name,
                      const char *label, const char *help, int column)
{
    metric_head(&truth->text, name, "counter", help);
    for (int i = 0; i < PQntuples(rows); i++) {
        struct buf series = {0};

        begin_series(&series, name, label, result_text(rows, i, 0));
        buf_append_text(&series, "}");
        sum(truth, &series, result_s64(rows, i, column));
        buf_release(&series);
    }
}

static void print_items(struct metrics_truth *truth, const PGresult *rows, int first)
{
    static const struct {
        const char *operation, *outcome;
    } items[] = {
#define LABELS(name, operation, outcome) {operation, outcome},
        ITEMS(LABELS)
#undef LABELS
    };

    metric_head(&truth->text, "syncline_items_total", "counter",
                "What became of items; operation any: only the outcome is counted.");
    for (int i = 0; i < PQntuples(rows); i++)
        for (size_t k = 0; k < COUNT_OF(items); k++) {
            struct buf series = {0};

            begin_series(&series, "syncline_items_total", "sync", result_text(rows, i, 0));
            buf_append_text(&series, ",");
            metric_label(&series, "operation", items[k].operation);
            buf_append_text(&series, ",");
            metric_label(&series, "outcome", items[k].outcome);
            buf_append_text(&series, "}");
            sum(truth, &series, result_s64(rows, i, first + (int)k));
            buf_release(&series);
        }
}

static void print_sums(struct metrics_truth *truth, const PGresult *rows)
{
    print_sum(truth, rows, "syncline_moved_bytes_total", "sync",
              "Content bytes put in place and proven.", 1);
    print_sum(truth, rows, "syncline_verify_mismatches_total", "sync",
              "Proofs that did not match: staged copies, and what verify found.", 2);
    print_items(truth, rows, 3);
}

static void begin_duration(struct buf *out, const PGresult *rows, int row, const char *suffix)
{
    buf_printf(out, "syncline_job_duration_seconds%s{", suffix);
    metric_label(out, "sync", result_text(rows, row, 0));
    buf_append_text(out, ",");
    metric_label(out, "phase", result_text(rows, row, 1));
}

static void print_durations(struct metrics_truth *truth, const PGresult *rows)
{
    /* as table total has them */
    static const char *const within[] = {"1", "10", "60", "300", "1800", "3600", "21600", "86400"};
    struct buf *out = &truth->text;

    metric_head(out, "syncline_job_duration_seconds", "histogram",
                "How long jobs took, by the phase that they ended in.");
    for (int i = 0; i < PQntuples(rows); i++) {
        for (size_t k = 0; k < COUNT_OF(within); k++) {
            begin_duration(out, rows, i, "_bucket");
            buf_printf(out, ",le=\"%s\"} %s\n", within[k], result_text(rows, i, 4 + (int)k));
        }
        begin_duration(out, rows, i, "_bucket");
        buf_printf(out, ",le=\"+Inf\"} %s\n", result_text(rows, i, 2));
        begin_duration(out, rows, i, "_sum");
        buf_printf(out, "} %s\n", result_text(rows, i, 3));
        begin_duration(out, rows, i, "_count");
        buf_printf(out, "} %s\n", result_text(rows, i, 2));
    }
}

static void print_jobs(struct metrics_truth *truth, const PGresult *rows)
{
    metric_head(&truth->text, "syncline_jobs", "gauge", "Jobs that are kept, by phase.");
    for (int i = 0; i < PQntuples(rows); i++) {
        begin_series(&truth->text, "syncline_jobs", "sync", result_text(rows, i, 0));
        buf_append_text(&truth->text, ",");
        metric_label(&truth->text, "phase", result_text(rows, i, 1));
        buf_printf(&truth->text, "} %s\n", result_text(rows, i, 2));
    }
}

static void print_gauges(struct metrics_truth *truth, const PGresult *rows, const char *name,
                         const char *label, const char *help)
{
    metric_head(&truth->text, name, "gauge", help);
    for (int i = 0; i < PQntuples(rows); i++) {
        begin_series(&truth->text, name, label, result_text(rows, i, 0));
        buf_printf(&truth->text, "} %s\n", result_text(rows, i, 1));
    }
}

static void print_successes(struct metrics_truth *truth, const PGresult *rows)
{
    print_gauges(truth, rows, "syncline_last_success_timestamp_seconds", "sync",
                 "When the last job that brought it up to date ended.");
}

static void print_plans(struct metrics_truth *truth, const PGresult *rows)
{
    print_sum(truth, rows, "syncline_plan_missed_total", "plan",
              "Times of a plan that passed and did not start.", 1);
}

static void print_assets(struct metrics_truth *truth, const PGresult *rows)
{
    print_gauges(truth, rows, "syncline_asset_ready", "asset",
                 "1: found fit by its last probe; 0: not, or not known.");
}

static void print_queue(struct metrics_truth *truth, const PGresult *rows)
{
    metric_head(&truth->text, "syncline_queue_oldest_seconds", "gauge",
                "For how long the oldest queued job has waited; 0: none does.");
    buf_printf(&truth->text, "syncline_queue_oldest_seconds %s\n", result_text(rows, 0, 0));
}

/* ---- asking ---- */

static const struct {
    const char *sql;
    void (*print)(struct metrics_truth *truth, const PGresult *rows);
} questions[] = {
    {sums_sql, print_sums},           {durations_sql, print_durations}, {jobs_sql, print_jobs},
    {successes_sql, print_successes}, {queue_sql, print_queue},         {assets_sql, print_assets},
    {plans_sql, print_plans},
};

/* False if there is to be no connection any more. */
static bool set_cut_fd(struct metrics_truth *truth, int fd)
{
    bool stopping;

    pthread_mutex_lock(&truth->cut_mutex);
    truth->cut_fd = fd;
    stopping = truth->stopping;
    pthread_mutex_unlock(&truth->cut_mutex);
    return !stopping;
}

static void cut(struct metrics_truth *truth, bool stop)
{
    pthread_mutex_lock(&truth->cut_mutex);
    truth->stopping = truth->stopping || stop;
    if (truth->cut_fd >= 0)
        shutdown(truth->cut_fd, SHUT_RDWR);
    pthread_mutex_unlock(&truth->cut_mutex);
}

void metrics_truth_cut(struct metrics_truth *truth)
{
    cut(truth, true);
}

static int connect_once(struct metrics_truth *truth, struct err *err)
{
    if (truth->postgres && postgres_is_alive(truth->postgres))
        return 0;
    if (!set_cut_fd(truth, -1))
        return err_set(err, ERR_Stopped, "the planner is shutting down");
    postgres_destroy(&truth->postgres);
    if (postgres_connect(truth->url, truth->name, &truth->postgres, err) < 0)
        return -1;
    if (!set_cut_fd(truth, postgres_fd(truth->postgres)))
        return err_set(err, ERR_Stopped, "the planner is shutting down");
    return postgres_run(truth->postgres, "SET statement_timeout = '2s'; SET jit = off", err);
}

static int read_anew(struct metrics_truth *truth)
{
    struct err err;

    buf_clear(&truth->text);
    if (connect_once(truth, &err) < 0)
        return -1;
    for (size_t i = 0; i < COUNT_OF(questions); i++) {
        PGresult *rows;

        if (postgres_query(truth->postgres, questions[i].sql, NULL, 0, &rows, &err) < 0)
            return -1;
        questions[i].print(truth, rows);
        PQclear(rows);
    }
    return 0;
}

static bool lock(struct metrics_truth *truth)
{
    struct timespec deadline;

    clock_gettime(CLOCK_MONOTONIC, &deadline);
    deadline.tv_sec += WAIT_MS / 1000;
    return pthread_mutex_clocklock(&truth->mutex, CLOCK_MONOTONIC, &deadline) == 0;
}

int metrics_truth_read(struct metrics_truth *truth, struct buf *out)
{
    bool answered;

    if (!lock(truth)) { /* the server hangs: who waits for it goes on without it */
        cut(truth, false);
        return -1;
    }
    if (truth->read_ms == 0 || clock_monotonic_ms() - truth->read_ms >= KEPT_MS) {
        truth->answered = read_anew(truth) == 0;
        end_saying(truth, truth->answered);
        truth->read_ms = clock_monotonic_ms();
    }
    answered = truth->answered;
    if (answered)
        buf_append(out, truth->text.data, truth->text.size);
    pthread_mutex_unlock(&truth->mutex);
    return answered ? 0 : -1;
}

struct metrics_truth *metrics_truth_new(const char *database_url, const char *planner)
{
    struct metrics_truth *truth = memory_or_die(sizeof *truth);
    struct buf name = {0};

    truth->url = text_copy(database_url);
    buf_printf(&name, "syncline-planner %s metrics", planner);
    truth->name = text_copy(buf_text(&name));
    buf_release(&name);
    pthread_mutex_init(&truth->mutex, NULL);
    pthread_mutex_init(&truth->cut_mutex, NULL);
    truth->cut_fd = -1;
    return truth;
}

void metrics_truth_destroy(struct metrics_truth **truth_address)
{
    struct metrics_truth *truth = *truth_address;

    postgres_destroy(&truth->postgres);
    pthread_mutex_destroy(&truth->mutex);
    pthread_mutex_destroy(&truth->cut_mutex);
    said_free(truth->said, truth->said_count);
    buf_release(&truth->text);
    free(truth->url);
    free(truth->name);
    free(truth);
    *truth_address = NULL;
}
