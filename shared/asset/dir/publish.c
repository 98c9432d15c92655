/* publish.c: what was proven becomes visible, by one rename.
 *
 * How: the staged copy is opened, must be the version that was proven, gets owner, mode and time by
 * its descriptor, and is renamed out of the token's directory. For a small file these are six
 * system calls: open, statx, chmod, utimens, rename, close (chown where the owner differs). The
 * rename is the only step that others see, and the one that a revoked token cannot make. */
#include "asset/dir/dir.h"

#include <errno.h>
#include <stdio.h>

static int require_version(u32 index, const struct attributes *now,
                           const struct staged_version *version, struct err *err)
{
    if (now->inode == version->inode && now->size == version->size &&
        now->ctime_ns == version->ctime_ns)
        return 0;
    return err_set(
        err, ERR_StagedChanged,
        "staged copy %u is not what was proven (inode %llu, %llu bytes; proven: %llu, %llu)", index,
        (unsigned long long)now->inode, (unsigned long long)now->size,
        (unsigned long long)version->inode, (unsigned long long)version->size);
}

static struct dir_object object_of(const struct dir_token *token, int fd, const char *name)
{
    return (struct dir_object){
        .fd = fd, .name = name, .privileged = dir_asset_of_token(token)->uid == 0};
}

/* Checks and dresses a staged file or node. */
static int prepare(struct dir_token *token, u32 index, const struct staged_version *version,
                   const struct wanted *wanted, u32 *not_kept, struct err *err)
{
    bool is_file = wanted->attributes.kind == KIND_file;
    struct dir_object object;
    struct attributes now;
    int fd = is_file ? dir_staged_descriptor(token, index, O_RDONLY, &now, err)
                     : dir_staged_node_descriptor(token, index, &now, err);
    int result = -1;

    if (fd < 0)
        return -1;
    object = object_of(token, fd, "");
    object.is_path = !is_file;
    if (now.kind != wanted->attributes.kind)
        err_set(err, ERR_StagedChanged, "staged copy %u is a %s", index, kind_name(now.kind));
    else if (require_version(index, &now, version, err) == 0)
        result = dir_dress(&object, &now, wanted, DRESS_NEW, not_kept, err) < 0
                     ? err_context(err, "staged copy %u", index)
                     : 0;
    close(fd);
    return result;
}

/* The same for a link, which no descriptor can be had of that all calls take: by its name in our
 * private directory, and looked at again afterwards. */
static int prepare_link(struct dir_token *token, u32 index, const struct staged_version *version,
                        const struct wanted *wanted, u32 *not_kept, struct err *err)
{
    char name[STAGED_NAME_SIZE];
    struct dir_object object = object_of(token, token->fd, name);
    struct attributes now;

    dir_staged_name('\0', index, name);
    if (dir_staged_link_check(token, index, &now, err) < 0 ||
        require_version(index, &now, version, err) < 0)
        return -1;
    if (dir_dress(&object, &now, wanted, DRESS_NEW, not_kept, err) < 0)
        return err_context(err, "staged link %u", index);
    if (dir_stat(token->fd, name, &now) < 0)
        return err_errno(err, errno, "stat staged link %u", index);
    if (now.kind != KIND_symlink || now.inode != version->inode)
        return err_set(err, ERR_StagedChanged, "staged link %u was replaced", index);
    return 0;
}

/* After ENOENT: published before (the order came twice), revoked, or gone for another reason. */
static int explain_missing(struct dir_token *token, u32 index, const struct staged_version *version,
                           enum object_kind kind, int fd, const char *name, struct err *err)
{
    char staged[STAGED_NAME_SIZE];
    struct attributes there;

    if (dir_stat(fd, name, &there) == 0 && there.kind == kind && there.inode == version->inode &&
        there.size == version->size)
        return 0;
    dir_staged_name('\0', index, staged);
    if (dir_token_alive(token) && dir_stat(token->fd, staged, &there) == 0)
        return err_set(err, ERR_IoError, "the directory at the destination vanished");
    return dir_staged_missing(token, index, err);
}

int dir_explain_rename(int why, struct err *err)
{
    err_errno(err, why, "rename into place");
    if (why == EISDIR || why == ENOTEMPTY || why == EEXIST)
        err->code = ERR_Occupied;
    else if (why == EBUSY) /* something is mounted on the name */
        err->code = ERR_CrossDevice;
    return -1;
}

int dir_refuse_reserved(const struct dir_directory *directory, const char *name, struct err *err)
{
    if (directory->is_root && strcmp(name, STAGING_NAME) == 0)
        return err_set(err, ERR_ReservedName, "the name " STAGING_NAME " is reserved");
    return 0;
}

/* The step that others see. */
static int rename_into_place(struct dir_token *token, u32 index,
                             const struct staged_version *version, enum object_kind kind,
                             bool over_directory, int fd, const char *name, struct err *err)
{
    char staged[STAGED_NAME_SIZE];

    dir_staged_name('\0', index, staged);
    if (token->base.asset->before_publish)
        token->base.asset->before_publish(token->base.asset->before_publish_context);
    if (renameat(token->fd, staged, fd, name) == 0)
        return 0;
    if (errno == EISDIR && over_directory) {
        if (dir_replace_directory(token, staged, fd, name, err) == 0)
            return 0;
        if (err->sys_errno != ENOENT)
            return -1;
        errno = ENOENT;
    }
    return errno == ENOENT ? explain_missing(token, index, version, kind, fd, name, err)
                           : dir_explain_rename(errno, err);
}

int dir_publish(struct asset_token *token, u32 index, const struct staged_version *version,
                const struct wanted *wanted, bool over_directory, struct asset_directory *directory,
                struct bytes name, u32 *not_kept, struct err *err)
{
    struct dir_token *self = (struct dir_token *)token;
    struct dir_directory *into = (struct dir_directory *)directory;
    enum object_kind kind = wanted->attributes.kind;
    char text[NAME_BYTES + 1], shown[SHOWN_SIZE];
    int result;

    if (dir_name(name, text, err) < 0 || dir_refuse_reserved(into, text, err) < 0)
        return -1;
    result = kind == KIND_symlink ? prepare_link(self, index, version, wanted, not_kept, err)
                                  : prepare(self, index, version, wanted, not_kept, err);
    if (result < 0 && err->sys_errno == ENOENT)
        result = explain_missing(self, index, version, kind, into->fd, text, err);
    else if (result == 0)
        result = rename_into_place(self, index, version, kind, over_directory, into->fd, text, err);
    return result < 0 ? err_context(err, "publish \"%s\"", dir_shown(name, shown)) : 0;
}

int dir_publish_make(struct asset_token *token, u32 index, struct asset_directory *directory,
                     struct bytes name, bool replaces, bool *made, struct err *err)
{
    struct dir_token *self = (struct dir_token *)token;
    struct dir_directory *into = (struct dir_directory *)directory;
    char text[NAME_BYTES + 1], staged[STAGED_NAME_SIZE];
    struct attributes there;
    int result;

    if (dir_name(name, text, err) < 0 || dir_refuse_reserved(into, text, err) < 0)
        return -1;
    if (dir_stat(into->fd, text, &there) == 0 && there.kind == KIND_directory)
        return 0;
    dir_staged_name('d', index, staged);
    result = dir_make_below(self, staged, into->fd, text, replaces, err);
    *made = result == 1;
    return result < 0 ? -1 : 0;
}
