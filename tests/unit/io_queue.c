/* io_queue.c: pointers handed from threads to threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "io/queue.h"

#include <poll.h>
#include <pthread.h>
#include <unistd.h>

enum { WRITERS = 4, ITEMS = 20000 };

static bool readable(const struct queue *queue)
{
    struct pollfd polled = {.fd = queue_fd(queue), .events = POLLIN};

    return poll(&polled, 1, 0) == 1;
}

/* Goal: first in, first out, and the descriptor says whether something is there.
 * Method: one thread, more items than the ring begins with, in two waves so that it wraps. */
static void keeps_order_and_readiness(void **state)
{
    struct queue *queue = queue_new();
    uintptr_t next = 1;

    (void)state;
    assert_false(readable(queue));
    assert_null(queue_take(queue));
    for (uintptr_t i = 1; i <= 300; i++) {
        queue_put(queue, (void *)i);
        if (i % 3 == 0)
            assert_int_equal((uintptr_t)queue_take(queue), next++);
    }
    assert_true(readable(queue));
    assert_int_equal(queue_size(queue), 200);
    while (next <= 300)
        assert_int_equal((uintptr_t)queue_take(queue), next++);
    assert_false(readable(queue));
    queue_destroy(&queue);
    assert_null(queue);
}

/* Goal: waiting ends by time, by an item, by closing.
 * Method: each in turn; what was in the queue when it was closed still comes out. */
static void waits_and_closes(void **state)
{
    struct queue *queue = queue_new();
    s64 began = clock_monotonic_ms();

    (void)state;
    assert_null(queue_wait(queue, 30));
    assert_true(clock_monotonic_ms() - began >= 29);
    queue_put(queue, queue);
    assert_ptr_equal(queue_wait(queue, -1), queue);
    queue_put(queue, queue);
    queue_close(queue);
    assert_ptr_equal(queue_wait(queue, -1), queue);
    assert_null(queue_wait(queue, -1));
    queue_destroy(&queue);
}

static void *write_items(void *argument)
{
    for (uintptr_t i = 1; i <= ITEMS; i++)
        queue_put(argument, (void *)i);
    return NULL;
}

static void *read_items(void *argument)
{
    uintptr_t sum = 0, item;

    while ((item = (uintptr_t)queue_wait(argument, -1)) != 0)
        sum += item;
    return (void *)sum;
}

/* Goal: nothing is lost or doubled between threads.
 * Method: four writers, four readers; the sum of what was read is the sum of what was written. */
static void loses_nothing_between_threads(void **state)
{
    pthread_t writers[WRITERS], readers[WRITERS];
    struct queue *queue = queue_new();
    uintptr_t sum = 0;

    (void)state;
    for (int i = 0; i < WRITERS; i++) {
        pthread_create(&readers[i], NULL, read_items, queue);
        pthread_create(&writers[i], NULL, write_items, queue);
    }
    for (int i = 0; i < WRITERS; i++)
        pthread_join(writers[i], NULL);
    queue_close(queue);
    for (int i = 0; i < WRITERS; i++) {
        void *part;

        pthread_join(readers[i], &part);
        sum += (uintptr_t)part;
    }
    assert_int_equal(sum, (uintptr_t)WRITERS * ITEMS * (ITEMS + 1) / 2);
    queue_destroy(&queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_order_and_readiness),
        cmocka_unit_test(waits_and_closes),
        cmocka_unit_test(loses_nothing_between_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
