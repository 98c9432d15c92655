/* remove.c: what only the destination has goes.
 *
 * How: a rename into the token's directory, and what came there is looked at again before it is
 * unlinked: somebody may have put another object in its place a moment before, which goes back. A
 * directory is never renamed, as it could be full by then: rmdir, under the token's lock, which
 * refuses by itself what is not empty. */
#include "asset/dir/dir.h"

#include <errno.h>

static int changed(struct err *err)
{
    return err_set(err, ERR_Changed, "it is another object by now");
}

static int gone_or_revoked(const struct dir_token *token, struct err *err)
{
    if (!dir_token_alive(token))
        return dir_revoked(token, err);
    return err_errno(err, ENOENT, "look at it");
}

static int require(const struct dir_token *token, int fd, const char *name,
                   const struct attributes *expected, struct err *err)
{
    struct attributes now;

    if (dir_stat(fd, name, &now) < 0)
        return errno == ENOENT ? gone_or_revoked(token, err) : err_errno(err, errno, "look at it");
    if (now.kind != expected->kind || now.inode != expected->inode)
        return changed(err);
    if (now.kind != KIND_directory &&
        (expected->links > 1 ? now.size != expected->size || now.mtime_ns != expected->mtime_ns
                             : now.ctime_ns != expected->ctime_ns))
        return err_set(err, ERR_Changed, "it was changed meanwhile");
    return 0;
}

static int remove_directory(struct dir_token *token, int fd, const char *name,
                            const struct attributes *expected, struct err *err)
{
    int result;

    if (dir_lock(token, err) < 0)
        return -1;
    result = require(token, fd, name, expected, err);
    if (result == 0 && unlinkat(fd, name, AT_REMOVEDIR) < 0) {
        result = err_errno(err, errno, "remove the directory");
        if (err->sys_errno == ENOTEMPTY || err->sys_errno == EEXIST)
            err->code = ERR_NotEmpty;
        else if (err->sys_errno == ENOTDIR)
            result = changed(err);
        else if (err->sys_errno == EBUSY)
            err->code = ERR_CrossDevice;
    }
    dir_unlock(token);
    return result;
}

static int explain_rename(const struct dir_token *token, int why, struct err *err)
{
    if (why == ENOENT)
        return gone_or_revoked(token, err);
    err_errno(err, why, "rename it into staging");
    if (why == EBUSY)
        err->code = ERR_CrossDevice;
    return -1;
}

/* What was renamed is not what was meant. */
static int give_back(const struct dir_token *token, const char *staged, int fd, const char *name,
                     struct err *err)
{
    if (dir_rename_new(token->fd, staged, fd, name) < 0)
        return err_errno(err, errno, "put back another object that had taken its place");
    return changed(err);
}

static int remove_other(const struct dir_token *token, u32 index, int fd, const char *name,
                        const struct attributes *expected, struct err *err)
{
    struct asset *asset = token->base.asset;
    char staged[STAGED_NAME_SIZE];
    struct attributes now;
    int renamed;

    if (require(token, fd, name, expected, err) < 0)
        return -1;
    dir_staged_name('r', index, staged);
    if (asset->before_publish)
        asset->before_publish(asset->before_publish_context);
    do /* what is there of an earlier try was to be removed as well */
        renamed = dir_rename_new(fd, name, token->fd, staged);
    while (renamed < 0 && errno == EEXIST &&
           (unlinkat(token->fd, staged, 0) == 0 || errno == ENOENT));
    if (renamed < 0)
        return explain_rename(token, errno, err);
    if (dir_stat(token->fd, staged, &now) < 0)
        return errno == ENOENT ? 0 /* a revoker removed it: the rename came before */
                               : err_errno(err, errno, "look at what is to be removed");
    if (now.kind != expected->kind || now.inode != expected->inode)
        return give_back(token, staged, fd, name, err);
    if (unlinkat(token->fd, staged, 0) < 0 && errno != ENOENT)
        return err_errno(err, errno, "remove it from staging");
    return 0;
}

int dir_remove(struct asset_token *token, u32 index, struct asset_directory *directory,
               struct bytes name, const struct attributes *expected, struct err *err)
{
    struct dir_token *self = (struct dir_token *)token;
    struct dir_directory *from = (struct dir_directory *)directory;
    char text[NAME_BYTES + 1], shown[SHOWN_SIZE];
    int result;

    if (dir_name(name, text, err) < 0 || dir_refuse_reserved(from, text, err) < 0)
        return -1;
    result = expected->kind == KIND_directory
                 ? remove_directory(self, from->fd, text, expected, err)
                 : remove_other(self, index, from->fd, text, expected, err);
    return result < 0 ? err_context(err, "remove \"%s\"", dir_shown(name, shown)) : 0;
}
