/* labels.h: names (definition_name_is_valid) and labels, with the rules of Kubernetes. Pure. */
#ifndef SYNCLINE_CONF_LABELS_H
#define SYNCLINE_CONF_LABELS_H

#include "base/types.h"

#define LABELS_MAX 64u /* of one definition */

/* "team", "example.org/team": 1 to 63 of A-Z, a-z, 0-9, -, _ and ., letters and digits at both
 * ends; in front of a slash, if there is one, a DNS name of up to 253. */
bool label_key_is_valid(const char *key);
/* "", or as the last part of a key. */
bool label_value_is_valid(const char *value);

#define NAME_RULE "1 to 63 of a-z, 0-9 and -, with letters or digits at both ends"
#define LABEL_KEY_RULE                                                                             \
    "1 to 63 of A-Z, a-z, 0-9, -, _ and ., with letters or digits at both ends; in front may be "  \
    "a DNS name and a slash"
#define LABEL_VALUE_RULE                                                                           \
    "up to 63 of A-Z, a-z, 0-9, -, _ and ., with letters or digits at both ends"

#endif
