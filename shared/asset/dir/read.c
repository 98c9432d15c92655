/* read.c: files and links of a source.
 *
 * How: the name is taken hold of first, and only what then turns out to be a regular file is
 * opened: to open a FIFO lets its writer go on, and a device may do anything. Then everything by
 * descriptor. O_NOATIME where the kernel allows it: reading a source leaves it as it
 * was, and saves the inode from being written back. A read stops at the size that the file had when
 * it was opened, which saves the call that only would find the end; who reads compares versions
 * afterwards anyway. */
#include "asset/dir/dir.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* Of the object that the O_PATH descriptor `fd` holds, by its name in /proc. */
static int open_for_reading(struct dir_asset *asset, int fd)
{
    int flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    char path[32];
    int file;

    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    do {
        bool quiet = !atomic_load_explicit(&asset->touches_atime, memory_order_relaxed);

        file = open(path, flags | (quiet ? O_NOATIME : 0));
        if (file < 0 && errno == EPERM && quiet)
            atomic_store_explicit(&asset->touches_atime, true, memory_order_relaxed);
        else if (file >= 0 || errno != EINTR)
            break;
    } while (true);
    return file;
}

int dir_file_open(struct asset_directory *directory, struct bytes name, struct asset_file **out,
                  struct attributes *attributes, struct err *err)
{
    struct dir_directory *in = (struct dir_directory *)directory;
    char text[NAME_BYTES + 1], shown[SHOWN_SIZE];
    struct dir_file *file;
    int held, fd = -1;

    if (dir_name(name, text, err) < 0)
        return -1;
    held = openat(in->fd, text, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (held < 0)
        return err_errno(err, errno, "open \"%s\"", dir_shown(name, shown));
    /* an object stays of its kind, and what it was before it was opened is the version to be read
     */
    if (dir_stat(held, "", attributes) < 0)
        err_errno(err, errno, "stat \"%s\"", dir_shown(name, shown));
    else if (attributes->kind != KIND_file)
        err_set(err, ERR_UnsupportedKind, "open \"%s\": not a regular file",
                dir_shown(name, shown));
    else if ((fd = open_for_reading(dir_asset_of(directory->asset), held)) < 0)
        err_errno(err, errno, "open \"%s\"", dir_shown(name, shown));
    close(held);
    if (fd < 0)
        return -1;
    file = memory_or_die(sizeof *file);
    file->base.asset = directory->asset;
    file->fd = fd;
    file->size = attributes->size;
    *out = &file->base;
    return 0;
}

s64 dir_file_read(struct asset_file *file, void *buffer, size_t size, u64 offset, struct err *err)
{
    struct dir_file *self = (struct dir_file *)file;
    size_t done = 0;

    while (done < size) {
        ssize_t got = pread(self->fd, (u8 *)buffer + done, size - done, (off_t)(offset + done));

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_errno(err, errno, "read at %llu", (unsigned long long)(offset + done));
        if (got == 0)
            break;
        done += (size_t)got;
        if (offset + done == self->size)
            break;
    }
    return (s64)done;
}

int dir_file_attributes(struct asset_file *file, struct attributes *out, struct err *err)
{
    if (dir_stat(((struct dir_file *)file)->fd, "", out) < 0)
        return err_errno(err, errno, "stat an open file");
    return 0;
}

/* pages that are not written yet cannot be dropped */
void dir_file_uncached(struct asset_file *file)
{
    int fd = ((struct dir_file *)file)->fd;

    sync_file_range(
        fd, 0, 0, SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}

void dir_file_close(struct asset_file *file)
{
    close(((struct dir_file *)file)->fd);
    free(file);
}

int dir_append_link(int fd, const char *name, struct buf *target)
{
    ssize_t got = readlinkat(fd, name, (char *)buf_reserve(target, SYMLINK_BYTES), SYMLINK_BYTES);

    if (got < 0)
        return -1;
    target->size += (size_t)got;
    return 0;
}

int dir_read_link(struct asset_directory *directory, struct bytes name, struct buf *target,
                  struct attributes *attributes, struct err *err)
{
    char text[NAME_BYTES + 1], shown[SHOWN_SIZE];
    int fd, result = -1;

    if (dir_name(name, text, err) < 0)
        return -1;
    /* target and attributes are of one inode, whatever takes the name meanwhile */
    fd = openat(((struct dir_directory *)directory)->fd, text, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return err_errno(err, errno, "open link \"%s\"", dir_shown(name, shown));
    if (dir_stat(fd, "", attributes) < 0)
        err_errno(err, errno, "stat link \"%s\"", dir_shown(name, shown));
    else if (attributes->kind != KIND_symlink)
        err_set(err, ERR_UnsupportedKind, "read link \"%s\": not a symbolic link",
                dir_shown(name, shown));
    else if (dir_append_link(fd, "", target) < 0)
        err_errno(err, errno, "read link \"%s\"", dir_shown(name, shown));
    else
        result = 0;
    close(fd);
    return result;
}
