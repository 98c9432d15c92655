/* conf_print.c: definitions as YAML. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/random.h"
#include "conf/conf.h"
#include "conf/node.h"
#include "harness/definitions.h"

#include <stdlib.h>

static void prints(enum definition_kind kind, const char *labels, const char *spec,
                   const char *wanted)
{
    json_t *label_object = json_loads(labels, 0, NULL), *spec_object = json_loads(spec, 0, NULL);
    struct buf out = {0};

    assert_non_null(label_object);
    assert_non_null(spec_object);
    definition_print(kind, "it", label_object, spec_object, &out);
    assert_string_equal(buf_text(&out), wanted);
    json_decref(label_object);
    json_decref(spec_object);
    buf_release(&out);
}

/* Goal: a definition looks as people write it: fields in the order of the table, quotes where they
 * are needed, nothing that was not given.
 * Method: JSON in another order, its YAML. */
static void looks(void **state)
{
    (void)state;
    prints(DEFINITION_ASSET, "{}", "{\"directory\": {\"create\": true, \"path\": \"/data\"}}",
           "apiVersion: syncline/v1\n"
           "kind: Asset\n"
           "metadata:\n"
           "  name: it\n"
           "spec:\n"
           "  directory:\n"
           "    path: /data\n"
           "    create: true\n");
    prints(DEFINITION_SYNCHRONIZATION, "{\"on\": \"1\", \"team\": \"media\"}",
           "{\"limits\": {\"lanes\": 8, \"bandwidth\": \"2MiB/s\"}, \"preserve\": [\"mode\", "
           "\"times\"], \"delete\": {\"max\": \"10%\"}, \"filters\": [\"- *.tmp\", \"+ a\"], "
           "\"destination\": \"123\", \"source\": \"a\"}",
           "apiVersion: syncline/v1\n"
           "kind: Synchronization\n"
           "metadata:\n"
           "  name: it\n"
           "  labels:\n"
           "    \"on\": \"1\"\n"
           "    team: media\n"
           "spec:\n"
           "  source: a\n"
           "  destination: \"123\"\n"
           "  filters:\n"
           "  - '- *.tmp'\n"
           "  - + a\n"
           "  delete:\n"
           "    max: 10%\n"
           "  preserve: [mode, times]\n"
           "  limits:\n"
           "    bandwidth: 2MiB/s\n"
           "    lanes: 8\n");
}

/* Goal: an object that is no definition is a document, too, in the order in which it stands.
 * Method: one with a key that a definition has, and a text that would be read as something else. */
static void objects(void **state)
{
    json_t *object = json_loads("{\"phase\": \"Failed\", \"name\": \"a-1\", \"reason\": null, "
                                "\"limits\": {\"b\": 1, \"a\": [true]}, \"message\": \"12\"}",
                                0, NULL);
    struct buf out = {0};

    (void)state;
    yaml_print(object, &out);
    assert_string_equal(buf_text(&out), "phase: Failed\n"
                                        "name: a-1\n"
                                        "reason: null\n"
                                        "limits:\n"
                                        "  b: 1\n"
                                        "  a:\n"
                                        "  - true\n"
                                        "message: \"12\"\n");
    json_decref(object);
    buf_release(&out);
}

/* Goal: what the table does not know is printed too, behind what it knows: nothing of the truth is
 * hidden.
 * Method: JSON of every type. */
static void unknown(void **state)
{
    (void)state;
    prints(DEFINITION_SYNCHRONIZATION, "{}",
           "{\"run\": {\"dryRun\": true, \"list\": [], \"none\": null, \"half\": 0.5, \"object\": "
           "{}}, \"compare\": \"quick\"}",
           "apiVersion: syncline/v1\n"
           "kind: Synchronization\n"
           "metadata:\n"
           "  name: it\n"
           "spec:\n"
           "  compare: quick\n"
           "  run:\n"
           "    dryRun: true\n"
           "    list: []\n"
           "    none: null\n"
           "    half: 0.5\n"
           "    object: {}\n");
}

