/* settings.c: configuration files, as the command uses them. */
#include "ctl/ctl.h"

#include "base/buf.h"

#include <stdio.h>

int ctl_read_settings(struct ctl *ctl, int argc, char **argv, struct err *err)
{
    int (*run)(struct ctl *, int, char **) = ctl->command->run;
    struct buf faults = {0};
    int result;

    if (run == command_help || run == command_version || run == command_completion ||
        strcmp(argv[argc - 1], "--help") == 0)
        return 0;
    result = settings_load(&ctl->settings, &faults, err);
    fputs(buf_text(&faults), stderr);
    buf_release(&faults);
    if (result < 0)
        settings_release(&ctl->settings);
    return result;
}
