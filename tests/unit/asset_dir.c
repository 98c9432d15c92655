/* asset_dir.c: what only a directory tree can show: attack, tampering, locks, and who may do what.
 *
 * How: real trees under TMPDIR, changed behind the driver's back. Mounts and full disks are in
 * asset_mounts.c, the contract that all drivers share in tests/contract. */
#include "contract/asset_place.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/file.h>
#include <sys/wait.h>

#include "base/clock.h"

/* ---- confinement ---- */

struct swapper {
    const char *a;
    const char *b;
    atomic_bool stop;
};

static void *swap(void *argument)
{
    struct swapper *self = argument;

    while (!atomic_load(&self->stop))
        renameat2(AT_FDCWD, self->a, AT_FDCWD, self->b, RENAME_EXCHANGE);
    return NULL;
}

/* One round of everything that goes through `name`; false if a link was met there. */
static bool try_through(struct place *place, struct asset_token *token, u64 outside)
{
    struct attributes attributes = file_attributes(0666), directory = file_attributes(0777), there;
    struct asset_directory *into = NULL;
    struct asset_file *file;
    bool entered, made;
    u32 not_kept;
    struct err err;

    directory.kind = KIND_directory;
    entered = asset_publish_directory(token, TEXT("name"), 0, &into, &err) == 0;
    if (entered) {
        must(put(token, 0, into, "canary", "changed", &err));
        must(asset_publish_make(token, 1, into, TEXT("made"), false, &made, &err));
        must(
            asset_set_attributes(token, into, TEXT("canary"), WANTED(attributes), &not_kept, &err));
        asset_directory_close(&into);
    } else {
        assert_int_equal(err.code, ERR_Occupied);
    }
    if (asset_publish_directory(token, TEXT("name/made/further"), 0, &into, &err) == 0)
        asset_directory_close(&into);
    asset_set_directory_attributes(token, TEXT("name"), WANTED(directory), &not_kept, &err);
    if (asset_directory_open(place->asset, TEXT("name"), &into, &err) == 0) {
        must(asset_directory_attributes(into, &there, &err));
        assert_int_not_equal(there.inode, outside);
        if (asset_file_open(into, TEXT("canary"), &file, &there, &err) == 0) {
            assert_int_equal(there.size, 7);
            asset_file_close(&file);
        }
        asset_directory_close(&into);
    }
    return entered;
}

/* Goal: nothing outside the root is touched while somebody swaps a directory and a link to there.
 * Method: swap without end while every operation goes through the name; a canary must not change.
 */
static void confinement(void **state)
{
    struct place *place = *state, outside;
    struct swapper swapper = {0};
    struct stat before, after;
    struct asset_token *token;
    u32 inside = 0, rounds = 4000;
    pthread_t thread;
    struct err err;

    place_make(&outside, "", false);
    plant_file(&outside, "canary", "untouched");
    plant_directory(place, "name");
    plant_link(place, "other", outside.root);
    assert_int_equal(stat(outside.root, &before), 0);
    token = begin(place, 1, 1, 1);
    swapper.a = below(place, "name");
    swapper.b = below(place, "other");
    assert_int_equal(pthread_create(&thread, NULL, swap, &swapper), 0);
    for (u32 i = 0; i < rounds; i++)
        inside += try_through(place, token, before.st_ino);
    atomic_store(&swapper.stop, true);
    pthread_join(thread, NULL);
    assert_true(inside > 0 && inside < rounds);
    assert_int_equal(stat(outside.root, &after), 0);
    assert_int_equal(before.st_mode, after.st_mode);
    assert_true(before.st_ctim.tv_sec == after.st_ctim.tv_sec &&
                before.st_ctim.tv_nsec == after.st_ctim.tv_nsec);
    assert_int_equal(count_entries(&outside, ""), 1);
    check_content(&outside, "", TEXT("canary"), TEXT("untouched"));
    must(asset_token_end(&token, &err));
    must(asset_staging_close(place->asset, &err));
    place_remove(&outside);
}

/* Goal: a staged copy that somebody could have changed is refused by prover and publisher.
 * Method: change its mode, link it a second time, put a link and a FIFO in its place. */
