/* truth_fixture.h: a database of its own per test, jobs in it, and planners' truth threads that are
 * asked one thing at a time. For tests of the truth; failures are failures of the test. */
#ifndef SYNCLINE_TESTS_TRUTH_FIXTURE_H
#define SYNCLINE_TESTS_TRUTH_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/names.h"
#include "harness/services.h"
#include "io/postgres.h"
#include "planner/truth.h"
#include "wire/message.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct world {
    char *url;
    struct postgres *sql;
};

struct planner_end {
    struct truth *truth;
    struct queue *answers;
};

static inline int world_setup(void **state)
{
    struct world *world = memory_or_die(sizeof *world);
    struct err err;

    world->url = postgres_service_database(true);
    assert_int_equal(postgres_connect(world->url, "test", &world->sql, &err), 0);
    *state = world;
    return 0;
}

static inline int world_teardown(void **state)
{
    struct world *world = *state;

    postgres_destroy(&world->sql);
    free(world->url);
    free(world);
    return 0;
}

static inline void world_reconnect(struct world *world)
{
    struct err err;

    postgres_destroy(&world->sql);
    assert_int_equal(postgres_connect(world->url, "test", &world->sql, &err), 0);
}

/* Runs SQL; the first column of the first row as text, free() it; NULL without rows. */
static inline char *sql(struct world *world, const char *format, ...)
{
    char statement[4096], *text = NULL;
    PGresult *result;
    va_list arguments;
    struct err err;

    va_start(arguments, format);
    vsnprintf(statement, sizeof statement, format, arguments);
    va_end(arguments);
    if (postgres_query(world->sql, statement, NULL, 0, &result, &err) < 0)
        fail_msg("%s: %s", statement, err.text);
    if (PQntuples(result) > 0 && PQnfields(result) > 0)
        text = text_copy(result_text(result, 0, 0));
    PQclear(result);
    return text;
}

#define run_sql(...) free(sql(__VA_ARGS__))

static inline s64 sql_number(struct world *world, const char *statement)
{
    char *text = sql(world, "%s", statement);
    s64 number = text ? strtoll(text, NULL, 10) : -1;

    free(text);
    return number;
}

static inline void assert_sql(struct world *world, const char *statement, const char *wanted)
{
    char *text = sql(world, "%s", statement);

    if (!text || strcmp(text, wanted) != 0)
        fail_msg("%s: \"%s\" where \"%s\" is wanted", statement, text ? text : "(no row)", wanted);
    free(text);
}

/* A synchronization `name` with assets of its own, and a queued job `<name>-1`; its id. */
static inline u64 add_job(struct world *world, const char *name)
{
    run_sql(world,
            "INSERT INTO asset (name, spec, address) VALUES ('%s-src', '{}', 'dir:/src/%s'),"
            " ('%s-dst', '{}', 'dir:/dst/%s')",
            name, name, name, name);
    run_sql(world,
            "INSERT INTO synchronization (name, kind, source, destination) SELECT '%s',"
            " 'Synchronization', s.id, d.id FROM asset s, asset d WHERE s.name = '%s-src'"
            " AND d.name = '%s-dst'",
            name, name, name);
    run_sql(world,
            "INSERT INTO job (name, synchronization, number, source_address,"
            " destination_address, destination_asset) SELECT '%s-1', id, 1, 'dir:/src/%s',"
            " 'dir:/dst/%s', destination FROM synchronization WHERE name = '%s'",
            name, name, name, name);
    return (u64)sql_number(world, "SELECT max(id) FROM job");
}

static inline struct planner_end planner_up(struct world *world, const char *name)
{
    struct planner_end planner = {.answers = queue_new()};

    planner.truth = truth_new(world->url, name, planner.answers);
    return planner;
}

static inline void planner_down(struct planner_end *planner)
{
    struct truth_request *left;

    truth_destroy(&planner->truth);
    while ((left = queue_take(planner->answers)) != NULL)
        truth_request_destroy(&left);
    queue_destroy(&planner->answers);
}

static inline struct truth_request *make_request(enum truth_kind kind, u64 job, u32 epoch)
{
    struct truth_request *request = memory_or_die(sizeof *request);

    request->kind = kind;
    request->job = job;
    request->epoch = epoch;
    return request;
}

