/* inputs.h: definitions from files, directories and standard input (-f). */
#ifndef SYNCLINE_CTL_INPUTS_H
#define SYNCLINE_CTL_INPUTS_H

#include "conf/conf.h"
#include "ctl/options.h"

/* Reads all of them and appends. A directory means its *.yaml, *.yml and *.json, sorted by name,
 * and no further down; "-" is standard input. Faults of all files go to `faults`, and the code is
 * Configuration; also for a file that cannot be read or holds nothing. */
int inputs_read(const struct option_list *files, struct definitions *out, struct buf *faults,
                struct err *err);

#endif
