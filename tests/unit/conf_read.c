/* conf_read.c: definitions as they are written, good and bad. */
#include "conf_fixture.h"

/* Goal: what is right is read, with the texts that were written, whatever its style.
 * Method: YAML and the JSON that it becomes. */
static void good(void **state)
{
    (void)state;
    spec_is(ASSET "spec: {directory: {path: /data/photos, create: true}}",
            "{\"directory\": {\"path\": \"/data/photos\", \"create\": true}}");
    spec_is(ASSET "spec: {directory: {path: /data/photos//}}",
            "{\"directory\": {\"path\": \"/data/photos\"}}");
    spec_is(ASSET "spec:\n  directory:\n    path: |-\n      /data/a b\n",
            "{\"directory\": {\"path\": \"/data/a b\"}}");
    spec_is(SYNC, "{\"source\": \"a\", \"destination\": \"b\"}");
    spec_is(
        SYNC "  filters:\n  - '- .cache/**'\n  - \"+ *.tmp\"\n  delete: {enabled: true, max: 10%}\n"
             "  compare: checksum\n  verify: {hash: sha256}\n  preserve: [mode, times]\n"
             "  durability: strict\n  limits: {bandwidth: 200MiB/s, lanes: 8}\n"
             "  retry: {attempts: 5, backoff: 1s, maxBackoff: 1h30m}\n  historyLimit: 3\n",
        "{\"source\": \"a\", \"destination\": \"b\", \"filters\": [\"- .cache/**\", \"+ *.tmp\"],"
        " \"delete\": {\"enabled\": true, \"max\": \"10%\"}, \"compare\": \"checksum\","
        " \"verify\": {\"hash\": \"sha256\"}, \"preserve\": [\"mode\", \"times\"],"
        " \"durability\": \"strict\", \"limits\": {\"bandwidth\": \"200MiB/s\", \"lanes\": 8},"
        " \"retry\": {\"attempts\": 5, \"backoff\": \"1s\", \"maxBackoff\": \"1h30m\"},"
        " \"historyLimit\": 3}");
    spec_is(SYNC "  delete: {enabled: false, max: 100}\n  preserve: []\n  limits: {}\n",
            "{\"source\": \"a\", \"destination\": \"b\", \"delete\": {\"enabled\": false, \"max\": "
            "100}, \"preserve\": [], \"limits\": {}}");
    spec_is(SYNC "  delete: {enabled: true, max: \"100\"}\n",
            "{\"source\": \"a\", \"destination\": \"b\", \"delete\": {\"enabled\": true, \"max\": "
            "\"100\"}}");
}

/* Goal: what stands beside the spec arrives: kind, name, labels, the file and the line.
 * Method: two documents, read behind one of another file. */
static void beside(void **state)
{
    static const char first[] = HEAD("Asset", "x") "spec: {directory: {path: /x}}\n";
    static const char second[] =
        "\n---\napiVersion: syncline/v1\nkind: Asset\nmetadata:\n  name: \"123\"\n"
        "  labels: {team: media, \"on\": \"\", example.org/v: 1.2.3}\nspec: {directory: {path: "
        "/y}}\n"
        "---\n" SYNC;
    struct definitions read = {0};
    struct buf faults = {0};
    json_t *labels =
        json_loads("{\"team\": \"media\", \"on\": \"\", \"example.org/v\": \"1.2.3\"}", 0, NULL);
    struct err err;

    (void)state;
    assert_int_equal(definitions_read("x.yaml", first, strlen(first), &read, &faults, &err), 0);
    assert_int_equal(definitions_read("y.yaml", second, strlen(second), &read, &faults, &err), 0);
    assert_int_equal(read.count, 3);
    assert_string_equal(read.items[0].name, "x");
    assert_string_equal(read.items[0].file, "x.yaml");
    assert_int_equal(read.items[0].line, 2);
    assert_int_equal(json_object_size(read.items[0].labels), 0);
    assert_string_equal(read.items[1].name, "123");
    assert_string_equal(read.items[1].file, "y.yaml");
    assert_int_equal(read.items[1].line, 4);
    assert_true(json_equal(read.items[1].labels, labels));
    assert_int_equal(read.items[2].kind, DEFINITION_SYNCHRONIZATION);
    assert_int_equal(read.items[2].line, 11);
    json_decref(labels);
    definitions_release(&read);
    buf_release(&faults);
}

/* Goal: a wrong document is refused at its place, and it is said what to write instead.
 * Method: a document with one fault each; all that is said. */
