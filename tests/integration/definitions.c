/* definitions.c: definitions in the truth: all or nothing, what is refused and why, what a change
 * makes void, what may be deleted. Against a real Postgres. */
#include "definitions_fixture.h"

#include <pthread.h>

/* Goal: what is defined is what was written, and is left alone when it is the same. Method: apply,
 * again, with one field more, without it. */
static void written_as_given(void **state)
{
    struct world *world = *state;

    apply(world, PAIR, "created created created");
    assert_sql(world, "SELECT string_agg(name || ' ' || address, ' ' ORDER BY name) FROM asset",
               "one dir:/src two dir:/dst");
    assert_sql(world, "SELECT spec FROM synchronization", "{}");
    apply(world, PAIR, "unchanged unchanged unchanged");
    apply(world, SYNC("copy", "one", "two", ", limits: {lanes: 3}"), "configured");
    assert_sql(world, "SELECT spec->'limits'->>'lanes' FROM synchronization", "3");
    apply(world, SYNC("copy", "one", "two", ", limits: {lanes: 3}"), "unchanged");
    apply(world, SYNC("copy", "one", "two", ""), "configured");
    assert_sql(world, "SELECT spec FROM synchronization", "{}");
    /* told, in the order of what happened, and planners were woken */
    assert_sql(world, "SELECT string_agg(kind || ' ' || message, ', ' ORDER BY id) FROM v_events",
               "Applied asset/one created, Applied asset/two created, Applied sync/copy created, "
               "Applied sync/copy configured, Applied sync/copy configured");
}

/* Goal: who looks changes nothing. Method: the same with `look`, and what is there. */
static void looking_changes_nothing(void **state)
{
    struct world *world = *state;
    struct applied applied = apply_on(world->sql, PAIR, true);

    assert_int_equal(applied.rc, 0);
    assert_int_equal(applied.outcomes[2].change, DEFINITION_CREATED);
    assert_null(applied.outcomes[2].spec);
    applied_release(&applied);
    assert_int_equal(sql_number(world, "SELECT count(*) FROM asset"), 0);
    apply(world, PAIR, "created created created");
    applied = apply_on(world->sql, SYNC("copy", "one", "two", ", compare: checksum"), true);
    assert_int_equal(applied.outcomes[0].change, DEFINITION_CONFIGURED);
    /* as it was, with the names of its assets */
    assert_string_equal(json_string_value(json_object_get(applied.outcomes[0].spec, "source")),
                        "one");
    assert_null(json_object_get(applied.outcomes[0].spec, "compare"));
    applied_release(&applied);
    assert_int_equal(sql_number(world, "SELECT count(*) FROM event"), 3);
}

/* Goal: what is wrong is refused with its place, and nothing of it is written. Method: one fault of
 * each kind beside what is right. */
static void faults_are_named(void **state)
{
    struct world *world = *state;

    refuse(world, PAIR SYNC("other", "onw", "two", ""), ERR_Configuration,
           "f:18: sync/other: there is no asset onw for its source; did you mean one?");
    refuse(world, ASSET("sync-0123abcd", "/x"), ERR_Configuration, "given by `syncline sync`");
    refuse(world, ASSET("sync-0123abcd-src", "/x"), ERR_Configuration, "f:3: asset/sync-0123abcd-");
    refuse(world,
           "apiVersion: syncline/v1\nkind: Asset\nmetadata: {name: x, labels: {syncline.adhoc: "
           "'true'}}\nspec: {directory: {path: /x}}\n",
           ERR_Configuration, "label syncline.adhoc");
    refuse(world, PAIR ASSET("three", "/dst/in") SYNC("more", "one", "three", ""),
           ERR_Configuration,
           "f:23: synchronization more would write into /dst/in, and copy writes into /dst;");
    refuse(world, PAIR SYNC("back", "two", "one", ""), ERR_Configuration, "round in a circle");
    refuse(world, PAIR ASSET("in", "/src/in") SYNC("self", "one", "in", ""), ERR_Configuration,
           "of synchronization self are the same directory, or one is inside");
    assert_int_equal(sql_number(world, "SELECT count(*) FROM asset"), 0);
    assert_int_equal(sql_number(world, "SELECT count(*) FROM event"), 0);
    /* names that only begin alike, or are of other things, are free */
    apply(world, ASSET("sync-0123abcde", "/x") ASSET("copy", "/y"), "created created");
}

/* Goal: what is there counts as what is given. Method: overlaps and circles with what was applied
 * before, also when only an asset is given. */
