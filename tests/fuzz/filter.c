/* filter.c: whatever rule comes, it is compiled or refused; what is compiled decides as an obvious
 * matcher does that tries every way, on the text of the rule itself.
 *
 * With libFuzzer: clang -fsanitize=fuzzer,address -DSYNCLINE_LIBFUZZER … Without it, main runs
 * seeded rules and paths of few letters: `filter [rounds [seed]]`. A failure aborts; the seed is
 * printed first. Input: a byte (1: a directory), the rule, a newline, the path. */
#include "base/buf.h"
#include "base/filter.h"
#include "base/random.h"

#include <stdio.h>
#include <stdlib.h>

#define REFERENCE_MAX 24 /* it takes exponential time */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition, const char *what, struct bytes rule, struct bytes path)
{
    if (condition)
        return;
    fprintf(stderr, "fuzz: %s: rule \"%.*s\", path \"%.*s\"\n", what, (int)rule.size,
            (const char *)rule.data, (int)path.size, (const char *)path.data);
    abort();
}

/* ---- the obvious matcher: of what filter_add accepted, so classes end and escapes have a byte */

static bool class_matches(const char **pattern, char byte)
{
    const char *at = *pattern + 1;
    bool inverted = *at == '!' || *at == '^', found = false;
    const char *first = inverted ? ++at : at;

    while (*at != ']' || at == first) {
        u8 from, to;

        at += *at == '\\';
        from = to = (u8)*at++;
        if (*at == '-' && at[1] != ']') {
            at++;
            at += *at == '\\';
            to = (u8)*at++;
        }
        found = found || ((u8)byte >= from && (u8)byte <= to);
    }
    *pattern = at + 1;
    return found != inverted && byte != '/';
}

/* `begins`: the pattern stands at the begin of a component of its own. */
static bool matches(const char *pattern, const char *text, bool begins)
{
    if (*pattern == '\0')
        return *text == '\0';
    if (pattern[0] == '*' && pattern[1] == '*') {
        bool dirs = begins && pattern[2] == '/';

        if (matches(pattern + (dirs ? 3 : 2), text, dirs))
            return true;
        for (; *text; text++)
            if ((!dirs || *text == '/') && matches(pattern + (dirs ? 3 : 2), text + 1, dirs))
                return true;
        return false;
    }
    if (*pattern == '*') {
        for (; *text && *text != '/'; text++)
            if (matches(pattern + 1, text, false))
                return true;
        return matches(pattern + 1, text, false);
    }
    if (*text == '\0')
        return false;
    if (*pattern == '[')
        return class_matches(&pattern, *text) && matches(pattern, text + 1, false);
    if (*pattern == '?')
        return *text != '/' && matches(pattern + 1, text + 1, false);
    pattern += *pattern == '\\';
    return *pattern == *text && matches(pattern + 1, text + 1, *pattern == '/');
}

static bool reference_takes(struct bytes rule, struct bytes path, bool directory)
{
    char *pattern = text_of_bytes(bytes_of(rule.data + 2, rule.size - 2));
    char *text = text_of_bytes(path), *name = strrchr(text, '/'), *from = pattern;
    size_t size = strlen(pattern);
    bool anchored, result;

    /* an escaped slash is a slash; the class has none */
    for (size_t i = 0; i + 1 < size; i++) {
        if (pattern[i] != '\\')
            continue;
        if (pattern[i + 1] == '/')
            memmove(pattern + i, pattern + i + 1, size-- - i);
        else
            i++;
    }
    result = pattern[size - 1] != '/' || directory;
    if (pattern[size - 1] == '/')
        pattern[size - 1] = '\0';
    anchored = strchr(pattern, '/') != NULL;
    from += *from == '/';
    result = result && matches(from, anchored || !name ? text : name + 1, true);
    free(pattern);
    free(text);
    return result == (rule.data[0] == '+') || !result;
}

