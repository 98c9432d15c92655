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
 * What only the destination has is seen to when a directory is left (extra.c); a directory at the
 * destination that stands where something else is to be, as soon as it is met. */
#include "scan_state.h"

#include "base/names.h"
#include "svc/probe.h"

bool scan_is_over(const struct scan *scan)
{
    return scan->failed || scan->emitter.stopped;
}

int scan_keep_name(struct bytes name, u8 out[NAME_BYTES], struct err *err)
{
    if (name.size > NAME_BYTES)
        return err_set(err, ERR_NameTooLong, "a name of %zu bytes in a directory", name.size);
    memcpy(out, name.data, name.size);
    return 0;
}

struct bytes scan_path(struct scan *scan, struct bytes directory, struct bytes name)
{
    buf_clear(&scan->child);
    path_join(&scan->child, directory, name);
    return buf_bytes(&scan->child);
}

bool scan_takes_all(const struct scan *scan)
{
    const struct filter *filter = scan->request->filter;

    return (!filter || filter_count(filter) == 0) && scan->only.count == 0;
}

bool scan_takes(struct scan *scan, struct bytes directory, struct bytes name, bool is_directory)
{
    struct bytes path;

    if (scan_takes_all(scan))
        return true;
    path = scan_path(scan, directory, name);
    return only_takes(&scan->only, path) &&
           filter_takes(scan->request->filter, path, is_directory, NULL);
}

/* ---- what becomes of an entry ---- */

/* Lists an entry for the close: a link, or a put that waits for removals. `flags` are a link's. */
static void list_name(struct scan *scan, u32 index, struct bytes name,
                      const struct attributes *source, const struct attributes *there,
                      enum operation operation, u32 flags)
{
    bool link = operation == OPERATION_link;

    emit_name(&scan->emitter, &(struct rec_name){
                                  .path = scan_path(scan, walk_path(&scan->walk, index), name),
                                  .kind = source->kind,
                                  .operation = operation,
                                  .flags = link ? flags : 0,
                                  .size = source->size,
                                  .mtime_ns = source->mtime_ns,
                                  .device = link ? source->device : 0,
                                  .inode = link ? source->inode : 0,
                                  .there_inode = there->inode,
                                  .there_links = there->links,
                                  .there_ctime_ns = there->ctime_ns,
                              });
    scan->pace.since++;
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

/* A directory at the destination is where something else is to be. An empty one makes way in the
 * step that publishes; one that is not is removed in the close, and the put or link waits for that.
 */
static void make_way(struct scan *scan, u32 index, struct bytes name,
                     const struct attributes *source, const struct entry_verdict *verdict)
{
    struct compare_decision decision = verdict->decision;
    u32 operation =
        compare_is_linked(source, &scan->decider.rules) ? OPERATION_link : OPERATION_put;
    u32 flags = NAME_DIFFERS | NAME_OVER_DIRECTORY;
    struct err err;
    int empty = extra_is_empty(scan->walk.levels[index].destination, name, &err);

    if (empty < 0 && (err.code == ERR_NotFound || err.code == ERR_NotADirectory ||
                      err.code == ERR_SymlinkInPath)) {
        decision = compare_put_blindly();
        flags = NAME_DIFFERS;
    } else if (empty < 0) {
        decision = compare_refuse(err.code);
    } else if (!empty && (scan->request->flags & SCAN_DELETE) &&
               extra_name_below(scan, index, name)) {
        list_name(scan, index, name, source, &verdict->there, operation, flags | NAME_WAITS);
        return;
    } else if (!empty) {
        decision = compare_refuse(ERR_Occupied);
    }
    if (decision.operation == OPERATION_put && operation == OPERATION_link)
        list_name(scan, index, name, source, &verdict->there, operation, flags);
    else
        record(scan, index, name, source, &decision);
}

/* The verdict on an entry; 0 if it vanished. What the filters leave out at the destination is not
 * touched by something else that the source has there. */
static int decide(struct scan *scan, u32 index, struct bytes name, const struct attributes *source,
                  struct entry_verdict *out)
{
    bool directory = source->kind == KIND_directory;

