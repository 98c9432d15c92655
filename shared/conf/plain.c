/* plain.c: what a scalar without quotes is. The union of what YAML 1.1 and 1.2 say, as the same
 * file is read by editors and other programs too: what one of them takes for something else than a
 * text needs quotes. */
#include "conf/node.h"

#include <ctype.h>
#include <strings.h>

static bool is_one_of(const char *text, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcasecmp(text, words[i]) == 0)
            return true;
    return false;
}

/* Digits, and what may stand between them: 1_000, 12:30:00, 1.5, .5, 1e3, 1e-3; not 1.2.3. */
static bool is_decimal(const char *at)
{
    bool digits = false;
    u32 points = 0;

    if (!isdigit((unsigned char)at[*at == '.']))
        return false;
    for (; *at; at++) {
        if (isdigit((unsigned char)*at))
            digits = true;
        else if (*at == '.')
            points++;
        else if ((*at == 'e' || *at == 'E') && digits)
            break;
        else if (!digits || (*at != '_' && *at != ':'))
            return false;
    }
    if (points > 1 || !*at)
        return points <= 1;
    at++;
    at += *at == '+' || *at == '-';
    return *at && at[strspn(at, "0123456789")] == '\0';
}

static bool is_number(const char *text)
{
    static const char *const words[] = {".inf", ".nan"};
    const char *at = text + (*text == '+' || *text == '-');

    if (is_one_of(at, words, COUNT_OF(words)))
        return true;
    if (at[0] == '0' && strchr("xXoObB", at[1]) && at[1] && at[2])
        return at[2 + strspn(at + 2, "0123456789abcdefABCDEF_")] == '\0';
    return is_decimal(at);
}

/* 2024-01-31, with or without a time behind it. */
static bool is_date(const char *text)
{
    size_t year = strspn(text, "0123456789"), month, day;

    if (year != 4 || text[4] != '-')
        return false;
    month = strspn(text + 5, "0123456789");
    if (month < 1 || month > 2 || text[5 + month] != '-')
        return false;
    text += 6 + month;
    day = strspn(text, "0123456789");
    return day >= 1 && day <= 2 && (!text[day] || strchr("Tt \t", text[day]));
}

enum plain_kind plain_kind_of(const char *text)
{
    static const char *const nulls[] = {"", "~", "null"};
    static const char *const flags[] = {"true", "false", "yes", "no", "on", "off", "y", "n"};

    if (is_one_of(text, nulls, COUNT_OF(nulls)))
        return PLAIN_NULL;
    if (is_one_of(text, flags, COUNT_OF(flags)))
        return PLAIN_FLAG;
    if (is_number(text))
        return PLAIN_NUMBER;
    return is_date(text) ? PLAIN_DATE : PLAIN_TEXT;
}
