/* publish.c: publish: what was staged and proven gets its name; and a row for the ledger of each
 * item.
 *
 * Content is published only if its staging and its proof both ended without a code, and then only
 * the very version that was proven (the asset checks it). A revoked token voids the whole answer:
 * which of the renames came before the revocation is nobody's business, the work is state and is
 * done again. */
#include "mover/publish.h"

#include "base/clock.h"
#include "base/names.h"

#include <stdlib.h>

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

/* ---- rows ---- */

/* Is something in the directory `path`, which is to be removed, tried again? It came earlier in the
 * batch. */
static bool waits_for_other(const struct publish *publish, u32 index, struct bytes path)
{
    const struct batch *batch = &publish->batch;

    for (u32 i = 0; i < index; i++)
        if (publish->repeated[i] && bytes_equal(batch->dirs[batch->items[i].dir].path, path))
            return true;
    return false;
}

static enum outcome outcome_of(const struct publish *publish, u32 index, struct bytes path,
                               u32 code)
{
    struct mover_tries tries = {.attempt = publish->message->attempt,
                                .attempts = publish->message->attempts,
                                .waits = publish->message->waits != 0};

    if (publish->batch.items[index].operation != OPERATION_remove)
        return mover_outcome(code, &tries);
    if (code == ERR_NotEmpty && waits_for_other(publish, index, path))
        return OUTCOME_again;
    return mover_outcome_of_removal(code, &tries);
}

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
    buf_clear(&lane->path);
    path_join(&lane->path, publish->batch.dirs[item->dir].path, item->name);
    row.path = buf_bytes(&lane->path);
    if (publish_item(publish, index, &row, &err) < 0) {
        if (mover_gives_back(err.code))
            return -1;
        row.code = err.code;
        row.outcome = outcome_of(publish, index, row.path, err.code);
        row.message = bytes_text(err.text);
        publish->repeated[index] = row.outcome == OUTCOME_again;
        publish->again += publish->repeated[index];
        if (mover_ends_batch(err.code))
            publish->blocked = err;
    }
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
        publish.repeated = memory_or_die(publish.batch.item_count + 1);
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
    free(publish.repeated);
    *answer =
        (struct envelope){.message = {.kind = MSG_published, .published = published}, .bodies = 1};
    answer->body[0] = buf_bytes(&work->lane->body);
    return rc;
}
