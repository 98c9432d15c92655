/* asset_trees.c: the contract of asset.h for trees as they really are: extras, what is preserved,
 * nodes, hard links, holes, parts.
 *
 * How: as in asset.c, each driver runs all; a test asks for the capability that it is about, and
 * where it is missing for the fallback. */
#include "contract/asset_place.h"

#include "wire/message.h"

/* A frame of attributes: pairs of names and values, in order of name. */
static struct bytes frame(struct buf *out, size_t count, const char *const pairs[][2])
{
    struct frame_writer writer;

    buf_clear(out);
    frame_begin(&writer, out);
    for (size_t i = 0; i < count; i++) {
        struct rec_attribute record = {bytes_text(pairs[i][0]), bytes_text(pairs[i][1])};

        frame_add_attribute(&writer, &record);
    }
    frame_end(&writer);
    return buf_bytes(out);
}

static void check_extras(struct place *place, const char *parent, const char *name,
                         struct bytes wanted)
{
    struct asset_directory *directory = open_directory(place, parent);
    struct buf out = {0};
    u32 not_kept;
    struct err err;

    must(asset_extras(directory, bytes_text(name), PRESERVE_ALL, &out, &not_kept, &err));
    assert_int_equal(not_kept, 0);
    assert_int_equal(out.size, wanted.size);
    if (wanted.size)
        assert_memory_equal(out.data, wanted.data, wanted.size);
    buf_release(&out);
    asset_directory_close(&directory);
}

/* Goal: extended attributes arrive with what is published, in place too, and go when they are gone.
 * Method: publish a file with two, then set others in place, on a file, a directory and the root.
 */
static void extras(void **state)
{
    static const char *const two[][2] = {{"user.color", "red"}, {"user.empty", ""}};
    static const char *const other[][2] = {{"user.color", "blue"}, {"user.shape", "round"}};
    struct wanted wanted = {.attributes = file_attributes(0400), .preserve = PRESERVE_ALL};
    struct place *place = *state;
    struct asset_token *token;
    struct asset_directory *root;
    struct staged_version version;
    struct asset_file *file;
    struct attributes there;
    struct buf one = {0}, out = {0};
    u32 not_kept;
    struct err err;

    if (!can(place, ASSET_EXTRAS))
        skip();
    token = begin(place, 1, 1, 1);
    root = open_directory(place, "");
    plant_directory(place, "d");
    version = stage(token, 0, TEXT("x"));
    wanted.extras = frame(&one, 2, two);
    must(asset_publish(token, 0, &version, &wanted, false, root, TEXT("f"), &not_kept, &err));
    assert_int_equal(not_kept, 0);
    check_extras(place, "", "f", buf_bytes(&one));
    must(asset_file_open(root, TEXT("f"), &file, &there, &err));
    must(asset_file_extras(file, PRESERVE_xattrs, &out, &not_kept, &err));
    assert_true(bytes_equal(buf_bytes(&out), buf_bytes(&one)));
    buf_clear(&out);
    must(asset_file_extras(file, PRESERVE_acls | PRESERVE_mode, &out, &not_kept, &err));
    assert_int_equal(out.size, 0);
    asset_file_close(&file);
    wanted.extras = frame(&one, 2, other);
    must(asset_set_attributes(token, root, TEXT("f"), &wanted, &not_kept, &err));
    assert_int_equal(not_kept, 0);
    check_extras(place, "", "f", buf_bytes(&one));
    wanted.extras = TEXT("");
    wanted.preserve = PRESERVE_ALL & ~PRESERVE_xattrs;
    must(asset_set_attributes(token, root, TEXT("f"), &wanted, &not_kept, &err));
    check_extras(place, "", "f", buf_bytes(&one));
    wanted.preserve = PRESERVE_ALL;
    must(asset_set_attributes(token, root, TEXT("f"), &wanted, &not_kept, &err));
    check_extras(place, "", "f", TEXT(""));
    assert_int_equal(look_up(place, "", "f", &there), 1);
    assert_true(there.mtime_ns == wanted.attributes.mtime_ns && there.mode == 0400);
    wanted.attributes.kind = KIND_directory;
    wanted.attributes.mode = 0750;
    wanted.extras = buf_bytes(&one);
    must(asset_set_directory_attributes(token, TEXT("d"), &wanted, &not_kept, &err));
    check_extras(place, "", "d", buf_bytes(&one));
    check_extras(place, "d", "", buf_bytes(&one));
    must(asset_set_root_attributes(place->asset, &wanted, &not_kept, &err));
    check_extras(place, "", "", buf_bytes(&one));
    must_fail(asset_extras(root, TEXT("none"), PRESERVE_ALL, &out, &not_kept, &err), NotFound);
    must(asset_token_end(&token, &err));
    asset_directory_close(&root);
    buf_release(&one);
    buf_release(&out);
}

