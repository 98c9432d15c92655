/* view.c: what Redis shows, and that it is written anew whatever happens to it. Against a real
 * Redis and a real Postgres; the key layout is read as an operator's tools read it. */
#include "truth_fixture.h"

#include "io/redis.h"
#include "planner/view.h"
#include "schema/keys.h"

struct scene {
    struct world *world;
    struct redis *redis;
    struct view *view;
};

static int scene_setup(void **state)
{
    struct scene *scene = memory_or_die(sizeof *scene);
    struct err err;

    world_setup((void **)&scene->world);
    redis_service_start(NULL);
    assert_int_equal(redis_connect(redis_service_url(), &scene->redis, &err), 0);
    redis_add(scene->redis, "FLUSHALL", NULL);
    assert_int_equal(redis_flush(scene->redis, &err), 0);
    scene->view = view_new(redis_service_url(), scene->world->url, "one");
    *state = scene;
    return 0;
}

static int scene_teardown(void **state)
{
    struct scene *scene = *state;

    view_destroy(&scene->view);
    redis_destroy(&scene->redis);
    redis_service_end(SERVICE_IMMEDIATE);
    world_teardown((void **)&scene->world);
    free(scene);
    return 0;
}

/* The answer to one command (words separated by single spaces) as text; free() it. */
static char *answer_of(struct scene *scene, const char *command)
{
    char *words = text_copy(command), *save = NULL, number[24];
    redisReply *reply;
    struct err err;
    char *text;

    for (char *word = strtok_r(words, " ", &save); word; word = strtok_r(NULL, " ", &save))
        word == words ? redis_begin(scene->redis, word) : redis_word(scene->redis, word);
    redis_end(scene->redis);
    free(words);
    if (redis_ask(scene->redis, &reply, &err) < 0)
        return text_copy(err.text);
    snprintf(number, sizeof number, "%lld", reply->integer);
    text = text_copy(reply->type == REDIS_REPLY_INTEGER ? number
                     : reply->type == REDIS_REPLY_ARRAY && reply->elements > 0
                         ? reply->element[reply->elements - 1]->str
                     : reply->str ? reply->str
                                  : "");
    freeReplyObject(reply);
    return text;
}

struct wanted_answer {
    struct scene *scene;
    const char *command, *answer;
};

static bool is_so(void *context)
{
    struct wanted_answer *wanted = context;
    char *text = answer_of(wanted->scene, wanted->command);
    bool so = strcmp(text, wanted->answer) == 0;

    free(text);
    return so;
}

/* Waits, for a moment, until the command answers so. */
static void shows(struct scene *scene, const char *command, const char *answer)
{
    struct wanted_answer wanted = {scene, command, answer};
    char *text;

    if (service_wait(is_so, &wanted, 6000))
        return;
    text = answer_of(scene, command);
    fail_msg("%s: \"%s\" where \"%s\" is wanted", command, text, answer);
}

static void post(struct scene *scene, const char *job, enum phase phase, s64 moved, u32 batches)
{
    struct view_snapshot *snapshot = memory_or_die(sizeof *snapshot);

    snapshot->jobs = memory_or_die(sizeof *snapshot->jobs);
    snapshot->job_count = 1;
    snprintf(snapshot->jobs->name, sizeof snapshot->jobs->name, "%s", job);
    snapshot->jobs->phase = phase;
    snapshot->jobs->counters.value[COUNTER_moved] = moved;
    snapshot->jobs->eta_seconds = -1;
    snapshot->workers = memory_or_die(sizeof *snapshot->workers);
    snapshot->worker_count = 1;
    *snapshot->workers = (struct view_worker){.id = "mover-1-ab",
                                              .state = "draining",
                                              .name = "mover-1",
                                              .lanes = 4,
                                              .role = ROLE_mover,
                                              .host = "here",
                                              .pid = 12};
    snapshot->batches = memory_or_die((batches + 1) * sizeof *snapshot->batches);
    snapshot->batch_count = batches;
    for (u32 i = 0; i < batches; i++) {
        struct view_batch *batch = &snapshot->batches[i];

        *batch = (struct view_batch){.number = batches - i,
                                     .step = "stage",
                                     .worker = "mover-1",
                                     .lease_until_ms = clock_wall_ns() / NS_PER_MS + 2000};
        snprintf(batch->job, sizeof batch->job, "%s", job);
    }
    view_post(scene->view, &snapshot);
    assert_null(snapshot);
}

/* Goal: the keys hold what redis.md says. Method: a snapshot, then one in which a batch has ended.
 */
