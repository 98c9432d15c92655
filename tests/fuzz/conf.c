/* conf.c: whatever bytes come as definitions or as a configuration file, each fault is a line with
 * its place, and what is accepted prints and reads back as the same; so do values for `set` and
 * selectors, as far as they are accepted.
 *
 * With libFuzzer: clang -fsanitize=fuzzer,address -DSYNCLINE_LIBFUZZER … tests/fuzz/conf. Without
 * it, main runs seeded mutations of the files in tests/fuzz/conf and of definitions at random:
 * `conf [rounds [seed]]`, from the top of the tree. A failure aborts; the seed is printed first. */
#include "base/names.h"
#include "base/random.h"
#include "conf/conf.h"
#include "conf/settings.h"
#include "conf/table.h"
#include "harness/definitions.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#define CORPUS "tests/fuzz/conf"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition, const char *what, struct bytes input)
{
    if (condition)
        return;
    fprintf(stderr, "fuzz: %s:\n%.*s\n", what, (int)input.size, (const char *)input.data);
    abort();
}

/* Each is "f:LINE:COLUMN: text", or the one that counts the others; all of it is UTF-8. */
static void check_faults(struct buf *faults, struct bytes input)
{
    char *line = (char *)buf_text(faults);

    require(utf8_is_valid(buf_bytes(faults)), "a fault that is not UTF-8", input);
    while (*line) {
        char *end = strchr(line, '\n');
        unsigned at_line, at_column;
        int size = 0;

        require(end != NULL, "a fault without its end", input);
        *end = '\0';
        require((sscanf(line, "f:%u:%u: %n", &at_line, &at_column, &size) == 2 && size > 0 &&
                 at_line > 0 && at_column > 0 && line[size]) ||
                    strstr(line, "more faults"),
                "a fault without its place", input);
        line = end + 1;
    }
}

static void try_back(const struct definition *definition, struct bytes input)
{
    struct definitions back = {0};
    struct buf out = {0}, again = {0}, faults = {0};
    struct err err;

    definition_print(definition->kind, definition->name, definition->labels, definition->spec,
                     &out);
    require(definitions_read("f", buf_text(&out), out.size, &back, &faults, &err) == 0,
            "own print is refused", input);
    require(back.count == 1 && back.items[0].kind == definition->kind &&
                strcmp(back.items[0].name, definition->name) == 0 &&
                json_equal(back.items[0].labels, definition->labels) &&
                json_equal(back.items[0].spec, definition->spec),
            "own print is read as another", input);
    definition_print(back.items[0].kind, back.items[0].name, back.items[0].labels,
                     back.items[0].spec, &again);
    require(bytes_equal(buf_bytes(&out), buf_bytes(&again)), "print is not stable", input);
    definitions_release(&back);
    buf_release(&out);
    buf_release(&again);
    buf_release(&faults);
}

static void try_documents(struct bytes input)
{
    struct definitions read = {0};
    struct buf faults = {0};
    struct err err = {0};
    int rc = definitions_read("f", (const char *)input.data, input.size, &read, &faults, &err);

    require((rc == 0) == (faults.size == 0), "a refusal without a fault", input);
    require(rc == 0 || err.code == ERR_Configuration, "a refusal without its code", input);
    check_faults(&faults, input);
    for (u32 i = 0; i < read.count; i++)
        try_back(&read.items[i], input);
    definitions_release(&read);
    buf_release(&faults);
}

/* The input as a configuration file. */
static void try_settings(struct bytes input)
{
    struct setting_value values[SETTING_COUNT] = {0};
    struct buf faults = {0};
    struct err err = {0};
    int rc = settings_read("f", input, values, &faults, &err);

    require((rc == 0) == (faults.size == 0), "a refusal without a fault", input);
    require(rc == 0 || err.code == ERR_Configuration, "a refusal without its code", input);
    check_faults(&faults, input);
    for (u32 i = 0; i < SETTING_COUNT; i++)
        require(!values[i].text || (values[i].text[0] && values[i].at.line > 0),
                "a value that is none, or without its place", input);
    setting_values_release(values);
    buf_release(&faults);
}

/* The input as the value of each field, and as a selector. */
static void try_text(struct bytes input)
{
    char *text = text_of_bytes(input);
    struct selector *selector = NULL;
    json_t *spec = json_object();
    struct err err;

    for (u32 i = 0; i < field_count; i++) {
        err_clear(&err);
        require(definition_set(DEFINITION_SYNCHRONIZATION, spec, field_table[i].path, text, &err) ==
                        0 ||
                    (err.code == ERR_Configuration && *err.text),
                "a value is refused without words", input);
    }
    err_clear(&err);
    if (selector_parse(text, &selector, &err) == 0)
        selector_matches(selector, spec);
    else
        require(err.code == ERR_Usage && !selector, "a selector is refused without words", input);
    selector_destroy(&selector);
    json_decref(spec);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* a copy of exactly this size, so that a sanitizer sees a read too far */
    u8 *copy = memory_or_die(size);
    struct bytes input = bytes_of(copy, size);

    if (size)
        memcpy(copy, data, size);
    try_documents(input);
    try_settings(input);
    try_text(input);
    free(copy);
    return 0;
}

