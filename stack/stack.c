/* stack.c: see stack.h. The supervisor is this program again, detached; what it has to say about
 * its start comes through a pipe, so that its death is noticed at once and nothing has to be
 * polled. */
#include "stack/stack.h"

#include "base/buf.h"
#include "base/clock.h"
#include "io/spawn.h"
#include "stack/control.h"
#include "stack/paths.h"
#include "stack/services.h"
#include "svc/confine.h"
#include "svc/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define START_MS 90000 /* the supervisor's own deadlines come first */
#define STOP_MS 90000
#define SCALE_MS 60000
#define LOOK_MS 20
#define TAIL_LINES 12
#define TAIL_BYTES 8192

static int check_programs(const struct layout *layout, struct err *err)
{
    struct programs programs;
    struct buf path = {0};
    int result = programs_find(layout, &programs, err);

    programs_release(&programs);
    for (u32 role = ROLE_planner; role <= ROLE_verifier && result == 0; role++) {
        buf_clear(&path);
        buf_printf(&path, "%s/syncline-%s", layout->programs, role_name(role));
        if (access(buf_text(&path), X_OK) != 0)
            result = err_set(err, ERR_Configuration,
                             "%s is not there, and the stack needs it: install Syncline as a "
                             "whole, or run `make all`",
                             buf_text(&path));
    }
    buf_release(&path);
    return result;
}

int stack_check(const struct layout *layout, struct err *err)
{
    const char *roots = getenv("SYNCLINE_ROOTS");
    int fd;

    if (layout_check(layout, err) < 0 || check_programs(layout, err) < 0 ||
        roots_check(roots && roots[0] ? roots : NULL, err) < 0)
        return -1;
    if (control_connect(layout, &fd, err) == 0) {
        close(fd);
        return err_set(err, ERR_StackUp, "a stack is up already in %s", layout->root);
    }
    return 0;
}

