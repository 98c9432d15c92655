/* changes.c: see changes.h. */
#include "ctl/changes.h"

#include "ctl/kinds.h"

#include <stdio.h>
#include <stdlib.h>

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
        enum kind kind = definition->kind == DEFINITION_ASSET ? KIND_ASSETS : KIND_SYNCS;

        printf("%s/%s %s%s\n", kind_word(kind), definition->name,
               definition_change_name(outcome->change), dry_run ? " (dry run)" : "");
        if (outcome->moved && !ctl->common.quiet)
            fprintf(stderr,
                    "asset/%s: another path: which directory it is and what was proven at the old "
                    "one %s forgotten\n",
                    definition->name, dry_run ? "would be" : "are");
    }
}

int changes_fail(const struct changes *changes, const struct err *err)
{
    struct buf faults = changes->faults;
    char next[200];

    fputs(buf_text(&faults), stderr);
    if (err->code == ERR_ActiveJob && changes->job) {
        snprintf(next, sizeof next, "syncline wait %s, or syncline cancel %s; then again",
                 changes->job, changes->job);
        return ctl_fail(err, next);
    }
    return ctl_fail(err, changes->faults.size > 0 ? "correct that, then again" : NULL);
}
