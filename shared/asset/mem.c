/* mem.c: a tree in process memory as an asset: opening it, listing it, reading it.
 *
 * How: one mutex per tree, taken by each call for its whole length, makes each call one step; the
 * lock of changes in place and the rename of a publish are that same mutex. Staging (mem_stage.c)
 * and publishing (mem_publish.c) use real nodes below .syncline, as the directory driver does. */
#include "asset/mem_tree.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/names.h"

static int mem_open(const char *rest, struct asset **out, struct err *err)
{
    struct mem_asset *asset;

    if (!name_is_valid(bytes_text(rest)))
        return err_set(err, ERR_Configuration, "asset address \"mem:%.200s\": not a name", rest);
    asset = memory_or_die(sizeof *asset);
    asset->tree = tree_get(rest);
    *out = &asset->base;
    return 0;
}

static void mem_close(struct asset *asset)
{
    free(asset);
}

static int mem_identity(struct asset *asset, struct identity *out, struct err *err)
{
    struct mem_tree *tree = mem_tree_of(asset);
    struct digest digest;

    (void)err;
    hash_bytes(HASH_XXH3_128, bytes_text(tree->name), &digest);
    memcpy(out->bytes, "mem", 3);
    memcpy(out->bytes + 3, digest.bytes, digest.size);
    out->size = 3 + digest.size;
    return 0;
}

/* Trees are apart from one another, so the tree is the filesystem and its root the place. */
static int mem_place(struct asset *asset, struct buf *out, struct err *err)
{
    struct digest digest;

    (void)err;
    hash_bytes(HASH_XXH3_128, bytes_text(mem_tree_of(asset)->name), &digest);
    buf_append(out, digest.bytes, 8);
    return 0;
}

static int mem_root_attributes(struct asset *asset, struct attributes *out, struct err *err)
{
    struct mem_tree *tree = mem_tree_of(asset);

    (void)err;
    pthread_mutex_lock(&tree->mutex);
    *out = tree->root->attributes;
    pthread_mutex_unlock(&tree->mutex);
    return 0;
}

static s64 mem_now_ns(struct asset *asset)
{
    struct mem_tree *tree = mem_tree_of(asset);
    s64 now;

    pthread_mutex_lock(&tree->mutex);
    now = tree_tick(tree);
    pthread_mutex_unlock(&tree->mutex);
    return now;
}

static int mem_settle(struct asset *asset, struct err *err)
{
    (void)asset;
    (void)err;
    return 0;
}

/* ---- directories ---- */

struct asset_directory *mem_directory_new(struct asset *asset, struct mem_node *node)
{
    struct mem_directory *directory = memory_or_die(sizeof *directory);

    directory->base.asset = asset;
    directory->node = node_hold(node);
    return &directory->base;
}

static int mem_directory_open(struct asset *asset, struct bytes path, struct asset_directory **out,
                              struct err *err)
{
    struct mem_tree *tree = mem_tree_of(asset);
    struct mem_node *node;
    int result;

    pthread_mutex_lock(&tree->mutex);
    result = tree_walk(tree, path, &node, err);
    if (result == 0)
        *out = mem_directory_new(asset, node);
    pthread_mutex_unlock(&tree->mutex);
    return result;
}

static int mem_directory_enter(struct asset_directory *parent, struct bytes name,
                               struct asset_directory **out, struct err *err)
{
    struct mem_tree *tree = mem_tree_of(parent->asset);
    struct mem_child *child;
    int result = -1;

    if (!name_is_valid(name))
        return err_set(err, ERR_InvalidPath, "enter directory: not the name of an entry");
    pthread_mutex_lock(&tree->mutex);
    child = node_find(((struct mem_directory *)parent)->node, name);
    if (!child) {
        err_set(err, ERR_NotFound, "enter directory: no such directory");
    } else if (child->node->attributes.kind == KIND_symlink) {
        err_set(err, ERR_SymlinkInPath, "enter directory: it is a symbolic link");
    } else if (child->node->attributes.kind != KIND_directory) {
        err_set(err, ERR_NotADirectory, "enter directory: not a directory");
    } else {
        *out = mem_directory_new(parent->asset, child->node);
        result = 0;
    }
    pthread_mutex_unlock(&tree->mutex);
    return result;
}

static void mem_directory_close(struct asset_directory *directory)
{
    struct mem_directory *self = (struct mem_directory *)directory;
    struct mem_tree *tree = mem_tree_of(directory->asset);

    pthread_mutex_lock(&tree->mutex);
    node_release(self->node);
    pthread_mutex_unlock(&tree->mutex);
    free(self);
}

