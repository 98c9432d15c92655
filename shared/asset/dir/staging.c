/* staging.c: the staging area, the grants in it, and the handles of those who work under a grant.
 *
 * How: a grant is a directory, made here on order and never by its user. The marker tells our area
 * from a user's directory of the same name. mkdir and marker are two steps, and a process may die
 * between them: an area that is empty, private and our own is therefore taken for one as well (it
 * holds nothing that could be lost). What is made in the area inherits no access list, as the
 * area's own default list, which a root may hand down, is taken away before the first grant. */
#include "asset/dir/dir.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/xattr.h>

#include "asset/extras.h"
#include "base/clock.h"

#define AREA_ATTEMPTS 100 /* rounds against somebody who makes while we remove, or the reverse */

int dir_staging_descriptor(struct dir_asset *asset, struct err *err)
{
    struct attributes now;
    int fd = dir_open_beneath(asset->root, STAGING_NAME, O_RDONLY | O_DIRECTORY);

    if (fd < 0 && (errno == ENOTDIR || errno == ELOOP))
        return err_set(err, ERR_ReservedName, STAGING_NAME ": the name is taken by other data");
    if (fd < 0)
        return err_errno(err, errno, "open " STAGING_NAME);
    if (dir_stat(fd, "", &now) < 0) {
        err_errno(err, errno, "stat " STAGING_NAME);
    } else if (!dir_is_staging(asset->root, STAGING_NAME, asset->uid)) {
        err_set(err, ERR_ReservedName, STAGING_NAME ": the name is taken by other data");
    } else if (now.uid != asset->uid || (now.mode & 0777) != 0700) {
        err_set(err, ERR_ReservedName, STAGING_NAME ": owner %u and mode %03o, not %u and 700",
                now.uid, now.mode & 0777, asset->uid);
    } else {
        return fd;
    }
    close(fd);
    return -1;
}

/* The default list of a root may take rights of ours from what is made in it. */
static void allow_ourselves(struct dir_asset *asset)
{
    int fd = dir_open_beneath(asset->root, STAGING_NAME, O_PATH | O_DIRECTORY);
    struct attributes now;

    if (fd < 0)
        return;
    if (dir_stat(fd, "", &now) == 0 && (now.mode & 0777) != 0700 &&
        dir_is_staging(asset->root, STAGING_NAME, asset->uid) && now.uid == asset->uid &&
        !(now.mode & 077))
        dir_chmod_path(fd, 0700); /* if it fails, the check that follows says why */
    close(fd);
}

/* A root that is our own, and that its owner may not write into, is made writable until the close,
 * which gives it the mode of the source. */
static int make_root_usable(const struct dir_asset *asset)
{
    struct attributes now;

    if (asset->uid == 0 || dir_stat(asset->root, "", &now) < 0 || now.uid != asset->uid ||
        (now.mode & 0700) == 0700)
        return 0;
    return fchmod(asset->root, now.mode | 0700);
}

