/* truth_feed.c: what is left to the close, as batches (truth_ledger.h, truth.h).
 *
 * Rows of table pending come a page at a time, in the order of an index: deepest first, a directory
 * at a time. The cursor is the place of the last row; what lies before it is on its way. A page
 * that ends in the middle of a directory, or of a batch, costs no more than a smaller batch. */
#include "planner/truth_ledger.h"

#include <stdio.h>
#include <stdlib.h>

#define BATCH_PATH_BYTES (FRAME_MAX / 4) /* of paths in a batch, and one item more */
#define CURSOR_BYTES (4 + 2 * KEY_BYTES) /* level, parent, key */

/* ---- pages ---- */

enum column {
    COLUMN_LEVEL, /* depth, negative: the order of the index */
    COLUMN_PARENT,
    COLUMN_KEY,
    COLUMN_PATH,
    COLUMN_KIND, /* number, as the source's */
    COLUMN_SIZE,
    COLUMN_DEVICE,
    COLUMN_INODE,
    COLUMN_THERE_INODE,
    COLUMN_THERE_TIME, /* ctime, or mtime of what has several names */
    COLUMN_THERE_SEVERAL,
    COLUMN_THERE_DIRECTORY, /* it makes way for the item */
    COLUMN_TARGET,          /* of a link: the leader's path, if it may be linked to */
    COLUMN_TARGET_INODE,
    COLUMN_MTIME, /* from here: FEED_CHECK */
    COLUMN_HASH,
    COLUMN_CHECKSUM,
};

/* $1 job, $2 to $4 the cursor, $5 limit, $6 asset. The page ends early when its paths are long:
 * after so many bytes of them, and one more. */
#define PAGE(columns, more, operation, condition, joins)                                           \
    PAGE_OF("16777216", columns, more, operation, condition, joins)
#define PAGE_OF(bytes, columns, more, operation, condition, joins)                                 \
    "SELECT level, parent, page.key, page.path, " columns ", page.there_inode,"                    \
    " CASE WHEN several THEN page.mtime_ns ELSE there_ctime_ns END, several,"                      \
    " page.kind = 'directory' OR over_directory" more                                              \
    " FROM (SELECT *, sum(octet_length(path)) OVER (ORDER BY level, parent, key) AS bytes FROM"    \
    "  (SELECT *, -depth AS level, there_links > 1 AND kind <> 'directory' AS several"             \
    "   FROM pending WHERE job = $1 AND operation = '" operation "'"                               \
    "   AND (-depth, parent, key) > ($2::integer, $3::uuid, $4::uuid) AND " condition              \
    "   ORDER BY -depth, parent, key LIMIT $5) rows) page" joins " WHERE page.bytes <= " bytes     \
    " + octet_length(page.path)"                                                                   \
    " AND $6::bigint IS NOT NULL ORDER BY level, parent, page.key"

#define PLAIN "page.kind, page.size, page.device, page.inode"
#define OF_OBJECT                                                                                  \
    " JOIN LATERAL (SELECT kind, size, mtime_ns, hash, checksum FROM object"                       \
    "  WHERE asset = $6 AND key = page.key OFFSET 0) o ON true"
#define PROVEN "o.kind, o.size, page.device, page.inode"

#define LEADERS(which) PAGE(PLAIN, "", "link", which " AND leader = key AND outcome IS NULL", "")
#define LINKS(which)                                                                               \
    PAGE(PLAIN, ", leader.path, leader.there_inode", "link",                                       \
         which " AND leader <> key AND outcome IS NULL",                                           \
         " LEFT JOIN LATERAL (SELECT path, there_inode FROM pending l"                             \
         "  WHERE job = $1 AND key = page.leader"                                                  \
         "  AND l.outcome IN ('moved', 'unchanged') AND l.there_inode <> 0 LIMIT 1)"               \
         " leader ON true")

/* A batch of the deepest (the limit is BATCH_ITEMS, the bytes are BATCH_PATH_BYTES). */
static const char deepest_sql[] = PAGE_OF("2097152", PLAIN, "", "remove", "outcome IS NULL", "");
_Static_assert(BATCH_PATH_BYTES == 2097152, "as in deepest_sql");

