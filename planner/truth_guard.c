/* truth_guard.c: more is removed only where a person has said so (truth_ledger.h): the count, the
 * limit, and the sentence that tells both. */
#include "planner/truth_ledger.h"

#include "base/names.h"

#include <stdio.h>
#include <stdlib.h>

#define SAMPLE 3
#define SAMPLE_NAME 120 /* bytes of a name that are shown */

struct guarded {
    s64 count;   /* names that would be removed */
    s64 present; /* entries that were seen at the destination */
    bool source_empty, destination_changed, done;
    char *job;
};

static int read_guarded(struct ledger *ledger, u64 job, struct guarded *out, struct err *err)
{
    PGresult *result;

    if (postgres_query(
            ledger->postgres,
            "SELECT (SELECT count(*) FROM pending p WHERE p.job = j.id"
            "  AND (p.operation = 'remove' OR p.waits) AND p.outcome IS NULL),"
            " sum(s.present)::bigint, coalesce(bool_or(s.source_empty), false),"
            " j.destination_changed, coalesce(bool_or(s.feed IN"
            "  ('removals', 'waiting', 'late_leaders', 'late_links')), false),"
            " j.name FROM job j LEFT JOIN shard s ON s.job = j.id WHERE j.id = $1 GROUP BY j.id",
            (struct parameter[]){parameter_s64((s64)job)}, 1, &result, err) < 0)
        return -1;
    out->count = result_s64(result, 0, 0);
    out->present = result_s64(result, 0, 1);
    out->source_empty = result_text(result, 0, 2)[0] == 't';
    out->destination_changed = result_text(result, 0, 3)[0] == 't';
    out->done = result_text(result, 0, 4)[0] == 't';
    out->job = text_copy(result_text(result, 0, 5));
    PQclear(result);
    return 0;
}

/* 1,234,567 */
static void put_count(struct buf *out, u64 count)
{
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%llu", (unsigned long long)count);

    for (int i = 0; i < length; i++)
        buf_printf(out, "%s%c", i > 0 && (length - i) % 3 == 0 ? "," : "", digits[i]);
}

/* Why it trips, for the sentence; false if it does not. */
static bool trips(const struct truth_request *request, const struct guarded *guarded,
                  struct buf *why, struct buf *limit)
{
    bool given = request->delete_max != UINT64_MAX || request->delete_percent != UINT32_MAX;
    u64 percent = given ? request->delete_percent : GUARD_PERCENT, count = (u64)guarded->count;
    bool over = false;

    if (request->delete_max != UINT64_MAX && count > request->delete_max) {
        over = true;
        put_count(limit, request->delete_max);
    } else if (percent != UINT32_MAX && count > GUARD_FREE &&
               (double)count * 100 > (double)percent * (double)guarded->present) {
        over = true;
        buf_printf(limit, "%llu%%", (unsigned long long)percent);
    }
    if (guarded->source_empty)
        buf_append_text(why, "the source is empty; ");
    else if (guarded->destination_changed)
        buf_append_text(why, "the destination is not the directory that earlier jobs wrote; ");
    return count > 0 && (over || why->size > 0);
}

static int put_sample(struct ledger *ledger, u64 job, struct buf *out, struct err *err)
{
    PGresult *result;

    if (postgres_query(ledger->postgres,
                       "SELECT path FROM pending WHERE job = $1 AND (operation = 'remove' OR waits)"
                       " AND outcome IS NULL ORDER BY depth, parent, key LIMIT $2",
                       (struct parameter[]){parameter_s64((s64)job), parameter_s64(SAMPLE)}, 2,
                       &result, err) < 0)
        return -1;
    for (int i = 0; i < PQntuples(result); i++) {
        struct buf path = {0}, shown = {0};
        bool cut;

        result_bytes(result, i, 0, &path);
        cut = path.size > SAMPLE_NAME;
        name_escape(&shown, bytes_of(path.data, cut ? SAMPLE_NAME : path.size));
        buf_printf(out, "%s\"%s%s\"", i ? ", " : "", buf_text(&shown), cut ? "…" : "");
        buf_release(&path);
        buf_release(&shown);
    }
    PQclear(result);
    return 0;
}

static int tell(struct ledger *ledger, struct truth_request *request, const struct guarded *guarded,
                struct buf *why, struct buf *limit, struct err *err)
{
    struct buf text = {0};
    int rc;

    buf_printf(&text, "%swould remove ", buf_text(why));
    put_count(&text, (u64)guarded->count);
    buf_append_text(&text, " of ");
    put_count(&text, (u64)guarded->present);
    buf_append_text(&text, " entries at the destination");
    if (limit->size > 0)
        buf_printf(&text, " (limit %s)", buf_text(limit));
    buf_append_text(&text, ", such as ");
    rc = put_sample(ledger, request->job, &text, err);
    buf_printf(&text, "; look: syncline report %s --only=removed", guarded->job);
    if (!request->dry_run)
        buf_printf(&text, "; do it: syncline approve %s", guarded->job);
    free(request->reason);
    free(request->message);
    request->reason = text_copy(err_name(ERR_RemovalHeld));
    request->message = text_of_bytes(buf_bytes(&text));
    buf_release(&text);
    return rc;
}

int ledger_guard(struct ledger *ledger, struct truth_request *request, bool *held, struct err *err)
{
    struct guarded guarded = {0};
    struct buf why = {0}, limit = {0};
    int rc = read_guarded(ledger, request->job, &guarded, err);

    *held = rc == 0 && !guarded.done && trips(request, &guarded, &why, &limit);
    if (*held)
        rc = tell(ledger, request, &guarded, &why, &limit, err);
    free(guarded.job);
    buf_release(&why);
    buf_release(&limit);
    return rc;
}
