/* definitions_apply.c: definitions are checked and written (definitions.h). All is looked at before
 * anything is written, so that one run names every fault; what is written then is in the caller's
 * transaction. */
#include "store/definitions_internal.h"

#include "base/units.h"
#include "base/words.h"
#include "cron/times.h"
#include "store/flows.h"

#include <ctype.h>
#include <stdlib.h>

struct applying {
    struct postgres *postgres;
    const struct definitions *given;
    struct definition_outcome *outcomes; /* of each that is given */
    struct objects assets, syncs;
    struct buf *faults;
    u32 fault_count;
    bool look;
};

static bool is_asset(const struct definition *definition)
{
    return definition->kind == DEFINITION_ASSET;
}

static const char *word_of(const struct definition *definition)
{
    return definition_word(definition->kind);
}

const char *definition_change_name(enum definition_change change)
{
    static const char *const names[] = {"unchanged", "created", "configured"};

    return names[change];
}

static void begin_fault(struct applying *applying, const struct definition *definition)
{
    applying->fault_count++;
    buf_printf(applying->faults, "%s:%u: %s/%s", definition->file, definition->line,
               word_of(definition), definition->name);
}

static const char *spec_text(const json_t *spec, const char *field)
{
    const char *text = json_string_value(json_object_get(spec, field));

    return text ? text : "";
}

static const char *path_of(const json_t *spec)
{
    return spec_text(json_object_get(spec, "directory"), "path");
}

/* ---- names ---- */

/* sync-<8 hex> and its two assets are what `sync` gives to directories that were never named. */
static bool is_reserved(const char *name)
{
    size_t digits = 0;

    if (strncmp(name, "sync-", 5) != 0)
        return false;
    while (isxdigit((unsigned char)name[5 + digits]))
        digits++;
    name += 5 + digits;
    return digits == 8 && (!*name || strcmp(name, "-src") == 0 || strcmp(name, "-dst") == 0);
}

/* Of what `sync` made, options may change and nothing else. */
static bool keeps_adhoc(const struct definition *definition, const struct object *known)
{
    return json_equal(definition->labels, known->labels) &&
           strcmp(path_of(definition->spec), path_of(known->spec)) == 0 &&
           strcmp(spec_text(definition->spec, "source"), spec_text(known->spec, "source")) == 0 &&
           strcmp(spec_text(definition->spec, "destination"),
                  spec_text(known->spec, "destination")) == 0;
}

static void check_name(struct applying *applying, const struct definition *definition,
                       const struct object *known)
{
    if (known && known->adhoc) {
        if (!keeps_adhoc(definition, known)) {
            begin_fault(applying, definition);
            buf_append_text(applying->faults, " was made by `syncline sync`: its paths and labels "
                                              "cannot change; define one with a name of its own\n");
        }
        return;
    }
    if (is_reserved(definition->name)) {
        begin_fault(applying, definition);
        buf_append_text(applying->faults,
                        ": such names are given by `syncline sync`; choose another one\n");
    }
    if (json_object_get(definition->labels, ADHOC_LABEL)) {
        begin_fault(applying, definition);
        buf_append_text(applying->faults,
                        ": the label " ADHOC_LABEL " is given by `syncline sync`; leave it out\n");
    }
    if (known && known->kind != definition->kind) {
        begin_fault(applying, definition);
        buf_printf(applying->faults,
                   " is a %s, and kinds do not change; choose another name, or first: syncline "
                   "delete %s/%s\n",
                   definition_kind_name(known->kind), definition_word(known->kind), known->name);
    }
}

/* ---- what synchronizations refer to ---- */

static const struct definition *given_asset(const struct applying *applying, const char *name)
{
    for (u32 i = 0; i < applying->given->count; i++)
        if (is_asset(&applying->given->items[i]) &&
            strcmp(applying->given->items[i].name, name) == 0)
            return &applying->given->items[i];
    return NULL;
}

static const char *nearest_asset(const struct applying *applying, const char *name)
{
    const struct objects *known = &applying->assets;
    const struct definitions *given = applying->given;
    const char **names = memory_or_die((known->count + given->count + 1) * sizeof *names);
    const char *nearest;
    u32 count = 0;

    for (u32 i = 0; i < known->count; i++)
        if (!known->items[i].adhoc)
            names[count++] = known->items[i].name;
    for (u32 i = 0; i < given->count; i++)
        if (is_asset(&given->items[i]))
            names[count++] = given->items[i].name;
    nearest = nearest_word(name, names, count);
    free(names);
    return nearest;
}

