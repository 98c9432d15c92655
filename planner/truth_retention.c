/* truth_retention.c: a step of store/retention.h, as a request of the loop. */
#include "planner/truth_ledger.h"

#include "store/retention.h"

#include <stdlib.h>

int ledger_retention(struct ledger *ledger, struct truth_request *request, struct err *err)
{
    struct retained retained;

    free(request->message);
    request->message = NULL;
    if (postgres_run(ledger->postgres, "BEGIN", err) < 0 ||
        retention_step(ledger->postgres, request->workers, &retained, err) < 0)
        return -1;
    request->more = retained.rows > 0;
    if (retained.rows > 0) {
        struct buf told = {0};

        buf_printf(&told, "what=%s rows=%llu", retained.what, (unsigned long long)retained.rows);
        request->message = text_copy(buf_text(&told));
        buf_release(&told);
    }
    return ledger_commit(ledger, err);
}
