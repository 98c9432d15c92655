/* random.c: see random.h. */
#include "base/random.h"

#include <stdlib.h>
#include <sys/random.h>

void random_bytes(void *out, size_t size)
{
    u8 *at = out;

    while (size > 0) {
        ssize_t got = getrandom(at, size, 0);

        if (got < 0)
            abort();
        at += got;
        size -= (size_t)got;
    }
}

u64 random_next(u64 *state)
{
    u64 z = *state += 0x9e3779b97f4a7c15ull;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}
