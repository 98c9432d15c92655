/* postgres.c: the private Postgres cluster.
 *
 * Who may connect: `peer`, so that the kernel says who it is, and a map that lets root, the user
 * who ran `up` and the service user in as the one role `syncline`, which owns everything. Nobody
 * else, even if the directory were opened by mistake. The settings live in conf/ and are written
 * anew at each start, so that a new version brings its own; pg/ holds nothing but data.
 *
 * A cluster is made in pg.new and renamed: an initdb that was interrupted leaves nothing half-done.
 */
#include "stack/services.h"

#include "base/buf.h"
#include "io/postgres.h"
#include "io/spawn.h"
#include "stack/paths.h"
#include "store/migrations.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define INITDB_MS 120000
#define ROLE_NAME "syncline"

/* Fast, and safe: fsync and full_page_writes stay on. wal_level is minimal because nothing
 * replicates. */
static const char settings[] =
    "# Written by Syncline at each start of the embedded stack: changes here are lost.\n"
    "listen_addresses = ''\n"
    "unix_socket_permissions = 0777 # the directory and peer authentication decide\n"
    "max_connections = 200\n"
    "fsync = on\n"
    "synchronous_commit = on\n"
    "full_page_writes = on\n"
    "wal_level = minimal\n"
    "max_wal_senders = 0\n"
    "wal_compression = on\n"
    "wal_buffers = 16MB\n"
    "min_wal_size = 128MB\n"
    "max_wal_size = 2GB\n"
    "checkpoint_timeout = 15min\n"
    "checkpoint_completion_target = 0.9\n"
    "shared_buffers = 64MB\n"
    "work_mem = 16MB\n"
    "maintenance_work_mem = 64MB\n"
    "random_page_cost = 1.1\n"
    "jit = off\n"
    "autovacuum = on\n"
    "cluster_name = 'syncline'\n"
    "log_destination = 'stderr'\n"
    "logging_collector = off\n"
    "log_line_prefix = '%m [%p] %q%a '\n"
    "log_checkpoints = off\n"
    "log_timezone = 'UTC'\n"
    "timezone = 'UTC'\n"
    "lc_messages = 'C.UTF-8'\n";

static void append_setting(struct buf *out, const char *name, const char *value)
{
    char *quoted = path_quote(value);

    buf_printf(out, "%s = %s\n", name, quoted);
    free(quoted);
}

/* unix_socket_directories is a list in itself: a comma or quote in the path needs its own quotes.
 */
static void append_sockets(struct buf *out, const char *directory)
{
    struct buf entry = {0};

    buf_append_text(&entry, "\"");
    for (const char *at = directory; *at; at++)
        buf_printf(&entry, "%s%c", *at == '"' ? "\"" : "", *at);
    buf_append_text(&entry, "\"");
    append_setting(out, "unix_socket_directories", buf_text(&entry));
    buf_release(&entry);
}

static void append_mapped(struct buf *out, const char *user)
{
    buf_printf(out, "local \"");
    for (const char *at = user; *at; at++)
        buf_printf(out, "%s%c", *at == '"' ? "\"" : "", *at);
    buf_printf(out, "\" %s\n", ROLE_NAME);
}

static int write_access(const struct layout *layout, const char *hba, const char *ident,
                        struct err *err)
{
    struct buf text = {0};
    struct passwd *me = getpwuid(geteuid());
    int result;

    if (layout_write(layout, hba, "local all all peer map=local\n", 0640, true, err) < 0)
        return -1;
    append_mapped(&text, "root");
    if (strcmp(layout->service_user, "root") != 0)
        append_mapped(&text, layout->service_user);
    if (me && strcmp(me->pw_name, "root") != 0 && strcmp(me->pw_name, layout->service_user) != 0)
        append_mapped(&text, me->pw_name);
    result = layout_write(layout, ident, buf_text(&text), 0640, true, err);
    buf_release(&text);
    return result;
}

static int write_settings(const struct layout *layout, struct err *err)
{
    char *conf = path_below(layout->conf, "postgresql.conf");
    char *hba = path_below(layout->conf, "pg_hba.conf");
    char *ident = path_below(layout->conf, "pg_ident.conf");
    struct buf text = {0};
    int result;

    buf_append_text(&text, settings);
    append_sockets(&text, layout->run);
    append_setting(&text, "data_directory", layout->pg);
    append_setting(&text, "hba_file", hba);
    append_setting(&text, "ident_file", ident);
    result = write_access(layout, hba, ident, err);
    if (result == 0)
        result = layout_write(layout, conf, buf_text(&text), 0640, true, err);
    buf_release(&text);
    free(conf);
    free(hba);
    free(ident);
    return result;
}

static int run_as_service(const struct layout *layout, char *const *argv, struct err *err)
{
    struct spawn_request request = {
        .path = argv[0],
        .argv = argv,
        .stdout_fd = -1,
        .stderr_fd = -1,
        .directory = "/",
        .uid = layout->service_uid,
        .gid = layout->service_gid,
        .switch_user = layout->separate,
        .die_with_parent = true,
        .death_signal = SIGKILL,
    };
    struct buf output = {0}, how = {0};
    int status, result = spawn_run(&request, INITDB_MS, &output, &status, err);

    if (result == 0 && (!WIFEXITED(status) || WEXITSTATUS(status) != 0)) {
        const char *text = buf_text(&output);

        spawn_describe(status, &how);
        while (output.size > 300) /* the reason is at the end */
            text++, output.size--;
        result = err_set(err, ERR_StateDirectory, "%s %s: %s", argv[0], buf_text(&how), text);
    }
    buf_release(&output);
    buf_release(&how);
    return result;
}

