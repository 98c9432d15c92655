/* apply.c: `apply`, `diff`, `delete`: definitions from files into the truth, compared with it, and
 * out of it. All or nothing. */
#include "ctl/changes.h"
#include "ctl/inputs.h"
#include "ctl/kinds.h"
#include "ctl/unified.h"

#include <stdio.h>
#include <stdlib.h>

/* Reads what -f names; nothing else may stand there. */
static int read_files(struct ctl *ctl, const struct option *own, u32 count, int argc, char **argv,
                      const struct option_list *files, struct changes *changes, struct err *err)
{
    argc = options_take(own, count, &ctl->common, argc, argv, err);
    if (argc < 0 || ctl->common.help)
        return argc < 0 ? -1 : 0;
    if (argc > 0 || files->count == 0)
        return err_set(err, ERR_Usage, "%s wants files: -f FILE, -f DIR, or -f - for its input",
                       ctl->command->name);
    return inputs_read(files, &changes->given, &changes->faults, err);
}

static int apply_given(const struct ctl *ctl, struct changes *changes, bool look, struct err *err)
{
    struct session session = {.hold_fd = -1};
    int result = session_open(ctl, SESSION_FIND, &session, err);

    if (result == 0)
        result = definitions_begin(session.postgres, err);
    if (result == 0)
        result = changes_apply(session.postgres, changes, look, err);
    session_close(&session);
    return result;
}

int command_apply(struct ctl *ctl, int argc, char **argv)
{
    struct option_list files = {0};
    struct changes changes = {0};
    bool dry_run = false;
    const struct option own[] = {{"file", 'f', OPTION_LIST, &files},
                                 {"dry-run", 'n', OPTION_FLAG, &dry_run}};
    struct err err;
    int code = EXIT_OK;

    if (read_files(ctl, own, COUNT_OF(own), argc, argv, &files, &changes, &err) < 0)
        code = err.code == ERR_Usage ? ctl_fail(&err, "syncline apply --help")
                                     : changes_fail(&changes, &err);
    else if (ctl->common.help)
        help_command(ctl->command);
    else if (apply_given(ctl, &changes, dry_run, &err) < 0)
        code = changes_fail(&changes, &err);
    else
        changes_print(ctl, &changes, dry_run);
    changes_release(&changes);
    option_list_release(&files);
    return code;
}

/* ---- diff ---- */

static void print_difference(const struct definition *definition,
                             const struct definition_outcome *outcome)
{
    const char *kind = definition_word(definition->kind);
    struct buf before = {0}, after = {0}, from = {0}, to = {0}, out = {0};

    buf_printf(&from, "%s/%s (%s)", kind, definition->name,
               outcome->spec ? "as it is" : "not there");
    buf_printf(&to, "%s/%s (%s:%u)", kind, definition->name, definition->file, definition->line);
    if (outcome->spec)
        definition_print(definition->kind, definition->name, outcome->labels, outcome->spec,
                         &before);
    definition_print(definition->kind, definition->name, definition->labels, definition->spec,
                     &after);
    unified_diff(buf_text(&from), buf_text(&before), buf_text(&to), buf_text(&after), &out);
    fputs(buf_text(&out), stdout);
    buf_release(&before);
    buf_release(&after);
    buf_release(&from);
    buf_release(&to);
    buf_release(&out);
}

static int print_differences(const struct changes *changes)
{
    int code = EXIT_OK;

    for (u32 i = 0; i < changes->given.count; i++)
        if (changes->outcomes[i].change != DEFINITION_UNCHANGED) {
            print_difference(&changes->given.items[i], &changes->outcomes[i]);
            code = EXIT_DIFFERENT;
        }
    return code;
}

int command_diff(struct ctl *ctl, int argc, char **argv)
{
    struct option_list files = {0};
    struct changes changes = {0};
    const struct option own[] = {{"file", 'f', OPTION_LIST, &files}};
    struct err err;
    int code = EXIT_OK;

    if (read_files(ctl, own, COUNT_OF(own), argc, argv, &files, &changes, &err) < 0)
        code = err.code == ERR_Usage ? ctl_fail(&err, "syncline diff --help")
                                     : changes_fail(&changes, &err);
    else if (ctl->common.help)
        help_command(ctl->command);
    else if (apply_given(ctl, &changes, true, &err) < 0)
        code = changes_fail(&changes, &err);
    else
        code = print_differences(&changes);
    changes_release(&changes);
    option_list_release(&files);
    return code;
}

