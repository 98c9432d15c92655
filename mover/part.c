/* part.c: part: one range of a large file, copied into a staged file that other lanes and other
 * movers write into at the same time.
 *
 * The first part makes the staged file and says which version of the source it is a copy of; every
 * later one opens the source anew and requires that version, before and after it reads. A range is
 * read once, hashed in the same pass, and written only where the source has data: where it has a
 * hole the hash gets zeros and the staged file stays as it was made. An adopted range comes from an
 * earlier staged file instead, whose writer was lost; what it must be is known already.
 *
 * The answer says of a failure whether the staged file is as good as before (`prove` is 1: reading
 * failed, this part alone is done again) or is in doubt (0: a write failed). */
#include "mover/mover.h"

#include "base/clock.h"
#include "base/content.h"

#define ADOPT_BYTES (8ull << 20) /* so that a beat can tell that an adoption goes on */

struct parting {
    struct mover_work *work;
    const struct msg_part *message;
    struct batch batch;
    struct asset_directory *directory;
    struct asset_token *token, *earlier;
    struct asset_file *source, *staged;
    struct attributes attributes; /* of the version that is read */
    struct staged_version version;
    struct digest digest;
    struct hasher *hasher;
    struct buf extras;
    u32 not_kept;
    bool in_doubt; /* the staged file may be worse than before */
};

static int part_changed(struct err *err)
{
    return err_set(err, ERR_Changed, "changed while its parts were read");
}

static int check_message(const struct msg_part *message, struct err *err)
{
    if (message->hash != HASH_XXH3_128 && message->hash != HASH_SHA256)
        return err_set(err, ERR_Protocol, "hash kind %u", message->hash);
    if (message->offset % PART_BYTES != 0 || message->length == 0 || message->length > PART_BYTES ||
        message->size < message->length || message->offset > message->size - message->length)
        return err_set(err, ERR_Protocol, "a part of %llu bytes at %llu of %llu",
                       (unsigned long long)message->length, (unsigned long long)message->offset,
                       (unsigned long long)message->size);
    if (!message->inode && (!message->first || message->offset > 0 || message->adopt))
        return err_set(err, ERR_Protocol, "a part of no version that is not the first");
    return 0;
}

static int check(struct parting *parting, const struct envelope *task, struct err *err)
{
    const struct rec_item *item;

    if (check_message(parting->message, err) < 0 ||
        mover_batch_decode(task, &parting->batch, err) < 0)
        return -1;
    item = parting->batch.items;
    if (parting->batch.item_count != 1 || item->kind != KIND_file ||
        item->operation != OPERATION_put)
        return err_set(err, ERR_Protocol, "a part of something else than one file to put");
    return 0;
}

/* ---- the source ---- */

/* The version that the part must be of; with the first part, the one that there is. */
static int pin_version(struct parting *parting, struct err *err)
{
    const struct msg_part *message = parting->message;
    struct attributes pinned = {.inode = message->inode,
                                .size = message->size,
                                .mtime_ns = message->mtime_ns,
                                .ctime_ns = message->ctime_ns};

    if (message->inode)
        return mover_same_version(&parting->attributes, &pinned) ? 0 : part_changed(err);
    if (parting->attributes.size < PART_FROM)
        return err_set(err, ERR_Changed, "has %llu bytes and is not carried in parts any more",
                       (unsigned long long)parting->attributes.size);
    return 0;
}

static int open_source(struct parting *parting, struct err *err)
{
    const struct rec_item *item = parting->batch.items;

    if (asset_directory_open(parting->work->source, parting->batch.dirs[item->dir].path,
                             &parting->directory, err) < 0)
        return -1;
    if (asset_file_open(parting->directory, item->name, &parting->source, &parting->attributes,
                        err) < 0) {
        if (err->code == ERR_UnsupportedKind)
            err->code = ERR_Changed; /* it was a regular file when it was compared */
        return -1;
    }
    if (pin_version(parting, err) < 0)
        return -1;
    return mover_wait_for_grain(parting->work, parting->source, &parting->attributes, err);
}

static int require_same(struct parting *parting, struct err *err)
{
    struct attributes after;

    if (asset_file_attributes(parting->source, &after, err) < 0)
        return -1;
    return mover_same_version(&parting->attributes, &after) ? 0 : part_changed(err);
}

/* ---- the staged file ---- */

/* A copy that is not there, or is none of ours, is no fault of the item: it is staged again. */
static void name_staged(struct err *err)
{
    if (err->code == ERR_NotFound || err->code == ERR_AccessDenied ||
        err->code == ERR_SymlinkInPath || err->code == ERR_UnsupportedKind)
        err->code = ERR_StagedChanged;
}

