/* watch.h: `status -w`. */
#ifndef SYNCLINE_CTL_WATCH_H
#define SYNCLINE_CTL_WATCH_H

#include "ctl/session.h"

/* The screen of a located session, until q or SIGINT. Returns the exit code. */
int status_watch(const struct ctl *ctl, struct session *session);

#endif
