/* floor.c: the least work that a proven copy can be. The bench runs it beside Syncline, as the
 * floor.
 *
 *   floor [-t THREADS] SRC DST              first copy of SRC into DST, which is there and empty
 *   floor [-t THREADS] --compare SRC DST    what "nothing to do" has to look at; 1 if they differ
 *
 * How: the threads share a stack of directories, and whoever takes one does all that is in it:
 * opens it, reads its names, and for each file: open, fstat, read once (hashed in the same pass),
 * write a staged file, close; open it again, read it back, compare the hashes, set mode and time by
 * the descriptor, rename it into place. The directories' own modes and times come last, because
 * each rename moves them. There is no path walk per file, no message, no ledger, no other process
 * and no care for a hostile tree: whoever wants the promises pays something above this.
 *
 * Memory: one buffer of 1 MiB per thread and one node per directory. Any error ends it with 2. */
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xxhash.h>

#define BUFFER_BYTES (1u << 20)
#define NAMES_BYTES (1u << 18) /* of one getdents call */
#define THREADS_MAX 64
#define STAGING ".floor"
#define FAILED 2

/* A directory, by its path below both roots ("." for the roots themselves). */
struct directory {
    struct directory *next;
    struct stat wanted; /* as it is at the source */
    char path[];
};

/* What the threads share. */
struct line {
    pthread_mutex_t lock;
    pthread_cond_t change;
    struct directory *todo, *done; /* done: whose attributes are set at the end */
    unsigned busy;                 /* threads that may still add to todo */
    int source, destination;       /* both roots */
    uid_t uid;                     /* who makes what is made */
    gid_t gid;
    bool compare;
};

/* One thread and what it counted. */
struct lane {
    pthread_t thread;
    struct line *line;
    char name[32]; /* of its own directory below STAGING */
    int staging;
    unsigned char *buffer;
    char *names;
    XXH3_state_t *hash;
    unsigned long long files, bytes, directories, skipped, differ;
};

static void *memory(size_t size)
{
    void *got = calloc(1, size);

    if (!got)
        err(FAILED, "memory");
    return got;
}

/* ---- the stack of directories ---- */

static void line_add(struct line *line, const char *parent, const char *name)
{
    size_t size = strlen(parent) + strlen(name) + 2;
    struct directory *directory = memory(sizeof *directory + size);

    if (strcmp(parent, ".") == 0)
        snprintf(directory->path, size, "%s", name);
    else
        snprintf(directory->path, size, "%s/%s", parent, name);
    pthread_mutex_lock(&line->lock);
    directory->next = line->todo;
    line->todo = directory;
    pthread_cond_signal(&line->change);
    pthread_mutex_unlock(&line->lock);
}

/* NULL when there is nothing left and nobody who could add to it. */
static struct directory *line_take(struct line *line)
{
    struct directory *directory;

    pthread_mutex_lock(&line->lock);
    while (!line->todo && line->busy > 0)
        pthread_cond_wait(&line->change, &line->lock);
    directory = line->todo;
    if (directory) {
        line->todo = directory->next;
        line->busy++;
    }
    pthread_mutex_unlock(&line->lock);
    return directory;
}

static void line_end(struct line *line, struct directory *directory)
{
    pthread_mutex_lock(&line->lock);
    directory->next = line->done;
    line->done = directory;
    if (--line->busy == 0)
        pthread_cond_broadcast(&line->change);
    pthread_mutex_unlock(&line->lock);
}

/* ---- content ---- */

static void read_full(int fd, unsigned char *to, size_t size)
{
    for (ssize_t got; size > 0; to += got, size -= (size_t)got)
        if ((got = read(fd, to, size)) <= 0)
            err(FAILED, "read, or the file became shorter");
}

static void write_full(int fd, const unsigned char *from, size_t size)
{
    for (ssize_t put; size > 0; from += put, size -= (size_t)put)
        if ((put = write(fd, from, size)) < 0)
            err(FAILED, "write");
}

/* Reads `size` bytes once, hashes them, and writes them to `out` unless it is -1. */
static XXH128_hash_t pour(struct lane *lane, int in, int out, size_t size)
{
    if (size > BUFFER_BYTES)
        XXH3_128bits_reset(lane->hash);
    for (size_t left = size, part; left > 0; left -= part) {
        part = left < BUFFER_BYTES ? left : BUFFER_BYTES;
        read_full(in, lane->buffer, part);
        if (size > BUFFER_BYTES)
            XXH3_128bits_update(lane->hash, lane->buffer, part);
        if (out >= 0)
            write_full(out, lane->buffer, part);
    }
    return size > BUFFER_BYTES ? XXH3_128bits_digest(lane->hash) : XXH3_128bits(lane->buffer, size);
}

