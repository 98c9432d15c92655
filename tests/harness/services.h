/* services.h: a private Postgres cluster and a private Redis for tests, on Unix sockets in a
 * directory of their own below /tmp. They are children of the test, and end with it; nothing else
 * is touched.
 *
 * As root they run as an unprivileged user (postgres, else nobody). Failures end the test program
 * with a message: without services there is nothing to test. */
#ifndef SYNCLINE_TESTS_SERVICES_H
#define SYNCLINE_TESTS_SERVICES_H

#include "base/types.h"

/* How a server is ended. */
enum service_end {
    SERVICE_ORDERLY,   /* Postgres: fast shutdown; Redis: SIGTERM */
    SERVICE_IMMEDIATE, /* Postgres: immediate shutdown, recovery at the next start; Redis: SIGKILL
                        */
};

/* Makes the cluster at the first call, and starts it. */
void postgres_service_start(void);
void postgres_service_end(enum service_end how);
/* Stops every process of the server, as a machine that hangs would (SIGSTOP), and lets it go on. */
void postgres_service_freeze(bool frozen);
/* A new empty database, with the schema if `migrated`. free() its URL. */
char *postgres_service_database(bool migrated);
/* Waits until the condition holds, at most timeout_ms;
 * false if it does not. */
bool service_wait(bool (*condition)(void *context), void *context, s64 timeout_ms);

/* Starts Redis with an append-only file below the directory. `options` (may be NULL) are added to
 * its command line, separated by spaces. */
void redis_service_start(const char *options);
void redis_service_end(enum service_end how);
/* unix://…; static. */
const char *redis_service_url(void);

#endif
