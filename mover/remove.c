/* remove.c: what only the destination has may go only while the source still says so. Asked when a
 * batch is staged, and again right before each removal: the listing is older than both. */
#include "mover/mover.h"

int mover_may_remove(struct mover_work *work, const struct batch *batch, u32 index, bool *orphan,
                     struct err *err)
{
    const struct rec_item *item = &batch->items[index];
    struct asset_directory *parent = NULL;
    struct attributes there;
    int current = asset_is_current(work->source, err), found;

    *orphan = false;
    if (current < 0)
        return -1;
    if (current == 0) /* unmounted, say: then everything is absent */
        return err_set(err, ERR_SourceChanged, "%s", err_describe(ERR_SourceChanged));
    if (asset_directory_open(work->source, batch->dirs[item->dir].path, &parent, err) < 0) {
        *orphan = err->code == ERR_NotFound || err->code == ERR_NotADirectory ||
                  err->code == ERR_SymlinkInPath;
        return *orphan ? 0 : -1;
    }
    found = asset_directory_lookup(parent, item->name, &there, err);
    asset_directory_close(&parent);
    return found > 0 ? err_set(err, ERR_Changed, "is at the source again") : found;
}
