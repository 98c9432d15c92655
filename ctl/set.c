/* set.c: `set NAME FIELD=VALUE...`: fields of a definition changed where it is. It is read, changed
 * and written in one transaction. */
#include "ctl/changes.h"
#include "ctl/kinds.h"
#include "ctl/options.h"
#include "store/jobs.h"

#include <stdio.h>
#include <stdlib.h>

struct assignment {
    enum kind kind;
    const char *name;
    int count;
    char **fields; /* FIELD=VALUE */
};

static int set_fields(struct definition *definition, const struct assignment *assignment,
                      struct err *err)
{
    for (int i = 0; i < assignment->count; i++) {
        const char *equals = strchr(assignment->fields[i], '=');
        char field[64];

        if (!equals || equals == assignment->fields[i])
            return err_set(err, ERR_Usage, "'%.80s' is not FIELD=VALUE, such as %s",
                           assignment->fields[i], "limits.bandwidth=10MiB/s");
        snprintf(field, sizeof field, "%.*s", (int)(equals - assignment->fields[i]),
                 assignment->fields[i]);
        if (definition_set(definition->kind, definition->spec, field, equals + 1, err) < 0)
            return -1;
    }
    return 0;
}

/* Reads the definition and sets its fields, which have to go together in the end. */
static int make(struct postgres *postgres, const struct assignment *assignment,
                struct changes *changes, struct err *err)
{
    enum definition_kind kind = kind_definition(assignment->kind);
    struct buf file = {0};
    struct definition *item;
    int result;

    if (assignment->kind == KIND_ANY_SYNC &&
        definitions_kind(postgres, assignment->name, &kind, err) < 0)
        return -1;
    buf_printf(&file, "%s/%s", definition_word(kind), assignment->name);
    result =
        definitions_load(postgres, kind, assignment->name, buf_text(&file), &changes->given, err);
    buf_release(&file);
    if (result < 0)
        return -1;
    item = &changes->given.items[0];
    return set_fields(item, assignment, err) < 0 ? -1
                                                 : definition_check(item->kind, item->spec, err);
}

/* A job that runs takes new limits, and nothing else. */
static void tell_active(const struct ctl *ctl, struct postgres *postgres,
                        const struct assignment *assignment)
{
    static const char sql[] =
        "SELECT j.name FROM job j JOIN synchronization s ON s.id = j.synchronization"
        " WHERE s.name = $1 AND j.phase IN ('Queued', 'Probing', 'Running', 'Closing')"
        " AND NOT j.waits";
    struct parameter name = parameter_text(assignment->name);
    bool others = false;
    PGresult *rows;
    struct err ignored;

    for (int i = 0; i < assignment->count; i++)
        others = others || strncmp(assignment->fields[i], "limits.", 7) != 0;
    if (ctl->common.quiet || assignment->kind == KIND_ASSETS ||
        postgres_query(postgres, sql, &name, 1, &rows, &ignored) < 0)
        return;
    if (PQntuples(rows) > 0)
        fprintf(stderr, "%s is active: %s\n", result_text(rows, 0, 0),
                others ? "it takes new limits, and keeps all else that it was started with"
                       : "it takes the new limits within seconds");
    PQclear(rows);
}

static int set(const struct ctl *ctl, const struct assignment *assignment, struct changes *changes,
               struct err *err)
{
    struct session session = {.hold_fd = -1};
    struct err ignored;
    int result = session_open(ctl, SESSION_FIND, &session, err);

    if (result == 0)
        result = definitions_begin(session.postgres, err);
    if (result == 0)
        result = make(session.postgres, assignment, changes, err);
    if (result == 0)
        result = changes_apply(session.postgres, changes, false, err);
    else
        definitions_end(session.postgres, false, &ignored);
    if (result == 0) {
        changes_print(ctl, changes, false);
        tell_active(ctl, session.postgres, assignment);
    }
    session_close(&session);
    return result;
}

static int read_setting(struct ctl *ctl, int argc, char **argv, struct assignment *out,
                        struct err *err)
{
    argc = options_take(NULL, 0, &ctl->common, argc, argv, err);
    if (argc < 0 || ctl->common.help)
        return argc < 0 ? -1 : 0;
    if (argc < 2)
        return err_set(err, ERR_Usage, "set wants a name, and one FIELD=VALUE or more");
    *out = (struct assignment){KIND_ANY_SYNC, argv[0], argc - 1, argv + 1};
    if (!strchr(argv[0], '/'))
        return 0;
    if (kind_and_name(argv[0], &out->kind, &out->name, err) < 0)
        return -1;
    return kind_is_defined(out->kind)
               ? 0
               : err_set(err, ERR_Usage, "%s is no definition: syncs, plans and assets have fields",
                         argv[0]);
}

/* A field that is wrong by itself, or in what it makes of all definitions. */
static int set_fail(const struct changes *changes, const struct err *err)
{
    if (changes->faults.size == 0 && ctl_exit_code(err) == EXIT_USAGE)
        return ctl_fail(err, "syncline set --help");
    return changes_fail(changes, err);
}

int command_set(struct ctl *ctl, int argc, char **argv)
{
    struct changes changes = {0};
    struct assignment assignment;
    struct err err;
    int code = EXIT_OK;

    if (read_setting(ctl, argc, argv, &assignment, &err) < 0)
        return ctl_fail(&err, "syncline set --help");
    if (ctl->common.help) {
        help_command(ctl->command);
        return EXIT_OK;
    }
    if (set(ctl, &assignment, &changes, &err) < 0)
        code = err.code == ERR_NotFound ? ctl_fail(&err, kind_list(assignment.kind))
                                        : set_fail(&changes, &err);
    changes_release(&changes);
    return code;
}
