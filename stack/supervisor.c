/* supervisor.c: see supervisor.h. One thread, one poll: signals come by signalfd, commands by
 * control.sock, and time by the time-out. The lock is held by the open descriptor, so that it is
 * free in the instant in which this process is gone, however it went. stack.json follows every
 * change. */
#include "stack/supervisor_internal.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "svc/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#define START_MS 60000
#define LOCK_TRIES 20   /* a supervisor that was just killed is not quite gone */
#define UNHELD_MS 30000 /* a stack on demand that nobody took */
#define HOUSEKEEPING_MS 5000

static const char *const phase_names[] = {"starting", "starting", "starting", "ready", "stopping"};

/* Whatever the person who ran `up` has set for other databases, languages and zones must not get
 * in. */
static void clean_environment(void)
{
    static const char *const names[] = {
        "PGHOST",
        "PGHOSTADDR",
        "PGPORT",
        "PGDATABASE",
        "PGUSER",
        "PGPASSWORD",
        "PGPASSFILE",
        "PGSERVICE",
        "PGSERVICEFILE",
        "PGOPTIONS",
        "PGAPPNAME",
        "PGSSLMODE",
        "PGREQUIRESSL",
        "PGSSLCERT",
        "PGSSLKEY",
        "PGSSLROOTCERT",
        "PGREQUIREPEER",
        "PGREQUIREAUTH",
        "PGCHANNELBINDING",
        "PGGSSENCMODE",
        "PGKRBSRVNAME",
        "PGCLIENTENCODING",
        "PGDATESTYLE",
        "PGTZ",
        "PGGEQO",
        "PGDATA",
        "PGTARGETSESSIONATTRS",
        "PGCONNECT_TIMEOUT",
        "SYNCLINE_DATABASE_URL",
        "SYNCLINE_DATABASE_URL_FILE",
        "SYNCLINE_REDIS_URL",
        "SYNCLINE_REDIS_URL_FILE",
        "SYNCLINE_NAME",
        "SYNCLINE_PLANNER",
        "LANG",
        "LANGUAGE",
        "LC_CTYPE",
        "LC_MESSAGES",
        "LC_NUMERIC",
        "LC_TIME",
        "LC_COLLATE",
        "NOTIFY_SOCKET",
        "TMPDIR",
    };

    for (size_t i = 0; i < COUNT_OF(names); i++)
        unsetenv(names[i]);
    setenv("LC_ALL", "C.UTF-8", 1);
    setenv("TZ", "UTC", 1);
    setenv(SETTINGS_VARIABLE, SETTINGS_OFF, 1); /* files were read, and are in the environment */
}

