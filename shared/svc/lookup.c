/* lookup.c: looks the planners' endpoints up, in a thread of its own: a resolver may take seconds,
 * and the loop must go on saying that its tasks are alive. */
#include "base/clock.h"
#include "svc/worker_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#define LOOKUP_MS 1000
#define LOOKUP_EAGER_MS                                                                            \
    100 /* while there is no planner: at the start of a stack it is about to come */
#define JOIN_MS 200

struct lookup {
    char **endpoints;
    u32 count;
};

static u32 look_up(struct worker *worker)
{
    struct lookup *lookup = memory_or_die(sizeof *lookup);
    struct err err;
    u32 count;

    /* the list was good at the start; that it cannot be had now changes nothing */
    if (bus_endpoints(worker->config.planner, &lookup->endpoints, &lookup->count, &err) < 0) {
        free(lookup);
        return 0;
    }
    count = lookup->count;
    queue_put(worker->lookups, lookup);
    return count;
}

static void *lookup_main(void *argument)
{
    struct worker *worker = argument;
    bool stopped = false;

    pthread_setname_np(pthread_self(), "lookup");
    while (!stopped) {
        u32 found = look_up(worker);

        stopped = queue_wait(worker->lookup_stop, found ? LOOKUP_MS : LOOKUP_EAGER_MS) != NULL;
    }
    return NULL;
}

static void on_lookup(void *context)
{
    struct worker *worker = context;
    struct lookup *lookup;

    while ((lookup = queue_take(worker->lookups)) != NULL) {
        if (!worker->stopping)
            planners_update(worker, lookup->endpoints, lookup->count);
        free(lookup->endpoints);
        free(lookup);
    }
}

int lookup_start(struct worker *worker, struct err *err)
{
    int rc;

    worker->lookups = queue_new();
    worker->lookup_stop = queue_new();
    loop_add_fd(worker->loop, queue_fd(worker->lookups), on_lookup, worker);
    rc = pthread_create(&worker->lookup_thread, NULL, lookup_main, worker);
    if (rc != 0)
        return err_errno(err, rc, "starting a thread");
    return 0;
}

bool lookup_end(struct worker *worker)
{
    s64 at_ns =
        clock_wall_ns() + JOIN_MS * NS_PER_MS; /* the clock that pthread_timedjoin_np wants */
    struct timespec until = {.tv_sec = at_ns / NS_PER_S, .tv_nsec = at_ns % NS_PER_S};

    queue_put(worker->lookup_stop, worker);
    if (pthread_timedjoin_np(worker->lookup_thread, NULL, &until) != 0)
        return false;
    worker->stopping = true;
    loop_remove_fd(worker->loop, queue_fd(worker->lookups));
    on_lookup(worker);
    queue_take(worker->lookup_stop);
    queue_destroy(&worker->lookups);
    queue_destroy(&worker->lookup_stop);
    return true;
}
