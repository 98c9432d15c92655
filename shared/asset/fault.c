/* fault.c: the driver that wraps another and fails on purpose: the asset and its directories. See
 * fault.h.
 *
 * How: each handle holds the wrapped asset's handle, each call goes on to it, and a few stop to
 * count first. The table is a copy with the wrapped asset's capabilities, so that callers see no
 * difference. */
#include "asset/fault_wrap.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

bool fault_is_every(struct fault_asset *asset, u64 *count, u64 every)
{
    bool is;

    if (every == 0)
        return false;
    pthread_mutex_lock(&asset->counts->mutex);
    is = ++*count % every == 0;
    pthread_mutex_unlock(&asset->counts->mutex);
    return is;
}

bool fault_is_first(struct fault_asset *asset, u64 *count, u64 first)
{
    bool is;

    if (first == 0)
        return false;
    pthread_mutex_lock(&asset->counts->mutex);
    is = *count < first;
    *count += is;
    pthread_mutex_unlock(&asset->counts->mutex);
    return is;
}

/* ---- an asset ---- */

/* Called by the wrapped asset right before a publish is seen. A hook that was there is not lost. */
static void before_publish(void *context)
{
    struct fault_asset *asset = context;
    u64 number;

    pthread_mutex_lock(&asset->counts->mutex);
    number = ++asset->counts->publishes;
    pthread_mutex_unlock(&asset->counts->mutex);
    if (number == asset->options.stop_before_publish)
        raise(SIGSTOP);
    if (number == asset->options.crash_before_publish)
        raise(SIGKILL);
    if (asset->base.before_publish)
        asset->base.before_publish(asset->base.before_publish_context);
}

static int fault_open(const char *rest, struct asset **out, struct err *err)
{
    struct fault_asset *asset;
    struct fault_options options;
    const char *address;
    struct asset *inner;

    if (fault_parse(rest, &options, &address, err) < 0)
        return -1;
    if (asset_open(address, &inner, err) < 0)
        return -1;
    asset = memory_or_die(sizeof *asset);
    asset->ops = asset_fault_ops;
    asset->ops.capabilities = inner->ops->capabilities;
    asset->base.ops = &asset->ops;
    asset->base.dated_device = inner->dated_device;
    asset->inner = inner;
    asset->options = options;
    asset->counts = fault_counts_of(rest, options.seed);
    inner->before_publish = before_publish;
    inner->before_publish_context = asset;
    *out = &asset->base;
    return 0;
}

static const char *fault_path(const char *rest)
{
    struct fault_options options;
    const char *address;
    struct err err;

    return fault_parse(rest, &options, &address, &err) < 0 ? NULL : asset_path_of(address);
}

static void fault_close(struct asset *asset)
{
    asset_close(&fault_of(asset)->inner);
    free(asset);
}

static int fault_is_current(struct asset *asset, struct err *err)
{
    return asset_is_current(fault_inner(asset), err);
}

static int fault_identity(struct asset *asset, struct identity *out, struct err *err)
{
    return asset_identity(fault_inner(asset), out, err);
}

static int fault_place(struct asset *asset, struct buf *out, struct err *err)
{
    return asset_place(fault_inner(asset), out, err);
}

static void hang(const struct fault_asset *asset)
{
    while (asset->options.hang_check)
        pause();
}

static int fault_check_readable(struct asset *asset, struct err *err)
{
    hang(fault_of(asset));
    return asset_check_readable(fault_inner(asset), err);
}

static int fault_check_writable(struct asset *asset, struct err *err)
{
    hang(fault_of(asset));
    return asset_check_writable(fault_inner(asset), err);
}

static int fault_space(struct asset *asset, u64 *bytes_free, u64 *bytes_total, struct err *err)
{
    return asset_space(fault_inner(asset), bytes_free, bytes_total, err);
}

static int fault_root_attributes(struct asset *asset, struct attributes *out, struct err *err)
{
    return asset_root_attributes(fault_inner(asset), out, err);
}

static s64 fault_now_ns(struct asset *asset)
{
    return asset_now_ns(fault_inner(asset));
}

static int fault_settle(struct asset *asset, struct err *err)
{
    struct fault_asset *self = fault_of(asset);

    if (fault_is_first(self, &self->counts->settles, self->options.settle_error))
        return err_set(err, ERR_SettleFailed, "settle: failed on purpose");
    return asset_settle(self->inner, err);
}

/* ---- directories ---- */

int fault_wrap_directory(struct asset *asset, struct asset_directory *inner,
                         struct asset_directory **out)
{
    struct fault_directory *directory = memory_or_die(sizeof *directory);

    directory->base.asset = asset;
    directory->inner = inner;
    *out = &directory->base;
    return 0;
}

static int fault_directory_open(struct asset *asset, struct bytes path,
                                struct asset_directory **out, struct err *err)
{
    struct asset_directory *inner;

    if (asset_directory_open(fault_inner(asset), path, &inner, err) < 0)
        return -1;
    return fault_wrap_directory(asset, inner, out);
}

