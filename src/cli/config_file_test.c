/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/config_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static char path[] = "/tmp/config_file_test.XXXXXX";

static void write_file(const char *text)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

/* What is printed to stderr while the file is read; the caller frees it. */
static char *read_and_listen(json_t **ret)
{
    char *said = NULL;
    size_t size = 0;
    FILE *real = stderr;
    FILE *memory = open_memstream(&said, &size);

    assert_non_null(memory);
    stderr = memory;
    *ret = config_file_read(path);
    stderr = real;
    assert_int_equal(fclose(memory), 0);
    return said;
}

static void expect_said(const char *text, bool is_good, const char *expected)
{
    json_t *document = NULL;
    char *said;
    char *whole;

    write_file(text);
    said = read_and_listen(&document);
    whole = mem_printf("%s:%s\n", path, expected);
    assert_string_equal(said, expected[0] != '\0' ? whole : "");
    assert_int_equal(document != NULL, is_good);
    json_decref(document);
    free(whole);
    free(said);
}

static void test_problems_in_a_file_name_line_and_column(void **state)
{
    (void) state;
    expect_said("applications:\n- import_path: m:a\n", true, "");
    expect_said("applications:\n- import_path: m:a\n  args: 3\n", false,
                "3:3: applications[0].args: value is not a valid dict");
    expect_said("applications:\n- import_path: m:a\n  arg: {}\n", true,
                "3:3: warning: applications[0].arg: unknown key, ignored; did you mean args?");
    expect_said("applications:\n- name: a\n", false,
                "2:3: applications[0].import_path: field required");
    expect_said("a: b: c\n", false,
                " line 1, column 5: mapping values are not allowed in this context");
    expect_said("# nothing\n", false, " the file is empty; it needs a list named applications");
}

static json_t *from_import(const char *const *words, size_t n, const struct import_options *o)
{
    struct err err = {0};
    json_t *document = NULL;

    if (config_from_import("m:a", words, n, o, &document, &err) < 0) {
        fail_msg("%s", err.text);
    }
    return document;
}

static void test_an_import_path_becomes_a_document_with_its_words(void **state)
{
    const char *const words[] = {"a=1", "b=x=y"};
    const struct import_options o = {.name = "n", .runtime_env_json = "{\"env_vars\": {}}"};
    json_t *document = from_import(words, ARRAY_LEN(words), &o);
    json_t *app = json_array_get(json_object_get(document, "applications"), 0);

    (void) state;
    assert_string_equal(json_string_value(json_object_get(app, "name")), "n");
    assert_string_equal(json_string_value(json_object_get(json_object_get(app, "args"), "b")),
                        "x=y");
    assert_non_null(json_object_get(json_object_get(app, "runtime_env"), "env_vars"));
    json_decref(document);
}

static void expect_refused(const char *word, const struct import_options *o, const char *expected)
{
    struct err err = {0};
    json_t *document = NULL;

    assert_int_equal(config_from_import("m:a", &word, word ? 1 : 0, o, &document, &err), -EINVAL);
    assert_null(document);
    assert_string_equal(err.text, expected);
}

static void test_bad_words_and_environments_are_refused(void **state)
{
    (void) state;
    expect_refused("x", &(struct import_options){0},
                   "Invalid key-value pair 'x' provided. Application arguments must be of the form "
                   "'<key>=<val>'.");
    expect_refused(NULL, &(struct import_options){.runtime_env = "f", .runtime_env_json = "{}"},
                   "Only one of --runtime-env and --runtime-env-json can be provided.");
    expect_refused(NULL, &(struct import_options){.working_dir = "/tmp"},
                   "applications[0].runtime_env: runtime_envs in the Serve config support only "
                   "remote URIs in working_dir and py_modules. Got error when parsing URI: "
                   "Expected URI but received path /tmp");
    expect_refused(NULL, &(struct import_options){.runtime_env_json = "[1]"},
                   "a runtime environment must be a mapping");
}

static int setup(void **state)
{
    (void) state;
    return close(mkstemp(path));
}

static int teardown(void **state)
{
    (void) state;
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_problems_in_a_file_name_line_and_column),
        cmocka_unit_test(test_an_import_path_becomes_a_document_with_its_words),
        cmocka_unit_test(test_bad_words_and_environments_are_refused),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
