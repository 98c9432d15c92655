/* asset_fault.c: each fault comes when it was ordered, and only then.
 *
 * How: fault: around a memory tree, or around a directory where another process must see it. */
#include "contract/asset_place.h"

#include <signal.h>
#include <sys/wait.h>

#include "base/clock.h"

/* A place behind faults; `options` without the semicolon. */
static void make(struct place *place, const char *options, bool is_mem)
{
    char prefix[100];

    snprintf(prefix, sizeof prefix, "fault:%s;", options);
    place_make(place, prefix, is_mem);
}

/* Goal: wrong options are refused with the place where they are wrong.
 * Method: a table of addresses and of what the text must hold. */
static void wrong_options(void **state)
{
    static const struct {
        const char *address;
        const char *text;
    } wrong[] = {
        {"fault:", "';'"},
        {"fault:seed=1", "';'"},
        {"fault:;", "nothing after"},
        {"fault:sed=1;mem:x", "sed"},
        {"fault:seed;mem:x", "seed"},
        {"fault:seed=;mem:x", "NUMBER"},
        {"fault:seed=x;mem:x", "character 7"},
        {"fault:seed=1,corrupt=1k;mem:x", "character 14"},
        {"fault:seed=1,;mem:x", "unknown option"},
        {"fault:seed=99999999999999999999;mem:x", "NUMBER"},
    };
    struct asset *asset;
    struct err err;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        must_fail(asset_open(wrong[i].address, &asset, &err), Configuration);
        if (!strstr(err.text, wrong[i].text))
            fail_msg("\"%s\": %s", wrong[i].address, err.text);
    }
    must_fail(asset_open("fault:;dir:/no/such/place", &asset, &err), NotFound);
}

/* How many bytes differ in a staged copy from 0, 1, 2, … */
static u32 staged_differences(struct asset_token *token, u32 index)
{
    struct staged_version version;
    struct asset_file *file;
    u32 different = 0;
    u8 content[256];
    struct err err;

    must(asset_staged_open(token, index, false, &file, &version, &err));
    assert_int_equal(asset_file_read(file, content, sizeof content, 0, &err), 200);
    for (u32 i = 0; i < 200; i++)
        different += content[i] != (u8)i;
    asset_file_close(&file);
    return different;
}

/* Goal: exactly the first N copies with content are corrupted, and their versions fit the change.
 * Method: stage six files in pieces and an empty one, over two opens; count differing bytes. */
static void corruption(void **state)
{
    struct asset_token *token;
    struct place place, second = {0};
    u8 content[200];
    struct err err;

    (void)state;
    for (u32 i = 0; i < sizeof content; i++)
        content[i] = (u8)i;
    make(&place, "seed=3,corrupt=3", true);
    must(asset_open(place.address, &second.asset, &err));
    token = begin(&place, 1, 1, 1);
    stage(token, 9, TEXT(""));
    for (u32 i = 0; i < 6; i++) {
        struct staged_version version, seen;
        struct asset_file *file;

        must(asset_stage_file(token, i, &file, &err));
        must(asset_stage_write(file, content, 50, 0, &err));
        must(asset_stage_write(file, content + 50, 150, 50, &err));
        must(asset_stage_end(&file, &version, &err));
        assert_int_equal(staged_differences(token, i), i < 3);
        must(asset_staged_open(token, i, false, &file, &seen, &err));
        assert_true(seen.ctime_ns == version.ctime_ns && seen.size == 200);
        asset_file_close(&file);
    }
    must(asset_token_end(&token, &err));
    token = begin(&second, 1, 1, 2);
    stage(token, 0, bytes_of(content, 200));
    assert_int_equal(staged_differences(token, 0), 0);
    must(asset_token_end(&token, &err));
    asset_close(&second.asset);
    place_remove(&place);
}

/* Goal: every Nth read, write and listed entry fails, and the one after it does not.
 * Method: count through some rounds of each. */
