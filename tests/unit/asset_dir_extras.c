/* asset_dir_extras.c: what only a directory tree can show of extended attributes, access control
 * lists and capabilities: who may set them, what is left out, what is inherited.
 *
 * How: real trees under TMPDIR; values are those of the kernel's own formats. Parts that need
 * privilege, or its absence, are in processes of their own. */
#include "contract/asset_place.h"

#include <errno.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "asset/extras.h"
#include "wire/message.h"

/* version 2; user::rw-, user:65534:r--, group::r--, mask::rw-, other::--- */
static const u8 acl[] = {2, 0,   0,   0,   1,   0,   6,  0, 255, 255, 255, 255, 2,   0,  4,
                         0, 254, 255, 0,   0,   4,   0,  4, 0,   255, 255, 255, 255, 16, 0,
                         6, 0,   255, 255, 255, 255, 32, 0, 0,   0,   255, 255, 255, 255};
/* revision 2, effective; CAP_NET_RAW */
static const u8 capability[] = {1, 0, 0, 2, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};

static void give(struct place *place, const char *path, const char *name, const void *value,
                 size_t size)
{
    if (lsetxattr(below(place, path), name, value, size, 0) < 0)
        fail_msg("%s of %s: %s", name, path, strerror(errno));
}

/* -1 if it has none. */
static ssize_t value_of(struct place *place, const char *path, const char *name, void *out)
{
    return lgetxattr(below(place, path), name, out, 1024);
}

/* The names of a frame, with a space after each. */
static const char *names_of(struct bytes frame)
{
    static char out[1024];
    struct frame_reader reader;
    struct rec_attribute record;
    size_t used = 0;
    struct err err;

    out[0] = '\0';
    if (frame.size == 0)
        return out;
    must(frame_open(&reader, frame, &err));
    while (frame_next_attribute(&reader, &record, &err) == 1)
        used += (size_t)snprintf(out + used, sizeof out - used, "%.*s ", (int)record.name.size,
                                 (const char *)record.name.data);
    return out;
}

static void read_extras(struct place *place, const char *name, u32 preserve, struct buf *out,
                        u32 *not_kept)
{
    struct asset_directory *root = open_directory(place, "");
    struct err err;

    buf_clear(out);
    must(asset_extras(root, bytes_text(name), preserve, out, not_kept, &err));
    asset_directory_close(&root);
}

/* Goal: each attribute that travels is read in order, those of the host are not, `preserve` counts.
 * Method: a file with one of each kind; all of them, lists only, attributes only. */
static void selection(void **state)
{
    struct place *place = *state;
    struct buf out = {0};
    u32 not_kept;

    plant_file(place, "f", "");
    give(place, "f", "user.b", "1", 1);
    give(place, "f", "user.a", "2", 1);
    give(place, "f", EXTRAS_ACL, acl, sizeof acl);
    if (geteuid() == 0) {
        give(place, "f", "trusted.t", "3", 1);
        give(place, "f", EXTRAS_CAPABILITY, capability, sizeof capability);
        lsetxattr(below(place, "f"), "security.selinux", "label", 5, 0);
    }
    read_extras(place, "f", PRESERVE_ALL, &out, &not_kept);
    assert_string_equal(names_of(buf_bytes(&out)),
                        geteuid() == 0 ? "security.capability system.posix_acl_access trusted.t "
                                         "user.a user.b "
                                       : "system.posix_acl_access user.a user.b ");
    assert_int_equal(not_kept, 0);
    read_extras(place, "f", PRESERVE_acls, &out, &not_kept);
    assert_string_equal(names_of(buf_bytes(&out)), "system.posix_acl_access ");
    read_extras(place, "f", PRESERVE_xattrs, &out, &not_kept);
    assert_null(strstr(names_of(buf_bytes(&out)), "posix"));
    read_extras(place, "f", PRESERVE_mode, &out, &not_kept);
    assert_int_equal(out.size, 0);
    plant_link(place, "link", "f");
    read_extras(place, "link", PRESERVE_ALL, &out, &not_kept); /* not of what it leads to */
    assert_int_equal(out.size, 0);
    buf_release(&out);
}