/* The next answer of this kind, at most timeout_ms; others are dropped. NULL if none comes. */
static inline struct truth_request *wait_for(struct planner_end *planner, enum truth_kind kind,
                                             s64 timeout_ms)
{
    s64 deadline = clock_monotonic_ms() + timeout_ms;
    s64 left;

    while ((left = deadline - clock_monotonic_ms()) > 0) {
        struct truth_request *answer = queue_wait(planner->answers, left);

        if (answer && answer->kind == kind)
            return answer;
        truth_request_destroy(&answer);
    }
    return NULL;
}

static inline struct truth_request *ask(struct planner_end *planner, struct truth_request *request)
{
    enum truth_kind kind = request->kind;
    struct truth_request *answer;

    truth_post(planner->truth, &request);
    answer = wait_for(planner, kind, 30000);
    assert_non_null(answer);
    return answer;
}

/* Asks, requires a code, and drops the answer. */
static inline void ask_for(struct planner_end *planner, struct truth_request *request,
                           enum err_code wanted)
{
    struct truth_request *answer = ask(planner, request);

    if (answer->err.code != wanted)
        fail_msg("%s (%s) where %s is wanted", err_name(answer->err.code), answer->err.text,
                 err_name(wanted));
    truth_request_destroy(&answer);
}

static inline struct truth_request *claim_up_to(struct planner_end *planner, u32 limit)
{
    struct truth_request *request = make_request(TRUTH_CLAIM, 0, 0);

    request->limit = limit;
    request = ask(planner, request);
    assert_int_equal(request->err.code, ERR_Ok);
    return request;
}

/* Claims the one job that there is to claim and returns its epoch. */
static inline u32 claim_one(struct planner_end *planner, u64 job)
{
    struct truth_request *answer = claim_up_to(planner, 10);
    u32 epoch;

    assert_int_equal(answer->claim_count, 1);
    assert_int_equal(answer->claims[0].id, job);
    epoch = answer->claims[0].epoch;
    truth_request_destroy(&answer);
    return epoch;
}

static inline void set_place(struct buf *out, const char *path)
{
    buf_clear(out);
    buf_append(out, "fsid-001", 8);
    buf_append_text(out, path);
}

static inline struct truth_request *begin_request(u64 job, u32 epoch, const char *source,
                                                  const char *destination)
{
    struct truth_request *request = make_request(TRUTH_BEGIN, job, epoch);

    buf_append_text(&request->source_identity, "identity of ");
    buf_append_text(&request->source_identity, source);
    buf_append_text(&request->destination_identity, "identity of ");
    buf_append_text(&request->destination_identity, destination);
    set_place(&request->source_place, source);
    set_place(&request->destination_place, destination);
    return request;
}

/* A job that is claimed and runs; its epoch. */
static inline u32 begin_one(struct planner_end *planner, u64 job)
{
    u32 epoch = claim_one(planner, job);
    char source[32], destination[32];

    snprintf(source, sizeof source, "src/%llu", (unsigned long long)job);
    snprintf(destination, sizeof destination, "dst/%llu", (unsigned long long)job);
    ask_for(planner, begin_request(job, epoch, source, destination), ERR_Ok);
    return epoch;
}

/* ---- segments ---- */

static inline struct truth_request *segment_request(u64 job, u32 epoch, u32 shard, u32 segment)
{
    struct truth_request *request = make_request(TRUTH_SEGMENT, job, epoch);

    request->shard = shard;
    request->segment = segment;
    request->hash = HASH_XXH3_128;
    request->rows = memory_or_die(sizeof *request->rows);
    request->row_count = 1;
    frame_begin(&(struct frame_writer){0}, &request->rows[0]);
    return request;
}

/* Adds a row; the frame's count is kept right. */
static inline void add_row(struct truth_request *request, enum operation operation,
                           enum outcome outcome, u32 index, const char *format, ...)
{
    struct buf *frame = &request->rows[0];
    struct frame_writer writer = {.out = frame};
    char path[256];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(path, sizeof path, format, arguments);
    va_end(arguments);
    for (int i = 1; i <= 4; i++)
        writer.count = writer.count << 8 | frame->data[i];
    frame_add_row(
        &writer,
        &(struct rec_row){.index = index,
                          .path = bytes_text(path),
                          .kind = operation == OPERATION_directory ? KIND_directory : KIND_file,
                          .operation = operation,
                          .outcome = outcome,
                          .size = 10,
                          .mtime_ns = 1234567890123456789,
                          .digest = bytes_of("0123456789abcdef", 16),
                          .inode = 1000 + index,
                          .code = outcome == OUTCOME_failed ? ERR_AccessDenied : 0,
                          .message = bytes_text(outcome == OUTCOME_failed ? "may not" : "")});
    frame_end(&writer);
}