static void documents(void **state)
{
    static const struct fault_case cases[] = {
        {"text", "f:1:1: the document: expected an object with apiVersion, kind, metadata and "
                 "spec, not text\n"},
        {"[]", "f:1:1: the document: expected an object with apiVersion, kind, metadata and spec, "
               "not a list\n"},
        {"kind: Asset\nmetadata: {name: a}\nspec: {directory: {path: /x}}",
         "f:1:1: apiVersion is missing; write apiVersion: syncline/v1\n"},
        {"apiVersion: v1\nkind: Asset\nmetadata: {name: a}\nspec: {directory: {path: /x}}",
         "f:1:13: apiVersion 'v1' is not known; write syncline/v1\n"},
        {"apiVersion: syncline/v1\nmetadata: {name: a}\nspec: {}",
         "f:1:1: kind is missing; write kind: Asset, or Synchronization\n"},
        {"apiVersion: syncline/v1\nkind: asset\nmetadata: {name: a}\nspec: {}",
         "f:2:7: unknown kind 'asset'; did you mean Asset?\n"},
        {"apiVersion: syncline/v1\nkind: Pod\nmetadata: {name: a}\nspec: {}",
         "f:2:7: unknown kind 'Pod'; known: Asset, Synchronization, SynchronizationPlan, "
         "LiveSynchronization\n"},
        {"apiVersion: syncline/v1\nkind: [Asset]\nmetadata: {name: a}\nspec: {}",
         "f:2:7: kind: expected a text, not a list\n"},
        {ASSET, "f:1:1: spec is missing; write spec: with the fields of the kind\n"},
        {ASSET "spec:", "f:4:6: spec has no value: write an object with fields\n"},
        {ASSET "spec: []", "f:4:7: spec: expected an object with fields, not a list\n"},
        {ASSET "spec: {directory: {path: /x}}\nstatus: {}",
         "f:5:1: status is the system's; leave it out\n"},
        {ASSET "spec: {directory: {path: /x}}\nspecs: {}",
         "f:5:1: unknown field 'specs' in the document; did you mean 'spec'?\n"},
        {ASSET "spec: {directory: {path: /x}}\nsomething: {}",
         "f:5:1: unknown field 'something' in the document\n"},
    };

    (void)state;
    all_have(cases, COUNT_OF(cases));
}

#define META(text)                                                                                 \
    "apiVersion: syncline/v1\nkind: Asset\nmetadata: " text "\nspec: {directory: {path: /x}}"
#define LABELS "up to 63 of A-Z, a-z, 0-9, -, _ and ., with letters or digits at both ends\n"
#define KEYS                                                                                       \
    "1 to 63 of A-Z, a-z, 0-9, -, _ and ., with letters or digits at both ends; in front may be "  \
    "a DNS name and a slash\n"
#define LONG_63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

/* Goal: names and labels are as in Kubernetes.
 * Method: as above; the longest that is allowed, too. */
