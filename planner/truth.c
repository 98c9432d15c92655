/* truth.c: the thread of truth.h: its connection, its queue, and trying again.
 *
 * How: one connection, one request at a time, in order. A request is a transaction that is safe to
 * do again; when the connection is lost on the way, in a commit too, it is done again from its
 * start on the next one. While nothing is asked, the thread sleeps on the queue, the connection and
 * a descriptor for the end. Between requests it renews the leases if that is due, so that a long
 * queue does not cost them; a loop that asks for nothing any more keeps none. */
#include "planner/truth.h"

#include "base/clock.h"
#include "base/log.h"
#include "planner/truth_ledger.h"

#include <pthread.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define WAKE_MS 1000
#define BACKOFF_LEAST_MS 50
#define BACKOFF_MOST_MS 1000
#define END_GRACE_MS 1000 /* what runs may end by itself for so long */

struct truth {
    char *url;
    char *name;
    struct queue *requests; /* of struct truth_request */
    struct queue *answers;  /* borrowed */
    pthread_t thread;
    int stop_fd; /* readable once the thread is to end */
    atomic_bool stopping;
    atomic_bool up;

    /* the connection's descriptor, -1 = none: truth_destroy cuts it if the thread hangs in a call
     */
    pthread_mutex_t cut_mutex;
    int cut_fd;

    /* of the thread only */
    struct ledger ledger;
    s64 renewed_ms;
    s64 woken_ms;
    s64 backoff_ms;
    bool degraded; /* logged */
};

/* ---- the connection ---- */

static void set_cut_fd(struct truth *truth, int fd)
{
    pthread_mutex_lock(&truth->cut_mutex);
    truth->cut_fd = fd;
    pthread_mutex_unlock(&truth->cut_mutex);
}

static void disconnect(struct truth *truth)
{
    set_cut_fd(truth, -1);
    postgres_destroy(&truth->ledger.postgres);
    atomic_store(&truth->up, false);
}

static void log_degraded(struct truth *truth, const struct err *err)
{
    if (truth->degraded)
        return;
    truth->degraded = true;
    log_write(LOG_WARN, NULL, EVENT_degraded, "service=postgres code=%s message=%s",
              err_name(err->code), log_text(err->text));
}

static void log_connected(struct truth *truth)
{
    truth->degraded = false;
    log_write(LOG_INFO, NULL, EVENT_connected, "service=postgres planner=%llu",
              (unsigned long long)truth->ledger.planner);
}

static int connect_once(struct truth *truth, struct err *err)
{
    struct ledger *ledger = &truth->ledger;
    struct buf application = {0};
    int rc;

    buf_printf(&application, "syncline-planner %s", truth->name);
    rc = postgres_connect(truth->url, buf_text(&application), &ledger->postgres, err);
    buf_release(&application);
    if (rc < 0)
        return -1;
    set_cut_fd(truth, postgres_fd(ledger->postgres));
    if (ledger_open(ledger, err) < 0) {
        disconnect(truth);
        return -1;
    }
    return 0;
}

/* Sleeps, twice as long as the last time, unless the thread is to end. */
static void back_off(struct truth *truth)
{
    struct pollfd stop = {.fd = truth->stop_fd, .events = POLLIN};

    truth->backoff_ms = truth->backoff_ms ? truth->backoff_ms * 2 : BACKOFF_LEAST_MS;
    if (truth->backoff_ms > BACKOFF_MOST_MS)
        truth->backoff_ms = BACKOFF_MOST_MS;
    poll(&stop, 1, (int)truth->backoff_ms);
}

static void wake(struct truth *truth)
{
    struct truth_request *request = memory_or_die(sizeof *request);

    request->kind = TRUTH_WAKE;
    truth->woken_ms = clock_monotonic_ms();
    queue_put(truth->answers, request);
}

