/* probe.h: are both ends of a synchronization fit for it? The same question goes to a watcher,
 * which reads both, and to a mover, which writes the destination; the answer is made here for both.
 *
 * Refusals, each with a text that says what, where, why and what to do:
 *   SourceMissing SourceNotADirectory SourceUnreadable
 *   DestinationMissing DestinationNotADirectory DestinationUnwritable
 *   SameDirectory Nested                        by the mount table, whatever the names
 *   SourceUnreachable AssetUnreachable          anything else that keeps the source, or the
 *                                               destination, from being used
 * A destination that is not there is made if `create` says so and nothing else is in the way; the
 * source never is.
 * Codes of the asset or of the moment, not of an item (Configuration, ReadOnly, NoSpace, IoError,
 * TooManyOpenFiles …), stay as they are. */
#ifndef SYNCLINE_SVC_PROBE_H
#define SYNCLINE_SVC_PROBE_H

#include "asset/asset.h"
#include "svc/worker.h"

/* Answers the task's `probe` with `probed`: the whole task. `writer`: the destination must be
 * writable (mover), else readable (watcher). */
void probe_answer(struct task *task, bool writer);

/* Answers the task's `probe_asset` with `asset_probed`: one asset, and whether it is fit for what
 * it is to be (probe_asset.c). */
void probe_asset_answer(struct task *task);

/* What is known of one asset. */
struct asset_findings {
    struct identity identity;
    u64 bytes_free, bytes_total; /* 0 and 0 = not known */
};
/* The check itself. `write`: as a destination, else as a source. `create`: one that is not there is
 * fit if it could be made; nothing is. Opens the asset anew, and closes it: one that is looked at
 * each minute must not be busy when somebody wants to unmount it. */
int probe_one(struct bytes address, bool write, bool create, struct asset_findings *out,
              struct err *err);

/* What a probe finds out about two assets. Zero-initialise; release with probe_findings_release. */
struct probe_findings {
    struct identity source_identity;
    struct identity destination_identity;
    struct buf source_place;
    struct buf destination_place;
};
void probe_findings_release(struct probe_findings *findings);

/* The check itself, of assets that are open. 0, or -1 with one of the refusals above; what was
 * found until then is filled in either way. */
int probe_assets(struct asset *source, struct asset *destination, bool writer,
                 struct probe_findings *out, struct err *err);

/* Turns the error of opening or using the asset at `address` into a refusal as above: its code, and
 * a text that says which end it is and what to do. Returns -1. */
enum probe_end { PROBE_SOURCE, PROBE_DESTINATION };
int probe_refuse(enum probe_end end, struct bytes address, struct err *err);
/* The code of an end that cannot be used, for whatever reason: it says which end it is. */
enum err_code probe_unreachable(enum probe_end end);

/* Is the asset still the directory that was probed when the job began? SourceChanged, or
 * AssetUnreachable of the destination, if another one is at its address by now: what an unmounted
 * source does not have is not absent. An empty identity is any. */
int probe_require(enum probe_end end, struct asset *asset, struct bytes identity, struct err *err);

/* The text of `err` as a text field of a message, which must be UTF-8: what is not is escaped into
 * `scratch`, which the result may borrow from (as it may from `err`). */
struct bytes probe_text(const struct err *err, struct buf *scratch);

#endif
