/* filter.h: which names take part: ordered rules, the first that matches decides, what none matches
 * takes part. Pure.
 *
 *     + PATTERN   takes part          - PATTERN   does not
 *
 * A pattern without a slash is matched against the last component, at any depth; with a slash
 * inside or in front it is anchored at the root of the tree; a slash at the end: directories only.
 * In it:
 *     *    any bytes but a slash          **   any bytes, slashes too
 *     ?    one byte but a slash           [a-z] [!a-z]   one byte of these, of none of these
 *     \c   the byte c itself              [^a-z]         the same as [!a-z]
 * `dir/` + `**` + `/x` also matches `dir/x`: a `**` between slashes stands for any number of
 * directories, none included. What is below a directory that does not take part is never looked at,
 * as in rsync; a rule that would take it back has no effect. */
#ifndef SYNCLINE_BASE_FILTER_H
#define SYNCLINE_BASE_FILTER_H

#include "base/err.h"
#include "base/types.h"

#define FILTER_RULES_MAX 1024u
#define FILTER_RULE_BYTES 4096u

struct filter; /* opaque */

struct filter *filter_new(void);
void filter_destroy(struct filter **filter);
/* Adds "- *.tmp"; Configuration, with the position and the reason, for what is no rule. Copies. */
int filter_add(struct filter *filter, struct bytes rule, struct err *err);
u32 filter_count(const struct filter *filter);
/* Does `path` take part, given that its parents do? *rule (may be NULL) gets the index of the rule
 * that decided, UINT32_MAX if none did. A filter that is NULL takes all. */
bool filter_takes(const struct filter *filter, struct bytes path, bool directory, u32 *rule);
/* The same, asked of each parent first: what happens to `path` in a scan. *prefix (may be NULL)
 * gets the size of the part of `path` that the rule matched. */
bool filter_takes_deep(const struct filter *filter, struct bytes path, bool directory, u32 *rule,
                       size_t *prefix);
/* The text of a rule, as it was added. Borrowed. */
struct bytes filter_rule(const struct filter *filter, u32 index);

#endif
