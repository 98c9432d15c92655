/* get.h: lists of jobs and workers, as `get` and `status` print them. */
#ifndef SYNCLINE_CTL_GET_H
#define SYNCLINE_CTL_GET_H

#include "ctl/show.h"
#include "store/jobs.h"

void get_print_jobs(const struct job_list *list, enum output_format format);
/* An array as from view_workers; borrowed. */
void get_print_workers(json_t *workers, enum output_format format);

#endif
