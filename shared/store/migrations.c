/* migrations.c: see migrations.h. How: the files are part of the program (.incbin), so that a
 * program and its schema cannot be mixed up. All that is missing is applied in one transaction
 * under an advisory lock: of several programs that start at once one migrates, the others find it
 * done, and a program that dies on the way leaves nothing half done. */
#include "store/migrations.h"

#include "base/hash.h"

#include <stdio.h>

/* number, file in schema/sql without .sql */
#define MIGRATIONS(M) M(1, 0001_init) M(2, 0002_schedule)

#define EMBED(version, name)                                                                       \
    __asm__(".pushsection .rodata\n"                                                               \
            "syncline_migration_" #version ":\n"                                                   \
            ".incbin \"schema/sql/" #name ".sql\"\n"                                               \
            "syncline_migration_" #version "_end:\n"                                               \
            ".byte 0\n"                                                                            \
            ".popsection\n");                                                                      \
    extern const char syncline_migration_##version[] __attribute__((visibility("hidden")));        \
    extern const char syncline_migration_##version##_end[] __attribute__((visibility("hidden")));
MIGRATIONS(EMBED)

static const struct migration {
    u32 version;
    const char *name;
    const char *sql; /* ends with a NUL */
    const char *end;
} migrations[] = {
#define ENTRY(version, name)                                                                       \
    {version, #name, syncline_migration_##version, syncline_migration_##version##_end},
    MIGRATIONS(ENTRY)};

static void checksum_of(const struct migration *migration, char out[2 * HASH_BYTES_MAX + 1])
{
    struct digest digest;

    hash_bytes(HASH_SHA256, bytes_of(migration->sql, (size_t)(migration->end - migration->sql)),
               &digest);
    digest_hex(&digest, out);
}

/* Compares what was applied with what we have; *applied is the number of those that are there. */
static int compare(struct postgres *postgres, u32 *applied, struct err *err)
{
    PGresult *result;
    int rc = 0, rows;

    *applied = 0;
    if (postgres_query(postgres,
                       "SELECT version, name, checksum FROM schema_migration ORDER BY version",
                       NULL, 0, &result, err) < 0)
        return -1;
    rows = PQntuples(result);
    for (int i = 0; i < rows && rc == 0; i++) {
        s64 version = result_s64(result, i, 0);
        char checksum[2 * HASH_BYTES_MAX + 1];

        if (i >= (int)COUNT_OF(migrations)) {
            rc = err_set(err, ERR_SchemaVersion,
                         "the database has schema version %lld, this program "
                         "knows %u: use the program of that version",
                         (long long)result_s64(result, rows - 1, 0),
                         migrations[COUNT_OF(migrations) - 1].version);
            break;
        }
        checksum_of(&migrations[i], checksum);
        if (version != migrations[i].version || strcmp(result_text(result, i, 2), checksum) != 0)
            rc = err_set(err, ERR_SchemaVersion,
                         "migration %s was applied to the database with other "
                         "contents than this program has",
                         result_text(result, i, 1));
    }
    *applied = (u32)rows;
    PQclear(result);
    return rc;
}

static int apply_one(struct postgres *postgres, const struct migration *migration, struct err *err)
{
    char checksum[2 * HASH_BYTES_MAX + 1];

    checksum_of(migration, checksum);
    if (postgres_run(postgres, migration->sql, err) < 0)
        return err_context(err, "migration %s", migration->name);
    return postgres_query(postgres,
                          "INSERT INTO schema_migration (version, name, checksum) "
                          "VALUES ($1, $2, $3)",
                          (struct parameter[]){parameter_s64(migration->version),
                                               parameter_text(migration->name),
                                               parameter_text(checksum)},
                          3, NULL, err);
}

/* The time-out does not hold here: a migration of a large database takes as long as it takes. */
static const char begin[] =
    "BEGIN;"
    "SET LOCAL statement_timeout = 0;"
    "SELECT pg_advisory_xact_lock(" ADVISORY_CLASS ", -1);"
    "CREATE TABLE IF NOT EXISTS schema_migration ("
    "  version integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL,"
    "  applied_at timestamptz NOT NULL DEFAULT now())";

int migrations_apply(struct postgres *postgres, u32 *applied, struct err *err)
{
    struct err ignored;
    u32 there = 0;

    if (applied)
        *applied = 0;
    if (postgres_run(postgres, begin, err) < 0 || compare(postgres, &there, err) < 0)
        goto undo;
    for (size_t i = there; i < COUNT_OF(migrations); i++)
        if (apply_one(postgres, &migrations[i], err) < 0)
            goto undo;
    if (postgres_run(postgres, "COMMIT", err) < 0)
        goto undo;
    if (applied)
        *applied = (u32)COUNT_OF(migrations) - there;
    return 0;
undo:
    postgres_run(postgres, "ROLLBACK", &ignored);
    return -1;
}

int migrations_check(struct postgres *postgres, struct err *err)
{
    u32 there = 0;

    if (compare(postgres, &there, err) < 0) {
        /* undefined_table: nothing was ever applied */
        if (err->code != ERR_PostgresRefused || strcmp(postgres_sqlstate(postgres), "42P01") != 0)
            return -1;
    }
    if (there < COUNT_OF(migrations))
        return err_set(err, ERR_SchemaVersion,
                       "the database has schema version %u, this program needs "
                       "%u: run `syncline admin migrate`",
                       there, (u32)COUNT_OF(migrations));
    return 0;
}