/* `mode` is what it was made with. */
static void set_attributes(const struct line *line, int fd, const struct stat *wanted, mode_t mode)
{
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, wanted->st_mtim};

    if ((wanted->st_uid != line->uid || wanted->st_gid != line->gid) &&
        fchown(fd, wanted->st_uid, wanted->st_gid) < 0)
        err(FAILED, "chown");
    if ((wanted->st_mode & 07777) != mode && fchmod(fd, wanted->st_mode & 07777) < 0)
        err(FAILED, "chmod");
    if (futimens(fd, times) < 0)
        err(FAILED, "utimens");
}

/* stage, prove, publish */
static void copy_file(struct lane *lane, int from, int to, const char *name)
{
    int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC), out;
    XXH128_hash_t was, is;
    struct stat wanted;

    if (in < 0 || fstat(in, &wanted) < 0)
        err(FAILED, "open %s", name);
    out = openat(lane->staging, "staged", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (out < 0)
        err(FAILED, "stage %s", name);
    was = pour(lane, in, out, (size_t)wanted.st_size);
    close(in);
    if (close(out) < 0)
        err(FAILED, "close %s", name);

    out = openat(lane->staging, "staged", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (out < 0)
        err(FAILED, "open the staged copy of %s", name);
    is = pour(lane, out, -1, (size_t)wanted.st_size);
    if (!XXH128_isEqual(was, is))
        errx(FAILED, "%s: the staged copy is not what was read", name);

    set_attributes(lane->line, out, &wanted, 0600);
    close(out);
    if (renameat(lane->staging, "staged", to, name) < 0)
        err(FAILED, "publish %s", name);
    lane->files++;
    lane->bytes += (unsigned long long)wanted.st_size;
}

static void copy_link(struct lane *lane, int from, int to, const char *name)
{
    char target[4096];
    struct stat wanted;
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}};
    ssize_t size = readlinkat(from, name, target, sizeof target - 1);

    if (size < 0 || fstatat(from, name, &wanted, AT_SYMLINK_NOFOLLOW) < 0)
        err(FAILED, "read link %s", name);
    target[size] = '\0';
    times[1] = wanted.st_mtim;
    if (symlinkat(target, lane->staging, "staged") < 0 ||
        fchownat(lane->staging, "staged", wanted.st_uid, wanted.st_gid, AT_SYMLINK_NOFOLLOW) < 0 ||
        utimensat(lane->staging, "staged", times, AT_SYMLINK_NOFOLLOW) < 0 ||
        renameat(lane->staging, "staged", to, name) < 0)
        err(FAILED, "link %s", name);
    lane->files++;
}

static void copy_entry(struct lane *lane, struct directory *in, int from, int to,
                       const struct dirent64 *entry)
{
    if (entry->d_type == DT_REG) {
        copy_file(lane, from, to, entry->d_name);
    } else if (entry->d_type == DT_LNK) {
        copy_link(lane, from, to, entry->d_name);
    } else if (entry->d_type == DT_DIR) {
        if (mkdirat(to, entry->d_name, 0700) < 0)
            err(FAILED, "make directory %s", entry->d_name);
        line_add(lane->line, in->path, entry->d_name);
    } else {
        lane->skipped++;
    }
}

/* ---- comparing ---- */

static bool same(const struct statx *a, const struct statx *b)
{
    bool directory = S_ISDIR(a->stx_mode);

    return a->stx_mode == b->stx_mode && a->stx_uid == b->stx_uid && a->stx_gid == b->stx_gid &&
           (directory || a->stx_size == b->stx_size) &&
           a->stx_mtime.tv_sec == b->stx_mtime.tv_sec &&
           a->stx_mtime.tv_nsec == b->stx_mtime.tv_nsec;
}

static void compare_entry(struct lane *lane, struct directory *in, int from, int to,
                          const struct dirent64 *entry)
{
    unsigned mask = STATX_TYPE | STATX_MODE | STATX_UID | STATX_GID | STATX_SIZE | STATX_MTIME;
    struct statx a, b;

    if (statx(from, entry->d_name, AT_SYMLINK_NOFOLLOW, mask, &a) < 0)
        err(FAILED, "stat %s", entry->d_name);
    if (statx(to, entry->d_name, AT_SYMLINK_NOFOLLOW, mask, &b) < 0 || !same(&a, &b))
        lane->differ++;
    else if (S_ISDIR(a.stx_mode))
        line_add(lane->line, in->path, entry->d_name);
    lane->files += !S_ISDIR(a.stx_mode);
}

/* ---- a directory ---- */

typedef void entry_fn(struct lane *, struct directory *, int from, int to, const struct dirent64 *);

