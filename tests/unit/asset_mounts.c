/* asset_mounts.c: directories and the mount table: bind mounts, mount points inside, full and
 * read-only filesystems.
 *
 * How: a mount namespace of its own, in which the tests mount what they need; skipped without the
 * privilege to do so. Everything mounted goes with the process. */
#include "contract/asset_place.h"

#include <sched.h>
#include <sys/mount.h>

static bool may_mount;

static int tear_down_mounts(void **state)
{
    static const char *const points[] = {"full", "inside/mount", "inside/users", "inside/file",
                                         "bound"};
    struct place *place = *state;
    char path[300];

    for (size_t i = 0; i < COUNT_OF(points); i++) {
        snprintf(path, sizeof path, "%s/%s", place->root, points[i]);
        umount2(path, MNT_DETACH);
    }
    return tear_down(state);
}

static void mount_at(struct place *place, const char *source, const char *point, const char *type,
                     unsigned long flags, const char *options)
{
    char from[300], to[300];

    if (!may_mount)
        skip();
    snprintf(from, sizeof from, "%s/%s", place->root, source);
    snprintf(to, sizeof to, "%s/%s", place->root, point);
    assert_int_equal(mount(type ? "none" : from, to, type, flags, options), 0);
}

static struct asset *open_below(struct place *place, const char *path)
{
    struct asset *asset;
    char address[500];
    struct err err;

    snprintf(address, sizeof address, "%s/%s", place->address, path);
    must(asset_open(address, &asset, &err));
    return asset;
}

static enum place_relation relation(struct place *place, const char *a, const char *b)
{
    struct asset *first = open_below(place, a), *second = open_below(place, b);
    struct buf one = {0}, two = {0};
    enum place_relation result;
    struct err err;

    must(asset_place(first, &one, &err));
    must(asset_place(second, &two, &err));
    result = place_compare(buf_bytes(&one), buf_bytes(&two));
    buf_release(&one);
    buf_release(&two);
    asset_close(&first);
    asset_close(&second);
    return result;
}

/* Goal: a directory is recognised under every name that a bind mount gives it.
 * Method: bind a subdirectory (with a space in its name) elsewhere; compare it with all around. */
static void bind_mounts(void **state)
{
    struct place *place = *state;
    struct asset *one, *two;
    struct identity a, b;
    struct err err;

    plant_directory(place, "tree/in side/deep");
    plant_directory(place, "bound");
    assert_int_equal(relation(place, "tree", "bound"), PLACE_APART);
    mount_at(place, "tree/in side", "bound", NULL, MS_BIND, NULL);
    assert_int_equal(relation(place, "bound", "tree/in side"), PLACE_SAME);
    assert_int_equal(relation(place, "bound", "tree"), PLACE_A_IN_B);
    assert_int_equal(relation(place, "tree", "bound/deep"), PLACE_B_IN_A);
    assert_int_equal(relation(place, "bound/deep", "tree/in side/deep"), PLACE_SAME);
    one = open_below(place, "bound");
    two = open_below(place, "tree/in side");
    must(asset_identity(one, &a, &err));
    must(asset_identity(two, &b, &err));
    assert_true(a.size == b.size && memcmp(a.bytes, b.bytes, a.size) == 0);
    asset_close(&one);
    asset_close(&two);
}

/* Goal: what is mounted inside a tree is neither read nor written.
 * Method: mount a tmpfs below the root; it is listed, but entering and publishing are refused. */
static void mounts_inside(void **state)
{
    struct place *place = *state;
    struct asset_directory *directory, *inside;
    struct asset_token *token;
    struct err err;

    plant_directory(place, "inside/mount");
    plant_file(place, "inside/file", "");
    mount_at(place, "", "inside/mount", "tmpfs", 0, "size=1m");
    directory = open_directory(place, "inside");
    assert_int_equal(count_entries(place, "inside"), 2);
    must_fail(asset_directory_enter(directory, TEXT("mount"), &inside, &err), CrossDevice);
    must_fail(asset_directory_open(place->asset, TEXT("inside/mount"), &inside, &err), CrossDevice);
    token = begin(place, 1, 1, 1);
    must_fail(asset_publish_directory(token, TEXT("inside/mount"), 0, &inside, &err), CrossDevice);
    must_fail(asset_publish_directory(token, TEXT("inside/mount/x"), 0, &inside, &err),
              CrossDevice);
    asset_directory_close(&directory);
    asset_token_close(&token);
}

/* Goal: a file that is mounted on a name is not this tree's to change.
 * Method: bind a file from elsewhere; set attributes by the name. */
