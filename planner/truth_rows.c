/* truth_rows.c: rows as workers send them, checked and sorted out before a transaction begins
 * (truth_ledger.h). A listing may give a name twice while its directory changes, and each batch
 * names the directories that it published into: of several rows of one path the last counts, and
 * the ledger gets each key once. */
#include "planner/truth_ledger.h"

#include "base/names.h"

#include <stdlib.h>

static int check_row(const struct rec_row *row, struct err *err)
{
    if (!path_is_valid(row->path))
        return err_set(err, ERR_InvalidPath, "a row with an invalid path");
    if (row->kind < KIND_file || row->kind > KIND_block_device)
        return err_set(err, ERR_Protocol, "a row of unknown kind %u", row->kind);
    if (row->operation < OPERATION_put || row->operation > OPERATION_remove)
        return err_set(err, ERR_Protocol, "a row of unknown operation %u", row->operation);
    if (row->outcome < OUTCOME_moved || row->outcome > OUTCOME_extra)
        return err_set(err, ERR_Protocol, "a row of unknown outcome %u", row->outcome);
    if (row->digest.size > HASH_BYTES_MAX)
        return err_set(err, ERR_Protocol, "a row with a digest of %zu bytes", row->digest.size);
    return 0;
}

static enum row_class class_of(const struct rec_row *row, bool closing)
{
    bool directory = row->operation == OPERATION_directory;

    if (row->outcome == OUTCOME_again)
        return ROW_NONE;
    if (closing)
        return ROW_ITEM;
    if (directory && (row->outcome == OUTCOME_moved || row->outcome == OUTCOME_pending)) {
        if (row->path.size == 0) /* the root's attributes are set at the end of the job anyway */
            return ROW_NONE;
        return row->index == UINT32_MAX && row->outcome == OUTCOME_pending ? ROW_PASSED
                                                                           : ROW_DIRECTORY;
    }
    if (row->outcome == OUTCOME_unchanged)
        return ROW_UNCHANGED;
    return row->outcome == OUTCOME_moved ? ROW_OBJECT : ROW_ITEM;
}

static int decode_frame(struct bytes frame, bool closing, struct ledger_rows *out, struct err *err)
{
    struct frame_reader reader;
    struct rec_row row;
    int more;

    if (frame_open(&reader, frame, err) < 0)
        return -1;
    out->rows =
        memory_resize_or_die(out->rows, (out->count + (size_t)reader.left) * sizeof *out->rows);
    while ((more = frame_next_row(&reader, &row, err)) > 0) {
        struct ledger_row *at = &out->rows[out->count];

        if (check_row(&row, err) < 0)
            return -1;
        at->class = class_of(&row, closing);
        if (at->class == ROW_ITEM && row.outcome == OUTCOME_pending)
            return err_set(err, ERR_Protocol, "a row that is pending but no directory");
        if (at->class == ROW_NONE)
            continue;
        at->row = row;
        path_key(row.path, at->key);
        out->count++;
    }
    return more;
}

static int by_key(const void *a, const void *b)
{
    const struct ledger_row *const *left = a, *const *right = b;
    int order = memcmp((*left)->key, (*right)->key, KEY_BYTES);

    return order ? order : *left < *right ? -1 : *left > *right;
}

/* Of the rows of one key, in their order: the last that is counted stays, and one that was only
 * passed stays beside an object or an item (the path changed its type), never beside a directory.
 */
static void supersede(struct ledger_row **rows, u32 count, bool *duplicates)
{
    enum row_class last = ROW_NONE;
    bool passed = false;

    for (u32 i = count; i-- > 0;) {
        struct ledger_row *row = rows[i];

        if (row->class == ROW_PASSED)
            continue;
        if (last == ROW_NONE) {
            last = row->class;
        } else {
            row->class = ROW_NONE;
            *duplicates = true;
        }
    }
    for (u32 i = 0; i < count; i++) {
        if (rows[i]->class != ROW_PASSED)
            continue;
        if (last == ROW_DIRECTORY || passed)
            rows[i]->class = ROW_NONE;
        passed = true;
    }
}

static void supersede_all(struct ledger_rows *rows)
{
    struct ledger_row **sorted = memory_or_die(((size_t)rows->count + 1) * sizeof *sorted);
    struct ledger_row *in_key_order;
    u32 start = 0;

    for (u32 i = 0; i < rows->count; i++)
        sorted[i] = &rows->rows[i];
    qsort(sorted, rows->count, sizeof *sorted, by_key);
    for (u32 i = 1; i <= rows->count; i++) {
        if (i < rows->count && memcmp(sorted[i]->key, sorted[start]->key, KEY_BYTES) == 0)
            continue;
        if (i - start > 1)
            supersede(sorted + start, i - start, &rows->duplicates);
        start = i;
    }
    /* and so they go into COPY: neighbours in the index are written together */
    in_key_order = memory_or_die(((size_t)rows->count + 1) * sizeof *in_key_order);
    for (u32 i = 0; i < rows->count; i++)
        in_key_order[i] = *sorted[i];
    free(rows->rows);
    rows->rows = in_key_order;
    free(sorted);
    for (u32 i = 0; i < rows->count; i++)
        rows->of_class[rows->rows[i].class]++;
}

