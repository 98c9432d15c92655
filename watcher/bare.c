/* bare.c: see bare.h.
 *
 * How: a hash of 64 bits stands for an object at its change time. Its upper bits choose a bucket of
 * one cache line, in which it may be anywhere. Who finds a bucket full takes a place in it only if
 * its hash says so, one in eight: a tree too large for the set, which is always gone through in the
 * same order, then keeps most of what it has, and what nobody asks for any more goes all the same.
 * Slots are read and written one by one without a lock: each holds all that is known of its object,
 * and one that is lost costs a question. */
#include "bare.h"

#include "base/buf.h"
#include "base/hash.h"

#include <stdatomic.h>
#include <stdlib.h>

#define BUCKET_SLOTS 8u
#define TAKING_ONE_IN 8u /* of those who find their bucket full */

struct bare_set {
    _Atomic u64 slots[BARE_SLOTS]; /* 0 = free */
};

struct bare_set *bare_new(void)
{
    return memory_or_die(sizeof(struct bare_set)); /* the kernel gives pages as they are written */
}

void bare_destroy(struct bare_set **set)
{
    free(*set);
    *set = NULL;
}

/* What stands for an object; never 0. */
static u64 stand_in(const struct attributes *attributes, u32 which)
{
    u64 parts[] = {attributes->device, attributes->inode, (u64)attributes->ctime_ns, which};
    struct digest digest;
    u64 out;

    hash_bytes(HASH_XXH3_128, bytes_of((const u8 *)parts, sizeof parts), &digest);
    memcpy(&out, digest.bytes, sizeof out);
    return out ? out : 1;
}

/* Of the first slot of its bucket. */
static size_t bucket_of(u64 object)
{
    return (object >> 32) % (BARE_SLOTS / BUCKET_SLOTS) * BUCKET_SLOTS;
}

bool bare_has(const struct bare_set *set, const struct attributes *attributes, u32 which)
{
    u64 object = stand_in(attributes, which);
    const _Atomic u64 *bucket = &set->slots[bucket_of(object)];

    for (u32 i = 0; i < BUCKET_SLOTS; i++)
        if (atomic_load_explicit(&bucket[i], memory_order_relaxed) == object)
            return true;
    return false;
}

void bare_add(struct bare_set *set, const struct attributes *attributes, u32 which, s64 now_ns)
{
    u64 object = stand_in(attributes, which);
    _Atomic u64 *bucket = &set->slots[bucket_of(object)];
    u32 at = 0;

    if (attributes->ctime_ns > now_ns - BARE_SETTLED_NS || attributes->ctime_ns % NS_PER_S == 0)
        return;
    while (at < BUCKET_SLOTS && atomic_load_explicit(&bucket[at], memory_order_relaxed) != 0)
        at++;
    if (at == BUCKET_SLOTS && (object / BUCKET_SLOTS) % TAKING_ONE_IN != 0)
        return;
    atomic_store_explicit(&bucket[at < BUCKET_SLOTS ? at : object % BUCKET_SLOTS], object,
                          memory_order_relaxed);
}
