/* select.c: selectors of labels: terms that all must hold. */
#include "conf/labels.h"

#include "conf/conf.h"
#include "conf/faults.h"

#include <stdlib.h>

#define SELECTOR_BYTES 4096u

enum comparison {
    COMPARE_IN,     /* the label is there and has one of the values; = and == have one */
    COMPARE_NOT_IN, /* the other way round, also where there is no such label; != */
    COMPARE_HAS,
    COMPARE_HAS_NOT,
};

struct term {
    enum comparison comparison;
    char *key;
    char **values;
    u32 count;
};

struct selector {
    struct term *terms;
    u32 count;
};

/* What is read; `at` is the byte that is read next. */
struct scan {
    const char *text, *at;
    struct err *err;
};

static void term_release(struct term *term)
{
    for (u32 i = 0; i < term->count; i++)
        free(term->values[i]);
    free(term->values);
    free(term->key);
}

void selector_destroy(struct selector **selector)
{
    if (!*selector)
        return;
    for (u32 i = 0; i < (*selector)->count; i++)
        term_release(&(*selector)->terms[i]);
    free((*selector)->terms);
    free(*selector);
    *selector = NULL;
}

/* ---- from text ---- */

static int refuse(struct scan *scan, const char *wanted)
{
    char text[SHOWN_SIZE], rest[SHOWN_SIZE];

    shown(text, bytes_text(scan->text));
    if (*scan->at)
        return err_set(scan->err, ERR_Usage, "selector \"%s\", at \"%s\": expected %s", text,
                       shown(rest, bytes_text(scan->at)), wanted);
    return err_set(scan->err, ERR_Usage, "selector \"%s\" ends where it should have %s", text,
                   wanted);
}

static void skip_blanks(struct scan *scan)
{
    scan->at += strspn(scan->at, " \t");
}

/* Passes over `mark` if it is next. */
static bool take(struct scan *scan, const char *mark)
{
    skip_blanks(scan);
    if (strncmp(scan->at, mark, strlen(mark)) != 0)
        return false;
    scan->at += strlen(mark);
    return true;
}

/* The bytes up to the next mark or blank. */
static char *take_word(struct scan *scan)
{
    size_t size;
    char *word;

    skip_blanks(scan);
    size = strcspn(scan->at, " \t,=!()");
    word = text_of_bytes(bytes_of(scan->at, size));
    scan->at += size;
    return word;
}

static int read_key(struct scan *scan, struct term *term)
{
    const char *from;

    skip_blanks(scan);
    from = scan->at;
    term->key = take_word(scan);
    if (label_key_is_valid(term->key))
        return 0;
    scan->at = from;
    return refuse(scan, "the key of a label: " LABEL_KEY_RULE);
}

static int read_value(struct scan *scan, struct term *term)
{
    const char *from;
    char *value;

    skip_blanks(scan);
    from = scan->at;
    value = take_word(scan);
    if ((term->count & (term->count - 1)) == 0)
        term->values = memory_resize_or_die(
            term->values, (term->count ? 2 * (size_t)term->count : 1) * sizeof *term->values);
    term->values[term->count++] = value;
    if (label_value_is_valid(value))
        return 0;
    scan->at = from;
    return refuse(scan, "the value of a label: " LABEL_VALUE_RULE);
}

/* "(a, b)" */
static int read_values(struct scan *scan, struct term *term)
{
    if (!take(scan, "("))
        return refuse(scan, "values in (), such as (a, b)");
    do {
        if (read_value(scan, term) < 0)
            return -1;
    } while (take(scan, ","));
    return take(scan, ")") ? 0 : refuse(scan, "a comma or )");
}

static int read_comparison(struct scan *scan, struct term *term)
{
    char *word;
    bool in, not_in;

    if (take(scan, "!=")) {
        term->comparison = COMPARE_NOT_IN;
        return read_value(scan, term);
    }
    if (take(scan, "==") || take(scan, "=")) {
        term->comparison = COMPARE_IN;
        return read_value(scan, term);
    }
    skip_blanks(scan);
    if (!*scan->at || *scan->at == ',') {
        term->comparison = COMPARE_HAS;
        return 0;
    }
    word = take_word(scan);
    in = strcmp(word, "in") == 0;
    not_in = strcmp(word, "notin") == 0;
    scan->at -= in || not_in ? 0 : strlen(word);
    free(word);
    if (!in && !not_in)
        return refuse(scan, "=, !=, in, notin or a comma");
    term->comparison = in ? COMPARE_IN : COMPARE_NOT_IN;
    return read_values(scan, term);
}

static int read_term(struct scan *scan, struct term *term)
{
    if (take(scan, "!")) {
        term->comparison = COMPARE_HAS_NOT;
        return read_key(scan, term);
    }
    return read_key(scan, term) < 0 ? -1 : read_comparison(scan, term);
}

static int read_terms(struct scan *scan, struct selector *selector)
{
    skip_blanks(scan);
    if (!*scan->at)
        return 0;
    do {
        struct term term = {0};
        int rc = read_term(scan, &term);

        if ((selector->count & (selector->count - 1)) == 0)
            selector->terms = memory_resize_or_die(
                selector->terms,
                (selector->count ? 2 * (size_t)selector->count : 1) * sizeof *selector->terms);
        selector->terms[selector->count++] = term;
        if (rc < 0)
            return -1;
    } while (take(scan, ","));
    skip_blanks(scan);
    return *scan->at ? refuse(scan, "a comma") : 0;
}

int selector_parse(const char *text, struct selector **out, struct err *err)
{
    struct scan scan = {.text = text, .at = text, .err = err};
    struct selector *selector;

    *out = NULL;
    if (strlen(text) > SELECTOR_BYTES)
        return err_set(err, ERR_Usage, "a selector of more than %u bytes", SELECTOR_BYTES);
    selector = memory_or_die(sizeof *selector);
    if (read_terms(&scan, selector) < 0) {
        selector_destroy(&selector);
        return -1;
    }
    *out = selector;
    return 0;
}

/* ---- what it holds for ---- */

static bool has_value(const struct term *term, const char *value)
{
    for (u32 i = 0; i < term->count; i++)
        if (strcmp(term->values[i], value) == 0)
            return true;
    return false;
}

static bool term_holds(const struct term *term, const json_t *labels)
{
    const char *value = json_string_value(json_object_get(labels, term->key));

    switch (term->comparison) {
    case COMPARE_HAS:
        return value != NULL;
    case COMPARE_HAS_NOT:
        return value == NULL;
    case COMPARE_IN:
        return value && has_value(term, value);
    default:
        return !value || !has_value(term, value);
    }
}

bool selector_matches(const struct selector *selector, const json_t *labels)
{
    for (u32 i = 0; selector && i < selector->count; i++)
        if (!term_holds(&selector->terms[i], labels))
            return false;
    return true;
}
