/* Goal: a probe refuses what cannot work, with the code that says so and a text that says what to
 * do. Method: real directories that are missing, closed, the same, or inside one another. */
#include "watcher_fixture.h"

#include "svc/probe.h"

#define NOBODY 65534

/* Probes two addresses as a worker does; gives the code. */
static u32 probe(const char *source_address, const char *destination_address, bool writer,
                 struct err *err)
{
    struct probe_findings found = {0};
    struct asset *source = NULL, *destination = NULL;
    int rc;

    err_clear(err);
    if (asset_open(source_address, &source, err) < 0)
        rc = probe_refuse(PROBE_SOURCE, bytes_text(source_address), err);
    else if (asset_open(destination_address, &destination, err) < 0)
        rc = probe_refuse(PROBE_DESTINATION, bytes_text(destination_address), err);
    else
        rc = probe_assets(source, destination, writer, &found, err);
    if (rc == 0) {
        assert_true(found.source_identity.size > 0);
        assert_true(found.destination_identity.size > 0);
        assert_true(found.source_place.size >= 8);
        assert_true(found.destination_place.size >= 8);
    }
    probe_findings_release(&found);
    asset_close(&source);
    asset_close(&destination);
    return rc == 0 ? 0 : err->code;
}

/* Probes two paths below the fixture's directory. */
static u32 probe_paths(const struct fixture *f, const char *source, const char *destination,
                       bool writer, struct err *err)
{
    char a[192], b[192];

    snprintf(a, sizeof a, "dir:%s/%s", f->base, source);
    snprintf(b, sizeof b, "dir:%s/%s", f->base, destination);
    return probe(a, b, writer, err);
}

/* Goal: two good directories are fit for reading and for writing. Method: the plain case. */
static void test_fit(void **state)
{
    struct fixture *f = fixture_dir();
    struct err err;

    (void)state;
    assert_int_equal(probe_paths(f, "source", "destination", false, &err), 0);
    assert_int_equal(probe_paths(f, "source", "destination", true, &err), 0);
    fixture_destroy(f);
}

/* Goal: what is not there or no directory is told for the end that it is. Method: one end at a
 * time. */
static void test_missing(void **state)
{
    struct fixture *f = fixture_dir();
    struct err err;

    (void)state;
    fixture_file(f, "source", "file", 1);
    assert_int_equal(probe_paths(f, "gone", "destination", false, &err), ERR_SourceMissing);
    assert_non_null(strstr(err.text, "gone"));
    assert_non_null(strstr(err.text, "create the directory"));
    assert_int_equal(probe_paths(f, "source", "gone", true, &err), ERR_DestinationMissing);
    assert_int_equal(probe_paths(f, "source/file", "destination", false, &err),
                     ERR_SourceNotADirectory);
    assert_int_equal(probe_paths(f, "source", "source/file", true, &err),
                     ERR_DestinationNotADirectory);
    assert_int_equal(probe("nonsense", "nonsense", false, &err), ERR_Configuration);
    assert_non_null(strstr(err.text, "nonsense"));
    fixture_destroy(f);
}

/* Goal: one directory, or one inside the other, is refused by any name. Method: names and links to
 * them. */
static void test_overlap(void **state)
{
    struct fixture *f = fixture_dir();
    char command[256];
    struct err err;

    (void)state;
    fixture_directory(f, "source", "inner");
    snprintf(command, sizeof command, "ln -s %s/source %s/alias", f->base, f->base);
    assert_int_equal(system(command), 0);
    assert_int_equal(probe_paths(f, "source", "source", true, &err), ERR_SameDirectory);
    assert_int_equal(probe_paths(f, "source", "source/../source", true, &err), ERR_SameDirectory);
    assert_int_equal(probe_paths(f, "source", "alias", true, &err), ERR_SameDirectory);
    assert_int_equal(probe_paths(f, "source", "alias/inner", true, &err), ERR_Nested);
    assert_int_equal(probe_paths(f, "source/inner", "source", false, &err), ERR_Nested);
    assert_non_null(strstr(err.text, "neither is inside the other"));
    assert_int_equal(probe_paths(f, "source/inner", "destination", true, &err), 0);
    fixture_destroy(f);
}