static void check_end(struct applying *applying, const struct definition *definition,
                      const char *end, bool adhoc)
{
    const char *name = spec_text(definition->spec, end), *nearest;
    const struct object *known = objects_find(&applying->assets, name);

    if (given_asset(applying, name) || (known && known->adhoc == adhoc))
        return;
    nearest = nearest_asset(applying, name);
    begin_fault(applying, definition);
    buf_printf(applying->faults, ": there is no asset %s for its %s%s%s%s\n", name, end,
               nearest ? "; did you mean " : "; define it here or apply it first",
               nearest ? nearest : "", nearest ? "?" : "");
}

/* ---- where data goes ---- */

/* The path of the asset as it will be; NULL if it is no directory tree. `by`: its definition, if it
 * is given. */
static const char *path_to_be(const struct applying *applying, const char *name,
                              const struct definition **by)
{
    const struct definition *given = given_asset(applying, name);
    const struct object *known = objects_find(&applying->assets, name);

    if (given)
        *by = given;
    return given ? path_of(given->spec) : known ? address_path(known->address) : NULL;
}

static struct flow flow_to_be(const struct applying *applying, enum definition_kind kind,
                              const char *name, const json_t *spec,
                              const struct definition *definition)
{
    const struct definition *by = NULL;
    struct flow flow = {.word = definition_word(kind), .name = name};

    flow.source = path_to_be(applying, spec_text(spec, "source"), &by);
    flow.destination = path_to_be(applying, spec_text(spec, "destination"), &by);
    if (definition)
        by = definition;
    if (by) {
        flow.file = by->file;
        flow.line = by->line;
    }
    return flow;
}

static const struct definition *given_sync(const struct applying *applying, const char *name)
{
    for (u32 i = 0; i < applying->given->count; i++)
        if (!is_asset(&applying->given->items[i]) &&
            strcmp(applying->given->items[i].name, name) == 0)
            return &applying->given->items[i];
    return NULL;
}

/* What `sync` made is checked when it runs, by what its paths really are. */
static void check_flows(struct applying *applying)
{
    const struct definitions *given = applying->given;
    const struct objects *syncs = &applying->syncs;
    struct flow *flows = memory_or_die((given->count + syncs->count + 1) * sizeof *flows);
    u32 count = 0;

    for (u32 i = 0; i < given->count; i++) {
        const struct definition *definition = &given->items[i];
        const struct object *known = objects_find(syncs, definition->name);

        if (!is_asset(definition) && !(known && known->adhoc))
            flows[count++] = flow_to_be(applying, definition->kind, definition->name,
                                        definition->spec, definition);
    }
    for (u32 i = 0; i < syncs->count; i++)
        if (!syncs->items[i].adhoc && !given_sync(applying, syncs->items[i].name))
            flows[count++] = flow_to_be(applying, syncs->items[i].kind, syncs->items[i].name,
                                        syncs->items[i].spec, NULL);
    applying->fault_count += flows_check(flows, count, applying->faults);
    free(flows);
}

static int check_all(struct applying *applying, struct err *err)
{
    for (u32 i = 0; i < applying->given->count; i++) {
        const struct definition *definition = &applying->given->items[i];
        const struct object *known = objects_find(
            is_asset(definition) ? &applying->assets : &applying->syncs, definition->name);

        check_name(applying, definition, known);
        if (!is_asset(definition)) {
            check_end(applying, definition, "source", known && known->adhoc);
            check_end(applying, definition, "destination", known && known->adhoc);
        }
    }
    if (applying->fault_count == 0)
        check_flows(applying);
    return applying->fault_count == 0
               ? 0
               : err_set(err, ERR_Configuration, "%u fault%s in definitions; nothing was applied",
                         applying->fault_count, applying->fault_count == 1 ? "" : "s");
}

/* ---- writing ---- */

/* The row of an asset at another place says nothing of what is there. */
static int move_asset(struct applying *applying, const struct object *known, char **job,
                      struct err *err)
{
    static const char *const statements[] = {
        "UPDATE asset SET identity = NULL, state = 'Unknown', reason = NULL, message = NULL,"
        " since = now(), probed_at = NULL, bytes_free = NULL, bytes_total = NULL WHERE id = $1",
        "UPDATE synchronization SET source_identity = NULL WHERE source = $1",
        "UPDATE synchronization SET destination_identity = NULL WHERE destination = $1",
        "DELETE FROM object WHERE asset = $1", /* last: it takes long */
    };
    struct parameter id = parameter_s64(known->id);
    size_t count = COUNT_OF(statements) - (applying->look ? 1 : 0);

