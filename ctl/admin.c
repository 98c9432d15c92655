/* admin.c: `syncline admin …`: for who looks after truth and view. */
#include "ctl/ctl.h"
#include "ctl/options.h"
#include "ctl/session.h"
#include "io/redis.h"
#include "schema/keys.h"
#include "store/migrations.h"
#include "store/retention.h"

#include "base/clock.h"

#include <stdio.h>
#include <time.h>

#define REBUILD_WAIT_MS 15000

int command_migrate(struct ctl *ctl, int argc, char **argv)
{
    struct session session = {.hold_fd = -1};
    struct err err;
    u32 applied = 0;
    int result;

    argc = options_take(NULL, 0, &ctl->common, argc, argv, &err);
    if (argc < 0)
        return ctl_fail(&err, "syncline admin migrate --help");
    if (ctl->common.help) {
        help_command(ctl->command);
        return EXIT_OK;
    }
    if (argc > 0)
        return ctl_usage(ctl, "admin migrate takes no arguments");
    result = session_locate(ctl, SESSION_FIND, &session, &err);
    if (result == 0)
        result = postgres_connect(session.database_url, "syncline", &session.postgres, &err);
    if (result == 0)
        result = migrations_apply(session.postgres, &applied, &err);
    session_close(&session);
    if (result < 0)
        return ctl_fail(&err, NULL);
    if (!ctl->common.quiet)
        fprintf(stderr,
                applied == 0   ? "the schema is current\n"
                : applied == 1 ? "one migration was applied\n"
                               : "%u migrations were applied\n",
                applied);
    return EXIT_OK;
}

/* ---- rebuild-redis ---- */

/* Unlinks a page of keys of ours; the cursor is "0" after the last one. */
static int unlink_page(struct redis *redis, char *cursor, size_t size, struct err *err)
{
    redisReply *page;
    int rc = 0;

    redis_add(redis, "SCAN", cursor, "MATCH", "syncline:*", "COUNT", "1000", NULL);
    if (redis_ask(redis, &page, err) < 0)
        return -1;
    snprintf(cursor, size, "%s", page->element[0]->str);
    if (page->element[1]->elements > 0) {
        redis_begin(redis, "UNLINK");
        for (size_t i = 0; i < page->element[1]->elements; i++)
            redis_word(redis, page->element[1]->element[i]->str);
        redis_end(redis);
        rc = redis_flush(redis, err);
    }
    freeReplyObject(page);
    return rc;
}

/* A planner writes the view anew as soon as it sees that the sentinel is gone. */
static int wait_for_view(struct redis *redis, struct err *err)
{
    s64 until_ms = clock_monotonic_ms() + REBUILD_WAIT_MS;

    while (clock_monotonic_ms() < until_ms && !interrupted) {
        redisReply *reply;
        bool there;

        redis_add(redis, "HEXISTS", KEY_VIEW, "built_at", NULL);
        if (redis_ask(redis, &reply, err) < 0)
            return -1;
        there = reply->integer == 1;
        freeReplyObject(reply);
        if (there)
            return 0;
        nanosleep(&(struct timespec){.tv_nsec = 50 * 1000 * 1000}, NULL);
    }
    if (interrupted)
        return err_set(err, ERR_Cancelled, "interrupted; the view is written anew all the same");
    return err_set(err, ERR_PlannerUnavailable,
                   "the view is empty: no planner has written it anew for %d s",
                   REBUILD_WAIT_MS / 1000);
}

static int rebuild(struct session *session, struct err *err)
{
    char cursor[24] = "0";
    struct redis *redis;
    int rc;

    if (!session->redis_url)
        return err_set(err, ERR_Configuration, "SYNCLINE_REDIS_URL is not set: there is no view");
    if (redis_connect(session->redis_url, &redis, err) < 0)
        return -1;
    do
        rc = unlink_page(redis, cursor, sizeof cursor, err);
    while (rc == 0 && strcmp(cursor, "0") != 0);
    if (rc == 0)
        rc = wait_for_view(redis, err);
    redis_destroy(&redis);
    return rc;
}

int command_rebuild_redis(struct ctl *ctl, int argc, char **argv)
{
    struct session session = {.hold_fd = -1};
    struct err err;
    int result;

    argc = options_take(NULL, 0, &ctl->common, argc, argv, &err);
    if (argc < 0)
        return ctl_fail(&err, "syncline admin rebuild-redis --help");
    if (ctl->common.help) {
        help_command(ctl->command);
        return EXIT_OK;
    }
    if (argc > 0)
        return ctl_usage(ctl, "admin rebuild-redis takes no arguments");
    interrupt_catch();
    result = session_locate(ctl, SESSION_FIND, &session, &err);
    if (result == 0)
        result = rebuild(&session, &err);
    session_close(&session);
    if (result < 0)
        return ctl_fail(&err, NULL);
    if (!ctl->common.quiet)
        fprintf(stderr, "the view was written anew from Postgres\n");
    return EXIT_OK;
}

/* ---- gc ---- */

/* Step after step, each a transaction, until one finds nothing; *rows of all. */
static int collect(struct postgres *postgres, u64 *rows, struct err *err)
{
    struct retained step;

    do {
        if (postgres_run(postgres, "BEGIN", err) < 0 ||
            retention_step(postgres, NULL, &step, err) < 0 ||
            postgres_run(postgres, "COMMIT", err) < 0)
            return -1;
        if (!step.mine)
            return err_set(err, ERR_Busy, "a planner, or another command, is at it");
        *rows += step.rows;
    } while (step.rows > 0 && !interrupted);
    return interrupted ? err_set(err, ERR_Cancelled, "interrupted; what is left goes later") : 0;
}

int command_gc(struct ctl *ctl, int argc, char **argv)
{
    struct session session = {.hold_fd = -1};
    struct err err;
    int result;
    u64 rows = 0;

    argc = options_take(NULL, 0, &ctl->common, argc, argv, &err);
    if (argc < 0)
        return ctl_fail(&err, "syncline admin gc --help");
    if (ctl->common.help) {
        help_command(ctl->command);
        return EXIT_OK;
    }
    if (argc > 0)
        return ctl_usage(ctl, "admin gc takes no arguments");
    interrupt_catch();
    result = session_open(ctl, SESSION_FIND, &session, &err);
    if (result == 0)
        result = collect(session.postgres, &rows, &err);
    session_close(&session);
    if (result < 0)
        return ctl_fail(&err, NULL);
    if (!ctl->common.quiet)
        fprintf(stderr, "%llu rows were deleted\n", (unsigned long long)rows);
    return EXIT_OK;
}
