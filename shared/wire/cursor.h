/* cursor.h: a bounded reader of msgpack. It allocates nothing and believes nothing.
 *
 * Peers may send anything: a count larger than the bytes left, nesting beyond WIRE_DEPTH and
 * trailing bytes are refused before they cost anything. Runs of bytes are borrowed from the frame.
 * Format: https://github.com/msgpack/msgpack/blob/master/spec.md */
#ifndef SYNCLINE_WIRE_CURSOR_H
#define SYNCLINE_WIRE_CURSOR_H

#include "base/err.h"
#include "base/types.h"

struct cursor {
    const u8 *at;
    const u8 *end;
};

static inline struct cursor cursor_of(struct bytes bytes)
{
    return (struct cursor){.at = bytes.data,
                           .end = bytes.size ? bytes.data + bytes.size : bytes.data};
}

/* All return 0, or -1 with ERR_Protocol. */
int cursor_array(struct cursor *cursor, u32 *count, struct err *err);
int cursor_map(struct cursor *cursor, u32 *count, struct err *err);
int cursor_u32(struct cursor *cursor, u32 *out, struct err *err);
int cursor_u64(struct cursor *cursor, u64 *out, struct err *err);
int cursor_s64(struct cursor *cursor, s64 *out, struct err *err);
int cursor_text(struct cursor *cursor, struct bytes *out, struct err *err); /* str, valid UTF-8 */
int cursor_bin(struct cursor *cursor, struct bytes *out, struct err *err);
/* Skips one value of any type, nested at most WIRE_DEPTH deep. */
int cursor_skip(struct cursor *cursor, struct err *err);
int cursor_end(const struct cursor *cursor, struct err *err);

#endif
