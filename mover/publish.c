/* publish.c: publish: what was staged and proven gets its name; and a row for the ledger of each
 * item.
 *
 * Content is published only if its staging and its proof both ended without a code, and then only
 * the very version that was proven (the asset checks it). A revoked token voids the whole answer:
 * which of the renames came before the revocation is nobody's business, the work is state and is
 * done again. */
#include "mover/mover.h"

#include "base/clock.h"
#include "base/names.h"

#include <stdlib.h>

struct publish {
    struct mover_work *work;
    const struct msg_publish *message;
    struct batch batch;
    struct rec_staged *staged; /* one for each item, borrowed from the lane */
    struct rec_proven *proven;
    u32 preserve; /* what of the message's the source can tell */
    struct asset_token *token;
    struct mover_directories directories;
    struct frame_writer rows;
    bool *touched;        /* by place in the dir body: something was published into it */
    struct err blocked;   /* with a code: nothing of the batch can be published */
    struct err unsettled; /* with a code: what replaces content must not be published */
    u32 again;
};

/* ---- the third body: verdicts on each item ---- */

/* Drivers are given them as they came. */
static int check_extras(struct bytes extras, struct err *err)
{
    struct frame_reader reader;
    struct rec_attribute attribute;
    int more;

    if (extras.size == 0)
        return 0;
    if (extras.size > EXTRAS_BATCH_BYTES)
        return err_set(err, ERR_Protocol, "extended attributes of %zu bytes", extras.size);
    if (frame_open(&reader, extras, err) < 0)
        return -1;
    while ((more = frame_next_attribute(&reader, &attribute, err)) > 0)
        if (attribute.name.size == 0 || attribute.name.size > NAME_BYTES ||
            memchr(attribute.name.data, '\0', attribute.name.size))
            return err_set(err, ERR_Protocol, "an extended attribute of an invalid name");
    return more;
}

static int check_records(const struct publish *publish, u32 index, struct err *err)
{
    const struct rec_staged *staged = &publish->staged[index];
    bool put = publish->batch.items[index].operation == OPERATION_put;

    if (check_extras(staged->extras, err) < 0)
        return -1;
    if (!put || staged->code != ERR_Ok || publish->proven[index].code != ERR_Ok)
        return 0;
    if (!staged->prove || staged->inode == 0)
        return err_set(err, ERR_Protocol, "item %u is to be published without a proof", index);
    if (staged->digest.size != 16 && staged->digest.size != 32)
        return err_set(err, ERR_Protocol, "item %u has a digest of %zu bytes", index,
                       staged->digest.size);
    if (staged->kind != publish->batch.items[index].kind)
        return err_set(err, ERR_Protocol, "item %u was staged as a %s", index,
                       kind_name(staged->kind));
    return 0;
}

static int decode_staged(struct publish *publish, struct bytes frame, struct err *err)
{
    struct frame_reader reader;
    int more = 0;

    if (frame_open(&reader, frame, err) < 0)
        return -1;
    if (reader.left != publish->batch.item_count)
        return err_set(err, ERR_Protocol, "%u staged records for %u items", reader.left,
                       publish->batch.item_count);
    for (u32 i = 0; i < publish->batch.item_count; i++)
        if ((more = frame_next_staged(&reader, &publish->staged[i], err)) <= 0)
            return -1;
    return cursor_end(&reader.cursor, err);
}

static int decode_proven(struct publish *publish, struct bytes frame, struct err *err)
{
    struct frame_reader reader;
    int more = 0;

    if (frame_open(&reader, frame, err) < 0)
        return -1;
    if (reader.left != publish->batch.item_count)
        return err_set(err, ERR_Protocol, "%u proven records for %u items", reader.left,
                       publish->batch.item_count);
    for (u32 i = 0; i < publish->batch.item_count; i++)
        if ((more = frame_next_proven(&reader, &publish->proven[i], err)) <= 0)
            return -1;
    return cursor_end(&reader.cursor, err);
}

