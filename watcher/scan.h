/* scan.h: the comparison of one shard: everything below its root, but for the subtrees that are
 * shards of their own, as a stream of found, split and scanned.
 *
 * What is counted: each entry below the shard's root once, in the shard that lists its parent
 * directory. The root of a shard is an entry of its parent's; the root of the source is never
 * counted. In each message:
 *
 *     scanned = unchanged + items
 *
 * where links and waiting puts, which are listed for the close, are items, and names of removals
 * are not. An inventory compares nothing: its names are what it scanned.
 *
 * An entry that vanishes while it is compared, that is a mount point, or that the filters leave
 * out, is not counted. One path is one item, with a single exception: a subdirectory whose listing
 * broke off in the middle (an I/O error, another directory in its place) was announced already, and
 * is announced again as a refusal, counted again. */
#ifndef SYNCLINE_WATCHER_SCAN_H
#define SYNCLINE_WATCHER_SCAN_H

#include "bare.h"
#include "compare.h"
#include "emit.h"

#include "base/filter.h"

struct scan_request {
    struct token token;
    struct asset *source;
    struct asset *destination;
    struct bytes path;              /* root of the shard */
    const struct bytes *handed_off; /* paths of subtrees that are not entered */
    u32 handed_off_count;
    struct compare_rules rules;
    struct bare_set *bare;    /* what is known to have no extras, and learned; or NULL */
    const struct bytes *only; /* what is compared, with parents and what is below; none = all */
    u32 only_count;
    const struct filter *filter; /* what it does not take is not there, on either side; or NULL */
    u32 flags;                   /* bits of SCAN_… */
};

/* Compares, and ends with `scanned` as the last message unless the sink said stop. Returns the
 * number of the last message. Borrows everything for the time of the call. */
u32 scan_shard(const struct scan_request *request, const struct scan_sink *sink);

/* Why a scan could not begin: sends a `scanned` with that code, the only message. Returns its
 * number. */
u32 scan_refuse(const struct token *token, const struct scan_sink *sink, const struct err *err);

#endif
