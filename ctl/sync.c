/* sync.c: `syncline sync SRC DST`: two directories as a job, from nothing: stack, definitions,
 * destination.
 *
 * Whether both ends are fit is for the probe to say, by processes that see what the job would see.
 * This only makes a missing DST, and only where that can neither touch the source nor stay behind:
 * SRC is a directory, DST's parent exists, neither is inside the other by any name; a job that is
 * refused, or cancelled before anything was put, has it removed again, and so has a dry run. */
#include "ctl/ending.h"
#include "ctl/spec.h"
#include "ctl/wait.h"

#include "base/names.h"
#include "stack/paths.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define CANCEL_MS 20000
#define START_TRIES 40
#define START_AGAIN_MS 250

struct sync {
    struct ctl *ctl;
    struct session session;
    struct wait_options wait;
    bool json, exit_code;
    struct spec_options options;
    char *spec;
    char *source, *destination; /* real paths */
    bool made;                  /* the destination was made here */
    char *job;
};

static int resolve(const char *what, const char *path, char **out, struct err *err)
{
    struct buf shown = {0};

    if (!path[0])
        return err_set(err, ERR_Usage, "%s is empty", what);
    if (path_resolve(path, out, err) < 0)
        return -1;
    if (utf8_is_valid(bytes_text(*out)))
        return 0;
    name_escape(&shown, bytes_text(*out));
    err_set(err, ERR_Usage,
            "%s is %.300s, which is not UTF-8: names inside a tree may be any bytes, but its own "
            "path stands in Postgres as text; reach it by a symbolic link or a bind mount with "
            "such a name",
            what, buf_text(&shown));
    buf_release(&shown);
    return -1;
}

/* Is `path` the directory `root`, or inside it, by any name? Compared by what the directories are.
 */
static bool is_inside(const char *path, const struct stat *root)
{
    char *at = text_copy(path);
    bool inside = false;

    for (;;) {
        struct stat status;
        char *up;

        if (stat(at, &status) == 0 && status.st_dev == root->st_dev &&
            status.st_ino == root->st_ino)
            inside = true;
        if (inside || strcmp(at, "/") == 0)
            break;
        up = path_parent(at);
        free(at);
        at = up;
    }
    free(at);
    return inside;
}

static int make_destination(struct sync *sync, struct err *err)
{
    struct stat source, parent;
    char *above;
    int result = 0;

    if (access(sync->destination, F_OK) == 0 || stat(sync->source, &source) < 0 ||
        !S_ISDIR(source.st_mode))
        return 0;
    above = path_parent(sync->destination);
    if (is_inside(above, &source)) {
        /* the probe could only say that it is missing, and whoever made it would be refused then */
        result = err_set(err, ERR_Nested, "the destination %.300s is inside the source %.300s",
                         sync->destination, sync->source);
    } else if (stat(above, &parent) == 0 && S_ISDIR(parent.st_mode)) {
        sync->made = mkdir(sync->destination, 0777) == 0;
        if (!sync->made && errno != EEXIST)
            result =
                err_errno(err, errno, "the destination %.300s cannot be made", sync->destination);
    }
    free(above);
    return result;
}

/* On a stack that was just started, an active job is what an interrupted command left: it is
 * carried to its end first, and then this one has its turn, since the source may have changed. */
static int finish_leftover(struct sync *sync, struct err *err)
{
    struct job job = {0};

    if (!sync->ctl->common.quiet)
        fprintf(stderr, "%s was interrupted and is finished first\n", sync->job);
    if (wait_for_job(&sync->session, sync->job, &sync->wait, &job, err) < 0)
        return -1;
    job_release(&job);
    free(sync->job);
    sync->job = NULL;
    return 0;
}

static int start(struct sync *sync, struct err *err)
{
    char uid[UUID_SIZE];

    jobs_new_uid(uid);
    for (int tries = 0; tries < START_TRIES; tries++) {
        free(sync->job);
        sync->job = NULL;
        if (sync->session.postgres &&
            jobs_start_adhoc(sync->session.postgres, sync->source, sync->destination, sync->spec,
                             uid, &sync->job, err) == 0)
            return 0;
        if (err->code == ERR_ActiveJob && sync->session.own) {
            if (finish_leftover(sync, err) < 0)
                return -1;
            continue;
        }
        if (err->code != ERR_PostgresUnavailable || interrupted)
            return -1;
        /* the uid makes it the same job, should the lost answer have been a yes */
        usleep(START_AGAIN_MS * 1000);
        if (session_connect(&sync->session, err) < 0 && err->code != ERR_PostgresUnavailable)
            return -1;
    }
    return -1;
}

/* A DST that was made here, and that a job left which did not do what it was for: gone, if nothing
 * was put there. */
static void unmake_destination(const struct sync *sync, const struct job *job)
{
    if (sync->made &&
        (job->phase == PHASE_Failed || job->phase == PHASE_Cancelled || sync->options.dry_run))
        rmdir(sync->destination); /* fails if anything is there */
}

