/* state.c: see state.h. */
#include "stack/state.h"

#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

json_t *stack_state_to_json(const struct stack_state *state)
{
    json_t *processes = json_array(), *wanted = json_object();

    for (u32 i = 0; i < state->process_count; i++) {
        const struct stack_process *process = &state->processes[i];

        json_array_append_new(processes, json_pack("{s:s, s:s, s:s, s:I, s:I, s:i}", "name",
                                                   process->name, "kind", process->kind, "state",
                                                   process->state, "pid", (json_int_t)process->pid,
                                                   "startTicks", (json_int_t)process->ticks,
                                                   "restarts", (int)process->restarts));
    }
    for (u32 role = ROLE_planner; role <= ROLE_verifier; role++)
        json_object_set_new(wanted, role_name(role), json_integer(state->wanted.of[role]));
    return json_pack(
        "{s:s, s:s, s:{s:I, s:I}, s:b, s:s, s:s, s:s, s:s, s:o, s:o}", "phase", state->phase,
        "bootId", state->boot_id, "supervisor", "pid", (json_int_t)state->supervisor, "startTicks",
        (json_int_t)state->supervisor_ticks, "onDemand", state->on_demand, "stateDirectory",
        state->state_directory, "databaseUrl", state->database_url, "redisUrl", state->redis_url,
        "planner", state->planner, "wanted", wanted, "processes", processes);
}

static void copy_text(const json_t *json, const char *key, char *out, size_t size)
{
    const char *text = json_string_value(json_object_get(json, key));

    snprintf(out, size, "%s", text ? text : "");
}

static char *take_text(const json_t *json, const char *key)
{
    const char *text = json_string_value(json_object_get(json, key));

    return text_copy(text ? text : "");
}

static s64 number(const json_t *json, const char *key)
{
    return json_integer_value(json_object_get(json, key));
}

int stack_state_from_json(const json_t *json, struct stack_state *out, struct err *err)
{
    const json_t *supervisor = json_object_get(json, "supervisor");
    const json_t *processes = json_object_get(json, "processes");
    const json_t *wanted = json_object_get(json, "wanted");

    *out = (struct stack_state){0};
    if (!json_is_object(supervisor) || !json_is_array(processes) || !json_is_object(wanted))
        return err_set(err, ERR_StateDirectory,
                       "the state of the stack is not what this version writes");
    copy_text(json, "bootId", out->boot_id, sizeof out->boot_id);
    copy_text(json, "phase", out->phase, sizeof out->phase);
    out->supervisor = number(supervisor, "pid");
    out->supervisor_ticks = (u64)number(supervisor, "startTicks");
    out->on_demand = json_is_true(json_object_get(json, "onDemand"));
    out->state_directory = take_text(json, "stateDirectory");
    out->database_url = take_text(json, "databaseUrl");
    out->redis_url = take_text(json, "redisUrl");
    out->planner = take_text(json, "planner");
    for (u32 role = ROLE_planner; role <= ROLE_verifier; role++)
        out->wanted.of[role] = (u32)number(wanted, role_name(role));
    out->process_count = (u32)json_array_size(processes);
    out->processes = memory_or_die((out->process_count + 1) * sizeof *out->processes);
    for (u32 i = 0; i < out->process_count; i++) {
        const json_t *from = json_array_get(processes, i);
        struct stack_process *process = &out->processes[i];

        copy_text(from, "name", process->name, sizeof process->name);
        copy_text(from, "kind", process->kind, sizeof process->kind);
        copy_text(from, "state", process->state, sizeof process->state);
        process->pid = number(from, "pid");
        process->ticks = (u64)number(from, "startTicks");
        process->restarts = (u32)number(from, "restarts");
    }
    return 0;
}

int stack_state_read(const char *path, struct stack_state *out, struct err *err)
{
    json_error_t why;
    json_t *json;
    int result;

    *out = (struct stack_state){0};
    if (access(path, R_OK) != 0)
        return err_set(err, ERR_NotFound, "%s does not exist", path);
    json = json_load_file(path, 0, &why);
    if (!json)
        return err_set(err, ERR_StateDirectory, "%s: line %d: %s", path, why.line, why.text);
    result = stack_state_from_json(json, out, err);
    json_decref(json);
    return result;
}

void stack_state_release(struct stack_state *state)
{
    free(state->state_directory);
    free(state->database_url);
    free(state->redis_url);
    free(state->planner);
    free(state->processes);
    *state = (struct stack_state){0};
}
