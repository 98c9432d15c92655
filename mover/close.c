/* close.c: close: directories get the attributes that they have at the source, when nothing is
 * published into them any more; and the end of a job at the destination.
 *
 * The planner sends the directories deepest first: setting one's attributes may take the right to
 * enter it away. A batch of several depths that was lost half way has taken it away already, and
 * gives it back to itself. The finish is in an order of its own: the staging area goes, which
 * changes the root's times; the root's attributes; then all of it is made durable. */
#include "mover/mover.h"

#include <stdlib.h>

struct closing {
    struct mover_work *work;
    const struct msg_close *message;
    u32 preserve; /* what of the message's the source can tell */
    struct asset_token *token;
    struct rec_dir *paths;
    u32 count;
    struct frame_writer rows;
    size_t room;        /* bytes of the answer's frame that no path needs: for messages */
    struct err blocked; /* with a code: no directory can be set */
};

/* `wanted` borrows from the lane. What is too much to be taken is not taken away there either. */
static int read_source(struct closing *closing, struct bytes path, struct wanted *wanted,
                       u32 *not_kept, struct err *err)
{
    struct buf *extras = &closing->work->lane->extras;
    struct asset_directory *directory = NULL;
    int rc;

    if (asset_directory_open(closing->work->source, path, &directory, err) < 0) {
        if (err->code == ERR_NotFound || err->code == ERR_NotADirectory ||
            err->code == ERR_SymlinkInPath)
            err->code = ERR_Vanished; /* the destination's directory stays as it is */
        return -1;
    }
    buf_clear(extras);
    *wanted = (struct wanted){.preserve = closing->preserve};
    rc = asset_directory_attributes(directory, &wanted->attributes, err);
    if (rc == 0)
        rc = asset_extras(directory, bytes_of(NULL, 0), closing->preserve, extras, not_kept, err);
    asset_directory_close(&directory);
    wanted->extras = buf_bytes(extras);
    if (rc == 0 && *not_kept & (NOT_KEPT_XATTR | NOT_KEPT_ACL))
        wanted->preserve &= ~(u32)(PRESERVE_xattrs | PRESERVE_acls);
    return rc;
}

static int close_directory(struct closing *closing, struct rec_row *row, struct err *err)
{
    struct wanted wanted;
    u32 not_read, not_set = 0;

    if (closing->blocked.code != ERR_Ok) {
        *err = closing->blocked;
        return -1;
    }
    if (read_source(closing, row->path, &wanted, &not_read, err) < 0)
        return -1;
    row->mtime_ns = wanted.attributes.mtime_ns;
    if (asset_set_directory_attributes(closing->token, row->path, &wanted, &not_set, err) < 0)
        return -1;
    row->not_kept = not_read | not_set;
    row->outcome = OUTCOME_attributes;
    return 0;
}

static bool is_above(struct bytes above, struct bytes path)
{
    return above.size < path.size && path.data[above.size] == '/' &&
           memcmp(above.data, path.data, above.size) == 0;
}

/* May the directory be entered now? Those above it in the batch, topmost first, become private:
 * their own turn comes, and gives them what they are to have. */
static bool open_way(struct closing *closing, u32 index)
{
    static const struct wanted private = {.preserve = PRESERVE_mode,
                                          .attributes = {.kind = KIND_directory, .mode = 0700}};
    bool opened = false;
    struct err ignored;
    u32 not_kept;

    for (u32 i = closing->count - 1; i > index; i--)
        if (is_above(closing->paths[i].path, closing->paths[index].path))
            opened |= asset_set_directory_attributes(closing->token, closing->paths[i].path,
                                                     &private, &not_kept, &ignored) == 0;
    return opened;
}

/* -1 with the reason in `err` if the work is given back. A close is not tried again item by item:
 * what may pass by itself has failed here for good. */
static int add_row(struct closing *closing, u32 index, struct err *err)
{
    struct rec_row row = {.index = index,
                          .path = closing->paths[index].path,
                          .kind = KIND_directory,
                          .operation = OPERATION_directory};
    int rc;

    err_clear(err);
    rc = close_directory(closing, &row, err);
    if (rc < 0 && err->code == ERR_AccessDenied && closing->token && open_way(closing, index)) {
        err_clear(err);
        rc = close_directory(closing, &row, err);
    }
    if (rc < 0) {
        if (mover_gives_back(err->code))
            return -1;
        row.code = err->code;
        row.outcome = mover_outcome(err->code, &(struct mover_tries){.attempt = 1, .attempts = 1});
        row.message = bytes_text(err->text);
        if (4 * row.message.size > closing->room) /* escaped, a byte may become four */
            row.message.size = 0;
        closing->room -= 4 * row.message.size;
    }
    frame_add_row(&closing->rows, &row);
    closing->work->progress(closing->work->context, 0);
    return 0;
}