    if (lock_against_jobs(applying->postgres, true, known->id, job, err) < 0)
        return -1;
    if (*job)
        return err_set(err, ERR_ActiveJob,
                       "asset/%s: its path cannot change while job %s is active; nothing was "
                       "applied",
                       known->name, *job);
    if (postgres_run(applying->postgres, "SET LOCAL statement_timeout = '30min'", err) < 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        if (postgres_query(applying->postgres, statements[i], &id, 1, NULL, err) < 0)
            return -1;
    return 0;
}

static int write_asset(struct applying *applying, const struct definition *definition,
                       const struct object *known, struct definition_outcome *outcome, char **job,
                       struct err *err)
{
    static const char sql[] =
        "INSERT INTO asset (name, labels, spec, address) VALUES ($1, $2, $3, $4)"
        " ON CONFLICT (name) DO UPDATE SET labels = excluded.labels, spec = excluded.spec,"
        " address = excluded.address, probe_next = now(), updated_at = now()";
    char *labels = json_dumps(definition->labels, JSON_COMPACT);
    char *spec = json_dumps(definition->spec, JSON_COMPACT);
    struct buf address = {0};
    int result = 0;

    buf_printf(&address, "dir:%s", path_of(definition->spec));
    outcome->moved = known && strcmp(known->address, buf_text(&address)) != 0;
    if (outcome->moved)
        result = move_asset(applying, known, job, err);
    if (result == 0)
        result = postgres_query(applying->postgres, sql,
                                (struct parameter[]){parameter_text(definition->name),
                                                     parameter_text(labels), parameter_text(spec),
                                                     parameter_text(buf_text(&address))},
                                4, NULL, err);
    buf_release(&address);
    free(spec);
    free(labels);
    return result;
}

/* A job that runs was told where to go when it began. */
static int check_ends(struct applying *applying, const struct definition *definition,
                      const struct object *known, char **job, struct err *err)
{
    static const char *const ends[] = {"source", "destination"};

    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        if (strcmp(spec_text(definition->spec, ends[i]), spec_text(known->spec, ends[i])) == 0)
            continue;
        if (lock_against_jobs(applying->postgres, false, known->id, job, err) < 0)
            return -1;
        if (*job)
            return err_set(err, ERR_ActiveJob,
                           "%s/%s: its %s cannot change while job %s is active; nothing was "
                           "applied",
                           word_of(definition), known->name, ends[i], *job);
    }
    return 0;
}

static bool field_changed(const json_t *spec, const json_t *before, const char *field,
                          const char *preset)
{
    const char *now = spec_text(spec, field), *then = spec_text(before, field);

    return strcmp(*now ? now : preset, *then ? then : preset) != 0;
}

static s64 jitter_of(const char *name, const json_t *spec)
{
    s64 ms;

    return times_jitter_ms(name, units_duration(spec_text(spec, "jitter"), false, &ms) ? ms : 0);
}

/* When the plan comes is for planners to tell. Times that were to come before now as it was defined
 * until now are not looked at again. But the times of another jitter are the same, and what was due
 * with the old one is decided: with a shorter one, those that were not are due since; with a longer
 * one, those that were are due again, and are not to come ($4, $5: the old one, and the new). */
static int write_schedule(struct applying *applying, const struct definition *definition,
                          const struct object *known, struct err *err)
{
    static const char sql[] =
        "WITH s AS (SELECT id, created_at, $4::bigint * interval '1 ms' AS was,"
        "   $5::bigint * interval '1 ms' AS will FROM synchronization WHERE name = $1),"
        " c AS (INSERT INTO schedule AS c (synchronization, looked_until)"
        "  SELECT id, clock_timestamp() FROM s"
        "  ON CONFLICT (synchronization) DO UPDATE SET next_due = '-infinity',"
        "   looked_until = CASE WHEN $2::boolean THEN excluded.looked_until ELSE (SELECT greatest("
        "     c.looked_until - greatest(was - will, '0'), least(c.looked_until, created_at))"
        "     FROM s) END,"
        "   fired_from = CASE WHEN $2::boolean THEN c.fired_from ELSE (SELECT least(c.fired_from,"
        "     CASE WHEN will > was THEN least(c.looked_until, excluded.looked_until) - will END)"
        "     FROM s) END,"
        "   fired_until = CASE WHEN $2::boolean THEN c.fired_until ELSE (SELECT greatest("
        "     c.fired_until, CASE WHEN will > was"
        "      THEN least(c.looked_until, excluded.looked_until) - was END) FROM s) END,"
        "   next_at = CASE WHEN NOT $3::boolean THEN c.next_at END,"
        "   problem = CASE WHEN NOT $3::boolean THEN c.problem END RETURNING 1)"
        " SELECT pg_notify('syncline_plans', '') FROM c";
    const json_t *spec = definition->spec;
    s64 was_ms = known ? jitter_of(known->name, known->spec) : 0;
    s64 will_ms = jitter_of(definition->name, spec);
    bool other = known && (field_changed(spec, known->spec, "schedule", "") ||
                           field_changed(spec, known->spec, "timezone", "UTC"));
    bool moved = other || was_ms != will_ms;

    return postgres_query(applying->postgres, sql,
                          (struct parameter[]){parameter_text(definition->name),
                                               parameter_text(other ? "t" : "f"),
                                               parameter_text(moved ? "t" : "f"),
                                               parameter_s64(was_ms), parameter_s64(will_ms)},
                          5, NULL, err);
}

