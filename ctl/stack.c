/* stack.c: the commands of the embedded stack: up, down, scale, and `supervise`, which is what `up`
 * runs. */
#include "ctl/ctl.h"
#include "ctl/options.h"

#include "base/buf.h"
#include "stack/stack.h"
#include "stack/supervisor.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct up_options {
    const char *counts[ROLE_verifier + 1];
    const char *roots;
    bool foreground, on_demand;
};

static int read_options(struct ctl *ctl, int argc, char **argv, struct up_options *out,
                        struct stack_counts *counts, struct err *err)
{
    const struct option options[] = {
        {"planners", 0, OPTION_VALUE, &out->counts[ROLE_planner]},
        {"watchers", 0, OPTION_VALUE, &out->counts[ROLE_watcher]},
        {"movers", 0, OPTION_VALUE, &out->counts[ROLE_mover]},
        {"verifiers", 0, OPTION_VALUE, &out->counts[ROLE_verifier]},
        {"roots", 0, OPTION_VALUE, &out->roots},
        {"foreground", 0, OPTION_FLAG, &out->foreground},
        {"on-demand", 0, OPTION_FLAG, &out->on_demand},
    };
    char what[16];

    argc = options_take(options, COUNT_OF(options), &ctl->common, argc, argv, err);
    if (argc < 0)
        return -1;
    if (argc > 0)
        return err_set(err, ERR_Usage, "%s takes no arguments: %.100s", ctl->command->name,
                       argv[0]);
    for (u32 role = ROLE_planner; role <= ROLE_verifier; role++) {
        snprintf(what, sizeof what, "--%ss", role_name(role));
        counts->of[role] = 1;
        if (out->counts[role] && option_number(what, out->counts[role], 1, STACK_PROCESSES_MAX,
                                               &counts->of[role], err) < 0)
            return -1;
    }
    return 0;
}

static int run_here(const struct layout *layout, const struct supervisor_options *options,
                    struct err *err)
{
    if (stack_check(layout, err) < 0 || layout_prepare(layout, err) < 0)
        return -1;
    return supervisor_run(layout, options, err);
}

int command_up(struct ctl *ctl, int argc, char **argv)
{
    struct up_options options = {0};
    struct supervisor_options supervisor = {.announce_fd = -1};
    struct layout layout = {0};
    struct buf tail = {0};
    struct err err;
    int result = read_options(ctl, argc, argv, &options, &supervisor.wanted, &err);

    if (result == 0 && ctl->common.help) {
        help_command(ctl->command);
        return EXIT_OK;
    }
    if (options.roots) /* from here the supervisor and its workers have it */
        setenv("SYNCLINE_ROOTS", options.roots, 1);
    if (result == 0)
        result = layout_find(ctl->common.state_dir, &layout, &err);
    if (result == 0 && options.foreground) {
        supervisor.on_demand = options.on_demand;
        result = run_here(&layout, &supervisor, &err);
    } else if (result == 0) {
        interrupt_catch();
        result =
            stack_start(&layout, &supervisor.wanted, options.on_demand, &interrupted, &tail, &err);
        if (result == 0 && !ctl->common.quiet)
            fprintf(stderr,
                    "the stack is up in %s\n  next: syncline sync SRC DST, or syncline status\n",
                    layout.root);
    }
    if (tail.size > 0)
        fprintf(stderr, "%s", buf_text(&tail));
    buf_release(&tail);
    layout_release(&layout);
    return result < 0 ? ctl_fail(&err, err.code == ERR_Usage ? "syncline up --help" : NULL)
                      : EXIT_OK;
}

int command_supervise(struct ctl *ctl, int argc, char **argv)
{
    struct up_options options = {0};
    struct supervisor_options supervisor = {0};
    struct layout layout = {0};
    struct err err;
    int null = -1;

    if (read_options(ctl, argc, argv, &options, &supervisor.wanted, &err) < 0 ||
        layout_find(ctl->common.state_dir, &layout, &err) < 0)
        return ctl_fail(&err, NULL);
    /* what comes in as stdout is the pipe to whoever waits for the start */
    supervisor.announce_fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    supervisor.on_demand = options.on_demand;
    if (freopen("/dev/null", "w", stdout) == NULL)
        null = 0;
    return supervisor_run(&layout, &supervisor, &err) < 0 || null == 0 ? ctl_exit_code(&err)
                                                                       : EXIT_OK;
}

int command_down(struct ctl *ctl, int argc, char **argv)
{
    struct layout layout = {0};
    struct err err;
    int result;

    argc = options_take(NULL, 0, &ctl->common, argc, argv, &err);
    if (argc < 0)
        return ctl_fail(&err, NULL);
    if (ctl->common.help) {
        help_command(ctl->command);
        return EXIT_OK;
    }
    if (argc > 0)
        return ctl_usage(ctl, "down takes no arguments");
    result = layout_find(ctl->common.state_dir, &layout, &err);
    if (result == 0)
        result = stack_stop(&layout, &err);
    if (result < 0 && err.code == ERR_StackDown) {
        /* that is what was wanted */
        if (!ctl->common.quiet)
            fprintf(stderr, "no stack is up in %s\n", layout.root);
        result = 0;
    }
    layout_release(&layout);
    return result < 0 ? ctl_fail(&err, NULL) : EXIT_OK;
}

static int scale_one(const struct layout *layout, char *argument, struct err *err)
{
    static const char *const roles[] = {"planner", "watcher", "mover", "verifier"};
    char *equals = strchr(argument, '=');
    enum role role;
    size_t length;
    u32 count;

    if (!equals)
        return err_set(err, ERR_Usage, "scale wants ROLE=N, such as mover=4, not '%.60s'",
                       argument);
    *equals = '\0';
    length = strlen(argument);
    if (length > 1 && argument[length - 1] == 's')
        argument[length - 1] = '\0';
    role = role_by_name(argument);
    if (!role) {
        const char *nearest = nearest_word(argument, roles, COUNT_OF(roles));

        return err_set(err, ERR_Usage, "there is no role '%.40s'%s%s%s", argument,
                       nearest ? "; did you mean " : ": planner, watcher, mover, verifier",
                       nearest ? nearest : "", nearest ? "?" : "");
    }
    if (option_number(argument, equals + 1, 1, STACK_PROCESSES_MAX, &count, err) < 0)
        return -1;
    return stack_scale(layout, role, count, err);
}

int command_scale(struct ctl *ctl, int argc, char **argv)
{
    struct layout layout = {0};
    struct err err;
    int result;

    argc = options_take(NULL, 0, &ctl->common, argc, argv, &err);
    if (argc < 0)
        return ctl_fail(&err, NULL);
    if (ctl->common.help) {
        help_command(ctl->command);
        return EXIT_OK;
    }
    if (argc == 0)
        return ctl_usage(ctl, "scale wants ROLE=N, such as mover=4");
    result = layout_find(ctl->common.state_dir, &layout, &err);
    for (int i = 0; i < argc && result == 0; i++)
        result = scale_one(&layout, argv[i], &err);
    layout_release(&layout);
    return result < 0 ? ctl_fail(&err, err.code == ERR_Usage ? "syncline scale --help" : NULL)
                      : EXIT_OK;
}
