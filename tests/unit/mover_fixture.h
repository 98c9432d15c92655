/* mover_fixture.h: what the tests of mover and verifier share: two assets, a batch, and the way of
 * a batch (stage, prove, publish) driven in one process without any worker.
 *
 * Everything goes through asset.h, so that a test runs on any driver. Checks are cmocka's: a helper
 * that fails ends its test. */
#ifndef SYNCLINE_TESTS_MOVER_FIXTURE_H
#define SYNCLINE_TESTS_MOVER_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/names.h"
#include "mover/mover.h"
#include "verifier/prove.h"

#define FIXTURE_UNUSED __attribute__((unused))
#define FIXTURE_MTIME_NS 1234567890123456789LL

struct fixture {
    char root[64]; /* of the directories that dir: assets are made in; "" without */
    char source_path[96];
    char destination_path[96];
    struct asset *source;
    struct asset *destination;
    struct mover_lane *mover;
    struct prove_lane *prover;
    struct token token;
    u32 hash;
    u32 durability;
    u32 preserve;
    u32 progressed; /* calls of the progress callback */
    u32 stop_after; /* the task is stopped from this call on; 0 = never */
    u64 (*pace)(void *context, u64 wanted);
    void (*on_progress)(struct fixture *fixture);

    struct buf dirs; /* frames of the batch */
    struct buf items;
    struct frame_writer dir_writer;
    struct frame_writer item_writer;
    struct buf staged_answer; /* bodies of the answers, copied: decoded records borrow from them */
    struct buf proven_answer;
    struct buf rows;
    struct buf staged; /* what goes on to the next step: the answer, or what a test made of it */
    struct buf proven;
    struct envelope answer; /* the latest */
    struct err err;         /* of the latest refusal */
    u32 count;              /* records of the latest answer, decoded: */
    struct rec_staged staged_records[BATCH_ITEMS + 1];
    struct rec_proven proven_records[BATCH_ITEMS + 1];
    struct rec_row row_records[2 * BATCH_ITEMS + 1];
};

#define assert_ok(call, err) fixture_ok((call), (err), #call, __FILE__, __LINE__)

FIXTURE_UNUSED static void fixture_ok(int rc, const struct err *err, const char *call,
                                      const char *file, int line)
{
    if (rc >= 0)
        return;
    print_error("%s: %s: %s\n", call, err_name(err->code), err->text);
    _assert_true(0, call, file, line);
}

/* ---- assets ---- */

FIXTURE_UNUSED static void fixture_remove(const char *root)
{
    char command[256];

    snprintf(command, sizeof command, "chmod -R u+rwx '%s' 2>/dev/null; rm -rf '%s'", root, root);
    assert_int_equal(system(command), 0);
}

/* `driver` is "dir" or "mem"; `faults` goes in front of the address of the end it is for, or is
 * NULL: "fault:corrupt=1;". */
FIXTURE_UNUSED static void fixture_open(struct fixture *f, const char *driver,
                                        const char *source_faults, const char *destination_faults)
{
    static u32 number;
    char address[512];
    struct err err;

    memset(f, 0, sizeof *f);
    f->hash = HASH_XXH3_128;
    f->durability = DURABILITY_STANDARD;
    f->preserve = PRESERVE_ALL;
    f->token = (struct token){.job = 7, .epoch = 3, .sequence = 11};
    number++;
    if (strcmp(driver, "dir") == 0) {
        snprintf(f->root, sizeof f->root, "/tmp/syncline-mover-XXXXXX");
        assert_non_null(mkdtemp(f->root));
        snprintf(f->source_path, sizeof f->source_path, "%s/source", f->root);
        snprintf(f->destination_path, sizeof f->destination_path, "%s/destination", f->root);
        assert_int_equal(mkdir(f->source_path, 0755), 0);
        assert_int_equal(mkdir(f->destination_path, 0755), 0);
    } else {
        snprintf(f->source_path, sizeof f->source_path, "source-%u", number);
        snprintf(f->destination_path, sizeof f->destination_path, "destination-%u", number);
    }
    snprintf(address, sizeof address, "%s%s:%s", source_faults ? source_faults : "", driver,
             f->source_path);
    assert_ok(asset_open(address, &f->source, &err), &err);
    snprintf(address, sizeof address, "%s%s:%s", destination_faults ? destination_faults : "",
             driver, f->destination_path);
    assert_ok(asset_open(address, &f->destination, &err), &err);
    f->mover = mover_lane_new();
    f->prover = prove_lane_new();
}

