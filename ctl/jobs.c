/* jobs.c: the commands about one job: run, wait, cancel. */
#include "ctl/ctl.h"
#include "ctl/job_json.h"
#include "ctl/options.h"
#include "ctl/show.h"
#include "ctl/wait.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define START_TRIES 40
#define START_AGAIN_MS 250
#define LIST "syncline get jobs --all"

struct job_options {
    const char *progress, *timeout, *condition;
    bool wait, json;
    struct wait_options how;
    const char *name;
};

static int read_arguments(struct ctl *ctl, bool run, int argc, char **argv, struct job_options *out,
                          struct err *err)
{
    const struct option options[] = {
        {"json", 0, OPTION_FLAG, &out->json},
        {"progress", 0, OPTION_VALUE, &out->progress},
        {"timeout", 0, OPTION_VALUE, &out->timeout},
        {run ? "wait" : "for", 0, run ? OPTION_FLAG : OPTION_VALUE,
         run ? (void *)&out->wait : (void *)&out->condition},
        {"dry-run", 0, OPTION_LATER, NULL},
    };

    argc = options_take(options, COUNT_OF(options), &ctl->common, argc, argv, err);
    if (argc < 0 || ctl->common.help)
        return argc < 0 ? -1 : 0;
    if (argc != 1)
        return err_set(err, ERR_Usage, "%s wants one name", ctl->command->name);
    out->name = argv[0];
    if (out->condition && strcmp(out->condition, "finished") != 0)
        return err_set(err, ERR_NotInThisVersion, "--for=%.40s: not in this version",
                       out->condition);
    return wait_read_options(ctl, out->progress, out->timeout, &out->how, err);
}

/* The uid makes it the same job, should the answer to an earlier try have been lost. */
static int start(struct session *session, const char *name, char **job, struct err *err)
{
    char uid[UUID_SIZE];

    jobs_new_uid(uid);
    for (int tries = 0; tries < START_TRIES && !interrupted; tries++) {
        free(*job);
        *job = NULL;
        if (session->postgres && jobs_start(session->postgres, name, NULL, uid, job, err) == 0)
            return 0;
        if (err->code != ERR_PostgresUnavailable)
            return -1;
        usleep(START_AGAIN_MS * 1000);
        if (session_connect(session, err) < 0 && err->code != ERR_PostgresUnavailable)
            return -1;
    }
    return -1;
}

static int wait_and_report(const struct ctl *ctl, struct session *session, const char *job,
                           const struct job_options *options)
{
    struct job ended = {0};
    struct err err;
    int code;

    if (wait_for_job(session, job, &options->how, &ended, &err) < 0)
        return wait_failed(&err, job);
    code = wait_report(ctl, &ended, options->json);
    job_release(&ended);
    return code;
}

static int print_started(struct session *session, const char *name, bool json)
{
    struct job job = {0};
    struct err err;

    if (!json) {
        puts(name);
        return EXIT_OK;
    }
    if (jobs_read(session->postgres, name, &job, &err) < 0)
        return ctl_fail(&err, NULL);
    show_json(job_to_json(&job), false);
    job_release(&job);
    return EXIT_OK;
}

int command_run(struct ctl *ctl, int argc, char **argv)
{
    struct job_options options = {0};
    struct session session = {.hold_fd = -1};
    struct err err;
    char *job = NULL, next[200];
    int code;

    interrupt_catch();
    if (read_arguments(ctl, true, argc, argv, &options, &err) < 0) {
        code = ctl_fail(&err, "syncline run --help");
    } else if (ctl->common.help) {
        help_command(ctl->command);
        code = EXIT_OK;
    } else if (session_open(ctl, SESSION_FIND, &session, &err) < 0) {
        code = ctl_fail(&err, NULL);
    } else if (start(&session, options.name, &job, &err) < 0) {
        snprintf(next, sizeof next, "syncline wait %s, or syncline cancel %s", job ? job : "",
                 job ? job : "");
        code = ctl_fail(&err, err.code == ERR_ActiveJob  ? next
                              : err.code == ERR_NotFound ? "syncline get syncs --all"
                                                         : NULL);
    } else {
        code = options.wait ? wait_and_report(ctl, &session, job, &options)
                            : print_started(&session, job, options.json);
    }
    session_close(&session);
    free(job);
    return code;
}

int command_wait(struct ctl *ctl, int argc, char **argv)
{
    struct job_options options = {0};
    struct session session = {.hold_fd = -1};
    struct err err;
    char *job = NULL;
    int code;

    interrupt_catch();
    if (read_arguments(ctl, false, argc, argv, &options, &err) < 0) {
        code = ctl_fail(&err, "syncline wait --help");
    } else if (ctl->common.help) {
        help_command(ctl->command);
        code = EXIT_OK;
    } else if (session_open(ctl, SESSION_FIND, &session, &err) < 0 ||
               jobs_resolve(session.postgres, options.name, &job, &err) < 0) {
        code = ctl_fail(&err, err.code == ERR_NotFound ? LIST : NULL);
    } else {
        code = wait_and_report(ctl, &session, job, &options);
    }
    session_close(&session);
    free(job);
    return code;
}

int command_cancel(struct ctl *ctl, int argc, char **argv)
{
    struct session session = {.hold_fd = -1};
    struct err err;
    bool ended = false;
    int code = EXIT_OK;

    argc = options_take(NULL, 0, &ctl->common, argc, argv, &err);
    if (argc < 0)
        return ctl_fail(&err, NULL);
    if (ctl->common.help) {
        help_command(ctl->command);
        return EXIT_OK;
    }
    if (argc != 1)
        return ctl_usage(ctl, "cancel wants the name of a job");
    if (session_open(ctl, SESSION_FIND, &session, &err) < 0 ||
        jobs_cancel(session.postgres, argv[0], &ended, &err) < 0)
        code = ctl_fail(&err, err.code == ERR_NotFound ? LIST : NULL);
    else if (!ctl->common.quiet)
        fprintf(stderr, ended ? "%s had ended already\n" : "%s was asked to end\n", argv[0]);
    session_close(&session);
    return code;
}
