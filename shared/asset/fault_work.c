/* fault_work.c: reading, staging and publishing of the fault driver: where most of its faults are
 * made.
 *
 * How: each call goes on to the wrapped asset; see fault.h for what happens on the way. */
#include "asset/fault_wrap.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "base/random.h"

static u64 next_random(struct fault_asset *asset)
{
    u64 number;

    pthread_mutex_lock(&asset->counts->mutex);
    number = random_next(&asset->counts->random);
    pthread_mutex_unlock(&asset->counts->mutex);
    return number;
}

/* ---- files ---- */

static int wrap_file(struct asset *asset, struct asset_file *inner, struct asset_file **out)
{
    struct fault_file *file = memory_or_die(sizeof *file);

    file->base.asset = asset;
    file->inner = inner;
    *out = &file->base;
    return 0;
}

int fault_file_open(struct asset_directory *directory, struct bytes name, struct asset_file **out,
                    struct attributes *attributes, struct err *err)
{
    struct asset_file *inner;

    if (asset_file_open(fault_inner_directory(directory), name, &inner, attributes, err) < 0)
        return -1;
    return wrap_file(directory->asset, inner, out);
}

static void wait_ms(u64 ms)
{
    struct timespec left = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000 * 1000000)};

    while (nanosleep(&left, &left) < 0 && errno == EINTR)
        ;
}

s64 fault_file_read(struct asset_file *file, void *buffer, size_t size, u64 offset, struct err *err)
{
    struct fault_asset *asset = fault_of(file->asset);
    size_t done = 0;

    if (asset->options.delay_ms)
        wait_ms(asset->options.delay_ms);
    if (fault_is_every(asset, &asset->counts->reads, asset->options.read_error))
        return err_set(err, ERR_IoError, "read at %llu: failed on purpose",
                       (unsigned long long)offset);
    if (!asset->options.short_reads)
        return asset_file_read(fault_inner_file(file), buffer, size, offset, err);
    while (done < size) {
        size_t piece = 1 + (size_t)(next_random(asset) % (size - done));
        s64 got =
            asset_file_read(fault_inner_file(file), (u8 *)buffer + done, piece, offset + done, err);

        if (got < 0)
            return -1;
        if (got == 0)
            break;
        done += (size_t)got;
    }
    return (s64)done;
}

int fault_file_attributes(struct asset_file *file, struct attributes *out, struct err *err)
{
    return asset_file_attributes(fault_inner_file(file), out, err);
}

void fault_file_uncached(struct asset_file *file)
{
    asset_file_uncached(fault_inner_file(file));
}

int fault_file_data(struct asset_file *file, u64 offset, u64 size, u64 *start, u64 *end,
                    struct err *err)
{
    return asset_file_data(fault_inner_file(file), offset, size, start, end, err);
}

int fault_file_extras(struct asset_file *file, u32 preserve, struct buf *out, u32 *not_kept,
                      struct err *err)
{
    return asset_file_extras(fault_inner_file(file), preserve, out, not_kept, err);
}

void fault_file_close(struct asset_file *file)
{
    asset_file_close(&((struct fault_file *)file)->inner);
    free(file);
}

int fault_read_link(struct asset_directory *directory, struct bytes name, struct buf *target,
                    struct attributes *attributes, struct err *err)
{
    return asset_read_link(fault_inner_directory(directory), name, target, attributes, err);
}

/* ---- staging ---- */

int fault_staging_open(struct asset *asset, u64 job, u32 epoch, s64 *now_ns, struct err *err)
{
    return asset_staging_open(fault_inner(asset), job, epoch, now_ns, err);
}

int fault_grant(struct asset *asset, const struct token *first, u32 count, struct err *err)
{
    return asset_grant(fault_inner(asset), first, count, err);
}

int fault_revoke(struct asset *asset, const struct token *token, bool *clean, struct err *err)
{
    return asset_revoke(fault_inner(asset), token, clean, err);
}

int fault_staging_close(struct asset *asset, struct err *err)
{
    return asset_staging_close(fault_inner(asset), err);
}

int fault_token_open(struct asset *asset, const struct token *token, struct asset_token **out,
                     struct err *err)
{
    struct fault_token *handle;
    struct asset_token *inner;

