/* compare.c: two trees, by plain calls: lstat, readlink, pread, llistxattr, SEEK_DATA, and which
 * names are one object. Options: --no-owner, --no-sockets (a socket of A need not be in B),
 * --no-holes, --extra (B may have more). */
#include "tool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

static bool no_owner, no_sockets, no_holes, extra;
static unsigned long differences;

struct pair {
    ino_t a, b;
};
static struct pair *pairs;
static size_t pair_count, pair_room;

struct names {
    char **name;
    size_t count, room;
};

/* The path of what is being compared, for people. */
static char *where;
static size_t where_size, where_room;

static void print_escaped(const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        printf((unsigned char)bytes[i] < 32 || (unsigned char)bytes[i] > 126 ? "\\x%02x" : "%c",
               (unsigned char)bytes[i]);
}

static void differ(const char *name, const char *what)
{
    if (++differences > 50)
        return;
    print_escaped(where, where_size);
    print_escaped(name, strlen(name));
    printf(": %s\n", what);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void names_read(int fd, struct names *out)
{
    DIR *directory = fdopendir(openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));

    *out = (struct names){0};
    if (!directory)
        fail("list", where_size ? where : ".");
    for (struct dirent *entry; (entry = readdir(directory));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (out->count == out->room)
            out->name = realloc(out->name, (out->room = out->room * 2 + 64) * sizeof *out->name);
        out->name[out->count++] = strdup(entry->d_name);
    }
    closedir(directory);
    qsort(out->name, out->count, sizeof *out->name, by_name);
}

static void names_free(struct names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->name[i]);
    free(names->name);
}

/* ---- attributes and lists ---- */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* All of them as one text of bytes: name, size, value, in order of name. */
static size_t extras_of(int fd, const char *name, char **out)
{
    static char list[65536], value[65536];
    const char *names[1000];
    char path[300];
    size_t count = 0, size = 0, room = 0;
    ssize_t listed;

    *out = NULL;
    snprintf(path, sizeof path, "/proc/self/fd/%d/%s", fd, name);
    listed = llistxattr(path, list, sizeof list);
    for (char *at = list; listed > 0 && at < list + listed && count < 1000; at += strlen(at) + 1)
        names[count++] = at;
    qsort(names, count, sizeof *names, by_text);
    for (size_t i = 0; i < count; i++) {
        ssize_t got = lgetxattr(path, names[i], value, sizeof value);
        size_t text = strlen(names[i]) + 1;

        if (got < 0 || strcmp(names[i], "security.selinux") == 0)
            continue;
        if (room < size + text + sizeof got + (size_t)got)
            *out = realloc(*out, room = 2 * (size + text + sizeof got + (size_t)got));
        memcpy(*out + size, names[i], text);
        memcpy(*out + size + text, &got, sizeof got);
        memcpy(*out + size + text + sizeof got, value, (size_t)got);
        size += text + sizeof got + (size_t)got;
    }
    return size;
}

static void compare_extras(int a, int b, const char *name)
{
    char *left, *right;
    size_t left_size = extras_of(a, name, &left), right_size = extras_of(b, name, &right);

    if (left_size != right_size || (left_size > 0 && memcmp(left, right, left_size) != 0))
        differ(name, "extended attributes or lists");
    free(left);
    free(right);
}

/* ---- content ---- */

static off_t data_bytes(int fd, off_t size)
{
    off_t sum = 0, at = 0;

    while (at < size) {
        off_t start = lseek(fd, at, SEEK_DATA), end;

        if (start < 0)
            break;
        end = lseek(fd, start, SEEK_HOLE);
        sum += end - start;
        at = end;
    }
    return sum;
}

/* Where the next data of a file is; where nobody knows of holes, everything is data. */
static off_t next_data(int fd, off_t at, off_t size)
{
    off_t data = lseek(fd, at, SEEK_DATA);

    return data >= 0 ? data : errno == ENXIO ? size : at;
}

/* The same of either: what is a hole in both is equal. */
static off_t next_of(int a, int b, off_t at, off_t size)
{
    off_t left = next_data(a, at, size), right = next_data(b, at, size);

    return left < right ? left : right;
}

