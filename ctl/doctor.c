/* doctor.c: `syncline doctor`: is this host, and are the services, fit? Reads only. */
#include "ctl/doctor.h"

#include "base/buf.h"
#include "ctl/options.h"
#include "ctl/show.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const words[] = {"ok", "warning", "failed"};

void finding_add(struct findings *findings, enum health health, const char *check, const char *next,
                 const char *format, ...)
{
    struct finding *finding;
    char text[ERR_TEXT_SIZE];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    findings->list =
        memory_resize_or_die(findings->list, (findings->count + 1) * sizeof *findings->list);
    finding = &findings->list[findings->count++];
    *finding = (struct finding){health, check, text_copy(text), next ? text_copy(next) : NULL};
}

static void release(struct findings *findings)
{
    for (u32 i = 0; i < findings->count; i++) {
        free(findings->list[i].text);
        free(findings->list[i].next);
    }
    free(findings->list);
}

static void print_text(const struct findings *findings)
{
    for (u32 i = 0; i < findings->count; i++) {
        const struct finding *finding = &findings->list[i];

        printf("%-8s %-12s %s\n", words[finding->health], finding->check, finding->text);
        if (finding->next)
            printf("%-8s %-12s next: %s\n", "", "", finding->next);
    }
}

static void print_json(const struct findings *findings)
{
    json_t *checks = json_array();

    for (u32 i = 0; i < findings->count; i++) {
        const struct finding *finding = &findings->list[i];

        json_array_append_new(checks, json_pack("{s:s, s:s, s:s, s:s?}", "check", finding->check,
                                                "state", words[finding->health], "message",
                                                finding->text, "next", finding->next));
    }
    show_json(json_pack("{s:o}", "checks", checks), true);
}

static int exit_code(const struct findings *findings)
{
    if (findings->unreachable)
        return EXIT_UNREACHABLE;
    for (u32 i = 0; i < findings->count; i++)
        if (findings->list[i].health == HEALTH_FAILED)
            return EXIT_FAILED;
    return EXIT_OK;
}

static void look(struct ctl *ctl, struct findings *findings)
{
    struct session session = {.hold_fd = -1};
    struct err err;

    doctor_settings(findings, &ctl->settings);
    if (session_locate(ctl, SESSION_FIND, &session, &err) == 0) {
        doctor_host(findings, session.embedded ? session.layout.root : NULL);
        doctor_services(findings, &session);
    } else {
        doctor_host(findings, NULL);
        findings->unreachable = true;
        finding_add(findings, HEALTH_FAILED, "stack", "syncline up, or set SYNCLINE_DATABASE_URL",
                    "%s", err.text);
    }
    session_close(&session);
}

int command_doctor(struct ctl *ctl, int argc, char **argv)
{
    struct findings findings = {0};
    bool json = false;
    const struct option options[] = {{"json", 0, OPTION_FLAG, &json}};
    struct err err;
    int code;

    argc = options_take(options, COUNT_OF(options), &ctl->common, argc, argv, &err);
    if (argc < 0)
        return ctl_fail(&err, "syncline doctor --help");
    if (ctl->common.help) {
        help_command(ctl->command);
        return EXIT_OK;
    }
    if (argc > 0)
        return ctl_usage(ctl, "doctor takes no arguments");
    look(ctl, &findings);
    if (json)
        print_json(&findings);
    else
        print_text(&findings);
    code = exit_code(&findings);
    release(&findings);
    return code;
}
