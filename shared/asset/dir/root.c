/* root.c: the directory driver: opening the root, asking what it can do, settling.
 *
 * How: the root is opened once and held; its descriptor is the beginning of every path, and what
 * syncfs is called on. The address may lead through links (that is the operator's choice), nothing
 * below it. */
#include "asset/dir/dir.h"

#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <sys/vfs.h>

#include "base/clock.h"

/* The device, if its filesystem is one of this host that gives an object another ctime with each
 * change of its attributes and lists; else 0. Of others, above all of those that ask somebody else,
 * nothing is known. tmpfs is the last of them to do so, since Linux 6.1. */
static u64 dated_device(int fd)
{
    static const u64 magics[] = {EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, BTRFS_SUPER_MAGIC, TMPFS_MAGIC};
    unsigned major = 0, minor = 0;
    struct attributes root;
    struct utsname kernel;
    struct statfs there;

    if (uname(&kernel) < 0 || sscanf(kernel.release, "%u.%u", &major, &minor) != 2 || major < 6 ||
        (major == 6 && minor < 1) || fstatfs(fd, &there) < 0 || dir_stat(fd, "", &root) < 0)
        return 0;
    for (size_t i = 0; i < COUNT_OF(magics); i++)
        if ((u64)there.f_type == magics[i])
            return root.device;
    return 0;
}

