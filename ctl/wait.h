/* wait.h: waiting for the end of a job, whatever happens to planners, Postgres and Redis meanwhile.
 */
#ifndef SYNCLINE_CTL_WAIT_H
#define SYNCLINE_CTL_WAIT_H

#include "ctl/progress.h"
#include "ctl/session.h"
#include "store/jobs.h"

struct wait_options {
    s64 timeout_ms; /* -1 = none */
    enum progress_mode progress;
    bool verbose;
};

/* 0 and the job when it has ended. -1: TimedOut, Cancelled (SIGINT or SIGTERM came), NotFound,
 * PostgresUnavailable (away for a minute), PlannerUnavailable (still Queued, and no planner runs).
 */
int wait_for_job(struct session *session, const char *name, const struct wait_options *options,
                 struct job *out, struct err *err);

/* What the user reads when waiting ended before the job: the exit code. */
int wait_failed(const struct err *err, const char *name);

/* Reads --json, --progress, --timeout as texts into options. */
int wait_read_options(const struct ctl *ctl, const char *progress, const char *timeout,
                      struct wait_options *out, struct err *err);

#endif
