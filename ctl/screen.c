/* screen.c: see screen.h. Three lines say how everything is, then jobs, then workers, as tables of
 * which columns are left out where there is no room (grid.c). What has no place is counted. */
#include "ctl/screen.h"

#include "ctl/grid.h"
#include "ctl/show.h"

#include <stdlib.h>

#define HEAD 3   /* lines above the tables */
#define AIRY 16u /* rows from which lines are left free */

/* ---- lines ---- */

struct frame {
    struct buf *out;
    u32 columns, rows, used;
    bool color;
};

static void put_line(struct frame *frame, const char *style, const char *text)
{
    if (frame->used == frame->rows)
        return;
    if (frame->used++ > 0)
        buf_append_text(frame->out, "\n");
    if (frame->color && style)
        buf_printf(frame->out, "\x1b[%sm", style);
    grid_cut(text, frame->columns, frame->out);
    if (frame->color && style)
        buf_append_text(frame->out, "\x1b[0m");
}

static void put_rest(struct frame *frame, u32 left, const char *what)
{
    char text[64];

    snprintf(text, sizeof text, "… %u more %s", left, what);
    put_line(frame, NULL, text);
}

/* ---- how everything is ---- */

static const char *service_text(enum screen_service service)
{
    static const char *const texts[] = {[SERVICE_UP] = "up",
                                        [SERVICE_AWAY] = "AWAY",
                                        [SERVICE_NONE] = "not used",
                                        [SERVICE_UNKNOWN] = "?"};

    return texts[service];
}

static void put_title(struct frame *frame, const struct screen *screen)
{
    struct buf line = {0};
    u32 right = (u32)strlen(screen->clock) + 10, width;

    buf_append_text(&line, "Syncline  ");
    show_line(&line, screen->stack);
    width = grid_width(buf_text(&line));
    if (width + right <= frame->columns) {
        for (; width + right < frame->columns; width++)
            buf_append_text(&line, " ");
        buf_printf(&line, "  %s q: quit", screen->clock);
    }
    put_line(frame, "1", buf_text(&line));
    buf_release(&line);
}

static void put_services(struct frame *frame, const struct screen *screen)
{
    bool well = screen->postgres == SERVICE_UP && screen->redis != SERVICE_AWAY &&
                screen->planner == SERVICE_UP;
    struct buf line = {0};

    buf_printf(&line, "Postgres %s  Redis %s  planner %s", service_text(screen->postgres),
               service_text(screen->redis), service_text(screen->planner));
    if (screen->postgres == SERVICE_AWAY)
        buf_append_text(&line, "  (jobs as last seen)");
    else if (screen->redis == SERVICE_AWAY)
        buf_append_text(&line, "  (what Postgres knows)");
    put_line(frame, well ? "32" : "31;1", buf_text(&line));
    buf_release(&line);
}

static void put_lanes(struct frame *frame, const struct screen *screen)
{
    static const char *const roles[] = {"watcher", "mover", "verifier"};
    struct buf line = {0};
    s64 rate = 0;

    buf_append_text(&line, screen->worker_count > 0 ? "busy lanes " : "busy lanes not known");
    for (u32 i = 0; i < COUNT_OF(roles) && screen->worker_count > 0; i++) {
        s64 lanes = 0, busy = 0;

        for (u32 k = 0; k < screen->worker_count; k++)
            if (strcmp(screen->workers[k].role, roles[i]) == 0) {
                lanes += screen->workers[k].lanes;
                busy += screen->workers[k].busy;
            }
        buf_printf(&line, " %s %lld/%lld", roles[i], (long long)busy, (long long)lanes);
    }
    for (u32 i = 0; i < screen->job_count; i++)
        if (!phase_has_ended(screen->jobs[i].phase) && screen->jobs[i].rate.bytes_per_s > 0)
            rate += (s64)screen->jobs[i].rate.bytes_per_s;
    buf_append_text(&line, "  ");
    show_bytes(&line, rate);
    buf_append_text(&line, "/s");
    put_line(frame, NULL, buf_text(&line));
    buf_release(&line);
}

/* ---- jobs ---- */

static const struct grid_column job_columns[] = {
    {"JOB", false, 0},   {"PHASE", false, 1}, {"DONE", true, 2},
    {"ITEMS", true, 6},  {"BYTES", true, 7},  {"RATE", true, 3},
    {"FAILED", true, 4}, {"TIME", true, 8},   {"WAITS FOR", false, 5},
};

static void put_done(struct grid *grid, const struct screen_job *job)
{
    double part = progress_fraction(&(struct progress_state){
        .scan_complete = job->scan_complete, .counters = job->counters, .phase = job->phase});
    struct buf *cell = grid_cell(grid);

    if (!phase_has_ended(job->phase) && part >= 0)
        buf_printf(cell, "%d%%", (int)(part * 100));
}

