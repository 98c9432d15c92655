/* conf_documents.c: the text that definitions are cut from: ways to write YAML, what of it is not
 * read, several documents, and what is too much. */
#include "conf_fixture.h"

/* Goal: the ways in which editors and programs write files are all read.
 * Method: a mark of byte order, other ends of lines, JSON with tabs, directives, comments. */
static void styles(void **state)
{
    static const char *const texts[] = {
        "\xef\xbb\xbf" ASSET "spec: {directory: {path: /x}}\n",
        "apiVersion: syncline/v1\r\nkind: Asset\r\nmetadata:\r\n  name: a\r\nspec:\r\n"
        "  directory:\r\n    path: /x\r\n",
        "# first\n\n---\n" ASSET "spec: {directory: {path: /x}}\n...\n",
        "%YAML 1.2\n---\n" ASSET "spec: {directory: {path: /x}}\n",
        "{\"apiVersion\":\"syncline/v1\",\"kind\":\"Asset\",\n\t\"metadata\":{\"name\":\"a\"},\n"
        "\t\"spec\":{\"directory\":{\"path\":\"\\/\\u0078\"}}}\n",
        "---\n---\n--- # nothing\n---\n~\n---\nnull\n--- \n" ASSET
        "spec: {directory: {path: /x}}\n---\n",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        spec_is(texts[i], "{\"directory\": {\"path\": \"/x\"}}");
}

/* Goal: what YAML can do and definitions do not need is refused in words.
 * Method: as above. */
static void yaml(void **state)
{
    static const struct fault_case cases[] = {
        {DIRECTORY("{path: &p /x}"),
         "f:4:26: an anchor (&p): anchors and aliases are not read here; write each value out\n"},
        {DIRECTORY("&d {path: /x}"),
         "f:4:19: an anchor (&d): anchors and aliases are not read here; write each value out\n"},
        {DIRECTORY("*d"), "f:4:19: an alias (*d): anchors and aliases are not read here; write the "
                          "value out, or put a text that begins with * in quotes\n"},
        {DIRECTORY("{path: !!str /x}"), "f:4:26: a tag (tag:yaml.org,2002:str): tags are not read "
                                        "here; leave it out, and put a text in quotes\n"},
        {DIRECTORY("{path: /x, path: /y}"),
         "f:4:30: 'path' is given twice; the first is in line 4\n"},
        {DIRECTORY("{path: /x, [a]: b}"), "f:4:30: a key that is no text; write `name: value`\n"},
        {DIRECTORY("{path: \"/x\\0y\"}"),
         "f:4:26: a text with a zero byte in it; leave that out\n"},
        {ASSET "spec:\n\tdirectory: {path: /x}\n",
         "f:5:1: a tab where only spaces may stand; indent with spaces\n"},
        {DIRECTORY("{path: @x}"), "f:4:26: no YAML: found character that cannot start any token, "
                                  "while scanning for the next token that begins in line 4; put "
                                  "the text in quotes\n"},
        {SYNC "  filters: [**/a]\n",
         "f:7:14: no YAML: did not find expected alphabetic or numeric character, while scanning "
         "an alias that begins in line 7; put a text that begins with * in quotes\n"},
        {"a: b: c\n", "f:1:5: no YAML: mapping values are not allowed in this context; put a text "
                      "with a colon in quotes\n"},
        {"a: [\n", "f:2:1: no YAML: did not find expected node content, while parsing a flow node "
                   "that begins in line 2\n"},
        {"a: \"\\ud83d\\ude00\"\n",
         "f:1:7: no YAML: found invalid Unicode character escape code, while parsing a quoted "
         "scalar that begins in line 1; write the character itself, or \\U and eight digits\n"},
        {"a: \x01\n", "f:1:4: no YAML: control characters are not allowed\n"},
        {"\xc3\xa4: \xff\n", "f:1:4: not UTF-8; save the file as UTF-8\n"},
        {"a: \xc3\xa4\n\xc3\xa4: \xc3(\n", "f:2:4: not UTF-8; save the file as UTF-8\n"},
        {"a: [[[[[[[[[[[[[[[[[[[[", "f:1:19: more than 16 levels below each other\n"},
    };

    (void)state;
    all_have(cases, COUNT_OF(cases));
    faults_are("a\0b", 3, "f:1:2: no YAML: control characters are not allowed\n");
}

/* Goal: what is too much is refused without being held in memory, and quickly.
 * Method: files of the largest size and beyond, of the kinds that cost most. */
static void bounds(void **state)
{
    static const struct {
        const char *head, *again;
        const char *fault; /* the first; "" = none */
    } cases[] = {
        {"", "---\n", ""},
        {"", "[", "f:1:17: more than 16 levels below each other\n"},
        {"", "{a: ", "f:1:62: more than 16 levels below each other\n"},
        {"[", "a,", "f:1:40000: more than 20000 values in one document\n"},
        {"a: ", "x", "f:1:1: unknown field 'a' in the document\n"},
        {"", "a\n---\n", "f:1:1: the document: expected an object"},
        {"", "- &a x\n", "f:1:3: an anchor (&a): "},
    };
    struct buf text = {0}, faults = {0};
    struct definitions read = {0};
    struct err err;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        size_t size = strlen(cases[i].again);

        buf_clear(&text);
        buf_clear(&faults);
        buf_append_text(&text, cases[i].head);
        while (text.size + size <= (2u << 20))
            buf_append_text(&text, cases[i].again);
        definitions_read("f", (const char *)text.data, text.size, &read, &faults, &err);
        if (strncmp(buf_text(&faults), cases[i].fault, strlen(cases[i].fault)) != 0)
            fail_msg("%s: %.300s", cases[i].again, buf_text(&faults));
        assert_true(faults.size < 1 << 20);
        assert_int_equal(read.count, 0);
    }
    buf_clear(&faults);
    buf_reserve(&text, DEFINITIONS_BYTES_MAX);
    assert_int_equal(definitions_read("f", (const char *)text.data, DEFINITIONS_BYTES_MAX + 1,
                                      &read, &faults, &err),
                     -1);
    assert_string_equal(buf_text(&faults), "f:1:1: more than 16 MiB in one file\n");
    definitions_release(&read);
    buf_release(&text);
    buf_release(&faults);
}

