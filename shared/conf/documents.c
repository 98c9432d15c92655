/* documents.c: a text is cut at the lines `---` and `...`, and each piece has a parser of its own:
 * libyaml cannot go on after an error, and people want to know all that is wrong. A line that
 * begins with `---` is never inside of a value. */
#include "conf/node_internal.h"

#include "base/names.h"

#include <stdio.h>

/* ---- what libyaml says, for people ---- */

/* The bytes from line and column (both from 0) of the piece on. */
static struct bytes text_from(struct bytes text, size_t line, size_t column)
{
    const u8 *at = text.data, *end = text.data + text.size;

    while (line > 0 && at < end)
        line -= *at++ == '\n';
    for (; column > 0 && at < end; column--) {
        at++;
        while (at < end && (*at & 0xc0) == 0x80)
            at++;
    }
    return bytes_of(at, (size_t)(end - at));
}

/* What to write instead, where the problem is a usual one. */
static const char *syntax_hint(const char *problem, const char *context)
{
    static const struct {
        const char *text, *hint;
    } hints[] = {
        {"while scanning an alias", "; put a text that begins with * in quotes"},
        {"while scanning an anchor", "; put a text that begins with & in quotes"},
        {"found a tab character that violates indentation", "; indent with spaces"},
        {"found character that cannot start any token", "; put the text in quotes"},
        {"mapping values are not allowed in this context", "; put a text with a colon in quotes"},
        {"found invalid Unicode character escape code",
         "; write the character itself, or \\U and eight digits"},
    };

    for (size_t i = 0; i < COUNT_OF(hints); i++)
        if (strcmp(problem, hints[i].text) == 0 || (context && strcmp(context, hints[i].text) == 0))
            return hints[i].hint;
    return "";
}

/* The line and column of a byte, both from 0. */
static yaml_mark_t mark_of_offset(struct bytes text, size_t offset)
{
    yaml_mark_t mark = {0};

    for (size_t i = 0; i < offset && i < text.size; i++) {
        if (text.data[i] == '\n') {
            mark.line++;
            mark.column = 0;
        } else {
            mark.column += (text.data[i] & 0xc0) != 0x80;
        }
    }
    return mark;
}

void reader_syntax_fault(struct reader *reader)
{
    const yaml_parser_t *parser = &reader->parser;
    const char *problem = parser->problem ? parser->problem : "out of memory";
    yaml_mark_t at = parser->problem_mark;
    char where[160] = "";
    struct bytes rest;

    if (parser->error == YAML_READER_ERROR)
        at = mark_of_offset(reader->text, parser->problem_offset);
    rest = text_from(reader->text, at.line, at.column);
    if (parser->error == YAML_SCANNER_ERROR && rest.size > 0 && *rest.data == '\t') {
        fault_add(reader->faults, reader_mark(reader, at),
                  "a tab where only spaces may stand; indent with spaces");
        return;
    }
    if (parser->context)
        snprintf(where, sizeof where, ", %s that begins in line %u", parser->context,
                 reader_mark(reader, parser->context_mark).line);
    fault_add(reader->faults, reader_mark(reader, at), "no YAML: %s%s%s", problem, where,
              syntax_hint(problem, parser->context));
}

/* ---- pieces ---- */

static void read_piece(struct bytes text, u32 first_line, struct faults *faults,
                       void (*document)(void *context, const struct node *root, bool sound),
                       void *context)
{
    struct reader reader = {.faults = faults, .text = text, .first_line = first_line};
    struct node *root = NULL;

    if (!yaml_parser_initialize(&reader.parser)) {
        fault_add(faults, (struct mark){first_line, 1}, "out of memory");
        return;
    }
    yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&reader.parser, text.data, text.size);
    for (;;) {
        u32 before = faults->count;

        if (reader_document(&reader, &root) <= 0)
            break;
        document(context, root, faults->count == before);
        node_destroy(&root);
    }
    yaml_parser_delete(&reader.parser);
}

