/* conf_fixture.h: definitions that are read from a text named "f", and their faults, each a line.
 *
 * Checks are cmocka's: a helper that fails ends its test. */
#ifndef SYNCLINE_TESTS_CONF_FIXTURE_H
#define SYNCLINE_TESTS_CONF_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "conf/conf.h"

#define FIXTURE_UNUSED __attribute__((unused))

#define HEAD(kind, name) "apiVersion: syncline/v1\nkind: " kind "\nmetadata: {name: " name "}\n"
#define ASSET HEAD("Asset", "a")
#define SYNC HEAD("Synchronization", "s") "spec:\n  source: a\n  destination: b\n"
#define LIVE HEAD("LiveSynchronization", "l") "spec:\n  source: a\n  destination: b\n"
#define DIRECTORY(text) ASSET "spec: {directory: " text "}"
#define NAMES "1 to 63 of a-z, 0-9 and -, with letters or digits at both ends\n"

/* Refused is what has faults, and the error counts them. */
FIXTURE_UNUSED static void read_text(const char *text, size_t size, struct definitions *out,
                                     struct buf *faults)
{
    struct err err = {0};
    char wanted[64];
    u32 count = 0;

    if (definitions_read("f", text, size, out, faults, &err) == 0) {
        assert_int_equal(faults->size, 0);
        return;
    }
    assert_int_equal(err.code, ERR_Configuration);
    for (const char *at = buf_text(faults); (at = strchr(at, '\n')); at++)
        count++;
    snprintf(wanted, sizeof wanted, "%u fault%s in the definitions of f", count,
             count == 1 ? "" : "s");
    assert_string_equal(err.text, wanted);
}

/* The one definition of `text`. */
FIXTURE_UNUSED static void reads(const char *text, struct definitions *out)
{
    struct buf faults = {0};

    *out = (struct definitions){0};
    read_text(text, strlen(text), out, &faults);
    if (faults.size > 0 || out->count != 1)
        fail_msg("%s%s", text, buf_text(&faults));
    buf_release(&faults);
}

FIXTURE_UNUSED static void spec_is(const char *text, const char *json)
{
    json_t *wanted = json_loads(json, 0, NULL);
    struct definitions read;

    assert_non_null(wanted);
    reads(text, &read);
    if (!json_equal(read.items[0].spec, wanted)) {
        char *got = json_dumps(read.items[0].spec, 0);

        fail_msg("%s is read as %s", text, got);
    }
    json_decref(wanted);
    definitions_release(&read);
}

/* All of its faults, each a line. */
FIXTURE_UNUSED static void faults_are(const char *text, size_t size, const char *wanted)
{
    struct definitions read = {0};
    struct buf faults = {0};

    read_text(text, size, &read, &faults);
    if (strcmp(buf_text(&faults), wanted) != 0)
        fail_msg("%s\nhas the faults\n%snot\n%s", text, buf_text(&faults), wanted);
    assert_int_equal(read.count, 0);
    definitions_release(&read);
    buf_release(&faults);
}

struct fault_case {
    const char *text, *faults;
};

FIXTURE_UNUSED static void all_have(const struct fault_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++)
        faults_are(cases[i].text, strlen(cases[i].text), cases[i].faults);
}

#endif
