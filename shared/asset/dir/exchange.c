/* exchange.c: a directory takes the place of something else, or something else that of a directory.
 *
 * How: RENAME_EXCHANGE with the staged object, so that the name is never absent; what made way is
 * looked at in the token's directory, where nobody else changes it, and removed there, or exchanged
 * back if it is not what may be removed. A revoked token has nothing left to exchange. Filesystems
 * without exchange: what is there is renamed into the token first, and the name is absent for a
 * moment. */
#include "asset/dir/dir.h"

#include <errno.h>
#include <stdio.h>

static bool cannot(int why)
{
    return why == EINVAL || why == ENOSYS || why == ENOTSUP;
}

int dir_rename_new(int from, const char *from_name, int to, const char *to_name)
{
    struct attributes there;

    if (renameat2(from, from_name, to, to_name, RENAME_NOREPLACE) == 0)
        return 0;
    if (!cannot(errno))
        return -1;
    if (dir_stat(to, to_name, &there) == 0) {
        errno = EEXIST;
        return -1;
    }
    return renameat(from, from_name, to, to_name);
}

/* True if unlink refused `name` because it is a directory. */
static bool is_directory(int fd, const char *name)
{
    struct attributes there;

    return dir_stat(fd, name, &there) == 0 && there.kind == KIND_directory;
}

static int failed(const struct dir_token *token, int why, struct err *err)
{
    if (why == ENOENT && !dir_token_alive(token))
        return dir_revoked(token, err);
    return dir_explain_rename(why, err);
}

static int not_empty(struct err *err)
{
    return err_set(err, ERR_NotEmpty, "the directory there is not empty");
}

/* What made way, and now is `aside` in the token, goes: 1; 0 if it is not what may go. */
static int drop(const struct dir_token *token, const char *aside, bool directory, struct err *err)
{
    if (unlinkat(token->fd, aside, 0) == 0 || errno == ENOENT)
        return 1;
    if (!is_directory(token->fd, aside))
        return err_errno(err, errno, "remove what was replaced");
    if (!directory)
        return 0;
    if (unlinkat(token->fd, aside, AT_REMOVEDIR) == 0 || errno == ENOENT)
        return 1;
    if (errno == ENOTEMPTY || errno == EEXIST)
        return 0;
    return err_errno(err, errno, "remove the directory that was replaced");
}

/* Without exchange: the same in two steps. */
static int replace_in_two_steps(const struct dir_token *token, const char *staged, int fd,
                                const char *name, bool directory, struct err *err)
{
    char aside[STAGED_NAME_SIZE + 1];
    int dropped;

    snprintf(aside, sizeof aside, "o%s", staged);
    if (dir_rename_new(fd, name, token->fd, aside) < 0)
        return failed(token, errno, err);
    dropped = drop(token, aside, directory, err);
    if (dropped != 1) {
        if (dir_rename_new(token->fd, aside, fd, name) < 0)
            return err_errno(err, errno, "put back what was to make way");
        return dropped;
    }
    if (dir_rename_new(token->fd, staged, fd, name) < 0)
        return failed(token, errno, err);
    return 1;
}

/* 1 = done, 0 = what is there may not go and stays, -1. */
static int replace(const struct dir_token *token, const char *staged, int fd, const char *name,
                   bool directory, struct err *err)
{
    int dropped;

    if (renameat2(token->fd, staged, fd, name, RENAME_EXCHANGE) < 0) {
        if (cannot(errno))
            return replace_in_two_steps(token, staged, fd, name, directory, err);
        if (errno != ENOENT)
            return failed(token, errno, err);
        /* what was there is gone, or the token is */
        return dir_rename_new(token->fd, staged, fd, name) == 0 ? 1 : failed(token, errno, err);
    }
    dropped = drop(token, staged, directory, err);
    if (dropped != 1 && renameat2(token->fd, staged, fd, name, RENAME_EXCHANGE) < 0)
        return err_errno(err, errno, "put back what was to make way");
    return dropped;
}

int dir_replace_by_directory(const struct dir_token *token, const char *staged, int fd,
                             const char *name, struct err *err)
{
    return replace(token, staged, fd, name, false, err);
}

/* 1 = yes, 0 = no, -1 with err. */
static int is_empty(int fd, const char *name, struct err *err)
{
    u8 entries[1024] __attribute__((aligned(8)));
    int empty = 1, directory = dir_open_beneath(fd, name, O_RDONLY | O_DIRECTORY);
    ssize_t size = 0;

    if (directory < 0)
        return err_errno(err, errno, "open the directory there");
    while (empty == 1 && (size = dir_getdents(directory, entries, sizeof entries)) > 0) {
        for (ssize_t at = 0; at < size;) {
            const struct linux_dirent *entry = (const void *)(entries + at);

            empty = empty && dir_is_dot(entry->d_name);
            at += entry->d_reclen;
        }
    }
    if (size < 0)
        empty = err_errno(err, errno, "list the directory there");
    close(directory);
    return empty;
}

int dir_replace_directory(const struct dir_token *token, const char *staged, int fd,
                          const char *name, struct err *err)
{
    /* asked first, so that a directory with something in it never is in the token: whoever dies
     * there leaves it to be emptied */
    int empty = is_empty(fd, name, err), done;

    if (empty < 0)
        return -1;
    done = empty ? replace(token, staged, fd, name, true, err) : 0;
    if (done < 0)
        return -1;
    return done == 1 ? 0 : not_empty(err);
}
