/* spawn.c: see spawn.h. fork, a few system calls, exec. posix_spawn can neither switch the user nor
 * set a parent-death signal, and doing so through a helper program would cost a second exec and a
 * second place for errors.
 *
 * Between fork and exec only async-signal-safe functions are called; what they need was prepared
 * before. A close-on-exec pipe tells the parent which step failed, or, by its end, that exec
 * worked. */
#include "io/spawn.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define OUTPUT_MAX (1u << 20)

extern char **environ;

enum step { STEP_SESSION, STEP_DIRECTORY, STEP_OUTPUT, STEP_USER, STEP_DEATH, STEP_EXEC };

static const char *const step_names[] = {
    "its process group",     "changing to its directory", "its output",
    "switching to its user", "tying it to its parent",    "executing it",
};

struct failure {
    enum step step;
    int errno_value;
};

/* ---- before fork ---- */

static bool same_name(const char *a, const char *b)
{
    size_t size = strcspn(a, "=");

    return strncmp(a, b, size) == 0 && b[size] == '=';
}

/* The inherited variables with the extra ones in their place. The array is the caller's, the texts
 * are borrowed. */
static char **merged_environment(char *const *extra)
{
    size_t count = 0, extras = 0, used = 0;
    char **merged;

    while (environ && environ[count])
        count++;
    while (extra && extra[extras])
        extras++;
    merged = memory_or_die((count + extras + 1) * sizeof *merged);
    for (size_t i = 0; i < count; i++) {
        bool replaced = false;

        for (size_t j = 0; j < extras; j++)
            replaced = replaced || same_name(environ[i], extra[j]);
        if (!replaced)
            merged[used++] = environ[i];
    }
    for (size_t j = 0; j < extras; j++)
        merged[used++] = extra[j];
    return merged;
}

/* ---- in the child ---- */

static void child_fail(int report_fd, enum step step)
{
    struct failure failure = {step, errno};
    ssize_t written = write(report_fd, &failure, sizeof failure);

    (void)written;
    _exit(127);
}

/* Puts `fd` in the place of a standard descriptor; dup2 also clears close-on-exec. */
static int place(int fd, int standard)
{
    if (fd < 0)
        return 0;
    if (fd == standard)
        return fcntl(fd, F_SETFD, 0);
    return dup2(fd, standard);
}

static int place_outputs(const struct spawn_request *request)
{
    int out = request->stdout_fd, error = request->stderr_fd;
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (null_fd < 0 || place(null_fd, STDIN_FILENO) < 0)
        return -1;
    /* stderr may be asked to go where stdout is now */
    if (error == STDOUT_FILENO && out >= 0 && (error = dup(error)) < 0)
        return -1;
    if (place(out, STDOUT_FILENO) < 0 || place(error, STDERR_FILENO) < 0)
        return -1;
    return close_range(3, ~0u, CLOSE_RANGE_CLOEXEC);
}

