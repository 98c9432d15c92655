/* Goal: every pair of objects leads to the decision that the design says.
 * Method: attributes are made up, one difference at a time; nothing is read or written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "watcher/compare.h"

#define TIME_NS 1700000000123456789LL

static const struct compare_rules rules = {
    .owners = true, .modes = true, .times = true, .nodes = true};

static struct attributes object(enum object_kind kind)
{
    return (struct attributes){.kind = kind,
                               .mode = 0644,
                               .uid = 7,
                               .gid = 8,
                               .links = 1,
                               .size = 10,
                               .inode = 1,
                               .mtime_ns = TIME_NS,
                               .ctime_ns = TIME_NS + 1};
}

static void expect(struct compare_decision decision, u32 operation, u32 flags)
{
    assert_int_equal(decision.operation, operation);
    assert_int_equal(decision.flags, flags);
}

static void expect_refusal(struct compare_decision decision, enum err_code code)
{
    expect(decision, OPERATION_refuse, (u32)code << ITEM_CODE_SHIFT);
}

/* Goal: an object that is missing is put or made. Method: no destination at all. */
static void test_absent(void **state)
{
    struct attributes file = object(KIND_file), link = object(KIND_symlink),
                      directory = object(KIND_directory);

    (void)state;
    expect(compare_objects(&file, NULL, &rules), OPERATION_put, 0);
    expect(compare_objects(&link, NULL, &rules), OPERATION_put, 0);
    expect(compare_objects(&directory, NULL, &rules), OPERATION_directory, 0);
}

/* Goal: files differ by size, time, mode and owner, and by nothing else.
 * Method: one field of the destination is changed at a time. */
static void test_files(void **state)
{
    struct attributes a = object(KIND_file), b = a;
    struct compare_rules plain = {.times = true};

    (void)state;
    expect(compare_objects(&a, &b, &rules), 0, 0);
    b.inode = 99, b.ctime_ns = 5, b.allocated = 1;
    expect(compare_objects(&a, &b, &rules), 0, 0);
    b.size++;
    expect(compare_objects(&a, &b, &rules), OPERATION_put, ITEM_REPLACES);
    b = a, b.mtime_ns--;
    expect(compare_objects(&a, &b, &rules), OPERATION_put, ITEM_REPLACES);
    b = a, b.mtime_ns++;
    expect(compare_objects(&a, &b, &rules), OPERATION_put, ITEM_REPLACES);
    b = a, b.mode = 0600;
    expect(compare_objects(&a, &b, &rules), OPERATION_attributes, 0);
    expect(compare_objects(&a, &b, &plain), 0, 0);
    b = a, b.uid++;
    expect(compare_objects(&a, &b, &rules), OPERATION_attributes, 0);
    expect(compare_objects(&a, &b, &plain), 0, 0);
    b = a, b.gid++;
    expect(compare_objects(&a, &b, &rules), OPERATION_attributes, 0);
    b.links = 2; /* the other name is not ours to change */
    expect(compare_objects(&a, &b, &rules), OPERATION_put, ITEM_REPLACES);
    b = a, b.links = 2;
    expect(compare_objects(&a, &b, &rules), 0, 0);
}

/* Goal: links are compared by target, after what is cheaper. Method: as for files. */
static void test_links(void **state)
{
    struct attributes a = object(KIND_symlink), b = a;

    (void)state;
    b.mode = 0777;
    expect(compare_objects(&a, &b, &rules), 0, 0);
    assert_true(compare_objects(&a, &b, &rules).targets);
    b.mtime_ns++;
    expect(compare_objects(&a, &b, &rules), OPERATION_put, ITEM_REPLACES);
    assert_false(compare_objects(&a, &b, &rules).targets);
    b = a, b.size++;
    expect(compare_objects(&a, &b, &rules), OPERATION_put, ITEM_REPLACES);
    b = a, b.gid++;
    expect(compare_objects(&a, &b, &rules), OPERATION_put, ITEM_REPLACES);
    expect(compare_targets(bytes_text("to"), bytes_text("to")), 0, 0);
    expect(compare_targets(bytes_text("to"), bytes_text("ta")), OPERATION_put, ITEM_REPLACES);
}

