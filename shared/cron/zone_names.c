/* zone_names.c: see zone_names.h. The database is a folder of files, each of which begins with
 * "TZif"; its names are their paths. What else may lie there (tables, other editions of the whole)
 * is none. */
#include "cron/zone_names.h"

#include "base/buf.h"
#include "base/names.h"
#include "base/words.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define DATABASE "/usr/share/zoneinfo"
#define NAME_SIZE 64    /* of a zone, with its end; the longest there is has 32 bytes */
#define NAMES_MOST 4000 /* that are looked through for the nearest */
#define DEPTH_MOST 3
#define SHOWN_BYTES 40

static const char *database(void)
{
    const char *named = getenv("TZDIR");

    return named && *named == '/' ? named : DATABASE;
}

/* Not zones of their own: the database once more, and what a host made of it. */
static bool is_apart(const char *name)
{
    static const char *const names[] = {"posix", "right", "posixrules", "localtime"};

    for (u32 i = 0; i < COUNT_OF(names); i++) {
        size_t size = strlen(names[i]);

        if (strncmp(name, names[i], size) == 0 && (!name[size] || name[size] == '/'))
            return true;
    }
    return false;
}

/* What is wrong with it as a name of a zone, whichever there are; NULL: nothing. */
static const char *name_fault(const char *name)
{
    static const char known[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-_/";
    size_t size = strlen(name);

    if (size == 0)
        return "is no name of a zone";
    if (strchr("+-0123456789", *name))
        return "is an offset, which knows no change of the clock";
    if (strchr(name, ','))
        return "is a rule";
    if (*name == '/' || name[size - 1] == '/' || strchr(name, '.') || strstr(name, "//"))
        return "is a path";
    if (size >= NAME_SIZE || name[strspn(name, known)])
        return "is no name of a zone";
    return is_apart(name) ? "is no zone of its own" : NULL;
}

static bool is_zone_file(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat file;
    char begin[4];
    bool is;

    if (fd < 0)
        return false;
    is = fstat(fd, &file) == 0 && S_ISREG(file.st_mode) &&
         read(fd, begin, sizeof begin) == (ssize_t)sizeof begin && memcmp(begin, "TZif", 4) == 0;
    close(fd);
    return is;
}

/* ---- the nearest name ---- */

struct names {
    char *items[NAMES_MOST]; /* "Europe/Berlin" */
    const char *lower[NAMES_MOST];
    u32 count;
};

static void names_collect(struct names *names, const char *below, u32 depth)
{
    char path[4096 + NAME_SIZE], name[2 * NAME_SIZE];
    DIR *folder;
    const struct dirent *entry;

    snprintf(path, sizeof path, "%s/%s", database(), below);
    folder = depth < DEPTH_MOST ? opendir(path) : NULL;
    while (folder && names->count < NAMES_MOST && (entry = readdir(folder))) {
        struct stat file;

        if ((size_t)snprintf(name, sizeof name, "%s%s%s", below, *below ? "/" : "",
                             entry->d_name) >= NAME_SIZE ||
            name_fault(name))
            continue;
        snprintf(path, sizeof path, "%s/%s", database(), name);
        if (stat(path, &file) == 0 && S_ISDIR(file.st_mode))
            names_collect(names, name, depth + 1);
        else if (names->count < NAMES_MOST && is_zone_file(path))
            names->items[names->count++] = text_copy(name);
    }
    if (folder)
        closedir(folder);
}

/* Small letters, and no blanks. */
static char *lower_of(const char *name)
{
    char *lower = text_copy(name);

    for (char *at = lower; *at; at++)
        *at = *at == ' ' ? '_' : (char)tolower((unsigned char)*at);
    return lower;
}

/* By the whole name, or by the city at its end. Etc has no cities: Etc/GMT+2 is west of Greenwich,
 * and who writes GMT+2 means the east. */
static const char *names_find(const struct names *names, const char *lower, bool city)
{
    for (u32 i = 0; i < names->count; i++) {
        const char *slash = city ? strrchr(names->lower[i], '/') : NULL;
        const char *name = slash ? slash + 1 : city ? NULL : names->lower[i];

        if (slash && strncmp(names->lower[i], "etc/", 4) == 0)
            continue;
        if (name && strcmp(name, lower) == 0)
            return names->items[i];
    }
    return NULL;
}

/* The name in other letters, a city alone, or else what was written with a slip. What has no slash
 * is short, and near to others that are meant as little: PST is no slip of MST, nor GMT+2 of GMT+0.
 */
static const char *names_nearest(const struct names *names, const char *lower)
{
    const char *found = names_find(names, lower, false), *near;

    if (!found)
        found = names_find(names, lower, true);
    if (found)
        return found;
    near = nearest_word(lower, names->lower, names->count);
    return near && strchr(near, '/') ? names_find(names, near, false) : NULL;
}

static int refuse(const char *name, const char *fault, struct err *err)
{
    struct names *names = memory_or_die(sizeof *names);
    size_t size = strlen(name);
    char *lower = lower_of(name);
    const char *near;
    struct buf shown = {0};

    names_collect(names, "", 0);
    for (u32 i = 0; i < names->count; i++)
        names->lower[i] = lower_of(names->items[i]);
    near = names_nearest(names, lower);
    name_escape(&shown, bytes_of(name, size < SHOWN_BYTES ? size : SHOWN_BYTES));
    if (names->count == 0)
        err_set(err, ERR_Configuration,
                "'%s' cannot be looked up: there is no zone database in %s; install tzdata, or "
                "write UTC",
                buf_text(&shown), database());
    else
        err_set(err, ERR_Configuration, "'%s' %s; %s%s%s", buf_text(&shown),
                fault ? fault : "is no zone that this host knows",
                near ? "did you mean " : "write a name of the zone database, such as Europe/Berlin",
                near ? near : "", near ? "?" : "");
    for (u32 i = 0; i < names->count; i++) {
        free(names->items[i]);
        free((char *)names->lower[i]);
    }
    free(names);
    free(lower);
    buf_release(&shown);
    return -1;
}

char *zone_path(const char *name, struct err *err)
{
    const char *fault = name_fault(name);
    struct buf path = {0};

    if (!fault) {
        buf_printf(&path, "%s/%s", database(), name);
        if (is_zone_file(buf_text(&path)))
            return (char *)path.data; /* what it owned is the caller's */
        buf_release(&path);
    }
    refuse(name, fault, err);
    return NULL;
}
