/* extra.c: what only the destination has.
 *
 * How: it is counted by difference: the names of a directory, counted before anything is compared
 * (what movers publish meanwhile must not count), less those that were found by look-up. Where
 * there is a difference and removal was asked for, the names are gone through once more, after the
 * source's directory was listed whole and cleanly; each is looked up at the source again, and only
 * one that is surely absent there is named. What is below a directory that the source does not have
 * is absent too.
 *
 * Trees that only the destination has are walked with a stack of their own (walk.h), each directory
 * listed once and left in the middle to go down; it is named after what is in it. What is excluded,
 * on another filesystem, or cannot be read stays, and so does every directory above it. */
#include "scan_state.h"

#include "base/names.h"
#include "svc/probe.h"

/* A way down a tree of the destination. */
struct descent {
    struct scan *scan;
    struct walk walk;
    bool inventory; /* else for removal */
};

/* Our own staging area never gets here, but a user's own object of that name may. */
static bool is_reserved(const struct walk_level *level, struct bytes name)
{
    return level->path_size == 0 && bytes_equal(name, bytes_text(STAGING_NAME));
}

/* ---- counting ---- */

/* Does a name take part? The listing may not say what it is. */
static bool takes_part(struct scan *scan, u32 index, const struct entry *entry)
{
    const struct walk_level *level = &scan->walk.levels[index];
    enum object_kind kind = entry->attributes.kind;
    struct attributes attributes;
    u8 kept[NAME_BYTES];
    struct bytes name = bytes_of(kept, entry->name.size);
    struct err err;

    if (is_reserved(level, entry->name))
        return false;
    if (scan_takes_all(scan))
        return true;
    if (scan_keep_name(entry->name, kept, &err) < 0)
        return true;
    if (kind == 0) {
        if (asset_directory_lookup(level->destination, name, &attributes, &err) != 1)
            return false;
        kind = attributes.kind;
    }
    return scan_takes(scan, walk_path(&scan->walk, index), name, kind == KIND_directory);
}

void extra_count(struct scan *scan, u32 index)
{
    struct walk_level *level = &scan->walk.levels[index];
    struct entry entry;
    struct err err;
    int got;

    if (!level->present)
        return;
    level->bare = true;
    while ((got = asset_directory_next_name(level->destination, &entry, &err)) == 1 &&
           !scan->emitter.stopped) {
        level->bare = false;
        level->names += takes_part(scan, index, &entry);
        emit_tick(&scan->emitter);
    }
    level->counted = got == 0;
    level->bare = level->bare && level->counted;
    scan->emitter.present += level->names;
}

/* ---- naming ---- */

static void name_removal(struct scan *scan, struct bytes path, const struct attributes *there)
{
    emit_name(&scan->emitter, &(struct rec_name){
                                  .path = path,
                                  .kind = there->kind,
                                  .operation = OPERATION_remove,
                                  .size = there->kind == KIND_directory ? 0 : there->size,
                                  .mtime_ns = there->mtime_ns,
                                  .there_inode = there->inode,
                                  .there_links = there->links,
                                  .there_ctime_ns = there->ctime_ns,
                              });
}

static void name_inventory(struct scan *scan, struct bytes path, const struct attributes *there)
{
    emit_name(&scan->emitter, &(struct rec_name){
                                  .path = path,
                                  .kind = there->kind,
                                  .size = there->size,
                                  .mtime_ns = there->mtime_ns,
                                  .there_inode = there->inode,
                                  .there_links = there->links,
                                  .there_ctime_ns = there->ctime_ns,
                              });
}

/* ---- a way down ---- */

/* A directory in the directory of level `index` cannot be gone through. */
static void skip_directory(struct descent *descent, u32 index, struct bytes name,
                           const struct err *err)
{
    struct attributes attributes = {.kind = KIND_directory};
    struct walk_level *level = &descent->walk.levels[index];
    struct compare_decision refusal = compare_refuse(err->code);

    if (err->code == ERR_NotFound)
        return;
    level->kept = true;
    if (err->code == ERR_CrossDevice) /* a mount point: not part of this tree */
        return;
    if (descent->inventory) {
        emit_item(&descent->scan->emitter, &level->place, walk_path(&descent->walk, index), name,
                  &attributes, &refusal);
        return;
    }
    descent->scan->emitter.present++;
    descent->scan->emitter.extra++;
}