/* Publishes "copy" with the extras and attributes of "f"; gives what was not kept. */
static u32 copy(struct place *place, u32 mode)
{
    struct asset_token *token = begin(place, 1, 1, 1);
    struct asset_directory *root = open_directory(place, "");
    struct staged_version version = stage(token, 0, TEXT("content"));
    struct wanted wanted = {.attributes = file_attributes(mode), .preserve = PRESERVE_ALL};
    struct buf extras = {0};
    u32 not_kept;
    struct err err;

    read_extras(place, "f", PRESERVE_ALL, &extras, &not_kept);
    wanted.extras = buf_bytes(&extras);
    if (geteuid() == 0)
        wanted.attributes.uid = wanted.attributes.gid = 65534; /* chown takes capabilities away */
    must(asset_publish(token, 0, &version, &wanted, false, root, TEXT("copy"), &not_kept, &err));
    buf_release(&extras);
    asset_directory_close(&root);
    must(asset_token_end(&token, &err));
    must(asset_staging_close(place->asset, &err));
    return not_kept;
}

/* Goal: all of it arrives bytewise, with owner, setuid and time.
 * Method: publish a copy with a list, a capability and attributes; compare with the first. */
static void everything_arrives(void **state)
{
    struct place *place = *state;
    struct attributes there;
    u8 value[1024];
    struct buf a = {0}, b = {0};
    u32 not_kept;

    if (geteuid() != 0)
        skip();
    plant_file(place, "f", "");
    give(place, "f", EXTRAS_ACL, acl, sizeof acl);
    give(place, "f", "user.a", "2", 1);
    give(place, "f", EXTRAS_CAPABILITY, capability, sizeof capability);
    assert_int_equal(copy(place, 04760), 0);
    read_extras(place, "f", PRESERVE_ALL, &a, &not_kept);
    read_extras(place, "copy", PRESERVE_ALL, &b, &not_kept);
    assert_true(a.size > 0 && bytes_equal(buf_bytes(&a), buf_bytes(&b)));
    assert_int_equal(look_up(place, "", "copy", &there), 1);
    assert_true(there.uid == 65534 && there.mtime_ns == 1234567890987654321);
    assert_int_equal(there.mode, 04660); /* the list's own bits */
    assert_int_equal(value_of(place, "copy", EXTRAS_CAPABILITY, value), sizeof capability);
    assert_memory_equal(value, capability, sizeof capability);
    buf_release(&a);
    buf_release(&b);
}

/* Goal: nothing that is published inherits the default list of a directory at the destination.
 * Method: give the root one; publish a file, a directory, a path; none has a list. */
static void nothing_is_inherited(void **state)
{
    struct place *place = *state;
    struct asset_token *token;
    struct asset_directory *root, *into;
    struct err err;
    u8 value[1024];
    bool made;

    give(place, "", EXTRAS_DEFAULT_ACL, acl, sizeof acl);
    token = begin(place, 1, 1, 1);
    root = open_directory(place, "");
    must(put(token, 0, root, "file", "x", &err));
    must(asset_publish_make(token, 1, root, TEXT("made"), false, &made, &err));
    must(asset_publish_directory(token, TEXT("a/b"), 0, &into, &err));
    must(put(token, 2, into, "file", "x", &err));
    asset_directory_close(&into);
    assert_int_equal(value_of(place, "file", EXTRAS_ACL, value), -1);
    assert_int_equal(value_of(place, "made", EXTRAS_ACL, value), -1);
    assert_int_equal(value_of(place, "made", EXTRAS_DEFAULT_ACL, value), -1);
    assert_int_equal(value_of(place, "a/b", EXTRAS_DEFAULT_ACL, value), -1);
    assert_int_equal(value_of(place, "a/b/file", EXTRAS_ACL, value), -1);
    assert_int_equal(value_of(place, "", EXTRAS_DEFAULT_ACL, value), sizeof acl);
    must(asset_token_end(&token, &err));
    must(asset_staging_close(place->asset, &err));
    asset_directory_close(&root);
}

/* Goal: in place, what is wanted is set, what is not is removed, and what is equal is not touched.
 * Method: a directory with lists and attributes gets others; again the same, and its ctime stays.
 */