static void put_job(struct grid *grid, const struct screen_job *job)
{
    const s64 *value = job->counters.value;
    bool active = !phase_has_ended(job->phase);
    struct buf *cell;

    show_line(grid_cell(grid), job->name);
    buf_append_text(grid_cell(grid), phase_name(job->phase));
    put_done(grid, job);
    show_count(grid_cell(grid), progress_items_ended(&job->counters));
    show_bytes(grid_cell(grid), value[COUNTER_bytes_moved]);
    cell = grid_cell(grid);
    if (active && job->rate.known) {
        show_bytes(cell, job->rate.bytes_per_s > 0 ? (s64)job->rate.bytes_per_s : 0);
        buf_append_text(cell, "/s");
    }
    cell = grid_cell(grid);
    if (value[COUNTER_failed] > 0)
        show_count(cell, value[COUNTER_failed]);
    show_duration(grid_cell(grid), job->duration_ms);
    cell = grid_cell(grid);
    if (active)
        show_line(cell, job->waiting_for);
}

/* ---- workers ---- */

static const struct grid_column worker_columns[] = {
    {"WORKER", false, 0}, {"ROLE", false, 1}, {"STATE", false, 4}, {"HOST", false, 6},
    {"BUSY", true, 2},    {"DONE", true, 5},  {"BYTES", true, 7},  {"RATE", true, 3},
};

static void put_worker(struct grid *grid, const struct screen_worker *worker)
{
    struct buf *cell;

    show_line(grid_cell(grid), worker->id);
    show_line(grid_cell(grid), worker->role);
    show_line(grid_cell(grid), worker->state);
    show_line(grid_cell(grid), worker->host);
    buf_printf(grid_cell(grid), "%lld/%lld", (long long)worker->busy, (long long)worker->lanes);
    show_count(grid_cell(grid), worker->done);
    show_bytes(grid_cell(grid), worker->bytes);
    cell = grid_cell(grid);
    if (worker->bytes_per_s >= 0) {
        show_bytes(cell, worker->bytes_per_s);
        buf_append_text(cell, "/s");
    }
}

/* ---- tables ---- */

static void put_grid(struct frame *frame, struct grid *grid, u32 left, const char *what)
{
    struct buf line = {0};

    grid_fit(grid, frame->columns);
    grid_line(grid, GRID_HEADER, &line);
    put_line(frame, "7", buf_text(&line));
    for (u32 row = 0; row < grid_rows(grid); row++) {
        buf_clear(&line);
        grid_line(grid, row, &line);
        put_line(frame, NULL, buf_text(&line));
    }
    if (left > 0)
        put_rest(frame, left, what);
    buf_release(&line);
}

/* Of `count` things those that have a place in `rows`; the last row counts the others. */
static u32 fitting(u32 count, u32 rows)
{
    return count <= rows ? count : rows > 0 ? rows - 1 : 0;
}

static void put_jobs(struct frame *frame, const struct screen *screen, u32 rows)
{
    u32 shown = fitting(screen->job_count, rows);
    struct grid *grid;

    if (screen->job_count == 0) {
        put_line(frame, NULL, "no job yet");
        return;
    }
    grid = grid_new(job_columns, COUNT_OF(job_columns));
    for (u32 i = 0; i < shown; i++)
        put_job(grid, &screen->jobs[i]);
    put_grid(frame, grid, screen->job_count - shown, "jobs");
    grid_destroy(&grid);
}

static void put_workers(struct frame *frame, const struct screen *screen, u32 rows)
{
    u32 shown = fitting(screen->worker_count, rows);
    struct grid *grid;

    if (screen->worker_count == 0) {
        put_line(frame, NULL,
                 screen->redis == SERVICE_UP ? "no worker is there"
                                             : "workers are seen in Redis only");
        return;
    }
    grid = grid_new(worker_columns, COUNT_OF(worker_columns));
    for (u32 i = 0; i < shown; i++)
        put_worker(grid, &screen->workers[i]);
    put_grid(frame, grid, screen->worker_count - shown, "workers");
    grid_destroy(&grid);
}

/* Workers get what they need up to a third; the rest is for jobs. */
static void put_tables(struct frame *frame, const struct screen *screen)
{
    bool airy = frame->rows >= AIRY;
    u32 room = frame->rows - HEAD - 2 - (airy ? 2 : 0); /* but for headings */
    u32 workers = screen->worker_count < room / 3 ? screen->worker_count : room / 3;
    u32 jobs = room - workers;

    if (screen->job_count < jobs) {
        jobs = screen->job_count;
        workers = room - jobs;
    }
    if (airy)
        put_line(frame, NULL, "");
    put_jobs(frame, screen, jobs);
    if (airy)
        put_line(frame, NULL, "");
    put_workers(frame, screen, workers);
}

void screen_draw(const struct screen *screen, u32 columns, u32 rows, bool color, struct buf *out)
{
    struct frame frame = {.out = out, .columns = columns, .rows = rows, .color = color};

    if (columns < SCREEN_COLUMNS_MIN || rows < SCREEN_ROWS_MIN) {
        put_line(&frame, NULL, "needs 40x10; q: quit");
    } else {
        put_title(&frame, screen);
        put_services(&frame, screen);
        put_lanes(&frame, screen);
        put_tables(&frame, screen);
    }
    while (frame.used < rows)
        put_line(&frame, NULL, "");
}