/* Calls `each` (may be NULL) for every name of `fd`, and returns how many there are. */
static unsigned long long each_entry(struct lane *lane, struct directory *in, int fd, int to,
                                     entry_fn *each)
{
    unsigned long long count = 0;
    ssize_t got;

    while ((got = getdents64(fd, lane->names, NAMES_BYTES)) > 0)
        for (ssize_t at = 0; at < got;) {
            const struct dirent64 *entry = (const struct dirent64 *)(lane->names + at);
            const char *name = entry->d_name;

            at += entry->d_reclen;
            if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
                continue;
            count++;
            if (each)
                each(lane, in, fd, to, entry);
        }
    if (got < 0)
        err(FAILED, "read directory %s", in->path);
    return count;
}

static void do_directory(struct lane *lane, struct directory *directory)
{
    int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    int from = openat(lane->line->source, directory->path, flags);
    int to = openat(lane->line->destination, directory->path, flags);

    if (from < 0 || to < 0 || fstat(from, &directory->wanted) < 0)
        err(FAILED, "open directory %s", directory->path);
    if (lane->line->compare)
        lane->differ += each_entry(lane, directory, from, to, compare_entry) !=
                        each_entry(lane, directory, to, -1, NULL);
    else
        each_entry(lane, directory, from, to, copy_entry);
    close(from);
    close(to);
    lane->directories++;
}

static void *lane_run(void *argument)
{
    struct lane *lane = argument;
    struct directory *directory;

    while ((directory = line_take(lane->line))) {
        do_directory(lane, directory);
        line_end(lane->line, directory);
    }
    return NULL;
}

/* ---- the whole ---- */

static void lane_start(struct lane *lane, struct line *line, unsigned number)
{
    lane->line = line;
    lane->buffer = memory(BUFFER_BYTES);
    lane->names = memory(NAMES_BYTES);
    lane->hash = XXH3_createState();
    snprintf(lane->name, sizeof lane->name, STAGING "/%u", number);
    if (!line->compare && (mkdirat(line->destination, lane->name, 0700) < 0 ||
                           (lane->staging = openat(line->destination, lane->name, O_RDONLY)) < 0))
        err(FAILED, "make %s", lane->name);
    errno = pthread_create(&lane->thread, NULL, lane_run, lane);
    if (errno)
        err(FAILED, "start a thread");
}

static void lane_end(struct lane *lane, struct lane *sum)
{
    pthread_join(lane->thread, NULL);
    if (!lane->line->compare && unlinkat(lane->line->destination, lane->name, AT_REMOVEDIR) < 0)
        err(FAILED, "remove %s", lane->name);
    sum->files += lane->files;
    sum->bytes += lane->bytes;
    sum->directories += lane->directories;
    sum->skipped += lane->skipped;
    sum->differ += lane->differ;
}

/* In any order: setting the time of a directory does not touch its parent's. */
static void set_directories(const struct line *line)
{
    for (const struct directory *at = line->done; at; at = at->next) {
        int fd = openat(line->destination, at->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0)
            err(FAILED, "open directory %s", at->path);
        set_attributes(line, fd, &at->wanted, (mode_t)-1);
        close(fd);
    }
}

int main(int count, char **arguments)
{
    static const struct option options[] = {{"compare", no_argument, NULL, 'c'}, {0}};
    static struct lane lanes[THREADS_MAX], sum;
    struct line line = {.lock = PTHREAD_MUTEX_INITIALIZER, .change = PTHREAD_COND_INITIALIZER};
    unsigned threads = 2;

    for (int o; (o = getopt_long(count, arguments, "t:", options, NULL)) >= 0;)
        if (o == 'c')
            line.compare = true;
        else
            threads = o == 't' ? (unsigned)atoi(optarg) : 0;
    if (count - optind != 2 || threads < 1 || threads > THREADS_MAX)
        errx(FAILED, "usage: floor [-t THREADS] [--compare] SRC DST");
    line.source = open(arguments[optind], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    line.destination = open(arguments[optind + 1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (line.source < 0 || line.destination < 0)
        err(FAILED, "open %s", arguments[optind + (line.source >= 0)]);
    line.uid = geteuid();
    line.gid = getegid();
    umask(0);
    if (!line.compare && mkdirat(line.destination, STAGING, 0700) < 0)
        err(FAILED, "make " STAGING);
    line_add(&line, ".", ".");
    for (unsigned i = 0; i < threads; i++)
        lane_start(&lanes[i], &line, i);
    for (unsigned i = 0; i < threads; i++)
        lane_end(&lanes[i], &sum);
    if (!line.compare) {
        if (unlinkat(line.destination, STAGING, AT_REMOVEDIR) < 0)
            err(FAILED, "remove " STAGING);
        set_directories(&line);
    }
    printf("%llu files, %llu directories, %llu bytes, %llu skipped, %llu differ\n", sum.files,
           sum.directories, sum.bytes, sum.skipped, sum.differ);
    return sum.differ > 0;
}