static void in_place(void **state)
{
    struct wanted wanted = {.attributes = {.kind = KIND_directory, .mode = 0750},
                            .preserve = PRESERVE_ALL};
    struct place *place = *state;
    struct asset_token *token = begin(place, 1, 1, 1);
    struct attributes before, after;
    struct buf extras = {0};
    u32 not_kept;
    struct err err;
    u8 value[1024];

    wanted.attributes.uid = geteuid();
    wanted.attributes.gid = getegid();
    plant_directory(place, "source");
    give(place, "source", EXTRAS_DEFAULT_ACL, acl, sizeof acl);
    give(place, "source", "user.new", "1", 1);
    read_extras(place, "source", PRESERVE_ALL, &extras, &not_kept);
    wanted.extras = buf_bytes(&extras);
    plant_directory(place, "d");
    give(place, "d", EXTRAS_ACL, acl, sizeof acl);
    give(place, "d", "user.old", "1", 1);
    if (geteuid() == 0)
        lsetxattr(below(place, "d"), "security.selinux", "label", 5, 0);
    must(asset_set_directory_attributes(token, TEXT("d"), &wanted, &not_kept, &err));
    assert_int_equal(not_kept, 0);
    assert_int_equal(value_of(place, "d", EXTRAS_ACL, value), -1);
    assert_int_equal(value_of(place, "d", "user.old", value), -1);
    assert_int_equal(value_of(place, "d", "user.new", value), 1);
    assert_int_equal(value_of(place, "d", EXTRAS_DEFAULT_ACL, value), sizeof acl);
    if (geteuid() == 0) /* the host's own stays */
        assert_int_not_equal(value_of(place, "d", "security.selinux", value), -1);
    assert_int_equal(look_up(place, "", "d", &before), 1);
    assert_int_equal(before.mode, 0750);
    usleep(20000);
    must(asset_set_directory_attributes(token, TEXT("d"), &wanted, &not_kept, &err));
    assert_int_equal(look_up(place, "", "d", &after), 1);
    assert_true(before.ctime_ns == after.ctime_ns);
    buf_release(&extras);
    must(asset_token_end(&token, &err));
}

/* Goal: too many bytes are left out and named.
 * Method: a tmpfs takes large values: five of 60 KiB are more than EXTRAS_BYTES. */
static void too_much(void **state)
{
    static char large[60000];
    struct place *place = *state;
    struct buf out = {0};
    u32 not_kept;

    if (geteuid() != 0 || mount("tmpfs", place->root, "tmpfs", 0, "size=8m") < 0)
        skip();
    asset_close(&place->asset);
    struct err err;
    must(asset_open(place->address, &place->asset, &err));
    plant_file(place, "f", "");
    for (int i = 0; i < 5; i++) {
        char name[] = "trusted.0";

        name[sizeof name - 2] += (char)i;
        give(place, "f", name, large, sizeof large);
        read_extras(place, "f", PRESERVE_ALL, &out, &not_kept);
        assert_int_equal(not_kept, i < 4 ? 0 : NOT_KEPT_XATTR);
        assert_true(i < 4 ? out.size > (size_t)(i + 1) * sizeof large : out.size == 0);
    }
    buf_release(&out);
    asset_close(&place->asset);
    assert_int_equal(umount2(place->root, MNT_DETACH), 0);
    must(asset_open(place->address, &place->asset, &err));
}

/* Goal: a filesystem without attributes gets the content, and what is missing is named; the group
 * does not get what only the list's mask allows.
 * Method: publish to a ramfs with a list whose mask is wider than its group. */
static void filesystem_without(void **state)
{
    struct place *place = *state, there;
    struct wanted wanted = {.attributes = file_attributes(0660), .preserve = PRESERVE_ALL};
    struct asset_directory *root;
    struct asset_token *token;
    struct staged_version version;
    struct attributes now;
    struct buf extras = {0};
    u32 not_kept;
    struct err err;

    if (geteuid() != 0)
        skip();
    plant_file(place, "f", "");
    give(place, "f", EXTRAS_ACL, acl, sizeof acl);
    give(place, "f", "user.a", "1", 1);
    give(place, "f", EXTRAS_CAPABILITY, capability, sizeof capability);
    read_extras(place, "f", PRESERVE_ALL, &extras, &not_kept);
    wanted.extras = buf_bytes(&extras);
    place_make(&there, "", false);
    if (mount("ramfs", there.root, "ramfs", 0, NULL) == 0) {
        asset_close(&there.asset);
        must(asset_open(there.address, &there.asset, &err));
        token = begin(&there, 1, 1, 1);
        root = open_directory(&there, "");
        version = stage(token, 0, TEXT("x"));
        must(asset_publish(token, 0, &version, &wanted, false, root, TEXT("f"), &not_kept, &err));
        assert_int_equal(not_kept, NOT_KEPT_XATTR | NOT_KEPT_ACL | NOT_KEPT_CAPABILITY);
        assert_int_equal(look_up(&there, "", "f", &now), 1);
        assert_int_equal(now.mode, 0640);
        must(asset_set_attributes(token, root, TEXT("f"), &wanted, &not_kept, &err));
        assert_int_equal(not_kept, NOT_KEPT_XATTR | NOT_KEPT_ACL | NOT_KEPT_CAPABILITY);
        must(asset_token_end(&token, &err));
        asset_directory_close(&root);
        asset_close(&there.asset);
        assert_int_equal(umount2(there.root, MNT_DETACH), 0);
        must(asset_open(there.address, &there.asset, &err));
    }
    place_remove(&there);
    buf_release(&extras);
}

