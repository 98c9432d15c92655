/* admin.c: `syncline admin migrate`, for databases that no embedded stack looks after. */
#include "ctl/ctl.h"
#include "ctl/options.h"
#include "ctl/session.h"
#include "store/migrations.h"

#include <stdio.h>

int command_migrate(struct ctl *ctl, int argc, char **argv)
{
    struct session session = {.hold_fd = -1};
    struct err err;
    u32 applied = 0;
    int result;

    argc = options_take(NULL, 0, &ctl->common, argc, argv, &err);
    if (argc < 0)
        return ctl_fail(&err, "syncline admin migrate --help");
    if (ctl->common.help) {
        help_command(ctl->command);
        return EXIT_OK;
    }
    if (argc > 0)
        return ctl_usage(ctl, "admin migrate takes no arguments");
    result = session_locate(ctl, SESSION_FIND, &session, &err);
    if (result == 0)
        result = postgres_connect(session.database_url, "syncline", &session.postgres, &err);
    if (result == 0)
        result = migrations_apply(session.postgres, &applied, &err);
    session_close(&session);
    if (result < 0)
        return ctl_fail(&err, NULL);
    if (!ctl->common.quiet)
        fprintf(stderr, applied ? "%u migrations were applied\n" : "the schema is current\n",
                applied);
    return EXIT_OK;
}
