/* names.c: see names.h. UTF-8 by RFC 3629: no overlong forms, no surrogates, at most U+10FFFF. */
#include "base/names.h"

#include "schema/limits.h"

bool name_is_valid(struct bytes name)
{
    if (name.size == 0 || name.size > NAME_BYTES)
        return false;
    if (name.data[0] == '.' && (name.size == 1 || (name.size == 2 && name.data[1] == '.')))
        return false;
    return !memchr(name.data, '/', name.size) && !memchr(name.data, '\0', name.size);
}

bool path_is_valid(struct bytes path)
{
    size_t start = 0;

    if (path.size == 0)
        return true;
    if (path.size > PATH_BYTES)
        return false;
    for (size_t i = 0; i <= path.size; i++) {
        if (i < path.size && path.data[i] != '/')
            continue;
        if (!name_is_valid(bytes_of(path.data + start, i - start)))
            return false;
        start = i + 1;
    }
    return true;
}

bool path_is_within(struct bytes path, struct bytes ancestor)
{
    if (ancestor.size == 0)
        return true;
    if (path.size < ancestor.size || memcmp(path.data, ancestor.data, ancestor.size) != 0)
        return false;
    return path.size == ancestor.size || path.data[ancestor.size] == '/';
}

void path_join(struct buf *out, struct bytes parent, struct bytes name)
{
    if (parent.size > 0) {
        buf_append(out, parent.data, parent.size);
        buf_append(out, "/", 1);
    }
    buf_append(out, name.data, name.size);
}

u32 path_depth(struct bytes path)
{
    u32 depth = path.size > 0;

    for (size_t i = 0; i < path.size; i++)
        depth += path.data[i] == '/';
    return depth;
}

/* Length of the valid UTF-8 sequence at `at`, or 0. */
static size_t utf8_length(const u8 *at, size_t left)
{
    size_t length = at[0] < 0x80   ? 1
                    : at[0] < 0xc2 ? 0
                    : at[0] < 0xe0 ? 2
                    : at[0] < 0xf0 ? 3
                    : at[0] < 0xf5 ? 4
                                   : 0;

    if (length == 0 || length > left)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    if (at[0] == 0xe0 && at[1] < 0xa0)
        return 0;
    if (at[0] == 0xed && at[1] > 0x9f)
        return 0;
    if (at[0] == 0xf0 && at[1] < 0x90)
        return 0;
    if (at[0] == 0xf4 && at[1] > 0x8f)
        return 0;
    return length;
}

bool utf8_is_valid(struct bytes text)
{
    for (size_t i = 0; i < text.size;) {
        size_t length = utf8_length(text.data + i, text.size - i);

        if (length == 0)
            return false;
        i += length;
    }
    return true;
}

void name_escape(struct buf *out, struct bytes name)
{
    for (size_t i = 0; i < name.size;) {
        const u8 *at = name.data + i;
        size_t length = utf8_length(at, name.size - i);
        /* C0, DEL and C1 (0xc2 0x80…0x9f) would steer a terminal */
        bool control =
            at[0] < 0x20 || at[0] == 0x7f || (at[0] == 0xc2 && length == 2 && at[1] < 0xa0);

        if (at[0] == '\n')
            buf_append_text(out, "\\n");
        else if (at[0] == '\t')
            buf_append_text(out, "\\t");
        else if (at[0] == '\\' || at[0] == '"')
            buf_printf(out, "\\%c", at[0]);
        else if (length == 0 || control)
            buf_printf(out, "\\x%02x", at[0]);
        else
            buf_append(out, at, length);
        i += (length == 0 || control) ? 1 : length;
    }
}
