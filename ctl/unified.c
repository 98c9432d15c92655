/* unified.c: see unified.h. The lines that both have are found by the table of longest common
 * subsequences (Hirschberg 1975 has the recurrence), after what is equal at both ends was set
 * aside: definitions are short. Where the table would be too large, the middle counts as replaced.
 */
#include "ctl/unified.h"

#include <stdlib.h>

#define CONTEXT 3
#define TABLE_MAX (16u << 20)

struct line {
    char sign; /* ' ', '-', '+' */
    struct bytes text;
};

struct lines {
    struct bytes *items;
    u32 count;
};

static struct lines split(const char *text)
{
    struct lines lines = {0};
    u32 count = 1;

    for (const char *at = text; *at; at++)
        count += *at == '\n';
    lines.items = memory_or_die(count * sizeof *lines.items);
    while (*text) {
        size_t length = strcspn(text, "\n");

        lines.items[lines.count++] = bytes_of(text, length);
        text += length + (text[length] == '\n');
    }
    return lines;
}

static void add(struct line *script, u32 *count, char sign, struct bytes text)
{
    script[(*count)++] = (struct line){.sign = sign, .text = text};
}

/* The middle parts, n and m lines, which begin and end differently. */
static void compare_middle(const struct bytes *a, u32 n, const struct bytes *b, u32 m,
                           struct line *script, u32 *count)
{
    u32 width = m + 1, i = 0, k = 0;
    bool fits = (u64)(n + 1) * width <= TABLE_MAX;
    u32 *common = fits ? memory_or_die((size_t)(n + 1) * width * sizeof *common) : NULL;

    for (u32 row = n; fits && row-- > 0;)
        for (u32 column = m; column-- > 0;) {
            u32 down = common[(row + 1) * width + column], right = common[row * width + column + 1];

            common[row * width + column] = bytes_equal(a[row], b[column])
                                               ? common[(row + 1) * width + column + 1] + 1
                                           : down >= right ? down
                                                           : right;
        }
    while (i < n || k < m) {
        if (fits && i < n && k < m && bytes_equal(a[i], b[k])) {
            add(script, count, ' ', a[i++]);
            k++;
        } else if (i < n &&
                   (k == m || !fits || common[(i + 1) * width + k] >= common[i * width + k + 1])) {
            add(script, count, '-', a[i++]);
        } else {
            add(script, count, '+', b[k++]);
        }
    }
    free(common);
}

static struct line *compare(const struct lines *a, const struct lines *b, u32 *count)
{
    struct line *script = memory_or_die((a->count + b->count + 1) * sizeof *script);
    u32 least = a->count < b->count ? a->count : b->count, head = 0, tail = 0;

    *count = 0;
    while (head < least && bytes_equal(a->items[head], b->items[head]))
        add(script, count, ' ', a->items[head++]);
    while (tail < least - head &&
           bytes_equal(a->items[a->count - 1 - tail], b->items[b->count - 1 - tail]))
        tail++;
    compare_middle(a->items + head, a->count - head - tail, b->items + head, b->count - head - tail,
                   script, count);
    for (u32 i = a->count - tail; i < a->count; i++)
        add(script, count, ' ', a->items[i]);
    return script;
}

/* Where the hunk that begins with the change at `from` ends: before more equal lines than the
 * context of two changes. */
static u32 hunk_end(const struct line *script, u32 count, u32 from)
{
    u32 last = from;

    for (u32 i = from; i < count && i - last <= 2 * CONTEXT + 1; i++)
        if (script[i].sign != ' ')
            last = i;
    return last + CONTEXT + 1 < count ? last + CONTEXT + 1 : count;
}

static void print_range(struct buf *out, char sign, u32 first, u32 length)
{
    buf_printf(out, "%c%u", sign, length > 0 ? first : first - 1);
    if (length != 1)
        buf_printf(out, ",%u", length);
}

static void print_hunk(struct buf *out, const struct line *script, u32 begin, u32 end)
{
    u32 first[2] = {1, 1}, length[2] = {0, 0};

    for (u32 i = 0; i < end; i++) {
        u32 *counts = i < begin ? first : length;

        counts[0] += script[i].sign != '+';
        counts[1] += script[i].sign != '-';
    }
    buf_append_text(out, "@@ ");
    print_range(out, '-', first[0], length[0]);
    buf_append_text(out, " ");
    print_range(out, '+', first[1], length[1]);
    buf_append_text(out, " @@\n");
    for (u32 i = begin; i < end; i++) {
        buf_append(out, &script[i].sign, 1);
        buf_append(out, script[i].text.data, script[i].text.size);
        buf_append_text(out, "\n");
    }
}

void unified_diff(const char *before_name, const char *before, const char *after_name,
                  const char *after, struct buf *out)
{
    struct lines a = split(before), b = split(after);
    u32 count, done = 0;
    struct line *script = compare(&a, &b, &count);

    for (u32 i = 0; i < count; i++) {
        u32 begin = i > done + CONTEXT ? i - CONTEXT : done;

        if (script[i].sign == ' ')
            continue;
        if (done == 0)
            buf_printf(out, "--- %s\n+++ %s\n", before_name, after_name);
        done = hunk_end(script, count, i);
        print_hunk(out, script, begin, done);
        i = done - 1;
    }
    free(script);
    free(a.items);
    free(b.items);
}
