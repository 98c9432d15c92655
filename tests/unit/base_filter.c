/* base_filter.c: which names take part. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/filter.h"

#include <stdlib.h>

static struct filter *filter_of(const char *const *rules, size_t count)
{
    struct filter *filter = filter_new();
    struct err err;

    for (size_t i = 0; i < count; i++)
        assert_int_equal(filter_add(filter, bytes_text(rules[i]), &err), 0);
    return filter;
}

static bool excludes(const char *pattern, const char *path, bool directory)
{
    struct buf rule = {0};
    struct filter *filter;
    const char *text;
    bool takes;

    buf_printf(&rule, "- %s", pattern);
    text = buf_text(&rule);
    filter = filter_of(&text, 1);
    takes = filter_takes(filter, bytes_text(path), directory, NULL);
    filter_destroy(&filter);
    buf_release(&rule);
    return !takes;
}

/* A path with a slash at the end is a directory. */
static const struct {
    const char *pattern;
    const char *path;
    bool matches;
} cases[] = {
    /* no slash: the last component, at any depth */
    {"foo", "foo", true},
    {"foo", "a/b/foo", true},
    {"foo", "foo/bar", false}, /* what is below is not asked for */
    {"foo", "foobar", false},
    {"foo", "afoo", false},
    {"*.tmp", "x.tmp", true},
    {"*.tmp", ".tmp", true},
    {"*.tmp", "a/b/x.tmp", true},
    {"*.tmp", "a.tmp/b", false},
    {"*.tmp", "x.tmpx", false},
    {"*", "a", true},
    {"*", "a/b", true},
    {"**", "a/b", true},
    {"a**b", "a123b", true},
    {"a**b", "x/ab", true},
    {"a**b", "a/b", false},
    {"a*b*c", "aXbXbXc", true},
    {"a*b*c", "aXcXb", false},
    {"*a*a*a*a", "aaaa", true},
    {"*a*a*a*a", "aaa", false},
    {"a?c", "abc", true},
    {"a?c", "ac", false},
    {"?", "\xc3", true}, /* a byte, not a character */
    {"?", "\xc3\xa4", false},
    {"??", "\xc3\xa4", true},
    /* a slash in front or inside: anchored */
    {"/foo", "foo", true},
    {"/foo", "a/foo", false},
    {"/*.o", "x.o", true},
    {"/*.o", "a/x.o", false},
    {"a/b", "a/b", true},
    {"a/b", "x/a/b", false},
    {"a/b", "a/b/c", false},
    {"a/*", "a/b", true},
    {"a/*", "a/b/c", false},
    {"a/*", "a", false},
    {"a/*/c", "a/b/c", true},
    {"a/*/c", "a/c", false},
    {"a/*/c", "a/b/b/c", false},
    {"*/c", "a/c", true},
    {"*/c", "c", false},
    {"*/c", "a/b/c", false},
    {"a?c/d", "a/c/d", false},
    /* a slash at the end: directories */
    {"foo/", "foo/", true},
    {"foo/", "foo", false},
    {"foo/", "a/foo/", true},
    {"/foo/", "foo/", true},
    {"/foo/", "a/foo/", false},
    {"a/b/", "a/b/", true},
    {"a/b/", "a/b", false},
    {"**/", "a/b/", true},
    {"**/", "a/b", false},
    {"foo", "foo/", true},
    /* `**` crosses directories; between slashes it may be none */
    {"a/**", "a/b", true},
    {"a/**", "a/b/c/d", true},
    {"a/**", "a", false},
    {"a/**", "b/a/c", false},
    {"a/**/x", "a/x", true},
    {"a/**/x", "a/b/x", true},
    {"a/**/x", "a/b/c/x", true},
    {"a/**/x", "a/bx", false},
    {"a/**/x", "a/b/cx", false},
    {"a/**/x", "ax", false},
    {"**/x", "x", true},
    {"**/x", "a/b/x", true},
    {"**/x", "ax", false},
    {"/**/x", "x", true},
    {"/**/x", "a/x", true},
    {"**/a/**/b", "a/b", true},
    {"**/a/**/b", "x/a/y/z/b", true},
    {"**/a/**/b", "x/ab/b", false},
    {"a/**/**/b", "a/b", true},
    {"a/**/**/b", "a/x/b", true},
    {"a/b**", "a/bc/d", true},
    {"a/b**", "a/b", true},
    {"a/**c", "a/b/xc", true},
    {"a/**c", "a/c", true},
    {"a**/c", "a/c", true},
    {"a**/c", "ab/x/c", true},
    {"a**/c", "b/c", false},
    {"a/**/b*/c", "a/x/b1/c", true},
    {"a/**/b*/c", "a/b1/b2/c", true},
    {"a/**/b*/c", "a/b1/x/c", false},
    {"/**a*b", "x/ac/ab", true},
    {"/**a*b", "x/ac/b", false},
    {"/**a*b*c/d", "abx/aXbXc/d", true},
    /* classes */
    {"[abc]", "b", true},
    {"[abc]", "d", false},
    {"[a-c]x", "bx", true},
    {"[a-c]x", "dx", false},
    {"[!a-c]", "d", true},
    {"[!a-c]", "a", false},
    {"[^a-c]", "d", true},
    {"[^a-c]", "a", false},
    {"[]a]", "]", true},
    {"[!]a]", "]", false},
    {"[!]a]", "b", true},
    {"[a-]", "-", true},
    {"[-a]", "-", true},
    {"[\\]]", "]", true},
    {"[\\a-\\c]", "b", true},
    {"[!a]", "\xff", true},
    {"[\x80-\xff]", "\xc0", true},
    {"[!x]/b", "a/b", true},
    {"a[!x]b/c", "a/b/c", false}, /* never a slash */
    {"[ -~]", "/", false},
    {"[*]", "*", true},
    {"[*]", "a", false},
    {"[*]x]", "*x]", true},
    /* escapes */
    {"\\*", "*", true},
    {"\\*", "a", false},
    {"\\a", "a", true},
    {"\\\\", "\\", true},
    {"\\[a]", "[a]", true},
    {"a\\/b", "a/b", true},
    {"a\\/b", "x/a/b", false},
    {" x ", " x ", true}, /* spaces belong to the pattern */
    {"a]b", "a]b", true},
    {"...", "...", true},
    {".a", ".a", true},
    {"#a", "#a", true},
};

