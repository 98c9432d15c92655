/* conf_set.c: one field of a definition, as on a command line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conf/conf.h"

#include <stdlib.h>

static void spec_is(json_t *spec, const char *wanted)
{
    char *got = json_dumps(spec, JSON_COMPACT | JSON_SORT_KEYS);

    assert_string_equal(got, wanted);
    free(got);
}

/* Goal: a value arrives with the type of its field, objects come and go with their fields.
 * Method: a row of changes to one spec, and what it is after each. */
static void sets(void **state)
{
    static const struct {
        const char *path, *value, *spec;
    } steps[] = {
        {"limits.bandwidth", "10MiB/s", "{\"limits\":{\"bandwidth\":\"10MiB/s\"}}"},
        {"limits.lanes", "8", "{\"limits\":{\"bandwidth\":\"10MiB/s\",\"lanes\":8}}"},
        {"limits.lanes", "16", "{\"limits\":{\"bandwidth\":\"10MiB/s\",\"lanes\":16}}"},
        {"limits.bandwidth", "", "{\"limits\":{\"lanes\":16}}"},
        {"limits.lanes", "", "{}"},
        {"limits.lanes", "", "{}"},
        {"delete.enabled", "true", "{\"delete\":{\"enabled\":true}}"},
        {"delete.max", "10%", "{\"delete\":{\"enabled\":true,\"max\":\"10%\"}}"},
        {"delete.max", "7", "{\"delete\":{\"enabled\":true,\"max\":7}}"},
        {"delete", "", "{}"},
        {"preserve", "mode,times", "{\"preserve\":[\"mode\",\"times\"]}"},
        {"preserve", "[acls]", "{\"preserve\":[\"acls\"]}"},
        {"preserve", "[]", "{\"preserve\":[]}"},
        {"preserve", "", "{}"},
        {"filters", "[\"- *.tmp\", '+ a']", "{\"filters\":[\"- *.tmp\",\"+ a\"]}"},
        {"filters", "", "{}"},
        {"source", "123", "{\"source\":\"123\"}"}, /* no quotes needed here */
        {"compare", "checksum", "{\"compare\":\"checksum\",\"source\":\"123\"}"},
    };
    json_t *spec = json_object();
    struct err err;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        if (definition_set(DEFINITION_SYNCHRONIZATION, spec, steps[i].path, steps[i].value, &err))
            fail_msg("%s=%s: %s", steps[i].path, steps[i].value, err.text);
        spec_is(spec, steps[i].spec);
    }
    json_decref(spec);
}

/* Goal: what is refused is said with what is wanted, and changes nothing.
 * Method: a table of fields and values. */
static void refuses(void **state)
{
    static const struct {
        const char *path, *value, *text;
    } cases[] = {
        {"limits.bandwith", "1MiB/s",
         "unknown field 'limits.bandwith'; did you mean 'limits.bandwidth'?"},
        {"lanes", "8", "unknown field 'lanes'; did you mean 'limits.lanes'?"},
        {"something", "8", "Synchronization has no field 'something'"},
        {"schedule", "x", "Synchronization has no field 'schedule'"},
        {"source", "", "source cannot be taken out: it is the asset that is read"},
        {"limits", "8", "limits: expected an object with fields"},
        {"limits.lanes", "0", "limits.lanes: expected a number from 1 to 65536, not 0"},
        {"limits.lanes", " 8", "limits.lanes: expected a number"},
        {"limits.bandwidth", "10", "limits.bandwidth: expected bytes per second"},
        {"delete.enabled", "yes", "delete.enabled: yes is read differently"},
        {"preserve", "mode,,times", "preserve: expected mode, owner, times"},
        {"preserve", "[mode", "no YAML: did not find expected ',' or ']'"},
        {"filters", "- *.tmp", "filters: expected a list of filters, such as [\"- *.tmp\""},
        {"filters", "[*a]", "an alias (*a): anchors and aliases are not read here"},
        {"filters", "[\"x\", \"y\"]", "filters: filter rule \"x\", position 1"},
        {"retry.backoff", "2d", "retry.backoff: expected a duration from 1ms to 1d"},
    };
    json_t *spec = json_loads("{\"limits\":{\"lanes\":3},\"source\":\"a\"}", 0, NULL);
    struct err err;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(
            definition_set(DEFINITION_SYNCHRONIZATION, spec, cases[i].path, cases[i].value, &err),
            -1);
        assert_int_equal(err.code, ERR_Configuration);
        if (strncmp(err.text, cases[i].text, strlen(cases[i].text)) != 0 || strchr(err.text, '\n'))
            fail_msg("%s=%s: %s", cases[i].path, cases[i].value, err.text);
        spec_is(spec, "{\"limits\":{\"lanes\":3},\"source\":\"a\"}");
    }
    json_decref(spec);
}

/* Goal: assets have their own fields.
 * Method: the directory of one. */
static void of_assets(void **state)
{
    json_t *spec = json_object();
    struct err err;

    (void)state;
    assert_int_equal(definition_set(DEFINITION_ASSET, spec, "directory.path", "/x/", &err), 0);
    assert_int_equal(definition_set(DEFINITION_ASSET, spec, "directory.create", "true", &err), 0);
    spec_is(spec, "{\"directory\":{\"create\":true,\"path\":\"/x\"}}");
    assert_int_equal(definition_set(DEFINITION_ASSET, spec, "directory.path", "", &err), -1);
    assert_int_equal(definition_set(DEFINITION_ASSET, spec, "directory", "", &err), -1);
    assert_int_equal(definition_set(DEFINITION_ASSET, spec, "directory.create", "", &err), 0);
    spec_is(spec, "{\"directory\":{\"path\":\"/x\"}}");
    json_decref(spec);
}

/* Goal: fields can be set one after the other, and are then asked whether they go together.
 * Method: specs that do and do not. */
static void together(void **state)
{
    static const struct {
        const char *spec, *text; /* NULL: they do */
    } cases[] = {
        {"{}", NULL},
        {"{\"delete\":{\"enabled\":false,\"max\":\"10%\"}}", NULL},
        {"{\"retry\":{\"backoff\":\"5m\"}}", NULL},
        {"{\"source\":\"a\",\"destination\":\"b\"}", NULL},
        {"{\"source\":\"a\",\"destination\":\"a\"}", "source and destination are the same asset"},
        {"{\"delete\":{\"max\":\"10%\"}}", "delete.max without delete.enabled"},
        {"{\"delete\":{\"max\":1},\"retry\":{\"backoff\":\"6m\"}}", "delete.max without"},
        {"{\"retry\":{\"backoff\":\"6m\"}}", "retry.backoff (6m) is above retry.maxBackoff (5m"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        json_t *spec = json_loads(cases[i].spec, 0, NULL);
        struct err err;
        int rc = definition_check(DEFINITION_SYNCHRONIZATION, spec, &err);

        assert_non_null(spec);
        assert_int_equal(rc, cases[i].text ? -1 : 0);
        if (cases[i].text) {
            assert_int_equal(err.code, ERR_Configuration);
            assert_non_null(strstr(err.text, cases[i].text));
        }
        assert_int_equal(definition_check(DEFINITION_ASSET, json_object_get(spec, "x"), &err), 0);
        json_decref(spec);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sets),
        cmocka_unit_test(refuses),
        cmocka_unit_test(of_assets),
        cmocka_unit_test(together),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
