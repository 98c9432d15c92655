/* scan.c: see scan.h.
 *
 * How: depth first, and no directory is kept in memory. A directory is listed twice: the first pass
 * compares everything but subdirectories, the second, if there are any, takes subdirectories one at
 * a time: each is compared, announced, and entered before the next. An entry is looked up at the
 * destination by its name; below a directory that the destination does not have, nothing is.
 *
 * A subdirectory is opened and its first entry read before it is announced, so that one that cannot
 * be read is refused instead: one item, and one open, for each directory.
 *
 * Entries that only the destination has are counted by difference: its names, counted before
 * anything is compared (what movers publish meanwhile must not count), less those that were found
 * by look-up. */
#include "scan.h"

#include "base/names.h"
#include "entry.h"
#include "shards.h"
#include "svc/probe.h"
#include "walk.h"

#define TICK_ENTRIES 16u /* a slow source must show progress within a second */

struct scan {
    const struct scan_request *request;
    const struct scan_sink *sink;
    struct emitter emitter;
    struct entry_decider decider;
    struct walk walk;
    struct shards_set handed_off;
    struct shards_pace pace;
    struct buf child; /* path of a subdirectory */
    u32 ticks;
    struct err err; /* why the shard is not complete, if `failed` */
    bool failed;
};

/* A directory on both sides, before it becomes a level. */
struct opened {
    struct asset_directory *source;
    struct asset_directory *destination; /* NULL if there is none */
    struct entry first;
    int got; /* 1: `first` is there; 0: empty */
};

static bool is_over(const struct scan *scan)
{
    return scan->failed || scan->emitter.stopped;
}

/* Work went on. True every TICK_ENTRIES times, when it is time to look around. */
static bool tick(struct scan *scan)
{
    if (++scan->ticks % TICK_ENTRIES != 0)
        return false;
    scan->sink->progress(scan->sink->context);
    if (scan->sink->stopped(scan->sink->context))
        scan->emitter.stopped = true;
    return true;
}

/* Counts an entry of a level's directory, and announces it if it differs. */
static void record(struct scan *scan, u32 index, struct bytes name, const struct attributes *source,
                   const struct compare_decision *decision)
{
    if (decision->operation == 0)
        emit_unchanged(&scan->emitter);
    else
        emit_item(&scan->emitter, &scan->walk.levels[index].place, walk_path(&scan->walk, index),
                  name, source, decision);
    scan->pace.since++;
}

/* A directory cannot be compared to its end: the shard's root fails the scan, another one fails
 * alone. */
static void fail_level(struct scan *scan, u32 index, const struct err *err)
{
    struct attributes attributes = {.kind = KIND_directory};
    struct compare_decision refusal = compare_refuse(err->code);

    scan->walk.levels[index].unclean = true;
    scan->walk.levels[index].exhausted = true;
    if (index == 0) {
        scan->err = *err;
        /* gone while it was listed: the listing was none of this or of what comes after */
        if (err->code == ERR_NotFound)
            scan->err.code = ERR_Changed;
        scan->failed = true;
    } else if (err->code != ERR_NotFound) {
        record(scan, index - 1, walk_name(&scan->walk, index), &attributes, &refusal);
    }
}

static void leave_level(struct scan *scan)
{
    const struct walk_level *level = &scan->walk.levels[scan->walk.depth - 1];

    if (level->counted && !level->unclean && level->names > level->matched)
        scan->emitter.extra += level->names - level->matched;
    walk_pop(&scan->walk);
}

/* Takes a name out of a listing, so that it outlives calls on the directory. */
static int keep_name(struct bytes name, u8 out[NAME_BYTES], struct err *err)
{
    if (name.size > NAME_BYTES)
        return err_set(err, ERR_NameTooLong, "a name of %zu bytes in a directory", name.size);
    memcpy(out, name.data, name.size);
    return 0;
}

/* ---- the first pass ---- */

/* Names at the destination. Without them nothing is counted as extra; nothing else depends on it.
 */
static void count_names(struct scan *scan, struct walk_level *level)
{
    struct entry entry;
    struct err err;
    int got;

    if (!level->present)
        return;
    while ((got = asset_directory_next_name(level->destination, &entry, &err)) == 1 &&
           !scan->emitter.stopped) {
        level->names++;
        tick(scan);
    }
    level->counted = got == 0;
}

