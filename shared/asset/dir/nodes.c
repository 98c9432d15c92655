/* nodes.c: staged FIFOs, devices, and names more of objects that are in place.
 *
 * How: a node is made like a staged file, 0600 and our own, and never opened but as O_PATH. A name
 * more is a link made in the token's directory; whether it is of the object that was meant is asked
 * of the link itself, as the name may have changed hands before. */
#include "asset/dir/dir.h"

#include <errno.h>
#include <stdio.h>

static bool is_node(enum object_kind kind)
{
    return kind == KIND_fifo || kind == KIND_character_device || kind == KIND_block_device;
}

static int check_node(const struct dir_token *token, u32 index, const struct attributes *now,
                      struct err *err)
{
    if (is_node(now->kind) && now->uid == dir_asset_of_token(token)->uid && now->mode == 0600 &&
        now->links == 1)
        return 0;
    return err_set(err, ERR_StagedChanged, "staged copy %u: a %s, owner %u, mode %04o, %u links",
                   index, kind_name(now->kind), now->uid, now->mode, now->links);
}

int dir_stage_node(struct asset_token *token, u32 index, enum object_kind kind, u64 rdev,
                   struct staged_version *out, struct err *err)
{
    struct dir_token *self = (struct dir_token *)token;
    mode_t type = kind == KIND_fifo ? S_IFIFO : kind == KIND_character_device ? S_IFCHR : S_IFBLK;
    dev_t device = kind == KIND_fifo ? 0 : (dev_t)rdev;
    char name[STAGED_NAME_SIZE];
    struct attributes now;
    int made;

    if (!is_node(kind))
        return err_set(err, ERR_UnsupportedKind, "stage node %u: a %s is none", index,
                       kind_name(kind));
    dir_staged_name('\0', index, name);
    do
        made = mknodat(self->fd, name, type | 0600, device);
    while (made < 0 && errno == EEXIST && (unlinkat(self->fd, name, 0) == 0 || errno == ENOENT));
    if (made == 0 && dir_stat(self->fd, name, &now) == 0) {
        *out = dir_version_of(&now);
        return 0;
    }
    if (errno == ENOENT)
        return dir_revoked(self, err);
    if (errno == EPERM && kind != KIND_fifo)
        return err_set(err, ERR_AccessDenied, "make a %s: devices need privilege", kind_name(kind));
    err_errno(err, errno, "make a %s", kind_name(kind));
    if (err->sys_errno == EPERM || err->sys_errno == EINVAL || err->sys_errno == ENOTSUP)
        err->code = ERR_UnsupportedKind; /* the filesystem has no such thing */
    return -1;
}

int dir_staged_node_descriptor(const struct dir_token *token, u32 index, struct attributes *out,
                               struct err *err)
{
    char name[STAGED_NAME_SIZE];
    int fd;

    dir_staged_name('\0', index, name);
    fd = openat(token->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return err_errno(err, errno, "open staged node %u", index);
    if (dir_stat(fd, "", out) < 0)
        err_errno(err, errno, "stat staged node %u", index);
    else if (check_node(token, index, out, err) == 0)
        return fd;
    close(fd);
    return -1;
}

int dir_staged_node(struct asset_token *token, u32 index, enum object_kind *kind, u64 *rdev,
                    struct staged_version *version, struct err *err)
{
    struct dir_token *self = (struct dir_token *)token;
    char name[STAGED_NAME_SIZE];
    struct attributes now;

    dir_staged_name('\0', index, name);
    if (dir_stat(self->fd, name, &now) < 0)
        return errno == ENOENT ? dir_staged_missing(self, index, err)
                               : err_errno(err, errno, "stat staged node %u", index);
    if (check_node(self, index, &now, err) < 0)
        return -1;
    *kind = now.kind;
    *rdev = now.rdev;
    *version = dir_version_of(&now);
    return 0;
}

/* ---- names more ---- */

static int explain_link(const struct dir_token *token, int why, struct err *err)
{
    if (why == ENOENT)
        return dir_token_alive(token) ? err_errno(err, why, "link") : dir_revoked(token, err);
    err_errno(err, why, "link");
    if (why == EMLINK || why == ENOTSUP)
        err->code = ERR_HardLinkNotKept;
    return -1;
}

int dir_stage_hard_link(struct asset_token *token, u32 index, struct asset_directory *directory,
                        struct bytes name, u64 inode, struct err *err)
{
    struct dir_token *self = (struct dir_token *)token;
    int from = ((struct dir_directory *)directory)->fd, made, result = 0;
    char text[NAME_BYTES + 1], staged[STAGED_NAME_SIZE], shown[SHOWN_SIZE];
    struct attributes now;

