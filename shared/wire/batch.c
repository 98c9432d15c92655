/* batch.c: the dir and item frames of a batch, checked as a whole before anything is done with them
 * (declared in message.h). A peer is not trusted: one bad path refuses the batch. */
#include "wire/message.h"

#include "base/names.h"
#include "base/states.h"

#include <stdlib.h>

int paths_decode(struct bytes frame, struct rec_dir **out, u32 *count, struct err *err)
{
    struct frame_reader reader;
    struct rec_dir *dirs;
    int more;
    u32 i = 0;

    *out = NULL;
    *count = 0;
    if (frame_open(&reader, frame, err) < 0)
        return -1;
    /* a record takes at least a byte, so that the count is bounded by the frame */
    dirs = memory_or_die(((size_t)reader.left + 1) * sizeof *dirs);
    while ((more = frame_next_dir(&reader, &dirs[i], err)) > 0) {
        if (!path_is_valid(dirs[i].path)) {
            more = err_set(err, ERR_InvalidPath, "a message names an invalid path");
            break;
        }
        if (dirs[i].replaces > path_depth(dirs[i].path)) {
            more = err_set(err, ERR_Protocol, "component %u of a path of %u is to be replaced",
                           dirs[i].replaces, path_depth(dirs[i].path));
            break;
        }
        i++;
    }
    if (more < 0) {
        free(dirs);
        return -1;
    }
    *out = dirs;
    *count = i;
    return 0;
}

/* The upper bits are the code of a refusal, and of nothing else. */
static int check_flags(const struct rec_item *item, struct err *err)
{
    u32 known = ITEM_REPLACES | ITEM_EXISTS | ITEM_REPLACES_DIRECTORY;

    if (item->operation == OPERATION_remove)
        known |= ITEM_SEVERAL;
    if (item->operation == OPERATION_refuse)
        known |= UINT32_MAX << ITEM_CODE_SHIFT;
    if (item->flags & ~known)
        return err_set(err, ERR_Protocol, "an item to %s with unknown flags %#x",
                       operation_name(item->operation), item->flags & ~known);
    return 0;
}

static int check_item(const struct rec_item *item, u32 dir_count, struct err *err)
{
    if (item->dir >= dir_count)
        return err_set(err, ERR_Protocol, "an item names directory %u of %u", item->dir, dir_count);
    if (!name_is_valid(item->name))
        return err_set(err, ERR_InvalidPath, "a message has an invalid name");
    if (item->kind < KIND_file || item->kind > KIND_block_device)
        return err_set(err, ERR_Protocol, "an item of unknown kind %u", item->kind);
    switch (item->operation) {
    case OPERATION_put:
    case OPERATION_directory:
    case OPERATION_attributes:
    case OPERATION_refuse:
        break;
    case OPERATION_link:
        if (item->target.size == 0 || !path_is_valid(item->target))
            return err_set(err, ERR_InvalidPath, "a link to an invalid path");
        if (item->target_inode == 0 || item->kind == KIND_directory)
            return err_set(err, ERR_Protocol, "a link to no object, or of a directory");
        break;
    case OPERATION_remove:
        if (item->inode == 0)
            return err_set(err, ERR_Protocol, "an object to remove, and not which");
        break;
    default:
        return err_set(err, ERR_Protocol, "an item of unknown operation %u", item->operation);
    }
    return check_flags(item, err);
}

int batch_decode(struct bytes dirs, struct bytes items, struct batch *out, struct err *err)
{
    struct frame_reader reader;
    int more;

    memset(out, 0, sizeof *out);
    if (paths_decode(dirs, &out->dirs, &out->dir_count, err) < 0)
        return -1;
    if (frame_open(&reader, items, err) < 0)
        goto refused;
    if (reader.left > BATCH_ITEMS) {
        err_set(err, ERR_Protocol, "a batch of %u items", reader.left);
        goto refused;
    }
    out->items = memory_or_die(((size_t)reader.left + 1) * sizeof *out->items);
    while ((more = frame_next_item(&reader, &out->items[out->item_count], err)) > 0) {
        if (check_item(&out->items[out->item_count], out->dir_count, err) < 0)
            goto refused;
        out->item_count++;
    }
    if (more == 0)
        return 0;
refused:
    batch_release(out);
    return -1;
}

void batch_release(struct batch *batch)
{
    free(batch->dirs);
    free(batch->items);
    memset(batch, 0, sizeof *batch);
}

u32 batch_select(const struct batch *batch, const bool *keep, struct buf *dirs, struct buf *items,
                 u64 *bytes)
{
    u32 *renumbered = memory_or_die((batch->dir_count + 1) * sizeof *renumbered);
    struct frame_writer dir_writer, item_writer;

    *bytes = 0;
    frame_begin(&dir_writer, dirs);
    for (u32 i = 0; i < batch->item_count; i++) {
        u32 dir = batch->items[i].dir;

        if (!keep[i] || renumbered[dir])
            continue;
        frame_add_dir(&dir_writer, &batch->dirs[dir]);
        renumbered[dir] = dir_writer.count; /* place plus one */
    }
    frame_end(&dir_writer);
    frame_begin(&item_writer, items);
    for (u32 i = 0; i < batch->item_count; i++) {
        struct rec_item item = batch->items[i];

        if (!keep[i])
            continue;
        item.dir = renumbered[item.dir] - 1;
        frame_add_item(&item_writer, &item);
        *bytes += item.operation == OPERATION_put ? item.size : 0;
    }
    frame_end(&item_writer);
    free(renumbered);
    return item_writer.count;
}