static void read_tail(const struct layout *layout, const char *name, struct buf *tail)
{
    char *path = layout_log(layout, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    off_t size = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
    char text[TAIL_BYTES + 1];
    ssize_t length =
        fd < 0 ? -1 : pread(fd, text, TAIL_BYTES, size > TAIL_BYTES ? size - TAIL_BYTES : 0);
    int lines = 0;

    while (length > 0 && text[length - 1] == '\n')
        length--;
    for (ssize_t at = length; at > 0; at--) {
        if (at > 1 && text[at - 1] != '\n')
            continue;
        if (at > 1 && ++lines < TAIL_LINES)
            continue;
        buf_printf(tail, "last lines of %s:\n%.*s\n", path, (int)(length - (at > 1 ? at : 0)),
                   text + (at > 1 ? at : 0));
        break;
    }
    if (fd >= 0)
        close(fd);
    free(path);
}

/* "ready" or "error <number> <log> <text>" */
static int read_announcement(const struct layout *layout, char *line, struct buf *tail,
                             struct err *err)
{
    char log[32] = "-";
    int code = 0, at = 0;

    line[strcspn(line, "\n")] = '\0';
    if (strcmp(line, "ready") == 0)
        return 0;
    if (sscanf(line, "error %d %31s %n", &code, log, &at) < 2 || at == 0) {
        if (tail)
            read_tail(layout, "supervisor-1", tail);
        return err_set(err, ERR_PlannerUnavailable,
                       "the supervisor of the stack ended without a word");
    }
    if (tail && strcmp(log, "-") != 0)
        read_tail(layout, log, tail);
    return err_set(err, (enum err_code)code, "%s", line + at);
}

static int wait_announcement(const struct layout *layout, int fd, pid_t pid,
                             const volatile int *stop, struct buf *tail, struct err *err)
{
    s64 until = clock_monotonic_ms() + START_MS;
    char line[1024] = "";
    size_t size = 0;

    for (;;) {
        struct pollfd waiting = {.fd = fd, .events = POLLIN};
        int ready = poll(&waiting, 1, 100);
        ssize_t got;

        if ((stop && *stop) || clock_monotonic_ms() > until) {
            kill(pid, SIGTERM);
            waitpid(pid, NULL, 0);
            return stop && *stop
                       ? err_set(err, ERR_Cancelled, "interrupted while the stack was started")
                       : err_set(err, ERR_PlannerUnavailable, "the stack was not ready in time");
        }
        if (ready <= 0)
            continue;
        got = read(fd, line + size, sizeof line - 1 - size);
        if (got < 0 && errno == EINTR)
            continue;
        size += got > 0 ? (size_t)got : 0;
        line[size] = '\0';
        if (got <= 0 || strchr(line, '\n') || size == sizeof line - 1)
            break;
    }
    if (read_announcement(layout, line, tail, err) == 0)
        return 0;
    waitpid(pid, NULL, 0); /* it says why at its very end */
    return -1;
}

static int spawn_supervisor(const struct layout *layout, const struct stack_counts *wanted,
                            bool on_demand, int announce_fd, pid_t *pid, struct err *err)
{
    char *program = realpath("/proc/self/exe", NULL);
    char *log = layout_log(layout, "supervisor-1");
    char counts[ROLE_verifier][32];
    char *argv[16] = {program, "supervise", "--state-dir", layout->root};
    int used = 4, result;
    int log_fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    /* files were read already, and the services of others are none of its business */
    char *settled[] = {SETTINGS_VARIABLE "=" SETTINGS_OFF,
                       "SYNCLINE_DATABASE_URL=", "SYNCLINE_REDIS_URL=", NULL};
    struct spawn_request request = {.path = program,
                                    .argv = argv,
                                    .extra_environment = settled,
                                    .stdout_fd = announce_fd,
                                    .stderr_fd = log_fd,
                                    .directory = "/",
                                    .new_session = true};

    for (u32 role = ROLE_planner; role <= ROLE_verifier; role++) {
        snprintf(counts[role - 1], sizeof counts[0], "--%ss=%u", role_name(role), wanted->of[role]);
        argv[used++] = counts[role - 1];
    }
    if (on_demand)
        argv[used++] = "--on-demand";
    if (!program || log_fd < 0)
        result = err_set(err, ERR_StateDirectory, "%s cannot be written: %s", log, strerror(errno));
    else
        result = spawn_start(&request, pid, err);
    if (log_fd >= 0)
        close(log_fd);
    free(log);
    free(program);
    return result;
}

int stack_start(const struct layout *layout, const struct stack_counts *wanted, bool on_demand,
                const volatile int *stop, struct buf *tail, struct err *err)
{
    int announce[2], result;
    pid_t pid;

    if (stack_check(layout, err) < 0 || layout_prepare(layout, err) < 0)
        return -1;
    if (pipe2(announce, O_CLOEXEC) < 0)
        return err_errno(err, errno, "pipe");
    result = spawn_supervisor(layout, wanted, on_demand, announce[1], &pid, err);
    close(announce[1]);
    if (result == 0)
        result = wait_announcement(layout, announce[0], pid, stop, tail, err);
    close(announce[0]);
    return result;
}

static int ask_state(int fd, const char *request, struct stack_state *out, struct err *err)
{
    json_t *json = NULL;
    int result = control_ask(fd, request, &json, err);

    if (result == 0)
        result = stack_state_from_json(json, out, err);
    json_decref(json);
    return result;
}

int stack_look(const struct layout *layout, struct stack_state *out, struct err *err)
{
    int fd, result;

    *out = (struct stack_state){0};
    if (control_connect(layout, &fd, err) < 0)
        return -1;
    result = ask_state(fd, "status", out, err);
    close(fd);
    return result;
}

int stack_hold(const struct layout *layout, const volatile int *stop, int *fd,
               struct stack_state *out, struct err *err)
{
    const char *request = "hold";
    int result;

    *out = (struct stack_state){0};
    if (control_connect(layout, fd, err) < 0)
        return -1;
    while ((result = ask_state(*fd, request, out, err)) == 0) {
        if (strcmp(out->phase, "ready") == 0)
            return 0;
        if (strcmp(out->phase, "stopping") == 0) {
            control_wait_closed(*fd, STOP_MS);
            result = err_set(err, ERR_StackDown, "the stack in %s has just ended", layout->root);
        }
        stack_state_release(out);
        if (result == 0 && stop && *stop)
            result = err_set(err, ERR_Cancelled, "interrupted while waiting for the stack");
        if (result < 0)
            break;
        request = "status";
        usleep(LOOK_MS * 1000);
    }
    close(*fd);
    *fd = -1;
    return -1;
}

void stack_release(int *fd)
{
    json_t *json = NULL;
    struct err ignored;

    if (control_ask(*fd, "release", &json, &ignored) == 0 &&
        json_is_true(json_object_get(json, "onDemand")) &&
        json_integer_value(json_object_get(json, "holders")) == 0)
        control_wait_closed(*fd, STOP_MS);
    json_decref(json);
    close(*fd);
    *fd = -1;
}

/* The count is as wanted, and each of them is ready. */
static bool is_scaled(const struct stack_state *state, enum role role)
{
    u32 ready = 0, all = 0;

    for (u32 i = 0; i < state->process_count; i++)
        if (strcmp(state->processes[i].kind, role_name(role)) == 0) {
            all++;
            ready += strcmp(state->processes[i].state, "ready") == 0;
        }
    return all == ready && ready == state->wanted.of[role];
}

int stack_scale(const struct layout *layout, enum role role, u32 count, struct err *err)
{
    s64 until = clock_monotonic_ms() + SCALE_MS;
    struct stack_state state = {0};
    json_t *json = NULL;
    char request[64];
    bool done = false;
    int fd, result;

    snprintf(request, sizeof request, "scale %s %u", role_name(role), count);
    if (control_connect(layout, &fd, err) < 0)
        return -1;
    result = control_ask(fd, request, &json, err);
    json_decref(json);
    while (result == 0 && !done) {
        result = ask_state(fd, "status", &state, err);
        done = result == 0 && is_scaled(&state, role);
        stack_state_release(&state);
        if (result == 0 && !done && clock_monotonic_ms() > until)
            result = err_set(err, ERR_TimedOut,
                             "the stack does not have %u ready %ss after %d s: see its logs in %s",
                             count, role_name(role), SCALE_MS / 1000, layout->log);
        if (!done)
            usleep(LOOK_MS * 1000);
    }
    close(fd);
    return result;
}

int stack_stop(const struct layout *layout, struct err *err)
{
    json_t *json = NULL;
    int fd, result;

    if (control_connect(layout, &fd, err) < 0)
        return -1;
    result = control_ask(fd, "stop", &json, err);
    json_decref(json);
    if (result < 0 && err->code == ERR_StackDown)
        result = 0; /* it ended in this very moment */
    else if (result == 0 && !control_wait_closed(fd, STOP_MS))
        result =
            err_set(err, ERR_TimedOut,
                    "the stack in %s does not end: its supervisor's log is %s/supervisor-1.log",
                    layout->root, layout->log);
    close(fd);
    return result;
}