/* Goal: directories differ by mode, owner and time, never by size. Method: as for files. */
static void test_directories(void **state)
{
    struct attributes a = object(KIND_directory), b = a;
    struct compare_rules again = {
        .put_again_since_ns = 1, .owners = true, .modes = true, .times = true};

    (void)state;
    b.size = 4096, b.links = 7;
    expect(compare_objects(&a, &b, &rules), 0, 0);
    expect(compare_objects(&a, &b, &again), 0, 0);
    b.mode = 0700;
    expect(compare_objects(&a, &b, &rules), OPERATION_directory, ITEM_EXISTS);
    b = a, b.mtime_ns++;
    expect(compare_objects(&a, &b, &rules), OPERATION_directory, ITEM_EXISTS);
    b = a, b.uid++;
    expect(compare_objects(&a, &b, &rules), OPERATION_directory, ITEM_EXISTS);
}

/* Goal: objects of different kinds replace one another, where a directory can make way, and kinds
 * that are not carried are always refused. Method: every pair of kinds. */
static void test_kinds(void **state)
{
    (void)state;
    for (u32 from = KIND_file; from <= KIND_block_device; from++) {
        for (u32 to = KIND_file; to <= KIND_block_device; to++) {
            struct attributes a = object(from), b = object(to);
            struct compare_decision decision = compare_objects(&a, &b, &rules);

            if (from == KIND_socket)
                expect_refusal(decision, ERR_UnsupportedKind);
            else if (from == to)
                expect(decision, 0, 0);
            else if (from == KIND_directory)
                expect(decision, OPERATION_directory, ITEM_REPLACES);
            else if (to == KIND_directory)
                expect(decision, OPERATION_put, ITEM_REPLACES | ITEM_REPLACES_DIRECTORY);
            else
                expect(decision, OPERATION_put, ITEM_REPLACES);
            assert_int_equal(decision.over_directory,
                             to == KIND_directory && from != to && from != KIND_socket);
        }
        if (from >= KIND_fifo) {
            struct attributes a = object(from);
            struct compare_rules without = {.times = true};

            expect_refusal(compare_objects(&a, NULL, &without), ERR_UnsupportedKind);
            if (from != KIND_socket)
                expect(compare_objects(&a, NULL, &rules), OPERATION_put, 0);
        }
    }
}

/* Goal: FIFOs and devices are compared by number and time, and not by size. Method: as for files.
 */
static void test_nodes(void **state)
{
    struct attributes a = object(KIND_block_device), b = a;

    (void)state;
    b.size = 4096;
    expect(compare_objects(&a, &b, &rules), 0, 0);
    b.rdev = 7;
    expect(compare_objects(&a, &b, &rules), OPERATION_put, ITEM_REPLACES);
    b = a, b.mtime_ns++;
    expect(compare_objects(&a, &b, &rules), OPERATION_put, ITEM_REPLACES);
    b = a, b.mode = 0600;
    expect(compare_objects(&a, &b, &rules), OPERATION_attributes, 0);
}

/* Goal: where times are not kept, a destination that is not older is equal, and a directory's time
 * says nothing. Method: times around the source's. */
static void test_times_not_kept(void **state)
{
    struct compare_rules untimed = {.owners = true, .modes = true};
    struct attributes a = object(KIND_file), b = a;

    (void)state;
    b.mtime_ns++;
    expect(compare_objects(&a, &b, &untimed), 0, 0);
    b.mtime_ns = a.mtime_ns - 1;
    expect(compare_objects(&a, &b, &untimed), OPERATION_put, ITEM_REPLACES);
    b.mtime_ns = a.mtime_ns + 1, b.size++;
    expect(compare_objects(&a, &b, &untimed), OPERATION_put, ITEM_REPLACES);
    a = b = object(KIND_directory), b.mtime_ns--;
    expect(compare_objects(&a, &b, &untimed), 0, 0);
}

/* Goal: names of one object stay so, and names of one object that are several at the source are
 * broken up; extended attributes alone are set in place only where no other name has them.
 * Method: numbers of links on both sides. */