int ledger_rows_decode(const struct truth_request *request, bool closing, struct ledger_rows *out,
                       struct err *err)
{
    memset(out, 0, sizeof *out);
    for (u32 i = 0; i < request->row_count; i++) {
        if (decode_frame(buf_bytes(&request->rows[i]), closing, out, err) < 0) {
            ledger_rows_release(out);
            return -1;
        }
    }
    supersede_all(out);
    return 0;
}

void ledger_rows_release(struct ledger_rows *rows)
{
    free(rows->rows);
    memset(rows, 0, sizeof *rows);
}

/* ---- tuples ---- */

/* What of the rows is copied, a chunk at a time. */
struct loading {
    const struct ledger_rows *rows;
    const struct truth_request *request;
    bool objects; /* as in ledger_rows_load */
    u32 next;
};

static void add_object(const struct ledger_row *at, const struct truth_request *request,
                       struct buf *out)
{
    const struct rec_row *row = &at->row;

    copy_row(out, 11);
    copy_s64(out, (s64)request->asset);
    copy_bytes(out, bytes_of(at->key, KEY_BYTES));
    copy_bytes(out, row->path);
    copy_bytes(out, bytes_text(kind_name(row->kind)));
    copy_s64(out, (s64)row->size);
    copy_s64(out, row->mtime_ns);
    copy_bytes(out, bytes_text(hash_kind_name(request->hash)));
    copy_bytes(out, row->digest);
    copy_s32(out, (s32)row->not_kept);
    copy_s64(out, (s64)request->job);
    copy_s32(out, (s32)request->shard);
}

static bool fill_objects(void *context, struct buf *tuples)
{
    struct loading *loading = context;

    for (; loading->next < loading->rows->count && tuples->size < COPY_CHUNK; loading->next++)
        if (loading->rows->rows[loading->next].class == ROW_OBJECT)
            add_object(&loading->rows->rows[loading->next], loading->request, tuples);
    return loading->next < loading->rows->count;
}

int ledger_rows_objects(struct ledger *ledger, const struct ledger_rows *rows,
                        const struct truth_request *request, struct err *err)
{
    struct loading loading = {.rows = rows, .request = request};

    return postgres_copy(ledger->postgres, LEDGER_COPY_OBJECT, fill_objects, &loading, err);
}

static void copy_message(struct buf *out, struct bytes message)
{
    char *text;

    if (message.size == 0) {
        copy_null(out);
        return;
    }
    text = ledger_text(message);
    copy_bytes(out, bytes_text(text));
    free(text);
}

static void add_incoming(const struct ledger_row *at, struct buf *out)
{
    const struct rec_row *row = &at->row;
    u8 what = (u8)at->class;

    copy_row(out, 14);
    copy_bytes(out, bytes_of(&what, 1));
    copy_bytes(out, bytes_of(at->key, KEY_BYTES));
    copy_bytes(out, row->path);
    copy_bytes(out, bytes_text(kind_name(row->kind)));
    copy_bytes(out, bytes_text(operation_name(row->operation)));
    if (at->class == ROW_PASSED)
        copy_null(out);
    else
        copy_bytes(out, bytes_text(outcome_name(row->outcome)));
    copy_s64(out, (s64)row->size);
    copy_s64(out, row->mtime_ns);
    copy_bytes(out, row->digest);
    copy_s32(out, (s32)row->not_kept);
    if (row->code == ERR_Ok)
        copy_null(out);
    else
        copy_bytes(out, bytes_text(err_name(row->code)));
    copy_message(out, row->message);
    copy_s32(out, (s32)path_depth(row->path));
    copy_s64(out, (s64)row->inode);
}

static bool fill_incoming(void *context, struct buf *tuples)
{
    struct loading *loading = context;

    for (; loading->next < loading->rows->count && tuples->size < COPY_CHUNK; loading->next++) {
        const struct ledger_row *row = &loading->rows->rows[loading->next];

        if (row->class != ROW_NONE && (loading->objects || row->class != ROW_OBJECT))
            add_incoming(row, tuples);
    }
    return loading->next < loading->rows->count;
}

int ledger_rows_load(struct ledger *ledger, const struct ledger_rows *rows, bool objects,
                     struct err *err)
{
    struct loading loading = {.rows = rows, .objects = objects};

    return postgres_copy(
        ledger->postgres,
        "COPY incoming (what, key, path, kind, operation, outcome, size, mtime_ns,"
        " checksum, not_kept, code, message, depth, inode) FROM STDIN (FORMAT binary)",
        fill_incoming, &loading, err);
}
