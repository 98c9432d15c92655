/* ending.c: see ending.h. */
#include "ctl/ending.h"

#include "ctl/job_json.h"
#include "ctl/kinds.h"
#include "ctl/progress.h"
#include "ctl/report.h"
#include "ctl/show.h"

#include <stdio.h>

/* The planner ends what it says of removals with what to type; here those are lines of their own.
 */
#define HELD_HINT "; look: "

static void print_next(const char *verb, const char *job, const char *option)
{
    fprintf(stderr, "  next: syncline %s %s%s\n", verb, job, option);
}

/* What to do about a job that failed in its middle. */
static const char *next_of(const struct job *job)
{
    static const struct {
        enum err_code reason;
        const char *next;
    } steps[] = {
        {ERR_NoSpace, "make room at the destination, then run it again"},
        {ERR_QuotaExceeded, "raise the quota or make room at the destination, then run it again"},
        {ERR_ReadOnly, "make the destination writable, then run it again"},
        {ERR_SettleFailed, "look for errors of the disk (dmesg), then run it again"},
    };

    for (u32 i = 0; i < COUNT_OF(steps) && job->phase == PHASE_Failed && job->reason; i++)
        if (strcmp(job->reason, err_name(steps[i].reason)) == 0)
            return steps[i].next;
    return NULL;
}

static void print_hints(const struct job *job)
{
    const char *next = next_of(job);
    const char *message = job->message && job->message[0] ? job->message : job->reason;
    const char *hint = message ? strstr(message, HELD_HINT) : NULL;
    int length = !message ? 0 : hint ? (int)(hint - message) : (int)strlen(message);

    if (job->phase == PHASE_Failed || job->phase == PHASE_Cancelled || job->phase == PHASE_Held)
        fprintf(stderr, "syncline: %s %s%s%.*s\n", job->name, phase_name(job->phase),
                message ? ": " : "", length, message ? message : "");
    if (next)
        fprintf(stderr, "  next: %s\n", next);
    if (job->phase == PHASE_Failed && job->counters.value[COUNTER_failed] > 0)
        print_next("report", job->name, " --only=failed");
    else if (job->phase == PHASE_Failed && !next)
        fprintf(stderr, "  next: syncline describe job/%s\n", job->name);
    if (job->phase == PHASE_Held && job->superseded_by) {
        fprintf(stderr, "  %s has taken its place\n", job->superseded_by);
    } else if (job->phase == PHASE_Held) {
        print_next("report", job->name, " --only=removed");
        print_next("approve", job->name, "");
    }
    if (job->phase == PHASE_CompletedWithErrors) {
        fprintf(stderr, "syncline: some items were not carried\n");
        print_next("report", job->name, " --only=failed");
    }
    if ((job->phase == PHASE_Succeeded && job->message && job->message[0]) ||
        (job->phase == PHASE_Skipped && message))
        fprintf(stderr, "%s: %.*s\n", job->name, length, message);
}

void ending_not_kept(const struct job *job)
{
    static const char *const what[NOT_KEPT_COUNT] = {
        "hard links", "extended attributes", "access control lists", "holes",
        "owner",      "capabilities"};
    json_t *counts = job->not_kept ? json_loads(job->not_kept, 0, NULL) : NULL;

    for (u32 bit = 0; bit < NOT_KEPT_COUNT; bit++) {
        u32 code = ERR_HardLinkNotKept + bit;
        s64 count = json_integer_value(json_object_get(counts, err_name(code)));
        struct buf text = {0};

        if (count <= 0)
            continue;
        show_count(&text, count);
        fprintf(stderr, "not kept: %s of %s object%s: %s\n", what[bit], buf_text(&text),
                count == 1 ? "" : "s", err_describe(code));
        buf_release(&text);
    }
    json_decref(counts);
}

int ending_report(const struct ctl *ctl, const struct job *job, bool json)
{
    if (json) {
        show_json(job_to_json(job), false);
    } else if (!ctl->common.quiet) {
        struct buf text = {0};

        progress_summary(job, &text);
        fputs(buf_text(&text), stdout);
        buf_release(&text);
    }
    fflush(stdout);
    if (!ctl->common.quiet)
        ending_not_kept(job);
    print_hints(job);
    return phase_exit_code(job->phase);
}

int ending_not_started(const struct err *err, const char *synchronization, const char *job)
{
    char next[200];

    if (err->code == ERR_NotFound)
        return ctl_fail(err, LIST_ANY_SYNC);
    if (err->code == ERR_Suspended) {
        snprintf(next, sizeof next, "syncline resume %s", synchronization);
        return ctl_fail(err, next);
    }
    if (err->code != ERR_ActiveJob || !job)
        return ctl_fail(err, NULL);
    snprintf(next, sizeof next, "syncline wait %s, or syncline cancel %s", job, job);
    return ctl_fail(err, next);
}

/* ---- a dry run ---- */