static int fault_directory_enter(struct asset_directory *parent, struct bytes name,
                                 struct asset_directory **out, struct err *err)
{
    struct asset_directory *inner;

    if (asset_directory_enter(fault_inner_directory(parent), name, &inner, err) < 0)
        return -1;
    return fault_wrap_directory(parent->asset, inner, out);
}

static void fault_directory_close(struct asset_directory *directory)
{
    asset_directory_close(&((struct fault_directory *)directory)->inner);
    free(directory);
}

static int fail_listing(struct asset_directory *directory, struct err *err)
{
    struct fault_asset *asset = fault_of(directory->asset);

    if (fault_is_every(asset, &asset->counts->entries, asset->options.list_error))
        return err_set(err, ERR_IoError, "list a directory: failed on purpose");
    return 0;
}

static int fault_directory_next(struct asset_directory *directory, struct entry *out,
                                struct err *err)
{
    if (fail_listing(directory, err) < 0)
        return -1;
    return asset_directory_next(fault_inner_directory(directory), out, err);
}

static int fault_directory_next_directory(struct asset_directory *directory, struct entry *out,
                                          struct err *err)
{
    if (fail_listing(directory, err) < 0)
        return -1;
    return asset_directory_next_directory(fault_inner_directory(directory), out, err);
}

static int fault_directory_next_name(struct asset_directory *directory, struct entry *out,
                                     struct err *err)
{
    if (fail_listing(directory, err) < 0)
        return -1;
    return asset_directory_next_name(fault_inner_directory(directory), out, err);
}

static u64 fault_directory_position(const struct asset_directory *directory)
{
    return asset_directory_position(fault_inner_directory(directory));
}

static int fault_directory_seek(struct asset_directory *directory, u64 position, struct err *err)
{
    return asset_directory_seek(fault_inner_directory(directory), position, err);
}

static int fault_directory_lookup(struct asset_directory *directory, struct bytes name,
                                  struct attributes *out, struct err *err)
{
    return asset_directory_lookup(fault_inner_directory(directory), name, out, err);
}

static int fault_directory_attributes(struct asset_directory *directory, struct attributes *out,
                                      struct err *err)
{
    return asset_directory_attributes(fault_inner_directory(directory), out, err);
}

static int fault_extras(struct asset_directory *directory, struct bytes name, u32 preserve,
                        struct buf *out, u32 *not_kept, struct err *err)
{
    return asset_extras(fault_inner_directory(directory), name, preserve, out, not_kept, err);
}

const struct asset_ops asset_fault_ops = {
    .scheme = "fault",
    .open = fault_open,
    .path = fault_path,
    .close = fault_close,
    .is_current = fault_is_current,
    .identity = fault_identity,
    .place = fault_place,
    .check_readable = fault_check_readable,
    .check_writable = fault_check_writable,
    .space = fault_space,
    .root_attributes = fault_root_attributes,
    .now_ns = fault_now_ns,
    .directory_open = fault_directory_open,
    .directory_enter = fault_directory_enter,
    .directory_close = fault_directory_close,
    .directory_next = fault_directory_next,
    .directory_next_directory = fault_directory_next_directory,
    .directory_next_name = fault_directory_next_name,
    .directory_position = fault_directory_position,
    .directory_seek = fault_directory_seek,
    .directory_lookup = fault_directory_lookup,
    .directory_attributes = fault_directory_attributes,
    .extras = fault_extras,
    .file_open = fault_file_open,
    .file_read = fault_file_read,
    .file_attributes = fault_file_attributes,
    .file_data = fault_file_data,
    .file_uncached = fault_file_uncached,
    .file_extras = fault_file_extras,
    .file_close = fault_file_close,
    .read_link = fault_read_link,
    .staging_open = fault_staging_open,
    .grant = fault_grant,
    .revoke = fault_revoke,
    .staging_close = fault_staging_close,
    .token_open = fault_token_open,
    .token_close = fault_token_close,
    .token_end = fault_token_end,
    .stage_file = fault_stage_file,
    .stage_write = fault_stage_write,
    .stage_end = fault_stage_end,
    .stage_abort = fault_stage_abort,
    .stage_reserve = fault_stage_reserve,
    .stage_open = fault_stage_open,
    .stage_close = fault_stage_close,
    .stage_adopt = fault_stage_adopt,
    .stage_node = fault_stage_node,
    .stage_hard_link = fault_stage_hard_link,
    .stage_link = fault_stage_link,
    .stage_remove = fault_stage_remove,
    .staged_open = fault_staged_open,
    .staged_link = fault_staged_link,
    .staged_node = fault_staged_node,
    .publish_directory = fault_publish_directory,
    .publish = fault_publish,
    .publish_hard_link = fault_publish_hard_link,
    .publish_make = fault_publish_make,
    .remove = fault_remove,
    .set_attributes = fault_set_attributes,
    .set_directory_attributes = fault_set_directory_attributes,
    .set_root_attributes = fault_set_root_attributes,
    .settle = fault_settle,
};
