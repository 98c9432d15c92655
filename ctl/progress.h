/* progress.h: how a job goes, on stderr while it goes, and in three lines at its end. */
#ifndef SYNCLINE_CTL_PROGRESS_H
#define SYNCLINE_CTL_PROGRESS_H

#include "base/buf.h"
#include "base/err.h"
#include "base/states.h"
#include "store/jobs.h"

enum progress_mode { PROGRESS_NONE, PROGRESS_BAR, PROGRESS_PLAIN, PROGRESS_JSON };

/* What is known at one moment. */
struct progress_state {
    const char *job;
    enum phase phase;
    bool scan_complete;
    struct counters counters;
    const char *waiting_for; /* "" = nothing */
    s64 now_ms;              /* monotonic */
};

/* Moving average of bytes and items per second. Zero-initialise. */
struct progress_rate {
    s64 at_ms, bytes, items;
    double bytes_per_s, items_per_s;
    bool known;
};

/* "auto", "bar", "plain", "json", "none"; NULL = auto: a bar if stderr is a terminal, else nothing.
 */
int progress_mode(const char *text, bool quiet, enum progress_mode *out, struct err *err);

/* ---- pure ---- */
s64 progress_items_ended(const struct counters *counters);
/* 0 to 1, or -1 where the whole is not known. */
double progress_fraction(const struct progress_state *state);
void progress_rate_update(struct progress_rate *rate, const struct progress_state *state);
/* One line without newline, at most `width` columns (0 = as long as it wants). */
void progress_line(const struct progress_state *state, const struct progress_rate *rate, u32 width,
                   struct buf *out);
/* The end of a job for people; the last line is bytes over wall time. */
void progress_summary(const struct job *job, struct buf *out);

/* ---- on stderr ---- */
struct progress;
struct progress *progress_new(enum progress_mode mode);
/* Shows the state if it is time to. */
void progress_show(struct progress *progress, const struct progress_state *state);
/* Removes what is on the terminal. */
void progress_destroy(struct progress **progress);

#endif
