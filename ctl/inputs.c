/* inputs.c: see inputs.h. */
#include "ctl/inputs.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

struct inputs {
    struct definitions *out;
    struct buf *faults;
    u32 faulty; /* files */
};

static int unreadable(const char *path, struct err *err)
{
    err_errno(err, errno, "%.300s cannot be read", path);
    err->code = ERR_Configuration;
    return -1;
}

static int take_stream(FILE *stream, const char *path, struct buf *text, struct err *err)
{
    size_t got;

    do {
        got = fread(buf_reserve(text, 65536), 1, 65536, stream);
        text->size += got;
        if (text->size > DEFINITIONS_BYTES_MAX)
            return err_set(err, ERR_Configuration,
                           "%.300s is larger than the %u MiB that a file of definitions may have",
                           path, DEFINITIONS_BYTES_MAX >> 20);
    } while (got > 0);
    return ferror(stream) ? unreadable(path, err) : 0;
}

static int read_file(struct inputs *inputs, const char *path, struct err *err)
{
    bool standard = strcmp(path, "-") == 0;
    const char *name = standard ? "stdin" : path;
    FILE *stream = standard ? stdin : fopen(path, "re");
    struct buf text = {0};
    struct err fault;
    int result;

    if (!stream)
        return unreadable(name, err);
    result = take_stream(stream, name, &text, err);
    if (!standard)
        fclose(stream);
    if (result == 0 &&
        definitions_read(name, buf_text(&text), text.size, inputs->out, inputs->faults, &fault) < 0)
        inputs->faulty++;
    buf_release(&text);
    return result;
}

static int is_definition(const struct dirent *entry)
{
    return fnmatch("*.yaml", entry->d_name, FNM_PERIOD) == 0 ||
           fnmatch("*.yml", entry->d_name, FNM_PERIOD) == 0 ||
           fnmatch("*.json", entry->d_name, FNM_PERIOD) == 0;
}

/* By bytes, whatever the language: the order shows in the output. */
static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int read_directory(struct inputs *inputs, const char *path, struct err *err)
{
    struct dirent **entries;
    int count = scandir(path, &entries, is_definition, by_bytes), result = 0;

    if (count < 0)
        return unreadable(path, err);
    for (int i = 0; i < count; i++) {
        struct buf file = {0};

        buf_printf(&file, "%s%s%s", path, path[strlen(path) - 1] == '/' ? "" : "/",
                   entries[i]->d_name);
        if (result == 0)
            result = read_file(inputs, buf_text(&file), err);
        buf_release(&file);
        free(entries[i]);
    }
    free(entries);
    return count > 0 ? result
                     : err_set(err, ERR_Configuration,
                               "there is no file *.yaml, *.yml or *.json in %.300s", path);
}

int inputs_read(const struct option_list *files, struct definitions *out, struct buf *faults,
                struct err *err)
{
    struct inputs inputs = {.out = out, .faults = faults};
    u32 lines = 0;

    for (u32 i = 0; i < files->count; i++) {
        const char *path = files->words[i].value;
        struct stat status;
        bool directory = path[0] && stat(path, &status) == 0 && S_ISDIR(status.st_mode);

        if ((directory ? read_directory(&inputs, path, err) : read_file(&inputs, path, err)) < 0)
            return -1;
    }
    if (inputs.faulty == 0)
        return out->count > 0 ? 0
                              : err_set(err, ERR_Configuration,
                                        "there is no definition in what was given with -f");
    for (size_t i = 0; i < faults->size; i++)
        lines += faults->data[i] == '\n';
    return err_set(err, ERR_Configuration, "%u fault%s in definitions; nothing was applied", lines,
                   lines == 1 ? "" : "s");
}
