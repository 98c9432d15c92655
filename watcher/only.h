/* only.h: a scan of some paths: those that are listed, the directories above them, and what is
 * below them. Pure. */
#ifndef SYNCLINE_WATCHER_ONLY_H
#define SYNCLINE_WATCHER_ONLY_H

#include "shards.h"

/* Does a path take part, where only those of the set do? An empty set takes all. */
bool only_takes(const struct shards_set *only, struct bytes path);

#endif
