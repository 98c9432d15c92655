/* loop.h: the message loop of a process: czmq's zloop behind a small header.
 *
 * One thread, nothing that blocks: disk, hashing, Postgres and Redis live in lanes and actors,
 * which answer through a queue (queue.h). Handlers return nothing; a handler that wants the end of
 * the process calls loop_stop. */
#ifndef SYNCLINE_IO_LOOP_H
#define SYNCLINE_IO_LOOP_H

#include "base/err.h"
#include "base/types.h"

struct loop;
typedef void (*loop_handler)(void *context);

/* Call loop_block_signals before the first zmq call and before any thread. */
void loop_block_signals(void);

struct loop *loop_new(void);
void loop_destroy(struct loop **loop);
/* Called when the descriptor is readable (level-triggered), until removed. */
void loop_add_fd(struct loop *loop, int fd, loop_handler handler, void *context);
void loop_remove_fd(struct loop *loop, int fd);
/* `socket` is a raw zmq socket; the handler must read until it would block. */
void loop_add_socket(struct loop *loop, void *socket, loop_handler handler, void *context);
void loop_remove_socket(struct loop *loop, void *socket);
/* Returns a timer id; `times` 0 = for ever. */
int loop_add_timer(struct loop *loop, u32 interval_ms, u32 times, loop_handler handler,
                   void *context);
void loop_remove_timer(struct loop *loop, int timer);
/* SIGTERM and SIGINT, read by signalfd. */
void loop_on_terminate(struct loop *loop, loop_handler handler, void *context);
/* Runs until loop_stop. */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

#endif
