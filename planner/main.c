/* main.c of syncline-planner: wiring. The verb is in run.c. */
#include "base/log.h"
#include "io/loop.h"
#include "planner/run.h"
#include "svc/config.h"

#include <stdio.h>

int main(int argc, char **argv)
{
    struct config config = {0};
    bool done = false;
    struct err err = {0};
    int result;

    if (config_read("syncline-planner", argc, argv, &config, &done, &err) < 0) {
        fprintf(stderr, "syncline-planner: %s\n", err.text);
        return 2;
    }
    if (done)
        return 0;
    if (!config.planner || !config.database_url) {
        fprintf(stderr,
                "syncline-planner: planner (the endpoint to bind) and databaseUrl must be set, "
                "as variables or in a file; see --help\n");
        config_release(&config);
        return 2;
    }
    loop_block_signals();
    log_setup("planner", config.log_level, config.log_json);
    result = planner_run(&config, &err);
    if (result < 0)
        log_error(NULL, EVENT_failure, &err);
    config_release(&config);
    return result < 0 ? 7 : 0;
}
