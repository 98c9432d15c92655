/* lane.c: what a lane of the verifier keeps (prove.h). */
#include "verifier/prove.h"

#include <stdio.h>
#include <stdlib.h>

#define PAGE_BYTES 4096

struct prove_lane *prove_lane_new(void)
{
    struct prove_lane *lane = memory_or_die(sizeof *lane);

    lane->buffer = aligned_alloc(PAGE_BYTES, COPY_BUFFER);
    if (!lane->buffer) {
        fputs("syncline-verifier: out of memory\n", stderr);
        abort();
    }
    return lane;
}

void prove_lane_destroy(struct prove_lane **lane)
{
    if (!*lane)
        return;
    for (size_t i = 0; i < COUNT_OF((*lane)->hashers); i++) {
        hasher_destroy(&(*lane)->hashers[i]);
        content_destroy(&(*lane)->contents[i]);
    }
    buf_release(&(*lane)->body);
    buf_release(&(*lane)->target);
    free((*lane)->buffer);
    free(*lane);
    *lane = NULL;
}

struct hasher *prove_lane_hasher(struct prove_lane *lane, enum hash_kind kind)
{
    if (!lane->hashers[kind])
        lane->hashers[kind] = hasher_new(kind);
    hasher_reset(lane->hashers[kind]);
    return lane->hashers[kind];
}

struct content *prove_lane_content(struct prove_lane *lane, enum hash_kind kind)
{
    if (!lane->contents[kind])
        lane->contents[kind] = content_new(kind);
    return lane->contents[kind];
}
