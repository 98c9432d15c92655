/* job_json.h: a job as JSON, with exactly the fields that operators were promised. Pure. */
#ifndef SYNCLINE_CTL_JOB_JSON_H
#define SYNCLINE_CTL_JOB_JSON_H

#include "store/jobs.h"

#include <jansson.h>

/* The caller decrefs. */
json_t *job_to_json(const struct job *job);
json_t *counters_to_json(const struct counters *counters);

#endif