FIXTURE_UNUSED static void fixture_close(struct fixture *f)
{
    asset_close(&f->source);
    asset_close(&f->destination);
    mover_lane_destroy(&f->mover);
    prove_lane_destroy(&f->prover);
    buf_release(&f->dirs);
    buf_release(&f->items);
    buf_release(&f->staged_answer);
    buf_release(&f->proven_answer);
    buf_release(&f->staged);
    buf_release(&f->proven);
    buf_release(&f->rows);
    if (f->root[0])
        fixture_remove(f->root);
}

/* Splits "a/b/c" into its directory and name. */
FIXTURE_UNUSED static struct bytes fixture_split(const char *path, struct bytes *directory)
{
    const char *slash = strrchr(path, '/');

    *directory = bytes_of(path, slash ? (size_t)(slash - path) : 0);
    return bytes_text(slash ? slash + 1 : path);
}

/* Puts an object into an asset, by the same functions that publish: no driver is special. */
FIXTURE_UNUSED static void fixture_seed(struct asset *asset, const char *path,
                                        enum object_kind kind, const void *content, size_t size,
                                        u32 mode)
{
    struct attributes attributes = {.kind = kind,
                                    .mode = mode,
                                    .uid = geteuid(),
                                    .gid = getegid(),
                                    .links = 1,
                                    .size = size,
                                    .mtime_ns = FIXTURE_MTIME_NS};
    struct wanted wanted = {.attributes = attributes, .preserve = PRESERVE_ALL};
    struct token token = {.job = 999999, .epoch = 1, .sequence = 1};
    struct asset_directory *directory = NULL;
    struct asset_token *right = NULL;
    struct asset_file *file = NULL;
    struct staged_version version;
    struct bytes parent, name = fixture_split(path, &parent);
    struct err err;
    s64 now_ns;
    u32 not_kept;
    bool made;

    assert_ok(asset_staging_open(asset, 999999, 1, &now_ns, &err), &err);
    assert_ok(asset_grant(asset, &token, 1, &err), &err);
    assert_ok(asset_token_open(asset, &token, &right, &err), &err);
    assert_ok(asset_publish_directory(right, parent, 0, &directory, &err), &err);
    if (kind == KIND_directory) {
        assert_ok(asset_publish_make(right, 0, directory, name, false, &made, &err), &err);
        assert_ok(asset_set_directory_attributes(right, bytes_text(path), &wanted, &not_kept, &err),
                  &err);
    } else {
        if (kind == KIND_file) {
            assert_ok(asset_stage_file(right, 0, &file, &err), &err);
            if (size > 0)
                assert_ok(asset_stage_write(file, content, size, 0, &err), &err);
            assert_ok(asset_stage_end(&file, &version, &err), &err);
        } else {
            assert_ok(asset_stage_link(right, 0, bytes_of(content, size), &version, &err), &err);
        }
        assert_ok(
            asset_publish(right, 0, &version, &wanted, false, directory, name, &not_kept, &err),
            &err);
    }
    asset_directory_close(&directory);
    assert_ok(asset_token_end(&right, &err), &err);
    assert_ok(asset_staging_close(asset, &err), &err);
}

FIXTURE_UNUSED static void fixture_file(struct asset *asset, const char *path, const char *content)
{
    fixture_seed(asset, path, KIND_file, content, strlen(content), 0640);
}

/* 1 and its attributes, 0 if it is not there. */
FIXTURE_UNUSED static int fixture_lookup(struct asset *asset, const char *path,
                                         struct attributes *out)
{
    struct bytes parent, name = fixture_split(path, &parent);
    struct asset_directory *directory = NULL;
    struct err err;
    int there;

    if (asset_directory_open(asset, parent, &directory, &err) < 0)
        return 0;
    there = asset_directory_lookup(directory, name, out, &err);
    assert_ok(there, &err);
    asset_directory_close(&directory);
    return there;
}

/* The content of a file or the target of a link, which must be there. */
FIXTURE_UNUSED static void fixture_read(struct asset *asset, const char *path, struct buf *out)
{
    struct bytes parent, name = fixture_split(path, &parent);
    struct asset_directory *directory = NULL;
    struct attributes attributes;
    struct asset_file *file = NULL;
    struct err err;

    buf_clear(out);
    assert_ok(asset_directory_open(asset, parent, &directory, &err), &err);
    assert_int_equal(asset_directory_lookup(directory, name, &attributes, &err), 1);
    if (attributes.kind == KIND_symlink) {
        assert_ok(asset_read_link(directory, name, out, &attributes, &err), &err);
    } else {
        assert_ok(asset_file_open(directory, name, &file, &attributes, &err), &err);
        assert_int_equal(
            asset_file_read(file, buf_reserve(out, attributes.size + 1), attributes.size, 0, &err),
            attributes.size);
        out->size = attributes.size;
        asset_file_close(&file);
    }
    asset_directory_close(&directory);
}

