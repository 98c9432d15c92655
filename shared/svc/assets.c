/* assets.c: one open asset per address in the process, shared by its lanes.
 *
 * Sharing is not for speed alone: a settle counts only with a descriptor that is older than what
 * was written, so a destination stays open from task to task. An asset whose address leads
 * elsewhere by now is retired: who uses it goes on with it, nobody starts to. Opening and checking
 * may block for long (network filesystems), so neither is done under the mutex; if two lanes open
 * the same address at once, the second one's is closed again. */
#include "svc/worker_internal.h"

#include <stdlib.h>

/* Beyond this, the one that was not used for the longest time is closed: bounded descriptors. */
#define ASSETS_MAX 256

struct open_asset {
    struct open_asset *next; /* most recently used first */
    struct asset *asset;
    u32 users;
    bool retired; /* not in the list any more */
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct open_asset *assets;
static u32 asset_count;

static bool address_is(const struct asset *asset, struct bytes address)
{
    return bytes_equal(bytes_text(asset->address), address);
}

/* ---- under the mutex ---- */

static void unlink_asset(struct open_asset *open)
{
    struct open_asset **at = &assets;

    while (*at != open)
        at = &(*at)->next;
    *at = open->next;
    asset_count--;
}

static void link_first(struct open_asset *open)
{
    open->next = assets;
    assets = open;
    asset_count++;
}

static struct open_asset *find_and_use(struct bytes address)
{
    struct open_asset *open = assets;

    while (open && !address_is(open->asset, address))
        open = open->next;
    if (!open)
        return NULL;
    open->users++;
    unlink_asset(open);
    link_first(open);
    return open;
}

/* The one to close because there are too many; NULL if all are in use. */
static struct open_asset *take_unused(void)
{
    struct open_asset *unused = NULL;

    if (asset_count <= ASSETS_MAX)
        return NULL;
    for (struct open_asset *open = assets; open; open = open->next)
        if (open->users == 0)
            unused = open;
    if (unused)
        unlink_asset(unused);
    return unused;
}

/* ---- without it ---- */

static void close_asset(struct open_asset *open)
{
    if (!open)
        return;
    asset_close(&open->asset);
    free(open);
}

static void stop_using(struct open_asset *open, bool retire)
{
    bool last;

    pthread_mutex_lock(&mutex);
    if (retire && !open->retired) {
        open->retired = true;
        unlink_asset(open);
    }
    last = --open->users == 0 && open->retired;
    pthread_mutex_unlock(&mutex);
    if (last)
        close_asset(open);
}

/* 0 and a current asset that is open already, or NULL if there is none. */
static int use_open(struct bytes address, struct open_asset **out, struct err *err)
{
    struct open_asset *open;
    int current;

    *out = NULL;
    pthread_mutex_lock(&mutex);
    open = find_and_use(address);
    pthread_mutex_unlock(&mutex);
    if (!open)
        return 0;
    current = asset_is_current(open->asset, err);
    if (current > 0) {
        *out = open;
        return 0;
    }
    stop_using(open, current == 0);
    return current;
}

static int use_new(struct bytes address, struct open_asset **out, struct err *err)
{
    struct open_asset *open = memory_or_die(sizeof *open), *other, *unused;
    char *text = text_of_bytes(address);
    int rc = asset_open(text, &open->asset, err);

    free(text);
    if (rc < 0) {
        free(open);
        return -1;
    }
    pthread_mutex_lock(&mutex);
    other = find_and_use(address);
    if (!other) {
        open->users = 1;
        link_first(open);
    }
    unused = take_unused();
    pthread_mutex_unlock(&mutex);
    close_asset(unused);
    if (other)
        close_asset(open);
    *out = other ? other : open;
    return 0;
}

int task_asset(struct task *task, struct bytes address, struct asset **out, struct err *err)
{
    struct open_asset *open = NULL;
    struct asset_use *use;

    for (use = task->assets; use; use = use->next) {
        if (!address_is(use->open->asset, address))
            continue;
        *out = use->open->asset;
        return 0;
    }
    if (address.size == 0 || memchr(address.data, '\0', address.size))
        return err_set(err, ERR_Configuration, "an asset address that is empty or has a NUL");
    if (use_open(address, &open, err) < 0)
        return -1;
    if (!open && use_new(address, &open, err) < 0)
        return -1;
    use = memory_or_die(sizeof *use);
    use->open = open;
    use->next = task->assets;
    task->assets = use;
    *out = open->asset;
    return 0;
}

void assets_release(struct task *task)
{
    while (task->assets) {
        struct asset_use *use = task->assets;

        task->assets = use->next;
        stop_using(use->open, false);
        free(use);
    }
}

void assets_close(void)
{
    while (assets) {
        struct open_asset *open = assets;

        unlink_asset(open);
        close_asset(open);
    }
}
