/* types.h: the few plain types that every layer shares. No functions with state, no ownership. */
#ifndef SYNCLINE_BASE_TYPES_H
#define SYNCLINE_BASE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t s32;
typedef int64_t s64;

/* A borrowed run of bytes: a name, a path, a message frame. Never NUL-terminated by promise. Paths
 * are relative to an asset's root, without leading, trailing or doubled slashes; the root is "". */
struct bytes {
    const u8 *data;
    size_t size;
};

static inline struct bytes bytes_of(const void *data, size_t size)
{
    return (struct bytes){.data = data, .size = size};
}

static inline struct bytes bytes_text(const char *text)
{
    return (struct bytes){.data = (const u8 *)text, .size = text ? strlen(text) : 0};
}

static inline bool bytes_equal(struct bytes a, struct bytes b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#define NS_PER_MS 1000000LL
#define NS_PER_S 1000000000LL

#endif
