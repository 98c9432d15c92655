/* unified.h: what differs between two texts, as `diff -u` shows it. Pure. */
#ifndef SYNCLINE_CTL_UNIFIED_H
#define SYNCLINE_CTL_UNIFIED_H

#include "base/buf.h"

/* Appends "--- <name>", "+++ <name>" and hunks with three lines of context; nothing if the texts
 * are equal. Each text ends with a newline or is empty. */
void unified_diff(const char *before_name, const char *before, const char *after_name,
                  const char *after, struct buf *out);

#endif
