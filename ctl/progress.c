/* progress.c: see progress.h. The bar's length is of bytes where there are any, else of items;
 * while the scan is still going nobody knows the whole, so the numbers say "at least" and no bar
 * promises an end. */
#include "ctl/progress.h"

#include "ctl/grid.h"
#include "ctl/job_json.h"
#include "ctl/show.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define BAR_WIDTH 20
#define BAR_EVERY_MS 100
#define LINE_EVERY_MS 2000
#define JSON_EVERY_MS 1000
#define RATE_SPAN_S 3.0 /* the average looks back about this far */
#define RATE_STEP_MS 100

int progress_mode(const char *text, bool quiet, enum progress_mode *out, struct err *err)
{
    static const char *const names[] = {"none", "bar", "plain", "json"};

    *out = !quiet && isatty(STDERR_FILENO) ? PROGRESS_BAR : PROGRESS_NONE;
    if (!text || strcmp(text, "auto") == 0)
        return 0;
    for (u32 i = 0; i < COUNT_OF(names); i++)
        if (strcmp(text, names[i]) == 0) {
            *out = (enum progress_mode)i;
            return 0;
        }
    return err_set(err, ERR_Usage, "--progress is one of auto, bar, plain, json, none, not '%.40s'",
                   text);
}

static s64 value(const struct counters *counters, enum counter which)
{
    return counters->value[which];
}

s64 progress_items_ended(const struct counters *counters)
{
    return value(counters, COUNTER_unchanged) + value(counters, COUNTER_moved) +
           value(counters, COUNTER_linked) + value(counters, COUNTER_attributes) +
           value(counters, COUNTER_changed) + value(counters, COUNTER_vanished) +
           value(counters, COUNTER_failed);
}

void progress_rate_update(struct progress_rate *rate, const struct progress_state *state)
{
    s64 bytes = value(&state->counters, COUNTER_bytes_moved),
        items = progress_items_ended(&state->counters);
    s64 past_ms = state->now_ms - rate->at_ms;
    double weight, seconds;

    if (rate->at_ms != 0 && past_ms < RATE_STEP_MS)
        return;
    if (rate->at_ms != 0) {
        seconds = (double)past_ms / 1000;
        /* the longer since the last measurement, the more this one counts; the first counts whole
         */
        weight = rate->known ? seconds / (seconds + RATE_SPAN_S) : 1;
        rate->bytes_per_s += weight * ((double)(bytes - rate->bytes) / seconds - rate->bytes_per_s);
        rate->items_per_s += weight * ((double)(items - rate->items) / seconds - rate->items_per_s);
        rate->known = true;
    }
    rate->at_ms = state->now_ms;
    rate->bytes = bytes;
    rate->items = items;
}

/* How many items there are, as far as is known: some counters are told later than others. */
static s64 items_known(const struct counters *counters)
{
    s64 scanned = value(counters, COUNTER_scanned), ended = progress_items_ended(counters);
    s64 sorted = value(counters, COUNTER_unchanged) + value(counters, COUNTER_found);

    scanned = sorted > scanned ? sorted : scanned;
    return ended > scanned ? ended : scanned;
}

double progress_fraction(const struct progress_state *state)
{
    s64 found = value(&state->counters, COUNTER_bytes_found), all = items_known(&state->counters);
    double part = -1;

    if (!state->scan_complete)
        return -1;
    if (found > 0)
        part = (double)value(&state->counters, COUNTER_bytes_moved) / (double)found;
    else if (all > 0)
        part = (double)progress_items_ended(&state->counters) / (double)all;
    return part > 1 ? 1 : part;
}

static void append_rest(const struct progress_state *state, const struct progress_rate *rate,
                        double part, struct buf *out)
{
    s64 found = value(&state->counters, COUNTER_bytes_found),
        moved = value(&state->counters, COUNTER_bytes_moved);

    show_count(out, progress_items_ended(&state->counters));
    buf_append_text(out, state->scan_complete ? " of " : " of at least ");
    show_count(out, items_known(&state->counters));
    buf_append_text(out, " items");
    if (found > 0) {
        buf_append_text(out, "  ");
        show_bytes(out, moved);
    }
    if (rate->known && found > 0) {
        buf_append_text(out, "  ");
        show_bytes(out, rate->bytes_per_s > 0 ? (s64)rate->bytes_per_s : 0);
        buf_append_text(out, "/s");
    }
    if (part >= 0 && part < 1 && rate->known && rate->bytes_per_s > 1 && found > moved) {
        buf_append_text(out, "  about ");
        show_duration(out, (s64)((double)(found - moved) / rate->bytes_per_s * 1000));
    }
    if (value(&state->counters, COUNTER_failed) > 0) {
        buf_append_text(out, "  failed ");
        show_count(out, value(&state->counters, COUNTER_failed));
    }
}

void progress_line(const struct progress_state *state, const struct progress_rate *rate, u32 width,
                   struct buf *out)
{
    double part = progress_fraction(state);
    struct buf line = {0};

