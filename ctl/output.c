/* output.c: see output.h. */
#include "ctl/output.h"

#include "ctl/ctl.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

static bool reader_is_gone(void)
{
    struct pollfd output = {.fd = STDOUT_FILENO, .events = POLLOUT};

    return poll(&output, 1, 0) == 1 && (output.revents & (POLLERR | POLLHUP));
}

bool output_is_wanted(void)
{
    return !interrupted && !ferror(stdout) && !reader_is_gone();
}

int output_end(int code)
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

void output_begin(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
            (void)!open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}
