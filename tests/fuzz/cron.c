/* cron.c: whatever comes as a schedule, it is refused with a place inside of it and words, or it
 * comes: a next time is there, it is a minute that the fields mean, and the last one before is the
 * same schedule looked at backward; whatever comes as a zone or as its file, it is taken or
 * refused.
 *
 * With libFuzzer: clang -fsanitize=fuzzer,address -DSYNCLINE_LIBFUZZER … tests/fuzz/cron. Without
 * it, main runs seeded mutations of the texts in tests/fuzz/cron: `cron [rounds [seed]]`, from the
 * top of the tree. A failure aborts; the seed is printed first. */
#include "base/names.h"
#include "base/random.h"
#include "cron/times.h"
#include "cron/tzif.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#define CORPUS "tests/fuzz/cron"
#define NOW_MS 1795392000000 /* 2026-11-23 */
#define YEAR_MS (366 * 86400000LL)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition, const char *what, struct bytes input)
{
    if (condition)
        return;
    fprintf(stderr, "fuzz: %s:\n%.*s\n", what, (int)input.size, (const char *)input.data);
    abort();
}

static void check_cron(const struct cron *cron, struct bytes input)
{
    if (cron->every_ms) {
        require(cron->every_ms >= 1000 && cron->every_ms <= YEAR_MS, "an interval", input);
        return;
    }
    require(cron->minutes && !(cron->minutes >> 60), "minutes", input);
    require(cron->hours && !(cron->hours >> 24), "hours", input);
    require(cron->days && !(cron->days & 1), "days", input);
    require(cron->months && !(cron->months & 1) && !(cron->months >> 13), "months", input);
    require(cron->weekdays && !(cron->weekdays >> 7), "weekdays", input);
}

static void check_times(const struct times *times, struct bytes input)
{
    s64 after = NOW_MS, next, last;

    for (u32 i = 0; i < 3; i++) {
        require(times_next(times, after, &next), "it never comes", input);
        require(next > after && next - after < 41 * YEAR_MS, "not the next", input);
        require(times_last(times, next, after, &last) && last == next, "not the last", input);
        require(!times_last(times, next - 1, after, &last), "one in between", input);
        after = next;
    }
}

static void try_schedule(const char *text, struct bytes input)
{
    static struct zone *zone;
    size_t position = SIZE_MAX;
    struct err err = {0};
    struct times times = {.anchor_ms = 12345};

    if (!zone && zone_open("America/New_York", &zone, &err) < 0)
        require(false, err.text, input);
    if (cron_parse(text, &times.cron, &position, &err) < 0) {
        require(err.code == ERR_Configuration && *err.text, "a refusal without words", input);
        require(position <= strlen(text), "a refusal without a place", input);
        require(!utf8_is_valid(bytes_text(text)) || utf8_is_valid(bytes_text(err.text)),
                "words that are not UTF-8", input);
        return;
    }
    times.zone = zone;
    check_cron(&times.cron, input);
    check_times(&times, input);
}

/* Names at random are hardly ever there: looking for the nearest reads the whole database. */
static void try_zone(const char *text, struct bytes input)
{
    struct zone *zone = NULL;
    struct err err = {0};

    if (zone_open(text, &zone, &err) < 0)
        require(!zone && err.code == ERR_Configuration && *err.text, "a zone without words", input);
    zone_destroy(&zone);
}

