/* session.c: see session.h. The environment or a configuration file names a stack, or the state
 * directory holds one, or one is made. */
#include "ctl/session.h"

#include "base/buf.h"
#include "base/clock.h"
#include "ctl/output.h"
#include "store/migrations.h"
#include "svc/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define START_TRIES 3
#define VIEW_RETRY_MS 1000
#define PAUSE_STEP_MS 50

static int start_or_join(const struct ctl *ctl, struct session *session, struct stack_state *state,
                         struct err *err)
{
    static const struct stack_counts one = {{0, 1, 1, 1, 1}};

    for (int tries = 0; tries < START_TRIES; tries++) {
        struct buf tail = {0};
        int result = stack_hold(&session->layout, &interrupted, &session->hold_fd, state, err);

        if (result == 0 || err->code != ERR_StackDown)
            return result;
        if (ctl->common.verbose)
            fprintf(stderr, "starting a stack in %s\n", session->layout.root);
        result = stack_start(&session->layout, &one, true, &interrupted, &tail, err);
        if (result == 0)
            session->own = true;
        if (result < 0 && tail.size > 0)
            fprintf(stderr, "%s", buf_text(&tail));
        buf_release(&tail);
        if (result < 0 && err->code != ERR_StackUp)
            return -1; /* another command was faster: its stack will do */
    }
    return stack_hold(&session->layout, &interrupted, &session->hold_fd, state, err);
}

static int find_embedded(const struct ctl *ctl, enum session_need need, struct session *session,
                         struct err *err)
{
    struct stack_state state = {0};
    int result;

    session->embedded = true;
    if (layout_find(ctl->common.state_dir, &session->layout, err) < 0)
        return -1;
    if (need == SESSION_START)
        result = start_or_join(ctl, session, &state, err);
    else
        result = stack_look(&session->layout, &state, err);
    if (result == 0) {
        session->database_url = text_copy(state.database_url);
        session->redis_url = text_copy(state.redis_url);
        if (ctl->common.verbose)
            fprintf(stderr, "using the stack in %s\n", session->layout.root);
    }
    stack_state_release(&state);
    return result;
}

int session_connect(struct session *session, struct err *err)
{
    postgres_destroy(&session->postgres);
    if (postgres_connect(session->database_url, "syncline", &session->postgres, err) < 0)
        return -1;
    if (migrations_check(session->postgres, err) < 0) {
        postgres_destroy(&session->postgres);
        return -1;
    }
    return 0;
}

/* Is the directory of an embedded stack named by an option, or at a higher level than the file that
 * names a database? Then that stack is meant. */
static bool means_directory(const struct ctl *ctl)
{
    const u32 *from = ctl->settings.from;
    u32 database = from[SETTING_databaseUrl] + from[SETTING_databaseUrlFile]; /* one is 0 */
    const char *directory = getenv("SYNCLINE_STATE_DIR");

    if (database == 0)
        return false;
    return ctl->common.state_dir ||
           (directory && directory[0] && from[SETTING_stateDir] < database);
}

static int read_urls(const struct ctl *ctl, struct session *out, struct err *err)
{
    if (means_directory(ctl))
        return 0;
    if (config_secret("SYNCLINE_DATABASE_URL", &out->database_url, err) < 0)
        return settings_context(&ctl->settings, SETTING_databaseUrlFile, err);
    if (config_secret("SYNCLINE_REDIS_URL", &out->redis_url, err) < 0)
        return settings_context(&ctl->settings, SETTING_redisUrlFile, err);
    return 0;
}

int session_locate(const struct ctl *ctl, enum session_need need, struct session *out,
                   struct err *err)
{
    *out = (struct session){.hold_fd = -1};
    if (read_urls(ctl, out, err) < 0)
        return -1;
    if (!out->database_url || !out->database_url[0]) {
        free(out->database_url);
        free(out->redis_url);
        out->database_url = out->redis_url = NULL;
        if (find_embedded(ctl, need, out, err) < 0)
            return -1;
    }
    return 0;
}

int session_open(const struct ctl *ctl, enum session_need need, struct session *out,
                 struct err *err)
{
    return session_locate(ctl, need, out, err) < 0 ? -1 : session_connect(out, err);
}

struct view *session_view(struct session *session)
{
    s64 now = clock_monotonic_ms();
    struct err ignored;

    if (session->view && view_is_alive(session->view))
        return session->view;
    view_close(&session->view);
    if (!session->redis_url ||
        (session->view_tried_ms && now - session->view_tried_ms < VIEW_RETRY_MS))
        return NULL;
    session->view_tried_ms = now;
    view_open(session->redis_url, &session->view, &ignored);
    return session->view;
}

void session_pause(struct session *session, s64 ms)
{
    s64 until = clock_monotonic_ms() + ms;
    struct err ignored;
    int got = 0;

    while (got == 0 && output_is_wanted() && clock_monotonic_ms() < until) {
        char *channel = NULL, *payload = NULL;

        if (session->postgres)
            got = postgres_wait_notify(session->postgres, PAUSE_STEP_MS, &channel, &payload,
                                       &ignored);
        else
            usleep(PAUSE_STEP_MS * 1000);
        free(channel);
        free(payload);
    }
}

void session_close(struct session *session)
{
    postgres_destroy(&session->postgres);
    view_close(&session->view);
    if (session->hold_fd >= 0)
        stack_release(&session->hold_fd);
    free(session->database_url);
    free(session->redis_url);
    layout_release(&session->layout);
}
