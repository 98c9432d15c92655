/* jobs.h: what the commands that start a job, or wait for one, share. */
#ifndef SYNCLINE_CTL_JOBS_H
#define SYNCLINE_CTL_JOBS_H

#include "ctl/options.h"
#include "ctl/wait.h"

/* --json, --progress and --timeout, and the one argument. */
struct job_options {
    const char *progress, *timeout;
    bool json;
    struct wait_options how;
    const char *name;
};

/* Takes these and `own` options, and the one name. */
int job_arguments(struct ctl *ctl, const struct option *own, u32 count, int argc, char **argv,
                  struct job_options *out, struct err *err);

/* --timeout of a command that does not wait. Returns EXIT_USAGE. */
int job_timeout_refused(const struct ctl *ctl);

/* How the end of a job is told. */
enum ending { ENDING_JOB, ENDING_PLAN, ENDING_VERIFY };

struct job_start {
    const char *run; /* JSON, as in jobs_start */
    bool wait;
    enum ending ending;
    const char *next; /* what to type where `run` does not fit; NULL = nothing */
};

/* Starts a job of the synchronization, prints its name or its end. Returns the exit code. */
int job_start(const struct ctl *ctl, struct session *session, const char *synchronization,
              const struct job_start *wanted, const struct job_options *options);

#endif
