/* jobs_run.h: for jobs_start.c: what a new job refers to. */
#ifndef SYNCLINE_STORE_JOBS_RUN_H
#define SYNCLINE_STORE_JOBS_RUN_H

#include "io/postgres.h"

/* Is the job that run.only or run.plan of the job with this uid names fit for it? Usage, NotFound.
 * In the transaction that inserted the row. */
int jobs_check_reference(struct postgres *postgres, const char *uid, struct err *err);

#endif
