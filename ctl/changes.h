/* changes.h: definitions are written as one transaction, and what became of each is told. */
#ifndef SYNCLINE_CTL_CHANGES_H
#define SYNCLINE_CTL_CHANGES_H

#include "ctl/ctl.h"
#include "ctl/session.h"
#include "store/definitions.h"

/* What was asked for, and what became of it. Zero-initialise, then changes_release. */
struct changes {
    struct definitions given;
    struct definition_outcome *outcomes;
    struct buf faults;
    char *job; /* the active one that is in the way */
};

/* Within a transaction (definitions_begin), which it ends: commits unless `look`, or it failed. */
int changes_apply(struct postgres *postgres, struct changes *changes, bool look, struct err *err);
void changes_release(struct changes *changes);

/* "asset/photos created" on stdout for each; hints on stderr. */
void changes_print(const struct ctl *ctl, const struct changes *changes, bool dry_run);
/* Faults and why nothing was applied, on stderr; the exit code. */
int changes_fail(const struct changes *changes, const struct err *err);

#endif
