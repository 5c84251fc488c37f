/* SPDX-License-Identifier: Apache-2.0 */
#include "base/nearest.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const char *const words[] = {"deploy", "delete", NULL, "max_ongoing_requests"};

static void the_fewest_edits_win(void **state)
{
    (void) state;
    assert_string_equal(nearest_word("deplyo", words, ARRAY_LEN(words)), "deploy");
    assert_string_equal(nearest_word("delet", words, ARRAY_LEN(words)), "delete");
    assert_string_equal(nearest_word("max_ongoing_request", words, ARRAY_LEN(words)),
                        "max_ongoing_requests");
}

static void nothing_is_near_a_word_of_another_kind(void **state)
{
    char long_word[300];

    (void) state;
    memset(long_word, 'd', sizeof(long_word) - 1);
    long_word[sizeof(long_word) - 1] = '\0';
    assert_null(nearest_word("status", words, ARRAY_LEN(words)));
    assert_null(nearest_word(long_word, words, ARRAY_LEN(words)));
    assert_null(nearest_word("deploy", NULL, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_fewest_edits_win),
        cmocka_unit_test(nothing_is_near_a_word_of_another_kind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
