/* main.c: `syncline`: the table of commands, and what reaches which. Each command is a function of
 * its own; what it prints on stdout is data, all else goes to stderr. */
#include "ctl/ctl.h"
#include "ctl/options.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static bool reader_is_gone(void)
{
    struct pollfd output = {.fd = STDOUT_FILENO, .events = POLLOUT};

    return poll(&output, 1, 0) == 1 && (output.revents & (POLLERR | POLLHUP));
}

/* What could not be printed makes the command fail, unless its reader had seen enough. */
static int end_output(int code)
{
    bool lost = ferror(stdout) != 0;

    if (fflush(stdout) == 0 && !lost)
        return code;
    if (reader_is_gone())
        return code;
    fprintf(stderr,
            "syncline: the output cannot be written%s%s\n"
            "  next: make room where it goes, then ask again\n",
            lost ? "" : ": ", lost ? "" : strerror(errno));
    return code == EXIT_OK || code == EXIT_DIFFERENT ? EXIT_FAILED : code;
}

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

/* A descriptor that came closed would be given to a socket, which then had what is printed. What is
 * put there fails as a closed one does. */
static void hold_standard_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
            (void)!open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

int main(int argc, char **argv)
{
    hold_standard_descriptors();
    return end_output(run(argc, argv));
}
