/* retry.c: `syncline retry JOB`: what a job was asked for, once more; or only what failed in it. */
#include "ctl/jobs.h"

#include "store/jobs.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

struct retry {
    struct job_options options;
    bool wait, failed_only;
    char *synchronization, *run; /* of the job */
};

static bool is_set(const json_t *run, const char *name)
{
    return json_is_true(json_object_get(run, name));
}

/* What the new job is asked for. One that was about some items only is done for all of them. */
static char *make_run(const struct retry *retry, enum ending *ending)
{
    json_t *run = retry->failed_only ? json_pack("{s:s}", "only", retry->options.name)
                                     : json_loads(retry->run, 0, NULL);
    char *text;

    if (!retry->failed_only)
        json_object_del(run, "only");
    text = run ? json_dumps(run, JSON_COMPACT) : NULL;
    *ending = is_set(run, "verify")   ? ENDING_VERIFY
              : is_set(run, "dryRun") ? ENDING_PLAN
                                      : ENDING_JOB;
    json_decref(run);
    return text;
}

static int retry_job(const struct ctl *ctl, struct session *session, struct retry *retry)
{
    struct job_start wanted = {.wait = retry->wait};
    char next[200], *run;
    struct err err;
    int code;

    if (jobs_run_of(session->postgres, retry->options.name, &retry->synchronization, &retry->run,
                    &err) < 0)
        return ctl_fail(&err, err.code == ERR_NotFound ? "syncline get jobs --all" : NULL);
    run = make_run(retry, &wanted.ending);
    wanted.run = run;
    snprintf(next, sizeof next, "syncline retry %s", retry->options.name);
    wanted.next = retry->failed_only ? next : NULL;
    code = job_start(ctl, session, retry->synchronization, &wanted, &retry->options);
    free(run);
    return code;
}

int command_retry(struct ctl *ctl, int argc, char **argv)
{
    struct retry retry = {0};
    struct session session = {.hold_fd = -1};
    const struct option own[] = {{"wait", 0, OPTION_FLAG, &retry.wait},
                                 {"failed-only", 0, OPTION_FLAG, &retry.failed_only}};
    struct err err;
    int code;

    interrupt_catch();
    if (job_arguments(ctl, own, COUNT_OF(own), argc, argv, &retry.options, &err) < 0)
        return ctl_fail(&err, "syncline retry --help");
    if (ctl->common.help) {
        help_command(ctl->command);
        return EXIT_OK;
    }
    if (retry.options.timeout && !retry.wait)
        return job_timeout_refused(ctl);
    code = session_open(ctl, SESSION_FIND, &session, &err) < 0 ? ctl_fail(&err, NULL)
                                                               : retry_job(ctl, &session, &retry);
    session_close(&session);
    free(retry.synchronization);
    free(retry.run);
    return code;
}
