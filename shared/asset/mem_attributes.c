/* mem_attributes.c: owner, mode, extras and time in the memory driver.
 *
 * How: as the directory driver does it (dir/attributes.c), but that nobody could refuse anything,
 * so that all is kept. Extras are kept as the frame that they travel in. */
#include "asset/extras.h"
#include "asset/mem_tree.h"

#include "base/names.h"

int mem_append_extras(const struct mem_node *node, u32 preserve, struct buf *out, u32 *not_kept,
                      struct err *err)
{
    *not_kept = node->not_kept;
    return extras_select(buf_bytes(&node->extras), preserve, true, true, out, err);
}

/* Those that `preserve` does not speak of stay. */
static int dress_extras(struct mem_node *node, const struct wanted *wanted, struct err *err)
{
    struct buf stay = {0}, all = {0};
    int result = extras_select(buf_bytes(&node->extras), wanted->preserve, true, false, &stay, err);

    if (result == 0)
        result = extras_merge(buf_bytes(&stay), wanted->extras, &all, err);
    if (result == 0) {
        buf_release(&node->extras);
        node->extras = all;
    } else {
        buf_release(&all);
    }
    buf_release(&stay);
    return result;
}

int mem_dress(struct mem_tree *tree, struct mem_node *node, const struct wanted *wanted,
              enum mem_dress how, struct err *err)
{
    const struct attributes *source = &wanted->attributes;
    struct attributes *now = &node->attributes;

    if (wanted->preserve & (PRESERVE_xattrs | PRESERVE_acls) && dress_extras(node, wanted, err) < 0)
        return -1;
    if (wanted->preserve & PRESERVE_owner) {
        now->uid = source->uid;
        now->gid = source->gid;
    }
    if (now->kind != KIND_symlink && wanted->preserve & PRESERVE_mode)
        now->mode = source->mode & 07777;
    else if (now->kind != KIND_symlink && how == MEM_NEW)
        now->mode = now->kind == KIND_file && source->mode & 0111 ? 0755 : 0644;
    if (wanted->preserve & PRESERVE_times && how != MEM_IN_PLACE)
        now->mtime_ns = source->mtime_ns;
    now->ctime_ns = tree_tick(tree);
    return 0;
}

static int set_in_place(struct mem_tree *tree, struct mem_node *node, const struct wanted *wanted,
                        enum mem_dress how, struct err *err)
{
    if (node->attributes.kind != wanted->attributes.kind)
        return err_set(err, ERR_Occupied, "set attributes: it is a %s by now",
                       kind_name(node->attributes.kind));
    if (node->attributes.kind == KIND_file && node->attributes.links > 1)
        return err_set(err, ERR_Occupied, "set attributes: it has %u links",
                       node->attributes.links);
    return mem_dress(tree, node, wanted, how, err);
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
        result = set_in_place(tree, child->node, wanted, MEM_IN_PLACE, err);
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
        result = set_in_place(tree, node, wanted, MEM_DIRECTORY, err);
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
    result = set_in_place(tree, tree->root, wanted, MEM_DIRECTORY, err);
    pthread_mutex_unlock(&tree->mutex);
    return result;
}