static void tampering(void **state)
{
    struct attributes attributes = file_attributes(0644);
    struct place *place = *state;
    struct asset_token *token = begin(place, 1, 1, 1);
    struct asset_directory *root = open_directory(place, "");
    struct staged_version version, seen;
    struct asset_file *file;
    u32 not_kept;
    struct err err;

    plant_file(place, "secret", "secret");
    for (int way = 0; way < 4; way++) {
        const char *staged = below(place, STAGING_NAME "/1-1-1/0");

        version = stage(token, 0, TEXT("copy"));
        if (way == 0) {
            assert_int_equal(chmod(staged, 0666), 0);
        } else if (way == 1) {
            assert_int_equal(link(staged, below(place, "second")), 0);
        } else {
            assert_int_equal(unlink(staged), 0);
            assert_int_equal(way == 2 ? symlink("../../secret", staged) : mkfifo(staged, 0600), 0);
        }
        must_fail(asset_staged_open(token, 0, false, &file, &seen, &err), StagedChanged);
        must_fail(asset_publish(token, 0, &version, WANTED(attributes), false, root, TEXT("x"),
                                &not_kept, &err),
                  StagedChanged);
    }
    assert_int_equal(count_entries(place, ""), 2);
    must(asset_token_end(&token, &err));
    must(asset_staging_close(place->asset, &err));
    asset_directory_close(&root);
}

/* ---- locks ---- */

struct holder {
    const char *lock;
    u32 hold_ms;
    atomic_bool has;
};

static void *hold(void *argument)
{
    struct holder *self = argument;
    int fd = open(self->lock, O_RDWR);

    assert_int_equal(flock(fd, LOCK_EX), 0);
    atomic_store(&self->has, true);
    usleep(self->hold_ms * 1000);
    close(fd);
    return NULL;
}

/* Goal: a revoke waits for a change in place that is under way, but not for one that never ends.
 * Method: another thread holds the lock for 100 ms, then for longer than LOCK_WAIT_MS. */
static void lock_against_revoke(void **state)
{
    struct attributes attributes = file_attributes(0600);
    struct token which = {.job = 1, .epoch = 1};
    struct place *place = *state;
    u32 not_kept;
    struct err err;

    plant_file(place, "file", "");
    for (u32 round = 1; round <= 2; round++) {
        struct holder holder = {.hold_ms = round == 1 ? 100 : LOCK_WAIT_MS + 300};
        struct asset_token *token = begin(place, 1, 1, round);
        struct asset_directory *root = open_directory(place, "");
        char name[64];
        pthread_t thread;
        s64 start;
        bool clean;

        snprintf(name, sizeof name, STAGING_NAME "/1-1-%u/lock", round);
        holder.lock = below(place, name);
        must(asset_set_attributes(token, root, TEXT("file"), WANTED(attributes), &not_kept, &err));
        assert_int_equal(pthread_create(&thread, NULL, hold, &holder), 0);
        while (!atomic_load(&holder.has))
            usleep(100);
        which.sequence = round;
        start = clock_monotonic_ms();
        must(asset_revoke(place->asset, &which, &clean, &err));
        assert_int_equal(clean, round == 1);
        assert_true(clock_monotonic_ms() - start >= (round == 1 ? 80 : LOCK_WAIT_MS));
        assert_true(clock_monotonic_ms() - start < LOCK_WAIT_MS + 250);
        must_fail(
            asset_set_attributes(token, root, TEXT("file"), WANTED(attributes), &not_kept, &err),
            Revoked);
        pthread_join(thread, NULL);
        asset_token_close(&token);
        asset_directory_close(&root);
    }
    must(asset_staging_close(place->asset, &err));
}

/* Goal: a revoke that died between its steps leaves a token that does nothing, and can be repeated.
 * Method: take away the lock file and a staged copy, as its first steps do; then revoke. */
static void revoked_by_half(void **state)
{
    struct token which = {.job = 1, .epoch = 1, .sequence = 1};
    struct attributes attributes = file_attributes(0600);
    struct place *place = *state;
    struct asset_token *token = begin(place, 1, 1, 1);
    struct asset_directory *root = open_directory(place, "");
    struct staged_version version = stage(token, 0, TEXT("x"));
    u32 not_kept;
    struct err err;
    bool clean;

    plant_file(place, "file", "");
    assert_int_equal(unlink(below(place, STAGING_NAME "/1-1-1/lock")), 0);
    assert_int_equal(unlink(below(place, STAGING_NAME "/1-1-1/0")), 0);
    must_fail(asset_set_attributes(token, root, TEXT("file"), WANTED(attributes), &not_kept, &err),
              Revoked);
    must_fail(asset_publish(token, 0, &version, WANTED(attributes), false, root, TEXT("y"),
                            &not_kept, &err),
              Revoked);
    must(asset_revoke(place->asset, &which, &clean, &err));
    assert_int_equal(access(below(place, STAGING_NAME "/1-1-1"), F_OK), -1);
    asset_token_close(&token);
    asset_directory_close(&root);
}

/* Goal: an area whose maker died before the marker is taken over; a user's own directory is not.
 * Method: an empty directory with mode 0755, one with a file in it, an empty one with 0700. */