/* The first child after a position; count where there is none. */
static size_t child_after(const struct mem_node *node, u64 position)
{
    size_t low = 0, high = node->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (node->children[middle].cookie <= position)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int mem_directory_next(struct asset_directory *directory, struct entry *out, struct err *err)
{
    struct mem_directory *self = (struct mem_directory *)directory;
    struct mem_tree *tree = mem_tree_of(directory->asset);
    int got = 0;

    (void)err;
    pthread_mutex_lock(&tree->mutex);
    for (size_t at = child_after(self->node, self->position); at < self->node->count && !got;
         at++) {
        const struct mem_child *child = &self->node->children[at];

        self->position = child->cookie;
        if (child->node->is_area)
            continue;
        memcpy(self->name, child->name, child->size);
        out->name = bytes_of(self->name, child->size);
        out->attributes = child->node->attributes;
        out->code = ERR_Ok;
        got = 1;
    }
    pthread_mutex_unlock(&tree->mutex);
    return got;
}

static u64 mem_directory_position(const struct asset_directory *directory)
{
    return ((const struct mem_directory *)directory)->position;
}

static int mem_directory_seek(struct asset_directory *directory, u64 position, struct err *err)
{
    (void)err;
    ((struct mem_directory *)directory)->position = position;
    return 0;
}

static int mem_directory_lookup(struct asset_directory *directory, struct bytes name,
                                struct attributes *out, struct err *err)
{
    struct mem_tree *tree = mem_tree_of(directory->asset);
    const struct mem_child *child;

    if (!name_is_valid(name))
        return err_set(err, ERR_InvalidPath, "look up: not the name of an entry");
    pthread_mutex_lock(&tree->mutex);
    child = node_find(((struct mem_directory *)directory)->node, name);
    if (child)
        *out = child->node->attributes;
    pthread_mutex_unlock(&tree->mutex);
    return child != NULL;
}

static int mem_directory_attributes(struct asset_directory *directory, struct attributes *out,
                                    struct err *err)
{
    struct mem_tree *tree = mem_tree_of(directory->asset);

    (void)err;
    pthread_mutex_lock(&tree->mutex);
    *out = ((struct mem_directory *)directory)->node->attributes;
    pthread_mutex_unlock(&tree->mutex);
    return 0;
}

/* ---- reading ---- */

static int mem_file_open(struct asset_directory *directory, struct bytes name,
                         struct asset_file **out, struct attributes *attributes, struct err *err)
{
    struct mem_tree *tree = mem_tree_of(directory->asset);
    struct mem_file *file;
    struct mem_child *child;
    int result = -1;

    if (!name_is_valid(name))
        return err_set(err, ERR_InvalidPath, "open: not the name of an entry");
    pthread_mutex_lock(&tree->mutex);
    child = node_find(((struct mem_directory *)directory)->node, name);
    if (!child) {
        err_set(err, ERR_NotFound, "open: no such file");
    } else if (child->node->attributes.kind != KIND_file) {
        err_set(err, ERR_UnsupportedKind, "open: not a regular file");
    } else {
        file = memory_or_die(sizeof *file);
        file->base.asset = directory->asset;
        file->node = node_hold(child->node);
        *attributes = child->node->attributes;
        *out = &file->base;
        result = 0;
    }
    pthread_mutex_unlock(&tree->mutex);
    return result;
}

static s64 mem_file_read(struct asset_file *file, void *buffer, size_t size, u64 offset,
                         struct err *err)
{
    const struct mem_file *self = (const struct mem_file *)file;
    struct mem_tree *tree = mem_tree_of(file->asset);
    size_t left;

    (void)err;
    pthread_mutex_lock(&tree->mutex);
    left = offset < self->node->content.size ? self->node->content.size - (size_t)offset : 0;
    if (size > left)
        size = left;
    if (size > 0)
        memcpy(buffer, self->node->content.data + offset, size);
    pthread_mutex_unlock(&tree->mutex);
    return (s64)size;
}

static int mem_file_attributes(struct asset_file *file, struct attributes *out, struct err *err)
{
    struct mem_tree *tree = mem_tree_of(file->asset);

    (void)err;
    pthread_mutex_lock(&tree->mutex);
    *out = ((const struct mem_file *)file)->node->attributes;
    pthread_mutex_unlock(&tree->mutex);
    return 0;
}

static int mem_extras(struct asset_directory *directory, struct bytes name, u32 preserve,
                      struct buf *out, u32 *not_kept, struct err *err)
{
    struct mem_tree *tree = mem_tree_of(directory->asset);
    const struct mem_node *node = ((struct mem_directory *)directory)->node;
    int result = 0;

    pthread_mutex_lock(&tree->mutex);
    if (name.size > 0) {
        const struct mem_child *child = node_find(node, name);

        node = child ? child->node : NULL;
    }
    if (node)
        result = mem_append_extras(node, preserve, out, not_kept, err);
    else
        result = err_set(err, ERR_NotFound, "read extras: no such object");
    pthread_mutex_unlock(&tree->mutex);
    return result;
}

static int mem_file_extras(struct asset_file *file, u32 preserve, struct buf *out, u32 *not_kept,
                           struct err *err)
{
    struct mem_tree *tree = mem_tree_of(file->asset);
    int result;

    pthread_mutex_lock(&tree->mutex);
    result = mem_append_extras(((struct mem_file *)file)->node, preserve, out, not_kept, err);
    pthread_mutex_unlock(&tree->mutex);
    return result;
}

static void mem_file_close(struct asset_file *file)
{
    struct mem_file *self = (struct mem_file *)file;
    struct mem_tree *tree = mem_tree_of(file->asset);

    pthread_mutex_lock(&tree->mutex);
    node_release(self->node);
    pthread_mutex_unlock(&tree->mutex);
    free(self);
}

static int mem_read_link(struct asset_directory *directory, struct bytes name, struct buf *target,
                         struct attributes *attributes, struct err *err)
{
    struct mem_tree *tree = mem_tree_of(directory->asset);
    const struct mem_child *child;
    int result = -1;

    pthread_mutex_lock(&tree->mutex);
    child = node_find(((struct mem_directory *)directory)->node, name);
    if (!child) {
        err_set(err, ERR_NotFound, "read link: no such link");
    } else if (child->node->attributes.kind != KIND_symlink) {
        err_set(err, ERR_UnsupportedKind, "read link: not a symbolic link");
    } else {
        buf_append(target, child->node->content.data, child->node->content.size);
        *attributes = child->node->attributes;
        result = 0;
    }
    pthread_mutex_unlock(&tree->mutex);
    return result;
}

const struct asset_ops asset_mem_ops = {
    .scheme = "mem",
    .capabilities =
        ASSET_OWNERS | ASSET_MODES | ASSET_RENAMES | ASSET_LOOKUP | ASSET_EXTRAS | ASSET_NODES,
    .open = mem_open,
    .close = mem_close,
    .identity = mem_identity,
    .place = mem_place,
    .root_attributes = mem_root_attributes,
    .now_ns = mem_now_ns,
    .directory_open = mem_directory_open,
    .directory_enter = mem_directory_enter,
    .directory_close = mem_directory_close,
    .directory_next = mem_directory_next,
    .directory_position = mem_directory_position,
    .directory_seek = mem_directory_seek,
    .directory_lookup = mem_directory_lookup,
    .directory_attributes = mem_directory_attributes,
    .extras = mem_extras,
    .file_open = mem_file_open,
    .file_read = mem_file_read,
    .file_attributes = mem_file_attributes,
    .file_extras = mem_file_extras,
    .file_close = mem_file_close,
    .read_link = mem_read_link,
    .staging_open = mem_staging_open,
    .grant = mem_grant,
    .revoke = mem_revoke,
    .staging_close = mem_staging_close,
    .token_open = mem_token_open,
    .token_close = mem_token_close,
    .token_end = mem_token_end,
    .stage_file = mem_stage_file,
    .stage_write = mem_stage_write,
    .stage_end = mem_stage_end,
    .stage_abort = mem_stage_abort,
    .stage_reserve = mem_stage_reserve,
    .stage_open = mem_stage_open,
    .stage_close = mem_stage_close,
    .stage_adopt = mem_stage_adopt,
    .stage_node = mem_stage_node,
    .stage_link = mem_stage_link,
    .stage_remove = mem_stage_remove,
    .staged_open = mem_staged_open,
    .staged_link = mem_staged_link,
    .staged_node = mem_staged_node,
    .publish_directory = mem_publish_directory,
    .publish = mem_publish,
    .publish_make = mem_publish_make,
    .remove = mem_remove,
    .set_attributes = mem_set_attributes,
    .set_directory_attributes = mem_set_directory_attributes,
    .set_root_attributes = mem_set_root_attributes,
    .settle = mem_settle,
};
