/* Goal: `status -w` shows what matters most in any terminal from 40x10 on, and never draws beyond
 * it. Method: models drawn at sizes, compared with whole screens; sizes at random, measured. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "ctl/grid.h"
#include "ctl/screen.h"

#include <locale.h>

static const struct screen_job jobs[] = {
    {.name = "photos-12",
     .phase = PHASE_Running,
     .scan_complete = true,
     .counters.value = {[COUNTER_scanned] = 4000,
                        [COUNTER_unchanged] = 1000,
                        [COUNTER_moved] = 500,
                        [COUNTER_failed] = 2,
                        [COUNTER_bytes_found] = 200000000,
                        [COUNTER_bytes_moved] = 50000000},
     .waiting_for = "",
     .duration_ms = 65000,
     .rate = {.known = true, .bytes_per_s = 12300000}},
    {.name = "mail-3",
     .phase = PHASE_Probing,
     .waiting_for = "a mover\x1b[31m",
     .duration_ms = 2000,
     .rate = {.known = true}},
    {.name = "sync-ee415125-1",
     .phase = PHASE_CompletedWithErrors,
     .scan_complete = true,
     .counters.value = {[COUNTER_moved] = 12, [COUNTER_failed] = 1, [COUNTER_bytes_moved] = 999},
     .waiting_for = "",
     .duration_ms = 3600000},
};

static const struct screen_worker workers[] = {
    {"mover-1-474c99e4", "mover", "böse-host", "active", 4, 3, 1500, 50000000, 12300000},
    {"verifier-1-a86749cd", "verifier", "böse-host", "draining", 2, 0, 4, 1000, 0},
    {"watcher-1-d9588fd3", "watcher", "böse-host", "active", 2, 1, 4, 0, -1},
};

static struct screen full(void)
{
    return (struct screen){.stack = "/var/lib/syncline",
                           .clock = "02:41:07",
                           .jobs = jobs,
                           .job_count = COUNT_OF(jobs),
                           .workers = workers,
                           .worker_count = COUNT_OF(workers)};
}

static void expect(const struct screen *screen, u32 columns, u32 rows, const char *text)
{
    struct buf out = {0};

    screen_draw(screen, columns, rows, false, &out);
    assert_string_equal(buf_text(&out), text);
    buf_release(&out);
}

static void test_usual(void **state)
{
    struct screen screen = full();

    (void)state;
    expect(&screen, 80, 24,
           "Syncline  /var/lib/syncline                                     02:41:07 q: quit\n"
           "Postgres up  Redis up  planner up\n"
           "busy lanes  watcher 1/2 mover 3/4 verifier 0/2  12.3 MB/s\n\n"
           "JOB              PHASE                DONE       RATE  FAILED  WAITS FOR\n"
           "photos-12        Running               25%  12.3 MB/s       2\n"
           "mail-3           Probing                        0 B/s          a mover\\x1b[31m\n"
           "sync-ee415125-1  CompletedWithErrors                        1\n\n"
           "WORKER               ROLE      STATE     HOST       BUSY   DONE       RATE\n"
           "mover-1-474c99e4     mover     active    böse-host   3/4  1,500  12.3 MB/s\n"
           "verifier-1-a86749cd  verifier  draining  böse-host   0/2      4      0 B/s\n"
           "watcher-1-d9588fd3   watcher   active    böse-host   1/2      4\n\n\n\n\n\n\n\n\n\n\n");
}

static void test_small(void **state)
{
    struct screen screen = full();

    (void)state;
    expect(&screen, 40, 10,
           "Syncline  /var/lib/syncline\n"
           "Postgres up  Redis up  planner up\n"
           "busy lanes  watcher 1/2 mover 3/4 verifi\n"
           "JOB              PHASE\n"
           "photos-12        Running\n"
           "mail-3           Probing\n"
           "sync-ee415125-1  CompletedWithErrors\n"
           "WORKER            ROLE   BUSY       RATE\n"
           "mover-1-474c99e4  mover   3/4  12.3 MB/s\n"
           "… 2 more workers");
    expect(&screen, 39, 3, "needs 40x10; q: quit\n\n");
}

static void test_away(void **state)
{
    struct screen screen = full();

    (void)state;
    screen.redis = SERVICE_AWAY;
    screen.worker_count = 0;
    screen.job_count = 1;
    expect(&screen, 60, 10,
           "Syncline  /var/lib/syncline                 02:41:07 q: quit\n"
           "Postgres up  Redis AWAY  planner up  (what Postgres knows)\n"
           "busy lanes not known  12.3 MB/s\n"
           "JOB        PHASE    DONE  ITEMS    BYTES       RATE  FAILED\n"
           "photos-12  Running   25%  1,502  50.0 MB  12.3 MB/s       2\n"
           "workers are seen in Redis only\n\n\n\n");
    screen.redis = SERVICE_UP;
    screen.postgres = SERVICE_AWAY;
    screen.planner = SERVICE_UNKNOWN;
    screen.job_count = 0;
    expect(&screen, 60, 10,
           "Syncline  /var/lib/syncline                 02:41:07 q: quit\n"
           "Postgres AWAY  Redis up  planner ?  (jobs as last seen)\n"
           "busy lanes not known  0 B/s\n"
           "no job yet\n"
           "no worker is there\n\n\n\n\n");
}

/* No line is wider than the screen, there are as many as it has, and what has no place is counted.
 */
