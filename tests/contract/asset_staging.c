/* asset_staging.c: the contract of asset.h, the same tests for every driver: tokens, staging,
 * proving and publishing. See asset.c for the other half. */
#include "contract/asset_place.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

/* ---- staging area and tokens ---- */

/* Goal: the area comes and goes as often as asked for, is not listed, and leaves nothing.
 * Method: open twice, look from outside and inside, close twice. */
static void staging_area(void **state)
{
    struct token token = {.job = 5, .epoch = 2, .sequence = 1};
    struct place *place = *state;
    struct attributes attributes;
    s64 now, again;
    struct err err;

    must(asset_staging_close(place->asset, &err));
    must_fail(asset_grant(place->asset, &token, 1, &err), Revoked);
    must(asset_staging_open(place->asset, 5, 2, &now, &err));
    must(asset_staging_open(place->asset, 5, 2, &again, &err));
    assert_true(now > 1500000000 * NS_PER_S && again >= now);
    /* stamps may be finer than the clock, which then is behind, the careful side */
    assert_true(asset_now_ns(place->asset) >= now - CLOCK_GRAIN_MS * NS_PER_MS);
    must(asset_grant(place->asset, &token, 20, &err));
    must(asset_grant(place->asset, &token, 1, &err));
    assert_int_equal(count_entries(place, ""), 0);
    assert_int_equal(look_up(place, "", STAGING_NAME, &attributes), 1);
    must(asset_check_writable(place->asset, &err));
    must(asset_staging_close(place->asset, &err));
    must(asset_staging_close(place->asset, &err));
    assert_int_equal(look_up(place, "", STAGING_NAME, &attributes), 0);
    must_fail(asset_grant(place->asset, &token, 1, &err), Revoked);
}

/* Goal: a user's own object with the reserved name is neither hidden, used nor removed.
 * Method: a file, a link and a directory of that name; open and close the area over each. */
static void reserved_name(void **state)
{
    struct attributes attributes;
    struct err err;
    s64 now;

    for (int i = 0; i < 3; i++) {
        struct place place;

        (void)state;
        place_make(&place, driver->prefix, driver->is_mem);
        if (i == 0)
            plant_file(&place, STAGING_NAME, "mine");
        else if (i == 1)
            plant_link(&place, STAGING_NAME, "elsewhere");
        else
            plant_file(&place, STAGING_NAME "/mine", "mine");
        must_fail(asset_staging_open(place.asset, 1, 1, &now, &err), ReservedName);
        assert_int_equal(count_entries(&place, ""), 1);
        must(asset_staging_close(place.asset, &err));
        assert_int_equal(look_up(&place, "", STAGING_NAME, &attributes), 1);
        place_remove(&place);
    }
}

static bool is_granted(struct place *place, u64 job, u32 epoch, u32 sequence)
{
    struct token token = {.job = job, .epoch = epoch, .sequence = sequence};
    struct asset_token *handle;
    struct err err = {0};

    if (asset_token_open(place->asset, &token, &handle, &err) < 0) {
        assert_int_equal(err.code, ERR_Revoked);
        return false;
    }
    asset_token_close(&handle);
    return true;
}

/* Goal: grants go one by one, by older epochs of a job, and by the opening of another.
 * Method: tokens of two jobs and epochs, each of the three ways in turn. */
