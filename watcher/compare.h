/* compare.h: what must happen to one path, from what is known of it on both sides. Pure. */
#ifndef SYNCLINE_WATCHER_COMPARE_H
#define SYNCLINE_WATCHER_COMPARE_H

#include "asset/asset.h"

/* What both assets and the process can do; what they cannot is no difference. */
struct compare_rules {
    s64 put_again_since_ns; /* destination objects with a ctime not older are put; 0 = none */
    bool owners;            /* are kept, both assets have them, and who moves is able to set them */
    bool modes;             /* are kept, and both assets have permission bits */
    bool times;             /* are kept; else a destination that is not older is equal */
    bool nodes;             /* both assets have FIFOs and devices */
    bool links;             /* several names of one object stay so, and both assets can have them */
    u32 extras;             /* PRESERVE_xattrs, PRESERVE_acls: those that both assets have */
};

struct compare_decision {
    u32 operation; /* enum operation; 0 = equal */
    u32 flags; /* item flags: ITEM_REPLACES with a put, the code above ITEM_CODE_SHIFT of a refusal
                */
    bool targets; /* both are links that look equal: the targets decide (compare_targets) */
    /* a directory is where something else is to be: a put, if what is in it can make way */
    bool over_directory;
};

/* `destination` is NULL if there is no such name. ITEM_REPLACES: with a put, a new copy takes the
 * place of an old one, which must not be lost in a power cut; with a directory, it takes the place
 * of something else. */
struct compare_decision compare_objects(const struct attributes *source,
                                        const struct attributes *destination,
                                        const struct compare_rules *rules);

/* The decision for two objects that are equal but for their extended attributes or access control
 * lists. */
struct compare_decision compare_extras(const struct attributes *source,
                                       const struct attributes *destination);

/* Is it dealt with in the close, with the other names of the same object? */
bool compare_is_linked(const struct attributes *source, const struct compare_rules *rules);

/* The decision for two links of which `targets` was set. */
struct compare_decision compare_targets(struct bytes source, struct bytes destination);

/* A put where something of that name may be there, though it could not be compared. */
struct compare_decision compare_put_blindly(void);

/* OPERATION_refuse for this reason (ERR_Ok is not one). */
struct compare_decision compare_refuse(enum err_code code);

#endif