static void with_what_is_there(void **state)
{
    struct world *world = *state;

    apply(world, PAIR ASSET("three", "/three"), "created created created created");
    apply(world, SYNC("onward", "two", "three", ""), "created"); /* a chain */
    refuse(world, SYNC("second", "one", "three", ""), ERR_Configuration,
           "second would write into /three, and onward writes into /three");
    refuse(world, ASSET("three", "/src/deep"), ERR_Configuration, "f:3: data would go round");
    refuse(world, ASSET("three", "/dst"), ERR_Configuration,
           "f:3: synchronization onward would write");
    run_sql(world, "UPDATE synchronization SET kind = 'SynchronizationPlan' WHERE name = 'onward'");
    refuse(world, SYNC("onward", "two", "three", ", compare: checksum"), ERR_Configuration,
           "sync/onward is a SynchronizationPlan, and kinds do not change");
}

/* Goal: what a job relies on does not change below it. Method: paths and ends while one is active;
 * everything else may change. */
static void not_below_a_job(void **state)
{
    struct world *world = *state;
    char *job;

    apply(world, PAIR ASSET("three", "/three"), "created created created created");
    job = start_one(world, "copy");
    refuse(world, ASSET("one", "/elsewhere"), ERR_ActiveJob, "while job copy-1 is active");
    refuse(world, SYNC("copy", "one", "three", ""), ERR_ActiveJob,
           "its destination cannot change while job copy-1 is active");
    refuse(world, SYNC("copy", "three", "two", ""), ERR_ActiveJob, "its source cannot change");
    apply(world, SYNC("copy", "one", "two", ", limits: {bandwidth: 1MiB/s}"), "configured");
    apply(world, ASSET("three", "/moved"), "configured!");
    delete_one(world, DEFINITION_SYNCHRONIZATION, "copy", ERR_ActiveJob,
               "its job copy-1 is active");
    end_all(world, "Succeeded");
    apply(world, SYNC("copy", "one", "three", ", limits: {bandwidth: 1MiB/s}"), "configured");
    free(job);
}

/* Goal: at another path nothing is taken for proven, and no identity is expected. Method: rows as
 * jobs leave them; another path; another destination. */
static void another_path_is_another_place(void **state)
{
    struct world *world = *state;

    apply(world, PAIR ASSET("three", "/three"), "created created created created");
    run_sql(world,
            "INSERT INTO object (asset, key, path, kind, size, mtime_ns, hash, checksum, job,"
            " shard) SELECT id, gen_random_uuid(), 'x', 'file', 1, 1, 'xxh3-128', 'x', 1, 0"
            " FROM asset");
    run_sql(world, "UPDATE asset SET identity = 'x', state = 'Ready', bytes_free = 5");
    run_sql(world, "UPDATE synchronization SET source_identity = 'x', destination_identity = 'y'");
    apply(world, ASSET("two", "/dst2"), "configured!");
    assert_sql(world,
               "SELECT string_agg(a.name, ' ' ORDER BY a.name) FROM object o JOIN asset a"
               " ON a.id = o.asset",
               "one three");
    assert_sql(world,
               "SELECT state || coalesce(identity::text, '-') || coalesce(bytes_free, 0)"
               " FROM asset WHERE name = 'two'",
               "Unknown-0");
    assert_sql(world,
               "SELECT source_identity::text || coalesce(destination_identity::text, '-')"
               " FROM synchronization",
               "\\x78-");
    apply(world, SYNC("copy", "three", "two", ""), "configured");
    assert_sql(world, "SELECT coalesce(source_identity::text, '-') FROM synchronization", "-");
    /* with a label more it is the same place */
    run_sql(world, "UPDATE synchronization SET source_identity = 'x', destination_identity = 'y'");
    apply(world,
          "apiVersion: syncline/v1\nkind: Asset\nmetadata: {name: two, labels: {a: b}}\n"
          "spec: {directory: {path: /dst2, create: true}}\n" SYNC("copy", "three", "two",
                                                                  ", compare: checksum"),
          "configured configured");
    assert_sql(world,
               "SELECT source_identity::text || destination_identity::text FROM"
               " synchronization",
               "\\x78\\x79");
}

/* Goal: a job that was held for another directory is not let loose. Method: one is Held, its
 * destination moves, it is approved. */
