/* walk.c: see walk.h.
 *
 * How: levels are opened from their parent on the way down, without looking at the path again, and
 * closed from the top when there are too many. Most trees are never as deep; in one that is, a
 * level costs one more open by path when the walk comes back to it. A directory that was replaced
 * meanwhile is told by its inode: positions in another directory would mean nothing. */
#include "walk.h"

#include "base/names.h"

#include <assert.h>
#include <stdlib.h>

void walk_init(struct walk *walk, struct asset *source, struct asset *destination,
               struct bytes root_path)
{
    memset(walk, 0, sizeof *walk);
    walk->source = source;
    walk->destination = destination;
    buf_append(&walk->path, root_path.data, root_path.size);
}

static void close_level(struct walk_level *level)
{
    asset_directory_close(&level->source);
    asset_directory_close(&level->destination);
}

void walk_release(struct walk *walk)
{
    while (walk->depth > 0)
        walk_pop(walk);
    free(walk->levels);
    walk->levels = NULL;
    buf_release(&walk->path);
}

/* Closes an open level so that it can be opened again where it was. */
static void put_away(struct walk_level *level)
{
    struct attributes attributes;
    struct err ignored;

    if (!level->source)
        return;
    level->position = asset_directory_position(level->source);
    /* without an inode nothing will be taken for the same directory */
    level->inode = asset_directory_attributes(level->source, &attributes, &ignored) == 0
                       ? attributes.inode
                       : 0;
    close_level(level);
}

struct walk_level *walk_push(struct walk *walk, struct bytes name, struct asset_directory **source,
                             struct asset_directory **destination)
{
    struct walk_level *level;

    if (walk->depth == walk->capacity) {
        walk->capacity = walk->capacity ? walk->capacity * 2 : 32;
        walk->levels = memory_resize_or_die(walk->levels, walk->capacity * sizeof *walk->levels);
    }
    if (walk->depth > 0) {
        walk->path.size = walk->levels[walk->depth - 1].path_size;
        if (walk->path.size > 0)
            buf_append(&walk->path, "/", 1);
        buf_append(&walk->path, name.data, name.size);
    }
    level = &walk->levels[walk->depth++];
    *level = (struct walk_level){
        .source = *source,
        .destination = *destination,
        .present = *destination != NULL,
        .path_size = walk->path.size,
    };
    *source = *destination = NULL;
    while (walk->depth - walk->first_open > WALK_OPEN_LEVELS)
        put_away(&walk->levels[walk->first_open++]);
    return level;
}

void walk_pop(struct walk *walk)
{
    assert(walk->depth > 0);
    close_level(&walk->levels[--walk->depth]);
    if (walk->first_open > walk->depth)
        walk->first_open = walk->depth;
}

struct bytes walk_path(const struct walk *walk, u32 index)
{
    return bytes_of(walk->path.data, walk->levels[index].path_size);
}

struct bytes walk_name(const struct walk *walk, u32 index)
{
    size_t start;

    if (index == 0)
        return bytes_of(walk->path.data, 0);
    start = walk->levels[index - 1].path_size;
    start += start > 0; /* the slash; none follows the root */
    return bytes_of(walk->path.data + start, walk->levels[index].path_size - start);
}

/* Opens one level again: from its parent if that is open, else by its path. */
static int reopen(struct walk *walk, u32 index, struct err *err)
{
    struct walk_level *level = &walk->levels[index];
    const struct walk_level *parent = index > 0 && level[-1].source ? &level[-1] : NULL;
    struct bytes path = walk_path(walk, index), name = walk_name(walk, index);
    struct attributes now;

    if ((parent ? asset_directory_enter(parent->source, name, &level->source, err)
                : asset_directory_open(walk->source, path, &level->source, err)) < 0)
        return -1;
    if (asset_directory_attributes(level->source, &now, err) < 0)
        return -1;
    if (now.inode != level->inode)
        return err_set(err, ERR_Changed, "another directory took its place while it was compared");
    if (asset_directory_seek(level->source, level->position, err) < 0)
        return -1;
    if (!level->present)
        return 0;
    if ((parent && parent->destination
             ? asset_directory_enter(parent->destination, name, &level->destination, err)
             : asset_directory_open(walk->destination, path, &level->destination, err)) == 0)
        return 0;
    if (err->code != ERR_NotFound)
        return -1;
    level->present = false;
    return 0;
}

int walk_hold(struct walk *walk, u32 index, struct err *err)
{
    bool deepest = index + 1 == walk->depth;
    u32 first = deepest && index >= WALK_REOPEN_LEVELS ? index - WALK_REOPEN_LEVELS + 1 : index;

    if (walk->levels[index].source)
        return 0;
    for (u32 i = first; i <= index; i++) {
        if (reopen(walk, i, err) == 0)
            continue;
        close_level(&walk->levels[i]);
        if (i == index)
            return -1;
        /* what is wrong further up is met when the walk comes there */
        while (first <= i)
            close_level(&walk->levels[first++]);
    }
    if (deepest)
        walk->first_open = first;
    return 0;
}

void walk_rest(struct walk *walk, u32 index)
{
    if (index < walk->first_open)
        put_away(&walk->levels[index]);
}
