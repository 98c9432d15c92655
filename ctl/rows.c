/* rows.c: see rows.h. */
#include "ctl/rows.h"

#define FETCH "FETCH 5000 FROM rows"

static int fetch_all(struct postgres *postgres, u32 limit, rows_fn *fn, void *context,
                     struct err *err)
{
    u32 seen = 0;

    for (;;) {
        PGresult *rows;
        int count;

        if (postgres_query(postgres, FETCH, NULL, 0, &rows, err) < 0)
            return -1;
        count = PQntuples(rows);
        for (int row = 0; row < count; row++) {
            if (seen++ == limit) {
                PQclear(rows);
                return 1;
            }
            fn(context, rows, row);
        }
        PQclear(rows);
        if (count == 0)
            return 0;
    }
}

int rows_each(struct postgres *postgres, const char *select, const struct parameter *parameters,
              int count, u32 limit, rows_fn *fn, void *context, struct err *err)
{
    struct buf sql = {0};
    int result;

    buf_printf(&sql, "DECLARE rows NO SCROLL CURSOR FOR %s", select);
    /* sorting the rows of a huge job may take a while */
    result = postgres_run(postgres, "BEGIN; SET LOCAL statement_timeout = '10min'", err);
    if (result == 0)
        result = postgres_query(postgres, buf_text(&sql), parameters, count, NULL, err);
    if (result == 0)
        result = fetch_all(postgres, limit, fn, context, err);
    if (result >= 0 && postgres_run(postgres, "COMMIT", err) < 0)
        result = -1;
    buf_release(&sql);
    return result;
}
