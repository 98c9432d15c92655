/* layout.c: see layout.h. */
#include "stack/layout.h"

#include "base/buf.h"
#include "stack/paths.h"
#include "stack/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define ADVICE "choose another with --state-dir or SYNCLINE_STATE_DIR"

static int choose_root(const char *state_dir, char **out, struct err *err)
{
    const char *home, *chosen = state_dir ? state_dir : getenv("SYNCLINE_STATE_DIR");
    struct passwd *user;
    struct buf path = {0};
    int result;

    if (state_dir && !state_dir[0])
        return err_set(err, ERR_Usage, "--state-dir is empty");
    if (chosen && chosen[0])
        return path_resolve(chosen, out, err);
    if (geteuid() == 0)
        return path_resolve("/var/lib/syncline", out, err);
    chosen = getenv("XDG_STATE_HOME");
    if (chosen && chosen[0] == '/') {
        buf_printf(&path, "%s/syncline", chosen);
    } else {
        home = getenv("HOME");
        user = home && home[0] == '/' ? NULL : getpwuid(geteuid());
        home = user ? user->pw_dir : home;
        if (!home || home[0] != '/')
            return err_set(err, ERR_StateDirectory,
                           "there is no home directory to keep state in: " ADVICE);
        buf_printf(&path, "%s/.local/state/syncline", home);
    }
    result = path_resolve(buf_text(&path), out, err);
    buf_release(&path);
    return result;
}

static int choose_user(struct layout *layout, struct err *err)
{
    uid_t me = geteuid();
    struct passwd *user;

    layout->separate = me == 0;
    user = me == 0 ? getpwnam("postgres") : getpwuid(me);
    if (!user && me == 0)
        user = getpwnam("nobody");
    if (!user)
        return err_set(
            err, ERR_Configuration,
            "user id %u has no entry in /etc/passwd, and Postgres will not start without one: "
            "add it, or run as a user that has one",
            (unsigned)me);
    layout->service_user = text_copy(user->pw_name);
    layout->service_uid = user->pw_uid;
    layout->service_gid = user->pw_gid;
    return 0;
}

int layout_find(const char *state_dir, struct layout *out, struct err *err)
{
    *out = (struct layout){0};
    if (choose_root(state_dir, &out->root, err) < 0)
        return -1;
    out->lock = path_below(out->root, "lock");
    out->json = path_below(out->root, "stack.json");
    out->pg = path_below(out->root, "pg");
    out->redis = path_below(out->root, "redis");
    out->run = path_below(out->root, "run");
    out->log = path_below(out->root, "log");
    out->conf = path_below(out->root, "conf");
    out->control = path_below(out->run, "control.sock");
    out->programs = process_program_directory();
    if (!out->programs) {
        layout_release(out);
        return err_set(err, ERR_Internal, "/proc/self/exe cannot be read: is /proc mounted?");
    }
    if (choose_user(out, err) < 0) {
        layout_release(out);
        return -1;
    }
    return 0;
}

void layout_release(struct layout *layout)
{
    char *texts[] = {layout->root,    layout->lock,     layout->json,        layout->pg,
                     layout->redis,   layout->run,      layout->log,         layout->conf,
                     layout->control, layout->programs, layout->service_user};

    for (size_t i = 0; i < COUNT_OF(texts); i++)
        free(texts[i]);
    *layout = (struct layout){0};
}

char *layout_log(const struct layout *layout, const char *name)
{
    char file[64];

    snprintf(file, sizeof file, "%s.log", name);
    return path_below(layout->log, file);
}

/* Endpoints are a list with commas and patterns, and settings are lines. */
static int check_characters(const struct layout *layout, struct err *err)
{
    static const char special[] = " \t\n\r,*?[]{}\\\"";

    if (layout->root[strcspn(layout->root, special)] == '\0')
        return 0;
    return err_set(
        err, ERR_StateDirectory,
        "the state directory's path has a space or one of , * ? [ ] { } \\ \" in it, which "
        "addresses of sockets cannot hold: " ADVICE);
}

static int check_sockets(const struct layout *layout, struct err *err)
{
    static const char longest[] = "/planner-64.http";
    size_t length = strlen(layout->run) + sizeof longest - 1;

    if (length <= SOCKET_PATH_MAX)
        return 0;
    return err_set(err, ERR_StateDirectory,
                   "the state directory's path is too long for Unix sockets: %.80s… would need "
                   "socket paths of "
                   "%zu bytes, and %d is the kernel's limit: choose a shorter one with --state-dir",
                   layout->root, length, SOCKET_PATH_MAX);
}

/* By mode bits: enough for ancestors, which seldom have ACLs, and initdb says the rest. */
static bool user_may_pass(const struct layout *layout, const struct stat *status)
{
    if (status->st_uid == layout->service_uid)
        return status->st_mode & S_IXUSR;
    if (status->st_gid == layout->service_gid)
        return status->st_mode & S_IXGRP;
    return status->st_mode & S_IXOTH;
}

