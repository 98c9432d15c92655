/* ctl_spec.c: the options of `sync` become the spec of a synchronization. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ctl/spec.h"
#include "planner/spec.h"

#include <stdlib.h>

#define WORDS_MAX 4

struct input {
    struct option_word words[WORDS_MAX];
    u32 word_count;
    struct spec_options options;
};

static int make(const struct input *input, char **out, struct err *err)
{
    struct option_word words[WORDS_MAX];
    struct spec_options options = input->options;

    memcpy(words, input->words, sizeof words);
    options.filters = (struct option_list){.words = words, .count = input->word_count};
    *out = NULL;
    return spec_make(&options, out, err);
}

/* Goal: the JSON has what was given, and nothing else; the planner accepts it.
 * Method: each option alone, and all together; the planner's own reader. */
static void json(void **state)
{
    static const struct {
        struct input input;
        const char *json;
    } cases[] = {
        {{.word_count = 0}, "{}"},
        {{.words = {{"exclude", "*.o"}, {"include", "/a b/"}, {"exclude", "**"}}, .word_count = 3},
         "{\"filters\":[\"- *.o\",\"+ /a b/\",\"- **\"]}"},
        {{.options = {.delete = true}}, "{\"delete\":{\"enabled\":true}}"},
        {{.options = {.delete = true, .max_delete = "0"}},
         "{\"delete\":{\"enabled\":true,\"max\":\"0\"}}"},
        {{.options = {.delete = true, .max_delete = "100%"}},
         "{\"delete\":{\"enabled\":true,\"max\":\"100%\"}}"},
        {{.options = {.checksum = true}}, "{\"compare\":\"checksum\"}"},
        {{.options = {.dry_run = true}}, "{\"run\":{\"dryRun\":true}}"},
        {{.options = {.durability = "strict"}}, "{\"durability\":\"strict\"}"},
        {{.options = {.hash = "sha256"}}, "{\"verify\":{\"hash\":\"sha256\"}}"},
        {{.options = {.preserve = "none"}}, "{\"preserve\":[]}"},
        {{.options = {.preserve = "times,mode,times"}}, "{\"preserve\":[\"mode\",\"times\"]}"},
        {{.options = {.preserve = "all"}},
         "{\"preserve\":[\"mode\",\"owner\",\"times\",\"xattrs\",\"acls\",\"hardlinks\","
         "\"sparse\"]}"},
        {{.words = {{"include", "x"}},
          .word_count = 1,
          .options = {.delete = true, .checksum = true, .durability = "standard"}},
         "{\"compare\":\"checksum\",\"delete\":{\"enabled\":true},\"durability\":\"standard\","
         "\"filters\":[\"+ x\"]}"},
    };
    struct spec spec;
    struct err err;
    char *text;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(make(&cases[i].input, &text, &err), 0);
        assert_string_equal(text, cases[i].json);
        assert_int_equal(spec_parse(text, &spec, &err), 0);
        spec_release(&spec);
        free(text);
    }
}

/* Goal: what cannot be is refused by the name of its option.
 * Method: one of each. */
static void refusals(void **state)
{
    static const struct {
        struct input input;
        const char *text;
    } cases[] = {
        {{.options = {.max_delete = "5"}}, "--max-delete goes with --delete"},
        {{.options = {.delete = true, .max_delete = "101%"}}, "--max-delete wants a number"},
        {{.options = {.delete = true, .max_delete = "-1"}}, "--max-delete wants a number"},
        {{.options = {.delete = true, .max_delete = "5x"}}, "--max-delete wants a number"},
        {{.options = {.delete = true, .max_delete = ""}}, "--max-delete wants a number"},
        {{.options = {.delete = true, .max_delete = "%"}}, "--max-delete wants a number"},
        {{.options = {.durability = "fast"}}, "--durability is standard or strict"},
        {{.options = {.hash = "md5"}}, "--hash is xxh3-128 or sha256"},
        {{.options = {.preserve = "mode,tiems"}}, "no 'tiems'; did you mean times?"},
        {{.options = {.preserve = ""}}, "--preserve: there is no ''"},
        {{.options = {.preserve = "mode,"}}, "--preserve: there is no ''"},
        {{.options = {.preserve = "all,mode"}}, "--preserve: there is no 'all'"},
        {{.options = {.preserve = "an-attribute-of-a-very-long-name-indeed"}}, "--preserve: there"},
        {{.words = {{"exclude", "a"}, {"include", "[b"}}, .word_count = 2},
         "--include: filter rule \"+ [b\", position 3: this [ has no ]"},
        {{.words = {{"exclude", ""}}, .word_count = 1}, "--exclude: filter rule"},
        {{.words = {{"exclude", "\xff"}}, .word_count = 1}, "--exclude: the pattern is not UTF-8"},
    };
    struct err err;
    char *text;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(make(&cases[i].input, &text, &err), -1);
        assert_null(text);
        assert_true(err.code == ERR_Usage || err.code == ERR_Configuration);
        if (!strstr(err.text, cases[i].text))
            fail_msg("should say \"%s\": %s", cases[i].text, err.text);
    }
}

/* Goal: the filters of a stored spec are read in order; a spec without any is one without rules.
 * Method: one of each, and one that is no rule. */
static void stored(void **state)
{
    struct filter *filter = filter_new();
    struct err err;

    (void)state;
    assert_int_equal(spec_add_stored("{}", filter, &err), 0);
    assert_int_equal(filter_count(filter), 0);
    assert_int_equal(spec_add_stored("{\"filters\": [\"- a\", \"+ b\"]}", filter, &err), 0);
    assert_int_equal(filter_count(filter), 2);
    assert_true(bytes_equal(filter_rule(filter, 1), bytes_text("+ b")));
    assert_int_equal(spec_add_stored("{\"filters\": [\"a\", \"+ b\"]}", filter, &err), -1);
    assert_int_equal(err.code, ERR_Configuration);
    filter_destroy(&filter);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json),
        cmocka_unit_test(refusals),
        cmocka_unit_test(stored),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
