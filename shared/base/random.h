/* random.h: randomness from the kernel, for names that must not repeat (incarnations). */
#ifndef SYNCLINE_BASE_RANDOM_H
#define SYNCLINE_BASE_RANDOM_H

#include "base/types.h"

#define INCARNATION_BYTES 16

/* Fills `out`; ends the process if the kernel has no randomness to give (it always has). */
void random_bytes(void *out, size_t size);

/* A seeded sequence for tests and the fault driver: SplitMix64 (Steele, Lea, Flood, 2014). */
u64 random_next(u64 *state);

#endif
