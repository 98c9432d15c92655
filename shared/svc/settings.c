/* settings.c: see settings.h. All files are read before anything is put into the environment, so
 * that a process never begins with half of them. */
#include "svc/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- one file ---- */

static int fail(int fd, const char *path, int error, struct err *err)
{
    if (fd >= 0)
        close(fd);
    err_errno(err, error,
              "the configuration file %.300s cannot be read (" SETTINGS_VARIABLE
              " may name another, or be off)",
              path);
    err->code = ERR_Configuration;
    return -1;
}

/* Whoever may write into it decides where data goes. */
static int check_owner(const char *path, const struct stat *status, struct err *err)
{
    if (!S_ISREG(status->st_mode))
        return err_set(err, ERR_Configuration,
                       "the configuration file %.300s is no regular file; to read none, set "
                       "SYNCLINE_CONFIG=off",
                       path);
    if (status->st_uid != geteuid() && status->st_uid != 0)
        return err_set(err, ERR_Configuration,
                       "the configuration file %.300s belongs to user id %u, neither you nor root: "
                       "chown it, or name another with SYNCLINE_CONFIG",
                       path, (unsigned)status->st_uid);
    if (status->st_mode & (S_IWGRP | S_IWOTH))
        return err_set(err, ERR_Configuration,
                       "others may write into the configuration file %.300s: chmod go-w it", path);
    return 0;
}

/* root may give a file to the group that a service runs as. */
static int check_secrets(const char *path, const struct stat *status,
                         const struct setting_value *values, struct err *err)
{
    mode_t others = S_IROTH | (status->st_uid == 0 ? 0 : S_IRGRP);

    for (enum setting setting = 1; setting < SETTING_COUNT; setting++)
        if (values[setting].text && setting_table[setting].secret && status->st_mode & others)
            return err_set(err, ERR_Configuration,
                           "%.300s:%u: others may read %s: chmod 600 the file, or name a file that "
                           "has it with %sFile",
                           path, values[setting].at.line, setting_table[setting].field.path,
                           setting_table[setting].field.path);
    return 0;
}

/* The text, at most one byte more than a file may have. Opened so that no FIFO holds it up. *there
 * is false, with 0, where there is no file. */
static int take_text(const char *path, struct buf *text, struct stat *status, bool *there,
                     struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    ssize_t got = 1;

    *there = fd >= 0 || (errno != ENOENT && errno != ENOTDIR);
    if (fd < 0)
        return *there ? fail(fd, path, errno, err) : 0;
    if (fstat(fd, status) < 0)
        return fail(fd, path, errno, err);
    if (check_owner(path, status, err) < 0) {
        close(fd);
        return -1;
    }
    while (got > 0 && text->size <= SETTINGS_BYTES_MAX) {
        size_t room = SETTINGS_BYTES_MAX + 1 - text->size;

        got = read(fd, buf_reserve(text, room), room);
        text->size += got > 0 ? (size_t)got : 0;
    }
    if (got < 0)
        return fail(fd, path, errno, err);
    close(fd);
    return 0;
}

static int read_file(struct settings_file *file, bool must, struct setting_value *values,
                     struct buf *faults, struct err *err)
{
    struct stat status;
    struct buf text = {0};
    int rc = take_text(file->path, &text, &status, &file->there, err);

    if (rc == 0 && !file->there && must)
        rc = err_set(err, ERR_Configuration,
                     "the configuration file %.300s, which " SETTINGS_VARIABLE
                     " names, is not there",
                     file->path);
    if (rc == 0 && file->there) {
        rc = settings_read(file->path, buf_bytes(&text), values, faults, err);
        if (rc == 0)
            rc = check_secrets(file->path, &status, values, err);
    }
    for (enum setting setting = 1; setting < SETTING_COUNT; setting++)
        file->has[setting] = values[setting].text != NULL;
    if (text.data)
        explicit_bzero(text.data, text.size);
    buf_release(&text);
    return rc;
}

/* ---- levels ---- */

static bool is_set(enum setting setting)
{
    const char *value = setting ? getenv(setting_table[setting].variable) : NULL;

    return value && value[0];
}

/* Puts what no higher level has into the environment, where it is the higher one for the next. A
 * file has never both of a setting and its partner. */
static void complete(struct settings *settings, u32 number, const struct setting_value *values)
{
    for (enum setting setting = 1; setting < SETTING_COUNT; setting++) {
        if (!values[setting].text || is_set(setting) || is_set(setting_partner(setting)))
            continue;
        setenv(setting_table[setting].variable, values[setting].text, 1);
        settings->from[setting] = number;
        settings->at[setting] = values[setting].at;
    }
}

int settings_load_files(const char *const *paths, u32 count, bool must, struct settings *out,
                        struct buf *faults, struct err *err)
{
    struct setting_value values[SETTINGS_FILES][SETTING_COUNT] = {0};
    int rc = 0;

    for (u32 i = 0; i < count && i < SETTINGS_FILES && rc == 0; i++) {
        out->files[out->count++].path = text_copy(paths[i]);
        rc = read_file(&out->files[i], must, values[i], faults, err);
    }
    for (u32 i = 0; i < out->count; i++) {
        if (rc == 0)
            complete(out, i + 1, values[i]);
        setting_values_release(values[i]);
    }
    return rc;
}

/* The user's file; without a home directory there is none: false. */
static bool user_file(struct buf *out)
{
    const char *chosen = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    struct passwd *user;

    if (chosen && chosen[0] == '/') {
        buf_printf(out, "%s/syncline/config.yaml", chosen);
        return true;
    }
    user = home && home[0] == '/' ? NULL : getpwuid(geteuid());
    home = user ? user->pw_dir : home;
    if (!home || home[0] != '/')
        return false;
    buf_printf(out, "%s/.config/syncline/config.yaml", home);
    return true;
}

int settings_load(struct settings *out, struct buf *faults, struct err *err)
{
    const char *chosen = getenv(SETTINGS_VARIABLE), *paths[SETTINGS_FILES];
    struct buf user = {0};
    u32 count = 0;
    int rc;

    if (chosen && strcmp(chosen, SETTINGS_OFF) == 0)
        return 0;
    if (chosen && chosen[0])
        return settings_load_files(&chosen, 1, true, out, faults, err);
    if (user_file(&user))
        paths[count++] = buf_text(&user);
    paths[count++] = SETTINGS_SYSTEM_FILE;
    rc = settings_load_files(paths, count, false, out, faults, err);
    buf_release(&user);
    return rc;
}

void settings_release(struct settings *settings)
{
    for (u32 i = 0; i < settings->count; i++)
        free(settings->files[i].path);
    *settings = (struct settings){0};
}

int settings_context(const struct settings *settings, enum setting setting, struct err *err)
{
    u32 number = settings->from[setting];

    if (number == 0)
        return -1;
    return err_context(err, "%s:%u", settings->files[number - 1].path, settings->at[setting].line);
}
