/* base_buf.c: growable runs of bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"

#include <stdlib.h>

/* Goal: what is appended stands there, whatever the sizes.
 * Method: many appends over several growths, against a plain array. */
static void appends(void **state)
{
    static u8 wanted[100000];
    struct buf buf = {0};
    size_t size = 0;

    (void)state;
    for (size_t i = 0; size < 90000; i++) {
        u8 chunk[700];

        memset(chunk, (int)i, sizeof chunk);
        memcpy(wanted + size, chunk, i % 700);
        buf_append(&buf, chunk, i % 700);
        size += i % 700;
    }
    assert_int_equal(buf.size, size);
    assert_memory_equal(buf.data, wanted, size);
    buf_append(&buf, NULL, 0);
    assert_int_equal(buf.size, size);
    buf_clear(&buf);
    assert_int_equal(buf.size, 0);
    buf_release(&buf);
    assert_null(buf.data);
    buf_append_text(&buf, "again");
    assert_string_equal(buf_text(&buf), "again");
    buf_release(&buf);
}

/* Goal: text is terminated without being longer for it, also exactly at the capacity.
 * Method: lengths around the first capacity. */
static void terminates(void **state)
{
    (void)state;
    for (size_t length = 0; length < 600; length++) {
        struct buf buf = {0};

        for (size_t i = 0; i < length; i++)
            buf_append(&buf, "x", 1);
        assert_int_equal(strlen(buf_text(&buf)), length);
        assert_int_equal(buf.size, length);
        buf_release(&buf);
    }
}

/* Goal: formatted text of any length is whole.
 * Method: a text longer than the first capacity, after another one. */
static void prints(void **state)
{
    struct buf buf = {0};

    (void)state;
    buf_printf(&buf, "%d-", 7);
    buf_printf(&buf, "%01000d", 5);
    assert_int_equal(buf.size, 1002);
    assert_memory_equal(buf.data, "7-000", 5);
    assert_int_equal(buf.data[1001], '5');
    buf_release(&buf);
}

/* Goal: copies are of their own and zero-terminated; memory comes zeroed.
 * Method: empty runs too. */
static void copies(void **state)
{
    char *empty = text_of_bytes(bytes_of(NULL, 0)), *copy = text_copy("abc");
    u8 *zeroed = memory_or_die(64);

    (void)state;
    assert_string_equal(empty, "");
    assert_string_equal(copy, "abc");
    for (int i = 0; i < 64; i++)
        assert_int_equal(zeroed[i], 0);
    free(empty);
    free(copy);
    free(zeroed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appends),
        cmocka_unit_test(terminates),
        cmocka_unit_test(prints),
        cmocka_unit_test(copies),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
