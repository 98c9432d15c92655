/* message.c: see message.h. schema/messages.def is included once for each thing that is made of it:
 * the packers, the readers, the printers. Packing by msgpack-c, reading by our own bounded cursor.
 */
#include "wire/message.h"

#include "base/names.h"

#include <assert.h>
#include <limits.h>
#include <msgpack.h>
#include <stdlib.h>

static int append(void *data, const char *bytes, size_t size)
{
    buf_append(data, bytes, size);
    return 0;
}

static void pack_u32(msgpack_packer *packer, u32 value)
{
    msgpack_pack_uint32(packer, value);
}

static void pack_u64(msgpack_packer *packer, u64 value)
{
    msgpack_pack_uint64(packer, value);
}

static void pack_s64(msgpack_packer *packer, s64 value)
{
    msgpack_pack_int64(packer, value);
}

/* Text of errors holds names of files, which may be any bytes, and may be cut in the middle of a
 * letter. A receiver refuses a message with text that is not UTF-8, so such text is escaped here.
 */
static void pack_text(msgpack_packer *packer, struct bytes value)
{
    struct buf escaped = {0};

    if (!utf8_is_valid(value)) {
        name_escape(&escaped, value);
        value = buf_bytes(&escaped);
    }
    msgpack_pack_str(packer, value.size);
    msgpack_pack_str_body(packer, value.data, value.size);
    buf_release(&escaped);
}

static void pack_bin(msgpack_packer *packer, struct bytes value)
{
    msgpack_pack_bin(packer, value.size);
    msgpack_pack_bin_body(packer, value.data, value.size);
}

/* ---- header frames ---- */

#define F(type, name, key, text) +1
static const struct {
    u32 id;
    u32 fields;
    const char *name;
} kinds[] = {
#define MSG(name, id, text, fields) {id, 0 fields, #name},
#define REC(name, text, fields)
#include "schema/messages.def"
#undef MSG
#undef REC
};
#undef F

static int kind_index(u32 kind)
{
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        if (kinds[i].id == kind)
            return (int)i;
    return -1;
}

const char *message_kind_name(u32 kind)
{
    int i = kind_index(kind);
    return i < 0 ? "unknown" : kinds[i].name;
}

void message_encode(const struct message *message, struct buf *out)
{
    msgpack_packer packer;
    int index = kind_index(message->kind);

    assert(index >= 0);
    msgpack_packer_init(&packer, out, append);
    msgpack_pack_array(&packer, 2);
    msgpack_pack_uint32(&packer, message->kind);
    msgpack_pack_map(&packer, kinds[index].fields);
    switch (message->kind) {
#define F(type, name, key, text)                                                                   \
    msgpack_pack_uint32(&packer, key);                                                             \
    pack_##type(&packer, m->name);
#define MSG(name, id, text, fields)                                                                \
    case MSG_##name: {                                                                             \
        const struct msg_##name *m = &message->name;                                               \
        fields break;                                                                              \
    }
#define REC(name, text, fields)
#include "schema/messages.def"
#undef MSG
#undef REC
#undef F
    default:
        break;
    }
}

/* Reads the value of one key; 1 known, 0 unknown (the caller skips it), -1 error. */
static int read_field(struct cursor *cursor, struct message *out, u32 key_read, struct err *err)
{
    switch (out->kind) {
#define F(type, name, key, text)                                                                   \
    if (key_read == (key))                                                                         \
        return cursor_##type(cursor, &m->name, err) < 0 ? -1 : 1;
#define MSG(name, id, text, fields)                                                                \
    case MSG_##name: {                                                                             \
        struct msg_##name *m = &out->name;                                                         \
        fields break;                                                                              \
    }
#define REC(name, text, fields)
#include "schema/messages.def"
#undef MSG
#undef REC
#undef F
    default:
        break;
    }
    return 0;
}

static int read_fields(struct cursor *cursor, struct message *out, u32 wanted, struct err *err)
{
    u32 count, key, seen = 0;
    u64 mask = 0;

    if (cursor_map(cursor, &count, err) < 0)
        return -1;
    for (u32 i = 0; i < count; i++) {
        int known;

        if (cursor_u32(cursor, &key, err) < 0)
            return -1;
        if (key < 64 && (mask >> key & 1))
            return err_set(err, ERR_Protocol, "field %u comes twice", key);
        known = read_field(cursor, out, key, err);
        if (known < 0)
            return err_context(err, "field %u", key);
        if (known == 0 && cursor_skip(cursor, err) < 0)
            return -1;
        if (key < 64)
            mask |= 1ull << key;
        seen += (u32)known;
    }
    if (seen != wanted)
        return err_set(err, ERR_Protocol, "%u of %u fields are missing", wanted - seen, wanted);
    return cursor_end(cursor, err);
}

