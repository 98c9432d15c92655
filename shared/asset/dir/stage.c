/* stage.c: copies that nobody sees yet, and reading them back.
 *
 * How: a staged copy is named by its index in the token's directory, and made exclusively with mode
 * 0600. Whoever opens one checks that it is still our own, private and of the right type. Its
 * version (inode, size, ctime) is what the prover saw and the publisher requires. */
#include "asset/dir/dir.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

void dir_staged_name(char prefix, u32 index, char out[STAGED_NAME_SIZE])
{
    char digits[STAGED_NAME_SIZE];
    size_t at = sizeof digits;

    /* once per system call on a staged copy, so without printf */
    digits[--at] = '\0';
    do
        digits[--at] = (char)('0' + index % 10);
    while (index /= 10);
    if (prefix)
        digits[--at] = prefix;
    memcpy(out, digits + at, sizeof digits - at);
}

struct staged_version dir_version_of(const struct attributes *now)
{
    return (struct staged_version){
        .inode = now->inode, .size = now->size, .ctime_ns = now->ctime_ns};
}

struct dir_file *dir_staged_file(struct dir_token *token, int fd, u32 index)
{
    struct dir_file *file = memory_or_die(sizeof *file);

    file->base.asset = token->base.asset;
    file->fd = fd;
    file->token = token;
    file->index = index;
    return file;
}

