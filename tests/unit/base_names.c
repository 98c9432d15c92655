/* base_names.c: which names are let in, and how they are shown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/names.h"
#include "schema/limits.h"

#include <stdlib.h>

/* Goal: only what can be one component of a path is a name.
 * Method: the edges, and every single byte. */
static void names(void **state)
{
    static const char *const good[] = {"a", "...", ".a", "..a", " ", "\xff\xfe", "-rf", "a\nb"};
    static const char *const bad[] = {"", ".", "..", "/", "a/b", "a/", "/a"};
    char longest[NAME_BYTES + 1];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++)
        assert_true(name_is_valid(bytes_text(good[i])));
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(name_is_valid(bytes_text(bad[i])));
    assert_false(name_is_valid(bytes_of("a\0b", 3)));
    for (int i = 0; i < 256; i++) {
        u8 byte = (u8)i;

        assert_int_equal(name_is_valid(bytes_of(&byte, 1)), i != 0 && i != '/' && i != '.');
    }
    memset(longest, 'x', sizeof longest);
    assert_true(name_is_valid(bytes_of(longest, NAME_BYTES)));
    assert_false(name_is_valid(bytes_of(longest, NAME_BYTES + 1)));
}

/* Goal: a path is the root or valid names with single slashes between.
 * Method: what could lead out of a root, and the largest size. */
static void paths(void **state)
{
    static const char *const good[] = {"", "a", "a/b", "a/...", ".a/b."};
    static const char *const bad[] = {"/",  "/a",   "a/",   "a//b",  ".",
                                      "..", "a/..", "../a", "a/./b", "a/../b"};
    char *deep = malloc(PATH_BYTES + 2);

    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++)
        assert_true(path_is_valid(bytes_text(good[i])));
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(path_is_valid(bytes_text(bad[i])));
    for (size_t i = 0; i < PATH_BYTES + 2; i++)
        deep[i] = i % 2 ? '/' : 'd';
    assert_true(path_is_valid(bytes_of(deep, PATH_BYTES - 1)));
    assert_false(path_is_valid(bytes_of(deep, PATH_BYTES + 1)));
    free(deep);
}

/* Goal: within, join and depth go by whole components.
 * Method: names that begin alike. */
static void relations(void **state)
{
    struct buf out = {0};

    (void)state;
    assert_true(path_is_within(bytes_text("a/b"), bytes_text("a")));
    assert_true(path_is_within(bytes_text("a"), bytes_text("a")));
    assert_true(path_is_within(bytes_text("a"), bytes_text("")));
    assert_true(path_is_within(bytes_text(""), bytes_text("")));
    assert_false(path_is_within(bytes_text("ab"), bytes_text("a")));
    assert_false(path_is_within(bytes_text("a"), bytes_text("a/b")));
    assert_false(path_is_within(bytes_text(""), bytes_text("a")));
    path_join(&out, bytes_text(""), bytes_text("a"));
    assert_string_equal(buf_text(&out), "a");
    buf_clear(&out);
    path_join(&out, bytes_text("a/b"), bytes_text("c"));
    assert_string_equal(buf_text(&out), "a/b/c");
    assert_int_equal(path_depth(bytes_text("")), 0);
    assert_int_equal(path_depth(bytes_text("a")), 1);
    assert_int_equal(path_depth(bytes_text("a/b/c")), 3);
    buf_release(&out);
}

/* Goal: nothing that a name holds can steer a terminal or end a quoted value; letters stay
 * readable.
 * Method: controls, broken and overlong UTF-8, quotes; then every pair of bytes gives
 * valid UTF-8. */
static void escapes(void **state)
{
    static const struct {
        const char *name, *shown;
    } cases[] = {
        {"plain name", "plain name"},
        {"Größe €😀", "Größe €😀"},
        {"a\nb\tc", "a\\nb\\tc"},
        {"\"q\\", "\\\"q\\\\"},
        {"\x1b[31m\x7f\r", "\\x1b[31m\\x7f\\x0d"},
        {"\xc2\x9b"
         "1m",
         "\\xc2\\x9b1m"}, /* C1: CSI */
        {"\xff\xfe", "\\xff\\xfe"},
        {"\xc0\xaf", "\\xc0\\xaf"},                   /* overlong slash */
        {"\xed\xa0\x80", "\\xed\\xa0\\x80"},          /* surrogate */
        {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"}, /* beyond U+10FFFF */
        {"\xe2\x82", "\\xe2\\x82"},                   /* broken off */
    };
    struct buf out = {0};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        buf_clear(&out);
        name_escape(&out, bytes_text(cases[i].name));
        assert_string_equal(buf_text(&out), cases[i].shown);
    }
    for (int i = 0; i < 65536; i++) {
        u8 pair[2] = {(u8)(i >> 8), (u8)i};

        buf_clear(&out);
        name_escape(&out, bytes_of(pair, 2));
        assert_true(utf8_is_valid(buf_bytes(&out)));
        for (size_t j = 0; j < out.size; j++)
            assert_true(out.data[j] >= 0x20 && out.data[j] != 0x7f);
    }
    buf_release(&out);
}

/* Goal: exactly UTF-8 by RFC 3629 is valid.
 * Method: the first and last of each length, and what lies just outside. */
static void utf8(void **state)
{
    static const char *const good[] = {"",
                                       "a",
                                       "\xc2\x80",
                                       "\xdf\xbf",
                                       "\xe0\xa0\x80",
                                       "\xed\x9f\xbf",
                                       "\xee\x80\x80",
                                       "\xef\xbf\xbf",
                                       "\xf0\x90\x80\x80",
                                       "\xf4\x8f\xbf\xbf"};
    static const char *const bad[] = {"\x80",
                                      "\xbf",
                                      "\xc1\xbf",
                                      "\xe0\x9f\xbf",
                                      "\xed\xa0\x80",
                                      "\xf0\x8f\xbf\xbf",
                                      "\xf4\x90\x80\x80",
                                      "\xf5\x80\x80\x80",
                                      "\xc2",
                                      "\xe1\x80",
                                      "\xf1\x80\x80",
                                      "\xc2\x41",
                                      "a\xff"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++)
        assert_true(utf8_is_valid(bytes_text(good[i])));
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(utf8_is_valid(bytes_text(bad[i])));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),   cmocka_unit_test(paths), cmocka_unit_test(relations),
        cmocka_unit_test(escapes), cmocka_unit_test(utf8),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
