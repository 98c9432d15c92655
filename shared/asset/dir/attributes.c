/* attributes.c: owner, mode, extras and time, before publishing and in place.
 *
 * How: always in this order, and only what differs: chown (which takes setuid and capabilities
 * away); user attributes, while the mode still allows it; chmod; access control lists, whose mask
 * is part of the mode; capabilities; times. Objects that are in place already are held by an O_PATH
 * descriptor: it needs no right to read them, opens no FIFO and no device, and follows nothing;
 * chmod goes through its name in /proc, as the call on the descriptor itself is refused. Changes in
 * place hold the token's lock (revoke.c). */
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

static int change_mode(const struct dir_object *object, u32 mode)
{
    return object->is_path ? dir_chmod_path(object->fd, mode) : fchmod(object->fd, mode);
}

static int change_owner(int fd, const char *name, uid_t uid, gid_t gid)
{
    return fchownat(fd, name, uid, gid, AT_SYMLINK_NOFOLLOW | (name[0] ? 0 : AT_EMPTY_PATH));
}

/* 1 = changed, 0 = not, -1 and errno. What could not be set is told by *not_kept. */
static int set_owner(const struct dir_object *object, const struct attributes *now,
                     const struct attributes *wanted, u32 *not_kept)
{
    bool uid = now->uid != wanted->uid, gid = now->gid != wanted->gid;

    if (!uid && !gid)
        return 0;
    if (change_owner(object->fd, object->name, uid ? wanted->uid : (uid_t)-1,
                     gid ? wanted->gid : (gid_t)-1) == 0)
        return 1;
    if (errno != EPERM &&
        errno != EINVAL) /* EINVAL: an id that this user namespace does not have */
        return -1;
    *not_kept |= NOT_KEPT_OWNER;
    /* the group alone, if we are in it */
    return uid && gid && change_owner(object->fd, object->name, (uid_t)-1, wanted->gid) == 0;
}

/* The mode that it is to have: what is not preserved is left in place as it is, and of something
 * new only whether it can be run is kept. */
static u32 mode_of(const struct attributes *now, const struct wanted *wanted, bool in_place)
{
    const struct attributes *source = &wanted->attributes;

    if (wanted->preserve & PRESERVE_mode)
        return source->mode & 07777;
    if (in_place)
        return now->mode;
    return source->kind == KIND_directory || (source->kind == KIND_file && source->mode & 0111)
               ? 0755
               : 0644;
}

/* A program must not run as, or with the group of, whoever happens to have copied it. */
static u32 without_foreign_bits(u32 mode, const struct attributes *now,
                                const struct attributes *wanted)
{
    if (now->uid != wanted->uid)
        mode &= ~(u32)S_ISUID;
    if (now->gid != wanted->gid && wanted->kind == KIND_file)
        mode &= ~(u32)S_ISGID;
    return mode;
}

/* Owner and mode, and the extras in between and after: see above for the order. */
struct dressing {
    const struct dir_object *object;
    const struct wanted *wanted;
    struct attributes now;
    struct dir_extras_change extras;
    bool has_extras; /* there is something to change */
    bool chowned;
    u32 mode;
};

static int dress_owner(struct dressing *self, u32 *not_kept, struct err *err)
{
    const struct attributes *wanted = &self->wanted->attributes;

    if (self->wanted->preserve & PRESERVE_owner) {
        int changed = set_owner(self->object, &self->now, wanted, not_kept);

        if (changed < 0)
            return err_errno(err, errno, "set the owner");
        self->chowned = changed == 1;
        if (changed == 1 && !(*not_kept & NOT_KEPT_OWNER))
            self->now.uid = wanted->uid;
        if (changed == 1)
            self->now.gid = wanted->gid;
    }
    if (self->wanted->preserve & PRESERVE_mode)
        self->mode = without_foreign_bits(self->mode, &self->now, wanted);
    return 0;
}

/* To write a user attribute takes the right to write, also of the owner. */
static int dress_attributes(struct dressing *self, u32 *not_kept, struct err *err)
{
    if (!self->object->privileged && !(self->now.mode & 0200) &&
        (self->now.kind == KIND_file || self->now.kind == KIND_directory)) {
        if (change_mode(self->object, self->now.mode | 0200) < 0)
            return err_errno(err, errno, "make it writable");
        self->now.mode |= 0200;
    }
    return dir_object_set_extras(self->object, &self->extras, NOT_KEPT_XATTR, NULL, not_kept, err);
}