static void test_several_names(void **state)
{
    struct compare_rules linking = {.owners = true, .modes = true, .times = true, .links = true};
    struct attributes a = object(KIND_file), b = a, directory = object(KIND_directory);

    (void)state;
    assert_false(compare_is_linked(&a, &linking));
    a.links = 2;
    assert_true(compare_is_linked(&a, &linking));
    assert_false(compare_is_linked(&a, &rules));
    directory.links = 5;
    assert_false(compare_is_linked(&directory, &linking));
    b.links = 2;
    expect(compare_objects(&a, &b, &linking), 0, 0);
    a.links = 1;
    expect(compare_objects(&a, &b, &linking), OPERATION_put, ITEM_REPLACES);
    expect(compare_objects(&a, &b, &rules), 0, 0);
    expect(compare_extras(&a, &b), OPERATION_put, ITEM_REPLACES);
    b.links = 1;
    expect(compare_extras(&a, &b), OPERATION_attributes, 0);
    expect(compare_extras(&directory, &directory), OPERATION_directory, ITEM_EXISTS);
    a.kind = b.kind = KIND_symlink;
    expect(compare_extras(&a, &b), OPERATION_put, ITEM_REPLACES);
}

/* Goal: what may be torn after a power cut is put again. Method: ctimes around the moment. */
static void test_put_again(void **state)
{
    struct compare_rules again = {
        .put_again_since_ns = 5000, .owners = true, .modes = true, .times = true};
    struct attributes a = object(KIND_file), b = a;

    (void)state;
    b.ctime_ns = 4999;
    expect(compare_objects(&a, &b, &again), 0, 0);
    b.ctime_ns = 5000;
    expect(compare_objects(&a, &b, &again), OPERATION_put, ITEM_REPLACES);
    a.kind = b.kind = KIND_symlink;
    expect(compare_objects(&a, &b, &again), OPERATION_put, ITEM_REPLACES);
    again.put_again_since_ns = 0;
    expect(compare_objects(&a, &b, &again), 0, 0);
}

static bool same_time(s64 source_ns, s64 destination_ns, s64 ctime_ns)
{
    struct attributes a = object(KIND_file), b = object(KIND_file);

    a.mtime_ns = source_ns;
    b.mtime_ns = destination_ns;
    b.ctime_ns = ctime_ns;
    return compare_objects(&a, &b, &rules).operation == 0;
}

/* Goal: a filesystem with coarse times is not copied to for ever, and a fine one stays exact.
 * Method: times cut off at each grain, with ctimes of a coarse and of a fine clock. */
static void test_grains(void **state)
{
    static const s64 grains_ns[] = {100, 1000, 1000000, 10000000, 1000000000, 2000000000};
    const s64 coarse = 1800000000000000000LL, fine = coarse + 123456789;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(grains_ns); i++) {
        s64 grain = grains_ns[i], odd = TIME_NS + NS_PER_S, cut = odd - odd % grain;

        assert_true(same_time(odd, cut, coarse));
        assert_false(same_time(odd, cut, fine)); /* it could keep more, so it means what it says */
        assert_false(same_time(odd, cut - 2 * grain, coarse));
        assert_false(same_time(odd, cut + grain, coarse));
        /* before 1970, filesystems cut off towards the past as well */
        assert_true(same_time(-odd, -odd + odd % grain - grain, coarse));
        assert_false(same_time(-odd, -odd + odd % grain, coarse));
    }
    assert_false(same_time(TIME_NS, TIME_NS - TIME_NS % 1000 + 1, coarse));
    assert_false(same_time(INT64_MAX, INT64_MIN, 0));
    assert_false(same_time(INT64_MIN, INT64_MAX, 0));
    assert_false(same_time(INT64_MIN + 1, INT64_MIN, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_absent),         cmocka_unit_test(test_files),
        cmocka_unit_test(test_links),          cmocka_unit_test(test_directories),
        cmocka_unit_test(test_kinds),          cmocka_unit_test(test_put_again),
        cmocka_unit_test(test_grains),         cmocka_unit_test(test_nodes),
        cmocka_unit_test(test_times_not_kept), cmocka_unit_test(test_several_names),
    };

    return cmocka_run_group_tests_name("watcher_compare", tests, NULL, NULL);
}
