/* doctor_host.c: what this host has and allows (doctor.h). Each thing is tried, not looked up by
 * version: containers and policies take away what a kernel has. */
#include "ctl/doctor.h"

#include "base/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/fanotify.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <unistd.h>

#define WATCHES_ENOUGH 65536
#define INSTANCES_ENOUGH 128
#define FILES_LEAST 64
#define FILES_ENOUGH 1024
#define SPACE_LEAST (100ull << 20)
#define SPACE_ENOUGH (1ull << 30)
#define INODES_ENOUGH 10000

static void check_openat2(struct findings *findings)
{
    struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_BENEATH};
    int fd = (int)syscall(SYS_openat2, AT_FDCWD, ".", &how, sizeof how);

    if (fd < 0 && errno != EACCES) {
        finding_add(findings, HEALTH_FAILED, "openat2",
                    "use Linux 5.6 or later, and a seccomp profile that lets openat2 through",
                    "workers cannot open paths below a root safely: %s", strerror(errno));
        return;
    }
    if (fd >= 0)
        close(fd);
    finding_add(findings, HEALTH_OK, "openat2", NULL, "there");
}

static void check_landlock(struct findings *findings)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

    if (version < 1)
        finding_add(
            findings, HEALTH_WARNING, "landlock",
            "boot with landlock among the security modules (lsm=landlock,...), Linux 5.13 or later",
            "workers are not confined by the kernel: %s", strerror(errno));
    else
        finding_add(findings, HEALTH_OK, "landlock", NULL,
                    "workers are confined by the kernel (version %ld)", version);
}

static void check_fanotify(struct findings *findings)
{
    int fd = fanotify_init(FAN_CLASS_NOTIF | FAN_CLOEXEC | FAN_REPORT_DFID_NAME, O_RDONLY);

    if (fd < 0) {
        finding_add(findings, HEALTH_OK, "fanotify", NULL,
                    "not for this user (%s): live changes would be seen by inotify",
                    strerror(errno));
        return;
    }
    close(fd);
    finding_add(findings, HEALTH_OK, "fanotify", NULL, "there");
}

static void check_inotify(struct findings *findings, const char *name, unsigned long enough)
{
    unsigned long value = 0;
    char path[96], next[96];
    FILE *file;

    snprintf(path, sizeof path, "/proc/sys/fs/inotify/%s", name);
    snprintf(next, sizeof next, "sysctl fs.inotify.%s=%lu", name, enough);
    file = fopen(path, "r");
    if (!file || fscanf(file, "%lu", &value) != 1)
        finding_add(findings, HEALTH_WARNING, "inotify", "mount /proc", "%s cannot be read", path);
    else
        finding_add(findings, value < enough ? HEALTH_WARNING : HEALTH_OK, "inotify",
                    value < enough ? next : NULL, "%s is %lu", name, value);
    if (file)
        fclose(file);
}

static void check_files(struct findings *findings)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    finding_add(findings,
                limit.rlim_cur < FILES_LEAST    ? HEALTH_FAILED
                : limit.rlim_cur < FILES_ENOUGH ? HEALTH_WARNING
                                                : HEALTH_OK,
                "descriptors",
                limit.rlim_cur < FILES_ENOUGH ? "ulimit -n 1024, or LimitNOFILE=1024 in the unit"
                                              : NULL,
                "a process may have %llu open files", (unsigned long long)limit.rlim_cur);
}

static void check_clock(struct findings *findings)
{
    struct timex clock = {0};
    bool synchronized = adjtimex(&clock) >= 0 && !(clock.status & STA_UNSYNC);

    finding_add(findings, synchronized ? HEALTH_OK : HEALTH_WARNING, "clock",
                synchronized ? NULL
                             : "run chronyd or systemd-timesyncd (in a container: on the host)",
                synchronized ? "synchronized" : "not synchronized, as far as the kernel knows");
}

static void check_disk(struct findings *findings, const char *directory)
{
    struct statvfs disk;
    unsigned long long space;
    bool low, inodes_low;

    if (statvfs(directory, &disk) < 0) {
        finding_add(findings, HEALTH_FAILED, "disk",
                    "make the directory, or name another with --state-dir", "%s: %s", directory,
                    strerror(errno));
        return;
    }
    space = (unsigned long long)disk.f_bavail * disk.f_frsize;
    inodes_low = disk.f_files > 0 && disk.f_favail < INODES_ENOUGH;
    low = space < SPACE_ENOUGH || inodes_low;
    finding_add(findings,
                space < SPACE_LEAST ? HEALTH_FAILED
                : low               ? HEALTH_WARNING
                                    : HEALTH_OK,
                "disk", low ? "free some: truth and view stop when it is full" : NULL,
                "%s has %llu MiB and %llu inodes free", directory, space >> 20,
                (unsigned long long)disk.f_favail);
}

static void check_directory(struct findings *findings, const char *directory)
{
    struct stat status;

    if (stat(directory, &status) < 0)
        return; /* check_disk has said so */
    if (status.st_uid != geteuid())
        finding_add(findings, HEALTH_WARNING, "permissions",
                    "run it as the user who owns the stack", "%s belongs to user %u, you are %u",
                    directory, status.st_uid, geteuid());
    else if (status.st_mode & (S_IWGRP | S_IWOTH))
        finding_add(findings, HEALTH_FAILED, "permissions", "chmod go-w the directory",
                    "others may write into %s", directory);
    else
        finding_add(findings, HEALTH_OK, "permissions", NULL, "%s is yours alone to write",
                    directory);
}

/* The keys of a file, and which of them a higher level has: "lanes, roots (not used)". */
static void list_keys(const struct settings *settings, u32 file, struct buf *out)
{
    for (enum setting setting = 1; setting < SETTING_COUNT; setting++)
        if (settings->files[file].has[setting])
            buf_printf(out, "%s%s%s", out->size ? ", " : "", setting_table[setting].field.path,
                       settings->from[setting] == file + 1 ? "" : " (not used)");
}

void doctor_settings(struct findings *findings, const struct settings *settings)
{
    if (settings->count == 0)
        finding_add(findings, HEALTH_OK, "settings", NULL,
                    "no configuration file is read: " SETTINGS_VARIABLE " is " SETTINGS_OFF);
    for (u32 i = 0; i < settings->count; i++) {
        struct buf keys = {0};

        list_keys(settings, i, &keys);
        finding_add(findings, HEALTH_OK, "settings", NULL, "%s: %s", settings->files[i].path,
                    !settings->files[i].there ? "not there"
                    : keys.size               ? buf_text(&keys)
                                              : "has no keys");
        buf_release(&keys);
    }
}

void doctor_host(struct findings *findings, const char *directory)
{
    struct utsname kernel = {0};

    uname(&kernel);
    finding_add(findings, HEALTH_OK, "versions", NULL, "syncline " SYNCLINE_VERSION ", %s %s",
                kernel.sysname, kernel.release);
    check_openat2(findings);
    check_landlock(findings);
    check_fanotify(findings);
    check_inotify(findings, "max_user_watches", WATCHES_ENOUGH);
    check_inotify(findings, "max_user_instances", INSTANCES_ENOUGH);
    check_files(findings);
    check_clock(findings);
    if (!directory)
        return;
    check_disk(findings, directory);
    check_directory(findings, directory);
}