static void who_is_granted(void **state)
{
    struct token a = {.job = 1, .epoch = 9, .sequence = 1},
                 b = {.job = 1, .epoch = 10, .sequence = 1};
    struct token all = {.job = 1, .epoch = 10, .sequence = 0};
    struct place *place = *state;
    struct asset_token *handle;
    struct err err;
    bool clean;
    s64 now;

    must(asset_staging_open(place->asset, 1, 9, &now, &err));
    must(asset_grant(place->asset, &a, 3, &err));
    must(asset_grant(place->asset, &b, 3, &err));
    assert_true(is_granted(place, 1, 9, 3));
    assert_false(is_granted(place, 1, 9, 4));
    a.sequence = 2;
    must(asset_revoke(place->asset, &a, &clean, &err));
    assert_true(clean);
    must(asset_revoke(place->asset, &a, &clean, &err));
    assert_false(is_granted(place, 1, 9, 2));
    assert_true(is_granted(place, 1, 9, 3));
    must(asset_revoke(place->asset, &all, &clean, &err));
    assert_false(is_granted(place, 1, 9, 3));
    assert_true(is_granted(place, 1, 10, 1));
    must(asset_token_open(place->asset, &b, &handle, &err));
    must(asset_token_end(&handle, &err));
    assert_null(handle);
    assert_false(is_granted(place, 1, 10, 1));
    must(asset_staging_open(place->asset, 1, 10, &now, &err));
    assert_true(is_granted(place, 1, 10, 2));
    must(asset_staging_open(place->asset, 2, 10, &now, &err));
    assert_false(is_granted(place, 1, 10, 2));
    must(asset_staging_close(place->asset, &err));
}

/* Goal: after its token was revoked a handle that is still open can do nothing.
 * Method: stage, revoke, then try every step with the handle. */
static void stale_token(void **state)
{
    struct token token = {.job = 1, .epoch = 1, .sequence = 1};
    struct attributes attributes = file_attributes(0644);
    struct place *place = *state;
    struct asset_token *handle = begin(place, 1, 1, 1);
    struct asset_directory *root = open_directory(place, ""), *directory;
    struct staged_version version = stage(handle, 0, TEXT("late"));
    struct asset_file *file, *open_file;
    struct buf target = {0};
    struct err err;
    bool clean, made;
    u32 not_kept;

    plant_file(place, "there", "1");
    must(asset_stage_file(handle, 1, &open_file, &err));
    must(asset_revoke(place->asset, &token, &clean, &err));
    must(asset_stage_write(open_file, "x", 1, 0, &err));
    asset_stage_abort(&open_file);
    must_fail(asset_stage_file(handle, 2, &file, &err), Revoked);
    must_fail(asset_stage_link(handle, 2, TEXT("x"), &version, &err), Revoked);
    must_fail(asset_staged_open(handle, 0, false, &file, &version, &err), Revoked);
    must_fail(asset_staged_link(handle, 0, &target, &version, &err), Revoked);
    must_fail(asset_publish(handle, 0, &version, WANTED(attributes), false, root, TEXT("late"),
                            &not_kept, &err),
              Revoked);
    must_fail(asset_publish_make(handle, 1, root, TEXT("new"), false, &made, &err), Revoked);
    must_fail(asset_publish_directory(handle, TEXT("new/er"), 0, &directory, &err), Revoked);
    must_fail(
        asset_set_attributes(handle, root, TEXT("there"), WANTED(attributes), &not_kept, &err),
        Revoked);
    attributes.kind = KIND_directory;
    must_fail(asset_set_directory_attributes(handle, TEXT(""), WANTED(attributes), &not_kept, &err),
              Revoked);
    asset_stage_remove(handle, 0);
    assert_int_equal(count_entries(place, ""), 1);
    must(asset_token_end(&handle, &err));
    must(asset_staging_close(place->asset, &err));
    buf_release(&target);
    asset_directory_close(&root);
}

struct publisher {
    struct place *place;
    struct asset_token *token;
    atomic_uint published;
    atomic_bool revoked;
};

/* Publishes one name after the other until the token is revoked. */
static void *publish_on(void *argument)
{
    struct publisher *self = argument;
    struct attributes attributes = file_attributes(0644);
    struct asset_directory *root = open_directory(self->place, "");

    for (u32 i = 0; !atomic_load(&self->revoked) && i < 100000; i++) {
        struct staged_version version;
        struct asset_file *file;
        char name[16];
        struct err err = {0};
        u32 not_kept;

        snprintf(name, sizeof name, "n%u", i);
        if (asset_stage_file(self->token, i, &file, &err) == 0 &&
            asset_stage_end(&file, &version, &err) == 0 &&
            asset_publish(self->token, i, &version, WANTED(attributes), false, root,
                          bytes_text(name), &not_kept, &err) == 0)
            atomic_fetch_add(&self->published, 1);
        if (err.code == ERR_Revoked)
            atomic_store(&self->revoked, true);
    }
    asset_directory_close(&root);
    return NULL;
}