static void area_without_marker(void **state)
{
    struct place *place = *state;
    struct err err;
    s64 now;

    assert_int_equal(mkdir(below(place, STAGING_NAME), 0755), 0);
    assert_int_equal(chmod(below(place, STAGING_NAME), 0755), 0);
    must_fail(asset_staging_open(place->asset, 1, 1, &now, &err), ReservedName);
    must_fail(asset_check_writable(place->asset, &err), ReservedName);
    assert_int_equal(count_entries(place, ""), 1);
    assert_int_equal(chmod(below(place, STAGING_NAME), 0700), 0);
    plant_file(place, STAGING_NAME "/file", "");
    must_fail(asset_staging_open(place->asset, 1, 1, &now, &err), ReservedName);
    assert_int_equal(unlink(below(place, STAGING_NAME "/file")), 0);
    must(asset_staging_open(place->asset, 1, 1, &now, &err));
    assert_int_equal(count_entries(place, ""), 0);
    plant_file(place, STAGING_NAME "/1-1-5/0", "left");
    plant_file(place, STAGING_NAME "/other", "left");
    plant_directory(place, STAGING_NAME "/1-1-5/d3");
    must(asset_staging_close(place->asset, &err));
    assert_int_equal(access(below(place, STAGING_NAME), F_OK), -1);
}

/* Goal: a staging area is hidden at any depth: a tree may hold another synchronization's
 * destination. Method: open an area in a subdirectory through an asset of its own and list from
 * above. */
static void nested_area(void **state)
{
    struct place *place = *state;
    struct asset *inner;
    char address[400];
    struct err err;
    s64 now;

    plant_file(place, "sub/file", "");
    snprintf(address, sizeof address, "%s/sub", place->address);
    must(asset_open(address, &inner, &err));
    must(asset_staging_open(inner, 3, 1, &now, &err));
    assert_int_equal(count_entries(place, "sub"), 1);
    must(asset_staging_close(inner, &err));
    asset_close(&inner);
}

/* ---- the root ---- */

/* Goal: addresses that cannot be opened say why, and a replaced root is noticed.
 * Method: bad addresses; then rename the root away and make another one of its name. */
static void roots(void **state)
{
    struct place *place = *state;
    struct asset *asset;
    char address[400];
    struct err err;

    must_fail(asset_open("dir:relative", &asset, &err), Configuration);
    must_fail(asset_open("dir:", &asset, &err), Configuration);
    must_fail(asset_open("s3:bucket", &asset, &err), Configuration);
    must_fail(asset_open("/no/scheme", &asset, &err), Configuration);
    must_fail(asset_open("dir:/no/such/place", &asset, &err), NotFound);
    plant_file(place, "file", "");
    snprintf(address, sizeof address, "%s/file", place->address);
    must_fail(asset_open(address, &asset, &err), NotADirectory);
    assert_null(asset);
    assert_int_equal(mkdir(below(place, "root"), 0755), 0);
    snprintf(address, sizeof address, "%s/root", place->address);
    must(asset_open(address, &asset, &err));
    assert_int_equal(asset_is_current(asset, &err), 1);
    assert_int_equal(rename(below(place, "root"), below(place, "away")), 0);
    assert_int_equal(asset_is_current(asset, &err), 0);
    assert_int_equal(mkdir(below(place, "root"), 0755), 0);
    assert_int_equal(asset_is_current(asset, &err), 0);
    asset_close(&asset);
}

/* Goal: names of tokens and places are compared as values.
 * Method: tables of good and bad ones. */
static void tokens_and_places(void **state)
{
    static const char *const bad[] = {"",
                                      "1",
                                      "1-2",
                                      "1-2-",
                                      "1-2-3-4",
                                      "01-2-3",
                                      "1-2-4294967296",
                                      "-1-2-3",
                                      "1--2",
                                      "a-b-c",
                                      "18446744073709551616-1-1"};
    struct token token = {UINT64_MAX, UINT32_MAX, UINT32_MAX}, back;
    char name[TOKEN_NAME_SIZE];

    (void)state;
    token_name(&token, name);
    assert_int_equal(token_parse(bytes_text(name), &back), 0);
    assert_memory_equal(&token, &back, sizeof token);
    assert_int_equal(token_parse(TEXT("7-0-10"), &back), 0);
    assert_true(back.job == 7 && back.epoch == 0 && back.sequence == 10);
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_int_equal(token_parse(bytes_text(bad[i]), &back), -1);
    assert_int_equal(place_compare(TEXT("12345678a"), TEXT("12345678a")), PLACE_SAME);
    assert_int_equal(place_compare(TEXT("12345678a/b"), TEXT("12345678a")), PLACE_A_IN_B);
    assert_int_equal(place_compare(TEXT("12345678"), TEXT("12345678a")), PLACE_B_IN_A);
    assert_int_equal(place_compare(TEXT("12345678ab"), TEXT("12345678a")), PLACE_APART);
    assert_int_equal(place_compare(TEXT("12345678a"), TEXT("12345679a")), PLACE_APART);
}

