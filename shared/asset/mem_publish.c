/* mem_publish.c: publishing and changes in place of the memory driver.
 *
 * How: each call checks and acts under the tree's mutex, so what the directory driver reaches by a
 * rename and a lock file is one step here. Order of checks and error codes are the same. */
#include "asset/mem_tree.h"

#include <stdio.h>

#include "base/names.h"

static int refuse_name(struct mem_tree *tree, const struct mem_node *directory, struct bytes name,
                       struct err *err)
{
    if (!name_is_valid(name))
        return err_set(err, ERR_InvalidPath, "publish: not the name of an entry");
    if (directory == tree->root && bytes_equal(name, bytes_text(STAGING_NAME)))
        return err_set(err, ERR_ReservedName, "publish: the name " STAGING_NAME " is reserved");
    return 0;
}

int mem_publish_directory(struct asset_token *token, struct bytes path, u32 replaces,
                          struct asset_directory **out, struct err *err)
{
    struct mem_token *self = (struct mem_token *)token;
    struct mem_tree *tree = mem_tree_of(token->asset);
    struct mem_node *node = tree->root;
    int result = 0;

    (void)replaces;
    if (!path_is_valid(path))
        return err_set(err, ERR_InvalidPath, "publish: not a path below the root");
    if (path_is_within(path, bytes_text(STAGING_NAME)))
        return err_set(err, ERR_ReservedName, "publish: the name " STAGING_NAME " is reserved");
    pthread_mutex_lock(&tree->mutex);
    while (result == 0 && path.size > 0) {
        const u8 *slash = memchr(path.data, '/', path.size);
        size_t size = slash ? (size_t)(slash - path.data) : path.size;
        struct bytes name = bytes_of(path.data, size);
        struct mem_child *child = node_find(node, name);

        if (!child && !self->node->linked) {
            result = mem_revoked(&self->token, err);
        } else if (!child) {
            struct mem_node *made = node_new(tree, KIND_directory, 0700);

            node_link(tree, node, name, made);
            node = made;
        } else if (child->node->attributes.kind != KIND_directory) {
            result = err_set(err, ERR_Occupied, "publish into a directory: a %s is on the way",
                             kind_name(child->node->attributes.kind));
        } else {
            node = child->node;
        }
        size += slash != NULL;
        path = bytes_of(path.data + size, path.size - size);
    }
    if (result == 0)
        *out = mem_directory_new(token->asset, node);
    pthread_mutex_unlock(&tree->mutex);
    return result;
}

/* The step itself: out of the token's directory, over what has the name. */
static void move_node(struct mem_tree *tree, struct mem_node *from, struct mem_child *staged,
                      struct mem_node *to, struct bytes name)
{
    struct mem_child *old = node_find(to, name);
    struct mem_node *node = node_hold(staged->node);

    if (old)
        node_unlink(tree, to, old);
    node_unlink(tree, from, staged);
    node->attributes.links = 1;
    node_link(tree, to, name, node);
}

int mem_publish(struct asset_token *token, u32 index, const struct staged_version *version,
                const struct wanted *wanted, bool over_directory, struct asset_directory *directory,
                struct bytes name, u32 *not_kept, struct err *err)
{
    struct mem_token *self = (struct mem_token *)token;
    struct mem_tree *tree = mem_tree_of(token->asset);
    struct mem_node *into = ((struct mem_directory *)directory)->node;
    struct mem_child *staged, *there;
    const struct attributes *attributes = &wanted->attributes;
    struct attributes *now;
    int result = -1;

    (void)over_directory;
    (void)not_kept; /* in memory there is nobody who could refuse an owner */
    if (refuse_name(tree, into, name, err) < 0)
        return -1;
    if (token->asset->before_publish)
        token->asset->before_publish(token->asset->before_publish_context);
    pthread_mutex_lock(&tree->mutex);
    staged = mem_staged_find(self, index, err);
    there = node_find(into, name);
    if (!staged) {
        now = there ? &there->node->attributes : NULL;
        if (now && now->kind == attributes->kind && now->inode == version->inode &&
            now->size == version->size)
            result = 0; /* published before: the order came twice */
        goto done;
    }
    now = &staged->node->attributes;
    if (now->kind != attributes->kind || now->inode != version->inode ||
        now->size != version->size || now->ctime_ns != version->ctime_ns) {
        err_set(err, ERR_StagedChanged, "staged copy %u is not what was proven", index);
    } else if (there && there->node->attributes.kind == KIND_directory) {
        err_set(err, ERR_Occupied, "publish: a directory is there");
    } else if (!into->linked) {
        err_set(err, ERR_IoError, "publish: the directory at the destination vanished");
    } else {
        now->uid = attributes->uid;
        now->gid = attributes->gid;
        if (now->kind != KIND_symlink)
            now->mode = attributes->mode & 07777;
        now->mtime_ns = attributes->mtime_ns;
        now->ctime_ns = tree_tick(tree);
        move_node(tree, self->node, staged, into, name);
        result = 0;
    }
done:
    pthread_mutex_unlock(&tree->mutex);
    return result;
}