static void metadata(void **state)
{
    static const struct fault_case cases[] = {
        {META("x"), "f:3:11: metadata: expected an object with a name, not x\n"},
        {META("{}"), "f:3:11: name is missing; write name: ...\n"},
        {META("{name: 123}"),
         "f:3:18: name: expected a text, and 123 is a number in YAML; put it in quotes: \"123\"\n"},
        {META("{name: on}"), "f:3:18: name: expected a text, and on is true or false in YAML; put "
                             "it in quotes: \"on\"\n"},
        {META("{name: 2024-01-31}"), "f:3:18: name: expected a text, and 2024-01-31 is a date in "
                                     "YAML; put it in quotes: \"2024-01-31\"\n"},
        {META("{name: }"), "f:3:18: name has no value: write a text\n"},
        {META("{name: Photos}"), "f:3:18: 'Photos' is no name: a name has " NAMES},
        {META("{name: -a}"), "f:3:18: '-a' is no name: a name has " NAMES},
        {META("{name: a.b}"), "f:3:18: 'a.b' is no name: a name has " NAMES},
        {META("{name: \"\"}"), "f:3:18: '' is no name: a name has " NAMES},
        {META("{name: " LONG_63 "a}"),
         "f:3:18: 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...' is no name: a name has " NAMES},
        {META("{name: a, lables: {}}"),
         "f:3:21: unknown field 'lables' in metadata; did you mean 'labels'?\n"},
        {META("{name: a, labels: x}"),
         "f:3:29: labels: expected an object such as {team: media}, not x\n"},
        {META("{name: a, labels: {t: 1}}"), "f:3:33: a label's value: expected a text, and 1 is a "
                                            "number in YAML; put it in quotes: \"1\"\n"},
        {META("{name: a, labels: {no: x}}"), "f:3:30: a label's key: expected a text, and no is "
                                             "true or false in YAML; put it in quotes: \"no\"\n"},
        {META("{name: a, labels: {t: {}}}"),
         "f:3:33: a label's value: expected a text, not an object\n"},
        {META("{name: a, labels: {t: a b}}"),
         "f:3:33: 'a b' is no value of a label: it has " LABELS},
        {META("{name: a, labels: {t-: a}}"), "f:3:30: 't-' is no key of a label: it has " KEYS},
        {META("{name: a, labels: {a/b/c: a}}"),
         "f:3:30: 'a/b/c' is no key of a label: it has " KEYS},
        {META("{name: a, labels: {A.b/c: a}}"),
         "f:3:30: 'A.b/c' is no key of a label: it has " KEYS},
        {META("{name: a, labels: {/c: a, .b/c: d}}"),
         "f:3:30: '/c' is no key of a label: it has " KEYS
         "f:3:37: '.b/c' is no key of a label: it has " KEYS},
    };
    struct definitions read;

    (void)state;
    all_have(cases, COUNT_OF(cases));
    reads(META("{name: " LONG_63 ", labels: {" LONG_63 ".x/" LONG_63 ": " LONG_63 "}}"), &read);
    definitions_release(&read);
}

/* Goal: a field that is not known is refused, and the one that was meant is named.
 * Method: as above. */
static void unknown(void **state)
{
    static const struct fault_case cases[] = {
        {SYNC "  fliters: []\n",
         "f:7:3: unknown field 'fliters' in spec; did you mean 'filters'?\n"},
        {SYNC "  limits: {lane: 3}\n",
         "f:7:12: unknown field 'lane' in spec.limits; did you mean 'lanes'?\n"},
        {SYNC "  lanes: 3\n", "f:7:3: unknown field 'lanes' in spec; it stands in "
                              "spec.limits.lanes\n"},
        {SYNC "  limits.lanes: 3\n", "f:7:3: unknown field 'limits.lanes' in spec; fields of a "
                                     "field stand below it, without a dot\n"},
        {SYNC "  schedule: x\n", "f:7:3: unknown field 'schedule' in spec; SynchronizationPlan has "
                                 "it, Synchronization has not\n"},
        {SYNC "  verify: {something: 1}\n",
         "f:7:12: unknown field 'something' in spec.verify; known here: hash\n"},
        {SYNC "  \"\": 1\n", "f:7:3: unknown field '' in spec; known here: source, destination, "
                             "filters, delete, compare, verify, preserve, durability, limits, "
                             "retry, historyLimit\n"},
        {ASSET "spec: {directory: {path: /x, <<: {}}}",
         "f:4:30: unknown field '<<' in spec.directory; known here: path, create\n"},
    };

    (void)state;
    all_have(cases, COUNT_OF(cases));
}

/* Goal: a value that does not fit its field is refused with what does.
 * Method: as above, for each type of field. */