static void keys(void **state)
{
    struct scene *scene = *state;

    post(scene, "p-1", PHASE_Running, 42, 3);
    shows(scene, "HGET syncline:job:p-1 moved", "42");
    shows(scene, "HGET syncline:job:p-1 phase", "Running");
    shows(scene, "HGET syncline:job:p-1 eta", "-1");
    shows(scene, "ZRANGE syncline:jobs:Running 0 -1", "p-1");
    shows(scene, "SMEMBERS syncline:workers", "mover-1-ab");
    shows(scene, "HGET syncline:worker:mover-1-ab role", "mover");
    shows(scene, "HGET syncline:worker:mover-1-ab state", "draining");
    shows(scene, "HGET syncline:batch:p-1:3 step", "stage");
    shows(scene, "ZCARD syncline:leases", "3");
    shows(scene, "TTL syncline:worker:mover-1-ab", "10");
    post(scene, "p-1", PHASE_Closing, 43, 1);
    shows(scene, "ZRANGE syncline:leases 0 -1", "p-1:1");
    shows(scene, "ZRANGE syncline:jobs:Closing 0 -1", "p-1");
    shows(scene, "ZCARD syncline:jobs:Running", "0");
    assert_true(view_is_up(scene->view));
}

/* Goal: the end of a job is shown with its last counters. Method: an event; the row is in Postgres.
 */
static void ends(void **state)
{
    struct scene *scene = *state;

    add_job(scene->world, "p");
    post(scene, "p-1", PHASE_Running, 1, 1);
    shows(scene, "HGET syncline:job:p-1 moved", "1");
    run_sql(scene->world, "UPDATE job SET phase = 'Succeeded', moved = 9, finished_at = now()");
    view_event(scene->view, "p-1", "Succeeded", "well done");
    shows(scene, "HGET syncline:job:p-1 moved", "9");
    shows(scene, "ZRANGE syncline:jobs:Succeeded 0 -1", "p-1");
    shows(scene, "ZCARD syncline:jobs:Running", "0");
    shows(scene, "XLEN syncline:events", "1");
}

/* Goal: an asset that was probed is shown as its row is, and comes back with the rest of the view;
 * one that nobody has probed yet, or that `sync` made, is not. Method: rows, then FLUSHALL. */
static void assets(void **state)
{
    struct scene *scene = *state;

    shows(scene, "HEXISTS syncline:view built_at", "1");
    add_job(scene->world, "p");
    run_sql(scene->world, "UPDATE asset SET state = 'Failed', reason = 'SourceMissing', message ="
                          " 'gone', since = '2026-01-02 03:04:05.678+00', probed_at = now(),"
                          " bytes_free = 7 WHERE name = 'p-src'");
    view_asset(scene->view, "p-dst");
    view_asset(scene->view, "p-src");
    shows(scene, "HGET syncline:asset:p-src state", "Failed");
    shows(scene, "HGET syncline:asset:p-src reason", "SourceMissing");
    shows(scene, "HGET syncline:asset:p-src message", "gone");
    shows(scene, "HGET syncline:asset:p-src since", "2026-01-02T03:04:05.678Z");
    shows(scene, "HGET syncline:asset:p-src bytes_free", "7");
    shows(scene, "TTL syncline:asset:p-src", "600");
    shows(scene, "EXISTS syncline:asset:p-dst", "0");
    free(answer_of(scene, "FLUSHALL"));
    shows(scene, "HGET syncline:asset:p-src reason", "SourceMissing");
    shows(scene, "HEXISTS syncline:view built_at", "1");
    run_sql(scene->world, "UPDATE asset SET labels = '{\"syncline.adhoc\": \"true\"}'");
    free(answer_of(scene, "FLUSHALL"));
    shows(scene, "HEXISTS syncline:view built_at", "1");
    shows(scene, "EXISTS syncline:asset:p-src", "0");
}

/* Goal: times of a plan are shown as they are, those that wait and were skipped too, and come back
 * with the rest of the view; one that somebody has claimed by then is not shown as queued.
 * Method: rows, events as the scheduler's are told, then FLUSHALL. */
