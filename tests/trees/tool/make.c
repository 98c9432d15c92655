/* make.c: random trees: every kind of object that this user can make here, with odd names, sizes,
 * holes, links, times, modes, owners, attributes and lists. What the machine refuses is left out.
 */
#include "tool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

static bool privileged(void)
{
    return geteuid() == 0;
}

void random_name(char out[256])
{
    static const char odd[] = "\n\t\x1b\"'\\%n*?[]$`;&|<> -~#!\xff\xfe\xc3\x28\x80";
    uint32_t size = one_in(20) ? 200 + random_below(56) : 1 + random_below(12);
    uint32_t style = random_below(4);

    for (uint32_t i = 0; i < size; i++) {
        if (style == 0) /* any byte but slash and NUL */
            do
                out[i] = (char)(1 + random_below(255));
            while (out[i] == '/');
        else if (style == 1)
            out[i] = odd[random_below(sizeof odd - 1)];
        else
            out[i] = (char)('a' + random_below(26));
    }
    out[size] = '\0';
    if (strcmp(out, ".") == 0 || strcmp(out, "..") == 0 || strcmp(out, ".syncline") == 0)
        strcpy(out, "x");
}

static void write_some(int fd, uint32_t size)
{
    static char block[65536];

    while (size > 0) {
        uint32_t now = size < sizeof block ? size : (uint32_t)sizeof block;

        for (uint32_t i = 0; i < now; i += 4) {
            uint32_t value = random_below(UINT32_MAX);

            memcpy(block + i, &value, 4);
        }
        if (write(fd, block, now) != (ssize_t)now)
            fail("write", "");
        size -= now;
    }
}

bool make_file(int fd, const char *name)
{
    int file = openat(fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

    if (file < 0)
        return false;
    if (one_in(10)) { /* holes */
        for (uint32_t i = random_below(4); i > 0; i--) {
            if (lseek(file, 4096 * (off_t)random_below(1000), SEEK_SET) < 0)
                fail("seek", name);
            write_some(file, 1 + random_below(5000));
        }
        if (ftruncate(file, lseek(file, 0, SEEK_END) + random_below(100000)) < 0)
            fail("truncate", name);
    } else if (!one_in(8)) { /* else empty */
        write_some(file, one_in(30) ? random_below(3000000) : 1 + random_below(5000));
    }
    close(file);
    return true;
}

static bool make_symlink(int fd, const char *name)
{
    char target[4096];
    uint32_t size = one_in(10) ? 4000 : 1 + random_below(60);

    for (uint32_t i = 0; i < size; i++)
        target[i] = (char)(one_in(9) ? '/' : 'a' + random_below(26));
    target[size] = '\0';
    return symlinkat(one_in(5) ? ".." : target, fd, name) == 0;
}

static bool make_node(int fd, const char *name)
{
    if (one_in(2) || !privileged())
        return mkfifoat(fd, name, 0600) == 0;
    return mknodat(fd, name, (one_in(2) ? S_IFCHR : S_IFBLK) | 0600,
                   makedev(random_below(200), random_below(1000))) == 0;
}

/* A second name of something that is in the same directory. */
static bool make_name_more(int fd, const char *name)
{
    DIR *directory = fdopendir(openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    uint32_t skip = random_below(6);
    bool made = false;

    for (struct dirent *entry; !made && directory && (entry = readdir(directory));)
        if (entry->d_type != DT_DIR && skip-- == 0)
            made = linkat(fd, entry->d_name, fd, name, 0) == 0;
    if (directory)
        closedir(directory);
    return made;
}

bool make_any(int fd, const char *name)
{
    switch (random_below(12)) {
    case 0:
    case 1:
        return make_symlink(fd, name);
    case 2:
        return make_node(fd, name);
    case 3:
        return make_name_more(fd, name);
    default:
        return make_file(fd, name);
    }
}

/* ---- attributes ---- */

static void set_time(int fd, const char *name)
{
    static const int64_t seconds[] = {-86400LL * 365 * 20, 0,           1, 4102444800LL,
                                      2147483648LL,        1600000000LL};
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT},
                                {.tv_sec = seconds[random_below(6)] + random_below(100000),
                                 .tv_nsec = random_below(1000000000)}};

    utimensat(fd, name, times, AT_SYMLINK_NOFOLLOW);
}

