/* empty.c: everything in a token's directory goes, whatever it is.
 *
 * How: names are unlinked as they are listed. A directory that is not empty (it was to make way for
 * something, and whoever did that died in the middle) is not gone down into, as it may be thousands
 * of levels deep: the directories in it are moved up into the token's directory, and wait there for
 * the next pass. So a few descriptors are enough, and it can be done again from wherever it was
 * left. */
#include "asset/dir/dir.h"

#include <errno.h>
#include <stdio.h>

#define ENTRIES 4096

/* A directory that was somebody's data may have any mode. If it cannot be changed, the next step
 * says why. */
static void take(int fd, const char *name)
{
    int path = dir_open_beneath(fd, name, O_PATH | O_DIRECTORY);

    if (path < 0)
        return;
    dir_chmod_path(path, 0700);
    close(path);
}

/* Moves the directory `name` below `from` to a new name in `to`. */
static int move_up(int from, const char *name, int to, u32 *serial)
{
    char fresh[STAGED_NAME_SIZE];
    bool taken = false;

    for (;;) {
        snprintf(fresh, sizeof fresh, "x%u", (*serial)++);
        if (dir_rename_new(from, name, to, fresh) == 0)
            return 0;
        if (errno == EACCES && !taken) { /* its own mode counts, as its parent is written in it */
            take(from, name);
            taken = true;
        } else if (errno != EEXIST && errno != ENOTEMPTY) {
            break;
        }
    }
    return errno == ENOENT ? 0 : -1;
}

/* Removes one name, which is no directory or an empty one; 0, or -1 and errno. */
static int remove_name(int fd, const char *name)
{
    int why;

    if (unlinkat(fd, name, 0) == 0 || errno == ENOENT)
        return 0;
    why = errno;
    if (why != EISDIR && why != EPERM) /* either may say that it is a directory */
        return -1;
    if (unlinkat(fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
        return 0;
    if (errno == ENOTDIR)
        errno = why;
    return -1;
}

static int open_directory(int fd, const char *name)
{
    int directory = dir_open_beneath(fd, name, O_RDONLY | O_DIRECTORY);

    if (directory >= 0 && faccessat(directory, ".", W_OK | X_OK, AT_EACCESS) == 0)
        return directory;
    if (directory >= 0)
        close(directory);
    take(fd, name);
    return dir_open_beneath(fd, name, O_RDONLY | O_DIRECTORY);
}

/* Removes all but directories from the directory `name`, moves those up, and removes it. */
static int flatten(int fd, const char *name, u32 *serial)
{
    u8 entries[ENTRIES] __attribute__((aligned(8)));
    int directory = open_directory(fd, name), why = 0;
    ssize_t size = 0;

    if (directory < 0)
        return errno == ENOENT ? 0 : -1;
    while (why == 0 && (size = dir_getdents(directory, entries, sizeof entries)) > 0) {
        for (ssize_t at = 0; at < size && why == 0;) {
            const struct linux_dirent *entry = (const void *)(entries + at);

            at += entry->d_reclen;
            if (dir_is_dot(entry->d_name) || remove_name(directory, entry->d_name) == 0)
                continue;
            if ((errno != ENOTEMPTY && errno != EEXIST) ||
                move_up(directory, entry->d_name, fd, serial) < 0)
                why = errno;
        }
    }
    if (size < 0 && errno != ENOENT)
        why = errno;
    close(directory);
    errno = why;
    if (why)
        return -1;
    return unlinkat(fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT || errno == ENOTEMPTY ||
                   errno == EEXIST
               ? 0
               : -1;
}

/* One pass; *again if there were directories that had something in them. */
static int pass(int fd, u32 *serial, bool *again, struct err *err)
{
    u8 entries[ENTRIES] __attribute__((aligned(8)));
    ssize_t size;

    while ((size = dir_getdents(fd, entries, sizeof entries)) > 0) {
        for (ssize_t at = 0; at < size;) {
            const struct linux_dirent *entry = (const void *)(entries + at);

            at += entry->d_reclen;
            if (dir_is_dot(entry->d_name) || remove_name(fd, entry->d_name) == 0)
                continue;
            if ((errno != ENOTEMPTY && errno != EEXIST) || flatten(fd, entry->d_name, serial) < 0)
                return err_errno(err, errno, "remove a staged copy");
            *again = true;
        }
    }
    return size == 0 || errno == ENOENT ? 0
                                        : err_errno(err, errno, "list the directory of a token");
}

int dir_empty(int fd, struct err *err)
{
    u32 serial = 0;
    bool again = true;

    while (again) {
        again = false;
        if (pass(fd, &serial, &again, err) < 0)
            return -1;
        if (again && lseek(fd, 0, SEEK_SET) < 0)
            return err_errno(err, errno, "list the directory of a token");
    }
    return 0;
}
