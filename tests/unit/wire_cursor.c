/* wire_cursor.c: the bounded reader against values, lies and truncation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "schema/limits.h"
#include "wire/cursor.h"

#include <msgpack.h>
#include <stdlib.h>

#define CURSOR(...)                                                                                \
    cursor_of(bytes_of((const u8[]){__VA_ARGS__}, sizeof((const u8[]){__VA_ARGS__})))

static int append(void *data, const char *bytes, size_t size)
{
    buf_append(data, bytes, size);
    return 0;
}

/* Goal: every integer that msgpack-c writes is read back, where it fits.
 * Method: powers of two and their neighbours, both signs, into all three widths. */
static void integers(void **state)
{
    (void)state;
    for (int bit = 0; bit < 64; bit++) {
        for (int around = -1; around <= 1; around++) {
            u64 value = (1ull << bit) + (u64)around;
            struct buf buf = {0};
            struct cursor cursor;
            struct err err;
            msgpack_packer packer;
            u64 as_u64;
            u32 as_u32;
            s64 as_s64;

            msgpack_packer_init(&packer, &buf, append);
            msgpack_pack_uint64(&packer, value);
            cursor = cursor_of(buf_bytes(&buf));
            assert_int_equal(cursor_u64(&cursor, &as_u64, &err), 0);
            assert_true(as_u64 == value);
            assert_int_equal(cursor_end(&cursor, &err), 0);
            cursor = cursor_of(buf_bytes(&buf));
            assert_int_equal(cursor_u32(&cursor, &as_u32, &err), value > UINT32_MAX ? -1 : 0);
            cursor = cursor_of(buf_bytes(&buf));
            assert_int_equal(cursor_s64(&cursor, &as_s64, &err), value > INT64_MAX ? -1 : 0);
            buf_clear(&buf);
            msgpack_pack_int64(&packer, (s64)(0 - value));
            cursor = cursor_of(buf_bytes(&buf));
            assert_int_equal(cursor_s64(&cursor, &as_s64, &err), 0);
            assert_true(as_s64 == (s64)(0 - value));
            cursor = cursor_of(buf_bytes(&buf));
            assert_int_equal(cursor_u64(&cursor, &as_u64, &err), (s64)(0 - value) < 0 ? -1 : 0);
            buf_release(&buf);
        }
    }
}

/* Goal: runs of bytes and text in all their length formats; text must be UTF-8.
 * Method: hand-made values, borrowed from the frame. */
static void runs(void **state)
{
    struct cursor cursor = CURSOR(0xa2, 'h', 'i', 0xd9, 1, 'x', 0xda, 0, 1, 'y', 0xdb, 0, 0, 0, 0,
                                  0xc4, 1, 0xff, 0xc5, 0, 0, 0xc6, 0, 0, 0, 1, 0);
    static const char *const texts[] = {"hi", "x", "y", ""};
    static const size_t sizes[] = {1, 0, 1};
    struct bytes run;
    struct err err;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        assert_int_equal(cursor_text(&cursor, &run, &err), 0);
        assert_true(bytes_equal(run, bytes_text(texts[i])));
    }
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        assert_int_equal(cursor_bin(&cursor, &run, &err), 0);
        assert_int_equal(run.size, sizes[i]);
    }
    assert_int_equal(cursor_end(&cursor, &err), 0);
    cursor = CURSOR(0xa1, 0xff);
    assert_int_equal(cursor_text(&cursor, &run, &err), -1);
    assert_int_equal(err.code, ERR_Protocol);
    cursor = CURSOR(0xa1, 'x');
    assert_int_equal(cursor_bin(&cursor, &run, &err), -1); /* text is not taken for bytes */
    cursor = CURSOR(0xc4, 1, 'x');
    assert_int_equal(cursor_text(&cursor, &run, &err), -1);
}

/* Goal: a count that cannot be true costs nothing.
 * Method: arrays, maps and runs that claim gigabytes in a few bytes. */
static void lies(void **state)
{
    struct cursor cursor;
    struct bytes run;
    struct err err;
    u32 count;

    (void)state;
    cursor = CURSOR(0xdd, 0x0f, 0xff, 0xff, 0xff);
    assert_int_equal(cursor_array(&cursor, &count, &err), -1);
    assert_int_equal(err.code, ERR_Protocol);
    cursor = CURSOR(0xdd, 0x0f, 0xff, 0xff, 0xff);
    assert_int_equal(cursor_skip(&cursor, &err), -1);
    cursor = CURSOR(0xdf, 0xff, 0xff, 0xff, 0xff);
    assert_int_equal(cursor_map(&cursor, &count, &err), -1);
    cursor = CURSOR(0x93, 0xc0, 0xc0);
    assert_int_equal(cursor_array(&cursor, &count, &err), -1);
    cursor = CURSOR(0x82, 0xc0, 0xc0, 0xc0); /* two pairs need four bytes */
    assert_int_equal(cursor_map(&cursor, &count, &err), -1);
    cursor = CURSOR(0xc6, 0xff, 0xff, 0xff, 0xff, 0);
    assert_int_equal(cursor_bin(&cursor, &run, &err), -1);
    cursor = CURSOR(0xdb, 0x7f, 0xff, 0xff, 0xff, 'x');
    assert_int_equal(cursor_text(&cursor, &run, &err), -1);
    cursor = CURSOR(0xc9, 0xff, 0xff, 0xff, 0xff, 1); /* ext: its length plus its type */
    assert_int_equal(cursor_skip(&cursor, &err), -1);
    cursor = cursor_of(bytes_of(NULL, 0));
    assert_int_equal(cursor_skip(&cursor, &err), -1);
    assert_int_equal(cursor_end(&cursor, &err), 0);
    cursor = CURSOR(1);
    assert_int_equal(cursor_end(&cursor, &err), -1);
}

