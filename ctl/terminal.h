/* terminal.h: the terminal as a whole screen, and given back exactly as it was. */
#ifndef SYNCLINE_CTL_TERMINAL_H
#define SYNCLINE_CTL_TERMINAL_H

#include "base/buf.h"
#include "base/err.h"

struct terminal;

/* The alternate screen, without cursor, wrapping and echo. Usage: stdin or stdout is no terminal.
 */
int terminal_open(struct terminal **out, struct err *err);
/* Gives it back. */
void terminal_close(struct terminal **terminal);
void terminal_size(const struct terminal *terminal, u32 *columns, u32 *rows);
/* Draws lines that are separated by \n over what is there. -1 if nobody looks any more. */
int terminal_show(struct terminal *terminal, const struct buf *lines);
/* Waits for a key: its byte; 0 after that time, or at once when the size has changed or a signal
 * came; -1 if nobody can type any more. */
int terminal_key(struct terminal *terminal, s64 timeout_ms);

#endif
