/* http.h: a small server for who watches: three pages to read, nothing to change. A thread for each
 * connection, few connections, little time, the oldest ends where there would be too many; nothing
 * of it touches the loop. */
#ifndef SYNCLINE_PLANNER_HTTP_H
#define SYNCLINE_PLANNER_HTTP_H

#include "base/buf.h"
#include "base/err.h"

struct http;

/* Fills the page; 0 = there is no such page, else its status. Called by several threads at once. */
typedef unsigned http_page(void *context, const char *path, struct buf *body, const char **type);

/* tcp://HOST:PORT or unix:/PATH, as config.h has checked it. Configuration, or what the kernel says
 * of the address. */
int http_start(const char *address, http_page *page, void *context, struct http **out,
               struct err *err);
/* Waits for the connections that are open, for which their time-out is the limit. */
void http_stop(struct http **http);

#endif
