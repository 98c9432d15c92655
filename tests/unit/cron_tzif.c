/* cron_tzif.c: files of a zone database: as they should be, broken, replaced, and not there. */
#include "cron_fixture.h"

#include "base/buf.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct database {
    char path[32];
};

static int database_make(void **state)
{
    struct database *database = memory_or_die(sizeof *database);
    char folder[64];

    strcpy(database->path, "/tmp/syncline-zones.XXXXXX");
    if (!mkdtemp(database->path))
        return -1;
    snprintf(folder, sizeof folder, "%s/Test", database->path);
    mkdir(folder, 0755);
    setenv("TZDIR", database->path, 1);
    *state = database;
    return 0;
}

static int database_remove(void **state)
{
    struct database *database = *state;
    char command[64];
    int rc;

    snprintf(command, sizeof command, "rm -r %s", database->path);
    rc = system(command);
    unsetenv("TZDIR");
    free(database);
    return rc;
}

static void put(struct buf *out, u64 value, u32 size)
{
    while (size-- > 0)
        buf_append(out, &(u8){(u8)(value >> 8 * size)}, 1);
}

static void put_header(struct buf *out, u32 leaps, u32 times, u32 types)
{
    buf_append_text(out, "TZif2");
    buf_append(out, (u8[15]){0}, 15);
    put(out, 0, 8);
    put(out, leaps, 4);
    put(out, times, 4);
    put(out, types, 4);
    put(out, 4, 4);
}

struct sample {
    u32 leaps, times;
    s32 offset; /* before the only change */
    s64 moments[2];
    u8 type;
    const char *footer;
};

/* A file as zic writes them: changes to UTC, if there are any, at `moments`. */
static void put_file(struct buf *out, const struct sample *sample)
{
    buf_clear(out);
    put_header(out, 0, 0, 0);
    buf_append_text(out, "AAA");
    put(out, 0, 1);
    put_header(out, sample->leaps, sample->times, 2);
    for (u32 i = 0; i < sample->times; i++)
        put(out, (u64)sample->moments[i], 8);
    for (u32 i = 0; i < sample->times; i++)
        put(out, sample->type, 1);
    put(out, (u32)sample->offset, 4);
    put(out, 0, 2);
    put(out, 0, 4);
    put(out, 0, 2);
    buf_append_text(out, "AAA");
    put(out, 0, 1);
    for (u32 i = 0; i < sample->leaps; i++)
        buf_append(out, (u8[12]){0}, 12);
    buf_append_text(out, sample->footer);
}

