/* watcher_fixture.h: a scan driven without any worker: the sink records what the scan says, checks
 * what must hold for each message, and can change the trees on the way.
 *
 * Checks are cmocka's: a helper that fails ends its test. */
#ifndef SYNCLINE_TESTS_WATCHER_FIXTURE_H
#define SYNCLINE_TESTS_WATCHER_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "asset/mem.h"
#include "base/names.h"
#include "watcher/scan.h"

#define FIXTURE_UNUSED __attribute__((unused))
#define FIXTURE_MTIME_NS 1234567890123456789LL
#define FIXTURE_ITEMS_MAX 200000u

/* One item, as a test looks at it. */
struct seen {
    char *path;
    u32 kind;
    u32 operation;
    u32 flags;
    u32 replaces; /* of its directory's record */
    u64 size;
    u32 batch; /* items of the batch that it came in */
};

/* One name that was listed for the close. */
struct listed {
    char *path;
    struct rec_name name; /* but for its path */
};

struct fixture {
    char base[64]; /* directory of dir: assets; "" for mem: */
    struct asset *source;
    struct asset *destination;
    struct compare_rules rules;
    struct bytes path;
    struct bytes handed_off[256];
    u32 handed_off_count;
    struct filter *filter; /* NULL, or destroyed with the fixture */
    u32 flags;             /* SCAN_… */
    struct bare_set *bare; /* NULL, or destroyed with the fixture */

    /* what the sink answers */
    u32 wanted;      /* subtrees that others could take */
    bool count_only; /* paths are not kept */
    u32 stop_at;     /* number of the message that is not taken any more; 0 = none */
    u32 hook_at;     /* call of progress at which `hook` runs, once; 0 = never */
    void (*hook)(struct fixture *fixture);

    /* what the scan said */
    struct seen *seen;
    u32 count;
    struct listed *listed;
    u32 listed_count;
    u32 listed_items; /* of them, those that count as scanned */
    u32 lists;
    u32 largest_batch;
    u64 largest_bytes; /* of a batch with more items than one */
    size_t largest_frame;
    u32 first_batch;
    u32 batches;
    u32 number;
    u32 progressed;
    char *splits[256];
    u32 split_count;
    bool ended;
    struct msg_scanned scanned;
    char message[ERR_TEXT_SIZE];
    u32 descriptors_max; /* open in the process, as seen by progress */
    size_t heap_max;
};

static int fixture_send(void *context, u32 number, const struct envelope *envelope);

FIXTURE_UNUSED static void fixture_take_found(struct fixture *f, const struct envelope *envelope)
{
    const struct msg_found *found = &envelope->message.found;
    struct batch batch;
    struct err err;
    u64 bytes = 0;

    assert_int_equal(envelope->bodies, 2);
    assert_int_equal(batch_decode(envelope->body[0], envelope->body[1], &batch, &err), 0);
    assert_int_equal(batch.item_count, found->items);
    assert_true(found->items > 0);
    for (u32 i = 0; i < batch.item_count; i++) {
        const struct rec_item *item = &batch.items[i];
        struct buf path = {0};

        if (f->count_only) {
            f->count++;
            bytes += item->operation == OPERATION_put ? item->size : 0;
            continue;
        }
        path_join(&path, batch.dirs[item->dir].path, item->name);
        assert_true(f->count < FIXTURE_ITEMS_MAX);
        f->seen[f->count++] = (struct seen){
            .path = text_copy(buf_text(&path)),
            .kind = item->kind,
            .operation = item->operation,
            .flags = item->flags,
            .replaces = batch.dirs[item->dir].replaces,
            .size = item->size,
            .batch = batch.item_count,
        };
        bytes += item->operation == OPERATION_put ? item->size : 0;
        buf_release(&path);
    }
    assert_int_equal(bytes, found->bytes);
    assert_int_equal(found->scanned, found->unchanged + f->count + f->listed_items);
    if (f->batches++ == 0)
        f->first_batch = batch.item_count;
    if (batch.item_count > f->largest_batch)
        f->largest_batch = batch.item_count;
    if (batch.item_count > 1 && bytes > f->largest_bytes)
        f->largest_bytes = bytes;
    for (u32 i = 0; i < 2; i++)
        if (envelope->body[i].size > f->largest_frame)
            f->largest_frame = envelope->body[i].size;
    batch_release(&batch);
}

