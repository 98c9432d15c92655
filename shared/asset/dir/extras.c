/* extras.c: extended attributes and access control lists of a tree.
 *
 * How: that there are none, which is the usual answer, costs one system call: flistxattr on an open
 * file, listxattrat (Linux 6.13) on a name, else llistxattr through /proc. All else goes through
 * /proc/self/fd/N, which leads to the very object of the descriptor, or to a name below it that is
 * not followed. */
#include "asset/extras.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#include "asset/dir/dir.h"
#include "wire/message.h"

#ifndef SYS_listxattrat
#define SYS_listxattrat 465
#endif
#define SMALL_LIST 1024
#define LIST_BYTES (64u << 10)  /* the kernel gives no more */
#define VALUE_BYTES (64u << 10) /* nor of a value */
#define OBJECT_PATH_SIZE (NAME_BYTES + 40)

static const char *object_path(const struct dir_object *object, char out[OBJECT_PATH_SIZE])
{
    if (object->name[0])
        snprintf(out, OBJECT_PATH_SIZE, "/proc/self/fd/%d/%s", object->fd, object->name);
    else
        snprintf(out, OBJECT_PATH_SIZE, "/proc/self/fd/%d", object->fd);
    return out;
}

/* ---- reading ---- */

static ssize_t list(const struct dir_object *object, char *names, size_t size)
{
    static atomic_bool lacks_call;
    char path[OBJECT_PATH_SIZE];
    ssize_t got;

    if (object->name[0] && !atomic_load_explicit(&lacks_call, memory_order_relaxed)) {
        got = syscall(SYS_listxattrat, object->fd, object->name, AT_SYMLINK_NOFOLLOW, names, size);
        /* EPERM: what some containers say of calls that they do not know */
        if (got >= 0 || (errno != ENOSYS && errno != EPERM))
            return got;
        atomic_store_explicit(&lacks_call, true, memory_order_relaxed);
    } else if (!object->name[0] && !object->is_path) {
        got = flistxattr(object->fd, names, size);
        if (got >= 0 || errno != EBADF) /* EBADF: a directory that could be opened as O_PATH only */
            return got;
    }
    object_path(object, path);
    return object->name[0] ? llistxattr(path, names, size) : listxattr(path, names, size);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Those of the list that travel, in order; returns how many. What is left out for want of privilege
 * is told. */
static size_t select_names(char *names, size_t size, u32 preserve, bool privileged, char **out,
                           u32 *not_kept)
{
    size_t count = 0;

    for (size_t at = 0; at < size; at += strlen(names + at) + 1) {
        struct bytes name = bytes_text(names + at);

        if (extras_travels(name, preserve, privileged))
            out[count++] = names + at;
        else if (preserve & PRESERVE_xattrs && extras_bit(name) == NOT_KEPT_CAPABILITY)
            *not_kept |= NOT_KEPT_CAPABILITY;
    }
    qsort(out, count, sizeof *out, by_name);
    return count;
}

static int append_values(const struct dir_object *object, char **names, size_t count,
                         struct buf *out, u32 *not_kept, struct err *err)
{
    char path[OBJECT_PATH_SIZE];
    u8 *value = memory_or_die(VALUE_BYTES);
    size_t start = out->size;
    struct frame_writer writer;
    u32 bits = 0;
    int result = 0;

    object_path(object, path);
    frame_begin(&writer, out);
    for (size_t i = 0; i < count && result == 0; i++) {
        struct rec_attribute record = {.name = bytes_text(names[i])};
        ssize_t got = object->name[0] ? lgetxattr(path, names[i], value, VALUE_BYTES)
                                      : getxattr(path, names[i], value, VALUE_BYTES);

        if (got < 0 && (errno == ENODATA || errno == ENOTSUP))
            continue; /* removed meanwhile */
        bits |= extras_bit(record.name);
        if (got < 0) {
            result = err_errno(err, errno, "read attribute %.100s", names[i]);
        } else {
            record.value = bytes_of(value, (size_t)got);
            frame_add_attribute(&writer, &record);
        }
        if (out->size - start > EXTRAS_BYTES) {
            *not_kept |= bits;
            bits = 0;
            break;
        }
    }
    frame_end(&writer);
    if (result < 0 || bits == 0)
        out->size = start;
    free(value);
    return result;
}

int dir_object_extras(const struct dir_object *object, u32 preserve, struct buf *out, u32 *not_kept,
                      struct err *err)
{
    char small[SMALL_LIST], *names = small, *large = NULL, **selected = NULL;
    ssize_t size = list(object, small, sizeof small);
    size_t count;
    int result = 0;

    if (size < 0 && errno == ERANGE) {
        large = memory_or_die(LIST_BYTES);
        names = large;
        size = list(object, large, LIST_BYTES);
    }
    if (size < 0 && errno != ENOTSUP && errno != ENODATA)
        result = err_errno(err, errno, "list the attributes");
    if (size > 0) {
        selected = memory_or_die((size_t)size * sizeof *selected);
        count = select_names(names, (size_t)size, preserve, object->privileged, selected, not_kept);
        if (count > 0)
            result = append_values(object, selected, count, out, not_kept, err);
    }
    free(selected);
    free(large);
    return result;
}

int dir_extras(struct asset_directory *directory, struct bytes name, u32 preserve, struct buf *out,
               u32 *not_kept, struct err *err)
{
    char text[NAME_BYTES + 1] = "", shown[SHOWN_SIZE];
    struct dir_object object = {.fd = ((struct dir_directory *)directory)->fd,
                                .name = text,
                                .privileged = dir_asset_of(directory->asset)->uid == 0};

    if (name.size > 0 && dir_name(name, text, err) < 0)
        return -1;
    if (dir_object_extras(&object, preserve, out, not_kept, err) < 0)
        return err_context(err, "\"%s\"", dir_shown(name, shown));
    return 0;
}

int dir_file_extras(struct asset_file *file, u32 preserve, struct buf *out, u32 *not_kept,
                    struct err *err)
{
    struct dir_object object = {.fd = ((struct dir_file *)file)->fd,
                                .name = "",
                                .privileged = dir_asset_of(file->asset)->uid == 0};

    return dir_object_extras(&object, preserve, out, not_kept, err);
}

/* ---- setting ---- */

struct setting {
    const struct dir_object *object;
    char path[OBJECT_PATH_SIZE];
    u32 preserve;
    u32 which; /* bits of NOT_KEPT_…: only what they speak of */
    u32 *not_kept;
    int group; /* the group's bits of a list that could not be set, or -1 */
};

/* What the filesystem or its owner does not have or allow is not kept, and no error. */
static bool is_refusal(int why)
{
    return why == EPERM || why == EACCES || why == ENOTSUP || why == ENOSPC || why == E2BIG ||
           why == ERANGE || why == EINVAL; /* EINVAL: an id that this user namespace has not */
}

static int set_one(void *context, struct bytes name, const struct bytes *value, struct err *err)
{
    struct setting *self = context;
    u32 bit = extras_bit(name);
    char text[NAME_BYTES + 1];
    int done;

    if (!(bit & self->which))
        return 0;
    if (!extras_travels(name, self->preserve, self->object->privileged)) {
        *self->not_kept |= bit;
        return 0;
    }
    memcpy(text, name.data, name.size);
    text[name.size] = '\0';
    if (self->object->name[0])
        done = value ? lsetxattr(self->path, text, value->data, value->size, 0)
                     : lremovexattr(self->path, text);
    else
        done = value ? setxattr(self->path, text, value->data, value->size, 0)
                     : removexattr(self->path, text);
    if (done == 0 || (!value && errno == ENODATA))
        return 0;
    if (!is_refusal(errno))
        return err_errno(err, errno, "set attribute %.100s", text);
    *self->not_kept |= bit;
    if (value && strcmp(text, EXTRAS_ACL) == 0)
        self->group = extras_group_mode(*value);
    return 0;
}

int dir_object_set_extras(const struct dir_object *object, const struct dir_extras_change *change,
                          u32 which, int *group, u32 *not_kept, struct err *err)
{
    struct setting setting = {.object = object,
                              .preserve = change->preserve,
                              .which = which,
                              .not_kept = not_kept,
                              .group = -1};

    object_path(object, setting.path);
    if (extras_difference(change->from, change->to, set_one, &setting, err) < 0)
        return -1;
    if (group)
        *group = setting.group;
    return 0;
}