int dir_stage_file(struct asset_token *token, u32 index, struct asset_file **out, struct err *err)
{
    struct dir_token *self = (struct dir_token *)token;
    char name[STAGED_NAME_SIZE];
    int fd;

    dir_staged_name('\0', index, name);
    do
        fd = openat(self->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    while (fd < 0 && (errno == EINTR ||
                      (errno == EEXIST && (unlinkat(self->fd, name, 0) == 0 || errno == ENOENT))));
    if (fd < 0 && errno == ENOENT)
        return dir_revoked(self, err);
    if (fd < 0)
        return err_errno(err, errno, "make staged file %s", name);
    *out = &dir_staged_file(self, fd, index)->base;
    return 0;
}

int dir_stage_write(struct asset_file *file, const void *data, size_t size, u64 offset,
                    struct err *err)
{
    struct dir_file *self = (struct dir_file *)file;
    size_t done = 0;

    while (done < size) {
        ssize_t put =
            pwrite(self->fd, (const u8 *)data + done, size - done, (off_t)(offset + done));

        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return err_errno(err, errno, "write staged file %u at %llu", self->index,
                             (unsigned long long)(offset + done));
        if (put == 0)
            return err_set(err, ERR_ShortWrite,
                           "write staged file %u at %llu: %zu bytes were not taken", self->index,
                           (unsigned long long)(offset + done), size - done);
        done += (size_t)put;
    }
    return 0;
}

int dir_stage_end(struct asset_file *file, struct staged_version *out, struct err *err)
{
    struct dir_file *self = (struct dir_file *)file;
    struct attributes now;
    int fd = self->fd;

    if (dir_stat(fd, "", &now) < 0)
        return err_errno(err, errno, "stat staged file %u", self->index);
    self->fd = -1;
    if (close(fd) < 0 && errno != EINTR) /* some filesystems tell of a failed write only here */
        return err_errno(err, errno, "close staged file %u", self->index);
    *out = dir_version_of(&now);
    free(self);
    return 0;
}

void dir_stage_abort(struct asset_file *file)
{
    struct dir_file *self = (struct dir_file *)file;

    if (self->fd >= 0)
        close(self->fd);
    dir_stage_remove(&self->token->base, self->index);
    free(self);
}

int dir_stage_link(struct asset_token *token, u32 index, struct bytes target,
                   struct staged_version *out, struct err *err)
{
    struct dir_token *self = (struct dir_token *)token;
    char name[STAGED_NAME_SIZE], text[SYMLINK_BYTES];
    struct attributes now;
    int made;

    if (target.size == 0 || memchr(target.data, '\0', target.size))
        return err_set(err, ERR_InvalidPath, "stage link %u: an empty target, or one with a NUL",
                       index);
    if (target.size >= sizeof text)
        return err_set(err, ERR_NameTooLong, "stage link %u: a target of %zu bytes", index,
                       target.size);
    memcpy(text, target.data, target.size);
    text[target.size] = '\0';
    dir_staged_name('\0', index, name);
    do
        made = symlinkat(text, self->fd, name);
    while (made < 0 && errno == EEXIST && (unlinkat(self->fd, name, 0) == 0 || errno == ENOENT));
    if (made == 0 && dir_stat(self->fd, name, &now) == 0) {
        *out = dir_version_of(&now);
        return 0;
    }
    if (errno == ENOENT)
        return dir_revoked(self, err);
    return err_errno(err, errno, "make staged link %u", index);
}

void dir_stage_remove(struct asset_token *token, u32 index)
{
    char name[STAGED_NAME_SIZE];

    dir_staged_name('\0', index, name);
    unlinkat(((struct dir_token *)token)->fd, name, 0);
}

/* ---- reading back ---- */

int dir_staged_missing(const struct dir_token *token, u32 index, struct err *err)
{
    if (!dir_token_alive(token))
        return dir_revoked(token, err);
    return err_set(err, ERR_StagedChanged, "staged copy %u is not there", index);
}

int dir_staged_descriptor(const struct dir_token *token, u32 index, int access,
                          struct attributes *out, struct err *err)
{
    char name[STAGED_NAME_SIZE];
    int fd;

    dir_staged_name('\0', index, name);
    do /* a staged file is our own, so O_NOATIME is allowed */
        fd = openat(token->fd, name, access | O_NOFOLLOW | O_NONBLOCK | O_NOATIME | O_CLOEXEC);
    while (fd < 0 && errno == EINTR);
    if (fd < 0 && (errno == ELOOP || errno == ENXIO || errno == EPERM || errno == EACCES))
        return err_set(err, ERR_StagedChanged, "staged copy %u is not a private file of ours",
                       index);
    if (fd < 0)
        return err_errno(err, errno, "open staged file %u", index);
    if (dir_stat(fd, "", out) < 0) {
        err_errno(err, errno, "stat staged file %u", index);
    } else if (out->kind != KIND_file || out->uid != dir_asset_of_token(token)->uid ||
               out->mode != 0600 || out->links > 1) {
        err_set(err, ERR_StagedChanged, "staged copy %u: owner %u, mode %04o, %u links", index,
                out->uid, out->mode, out->links);
    } else {
        return fd;
    }
    close(fd);
    return -1;
}

int dir_staged_link_check(const struct dir_token *token, u32 index, struct attributes *out,
                          struct err *err)
{
    char name[STAGED_NAME_SIZE];

    dir_staged_name('\0', index, name);
    if (dir_stat(token->fd, name, out) < 0)
        return err_errno(err, errno, "stat staged link %u", index);
    if (out->kind != KIND_symlink || out->uid != dir_asset_of_token(token)->uid || out->links > 1)
        return err_set(err, ERR_StagedChanged,
                       "staged copy %u: not a link, or owner %u, or %u links", index, out->uid,
                       out->links);
    return 0;
}

int dir_staged_open(struct asset_token *token, u32 index, bool uncached, struct asset_file **out,
                    struct staged_version *version, struct err *err)
{
    struct dir_token *self = (struct dir_token *)token;
    struct attributes now;
    struct dir_file *file;
    int fd = dir_staged_descriptor(self, index, O_RDONLY, &now, err);

    if (fd < 0)
        return err->sys_errno == ENOENT ? dir_staged_missing(self, index, err) : -1;
    file = dir_staged_file(self, fd, index);
    if (uncached)
        dir_file_uncached(&file->base);
    file->size = now.size;
    *version = dir_version_of(&now);
    *out = &file->base;
    return 0;
}

int dir_staged_link(struct asset_token *token, u32 index, struct buf *target,
                    struct staged_version *version, struct err *err)
{
    struct dir_token *self = (struct dir_token *)token;
    char name[STAGED_NAME_SIZE];
    struct attributes now;

    if (dir_staged_link_check(self, index, &now, err) < 0)
        return err->sys_errno == ENOENT ? dir_staged_missing(self, index, err) : -1;
    dir_staged_name('\0', index, name);
    if (dir_append_link(self->fd, name, target) < 0)
        return err_errno(err, errno, "read staged link %u", index);
    *version = dir_version_of(&now);
    return 0;
}
