/* show.c: see show.h. Tables by libsmartcols, which also escapes what would steer a terminal. */
#include "ctl/show.h"

#include <libsmartcols/libsmartcols.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int output_format(const char *text, enum output_format *out, struct err *err)
{
    static const char *const names[] = {[OUTPUT_TABLE] = "table",
                                        [OUTPUT_JSON] = "json",
                                        [OUTPUT_NAME] = "name",
                                        [OUTPUT_WIDE] = "wide",
                                        [OUTPUT_YAML] = "yaml"};

    *out = OUTPUT_TABLE;
    for (u32 i = 0; text && i < COUNT_OF(names); i++)
        if (strcmp(text, names[i]) == 0) {
            *out = (enum output_format)i;
            return 0;
        }
    return text ? err_set(err, ERR_Usage,
                          "there is no format '%.40s': table, wide, json, name, yaml", text)
                : 0;
}

void show_count(struct buf *out, s64 value)
{
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%lld", (long long)(value < 0 ? -value : value));

    if (value < 0)
        buf_append_text(out, "-");
    for (int i = 0; i < length; i++) {
        buf_append(out, &digits[i], 1);
        if ((length - 1 - i) % 3 == 0 && i < length - 1)
            buf_append_text(out, ",");
    }
}

void show_bytes(struct buf *out, s64 bytes)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB"};
    double value = (double)bytes;
    u32 unit = 0;

    while (value >= 999.95 && unit + 1 < COUNT_OF(units)) {
        value /= 1000;
        unit++;
    }
    if (unit == 0)
        buf_printf(out, "%lld B", (long long)bytes);
    else
        buf_printf(out, "%.1f %s", value, units[unit]);
}

void show_duration(struct buf *out, s64 ms)
{
    s64 seconds = (ms + 500) / 1000;

    if (ms < 0)
        buf_append_text(out, "-");
    else if (ms < 9995)
        buf_printf(out, "%.2f s", (double)ms / 1000);
    else if (ms < 59950)
        buf_printf(out, "%.1f s", (double)ms / 1000);
    else if (seconds < 3600)
        buf_printf(out, "%lldm%02llds", (long long)(seconds / 60), (long long)(seconds % 60));
    else if (seconds < 360000)
        buf_printf(out, "%lldh%02lldm", (long long)(seconds / 3600),
                   (long long)(seconds / 60 % 60));
    else
        buf_printf(out, "%lldd%02lldh", (long long)(seconds / 86400),
                   (long long)(seconds / 3600 % 24));
}

void show_json(json_t *json, bool indent)
{
    char *text = json_dumps(json, indent ? JSON_INDENT(2) : JSON_COMPACT);

    if (text)
        puts(text);
    free(text);
    json_decref(json);
}

static void show_harmless(struct buf *out, const char *text, bool one_line)
{
    for (const unsigned char *at = (const unsigned char *)text; *at; at++) {
        /* controls of one byte, and those that UTF-8 has behind 0xc2 */
        bool steers = *at < 0x20 || *at == 0x7f || (*at == 0xc2 && at[1] >= 0x80 && at[1] < 0xa0);

        if (steers && (one_line || (*at != '\n' && *at != '\t')))
            buf_printf(out, "\\x%02x", *at);
        else
            buf_append(out, at, 1);
    }
}

void show_line(struct buf *out, const char *text)
{
    show_harmless(out, text, true);
}

void show_lines(struct buf *out, const char *text)
{
    show_harmless(out, text, false);
}

struct table {
    struct libscols_table *scols;
    u32 columns;
};

struct table *table_new(const struct column *columns, u32 count)
{
    struct table *table = memory_or_die(sizeof *table);

    table->scols = scols_new_table();
    if (!table->scols)
        abort();
    table->columns = count;
    for (u32 i = 0; i < count; i++)
        scols_table_new_column(table->scols, columns[i].name, 0,
                               (columns[i].right ? SCOLS_FL_RIGHT : 0) |
                                   (columns[i].wide ? SCOLS_FL_TRUNC : 0));
    /* libsmartcols writes the backslash of each \x as \x5c: names in a message, which is what the
     * last column has, would be escaped twice */
    scols_column_set_safechars(scols_table_get_column(table->scols, count - 1), "\\");
    /* cut to the terminal's width only where there is a terminal */
    if (!isatty(STDOUT_FILENO))
        scols_table_set_termforce(table->scols, SCOLS_TERMFORCE_NEVER);
    return table;
}

void table_without_heading(struct table *table)
{
    scols_table_enable_noheadings(table->scols, 1);
}

void table_at_least(struct table *table, u32 column, u32 width)
{
    struct libscols_column *at = scols_table_get_column(table->scols, column);
    const char *heading = scols_cell_get_data(scols_column_get_header(at));

    scols_column_set_whint(at, width);
    /* else cells that are narrower than the heading would be as wide as that */
    if (heading && width > strlen(heading))
        scols_column_set_flags(at, scols_column_get_flags(at) | SCOLS_FL_STRICTWIDTH);
}

void table_row(struct table *table, const char *const *values)
{
    struct libscols_line *line = scols_table_new_line(table->scols, NULL);

    for (u32 i = 0; line && i < table->columns; i++)
        scols_line_set_data(line, i, values[i] ? values[i] : "");
}

void table_finish(struct table **table)
{
    scols_print_table((*table)->scols);
    scols_unref_table((*table)->scols);
    free(*table);
    *table = NULL;
}
