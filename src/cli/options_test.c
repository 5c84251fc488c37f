/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/options.h"

struct values {
    bool block;
    bool wait;
    bool dashboard;
    const char *host;
    struct option_list names;
    int64_t port;
    double cpus;
};

static const struct option_row rows[] = {
    OPTION(0, "block", SWITCH, struct values, block, NULL, "stay"),
    OPTION(0, "wait", SWITCH, struct values, wait, NULL, "wait"),
    OPTION(0, "no-wait", SWITCH_OFF, struct values, wait, NULL, "do not wait"),
    OPTION(0, "include-dashboard", BOOL, struct values, dashboard, "BOOL", "page"),
    OPTION('H', "host", TEXT, struct values, host, "HOST", "where to listen"),
    OPTION('n', "name", LIST, struct values, names, "NAME", "a name"),
    OPTION('p', "port", INT, struct values, port, "PORT", "its port"),
    OPTION(0, "num-cpus", NUMBER, struct values, cpus, "N", "how many"),
    OPTION_IGNORED("log-style"),
    OPTION_IGNORED_SWITCH("no-monitor"),
};

static struct option_table table = {"t [OPTIONS]", "About.", rows, ARRAY_LEN(rows), false};

struct outcome {
    struct values v;
    struct option_list arguments;
    struct option_list unknown;
    struct err err;
    int r;
};

/* Words separated by single blanks. */
static void run(struct outcome *o, const char *line)
{
    static char copy[512];
    char *words[32];
    int n = 0;
    char *save = NULL;

    assert_true(strlen(line) < sizeof(copy));
    memcpy(copy, line, strlen(line) + 1);
    for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
        words[n++] = w;
    }
    *o = (struct outcome){.v = {.port = -1, .cpus = -1, .wait = true}};
    o->r = options_parse(&table, n, words, &o->v, &o->arguments, &o->unknown, &o->err);
}

static void done(struct outcome *o)
{
    option_list_deinit(&o->v.names);
    option_list_deinit(&o->arguments);
    option_list_deinit(&o->unknown);
}

static void test_values_may_follow_an_equals_sign_or_a_blank(void **state)
{
    struct outcome o;

    (void) state;
    run(&o, "--host=h --port 12 --num-cpus=0.5 --block --include-dashboard=False");
    assert_int_equal(o.r, 0);
    assert_string_equal(o.v.host, "h");
    assert_int_equal(o.v.port, 12);
    assert_true(o.v.cpus == 0.5);
    assert_true(o.v.block);
    assert_false(o.v.dashboard);
    done(&o);
}

static void test_letters_take_their_value_in_three_ways(void **state)
{
    struct outcome o;

    (void) state;
    run(&o, "-p 1 -H=x -na -n b");
    assert_int_equal(o.r, 0);
    assert_int_equal(o.v.port, 1);
    assert_int_equal(o.v.names.size, 2);
    assert_string_equal(o.v.names.items[0], "a");
    assert_string_equal(o.v.names.items[1], "b");
    assert_string_equal(o.v.host, "x");
    done(&o);
}

static void test_a_switch_and_its_opposite_share_a_field_and_the_later_wins(void **state)
{
    struct outcome o;

    (void) state;
    run(&o, "--no-wait");
    assert_false(o.v.wait);
    done(&o);
    run(&o, "--no-wait --wait");
    assert_true(o.v.wait);
    done(&o);
    run(&o, "--wait=false");
    assert_false(o.v.wait);
    done(&o);
}

static void test_arguments_keep_their_order_and_may_look_like_options_after_dashes(void **state)
{
    struct outcome o;

    (void) state;
    run(&o, "a --block b - -- --host");
    assert_int_equal(o.r, 0);
    assert_int_equal(o.arguments.size, 4);
    assert_string_equal(o.arguments.items[1], "b");
    assert_string_equal(o.arguments.items[2], "-");
    assert_string_equal(o.arguments.items[3], "--host");
    assert_null(o.v.host);
    done(&o);
}

static void test_bad_values_are_named(void **state)
{
    static const struct {
        const char *line;
        const char *text;
    } cases[] = {
        {"--port=x", "--port: 'x' is not an integer"},
        {"--port=", "--port: '' is not an integer"},
        {"--port=99999999999999999999", "--port: '99999999999999999999' is not an integer"},
        {"--num-cpus=1cpu", "--num-cpus: '1cpu' is not a number"},
        {"--include-dashboard=maybe", "--include-dashboard: 'maybe' is neither true nor false"},
        {"--host", "option --host needs a value"},
        {"--prot=1", "no such option: --prot=1 (did you mean --port?)"},
        {"--entirely-else", "no such option: --entirely-else"},
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct outcome o;

        run(&o, cases[i].line);
        assert_int_equal(o.r, -EINVAL);
        assert_string_equal(o.err.text, cases[i].text);
        done(&o);
    }
}

static void test_unknown_options_are_kept_with_the_word_after_them_skipped(void **state)
{
    struct outcome o;

    (void) state;
    table.accept_unknown = true;
    run(&o, "--future 7 --block --other=1 --last");
    table.accept_unknown = false;
    assert_int_equal(o.r, 0);
    assert_true(o.v.block);
    assert_int_equal(o.arguments.size, 0);
    assert_int_equal(o.unknown.size, 3);
    assert_string_equal(o.unknown.items[0], "--future");
    done(&o);
}

static void test_ignored_options_take_what_they_would_take(void **state)
{
    struct outcome o;

    (void) state;
    run(&o, "--log-style pretty --no-monitor arg");
    assert_int_equal(o.r, 0);
    assert_int_equal(o.arguments.size, 1);
    done(&o);
}

static void test_help_cancels_and_lists_every_option_that_is_not_hidden(void **state)
{
    struct outcome o;
    struct buf out;

    (void) state;
    run(&o, "--block --help");
    assert_int_equal(o.r, -ECANCELED);
    done(&o);
    buf_init(&out);
    options_print_help(&table, &out);
    assert_non_null(strstr(buf_cstr(&out), "-H, --host HOST"));
    assert_non_null(strstr(buf_cstr(&out), "where to listen"));
    assert_null(strstr(buf_cstr(&out), "log-style"));
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_may_follow_an_equals_sign_or_a_blank),
        cmocka_unit_test(test_letters_take_their_value_in_three_ways),
        cmocka_unit_test(test_a_switch_and_its_opposite_share_a_field_and_the_later_wins),
        cmocka_unit_test(test_arguments_keep_their_order_and_may_look_like_options_after_dashes),
        cmocka_unit_test(test_bad_values_are_named),
        cmocka_unit_test(test_unknown_options_are_kept_with_the_word_after_them_skipped),
        cmocka_unit_test(test_ignored_options_take_what_they_would_take),
        cmocka_unit_test(test_help_cancels_and_lists_every_option_that_is_not_hidden),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
