/* mem_tree.h: the nodes below the memory driver; for the mem*.c files only.
 *
 * All functions but tree_get and tree_drop are called with tree->mutex held. A node belongs to the
 * directory that it is in and to each handle on it (`refs` counts both), and goes with the last. */
#ifndef SYNCLINE_ASSET_MEM_TREE_H
#define SYNCLINE_ASSET_MEM_TREE_H

#include <pthread.h>

#include "asset/asset.h"
#include "schema/limits.h"

struct mem_node;

struct mem_child {
    char *name; /* owned */
    u32 size;
    u32 hash;   /* of the name, so that most comparisons are one of integers */
    u64 cookie; /* grows with each link into the directory: the position of a listing */
    struct mem_node *node;
};

struct mem_node {
    struct attributes attributes; /* size and links are kept up to date */
    struct buf content;           /* of a file; the target of a link */
    struct buf extras;            /* frame of attribute records */
    u32 not_kept;                 /* what is said of them: as planted */
    u32 refs;
    bool is_area;               /* the staging area, not a user's directory of its name */
    bool linked;                /* still in a directory (the root: always) */
    struct mem_child *children; /* by growing cookie */
    size_t count;
    size_t capacity;
    u64 last_cookie;
};

struct mem_tree {
    struct mem_tree *next;
    char *name;
    pthread_mutex_t mutex;
    struct mem_node *root;
    u64 device;
    u64 last_inode;
    s64 last_ns;
};

struct mem_asset {
    struct asset base;
    struct mem_tree *tree;
};
struct mem_directory {
    struct asset_directory base;
    struct mem_node *node;
    u64 position;
    char name[NAME_BYTES + 1]; /* what the last entry borrowed */
};
struct mem_token {
    struct asset_token base;
    struct mem_node *node;
    struct token token;
};
struct mem_file {
    struct asset_file base;
    struct mem_node *node;
    struct mem_node *token; /* of a staged file */
    u32 index;
};

/* The tree of this name, made if it is not there. */
struct mem_tree *tree_get(const char *name);
void tree_drop(const char *name);
/* A time later than any it gave before, so that each change has a ctime of its own. */
s64 tree_tick(struct mem_tree *tree);

struct mem_node *node_new(struct mem_tree *tree, enum object_kind kind, u32 mode);
struct mem_node *node_hold(struct mem_node *node);
void node_release(struct mem_node *node);
struct mem_child *node_find(const struct mem_node *directory, struct bytes name);
/* Takes the caller's reference. The name must be free. */
void node_link(struct mem_tree *tree, struct mem_node *directory, struct bytes name,
               struct mem_node *node);
void node_unlink(struct mem_tree *tree, struct mem_node *directory, struct mem_child *child);
/* Unlinks all that is in it, at any depth. */
void node_empty(struct mem_tree *tree, struct mem_node *directory);
/* The directory at `path`, borrowed; -1 with NotFound, NotADirectory, SymlinkInPath, InvalidPath.
 */
int tree_walk(struct mem_tree *tree, struct bytes path, struct mem_node **out, struct err *err);
/* Splits a path at its last slash. */
void path_split(struct bytes path, struct bytes *parent, struct bytes *name);

static inline struct mem_tree *mem_tree_of(const struct asset *asset)
{
    return ((const struct mem_asset *)asset)->tree;
}
/* Takes a reference of its own. */
struct asset_directory *mem_directory_new(struct asset *asset, struct mem_node *node);

/* mem_stage.c */
int mem_staging_open(struct asset *asset, u64 job, u32 epoch, s64 *now_ns, struct err *err);
int mem_grant(struct asset *asset, const struct token *first, u32 count, struct err *err);
int mem_revoke(struct asset *asset, const struct token *token, bool *clean, struct err *err);
int mem_staging_close(struct asset *asset, struct err *err);
int mem_token_open(struct asset *asset, const struct token *token, struct asset_token **out,
                   struct err *err);
void mem_token_close(struct asset_token *token);
int mem_token_end(struct asset_token *token, struct err *err);
int mem_stage_file(struct asset_token *token, u32 index, struct asset_file **out, struct err *err);
int mem_stage_write(struct asset_file *file, const void *data, size_t size, u64 offset,
                    struct err *err);
int mem_stage_end(struct asset_file *file, struct staged_version *out, struct err *err);
void mem_stage_abort(struct asset_file *file);
int mem_stage_link(struct asset_token *token, u32 index, struct bytes target,
                   struct staged_version *out, struct err *err);
void mem_stage_remove(struct asset_token *token, u32 index);
int mem_staged_open(struct asset_token *token, u32 index, bool uncached, struct asset_file **out,
                    struct staged_version *version, struct err *err);
int mem_staged_link(struct asset_token *token, u32 index, struct buf *target,
                    struct staged_version *version, struct err *err);
struct staged_version mem_version_of(const struct mem_node *node);
/* Puts a new node under an index, over what an earlier try left. */
struct mem_node *mem_stage_under(struct mem_tree *tree, struct mem_token *token, u32 index,
                                 enum object_kind kind);
/* A handle that writes into the staged `node`. */
struct asset_file *mem_staged_file(struct mem_token *token, struct mem_node *node, u32 index);
int mem_revoked(const struct token *token, struct err *err);
/* The staged copy, borrowed; NULL with Revoked or StagedChanged. */
struct mem_child *mem_staged_find(const struct mem_token *token, u32 index, struct err *err);

/* mem_parts.c */
int mem_stage_reserve(struct asset_file *file, u64 size, struct err *err);
int mem_stage_open(struct asset_token *token, u32 index, struct asset_file **out, struct err *err);
void mem_stage_close(struct asset_file *file);
int mem_stage_adopt(struct asset_file *file, struct asset_token *from, u32 index, u64 offset,
                    u64 length, struct err *err);
int mem_stage_node(struct asset_token *token, u32 index, enum object_kind kind, u64 rdev,
                   struct staged_version *out, struct err *err);
int mem_staged_node(struct asset_token *token, u32 index, enum object_kind *kind, u64 *rdev,
                    struct staged_version *version, struct err *err);

/* mem_attributes.c */
enum mem_dress { MEM_NEW, MEM_IN_PLACE /* without the time */, MEM_DIRECTORY };
int mem_dress(struct mem_tree *tree, struct mem_node *node, const struct wanted *wanted,
              enum mem_dress how, struct err *err);
int mem_append_extras(const struct mem_node *node, u32 preserve, struct buf *out, u32 *not_kept,
                      struct err *err);

/* mem_publish.c */
int mem_remove(struct asset_token *token, u32 index, struct asset_directory *directory,
               struct bytes name, const struct attributes *expected, struct err *err);
int mem_publish_directory(struct asset_token *token, struct bytes path, u32 replaces,
                          struct asset_directory **out, struct err *err);
int mem_publish(struct asset_token *token, u32 index, const struct staged_version *version,
                const struct wanted *wanted, bool over_directory, struct asset_directory *directory,
                struct bytes name, u32 *not_kept, struct err *err);
int mem_publish_make(struct asset_token *token, u32 index, struct asset_directory *directory,
                     struct bytes name, bool replaces, bool *made, struct err *err);
int mem_set_attributes(struct asset_token *token, struct asset_directory *directory,
                       struct bytes name, const struct wanted *wanted, u32 *not_kept,
                       struct err *err);
int mem_set_directory_attributes(struct asset_token *token, struct bytes path,
                                 const struct wanted *wanted, u32 *not_kept, struct err *err);
int mem_set_root_attributes(struct asset *asset, const struct wanted *wanted, u32 *not_kept,
                            struct err *err);

#endif
