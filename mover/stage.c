/* stage.c: stage: each item of a batch is read once at the source and copied under the token.
 *
 * Answers exactly one record for each item, in order, whatever happened to it. An item that fails
 * does not stop the rest, unless the rest would fail the same way (no space, token revoked, process
 * ends). Nothing that is made here is visible at the destination. */
#include "mover/mover.h"

#include "base/clock.h"
#include "wire/refusal.h"

struct stage {
    struct mover_work *work;
    const struct msg_stage *message;
    struct batch batch;
    struct asset_token *token;
    struct mover_directories directories;
    struct frame_writer writer;
    struct digest digest; /* of the item at hand: its record borrows it */
    struct err rest;      /* with a code: every item from here on gets it without being tried */
    u32 preserve;         /* what of the message's the source can tell */
    size_t extras;        /* bytes of those that the answer has so far */
    u32 to_prove;
    u64 bytes;
};

static void take_attributes(struct rec_staged *record, const struct attributes *attributes)
{
    bool device =
        attributes->kind == KIND_character_device || attributes->kind == KIND_block_device;

    record->mode = attributes->mode;
    record->uid = attributes->uid;
    record->gid = attributes->gid;
    record->mtime_ns = attributes->mtime_ns;
    record->size = attributes->size;
    record->rdev = device ? attributes->rdev : 0;
}

/* A name of an object that has several is put by itself where its group cannot be kept together. */
static u32 lost_links(const struct stage *stage, const struct rec_item *item,
                      const struct attributes *attributes)
{
    bool lost = attributes->links > 1 && !item->inode && stage->preserve & PRESERVE_hardlinks;

    return lost ? NOT_KEPT_HARD_LINK : 0;
}

/* The object at the source that the item is of, by its name. */
static int look_up(struct asset_directory *directory, const struct rec_item *item,
                   struct attributes *out, struct err *err)
{
    int there = asset_directory_lookup(directory, item->name, out, err);

    if (there < 0)
        return -1;
    if (there == 0)
        return err_set(err, ERR_Vanished, "is gone from the source");
    if ((u32)out->kind != item->kind)
        return err_set(err, ERR_Changed, "became a %s", kind_name(out->kind));
    return 0;
}

/* Of what is no file: a file's are read with its content. */
static int take_extras(struct stage *stage, const struct rec_item *item,
                       struct asset_directory *directory, struct rec_staged *record,
                       struct err *err)
{
    u32 not_kept;

    if (asset_extras(directory, item->name, stage->preserve, &stage->work->lane->extras, &not_kept,
                     err) < 0)
        return -1;
    record->not_kept |= not_kept;
    return 0;
}

static int stage_file(struct stage *stage, u32 index, struct asset_directory *directory,
                      struct rec_staged *record, struct err *err)
{
    const struct rec_item *item = &stage->batch.items[index];
    struct mover_order order = {.directory = directory,
                                .item = item,
                                .token = stage->token,
                                .index = index,
                                .hash = stage->message->hash,
                                .preserve = stage->preserve};
    struct mover_copied copied;

    if (mover_copy(stage->work, &order, &copied, err) < 0)
        return -1;
    take_attributes(record, &copied.attributes);
    stage->digest = copied.digest;
    record->inode = copied.version.inode;
    record->not_kept = copied.not_kept | lost_links(stage, item, &copied.attributes);
    return 0;
}

static int stage_symlink(struct stage *stage, u32 index, struct asset_directory *directory,
                         struct rec_staged *record, struct err *err)
{
    const struct rec_item *item = &stage->batch.items[index];
    struct buf *target = &stage->work->lane->target;
    struct attributes attributes;
    struct staged_version version;

    buf_clear(target);
    if (asset_read_link(directory, item->name, target, &attributes, err) < 0) {
        if (err->code == ERR_UnsupportedKind)
            err->code = ERR_Changed; /* it was a link when it was compared */
        return -1;
    }
    if ((item->inode && mover_require_object(item, &attributes, err) < 0) ||
        asset_stage_link(stage->token, index, buf_bytes(target), &version, err) < 0)
        return -1;
    take_attributes(record, &attributes);
    record->size = target->size;
    record->inode = version.inode;
    record->not_kept = lost_links(stage, item, &attributes);
    hash_bytes(stage->message->hash, buf_bytes(target), &stage->digest);
    return take_extras(stage, item, directory, record, err);
}

