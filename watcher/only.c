/* only.c: see only.h. The set is sorted by bytes, so that what begins with "dir/" stands together.
 */
#include "only.h"

static int compare_prefix(struct bytes path, struct bytes with)
{
    size_t common = path.size < with.size ? path.size : with.size;
    int order = common ? memcmp(path.data, with.data, common) : 0;

    return order ? order : path.size < with.size ? -1 : 0;
}

/* Is a path of the set below `path`? */
static bool leads_to(const struct shards_set *only, struct bytes path)
{
    u32 low = 0, high = only->count;

    while (low < high) {
        u32 middle = low + (high - low) / 2;
        struct bytes at = only->paths[middle];
        int order = compare_prefix(at, path);

        /* behind "dir" come "dir!" and the like, before "dir/" */
        if (order == 0)
            order = at.size == path.size ? -1 : at.data[path.size] - '/';
        if (order == 0)
            return true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

bool only_takes(const struct shards_set *only, struct bytes path)
{
    if (only->count == 0 || shards_set_has(only, bytes_of(path.data, 0)))
        return true;
    for (size_t end = 1; end <= path.size; end++)
        if ((end == path.size || path.data[end] == '/') &&
            shards_set_has(only, bytes_of(path.data, end)))
            return true;
    return leads_to(only, path);
}