static void try_rule(struct bytes rule, struct bytes path, bool directory)
{
    struct filter *filter = filter_new();
    size_t prefix = SIZE_MAX, end = 0;
    bool takes, deep = true;
    struct err err = {0};
    u32 index = 7;

    if (filter_add(filter, rule, &err) < 0) {
        require(err.code == ERR_Configuration, "a refusal without its code", rule, path);
        require(filter_count(filter) == 0, "a refused rule is there", rule, path);
        filter_destroy(&filter);
        return;
    }
    require(bytes_equal(filter_rule(filter, 0), rule), "not the text", rule, path);
    takes = filter_takes(filter, path, directory, &index);
    require(index == 0 || (index == UINT32_MAX && takes), "a rule that is not there", rule, path);
    if (rule.size <= REFERENCE_MAX && path.size <= REFERENCE_MAX && path.size > 0 &&
        !memchr(path.data, '\0', path.size))
        require(takes == reference_takes(rule, path, directory), "not as obvious", rule, path);
    while (deep && path.size > 0 && end < path.size) {
        end++;
        while (end < path.size && path.data[end] != '/')
            end++;
        deep = filter_takes(filter, bytes_of(path.data, end), end < path.size || directory, NULL);
    }
    require(filter_takes_deep(filter, path, directory, &index, &prefix) == deep,
            "parents decide otherwise", rule, path);
    require(prefix <= path.size && (index == UINT32_MAX) == (prefix == 0), "no prefix", rule, path);
    filter_destroy(&filter);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* copies of exactly their sizes, so that a sanitizer sees a read too far */
    const u8 *line = size ? memchr(data, '\n', size) : NULL;
    size_t rule_size = line && line > data ? (size_t)(line - data) - 1 : 0;
    size_t path_size = line ? size - (size_t)(line - data) - 1 : 0;
    u8 *rule, *path;

    if (!line || line == data)
        return 0;
    rule = memory_or_die(rule_size);
    path = memory_or_die(path_size);
    memcpy(rule, data + 1, rule_size);
    memcpy(path, line + 1, path_size);
    try_rule(bytes_of(rule, rule_size), bytes_of(path, path_size), data[0] & 1);
    free(rule);
    free(path);
    return 0;
}

#ifndef SYNCLINE_LIBFUZZER

static void add_any(u64 *state, struct buf *out, const char *const *words, size_t count, u64 most)
{
    for (u64 i = random_next(state) % most; i > 0; i--)
        buf_append_text(out, words[random_next(state) % count]);
}

static void make_input(u64 *state, struct buf *out)
{
    static const char *const of_rules[] = {
        "a",    "a",    "b",    "b", "/", "/",   "*",    "*",  "?", "**",     "**/",  "/**",
        "[ab]", "[!a]", "[b-c", "]", "-", "\\*", "\\[a", "\\", ".", "[]\\]]", "[^-]", "c"};
    static const char *const of_paths[] = {"a", "a", "a", "b", "b", "c", "/a", "/b", "/", "]", "*"};

    buf_clear(out);
    buf_append_text(out, random_next(state) & 1 ? "1" : "0");
    buf_append_text(out, random_next(state) % 64 ? "- " : random_next(state) & 1 ? "+ " : "-");
    add_any(state, out, of_rules, COUNT_OF(of_rules), 11);
    buf_append_text(out, "\n");
    buf_append_text(out, random_next(state) % 3 ? "a" : "");
    add_any(state, out, of_paths, COUNT_OF(of_paths), 12);
    while (out->data[out->size - 1] == '/')
        out->size--;
}

int main(int argc, char **argv)
{
    u64 rounds = argc > 1 ? strtoull(argv[1], NULL, 0) : 500000;
    u64 seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
    u64 state = seed;
    struct buf input = {0};

    printf("fuzz filter: %llu rounds, seed %llu\n", (unsigned long long)rounds,
           (unsigned long long)seed);
    fflush(stdout);
    for (u64 i = 0; i < rounds; i++) {
        make_input(&state, &input);
        if (random_next(&state) % 16 == 0)
            input.data[random_next(&state) % input.size] ^= (u8)(1u << random_next(&state) % 8);
        LLVMFuzzerTestOneInput(input.data, input.size);
    }
    buf_release(&input);
    return 0;
}

#endif