static void reset_signals(void)
{
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigset_t none;

    for (int i = 1; i < NSIG; i++)
        sigaction(i, &action, NULL); /* fails for those that cannot be set, which is right */
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static int switch_user(const struct spawn_request *request)
{
    if (setgroups(1, &request->gid) < 0 || setresgid(request->gid, request->gid, request->gid) < 0)
        return -1;
    return setresuid(request->uid, request->uid, request->uid);
}

static void child_main(const struct spawn_request *request, char **environment, pid_t parent,
                       int report_fd)
{
    int death_signal = request->death_signal ? request->death_signal : SIGTERM;

    if ((request->new_session ? (setsid() < 0) : (setpgid(0, 0) < 0)))
        child_fail(report_fd, STEP_SESSION);
    reset_signals();
    if (place_outputs(request) < 0)
        child_fail(report_fd, STEP_OUTPUT);
    if (request->switch_user && switch_user(request) < 0)
        child_fail(report_fd, STEP_USER);
    /* as the new user: what it may not enter, the program could not use */
    if (request->directory && chdir(request->directory) < 0)
        child_fail(report_fd, STEP_DIRECTORY);
    /* after the switch of users, which clears it */
    if (request->die_with_parent && prctl(PR_SET_PDEATHSIG, death_signal) < 0)
        child_fail(report_fd, STEP_DEATH);
    if (request->die_with_parent && getppid() != parent)
        _exit(127); /* the parent ended before it was set, and nobody reads the report */
    execve(request->path, request->argv, environment);
    child_fail(report_fd, STEP_EXEC);
}

/* ---- in the parent ---- */

static ssize_t read_again(int fd, void *out, size_t size)
{
    ssize_t got;

    do
        got = read(fd, out, size);
    while (got < 0 && errno == EINTR);
    return got;
}

static pid_t reap(pid_t pid, int *status)
{
    pid_t rc;

    do
        rc = waitpid(pid, status, 0);
    while (rc < 0 && errno == EINTR);
    return rc;
}

static int await_exec(const struct spawn_request *request, pid_t pid, int report_fd,
                      struct err *err)
{
    struct failure failure;
    int status;

    if (read_again(report_fd, &failure, sizeof failure) != (ssize_t)sizeof failure)
        return 0;
    reap(pid, &status);
    return err_errno(err, failure.errno_value, "starting %s: %s", request->path,
                     step_names[failure.step]);
}

int spawn_start(const struct spawn_request *request, pid_t *out, struct err *err)
{
    pid_t parent = getpid(), pid;
    char **environment;
    int report[2];
    int rc;

    if (request->path[0] != '/')
        return err_set(err, ERR_Internal, "starting %s: the path must be absolute", request->path);
    if (pipe2(report, O_CLOEXEC) < 0)
        return err_errno(err, errno, "starting %s: making a pipe", request->path);
    environment = merged_environment(request->extra_environment);
    pid = fork();
    if (pid == 0)
        child_main(request, environment, parent, report[1]);
    rc = pid < 0 ? err_errno(err, errno, "starting %s: making a process", request->path) : 0;
    free(environment);
    close(report[1]);
    if (rc == 0) {
        /* the child does so too; whoever is first, the group exists when the caller uses it */
        if (!request->new_session)
            setpgid(pid, pid);
        rc = await_exec(request, pid, report[0], err);
    }
    close(report[0]);
    if (rc == 0)
        *out = pid;
    return rc;
}

/* Reads some of what is there: how much, 0 at the end, -1 if there is nothing now. */
static ssize_t collect(int fd, struct buf *output)
{
    char chunk[4096];
    ssize_t got = read_again(fd, chunk, sizeof chunk);

    if (got > 0 && output && output->size < OUTPUT_MAX)
        buf_append(output, chunk, (size_t)got);
    return got;
}

/* What the program wrote before it ended is in the pipe, at most its 64 KiB; what it left running
 * may go on writing, so there is an end to it. */
static void drain(int fd, struct buf *output)
{
    for (int i = 0; i < 64 && collect(fd, output) > 0; i++)
        continue;
}

/* Collects output until the process has ended; false if the deadline passes first. */
static bool collect_until_end(int pid_fd, int fd, s64 deadline_ms, struct buf *output)
{
    struct pollfd polled[2] = {{.fd = pid_fd, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
    s64 until = clock_monotonic_ms() + deadline_ms;

    for (;;) {
        s64 left = until - clock_monotonic_ms();

        if (left <= 0)
            return false;
        polled[0].revents = polled[1].revents = 0;
        if (poll(polled, 2, left > 60000 ? 60000 : (int)left) < 0)
            continue;
        if (polled[0].revents) {
            drain(fd, output);
            return true;
        }
        if (polled[1].revents && collect(fd, output) == 0)
            polled[1].fd = -1;
    }
}

int spawn_run(const struct spawn_request *request, s64 deadline_ms, struct buf *output, int *status,
              struct err *err)
{
    struct spawn_request copy = *request;
    int ends[2], pid_fd, rc;
    bool in_time;
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_errno(err, errno, "starting %s: making a pipe", request->path);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    copy.stdout_fd = copy.stderr_fd = ends[1];
    rc = spawn_start(&copy, &pid, err);
    close(ends[1]);
    if (rc < 0) {
        close(ends[0]);
        return -1;
    }
    pid_fd = pidfd_open(pid, 0);
    in_time = pid_fd >= 0 && collect_until_end(pid_fd, ends[0], deadline_ms, output);
    if (!in_time)
        kill(-pid, SIGKILL);
    reap(pid, status);
    if (pid_fd >= 0)
        close(pid_fd);
    close(ends[0]);
    if (pid_fd < 0)
        return err_set(err, ERR_Internal, "running %s: no descriptor for the process",
                       request->path);
    if (!in_time)
        return err_set(err, ERR_TimedOut, "%s did not end within %lld ms", request->path,
                       (long long)deadline_ms);
    return 0;
}

int spawn_stop(pid_t pid, int signal, s64 grace_ms, int *status)
{
    int pid_fd = pidfd_open(pid, 0), ignored;
    s64 until = clock_monotonic_ms() + grace_ms;
    struct pollfd polled = {.fd = pid_fd, .events = POLLIN};
    s64 left = grace_ms;

    if (pid_fd < 0)
        return -1;
    kill(pid, signal);
    while (left > 0 && poll(&polled, 1, left > 60000 ? 60000 : (int)left) <= 0)
        left = until - clock_monotonic_ms();
    /* also when it ended in time: what it left behind in its group ends with it */
    kill(-pid, SIGKILL);
    close(pid_fd);
    if (left <= 0)
        kill(pid, SIGKILL);
    return reap(pid, status ? status : &ignored) == pid ? 0 : -1;
}

void spawn_describe(int status, struct buf *out)
{
    if (WIFEXITED(status))
        buf_printf(out, "exited with %d", WEXITSTATUS(status));
    else if (WIFSIGNALED(status))
        buf_printf(out, "was ended by signal %d (%s)", WTERMSIG(status),
                   sigdescr_np(WTERMSIG(status)) ? sigdescr_np(WTERMSIG(status)) : "unknown");
    else
        buf_printf(out, "has status 0x%x", (unsigned)status);
}
