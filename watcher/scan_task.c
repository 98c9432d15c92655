/* scan_task.c: see scan_task.h. How: the sink of the scan is the task itself: its stream, its
 * window, its stop. What keeps the scan from beginning goes out as a `scanned` with a code, so that
 * a planner has one place to look at. */
#include "scan_task.h"

#include "base/names.h"
#include "scan.h"
#include "svc/probe.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

/* One for all lanes, and as long as the process is. */
static struct bare_set *bare;
static pthread_once_t bare_once = PTHREAD_ONCE_INIT;

static void make_bare(void)
{
    bare = bare_new();
}

static int sink_send(void *context, u32 number, const struct envelope *message)
{
    return task_stream(context, number, message);
}

static u32 sink_splits_wanted(void *context)
{
    return task_splits_wanted(context);
}

static void sink_split_taken(void *context)
{
    task_split_taken(context);
}

static void sink_progress(void *context)
{
    task_progress(context, 0);
}

static bool sink_stopped(void *context)
{
    return task_is_stopped(context);
}

static int open_assets(struct task *task, const struct msg_scan *scan, struct scan_request *request,
                       struct err *err)
{
    if (task_asset(task, scan->source, &request->source, err) < 0)
        return probe_refuse(PROBE_SOURCE, scan->source, err);
    if (task_asset(task, scan->destination, &request->destination, err) < 0)
        return probe_refuse(PROBE_DESTINATION, scan->destination, err);
    if (probe_require(PROBE_SOURCE, request->source, scan->source_identity, err) < 0)
        return -1;
    return probe_require(PROBE_DESTINATION, request->destination, scan->destination_identity, err);
}

/* What is kept, and both assets have. An owner that this process could not set is no difference:
 * movers run as the same user, and would report it as not kept each time. */
static struct compare_rules rules_of(const struct scan_request *request,
                                     const struct msg_scan *scan)
{
    u32 both = asset_capabilities(request->source) & asset_capabilities(request->destination);
    u32 kept = scan->preserve;

    return (struct compare_rules){
        .put_again_since_ns = scan->put_again_since_ns,
        .owners = (both & ASSET_OWNERS) && (kept & PRESERVE_owner) && geteuid() == 0,
        .modes = (both & ASSET_MODES) && (kept & PRESERVE_mode),
        .times = kept & PRESERVE_times,
        .nodes = both & ASSET_NODES,
        .links = (both & ASSET_LINKS) && (kept & PRESERVE_hardlinks),
        .extras = both & ASSET_EXTRAS ? kept & (PRESERVE_xattrs | PRESERVE_acls) : 0,
    };
}

/* Paths of a body, which borrow from it. */
struct path_list {
    struct bytes *paths;
    u32 count;
};

static int take_paths(const struct envelope *envelope, u32 body, struct path_list *out,
                      struct err *err)
{
    struct rec_dir *dirs = NULL;

    if (envelope->bodies > body && paths_decode(envelope->body[body], &dirs, &out->count, err) < 0)
        return -1;
    out->paths = memory_or_die(((size_t)out->count + 1) * sizeof *out->paths);
    for (u32 i = 0; i < out->count; i++)
        out->paths[i] = dirs[i].path;
    free(dirs);
    return 0;
}

/* What was handed off before, and what is asked for, if that is not all: the first and the third
 * body. */
static int take_lists(const struct envelope *envelope, struct path_list lists[2],
                      struct scan_request *request, struct err *err)
{
    if (take_paths(envelope, 0, &lists[0], err) < 0 || take_paths(envelope, 2, &lists[1], err) < 0)
        return -1;
    if (envelope->bodies > 2 && lists[1].count == 0)
        return err_set(err, ERR_Protocol, "a scan of no path at all");
    request->handed_off = lists[0].paths;
    request->handed_off_count = lists[0].count;
    request->only = lists[1].paths;
    request->only_count = lists[1].count;
    return 0;
}

/* The filters: the second body. */
static int take_filter(const struct envelope *envelope, struct filter *filter, struct err *err)
{
    struct frame_reader reader;
    struct rec_rule rule;
    int more;

    if (envelope->bodies < 2 || envelope->body[1].size == 0)
        return 0;
    if (frame_open(&reader, envelope->body[1], err) < 0)
        return -1;
    while ((more = frame_next_rule(&reader, &rule, err)) > 0)
        if (filter_add(filter, rule.text, err) < 0)
            return -1;
    return more;
}

void scan_task_run(struct task *task)
{
    const struct envelope *envelope = task_envelope(task);
    const struct msg_scan *scan = &envelope->message.scan;
    struct scan_sink sink = {task,          sink_send,   sink_splits_wanted, sink_split_taken,
                             sink_progress, sink_stopped};
    struct scan_request request = {
        .token = {.job = scan->job, .epoch = scan->epoch, .sequence = scan->sequence},
        .path = scan->path,
    };
    struct filter *filter = filter_new();
    struct path_list lists[2] = {{0}};
    struct err err;
    u32 last;

    request.filter = filter;
    request.flags = scan->flags;
    if (!path_is_valid(scan->path)) {
        err_set(&err, ERR_InvalidPath, "a scan of an invalid path");
        last = scan_refuse(&request.token, &sink, &err);
    } else if (take_lists(envelope, lists, &request, &err) < 0 ||
               take_filter(envelope, filter, &err) < 0 ||
               open_assets(task, scan, &request, &err) < 0) {
        last = scan_refuse(&request.token, &sink, &err);
    } else {
        pthread_once(&bare_once, make_bare);
        request.bare = bare;
        request.rules = rules_of(&request, scan);
        last = scan_shard(&request, &sink);
    }
    task_stream_end(task, last);
    filter_destroy(&filter);
    free(lists[0].paths);
    free(lists[1].paths);
}