/* In place of the file that is there, as a package does it. */
static void write_zone(const struct database *database, const void *data, size_t size)
{
    char path[64], new[72];
    int fd;

    snprintf(path, sizeof path, "%s/Test/Zone", database->path);
    snprintf(new, sizeof new, "%s.new", path);
    fd = open(new, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    assert_int_equal(write(fd, data, size), (ssize_t)size);
    close(fd);
    assert_int_equal(rename(new, path), 0);
}

/* Goal: a file that is broken is refused, whatever is wrong with it.
 * Method: one fault each; then a good file cut off at each of its bytes. */
static void broken(void **state)
{
#define RULE "\nAAA0BBB,M3.2.0,M11.1.0\n"
    static const struct {
        struct sample sample;
        const char *wrong;
    } rows[] = {
        {{.leaps = 1, .footer = RULE}, "it counts leap seconds"},
        {{.times = 2, .moments = {5, 5}, .footer = RULE}, "its times are in no order"},
        {{.times = 1, .type = 2, .footer = RULE}, "its times are in no order"},
        {{.offset = 93600, .footer = RULE}, "a clock in it is more than a day from UTC"},
        {{.offset = -93600, .footer = RULE}, "a clock in it is more than a day from UTC"},
        {{.footer = ""}, "it has no rule at its end"},
        {{.footer = "\n"}, "it has no rule at its end"},
        {{.footer = "\nAAA0"}, "it has no rule at its end"},
        {{.footer = "AAA0\n"}, "it has no rule at its end"},
        {{.footer = "\n0\n"}, "the rule at its end is not as in POSIX"},
        {{.footer = "\n<AAA\n"}, "the rule at its end is not as in POSIX"},
        {{.footer = "\nAAA\n"}, "the rule at its end is not as in POSIX"},
        {{.footer = "\nAAA25\n"}, "the rule at its end is not as in POSIX"},
        {{.footer = "\nAAA1:60\n"}, "the rule at its end is not as in POSIX"},
        {{.footer = "\nAAA99999999999\n"}, "the rule at its end is not as in POSIX"},
        {{.footer = "\nAAA0,\n"}, "the rule at its end is not as in POSIX"},
        {{.footer = "\nAAA0BBB\n"}, "the rule at its end is not as in POSIX"},
        {{.footer = "\nAAA0BBB25,0,1\n"}, "the rule at its end is not as in POSIX"},
        {{.footer = "\nAAA0BBB,M3.2.0\n"}, "the rule at its end is not as in POSIX"},
        {{.footer = "\nAAA0BBB,M13.2.0,M11.1.0\n"}, "the rule at its end is not as in POSIX"},
        {{.footer = "\nAAA0BBB,M3.6.0,M11.1.0\n"}, "the rule at its end is not as in POSIX"},
        {{.footer = "\nAAA0BBB,M3.2.7,M11.1.0\n"}, "the rule at its end is not as in POSIX"},
        {{.footer = "\nAAA0BBB,M3.2,M11.1.0\n"}, "the rule at its end is not as in POSIX"},
        {{.footer = "\nAAA0BBB,J0,J5\n"}, "the rule at its end is not as in POSIX"},
        {{.footer = "\nAAA0BBB,366,5\n"}, "the rule at its end is not as in POSIX"},
        {{.footer = "\nAAA0BBB,1/168,5\n"}, "the rule at its end is not as in POSIX"},
        {{.footer = "\nAAA0BBB,1,5 \n"}, "the rule at its end is not as in POSIX"},
    };
    const struct database *database = *state;
    struct sample whole = {.footer = RULE};
    struct buf file = {0};
    char wanted[256];

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        put_file(&file, &rows[i].sample);
        write_zone(database, file.data, file.size);
        snprintf(wanted, sizeof wanted, "zone Test/Zone, %s/Test/Zone: %s; install tzdata anew",
                 database->path, rows[i].wrong);
        refused("Test/Zone", wanted);
    }
    put_file(&file, &whole);
    for (size_t size = 0; size < file.size; size++) {
        struct zone *zone;
        struct err err;

        write_zone(database, file.data, size);
        assert_int_equal(zone_open("Test/Zone", &zone, &err), -1);
    }
    write_zone(database, file.data, file.size);
    file.data[4] = '1';
    write_zone(database, file.data, file.size);
    snprintf(wanted, sizeof wanted,
             "zone Test/Zone, %s/Test/Zone: it is no TZif of version 2 or later; install tzdata "
             "anew",
             database->path);
    refused("Test/Zone", wanted);
    buf_release(&file);
}

/* Goal: the rule at the end of a file says when the clock changes, in each of its forms.
 * Method: a rule, and the change that it makes in 2028 and 2029 (in UTC). */
