/* place.c: who a directory is, and where it lies, whatever it is called.
 *
 * How: the filesystem's own id (statfs; device numbers change from boot to boot), or where it has
 * none its device number. The place is the path within the filesystem: what mountinfo calls the
 * root of the mount, and the part of the directory's path below the mount point. A bind mount shows
 * the same directory at another path, with the same place. */
#include "asset/dir/dir.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statfs.h>

static int filesystem_id(int fd, const struct statx *now, u8 out[8], struct err *err)
{
    static const u8 none[8];
    struct statfs filesystem;

    if (fstatfs(fd, &filesystem) < 0)
        return err_errno(err, errno, "ask the filesystem of the root for its id");
    memcpy(out, &filesystem.f_fsid, 8);
    if (memcmp(out, none, 8) == 0) {
        memcpy(out, &now->stx_dev_major, 4);
        memcpy(out + 4, &now->stx_dev_minor, 4);
    }
    return 0;
}

int dir_identity(struct asset *asset, struct identity *out, struct err *err)
{
    int root = dir_asset_of(asset)->root;
    struct statx now;
    u64 born = 0;

    if (statx(root, "", AT_EMPTY_PATH, STATX_INO | STATX_BTIME, &now) < 0)
        return err_errno(err, errno, "stat the root");
    if (filesystem_id(root, &now, out->bytes, err) < 0)
        return -1;
    if (now.stx_mask & STATX_BTIME)
        born = (u64)now.stx_btime.tv_sec * NS_PER_S + now.stx_btime.tv_nsec;
    memcpy(out->bytes + 8, &now.stx_ino, 8);
    memcpy(out->bytes + 16, &born, 8);
    out->size = 24;
    return 0;
}

/* Takes the next field of a mountinfo line, with its octal escapes (\040 and the like) undone in
 * place. */
static char *next_field(char **line)
{
    char *field = strtok_r(NULL, " \n", line), *to = field;

    for (char *from = field; from && *from; from++) {
        if (from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && from[2] >= '0' &&
            from[2] <= '7' && from[3] >= '0' && from[3] <= '7') {
            *to++ = (char)((from[1] - '0') * 64 + (from[2] - '0') * 8 + (from[3] - '0'));
            from += 3;
        } else {
            *to++ = *from;
        }
    }
    if (to)
        *to = '\0';
    return field;
}

/* In a chroot the mount that "/" is in may have its mount point outside: then the table that this
 * process is shown does not have it. */
static bool is_mount_of_root(u64 id)
{
    struct statx now;

    return statx(AT_FDCWD, "/", 0, STATX_MNT_ID, &now) == 0 && now.stx_mnt_id == id;
}

/* Finds the mount in the table: its root within the filesystem and its mount point, both to be
 * freed. */
static int find_mount(u64 id, char **root, char **point, struct err *err)
{
    FILE *table = fopen("/proc/self/mountinfo", "re");
    char *line = NULL;
    size_t capacity = 0;
    bool found = false;

    if (!table)
        return err_errno(err, errno, "open the mount table");
    while (!found && getline(&line, &capacity, table) > 0) {
        char *rest = NULL, *number = strtok_r(line, " ", &rest), *field;

        if (!number || strtoull(number, NULL, 10) != id)
            continue;
        next_field(&rest); /* the parent mount */
        next_field(&rest); /* the device */
        field = next_field(&rest);
        *root = field ? text_copy(field) : NULL;
        field = next_field(&rest);
        *point = field ? text_copy(field) : NULL;
        found = true;
    }
    free(line);
    fclose(table);
    if (!found && is_mount_of_root(id)) {
        *root = text_copy("/"); /* as far as can be told from in here */
        *point = text_copy("/");
    }
    if (*root && *point)
        return 0;
    return err_set(err, ERR_AssetUnreachable, "mount %llu of the root is not in the mount table",
                   (unsigned long long)id);
}

/* Appends a path's components, without the slashes at its ends. */
static void append_path(struct buf *out, size_t start, const char *path)
{
    size_t size = strlen(path);

    while (size > 0 && path[size - 1] == '/')
        size--;
    while (size > 0 && *path == '/') {
        path++;
        size--;
    }
    if (size > 0 && out->size > start)
        buf_append(out, "/", 1);
    buf_append(out, path, size);
}

int dir_place(struct asset *asset, struct buf *out, struct err *err)
{
    int fd = dir_asset_of(asset)->root;
    char *root = NULL, *point = NULL, link[64], path[PATH_MAX];
    struct statx now;
    size_t skip, start;
    ssize_t size;
    u8 id[8];
    int result = -1;

    if (statx(fd, "", AT_EMPTY_PATH, STATX_INO | STATX_MNT_ID, &now) < 0)
        return err_errno(err, errno, "stat the root");
    if (filesystem_id(fd, &now, id, err) < 0)
        return -1;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    size = readlink(link, path, sizeof path - 1);
    if (size < 0)
        return err_errno(err, errno, "ask for the path of the root");
    path[size] = '\0';
    if (find_mount(now.stx_mnt_id, &root, &point, err) < 0)
        goto done;
    skip = strcmp(point, "/") == 0 ? 0 : strlen(point);
    if (strncmp(path, point, skip) != 0) {
        err_set(err, ERR_AssetUnreachable, "the root is not below its mount point");
        goto done;
    }
    buf_append(out, id, sizeof id);
    start = out->size;
    append_path(out, start, root);
    append_path(out, start, path + skip);
    result = 0;
done:
    free(root);
    free(point);
    return result;
}