static void enter(struct descent *descent, struct bytes name)
{
    u32 index = descent->walk.depth - 1;
    struct walk_level *level = &descent->walk.levels[index];
    struct asset_directory *below = NULL, *none = NULL;
    struct err err;

    if (level->path_size + name.size + NAME_BYTES + 2 > PATH_BYTES || index + 1 >= WALK_LEVELS_MAX)
        err_set(&err, ERR_NameTooLong, "a directory too deep to be listed");
    else if (asset_directory_enter(level->source, name, &below, &err) == 0) {
        walk_push(&descent->walk, name, &below, &none);
        descent->scan->emitter.present += !descent->inventory;
        return;
    }
    skip_directory(descent, index, name, &err);
}

static int take_entry(struct descent *descent, const struct entry *entry, struct err *err)
{
    struct scan *scan = descent->scan;
    u32 index = descent->walk.depth - 1;
    struct attributes attributes = entry->attributes;
    struct bytes directory = walk_path(&descent->walk, index), name;
    u8 kept[NAME_BYTES];

    if (scan_keep_name(entry->name, kept, err) < 0)
        return -1;
    name = bytes_of(kept, entry->name.size);
    if (!scan_takes(scan, directory, name, attributes.kind == KIND_directory) ||
        is_reserved(&descent->walk.levels[index], name)) {
        descent->walk.levels[index].kept = true;
    } else if (entry->code != ERR_Ok) {
        err_set(err, (enum err_code)entry->code, "it cannot be asked for");
        skip_directory(descent, index, name, err);
    } else if (descent->inventory) {
        name_inventory(scan, scan_path(scan, directory, name), &attributes);
        if (attributes.kind == KIND_directory)
            enter(descent, name);
    } else if (attributes.kind == KIND_directory) {
        enter(descent, name);
    } else {
        scan->emitter.present++;
        name_removal(scan, scan_path(scan, directory, name), &attributes);
    }
    return 0;
}

/* The listing of the deepest directory ended: `why` it broke off, NULL if it came to its end. */
static void leave(struct descent *descent, const struct err *why)
{
    struct walk *walk = &descent->walk;
    u32 index = walk->depth - 1;
    struct walk_level *level = &walk->levels[index];
    struct emitter *emitter = &descent->scan->emitter;
    struct attributes attributes;
    struct err err;

    level->kept = level->kept || why;
    if (index == 0)
        return;
    if (descent->inventory) {
        if (why)
            skip_directory(descent, index - 1, walk_name(walk, index), why);
    } else if (!level->kept && asset_directory_attributes(level->source, &attributes, &err) == 0) {
        name_removal(descent->scan, walk_path(walk, index), &attributes);
    } else {
        level[-1].kept = true;
        emitter->extra++;
    }
    walk_pop(walk);
}

/* Goes through everything below the first level. 0, -1 if that could not be listed to its end. */
static int descend(struct descent *descent, struct err *err)
{
    struct walk *walk = &descent->walk;
    struct entry entry;

    while (!descent->scan->emitter.stopped) {
        u32 index = walk->depth - 1;
        int got = walk_hold(walk, index, err);

        if (got == 0)
            got = asset_directory_next(walk->levels[index].source, &entry, err);
        if (got == 1)
            got = take_entry(descent, &entry, err) < 0 ? -1 : 1;
        if (got <= 0)
            leave(descent, got < 0 ? err : NULL);
        if (got <= 0 && index == 0)
            return got;
        emit_tick(&descent->scan->emitter);
    }
    return 0;
}

/* 1: everything below is named, and the directory can be; 0: it stays; -1: it is not part of this
 * tree, or gone. */
static int name_below(struct scan *scan, u32 index, struct bytes name, struct err *err)
{
    struct descent descent = {.scan = scan};
    struct asset_directory *below = NULL, *none = NULL;
    struct buf path = {0};
    bool all;

    if (asset_directory_enter(scan->walk.levels[index].destination, name, &below, err) < 0)
        return err->code == ERR_CrossDevice || err->code == ERR_NotFound ? -1 : 0;
    path_join(&path, walk_path(&scan->walk, index), name);
    walk_init(&descent.walk, scan->request->destination, NULL, buf_bytes(&path));
    walk_push(&descent.walk, bytes_of(NULL, 0), &below, &none);
    all = descend(&descent, err) == 0 && !descent.walk.levels[0].kept && !scan->emitter.stopped;
    walk_release(&descent.walk);
    buf_release(&path);
    return all;
}

