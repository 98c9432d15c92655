/* wire_message.c: every message and record of schema/messages.def, there and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/random.h"
#include "wire/message.h"

#include <stdlib.h>

/* Values of every width, so that each length of encoding occurs. */
static u64 seed;

static u64 any(void)
{
    return random_next(&seed) >> random_next(&seed) % 64;
}

static struct bytes any_run(bool text)
{
    static u8 pools[2][300];
    u8 *pool = pools[text];
    size_t size = random_next(&seed) % sizeof pools[0];

    for (size_t i = 0; i < sizeof pools[0]; i++)
        pool[i] = text ? (u8)('a' + i % 26) : (u8)(i * 7);
    return bytes_of(pool, size);
}

static void fill_u32(u32 *field)
{
    *field = (u32)any();
}

static void fill_u64(u64 *field)
{
    *field = any();
}

static void fill_s64(s64 *field)
{
    *field = (s64)(any() >> 1) * (any() % 2 ? 1 : -1);
}

static void fill_text(struct bytes *field)
{
    *field = any_run(true);
}

static void fill_bin(struct bytes *field)
{
    *field = any_run(false);
}

static void same_u32(u32 a, u32 b)
{
    assert_int_equal(a, b);
}

static void same_u64(u64 a, u64 b)
{
    assert_true(a == b);
}

static void same_s64(s64 a, s64 b)
{
    assert_true(a == b);
}

static void same_text(struct bytes a, struct bytes b)
{
    assert_true(bytes_equal(a, b));
}

static void same_bin(struct bytes a, struct bytes b)
{
    assert_true(bytes_equal(a, b));
}

/* One message of each kind, with any values. */
static void fill_message(struct message *message, u32 kind)
{
    message->kind = kind;
    switch (kind) {
#define F(type, name, key, text) fill_##type(&m->name);
#define MSG(name, id, text, fields)                                                                \
    case MSG_##name: {                                                                             \
        struct msg_##name *m = &message->name;                                                     \
        fields break;                                                                              \
    }
#define REC(name, text, fields)
#include "schema/messages.def"
#undef MSG
#undef REC
#undef F
    default:
        fail();
    }
}

static void compare_messages(const struct message *a, const struct message *b)
{
    assert_int_equal(a->kind, b->kind);
    switch (a->kind) {
#define F(type, name, key, text) same_##type(x->name, y->name);
#define MSG(name, id, text, fields)                                                                \
    case MSG_##name: {                                                                             \
        const struct msg_##name *x = &a->name, *y = &b->name;                                      \
        fields break;                                                                              \
    }
#define REC(name, text, fields)
#include "schema/messages.def"
#undef MSG
#undef REC
#undef F
    default:
        fail();
    }
}

static const u32 kinds[] = {
#define MSG(name, id, text, fields) MSG_##name,
#define REC(name, text, fields)
#include "schema/messages.def"
#undef MSG
#undef REC
};

/* Goal: every message comes back as it was.
 * Method: many times with values of every size; it can be printed, too. */
static void messages_round_trip(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        for (int round = 0; round < 200; round++) {
            struct message sent, got;
            struct buf frame = {0}, text = {0};
            struct err err;

            fill_message(&sent, kinds[i]);
            message_encode(&sent, &frame);
            if (message_decode(buf_bytes(&frame), &got, &err) < 0)
                fail_msg("%s: %s", message_kind_name(kinds[i]), err.text);
            compare_messages(&sent, &got);
            message_print(&got, &text);
            assert_memory_equal(text.data, message_kind_name(kinds[i]),
                                strlen(message_kind_name(kinds[i])));
            buf_release(&frame);
            buf_release(&text);
        }
    }
}

/* Goal: a message that breaks off, or goes on, is refused wherever it does.
 * Method: each message cut at each byte, in memory of exactly that size; one byte more. */
static void refuses_truncation(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        struct message message;
        struct buf frame = {0};
        struct err err;

        fill_message(&message, kinds[i]);
        message_encode(&message, &frame);
        for (size_t size = 0; size < frame.size; size++) {
            u8 *cut = malloc(size ? size : 1);

            memcpy(cut, frame.data, size);
            assert_int_equal(message_decode(bytes_of(cut, size), &message, &err), -1);
            assert_int_equal(err.code, ERR_Protocol);
            free(cut);
        }
        buf_append(&frame, "\xc0", 1);
        assert_int_equal(message_decode(buf_bytes(&frame), &message, &err), -1);
        buf_release(&frame);
    }
}

static int decode(const u8 *bytes, size_t size, struct message *out, struct err *err)
{
    return message_decode(bytes_of(bytes, size), out, err);
}

#define DECODE(...)                                                                                \
    decode((const u8[]){__VA_ARGS__}, sizeof((const u8[]){__VA_ARGS__}), &message, &err)

/* Goal: unknown fields are skipped; missing, doubled and mistyped ones are refused, unknown kinds
 * too.
 * Method: messages written by hand. */
