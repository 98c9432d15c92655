/* conf_select.c: selectors of labels. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conf/conf.h"

#include <stdlib.h>

/* Goal: a selector holds where that of kubectl does.
 * Method: a table of selectors against the same labels. */
static void holds(void **state)
{
    static const struct {
        const char *selector;
        bool holds;
    } cases[] = {
        {"", true},
        {"  ", true},
        {"team=media", true},
        {"team==media", true},
        {" team = media ", true},
        {"team=gold", false},
        {"none=media", false},
        {"team!=media", false},
        {"team!=gold", true},
        {"none!=media", true},
        {"empty=", true},
        {"empty!=", false},
        {"team=", false},
        {"none=", false},
        {"team in (media)", true},
        {"team in (gold, media)", true},
        {"team in (gold,silver)", false},
        {"team in(media)", true},
        {"empty in (a,)", true},
        {"none in (a)", false},
        {"team notin (gold)", true},
        {"team notin (gold,media)", false},
        {"none notin (a)", true},
        {"team", true},
        {"empty", true},
        {"none", false},
        {"!team", false},
        {"!none", true},
        {"! none", true},
        {"example.org/v=1.2", true},
        {"in=out", true}, /* a label may be called so */
        {"in in (out)", true},
        {"in", true},
        {"team=media,example.org/v", true},
        {"team=media,none", false},
        {"team=gold,example.org/v", false},
        {"team in (media, gold),!none , empty=,in!=x", true},
    };
    json_t *labels = json_loads("{\"team\":\"media\",\"empty\":\"\",\"example.org/v\":\"1.2\","
                                "\"in\":\"out\"}",
                                0, NULL);

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct selector *selector;
        struct err err;

        if (selector_parse(cases[i].selector, &selector, &err) < 0)
            fail_msg("%s: %s", cases[i].selector, err.text);
        if (selector_matches(selector, labels) != cases[i].holds)
            fail_msg("\"%s\" %s", cases[i].selector, cases[i].holds ? "does not hold" : "holds");
        selector_destroy(&selector);
        assert_null(selector);
    }
    json_decref(labels);
}

/* Goal: no selector holds for everything, and nothing has no labels.
 * Method: NULL for each. */
static void nothing(void **state)
{
    struct selector *selector = NULL;
    struct err err;

    (void)state;
    assert_true(selector_matches(NULL, NULL));
    selector_destroy(&selector);
    assert_int_equal(selector_parse("a", &selector, &err), 0);
    assert_false(selector_matches(selector, NULL));
    selector_destroy(&selector);
    assert_int_equal(selector_parse("!a,b!=c", &selector, &err), 0);
    assert_true(selector_matches(selector, NULL));
    selector_destroy(&selector);
}

/* Goal: what is no selector is refused with its place and what is wanted there.
 * Method: a table. */
static void refuses(void **state)
{
    static const struct {
        const char *selector, *text;
    } cases[] = {
        {",", "selector \",\", at \",\": expected the key of a label"},
        {"a,", "selector \"a,\" ends where it should have the key of a label"},
        {"=a", "selector \"=a\", at \"=a\": expected the key of a label"},
        {"!", "selector \"!\" ends where it should have the key"},
        {"!!a", "selector \"!!a\", at \"!a\": expected the key"},
        {"!a=b", "selector \"!a=b\", at \"=b\": expected a comma"},
        {"-a", "selector \"-a\", at \"-a\": expected the key"},
        {"a b", "selector \"a b\", at \"b\": expected =, !=, in, notin or a comma"},
        {"a=b c", "selector \"a=b c\", at \"c\": expected a comma"},
        {"a=b=c", "selector \"a=b=c\", at \"=c\": expected a comma"},
        {"a=-b", "selector \"a=-b\", at \"-b\": expected the value of a label"},
        {"a in", "selector \"a in\" ends where it should have values in ()"},
        {"a in b", "selector \"a in b\", at \"b\": expected values in ()"},
        {"a in (b", "selector \"a in (b\" ends where it should have a comma or )"},
        {"a in (b c)", "selector \"a in (b c)\", at \"c)\": expected a comma or )"},
        {"a in (-b)", "selector \"a in (-b)\", at \"-b)\": expected the value"},
        {"a notin (b),", "selector \"a notin (b),\" ends where it should have the key"},
        {"a)", "selector \"a)\", at \")\": expected =, !=, in, notin or a comma"},
        {"a>1", "selector \"a>1\", at \"a>1\": expected the key"},
        {"a\n", "selector \"a\\n\", at \"a\\n\": expected the key"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct selector *selector = NULL;
        struct err err;

        assert_int_equal(selector_parse(cases[i].selector, &selector, &err), -1);
        assert_null(selector);
        assert_int_equal(err.code, ERR_Usage);
        if (strncmp(err.text, cases[i].text, strlen(cases[i].text)) != 0)
            fail_msg("%s: %s", cases[i].selector, err.text);
    }
}

/* Goal: a selector has an end.
 * Method: one that is a byte too long. */
static void bounds(void **state)
{
    struct selector *selector;
    char text[4098];
    struct err err;

    (void)state;
    memset(text, 'a', sizeof text);
    for (size_t i = 1; i < sizeof text; i += 2)
        text[i] = ',';
    text[4095] = '\0';
    assert_int_equal(selector_parse(text, &selector, &err), 0);
    selector_destroy(&selector);
    text[4095] = ',';
    text[4097] = '\0';
    assert_int_equal(selector_parse(text, &selector, &err), -1);
    assert_string_equal(err.text, "a selector of more than 4096 bytes");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(holds),
        cmocka_unit_test(nothing),
        cmocka_unit_test(refuses),
        cmocka_unit_test(bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