int message_decode(struct bytes frame, struct message *out, struct err *err)
{
    struct cursor cursor = cursor_of(frame);
    u32 count;
    int index;

    memset(out, 0, sizeof *out);
    if (frame.size > MESSAGE_MAX)
        return err_set(err, ERR_Protocol, "a header frame of %zu bytes", frame.size);
    if (cursor_array(&cursor, &count, err) < 0)
        return -1;
    if (count != 2)
        return err_set(err, ERR_Protocol, "a message of %u parts where 2 are expected", count);
    if (cursor_u32(&cursor, &out->kind, err) < 0)
        return -1;
    index = kind_index(out->kind);
    if (index < 0)
        return err_set(err, ERR_Protocol, "an unknown message 0x%02x", out->kind);
    if (read_fields(&cursor, out, kinds[index].fields, err) < 0)
        return err_context(err, "message %s", kinds[index].name);
    return 0;
}

static void print_u32(struct buf *out, const char *name, u32 value)
{
    buf_printf(out, " %s=%u", name, value);
}

static void print_u64(struct buf *out, const char *name, u64 value)
{
    buf_printf(out, " %s=%llu", name, (unsigned long long)value);
}

static void print_s64(struct buf *out, const char *name, s64 value)
{
    buf_printf(out, " %s=%lld", name, (long long)value);
}

static void print_text(struct buf *out, const char *name, struct bytes value)
{
    buf_printf(out, " %s=\"", name);
    name_escape(out, value);
    buf_append_text(out, "\"");
}

static void print_bin(struct buf *out, const char *name, struct bytes value)
{
    print_text(out, name, value);
}

void message_print(const struct message *message, struct buf *out)
{
    buf_append_text(out, message_kind_name(message->kind));
    switch (message->kind) {
#define F(type, name, key, text) print_##type(out, #name, m->name);
#define MSG(name, id, text, fields)                                                                \
    case MSG_##name: {                                                                             \
        const struct msg_##name *m = &message->name;                                               \
        fields break;                                                                              \
    }
#define REC(name, text, fields)
#include "schema/messages.def"
#undef MSG
#undef REC
#undef F
    default:
        break;
    }
}

/* ---- body frames ---- */

void frame_begin(struct frame_writer *writer, struct buf *out)
{
    static const u8 head[5] = {0xdd};

    writer->out = out;
    writer->start = out->size;
    writer->count = 0;
    buf_append(out, head, sizeof head); /* array of 32-bit count, patched by frame_end */
}

void frame_end(struct frame_writer *writer)
{
    u8 *count = writer->out->data + writer->start + 1;

    for (int i = 0; i < 4; i++)
        count[i] = (u8)(writer->count >> (24 - 8 * i));
}

int frame_open(struct frame_reader *reader, struct bytes frame, struct err *err)
{
    reader->cursor = cursor_of(frame);
    reader->left = 0;
    if (frame.size > FRAME_MAX)
        return err_set(err, ERR_Protocol, "a body frame of %zu bytes", frame.size);
    return cursor_array(&reader->cursor, &reader->left, err);
}

static int begin_record(struct frame_reader *reader, u32 wanted, u32 *surplus, struct err *err)
{
    u32 count;

    if (reader->left == 0)
        return cursor_end(&reader->cursor, err) < 0 ? -1 : 0;
    reader->left--;
    if (cursor_array(&reader->cursor, &count, err) < 0)
        return -1;
    if (count < wanted)
        return err_set(err, ERR_Protocol, "a record of %u fields where %u are expected", count,
                       wanted);
    *surplus = count - wanted;
    return 1;
}

static int skip_surplus(struct cursor *cursor, u32 surplus, struct err *err)
{
    for (u32 i = 0; i < surplus; i++)
        if (cursor_skip(cursor, err) < 0)
            return -1;
    return 0;
}

#define MSG(name, id, text, fields)

#define F(type, name, key, text) +1
enum record_fields {
#define REC(name, text, fields) FIELDS_##name = 0 fields,
#include "schema/messages.def"
#undef REC
};
#undef F

#define F(type, name, key, text) pack_##type(&packer, record->name);
#define REC(name, text, fields)                                                                    \
    void frame_add_##name(struct frame_writer *writer, const struct rec_##name *record)            \
    {                                                                                              \
        msgpack_packer packer;                                                                     \
                                                                                                   \
        msgpack_packer_init(&packer, writer->out, append);                                         \
        msgpack_pack_array(&packer, FIELDS_##name);                                                \
        fields writer->count++;                                                                    \
    }
#include "schema/messages.def"
#undef REC
#undef F

#define F(type, name, key, text)                                                                   \
    if (cursor_##type(&reader->cursor, &out->name, err) < 0)                                       \
        return err_context(err, "field " #name);
#define REC(name, text, fields)                                                                    \
    int frame_next_##name(struct frame_reader *reader, struct rec_##name *out, struct err *err)    \
    {                                                                                              \
        u32 surplus = 0;                                                                           \
        int more = begin_record(reader, FIELDS_##name, &surplus, err);                             \
                                                                                                   \
        if (more <= 0)                                                                             \
            return more;                                                                           \
        fields return skip_surplus(&reader->cursor, surplus, err) < 0 ? -1 : 1;                    \
    }
#include "schema/messages.def"
#undef REC
#undef F
#undef MSG