static int open_staged(struct parting *parting, struct err *err)
{
    if (parting->message->first) {
        parting->in_doubt = true;
        if (asset_stage_file(parting->token, 0, &parting->staged, err) < 0)
            return -1;
        return asset_stage_reserve(parting->staged, parting->attributes.size, err);
    }
    if (asset_stage_open(parting->token, 0, &parting->staged, err) == 0)
        return 0;
    name_staged(err);
    return -1;
}

/* ---- one range ---- */

static int go_on(struct parting *parting, u64 bytes, struct err *err)
{
    parting->work->progress(parting->work->context, bytes);
    if (parting->work->stopped(parting->work->context))
        return err_set(err, ERR_Stopped, "the mover is ending");
    return 0;
}

static int copy_data(struct parting *parting, u64 offset, u64 end, struct err *err)
{
    struct mover_lane *lane = parting->work->lane;

    while (offset < end) {
        u64 wanted = end - offset < COPY_BUFFER ? end - offset : COPY_BUFFER;
        s64 got;

        wanted = mover_may_read(parting->work, wanted, err);
        if (wanted == 0)
            return -1;
        got = asset_file_read(parting->source, lane->buffer, wanted, offset, err);
        if (got < 0)
            return -1;
        if (got == 0) /* unless it was cut off meanwhile, which is looked at after a failure */
            return err_set(err, ERR_IoError, "the source ended at %llu of %llu bytes",
                           (unsigned long long)offset,
                           (unsigned long long)parting->attributes.size);
        hasher_update(parting->hasher, lane->buffer, (size_t)got);
        if (asset_stage_write(parting->staged, lane->buffer, (size_t)got, offset, err) < 0) {
            parting->in_doubt = true;
            return -1;
        }
        offset += (u64)got;
        if (go_on(parting, (u64)got, err) < 0)
            return -1;
    }
    return 0;
}

/* A destination without holes gets their zeros written. */
static bool keeps_holes(struct parting *parting)
{
    struct mover_work *work = parting->work;

    if (!(parting->message->preserve & PRESERVE_sparse) ||
        parting->attributes.allocated >= parting->attributes.size ||
        !(asset_capabilities(work->source) & ASSET_HOLES))
        return false;
    if (asset_capabilities(work->destination) & ASSET_HOLES)
        return true;
    parting->not_kept |= NOT_KEPT_HOLES;
    return false;
}

static int copy_range(struct parting *parting, struct err *err)
{
    const struct msg_part *message = parting->message;
    u64 offset = message->offset, limit = offset + message->length;
    bool sparse = keeps_holes(parting);

    parting->hasher = mover_lane_hasher(parting->work->lane, message->hash);
    while (offset < limit) {
        u64 start = offset, end = limit;
        int data = sparse ? asset_file_data(parting->source, offset, limit, &start, &end, err) : 1;

        if (data < 0)
            return -1;
        if (data == 0 || start > limit)
            start = end = limit;
        if (end > limit)
            end = limit;
        if (start < offset || end < start || (data > 0 && end <= offset))
            return part_changed(err); /* holes that move belong to a file that is being written */
        hasher_zeros(parting->hasher, start - offset);
        if (copy_data(parting, start, end, err) < 0 || go_on(parting, 0, err) < 0)
            return -1;
        offset = end;
    }
    hasher_finish(parting->hasher, &parting->digest);
    return 0;
}

static int adopt_range(struct parting *parting, struct err *err)
{
    const struct msg_part *message = parting->message;
    struct token token = {message->job, message->epoch, message->adopt};
    u64 limit = message->offset + message->length;

    if (asset_token_open(parting->work->destination, &token, &parting->earlier, err) < 0) {
        if (mover_gives_back(err->code)) /* not this token is void, but what it was to take from */
            err->code = ERR_StagedChanged;
        return -1;
    }
    parting->in_doubt = true;
    for (u64 offset = message->offset; offset < limit; offset += ADOPT_BYTES) {
        u64 length = limit - offset < ADOPT_BYTES ? limit - offset : ADOPT_BYTES;

        if (asset_stage_adopt(parting->staged, parting->earlier, 0, offset, length, err) < 0) {
            name_staged(err);
            return -1;
        }
        if (go_on(parting, length, err) < 0)
            return -1;
    }
    parting->in_doubt = message->first;
    return 0;
}

/* What came from elsewhere than the source ends with a copy that is as good as before: the range is
 * written anew, all of it, from the source. */
static void judge_adoption(struct parting *parting, const struct err *err)
{
    if (parting->message->adopt && !parting->message->first && err->code == ERR_StagedChanged)
        parting->in_doubt = false;
}