static inline void add_files(struct truth_request *request, u32 from, u32 to)
{
    for (u32 i = from; i < to; i++)
        add_row(request, OPERATION_put, OUTCOME_moved, i, "dir/file-%u", i);
}

/* The asset that a job writes to. */
static inline u64 asset_of(struct world *world, u64 job)
{
    char statement[128];

    snprintf(statement, sizeof statement, "SELECT destination_asset FROM job WHERE id = %llu",
             (unsigned long long)job);
    return (u64)sql_number(world, statement);
}

/* All counters that are not zero, "found=3 moved=3". */
static inline void assert_counters(const struct counters *counters, const char *wanted)
{
    struct buf text = {0};

    for (u32 i = 0; i < COUNTER_COUNT; i++)
        if (counters->value[i] != 0)
            buf_printf(&text, "%s%s=%lld", text.size ? " " : "", counter_name(i),
                       (long long)counters->value[i]);
    if (strcmp(buf_text(&text), wanted) != 0)
        fail_msg("counters are \"%s\" where \"%s\" is wanted", buf_text(&text), wanted);
    buf_release(&text);
}

/* Asks, requires success and these counters of the job. */
static inline void ask_counters(struct planner_end *planner, struct truth_request *request,
                                const char *wanted)
{
    struct truth_request *answer = ask(planner, request);

    if (answer->err.code != ERR_Ok)
        fail_msg("%s: %s", err_name(answer->err.code), answer->err.text);
    assert_counters(&answer->counters, wanted);
    truth_request_destroy(&answer);
}

/* ---- a job that runs ---- */

struct running {
    struct world *world;
    struct planner_end planner;
    u64 job, asset;
    u32 epoch;
};

static inline struct running start_job(void **state)
{
    struct running running = {.world = *state};

    running.job = add_job(running.world, "p");
    running.asset = asset_of(running.world, running.job);
    running.planner = planner_up(running.world, "one");
    running.epoch = begin_one(&running.planner, running.job);
    return running;
}

static inline struct truth_request *segment_of(const struct running *running, u32 shard,
                                               u32 segment)
{
    struct truth_request *request = segment_request(running->job, running->epoch, shard, segment);

    request->asset = running->asset;
    return request;
}

/* ---- what is left to the close ---- */

/* A name; the frame's count is kept right. there: inode at the destination, 0 = none. */
static inline void add_name(struct truth_request *request, const struct rec_name *name,
                            const char *path)
{
    struct frame_writer writer = {0};
    struct rec_name named = *name;
    struct buf *frame;

    if (!request->names) {
        request->names = memory_or_die(sizeof *request->names);
        request->name_count = 1;
        frame_begin(&writer, &request->names[0]);
        writer.count = 0;
    }
    frame = &request->names[0];
    writer = (struct frame_writer){.out = frame};
    for (int i = 1; i <= 4; i++)
        writer.count = writer.count << 8 | frame->data[i];
    named.path = bytes_text(path);
    if (!named.kind)
        named.kind = KIND_file;
    frame_add_name(&writer, &named);
    frame_end(&writer);
}

/* A name of source object `inode`, of 10 bytes. */
static inline void add_link(struct truth_request *request, u64 inode, u64 there, u32 there_links,
                            bool differs, const char *path)
{
    add_name(request,
             &(struct rec_name){.operation = OPERATION_link,
                                .flags = differs ? NAME_DIFFERS : 0,
                                .size = 10,
                                .device = 1,
                                .inode = inode,
                                .there_inode = there,
                                .there_links = there_links},
             path);
}

static inline void add_removal(struct truth_request *request, u32 kind, const char *path)
{
    add_name(request,
             &(struct rec_name){.operation = OPERATION_remove,
                                .kind = kind,
                                .size = 10,
                                .there_inode = 77,
                                .there_links = 1,
                                .there_ctime_ns = 5},
             path);
}

