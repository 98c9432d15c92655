/* json.c: JSON is YAML but for one thing. A character beyond 16 bits may be written as two escapes,
 * \ud83d\ude00, of which YAML makes one, \U0001f600. They are written so before libyaml reads them,
 * and only in what is JSON as a whole, where nothing but a text has a backslash: lines are what
 * they were, and columns behind such a character are two less. */
#include "conf/node_internal.h"

#include <jansson.h>
#include <stdio.h>

#define ESCAPE_SIZE 6 /* \ud83d */

/* The 16 bits of the escape at `at`; -1 if there is none. */
static s32 escape_at(struct bytes text, size_t at)
{
    s32 value = 0;

    if (text.size - at < ESCAPE_SIZE || text.data[at] != '\\' || text.data[at + 1] != 'u')
        return -1;
    for (size_t i = at + 2; i < at + ESCAPE_SIZE; i++) {
        u8 c = text.data[i] | 0x20;
        s32 digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;

        if (digit < 0)
            return -1;
        value = value << 4 | digit;
    }
    return value;
}

/* The character of the pair of escapes at `at`; 0 if there is none. */
static u32 pair_at(struct bytes text, size_t at)
{
    s32 high = escape_at(text, at);
    s32 low = high >= 0xd800 && high <= 0xdbff ? escape_at(text, at + ESCAPE_SIZE) : -1;

    if (low < 0xdc00 || low > 0xdfff)
        return 0;
    return 0x10000 + ((u32)(high - 0xd800) << 10 | (u32)(low - 0xdc00));
}

static bool is_json(struct bytes text)
{
    json_t *value = json_loadb((const char *)text.data, text.size, JSON_ALLOW_NUL, NULL);
    bool is = value != NULL;

    json_decref(value);
    return is;
}

static bool has_pairs(struct bytes text)
{
    for (size_t at = 0; at < text.size; at++)
        if (text.data[at] == '\\' && pair_at(text, at))
            return true;
    return false;
}

struct bytes json_as_yaml(struct bytes text, struct buf *scratch)
{
    size_t at = 0;

    if (!has_pairs(text) || !is_json(text))
        return text;
    while (at < text.size) {
        u32 character = pair_at(text, at);
        size_t size = character               ? 2 * ESCAPE_SIZE
                      : text.data[at] == '\\' ? 2 /* and what it escapes, maybe a backslash */
                                              : 1;

        if (character)
            buf_printf(scratch, "\\U%08x", character);
        else
            buf_append(scratch, text.data + at, size);
        at += size;
    }
    return buf_bytes(scratch);
}