FIXTURE_UNUSED static void fixture_take_listed(struct fixture *f, const struct envelope *envelope)
{
    const struct msg_listed *listed = &envelope->message.listed;
    struct frame_reader reader;
    struct rec_name name;
    u32 names = 0, items = 0;
    u64 bytes = 0;
    struct err err;
    int more;

    assert_int_equal(envelope->bodies, 1);
    assert_int_equal(frame_open(&reader, envelope->body[0], &err), 0);
    while ((more = frame_next_name(&reader, &name, &err)) == 1) {
        bool item = name.operation == OPERATION_link || name.operation == OPERATION_put;

        assert_true(name.path.size > 0 && path_is_valid(name.path));
        assert_true(path_is_within(name.path, f->path));
        names++;
        items += item;
        f->listed_items += item || name.operation == 0;
        bytes += name.operation == OPERATION_put ? name.size : 0;
        if (!f->count_only) {
            assert_true(f->listed_count < FIXTURE_ITEMS_MAX);
            f->listed[f->listed_count].path = text_of_bytes(name.path);
            f->listed[f->listed_count].name = name;
            f->listed[f->listed_count].name.path = (struct bytes){0};
        }
        f->listed_count++;
    }
    assert_int_equal(more, 0);
    assert_true(names > 0);
    assert_int_equal(listed->names, names);
    assert_int_equal(listed->items, items);
    assert_int_equal(listed->bytes, bytes);
    assert_int_equal(listed->scanned, listed->unchanged + f->count + f->listed_items);
    f->lists++;
    if (envelope->body[0].size > f->largest_frame)
        f->largest_frame = envelope->body[0].size;
}

FIXTURE_UNUSED static int fixture_send(void *context, u32 number, const struct envelope *envelope)
{
    struct fixture *f = context;
    const struct message *message = &envelope->message;

    assert_int_equal(number, f->number + 1);
    assert_false(f->ended);
    if (f->stop_at == number)
        return -1;
    f->number = number;
    if (message->kind == MSG_found) {
        assert_int_equal(message->found.number, number);
        fixture_take_found(f, envelope);
    } else if (message->kind == MSG_listed) {
        assert_int_equal(message->listed.number, number);
        fixture_take_listed(f, envelope);
    } else if (message->kind == MSG_split) {
        assert_int_equal(message->split.number, number);
        assert_true(f->split_count < COUNT_OF(f->splits));
        f->splits[f->split_count++] = text_of_bytes(message->split.path);
    } else {
        assert_int_equal(message->kind, MSG_scanned);
        assert_int_equal(message->scanned.number, number);
        assert_int_equal(message->scanned.scanned,
                         message->scanned.unchanged + f->count + f->listed_items);
        f->scanned = message->scanned;
        snprintf(f->message, sizeof f->message, "%.*s", (int)message->scanned.message.size,
                 (const char *)message->scanned.message.data);
        f->ended = true;
    }
    return 0;
}

static u32 fixture_wanted(void *context)
{
    return ((struct fixture *)context)->wanted;
}

static void fixture_split_taken(void *context)
{
    struct fixture *f = context;

    f->wanted -= f->wanted > 0;
}

static u32 fixture_descriptors(void)
{
    DIR *directory = opendir("/proc/self/fd");
    u32 count = 0;

    while (directory && readdir(directory))
        count++;
    if (directory)
        closedir(directory);
    return count;
}

static void fixture_progress(void *context)
{
    struct fixture *f = context;
    u32 descriptors = fixture_descriptors();
    size_t heap = mallinfo2().uordblks;

    if (descriptors > f->descriptors_max)
        f->descriptors_max = descriptors;
    if (heap > f->heap_max)
        f->heap_max = heap;
    if (++f->progressed == f->hook_at)
        f->hook(f);
}

static bool fixture_stopped(void *context)
{
    (void)context;
    return false;
}

