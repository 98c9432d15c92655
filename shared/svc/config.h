/* config.h: settings of a process: flag > environment > configuration files (svc/settings.h) >
 * default. What there is to set stands in schema/settings.def; which of it has a flag, in config.c.
 * Secrets come from the environment, a file that nobody else may read, or the one that
 * SYNCLINE_…_FILE names, never from flags. */
#ifndef SYNCLINE_SVC_CONFIG_H
#define SYNCLINE_SVC_CONFIG_H

#include "base/err.h"
#include "base/log.h"
#include "base/types.h"

struct config {
    char *planner;
    char *name;
    char *database_url;
    char *redis_url;
    char *state_dir;
    char *roots;   /* NULL: not set */
    char *metrics; /* NULL: off */
    u32 lanes;
    enum log_level log_level;
    bool log_json;
};

/* For the four processes: reads flags, environment and files, and completes the environment from
 * the files: to be called before there are threads. --help and --version print and *done is true.
 * Faults of a file are printed on stderr. Errors: -1 with ERR_Usage or ERR_Configuration. */
int config_read(const char *program, int argc, char **argv, struct config *out, bool *done,
                struct err *err);
void config_release(struct config *config);

/* The value of NAME, or the content (without the last newline) of the file that NAME_FILE names;
 * NULL if neither is set. The caller frees. */
int config_secret(const char *name, char **out, struct err *err);

#endif
