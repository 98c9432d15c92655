/* Goal: content is read no faster than the planner says, however many lanes read, and who waits is
 * never stuck. Method: the bucket by times computed; the table with threads that wait; stage and
 * part with a pace that gives little or nothing. */
#include "unit/mover_fixture.h"

#include "base/clock.h"
#include "mover/pace.h"

#include <pthread.h>
#include <stdatomic.h>

#define MIB (1ull << 20)

/* ---- one bucket ---- */

/* Takes chunks from `now_ns` on until `bytes` are taken; when the last one could be taken. */
static s64 take_all(struct bucket *bucket, u64 bytes, s64 now_ns)
{
    while (bytes > 0) {
        u64 chunk = bucket_chunk(bucket->rate);
        s64 due_ns = 0;

        if (chunk > bytes)
            chunk = bytes;
        if (bucket_take(bucket, chunk, now_ns, &due_ns)) {
            bytes -= chunk;
        } else {
            assert_true(due_ns > now_ns);
            assert_true(due_ns - now_ns <= 251 * NS_PER_MS); /* no turn lasts long */
            now_ns = due_ns;
        }
    }
    return now_ns;
}

static void test_rate(void **state)
{
    static const u64 rates[] = {1024, 100000, 10 * MIB, 200 * MIB, 10000 * MIB};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rates); i++) {
        struct bucket bucket = {.rate = rates[i], .free_ns = 0};
        s64 took_ns = take_all(&bucket, rates[i] * 4, 0);

        /* the last chunk is paid afterwards */
        assert_true(took_ns <= 4 * NS_PER_S);
        assert_true(took_ns >= 4 * NS_PER_S - 251 * NS_PER_MS);
    }
}

static void test_idle_time_is_not_saved(void **state)
{
    struct bucket bucket = {.rate = MIB, .free_ns = 0};
    s64 began_ns = 3600 * NS_PER_S;

    (void)state;
    assert_true(take_all(&bucket, 4 * MIB, began_ns) - began_ns >= 3700 * NS_PER_MS);
}

static void test_change_while_owing(void **state)
{
    struct bucket bucket = {.rate = 1000, .free_ns = 0};
    s64 due_ns = 0;

    (void)state;
    assert_true(bucket_take(&bucket, 1000, 0, &due_ns)); /* a second's worth is owed */
    bucket_change(&bucket, 4000, 0);
    assert_false(bucket_take(&bucket, 1, 0, &due_ns));
    assert_int_equal(due_ns, NS_PER_S / 4);
    bucket_change(&bucket, 500, NS_PER_S / 8);
    assert_false(bucket_take(&bucket, 1, NS_PER_S / 8, &due_ns));
    assert_int_equal(due_ns, NS_PER_S / 8 + NS_PER_S);
    /* who owes nothing owes nothing at another rate */
    bucket_change(&bucket, 1, 10 * NS_PER_S);
    assert_true(bucket_take(&bucket, 1, 10 * NS_PER_S, &due_ns));
}

/* ---- the table ---- */

struct lane {
    pthread_t thread;
    u64 job;
    u32 epoch;
    atomic_bool stop;
    _Atomic u32 waits;
    u64 got;
};

static bool lane_stopped(void *context)
{
    return atomic_load(&((struct lane *)context)->stop);
}

static void lane_waits(void *context)
{
    atomic_fetch_add(&((struct lane *)context)->waits, 1);
}

static u64 take(struct lane *lane, u64 wanted)
{
    return pace_take(lane->job, lane->epoch, wanted, lane_stopped, lane_waits, lane);
}

static void *lane_main(void *context)
{
    struct lane *lane = context;

    lane->got = take(lane, MIB);
    return NULL;
}

/* A lane that waits for an hour's turn, and has said at least once that it lives. */
static void begin_waiting(struct lane *lane, u64 job)
{
    *lane = (struct lane){.job = job, .epoch = 2};
    pace_set(job, 2, 1, false);
    assert_true(take(lane, MIB) > 0); /* 256 seconds to pay */
    assert_int_equal(pthread_create(&lane->thread, NULL, lane_main, lane), 0);
    while (atomic_load(&lane->waits) == 0)
        sched_yield();
}

