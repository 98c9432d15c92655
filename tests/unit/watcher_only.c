/* Goal: a scan of some paths looks at these, at what leads there and at what is below, and at
 * nothing else. Method: sets of paths with names that sort before and behind the slash; bytes that
 * mean something to patterns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/random.h"
#include "watcher/only.h"

#include <stdio.h>

static bool takes(const char *const *paths, u32 count, const char *path)
{
    struct bytes all[16];
    struct shards_set only;
    bool result;

    for (u32 i = 0; i < count; i++)
        all[i] = bytes_text(paths[i]);
    shards_set_init(&only, all, count);
    result = only_takes(&only, bytes_text(path));
    shards_set_release(&only);
    return result;
}

static void test_parents_and_children(void **state)
{
    static const char *const paths[] = {"a/b/c", "d", "e.x/f", "e/f", "e!", "*", "[x]/?"};
    static const char *const taken[] = {"a",     "a/b", "a/b/c", "a/b/c/x", "d",
                                        "d/x/y", "e.x", "e",     "e/f",     "e/f/g",
                                        "e!",    "*",   "*/x",   "[x]",     "[x]/?"};
    static const char *const left[] = {"a/b/d",  "a/c", "b", "e.",    "e/g", "e.x/g",
                                       "a/b/cc", "dd",  "x", "[x]/y", "a!"};

    (void)state;
    for (u32 i = 0; i < COUNT_OF(taken); i++)
        if (!takes(paths, COUNT_OF(paths), taken[i]))
            fail_msg("%s is left", taken[i]);
    for (u32 i = 0; i < COUNT_OF(left); i++)
        if (takes(paths, COUNT_OF(paths), left[i]))
            fail_msg("%s is taken", left[i]);
}

static void test_all(void **state)
{
    static const char *const root[] = {""};

    (void)state;
    assert_true(takes(NULL, 0, "x/y"));
    assert_true(takes(root, 1, "x/y"));
}

static bool is_below(const char *path, const char *above)
{
    size_t size = strlen(above);

    return strncmp(path, above, size) == 0 && (path[size] == '/' || path[size] == '\0');
}

/* Against the sentence of the header, word by word. */
static void test_random(void **state)
{
    static const char letters[] = "a!/0.";

    (void)state;
    for (int round = 0; round < 2000; round++) {
        char texts[6][8];
        const char *paths[5];
        bool expected = false;

        for (int i = 0; i < 6; i++) {
            u8 bytes[8];

            random_bytes(bytes, sizeof bytes);
            for (int k = 0; k < 7; k++) {
                char letter = letters[bytes[k] % (sizeof letters - 1)];
                bool slash = letter == '/' && (k == 0 || k == 6 || texts[i][k - 1] == '/');

                texts[i][k] = slash ? 'a' : letter;
            }
            texts[i][1 + bytes[7] % 6] = '\0';
            if (texts[i][strlen(texts[i]) - 1] == '/')
                texts[i][strlen(texts[i]) - 1] = 'b';
        }
        for (int i = 0; i < 5; i++) {
            paths[i] = texts[i];
            expected = expected || is_below(texts[5], texts[i]) || is_below(texts[i], texts[5]);
        }
        if (takes(paths, 5, texts[5]) != expected)
            fail_msg("%s among %s %s %s %s %s", texts[5], texts[0], texts[1], texts[2], texts[3],
                     texts[4]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parents_and_children),
        cmocka_unit_test(test_all),
        cmocka_unit_test(test_random),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
