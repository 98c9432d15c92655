/* assets.c: one open asset per address in the process, shared by its lanes.
 *
 * Sharing is not for speed alone: a settle counts only with a descriptor that is older than what
 * was written, so a destination stays open from task to task. An asset whose address leads
 * elsewhere by now is retired: who uses it goes on with it, nobody starts to. Opening and checking
 * may block for long (network filesystems), so neither is done under the mutex; if two lanes open
 * the same address at once, the second one's is closed again.
 *
 * An open asset keeps its filesystem from being unmounted, so one that nobody used for
 * ASSET_IDLE_MS is closed. Not so a destination of a job that still runs: between the last copy and
 * the settle of its segment a scan may go on for hours and find nothing, and a descriptor opened
 * anew would have the shard scanned again, and again. As long as the staging area is there, what
 * was staged into stays open. All else costs no more than the next open: a source, what was only
 * probed or read back. Should a destination be closed too early all the same (its staging area
 * could not be looked for), the planner sees by the age of the new descriptor that it cannot
 * settle, and has the shard redone. */
#include "svc/worker_internal.h"

#include "base/clock.h"
#include "svc/confine.h"

#include <stdlib.h>

/* Beyond this, the one that was not used for the longest time is closed: bounded descriptors. */
#define ASSETS_MAX 256
#define ASSET_IDLE_MS 60000

struct open_asset {
    struct open_asset *next; /* most recently used first */
    struct asset *asset;
    u32 users;
    s64 used_ms;      /* monotonic: when it was last taken or given back */
    bool staged_into; /* by this process, of which a settle may be asked then */
    bool retired;     /* not in the list any more */
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
    open->used_ms = clock_monotonic_ms();
    unlink_asset(open);
    link_first(open);
    return open;
}

static struct open_asset *find_idle(s64 now_ms)
{
    struct open_asset *open = assets;

    while (open && (open->users > 0 || now_ms - open->used_ms < ASSET_IDLE_MS))
        open = open->next;
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
    open->used_ms = clock_monotonic_ms();
    if (retire && !open->retired) {
        open->retired = true;
        unlink_asset(open);
    }
    last = --open->users == 0 && open->retired;
    pthread_mutex_unlock(&mutex);
    if (last)
        close_asset(open);
}

/* Set for the source of the same task as well, where a staging area will be looked for in vain. */
static void mark_staged_into(struct open_asset *open)
{
    pthread_mutex_lock(&mutex);
    open->staged_into = true;
    pthread_mutex_unlock(&mutex);
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
    int rc = confine_check(text, err) < 0 ? -1 : asset_open(text, &open->asset, err);

    free(text);
    if (rc < 0) {
        free(open);
        return -1;
    }
    pthread_mutex_lock(&mutex);
    other = find_and_use(address);
    if (!other) {
        open->users = 1;
        open->used_ms = clock_monotonic_ms();
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
        if (task->kind == MSG_stage || task->kind == MSG_part)
            mark_staged_into(use->open);
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

bool assets_are_idle(s64 now_ms)
{
    bool idle;

    pthread_mutex_lock(&mutex);
    idle = find_idle(now_ms) != NULL;
    pthread_mutex_unlock(&mutex);
    return idle;
}

static bool has_staging_area(struct asset *asset)
{
    struct asset_directory *root = NULL;
    struct attributes attributes;
    struct err err;
    int found;

    if (asset_directory_open(asset, bytes_text(""), &root, &err) < 0)
        return false;
    found = asset_directory_lookup(root, bytes_text(STAGING_NAME), &attributes, &err);
    asset_directory_close(&root);
    return found > 0;
}

/* Held meanwhile, so that nobody else closes it. The look at it counts as a use: one that is spared
 * is looked at again only after ASSET_IDLE_MS. */
static struct open_asset *take_idle(s64 now_ms)
{
    struct open_asset *open;

    pthread_mutex_lock(&mutex);
    open = find_idle(now_ms);
    if (open) {
        open->users++;
        open->used_ms = now_ms;
    }
    pthread_mutex_unlock(&mutex);
    return open;
}

/* `spare` false: it is closed, unless somebody has used it since take_idle. */
static void give_idle_back(struct open_asset *open, bool spare, s64 now_ms)
{
    bool last;

    pthread_mutex_lock(&mutex);
    if (!spare && open->users == 1 && open->used_ms == now_ms && !open->retired) {
        open->retired = true;
        unlink_asset(open);
    }
    last = --open->users == 0 && open->retired;
    pthread_mutex_unlock(&mutex);
    if (last)
        close_asset(open);
}

void assets_close_idle(s64 now_ms)
{
    struct open_asset *open;

    while ((open = take_idle(now_ms)) != NULL) {
        bool spare = open->staged_into && has_staging_area(open->asset);

        give_idle_back(open, spare, now_ms);
    }
}
