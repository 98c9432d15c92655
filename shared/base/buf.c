/* buf.c: see buf.h. Capacity doubles, so that n appends cost O(n). */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static void die(void)
{
    fputs("syncline: out of memory\n", stderr);
    abort();
}

void *memory_or_die(size_t size)
{
    void *memory = calloc(1, size ? size : 1);

    if (!memory)
        die();
    return memory;
}

void *memory_resize_or_die(void *memory, size_t size)
{
    void *moved = realloc(memory, size ? size : 1);

    if (!moved)
        die();
    return moved;
}

char *text_of_bytes(struct bytes bytes)
{
    char *text = memory_or_die(bytes.size + 1);

    if (bytes.size)
        memcpy(text, bytes.data, bytes.size);
    return text;
}

char *text_copy(const char *text)
{
    return text_of_bytes(bytes_text(text));
}

u8 *buf_reserve(struct buf *buf, size_t size)
{
    if (buf->capacity - buf->size < size) {
        size_t wanted = buf->capacity ? buf->capacity * 2 : 256;

        while (wanted - buf->size < size)
            wanted *= 2;
        buf->data = memory_resize_or_die(buf->data, wanted);
        buf->capacity = wanted;
    }
    return buf->data + buf->size;
}

void buf_append(struct buf *buf, const void *data, size_t size)
{
    if (size == 0)
        return;
    memcpy(buf_reserve(buf, size), data, size);
    buf->size += size;
}

void buf_append_text(struct buf *buf, const char *text)
{
    buf_append(buf, text, strlen(text));
}

void buf_printf(struct buf *buf, const char *format, ...)
{
    va_list arguments;
    int size;

    va_start(arguments, format);
    size = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (size < 0)
        return;
    va_start(arguments, format);
    vsnprintf((char *)buf_reserve(buf, (size_t)size + 1), (size_t)size + 1, format, arguments);
    va_end(arguments);
    buf->size += (size_t)size;
}

void buf_clear(struct buf *buf)
{
    buf->size = 0;
}

void buf_release(struct buf *buf)
{
    free(buf->data);
    *buf = (struct buf){0};
}

const char *buf_text(struct buf *buf)
{
    *buf_reserve(buf, 1) = '\0';
    return (const char *)buf->data;
}