/* Goal: what is not preserved is made plainly on new things, and left alone on old ones.
 * Method: publish a program and a text with nothing preserved; set in place with nothing. */
static void preserving(void **state)
{
    struct wanted wanted = {.attributes = file_attributes(04751)};
    struct place *place = *state;
    struct asset_token *token = begin(place, 1, 1, 1);
    struct asset_directory *root = open_directory(place, "");
    struct staged_version version = stage(token, 0, TEXT("x"));
    struct attributes there;
    u32 not_kept;
    struct err err;

    wanted.attributes.uid = 12345;
    must(asset_publish(token, 0, &version, &wanted, false, root, TEXT("program"), &not_kept, &err));
    assert_int_equal(not_kept, 0);
    assert_int_equal(look_up(place, "", "program", &there), 1);
    assert_int_equal(there.mode, 0755);
    assert_true(there.uid != 12345 && there.mtime_ns != wanted.attributes.mtime_ns);
    wanted.attributes.mode = 0600;
    version = stage(token, 1, TEXT("x"));
    must(asset_publish(token, 1, &version, &wanted, false, root, TEXT("text"), &not_kept, &err));
    assert_int_equal(look_up(place, "", "text", &there), 1);
    assert_int_equal(there.mode, 0644);
    must(asset_set_attributes(token, root, TEXT("text"), &wanted, &not_kept, &err));
    assert_int_equal(look_up(place, "", "text", &there), 1);
    assert_true(there.mode == 0644 && there.uid != 12345);
    plant_directory(place, "d");
    wanted.attributes.kind = KIND_directory;
    wanted.preserve = PRESERVE_times;
    must(asset_set_directory_attributes(token, TEXT("d"), &wanted, &not_kept, &err));
    assert_int_equal(look_up(place, "", "d", &there), 1);
    assert_true(there.mode == 0755 && there.mtime_ns == wanted.attributes.mtime_ns);
    must(asset_token_end(&token, &err));
    asset_directory_close(&root);
}

/* Goal: FIFOs and devices are staged, proven and published as such.
 * Method: one of each kind; a wrong version; a kind that is none; a token that was revoked. */
static void nodes(void **state)
{
    static const enum object_kind kinds[] = {KIND_fifo, KIND_character_device, KIND_block_device};
    struct place *place = *state;
    struct asset_token *token = begin(place, 1, 1, 1);
    struct asset_directory *root = open_directory(place, "");
    struct token which = {1, 1, 1};
    struct staged_version version, seen;
    enum object_kind kind;
    u32 not_kept;
    struct err err;
    bool clean;
    u64 rdev;

    if (!can(place, ASSET_NODES)) {
        must_fail(asset_stage_node(token, 0, KIND_fifo, 0, &version, &err), UnsupportedKind);
        must(asset_token_end(&token, &err));
        asset_directory_close(&root);
        skip();
    }
    for (u32 i = 0; i < COUNT_OF(kinds); i++) {
        struct attributes attributes = file_attributes(0620), there;
        u64 device = kinds[i] == KIND_fifo ? 0 : 0x1234567;

        if (asset_stage_node(token, i, kinds[i], device, &version, &err) < 0) {
            assert_int_equal(err.code, ERR_AccessDenied); /* a device, without the privilege */
            assert_true(i > 0);
            continue;
        }
        must(asset_staged_node(token, i, &kind, &rdev, &seen, &err));
        assert_true(kind == kinds[i] && rdev == device && seen.inode == version.inode);
        attributes.kind = kind;
        seen.ctime_ns--;
        must_fail(asset_publish(token, i, &seen, WANTED(attributes), false, root, TEXT("node"),
                                &not_kept, &err),
                  StagedChanged);
        for (int again = 0; again < 2; again++)
            must(asset_publish(token, i, &version, WANTED(attributes), false, root, TEXT("node"),
                               &not_kept, &err));
        assert_int_equal(look_up(place, "", "node", &there), 1);
        assert_true(there.kind == kinds[i] && there.rdev == device && there.mode == 0620);
        assert_true(there.mtime_ns == attributes.mtime_ns && there.inode == version.inode);
    }
    must_fail(asset_stage_node(token, 7, KIND_socket, 0, &version, &err), UnsupportedKind);
    stage(token, 8, TEXT("x"));
    must_fail(asset_staged_node(token, 8, &kind, &rdev, &seen, &err), StagedChanged);
    must_fail(asset_staged_node(token, 9, &kind, &rdev, &seen, &err), StagedChanged);
    must(asset_stage_node(token, 10, KIND_fifo, 0, &version, &err));
    must(asset_revoke(place->asset, &which, &clean, &err));
    must_fail(asset_stage_node(token, 11, KIND_fifo, 0, &version, &err), Revoked);
    must_fail(asset_staged_node(token, 10, &kind, &rdev, &seen, &err), Revoked);
    asset_token_close(&token);
    asset_directory_close(&root);
}

