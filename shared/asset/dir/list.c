/* list.c: directory streams and look-ups.
 *
 * How: getdents64 into a large buffer and one statx per entry that somebody wants to know about.
 * The position is the d_off of the last entry given, which the kernel takes back in any descriptor
 * of the same directory; no name is held longer than the buffer, so that a directory of any size
 * costs the same memory. The buffer comes with the first entry and goes with the last: a deep walk
 * holds many directories open and lists one. */
#include "asset/dir/dir.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>

#include "base/names.h"

/* Some thousand entries a call. Both sides' buffers together stay below what makes malloc give
 * memory back (128 KiB): else each small directory would cost a madvise and new pages. */
#define LIST_BUFFER (32u << 10)

ssize_t dir_getdents(int fd, void *buffer, size_t size)
{
    ssize_t got;

    do
        got = syscall(SYS_getdents64, fd, buffer, size);
    while (got < 0 && errno == EINTR);
    return got;
}

bool dir_is_dot(const char *name)
{
    return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]));
}

static void drop_buffer(struct dir_directory *self)
{
    free(self->buffer);
    self->buffer = NULL;
    self->filled = self->used = 0;
}

/* The next entry of the stream, dots and staging areas left out: 1, 0 at the end, -1. */
static int next_raw(struct dir_directory *self, const struct linux_dirent **out, struct err *err)
{
    for (;;) {
        const struct linux_dirent *entry;

        if (self->used == self->filled) {
            ssize_t got;

            if (!self->buffer)
                self->buffer = malloc(LIST_BUFFER);
            if (!self->buffer)
                return err_set(err, ERR_OutOfMemory, "list a directory: no memory for its entries");
            got = dir_getdents(self->fd, self->buffer, LIST_BUFFER);
            if (got <= 0) {
                int why = errno;

                drop_buffer(self);
                return got == 0 ? 0 : err_errno(err, why, "list a directory");
            }
            self->filled = (size_t)got;
            self->used = 0;
        }
        entry = (const void *)(self->buffer + self->used);
        self->used += entry->d_reclen;
        self->position = (u64)entry->d_off;
        if (entry->d_name[0] == '.') {
            if (dir_is_dot(entry->d_name))
                continue;
            /* at any depth: a tree may hold the destination of another synchronization */
            if (strcmp(entry->d_name, STAGING_NAME) == 0 &&
                dir_is_staging(self->fd, STAGING_NAME, dir_asset_of(self->base.asset)->uid))
                continue;
        }
        *out = entry;
        return 1;
    }
}

static enum object_kind kind_of_type(u8 type)
{
    switch (type) {
    case DT_REG:
        return KIND_file;
    case DT_DIR:
        return KIND_directory;
    case DT_LNK:
        return KIND_symlink;
    case DT_FIFO:
        return KIND_fifo;
    case DT_SOCK:
        return KIND_socket;
    case DT_CHR:
        return KIND_character_device;
    case DT_BLK:
        return KIND_block_device;
    default:
        return 0;
    }
}

/* Where none can be asked for it is the directory that cannot be listed. */
static bool may_be_entered(const struct dir_directory *self, int why)
{
    bool may = why != EACCES || faccessat(self->fd, ".", X_OK, AT_EACCESS) == 0;

    errno = why;
    return may;
}

/* An entry that cannot be asked for: some do not answer, and what a user has mounted answers nobody
 * else. It must not hide those that come after it. */
static void give_without_attributes(const struct dir_directory *self,
                                    const struct linux_dirent *entry, int why, struct entry *out)
{
    int fd = dir_open_beneath(self->fd, entry->d_name, O_PATH | O_NOFOLLOW);
    struct err err;

    if (fd < 0 && errno == EXDEV)
        why = EXDEV;
    if (fd >= 0)
        close(fd);
    err_errno(&err, why, "stat");
    out->name = bytes_text(entry->d_name);
    out->attributes = (struct attributes){.kind = kind_of_type(entry->d_type)};
    out->code = err.code;
}

/* Gives the next entry with its attributes; with `directories`, only those that may be one are
 * asked. */
static int next_with_attributes(struct dir_directory *self, bool directories, struct entry *out,
                                struct err *err)
{
    const struct linux_dirent *entry;
    struct statx now;
    int got;

    while ((got = next_raw(self, &entry, err)) == 1) {
        if (directories && entry->d_type != DT_DIR && entry->d_type != DT_UNKNOWN)
            continue;
        if (statx(self->fd, entry->d_name,
                  AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC, DIR_STATX_MASK,
                  &now) < 0) {
            if (errno == ENOENT) /* vanished since it was listed */
                continue;
            if (!may_be_entered(self, errno))
                return err_errno(err, EACCES, "look into a directory");
            give_without_attributes(self, entry, errno, out);
            if (directories) /* it was given in the pass over all */
                continue;
            return 1;
        }
        if (directories && !S_ISDIR(now.stx_mode))
            continue;
        out->name = bytes_text(entry->d_name);
        out->attributes = dir_attributes_of(&now);
        out->code = ERR_Ok;
        return 1;
    }
    return got;
}

int dir_directory_next(struct asset_directory *directory, struct entry *out, struct err *err)
{
    return next_with_attributes((struct dir_directory *)directory, false, out, err);
}

int dir_directory_next_directory(struct asset_directory *directory, struct entry *out,
                                 struct err *err)
{
    return next_with_attributes((struct dir_directory *)directory, true, out, err);
}

int dir_directory_next_name(struct asset_directory *directory, struct entry *out, struct err *err)
{
    const struct linux_dirent *entry;
    int got = next_raw((struct dir_directory *)directory, &entry, err);

    if (got == 1) {
        out->name = bytes_text(entry->d_name);
        out->attributes = (struct attributes){.kind = kind_of_type(entry->d_type)};
    }
    return got;
}

u64 dir_directory_position(const struct asset_directory *directory)
{
    return ((const struct dir_directory *)directory)->position;
}

int dir_directory_seek(struct asset_directory *directory, u64 position, struct err *err)
{
    struct dir_directory *self = (struct dir_directory *)directory;

    if (lseek(self->fd, (off_t)position, SEEK_SET) < 0)
        return err_errno(err, errno, "seek a directory to %llu", (unsigned long long)position);
    drop_buffer(self);
    self->position = position;
    return 0;
}

int dir_directory_lookup(struct asset_directory *directory, struct bytes name,
                         struct attributes *out, struct err *err)
{
    struct dir_directory *self = (struct dir_directory *)directory;
    char text[NAME_BYTES + 1], shown[SHOWN_SIZE];

    if (dir_name(name, text, err) < 0)
        return -1;
    if (dir_stat(self->fd, text, out) == 0)
        return 1;
    if (errno == ENOENT)
        return 0;
    return err_errno(err, errno, "stat \"%s\"", dir_shown(name, shown));
}

int dir_directory_attributes(struct asset_directory *directory, struct attributes *out,
                             struct err *err)
{
    if (dir_stat(((struct dir_directory *)directory)->fd, "", out) < 0)
        return err_errno(err, errno, "stat an open directory");
    return 0;
}
