/* spec.c: a table of fields for each object of the JSON, and a reader for each kind of value. */
#include "planner/spec.h"

#include "base/filter.h"
#include "base/units.h"
#include "schema/limits.h"
#include "wire/message.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>

struct field {
    const char *name;
    int (*read)(json_t *value, struct spec *spec, struct err *err);
};

static int wrong(struct err *err, const char *field, const char *wanted)
{
    return err_set(err, ERR_Configuration, "%s in the options of the synchronization: expected %s",
                   field, wanted);
}

/* Reads each field of an object; `name` is where it stands, for people. */
static int read_object(json_t *object, const char *name, const struct field *fields, size_t count,
                       struct spec *spec, struct err *err)
{
    const char *key;
    json_t *value;

    if (!json_is_object(object))
        return wrong(err, name, "an object");
    json_object_foreach(object, key, value)
    {
        size_t i = 0;

        while (i < count && strcmp(fields[i].name, key) != 0)
            i++;
        if (i == count)
            return err_set(err, ERR_Configuration,
                           "%s.%s in the options of the synchronization: no such field", name, key);
        if (fields[i].read(value, spec, err) < 0)
            return -1;
    }
    return 0;
}

static int read_flag(json_t *value, const char *name, bool *out, struct err *err)
{
    if (!json_is_boolean(value))
        return wrong(err, name, "true or false");
    *out = json_is_true(value);
    return 0;
}

/* A text that is one of two. */
static int read_choice(json_t *value, const char *name, const char *first, const char *second,
                       bool *is_second, struct err *err)
{
    const char *text = json_string_value(value);

    if (!text || (strcmp(text, first) != 0 && strcmp(text, second) != 0))
        return err_set(err, ERR_Configuration,
                       "%s in the options of the synchronization: expected %s or %s", name, first,
                       second);
    *is_second = strcmp(text, second) == 0;
    return 0;
}

/* ---- delete ---- */

/* "10%", "100". */
static int read_limit(const char *text, struct spec *spec, struct err *err)
{
    unsigned long long number;
    char *end;

    errno = 0;
    number = strtoull(text, &end, 10);
    if (errno || end == text || *text < '0' || *text > '9')
        return wrong(err, "delete.max", "a number, or a percentage such as \"10%\"");
    if (strcmp(end, "%") == 0 && number <= 100)
        spec->delete_percent = (u32)number;
    else if (*end == '\0')
        spec->delete_max = number;
    else
        return wrong(err, "delete.max", "a number, or a percentage such as \"10%\"");
    return 0;
}

static int read_delete_max(json_t *value, struct spec *spec, struct err *err)
{
    if (json_is_string(value))
        return read_limit(json_string_value(value), spec, err);
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return wrong(err, "delete.max", "a number, or a percentage such as \"10%\"");
    spec->delete_max = (u64)json_integer_value(value);
    return 0;
}

static int read_delete_enabled(json_t *value, struct spec *spec, struct err *err)
{
    return read_flag(value, "delete.enabled", &spec->delete_enabled, err);
}

static int read_delete(json_t *value, struct spec *spec, struct err *err)
{
    static const struct field fields[] = {{"enabled", read_delete_enabled},
                                          {"max", read_delete_max}};

    return read_object(value, "delete", fields, COUNT_OF(fields), spec, err);
}

/* ---- run: what this job is asked for, beside its synchronization ---- */

static int read_dry_run(json_t *value, struct spec *spec, struct err *err)
{
    return read_flag(value, "run.dryRun", &spec->dry_run, err);
}

static int read_run_verify(json_t *value, struct spec *spec, struct err *err)
{
    return read_flag(value, "run.verify", &spec->verify, err);
}

static int read_repair(json_t *value, struct spec *spec, struct err *err)
{
    return read_flag(value, "run.repair", &spec->repair, err);
}

static int read_job(json_t *value, const char *name, char **out, struct err *err)
{
    if (!json_is_string(value) || !json_string_value(value)[0])
        return wrong(err, name, "the name of a job");
    *out = text_copy(json_string_value(value));
    return 0;
}

static int read_only(json_t *value, struct spec *spec, struct err *err)
{
    return read_job(value, "run.only", &spec->only, err);
}

static int read_plan(json_t *value, struct spec *spec, struct err *err)
{
    return read_job(value, "run.plan", &spec->plan, err);
}

static int read_run(json_t *value, struct spec *spec, struct err *err)
{
    static const struct field fields[] = {{"dryRun", read_dry_run},
                                          {"verify", read_run_verify},
                                          {"repair", read_repair},
                                          {"only", read_only},
                                          {"plan", read_plan}};

    return read_object(value, "run", fields, COUNT_OF(fields), spec, err);
}

/* ---- the others ---- */

static int read_hash(json_t *value, struct spec *spec, struct err *err)
{
    const char *text = json_string_value(value);
    enum hash_kind hash = text ? hash_kind_by_name(text) : 0;

    if (hash == 0)
        return wrong(err, "verify.hash", "xxh3-128 or sha256");
    spec->hash = hash;
    return 0;
}