static void values(void **state)
{
    static const struct fault_case cases[] = {
        {ASSET "spec: {}", "f:4:7: spec.directory is missing: a directory tree of this host, or "
                           "mounted at the same path on each; write an object with fields\n"},
        {DIRECTORY("/x"), "f:4:19: directory: expected an object with fields, not /x\n"},
        {DIRECTORY("{create: true}"),
         "f:4:19: spec.directory.path is missing: where it is; write the absolute path of a "
         "directory, such as /data/photos\n"},
        {DIRECTORY("{path: data}"), "f:4:26: directory.path: expected the absolute path of a "
                                    "directory, such as /data/photos, not data\n"},
        {DIRECTORY("{path: /}"),
         "f:4:26: directory.path: / is the whole system; name a directory in it\n"},
        {DIRECTORY("{path: /a/../..}"),
         "f:4:26: directory.path: this is the whole system; name a directory in it\n"},
        {DIRECTORY("{path: /data/a/../b}"), "f:4:26: directory.path: a path without \".\", \"..\" "
                                            "and doubled slashes is wanted; write /data/b\n"},
        {DIRECTORY("{path: /data//./b/}"), "f:4:26: directory.path: a path without \".\", \"..\" "
                                           "and doubled slashes is wanted; write /data/b\n"},
        {DIRECTORY("{path: \"/a\\n/./b\"}"), "f:4:26: directory.path: a path without \".\", \"..\" "
                                             "and doubled slashes is wanted; write /a\\n/b\n"},
        {DIRECTORY("{path: /x, create: yes}"),
         "f:4:38: directory.create: yes is read differently by different programs; write true\n"},
        {DIRECTORY("{path: /x, create: OFF}"),
         "f:4:38: directory.create: OFF is read differently by different programs; write false\n"},
        {DIRECTORY("{path: /x, create: \"true\"}"),
         "f:4:38: directory.create: \"true\" is a text; write true, without quotes\n"},
        {DIRECTORY("{path: /x, create: 1}"),
         "f:4:38: directory.create: expected true or false, not 1\n"},
        {SYNC "  compare: fast\n", "f:7:12: compare: expected quick or checksum, not fast\n"},
        {SYNC "  compare: [quick]\n", "f:7:12: compare: expected quick or checksum, not a list\n"},
        {SYNC "  preserve: mode\n",
         "f:7:13: preserve: expected a list of mode, owner, times, xattrs, acls, hardlinks, "
         "sparse, not mode\n"},
        {SYNC "  preserve: [mode, all, mode, {}]\n",
         "f:7:20: preserve: expected mode, owner, times, xattrs, acls, hardlinks or sparse, not "
         "all\n"
         "f:7:25: preserve: mode is there twice\n"
         "f:7:31: preserve: expected mode, owner, times, xattrs, acls, hardlinks or sparse, not an "
         "object\n"},
        {SYNC "  filters: \"- a\"\n", "f:7:12: filters: expected a list of filters, such as "
                                      "[\"- *.tmp\", \"- .cache/**\"], not the text \"- a\"\n"},
        {SYNC "  filters:\n  - - a\n  - [b]\n  - x\n  - \"- [\"\n  - 3\n",
         "f:8:5: filters: a list where a filter is expected; put the filter in quotes: \"- "
         "*.tmp\"\n"
         "f:9:5: filters: a list where a filter is expected; put the filter in quotes: \"- "
         "*.tmp\"\n"
         "f:10:5: filters: filter rule \"x\", position 1: no sign; a rule begins with \"+ \" or "
         "\"- \"\n"
         "f:11:5: filters: filter rule \"- [\", position 3: this [ has no ]\n"
         "f:12:5: filters: expected a text, and 3 is a number in YAML; put it in quotes: \"3\"\n"},
        {SYNC "  delete: {enabled: true, max: 101%}\n",
         "f:7:32: delete.max: expected a number, or a percentage such as 10%, not 101%\n"},
        {SYNC "  delete: {enabled: true, max: -1}\n",
         "f:7:32: delete.max: expected a number, or a percentage such as 10%, not -1\n"},
        {SYNC "  delete: {enabled: true, max: 99999999999999999999}\n",
         "f:7:32: delete.max: expected a number, or a percentage such as 10%, not "
         "99999999999999999999\n"},
        {SYNC "  limits: {lanes: 0}\n",
         "f:7:19: limits.lanes: expected a number from 1 to 65536, not 0\n"},
        {SYNC "  limits: {lanes: 65537}\n",
         "f:7:19: limits.lanes: expected a number from 1 to 65536, not 65537\n"},
        {SYNC "  limits: {lanes: 010}\n",
         "f:7:19: limits.lanes: expected a number from 1 to 65536, not 010\n"},
        {SYNC "  limits: {lanes: \"8\"}\n",
         "f:7:19: limits.lanes: expected a number from 1 to 65536, not the text \"8\"\n"},
        {SYNC "  limits: {bandwidth: 200}\n", "f:7:23: limits.bandwidth: expected bytes per "
                                              "second, such as 200MiB/s, not 200\n"},
        {SYNC "  limits: {bandwidth: }\n",
         "f:7:23: limits.bandwidth has no value: write bytes per second, such as 200MiB/s, or "
         "leave the field out\n"},
        {SYNC "  retry: {backoff: 5}\n", "f:7:20: retry.backoff: expected a duration from 1ms to "
                                         "1d, such as 90s or 1h30m, not 5\n"},
        {SYNC "  retry: {maxBackoff: 2d}\n", "f:7:23: retry.maxBackoff: expected a duration from "
                                             "1ms to 1d, such as 90s or 1h30m, not 2d\n"},
        {HEAD("Synchronization", "s") "spec: {source: A, destination: 1}\n",
         "f:4:16: source: 'A' is no name of an asset: a name has " NAMES
         "f:4:32: destination: expected a text, and 1 is a number in YAML; put it in quotes: "
         "\"1\"\n"},
    };

    (void)state;
    all_have(cases, COUNT_OF(cases));
}

