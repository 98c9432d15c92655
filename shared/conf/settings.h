/* settings.h: the table of schema/settings.def, and configuration files as people write them: one
 * flat mapping of keys to values. Pure: opening files, and which of them wins, is svc/settings.h.
 */
#ifndef SYNCLINE_CONF_SETTINGS_H
#define SYNCLINE_CONF_SETTINGS_H

#include "base/err.h"
#include "conf/faults.h"
#include "conf/table.h"

#define SETTINGS_BYTES_MAX (64u << 10) /* of one file */

enum setting {
    SETTING_NONE,
#define SETTING(key, variable, type, wanted, preset, secrecy, text) SETTING_##key,
#include "schema/settings.def"
    SETTING_COUNT
};

struct setting_row {
    const char *variable;
    bool secret;
    struct field field; /* its path is the key */
};
extern const struct setting_row setting_table[SETTING_COUNT]; /* [SETTING_NONE] is empty */

/* databaseUrlFile of databaseUrl and the reverse; SETTING_NONE for a setting that stands alone. */
enum setting setting_partner(enum setting setting);

/* The text of a value as its variable would have it; NULL: the file does not say. */
struct setting_value {
    char *text;
    struct mark at; /* of its key */
};

/* Reads a file's text. `out`, which was zeroed, gets what it says. Each fault goes to `faults` as a
 * line "FILE:LINE:COLUMN: what; what to write instead": an unknown key (with the nearest known
 * one), a value of a wrong type or range, one given twice, both databaseUrl and databaseUrlFile,
 * what is no YAML or not UTF-8. 0 with none; else -1, Configuration. No fault shows a secret. */
int settings_read(const char *file, struct bytes text, struct setting_value out[SETTING_COUNT],
                  struct buf *faults, struct err *err);
void setting_values_release(struct setting_value values[SETTING_COUNT]);

#endif
