/* ending.h: how the end of a job is told, or why there was none: data on stdout, warnings and the
 * next command on stderr.
 */
#ifndef SYNCLINE_CTL_ENDING_H
#define SYNCLINE_CTL_ENDING_H

#include "ctl/ctl.h"
#include "ctl/session.h"
#include "store/jobs.h"

/* Prints the end of a job as asked for, and hints on stderr. Returns the exit code of its phase. */
int ending_report(const struct ctl *ctl, const struct job *job, bool json);

/* The same for a dry run: a line for each item. With `exit_code` 1 if anything differs. */
int ending_plan(const struct ctl *ctl, struct session *session, const struct job *job, bool json,
                bool exit_code);

/* The same for a verification: what was found. 11 if something does not match and was not repaired.
 */
int ending_verify(const struct ctl *ctl, struct session *session, const struct job *job, bool json);

/* No job of this synchronization was inserted: why, and what to type; with ActiveJob about `job`.
 * Returns the exit code. */
int ending_not_started(const struct err *err, const char *synchronization, const char *job);

/* "not kept: owner of 12 objects: …" on stderr, a line for each kind. */
void ending_not_kept(const struct job *job);

#endif
