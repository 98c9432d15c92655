/* svc_assets.c: how long a worker keeps an asset open. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "svc/worker_internal.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define LITTLE_MS 30000
#define LONG_MS 61000

static char directory[] = "/tmp/syncline-assets-XXXXXX", address[64];

static int make(void **state)
{
    (void)state;
    if (!mkdtemp(directory))
        return -1;
    snprintf(address, sizeof address, "dir:%s", directory);
    return 0;
}

static int clear(void **state)
{
    (void)state;
    assets_close();
    return rmdir(directory);
}

/* How many descriptors of this process keep the directory from being unmounted. */
static u32 count_open(void)
{
    DIR *listing = opendir("/proc/self/fd");
    struct dirent *entry;
    u32 count = 0;

    assert_non_null(listing);
    while ((entry = readdir(listing)) != NULL) {
        char target[256];
        ssize_t size = readlinkat(dirfd(listing), entry->d_name, target, sizeof target - 1);

        if (size < 0)
            continue;
        target[size] = '\0';
        count += strcmp(target, directory) == 0;
    }
    closedir(listing);
    return count;
}

static struct asset *use(struct task *task, u32 kind)
{
    struct asset *asset;
    struct err err;

    task->kind = kind;
    assert_int_equal(task_asset(task, bytes_text(address), &asset, &err), 0);
    return asset;
}

static void close_after(s64 ms)
{
    s64 now_ms = clock_monotonic_ms() + ms;

    if (assets_are_idle(now_ms))
        assets_close_idle(now_ms);
}

/* Goal: what nobody uses does not stay open for ever, and can be opened again.
 * Method: a task takes and gives back; a little later, much later, and another task. */
static void closes_what_is_idle(void **state)
{
    struct task task = {0};

    (void)state;
    use(&task, MSG_probe);
    assets_release(&task);
    close_after(LITTLE_MS);
    assert_int_equal(count_open(), 1);
    close_after(LONG_MS);
    assert_int_equal(count_open(), 0);
    use(&task, MSG_prove);
    assert_int_equal(count_open(), 1);
    assets_release(&task);
    close_after(LONG_MS);
    assert_int_equal(count_open(), 0);
}

/* Goal: what a task uses stays open however long it takes, and a minute longer.
 * Method: a task that holds it, while much time passes. */
static void spares_what_is_used(void **state)
{
    struct task task = {0};
    struct asset *asset;

    (void)state;
    asset = use(&task, MSG_scan);
    close_after(100 * LONG_MS);
    assert_int_equal(count_open(), 1);
    assert_true(asset->opened_ns > 0);
    assets_release(&task);
    close_after(LITTLE_MS);
    assert_int_equal(count_open(), 1);
    close_after(LONG_MS);
    assert_int_equal(count_open(), 0);
}

/* Goal: a destination into which a running job has staged keeps its descriptor until its settle,
 * however long nothing is asked of it; when the job has ended it is closed.
 * Method: a stage, long silence with the staging area there, a settle; the same after it is gone.
 */
static void spares_what_will_be_settled(void **state)
{
    struct task task = {0};
    struct asset *asset;
    struct err err;
    s64 opened_ns, now_ns;

    (void)state;
    asset = use(&task, MSG_stage);
    opened_ns = asset->opened_ns;
    assert_int_equal(asset_staging_open(asset, 7, 1, &now_ns, &err), 0);
    assets_release(&task);
    for (int i = 1; i < 4; i++)
        close_after(i * LONG_MS);
    asset = use(&task, MSG_settle);
    assert_int_equal(asset->opened_ns, opened_ns);
    assert_int_equal(asset_staging_close(asset, &err), 0);
    assets_release(&task);
    close_after(LONG_MS);
    assert_int_equal(count_open(), 0);
}

/* Goal: only who staged keeps a destination open for its settle: a prover need not.
 * Method: the staging area is there, the task was another one. */
static void closes_where_nothing_was_staged(void **state)
{
    struct task task = {0};
    struct asset *asset;
    struct err err;
    s64 now_ns;

    (void)state;
    asset = use(&task, MSG_prove);
    assert_int_equal(asset_staging_open(asset, 7, 1, &now_ns, &err), 0);
    assets_release(&task);
    close_after(LONG_MS);
    assert_int_equal(count_open(), 0);
    asset = use(&task, MSG_close);
    assert_int_equal(asset_staging_close(asset, &err), 0);
    assets_release(&task);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(closes_what_is_idle),
        cmocka_unit_test(spares_what_is_used),
        cmocka_unit_test(spares_what_will_be_settled),
        cmocka_unit_test(closes_where_nothing_was_staged),
    };

    return cmocka_run_group_tests(tests, make, clear);
}
