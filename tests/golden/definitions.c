/* definitions.c: the schema that editors use says the same as the reader, as far as it can say it.
 *
 * The validator is python3-jsonschema, of another author: it reads a definition a line and answers
 * with a line each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "conf/conf.h"
#include "harness/definitions.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SCHEMA "schema/definitions.schema.json"

static const char validator[] =
    "import json, sys\n"
    "from jsonschema import Draft7Validator\n"
    "schema = json.load(open('" SCHEMA "'))\n"
    "Draft7Validator.check_schema(schema)\n"
    "validator = Draft7Validator(schema)\n"
    "for line in sys.stdin:\n"
    "    print('good' if validator.is_valid(json.loads(line)) else 'bad')\n";

static bool reader_takes(const char *text)
{
    struct definitions read = {0};
    struct buf faults = {0};
    struct err err;
    bool takes = definitions_read("f", text, strlen(text), &read, &faults, &err) == 0;

    definitions_release(&read);
    buf_release(&faults);
    return takes;
}

/* What the validator says to each line of `lines`. */
static void ask_schema(struct buf *lines, bool *takes, u32 count)
{
    char script[] = "/tmp/syncline-schema.XXXXXX", input[sizeof script + 3], command[128], word[8];
    FILE *file, *answers;

    close(mkstemp(script));
    snprintf(input, sizeof input, "%s.in", script);
    file = fopen(script, "w");
    fputs(validator, file);
    fclose(file);
    file = fopen(input, "w");
    fwrite(lines->data, 1, lines->size, file);
    fclose(file);
    snprintf(command, sizeof command, "/usr/bin/python3 %s <%s", script, input);
    answers = popen(command, "r");
    assert_non_null(answers);
    for (u32 i = 0; i < count; i++) {
        assert_int_equal(fscanf(answers, "%7s", word), 1);
        takes[i] = strcmp(word, "good") == 0;
    }
    assert_int_equal(pclose(answers), 0);
    unlink(script);
    unlink(input);
}

#define DOCUMENT(kind, metadata, spec)                                                             \
    "{\"apiVersion\":\"syncline/v1\",\"kind\":\"" kind "\",\"metadata\":" metadata                 \
    ",\"spec\":" spec "}"
#define META(metadata) DOCUMENT("Asset", metadata, "{\"directory\":{\"path\":\"/x\"}}")
#define ASSET(directory) DOCUMENT("Asset", "{\"name\":\"a\"}", "{\"directory\":" directory "}")
#define SYNC(fields)                                                                               \
    DOCUMENT("Synchronization", "{\"name\":\"s\"}",                                                \
             "{\"source\":\"a\",\"destination\":\"b\"" fields "}")

#define PLAN(schedule)                                                                             \
    DOCUMENT("SynchronizationPlan", "{\"name\":\"p\"}",                                            \
             "{\"source\":\"a\",\"destination\":\"b\",\"schedule\":" schedule "}")

/* Goal: editors mark what `apply` refuses, and nothing else.
 * Method: definitions, good and bad, asked of both; where the reader alone refuses, it is said. */
