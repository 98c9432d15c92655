/* cursor.c: see cursor.h. Each value begins with a tag byte; lengths are big-endian. */
#include "wire/cursor.h"

#include "base/names.h"
#include "schema/limits.h"

static int truncated(struct err *err)
{
    return err_set(err, ERR_Protocol, "a message ends in the middle of a value");
}

static int unexpected(struct err *err, u8 tag, const char *wanted)
{
    return err_set(err, ERR_Protocol, "a message has tag 0x%02x where %s is expected", tag, wanted);
}

static size_t left(const struct cursor *cursor)
{
    return (size_t)(cursor->end - cursor->at);
}

static int take_tag(struct cursor *cursor, u8 *tag, struct err *err)
{
    if (left(cursor) < 1)
        return truncated(err);
    *tag = *cursor->at++;
    return 0;
}

static int take_integer(struct cursor *cursor, size_t size, u64 *out, struct err *err)
{
    u64 value = 0;

    if (left(cursor) < size)
        return truncated(err);
    for (size_t i = 0; i < size; i++)
        value = value << 8 | *cursor->at++;
    *out = value;
    return 0;
}

/* Reads the count of a container; each element takes at least `least` bytes, so more of them than
 * bytes are left is a lie. */
static int take_count(struct cursor *cursor, size_t size, size_t least, u32 *out, struct err *err)
{
    u64 count;

    if (take_integer(cursor, size, &count, err) < 0)
        return -1;
    if (count > left(cursor) / least)
        return err_set(err, ERR_Protocol, "a message claims %llu elements in %zu bytes",
                       (unsigned long long)count, left(cursor));
    *out = (u32)count;
    return 0;
}

static int take_small_count(struct cursor *cursor, u32 count, size_t least, u32 *out,
                            struct err *err)
{
    if (count > left(cursor) / least)
        return err_set(err, ERR_Protocol, "a message claims %u elements in %zu bytes", count,
                       left(cursor));
    *out = count;
    return 0;
}

int cursor_array(struct cursor *cursor, u32 *count, struct err *err)
{
    u8 tag;

    if (take_tag(cursor, &tag, err) < 0)
        return -1;
    if ((tag & 0xf0) == 0x90)
        return take_small_count(cursor, tag & 15, 1, count, err);
    if (tag == 0xdc || tag == 0xdd)
        return take_count(cursor, tag == 0xdc ? 2 : 4, 1, count, err);
    return unexpected(err, tag, "an array");
}

int cursor_map(struct cursor *cursor, u32 *count, struct err *err)
{
    u8 tag;

    if (take_tag(cursor, &tag, err) < 0)
        return -1;
    if ((tag & 0xf0) == 0x80)
        return take_small_count(cursor, tag & 15, 2, count, err);
    if (tag == 0xde || tag == 0xdf)
        return take_count(cursor, tag == 0xde ? 2 : 4, 2, count, err);
    return unexpected(err, tag, "a map");
}

int cursor_u64(struct cursor *cursor, u64 *out, struct err *err)
{
    u8 tag;

    if (take_tag(cursor, &tag, err) < 0)
        return -1;
    if (tag < 0x80) {
        *out = tag;
        return 0;
    }
    if (tag >= 0xcc && tag <= 0xcf)
        return take_integer(cursor, (size_t)1 << (tag - 0xcc), out, err);
    return unexpected(err, tag, "an unsigned integer");
}

int cursor_u32(struct cursor *cursor, u32 *out, struct err *err)
{
    u64 value;

    if (cursor_u64(cursor, &value, err) < 0)
        return -1;
    if (value > UINT32_MAX)
        return err_set(err, ERR_Protocol, "a message has %llu where 32 bits are expected",
                       (unsigned long long)value);
    *out = (u32)value;
    return 0;
}

int cursor_s64(struct cursor *cursor, s64 *out, struct err *err)
{
    u64 value;
    u8 tag;

    if (left(cursor) < 1)
        return truncated(err);
    tag = *cursor->at;
    if (tag >= 0xe0) {
        cursor->at++;
        *out = (s64)tag - 256;
        return 0;
    }
    if (tag >= 0xd0 && tag <= 0xd3) {
        size_t size = (size_t)1 << (tag - 0xd0);

        cursor->at++;
        if (take_integer(cursor, size, &value, err) < 0)
            return -1;
        if (size < 8 && value >> (size * 8 - 1))
            value |= ~0ull << (size * 8); /* sign extension */
        *out = (s64)value;
        return 0;
    }
    if (cursor_u64(cursor, &value, err) < 0)
        return -1;
    if (value > INT64_MAX)
        return err_set(err, ERR_Protocol, "a message has an integer beyond 63 bits");
    *out = (s64)value;
    return 0;
}

