/* rights.c: open, grant, revoke: who may write at the destination. The asset does it all; here are
 * the checks of what a peer sent, and the answers. */
#include "mover/mover.h"

/* Many more than a planner grants ahead, and few enough not to fill a directory on a peer's word.
 */
#define GRANT_MAX 65536

int mover_open(struct mover_work *work, const struct envelope *task, struct envelope *answer,
               struct err *err)
{
    const struct msg_open *message = &task->message.open;
    struct msg_opened opened = {
        .job = message->job, .epoch = message->epoch, .sequence = message->sequence};
    struct err *failure = &work->lane->answer;

    (void)err;
    *failure = work->unreachable;
    if (failure->code == ERR_Ok && asset_staging_open(work->destination, message->job,
                                                      message->epoch, &opened.now_ns, failure) == 0)
        err_clear(failure);
    opened.code = failure->code;
    opened.message = bytes_text(failure->text);
    *answer = (struct envelope){.message = {.kind = MSG_opened, .opened = opened}};
    return 0;
}

int mover_grant(struct mover_work *work, const struct envelope *task, struct envelope *answer,
                struct err *err)
{
    const struct msg_grant *message = &task->message.grant;
    struct token first = {message->job, message->epoch, message->first};
    struct msg_granted granted = {.job = message->job,
                                  .epoch = message->epoch,
                                  .sequence = message->sequence,
                                  .first = message->first,
                                  .count = message->count};
    struct err *failure = &work->lane->answer;
    int rc = 0;

    *failure = work->unreachable;
    if (message->first == 0 || message->count > GRANT_MAX ||
        message->first > UINT32_MAX - message->count) {
        rc = err_set(err, ERR_Protocol, "a grant of %u tokens from %u", message->count,
                     message->first);
        *failure = *err;
    } else if (failure->code == ERR_Ok) {
        /* before the directories exist: nothing can have been published with them */
        granted.now_ns = asset_now_ns(work->destination);
        if (asset_grant(work->destination, &first, message->count, failure) == 0)
            err_clear(failure);
    }
    granted.code = failure->code;
    granted.message = bytes_text(failure->text);
    *answer = (struct envelope){.message = {.kind = MSG_granted, .granted = granted}};
    return rc;
}

int mover_revoke(struct mover_work *work, const struct envelope *task, struct envelope *answer,
                 struct err *err)
{
    const struct msg_revoke *message = &task->message.revoke;
    struct token token = {message->job, message->epoch, message->sequence};
    struct msg_revoked revoked = {.job = message->job,
                                  .epoch = message->epoch,
                                  .sequence = message->sequence,
                                  .request = message->request};
    struct err *failure = &work->lane->answer;
    bool clean = false;

    (void)err;
    *failure = work->unreachable;
    if (failure->code == ERR_Ok && asset_revoke(work->destination, &token, &clean, failure) == 0)
        err_clear(failure);
    revoked.clean = failure->code == ERR_Ok && clean;
    revoked.code = failure->code;
    revoked.message = bytes_text(failure->text);
    *answer = (struct envelope){.message = {.kind = MSG_revoked, .revoked = revoked}};
    return 0;
}
