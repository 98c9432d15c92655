/* attributes.c: owner, mode and time, before publishing and in place.
 *
 * How: always chown, then chmod (chown takes setuid away), then times, and only what differs.
 * Objects that are in place already are held by an O_PATH descriptor: it needs no right to read
 * them, opens no FIFO and no device, and follows nothing; chmod goes through its name in /proc, as
 * the call on the descriptor itself is refused. Changes in place hold the token's lock (revoke.c).
 */
#include "asset/dir/dir.h"

#include <errno.h>
#include <stdio.h>

#include "base/names.h"

struct timespec dir_timespec(s64 ns)
{
    s64 seconds = ns / NS_PER_S, rest = ns % NS_PER_S;

    if (rest < 0) { /* before 1970: nanoseconds count forward all the same */
        seconds--;
        rest += NS_PER_S;
    }
    return (struct timespec){.tv_sec = seconds, .tv_nsec = rest};
}

int dir_chmod_path(int fd, u32 mode)
{
    char path[32];

    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return chmod(path, mode);
}

static int change_owner(int fd, const char *name, uid_t uid, gid_t gid)
{
    return fchownat(fd, name, uid, gid, AT_SYMLINK_NOFOLLOW | (name[0] ? 0 : AT_EMPTY_PATH));
}

int dir_set_owner(int fd, const char *name, const struct attributes *now,
                  const struct attributes *wanted, u32 *mode, u32 *not_kept)
{
    bool uid = now->uid != wanted->uid, gid = now->gid != wanted->gid;

    if (!uid && !gid)
        return 0;
    if (change_owner(fd, name, uid ? wanted->uid : (uid_t)-1, gid ? wanted->gid : (gid_t)-1) == 0)
        return 0;
    if (errno != EPERM &&
        errno != EINVAL) /* EINVAL: an id that this user namespace does not have */
        return -1;
    *not_kept |= NOT_KEPT_OWNER;
    if (uid && gid && change_owner(fd, name, (uid_t)-1, wanted->gid) == 0)
        gid = false; /* the group alone, if we are in it */
    /* a program must not run as, or with the group of, whoever happens to have copied it */
    if (uid)
        *mode &= ~(u32)S_ISUID;
    if (gid && wanted->kind == KIND_file)
        *mode &= ~(u32)S_ISGID;
    return 0;
}

/* Sets what differs on an O_PATH descriptor. */
static int set_in_place(int fd, const struct attributes *wanted, bool times, u32 *not_kept,
                        struct err *err)
{
    u32 mode = wanted->mode;
    struct attributes now;

    if (dir_stat(fd, "", &now) < 0)
        return err_errno(err, errno, "stat");
    if (now.kind != wanted->kind)
        return err_set(err, ERR_Occupied, "it is a %s by now", kind_name(now.kind));
    if (now.kind == KIND_file && now.links > 1)
        return err_set(err, ERR_Occupied, "it has %u links, and all would change", now.links);
    if (dir_set_owner(fd, "", &now, wanted, &mode, not_kept) < 0)
        return err_errno(err, errno, "set the owner");
    if (now.kind != KIND_symlink &&
        (now.mode != mode || now.uid != wanted->uid || now.gid != wanted->gid) &&
        dir_chmod_path(fd, mode) < 0)
        return err_errno(err, errno, "set the mode");
    if (times && now.mtime_ns != wanted->mtime_ns) {
        struct timespec set[2] = {{.tv_nsec = UTIME_OMIT}, dir_timespec(wanted->mtime_ns)};

        if (utimensat(fd, "", set, AT_EMPTY_PATH) < 0)
            return err_errno(err, errno, "set the time");
    }
    return 0;
}

int dir_set_attributes(struct asset_token *token, struct asset_directory *directory,
                       struct bytes name, const struct wanted *wanted, u32 *not_kept,
                       struct err *err)
{
    struct dir_token *self = (struct dir_token *)token;
    char text[NAME_BYTES + 1], shown[SHOWN_SIZE];
    int fd, result;

    if (dir_name(name, text, err) < 0 || dir_lock(self, err) < 0)
        return -1;
    fd = openat(((struct dir_directory *)directory)->fd, text, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        result = err_errno(err, errno, "open");
    } else {
        result = set_in_place(fd, &wanted->attributes, false, not_kept, err);
        close(fd);
    }
    dir_unlock(self);
    return result < 0 ? err_context(err, "attributes of \"%s\"", dir_shown(name, shown)) : 0;
}

int dir_set_directory_attributes(struct asset_token *token, struct bytes path,
                                 const struct wanted *wanted, u32 *not_kept, struct err *err)
{
    struct dir_token *self = (struct dir_token *)token;
    char shown[SHOWN_SIZE];
    int fd, result;

    if (!path_is_valid(path))
        return err_set(err, ERR_InvalidPath, "\"%s\": not a path below the root",
                       dir_shown(path, shown));
    if (dir_lock(self, err) < 0)
        return -1;
    fd = dir_walk(dir_asset_of(token->asset), path, O_PATH | O_DIRECTORY);
    if (fd < 0) {
        result = err_errno(err, errno, "open");
    } else {
        result = set_in_place(fd, &wanted->attributes, true, not_kept, err);
        close(fd);
    }
    dir_unlock(self);
    return result < 0 ? err_context(err, "attributes of directory \"%s\"", dir_shown(path, shown))
                      : 0;
}

int dir_set_root_attributes(struct asset *asset, const struct wanted *wanted, u32 *not_kept,
                            struct err *err)
{
    int fd = dir_open_beneath(dir_asset_of(asset)->root, ".", O_PATH | O_DIRECTORY), result;

    if (fd < 0)
        return err_errno(err, errno, "open the root");
    result = set_in_place(fd, &wanted->attributes, true, not_kept, err);
    close(fd);
    return result < 0 ? err_context(err, "attributes of the root") : 0;
}

int dir_make_usable(struct dir_token *token, int fd, struct err *err)
{
    struct attributes now;
    int result = 0;

    if (dir_stat(fd, "", &now) < 0)
        return err_errno(err, errno, "stat a directory");
    if (now.uid != dir_asset_of_token(token)->uid || (now.mode & 0700) == 0700)
        return 0;
    if (dir_lock(token, err) < 0)
        return -1;
    result = dir_chmod_path(fd, now.mode | 0700) < 0
                 ? err_errno(err, errno, "make a directory writable")
                 : 1;
    dir_unlock(token);
    return result;
}
