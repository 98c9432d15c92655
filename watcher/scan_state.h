/* scan_state.h: what the files of a scan share; for scan.c, root.c, extra.c and split.c only. */
#ifndef SYNCLINE_WATCHER_SCAN_STATE_H
#define SYNCLINE_WATCHER_SCAN_STATE_H

#include "entry.h"
#include "only.h"
#include "scan.h"
#include "shards.h"
#include "walk.h"

struct scan {
    const struct scan_request *request;
    const struct scan_sink *sink;
    struct emitter emitter;
    struct entry_decider decider;
    struct walk walk;
    struct shards_set handed_off;
    struct shards_set only;
    struct shards_pace pace;
    struct buf child; /* path of an entry: scan_path */
    struct err err;   /* why the shard is not complete, if `failed` */
    bool failed;
};

/* A directory on both sides, before it becomes a level. */
struct opened {
    struct asset_directory *source;
    struct asset_directory *destination; /* NULL if there is none */
    struct entry first;
    int got;      /* 1: `first` is there; 0: empty */
    u32 replaces; /* component of the path that is no directory at the destination; 0 = none */
};

static inline void opened_close(struct opened *opened)
{
    asset_directory_close(&opened->source);
    asset_directory_close(&opened->destination);
}

/* ---- scan.c ---- */

bool scan_is_over(const struct scan *scan);
/* Takes a name out of a listing, so that it outlives calls on the directory. */
int scan_keep_name(struct bytes name, u8 out[NAME_BYTES], struct err *err);
/* Path of a name in a directory; borrowed until the next call. */
struct bytes scan_path(struct scan *scan, struct bytes directory, struct bytes name);
/* Does everything take part? */
bool scan_takes_all(const struct scan *scan);
/* Does it take part, by the filters and the paths that are asked for? */
bool scan_takes(struct scan *scan, struct bytes directory, struct bytes name, bool is_directory);
/* The next subdirectory of a level that takes part: 1 and its name and attributes, 0 if there is
 * none. */
int scan_next_subdirectory(struct scan *scan, u32 index, u8 kept[NAME_BYTES], struct entry *out);
/* Compares and announces one subdirectory, and opens it unless it is not to be entered. True: it is
 * open and its contents are to be compared, by this scan or by another. */
bool scan_open_subdirectory(struct scan *scan, u32 index, struct bytes name,
                            const struct attributes *source, struct opened *opened);

/* ---- split.c ---- */

/* Leaves a subtree to others, if it is time to. `listing`: the deepest directory is being listed,
 * and has not come to its second pass yet. */
void split_if_due(struct scan *scan, bool listing);

/* ---- root.c ---- */

/* Opens the shard's root. 1, 0 if there is nothing to compare (it vanished since it was split off),
 * -1. */
int root_open(const struct scan_request *request, struct opened *out, struct err *err);
/* The root of the tree is nobody's entry: that its own attributes differ is said apart. */
u32 root_differs(struct scan *scan, const struct opened *root);

/* ---- extra.c ---- */

/* Counts the names of a level's directory at the destination. Without them nothing is taken for
 * extra; nothing else depends on it. */
void extra_count(struct scan *scan, u32 index);
/* A level was listed whole and cleanly: counts, and with SCAN_DELETE names, what only the
 * destination has. */
void extra_close(struct scan *scan, u32 index);
/* 1 if the directory `name` is empty, 0 if not, -1 if that cannot be said. */
int extra_is_empty(struct asset_directory *parent, struct bytes name, struct err *err);
/* Names, for removal, everything below the directory `name` of a level's directory at the
 * destination. True if all that is in it was named; else it is to stay. */
bool extra_name_below(struct scan *scan, u32 index, struct bytes name);
/* Names every object at the destination that is no directory; nothing is compared. */
void extra_inventory(struct scan *scan);

#endif