static int read_verify(json_t *value, struct spec *spec, struct err *err)
{
    static const struct field fields[] = {{"hash", read_hash}};

    return read_object(value, "verify", fields, COUNT_OF(fields), spec, err);
}

static int read_compare(json_t *value, struct spec *spec, struct err *err)
{
    return read_choice(value, "compare", "quick", "checksum", &spec->checksum, err);
}

static int read_durability(json_t *value, struct spec *spec, struct err *err)
{
    bool strict = false;

    if (read_choice(value, "durability", "standard", "strict", &strict, err) < 0)
        return -1;
    spec->durability = strict ? DURABILITY_STRICT : DURABILITY_STANDARD;
    return 0;
}

static int read_preserve(json_t *value, struct spec *spec, struct err *err)
{
    json_t *word;
    size_t i;

    if (!json_is_array(value))
        return wrong(err, "preserve", "a list");
    spec->preserve = 0;
    json_array_foreach(value, i, word)
    {
        const char *text = json_string_value(word);
        u32 bit = text ? preserve_by_name(text) : 0;

        if (bit == 0)
            return wrong(err, "preserve",
                         "a list of mode, owner, times, xattrs, acls, hardlinks, sparse");
        spec->preserve |= bit;
    }
    return 0;
}

static int read_filters(json_t *value, struct spec *spec, struct err *err)
{
    struct filter *filter = NULL;
    struct frame_writer writer;
    json_t *rule;
    int rc = 0;
    size_t i;

    if (!json_is_array(value))
        return wrong(err, "filters", "a list");
    filter = filter_new();
    buf_clear(&spec->rules);
    frame_begin(&writer, &spec->rules);
    json_array_foreach(value, i, rule)
    {
        struct rec_rule record = {.text = bytes_text(json_string_value(rule))};

        /* the filter is what watchers make of it: what it refuses here ends nobody else's scan */
        if (!json_is_string(rule))
            rc = wrong(err, "filters", "a list of rules such as \"- *.tmp\"");
        else if (filter_add(filter, record.text, err) < 0)
            rc = err_context(err, "filters in the options of the synchronization");
        if (rc < 0)
            break;
        frame_add_rule(&writer, &record);
    }
    frame_end(&writer);
    filter_destroy(&filter);
    return rc;
}

/* ---- limits, retry, history ---- */

#define LIMIT_LANES 65536
#define ATTEMPTS_MOST 1000
#define BACKOFF_LONGEST_MS (24 * 3600 * 1000LL)
#define HISTORY_MOST 10000

static int read_count(json_t *value, const char *name, u32 most, u32 *out, struct err *err)
{
    if (!json_is_integer(value) || json_integer_value(value) < 1 ||
        json_integer_value(value) > most)
        return err_set(err, ERR_Configuration,
                       "%s in the options of the synchronization: expected a number from 1 to %u",
                       name, most);
    *out = (u32)json_integer_value(value);
    return 0;
}

static int read_backoff(json_t *value, const char *name, s64 *out_ms, struct err *err)
{
    const char *text = json_string_value(value);
    s64 ms;

    if (!text || !units_duration(text, false, &ms) || ms < 1 || ms > BACKOFF_LONGEST_MS)
        return wrong(err, name, "a duration from 1ms to 1d, such as \"1s\"");
    *out_ms = ms;
    return 0;
}

static int read_bandwidth(json_t *value, struct spec *spec, struct err *err)
{
    const char *text = json_string_value(value);

    if (!text || !units_rate(text, &spec->limits.bandwidth))
        return wrong(err, "limits.bandwidth", "a rate such as \"200MiB/s\"");
    return 0;
}

static int read_lanes(json_t *value, struct spec *spec, struct err *err)
{
    return read_count(value, "limits.lanes", LIMIT_LANES, &spec->limits.lanes, err);
}

static int read_limits(json_t *value, struct spec *spec, struct err *err)
{
    static const struct field fields[] = {{"bandwidth", read_bandwidth}, {"lanes", read_lanes}};

    return read_object(value, "limits", fields, COUNT_OF(fields), spec, err);
}

static int read_attempts(json_t *value, struct spec *spec, struct err *err)
{
    return read_count(value, "retry.attempts", ATTEMPTS_MOST, &spec->attempts, err);
}

static int read_first_backoff(json_t *value, struct spec *spec, struct err *err)
{
    return read_backoff(value, "retry.backoff", &spec->backoff_ms, err);
}

static int read_most_backoff(json_t *value, struct spec *spec, struct err *err)
{
    return read_backoff(value, "retry.maxBackoff", &spec->backoff_most_ms, err);
}

static int read_retry(json_t *value, struct spec *spec, struct err *err)
{
    static const struct field fields[] = {{"attempts", read_attempts},
                                          {"backoff", read_first_backoff},
                                          {"maxBackoff", read_most_backoff}};

    return read_object(value, "retry", fields, COUNT_OF(fields), spec, err);
}

