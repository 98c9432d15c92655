/* report_csv.c: lines of a report as RFC 4180 wants them: fields with commas, quotes or ends of
 * lines in quotes, quotes doubled, CRLF behind each line. Columns are those of the JSON; a path
 * that is no UTF-8 stands in the second column, as Base64. */
#include "ctl/report.h"

#include "base/names.h"

static void put_field(struct bytes text, struct buf *out)
{
    bool plain = true;

    for (size_t i = 0; i < text.size; i++)
        plain = plain && !memchr("\",\r\n", text.data[i], 4);
    if (plain) {
        buf_append(out, text.data, text.size);
        return;
    }
    buf_append_text(out, "\"");
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '"')
            buf_append_text(out, "\"");
        buf_append(out, text.data + i, 1);
    }
    buf_append_text(out, "\"");
}

static void put_next(const char *text, struct buf *out)
{
    buf_append_text(out, ",");
    put_field(bytes_text(text ? text : ""), out);
}

void report_csv_header(struct buf *out)
{
    buf_append_text(out, "path,pathBase64,operation,outcome,bytes,hash,error,note,notKept\r\n");
}

void report_csv_line(const struct report_line *line, struct buf *out)
{
    struct buf text = {0};

    if (utf8_is_valid(line->path)) {
        put_field(line->path, out);
        buf_append_text(out, ",");
    } else {
        buf_append_text(out, ",");
        report_base64(line->path, out);
    }
    put_next(line->operation, out);
    put_next(line->outcome, out);
    buf_printf(out, ",%lld,", (long long)line->bytes);
    if (line->checksum)
        buf_printf(out, "%s:%s", line->hash, line->checksum);
    put_next(line->error, out);
    put_next(line->note, out);
    report_not_kept(line->not_kept, " ", &text);
    put_next(buf_text(&text), out);
    buf_append_text(out, "\r\n");
    buf_release(&text);
}
