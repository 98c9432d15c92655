/* describe.h: how one thing is told in full: lines of a label and a value, and tables. */
#ifndef SYNCLINE_CTL_DESCRIBE_H
#define SYNCLINE_CTL_DESCRIBE_H

#include "ctl/session.h"

/* Each prints what it is about; NotFound. */
int describe_asset(struct session *session, const char *name, struct err *err);
int describe_sync(struct session *session, const char *name, struct err *err);
int describe_plan(struct session *session, const char *name, struct err *err);
int describe_job(struct session *session, const char *name, struct err *err);

/* The first row of a statement: a line for each column that is not empty, under its name. The
 * statement's one parameter is `name`. *rows (PQclear) for what else is in it: columns whose names
 * begin with "_" are not printed. No row: *rows has none. */
int describe_lines(struct postgres *postgres, const char *sql, const char *name, PGresult **rows,
                   struct err *err);
/* All rows as a table below `title`; nothing if there are none. */
int describe_table(struct postgres *postgres, const char *title, const char *sql, const char *name,
                   struct err *err);
/* One more line of that kind. */
void describe_line(const char *label, const char *value);
/* "next: …" */
void describe_next(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* SQL expressions of a moment: in UTC, and how long ago it was. */
#define TIME(column) "to_char(" column " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
#define AGO(column)                                                                                \
    TIME(column) " || ' (' || date_trunc('second', clock_timestamp() - " column ") || ' ago)'"

/* An SQL expression of the word of a kind of synchronization, with its slash: sync/, plan/. */
#define SQL_WORD(kind)                                                                             \
    "CASE " kind                                                                                   \
    " WHEN 'SynchronizationPlan' THEN 'plan/' WHEN 'LiveSynchronization' THEN 'live/'"             \
    " ELSE 'sync/' END"

/* An SQL expression of bytes as people read them everywhere else: powers of 1000 (show_bytes). */
#define SQL_BYTES(x)                                                                               \
    "CASE WHEN " x " < 1e3 THEN " x " || ' B' WHEN " x " < 1e6 THEN round(" x                      \
    " / 1e3, 1) || ' kB'"                                                                          \
    " WHEN " x " < 1e9 THEN round(" x " / 1e6, 1) || ' MB' WHEN " x " < 1e12 THEN"                 \
    " round(" x " / 1e9, 1) || ' GB' ELSE round(" x " / 1e12, 1) || ' TB' END"

#endif
