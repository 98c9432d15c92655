/* truth_thread.c: see truth_thread.h. */
#include "planner/truth_thread.h"

#include "base/log.h"
#include "io/postgres.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BACKOFF_LEAST_MS 50
#define BACKOFF_MOST_MS 1000

void truth_thread_begin(struct truth_thread *thread, struct queue *answers, void *(*run)(void *),
                        void *context)
{
    sigset_t all, before;

    thread->answers = answers;
    thread->requests = queue_new();
    thread->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    thread->cut_fd = -1;
    pthread_mutex_init(&thread->cut_mutex, NULL);
    /* signals are the loop's */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (thread->stop_fd < 0 || pthread_create(&thread->thread, NULL, run, context) != 0)
        abort(); /* no descriptor or thread at the start of a process */
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void join(struct truth_thread *thread, s64 grace_ms)
{
    struct timespec deadline;

    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_nsec += grace_ms % 1000 * NS_PER_MS;
    deadline.tv_sec += grace_ms / 1000 + deadline.tv_nsec / NS_PER_S;
    deadline.tv_nsec %= NS_PER_S;
    if (pthread_timedjoin_np(thread->thread, NULL, &deadline) == 0)
        return;
    pthread_mutex_lock(&thread->cut_mutex);
    if (thread->cut_fd >= 0)
        shutdown(thread->cut_fd, SHUT_RDWR);
    pthread_mutex_unlock(&thread->cut_mutex);
    pthread_join(thread->thread, NULL);
}

void truth_thread_stop(struct truth_thread *thread, s64 grace_ms)
{
    u64 one = 1;

    atomic_store(&thread->stopping, true);
    if (write(thread->stop_fd, &one, sizeof one) < 0)
        abort(); /* a new eventfd takes a one */
    join(thread, grace_ms);
}

void truth_thread_release(struct truth_thread *thread)
{
    struct truth_request *request;

    while ((request = queue_take(thread->requests)) != NULL) {
        truth_thread_refuse(request);
        queue_put(thread->answers, request);
    }
    queue_destroy(&thread->requests);
    close(thread->stop_fd);
    pthread_mutex_destroy(&thread->cut_mutex);
}

/* ---- for the thread itself ---- */

bool truth_thread_stops(const struct truth_thread *thread)
{
    return atomic_load(&thread->stopping);
}

static void set_cut_fd(struct truth_thread *thread, int fd)
{
    pthread_mutex_lock(&thread->cut_mutex);
    thread->cut_fd = fd;
    pthread_mutex_unlock(&thread->cut_mutex);
}

void truth_thread_connected(struct truth_thread *thread, const struct postgres *postgres)
{
    set_cut_fd(thread, postgres_fd(postgres));
}

void truth_thread_disconnect(struct truth_thread *thread, struct postgres **postgres)
{
    set_cut_fd(thread, -1);
    postgres_destroy(postgres);
}

void truth_thread_back_off(struct truth_thread *thread)
{
    struct pollfd stop = {.fd = thread->stop_fd, .events = POLLIN};

    thread->backoff_ms = thread->backoff_ms ? thread->backoff_ms * 2 : BACKOFF_LEAST_MS;
    if (thread->backoff_ms > BACKOFF_MOST_MS)
        thread->backoff_ms = BACKOFF_MOST_MS;
    poll(&stop, 1, (int)thread->backoff_ms);
}

void truth_thread_degraded(struct truth_thread *thread, const struct err *err)
{
    if (atomic_exchange(&thread->degraded, true))
        return;
    log_write(LOG_WARN, NULL, EVENT_degraded, "service=postgres code=%s message=%s",
              err_name(err->code), log_text(err->text));
}

void truth_thread_refuse(struct truth_request *request)
{
    err_set(&request->err, ERR_Stopped, "the planner is shutting down");
}