#ifndef SYNCLINE_LIBFUZZER

struct corpus {
    struct buf files[32];
    u32 count;
};

/* In the order of their names, so that a seed is one run. */
static void load(struct corpus *corpus)
{
    struct dirent **entries = NULL;
    int count = scandir(CORPUS, &entries, NULL, alphasort);
    char path[512];

    for (int i = 0; i < count; i++) {
        struct buf *file = &corpus->files[corpus->count % COUNT_OF(corpus->files)];
        FILE *in;

        snprintf(path, sizeof path, CORPUS "/%s", entries[i]->d_name);
        in = entries[i]->d_name[0] == '.' ? NULL : fopen(path, "r");
        free(entries[i]);
        if (!in)
            continue;
        buf_clear(file);
        file->size = fread(buf_reserve(file, 1 << 16), 1, 1 << 16, in);
        fclose(in);
        corpus->count++;
    }
    free(entries);
    require(corpus->count > 0 && corpus->count <= COUNT_OF(corpus->files),
            "no files in " CORPUS " (from the top of the tree), or too many", bytes_text(""));
}

static void seed_input(u64 *state, const struct corpus *corpus, struct buf *out)
{
    static const char *const texts[] = {"team=media, tier!=gold, env in (a,b), !x",
                                        "a notin (b, c),d",
                                        "[\"- *.tmp\", \"+ a\"]",
                                        "mode,times",
                                        "1h30m",
                                        "10MiB/s",
                                        "/data/./x"};
    u64 choice = random_next(state) % 4;
    char name[DEFINITION_NAME_MAX + 1];
    json_t *labels, *spec;

    buf_clear(out);
    if (choice == 0) {
        buf_append_text(out, texts[random_next(state) % COUNT_OF(texts)]);
    } else if (choice == 1) {
        const struct buf *file = &corpus->files[random_next(state) % corpus->count];

        buf_append(out, file->data, file->size);
    } else {
        enum definition_kind kind = (enum definition_kind)(random_next(state) % 4);

        any_name(state, name);
        labels = any_labels(state);
        spec = any_spec(kind, state);
        definition_print(kind, name, labels, spec, out);
        json_decref(labels);
        json_decref(spec);
    }
}

static void insert(struct buf *input, size_t at, const char *text)
{
    size_t size = strlen(text);

    buf_reserve(input, size);
    memmove(input->data + at + size, input->data + at, input->size - at);
    memcpy(input->data + at, text, size);
    input->size += size;
}

static void mutate(u64 *state, struct buf *input)
{
    static const char *const pieces[] = {
        "\n",       "\n---\n", "\n...\n", "- ",     ": ",
        "{",        "}",       "[",       "]",      "\t",
        "\"",       "'",       "&a ",     "*a",     "!!x ",
        "#",        "|\n",     ">\n",     "\xff",   "\xef\xbb\xbf",
        "%",        "\\u0000", "  ",      "null",   "yes",
        "1",        "? ",      ",",       "<<: ",   "\r",
        "a: ",      "spec:",   "[[[[[[[", "{{{{{{", "x: x\n",
        "\xc2\x85", "@",       "..",      "/",      "%\n",
    };

    for (u64 i = random_next(state) % 5; i > 0 && input->size > 0; i--) {
        size_t at = random_next(state) % input->size, size;

        switch (random_next(state) % 6) {
        case 0:
            input->data[at] ^= (u8)(1u << random_next(state) % 8);
            break;
        case 1:
            input->size = at;
            break;
        case 2: /* a run is taken out */
            size = random_next(state) % 12;
            size = size < input->size - at ? size : input->size - at;
            memmove(input->data + at, input->data + at + size, input->size - at - size);
            input->size -= size;
            break;
        default:
            insert(input, at, pieces[random_next(state) % COUNT_OF(pieces)]);
            break;
        }
    }
}

int main(int argc, char **argv)
{
    u64 rounds = argc > 1 ? strtoull(argv[1], NULL, 0) : 8000;
    u64 seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
    u64 state = seed;
    struct corpus corpus = {0};
    struct buf input = {0};

    printf("fuzz conf: %llu rounds, seed %llu\n", (unsigned long long)rounds,
           (unsigned long long)seed);
    fflush(stdout);
    load(&corpus);
    for (u64 i = 0; i < rounds; i++) {
        seed_input(&state, &corpus, &input);
        mutate(&state, &input);
        LLVMFuzzerTestOneInput(input.data, input.size);
    }
    for (u32 i = 0; i < corpus.count; i++)
        buf_release(&corpus.files[i]);
    buf_release(&input);
    return 0;
}

#endif