bool extra_name_below(struct scan *scan, u32 index, struct bytes name)
{
    struct err err;

    return name_below(scan, index, name, &err) == 1;
}

int extra_is_empty(struct asset_directory *parent, struct bytes name, struct err *err)
{
    struct asset_directory *directory = NULL;
    struct entry entry;
    int got;

    if (asset_directory_enter(parent, name, &directory, err) < 0)
        return -1;
    got = asset_directory_next_name(directory, &entry, err);
    asset_directory_close(&directory);
    return got < 0 ? -1 : got == 0;
}

/* ---- a level ---- */

/* What one name at the destination is: true if it is not to be counted as extra, as it is named, or
 * no part of this tree. */
static bool name_one(struct scan *scan, u32 index, struct bytes name)
{
    const struct walk_level *level = &scan->walk.levels[index];
    struct bytes directory = walk_path(&scan->walk, index);
    struct attributes there;
    struct err err;
    int below;

    if (asset_directory_lookup(level->destination, name, &there, &err) != 1 ||
        !scan_takes(scan, directory, name, there.kind == KIND_directory))
        return false;
    if (there.kind == KIND_directory) {
        below = name_below(scan, index, name, &err);
        scan->emitter.present -= below < 0;
        if (below <= 0)
            return below < 0;
    }
    name_removal(scan, scan_path(scan, directory, name), &there);
    return true;
}

/* Is the source's directory open, and still there? One that was removed has no names, whatever it
 * had. */
static bool is_held(struct scan *scan, u32 index)
{
    struct attributes attributes;
    struct err err;

    return walk_hold(&scan->walk, index, &err) == 0 &&
           asset_directory_attributes(scan->walk.levels[index].source, &attributes, &err) == 0 &&
           attributes.links > 0 && scan->walk.levels[index].present &&
           asset_directory_rewind(scan->walk.levels[index].destination, &err) == 0;
}

/* Names what is absent at the source. How many of a level's names are none that are left alone. */
static u64 name_level(struct scan *scan, u32 index)
{
    struct walk_level *level = &scan->walk.levels[index];
    struct attributes ignored;
    struct entry entry;
    struct err err;
    u8 kept[NAME_BYTES];
    u64 named = 0;

    if (!is_held(scan, index))
        return 0;
    while (!scan->emitter.stopped &&
           asset_directory_next_name(level->destination, &entry, &err) == 1) {
        struct bytes name = bytes_of(kept, entry.name.size);

        emit_tick(&scan->emitter);
        if (is_reserved(level, entry.name) || scan_keep_name(entry.name, kept, &err) < 0)
            continue;
        /* who published it meanwhile, or cannot be asked for it, protects it */
        if (asset_directory_lookup(level->source, name, &ignored, &err) == 0)
            named += name_one(scan, index, name);
    }
    return named;
}

void extra_close(struct scan *scan, u32 index)
{
    const struct walk_level *level = &scan->walk.levels[index];
    u64 extra, named = 0;

    if (!level->counted || level->unclean || level->names <= level->matched || scan_is_over(scan))
        return;
    extra = level->names - level->matched;
    if (scan->request->flags & SCAN_DELETE)
        named = name_level(scan, index);
    scan->emitter.extra += extra > named ? extra - named : 0;
}

/* ---- an inventory ---- */

void extra_inventory(struct scan *scan)
{
    struct descent descent = {.scan = scan, .inventory = true};
    struct asset_directory *root = NULL, *none = NULL;

    if (asset_directory_open(scan->request->destination, scan->request->path, &root, &scan->err) <
        0) {
        scan->failed =
            probe_refuse(PROBE_DESTINATION, bytes_text(scan->request->destination->address),
                         &scan->err) < 0;
        return;
    }
    walk_init(&descent.walk, scan->request->destination, NULL, scan->request->path);
    walk_push(&descent.walk, bytes_of(NULL, 0), &root, &none);
    scan->failed = descend(&descent, &scan->err) < 0;
    walk_release(&descent.walk);
}
