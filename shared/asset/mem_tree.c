/* mem_tree.c: see mem_tree.h. A directory is an array in the order in which names came into it: a
 * listing goes on from any position by binary search, and a look-up compares hashes one after the
 * other, which is enough for the trees of tests. */
#include "asset/mem_tree.h"

#include <stdlib.h>

#include "asset/mem.h"
#include "base/clock.h"
#include "base/names.h"

static pthread_mutex_t registry = PTHREAD_MUTEX_INITIALIZER;
static struct mem_tree *trees;
static u64 last_device;

struct mem_tree *tree_get(const char *name)
{
    struct mem_tree *tree;

    pthread_mutex_lock(&registry);
    for (tree = trees; tree && strcmp(tree->name, name) != 0; tree = tree->next)
        ;
    if (!tree) {
        tree = memory_or_die(sizeof *tree);
        tree->name = text_copy(name);
        pthread_mutex_init(&tree->mutex, NULL);
        tree->device = ++last_device;
        tree->root = node_new(tree, KIND_directory, 0755);
        tree->root->linked = true;
        tree->next = trees;
        trees = tree;
    }
    pthread_mutex_unlock(&registry);
    return tree;
}

void tree_drop(const char *name)
{
    struct mem_tree **at, *tree;

    pthread_mutex_lock(&registry);
    for (at = &trees; *at && strcmp((*at)->name, name) != 0; at = &(*at)->next)
        ;
    tree = *at;
    if (tree)
        *at = tree->next;
    pthread_mutex_unlock(&registry);
    if (!tree)
        return;
    node_empty(tree, tree->root);
    node_release(tree->root);
    pthread_mutex_destroy(&tree->mutex);
    free(tree->name);
    free(tree);
}

s64 tree_tick(struct mem_tree *tree)
{
    s64 now = clock_filesystem_ns();

    tree->last_ns = now > tree->last_ns ? now : tree->last_ns + 1;
    return tree->last_ns;
}

struct mem_node *node_new(struct mem_tree *tree, enum object_kind kind, u32 mode)
{
    struct mem_node *node = memory_or_die(sizeof *node);

    node->attributes.kind = kind;
    node->attributes.mode = mode;
    node->attributes.links = kind == KIND_directory ? 2 : 1;
    node->attributes.inode = ++tree->last_inode;
    node->attributes.device = tree->device;
    node->attributes.mtime_ns = node->attributes.ctime_ns = tree_tick(tree);
    node->refs = 1;
    return node;
}

struct mem_node *node_hold(struct mem_node *node)
{
    node->refs++;
    return node;
}

void node_release(struct mem_node *node)
{
    if (--node->refs > 0)
        return;
    buf_release(&node->content);
    buf_release(&node->extras);
    free(node->children);
    free(node);
}

static u32 name_hash(struct bytes name)
{
    u32 hash = 2166136261u; /* FNV-1a */

    for (size_t i = 0; i < name.size; i++)
        hash = (hash ^ name.data[i]) * 16777619u;
    return hash;
}

struct mem_child *node_find(const struct mem_node *directory, struct bytes name)
{
    u32 hash = name_hash(name);

    for (size_t i = 0; i < directory->count; i++) {
        struct mem_child *child = &directory->children[i];

        if (child->hash == hash && bytes_equal(name, bytes_of(child->name, child->size)))
            return child;
    }
    return NULL;
}

void node_link(struct mem_tree *tree, struct mem_node *directory, struct bytes name,
               struct mem_node *node)
{
    struct mem_child *child;

    if (directory->count == directory->capacity) {
        directory->capacity = directory->capacity ? directory->capacity * 2 : 8;
        directory->children = memory_resize_or_die(
            directory->children, directory->capacity * sizeof *directory->children);
    }
    child = &directory->children[directory->count++];
    *child = (struct mem_child){.name = text_of_bytes(name),
                                .size = (u32)name.size,
                                .hash = name_hash(name),
                                .cookie = ++directory->last_cookie,
                                .node = node};
    node->linked = true;
    directory->attributes.mtime_ns = directory->attributes.ctime_ns = tree_tick(tree);
}

void node_unlink(struct mem_tree *tree, struct mem_node *directory, struct mem_child *child)
{
    size_t at = (size_t)(child - directory->children);

    child->node->linked = false;
    child->node->attributes.links = 0;
    node_release(child->node);
    free(child->name);
    directory->count--;
    memmove(child, child + 1, (directory->count - at) * sizeof *child);
    directory->attributes.mtime_ns = directory->attributes.ctime_ns = tree_tick(tree);
}

/* Without recursion, as trees may be thousands deep: what is in a child moves up before it goes. */
void node_empty(struct mem_tree *tree, struct mem_node *directory)
{
    while (directory->count > 0) {
        struct mem_child *child = &directory->children[directory->count - 1];
        struct mem_node *node = node_hold(child->node);

        node_unlink(tree, directory, child);
        while (node->count > 0) {
            struct mem_child *below = &node->children[node->count - 1];
            struct bytes name = bytes_of(below->name, below->size);

            node_link(tree, directory, name, node_hold(below->node));
            node_unlink(tree, node, below);
        }
        node_release(node);
    }
}

