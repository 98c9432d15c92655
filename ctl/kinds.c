/* kinds.c: see kinds.h. */
#include "ctl/kinds.h"

#include "base/words.h"

#include <stdio.h>

static const struct {
    const char *name;
    enum kind kind;
} kinds[] = {
    {"jobs", KIND_JOBS},       {"job", KIND_JOBS},       {"jo", KIND_JOBS},
    {"workers", KIND_WORKERS}, {"worker", KIND_WORKERS}, {"wo", KIND_WORKERS},
    {"assets", KIND_ASSETS},   {"asset", KIND_ASSETS},   {"as", KIND_ASSETS},
    {"syncs", KIND_SYNCS},     {"sync", KIND_SYNCS},     {"sy", KIND_SYNCS},
    {"plans", KIND_PLANS},     {"plan", KIND_PLANS},     {"pl", KIND_PLANS},
    {"lives", KIND_LATER},     {"live", KIND_LATER},     {"li", KIND_LATER},
};

int kind_find(const char *word, enum kind *out, struct err *err)
{
    const char *names[COUNT_OF(kinds)], *nearest;

    for (u32 i = 0; i < COUNT_OF(kinds); i++) {
        names[i] = kinds[i].name;
        if (strcmp(word, kinds[i].name) != 0)
            continue;
        *out = kinds[i].kind;
        return *out == KIND_LATER
                   ? err_set(err, ERR_NotInThisVersion, "%s: not in this version", word)
                   : 0;
    }
    nearest = nearest_word(word, names, COUNT_OF(names));
    return err_set(err, ERR_Usage, "there is no kind '%.40s'%s%s%s", word,
                   nearest ? "; did you mean " : "",
                   nearest ? nearest : ": jobs, workers, assets, syncs, plans", nearest ? "?" : "");
}

const char *kind_word(enum kind kind)
{
    static const char *const words[] = {"job", "worker", "asset", "sync", "plan"};

    return words[kind];
}

const char *kind_words(enum kind kind)
{
    static const char *const words[] = {"jobs", "workers", "assets", "syncs", "plans"};

    return words[kind];
}

const char *kind_list(enum kind kind)
{
    static const char *const lists[] = {"syncline get jobs --all",
                                        "syncline get workers",
                                        "syncline get assets --all",
                                        LIST_ANY_SYNC,
                                        LIST_ANY_SYNC,
                                        LIST_ANY_SYNC};

    return lists[kind];
}

bool kind_is_defined(enum kind kind)
{
    return kind == KIND_ASSETS || kind == KIND_SYNCS || kind == KIND_PLANS;
}

enum definition_kind kind_definition(enum kind kind)
{
    return kind == KIND_ASSETS  ? DEFINITION_ASSET
           : kind == KIND_PLANS ? DEFINITION_PLAN
                                : DEFINITION_SYNCHRONIZATION;
}

enum kind kind_of_definition(enum definition_kind kind)
{
    return kind == DEFINITION_ASSET  ? KIND_ASSETS
           : kind == DEFINITION_PLAN ? KIND_PLANS
                                     : KIND_SYNCS;
}

int kind_refuse(const char *command, const char *name, struct err *err)
{
    const char *slash = strrchr(name, '/');

    if (!slash)
        return 0;
    return err_set(err, ERR_Usage, "%s wants a name alone, without its kind: %s%.80s, not %.80s",
                   command, slash[1] ? "" : "NAME", slash + 1, name);
}

int kind_and_name(const char *text, enum kind *kind, const char **name, struct err *err)
{
    const char *slash = strchr(text, '/');
    char word[48];

    if (!slash || slash == text || !slash[1])
        return err_set(err, ERR_Usage, "'%.80s' is not KIND/NAME, such as asset/photos", text);
    snprintf(word, sizeof word, "%.*s", (int)(slash - text), text);
    *name = slash + 1;
    return kind_find(word, kind, err);
}
