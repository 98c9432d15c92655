/* filter.c: see filter.h.
 *
 * A pattern is compiled to steps, one for each byte of a path that it wants and one for each run of
 * stars. A star is tried as short as it can be. When what follows does not fit, the last star takes
 * a byte more; when it cannot, as a slash is in its way, the last `**` does. Stars further back
 * need no second look: what they could take more, the later ones can take too. So the time is
 * bounded by (size of the path) x (size of a component) x (size of the pattern), without memory. */
#include "base/filter.h"

#include "base/buf.h"
#include "base/names.h"

#include <stdlib.h>

enum step_kind {
    STEP_BYTE,  /* this byte */
    STEP_SLASH, /* the byte between components */
    STEP_ANY,   /* ? */
    STEP_CLASS, /* [...] */
    STEP_STAR,  /* any bytes of one component */
    STEP_DEEP,  /* any bytes */
    STEP_DIRS,  /* any number of whole components, each with its slash */
};

struct step {
    u8 kind;
    u8 byte;      /* of STEP_BYTE */
    u16 class_at; /* of STEP_CLASS: index into the rule's classes */
};

struct class
{
    u8 bits[32];
};

struct rule {
    char *text; /* as it was added */
    size_t size;
    bool takes;
    bool anchored; /* matched against the whole path, not the last component */
    bool directories;
    struct step *steps;
    u32 step_count;
    struct class *classes;
    u32 class_count;
};

struct filter {
    struct rule *rules;
    u32 count;
    u32 capacity;
};

struct filter *filter_new(void)
{
    return memory_or_die(sizeof(struct filter));
}

static void rule_release(struct rule *rule)
{
    free(rule->text);
    free(rule->steps);
    free(rule->classes);
}

void filter_destroy(struct filter **filter)
{
    if (!*filter)
        return;
    for (u32 i = 0; i < (*filter)->count; i++)
        rule_release(&(*filter)->rules[i]);
    free((*filter)->rules);
    free(*filter);
    *filter = NULL;
}

/* ---- from text ---- */

/* What a rule is read from; `at` is the byte that is read next. */
struct reader {
    struct bytes text;
    size_t at;
    struct rule *rule;
    struct err *err;
};

/* Says what is wrong with the byte at `at` (counted from 0; people count from 1). */
static int refuse(const struct reader *reader, size_t at, const char *why)
{
    struct bytes shown = reader->text;
    struct buf name = {0};

    if (shown.size > 80)
        shown.size = 80;
    name_escape(&name, shown);
    err_set(reader->err, ERR_Configuration, "filter rule \"%s%s\", position %zu: %s",
            buf_text(&name), shown.size < reader->text.size ? "..." : "", at + 1, why);
    buf_release(&name);
    return -1;
}

static struct step *add_step(struct rule *rule, enum step_kind kind)
{
    struct step *step = &rule->steps[rule->step_count++];

    *step = (struct step){.kind = (u8)kind};
    return step;
}

static bool class_has(const struct class *class, u8 byte)
{
    return (class->bits[byte >> 3] >> (byte & 7) & 1) != 0;
}

/* One byte of a class, after its backslash if it has one. */
static int class_byte(struct reader *reader, size_t open, u8 *out)
{
    struct bytes text = reader->text;

    if (reader->at < text.size && text.data[reader->at] == '\\')
        reader->at++;
    if (reader->at >= text.size)
        return refuse(reader, open, "this [ has no ]");
    if (text.data[reader->at] == '/')
        return refuse(reader, reader->at, "a slash inside [], which stands for a byte of a name");
    *out = text.data[reader->at++];
    return 0;
}

static int class_range(struct reader *reader, size_t open, struct class *class)
{
    struct bytes text = reader->text;
    size_t began = reader->at;
    u8 first, last;

    if (text.data[began] == '[' && began + 1 < text.size && text.data[began + 1] == ':')
        return refuse(reader, began, "[:names:] of classes are not in this version");
    if (class_byte(reader, open, &first) < 0)
        return -1;
    last = first;
    if (reader->at + 1 < text.size && text.data[reader->at] == '-' &&
        text.data[reader->at + 1] != ']') {
        reader->at++;
        if (class_byte(reader, open, &last) < 0)
            return -1;
    }
    if (last < first)
        return refuse(reader, began, "a range that ends before it begins");
    for (unsigned byte = first; byte <= last; byte++)
        class->bits[byte >> 3] |= (u8)(1u << (byte & 7));
    return 0;
}

