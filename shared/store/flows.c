/* flows.c: see flows.h. A synchronization leads to each one that reads where it writes; a circle is
 * found by a walk that meets a step of its own way again. The walk keeps its way in an array, as a
 * chain may be as long as there are synchronizations. */
#include "store/flows.h"

#include <stdlib.h>

/* The same, or one inside the other, by whole components. */
static bool overlap(const char *a, const char *b)
{
    size_t n = a ? strlen(a) : 0, m = b ? strlen(b) : 0, least = n < m ? n : m;
    const char *longer = n < m ? b : a;

    if (!a || !b || strncmp(a, b, least) != 0)
        return false;
    return n == m || least == 1 /* "/" */ || longer[least] == '/';
}

static void begin_fault(struct buf *faults, const struct flow *flow)
{
    buf_printf(faults, "%s:%u: ", flow->file, flow->line);
}

static u32 check_overlaps(const struct flow *flows, u32 count, struct buf *faults)
{
    u32 found = 0;

    for (u32 i = 0; i < count; i++)
        for (u32 k = i + 1; k < count; k++) {
            bool last = flows[k].file != NULL;
            const struct flow *told = &flows[last ? k : i], *other = &flows[last ? i : k];

            if (!told->file || !overlap(told->destination, other->destination))
                continue;
            begin_fault(faults, told);
            buf_printf(
                faults,
                "synchronization %s would write into %s, and %s writes into %s; two must not "
                "write into the same tree: choose another destination, or: syncline delete %s/%s\n",
                told->name, told->destination, other->name, other->destination, other->word,
                other->name);
            found++;
        }
    return found;
}

/* ---- circles ---- */

struct walk {
    const struct flow *flows;
    u32 count;
    u32 *way, *next; /* the way from where it began, and of each on it the next one to try */
    u32 depth;
    u8 *seen; /* 0 not yet, 1 on the way, 2 done */
    struct buf *faults;
    u32 found;
};

static void tell_circle(struct walk *walk, u32 first)
{
    const struct flow *told = NULL;
    u32 from = 0;

    while (walk->way[from] != first)
        from++;
    for (u32 i = from; i < walk->depth && !told; i++)
        told = walk->flows[walk->way[i]].file ? &walk->flows[walk->way[i]] : NULL;
    if (!told)
        return;
    begin_fault(walk->faults, told);
    if (walk->depth - from == 1) {
        buf_printf(walk->faults,
                   "source (%s) and destination (%s) of synchronization %s are the same directory, "
                   "or one is inside the other; choose paths that are apart\n",
                   told->source, told->destination, told->name);
    } else {
        buf_append_text(walk->faults, "data would go round in a circle: ");
        for (u32 i = from; i < walk->depth; i++) {
            const struct flow *flow = &walk->flows[walk->way[i]];

            buf_printf(walk->faults, "%s%s (%s to %s)", i > from ? ", " : "", flow->name,
                       flow->source, flow->destination);
        }
        buf_printf(walk->faults, "; leave one of them out, or choose another destination\n");
    }
    walk->found++;
}

/* One step: on to a synchronization that reads where the last of the way writes, or back. */
static void step(struct walk *walk)
{
    u32 at = walk->way[walk->depth - 1];

    for (u32 to = walk->next[walk->depth - 1]; to < walk->count; to++) {
        if (!overlap(walk->flows[at].destination, walk->flows[to].source))
            continue;
        if (walk->seen[to] == 1)
            tell_circle(walk, to);
        if (walk->seen[to] != 0)
            continue;
        walk->next[walk->depth - 1] = to + 1;
        walk->seen[to] = 1;
        walk->next[walk->depth] = 0;
        walk->way[walk->depth++] = to;
        return;
    }
    walk->seen[at] = 2;
    walk->depth--;
}

static u32 check_circles(const struct flow *flows, u32 count, struct buf *faults)
{
    struct walk walk = {.flows = flows, .count = count, .faults = faults};

    walk.way = memory_or_die((count + 1) * sizeof *walk.way);
    walk.next = memory_or_die((count + 1) * sizeof *walk.next);
    walk.seen = memory_or_die(count + 1);
    for (u32 i = 0; i < count; i++) {
        if (!flows[i].file || walk.seen[i] != 0)
            continue;
        walk.way[0] = i;
        walk.next[0] = 0;
        walk.seen[i] = 1;
        walk.depth = 1;
        while (walk.depth > 0)
            step(&walk);
    }
    free(walk.way);
    free(walk.next);
    free(walk.seen);
    return walk.found;
}

u32 flows_check(const struct flow *flows, u32 count, struct buf *faults)
{
    return check_overlaps(flows, count, faults) + check_circles(flows, count, faults);
}
