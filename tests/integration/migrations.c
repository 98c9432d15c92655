/* migrations.c: the schema is brought up once and only forward, its words are those of the
 * programs, and the Postgres layer says what went wrong without saying too much. Against a real
 * Postgres. */
#include "truth_fixture.h"

#include "store/migrations.h"

#include <glob.h>
#include <pthread.h>

static int empty_setup(void **state)
{
    struct world *world = memory_or_die(sizeof *world);
    struct err err;

    world->url = postgres_service_database(false);
    assert_int_equal(postgres_connect(world->url, "test", &world->sql, &err), 0);
    *state = world;
    return 0;
}

/* Goal: migrations are applied once, by their numbers. Method: check, apply, apply, check. */
static void applied_once(void **state)
{
    struct world *world = *state;
    struct err err;
    glob_t files;
    u32 applied;

    assert_int_equal(migrations_check(world->sql, &err), -1);
    assert_int_equal(err.code, ERR_SchemaVersion);
    assert_non_null(strstr(err.text, "syncline admin migrate"));
    assert_int_equal(migrations_apply(world->sql, &applied, &err), 0);
    assert_int_equal(migrations_check(world->sql, &err), 0);
    assert_int_equal(glob("schema/sql/*.sql", 0, NULL, &files), 0);
    assert_int_equal(applied, files.gl_pathc); /* run from the top: no file was forgotten */
    globfree(&files);
    assert_int_equal(migrations_apply(world->sql, &applied, &err), 0);
    assert_int_equal(applied, 0);
}

/* Goal: a database of another version is refused and left as it is. Method: a row of the future; a
 * checksum that differs. */
static void others_are_refused(void **state)
{
    struct world *world = *state;
    struct err err;

    assert_int_equal(migrations_apply(world->sql, NULL, &err), 0);
    run_sql(world, "INSERT INTO schema_migration VALUES (9999, '9999_future', 'x')");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(
            i ? migrations_check(world->sql, &err) : migrations_apply(world->sql, NULL, &err), -1);
        assert_int_equal(err.code, ERR_SchemaVersion);
        assert_non_null(strstr(err.text, "9999"));
    }
    run_sql(world, "DELETE FROM schema_migration WHERE version = 9999");
    run_sql(world, "UPDATE schema_migration SET checksum = repeat('0', 64) WHERE version = 1");
    assert_int_equal(migrations_apply(world->sql, NULL, &err), -1);
    assert_int_equal(err.code, ERR_SchemaVersion);
    assert_non_null(strstr(err.text, "0001_init"));
}

struct migrator {
    const char *url;
    u32 applied;
    int rc;
};

static void *migrate(void *context)
{
    struct migrator *migrator = context;
    struct postgres *postgres;
    struct err err;

    migrator->rc = postgres_connect(migrator->url, "test", &postgres, &err);
    if (migrator->rc == 0)
        migrator->rc = migrations_apply(postgres, &migrator->applied, &err);
    postgres_destroy(&postgres);
    return NULL;
}

/* Goal: programs that start at once do not get into each other's way. Method: six at a time. */
static void applied_by_many(void **state)
{
    struct world *world = *state;
    struct migrator migrators[6];
    pthread_t threads[6];
    u32 applied = 0;

    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        migrators[i] = (struct migrator){.url = world->url};
        assert_int_equal(pthread_create(&threads[i], NULL, migrate, &migrators[i]), 0);
    }
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(migrators[i].rc, 0);
        applied += migrators[i].applied;
    }
    assert_int_equal(applied, sql_number(world, "SELECT count(*) FROM schema_migration"));
}

/* Goal: a user that may not make roles can migrate all the same. Method: such a user, its own
 * database. */
