/* main.c: which of the commands; see tool.h. */
#include "tool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static uint64_t state;

void random_seed(uint64_t seed)
{
    state = seed * 0x9e3779b97f4a7c15u + 0x2545f4914f6cdd1du;
}

/* splitmix64: Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators (2014) */
uint32_t random_below(uint32_t bound)
{
    uint64_t z = (state += 0x9e3779b97f4a7c15u);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (uint32_t)((z ^ (z >> 31)) % bound);
}

bool one_in(uint32_t bound)
{
    return random_below(bound) == 0;
}

void fail(const char *what, const char *name)
{
    fprintf(stderr, "tool: %s %s: %s\n", what, name, strerror(errno));
    exit(2);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(char **arguments);
        int least;
    } commands[] = {
        {"make", command_make, 3},       {"edit", command_edit, 3},
        {"compare", command_compare, 2}, {"wide", command_wide, 2},
        {"deep", command_deep, 2},       {"writer", command_writer, 2},
        {"whole", command_whole, 1},     {"swapper", command_swapper, 3},
        {"large", command_large, 3},
    };
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) == 0) { /* deep trees */
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    for (size_t i = 0; argc > 1 && i < sizeof commands / sizeof *commands; i++)
        if (strcmp(argv[1], commands[i].name) == 0 && argc - 2 >= commands[i].least)
            return commands[i].run(argv + 2);
    fprintf(stderr, "tool: see tool.h\n");
    return 2;
}
