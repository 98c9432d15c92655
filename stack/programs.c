/* programs.c: where Postgres and Redis are on this machine. Debian keeps Postgres' server programs
 * out of PATH, one directory per version; a cluster can only be run by the version that made it. */
#include "stack/services.h"

#include "base/buf.h"
#include "stack/paths.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define POSTGRES_LEAST 14

/* The program of this name in PATH, or in the directories where system programs are. NULL if none.
 */
static char *find_in_path(const char *name)
{
    const char *path = getenv("PATH");
    struct buf all = {0}, file = {0};
    char *found = NULL;

    buf_printf(&all, "%s:/usr/local/bin:/usr/bin:/usr/sbin:/usr/local/sbin", path ? path : "");
    for (const char *at = buf_text(&all); *at && !found;) {
        size_t length = strcspn(at, ":");

        buf_clear(&file);
        buf_printf(&file, "%.*s/%s", (int)length, at, name);
        if (at[0] == '/' && access(buf_text(&file), X_OK) == 0)
            found = text_copy(buf_text(&file));
        at += length + (at[length] == ':');
    }
    buf_release(&all);
    buf_release(&file);
    return found;
}

static int cluster_version(const struct layout *layout)
{
    char *path = path_below(layout->pg, "PG_VERSION");
    FILE *file = fopen(path, "re");
    int version = 0;

    if (file && fscanf(file, "%d", &version) != 1)
        version = 0;
    if (file)
        fclose(file);
    free(path);
    return version;
}

/* The directory of the wanted version (0 = newest) below /usr/lib/postgresql, or NULL. */
static char *find_debian(int wanted)
{
    DIR *directory = opendir("/usr/lib/postgresql");
    struct dirent *entry;
    struct buf path = {0};
    int best = 0;

    if (!directory)
        return NULL;
    while ((entry = readdir(directory))) {
        int version = atoi(entry->d_name);

        buf_clear(&path);
        buf_printf(&path, "/usr/lib/postgresql/%d/bin/initdb", version);
        if (version > best && (wanted ? version == wanted : version >= POSTGRES_LEAST) &&
            access(buf_text(&path), X_OK) == 0)
            best = version;
    }
    closedir(directory);
    buf_clear(&path);
    buf_printf(&path, "/usr/lib/postgresql/%d/bin", best);
    if (best == 0)
        buf_release(&path);
    else
        buf_text(&path);
    return (char *)path.data;
}

static int find_postgres(const struct layout *layout, struct programs *out, struct err *err)
{
    int version = cluster_version(layout);
    char *directory = find_debian(version);

    if (directory) {
        out->postgres = path_below(directory, "postgres");
        out->initdb = path_below(directory, "initdb");
        free(directory);
        return 0;
    }
    out->postgres = find_in_path("postgres");
    out->initdb = find_in_path("initdb");
    if (out->postgres && out->initdb)
        return 0;
    if (version)
        return err_set(err, ERR_Configuration,
                       "the database in %.200s was made by Postgres %d, which is not installed: "
                       "apt-get install postgresql-%d",
                       layout->pg, version, version);
    return err_set(err, ERR_Configuration,
                   "Postgres (postgres, initdb) is not installed: apt-get install postgresql "
                   "(or make deps)");
}

int programs_find(const struct layout *layout, struct programs *out, struct err *err)
{
    *out = (struct programs){0};
    if (find_postgres(layout, out, err) < 0) {
        programs_release(out);
        return -1;
    }
    out->redis = find_in_path("redis-server");
    if (!out->redis)
        out->redis = find_in_path("redis-check-rdb");
    if (!out->redis) {
        programs_release(out);
        return err_set(err, ERR_Configuration,
                       "Redis (redis-server or redis-check-rdb) is not installed: "
                       "apt-get install redis-tools (or make deps)");
    }
    return 0;
}

void programs_release(struct programs *programs)
{
    free(programs->postgres);
    free(programs->initdb);
    free(programs->redis);
    *programs = (struct programs){0};
}

void argv_free(char **argv)
{
    for (char **at = argv; at && *at; at++)
        free(*at);
    free(argv);
}