/* One try to have the area with its marker; NotFound if somebody removed it meanwhile. */
static int make_area(struct dir_asset *asset, s64 *now_ns, struct err *err)
{
    struct attributes marker;
    int fd = -1, file = -1, result = -1;

    if (make_root_usable(asset) < 0)
        return err_errno(err, errno, "make the root writable");
    if (mkdirat(asset->root, STAGING_NAME, 0700) < 0 && errno != EEXIST)
        return err_errno(err, errno, "make " STAGING_NAME);
    allow_ourselves(asset);
    fd = dir_staging_descriptor(asset, err);
    if (fd < 0)
        return -1;
    /* Most roots have none to hand down, some filesystems know none. Whoever made the area may have
     * died before this. */
    if (fremovexattr(fd, EXTRAS_DEFAULT_ACL) < 0 && errno != ENODATA && errno != ENOTSUP) {
        err_errno(err, errno, "remove the default access list of " STAGING_NAME);
        close(fd);
        return -1;
    }
    file = openat(fd, MARKER_NAME, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    /* Touched, its ctime is the time by the clock of the filesystem, which may be another host's.
     */
    if (file < 0 || futimens(file, NULL) < 0 || dir_stat(file, "", &marker) < 0) {
        err_errno(err, errno, "make " STAGING_NAME "/" MARKER_NAME);
    } else {
        *now_ns = marker.ctime_ns;
        result = fd;
    }
    if (file >= 0)
        close(file);
    if (result < 0)
        close(fd);
    return result;
}

static bool is_foreign(const struct token *token, const void *context)
{
    const struct token *own = context;

    return token->job != own->job || token->epoch != own->epoch;
}

int dir_staging_open(struct asset *asset, u64 job, u32 epoch, s64 *now_ns, struct err *err)
{
    struct token own = {.job = job, .epoch = epoch};
    bool clean = true;
    int fd = -1, result;

    for (u32 attempt = 0; fd < 0 && attempt < AREA_ATTEMPTS; attempt++) {
        fd = make_area(dir_asset_of(asset), now_ns, err);
        if (fd < 0 && err->code != ERR_NotFound)
            return -1;
    }
    if (fd < 0)
        return -1;
    result = dir_revoke_each(fd, is_foreign, &own, &clean, err);
    close(fd);
    return result;
}

int dir_staging_close(struct asset *asset, struct err *err)
{
    struct dir_asset *self = dir_asset_of(asset);
    int fd = dir_staging_descriptor(self, err), result = -1;
    bool clean = true;

    if (fd < 0) /* not there, or not ours to remove */
        return err->code == ERR_NotFound || err->code == ERR_ReservedName ? 0 : -1;
    /* A late grant may put a directory in meanwhile; the descriptor stays, as the marker goes
     * first. */
    for (u32 attempt = 0; attempt < AREA_ATTEMPTS; attempt++) {
        if (dir_revoke_each(fd, NULL, NULL, &clean, err) < 0)
            break;
        if (unlinkat(fd, MARKER_NAME, 0) < 0 && errno != ENOENT) {
            err_errno(err, errno, "remove " STAGING_NAME "/" MARKER_NAME);
            break;
        }
        if (unlinkat(self->root, STAGING_NAME, AT_REMOVEDIR) == 0 || errno == ENOENT) {
            result = 0;
            break;
        }
        err_errno(err, errno, "remove " STAGING_NAME);
        if (err->sys_errno != ENOTEMPTY && err->sys_errno != EEXIST)
            break;
    }
    close(fd);
    return result;
}

/* The lock file is made here, right after its directory, and nowhere else: revoke.c says why. */
static int grant_one(int area, const struct token *token, struct err *err)
{
    char name[TOKEN_NAME_SIZE];
    int fd, lock;

    token_name(token, name);
    if (mkdirat(area, name, 0700) < 0 && errno != EEXIST) /* EEXIST: the same order a second time */
        goto failed;
    fd = dir_open_beneath(area, name, O_RDONLY | O_DIRECTORY);
    if (fd < 0)
        goto failed;
    lock = openat(fd, LOCK_NAME, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    close(fd); /* leaves errno alone unless it fails, which it cannot */
    if (lock < 0 && errno != EEXIST)
        goto failed;
    if (lock >= 0)
        close(lock);
    return 0;
failed:
    if (errno == ENOENT) /* the area or the directory was removed while we made it */
        return err_set(err, ERR_Revoked, "grant %s: the staging area is closed", name);
    return err_errno(err, errno, "grant %s", name);
}

int dir_grant(struct asset *asset, const struct token *first, u32 count, struct err *err)
{
    int area = dir_staging_descriptor(dir_asset_of(asset), err), result = 0;

    if (area < 0 && err->code == ERR_NotFound)
        return err_set(err, ERR_Revoked, "grant for job %llu: there is no staging area",
                       (unsigned long long)first->job);
    if (area < 0)
        return -1;
    for (u32 i = 0; i < count && result == 0; i++) {
        struct token token = *first;

        token.sequence += i;
        result = grant_one(area, &token, err);
    }
    close(area);
    return result;
}

int dir_revoked(const struct dir_token *token, struct err *err)
{
    char name[TOKEN_NAME_SIZE];

    token_name(&token->token, name);
    return err_set(err, ERR_Revoked, "token %s was revoked", name);
}

/* A revoker removes the lock file before anything else, so this says no from its first step on. */
bool dir_token_alive(const struct dir_token *token)
{
    struct attributes lock;

    return dir_stat(token->fd, LOCK_NAME, &lock) == 0;
}

int dir_token_open(struct asset *asset, const struct token *token, struct asset_token **out,
                   struct err *err)
{
    struct dir_asset *self = dir_asset_of(asset);
    char path[sizeof STAGING_NAME + TOKEN_NAME_SIZE] = STAGING_NAME "/";
    struct dir_token *handle;
    struct attributes now;
    int fd;

    token_name(token, path + sizeof STAGING_NAME);
    fd = dir_open_beneath(self->root, path, O_RDONLY | O_DIRECTORY);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
        return err_set(err, ERR_Revoked, "token %s is not granted", path + sizeof STAGING_NAME);
    if (fd < 0)
        return err_errno(err, errno, "open %s", path);
    if (dir_stat(fd, "", &now) < 0 || now.uid != self->uid || (now.mode & 0777) != 0700) {
        close(fd);
        return err_set(err, ERR_Revoked, "token %s: its directory is not private and our own",
                       path + sizeof STAGING_NAME);
    }
    handle = memory_or_die(sizeof *handle);
    handle->base.asset = asset;
    handle->fd = fd;
    handle->lock = -1;
    handle->token = *token;
    *out = &handle->base;
    return 0;
}

void dir_token_close(struct asset_token *token)
{
    struct dir_token *self = (struct dir_token *)token;

    if (self->lock >= 0)
        close(self->lock);
    close(self->fd);
    free(self);
}

int dir_token_end(struct asset_token *token, struct err *err)
{
    struct dir_token *self = (struct dir_token *)token;
    struct token which = self->token;
    struct asset *asset = token->asset;
    bool clean = true;

    dir_token_close(token);
    return dir_revoke(asset, &which, &clean, err);
}
