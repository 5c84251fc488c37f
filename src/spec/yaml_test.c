/* SPDX-License-Identifier: Apache-2.0 */
#include "spec/yaml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "spec/vectors.h"

static json_t *parse(const char *text)
{
    struct err err = {0};
    json_t *out = NULL;

    if (yaml_parse(span_of(text), &out, NULL, &err) < 0) {
        fail_msg("%s: %s", text, err.text);
    }
    return out;
}

static void expect_error(const char *text, const char *expected)
{
    struct err err = {0};
    json_t *out = NULL;

    assert_int_equal(yaml_parse(span_of(text), &out, NULL, &err), -EINVAL);
    assert_null(out);
    assert_string_equal(err.text, expected);
}

static void check_vector(const json_t *vector)
{
    const char *text = json_string_value(json_object_get(vector, "in"));
    const json_t *expected = json_object_get(vector, "out");
    struct err err = {0};
    json_t *out = NULL;
    int r = yaml_parse(span_of(text), &out, NULL, &err);

    if ((r == 0) != (expected != NULL)) {
        fail_msg("'%s' gives %d (%s)", text, r, err.text);
    }
    if (expected && !json_equal(out, expected)) {
        char *got = json_dumps(out, JSON_ENCODE_ANY);

        fail_msg("'%s' gives %s", text, got);
    }
    json_decref(out);
}

static void test_texts_mean_what_they_mean_to_pyyaml(void **state)
{
    (void) state;
    assert_true(for_each_vector("yaml.jsonl", check_vector) > 150);
}

static void test_errors_name_line_and_column(void **state)
{
    (void) state;
    expect_error("a: 1\nb: *nope\n",
                 "line 2, column 4: there is no anchor &nope before this alias");
    expect_error("a: !foo 1\n", "line 1, column 4: the tag !foo is not known here");
    expect_error("a: .inf\n", "line 1, column 4: not a number that JSON can hold");
    expect_error("a: 9223372036854775808\n", "line 1, column 4: not a number that JSON can hold");
    expect_error("a: b: c\n", "line 1, column 5: mapping values are not allowed in this context");
    expect_error("--- 1\n--- 2\n", "line 2, column 1: a second document; there may be only one");
    expect_error("? [a]\n: b\n", "line 1, column 3: a key must be a word, not a list or a mapping");
    expect_error("a: \"\\0\"\n", "line 1, column 4: a string with a NUL byte");
}

static struct yaml_place place_of(const struct yaml_places *places, const char *path)
{
    struct yaml_place place = {0};

    assert_true(yaml_places_find(places, path, &place));
    return place;
}

static void test_every_value_has_its_place(void **state)
{
    struct yaml_places *places = yaml_places_new();
    const char *text = "a: 1\napps:\n- name: x\n  n: 2\n- name: y\n";
    struct err err = {0};
    json_t *out = NULL;

    (void) state;
    assert_int_equal(yaml_parse(span_of(text), &out, places, &err), 0);
    assert_int_equal(place_of(places, "apps[0].n").line, 4);
    assert_int_equal(place_of(places, "apps[0].n").column, 3);
    assert_int_equal(place_of(places, "apps[1]").line, 5);
    assert_int_equal(place_of(places, "apps[1].missing").line, 5);
    assert_int_equal(place_of(places, "apps[1].missing.more").column, 3);
    assert_int_equal(place_of(places, "unknown").line, 1);
    json_decref(out);
    yaml_places_free(places);
}

static void test_depth_and_alias_expansion_are_bounded(void **state)
{
    struct buf b;
    struct err err = {0};
    json_t *out = NULL;

    (void) state;
    buf_init(&b);
    for (int i = 0; i < 200; i++) {
        buf_put_char(&b, '[');
    }
    assert_int_equal(yaml_parse(buf_span(&b), &out, NULL, &err), -EINVAL);
    assert_non_null(strstr(err.text, "nested too deep"));
    buf_clear(&b);
    buf_put_str(&b, "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for (int i = 1; i < 12; i++) {
        buf_printf(&b, "a%d: &a%d [", i, i);
        for (int k = 0; k < 10; k++) {
            buf_printf(&b, "%s*a%d", k > 0 ? ", " : "", i - 1);
        }
        buf_put_str(&b, "]\n");
    }
    assert_int_equal(yaml_parse(buf_span(&b), &out, NULL, &err), -EINVAL);
    assert_non_null(strstr(err.text, "the document is too large"));
    buf_deinit(&b);
}

