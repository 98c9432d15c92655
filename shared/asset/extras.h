/* extras.h: what drivers share about extended attributes and access control lists ("extras"): which
 * of them travel, and how two frames of them differ. Pure. */
#ifndef SYNCLINE_ASSET_EXTRAS_H
#define SYNCLINE_ASSET_EXTRAS_H

#include "base/buf.h"
#include "base/err.h"
#include "base/states.h"
#include "base/types.h"

#define EXTRAS_ACL "system.posix_acl_access"
#define EXTRAS_DEFAULT_ACL "system.posix_acl_default"
#define EXTRAS_CAPABILITY "security.capability"

/* The bit of NOT_KEPT_… that speaks of an attribute of this name; 0 for one that never travels:
 * labels and hashes of security modules are the business of the host that they are on. */
u32 extras_bit(struct bytes name);
/* True if `preserve` covers it and a process may set it: `privileged` or not. */
bool extras_travels(struct bytes name, u32 preserve, bool privileged);

/* Called for each difference, in order of name: `value` is NULL for one that is to be removed. -1
 * ends it. */
typedef int extras_change(void *context, struct bytes name, const struct bytes *value,
                          struct err *err);
/* What makes the frame `from` the frame `to`. Protocol for a frame that cannot be read. */
int extras_difference(struct bytes from, struct bytes to, extras_change *change, void *context,
                      struct err *err);

/* Appends a frame of those records that travel (`which` true) or of the others. */
int extras_select(struct bytes frame, u32 preserve, bool privileged, bool which, struct buf *out,
                  struct err *err);
/* Appends a frame of the records of both, which have no name in common. */
int extras_merge(struct bytes a, struct bytes b, struct buf *out, struct err *err);

/* The permission bits that the owning group has by the value of an access control list (0 … 7), or
 * -1: with such a list, the group's bits of the mode are its mask and may be more than that. */
int extras_group_mode(struct bytes acl);

#endif