static int take_run(struct cursor *cursor, u64 size, struct bytes *out, struct err *err)
{
    if (size > left(cursor))
        return truncated(err);
    *out = bytes_of(cursor->at, (size_t)size);
    cursor->at += size;
    return 0;
}

int cursor_text(struct cursor *cursor, struct bytes *out, struct err *err)
{
    u64 size;
    u8 tag;

    if (take_tag(cursor, &tag, err) < 0)
        return -1;
    if ((tag & 0xe0) == 0xa0)
        size = tag & 31;
    else if (tag < 0xd9 || tag > 0xdb)
        return unexpected(err, tag, "text");
    else if (take_integer(cursor, (size_t)1 << (tag - 0xd9), &size, err) < 0)
        return -1;
    if (take_run(cursor, size, out, err) < 0)
        return -1;
    if (!utf8_is_valid(*out))
        return err_set(err, ERR_Protocol, "a message has text that is not UTF-8");
    return 0;
}

int cursor_bin(struct cursor *cursor, struct bytes *out, struct err *err)
{
    u64 size;
    u8 tag;

    if (take_tag(cursor, &tag, err) < 0)
        return -1;
    if (tag < 0xc4 || tag > 0xc6)
        return unexpected(err, tag, "bytes");
    if (take_integer(cursor, (size_t)1 << (tag - 0xc4), &size, err) < 0)
        return -1;
    return take_run(cursor, size, out, err);
}

static int skip_run(struct cursor *cursor, size_t length_size, size_t extra, struct err *err)
{
    struct bytes run;
    u64 size = 0;

    if (length_size && take_integer(cursor, length_size, &size, err) < 0)
        return -1;
    return take_run(cursor, size + extra, &run, err);
}

static int skip_nested(struct cursor *cursor, int depth, struct err *err);

static int skip_elements(struct cursor *cursor, bool map, int depth, struct err *err)
{
    u32 count;

    if ((map ? cursor_map : cursor_array)(cursor, &count, err) < 0)
        return -1;
    for (u64 i = 0; i < (u64)count * (map ? 2 : 1); i++)
        if (skip_nested(cursor, depth + 1, err) < 0)
            return -1;
    return 0;
}

static int skip_nested(struct cursor *cursor, int depth, struct err *err)
{
    u8 tag;

    if (depth > WIRE_DEPTH)
        return err_set(err, ERR_Protocol, "a message is nested more than %d deep", WIRE_DEPTH);
    if (left(cursor) < 1)
        return truncated(err);
    tag = *cursor->at;
    if ((tag & 0xf0) == 0x80 || tag == 0xde || tag == 0xdf)
        return skip_elements(cursor, true, depth, err);
    if ((tag & 0xf0) == 0x90 || tag == 0xdc || tag == 0xdd)
        return skip_elements(cursor, false, depth, err);
    cursor->at++;
    if (tag < 0x80 || tag >= 0xe0 || tag == 0xc0 || tag == 0xc2 || tag == 0xc3)
        return 0;
    if ((tag & 0xe0) == 0xa0)
        return skip_run(cursor, 0, tag & 31, err);
    if (tag >= 0xc4 && tag <= 0xc6)
        return skip_run(cursor, (size_t)1 << (tag - 0xc4), 0, err);
    if (tag >= 0xc7 && tag <= 0xc9)
        return skip_run(cursor, (size_t)1 << (tag - 0xc7), 1, err);
    if (tag == 0xca || tag == 0xcb)
        return skip_run(cursor, 0, tag == 0xca ? 4 : 8, err);
    if (tag >= 0xcc && tag <= 0xd3)
        return skip_run(cursor, 0, (size_t)1 << ((tag - 0xcc) & 3), err);
    if (tag >= 0xd4 && tag <= 0xd8)
        return skip_run(cursor, 0, ((size_t)1 << (tag - 0xd4)) + 1, err);
    if (tag >= 0xd9 && tag <= 0xdb)
        return skip_run(cursor, (size_t)1 << (tag - 0xd9), 0, err);
    return unexpected(err, tag, "a value");
}

int cursor_skip(struct cursor *cursor, struct err *err)
{
    return skip_nested(cursor, 1, err);
}

int cursor_end(const struct cursor *cursor, struct err *err)
{
    if (left(cursor) != 0)
        return err_set(err, ERR_Protocol, "a message has %zu bytes too many", left(cursor));
    return 0;
}