static inline struct truth_request *resolve_request(const struct running *running)
{
    struct truth_request *request = make_request(TRUTH_RESOLVE, running->job, running->epoch);

    request->asset = running->asset;
    request->delete_max = UINT64_MAX;
    request->delete_percent = UINT32_MAX;
    request->delete_enabled = true;
    return request;
}

/* Asks for RESOLVE; the feeds as "leaders:1 links:2", with "held" in front if it is. */
static inline void resolve_to(struct running *running, struct truth_request *request,
                              const char *wanted)
{
    struct truth_request *answer = ask(&running->planner, request);
    struct buf text = {0};

    if (answer->err.code != ERR_Ok)
        fail_msg("%s: %s", err_name(answer->err.code), answer->err.text);
    buf_append_text(&text, answer->held ? "held" : "");
    for (u32 i = 0; i < answer->shard_count; i++)
        buf_printf(&text, "%s%s:%u", text.size ? " " : "", feed_name(answer->shards[i].feed),
                   answer->shards[i].number);
    if (strcmp(buf_text(&text), wanted) != 0)
        fail_msg("feeds are \"%s\" where \"%s\" is wanted", buf_text(&text), wanted);
    buf_release(&text);
    truth_request_destroy(&answer);
}

static inline struct truth_request *feed_request(const struct running *running, enum feed feed,
                                                 u32 limit)
{
    struct truth_request *request = make_request(TRUTH_FEED, running->job, running->epoch);

    request->asset = running->asset;
    request->feed = feed;
    request->limit = limit;
    return request;
}

/* The items of an answer, a line each: "put a/b 4", with flags if any, and "-> target" of links;
 * batches are separated by "--". */
static inline void print_feed(const struct truth_request *answer, struct buf *out)
{
    for (u32 i = 0; i < answer->batch_count; i++) {
        const struct truth_batch *from = &answer->batches[i];
        struct frame_reader dirs, items;
        struct bytes paths[1024];
        struct rec_item item;
        struct rec_dir dir;
        struct err err;
        u32 count = 0, seen = 0;

        buf_append_text(out, i ? "--\n" : "");
        assert_int_equal(frame_open(&dirs, buf_bytes(&from->dirs), &err), 0);
        while (frame_next_dir(&dirs, &dir, &err) > 0)
            paths[count++] = dir.path;
        assert_int_equal(frame_open(&items, buf_bytes(&from->items), &err), 0);
        while (frame_next_item(&items, &item, &err) > 0) {
            struct buf path = {0};

            assert_true(item.dir < count);
            path_join(&path, paths[item.dir], item.name);
            buf_printf(out, "%s %s", operation_name(item.operation), buf_text(&path));
            if (item.inode)
                buf_printf(out, " i%llu", (unsigned long long)item.inode);
            if (item.flags)
                buf_printf(out, " f%u", item.flags);
            if (item.target.size)
                buf_printf(out, " -> %.*s i%llu", (int)item.target.size, item.target.data,
                           (unsigned long long)item.target_inode);
            buf_append_text(out, "\n");
            buf_release(&path);
            seen++;
        }
        assert_int_equal(seen, from->count);
    }
}

/* One page from the beginning. */
static inline void assert_feed(struct running *running, enum feed feed, u32 limit,
                               const char *wanted)
{
    struct truth_request *answer = ask(&running->planner, feed_request(running, feed, limit));
    struct buf text = {0};

    if (answer->err.code != ERR_Ok)
        fail_msg("%s: %s", err_name(answer->err.code), answer->err.text);
    print_feed(answer, &text);
    if (strcmp(buf_text(&text), wanted) != 0)
        fail_msg("fed is\n%swhere\n%sis wanted", buf_text(&text), wanted);
    buf_release(&text);
    truth_request_destroy(&answer);
}

/* The root shard is scanned: `request` is its last segment, of `scanned` entries. */
static inline void scan_ends(struct truth_request *request, u64 scanned, u64 present)
{
    request->shard_done = true;
    request->counters.value[COUNTER_scanned] = (s64)scanned;
    request->present = present;
}

static inline int services_up(void **state)
{
    (void)state;
    log_setup("test", LOG_ERROR, false);
    postgres_service_start();
    return 0;
}

#define WORLD_TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

#endif
