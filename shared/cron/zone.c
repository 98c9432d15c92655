/* zone.c: see zone.h. A zone is read once, into a table of all of its changes, and never changed:
 * so threads may share it, and a newer file is a zone of its own. */
#include "cron/zone.h"

#include "base/buf.h"
#include "cron/tzif.h"
#include "cron/zone_names.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_BYTES_MOST (1u << 20) /* the largest there is has 4 KiB */

struct zone {
    struct zone_changes changes;
    char *path; /* NULL: UTC, which no file says */
    struct stat file;
};

/* ---- opening ---- */

/* All of the file; -1: it cannot be read. */
static int read_file(int fd, struct buf *out)
{
    ssize_t size;

    do {
        size = read(fd, buf_reserve(out, 4096), 4096);
        out->size += size > 0 ? (size_t)size : 0;
    } while ((size > 0 && out->size <= FILE_BYTES_MOST) || (size < 0 && errno == EINTR));
    return size == 0 ? 0 : -1;
}

/* What is wrong; NULL: nothing. The file's identity is taken before its bytes, so that one that is
 * written just then is stale. */
static const char *load(int fd, struct zone *zone)
{
    struct buf file = {0};
    const char *wrong;

    if (fstat(fd, &zone->file) < 0 || !S_ISREG(zone->file.st_mode) || read_file(fd, &file) < 0)
        wrong = "it cannot be read";
    else
        wrong = tzif_read(buf_bytes(&file), &zone->changes);
    buf_release(&file);
    return wrong;
}

static int zone_load(struct zone *zone, const char *name, struct err *err)
{
    int fd = open(zone->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    const char *wrong = fd < 0 ? "it cannot be opened" : load(fd, zone);

    if (fd >= 0)
        close(fd);
    if (!wrong)
        return 0;
    return err_set(err, ERR_Configuration, "zone %s, %s: %s; install tzdata anew", name, zone->path,
                   wrong);
}

int zone_open(const char *name, struct zone **out, struct err *err)
{
    struct zone *zone = memory_or_die(sizeof *zone);

    *out = NULL;
    if (strcmp(name, "UTC") != 0) {
        zone->path = zone_path(name, err);
        if (!zone->path || zone_load(zone, name, err) < 0) {
            zone_destroy(&zone);
            return -1;
        }
    }
    *out = zone;
    return 0;
}

void zone_destroy(struct zone **zone)
{
    if (!*zone)
        return;
    zone_changes_release(&(*zone)->changes);
    free((*zone)->path);
    free(*zone);
    *zone = NULL;
}

bool zone_is_stale(const struct zone *zone)
{
    const struct stat *was = &zone->file;
    struct stat is;

    if (!zone->path)
        return false;
    return stat(zone->path, &is) < 0 || is.st_dev != was->st_dev || is.st_ino != was->st_ino ||
           is.st_size != was->st_size || is.st_mtim.tv_sec != was->st_mtim.tv_sec ||
           is.st_mtim.tv_nsec != was->st_mtim.tv_nsec || is.st_ctim.tv_sec != was->st_ctim.tv_sec ||
           is.st_ctim.tv_nsec != was->st_ctim.tv_nsec;
}

/* ---- asking ---- */

/* How many changes came up to that moment. */
static u32 changes_until(const struct zone_changes *changes, s64 utc_s)
{
    u32 low = 0, high = changes->count;

    while (low < high) {
        u32 middle = low + (high - low) / 2;

        if (changes->at[middle] <= utc_s)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

s64 zone_offset_s(const struct zone *zone, s64 utc_s)
{
    u32 count = changes_until(&zone->changes, utc_s);

    return count ? zone->changes.offsets[count - 1] : zone->changes.first;
}

s64 zone_next_change(const struct zone *zone, s64 utc_s)
{
    u32 count = changes_until(&zone->changes, utc_s);

    return count < zone->changes.count ? zone->changes.at[count] : INT64_MAX;
}

s64 zone_last_change(const struct zone *zone, s64 utc_s)
{
    u32 count = changes_until(&zone->changes, utc_s);

    return count ? zone->changes.at[count - 1] : INT64_MIN;
}
