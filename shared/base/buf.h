/* buf.h: a growable run of bytes that owns its memory.
 *
 * Zero-initialise, append, release. Allocation failure ends the process (see `memory_or_die`): the
 * limits of schema/limits.h bound every buffer, so that running out means a broken machine, and
 * kill -9 at any instant is survived by design. */
#ifndef SYNCLINE_BASE_BUF_H
#define SYNCLINE_BASE_BUF_H

#include "base/types.h"

struct buf {
    u8 *data;
    size_t size;
    size_t capacity;
};

void buf_append(struct buf *buf, const void *data, size_t size);
void buf_append_text(struct buf *buf, const char *text);
void buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Makes room for `size` more bytes and returns where they go; the caller adds to buf->size. */
u8 *buf_reserve(struct buf *buf, size_t size);
void buf_clear(struct buf *buf);   /* keeps the memory */
void buf_release(struct buf *buf); /* gives it back; the buffer can be used again */
/* NUL-terminates without counting the NUL, and returns the text; borrowed until the next append. */
const char *buf_text(struct buf *buf);

static inline struct bytes buf_bytes(const struct buf *buf)
{
    return bytes_of(buf->data, buf->size);
}

/* malloc, realloc and strdup that do not return NULL. */
void *memory_or_die(size_t size); /* zeroed */
void *memory_resize_or_die(void *memory, size_t size);
char *text_copy(const char *text);
/* A NUL-terminated copy of a run of bytes. */
char *text_of_bytes(struct bytes bytes);

#endif