/* Goal: a pattern matches what filter.h says, and nothing else.
 * Method: a table; each alone, as "- PATTERN". */
static void patterns(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char *path = text_copy(cases[i].path);
        size_t size = strlen(path);
        bool directory = size > 1 && path[size - 1] == '/';

        if (directory)
            path[size - 1] = '\0';
        if (excludes(cases[i].pattern, path, directory) != cases[i].matches)
            fail_msg("pattern \"%s\", path \"%s\": should be %d", cases[i].pattern, cases[i].path,
                     cases[i].matches);
        free(path);
    }
}

/* Goal: what is no rule is refused, with the byte that is to blame and why.
 * Method: one of each. */
static void refusals(void **state)
{
    static const struct {
        const char *rule;
        const char *text;
    } wrong[] = {
        {"", "filter rule \"\", position 1: it is empty"},
        {"*.tmp", "filter rule \"*.tmp\", position 1: no sign"},
        {" - a", "position 1: no sign"},
        {"-", "position 2: a space is wanted"},
        {"-a", "position 2: a space is wanted"},
        {"- ", "position 3: an empty pattern"},
        {"+ /", "position 3: an empty pattern"},
        {"- a[b", "filter rule \"- a[b\", position 4: this [ has no ]"},
        {"- [", "position 3: this [ has no ]"},
        {"- []", "position 3: this [ has no ]"},
        {"- [!]", "position 3: this [ has no ]"},
        {"- [a-", "position 3: this [ has no ]"},
        {"- [a\\", "position 3: this [ has no ]"},
        {"- [a/b]", "position 5: a slash inside []"},
        {"- [c-a]", "position 4: a range that ends before it begins"},
        {"- [[:alpha:]]", "position 4: [:names:]"},
        {"- a\\", "position 4: a backslash with nothing behind it"},
        {"- a//b", "position 5: two slashes in a row"},
        {"- //", "position 4: two slashes in a row"},
        {"- a//", "position 5: two slashes in a row"},
        {"- ./a", "position 3: \".\" and \"..\" are in no path"},
        {"- a/../b", "position 5: \".\" and \"..\" are in no path"},
        {"- a/.", "position 5: \".\" and \"..\" are in no path"},
        {"- ../", "position 3: \".\" and \"..\" are in no path"},
        {"- a/***", "position 5: more than two stars"},
    };
    struct filter *filter = filter_new();
    struct err err;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        assert_int_equal(filter_add(filter, bytes_text(wrong[i].rule), &err), -1);
        assert_int_equal(err.code, ERR_Configuration);
        if (!strstr(err.text, wrong[i].text))
            fail_msg("rule \"%s\": %s", wrong[i].rule, err.text);
    }
    assert_int_equal(filter_add(filter, bytes_of("- a\0b", 5), &err), -1);
    assert_non_null(strstr(err.text, "position 4: a NUL byte"));
    assert_int_equal(filter_count(filter), 0);
    filter_destroy(&filter);
    assert_null(filter);
}

/* Goal: limits are kept to the byte and to the rule, and the error stays short.
 * Method: the longest rule and one more byte; as many rules as there may be and one more. */