/* An entry that is no subdirectory. */
static int compare_entry(struct scan *scan, u32 index, const struct entry *entry, struct err *err)
{
    struct attributes attributes = entry->attributes;
    struct compare_decision decision;
    u8 kept[NAME_BYTES];
    struct bytes name = bytes_of(kept, entry->name.size);

    if (keep_name(entry->name, kept, err) < 0)
        return -1;
    if (entry_decide(&scan->decider, &scan->walk.levels[index], name, &attributes, &decision))
        record(scan, index, name, &attributes, &decision);
    return 0;
}

static void split_if_due(struct scan *scan, bool listing);

static int list_entries(struct scan *scan, struct opened *opened, struct err *err)
{
    u32 index = scan->walk.depth - 1;
    struct entry entry = opened->first;
    int got = opened->got;

    while (got == 1) {
        if (entry.attributes.kind == KIND_directory)
            scan->walk.levels[index].unvisited++;
        else if (compare_entry(scan, index, &entry, err) < 0)
            return -1;
        if (tick(scan))
            split_if_due(scan, true);
        if (is_over(scan))
            return 0;
        got = asset_directory_next(scan->walk.levels[index].source, &entry, err);
    }
    return got;
}

/* Makes a level of it and compares its entries; leaves it again if there is nothing below. */
static void enter_level(struct scan *scan, struct bytes name, struct opened *opened)
{
    struct walk_level *level = walk_push(&scan->walk, name, &opened->source, &opened->destination);
    u32 index = scan->walk.depth - 1;
    struct err err;

    count_names(scan, level);
    if (list_entries(scan, opened, &err) < 0) {
        fail_level(scan, index, &err);
        leave_level(scan);
        return;
    }
    level = &scan->walk.levels[index];
    if (level->unvisited == 0)
        leave_level(scan);
    else if (asset_directory_rewind(level->source, &err) < 0)
        fail_level(scan, index, &err);
}

/* ---- the second pass ---- */

enum opening { OPENING_DONE, OPENING_SKIPPED, OPENING_REPLACED, OPENING_REFUSED };

static void opened_close(struct opened *opened)
{
    asset_directory_close(&opened->source);
    asset_directory_close(&opened->destination);
}

/* Opens a subdirectory on both sides, and reads its first entry. */
static enum opening open_child(struct walk_level *parent, struct bytes name, bool present,
                               struct opened *out, struct err *err)
{
    *out = (struct opened){0};
    if (asset_directory_enter(parent->source, name, &out->source, err) < 0) {
        if (err->code == ERR_NotFound || err->code == ERR_CrossDevice)
            return OPENING_SKIPPED; /* vanished, or a mount point: not part of this tree */
        if (err->code == ERR_NotADirectory || err->code == ERR_SymlinkInPath)
            return OPENING_REPLACED;
        return OPENING_REFUSED;
    }
    if (present && asset_directory_enter(parent->destination, name, &out->destination, err) < 0 &&
        err->code != ERR_NotFound) {
        if (err->code == ERR_NotADirectory || err->code == ERR_SymlinkInPath)
            err->code = ERR_Occupied;
        return OPENING_REFUSED;
    }
    out->got = asset_directory_next(out->source, &out->first, err);
    if (out->got >= 0)
        return OPENING_DONE;
    return err->code == ERR_NotFound ? OPENING_SKIPPED : OPENING_REFUSED;
}

/* Something else has taken the subdirectory's place since it was listed. */
static void compare_replaced(struct scan *scan, u32 index, struct bytes name)
{
    struct entry entry = {.name = name};
    struct err err;

    if (asset_directory_lookup(scan->walk.levels[index].source, name, &entry.attributes, &err) ==
            1 &&
        entry.attributes.kind != KIND_directory)
        compare_entry(scan, index, &entry, &err);
}

/* Is there a path to be had for the entries of a subdirectory? */
static bool fits(const struct scan *scan, u32 index, struct bytes name)
{
    return scan->walk.levels[index].path_size + name.size + NAME_BYTES + 2 <= PATH_BYTES &&
           index + 1 < WALK_LEVELS_MAX;
}

