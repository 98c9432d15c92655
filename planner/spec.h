/* spec.h: the options of a job, from the JSON of its row (job.spec):
 *
 *     {"filters": ["- *.tmp"], "delete": {"enabled": true, "max": "10%"}, "compare": "checksum",
 *      "verify": {"hash": "sha256"}, "preserve": ["mode", "times"], "durability": "strict",
 *      "run": {"dryRun": true, "verify": true, "repair": true, "only": "s-1", "plan": "s-2"}}
 *
 * What is not given has its default. A field that is not known here, or has a value that does not
 * fit, is refused: an option that is silently ignored could be the one that mattered. Pure. */
#ifndef SYNCLINE_PLANNER_SPEC_H
#define SYNCLINE_PLANNER_SPEC_H

#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/states.h"

struct spec {
    enum hash_kind hash;
    enum durability durability;
    u32 preserve;     /* bits of PRESERVE_… */
    bool checksum;    /* compare content where size and time are equal */
    struct buf rules; /* body frame of `rule` records: filters, in order */
    bool delete_enabled;
    u64 delete_max;     /* names; UINT64_MAX = not given */
    u32 delete_percent; /* of the entries at the destination; UINT32_MAX = not given */
    bool dry_run, verify, repair;
    char *only; /* the job whose failed items this one is about; NULL = all of the tree */
    char *plan; /* the dry run that says what is done; NULL = whatever differs */
};

/* Configuration, with the name of the field, where the JSON does not fit; *out then has defaults.
 * Release it in any case. */
int spec_parse(const char *json, struct spec *out, struct err *err);
void spec_release(struct spec *spec);
/* Bits of SCAN_… for its scans. */
u32 spec_scan_flags(const struct spec *spec);

#endif