/* Behind "["; a "]" that comes first is one of the bytes. */
static int read_class(struct reader *reader)
{
    struct rule *rule = reader->rule;
    struct bytes text = reader->text;
    size_t open = reader->at - 1, first;
    struct class class = {0};
    bool inverted =
        reader->at < text.size && (text.data[reader->at] == '!' || text.data[reader->at] == '^');

    if (inverted)
        reader->at++;
    first = reader->at;
    while (reader->at < text.size && (text.data[reader->at] != ']' || reader->at == first))
        if (class_range(reader, open, &class) < 0)
            return -1;
    if (reader->at >= text.size)
        return refuse(reader, open, "this [ has no ]");
    reader->at++;
    for (size_t i = 0; inverted && i < sizeof class.bits; i++)
        class.bits[i] = (u8) ~class.bits[i];
    add_step(rule, STEP_CLASS)->class_at = (u16)rule->class_count;
    rule->classes =
        memory_resize_or_die(rule->classes, (rule->class_count + 1) * sizeof *rule->classes);
    rule->classes[rule->class_count++] = class;
    return 0;
}

static int read_stars(struct reader *reader)
{
    struct bytes text = reader->text;
    size_t first = reader->at - 1;

    while (reader->at < text.size && text.data[reader->at] == '*')
        reader->at++;
    if (reader->at - first > 2)
        return refuse(reader, first, "more than two stars in a row; ** crosses directories");
    add_step(reader->rule, reader->at - first == 2 ? STEP_DEEP : STEP_STAR);
    return 0;
}

/* At a slash or the end: "", "." and ".." are in no path, so such a rule would never match. */
static int check_component(struct reader *reader, size_t end)
{
    const struct rule *rule = reader->rule;
    u32 from = rule->step_count, dots = 0;

    while (from > 0 && rule->steps[from - 1].kind != STEP_SLASH) {
        from--;
        dots += rule->steps[from].kind == STEP_BYTE && rule->steps[from].byte == '.';
    }
    if (from == rule->step_count && from > 0 && end < reader->text.size)
        return refuse(reader, end, "two slashes in a row match no path");
    if (dots > 0 && dots <= 2 && dots == rule->step_count - from)
        return refuse(reader, end - dots, "\".\" and \"..\" are in no path");
    return 0;
}

static int read_byte(struct reader *reader, u8 byte)
{
    if (byte != '/') {
        add_step(reader->rule, STEP_BYTE)->byte = byte;
        return 0;
    }
    if (check_component(reader, reader->at - 1) < 0)
        return -1;
    add_step(reader->rule, STEP_SLASH);
    return 0;
}

static int read_pattern(struct reader *reader)
{
    struct bytes text = reader->text;

    while (reader->at < text.size) {
        u8 byte = text.data[reader->at++];
        int result = 0;

        if (byte == '*')
            result = read_stars(reader);
        else if (byte == '[')
            result = read_class(reader);
        else if (byte == '?')
            add_step(reader->rule, STEP_ANY);
        else if (byte == '\\' && reader->at == text.size)
            result = refuse(reader, reader->at - 1, "a backslash with nothing behind it");
        else
            result = read_byte(reader, byte == '\\' ? text.data[reader->at++] : byte);
        if (result < 0)
            return -1;
    }
    return check_component(reader, text.size);
}

/* Takes the slashes at both ends for what they say, and `**` between slashes for directories. */
static void fold(struct rule *rule)
{
    u32 from = 0, to = rule->step_count, count = 0;

    if (to > 0 && rule->steps[to - 1].kind == STEP_SLASH) {
        rule->directories = true;
        to--;
    }
    if (to > 0 && rule->steps[0].kind == STEP_SLASH) {
        rule->anchored = true;
        from++;
    }
    for (u32 i = from; i < to; i++) {
        bool begins = i == from || rule->steps[i - 1].kind == STEP_SLASH;
        struct step step = rule->steps[i];

        if (step.kind == STEP_DEEP && begins && i + 1 < to &&
            rule->steps[i + 1].kind == STEP_SLASH) {
            step.kind = STEP_DIRS;
            i++;
            rule->anchored = true;
        }
        rule->anchored = rule->anchored || step.kind == STEP_SLASH;
        rule->steps[count++] = step;
    }
    rule->step_count = count;
}

static int read_rule(struct reader *reader)
{
    struct bytes text = reader->text;
    struct rule *rule = reader->rule;
    const u8 *nul;

    if (text.size == 0)
        return refuse(reader, 0, "it is empty; \"- PATTERN\" or \"+ PATTERN\" is wanted");
    if (text.size > FILTER_RULE_BYTES)
        return refuse(reader, FILTER_RULE_BYTES, "it is too long; 4,096 bytes are allowed");
    nul = memchr(text.data, '\0', text.size);
    if (nul)
        return refuse(reader, (size_t)(nul - text.data), "a NUL byte, which no name has");
    if (text.data[0] != '+' && text.data[0] != '-')
        return refuse(reader, 0, "no sign; a rule begins with \"+ \" or \"- \"");
    if (text.size < 2 || text.data[1] != ' ')
        return refuse(reader, 1, "a space is wanted between the sign and the pattern");
    rule->takes = text.data[0] == '+';
    reader->at = 2;
    rule->steps = memory_or_die(text.size * sizeof *rule->steps);
    if (read_pattern(reader) < 0)
        return -1;
    fold(rule);
    if (rule->step_count == 0)
        return refuse(reader, 2, "an empty pattern");
    return 0;
}