    if (!entry_decide(&scan->decider, &scan->walk.levels[index], name, source, out))
        return 0;
    if (out->is_there && directory != (out->there.kind == KIND_directory) &&
        !scan_takes(scan, walk_path(&scan->walk, index), name, !directory)) {
        scan->walk.levels[index].matched--; /* it was not counted either */
        if (out->decision.operation != OPERATION_refuse)
            out->decision = compare_refuse(ERR_Occupied);
    }
    return 1;
}

/* An entry that is no subdirectory. */
static int compare_entry(struct scan *scan, u32 index, const struct entry *entry, struct err *err)
{
    struct attributes attributes = entry->attributes;
    struct entry_verdict verdict;
    u8 kept[NAME_BYTES];
    struct bytes name = bytes_of(kept, entry->name.size);

    if (scan_keep_name(entry->name, kept, err) < 0)
        return -1;
    if (!decide(scan, index, name, &attributes, &verdict))
        return 0;
    if (verdict.decision.operation == OPERATION_refuse)
        record(scan, index, name, &attributes, &verdict.decision);
    else if (verdict.decision.over_directory)
        make_way(scan, index, name, &attributes, &verdict);
    else if (compare_is_linked(&attributes, &scan->decider.rules))
        list_name(scan, index, name, &attributes, &verdict.there, OPERATION_link,
                  verdict.decision.operation != 0 ? NAME_DIFFERS : 0);
    else
        record(scan, index, name, &attributes, &verdict.decision);
    return 0;
}

/* An entry that cannot be asked for fails alone; what is mounted there is not part of this tree. */
static void refuse_entry(struct scan *scan, u32 index, const struct entry *entry)
{
    struct walk_level *level = &scan->walk.levels[index];
    struct attributes attributes = {.kind = entry->attributes.kind ? entry->attributes.kind
                                                                   : KIND_file};
    struct compare_decision refusal = compare_refuse((enum err_code)entry->code);
    struct attributes there;
    struct err err;

    if (level->present && !level->bare &&
        asset_directory_lookup(level->destination, entry->name, &there, &err) == 1)
        level->matched++;
    if (entry->code != ERR_CrossDevice)
        record(scan, index, entry->name, &attributes, &refusal);
}

/* ---- levels ---- */

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
    extra_close(scan, scan->walk.depth - 1);
    walk_pop(&scan->walk);
}

/* ---- the first pass ---- */

