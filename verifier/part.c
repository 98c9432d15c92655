/* part.c: reads one part of a large staged file back and compares it with what the mover read at
 * the source.
 *
 * It takes nothing from the mover but the digest: it opens the staged file itself. What it answers
 * of the file (inode, size, ctime) is the same before and after it read; the planner requires it to
 * be the same in the proof of every part, so that together they are a proof of one file. A hole is
 * zeros that cost no reads. */
#include "base/content.h"
#include "verifier/prove.h"

struct part_proof {
    struct prove_work *work;
    const struct msg_prove_part *message;
    struct asset_token *token;
    struct asset_file *file;
    struct staged_version version;
    struct hasher *hasher;
};

static int check(const struct msg_prove_part *message, struct err *err)
{
    if (message->hash != HASH_XXH3_128 && message->hash != HASH_SHA256)
        return err_set(err, ERR_Protocol, "hash kind %u", message->hash);
    if (message->length == 0 || message->length > PART_BYTES || message->size < message->length ||
        message->offset > message->size - message->length)
        return err_set(err, ERR_Protocol, "a part of %llu bytes at %llu of %llu",
                       (unsigned long long)message->length, (unsigned long long)message->offset,
                       (unsigned long long)message->size);
    return 0;
}

static int read_data(struct part_proof *proof, u64 offset, u64 end, struct err *err)
{
    struct prove_work *work = proof->work;

    while (offset < end) {
        u64 wanted = end - offset < COPY_BUFFER ? end - offset : COPY_BUFFER;
        s64 got = asset_file_read(proof->file, work->lane->buffer, wanted, offset, err);

        if (got < 0)
            return -1;
        if (got == 0)
            return err_set(err, ERR_Mismatch, "the staged copy ends at %llu of %llu bytes",
                           (unsigned long long)offset, (unsigned long long)proof->message->size);
        hasher_update(proof->hasher, work->lane->buffer, (size_t)got);
        offset += (u64)got;
        work->progress(work->context, (u64)got);
        if (work->stopped(work->context))
            return err_set(err, ERR_Stopped, "the verifier is ending");
    }
    return 0;
}

static int read_range(struct part_proof *proof, struct digest *out, struct err *err)
{
    u64 offset = proof->message->offset, limit = offset + proof->message->length;

    proof->hasher = prove_lane_hasher(proof->work->lane, proof->message->hash);
    while (offset < limit) {
        u64 start = limit, end = limit;
        int data = asset_file_data(proof->file, offset, limit, &start, &end, err);

        if (data < 0)
            return -1;
        if (data == 0 || start > limit)
            start = end = limit;
        if (end > limit)
            end = limit;
        if (start < offset || end < start || (data > 0 && end <= offset))
            return err_set(err, ERR_StagedChanged, "the holes of the staged copy moved");
        hasher_zeros(proof->hasher, start - offset);
        if (read_data(proof, start, end, err) < 0)
            return -1;
        offset = end;
    }
    hasher_finish(proof->hasher, out);
    return 0;
}

static int compare(const struct part_proof *proof, const struct digest *digest, struct err *err)
{
    const struct bytes wanted = proof->message->digest;

    if (!bytes_equal(wanted, bytes_of(digest->bytes, digest->size)))
        return err_set(err, ERR_Mismatch, "the part at %llu has another digest than what was read",
                       (unsigned long long)proof->message->offset);
    return 0;
}

static int prove_range(struct part_proof *proof, struct err *err)
{
    const struct msg_prove_part *message = proof->message;
    struct token token = {message->job, message->epoch, message->area};
    bool uncached = message->durability == DURABILITY_STRICT;
    struct attributes after;
    struct digest digest;

    if (asset_token_open(proof->work->destination, &token, &proof->token, err) < 0 ||
        asset_staged_open(proof->token, 0, uncached, &proof->file, &proof->version, err) < 0)
        return -1;
    if (proof->version.inode != message->inode || proof->version.size != message->size)
        return err_set(err, ERR_StagedChanged, "the staged copy is another file than was staged");
    if (read_range(proof, &digest, err) < 0 || compare(proof, &digest, err) < 0 ||
        asset_file_attributes(proof->file, &after, err) < 0)
        return -1;
    if (after.inode != proof->version.inode || after.size != proof->version.size ||
        after.ctime_ns != proof->version.ctime_ns)
        return err_set(err, ERR_StagedChanged, "the staged copy changed while it was read back");
    return 0;
}

int prove_part(struct prove_work *work, const struct envelope *task, struct envelope *answer,
               struct err *err)
{
    const struct msg_prove_part *message = &task->message.prove_part;
    struct part_proof proof = {.work = work, .message = message};
    struct rec_proven record = {0};
    struct frame_writer writer;
    struct err failure = work->unreachable;
    int rc = check(message, err);

    if (rc < 0)
        failure = *err;
    if (failure.code == ERR_Ok && prove_range(&proof, &failure) == 0) {
        record.inode = proof.version.inode;
        record.size = proof.version.size;
        record.ctime_ns = proof.version.ctime_ns;
    } else {
        /* a copy that is not there is staged again, not failed */
        record.code = failure.code == ERR_NotFound ? ERR_StagedChanged : failure.code;
        record.message = bytes_text(failure.text);
    }
    buf_clear(&work->lane->body);
    frame_begin(&writer, &work->lane->body);
    frame_add_proven(&writer, &record);
    frame_end(&writer);
    asset_file_close(&proof.file);
    asset_token_close(&proof.token);
    *answer = (struct envelope){.message = {.kind = MSG_part_proven}, .bodies = 1};
    answer->message.part_proven = (struct msg_part_proven){
        .job = message->job, .epoch = message->epoch, .sequence = message->sequence};
    answer->body[0] = buf_bytes(&work->lane->body);
    return rc;
}
