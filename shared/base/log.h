/* log.h: one logfmt line to stderr per event, for the boundary that handles something.
 *
 *     ts=2026-01-02T03:04:05.678Z level=info svc=planner job=photos-1 event=job_phase phase=Running
 *
 * Event names come from schema/events.def. Values are escaped; secrets never get here. */
#ifndef SYNCLINE_BASE_LOG_H
#define SYNCLINE_BASE_LOG_H

#include "base/err.h"
#include "base/types.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

enum log_event {
#define EVENT(name, text) EVENT_##name,
#include "schema/events.def"
#undef EVENT
};

/* Once, before threads. `service` is kept, not copied. `json` prints objects instead of logfmt. */
void log_setup(const char *service, enum log_level least, bool json);

/* `job` may be NULL. `format` makes the k=v part ("phase=%s shard=%u"); text values that may hold
 * spaces or bytes of names go through log_value. Thread-safe: one write per line. */
void log_write(enum log_level level, const char *job, enum log_event event, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Escapes and quotes a value into a buffer of the calling thread; eight may be in use at once. */
const char *log_value(struct bytes value);
const char *log_text(const char *value);

/* event=failure code=… message=… */
void log_error(const char *job, enum log_event event, const struct err *err);

#endif