static int take_lock(struct supervisor *supervisor, struct err *err)
{
    supervisor->lock_fd = open(supervisor->layout->lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (supervisor->lock_fd < 0)
        return err_set(err, ERR_StateDirectory, "%s cannot be opened: %s", supervisor->layout->lock,
                       strerror(errno));
    for (int tries = 0; tries < LOCK_TRIES; tries++) {
        if (flock(supervisor->lock_fd, LOCK_EX | LOCK_NB) == 0)
            return 0;
        usleep(10000);
    }
    return err_set(err, ERR_StackUp, "a stack is up already in %s", supervisor->layout->root);
}

static void take_signals(struct supervisor *supervisor)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    supervisor->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static json_t *state_json(const struct supervisor *supervisor)
{
    const struct layout *layout = supervisor->layout;
    struct stack_state state = {.supervisor = getpid(),
                                .supervisor_ticks = process_start_ticks(getpid()),
                                .on_demand = supervisor->options.on_demand,
                                .wanted = supervisor->wanted,
                                .state_directory = layout->root,
                                .process_count = supervisor->child_count};
    struct buf planner = {0};
    json_t *json;

    process_boot_id(state.boot_id);
    snprintf(state.phase, sizeof state.phase, "%s", phase_names[supervisor->phase]);
    state.database_url = postgres_url(layout, "syncline");
    state.redis_url = redis_url(layout);
    buf_printf(&planner, "ipc://%s/planner-*.ipc", layout->run);
    state.planner = (char *)buf_text(&planner);
    state.processes = memory_or_die((state.process_count + 1) * sizeof *state.processes);
    for (u32 i = 0; i < state.process_count; i++)
        state.processes[i] = supervisor->children[i]->shown;
    json = stack_state_to_json(&state);
    free(state.database_url);
    free(state.redis_url);
    free(state.processes);
    buf_release(&planner);
    return json;
}

static void write_state(struct supervisor *supervisor)
{
    json_t *json = state_json(supervisor);
    char *text = json_dumps(json, JSON_INDENT(2));
    struct err err;

    if (!text ||
        layout_write(supervisor->layout, supervisor->layout->json, text, 0600, false, &err) < 0)
        log_error(NULL, EVENT_failure, &err);
    free(text);
    json_decref(json);
    supervisor->changed = false;
}

static json_t *scale(struct supervisor *supervisor, const char *request)
{
    char role[16];
    unsigned count;
    enum role which;

    if (sscanf(request, "scale %15s %u", role, &count) != 2 || !(which = role_by_name(role)))
        return json_pack("{s:s}", "error", "which role, and how many?");
    if (count < 1 || count > STACK_PROCESSES_MAX)
        return json_pack("{s:s}", "error", "a stack has between 1 and 64 processes of each role");
    if (supervisor->phase != PHASE_READY)
        return json_pack("{s:s}", "error", "the stack is not ready yet");
    supervisor->wanted.of[which] = count;
    children_adjust(supervisor, which, which);
    return json_pack("{s:b}", "ok", 1);
}

static json_t *answer(void *context, const char *request)
{
    struct supervisor *supervisor = context;

    if (strcmp(request, "status") == 0 || strcmp(request, "hold") == 0 ||
        strcmp(request, "release") == 0)
        return state_json(supervisor);
    if (strncmp(request, "scale ", 6) == 0)
        return scale(supervisor, request);
    if (strcmp(request, "stop") == 0) {
        supervisor->stop = true;
        return json_pack("{s:b}", "ok", 1);
    }
    return json_pack("{s:s}", "error",
                     "the supervisor does not know this request: is it of another version?");
}

/* Nobody who would read it: whoever started this is gone, and a stack on demand has no other
 * purpose. */
static void announce(struct supervisor *supervisor, const char *text)
{
    if (supervisor->options.announce_fd < 0)
        return;
    if (write(supervisor->options.announce_fd, text, strlen(text)) < 0 &&
        supervisor->options.on_demand)
        supervisor->stop = true;
    close(supervisor->options.announce_fd);
    supervisor->options.announce_fd = -1;
}

static int announce_failure(struct supervisor *supervisor, struct err *err)
{
    struct buf line = {0};

    buf_printf(&line, "error %d %s %s\n", (int)err->code,
               supervisor->blame[0] ? supervisor->blame : "-", err->text);
    announce(supervisor, buf_text(&line));
    buf_release(&line);
    return -1;
}

static int start_services(struct supervisor *supervisor, struct err *err)
{
    const struct layout *layout = supervisor->layout;
    char *database = NULL, *redis = NULL;
    struct buf text = {0};

    if (programs_find(layout, &supervisor->programs, err) < 0 ||
        services_recover(layout, err) < 0 ||
        postgres_prepare(layout, &supervisor->programs, err) < 0 || redis_prepare(layout, err) < 0)
        return -1;
    database = postgres_url(layout, "syncline");
    redis = redis_url(layout);
    buf_printf(&text, "SYNCLINE_DATABASE_URL=%s", database);
    supervisor->urls[0] = text_copy(buf_text(&text));
    buf_clear(&text);
    buf_printf(&text, "SYNCLINE_REDIS_URL=%s", redis);
    supervisor->urls[1] = text_copy(buf_text(&text));
    buf_release(&text);
    free(database);
    free(redis);
    children_add(supervisor, child_new_service(CHILD_POSTGRES, layout, &supervisor->programs));
    children_add(supervisor, child_new_service(CHILD_REDIS, layout, &supervisor->programs));
    supervisor->deadline_ms = clock_monotonic_ms() + START_MS;
    return 0;
}

static int check_start(struct supervisor *supervisor, struct err *err)
{
    const struct child *bad = children_hopeless(supervisor);
    bool late = clock_monotonic_ms() > supervisor->deadline_ms;

    for (u32 i = 0; i < supervisor->child_count && late && !bad; i++)
        if (!supervisor->children[i]->ready)
            bad = supervisor->children[i];
    if (!bad)
        return 0;
    snprintf(supervisor->blame, sizeof supervisor->blame, "%s", bad->shown.name);
    return err_set(err,
                   bad->kind == CHILD_POSTGRES ? ERR_PostgresUnavailable
                   : bad->kind == CHILD_REDIS  ? ERR_RedisUnavailable
                                               : ERR_PlannerUnavailable,
                   late ? "%s was not ready after %d s"
                        : "%s ended again and again while the stack was started",
                   bad->shown.name, START_MS / 1000);
}

/* The way up: services, schema, planners (so that workers find their sockets at once), workers. */
static int advance(struct supervisor *supervisor, struct err *err)
{
    if (supervisor->phase == PHASE_SERVICES && services_ready(supervisor)) {
        if (postgres_migrate(supervisor->layout, err) < 0)
            return err_context(err, "the database cannot be brought to this version's schema");
        supervisor->phase = PHASE_PLANNERS;
        children_adjust(supervisor, ROLE_planner, ROLE_planner);
    } else if (supervisor->phase == PHASE_PLANNERS &&
               children_ready(supervisor, ROLE_planner, ROLE_planner)) {
        supervisor->phase = PHASE_WORKERS;
        children_adjust(supervisor, ROLE_watcher, ROLE_verifier);
    } else if (supervisor->phase == PHASE_WORKERS &&
               children_ready(supervisor, ROLE_planner, ROLE_verifier)) {
        supervisor->phase = PHASE_READY;
        supervisor->ready_ms = clock_monotonic_ms();
        write_state(supervisor);
        log_write(LOG_INFO, NULL, EVENT_ready, "state=%s", log_text(supervisor->layout->root));
        announce(supervisor, "ready\n");
    } else if (supervisor->phase < PHASE_READY) {
        return check_start(supervisor, err);
    }
    return 0;
}

static void read_signals(struct supervisor *supervisor)
{
    struct signalfd_siginfo info;

    while (read(supervisor->signal_fd, &info, sizeof info) == sizeof info)
        if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
            supervisor->stop = true;
    children_reap(supervisor);
}

static void housekeeping(struct supervisor *supervisor)
{
    s64 now = clock_monotonic_ms();

    if (supervisor->options.on_demand && supervisor->phase == PHASE_READY &&
        control_holders(&supervisor->control) == 0 &&
        (supervisor->control.was_held || now - supervisor->ready_ms > UNHELD_MS))
        supervisor->stop = true;
    if (now < supervisor->housekeeping_ms)
        return;
    supervisor->housekeeping_ms = now + HOUSEKEEPING_MS;
    for (u32 i = 0; i < supervisor->child_count; i++)
        child_rotate_log(supervisor->children[i]);
}

static int supervise(struct supervisor *supervisor, struct err *err)
{
    struct pollfd polled[CONTROL_CLIENTS_MAX + 2];

    while (!supervisor->stop) {
        u32 count = control_poll(&supervisor->control, polled + 1);

        polled[0] = (struct pollfd){.fd = supervisor->signal_fd, .events = POLLIN};
        if (poll(polled, count + 1, (int)children_next_ms(supervisor)) < 0 && errno != EINTR)
            return err_errno(err, errno, "poll");
        read_signals(supervisor);
        control_handle(&supervisor->control, polled + 1, count);
        if (supervisor->stop)
            break;
        children_tick(supervisor);
        if (advance(supervisor, err) < 0)
            return -1;
        housekeeping(supervisor);
        if (supervisor->changed)
            write_state(supervisor);
    }
    return 0;
}

static void end_all(struct supervisor *supervisor)
{
    supervisor->phase = PHASE_STOPPING;
    log_write(LOG_INFO, NULL, EVENT_stopping, "%s", "");
    write_state(supervisor);
    children_end(supervisor);
    for (u32 i = 0; i < supervisor->child_count; i++)
        child_destroy(&supervisor->children[i]);
    free(supervisor->children);
    unlink(supervisor->layout->json);
    log_write(LOG_INFO, NULL, EVENT_stopped, "%s", "");
}

int supervisor_run(const struct layout *layout, const struct supervisor_options *options,
                   struct err *err)
{
    struct supervisor supervisor = {.layout = layout,
                                    .options = *options,
                                    .wanted = options->wanted,
                                    .lock_fd = -1,
                                    .signal_fd = -1,
                                    .changed = true};
    int result;

    log_setup("supervisor", LOG_INFO, false);
    umask(022);
    clean_environment();
    take_signals(&supervisor);
    supervisor.control.answer = answer;
    supervisor.control.context = &supervisor;
    if (take_lock(&supervisor, err) < 0 || control_open(&supervisor.control, layout, err) < 0)
        return announce_failure(&supervisor, err);
    result = start_services(&supervisor, err);
    if (result == 0)
        result = supervise(&supervisor, err);
    if (result < 0)
        log_error(NULL, EVENT_failure, err);
    end_all(&supervisor);
    if (result < 0)
        announce_failure(&supervisor, err);
    programs_release(&supervisor.programs);
    free(supervisor.urls[0]);
    free(supervisor.urls[1]);
    control_unlink(layout);
    close(supervisor.lock_fd);
    /* the connections stay open until the process is gone: whoever waits for that sees it by their
     * end */
    close(supervisor.signal_fd);
    return result;
}
