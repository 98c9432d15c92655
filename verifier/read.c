/* read.c: the content of an open file as the medium or the kernel has it now, hashed. What both
 * verdicts rest on: of a staged copy, and of what is at the destination. */
#include "verifier/prove.h"

struct reading {
    struct prove_work *work;
    struct asset_file *file;
    struct content *content;
    u64 size;
};

static int stopped(struct err *err)
{
    return err_set(err, ERR_Stopped, "the verifier is ending");
}

/* Reads from `offset` to `end`. At the end of the file it asks for one byte more than there should
 * be, so that one call reads a small file and sees its end. */
static int read_run(struct reading *reading, u64 offset, u64 end, struct err *err)
{
    struct prove_work *work = reading->work;
    u64 beyond = end == reading->size;

    while (offset < end + beyond) {
        u64 wanted = end - offset + beyond;
        s64 got;

        if (wanted > COPY_BUFFER)
            wanted = COPY_BUFFER;
        got = asset_file_read(reading->file, work->lane->buffer, wanted, offset, err);
        if (got < 0)
            return -1;
        content_update(reading->content, work->lane->buffer, (size_t)got);
        offset += (u64)got;
        work->progress(work->context, (u64)got);
        if ((u64)got < wanted)
            break;
        if (work->stopped(work->context))
            return stopped(err);
    }
    if (offset == end)
        return 0;
    return err_set(err, ERR_Mismatch, "gave %llu of %llu bytes", (unsigned long long)offset,
                   (unsigned long long)end);
}

/* A hole reads as zeros. In steps, as a hole may be so large that hashing it takes longer than a
 * lease. */
static int read_hole(struct reading *reading, u64 size, struct err *err)
{
    struct prove_work *work = reading->work;

    while (size > 0) {
        u64 step = size < PART_BYTES ? size : PART_BYTES;

        content_zeros(reading->content, step);
        size -= step;
        work->progress(work->context, 0);
        if (work->stopped(work->context))
            return stopped(err);
    }
    return 0;
}

static int read_runs(struct reading *reading, struct err *err)
{
    u64 size = reading->size, offset = 0, start, end;

    while (offset < size) {
        int more = asset_file_data(reading->file, offset, size, &start, &end, err);

        if (more < 0)
            return -1;
        if (more == 0)
            start = end = size;
        if (start < offset || end < start || end > size || end == offset)
            return err_set(err, ERR_StagedChanged, "its holes moved while it was read");
        if (read_hole(reading, start - offset, err) < 0 ||
            (start < end && read_run(reading, start, end, err) < 0))
            return -1;
        offset = end;
    }
    return 0;
}

/* Where one read is enough, asking for holes would cost more than it saves. */
int prove_read(struct prove_work *work, enum hash_kind hash, struct asset_file *file, u64 size,
               struct digest *out, struct err *err)
{
    struct reading reading = {.work = work, .file = file, .size = size};
    int rc = 0;

    reading.content = prove_lane_content(work->lane, hash);
    content_begin(reading.content, size);
    if (size > COPY_BUFFER)
        rc = read_runs(&reading, err);
    else if (size > 0)
        rc = read_run(&reading, 0, size, err);
    content_finish(reading.content, out);
    return rc;
}
