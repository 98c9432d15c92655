/* large.c: a file of several hundred MiB, quickly: a third of data, a hole of 130 MiB, a sixth of
 * data, a hole, and an end that fills no block. Each seed gives other bytes everywhere. */
#include "tool.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MIB (1024L * 1024)
#define HOLE_MIB 130
#define END_BYTES 300

static void write_random(int fd, off_t at, size_t size, const char *path)
{
    static uint32_t words[1024 * 1024 / sizeof(uint32_t)];

    for (size_t done = 0, part; done < size; done += part) {
        part = size - done < sizeof words ? size - done : sizeof words;
        for (size_t i = 0; i < sizeof words / sizeof *words; i++)
            words[i] = random_below(UINT32_MAX);
        if (pwrite(fd, words, part, at + (off_t)done) != (ssize_t)part)
            fail("write", path);
    }
}

int command_large(char **arguments)
{
    const char *path = arguments[1];
    long mib = strtol(arguments[2], NULL, 10), third = mib / 3;
    off_t size = mib * MIB + 4711;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

    random_seed(strtoull(arguments[0], NULL, 10));
    if (fd < 0 || ftruncate(fd, size) < 0)
        fail("make", path);
    write_random(fd, 0, (size_t)(third * MIB), path);
    write_random(fd, (third + HOLE_MIB) * MIB, (size_t)(third / 2 * MIB), path);
    write_random(fd, size - END_BYTES, END_BYTES, path);
    if (close(fd) < 0)
        fail("close", path);
    return 0;
}
