/* suspend.c: `syncline suspend` and `resume`: whether jobs of a synchronization start. Done twice
 * is done once. */
#include "ctl/ctl.h"
#include "ctl/kinds.h"
#include "ctl/options.h"
#include "ctl/session.h"
#include "store/jobs.h"

#include <stdio.h>
#include <stdlib.h>

static void tell(const char *name, bool suspended, bool was, const char *active)
{
    fprintf(stderr, "%s %s%s\n", name, was ? "was " : "is ",
            suspended ? was ? "suspended already" : "suspended"
            : was     ? "not suspended"
                      : "resumed");
    if (suspended && active)
        fprintf(stderr, "%s goes on\n  next: syncline cancel %s, if it is to end too\n", active,
                active);
}

static int set_suspended(struct ctl *ctl, bool suspended, int argc, char **argv)
{
    struct session session = {.hold_fd = -1};
    char *active = NULL;
    struct err err;
    bool was;
    int code = EXIT_OK;

    argc = options_take(NULL, 0, &ctl->common, argc, argv, &err);
    if (argc < 0)
        return ctl_fail(&err, NULL);
    if (ctl->common.help) {
        help_command(ctl->command);
        return EXIT_OK;
    }
    if (argc != 1)
        return ctl_usage(ctl, "%s wants the name of a synchronization", ctl->command->name);
    if (kind_refuse(ctl->command->name, argv[0], &err) < 0)
        return ctl_usage(ctl, "%s", err.text);
    if (session_open(ctl, SESSION_FIND, &session, &err) < 0 ||
        jobs_suspend(session.postgres, argv[0], suspended, &was, &active, &err) < 0)
        code = ctl_fail(&err, err.code == ERR_NotFound ? LIST_ANY_SYNC : NULL);
    else if (!ctl->common.quiet)
        tell(argv[0], suspended, was, active);
    session_close(&session);
    free(active);
    return code;
}

int command_suspend(struct ctl *ctl, int argc, char **argv)
{
    return set_suspended(ctl, true, argc, argv);
}

int command_resume(struct ctl *ctl, int argc, char **argv)
{
    return set_suspended(ctl, false, argc, argv);
}
