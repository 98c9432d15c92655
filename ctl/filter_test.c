/* filter_test.c: `syncline filter test NAME PATH…`: would this path take part, and which rule says
 * so. It only reads the synchronization's row: the paths need not exist. */
#include "ctl/kinds.h"
#include "ctl/session.h"
#include "ctl/spec.h"

#include "base/names.h"

#include <stdio.h>
#include <stdlib.h>

struct filter_test {
    struct option_list filters;
    const char *name;
    struct filter *filter; /* the rules of the command line, then those of the synchronization */
};

static int read_stored(struct session *session, struct filter_test *test, struct err *err)
{
    struct parameter parameters[] = {parameter_text(test->name)};
    PGresult *rows;
    int result = 0;

    if (postgres_query(session->postgres, "SELECT spec FROM synchronization WHERE name = $1",
                       parameters, 1, &rows, err) < 0)
        return -1;
    if (PQntuples(rows) == 0)
        result = err_set(err, ERR_NotFound, "there is no synchronization named %s", test->name);
    else
        result = spec_add_stored(result_text(rows, 0, 0), test->filter, err);
    PQclear(rows);
    return result;
}

/* "/a/b/" -> "a/b", a directory. */
static int read_path(const char *text, struct bytes *out, bool *directory, struct err *err)
{
    struct buf shown = {0};

    *out = bytes_text(text);
    *directory = out->size > 0 && out->data[out->size - 1] == '/';
    if (*directory)
        out->size--;
    if (out->size > 0 && out->data[0] == '/')
        *out = bytes_of(out->data + 1, out->size - 1);
    if (out->size > 0 && path_is_valid(*out))
        return 0;
    name_escape(&shown, bytes_text(text));
    err_set(err, ERR_Usage,
            "'%.200s' is no path below the root of a tree, such as a/b, or a/b/ for a directory",
            buf_text(&shown));
    buf_release(&shown);
    return -1;
}

static void print_decision(const struct filter *filter, struct bytes path, bool directory)
{
    struct buf shown = {0}, rule = {0}, above = {0};
    size_t prefix;
    u32 index;
    bool takes = filter_takes_deep(filter, path, directory, &index, &prefix);

    name_escape(&shown, path);
    if (directory)
        buf_append_text(&shown, "/");
    printf("%s  %s  ", takes ? "take" : "skip", buf_text(&shown));
    if (index == UINT32_MAX) {
        puts("no rule matches");
    } else {
        name_escape(&rule, filter_rule(filter, index));
        name_escape(&above, bytes_of(path.data, prefix));
        printf("rule %u: \"%s\"%s%s\n", index + 1, buf_text(&rule),
               prefix < path.size ? " matches " : "", prefix < path.size ? buf_text(&above) : "");
    }
    buf_release(&shown);
    buf_release(&rule);
    buf_release(&above);
}

static int test_paths(struct ctl *ctl, struct filter_test *test, int count, char **paths)
{
    struct session session = {.hold_fd = -1};
    struct bytes path;
    struct err err;
    bool directory;
    int result = 0;

    for (int i = 0; i < count && result == 0; i++)
        result = read_path(paths[i], &path, &directory, &err);
    test->filter = filter_new();
    if (result == 0)
        result = spec_add_options(&test->filters, test->filter, &err);
    if (result == 0)
        result = session_open(ctl, SESSION_FIND, &session, &err);
    if (result == 0)
        result = read_stored(&session, test, &err);
    for (int i = 0; i < count && result == 0; i++) {
        result = read_path(paths[i], &path, &directory, &err);
        print_decision(test->filter, path, directory);
    }
    session_close(&session);
    if (result == 0)
        return EXIT_OK;
    return ctl_fail(&err, err.code == ERR_NotFound            ? LIST_ANY_SYNC
                          : ctl_exit_code(&err) == EXIT_USAGE ? "syncline filter test --help"
                                                              : NULL);
}

int command_filter_test(struct ctl *ctl, int argc, char **argv)
{
    struct filter_test test = {0};
    const struct option options[] = {{"exclude", 0, OPTION_LIST, &test.filters},
                                     {"include", 0, OPTION_LIST, &test.filters}};
    struct err err;
    int code = EXIT_OK;

    argc = options_take(options, COUNT_OF(options), &ctl->common, argc, argv, &err);
    if (argc < 0) {
        code = ctl_fail(&err, "syncline filter test --help");
    } else if (ctl->common.help) {
        help_command(ctl->command);
    } else if (argc < 2) {
        code = ctl_usage(ctl, "filter test wants the name of a synchronization, and paths");
    } else {
        test.name = argv[0];
        code = test_paths(ctl, &test, argc - 1, argv + 1);
    }
    filter_destroy(&test.filter);
    option_list_release(&test.filters);
    return code;
}
