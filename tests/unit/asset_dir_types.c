/* asset_dir_types.c: what only a directory tree can show of removal and changes of type: somebody
 * who changes the tree at the same instant, what a process that died left, kernels and filesystems
 * that lack a call.
 *
 * How: the hook before a publish or removal is the instant after all checks; there another object
 * takes the place. A child with a system call filter stands for a filesystem without exchange. */
#include "contract/asset_place.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* ---- somebody else, between the checks and the step ---- */

enum swap { SWAP_FILE, SWAP_DIRECTORY, SWAP_GONE, SWAP_REVOKED };

struct hook {
    struct place *place;
    enum swap swap;
};

static void change_now(void *context)
{
    struct hook *self = context;
    struct token which = {1, 1, 1};
    struct err err;
    bool clean;

    switch (self->swap) {
    case SWAP_FILE:
        plant_file(self->place, "other", "somebody's");
        assert_int_equal(rename(below(self->place, "other"), below(self->place, "x")), 0);
        break;
    case SWAP_DIRECTORY:
        assert_int_equal(unlink(below(self->place, "x")), 0);
        plant_file(self->place, "x/deep/file", "somebody's");
        break;
    case SWAP_GONE:
        assert_int_equal(unlink(below(self->place, "x")), 0);
        break;
    case SWAP_REVOKED:
        must(asset_revoke(self->place->asset, &which, &clean, &err));
        break;
    }
}

/* Removes "x" while that happens; the code that it ends with. */
static u32 remove_while(struct place *place, enum swap swap)
{
    struct hook hook = {place, swap};
    struct asset_token *token;
    struct asset_directory *root;
    struct attributes there;
    struct err err = {0};
    int result;

    plant_file(place, "x", "listed");
    assert_int_equal(look_up(place, "", "x", &there), 1);
    token = begin(place, 1, 1, 1);
    root = open_directory(place, "");
    place->asset->before_publish = change_now;
    place->asset->before_publish_context = &hook;
    result = asset_remove(token, 0, root, TEXT("x"), &there, &err);
    place->asset->before_publish = NULL;
    asset_directory_close(&root);
    asset_token_close(&token);
    must(asset_staging_close(place->asset, &err));
    return result == 0 ? ERR_Ok : err.code;
}

/* Goal: an object that takes the place of one that is to be removed stays, whatever it is.
 * Method: between check and rename: another file, a full directory, nothing, a revocation. */
static void replaced_before_removal(void **state)
{
    struct place *place = *state;

    assert_int_equal(remove_while(place, SWAP_FILE), ERR_Changed);
    check_content(place, "", TEXT("x"), TEXT("somebody's"));
    assert_int_equal(remove_while(place, SWAP_DIRECTORY), ERR_Changed);
    check_content(place, "x/deep", TEXT("file"), TEXT("somebody's"));
    assert_int_equal(rename(below(place, "x"), below(place, "kept")), 0);
    assert_int_equal(remove_while(place, SWAP_GONE), ERR_NotFound);
    assert_int_equal(remove_while(place, SWAP_REVOKED), ERR_Revoked);
    check_content(place, "", TEXT("x"), TEXT("listed"));
    assert_int_equal(count_entries(place, ""), 2);
}

struct swapper {
    const char *a;
    const char *b;
    atomic_bool stop;
};

static void *swap_on(void *argument)
{
    struct swapper *self = argument;

    while (!atomic_load(&self->stop))
        renameat2(AT_FDCWD, self->a, AT_FDCWD, self->b, RENAME_EXCHANGE);
    return NULL;
}

/* Goal: a directory that takes the place of what a new directory was to replace stays.
 * Method: swap a file and a full directory without end, and make directories over the name. */