/* Forgets what an earlier scan said. */
FIXTURE_UNUSED static void fixture_clear(struct fixture *f)
{
    for (u32 i = 0; i < f->count && !f->count_only; i++)
        free(f->seen[i].path);
    for (u32 i = 0; i < f->split_count; i++)
        free(f->splits[i]);
    for (u32 i = 0; i < f->listed_count && !f->count_only; i++)
        free(f->listed[i].path);
    f->listed_count = f->listed_items = f->lists = 0;
    f->count = f->split_count = f->number = f->batches = f->progressed = 0;
    f->largest_batch = f->first_batch = f->descriptors_max = 0;
    f->largest_bytes = 0;
    f->largest_frame = f->heap_max = 0;
    f->ended = false;
}

/* Scans with what the fixture says; the answer is in the fixture. */
FIXTURE_UNUSED static void fixture_scan(struct fixture *f)
{
    struct scan_sink sink = {
        f, fixture_send, fixture_wanted, fixture_split_taken, fixture_progress, fixture_stopped};
    struct scan_request request = {
        .token = {.job = 1, .epoch = 2, .sequence = 3},
        .source = f->source,
        .destination = f->destination,
        .path = f->path,
        .handed_off = f->handed_off,
        .handed_off_count = f->handed_off_count,
        .rules = f->rules,
        .bare = f->bare,
        .filter = f->filter,
        .flags = f->flags,
    };
    u32 last = scan_shard(&request, &sink);

    if (f->stop_at == 0) {
        assert_true(f->ended);
        assert_int_equal(last, f->number);
    }
}

/* The item of this path; NULL if there is none. It must not be there twice. */
FIXTURE_UNUSED static const struct seen *fixture_find(const struct fixture *f, const char *path)
{
    const struct seen *found = NULL;

    for (u32 i = 0; i < f->count; i++) {
        if (strcmp(f->seen[i].path, path) != 0)
            continue;
        assert_null(found);
        found = &f->seen[i];
    }
    return found;
}

FIXTURE_UNUSED static void fixture_expect(const struct fixture *f, const char *path, u32 operation,
                                          u32 flags)
{
    const struct seen *seen = fixture_find(f, path);

    if (!seen)
        fail_msg("%s: no item", path);
    if (seen->operation != operation || seen->flags != flags)
        fail_msg("%s: operation %u, flags %x where %u, %x are expected", path, seen->operation,
                 seen->flags, operation, flags);
}

/* The name of this path that was listed; NULL if there is none. It must not be there twice. */
FIXTURE_UNUSED static const struct rec_name *fixture_listed(const struct fixture *f,
                                                            const char *path)
{
    const struct rec_name *found = NULL;

    for (u32 i = 0; i < f->listed_count; i++) {
        if (strcmp(f->listed[i].path, path) != 0)
            continue;
        assert_null(found);
        found = &f->listed[i].name;
    }
    return found;
}

FIXTURE_UNUSED static void fixture_expect_listed(const struct fixture *f, const char *path,
                                                 u32 operation, u32 flags)
{
    const struct rec_name *name = fixture_listed(f, path);

    if (!name)
        fail_msg("%s: not listed", path);
    if (name->operation != operation || name->flags != flags)
        fail_msg("%s: operation %u, flags %x where %u, %x are expected", path, name->operation,
                 name->flags, operation, flags);
}

/* Adds a filter. */
FIXTURE_UNUSED static void fixture_rule(struct fixture *f, const char *rule)
{
    struct err err;

    if (!f->filter)
        f->filter = filter_new();
    if (filter_add(f->filter, bytes_text(rule), &err) < 0)
        fail_msg("%s", err.text);
}

FIXTURE_UNUSED static void fixture_open(struct fixture *f, const char *source,
                                        const char *destination)
{
    struct err err;

    if (asset_open(source, &f->source, &err) < 0)
        fail_msg("%s", err.text);
    if (asset_open(destination, &f->destination, &err) < 0)
        fail_msg("%s", err.text);
}

/* Two empty trees in memory. */
FIXTURE_UNUSED static struct fixture *fixture_mem(void)
{
    struct fixture *f = memory_or_die(sizeof *f);

    f->seen = memory_or_die(FIXTURE_ITEMS_MAX * sizeof *f->seen);
    f->listed = memory_or_die(FIXTURE_ITEMS_MAX * sizeof *f->listed);
    f->rules = (struct compare_rules){.owners = true, .modes = true, .times = true, .nodes = true};
    fixture_open(f, "mem:source", "mem:destination");
    return f;
}