static void try_file(struct bytes input)
{
    struct zone_changes changes;

    if (tzif_read(input, &changes))
        require(changes.count == 0 && !changes.at, "a refusal with changes", input);
    for (u32 i = 1; i < changes.count; i++)
        require(changes.at[i] > changes.at[i - 1] && changes.offsets[i] != changes.offsets[i - 1],
                "no change", input);
    zone_changes_release(&changes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* copies of exactly this size, so that a sanitizer sees a read too far */
    u8 *copy = memory_or_die(size);
    struct bytes input = bytes_of(copy, size);
    char *text;

    if (size)
        memcpy(copy, data, size);
    text = text_of_bytes(input);
    if (size > 4 && memcmp(data, "TZif", 4) == 0)
        try_file(input);
    else if (size > 0 && data[0] == 'Z')
        try_zone(text + 1, input);
    else
        try_schedule(text, input);
    free(text);
    free(copy);
    return 0;
}

#ifndef SYNCLINE_LIBFUZZER

struct corpus {
    struct buf files[64];
    u32 count;
};

static void load_file(struct corpus *corpus, const char *path)
{
    struct buf *file = &corpus->files[corpus->count % COUNT_OF(corpus->files)];
    FILE *in = fopen(path, "r");

    if (!in)
        return;
    file->size = fread(buf_reserve(file, 1 << 16), 1, 1 << 16, in);
    fclose(in);
    corpus->count++;
}

/* In the order of their names, so that a seed is one run; and a file of the zone database. */
static void load(struct corpus *corpus)
{
    struct dirent **entries = NULL;
    int count = scandir(CORPUS, &entries, NULL, alphasort);
    char path[512];

    for (int i = 0; i < count; i++) {
        snprintf(path, sizeof path, CORPUS "/%s", entries[i]->d_name);
        if (entries[i]->d_name[0] != '.')
            load_file(corpus, path);
        free(entries[i]);
    }
    free(entries);
    require(corpus->count > 0 && corpus->count < COUNT_OF(corpus->files),
            "no files in " CORPUS " (from the top of the tree), or too many", bytes_text(""));
    load_file(corpus, "/usr/share/zoneinfo/Asia/Gaza");
}

static void mutate(u64 *state, struct buf *input)
{
    static const char *const pieces[] = {"*",    "/",    "-",        ",",       " ",
                                         "0",    "1",    "7",        "5",       "60",
                                         "31",   "2",    "SUN",      "feb",     "*/2",
                                         "1-5",  "@",    "29",       "1,2",     "\t",
                                         "?",    "1h",   "@every ",  "-1",      "*/99999999999",
                                         "\x01", "\xff", "\xc3\xa9", "FRI-SUN", "="};

    for (u64 i = random_next(state) % 4; i > 0 && input->size > 0; i--) {
        size_t at = random_next(state) % input->size, size;
        const char *piece = pieces[random_next(state) % COUNT_OF(pieces)];

        switch (random_next(state) % 5) {
        case 0:
            input->data[at] ^= (u8)(1u << random_next(state) % 8);
            break;
        case 1: /* a run is taken out */
            size = 1 + random_next(state) % 4;
            size = size < input->size - at ? size : input->size - at;
            memmove(input->data + at, input->data + at + size, input->size - at - size);
            input->size -= size;
            break;
        default:
            size = strlen(piece);
            buf_reserve(input, size);
            memmove(input->data + at + size, input->data + at, input->size - at);
            memcpy(input->data + at, piece, size);
            input->size += size;
            break;
        }
    }
}

int main(int argc, char **argv)
{
    u64 rounds = argc > 1 ? strtoull(argv[1], NULL, 0) : 600000;
    u64 seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
    struct corpus corpus = {0};
    struct buf input = {0};
    u64 state = seed;

    printf("fuzz cron: %llu rounds, seed %llu\n", (unsigned long long)rounds,
           (unsigned long long)seed);
    fflush(stdout);
    load(&corpus);
    for (u64 i = 0; i < rounds; i++) {
        const struct buf *file = &corpus.files[random_next(&state) % corpus.count];

        buf_clear(&input);
        if (random_next(&state) % 2048 == 0)
            buf_append_text(&input, "ZEurope/Berlin");
        else
            buf_append(&input, file->data, file->size);
        mutate(&state, &input);
        LLVMFuzzerTestOneInput(input.data, input.size);
    }
    for (u32 i = 0; i < corpus.count; i++)
        buf_release(&corpus.files[i]);
    buf_release(&input);
    return 0;
}

#endif
