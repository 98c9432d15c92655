/* definitions.h: assets and synchronizations in the truth, as operators define them: applied, read
 * back, listed, deleted. All that changes them is done between definitions_begin and
 * definitions_end, one command at a time. */
#ifndef SYNCLINE_STORE_DEFINITIONS_H
#define SYNCLINE_STORE_DEFINITIONS_H

#include "conf/conf.h"
#include "io/postgres.h"

/* A transaction that no other of this kind runs beside. Every later failure leaves it to
 * definitions_end(…, false, …), which is safe to call in any state. */
int definitions_begin(struct postgres *postgres, struct err *err);
int definitions_end(struct postgres *postgres, bool commit, struct err *err);

enum definition_change { DEFINITION_UNCHANGED, DEFINITION_CREATED, DEFINITION_CONFIGURED };
const char *definition_change_name(enum definition_change change); /* "unchanged", … */

const char *definition_word(enum definition_kind kind); /* "asset", "sync", "plan", "live" */

/* What becomes of one definition. */
struct definition_outcome {
    enum definition_change change;
    bool moved;            /* an asset that has another path now */
    json_t *labels, *spec; /* as they were; NULL of one that is new */
};

/* Writes all of them; *out: as many outcomes, in the same order, to be released in any case. What
 * is wrong with them goes to `faults` as lines "FILE:LINE: what; what to do": an asset that is not
 * there, a name that is taken or reserved, another kind, destinations that overlap, data that would
 * go round in a circle. With any, nothing is written, and the code is Configuration. `look`: the
 * caller will not commit, so what takes long is left out. ActiveJob: what a running job relies on
 * would change; *job is its name, and the caller frees it. */
int definitions_apply(struct postgres *postgres, const struct definitions *definitions, bool look,
                      struct definition_outcome **out, struct buf *faults, char **job,
                      struct err *err);
void definition_outcomes_release(struct definition_outcome **outcomes, u32 count);

/* Names are unique across the kinds of synchronization: which kind this one is. NotFound, with the
 * nearest name. */
int definitions_kind(struct postgres *postgres, const char *name, enum definition_kind *out,
                     struct err *err);

/* Appends the definition as it is in the truth; `file` is what faults will call it. NotFound, with
 * the nearest name. */
int definitions_load(struct postgres *postgres, enum definition_kind kind, const char *name,
                     const char *file, struct definitions *out, struct err *err);

/* Takes one out, with its jobs, or with what is known of its objects. NotFound; ActiveJob (and *job
 * as above); InUse, naming what refers to it, of which *user is the first, as KIND/NAME: the caller
 * frees it. */
int definitions_delete(struct postgres *postgres, enum definition_kind kind, const char *name,
                       char **job, char **user, struct err *err);

/* Rows of (name, JSON of the object as `get` prints it) of this kind, newest first. `name` NULL:
 * all; `adhoc`: those of `sync`, too. PQclear. */
int definitions_list(struct postgres *postgres, enum definition_kind kind, const char *name,
                     bool adhoc, u32 limit, PGresult **out, struct err *err);

/* In SQL: the run of the plan v that goes on, or the latest one; what was skipped is none. */
#define PLAN_LAST_RUN                                                                              \
    "(SELECT j.* FROM job j WHERE j.synchronization = v.id AND NOT j.waits"                        \
    "  AND j.phase <> 'Skipped' ORDER BY j.finished_at IS NULL DESC, j.number DESC LIMIT 1)"

/* NotFound: "there is no asset named NAME", with the nearest one there is, or as what it is. */
int definitions_none(struct postgres *postgres, enum definition_kind kind, const char *name,
                     struct err *err);

#endif
