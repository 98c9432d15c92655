/* asset_place.h: fresh places for tests of assets, and short words for what the tests do with them.
 *
 * A place is one empty tree: a directory under TMPDIR for dir:, a named tree for mem:. The words
 * fail the test where they are used, with the error's text. */
#ifndef SYNCLINE_TESTS_ASSET_PLACE_H
#define SYNCLINE_TESTS_ASSET_PLACE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "asset/asset.h"
#include "asset/mem.h"
#include "base/names.h"
#include "schema/limits.h"

struct place {
    bool is_mem;
    char root[200]; /* the directory, or the name of the tree */
    char address[310];
    struct asset *asset;
};

#define TEXT(literal) bytes_of(literal, sizeof(literal) - 1)

#define must(call)                                                                                 \
    do {                                                                                           \
        if ((call) < 0)                                                                            \
            fail_msg("%s: %s: %s", #call, err_name(err.code), err.text);                           \
    } while (0)
#define must_fail(call, wanted)                                                                    \
    do {                                                                                           \
        err_clear(&err);                                                                           \
        if ((call) >= 0)                                                                           \
            fail_msg("%s did not fail", #call);                                                    \
        if (err.code != ERR_##wanted)                                                              \
            fail_msg("%s: %s instead of %s: %s", #call, err_name(err.code), #wanted, err.text);    \
    } while (0)

/* All of these attributes, without extras. */
#define WANTED(of) (&(struct wanted){.attributes = (of), .preserve = PRESERVE_ALL})

static inline void place_make(struct place *place, const char *prefix, bool is_mem)
{
    static unsigned serial;
    const char *where = getenv("TMPDIR");
    struct err err;

    memset(place, 0, sizeof *place);
    place->is_mem = is_mem;
    if (is_mem) {
        snprintf(place->root, sizeof place->root, "tree%u", serial++);
    } else {
        snprintf(place->root, sizeof place->root, "%s/syncline-XXXXXX", where ? where : "/tmp");
        assert_non_null(mkdtemp(place->root));
    }
    snprintf(place->address, sizeof place->address, "%s%s%s", prefix,
             is_mem ? "mem:" : "dir:", place->root);
    must(asset_open(place->address, &place->asset, &err));
}

static inline bool can(struct place *place, u32 capability)
{
    return asset_capabilities(place->asset) & capability;
}

static inline void place_remove(struct place *place)
{
    char command[500];

    asset_close(&place->asset);
    if (place->is_mem) {
        mem_forget(place->root);
        return;
    }
    snprintf(command, sizeof command, "chmod -R u+rwx '%s' 2>/dev/null; rm -rf '%s'", place->root,
             place->root);
    assert_int_equal(system(command), 0);
}

/* Puts an object into the tree as another user of it would, with missing directories on the way. */
static inline void plant(struct place *place, struct bytes path,
                         const struct attributes *attributes, struct bytes content)
{
    struct timespec times[2] = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_NOW}};
    char name[NAME_MAX + 1];
    struct err err;
    int at, fd;

    if (place->is_mem) {
        must(mem_plant(place->root, path, attributes, content, 0, &err));
        return;
    }
    at = open(place->root, O_PATH | O_DIRECTORY);
    for (;;) {
        const u8 *slash = memchr(path.data, '/', path.size);
        size_t size = slash ? (size_t)(slash - path.data) : path.size;

        memcpy(name, path.data, size);
        name[size] = '\0';
        if (!slash)
            break;
        mkdirat(at, name, 0755);
        fd = openat(at, name, O_PATH | O_DIRECTORY);
        assert_true(fd >= 0);
        close(at);
        at = fd;
        path = bytes_of(slash + 1, path.size - size - 1);
    }
    if (attributes->kind == KIND_directory) {
        assert_int_equal(mkdirat(at, name, 0755), 0);
    } else if (attributes->kind == KIND_symlink) {
        char *target = text_of_bytes(content);

        assert_int_equal(symlinkat(target, at, name), 0);
        free(target);
    } else if (attributes->kind == KIND_fifo) {
        assert_int_equal(mkfifoat(at, name, 0600), 0);
    } else {
        fd = openat(at, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        assert_int_equal(write(fd, content.data, content.size), (ssize_t)content.size);
        close(fd);
    }
    if (attributes->kind != KIND_symlink)
        assert_int_equal(fchmodat(at, name, attributes->mode, 0), 0);
    if (attributes->mtime_ns) {
        times[1].tv_sec = attributes->mtime_ns / NS_PER_S;
        times[1].tv_nsec = attributes->mtime_ns % NS_PER_S;
    }
    assert_int_equal(utimensat(at, name, times, AT_SYMLINK_NOFOLLOW), 0);
    close(at);
}

static inline void plant_file(struct place *place, const char *path, const char *content)
{
    struct attributes attributes = {
        .kind = KIND_file, .mode = 0640, .mtime_ns = 1500000000123456789};

    plant(place, bytes_text(path), &attributes, bytes_text(content));
}

static inline void plant_directory(struct place *place, const char *path)
{
    struct attributes attributes = {.kind = KIND_directory, .mode = 0755};

    plant(place, bytes_text(path), &attributes, bytes_text(""));
}

static inline void plant_link(struct place *place, const char *path, const char *target)
{
    struct attributes attributes = {.kind = KIND_symlink, .mode = 0777};

    plant(place, bytes_text(path), &attributes, bytes_text(target));
}

static inline struct asset_directory *open_directory(struct place *place, const char *path)
{
    struct asset_directory *directory;
    struct err err;

    must(asset_directory_open(place->asset, bytes_text(path), &directory, &err));
    return directory;
}

/* 1 and the attributes if it is there. */
static inline int look_up(struct place *place, const char *parent, const char *name,
                          struct attributes *out)
{
    struct asset_directory *directory = open_directory(place, parent);
    struct err err;
    int got;

    must(got = asset_directory_lookup(directory, bytes_text(name), out, &err));
    asset_directory_close(&directory);
    return got;
}

static inline u32 count_entries(struct place *place, const char *path)
{
    struct asset_directory *directory = open_directory(place, path);
    struct entry entry;
    struct err err;
    u32 count = 0;
    int got;

    while ((got = asset_directory_next(directory, &entry, &err)) == 1)
        count++;
    must(got);
    asset_directory_close(&directory);
    return count;
}

/* The content of a file has to be this. */
static inline void check_content(struct place *place, const char *parent, struct bytes name,
                                 struct bytes wanted)
{
    struct asset_directory *directory = open_directory(place, parent);
    struct attributes attributes;
    struct asset_file *file;
    u8 content[4096];
    struct err err;
    s64 got;

    must(asset_file_open(directory, name, &file, &attributes, &err));
    must(got = asset_file_read(file, content, sizeof content, 0, &err));
    assert_int_equal(got, wanted.size);
    assert_memory_equal(content, wanted.data, wanted.size);
    asset_file_close(&file);
    asset_directory_close(&directory);
}

/* Opens the staging area for a job and gives a first token. */
static inline struct asset_token *begin(struct place *place, u64 job, u32 epoch, u32 sequence)
{
    struct token token = {.job = job, .epoch = epoch, .sequence = sequence};
    struct asset_token *handle;
    struct err err;
    s64 now;

    must(asset_staging_open(place->asset, job, epoch, &now, &err));
    must(asset_grant(place->asset, &token, 1, &err));
    must(asset_token_open(place->asset, &token, &handle, &err));
    return handle;
}

static inline struct staged_version stage(struct asset_token *token, u32 index,
                                          struct bytes content)
{
    struct staged_version version;
    struct asset_file *file;
    struct err err;

    must(asset_stage_file(token, index, &file, &err));
    if (content.size)
        must(asset_stage_write(file, content.data, content.size, 0, &err));
    must(asset_stage_end(&file, &version, &err));
    return version;
}

static inline struct attributes file_attributes(u32 mode)
{
    return (struct attributes){.kind = KIND_file,
                               .mode = mode,
                               .uid = geteuid(),
                               .gid = getegid(),
                               .mtime_ns = 1234567890987654321};
}

/* Stages and publishes at the root. */
static inline int put(struct asset_token *token, u32 index, struct asset_directory *directory,
                      const char *name, const char *content, struct err *err)
{
    struct staged_version version = stage(token, index, bytes_text(content));
    struct attributes attributes = file_attributes(0644);
    u32 not_kept;

    return asset_publish(token, index, &version, WANTED(attributes), false, directory,
                         bytes_text(name), &not_kept, err);
}

/* The drivers that every contract test runs against, and the one that it is at. */
static const struct driver {
    const char *name;
    const char *prefix;
    bool is_mem;
} drivers[] = {
    {"dir", "", false},
    {"mem", "", true},
    {"fault;dir", "fault:short_reads=1;", false},
    {"fault;mem", "fault:seed=2;", true},
};
static const struct driver *driver;

static inline int set_up(void **state)
{
    struct place *place = malloc(sizeof *place);

    place_make(place, driver->prefix, driver->is_mem);
    *state = place;
    return 0;
}

static inline int tear_down(void **state)
{
    place_remove(*state);
    free(*state);
    return 0;
}

/* Runs the tests once for each driver; gives how many failed. */
static inline int run_for_each_driver_(const char *name, const struct CMUnitTest *tests,
                                       size_t count)
{
    int failed = 0;

    for (size_t i = 0; i < COUNT_OF(drivers); i++) {
        driver = &drivers[i];
        printf("# %s on %s\n", name, driver->name);
        failed += _cmocka_run_group_tests(driver->name, tests, count, NULL, NULL);
    }
    return failed;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define run_for_each_driver(name, tests) run_for_each_driver_(name, tests, COUNT_OF(tests))

/* ---- for tests of the directory driver alone ---- */

static inline int set_up_directory(void **state)
{
    driver = &drivers[0];
    return set_up(state);
}

#define DIR_TEST(name) cmocka_unit_test_setup_teardown(name, set_up_directory, tear_down)

/* What the kernel calls it; good until seven others were asked for. */
static inline const char *below(struct place *place, const char *path)
{
    static char out[8][400];
    static unsigned next;
    char *text = out[next++ % 8];

    snprintf(text, sizeof out[0], "%s/%s", place->root, path);
    return text;
}

#endif
