/* jobs.c: the commands about one job: run, wait, approve, verify, cancel. */
#include "ctl/ending.h"
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
#define OWN_OPTIONS_MAX 8

struct job_options {
    const char *progress, *timeout;
    bool json;
    struct wait_options how;
    const char *name; /* the one argument */
};

/* Takes --json, --progress, --timeout and `own` options, and the one name. */
static int read_arguments(struct ctl *ctl, const struct option *own, u32 count, int argc,
                          char **argv, struct job_options *out, struct err *err)
{
    struct option options[3 + OWN_OPTIONS_MAX] = {
        {"json", 0, OPTION_FLAG, &out->json},
        {"progress", 0, OPTION_VALUE, &out->progress},
        {"timeout", 0, OPTION_VALUE, &out->timeout},
    };

    memcpy(options + 3, own, count * sizeof *own);
    argc = options_take(options, 3 + count, &ctl->common, argc, argv, err);
    if (argc < 0 || ctl->common.help)
        return argc < 0 ? -1 : 0;
    if (argc != 1)
        return err_set(err, ERR_Usage, "%s wants one name", ctl->command->name);
    out->name = argv[0];
    return wait_read_options(ctl, out->progress, out->timeout, &out->how, err);
}

/* The uid makes it the same job, should the answer to an earlier try have been lost. */
static int start(struct session *session, const char *name, const char *run, char **job,
                 struct err *err)
{
    char uid[UUID_SIZE];

