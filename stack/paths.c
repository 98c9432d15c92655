/* paths.c: see paths.h. realpath(3) wants the whole path to exist, so components are taken off the
 * end until it does, and are put back behind the result. */
#include "stack/paths.h"

#include "base/buf.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

char *path_below(const char *directory, const char *name)
{
    struct buf path = {0};

    buf_printf(&path, "%s%s%s", directory, strcmp(directory, "/") == 0 ? "" : "/", name);
    buf_text(&path);
    return (char *)path.data;
}

char *path_parent(const char *path)
{
    char *parent = text_copy(path);
    char *slash = strrchr(parent, '/');

    if (slash)
        slash[slash == parent] = '\0';
    return parent;
}

char *path_quote(const char *value)
{
    struct buf out = {0};

    buf_append_text(&out, "'");
    for (const char *at = value; *at; at++) {
        if (*at == '\'')
            buf_append_text(&out, "'");
        buf_append(&out, at, 1);
    }
    buf_append_text(&out, "'");
    buf_text(&out);
    return (char *)out.data;
}

/* Puts the components of `rest` behind `real`. A ".." among what does not exist goes up in the
 * text: there is nothing else that it could mean. */
static char *append_missing(char *real, const char *rest)
{
    while (*rest) {
        size_t length = strcspn(rest, "/");
        char *name = text_of_bytes(bytes_of(rest, length));
        char *next = NULL;

        if (strcmp(name, "..") == 0)
            next = path_parent(real);
        else if (length > 0 && strcmp(name, ".") != 0)
            next = path_below(real, name);
        if (next) {
            free(real);
            real = next;
        }
        free(name);
        rest += length + (rest[length] == '/');
    }
    return real;
}

static char *make_absolute(const char *path, struct err *err)
{
    char *here, *whole;

    if (path[0] == '/')
        return text_copy(path);
    here = getcwd(NULL, 0);
    if (!here) {
        err_errno(err, errno, "the working directory cannot be read");
        return NULL;
    }
    whole = path_below(here, path);
    free(here);
    return whole;
}

int path_resolve(const char *path, char **out, struct err *err)
{
    char *whole = make_absolute(path, err);
    char *real = NULL;
    size_t cut;

    if (!whole)
        return -1;
    cut = strlen(whole);
    for (;;) {
        char *head = text_of_bytes(bytes_of(whole, cut));

        real = realpath(head[0] ? head : "/", NULL);
        free(head);
        if (real || cut == 0)
            break;
        while (cut > 0 && whole[cut - 1] == '/')
            cut--;
        while (cut > 0 && whole[cut - 1] != '/')
            cut--;
    }
    if (!real) {
        free(whole);
        return err_errno(err, errno, "%s cannot be resolved", path);
    }
    *out = append_missing(real, whole + cut);
    free(whole);
    return 0;
}
