/* settle.c: settle: one syncfs for all that this host wrote to the destination until now. The
 * answer says how old the descriptor is: an error of write-back is reported only to one that is
 * older than the write, so that the planner counts no younger one. */
#include "mover/mover.h"

int mover_settle(struct mover_work *work, const struct envelope *task, struct envelope *answer,
                 struct err *err)
{
    const struct msg_settle *message = &task->message.settle;
    struct msg_settled settled = {
        .job = message->job, .epoch = message->epoch, .sequence = message->sequence};
    struct err *failure = &work->lane->answer;

    (void)err; /* a settle has nothing that could be refused */
    *failure = work->unreachable;
    if (failure->code == ERR_Ok && asset_settle(work->destination, failure) == 0)
        err_clear(failure);
    settled.code = failure->code;
    settled.message = bytes_text(failure->text);
    settled.opened_ns = work->destination ? work->destination->opened_ns : 0;
    *answer = (struct envelope){.message = {.kind = MSG_settled, .settled = settled}};
    return 0;
}
