/* options.c: see options.h. getopt_long is not used: it says "unrecognized option" for an option
 * that is only not there yet, and writes to stderr by itself. */
#include "ctl/options.h"

#include "base/buf.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#define COMMON_COUNT 5
#define WORD_MAX 32

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
    static const struct {
        const char *unit;
        s64 ms;
    } units[] = {{"ms", 1},      {"s", 1000},     {"m", 60000},
                 {"h", 3600000}, {"d", 86400000}, {"w", 604800000}};
    const char *at = text;
    s64 total = 0;

    while (isdigit((unsigned char)*at)) {
        char *end;
        unsigned long value = strtoul(at, &end, 10);
        size_t length = strspn(end, "abcdefghijklmnopqrstuvwxyz");
        s64 ms = length == 0 && *end == '\0' && at == text ? 1000 : 0;

        for (size_t i = 0; i < COUNT_OF(units); i++)
            if (strlen(units[i].unit) == length && strncmp(end, units[i].unit, length) == 0)
                ms = units[i].ms;
        if (ms == 0 || value > 1000000000)
            break;
        total += (s64)value * ms;
        at = end + length;
    }
    if (*at || at == text || total > 86400000LL * 36500)
        return err_set(err, ERR_Usage,
                       "%s wants a duration such as 500ms, 10s, 5m or 1h30m, not '%.40s'", what,
                       text);
    *out_ms = total;
    return 0;
}

/* G. Navarro, "A guided tour to approximate string matching" (2001): three rows suffice for swaps.
 */
static size_t edits(const char *a, const char *b)
{
    size_t rows[3][WORD_MAX + 1], n = strlen(a), m = strlen(b);

    if (n > WORD_MAX || m > WORD_MAX)
        return WORD_MAX;
    for (size_t j = 0; j <= m; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i - 1) % 3];

        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t best = above[j - 1] + (a[i - 1] != b[j - 1]);

            best = above[j] + 1 < best ? above[j] + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                rows[(i - 2) % 3][j - 2] + 1 < best)
                best = rows[(i - 2) % 3][j - 2] + 1;
            row[j] = best;
        }
    }
    return rows[n % 3][m];
}

const char *nearest_word(const char *word, const char *const *words, u32 count)
{
    const char *best = NULL;
    size_t least = strlen(word) <= 3 ? 2 : 3; /* farther away is not a slip of the fingers */

    for (u32 i = 0; i < count; i++) {
        size_t distance = edits(word, words[i]);

        if (distance < least) {
            least = distance;
            best = words[i];
        }
    }
    return best;
}
