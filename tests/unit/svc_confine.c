/* svc_confine.c: what a worker can still do to files after it has confined itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/log.h"
#include "svc/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PLANNER "ipc:///run/nothing-of-this/planner-*.ipc"

static char room[64];

static const char *at(const char *name)
{
    static char paths[4][128];
    static unsigned next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof paths[0], "%s/%s", room, name);
    return path;
}

static void make_file(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

    assert_true(fd >= 0);
    close(fd);
}

static int set_up(void **state)
{
    (void)state;
    snprintf(room, sizeof room, "/tmp/syncline-confine.XXXXXX");
    assert_non_null(mkdtemp(room));
    mkdir(at("in"), 0755);
    mkdir(at("in/a"), 0755);
    mkdir(at("in/b"), 0755);
    mkdir(at("out"), 0755);
    make_file(at("in/a/file"));
    make_file(at("out/file"));
    return 0;
}

static int tear_down(void **state)
{
    char command[96];

    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", room);
    return system(command);
}

static long landlock_version(void)
{
    return syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
}

/* 0 if the file can be opened so, else why not. */
static int opens(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC, 0600);

    if (fd < 0)
        return errno;
    close(fd);
    return 0;
}

static int result(int returned)
{
    return returned < 0 ? errno : 0;
}

static int executes(void)
{
    char *argv[] = {(char *)"true", NULL};

    execv("/bin/true", argv);
    return errno;
}

