/* supervisor_internal.h: what supervisor.c and supervisor_children.c share. */
#ifndef SYNCLINE_STACK_SUPERVISOR_INTERNAL_H
#define SYNCLINE_STACK_SUPERVISOR_INTERNAL_H

#include "stack/child.h"
#include "stack/control.h"
#include "stack/supervisor.h"

enum stack_phase { PHASE_SERVICES, PHASE_PLANNERS, PHASE_WORKERS, PHASE_READY, PHASE_STOPPING };

struct supervisor {
    const struct layout *layout;
    struct supervisor_options options;
    struct programs programs;
    struct stack_counts wanted;
    struct child **children;
    u32 child_count;
    struct control control;
    enum stack_phase phase;
    s64 deadline_ms; /* of the start */
    s64 ready_ms;    /* when it was ready */
    s64 housekeeping_ms;
    char *urls[3]; /* NAME=value for the roles */
    int lock_fd, signal_fd;
    bool stop;
    bool changed;   /* stack.json is to be written */
    char blame[32]; /* whose log explains a failed start */
};

/* Adds children of roles first..last up to the wanted counts; asks those beyond to end. */
void children_adjust(struct supervisor *supervisor, u32 first, u32 last);
/* Starts those that are due, looks which are ready, kills those that do not end. */
void children_tick(struct supervisor *supervisor);
/* Reaps every child that has ended. */
void children_reap(struct supervisor *supervisor);
/* All wanted children of roles first..last are ready. */
bool children_ready(const struct supervisor *supervisor, u32 first, u32 last);
/* Services answer. */
bool services_ready(const struct supervisor *supervisor);
/* Workers, planners, Redis, Postgres: each group asked, awaited, killed after its grace. */
void children_end(struct supervisor *supervisor);
/* One that died too often for the start to succeed, or NULL. */
const struct child *children_hopeless(const struct supervisor *supervisor);
/* Milliseconds until something is due. */
s64 children_next_ms(const struct supervisor *supervisor);
void children_add(struct supervisor *supervisor, struct child *child);

#endif
