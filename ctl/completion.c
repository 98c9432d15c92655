/* completion.c: `completion bash`: the script of completion.bash, which is part of the program. */
#include "ctl/ctl.h"
#include "ctl/options.h"

#include <stdio.h>

__asm__(".pushsection .rodata\n"
        "syncline_completion_bash: .incbin \"ctl/completion.bash\"\n.byte 0\n"
        ".popsection\n");
extern const char syncline_completion_bash[] __attribute__((visibility("hidden")));

int command_completion(struct ctl *ctl, int argc, char **argv)
{
    struct err err;

    argc = options_take(NULL, 0, &ctl->common, argc, argv, &err);
    if (argc < 0)
        return ctl_fail(&err, "syncline completion --help");
    if (ctl->common.help) {
        help_command(ctl->command);
        return EXIT_OK;
    }
    if (argc != 1 || strcmp(argv[0], "bash") != 0)
        return ctl_usage(ctl, "completion wants the name of a shell: bash");
    fputs(syncline_completion_bash, stdout);
    return EXIT_OK;
}