/* ---- who may not ---- */

/* Goal: a file with more names than one is not changed in place, as all would change.
 * Method: link it twice and try; a put replaces one name and leaves the other. */
static void hard_links_in_place(void **state)
{
    struct attributes attributes = file_attributes(0600), there;
    struct place *place = *state;
    struct asset_token *token = begin(place, 1, 1, 1);
    struct asset_directory *root = open_directory(place, "");
    u32 not_kept;
    struct err err;

    plant_file(place, "a", "");
    assert_int_equal(link(below(place, "a"), below(place, "b")), 0);
    must_fail(asset_set_attributes(token, root, TEXT("a"), WANTED(attributes), &not_kept, &err),
              Occupied);
    assert_int_equal(look_up(place, "", "b", &there), 1);
    assert_int_equal(there.mode, 0640);
    must(put(token, 0, root, "a", "alone", &err));
    assert_int_equal(look_up(place, "", "b", &there), 1);
    assert_int_equal(there.size, 0);
    asset_directory_close(&root);
    asset_token_close(&token);
}

/* The unprivileged part, in a process of its own: 0, or which check failed. */
static int as_nobody(const char *address)
{
    struct attributes wanted = file_attributes(06755), there;
    struct asset_directory *into;
    struct staged_version version;
    struct token which = {1, 1, 1};
    struct asset_token *token;
    struct asset_file *file;
    struct asset *asset;
    u32 not_kept;
    struct err err;
    s64 now;

    if (asset_open(address, &asset, &err) < 0)
        return 1;
    if (asset_staging_open(asset, 1, 1, &now, &err) < 0 ||
        asset_grant(asset, &which, 1, &err) < 0 ||
        asset_token_open(asset, &which, &token, &err) < 0)
        return 2;
    /* own directories without rights for their owner: both are made usable */
    if (asset_publish_directory(token, TEXT("closed/dark/new"), 0, &into, &err) < 0)
        return 3;
    if (asset_stage_file(token, 0, &file, &err) < 0 || asset_stage_end(&file, &version, &err) < 0)
        return 4;
    wanted.uid = wanted.gid = 0;
    if (asset_publish(token, 0, &version, WANTED(wanted), false, into, TEXT("x"), &not_kept, &err) <
        0)
        return 5;
    if (not_kept != NOT_KEPT_OWNER)
        return 6;
    if (asset_directory_lookup(into, TEXT("x"), &there, &err) != 1)
        return 7;
    if (there.mode != 0755 || there.uid != geteuid()) /* no setuid of the wrong owner */
        return 8;
    asset_directory_close(&into);
    /* somebody else's directory stays as it is */
    if (asset_publish_directory(token, TEXT("theirs/new"), 0, &into, &err) == 0)
        return 9;
    if (err.code != ERR_AccessDenied)
        return 10;
    if (asset_token_end(&token, &err) < 0 || asset_staging_close(asset, &err) < 0)
        return 11;
    asset_close(&asset);
    return 0;
}

/* Goal: without privilege own closed directories are opened, foreign owners are named as not kept.
 * Method: a child gives up root and publishes below directories with modes 0500 and 0000. */
static void without_privilege(void **state)
{
    struct place *place = *state;
    int status;
    pid_t child;

    if (geteuid() != 0)
        skip();
    plant_directory(place, "closed");
    plant_directory(place, "closed/dark");
    plant_directory(place, "theirs");
    assert_int_equal(chmod(below(place, "theirs"), 0700), 0);
    assert_int_equal(chown(place->root, 65534, 65534), 0);
    assert_int_equal(chown(below(place, "closed/dark"), 65534, 65534), 0);
    assert_int_equal(chown(below(place, "closed"), 65534, 65534), 0);
    assert_int_equal(chmod(below(place, "closed/dark"), 0), 0);
    assert_int_equal(chmod(below(place, "closed"), 0500), 0);
    child = fork();
    if (child == 0) {
        if (setgid(65534) < 0 || setuid(65534) < 0)
            _exit(255);
        _exit(as_nobody(place->address));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DIR_TEST(confinement),
        DIR_TEST(tampering),
        DIR_TEST(lock_against_revoke),
        DIR_TEST(revoked_by_half),
        DIR_TEST(area_without_marker),
        DIR_TEST(nested_area),
        DIR_TEST(roots),
        DIR_TEST(tokens_and_places),
        DIR_TEST(hard_links_in_place),
        DIR_TEST(without_privilege),
    };

    return cmocka_run_group_tests_name("asset_dir", tests, NULL, NULL);
}
