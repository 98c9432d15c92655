/* spec.h: the options of `sync` as the JSON of a synchronization's spec. Pure. */
#ifndef SYNCLINE_CTL_SPEC_H
#define SYNCLINE_CTL_SPEC_H

#include "ctl/options.h"

#include "base/buf.h"
#include "base/filter.h"

#include <jansson.h>

/* As they were typed; NULL or false where they were not. */
struct spec_options {
    struct option_list filters; /* exclude, include */
    const char *max_delete, *preserve, *durability, *hash;
    bool delete, checksum, dry_run;
};

/* {"filters": …, "delete": …, …} with what was given, and nothing else. Usage, or Configuration for
 * a pattern, with the option's name. The caller frees *out. */
int spec_make(const struct spec_options *options, char **out, struct err *err);

/* "- P" for --exclude P, "+ P" for --include P, appended. */
void spec_rule(const struct option_word *word, struct buf *out);

/* Adds the rules of the options, in order. Configuration, naming the option. */
int spec_add_options(const struct option_list *filters, struct filter *filter, struct err *err);
/* Adds the "filters" of a stored spec. Configuration. */
int spec_add_stored(const char *spec, struct filter *filter, struct err *err);

#endif
