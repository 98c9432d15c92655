/* truth_names.c: names that a scan left to the close, checked and sorted out before a transaction
 * begins (truth_ledger.h). As with rows, of several of one path the last counts. */
#include "planner/truth_ledger.h"

#include "base/names.h"

#include <stdlib.h>

const char *ledger_name_operation(const struct rec_name *name)
{
    return name->operation == 0 ? "inventory" : operation_name(name->operation);
}

static int check_name(const struct rec_name *name, struct err *err)
{
    if (name->path.size == 0 || !path_is_valid(name->path))
        return err_set(err, ERR_InvalidPath, "a name with an invalid path");
    if (name->kind < KIND_file || name->kind > KIND_block_device)
        return err_set(err, ERR_Protocol, "a name of unknown kind %u", name->kind);
    if (name->operation != 0 && name->operation != OPERATION_put &&
        name->operation != OPERATION_link && name->operation != OPERATION_remove)
        return err_set(err, ERR_Protocol, "a name with operation %u", name->operation);
    if (name->there_links > INT32_MAX)
        return err_set(err, ERR_Protocol, "a name with %u links", name->there_links);
    return 0;
}

static int decode_frame(struct bytes frame, struct ledger_names *out, struct err *err)
{
    struct frame_reader reader;
    struct rec_name name;
    int more;

    if (frame_open(&reader, frame, err) < 0)
        return -1;
    out->names =
        memory_resize_or_die(out->names, (out->count + (size_t)reader.left) * sizeof *out->names);
    while ((more = frame_next_name(&reader, &name, err)) > 0) {
        struct ledger_name *at = &out->names[out->count];

        if (check_name(&name, err) < 0)
            return -1;
        *at = (struct ledger_name){.name = name};
        path_key(name.path, at->key);
        out->count++;
    }
    return more;
}

/* Of one key in the order in which they came. */
static int by_key(const void *a, const void *b)
{
    const struct ledger_name *const *left = a, *const *right = b;
    int order = memcmp((*left)->key, (*right)->key, KEY_BYTES);

    return order ? order : *left < *right ? -1 : *left > *right;
}

static void sort(struct ledger_names *names)
{
    struct ledger_name **sorted = memory_or_die(((size_t)names->count + 1) * sizeof *sorted);
    struct ledger_name *in_order = memory_or_die(((size_t)names->count + 1) * sizeof *in_order);

    for (u32 i = 0; i < names->count; i++)
        sorted[i] = &names->names[i];
    qsort(sorted, names->count, sizeof *sorted, by_key);
    for (u32 i = 0; i < names->count; i++) {
        in_order[i] = *sorted[i];
        if (i > 0 && memcmp(in_order[i].key, in_order[i - 1].key, KEY_BYTES) == 0)
            in_order[i - 1].superseded = true;
    }
    free(names->names);
    free(sorted);
    names->names = in_order;
}

int ledger_names_decode(const struct truth_request *request, struct ledger_names *out,
                        struct err *err)
{
    memset(out, 0, sizeof *out);
    for (u32 i = 0; i < request->name_count; i++) {
        if (decode_frame(buf_bytes(&request->names[i]), out, err) < 0) {
            ledger_names_release(out);
            return -1;
        }
    }
    sort(out);
    return 0;
}

void ledger_names_release(struct ledger_names *names)
{
    free(names->names);
    memset(names, 0, sizeof *names);
}

static struct bytes parent_of(struct bytes path)
{
    const u8 *slash = memrchr(path.data, '/', path.size);

    return bytes_of(path.data, slash ? (size_t)(slash - path.data) : 0);
}

static void add_tuple(const struct ledger_name *at, struct buf *out)
{
    const struct rec_name *name = &at->name;
    bool put = name->operation == OPERATION_put; /* it is listed because it waits */
    u8 parent[KEY_BYTES], differs = (name->flags & NAME_DIFFERS) != 0;
    u8 over_directory = put || name->flags & NAME_OVER_DIRECTORY;
    u8 waits = put || name->flags & NAME_WAITS;

    path_key(parent_of(name->path), parent);
    copy_row(out, 16);
    copy_bytes(out, bytes_of(at->key, KEY_BYTES));
    copy_bytes(out, bytes_of(parent, KEY_BYTES));
    copy_bytes(out, name->path);
    copy_s32(out, (s32)path_depth(name->path));
    copy_bytes(out, bytes_text(ledger_name_operation(name)));
    copy_bytes(out, bytes_text(kind_name(name->kind)));
    copy_s64(out, (s64)name->size);
    copy_s64(out, name->mtime_ns);
    copy_s64(out, (s64)name->device);
    copy_s64(out, (s64)name->inode);
    copy_s64(out, (s64)name->there_inode);
    copy_s32(out, (s32)name->there_links);
    copy_s64(out, name->there_ctime_ns);
    copy_bytes(out, bytes_of(&differs, 1));
    copy_bytes(out, bytes_of(&over_directory, 1));
    copy_bytes(out, bytes_of(&waits, 1));
}

struct loading {
    const struct ledger_names *names;
    u32 next;
};

static bool fill(void *context, struct buf *tuples)
{
    struct loading *loading = context;

    for (; loading->next < loading->names->count && tuples->size < COPY_CHUNK; loading->next++)
        if (!loading->names->names[loading->next].superseded)
            add_tuple(&loading->names->names[loading->next], tuples);
    return loading->next < loading->names->count;
}

int ledger_names_load(struct ledger *ledger, const struct ledger_names *names, struct err *err)
{
    struct loading loading = {.names = names};

    return postgres_copy(
        ledger->postgres,
        "COPY incoming_name (key, parent, path, depth, operation, kind, size, mtime_ns, device,"
        " inode, there_inode, there_links, there_ctime_ns, differs, over_directory, waits)"
        " FROM STDIN (FORMAT binary)",
        fill, &loading, err);
}
