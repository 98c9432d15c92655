/* asset.c: the contract of asset.h, the same tests for every driver: finding, reading, and trees as
 * they really are.
 *
 * How: each driver runs the whole list on fresh trees of its own. The second half of the contract
 * (staging, tokens, publishing) is in asset_staging.c; what only a directory can show (links under
 * attack, mounts, full disks) is in tests/unit/asset_dir.c. */
#include "contract/asset_place.h"

/* ---- the asset ---- */

/* Goal: two opens of one address are the same place, two trees are not.
 * Method: compare identity and place of three assets. */
static void who_an_asset_is(void **state)
{
    struct place *place = *state, other;
    struct asset *again;
    struct identity a, b, c;
    struct buf pa = {0}, pb = {0}, pc = {0};
    struct err err;

    place_make(&other, driver->prefix, driver->is_mem);
    must(asset_open(place->address, &again, &err));
    must(asset_identity(place->asset, &a, &err));
    must(asset_identity(again, &b, &err));
    must(asset_identity(other.asset, &c, &err));
    assert_true(a.size == b.size && memcmp(a.bytes, b.bytes, a.size) == 0);
    assert_true(a.size != c.size || memcmp(a.bytes, c.bytes, a.size) != 0);
    must(asset_place(place->asset, &pa, &err));
    must(asset_place(again, &pb, &err));
    must(asset_place(other.asset, &pc, &err));
    assert_int_equal(place_compare(buf_bytes(&pa), buf_bytes(&pb)), PLACE_SAME);
    assert_int_equal(place_compare(buf_bytes(&pa), buf_bytes(&pc)), PLACE_APART);
    assert_int_equal(asset_is_current(again, &err), 1);
    must(asset_check_readable(again, &err));
    must(asset_check_writable(again, &err));
    must(asset_settle(again, &err));
    assert_string_equal(again->address, place->address);
    assert_true(again->opened_ns > 0);
    assert_true(asset_capabilities(again) & ASSET_RENAMES);
    buf_release(&pa);
    buf_release(&pb);
    buf_release(&pc);
    asset_close(&again);
    assert_null(again);
    asset_close(&again);
    place_remove(&other);
}

/* ---- directories ---- */

/* Goal: a listing gives each entry once, with its attributes, and only directories if asked.
 * Method: plant one of each kind, list in the three ways, rewind and list again. */
static void listing(void **state)
{
    struct attributes fifo = {.kind = KIND_fifo, .mode = 0600};
    struct place *place = *state;
    struct asset_directory *root;
    struct entry entry;
    struct err err;
    u32 seen = 0;
    int got;

    plant_file(place, "file", "hello");
    plant_directory(place, "directory");
    plant_link(place, "link", "nowhere");
    plant(place, TEXT("fifo"), &fifo, TEXT(""));
    root = open_directory(place, "");
    for (int round = 0; round < 2; round++) {
        while ((got = asset_directory_next(root, &entry, &err)) != 0) {
            must(got);
            if (bytes_equal(entry.name, TEXT("file"))) {
                assert_int_equal(entry.attributes.kind, KIND_file);
                assert_int_equal(entry.attributes.mode, 0640);
                assert_int_equal(entry.attributes.size, 5);
                assert_int_equal(entry.attributes.links, 1);
                assert_true(entry.attributes.mtime_ns == 1500000000123456789);
                seen += 1;
            } else if (bytes_equal(entry.name, TEXT("directory"))) {
                assert_int_equal(entry.attributes.kind, KIND_directory);
                seen += 100;
            } else if (bytes_equal(entry.name, TEXT("link"))) {
                assert_int_equal(entry.attributes.kind, KIND_symlink);
                seen += 10000;
            } else if (bytes_equal(entry.name, TEXT("fifo"))) {
                assert_int_equal(entry.attributes.kind, KIND_fifo);
                seen += 1000000;
            } else {
                fail_msg("an entry that was not planted");
            }
        }
        must(asset_directory_rewind(root, &err));
    }
    assert_int_equal(seen, 2020202);
    assert_int_equal(asset_directory_next_directory(root, &entry, &err), 1);
    assert_true(bytes_equal(entry.name, TEXT("directory")));
    assert_int_equal(asset_directory_next_directory(root, &entry, &err), 0);
    must(asset_directory_rewind(root, &err));
    for (seen = 0; asset_directory_next_name(root, &entry, &err) == 1; seen++)
        ;
    assert_int_equal(seen, 4);
    asset_directory_close(&root);
}

/* Goal: a listing goes on from its position in a directory opened anew.
 * Method: list 500 names, a few in each of many opens; each must come exactly once. */
