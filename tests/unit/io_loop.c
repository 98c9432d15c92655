/* io_loop.c: timers, descriptors and signals of a loop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "io/loop.h"

#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct scene {
    struct loop *loop;
    int fd;
    int timer;
    int count;
};

static void count_and_stop(void *context)
{
    struct scene *scene = context;

    if (++scene->count == 3)
        loop_stop(scene->loop);
}

static void count(void *context)
{
    ((struct scene *)context)->count++;
}

static void stop(void *context)
{
    loop_stop(((struct scene *)context)->loop);
}

/* Goal: a timer fires as often as asked, one for ever until it is removed.
 * Method: three ticks end the loop; one that fires twice does so only twice. */
static void timers(void **state)
{
    struct scene scene = {.loop = loop_new()}, twice = {.loop = scene.loop};
    s64 began = clock_monotonic_ms();

    (void)state;
    loop_add_timer(scene.loop, 5, 2, count, &twice);
    scene.timer = loop_add_timer(scene.loop, 20, 0, count_and_stop, &scene);
    loop_run(scene.loop);
    assert_int_equal(scene.count, 3);
    assert_int_equal(twice.count, 2);
    assert_in_range(clock_monotonic_ms() - began, 50, 1000);
    loop_remove_timer(scene.loop, scene.timer);
    loop_remove_timer(scene.loop, scene.timer);
    loop_add_timer(scene.loop, 60, 1, stop, &scene);
    loop_run(scene.loop);
    assert_int_equal(scene.count, 3);
    loop_destroy(&scene.loop);
    assert_null(scene.loop);
}

static void remove_itself(void *context)
{
    struct scene *scene = context;

    if (++scene->count == 2)
        loop_remove_fd(scene->loop, scene->fd);
}

/* Goal: a readable descriptor is reported until it is removed, also by its own handler.
 * Method: an eventfd that is never read would call for ever. */
static void descriptors(void **state)
{
    struct scene scene = {.loop = loop_new(), .fd = eventfd(1, EFD_CLOEXEC)};

    (void)state;
    loop_add_fd(scene.loop, scene.fd, remove_itself, &scene);
    loop_add_timer(scene.loop, 50, 1, stop, &scene);
    loop_run(scene.loop);
    assert_int_equal(scene.count, 2);
    close(scene.fd);
    loop_destroy(&scene.loop);
}

static void raise_term(void *context)
{
    (void)context;
    kill(getpid(), SIGTERM);
}

/* Goal: SIGTERM and SIGINT are events of the loop, not the end of the process.
 * Method: one of each is sent to the process itself. */
static void signals(void **state)
{
    struct scene scene = {.loop = loop_new(), .count = 1};

    (void)state;
    loop_on_terminate(scene.loop, count_and_stop, &scene);
    loop_add_timer(scene.loop, 5, 1, raise_term, NULL);
    kill(getpid(), SIGINT);
    loop_run(scene.loop);
    assert_int_equal(scene.count, 3);
    loop_destroy(&scene.loop);
}

static void ignore(int number)
{
    (void)number;
}

/* Goal: a signal with a handler interrupts the poll, not the loop.
 * Method: SIGALRM during a loop that ends by a timer. */
static void interruptions(void **state)
{
    struct scene scene = {.loop = loop_new()};
    struct sigaction action = {.sa_handler = ignore};
    s64 began = clock_monotonic_ms();

    (void)state;
    sigaction(SIGALRM, &action, NULL);
    ualarm(10000, 10000);
    loop_add_timer(scene.loop, 100, 1, stop, &scene);
    loop_run(scene.loop);
    ualarm(0, 0);
    assert_true(clock_monotonic_ms() - began >= 99);
    loop_destroy(&scene.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timers),
        cmocka_unit_test(descriptors),
        cmocka_unit_test(signals),
        cmocka_unit_test(interruptions),
    };

    loop_block_signals();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
