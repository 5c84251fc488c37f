/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "node/env.h"

static const char *const base[] = {"PATH=/bin",
                                   "EMPTY=",
                                   "RAY_AUTH_TOKEN=secret",
                                   "RAY_AUTH_TOKEN_PATH=/secret",
                                   "REDIS_PASSWORD=secret",
                                   "RAY_CLUSTER_NAME=c",
                                   "MODEL_SERVICE_LIFELINE_FD=7",
                                   "no equals sign",
                                   NULL};

/* The row with newlines between. */
static char *row_of(const struct env *e)
{
    struct buf out;

    buf_init(&out);
    env_row(e, &out);
    for (size_t i = 0; i < buf_size(&out); i++) {
        if (buf_bytes(&out)[i] == '\0') {
            buf_bytes(&out)[i] = '\n';
        }
    }
    return buf_take_str(&out);
}

static void test_credentials_stay_behind(void **state)
{
    struct env e;
    char *row;

    (void) state;
    env_init(&e, base);
    row = row_of(&e);
    assert_string_equal(row, "PATH=/bin\nEMPTY=\nRAY_CLUSTER_NAME=c\n");
    free(row);
    env_deinit(&e);
}

static void test_variables_of_the_deployment_win_and_may_use_what_was_there(void **state)
{
    struct env e;
    json_t *vars = json_pack("{s:s, s:s, s:s, s:i}", "PATH", "/x:${PATH}", "EMPTY", "${NONE}",
                             "ODD", "${PATH", "NUMBER", 1);
    char *row;

    (void) state;
    env_init(&e, base);
    env_merge(&e, vars);
    env_merge(&e, NULL);
    row = row_of(&e);
    assert_string_equal(row, "PATH=/x:/bin\nEMPTY=\nRAY_CLUSTER_NAME=c\nODD=${PATH\n");
    free(row);
    json_decref(vars);
    env_deinit(&e);
}

static void test_paths_are_put_in_front(void **state)
{
    struct env e;
    char *row;

    (void) state;
    env_init(&e, (const char *const[]){NULL});
    env_prepend(&e, "PYTHONPATH", "/a");
    env_prepend(&e, "PYTHONPATH", "/b");
    row = row_of(&e);
    assert_string_equal(row, "PYTHONPATH=/b:/a\n");
    assert_true(env_has(&e, "PYTHONPATH"));
    assert_false(env_has(&e, "PATH"));
    free(row);
    env_deinit(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_credentials_stay_behind),
        cmocka_unit_test(test_variables_of_the_deployment_win_and_may_use_what_was_there),
        cmocka_unit_test(test_paths_are_put_in_front),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
