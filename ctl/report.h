/* report.h: what became of the items of a job, a line each. */
#ifndef SYNCLINE_CTL_REPORT_H
#define SYNCLINE_CTL_REPORT_H

#include "ctl/session.h"
#include "ctl/show.h"
#include "store/jobs.h"

#define REPORT_TABLE_LIMIT 100

/* Prints lines on stdout, at most `limit`, and on stderr what to type if there are more. `only`:
 * "failed", "moved", "removed", "verify"; "" = all. */
int report_print(struct session *session, const struct job *job, const char *only,
                 enum output_format format, u32 limit, struct err *err);

/* What would be done, or was refused, by a job that was a dry run: "put a/b", a line each, by path.
 * *lines gets how many; they are only counted where `print` is false. */
int report_plan(struct session *session, const struct job *job, bool print, u64 *lines,
                struct err *err);

#endif