static void compare_content(int a, int b, const char *name, off_t size)
{
    static char left[1 << 20], right[1 << 20];
    int from = openat(a, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    int to = openat(b, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    bool same = from >= 0 && to >= 0;

    for (off_t at = 0; same && (at = next_of(from, to, at, size)) < size;) {
        ssize_t got = pread(from, left, sizeof left, at),
                other = pread(to, right, sizeof right, at);

        same = got > 0 && got == other && memcmp(left, right, (size_t)got) == 0;
        at += got;
    }
    if (!same)
        differ(name, "content");
    /* the copy may round its data to blocks, and must not fill the holes */
    if (same && !no_holes && data_bytes(to, size) > data_bytes(from, size) + 65536 + size / 64)
        differ(name, "holes were filled");
    if (from >= 0)
        close(from);
    if (to >= 0)
        close(to);
}

static void compare_targets(int a, int b, const char *name)
{
    static char left[8192], right[8192];
    ssize_t got = readlinkat(a, name, left, sizeof left),
            other = readlinkat(b, name, right, sizeof right);

    if (got < 0 || got != other || memcmp(left, right, (size_t)got) != 0)
        differ(name, "target of the link");
}

static void note_names(const struct stat *a, const struct stat *b, const char *name)
{
    if (a->st_nlink != b->st_nlink)
        differ(name, "number of names (links)");
    if (a->st_nlink < 2)
        return;
    if (pair_count == pair_room)
        pairs = realloc(pairs, (pair_room = pair_room * 2 + 64) * sizeof *pairs);
    pairs[pair_count++] = (struct pair){a->st_ino, b->st_ino};
}

static bool same_stat(const struct stat *a, const struct stat *b, const char *name)
{
    char text[200];

    if ((a->st_mode & S_IFMT) != (b->st_mode & S_IFMT)) {
        differ(name, "another kind of object");
        return false;
    }
    if (!S_ISLNK(a->st_mode) && a->st_mode != b->st_mode) {
        snprintf(text, sizeof text, "mode %04o, not %04o", b->st_mode & 07777u,
                 a->st_mode & 07777u);
        differ(name, text);
    }
    if (!no_owner && (a->st_uid != b->st_uid || a->st_gid != b->st_gid))
        differ(name, "owner");
    if (a->st_mtim.tv_sec != b->st_mtim.tv_sec || a->st_mtim.tv_nsec != b->st_mtim.tv_nsec) {
        snprintf(text, sizeof text, "time %lld.%09ld, not %lld.%09ld", (long long)b->st_mtim.tv_sec,
                 b->st_mtim.tv_nsec, (long long)a->st_mtim.tv_sec, a->st_mtim.tv_nsec);
        differ(name, text);
    }
    if ((S_ISCHR(a->st_mode) || S_ISBLK(a->st_mode)) && a->st_rdev != b->st_rdev)
        differ(name, "device number");
    if (S_ISREG(a->st_mode) && a->st_size != b->st_size) {
        differ(name, "size");
        return false;
    }
    return true;
}

/* ---- trees ---- */

static void compare_directories(int *a, int *b, unsigned depth);

static void compare_below(int *a, int *b, const char *name, unsigned depth)
{
    int below_a = openat(*a, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int below_b = openat(*b, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    size_t size = where_size, text = strlen(name);

    if (below_a < 0 || below_b < 0)
        fail("open", name);
    if (where_room < size + text + 2)
        where = realloc(where, where_room = 2 * (size + text + 2));
    memcpy(where + size, name, text);
    where[size + text] = '/';
    where_size = size + text + 1;
    if (depth > 100) { /* few descriptors: the way back is .. */
        close(*a);
        close(*b);
    }
    compare_directories(&below_a, &below_b, depth + 1);
    if (depth > 100) {
        *a = openat(below_a, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        *b = openat(below_b, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    }
    close(below_a);
    close(below_b);
    where_size = size;
}

static void compare_one(int *a, int *b, const char *name, unsigned depth)
{
    struct stat left, right;

    if (fstatat(*a, name, &left, AT_SYMLINK_NOFOLLOW) < 0)
        fail("stat", name);
    if (no_sockets && S_ISSOCK(left.st_mode))
        return;
    if (fstatat(*b, name, &right, AT_SYMLINK_NOFOLLOW) < 0) {
        differ(name, "is not there");
        return;
    }
    if (!same_stat(&left, &right, name))
        return;
    compare_extras(*a, *b, name);
    if (!S_ISDIR(left.st_mode))
        note_names(&left, &right, name);
    if (S_ISREG(left.st_mode))
        compare_content(*a, *b, name, left.st_size);
    else if (S_ISLNK(left.st_mode))
        compare_targets(*a, *b, name);
    else if (S_ISDIR(left.st_mode))
        compare_below(a, b, name, depth);
}

static void compare_directories(int *a, int *b, unsigned depth)
{
    struct names left, right;
    size_t i = 0, k = 0;

    names_read(*a, &left);
    names_read(*b, &right);
    while (i < left.count || k < right.count) {
        int order = i == left.count    ? 1
                    : k == right.count ? -1
                                       : strcmp(left.name[i], right.name[k]);

        if (order <= 0)
            compare_one(a, b, left.name[i++], depth);
        else if (!extra)
            differ(right.name[k], "is at the destination only");
        k += order >= 0;
    }
    names_free(&left);
    names_free(&right);
}

static int by_a(const void *x, const void *y)
{
    const struct pair *p = x, *q = y;

    return p->a < q->a ? -1 : p->a > q->a;
}

static int by_b(const void *x, const void *y)
{
    const struct pair *p = x, *q = y;

    return p->b < q->b ? -1 : p->b > q->b;
}

/* Names are of one object there if, and only if, they are here. */
static void compare_groups(void)
{
    qsort(pairs, pair_count, sizeof *pairs, by_a);
    for (size_t i = 1; i < pair_count; i++)
        if (pairs[i].a == pairs[i - 1].a && pairs[i].b != pairs[i - 1].b)
            differ("(hard links)", "names of one object are several objects");
    qsort(pairs, pair_count, sizeof *pairs, by_b);
    for (size_t i = 1; i < pair_count; i++)
        if (pairs[i].b == pairs[i - 1].b && pairs[i].a != pairs[i - 1].a)
            differ("(hard links)", "names of several objects are one object");
}

int command_compare(char **arguments)
{
    int a, b;
    struct stat left, right;

    for (; arguments[0][0] == '-'; arguments++) {
        no_owner |= strcmp(arguments[0], "--no-owner") == 0;
        no_sockets |= strcmp(arguments[0], "--no-sockets") == 0;
        no_holes |= strcmp(arguments[0], "--no-holes") == 0;
        extra |= strcmp(arguments[0], "--extra") == 0;
    }
    a = open(arguments[0], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    b = open(arguments[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (a < 0 || b < 0 || fstat(a, &left) < 0 || fstat(b, &right) < 0)
        fail("open", a < 0 ? arguments[0] : arguments[1]);
    same_stat(&left, &right, ".");
    compare_extras(a, b, ".");
    compare_directories(&a, &b, 0);
    compare_groups();
    if (differences > 50)
        printf("and %lu more\n", differences - 50);
    return differences > 0;
}