    if (asset_token_open(fault_inner(asset), token, &inner, err) < 0)
        return -1;
    handle = memory_or_die(sizeof *handle);
    handle->base.asset = asset;
    handle->inner = inner;
    *out = &handle->base;
    return 0;
}

void fault_token_close(struct asset_token *token)
{
    asset_token_close(&((struct fault_token *)token)->inner);
    free(token);
}

int fault_token_end(struct asset_token *token, struct err *err)
{
    int result = asset_token_end(&((struct fault_token *)token)->inner, err);

    free(token);
    return result;
}

int fault_stage_file(struct asset_token *token, u32 index, struct asset_file **out, struct err *err)
{
    struct asset_file *inner;

    if (asset_stage_file(fault_inner_token(token), index, &inner, err) < 0)
        return -1;
    return wrap_file(token->asset, inner, out);
}

/* Counts a write, and fails it if it is its turn. */
static int fail_write(struct fault_asset *asset, u64 offset, u64 size, struct err *err)
{
    bool is_full = false;

    if (fault_is_every(asset, &asset->counts->writes, asset->options.write_error))
        return err_set(err, ERR_IoError, "write at %llu: failed on purpose",
                       (unsigned long long)offset);
    if (asset->options.enospc_after) {
        pthread_mutex_lock(&asset->counts->mutex);
        asset->counts->staged_bytes += size;
        is_full = asset->counts->staged_bytes > asset->options.enospc_after;
        pthread_mutex_unlock(&asset->counts->mutex);
    }
    if (is_full)
        return err_set(err, ERR_NoSpace, "write at %llu: full on purpose",
                       (unsigned long long)offset);
    return 0;
}

int fault_stage_write(struct asset_file *file, const void *data, size_t size, u64 offset,
                      struct err *err)
{
    struct fault_file *self = (struct fault_file *)file;
    struct fault_asset *asset = fault_of(file->asset);

    if (fail_write(asset, offset, size, err) < 0)
        return -1;
    /* each byte of the file has the same chance, though its size is not known before the end */
    if (asset->options.corrupt && size > 0) {
        u64 place = next_random(asset) % (self->written + size);

        if (place >= self->written) {
            self->at = offset + (place - self->written);
            self->byte = ((const u8 *)data)[place - self->written];
        }
        self->written += size;
    }
    return asset_stage_write(self->inner, data, size, offset, err);
}

int fault_stage_end(struct asset_file *file, struct staged_version *out, struct err *err)
{
    struct fault_file *self = (struct fault_file *)file;
    struct fault_asset *asset = fault_of(file->asset);

    if (self->written > 0 &&
        fault_is_first(asset, &asset->counts->corrupted, asset->options.corrupt)) {
        u8 wrong = self->byte ^ (u8)(1u << next_random(asset) % 8);

        if (asset_stage_write(self->inner, &wrong, 1, self->at, err) < 0)
            return -1;
    }
    if (asset_stage_end(&self->inner, out, err) < 0)
        return -1;
    free(self);
    return 0;
}

void fault_stage_abort(struct asset_file *file)
{
    asset_stage_abort(&((struct fault_file *)file)->inner);
    free(file);
}

int fault_stage_reserve(struct asset_file *file, u64 size, struct err *err)
{
    return asset_stage_reserve(fault_inner_file(file), size, err);
}

int fault_stage_open(struct asset_token *token, u32 index, struct asset_file **out, struct err *err)
{
    struct asset_file *inner;

    if (asset_stage_open(fault_inner_token(token), index, &inner, err) < 0)
        return -1;
    return wrap_file(token->asset, inner, out);
}

void fault_stage_close(struct asset_file *file)
{
    asset_stage_close(&((struct fault_file *)file)->inner);
    free(file);
}

/* For the counts it is one write of `length` bytes. */
int fault_stage_adopt(struct asset_file *file, struct asset_token *from, u32 index, u64 offset,
                      u64 length, struct err *err)
{
    if (fail_write(fault_of(file->asset), offset, length, err) < 0)
        return -1;
    return asset_stage_adopt(fault_inner_file(file), fault_inner_token(from), index, offset, length,
                             err);
}

