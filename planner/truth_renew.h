/* truth_renew.h: TRUTH_RENEW, in a thread and over a connection of its own: a long transaction of
 * the other one must not cost the leases of all jobs. For truth.c. */
#ifndef SYNCLINE_PLANNER_TRUTH_RENEW_H
#define SYNCLINE_PLANNER_TRUTH_RENEW_H

#include "planner/truth.h"

struct renewer;

/* Borrows all of it. */
struct renewer *renewer_new(const char *database_url, const char *name, struct queue *answers);
/* Ends the thread: nothing is renewed from here on. */
void renewer_stop(struct renewer *renewer);
/* After renewer_stop; posted requests come back with Stopped. */
void renewer_destroy(struct renewer **renewer);
/* Takes the request. */
void renewer_post(struct renewer *renewer, struct truth_request **request);
/* Whose leases: the planner's row in the session that holds its lock; 0 = there is no such session,
 * and renewals wait: who cannot write is to lose its jobs to who can. */
void renewer_set_planner(struct renewer *renewer, u64 planner);
/* False while Postgres cannot be reached. */
bool renewer_is_up(const struct renewer *renewer);

#endif