FIXTURE_UNUSED static void fixture_expect(struct asset *asset, const char *path,
                                          const char *content)
{
    struct buf got = {0};

    fixture_read(asset, path, &got);
    assert_string_equal(buf_text(&got), content);
    buf_release(&got);
}

/* ---- a batch ---- */

FIXTURE_UNUSED static void batch_begin(struct fixture *f)
{
    buf_clear(&f->dirs);
    buf_clear(&f->items);
    frame_begin(&f->dir_writer, &f->dirs);
    frame_begin(&f->item_writer, &f->items);
}

FIXTURE_UNUSED static u32 batch_dir(struct fixture *f, const char *path)
{
    struct rec_dir dir = {.path = bytes_text(path)};

    frame_add_dir(&f->dir_writer, &dir);
    frame_end(&f->dir_writer);
    return f->dir_writer.count - 1;
}

FIXTURE_UNUSED static void batch_add(struct fixture *f, const struct rec_item *item)
{
    frame_add_item(&f->item_writer, item);
    frame_end(&f->item_writer);
}

FIXTURE_UNUSED static void batch_item(struct fixture *f, u32 dir, const char *name, u32 kind,
                                      u32 operation, u32 flags)
{
    struct rec_item item = {.dir = dir,
                            .name = bytes_text(name),
                            .kind = kind,
                            .operation = operation,
                            .size = 1,
                            .flags = flags};

    batch_add(f, &item);
}

/* The usual batch of one file in the root. */
FIXTURE_UNUSED static void batch_of_file(struct fixture *f, const char *name, u32 flags)
{
    batch_begin(f);
    batch_dir(f, "");
    batch_item(f, 0, name, KIND_file, OPERATION_put, flags);
}

/* ---- the steps ---- */

FIXTURE_UNUSED static void fixture_progress(void *context, u64 bytes)
{
    struct fixture *f = context;

    (void)bytes;
    f->progressed++;
    if (f->on_progress)
        f->on_progress(f);
}

FIXTURE_UNUSED static bool fixture_stopped(void *context)
{
    struct fixture *f = context;

    return f->stop_after && f->progressed >= f->stop_after;
}

FIXTURE_UNUSED static struct mover_work fixture_work(struct fixture *f)
{
    return (struct mover_work){.lane = f->mover,
                               .source = f->source,
                               .destination = f->destination,
                               .progress = fixture_progress,
                               .stopped = fixture_stopped,
                               .pace = f->pace,
                               .context = f};
}

/* The right to write, as a planner has it made. */
FIXTURE_UNUSED static void fixture_grant(struct fixture *f)
{
    struct err err;
    s64 now_ns;

    assert_ok(asset_staging_open(f->destination, f->token.job, f->token.epoch, &now_ns, &err),
              &err);
    assert_ok(asset_grant(f->destination, &f->token, 1, &err), &err);
}

FIXTURE_UNUSED static void fixture_revoke(struct fixture *f)
{
    struct err err;
    bool clean;

    assert_ok(asset_revoke(f->destination, &f->token, &clean, &err), &err);
    assert_true(clean);
}

static inline void fixture_keep(struct buf *out, struct bytes body)
{
    buf_clear(out);
    buf_append(out, body.data, body.size);
}

FIXTURE_UNUSED static int step_stage(struct fixture *f)
{
    struct mover_work work = fixture_work(f);
    struct envelope task = {.message = {.kind = MSG_stage}, .bodies = 2};
    struct frame_reader reader;
    struct err err;
    int rc;

    task.message.stage = (struct msg_stage){.job = f->token.job,
                                            .epoch = f->token.epoch,
                                            .sequence = f->token.sequence,
                                            .hash = f->hash,
                                            .durability = f->durability,
                                            .attempt = 1,
                                            .preserve = f->preserve};
    task.body[0] = buf_bytes(&f->dirs);
    task.body[1] = buf_bytes(&f->items);
    rc = mover_stage(&work, &task, &f->answer, &f->err);
    assert_int_equal(f->answer.message.kind, MSG_staged);
    fixture_keep(&f->staged, f->answer.body[0]);
    fixture_keep(&f->staged_answer, f->answer.body[0]);
    assert_ok(frame_open(&reader, buf_bytes(&f->staged_answer), &err), &err);
    for (f->count = 0; frame_next_staged(&reader, &f->staged_records[f->count], &err) > 0;)
        f->count++;
    return rc;
}