static void set_extras(int fd, const char *name, const struct stat *now)
{
    /* a list of user::rwx user:1:r-- group::r-- mask::r-- other::---, in the kernel's form */
    static const unsigned char list[] = {2,   0,   0,   0,   1,   0,   7,  0,   255, 255, 255,
                                         255, 2,   0,   4,   0,   1,   0,  0,   0,   4,   0,
                                         4,   0,   255, 255, 255, 255, 16, 0,   4,   0,   255,
                                         255, 255, 255, 32,  0,   0,   0,  255, 255, 255, 255};
    static const unsigned char capability[] = {1, 0, 0, 2, 0, 4, 0, 0, 0, 0,
                                               0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    char path[300], value[2000];

    snprintf(path, sizeof path, "/proc/self/fd/%d/%s", fd, name);
    if (S_ISREG(now->st_mode) || S_ISDIR(now->st_mode)) {
        for (uint32_t i = 0; i < sizeof value; i++)
            value[i] = (char)random_below(256);
        if (one_in(2))
            lsetxattr(path, "user.one", value, random_below(50), 0);
        if (one_in(4))
            lsetxattr(path, "user.\xffodd name", value, random_below(sizeof value), 0);
        if (one_in(3))
            lsetxattr(path, "system.posix_acl_access", list, sizeof list, 0);
        if (one_in(3) && S_ISDIR(now->st_mode))
            lsetxattr(path, "system.posix_acl_default", list, sizeof list, 0);
        if (one_in(4) && privileged() && S_ISREG(now->st_mode))
            lsetxattr(path, "security.capability", capability, sizeof capability, 0);
    }
    if (one_in(4) && privileged())
        lsetxattr(path, "trusted.x", value, 20, 0);
}

void dress(int fd, const char *name)
{
    static const mode_t modes[] = {0600, 0644, 0755, 04755, 02755, 01777, 0400, 0, 0711};
    struct stat now;

    if (fstatat(fd, name, &now, AT_SYMLINK_NOFOLLOW) < 0)
        return;
    if (one_in(4) && privileged())
        (void)!fchownat(fd, name, random_below(3000), random_below(3000), AT_SYMLINK_NOFOLLOW);
    if (one_in(3) && !S_ISLNK(now.st_mode)) {
        mode_t mode = modes[random_below(9)];

        if (!privileged()) /* what this user can read and enter again */
            mode = (mode & 01777) | (S_ISDIR(now.st_mode) ? 0700 : 0400);
        fchmodat(fd, name, mode, 0);
    }
    if (one_in(4))
        set_extras(fd, name, &now);
    if (one_in(2))
        set_time(fd, name);
}

/* ---- trees ---- */

static void fill(int fd, uint32_t *left, uint32_t depth)
{
    char name[256];
    uint32_t here = 1 + random_below(30);

    while (here-- > 0 && *left > 0) {
        random_name(name);
        --*left;
        if (depth < 12 && one_in(4) && mkdirat(fd, name, 0700) == 0) {
            int below = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

            if (below < 0)
                fail("open", name);
            fill(below, left, depth + 1);
            close(below);
            dress(fd, name);
        } else if (make_any(fd, name)) {
            dress(fd, name);
        }
    }
}

static int directory_at(const char *path)
{
    int fd;

    if (mkdir(path, 0755) < 0 && errno != EEXIST)
        fail("make", path);
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        fail("open", path);
    return fd;
}

int command_make(char **arguments)
{
    uint32_t left = (uint32_t)strtoul(arguments[2], NULL, 10);
    int fd = directory_at(arguments[1]);

    random_seed(strtoull(arguments[0], NULL, 10));
    umask(0);
    while (left > 0)
        fill(fd, &left, 0);
    return 0;
}

int command_wide(char **arguments)
{
    int fd = directory_at(arguments[0]);
    long count = strtol(arguments[1], NULL, 10);
    char name[40];

    for (long i = 0; i < count; i++) {
        int file;

        snprintf(name, sizeof name, "%ld", i);
        file = openat(fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        if (file < 0 || write(file, name, strlen(name)) < 0)
            fail("write", name);
        close(file);
    }
    return 0;
}

int command_deep(char **arguments)
{
    int fd = directory_at(arguments[0]);
    long levels = strtol(arguments[1], NULL, 10);

    for (long i = 0; i < levels; i++) {
        static const char name[] = "a directory with a name that is long enough";
        int below;

        if (mkdirat(fd, name, 0755) < 0 && errno != EEXIST)
            fail("make", name);
        below = openat(fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (below < 0)
            fail("open", name);
        close(fd);
        fd = below;
    }
    return make_file(fd, "the file at the end") ? 0 : 2;
}
