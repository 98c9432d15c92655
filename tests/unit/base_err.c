/* base_err.c: errors as callers see them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/err.h"

#include <errno.h>

static int fails(struct err *err)
{
    return err_set(err, ERR_NoSpace, "writing %s", "a/b");
}

/* Goal: setting, adding context and clearing.
 * Method: the texts, and -1 from each. */
static void sets_and_adds_context(void **state)
{
    struct err err = {.sys_errno = 5};

    (void)state;
    assert_int_equal(fails(&err), -1);
    assert_int_equal(err.code, ERR_NoSpace);
    assert_int_equal(err.sys_errno, 0);
    assert_string_equal(err.text, "writing a/b");
    assert_int_equal(err_context(&err, "item %d", 3), -1);
    assert_string_equal(err.text, "item 3: writing a/b");
    assert_int_equal(err.code, ERR_NoSpace);
    err_clear(&err);
    assert_int_equal(err.code, ERR_Ok);
    assert_string_equal(err.text, "");
}

/* Goal: an errno becomes a code and its words.
 * Method: a known one, and one that has no code of its own. */
static void takes_errno(void **state)
{
    struct err err;

    (void)state;
    assert_int_equal(err_errno(&err, ENOENT, "opening x"), -1);
    assert_int_equal(err.code, ERR_NotFound);
    assert_int_equal(err.sys_errno, ENOENT);
    assert_string_equal(err.text, "opening x: No such file or directory");
    assert_int_equal(err_code_of_errno(EDQUOT), ERR_QuotaExceeded);
    assert_int_equal(err_code_of_errno(EPIPE), ERR_IoError);
}

/* Goal: long texts are cut, never overrun.
 * Method: texts and contexts longer than the field. */
static void cuts_long_texts(void **state)
{
    char text[2 * ERR_TEXT_SIZE];
    struct err err;

    (void)state;
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    err_set(&err, ERR_IoError, "%s", text);
    assert_int_equal(strlen(err.text), ERR_TEXT_SIZE - 1);
    err_context(&err, "%s", text);
    assert_int_equal(strlen(err.text), ERR_TEXT_SIZE - 1);
    err_errno(&err, ENOSPC, "%s", text);
    assert_int_equal(strlen(err.text), ERR_TEXT_SIZE - 1);
}

/* Goal: every code has a name, words and a disposition; numbers are not used twice.
 * Method: the list itself; numbers that are not in it. */
static void names_every_code(void **state)
{
    static const u32 numbers[] = {
#define ERROR(name, number, disposition, text) number,
#include "schema/errors.def"
#undef ERROR
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        assert_int_equal(err_code_by_name(err_name(numbers[i])), numbers[i]);
        assert_true(strlen(err_describe(numbers[i])) > 0);
        for (size_t j = 0; j < i; j++)
            assert_int_not_equal(numbers[i], numbers[j]);
    }
    assert_string_equal(err_name(ERR_Mismatch), "Mismatch");
    assert_int_equal(err_disposition_of(ERR_Revoked), DISPOSITION_GIVE_BACK);
    assert_string_equal(err_name(4000000000u), "Unknown");
    assert_int_equal(err_disposition_of(4000000000u), DISPOSITION_BUG);
    assert_int_equal(err_code_by_name("NoSuchCode"), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sets_and_adds_context),
        cmocka_unit_test(takes_errno),
        cmocka_unit_test(cuts_long_texts),
        cmocka_unit_test(names_every_code),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
