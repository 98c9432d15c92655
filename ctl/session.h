/* session.h: which stack a command talks to, and its connections there. */
#ifndef SYNCLINE_CTL_SESSION_H
#define SYNCLINE_CTL_SESSION_H

#include "ctl/ctl.h"
#include "ctl/view.h"
#include "io/postgres.h"
#include "stack/stack.h"

enum session_need {
    SESSION_FIND,  /* StackDown if there is none */
    SESSION_START, /* one is started if there is none, and stops when the session is closed */
};

/* Zero-initialise; session_close releases all, also after a failed session_open. */
struct session {
    struct layout layout;
    char *database_url, *redis_url; /* redis_url may be NULL: no view */
    struct postgres *postgres;
    struct view *view; /* NULL if Redis cannot be reached */
    s64 view_tried_ms;
    int hold_fd; /* keeps a stack on demand up; -1 = none */
    bool embedded;
    bool own; /* it was started for this session */
};

int session_open(const struct ctl *ctl, enum session_need need, struct session *out,
                 struct err *err);
/* Only finds out where everything is, without connecting. */
int session_locate(const struct ctl *ctl, enum session_need need, struct session *out,
                   struct err *err);
void session_close(struct session *session);

/* Until Postgres tells of news (LISTEN), `ms` are over, or nobody wants to know any more. */
void session_pause(struct session *session, s64 ms);

/* Connects (again) to Postgres, and checks that the schema is this version's. */
int session_connect(struct session *session, struct err *err);
/* The view, connected (again) if need be, at most once a second; NULL if Redis is away. */
struct view *session_view(struct session *session);

#endif