static int remove_tree(const char *path, struct err *err)
{
    char *argv[] = {"/bin/rm", "-rf", "--one-file-system", "--", (char *)path, NULL};
    struct spawn_request request = {
        .path = argv[0], .argv = argv, .stdout_fd = -1, .stderr_fd = -1};
    struct buf output = {0};
    int status, result = spawn_run(&request, INITDB_MS, &output, &status, err);

    if (result == 0 && access(path, F_OK) == 0)
        result = err_set(err, ERR_StateDirectory, "%.200s cannot be removed: %.200s", path,
                         buf_text(&output));
    buf_release(&output);
    return result;
}

/* One syncfs for all that initdb wrote, which would itself call fsync a thousand times. */
static int settle(const char *path, struct err *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = fd < 0 ? -1 : syncfs(fd);

    if (result < 0)
        err_set(err, ERR_StateDirectory, "%.200s cannot be made durable: %s", path,
                strerror(errno));
    if (fd >= 0)
        close(fd);
    return result;
}

static int make_cluster(const struct layout *layout, const struct programs *programs,
                        struct err *err)
{
    char *fresh = path_below(layout->root, "pg.new");
    char *argv[] = {programs->initdb,
                    "-D",
                    fresh,
                    "-U",
                    ROLE_NAME,
                    "-E",
                    "UTF8",
                    "--locale=C.UTF-8",
                    "-A",
                    "peer",
                    "--no-instructions",
                    "--no-sync",
                    NULL};
    int result = access(fresh, F_OK) == 0 ? remove_tree(fresh, err) : 0;

    if (result == 0 &&
        (mkdir(fresh, 0700) < 0 ||
         (layout->separate && chown(fresh, layout->service_uid, layout->service_gid) < 0)))
        result =
            err_set(err, ERR_StateDirectory, "%.200s cannot be made: %s", fresh, strerror(errno));
    if (result == 0 && run_as_service(layout, argv, err) < 0)
        result = err_context(err, "the database cannot be made");
    if (result == 0)
        result = settle(fresh, err);
    if (result == 0 && rename(fresh, layout->pg) < 0)
        result = err_set(err, ERR_StateDirectory, "%.200s cannot be renamed: %s", fresh,
                         strerror(errno));
    free(fresh);
    return result;
}

int postgres_prepare(const struct layout *layout, const struct programs *programs, struct err *err)
{
    if (access(layout->pg, F_OK) != 0 && make_cluster(layout, programs, err) < 0)
        return -1;
    return write_settings(layout, err);
}

char **postgres_argv(const struct layout *layout, const struct programs *programs)
{
    char **argv = memory_or_die(4 * sizeof *argv);
    char *conf = path_below(layout->conf, "postgresql.conf");
    struct buf setting = {0};

    buf_printf(&setting, "--config_file=%s", conf);
    argv[0] = text_copy(programs->postgres);
    argv[1] = text_copy(buf_text(&setting));
    buf_release(&setting);
    free(conf);
    return argv;
}

/* A value of a libpq connection string: single quotes and backslashes are escaped by a backslash.
 */
static void append_value(struct buf *out, const char *value)
{
    buf_append_text(out, "'");
    for (const char *at = value; *at; at++)
        buf_printf(out, "%s%c", *at == '\'' || *at == '\\' ? "\\" : "", *at);
    buf_append_text(out, "'");
}

char *postgres_url(const struct layout *layout, const char *database)
{
    struct buf out = {0};

    buf_append_text(&out, "host=");
    append_value(&out, layout->run);
    buf_printf(&out, " port=5432 dbname=%s user=%s", database, ROLE_NAME);
    buf_text(&out);
    return (char *)out.data;
}

int postgres_ping(const struct layout *layout, struct err *err)
{
    char *url = postgres_url(layout, "postgres");
    struct buf quick = {0};
    struct postgres *postgres = NULL;
    int result;

    buf_printf(&quick, "%s connect_timeout=2", url);
    result = postgres_connect(buf_text(&quick), "syncline-supervisor", &postgres, err);
    postgres_destroy(&postgres);
    buf_release(&quick);
    free(url);
    return result;
}

static int make_database(const struct layout *layout, struct err *err)
{
    static const char ask[] = "SELECT count(*) FROM pg_database WHERE datname = 'syncline'";
    char *url = postgres_url(layout, "postgres");
    struct postgres *postgres = NULL;
    PGresult *answer = NULL;
    int result = postgres_connect(url, "syncline-supervisor", &postgres, err);

    if (result == 0)
        result = postgres_query(postgres, ask, NULL, 0, &answer, err);
    if (result == 0 && result_s64(answer, 0, 0) == 0)
        result = postgres_run(postgres, "CREATE DATABASE syncline", err);
    PQclear(answer);
    postgres_destroy(&postgres);
    free(url);
    return result;
}

int postgres_migrate(const struct layout *layout, struct err *err)
{
    char *url = postgres_url(layout, "syncline");
    struct postgres *postgres = NULL;
    u32 applied = 0;
    int result = make_database(layout, err);

    if (result == 0)
        result = postgres_connect(url, "syncline-supervisor", &postgres, err);
    if (result == 0)
        result = migrations_apply(postgres, &applied, err);
    postgres_destroy(&postgres);
    free(url);
    return result;
}
