/* supervisor.h: the process that keeps the embedded stack alive: starts Postgres and Redis, then
 * planners, then workers, restarts what dies, and ends all when it ends. It has no zmq context (it
 * forks). */
#ifndef SYNCLINE_STACK_SUPERVISOR_H
#define SYNCLINE_STACK_SUPERVISOR_H

#include "base/err.h"
#include "stack/layout.h"
#include "stack/state.h"

struct supervisor_options {
    struct stack_counts wanted;
    bool on_demand; /* ends when nobody holds it (control.h) */
    /* Where "ready\n" or "error <number> <log> <text>\n" is written, once; -1 = nowhere. */
    int announce_fd;
};

/* Runs until SIGTERM, SIGINT, `stop`, or a start that fails: 0 or -1. Takes the signals of the
 * process over and changes its environment: to be called last. StackUp if another supervisor holds
 * the lock. */
int supervisor_run(const struct layout *layout, const struct supervisor_options *options,
                   struct err *err);

#endif
