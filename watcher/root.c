/* root.c: the root of a shard, opened on both sides.
 *
 * A shard whose root is gone is empty, unless it is the root of the tree. Below something at the
 * destination that is no directory, there is nothing to compare with: it makes way when the first
 * item comes, and each batch says which component of its paths that is. */
#include "scan_state.h"

#include "svc/probe.h"

static bool is_something_else(const struct err *err)
{
    return err->code == ERR_NotADirectory || err->code == ERR_SymlinkInPath;
}

static bool is_gone(const struct err *err)
{
    return err->code == ERR_NotFound || is_something_else(err);
}

/* The first component of the path, from 1, that is no directory at the destination. */
static u32 find_replaced(const struct scan_request *request)
{
    struct asset_directory *directory;
    u32 component = 0;
    struct err err;

    for (size_t end = 1; end <= request->path.size; end++) {
        if (end < request->path.size && request->path.data[end] != '/')
            continue;
        component++;
        if (asset_directory_open(request->destination, bytes_of(request->path.data, end),
                                 &directory, &err) < 0)
            return is_something_else(&err) ? component : 0;
        asset_directory_close(&directory);
    }
    return 0;
}

int root_open(const struct scan_request *request, struct opened *out, struct err *err)
{
    bool whole = request->path.size == 0;

    *out = (struct opened){0};
    if (asset_directory_open(request->source, request->path, &out->source, err) == 0)
        out->got = asset_directory_next(out->source, &out->first, err);
    else
        out->got = -1;
    if (out->got < 0) {
        if (!whole)
            return is_gone(err) ? 0 : -1;
        return probe_refuse(PROBE_SOURCE, bytes_text(request->source->address), err);
    }
    if (asset_directory_open(request->destination, request->path, &out->destination, err) == 0)
        return 1;
    if (whole)
        return probe_refuse(PROBE_DESTINATION, bytes_text(request->destination->address), err);
    if (is_something_else(err))
        out->replaces = find_replaced(request);
    return is_gone(err) ? 1 : -1;
}

u32 root_differs(struct scan *scan, const struct opened *root)
{
    struct attributes source, destination;
    struct entry_side from = {root->source, &source}, to = {root->destination, &destination};
    bool of_source;
    struct err err;

    if (scan->request->path.size > 0 || !root->destination ||
        asset_directory_attributes(root->source, &source, &err) < 0 ||
        asset_directory_attributes(root->destination, &destination, &err) < 0)
        return 0; /* what cannot be read here is found, and said, by the listing */
    return compare_objects(&source, &destination, &scan->decider.rules).operation != 0 ||
           entry_extras_differ(&scan->decider, &from, &to, bytes_of(NULL, 0), &of_source, &err) ==
               1;
}