static struct bytes child_path(struct scan *scan, u32 index, struct bytes name)
{
    buf_clear(&scan->child);
    path_join(&scan->child, walk_path(&scan->walk, index), name);
    return buf_bytes(&scan->child);
}

static bool was_handed_off(struct scan *scan, u32 index, struct bytes name)
{
    return scan->handed_off.count > 0 &&
           shards_set_has(&scan->handed_off, child_path(scan, index, name));
}

/* Compares and announces one subdirectory, and opens it unless it is not to be entered. True: it is
 * open and its contents are to be compared, by this scan or by another. */
static bool open_subdirectory(struct scan *scan, u32 index, struct bytes name,
                              const struct attributes *source, struct opened *opened)
{
    struct walk_level *parent = &scan->walk.levels[index];
    u64 matched = parent->matched;
    struct compare_decision decision;
    enum opening opening;
    struct err err;

    *opened = (struct opened){0};
    if (!entry_decide(&scan->decider, parent, name, source, &decision))
        return false;
    if (decision.operation != OPERATION_refuse && !fits(scan, index, name))
        decision = compare_refuse(ERR_NameTooLong);
    if (decision.operation == OPERATION_refuse || was_handed_off(scan, index, name)) {
        record(scan, index, name, source, &decision);
        return false;
    }
    opening = open_child(parent, name, parent->matched > matched, opened, &err);
    if (opening == OPENING_REPLACED) {
        parent->matched = matched; /* it is looked up again */
        compare_replaced(scan, index, name);
    }
    if (opening == OPENING_REFUSED)
        decision = compare_refuse(err.code);
    else if (opening == OPENING_DONE && !opened->destination) /* also if it is gone by now */
        decision = compare_objects(source, NULL, &scan->decider.rules);
    if (opening == OPENING_REFUSED || opening == OPENING_DONE)
        record(scan, index, name, source, &decision);
    if (opening != OPENING_DONE)
        opened_close(opened);
    return opening == OPENING_DONE;
}

/* The next subdirectory of a level: 1 and its name and attributes, 0 if there is none. */
static int next_subdirectory(struct scan *scan, u32 index, u8 kept[NAME_BYTES], struct entry *out)
{
    struct walk_level *level = &scan->walk.levels[index];
    struct err err;
    int got;

    if (level->exhausted)
        return 0;
    got = walk_hold(&scan->walk, index, &err);
    if (got == 0)
        got = asset_directory_next_directory(level->source, out, &err);
    if (got == 1 && keep_name(out->name, kept, &err) < 0)
        got = -1;
    if (got < 0)
        fail_level(scan, index, &err);
    if (got <= 0) {
        level->exhausted = true;
        level->unvisited = 0;
        return 0;
    }
    level->unvisited -= level->unvisited > 0;
    out->name = bytes_of(kept, out->name.size);
    tick(scan);
    return 1;
}

static void descend(struct scan *scan)
{
    u32 index = scan->walk.depth - 1;
    struct opened opened;
    struct entry entry;
    u8 kept[NAME_BYTES];

    if (next_subdirectory(scan, index, kept, &entry) == 0)
        leave_level(scan);
    else if (open_subdirectory(scan, index, entry.name, &entry.attributes, &opened))
        enter_level(scan, entry.name, &opened);
}

/* ---- splits ---- */

/* Leaves the next subdirectory of a level to others. False if there is none that can be left. */
static bool hand_off(struct scan *scan, u32 index)
{
    struct opened opened;
    struct entry entry;
    u8 kept[NAME_BYTES];
    bool handed = false;

    while (!handed && !is_over(scan) && next_subdirectory(scan, index, kept, &entry) == 1) {
        if (!open_subdirectory(scan, index, entry.name, &entry.attributes, &opened))
            continue;
        opened_close(&opened);
        emit_split(&scan->emitter, child_path(scan, index, entry.name));
        scan->sink->split_taken(scan->sink->context);
        shards_taken(&scan->pace);
        handed = true;
    }
    walk_rest(&scan->walk, index);
    return handed;
}