static void positions(void **state)
{
    struct place *place = *state;
    bool seen[500] = {false};
    u64 position = 0;
    struct err err;
    int got = 1;

    for (int i = 0; i < 500; i++) {
        char path[32];

        snprintf(path, sizeof path, "d/name-%d", i);
        plant_file(place, path, "");
    }
    while (got == 1) {
        struct asset_directory *directory = open_directory(place, "d");
        struct entry entry;

        must(asset_directory_seek(directory, position, &err));
        for (int i = 0; i < 7; i++) {
            must(got = asset_directory_next(directory, &entry, &err));
            if (got == 0)
                break;
            char name[32] = {0};

            memcpy(name, entry.name.data, entry.name.size);
            assert_false(seen[atoi(name + 5)]);
            seen[atoi(name + 5)] = true;
        }
        position = asset_directory_position(directory);
        asset_directory_close(&directory);
    }
    for (int i = 0; i < 500; i++)
        assert_true(seen[i]);
}

/* Goal: names are looked up without following links, and paths lead through directories only.
 * Method: good and bad names and paths; the codes are those of the contract. */
static void lookup_and_enter(void **state)
{
    struct place *place = *state;
    struct asset_directory *directory, *child;
    struct attributes attributes;
    struct err err;

    plant_file(place, "a/b/file", "1");
    plant_link(place, "a/link", "b");
    directory = open_directory(place, "a");
    assert_int_equal(asset_directory_lookup(directory, TEXT("b"), &attributes, &err), 1);
    assert_int_equal(attributes.kind, KIND_directory);
    assert_int_equal(asset_directory_lookup(directory, TEXT("link"), &attributes, &err), 1);
    assert_int_equal(attributes.kind, KIND_symlink);
    assert_int_equal(asset_directory_lookup(directory, TEXT("none"), &attributes, &err), 0);
    must_fail(asset_directory_lookup(directory, TEXT(".."), &attributes, &err), InvalidPath);
    must_fail(asset_directory_lookup(directory, TEXT("b/file"), &attributes, &err), InvalidPath);
    must(asset_directory_enter(directory, TEXT("b"), &child, &err));
    assert_int_equal(asset_directory_lookup(child, TEXT("file"), &attributes, &err), 1);
    must(asset_directory_attributes(child, &attributes, &err));
    assert_int_equal(attributes.kind, KIND_directory);
    asset_directory_close(&child);
    must_fail(asset_directory_enter(directory, TEXT("link"), &child, &err), SymlinkInPath);
    must_fail(asset_directory_enter(directory, TEXT("none"), &child, &err), NotFound);
    must_fail(asset_directory_enter(directory, TEXT(".."), &child, &err), InvalidPath);
    must_fail(asset_directory_open(place->asset, TEXT("a/none/c"), &child, &err), NotFound);
    must_fail(asset_directory_open(place->asset, TEXT("a/link"), &child, &err), SymlinkInPath);
    must_fail(asset_directory_open(place->asset, TEXT("a/b/file"), &child, &err), NotADirectory);
    must_fail(asset_directory_open(place->asset, TEXT("../x"), &child, &err), InvalidPath);
    must_fail(asset_directory_open(place->asset, TEXT("/a"), &child, &err), InvalidPath);
    assert_null(child);
    asset_directory_close(&directory);
    must(asset_root_attributes(place->asset, &attributes, &err));
    assert_int_equal(attributes.kind, KIND_directory);
}

/* ---- reading ---- */

/* Goal: content comes whole from any offset, and only regular files are opened.
 * Method: read a file of several pages in pieces; try a FIFO (must not block), a link, a directory.
 */
