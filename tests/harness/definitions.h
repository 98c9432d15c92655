/* definitions.h: definitions as anybody might write them, at random, each right. */
#ifndef SYNCLINE_TESTS_DEFINITIONS_H
#define SYNCLINE_TESTS_DEFINITIONS_H

#include "conf/conf.h"

/* Fields of the table with values of their types; texts have whatever YAML might stumble over.
 * definition_check is content with it. */
json_t *any_spec(enum definition_kind kind, u64 *state);
json_t *any_labels(u64 *state);
void any_name(u64 *state, char out[DEFINITION_NAME_MAX + 1]);

#endif
