/* terminal.c: see terminal.h. How: sequences of the ECMA-48 family that every terminal of the last
 * decades knows; no library and no terminfo, as nothing else is needed. Signals keep their keys,
 * but those that would stop or end the program with the screen as it is. */
#include "ctl/terminal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

/* alternate screen, no cursor, no wrapping; and back */
#define ENTER "\x1b[?1049h\x1b[?25l\x1b[?7l"
#define LEAVE "\x1b[?7h\x1b[?25h\x1b[?1049l"
#define HOME "\x1b[H"
#define CLEAR_LINE                                                                                 \
    "\x1b[K" /* before a line: behind one as wide as the screen it would take its end */

struct terminal {
    struct termios before;
    struct sigaction resize_before;
};

static void note_resize(int number)
{
    (void)number; /* that poll ends is all */
}

static int write_all(const void *data, size_t size)
{
    const char *at = data;

    while (size > 0) {
        ssize_t done = write(STDOUT_FILENO, at, size);

        if (done < 0 && errno != EINTR)
            return -1;
        at += done > 0 ? done : 0;
        size -= done > 0 ? (size_t)done : 0;
    }
    return 0;
}

int terminal_open(struct terminal **out, struct err *err)
{
    struct terminal *terminal;
    struct termios mode;
    struct sigaction action = {.sa_handler = note_resize};

    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) || tcgetattr(STDIN_FILENO, &mode) < 0)
        return err_set(err, ERR_Usage, "a whole screen wants a terminal for input and output");
    terminal = memory_or_die(sizeof *terminal);
    terminal->before = mode;
    mode.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    mode.c_cc[VMIN] = 0;
    mode.c_cc[VTIME] = 0;
    mode.c_cc[VSUSP] = mode.c_cc[VQUIT] = _POSIX_VDISABLE;
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &mode);
    sigaction(SIGWINCH, &action, &terminal->resize_before);
    write_all(ENTER, sizeof ENTER - 1);
    *out = terminal;
    return 0;
}

void terminal_close(struct terminal **terminal)
{
    if (!*terminal)
        return;
    write_all(LEAVE, sizeof LEAVE - 1);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &(*terminal)->before);
    sigaction(SIGWINCH, &(*terminal)->resize_before, NULL);
    free(*terminal);
    *terminal = NULL;
}

void terminal_size(const struct terminal *terminal, u32 *columns, u32 *rows)
{
    struct winsize size = {0};

    (void)terminal;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col == 0 || size.ws_row == 0)
        size = (struct winsize){.ws_col = 80, .ws_row = 24};
    *columns = size.ws_col;
    *rows = size.ws_row;
}

int terminal_show(struct terminal *terminal, const struct buf *lines)
{
    struct buf out = {0};
    int rc;

    (void)terminal;
    buf_append_text(&out, HOME CLEAR_LINE);
    for (size_t i = 0; i < lines->size; i++) {
        if (lines->data[i] == '\n')
            buf_append_text(&out, "\r\n" CLEAR_LINE);
        else
            buf_append(&out, lines->data + i, 1);
    }
    rc = write_all(out.data, out.size);
    buf_release(&out);
    return rc;
}

int terminal_key(struct terminal *terminal, s64 timeout_ms)
{
    struct pollfd wait = {.fd = STDIN_FILENO, .events = POLLIN};
    unsigned char key;
    ssize_t got;

    (void)terminal;
    if (poll(&wait, 1, timeout_ms > 0 ? (int)timeout_ms : 0) <= 0)
        return 0;
    got = read(STDIN_FILENO, &key, 1);
    if (got == 1)
        return key;
    return got < 0 && errno == EINTR ? 0 : -1;
}