static void swapped_while_replacing(void **state)
{
    struct place *place = *state;
    struct swapper swapper = {0};
    u32 replaced = 0, there = 0;

    for (u32 round = 1; round <= 300; round++) {
        struct asset_token *token = begin(place, 1, 1, round);
        struct asset_directory *root = open_directory(place, "");
        struct attributes a, b;
        pthread_t thread;
        struct err err;
        bool made;

        plant_file(place, "full/file", "kept");
        plant_file(place, "x", "");
        swapper.a = below(place, "x");
        swapper.b = below(place, "full");
        atomic_store(&swapper.stop, false);
        assert_int_equal(pthread_create(&thread, NULL, swap_on, &swapper), 0);
        usleep(round % 7 * 10);
        must(asset_publish_make(token, 0, root, TEXT("x"), true, &made, &err));
        atomic_store(&swapper.stop, true);
        pthread_join(thread, NULL);
        replaced += made;
        there += !made;
        must(asset_token_end(&token, &err));
        /* wherever it is by now, the full directory has its file */
        assert_int_equal(look_up(place, "", "x", &a), 1);
        assert_int_equal(look_up(place, "", "full", &b), 1);
        if (access(below(place, "x/file"), F_OK) < 0)
            check_content(place, "full", TEXT("file"), TEXT("kept"));
        else
            check_content(place, "x", TEXT("file"), TEXT("kept"));
        asset_directory_close(&root);
        assert_int_equal(rename(below(place, "x"), below(place, "old")), 0);
        assert_int_equal(rename(below(place, "full"), below(place, "older")), 0);
        char command[900];

        snprintf(command, sizeof command, "rm -rf '%s' '%s'", below(place, "old"),
                 below(place, "older"));
        assert_int_equal(system(command), 0);
    }
    assert_true(replaced > 0 && replaced + there == 300);
}

struct filler {
    struct place *place;
    atomic_bool stop;
    atomic_uint lost;
};

/* Makes a file in the directory while it is there; what was made must not go away by itself. */
static void *fill_on(void *argument)
{
    struct filler *self = argument;
    char file[400];

    snprintf(file, sizeof file, "%s/x/file", self->place->root);
    while (!atomic_load(&self->stop)) {
        int fd = open(file, O_CREAT | O_EXCL | O_WRONLY, 0600), tries;

        if (fd < 0)
            continue;
        close(fd);
        for (tries = 0; access(file, F_OK) < 0 && tries < 2000; tries++)
            usleep(100); /* exchanged there and back again */
        if (tries == 2000)
            atomic_fetch_add(&self->lost, 1);
        unlink(file);
    }
    return NULL;
}

/* Goal: a file that somebody makes in an empty directory that is to make way is not lost.
 * Method: a thread makes files there without end while others are put over the directory. */
static void filled_while_replacing(void **state)
{
    struct place *place = *state;
    struct asset_token *token = begin(place, 1, 1, 1);
    struct asset_directory *root = open_directory(place, "");
    struct attributes attributes = file_attributes(0644);
    struct filler filler = {.place = place};
    u32 done = 0, refused = 0, not_kept;
    pthread_t thread;
    struct err err;

    plant_directory(place, "x");
    assert_int_equal(pthread_create(&thread, NULL, fill_on, &filler), 0);
    for (u32 i = 0; i < 1000 || (refused == 0 && i < 1000000); i++) {
        struct staged_version version = stage(token, i, TEXT("y"));

        if (asset_publish(token, i, &version, WANTED(attributes), true, root, TEXT("x"), &not_kept,
                          &err) == 0) {
            done++;
            assert_int_equal(unlink(below(place, "x")), 0);
            assert_int_equal(mkdir(below(place, "x"), 0755), 0);
        } else {
            assert_int_equal(err.code, ERR_NotEmpty);
            refused++;
        }
    }
    atomic_store(&filler.stop, true);
    pthread_join(thread, NULL);
    assert_int_equal(atomic_load(&filler.lost), 0);
    assert_true(done > 0 && refused > 0);
    must(asset_token_end(&token, &err));
    asset_directory_close(&root);
}

/* ---- what a process that died left ---- */

/* Goal: a token is emptied of everything that can be in it, however deep, also without privilege.
 * Method: nodes, links, directories of 3000 levels with files and without rights. */
static void revoke_empties(void **state)
{
    struct token which = {1, 1, 1};
    struct place *place = *state;
    struct asset_token *token = begin(place, 1, 1, 1);
    struct staged_version version;
    struct err err;
    bool clean;
    int at;

    must(asset_stage_node(token, 0, KIND_fifo, 0, &version, &err));
    must(asset_stage_link(token, 1, TEXT("/etc"), &version, &err));
    plant_file(place, "outside/file", "kept");
    plant_link(place, STAGING_NAME "/1-1-1/d3/link", "../../../outside");
    plant_file(place, STAGING_NAME "/1-1-1/d3/closed/within/file", "");
    assert_int_equal(chmod(below(place, STAGING_NAME "/1-1-1/d3/closed"), 0), 0);
    at = open(below(place, STAGING_NAME "/1-1-1/d3"), O_RDONLY | O_DIRECTORY);
    for (u32 level = 0; level < 3000; level++) {
        int next;

        assert_int_equal(mkdirat(at, "n", 0700), 0);
        next = openat(at, "n", O_RDONLY | O_DIRECTORY);
        close(openat(next, "file", O_CREAT | O_WRONLY, 0600));
        close(at);
        at = next;
    }
    close(at);
    must(asset_revoke(place->asset, &which, &clean, &err));
    assert_int_equal(access(below(place, STAGING_NAME "/1-1-1"), F_OK), -1);
    check_content(place, "outside", TEXT("file"), TEXT("kept"));
    asset_token_close(&token);
    must(asset_staging_close(place->asset, &err));
    assert_int_equal(count_entries(place, ""), 1);
}

