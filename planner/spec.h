/* spec.h: the options of a job, from the JSON of its row (job.spec):
 *
 *     {"filters": ["- *.tmp"], "delete": {"enabled": true, "max": "10%"}, "compare": "checksum",
 *      "verify": {"hash": "sha256"}, "preserve": ["mode", "times"], "durability": "strict",
 *      "limits": {"bandwidth": "200MiB/s", "lanes": 8},
 *      "retry": {"attempts": 5, "backoff": "1s", "maxBackoff": "5m"},
 *      "run": {"dryRun": true, "verify": true, "repair": true, "only": "s-1", "plan": "s-2"}}
 *
 * These are the fields of schema/definitions.def, and `run`; when a plan comes is not looked at.
 * What is not given has its default. A field that is not known here, or has a value that does not
 * fit, is refused: an option that is silently ignored could be the one that mattered. Pure. */
#ifndef SYNCLINE_PLANNER_SPEC_H
#define SYNCLINE_PLANNER_SPEC_H

#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/states.h"

/* May change while the job runs. */
struct limits {
    u64 bandwidth; /* bytes of content a second, over all movers; 0 = none */
    u32 lanes;     /* tasks of movers at a time, over all movers; 0 = none */
};

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
    struct limits limits;
    u32 attempts;   /* of an item, and of a place that is full or away */
    s64 backoff_ms; /* before the second attempt; 0 = not given */
    s64 backoff_most_ms;
    char *only; /* the job whose failed items this one is about; NULL = all of the tree */
    char *plan; /* the dry run that says what is done; NULL = whatever differs */
};

/* Configuration, with the name of the field, where the JSON does not fit; *out then has defaults.
 * Release it in any case. */
int spec_parse(const char *json, struct spec *out, struct err *err);
void spec_release(struct spec *spec);
/* `limits` alone, as it stands in a spec; NULL or "" = none. Where it does not fit *out is as it
 * was. */
int spec_parse_limits(const char *json, struct limits *out, struct err *err);
/* Before an item's next attempt, after so many failed ones (from 1), and before that of a place. */
s64 spec_item_backoff_ms(const struct spec *spec, u32 failures);
s64 spec_place_backoff_ms(const struct spec *spec, u32 failures);
/* Bits of SCAN_… for its scans. */
u32 spec_scan_flags(const struct spec *spec);

#endif
