/* log.c: see log.h. A line is made in a local buffer and written with one write(2), so that lines
 * of several threads and processes do not mix. */
#include "base/log.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/names.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static const char *const level_names[] = {"debug", "info", "warn", "error"};
static const char *const event_names[] = {
#define EVENT(name, text) #name,
#include "schema/events.def"
#undef EVENT
};

static struct {
    const char *service;
    enum log_level least;
    bool json;
} settings = {.service = "syncline", .least = LOG_INFO};

void log_setup(const char *service, enum log_level least, bool json)
{
    settings.service = service;
    settings.least = least;
    settings.json = json;
}

const char *log_value(struct bytes value)
{
    static _Thread_local char slots[8][ERR_TEXT_SIZE * 2];
    static _Thread_local unsigned next;
    const size_t room = sizeof slots[0] - sizeof "\"...\"";
    char *slot = slots[next++ % 8];
    struct buf escaped = {0};
    bool cut = value.size > room;

    /* the value is cut before it is escaped: a cut in an escape or without the quote would spoil
     * the rest of the line */
    value.size = cut ? room : value.size;
    name_escape(&escaped, value);
    while (escaped.size > room) {
        value.size -= (escaped.size - room + 3) / 4; /* a byte becomes at most four */
        buf_clear(&escaped);
        name_escape(&escaped, value);
        cut = true;
    }
    snprintf(slot, sizeof slots[0], cut ? "\"%s...\"" : "\"%s\"", buf_text(&escaped));
    buf_release(&escaped);
    return slot;
}

const char *log_text(const char *value)
{
    return log_value(bytes_text(value ? value : ""));
}

static void append_timestamp(struct buf *line)
{
    s64 now = clock_wall_ns();
    time_t seconds = (time_t)(now / NS_PER_S);
    struct tm parts;
    char text[32];

    gmtime_r(&seconds, &parts);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    buf_printf(line, "%s.%03dZ", text, (int)(now % NS_PER_S / NS_PER_MS));
}

/* Turns `k=v k2="v 2"` into `,"k":"v","k2":"v 2"`. The values are escaped for logfmt already; JSON
 * knows the same escapes except \xHH, which becomes \u00HH. */
static void append_json_pairs(struct buf *line, const char *pairs)
{
    while (*pairs) {
        size_t key = strcspn(pairs, "=");
        bool quoted = pairs[key] == '=' && pairs[key + 1] == '"';

        buf_printf(line, ",\"%.*s\":\"", (int)key, pairs);
        pairs += key + (pairs[key] == '=') + quoted;
        while (*pairs && *pairs != (quoted ? '"' : ' ')) {
            if (pairs[0] == '\\' && pairs[1] == 'x') {
                buf_append_text(line, "\\u00");
                pairs += 2;
                continue;
            }
            if (pairs[0] == '\\' && pairs[1])
                buf_append(line, pairs++, 1);
            buf_append(line, pairs++, 1);
        }
        buf_append_text(line, "\"");
        pairs += (*pairs == '"');
        pairs += (*pairs == ' ');
    }
}

void log_write(enum log_level level, const char *job, enum log_event event, const char *format, ...)
{
    struct buf pairs = {0}, line = {0};
    char text[8 * ERR_TEXT_SIZE * 2 + 1024]; /* eight values at their longest, and their keys */
    va_list arguments;

    if (level < settings.least)
        return;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (job)
        buf_printf(&pairs, "job=%s ", job);
    buf_printf(&pairs, "event=%s%s%s", event_names[event], text[0] ? " " : "", text);
    buf_append_text(&line, settings.json ? "{\"ts\":\"" : "ts=");
    append_timestamp(&line);
    if (settings.json) {
        buf_printf(&line, "\",\"level\":\"%s\",\"svc\":\"%s\"", level_names[level],
                   settings.service);
        append_json_pairs(&line, buf_text(&pairs));
        buf_append_text(&line, "}\n");
    } else {
        buf_printf(&line, " level=%s svc=%s %s\n", level_names[level], settings.service,
                   buf_text(&pairs));
    }
    if (write(STDERR_FILENO, line.data, line.size) < 0) {
        /* nowhere left to say it */
    }
    buf_release(&pairs);
    buf_release(&line);
}

void log_error(const char *job, enum log_event event, const struct err *err)
{
    log_write(LOG_ERROR, job, event, "code=%s message=%s", err_name(err->code),
              log_text(err->text));
}