static void tolerates_only_the_unknown(void **state)
{
    struct message message;
    struct err err;

    (void)state;
    assert_int_equal(DECODE(0x92, 0x03, 0x82, 0, 7, 1, 0xa1, 'x'), 0);
    assert_int_equal(message.kind, MSG_refused);
    assert_int_equal(message.refused.code, 7);
    assert_int_equal(DECODE(0x92, 0x03, 0x83, 0, 7, 40, 0x92, 1, 2, 1, 0xa1, 'x'), 0);
    assert_int_equal(DECODE(0x92, 0x03, 0x84, 0, 7, 0xcd, 1, 0, 0xc0, 0xcd, 1, 1, 0xc0, 1, 0xa0),
                     0);
    assert_int_equal(DECODE(0x92, 0x03, 0x82, 1, 0xa1, 'x', 0, 7), 0); /* in any order */
    assert_int_equal(DECODE(0x92, 0x03, 0x81, 0, 7), -1);
    assert_non_null(strstr(err.text, "1 of 2 fields are missing"));
    assert_int_equal(DECODE(0x92, 0x03, 0x82, 0, 7, 0, 7), -1);
    assert_int_equal(DECODE(0x92, 0x03, 0x83, 0, 7, 1, 0xa0, 0, 7), -1);
    assert_int_equal(DECODE(0x92, 0x03, 0x82, 0, 0xa0, 1, 0xa0), -1);
    assert_int_equal(DECODE(0x92, 0x03, 0x82, 0, 0xff, 1, 0xa0), -1);
    assert_int_equal(DECODE(0x92, 0x03, 0x82, 0xa0, 7, 1, 0xa0), -1);
    assert_int_equal(DECODE(0x92, 0x7e, 0x80), -1);
    assert_non_null(strstr(err.text, "unknown message 0x7e"));
    assert_int_equal(DECODE(0x92, 0x00, 0x80), -1);
    assert_int_equal(DECODE(0x93, 0x03, 0x80, 0x80), -1);
    assert_int_equal(DECODE(0x91, 0x03), -1);
    assert_int_equal(DECODE(0xdd, 0x0f, 0xff, 0xff, 0xff), -1);
    assert_int_equal(message_decode(bytes_of(NULL, 0), &message, &err), -1);
}

/* Goal: an error about a file whose name is no UTF-8 reaches the planner.
 * Method: such a text in a message and in a record. */
static void carries_any_text(void **state)
{
    struct message message = {.kind = MSG_refused}, got;
    struct rec_proven proven = {.message = bytes_text("caf\xe9: no"), .code = 1}, got_proven;
    struct frame_writer writer;
    struct frame_reader reader;
    struct buf frame = {0};
    struct err err;

    (void)state;
    message.refused.reason = bytes_text("caf\xe9: no");
    message_encode(&message, &frame);
    assert_int_equal(message_decode(buf_bytes(&frame), &got, &err), 0);
    assert_true(bytes_equal(got.refused.reason, bytes_text("caf\\xe9: no")));
    buf_clear(&frame);
    frame_begin(&writer, &frame);
    frame_add_proven(&writer, &proven);
    frame_end(&writer);
    assert_int_equal(frame_open(&reader, buf_bytes(&frame), &err), 0);
    assert_int_equal(frame_next_proven(&reader, &got_proven, &err), 1);
    assert_true(bytes_equal(got_proven.message, bytes_text("caf\\xe9: no")));
    buf_release(&frame);
}

/* Goal: a header over its limit is refused before it is looked at.
 * Method: a valid message with a text of MESSAGE_MAX bytes. */
static void refuses_oversize(void **state)
{
    struct message message = {.kind = MSG_refused};
    u8 *text = malloc(MESSAGE_MAX);
    struct buf frame = {0};
    struct err err;

    (void)state;
    memset(text, 'x', MESSAGE_MAX);
    message.refused.reason = bytes_of(text, MESSAGE_MAX);
    message_encode(&message, &frame);
    assert_int_equal(message_decode(buf_bytes(&frame), &message, &err), -1);
    assert_int_equal(err.code, ERR_Protocol);
    buf_release(&frame);
    free(text);
}

/* Goal: the bytes on the wire do not change unnoticed: programs of two builds may meet.
 * Method: a whole message and a frame, written down here. */
