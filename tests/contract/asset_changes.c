/* asset_changes.c: the contract of asset.h where something makes way: changes of type, and removal.
 *
 * How: as in asset.c, each driver runs all; what a driver cannot do is asked of its capabilities.
 */
#include "contract/asset_place.h"

/* Goal: an empty directory makes way for something else when it may, a full one never does.
 * Method: put a file and a link over empty and full directories, with leave and without. */
static void over_directories(void **state)
{
    struct attributes attributes = file_attributes(0644), link = file_attributes(0777), there;
    struct place *place = *state;
    struct asset_token *token = begin(place, 1, 1, 1);
    struct asset_directory *root = open_directory(place, "");
    struct staged_version version;
    u32 not_kept;
    struct err err;

    plant_directory(place, "empty");
    plant_directory(place, "bare");
    plant_file(place, "full/file", "kept");
    version = stage(token, 0, TEXT("x"));
    must_fail(asset_publish(token, 0, &version, WANTED(attributes), false, root, TEXT("empty"),
                            &not_kept, &err),
              Occupied);
    version = stage(token, 0, TEXT("x"));
    must_fail(asset_publish(token, 0, &version, WANTED(attributes), true, root, TEXT("full"),
                            &not_kept, &err),
              NotEmpty);
    check_content(place, "full", TEXT("file"), TEXT("kept"));
    version = stage(token, 0, TEXT("x"));
    must(asset_publish(token, 0, &version, WANTED(attributes), true, root, TEXT("empty"), &not_kept,
                       &err));
    check_content(place, "", TEXT("empty"), TEXT("x"));
    link.kind = KIND_symlink;
    must(asset_stage_link(token, 1, TEXT("nowhere"), &version, &err));
    must(
        asset_publish(token, 1, &version, WANTED(link), true, root, TEXT("bare"), &not_kept, &err));
    assert_int_equal(look_up(place, "", "bare", &there), 1);
    assert_int_equal(there.kind, KIND_symlink);
    version = stage(token, 2, TEXT("y"));
    must(asset_publish(token, 2, &version, WANTED(attributes), true, root, TEXT("bare"), &not_kept,
                       &err)); /* no directory any more, or nothing at all: the same */
    version = stage(token, 3, TEXT("z"));
    must(asset_publish(token, 3, &version, WANTED(attributes), true, root, TEXT("new"), &not_kept,
                       &err));
    assert_int_equal(count_entries(place, ""), 4);
    must(asset_token_end(&token, &err));
    must(asset_staging_close(place->asset, &err));
    asset_directory_close(&root);
}

/* Goal: a directory makes way for a name more if it is empty, and stays with what is in it if not.
 * Method: both, twice; the same where there is a file, and where nothing is. */
static void hard_links_over_directories(void **state)
{
    struct place *place = *state;
    struct asset_token *token;
    struct asset_directory *root;
    struct attributes a, there;
    struct err err;

    if (!can(place, ASSET_LINKS))
        skip();
    token = begin(place, 1, 1, 1);
    root = open_directory(place, "");
    plant_file(place, "a", "content");
    plant_file(place, "file", "other");
    plant_directory(place, "empty");
    plant_directory(place, "full");
    plant_file(place, "full/kept", "kept");
    assert_int_equal(look_up(place, "", "a", &a), 1);
    for (int again = 0; again < 2; again++) {
        must(asset_stage_hard_link(token, 0, root, TEXT("a"), a.inode, &err));
        must_fail(asset_publish_hard_link(token, 0, a.inode, true, root, TEXT("full"), &err),
                  NotEmpty);
        check_content(place, "full", TEXT("kept"), TEXT("kept"));
        must(asset_publish_hard_link(token, 0, a.inode, true, root, TEXT("empty"), &err));
        must(asset_publish_hard_link(token, 0, a.inode, true, root, TEXT("empty"), &err));
        assert_int_equal(look_up(place, "", "empty", &there), 1);
        assert_true(there.kind == KIND_file && there.inode == a.inode && there.links == 2);
    }
    must(asset_stage_hard_link(token, 1, root, TEXT("a"), a.inode, &err));
    must(asset_publish_hard_link(token, 1, a.inode, true, root, TEXT("file"), &err));
    must(asset_stage_hard_link(token, 2, root, TEXT("a"), a.inode, &err));
    must(asset_publish_hard_link(token, 2, a.inode, true, root, TEXT("new"), &err));
    must(asset_token_end(&token, &err));
    assert_int_equal(look_up(place, "", "a", &a), 1);
    assert_int_equal(a.links, 4);
    asset_directory_close(&root);
}