static void mounted_file(void **state)
{
    struct wanted wanted = {.attributes = {.kind = KIND_file, .mode = 0666},
                            .preserve = PRESERVE_mode};
    struct place *place = *state;
    struct asset_directory *directory;
    struct attributes there;
    struct asset_token *token;
    struct err err;
    u32 not_kept;

    plant_directory(place, "inside");
    plant_file(place, "inside/file", "");
    plant_file(place, "other", "");
    mount_at(place, "other", "inside/file", NULL, MS_BIND, NULL);
    token = begin(place, 1, 1, 1);
    directory = open_directory(place, "inside");
    must_fail(asset_set_attributes(token, directory, TEXT("file"), &wanted, &not_kept, &err),
              CrossDevice);
    asset_directory_close(&directory);
    directory = open_directory(place, "");
    assert_int_equal(asset_directory_lookup(directory, TEXT("other"), &there, &err), 1);
    assert_int_equal(there.mode, 0640);
    asset_directory_close(&directory);
    asset_token_close(&token);
}

/* Goal: what a user has mounted and shows to nobody else hides no other name of its directory.
 * Method: a FUSE mount of somebody else, which refuses root without being asked; list both ways. */
static void mounted_by_a_user(void **state)
{
    int device = open("/dev/fuse", O_RDWR | O_CLOEXEC), files = 0, mounts = 0;
    struct place *place = *state;
    struct asset_directory *directory;
    struct entry entry;
    char options[100];
    struct err err;

    if (device < 0)
        skip();
    plant_directory(place, "inside");
    plant_directory(place, "inside/users");
    for (int i = 0; i < 20; i++) {
        char path[32];

        snprintf(path, sizeof path, "inside/%d", i);
        plant_file(place, path, "");
    }
    snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=65534,group_id=65534", device);
    mount_at(place, "", "inside/users", "fuse", 0, options);
    directory = open_directory(place, "inside");
    while (asset_directory_next(directory, &entry, &err) == 1) {
        files += entry.code == ERR_Ok;
        mounts += entry.code == ERR_CrossDevice;
    }
    assert_int_equal(files, 20);
    assert_int_equal(mounts, 1);
    must(asset_directory_rewind(directory, &err));
    assert_int_equal(asset_directory_next_directory(directory, &entry, &err), 0);
    asset_directory_close(&directory);
    close(device);
}

/* Goal: a full disk is NoSpace, leaves the old content, and lets tokens be revoked.
 * Method: fill a tmpfs of 1 MiB from outside, stage a replacement, revoke, give room, go on. */
static void full_disk(void **state)
{
    struct token which = {1, 1, 1};
    struct place *place = *state, full = {0};
    struct asset_directory *root;
    struct asset_token *token;
    struct asset_file *file;
    static u8 content[2 << 20];
    char filler[300];
    struct err err;
    bool clean;
    int fd;

    plant_directory(place, "full");
    mount_at(place, "", "full", "tmpfs", 0, "size=1m");
    snprintf(full.root, sizeof full.root, "%.150s/full", place->root);
    snprintf(filler, sizeof filler, "%s/filler", full.root);
    full.asset = open_below(place, "full");
    plant_file(&full, "file", "old");
    token = begin(&full, 1, 1, 1);
    fd = open(filler, O_WRONLY | O_CREAT, 0600);
    assert_true(write(fd, content, sizeof content) > 0);
    close(fd);
    must(asset_stage_file(token, 0, &file, &err));
    must_fail(asset_stage_write(file, content, sizeof content, 0, &err), NoSpace);
    asset_stage_abort(&file);
    check_content(&full, "", TEXT("file"), TEXT("old"));
    must(asset_revoke(full.asset, &which, &clean, &err));
    assert_true(clean);
    asset_token_close(&token);
    assert_int_equal(unlink(filler), 0);
    token = begin(&full, 1, 1, 2);
    root = open_directory(&full, "");
    must(put(token, 0, root, "file", "new", &err));
    check_content(&full, "", TEXT("file"), TEXT("new"));
    asset_directory_close(&root);
    asset_token_close(&token);
    must(asset_staging_close(full.asset, &err));
    asset_close(&full.asset);
}

/* Goal: a read-only destination is told as such by the probe, before anything is tried.
 * Method: remount a tmpfs read-only. */
static void read_only(void **state)
{
    struct place *place = *state;
    struct asset *asset;
    struct err err;
    s64 now;

    plant_directory(place, "full");
    mount_at(place, "", "full", "tmpfs", 0, "size=1m");
    mount_at(place, "", "full", "tmpfs", MS_REMOUNT | MS_RDONLY, "size=1m");
    asset = open_below(place, "full");
    must(asset_check_readable(asset, &err));
    must_fail(asset_check_writable(asset, &err), ReadOnly);
    must_fail(asset_staging_open(asset, 1, 1, &now, &err), ReadOnly);
    asset_close(&asset);
}

int main(void)
{
#define MOUNT_TEST(name) cmocka_unit_test_setup_teardown(name, set_up_directory, tear_down_mounts)
    const struct CMUnitTest tests[] = {
        MOUNT_TEST(bind_mounts),       MOUNT_TEST(mounts_inside), MOUNT_TEST(mounted_file),
        MOUNT_TEST(mounted_by_a_user), MOUNT_TEST(full_disk),     MOUNT_TEST(read_only),
    };

    may_mount =
        unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
    return cmocka_run_group_tests_name("asset_mounts", tests, NULL, NULL);
}
