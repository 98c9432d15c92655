/* bare.h: objects of which this process knows that they have no extended attributes and no access
 * control lists, so that they need not be asked again.
 *
 * What is known is known of an object as it was at one change time. Where each change of attributes
 * gives an object another one (asset.h: dated_device), the same object with the same change time
 * has none still; one that gained some is another, and is asked. An object whose change time is not
 * well past is not taken in, as two changes may then share it; nor is one whose change time is of
 * whole seconds: where they are counted so, a clock that is set back brings each of them again.
 *
 * Bounded: the set is of BARE_SLOTS objects, what is not in it is asked. Any lane may use it at any
 * time. */
#ifndef SYNCLINE_WATCHER_BARE_H
#define SYNCLINE_WATCHER_BARE_H

#include "asset/asset.h"

#define BARE_SLOTS (1u << 21) /* 16 MiB, touched as they are filled */
/* A change time must be older than this: clocks of filesystems have a grain. */
#define BARE_SETTLED_NS (2 * NS_PER_S)

struct bare_set; /* opaque */

struct bare_set *bare_new(void);
void bare_destroy(struct bare_set **set);
/* Takes in that the object has nothing of what `which` (bits of PRESERVE_…) speaks of. It was asked
 * after `attributes` were, and not before `now_ns` by the clock of its asset. */
void bare_add(struct bare_set *set, const struct attributes *attributes, u32 which, s64 now_ns);
/* Is that known of the object as it is? */
bool bare_has(const struct bare_set *set, const struct attributes *attributes, u32 which);

#endif
