/* kinds.h: what commands are about: words for kinds, and KIND/NAME. Pure. */
#ifndef SYNCLINE_CTL_KINDS_H
#define SYNCLINE_CTL_KINDS_H

#include "base/err.h"
#include "base/types.h"

enum kind { KIND_JOBS, KIND_WORKERS, KIND_ASSETS, KIND_SYNCS, KIND_LATER };

/* "assets", "asset", "as". Usage, with the nearest word; NotInThisVersion. */
int kind_find(const char *word, enum kind *out, struct err *err);
/* "asset", as in asset/NAME. */
const char *kind_word(enum kind kind);

/* "asset/photos". *name is borrowed from `text`. Usage, NotInThisVersion. */
int kind_and_name(const char *text, enum kind *kind, const char **name, struct err *err);

#endif
