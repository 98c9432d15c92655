/* mem_stage.c: staging area, grants and staged copies of the memory driver.
 *
 * How: .syncline is a node that says so itself (no marker is needed), tokens are directories in it
 * and staged copies are named by their index, as in the directory driver. A token is revoked when
 * its node is no longer linked; handles keep such a node alive, but nothing can be put into it or
 * taken out. */
#include "asset/mem_tree.h"

#include <stdio.h>
#include <stdlib.h>

static struct bytes index_name(u32 index, char out[16])
{
    snprintf(out, 16, "%u", index);
    return bytes_text(out);
}

struct staged_version mem_version_of(const struct mem_node *node)
{
    return (struct staged_version){.inode = node->attributes.inode,
                                   .size = node->attributes.size,
                                   .ctime_ns = node->attributes.ctime_ns};
}

int mem_revoked(const struct token *token, struct err *err)
{
    char name[TOKEN_NAME_SIZE];

    token_name(token, name);
    return err_set(err, ERR_Revoked, "token %s was revoked", name);
}

/* The staging area, or NULL. */
static struct mem_child *area_of(struct mem_tree *tree)
{
    struct mem_child *child = node_find(tree->root, bytes_text(STAGING_NAME));

    return child && child->node->is_area ? child : NULL;
}

static void revoke_child(struct mem_tree *tree, struct mem_node *area, struct mem_child *child)
{
    node_empty(tree, child->node);
    node_unlink(tree, area, child);
}

int mem_staging_open(struct asset *asset, u64 job, u32 epoch, s64 *now_ns, struct err *err)
{
    struct mem_tree *tree = mem_tree_of(asset);
    struct mem_child *child;
    struct mem_node *area;
    int result = 0;

    pthread_mutex_lock(&tree->mutex);
    *now_ns = tree_tick(tree);
    child = node_find(tree->root, bytes_text(STAGING_NAME));
    if (!child) {
        area = node_new(tree, KIND_directory, 0700);
        area->is_area = true;
        node_link(tree, tree->root, bytes_text(STAGING_NAME), area);
    } else if (!child->node->is_area) {
        result = err_set(err, ERR_ReservedName, STAGING_NAME ": the name is taken by other data");
    } else {
        area = child->node;
        for (size_t i = area->count; i-- > 0;) {
            struct mem_child *grant = &area->children[i];
            struct token token;

            if (token_parse(bytes_of(grant->name, grant->size), &token) == 0 &&
                (token.job != job || token.epoch != epoch))
                revoke_child(tree, area, grant);
        }
    }
    pthread_mutex_unlock(&tree->mutex);
    return result;
}

int mem_grant(struct asset *asset, const struct token *first, u32 count, struct err *err)
{
    struct mem_tree *tree = mem_tree_of(asset);
    struct mem_child *area;
    int result = 0;

    pthread_mutex_lock(&tree->mutex);
    area = area_of(tree);
    if (!area)
        result = err_set(err, ERR_Revoked, "grant for job %llu: there is no staging area",
                         (unsigned long long)first->job);
    for (u32 i = 0; area && i < count; i++) {
        struct token token = *first;
        char name[TOKEN_NAME_SIZE];

        token.sequence += i;
        token_name(&token, name);
        if (!node_find(area->node, bytes_text(name)))
            node_link(tree, area->node, bytes_text(name), node_new(tree, KIND_directory, 0700));
    }
    pthread_mutex_unlock(&tree->mutex);
    return result;
}

int mem_revoke(struct asset *asset, const struct token *token, bool *clean, struct err *err)
{
    struct mem_tree *tree = mem_tree_of(asset);
    struct mem_child *area;

    (void)err;
    *clean =
        true; /* a change in place is one step under the mutex: nobody is ever inside of one here */
    pthread_mutex_lock(&tree->mutex);
    area = area_of(tree);
    for (size_t i = area ? area->node->count : 0; i-- > 0;) {
        struct mem_child *grant = &area->node->children[i];
        struct token found;

        if (token_parse(bytes_of(grant->name, grant->size), &found) < 0 || found.job != token->job)
            continue;
        if (token->sequence == 0 ? found.epoch != token->epoch
                                 : found.epoch == token->epoch && found.sequence == token->sequence)
            revoke_child(tree, area->node, grant);
    }
    pthread_mutex_unlock(&tree->mutex);
    return 0;
}