int tree_walk(struct mem_tree *tree, struct bytes path, struct mem_node **out, struct err *err)
{
    struct mem_node *node = tree->root;

    if (!path_is_valid(path))
        return err_set(err, ERR_InvalidPath, "not a path below the root");
    while (path.size > 0) {
        const u8 *slash = memchr(path.data, '/', path.size);
        size_t size = slash ? (size_t)(slash - path.data) : path.size;
        struct mem_child *child = node_find(node, bytes_of(path.data, size));

        if (!child)
            return err_set(err, ERR_NotFound, "open directory: no such directory");
        if (child->node->attributes.kind == KIND_symlink)
            return err_set(err, ERR_SymlinkInPath, "open directory: a symbolic link is on the way");
        if (child->node->attributes.kind != KIND_directory)
            return err_set(err, ERR_NotADirectory, "open directory: not a directory");
        node = child->node;
        size += slash != NULL;
        path = bytes_of(path.data + size, path.size - size);
    }
    *out = node;
    return 0;
}

void path_split(struct bytes path, struct bytes *parent, struct bytes *name)
{
    size_t start = path.size;

    while (start > 0 && path.data[start - 1] != '/')
        start--;
    *parent = bytes_of(path.data, start > 0 ? start - 1 : 0);
    *name = bytes_of(path.data + start, path.size - start);
}

/* ---- planting ---- */

/* The directory at `path`, with what is missing made. */
static int make_path(struct mem_tree *tree, struct bytes path, struct mem_node **out,
                     struct err *err)
{
    for (size_t end = 0; end < path.size;) {
        struct bytes parent, name;
        struct mem_node *above;

        for (end++; end < path.size && path.data[end] != '/'; end++)
            ;
        path_split(bytes_of(path.data, end), &parent, &name);
        if (tree_walk(tree, parent, &above, err) < 0)
            return -1;
        if (!node_find(above, name))
            node_link(tree, above, name, node_new(tree, KIND_directory, 0755));
    }
    return tree_walk(tree, path, out, err);
}

int mem_plant(const char *name, struct bytes path, const struct attributes *attributes,
              struct bytes content, u32 extras, struct err *err)
{
    struct mem_tree *tree = tree_get(name);
    struct mem_node *above, *node;
    struct bytes parent, last;
    struct mem_child *old;
    int result = -1;

    if (path.size == 0 || !path_is_valid(path))
        return err_set(err, ERR_InvalidPath, "plant: not a path below the root");
    path_split(path, &parent, &last);
    pthread_mutex_lock(&tree->mutex);
    if (make_path(tree, parent, &above, err) < 0)
        goto done;
    old = node_find(above, last);
    if (old && old->node->count > 0) {
        err_set(err, ERR_Occupied, "plant: a directory that is not empty is there");
        goto done;
    }
    if (old)
        node_unlink(tree, above, old);
    node = node_new(tree, attributes->kind, attributes->mode);
    node->attributes.uid = attributes->uid;
    node->attributes.gid = attributes->gid;
    node->attributes.mtime_ns = attributes->mtime_ns;
    if (attributes->kind == KIND_file || attributes->kind == KIND_symlink) {
        buf_append(&node->content, content.data, content.size);
        node->attributes.size = node->attributes.allocated = content.size;
    }
    node->not_kept = extras;
    node->attributes.rdev = attributes->rdev;
    node_link(tree, above, last, node);
    result = 0;
done:
    pthread_mutex_unlock(&tree->mutex);
    return result;
}

int mem_unplant(const char *name, struct bytes path, struct err *err)
{
    struct mem_tree *tree = tree_get(name);
    struct bytes parent, last;
    struct mem_node *above;
    struct mem_child *child = NULL;
    int result;

    path_split(path, &parent, &last);
    pthread_mutex_lock(&tree->mutex);
    result = tree_walk(tree, parent, &above, err);
    if (result == 0)
        child = node_find(above, last);
    if (child) {
        node_empty(tree, child->node);
        node_unlink(tree, above, child);
    } else if (result == 0) {
        result = err_set(err, ERR_NotFound, "remove: no such object");
    }
    pthread_mutex_unlock(&tree->mutex);
    return result;
}

int mem_plant_extras(const char *name, struct bytes path, struct bytes extras, struct err *err)
{
    struct mem_tree *tree = tree_get(name);
    struct bytes parent, last;
    struct mem_node *above;
    struct mem_child *child = NULL;
    int result;

    path_split(path, &parent, &last);
    pthread_mutex_lock(&tree->mutex);
    result = tree_walk(tree, parent, &above, err);
    if (result == 0)
        child = node_find(above, last);
    if (child) {
        buf_clear(&child->node->extras);
        buf_append(&child->node->extras, extras.data, extras.size);
        child->node->attributes.ctime_ns = tree_tick(tree);
    } else if (result == 0) {
        result = err_set(err, ERR_NotFound, "plant extras: no such object");
    }
    pthread_mutex_unlock(&tree->mutex);
    return result;
}

void mem_forget(const char *tree)
{
    tree_drop(tree);
}
