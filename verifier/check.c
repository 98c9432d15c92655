/* check.c: what is at the destination, read from the medium and compared with what was proven when
 * it was put there.
 *
 * Same size and time, and other bytes: that is rot, since whoever writes moves the time. Another
 * kind, size or time: somebody else changed it. Nothing is written, and no token is needed: the
 * answer is of the moment, and repairing compares again. */
#include "verifier/prove.h"

#include "base/clock.h"
#include "base/names.h"

#include <stdlib.h>

struct checking {
    struct prove_work *work;
    const struct msg_check *message;
    struct batch batch;
    struct rec_staged *recorded; /* one for each item */
    u32 place;                   /* of the open directory in the dir body, plus one; 0 = none */
    struct asset_directory *directory;
    struct frame_writer rows;
    struct err rest; /* with a code: every item from here on gets it without being tried */
    struct msg_checked checked;
};

static int drifted(struct rec_row *row, struct err *err)
{
    row->outcome = OUTCOME_drifted;
    err->code = ERR_Mismatch;
    return -1;
}

static int missing(struct rec_row *row, struct err *err)
{
    row->outcome = OUTCOME_missing;
    return err_set(err, ERR_NotFound, "is not at the destination any more");
}

static int open_directory(struct checking *checking, u32 place, struct rec_row *row,
                          struct err *err)
{
    if (checking->place == place + 1)
        return 0;
    asset_directory_close(&checking->directory);
    checking->place = 0;
    if (asset_directory_open(checking->work->destination, checking->batch.dirs[place].path,
                             &checking->directory, err) == 0) {
        checking->place = place + 1;
        return 0;
    }
    if (err->code == ERR_NotFound || err->code == ERR_NotADirectory ||
        err->code == ERR_SymlinkInPath)
        return missing(row, err);
    return -1;
}

/* A directory's size and time are its filesystem's and its entries' business. */
static int compare_attributes(const struct rec_staged *recorded, const struct attributes *there,
                              struct rec_row *row, struct err *err)
{
    if ((u32)there->kind != recorded->kind) {
        err_set(err, ERR_Mismatch, "is a %s, a %s was put there", kind_name(there->kind),
                kind_name(recorded->kind));
        return drifted(row, err);
    }
    if (there->kind == KIND_directory)
        return 0;
    if ((there->kind == KIND_file || there->kind == KIND_symlink) &&
        there->size != recorded->size) {
        err_set(err, ERR_Mismatch, "has %llu bytes, %llu were proven",
                (unsigned long long)there->size, (unsigned long long)recorded->size);
        return drifted(row, err);
    }
    if (!time_is_kept(recorded->mtime_ns, there->mtime_ns, there->ctime_ns)) {
        err_set(err, ERR_Mismatch, "was modified since it was proven");
        return drifted(row, err);
    }
    return 0;
}

static int compare_content(const struct rec_staged *recorded, const struct digest *digest,
                           struct rec_row *row, struct err *err)
{
    if (bytes_equal(recorded->digest, bytes_of(digest->bytes, digest->size)))
        return 0;
    row->outcome = OUTCOME_rotten;
    return err_set(err, ERR_Mismatch,
                   "has other bytes than were proven, with the same size and time");
}

static int check_file(struct checking *checking, const struct rec_item *item,
                      const struct rec_staged *recorded, struct rec_row *row, struct err *err)
{
    struct asset_file *file = NULL;
    struct attributes before, after;
    struct digest digest;
    int rc = -1;

    if (asset_file_open(checking->directory, item->name, &file, &before, err) < 0) {
        if (err->code == ERR_NotFound)
            return missing(row, err);
        return err->code == ERR_UnsupportedKind ? drifted(row, err) : -1;
    }
    if (compare_attributes(recorded, &before, row, err) < 0)
        goto done;
    asset_file_uncached(file);
    rc = prove_read(checking->work, checking->message->hash, file, before.size, &digest, err);
    if (rc < 0 && err->code != ERR_Mismatch && err->code != ERR_StagedChanged)
        goto done;
    if (asset_file_attributes(file, &after, err) < 0) {
        rc = -1;
    } else if (after.size != before.size || after.ctime_ns != before.ctime_ns) {
        err_set(err, ERR_Mismatch, "changed while it was read");
        rc = drifted(row, err);
    } else if (rc < 0) {
        row->outcome = OUTCOME_rotten; /* it has fewer bytes than its size says */
    } else {
        rc = compare_content(recorded, &digest, row, err);
    }
done:
    asset_file_close(&file);
    return rc;
}

