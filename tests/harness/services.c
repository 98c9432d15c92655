/* services.c: see services.h. Servers are started by posix_spawn through setpriv, which changes the
 * user and arranges that they end with this process even if it is killed. Debian's redis-tools has
 * the server under another name: it looks at what it is called, so a link of the right name is
 * enough. */
#include "harness/services.h"

#include "base/buf.h"
#include "base/clock.h"
#include "io/postgres.h"
#include "store/migrations.h"

#include <dirent.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static struct {
    char directory[64]; /* "" = not made yet */
    char uid[16], gid[16];
    bool switch_user;
    char redis_url[128];
    pid_t postgres, redis;
    pid_t owner; /* the process that may clean up */
    bool cluster;
    bool template;
    u32 databases;
} services;

static void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
static void die(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputs("\n", stderr);
    exit(99);
}

/* ---- programs ---- */

/* Runs argv (words separated by newlines, so that none needs quoting) and returns its pid. */
static pid_t start(const char *log, const char *format, ...)
{
    char line[2048], *argv[64] = {NULL}, path[128];
    posix_spawn_file_actions_t actions;
    int count = 0, rc;
    va_list arguments;
    pid_t pid;

    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    argv[count++] = "setpriv";
    if (services.switch_user) {
        argv[count++] = "--reuid";
        argv[count++] = services.uid;
        argv[count++] = "--regid";
        argv[count++] = services.gid;
        argv[count++] = "--clear-groups";
    }
    argv[count++] = "--pdeathsig";
    argv[count++] = "KILL";
    for (char *word = strtok(line, "\n"); word && count < 63; word = strtok(NULL, "\n"))
        argv[count++] = word;
    snprintf(path, sizeof path, "%s/%s", services.directory, log);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    posix_spawn_file_actions_adddup2(&actions, 1, 2);
    /* the unprivileged user may not be able to enter the directory of the tests */
    posix_spawn_file_actions_addchdir_np(&actions, "/");
    rc = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (rc != 0)
        die("setpriv: %s", strerror(rc));
    return pid;
}

static void run_to_end(pid_t pid, const char *what)
{
    int status;

    if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
        die("%s failed, see %s", what, services.directory);
}

static void end(pid_t *pid, int signal)
{
    if (*pid <= 0)
        return;
    kill(*pid, signal);
    waitpid(*pid, NULL, 0);
    *pid = 0;
}

bool service_wait(bool (*condition)(void *context), void *context, s64 timeout_ms)
{
    s64 deadline = clock_monotonic_ms() + timeout_ms;

    while (!condition(context)) {
        if (clock_monotonic_ms() > deadline)
            return false;
        usleep(5000);
    }
    return true;
}

/* ---- the directory ---- */

static void clean_up(void)
{
    pid_t pid;
    char *argv[] = {"rm", "-rf", services.directory, NULL};

    if (services.owner != getpid())
        return;
    postgres_service_freeze(false);
    end(&services.postgres, SIGQUIT);
    end(&services.redis, SIGKILL);
    if (posix_spawnp(&pid, "rm", NULL, NULL, argv, environ) == 0)
        waitpid(pid, NULL, 0);
}

static void make_directory(void)
{
    struct passwd *user;

    if (services.directory[0])
        return;
    strcpy(services.directory, "/tmp/syncline-test-XXXXXX");
    if (!mkdtemp(services.directory))
        die("no directory in /tmp");
    services.owner = getpid();
    atexit(clean_up);
    if (getuid() != 0)
        return;
    user = getpwnam("postgres");
    if (!user)
        user = getpwnam("nobody");
    if (!user || chown(services.directory, user->pw_uid, user->pw_gid) < 0)
        die("no unprivileged user to run services as");
    snprintf(services.uid, sizeof services.uid, "%u", user->pw_uid);
    snprintf(services.gid, sizeof services.gid, "%u", user->pw_gid);
    services.switch_user = true;
}

/* ---- Postgres ---- */

/* The directory of its programs: the newest version in Debian's place, else the PATH. */
static const char *postgres_programs(void)
{
    static char path[64];

    for (int version = 30; version >= 12; version--) {
        snprintf(path, sizeof path, "/usr/lib/postgresql/%d/bin/", version);
        if (access(path, X_OK) == 0)
            return path;
    }
    return "";
}

static void database_url(const char *database, char *out, size_t size)
{
    snprintf(out, size, "postgresql://syncline@/%s?host=%s", database, services.directory);
}

static bool postgres_answers(void *context)
{
    char url[256];

    (void)context;
    if (waitpid(services.postgres, NULL, WNOHANG) != 0)
        die("Postgres ended at once, see %s/postgres.log", services.directory);
    database_url("postgres", url, sizeof url);
    return PQping(url) == PQPING_OK;
}

