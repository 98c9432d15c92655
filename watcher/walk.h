/* walk.h: the way down a tree, on both sides at once: a stack of directories with bounded
 * descriptors. (A way down one tree alone has that as its source, and no destination.)
 *
 * A level is a directory at the source and, if there is one, its counterpart at the destination.
 * Only the deepest WALK_OPEN_LEVELS are open; one above them is opened again by its path when it is
 * needed, at the position where its listing was, if it still is the same directory. */
#ifndef SYNCLINE_WATCHER_WALK_H
#define SYNCLINE_WATCHER_WALK_H

#include "asset/asset.h"
#include "emit.h"

#define WALK_OPEN_LEVELS 16u
/* So many levels are opened again together: a path of two thousand names takes long to look up. */
#define WALK_REOPEN_LEVELS 8u
/* Deeper directories are refused (NameTooLong): the stack is bounded too. */
#define WALK_LEVELS_MAX 32768u

struct walk_level {
    struct asset_directory *source;      /* NULL while closed to save descriptors */
    struct asset_directory *destination; /* NULL while closed, or if `present` is false */
    bool present;                        /* the destination has this directory */
    bool counted;                        /* `names` is known */
    bool bare;                           /* the destination's directory was empty */
    bool exhausted;   /* no more subdirectories are to be taken from the listing */
    bool unclean;     /* the listing did not come to its end */
    bool kept;        /* of a directory that only the destination has: something in it stays */
    size_t path_size; /* its path is that much of the walk's */
    u64 position;     /* of the source's listing, while closed */
    u64 inode;        /* of the source, while closed */
    u64 unvisited;    /* subdirectories listed and not entered yet */
    u64 names;        /* entries at the destination that take part, before anything was compared */
    u64 matched;      /* of them, those that the source has too */
    struct emit_place place;
};

struct walk {
    struct asset *source;
    struct asset *destination;
    struct walk_level *levels;
    u32 depth;
    u32 capacity;
    u32 first_open; /* levels from here on are open */
    struct buf path;
};

/* Borrows the assets. */
void walk_init(struct walk *walk, struct asset *source, struct asset *destination,
               struct bytes root_path);
void walk_release(struct walk *walk);

/* Goes down into `name` ("" for the first level). Takes both directories and nulls the caller's
 * pointers; `destination` is NULL if there is none. Pointers to levels are void afterwards. */
struct walk_level *walk_push(struct walk *walk, struct bytes name, struct asset_directory **source,
                             struct asset_directory **destination);
void walk_pop(struct walk *walk);

struct bytes walk_path(const struct walk *walk, u32 index);
/* Its last component; empty for the first level. */
struct bytes walk_name(const struct walk *walk, u32 index);

/* Opens a level that was closed. -1: it cannot be (NotFound), or another directory is there by now
 * (Changed). A counterpart that is gone makes the level not `present`. */
int walk_hold(struct walk *walk, u32 index, struct err *err);
/* Closes a level again that is not among the deepest ones. */
void walk_rest(struct walk *walk, u32 index);

#endif