int fault_stage_node(struct asset_token *token, u32 index, enum object_kind kind, u64 rdev,
                     struct staged_version *out, struct err *err)
{
    return asset_stage_node(fault_inner_token(token), index, kind, rdev, out, err);
}

int fault_stage_hard_link(struct asset_token *token, u32 index, struct asset_directory *directory,
                          struct bytes name, u64 inode, struct err *err)
{
    return asset_stage_hard_link(fault_inner_token(token), index, fault_inner_directory(directory),
                                 name, inode, err);
}

int fault_stage_link(struct asset_token *token, u32 index, struct bytes target,
                     struct staged_version *out, struct err *err)
{
    return asset_stage_link(fault_inner_token(token), index, target, out, err);
}

void fault_stage_remove(struct asset_token *token, u32 index)
{
    asset_stage_remove(fault_inner_token(token), index);
}

int fault_staged_open(struct asset_token *token, u32 index, bool uncached, struct asset_file **out,
                      struct staged_version *version, struct err *err)
{
    struct asset_file *inner;

    if (asset_staged_open(fault_inner_token(token), index, uncached, &inner, version, err) < 0)
        return -1;
    return wrap_file(token->asset, inner, out);
}

int fault_staged_link(struct asset_token *token, u32 index, struct buf *target,
                      struct staged_version *version, struct err *err)
{
    return asset_staged_link(fault_inner_token(token), index, target, version, err);
}

int fault_staged_node(struct asset_token *token, u32 index, enum object_kind *kind, u64 *rdev,
                      struct staged_version *version, struct err *err)
{
    return asset_staged_node(fault_inner_token(token), index, kind, rdev, version, err);
}

/* ---- publishing ---- */

int fault_publish_directory(struct asset_token *token, struct bytes path, u32 replaces,
                            struct asset_directory **out, struct err *err)
{
    struct asset_directory *inner;

    if (asset_publish_directory(fault_inner_token(token), path, replaces, &inner, err) < 0)
        return -1;
    return fault_wrap_directory(token->asset, inner, out);
}

int fault_publish(struct asset_token *token, u32 index, const struct staged_version *version,
                  const struct wanted *wanted, bool over_directory,
                  struct asset_directory *directory, struct bytes name, u32 *not_kept,
                  struct err *err)
{
    return asset_publish(fault_inner_token(token), index, version, wanted, over_directory,
                         fault_inner_directory(directory), name, not_kept, err);
}

int fault_publish_hard_link(struct asset_token *token, u32 index, u64 inode, bool over_directory,
                            struct asset_directory *directory, struct bytes name, struct err *err)
{
    return asset_publish_hard_link(fault_inner_token(token), index, inode, over_directory,
                                   fault_inner_directory(directory), name, err);
}

int fault_remove(struct asset_token *token, u32 index, struct asset_directory *directory,
                 struct bytes name, const struct attributes *expected, struct err *err)
{
    return asset_remove(fault_inner_token(token), index, fault_inner_directory(directory), name,
                        expected, err);
}

int fault_publish_make(struct asset_token *token, u32 index, struct asset_directory *directory,
                       struct bytes name, bool replaces, bool *made, struct err *err)
{
    return asset_publish_make(fault_inner_token(token), index, fault_inner_directory(directory),
                              name, replaces, made, err);
}

int fault_set_attributes(struct asset_token *token, struct asset_directory *directory,
                         struct bytes name, const struct wanted *wanted, u32 *not_kept,
                         struct err *err)
{
    return asset_set_attributes(fault_inner_token(token), fault_inner_directory(directory), name,
                                wanted, not_kept, err);
}

int fault_set_directory_attributes(struct asset_token *token, struct bytes path,
                                   const struct wanted *wanted, u32 *not_kept, struct err *err)
{
    return asset_set_directory_attributes(fault_inner_token(token), path, wanted, not_kept, err);
}

int fault_set_root_attributes(struct asset *asset, const struct wanted *wanted, u32 *not_kept,
                              struct err *err)
{
    return asset_set_root_attributes(fault_inner(asset), wanted, not_kept, err);
}
