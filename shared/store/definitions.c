/* definitions.c: see definitions.h; how they are applied is in definitions_apply.c. One advisory
 * lock makes it one command at a time, so that what was checked is still so when it is written. A
 * job starts by locking its synchronization's row: who must know that none is active locks it, too,
 * and looks then. */
#include "store/definitions_internal.h"

#include "base/words.h"

#include <stdlib.h>

#define ADHOC(row) "coalesce(" row ".labels->>'" ADHOC_LABEL "', '') = 'true'"

int definitions_begin(struct postgres *postgres, struct err *err)
{
    return postgres_run(postgres, "BEGIN; SELECT pg_advisory_xact_lock(" ADVISORY_CLASS ", -2)",
                        err);
}

int definitions_end(struct postgres *postgres, bool commit, struct err *err)
{
    struct err ignored;

    if (commit)
        return postgres_run(postgres, "COMMIT", err);
    if (postgres && postgres_is_alive(postgres))
        postgres_run(postgres, "ROLLBACK", &ignored);
    return 0;
}

const char *definition_word(enum definition_kind kind)
{
    static const char *const words[] = {[DEFINITION_ASSET] = "asset",
                                        [DEFINITION_SYNCHRONIZATION] = "sync",
                                        [DEFINITION_PLAN] = "plan",
                                        [DEFINITION_LIVE] = "live"};

    return words[kind];
}

const char *address_path(const char *address)
{
    return address && strncmp(address, "dir:", 4) == 0 ? address + 4 : NULL;
}

/* ---- reading ---- */

static json_t *read_json(const PGresult *rows, int row, int column)
{
    json_t *json = json_loads(result_text(rows, row, column), 0, NULL);

    return json ? json : json_object();
}

int objects_read(struct postgres *postgres, bool assets, const char *name, struct objects *out,
                 struct err *err)
{
    static const char *const select[] = {
        "SELECT s.id, s.name, s.kind, s.labels, s.spec || jsonb_build_object('source', a.name,"
        " 'destination', b.name), NULL, " ADHOC(
            "s") " FROM synchronization s JOIN asset a"
                 " ON a.id = s.source JOIN asset b ON b.id = s.destination"
                 " WHERE $1::text IS NULL OR s.name = $1 ORDER BY s.name COLLATE \"C\"",
        "SELECT s.id, s.name, 'Asset', s.labels, s.spec, s.address, " ADHOC(
            "s") " FROM asset s"
                 " WHERE $1::text IS NULL OR s.name = $1 ORDER BY s.name COLLATE \"C\"",
    };
    struct parameter parameters[] = {parameter_text(name)};
    PGresult *rows;

    if (postgres_query(postgres, select[assets], parameters, 1, &rows, err) < 0)
        return -1;
    out->count = (u32)PQntuples(rows);
    out->items = memory_or_die((out->count + 1) * sizeof *out->items);
    for (u32 i = 0; i < out->count; i++) {
        int row = (int)i;

        out->items[i] = (struct object){
            .id = result_s64(rows, row, 0),
            .name = text_copy(result_text(rows, row, 1)),
            .labels = read_json(rows, row, 3),
            .spec = read_json(rows, row, 4),
            .address = PQgetisnull(rows, row, 5) ? NULL : text_copy(result_text(rows, row, 5)),
            .adhoc = result_text(rows, row, 6)[0] == 't',
        };
        definition_kind_by_name(result_text(rows, row, 2), &out->items[i].kind);
    }
    PQclear(rows);
    return 0;
}

void objects_release(struct objects *objects)
{
    for (u32 i = 0; i < objects->count; i++) {
        struct object *object = &objects->items[i];

        free(object->name);
        free(object->address);
        json_decref(object->labels);
        json_decref(object->spec);
    }
    free(objects->items);
    *objects = (struct objects){0};
}

static int by_name(const void *name, const void *object)
{
    return strcmp(name, ((const struct object *)object)->name);
}

