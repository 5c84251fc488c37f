/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>

#include "cli/start_options.h"

static int parse(struct start_options *o, const char *line)
{
    static char copy[1024];
    char *words[64];
    char *save = NULL;
    int n = 0;

    assert_true(snprintf(copy, sizeof(copy), "%s", line) < (int) sizeof(copy));
    for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
        words[n++] = w;
    }
    return start_options_parse(n, words, o);
}

/* The worked example of KubeRay's own unit tests, blanks as it writes them. */
static void test_what_kuberay_says_is_understood(void **state)
{
    struct start_options o;

    (void) state;
    assert_int_equal(
        parse(&o, "--head  --block  --dashboard-agent-listen-port=52365  --dashboard-host=0.0.0.0  "
                  "--memory=1073741824  --metrics-export-port=8080  --num-cpus=1  --no-monitor  "
                  "--redis-password=x  --object-store-memory 10  --include-log-monitor=false"),
        START_OPTIONS_OK);
    assert_true(o.head && o.block);
    assert_int_equal(o.agent_port, 52365);
    assert_string_equal(o.dashboard_host, "0.0.0.0");
    assert_int_equal(o.memory, 1073741824);
    assert_true(o.num_cpus == 1);
    assert_int_equal(o.port, -1);
}

static void test_flags_of_a_later_ray_do_not_stop_it(void **state)
{
    struct start_options o;

    (void) state;
    assert_int_equal(parse(&o, "--head --flag-of-2030 --other=1 --num-cpus=0"), START_OPTIONS_OK);
    assert_true(o.num_cpus == 0);
}

static void test_without_head_there_is_nothing_to_start(void **state)
{
    struct start_options o;

    (void) state;
    assert_int_equal(parse(&o, "--num-cpus=1"), 2);
    assert_int_equal(parse(&o, "--address=h:6379 --block"), 1);
    assert_int_equal(parse(&o, "--head stray"), 2);
    assert_int_equal(parse(&o, "--head --port=x"), 2);
}

static void test_quotes_that_bash_left_are_taken_off(void **state)
{
    static const char *const cases[][2] = {
        {"{\"TPU\":4}", "{\"TPU\":4}"},
        {"'{\"TPU\":4}'", "{\"TPU\":4}"},
        {"\"{\\\"a\\\": 2, \\\"b\\\": 3}\"", "{\"a\": 2, \"b\": 3}"},
        {"`x`", "x"},
        {"'", "'"},
        {"", ""},
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *text CLEANUP(mem_freep) = start_options_unquote(cases[i][0]);

        assert_string_equal(text, cases[i][1]);
    }
}

static void test_resources_are_one_object_of_numbers(void **state)
{
    struct start_options o;
    struct err err = {0};
    char *text = NULL;
    json_t *all;

    (void) state;
    assert_int_equal(parse(&o, "--head --num-cpus=2.5 --num-gpus=1 --memory=7 "
                               "--resources='{\"TPU\":4}'"),
                     START_OPTIONS_OK);
    assert_int_equal(start_options_resources(&o, "10.0.0.1", &text, &err), 0);
    all = json_loads(text, 0, NULL);
    assert_int_equal(json_object_size(all), 5);
    assert_true(json_number_value(json_object_get(all, "CPU")) == 2.5);
    assert_true(json_number_value(json_object_get(all, "GPU")) == 1);
    assert_true(json_number_value(json_object_get(all, "memory")) == 7);
    assert_true(json_number_value(json_object_get(all, "TPU")) == 4);
    assert_true(json_number_value(json_object_get(all, "node:10.0.0.1")) == 1);
    json_decref(all);
    free(text);
}

static void test_bad_resources_are_refused(void **state)
{
    static const char *const cases[][2] = {
        {"--head --resources={", "is not a JSON object"},
        {"--head --resources={\"a\":\"b\"}", "--resources: a is not a number that is 0 or more"},
        {"--head --resources={\"CPU\":1}", "use --num-cpus"},
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct start_options o;
        struct err err = {0};
        char *text = NULL;

        assert_int_equal(parse(&o, cases[i][0]), START_OPTIONS_OK);
        assert_int_equal(start_options_resources(&o, "::1", &text, &err), -EINVAL);
        assert_non_null(strstr(err.text, cases[i][1]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_kuberay_says_is_understood),
        cmocka_unit_test(test_flags_of_a_later_ray_do_not_stop_it),
        cmocka_unit_test(test_without_head_there_is_nothing_to_start),
        cmocka_unit_test(test_quotes_that_bash_left_are_taken_off),
        cmocka_unit_test(test_resources_are_one_object_of_numbers),
        cmocka_unit_test(test_bad_resources_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
