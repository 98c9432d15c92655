/* walk.c: from the root to a directory, and never out of it.
 *
 * How: openat2 from the held root descriptor, and the kernel itself refuses links, magic links and
 * whatever leads out, at every component, whoever swaps directories meanwhile. Mount points are
 * refused as well (CrossDevice): what is mounted inside a tree is not part of it, and no rename
 * reaches it. A path longer than PATH_MAX is taken in pieces, each from the descriptor of the one
 * before. */
#include "asset/dir/dir.h"

#include <errno.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "base/names.h"

const char *dir_shown(struct bytes name, char out[SHOWN_SIZE])
{
    struct buf text = {0};
    size_t size;

    if (name.size > 2 * SHOWN_SIZE) /* nobody reads more, and paths may be a megabyte */
        name = bytes_of(name.data + name.size - 2 * SHOWN_SIZE, 2 * SHOWN_SIZE);
    name_escape(&text, name);
    size = text.size;
    if (size < SHOWN_SIZE) {
        memcpy(out, buf_text(&text), size + 1);
    } else { /* the end of a path says more than its beginning */
        memcpy(out, "...", 3);
        memcpy(out + 3, buf_text(&text) + size - (SHOWN_SIZE - 4), SHOWN_SIZE - 3);
    }
    buf_release(&text);
    return out;
}

int dir_name(struct bytes name, char out[NAME_BYTES + 1], struct err *err)
{
    char shown[SHOWN_SIZE];

    if (!name_is_valid(name))
        return err_set(err, ERR_InvalidPath, "\"%s\": not the name of an entry",
                       dir_shown(name, shown));
    memcpy(out, name.data, name.size);
    out[name.size] = '\0';
    return 0;
}

/* A time beyond the year 2262 does not fit and becomes the last one that does. */
static s64 ns_of(struct statx_timestamp time)
{
    s64 ns;

    if (__builtin_mul_overflow(time.tv_sec, NS_PER_S, &ns))
        return time.tv_sec < 0 ? INT64_MIN : INT64_MAX;
    if (__builtin_add_overflow(ns, (s64)time.tv_nsec, &ns))
        return INT64_MAX;
    return ns;
}

static enum object_kind kind_of_mode(u32 mode)
{
    switch (mode & S_IFMT) {
    case S_IFREG:
        return KIND_file;
    case S_IFDIR:
        return KIND_directory;
    case S_IFLNK:
        return KIND_symlink;
    case S_IFIFO:
        return KIND_fifo;
    case S_IFSOCK:
        return KIND_socket;
    case S_IFCHR:
        return KIND_character_device;
    default:
        return KIND_block_device;
    }
}

struct attributes dir_attributes_of(const struct statx *from)
{
    return (struct attributes){
        .kind = kind_of_mode(from->stx_mode),
        .mode = from->stx_mode & 07777,
        .uid = from->stx_uid,
        .gid = from->stx_gid,
        .links = from->stx_nlink,
        .size = from->stx_size,
        .allocated = from->stx_blocks * 512,
        .inode = from->stx_ino,
        .device = makedev(from->stx_dev_major, from->stx_dev_minor),
        .rdev = makedev(from->stx_rdev_major, from->stx_rdev_minor),
        .mtime_ns = ns_of(from->stx_mtime),
        .ctime_ns = ns_of(from->stx_ctime),
    };
}

int dir_stat(int fd, const char *name, struct attributes *out)
{
    struct statx now;
    int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | (name[0] ? 0 : AT_EMPTY_PATH);

    if (statx(fd, name, flags, DIR_STATX_MASK, &now) < 0)
        return -1;
    *out = dir_attributes_of(&now);
    return 0;
}

#ifdef SYNCLINE_WEAK_WALK
/* Follows whatever is there: for the test that must see somebody break out of the tree (make weak).
 */