static void golden_bytes(void **state)
{
    static const u8 wanted[] = {0x92, 0x46, 0x84, 0x00, 0x07, 0x01, 0xce, 0x65,
                                0x00, 0x00, 0x00, 0x02, 0xcd, 0x01, 0x2c, 0x03,
                                0xa6, 'd',  'i',  'r',  ':',  '/',  'd'};
    static const u8 wanted_frame[] = {0xdd, 0, 0, 0, 2, 0x92, 0xc4, 1, 'a', 0x02, 0x92, 0xc4, 0, 0};
    struct message message = {.kind = MSG_settle};
    struct rec_dir dirs[] = {{.path = {(const u8 *)"a", 1}, .replaces = 2}, {.path = {NULL, 0}}};
    struct frame_writer writer;
    struct buf frame = {0};

    (void)state;
    message.settle = (struct msg_settle){
        .job = 7, .epoch = 0x65000000, .sequence = 300, .destination = bytes_text("dir:/d")};
    message_encode(&message, &frame);
    assert_int_equal(frame.size, sizeof wanted);
    assert_memory_equal(frame.data, wanted, sizeof wanted);
    buf_clear(&frame);
    frame_begin(&writer, &frame);
    for (size_t i = 0; i < COUNT_OF(dirs); i++)
        frame_add_dir(&writer, &dirs[i]);
    frame_end(&writer);
    assert_int_equal(frame.size, sizeof wanted_frame);
    assert_memory_equal(frame.data, wanted_frame, sizeof wanted_frame);
    buf_release(&frame);
}

#define F(type, name, key, text) fill_##type(&records[i].name);
#define MSG(name, id, text, fields)
#define REC(name, text, fields)                                                                    \
    static void fill_records_##name(struct rec_##name *records, u32 count)                         \
    {                                                                                              \
        for (u32 i = 0; i < count; i++) {                                                          \
            fields                                                                                 \
        }                                                                                          \
    }
#include "schema/messages.def"
#undef REC
#undef F

#define F(type, name, key, text) same_##type(got.name, records[i].name);
#define REC(name, text, fields)                                                                    \
    static void check_##name(void)                                                                 \
    {                                                                                              \
        struct rec_##name records[20], got;                                                        \
        struct frame_writer writer;                                                                \
        struct frame_reader reader;                                                                \
        struct buf frame = {0};                                                                    \
        struct err err;                                                                            \
                                                                                                   \
        fill_records_##name(records, 20);                                                          \
        frame_begin(&writer, &frame);                                                              \
        for (u32 i = 0; i < 20; i++)                                                               \
            frame_add_##name(&writer, &records[i]);                                                \
        frame_end(&writer);                                                                        \
        assert_int_equal(frame_open(&reader, buf_bytes(&frame), &err), 0);                         \
        for (u32 i = 0; i < 20; i++) {                                                             \
            assert_int_equal(frame_next_##name(&reader, &got, &err), 1);                           \
            fields                                                                                 \
        }                                                                                          \
        assert_int_equal(frame_next_##name(&reader, &got, &err), 0);                               \
        for (size_t size = 0; size < frame.size; size++) {                                         \
            int more = frame_open(&reader, bytes_of(frame.data, size), &err) < 0 ? -1 : 1;         \
                                                                                                   \
            while (more > 0)                                                                       \
                more = frame_next_##name(&reader, &got, &err);                                     \
            assert_int_equal(more, -1);                                                            \
        }                                                                                          \
        buf_release(&frame);                                                                       \
    }
#include "schema/messages.def"
#undef REC
#undef F

/* Goal: every record comes back as it was, and a frame that breaks off is refused.
 * Method: twenty of each kind; the frame cut at each byte. */
static void records_round_trip(void **state)
{
    (void)state;
#define REC(name, text, fields) check_##name();
#include "schema/messages.def"
#undef REC
}
#undef MSG

/* Goal: records may grow, not shrink; nothing may follow the last.
 * Method: frames written by hand. */
static void records_may_grow(void **state)
{
    static const u8 grown[] = {0x91, 0x94, 0xc4, 1, 'a', 0, 0x92, 1, 2, 0xc0};
    static const u8 shrunk[] = {0x91, 0x91, 0xc4, 1, 'a'};
    static const u8 followed[] = {0x91, 0x92, 0xc4, 1, 'a', 0, 0xc0};
    struct frame_reader reader;
    struct rec_dir dir;
    struct err err;

    (void)state;
    assert_int_equal(frame_open(&reader, bytes_of(grown, sizeof grown), &err), 0);
    assert_int_equal(frame_next_dir(&reader, &dir, &err), 1);
    assert_int_equal(frame_next_dir(&reader, &dir, &err), 0);
    assert_int_equal(frame_open(&reader, bytes_of(shrunk, sizeof shrunk), &err), 0);
    assert_int_equal(frame_next_dir(&reader, &dir, &err), -1);
    assert_int_equal(frame_open(&reader, bytes_of(followed, sizeof followed), &err), 0);
    assert_int_equal(frame_next_dir(&reader, &dir, &err), 1);
    assert_int_equal(frame_next_dir(&reader, &dir, &err), -1);
    assert_int_equal(frame_open(&reader, bytes_of(NULL, 0), &err), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_round_trip),        cmocka_unit_test(refuses_truncation),
        cmocka_unit_test(tolerates_only_the_unknown), cmocka_unit_test(carries_any_text),
        cmocka_unit_test(refuses_oversize),           cmocka_unit_test(golden_bytes),
        cmocka_unit_test(records_round_trip),         cmocka_unit_test(records_may_grow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
