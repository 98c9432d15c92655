/* content.c: see content.h. One hasher runs over the current part (or the whole file), a second one
 * over the digests of the parts that are done. */
#include "base/content.h"

#include "base/buf.h"
#include "schema/limits.h"

#include <stdlib.h>

struct content {
    struct hasher *part;  /* the current part; of a file below PART_FROM all of it */
    struct hasher *whole; /* the digests of the parts so far */
    bool in_parts;
    u64 part_left; /* bytes until the current part is full */
};

struct content *content_new(enum hash_kind kind)
{
    struct content *content = memory_or_die(sizeof *content);

    content->part = hasher_new(kind);
    content->whole = hasher_new(kind);
    return content;
}

void content_destroy(struct content **content)
{
    if (!*content)
        return;
    hasher_destroy(&(*content)->part);
    hasher_destroy(&(*content)->whole);
    free(*content);
    *content = NULL;
}

void content_begin(struct content *content, u64 size)
{
    hasher_reset(content->part);
    hasher_reset(content->whole);
    content->in_parts = size >= PART_FROM;
    content->part_left = PART_BYTES;
}

static void part_done(struct content *content)
{
    struct digest digest;

    hasher_finish(content->part, &digest);
    hasher_update(content->whole, digest.bytes, digest.size);
    hasher_reset(content->part);
    content->part_left = PART_BYTES;
}

/* `data` is NULL for zeros. */
static void feed(struct content *content, const u8 *data, u64 size)
{
    while (size > 0) {
        u64 now = content->in_parts && size > content->part_left ? content->part_left : size;

        if (data) {
            hasher_update(content->part, data, now);
            data += now;
        } else {
            hasher_zeros(content->part, now);
        }
        size -= now;
        if (!content->in_parts)
            continue;
        content->part_left -= now;
        if (content->part_left == 0)
            part_done(content);
    }
}

void content_update(struct content *content, const void *data, size_t size)
{
    feed(content, data, size);
}

void content_zeros(struct content *content, u64 size)
{
    feed(content, NULL, size);
}

void content_finish(struct content *content, struct digest *out)
{
    if (content->in_parts && content->part_left < PART_BYTES)
        part_done(content);
    hasher_finish(content->in_parts ? content->whole : content->part, out);
}

void content_of_node(enum hash_kind hash, enum object_kind kind, u64 rdev, struct digest *out)
{
    u8 number[8];

    for (size_t i = 0; i < sizeof number; i++)
        number[i] = (u8)(rdev >> 8 * i);
    hash_bytes(hash, bytes_of(number, kind == KIND_fifo ? 0 : sizeof number), out);
}

void hasher_zeros(struct hasher *hasher, u64 size)
{
    static const u8 zeros[64 << 10];

    while (size > 0) {
        size_t now = size < sizeof zeros ? (size_t)size : sizeof zeros;

        hasher_update(hasher, zeros, now);
        size -= now;
    }
}
