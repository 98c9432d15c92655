/* migrations.h: the numbered SQL files of schema/sql, embedded; forward only, each once, under an
 * advisory lock, with its checksum recorded in schema_migration (version, name, checksum,
 * applied_at). */
#ifndef SYNCLINE_STORE_MIGRATIONS_H
#define SYNCLINE_STORE_MIGRATIONS_H

#include "io/postgres.h"

/* Brings the database to this version's schema. Refuses (SchemaVersion) a database that is newer,
 * or one where an applied migration has another checksum. *applied (may be NULL) counts what was
 * done. */
int migrations_apply(struct postgres *postgres, u32 *applied, struct err *err);
/* 0 if the database has exactly this version's schema; SchemaVersion, saying what to run, if not.
 */
int migrations_check(struct postgres *postgres, struct err *err);

#endif