int mem_staging_close(struct asset *asset, struct err *err)
{
    struct mem_tree *tree = mem_tree_of(asset);
    struct mem_child *area;

    (void)err;
    pthread_mutex_lock(&tree->mutex);
    area = area_of(tree);
    while (area && area->node->count > 0)
        revoke_child(tree, area->node, &area->node->children[0]);
    if (area)
        node_unlink(tree, tree->root, area);
    pthread_mutex_unlock(&tree->mutex);
    return 0;
}

int mem_token_open(struct asset *asset, const struct token *token, struct asset_token **out,
                   struct err *err)
{
    struct mem_tree *tree = mem_tree_of(asset);
    struct mem_child *area, *grant = NULL;
    struct mem_token *handle;
    char name[TOKEN_NAME_SIZE];

    token_name(token, name);
    pthread_mutex_lock(&tree->mutex);
    area = area_of(tree);
    if (area)
        grant = node_find(area->node, bytes_text(name));
    if (grant) {
        handle = memory_or_die(sizeof *handle);
        handle->base.asset = asset;
        handle->node = node_hold(grant->node);
        handle->token = *token;
        *out = &handle->base;
    }
    pthread_mutex_unlock(&tree->mutex);
    return grant ? 0 : err_set(err, ERR_Revoked, "token %s is not granted", name);
}

void mem_token_close(struct asset_token *token)
{
    struct mem_token *self = (struct mem_token *)token;
    struct mem_tree *tree = mem_tree_of(token->asset);

    pthread_mutex_lock(&tree->mutex);
    node_release(self->node);
    pthread_mutex_unlock(&tree->mutex);
    free(self);
}

int mem_token_end(struct asset_token *token, struct err *err)
{
    struct token which = ((struct mem_token *)token)->token;
    struct asset *asset = token->asset;
    bool clean;

    mem_token_close(token);
    return mem_revoke(asset, &which, &clean, err);
}

/* ---- staging ---- */

struct mem_node *mem_stage_under(struct mem_tree *tree, struct mem_token *token, u32 index,
                                 enum object_kind kind)
{
    struct mem_node *node = node_new(tree, kind, kind == KIND_symlink ? 0777 : 0600);
    struct mem_child *old;
    char name[16];

    old = node_find(token->node, index_name(index, name));
    if (old)
        node_unlink(tree, token->node, old);
    node_link(tree, token->node, bytes_text(name), node);
    return node;
}

struct asset_file *mem_staged_file(struct mem_token *token, struct mem_node *node, u32 index)
{
    struct mem_file *file = memory_or_die(sizeof *file);

    file->base.asset = token->base.asset;
    file->node = node_hold(node);
    file->token = token->node;
    file->index = index;
    return &file->base;
}

int mem_stage_file(struct asset_token *token, u32 index, struct asset_file **out, struct err *err)
{
    struct mem_token *self = (struct mem_token *)token;
    struct mem_tree *tree = mem_tree_of(token->asset);
    int result = -1;

    pthread_mutex_lock(&tree->mutex);
    if (!self->node->linked) {
        mem_revoked(&self->token, err);
    } else {
        *out = mem_staged_file(self, mem_stage_under(tree, self, index, KIND_file), index);
        result = 0;
    }
    pthread_mutex_unlock(&tree->mutex);
    return result;
}

int mem_stage_write(struct asset_file *file, const void *data, size_t size, u64 offset,
                    struct err *err)
{
    struct mem_node *node = ((struct mem_file *)file)->node;
    struct mem_tree *tree = mem_tree_of(file->asset);

    (void)err;
    pthread_mutex_lock(&tree->mutex);
    if (offset + size > node->content.size) {
        size_t more = (size_t)offset + size - node->content.size;

        memset(buf_reserve(&node->content, more), 0, more);
        node->content.size += more;
    }
    if (size > 0)
        memcpy(node->content.data + offset, data, size);
    node->attributes.size = node->attributes.allocated = node->content.size;
    node->attributes.mtime_ns = node->attributes.ctime_ns = tree_tick(tree);
    pthread_mutex_unlock(&tree->mutex);
    return 0;
}

int mem_stage_end(struct asset_file *file, struct staged_version *out, struct err *err)
{
    struct mem_file *self = (struct mem_file *)file;
    struct mem_tree *tree = mem_tree_of(file->asset);

    (void)err;
    pthread_mutex_lock(&tree->mutex);
    *out = mem_version_of(self->node);
    node_release(self->node);
    pthread_mutex_unlock(&tree->mutex);
    free(self);
    return 0;
}

