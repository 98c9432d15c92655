/* kinds.h: what commands are about: words for kinds, and KIND/NAME. Pure. */
#ifndef SYNCLINE_CTL_KINDS_H
#define SYNCLINE_CTL_KINDS_H

#include "base/err.h"
#include "base/types.h"
#include "conf/conf.h"

/* KIND_ANY_SYNC: what a bare NAME means: names are unique across syncs and plans. */
enum kind {
    KIND_JOBS,
    KIND_WORKERS,
    KIND_ASSETS,
    KIND_SYNCS,
    KIND_PLANS,
    KIND_ANY_SYNC,
    KIND_LATER
};

/* "assets", "asset", "as". Usage, with the nearest word; NotInThisVersion. */
int kind_find(const char *word, enum kind *out, struct err *err);
/* "asset", as in asset/NAME. */
const char *kind_word(enum kind kind);
/* "assets", as for `get`. */
const char *kind_words(enum kind kind);

/* What to type to see the names there are. */
const char *kind_list(enum kind kind);
#define LIST_ANY_SYNC "syncline get syncs --all, or syncline get plans"

/* Is it what operators define, and as what. */
bool kind_is_defined(enum kind kind);
enum definition_kind kind_definition(enum kind kind);
enum kind kind_of_definition(enum definition_kind kind);

/* Of a command that wants a name alone: "photos", not "sync/photos". Usage, with what to write. */
int kind_refuse(const char *command, const char *name, struct err *err);

/* "asset/photos". *name is borrowed from `text`. Usage, NotInThisVersion. */
int kind_and_name(const char *text, enum kind *kind, const char **name, struct err *err);

#endif
