/* faults.h: what is wrong with definitions, collected as lines that say where. */
#ifndef SYNCLINE_CONF_FAULTS_H
#define SYNCLINE_CONF_FAULTS_H

#include "base/buf.h"
#include "base/types.h"

#define FAULTS_MAX 1000u /* of one file that are written out; the others are counted */

struct mark {
    u32 line, column; /* from 1 */
};

struct faults {
    const char *file; /* NULL: lines have no place */
    struct buf *out;
    u32 count;
};

/* A line "FILE:LINE:COLUMN: text". */
void fault_add(struct faults *faults, struct mark at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Says how many were not written, if any. */
void faults_end(struct faults *faults);

#define SHOWN_SIZE 200
/* What somebody wrote, for a message: escaped, and cut where it is long. Returns `out`. */
const char *shown(char out[SHOWN_SIZE], struct bytes text);

#endif
