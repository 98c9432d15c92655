/* pace.c: see pace.h. A bucket that is paid afterwards: who takes may go on at once, and the time
 * that it costs passes before the next one may take. So that no turn is longer than a chunk lasts,
 * and what lanes take together is never more than the rate, but for one chunk.
 *
 * A job that has no pace costs a load of one number. An entry is for as long as somebody reads or
 * waits, and a while longer; a planner says the pace anew to a mover that it gives work again. */
#include "mover/pace.h"

#include "base/clock.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#define CHUNKS_A_SECOND 8
#define CHUNK_LEAST 256
#define CHUNK_MOST (1u << 20)
#define SAVED_NS (50 * NS_PER_MS) /* what was not used is kept for so long */
#define LOOK_NS                                                                                    \
    (100 * NS_PER_MS) /* who waits looks whether it was stopped, and says that it lives */
#define IDLE_NS (60000 * NS_PER_MS)
#define ENTRIES 256

/* ---- one bucket ---- */

u64 bucket_chunk(u64 rate)
{
    u64 chunk = rate / CHUNKS_A_SECOND;

    if (chunk < CHUNK_LEAST)
        return CHUNK_LEAST;
    return chunk < CHUNK_MOST ? chunk : CHUNK_MOST;
}

/* In nanoseconds; `bytes` is at most a chunk, so that nothing overflows. */
static s64 cost_ns(u64 bytes, u64 rate)
{
    return (s64)(bytes * (u64)NS_PER_S / rate);
}

bool bucket_take(struct bucket *bucket, u64 bytes, s64 now_ns, s64 *due_ns)
{
    if (bucket->free_ns > now_ns) {
        *due_ns = bucket->free_ns;
        return false;
    }
    if (bucket->free_ns < now_ns - SAVED_NS)
        bucket->free_ns = now_ns - SAVED_NS;
    bucket->free_ns += cost_ns(bytes, bucket->rate);
    return true;
}

void bucket_change(struct bucket *bucket, u64 rate, s64 now_ns)
{
    s64 owed_ns = bucket->free_ns - now_ns;

    if (owed_ns > 0)
        bucket->free_ns = now_ns + (s64)((double)owed_ns * ((double)bucket->rate / (double)rate));
    bucket->rate = rate;
}

/* ---- the jobs ---- */

struct entry {
    u64 job; /* 0 = free */
    u32 epoch;
    u32 waiting; /* lanes */
    bool over;
    struct bucket bucket; /* rate 0: as fast as it can */
    s64 used_ns;
};

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t changed; /* CLOCK_MONOTONIC */
    pthread_once_t once;
    struct entry entries[ENTRIES];
    _Atomic u32 used; /* 0: no job has a pace */
} paces = {.mutex = PTHREAD_MUTEX_INITIALIZER, .once = PTHREAD_ONCE_INIT};

static void make_condition(void)
{
    pthread_condattr_t attributes;

    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&paces.changed, &attributes);
    pthread_condattr_destroy(&attributes);
}

static struct entry *find(u64 job)
{
    for (u32 i = 0; i < ENTRIES; i++)
        if (paces.entries[i].job == job)
            return &paces.entries[i];
    return NULL;
}

static void forget(struct entry *entry)
{
    memset(entry, 0, sizeof *entry);
    atomic_fetch_sub(&paces.used, 1);
}

static void forget_idle(s64 now_ns)
{
    for (u32 i = 0; i < ENTRIES; i++) {
        struct entry *entry = &paces.entries[i];

        if (entry->job && entry->waiting == 0 && now_ns - entry->used_ns > IDLE_NS)
            forget(entry);
    }
}

/* A free one, or that which nobody has used for the longest time. NULL: all are waited for. */
static struct entry *make_room(void)
{
    struct entry *oldest = NULL;

    for (u32 i = 0; i < ENTRIES; i++) {
        struct entry *entry = &paces.entries[i];

        if (entry->job == 0)
            return entry;
        if (entry->waiting == 0 && (!oldest || entry->used_ns < oldest->used_ns))
            oldest = entry;
    }
    if (oldest)
        forget(oldest);
    return oldest;
}

static void set(u64 job, u32 epoch, u64 rate, bool over, s64 now_ns)
{
    struct entry *entry = find(job);

    if (entry && epoch < entry->epoch)
        return;
    if (!entry) {
        entry = make_room();
        if (!entry)
            return;
        *entry = (struct entry){.job = job, .bucket.free_ns = now_ns};
        atomic_fetch_add(&paces.used, 1);
    }
    if (entry->bucket.rate == 0)
        entry->bucket = (struct bucket){.rate = rate, .free_ns = now_ns};
    else if (rate == 0)
        entry->bucket.rate = 0;
    else
        bucket_change(&entry->bucket, rate, now_ns);
    entry->epoch = epoch;
    entry->over = over;
    entry->used_ns = now_ns;
}

void pace_set(u64 job, u32 epoch, u64 rate, bool over)
{
    s64 now_ns = clock_monotonic_ns();

    if (job == 0)
        return;
    pthread_once(&paces.once, make_condition);
    pthread_mutex_lock(&paces.mutex);
    forget_idle(now_ns);
    set(job, epoch, rate, over, now_ns);
    pthread_cond_broadcast(&paces.changed);
    pthread_mutex_unlock(&paces.mutex);
}

static void wait_until(struct entry *entry, s64 due_ns)
{
    struct timespec until = {.tv_sec = due_ns / NS_PER_S, .tv_nsec = due_ns % NS_PER_S};

    entry->waiting++;
    pthread_cond_timedwait(&paces.changed, &paces.mutex, &until);
    entry->waiting--;
}

/* One look: bytes that may be read, or 0 after a wait. *over: none will be. */
static u64 try_take(u64 job, u32 epoch, u64 wanted, bool *over)
{
    struct entry *entry = find(job);
    s64 now_ns = clock_monotonic_ns(), due_ns;
    u64 bytes;

    if (!entry)
        return wanted;
    entry->used_ns = now_ns;
    *over = epoch < entry->epoch || (epoch == entry->epoch && entry->over);
    if (*over)
        return 0;
    if (entry->bucket.rate == 0 || epoch > entry->epoch)
        return wanted;
    bytes = bucket_chunk(entry->bucket.rate);
    if (bytes > wanted)
        bytes = wanted;
    if (bucket_take(&entry->bucket, bytes, now_ns, &due_ns))
        return bytes;
    wait_until(entry, due_ns < now_ns + LOOK_NS ? due_ns : now_ns + LOOK_NS);
    return 0;
}

u64 pace_take(u64 job, u32 epoch, u64 wanted, bool (*stopped)(void *context),
              void (*waits)(void *context), void *context)
{
    bool over = false;
    u64 bytes = 0;

    if (atomic_load_explicit(&paces.used, memory_order_relaxed) == 0)
        return wanted;
    pthread_once(&paces.once, make_condition);
    while (bytes == 0 && !over && !stopped(context)) {
        pthread_mutex_lock(&paces.mutex);
        bytes = try_take(job, epoch, wanted, &over);
        pthread_mutex_unlock(&paces.mutex);
        if (bytes == 0)
            waits(context);
    }
    return bytes;
}