/* Goal: many fields, labels and faults have an end, which is said.
 * Method: one more than there may be. */
static void many(void **state)
{
    struct buf text = {0}, faults = {0};
    struct definitions read = {0};
    struct err err;

    (void)state;
    for (u32 i = 0; i < 257; i++)
        buf_printf(&text, "k%u: v\n", i);
    faults_are(buf_text(&text), text.size, "f:257:1: more than 256 fields in one object\n");
    buf_clear(&text);
    buf_append_text(&text, "apiVersion: syncline/v1\nkind: Asset\nspec: {directory: {path: /x}}\n"
                           "metadata:\n  name: a\n  labels:\n");
    for (u32 i = 0; i < 65; i++)
        buf_printf(&text, "    k%u: v\n", i);
    faults_are(buf_text(&text), text.size, "f:7:5: more than 64 labels\n");
    buf_clear(&text);
    for (u32 i = 0; i < 1003; i++)
        buf_append_text(&text, "--- x\n");
    assert_int_equal(definitions_read("f", buf_text(&text), text.size, &read, &faults, &err), -1);
    assert_string_equal(err.text, "1003 faults in the definitions of f");
    assert_non_null(strstr(buf_text(&faults), "f:1000:5: "));
    assert_null(strstr(buf_text(&faults), "f:1001:5: "));
    assert_non_null(strstr(buf_text(&faults), "f: 3 more faults are not shown\n"));
    definitions_release(&read);
    buf_release(&text);
    buf_release(&faults);
}

/* Goal: one fault does not hide the others, nor the documents that have none.
 * Method: good ones between bad ones, one of them no YAML at all. */
static void all_faults(void **state)
{
    static const char text[] = "a: b: c\n---\n" ASSET "spec: {directory: {path: /x}}\n---\n"
                               "kind: Asset\nmetadata: {name: B}\nspec: {directory: {path: 3}}\n"
                               "---\n" HEAD("Asset", "c") "spec: {directory: {path: /x}}\n...\n"
                                                          "--- [\n";
    struct definitions read = {0};
    struct buf faults = {0};

    (void)state;
    read_text(text, strlen(text), &read, &faults);
    assert_string_equal(
        buf_text(&faults),
        "f:1:5: no YAML: mapping values are not allowed in this context; put a text with a colon "
        "in quotes\n"
        "f:8:1: apiVersion is missing; write apiVersion: syncline/v1\n"
        "f:9:18: 'B' is no name: a name has " NAMES
        "f:10:26: directory.path: expected a text, and 3 is a number in YAML; put it in quotes: "
        "\"3\"\n"
        "f:18:1: no YAML: did not find expected node content, while parsing a flow node that "
        "begins in line 18\n");
    assert_int_equal(read.count, 2);
    assert_string_equal(read.items[0].name, "a");
    assert_string_equal(read.items[1].name, "c");
    definitions_release(&read);
    buf_release(&faults);
}

/* Goal: JSON of programs that write ASCII only is read, with its lines, and nothing but JSON is
 * taken for it.
 * Method: pairs of escapes, one behind a backslash that is a text, in JSON and in YAML that looks
 * like it; a fault behind them. */
static void pairs(void **state)
{
#define JSON_ASSET                                                                                 \
    "{\"apiVersion\": \"syncline/v1\", \"kind\": \"Asset\", \"metadata\": {\"name\": \"a\"},\n"
    static const struct fault_case cases[] = {
        {JSON_ASSET "\"spec\": {\"directory\": {\"path\": \"/\\ud83d\\ude00\",\n\"x\": 1}}}",
         "f:3:1: unknown field 'x' in spec.directory; known here: path, create\n"},
        {JSON_ASSET "\"spec\": {\"directory\": {\"path\": \"/\\ude00\\ud83d\"}}}",
         "f:2:36: no YAML: found invalid Unicode character escape code, while parsing a quoted "
         "scalar that begins in line 2; write the character itself, or \\U and eight digits\n"},
    };

    (void)state;
    spec_is(JSON_ASSET
            "\"spec\": {\"directory\": {\"path\": \"/\\uD83D\\uDE00\\u00e4/\\\\ud83d\\\\ude00\"}}}",
            "{\"directory\": {\"path\": \"/\xf0\x9f\x98\x80\xc3\xa4/\\\\ud83d\\\\ude00\"}}");
    spec_is("{apiVersion: syncline/v1, kind: Asset, metadata: {name: a},\n"
            "spec: {directory: {path: '/\\ud83d\\ude00'}}}",
            "{\"directory\": {\"path\": \"/\\\\ud83d\\\\ude00\"}}");
    all_have(cases, COUNT_OF(cases));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(styles),     cmocka_unit_test(pairs),  cmocka_unit_test(yaml),
        cmocka_unit_test(all_faults), cmocka_unit_test(bounds), cmocka_unit_test(many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