int filter_add(struct filter *filter, struct bytes text, struct err *err)
{
    struct rule rule = {0};
    struct reader reader = {.text = text, .rule = &rule, .err = err};

    if (filter->count == FILTER_RULES_MAX)
        return err_set(err, ERR_Configuration, "more than %u filter rules", FILTER_RULES_MAX);
    if (read_rule(&reader) < 0) {
        rule_release(&rule);
        return -1;
    }
    rule.text = text_of_bytes(text);
    rule.size = text.size;
    if (filter->count == filter->capacity) {
        filter->capacity = filter->capacity ? 2 * filter->capacity : 16;
        filter->rules =
            memory_resize_or_die(filter->rules, filter->capacity * sizeof *filter->rules);
    }
    filter->rules[filter->count++] = rule;
    return 0;
}

u32 filter_count(const struct filter *filter)
{
    return filter ? filter->count : 0;
}

struct bytes filter_rule(const struct filter *filter, u32 index)
{
    return bytes_of(filter->rules[index].text, filter->rules[index].size);
}

/* ---- matching ---- */

static bool step_accepts(const struct rule *rule, const struct step *step, u8 byte)
{
    switch (step->kind) {
    case STEP_BYTE:
        return byte == step->byte;
    case STEP_SLASH:
        return byte == '/';
    case STEP_ANY:
        return byte != '/';
    default:
        return byte != '/' && class_has(&rule->classes[step->class_at], byte);
    }
}

/* How far a match has come, and where it goes on if the way that it is on turns out wrong. */
struct match {
    struct bytes text;
    size_t at;
    u32 step;
    bool star, deep, dirs; /* there is a star, a `**`, and that one takes whole components only */
    size_t star_end, deep_end;
    u32 star_next, deep_next; /* the step behind it */
};

/* Lets the last star, or else the last `**`, take more. False: there is no other way. */
static bool match_again(struct match *match)
{
    const u8 *slash;

    if (match->star) {
        if (match->star_end == match->text.size)
            return false; /* what follows is nowhere in the rest, so a `**` need not look there */
        if (match->text.data[match->star_end] != '/') {
            match->at = ++match->star_end;
            match->step = match->star_next;
            return true;
        }
        match->star = false;
    }
    if (!match->deep || match->deep_end >= match->text.size)
        return false;
    if (match->dirs) {
        slash = memchr(match->text.data + match->deep_end, '/', match->text.size - match->deep_end);
        if (!slash)
            return false;
        match->deep_end = (size_t)(slash - match->text.data);
    }
    match->at = ++match->deep_end;
    match->step = match->deep_next;
    return true;
}

static bool rule_matches(const struct rule *rule, struct bytes text)
{
    struct match match = {.text = text};

    for (;;) {
        const struct step *step = &rule->steps[match.step];

        if (match.step == rule->step_count) {
            if (match.at == text.size)
                return true;
        } else if (step->kind == STEP_STAR) {
            match.star = true;
            match.star_end = match.at;
            match.star_next = ++match.step;
            continue;
        } else if (step->kind == STEP_DEEP || step->kind == STEP_DIRS) {
            match.deep = true;
            match.star = false;
            match.dirs = step->kind == STEP_DIRS;
            match.deep_end = match.at;
            match.deep_next = ++match.step;
            continue;
        } else if (match.at < text.size && step_accepts(rule, step, text.data[match.at])) {
            match.at++;
            match.step++;
            continue;
        }
        if (!match_again(&match))
            return false;
    }
}

static struct bytes last_component(struct bytes path)
{
    const u8 *slash = path.size ? memrchr(path.data, '/', path.size) : NULL;
    size_t skipped = slash ? (size_t)(slash - path.data) + 1 : 0;

    return slash ? bytes_of(path.data + skipped, path.size - skipped) : path;
}

bool filter_takes(const struct filter *filter, struct bytes path, bool directory, u32 *rule)
{
    struct bytes name = last_component(path);
    u32 count = path.size ? filter_count(filter) : 0; /* the root always takes part */

    for (u32 i = 0; i < count; i++) {
        const struct rule *one = &filter->rules[i];

        if ((one->directories && !directory) || !rule_matches(one, one->anchored ? path : name))
            continue;
        if (rule)
            *rule = i;
        return one->takes;
    }
    if (rule)
        *rule = UINT32_MAX;
    return true;
}

bool filter_takes_deep(const struct filter *filter, struct bytes path, bool directory, u32 *rule,
                       size_t *prefix)
{
    u32 decided = UINT32_MAX;
    size_t end = 0;
    bool takes = true;

    while (takes && end < path.size) {
        const u8 *slash = memchr(path.data + end + 1, '/', path.size - end - 1);

        end = slash ? (size_t)(slash - path.data) : path.size;
        takes =
            filter_takes(filter, bytes_of(path.data, end), end < path.size || directory, &decided);
    }
    if (rule)
        *rule = decided;
    if (prefix)
        *prefix = decided == UINT32_MAX ? 0 : end;
    return takes;
}
