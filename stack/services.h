/* services.h: the private Postgres and Redis: their programs, settings, data, and whether they
 * answer. */
#ifndef SYNCLINE_STACK_SERVICES_H
#define SYNCLINE_STACK_SERVICES_H

#include "stack/layout.h"

/* The programs found on this machine. Owned texts; programs_release. */
struct programs {
    char *postgres, *initdb;
    char *redis; /* may be redis-check-rdb: the same binary, told by argv[0] "redis-server" */
};

/* Postgres of the version that made pg/ if it exists, else the newest. Configuration with what to
 * install. */
int programs_find(const struct layout *layout, struct programs *out, struct err *err);
void programs_release(struct programs *programs);

/* Ends a Postgres or Redis that outlived its supervisor. Before postgres_prepare. */
int services_recover(const struct layout *layout, struct err *err);

/* Makes the cluster if there is none (initdb, as the service user) and writes its settings. */
int postgres_prepare(const struct layout *layout, const struct programs *programs, struct err *err);
/* postgres -D … ; each text and the list are the caller's to free (argv_free). */
char **postgres_argv(const struct layout *layout, const struct programs *programs);
/* libpq connection string of a database of the embedded cluster. The caller frees. */
char *postgres_url(const struct layout *layout, const char *database);
/* 0 if it answers. */
int postgres_ping(const struct layout *layout, struct err *err);
/* Makes the database if there is none and brings it to this version's schema. */
int postgres_migrate(const struct layout *layout, struct err *err);

int redis_prepare(const struct layout *layout, struct err *err);
char **redis_argv(const struct layout *layout);
/* unix://…/run/redis.sock. The caller frees. */
char *redis_url(const struct layout *layout);
int redis_ping(const struct layout *layout, struct err *err);

void argv_free(char **argv);

#endif
