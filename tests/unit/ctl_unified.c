/* What differs between two texts, as diff -u shows it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/random.h"
#include "ctl/unified.h"

#include <stdlib.h>

static void assert_diff(const char *before, const char *after, const char *wanted)
{
    struct buf out = {0};

    unified_diff("a", before, "b", after, &out);
    if (strcmp(buf_text(&out), wanted) != 0)
        fail_msg("\"%s\" where \"%s\" is wanted", buf_text(&out), wanted);
    buf_release(&out);
}

/* Goal: changes are shown with their surroundings. Method: texts, and what diff -u says of them. */
static void as_diff_says(void **state)
{
    (void)state;
    assert_diff("", "", "");
    assert_diff("x\n", "x\n", "");
    assert_diff("", "x\ny\n", "--- a\n+++ b\n@@ -0,0 +1,2 @@\n+x\n+y\n");
    assert_diff("x\n", "", "--- a\n+++ b\n@@ -1 +0,0 @@\n-x\n");
    assert_diff("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nfive\n6\n7\n8\n9\n",
                "--- a\n+++ b\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n");
    /* two hunks where more than six lines between them are equal, one where there are six */
    assert_diff("a\n1\n2\n3\n4\n5\n6\nb\n", "A\n1\n2\n3\n4\n5\n6\nB\n",
                "--- a\n+++ b\n@@ -1,8 +1,8 @@\n-a\n+A\n 1\n 2\n 3\n 4\n 5\n 6\n-b\n+B\n");
    assert_diff("a\n1\n2\n3\n4\n5\n6\n7\nb\n", "A\n1\n2\n3\n4\n5\n6\n7\nB\n",
                "--- a\n+++ b\n@@ -1,4 +1,4 @@\n-a\n+A\n 1\n 2\n 3\n@@ -6,4 +6,4 @@\n 5\n 6\n 7\n"
                "-b\n+B\n");
}

/* The text after the line that `at` is in. */
static const char *next_line(const char *at)
{
    return at + strcspn(at, "\n") + 1;
}

static const char *copy_line(struct buf *out, const char *at)
{
    const char *next = next_line(at);

    buf_append(out, at, (size_t)(next - at));
    return next;
}

/* `before` with what the hunks say: lines that they keep or take out must be there. */
static void patch(const char *before, const char *hunks, struct buf *out)
{
    u32 line = 1;

    hunks = next_line(next_line(hunks));
    while (*hunks) {
        u32 first = (u32)strtoul(hunks + strlen("@@ -"), NULL, 10);
        bool none = strncmp(strpbrk(hunks + strlen("@@ -"), ", "), ",0", 2) == 0;

        for (first += none; line < first; line++)
            before = copy_line(out, before);
        for (hunks = next_line(hunks); *hunks && *hunks != '@'; hunks = next_line(hunks)) {
            size_t size = (size_t)(next_line(hunks) - hunks) - 1;

            if (*hunks != '+')
                assert_memory_equal(before, hunks + 1, size);
            if (*hunks != '-')
                buf_append(out, hunks + 1, size);
            line += *hunks != '+';
            before += *hunks != '+' ? size : 0;
        }
    }
    buf_append_text(out, before);
}

/* Goal: what is shown leads from one text to the other. Method: random texts, and the hunks applied
 * to the one make the other. */
static void leads_to_the_other(void **state)
{
    u64 seed = 4;

    (void)state;
    for (int round = 0; round < 500; round++) {
        struct buf texts[2] = {{0}}, out = {0}, patched = {0};

        for (int side = 0; side < 2; side++)
            for (u64 i = 0, count = random_next(&seed) % 60; i < count; i++)
                buf_printf(
                    &texts[side], "line %llu\n",
                    (unsigned long long)(random_next(&seed) % 8 ? i : random_next(&seed) % 99));
        unified_diff("a", buf_text(&texts[0]), "b", buf_text(&texts[1]), &out);
        if (out.size > 0)
            patch(buf_text(&texts[0]), buf_text(&out), &patched);
        else
            buf_append(&patched, texts[0].data, texts[0].size);
        assert_string_equal(buf_text(&patched), buf_text(&texts[1]));
        buf_release(&texts[0]);
        buf_release(&texts[1]);
        buf_release(&out);
        buf_release(&patched);
    }
}

/* Goal: texts that are too long for the table are shown, too. Method: 5,000 lines, all others. */
static void too_long_for_the_table(void **state)
{
    struct buf before = {0}, after = {0}, out = {0};
    u32 minus = 0, plus = 0;

    (void)state;
    for (u32 i = 0; i < 5000; i++) {
        buf_printf(&before, "a%u\n", i);
        buf_printf(&after, "b%u\n", i);
    }
    unified_diff("a", buf_text(&before), "b", buf_text(&after), &out);
    for (const char *at = buf_text(&out); (at = strchr(at, '\n')) != NULL; at++) {
        minus += at[1] == '-' && at[2] == 'a';
        plus += at[1] == '+' && at[2] == 'b';
    }
    assert_int_equal(minus, 5000);
    assert_int_equal(plus, 5000);
    buf_release(&before);
    buf_release(&after);
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_diff_says),
        cmocka_unit_test(leads_to_the_other),
        cmocka_unit_test(too_long_for_the_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