/* Goal: a revoke in the middle of publishing is a clean cut: nothing comes after it.
 * Method: a thread publishes without end, the main thread revokes and counts names at once and
 * later. */
static void revoke_under_way(void **state)
{
    struct place *place = *state;

    for (u32 round = 1; round <= 5; round++) {
        struct publisher publisher = {.place = place, .token = begin(place, 1, 1, round)};
        struct token token = {.job = 1, .epoch = 1, .sequence = round};
        u32 count;
        struct err err;
        pthread_t thread;
        bool clean;

        assert_int_equal(pthread_create(&thread, NULL, publish_on, &publisher), 0);
        while (atomic_load(&publisher.published) < 20 * round)
            sched_yield();
        must(asset_revoke(place->asset, &token, &clean, &err));
        assert_true(clean);
        count = count_entries(place, "");
        pthread_join(thread, NULL);
        assert_true(atomic_load(&publisher.revoked));
        assert_int_equal(count_entries(place, ""), count);
        asset_token_close(&publisher.token);
    }
}

/* ---- staging, proving, publishing ---- */

/* Goal: a copy is invisible until it is published, then whole, with its attributes, and only once.
 * Method: stage, read back by another handle, publish, publish again (the order may come twice). */
static void stage_prove_publish(void **state)
{
    struct token token = {.job = 1, .epoch = 1, .sequence = 1};
    struct attributes attributes = file_attributes(04751), there;
    struct place *place = *state;
    struct asset_token *mover = begin(place, 1, 1, 1), *prover;
    struct asset_directory *root = open_directory(place, "");
    struct staged_version version, seen;
    struct asset_file *file;
    u8 content[16];
    u32 not_kept;
    struct err err;

    must(asset_stage_file(mover, 7, &file, &err));
    must(asset_stage_write(file, "hello ", 6, 0, &err));
    must(asset_stage_write(file, "world", 5, 6, &err));
    must(asset_stage_end(&file, &version, &err));
    assert_null(file);
    must(asset_token_open(place->asset, &token, &prover, &err));
    for (int uncached = 0; uncached < 2; uncached++) {
        must(asset_staged_open(prover, 7, uncached, &file, &seen, &err));
        assert_true(seen.inode == version.inode && seen.size == 11 &&
                    seen.ctime_ns == version.ctime_ns);
        assert_int_equal(asset_file_read(file, content, sizeof content, 0, &err), 11);
        assert_memory_equal(content, "hello world", 11);
        asset_file_close(&file);
    }
    asset_token_close(&prover);
    assert_int_equal(count_entries(place, ""), 0);
    must_fail(asset_staged_open(mover, 8, false, &file, &seen, &err), StagedChanged);
    must(asset_publish(mover, 7, &seen, WANTED(attributes), false, root, TEXT("out"), &not_kept,
                       &err));
    assert_int_equal(not_kept, 0);
    assert_int_equal(look_up(place, "", "out", &there), 1);
    assert_int_equal(there.mode, 04751);
    assert_int_equal(there.size, 11);
    assert_int_equal(there.inode, version.inode);
    assert_true(there.mtime_ns == attributes.mtime_ns);
    check_content(place, "", TEXT("out"), TEXT("hello world"));
    must(asset_publish(mover, 7, &seen, WANTED(attributes), false, root, TEXT("out"), &not_kept,
                       &err));
    must_fail(asset_publish(mover, 7, &seen, WANTED(attributes), false, root, TEXT("other"),
                            &not_kept, &err),
              StagedChanged);
    must(asset_token_end(&mover, &err));
    must(asset_staging_close(place->asset, &err));
    assert_int_equal(count_entries(place, ""), 1);
    asset_directory_close(&root);
}

