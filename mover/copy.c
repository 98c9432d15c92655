/* copy.c: one whole version of a source file, read once, hashed in the same pass, written to
 * staging; where it has holes, so has the copy.
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

u64 mover_may_read(struct mover_work *work, u64 wanted, struct err *err)
{
    u64 bytes = work->pace ? work->pace(work->context, wanted) : wanted;

    if (bytes == 0)
        err_set(err, ERR_Stopped, "what is read of this job is not wanted any more");
    return bytes;
}

/* A copy that is under way. */
struct copying {
    struct mover_work *work;
    const struct mover_order *order;
    struct asset_file *file;   /* at the source */
    struct asset_file *staged; /* NULL until it is made */
    struct content *content;
    u64 size; /* of the version */
};

/* Copies from `offset` to `end`. At the end of the file it asks for one byte more than should be
 * left, so that one call reads a small file and sees that it ended. */
static int copy_run(struct copying *copying, u64 offset, u64 end, struct err *err)
{
    struct mover_work *work = copying->work;
    u8 *buffer = work->lane->buffer;
    u64 beyond = end == copying->size;

    while (offset < end + beyond) {
        u64 wanted = end - offset + beyond;
        s64 got;

        if (wanted > COPY_BUFFER)
            wanted = COPY_BUFFER;
        wanted = mover_may_read(work, wanted, err);
        if (wanted == 0)
            return -1;
        got = asset_file_read(copying->file, buffer, wanted, offset, err);
        if (got < 0)
            return -1;
        if ((u64)got > end - offset)
            return changed(err); /* it grew */
        if (got > 0) {
            content_update(copying->content, buffer, (size_t)got);
            if (asset_stage_write(copying->staged, buffer, (size_t)got, offset, err) < 0)
                return -1;
            offset += (u64)got;
            work->progress(work->context, (u64)got);
        }
        if ((u64)got < wanted)
            break;
        if (work->stopped(work->context))
            return err_set(err, ERR_Stopped, "the mover is ending");
    }
    if (offset < end)
        return err_set(err, ERR_IoError, "the source gave %llu of %llu bytes",
                       (unsigned long long)offset, (unsigned long long)end);
    return 0;
}

/* A hole is not written, and hashed as what reading it would give. In steps, as a hole may be so
 * large that hashing it takes longer than a lease. */
static int skip_hole(struct copying *copying, u64 size, struct err *err)
{
    struct mover_work *work = copying->work;

    while (size > 0) {
        u64 step = size < PART_BYTES ? size : PART_BYTES;

        content_zeros(copying->content, step);
        size -= step;
        work->progress(work->context, 0);
        if (work->stopped(work->context))
            return err_set(err, ERR_Stopped, "the mover is ending");
    }
    return 0;
}

static int copy_sparse(struct copying *copying, struct err *err)
{
    u64 size = copying->size, offset = 0, start, end;

    if (asset_stage_reserve(copying->staged, size, err) < 0)
        return -1;
    while (offset < size) {
        int more = asset_file_data(copying->file, offset, size, &start, &end, err);

        if (more < 0)
            return -1;
        if (more == 0)
            start = end = size;
        if (start < offset || end < start || end > size || end == offset)
            return changed(err); /* its holes moved */
        if (skip_hole(copying, start - offset, err) < 0 ||
            (start < end && copy_run(copying, start, end, err) < 0))
            return -1;
        offset = end;
    }
    return 0;
}

static int copy_content(struct copying *copying, struct mover_copied *out, struct err *err)
{
    struct mover_work *work = copying->work;
    bool sparse = copying->order->preserve & PRESERVE_sparse &&
                  out->attributes.allocated < copying->size &&
                  asset_capabilities(work->source) & ASSET_HOLES;
    int rc = 0;

    copying->content = mover_lane_content(work->lane, copying->order->hash);
    content_begin(copying->content, copying->size);
    if (sparse && !(asset_capabilities(work->destination) & ASSET_HOLES)) {
        out->not_kept |= NOT_KEPT_HOLES;
        sparse = false;
    }
    if (sparse)
        rc = copy_sparse(copying, err);
    else /* also of an empty one: what makes its content up as it is read says that it has none */
        rc = copy_run(copying, 0, copying->size, err);
    content_finish(copying->content, &out->digest);
    return rc;
}

static int open_source(struct copying *copying, struct mover_copied *out, struct err *err)
{
    const struct rec_item *item = copying->order->item;

    if (asset_file_open(copying->order->directory, item->name, &copying->file, &out->attributes,
                        err) < 0) {
        if (err->code == ERR_NotFound)
            err->code = ERR_Vanished;
        else if (err->code == ERR_UnsupportedKind)
            err->code = ERR_Changed; /* it was a regular file when it was compared */
        return -1;
    }
    copying->size = out->attributes.size;
    if (item->inode && mover_require_object(item, &out->attributes, err) < 0)
        return -1;
    return mover_wait_for_grain(copying->work, copying->file, &out->attributes, err);
}

/* Extras are read before the version is looked at again: setting them moves the ctime. */
static int copy_version(struct copying *copying, struct mover_copied *out, struct err *err)
{
    struct buf *extras = &copying->work->lane->extras;
    struct attributes after;
    struct err ignored;
    u32 not_kept;

    if (copy_content(copying, out, err) < 0) {
        /* a file that shrank under the read ended early, which is no fault of the medium */
        if (err->code == ERR_IoError &&
            asset_file_attributes(copying->file, &after, &ignored) == 0 &&
            !mover_same_version(&out->attributes, &after))
            return changed(err);
        return -1;
    }
    buf_clear(extras);
    if (asset_file_extras(copying->file, copying->order->preserve, extras, &not_kept, err) < 0 ||
        asset_file_attributes(copying->file, &after, err) < 0)
        return -1;
    out->not_kept |= not_kept;
    return mover_same_version(&out->attributes, &after) ? 0 : changed(err);
}

static int copy_once(struct mover_work *work, const struct mover_order *order,
                     struct mover_copied *out, struct err *err)
{
    struct copying copying = {.work = work, .order = order};
    int rc = -1;

    out->not_kept = 0;
    if (open_source(&copying, out, err) == 0 &&
        asset_stage_file(order->token, order->index, &copying.staged, err) == 0 &&
        copy_version(&copying, out, err) == 0)
        rc = asset_stage_end(&copying.staged, &out->version, err);
    if (copying.staged)
        asset_stage_abort(&copying.staged);
    asset_file_close(&copying.file);
    return rc;
}

int mover_copy(struct mover_work *work, const struct mover_order *order, struct mover_copied *out,
               struct err *err)
{
    for (int reads = 1; reads <= READS; reads++) {
        if (copy_once(work, order, out, err) == 0)
            return 0;
        if (err->code != ERR_Changed)
            return -1;
    }
    return -1;
}
