/* ctl.h: the `syncline` command: exit codes, the table of commands, what they share. */
#ifndef SYNCLINE_CTL_CTL_H
#define SYNCLINE_CTL_CTL_H

#include "base/err.h"
#include "base/types.h"
#include "svc/settings.h"

enum exit_code {
    EXIT_OK = 0,
    EXIT_DIFFERENT = 1, /* diff, and a dry run that was asked for it */
    EXIT_USAGE = 2,
    EXIT_NOT_FOUND = 3,
    EXIT_UNREACHABLE = 4,
    EXIT_BUSY = 5,
    EXIT_FAILED = 7,
    EXIT_TIMED_OUT = 10,
    EXIT_MISMATCH = 11,
    EXIT_INTERRUPTED = 130,
};

/* Options that every command takes, and that may stand before it too. */
struct common {
    const char *state_dir;
    bool quiet, verbose, no_color, help;
};

struct command;

/* One call of the command. */
struct ctl {
    struct common common;
    const struct command *command;
    struct settings settings; /* configuration files that were read */
};

struct command {
    const char *name;      /* one word, or two: "worker list" */
    const char *arguments; /* for the usage line */
    const char *summary;   /* one line; NULL = not shown */
    const char *help;      /* paragraphs and options; ends with a newline, or NULL */
    /* argv[0] is the first word after the command's name. Returns the exit code. NULL: not in this
     * version. */
    int (*run)(struct ctl *ctl, int argc, char **argv);
};

/* The commands, in the order of `help`; ends with a NULL name. */
extern const struct command commands[];

/* Set to the number of the signal when SIGINT or SIGTERM came (interrupt_catch). */
extern volatile int interrupted;
void interrupt_catch(void);

/* "syncline: <what and why>\n  next: <what to type>\n" to stderr; the exit code that fits. `next`
 * NULL: the usual one for the code, if there is one. */
int ctl_fail(const struct err *err, const char *next);
int ctl_exit_code(const struct err *err);
/* A wrong argument: text, and where to read more. Returns EXIT_USAGE. */
int ctl_usage(const struct ctl *ctl, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- one function per command ---- */
int command_sync(struct ctl *ctl, int argc, char **argv);
int command_run(struct ctl *ctl, int argc, char **argv);
int command_wait(struct ctl *ctl, int argc, char **argv);
int command_approve(struct ctl *ctl, int argc, char **argv);
int command_verify(struct ctl *ctl, int argc, char **argv);
int command_filter_test(struct ctl *ctl, int argc, char **argv);
int command_cancel(struct ctl *ctl, int argc, char **argv);
int command_apply(struct ctl *ctl, int argc, char **argv);
int command_diff(struct ctl *ctl, int argc, char **argv);
int command_delete(struct ctl *ctl, int argc, char **argv);
int command_set(struct ctl *ctl, int argc, char **argv);
int command_retry(struct ctl *ctl, int argc, char **argv);
int command_suspend(struct ctl *ctl, int argc, char **argv);
int command_resume(struct ctl *ctl, int argc, char **argv);
int command_events(struct ctl *ctl, int argc, char **argv);
int command_get(struct ctl *ctl, int argc, char **argv);
int command_describe(struct ctl *ctl, int argc, char **argv);
int command_report(struct ctl *ctl, int argc, char **argv);
int command_status(struct ctl *ctl, int argc, char **argv);
int command_up(struct ctl *ctl, int argc, char **argv);
int command_down(struct ctl *ctl, int argc, char **argv);
int command_scale(struct ctl *ctl, int argc, char **argv);
int command_supervise(struct ctl *ctl, int argc, char **argv);
int command_worker_list(struct ctl *ctl, int argc, char **argv);
int command_worker_drain(struct ctl *ctl, int argc, char **argv);
int command_migrate(struct ctl *ctl, int argc, char **argv);
int command_rebuild_redis(struct ctl *ctl, int argc, char **argv);
int command_gc(struct ctl *ctl, int argc, char **argv);
int command_backup(struct ctl *ctl, int argc, char **argv);
int command_doctor(struct ctl *ctl, int argc, char **argv);
int command_hash(struct ctl *ctl, int argc, char **argv);
int command_completion(struct ctl *ctl, int argc, char **argv);
int command_version(struct ctl *ctl, int argc, char **argv);
int command_help(struct ctl *ctl, int argc, char **argv);

/* Reads the configuration files for ctl->command; faults go to stderr. -1, Configuration. What only
 * says something about the command itself works without. */
int ctl_read_settings(struct ctl *ctl, int argc, char **argv, struct err *err);

/* The help of one command on stdout. */
void help_command(const struct command *command);
/* The command that argv names, and how many words it took; NULL and a message if none does. */
const struct command *command_find(int argc, char **argv, int *words);

#endif