void postgres_service_start(void)
{
    const char *programs = postgres_programs();
    char home[128];

    make_directory();
    snprintf(home, sizeof home, "%s/pg", services.directory);
    /* trust is safe here: nobody else can enter the directory of the socket */
    if (!services.cluster)
        run_to_end(start("initdb.log",
                         "%sinitdb\n--no-sync\n-D\n%s\n-U\nsyncline\n-E\nUTF8\n"
                         "--locale=C.UTF-8\n-A\ntrust",
                         programs, home),
                   "initdb");
    services.cluster = true;
    services.postgres = start("postgres.log",
                              "%spostgres\n-D\n%s\n-k\n%s\n-c\nlisten_addresses=\n"
                              "-c\nfsync=off\n-c\nshared_buffers=64MB",
                              programs, home, services.directory);
    if (!service_wait(postgres_answers, NULL, 30000))
        die("Postgres does not answer, see %s/postgres.log", services.directory);
}

void postgres_service_end(enum service_end how)
{
    end(&services.postgres, how == SERVICE_ORDERLY ? SIGINT : SIGQUIT);
}

/* Pids of the children of `parent`, from /proc. */
static u32 children_of(pid_t parent, pid_t *out, u32 most)
{
    DIR *directory = opendir("/proc");
    struct dirent *entry;
    u32 count = 0;

    while (directory && (entry = readdir(directory)) != NULL && count < most) {
        char path[300], name[64];
        int pid = atoi(entry->d_name), its_parent = 0;
        FILE *file;

        snprintf(path, sizeof path, "/proc/%d/stat", pid);
        file = pid > 0 ? fopen(path, "r") : NULL;
        if (!file)
            continue;
        if (fscanf(file, "%*d (%63[^)]) %*c %d", name, &its_parent) == 2 && its_parent == parent)
            out[count++] = pid;
        fclose(file);
    }
    if (directory)
        closedir(directory);
    return count;
}

void postgres_service_freeze(bool frozen)
{
    pid_t children[256];
    u32 count;

    if (services.postgres <= 0)
        return;
    count = children_of(services.postgres, children, COUNT_OF(children));
    for (u32 i = 0; i < count; i++)
        kill(children[i], frozen ? SIGSTOP : SIGCONT);
    kill(services.postgres, frozen ? SIGSTOP : SIGCONT);
}

static void run_sql(const char *database, const char *sql)
{
    struct postgres *postgres;
    char url[256];
    struct err err;

    database_url(database, url, sizeof url);
    if (postgres_connect(url, "tests", &postgres, &err) < 0 ||
        postgres_run(postgres, sql, &err) < 0)
        die("%s: %s", sql, err.text);
    postgres_destroy(&postgres);
}

static void make_template(void)
{
    struct postgres *postgres;
    char url[256];
    struct err err;

    run_sql("postgres", "CREATE DATABASE migrated");
    database_url("migrated", url, sizeof url);
    if (postgres_connect(url, "tests", &postgres, &err) < 0 ||
        migrations_apply(postgres, NULL, &err) < 0)
        die("migrations: %s", err.text);
    postgres_destroy(&postgres);
    services.template = true;
}

char *postgres_service_database(bool migrated)
{
    char sql[128], name[32], url[256];

    if (migrated && !services.template)
        make_template();
    snprintf(name, sizeof name, "test_%u", ++services.databases);
    snprintf(sql, sizeof sql, "CREATE DATABASE %s TEMPLATE %s", name,
             migrated ? "migrated" : "template0");
    run_sql("postgres", sql);
    database_url(name, url, sizeof url);
    return text_copy(url);
}

/* ---- Redis ---- */

static bool redis_answers(void *context)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char answer[8] = "";
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok;

    (void)context;
    if (waitpid(services.redis, NULL, WNOHANG) != 0)
        die("Redis ended at once, see %s/redis.log", services.directory);
    snprintf(address.sun_path, sizeof address.sun_path, "%s/redis.sock", services.directory);
    ok = connect(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
         send(fd, "PING\r\n", 6, MSG_NOSIGNAL) == 6 && read(fd, answer, 5) == 5 &&
         strncmp(answer, "+PONG", 5) == 0;
    close(fd);
    return ok;
}

void redis_service_start(const char *options)
{
    char program[128], words[512];

    make_directory();
    snprintf(program, sizeof program, "%s/redis-server", services.directory);
    if (access("/usr/bin/redis-server", X_OK) == 0)
        strcpy(program, "/usr/bin/redis-server");
    else if (access(program, X_OK) < 0 && symlink("/usr/bin/redis-check-rdb", program) < 0)
        die("no redis-server and no redis-check-rdb");
    snprintf(words, sizeof words, "%s", options ? options : "");
    for (char *at = words; *at; at++)
        if (*at == ' ')
            *at = '\n';
    services.redis = start("redis.log",
                           "%s\n--port\n0\n--unixsocket\n%s/redis.sock\n--dir\n%s\n"
                           "--appendonly\nyes\n--maxmemory-policy\nnoeviction\n%s",
                           program, services.directory, services.directory, words);
    if (!service_wait(redis_answers, NULL, 10000))
        die("Redis does not answer, see %s/redis.log", services.directory);
}

void redis_service_end(enum service_end how)
{
    end(&services.redis, how == SERVICE_ORDERLY ? SIGTERM : SIGKILL);
}

const char *redis_service_url(void)
{
    snprintf(services.redis_url, sizeof services.redis_url, "unix://%s/redis.sock",
             services.directory);
    return services.redis_url;
}