void mem_stage_abort(struct asset_file *file)
{
    struct mem_file *self = (struct mem_file *)file;
    struct mem_tree *tree = mem_tree_of(file->asset);
    struct mem_child *child;
    char name[16];

    pthread_mutex_lock(&tree->mutex);
    child = node_find(self->token, index_name(self->index, name));
    if (child)
        node_unlink(tree, self->token, child);
    node_release(self->node);
    pthread_mutex_unlock(&tree->mutex);
    free(self);
}

int mem_stage_link(struct asset_token *token, u32 index, struct bytes target,
                   struct staged_version *out, struct err *err)
{
    struct mem_token *self = (struct mem_token *)token;
    struct mem_tree *tree = mem_tree_of(token->asset);
    struct mem_node *node;
    int result = -1;

    if (target.size == 0 || memchr(target.data, '\0', target.size))
        return err_set(err, ERR_InvalidPath, "stage link %u: an empty target, or one with a NUL",
                       index);
    if (target.size >= SYMLINK_BYTES)
        return err_set(err, ERR_NameTooLong, "stage link %u: a target of %zu bytes", index,
                       target.size);
    pthread_mutex_lock(&tree->mutex);
    if (!self->node->linked) {
        mem_revoked(&self->token, err);
    } else {
        node = mem_stage_under(tree, self, index, KIND_symlink);
        buf_append(&node->content, target.data, target.size);
        node->attributes.size = target.size;
        *out = mem_version_of(node);
        result = 0;
    }
    pthread_mutex_unlock(&tree->mutex);
    return result;
}

void mem_stage_remove(struct asset_token *token, u32 index)
{
    struct mem_node *node = ((struct mem_token *)token)->node;
    struct mem_tree *tree = mem_tree_of(token->asset);
    struct mem_child *child;
    char name[16];

    pthread_mutex_lock(&tree->mutex);
    child = node_find(node, index_name(index, name));
    if (child)
        node_unlink(tree, node, child);
    pthread_mutex_unlock(&tree->mutex);
}

/* ---- reading back ---- */

struct mem_child *mem_staged_find(const struct mem_token *token, u32 index, struct err *err)
{
    char name[16];
    struct mem_child *child = node_find(token->node, index_name(index, name));

    if (!token->node->linked)
        mem_revoked(&token->token, err);
    else if (!child)
        err_set(err, ERR_StagedChanged, "staged copy %u is not there", index);
    return token->node->linked ? child : NULL;
}

int mem_staged_open(struct asset_token *token, u32 index, bool uncached, struct asset_file **out,
                    struct staged_version *version, struct err *err)
{
    struct mem_token *self = (struct mem_token *)token;
    struct mem_tree *tree = mem_tree_of(token->asset);
    struct mem_child *child;
    struct mem_file *file;
    int result = -1;

    (void)uncached; /* memory is the medium */
    pthread_mutex_lock(&tree->mutex);
    child = mem_staged_find(self, index, err);
    if (child &&
        (child->node->attributes.kind != KIND_file || child->node->attributes.mode != 0600)) {
        err_set(err, ERR_StagedChanged, "staged copy %u is not a private file", index);
    } else if (child) {
        file = memory_or_die(sizeof *file);
        file->base.asset = token->asset;
        file->node = node_hold(child->node);
        *version = mem_version_of(child->node);
        *out = &file->base;
        result = 0;
    }
    pthread_mutex_unlock(&tree->mutex);
    return result;
}

int mem_staged_link(struct asset_token *token, u32 index, struct buf *target,
                    struct staged_version *version, struct err *err)
{
    struct mem_token *self = (struct mem_token *)token;
    struct mem_tree *tree = mem_tree_of(token->asset);
    struct mem_child *child;
    int result = -1;

    pthread_mutex_lock(&tree->mutex);
    child = mem_staged_find(self, index, err);
    if (child && child->node->attributes.kind != KIND_symlink) {
        err_set(err, ERR_StagedChanged, "staged copy %u is not a link", index);
    } else if (child) {
        buf_append(target, child->node->content.data, child->node->content.size);
        *version = mem_version_of(child->node);
        result = 0;
    }
    pthread_mutex_unlock(&tree->mutex);
    return result;
}
