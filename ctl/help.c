/* help.c: finding commands by name, help, version, and how errors are said: what, why, the next
 * command. */
#include "ctl/ctl.h"
#include "ctl/options.h"
#include "ctl/show.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>

/* Names, and what other programs said, may hold what would steer a terminal. */
static void say(const char *text)
{
    struct buf shown = {0};

    show_lines(&shown, text);
    while (shown.size > 0 && shown.data[shown.size - 1] == '\n')
        shown.size--;
    fprintf(stderr, "syncline: %s\n", buf_text(&shown));
    buf_release(&shown);
}

/* How many words of argv the name is: 0 if it is not this command. */
static int matches(const struct command *command, int argc, char **argv)
{
    const char *space = strchr(command->name, ' ');
    size_t length = space ? (size_t)(space - command->name) : strlen(command->name);

    if (strlen(argv[0]) != length || strncmp(argv[0], command->name, length) != 0)
        return 0;
    if (!space)
        return 1;
    return argc > 1 && strcmp(argv[1], space + 1) == 0 ? 2 : 0;
}

/* "worker" alone, or with a second word that does not exist; "keys", of which none is there yet. */
static bool explain_group(const char *word)
{
    bool any = false, later = false;

    for (const struct command *at = commands; at->name; at++) {
        size_t length = strlen(word);

        if (strncmp(at->name, word, length) != 0 || at->name[length] != ' ')
            continue;
        later = later || !at->run;
        if (!at->run)
            continue;
        if (!any)
            fprintf(stderr, "syncline: %s wants one of its commands\n", word);
        fprintf(stderr, "  next: syncline %s\n", at->name);
        any = true;
    }
    if (later && !any)
        fprintf(stderr, "syncline: %s: not in this version\n  next: syncline help\n", word);
    return any || later;
}

const struct command *command_find(int argc, char **argv, int *words)
{
    const char *names[64], *nearest;
    struct err err;
    u32 count = 0;

    for (const struct command *at = commands; at->name; at++) {
        *words = matches(at, argc, argv);
        if (*words == 0)
            continue;
        if (at->run)
            return at;
        fprintf(stderr, "syncline: %s: not in this version\n  next: syncline help\n", at->name);
        return NULL;
    }
    if (explain_group(argv[0]))
        return NULL;
    for (const struct command *at = commands; at->name && count < COUNT_OF(names); at++)
        if (at->run && at->summary)
            names[count++] = at->name;
    nearest = nearest_word(argv[0], names, count);
    err_set(&err, ERR_Usage, "there is no command '%.80s'", argv[0]);
    say(err.text);
    fprintf(stderr, "  next: syncline %s\n", nearest ? nearest : "help");
    return NULL;
}

void help_command(const struct command *command)
{
    const char *summary = command->summary ? command->summary : command->name;

    printf("Usage: syncline %s%s%s [options]\n\n%c%s.\n", command->name,
           command->arguments[0] ? " " : "", command->arguments, toupper((unsigned char)summary[0]),
           summary + 1);
    if (command->help)
        printf("\n%s", command->help);
}

static void help_all(FILE *out)
{
    fprintf(out, "Usage: syncline COMMAND [options]\n\n"
                 "Keeps a destination equal to a source, and proves it.\n\n");
    for (const struct command *at = commands; at->name; at++)
        if (at->run && at->summary) {
            char usage[64];

            snprintf(usage, sizeof usage, "%s %s", at->name, at->arguments);
            fprintf(out, "  %-22s %s\n", usage, at->summary);
        }
    fprintf(out, "\n  --state-dir DIR, -q, -v, --no-color, --help go with every command.\n\n"
                 "To begin: syncline sync SRC DST\n");
}

int command_help(struct ctl *ctl, int argc, char **argv)
{
    const struct command *command;
    struct err err;
    int words;

    argc = options_take(NULL, 0, &ctl->common, argc, argv, &err);
    if (argc < 0)
        return ctl_fail(&err, NULL);
    if (argc == 0 && ctl->command && ctl->common.help) {
        help_command(ctl->command);
        return EXIT_OK;
    }
    if (argc == 0) {
        help_all(ctl->command || ctl->common.help ? stdout : stderr);
        return EXIT_OK;
    }
    command = command_find(argc, argv, &words);
    if (!command)
        return EXIT_USAGE;
    help_command(command);
    return EXIT_OK;
}

int command_version(struct ctl *ctl, int argc, char **argv)
{
    struct err err;

    argc = options_take(NULL, 0, &ctl->common, argc, argv, &err);
    if (argc < 0)
        return ctl_fail(&err, NULL);
    if (ctl->common.help)
        help_command(ctl->command);
    else
        printf("syncline %s\n", SYNCLINE_VERSION);
    return EXIT_OK;
}

int ctl_exit_code(const struct err *err)
{
    switch (err->code) {
    case ERR_Usage:
    case ERR_Configuration:
    case ERR_NotInThisVersion:
    case ERR_StateDirectory:
        return EXIT_USAGE;
    case ERR_NotFound:
        return EXIT_NOT_FOUND;
    case ERR_PostgresUnavailable:
    case ERR_RedisUnavailable:
    case ERR_PlannerUnavailable:
    case ERR_StackDown:
        return EXIT_UNREACHABLE;
    case ERR_ActiveJob:
    case ERR_InUse:
    case ERR_Suspended:
    case ERR_StackUp:
    case ERR_Busy:
        return EXIT_BUSY;
    case ERR_TimedOut:
        return EXIT_TIMED_OUT;
    case ERR_Cancelled:
        return EXIT_INTERRUPTED;
    default:
        return EXIT_FAILED;
    }
}

static const char *next_step(const struct err *err)
{
    switch (err->code) {
    case ERR_Usage:
    case ERR_NotInThisVersion:
        return "syncline help";
    case ERR_StackDown:
        return "syncline up";
    case ERR_StackUp:
        return "syncline status, or syncline down";
    case ERR_PostgresUnavailable:
    case ERR_RedisUnavailable:
    case ERR_PlannerUnavailable:
        return "syncline status";
    case ERR_SchemaVersion:
        return "syncline admin migrate";
    case ERR_Busy:
        return "try again";
    case ERR_StateDirectory:
        return "name a directory of your own with --state-dir or SYNCLINE_STATE_DIR";
    case ERR_Cancelled:
        return NULL;
    default:
        return "syncline doctor";
    }
}

int ctl_fail(const struct err *err, const char *next)
{
    if (!next)
        next = next_step(err);
    say(err->text);
    if (next)
        fprintf(stderr, "  next: %s\n", next);
    return ctl_exit_code(err);
}

int ctl_usage(const struct ctl *ctl, const char *format, ...)
{
    struct err wrong;
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(wrong.text, sizeof wrong.text, format, arguments);
    va_end(arguments);
    say(wrong.text);
    fprintf(stderr, "  next: syncline %s --help\n", ctl->command->name);
    return EXIT_USAGE;
}
