/* changes.c: see changes.h. */
#include "ctl/changes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAULTS_SHOWN 100u

int changes_apply(struct postgres *postgres, struct changes *changes, bool look, struct err *err)
{
    int result = definitions_apply(postgres, &changes->given, look, &changes->outcomes,
                                   &changes->faults, &changes->job, err);
    struct err ignored;

    if (result == 0)
        return definitions_end(postgres, !look, err);
    definitions_end(postgres, false, &ignored);
    return -1;
}

void changes_release(struct changes *changes)
{
    definition_outcomes_release(&changes->outcomes, changes->given.count);
    definitions_release(&changes->given);
    buf_release(&changes->faults);
    free(changes->job);
    *changes = (struct changes){0};
}

void changes_print(const struct ctl *ctl, const struct changes *changes, bool dry_run)
{
    for (u32 i = 0; i < changes->given.count; i++) {
        const struct definition *definition = &changes->given.items[i];
        const struct definition_outcome *outcome = &changes->outcomes[i];

        printf("%s/%s %s%s\n", definition_word(definition->kind), definition->name,
               definition_change_name(outcome->change), dry_run ? " (dry run)" : "");
        if (outcome->moved && !ctl->common.quiet)
            fprintf(stderr,
                    "asset/%s: another path: which directory it is and what was proven at the old "
                    "one %s forgotten\n",
                    definition->name, dry_run ? "would be" : "are");
    }
}

/* The first of them: definitions may be wrong against each other, and then each against all. */
static void print_faults(struct buf faults)
{
    const char *at = buf_text(&faults), *end = at;

    for (u32 i = 0; i < FAULTS_SHOWN && *end; i++)
        end = strchrnul(end, '\n') + (strchr(end, '\n') != NULL);
    fwrite(at, 1, (size_t)(end - at), stderr);
    if (*end)
        fprintf(stderr, "these are the first %u\n", FAULTS_SHOWN);
}

int changes_fail(const struct changes *changes, const struct err *err)
{
    char next[200];

    print_faults(changes->faults);
    if (err->code == ERR_ActiveJob && changes->job) {
        snprintf(next, sizeof next, "syncline wait %s, or syncline cancel %s; then again",
                 changes->job, changes->job);
        return ctl_fail(err, next);
    }
    if (changes->faults.size > 0)
        return ctl_fail(err, "correct that, then again");
    return ctl_fail(err, ctl_exit_code(err) == EXIT_USAGE || ctl_exit_code(err) == EXIT_NOT_FOUND
                             ? "syncline help apply"
                             : NULL);
}
