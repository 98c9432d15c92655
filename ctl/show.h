/* show.h: numbers, sizes, times and tables for people, JSON for programs. */
#ifndef SYNCLINE_CTL_SHOW_H
#define SYNCLINE_CTL_SHOW_H

#include "base/buf.h"
#include "base/err.h"

#include <jansson.h>

enum output_format { OUTPUT_TABLE, OUTPUT_JSON, OUTPUT_NAME, OUTPUT_WIDE, OUTPUT_YAML };

/* "table", "json", "name", "wide", "yaml"; NULL text = table. Usage. */
int output_format(const char *text, enum output_format *out, struct err *err);

/* 1234567 -> "1,234,567" */
void show_count(struct buf *out, s64 value);
/* 590200000 -> "590.2 MB" (powers of 1000, as disks and networks are sold) */
void show_bytes(struct buf *out, s64 bytes);
/* 2100 -> "2.1 s", 125000 -> "2m05s" */
void show_duration(struct buf *out, s64 ms);

/* One JSON document and a newline on stdout; takes the reference. */
void show_json(json_t *json, bool indent);

/* Text as one line: what would steer a terminal stands as \xHH. */
void show_line(struct buf *out, const char *text);

/* The same, but line breaks and tabs stay. */
void show_lines(struct buf *out, const char *text);

/* A table that is printed at once. Values are escaped. */
struct table;
struct column {
    const char *name;
    bool right;
    bool wide; /* may be cut on a terminal that is too narrow */
};
struct table *table_new(const struct column *columns, u32 count);
/* Rows alone, below a table that was printed before. */
void table_without_heading(struct table *table);
/* A column that is at least so many characters wide, whatever is in it. */
void table_at_least(struct table *table, u32 column, u32 width);
/* As many texts as columns; NULL = empty. Copied. */
void table_row(struct table *table, const char *const *values);
/* Prints on stdout and releases. */
void table_finish(struct table **table);

#endif