/* The unprivileged part, in a process of its own: 0, or which check failed. */
static int as_nobody(struct place *place, struct bytes extras)
{
    struct wanted wanted = {
        .attributes = file_attributes(0444), .preserve = PRESERVE_ALL, .extras = extras};
    struct token which = {1, 1, 1};
    struct staged_version version;
    struct asset_directory *root;
    struct asset_token *token;
    struct asset_file *file;
    struct buf out = {0};
    struct asset *asset;
    u32 not_kept;
    struct err err;
    s64 now;

    if (asset_open(place->address, &asset, &err) < 0 ||
        asset_staging_open(asset, 1, 1, &now, &err) < 0 ||
        asset_grant(asset, &which, 1, &err) < 0 ||
        asset_token_open(asset, &which, &token, &err) < 0 ||
        asset_directory_open(asset, TEXT(""), &root, &err) < 0)
        return 1;
    if (asset_extras(root, TEXT("f"), PRESERVE_ALL, &out, &not_kept, &err) < 0)
        return 2;
    if (strcmp(names_of(buf_bytes(&out)), "system.posix_acl_access user.a ") != 0)
        return 3;
    if (not_kept != NOT_KEPT_CAPABILITY)
        return 4;
    if (asset_stage_file(token, 0, &file, &err) < 0 || asset_stage_end(&file, &version, &err) < 0)
        return 5;
    if (asset_publish(token, 0, &version, &wanted, false, root, TEXT("x"), &not_kept, &err) < 0)
        return 6;
    if (not_kept != (NOT_KEPT_CAPABILITY | NOT_KEPT_XATTR)) /* trusted.t is not for everybody */
        return 7;
    buf_clear(&out);
    if (asset_extras(root, TEXT("x"), PRESERVE_ALL, &out, &not_kept, &err) < 0)
        return 8;
    if (strcmp(names_of(buf_bytes(&out)), "system.posix_acl_access user.a ") != 0)
        return 9;
    wanted.extras = TEXT(""); /* in place, where the owner may not even write */
    if (asset_set_attributes(token, root, TEXT("x"), &wanted, &not_kept, &err) < 0)
        return 10;
    buf_clear(&out);
    if (asset_extras(root, TEXT("x"), PRESERVE_ALL, &out, &not_kept, &err) < 0 || out.size != 0)
        return 11;
    if (asset_stage_node(token, 1, KIND_character_device, 0x103, &version, &err) == 0)
        return 12;
    if (err.code != ERR_AccessDenied || !strstr(err.text, "devices need privilege"))
        return 13;
    asset_directory_close(&root);
    asset_token_close(&token);
    asset_close(&asset);
    buf_release(&out);
    return 0;
}

/* Goal: without privilege user attributes and lists travel, the rest is named; a file that its
 * owner may not write gets them all the same.
 * Method: a child gives up root and publishes what root has read. */
static void without_privilege(void **state)
{
    struct place *place = *state;
    struct buf extras = {0};
    struct attributes there;
    u32 not_kept;
    int status;
    pid_t child;

    if (geteuid() != 0)
        skip();
    plant_file(place, "f", "");
    give(place, "f", EXTRAS_ACL, acl, sizeof acl);
    give(place, "f", "user.a", "1", 1);
    give(place, "f", "trusted.t", "1", 1);
    give(place, "f", EXTRAS_CAPABILITY, capability, sizeof capability);
    read_extras(place, "f", PRESERVE_ALL, &extras, &not_kept);
    assert_int_equal(chown(place->root, 65534, 65534), 0);
    child = fork();
    if (child == 0) {
        if (setgid(65534) < 0 || setuid(65534) < 0)
            _exit(255);
        _exit(as_nobody(place, buf_bytes(&extras)));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(look_up(place, "", "x", &there), 1);
    assert_int_equal(there.mode, 0444);
    buf_release(&extras);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DIR_TEST(selection),         DIR_TEST(everything_arrives), DIR_TEST(nothing_is_inherited),
        DIR_TEST(in_place),          DIR_TEST(too_much),           DIR_TEST(filesystem_without),
        DIR_TEST(without_privilege),
    };

    return cmocka_run_group_tests_name("asset_dir_extras", tests, NULL, NULL);
}
