/* rows.h: rows of Postgres, however many: by a cursor, a few thousand at a time. */
#ifndef SYNCLINE_CTL_ROWS_H
#define SYNCLINE_CTL_ROWS_H

#include "io/postgres.h"

typedef void rows_fn(void *context, const PGresult *rows, int row);

/* Calls `fn` with each row of `select`, at most `limit`; in a transaction of its own. 1 if there
 * are more, 0, -1. */
int rows_each(struct postgres *postgres, const char *select, const struct parameter *parameters,
              int count, u32 limit, rows_fn *fn, void *context, struct err *err);

#endif