/* The stack ends with this command, so a job would only lie there. */
static void cancel(struct sync *sync)
{
    struct wait_options quick = {.timeout_ms = CANCEL_MS, .progress = PROGRESS_NONE};
    struct job job = {0};
    struct err err;
    bool ended;

    interrupted = 0;
    if (session_connect(&sync->session, &err) == 0 &&
        jobs_cancel(sync->session.postgres, sync->job, &ended, &err) == 0 &&
        wait_for_job(&sync->session, sync->job, &quick, &job, &err) == 0) {
        unmake_destination(sync, &job);
        fprintf(stderr, "syncline: interrupted; %s is %s\n", sync->job, phase_name(job.phase));
    } else {
        fprintf(stderr, "syncline: interrupted; %s was asked to end (%s)\n", sync->job, err.text);
    }
    job_release(&job);
}

static int run(struct sync *sync)
{
    struct job job = {0};
    struct err err;
    int code;

    if (session_open(sync->ctl, SESSION_START, &sync->session, &err) < 0)
        return err.code == ERR_Cancelled ? EXIT_INTERRUPTED : ctl_fail(&err, NULL);
    if (make_destination(sync, &err) < 0)
        return ctl_fail(&err, err.code == ERR_Nested
                                  ? "choose directories of which neither is inside the other"
                                  : "make it yourself, or choose another");
    if (start(sync, &err) < 0) {
        char name[ADHOC_NAME_SIZE];

        if (sync->made)
            rmdir(sync->destination);
        jobs_adhoc_name(sync->source, sync->destination, name);
        return ending_not_started(&err, name, sync->job);
    }
    if (sync->ctl->common.verbose)
        fprintf(stderr, "%s: %s -> %s\n", sync->job, sync->source, sync->destination);
    if (wait_for_job(&sync->session, sync->job, &sync->wait, &job, &err) < 0) {
        if (err.code == ERR_Cancelled && sync->session.own) {
            cancel(sync);
            return EXIT_INTERRUPTED;
        }
        return wait_failed(&err, sync->job);
    }
    unmake_destination(sync, &job);
    code = sync->options.dry_run
               ? ending_plan(sync->ctl, &sync->session, &job, sync->json, sync->exit_code)
               : ending_report(sync->ctl, &job, sync->json);
    job_release(&job);
    return code;
}

static int read_arguments(struct sync *sync, int argc, char **argv, struct err *err)
{
    const char *progress = NULL;
    struct spec_options *spec = &sync->options;
    const struct option options[] = {
        {"json", 0, OPTION_FLAG, &sync->json},
        {"progress", 0, OPTION_VALUE, &progress},
        {"dry-run", 'n', OPTION_FLAG, &spec->dry_run},
        {"exit-code", 0, OPTION_FLAG, &sync->exit_code},
        {"delete", 0, OPTION_FLAG, &spec->delete},
        {"max-delete", 0, OPTION_VALUE, &spec->max_delete},
        {"exclude", 0, OPTION_LIST, &spec->filters},
        {"include", 0, OPTION_LIST, &spec->filters},
        {"checksum", 0, OPTION_FLAG, &spec->checksum},
        {"preserve", 0, OPTION_VALUE, &spec->preserve},
        {"durability", 0, OPTION_VALUE, &spec->durability},
        {"hash", 0, OPTION_VALUE, &spec->hash},
    };

    argc = options_take(options, COUNT_OF(options), &sync->ctl->common, argc, argv, err);
    if (argc < 0 || sync->ctl->common.help)
        return argc < 0 ? -1 : 0;
    if (argc != 2)
        return err_set(err, ERR_Usage, "sync wants a source and a destination");
    if (sync->exit_code && !spec->dry_run)
        return err_set(err, ERR_Usage, "--exit-code goes with --dry-run");
    if (spec_make(spec, &sync->spec, err) < 0)
        return -1;
    if (resolve("the source", argv[0], &sync->source, err) < 0 ||
        resolve("the destination", argv[1], &sync->destination, err) < 0)
        return -1;
    return wait_read_options(sync->ctl, progress, NULL, &sync->wait, err);
}

int command_sync(struct ctl *ctl, int argc, char **argv)
{
    struct sync sync = {.ctl = ctl, .session = {.hold_fd = -1}};
    struct err err;
    int code = EXIT_OK;

    interrupt_catch();
    if (read_arguments(&sync, argc, argv, &err) < 0)
        code = ctl_fail(&err, "syncline sync --help");
    else if (ctl->common.help)
        help_command(ctl->command);
    else
        code = run(&sync);
    session_close(&sync.session);
    option_list_release(&sync.options.filters);
    free(sync.spec);
    free(sync.source);
    free(sync.destination);
    free(sync.job);
    return code;
}
