/* tasks.h: what the worker calls for each message that is a task for a verifier. */
#ifndef SYNCLINE_VERIFIER_TASKS_H
#define SYNCLINE_VERIFIER_TASKS_H

#include "svc/worker.h"

extern const struct worker_role verifier_role;

#endif
