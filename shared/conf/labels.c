/* labels.c: see labels.h. */
#include "conf/labels.h"

#include "conf/conf.h"

#define PREFIX_MAX 253u

static bool is_alphanumeric(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9');
}

/* 1 to 63 letters, digits and `others`, the first and the last neither of these. */
static bool is_word(struct bytes word, const char *others)
{
    if (word.size == 0 || word.size > DEFINITION_NAME_MAX)
        return false;
    for (size_t i = 0; i < word.size; i++) {
        char byte = (char)word.data[i];
        bool end = i == 0 || i == word.size - 1;

        if (!is_alphanumeric(byte) && (end || !byte || !strchr(others, byte)))
            return false;
    }
    return true;
}

static bool has_capitals(struct bytes text)
{
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] >= 'A' && text.data[i] <= 'Z')
            return true;
    return false;
}

static bool is_dns_label(struct bytes text)
{
    return is_word(text, "-") && !has_capitals(text);
}

bool definition_name_is_valid(const char *name)
{
    return is_dns_label(bytes_text(name));
}

static bool is_dns_name(struct bytes text)
{
    if (text.size > PREFIX_MAX)
        return false;
    for (;;) {
        const u8 *dot = text.size ? memchr(text.data, '.', text.size) : NULL;
        size_t size = dot ? (size_t)(dot - text.data) : text.size;

        if (!is_dns_label(bytes_of(text.data, size)))
            return false;
        if (!dot)
            return true;
        text = bytes_of(dot + 1, text.size - size - 1);
    }
}

bool label_key_is_valid(const char *key)
{
    const char *slash = strchr(key, '/');

    if (!slash)
        return is_word(bytes_text(key), "-_.");
    return is_dns_name(bytes_of(key, (size_t)(slash - key))) &&
           is_word(bytes_text(slash + 1), "-_.");
}

bool label_value_is_valid(const char *value)
{
    return !*value || is_word(bytes_text(value), "-_.");
}
