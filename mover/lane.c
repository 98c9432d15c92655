/* lane.c: what a lane keeps: a copy buffer, hashers and the buffers of answers (mover.h). */
#include "mover/mover.h"

#include <stdio.h>
#include <stdlib.h>

#define PAGE_BYTES 4096

struct mover_lane *mover_lane_new(void)
{
    struct mover_lane *lane = memory_or_die(sizeof *lane);

    lane->buffer = aligned_alloc(PAGE_BYTES, COPY_BUFFER);
    if (!lane->buffer) {
        fputs("syncline-mover: out of memory\n", stderr);
        abort();
    }
    return lane;
}

void mover_lane_destroy(struct mover_lane **lane)
{
    if (!*lane)
        return;
    for (size_t i = 0; i < COUNT_OF((*lane)->hashers); i++) {
        hasher_destroy(&(*lane)->hashers[i]);
        content_destroy(&(*lane)->contents[i]);
    }
    buf_release(&(*lane)->body);
    buf_release(&(*lane)->path);
    buf_release(&(*lane)->target);
    buf_release(&(*lane)->extras);
    free((*lane)->buffer);
    free(*lane);
    *lane = NULL;
}

struct hasher *mover_lane_hasher(struct mover_lane *lane, enum hash_kind kind)
{
    if (!lane->hashers[kind])
        lane->hashers[kind] = hasher_new(kind);
    hasher_reset(lane->hashers[kind]);
    return lane->hashers[kind];
}

struct content *mover_lane_content(struct mover_lane *lane, enum hash_kind kind)
{
    if (!lane->contents[kind])
        lane->contents[kind] = content_new(kind);
    return lane->contents[kind];
}
