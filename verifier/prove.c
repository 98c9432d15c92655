/* prove.c: reads staged copies back and compares them with what the mover read at the source.
 *
 * The verifier takes nothing from the mover but the digest to compare with: it opens the staged
 * copy itself and hashes what it finds there. The version that it answers is taken from the open
 * file before and after the read, so that what was read is what will be published: the publisher
 * requires it. */
#include "verifier/prove.h"

struct proving {
    struct prove_work *work;
    const struct msg_prove *message;
    struct asset_token *token;
    struct err rest; /* with a code: every item from here on gets it without being tried */
    struct msg_proven proven;
};

static int compare(const struct rec_staged *staged, const struct staged_version *version,
                   const struct digest *digest, struct err *err)
{
    struct digest wanted = {.size = (u32)staged->digest.size};

    if (version->inode != staged->inode)
        return err_set(err, ERR_StagedChanged, "the staged copy is another file than was staged");
    if (version->size != staged->size)
        return err_set(err, ERR_Mismatch, "the staged copy has %llu bytes, %llu were read",
                       (unsigned long long)version->size, (unsigned long long)staged->size);
    if (staged->digest.size > HASH_BYTES_MAX)
        return err_set(err, ERR_Mismatch, "the digest of what was read has %zu bytes",
                       staged->digest.size);
    if (staged->digest.size > 0)
        memcpy(wanted.bytes, staged->digest.data, staged->digest.size);
    if (!digest_equal(&wanted, digest))
        return err_set(err, ERR_Mismatch, "the staged copy has another digest than what was read");
    return 0;
}

static int prove_file(struct proving *proving, u32 index, const struct rec_staged *staged,
                      struct staged_version *version, struct err *err)
{
    bool uncached = proving->message->durability == DURABILITY_STRICT;
    struct asset_file *file = NULL;
    struct attributes after;
    struct digest digest;
    int rc = -1;

    if (asset_staged_open(proving->token, index, uncached, &file, version, err) < 0)
        return -1;
    if (prove_read(proving->work, proving->message->hash, file, version->size, &digest, err) < 0) {
        err_context(err, "the staged copy");
        goto done;
    }
    if (compare(staged, version, &digest, err) < 0 || asset_file_attributes(file, &after, err) < 0)
        goto done;
    if (after.inode != version->inode || after.size != version->size ||
        after.ctime_ns != version->ctime_ns) {
        err_set(err, ERR_StagedChanged, "the staged copy changed while it was read back");
        goto done;
    }
    rc = 0;
done:
    asset_file_close(&file);
    return rc;
}

static int prove_link(struct proving *proving, u32 index, const struct rec_staged *staged,
                      struct staged_version *version, struct err *err)
{
    struct buf *target = &proving->work->lane->target;
    struct digest digest;

    buf_clear(target);
    if (asset_staged_link(proving->token, index, target, version, err) < 0)
        return -1;
    version->size = target->size;
    hash_bytes(proving->message->hash, buf_bytes(target), &digest);
    return compare(staged, version, &digest, err);
}

static bool is_node(u32 kind)
{
    return kind == KIND_fifo || kind == KIND_character_device || kind == KIND_block_device;
}

static int prove_node(struct proving *proving, u32 index, const struct rec_staged *staged,
                      struct staged_version *version, struct err *err)
{
    enum object_kind kind;
    struct digest digest;
    u64 rdev = 0;

    if (asset_staged_node(proving->token, index, &kind, &rdev, version, err) < 0)
        return -1;
    if ((u32)kind != staged->kind)
        return err_set(err, ERR_StagedChanged, "the staged copy is a %s", kind_name(kind));
    version->size = 0;
    content_of_node(proving->message->hash, kind, rdev, &digest);
    return compare(staged, version, &digest, err);
}

static int prove_item(struct proving *proving, u32 index, const struct rec_staged *staged,
                      struct staged_version *version, struct err *err)
{
    struct prove_work *work = proving->work;
    int rc;

