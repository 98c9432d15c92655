/* checksum.c: see checksum.h.
 *
 * How: both files are read from the start, a part of each at a time, until one part differs. A
 * version that was changed while it was read has not been compared: it is to be put, and whoever
 * puts it sees to getting a whole version. */
#include "checksum.h"

#include <stdlib.h>

#define CHECKSUM_BUFFER (256u << 10)

void checksum_release(struct checksum *checksum)
{
    free(checksum->source);
    free(checksum->destination);
    *checksum = (struct checksum){0};
}

static bool same_version(const struct attributes *a, const struct attributes *b)
{
    return a->inode == b->inode && a->size == b->size && a->mtime_ns == b->mtime_ns &&
           a->ctime_ns == b->ctime_ns;
}

static enum checksum_verdict compare_bytes(struct checksum *checksum, struct emitter *emitter,
                                           struct asset_file *source,
                                           struct asset_file *destination, u64 size,
                                           struct err *err)
{
    for (u64 offset = 0; offset < size && !emitter->stopped;) {
        s64 wanted = asset_file_read(source, checksum->source, CHECKSUM_BUFFER, offset, err);
        s64 is;

        if (wanted < 0)
            return CHECKSUM_FAILED;
        is = asset_file_read(destination, checksum->destination, CHECKSUM_BUFFER, offset, err);
        if (is < 0)
            return CHECKSUM_FAILED;
        if (wanted == 0 || wanted != is ||
            memcmp(checksum->source, checksum->destination, (size_t)wanted) != 0)
            return CHECKSUM_DIFFERS;
        offset += (u64)wanted;
        emit_progress(emitter);
    }
    return CHECKSUM_SAME;
}

/* Is the open file still the version that was compared? 1, 0, -1. */
static int is_current(struct asset_file *file, const struct attributes *known, struct err *err)
{
    struct attributes now;

    if (asset_file_attributes(file, &now, err) < 0)
        return -1;
    return same_version(&now, known);
}

static enum checksum_verdict compare_open(struct checksum *checksum, struct emitter *emitter,
                                          struct asset_file *source, struct asset_file *destination,
                                          const struct attributes *source_attributes,
                                          const struct attributes *destination_attributes,
                                          struct err *err)
{
    enum checksum_verdict verdict =
        compare_bytes(checksum, emitter, source, destination, source_attributes->size, err);
    int unchanged;

    if (verdict != CHECKSUM_SAME)
        return verdict;
    unchanged = is_current(source, source_attributes, err);
    if (unchanged == 1)
        unchanged = is_current(destination, destination_attributes, err);
    if (unchanged < 0)
        return CHECKSUM_FAILED;
    return unchanged ? CHECKSUM_SAME : CHECKSUM_DIFFERS;
}

enum checksum_verdict checksum_compare(struct checksum *checksum, struct emitter *emitter,
                                       struct asset_directory *source,
                                       struct asset_directory *destination, struct bytes name,
                                       const struct attributes *source_attributes,
                                       const struct attributes *destination_attributes,
                                       struct err *err)
{
    struct asset_file *from = NULL, *there = NULL;
    struct attributes ignored;
    enum checksum_verdict verdict;

    if (!checksum->source) {
        checksum->source = memory_or_die(CHECKSUM_BUFFER);
        checksum->destination = memory_or_die(CHECKSUM_BUFFER);
    }
    if (asset_file_open(source, name, &from, &ignored, err) < 0)
        verdict = err->code == ERR_NotFound          ? CHECKSUM_GONE
                  : err->code == ERR_UnsupportedKind ? CHECKSUM_DIFFERS
                                                     : CHECKSUM_FAILED;
    else if (asset_file_open(destination, name, &there, &ignored, err) < 0)
        verdict = err->code == ERR_NotFound || err->code == ERR_UnsupportedKind ? CHECKSUM_DIFFERS
                                                                                : CHECKSUM_FAILED;
    else
        verdict = compare_open(checksum, emitter, from, there, source_attributes,
                               destination_attributes, err);
    if (from)
        asset_file_close(&from);
    if (there)
        asset_file_close(&there);
    return verdict;
}
