/* config.c: see config.h. Flags are read by getopt_long into the same strings that the environment
 * gives, which files have completed, and all are judged in one place, so that a wrong value reads
 * the same wherever it stood.
 */
#include "svc/config.h"

#include "base/buf.h"
#include "base/names.h"
#include "schema/limits.h"
#include "svc/confine.h"
#include "svc/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SECRET_BYTES_MAX 65536
#define WORKER_NAME_BYTES_MAX 128

/* What the user gave, each from its flag or else from its variable, which a file may have filled.
 */
struct given {
    const char *value[SETTING_COUNT];
    bool from_flag[SETTING_COUNT];
    struct settings settings;
};

static const struct option flags[] = {
    {"planner", required_argument, NULL, SETTING_planner},
    {"name", required_argument, NULL, SETTING_name},
    {"lanes", required_argument, NULL, SETTING_lanes},
    {"log-level", required_argument, NULL, SETTING_logLevel},
    {"log-json", no_argument, NULL, SETTING_logJson},
    {"roots", required_argument, NULL, SETTING_roots},
    {"metrics", required_argument, NULL, SETTING_metrics},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {0},
};

/* Workers say what they know by their heartbeats. */
static bool has_metrics(const char *program)
{
    return strcmp(program, "syncline-planner") == 0;
}

static bool has_flag(enum setting setting)
{
    for (const struct option *flag = flags; flag->name; flag++)
        if (flag->val == (int)setting)
            return true;
    return false;
}

/* What a setting is for was said with its option, if it has one. */
static void print_variables(const char *program)
{
    for (enum setting setting = 1; setting < SETTING_COUNT; setting++) {
        const struct setting_row *row = &setting_table[setting];

        if (setting == SETTING_metrics && !has_metrics(program))
            continue;
        printf("  %-27s or key %s of the configuration file%s\n", row->variable, row->field.path,
               has_flag(setting) ? "" : ":");
        if (!has_flag(setting))
            printf("  %-27s %s\n", "", row->field.text);
    }
    printf("  %-27s the one file to read, or off\n", SETTINGS_VARIABLE);
}

static void print_help(const char *program)
{
    printf("Usage: %s [OPTION...]\n\n"
           "  --planner LIST     where planners are (SYNCLINE_PLANNER), comma-separated:\n"
           "                     ipc://PATH, which may be a pattern, or tcp://HOST:PORT;\n"
           "                     a planner binds the first, workers connect to all\n"
           "  --name NAME        what operators call it (SYNCLINE_NAME);\n"
           "                     default: its role and process number\n"
           "  --lanes N          worker threads, 1 to %d (SYNCLINE_LANES); default: cores\n"
           "  --log-level LEVEL  debug, info, warn or error (SYNCLINE_LOG_LEVEL);\n"
           "                     default: info\n"
           "  --log-json         log lines are JSON objects (SYNCLINE_LOG_JSON=1)\n"
           "  --roots A:B        directories that workers may use (SYNCLINE_ROOTS), and no\n"
           "                     others; default: all that their user may\n"
           "%s"
           "  --help, --version\n\n"
           "Without its option, a setting is what its variable says, or else its key in a\n"
           "configuration file, see syncline-config(5):\n",
           program, LANES_MAX,
           has_metrics(program)
               ? "  --metrics WHERE    where /metrics, /healthz and /readyz can be read\n"
                 "                     (SYNCLINE_METRICS): tcp://HOST:PORT, unix:/PATH or off;\n"
                 "                     default: off\n"
               : "");
    print_variables(program);
}

static int read_flags(const char *program, int argc, char **argv, struct given *given, bool *done,
                      struct err *err)
{
    int option;

    optind = 0; /* starts anew, also in a process that has parsed before */
    opterr = 0;
    while ((option = getopt_long(argc, argv, ":hV", flags, NULL)) != -1) {
        if (option == 'h' || option == 'V') {
            if (option == 'h')
                print_help(program);
            else
                printf("%s %s\n", program, SYNCLINE_VERSION);
            *done = true;
            return 0;
        }
        if (option == ':')
            return err_set(err, ERR_Usage, "%s: a value is missing", argv[optind - 1]);
        if (option == '?' || (option == SETTING_metrics && !has_metrics(program)))
            return err_set(err, ERR_Usage, "%s: no such option, or it takes no value",
                           argv[optind - 1]);
        given->value[option] = option == SETTING_logJson ? "1" : optarg;
        given->from_flag[option] = true;
    }
    if (optind < argc)
        return err_set(err, ERR_Usage, "%s: unexpected argument", argv[optind]);
    return 0;
}

