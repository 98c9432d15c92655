/* settings.h: configuration files, as defaults of variables: flag > environment > the user's file >
 * the system's file > default. What a file says, and no higher level does, is put into the
 * environment of this process, so that everything else reads one place, and children inherit it.
 *
 *   $XDG_CONFIG_HOME/syncline/config.yaml (~/.config/syncline/config.yaml)
 *   /etc/syncline/syncline.yaml
 *
 * SYNCLINE_CONFIG names the one file to read instead of both, or is `off`. A setting and its file
 * (databaseUrl, databaseUrlFile) are one: the highest level that has either decides. */
#ifndef SYNCLINE_SVC_SETTINGS_H
#define SYNCLINE_SVC_SETTINGS_H

#include "conf/settings.h"

#define SETTINGS_FILES 2u
#define SETTINGS_SYSTEM_FILE "/etc/syncline/syncline.yaml"
#define SETTINGS_VARIABLE "SYNCLINE_CONFIG"
#define SETTINGS_OFF "off"

/* What was read. Zero-initialise, then settings_release. */
struct settings {
    struct settings_file {
        char *path;
        bool there;
        bool has[SETTING_COUNT]; /* the keys that it has, whether they were used or not */
    } files[SETTINGS_FILES];     /* higher levels first */
    u32 count;
    u32 from[SETTING_COUNT]; /* n: its value is of files[n - 1]; 0: of no file */
    struct mark at[SETTING_COUNT];
};

/* Reads the files and completes the environment: to be called once, before there are threads. A
 * file that is not there is passed over, unless SYNCLINE_CONFIG names it. Faults of its text go to
 * `faults`, as lines. Configuration: a fault, a file that cannot be read, that others may write
 * into, or that has a secret and others may read; the environment is then as it was. */
int settings_load(struct settings *out, struct buf *faults, struct err *err);
/* The same from these files, the first of which wins. `must`: each has to be there. */
int settings_load_files(const char *const *paths, u32 count, bool must, struct settings *out,
                        struct buf *faults, struct err *err);
void settings_release(struct settings *settings);

/* Puts "FILE:LINE: " in front of an error about a value that is of a file. Returns -1. */
int settings_context(const struct settings *settings, enum setting setting, struct err *err);

#endif