static int dress_mode(struct dressing *self, struct err *err)
{
    /* what chown took away comes back only if it is the source's */
    bool again = self->chowned && self->wanted->preserve & PRESERVE_mode && self->mode & 06000;

    if (self->now.kind == KIND_symlink || (self->mode == self->now.mode && !again))
        return 0;
    if (change_mode(self->object, self->mode) < 0)
        return err_errno(err, errno, "set the mode");
    return 0;
}

static int dress_lists(struct dressing *self, u32 *not_kept, struct err *err)
{
    int group;

    if (dir_object_set_extras(self->object, &self->extras, NOT_KEPT_ACL, &group, not_kept, err) < 0)
        return -1;
    /* without its list, the group's bits of the mode would give the group what its mask allows */
    if (group >= 0) {
        self->mode = (self->mode & ~070u) | (u32)group << 3;
        if (change_mode(self->object, self->mode) < 0)
            return err_errno(err, errno, "set the mode");
    }
    return dir_object_set_extras(self->object, &self->extras, NOT_KEPT_CAPABILITY, NULL, not_kept,
                                 err);
}

/* What is there of extras, where something may be, and whether it differs from what is wanted. */
static int look_at_extras(struct dressing *self, bool in_place, struct buf *there, struct err *err)
{
    u32 ignored = 0;

    if (!(self->wanted->preserve & (PRESERVE_xattrs | PRESERVE_acls)))
        return 0;
    if (in_place &&
        dir_object_extras(self->object, self->wanted->preserve, there, &ignored, err) < 0)
        return -1;
    self->extras.preserve = self->wanted->preserve;
    self->extras.from = buf_bytes(there);
    self->extras.to = self->wanted->extras;
    self->has_extras = !bytes_equal(self->extras.from, self->extras.to);
    return 0;
}

static int set_time(const struct dir_object *object, s64 mtime_ns, struct err *err)
{
    struct timespec set[2] = {{.tv_nsec = UTIME_OMIT}, dir_timespec(mtime_ns)};
    int done = object->name[0]   ? utimensat(object->fd, object->name, set, AT_SYMLINK_NOFOLLOW)
               : object->is_path ? utimensat(object->fd, "", set, AT_EMPTY_PATH)
                                 : futimens(object->fd, set);

    return done < 0 ? err_errno(err, errno, "set the time") : 0;
}

int dir_dress(const struct dir_object *object, const struct attributes *now,
              const struct wanted *wanted, enum dir_dress how, u32 *not_kept, struct err *err)
{
    bool in_place = how != DRESS_NEW;
    struct dressing self = {.object = object, .wanted = wanted, .now = *now};
    struct buf there = {0};
    int result = -1;

    self.mode = mode_of(now, wanted, in_place);
    if (dress_owner(&self, not_kept, err) < 0 || look_at_extras(&self, in_place, &there, err) < 0)
        goto done;
    if ((self.has_extras && dress_attributes(&self, not_kept, err) < 0) ||
        dress_mode(&self, err) < 0 || (self.has_extras && dress_lists(&self, not_kept, err) < 0))
        goto done;
    if (wanted->preserve & PRESERVE_times && how != DRESS_IN_PLACE &&
        (!in_place || now->mtime_ns != wanted->attributes.mtime_ns) &&
        set_time(object, wanted->attributes.mtime_ns, err) < 0)
        goto done;
    result = 0;
done:
    buf_release(&there);
    return result;
}

/* Sets what differs on an O_PATH descriptor. */
static int set_in_place(struct dir_asset *asset, int fd, const struct wanted *wanted,
                        enum dir_dress how, u32 *not_kept, struct err *err)
{
    struct dir_object object = {
        .fd = fd, .name = "", .is_path = true, .privileged = asset->uid == 0};
    struct attributes now;

    if (dir_stat(fd, "", &now) < 0)
        return err_errno(err, errno, "stat");
    if (now.kind != wanted->attributes.kind)
        return err_set(err, ERR_Occupied, "it is a %s by now", kind_name(now.kind));
    if (now.kind == KIND_file && now.links > 1)
        return err_set(err, ERR_Occupied, "it has %u links, and all would change", now.links);
    return dir_dress(&object, &now, wanted, how, not_kept, err);
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
    /* not what is mounted on the name: that lies outside */
    fd = dir_open_beneath(((struct dir_directory *)directory)->fd, text, O_PATH | O_NOFOLLOW);
    if (fd < 0) {
        result = err_errno(err, errno, "open");
    } else {
        result =
            set_in_place(dir_asset_of(token->asset), fd, wanted, DRESS_IN_PLACE, not_kept, err);
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
        result =
            set_in_place(dir_asset_of(token->asset), fd, wanted, DRESS_DIRECTORY, not_kept, err);
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
    result = set_in_place(dir_asset_of(asset), fd, wanted, DRESS_DIRECTORY, not_kept, err);
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
