/* faults.c: see faults.h. */
#include "conf/faults.h"

#include "base/names.h"

#include <stdarg.h>
#include <stdio.h>

#define SHOWN_BYTES 40 /* each may become four characters */

void fault_add(struct faults *faults, struct mark at, const char *format, ...)
{
    char text[1024];
    va_list arguments;

    if (faults->count++ >= FAULTS_MAX)
        return;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (faults->file)
        buf_printf(faults->out, "%s:%u:%u: ", faults->file, at.line, at.column);
    buf_append_text(faults->out, text);
    buf_append_text(faults->out, "\n");
}

void faults_end(struct faults *faults)
{
    if (faults->count > FAULTS_MAX)
        buf_printf(faults->out, "%s: %u more faults are not shown\n", faults->file,
                   faults->count - FAULTS_MAX);
}

const char *shown(char out[SHOWN_SIZE], struct bytes text)
{
    bool cut = text.size > SHOWN_BYTES;
    struct buf escaped = {0};

    if (cut) {
        text.size = SHOWN_BYTES;
        while (text.size > 0 && (text.data[text.size] & 0xc0) == 0x80)
            text.size--; /* not inside a character */
    }
    name_escape(&escaped, text);
    snprintf(out, SHOWN_SIZE, "%s%s", buf_text(&escaped), cut ? "..." : "");
    buf_release(&escaped);
    return out;
}
