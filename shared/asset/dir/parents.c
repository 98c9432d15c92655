/* parents.c: the directories that something is published into.
 *
 * How: one openat2 if the directory is there, which is the usual case. Else the longest part of the
 * path that is there, and from it down a component at a time: each missing one is made in the
 * token's directory and renamed into place, so that a revoked token makes none. All steps bear
 * repetition by somebody else at the same time. */
#include "asset/dir/dir.h"

#include <errno.h>

#include "base/names.h"

/* What is there instead of a new directory: 0 = a directory, 1 = it made way, -1. */
static int meet(const struct dir_token *token, const char *staged, int fd, const char *name,
                bool replaces, struct err *err)
{
    char shown[SHOWN_SIZE];
    struct attributes there;
    int made;

    dir_shown(bytes_text(name), shown);
    if (dir_stat(fd, name, &there) < 0)
        return err_errno(err, errno, "stat \"%s\"", shown);
    if (there.kind == KIND_directory)
        return 0;
    if (!replaces)
        return err_set(err, ERR_Occupied, "make directory \"%s\": a %s is there", shown,
                       kind_name(there.kind));
    made = dir_replace_by_directory(token, staged, fd, name, err);
    return made < 0 ? err_context(err, "make directory \"%s\"", shown) : made;
}

int dir_make_below(const struct dir_token *token, const char *staged, int fd, const char *name,
                   bool replaces, struct err *err)
{
    char shown[SHOWN_SIZE];
    int why, result;

    dir_shown(bytes_text(name), shown);
    if (mkdirat(token->fd, staged, 0700) < 0 &&
        errno != EEXIST) /* EEXIST: left from an earlier try */
        return errno == ENOENT ? dir_revoked(token, err)
                               : err_errno(err, errno, "make directory \"%s\"", shown);
    if (dir_rename_new(token->fd, staged, fd, name) == 0)
        return 1;
    why = errno;
    if (why == EEXIST || why == ENOTDIR || why == ENOTEMPTY)
        result = meet(token, staged, fd, name, replaces, err);
    else if (why != ENOENT)
        result = err_errno(err, why, "make directory \"%s\"", shown);
    else if (dir_token_alive(token))
        result = err_set(err, ERR_IoError, "make directory \"%s\": its parent vanished", shown);
    else
        result = dir_revoked(token, err);
    if (result != 1)
        unlinkat(token->fd, staged, AT_REMOVEDIR);
    return result;
}

/* The parent of a path; of a single component it is the root. */
static struct bytes parent_of(struct bytes path)
{
    while (path.size > 0 && path.data[path.size - 1] != '/')
        path.size--;
    if (path.size > 0)
        path.size--;
    return path;
}

static u32 components(struct bytes path)
{
    u32 count = path.size > 0;

    for (size_t i = 0; i < path.size; i++)
        count += path.data[i] == '/';
    return count;
}

/* What opening a directory says of a file or link. */
static bool is_something_else(int why)
{
    return why == ENOTDIR || why == ELOOP;
}

static bool may_be_made(int why, u32 replaces)
{
    return why == ENOENT || why == EACCES || (replaces > 0 && is_something_else(why));
}

/* Opens the child `name` of *fd, made if it is missing, or if something else is there that it
 * replaces, and moves *fd there. */
static int step_down(struct dir_token *token, int *fd, const char *name, bool replaces,
                     struct err *err)
{
    bool tried = false;
    char staged[STAGED_NAME_SIZE], shown[SHOWN_SIZE];

    for (;;) {
        int child = dir_open_beneath(*fd, name, O_PATH | O_DIRECTORY), usable;

        if (child >= 0) {
            close(*fd);
            *fd = child;
            return 0;
        }
        if (errno == ENOENT || (replaces && is_something_else(errno))) {
            dir_staged_name('p', token->made++, staged);
            if (dir_make_below(token, staged, *fd, name, replaces, err) >= 0)
                continue;
            if (err->sys_errno != EACCES)
                return -1;
        } else if (errno != EACCES) {
            return err_errno(err, errno, "enter directory \"%s\"",
                             dir_shown(bytes_text(name), shown));
        }
        /* our own directory, but without the rights for ourselves: they are taken, once */
        usable = tried ? 0 : dir_make_usable(token, *fd, err);
        if (usable < 0)
            return -1;
        if (usable == 0)
            return err_errno(err, EACCES, "enter or make directory \"%s\"",
                             dir_shown(bytes_text(name), shown));
        tried = true;
    }
}

/* An O_PATH descriptor of `path`, with what was missing made; -1 with err. */
static int make_path(struct dir_token *token, struct bytes path, u32 replaces, struct err *err)
{
    struct dir_asset *asset = dir_asset_of_token(token);
    struct bytes there = path;
    char name[NAME_BYTES + 1];
    u32 number;
    int fd;

    while ((fd = dir_walk(asset, there, O_PATH | O_DIRECTORY)) < 0) {
        if (!may_be_made(errno, replaces) || there.size == 0)
            return err_errno(err, errno, "open");
        there = parent_of(there);
    }
    number = components(there);
    while (there.size < path.size) {
        size_t start = there.size ? there.size + 1 : 0, end = start;

        while (end < path.size && path.data[end] != '/')
            end++;
        if (dir_name(bytes_of(path.data + start, end - start), name, err) < 0 ||
            step_down(token, &fd, name, ++number == replaces, err) < 0) {
            close(fd);
            return -1;
        }
        there.size = end;
    }
    return fd;
}

/* Sees to it that its owner may use the directory, and reopens it for listing too. Takes `fd`. */
static int reopen(struct dir_token *token, int fd, struct err *err)
{
    int readable;

    if (dir_asset_of_token(token)->uid != 0 && dir_make_usable(token, fd, err) < 0) {
        close(fd);
        return -1;
    }
    readable = dir_open_beneath(fd, ".", O_RDONLY | O_DIRECTORY);
    if (readable < 0) /* somebody else's, writable but not readable: enough to publish into */
        return fd;
    close(fd);
    return readable;
}

int dir_publish_directory(struct asset_token *token, struct bytes path, u32 replaces,
                          struct asset_directory **out, struct err *err)
{
    struct dir_token *self = (struct dir_token *)token;
    char shown[SHOWN_SIZE];
    int fd;

    if (!path_is_valid(path))
        return err_set(err, ERR_InvalidPath, "\"%s\": not a path below the root",
                       dir_shown(path, shown));
    if (path_is_within(path, bytes_text(STAGING_NAME)))
        return err_set(err, ERR_ReservedName, "\"%s\": the name is reserved",
                       dir_shown(path, shown));
    fd = dir_walk(dir_asset_of(token->asset), path, O_PATH | O_DIRECTORY);
    if (fd < 0 && may_be_made(errno, replaces))
        fd = make_path(self, path, replaces, err);
    else if (fd < 0)
        err_errno(err, errno, "open");
    if (fd >= 0)
        fd = reopen(self, fd, err);
    if (fd < 0) {
        if (err->code == ERR_NotADirectory || err->code == ERR_SymlinkInPath)
            err->code = ERR_Occupied;
        return err_context(err, "directory \"%s\" to publish into", dir_shown(path, shown));
    }
    *out = dir_directory_new(token->asset, fd, path.size == 0);
    return 0;
}
