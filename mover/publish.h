/* publish.h: a batch on its way into place; shared by publish.c (the batch) and place.c (an item).
 */
#ifndef SYNCLINE_MOVER_PUBLISH_H
#define SYNCLINE_MOVER_PUBLISH_H

#include "mover/mover.h"

struct publish {
    struct mover_work *work;
    const struct msg_publish *message;
    struct batch batch;
    struct rec_staged *staged; /* one for each item, borrowed from the lane */
    struct rec_proven *proven;
    u32 preserve; /* what of the message's the source can tell */
    struct asset_token *token;
    struct mover_directories directories;
    struct frame_writer rows;
    bool *touched;        /* by place in the dir body: something was published into it */
    bool *repeated;       /* by item: it is tried again */
    struct err blocked;   /* with a code: nothing of the batch can be published */
    struct err unsettled; /* with a code: what replaces content must not be published */
    u32 again;
};

/* Does what the item asks for. 0 with outcome, size, times and digest in the row; else the code is
 * what became of it. */
int publish_item(struct publish *publish, u32 index, struct rec_row *row, struct err *err);

#endif
