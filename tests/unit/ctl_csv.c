/* Goal: a report as CSV is read back by any program that knows RFC 4180.
 * Method: lines with what needs quotes, and what does not, as texts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/states.h"
#include "ctl/report.h"

static void expect(const struct report_line *line, const char *text)
{
    struct buf out = {0};

    report_csv_line(line, &out);
    assert_string_equal(buf_text(&out), text);
    buf_release(&out);
}

static void test_plain(void **state)
{
    (void)state;
    expect(&(struct report_line){.path = bytes_text("a/b c"),
                                 .operation = "put",
                                 .outcome = "moved",
                                 .bytes = 12,
                                 .hash = "sha256",
                                 .checksum = "00ff",
                                 .not_kept = 3},
           "a/b c,,put,moved,12,sha256:00ff,,,HardLinkNotKept XattrNotKept\r\n");
}

static void test_quotes(void **state)
{
    (void)state;
    expect(&(struct report_line){.path = bytes_text("a,\"b\"\n"),
                                 .operation = "put",
                                 .outcome = "failed",
                                 .error = "IoError: no, \"x\"",
                                 .note = "was\rthere"},
           "\"a,\"\"b\"\"\n\",,put,failed,0,,\"IoError: no, \"\"x\"\"\",\"was\rthere\",\r\n");
}

static void test_bytes(void **state)
{
    (void)state;
    expect(
        &(struct report_line){.path = bytes_text("\xff"), .operation = "put", .outcome = "moved"},
        ",/w==,put,moved,0,,,,\r\n");
}

static void test_header(void **state)
{
    struct buf out = {0};

    (void)state;
    report_csv_header(&out);
    assert_string_equal(buf_text(&out),
                        "path,pathBase64,operation,outcome,bytes,hash,error,note,notKept\r\n");
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_quotes),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_header),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