static void test_any_size(void **state)
{
    struct screen_job many_jobs[60];
    struct screen_worker many_workers[40];
    struct screen screen = full();

    (void)state;
    for (u32 i = 0; i < COUNT_OF(many_jobs); i++)
        many_jobs[i] = jobs[i % COUNT_OF(jobs)];
    for (u32 i = 0; i < COUNT_OF(many_workers); i++)
        many_workers[i] = workers[i % COUNT_OF(workers)];
    screen.jobs = many_jobs;
    screen.workers = many_workers;
    for (u32 round = 0; round < 4000; round++) {
        u32 columns = 20 + round % 113, rows = 5 + round % 47, lines = 1;
        struct buf out = {0};
        char *line;

        screen.job_count = round % (COUNT_OF(many_jobs) + 1);
        screen.worker_count = (round / 7) % (COUNT_OF(many_workers) + 1);
        screen_draw(&screen, columns, rows, false, &out);
        for (line = (char *)buf_text(&out); strchr(line, '\n'); lines++) {
            char *end = strchr(line, '\n');

            *end = '\0';
            assert_in_range(grid_width(line), 0, columns);
            line = end + 1;
        }
        assert_in_range(grid_width(line), 0, columns);
        assert_int_equal(lines, rows);
        buf_release(&out);
    }
}

static void test_color(void **state)
{
    struct screen screen = full();
    struct buf plain = {0}, colored = {0};

    (void)state;
    screen_draw(&screen, 80, 24, false, &plain);
    screen_draw(&screen, 80, 24, true, &colored);
    assert_null(strchr(buf_text(&plain), '\x1b'));
    assert_non_null(strstr(buf_text(&colored), "\x1b[7mJOB"));
    buf_release(&plain);
    buf_release(&colored);
}

/* Characters are not cut in two; bytes that are none stand as one. */
static void test_cut(void **state)
{
    struct buf out = {0};

    (void)state;
    grid_cut("aöü漢字", 4, &out);
    assert_string_equal(buf_text(&out), "aöü");
    buf_clear(&out);
    grid_cut("a\xff\xc3", 3, &out);
    assert_string_equal(buf_text(&out), "a??");
    buf_clear(&out);
    grid_cut("", 3, &out);
    assert_int_equal(out.size, 0);
    assert_int_equal(grid_width("漢字x"), 5);
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_usual),    cmocka_unit_test(test_small), cmocka_unit_test(test_away),
        cmocka_unit_test(test_any_size), cmocka_unit_test(test_color), cmocka_unit_test(test_cut),
    };

    setlocale(LC_CTYPE, "C.UTF-8");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