static int check_ancestors(const struct layout *layout, struct err *err)
{
    char *at = path_parent(layout->root);
    int result = 0;

    while (result == 0) {
        struct stat status;
        char *up;

        if (stat(at, &status) == 0 && layout->separate && !user_may_pass(layout, &status))
            result =
                err_set(err, ERR_StateDirectory,
                        "%.120s (mode %04o) cannot be entered by user %s, who runs Postgres and "
                        "Redis for root, "
                        "so %.120s cannot be the state directory: " ADVICE
                        ", for example /var/lib/syncline",
                        at, (unsigned)(status.st_mode & 07777), layout->service_user, layout->root);
        if (strcmp(at, "/") == 0)
            break;
        up = path_parent(at);
        free(at);
        at = up;
    }
    free(at);
    return result;
}

/* An existing directory is taken only if it is ours already or has nothing in it: its mode is
 * changed. */
static int check_content(const struct layout *layout, struct err *err)
{
    bool foreign = false, ours = false;
    struct dirent *entry;
    DIR *directory = opendir(layout->root);

    if (!directory && errno == ENOENT)
        return 0;
    if (!directory)
        return err_set(err, ERR_StateDirectory,
                       "the state directory %.200s cannot be read: %s: " ADVICE, layout->root,
                       strerror(errno));
    while ((entry = readdir(directory))) {
        bool dots = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;

        ours = ours || strcmp(entry->d_name, "lock") == 0;
        foreign = foreign || !dots;
    }
    closedir(directory);
    if (foreign && !ours)
        return err_set(
            err, ERR_StateDirectory,
            "%.200s has other things in it and is not a state directory of Syncline: " ADVICE,
            layout->root);
    return 0;
}

int layout_check(const struct layout *layout, struct err *err)
{
    struct stat status;

    if (check_characters(layout, err) < 0 || check_sockets(layout, err) < 0 ||
        check_ancestors(layout, err) < 0)
        return -1;
    if (stat(layout->root, &status) == 0) {
        if (!S_ISDIR(status.st_mode))
            return err_set(err, ERR_StateDirectory, "%.200s is not a directory: " ADVICE,
                           layout->root);
        if (status.st_uid != geteuid())
            return err_set(err, ERR_StateDirectory,
                           "the state directory %.200s belongs to user id %u, not to you (%u): run "
                           "as that user, or " ADVICE,
                           layout->root, (unsigned)status.st_uid, (unsigned)geteuid());
    }
    return check_content(layout, err);
}

static int make_parents(const char *path, struct err *err)
{
    char *parent = path_parent(path);
    int result = 0;

    if (access(parent, F_OK) != 0) {
        result = make_parents(parent, err);
        if (result == 0 && mkdir(parent, 0755) < 0 && errno != EEXIST)
            result = err_set(err, ERR_StateDirectory, "%.200s cannot be made: %s: " ADVICE, parent,
                             strerror(errno));
    }
    free(parent);
    return result;
}

static int make_directory(const char *path, uid_t uid, gid_t gid, mode_t mode, struct err *err)
{
    struct stat status;

    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return err_set(err, ERR_StateDirectory,
                       "the state directory cannot be used: %.200s cannot be made: %s: " ADVICE,
                       path, strerror(errno));
    if (lstat(path, &status) < 0 || !S_ISDIR(status.st_mode))
        return err_set(err, ERR_StateDirectory, "%.200s is not a directory: remove it, or " ADVICE,
                       path);
    if (((status.st_uid != uid || status.st_gid != gid) && lchown(path, uid, gid) < 0) ||
        ((status.st_mode & 07777) != mode && chmod(path, mode) < 0))
        return err_set(err, ERR_StateDirectory,
                       "owner and mode of %.200s cannot be set: %s: " ADVICE, path,
                       strerror(errno));
    return 0;
}

int layout_prepare(const struct layout *layout, struct err *err)
{
    uid_t me = geteuid(), service = layout->service_uid;
    gid_t group = layout->separate ? layout->service_gid : getegid();
    bool shared = layout->separate;
    int fd;

    if (make_parents(layout->root, err) < 0 ||
        make_directory(layout->root, me, group, shared ? 0710 : 0700, err) < 0)
        return -1;
    /* first, because its name marks the directory as ours */
    fd = open(layout->lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_set(err, ERR_StateDirectory,
                       "the state directory %.200s cannot be written: %s: " ADVICE, layout->root,
                       strerror(errno));
    close(fd);
    if (make_directory(layout->run, me, group, shared ? 0770 : 0700, err) < 0 ||
        make_directory(layout->conf, me, group, shared ? 0750 : 0700, err) < 0 ||
        make_directory(layout->log, me, getegid(), 0700, err) < 0 ||
        make_directory(layout->redis, service, group, 0700, err) < 0)
        return -1;
    return 0;
}

int layout_write(const struct layout *layout, const char *path, const char *text, mode_t mode,
                 bool shared, struct err *err)
{
    struct buf temporary = {0};
    int fd, result = 0;
    size_t size = strlen(text);

    buf_printf(&temporary, "%s.new", path);
    fd = open(buf_text(&temporary), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, text, size) != (ssize_t)size ||
        (shared && layout->separate && fchown(fd, geteuid(), layout->service_gid) < 0) ||
        fchmod(fd, mode) < 0 || rename(buf_text(&temporary), path) < 0)
        result =
            err_set(err, ERR_StateDirectory, "%.200s cannot be written: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    buf_release(&temporary);
    return result;
}