struct object *objects_find(const struct objects *objects, const char *name)
{
    if (objects->count == 0)
        return NULL;
    return bsearch(name, objects->items, objects->count, sizeof *objects->items, by_name);
}

/* `kind`: what is looked for; NULL: a synchronization of any kind. */
static int refuse_name(struct postgres *postgres, bool asset, const enum definition_kind *kind,
                       const char *name, struct err *err)
{
    const char *what = asset                              ? "asset"
                       : kind && *kind == DEFINITION_PLAN ? "plan"
                                                          : "synchronization";
    struct objects all = {0};
    const struct object *other;
    const char **names, *nearest;
    u32 count = 0;

    if (objects_read(postgres, asset, NULL, &all, err) < 0)
        return -1;
    other = objects_find(&all, name);
    names = memory_or_die((all.count + 1) * sizeof *names);
    for (u32 i = 0; i < all.count; i++)
        if (!all.items[i].adhoc && (!kind || all.items[i].kind == *kind))
            names[count++] = all.items[i].name;
    nearest = nearest_word(name, names, count);
    if (other)
        err_set(err, ERR_NotFound, "there is no %s/%s: it is a %s, %s/%s",
                kind ? definition_word(*kind) : "sync", name, definition_kind_name(other->kind),
                definition_word(other->kind), name);
    else
        err_set(err, ERR_NotFound, "there is no %s named %.80s%s%s%s", what, name,
                nearest ? "; did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
    free(names);
    objects_release(&all);
    return -1;
}

int definitions_none(struct postgres *postgres, enum definition_kind kind, const char *name,
                     struct err *err)
{
    return refuse_name(postgres, kind == DEFINITION_ASSET, &kind, name, err);
}

int definitions_kind(struct postgres *postgres, const char *name, enum definition_kind *out,
                     struct err *err)
{
    struct objects found = {0};
    int result = objects_read(postgres, false, name, &found, err);

    if (result == 0 && found.count == 0)
        result = refuse_name(postgres, false, NULL, name, err);
    if (result == 0)
        *out = found.items[0].kind;
    objects_release(&found);
    return result;
}

/* The one of this kind and name, alone in *out; NotFound. */
static int read_one(struct postgres *postgres, enum definition_kind kind, const char *name,
                    struct objects *out, struct err *err)
{
    if (objects_read(postgres, kind == DEFINITION_ASSET, name, out, err) < 0)
        return -1;
    return out->count > 0 && out->items[0].kind == kind
               ? 0
               : definitions_none(postgres, kind, name, err);
}

int definitions_load(struct postgres *postgres, enum definition_kind kind, const char *name,
                     const char *file, struct definitions *out, struct err *err)
{
    struct objects found = {0};
    int result = read_one(postgres, kind, name, &found, err);

    if (result == 0) {
        const struct object *object = &found.items[0];

        out->items = memory_resize_or_die(out->items, (out->count + 1) * sizeof *out->items);
        out->items[out->count++] = (struct definition){.kind = kind,
                                                       .name = text_copy(name),
                                                       .labels = json_incref(object->labels),
                                                       .spec = json_incref(object->spec),
                                                       .file = text_copy(file),
                                                       .line = 1};
    }
    objects_release(&found);
    return result;
}

/* ---- what else changes with them ---- */

int lock_against_jobs(struct postgres *postgres, bool asset, s64 id, char **job, struct err *err)
{
    static const char *const lock[] = {
        "SELECT FROM synchronization WHERE id = $1 FOR UPDATE",
        "SELECT FROM synchronization WHERE $1 IN (source, destination) ORDER BY id FOR UPDATE",
    };
    static const char *const look[] = {
        "SELECT j.name FROM job j WHERE j.synchronization = $1 AND " DEFINED_ACTIVE("j"),
        "SELECT j.name FROM job j JOIN synchronization s ON s.id = j.synchronization"
        " WHERE $1 IN (s.source, s.destination, j.destination_asset) AND " DEFINED_ACTIVE(
            "j") " ORDER BY j.id LIMIT 1",
    };
    struct parameter parameters[] = {parameter_s64(id)};
    PGresult *rows;

    *job = NULL;
    if (postgres_query(postgres, lock[asset], parameters, 1, NULL, err) < 0 ||
        postgres_query(postgres, look[asset], parameters, 1, &rows, err) < 0)
        return -1;
    if (PQntuples(rows) > 0)
        *job = text_copy(result_text(rows, 0, 0));
    PQclear(rows);
    return 0;
}

int note_event(struct postgres *postgres, const char *kind, enum definition_kind defined,
               const char *name, const char *what, struct err *err)
{
    struct buf text = {0};
    int result;

    buf_printf(&text, "%s/%s %s", definition_word(defined), name, what);
    result = postgres_query(
        postgres,
        "WITH told AS (INSERT INTO event (kind, message) VALUES ($1, $2))"
        " SELECT pg_notify('syncline_jobs', '')",
        (struct parameter[]){parameter_text(kind), parameter_text(buf_text(&text))}, 2, NULL, err);
    buf_release(&text);
    return result;
}

/* ---- deleting ---- */

static int refuse_used(struct postgres *postgres, const struct object *asset, char **user,
                       struct err *err)
{
    PGresult *rows;
    int result = 0;

    if (postgres_query(postgres,
                       "SELECT string_agg(name, ', ' ORDER BY name), min(name), count(*),"
                       " (array_agg(kind ORDER BY name))[1]"
                       " FROM synchronization WHERE $1 IN (source, destination)",
                       (struct parameter[]){parameter_s64(asset->id)}, 1, &rows, err) < 0)
        return -1;
    if (result_s64(rows, 0, 2) > 0) {
        enum definition_kind kind = DEFINITION_SYNCHRONIZATION;
        struct buf first = {0};

        definition_kind_by_name(result_text(rows, 0, 3), &kind);
        buf_printf(&first, "%s/%s", definition_word(kind), result_text(rows, 0, 1));
        *user = text_copy(buf_text(&first));
        buf_release(&first);
        result = err_set(err, ERR_InUse, "asset/%s is used by %s: %.300s", asset->name,
                         result_s64(rows, 0, 2) == 1 ? "a synchronization" : "synchronizations",
                         result_text(rows, 0, 0));
    }
    PQclear(rows);
    return result;
}

static int delete_asset(struct postgres *postgres, const struct object *asset, char **user,
                        struct err *err)
{
    struct parameter id = parameter_s64(asset->id);

    if (refuse_used(postgres, asset, user, err) < 0 ||
        postgres_query(postgres, "DELETE FROM object WHERE asset = $1", &id, 1, NULL, err) < 0)
        return -1;
    return postgres_query(postgres, "DELETE FROM asset WHERE id = $1", &id, 1, NULL, err);
}

static int delete_synchronization(struct postgres *postgres, const struct object *object,
                                  char **job, struct err *err)
{
    struct parameter id = parameter_s64(object->id);

    if (lock_against_jobs(postgres, false, object->id, job, err) < 0)
        return -1;
    if (*job)
        return err_set(err, ERR_ActiveJob, "%s/%s cannot be deleted: its job %s is active",
                       definition_word(object->kind), object->name, *job);
    return postgres_query(postgres, "DELETE FROM synchronization WHERE id = $1", &id, 1, NULL, err);
}

int definitions_delete(struct postgres *postgres, enum definition_kind kind, const char *name,
                       char **job, char **user, struct err *err)
{
    struct objects found = {0};
    int result = read_one(postgres, kind, name, &found, err);

    *job = *user = NULL;
    /* a job has rows for its items, an asset for its objects: millions of them take a while */
    if (result == 0)
        result = postgres_run(postgres, "SET LOCAL statement_timeout = '30min'", err);
    if (result == 0)
        result = kind == DEFINITION_ASSET
                     ? delete_asset(postgres, &found.items[0], user, err)
                     : delete_synchronization(postgres, &found.items[0], job, err);
    if (result == 0)
        result = note_event(postgres, "Deleted", kind, name, "deleted", err);
    objects_release(&found);
    return result;
}
