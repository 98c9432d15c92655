/* child.c: see child.h.
 *
 * A child writes its log file itself, so that it never waits for the supervisor, and what it said
 * last is there even if both died in the same instant. The file is opened for appending and rotated
 * by copying and truncating. Workers and planners get SIGKILL when the supervisor dies (any instant
 * is safe for them); Postgres and Redis are asked to end in order, and the next `up` waits for
 * that. */
#include "stack/child.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "io/spawn.h"
#include "stack/paths.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOG_MAX (16 << 20)
#define ALIVE_MS 10000
#define DELAY_FIRST_MS 100
#define DELAY_MAX_MS 5000
#define READ_MAX (256 << 10)

s64 child_delay_ms(u32 failures)
{
    if (failures <= 1)
        return 0;
    if (failures > 7)
        return DELAY_MAX_MS;
    return (s64)DELAY_FIRST_MS << (failures - 2) < DELAY_MAX_MS
               ? (s64)DELAY_FIRST_MS << (failures - 2)
               : DELAY_MAX_MS;
}

static struct child *child_new(enum child_kind kind, const char *what, u32 index,
                               const struct layout *layout)
{
    struct child *child = memory_or_die(sizeof *child);

    child->kind = kind;
    child->index = index;
    child->wanted = true;
    snprintf(child->shown.kind, sizeof child->shown.kind, "%s", what);
    snprintf(child->shown.name, sizeof child->shown.name, "%s-%u", what, index);
    snprintf(child->shown.state, sizeof child->shown.state, "starting");
    child->log_path = layout_log(layout, child->shown.name);
    return child;
}

static char *environment_of(const char *name, const char *value)
{
    struct buf out = {0};

    buf_printf(&out, "%s=%s", name, value);
    buf_text(&out);
    return (char *)out.data;
}

struct child *child_new_service(enum child_kind kind, const struct layout *layout,
                                const struct programs *programs)
{
    bool postgres = kind == CHILD_POSTGRES;
    struct child *child = child_new(kind, postgres ? "postgres" : "redis", 1, layout);

    child->path = text_copy(postgres ? programs->postgres : programs->redis);
    child->argv = postgres ? postgres_argv(layout, programs) : redis_argv(layout);
    return child;
}

struct child *child_new_role(u32 role, u32 index, const struct layout *layout, char *const *urls)
{
    struct child *child = child_new(CHILD_ROLE, role_name(role), index, layout);
    const char *level = getenv("SYNCLINE_LOG_LEVEL");
    struct buf text = {0};

    child->role = role;
    buf_printf(&text, "%s/syncline-%s", layout->programs, role_name(role));
    child->path = text_copy(buf_text(&text));
    child->argv = memory_or_die(2 * sizeof *child->argv);
    child->argv[0] = text_copy(child->path);
    child->environment = memory_or_die(8 * sizeof *child->environment);
    child->environment[0] = environment_of("SYNCLINE_NAME", child->shown.name);
    buf_clear(&text);
    if (role == ROLE_planner)
        buf_printf(&text, "ipc://%s/planner-%u.ipc", layout->run, index);
    else
        buf_printf(&text, "ipc://%s/planner-*.ipc", layout->run);
    child->environment[1] = environment_of("SYNCLINE_PLANNER", buf_text(&text));
    child->environment[2] = environment_of("SYNCLINE_STATE_DIR", layout->root);
    /* event=ready is said at this level, and the supervisor waits for it */
    child->environment[3] = environment_of("SYNCLINE_LOG_LEVEL",
                                           level && strcmp(level, "debug") == 0 ? "debug" : "info");
    child->environment[4] = text_copy(urls[0]);
    child->environment[5] = text_copy(urls[1]);
    if (role == ROLE_planner) {
        buf_clear(&text);
        buf_printf(&text, "unix:%s/planner-%u.http", layout->run, index);
        child->environment[6] = environment_of("SYNCLINE_METRICS", buf_text(&text));
    }
    buf_release(&text);
    return child;
}

void child_destroy(struct child **child)
{
    if (!*child)
        return;
    free((*child)->path);
    free((*child)->log_path);
    argv_free((*child)->argv);
    argv_free((*child)->environment);
    free(*child);
    *child = NULL;
}

