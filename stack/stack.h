/* stack.h: the embedded stack as the command sees it: start it, find it, change it, end it. */
#ifndef SYNCLINE_STACK_STACK_H
#define SYNCLINE_STACK_STACK_H

#include "base/err.h"
#include "stack/layout.h"
#include "stack/state.h"

/* The check of everything that can be checked before something is made: programs, paths, rights. */
int stack_check(const struct layout *layout, struct err *err);

/* Starts a detached supervisor and waits until all is ready. On failure `tail` (may be NULL) gets
 * the last lines of the log that explains it. StackUp if there is one already. `stop` is looked at
 * while waiting: if it becomes true the start is given up with Cancelled. */
struct buf;
int stack_start(const struct layout *layout, const struct stack_counts *wanted, bool on_demand,
                const volatile int *stop, struct buf *tail, struct err *err);

/* The running stack's state; StackDown if there is none. */
int stack_look(const struct layout *layout, struct stack_state *out, struct err *err);

/* Connects to the running stack, waits until it is ready (or StackDown) and holds it: while the
 * descriptor is open, a stack that was started on demand does not end. */
int stack_hold(const struct layout *layout, const volatile int *stop, int *fd,
               struct stack_state *out, struct err *err);

/* Lets go of a held stack; if that ends it, waits for its end. Closes the descriptor and sets it to
 * -1. */
void stack_release(int *fd);

/* Changes a count, and waits until it is so. */
int stack_scale(const struct layout *layout, enum role role, u32 count, struct err *err);

/* Ends the stack, and waits for it. StackDown if there is none. */
int stack_stop(const struct layout *layout, struct err *err);

#endif