static void times_of_plans(void **state)
{
    struct scene *scene = *state;

    shows(scene, "HEXISTS syncline:view built_at", "1");
    add_job(scene->world, "claimed");
    add_job(scene->world, "skipped");
    add_job(scene->world, "waits");
    run_sql(scene->world, "UPDATE job SET phase = 'Skipped', reason = 'Missed', message = 'late',"
                          " finished_at = now() WHERE name = 'skipped-1'");
    run_sql(scene->world, "UPDATE job SET waits = true, waiting_for = 'job waits-0'"
                          " WHERE name = 'waits-1'");
    run_sql(scene->world, "UPDATE job SET phase = 'Running' WHERE name = 'claimed-1'");
    view_event(scene->view, "claimed-1", "Queued", "its time has come");
    view_event(scene->view, "skipped-1", "Skipped", "Missed: late");
    view_event(scene->view, "waits-1", "Queued", "waits for job waits-0");
    run_sql(scene->world, "INSERT INTO event (job, kind, message) SELECT id, phase, '' FROM job");
    for (int i = 0; i < 2; i++) {
        shows(scene, "HGET syncline:job:waits-1 waiting_for", "job waits-0");
        shows(scene, "HGET syncline:job:skipped-1 reason", "Missed");
        shows(scene, "HGET syncline:job:skipped-1 message", "late");
        shows(scene, "ZRANGE syncline:jobs:Queued 0 -1", "waits-1");
        shows(scene, "ZRANGE syncline:jobs:Skipped 0 -1", "skipped-1");
        shows(scene, "ZRANGE syncline:jobs:Running 0 -1", "claimed-1");
        shows(scene, "XLEN syncline:events", "3");
        free(answer_of(scene, "FLUSHALL"));
    }
}

/* Goal: more events than are kept for Redis lose nothing that the view shows.
 * Method: twice as many jobs as that, told at once. */
static void more_than_is_kept(void **state)
{
    struct scene *scene = *state;
    char name[32];

    shows(scene, "HEXISTS syncline:view built_at", "1");
    add_job(scene->world, "p");
    run_sql(scene->world,
            "INSERT INTO job (name, synchronization, number, source_address, destination_address,"
            " destination_asset, phase, finished_at) SELECT 'p-' || n, s.id, n, 'a', 'b',"
            " s.destination, 'Skipped', now() FROM synchronization s, generate_series(2, 2500) n");
    run_sql(scene->world, "UPDATE job SET phase = 'Failed', finished_at = now() WHERE number = 1");
    run_sql(scene->world, "UPDATE job SET phase = 'Running' WHERE number = 1500");
    for (u32 i = 2; i <= 2500; i++) {
        snprintf(name, sizeof name, "p-%u", i);
        view_event(scene->view, name, i == 1500 ? "Running" : "Skipped", "");
    }
    shows(scene, "ZRANGE syncline:jobs:Running 0 -1", "p-1500");
    shows(scene, "ZRANGE syncline:jobs:Skipped 0 -1", "p-2500");
}

/* Twelve ended jobs and one that runs, each with an event. */
static void fill_postgres(struct scene *scene)
{
    char name[16];

    for (int i = 0; i < 13; i++) {
        snprintf(name, sizeof name, "j%02d", i);
        add_job(scene->world, name);
    }
    run_sql(scene->world,
            "UPDATE job SET phase = CASE WHEN id = 13 THEN 'Running' ELSE 'Succeeded' END"
            "::job_phase, finished_at = CASE WHEN id < 13 THEN now() END, moved = id");
    run_sql(scene->world, "INSERT INTO event (job, kind, message) SELECT id, phase, '' FROM job");
}

static void assert_rebuilt(struct scene *scene)
{
    shows(scene, "ZCARD syncline:jobs:Succeeded", "12");
    shows(scene, "ZRANGE syncline:jobs:Running 0 -1", "j12-1");
    shows(scene, "HGET syncline:job:j03-1 moved", "4");
    shows(scene, "XLEN syncline:events", "13");
    shows(scene, "HGET syncline:view planner", "one");
}

/* Goal: a wiped view is written anew from Postgres. Method: FLUSHALL, twice, with nothing posted.
 */
static void wiped(void **state)
{
    struct scene *scene = *state;

    shows(scene, "HGET syncline:view planner", "one");
    fill_postgres(scene);
    for (int i = 0; i < 2; i++) {
        free(answer_of(scene, "FLUSHALL"));
        assert_rebuilt(scene);
    }
}

static bool view_down(void *context)
{
    return !view_is_up(((struct scene *)context)->view);
}

static void redis_again(struct scene *scene, const char *options)
{
    struct err err;

    redis_service_start(options);
    redis_destroy(&scene->redis);
    assert_int_equal(redis_connect(redis_service_url(), &scene->redis, &err), 0);
}

/* Goal: another run of Redis gets the view anew, though its file kept the old one; what happened in
 * between is there. Method: Redis is killed; a job ends meanwhile. */
static void restarted(void **state)
{
    struct scene *scene = *state;

    fill_postgres(scene);
    free(answer_of(scene, "FLUSHALL"));
    assert_rebuilt(scene);
    redis_service_end(SERVICE_IMMEDIATE);
    assert_true(service_wait(view_down, scene, 5000));
    run_sql(scene->world, "UPDATE job SET phase = 'Failed' WHERE id = 13");
    view_event(scene->view, "j12-1", "Failed", "");
    redis_again(scene, NULL);
    shows(scene, "ZRANGE syncline:jobs:Failed 0 -1", "j12-1");
    shows(scene, "ZCARD syncline:jobs:Running", "0");
    shows(scene, "XLEN syncline:events", "14");
}