static void set_state(struct child *child, const char *state)
{
    snprintf(child->shown.state, sizeof child->shown.state, "%s", state);
}

/* A planner that was killed leaves its socket; a worker must not take it for a planner that is
 * there. */
static void remove_socket(const struct child *child, const struct layout *layout)
{
    struct buf path = {0};

    buf_printf(&path, "%s/planner-%u.ipc", layout->run, child->index);
    unlink(buf_text(&path));
    buf_release(&path);
}

int child_start(struct child *child, const struct layout *layout, struct err *err)
{
    struct spawn_request request = {
        .path = child->path,
        .argv = child->argv,
        .extra_environment = child->environment,
        .directory = "/",
        .die_with_parent = true,
        .death_signal = SIGKILL,
        .uid = layout->service_uid,
        .gid = layout->service_gid,
        .switch_user = layout->separate && child->kind != CHILD_ROLE,
    };
    int fd = open(child->log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600), result;
    struct stat status = {0};

    if (child->kind != CHILD_ROLE)
        request.death_signal = child->kind == CHILD_POSTGRES ? SIGINT : SIGTERM;
    if (child->kind == CHILD_ROLE && child->role == ROLE_planner)
        remove_socket(child, layout);
    child->started_ms = clock_monotonic_ms();
    child->ready = false;
    if (fd >= 0 && fstat(fd, &status) == 0)
        child->log_from = status.st_size;
    request.stdout_fd = request.stderr_fd = fd;
    result = fd < 0 ? err_errno(err, errno, "%s", child->log_path)
                    : spawn_start(&request, &child->pid, err);
    if (fd >= 0)
        close(fd);
    if (result < 0) {
        child->pid = 0;
        child_ended(child, child->started_ms);
        return err_context(err, "%s cannot be started", child->shown.name);
    }
    child->shown.pid = child->pid;
    child->shown.ticks = process_start_ticks(child->pid);
    set_state(child, "starting");
    return 0;
}

void child_ended(struct child *child, s64 now_ms)
{
    child->failures = now_ms - child->started_ms >= ALIVE_MS ? 1 : child->failures + 1;
    child->due_ms = now_ms + child_delay_ms(child->failures);
    child->shown.restarts++;
    child->pid = 0;
    child->shown.pid = 0;
    child->shown.ticks = 0;
    child->ready = false;
    child->kill_ms = 0;
    set_state(child, "waiting");
}

void child_ask_to_end(struct child *child, s64 now_ms)
{
    child->wanted = false;
    if (child->pid == 0 || child->kill_ms != 0)
        return;
    kill(child->pid, child->kind == CHILD_POSTGRES ? SIGINT : SIGTERM);
    kill(child->pid, SIGCONT); /* one that is stopped could not hear it */
    child->kill_ms = now_ms + (child->kind == CHILD_POSTGRES ? 30000 : 10000);
    set_state(child, "stopping");
}

void child_look_for_ready(struct child *child)
{
    int fd;
    char *text;
    ssize_t size;

    if (child->kind != CHILD_ROLE || child->ready || child->pid == 0)
        return;
    fd = open(child->log_path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    text = memory_or_die(READ_MAX + 1);
    size = pread(fd, text, READ_MAX, child->log_from);
    close(fd);
    text[size < 0 ? 0 : size] = '\0';
    if (strstr(text, "event=ready") || strstr(text, "\"event\":\"ready\"")) {
        child->ready = true;
        set_state(child, "ready");
    }
    free(text);
}

void child_rotate_log(const struct child *child)
{
    struct buf older = {0};
    struct stat status;
    off_t at = 0;
    int from, to;

    if (stat(child->log_path, &status) < 0 || status.st_size < LOG_MAX)
        return;
    buf_printf(&older, "%s.1", child->log_path);
    from = open(child->log_path, O_RDWR | O_CLOEXEC);
    to = open(buf_text(&older), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (from >= 0 && to >= 0)
        while (sendfile(to, from, &at, LOG_MAX) > 0)
            continue;
    if (from >= 0 && ftruncate(from, 0) < 0)
        log_write(LOG_WARN, NULL, EVENT_failure, "message=%s",
                  log_text("a log file cannot be truncated"));
    if (from >= 0)
        close(from);
    if (to >= 0)
        close(to);
    buf_release(&older);
}