FIXTURE_UNUSED static int step_prove(struct fixture *f)
{
    struct prove_work work = {.lane = f->prover,
                              .destination = f->destination,
                              .progress = fixture_progress,
                              .stopped = fixture_stopped,
                              .context = f};
    struct envelope task = {.message = {.kind = MSG_prove}, .bodies = 1};
    struct frame_reader reader;
    struct err err;
    int rc;

    task.message.prove = (struct msg_prove){.job = f->token.job,
                                            .epoch = f->token.epoch,
                                            .sequence = f->token.sequence,
                                            .hash = f->hash,
                                            .durability = f->durability};
    task.body[0] = buf_bytes(&f->staged);
    rc = prove_batch(&work, &task, &f->answer, &f->err);
    assert_int_equal(f->answer.message.kind, MSG_proven);
    fixture_keep(&f->proven, f->answer.body[0]);
    fixture_keep(&f->proven_answer, f->answer.body[0]);
    assert_ok(frame_open(&reader, buf_bytes(&f->proven_answer), &err), &err);
    for (f->count = 0; frame_next_proven(&reader, &f->proven_records[f->count], &err) > 0;)
        f->count++;
    return rc;
}

static inline void fixture_take_rows(struct fixture *f)
{
    struct frame_reader reader;
    struct err err;

    fixture_keep(&f->rows, f->answer.body[0]);
    assert_ok(frame_open(&reader, buf_bytes(&f->rows), &err), &err);
    for (f->count = 0; frame_next_row(&reader, &f->row_records[f->count], &err) > 0;)
        f->count++;
}

FIXTURE_UNUSED static int step_publish(struct fixture *f, u32 attempt)
{
    struct mover_work work = fixture_work(f);
    struct envelope task = {.message = {.kind = MSG_publish}, .bodies = 3};
    struct buf records = {0};
    int rc;

    buf_append(&records, f->staged.data, f->staged.size);
    buf_append(&records, f->proven.data, f->proven.size);
    task.message.publish = (struct msg_publish){.job = f->token.job,
                                                .epoch = f->token.epoch,
                                                .sequence = f->token.sequence,
                                                .attempt = attempt,
                                                .attempts = ITEM_ATTEMPTS,
                                                .preserve = f->preserve,
                                                .proven = (u32)f->staged.size};
    task.body[0] = buf_bytes(&f->dirs);
    task.body[1] = buf_bytes(&f->items);
    task.body[2] = buf_bytes(&records);
    rc = mover_publish(&work, &task, &f->answer, &f->err);
    assert_int_equal(f->answer.message.kind, MSG_published);
    fixture_take_rows(f);
    buf_release(&records);
    return rc;
}

/* Write the records anew for the next step, as a test has changed them. */
FIXTURE_UNUSED static void encode_staged(struct fixture *f, u32 count)
{
    struct frame_writer writer;

    buf_clear(&f->staged);
    frame_begin(&writer, &f->staged);
    for (u32 i = 0; i < count; i++)
        frame_add_staged(&writer, &f->staged_records[i]);
    frame_end(&writer);
}

FIXTURE_UNUSED static void encode_proven(struct fixture *f, u32 count)
{
    struct frame_writer writer;

    buf_clear(&f->proven);
    frame_begin(&writer, &f->proven);
    for (u32 i = 0; i < count; i++)
        frame_add_proven(&writer, &f->proven_records[i]);
    frame_end(&writer);
}

/* The whole way, under a token granted for it, where nothing is refused as a whole. */
FIXTURE_UNUSED static void step_all(struct fixture *f, u32 attempt)
{
    fixture_grant(f);
    assert_ok(step_stage(f), &f->err);
    assert_ok(step_prove(f), &f->err);
    assert_ok(step_publish(f, attempt), &f->err);
}

static inline void assert_row(const struct rec_row *row, const char *path, u32 outcome, u32 code)
{
    char text[256];

    snprintf(text, sizeof text, "%.*s", (int)row->path.size, (const char *)row->path.data);
    assert_string_equal(text, path);
    if (row->outcome != outcome || row->code != code)
        print_error("%s: %s, %s: %.*s\n", path, outcome_name(row->outcome), err_name(row->code),
                    (int)row->message.size, (const char *)row->message.data);
    assert_int_equal(row->outcome, outcome);
    assert_int_equal(row->code, code);
}

#endif
