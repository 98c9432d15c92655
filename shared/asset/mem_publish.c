/* mem_publish.c: publishing and removing of the memory driver.
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

static bool is_directory(const struct mem_child *child)
{
    return child && child->node->attributes.kind == KIND_directory;
}

int mem_publish_directory(struct asset_token *token, struct bytes path, u32 replaces,
                          struct asset_directory **out, struct err *err)
{
    struct mem_token *self = (struct mem_token *)token;
    struct mem_tree *tree = mem_tree_of(token->asset);
    struct mem_node *node = tree->root;
    u32 number = 0;
    int result = 0;

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

        bool make = !child || (number + 1 == replaces && !is_directory(child));

        if (make && !self->node->linked) {
            result = mem_revoked(&self->token, err);
        } else if (make) {
            struct mem_node *made = node_new(tree, KIND_directory, 0700);

            if (child)
                node_unlink(tree, node, child);
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
        number++;
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
    } else if (is_directory(there) && !over_directory) {
        err_set(err, ERR_Occupied, "publish: a directory is there");
    } else if (is_directory(there) && there->node->count > 0) {
        err_set(err, ERR_NotEmpty, "publish: the directory there is not empty");
    } else if (!into->linked) {
        err_set(err, ERR_IoError, "publish: the directory at the destination vanished");
    } else if (mem_dress(tree, staged->node, wanted, MEM_NEW, err) == 0) {
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
    if (refuse_name(tree, into, name, err) < 0)
        return -1;
    pthread_mutex_lock(&tree->mutex);
    there = node_find(into, name);
    if (is_directory(there)) {
        result = 0;
    } else if (!self->node->linked) {
        result = mem_revoked(&self->token, err);
    } else if (there && !replaces) {
        result = err_set(err, ERR_Occupied, "make directory: a %s is there",
                         kind_name(there->node->attributes.kind));
    } else if (!into->linked) {
        result = err_set(err, ERR_IoError, "make directory: its parent vanished");
    } else {
        if (there)
            node_unlink(tree, into, there);
        node_link(tree, into, name, node_new(tree, KIND_directory, 0700));
        *made = true;
    }
    pthread_mutex_unlock(&tree->mutex);
    return result;
}

int mem_remove(struct asset_token *token, u32 index, struct asset_directory *directory,
               struct bytes name, const struct attributes *expected, struct err *err)
{
    struct mem_token *self = (struct mem_token *)token;
    struct mem_tree *tree = mem_tree_of(token->asset);
    struct mem_node *from = ((struct mem_directory *)directory)->node;
    const struct attributes *now;
    struct mem_child *child;
    int result = 0;

    (void)index;
    if (refuse_name(tree, from, name, err) < 0)
        return -1;
    if (token->asset->before_publish && expected->kind != KIND_directory)
        token->asset->before_publish(token->asset->before_publish_context);
    pthread_mutex_lock(&tree->mutex);
    child = node_find(from, name);
    now = child ? &child->node->attributes : NULL;
    if (!self->node->linked)
        result = mem_revoked(&self->token, err);
    else if (!child)
        result = err_set(err, ERR_NotFound, "remove: no such object");
    else if (now->kind != expected->kind || now->inode != expected->inode ||
             (now->kind != KIND_directory && now->ctime_ns != expected->ctime_ns))
        result = err_set(err, ERR_Changed, "remove: it is another object by now, or was changed");
    else if (child->node->count > 0)
        result = err_set(err, ERR_NotEmpty, "remove: the directory is not empty");
    else
        node_unlink(tree, from, child);
    pthread_mutex_unlock(&tree->mutex);
    return result;
}
