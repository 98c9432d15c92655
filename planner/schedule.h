/* schedule.h: the scheduler: times of plans become rows of table job, each once, however many
 * planners look. A thread of its own with a connection of its own, which sleeps until the next time
 * is due, somebody changed a plan, or a job ended.
 *
 * It keeps nothing that is not in Postgres but the zones of this host. What it started or skipped
 * comes back to the loop as TRUTH_SCHEDULE, which nobody posts, once it is committed. */
#ifndef SYNCLINE_PLANNER_SCHEDULE_H
#define SYNCLINE_PLANNER_SCHEDULE_H

#include "io/queue.h"

struct schedule;

/* Starts the thread. */
struct schedule *schedule_new(const char *database_url, const char *name, struct queue *answers);
/* Ends it. A transaction under way is undone or has been committed: both are fine. */
void schedule_destroy(struct schedule **schedule);

#endif
