/* report.c: `syncline report JOB`: what became of each item (report_lines.c). */
#include "ctl/report.h"

#include "ctl/ending.h"
#include "ctl/kinds.h"
#include "ctl/options.h"

#define LIMIT_MAX 2000000000u

struct report_options {
    const char *only, *output, *limit_text, *job;
    enum report_format format;
    u32 limit;
};

static int check_only(const char *only, struct err *err)
{
    static const char *const all[] = {"", "failed", "moved", "removed", "verify"};

    for (size_t i = 0; i < COUNT_OF(all); i++)
        if (strcmp(only, all[i]) == 0)
            return 0;
    return err_set(err, ERR_Usage, "--only is failed, moved, removed or verify, not '%.40s'", only);
}

static int read_format(const char *text, enum report_format *out, struct err *err)
{
    static const char *const names[] = {
        [REPORT_TABLE] = "table", [REPORT_JSON] = "json", [REPORT_CSV] = "csv"};

    for (u32 i = 0; i < COUNT_OF(names); i++)
        if (!text || strcmp(text, names[i]) == 0) {
            *out = (enum report_format)i;
            return 0;
        }
    return err_set(err, ERR_Usage, "there is no format '%.40s' of a report: table, json or csv",
                   text);
}

static int read_arguments(struct ctl *ctl, int argc, char **argv, struct report_options *out,
                          struct err *err)
{
    const struct option options[] = {
        {"only", 0, OPTION_VALUE, &out->only},
        {"output", 'o', OPTION_VALUE, &out->output},
        {"limit", 0, OPTION_VALUE, &out->limit_text},
    };

    argc = options_take(options, COUNT_OF(options), &ctl->common, argc, argv, err);
    if (argc < 0 || ctl->common.help)
        return argc < 0 ? -1 : 0;
    if (argc != 1)
        return err_set(err, ERR_Usage, "report wants the name of a job");
    out->job = argv[0];
    if (kind_refuse("report", out->job, err) < 0 || check_only(out->only, err) < 0 ||
        read_format(out->output, &out->format, err) < 0)
        return -1;
    out->limit = out->format == REPORT_TABLE ? REPORT_TABLE_LIMIT : LIMIT_MAX;
    return out->limit_text
               ? option_number("--limit", out->limit_text, 1, LIMIT_MAX, &out->limit, err)
               : 0;
}

static int report(struct session *session, const struct report_options *options, struct err *err)
{
    struct job job;
    int result;

    if (jobs_read(session->postgres, options->job, &job, err) < 0)
        return -1;
    result = report_print(session, &job, options->only, options->format, options->limit, err);
    if (result == 0)
        ending_not_kept(&job);
    job_release(&job);
    return result;
}

int command_report(struct ctl *ctl, int argc, char **argv)
{
    struct report_options options = {.only = ""};
    struct session session = {.hold_fd = -1};
    struct err err;
    int result;

    if (read_arguments(ctl, argc, argv, &options, &err) < 0)
        return ctl_fail(&err, "syncline report --help");
    if (ctl->common.help) {
        help_command(ctl->command);
        return EXIT_OK;
    }
    result = session_open(ctl, SESSION_FIND, &session, &err);
    if (result == 0)
        result = report(&session, &options, &err);
    session_close(&session);
    return result < 0 ? ctl_fail(&err, err.code == ERR_NotFound ? "syncline get jobs --all" : NULL)
                      : EXIT_OK;
}
