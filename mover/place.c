/* place.c: one item into its place at the destination: a staged copy that was proven, a directory,
 * attributes, one more name of an object; or an object out of it. Each is state and not a step, so
 * that doing it twice is safe. */
#include "mover/publish.h"

#include "base/clock.h"

/* What was too much to be taken at the source is not taken away at the destination. */
static struct wanted wanted_of(const struct publish *publish, const struct rec_staged *staged)
{
    u32 preserve = publish->preserve;

    if (staged->not_kept & (NOT_KEPT_XATTR | NOT_KEPT_ACL))
        preserve &= ~(u32)(PRESERVE_xattrs | PRESERVE_acls);
    return (struct wanted){.attributes = {.kind = staged->kind,
                                          .mode = staged->mode,
                                          .uid = staged->uid,
                                          .gid = staged->gid,
                                          .links = 1,
                                          .size = staged->size,
                                          .rdev = staged->rdev,
                                          .mtime_ns = staged->mtime_ns},
                           .preserve = preserve,
                           .extras = staged->extras};
}

/* Where times are not preserved, the ledger has to know the one that publishing left. */
static s64 published_time(const struct publish *publish, struct asset_directory *directory,
                          const struct rec_item *item, const struct rec_staged *staged)
{
    struct attributes there;
    struct err ignored;

    if (publish->preserve & PRESERVE_times ||
        asset_directory_lookup(directory, item->name, &there, &ignored) != 1)
        return staged->mtime_ns;
    return there.mtime_ns;
}

static int publish_put(struct publish *publish, u32 index, struct asset_directory *directory,
                       struct rec_row *row, struct err *err)
{
    const struct rec_item *item = &publish->batch.items[index];
    const struct rec_staged *staged = &publish->staged[index];
    const struct rec_proven *proven = &publish->proven[index];
    struct staged_version version = {proven->inode, proven->size, proven->ctime_ns};
    struct wanted wanted = wanted_of(publish, staged);
    u32 not_kept = 0;

    if (proven->inode != staged->inode || proven->size != staged->size)
        return err_set(err, ERR_StagedChanged, "what was proven is not what was staged");
    if (item->flags & ITEM_REPLACES && publish->unsettled.code != ERR_Ok) {
        *err = publish->unsettled;
        return -1;
    }
    if (asset_publish(publish->token, index, &version, &wanted,
                      item->flags & ITEM_REPLACES_DIRECTORY, directory, item->name, &not_kept,
                      err) < 0)
        return -1;
    row->outcome = OUTCOME_moved;
    row->digest = staged->digest;
    row->inode = version.inode;
    row->mtime_ns = published_time(publish, directory, item, staged);
    row->not_kept = staged->not_kept | not_kept;
    return 0;
}

/* New directories are private until the close, which gives them the mode of the source, but not
 * where modes are not preserved. What was there at the time of the scan keeps its own. */
static int publish_open_to_all(struct publish *publish, struct asset_directory *directory,
                               const struct rec_item *item, struct err *err)
{
    struct wanted wanted = {.preserve = PRESERVE_mode};
    u32 not_kept;

    if (publish->preserve & PRESERVE_mode || item->flags & ITEM_EXISTS ||
        !(asset_capabilities(publish->work->destination) & ASSET_MODES) ||
        asset_directory_lookup(directory, item->name, &wanted.attributes, err) != 1 ||
        wanted.attributes.kind != KIND_directory || (wanted.attributes.mode & 0777) != 0700)
        return 0;
    wanted.attributes.mode |= 0755;
    return asset_set_attributes(publish->token, directory, item->name, &wanted, &not_kept, err);
}

/* A directory that was not there at the time of the scan is made by this job, if not here then on
 * the way to something below it: its parent was changed all the same. */
static int publish_directory(struct publish *publish, u32 index, struct asset_directory *directory,
                             struct rec_row *row, struct err *err)
{
    const struct rec_item *item = &publish->batch.items[index];
    bool made = false;

    if (asset_publish_make(publish->token, index, directory, item->name,
                           item->flags & ITEM_REPLACES, &made, err) < 0)
        return -1;
    if (publish_open_to_all(publish, directory, item, err) < 0)
        return -1;
    row->outcome = made || !(item->flags & ITEM_EXISTS) ? OUTCOME_moved : OUTCOME_pending;
    return 0;
}

/* A mode or a capability that the source gave to new content is not for the old: as far as size and
 * time tell, which is how the two were compared. */
static bool has_content_of(const struct publish *publish, const struct rec_staged *staged,
                           const struct attributes *there)
{
    if (there->kind != KIND_file)
        return true;
    if (there->size != staged->size)
        return false;
    return publish->preserve & PRESERVE_times
               ? time_is_kept(staged->mtime_ns, there->mtime_ns, there->ctime_ns)
               : there->mtime_ns >= staged->mtime_ns;
}

/* All but the time, which stays what it is at the destination: if the content at the source
 * was rewritten since the scan, its new time on the old content would hide that for good. */
static int publish_attributes(struct publish *publish, u32 index, struct asset_directory *directory,
                              struct rec_row *row, struct err *err)
{
    const struct rec_item *item = &publish->batch.items[index];
    const struct rec_staged *staged = &publish->staged[index];
    struct wanted wanted = wanted_of(publish, staged);
    struct attributes there;
    u32 not_kept = 0;
    int found = asset_directory_lookup(directory, item->name, &there, err);

