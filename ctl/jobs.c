/* jobs.c: the commands about one job: run, wait, approve, verify, cancel (jobs.h). */
#include "ctl/jobs.h"

#include "ctl/ending.h"
#include "ctl/job_json.h"
#include "ctl/kinds.h"
#include "ctl/show.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define START_TRIES 40
#define START_AGAIN_MS 250
#define LIST "syncline get jobs --all"
#define OWN_OPTIONS_MAX 8

int job_arguments(struct ctl *ctl, const struct option *own, u32 count, int argc, char **argv,
                  struct job_options *out, struct err *err)
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
    if (kind_refuse(ctl->command->name, out->name, err) < 0)
        return -1;
    return wait_read_options(ctl, out->progress, out->timeout, &out->how, err);
}

int job_timeout_refused(const struct ctl *ctl)
{
    return ctl_usage(ctl, "--timeout goes with --wait: a job that nobody waits for takes its time");
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

int job_start(const struct ctl *ctl, struct session *session, const char *synchronization,
              const struct job_start *wanted, const struct job_options *options)
{
    struct err err;
    char *job = NULL;
    int code;

    if (start(session, synchronization, wanted->run, &job, &err) < 0)
        code = err.code == ERR_Usage ? ctl_fail(&err, wanted->next)
               : err.code == ERR_NotFound && wanted->next
                   ? ctl_fail(&err, LIST ", " LIST_ANY_SYNC)
                   : ending_not_started(&err, synchronization, job);
    else if (wanted->wait)
        code = wait_and_report(ctl, session, job, options, wanted->ending);
    else
        code = print_started(session, job, options->json);
    free(job);
    return code;
}

/* A job of the synchronization that the command line names: from the session to the exit code. */
static int start_named(const struct ctl *ctl, const struct job_options *options,
                       const struct job_start *wanted)
{
    struct session session = {.hold_fd = -1};
    struct err err;
    int code = session_open(ctl, SESSION_FIND, &session, &err) < 0
                   ? ctl_fail(&err, NULL)
                   : job_start(ctl, &session, options->name, wanted, options);

    session_close(&session);
    return code;
}

static int run_plan(const struct ctl *ctl, const struct job_options *options, const char *plan,
                    bool wait)
{
    json_t *run = json_pack("{s:s}", "plan", plan);
    char *text = run ? json_dumps(run, JSON_COMPACT) : NULL, next[200];
    int code;

    if (!text)
        return ctl_usage(ctl, "--plan wants the name of a job");
    snprintf(next, sizeof next, "syncline run %s --dry-run --wait", options->name);
    code = start_named(ctl, options, &(struct job_start){.run = text, .wait = wait, .next = next});
    free(text);
    json_decref(run);
    return code;
}

int command_run(struct ctl *ctl, int argc, char **argv)
{
    struct job_options options = {0};
    const char *plan = NULL;
    bool wait = false, dry_run = false;
    const struct option own[] = {{"wait", 0, OPTION_FLAG, &wait},
                                 {"dry-run", 'n', OPTION_FLAG, &dry_run},
                                 {"plan", 0, OPTION_VALUE, &plan}};
    struct err err;

    interrupt_catch();
    if (job_arguments(ctl, own, COUNT_OF(own), argc, argv, &options, &err) < 0)
        return ctl_fail(&err, "syncline run --help");
    if (ctl->common.help) {
        help_command(ctl->command);
        return EXIT_OK;
    }
    if (options.timeout && !wait)
        return job_timeout_refused(ctl);
    if (plan && dry_run)
        return ctl_usage(ctl, "--plan or --dry-run, not both");
    if (plan)
        return run_plan(ctl, &options, plan, wait);
    return start_named(ctl, &options,
                       &(struct job_start){.run = dry_run ? "{\"dryRun\": true}" : NULL,
                                           .wait = wait,
                                           .ending = dry_run ? ENDING_PLAN : ENDING_JOB});
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
    if (job_arguments(ctl, own, COUNT_OF(own), argc, argv, &options, &err) < 0)
        return ctl_fail(&err, "syncline verify --help");
    if (ctl->common.help) {
        help_command(ctl->command);
        return EXIT_OK;
    }
    if (wait && no_wait)
        return ctl_usage(ctl, "--wait or --no-wait, not both");
    if (options.timeout && no_wait)
        return ctl_usage(ctl, "--timeout or --no-wait, not both");
    return start_named(ctl, &options,
                       &(struct job_start){.run = repair ? "{\"repair\": true, \"verify\": true}"
                                                         : "{\"verify\": true}",
                                           .wait = !no_wait,
                                           .ending = ENDING_VERIFY});
}

/* approve and cancel: an existing job, which may be waited for. */
typedef int about_job(const struct ctl *ctl, const struct job_options *options, bool wait);

static int command_about_job(struct ctl *ctl, int argc, char **argv, about_job *command)
{
    struct job_options options = {0};
    bool wait = false;
    const struct option own[] = {{"wait", 0, OPTION_FLAG, &wait}};
    char help[64];
    struct err err;

    interrupt_catch();
    snprintf(help, sizeof help, "syncline %s --help", ctl->command->name);
    if (job_arguments(ctl, own, COUNT_OF(own), argc, argv, &options, &err) < 0)
        return ctl_fail(&err, help);
    if (ctl->common.help) {
        help_command(ctl->command);
        return EXIT_OK;
    }
    if (options.timeout && !wait)
        return job_timeout_refused(ctl);
    return command(ctl, &options, wait);
}

/* jobs_approve may be called twice for one job, as answers get lost; a person who approves a job
 * that has ended since is told so. */
static int approve_waiting(struct postgres *postgres, const char *name, struct job *job,
                           struct err *err)
{
    if (jobs_read(postgres, name, job, err) < 0)
        return -1;
    if (job->approved && job->phase != PHASE_Held && phase_has_ended(job->phase) &&
        !(job->reason && strcmp(job->reason, err_name(ERR_SourceChanged)) == 0))
        return err_set(err, ERR_Usage, "%s was approved before, and is %s", name,
                       phase_name(job->phase));
    return jobs_approve(postgres, name, err);
}

static int not_approved(const struct err *err, const char *name, const struct job *job)
{
    char next[200];

    switch (err->code) {
    case ERR_NotFound:
        return ctl_fail(err, LIST);
    case ERR_Suspended:
        return ending_not_started(err, job->synchronization, NULL);
    case ERR_ActiveJob:
        snprintf(next, sizeof next, "syncline wait %s", job->synchronization);
        break;
    case ERR_Superseded:
        snprintf(next, sizeof next, "syncline run %s --wait", job->synchronization);
        break;
    case ERR_Usage: /* there is nothing to approve */
        snprintf(next, sizeof next,
                 phase_has_ended(job->phase) ? "syncline describe job/%s" : "syncline wait %s",
                 name);
        break;
    default:
        return ctl_fail(err, NULL);
    }
    return ctl_fail(err, next);
}

static int approve(const struct ctl *ctl, const struct job_options *options, bool wait)
{
    struct session session = {.hold_fd = -1};
    struct job job = {0};
    struct err err;
    int code = EXIT_OK;

    if (session_open(ctl, SESSION_FIND, &session, &err) < 0 ||
        approve_waiting(session.postgres, options->name, &job, &err) < 0)
        code = not_approved(&err, options->name, &job);
    else if (wait)
        code = wait_and_report(ctl, &session, options->name, options, ENDING_JOB);
    else if (options->json)
        code = print_started(&session, options->name, true);
    else if (!ctl->common.quiet)
        fprintf(stderr, "%s is approved\n  next: syncline wait %s\n", options->name, options->name);
    session_close(&session);
    job_release(&job);
    return code;
}

int command_approve(struct ctl *ctl, int argc, char **argv)
{
    return command_about_job(ctl, argc, argv, approve);
}

static int read_wait_arguments(struct ctl *ctl, int argc, char **argv, struct job_options *out,
                               struct err *err)
{
    const char *condition = NULL;
    const struct option own[] = {{"for", 0, OPTION_VALUE, &condition}};

    if (job_arguments(ctl, own, COUNT_OF(own), argc, argv, out, err) < 0)
        return -1;
    if (!condition || strcmp(condition, "finished") == 0)
        return 0;
    if (strcmp(condition, "insync") == 0)
        return err_set(err, ERR_NotInThisVersion,
                       "--for=insync is for live synchronizations, which are not in this version");
    return err_set(err, ERR_Usage, "--for is finished or insync, not '%.40s'", condition);
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

/* It was asked to end, and has: that is what was wanted, whatever `wait` would say of it. */
static int cancel_and_wait(const struct ctl *ctl, struct session *session,
                           const struct job_options *options)
{
    int code = wait_and_report(ctl, session, options->name, options, ENDING_JOB);

    return code == phase_exit_code(PHASE_Cancelled) ? EXIT_OK : code;
}

static int cancel(const struct ctl *ctl, const struct job_options *options, bool wait)
{
    struct session session = {.hold_fd = -1};
    struct err err;
    bool ended = false;
    int code = EXIT_OK;

    if (session_open(ctl, SESSION_FIND, &session, &err) < 0 ||
        jobs_cancel(session.postgres, options->name, &ended, &err) < 0)
        code = ctl_fail(&err, err.code == ERR_NotFound ? LIST : NULL);
    else if (wait)
        code = cancel_and_wait(ctl, &session, options);
    else if (options->json)
        code = print_started(&session, options->name, true);
    else if (!ctl->common.quiet)
        fprintf(stderr, ended ? "%s had ended already\n" : "%s was asked to end\n", options->name);
    session_close(&session);
    return code;
}

int command_cancel(struct ctl *ctl, int argc, char **argv)
{
    return command_about_job(ctl, argc, argv, cancel);
}