static void what_was_held_is_void(void **state)
{
    struct world *world = *state;
    struct err err;
    char *job;

    apply(world, PAIR, "created created created");
    job = start_one(world, "copy");
    end_all(world, "Held");
    apply(world, ASSET("two", "/dst2"), "configured!");
    assert_int_equal(jobs_approve(world->sql, job, &err), -1);
    assert_int_equal(err.code, ERR_Superseded);
    assert_non_null(strstr(err.text, "syncline run copy"));
    apply(world, ASSET("two", "/dst"), "configured!");
    assert_int_equal(jobs_approve(world->sql, job, &err), 0);
    free(job);
}

/* Goal: what is referred to stays, all else goes with what belongs to it. Method: in every order;
 * an asset that only past jobs wrote to. */
static void deleted_with_what_belongs(void **state)
{
    struct world *world = *state;

    apply(world, PAIR ASSET("three", "/three"), "created created created created");
    free(start_one(world, "copy"));
    end_all(world, "Succeeded");
    run_sql(world,
            "INSERT INTO object (asset, key, path, kind, size, mtime_ns, hash, checksum, job,"
            " shard) SELECT id, gen_random_uuid(), 'x', 'file', 1, 1, 'xxh3-128', 'x', 1, 0"
            " FROM asset");
    delete_one(world, DEFINITION_ASSET, "twp", ERR_NotFound,
               "no asset named twp; did you mean two?");
    delete_one(world, DEFINITION_SYNCHRONIZATION, "cpy", ERR_NotFound, "did you mean copy?");
    delete_one(world, DEFINITION_ASSET, "two", ERR_InUse,
               "asset/two is used by a synchronization: copy");
    apply(world, SYNC("copy", "one", "three", ""), "configured");
    delete_one(world, DEFINITION_ASSET, "two", ERR_Ok, "");
    assert_sql(world, "SELECT count(*) FROM object", "2");
    assert_sql(world, "SELECT phase FROM v_jobs WHERE name = 'copy-1'", "Succeeded");
    delete_one(world, DEFINITION_SYNCHRONIZATION, "copy", ERR_Ok, "");
    assert_sql(world, "SELECT count(*) FROM job", "0");
    delete_one(world, DEFINITION_ASSET, "one", ERR_Ok, "");
    delete_one(world, DEFINITION_ASSET, "three", ERR_Ok, "");
    assert_sql(world, "SELECT count(*) FROM asset", "0");
    assert_sql(world, "SELECT count(*) FROM object", "0");
    assert_sql(world, "SELECT message FROM v_events WHERE kind = 'Deleted' ORDER BY id LIMIT 1",
               "asset/two deleted");
}

/* Goal: what `sync` made takes options, and is not built on. Method: its definition, read back. */
static void of_sync(void **state)
{
    struct world *world = *state;
    char uid[UUID_SIZE], *job = NULL, name[ADHOC_NAME_SIZE];
    struct definitions loaded = {0};
    struct buf yaml = {0};
    struct err err;

    jobs_new_uid(uid);
    jobs_adhoc_name("/src", "/dst", name);
    assert_int_equal(jobs_start_adhoc(world->sql, "/src", "/dst", NULL, uid, &job, &err), 0);
    assert_int_equal(
        definitions_load(world->sql, DEFINITION_SYNCHRONIZATION, name, "x", &loaded, &err), 0);
    definition_print(loaded.items[0].kind, name, loaded.items[0].labels, loaded.items[0].spec,
                     &yaml);
    apply(world, buf_text(&yaml), "unchanged");
    assert_int_equal(
        definition_set(loaded.items[0].kind, loaded.items[0].spec, "limits.lanes", "2", &err), 0);
    buf_clear(&yaml);
    definition_print(loaded.items[0].kind, name, loaded.items[0].labels, loaded.items[0].spec,
                     &yaml);
    apply(world, buf_text(&yaml), "configured");
    buf_clear(&yaml);
    definition_print(loaded.items[0].kind, name, NULL, loaded.items[0].spec, &yaml);
    refuse(world, buf_text(&yaml), ERR_Configuration, "its paths and labels cannot change");
    buf_clear(&yaml);
    buf_printf(&yaml, ASSET("out", "/out") SYNC("mine", "%s-dst", "out", ""), name);
    refuse(world, buf_text(&yaml), ERR_Configuration, "there is no asset sync-");
    /* the probe says what is wrong with the paths of `sync`; here it is not asked */
    apply(world, ASSET("a", "/dst") ASSET("b", "/src") SYNC("back", "a", "b", ""),
          "created created created");
    buf_release(&yaml);
    definitions_release(&loaded);
    free(job);
}

