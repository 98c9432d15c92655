/* found.c: what scans name: batches of what differs (found), and names that are dealt with in the
 * close (listed). A watcher is not trusted: every path is checked, that it belongs to the shard,
 * and that the counts are true.
 *
 * A batch takes a place in its scan's window until it ended. Names take none, but memory: while too
 * many bytes wait to be committed, no scan may go on (shard_through). */
#include "planner/planner.h"

#include "base/log.h"
#include "base/names.h"

#define NAME_FLAGS (NAME_DIFFERS | NAME_OVER_DIRECTORY | NAME_WAITS)

/* ---- found ---- */

static bool found_fits(const struct shard *shard, const struct msg_found *found,
                       const struct batch *batch, u64 *bytes)
{
    bool fits = batch->item_count > 0 && batch->item_count == found->items;

    for (u32 i = 0; i < batch->dir_count; i++)
        fits = fits && path_is_within(batch->dirs[i].path, buf_bytes(&shard->path));
    for (u32 i = 0; i < batch->item_count; i++) {
        fits = fits && batch->items[i].operation >= OPERATION_put &&
               batch->items[i].operation <= OPERATION_refuse;
        *bytes += batch->items[i].operation == OPERATION_put ? batch->items[i].size : 0;
    }
    return fits;
}

static void refuse(const struct job *job, const struct shard *shard, const char *message)
{
    log_write(LOG_ERROR, job->name, EVENT_message_refused, "message=%s shard=%u", message,
              shard->number);
}

/* Nothing of it can be carried: no token is needed to say so, and nothing is written. */
static bool is_refused(const struct batch *batch)
{
    for (u32 i = 0; i < batch->item_count; i++)
        if (batch->items[i].operation != OPERATION_refuse)
            return false;
    return true;
}

void shard_carry(struct job *job, struct shard *shard, struct bytes dirs, struct bytes records,
                 u32 items, u64 bytes)
{
    struct job_batch *batch;

    shard->window_used++;
    batch = batch_new(job, shard, dirs, records, items, bytes);
    batch->from_scan = true;
    if (job->opening == OPENING_NONE)
        job->opening = OPENING_WANTED;
}

static void take_found(struct job *job, struct shard *shard, const struct envelope *envelope,
                       const struct batch *decoded, u64 bytes)
{
    const struct msg_found *found = &envelope->message.found;

    shard->scanned = (s64)found->scanned;
    shard->unchanged = (s64)found->unchanged;
    shard->extra = (s64)found->extra;
    shard->pending.value[COUNTER_found] += found->items;
    shard->pending.value[COUNTER_bytes_found] += (s64)bytes;
    if (job->spec.dry_run || job->spec.verify || is_refused(decoded)) {
        plan_batch(job, shard, decoded);
        return;
    }
    if (job->spec.plan)
        planned_ask(job, shard, envelope, decoded);
    else
        shard_carry(job, shard, envelope->body[0], envelope->body[1], found->items, bytes);
}

void shard_found(struct job *job, struct shard *shard, const struct envelope *envelope)
{
    struct batch decoded;
    struct err err;
    u64 bytes = 0;

    if (envelope->bodies != 2) {
        refuse(job, shard, "found");
        return;
    }
    if (batch_decode(envelope->body[0], envelope->body[1], &decoded, &err) < 0) {
        log_error(job->name, EVENT_message_refused, &err);
        return;
    }
    if (!found_fits(shard, &envelope->message.found, &decoded, &bytes))
        refuse(job, shard, "found");
    else if (shard_take_number(job, shard, envelope->message.found.number))
        take_found(job, shard, envelope, &decoded, bytes);
    batch_release(&decoded);
}

/* ---- listed ---- */

/* A flag goes with a link, and with those below it. */
static bool flags_fit(const struct rec_name *name)
{
    u32 flags = name->flags;

    if (flags & ~NAME_FLAGS || (flags && name->operation != OPERATION_link))
        return false;
    return flags == 0 || flags == NAME_DIFFERS || flags == (NAME_DIFFERS | NAME_OVER_DIRECTORY) ||
           flags == NAME_FLAGS;
}

static bool name_fits(const struct job *job, const struct shard *shard, const struct rec_name *name)
{
    bool inventory = name->operation == 0;

    if (!path_is_valid(name->path) || name->path.size == 0 ||
        !path_is_within(name->path, buf_bytes(&shard->path)))
        return false;
    if (name->kind < KIND_file || name->kind > KIND_block_device || !flags_fit(name))
        return false;
    if (inventory || job->spec.verify)
        return inventory && job->spec.verify;
    return name->operation == OPERATION_link || name->operation == OPERATION_remove ||
           name->operation == OPERATION_put;
}

/* The names are those that the header counts. */
static bool listed_fits(const struct job *job, const struct shard *shard,
                        const struct envelope *envelope, u64 *bytes)
{
    const struct msg_listed *listed = &envelope->message.listed;
    struct frame_reader reader;
    struct rec_name name;
    u32 names = 0, items = 0;
    struct err err;
    int more;

    if (envelope->bodies != 1 || frame_open(&reader, envelope->body[0], &err) < 0)
        return false;
    while ((more = frame_next_name(&reader, &name, &err)) > 0) {
        if (!name_fits(job, shard, &name))
            return false;
        names++;
        items += name.operation == OPERATION_link || name.operation == OPERATION_put;
        *bytes += name.operation == OPERATION_put ? name.size : 0;
    }
    return more == 0 && names > 0 && names == listed->names && items == listed->items;
}

void shard_listed(struct job *job, struct shard *shard, const struct envelope *envelope)
{
    const struct msg_listed *listed = &envelope->message.listed;
    u64 bytes = 0;

    if (!listed_fits(job, shard, envelope, &bytes)) {
        refuse(job, shard, "listed");
        return;
    }
    if (!shard_take_number(job, shard, listed->number))
        return;
    shard->scanned = (s64)listed->scanned;
    shard->unchanged = (s64)listed->unchanged;
    shard->extra = (s64)listed->extra;
    shard->pending.value[COUNTER_found] += listed->items;
    shard->pending.value[COUNTER_bytes_found] += (s64)bytes;
    segment_add_names(job, shard, envelope->body[0], listed->names);
}
