/* trees.c: the trees that the bench copies, the same on every machine and at every run.
 *
 *   trees [-s SEED] [-x SCALE] small|mix|big|many|wide DIR    DIR is made, and must not be there
 *
 *   small   100,000 files of 100 B to 8 KiB, evenly spread: about 590 MB of pages
 *   mix      20,000 files, log-normal (most of a few KiB, a few of tens of MiB): 1.2 GB
 *   big       one file of 3 GiB
 *   many  1,000,000 empty files, for runs that look and do not read
 *   wide  the same in one directory
 *
 * SCALE multiplies the number of files, and the size of the one file of big. How: a stream of
 * splitmix64 numbers decides everything. Each directory hangs below an earlier one, the older the
 * likelier, at most DEPTH_MAX deep, which gives what projects look like: a wide top, and a few long
 * branches. It holds a log-normal number of files, 20 in the mean. The bytes are cuts of a random
 * block that the number of the file is written into, so that no two files are equal and nothing
 * compresses. */
#include <err.h>
#include <fcntl.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK_BYTES (1u << 20)
#define FILE_BYTES_MAX (64u << 20)
#define DEPTH_MAX 8
#define FILES_PER_DIRECTORY 20.0
#define NEWEST 1750000000 /* seconds since 1970: no file is younger */
#define TWO_YEARS (2 * 365 * 86400)

struct kind {
    const char *name;
    uint64_t files;
    double bytes; /* mean of the log-normal ones, else the largest */
    enum { EVEN, LOG_NORMAL, EMPTY, ONE } spread;
    bool flat; /* all in one directory */
};

static const struct kind kinds[] = {{"small", 100000, 8192, EVEN, false},
                                    {"mix", 20000, 66000, LOG_NORMAL, false},
                                    {"big", 1, 3221225472.0, ONE, true},
                                    {"many", 1000000, 0, EMPTY, false},
                                    {"wide", 1000000, 0, EMPTY, true}};

struct place {
    char *path;
    unsigned depth;
};

static struct place *places; /* every directory, in the order of making */
static size_t place_count, place_room;
static unsigned char block[2 * BLOCK_BYTES]; /* twice the same, so that a cut may start anywhere */
static uint64_t state;
static double scale = 1;