struct other {
    const char *url;
    const char *yaml;
    enum err_code code;
};

static void *apply_beside(void *context)
{
    struct other *other = context;
    struct postgres *postgres;
    struct applied applied;
    struct err err;

    assert_int_equal(postgres_connect(other->url, "test", &postgres, &err), 0);
    applied = apply_on(postgres, other->yaml, false);
    other->code = applied.rc < 0 ? applied.err.code : ERR_Ok;
    applied_release(&applied);
    postgres_destroy(&postgres);
    return NULL;
}

/* Goal: two that each are right, and together are not, are never both applied. Method: both at
 * once, several times. */
static void one_at_a_time(void **state)
{
    struct world *world = *state;

    apply(world, ASSET("a", "/a") ASSET("b", "/b"), "created created");
    for (int round = 0; round < 10; round++) {
        struct other others[] = {{world->url, SYNC("there", "a", "b", ""), ERR_Ok},
                                 {world->url, SYNC("back", "b", "a", ""), ERR_Ok}};
        pthread_t threads[COUNT_OF(others)];

        for (size_t i = 0; i < COUNT_OF(others); i++)
            assert_int_equal(pthread_create(&threads[i], NULL, apply_beside, &others[i]), 0);
        for (size_t i = 0; i < COUNT_OF(others); i++)
            pthread_join(threads[i], NULL);
        assert_int_equal(others[0].code + others[1].code, ERR_Configuration);
        assert_int_equal(sql_number(world, "SELECT count(*) FROM synchronization"), 1);
        run_sql(world, "DELETE FROM synchronization");
    }
}

struct starter {
    const char *url;
    char *job;
};

static void *start_beside(void *context)
{
    struct starter *starter = context;
    char uid[UUID_SIZE];
    struct postgres *postgres;
    struct err err;

    assert_int_equal(postgres_connect(starter->url, "starter", &postgres, &err), 0);
    jobs_new_uid(uid);
    assert_int_equal(jobs_start(postgres, "copy", NULL, uid, &starter->job, &err), 0);
    postgres_destroy(&postgres);
    return NULL;
}

static bool starter_waits(void *context)
{
    return sql_number(context, "SELECT count(*) FROM pg_stat_activity WHERE application_name ="
                               " 'starter' AND wait_event_type = 'Lock'") == 1;
}

/* Goal: a job that starts while a path changes goes to the new one. Method: a second session starts
 * one between the write and the commit. */
static void a_job_sees_the_new_path(void **state)
{
    struct world *world = *state, looking = {.url = world->url};
    struct starter starter = {.url = world->url};
    struct definitions given = {0};
    struct definition_outcome *outcomes;
    struct buf faults = {0};
    static const char moved[] = ASSET("two", "/dst2");
    pthread_t thread;
    struct err err;
    char *job;

    apply(world, PAIR, "created created created");
    world_reconnect(&looking);
    assert_int_equal(definitions_read("f", moved, strlen(moved), &given, &faults, &err), 0);
    assert_int_equal(definitions_begin(world->sql, &err), 0);
    assert_int_equal(definitions_apply(world->sql, &given, false, &outcomes, &faults, &job, &err),
                     0);
    assert_int_equal(pthread_create(&thread, NULL, start_beside, &starter), 0);
    assert_true(service_wait(starter_waits, &looking, 10000));
    assert_int_equal(definitions_end(world->sql, true, &err), 0);
    pthread_join(thread, NULL);
    assert_sql(world, "SELECT destination_address FROM job", "dir:/dst2");
    definition_outcomes_release(&outcomes, given.count);
    definitions_release(&given);
    buf_release(&faults);
    postgres_destroy(&looking.sql);
    free(starter.job);
}

int main(void)
{
#define WORLD_TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        WORLD_TEST(written_as_given),
        WORLD_TEST(looking_changes_nothing),
        WORLD_TEST(faults_are_named),
        WORLD_TEST(with_what_is_there),
        WORLD_TEST(not_below_a_job),
        WORLD_TEST(another_path_is_another_place),
        WORLD_TEST(what_was_held_is_void),
        WORLD_TEST(deleted_with_what_belongs),
        WORLD_TEST(of_sync),
        WORLD_TEST(one_at_a_time),
        WORLD_TEST(a_job_sees_the_new_path),
    };

    return cmocka_run_group_tests(tests, services_up, NULL);
}
