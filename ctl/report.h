/* report.h: what became of the items of a job, a line each. */
#ifndef SYNCLINE_CTL_REPORT_H
#define SYNCLINE_CTL_REPORT_H

#include "ctl/session.h"
#include "ctl/show.h"
#include "store/jobs.h"

#define REPORT_TABLE_LIMIT 100

enum report_format { REPORT_TABLE, REPORT_JSON, REPORT_CSV };

/* Prints lines on stdout, at most `limit`, and on stderr what to type if there are more. `only`:
 * "failed", "moved", "removed", "verify"; "" = all. */
int report_print(struct session *session, const struct job *job, const char *only,
                 enum report_format format, u32 limit, struct err *err);

/* What would be done, or was refused, by a job that was a dry run: "put a/b", a line each, by path.
 * *lines gets how many; they are only counted where `print` is false. */
int report_plan(struct session *session, const struct job *job, bool print, u64 *lines,
                struct err *err);

/* ---- a line ---- */

/* Texts are NULL where there is nothing to say. */
struct report_line {
    struct bytes path;
    const char *operation, *outcome;
    s64 bytes;
    const char *hash, *checksum; /* xxh3-128, 64 hexadecimal digits */
    const char *error;
    const char *note; /* a message that goes with no error */
    u32 not_kept;     /* bits of NOT_KEPT_… */
};

/* "OwnerNotKept XattrNotKept" for bits of NOT_KEPT_…, with `between` between them. */
void report_not_kept(u32 bits, const char *between, struct buf *out);
/* A path as Base64. */
void report_base64(struct bytes path, struct buf *out);

/* report_csv.c: RFC 4180. Pure. */
void report_csv_header(struct buf *out);
void report_csv_line(const struct report_line *line, struct buf *out);

#endif