/* One depth: what is less deep is not even read, for of a deep tree it is long. */
#define DEEPEST                                                                                    \
    "outcome IS NULL AND -depth = (SELECT -depth FROM pending WHERE job = $1"                      \
    " AND operation = 'remove' AND outcome IS NULL"                                                \
    " AND (-depth, parent, key) > ($2::integer, $3::uuid, $4::uuid)"                               \
    " ORDER BY -depth, parent, key LIMIT 1)"

static const char *const page_sql[] = {
    [FEED_LEADERS] = LEADERS("NOT waits"),
    [FEED_LINKS] = LINKS("NOT waits"),
    [FEED_REMOVALS] = PAGE(PLAIN, "", "remove", DEEPEST, ""),
    [FEED_WAITING] = PAGE(PLAIN, "", "put", "outcome IS NULL", ""),
    [FEED_LATE_LEADERS] = LEADERS("waits"),
    [FEED_LATE_LINKS] = LINKS("waits"),
    [FEED_CHECK] = PAGE(PROVEN, ", NULL, NULL, o.mtime_ns, o.hash, o.checksum", "inventory",
                        "outcome IS NULL", OF_OBJECT),
    [FEED_REPAIR] = PAGE(PROVEN, "", "inventory", "differs", OF_OBJECT),
};

static int query_page(struct ledger *ledger, const struct truth_request *request, const char *sql,
                      u32 limit, PGresult **out, struct err *err)
{
    char level[16] = "-2147483648", parent[2 * KEY_BYTES + 1], key[2 * KEY_BYTES + 1];
    const u8 *at = request->cursor.data;

    memset(parent, '0', sizeof parent);
    memset(key, '0', sizeof key);
    parent[sizeof parent - 1] = key[sizeof key - 1] = '\0';
    if (request->cursor.size == CURSOR_BYTES) {
        s32 number;

        memcpy(&number, at, sizeof number);
        snprintf(level, sizeof level, "%d", number);
        for (int i = 0; i < KEY_BYTES; i++) {
            snprintf(parent + 2 * i, 3, "%02x", at[4 + i]);
            snprintf(key + 2 * i, 3, "%02x", at[4 + KEY_BYTES + i]);
        }
    }
    /* statistics of a table that was just filled are none: the index is the way, whatever they say
     */
    if (postgres_run(ledger->postgres,
                     "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off;"
                     "SET LOCAL enable_sort = off; SET LOCAL enable_hashjoin = off;"
                     "SET LOCAL enable_mergejoin = off",
                     err) < 0)
        return -1;
    return postgres_query(ledger->postgres, sql,
                          (struct parameter[]){parameter_s64((s64)request->job),
                                               parameter_text(level), parameter_text(parent),
                                               parameter_text(key), parameter_s64(limit),
                                               parameter_s64((s64)request->asset)},
                          6, out, err);
}

static bool is_of_one_level(const PGresult *page)
{
    int rows = PQntuples(page);

    return rows > 0 &&
           result_s64(page, 0, COLUMN_LEVEL) == result_s64(page, rows - 1, COLUMN_LEVEL);
}

/* A directory can go when everything in it is gone: batches that are worked at side by side are of
 * one depth. One alone, which is worked at in its order, takes as many depths as it has room for:
 * of a deep tree, each would cost some transactions otherwise. */
static int query_removals(struct ledger *ledger, struct truth_request *request, PGresult **out,
                          struct err *err)
{
    request->in_order = true;
    if (query_page(ledger, request, deepest_sql, BATCH_ITEMS, out, err) < 0)
        return -1;
    if (PQntuples(*out) < BATCH_ITEMS || !is_of_one_level(*out))
        return 0;
    PQclear(*out);
    request->in_order = false;
    return query_page(ledger, request, page_sql[request->feed], request->limit, out, err);
}

static void put_uuid(struct buf *out, const char *text)
{
    for (; *text; text++) {
        char hex[3] = {text[0], 0, 0};
        u8 byte;

        if (*text == '-')
            continue;
        hex[1] = *++text;
        byte = (u8)strtoul(hex, NULL, 16);
        buf_append(out, &byte, 1);
    }
}

static void put_cursor(const PGresult *page, int row, struct buf *cursor)
{
    s32 level = (s32)result_s64(page, row, COLUMN_LEVEL);

    buf_clear(cursor);
    buf_append(cursor, &level, sizeof level);
    put_uuid(cursor, result_text(page, row, COLUMN_PARENT));
    put_uuid(cursor, result_text(page, row, COLUMN_KEY));
}

