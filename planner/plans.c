/* plans.c: what became of times of plans, in the log and in the view. Their rows are committed. */
#include "planner/planner.h"

#include "base/clock.h"
#include "base/log.h"
#include "planner/schedule_parts.h"

static void log_note(const struct plan_note *note)
{
    char at[MOMENT_TEXT_SIZE];

    if (note->turn) /* that its time came was told then */
        return;
    moment_text(note->at_ms, at);
    if (note->phase == PHASE_Queued)
        log_write(LOG_INFO, note->job, EVENT_time_started, "plan=%s at=%s after_ms=%lld waits=%d",
                  log_text(note->plan), log_text(at), (long long)note->after_ms, note->waits);
    else
        log_write(LOG_WARN, note->job, EVENT_time_skipped, "plan=%s at=%s reason=%s message=%s",
                  log_text(note->plan), log_text(at), note->reason, log_text(note->message));
}

void plans_tell(struct planner *planner, const struct truth_request *answer)
{
    for (u32 i = 0; i < answer->plan_note_count; i++) {
        const struct plan_note *note = &answer->plan_notes[i];

        log_note(note);
        view_event(planner->view, note->job, phase_name(note->phase), note->message);
    }
}