static int stage_node(struct stage *stage, u32 index, struct asset_directory *directory,
                      struct rec_staged *record, struct err *err)
{
    const struct rec_item *item = &stage->batch.items[index];
    struct attributes attributes;
    struct staged_version version;

    if (look_up(directory, item, &attributes, err) < 0 ||
        (item->inode && mover_require_object(item, &attributes, err) < 0))
        return -1;
    take_attributes(record, &attributes);
    record->size = 0;
    if (asset_stage_node(stage->token, index, attributes.kind, record->rdev, &version, err) < 0)
        return -1;
    record->inode = version.inode;
    record->not_kept = lost_links(stage, item, &attributes);
    content_of_node(stage->message->hash, attributes.kind, record->rdev, &stage->digest);
    return take_extras(stage, item, directory, record, err);
}

/* The answer is one frame: what would not fit is staged again, in another batch. */
static int bound_extras(struct stage *stage, u32 index, struct rec_staged *record, struct err *err)
{
    struct bytes extras = buf_bytes(&stage->work->lane->extras);

    if (stage->extras + extras.size > EXTRAS_BATCH_BYTES) {
        if (stage->batch.items[index].operation == OPERATION_put)
            asset_stage_remove(stage->token, index);
        return err_set(err, ERR_OutOfMemory,
                       "the extended attributes of one batch take more than %u bytes",
                       EXTRAS_BATCH_BYTES);
    }
    stage->extras += extras.size;
    record->extras = extras;
    return 0;
}

static int stage_put(struct stage *stage, u32 index, struct rec_staged *record, struct err *err)
{
    const struct rec_item *item = &stage->batch.items[index];
    struct asset_directory *directory;
    int rc;

    if (item->kind == KIND_directory || item->kind == KIND_socket)
        return err_set(err, ERR_UnsupportedKind, "a %s cannot be put", kind_name(item->kind));
    if (mover_directory(&stage->directories, item->dir, &directory, err) < 0)
        return -1;
    if (item->kind == KIND_file)
        rc = stage_file(stage, index, directory, record, err);
    else if (item->kind == KIND_symlink)
        rc = stage_symlink(stage, index, directory, record, err);
    else
        rc = stage_node(stage, index, directory, record, err);
    if (rc < 0 || bound_extras(stage, index, record, err) < 0)
        return -1;
    record->prove = 1;
    record->digest = bytes_of(stage->digest.bytes, stage->digest.size);
    stage->to_prove++;
    stage->bytes += record->size;
    return 0;
}

/* Nothing to copy, but what is to be set is taken here: publishing does not read the source. */
static int stage_attributes(struct stage *stage, u32 index, struct rec_staged *record,
                            struct err *err)
{
    const struct rec_item *item = &stage->batch.items[index];
    struct asset_directory *directory;
    struct attributes attributes;

    if (mover_directory(&stage->directories, item->dir, &directory, err) < 0 ||
        look_up(directory, item, &attributes, err) < 0)
        return -1;
    take_attributes(record, &attributes);
    if (take_extras(stage, item, directory, record, err) < 0)
        return -1;
    return bound_extras(stage, index, record, err);
}

/* The name still has to be of the object that its group was found by. */
static int stage_link(struct stage *stage, const struct rec_item *item, struct rec_staged *record,
                      struct err *err)
{
    struct asset_directory *directory;
    struct attributes attributes;

    if (mover_directory(&stage->directories, item->dir, &directory, err) < 0 ||
        look_up(directory, item, &attributes, err) < 0 ||
        mover_require_object(item, &attributes, err) < 0)
        return -1;
    take_attributes(record, &attributes);
    return 0;
}

static int stage_item(struct stage *stage, u32 index, struct rec_staged *record, struct err *err)
{
    const struct rec_item *item = &stage->batch.items[index];
    bool orphan;

    buf_clear(&stage->work->lane->extras);
    switch (item->operation) {
    case OPERATION_put:
        return stage_put(stage, index, record, err);
    case OPERATION_attributes:
        return stage_attributes(stage, index, record, err);
    case OPERATION_link:
        return stage_link(stage, item, record, err);
    case OPERATION_remove:
        return mover_may_remove(stage->work, &stage->batch, index, &orphan, err);
    case OPERATION_refuse:
        return item_refuse(item, err);
    default:
        return 0;
    }
}

