/* copy.c: one whole version of a source file, read once, hashed in the same pass, written to
 * staging.
 *
 * A version is (inode, size, mtime, ctime), taken from the open file before and after. If it
 * changed, the copy is thrown away and begun again, READS times in all. Timestamps move in ticks,
 * so that a rewrite in the tick of the last one is invisible: a file that young is not read before
 * its tick is over. Any later write then shows in its ctime. */
#include "mover/mover.h"

#include <errno.h>
#include <time.h>

#define READS 3

bool mover_same_version(const struct attributes *a, const struct attributes *b)
{
    return a->inode == b->inode && a->size == b->size && a->mtime_ns == b->mtime_ns &&
           a->ctime_ns == b->ctime_ns;
}

static int changed(struct err *err)
{
    return err_set(err, ERR_Changed, "changed while it was read, %d times", READS);
}

/* Waits until the clock that stamped the file has moved on; Changed if it was written meanwhile. */
int mover_wait_for_grain(struct mover_work *work, struct asset_file *file,
                         const struct attributes *attributes, struct err *err)
{
    const s64 grain = CLOCK_GRAIN_MS * NS_PER_MS;
    struct attributes after;
    bool waited = false;

    for (;;) {
        s64 age = asset_now_ns(work->source) - attributes->ctime_ns;
        struct timespec pause = {.tv_nsec = grain - age};

        /* Kernels that stamp finely are ahead of their coarse clock by less than a grain. A stamp
         * further in the future comes from another clock: waiting for it could take for ever. */
        if (age >= grain || age <= -grain)
            break;
        while (nanosleep(&pause, &pause) < 0 && errno == EINTR)
            continue;
        waited = true;
    }
    if (!waited)
        return 0;
    if (asset_file_attributes(file, &after, err) < 0)
        return -1;
    return mover_same_version(attributes, &after) ? 0 : changed(err);
}

/* Asks for one byte more than the file should have left, so that one call reads a small file and
 * sees that it ended. */
static int copy_bytes(struct mover_work *work, enum hash_kind hash, struct asset_file *file,
                      u64 size, struct asset_file *staged, struct digest *digest, struct err *err)
{
    struct mover_lane *lane = work->lane;
    struct hasher *hasher = mover_lane_hasher(lane, hash);
    u64 offset = 0;

    while (size > 0) {
        u64 wanted = size - offset + 1;
        s64 got;

        if (wanted > COPY_BUFFER)
            wanted = COPY_BUFFER;
        got = asset_file_read(file, lane->buffer, wanted, offset, err);
        if (got < 0)
            return -1;
        if ((u64)got > size - offset)
            return changed(err); /* it grew */
        if (got > 0) {
            hasher_update(hasher, lane->buffer, (size_t)got);
            if (asset_stage_write(staged, lane->buffer, (size_t)got, offset, err) < 0)
                return -1;
            offset += (u64)got;
            work->progress(work->context, (u64)got);
        }
        if ((u64)got < wanted)
            break;
        if (work->stopped(work->context))
            return err_set(err, ERR_Stopped, "the mover is ending");
    }
    hasher_finish(hasher, digest);
    if (offset < size)
        return err_set(err, ERR_IoError, "the source gave %llu of %llu bytes",
                       (unsigned long long)offset, (unsigned long long)size);
    return 0;
}

static int copy_once(struct mover_work *work, enum hash_kind hash,
                     struct asset_directory *directory, struct bytes name,
                     struct asset_token *token, u32 index, struct mover_copied *out,
                     struct err *err)
{
    struct asset_file *file = NULL, *staged = NULL;
    struct attributes after;
    struct err ignored;
    int rc = -1;

    if (asset_file_open(directory, name, &file, &out->attributes, err) < 0) {
        if (err->code == ERR_NotFound)
            err->code = ERR_Vanished;
        else if (err->code == ERR_UnsupportedKind)
            err->code = ERR_Changed; /* it was a regular file when it was compared */
        return -1;
    }
    if (mover_wait_for_grain(work, file, &out->attributes, err) < 0 ||
        asset_stage_file(token, index, &staged, err) < 0)
        goto done;
    if (copy_bytes(work, hash, file, out->attributes.size, staged, &out->digest, err) < 0) {
        /* a file that shrank under the read ended early, which is no fault of the medium */
        if (err->code == ERR_IoError && asset_file_attributes(file, &after, &ignored) == 0 &&
            !mover_same_version(&out->attributes, &after))
            changed(err);
        goto done;
    }
    if (asset_file_attributes(file, &after, err) < 0)
        goto done;
    if (!mover_same_version(&out->attributes, &after)) {
        changed(err);
        goto done;
    }
    out->not_kept = 0;
    rc = asset_stage_end(&staged, &out->version, err);
done:
    if (staged)
        asset_stage_abort(&staged);
    asset_file_close(&file);
    return rc;
}

int mover_copy(struct mover_work *work, enum hash_kind hash, struct asset_directory *directory,
               struct bytes name, struct asset_token *token, u32 index, struct mover_copied *out,
               struct err *err)
{
    for (int reads = 1; reads <= READS; reads++) {
        if (copy_once(work, hash, directory, name, token, index, out, err) == 0)
            return 0;
        if (err->code != ERR_Changed)
            return -1;
    }
    return -1;
}