static int decode(struct publish *publish, const struct envelope *task, struct err *err)
{
    struct bytes records = task->bodies > 2 ? task->body[2] : bytes_of(NULL, 0);
    size_t split = publish->message->proven;

    if (mover_batch_decode(task, &publish->batch, err) < 0)
        return -1;
    if (split > records.size)
        return err_set(err, ERR_Protocol, "a body of %zu bytes has no place %zu", records.size,
                       split);
    if (decode_staged(publish, bytes_of(records.data, split), err) < 0 ||
        decode_proven(publish, bytes_of(records.data + split, records.size - split), err) < 0)
        return -1;
    for (u32 i = 0; i < publish->batch.item_count; i++)
        if (check_records(publish, i, err) < 0)
            return -1;
    return 0;
}

/* ---- one item ---- */

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
    publish->touched[item->dir] = true;
    row->outcome = OUTCOME_moved;
    row->digest = staged->digest;
    row->inode = version.inode;
    row->mtime_ns = published_time(publish, directory, item, staged);
    row->not_kept = staged->not_kept | not_kept;
    return 0;
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
    publish->touched[item->dir] = true;
    row->outcome = made || !(item->flags & ITEM_EXISTS) ? OUTCOME_moved : OUTCOME_pending;
    return 0;
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
    if (rc < 0 || asset_publish_hard_link(publish->token, index, item->target_inode, directory,
                                          item->name, err) < 0)
        return -1;
    publish->touched[item->dir] = true;
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
    struct attributes expected = {
        .kind = item->kind, .inode = item->inode, .ctime_ns = item->ctime_ns};
    struct asset_directory *directory;
    bool orphan;
    int there;

    if (mover_may_remove(publish->work, &publish->batch, index, &orphan, err) < 0)
        return -1;
    there = existing_directory(publish, item->dir, &directory, err);
    if (there < 0)
        return -1;
    if (there && asset_remove(publish->token, index, directory, item->name, &expected, err) < 0 &&
        err->code != ERR_NotFound)
        return -1;
    if (there && !orphan)
        publish->touched[item->dir] = true;
    row->outcome = OUTCOME_removed;
    return 0;
}

static int publish_item(struct publish *publish, u32 index, struct rec_row *row, struct err *err)
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

/* ---- rows ---- */

/* -1 if the work is given back: then the answer has no rows. */
static int add_row(struct publish *publish, u32 index)
{
    const struct rec_item *item = &publish->batch.items[index];
    const struct rec_staged *staged = &publish->staged[index];
    struct mover_lane *lane = publish->work->lane;
    struct rec_row row = {.index = index, .kind = item->kind, .operation = item->operation};
    struct err err = {0};

    row.size =
        staged->code == ERR_Ok && item->operation != OPERATION_remove ? staged->size : item->size;
    row.mtime_ns = staged->mtime_ns;
    if (publish_item(publish, index, &row, &err) < 0) {
        if (mover_gives_back(err.code))
            return -1;
        row.code = err.code;
        row.outcome = item->operation == OPERATION_remove
                          ? mover_outcome_of_removal(err.code, publish->message->attempt)
                          : mover_outcome(err.code, publish->message->attempt);
        row.message = bytes_text(err.text);
        publish->again += row.outcome == OUTCOME_again;
        if (mover_ends_batch(err.code))
            publish->blocked = err;
    }
    buf_clear(&lane->path);
    path_join(&lane->path, publish->batch.dirs[item->dir].path, item->name);
    row.path = buf_bytes(&lane->path);
    frame_add_row(&publish->rows, &row);
    publish->work->progress(publish->work->context, 0);
    return 0;
}

/* Publishing into a directory moved its times: the close has to set them again. The root's are set
 * at the end of the job anyway. */
static void add_touched_directories(struct publish *publish)
{
    for (u32 i = 0; i < publish->batch.dir_count; i++) {
        struct rec_row row = {.index = MOVER_NO_ITEM,
                              .path = publish->batch.dirs[i].path,
                              .kind = KIND_directory,
                              .operation = OPERATION_directory,
                              .outcome = OUTCOME_pending};

        if (publish->touched[i] && row.path.size > 0)
            frame_add_row(&publish->rows, &row);
    }
}

