/* main.c: `syncline`: the table of commands, and what reaches which. Each command is a function of
 * its own; what it prints on stdout is data, all else goes to stderr. */
#include "ctl/ctl.h"
#include "ctl/options.h"
#include "ctl/output.h"

#include <locale.h>
#include <signal.h>
#include <stdio.h>

static int run(int argc, char **argv)
{
    struct ctl ctl = {0};
    struct err err;
    int first, words, result;

    /* columns of tables are counted in characters; everything else is the same in every language */
    setlocale(LC_CTYPE, "C.UTF-8");
    signal(SIGPIPE, SIG_IGN);
    first = options_take_leading(&ctl.common, argc - 1, argv + 1, &err);
    if (first < 0)
        return ctl_fail(&err, "syncline help");
    argc -= 1 + first;
    argv += 1 + first;
    if (argc == 0)
        return command_help(&ctl, 0, argv) == 0 && ctl.common.help ? EXIT_OK : EXIT_USAGE;
    ctl.command = command_find(argc, argv, &words);
    if (!ctl.command)
        return EXIT_USAGE;
    if (ctl.common.help) {
        help_command(ctl.command);
        return EXIT_OK;
    }
    if (ctl_read_settings(&ctl, argc, argv, &err) < 0)
        return ctl_fail(&err, NULL);
    result = ctl.command->run(&ctl, argc - words, argv + words);
    settings_release(&ctl.settings);
    return result;
}

int main(int argc, char **argv)
{
    output_begin();
    return output_end(run(argc, argv));
}