/* True when there is a session; false when the thread is to end. */
static bool ensure_connected(struct truth *truth)
{
    struct err err;

    if (truth->ledger.postgres && postgres_is_alive(truth->ledger.postgres))
        return true;
    disconnect(truth);
    while (!atomic_load(&truth->stopping)) {
        if (connect_once(truth, &err) == 0) {
            truth->renewed_ms = clock_monotonic_ms();
            atomic_store(&truth->up, true);
            log_connected(truth);
            wake(truth);
            return true;
        }
        log_degraded(truth, &err);
        back_off(truth);
    }
    return false;
}

/* ---- requests ---- */

typedef int (*ledger_function)(struct ledger *ledger, struct truth_request *request,
                               struct err *err);

static const ledger_function functions[] = {
    [TRUTH_CLAIM] = ledger_claim,
    [TRUTH_RENEW] = ledger_renew,
    [TRUTH_BEGIN] = ledger_begin_job,
    [TRUTH_OPENED] = ledger_opened,
    [TRUTH_SPLIT] = ledger_split,
    [TRUTH_SEGMENT] = ledger_segment,
    [TRUTH_REDO] = ledger_redo,
    [TRUTH_RESOLVE] = ledger_resolve,
    [TRUTH_FEED] = ledger_feed,
    [TRUTH_CLOSE_NEXT] = ledger_close_next,
    [TRUTH_CLOSE_DONE] = ledger_close_done,
    [TRUTH_PHASE] = ledger_phase,
    [TRUTH_END] = ledger_end,
};

static int execute_once(struct truth *truth, struct truth_request *request, struct err *err)
{
    struct postgres *postgres = truth->ledger.postgres;
    struct err ignored;
    int rc;

    if ((size_t)request->kind >= COUNT_OF(functions) || !functions[request->kind])
        return err_set(err, ERR_Internal, "a request of unknown kind %d", (int)request->kind);
    rc = functions[request->kind](&truth->ledger, request, err);
    if (rc < 0 && postgres_is_alive(postgres) &&
        PQtransactionStatus(postgres_raw(postgres)) != PQTRANS_IDLE)
        postgres_run(postgres, "ROLLBACK", &ignored);
    return rc;
}

/* Until it is decided, or the thread is to end. */
static void execute(struct truth *truth, struct truth_request *request)
{
    while (ensure_connected(truth)) {
        err_clear(&request->err);
        if (execute_once(truth, request, &request->err) == 0) {
            if (truth->degraded)
                log_connected(truth);
            truth->backoff_ms = 0;
            err_clear(&request->err);
            return;
        }
        if (request->err.code != ERR_PostgresUnavailable)
            return;
        log_degraded(truth, &request->err);
        if (!atomic_load(&truth->stopping))
            back_off(truth);
    }
    err_set(&request->err, ERR_Stopped, "the planner is shutting down");
}

/* Takes what was notified; a lost connection is seen by the next request. */
static void take_notifications(struct truth *truth)
{
    char *channel, *payload;
    bool any = false;
    struct err err;

    while (postgres_wait_notify(truth->ledger.postgres, 0, &channel, &payload, &err) > 0) {
        free(channel);
        free(payload);
        any = true;
    }
    if (any)
        wake(truth);
}

static void renew_if_due(struct truth *truth)
{
    s64 now = clock_monotonic_ms();
    struct err err;

    if (now - truth->renewed_ms < PLANNER_RENEW_MS)
        return;
    truth->renewed_ms = now;
    ledger_renew(&truth->ledger, NULL, &err); /* a failure is the next request's */
}

static void sleep_until_something(struct truth *truth)
{
    struct pollfd wait[] = {{.fd = truth->stop_fd, .events = POLLIN},
                            {.fd = queue_fd(truth->requests), .events = POLLIN},
                            {.fd = postgres_fd(truth->ledger.postgres), .events = POLLIN}};
    s64 left = truth->woken_ms + WAKE_MS - clock_monotonic_ms();

    poll(wait, COUNT_OF(wait), left > 0 ? (int)left : 0);
    take_notifications(truth);
    if (clock_monotonic_ms() - truth->woken_ms >= WAKE_MS)
        wake(truth);
}

