/* split.c: leaving subtrees to other scans (shards.h says when). How: the one that is handed off is
 * of the shallowest level, as those are the largest as a rule; it is compared and announced here,
 * and not entered. */
#include "scan_state.h"

/* Leaves the next subdirectory of a level to others. False if there is none that can be left. */
static bool hand_off(struct scan *scan, u32 index)
{
    struct opened opened;
    struct entry entry;
    u8 kept[NAME_BYTES];
    bool handed = false;

    while (!handed && !scan_is_over(scan) &&
           scan_next_subdirectory(scan, index, kept, &entry) == 1) {
        if (!scan_open_subdirectory(scan, index, entry.name, &entry.attributes, &opened))
            continue;
        opened_close(&opened);
        emit_split(&scan->emitter, scan_path(scan, walk_path(&scan->walk, index), entry.name));
        scan->sink->split_taken(scan->sink->context);
        shards_taken(&scan->pace);
        handed = true;
    }
    walk_rest(&scan->walk, index);
    return handed;
}

void split_if_due(struct scan *scan, bool listing)
{
    u32 levels = scan->walk.depth - (listing ? 1 : 0);
    u64 unvisited = 0;

    if (scan->pace.since < shards_threshold(&scan->pace) ||
        !shards_due(&scan->pace, scan->sink->splits_wanted(scan->sink->context)))
        return;
    for (u32 i = 0; i < levels; i++)
        unvisited += scan->walk.levels[i].unvisited;
    for (u32 i = 0; i < levels && shards_spare(unvisited, listing) && !scan_is_over(scan); i++)
        if (scan->walk.levels[i].unvisited > 0 &&
            scan->walk.levels[i].path_size + NAME_BYTES < SHARDS_PATH_BYTES && hand_off(scan, i))
            return;
    shards_missed(&scan->pace);
}
