/* make.c: the root itself, where there is none yet: its last component only, in a directory that is
 * there (an address with a slip of the pen, or one whose filesystem is not mounted, must not become
 * a tree in the wrong place). */
#include "asset/dir/dir.h"

#include <errno.h>
#include <stdlib.h>

/* Splits an absolute path; *parent is to be freed, *name is within `path`. */
static int split(const char *path, char **parent, struct bytes *name, struct err *err)
{
    size_t end = strlen(path), start;
    char shown[SHOWN_SIZE];

    while (end > 1 && path[end - 1] == '/')
        end--;
    for (start = end; start > 0 && path[start - 1] != '/';)
        start--;
    *name = bytes_of(path + start, end - start);
    if (start == 0 || name->size == 0 || bytes_equal(*name, bytes_text(".")) ||
        bytes_equal(*name, bytes_text("..")))
        return err_set(err, ERR_Configuration, "\"%s\" names no directory that could be made",
                       dir_shown(bytes_text(path), shown));
    while (start > 1 && path[start - 1] == '/')
        start--;
    *parent = text_of_bytes(bytes_of(path, start));
    return 0;
}

int dir_prospect(const char *rest, struct buf *place, struct err *err)
{
    struct asset *above = NULL;
    char shown[SHOWN_SIZE];
    char *parent = NULL;
    struct stat there;
    struct bytes name;
    size_t start = place->size;
    int rc = -1;

    if (split(rest, &parent, &name, err) < 0)
        return -1;
    if (lstat(rest, &there) == 0) {
        err_set(err, ERR_Exists, "\"%s\" is there", dir_shown(bytes_text(rest), shown));
    } else if (asset_dir_ops.open(parent, &above, err) == 0) {
        if (faccessat(dir_asset_of(above)->root, ".", W_OK | X_OK, AT_EACCESS) < 0)
            err_errno(err, errno, "make a directory in \"%s\"",
                      dir_shown(bytes_text(parent), shown));
        else
            rc = dir_place(above, place, err);
        asset_dir_ops.close(above);
    }
    if (rc == 0) {
        if (place->size > start + 8) /* a filesystem's id, then the path within it */
            buf_append(place, "/", 1);
        buf_append(place, name.data, name.size);
    }
    free(parent);
    return rc;
}

int dir_make(const char *rest, struct err *err)
{
    char shown[SHOWN_SIZE];
    struct bytes name;
    char *parent;

    if (split(rest, &parent, &name, err) < 0)
        return -1;
    free(parent);
    if (mkdir(rest, 0777) < 0 && errno != EEXIST)
        return err_errno(err, errno, "make \"%s\"", dir_shown(bytes_text(rest), shown));
    return 0;
}