/* Goal: what is published is exactly what was proven.
 * Method: change the staged copy after its version was taken, or claim another version. */
static void changed_after_proof(void **state)
{
    struct attributes attributes = file_attributes(0644);
    struct place *place = *state;
    struct asset_token *token = begin(place, 1, 1, 1);
    struct asset_directory *root = open_directory(place, "");
    struct staged_version proven = stage(token, 0, TEXT("one")), wrong;
    u32 not_kept;
    struct err err;

    wrong = proven;
    wrong.size++;
    must_fail(asset_publish(token, 0, &wrong, WANTED(attributes), false, root, TEXT("x"), &not_kept,
                            &err),
              StagedChanged);
    wrong = proven;
    wrong.ctime_ns--;
    must_fail(asset_publish(token, 0, &wrong, WANTED(attributes), false, root, TEXT("x"), &not_kept,
                            &err),
              StagedChanged);
    stage(token, 0, TEXT("two"));
    must_fail(asset_publish(token, 0, &proven, WANTED(attributes), false, root, TEXT("x"),
                            &not_kept, &err),
              StagedChanged);
    assert_int_equal(count_entries(place, ""), 0);
    must(asset_token_end(&token, &err));
    must(asset_staging_close(place->asset, &err));
    asset_directory_close(&root);
}

/* Goal: an index can be staged again, given up and removed.
 * Method: do so, and look which content can be read back. */
static void staging_again(void **state)
{
    struct place *place = *state;
    struct asset_token *token = begin(place, 1, 1, 1);
    struct staged_version version;
    struct asset_file *file;
    u8 content[8];
    struct err err;

    stage(token, 0, TEXT("first"));
    must(asset_stage_link(token, 0, TEXT("target"), &version, &err));
    stage(token, 0, TEXT("second"));
    must(asset_staged_open(token, 0, false, &file, &version, &err));
    assert_int_equal(asset_file_read(file, content, sizeof content, 0, &err), 6);
    assert_memory_equal(content, "second", 6);
    asset_file_close(&file);
    must(asset_stage_file(token, 1, &file, &err));
    must(asset_stage_write(file, "x", 1, 0, &err));
    asset_stage_abort(&file);
    assert_null(file);
    must_fail(asset_staged_open(token, 1, false, &file, &version, &err), StagedChanged);
    asset_stage_remove(token, 0);
    asset_stage_remove(token, 0);
    must_fail(asset_staged_open(token, 0, false, &file, &version, &err), StagedChanged);
    must_fail(asset_stage_link(token, 2, TEXT(""), &version, &err), InvalidPath);
    must(asset_token_end(&token, &err));
    must(asset_staging_close(place->asset, &err));
}

/* Goal: publishing replaces files and links, never directories.
 * Method: publish a file over each kind; a link's target must be as it was. */
static void replacing(void **state)
{
    struct place *place = *state;
    struct asset_token *token = begin(place, 1, 1, 1);
    struct asset_directory *root = open_directory(place, "");
    struct attributes there;
    struct err err;

    plant_file(place, "file", "old");
    plant_file(place, "target", "untouched");
    plant_link(place, "link", "target");
    plant_directory(place, "empty");
    must(put(token, 0, root, "file", "new", &err));
    must(put(token, 1, root, "link", "new", &err));
    must_fail(put(token, 2, root, "empty", "new", &err), Occupied);
    check_content(place, "", TEXT("file"), TEXT("new"));
    check_content(place, "", TEXT("link"), TEXT("new"));
    check_content(place, "", TEXT("target"), TEXT("untouched"));
    assert_int_equal(look_up(place, "", "empty", &there), 1);
    assert_int_equal(there.kind, KIND_directory);
    must_fail(put(token, 3, root, STAGING_NAME, "x", &err), ReservedName);
    must_fail(put(token, 3, root, "..", "x", &err), InvalidPath);
    must_fail(put(token, 3, root, "a/b", "x", &err), InvalidPath);
    must_fail(put(token, 3, root, "", "x", &err), InvalidPath);
    must(asset_token_end(&token, &err));
    asset_directory_close(&root);
    must(asset_staging_close(place->asset, &err));
}

