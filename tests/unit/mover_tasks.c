/* Goal: what a mover is sent about an end that is another directory by now is not done there.
 * Method: the process of a mover with a scripted planner, and real directories that are exchanged
 * between two messages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "asset/asset.h"
#include "harness/fake_planner.h"
#include "mover/tasks.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static struct {
    struct fake_planner planner;
    char root[64], source[96], destination[96];
    u8 source_bytes[IDENTITY_BYTES_MAX], destination_bytes[IDENTITY_BYTES_MAX];
    struct bytes source_identity, destination_identity;
    u32 sequence;
} t;

static void make(const char *root, const char *name, mode_t mode)
{
    char path[192];

    snprintf(path, sizeof path, "%s/%s", root, name);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static mode_t mode_of(const char *root, const char *name)
{
    char path[192];
    struct stat status;

    snprintf(path, sizeof path, "%s/%s", root, name);
    return stat(path, &status) == 0 ? status.st_mode & 07777 : 0;
}

static struct bytes identity(const char *path, u8 *bytes)
{
    char address[128];
    struct asset *asset = NULL;
    struct identity found;
    struct err err;

    snprintf(address, sizeof address, "dir:%s", path);
    if (asset_open(address, &asset, &err) < 0 || asset_identity(asset, &found, &err) < 0)
        fail_msg("%s", err.text);
    asset_close(&asset);
    memcpy(bytes, found.bytes, found.size);
    return bytes_of(bytes, found.size);
}

/* Another directory at the address, with its `a` of that mode. */
static void exchange(const char *path, mode_t mode)
{
    char away[128];

    snprintf(away, sizeof away, "%s.away", path);
    assert_int_equal(rename(path, away), 0);
    make(t.root, strrchr(path, '/') + 1, 0755);
    make(path, "a", mode);
}

static void begin(void)
{
    memset(&t, 0, sizeof t);
    strcpy(t.root, "/tmp/syncline-test-XXXXXX");
    assert_non_null(mkdtemp(t.root));
    snprintf(t.source, sizeof t.source, "%s/source", t.root);
    snprintf(t.destination, sizeof t.destination, "%s/destination", t.root);
    make(t.root, "source", 0755);
    make(t.root, "destination", 0755);
    make(t.source, "a", 0751);
    make(t.destination, "a", 0700);
    t.source_identity = identity(t.source, t.source_bytes);
    t.destination_identity = identity(t.destination, t.destination_bytes);
    fake_planner_ready(&t.planner, "1");
}

static void end(void)
{
    char command[128];

    fake_planner_destroy(&t.planner);
    snprintf(command, sizeof command, "rm -rf '%s'", t.root);
    assert_int_equal(system(command), 0);
}

static struct bytes address(const char *path, char *out, size_t size)
{
    snprintf(out, size, "dir:%s", path);
    return bytes_text(out);
}

/* The staging area, with the token of the closes below. */
static void grant(void)
{
    struct message message = {.kind = MSG_open};
    struct delivery *delivery;
    char destination[128];

    message.open =
        (struct msg_open){.job = 7,
                          .epoch = 3,
                          .sequence = ++t.sequence,
                          .destination = address(t.destination, destination, sizeof destination),
                          .destination_identity = t.destination_identity};
    fake_planner_send(&t.planner, &message);
    delivery = fake_planner_expect(&t.planner, MSG_opened, 0);
    assert_int_equal(delivery->envelope.message.opened.code, ERR_Ok);
    delivery_destroy(&delivery);
    message = (struct message){.kind = MSG_grant};
    message.grant =
        (struct msg_grant){.job = 7,
                           .epoch = 3,
                           .sequence = ++t.sequence,
                           .destination = address(t.destination, destination, sizeof destination),
                           .first = t.sequence + 1,
                           .count = 1};
    fake_planner_send(&t.planner, &message);
    delivery = fake_planner_expect(&t.planner, MSG_granted, 0);
    assert_int_equal(delivery->envelope.message.granted.code, ERR_Ok);
    delivery_destroy(&delivery);
}

/* Directory `a`, or a finish: the code of its only row, or of the answer. */
static u32 close_it(u32 finish)
{
    char source[128], destination[128];
    struct envelope envelope = {.message.kind = MSG_close, .bodies = 1};
    struct delivery *delivery;
    struct frame_writer writer;
    struct frame_reader reader;
    struct buf dirs = {0};
    struct rec_row row;
    struct err err;
    u32 code;

    frame_begin(&writer, &dirs);
    if (!finish)
        frame_add_dir(&writer, &(struct rec_dir){.path = bytes_text("a")});
    frame_end(&writer);
    envelope.body[0] = buf_bytes(&dirs);
    envelope.message.close =
        (struct msg_close){.job = 7,
                           .epoch = 3,
                           .sequence = ++t.sequence,
                           .source = address(t.source, source, sizeof source),
                           .destination = address(t.destination, destination, sizeof destination),
                           .finish = finish,
                           .preserve = PRESERVE_ALL,
                           .destination_identity = t.destination_identity,
                           .source_identity = t.source_identity};
    assert_int_equal(bus_send(t.planner.bus, &t.planner.worker, &envelope, &err), 0);
    buf_release(&dirs);
    delivery = fake_planner_expect(&t.planner, MSG_closed, 0);
    code = delivery->envelope.message.closed.code;
    if (!finish && code == ERR_Ok) {
        assert_int_equal(frame_open(&reader, delivery->envelope.body[0], &err), 0);
        assert_int_equal(frame_next_row(&reader, &row, &err), 1);
        code = row.code;
    }
    delivery_destroy(&delivery);
    return code;
}

/* Goal: directories get the attributes of the source that was probed, or none; the staging area
 * goes all the same. Method: the source is exchanged before the close; control: it is not. */
static void source_is_exchanged(void **state)
{
    (void)state;
    begin();
    grant();
    assert_int_equal(close_it(0), ERR_Ok);
    assert_int_equal(mode_of(t.destination, "a"), 0751);
    exchange(t.source, 0711);
    grant();
    assert_int_equal(close_it(0), ERR_SourceChanged);
    assert_int_equal(mode_of(t.destination, "a"), 0751);
    assert_int_equal(mode_of(t.destination, ".syncline"), 0700);
    assert_int_equal(close_it(CLOSE_ALL), ERR_SourceChanged);
    assert_int_equal(mode_of(t.destination, ".syncline"), 0);
    end();
}

/* Goal: a finish takes nothing away from, and sets nothing on, a directory that is not the one that
 * was opened. Method: the destination is exchanged for one that has an area of its own. */
static void destination_is_exchanged(void **state)
{
    (void)state;
    for (u32 finish = CLOSE_ALL; finish <= CLOSE_STAGING; finish++) {
        begin();
        grant();
        exchange(t.destination, 0700);
        make(t.destination, ".syncline", 0700); /* empty and private: it would be taken for ours */
        assert_int_equal(close_it(finish), ERR_AssetUnreachable);
        assert_int_equal(mode_of(t.destination, ".syncline"), 0700);
        end();
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(source_is_exchanged),
        cmocka_unit_test(destination_is_exchanged),
    };

    if (argc > 1 && strcmp(argv[1], "worker") == 0) {
        fake_planner_be_worker();
        return worker_main(&mover_role, argc - 1, argv + 1);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