    if (dir_name(name, text, err) < 0)
        return -1;
    dir_staged_name('\0', index, staged);
    /* asked first as well: a link leaves its trace on the object, and another's is not to have one
     */
    if (dir_stat(from, text, &now) == 0 && now.inode != inode)
        return err_set(err, ERR_Changed, "link to \"%s\": it is another object by now",
                       dir_shown(name, shown));
    do
        made = linkat(from, text, self->fd, staged, 0);
    while (made < 0 && errno == EEXIST && (unlinkat(self->fd, staged, 0) == 0 || errno == ENOENT));
    if (made < 0) {
        result = explain_link(self, errno, err);
    } else if (dir_stat(self->fd, staged, &now) < 0) {
        result = explain_link(self, errno, err);
    } else if (now.inode != inode) {
        unlinkat(self->fd, staged, 0);
        result = err_set(err, ERR_Changed, "it is another object by now");
    }
    return result < 0 ? err_context(err, "link to \"%s\"", dir_shown(name, shown)) : 0;
}

/* The link is not there, or no more: published before, revoked, or gone for another reason. */
static int explain_missing(const struct dir_token *token, u32 index, u64 inode, int fd,
                           const char *name, struct err *err)
{
    char staged[STAGED_NAME_SIZE];
    struct attributes there;

    if (dir_stat(fd, name, &there) == 0 && there.inode == inode)
        return 0;
    dir_staged_name('\0', index, staged);
    if (dir_token_alive(token) && dir_stat(token->fd, staged, &there) == 0)
        return err_set(err, ERR_IoError, "the directory at the destination vanished");
    return dir_staged_missing(token, index, err);
}

/* The step that others see. */
static int rename_link(struct dir_token *token, u32 index, u64 inode, bool over_directory, int fd,
                       const char *name, struct err *err)
{
    char staged[STAGED_NAME_SIZE];

    dir_staged_name('\0', index, staged);
    if (token->base.asset->before_publish)
        token->base.asset->before_publish(token->base.asset->before_publish_context);
    if (renameat(token->fd, staged, fd, name) == 0) {
        /* a rename over another name of the same object does nothing and leaves both */
        unlinkat(token->fd, staged, 0);
        return 0;
    }
    if (errno == EISDIR && over_directory) {
        if (dir_replace_directory(token, staged, fd, name, err) == 0)
            return 0;
        if (err->sys_errno != ENOENT)
            return -1;
        errno = ENOENT;
    }
    return errno == ENOENT ? explain_missing(token, index, inode, fd, name, err)
                           : dir_explain_rename(errno, err);
}

int dir_publish_hard_link(struct asset_token *token, u32 index, u64 inode, bool over_directory,
                          struct asset_directory *directory, struct bytes name, struct err *err)
{
    struct dir_token *self = (struct dir_token *)token;
    struct dir_directory *into = (struct dir_directory *)directory;
    char text[NAME_BYTES + 1], staged[STAGED_NAME_SIZE], shown[SHOWN_SIZE];
    struct attributes now;
    int result = 0;

    if (dir_name(name, text, err) < 0 || dir_refuse_reserved(into, text, err) < 0)
        return -1;
    dir_staged_name('\0', index, staged);
    if (dir_stat(self->fd, staged, &now) < 0) {
        result = errno == ENOENT ? explain_missing(self, index, inode, into->fd, text, err)
                                 : err_errno(err, errno, "stat staged link %u", index);
    } else if (now.inode != inode) {
        result = err_set(err, ERR_StagedChanged, "staged link %u is of another object", index);
    } else {
        result = rename_link(self, index, inode, over_directory, into->fd, text, err);
    }
    return result < 0 ? err_context(err, "publish link \"%s\"", dir_shown(name, shown)) : 0;
}
