/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/routes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const char *app_of(const struct routes *r, const char *path)
{
    const struct route *found = routes_find(r, span_of(path));

    return found ? found->app : "none";
}

static void the_longest_prefix_that_ends_at_a_slash_wins(void **state)
{
    static const struct route rows[] = {
        {"/a", "a", "a#D"}, {"/", "root", "root#D"}, {"/a/b", "ab", "ab#D"}};
    static const char *const vectors[][2] = {
        {"/a", "a"},    {"/a/", "a"},    {"/a/c", "a"},    {"/a/bc", "a"},
        {"/a/b", "ab"}, {"/a/b/", "ab"}, {"/a/b/c", "ab"}, {"/ab", "root"},
        {"/x", "root"}, {"/", "root"},   {"/A", "root"},   {"/a//b", "a"},
    };
    struct routes *r = routes_new(rows, ARRAY_LEN(rows));

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
        assert_string_equal(app_of(r, vectors[i][0]), vectors[i][1]);
    }
    routes_unref(r);
}

static void without_a_root_application_some_paths_have_no_route(void **state)
{
    static const struct route rows[] = {{"/a", "a", "a#D"}};
    struct routes *r = routes_new(rows, 1);

    (void) state;
    assert_string_equal(app_of(r, "/"), "none");
    assert_string_equal(app_of(r, "/ab"), "none");
    assert_string_equal(app_of(r, ""), "none");
    assert_string_equal(app_of(r, "*"), "none");
    routes_unref(r);
}

static void of_two_with_one_prefix_the_later_wins(void **state)
{
    static const struct route rows[] = {{"/a", "old", "old#D"}, {"/a", "new", "new#D"}};
    struct routes *r = routes_new(rows, 2);
    size_t n = 0;

    (void) state;
    assert_string_equal(app_of(r, "/a/x"), "new");
    (void) routes_all(r, &n);
    assert_int_equal(n, 1);
    routes_unref(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_longest_prefix_that_ends_at_a_slash_wins),
        cmocka_unit_test(without_a_root_application_some_paths_have_no_route),
        cmocka_unit_test(of_two_with_one_prefix_the_later_wins),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
