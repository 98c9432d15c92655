/* docs-generate.c: what people read about the protocol, made from schema/ so that it cannot be
 * wrong.
 *
 *   docs-generate            docs/protocol.md on stdout; run from the top of the tree
 *   docs-generate manual     fields of definitions, as scdoc (tools/man)
 *   docs-generate settings   keys of configuration files, as scdoc (tools/man)
 *   docs-generate words      the words of each list of states.def, one list a line, to compare with
 * SQL */
#include <stdio.h>
#include <string.h>

#include "schema/limits.h"

struct field {
    const char *type, *name;
    int key;
    const char *text;
};

static void print_fields(const struct field *fields, size_t count, const char *key)
{
    printf("| %s | field | type | meaning |\n|---|---|---|---|\n", key);
    for (size_t i = 0; i < count; i++)
        printf("| %d | `%s` | %s | %s |\n", fields[i].key, fields[i].name, fields[i].type,
               fields[i].text);
    printf("\n");
}

/* "from -> to: text" becomes "from → to. Text". */
static void print_direction(const char *text)
{
    const char *arrow = strstr(text, " -> ");
    const char *colon = strchr(text, ':');

    const char *stop = strchr("?.", text[strlen(text) - 1]) ? "" : ".";

    if (!arrow || !colon) {
        printf("%s%s\n\n", text, stop);
        return;
    }
    printf("*%.*s → %.*s*: %s%s\n\n", (int)(arrow - text), text, (int)(colon - arrow - 4),
           arrow + 4, colon + 2, stop);
}

#define F(type, name, key, text) {#type, #name, key, text},

static void print_line(int id, const char *name, const char *text)
{
    const char *arrow = strstr(text, " -> ");

    printf("| `0x%02x` | [`%s`](#%s) | ", id, name, name);
    if (arrow)
        printf("%.*s → %s |\n", (int)(arrow - text), text, arrow + 4);
    else
        printf("%s |\n", text);
}

static void print_overview(void)
{
    printf("| id | message | |\n|---|---|---|\n");
#define MSG(name, id, text, fields) print_line(id, #name, text);
#define REC(name, text, fields)
#include "schema/messages.def"
#undef MSG
#undef REC
    printf("\n");
}