/* Goal: links are carried verbatim, whatever they point to.
 * Method: stage, prove and publish targets that lead out, nowhere, or are no text. */
static void links(void **state)
{
    static const char *const targets[] = {"../../etc", "/", "a\nb", "\xff\xfe", "nowhere/at all"};
    struct attributes attributes = file_attributes(0777), there;
    struct place *place = *state;
    struct asset_token *token = begin(place, 1, 1, 1);
    struct asset_directory *root = open_directory(place, "");
    struct buf target = {0};
    u32 not_kept;
    struct err err;

    attributes.kind = KIND_symlink;
    for (u32 i = 0; i < COUNT_OF(targets); i++) {
        struct staged_version version, seen;

        must(asset_stage_link(token, i, bytes_text(targets[i]), &version, &err));
        buf_clear(&target);
        must(asset_staged_link(token, i, &target, &seen, &err));
        assert_true(bytes_equal(buf_bytes(&target), bytes_text(targets[i])));
        assert_true(version.inode == seen.inode && version.ctime_ns == seen.ctime_ns);
        must(asset_publish(token, i, &seen, WANTED(attributes), false, root, TEXT("link"),
                           &not_kept, &err));
        buf_clear(&target);
        must(asset_read_link(root, TEXT("link"), &target, &there, &err));
        assert_true(bytes_equal(buf_bytes(&target), bytes_text(targets[i])));
        assert_true(there.mtime_ns == attributes.mtime_ns);
        must(asset_publish(token, i, &seen, WANTED(attributes), false, root, TEXT("link"),
                           &not_kept, &err));
    }
    must(asset_token_end(&token, &err));
    asset_directory_close(&root);
    buf_release(&target);
}

/* Goal: parents are made as needed, once, and never in place of something else.
 * Method: make a path twice by two tokens, then paths through a file and a link. */
static void parents(void **state)
{
    struct place *place = *state;
    struct asset_token *token = begin(place, 1, 1, 1), *second = begin(place, 1, 1, 2);
    struct asset_directory *directory;
    struct attributes there;
    struct err err;

    plant_file(place, "file", "");
    plant_directory(place, "real");
    plant_link(place, "link", "real");
    must(asset_publish_directory(token, TEXT("a/b/c"), 0, &directory, &err));
    must(put(token, 0, directory, "x", "1", &err));
    asset_directory_close(&directory);
    must(asset_publish_directory(second, TEXT("a/b/c"), 0, &directory, &err));
    must(put(second, 0, directory, "y", "2", &err));
    asset_directory_close(&directory);
    must(asset_publish_directory(second, TEXT(""), 0, &directory, &err));
    asset_directory_close(&directory);
    assert_int_equal(count_entries(place, "a/b/c"), 2);
    assert_int_equal(look_up(place, "a", "b", &there), 1);
    assert_int_equal(there.mode & 0777, 0700);
    must_fail(asset_publish_directory(token, TEXT("file/x"), 0, &directory, &err), Occupied);
    must_fail(asset_publish_directory(token, TEXT("file"), 0, &directory, &err), Occupied);
    must_fail(asset_publish_directory(token, TEXT("link/x"), 0, &directory, &err), Occupied);
    must_fail(asset_publish_directory(token, TEXT("link"), 0, &directory, &err), Occupied);
    must_fail(asset_publish_directory(token, TEXT("../x"), 0, &directory, &err), InvalidPath);
    must_fail(asset_publish_directory(token, TEXT(STAGING_NAME "/x"), 0, &directory, &err),
              ReservedName);
    assert_int_equal(count_entries(place, "real"), 0);
    must(asset_token_end(&token, &err));
    must(asset_token_end(&second, &err));
    must(asset_staging_close(place->asset, &err));
    assert_int_equal(count_entries(place, ""), 4);
}