static void begin_rows(struct publish *publish)
{
    buf_clear(&publish->work->lane->body);
    frame_begin(&publish->rows, &publish->work->lane->body);
}

/* Content that replaces is on the disk before it takes the name: a power cut must not leave the new
 * name on bytes that never arrived, when the old ones were good. */
static void settle_before_replacing(struct publish *publish)
{
    for (u32 i = 0; i < publish->batch.item_count; i++) {
        const struct rec_item *item = &publish->batch.items[i];

        if (item->operation != OPERATION_put || !(item->flags & ITEM_REPLACES) ||
            publish->staged[i].code != ERR_Ok || publish->proven[i].code != ERR_Ok)
            continue;
        if (asset_settle(publish->work->destination, &publish->unsettled) < 0)
            publish->unsettled.code = ERR_SettleFailed;
        return;
    }
}

/* An item that was given back on the way says that the token is void, or that somebody ended who
 * held it: seen before anything is published. */
static bool was_given_back(const struct publish *publish)
{
    for (u32 i = 0; i < publish->batch.item_count; i++)
        if (mover_gives_back(publish->staged[i].code) || mover_gives_back(publish->proven[i].code))
            return true;
    return false;
}

/* The code of the answer: 0, or Revoked. */
static u32 publish_batch(struct publish *publish)
{
    const struct msg_publish *message = publish->message;
    struct token token = {message->job, message->epoch, message->sequence};
    struct err ignored;

    if (was_given_back(publish))
        return ERR_Revoked;
    if (publish->blocked.code == ERR_Ok &&
        asset_token_open(publish->work->destination, &token, &publish->token, &publish->blocked) <
            0) {
        if (mover_gives_back(publish->blocked.code))
            return ERR_Revoked;
        publish->token = NULL;
    }
    publish->directories =
        (struct mover_directories){.token = publish->token, .batch = &publish->batch};
    if (publish->blocked.code == ERR_Ok)
        settle_before_replacing(publish);
    for (u32 i = 0; i < publish->batch.item_count; i++)
        if (add_row(publish, i) < 0)
            return ERR_Revoked;
    add_touched_directories(publish);
    mover_directories_close(&publish->directories);
    /* items to be staged again get a new token; what cannot be removed goes with the staging area
     */
    if (publish->token)
        asset_token_end(&publish->token, &ignored);
    return ERR_Ok;
}

int mover_publish(struct mover_work *work, const struct envelope *task, struct envelope *answer,
                  struct err *err)
{
    const struct msg_publish *message = &task->message.publish;
    struct publish publish = {.work = work,
                              .message = message,
                              .blocked = work->unreachable,
                              .preserve = mover_preserve(work, message->preserve),
                              .staged = work->lane->staged,
                              .proven = work->lane->proven};
    struct msg_published published = {
        .job = message->job, .epoch = message->epoch, .sequence = message->sequence};
    int rc = decode(&publish, task, err);

    begin_rows(&publish);
    if (rc < 0) {
        published.code = ERR_Protocol;
    } else {
        publish.touched = memory_or_die(publish.batch.dir_count + 1);
        published.now_ns = work->destination ? asset_now_ns(work->destination) : 0;
        published.began_ns = clock_boot_ns();
        published.code = publish_batch(&publish);
    }
    if (published.code != ERR_Ok)
        begin_rows(&publish); /* nothing of it counts */
    else
        published.again = publish.again;
    frame_end(&publish.rows);
    mover_directories_close(&publish.directories);
    asset_token_close(&publish.token);
    batch_release(&publish.batch);
    free(publish.touched);
    *answer =
        (struct envelope){.message = {.kind = MSG_published, .published = published}, .bodies = 1};
    answer->body[0] = buf_bytes(&work->lane->body);
    return rc;
}