/* Goal: names more of one object, from staging into place, and never of another object.
 * Method: link, publish twice, over the same object; wrong inode, no such name, a directory. */
static void hard_links(void **state)
{
    struct place *place = *state;
    struct asset_token *token = begin(place, 1, 1, 1);
    struct asset_directory *root = open_directory(place, "");
    struct attributes a, b;
    struct err err;

    plant_file(place, "a", "content");
    plant_file(place, "b", "other");
    plant_directory(place, "d");
    assert_int_equal(look_up(place, "", "a", &a), 1);
    if (!can(place, ASSET_LINKS)) {
        must_fail(asset_stage_hard_link(token, 0, root, TEXT("a"), a.inode, &err), UnsupportedKind);
        must_fail(asset_publish_hard_link(token, 0, a.inode, false, root, TEXT("b"), &err),
                  UnsupportedKind);
        must(asset_token_end(&token, &err));
        asset_directory_close(&root);
        skip();
    }
    must_fail(asset_stage_hard_link(token, 0, root, TEXT("a"), a.inode + 999, &err), Changed);
    must_fail(asset_stage_hard_link(token, 0, root, TEXT("none"), a.inode, &err), NotFound);
    must_fail(asset_publish_hard_link(token, 0, a.inode, false, root, TEXT("b"), &err),
              StagedChanged);
    for (int again = 0; again < 2; again++) { /* the second time over the same object */
        must(asset_stage_hard_link(token, 0, root, TEXT("a"), a.inode, &err));
        must_fail(asset_publish_hard_link(token, 0, a.inode + 1, false, root, TEXT("b"), &err),
                  StagedChanged);
        must(asset_publish_hard_link(token, 0, a.inode, false, root, TEXT("b"), &err));
        must(asset_publish_hard_link(token, 0, a.inode, false, root, TEXT("b"), &err));
        assert_int_equal(look_up(place, "", "b", &b), 1);
        assert_true(a.inode == b.inode && a.device == b.device && b.links == 2);
    }
    must(asset_stage_hard_link(token, 1, root, TEXT("a"), a.inode, &err));
    must_fail(asset_publish_hard_link(token, 1, a.inode, false, root, TEXT("d"), &err), Occupied);
    must_fail(asset_publish_hard_link(token, 1, a.inode, false, root, TEXT(STAGING_NAME), &err),
              ReservedName);
    must(asset_token_end(&token, &err));
    assert_int_equal(look_up(place, "", "a", &a), 1);
    assert_int_equal(a.links, 2);
    asset_directory_close(&root);
}

/* ---- holes and parts ---- */

#define MEBIBYTE (1u << 20)

static void check_bytes(struct asset_file *file, u64 offset, u64 length, u8 wanted)
{
    u8 *content = malloc(length);
    struct err err;

    assert_int_equal(asset_file_read(file, content, length, offset, &err), length);
    for (u64 i = 0; i < length; i++)
        if (content[i] != wanted)
            fail_msg("byte %llu is %u, not %u", (unsigned long long)(offset + i), content[i],
                     wanted);
    free(content);
}

/* Goal: runs of data are found, and all the rest reads as zeros and takes no room.
 * Method: reserve 8 MiB and write one in the middle; walk the staged copy and the published one. */
