/* confine.c: see confine.h.
 *
 * How: a Landlock ruleset names the rights that are taken away everywhere, and rules give some of
 * them back below directories. Rights that the kernel does not know yet cannot be taken; renaming
 * between directories (REFER) is taken by every ruleset, so a mover must be given it back, and a
 * kernel that cannot (the first version) leaves the mover as it is. Rules hold for inodes, not for
 * names: what is mounted on a root later is not below it. */
#include "svc/confine.h"

#include "asset/asset.h"
#include "base/buf.h"
#include "base/log.h"
#include "base/names.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/landlock.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Of later headers than those of Debian 12. */
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14)
#endif
#ifndef LANDLOCK_ACCESS_FS_IOCTL_DEV
#define LANDLOCK_ACCESS_FS_IOCTL_DEV (1ULL << 15)
#endif

#define RIGHTS_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define RIGHTS_WRITE                                                                               \
    (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |                               \
     LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR | \
     LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_SOCK |   \
     LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_ACCESS_FS_REFER |      \
     LANDLOCK_ACCESS_FS_TRUNCATE)
/* What nobody needs. */
#define RIGHTS_NEVER (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_IOCTL_DEV)
/* Those that a rule for something else than a directory may have. */
#define RIGHTS_OF_FILE                                                                             \
    (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_TRUNCATE)

/* The roots as they were given, and as they are without links. Written once, by confine_start. */
static char *given;
static char **roots;
static u32 root_count;

/* What a process reads beside its data: who it is and what is mounted; random numbers; where a host
 * name leads, and the libraries that the C library loads for that. */
static const char *const needed[] = {
    "/proc",
    "/dev/null",
    "/dev/random",
    "/dev/urandom",
    "/etc/gai.conf",
    "/etc/host.conf",
    "/etc/hosts",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/nsswitch.conf",
    "/etc/protocols",
    "/etc/resolv.conf",
    "/etc/services",
    "/lib",
    "/lib64",
    "/run/systemd/resolve",
    "/sys/devices/system/cpu",
    "/usr/lib",
    "/usr/share/zoneinfo",
};

/* The next entry of a list, from *at on; empty at the end. */
static struct bytes next_entry(const char **at, char separator)
{
    const char *start = *at, *end = strchrnul(start, separator);

    *at = *end ? end + 1 : end;
    return bytes_of(start, (size_t)(end - start));
}

bool roots_are_valid(const char *list)
{
    const char *at = list;

    do {
        struct bytes entry = next_entry(&at, ':');

        if (entry.size == 0 || entry.data[0] != '/' || entry.size >= PATH_MAX)
            return false;
    } while (*at);
    return list[strlen(list) - 1] != ':';
}

/* ---- the ruleset ---- */

/* The rights that this kernel can take away; 0 and why. */
static u64 known_rights(enum role role, const char **why)
{
    u64 rights = RIGHTS_READ | RIGHTS_WRITE | RIGHTS_NEVER;
    long version = -1;

#ifdef SYNCLINE_WEAK_WALK
    errno = ENOSYS;
#else
    version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
#endif
    *why = strerror(errno);
    if (version < 1)
        return 0;
    *why = "its first version cannot allow what a mover does";
    if (version < 2 && role == ROLE_mover)
        return 0;
    if (version < 2)
        rights &= ~LANDLOCK_ACCESS_FS_REFER;
    if (version < 3)
        rights &= ~LANDLOCK_ACCESS_FS_TRUNCATE;
    if (version < 5)
        rights &= ~LANDLOCK_ACCESS_FS_IOCTL_DEV;
    return rights;
}

/* Gives rights back at and below `path`. -1 and errno. */
static int allow(int ruleset, const char *path, u64 rights)
{
    int fd = open(path, O_PATH | O_CLOEXEC), result = -1, why;
    struct landlock_path_beneath_attr rule = {.allowed_access = rights, .parent_fd = fd};
    struct stat status;

    if (fd >= 0 && fstat(fd, &status) == 0) {
        if (!S_ISDIR(status.st_mode))
            rule.allowed_access &= RIGHTS_OF_FILE;
        result = (int)syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
    }
    why = errno;
    if (fd >= 0)
        close(fd);
    errno = why;
    return result;
}

/* What is not on this machine is not needed. */
static int allow_if_there(int ruleset, const char *path, u64 rights, struct err *err)
{
    if (allow(ruleset, path, rights) == 0 || errno == ENOENT || errno == ENOTDIR || errno == EACCES)
        return 0;
    return err_errno(err, errno, "confining the process, %s", path);
}

/* Planners are found by listing the directory of their sockets; while that is not there, the one
 * above it in which it will be made. */
static int allow_endpoint(int ruleset, struct bytes endpoint, struct err *err)
{
    char *path;
    int result;

    if (endpoint.size < 8 || memcmp(endpoint.data, "ipc:///", 7) != 0)
        return 0;
    path = text_of_bytes(bytes_of(endpoint.data + 6, endpoint.size - 6));
    path[strcspn(path, "*?[")] = '\0';
    do {
        char *slash = strrchr(path, '/');

        slash[slash == path] = '\0';
    } while (access(path, F_OK) < 0 && errno == ENOENT && path[1]);
    result = allow_if_there(ruleset, path, LANDLOCK_ACCESS_FS_READ_DIR, err);
    free(path);
    return result;
}