static void without_privilege(void **state)
{
    struct world *world = *state;
    struct postgres *postgres;
    struct err err;

    run_sql(
        world,
        "DO $$ BEGIN CREATE ROLE plain LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$");
    run_sql(world,
            "DO $$ BEGIN DROP ROLE IF EXISTS syncline_ro; EXCEPTION WHEN others THEN NULL; END $$");
    run_sql(world, "GRANT ALL ON SCHEMA public TO plain");
    run_sql(world, "SET ROLE plain");
    assert_int_equal(migrations_apply(world->sql, NULL, &err), 0);
    run_sql(world, "RESET ROLE");
    assert_int_equal(postgres_connect(world->url, "test", &postgres, &err), 0);
    assert_int_equal(migrations_check(postgres, &err), 0);
    postgres_destroy(&postgres);
}

/* Goal: SQL and programs use the same words. Method: labels of the enums against states.def. */
static void words_agree(void **state)
{
    static const char phases[] =
#define PHASE(name, number, ended, exit_code) "," #name
#include "schema/states.def"
        ;
    static const char kinds[] =
#define KIND(name, number, letter) "," #name
#include "schema/states.def"
        ;
    static const char outcomes[] =
#define OUTCOME(name, number, text) "," #name
#include "schema/states.def"
        ;
    static const char counters[] =
#define COUNTER(name, json, text) "," #name
#include "schema/states.def"
        ;
    struct world *world = *state;
    char active[128] = "";
    struct err err;

    assert_int_equal(migrations_apply(world->sql, NULL, &err), 0);
    assert_sql(world,
               "SELECT string_agg(v::text, ',' ORDER BY v) FROM"
               " unnest(enum_range(NULL::job_phase)) v",
               phases + 1);
    assert_sql(world,
               "SELECT string_agg(v::text, ',' ORDER BY v) FROM"
               " unnest(enum_range(NULL::object_kind)) v",
               kinds + 1);
    assert_sql(world,
               "SELECT string_agg(v::text, ',' ORDER BY v) FROM"
               " unnest(enum_range(NULL::item_outcome)) v",
               outcomes + 1);
    assert_sql(
        world,
        "SELECT string_agg(attname::text, ',' ORDER BY attnum) FROM pg_attribute WHERE"
        " attrelid = 'job'::regclass AND attnum >= (SELECT attnum FROM pg_attribute WHERE"
        " attrelid = 'job'::regclass AND attname = 'scanned') AND attnum < (SELECT attnum FROM"
        " pg_attribute WHERE attrelid = 'job'::regclass AND attname = 'waits')",
        counters + 1);
    /* the phases of the index that allows one active job are those that have not ended */
#define PHASE(name, number, ended, exit_code)                                                      \
    assert_int_equal(phase_has_ended(PHASE_##name), (ended));                                      \
    if (!(ended))                                                                                  \
        strcat(strcat(active, active[0] ? "," : ""), #name);
#include "schema/states.def"
    assert_string_equal(active, "Queued,Probing,Running,Closing");
}

/* Goal: paths are readable for people whatever bytes they hold. Method: path_text of some. */
static void paths_are_readable(void **state)
{
    struct world *world = *state;
    struct err err;

    assert_int_equal(migrations_apply(world->sql, NULL, &err), 0);
    assert_sql(world, "SELECT path_text('a/b c')", "a/b c");
    assert_sql(world, "SELECT path_text('\\xc3a4')", "ä");
    assert_sql(world, "SELECT path_text('\\x61ff')", "a\\377");
    assert_sql(world, "SELECT path_text('')", "");
}

/* Goal: errors are sorted, and never quote secrets or values. Method: bad URLs, a value that
 * violates. */
static void errors_are_sorted(void **state)
{
    struct world *world = *state;
    struct postgres *postgres;
    struct err err;

    assert_int_equal(postgres_connect("not a url with secret", "test", &postgres, &err), -1);
    assert_int_equal(err.code, ERR_Configuration);
    assert_null(strstr(err.text, "secret"));
    assert_int_equal(
        postgres_connect("postgresql://u:secret@/d?host=/nowhere", "test", &postgres, &err), -1);
    assert_int_equal(err.code, ERR_PostgresUnavailable);
    assert_null(strstr(err.text, "secret"));
    run_sql(world, "CREATE TABLE t (v text PRIMARY KEY)");
    run_sql(world, "INSERT INTO t VALUES ('secret')");
    assert_int_equal(postgres_query(world->sql, "INSERT INTO t VALUES ($1)",
                                    (struct parameter[]){parameter_text("secret")}, 1, NULL, &err),
                     -1);
    assert_int_equal(err.code, ERR_PostgresRefused);
    assert_string_equal(postgres_sqlstate(world->sql), "23505");
    assert_null(strstr(err.text, "secret"));
    run_sql(world, "SET statement_timeout = '50ms'");
    assert_int_equal(postgres_run(world->sql, "SELECT pg_sleep(5)", &err), -1);
    assert_int_equal(err.code, ERR_PostgresUnavailable); /* may pass */
    assert_true(postgres_is_alive(world->sql));
    run_sql(world, "RESET statement_timeout");
    assert_int_equal(
        postgres_run(world->sql, "SELECT pg_terminate_backend(pg_backend_pid())", &err), -1);
    assert_int_equal(err.code, ERR_PostgresUnavailable);
    assert_false(postgres_is_alive(world->sql));
}

/* Goal: time-outs hold on every session. Method: SHOW. */
static void sessions_have_limits(void **state)
{
    struct world *world = *state;

    assert_sql(world, "SHOW statement_timeout", "30s");
    assert_sql(world, "SHOW idle_in_transaction_session_timeout", "1min");
    assert_sql(world, "SHOW application_name", "test");
}

/* Goal: who may only look sees everything and writes nothing. Method: each relation there is, as
 * role syncline_ro: a look at it succeeds; what it holds as privileges on it, and on sequences. */
static void readers_only_read(void **state)
{
    struct world *world = *state;
    struct err err;
    PGresult *names;

    assert_int_equal(migrations_apply(world->sql, NULL, &err), 0);
    assert_int_equal(postgres_query(world->sql,
                                    "SELECT relname FROM pg_class WHERE relkind IN ('r', 'v', 'm', "
                                    "'p') AND relnamespace = 'public'::regnamespace",
                                    NULL, 0, &names, &err),
                     0);
    assert_true(PQntuples(names) > 20);
    run_sql(world, "SET ROLE syncline_ro");
    for (int row = 0; row < PQntuples(names); row++) {
        char text[200];

        snprintf(text, sizeof text, "SELECT * FROM %s LIMIT 1", result_text(names, row, 0));
        run_sql(world, text);
        snprintf(text, sizeof text, "DELETE FROM %s", result_text(names, row, 0));
        assert_int_equal(postgres_run(world->sql, text, &err), -1);
        snprintf(text, sizeof text, "INSERT INTO %s DEFAULT VALUES", result_text(names, row, 0));
        assert_int_equal(postgres_run(world->sql, text, &err), -1);
    }
    PQclear(names);
    assert_sql(world,
               "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
               " AND CASE WHEN relkind = 'S' THEN has_sequence_privilege(oid, 'USAGE, UPDATE')"
               "  WHEN relkind IN ('r', 'v', 'm', 'p')"
               "  THEN has_table_privilege(oid, 'INSERT, UPDATE, DELETE, TRUNCATE, TRIGGER') END",
               "0");
    assert_int_equal(postgres_run(world->sql, "CREATE TABLE mine (id int)", &err), -1);
    run_sql(world, "RESET ROLE");
}

int main(void)
{
#define EMPTY_TEST(name) cmocka_unit_test_setup_teardown(name, empty_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        EMPTY_TEST(applied_once),      EMPTY_TEST(others_are_refused),
        EMPTY_TEST(applied_by_many),   EMPTY_TEST(without_privilege),
        EMPTY_TEST(words_agree),       EMPTY_TEST(paths_are_readable),
        EMPTY_TEST(errors_are_sorted), EMPTY_TEST(sessions_have_limits),
        EMPTY_TEST(readers_only_read),
    };

    return cmocka_run_group_tests(tests, services_up, NULL);
}