static void rules(void **state)
{
    static const struct {
        const char *footer;
        const char *after, *change;
        s32 offset;
    } rows[] = {
        {"\nAAA0BBB,M3.2.0,M11.1.0\n", "2028-01-01 00:00:00", "2028-03-12 02:00:00", 3600},
        {"\nAAA0BBB,M3.2.0,M11.1.0\n", "2028-06-01 00:00:00", "2028-11-05 01:00:00", 0},
        {"\nAAA5BBB,M3.5.0/3,M10.5.0\n", "2028-01-01 00:00:00", "2028-03-26 08:00:00", -14400},
        {"\n<+0530>-5:30<+07>-7,J60,J365\n", "2028-01-01 00:00:00", "2028-02-29 20:30:00", 25200},
        {"\nAAA0BBB,J60,J365\n", "2029-01-01 00:00:00", "2029-03-01 02:00:00", 3600},
        {"\nAAA0BBB,59,364\n", "2028-01-01 00:00:00", "2028-02-29 02:00:00", 3600},
        {"\nAAA0BBB,59/-1:30:15,364\n", "2029-01-01 00:00:00", "2029-02-28 22:29:45", 3600},
        {"\nAAA0BBB,0/26,364\n", "2028-01-01 00:00:00", "2028-01-02 02:00:00", 3600},
        /* summer is the standard, and winter an hour less */
        {"\nIST-1GMT0,M10.5.0,M3.5.0/1\n", "2028-06-01 00:00:00", "2028-10-29 01:00:00", 0},
        {"\nIST-1GMT0,M10.5.0,M3.5.0/1\n", "2028-12-01 00:00:00", "2029-03-25 01:00:00", 3600},
        /* south of the equator */
        {"\nAAA-10BBB,M10.1.0,M4.1.0/3\n", "2028-01-01 00:00:00", "2028-04-01 16:00:00", 36000},
    };
    const struct database *database = *state;
    struct zone *zone_of_rule;
    struct buf file = {0};

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct sample sample = {.footer = rows[i].footer};
        struct tm after = {0}, change = {0};
        struct zone *zone;

        put_file(&file, &sample);
        write_zone(database, file.data, file.size);
        zone = opened("Test/Zone");
        strptime(rows[i].after, "%F %T", &after);
        strptime(rows[i].change, "%F %T", &change);
        assert_int_equal(zone_next_change(zone, timegm(&after)), timegm(&change));
        assert_int_equal(zone_offset_s(zone, timegm(&change)), rows[i].offset);
        zone_destroy(&zone);
    }
    /* a last change that is far away leaves nothing to the rule */
    put_file(&file,
             &(struct sample){.times = 1, .moments = {INT64_MAX}, .offset = 60, .footer = RULE});
    write_zone(database, file.data, file.size);
    zone_of_rule = opened("Test/Zone");
    assert_int_equal(zone_offset_s(zone_of_rule, 1800000000), 60);
    zone_destroy(&zone_of_rule);
    /* summer time all the year: it ends when it begins */
    put_file(&file, &(struct sample){.footer = "\nXXX3EDT4,0/0,J365/23\n"});
    write_zone(database, file.data, file.size);
    zone_of_rule = opened("Test/Zone");
    assert_int_equal(zone_offset_s(zone_of_rule, 1800000000), -14400);
    assert_int_equal(zone_next_change(zone_of_rule, 0), INT64_MAX);
    zone_destroy(&zone_of_rule);
    buf_release(&file);
}

/* Goal: a file that was replaced is seen, and read anew, while the old zone is still held; so is
 * one that is gone. Method: another file in its place. */
static void replaced(void **state)
{
    const struct database *database = *state;
    struct buf file = {0};
    struct zone *old, *new;
    char path[64];

    put_file(&file, &(struct sample){.offset = 3600, .footer = "\nAAA-1\n"});
    write_zone(database, file.data, file.size);
    old = opened("Test/Zone");
    assert_false(zone_is_stale(old));
    put_file(&file, &(struct sample){.offset = 7200, .footer = "\nAAA-2\n"});
    write_zone(database, file.data, file.size);
    assert_true(zone_is_stale(old));
    new = opened("Test/Zone");
    assert_false(zone_is_stale(new));
    assert_int_equal(zone_offset_s(old, 0), 3600);
    assert_int_equal(zone_offset_s(new, 0), 7200);
    snprintf(path, sizeof path, "%s/Test/Zone", database->path);
    unlink(path);
    assert_true(zone_is_stale(new));
    zone_destroy(&old);
    zone_destroy(&new);
    buf_release(&file);
}

/* Goal: a host without a database says so, and knows UTC.
 * Method: a folder with nothing in it, and none at all; a zone that is a folder. */
static void no_database(void **state)
{
    const struct database *database = *state;
    struct zone *utc;
    char wanted[256];

    for (u32 i = 0; i < 2; i++) {
        setenv("TZDIR", i ? "/nonexistent" : database->path, 1);
        snprintf(wanted, sizeof wanted,
                 "'Europe/Berlin' cannot be looked up: there is no zone database in %s; install "
                 "tzdata, or write UTC",
                 getenv("TZDIR"));
        refused("Europe/Berlin", wanted);
        utc = opened("UTC");
        assert_false(zone_is_stale(utc));
        zone_destroy(&utc);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(broken, database_make, database_remove),
        cmocka_unit_test_setup_teardown(rules, database_make, database_remove),
        cmocka_unit_test_setup_teardown(replaced, database_make, database_remove),
        cmocka_unit_test_setup_teardown(no_database, database_make, database_remove),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