/* ---- delete ---- */

struct victim {
    enum kind kind;
    const char *name; /* borrowed */
};

static int read_names(int argc, char **argv, struct victim *out, struct err *err)
{
    for (int i = 0; i < argc; i++) {
        if (kind_and_name(argv[i], &out[i].kind, &out[i].name, err) < 0)
            return -1;
        if (!kind_is_defined(out[i].kind))
            return err_set(err, ERR_Usage,
                           "%s is no definition: assets, syncs and plans can be deleted", argv[i]);
    }
    return 0;
}

/* From the command line, or from files. */
static int read_victims(const struct option_list *files, int argc, char **argv,
                        struct changes *changes, struct victim **out, u32 *count, struct err *err)
{
    if ((argc == 0) == (files->count == 0))
        return err_set(err, ERR_Usage, "delete wants KIND/NAME, or files with -f");
    if (argc == 0 && inputs_read(files, &changes->given, &changes->faults, err) < 0)
        return -1;
    *count = argc > 0 ? (u32)argc : changes->given.count;
    *out = memory_or_die((*count + 1) * sizeof **out);
    for (u32 i = 0; i < changes->given.count; i++)
        (*out)[i] = (struct victim){kind_of_definition(changes->given.items[i].kind),
                                    changes->given.items[i].name};
    return read_names(argc, argv, *out, err);
}

static int fail_delete(const struct changes *changes, enum kind kind, const char *user,
                       const struct err *err)
{
    char next[200];

    if (err->code == ERR_InUse) {
        snprintf(next, sizeof next, "syncline delete %s, then again", user);
        return ctl_fail(err, next);
    }
    if (err->code == ERR_NotFound)
        return ctl_fail(err, kind_list(kind));
    return changes_fail(changes, err);
}

/* Synchronizations first, so that their assets are free. */
static int delete_all(const struct ctl *ctl, struct changes *changes, const struct victim *victims,
                      u32 count)
{
    struct session session = {.hold_fd = -1};
    enum kind kind = KIND_SYNCS;
    struct err err, ignored;
    char *user = NULL;
    int result = session_open(ctl, SESSION_FIND, &session, &err), code = EXIT_OK;

    if (result == 0)
        result = definitions_begin(session.postgres, &err);
    for (int pass = 0; pass < 2; pass++)
        for (u32 i = 0; i < count && result == 0; i++) {
            kind = victims[i].kind;
            if ((kind == KIND_ASSETS) == (pass == 1))
                result = definitions_delete(session.postgres, kind_definition(kind),
                                            victims[i].name, &changes->job, &user, &err);
        }
    if (result == 0)
        result = definitions_end(session.postgres, true, &err);
    else
        definitions_end(session.postgres, false, &ignored);
    if (result < 0)
        code = fail_delete(changes, kind, user, &err);
    for (u32 i = 0; i < count && result == 0; i++)
        printf("%s/%s deleted\n", kind_word(victims[i].kind), victims[i].name);
    free(user);
    session_close(&session);
    return code;
}

int command_delete(struct ctl *ctl, int argc, char **argv)
{
    struct option_list files = {0};
    struct changes changes = {0};
    const struct option own[] = {{"file", 'f', OPTION_LIST, &files}};
    struct victim *victims = NULL;
    struct err err;
    u32 count = 0;
    int code = EXIT_OK;

    argc = options_take(own, COUNT_OF(own), &ctl->common, argc, argv, &err);
    if (argc < 0)
        code = ctl_fail(&err, "syncline delete --help");
    else if (ctl->common.help)
        help_command(ctl->command);
    else if (read_victims(&files, argc, argv, &changes, &victims, &count, &err) < 0)
        code = err.code == ERR_Usage ? ctl_fail(&err, "syncline delete --help")
                                     : changes_fail(&changes, &err);
    else
        code = delete_all(ctl, &changes, victims, count);
    free(victims);
    changes_release(&changes);
    option_list_release(&files);
    return code;
}
