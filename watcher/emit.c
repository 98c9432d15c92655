/* emit.c: see emit.h.
 *
 * How: items and names are packed straight into the frames that will be sent; nothing is held
 * twice. Both are gathered at the same time, so that a message says as scanned what is equal and
 * what was sent, not what still waits in the other frame. After the sink said
 * stop everything is still counted and nothing is sent: the walk ends at its next look at
 * `stopped`. */
#include "emit.h"

#define RECORD_BYTES 64u /* what msgpack adds to the name of an item or to a path, at most */

void emit_init(struct emitter *emitter, const struct scan_sink *sink, const struct token *token)
{
    memset(emitter, 0, sizeof *emitter);
    emitter->sink = sink;
    emitter->token = *token;
    frame_begin(&emitter->dir_writer, &emitter->dirs);
    frame_begin(&emitter->item_writer, &emitter->items);
    frame_begin(&emitter->name_writer, &emitter->names);
}

void emit_release(struct emitter *emitter)
{
    buf_release(&emitter->dirs);
    buf_release(&emitter->items);
    buf_release(&emitter->names);
}

void emit_progress(struct emitter *emitter)
{
    emitter->sink->progress(emitter->sink->context);
    if (emitter->sink->stopped(emitter->sink->context))
        emitter->stopped = true;
}

bool emit_tick(struct emitter *emitter)
{
    if (++emitter->ticks % EMIT_TICK_ENTRIES != 0)
        return false;
    emit_progress(emitter);
    return true;
}

static void send(struct emitter *emitter, const struct envelope *envelope)
{
    if (!emitter->stopped &&
        emitter->sink->send(emitter->sink->context, emitter->number, envelope) < 0)
        emitter->stopped = true;
}

static void flush_items(struct emitter *emitter)
{
    struct envelope envelope = {.message.kind = MSG_found, .bodies = 2};

    if (emitter->item_writer.count == 0)
        return;
    frame_end(&emitter->dir_writer);
    frame_end(&emitter->item_writer);
    emitter->sent += emitter->item_writer.count;
    envelope.message.found = (struct msg_found){
        .job = emitter->token.job,
        .epoch = emitter->token.epoch,
        .sequence = emitter->token.sequence,
        .number = ++emitter->number,
        .items = emitter->item_writer.count,
        .bytes = emitter->bytes,
        .scanned = emitter->unchanged + emitter->sent,
        .unchanged = emitter->unchanged,
        .extra = emitter->extra,
        .present = emitter->present,
    };
    envelope.body[0] = buf_bytes(&emitter->dirs);
    envelope.body[1] = buf_bytes(&emitter->items);
    send(emitter, &envelope);
    emitter->batches++;
    emitter->bytes = 0;
    buf_clear(&emitter->dirs);
    buf_clear(&emitter->items);
    frame_begin(&emitter->dir_writer, &emitter->dirs);
    frame_begin(&emitter->item_writer, &emitter->items);
}

static void flush_names(struct emitter *emitter)
{
    struct envelope envelope = {.message.kind = MSG_listed, .bodies = 1};

    if (emitter->name_writer.count == 0)
        return;
    frame_end(&emitter->name_writer);
    emitter->sent += emitter->named_counts;
    envelope.message.listed = (struct msg_listed){
        .job = emitter->token.job,
        .epoch = emitter->token.epoch,
        .sequence = emitter->token.sequence,
        .number = ++emitter->number,
        .names = emitter->name_writer.count,
        .items = emitter->named_items,
        .bytes = emitter->named_bytes,
        .scanned = emitter->unchanged + emitter->sent,
        .unchanged = emitter->unchanged,
        .extra = emitter->extra,
        .present = emitter->present,
    };
    envelope.body[0] = buf_bytes(&emitter->names);
    send(emitter, &envelope);
    emitter->named_items = emitter->named_counts = 0;
    emitter->named_bytes = 0;
    buf_clear(&emitter->names);
    frame_begin(&emitter->name_writer, &emitter->names);
}

/* What has waited long enough goes out. */
static void flush_lingering(struct emitter *emitter)
{
    if (emitter->item_writer.count > 0 &&
        emitter->scanned - emitter->scanned_at >= EMIT_LINGER_ENTRIES)
        flush_items(emitter);
    if (emitter->name_writer.count > 0 &&
        emitter->scanned - emitter->named_at >= EMIT_LINGER_ENTRIES)
        flush_names(emitter);
}

