/* backup.c: `syncline admin backup FILE`: pg_dump with the right options: one file that pg_restore
 * takes, written under another name and renamed when it is whole and on the disk. What the
 * connection string says goes to pg_dump by its environment: a password is in no list of processes.
 */
#include "ctl/ctl.h"
#include "ctl/options.h"
#include "ctl/session.h"
#include "io/spawn.h"
#include "stack/paths.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define LONGEST_MS (24 * 3600 * 1000LL)

/* pg_dump must not be older than the server: the newest there is, first. */
static const char *find_program(void)
{
    static const char *const places[] = {
        "/usr/lib/postgresql/17/bin/pg_dump", "/usr/lib/postgresql/16/bin/pg_dump",
        "/usr/lib/postgresql/15/bin/pg_dump", "/usr/bin/pg_dump", "/usr/local/bin/pg_dump"};

    for (size_t i = 0; i < COUNT_OF(places); i++)
        if (access(places[i], X_OK) == 0)
            return places[i];
    return NULL;
}

/* PGHOST=…, and so on, of each part of the connection string that has a variable. Freed with
 * free_environment. */
static char **environment_of(const char *url, struct err *err)
{
    char *reason = NULL;
    PQconninfoOption *options = PQconninfoParse(url, &reason);
    char **environment;
    size_t count = 0;

    if (!options) {
        err_set(err, ERR_Configuration, "SYNCLINE_DATABASE_URL: %s",
                reason ? reason : "no connection string");
        PQfreemem(reason);
        return NULL;
    }
    for (const PQconninfoOption *at = options; at->keyword; at++)
        count++;
    environment = memory_or_die((count + 1) * sizeof *environment);
    count = 0;
    for (const PQconninfoOption *at = options; at->keyword; at++) {
        struct buf line = {0};

        if (!at->val || !at->envvar)
            continue;
        buf_printf(&line, "%s=%s", at->envvar, at->val);
        environment[count++] = text_copy(buf_text(&line));
        buf_release(&line);
    }
    PQconninfoFree(options);
    return environment;
}

static void free_environment(char **environment)
{
    for (char **at = environment; *at; at++)
        free(*at);
    free(environment);
}

static int dump(const char *program, char **environment, const char *partial, struct err *err)
{
    char *argv[] = {(char *)program, "--format=custom", "--no-owner", "--no-password",
                    "--file",        (char *)partial,   NULL};
    struct spawn_request request = {.path = program,
                                    .argv = argv,
                                    .extra_environment = environment,
                                    .stdout_fd = -1,
                                    .stderr_fd = -1,
                                    .die_with_parent = true};
    struct buf said = {0};
    int status, rc;

    rc = spawn_run(&request, LONGEST_MS, &said, &status, err);
    if (rc == 0 && status != 0)
        rc = err_set(err, ERR_PostgresRefused, "pg_dump: %.300s", buf_text(&said));
    buf_release(&said);
    return rc;
}

/* On the disk, and under its name, which nobody has taken meanwhile. */
static int finish(const char *partial, const char *file, struct err *err)
{
    char *parent = path_parent(file);
    int fd = open(partial, O_RDONLY | O_CLOEXEC);
    int directory = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = 0;

    if (fd < 0 || directory < 0 || fsync(fd) < 0 ||
        renameat2(AT_FDCWD, partial, AT_FDCWD, file, RENAME_NOREPLACE) < 0 || fsync(directory) < 0)
        rc = err_errno(err, errno, "%.300s", file);
    if (fd >= 0)
        close(fd);
    if (directory >= 0)
        close(directory);
    free(parent);
    return rc;
}

static int backup(struct session *session, const char *file, struct err *err)
{
    const char *program = find_program();
    char **environment;
    struct buf partial = {0};
    int rc;

    if (!program)
        return err_set(err, ERR_NotFound, "pg_dump is not installed: install postgresql-client");
    if (access(file, F_OK) == 0)
        return err_set(err, ERR_Usage, "%.300s exists already: name another file", file);
    environment = environment_of(session->database_url, err);
    if (!environment)
        return -1;
    umask(077); /* it says everything that the truth does */
    buf_printf(&partial, "%s.partial-%d", file, (int)getpid());
    rc = dump(program, environment, buf_text(&partial), err);
    if (rc == 0)
        rc = finish(buf_text(&partial), file, err);
    unlink(buf_text(&partial));
    buf_release(&partial);
    free_environment(environment);
    return rc;
}

int command_backup(struct ctl *ctl, int argc, char **argv)
{
    struct session session = {.hold_fd = -1};
    char *file = NULL;
    struct err err;
    int result;

    argc = options_take(NULL, 0, &ctl->common, argc, argv, &err);
    if (argc < 0)
        return ctl_fail(&err, "syncline admin backup --help");
    if (ctl->common.help) {
        help_command(ctl->command);
        return EXIT_OK;
    }
    if (argc != 1)
        return ctl_usage(ctl, "admin backup wants the name of a file");
    result = session_locate(ctl, SESSION_FIND, &session, &err);
    if (result == 0) /* whatever its schema; pg_dump does not say that nobody answers */
        result = postgres_connect(session.database_url, "syncline", &session.postgres, &err);
    if (result == 0)
        result = path_resolve(argv[0], &file, &err);
    if (result == 0)
        result = backup(&session, file, &err);
    session_close(&session);
    if (result == 0 && !ctl->common.quiet)
        fprintf(stderr, "to restore: createdb syncline && pg_restore --no-owner -d syncline %s\n",
                argv[0]);
    free(file);
    return result < 0 ? ctl_fail(&err, ctl_exit_code(&err) == EXIT_UNREACHABLE
                                           ? NULL
                                           : "syncline admin backup --help")
                      : EXIT_OK;
}
