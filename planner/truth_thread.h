/* truth_thread.h: what the two threads of the truth have in common: a queue of requests, an end
 * that nothing delays, and patience with a server that is away. For truth*.c only. */
#ifndef SYNCLINE_PLANNER_TRUTH_THREAD_H
#define SYNCLINE_PLANNER_TRUTH_THREAD_H

#include "planner/truth.h"

#include <pthread.h>
#include <stdatomic.h>

struct postgres;

struct truth_thread {
    struct queue *requests; /* of struct truth_request */
    struct queue *answers;  /* borrowed */
    pthread_t thread;
    int stop_fd; /* readable once the thread is to end */
    atomic_bool stopping;
    atomic_bool degraded; /* its server is away, and that was logged */

    /* the connection's descriptor, -1 = none: it is cut if the thread hangs in a call */
    pthread_mutex_t cut_mutex;
    int cut_fd;

    s64 backoff_ms; /* of the thread only */
};

/* Zeroed before. `run` gets `context`, and returns once truth_thread_stops. */
void truth_thread_begin(struct truth_thread *thread, struct queue *answers, void *(*run)(void *),
                        void *context);
/* Waits for its end; one that hangs in a call (a server that does not answer) has its connection
 * cut under it after grace_ms. */
void truth_thread_stop(struct truth_thread *thread, s64 grace_ms);
/* After truth_thread_stop: what was not executed is answered with Stopped. */
void truth_thread_release(struct truth_thread *thread);

/* ---- for the thread itself ---- */

bool truth_thread_stops(const struct truth_thread *thread);
void truth_thread_connected(struct truth_thread *thread, const struct postgres *postgres);
/* Destroys it. */
void truth_thread_disconnect(struct truth_thread *thread, struct postgres **postgres);
/* Sleeps, twice as long as the last time, unless the thread is to end. */
void truth_thread_back_off(struct truth_thread *thread);
/* Logged once until it is set back. */
void truth_thread_degraded(struct truth_thread *thread, const struct err *err);
/* The request was not executed, and will not be. */
void truth_thread_refuse(struct truth_request *request);

#endif