/* ---- kernels and filesystems that lack a call ---- */

/* renameat2 with flags is invalid, and listxattrat and copy_file_range are not there. */
static int without_calls(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 465, 5, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_copy_file_range, 4, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_renameat2, 0, 2),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[4])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 2),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
    };
    struct sock_fprog program = {COUNT_OF(code), code};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -1;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

/* 0, or which check failed. */
static int without(struct place *place, struct asset_token *token, struct asset_directory *root)
{
    struct attributes attributes = file_attributes(0644), there;
    struct asset_directory *into;
    struct staged_version version;
    struct asset_file *file;
    struct buf extras = {0};
    struct err err;
    u32 not_kept;
    bool made;

    if (without_calls() < 0)
        return 1;
    if (renameat2(AT_FDCWD, "/none", AT_FDCWD, "/none", RENAME_EXCHANGE) == 0 || errno != EINVAL)
        return 2;
    if (asset_publish_make(token, 0, root, TEXT("file"), true, &made, &err) < 0 || !made)
        return 3;
    if (asset_publish_directory(token, TEXT("link/b"), 1, &into, &err) < 0)
        return 4;
    asset_directory_close(&into);
    for (u32 i = 0; i < 2; i++) {
        if (asset_stage_file(token, i, &file, &err) < 0 ||
            asset_stage_write(file, "abc", 3, 0, &err) < 0 ||
            asset_stage_end(&file, &version, &err) < 0)
            return 5;
        if (asset_publish(token, i, &version, WANTED(attributes), true, root,
                          bytes_text(i ? "full" : "empty"), &not_kept, &err) == 0) {
            if (i)
                return 6;
        } else if (!i || err.code != ERR_NotEmpty) {
            return 7;
        }
    }
    if (asset_directory_lookup(root, TEXT("gone"), &there, &err) != 1 ||
        asset_remove(token, 2, root, TEXT("gone"), &there, &err) < 0)
        return 8;
    if (asset_extras(root, TEXT("full"), PRESERVE_ALL, &extras, &not_kept, &err) < 0)
        return 9;
    if (asset_stage_file(token, 4, &file, &err) < 0 ||
        asset_stage_write(file, "abc", 3, 0, &err) < 0 ||
        asset_stage_end(&file, &version, &err) < 0 || asset_stage_file(token, 3, &file, &err) < 0 ||
        asset_stage_adopt(file, token, 4, 0, 3, &err) < 0 ||
        asset_stage_end(&file, &version, &err) < 0 || version.size != 3)
        return 10;
    (void)place;
    return 0;
}

/* Goal: all of it works, in more steps, where exchange and other calls are missing.
 * Method: a child that may not call them replaces, removes, adopts; the parent looks at the tree.
 */
static void lacking_calls(void **state)
{
    struct place *place = *state;
    struct asset_token *token = begin(place, 1, 1, 1);
    struct asset_directory *root = open_directory(place, "");
    struct attributes there;
    struct err err;
    int status;
    pid_t child;

    plant_file(place, "file", "");
    plant_link(place, "link", "full");
    plant_file(place, "full/file", "kept");
    plant_directory(place, "empty");
    plant_file(place, "gone", "");
    child = fork();
    if (child == 0)
        _exit(without(place, token, root));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(look_up(place, "", "file", &there), 1);
    assert_int_equal(there.kind, KIND_directory);
    assert_int_equal(count_entries(place, "link"), 1);
    check_content(place, "", TEXT("empty"), TEXT("abc"));
    check_content(place, "full", TEXT("file"), TEXT("kept"));
    assert_int_equal(look_up(place, "", "gone", &there), 0);
    must(asset_token_end(&token, &err));
    must(asset_staging_close(place->asset, &err));
    assert_int_equal(count_entries(place, ""), 4);
    asset_directory_close(&root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DIR_TEST(replaced_before_removal), DIR_TEST(swapped_while_replacing),
        DIR_TEST(filled_while_replacing),  DIR_TEST(revoke_empties),
        DIR_TEST(lacking_calls),
    };

    return cmocka_run_group_tests_name("asset_dir_types", tests, NULL, NULL);
}