static void agree(void **state)
{
    static const struct {
        const char *text;
        bool reader, schema;
    } cases[] = {
        {ASSET("{\"path\":\"/x\"}"), true, true},
        {ASSET("{\"path\":\"/x\",\"create\":true}"), true, true},
        {ASSET("{\"path\":\"/x\",\"create\":\"true\"}"), false, false},
        {ASSET("{\"path\":\"x\"}"), false, false},
        {ASSET("{\"path\":\"/\"}"), false, false},
        {ASSET("{\"path\":\"/a/../b\"}"), false, true},
        {ASSET("{}"), false, false},
        {ASSET("{\"path\":\"/x\",\"more\":1}"), false, false},
        {DOCUMENT("Asset", "{\"name\":\"a\"}", "{}"), false, false},
        {DOCUMENT("asset", "{\"name\":\"a\"}", "{}"), false, false},
        {DOCUMENT("SynchronizationPlan", "{\"name\":\"a\"}",
                  "{\"source\":\"a\",\"destination\":\"b\",\"schedule\":\"@hourly\"}"),
         true, true},
        {PLAN("\"@every 90s\",\"jitter\":\"1m\""), true, true},
        {PLAN("\"@every 90s\",\"jitter\":\"2m\""), false, true},
        {PLAN("\"@every 90s\",\"timezone\":\"UTC\""), false, true},
        {PLAN("\"@every\""), false, false},
        {PLAN("\"@every -1s\""), false, false},
        {PLAN("\"@every 0s\""), false, true},
        {PLAN("\"@reboot\""), false, false},
        {PLAN("\"0 2 * *\""), false, false},
        {PLAN("\"0 2 * * * *\""), false, false},
        {PLAN("\"*/15 8-18 1,15 JAN-mar MON\",\"timezone\":\"America/Port-au-Prince\""), true,
         true},
        {PLAN("\"60 * * * *\""), false, true},
        {PLAN("\"0 0 ? * *\""), false, false},
        {PLAN("5"), false, false},
        {PLAN("\"@daily\",\"timezone\":\"+01:00\""), false, false},
        {PLAN("\"@daily\",\"timezone\":\"Europe/../UTC\""), false, false},
        {PLAN("\"@daily\",\"timezone\":\"Mars/Olympus\""), false, true},
        {DOCUMENT("LiveSynchronization", "{\"name\":\"a\"}",
                  "{\"source\":\"a\",\"destination\":\"b\"}"),
         false, false},
        {"{\"apiVersion\":\"v1\",\"kind\":\"Asset\",\"metadata\":{\"name\":\"a\"},\"spec\":{"
         "\"directory\":{\"path\":\"/x\"}}}",
         false, false},
        {"{\"kind\":\"Asset\"}", false, false},
        {"[]", false, false},
        {META("{\"name\":\"a\",\"labels\":{\"team\":\"\",\"x.y/Z\":\"1.2\"}}"), true, true},
        {META("{\"name\":\"A\"}"), false, false},
        {META("{\"name\":1}"), false, false},
        {META("{}"), false, false},
        {META("{\"name\":\"a-\"}"), false, false},
        {META("{\"name\":\"a\",\"labels\":{\"-a\":\"\"}}"), false, false},
        {META("{\"name\":\"a\",\"labels\":{\"a\":\"b c\"}}"), false, false},
        {META("{\"name\":\"a\",\"labels\":{\"A/b\":\"\"}}"), false, false},
        {META("{\"name\":\"a\",\"owner\":\"b\"}"), false, false},
        {SYNC(""), true, true},
        {SYNC(",\"fliters\":[]"), false, false},
        {SYNC(",\"filters\":[\"- *.tmp\"]"), true, true},
        {SYNC(",\"filters\":[\"*.tmp\"]"), false, false},
        {SYNC(",\"filters\":[\"- [\"]"), false, true},
        {SYNC(",\"filters\":\"- a\""), false, false},
        {SYNC(",\"delete\":{\"enabled\":true,\"max\":\"100%\"}"), true, true},
        {SYNC(",\"delete\":{\"enabled\":true,\"max\":\"007%\"}"), true, true},
        {SYNC(",\"delete\":{\"enabled\":true,\"max\":\"101%\"}"), false, false},
        {SYNC(",\"delete\":{\"enabled\":true,\"max\":\"%\"}"), false, false},
        {SYNC(",\"delete\":{\"enabled\":true,\"max\":0}"), true, true},
        {SYNC(",\"delete\":{\"enabled\":true,\"max\":-1}"), false, false},
        {SYNC(",\"delete\":{\"enabled\":true,\"max\":\"12\"}"), true, true},
        {SYNC(",\"delete\":{\"enabled\":true,\"max\":\"012\"}"), false, false},
        {SYNC(",\"delete\":{\"max\":1}"), false, true},
        {SYNC(",\"compare\":\"quick\""), true, true},
        {SYNC(",\"compare\":\"fast\""), false, false},
        {SYNC(",\"preserve\":[\"mode\"]"), true, true},
        {SYNC(",\"preserve\":[\"mode\",\"mode\"]"), false, false},
        {SYNC(",\"preserve\":[\"all\"]"), false, false},
        {SYNC(",\"limits\":{\"lanes\":1,\"bandwidth\":\"1/s\"}"), true, true},
        {SYNC(",\"limits\":{\"lanes\":0}"), false, false},
        {SYNC(",\"limits\":{\"lanes\":65537}"), false, false},
        {SYNC(",\"limits\":{\"lanes\":\"1\"}"), false, false},
        {SYNC(",\"limits\":{\"bandwidth\":\"1\"}"), false, false},
        {SYNC(",\"limits\":{\"bandwidth\":\"0B/s\"}"), false, false},
        {SYNC(",\"limits\":{\"bandwidth\":\"1Kib/s\"}"), false, false},
        {SYNC(",\"limits\":{\"bandwidth\":\"1kiB/s\"}"), false, false},
        {SYNC(",\"limits\":{\"bandwidth\":null}"), false, false},
        {SYNC(",\"retry\":{\"backoff\":\"1m30s\"}"), true, true},
        {SYNC(",\"retry\":{\"backoff\":\"5\"}"), false, false},
        {SYNC(",\"retry\":{\"backoff\":\"5y\"}"), false, false},
        {SYNC(",\"retry\":{\"backoff\":\"2d\"}"), false, true},
        {SYNC(",\"retry\":{\"backoff\":\"1d\"}"), false, true},
    };
    bool takes[COUNT_OF(cases)];
    struct buf lines = {0};

    (void)state;
    for (u32 i = 0; i < COUNT_OF(cases); i++)
        buf_printf(&lines, "%s\n", cases[i].text);
    ask_schema(&lines, takes, COUNT_OF(cases));
    for (u32 i = 0; i < COUNT_OF(cases); i++)
        if (takes[i] != cases[i].schema || reader_takes(cases[i].text) != cases[i].reader)
            fail_msg("the schema says %d, the reader says %d: %s", takes[i],
                     reader_takes(cases[i].text), cases[i].text);
    buf_release(&lines);
}

#define ANY 500u

/* Goal: editors mark nothing that is right.
 * Method: definitions at random, each of which the reader takes. */
static void accepts(void **state)
{
    bool takes[ANY];
    char *texts[ANY];
    struct buf lines = {0};
    u64 seed = 22;

    (void)state;
    for (u32 i = 0; i < ANY; i++) {
        enum definition_kind kind = (enum definition_kind)(i % 3);
        char name[DEFINITION_NAME_MAX + 1];
        json_t *document;

        any_name(&seed, name);
        document = json_pack("{s:s, s:s, s:{s:s, s:o}, s:o}", "apiVersion", DEFINITION_API, "kind",
                             definition_kind_name(kind), "metadata", "name", name, "labels",
                             any_labels(&seed), "spec", any_spec(kind, &seed));
        texts[i] = json_dumps(document, JSON_COMPACT);
        buf_printf(&lines, "%s\n", texts[i]);
        json_decref(document);
    }
    ask_schema(&lines, takes, ANY);
    for (u32 i = 0; i < ANY; i++) {
        if (!takes[i])
            fail_msg("the schema refuses %s", texts[i]);
        free(texts[i]);
    }
    buf_release(&lines);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agree),
        cmocka_unit_test(accepts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