static void holes(void **state)
{
    static u8 ones[MEBIBYTE];
    struct attributes attributes = file_attributes(0600), there;
    struct place *place = *state;
    struct asset_token *token = begin(place, 1, 1, 1);
    struct asset_directory *root = open_directory(place, "");
    struct staged_version version, seen;
    struct asset_file *file;
    u64 start, end, at = 0, data = 0;
    u32 not_kept;
    struct err err;

    memset(ones, 1, sizeof ones);
    must(asset_stage_file(token, 0, &file, &err));
    must(asset_stage_reserve(file, 8 * MEBIBYTE, &err));
    must(asset_stage_write(file, ones, sizeof ones, 3 * MEBIBYTE, &err));
    must(asset_stage_end(&file, &version, &err));
    assert_int_equal(version.size, 8 * MEBIBYTE);
    must(asset_staged_open(token, 0, false, &file, &seen, &err));
    while (asset_file_data(file, at, version.size, &start, &end, &err) == 1) {
        assert_true(start >= at && end > start && end <= version.size);
        data += end - start;
        at = end;
    }
    assert_int_equal(data, can(place, ASSET_HOLES) ? MEBIBYTE : 8 * MEBIBYTE);
    assert_int_equal(asset_file_data(file, version.size, version.size, &start, &end, &err), 0);
    assert_int_equal(asset_file_data(file, 3 * MEBIBYTE + 5, 3 * MEBIBYTE + 9, &start, &end, &err),
                     1);
    assert_true(start == 3 * MEBIBYTE + 5 && end == 3 * MEBIBYTE + 9);
    check_bytes(file, 0, 3 * MEBIBYTE, 0);
    check_bytes(file, 3 * MEBIBYTE, MEBIBYTE, 1);
    check_bytes(file, 4 * MEBIBYTE, 4 * MEBIBYTE, 0);
    asset_file_close(&file);
    must(asset_publish(token, 0, &version, WANTED(attributes), false, root, TEXT("f"), &not_kept,
                       &err));
    assert_int_equal(look_up(place, "", "f", &there), 1);
    assert_int_equal(there.size, 8 * MEBIBYTE);
    if (can(place, ASSET_HOLES))
        assert_true(there.allocated < 2 * MEBIBYTE);
    must(asset_token_end(&token, &err));
    asset_directory_close(&root);
}

/* Goal: several write one staged copy, and what they wrote is adopted under another token.
 * Method: three parts by handles of their own; adopt two with a hole; ranges that are not there. */
static void parts(void **state)
{
    static u8 part[MEBIBYTE];
    struct place *place = *state;
    struct asset_token *token = begin(place, 1, 1, 1), *other, *next;
    struct token which = {1, 1, 1};
    struct staged_version version, seen;
    struct asset_file *file, *again;
    struct err err;
    bool clean;

    must_fail(asset_stage_open(token, 0, &file, &err), StagedChanged);
    must(asset_stage_file(token, 0, &file, &err));
    must(asset_stage_reserve(file, 4 * MEBIBYTE, &err));
    asset_stage_close(&file);
    assert_null(file);
    must(asset_token_open(place->asset, &which, &other, &err));
    for (u32 i = 0; i < 4; i++) {
        must(asset_stage_open(i % 2 ? token : other, 0, &file, &err));
        memset(part, (int)i + 1, sizeof part);
        if (i != 2) /* a hole */
            must(asset_stage_write(file, part, sizeof part, (u64)i * MEBIBYTE, &err));
        must(asset_stage_end(&file, &version, &err));
    }
    assert_int_equal(version.size, 4 * MEBIBYTE);
    next = begin(place, 1, 1, 2);
    must(asset_stage_file(next, 5, &file, &err));
    must(asset_stage_reserve(file, 4 * MEBIBYTE, &err));
    must(asset_stage_write(file, part, sizeof part, 2 * MEBIBYTE, &err)); /* is to be no more */
    must(asset_stage_adopt(file, token, 0, MEBIBYTE, 3 * MEBIBYTE, &err));
    must_fail(asset_stage_adopt(file, token, 0, MEBIBYTE, 4 * MEBIBYTE, &err), StagedChanged);
    must_fail(asset_stage_adopt(file, token, 3, 0, MEBIBYTE, &err), StagedChanged);
    must(asset_revoke(place->asset, &which, &clean, &err));
    must_fail(asset_stage_adopt(file, token, 0, 0, MEBIBYTE, &err), Revoked);
    must_fail(asset_stage_open(token, 0, &again, &err), Revoked);
    must(asset_stage_end(&file, &version, &err));
    must(asset_staged_open(next, 5, false, &file, &seen, &err));
    check_bytes(file, 0, MEBIBYTE, 0);
    check_bytes(file, MEBIBYTE, MEBIBYTE, 2);
    check_bytes(file, 2 * MEBIBYTE, MEBIBYTE, 0);
    check_bytes(file, 3 * MEBIBYTE, MEBIBYTE, 4);
    asset_file_close(&file);
    asset_token_close(&token);
    asset_token_close(&other);
    must(asset_token_end(&next, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(extras), TEST(preserving), TEST(nodes), TEST(hard_links), TEST(holes), TEST(parts),
    };

    return run_for_each_driver("trees", tests);
}