int dir_open_beneath(int from, const char *path, int flags)
{
    return openat(from, path, flags | O_CLOEXEC);
}
#else
int dir_open_beneath(int from, const char *path, int flags)
{
    struct open_how how = {
        .flags = (u64)(flags | O_CLOEXEC),
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,
    };
    int fd;

    do /* EAGAIN: the kernel lost a race with a rename and wants to resolve again */
        fd = (int)syscall(SYS_openat2, from, path, &how, sizeof how);
    while (fd < 0 && (errno == EINTR || errno == EAGAIN));
    return fd;
}
#endif

int dir_walk(const struct dir_asset *asset, struct bytes path, int flags)
{
    char piece[PATH_MAX];
    int from = asset->root;

    if (path.size == 0)
        return dir_open_beneath(from, ".", flags);
    for (;;) {
        size_t take = path.size;
        int fd, why;

        if (take >= sizeof piece) /* the last slash that fits; names are short, so there is one */
            for (take = sizeof piece - 1; take > 0 && path.data[take] != '/'; take--)
                ;
        if (take == 0) {
            fd = -1;
            why = ENAMETOOLONG;
        } else {
            memcpy(piece, path.data, take);
            piece[take] = '\0';
            fd = dir_open_beneath(from, piece, take == path.size ? flags : O_PATH | O_DIRECTORY);
            why = errno;
        }
        if (from != asset->root)
            close(from);
        errno = why;
        if (fd < 0 || take == path.size)
            return fd;
        path = bytes_of(path.data + take + 1, path.size - take - 1);
        from = fd;
    }
}

struct asset_directory *dir_directory_new(struct asset *asset, int fd, bool is_root)
{
    struct dir_directory *directory = memory_or_die(sizeof *directory);

    directory->base.asset = asset;
    directory->fd = fd;
    directory->is_root = is_root;
    return &directory->base;
}

int dir_directory_open(struct asset *asset, struct bytes path, struct asset_directory **out,
                       struct err *err)
{
    char shown[SHOWN_SIZE];
    int fd;

    if (!path_is_valid(path))
        return err_set(err, ERR_InvalidPath, "\"%s\": not a path below the root",
                       dir_shown(path, shown));
    fd = dir_walk(dir_asset_of(asset), path, O_RDONLY | O_DIRECTORY);
    if (fd < 0)
        return err_errno(err, errno, "open directory \"%s\"", dir_shown(path, shown));
    *out = dir_directory_new(asset, fd, path.size == 0);
    return 0;
}

int dir_directory_enter(struct asset_directory *parent, struct bytes name,
                        struct asset_directory **out, struct err *err)
{
    struct dir_directory *above = (struct dir_directory *)parent;
    char text[NAME_BYTES + 1], shown[SHOWN_SIZE];
    int fd;

    if (dir_name(name, text, err) < 0)
        return -1;
    fd = dir_open_beneath(above->fd, text, O_RDONLY | O_DIRECTORY);
    if (fd < 0)
        return err_errno(err, errno, "open directory \"%s\"", dir_shown(name, shown));
    *out = dir_directory_new(parent->asset, fd, false);
    return 0;
}

void dir_directory_close(struct asset_directory *directory)
{
    struct dir_directory *self = (struct dir_directory *)directory;

    close(self->fd);
    free(self->buffer);
    free(self);
}

bool dir_is_staging(int fd, const char *name, uid_t uid)
{
    struct attributes area, marker;
    bool is = false;
    u8 entries[256];
    ssize_t size;
    int area_fd = dir_open_beneath(fd, name, O_RDONLY | O_DIRECTORY);

    if (area_fd < 0)
        return false;
    if (dir_stat(area_fd, MARKER_NAME, &marker) == 0) {
        is = marker.kind == KIND_file;
    } else if ((errno == ENOENT || errno == EACCES) && dir_stat(area_fd, "", &area) == 0 &&
               area.uid == uid && !(area.mode & 077)) {
        is = true;
        while (is && (size = dir_getdents(area_fd, entries, sizeof entries)) != 0) {
            is = size > 0;
            for (ssize_t at = 0; at < size;) {
                const struct linux_dirent *entry = (const void *)(entries + at);

                is = is && dir_is_dot(entry->d_name);
                at += entry->d_reclen;
            }
        }
    }
    close(area_fd);
    return is;
}