static int check_symlink(struct checking *checking, const struct rec_item *item,
                         const struct rec_staged *recorded, struct rec_row *row, struct err *err)
{
    struct buf *target = &checking->work->lane->target;
    struct attributes there;
    struct digest digest;

    buf_clear(target);
    if (asset_read_link(checking->directory, item->name, target, &there, err) < 0) {
        if (err->code == ERR_NotFound)
            return missing(row, err);
        return err->code == ERR_UnsupportedKind ? drifted(row, err) : -1;
    }
    hash_bytes(checking->message->hash, buf_bytes(target), &digest);
    return compare_content(recorded, &digest, row, err);
}

/* A node's number is all that it has, and nothing rots in it alone. */
static int check_node(struct checking *checking, const struct rec_staged *recorded,
                      const struct attributes *there, struct rec_row *row, struct err *err)
{
    struct digest digest;

    content_of_node(checking->message->hash, there->kind, there->rdev, &digest);
    if (compare_content(recorded, &digest, row, err) == 0)
        return 0;
    err_set(err, ERR_Mismatch, "is another device than was put there");
    return drifted(row, err);
}

static int check_object(struct checking *checking, u32 index, struct rec_row *row, struct err *err)
{
    const struct rec_item *item = &checking->batch.items[index];
    const struct rec_staged *recorded = &checking->recorded[index];
    struct attributes there;
    int found;

    if (open_directory(checking, item->dir, row, err) < 0)
        return -1;
    found = asset_directory_lookup(checking->directory, item->name, &there, err);
    if (found < 0)
        return -1;
    if (found == 0)
        return missing(row, err);
    row->inode = there.inode;
    if (compare_attributes(recorded, &there, row, err) < 0)
        return -1;
    switch (there.kind) {
    case KIND_directory:
        return 0;
    case KIND_file:
        return check_file(checking, item, recorded, row, err);
    case KIND_symlink:
        return check_symlink(checking, item, recorded, row, err);
    default:
        return check_node(checking, recorded, &there, row, err);
    }
}

/* An error says nothing of the object. What passes by itself is asked again; a medium that cannot
 * be read is a failure that has to be told. */
static enum outcome outcome_of(u32 code)
{
    enum err_disposition disposition = err_disposition_of(code);

    if (code == ERR_IoError ||
        (disposition != DISPOSITION_RETRY && disposition != DISPOSITION_GIVE_BACK))
        return OUTCOME_failed;
    return OUTCOME_again;
}

static void add_row(struct checking *checking, u32 index)
{
    const struct rec_item *item = &checking->batch.items[index];
    const struct rec_staged *recorded = &checking->recorded[index];
    struct prove_work *work = checking->work;
    struct rec_row row = {.index = index, .kind = item->kind, .operation = item->operation};
    struct buf path = {0};
    struct err err = {0};

    if (checking->rest.code == ERR_Ok && work->stopped(work->context))
        err_set(&checking->rest, ERR_Stopped, "the verifier is ending");
    row.size = recorded->size;
    row.mtime_ns = recorded->mtime_ns;
    row.digest = recorded->digest;
    if (checking->rest.code != ERR_Ok)
        err = checking->rest;
    if (err.code == ERR_Ok && check_object(checking, index, &row, &err) == 0) {
        row.outcome = OUTCOME_unchanged;
        checking->checked.matched++;
        checking->checked.bytes += item->kind == KIND_file ? recorded->size : 0;
    } else {
        checking->checked.mismatched += row.outcome != 0;
        if (row.outcome == 0)
            row.outcome = outcome_of(err.code);
        row.code = err.code;
        row.message = bytes_text(err.text);
    }
    path_join(&path, checking->batch.dirs[item->dir].path, item->name);
    row.path = buf_bytes(&path);
    frame_add_row(&checking->rows, &row);
    buf_release(&path);
    work->progress(work->context, 0);
}

