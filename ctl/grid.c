/* grid.c: see grid.h. A column is as wide as its widest cell; one in which all cells are empty is
 * not there at all. */
#include "ctl/grid.h"

#include <stdlib.h>
#include <wchar.h>

#define GAP 2

struct grid {
    const struct grid_column *columns;
    u32 column_count;
    struct buf *cells;
    u32 cell_count;
    u32 widths[GRID_COLUMNS]; /* 0 = left out */
};

/* ---- characters ---- */

/* The next character: how many bytes, and columns in *width; 0 at the end. */
static size_t next_character(const char *text, u32 *width)
{
    mbstate_t state = {0};
    wchar_t character;
    size_t size = mbrtowc(&character, text, strlen(text) + 1, &state);
    int columns;

    *width = 1;
    if (size == 0)
        return 0;
    if (size == (size_t)-1 || size == (size_t)-2)
        return 1;
    columns = wcwidth(character);
    *width = columns < 0 ? 1 : (u32)columns;
    return size;
}

u32 grid_width(const char *text)
{
    u32 sum = 0, width;
    size_t size;

    for (; (size = next_character(text, &width)) > 0; text += size)
        sum += width;
    return sum;
}

void grid_cut(const char *text, u32 width, struct buf *out)
{
    u32 used = 0, columns;
    size_t size;

    for (; (size = next_character(text, &columns)) > 0 && used + columns <= width; text += size) {
        used += columns;
        if (size == 1 && ((unsigned char)*text >= 0x80 || (unsigned char)*text < 0x20))
            buf_append_text(out, "?");
        else
            buf_append(out, text, size);
    }
}

/* ---- cells ---- */

struct grid *grid_new(const struct grid_column *columns, u32 count)
{
    struct grid *grid = memory_or_die(sizeof *grid);

    grid->columns = columns;
    grid->column_count = count < GRID_COLUMNS ? count : GRID_COLUMNS;
    return grid;
}

void grid_destroy(struct grid **grid)
{
    for (u32 i = 0; i < (*grid)->cell_count; i++)
        buf_release(&(*grid)->cells[i]);
    free((*grid)->cells);
    free(*grid);
    *grid = NULL;
}

struct buf *grid_cell(struct grid *grid)
{
    grid->cells =
        memory_resize_or_die(grid->cells, (grid->cell_count + (size_t)1) * sizeof *grid->cells);
    grid->cells[grid->cell_count] = (struct buf){0};
    return &grid->cells[grid->cell_count++];
}

u32 grid_rows(const struct grid *grid)
{
    return grid->cell_count / grid->column_count;
}

static const char *text_at(const struct grid *grid, u32 row, u32 column)
{
    return row == GRID_HEADER ? grid->columns[column].name
                              : buf_text(&grid->cells[row * grid->column_count + column]);
}

/* ---- fitting ---- */

static u32 widest(const struct grid *grid, u32 column)
{
    u32 most = 0;

    for (u32 row = 0; row < grid_rows(grid); row++) {
        u32 width = grid_width(text_at(grid, row, column));

        most = width > most ? width : most;
    }
    if (most > 0 && grid_width(grid->columns[column].name) > most)
        most = grid_width(grid->columns[column].name);
    return most;
}

static u32 total(const struct grid *grid)
{
    u32 sum = 0;

    for (u32 i = 0; i < grid->column_count; i++)
        sum += grid->widths[i] > 0 ? grid->widths[i] + GAP : 0;
    return sum > 0 ? sum - GAP : 0;
}

static bool leave_one_out(struct grid *grid)
{
    u32 worst = 0, rank = 0;

    for (u32 i = 0; i < grid->column_count; i++)
        if (grid->widths[i] > 0 && grid->columns[i].rank > rank) {
            rank = grid->columns[i].rank;
            worst = i;
        }
    if (rank > 0)
        grid->widths[worst] = 0;
    return rank > 0;
}

void grid_fit(struct grid *grid, u32 width)
{
    for (u32 i = 0; i < grid->column_count; i++)
        grid->widths[i] = widest(grid, i);
    while (total(grid) > width && leave_one_out(grid))
        ;
}

static void put_spaces(struct buf *out, u32 count)
{
    for (u32 i = 0; i < count; i++)
        buf_append_text(out, " ");
}

void grid_line(const struct grid *grid, u32 row, struct buf *out)
{
    size_t before = out->size;

    for (u32 i = 0; i < grid->column_count; i++) {
        const char *text = text_at(grid, row, i);
        u32 pad = grid->widths[i] > 0 ? grid->widths[i] - grid_width(text) : 0;

        if (grid->widths[i] == 0)
            continue;
        if (out->size > before)
            put_spaces(out, GAP);
        put_spaces(out, grid->columns[i].right ? pad : 0);
        buf_append_text(out, text);
        put_spaces(out, grid->columns[i].right ? 0 : pad);
    }
    while (out->size > before && out->data[out->size - 1] == ' ')
        out->size--;
}
