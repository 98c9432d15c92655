/* moving.c: trees that move while one looks. A version of a file is a header, "version SIZE
 * SEED\n", and SIZE bytes that follow from the SEED: whatever was torn is seen. */
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

#define FILES 40u
#define VERSION_MAX 300000u

static unsigned char version[VERSION_MAX + 64];

static size_t version_make(uint32_t size, uint32_t seed)
{
    size_t head = (size_t)snprintf((char *)version, 64, "version %u %u\n", size, seed);

    for (uint32_t i = 0; i < size; i++)
        version[head + i] = (unsigned char)((seed = seed * 1664525u + 1013904223u) >> 24);
    return head + size;
}

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void write_version(int fd, const char *name, int flags)
{
    int file = openat(fd, name, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0644);
    size_t size = version_make(random_below(VERSION_MAX), random_below(1u << 31)), done = 0;

    if (file < 0)
        fail("write", name);
    while (done < size) { /* in pieces, so that a reader may come between */
        size_t piece = size - done < 30000 ? size - done : 30000;

        if (pwrite(file, version + done, piece, (off_t)done) != (ssize_t)piece)
            fail("write", name);
        done += piece;
    }
    if (ftruncate(file, (off_t)size) < 0)
        fail("truncate", name);
    close(file);
}

static void move_once(int fd, bool sometimes_none)
{
    char name[40], other[40];

    snprintf(name, sizeof name, "f%u", random_below(FILES));
    snprintf(other, sizeof other, "g%u", random_below(FILES));
    switch (random_below(sometimes_none ? 6 : 3)) {
    case 0: /* in place */
        write_version(fd, name, 0);
        break;
    case 1: /* grows from nothing */
        write_version(fd, name, O_TRUNC);
        break;
    case 2: /* replaced whole */
        write_version(fd, ".new", O_TRUNC);
        if (renameat(fd, ".new", fd, name) < 0)
            fail("rename", name);
        break;
    case 3:
        unlinkat(fd, name, 0);
        break;
    case 4:
        renameat(fd, name, fd, other);
        renameat(fd, other, fd, name);
        break;
    default: /* a directory takes other names, with what is in it */
        mkdirat(fd, "dir0", 0755);
        if (renameat(fd, "dir0", fd, "dir1") < 0)
            renameat(fd, "dir1", fd, "dir0");
    }
}

/* writer SECONDS DIRECTORY: ends with each file in one whole version. */
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
        write_version(fd, name, O_TRUNC);
    }
    printf("ready\n");
    fflush(stdout);
    while (now() < end)
        move_once(fd, true);
    return 0;
}

static bool is_whole(int fd, const char *name)
{
    static unsigned char content[VERSION_MAX + 65];
    int file = openat(fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    size_t size = 0, wanted;
    unsigned length, seed;
    ssize_t got;

    if (file < 0)
        return errno == ENOENT;
    while ((got = read(file, content + size, sizeof content - 1 - size)) > 0)
        size += (size_t)got;
    close(file);
    content[size] = '\0';
    if (sscanf((char *)content, "version %u %u", &length, &seed) != 2 || length > VERSION_MAX)
        return false;
    wanted = version_make(length, seed);
    return size == wanted && memcmp(content, version, size) == 0;
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