static void print_messages(void)
{
#define MSG(name, id, text, fields)                                                                \
    {                                                                                              \
        static const struct field list[] = {fields};                                               \
        printf("### %s\n\n`0x%02x` ", #name, id);                                                  \
        print_direction(text);                                                                     \
        print_fields(list, sizeof list / sizeof list[0], "key");                                   \
    }
#define REC(name, text, fields)
#include "schema/messages.def"
#undef MSG
#undef REC
}

static void print_records(void)
{
#define MSG(name, id, text, fields)
#define REC(name, text, fields)                                                                    \
    {                                                                                              \
        static const struct field list[] = {fields};                                               \
        printf("### Record `%s`\n\n%c%s.\n\n", #name, *(text) - 'a' + 'A', (text) + 1);            \
        print_fields(list, sizeof list / sizeof list[0], "place");                                 \
    }
#include "schema/messages.def"
#undef MSG
#undef REC
}

static void print_states(void)
{
    printf("**Roles**\n\n| number | role |\n|---|---|\n");
#define ROLE(name, number) printf("| %d | `%s` |\n", number, #name);
#include "schema/states.def"
    printf("\n**Kinds of objects**\n\n| number | kind | letter |\n|---|---|---|\n");
#define KIND(name, number, letter) printf("| %d | `%s` | %c |\n", number, #name, letter);
#include "schema/states.def"
    printf("\n**Operations**: what must happen to an item\n\n| number | operation | "
           "|\n|---|---|---|\n");
#define OPERATION(name, number, text) printf("| %d | `%s` | %s |\n", number, #name, text);
#include "schema/states.def"
    printf("\n**Outcomes**: what became of an item\n\n| number | outcome | |\n|---|---|---|\n");
#define OUTCOME(name, number, text) printf("| %d | `%s` | %s |\n", number, #name, text);
#include "schema/states.def"
    printf("\n**Phases of a job**\n\n| number | phase | ended | exit code of the command that "
           "waited |\n"
           "|---|---|---|---|\n");
#define PHASE(name, number, ended, exit_code)                                                      \
    if (ended)                                                                                     \
        printf("| %d | `%s` | yes | %d |\n", number, #name, exit_code);                            \
    else                                                                                           \
        printf("| %d | `%s` | | |\n", number, #name);
#include "schema/states.def"
    printf("\n**Counters of a job**\n\n| column | in JSON | items or bytes |\n|---|---|---|\n");
#define COUNTER(name, json, text) printf("| `%s` | `%s` | %s |\n", #name, json, text);
#include "schema/states.def"
    printf("\n");
}

static const char *disposition_text(const char *name)
{
    static const char *const texts[][2] = {
        {"RETRY", "tried again, a bounded number of times"},
        {"GIVE_BACK", "assigned again, not counted as an attempt"},
        {"ITEM", "the item fails, the job goes on"},
        {"JOB", "the job ends with this reason"},
        {"BUG", "our error; the job ends"},
    };

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (strcmp(texts[i][0], name) == 0)
            return texts[i][1];
    return name;
}

static void print_errors(void)
{
    printf("| code | name | what it says | what follows |\n|---|---|---|---|\n");
#define ERROR(name, number, disposition, text)                                                     \
    if (number)                                                                                    \
        printf("| %d | `%s` | %s | %s |\n", number, #name, text, disposition_text(#disposition));
#include "schema/errors.def"
#undef ERROR
    printf("\n");
}

/* The lines "#define NAME value" of limits.h, with their comments: the one list that is no X-macro.
 */
static int print_limits(const char *path)
{
    FILE *file = fopen(path, "r");
    char line[512], name[64];

    if (!file) {
        perror(path);
        return -1;
    }
    printf("| limit | value | |\n|---|---|---|\n");
    while (fgets(line, sizeof line, file)) {
        char *comment = strstr(line, "/*"), *value, *end;
        int length = 0;

        if (sscanf(line, "#define %63s%n", name, &length) != 1 ||
            strcmp(name, "SYNCLINE_SCHEMA_LIMITS_H") == 0)
            continue;
        if (comment) {
            *comment = '\0';
            comment += 3;
            end = strstr(comment, " */");
            if (end)
                *end = '\0';
        }
        value = line + length + strspn(line + length, " ");
        value[strcspn(value, "\n")] = '\0';
        for (end = value + strlen(value); end > value && end[-1] == ' ';)
            *--end = '\0';
        printf("| `%s` | `%s` | %s |\n", name, value, comment ? comment : "");
    }
    printf("\n");
    fclose(file);
    return 0;
}

static void print_words(void)
{
    printf("kind:");
#define KIND(name, number, letter) printf(" %s", #name);
#include "schema/states.def"
    printf("\noutcome:");
#define OUTCOME(name, number, text) printf(" %s", #name);
#include "schema/states.def"
    printf("\ncounter:");
#define COUNTER(name, json, text) printf(" %s", #name);
#include "schema/states.def"
    printf("\nphase:");
#define PHASE(name, number, ended, exit_code) printf(" %s", #name);
#include "schema/states.def"
    printf("\n");
}

static int print_protocol(void)
{
    printf("# The protocol\n\n"
           "<!-- Made from schema/ by `make docs`; `make check` compares. Change the definitions, "
           "not this. -->\n\n"
           "What the four processes say to each other, schema version %u. The planner has one "
           "ROUTER socket; each\n"
           "worker has one DEALER for each planner. How the messages follow each other is in\n"
           "[ARCHITECTURE.md](ARCHITECTURE.md).\n\n"
           "A message is a header frame and up to %d body frames. The header is msgpack `[id, "
           "{key: value, …}]`;\n"
           "a body is msgpack `[[field, …], …]`, an array of records. Unknown keys and surplus "
           "fields are skipped,\n"
           "missing ones are refused, keys and ids are never used again. A header is at most %u "
           "bytes, a body at\n"
           "most %u. The types: `u32`, `u64`, `s64` are integers, `text` is UTF-8, `bin` is bytes. "
           "Names and paths\n"
           "are bytes.\n\n",
           SCHEMA_VERSION, FRAMES_MAX - 1, MESSAGE_MAX, FRAME_MAX);
    printf("## Messages\n\n");
    print_overview();
    print_messages();
    printf("## Records of body frames\n\nFields of a record have places, not keys.\n\n");
    print_records();
    printf("## Words\n\nShared by messages, Postgres, Redis and people.\n\n");
    print_states();
    printf("## Errors\n\n");
    print_errors();
    printf("## Limits\n\n");
    return print_limits("schema/limits.h");
}

/* Fields of one kind of definition for the manual page, as scdoc; `stands`: whether it is one. */
#define ASSET 1
#define SYNCS 2
#define PLAN 4
#define LIVE 8
#define REQUIRED NULL

/* scdoc reads * and _ as marks. */
static void print_plain(const char *text)
{
    for (; *text; text++)
        printf(strchr("*_\\", *text) ? "\\%c" : "%c", *text);
}

/* What stands below a term: the text, the default (NULL: there is none, and it must be given). */
static void print_description(const char *wanted, const char *otherwise, const char *text)
{
    printf("\n\t");
    print_plain(text);
    if (!otherwise)
        printf(". It must be given");
    else if (otherwise[0])
        print_plain(". Default: "), print_plain(otherwise);
    if (wanted[0]) {
        printf(strstr(wanted, "..") ? ". Range: " : ". One of: ");
        for (; *wanted; wanted++)
            printf(*wanted == '|' ? ", " : "%c", *wanted);
    }
    printf("\n\n");
}

static void print_term(const char *name)
{
    putchar(42);
    print_plain(name);
    putchar(42);
}

static void print_field(const char *path, const char *wanted, const char *otherwise,
                        const char *text)
{
    print_term(path);
    print_description(wanted, otherwise, text);
}

static void print_manual(void)
{
    static const struct {
        int bit;
        const char *title;
    } kinds[] = {{ASSET, "Asset"},
                 {SYNCS, "Synchronization, and the two other kinds"},
                 {PLAN, "SynchronizationPlan"},
                 {LIVE, "LiveSynchronization"}};

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        printf("## %s\n\n", kinds[i].title);
#define FIELD(kind, path, type, wanted, otherwise, text)                                           \
    if ((kind) == kinds[i].bit)                                                                    \
        print_field(path, wanted, otherwise, text);
#include "schema/definitions.def"
    }
}

/* A key, its variable, and what a field has too. */
static void print_setting(const char *key, const char *variable, const char *wanted,
                          const char *otherwise, const char *text)
{
    print_term(key);
    printf(", ");
    print_term(variable);
    print_description(wanted, otherwise, text);
}

static void print_settings(void)
{
#define SETTING(key, variable, type, wanted, otherwise, secrecy, text)                             \
    print_setting(#key, variable, wanted, otherwise, text);
#include "schema/settings.def"
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "settings") == 0) {
        print_settings();
        return 0;
    }
    if (argc == 2 && strcmp(argv[1], "manual") == 0) {
        print_manual();
        return 0;
    }
    if (argc == 2 && strcmp(argv[1], "words") == 0) {
        print_words();
        return 0;
    }
    if (argc != 1) {
        fprintf(stderr, "usage: docs-generate [words|manual|settings]\n");
        return 2;
    }
    return print_protocol() < 0;
}