static int read_files(struct settings *settings, struct err *err)
{
    struct buf faults = {0};
    int rc = settings_load(settings, &faults, err);

    fputs(buf_text(&faults), stderr);
    buf_release(&faults);
    return rc;
}

static void read_environment(struct given *given)
{
    for (int i = 1; i < SETTING_COUNT; i++) {
        const char *value = getenv(setting_table[i].variable);

        if (!given->from_flag[i] && value && value[0])
            given->value[i] = value;
    }
}

static u32 cores(void)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
        return (u32)CPU_COUNT(&set) < LANES_MAX ? (u32)CPU_COUNT(&set) : LANES_MAX;
    return 1;
}

static int wrong(const struct given *given, enum setting option, const char *wanted,
                 struct err *err)
{
    for (size_t i = 0; given->from_flag[option] && flags[i].name; i++)
        if (flags[i].val == (int)option)
            return err_set(err, ERR_Configuration, "--%s %s: must be %s", flags[i].name,
                           given->value[option], wanted);
    err_set(err, ERR_Configuration, "%s=%s: must be %s", setting_table[option].variable,
            given->value[option], wanted);
    return settings_context(&given->settings, option, err);
}

static int judge_lanes(const struct given *given, struct config *out, struct err *err)
{
    const char *text = given->value[SETTING_lanes];
    char *end;
    long number;

    out->lanes = cores();
    if (!text)
        return 0;
    errno = 0;
    number = strtol(text, &end, 10);
    if (errno || *end || number < 1 || number > LANES_MAX)
        return wrong(given, SETTING_lanes, "a number from 1 to 256", err);
    out->lanes = (u32)number;
    return 0;
}

static int judge_log(const struct given *given, struct config *out, struct err *err)
{
    static const char *const levels[] = {"debug", "info", "warn", "error"};
    const char *level = given->value[SETTING_logLevel], *json = given->value[SETTING_logJson];
    size_t i = LOG_INFO;

    if (level)
        for (i = 0; i < COUNT_OF(levels) && strcmp(level, levels[i]) != 0;)
            i++;
    if (i == COUNT_OF(levels))
        return wrong(given, SETTING_logLevel, "debug, info, warn or error", err);
    out->log_level = (enum log_level)i;
    if (json && strcmp(json, "0") != 0 && strcmp(json, "1") != 0)
        return wrong(given, SETTING_logJson, "0 or 1", err);
    out->log_json = json && json[0] == '1';
    return 0;
}

static int judge_name(const char *program, const struct given *given, struct config *out,
                      struct err *err)
{
    const char *name = given->value[SETTING_name];
    const char *role = strncmp(program, "syncline-", 9) == 0 ? program + 9 : program;
    struct buf made = {0};

    if (!name) {
        buf_printf(&made, "%s-%d", role, (int)getpid());
        out->name = text_copy(buf_text(&made));
        buf_release(&made);
        return 0;
    }
    if (strlen(name) == 0 || strlen(name) > WORKER_NAME_BYTES_MAX ||
        !utf8_is_valid(bytes_text(name)))
        return wrong(given, SETTING_name, "1 to 128 bytes of UTF-8", err);
    out->name = text_copy(name);
    return 0;
}

static int judge_roots(const struct given *given, struct config *out, struct err *err)
{
    const char *roots = given->value[SETTING_roots];

    if (!roots)
        return 0;
    if (!roots_are_valid(roots))
        return wrong(given, SETTING_roots, "absolute paths of directories, separated by colons",
                     err);
    out->roots = text_copy(roots);
    return 0;
}

/* HOST:PORT, [HOST]:PORT or *:PORT */
static bool is_host_and_port(const char *text)
{
    const char *colon = strrchr(text, ':');
    char *end;
    long port = colon ? strtol(colon + 1, &end, 10) : 0;

    return colon && colon != text && colon[1] >= '0' && colon[1] <= '9' && !*end && port >= 1 &&
           port <= 65535;
}