static u32 items_of_batch(u32 batch)
{
    u32 items = EMIT_FIRST_ITEMS;

    while (batch-- > 0 && items < BATCH_ITEMS)
        items *= 2;
    return items < BATCH_ITEMS ? items : BATCH_ITEMS;
}

void emit_unchanged(struct emitter *emitter)
{
    emitter->scanned++;
    emitter->unchanged++;
    flush_lingering(emitter);
}

/* The place of the directory in the batch; added if it is not there. */
static u32 place_of(struct emitter *emitter, struct emit_place *place, struct bytes directory)
{
    if (place->batch != emitter->batches + 1) {
        place->batch = emitter->batches + 1;
        place->index = emitter->dir_writer.count;
        frame_add_dir(&emitter->dir_writer,
                      &(struct rec_dir){.path = directory, .replaces = place->replaces});
    }
    return place->index;
}

void emit_item(struct emitter *emitter, struct emit_place *place, struct bytes directory,
               struct bytes name, const struct attributes *attributes,
               const struct compare_decision *decision)
{
    u64 bytes = decision->operation == OPERATION_put ? attributes->size : 0;
    bool known = place->batch == emitter->batches + 1;
    size_t frames = emitter->dirs.size + emitter->items.size + name.size + RECORD_BYTES +
                    (known ? 0 : directory.size + RECORD_BYTES);
    struct rec_item item = {
        .name = name,
        .kind = attributes->kind,
        .operation = decision->operation,
        .size = attributes->kind == KIND_directory ? 0 : attributes->size,
        .flags = decision->flags,
        .mtime_ns = decision->operation == OPERATION_put ? attributes->mtime_ns : 0,
    };

    if (frames > EMIT_FRAME_BYTES || emitter->bytes > BATCH_BYTES ||
        bytes > BATCH_BYTES - emitter->bytes)
        flush_items(emitter);
    emitter->scanned++;
    if (emitter->item_writer.count == 0)
        emitter->scanned_at = emitter->scanned;
    item.dir = place_of(emitter, place, directory);
    frame_add_item(&emitter->item_writer, &item);
    emitter->bytes += bytes;
    /* a file that is carried in parts goes alone, and at once */
    if (emitter->item_writer.count >= items_of_batch(emitter->batches) ||
        (attributes->kind == KIND_file && bytes >= PART_FROM))
        flush_items(emitter);
    flush_lingering(emitter);
}

void emit_name(struct emitter *emitter, const struct rec_name *name)
{
    bool item = name->operation == OPERATION_link || name->operation == OPERATION_put;
    bool counts = item || name->operation == 0;

    if (emitter->names.size + name->path.size + 2 * RECORD_BYTES > EMIT_FRAME_BYTES)
        flush_names(emitter);
    emitter->scanned += counts;
    if (emitter->name_writer.count == 0)
        emitter->named_at = emitter->scanned;
    frame_add_name(&emitter->name_writer, name);
    emitter->named_items += item;
    emitter->named_counts += counts;
    emitter->named_bytes += name->operation == OPERATION_put ? name->size : 0;
    if (emitter->name_writer.count >= EMIT_NAMES)
        flush_names(emitter);
    flush_lingering(emitter);
}

void emit_split(struct emitter *emitter, struct bytes path)
{
    struct envelope envelope = {.message.kind = MSG_split};

    envelope.message.split = (struct msg_split){
        .job = emitter->token.job,
        .epoch = emitter->token.epoch,
        .sequence = emitter->token.sequence,
        .number = ++emitter->number,
        .path = path,
    };
    send(emitter, &envelope);
}

void emit_scanned(struct emitter *emitter, u32 code, struct bytes message)
{
    struct envelope envelope = {.message.kind = MSG_scanned};

    flush_items(emitter);
    flush_names(emitter);
    envelope.message.scanned = (struct msg_scanned){
        .job = emitter->token.job,
        .epoch = emitter->token.epoch,
        .sequence = emitter->token.sequence,
        .number = ++emitter->number,
        .code = code,
        .message = message,
        .scanned = emitter->unchanged + emitter->sent,
        .unchanged = emitter->unchanged,
        .extra = emitter->extra,
        .root_differs = emitter->root_differs,
        .present = emitter->present,
        .source_empty = emitter->source_empty,
    };
    send(emitter, &envelope);
}