/* Goal: fields that are right by themselves and do not go together are refused at the one to blame,
 * but not where one of them has a fault anyway.
 * Method: as above. */
static void contradictions(void **state)
{
    static const struct fault_case cases[] = {
        {HEAD("Synchronization", "s") "spec: {source: a, destination: a}\n",
         "f:4:32: source and destination are the same asset, a; name two\n"},
        {SYNC "  delete: {max: 10%}\n",
         "f:7:17: delete.max without delete.enabled removes nothing; write delete.enabled: true "
         "(or false, to keep the limit for later)\n"},
        {SYNC "  delete: {max: 10%, enabled: 1}\n",
         "f:7:31: delete.enabled: expected true or false, not 1\n"},
        {SYNC "  retry: {backoff: 2s, maxBackoff: 1999ms}\n",
         "f:7:20: retry.backoff (2s) is above retry.maxBackoff (1999ms); the first wait cannot be "
         "longer than the longest\n"},
        {SYNC "  retry: {backoff: 10m}\n",
         "f:7:20: retry.backoff (10m) is above retry.maxBackoff (5m, its default); the first wait "
         "cannot be longer than the longest\n"},
        {SYNC "  retry: {maxBackoff: 10ms}\n",
         "f:7:23: retry.backoff (1s, its default) is above retry.maxBackoff (10ms); the first wait "
         "cannot be longer than the longest\n"},
        {SYNC "  retry: {backoff: 10m, maxBackoff: x}\n",
         "f:7:37: retry.maxBackoff: expected a duration from 1ms to 1d, such as 90s or 1h30m, not "
         "x\n"},
    };

    (void)state;
    all_have(cases, COUNT_OF(cases));
}

/* Goal: kinds that come later are known by all their fields, and refused in words.
 * Method: as above. */
static void later(void **state)
{
    static const char refusal[] =
        "f:2:7: LiveSynchronization is not in this version; write a Synchronization, and start it "
        "with `syncline run NAME`\n";
    static const struct fault_case cases[] = {
        {LIVE "  maxDelay: 1s\n  rescanInterval: 6h\n", refusal},
    };
    struct definitions read = {0};
    struct buf faults = {0};

    (void)state;
    all_have(cases, COUNT_OF(cases));
    read_text(LIVE "  maxDelay: 2d\n", strlen(LIVE "  maxDelay: 2d\n"), &read, &faults);
    assert_non_null(strstr(buf_text(&faults), refusal));
    assert_non_null(strstr(buf_text(&faults), "f:7:13: maxDelay: expected a duration"));
    definitions_release(&read);
    buf_release(&faults);
}

/* Goal: a name is defined once, over all files: one space for assets, one for all synchronizations.
 * Method: the same names again, in another file, and of another kind. */
static void twice(void **state)
{
    static const char first[] = ASSET "spec: {directory: {path: /x}}\n---\n" SYNC;
    static const char second[] =
        ASSET "spec: {directory: {path: /y}}\n---\n" HEAD("Asset", "s") "spec: {directory: {path: "
                                                                        "/z}}\n";
    struct definitions read = {0};
    struct buf faults = {0};
    struct err err;

    (void)state;
    assert_int_equal(definitions_read("1", first, strlen(first), &read, &faults, &err), 0);
    assert_int_equal(definitions_read("2", second, strlen(second), &read, &faults, &err), -1);
    assert_string_equal(buf_text(&faults),
                        "2:3:18: asset 'a' is defined twice; the first is in 1:3\n");
    assert_int_equal(read.count, 3);
    buf_clear(&faults);
    assert_int_equal(definitions_read("3", SYNC, strlen(SYNC), &read, &faults, &err), -1);
    assert_string_equal(buf_text(&faults),
                        "3:3:18: synchronization 's' is defined twice; the first is in 1:8\n");
    definitions_release(&read);
    buf_release(&faults);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good),     cmocka_unit_test(beside),  cmocka_unit_test(documents),
        cmocka_unit_test(metadata), cmocka_unit_test(unknown), cmocka_unit_test(values),
        cmocka_unit_test(later),    cmocka_unit_test(twice),   cmocka_unit_test(contradictions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
