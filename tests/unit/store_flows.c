/* Where data goes, by paths: what overlaps, what goes round in a circle, and what is fine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "store/flows.h"

#include <stdio.h>
#include <stdlib.h>

static void assert_faults(const struct flow *flows, u32 count, u32 wanted, const char *says)
{
    struct buf faults = {0};
    u32 found = flows_check(flows, count, &faults);

    if (found != wanted || (says && !strstr(buf_text(&faults), says)))
        fail_msg("%u faults where %u are wanted, with \"%s\":\n%s", found, wanted, says ? says : "",
                 buf_text(&faults));
    buf_release(&faults);
}

/* Goal: two must not write into the same tree. Method: the same path, one inside the other, names
 * that only begin alike. */
static void overlaps(void **state)
{
    struct flow flows[] = {{"a", "/src/a", "/dst", NULL, 0, "sync"},
                           {"b", "/src/b", "/dst", "f", 7, "sync"}};

    (void)state;
    assert_faults(flows, 2, 1, "f:7: synchronization b would write into /dst, and a writes into");
    flows[1].destination = "/dst/deep/er";
    assert_faults(flows, 2, 1, "/dst/deep/er");
    flows[1].destination = "/";
    flows[1].source = NULL;
    assert_faults(flows, 2, 1, "into /,");
    flows[1].source = "/src/b";
    flows[1].destination = "/dst2";
    assert_faults(flows, 2, 0, NULL);
    flows[1].destination = NULL;
    assert_faults(flows, 2, 0, NULL);
    /* the one that is defined is told, whichever it is */
    flows[0] = (struct flow){"a", "/src/a", "/dst", "g", 3, "sync"};
    flows[1] = (struct flow){"b", "/src/b", "/dst", NULL, 0, "plan"};
    assert_faults(flows, 2, 1, "g:3: synchronization a");
    assert_faults(flows, 2, 1, "choose another destination, or: syncline delete plan/b\n");
}

/* Goal: what was there before is not to blame. Method: overlaps and circles without a file. */
static void others_are_left_alone(void **state)
{
    const struct flow flows[] = {{"a", "/1", "/2", NULL, 0, "sync"},
                                 {"b", "/2", "/1", NULL, 0, "sync"},
                                 {"c", "/3", "/2", NULL, 0, "sync"},
                                 {"d", "/8", "/9", "f", 1, "sync"}};

    (void)state;
    assert_faults(flows, 4, 0, NULL);
}

/* Goal: chains are fine, circles are not. Method: longer ones, through nesting, and of one. */
static void circles(void **state)
{
    struct flow flows[] = {{"a", "/1", "/2", NULL, 0, "sync"},
                           {"b", "/2/in", "/3", NULL, 0, "sync"},
                           {"c", "/3", "/4", NULL, 0, "sync"},
                           {"d", "/4/deep", "/5", "f", 9, "sync"}};

    (void)state;
    assert_faults(flows, 4, 0, NULL);
    flows[3].destination = "/1/below";
    assert_faults(flows, 4, 1, "f:9: data would go round in a circle: d (/4/deep to /1/below), a");
    flows[3].destination = "/4";
    flows[2].destination = "/6";
    assert_faults(flows, 4, 1, "f:9: source (/4/deep) and destination (/4) of synchronization d");
    flows[3] = (struct flow){"d", "/7", "/7", "f", 9, "sync"};
    assert_faults(flows, 4, 1, "are the same directory");
    assert_faults(
        (struct flow[]){{"a", "/1", "/2", "f", 1, "sync"}, {"b", "/2", "/1", "f", 5, "sync"}}, 2, 1,
        "a (/1 to /2), b (/2 to /1)");
}

/* Goal: a long chain is no danger. Method: 3,000 in a row, and then a circle of all of them. */
static void long_chains(void **state)
{
    enum { COUNT = 3000 };
    struct flow *flows = memory_or_die(COUNT * sizeof *flows);
    char(*paths)[16] = memory_or_die((COUNT + 1) * sizeof *paths);

    (void)state;
    for (u32 i = 0; i <= COUNT; i++)
        snprintf(paths[i], sizeof paths[i], "/p%u", i);
    for (u32 i = 0; i < COUNT; i++)
        flows[i] = (struct flow){paths[i] + 1, paths[i], paths[i + 1], "f", i + 1, "sync"};
    assert_faults(flows, COUNT, 0, NULL);
    flows[COUNT - 1].destination = paths[0];
    assert_faults(flows, COUNT, 1, "p2999 (/p2999 to /p0)");
    free(flows);
    free(paths);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(overlaps),
        cmocka_unit_test(others_are_left_alone),
        cmocka_unit_test(circles),
        cmocka_unit_test(long_chains),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