/* Goal: missing rights are told before any work. Method: modes, as a user who is not root. */
static void test_rights(void **state)
{
    struct fixture *f = fixture_dir();
    bool root = geteuid() == 0;
    char command[256];
    struct err err;

    (void)state;
    snprintf(command, sizeof command,
             "cd %s && mkdir closed locked && chmod 0311 closed && chmod 0555 locked", f->base);
    assert_int_equal(system(command), 0);
    if (root)
        assert_int_equal(seteuid(NOBODY), 0);
    assert_int_equal(probe_paths(f, "closed", "destination", false, &err), ERR_SourceUnreadable);
    assert_int_equal(probe_paths(f, "source", "closed", false, &err), ERR_DestinationUnwritable);
    assert_int_equal(probe_paths(f, "source", "locked", false, &err), 0);
    assert_int_equal(probe_paths(f, "source", "locked", true, &err), ERR_DestinationUnwritable);
    if (root)
        assert_int_equal(seteuid(0), 0);
    fixture_destroy(f);
}

/* Goal: the text of an error can always be sent. Method: bytes that are no UTF-8. */
static void test_text(void **state)
{
    struct buf scratch = {0};
    struct err err;

    (void)state;
    err_set(&err, ERR_IoError, "plain");
    assert_true(bytes_equal(probe_text(&err, &scratch), bytes_text("plain")));
    err_set(&err, ERR_IoError, "cut \xc3");
    assert_true(utf8_is_valid(probe_text(&err, &scratch)));
    buf_release(&scratch);
}

/* Goal: the code alone says which end cannot be used, whatever the reason was.
 * Method: errors that have no refusal of their own, at both ends. */
static void test_unreachable(void **state)
{
    static const enum err_code codes[] = {ERR_Exists, ERR_Internal, ERR_AssetUnreachable};
    struct err err;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(codes); i++) {
        err_set(&err, codes[i], "why");
        assert_int_equal(probe_refuse(PROBE_SOURCE, bytes_text("dir:/a"), &err), -1);
        assert_int_equal(err.code, ERR_SourceUnreachable);
        err_set(&err, codes[i], "why");
        assert_int_equal(probe_refuse(PROBE_DESTINATION, bytes_text("dir:/a/b"), &err), -1);
        assert_int_equal(err.code, ERR_AssetUnreachable);
    }
}

/* Goal: another directory at an address is not taken for the one that was probed.
 * Method: the identity of one; then another one has its name. */
static void test_identity(void **state)
{
    struct fixture *f = fixture_dir();
    struct asset *first = NULL, *second = NULL;
    char address[192], path[160], away[160];
    struct identity identity;
    struct bytes known;
    struct err err;

    (void)state;
    snprintf(path, sizeof path, "%s/source", f->base);
    snprintf(away, sizeof away, "%s/away", f->base);
    snprintf(address, sizeof address, "dir:%s", path);
    assert_int_equal(asset_open(address, &first, &err), 0);
    assert_int_equal(asset_identity(first, &identity, &err), 0);
    known = bytes_of(identity.bytes, identity.size);
    assert_int_equal(probe_require(PROBE_SOURCE, first, known, &err), 0);
    assert_int_equal(rename(path, away), 0);
    assert_int_equal(mkdir(path, 0755), 0);
    assert_int_equal(asset_open(address, &second, &err), 0);
    assert_int_equal(probe_require(PROBE_SOURCE, first, known, &err), 0);
    assert_int_equal(probe_require(PROBE_SOURCE, second, known, &err), -1);
    assert_int_equal(err.code, ERR_SourceChanged);
    assert_int_equal(probe_require(PROBE_DESTINATION, second, known, &err), -1);
    assert_int_equal(err.code, ERR_AssetUnreachable);
    assert_int_equal(probe_require(PROBE_SOURCE, second, bytes_of(NULL, 0), &err), 0);
    asset_close(&first);
    asset_close(&second);
    fixture_destroy(f);
}