/* Durability strict: the proof is of the disk, so that the disk has to have it before. */
static int end_staged(struct parting *parting, struct err *err)
{
    bool was_in_doubt = parting->in_doubt;

    parting->in_doubt = true;
    if (asset_stage_end(&parting->staged, &parting->version, err) < 0)
        return -1;
    if (parting->message->durability == DURABILITY_STRICT &&
        asset_settle(parting->work->destination, err) < 0)
        return -1;
    parting->in_doubt = was_in_doubt;
    return 0;
}

static int take_extras(struct parting *parting, struct err *err)
{
    u32 not_kept = 0;

    if (parting->message->first && asset_file_extras(parting->source, parting->message->preserve,
                                                     &parting->extras, &not_kept, err) < 0)
        return -1;
    parting->not_kept |= not_kept;
    return 0;
}

static int copy_part(struct parting *parting, struct err *err)
{
    const struct msg_part *message = parting->message;
    struct token token = {message->job, message->epoch, message->area};
    struct err ignored;
    int rc;

    if (asset_token_open(parting->work->destination, &token, &parting->token, err) < 0 ||
        open_source(parting, err) < 0 || open_staged(parting, err) < 0)
        return -1;
    rc = message->adopt ? adopt_range(parting, err) : copy_range(parting, err);
    if (rc < 0) {
        judge_adoption(parting, err);
        /* a file that was cut off under the read ended early, which is no fault of the medium */
        if (err->code == ERR_IoError && require_same(parting, &ignored) < 0 &&
            ignored.code == ERR_Changed)
            return part_changed(err);
        return -1;
    }
    if (take_extras(parting, err) < 0 || require_same(parting, err) < 0)
        return -1;
    return end_staged(parting, err);
}

/* ---- the answer ---- */

/* What is missing, and is not of staging, is gone from the source. */
static void name_vanished(const struct parting *parting, struct err *err)
{
    if (!parting->staged && (err->code == ERR_NotFound || err->code == ERR_NotADirectory ||
                             err->code == ERR_SymlinkInPath))
        err->code = ERR_Vanished;
}

static void add_record(struct parting *parting, const struct err *err)
{
    struct buf *body = &parting->work->lane->body;
    struct rec_staged record = {.kind = KIND_file, .prove = !parting->in_doubt};
    struct frame_writer writer;

    if (err->code == ERR_Ok) {
        record.prove = 1;
        record.size = parting->attributes.size;
        record.digest = bytes_of(parting->digest.bytes, parting->digest.size);
        record.inode = parting->version.inode;
        record.mode = parting->attributes.mode;
        record.uid = parting->attributes.uid;
        record.gid = parting->attributes.gid;
        record.mtime_ns = parting->attributes.mtime_ns;
        record.not_kept = parting->not_kept;
        record.extras = buf_bytes(&parting->extras);
    } else {
        record.code = err->code;
        record.message = bytes_text(err->text);
    }
    buf_clear(body);
    frame_begin(&writer, body);
    frame_add_staged(&writer, &record);
    frame_end(&writer);
}

static void release(struct parting *parting)
{
    if (parting->staged && parting->message->first)
        asset_stage_abort(&parting->staged);
    else if (parting->staged)
        asset_stage_close(&parting->staged);
    asset_file_close(&parting->source);
    asset_directory_close(&parting->directory);
    asset_token_close(&parting->earlier);
    asset_token_close(&parting->token);
    batch_release(&parting->batch);
    buf_release(&parting->extras);
}

int mover_part(struct mover_work *work, const struct envelope *task, struct envelope *answer,
               struct err *err)
{
    const struct msg_part *message = &task->message.part;
    struct parting parting = {.work = work, .message = message, .in_doubt = message->first};
    struct msg_parted parted = {.job = message->job,
                                .epoch = message->epoch,
                                .sequence = message->sequence,
                                .began_ns = clock_boot_ns()};
    struct err failure = work->unreachable;
    int rc = check(&parting, task, err);

    if (rc < 0) {
        failure = *err;
    } else if (failure.code == ERR_Ok && copy_part(&parting, &failure) < 0) {
        name_vanished(&parting, &failure);
    } else if (failure.code == ERR_Ok) {
        err_clear(&failure); /* what a repeated read overcame */
    }
    add_record(&parting, &failure);
    parted.opened_ns = work->destination ? work->destination->opened_ns : 0;
    parted.size = parting.attributes.size;
    parted.inode = parting.attributes.inode;
    parted.mtime_ns = parting.attributes.mtime_ns;
    parted.ctime_ns = parting.attributes.ctime_ns;
    release(&parting);
    *answer = (struct envelope){.message = {.kind = MSG_parted, .parted = parted}, .bodies = 1};
    answer->body[0] = buf_bytes(&work->lane->body);
    return rc;
}