static void reading(void **state)
{
    struct attributes attributes, fifo = {.kind = KIND_fifo, .mode = 0600};
    struct place *place = *state;
    static u8 content[200000], got[200000];
    struct attributes planted = {.kind = KIND_file, .mode = 0600};
    struct asset_directory *root;
    struct asset_file *file;
    struct buf target = {0}, extras = {0};
    struct err err;
    u32 not_kept;

    for (size_t i = 0; i < sizeof content; i++)
        content[i] = (u8)(i * 7 + i / 251);
    plant(place, TEXT("large"), &planted, bytes_of(content, sizeof content));
    plant(place, TEXT("fifo"), &fifo, TEXT(""));
    plant_directory(place, "directory");
    plant_link(place, "link", "large");
    root = open_directory(place, "");
    must(asset_file_open(root, TEXT("large"), &file, &attributes, &err));
    assert_int_equal(attributes.size, sizeof content);
    assert_int_equal(asset_file_read(file, got, 131072, 0, &err), 131072);
    assert_int_equal(asset_file_read(file, got + 131072, 131072, 131072, &err), 200000 - 131072);
    assert_memory_equal(content, got, sizeof content);
    assert_int_equal(asset_file_read(file, got, 10, 199995, &err), 5);
    assert_int_equal(asset_file_read(file, got, 10, 200000, &err), 0);
    assert_int_equal(asset_file_read(file, got, 10, 900000, &err), 0);
    must(asset_file_extras(file, PRESERVE_ALL, &extras, &not_kept, &err));
    assert_int_equal(extras.size, 0);
    assert_int_equal(not_kept, 0);
    buf_release(&extras);
    must(asset_file_attributes(file, &attributes, &err));
    assert_int_equal(attributes.size, sizeof content);
    asset_file_close(&file);
    must_fail(asset_file_open(root, TEXT("fifo"), &file, &attributes, &err), UnsupportedKind);
    must_fail(asset_file_open(root, TEXT("link"), &file, &attributes, &err), UnsupportedKind);
    must_fail(asset_file_open(root, TEXT("directory"), &file, &attributes, &err), UnsupportedKind);
    must_fail(asset_file_open(root, TEXT("none"), &file, &attributes, &err), NotFound);
    must(asset_read_link(root, TEXT("link"), &target, &attributes, &err));
    assert_true(bytes_equal(buf_bytes(&target), TEXT("large")));
    assert_int_equal(attributes.kind, KIND_symlink);
    must_fail(asset_read_link(root, TEXT("large"), &target, &attributes, &err), UnsupportedKind);
    must_fail(asset_read_link(root, TEXT("none"), &target, &attributes, &err), NotFound);
    buf_release(&target);
    asset_directory_close(&root);
}

/* ---- trees as they really are ---- */

/* Goal: names are bytes and arrive as they are.
 * Method: publish, list, look up and read names that break programs which think that names are
 * text. */
static void odd_names(void **state)
{
    static char longest[256];
    static const char *const names[] = {"a\nb",  "\t", "\x1b[31m", "\xff\xfe\x80",
                                        "-rf",   "--", "%n%s",     "...",
                                        "\"'`$", " ",  longest};
    struct place *place = *state;
    struct asset_token *token = begin(place, 1, 1, 1);
    struct asset_directory *into, *directory;
    struct attributes there;
    struct entry entry;
    u32 count = 0;
    struct err err;

    memset(longest, 'x', 255);
    for (u32 i = 0; i < COUNT_OF(names); i++) {
        must(asset_publish_directory(token, bytes_text(names[i]), 0, &into, &err));
        must(put(token, i, into, names[i], names[i], &err));
        asset_directory_close(&into);
    }
    directory = open_directory(place, "");
    while (asset_directory_next(directory, &entry, &err) == 1) {
        char *name = text_of_bytes(entry.name);

        assert_int_equal(look_up(place, name, name, &there), 1);
        check_content(place, name, entry.name, entry.name);
        free(name);
        count++;
    }
    assert_int_equal(count, COUNT_OF(names));
    asset_directory_close(&directory);
    must(asset_token_end(&token, &err));
}

/* Goal: paths have no length that breaks them.
 * Method: publish below 2,000 levels and below a path of 60 KB, then walk, read and set there. */
static void deep_and_long(void **state)
{
    struct attributes directory = file_attributes(0750), there;
    struct place *place = *state;
    struct asset_token *token = begin(place, 1, 1, 1);
    struct err err;

    directory.kind = KIND_directory;
    for (int which = 0; which < 2; which++) {
        struct asset_directory *into;
        struct buf path = {0};
        char name[256] = {0};
        u32 levels = which == 0 ? 2000 : 240, not_kept;

        memset(name, which == 0 ? 'd' : 'l', which == 0 ? 1 : 255);
        for (u32 i = 0; i < levels; i++) {
            struct buf next = {0};

            path_join(&next, buf_bytes(&path), bytes_text(name));
            buf_release(&path);
            path = next;
        }
        must(asset_publish_directory(token, buf_bytes(&path), 0, &into, &err));
        must(put(token, 0, into, "leaf", "at the end", &err));
        asset_directory_close(&into);
        must(asset_set_directory_attributes(token, buf_bytes(&path), WANTED(directory), &not_kept,
                                            &err));
        must(asset_directory_open(place->asset, buf_bytes(&path), &into, &err));
        must(asset_directory_attributes(into, &there, &err));
        assert_int_equal(there.mode, 0750);
        asset_directory_close(&into);
        check_content(place, buf_text(&path), TEXT("leaf"), TEXT("at the end"));
        buf_release(&path);
    }
    must(asset_token_end(&token, &err));
    must(asset_staging_close(place->asset, &err));
    assert_int_equal(count_entries(place, ""), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(who_an_asset_is), TEST(listing),   TEST(positions),     TEST(lookup_and_enter),
        TEST(reading),         TEST(odd_names), TEST(deep_and_long),
    };

    return run_for_each_driver("asset", tests);
}
