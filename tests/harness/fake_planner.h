/* fake_planner.h: a scripted planner: expect this, send that. The worker under test is a process of
 * its own, the same test program started again with the argument "worker". */
#ifndef SYNCLINE_TESTS_HARNESS_FAKE_PLANNER_H
#define SYNCLINE_TESTS_HARNESS_FAKE_PLANNER_H

#include "base/random.h"
#include "io/bus.h"

#include <sys/types.h>

struct fake_planner {
    char directory[64];
    char endpoint[96];
    struct bus *bus;
    struct peer worker; /* who sent the last message */
    u8 incarnation[INCARNATION_BYTES];
    pid_t pid; /* of the worker; 0 = none */
};

void fake_planner_new(struct fake_planner *planner); /* a directory and an endpoint */
void fake_planner_bind(struct fake_planner *planner);
void fake_planner_unbind(struct fake_planner *planner); /* as if it died */
/* Ends the worker, if it still runs, and removes the directory. */
void fake_planner_destroy(struct fake_planner *planner);

/* Starts this program again as "worker --planner ENDPOINT --lanes LANES". */
void fake_planner_start_worker(struct fake_planner *planner, const char *lanes);
/* In that process, first: a test that failed must not leave it behind. */
void fake_planner_be_worker(void);
/* The worker's exit code; fails the test if it does not end in time. */
int fake_planner_await_exit(struct fake_planner *planner, s64 timeout_ms);

void fake_planner_send(struct fake_planner *planner, const struct message *message);
void fake_planner_send_frames(struct fake_planner *planner, const struct bytes *frames, u32 count);
/* The next message of this kind; others are skipped, but fail the test unless they are beats or
 * `or_kind`. Freed by delivery_destroy. */
struct delivery *fake_planner_expect(struct fake_planner *planner, u32 kind, u32 or_kind);
/* Fails the test if a message of this kind comes within the time. */
void fake_planner_expect_none(struct fake_planner *planner, u32 kind, s64 time_ms);
/* bind, start, hello, welcome. */
void fake_planner_ready(struct fake_planner *planner, const char *lanes);
void fake_planner_welcome(struct fake_planner *planner);

#endif
