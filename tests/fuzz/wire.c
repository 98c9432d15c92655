/* wire.c: whatever bytes come, the decoders answer or refuse; they never read too far, never
 * reserve what a count claims, and what they accept can be encoded and decoded again to the same.
 *
 * With libFuzzer: clang -fsanitize=fuzzer,address -DSYNCLINE_LIBFUZZER … Without it, main runs
 * seeded mutations of one message of each kind: `wire [rounds [seed]]`. A failure aborts; the seed
 * is printed first. */
#include "base/random.h"
#include "wire/message.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "fuzz: %s\n", what);
    abort();
}

static void try_message(struct bytes input)
{
    struct buf first = {0}, second = {0};
    struct message message;
    struct err err;

    if (message_decode(input, &message, &err) == 0) {
        message_encode(&message, &first);
        require(message_decode(buf_bytes(&first), &message, &err) == 0, "own encoding is refused");
        message_encode(&message, &second);
        require(bytes_equal(buf_bytes(&first), buf_bytes(&second)), "encoding is not stable");
        buf_clear(&second);
        message_print(&message, &second);
    } else {
        require(err.code == ERR_Protocol, "a refusal without its code");
    }
    buf_release(&first);
    buf_release(&second);
}

#define MSG(name, id, text, fields)
#define REC(name, text, fields)                                                                    \
    static void try_##name(struct bytes input)                                                     \
    {                                                                                              \
        struct frame_reader reader;                                                                \
        struct rec_##name record;                                                                  \
        struct err err;                                                                            \
        int more = frame_open(&reader, input, &err) < 0 ? -1 : 1;                                  \
                                                                                                   \
        while (more > 0)                                                                           \
            more = frame_next_##name(&reader, &record, &err);                                      \
    }
#include "schema/messages.def"
#undef REC

/* The first byte says where the directories end and the items begin. */
static void try_batch(struct bytes input)
{
    struct buf dirs = {0}, items = {0};
    bool keep[BATCH_ITEMS];
    struct batch batch;
    struct err err;
    size_t cut;
    u64 bytes;

    if (input.size == 0)
        return;
    cut = 1 + input.data[0] % input.size;
    if (batch_decode(bytes_of(input.data + 1, cut - 1),
                     bytes_of(input.data + cut, input.size - cut), &batch, &err) < 0)
        return;
    for (u32 i = 0; i < batch.item_count; i++)
        keep[i] = (input.data[i % input.size] & 1) != 0;
    batch_select(&batch, keep, &dirs, &items, &bytes);
    batch_release(&batch);
    require(batch_decode(buf_bytes(&dirs), buf_bytes(&items), &batch, &err) == 0,
            "a selection of a good batch is refused");
    batch_release(&batch);
    buf_release(&dirs);
    buf_release(&items);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* a copy of exactly this size, so that a sanitizer sees a read too far */
    u8 *copy = memory_or_die(size);
    struct bytes input = bytes_of(copy, size);

    if (size)
        memcpy(copy, data, size);
    try_message(input);
#define REC(name, text, fields) try_##name(input);
#include "schema/messages.def"
#undef REC
    try_batch(input);
    free(copy);
    return 0;
}
#undef MSG

#ifndef SYNCLINE_LIBFUZZER

static const u32 kinds[] = {
#define MSG(name, id, text, fields) MSG_##name,
#define REC(name, text, fields)
#include "schema/messages.def"
#undef MSG
#undef REC
};

/* A message with nothing in it, a frame of items, or a batch: what mutations begin from. */
static void seed_input(u64 *state, struct buf *out)
{
    u64 choice = random_next(state) % (COUNT_OF(kinds) + 2);
    struct message message = {0};
    struct frame_writer writer;
    struct rec_dir dir = {.path = bytes_text("a/b")};
    struct rec_item item = {.name = bytes_text("name"),
                            .kind = 1,
                            .size = 77,
                            .inode = 5,
                            .target = bytes_text("a/leader"),
                            .target_inode = 6};

    buf_clear(out);
    if (choice < COUNT_OF(kinds)) {
        message.kind = kinds[choice];
        message_encode(&message, out);
        return;
    }
    if (choice == COUNT_OF(kinds)) {
        buf_append(out, "", 1);
        frame_begin(&writer, out);
        frame_add_dir(&writer, &dir);
        frame_end(&writer);
        out->data[0] = (u8)(out->size - 1); /* where the directories end */
    }
    frame_begin(&writer, out);
    for (u64 i = random_next(state) % 4; i > 0; i--) {
        item.operation = (u32)(random_next(state) % 6 + 1);
        frame_add_item(&writer, &item);
    }
    frame_end(&writer);
}

static void mutate(u64 *state, struct buf *input)
{
    static const u8 tags[] = {0xdd, 0xdf, 0xc6, 0xdb, 0xcf, 0xd3,
                              0x92, 0x82, 0xff, 0x00, 0x80, 0xc1};

    for (u64 i = random_next(state) % 6; i > 0 && input->size > 0; i--) {
        size_t at = random_next(state) % input->size;

        switch (random_next(state) % 5) {
        case 0:
            input->data[at] ^= (u8)(1u << random_next(state) % 8);
            break;
        case 1:
            input->data[at] = tags[random_next(state) % COUNT_OF(tags)];
            break;
        case 2:
            input->size = at;
            break;
        case 3:
            buf_append(input, tags, random_next(state) % sizeof tags);
            break;
        default:
            buf_reserve(input, input->size);
            memmove(input->data + at + 1, input->data + at, input->size++ - at);
            break;
        }
    }
}

int main(int argc, char **argv)
{
    u64 rounds = argc > 1 ? strtoull(argv[1], NULL, 0) : 200000;
    u64 seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
    u64 state = seed;
    struct buf input = {0};

    printf("fuzz wire: %llu rounds, seed %llu\n", (unsigned long long)rounds,
           (unsigned long long)seed);
    fflush(stdout);
    for (u64 i = 0; i < rounds; i++) {
        seed_input(&state, &input);
        mutate(&state, &input);
        LLVMFuzzerTestOneInput(input.data, input.size);
    }
    buf_release(&input);
    return 0;
}

#endif
