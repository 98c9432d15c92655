/* base_content.c: the hash of a file's content, below PART_FROM and from there on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/content.h"
#include "schema/limits.h"

#include <stdlib.h>

#define PIECE ((size_t)(1u << 20) + 7) /* does not divide a part */

static u8 *pattern_of(size_t size)
{
    u8 *data = memory_or_die(size);

    for (size_t i = 0; i < size; i++)
        data[i] = (u8)(i * 2654435761u >> 24);
    return data;
}

/* The same by hand: one hash of each part, then of what they are, one after the other. */
static void expect_parts(enum hash_kind kind, const u8 *data, u64 size, struct digest *out)
{
    struct buf digests = {0};
    struct digest digest;

    for (u64 at = 0; at < size; at += PART_BYTES) {
        u64 left = size - at;

        hash_bytes(kind, bytes_of(data + at, left < PART_BYTES ? left : PART_BYTES), &digest);
        buf_append(&digests, digest.bytes, digest.size);
    }
    hash_bytes(kind, buf_bytes(&digests), out);
    buf_release(&digests);
}

/* Goal: a small file has the plain hash, a large one that of its parts' digests, in any pieces.
 * Method: sizes around PART_FROM, fed in pieces that do not fit the parts, with one content. */
static void both_forms(void **state)
{
    static const u64 sizes[] = {
        0, 1, PIECE + 1, PART_FROM - 1, PART_FROM, PART_FROM + 1, PART_FROM + PART_BYTES / 2};
    struct content *content = content_new(HASH_XXH3_128);
    u8 *data = pattern_of(PART_FROM + PART_BYTES);
    struct digest is, should;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        content_begin(content, sizes[i]);
        for (u64 at = 0; at < sizes[i]; at += PIECE)
            content_update(content, data + at, sizes[i] - at < PIECE ? sizes[i] - at : PIECE);
        content_finish(content, &is);
        if (sizes[i] < PART_FROM)
            hash_bytes(HASH_XXH3_128, bytes_of(data, sizes[i]), &should);
        else
            expect_parts(HASH_XXH3_128, data, sizes[i], &should);
        assert_true(digest_equal(&is, &should));
    }
    free(data);
    content_destroy(&content);
    assert_null(content);
}

/* Goal: a hole is so many zeros, wherever it lies, for each kind of hash.
 * Method: data, a hole over the end of a part, data; and a hole alone in a small file. */
static void holes(void **state)
{
    u64 size = PART_FROM + 5;
    u8 *data = memory_or_die(size);
    struct digest is, should;

    (void)state;
    memset(data, 'x', 100);
    memset(data + PART_BYTES + 1000, 'y', 50);
    for (int kind = HASH_XXH3_128; kind <= HASH_SHA256; kind++) {
        struct content *content = content_new(kind);

        content_begin(content, size);
        content_update(content, data, 100);
        content_zeros(content, PART_BYTES + 900);
        content_update(content, data + PART_BYTES + 1000, 50);
        content_zeros(content, size - PART_BYTES - 1050);
        content_finish(content, &is);
        expect_parts(kind, data, size, &should);
        assert_true(digest_equal(&is, &should));
        content_begin(content, 100000);
        content_zeros(content, 100000);
        content_finish(content, &is);
        hash_bytes(kind, bytes_of(data + 1000, 100000), &should);
        assert_true(digest_equal(&is, &should));
        content_destroy(&content);
    }
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_forms),
        cmocka_unit_test(holes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
