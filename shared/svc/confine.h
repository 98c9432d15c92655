/* confine.h: a worker gives up what it never needs, before it does anything (Landlock).
 *
 * SYNCLINE_ROOTS names the directories that workers may use. With them, a mover can read and write
 * below each, a watcher or verifier can read below each, and neither can open anything else but
 * what a process needs to live: /proc, the resolver's files, shared libraries, the names in the
 * planners' run directory. Without them, a watcher or verifier can read all that its user may read
 * and make, open for writing, rename or remove nothing. No worker can execute a program, nor can
 * what it might start gain a privilege (no_new_privs).
 *
 * Landlock says nothing of mode, owner, times and extended attributes: that these stay within the
 * roots is the business of the walk (asset/dir/walk.c). */
#ifndef SYNCLINE_SVC_CONFINE_H
#define SYNCLINE_SVC_CONFINE_H

#include "base/err.h"
#include "base/states.h"
#include "base/types.h"

/* "/a:/b": absolute paths. Pure. */
bool roots_are_valid(const char *roots);
/* The same, and each is a directory that is there. NULL is none. Configuration. */
int roots_check(const char *roots, struct err *err);

/* Once, before the process has a second thread: this one and its later children are confined.
 * `roots` may be NULL; each must be a directory that is there. `planner` is the list of endpoints.
 * A kernel without Landlock is no error: one log line says so. Configuration, Internal. */
int confine_start(enum role role, const char *roots, const char *planner, struct err *err);

/* AccessDenied if what the address names lies outside of the roots, by a text that says so. 0 also
 * for what is not there, or is not of this machine's filesystems. Any thread. */
int confine_check(const char *address, struct err *err);

#endif