    jobs_new_uid(uid);
    for (int tries = 0; tries < START_TRIES && !interrupted; tries++) {
        free(*job);
        *job = NULL;
        if (session->postgres && jobs_start(session->postgres, name, run, uid, job, err) == 0)
            return 0;
        if (err->code != ERR_PostgresUnavailable)
            return -1;
        usleep(START_AGAIN_MS * 1000);
        if (session_connect(session, err) < 0 && err->code != ERR_PostgresUnavailable)
            return -1;
    }
    return interrupted ? err_set(err, ERR_Cancelled, "interrupted") : -1;
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

/* How the end of a job is told. */
enum ending { ENDING_JOB, ENDING_PLAN, ENDING_VERIFY };

static int wait_and_report(const struct ctl *ctl, struct session *session, const char *job,
                           const struct job_options *options, enum ending ending)
{
    struct job ended = {0};
    struct err err;
    int code;

    if (wait_for_job(session, job, &options->how, &ended, &err) < 0)
        return wait_failed(&err, job);
    if (ending == ENDING_PLAN)
        code = ending_plan(ctl, session, &ended, options->json, false);
    else if (ending == ENDING_VERIFY)
        code = ending_verify(ctl, session, &ended, options->json);
    else
        code = ending_report(ctl, &ended, options->json);
    job_release(&ended);
    return code;
}

/* A job of a synchronization by name: from the session to the exit code. */
static int start_job(const struct ctl *ctl, const struct job_options *options, const char *run,
                     bool wait, enum ending ending)
{
    struct session session = {.hold_fd = -1};
    struct err err;
    char *job = NULL;
    int code;

    if (session_open(ctl, SESSION_FIND, &session, &err) < 0)
        code = ctl_fail(&err, NULL);
    else if (start(&session, options->name, run, &job, &err) < 0)
        code = ending_not_started(&err, job);
    else if (wait)
        code = wait_and_report(ctl, &session, job, options, ending);
    else
        code = print_started(&session, job, options->json);
    session_close(&session);
    free(job);
    return code;
}

int command_run(struct ctl *ctl, int argc, char **argv)
{
    struct job_options options = {0};
    bool wait = false, dry_run = false;
    const struct option own[] = {{"wait", 0, OPTION_FLAG, &wait},
                                 {"dry-run", 'n', OPTION_FLAG, &dry_run}};
    struct err err;

    interrupt_catch();
    if (read_arguments(ctl, own, COUNT_OF(own), argc, argv, &options, &err) < 0)
        return ctl_fail(&err, "syncline run --help");
    if (ctl->common.help) {
        help_command(ctl->command);
        return EXIT_OK;
    }
    return start_job(ctl, &options, dry_run ? "{\"dryRun\": true}" : NULL, wait,
                     dry_run ? ENDING_PLAN : ENDING_JOB);
}

int command_verify(struct ctl *ctl, int argc, char **argv)
{
    struct job_options options = {0};
    bool wait = false, no_wait = false, repair = false;
    const struct option own[] = {{"wait", 0, OPTION_FLAG, &wait},
                                 {"no-wait", 0, OPTION_FLAG, &no_wait},
                                 {"repair", 0, OPTION_FLAG, &repair}};
    struct err err;

    interrupt_catch();
    if (read_arguments(ctl, own, COUNT_OF(own), argc, argv, &options, &err) < 0)
        return ctl_fail(&err, "syncline verify --help");
    if (ctl->common.help) {
        help_command(ctl->command);
        return EXIT_OK;
    }
    if (wait && no_wait)
        return ctl_usage(ctl, "--wait or --no-wait, not both");
    return start_job(ctl, &options,
                     repair ? "{\"repair\": true, \"verify\": true}" : "{\"verify\": true}",
                     !no_wait, ENDING_VERIFY);
}

/* jobs_approve may be called twice for one job, as answers get lost; a person who approves a job
 * that has ended since is told so. */
static int approve_waiting(struct postgres *postgres, const char *name, struct err *err)
{
    struct job job;
    int result = jobs_read(postgres, name, &job, err);

    if (result == 0 && job.approved && job.phase != PHASE_Held && phase_has_ended(job.phase) &&
        !(job.reason && strcmp(job.reason, err_name(ERR_SourceChanged)) == 0))
        result = err_set(err, ERR_Usage, "%s was approved before, and is %s", name,
                         phase_name(job.phase));
    if (result == 0)
        result = jobs_approve(postgres, name, err);
    job_release(&job);
    return result;
}

static int approve(struct ctl *ctl, const struct job_options *options, bool wait)
{
    struct session session = {.hold_fd = -1};
    struct err err;
    int code = EXIT_OK;

    if (session_open(ctl, SESSION_FIND, &session, &err) < 0 ||
        approve_waiting(session.postgres, options->name, &err) < 0)
        code = ctl_fail(&err, err.code == ERR_NotFound || err.code == ERR_Usage ? LIST : NULL);
    else if (wait)
        code = wait_and_report(ctl, &session, options->name, options, ENDING_JOB);
    else if (options->json)
        code = print_started(&session, options->name, true);
    else if (!ctl->common.quiet)
        fprintf(stderr, "%s is approved\n  next: syncline wait %s\n", options->name, options->name);
    session_close(&session);
    return code;
}

int command_approve(struct ctl *ctl, int argc, char **argv)
{
    struct job_options options = {0};
    bool wait = false;
    const struct option own[] = {{"wait", 0, OPTION_FLAG, &wait}};
    struct err err;

    interrupt_catch();
    if (read_arguments(ctl, own, COUNT_OF(own), argc, argv, &options, &err) < 0)
        return ctl_fail(&err, "syncline approve --help");
    if (ctl->common.help) {
        help_command(ctl->command);
        return EXIT_OK;
    }
    return approve(ctl, &options, wait);
}

static int read_wait_arguments(struct ctl *ctl, int argc, char **argv, struct job_options *out,
                               struct err *err)
{
    const char *condition = NULL;
    const struct option own[] = {{"for", 0, OPTION_VALUE, &condition}};

    if (read_arguments(ctl, own, COUNT_OF(own), argc, argv, out, err) < 0)
        return -1;
    return condition && strcmp(condition, "finished") != 0
               ? err_set(err, ERR_NotInThisVersion, "--for=%.40s: not in this version", condition)
               : 0;
}

int command_wait(struct ctl *ctl, int argc, char **argv)
{
    struct job_options options = {0};
    struct session session = {.hold_fd = -1};
    struct err err;
    char *job = NULL;
    int code;

    interrupt_catch();
    if (read_wait_arguments(ctl, argc, argv, &options, &err) < 0) {
        code = ctl_fail(&err, "syncline wait --help");
    } else if (ctl->common.help) {
        help_command(ctl->command);
        code = EXIT_OK;
    } else if (session_open(ctl, SESSION_FIND, &session, &err) < 0 ||
               jobs_resolve(session.postgres, options.name, &job, &err) < 0) {
        code = ctl_fail(&err, err.code == ERR_NotFound ? LIST : NULL);
    } else {
        code = wait_and_report(ctl, &session, job, &options, ENDING_JOB);
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
