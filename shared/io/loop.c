/* loop.c: see loop.h. One zloop; every reader is a poller, so that raw zmq sockets and descriptors
 * are handled alike and zmq_poll's level-triggered view of a socket spares us its edge-triggered
 * ZMQ_FD.
 *
 * Pollers are tolerant: zloop would otherwise drop, silently, a descriptor that reports an error.
 * zloop ends when its poll is interrupted; loop_run starts it again until loop_stop was called. */
#include "io/loop.h"

#include "base/buf.h"

#include <assert.h>
#include <czmq.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

struct reader {
    struct reader *next;
    struct loop *loop;
    zmq_pollitem_t item;
    loop_handler handler;
    void *context;
};

struct timer {
    struct timer *next;
    int id;
    u32 times_left; /* 0 = for ever */
    loop_handler handler;
    void *context;
};

struct loop {
    zloop_t *zloop;
    struct reader *readers;
    struct timer *timers;
    struct reader *dead_readers; /* removed, perhaps from within their own handler */
    struct timer *dead_timers;
    bool stopped;
    int signal_fd;
    loop_handler on_terminate;
    void *terminate_context;
};

static void terminating_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
}

void loop_block_signals(void)
{
    sigset_t set;

    terminating_signals(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    /* a peer that closes its end is an error of write, not the end of the process */
    signal(SIGPIPE, SIG_IGN);
    zsys_handler_set(NULL);
}

struct loop *loop_new(void)
{
    struct loop *loop = memory_or_die(sizeof *loop);

    zsys_handler_set(NULL);
    loop->zloop = zloop_new();
    assert(loop->zloop);
    zloop_set_nonstop(loop->zloop, true);
    loop->signal_fd = -1;
    return loop;
}

/* Frees what was removed; only while no handler runs that could be one of them. */
static void bury_dead(struct loop *loop)
{
    while (loop->dead_readers) {
        struct reader *reader = loop->dead_readers;
        loop->dead_readers = reader->next;
        free(reader);
    }
    while (loop->dead_timers) {
        struct timer *timer = loop->dead_timers;
        loop->dead_timers = timer->next;
        free(timer);
    }
}

void loop_destroy(struct loop **loop_ref)
{
    struct loop *loop = *loop_ref;

    if (!loop)
        return;
    while (loop->readers) {
        if (loop->readers->item.socket)
            loop_remove_socket(loop, loop->readers->item.socket);
        else
            loop_remove_fd(loop, loop->readers->item.fd);
    }
    while (loop->timers)
        loop_remove_timer(loop, loop->timers->id);
    zloop_destroy(&loop->zloop);
    bury_dead(loop);
    if (loop->signal_fd >= 0)
        close(loop->signal_fd);
    free(loop);
    *loop_ref = NULL;
}

static int on_readable(zloop_t *zloop, zmq_pollitem_t *item, void *argument)
{
    struct reader *reader = argument;
    struct loop *loop = reader->loop;

    (void)zloop;
    (void)item;
    reader->handler(reader->context);
    return loop->stopped ? -1 : 0;
}

static void add_reader(struct loop *loop, zmq_pollitem_t item, loop_handler handler, void *context)
{
    struct reader *reader = memory_or_die(sizeof *reader);
    int rc;

    reader->loop = loop;
    reader->item = item;
    reader->item.events = ZMQ_POLLIN;
    reader->handler = handler;
    reader->context = context;
    reader->next = loop->readers;
    loop->readers = reader;
    rc = zloop_poller(loop->zloop, &reader->item, on_readable, reader);
    assert(rc == 0);
    (void)rc;
    zloop_poller_set_tolerant(loop->zloop, &reader->item);
}

static void remove_reader(struct loop *loop, void *socket, int fd)
{
    for (struct reader **at = &loop->readers; *at; at = &(*at)->next) {
        struct reader *reader = *at;

        if (reader->item.socket != socket || (!socket && reader->item.fd != fd))
            continue;
        zloop_poller_end(loop->zloop, &reader->item);
        *at = reader->next;
        reader->next = loop->dead_readers;
        loop->dead_readers = reader;
        return;
    }
}

void loop_add_fd(struct loop *loop, int fd, loop_handler handler, void *context)
{
    add_reader(loop, (zmq_pollitem_t){.fd = fd}, handler, context);
}

void loop_remove_fd(struct loop *loop, int fd)
{
    remove_reader(loop, NULL, fd);
}

void loop_add_socket(struct loop *loop, void *socket, loop_handler handler, void *context)
{
    /* zloop compares descriptors too: -1 is nobody's */
    add_reader(loop, (zmq_pollitem_t){.socket = socket, .fd = -1}, handler, context);
}

void loop_remove_socket(struct loop *loop, void *socket)
{
    remove_reader(loop, socket, -1);
}

static struct timer **find_timer(struct loop *loop, int id)
{
    struct timer **at = &loop->timers;

    while (*at && (*at)->id != id)
        at = &(*at)->next;
    return at;
}

static void forget_timer(struct loop *loop, struct timer **at)
{
    struct timer *timer = *at;

    *at = timer->next;
    timer->next = loop->dead_timers;
    loop->dead_timers = timer;
}

static int on_timer(zloop_t *zloop, int id, void *argument)
{
    struct loop *loop = argument;
    struct timer **at = find_timer(loop, id);
    loop_handler handler;
    void *context;

    (void)zloop;
    if (!*at)
        return 0;
    handler = (*at)->handler;
    context = (*at)->context;
    /* zloop forgets a timer that ran the last time, so do we */
    if ((*at)->times_left > 0 && --(*at)->times_left == 0)
        forget_timer(loop, at);
    handler(context);
    return loop->stopped ? -1 : 0;
}

int loop_add_timer(struct loop *loop, u32 interval_ms, u32 times, loop_handler handler,
                   void *context)
{
    struct timer *timer = memory_or_die(sizeof *timer);

    timer->handler = handler;
    timer->context = context;
    timer->times_left = times;
    timer->id = zloop_timer(loop->zloop, interval_ms, times, on_timer, loop);
    assert(timer->id >= 0);
    timer->next = loop->timers;
    loop->timers = timer;
    return timer->id;
}

void loop_remove_timer(struct loop *loop, int id)
{
    struct timer **at = find_timer(loop, id);

    if (!*at)
        return;
    zloop_timer_end(loop->zloop, id);
    forget_timer(loop, at);
}

static void on_signal(void *context)
{
    struct loop *loop = context;
    struct signalfd_siginfo info;

    while (read(loop->signal_fd, &info, sizeof info) == (ssize_t)sizeof info)
        loop->on_terminate(loop->terminate_context);
}

void loop_on_terminate(struct loop *loop, loop_handler handler, void *context)
{
    sigset_t set;

    assert(loop->signal_fd < 0);
    terminating_signals(&set);
    loop->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    assert(loop->signal_fd >= 0);
    loop->on_terminate = handler;
    loop->terminate_context = context;
    loop_add_fd(loop, loop->signal_fd, on_signal, loop);
}

void loop_run(struct loop *loop)
{
    while (!loop->stopped) {
        zloop_start(loop->zloop);
        bury_dead(loop);
    }
    loop->stopped = false;
}

void loop_stop(struct loop *loop)
{
    loop->stopped = true;
}