/* ---- batches ---- */

/* A batch that is being filled; its frames are of the truth_batch. */
struct filling {
    struct truth_batch batch;
    struct frame_writer dirs, items, staged;
    struct buf last_dir;
    size_t paths; /* bytes: answers have a row for each, with its whole path */
    bool open;
};

struct feeder {
    struct truth_request *request;
    struct filling filling[3]; /* by hash kind; 0 where there is none */
    bool check;
};

static void batch_finish(struct feeder *feeder, struct filling *filling)
{
    struct truth_request *request = feeder->request;

    if (!filling->open)
        return;
    frame_end(&filling->dirs);
    frame_end(&filling->items);
    if (feeder->check)
        frame_end(&filling->staged);
    request->batches = memory_resize_or_die(request->batches,
                                            (request->batch_count + 1) * sizeof *request->batches);
    request->batches[request->batch_count++] = filling->batch;
    buf_release(&filling->last_dir);
    memset(filling, 0, sizeof *filling);
}

static void batch_begin(struct feeder *feeder, struct filling *filling, u32 hash)
{
    filling->open = true;
    filling->batch.hash = hash;
    frame_begin(&filling->dirs, &filling->batch.dirs);
    frame_begin(&filling->items, &filling->batch.items);
    if (feeder->check)
        frame_begin(&filling->staged, &filling->batch.staged);
}

static bool is_full(const struct filling *filling, u64 bytes)
{
    const struct truth_batch *batch = &filling->batch;

    return filling->open && (batch->count >= BATCH_ITEMS || batch->bytes + bytes > BATCH_BYTES ||
                             filling->paths > BATCH_PATH_BYTES);
}

static u32 kind_by_name(const char *name)
{
    for (u32 kind = KIND_file; kind <= KIND_block_device; kind++)
        if (strcmp(kind_name(kind), name) == 0)
            return kind;
    return KIND_file;
}

/* What must happen to the name of this row; path and target are borrowed. */
static struct rec_item item_of(const PGresult *page, int row, enum feed feed, struct bytes target)
{
    struct rec_item item = {
        .kind = kind_by_name(result_text(page, row, COLUMN_KIND)),
        .operation = OPERATION_put,
        .size = (u64)result_s64(page, row, COLUMN_SIZE),
        .flags = result_s64(page, row, COLUMN_THERE_INODE) != 0 ? ITEM_REPLACES : 0,
    };
    bool directory = result_text(page, row, COLUMN_THERE_DIRECTORY)[0] == 't';

    if (feed == FEED_LEADERS || feed == FEED_LATE_LEADERS || target.size > 0) {
        item.device = (u64)result_s64(page, row, COLUMN_DEVICE);
        item.inode = (u64)result_s64(page, row, COLUMN_INODE);
    }
    if (target.size > 0) {
        item.operation = OPERATION_link;
        item.target = target;
        item.target_inode = (u64)result_s64(page, row, COLUMN_TARGET_INODE);
    }
    if (directory)
        item.flags = ITEM_REPLACES | ITEM_REPLACES_DIRECTORY;
    if (feed == FEED_REMOVALS) {
        item.operation = OPERATION_remove;
        item.inode = (u64)result_s64(page, row, COLUMN_THERE_INODE);
        item.ctime_ns = result_s64(page, row, COLUMN_THERE_TIME);
        item.flags = result_text(page, row, COLUMN_THERE_SEVERAL)[0] == 't' ? ITEM_SEVERAL : 0;
    }
    if (feed == FEED_REPAIR && item.kind == KIND_directory)
        item.operation = OPERATION_directory;
    if (feed == FEED_CHECK) {
        item.inode = (u64)result_s64(page, row, COLUMN_THERE_INODE);
        item.flags = 0;
    }
    return item;
}

static void add_proven(const PGresult *page, int row, const struct rec_item *item,
                       struct frame_writer *writer)
{
    struct buf digest = {0};

    result_bytes(page, row, COLUMN_CHECKSUM, &digest);
    frame_add_staged(writer, &(struct rec_staged){.prove = 1,
                                                  .kind = item->kind,
                                                  .size = item->size,
                                                  .digest = buf_bytes(&digest),
                                                  .inode = item->inode,
                                                  .mtime_ns = result_s64(page, row, COLUMN_MTIME)});
    buf_release(&digest);
}

