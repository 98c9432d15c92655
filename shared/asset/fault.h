/* fault.h: another asset that fails on purpose.
 *
 *     fault:KEY=VALUE,…;ADDRESS        for example  fault:seed=7,corrupt=3;dir:/data/photos
 *
 * All options may be left out (`fault:;dir:/x` fails never). Values are decimal. Numbers count in
 * one process, over all its opens of the same address, so that a retry meets the next number and
 * not the first one again; with the same seed and the same calls in the same order the same things
 * happen.
 *
 *     seed=S                 where the places of corruption and the sizes of short reads come from
 * (1) delay_ms=N             each read of a file answers after N ms short_reads=1          each
 * read is made of several small ones of the wrapped asset; what the caller gets is whole, as
 * asset.h promises corrupt=N              in the first N staged regular files that have content a
 * byte is changed after all was written: the version that is given is of the changed copy, so that
 * only reading it back finds it read_error=N           every Nth read of a file, source or staged,
 * fails with IoError write_error=N          every Nth write of a staged file fails with IoError
 *     list_error=N           every Nth entry of a listing is an IoError instead
 *     settle_error=N         the first N settles fail with SettleFailed
 *     enospc_after=BYTES     when so many bytes were staged, writes fail with NoSpace
 *     stop_before_publish=N  the process sends itself SIGSTOP right before the rename of its Nth
 * publish, when the staged copy was checked and has its attributes already; whoever sends SIGCONT
 * lets it go on with that rename. Hard links count, and removals, which are a rename too;
 * directories do not crash_before_publish=N the same with SIGKILL
 *     hang_check=1           whoever checks whether it can be read or written waits for ever
 *
 * An unknown key, a value that is no number or a missing ADDRESS is ERR_Configuration and says
 * where. The wrapped address may be a fault: itself. Capabilities, identity and place are the
 * wrapped asset's. */
#ifndef SYNCLINE_ASSET_FAULT_H
#define SYNCLINE_ASSET_FAULT_H

#include <pthread.h>

#include "asset/asset.h"

/* X(name, default) */
#define FAULT_OPTIONS(X)                                                                           \
    X(seed, 1)                                                                                     \
    X(delay_ms, 0)                                                                                 \
    X(short_reads, 0)                                                                              \
    X(corrupt, 0)                                                                                  \
    X(read_error, 0)                                                                               \
    X(write_error, 0)                                                                              \
    X(list_error, 0)                                                                               \
    X(settle_error, 0)                                                                             \
    X(enospc_after, 0)                                                                             \
    X(stop_before_publish, 0)                                                                      \
    X(crash_before_publish, 0)                                                                     \
    X(hang_check, 0)

struct fault_options {
#define X(name, standard) u64 name;
    FAULT_OPTIONS(X)
#undef X
};

/* Reads "KEY=VALUE,…" up to the semicolon. *address gets what follows, borrowed from `rest`. */
int fault_parse(const char *rest, struct fault_options *out, const char **address, struct err *err);

/* What was counted so far for one address in this process; never freed, as numbers must not repeat.
 */
struct fault_counts {
    struct fault_counts *next;
    char *address;
    pthread_mutex_t mutex; /* all below */
    u64 random;
    u64 corrupted;
    u64 reads;
    u64 writes;
    u64 entries;
    u64 settles;
    u64 staged_bytes;
    u64 publishes;
};
struct fault_counts *fault_counts_of(const char *rest, u64 seed);

#endif