static bool has_result(const struct job *job)
{
    return job->phase == PHASE_Succeeded || job->phase == PHASE_CompletedWithErrors;
}

static void print_plan_summary(const struct job *job, u64 lines)
{
    struct buf text = {0};

    buf_printf(&text, "%s: %s, a dry run\n  ", job->name, phase_name(job->phase));
    show_count(&text, job->counters.value[COUNTER_scanned]);
    buf_append_text(&text, " scanned, ");
    show_count(&text, job->counters.value[COUNTER_unchanged]);
    buf_append_text(&text, " unchanged, ");
    show_count(&text, (s64)lines);
    buf_append_text(&text, lines == 1 ? " difference\n" : " differences\n");
    fputs(buf_text(&text), stderr);
    buf_release(&text);
}

int ending_plan(const struct ctl *ctl, struct session *session, const struct job *job, bool json,
                bool exit_code)
{
    int code = phase_exit_code(job->phase);
    struct err err;
    u64 lines;

    if (!has_result(job))
        return ending_report(ctl, job, json);
    if (report_plan(session, job, !json && !ctl->common.quiet, &lines, &err) < 0)
        return ctl_fail(&err, NULL);
    if (json)
        show_json(job_to_json(job), false);
    else if (!ctl->common.quiet)
        print_plan_summary(job, lines);
    print_hints(job);
    return code == EXIT_OK && exit_code && lines > 0 ? EXIT_DIFFERENT : code;
}

/* ---- a verification ---- */

struct findings {
    s64 rotten, drifted, missing, extra, repaired;
};

/* What was put again has a line that says what it was. */
static int count_findings(struct session *session, const struct job *job, struct findings *out,
                          struct err *err)
{
    static const char sql[] =
        "SELECT count(*) FILTER (WHERE found = 'rotten'), count(*) FILTER (WHERE found = "
        "'drifted'),"
        " count(*) FILTER (WHERE found = 'missing'), count(*) FILTER (WHERE found = 'extra'),"
        " count(*) FILTER (WHERE repaired) FROM (SELECT operation = 'repair' AND outcome = 'moved'"
        " AS repaired, CASE WHEN operation = 'repair' THEN substr(message, 5) ELSE outcome::text "
        "END"
        " AS found FROM item WHERE job = $1) i";
    struct parameter parameters[] = {parameter_s64(job->id)};
    PGresult *rows;

    if (postgres_query(session->postgres, sql, parameters, 1, &rows, err) < 0)
        return -1;
    *out = (struct findings){result_s64(rows, 0, 0), result_s64(rows, 0, 1), result_s64(rows, 0, 2),
                             result_s64(rows, 0, 3), result_s64(rows, 0, 4)};
    PQclear(rows);
    return 0;
}

static void add_count(struct buf *text, s64 count, const char *what)
{
    buf_append_text(text, ", ");
    show_count(text, count);
    buf_printf(text, " %s", what);
}

static void print_findings(const struct job *job, const struct findings *found, s64 left)
{
    struct buf text = {0};

    buf_printf(&text, "%s: %s\n  ", job->name, phase_name(job->phase));
    show_count(&text, job->counters.value[COUNTER_proven]);
    buf_append_text(&text, " proven");
    add_count(&text, found->rotten, "rotten");
    add_count(&text, found->drifted, "drifted");
    add_count(&text, found->missing, "missing");
    add_count(&text, found->extra, "extra");
    if (found->repaired > 0)
        add_count(&text, found->repaired, "repaired");
    fprintf(stderr, "%s\n", buf_text(&text));
    buf_release(&text);
    if (left > 0 && job->synchronization)
        print_next("verify", job->synchronization, " --repair");
}

static bool has_lines(const struct job *job)
{
    const s64 *value = job->counters.value;

    return value[COUNTER_mismatched] + value[COUNTER_extra] + value[COUNTER_failed] +
               value[COUNTER_changed] + value[COUNTER_vanished] >
           0;
}

int ending_verify(const struct ctl *ctl, struct session *session, const struct job *job, bool json)
{
    struct findings found;
    struct err err;
    s64 left;

    if (!has_result(job))
        return ending_report(ctl, job, json);
    if (count_findings(session, job, &found, &err) < 0)
        return ctl_fail(&err, NULL);
    left = job->counters.value[COUNTER_mismatched] - job->counters.value[COUNTER_moved];
    if (json)
        show_json(job_to_json(job), false);
    else if (!ctl->common.quiet && has_lines(job) &&
             report_print(session, job, "verify", REPORT_TABLE, REPORT_TABLE_LIMIT, &err) < 0)
        return ctl_fail(&err, NULL);
    fflush(stdout);
    if (!json && !ctl->common.quiet)
        print_findings(job, &found, left);
    if (left == 0)
        print_hints(job);
    return left > 0 ? EXIT_MISMATCH : phase_exit_code(job->phase);
}