/* An item whose directory is gone from the source, or is none any more, is gone with it. These
 * codes can only come from the source: staging has no paths. */
static void name_vanished(struct err *err)
{
    if (err->code == ERR_NotFound || err->code == ERR_NotADirectory ||
        err->code == ERR_SymlinkInPath)
        err->code = ERR_Vanished;
}

static void stage_record(struct stage *stage, u32 index)
{
    struct mover_work *work = stage->work;
    struct rec_staged record = {.kind = stage->batch.items[index].kind};
    struct err err = {0};

    if (stage->rest.code == ERR_Ok && work->stopped(work->context))
        err_set(&stage->rest, ERR_Stopped, "the mover is ending");
    if (stage->rest.code != ERR_Ok) {
        err = stage->rest;
    } else if (stage_item(stage, index, &record, &err) < 0) {
        name_vanished(&err);
        if (mover_ends_batch(err.code) && stage->batch.items[index].operation != OPERATION_refuse)
            stage->rest = err;
    } else {
        err_clear(&err); /* what a repeated read overcame */
    }
    if (err.code != ERR_Ok) {
        record = (struct rec_staged){.code = err.code, .kind = record.kind};
        record.message = bytes_text(err.text);
    }
    frame_add_staged(&stage->writer, &record);
    work->progress(work->context, 0);
}

static void stage_records(struct stage *stage)
{
    buf_clear(&stage->work->lane->body);
    frame_begin(&stage->writer, &stage->work->lane->body);
    for (u32 i = 0; i < stage->batch.item_count; i++)
        stage_record(stage, i);
    frame_end(&stage->writer);
}

/* With `durability: strict` the proof is of the disk, so the disk has to have it before. */
static void make_durable(struct stage *stage)
{
    struct err err = {0};

    if (stage->message->durability != DURABILITY_STRICT || stage->to_prove == 0)
        return;
    if (asset_settle(stage->work->destination, &err) == 0)
        return;
    /* every copy of the batch is in doubt: all are answered anew with the failure */
    stage->rest = err;
    stage->to_prove = 0;
    stage->bytes = 0;
    stage->extras = 0;
    stage_records(stage);
}

int mover_stage(struct mover_work *work, const struct envelope *task, struct envelope *answer,
                struct err *err)
{
    const struct msg_stage *message = &task->message.stage;
    struct token token = {message->job, message->epoch, message->sequence};
    struct stage stage = {.work = work,
                          .message = message,
                          .rest = work->unreachable,
                          .preserve = mover_preserve(work, message->preserve)};
    struct msg_staged staged = {.job = message->job,
                                .epoch = message->epoch,
                                .sequence = message->sequence,
                                .began_ns = clock_boot_ns()};
    int rc = -1;

    staged.opened_ns = work->destination ? work->destination->opened_ns : 0;
    buf_clear(&work->lane->body);
    frame_begin(&stage.writer, &work->lane->body);
    frame_end(&stage.writer);
    if (mover_batch_decode(task, &stage.batch, err) < 0)
        goto done;
    if (strcmp(hash_kind_name(message->hash), "unknown") == 0) {
        err_set(err, ERR_Protocol, "hash kind %u", message->hash);
        goto done;
    }
    if (stage.rest.code == ERR_Ok &&
        asset_token_open(work->destination, &token, &stage.token, &stage.rest) < 0)
        stage.token = NULL;
    stage.directories = (struct mover_directories){.source = work->source, .batch = &stage.batch};
    stage_records(&stage);
    make_durable(&stage);
    staged.to_prove = stage.to_prove;
    staged.bytes = stage.bytes;
    rc = 0;
done:
    mover_directories_close(&stage.directories);
    asset_token_close(&stage.token);
    batch_release(&stage.batch);
    *answer = (struct envelope){.message = {.kind = MSG_staged, .staged = staged}, .bodies = 1};
    answer->body[0] = buf_bytes(&work->lane->body);
    return rc;
}