int mem_publish_make(struct asset_token *token, u32 index, struct asset_directory *directory,
                     struct bytes name, bool replaces, bool *made, struct err *err)
{
    struct mem_token *self = (struct mem_token *)token;
    struct mem_tree *tree = mem_tree_of(token->asset);
    struct mem_node *into = ((struct mem_directory *)directory)->node;
    struct mem_child *there;
    int result = 0;

    (void)index;
    (void)replaces;
    if (refuse_name(tree, into, name, err) < 0)
        return -1;
    pthread_mutex_lock(&tree->mutex);
    there = node_find(into, name);
    if (there && there->node->attributes.kind == KIND_directory) {
        result = 0;
    } else if (!self->node->linked) {
        result = mem_revoked(&self->token, err);
    } else if (there) {
        result = err_set(err, ERR_Occupied, "make directory: a %s is there",
                         kind_name(there->node->attributes.kind));
    } else if (!into->linked) {
        result = err_set(err, ERR_IoError, "make directory: its parent vanished");
    } else {
        node_link(tree, into, name, node_new(tree, KIND_directory, 0700));
        *made = true;
    }
    pthread_mutex_unlock(&tree->mutex);
    return result;
}

/* ---- changes in place ---- */

static int set_in_place(struct mem_tree *tree, struct mem_node *node,
                        const struct attributes *wanted, bool times, struct err *err)
{
    if (node->attributes.kind != wanted->kind)
        return err_set(err, ERR_Occupied, "set attributes: it is a %s by now",
                       kind_name(node->attributes.kind));
    if (wanted->kind == KIND_file && node->attributes.links > 1)
        return err_set(err, ERR_Occupied, "set attributes: it has %u links",
                       node->attributes.links);
    node->attributes.uid = wanted->uid;
    node->attributes.gid = wanted->gid;
    if (wanted->kind != KIND_symlink)
        node->attributes.mode = wanted->mode & 07777;
    if (times)
        node->attributes.mtime_ns = wanted->mtime_ns;
    node->attributes.ctime_ns = tree_tick(tree);
    return 0;
}

int mem_set_attributes(struct asset_token *token, struct asset_directory *directory,
                       struct bytes name, const struct wanted *wanted, u32 *not_kept,
                       struct err *err)
{
    struct mem_token *self = (struct mem_token *)token;
    struct mem_tree *tree = mem_tree_of(token->asset);
    struct mem_child *child;
    int result;

    (void)not_kept;
    if (!name_is_valid(name))
        return err_set(err, ERR_InvalidPath, "set attributes: not the name of an entry");
    pthread_mutex_lock(&tree->mutex);
    child = node_find(((struct mem_directory *)directory)->node, name);
    if (!self->node->linked)
        result = mem_revoked(&self->token, err);
    else if (!child)
        result = err_set(err, ERR_NotFound, "set attributes: no such object");
    else
        result = set_in_place(tree, child->node, &wanted->attributes, false, err);
    pthread_mutex_unlock(&tree->mutex);
    return result;
}

int mem_set_directory_attributes(struct asset_token *token, struct bytes path,
                                 const struct wanted *wanted, u32 *not_kept, struct err *err)
{
    struct mem_token *self = (struct mem_token *)token;
    struct mem_tree *tree = mem_tree_of(token->asset);
    struct mem_node *node;
    int result;

    (void)not_kept;
    pthread_mutex_lock(&tree->mutex);
    if (!self->node->linked)
        result = mem_revoked(&self->token, err);
    else if ((result = tree_walk(tree, path, &node, err)) == 0)
        result = set_in_place(tree, node, &wanted->attributes, true, err);
    pthread_mutex_unlock(&tree->mutex);
    return result;
}

int mem_set_root_attributes(struct asset *asset, const struct wanted *wanted, u32 *not_kept,
                            struct err *err)
{
    struct mem_tree *tree = mem_tree_of(asset);
    int result;

    (void)not_kept;
    pthread_mutex_lock(&tree->mutex);
    result = set_in_place(tree, tree->root, &wanted->attributes, true, err);
    pthread_mutex_unlock(&tree->mutex);
    return result;
}
