/* truth.c: the thread of truth.h: its connection, its queue, and trying again.
 *
 * How: one connection, one request at a time, in order. A request is a transaction that is safe to
 * do again; when the connection is lost on the way, in a commit too, it is done again from its
 * start on the next one. While nothing is asked, the thread sleeps on the queue, the connection and
 * a descriptor for the end. Renewals of leases do not wait for any of it (truth_renew.c). */
#include "planner/truth.h"

#include "base/clock.h"
#include "base/log.h"
#include "planner/truth_ledger.h"
#include "planner/truth_renew.h"
#include "planner/truth_thread.h"

#include <poll.h>
#include <stdlib.h>

#define WAKE_MS 1000
#define END_GRACE_MS 1000 /* what runs may end by itself for so long */

struct truth {
    char *url;
    char *name;
    atomic_bool up;
    struct renewer *renewer;
    struct truth_thread thread;

    /* of the thread only */
    struct ledger ledger;
    s64 woken_ms;
};

/* ---- the connection ---- */

static void disconnect(struct truth *truth)
{
    renewer_set_planner(truth->renewer, 0);
    truth_thread_disconnect(&truth->thread, &truth->ledger.postgres);
    atomic_store(&truth->up, false);
}

static void log_connected(struct truth *truth)
{
    atomic_store(&truth->thread.degraded, false);
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
    truth_thread_connected(&truth->thread, ledger->postgres);
    if (ledger_open(ledger, err) < 0) {
        disconnect(truth);
        return -1;
    }
    renewer_set_planner(truth->renewer, ledger->planner);
    return 0;
}

static void wake(struct truth *truth)
{
    struct truth_request *request = memory_or_die(sizeof *request);

    request->kind = TRUTH_WAKE;
    truth->woken_ms = clock_monotonic_ms();
    queue_put(truth->thread.answers, request);
}

/* True when there is a session; false when the thread is to end. */
static bool ensure_connected(struct truth *truth)
{
    struct err err;

    if (truth->ledger.postgres && postgres_is_alive(truth->ledger.postgres))
        return true;
    disconnect(truth);
    while (!truth_thread_stops(&truth->thread)) {
        if (connect_once(truth, &err) == 0) {
            atomic_store(&truth->up, true);
            log_connected(truth);
            wake(truth);
            return true;
        }
        truth_thread_degraded(&truth->thread, &err);
        truth_thread_back_off(&truth->thread);
    }
    return false;
}

/* ---- requests ---- */

typedef int (*ledger_function)(struct ledger *ledger, struct truth_request *request,
                               struct err *err);

static const ledger_function functions[] = {
    [TRUTH_CLAIM] = ledger_claim,
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
    [TRUTH_PLAN] = ledger_plan,
    [TRUTH_LOOK] = ledger_look,
    [TRUTH_ASSET] = ledger_asset,
    [TRUTH_RETENTION] = ledger_retention,
};

static int execute_once(struct truth *truth, struct truth_request *request, struct err *err)
{
    struct postgres *postgres = truth->ledger.postgres;
    struct err ignored;
    int rc;

    if ((size_t)request->kind >= COUNT_OF(functions) || !functions[request->kind])
        return err_set(err, ERR_Internal, "a request of unknown kind %d", (int)request->kind);
    truth->ledger.locked = 0;
    rc = functions[request->kind](&truth->ledger, request, err);
    if (rc < 0 && postgres_is_alive(postgres) &&
        PQtransactionStatus(postgres_raw(postgres)) != PQTRANS_IDLE) {
        postgres_run(postgres, "ROLLBACK", &ignored);
        /* what renewals passed by while it was locked; should it fail, the next one is near */
        ledger_renew(&truth->ledger, NULL, &ignored);
    }
    return rc;
}

/* Until it is decided, or the thread is to end. */
static void execute(struct truth *truth, struct truth_request *request)
{
    while (ensure_connected(truth)) {
        err_clear(&request->err);
        if (execute_once(truth, request, &request->err) == 0) {
            if (atomic_load(&truth->thread.degraded))
                log_connected(truth);
            truth->thread.backoff_ms = 0;
            err_clear(&request->err);
            return;
        }
        if (request->err.code != ERR_PostgresUnavailable)
            return;
        truth_thread_degraded(&truth->thread, &request->err);
        if (!truth_thread_stops(&truth->thread))
            truth_thread_back_off(&truth->thread);
    }
    truth_thread_refuse(request);
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

static void sleep_until_something(struct truth *truth)
{
    struct pollfd wait[] = {{.fd = truth->thread.stop_fd, .events = POLLIN},
                            {.fd = queue_fd(truth->thread.requests), .events = POLLIN},
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

    while (!truth_thread_stops(&truth->thread) && ensure_connected(truth)) {
        struct truth_request *request = queue_take(truth->thread.requests);

        if (!request) {
            sleep_until_something(truth);
            continue;
        }
        execute(truth, request);
        queue_put(truth->thread.answers, request);
        if (truth->ledger.postgres)
            take_notifications(truth);
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

    truth->url = text_copy(database_url);
    truth->name = text_copy(name);
    truth->ledger.name = truth->name;
    truth->renewer = renewer_new(truth->url, truth->name, answers);
    truth_thread_begin(&truth->thread, answers, run, truth);
    return truth;
}

void truth_destroy(struct truth **truth_address)
{
    struct truth *truth = *truth_address;

    if (!truth)
        return;
    /* its last renewal must not come after the leases are given up; what the other thread tells it
     * after that comes to nothing */
    renewer_stop(truth->renewer);
    truth_thread_stop(&truth->thread, END_GRACE_MS);
    truth_thread_release(&truth->thread);
    renewer_destroy(&truth->renewer);
    free(truth->url);
    free(truth->name);
    free(truth);
    *truth_address = NULL;
}

void truth_post(struct truth *truth, struct truth_request **request)
{
    if ((*request)->kind == TRUTH_RENEW)
        renewer_post(truth->renewer, request);
    else
        queue_put(truth->thread.requests, *request);
    *request = NULL;
}

bool truth_is_up(const struct truth *truth)
{
    return atomic_load(&truth->up) && renewer_is_up(truth->renewer);
}

void plan_notes_free(struct plan_note *notes, u32 count)
{
    for (u32 i = 0; i < count; i++) {
        free(notes[i].plan);
        free(notes[i].job);
        free(notes[i].reason);
        free(notes[i].message);
    }
    free(notes);
}

void truth_request_destroy(struct truth_request **request_address)
{
    struct truth_request *request = *request_address;

    if (!request)
        return;
    truth_claims_free(request);
    truth_owned_free(request);
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
    free(request->only);
    free(request->plan);
    free(request->planned);
    truth_due_free(request);
    truth_notes_free(request);
    plan_notes_free(request->plan_notes, request->plan_note_count);
    free(request->address);
    free(request->workers);
    free(request->waiting_for);
    free(request->reason);
    free(request->message);
    free(request);
    *request_address = NULL;
}
