/* ctl_options.c: how a command line is read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ctl/options.h"

struct taken {
    bool json;
    const char *output;
    struct common common;
    struct err err;
};

static int take(struct taken *out, int argc, char **argv)
{
    const struct option options[] = {{"json", 0, OPTION_FLAG, &out->json},
                                     {"output", 'o', OPTION_VALUE, &out->output},
                                     {"delete", 'n', OPTION_LATER, NULL}};

    return options_take(options, COUNT_OF(options), &out->common, argc, argv, &out->err);
}

#define TAKE(out, ...) take(out, (int)COUNT_OF(((char *[]){__VA_ARGS__})), (char *[]){__VA_ARGS__})

/* Goal: options are found wherever and however they are written, and arguments keep their order.
 * Method: each spelling. */
static void spellings(void **state)
{
    char *argv[] = {"a", "--json", "b", "-ojson", "-v", "-", "--", "--json"};
    struct taken taken = {0};

    (void)state;
    assert_int_equal(take(&taken, (int)COUNT_OF(argv), argv), 4);
    assert_true(taken.json);
    assert_true(taken.common.verbose);
    assert_string_equal(taken.output, "json");
    assert_string_equal(argv[0], "a");
    assert_string_equal(argv[1], "b");
    assert_string_equal(argv[2], "-");
    assert_string_equal(argv[3], "--json");
    assert_int_equal(TAKE(&taken, "--output=x"), 0);
    assert_string_equal(taken.output, "x");
    assert_int_equal(TAKE(&taken, "--output", "y"), 0);
    assert_string_equal(taken.output, "y");
    assert_int_equal(TAKE(&taken, "-vqo", "z"), 0);
    assert_string_equal(taken.output, "z");
    assert_true(taken.common.quiet);
}

/* Goal: options that share a list keep their order, and what was given last does not win there.
 * Method: two of them, in every spelling, a value that looks like an option among them. */
static void lists(void **state)
{
    char *argv[] = {"--exclude", "*.o", "a", "--include=b", "-x-c", "--exclude", "--include"};
    static const char *const names[] = {"exclude", "include", "exclude", "exclude"};
    static const char *const values[] = {"*.o", "b", "-c", "--include"};
    struct option_list list = {0};
    const struct option options[] = {{"exclude", 'x', OPTION_LIST, &list},
                                     {"include", 0, OPTION_LIST, &list}};
    struct common common = {0};
    struct err err;

    (void)state;
    assert_int_equal(
        options_take(options, COUNT_OF(options), &common, (int)COUNT_OF(argv), argv, &err), 1);
    assert_string_equal(argv[0], "a");
    assert_int_equal(list.count, COUNT_OF(names));
    for (u32 i = 0; i < list.count; i++) {
        assert_string_equal(list.words[i].name, names[i]);
        assert_string_equal(list.words[i].value, values[i]);
    }
    argv[0] = "--exclude";
    assert_int_equal(options_take(options, COUNT_OF(options), &common, 1, argv, &err), -1);
    assert_string_equal(err.text, "--exclude wants a value");
    option_list_release(&list);
    assert_int_equal(list.count, 0);
}

/* Goal: nothing that was meant is ignored.
 * Method: what is unknown, what comes later, values too many and too few. */
static void refusals(void **state)
{
    struct taken taken = {0};

    (void)state;
    assert_int_equal(TAKE(&taken, "--jsno"), -1);
    assert_int_equal(taken.err.code, ERR_Usage);
    assert_non_null(strstr(taken.err.text, "--json"));
    assert_int_equal(TAKE(&taken, "-x"), -1);
    assert_int_equal(taken.err.code, ERR_Usage);
    assert_int_equal(TAKE(&taken, "--delete"), -1);
    assert_int_equal(taken.err.code, ERR_NotInThisVersion);
    assert_int_equal(TAKE(&taken, "-n"), -1);
    assert_int_equal(taken.err.code, ERR_NotInThisVersion);
    assert_int_equal(TAKE(&taken, "--json=1"), -1);
    assert_int_equal(TAKE(&taken, "-o"), -1);
}

/* Goal: options before the command are read up to it, and not beyond.
 * Method: a command with an option of its own behind it. */
static void leading(void **state)
{
    char *argv[] = {"--state-dir", "/x", "-q", "up", "--movers", "3"};
    struct common common = {0};
    struct err err;

    (void)state;
    assert_int_equal(options_take_leading(&common, (int)COUNT_OF(argv), argv, &err), 3);
    assert_string_equal(common.state_dir, "/x");
    assert_true(common.quiet);
}

/* Goal: durations mean what they say; anything else is refused.
 * Method: a table of both. */
static void durations(void **state)
{
    static const struct {
        const char *text;
        s64 ms;
    } good[] = {{"0", 0},          {"5", 5000},       {"500ms", 500},
                {"10s", 10000},    {"5m", 300000},    {"1h30m", 5400000},
                {"2d", 172800000}, {"1w", 604800000}, {"1m500ms", 60500}};
    static const char *const bad[] = {
        "", "s", "-1s", "1x", "1.5s", "1 s", "5m3", "10S", "99999999999999999999s"};
    struct err err;
    s64 ms;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        assert_int_equal(option_duration("--timeout", good[i].text, &ms, &err), 0);
        assert_int_equal(ms, good[i].ms);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_int_equal(option_duration("--timeout", bad[i], &ms, &err), -1);
        assert_int_equal(err.code, ERR_Usage);
    }
}

/* Goal: numbers are whole and within their bounds.
 * Method: the edges. */
static void numbers(void **state)
{
    static const char *const bad[] = {"", "0", "65", "-1", "+1", " 1", "1x", "0x1", "4294967297"};
    struct err err;
    u32 value;

    (void)state;
    assert_int_equal(option_number("--movers", "1", 1, 64, &value, &err), 0);
    assert_int_equal(option_number("--movers", "64", 1, 64, &value, &err), 0);
    assert_int_equal(value, 64);
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_int_equal(option_number("--movers", bad[i], 1, 64, &value, &err), -1);
}

/* Goal: a slip of the fingers is recognised, another word is not.
 * Method: one of each kind of slip. */
static void nearest(void **state)
{
    static const char *const words[] = {"sync", "status", "scale", "report", "run"};

    (void)state;
    assert_string_equal(nearest_word("snyc", words, COUNT_OF(words)), "sync");
    assert_string_equal(nearest_word("stauts", words, COUNT_OF(words)), "status");
    assert_string_equal(nearest_word("reprot", words, COUNT_OF(words)), "report");
    assert_string_equal(nearest_word("scal", words, COUNT_OF(words)), "scale");
    assert_null(nearest_word("teleport", words, COUNT_OF(words)));
    assert_null(nearest_word("", words, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spellings), cmocka_unit_test(refusals), cmocka_unit_test(leading),
        cmocka_unit_test(durations), cmocka_unit_test(numbers),  cmocka_unit_test(nearest),
        cmocka_unit_test(lists),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
