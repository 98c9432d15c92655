/* check.c: see check.h. */
#include "conf/check.h"

#include "base/units.h"
#include "conf/table.h"
#include "cron/cron.h"

#include <stdio.h>

struct check {
    const json_t *spec;
    enum definition_kind kind;
    void (*report)(void *context, const char *path, const char *text);
    void *context;
};

static const json_t *field_of(const json_t *spec, const char *object, const char *name)
{
    return json_object_get(json_object_get(spec, object), name);
}

static void check_ends(const struct check *check)
{
    const char *source = json_string_value(json_object_get(check->spec, "source"));
    const char *destination = json_string_value(json_object_get(check->spec, "destination"));
    char text[256];

    if (!source || !destination || strcmp(source, destination) != 0)
        return;
    snprintf(text, sizeof text, "source and destination are the same asset, %s; name two", source);
    check->report(check->context, "destination", text);
}

/* Somebody who gives a limit and no switch may think that the limit is the switch. */
static void check_delete(const struct check *check)
{
    if (!field_of(check->spec, "delete", "max") || field_of(check->spec, "delete", "enabled"))
        return;
    check->report(check->context, "delete.max",
                  "delete.max without delete.enabled removes nothing; write delete.enabled: true "
                  "(or false, to keep the limit for later)");
}

struct wait {
    s64 ms;
    bool given;
    char shown[64];
};

/* A duration of `retry`, or its default; false where it has a fault. */
static bool read_wait(const struct check *check, const char *path, struct wait *wait)
{
    const struct field *field = field_find(check->kind, path);
    const json_t *value = field ? field_of(check->spec, "retry", field_name(field)) : NULL;
    const char *text = value ? json_string_value(value) : field ? field->preset : NULL;

    if (!text || !units_duration(text, false, &wait->ms))
        return false;
    wait->given = value != NULL;
    snprintf(wait->shown, sizeof wait->shown, "%.40s%s", text, value ? "" : ", its default");
    return true;
}

static void check_waits(const struct check *check)
{
    struct wait backoff, longest;
    char text[256];

    if (!read_wait(check, "retry.backoff", &backoff) ||
        !read_wait(check, "retry.maxBackoff", &longest) || backoff.ms <= longest.ms)
        return;
    snprintf(text, sizeof text,
             "retry.backoff (%s) is above retry.maxBackoff (%s); the first wait cannot be longer "
             "than the longest",
             backoff.shown, longest.shown);
    check->report(check->context, backoff.given ? "retry.backoff" : "retry.maxBackoff", text);
}

/* @every counts elapsed time, which is the same in every zone; and with a jitter of its interval or
 * more, a time would come when the next one is due. */
static void check_schedule(const struct check *check)
{
    const char *schedule = json_string_value(json_object_get(check->spec, "schedule"));
    const char *jitter = json_string_value(json_object_get(check->spec, "jitter"));
    const char *zone = json_string_value(json_object_get(check->spec, "timezone"));
    struct cron cron;
    char text[320];
    size_t position;
    struct err err = {0};
    s64 ms;

    if (!schedule || cron_parse(schedule, &cron, &position, &err) < 0 || cron.every_ms == 0)
        return;
    if (zone) {
        snprintf(
            text, sizeof text,
            "timezone (%.40s) with a schedule of @every, which counts elapsed time and looks at "
            "no clock; leave timezone out, or write five fields",
            zone);
        check->report(check->context, "timezone", text);
    }
    if (!jitter || !units_duration(jitter, false, &ms) || ms < cron.every_ms)
        return;
    snprintf(text, sizeof text,
             "jitter (%.40s) is not shorter than the interval (%.60s): a time would come when the "
             "next one is due; write a shorter jitter",
             jitter, schedule);
    check->report(check->context, "jitter", text);
}

void contradictions_find(enum definition_kind kind, const json_t *spec,
                         void (*report)(void *context, const char *path, const char *text),
                         void *context)
{
    struct check check = {.spec = spec, .kind = kind, .report = report, .context = context};

    check_ends(&check);
    check_delete(&check);
    check_waits(&check);
    check_schedule(&check);
}

static void keep_first(void *context, const char *path, const char *text)
{
    struct err *err = context;

    (void)path;
    if (err->code == ERR_Ok)
        err_set(err, ERR_Configuration, "%s", text);
}

int definition_check(enum definition_kind kind, const json_t *spec, struct err *err)
{
    err_clear(err);
    contradictions_find(kind, spec, keep_first, err);
    return err->code == ERR_Ok ? 0 : -1;
}