/* The code of a look at one path below the fixture's directory. */
static u32 look_at(const struct fixture *f, const char *name, bool write, bool create,
                   struct asset_findings *found)
{
    char address[192];
    struct err err;

    snprintf(address, sizeof address, "dir:%s/%s", f->base, name);
    return probe_one(bytes_text(address), write, create, found, &err) < 0 ? err.code : 0;
}

/* Goal: one asset is fit for what it is to be, with the size of its filesystem, or has the refusal
 * of that end; one that is not there is fit if it may be made, could be, and only its last
 * component is missing. Nothing is made. Method: directories that are there, missing, closed. */
static void test_one(void **state)
{
    struct fixture *f = fixture_dir();
    struct asset_findings found;
    char path[160];
    struct err err;

    (void)state;
    assert_int_equal(look_at(f, "source", false, false, &found), 0);
    assert_true(found.identity.size > 0);
    assert_true(found.bytes_total > 0 && found.bytes_free <= found.bytes_total);
    assert_int_equal(look_at(f, "destination", true, false, &found), 0);
    assert_int_equal(look_at(f, "gone", false, false, &found), ERR_SourceMissing);
    assert_int_equal(look_at(f, "gone", true, false, &found), ERR_DestinationMissing);
    assert_int_equal(look_at(f, "gone", true, true, &found), 0);
    assert_int_equal(found.identity.size, 0);
    assert_int_equal(look_at(f, "gone/deeper", true, true, &found), ERR_DestinationMissing);
    assert_int_equal(look_at(f, "gone/..", true, true, &found), ERR_Configuration);
    snprintf(path, sizeof path, "%s/gone", f->base);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(probe_one(bytes_text(""), true, true, &found, &err), -1);
    assert_int_equal(err.code, ERR_Configuration);
    assert_int_equal(probe_one(bytes_text("mem:x"), false, false, &found, &err), 0);
    assert_int_equal(found.bytes_total, 0);
    fixture_destroy(f);
}

/* Goal: what could be made says where it would be, and is made with nothing above it; making it
 * again is no error. Method: places of it before and after. */
static void test_make(void **state)
{
    struct fixture *f = fixture_dir();
    struct buf before = {0}, after = {0};
    struct asset *asset = NULL;
    char address[192], deeper[208];
    struct err err;

    (void)state;
    snprintf(address, sizeof address, "dir:%s/new/", f->base);
    snprintf(deeper, sizeof deeper, "%s/x/y", address);
    assert_int_equal(asset_prospect(address, &before, &err), 0);
    assert_int_equal(asset_prospect(deeper, &after, &err), -1);
    assert_int_equal(err.code, ERR_NotFound);
    assert_int_equal(asset_make(deeper, &err), -1);
    assert_int_equal(err.code, ERR_NotFound);
    assert_int_equal(asset_make(address, &err), 0);
    assert_int_equal(asset_make(address, &err), 0);
    assert_int_equal(asset_open(address, &asset, &err), 0);
    assert_int_equal(asset_place(asset, &after, &err), 0);
    assert_true(bytes_equal(buf_bytes(&before), buf_bytes(&after)));
    assert_int_equal(asset_prospect(address, &before, &err), -1);
    assert_int_equal(err.code, ERR_Exists);
    assert_int_equal(asset_prospect("dir:/", &before, &err), -1);
    assert_int_equal(err.code, ERR_Configuration);
    assert_int_equal(asset_prospect("mem:x", &before, &err), -1);
    assert_int_equal(asset_make("mem:x", &err), -1);
    assert_int_equal(err.code, ERR_NotFound);
    asset_close(&asset);
    buf_release(&before);
    buf_release(&after);
    fixture_destroy(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fit),      cmocka_unit_test(test_missing),
        cmocka_unit_test(test_overlap),  cmocka_unit_test(test_rights),
        cmocka_unit_test(test_text),     cmocka_unit_test(test_unreachable),
        cmocka_unit_test(test_identity), cmocka_unit_test(test_one),
        cmocka_unit_test(test_make),
    };

    return cmocka_run_group_tests_name("watcher_probe", tests, NULL, NULL);
}
