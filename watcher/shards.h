/* shards.h: when a scan hands a subtree to others, which one, and which ones it has handed off
 * before. Pure. */
#ifndef SYNCLINE_WATCHER_SHARDS_H
#define SYNCLINE_WATCHER_SHARDS_H

#include "base/types.h"
#include "schema/limits.h"

/* A shard that others wait for is split from this many entries on. */
#define SHARDS_EAGER_ENTRIES 1024u
/* A subtree with a longer path stays where it is: its name must fit a header frame and an index of
 * Postgres, and what is so deep is seldom large. */
#define SHARDS_PATH_BYTES 2048u

/* A scan that had nothing to hand off looks again after so many entries. */
#define SHARDS_RETRY_ENTRIES 256u

/* The pace of a scan's splits. Zero-initialise. */
struct shards_pace {
    u64 since;  /* entries seen since the start or the last split */
    u32 splits; /* so far */
};

/* Entries that must have been seen since the last split: SHARDS_EAGER_ENTRIES at first, so that a
 * small tree is shared early, doubled by each split up to SHARD_SPLIT_ENTRIES, so that a large one
 * does not fall to pieces whose bookkeeping costs more than they do. */
u64 shards_threshold(const struct shards_pace *pace);
/* Is a split due, while others could take `wanted` subtrees? */
bool shards_due(const struct shards_pace *pace, u32 wanted);
/* Does a hand-off leave this scan something to do? Else the rest of a tree would only change hands.
 * `unvisited`: subdirectories not entered yet; `listing`: a directory is being listed right now. */
bool shards_spare(u64 unvisited, bool listing);
/* A subtree was handed off. */
void shards_taken(struct shards_pace *pace);
/* A split was due and there was nothing to hand off. */
void shards_missed(struct shards_pace *pace);

/* A set of paths: the subtrees that are shards of their own. Borrows the paths. */
struct shards_set {
    struct bytes *paths; /* sorted */
    u32 count;
};
void shards_set_init(struct shards_set *set, const struct bytes *paths, u32 count);
void shards_set_release(struct shards_set *set);
bool shards_set_has(const struct shards_set *set, struct bytes path);

#endif