enum line_kind {
    LINE_BLANK, /* or a comment, or a directive */
    LINE_BEGIN, /* --- and nothing else */
    LINE_BEGIN_VALUE,
    LINE_END, /* ... */
    LINE_VALUE,
};

/* How many bytes of `line` from `at` on are blanks. */
static size_t blanks(struct bytes line, size_t at)
{
    size_t i = at;

    while (i < line.size && (line.data[i] == ' ' || line.data[i] == '\t' || line.data[i] == '\r'))
        i++;
    return i - at;
}

static enum line_kind line_kind_of(struct bytes line)
{
    size_t indent = blanks(line, 0);

    if (line.size >= 3 && (line.size == 3 || blanks(line, 3) > 0)) {
        if (memcmp(line.data, "...", 3) == 0)
            return LINE_END;
        if (memcmp(line.data, "---", 3) == 0)
            return 3 + blanks(line, 3) == line.size ? LINE_BEGIN : LINE_BEGIN_VALUE;
    }
    if (indent == line.size || line.data[indent] == '#' || line.data[0] == '%')
        return LINE_BLANK;
    return LINE_VALUE;
}

static bool is_utf8(struct bytes text, struct faults *faults)
{
    yaml_mark_t mark;
    size_t at = 0;

    if (utf8_is_valid(text))
        return true;
    while (at < text.size) {
        size_t size = 1;

        while (at + size < text.size && (text.data[at + size] & 0xc0) == 0x80)
            size++;
        if (!utf8_is_valid(bytes_of(text.data + at, size)))
            break;
        at += size;
    }
    mark = mark_of_offset(text, at);
    fault_add(faults, (struct mark){(u32)mark.line + 1, (u32)mark.column + 1},
              "not UTF-8; save the file as UTF-8");
    return false;
}

struct pieces {
    struct bytes text;
    struct faults *faults;
    void (*document)(void *context, const struct node *root, bool sound);
    void *context;
    size_t begin;  /* of the piece */
    u32 line;      /* the same, from 1 */
    bool begun;    /* it has its `---`, or something that needs none */
    bool anything; /* it has more than that */
};

/* The piece ends before the byte `end`, where line `next_line` begins. */
static void end_piece(struct pieces *pieces, size_t end, u32 next_line)
{
    if (pieces->anything)
        read_piece(bytes_of(pieces->text.data + pieces->begin, end - pieces->begin), pieces->line,
                   pieces->faults, pieces->document, pieces->context);
    pieces->begin = end;
    pieces->line = next_line;
    pieces->begun = pieces->anything = false;
}

void nodes_read(struct bytes text, struct faults *faults,
                void (*document)(void *context, const struct node *root, bool sound), void *context)
{
    struct pieces pieces = {.faults = faults, .document = document, .context = context, .line = 1};
    struct buf scratch = {0};
    u32 line = 1;

    if (text.size >= 3 && memcmp(text.data, "\xef\xbb\xbf", 3) == 0)
        text = bytes_of(text.data + 3, text.size - 3);
    if (!is_utf8(text, faults))
        return;
    text = json_as_yaml(text, &scratch);
    pieces.text = text;
    for (size_t at = 0, next; at < text.size; at = next, line++) {
        const u8 *newline = memchr(text.data + at, '\n', text.size - at);
        size_t end = newline ? (size_t)(newline - text.data) : text.size;
        enum line_kind kind = line_kind_of(bytes_of(text.data + at, end - at));

        next = end + (newline != NULL);
        if ((kind == LINE_BEGIN || kind == LINE_BEGIN_VALUE) && pieces.begun)
            end_piece(&pieces, at, line);
        pieces.begun = pieces.begun || kind != LINE_BLANK;
        pieces.anything = pieces.anything || kind == LINE_BEGIN_VALUE || kind == LINE_VALUE;
        if (kind == LINE_END)
            end_piece(&pieces, next, line + 1);
    }
    end_piece(&pieces, text.size, line);
    buf_release(&scratch);
}