static int judge_metrics(const struct given *given, struct config *out, struct err *err)
{
    const char *metrics = given->value[SETTING_metrics];

    if (!metrics || strcmp(metrics, "off") == 0)
        return 0;
    if (strncmp(metrics, "unix:/", 6) != 0 &&
        (strncmp(metrics, "tcp://", 6) != 0 || !is_host_and_port(metrics + 6)))
        return wrong(given, SETTING_metrics, "tcp://HOST:PORT, unix:/PATH or off", err);
    out->metrics = text_copy(metrics);
    return 0;
}

static int judge(const char *program, const struct given *given, struct config *out,
                 struct err *err)
{
    if (!given->value[SETTING_planner])
        return err_set(err, ERR_Configuration,
                       "no planner is named: set --planner, SYNCLINE_PLANNER, or planner in a "
                       "configuration file, to an endpoint such as "
                       "ipc:///run/syncline/planner-1.ipc or tcp://planner:5570");
    out->planner = text_copy(given->value[SETTING_planner]);
    if (judge_lanes(given, out, err) < 0 || judge_log(given, out, err) < 0 ||
        judge_name(program, given, out, err) < 0 || judge_roots(given, out, err) < 0 ||
        judge_metrics(given, out, err) < 0)
        return -1;
    if (config_secret("SYNCLINE_DATABASE_URL", &out->database_url, err) < 0)
        return settings_context(&given->settings, SETTING_databaseUrlFile, err);
    if (config_secret("SYNCLINE_REDIS_URL", &out->redis_url, err) < 0)
        return settings_context(&given->settings, SETTING_redisUrlFile, err);
    if (getenv("SYNCLINE_STATE_DIR"))
        out->state_dir = text_copy(getenv("SYNCLINE_STATE_DIR"));
    return 0;
}

int config_read(const char *program, int argc, char **argv, struct config *out, bool *done,
                struct err *err)
{
    struct given given = {0};
    int rc;

    memset(out, 0, sizeof *out);
    *done = false;
    if (read_flags(program, argc, argv, &given, done, err) < 0)
        return -1;
    if (*done)
        return 0;
    rc = read_files(&given.settings, err);
    if (rc == 0) {
        read_environment(&given);
        rc = judge(program, &given, out, err);
    }
    settings_release(&given.settings);
    if (rc < 0)
        config_release(out);
    return rc;
}

static void release_secret(char **secret)
{
    if (*secret)
        explicit_bzero(*secret, strlen(*secret));
    free(*secret);
    *secret = NULL;
}

void config_release(struct config *config)
{
    free(config->planner);
    free(config->name);
    free(config->state_dir);
    free(config->roots);
    free(config->metrics);
    release_secret(&config->database_url);
    release_secret(&config->redis_url);
    memset(config, 0, sizeof *config);
}

static int read_secret_file(const char *variable, const char *path, char **out, struct err *err)
{
    char *text = memory_or_die(SECRET_BYTES_MAX + 1);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t size = 0;
    ssize_t got = fd < 0 ? -1 : 1;
    int saved;

    while (got > 0 && size <= SECRET_BYTES_MAX) {
        got = read(fd, text + size, SECRET_BYTES_MAX + 1 - size);
        size += got > 0 ? (size_t)got : 0;
    }
    saved = errno;
    if (fd >= 0)
        close(fd);
    if (got < 0) {
        free(text);
        err_errno(err, saved, "%s=%s", variable, path);
        err->code = ERR_Configuration;
        return -1;
    }
    if (size > SECRET_BYTES_MAX || memchr(text, '\0', size)) {
        free(text);
        return err_set(err, ERR_Configuration, "%s=%s: not a text of at most %d bytes", variable,
                       path, SECRET_BYTES_MAX);
    }
    if (size > 0 && text[size - 1] == '\n')
        size--;
    *out = text_of_bytes(bytes_of(text, size));
    explicit_bzero(text, SECRET_BYTES_MAX + 1);
    free(text);
    return 0;
}

int config_secret(const char *name, char **out, struct err *err)
{
    const char *value = getenv(name), *path;
    struct buf variable = {0};
    int rc = 0;

    *out = NULL;
    if (value && value[0]) {
        *out = text_copy(value);
        return 0;
    }
    buf_printf(&variable, "%s_FILE", name);
    path = getenv(buf_text(&variable));
    if (path && path[0])
        rc = read_secret_file(buf_text(&variable), path, out, err);
    buf_release(&variable);
    return rc;
}