/* Writes what 'text' says, expects 'expected', and reads it back. */
static void expect_written(const char *text, const char *expected)
{
    json_t *value = parse(text);
    json_t *again;
    struct buf b;

    buf_init(&b);
    yaml_write(value, 0, &b);
    assert_string_equal(buf_cstr(&b), expected);
    again = parse(buf_cstr(&b));
    assert_true(json_equal(value, again));
    json_decref(value);
    json_decref(again);
    buf_deinit(&b);
}

static void test_documents_are_written_as_pyyaml_lays_them_out(void **state)
{
    (void) state;
    expect_written("{a: 1, b: {c: [1, {d: 2, e: 3}, [4, 5]], f: {}}, g: [], h: null, i: true}",
                   "a: 1\nb:\n  c:\n  - 1\n  - d: 2\n    e: 3\n  - - 4\n    - 5\n  f: {}\ng: []\n"
                   "h: null\ni: true\n");
    expect_written("{a: 1.0, b: 0.1, c: 1.0e+16, d: 1.5e-07, e: 1694041157.2211847}",
                   "a: 1.0\nb: 0.1\nc: 1.0e+16\nd: 1.5e-07\ne: 1694041157.2211847\n");
    expect_written("[[], {}, '']", "- []\n- {}\n- ''\n");
    expect_written("{}", "{}\n");
    expect_written("hello", "hello\n");
}

static void test_strings_that_look_like_something_else_are_quoted(void **state)
{
    (void) state;
    expect_written("[\"yes\", \"1\", \"1.5\", \"null\", \"~\", \"\", \"0x10\", \"1:30\"]",
                   "- 'yes'\n- '1'\n- '1.5'\n- 'null'\n- '~'\n- ''\n- '0x10'\n- '1:30'\n");
    expect_written(
        "[\"a: b\", \"a #b\", \"#a\", \"- a\", \"@a\", \"a:\", \" a\", \"a \", \"it's\"]",
        "- 'a: b'\n- 'a #b'\n- '#a'\n- '- a'\n- '@a'\n- 'a:'\n- ' a'\n- 'a '\n- it's\n");
    expect_written("[\"2024-01-01\", \"=\", \"1.2.3\", \"a:b\", \"a#b\", \"-a\", \"1e5\"]",
                   "- '2024-01-01'\n- '='\n- 1.2.3\n- a:b\n- a#b\n- -a\n- 1e5\n");
    expect_written("{\"yes\": 1, \"a b\": 2, \"a: b\": 3}", "'yes': 1\na b: 2\n'a: b': 3\n");
    expect_written("[\"tab\\there\", \"\\e[0m\", \"\\\"\"]",
                   "- \"tab\\there\"\n- \"\\x1B[0m\"\n- '\"'\n");
}

static void test_lines_of_text_are_written_as_lines(void **state)
{
    (void) state;
    expect_written("{m: \"one\\n  two\\n\\nthree\", n: \"x\\ny\\n\"}",
                   "m: |-\n  one\n    two\n\n  three\nn: |\n  x\n  y\n");
    expect_written("[\"a\\nb\"]", "- |-\n  a\n  b\n");
    expect_written("{m: \" a\\nb\"}", "m: \" a\\nb\"\n");
    expect_written("{m: \"a \\nb\"}", "m: \"a \\nb\"\n");
    expect_written("{m: \"a\\n\\n\"}", "m: \"a\\n\\n\"\n");
}

static void test_json_errors_name_line_and_column(void **state)
{
    struct err err = {0};
    json_t *out = NULL;

    (void) state;
    assert_int_equal(json_parse(span_of("{\"a\": 1,\n \"b\" 2}"), &out, &err), -EINVAL);
    assert_null(out);
    assert_non_null(strstr(err.text, "line 2, column "));
    assert_int_equal(json_parse(span_of("[1, 2]"), &out, &err), 0);
    assert_int_equal(json_array_size(out), 2);
    json_decref(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts_mean_what_they_mean_to_pyyaml),
        cmocka_unit_test(test_errors_name_line_and_column),
        cmocka_unit_test(test_every_value_has_its_place),
        cmocka_unit_test(test_depth_and_alias_expansion_are_bounded),
        cmocka_unit_test(test_documents_are_written_as_pyyaml_lays_them_out),
        cmocka_unit_test(test_strings_that_look_like_something_else_are_quoted),
        cmocka_unit_test(test_lines_of_text_are_written_as_lines),
        cmocka_unit_test(test_json_errors_name_line_and_column),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