static int allow_process(int ruleset, const char *planner, struct err *err)
{
    for (size_t i = 0; i < COUNT_OF(needed); i++)
        if (allow_if_there(ruleset, needed[i], RIGHTS_READ, err) < 0)
            return -1;
    for (const char *at = planner; *at;)
        if (allow_endpoint(ruleset, next_entry(&at, ','), err) < 0)
            return -1;
    return 0;
}

static int allow_roots(int ruleset, u64 rights, struct err *err)
{
    for (u32 i = 0; i < root_count; i++)
        if (allow(ruleset, roots[i], rights) < 0)
            return err_errno(err, errno, "confining the process to %s", roots[i]);
    return 0;
}

static int fill(int ruleset, enum role role, u64 known, const char *planner, struct err *err)
{
    u64 wanted = RIGHTS_READ | (role == ROLE_mover ? RIGHTS_WRITE : 0);

    if (root_count > 0)
        return allow_roots(ruleset, wanted & known, err) < 0 ? -1
                                                             : allow_process(ruleset, planner, err);
    if (role == ROLE_mover && allow(ruleset, "/", LANDLOCK_ACCESS_FS_REFER) < 0)
        return err_errno(err, errno, "confining the process");
    return 0;
}

static int restrict_process(enum role role, u64 known, const char *planner, struct err *err)
{
    struct landlock_ruleset_attr attr = {.handled_access_fs = known};
    int ruleset, result;

    if (root_count == 0)
        attr.handled_access_fs &= role == ROLE_mover ? RIGHTS_NEVER | LANDLOCK_ACCESS_FS_REFER
                                                     : RIGHTS_NEVER | RIGHTS_WRITE;
    ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof attr, 0);
    if (ruleset < 0)
        return err_errno(err, errno, "making a Landlock ruleset");
    result = fill(ruleset, role, known, planner, err);
    if (result == 0 && syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
        result = err_errno(err, errno, "confining the process");
    close(ruleset);
    return result;
}

/* ---- roots ---- */

/* The next root without links, to be freed; NULL if it is no directory. */
static char *next_root(const char **at, struct err *err)
{
    char *path = text_of_bytes(next_entry(at, ':')), *real = realpath(path, NULL);
    int why = real ? ENOTDIR : errno;
    struct stat status;

    if (!real || stat(real, &status) < 0 || !S_ISDIR(status.st_mode)) {
        err_set(err, ERR_Configuration, "the root %.200s (SYNCLINE_ROOTS, --roots): %s", path,
                strerror(why));
        free(real);
        real = NULL;
    }
    free(path);
    return real;
}

int roots_check(const char *list, struct err *err)
{
    if (list && !roots_are_valid(list))
        return err_set(err, ERR_Configuration,
                       "the roots %.200s (SYNCLINE_ROOTS, --roots): must be absolute paths of "
                       "directories, separated by colons",
                       list);
    for (const char *at = list ? list : ""; *at;) {
        char *real = next_root(&at, err);

        if (!real)
            return -1;
        free(real);
    }
    return 0;
}

static int take_roots(const char *list, struct err *err)
{
    if (!list)
        return 0;
    given = text_copy(list);
    for (const char *at = list; *at;) {
        char *real = next_root(&at, err);

        if (!real)
            return -1;
        roots = memory_resize_or_die(roots, (root_count + 1) * sizeof *roots);
        roots[root_count++] = real;
    }
    return 0;
}

int confine_start(enum role role, const char *list, const char *planner, struct err *err)
{
    const char *why;
    u64 known;

    if (take_roots(list, err) < 0)
        return -1;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return err_errno(err, errno, "no_new_privs");
    known = known_rights(role, &why);
    if (!known) {
        log_write(LOG_INFO, NULL, EVENT_confined, "landlock=no message=%s", log_text(why));
        return 0;
    }
    if (restrict_process(role, known, planner, err) < 0)
        return -1;
    log_write(LOG_INFO, NULL, EVENT_confined, "landlock=yes roots=%s",
              log_text(given ? given : "-"));
    return 0;
}

static bool is_in(const char *path, const char *root)
{
    size_t size = strlen(root);

    return size == 1 || (strncmp(path, root, size) == 0 && (!path[size] || path[size] == '/'));
}

int confine_check(const char *address, struct err *err)
{
    const char *path = root_count > 0 ? asset_path_of(address) : NULL;
    char *real = path ? realpath(path, NULL) : NULL;
    bool inside = false;

    if (!real) /* who opens it hears why */
        return 0;
    for (u32 i = 0; i < root_count && !inside; i++)
        inside = is_in(real, roots[i]);
    free(real);
    if (inside)
        return 0;
    return err_set(err, ERR_AccessDenied,
                   "%.160s is outside of the roots that workers may use (SYNCLINE_ROOTS=%.160s): "
                   "choose a directory below them, or start the workers with more roots",
                   address, given);
}
