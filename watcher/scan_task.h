/* scan_task.h: a `scan` message as a task of a lane. */
#ifndef SYNCLINE_WATCHER_SCAN_TASK_H
#define SYNCLINE_WATCHER_SCAN_TASK_H

#include "svc/worker.h"

/* Scans and ends the task. */
void scan_task_run(struct task *task);

#endif
