/* emit.h: the messages of one scan: gathers items into batches, and names that are dealt with in
 * the close into lists; numbers what is sent, counts.
 *
 *   found*  listed*  split*   in any order, numbered 1, 2, … together
 *   scanned                   once, the last
 *
 * At each message scanned = unchanged + items sent so far, the message's own included. Names of
 * links and waiting puts are items; names of removals are counted apart, by the planner. */
#ifndef SYNCLINE_WATCHER_EMIT_H
#define SYNCLINE_WATCHER_EMIT_H

#include "base/buf.h"
#include "compare.h"
#include "wire/message.h"

/* A batch ends when its frames hold this much, so that long paths do not make a frame that is
 * refused. */
#define EMIT_FRAME_BYTES (1u << 20)
/* The first batch ends at this many items, the next at twice as many …, so that movers begin early.
 */
#define EMIT_FIRST_ITEMS 64u
/* A list of names ends at this many. */
#define EMIT_NAMES 4096u
/* A batch that is not full goes out after so many more entries, so that few differences in a large
 * tree are moved while the rest is compared. */
#define EMIT_LINGER_ENTRIES 8192u
#define EMIT_TICK_ENTRIES 16u /* a slow source must show progress within a second */

/* Where a scan's messages go and what it asks on its way: a task, or a test. */
struct scan_sink {
    void *context;
    /* Waits until the message may be sent, sends and keeps it; -1 if the scan is to stop. */
    int (*send)(void *context, u32 number, const struct envelope *message);
    /* Subtrees that others could take now, and that one of them was handed off. */
    u32 (*splits_wanted)(void *context);
    void (*split_taken)(void *context);
    void (*progress)(void *context);
    bool (*stopped)(void *context);
};

struct emitter {
    const struct scan_sink *sink;
    struct token token; /* of the scan */
    bool stopped;       /* nothing more is sent: the sink said so */
    u32 number;         /* of the last message */
    u32 batches;        /* found messages sent */
    u64 scanned;        /* entries compared; those that wait to be sent are among them */
    u64 sent;           /* items, in messages */
    u64 unchanged;
    u64 extra;        /* only the destination has them, and they are not named */
    u64 present;      /* entries at the destination */
    u32 root_differs; /* the root's own attributes are to be set */
    u32 source_empty; /* the root has no entry that takes part */
    u32 ticks;

    /* the batch that is being gathered; the buffers are used again */
    struct buf dirs;
    struct buf items;
    struct frame_writer dir_writer;
    struct frame_writer item_writer;
    u64 bytes;      /* content */
    u64 scanned_at; /* `scanned` when its first item came */

    /* the names that are being gathered */
    struct buf names;
    struct frame_writer name_writer;
    u32 named_items;  /* of them, those that are items */
    u32 named_counts; /* of them, those that count as scanned */
    u64 named_bytes;
    u64 named_at; /* as scanned_at */
};

/* Where a directory's path stands in the batch that is being gathered. Zero-initialise one for each
 * directory that is being walked. */
struct emit_place {
    u32 batch; /* number of the batch plus one; 0 = none */
    u32 index;
    u32 replaces; /* component of the path that is no directory at the destination; 0 = none */
};

void emit_init(struct emitter *emitter, const struct scan_sink *sink, const struct token *token);
void emit_release(struct emitter *emitter);

/* An entry was looked at: tells the sink, now and then. True when it did, and it is time to look
 * around. */
bool emit_tick(struct emitter *emitter);
/* The same, at once. */
void emit_progress(struct emitter *emitter);

/* Counts one entry as compared and equal. */
void emit_unchanged(struct emitter *emitter);
/* Counts one entry as compared and puts it into the batch; `directory` is the path of its parent.
 */
void emit_item(struct emitter *emitter, struct emit_place *place, struct bytes directory,
               struct bytes name, const struct attributes *attributes,
               const struct compare_decision *decision);
/* Puts a name into the list that goes to the close. A link and a put count one entry as compared,
 * and so does an inventory's. */
void emit_name(struct emitter *emitter, const struct rec_name *name);
/* Leaves the subtree at `path` to others. */
void emit_split(struct emitter *emitter, struct bytes path);
/* Sends what is gathered, then `scanned`. `code` 0: the shard was compared to its end. */
void emit_scanned(struct emitter *emitter, u32 code, struct bytes message);

#endif
