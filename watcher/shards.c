/* shards.c: see shards.h. The set is a sorted array, searched by halves: it is made once for a scan
 * and asked once for each directory. */
#include "shards.h"

#include "base/buf.h"

#include <stdlib.h>

u64 shards_threshold(const struct shards_pace *pace)
{
    u64 entries = SHARDS_EAGER_ENTRIES;

    for (u32 i = 0; i < pace->splits && entries < SHARD_SPLIT_ENTRIES; i++)
        entries *= 2;
    return entries < SHARD_SPLIT_ENTRIES ? entries : SHARD_SPLIT_ENTRIES;
}

bool shards_due(const struct shards_pace *pace, u32 wanted)
{
    return wanted > 0 && pace->since >= shards_threshold(pace);
}

void shards_taken(struct shards_pace *pace)
{
    pace->since = 0;
    pace->splits++;
}

void shards_missed(struct shards_pace *pace)
{
    pace->since -= pace->since < SHARDS_RETRY_ENTRIES ? pace->since : SHARDS_RETRY_ENTRIES;
}

bool shards_spare(u64 unvisited, bool listing)
{
    return unvisited >= (listing ? 1 : 2);
}

static int compare_paths(const void *a, const void *b)
{
    const struct bytes *left = a, *right = b;
    size_t common = left->size < right->size ? left->size : right->size;
    int order = common ? memcmp(left->data, right->data, common) : 0;

    return order ? order : (left->size > right->size) - (left->size < right->size);
}

void shards_set_init(struct shards_set *set, const struct bytes *paths, u32 count)
{
    set->paths = NULL;
    set->count = count;
    if (count == 0)
        return;
    set->paths = memory_or_die(count * sizeof *set->paths);
    memcpy(set->paths, paths, count * sizeof *paths);
    qsort(set->paths, count, sizeof *set->paths, compare_paths);
}

void shards_set_release(struct shards_set *set)
{
    free(set->paths);
    set->paths = NULL;
    set->count = 0;
}

bool shards_set_has(const struct shards_set *set, struct bytes path)
{
    return set->count > 0 &&
           bsearch(&path, set->paths, set->count, sizeof *set->paths, compare_paths) != NULL;
}