static int dir_open(const char *rest, struct asset **out, struct err *err)
{
    char shown[SHOWN_SIZE];
    struct dir_asset *asset;
    int fd;

    if (rest[0] != '/')
        return err_set(err, ERR_Configuration, "asset address \"dir:%s\": the path is not absolute",
                       dir_shown(bytes_text(rest), shown));
    fd = open(rest, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_errno(err, errno, "open \"%s\"", dir_shown(bytes_text(rest), shown));
    asset = memory_or_die(sizeof *asset);
    asset->root = fd;
    asset->path = text_copy(rest);
    asset->uid = geteuid();
    asset->base.dated_device = dated_device(fd);
    pthread_mutex_init(&asset->settling, NULL);
    *out = &asset->base;
    return 0;
}

static const char *dir_path(const char *rest)
{
    return rest;
}

static void dir_close(struct asset *asset)
{
    struct dir_asset *self = dir_asset_of(asset);

    close(self->root);
    pthread_mutex_destroy(&self->settling);
    free(self->path);
    free(self);
}

static int dir_is_current(struct asset *asset, struct err *err)
{
    struct dir_asset *self = dir_asset_of(asset);
    struct stat held, there;
    char shown[SHOWN_SIZE];

    if (self->settle_failed) /* only a new descriptor can tell of what is written from now on */
        return 0;
    if (fstat(self->root, &held) < 0)
        return err_errno(err, errno, "stat the open root of \"%s\"",
                         dir_shown(bytes_text(self->path), shown));
    if (stat(self->path, &there) < 0) {
        if (errno == ENOENT || errno == ENOTDIR)
            return 0;
        return err_errno(err, errno, "stat \"%s\"", dir_shown(bytes_text(self->path), shown));
    }
    return held.st_dev == there.st_dev && held.st_ino == there.st_ino && held.st_nlink > 0;
}

static int dir_check_readable(struct asset *asset, struct err *err)
{
    struct dir_asset *self = dir_asset_of(asset);
    char shown[SHOWN_SIZE];
    u8 entries[1024];
    int fd, result = 0;

    /* names can be listed, and what they name can be reached */
    fd = dir_open_beneath(self->root, ".", O_RDONLY | O_DIRECTORY);
    if (fd < 0 || dir_getdents(fd, entries, sizeof entries) < 0 ||
        faccessat(self->root, ".", R_OK | X_OK, AT_EACCESS) < 0)
        result = err_errno(err, errno, "list \"%s\"", dir_shown(bytes_text(self->path), shown));
    if (fd >= 0)
        close(fd);
    return result;
}

static int dir_check_writable(struct asset *asset, struct err *err)
{
    struct dir_asset *self = dir_asset_of(asset);
    char shown[SHOWN_SIZE];
    struct attributes there;

    /* our own is made writable when there is something to write (staging.c) */
    if (faccessat(self->root, ".", W_OK | X_OK, AT_EACCESS) < 0 &&
        (errno != EACCES || dir_stat(self->root, "", &there) < 0 || there.uid != self->uid))
        return err_errno(err, errno, "write into \"%s\"", dir_shown(bytes_text(self->path), shown));
    if (dir_stat(self->root, STAGING_NAME, &there) == 0 &&
        !dir_is_staging(self->root, STAGING_NAME, self->uid))
        return err_set(err, ERR_ReservedName,
                       "\"%s/" STAGING_NAME "\": the name is taken by other data",
                       dir_shown(bytes_text(self->path), shown));
    return 0;
}

static int dir_space(struct asset *asset, u64 *bytes_free, u64 *bytes_total, struct err *err)
{
    struct statvfs filesystem;

    if (fstatvfs(dir_asset_of(asset)->root, &filesystem) < 0)
        return err_errno(err, errno, "ask the filesystem of the root for its size");
    *bytes_free =
        (u64)filesystem.f_frsize * (geteuid() == 0 ? filesystem.f_bfree : filesystem.f_bavail);
    *bytes_total = (u64)filesystem.f_frsize * filesystem.f_blocks;
    return 0;
}

static int dir_root_attributes(struct asset *asset, struct attributes *out, struct err *err)
{
    if (dir_stat(dir_asset_of(asset)->root, "", out) < 0)
        return err_errno(err, errno, "stat the root");
    return 0;
}

/* Since Linux 6.13 some stamps are finer than this clock, which then is behind them by up to a
 * tick: who asks "was it before?" errs on the side of doing work again. */
static s64 dir_now_ns(struct asset *asset)
{
    (void)asset;
    return clock_filesystem_ns();
}

/* The kernel reports an error of write-back once to each open file description. Whoever asks at the
 * same time, or later, on behalf of other work must hear of it too: so one asks at a time, and a
 * failure stays until the asset is opened anew, from when on only new writes count. */
static int dir_settle(struct asset *asset, struct err *err)
{
    struct dir_asset *self = dir_asset_of(asset);
    char shown[SHOWN_SIZE];
    int result = 0;

    pthread_mutex_lock(&self->settling);
    if (self->settle_failed) {
        result = err_set(err, ERR_SettleFailed, "settle \"%s\": failed before, since it was opened",
                         dir_shown(bytes_text(self->path), shown));
    } else if (syncfs(self->root) < 0) {
        self->settle_failed = true;
        result = err_errno(err, errno, "settle \"%s\"", dir_shown(bytes_text(self->path), shown));
        err->code = ERR_SettleFailed;
    }
    pthread_mutex_unlock(&self->settling);
    return result;
}

const struct asset_ops asset_dir_ops = {
    .scheme = "dir",
    .capabilities = ASSET_OWNERS | ASSET_MODES | ASSET_RENAMES | ASSET_LOOKUP | ASSET_DURABLE |
                    ASSET_EXTRAS | ASSET_LINKS | ASSET_HOLES | ASSET_NODES,
    .open = dir_open,
    .path = dir_path,
    .close = dir_close,
    .is_current = dir_is_current,
    .identity = dir_identity,
    .place = dir_place,
    .check_readable = dir_check_readable,
    .check_writable = dir_check_writable,
    .space = dir_space,
    .prospect = dir_prospect,
    .make = dir_make,
    .root_attributes = dir_root_attributes,
    .now_ns = dir_now_ns,
    .directory_open = dir_directory_open,
    .directory_enter = dir_directory_enter,
    .directory_close = dir_directory_close,
    .directory_next = dir_directory_next,
    .directory_next_directory = dir_directory_next_directory,
    .directory_next_name = dir_directory_next_name,
    .directory_position = dir_directory_position,
    .directory_seek = dir_directory_seek,
    .directory_lookup = dir_directory_lookup,
    .directory_attributes = dir_directory_attributes,
    .extras = dir_extras,
    .file_open = dir_file_open,
    .file_read = dir_file_read,
    .file_attributes = dir_file_attributes,
    .file_uncached = dir_file_uncached,
    .file_data = dir_file_data,
    .file_extras = dir_file_extras,
    .file_close = dir_file_close,
    .read_link = dir_read_link,
    .staging_open = dir_staging_open,
    .grant = dir_grant,
    .revoke = dir_revoke,
    .staging_close = dir_staging_close,
    .token_open = dir_token_open,
    .token_close = dir_token_close,
    .token_end = dir_token_end,
    .stage_file = dir_stage_file,
    .stage_write = dir_stage_write,
    .stage_end = dir_stage_end,
    .stage_abort = dir_stage_abort,
    .stage_reserve = dir_stage_reserve,
    .stage_open = dir_stage_open,
    .stage_close = dir_stage_close,
    .stage_adopt = dir_stage_adopt,
    .stage_node = dir_stage_node,
    .stage_hard_link = dir_stage_hard_link,
    .stage_link = dir_stage_link,
    .stage_remove = dir_stage_remove,
    .staged_open = dir_staged_open,
    .staged_link = dir_staged_link,
    .staged_node = dir_staged_node,
    .publish_directory = dir_publish_directory,
    .publish = dir_publish,
    .publish_hard_link = dir_publish_hard_link,
    .publish_make = dir_publish_make,
    .remove = dir_remove,
    .set_attributes = dir_set_attributes,
    .set_directory_attributes = dir_set_directory_attributes,
    .set_root_attributes = dir_set_root_attributes,
    .settle = dir_settle,
};