static int list_entries(struct scan *scan, struct opened *opened, struct err *err)
{
    u32 index = scan->walk.depth - 1;
    struct entry entry = opened->first;
    int got = opened->got;

    scan->emitter.source_empty = index == 0 && scan->request->path.size == 0;
    while (got == 1) {
        if (scan_takes(scan, walk_path(&scan->walk, index), entry.name,
                       entry.attributes.kind == KIND_directory)) {
            scan->emitter.source_empty = 0;
            if (entry.code != ERR_Ok)
                refuse_entry(scan, index, &entry);
            else if (entry.attributes.kind == KIND_directory)
                scan->walk.levels[index].unvisited++;
            else if (compare_entry(scan, index, &entry, err) < 0)
                return -1;
        }
        if (emit_tick(&scan->emitter))
            split_if_due(scan, true);
        if (scan_is_over(scan))
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

    level->place.replaces =
        index > 0 && level[-1].place.replaces ? level[-1].place.replaces : opened->replaces;
    extra_count(scan, index);
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

static bool was_handed_off(struct scan *scan, u32 index, struct bytes name)
{
    return scan->handed_off.count > 0 &&
           shards_set_has(&scan->handed_off, scan_path(scan, walk_path(&scan->walk, index), name));
}

bool scan_open_subdirectory(struct scan *scan, u32 index, struct bytes name,
                            const struct attributes *source, struct opened *opened)
{
    struct walk_level *parent = &scan->walk.levels[index];
    u64 matched = parent->matched;
    struct entry_verdict verdict;
    struct compare_decision *decision = &verdict.decision;
    enum opening opening;
    struct err err;
    bool present;

    *opened = (struct opened){0};
    if (!decide(scan, index, name, source, &verdict))
        return false;
    present = verdict.is_there && verdict.there.kind == KIND_directory;
    if (decision->operation != OPERATION_refuse && !fits(scan, index, name))
        *decision = compare_refuse(ERR_NameTooLong);
    if (decision->operation == OPERATION_refuse || was_handed_off(scan, index, name)) {
        record(scan, index, name, source, decision);
        return false;
    }
    opening = open_child(parent, name, present, opened, &err);
    if (opening == OPENING_REPLACED) {
        parent->matched = matched; /* it is looked up again */
        compare_replaced(scan, index, name);
    }
    if (opening == OPENING_REFUSED)
        *decision = compare_refuse(err.code);
    else if (opening == OPENING_DONE && present && !opened->destination) /* gone by now */
        *decision = compare_objects(source, NULL, &scan->decider.rules);
    if (opening == OPENING_REFUSED || opening == OPENING_DONE)
        record(scan, index, name, source, decision);
    if (opening != OPENING_DONE)
        opened_close(opened);
    else if (decision->flags & ITEM_REPLACES)
        opened->replaces = path_depth(walk_path(&scan->walk, index)) + 1;
    return opening == OPENING_DONE;
}

int scan_next_subdirectory(struct scan *scan, u32 index, u8 kept[NAME_BYTES], struct entry *out)
{
    struct walk_level *level = &scan->walk.levels[index];
    struct err err;
    int got;

    if (level->exhausted)
        return 0;
    got = walk_hold(&scan->walk, index, &err);
    do {
        if (got >= 0)
            got = asset_directory_next_directory(level->source, out, &err);
        if (got == 1)
            emit_tick(&scan->emitter);
    } while (got == 1 && !scan->emitter.stopped &&
             !scan_takes(scan, walk_path(&scan->walk, index), out->name, true));
    if (got == 1 && scan_keep_name(out->name, kept, &err) < 0)
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
    return 1;
}

static void descend(struct scan *scan)
{
    u32 index = scan->walk.depth - 1;
    struct opened opened;
    struct entry entry;
    u8 kept[NAME_BYTES];

    if (scan_next_subdirectory(scan, index, kept, &entry) == 0)
        leave_level(scan);
    else if (scan_open_subdirectory(scan, index, entry.name, &entry.attributes, &opened))
        enter_level(scan, entry.name, &opened);
}

/* ---- the whole ---- */

static void scan_all(struct scan *scan)
{
    struct opened opened;
    int got = root_open(scan->request, &opened, &scan->err);

    if (got >= 0)
        scan->emitter.root_differs = root_differs(scan, &opened);
    if (got == 1)
        enter_level(scan, bytes_of(NULL, 0), &opened);
    else
        scan->failed = got < 0;
    opened_close(&opened);
    while (scan->walk.depth > 0 && !scan_is_over(scan)) {
        split_if_due(scan, false);
        if (!scan_is_over(scan))
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
    struct scan scan = {
        .request = request,
        .sink = sink,
        .decider = {.rules = request->rules,
                    .bare = request->bare,
                    .content = request->flags & SCAN_CHECKSUM},
    };
    u32 last;

    scan.decider.emitter = &scan.emitter;
    emit_init(&scan.emitter, sink, &request->token);
    walk_init(&scan.walk, request->source, request->destination, request->path);
    shards_set_init(&scan.handed_off, request->handed_off, request->handed_off_count);
    shards_set_init(&scan.only, request->only, request->only_count);
    if (request->flags & SCAN_INVENTORY)
        extra_inventory(&scan);
    else
        scan_all(&scan);
    if (!scan.emitter.stopped)
        send_end(&scan.emitter, scan.failed ? &scan.err : NULL);
    last = scan.emitter.number;
    shards_set_release(&scan.handed_off);
    shards_set_release(&scan.only);
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
