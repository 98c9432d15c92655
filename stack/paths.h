/* paths.h: paths as people type them, made real. */
#ifndef SYNCLINE_STACK_PATHS_H
#define SYNCLINE_STACK_PATHS_H

#include "base/err.h"
#include "base/types.h"

/* The absolute path without symbolic links, "." and ".." of what is there, and the rest of `path`,
 * which need not exist, behind it. NotFound only if there is not even a working directory. The
 * caller frees. */
int path_resolve(const char *path, char **out, struct err *err);

/* "<a>/<b>". The caller frees. */
char *path_below(const char *directory, const char *name);

/* The parent of an absolute path ("/" of "/"). The caller frees. */
char *path_parent(const char *path);

/* The value as a quoted word of a configuration file: 'don''t'. The caller frees. */
char *path_quote(const char *value);

#endif
