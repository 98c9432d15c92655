/* drain.c: `syncline worker drain`: a worker gets nothing new, so that its process can be ended
 * without anything being done twice. A row in Postgres says so; planners look each second. */
#include "ctl/ctl.h"
#include "ctl/options.h"
#include "ctl/session.h"
#include "ctl/view.h"

#include <stdio.h>

static bool is_listed(json_t *workers, const char *id)
{
    const json_t *worker;
    size_t index;

    json_array_foreach(workers, index, worker)
    {
        const char *listed = json_string_value(json_object_get(worker, "id"));

        if (listed && strcmp(listed, id) == 0)
            return true;
    }
    return false;
}

/* A row for a worker that is not there would drain nothing, and say nothing. */
static int check_worker(struct session *session, const char *id, struct err *err)
{
    struct view *view = session_view(session);
    json_t *workers;
    bool listed;

    if (!view)
        return err_set(err, ERR_RedisUnavailable,
                       "workers are listed in Redis, which cannot be reached%s",
                       session->redis_url ? "" : ": SYNCLINE_REDIS_URL is not set");
    workers = view_workers(view, err);
    if (!workers)
        return -1;
    listed = is_listed(workers, id);
    json_decref(workers);
    return listed ? 0 : err_set(err, ERR_NotFound, "there is no worker %s", id);
}

static int drain(struct session *session, const char *id, struct err *err)
{
    struct parameter parameters[] = {parameter_text(id)};

    if (check_worker(session, id, err) < 0)
        return -1;
    return postgres_query(session->postgres,
                          "WITH asked AS (INSERT INTO drain (worker) VALUES ($1)"
                          "  ON CONFLICT (worker) DO NOTHING)"
                          " SELECT pg_notify('syncline_jobs', '')",
                          parameters, 1, NULL, err);
}

static int undo(struct session *session, const char *id, struct err *err)
{
    struct parameter parameters[] = {parameter_text(id)};
    PGresult *result;
    bool was;

    if (postgres_query(session->postgres,
                       "WITH gone AS (DELETE FROM drain WHERE worker = $1 RETURNING worker)"
                       " SELECT pg_notify('syncline_jobs', '') FROM gone",
                       parameters, 1, &result, err) < 0)
        return -1;
    was = PQntuples(result) > 0;
    PQclear(result);
    return was ? 0 : check_worker(session, id, err);
}

int command_worker_drain(struct ctl *ctl, int argc, char **argv)
{
    struct session session = {.hold_fd = -1};
    bool back = false;
    const struct option options[] = {{"undo", 0, OPTION_FLAG, &back}};
    struct err err;
    int result;

    argc = options_take(options, COUNT_OF(options), &ctl->common, argc, argv, &err);
    if (argc < 0)
        return ctl_fail(&err, "syncline worker drain --help");
    if (ctl->common.help) {
        help_command(ctl->command);
        return EXIT_OK;
    }
    if (argc != 1)
        return ctl_usage(ctl, "worker drain wants the id of a worker");
    result = session_open(ctl, SESSION_FIND, &session, &err);
    if (result == 0)
        result = back ? undo(&session, argv[0], &err) : drain(&session, argv[0], &err);
    session_close(&session);
    if (result < 0)
        return ctl_fail(&err, err.code == ERR_NotFound ? "syncline worker list" : NULL);
    if (!ctl->common.quiet)
        fprintf(stderr, back ? "%s takes work again\n" : "%s gets nothing new\n", argv[0]);
    return EXIT_OK;
}
