/* output.h: where the command prints. */
#ifndef SYNCLINE_CTL_OUTPUT_H
#define SYNCLINE_CTL_OUTPUT_H

#include <stdbool.h>

/* First of all: a standard descriptor that came closed would be given to a socket, which then had
 * what is printed. What is put there fails as a closed one does. */
void output_begin(void);

/* Last of all: what could not be printed makes the command fail, unless its reader had seen enough.
 * Returns the exit code that follows from `code`. */
int output_end(int code);

/* False when there is no use in printing more: SIGINT, an output that cannot be written, or whose
 * reader has ended. For what goes on until then. */
bool output_is_wanted(void);

#endif