/* Goal: a directory takes the place of something else where that was asked for, and only there.
 * Method: make one over a file, a link, a FIFO and a directory; then a path, whose second component
 * is a file. */
static void directories_over(void **state)
{
    static const char *const names[] = {"file", "link", "fifo"};
    struct attributes fifo = {.kind = KIND_fifo, .mode = 0600}, there;
    struct place *place = *state;
    struct asset_token *token = begin(place, 1, 1, 1);
    struct asset_directory *root = open_directory(place, ""), *into;
    struct err err;
    bool made;

    plant_file(place, "file", "");
    plant_link(place, "link", "full");
    plant(place, TEXT("fifo"), &fifo, TEXT(""));
    plant_file(place, "full/file", "");
    for (u32 i = 0; i < COUNT_OF(names); i++) {
        struct bytes name = bytes_text(names[i]);

        must_fail(asset_publish_make(token, i, root, name, false, &made, &err), Occupied);
        must(asset_publish_make(token, i, root, name, true, &made, &err));
        assert_true(made);
        assert_int_equal(look_up(place, "", names[i], &there), 1);
        assert_true(there.kind == KIND_directory && there.mode == 0700);
        must(asset_publish_make(token, i, root, name, true, &made, &err));
        assert_false(made);
    }
    must(asset_publish_make(token, 4, root, TEXT("full"), true, &made, &err));
    assert_false(made);
    must_fail(asset_publish_directory(token, TEXT("full/file/a/b"), 0, &into, &err), Occupied);
    must_fail(asset_publish_directory(token, TEXT("full/file/a/b"), 1, &into, &err), Occupied);
    must_fail(asset_publish_directory(token, TEXT("full/file/a/b"), 3, &into, &err), Occupied);
    must(asset_publish_directory(token, TEXT("full/file/a/b"), 2, &into, &err));
    must(put(token, 5, into, "x", "", &err));
    asset_directory_close(&into);
    must(asset_publish_directory(token, TEXT("full/file/a/b"), 2, &into, &err));
    asset_directory_close(&into);
    plant_link(place, "other", "full");
    must(asset_publish_directory(token, TEXT("other"), 1, &into, &err));
    asset_directory_close(&into);
    assert_int_equal(count_entries(place, "other"), 0);
    assert_int_equal(count_entries(place, "full/file/a/b"), 1);
    must(asset_token_end(&token, &err));
    must(asset_staging_close(place->asset, &err));
    asset_directory_close(&root);
}

/* Goal: exactly what was listed is removed.
 * Method: remove objects of each kind; then one that is gone, is another, was changed, is not
 * empty, is reserved. */
static void removal(void **state)
{
    static const char *const names[] = {"file", "link", "fifo", "empty"};
    struct attributes fifo = {.kind = KIND_fifo, .mode = 0600}, there, old;
    struct place *place = *state;
    struct asset_token *token = begin(place, 1, 1, 1);
    struct asset_directory *root = open_directory(place, "");
    struct err err;

    plant_file(place, "file", "");
    plant_link(place, "link", "full");
    plant(place, TEXT("fifo"), &fifo, TEXT(""));
    plant_directory(place, "empty");
    plant_file(place, "full/file", "");
    for (u32 i = 0; i < COUNT_OF(names); i++) {
        assert_int_equal(look_up(place, "", names[i], &there), 1);
        must(asset_remove(token, i, root, bytes_text(names[i]), &there, &err));
        assert_int_equal(look_up(place, "", names[i], &old), 0);
        must_fail(asset_remove(token, i, root, bytes_text(names[i]), &there, &err), NotFound);
    }
    assert_int_equal(look_up(place, "", "full", &there), 1);
    must_fail(asset_remove(token, 5, root, TEXT("full"), &there, &err), NotEmpty);
    old = there;
    old.kind = KIND_file;
    must_fail(asset_remove(token, 5, root, TEXT("full"), &old, &err), Changed);
    old = there;
    old.inode++;
    must_fail(asset_remove(token, 5, root, TEXT("full"), &old, &err), Changed);
    plant_file(place, "file", "other");
    assert_int_equal(look_up(place, "", "file", &there), 1);
    old = there;
    old.inode++;
    must_fail(asset_remove(token, 6, root, TEXT("file"), &old, &err), Changed);
    old = there;
    old.ctime_ns--;
    must_fail(asset_remove(token, 6, root, TEXT("file"), &old, &err), Changed);
    must_fail(asset_remove(token, 7, root, TEXT(STAGING_NAME), &there, &err), ReservedName);
    must_fail(asset_remove(token, 7, root, TEXT(".."), &there, &err), InvalidPath);
    check_content(place, "", TEXT("file"), TEXT("other"));
    must(asset_token_end(&token, &err));
    must(asset_staging_close(place->asset, &err));
    assert_int_equal(count_entries(place, ""), 2);
    asset_directory_close(&root);
}

