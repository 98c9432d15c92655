/* hash.c: `syncline hash`: the hash of a file as the ledger has it (base/content.h), in the format
 * of xxh128sum and sha256sum, so that anyone can compare a file with what was proven. */
#include "ctl/ctl.h"
#include "ctl/options.h"

#include "base/buf.h"
#include "base/content.h"
#include "base/names.h"
#include "schema/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int hash_file(struct content *content, const char *path, u8 *buffer, struct digest *out,
                     struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status = {0};
    ssize_t size = 0;

    if (fd >= 0 && fstat(fd, &status) == 0)
        content_begin(content, (u64)status.st_size);
    else
        size = -1;
    while (size >= 0 &&
           ((size = read(fd, buffer, COPY_BUFFER)) > 0 || (size < 0 && errno == EINTR)))
        if (size > 0)
            content_update(content, buffer, (size_t)size);
    if (fd < 0 || size < 0) {
        err_errno(err, errno, "%.300s cannot be read", path);
        if (fd >= 0)
            close(fd);
        return -1;
    }
    close(fd);
    content_finish(content, out);
    return 0;
}

int command_hash(struct ctl *ctl, int argc, char **argv)
{
    const char *name = "xxh3-128";
    const struct option options[] = {{"hash", 0, OPTION_VALUE, &name}};
    struct content *content;
    struct err err;
    u8 *buffer;
    int code = EXIT_OK;

    argc = options_take(options, COUNT_OF(options), &ctl->common, argc, argv, &err);
    if (argc < 0)
        return ctl_fail(&err, "syncline hash --help");
    if (ctl->common.help) {
        help_command(ctl->command);
        return EXIT_OK;
    }
    if (argc == 0)
        return ctl_usage(ctl, "hash wants files");
    if (!hash_kind_by_name(name))
        return ctl_usage(ctl, "--hash is xxh3-128 or sha256, not '%.40s'", name);
    content = content_new(hash_kind_by_name(name));
    buffer = memory_or_die(COPY_BUFFER);
    for (int i = 0; i < argc; i++) {
        char hex[2 * HASH_BYTES_MAX + 1];
        struct buf shown = {0};
        struct digest digest;

        if (hash_file(content, argv[i], buffer, &digest, &err) < 0) {
            code = ctl_fail(&err, "syncline hash --help");
            continue;
        }
        digest_hex(&digest, hex);
        name_escape(&shown, bytes_text(argv[i]));
        printf("%s  %s\n", hex, buf_text(&shown));
        buf_release(&shown);
    }
    free(buffer);
    content_destroy(&content);
    return code;
}
