/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/instance.h"

static char folder[64];

static int make_folder(void **state)
{
    (void) state;
    (void) snprintf(folder, sizeof(folder), "/tmp/instance_test_XXXXXX");
    return mkdtemp(folder) ? setenv("MODEL_SERVICE_RECORDS", folder, 1) : -1;
}

static int remove_folder(void **state)
{
    (void) state;
    return rmdir(folder);
}

/* An "instance": a locked record with this port. */
static int begin(uint16_t port, double started_at, char **ret_path)
{
    int fd = -1;
    struct err err;
    char address[32];
    struct instance i = {.address = address,
                         .dashboard_url = (char[]){"http://127.0.0.1:8265"},
                         .session_dir = (char[]){"/tmp/ray/s"},
                         .temp_dir = (char[]){"/tmp/ray"},
                         .python = (char[]){"/usr/bin/python3"},
                         .version = (char[]){"1"},
                         .pid = 42,
                         .started_at = started_at};

    (void) snprintf(address, sizeof(address), "127.0.0.1:%u", port);
    assert_int_equal(instance_lock(port, &fd, ret_path, &err), 0);
    assert_int_equal(instance_write(fd, &i, &err), 0);
    return fd;
}

static void end(int fd, char *path)
{
    assert_int_equal(unlink(path), 0);
    (void) close(fd);
    free(path);
}

static void test_a_living_instance_is_found_by_any_name_of_its_address(void **state)
{
    static const char *const names[] = {"127.0.0.1:6379", "localhost:6379", "auto", "", NULL};
    char *path = NULL;
    int fd = begin(6379, 1.5, &path);
    struct instance *i = NULL;

    (void) state;
    for (size_t n = 0; n < ARRAY_LEN(names); n++) {
        assert_int_equal(instance_find(names[n], &i, NULL), 0);
        assert_non_null(i);
        assert_int_equal(i->pid, 42);
        assert_string_equal(i->session_dir, "/tmp/ray/s");
        assert_true(i->started_at == 1.5);
        instance_free(i);
    }
    assert_int_equal(instance_find("127.0.0.1:6380", &i, NULL), 0);
    assert_null(i);
    end(fd, path);
}

static void test_a_record_without_its_lock_is_dead(void **state)
{
    char *path = NULL;
    struct list all;
    struct instance *i = NULL;
    int fd = begin(6379, 1, &path);

    (void) state;
    (void) close(fd); /* as when the process is killed */
    assert_int_equal(instance_find("auto", &i, NULL), 0);
    assert_null(i);
    assert_int_equal(instance_list(&all, NULL), 0);
    assert_false(list_empty(&all));
    assert_false(LIST_ENTRY(all.next, struct instance, link)->alive);
    instance_list_free(&all);
    char *again = NULL;
    fd = begin(6379, 2, &again);
    free(again); /* its place can be taken */
    assert_true(fd >= 0);
    end(fd, path);
}

static void test_the_newest_comes_first(void **state)
{
    char *paths[3] = {0};
    int fds[3] = {begin(1, 10, &paths[0]), begin(2, 30, &paths[1]), begin(3, 20, &paths[2])};
    struct instance *i = NULL;

    (void) state;
    assert_int_equal(instance_find(NULL, &i, NULL), 0);
    assert_string_equal(i->address, "127.0.0.1:2");
    instance_free(i);
    for (size_t n = 0; n < 3; n++) {
        end(fds[n], paths[n]);
    }
}

static void test_one_port_has_one_instance(void **state)
{
    char *path = NULL;
    char *other = NULL;
    int fd = begin(6379, 1, &path);
    int second = -1;
    struct err err = {0};

    (void) state;
    assert_int_equal(instance_lock(6379, &second, &other, &err), -EEXIST);
    assert_null(other);
    end(fd, path);
}

static void test_a_folder_that_others_may_write_to_is_refused(void **state)
{
    char *path = NULL;
    struct err err = {0};

    (void) state;
    assert_int_equal(chmod(folder, 0777), 0);
    assert_int_equal(instance_folder(&path, &err), -EPERM);
    assert_null(path);
    assert_int_equal(chmod(folder, 0700), 0);
}

static void test_waiting_ends_with_the_lock_or_the_time(void **state)
{
    char *path = NULL;
    int fd = begin(6379, 1, &path);
    struct instance *i = NULL;

    (void) state;
    assert_int_equal(instance_find("auto", &i, NULL), 0);
    assert_false(instance_wait_end(i, 20));
    end(fd, path);
    assert_true(instance_wait_end(i, 20));
    instance_free(i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_living_instance_is_found_by_any_name_of_its_address),
        cmocka_unit_test(test_a_record_without_its_lock_is_dead),
        cmocka_unit_test(test_the_newest_comes_first),
        cmocka_unit_test(test_one_port_has_one_instance),
        cmocka_unit_test(test_a_folder_that_others_may_write_to_is_refused),
        cmocka_unit_test(test_waiting_ends_with_the_lock_or_the_time),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
