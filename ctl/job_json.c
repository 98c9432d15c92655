/* job_json.c: see job_json.h. What has no value is null, never missing, so that scripts need no
 * guard. */
#include "ctl/job_json.h"

json_t *counters_to_json(const struct counters *counters)
{
    json_t *json = json_object();

    for (u32 i = 0; i < COUNTER_COUNT; i++)
        json_object_set_new(json, counter_json(i), json_integer(counters->value[i]));
    return json;
}

static void set_text(json_t *json, const char *name, const char *value)
{
    json_t *text = value ? json_string(value) : NULL;

    json_object_set_new(json, name, text ? text : json_null());
}

/* An object in any case. */
static json_t *object(const char *text)
{
    json_t *json = text ? json_loads(text, 0, NULL) : NULL;

    if (json_is_object(json))
        return json;
    json_decref(json);
    return json_object();
}

json_t *job_to_json(const struct job *job)
{
    json_t *json = json_object();

    set_text(json, "name", job->name);
    set_text(json, "uid", job->uid);
    set_text(json, "kind", job->kind);
    set_text(json, "synchronization", job->synchronization);
    json_object_set_new(json, "labels", object(job->labels));
    set_text(json, "trigger", job->trigger);
    set_text(json, "scheduledFor", job->scheduled_for);
    set_text(json, "startBy", job->start_by);
    set_text(json, "phase", phase_name(job->phase));
    set_text(json, "reason", job->reason);
    set_text(json, "message", job->message);
    set_text(json, "createdAt", job->created_at);
    set_text(json, "startedAt", job->started_at);
    set_text(json, "finishedAt", job->finished_at);
    set_text(json, "lastProgressAt", job->last_progress_at);
    set_text(json, "waitingFor", job->waiting_for);
    json_object_set_new(json, "counters", counters_to_json(&job->counters));
    json_object_set_new(json, "scanComplete", json_boolean(job->scan_complete));
    json_object_set_new(json, "notKept", object(job->not_kept));
    set_text(json, "supersededBy", job->superseded_by);
    return json;
}