/* Goal: a directory is made once, and a second making says so.
 * Method: make one twice, and one where a file and a link are. */
static void making_directories(void **state)
{
    struct place *place = *state;
    struct asset_token *token = begin(place, 1, 1, 1);
    struct asset_directory *root = open_directory(place, "");
    struct attributes there;
    struct err err;
    bool made;

    plant_file(place, "file", "");
    plant_link(place, "link", "file");
    must(asset_publish_make(token, 0, root, TEXT("new"), false, &made, &err));
    assert_true(made);
    assert_int_equal(look_up(place, "", "new", &there), 1);
    assert_int_equal(there.kind, KIND_directory);
    assert_int_equal(there.mode & 0777, 0700);
    must(asset_publish_make(token, 0, root, TEXT("new"), false, &made, &err));
    assert_false(made);
    must_fail(asset_publish_make(token, 1, root, TEXT("file"), false, &made, &err), Occupied);
    must_fail(asset_publish_make(token, 2, root, TEXT("link"), false, &made, &err), Occupied);
    must_fail(asset_publish_make(token, 3, root, TEXT(STAGING_NAME), false, &made, &err),
              ReservedName);
    must(asset_token_end(&token, &err));
    must(asset_staging_close(place->asset, &err));
    asset_directory_close(&root);
}

/* Goal: attributes of what is there are set in place, only on an object of the expected kind.
 * Method: set a file's mode, a directory's mode and time, the root's; then expect another kind. */
static void attributes_in_place(void **state)
{
    struct attributes file = file_attributes(0400), directory = file_attributes(02750), there;
    struct place *place = *state;
    struct asset_token *token = begin(place, 1, 1, 1);
    struct asset_directory *root = open_directory(place, "");
    u32 not_kept;
    struct err err;

    directory.kind = KIND_directory;
    directory.mtime_ns = -1500000000123456789;
    plant_file(place, "file", "content");
    plant_file(place, "d/e/file", "");
    must(asset_set_attributes(token, root, TEXT("file"), WANTED(file), &not_kept, &err));
    assert_int_equal(not_kept, 0);
    assert_int_equal(look_up(place, "", "file", &there), 1);
    assert_int_equal(there.mode, 0400);
    assert_true(there.mtime_ns == 1500000000123456789);
    must(asset_set_directory_attributes(token, TEXT("d/e"), WANTED(directory), &not_kept, &err));
    assert_int_equal(look_up(place, "d", "e", &there), 1);
    assert_int_equal(there.mode, 02750);
    assert_true(there.mtime_ns == directory.mtime_ns);
    must_fail(asset_set_attributes(token, root, TEXT("d"), WANTED(file), &not_kept, &err),
              Occupied);
    must_fail(asset_set_attributes(token, root, TEXT("none"), WANTED(file), &not_kept, &err),
              NotFound);
    must_fail(
        asset_set_directory_attributes(token, TEXT("file"), WANTED(directory), &not_kept, &err),
        NotADirectory);
    must_fail(
        asset_set_directory_attributes(token, TEXT("x/y"), WANTED(directory), &not_kept, &err),
        NotFound);
    must(asset_token_end(&token, &err));
    must(asset_staging_close(place->asset, &err));
    directory.mode = 0711;
    must(asset_set_root_attributes(place->asset, WANTED(directory), &not_kept, &err));
    must(asset_root_attributes(place->asset, &there, &err));
    assert_int_equal(there.mode, 0711);
    assert_true(there.mtime_ns == directory.mtime_ns);
    asset_directory_close(&root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(staging_area),
        TEST(reserved_name),
        TEST(who_is_granted),
        TEST(stale_token),
        TEST(revoke_under_way),
        TEST(stage_prove_publish),
        TEST(changed_after_proof),
        TEST(staging_again),
        TEST(replacing),
        TEST(links),
        TEST(parents),
        TEST(making_directories),
        TEST(attributes_in_place),
    };

    return run_for_each_driver("staging", tests);
}
