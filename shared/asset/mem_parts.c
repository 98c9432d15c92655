/* mem_parts.c: staged copies that are written by several, and staged nodes, in the memory driver.
 *
 * How: as in the rest of it, each call is one step under the tree's mutex. There are no holes here:
 * what is not written is zero. */
#include "asset/mem_tree.h"

#include <stdlib.h>

/* Called with the mutex held. */
static void grow(struct mem_tree *tree, struct mem_node *node, size_t size)
{
    if (size > node->content.size) {
        size_t more = size - node->content.size;

        memset(buf_reserve(&node->content, more), 0, more);
    }
    node->content.size = size;
    node->attributes.size = node->attributes.allocated = size;
    node->attributes.mtime_ns = node->attributes.ctime_ns = tree_tick(tree);
}

int mem_stage_reserve(struct asset_file *file, u64 size, struct err *err)
{
    struct mem_tree *tree = mem_tree_of(file->asset);

    (void)err;
    pthread_mutex_lock(&tree->mutex);
    grow(tree, ((struct mem_file *)file)->node, (size_t)size);
    pthread_mutex_unlock(&tree->mutex);
    return 0;
}

/* The staged regular file, borrowed, or NULL with err. */
static struct mem_node *find_file(const struct mem_token *token, u32 index, struct err *err)
{
    struct mem_child *child = mem_staged_find(token, index, err);

    if (!child)
        return NULL;
    if (child->node->attributes.kind == KIND_file && child->node->attributes.mode == 0600)
        return child->node;
    err_set(err, ERR_StagedChanged, "staged copy %u is not a private file", index);
    return NULL;
}

int mem_stage_open(struct asset_token *token, u32 index, struct asset_file **out, struct err *err)
{
    struct mem_tree *tree = mem_tree_of(token->asset);
    struct mem_node *node;

    pthread_mutex_lock(&tree->mutex);
    node = find_file((struct mem_token *)token, index, err);
    if (node)
        *out = mem_staged_file((struct mem_token *)token, node, index);
    pthread_mutex_unlock(&tree->mutex);
    return node ? 0 : -1;
}

void mem_stage_close(struct asset_file *file)
{
    struct mem_file *self = (struct mem_file *)file;
    struct mem_tree *tree = mem_tree_of(file->asset);

    pthread_mutex_lock(&tree->mutex);
    node_release(self->node);
    pthread_mutex_unlock(&tree->mutex);
    free(self);
}

int mem_stage_adopt(struct asset_file *file, struct asset_token *from, u32 index, u64 offset,
                    u64 length, struct err *err)
{
    struct mem_node *into = ((struct mem_file *)file)->node, *node;
    struct mem_tree *tree = mem_tree_of(file->asset);
    int result = -1;

    pthread_mutex_lock(&tree->mutex);
    node = find_file((struct mem_token *)from, index, err);
    if (node && (offset > node->content.size || length > node->content.size - offset)) {
        err_set(err, ERR_StagedChanged, "adopt from staged copy %u: it has %zu bytes", index,
                node->content.size);
    } else if (node) {
        if (offset + length > into->content.size)
            grow(tree, into, (size_t)(offset + length));
        if (length > 0)
            memmove(into->content.data + offset, node->content.data + offset, (size_t)length);
        into->attributes.ctime_ns = tree_tick(tree);
        result = 0;
    }
    pthread_mutex_unlock(&tree->mutex);
    return result;
}

/* ---- nodes ---- */

static bool is_node(enum object_kind kind)
{
    return kind == KIND_fifo || kind == KIND_character_device || kind == KIND_block_device;
}

int mem_stage_node(struct asset_token *token, u32 index, enum object_kind kind, u64 rdev,
                   struct staged_version *out, struct err *err)
{
    struct mem_token *self = (struct mem_token *)token;
    struct mem_tree *tree = mem_tree_of(token->asset);
    struct mem_node *node;
    int result = 0;

    if (!is_node(kind))
        return err_set(err, ERR_UnsupportedKind, "stage node %u: a %s is none", index,
                       kind_name(kind));
    pthread_mutex_lock(&tree->mutex);
    if (!self->node->linked) {
        result = mem_revoked(&self->token, err);
    } else {
        node = mem_stage_under(tree, self, index, kind);
        node->attributes.rdev = kind == KIND_fifo ? 0 : rdev;
        *out = mem_version_of(node);
    }
    pthread_mutex_unlock(&tree->mutex);
    return result;
}

int mem_staged_node(struct asset_token *token, u32 index, enum object_kind *kind, u64 *rdev,
                    struct staged_version *version, struct err *err)
{
    struct mem_tree *tree = mem_tree_of(token->asset);
    const struct mem_child *child;
    int result = -1;

    pthread_mutex_lock(&tree->mutex);
    child = mem_staged_find((struct mem_token *)token, index, err);
    if (child && (!is_node(child->node->attributes.kind) || child->node->attributes.mode != 0600)) {
        err_set(err, ERR_StagedChanged, "staged copy %u is not a private node", index);
    } else if (child) {
        *kind = child->node->attributes.kind;
        *rdev = child->node->attributes.rdev;
        *version = mem_version_of(child->node);
        result = 0;
    }
    pthread_mutex_unlock(&tree->mutex);
    return result;
}