    if (proving->rest.code == ERR_Ok && work->stopped(work->context))
        err_set(&proving->rest, ERR_Stopped, "the verifier is ending");
    if (proving->rest.code != ERR_Ok) {
        *err = proving->rest;
        return -1;
    }
    if (staged->kind == KIND_file)
        rc = prove_file(proving, index, staged, version, err);
    else if (staged->kind == KIND_symlink)
        rc = prove_link(proving, index, staged, version, err);
    else if (is_node(staged->kind))
        rc = prove_node(proving, index, staged, version, err);
    else
        rc = err_set(err, ERR_Protocol, "a %s has no content to prove", kind_name(staged->kind));
    if (rc < 0 && err->code == ERR_NotFound)
        err->code = ERR_StagedChanged; /* it is staged again, not failed */
    if (rc < 0 && err_disposition_of(err->code) == DISPOSITION_GIVE_BACK)
        proving->rest = *err;
    return rc;
}

static void add_verdict(struct proving *proving, struct frame_writer *writer, u32 index,
                        const struct rec_staged *staged)
{
    struct rec_proven record = {0};
    struct staged_version version = {0};
    struct err err = {0};

    if (!staged->prove || staged->code != ERR_Ok) {
        frame_add_proven(writer, &record);
        return;
    }
    if (prove_item(proving, index, staged, &version, &err) == 0) {
        record.inode = version.inode;
        record.size = version.size;
        record.ctime_ns = version.ctime_ns;
        proving->proven.matched++;
        proving->proven.bytes += version.size;
    } else {
        record.code = err.code;
        record.message = bytes_text(err.text);
        proving->proven.mismatched += err.code == ERR_Mismatch || err.code == ERR_StagedChanged;
    }
    frame_add_proven(writer, &record);
    proving->work->progress(proving->work->context, 0);
}

/* The whole frame is read once before anything is opened: a bad record refuses all of it. */
static int check(const struct envelope *task, struct err *err)
{
    struct frame_reader reader;
    struct rec_staged staged;
    u32 hash = task->message.prove.hash;
    int more;

    if (task->bodies < 1)
        return err_set(err, ERR_Protocol, "a prove without records");
    if (hash != HASH_XXH3_128 && hash != HASH_SHA256)
        return err_set(err, ERR_Protocol, "hash kind %u", hash);
    if (frame_open(&reader, task->body[0], err) < 0)
        return -1;
    if (reader.left > BATCH_ITEMS)
        return err_set(err, ERR_Protocol, "a batch of %u items", reader.left);
    while ((more = frame_next_staged(&reader, &staged, err)) > 0)
        continue;
    return more;
}

static void prove_records(struct proving *proving, struct bytes frame, struct frame_writer *writer)
{
    const struct msg_prove *message = proving->message;
    struct token token = {message->job, message->epoch, message->sequence};
    struct frame_reader reader;
    struct rec_staged staged;
    struct err err;

    if (proving->rest.code == ERR_Ok &&
        asset_token_open(proving->work->destination, &token, &proving->token, &proving->rest) < 0)
        proving->token = NULL;
    if (frame_open(&reader, frame, &err) == 0)
        for (u32 i = 0; frame_next_staged(&reader, &staged, &err) > 0; i++)
            add_verdict(proving, writer, i, &staged);
    asset_token_close(&proving->token);
}

int prove_batch(struct prove_work *work, const struct envelope *task, struct envelope *answer,
                struct err *err)
{
    const struct msg_prove *message = &task->message.prove;
    struct proving proving = {.work = work, .message = message, .rest = work->unreachable};
    struct frame_writer writer;
    int rc = check(task, err);

    proving.proven = (struct msg_proven){
        .job = message->job, .epoch = message->epoch, .sequence = message->sequence};
    buf_clear(&work->lane->body);
    frame_begin(&writer, &work->lane->body);
    if (rc == 0)
        prove_records(&proving, task->body[0], &writer);
    frame_end(&writer);
    *answer =
        (struct envelope){.message = {.kind = MSG_proven, .proven = proving.proven}, .bodies = 1};
    answer->body[0] = buf_bytes(&work->lane->body);
    return rc;
}
