/* supervisor_children.c: the children of the supervisor as a group: how many, which state, in which
 * order they end. See child.h for a single one. */
#include "stack/supervisor_internal.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "io/spawn.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define STARTING_MS 20 /* how often a child that starts is looked at */
#define IDLE_MS 1000
#define FAILURES_HOPELESS 6

void children_add(struct supervisor *supervisor, struct child *child)
{
    supervisor->children = memory_resize_or_die(
        supervisor->children, (supervisor->child_count + 1) * sizeof *supervisor->children);
    supervisor->children[supervisor->child_count++] = child;
    supervisor->changed = true;
}

static struct child *find_role(struct supervisor *supervisor, u32 role, u32 index)
{
    for (u32 i = 0; i < supervisor->child_count; i++)
        if (supervisor->children[i]->kind == CHILD_ROLE && supervisor->children[i]->role == role &&
            supervisor->children[i]->index == index)
            return supervisor->children[i];
    return NULL;
}

void children_adjust(struct supervisor *supervisor, u32 first, u32 last)
{
    s64 now = clock_monotonic_ms();

    for (u32 role = first; role <= last; role++)
        for (u32 index = 1; index <= STACK_PROCESSES_MAX; index++) {
            struct child *child = find_role(supervisor, role, index);

            if (index <= supervisor->wanted.of[role] && !child)
                children_add(supervisor,
                             child_new_role(role, index, supervisor->layout, supervisor->urls));
            else if (index <= supervisor->wanted.of[role])
                child->wanted = true; /* one that was asked to end comes back after its end */
            else if (child)
                child_ask_to_end(child, now);
        }
    supervisor->changed = true;
}

static void remove_child(struct supervisor *supervisor, u32 index)
{
    child_destroy(&supervisor->children[index]);
    for (u32 i = index + 1; i < supervisor->child_count; i++)
        supervisor->children[i - 1] = supervisor->children[i];
    supervisor->child_count--;
    supervisor->changed = true;
}

static void look_for_ready(struct supervisor *supervisor, struct child *child)
{
    struct err err;

    if (child->kind == CHILD_ROLE)
        child_look_for_ready(child);
    else
        child->ready = (child->kind == CHILD_POSTGRES ? postgres_ping(supervisor->layout, &err)
                                                      : redis_ping(supervisor->layout, &err)) == 0;
    if (child->ready) {
        strcpy(child->shown.state, "ready");
        supervisor->changed = true;
    }
}

void children_tick(struct supervisor *supervisor)
{
    s64 now = clock_monotonic_ms();
    struct err err;

    for (u32 i = supervisor->child_count; i-- > 0;) {
        struct child *child = supervisor->children[i];

        if (child->pid == 0 && !child->wanted) {
            remove_child(supervisor, i);
        } else if (child->pid == 0 && child->due_ms <= now) {
            if (child_start(child, supervisor->layout, &err) < 0)
                log_error(NULL, EVENT_failure, &err);
            else
                log_write(LOG_INFO, NULL, EVENT_child_started, "name=%s pid=%d", child->shown.name,
                          child->pid);
            supervisor->changed = true;
        } else if (child->pid != 0 && child->kill_ms != 0 && child->kill_ms <= now) {
            kill(child->pid, SIGKILL);
        } else if (child->pid != 0 && child->kill_ms == 0 && !child->ready) {
            look_for_ready(supervisor, child);
        }
    }
}

void children_reap(struct supervisor *supervisor)
{
    pid_t pid;
    int status;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        for (u32 i = 0; i < supervisor->child_count; i++) {
            struct child *child = supervisor->children[i];
            struct buf how = {0};

            if (child->pid != pid)
                continue;
            spawn_describe(status, &how);
            log_write(child->wanted ? LOG_WARN : LOG_INFO, NULL, EVENT_child_ended,
                      "name=%s pid=%d how=%s", child->shown.name, pid, log_text(buf_text(&how)));
            buf_release(&how);
            child_ended(child, clock_monotonic_ms());
            supervisor->changed = true;
        }
}

bool children_ready(const struct supervisor *supervisor, u32 first, u32 last)
{
    for (u32 i = 0; i < supervisor->child_count; i++) {
        const struct child *child = supervisor->children[i];

        if (child->kind == CHILD_ROLE && child->role >= first && child->role <= last &&
            child->wanted && !child->ready)
            return false;
    }
    return true;
}

bool services_ready(const struct supervisor *supervisor)
{
    for (u32 i = 0; i < supervisor->child_count; i++)
        if (supervisor->children[i]->kind != CHILD_ROLE && !supervisor->children[i]->ready)
            return false;
    return true;
}

const struct child *children_hopeless(const struct supervisor *supervisor)
{
    for (u32 i = 0; i < supervisor->child_count; i++)
        if (supervisor->children[i]->failures >= FAILURES_HOPELESS)
            return supervisor->children[i];
    return NULL;
}

s64 children_next_ms(const struct supervisor *supervisor)
{
    s64 now = clock_monotonic_ms(), next = IDLE_MS;

    for (u32 i = 0; i < supervisor->child_count; i++) {
        const struct child *child = supervisor->children[i];
        s64 wait = IDLE_MS;

        if (child->pid == 0)
            wait = child->due_ms - now;
        else if (child->kill_ms != 0)
            wait = child->kill_ms - now;
        else if (!child->ready)
            wait = STARTING_MS;
        if (wait < next)
            next = wait < 0 ? 0 : wait;
    }
    return next;
}

/* In which group a child ends: those who use a service before the service. */
static u32 end_group(const struct child *child)
{
    if (child->kind == CHILD_POSTGRES)
        return 3;
    if (child->kind == CHILD_REDIS)
        return 2;
    return child->role == ROLE_planner ? 1 : 0;
}

static bool group_is_gone(const struct supervisor *supervisor, u32 group)
{
    for (u32 i = 0; i < supervisor->child_count; i++)
        if (end_group(supervisor->children[i]) == group && supervisor->children[i]->pid != 0)
            return false;
    return true;
}

void children_end(struct supervisor *supervisor)
{
    for (u32 group = 0; group <= 3; group++) {
        for (u32 i = 0; i < supervisor->child_count; i++) {
            struct child *child = supervisor->children[i];

            if (end_group(child) == group)
                child_ask_to_end(child, clock_monotonic_ms());
        }
        for (;;) {
            struct pollfd waiting = {.fd = supervisor->signal_fd, .events = POLLIN};
            struct signalfd_siginfo ignored;

            children_reap(supervisor);
            for (u32 i = 0; i < supervisor->child_count; i++)
                if (supervisor->children[i]->pid != 0 && supervisor->children[i]->kill_ms != 0 &&
                    supervisor->children[i]->kill_ms <= clock_monotonic_ms())
                    kill(supervisor->children[i]->pid, SIGKILL);
            if (group_is_gone(supervisor, group))
                break;
            if (poll(&waiting, 1, 100) > 0 &&
                read(supervisor->signal_fd, &ignored, sizeof ignored) < 0)
                break;
        }
    }
}
