/* edit.c: random changes to a tree: content, kinds, names, links, attributes, removals. */
#include "tool.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define NAMES_MAX 4096

struct names {
    char *name[NAMES_MAX];
    uint32_t count;
};

static void names_read(int fd, struct names *out)
{
    DIR *directory = fdopendir(openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));

    out->count = 0;
    if (!directory)
        return;
    for (struct dirent *entry; (entry = readdir(directory)) && out->count < NAMES_MAX;)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            out->name[out->count++] = strdup(entry->d_name);
    closedir(directory);
    /* the order of a listing is not the same everywhere */
    for (uint32_t i = 1; i < out->count; i++)
        for (uint32_t k = i; k > 0 && strcmp(out->name[k - 1], out->name[k]) > 0; k--) {
            char *other = out->name[k];

            out->name[k] = out->name[k - 1];
            out->name[k - 1] = other;
        }
}

static void names_free(struct names *names)
{
    for (uint32_t i = 0; i < names->count; i++)
        free(names->name[i]);
}

/* A directory of the tree, by a walk that ends anywhere. */
static int somewhere(const char *root)
{
    int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct names names;

    if (fd < 0)
        fail("open", root);
    while (!one_in(4)) {
        int below = -1;

        names_read(fd, &names);
        for (uint32_t tries = 0; names.count > 0 && below < 0 && tries < 8; tries++)
            below = openat(fd, names.name[random_below(names.count)],
                           O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        names_free(&names);
        if (below < 0)
            break;
        close(fd);
        fd = below;
    }
    return fd;
}

static void remove_all(int fd, const char *name)
{
    int below = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct names names;

    if (below >= 0) {
        do {
            names_read(below, &names);
            for (uint32_t i = 0; i < names.count; i++)
                remove_all(below, names.name[i]);
            names_free(&names);
        } while (names.count > 0);
        close(below);
        unlinkat(fd, name, AT_REMOVEDIR);
    } else {
        unlinkat(fd, name, 0);
    }
}

static void change_content(int fd, const char *name)
{
    struct stat now;
    int file;

    if (fstatat(fd, name, &now, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(now.st_mode))
        return;
    file = openat(fd, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (file < 0)
        return;
    switch (random_below(4)) {
    case 0:
        (void)!pwrite(file, "changed in place", 16, random_below(10000));
        break;
    case 1:
        (void)!ftruncate(file, now.st_size / 2);
        break;
    case 2:
        fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                  4096 * (1 + random_below(4)));
        (void)!pwrite(file, "x", 1, now.st_size);
        break;
    default:
        (void)!pwrite(file, "longer", 6, now.st_size + random_below(20000));
    }
    close(file);
}

static void forget_extras(int fd, const char *name)
{
    static const char *const extras[] = {"user.one", "system.posix_acl_access",
                                         "system.posix_acl_default", "security.capability",
                                         "trusted.x"};
    char path[300];

    snprintf(path, sizeof path, "/proc/self/fd/%d/%s", fd, name);
    lremovexattr(path, extras[random_below(5)]);
}

static void edit_one(const char *root)
{
    int fd = somewhere(root), other;
    char fresh[256];
    struct names names;
    const char *name;

    names_read(fd, &names);
    random_name(fresh);
    name = names.count > 0 ? names.name[random_below(names.count)] : fresh;
    switch (random_below(11)) {
    case 0:
    case 1:
        change_content(fd, name);
        break;
    case 2:
        dress(fd, name);
        break;
    case 3:
        forget_extras(fd, name);
        break;
    case 4: /* another kind, or another object of the kind */
        remove_all(fd, name);
        if (one_in(3))
            mkdirat(fd, name, 0755);
        else
            make_any(fd, name);
        break;
    case 5: /* a directory with something in it takes the place */
        remove_all(fd, name);
        if (mkdirat(fd, name, 0755) == 0 &&
            (other = openat(fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) >= 0) {
            make_file(other, fresh);
            close(other);
        }
        break;
    case 6:
        if (one_in(4))
            remove_all(fd, name);
        else
            unlinkat(fd, name, 0);
        break;
    case 7:
        if (make_any(fd, fresh))
            dress(fd, fresh);
        break;
    case 8:
        renameat2(fd, name, fd, fresh, RENAME_NOREPLACE);
        break;
    case 9: /* a name elsewhere, or a move there */
        other = somewhere(root);
        if (one_in(2))
            linkat(fd, name, other, fresh, 0);
        else
            renameat2(fd, name, other, fresh, RENAME_NOREPLACE);
        close(other);
        break;
    default:
        if (names.count > 1)
            renameat2(fd, name, fd, names.name[random_below(names.count)], RENAME_EXCHANGE);
    }
    names_free(&names);
    close(fd);
}

int command_edit(char **arguments)
{
    long edits = strtol(arguments[2], NULL, 10);

    random_seed(strtoull(arguments[0], NULL, 10));
    umask(0);
    while (edits-- > 0)
        edit_one(arguments[1]);
    return 0;
}
