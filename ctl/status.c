/* status.c: `syncline status`: is everything up, who works, and on what. Each part is shown as far
 * as it can be: with Redis away the jobs are still listed, with Postgres away the processes are. */
#include "ctl/ctl.h"
#include "ctl/get.h"
#include "ctl/job_json.h"
#include "ctl/options.h"
#include "ctl/session.h"
#include "ctl/watch.h"
#include "stack/stack.h"

#include <stdio.h>
#include <stdlib.h>

#define JOBS_SHOWN 20

struct status {
    struct stack_state stack;
    bool has_stack;
    struct job_list active;
    bool has_jobs;
    json_t *workers; /* NULL = unknown */
    bool planner_alive;
};

static void collect(struct session *session, struct status *out, struct err *err)
{
    struct err ignored;
    struct view *view;

    if (session->embedded)
        out->has_stack = stack_look(&session->layout, &out->stack, &ignored) == 0;
    if (session_connect(session, err) == 0 &&
        jobs_planner_alive(session->postgres, &out->planner_alive, err) == 0)
        out->has_jobs =
            jobs_list(session->postgres, true, true, JOBS_SHOWN, &out->active, err) == 0;
    view = session_view(session);
    out->workers = view ? view_workers(view, &ignored) : NULL;
}

static void release(struct status *status)
{
    if (status->has_stack)
        stack_state_release(&status->stack);
    job_list_release(&status->active);
    json_decref(status->workers);
}

static void print_stack(const struct stack_state *stack)
{
    static const struct column columns[] = {{"PROCESS", false, false},
                                            {"PID", true, false},
                                            {"STATE", false, false},
                                            {"RESTARTS", true, false}};
    struct table *table;

    printf("stack    %s in %s, supervisor %lld%s\n", stack->phase, stack->state_directory,
           (long long)stack->supervisor, stack->on_demand ? ", on demand" : "");
    printf("truth    psql \"%s\"\n", stack->database_url);
    printf("view     redis-cli -s %s\n\n", stack->redis_url + strlen("unix://"));
    table = table_new(columns, COUNT_OF(columns));
    for (u32 i = 0; i < stack->process_count; i++) {
        const struct stack_process *process = &stack->processes[i];
        char pid[24] = "-", restarts[16];

        if (process->pid)
            snprintf(pid, sizeof pid, "%lld", (long long)process->pid);
        snprintf(restarts, sizeof restarts, "%u", process->restarts);
        table_row(table, (const char *[]){process->name, pid, process->state, restarts});
    }
    table_finish(&table);
    printf("\n");
}

static void print_waiting(const struct job_list *jobs)
{
    for (u32 i = 0; i < jobs->count; i++) {
        const struct job *job = &jobs->jobs[i];

        if (job->waiting_for && job->waiting_for[0])
            printf("%s waits for %s\n", job->name, job->waiting_for);
    }
}

static void print_text(const struct session *session, const struct status *status)
{
    if (status->has_stack)
        print_stack(&status->stack);
    else
        printf("stack    named by SYNCLINE_DATABASE_URL\n");
    printf("Postgres %s\n", session->postgres ? "up" : "cannot be reached");
    printf("Redis    %s\n", status->workers      ? "up"
                            : session->redis_url ? "cannot be reached"
                                                 : "not configured");
    if (status->has_jobs)
        printf("planner  %s\n", status->planner_alive ? "up" : "none is running");
    if (status->workers && json_array_size(status->workers) > 0) {
        printf("\n");
        get_print_workers(status->workers, OUTPUT_TABLE);
    }
    if (status->has_jobs && status->active.count == 0)
        printf("\nno job is active\n");
    if (status->has_jobs && status->active.count > 0) {
        printf("\n");
        get_print_jobs(&status->active, OUTPUT_TABLE);
        print_waiting(&status->active);
    }
}

static void print_json(const struct session *session, const struct status *status)
{
    json_t *jobs = json_array();

    for (u32 i = 0; i < status->active.count; i++)
        json_array_append_new(jobs, job_to_json(&status->active.jobs[i]));
    show_json(json_pack("{s:o, s:b, s:b, s:b, s:O?, s:o}", "stack",
                        status->has_stack ? stack_state_to_json(&status->stack) : json_null(),
                        "postgres", session->postgres != NULL, "redis", status->workers != NULL,
                        "planner", status->planner_alive, "workers", status->workers, "activeJobs",
                        jobs),
              true);
}

static int show(struct session *session, bool json)
{
    struct status status = {0};
    struct err err;
    bool ok;

    collect(session, &status, &err);
    if (json)
        print_json(session, &status);
    else
        print_text(session, &status);
    ok = status.has_jobs && (status.workers || !session->redis_url) && status.planner_alive;
    release(&status);
    return ok ? EXIT_OK : EXIT_UNREACHABLE;
}

int command_status(struct ctl *ctl, int argc, char **argv)
{
    struct session session = {.hold_fd = -1};
    bool json = false, watch = false;
    const struct option options[] = {{"json", 0, OPTION_FLAG, &json},
                                     {"watch", 'w', OPTION_FLAG, &watch}};
    struct err err;
    int code;

    argc = options_take(options, COUNT_OF(options), &ctl->common, argc, argv, &err);
    if (argc < 0)
        return ctl_fail(&err, "syncline status --help");
    if (ctl->common.help) {
        help_command(ctl->command);
        return EXIT_OK;
    }
    if (argc > 0)
        return ctl_usage(ctl, "status takes no arguments");
    if (json && watch)
        return ctl_usage(ctl, "--json or --watch, not both");
    if (session_locate(ctl, SESSION_FIND, &session, &err) < 0) {
        session_close(&session);
        return ctl_fail(&err, NULL);
    }
    code = watch ? status_watch(ctl, &session) : show(&session, json);
    session_close(&session);
    return code;
}