/* Where directories are made: TMPDIR, else memory, where a hundred thousand files take no time. */
FIXTURE_UNUSED static const char *fixture_place(void)
{
    const char *place = getenv("TMPDIR");

    if (place && strlen(place) < 32)
        return place;
    return access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
}

/* Two empty directories, "source" and "destination" below f->base. */
FIXTURE_UNUSED static struct fixture *fixture_dir(void)
{
    struct fixture *f = memory_or_die(sizeof *f);
    char source[96], destination[96];

    f->seen = memory_or_die(FIXTURE_ITEMS_MAX * sizeof *f->seen);
    f->listed = memory_or_die(FIXTURE_ITEMS_MAX * sizeof *f->listed);
    f->rules = (struct compare_rules){.owners = true, .modes = true, .times = true, .nodes = true};
    snprintf(f->base, sizeof f->base, "%s/syncline-watcher-XXXXXX", fixture_place());
    assert_non_null(mkdtemp(f->base));
    assert_int_equal(chmod(f->base, 0755), 0);
    snprintf(source, sizeof source, "dir:%s/source", f->base);
    snprintf(destination, sizeof destination, "dir:%s/destination", f->base);
    assert_int_equal(mkdir(source + 4, 0755), 0);
    assert_int_equal(mkdir(destination + 4, 0755), 0);
    fixture_open(f, source, destination);
    return f;
}

FIXTURE_UNUSED static void fixture_destroy(struct fixture *f)
{
    char command[256];

    fixture_clear(f);
    asset_close(&f->source);
    asset_close(&f->destination);
    mem_forget("source");
    mem_forget("destination");
    if (f->base[0]) {
        snprintf(command, sizeof command, "chmod -R u+rwx %s 2>/dev/null; rm -rf %s", f->base,
                 f->base);
        assert_int_equal(system(command), 0);
    }
    filter_destroy(&f->filter);
    bare_destroy(&f->bare);
    free(f->listed);
    free(f->seen);
    free(f);
}

/* Plants an empty directory of mode 0700. */
FIXTURE_UNUSED static void fixture_plant_private(const char *tree, const char *path)
{
    struct attributes attributes = {.kind = KIND_directory, .mode = 0700};
    struct err err;

    assert_int_equal(mem_plant(tree, bytes_text(path), &attributes, bytes_text(""), 0, &err), 0);
}

/* Plants an object of a fixed mtime in "source" or "destination"; mode 0644, or 0755 for
 * directories. */
FIXTURE_UNUSED static void fixture_plant(const char *tree, const char *path, enum object_kind kind,
                                         const char *content)
{
    struct attributes attributes = {
        .kind = kind,
        .mode = kind == KIND_directory ? 0755 : 0644,
        .mtime_ns = FIXTURE_MTIME_NS,
    };
    struct err err;

    if (mem_plant(tree, bytes_text(path), &attributes, bytes_text(content), 0, &err) < 0)
        fail_msg("%s", err.text);
}

FIXTURE_UNUSED static void fixture_plant_both(const char *path, enum object_kind kind,
                                              const char *content)
{
    fixture_plant("source", path, kind, content);
    fixture_plant("destination", path, kind, content);
}

/* A regular file of that size (a hole) and a fixed mtime, below "<base>/source" or
 * "<base>/destination". */
FIXTURE_UNUSED static void fixture_file(const struct fixture *f, const char *tree, const char *path,
                                        u64 size)
{
    struct timespec times[2] = {{1234567890, 123456789}, {1234567890, 123456789}};
    char whole[4096];
    int fd;

    snprintf(whole, sizeof whole, "%s/%s/%s", f->base, tree, path);
    fd = open(whole, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)size), 0);
    assert_int_equal(futimens(fd, times), 0);
    close(fd);
}

FIXTURE_UNUSED static void fixture_directory(const struct fixture *f, const char *tree,
                                             const char *path)
{
    char whole[4096];

    snprintf(whole, sizeof whole, "%s/%s/%s", f->base, tree, path);
    assert_int_equal(mkdir(whole, 0755), 0);
}

#endif