static void split_if_due(struct scan *scan, bool listing)
{
    /* the directory that is being listed has not come to its second pass yet */
    u32 levels = scan->walk.depth - (listing ? 1 : 0);
    u64 unvisited = 0;

    if (scan->pace.since < shards_threshold(&scan->pace) ||
        !shards_due(&scan->pace, scan->sink->splits_wanted(scan->sink->context)))
        return;
    for (u32 i = 0; i < levels; i++)
        unvisited += scan->walk.levels[i].unvisited;
    for (u32 i = 0; i < levels && shards_spare(unvisited, listing) && !is_over(scan); i++)
        if (scan->walk.levels[i].unvisited > 0 &&
            scan->walk.levels[i].path_size + NAME_BYTES < SHARDS_PATH_BYTES && hand_off(scan, i))
            return;
    shards_missed(&scan->pace);
}

/* ---- the whole ---- */

static bool is_gone(const struct err *err)
{
    return err->code == ERR_NotFound || err->code == ERR_NotADirectory ||
           err->code == ERR_SymlinkInPath;
}

/* Opens the shard's root. 1, 0 if there is nothing to compare (it vanished since it was split off),
 * -1. */
static int open_root(const struct scan_request *request, struct opened *out, struct err *err)
{
    bool whole = request->path.size == 0;

    *out = (struct opened){0};
    if (asset_directory_open(request->source, request->path, &out->source, err) == 0)
        out->got = asset_directory_next(out->source, &out->first, err);
    else
        out->got = -1;
    if (out->got < 0) {
        if (!whole)
            return is_gone(err) ? 0 : -1;
        return probe_refuse(PROBE_SOURCE, bytes_text(request->source->address), err);
    }
    if (asset_directory_open(request->destination, request->path, &out->destination, err) == 0)
        return 1;
    if (whole)
        return probe_refuse(PROBE_DESTINATION, bytes_text(request->destination->address), err);
    /* what else is there in its place is for the mover to say, of each item */
    return is_gone(err) ? 1 : -1;
}

/* The root of the tree is nobody's entry: that its own attributes differ is said apart. */
static u32 root_differs(const struct scan *scan, const struct opened *root)
{
    struct attributes source, destination;
    struct err err;

    if (scan->request->path.size > 0 || !root->destination ||
        asset_directory_attributes(root->source, &source, &err) < 0 ||
        asset_directory_attributes(root->destination, &destination, &err) < 0)
        return 0; /* what cannot be read here is found, and said, by the listing */
    return compare_objects(&source, &destination, &scan->decider.rules).operation != 0;
}

static void scan_all(struct scan *scan)
{
    struct opened opened;
    int got = open_root(scan->request, &opened, &scan->err);

    if (got >= 0)
        scan->emitter.root_differs = root_differs(scan, &opened);
    if (got == 1)
        enter_level(scan, bytes_of(NULL, 0), &opened);
    else
        scan->failed = got < 0;
    opened_close(&opened);
    while (scan->walk.depth > 0 && !is_over(scan)) {
        split_if_due(scan, false);
        if (!is_over(scan))
            descend(scan);
    }
}

static void send_end(struct emitter *emitter, const struct err *err)
{
    struct buf text = {0};

    emit_scanned(emitter, err ? err->code : ERR_Ok, err ? probe_text(err, &text) : bytes_text(""));
    buf_release(&text);
}

u32 scan_shard(const struct scan_request *request, const struct scan_sink *sink)
{
    struct scan scan = {.request = request, .sink = sink, .decider.rules = request->rules};
    u32 last;

    emit_init(&scan.emitter, sink, &request->token);
    walk_init(&scan.walk, request->source, request->destination, request->path);
    shards_set_init(&scan.handed_off, request->handed_off, request->handed_off_count);
    scan_all(&scan);
    if (!scan.emitter.stopped)
        send_end(&scan.emitter, scan.failed ? &scan.err : NULL);
    last = scan.emitter.number;
    shards_set_release(&scan.handed_off);
    walk_release(&scan.walk);
    entry_decider_release(&scan.decider);
    buf_release(&scan.child);
    emit_release(&scan.emitter);
    return last;
}

u32 scan_refuse(const struct token *token, const struct scan_sink *sink, const struct err *err)
{
    struct emitter emitter;
    u32 last;

    emit_init(&emitter, sink, token);
    send_end(&emitter, err);
    last = emitter.number;
    emit_release(&emitter);
    return last;
}