static uint64_t number(void) /* splitmix64, https://prng.di.unimi.it/splitmix64.c */
{
    uint64_t z = (state += 0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static double unit(void) /* above 0, at most 1 */
{
    return (double)((number() >> 11) + 1) / 9007199254740992.0;
}

/* Log-normal with this mean: exp of a normal number (Box and Muller). */
static double log_normal(double mean, double sigma)
{
    double normal = sqrt(-2 * log(unit())) * cos(2 * acos(-1) * unit());

    return mean * exp(sigma * normal - sigma * sigma / 2);
}

static uint64_t file_size(const struct kind *kind)
{
    double size;

    if (kind->spread == EMPTY)
        return 0;
    if (kind->spread == ONE)
        return (uint64_t)(kind->bytes * scale);
    if (kind->spread == EVEN)
        return 100 + number() % (uint64_t)(kind->bytes - 99);
    size = log_normal(kind->bytes, 2.0);
    return size > FILE_BYTES_MAX ? FILE_BYTES_MAX : (uint64_t)size;
}

static void fill_block(void)
{
    for (size_t at = 0; at < BLOCK_BYTES; at += sizeof(uint64_t)) {
        uint64_t bits = number();

        memcpy(block + at, &bits, sizeof bits);
    }
    memcpy(block + BLOCK_BYTES, block, BLOCK_BYTES);
}

static struct timespec random_time(void)
{
    return (struct timespec){NEWEST - (time_t)(number() % TWO_YEARS),
                             (long)(number() % 1000000000)};
}

/* ---- directories ---- */

static void add_place(char *path, unsigned depth)
{
    if (place_count == place_room) {
        place_room = place_room ? 2 * place_room : 1024;
        places = realloc(places, place_room * sizeof *places);
    }
    if (!places || !path)
        err(1, "memory");
    places[place_count++] = (struct place){path, depth};
}

/* Below `count`, small ones oftener: old directories gather more children than new ones. */
static size_t early(size_t count)
{
    size_t a = number() % count, b = number() % count;

    return a < b ? a : b;
}

static const char *make_directory(void)
{
    static const char *const words[] = {"src",  "include", "docs",  "lib",  "test",   "data",
                                        "conf", "images",  "build", "page", "module", "archive"};
    const struct place *parent;
    char path[4096];

    do
        parent = &places[early(place_count)];
    while (parent->depth >= DEPTH_MAX);
    snprintf(path, sizeof path, "%s/%s-%zu", parent->path,
             words[number() % (sizeof words / sizeof *words)], place_count);
    if (mkdir(path, 0755) < 0)
        err(1, "%s", path);
    add_place(strdup(path), parent->depth + 1);
    return places[place_count - 1].path;
}

static void set_directory_times(void)
{
    for (size_t i = place_count; i > 0; i--) {
        struct timespec when = random_time(), times[2] = {when, when};

        if (utimensat(AT_FDCWD, places[i - 1].path, times, 0) < 0)
            err(1, "%s", places[i - 1].path);
        free(places[i - 1].path);
    }
    free(places);
}

/* ---- files ---- */

static void write_content(int fd, uint64_t index, uint64_t size)
{
    for (uint64_t left = size; left > 0;) {
        unsigned char *cut = block + number() % BLOCK_BYTES;
        uint64_t part = left < BLOCK_BYTES ? left : BLOCK_BYTES;

        memcpy(cut, &index, part < sizeof index ? part : sizeof index);
        if (write(fd, cut, part) != (ssize_t)part)
            err(1, "write");
        left -= part;
    }
}

static void make_file(const struct kind *kind, int directory, uint64_t index)
{
    static const char *const ends[] = {"c", "h", "txt", "json", "log", "html", "png", "dat"};
    mode_t mode = number() % 10 == 0 ? 0755 : 0644;
    struct timespec when = random_time(), times[2] = {when, when};
    char name[64];
    int fd;

    snprintf(name, sizeof name, "%s%06llu.%s", number() % 4 ? "file" : "a-rather-longer-file-name-",
             (unsigned long long)index, ends[number() % (sizeof ends / sizeof *ends)]);
    fd = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL, mode);
    if (fd < 0)
        err(1, "%s", name);
    write_content(fd, index, file_size(kind));
    if (futimens(fd, times) < 0 || close(fd) < 0)
        err(1, "%s", name);
}

static void make_tree(const struct kind *kind, uint64_t files, const char *root)
{
    if (mkdir(root, 0755) < 0)
        err(1, "%s", root);
    add_place(strdup(root), 0);
    for (uint64_t index = 0; index < files;) {
        const char *path = kind->flat ? root : make_directory();
        uint64_t here = kind->flat ? files : (uint64_t)log_normal(FILES_PER_DIRECTORY, 1.0);
        int directory = open(path, O_RDONLY | O_DIRECTORY);

        if (directory < 0)
            err(1, "%s", path);
        for (uint64_t i = 0; i < here && index < files; i++)
            make_file(kind, directory, index++);
        close(directory);
    }
    set_directory_times();
}

static void usage(void)
{
    fprintf(stderr, "usage: trees [-s SEED] [-x SCALE] small|mix|big|many|wide DIR\n");
    exit(2);
}

int main(int count, char **arguments)
{
    state = 1;
    for (int o; (o = getopt(count, arguments, "s:x:")) >= 0;)
        if (o == 's')
            state = strtoull(optarg, NULL, 10);
        else if (o != 'x' || (scale = atof(optarg)) <= 0)
            usage();
    if (count - optind != 2)
        usage();
    umask(0);
    fill_block();
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].name, arguments[optind]) == 0) {
            uint64_t files = (uint64_t)((double)kinds[i].files * scale);

            make_tree(&kinds[i], kinds[i].spread == ONE ? 1 : files, arguments[optind + 1]);
            return 0;
        }
    usage();
}