/* Goal: of an object with several names each can be removed, though each removal changes it.
 * Method: list three names, remove two by what was listed; the last one stays. */
static void removal_of_links(void **state)
{
    struct place *place = *state;
    struct asset_token *token;
    struct asset_directory *root;
    struct attributes listed, there;
    struct err err;

    if (!can(place, ASSET_LINKS))
        skip();
    token = begin(place, 1, 1, 1);
    root = open_directory(place, "");
    plant_file(place, "a", "content");
    assert_int_equal(look_up(place, "", "a", &listed), 1);
    must(asset_stage_hard_link(token, 0, root, TEXT("a"), listed.inode, &err));
    must(asset_publish_hard_link(token, 0, listed.inode, false, root, TEXT("b"), &err));
    must(asset_stage_hard_link(token, 0, root, TEXT("a"), listed.inode, &err));
    must(asset_publish_hard_link(token, 0, listed.inode, false, root, TEXT("c"), &err));
    assert_int_equal(look_up(place, "", "a", &listed), 1);
    must(asset_remove(token, 1, root, TEXT("a"), &listed, &err));
    must(asset_remove(token, 1, root, TEXT("b"), &listed, &err));
    listed.size++;
    must_fail(asset_remove(token, 1, root, TEXT("c"), &listed, &err), Changed);
    must(asset_token_end(&token, &err));
    assert_int_equal(look_up(place, "", "c", &there), 1);
    assert_int_equal(there.links, 1);
    asset_directory_close(&root);
}

/* Goal: a revoked token removes, replaces and links nothing.
 * Method: revoke, then try each. */
static void revoked(void **state)
{
    struct attributes attributes = file_attributes(0644), file, directory;
    struct token which = {1, 1, 1};
    struct place *place = *state;
    struct asset_token *token = begin(place, 1, 1, 1);
    struct asset_directory *root = open_directory(place, ""), *into;
    struct staged_version version = stage(token, 0, TEXT("x"));
    u32 not_kept;
    struct err err;
    bool clean, made;

    plant_file(place, "file", "");
    plant_directory(place, "directory");
    assert_int_equal(look_up(place, "", "file", &file), 1);
    assert_int_equal(look_up(place, "", "directory", &directory), 1);
    if (can(place, ASSET_LINKS))
        must(asset_stage_hard_link(token, 1, root, TEXT("file"), file.inode, &err));
    must(asset_revoke(place->asset, &which, &clean, &err));
    assert_int_equal(look_up(place, "", "file", &file), 1); /* a link leaves its trace */
    must_fail(asset_remove(token, 2, root, TEXT("file"), &file, &err), Revoked);
    must_fail(asset_remove(token, 2, root, TEXT("directory"), &directory, &err), Revoked);
    must_fail(asset_publish(token, 0, &version, WANTED(attributes), true, root, TEXT("directory"),
                            &not_kept, &err),
              Revoked);
    must_fail(asset_publish_make(token, 3, root, TEXT("file"), true, &made, &err), Revoked);
    must_fail(asset_publish_directory(token, TEXT("file/x"), 1, &into, &err), Revoked);
    if (can(place, ASSET_LINKS)) {
        must_fail(asset_publish_hard_link(token, 1, file.inode, false, root, TEXT("name"), &err),
                  Revoked);
        must_fail(asset_stage_hard_link(token, 4, root, TEXT("file"), file.inode, &err), Revoked);
    }
    asset_token_close(&token);
    must(asset_staging_close(place->asset, &err));
    assert_int_equal(count_entries(place, ""), 2);
    assert_int_equal(look_up(place, "", "file", &attributes), 1);
    assert_true(attributes.links == 1 && attributes.inode == file.inode);
    asset_directory_close(&root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(removal),
        TEST(removal_of_links),
        TEST(revoked),
        TEST(over_directories),
        TEST(hard_links_over_directories),
        TEST(directories_over),
    };

    return run_for_each_driver("changes", tests);
}
