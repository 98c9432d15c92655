/* names.h: names and paths are bytes. Which ones are allowed in, and how they are shown to people.
 */
#ifndef SYNCLINE_BASE_NAMES_H
#define SYNCLINE_BASE_NAMES_H

#include "base/buf.h"
#include "base/types.h"

/* A single component: 1 to NAME_BYTES bytes, not "." or "..", no slash, no NUL. */
bool name_is_valid(struct bytes name);
/* A path relative to a root: "" (the root) or valid components joined by single slashes. */
bool path_is_valid(struct bytes path);
/* True if `path` is `ancestor` or below it, by whole components. */
bool path_is_within(struct bytes path, struct bytes ancestor);
/* Appends `parent`/`name` to `out` (just `name` where the parent is the root). */
void path_join(struct buf *out, struct bytes parent, struct bytes name);
/* Number of components; 0 for the root. */
u32 path_depth(struct bytes path);

/* For terminals and logs: printable UTF-8 stays, everything else becomes \n, \t, \\, \" or \xHH. */
void name_escape(struct buf *out, struct bytes name);
bool utf8_is_valid(struct bytes text);

#endif