/* Goal: a full Redis is said once, costs nothing, and is filled when there is room.
 * Method: maxmemory below what it uses, noeviction; snapshots go on; then the limit is raised. */
static void full(void **state)
{
    struct scene *scene = *state;
    s64 start;

    shows(scene, "HGET syncline:view planner", "one");
    free(answer_of(scene, "CONFIG SET maxmemory 1"));
    post(scene, "p-1", PHASE_Running, 1, 5);
    assert_true(service_wait(view_down, scene, 5000));
    start = clock_monotonic_ms();
    for (int i = 0; i < 1000; i++)
        post(scene, "p-1", PHASE_Running, i, 5);
    assert_true(clock_monotonic_ms() - start < 1000); /* posting never waits */
    free(answer_of(scene, "CONFIG SET maxmemory 0"));
    post(scene, "p-1", PHASE_Running, 77, 5);
    for (int i = 0; i < 40 && view_down(scene); i++) {
        usleep(100000);
        post(scene, "p-1", PHASE_Running, 77, 5);
    }
    shows(scene, "HGET syncline:job:p-1 moved", "77");
}

/* Goal: without Postgres what goes on is still shown. Method: Postgres is stopped, Redis is wiped.
 */
static void without_postgres(void **state)
{
    struct scene *scene = *state;

    shows(scene, "HGET syncline:view planner", "one");
    postgres_service_end(SERVICE_IMMEDIATE);
    free(answer_of(scene, "FLUSHALL"));
    usleep(1200000);
    post(scene, "p-1", PHASE_Running, 5, 1);
    shows(scene, "HGET syncline:job:p-1 moved", "5");
    postgres_service_start();
    world_reconnect(scene->world);
    fill_postgres(scene);
    free(answer_of(scene, "FLUSHALL"));
    assert_rebuilt(scene);
}

/* Goal: addresses are read as documented, and secrets are not repeated.
 * Method: good and bad URLs; a password that Redis asks for. */
static void addresses(void **state)
{
    static const char *const bad[] = {"",
                                      "http://x",
                                      "redis://:secret@h:99999",
                                      "redis://:secret@h:1/x",
                                      "unix://relative",
                                      "unix:///x?secret=1"};
    struct scene *scene = *state;
    struct redis *redis;
    char url[256];
    struct err err;

    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_int_equal(redis_connect(bad[i], &redis, &err), -1);
        assert_int_equal(err.code, ERR_Configuration);
        assert_null(strstr(err.text, "secret"));
    }
    assert_int_equal(redis_connect("redis://:secret@127.0.0.1:1/0", &redis, &err), -1);
    assert_int_equal(err.code, ERR_RedisUnavailable);
    free(answer_of(scene, "CONFIG SET requirepass s@c/ret"));
    assert_int_equal(redis_connect(redis_service_url(), &redis, &err), -1);
    snprintf(url, sizeof url, "unix://:s%%40c%%2fret@%s?db=3",
             redis_service_url() + strlen("unix://"));
    assert_int_equal(redis_connect(url, &redis, &err), 0);
    redis_destroy(&redis);
}

/* Goal: without a Redis nothing waits for it. Method: no URL; then one where nobody listens. */
static void no_redis(void **state)
{
    struct scene nobody = *(struct scene *)*state;
    s64 start = clock_monotonic_ms();

    for (int i = 0; i < 2; i++) {
        nobody.view = view_new(i ? "unix:///nowhere/redis.sock" : NULL, nobody.world->url, "two");
        post(&nobody, "p-1", PHASE_Running, 1, 1);
        for (int k = 0; k < 3000; k++)
            view_event(nobody.view, "p-1", "Running", "");
        assert_false(view_is_up(nobody.view));
        view_destroy(&nobody.view);
    }
    assert_true(clock_monotonic_ms() - start < 2000);
}

int main(void)
{
#define SCENE_TEST(name) cmocka_unit_test_setup_teardown(name, scene_setup, scene_teardown)
    const struct CMUnitTest tests[] = {
        SCENE_TEST(keys),
        SCENE_TEST(ends),
        SCENE_TEST(assets),
        SCENE_TEST(times_of_plans),
        SCENE_TEST(more_than_is_kept),
        SCENE_TEST(wiped),
        SCENE_TEST(restarted),
        SCENE_TEST(full),
        SCENE_TEST(without_postgres),
        SCENE_TEST(addresses),
        SCENE_TEST(no_redis),
    };

    return cmocka_run_group_tests(tests, services_up, NULL);
}
