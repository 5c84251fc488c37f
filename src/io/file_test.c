/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/file.h"

static char folder[64];

static int make_folder(void **state)
{
    (void) state;
    (void) snprintf(folder, sizeof(folder), "/tmp/file_test_XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void) state;
    return rmdir(folder); /* fails if a test has left something behind */
}

static void test_what_was_replaced_is_read_back_with_its_mode(void **state)
{
    char *path CLEANUP(mem_freep) = mem_printf("%s/a", folder);
    char *data CLEANUP(mem_freep) = NULL;
    size_t size = 0;
    struct stat st;

    (void) state;
    assert_int_equal(file_replace(path, SPAN("first"), 0600, false, NULL), 0);
    assert_int_equal(file_replace(path, SPAN("x\0y"), 0600, true, NULL), 0);
    assert_int_equal(file_read(path, 3, &data, &size, NULL), 0);
    assert_int_equal(size, 3);
    assert_memory_equal(data, "x\0y", 4);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(unlink(path), 0);
}

static void test_a_file_beyond_the_limit_is_refused(void **state)
{
    char *path CLEANUP(mem_freep) = mem_printf("%s/a", folder);
    char *data = NULL;
    size_t size;
    struct err err = {0};

    (void) state;
    assert_int_equal(file_replace(path, SPAN("four"), 0600, false, NULL), 0);
    assert_int_equal(file_read(path, 3, &data, &size, &err), -EFBIG);
    assert_null(data);
    assert_int_equal(unlink(path), 0);
}

static void test_errors_name_the_path(void **state)
{
    char *data = NULL;
    size_t size;
    struct err err = {0};

    (void) state;
    assert_int_equal(file_read("/nowhere/x", 3, &data, &size, &err), -ENOENT);
    assert_string_equal(err.text, "cannot open /nowhere/x: No such file or directory");
    assert_int_equal(file_make_folder("/dev/null/x", 0700, &err), -ENOTDIR);
}

static void test_a_path_of_folders_is_made_and_may_exist(void **state)
{
    char *outer CLEANUP(mem_freep) = mem_printf("%s/a", folder);
    char *inner CLEANUP(mem_freep) = mem_printf("%s/a/b", folder);

    (void) state;
    assert_int_equal(file_make_folder(inner, 0700, NULL), 0);
    assert_int_equal(file_make_folder(inner, 0700, NULL), 0);
    assert_int_equal(rmdir(inner), 0);
    assert_int_equal(rmdir(outer), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_was_replaced_is_read_back_with_its_mode),
        cmocka_unit_test(test_a_file_beyond_the_limit_is_refused),
        cmocka_unit_test(test_errors_name_the_path),
        cmocka_unit_test(test_a_path_of_folders_is_made_and_may_exist),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