static void reads_back(enum definition_kind kind, u64 *state)
{
    char name[DEFINITION_NAME_MAX + 1];
    json_t *labels = any_labels(state), *spec = any_spec(kind, state);
    struct definitions back = {0};
    struct buf out = {0}, faults = {0};
    struct err err = {0};

    any_name(state, name);
    definition_print(kind, name, labels, spec, &out);
    if (definitions_read("f", buf_text(&out), out.size, &back, &faults, &err) < 0)
        fail_msg("%s%s", buf_text(&faults), buf_text(&out));
    assert_int_equal(back.count, 1);
    assert_int_equal(back.items[0].kind, kind);
    assert_string_equal(back.items[0].name, name);
    if (!json_equal(back.items[0].labels, labels) || !json_equal(back.items[0].spec, spec))
        fail_msg("not the same: %s", buf_text(&out));
    definitions_release(&back);
    json_decref(labels);
    json_decref(spec);
    buf_release(&out);
    buf_release(&faults);
}

/* Goal: what is printed is read as the same definition, whatever its texts have in them.
 * Method: definitions at random, seeded. */
static void round_trip(void **state)
{
    u64 seed = 20;

    (void)state;
    for (u32 i = 0; i < 3000; i++)
        reads_back((enum definition_kind)(i % 3), &seed);
}

/* Goal: kinds that are not in this version are printed and read, too: the kind is all that is said
 * against them.
 * Method: as above; the one fault is that of the kind. */
static void later_kinds(void **state)
{
    u64 seed = 21;

    (void)state;
    for (u32 i = 0; i < 500; i++) {
        json_t *labels = any_labels(&seed), *spec = any_spec(DEFINITION_LIVE, &seed);
        struct definitions back = {0};
        struct buf out = {0}, faults = {0};
        struct err err = {0};

        definition_print(DEFINITION_LIVE, "later", labels, spec, &out);
        assert_int_equal(definitions_read("f", buf_text(&out), out.size, &back, &faults, &err), -1);
        if (!strstr(err.text, "1 fault in") || !strstr(buf_text(&faults), "not in this version"))
            fail_msg("%s%s", buf_text(&faults), buf_text(&out));
        definitions_release(&back);
        json_decref(labels);
        json_decref(spec);
        buf_release(&out);
        buf_release(&faults);
    }
}

/* Goal: it is known what a scalar without quotes is to any reader of YAML.
 * Method: a table. */
static void plain_kinds(void **state)
{
    static const struct {
        const char *text;
        enum plain_kind kind;
    } cases[] = {
        {"", PLAIN_NULL},
        {"~", PLAIN_NULL},
        {"Null", PLAIN_NULL},
        {"true", PLAIN_FLAG},
        {"Off", PLAIN_FLAG},
        {"y", PLAIN_FLAG},
        {"0", PLAIN_NUMBER},
        {"-12", PLAIN_NUMBER},
        {"+1", PLAIN_NUMBER},
        {"010", PLAIN_NUMBER},
        {"0o7", PLAIN_NUMBER},
        {"0x1F", PLAIN_NUMBER},
        {"-0b1", PLAIN_NUMBER},
        {"1_000", PLAIN_NUMBER},
        {"1.", PLAIN_NUMBER},
        {".5", PLAIN_NUMBER},
        {"1e3", PLAIN_NUMBER},
        {"1.5E-3", PLAIN_NUMBER},
        {"12:30:45", PLAIN_NUMBER},
        {"-.INF", PLAIN_NUMBER},
        {".nan", PLAIN_NUMBER},
        {"2024-01-31", PLAIN_DATE},
        {"2024-1-1T10:00:00Z", PLAIN_DATE},
        {"2024-01-31 10:00", PLAIN_DATE},
        {"1.2.3", PLAIN_TEXT},
        {"10%", PLAIN_TEXT},
        {"5m", PLAIN_TEXT},
        {"1e", PLAIN_TEXT},
        {"1e3x", PLAIN_TEXT},
        {"0x", PLAIN_TEXT},
        {"0xg", PLAIN_TEXT},
        {".", PLAIN_TEXT},
        {"..", PLAIN_TEXT},
        {"-", PLAIN_TEXT},
        {"_1", PLAIN_TEXT},
        {"+", PLAIN_TEXT},
        {"2024-01", PLAIN_TEXT},
        {"2024-01-31x", PLAIN_TEXT},
        {"yess", PLAIN_TEXT},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        if (plain_kind_of(cases[i].text) != cases[i].kind)
            fail_msg("%s: %d, not %d", cases[i].text, (int)plain_kind_of(cases[i].text),
                     (int)cases[i].kind);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(looks),      cmocka_unit_test(objects),     cmocka_unit_test(unknown),
        cmocka_unit_test(round_trip), cmocka_unit_test(later_kinds), cmocka_unit_test(plain_kinds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
