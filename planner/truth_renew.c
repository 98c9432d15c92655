/* truth_renew.c: see truth_renew.h. How: each request is one statement (ledger_renew), which waits
 * for no row, and is done again until it is decided. Nothing is renewed that was not asked for: a
 * loop that hangs keeps no leases. */
#include "planner/truth_renew.h"

#include "base/log.h"
#include "planner/truth_ledger.h"
#include "planner/truth_thread.h"

#include <poll.h>
#include <stdlib.h>

#define END_GRACE_MS 250 /* a renewal that is cut costs nothing */

struct renewer {
    const char *url;      /* borrowed */
    struct ledger ledger; /* of the thread only */
    _Atomic u64 planner;
    atomic_bool up;
    struct truth_thread thread;
};

static void disconnect(struct renewer *renewer)
{
    truth_thread_disconnect(&renewer->thread, &renewer->ledger.postgres);
    atomic_store(&renewer->up, false);
}

static int connect_once(struct renewer *renewer, struct err *err)
{
    struct buf application = {0};
    int rc;

    buf_printf(&application, "syncline-planner %s renewals", renewer->ledger.name);
    rc = postgres_connect(renewer->url, buf_text(&application), &renewer->ledger.postgres, err);
    buf_release(&application);
    if (rc < 0)
        return -1;
    truth_thread_connected(&renewer->thread, renewer->ledger.postgres);
    if (ledger_configure(renewer->ledger.postgres, err) < 0) {
        disconnect(renewer);
        return -1;
    }
    atomic_store(&renewer->up, true);
    return 0;
}

/* 0, -1 (the connection, if any, may be of no use), or 1: there is nobody to renew for. A WAKE asks
 * for the connection only. */
static int execute_once(struct renewer *renewer, struct truth_request *request, struct err *err)
{
    struct ledger *ledger = &renewer->ledger;

    ledger->planner = atomic_load(&renewer->planner);
    if (ledger->planner == 0)
        return 1;
    if (!ledger->postgres && connect_once(renewer, err) < 0)
        return -1;
    return request->kind == TRUTH_WAKE ? 0 : ledger_renew(ledger, request, err);
}

static void log_connected(struct renewer *renewer)
{
    if (atomic_exchange(&renewer->thread.degraded, false))
        log_write(LOG_INFO, NULL, EVENT_connected, "service=postgres planner=%llu",
                  (unsigned long long)renewer->ledger.planner);
}

/* Until it is decided, or the thread is to end. */
static void execute(struct renewer *renewer, struct truth_request *request)
{
    while (!truth_thread_stops(&renewer->thread)) {
        int rc;

        err_clear(&request->err);
        rc = execute_once(renewer, request, &request->err);
        if (rc == 0 || (rc < 0 && request->err.code != ERR_PostgresUnavailable)) {
            log_connected(renewer);
            renewer->thread.backoff_ms = 0;
            return;
        }
        if (rc < 0) {
            disconnect(renewer);
            truth_thread_degraded(&renewer->thread, &request->err);
        }
        truth_thread_back_off(&renewer->thread);
    }
    truth_thread_refuse(request);
}

static void *run(void *context)
{
    struct renewer *renewer = context;
    struct pollfd wait[] = {{.fd = renewer->thread.stop_fd, .events = POLLIN},
                            {.fd = queue_fd(renewer->thread.requests), .events = POLLIN}};

    while (!truth_thread_stops(&renewer->thread)) {
        struct truth_request *request = queue_take(renewer->thread.requests);

        if (!request) {
            poll(wait, COUNT_OF(wait), -1);
            continue;
        }
        execute(renewer, request);
        if (request->kind == TRUTH_WAKE)
            truth_request_destroy(&request);
        else
            queue_put(renewer->thread.answers, request);
    }
    disconnect(renewer);
    return NULL;
}

struct renewer *renewer_new(const char *database_url, const char *name, struct queue *answers)
{
    struct renewer *renewer = memory_or_die(sizeof *renewer);

    renewer->url = database_url;
    renewer->ledger.name = name;
    truth_thread_begin(&renewer->thread, answers, run, renewer);
    return renewer;
}

void renewer_stop(struct renewer *renewer)
{
    truth_thread_stop(&renewer->thread, END_GRACE_MS);
}

void renewer_destroy(struct renewer **renewer)
{
    truth_thread_release(&(*renewer)->thread);
    free(*renewer);
    *renewer = NULL;
}

void renewer_post(struct renewer *renewer, struct truth_request **request)
{
    queue_put(renewer->thread.requests, *request);
    *request = NULL;
}

void renewer_set_planner(struct renewer *renewer, u64 planner)
{
    struct truth_request *wake;

    atomic_store(&renewer->planner, planner);
    if (planner == 0)
        return;
    /* the first renewal must not have to connect */
    wake = memory_or_die(sizeof *wake);
    wake->kind = TRUTH_WAKE;
    renewer_post(renewer, &wake);
}

bool renewer_is_up(const struct renewer *renewer)
{
    return atomic_load(&renewer->up);
}