static void *run(void *context)
{
    struct truth *truth = context;

    while (!atomic_load(&truth->stopping) && ensure_connected(truth)) {
        struct truth_request *request = queue_take(truth->requests);

        if (!request) {
            sleep_until_something(truth);
            continue;
        }
        execute(truth, request);
        if (request->kind == TRUTH_RENEW)
            truth->renewed_ms = clock_monotonic_ms();
        queue_put(truth->answers, request);
        if (truth->ledger.postgres) {
            take_notifications(truth);
            renew_if_due(truth);
        }
    }
    if (truth->ledger.postgres && postgres_is_alive(truth->ledger.postgres))
        ledger_close(&truth->ledger);
    disconnect(truth);
    return NULL;
}

/* ---- for the loop ---- */

struct truth *truth_new(const char *database_url, const char *name, struct queue *answers)
{
    struct truth *truth = memory_or_die(sizeof *truth);
    sigset_t all, before;

    truth->url = text_copy(database_url);
    truth->name = text_copy(name);
    truth->ledger.name = truth->name;
    truth->answers = answers;
    truth->requests = queue_new();
    truth->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    truth->cut_fd = -1;
    pthread_mutex_init(&truth->cut_mutex, NULL);
    /* signals are the loop's */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (truth->stop_fd < 0 || pthread_create(&truth->thread, NULL, run, truth) != 0)
        abort(); /* no descriptor or thread at the start of a process */
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return truth;
}

/* Waits for the thread; one that hangs in a call (a server that does not answer) has its connection
 * cut under it. */
static void join(struct truth *truth)
{
    struct timespec deadline;

    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += END_GRACE_MS / 1000;
    if (pthread_timedjoin_np(truth->thread, NULL, &deadline) == 0)
        return;
    pthread_mutex_lock(&truth->cut_mutex);
    if (truth->cut_fd >= 0)
        shutdown(truth->cut_fd, SHUT_RDWR);
    pthread_mutex_unlock(&truth->cut_mutex);
    pthread_join(truth->thread, NULL);
}

void truth_destroy(struct truth **truth_address)
{
    struct truth *truth = *truth_address;
    struct truth_request *request;
    u64 one = 1;

    if (!truth)
        return;
    atomic_store(&truth->stopping, true);
    if (write(truth->stop_fd, &one, sizeof one) < 0)
        abort(); /* a new eventfd takes a one */
    join(truth);
    while ((request = queue_take(truth->requests)) != NULL) {
        err_set(&request->err, ERR_Stopped, "the planner is shutting down");
        queue_put(truth->answers, request);
    }
    queue_destroy(&truth->requests);
    close(truth->stop_fd);
    pthread_mutex_destroy(&truth->cut_mutex);
    free(truth->url);
    free(truth->name);
    free(truth);
    *truth_address = NULL;
}

void truth_post(struct truth *truth, struct truth_request **request)
{
    queue_put(truth->requests, *request);
    *request = NULL;
}

bool truth_is_up(const struct truth *truth)
{
    return atomic_load(&truth->up);
}

void truth_request_destroy(struct truth_request **request_address)
{
    struct truth_request *request = *request_address;

    if (!request)
        return;
    truth_claims_free(request);
    free(request->jobs);
    truth_shards_free(request);
    truth_batches_free(request);
    for (u32 i = 0; i < request->row_count; i++)
        buf_release(&request->rows[i]);
    free(request->rows);
    for (u32 i = 0; i < request->name_count; i++)
        buf_release(&request->names[i]);
    free(request->names);
    buf_release(&request->cursor);
    buf_release(&request->source_identity);
    buf_release(&request->destination_identity);
    buf_release(&request->source_place);
    buf_release(&request->destination_place);
    buf_release(&request->path);
    buf_release(&request->paths);
    free(request->waiting_for);
    free(request->reason);
    free(request->message);
    free(request);
    *request_address = NULL;
}