/* In a child, which cannot get out of it again: the number of the line that was not true, or 0. */
#define MUST(what, value)                                                                          \
    do {                                                                                           \
        if ((what) != (value)) {                                                                   \
            fprintf(stderr, "line %d: %d, not %d\n", __LINE__, (what), (value));                   \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

static void confine(enum role role, const char *roots)
{
    struct err err;

    log_setup("test", LOG_ERROR, false);
    if (confine_start(role, roots, PLANNER, &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        _exit(1);
    }
}

static void in_a_child(void (*body)(void))
{
    pid_t child;
    int status;

    if (landlock_version() < 2)
        skip();
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        body();
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void no_new_privileges(void)
{
    char text[4096] = "";
    int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);

    MUST(fd >= 0 && read(fd, text, sizeof text - 1) > 0, 1);
    MUST(strstr(text, "NoNewPrivs:\t1") != NULL, 1);
    close(fd);
}

static void as_mover_with_roots(void)
{
    char path[64];
    int fd;

    confine(ROLE_mover, at("in"));
    no_new_privileges();
    MUST(executes(), EACCES);
    /* within: all that a mover does */
    MUST(opens(at("in/a/new"), O_RDWR | O_CREAT | O_EXCL), 0);
    MUST(result(truncate(at("in/a/new"), 5)), 0);
    MUST(result(rename(at("in/a/new"), at("in/b/new"))), 0);
    MUST(result(link(at("in/b/new"), at("in/a/link"))), 0);
    MUST(result(mkdir(at("in/a/d"), 0700)), 0);
    MUST(result(rename(at("in/a/d"), at("in/b/d"))), 0);
    MUST(result(rmdir(at("in/b/d"))), 0);
    MUST(result(symlink("x", at("in/a/symlink"))), 0);
    MUST(result(mkfifo(at("in/a/fifo"), 0600)), 0);
    MUST(result(unlink(at("in/a/link"))), 0);
    fd = open(at("in/a/file"), O_PATH | O_CLOEXEC);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    MUST(result(chmod(path, 0640)), 0);
    MUST(opens(path, O_RDWR), 0);
    close(fd);
    /* without: nothing */
    MUST(opens(at("out/file"), O_RDONLY), EACCES);
    MUST(opens(at("out/file"), O_WRONLY), EACCES);
    MUST(opens(at("out/new"), O_WRONLY | O_CREAT), EACCES);
    MUST(opens(at("out"), O_RDONLY | O_DIRECTORY), EACCES);
    MUST(opens(room, O_RDONLY | O_DIRECTORY), EACCES);
    MUST(result(mkdir(at("out/d"), 0700)), EACCES);
    MUST(result(unlink(at("out/file"))), EACCES);
    MUST(rename(at("in/b/new"), at("out/new")) < 0, 1);
    MUST(link(at("out/file"), at("in/a/stolen")) < 0, 1);
    MUST(opens("/etc/passwd", O_RDONLY), EACCES);
    /* what a process needs */
    MUST(opens("/proc/self/mountinfo", O_RDONLY), 0);
    MUST(opens("/dev/null", O_RDONLY), 0);
}

static void as_reader_with_roots(void)
{
    confine(ROLE_watcher, at("in"));
    MUST(executes(), EACCES);
    MUST(opens(at("in/a/file"), O_RDONLY), 0);
    MUST(opens(at("in/a"), O_RDONLY | O_DIRECTORY), 0);
    MUST(opens(at("in/a/file"), O_WRONLY), EACCES);
    MUST(opens(at("in/a/new"), O_WRONLY | O_CREAT), EACCES);
    MUST(opens(at("out/file"), O_RDONLY), EACCES);
    MUST(opens("/proc/self/mountinfo", O_RDONLY), 0);
}

static void as_reader_without_roots(void)
{
    confine(ROLE_verifier, NULL);
    no_new_privileges();
    MUST(executes(), EACCES);
    MUST(opens(at("in/a/file"), O_RDONLY), 0);
    MUST(opens(at("out/file"), O_RDONLY), 0);
    MUST(opens(at("in/a/file"), O_WRONLY), EACCES);
    MUST(opens(at("in/a/new"), O_WRONLY | O_CREAT), EACCES);
    MUST(result(mkdir(at("in/d"), 0700)), EACCES);
    MUST(result(unlink(at("in/a/file"))), EACCES);
    MUST(rename(at("in/a/file"), at("in/a/other")) < 0, 1);
    MUST(rename(at("in/a/file"), at("in/b/file")) < 0, 1);
    MUST(link(at("in/a/file"), at("in/b/file")) < 0, 1);
    MUST(result(symlink("x", at("in/symlink"))), EACCES);
    MUST(landlock_version() < 3 || truncate(at("in/a/file"), 0) < 0, 1);
}

static void as_mover_without_roots(void)
{
    confine(ROLE_mover, NULL);
    MUST(executes(), EACCES);
    MUST(opens(at("out/new"), O_WRONLY | O_CREAT), 0);
    MUST(result(rename(at("out/new"), at("in/b/moved"))), 0);
    MUST(result(link(at("in/b/moved"), at("out/link"))), 0);
}

/* Goal: a mover with roots does all its work below them, and nothing elsewhere.
 * Method: each kind of call, within and without; also by /proc/self/fd. */
static void mover_with_roots(void **state)
{
    (void)state;
    in_a_child(as_mover_with_roots);
}

/* Goal: a watcher or verifier with roots reads below them and changes nothing.
 * Method: the same calls. */
static void reader_with_roots(void **state)
{
    (void)state;
    in_a_child(as_reader_with_roots);
}

/* Goal: also without roots who only reads can change no file, and nobody can execute one; a mover
 * moves between any directories.
 * Method: the same calls. */
static void without_roots(void **state)
{
    (void)state;
    in_a_child(as_reader_without_roots);
    in_a_child(as_mover_without_roots);
}

static void check_addresses(void)
{
    char address[160], roots[160];
    struct err err;

    snprintf(roots, sizeof roots, "%s:/proc", at("in"));
    confine(ROLE_watcher, roots);
    snprintf(address, sizeof address, "dir:%s", at("in/a/../b"));
    MUST(confine_check(address, &err), 0);
    snprintf(address, sizeof address, "dir:%s", at("in/../out"));
    MUST(confine_check(address, &err), -1);
    MUST(err.code, ERR_AccessDenied);
    MUST(strstr(err.text, "SYNCLINE_ROOTS=") != NULL, 1);
    snprintf(address, sizeof address, "fault:delay_ms=1;dir:%s", at("out"));
    MUST(confine_check(address, &err), -1);
    snprintf(address, sizeof address, "dir:%s", at("in/nothing"));
    MUST(confine_check(address, &err), 0);
    MUST(confine_check("mem:x", &err), 0);
}

/* Goal: what lies outside is refused by a text that names the setting, whatever its spelling.
 * Method: paths with "..", wrapped, missing, and a driver without paths. */
static void addresses(void **state)
{
    (void)state;
    in_a_child(check_addresses);
}

/* Goal: a list of roots that cannot be meant is refused before anything starts.
 * Method: relative, empty, a file, what is not there. */
static void lists(void **state)
{
    char list[300];
    struct err err;

    (void)state;
    assert_true(roots_are_valid("/"));
    assert_true(roots_are_valid("/a:/b"));
    assert_false(roots_are_valid(""));
    assert_false(roots_are_valid("a"));
    assert_false(roots_are_valid("/a:"));
    assert_false(roots_are_valid("/a::/b"));
    assert_int_equal(roots_check(NULL, &err), 0);
    snprintf(list, sizeof list, "%s:%s", at("in"), at("out"));
    assert_int_equal(roots_check(list, &err), 0);
    assert_int_equal(roots_check(at("in/a/file"), &err), -1);
    assert_int_equal(err.code, ERR_Configuration);
    assert_int_equal(roots_check(at("nothing"), &err), -1);
    assert_non_null(strstr(err.text, "nothing"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(mover_with_roots, set_up, tear_down),
        cmocka_unit_test_setup_teardown(reader_with_roots, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_roots, set_up, tear_down),
        cmocka_unit_test_setup_teardown(addresses, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lists, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
