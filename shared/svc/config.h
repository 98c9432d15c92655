/* config.h: settings of a process: flag > environment > default. Secrets come from the environment
 * or from the file that SYNCLINE_…_FILE names, never from flags.
 *
 *   --planner LIST    SYNCLINE_PLANNER        endpoints; a planner binds the first, workers
 *                                             connect to all
 *   --name NAME       SYNCLINE_NAME           what operators call it (default: <role>-<pid>)
 *   --lanes N         SYNCLINE_LANES          worker threads (default: cores)
 *   --log-level L     SYNCLINE_LOG_LEVEL      debug | info | warn | error
 *   --log-json        SYNCLINE_LOG_JSON=1
 *   --roots A:B       SYNCLINE_ROOTS          directories that workers may use (confine.h)
 *   --metrics WHERE   SYNCLINE_METRICS        planner: where /metrics, /healthz and /readyz are:
 *                                             tcp://HOST:PORT, unix:/PATH or off (default)
 *                     SYNCLINE_DATABASE_URL   libpq connection string (or …_URL_FILE)
 *                     SYNCLINE_REDIS_URL      redis://[:password@]host:port/db or unix:///path
 *                                             (or …_URL_FILE)
 *                     SYNCLINE_STATE_DIR      of the embedded stack */
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

/* For the four processes: reads flags and environment; --help and --version print and *done is
 * true. Usage errors: -1 with ERR_Usage or ERR_Configuration. */
int config_read(const char *program, int argc, char **argv, struct config *out, bool *done,
                struct err *err);
void config_release(struct config *config);

/* The value of NAME, or the content (without the last newline) of the file that NAME_FILE names;
 * NULL if neither is set. The caller frees. */
int config_secret(const char *name, char **out, struct err *err);

#endif