    buf_append_text(&line, phase_name(state->phase));
    if (state->waiting_for && state->waiting_for[0])
        buf_printf(&line, " (waiting for %s)", state->waiting_for);
    buf_append_text(&line, "  ");
    if (part >= 0) {
        int full = (int)(part * BAR_WIDTH);

        buf_append_text(&line, "[");
        for (int i = 0; i < BAR_WIDTH; i++)
            buf_append_text(&line, i < full ? "=" : i == full ? ">" : " ");
        buf_printf(&line, "] %3d%%  ", (int)(part * 100));
    }
    append_rest(state, rate, part, &line);
    if (width > 0)
        grid_cut(buf_text(&line), width, out);
    else
        buf_append(out, line.data, line.size);
    buf_release(&line);
}

static void append_count(struct buf *out, s64 count, const char *what, bool always)
{
    if (count == 0 && !always)
        return;
    buf_append_text(out, ", ");
    show_count(out, count);
    buf_printf(out, " %s", what);
}

void progress_summary(const struct job *job, struct buf *out)
{
    const struct counters *counters = &job->counters;
    s64 bytes = value(counters, COUNTER_bytes_moved);

    buf_printf(out, "%s: %s", job->name, phase_name(job->phase));
    if (job->reason && strcmp(job->reason, phase_name(job->phase)) != 0)
        buf_printf(out, ": %s", job->reason);
    buf_append_text(out, "\n  ");
    show_count(out, value(counters, COUNTER_scanned));
    buf_append_text(out, " scanned");
    append_count(out, value(counters, COUNTER_unchanged), "unchanged", true);
    append_count(out, value(counters, COUNTER_moved), "moved and proven", true);
    append_count(out, value(counters, COUNTER_linked), "linked", false);
    append_count(out, value(counters, COUNTER_attributes), "with new attributes", false);
    append_count(out, value(counters, COUNTER_removed), "removed", false);
    append_count(out, value(counters, COUNTER_extra), "at the destination only", false);
    append_count(out, value(counters, COUNTER_changed), "kept changing", false);
    append_count(out, value(counters, COUNTER_vanished), "vanished", false);
    append_count(out, value(counters, COUNTER_failed), "failed", true);
    buf_append_text(out, "\n  ");
    show_bytes(out, bytes);
    buf_append_text(out, " in ");
    show_duration(out, job->duration_ms);
    if (bytes > 0 && job->duration_ms > 0) {
        buf_append_text(out, " (");
        show_bytes(out, (s64)((double)bytes * 1000 / (double)job->duration_ms));
        buf_append_text(out, "/s)");
    }
    buf_append_text(out, "\n");
}

/* ---- on stderr ---- */

struct progress {
    enum progress_mode mode;
    struct progress_rate rate;
    s64 shown_ms;
    bool drawn;
};

struct progress *progress_new(enum progress_mode mode)
{
    struct progress *progress = memory_or_die(sizeof *progress);

    progress->mode = mode;
    return progress;
}

static void write_stderr(const struct buf *text)
{
    if (write(STDERR_FILENO, text->data, text->size) < 0)
        return; /* a terminal that is gone does not end the job */
}

static u32 terminal_width(void)
{
    struct winsize size;

    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col - 1u : 79;
}

static void append_json(const struct progress_state *state, const struct progress_rate *rate,
                        struct buf *out)
{
    json_t *json =
        json_pack("{s:s, s:s, s:b, s:o, s:I, s:I}", "job", state->job, "phase",
                  phase_name(state->phase), "scanComplete", state->scan_complete, "counters",
                  counters_to_json(&state->counters), "bytesPerSecond",
                  (json_int_t)rate->bytes_per_s, "itemsPerSecond", (json_int_t)rate->items_per_s);
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;

    buf_append_text(out, text ? text : "{}");
    free(text);
    json_decref(json);
}

void progress_show(struct progress *progress, const struct progress_state *state)
{
    static const s64 every[] = {0, BAR_EVERY_MS, LINE_EVERY_MS, JSON_EVERY_MS};
    struct buf line = {0};

    if (progress->mode == PROGRESS_NONE)
        return;
    progress_rate_update(&progress->rate, state);
    if (progress->shown_ms && state->now_ms - progress->shown_ms < every[progress->mode])
        return;
    progress->shown_ms = state->now_ms;
    if (progress->mode == PROGRESS_BAR)
        buf_append_text(&line, "\r");
    if (progress->mode == PROGRESS_JSON)
        append_json(state, &progress->rate, &line);
    else
        progress_line(state, &progress->rate, progress->mode == PROGRESS_BAR ? terminal_width() : 0,
                      &line);
    buf_append_text(&line, progress->mode == PROGRESS_BAR ? "\x1b[K" : "\n");
    progress->drawn = progress->mode == PROGRESS_BAR;
    write_stderr(&line);
    buf_release(&line);
}

void progress_destroy(struct progress **progress)
{
    if (!*progress)
        return;
    if ((*progress)->drawn) {
        struct buf clear = {0};

        buf_append_text(&clear, "\r\x1b[K");
        write_stderr(&clear);
        buf_release(&clear);
    }
    free(*progress);
    *progress = NULL;
}
