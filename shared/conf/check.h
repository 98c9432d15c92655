/* check.h: fields that are right by themselves and do not go together. Pure. */
#ifndef SYNCLINE_CONF_CHECK_H
#define SYNCLINE_CONF_CHECK_H

#include "conf/conf.h"

/* Calls `report` for each contradiction in `spec`, with the path of the field to blame. A field
 * that is null (it has a fault of its own) contradicts nothing. */
void contradictions_find(enum definition_kind kind, const json_t *spec,
                         void (*report)(void *context, const char *path, const char *text),
                         void *context);

#endif
