/* queue.c: see queue.h. A ring that grows, under one mutex. The eventfd is written when the ring
 * stops being empty and read when it is empty again, so that a busy queue costs no system call per
 * item. */
#include "io/queue.h"

#include "base/buf.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

struct queue {
    pthread_mutex_t mutex;
    pthread_cond_t arrived; /* CLOCK_MONOTONIC */
    void **ring;
    size_t capacity;
    size_t first;
    size_t count;
    bool closed;
    int event_fd;
};

struct queue *queue_new(void)
{
    struct queue *queue = memory_or_die(sizeof *queue);
    pthread_condattr_t attributes;

    pthread_mutex_init(&queue->mutex, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&queue->arrived, &attributes);
    pthread_condattr_destroy(&attributes);
    queue->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    assert(queue->event_fd >= 0);
    return queue;
}

void queue_destroy(struct queue **queue)
{
    if (!*queue)
        return;
    close((*queue)->event_fd);
    pthread_cond_destroy(&(*queue)->arrived);
    pthread_mutex_destroy(&(*queue)->mutex);
    free((*queue)->ring);
    free(*queue);
    *queue = NULL;
}

static void set_readable(const struct queue *queue, bool readable)
{
    u64 value = 1;
    /* neither can fail: the counter is 0 or 1, and the mutex is held */
    ssize_t done = readable ? write(queue->event_fd, &value, sizeof value)
                            : read(queue->event_fd, &value, sizeof value);
    (void)done;
}

static void grow(struct queue *queue)
{
    size_t capacity = queue->capacity ? queue->capacity * 2 : 64;
    void **ring = memory_or_die(capacity * sizeof *ring);

    for (size_t i = 0; i < queue->count; i++)
        ring[i] = queue->ring[(queue->first + i) % queue->capacity];
    free(queue->ring);
    queue->ring = ring;
    queue->capacity = capacity;
    queue->first = 0;
}

void queue_put(struct queue *queue, void *item)
{
    pthread_mutex_lock(&queue->mutex);
    if (queue->count == queue->capacity)
        grow(queue);
    queue->ring[(queue->first + queue->count) % queue->capacity] = item;
    if (queue->count++ == 0)
        set_readable(queue, true);
    pthread_cond_signal(&queue->arrived);
    pthread_mutex_unlock(&queue->mutex);
}

static void *take_locked(struct queue *queue)
{
    void *item;

    if (queue->count == 0)
        return NULL;
    item = queue->ring[queue->first];
    queue->first = (queue->first + 1) % queue->capacity;
    if (--queue->count == 0)
        set_readable(queue, false);
    return item;
}

void *queue_take(struct queue *queue)
{
    void *item;

    pthread_mutex_lock(&queue->mutex);
    item = take_locked(queue);
    pthread_mutex_unlock(&queue->mutex);
    return item;
}

static struct timespec deadline_after(s64 timeout_ms)
{
    struct timespec deadline;
    s64 ns;

    clock_gettime(CLOCK_MONOTONIC, &deadline);
    ns = deadline.tv_nsec + timeout_ms % 1000 * NS_PER_MS;
    deadline.tv_sec += timeout_ms / 1000 + ns / NS_PER_S;
    deadline.tv_nsec = ns % NS_PER_S;
    return deadline;
}

void *queue_wait(struct queue *queue, s64 timeout_ms)
{
    struct timespec deadline = deadline_after(timeout_ms < 0 ? 0 : timeout_ms);
    void *item;
    int rc = 0;

    pthread_mutex_lock(&queue->mutex);
    while (queue->count == 0 && !queue->closed && rc != ETIMEDOUT)
        rc = timeout_ms < 0 ? pthread_cond_wait(&queue->arrived, &queue->mutex)
                            : pthread_cond_timedwait(&queue->arrived, &queue->mutex, &deadline);
    item = take_locked(queue);
    pthread_mutex_unlock(&queue->mutex);
    return item;
}

void queue_close(struct queue *queue)
{
    pthread_mutex_lock(&queue->mutex);
    queue->closed = true;
    pthread_cond_broadcast(&queue->arrived);
    pthread_mutex_unlock(&queue->mutex);
}

int queue_fd(const struct queue *queue)
{
    return queue->event_fd;
}

size_t queue_size(struct queue *queue)
{
    size_t count;

    pthread_mutex_lock(&queue->mutex);
    count = queue->count;
    pthread_mutex_unlock(&queue->mutex);
    return count;
}
