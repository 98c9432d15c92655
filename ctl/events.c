/* events.c: `syncline events`: what happened, from Postgres alone, newest last.
 *
 * -w follows: a NOTIFY about a job says that there may be news, and a look each second makes sure.
 * Numbers of events are given when a transaction writes them and seen when it commits, so that a
 * lower one may come after a higher one: the last LOOK_BACK numbers are looked at each time, and
 * those that were shown are known. */
#include "ctl/ctl.h"
#include "ctl/options.h"
#include "ctl/output.h"
#include "ctl/session.h"
#include "ctl/show.h"
#include "store/jobs.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define LIMIT 100u
#define LIMIT_MAX 1000000u
#define LOOK_BACK 1000
#define SEEN 1024 /* places for the numbers of LOOK_BACK */
#define LOOK_MS 1000
#define STEP_MS 100
#define AWAY_MS 60000

struct events {
    const char *job, *output, *limit_text;
    bool watch, json;
    u32 limit;
    s64 last; /* the highest number that was seen */
    s64 seen[SEEN];
};

enum event_column { COLUMN_ID, COLUMN_AT, COLUMN_JOB, COLUMN_KIND, COLUMN_MESSAGE };

/* $1 job or NULL, $2 at most so many, the newest; $3 only those after this number. */
static const char events_sql[] =
    "SELECT * FROM (SELECT id, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'),"
    " job, kind, message FROM v_events WHERE ($1::text IS NULL OR job = $1) AND id > $3::bigint"
    " ORDER BY id DESC LIMIT $2) newest ORDER BY id";

static int read_arguments(struct ctl *ctl, int argc, char **argv, struct events *out,
                          struct err *err)
{
    const struct option options[] = {
        {"job", 0, OPTION_VALUE, &out->job},
        {"watch", 'w', OPTION_FLAG, &out->watch},
        {"output", 'o', OPTION_VALUE, &out->output},
        {"limit", 0, OPTION_VALUE, &out->limit_text},
    };

    argc = options_take(options, COUNT_OF(options), &ctl->common, argc, argv, err);
    if (argc < 0 || ctl->common.help)
        return argc < 0 ? -1 : 0;
    if (argc > 0)
        return err_set(err, ERR_Usage, "events takes no arguments; --job names one");
    out->json = out->output && strcmp(out->output, "json") == 0;
    if (out->output && !out->json && strcmp(out->output, "table") != 0)
        return err_set(err, ERR_Usage, "there is no format '%.40s' of events: table or json",
                       out->output);
    out->limit = LIMIT;
    return out->limit_text
               ? option_number("--limit", out->limit_text, 1, LIMIT_MAX, &out->limit, err)
               : 0;
}

static json_t *text_json(const PGresult *rows, int row, int column)
{
    return PQgetisnull(rows, row, column) ? json_null()
                                          : json_string(result_text(rows, row, column));
}

static void print_event(const struct events *events, const PGresult *rows, int row)
{
    struct buf line = {0};

    if (events->json) {
        show_json(json_pack("{s:I, s:o, s:o, s:o, s:o}", "id",
                            (json_int_t)result_s64(rows, row, COLUMN_ID), "at",
                            text_json(rows, row, COLUMN_AT), "job",
                            text_json(rows, row, COLUMN_JOB), "kind",
                            text_json(rows, row, COLUMN_KIND), "message",
                            text_json(rows, row, COLUMN_MESSAGE)),
                  false);
        return;
    }
    buf_printf(&line, "%s  %-24s  %-20s  ", result_text(rows, row, COLUMN_AT),
               result_text(rows, row, COLUMN_JOB), result_text(rows, row, COLUMN_KIND));
    show_line(&line, result_text(rows, row, COLUMN_MESSAGE));
    while (line.size > 0 && line.data[line.size - 1] == ' ')
        line.size--;
    puts(buf_text(&line));
    buf_release(&line);
}

static bool is_new(struct events *events, s64 id)
{
    s64 *seen = &events->seen[id % SEEN];

    if (*seen == id)
        return false;
    *seen = id;
    events->last = id > events->last ? id : events->last;
    return true;
}

/* What the numbers after `floor` say; of the first look only the newest `limit`. */
static int look(struct events *events, struct session *session, bool first, struct err *err)
{
    u32 most = !first || events->limit > LOOK_BACK ? events->limit : LOOK_BACK;
    s64 floor = first || events->last < LOOK_BACK ? 0 : events->last - LOOK_BACK;
    PGresult *rows;
    int count;

    if (postgres_query(session->postgres, events_sql,
                       (struct parameter[]){parameter_text(events->job),
                                            parameter_s64(first ? most : LIMIT_MAX),
                                            parameter_s64(floor)},
                       3, &rows, err) < 0)
        return -1;
    count = PQntuples(rows);
    for (int row = 0; row < count; row++)
        if (is_new(events, result_s64(rows, row, COLUMN_ID)) &&
            (!first || count - row <= (int)events->limit))
            print_event(events, rows, row);
    PQclear(rows);
    fflush(stdout);
    return 0;
}

static int listen_again(struct session *session, struct err *err)
{
    s64 since = clock_monotonic_ms();

    while (output_is_wanted()) {
        if (session->postgres && postgres_is_alive(session->postgres))
            return 0;
        if (session_connect(session, err) == 0)
            return postgres_run(session->postgres, "LISTEN syncline_job; LISTEN syncline_asset",
                                err);
        if (err->code != ERR_PostgresUnavailable || clock_monotonic_ms() - since > AWAY_MS)
            return -1;
        usleep(STEP_MS * 1000);
    }
    return 0;
}

static int follow(struct events *events, struct session *session, struct err *err)
{
    if (postgres_run(session->postgres, "LISTEN syncline_job; LISTEN syncline_asset", err) < 0)
        return -1;
    while (output_is_wanted()) {
        if (listen_again(session, err) < 0)
            return -1;
        session_pause(session, LOOK_MS);
        if (!output_is_wanted())
            return 0;
        if (look(events, session, false, err) < 0 && err->code != ERR_PostgresUnavailable)
            return -1;
    }
    return 0;
}

static int show_events(struct events *events, struct session *session, struct err *err)
{
    struct job job;

    if (events->job && jobs_read(session->postgres, events->job, &job, err) < 0)
        return -1;
    if (events->job)
        job_release(&job);
    if (!events->json)
        printf("%-24s  %-24s  %-20s  %s\n", "TIME", "JOB", "KIND", "MESSAGE");
    if (look(events, session, true, err) < 0)
        return -1;
    return events->watch ? follow(events, session, err) : 0;
}

int command_events(struct ctl *ctl, int argc, char **argv)
{
    struct events events = {0};
    struct session session = {.hold_fd = -1};
    struct err err;
    int result;

    if (read_arguments(ctl, argc, argv, &events, &err) < 0)
        return ctl_fail(&err, "syncline events --help");
    if (ctl->common.help) {
        help_command(ctl->command);
        return EXIT_OK;
    }
    interrupt_catch();
    result = session_open(ctl, SESSION_FIND, &session, &err);
    if (result == 0)
        result = show_events(&events, &session, &err);
    session_close(&session);
    if (result < 0)
        return ctl_fail(&err, err.code == ERR_NotFound ? "syncline get jobs --all" : NULL);
    return interrupted ? EXIT_INTERRUPTED : EXIT_OK;
}
