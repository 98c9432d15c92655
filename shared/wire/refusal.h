/* refusal.h: why an item of OPERATION_refuse cannot be carried, in words: the same in a job and in
 * a dry run. */
#ifndef SYNCLINE_WIRE_REFUSAL_H
#define SYNCLINE_WIRE_REFUSAL_H

#include "base/err.h"
#include "wire/message.h"

/* Returns -1, always. The scan says why with a code in the flags; without one, the kind says it. */
int item_refuse(const struct rec_item *item, struct err *err);

#endif
