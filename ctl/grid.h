/* grid.h: a table that is to fit a width: columns that are of less use are left out, and what still
 * does not fit is cut. Pure, but for the widths of characters, which are the locale's. */
#ifndef SYNCLINE_CTL_GRID_H
#define SYNCLINE_CTL_GRID_H

#include "base/buf.h"

#define GRID_COLUMNS 12
#define GRID_HEADER UINT32_MAX /* as a row: the names of the columns */

struct grid_column {
    const char *name;
    bool right;
    u32 rank; /* those of a higher one are left out first; 0: never */
};

struct grid;
/* Borrows the columns. */
struct grid *grid_new(const struct grid_column *columns, u32 count);
void grid_destroy(struct grid **grid);
/* The next cell, row by row, to be filled with one line of text. Borrowed until the next call. */
struct buf *grid_cell(struct grid *grid);
u32 grid_rows(const struct grid *grid);
/* Decides which columns there are in a line of this width. */
void grid_fit(struct grid *grid, u32 width);
/* Appends a row, without spaces at its end; it may still be too wide (grid_cut). */
void grid_line(const struct grid *grid, u32 row, struct buf *out);

/* Columns of a terminal that a text takes. */
u32 grid_width(const char *text);
/* Appends as much of the text as fits; what is no UTF-8 stands as ?. */
void grid_cut(const char *text, u32 width, struct buf *out);

#endif
