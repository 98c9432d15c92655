/* options.h: options of a command line: a table of what there is, values where they are wanted.
 * Pure.
 *
 * Options may stand before, between and behind arguments; "--" ends them. --name=value, --name
 * value, -n value, -nvalue. An option that will come in a later version is refused, never ignored.
 */
#ifndef SYNCLINE_CTL_OPTIONS_H
#define SYNCLINE_CTL_OPTIONS_H

#include "ctl/ctl.h"

#include "base/words.h"

enum option_kind {
    OPTION_FLAG,  /* target: bool * */
    OPTION_VALUE, /* target: const char **; the last one counts */
    OPTION_LIST,  /* target: struct option_list *; may be given again, and shared with others */
    OPTION_LATER, /* not in this version */
};

/* What was given for the options that share a list, in order. Zero-initialise, then
 * option_list_release. */
struct option_list {
    struct option_word {
        const char *name;  /* of the option; as in the table */
        const char *value; /* borrowed from argv */
    } * words;
    u32 count;
};
void option_list_release(struct option_list *list);

struct option {
    const char *name; /* without dashes */
    char letter;      /* 0 = none */
    enum option_kind kind;
    void *target;
};

/* Takes the options out of argv and leaves the arguments, in order; returns how many, or -1 with
 * Usage or NotInThisVersion. `options` may be NULL with count 0. Values are borrowed from argv. */
int options_take(const struct option *options, u32 count, struct common *common, int argc,
                 char **argv, struct err *err);
/* The same, but stops at the first argument: for what stands before the command. Returns its index.
 */
int options_take_leading(struct common *common, int argc, char **argv, struct err *err);

/* A whole number between least and most. Usage, naming `what`. */
int option_number(const char *what, const char *text, u32 least, u32 most, u32 *out,
                  struct err *err);
/* "500ms", "10s", "1h30m", "2d"; a bare number is seconds. At least 0. Usage. */
int option_duration(const char *what, const char *text, s64 *out_ms, struct err *err);

#endif