    if (found < 0)
        return -1;
    if (found == 0)
        return err_set(err, ERR_NotFound, "is gone from the destination");
    if ((u32)there.kind != staged->kind)
        return err_set(err, ERR_Occupied, "became a %s at the destination", kind_name(there.kind));
    if (!has_content_of(publish, staged, &there))
        return err_set(err, ERR_Changed, "has other content at the source by now");
    wanted.attributes.mtime_ns = there.mtime_ns;
    wanted.attributes.size = there.size;
    if (asset_set_attributes(publish->token, directory, item->name, &wanted, &not_kept, err) < 0)
        return -1;
    row->outcome = OUTCOME_attributes;
    row->not_kept = staged->not_kept | not_kept;
    row->size = there.size;
    row->mtime_ns = there.mtime_ns;
    return 0;
}

static struct bytes parent_of(struct bytes path, struct bytes *name)
{
    size_t slash = path.size;

    while (slash > 0 && path.data[slash - 1] != '/')
        slash--;
    *name = bytes_of(path.data + slash, path.size - slash);
    return bytes_of(path.data, slash ? slash - 1 : 0);
}

/* One more name of an object that is there. The directory of the other name is not made. */
static int publish_link(struct publish *publish, u32 index, struct asset_directory *directory,
                        struct rec_row *row, struct err *err)
{
    const struct rec_item *item = &publish->batch.items[index];
    struct asset_directory *other = NULL;
    struct bytes name, parent = parent_of(item->target, &name);
    int rc;

    if (asset_directory_open(publish->work->destination, parent, &other, err) < 0)
        return -1;
    rc = asset_stage_hard_link(publish->token, index, other, name, item->target_inode, err);
    asset_directory_close(&other);
    if (rc < 0 || asset_publish_hard_link(publish->token, index, item->target_inode,
                                          item->flags & ITEM_REPLACES_DIRECTORY, directory,
                                          item->name, err) < 0)
        return -1;
    row->outcome = OUTCOME_linked;
    row->inode = item->target_inode;
    row->not_kept = publish->staged[index].not_kept;
    return 0;
}

/* 1 with the directory open for publishing, 0 if it is not there: publishing would make it. */
static int existing_directory(struct publish *publish, u32 place, struct asset_directory **out,
                              struct err *err)
{
    struct asset_directory *there = NULL;

    if (asset_directory_open(publish->work->destination, publish->batch.dirs[place].path, &there,
                             err) < 0)
        return err->code == ERR_NotFound ? 0 : -1;
    asset_directory_close(&there);
    return mover_directory(&publish->directories, place, out, err) < 0 ? -1 : 1;
}

/* What is gone already was removed by this job, in a try whose answer was lost, or by somebody
 * else. A directory that only the destination has is not closed: it is to be removed too. */
static int publish_remove(struct publish *publish, u32 index, struct rec_row *row, struct err *err)
{
    const struct rec_item *item = &publish->batch.items[index];
    struct attributes expected = {.kind = item->kind,
                                  .inode = item->inode,
                                  .links = item->flags & ITEM_SEVERAL ? 2 : 1,
                                  .size = item->size,
                                  .mtime_ns = item->ctime_ns,
                                  .ctime_ns = item->ctime_ns};
    struct asset_directory *directory;
    bool orphan;
    int there;

    if (mover_may_remove(publish->work, &publish->batch, index, &orphan, err) < 0)
        return -1;
    there = existing_directory(publish, item->dir, &directory, err);
    if (there < 0)
        return -1;
    if (there && !orphan)
        publish->touched[item->dir] = true;
    if (there && asset_remove(publish->token, index, directory, item->name, &expected, err) < 0 &&
        err->code != ERR_NotFound)
        return -1;
    row->outcome = OUTCOME_removed;
    return 0;
}

int publish_item(struct publish *publish, u32 index, struct rec_row *row, struct err *err)
{
    const struct rec_staged *staged = &publish->staged[index];
    const struct rec_proven *proven = &publish->proven[index];
    struct asset_directory *directory;

    if (staged->code != ERR_Ok)
        return err_set(err, staged->code, "%.*s", (int)staged->message.size,
                       (const char *)staged->message.data);
    if (proven->code != ERR_Ok)
        return err_set(err, proven->code, "%.*s", (int)proven->message.size,
                       (const char *)proven->message.data);
    if (publish->blocked.code != ERR_Ok) {
        *err = publish->blocked;
        return -1;
    }
    if (publish->batch.items[index].operation == OPERATION_remove)
        return publish_remove(publish, index, row, err);
    if (mover_directory(&publish->directories, publish->batch.items[index].dir, &directory, err) <
        0)
        return -1;
    /* whatever comes of the item: to open a directory for publishing may have changed its mode */
    publish->touched[publish->batch.items[index].dir] = true;
    switch (publish->batch.items[index].operation) {
    case OPERATION_put:
        return publish_put(publish, index, directory, row, err);
    case OPERATION_directory:
        return publish_directory(publish, index, directory, row, err);
    case OPERATION_attributes:
        return publish_attributes(publish, index, directory, row, err);
    case OPERATION_link:
        return publish_link(publish, index, directory, row, err);
    default:
        return err_set(err, ERR_Protocol, "a refused item was staged without a code");
    }
}
