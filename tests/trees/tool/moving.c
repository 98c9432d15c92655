/* moving.c: trees that move while one looks.
 *
 * A file is a row of blocks, each filled with the number of its version. Who writes in place writes
 * block after block, so that at every instant the file is some blocks of version v, then blocks of
 * v - 1. What was read while it was written can show v - 1 before v: that is torn. A file that was
 * cut, or is being filled, has blocks of one version, and fewer of them. */
#include "tool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FILES 12u
#define BLOCK 4096u
#define BLOCKS 1500u

static uint64_t block[BLOCK / sizeof(uint64_t)];
static uint64_t versions[FILES]; /* of each file, the last that was begun */

static void write_blocks(int fd, uint64_t version)
{
    for (size_t i = 0; i < sizeof block / sizeof *block; i++)
        block[i] = version;
    for (unsigned i = 0; i < BLOCKS; i++)
        if (pwrite(fd, block, sizeof block, (off_t)i * BLOCK) != (ssize_t)sizeof block)
            fail("write", "a block");
}

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void write_version(int fd, const char *name, unsigned number, int flags)
{
    int file = openat(fd, name, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0644);

    if (file < 0)
        fail("write", name);
    write_blocks(file, ++versions[number]);
    close(file);
}

static void move_once(int fd)
{
    unsigned number = random_below(FILES);
    char name[40], other[40];

    snprintf(name, sizeof name, "f%u", number);
    snprintf(other, sizeof other, "g%u", number);
    switch (random_below(7)) {
    case 0:
    case 1: /* in place */
        write_version(fd, name, number, 0);
        break;
    case 2: /* grows from nothing */
        write_version(fd, name, number, O_TRUNC);
        break;
    case 3: /* replaced whole */
        write_version(fd, ".new", number, O_TRUNC);
        if (renameat(fd, ".new", fd, name) < 0)
            fail("rename", name);
        break;
    case 4:
        unlinkat(fd, name, 0);
        break;
    case 5:
        renameat(fd, name, fd, other);
        renameat(fd, other, fd, name);
        break;
    default: /* a directory takes other names, with what is in it */
        mkdirat(fd, "dir0", 0755);
        if (renameat(fd, "dir0", fd, "dir1") < 0)
            renameat(fd, "dir1", fd, "dir0");
    }
}

/* writer SECONDS DIRECTORY */
int command_writer(char **arguments)
{
    double end = now() + strtod(arguments[0], NULL);
    char name[40];
    int fd;

    random_seed(1);
    mkdir(arguments[1], 0755);
    fd = open(arguments[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        fail("open", arguments[1]);
    for (uint32_t i = 0; i < FILES; i++) {
        snprintf(name, sizeof name, "f%u", i);
        write_version(fd, name, i, O_TRUNC);
    }
    printf("ready\n");
    fflush(stdout);
    while (now() < end)
        move_once(fd);
    return 0;
}

static bool is_whole(int fd, const char *name)
{
    int file = openat(fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    uint64_t first = 0, last = 0;
    bool whole = true;
    ssize_t got;

    if (file < 0)
        return errno == ENOENT;
    while ((got = read(file, block, sizeof block)) > 0) {
        for (size_t i = 0; i < (size_t)got / sizeof *block; i++) {
            if (!first)
                first = last = block[i];
            /* never newer than what comes before it, and never two versions behind the first */
            if (block[i] > last || block[i] + 1 < first)
                whole = false;
            last = block[i];
        }
        whole = whole && got == (ssize_t)sizeof block;
    }
    close(file);
    return whole;
}

int command_whole(char **arguments)
{
    DIR *directory = opendir(arguments[0]);
    int torn = 0;

    if (!directory)
        fail("open", arguments[0]);
    for (struct dirent *entry; (entry = readdir(directory));) {
        if (entry->d_type != DT_REG || is_whole(dirfd(directory), entry->d_name))
            continue;
        printf("torn: %s\n", entry->d_name);
        torn = 1;
    }
    closedir(directory);
    return torn;
}

static bool is_link(const char *path)
{
    struct stat status;

    return lstat(path, &status) == 0 && S_ISLNK(status.st_mode);
}

/* Somebody else made two directories of them, or removed one: B is a link to the target again, and
 * what was there lies aside. */
static void link_again(const char *a, const char *b, const char *target, const char *aside)
{
    static unsigned number;
    char path[4096];

    if (is_link(a) || is_link(b))
        return;
    snprintf(path, sizeof path, "%s/%d-%u", aside, (int)getpid(), number++);
    rename(b, path);
    if (symlink(target, b) < 0)
        return; /* it is not there now: the next time */
}

int command_swapper(char **arguments)
{
    double end = now() + strtod(arguments[0], NULL);
    const char *a = arguments[1], *b = arguments[2];
    unsigned long times = 0;

    printf("ready\n");
    fflush(stdout);
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* nobody would end it otherwise */
    while (now() < end) {
        /* who is attacked needs a processor too, and must get far enough to be led astray */
        usleep(is_link(a) ? 20 : 200);
        times += renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE) == 0;
        if (arguments[3])
            link_again(a, b, arguments[3], arguments[4]);
    }
    printf("%lu\n", times);
    return times == 0;
}
