/* asset.c: the functions of asset.h, over the table of the driver that the address names: opening,
 * finding, reading. Those that write are in asset_write.c.
 *
 * How: each function is one call through the vtable. What a driver leaves out has its fallback in
 * these two files and nowhere else, so that neither callers nor drivers know of one another's gaps.
 * Handles are closed through a pointer to the caller's pointer, which becomes NULL, so that a
 * second close is harmless. */
#include "asset/asset.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/names.h"

static const struct asset_ops *const drivers[] = {&asset_dir_ops, &asset_mem_ops, &asset_fault_ops};

/* ---- tokens and places: values, no driver ---- */

void token_name(const struct token *token, char out[TOKEN_NAME_SIZE])
{
    snprintf(out, TOKEN_NAME_SIZE, "%" PRIu64 "-%" PRIu32 "-%" PRIu32, token->job, token->epoch,
             token->sequence);
}

/* Reads a decimal number without sign or leading zero from *at on. */
static bool take_number(struct bytes name, size_t *at, u64 limit, u64 *out)
{
    size_t start = *at;
    u64 value = 0;

    for (; *at < name.size && name.data[*at] >= '0' && name.data[*at] <= '9'; ++*at) {
        u64 digit = (u64)(name.data[*at] - '0');

        if (value > (limit - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *out = value;
    return *at > start && (name.data[start] != '0' || *at == start + 1);
}

int token_parse(struct bytes name, struct token *out)
{
    u64 job, epoch, sequence;
    size_t at = 0;

    if (!take_number(name, &at, UINT64_MAX, &job) || at == name.size || name.data[at++] != '-')
        return -1;
    if (!take_number(name, &at, UINT32_MAX, &epoch) || at == name.size || name.data[at++] != '-')
        return -1;
    if (!take_number(name, &at, UINT32_MAX, &sequence) || at != name.size)
        return -1;
    *out = (struct token){.job = job, .epoch = (u32)epoch, .sequence = (u32)sequence};
    return 0;
}

enum place_relation place_compare(struct bytes a, struct bytes b)
{
    bool a_in_b, b_in_a;

    if (a.size < 8 || b.size < 8 || memcmp(a.data, b.data, 8) != 0)
        return PLACE_APART;
    a_in_b = path_is_within(bytes_of(a.data + 8, a.size - 8), bytes_of(b.data + 8, b.size - 8));
    b_in_a = path_is_within(bytes_of(b.data + 8, b.size - 8), bytes_of(a.data + 8, a.size - 8));
    if (a_in_b && b_in_a)
        return PLACE_SAME;
    return a_in_b ? PLACE_A_IN_B : b_in_a ? PLACE_B_IN_A : PLACE_APART;
}

/* ---- an asset ---- */

/* The driver of an address, and what stands behind its scheme; NULL if there is none. */
static const struct asset_ops *driver_of(const char *address, const char **rest)
{
    const char *colon = strchr(address, ':');
    size_t length = colon ? (size_t)(colon - address) : 0;

    for (size_t i = 0; colon && i < COUNT_OF(drivers); i++) {
        *rest = colon + 1;
        if (strlen(drivers[i]->scheme) == length &&
            memcmp(drivers[i]->scheme, address, length) == 0)
            return drivers[i];
    }
    return NULL;
}

int asset_open(const char *address, struct asset **out, struct err *err)
{
    const char *rest;
    const struct asset_ops *ops = driver_of(address, &rest);
    s64 now = clock_boot_ns();

    *out = NULL;
    if (!ops)
        return err_set(err, ERR_Configuration,
                       "asset address \"%.200s\": it begins with none of dir:, mem:, "
                       "fault:",
                       address);
    if (ops->open(rest, out, err) < 0)
        return -1;
    if (!(*out)->ops)
        (*out)->ops = ops;
    (*out)->address = text_copy(address);
    (*out)->opened_ns = now;
    return 0;
}

const char *asset_path_of(const char *address)
{
    const char *rest;
    const struct asset_ops *ops = driver_of(address, &rest);

    return ops && ops->path ? ops->path(rest) : NULL;
}

void asset_close(struct asset **asset)
{
    if (!*asset)
        return;
    free((*asset)->address);
    (*asset)->ops->close(*asset);
    *asset = NULL;
}

int asset_is_current(struct asset *asset, struct err *err)
{
    return asset->ops->is_current ? asset->ops->is_current(asset, err) : 1;
}

u32 asset_capabilities(const struct asset *asset)
{
    return asset->ops->capabilities;
}

/* Who has no identity or place of its own is known by its address. */
static void address_digest(const struct asset *asset, struct digest *out)
{
    hash_bytes(HASH_XXH3_128, bytes_text(asset->address), out);
}

int asset_identity(struct asset *asset, struct identity *out, struct err *err)
{
    struct digest digest;

    memset(out, 0, sizeof *out);
    if (asset->ops->identity)
        return asset->ops->identity(asset, out, err);
    address_digest(asset, &digest);
    memcpy(out->bytes, digest.bytes, digest.size);
    out->size = digest.size;
    return 0;
}

int asset_place(struct asset *asset, struct buf *out, struct err *err)
{
    struct digest digest;

    if (asset->ops->place)
        return asset->ops->place(asset, out, err);
    address_digest(asset, &digest);
    buf_append(out, digest.bytes, 8);
    return 0;
}

int asset_check_readable(struct asset *asset, struct err *err)
{
    return asset->ops->check_readable ? asset->ops->check_readable(asset, err) : 0;
}

int asset_check_writable(struct asset *asset, struct err *err)
{
    return asset->ops->check_writable ? asset->ops->check_writable(asset, err) : 0;
}

int asset_space(struct asset *asset, u64 *bytes_free, u64 *bytes_total, struct err *err)
{
    *bytes_free = *bytes_total = 0;
    return asset->ops->space ? asset->ops->space(asset, bytes_free, bytes_total, err) : 0;
}

int asset_prospect(const char *address, struct buf *place, struct err *err)
{
    const char *rest;
    const struct asset_ops *ops = driver_of(address, &rest);

    return ops && ops->prospect
               ? ops->prospect(rest, place, err)
               : err_set(err, ERR_NotFound, "\"%.200s\" is nothing that could be made", address);
}

int asset_make(const char *address, struct err *err)
{
    const char *rest;
    const struct asset_ops *ops = driver_of(address, &rest);

    return ops && ops->make
               ? ops->make(rest, err)
               : err_set(err, ERR_NotFound, "\"%.200s\" is nothing that could be made", address);
}

int asset_root_attributes(struct asset *asset, struct attributes *out, struct err *err)
{
    return asset->ops->root_attributes(asset, out, err);
}

s64 asset_now_ns(struct asset *asset)
{
    return asset->ops->now_ns ? asset->ops->now_ns(asset) : clock_filesystem_ns();
}

/* ---- directories ---- */

int asset_directory_open(struct asset *asset, struct bytes path, struct asset_directory **out,
                         struct err *err)
{
    *out = NULL;
    return asset->ops->directory_open(asset, path, out, err);
}

int asset_directory_enter(struct asset_directory *parent, struct bytes name,
                          struct asset_directory **out, struct err *err)
{
    *out = NULL;
    return parent->asset->ops->directory_enter(parent, name, out, err);
}

void asset_directory_close(struct asset_directory **directory)
{
    if (*directory)
        (*directory)->asset->ops->directory_close(*directory);
    *directory = NULL;
}

int asset_directory_next(struct asset_directory *directory, struct entry *out, struct err *err)
{
    return directory->asset->ops->directory_next(directory, out, err);
}

int asset_directory_next_directory(struct asset_directory *directory, struct entry *out,
                                   struct err *err)
{
    const struct asset_ops *ops = directory->asset->ops;
    int got;

    if (ops->directory_next_directory)
        return ops->directory_next_directory(directory, out, err);
    do
        got = ops->directory_next(directory, out, err);
    while (got == 1 && out->attributes.kind != KIND_directory);
    return got;
}

int asset_directory_next_name(struct asset_directory *directory, struct entry *out, struct err *err)
{
    const struct asset_ops *ops = directory->asset->ops;

    return ops->directory_next_name ? ops->directory_next_name(directory, out, err)
                                    : ops->directory_next(directory, out, err);
}

int asset_directory_rewind(struct asset_directory *directory, struct err *err)
{
    return directory->asset->ops->directory_seek(directory, 0, err);
}

u64 asset_directory_position(const struct asset_directory *directory)
{
    return directory->asset->ops->directory_position(directory);
}

int asset_directory_seek(struct asset_directory *directory, u64 position, struct err *err)
{
    return directory->asset->ops->directory_seek(directory, position, err);
}

int asset_directory_lookup(struct asset_directory *directory, struct bytes name,
                           struct attributes *out, struct err *err)
{
    return directory->asset->ops->directory_lookup(directory, name, out, err);
}

int asset_directory_attributes(struct asset_directory *directory, struct attributes *out,
                               struct err *err)
{
    return directory->asset->ops->directory_attributes(directory, out, err);
}

int asset_extras(struct asset_directory *directory, struct bytes name, u32 preserve,
                 struct buf *out, u32 *not_kept, struct err *err)
{
    *not_kept = 0;
    if (!directory->asset->ops->extras || !(preserve & (PRESERVE_xattrs | PRESERVE_acls)))
        return 0;
    return directory->asset->ops->extras(directory, name, preserve, out, not_kept, err);
}

/* ---- reading ---- */

int asset_file_open(struct asset_directory *directory, struct bytes name, struct asset_file **out,
                    struct attributes *attributes, struct err *err)
{
    *out = NULL;
    return directory->asset->ops->file_open(directory, name, out, attributes, err);
}

s64 asset_file_read(struct asset_file *file, void *buffer, size_t size, u64 offset, struct err *err)
{
    return file->asset->ops->file_read(file, buffer, size, offset, err);
}

int asset_file_attributes(struct asset_file *file, struct attributes *out, struct err *err)
{
    return file->asset->ops->file_attributes(file, out, err);
}

int asset_file_data(struct asset_file *file, u64 offset, u64 size, u64 *start, u64 *end,
                    struct err *err)
{
    if (offset >= size)
        return 0;
    if (file->asset->ops->file_data)
        return file->asset->ops->file_data(file, offset, size, start, end, err);
    *start = offset;
    *end = size;
    return 1;
}

int asset_file_extras(struct asset_file *file, u32 preserve, struct buf *out, u32 *not_kept,
                      struct err *err)
{
    *not_kept = 0;
    if (!file->asset->ops->file_extras || !(preserve & (PRESERVE_xattrs | PRESERVE_acls)))
        return 0;
    return file->asset->ops->file_extras(file, preserve, out, not_kept, err);
}

void asset_file_uncached(struct asset_file *file)
{
    if (file->asset->ops->file_uncached)
        file->asset->ops->file_uncached(file);
}

void asset_file_close(struct asset_file **file)
{
    if (*file)
        (*file)->asset->ops->file_close(*file);
    *file = NULL;
}

int asset_read_link(struct asset_directory *directory, struct bytes name, struct buf *target,
                    struct attributes *attributes, struct err *err)
{
    return directory->asset->ops->read_link(directory, name, target, attributes, err);
}
