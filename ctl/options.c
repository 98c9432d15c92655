/* options.c: see options.h. getopt_long is not used: it says "unrecognized option" for an option
 * that is only not there yet, and writes to stderr by itself. */
#include "ctl/options.h"

#include "base/buf.h"
#include "base/units.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#define COMMON_COUNT 5
#define WORD_MAX 32 /* of an option that is shown in an error */

static void common_options(struct common *common, struct option out[COMMON_COUNT])
{
    const struct option all[COMMON_COUNT] = {
        {"state-dir", 0, OPTION_VALUE, &common->state_dir},
        {"quiet", 'q', OPTION_FLAG, &common->quiet},
        {"verbose", 'v', OPTION_FLAG, &common->verbose},
        {"no-color", 0, OPTION_FLAG, &common->no_color},
        {"help", 'h', OPTION_FLAG, &common->help},
    };

    memcpy(out, all, sizeof all);
}

static const struct option *find_name(const struct option *options, u32 count, const char *name,
                                      size_t length)
{
    for (u32 i = 0; i < count; i++)
        if (strlen(options[i].name) == length && strncmp(options[i].name, name, length) == 0)
            return &options[i];
    return NULL;
}

static const struct option *find_letter(const struct option *options, u32 count, char letter)
{
    for (u32 i = 0; i < count; i++)
        if (options[i].letter && options[i].letter == letter)
            return &options[i];
    return NULL;
}

struct cursor {
    int argc, at;
    char **argv;
};

static void list_add(struct option_list *list, const char *name, const char *value)
{
    list->words = memory_resize_or_die(list->words, (list->count + 1) * sizeof *list->words);
    list->words[list->count++] = (struct option_word){.name = name, .value = value};
}

void option_list_release(struct option_list *list)
{
    free(list->words);
    *list = (struct option_list){0};
}

static int apply(const struct option *option, const char *shown, const char *value,
                 struct cursor *cursor, struct err *err)
{
    if (option->kind == OPTION_LATER)
        return err_set(err, ERR_NotInThisVersion, "%s: not in this version", shown);
    if (option->kind == OPTION_FLAG) {
        if (value)
            return err_set(err, ERR_Usage, "%s takes no value", shown);
        *(bool *)option->target = true;
        return 0;
    }
    if (!value && cursor->at + 1 < cursor->argc)
        value = cursor->argv[++cursor->at];
    if (!value)
        return err_set(err, ERR_Usage, "%s wants a value", shown);
    if (option->kind == OPTION_LIST)
        list_add(option->target, option->name, value);
    else
        *(const char **)option->target = value;
    return 0;
}

static const struct option *find_both(const struct option *own, u32 count,
                                      const struct option *common, const char *name, size_t length)
{
    const struct option *option = find_name(own, count, name, length);

    return option ? option : find_name(common, COMMON_COUNT, name, length);
}

static int refuse_unknown(const struct option *own, u32 count, const struct option *common,
                          const char *name, size_t length, struct err *err)
{
    const char *names[64], *nearest;
    char word[WORD_MAX];
    u32 used = 0;

    for (u32 i = 0; i < count && used < COUNT_OF(names); i++)
        names[used++] = own[i].name;
    for (u32 i = 0; i < COMMON_COUNT && used < COUNT_OF(names); i++)
        names[used++] = common[i].name;
    snprintf(word, sizeof word, "%.*s", (int)length, name);
    nearest = nearest_word(word, names, used);
    return err_set(err, ERR_Usage, "there is no option --%.*s%s%s%s", (int)length, name,
                   nearest ? "; did you mean --" : "", nearest ? nearest : "", nearest ? "?" : "");
}

static int take_one(const struct option *own, u32 count, const struct option *common,
                    struct cursor *cursor, struct err *err)
{
    const char *word = cursor->argv[cursor->at];
    const struct option *option;
    char shown[WORD_MAX + 4];

    if (word[1] == '-') {
        const char *name = word + 2;
        size_t length = strcspn(name, "=");

        option = find_both(own, count, common, name, length);
        if (!option)
            return refuse_unknown(own, count, common, name, length, err);
        snprintf(shown, sizeof shown, "--%s", option->name);
        return apply(option, shown, name[length] ? name + length + 1 : NULL, cursor, err);
    }
    for (const char *at = word + 1; *at; at++) {
        option = find_letter(own, count, *at);
        if (!option)
            option = find_letter(common, COMMON_COUNT, *at);
        if (!option)
            return err_set(err, ERR_Usage, "there is no option -%c", *at);
        snprintf(shown, sizeof shown, "-%c", *at);
        if (option->kind == OPTION_VALUE || option->kind == OPTION_LIST)
            return apply(option, shown, at[1] ? at + 1 : NULL, cursor, err);
        if (apply(option, shown, NULL, cursor, err) < 0)
            return -1;
    }
    return 0;
}

int options_take(const struct option *options, u32 count, struct common *common, int argc,
                 char **argv, struct err *err)
{
    struct option shared[COMMON_COUNT];
    struct cursor cursor = {.argc = argc, .argv = argv};
    bool ended = false;
    int kept = 0;

    common_options(common, shared);
    for (; cursor.at < argc; cursor.at++) {
        char *word = argv[cursor.at];

        if (!ended && strcmp(word, "--") == 0) {
            ended = true;
        } else if (ended || word[0] != '-' || word[1] == '\0') {
            argv[kept++] = word;
        } else if (take_one(options, count, shared, &cursor, err) < 0) {
            return -1;
        }
    }
    return kept;
}

int options_take_leading(struct common *common, int argc, char **argv, struct err *err)
{
    struct option shared[COMMON_COUNT];
    struct cursor cursor = {.argc = argc, .argv = argv};

    common_options(common, shared);
    for (; cursor.at < argc && argv[cursor.at][0] == '-' && argv[cursor.at][1]; cursor.at++)
        if (take_one(NULL, 0, shared, &cursor, err) < 0)
            return -1;
    return cursor.at;
}

int option_number(const char *what, const char *text, u32 least, u32 most, u32 *out,
                  struct err *err)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);

    if (!isdigit((unsigned char)text[0]) || *end || value < least || value > most)
        return err_set(err, ERR_Usage, "%s wants a number from %u to %u, not '%.40s'", what, least,
                       most, text);
    *out = (u32)value;
    return 0;
}

int option_duration(const char *what, const char *text, s64 *out_ms, struct err *err)
{
    if (units_duration(text, true, out_ms))
        return 0;
    return err_set(err, ERR_Usage,
                   "%s wants a duration such as 500ms, 10s, 5m or 1h30m, not '%.40s'", what, text);
}
