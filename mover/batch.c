/* batch.c: what stage and publish share: the checks of a batch before anything is done with it, and
 * its directories, opened when an item needs them. */
#include "mover/mover.h"

/* A row has some sixty bytes beside its path and its message, whose bytes may be escaped to four.
 */
#define ROW_BYTES (4 * ERR_TEXT_SIZE + 128)

/* The answer names each item and each directory by its whole path. What cannot be answered is
 * refused before a byte is moved: the planner halves a batch that is refused again and again. */
static int check_rows(const struct batch *batch, struct err *err)
{
    size_t size = 0;

    for (u32 i = 0; i < batch->dir_count; i++)
        size += batch->dirs[i].path.size + ROW_BYTES;
    for (u32 i = 0; i < batch->item_count; i++)
        size += batch->dirs[batch->items[i].dir].path.size + batch->items[i].name.size + ROW_BYTES;
    if (size > FRAME_MAX)
        return err_set(err, ERR_Protocol, "a batch whose paths take %zu bytes", size);
    return 0;
}

_Static_assert(EXTRAS_BYTES <= EXTRAS_BATCH_BYTES, "an object alone fits in a batch");
_Static_assert(EXTRAS_BATCH_BYTES + BATCH_ITEMS * 2 * ROW_BYTES < FRAME_MAX,
               "records of a stage and their verdicts fit in one frame");

u32 mover_preserve(const struct mover_work *work, u32 preserve)
{
    if (work->source && !(asset_capabilities(work->source) & ASSET_EXTRAS))
        preserve &= ~(u32)(PRESERVE_xattrs | PRESERVE_acls);
    return preserve;
}

int mover_require_object(const struct rec_item *item, const struct attributes *attributes,
                         struct err *err)
{
    if (attributes->inode == item->inode && attributes->device == item->device)
        return 0;
    return err_set(err, ERR_Changed, "is another object than was listed");
}

int mover_batch_decode(const struct envelope *task, struct batch *out, struct err *err)
{
    *out = (struct batch){0};
    if (task->bodies < 2)
        return err_set(err, ERR_Protocol, "a batch of %u body frames", task->bodies);
    if (batch_decode(task->body[0], task->body[1], out, err) < 0)
        return -1;
    if (check_rows(out, err) < 0) {
        batch_release(out);
        return -1;
    }
    return 0;
}

int mover_directory(struct mover_directories *directories, u32 place, struct asset_directory **out,
                    struct err *err)
{
    u32 slot = place % MOVER_DIRECTORIES;
    struct bytes path = directories->batch->dirs[place].path;
    struct err *kept = &directories->slots[slot].err;
    int rc;

    if (directories->slots[slot].place != place + 1) {
        asset_directory_close(&directories->slots[slot].directory);
        directories->slots[slot].place = place + 1;
        err_clear(kept);
        if (directories->token)
            rc = asset_publish_directory(directories->token, path,
                                         directories->batch->dirs[place].replaces,
                                         &directories->slots[slot].directory, kept);
        else
            rc = asset_directory_open(directories->source, path,
                                      &directories->slots[slot].directory, kept);
        if (rc < 0)
            directories->slots[slot].directory = NULL;
    }
    *out = directories->slots[slot].directory;
    if (*out)
        return 0;
    *err = *kept;
    return -1;
}

void mover_directories_close(struct mover_directories *directories)
{
    for (u32 i = 0; i < MOVER_DIRECTORIES; i++) {
        asset_directory_close(&directories->slots[i].directory);
        directories->slots[i].place = 0;
    }
}