static void every_nth(void **state)
{
    struct asset_directory *root;
    struct asset_token *token;
    struct attributes attributes;
    struct asset_file *file;
    struct entry entry;
    struct place place;
    struct err err;
    u8 byte;

    (void)state;
    make(&place, "read_error=3,write_error=2,list_error=4", true);
    plant_file(&place, "file", "content");
    root = open_directory(&place, "");
    must(asset_file_open(root, TEXT("file"), &file, &attributes, &err));
    for (int i = 1; i <= 9; i++) {
        if (i % 3 == 0)
            must_fail(asset_file_read(file, &byte, 1, 0, &err), IoError);
        else
            must(asset_file_read(file, &byte, 1, 0, &err));
    }
    asset_file_close(&file);
    for (int i = 1; i <= 8; i++) {
        if (i % 4 == 0)
            must_fail(asset_directory_next(root, &entry, &err), IoError);
        else
            must(asset_directory_next(root, &entry, &err));
    }
    asset_directory_close(&root);
    token = begin(&place, 1, 1, 1);
    must(asset_stage_file(token, 0, &file, &err));
    for (int i = 1; i <= 6; i++) {
        if (i % 2 == 0)
            must_fail(asset_stage_write(file, "x", 1, (u64)i, &err), IoError);
        else
            must(asset_stage_write(file, "x", 1, (u64)i, &err));
    }
    asset_stage_abort(&file);
    asset_token_close(&token);
    place_remove(&place);
}

/* Goal: the disk is full after so many bytes, settles fail N times, reads take their time.
 * Method: write up to the limit and over it; settle three times; read once with a watch. */
static void full_settle_delay(void **state)
{
    struct asset_directory *root;
    struct attributes attributes;
    struct asset_token *token;
    struct asset_file *file;
    struct place place;
    struct err err;
    u8 content[16];
    s64 start;

    (void)state;
    make(&place, "enospc_after=10,settle_error=2,delay_ms=20,short_reads=1", true);
    token = begin(&place, 1, 1, 1);
    must(asset_stage_file(token, 0, &file, &err));
    must(asset_stage_write(file, "0123456789", 10, 0, &err));
    must_fail(asset_stage_write(file, "x", 1, 10, &err), NoSpace);
    asset_stage_abort(&file);
    asset_token_close(&token);
    must_fail(asset_settle(place.asset, &err), SettleFailed);
    must_fail(asset_settle(place.asset, &err), SettleFailed);
    must(asset_settle(place.asset, &err));
    plant_file(&place, "file", "content");
    root = open_directory(&place, "");
    must(asset_file_open(root, TEXT("file"), &file, &attributes, &err));
    start = clock_monotonic_ns();
    assert_int_equal(asset_file_read(file, content, sizeof content, 0, &err), 7);
    assert_true(clock_monotonic_ns() - start >= 20 * NS_PER_MS);
    assert_memory_equal(content, "content", 7);
    asset_file_close(&file);
    asset_directory_close(&root);
    place_remove(&place);
}

/* Publishes two files; the exit code is the code of the first error. */
static int publish_two(const char *address)
{
    struct place place = {0};
    struct asset_directory *root;
    struct asset_token *token;
    struct token which = {1, 1, 1};
    struct err err;

    if (asset_open(address, &place.asset, &err) < 0 ||
        asset_token_open(place.asset, &which, &token, &err) < 0 ||
        asset_directory_open(place.asset, TEXT(""), &root, &err) < 0 ||
        put(token, 0, root, "first", "1", &err) < 0 || put(token, 1, root, "second", "2", &err) < 0)
        return (int)err.code;
    return 0;
}

/* Goal: a process stopped right before its rename publishes nothing after its token was revoked.
 * Method: a child stops before its second publish; revoke, continue it, look what is there. */
static void stopped_before_publish(void **state)
{
    struct token which = {1, 1, 1};
    struct attributes attributes;
    struct asset_token *token;
    struct place place;
    int status;
    pid_t child;
    struct err err;
    bool clean;

    (void)state;
    make(&place, "stop_before_publish=2", false);
    token = begin(&place, 1, 1, 1);
    child = fork();
    if (child == 0)
        _exit(publish_two(place.address));
    assert_int_equal(waitpid(child, &status, WUNTRACED), child);
    assert_true(WIFSTOPPED(status));
    assert_int_equal(look_up(&place, "", "first", &attributes), 1);
    assert_int_equal(look_up(&place, "", "second", &attributes), 0);
    must(asset_revoke(place.asset, &which, &clean, &err));
    assert_true(clean);
    assert_int_equal(kill(child, SIGCONT), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), ERR_Revoked);
    assert_int_equal(look_up(&place, "", "second", &attributes), 0);
    asset_token_close(&token);
    must(asset_staging_close(place.asset, &err));
    place_remove(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_options),
        cmocka_unit_test(corruption),
        cmocka_unit_test(every_nth),
        cmocka_unit_test(full_settle_delay),
        cmocka_unit_test(stopped_before_publish),
    };

    return cmocka_run_group_tests_name("asset_fault", tests, NULL, NULL);
}