static int write_sync(struct applying *applying, const struct definition *definition,
                      const struct object *known, char **job, struct err *err)
{
    static const char sql[] =
        "INSERT INTO synchronization AS s (name, kind, labels, source, destination, spec)"
        " SELECT $1, $2::synchronization_kind, $3::jsonb, a.id, b.id,"
        "  $4::jsonb - 'source' - 'destination' FROM asset a, asset b"
        "  WHERE a.name = $4::jsonb->>'source' AND b.name = $4::jsonb->>'destination'"
        " ON CONFLICT (name) DO UPDATE SET labels = excluded.labels, spec = excluded.spec,"
        " source_identity = CASE WHEN s.source = excluded.source THEN s.source_identity END,"
        " destination_identity = CASE WHEN s.destination = excluded.destination"
        "  THEN s.destination_identity END, source = excluded.source,"
        " destination = excluded.destination, updated_at = now()";
    char *labels, *spec;
    int result;

    if (known && check_ends(applying, definition, known, job, err) < 0)
        return -1;
    labels = json_dumps(definition->labels, JSON_COMPACT);
    spec = json_dumps(definition->spec, JSON_COMPACT);
    result =
        postgres_query(applying->postgres, sql,
                       (struct parameter[]){parameter_text(definition->name),
                                            parameter_text(definition_kind_name(definition->kind)),
                                            parameter_text(labels), parameter_text(spec)},
                       4, NULL, err);
    free(spec);
    free(labels);
    return result == 0 && definition->kind == DEFINITION_PLAN
               ? write_schedule(applying, definition, known, err)
               : result;
}

static int write_one(struct applying *applying, u32 index, char **job, struct err *err)
{
    const struct definition *definition = &applying->given->items[index];
    struct definition_outcome *outcome = &applying->outcomes[index];
    const struct object *known =
        objects_find(is_asset(definition) ? &applying->assets : &applying->syncs, definition->name);
    int result;

    outcome->change = DEFINITION_CREATED;
    if (known) {
        outcome->labels = json_incref(known->labels);
        outcome->spec = json_incref(known->spec);
        outcome->change = json_equal(definition->labels, known->labels) &&
                                  json_equal(definition->spec, known->spec)
                              ? DEFINITION_UNCHANGED
                              : DEFINITION_CONFIGURED;
    }
    if (outcome->change == DEFINITION_UNCHANGED)
        return 0;
    result = is_asset(definition) ? write_asset(applying, definition, known, outcome, job, err)
                                  : write_sync(applying, definition, known, job, err);
    return result < 0 ? -1
                      : note_event(applying->postgres, "Applied", definition->kind,
                                   definition->name, definition_change_name(outcome->change), err);
}

/* Assets first, so that synchronizations find them. */
static int write_all(struct applying *applying, char **job, struct err *err)
{
    for (int pass = 0; pass < 2; pass++)
        for (u32 i = 0; i < applying->given->count; i++)
            if (is_asset(&applying->given->items[i]) == (pass == 0) &&
                write_one(applying, i, job, err) < 0)
                return -1;
    return 0;
}

int definitions_apply(struct postgres *postgres, const struct definitions *definitions, bool look,
                      struct definition_outcome **out, struct buf *faults, char **job,
                      struct err *err)
{
    struct applying applying = {
        .postgres = postgres, .given = definitions, .faults = faults, .look = look};
    int result = -1;

    *job = NULL;
    *out = applying.outcomes = memory_or_die((definitions->count + 1) * sizeof **out);
    if (objects_read(postgres, true, NULL, &applying.assets, err) == 0 &&
        objects_read(postgres, false, NULL, &applying.syncs, err) == 0 &&
        check_all(&applying, err) == 0)
        result = write_all(&applying, job, err);
    objects_release(&applying.assets);
    objects_release(&applying.syncs);
    return result;
}

void definition_outcomes_release(struct definition_outcome **outcomes, u32 count)
{
    for (u32 i = 0; *outcomes && i < count; i++) {
        json_decref((*outcomes)[i].labels);
        json_decref((*outcomes)[i].spec);
    }
    free(*outcomes);
    *outcomes = NULL;
}