/* A row takes this much beside its path and its message. */
#define ROW_BYTES 80

static int check_rows(struct closing *closing, struct err *err)
{
    size_t size = ROW_BYTES;

    for (u32 i = 0; i < closing->count; i++)
        size += closing->paths[i].path.size + ROW_BYTES;
    if (size > FRAME_MAX)
        return err_set(err, ERR_Protocol, "%u directories whose rows take %zu bytes",
                       closing->count, size);
    closing->room = FRAME_MAX - size;
    return 0;
}

static int close_directories(struct closing *closing, const struct envelope *task,
                             struct err *failure, struct err *err)
{
    const struct msg_close *message = closing->message;
    struct token token = {message->job, message->epoch, message->sequence};
    struct err one;
    int rc;

    rc = task->bodies < 1 ? err_set(err, ERR_Protocol, "a close without directories")
                          : paths_decode(task->body[0], &closing->paths, &closing->count, err);
    if (rc == 0)
        rc = check_rows(closing, err);
    if (rc < 0) {
        *failure = *err;
        failure->code = ERR_Protocol;
        goto done;
    }
    if (closing->blocked.code == ERR_Ok && asset_token_open(closing->work->destination, &token,
                                                            &closing->token, &closing->blocked) < 0)
        closing->token = NULL;
    for (u32 i = 0; i < closing->count; i++)
        if (add_row(closing, i, &one) < 0) {
            *failure = one;
            goto done;
        }
    /* what cannot be removed goes with the staging area */
    if (closing->token)
        asset_token_end(&closing->token, &one);
done:
    asset_token_close(&closing->token);
    free(closing->paths);
    return rc;
}

static int set_root(struct closing *closing, struct err *err)
{
    struct mover_work *work = closing->work;
    struct wanted root;
    u32 not_kept = 0;

    if (!work->source) {
        *err = work->unreachable;
        return -1;
    }
    if (read_source(closing, bytes_of(NULL, 0), &root, &not_kept, err) < 0)
        return -1;
    return asset_set_root_attributes(work->destination, &root, &not_kept, err);
}

/* The staging area goes without a source, too. */
static int finish(struct closing *closing, struct err *err)
{
    struct mover_work *work = closing->work;
    struct err ignored;

    if (!work->destination) {
        *err = work->unreachable;
        return -1;
    }
    if (asset_staging_close(work->destination, err) < 0 ||
        (closing->message->finish != CLOSE_STAGING && set_root(closing, err) < 0)) {
        (void)asset_settle(work->destination, &ignored); /* the first reason is the one to tell */
        return -1;
    }
    return asset_settle(work->destination, err);
}

int mover_close(struct mover_work *work, const struct envelope *task, struct envelope *answer,
                struct err *err)
{
    const struct msg_close *message = &task->message.close;
    struct closing closing = {.work = work,
                              .message = message,
                              .blocked = work->unreachable,
                              .preserve = mover_preserve(work, message->preserve)};
    struct msg_closed closed = {
        .job = message->job, .epoch = message->epoch, .sequence = message->sequence};
    struct err *failure = &work->lane->answer;
    int rc = 0;

    err_clear(failure);
    buf_clear(&work->lane->body);
    frame_begin(&closing.rows, &work->lane->body);
    if (!message->finish)
        rc = close_directories(&closing, task, failure, err);
    else if (finish(&closing, failure) == 0)
        err_clear(failure);
    if (failure->code != ERR_Ok) { /* then no row counts */
        buf_clear(&work->lane->body);
        frame_begin(&closing.rows, &work->lane->body);
    }
    frame_end(&closing.rows);
    closed.code = failure->code;
    closed.message = bytes_text(failure->text);
    closed.opened_ns = work->destination ? work->destination->opened_ns : 0;
    *answer = (struct envelope){.message = {.kind = MSG_closed, .closed = closed}, .bodies = 1};
    answer->body[0] = buf_bytes(&work->lane->body);
    return rc;
}
