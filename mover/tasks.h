/* tasks.h: what the worker calls for each message that is a task for a mover. */
#ifndef SYNCLINE_MOVER_TASKS_H
#define SYNCLINE_MOVER_TASKS_H

#include "svc/worker.h"

/* The kinds of messages that are tasks, and how to run one. */
extern const struct worker_role mover_role;

#endif