static u64 join(struct lane *lane)
{
    pthread_join(lane->thread, NULL);
    return lane->got;
}

static void test_without_a_pace(void **state)
{
    struct lane lane = {.job = 900, .epoch = 1};

    (void)state;
    assert_int_equal(take(&lane, 5), 5);
    pace_set(901, 1, 1, false); /* of another job */
    assert_int_equal(take(&lane, 5), 5);
    assert_int_equal(atomic_load(&lane.waits), 0);
}

static void test_a_wait_ends(void **state)
{
    struct lane lane;

    (void)state;
    begin_waiting(&lane, 1); /* the task is stopped */
    atomic_store(&lane.stop, true);
    assert_int_equal(join(&lane), 0);
    begin_waiting(&lane, 2); /* there is no limit any more */
    pace_set(2, 2, 0, false);
    assert_int_equal(join(&lane), MIB);
    begin_waiting(&lane, 3); /* it is a faster one */
    pace_set(3, 2, 1ull << 40, false);
    assert_int_equal(join(&lane), MIB);
    begin_waiting(&lane, 4); /* the job ends early */
    pace_set(4, 2, 1, true);
    assert_int_equal(join(&lane), 0);
    begin_waiting(&lane, 5); /* another planner has it */
    pace_set(5, 3, 1, false);
    assert_int_equal(join(&lane), 0);
}

static void test_what_is_of_the_past(void **state)
{
    struct lane lane = {.job = 6, .epoch = 5};

    (void)state;
    pace_set(6, 5, 0, false);
    pace_set(6, 4, 1, true); /* late, of the planner that had it before */
    assert_int_equal(take(&lane, 7), 7);
    assert_int_equal(take(&lane, 7), 7);
}

/* The table is bounded: what was not used for longest goes, and is as fast as it can be. */
static void test_many_jobs(void **state)
{
    struct lane first = {.job = 1000, .epoch = 1}, last = {.job = 2000, .epoch = 1};

    (void)state;
    for (u64 job = 1000; job <= 2000; job++)
        pace_set(job, 1, 1, true);
    assert_int_equal(take(&first, 7), 7);
    assert_int_equal(take(&last, 7), 0);
}

/* ---- its use ---- */

static struct fixture f;
static u64 asked, given, refuse_from; /* bytes; 0 = never */

static u64 little(void *context, u64 wanted)
{
    (void)context;
    asked++;
    if (refuse_from && given >= refuse_from)
        return 0;
    if (wanted > 1000)
        wanted = 1000;
    given += wanted;
    return wanted;
}

static void stage_ten_thousand(u64 refuse)
{
    static char content[10001];

    memset(content, 'x', sizeof content - 1);
    fixture_open(&f, "mem", NULL, NULL);
    f.pace = little;
    asked = given = 0;
    refuse_from = refuse;
    fixture_file(f.source, "file", content);
    batch_of_file(&f, "file", 0);
    fixture_grant(&f);
    assert_ok(step_stage(&f), &f.err);
}

static void test_stage_asks(void **state)
{
    struct digest digest;
    static char content[10000];

    (void)state;
    memset(content, 'x', sizeof content);
    stage_ten_thousand(0);
    assert_int_equal(f.staged_records[0].code, 0);
    hash_bytes(f.hash, bytes_of(content, sizeof content), &digest);
    assert_memory_equal(f.staged_records[0].digest.data, digest.bytes, digest.size);
    assert_true(asked >= 10 && given >= 10000);
    fixture_close(&f);
}

static void test_stage_gives_up(void **state)
{
    (void)state;
    stage_ten_thousand(3000);
    assert_int_equal(f.staged_records[0].code, ERR_Stopped);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_a_pace), /* first: no job has one yet */
        cmocka_unit_test(test_rate),
        cmocka_unit_test(test_idle_time_is_not_saved),
        cmocka_unit_test(test_change_while_owing),
        cmocka_unit_test(test_a_wait_ends),
        cmocka_unit_test(test_what_is_of_the_past),
        cmocka_unit_test(test_many_jobs),
        cmocka_unit_test(test_stage_asks),
        cmocka_unit_test(test_stage_gives_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
