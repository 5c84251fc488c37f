/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/follow.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char session[] = "/tmp/follow_test.XXXXXX";

static void append(const char *name, const char *text)
{
    char *path = mem_printf("%s/logs/serve/%s", session, name);
    FILE *f = fopen(path, "a");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
    free(path);
}

/* What one look prints; the caller frees it. */
static void expect_shown(struct follow *f, const char *expected)
{
    char *said = NULL;
    size_t size = 0;
    FILE *real = stdout;
    FILE *memory = open_memstream(&said, &size);

    assert_non_null(memory);
    stdout = memory;
    follow_run(f);
    stdout = real;
    assert_int_equal(fclose(memory), 0);
    assert_string_equal(said, expected);
    free(said);
}

static void test_only_new_whole_lines_of_replicas_are_shown(void **state)
{
    struct follow f;

    (void) state;
    append("replica_a_D_1.log", "old\n");
    append("proxy_127.0.0.1.log", "no\n");
    follow_init(&f, session);
    expect_shown(&f, "");
    append("replica_a_D_1.log", "new\nha");
    expect_shown(&f, "new\n");
    append("replica_a_D_1.log", "lf\n");
    expect_shown(&f, "half\n");
    append("replica_a_D_2.log", "a later replica\n");
    append("proxy_127.0.0.1.log", "no\n");
    expect_shown(&f, "a later replica\n");
    expect_shown(&f, "");
    follow_deinit(&f);
}

static void test_a_folder_that_is_not_there_is_no_error(void **state)
{
    struct follow f;

    (void) state;
    follow_init(&f, "/tmp/no/such/session");
    expect_shown(&f, "");
    follow_deinit(&f);
}

static int setup(void **state)
{
    char *logs = NULL;
    char *serve = NULL;
    int r;

    (void) state;
    if (!mkdtemp(session)) {
        return -1;
    }
    logs = mem_printf("%s/logs", session);
    serve = mem_printf("%s/logs/serve", session);
    r = mkdir(logs, 0700) < 0 || mkdir(serve, 0700) < 0 ? -1 : 0;
    free(logs);
    free(serve);
    return r;
}

static int teardown(void **state)
{
    static const char *const files[] = {"logs/serve/replica_a_D_1.log",
                                        "logs/serve/replica_a_D_2.log",
                                        "logs/serve/proxy_127.0.0.1.log",
                                        "logs/serve",
                                        "logs",
                                        ""};

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        char *path = mem_printf("%s/%s", session, files[i]);

        (void) remove(path);
        free(path);
    }
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_new_whole_lines_of_replicas_are_shown),
        cmocka_unit_test(test_a_folder_that_is_not_there_is_no_error),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
