/* queue.h: hands pointers from threads to threads. A mutex, a condition and, for a reader that is a
 * loop, an eventfd that is readable while the queue is not empty. Unbounded: what bounds it is
 * credit. */
#ifndef SYNCLINE_IO_QUEUE_H
#define SYNCLINE_IO_QUEUE_H

#include "base/types.h"

struct queue;

struct queue *queue_new(void);
/* What is still in it is the caller's to free first (queue_take). */
void queue_destroy(struct queue **queue);
void queue_put(struct queue *queue, void *item);
/* The oldest item, or NULL if empty. */
void *queue_take(struct queue *queue);
/* Waits up to timeout_ms (-1 = for ever); NULL on time-out or when the queue was closed and is
 * empty. */
void *queue_wait(struct queue *queue, s64 timeout_ms);
/* Wakes every waiter; no more items will come. */
void queue_close(struct queue *queue);
int queue_fd(const struct queue *queue);
size_t queue_size(struct queue *queue);

#endif
