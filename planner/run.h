/* run.h: the planner process, from its settings to its end. */
#ifndef SYNCLINE_PLANNER_RUN_H
#define SYNCLINE_PLANNER_RUN_H

#include "base/err.h"
#include "svc/config.h"

/* Runs until SIGTERM or SIGINT. -1 if it could not start (the endpoint cannot be bound). */
int planner_run(const struct config *config, struct err *err);

#endif