/* It is for who deletes old jobs; here it only has to be right. */
static int read_history_limit(json_t *value, struct spec *spec, struct err *err)
{
    u32 ignored;

    (void)spec;
    return read_count(value, "historyLimit", HISTORY_MOST, &ignored, err);
}

/* When a plan comes is no matter of its jobs; it was read when it was defined, and is by the
 * scheduler. */
static int read_nothing(json_t *value, struct spec *spec, struct err *err)
{
    (void)value;
    (void)spec;
    (void)err;
    return 0;
}

static const struct field fields_of_spec[] = {
    {"filters", read_filters},       {"delete", read_delete},
    {"compare", read_compare},       {"verify", read_verify},
    {"preserve", read_preserve},     {"run", read_run},
    {"durability", read_durability}, {"limits", read_limits},
    {"retry", read_retry},           {"historyLimit", read_history_limit},
    {"schedule", read_nothing},      {"timezone", read_nothing},
    {"overlap", read_nothing},       {"missed", read_nothing},
    {"jitter", read_nothing},        {"startingDeadline", read_nothing},
};

static void set_defaults(struct spec *spec)
{
    struct frame_writer writer;

    spec_release(spec);
    *spec = (struct spec){.hash = HASH_XXH3_128,
                          .durability = DURABILITY_STANDARD,
                          .preserve = PRESERVE_ALL,
                          .delete_max = UINT64_MAX,
                          .delete_percent = UINT32_MAX,
                          .attempts = ITEM_ATTEMPTS,
                          .backoff_most_ms = BACKOFF_MOST_MS};
    frame_begin(&writer, &spec->rules);
    frame_end(&writer);
}

/* What does not go together. */
static int check(const struct spec *spec, struct err *err)
{
    if (spec->dry_run && spec->verify)
        return wrong(err, "run", "dryRun or verify, not both");
    if (spec->repair && !spec->verify)
        return wrong(err, "run.repair", "run.verify with it");
    if ((spec->only || spec->plan) && (spec->dry_run || spec->verify))
        return wrong(err, "run", "only or plan without dryRun and verify");
    if (spec->only && spec->plan)
        return wrong(err, "run", "only or plan, not both");
    return 0;
}

int spec_parse(const char *json, struct spec *out, struct err *err)
{
    json_error_t reason;
    json_t *root = json_loads(json, JSON_REJECT_DUPLICATES, &reason);
    int rc;

    *out = (struct spec){0};
    set_defaults(out);
    if (!root)
        return err_set(err, ERR_Configuration, "the options of the synchronization are no JSON: %s",
                       reason.text);
    rc = read_object(root, "spec", fields_of_spec, COUNT_OF(fields_of_spec), out, err);
    if (rc == 0)
        rc = check(out, err);
    if (rc < 0)
        set_defaults(out);
    else if (out->delete_max == UINT64_MAX && out->delete_percent == UINT32_MAX)
        out->delete_percent = GUARD_PERCENT;
    json_decref(root);
    return rc;
}

void spec_release(struct spec *spec)
{
    buf_release(&spec->rules);
    free(spec->only);
    free(spec->plan);
    spec->only = spec->plan = NULL;
}

int spec_parse_limits(const char *json, struct limits *out, struct err *err)
{
    struct spec spec = {0};
    json_error_t reason;
    json_t *root;
    int rc;

    if (!json || !*json) {
        *out = (struct limits){0};
        return 0;
    }
    root = json_loads(json, JSON_REJECT_DUPLICATES, &reason);
    if (!root)
        return err_set(err, ERR_Configuration, "limits are no JSON: %s", reason.text);
    rc = read_limits(root, &spec, err);
    if (rc == 0)
        *out = spec.limits;
    json_decref(root);
    return rc;
}

/* `first`, doubled for each further failure. */
static s64 backoff_ms(s64 first_ms, s64 most_ms, u32 failures)
{
    s64 ms = first_ms;

    for (u32 i = 1; i < failures && ms < most_ms; i++)
        ms *= 2;
    return ms < most_ms ? ms : most_ms;
}

s64 spec_item_backoff_ms(const struct spec *spec, u32 failures)
{
    return backoff_ms(spec->backoff_ms ? spec->backoff_ms : RETRY_FIRST_MS, spec->backoff_most_ms,
                      failures);
}

s64 spec_place_backoff_ms(const struct spec *spec, u32 failures)
{
    return backoff_ms(spec->backoff_ms ? spec->backoff_ms : BACKOFF_FIRST_MS, spec->backoff_most_ms,
                      failures);
}

u32 spec_scan_flags(const struct spec *spec)
{
    if (spec->verify)
        return SCAN_INVENTORY;
    /* what failed once is done again, and nothing is removed for it */
    return (spec->delete_enabled && !spec->only ? SCAN_DELETE : 0) |
           (spec->checksum ? SCAN_CHECKSUM : 0);
}
