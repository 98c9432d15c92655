/* parts.c: files that are not written from the first byte to the last: holes, and large files whose
 * parts several movers carry.
 *
 * How: the staged copy gets its whole size at once, and what is not written stays a hole. A staged
 * copy that cannot be trusted any more is not lost work: its finished parts are copied into a new
 * one, by the kernel where it can, and proven again. */
#include "asset/dir/dir.h"

#include <errno.h>
#include <linux/falloc.h>
#include <stdlib.h>

int dir_stage_reserve(struct asset_file *file, u64 size, struct err *err)
{
    struct dir_file *self = (struct dir_file *)file;

    if (size > INT64_MAX || ftruncate(self->fd, (off_t)size) < 0)
        return err_errno(err, size > INT64_MAX ? EFBIG : errno, "give staged file %u %llu bytes",
                         self->index, (unsigned long long)size);
    return 0;
}

int dir_stage_open(struct asset_token *token, u32 index, struct asset_file **out, struct err *err)
{
    struct dir_token *self = (struct dir_token *)token;
    struct attributes now;
    int fd = dir_staged_descriptor(self, index, O_RDWR, &now, err);

    if (fd < 0)
        return err->sys_errno == ENOENT ? dir_staged_missing(self, index, err) : -1;
    *out = &dir_staged_file(self, fd, index)->base;
    return 0;
}

void dir_stage_close(struct asset_file *file)
{
    struct dir_file *self = (struct dir_file *)file;

    if (self->fd >= 0)
        close(self->fd);
    free(self);
}

/* 1 and the next run of data in `fd`, at or after `offset` and below `end`; 0 = a hole up to there;
 * -1 and errno. */
static int next_data(int fd, u64 offset, u64 end, u64 *from, u64 *to)
{
    off_t data = lseek(fd, (off_t)offset, SEEK_DATA), hole;

    if (data < 0 && errno == ENXIO)
        return 0;
    if (data < 0 && errno != EINVAL && errno != ENOTSUP)
        return -1;
    *from = data < 0 ? offset : (u64)data; /* a filesystem that does not know: all is data */
    *to = end;
    if (*from >= end)
        return 0;
    hole = data < 0 ? -1 : lseek(fd, data, SEEK_HOLE);
    if (hole > data && (u64)hole < end) /* an error: who reads on will see what it is */
        *to = (u64)hole;
    return 1;
}

int dir_file_data(struct asset_file *file, u64 offset, u64 size, u64 *start, u64 *end,
                  struct err *err)
{
    int got =
        offset < size ? next_data(((struct dir_file *)file)->fd, offset, size, start, end) : 0;

    return got < 0 ? err_errno(err, errno, "look for data at %llu", (unsigned long long)offset)
                   : got;
}

/* ---- adopting ---- */

static bool cannot_copy(int why)
{
    return why == EXDEV || why == EINVAL || why == ENOSYS || why == ENOTSUP || why == EPERM;
}

/* Where the kernel does not copy between the two. Bytes copied, 0 at the end, -1 and errno. */
static ssize_t copy_by_hand(int from, int to, u64 offset, size_t size)
{
    u8 *buffer = memory_or_die(size);
    ssize_t got = pread(from, buffer, size, (off_t)offset);
    ssize_t put = got > 0 ? pwrite(to, buffer, (size_t)got, (off_t)offset) : got;
    int why = errno;

    free(buffer);
    errno = why;
    return put;
}

static int copy_range(int from, int to, u64 offset, u64 end, struct err *err)
{
    bool by_hand = false;

    while (offset < end) {
        u64 left = end - offset;
        size_t most = by_hand ? COPY_BUFFER : (size_t)1 << 30;
        off_t in = (off_t)offset, out = (off_t)offset;
        size_t size = left < most ? (size_t)left : most;
        ssize_t done = by_hand ? copy_by_hand(from, to, offset, size)
                               : copy_file_range(from, &in, to, &out, size, 0);

        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0 && !by_hand && cannot_copy(errno))
            by_hand = true;
        else if (done < 0)
            return err_errno(err, errno, "at %llu", (unsigned long long)offset);
        else if (done == 0)
            return err_set(err, ERR_StagedChanged, "it ends at %llu", (unsigned long long)offset);
        else
            offset += (u64)done;
    }
    return 0;
}

/* What an earlier try may have written where there is a hole. */
static int punch(int fd, u64 offset, u64 end, struct err *err)
{
    if (offset == end || fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
                                   (off_t)(end - offset)) == 0)
        return 0;
    if (errno == ENOTSUP || errno == ENOSYS)
        return 0; /* then it is a hole still, or the proof will find what is not zero */
    return err_errno(err, errno, "leave a hole at %llu", (unsigned long long)offset);
}

static int adopt(int from, int to, u64 offset, u64 end, struct err *err)
{
    while (offset < end) {
        u64 start = end, stop = end;
        int got = next_data(from, offset, end, &start, &stop);

        if (got < 0)
            return err_errno(err, errno, "look for data at %llu", (unsigned long long)offset);
        if (got == 0)
            start = stop = end;
        if (punch(to, offset, start, err) < 0 || copy_range(from, to, start, stop, err) < 0)
            return -1;
        offset = stop;
    }
    return 0;
}

int dir_stage_adopt(struct asset_file *file, struct asset_token *from, u32 index, u64 offset,
                    u64 length, struct err *err)
{
    struct dir_token *token = (struct dir_token *)from;
    struct attributes now;
    int result, fd = dir_staged_descriptor(token, index, O_RDONLY, &now, err);

    if (fd < 0)
        return err->sys_errno == ENOENT ? dir_staged_missing(token, index, err) : -1;
    if (offset > now.size || length > now.size - offset)
        result = err_set(err, ERR_StagedChanged, "it has %llu bytes", (unsigned long long)now.size);
    else
        result = adopt(fd, ((struct dir_file *)file)->fd, offset, offset + length, err);
    close(fd);
    return result < 0 ? err_context(err, "adopt from staged copy %u", index) : 0;
}