static void limits(void **state)
{
    struct filter *filter = filter_new();
    char longest[FILTER_RULE_BYTES + 1];
    struct err err;

    (void)state;
    memset(longest, '?', sizeof longest);
    memcpy(longest, "- ", 2);
    assert_int_equal(filter_add(filter, bytes_of(longest, sizeof longest), &err), -1);
    assert_non_null(strstr(err.text, "...\", position 4097: it is too long"));
    while (filter_count(filter) < FILTER_RULES_MAX)
        assert_int_equal(filter_add(filter, bytes_of(longest, FILTER_RULE_BYTES), &err), 0);
    assert_int_equal(filter_add(filter, bytes_text("- a"), &err), -1);
    assert_string_equal(err.text, "more than 1024 filter rules");
    assert_int_equal(filter_rule(filter, 7).size, FILTER_RULE_BYTES);
    filter_destroy(&filter);
}

/* Goal: the first rule that matches decides; none means take; so does no filter; the root stays.
 * Method: a list in which later rules would say otherwise. */
static void order(void **state)
{
    static const char *const rules[] = {"+ /keep/*.tmp", "- *.tmp", "- cache/", "+ x.tmp"};
    struct filter *filter = filter_of(rules, COUNT_OF(rules));
    u32 rule = 77;

    (void)state;
    assert_true(filter_takes(filter, bytes_text("keep/a.tmp"), false, &rule));
    assert_int_equal(rule, 0);
    assert_false(filter_takes(filter, bytes_text("x.tmp"), false, &rule));
    assert_int_equal(rule, 1);
    assert_false(filter_takes(filter, bytes_text("a/cache"), true, &rule));
    assert_int_equal(rule, 2);
    assert_true(filter_takes(filter, bytes_text("a/cache"), false, &rule));
    assert_int_equal(rule, UINT32_MAX);
    assert_true(filter_takes(filter, bytes_text(""), true, &rule));
    assert_int_equal(rule, UINT32_MAX);
    assert_true(filter_takes(NULL, bytes_text("x.tmp"), false, NULL));
    assert_int_equal(filter_count(NULL), 0);
    assert_true(bytes_equal(filter_rule(filter, 2), bytes_text("- cache/")));
    filter_destroy(&filter);
}

/* Goal: what is below a directory that does not take part does not either.
 * Method: paths whose own rule would take them, and the part that decided. */
static void deep(void **state)
{
    static const char *const rules[] = {"+ /a/b/c", "- b/", "- *.o"};
    struct filter *filter = filter_of(rules, COUNT_OF(rules));
    size_t prefix = 77;
    u32 rule = 77;

    (void)state;
    assert_false(filter_takes_deep(filter, bytes_text("a/b/c"), false, &rule, &prefix));
    assert_int_equal(rule, 1);
    assert_int_equal(prefix, 3);
    assert_true(filter_takes_deep(filter, bytes_text("a/b"), false, &rule, &prefix));
    assert_int_equal(rule, UINT32_MAX);
    assert_int_equal(prefix, 0);
    assert_false(filter_takes_deep(filter, bytes_text("x/y.o"), false, &rule, &prefix));
    assert_int_equal(rule, 2);
    assert_int_equal(prefix, 5);
    assert_false(filter_takes_deep(filter, bytes_text("d.o/x/y"), false, &rule, &prefix));
    assert_int_equal(prefix, 3);
    assert_true(filter_takes_deep(filter, bytes_text(""), true, &rule, &prefix));
    assert_true(filter_takes_deep(NULL, bytes_text("x.o"), false, NULL, NULL));
    filter_destroy(&filter);
}

/* Goal: no pattern takes long, whatever the path.
 * Method: many stars, of both kinds, against a path in which each of them nearly fits. The suite's
 * time limit is the assertion: by trying all ways these would take longer than there is time. */
static void stars_do_not_explode(void **state)
{
    static char path[200 * 40 + 1], pattern[4000];
    struct buf text = {0};

    (void)state;
    for (size_t i = 0; i + 1 < sizeof path; i++)
        path[i] = i % 200 == 199 ? '/' : 'a';
    path[sizeof path - 2] = 'a';
    for (size_t i = 0; i + 1 < sizeof pattern; i++)
        pattern[i] = i % 2 ? 'a' : '*';
    assert_false(excludes(pattern, path, false));
    buf_append_text(&text, "/");
    for (int i = 0; i < 100; i++)
        buf_append_text(&text, "**a*a*a*a");
    buf_append_text(&text, "b");
    assert_false(excludes(buf_text(&text), path, false));
    buf_clear(&text);
    for (int i = 0; i < 30; i++)
        buf_append_text(&text, "**/a*a*a/");
    buf_append_text(&text, "b");
    assert_false(excludes(buf_text(&text), path, false));
    buf_release(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns), cmocka_unit_test(refusals),
        cmocka_unit_test(limits),   cmocka_unit_test(order),
        cmocka_unit_test(deep),     cmocka_unit_test(stars_do_not_explode),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
