/* truth_shards.c: the shards of a job, feeds among them, as the loop gets them (truth_ledger.h). */
#include "planner/truth_ledger.h"

#include <stdlib.h>

void truth_shards_free(struct truth_request *request)
{
    for (u32 i = 0; i < request->shard_count; i++)
        buf_release(&request->shards[i].path);
    free(request->shards);
    request->shards = NULL;
    request->shard_count = 0;
}

int ledger_read_shards(struct ledger *ledger, struct truth_request *request, bool feeds,
                       struct err *err)
{
    PGresult *result;

    if (postgres_query(ledger->postgres,
                       "SELECT number, path, done, segments, unsettled_since_ns, feed FROM shard"
                       " WHERE job = $1 AND (feed IS NOT NULL OR NOT $2::boolean) ORDER BY number",
                       (struct parameter[]){parameter_s64((s64)request->job),
                                            parameter_text(feeds ? "true" : "false")},
                       2, &result, err) < 0)
        return -1;
    truth_shards_free(request);
    request->shard_count = (u32)PQntuples(result);
    request->shards = memory_or_die(((size_t)request->shard_count + 1) * sizeof *request->shards);
    for (u32 i = 0; i < request->shard_count; i++) {
        struct truth_shard *shard = &request->shards[i];

        shard->number = (u32)result_s64(result, (int)i, 0);
        result_bytes(result, (int)i, 1, &shard->path);
        shard->done = result_text(result, (int)i, 2)[0] == 't';
        shard->segments = (u32)result_s64(result, (int)i, 3);
        shard->unsettled_since_ns = result_s64(result, (int)i, 4);
        shard->feed = feed_by_name(result_text(result, (int)i, 5));
    }
    PQclear(result);
    return 0;
}