/* ---- the message ---- */

/* A row has some sixty bytes beside its path and its message, whose bytes may be escaped to four.
 */
#define ROW_BYTES (4 * ERR_TEXT_SIZE + 128)

static int check_rows(const struct batch *batch, struct err *err)
{
    size_t size = 0;

    for (u32 i = 0; i < batch->item_count; i++)
        size += batch->dirs[batch->items[i].dir].path.size + batch->items[i].name.size + ROW_BYTES;
    if (size > FRAME_MAX)
        return err_set(err, ERR_Protocol, "a batch whose paths take %zu bytes", size);
    return 0;
}

static int decode_recorded(struct checking *checking, struct bytes frame, struct err *err)
{
    u32 count = checking->batch.item_count;
    struct frame_reader reader;

    if (frame_open(&reader, frame, err) < 0)
        return -1;
    if (reader.left != count)
        return err_set(err, ERR_Protocol, "%u records for %u items", reader.left, count);
    checking->recorded = memory_or_die((count + 1) * sizeof *checking->recorded);
    for (u32 i = 0; i < count; i++) {
        struct rec_staged *recorded = &checking->recorded[i];

        if (frame_next_staged(&reader, recorded, err) <= 0)
            return -1;
        if (recorded->kind != checking->batch.items[i].kind)
            return err_set(err, ERR_Protocol, "item %u was recorded as a %s", i,
                           kind_name(recorded->kind));
        if (recorded->kind != KIND_directory &&
            recorded->digest.size != (checking->message->hash == HASH_SHA256 ? 32 : 16))
            return err_set(err, ERR_Protocol, "item %u has a digest of %zu bytes", i,
                           recorded->digest.size);
    }
    return cursor_end(&reader.cursor, err);
}

static int decode(struct checking *checking, const struct envelope *task, struct err *err)
{
    u32 hash = checking->message->hash;

    if (task->bodies < 3)
        return err_set(err, ERR_Protocol, "a check of %u body frames", task->bodies);
    if (hash != HASH_XXH3_128 && hash != HASH_SHA256)
        return err_set(err, ERR_Protocol, "hash kind %u", hash);
    if (batch_decode(task->body[0], task->body[1], &checking->batch, err) < 0 ||
        check_rows(&checking->batch, err) < 0)
        return -1;
    return decode_recorded(checking, task->body[2], err);
}

int prove_check(struct prove_work *work, const struct envelope *task, struct envelope *answer,
                struct err *err)
{
    const struct msg_check *message = &task->message.check;
    struct checking checking = {.work = work, .message = message, .rest = work->unreachable};
    int rc;

    checking.checked = (struct msg_checked){
        .job = message->job, .epoch = message->epoch, .sequence = message->sequence};
    rc = decode(&checking, task, err);
    buf_clear(&work->lane->body);
    frame_begin(&checking.rows, &work->lane->body);
    if (rc == 0)
        for (u32 i = 0; i < checking.batch.item_count; i++)
            add_row(&checking, i);
    frame_end(&checking.rows);
    asset_directory_close(&checking.directory);
    batch_release(&checking.batch);
    free(checking.recorded);
    *answer = (struct envelope){.message = {.kind = MSG_checked, .checked = checking.checked},
                                .bodies = 1};
    answer->body[0] = buf_bytes(&work->lane->body);
    return rc;
}