/* Goal: nesting ends at WIRE_DEPTH, and never on the stack.
 * Method: arrays in arrays, just deep enough and a megabyte of them; maps as well. */
static void depth(void **state)
{
    static u8 nested[1u << 20];
    struct cursor cursor;
    struct err err;

    (void)state;
    memset(nested, 0x91, sizeof nested);
    nested[WIRE_DEPTH - 1] = 0xc0;
    cursor = cursor_of(bytes_of(nested, WIRE_DEPTH));
    assert_int_equal(cursor_skip(&cursor, &err), 0);
    nested[WIRE_DEPTH - 1] = 0x91;
    nested[WIRE_DEPTH] = 0xc0;
    cursor = cursor_of(bytes_of(nested, WIRE_DEPTH + 1));
    assert_int_equal(cursor_skip(&cursor, &err), -1);
    cursor = cursor_of(bytes_of(nested, sizeof nested));
    assert_int_equal(cursor_skip(&cursor, &err), -1);
    memset(nested, 0x81, sizeof nested);
    cursor = cursor_of(bytes_of(nested, sizeof nested));
    assert_int_equal(cursor_skip(&cursor, &err), -1);
    assert_non_null(strstr(err.text, "nested"));
}

/* Goal: every kind of value can be skipped, and exactly it.
 * Method: one of each tag, each followed by a mark; then each truncated at each byte. */
static void skips(void **state)
{
    static const struct {
        u8 value[20];
        size_t size;
    } values[] = {
        {{0x00}, 1},
        {{0x7f}, 1},
        {{0xe0}, 1},
        {{0xc0}, 1},
        {{0xc2}, 1},
        {{0xc3}, 1},
        {{0xcc, 1}, 2},
        {{0xcd, 1, 2}, 3},
        {{0xce, 1, 2, 3, 4}, 5},
        {{0xcf, 1, 2, 3, 4, 5, 6, 7, 8}, 9},
        {{0xd0, 1}, 2},
        {{0xd1, 1, 2}, 3},
        {{0xd2, 1, 2, 3, 4}, 5},
        {{0xd3, 1, 2, 3, 4, 5, 6, 7, 8}, 9},
        {{0xca, 1, 2, 3, 4}, 5},
        {{0xcb, 1, 2, 3, 4, 5, 6, 7, 8}, 9},
        {{0xa2, 'a', 'b'}, 3},
        {{0xd9, 1, 'a'}, 3},
        {{0xda, 0, 1, 'a'}, 4},
        {{0xdb, 0, 0, 0, 1, 'a'}, 6},
        {{0xc4, 1, 0}, 3},
        {{0xc5, 0, 1, 0}, 4},
        {{0xc6, 0, 0, 0, 1, 0}, 6},
        {{0xd4, 9, 1}, 3},
        {{0xd5, 9, 1, 2}, 4},
        {{0xd6, 9, 1, 2, 3, 4}, 6},
        {{0xd7, 9, 1, 2, 3, 4, 5, 6, 7, 8}, 10},
        {{0xd8, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}, 18},
        {{0xc7, 1, 9, 1}, 4},
        {{0xc8, 0, 1, 9, 1}, 5},
        {{0xc9, 0, 0, 0, 1, 9, 1}, 7},
        {{0x92, 1, 0x91, 2}, 4},
        {{0x81, 1, 0xa1, 'x'}, 4},
        {{0xdc, 0, 1, 7}, 4},
        {{0xdd, 0, 0, 0, 1, 7}, 6},
        {{0xde, 0, 1, 7, 7}, 5},
        {{0xdf, 0, 0, 0, 1, 7, 7}, 7},
    };
    struct cursor cursor;
    struct err err;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        cursor = cursor_of(bytes_of(values[i].value, values[i].size + 1));
        assert_int_equal(cursor_skip(&cursor, &err), 0);
        assert_int_equal(cursor.end - cursor.at, 1);
        for (size_t size = 0; size < values[i].size; size++) {
            u8 *exact = malloc(size ? size : 1); /* so that a sanitizer sees a read too far */

            memcpy(exact, values[i].value, size);
            cursor = cursor_of(bytes_of(exact, size));
            assert_int_equal(cursor_skip(&cursor, &err), -1);
            assert_int_equal(err.code, ERR_Protocol);
            free(exact);
        }
    }
    cursor = CURSOR(0xc1);
    assert_int_equal(cursor_skip(&cursor, &err), -1); /* never used by the format */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers), cmocka_unit_test(runs),  cmocka_unit_test(lies),
        cmocka_unit_test(depth),    cmocka_unit_test(skips),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