static void add_row(struct feeder *feeder, const PGresult *page, int row)
{
    u32 hash = feeder->check ? hash_kind_by_name(result_text(page, row, COLUMN_HASH)) : 0;
    struct filling *filling = &feeder->filling[hash < COUNT_OF(feeder->filling) ? hash : 0];
    struct buf path = {0}, target = {0};
    struct bytes dir;
    struct rec_item item;
    const u8 *slash;
    u64 bytes;

    result_bytes(page, row, COLUMN_PATH, &path);
    if (feeder->request->feed == FEED_LINKS || feeder->request->feed == FEED_LATE_LINKS)
        result_bytes(page, row, COLUMN_TARGET, &target);
    item = item_of(page, row, feeder->request->feed, buf_bytes(&target));
    bytes = item.operation == OPERATION_put ? item.size : 0;
    if (is_full(filling, bytes))
        batch_finish(feeder, filling);
    if (!filling->open)
        batch_begin(feeder, filling, hash);
    slash = memrchr(path.data, '/', path.size);
    dir = bytes_of(path.data, slash ? (size_t)(slash - path.data) : 0);
    if (filling->dirs.count == 0 || !bytes_equal(dir, buf_bytes(&filling->last_dir))) {
        frame_add_dir(&filling->dirs, &(struct rec_dir){.path = dir});
        buf_clear(&filling->last_dir);
        buf_append(&filling->last_dir, dir.data, dir.size);
    }
    item.dir = filling->dirs.count - 1;
    item.name = slash ? bytes_of(slash + 1, path.size - dir.size - 1) : buf_bytes(&path);
    frame_add_item(&filling->items, &item);
    if (feeder->check)
        add_proven(page, row, &item, &filling->staged);
    filling->paths += path.size + target.size;
    filling->batch.count++;
    filling->batch.bytes += bytes;
    buf_release(&path);
    buf_release(&target);
}

/* What is missing (level 0) can be put when the directories that it is missing in are directories
 * again. Of an order there is one batch. */
static bool goes_with_first(const PGresult *page, int row, const struct truth_request *request)
{
    s64 first = result_s64(page, 0, COLUMN_LEVEL), level = result_s64(page, row, COLUMN_LEVEL);

    if (request->in_order)
        return request->batch_count == 0;
    return request->feed != FEED_REPAIR || (level == 0) == (first == 0);
}

static void fill_batches(const PGresult *page, struct truth_request *request)
{
    struct feeder feeder = {.request = request, .check = request->feed == FEED_CHECK};
    int rows = PQntuples(page), taken = 0;

    while (taken < rows && goes_with_first(page, taken, request))
        add_row(&feeder, page, taken++);
    for (size_t i = 0; i < COUNT_OF(feeder.filling); i++)
        batch_finish(&feeder, &feeder.filling[i]);
    if (taken > 0)
        put_cursor(page, taken - 1, &request->cursor);
}

void truth_batches_free(struct truth_request *request)
{
    for (u32 i = 0; i < request->batch_count; i++) {
        buf_release(&request->batches[i].dirs);
        buf_release(&request->batches[i].items);
        buf_release(&request->batches[i].staged);
    }
    free(request->batches);
    request->batches = NULL;
    request->batch_count = 0;
}

int ledger_feed(struct ledger *ledger, struct truth_request *request, struct err *err)
{
    PGresult *page;

    truth_batches_free(request);
    if ((size_t)request->feed >= COUNT_OF(page_sql) || !page_sql[request->feed])
        return err_set(err, ERR_Internal, "there is no feed %d", (int)request->feed);
    if (ledger_lock_job(ledger, request, err) < 0)
        return -1;
    if ((request->feed == FEED_REMOVALS ? query_removals(ledger, request, &page, err)
                                        : query_page(ledger, request, page_sql[request->feed],
                                                     request->limit, &page, err)) < 0)
        return -1;
    if (ledger_commit(ledger, err) < 0) { /* the cursor must stay where it was */
        PQclear(page);
        return -1;
    }
    fill_batches(page, request);
    PQclear(page);
    return 0;
}
